//! A region that is being received: from its sentinel to its end, which strings inside of it do not end.

use crate::form::{Ending, Form, Literals};
use crate::token::{Match, begins, begins_one};

/// Most bytes of a region. A longer one is refused.
pub const REGION_LIMIT: usize = 4 << 20;

/// A region.
#[derive(Debug)]
pub(crate) struct Region {
    pub(crate) form: &'static Form,
    /// How far it has been looked at.
    at: usize,
    inside: Inside,
    brackets: Vec<u8>,
    /// Whether a bracket has been opened.
    has_value: bool,
    /// Where the value was complete.
    complete: Option<usize>,
    /// The first closer inside of a literal: the end after all, if no other comes.
    tentative: Option<usize>,
    /// The last way in which the literals were told from the rest turned out wrong: the first closer ends the region.
    plain: bool,
}

#[derive(Debug, Clone, Copy)]
enum Inside {
    Nothing,
    /// A string that these quotes end; `escaped`: the next character is.
    String {
        quote: u8,
        triple: bool,
        escaped: bool,
    },
    /// Text that this token ends.
    Until(&'static str),
}

/// Where a region ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It cannot be told yet.
    Open,
    /// Behind its closer, or where a value that needs none is complete.
    Closed(usize),
    /// Here, without the closer that it should have.
    Unmarked(usize),
}

impl Region {
    pub(crate) fn new(form: &'static Form, plain: bool) -> Self {
        Self {
            form,
            at: form.opener.len(),
            inside: Inside::Nothing,
            brackets: Vec::new(),
            has_value: false,
            complete: None,
            tentative: None,
            plain,
        }
    }

    /// Looks on in `text`, the region from its sentinel on and whatever follows. `last`: nothing more will come.
    pub(crate) fn look(&mut self, text: &str, last: bool) -> End {
        while let Some(rest) = text.get(self.at..).filter(|rest| !rest.is_empty()) {
            let first = rest.bytes().next().unwrap_or_default();
            let is_inside = !matches!(self.inside, Inside::Nothing);
            match begins_one(rest, self.form.closers) {
                Ok(closer) if !is_inside || self.plain => return End::Closed(self.at + closer.len()),
                Ok(closer) => {
                    self.tentative.get_or_insert(self.at + closer.len());
                }
                // Where the message ends in half a closer, it was cut.
                Err(Match::Perhaps) => return End::Open,
                Err(_) => {}
            }
            if is_inside {
                match self.inside_literal(rest, first, last) {
                    Some(step) => self.at += step,
                    None => return End::Open,
                }
                continue;
            }
            match begins(rest, self.form.opener) {
                Match::Yes if self.form.ending == Ending::Balanced && self.complete.is_some() => {
                    return End::Closed(self.at);
                }
                Match::Yes => return End::Unmarked(self.at),
                Match::Perhaps if !last => return End::Open,
                Match::Perhaps | Match::No => {}
            }
            if let Some(complete) = self.complete {
                let goes_on = matches!(first, b'{' | b'[' | b',' | b';' | b'}' | b']' | b')');
                match self.form.ending {
                    Ending::Balanced if !matches!(first, b'}' | b']') => return End::Closed(complete),
                    Ending::MarkedValue if !first.is_ascii_whitespace() && !goes_on => {
                        return End::Unmarked(complete);
                    }
                    Ending::Optional if !first.is_ascii_whitespace() && !goes_on => {
                        return End::Closed(complete);
                    }
                    Ending::Balanced
                    | Ending::Marked
                    | Ending::MarkedValue
                    | Ending::Optional
                    | Ending::Message => {}
                }
            }
            match self.outside(rest, first, last) {
                Some(step) => self.at += step,
                None => return End::Open,
            }
            if self.has_value && self.brackets.is_empty() && matches!(first, b'}' | b']' | b')') {
                self.complete = Some(self.at);
            }
        }
        match (self.complete, self.form.ending) {
            (Some(complete), Ending::Balanced | Ending::Optional) if last => End::Closed(complete),
            _ => End::Open,
        }
    }

    /// The end after all, of a region that was not closed when the message ended.
    pub(crate) fn fallback(&self) -> Option<usize> {
        self.tentative
    }

    /// How many bytes are part of it for sure.
    pub(crate) fn sure(&self) -> usize {
        self.tentative.unwrap_or(self.at)
    }

    /// How far inside of a literal one may go; `None` where it cannot be told yet.
    fn inside_literal(&mut self, rest: &str, first: u8, last: bool) -> Option<usize> {
        match self.inside {
            Inside::Nothing => Some(0),
            Inside::Until(token) => match begins(rest, token) {
                Match::Yes => {
                    self.inside = Inside::Nothing;
                    Some(token.len())
                }
                Match::Perhaps if !last => None,
                Match::Perhaps | Match::No => Some(char_length(rest)),
            },
            Inside::String {
                quote,
                triple,
                escaped,
            } => {
                let step = char_length(rest);
                if escaped {
                    self.inside = Inside::String {
                        quote,
                        triple,
                        escaped: false,
                    };
                } else if first == b'\\' {
                    self.inside = Inside::String {
                        quote,
                        triple,
                        escaped: true,
                    };
                } else if first == quote && !triple {
                    self.inside = Inside::Nothing;
                } else if first == quote {
                    let end = if quote == b'"' { "\"\"\"" } else { "'''" };
                    match begins(rest, end) {
                        Match::Yes => {
                            self.inside = Inside::Nothing;
                            return Some(end.len());
                        }
                        Match::Perhaps if !last => return None,
                        Match::Perhaps | Match::No => {}
                    }
                }
                Some(step)
            }
        }
    }

    fn outside(&mut self, rest: &str, first: u8, last: bool) -> Option<usize> {
        // Brackets that are part of a token of Mistral's.
        if self.form.ending == Ending::Balanced && first == b'[' {
            match begins_one(rest, &["[ARGS]", "[CALL_ID]"]) {
                Ok(token) => return Some(token.len()),
                Err(Match::Perhaps) if !last => return None,
                Err(_) => {}
            }
        }
        match (self.form.literals, first) {
            (Literals::Json | Literals::Python, b'"' | b'\'') => {
                if matches!(self.form.literals, Literals::Python) {
                    let triple = if first == b'"' { "\"\"\"" } else { "'''" };
                    match begins(rest, triple) {
                        Match::Yes => {
                            self.inside = Inside::String {
                                quote: first,
                                triple: true,
                                escaped: false,
                            };
                            return Some(triple.len());
                        }
                        Match::Perhaps if !last => return None,
                        Match::Perhaps | Match::No => {}
                    }
                }
                self.inside = Inside::String {
                    quote: first,
                    triple: false,
                    escaped: false,
                };
            }
            (Literals::Delimited(token), _) => match begins(rest, token) {
                Match::Yes => {
                    self.inside = Inside::Until(token);
                    return Some(token.len());
                }
                Match::Perhaps if !last => return None,
                Match::Perhaps | Match::No => {}
            },
            (Literals::Elements(openers, end), _) => match begins_one(rest, openers) {
                Ok(opener) => {
                    self.inside = Inside::Until(end);
                    return Some(opener.len());
                }
                Err(Match::Perhaps) if !last => return None,
                Err(_) => {}
            },
            (Literals::Json | Literals::Python, _) => {}
        }
        match first {
            b'{' | b'[' | b'(' => {
                // More than any value may have; what is deeper is refused when it is read.
                if self.brackets.len() < 4 * crate::lenient::DEPTH {
                    self.brackets.push(match first {
                        b'{' => b'}',
                        b'[' => b']',
                        _ => b')',
                    });
                }
                self.has_value = true;
                self.complete = None;
            }
            b'}' | b']' | b')' => {
                // A closer that was forgotten is passed over, if one outside of it is meant.
                match self.brackets.iter().rposition(|open| *open == first) {
                    Some(place) => self.brackets.truncate(place),
                    None => {
                        self.brackets.pop();
                    }
                }
            }
            _ => {}
        }
        Some(char_length(rest))
    }
}

fn char_length(text: &str) -> usize {
    text.chars().next().map_or(1, char::len_utf8)
}

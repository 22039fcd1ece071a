//! Messages that are a call as a whole: without any sentinel, or in a fence. Only the message's end can tell, so what
//! may be one is held back while it still may.

use crate::dialect::{FORMS, xlam};
use crate::expected::Expected;
use crate::form::{behind_blanks, call_head};
use crate::lenient::DEPTH;
use crate::region::REGION_LIMIT;
use crate::token::{Match, begins};
use crate::tools::Tools;
use crate::verdict::{Closing, judge};

use crate::event::Event;

/// By then the name of a tool must have come.
const NAME_WITHIN: usize = 512;
const FENCE: &str = "```";
/// Keys with which a call begins.
const KEYS: &[&str] = &[
    "name",
    "tool_name",
    "function",
    "tool",
    "type",
    "id",
    "arguments",
    "parameters",
];

/// A message that may be a call.
#[derive(Debug)]
pub(crate) struct Whole {
    fenced: bool,
    at: usize,
    depth: usize,
    quote: Option<u8>,
    escaped: bool,
    line_start: bool,
    /// The fence has ended, or the brackets have.
    complete: bool,
}

/// Whether a message that begins like this may be a call as a whole.
pub(crate) fn head(text: &str, tools: &Tools, expected: Expected) -> Match {
    match begins(text, FENCE) {
        Match::No => bare_head(text, tools),
        Match::Perhaps => Match::Perhaps,
        Match::Yes => {
            let rest = text.strip_prefix(FENCE).unwrap_or_default();
            let Some((info, body)) = rest.split_once('\n') else {
                return if rest.len() <= 16 && rest.trim_end().chars().all(is_info) {
                    Match::Perhaps
                } else {
                    Match::No
                };
            };
            if info.len() > 16 || !info.trim().chars().all(is_info) || info.trim() == "tool_code" {
                return Match::No;
            }
            let body = match behind_blanks(body) {
                Ok(body) => body,
                Err(answer) => return answer,
            };
            let mut answer = bare_head(body, tools);
            for form in FORMS.iter().filter(|form| expected.allows(form.dialect)) {
                match begins(body, form.opener) {
                    Match::Yes => return Match::Yes,
                    Match::Perhaps => {
                        answer = if answer == Match::No {
                            Match::Perhaps
                        } else {
                            answer
                        }
                    }
                    Match::No => {}
                }
            }
            answer
        }
    }
}

fn is_info(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

fn bare_head(text: &str, tools: &Tools) -> Match {
    match text.chars().next() {
        Some('{') => object_head(text),
        Some('[') => {
            let rest = match behind_blanks(text.get(1..).unwrap_or_default()) {
                Ok(rest) => rest,
                Err(answer) => return answer,
            };
            if rest.starts_with('{') {
                return object_head(rest);
            }
            match call_head(rest) {
                Match::Yes => {
                    let name = rest.split('(').next().unwrap_or_default();
                    if tools.has(name) { Match::Yes } else { Match::No }
                }
                answer => answer,
            }
        }
        _ => Match::No,
    }
}

/// `{`, a key of calls in quotes, and a colon.
fn object_head(text: &str) -> Match {
    let rest = match behind_blanks(text.get(1..).unwrap_or_default()) {
        Ok(rest) => rest,
        Err(answer) => return answer,
    };
    let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
        return Match::No;
    };
    let rest = rest.get(1..).unwrap_or_default();
    let Some((key, behind)) = rest.split_once(quote) else {
        return if KEYS.iter().any(|key| key.starts_with(rest)) {
            Match::Perhaps
        } else {
            Match::No
        };
    };
    if !KEYS.contains(&key) {
        return Match::No;
    }
    match behind_blanks(behind) {
        Ok(rest) if rest.starts_with(':') => Match::Yes,
        Ok(_) => Match::No,
        Err(answer) => answer,
    }
}

impl Whole {
    pub(crate) fn new(text: &str) -> Self {
        let fenced = text.starts_with(FENCE);
        let at = if fenced {
            text.find('\n').unwrap_or(text.len())
        } else {
            0
        };
        Self {
            fenced,
            at,
            depth: 0,
            quote: None,
            escaped: false,
            line_start: false,
            complete: false,
        }
    }

    /// Looks on in the message. `false`: it is no call as a whole.
    pub(crate) fn look(&mut self, text: &str, tools: &Tools) -> bool {
        if text.len() > REGION_LIMIT {
            return false;
        }
        if text.len() > NAME_WITHIN {
            let beginning = text
                .get(..text.floor_char_boundary(NAME_WITHIN))
                .unwrap_or_default();
            if !tools.names().any(|name| beginning.contains(name)) {
                return false;
            }
        }
        if self.fenced {
            self.look_fenced(text)
        } else {
            self.look_bare(text)
        }
    }

    fn look_fenced(&mut self, text: &str) -> bool {
        while let Some(rest) = text.get(self.at..).filter(|rest| !rest.is_empty()) {
            let first = rest.bytes().next().unwrap_or_default();
            if self.complete {
                if !first.is_ascii_whitespace() {
                    return false;
                }
            } else if self.line_start {
                match begins(rest, FENCE) {
                    Match::Yes => {
                        self.complete = true;
                        self.at += FENCE.len();
                        continue;
                    }
                    Match::Perhaps => return true,
                    Match::No => {}
                }
            }
            self.line_start = first == b'\n';
            self.at += rest.chars().next().map_or(1, char::len_utf8);
        }
        true
    }

    fn look_bare(&mut self, text: &str) -> bool {
        for byte in text.bytes().skip(self.at) {
            self.at += 1;
            if let Some(quote) = self.quote {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    _ if byte == quote => self.quote = None,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' | b'\'' if self.depth > 0 => self.quote = Some(byte),
                b'{' | b'[' | b'(' => self.depth = (self.depth + 1).min(4 * DEPTH),
                b'}' | b']' | b')' => self.depth = self.depth.saturating_sub(1),
                b',' | b';' => {}
                _ if byte.is_ascii_whitespace() => {}
                _ if self.depth == 0 => return false,
                _ => {}
            }
        }
        true
    }

    /// What the whole message is: calls, or `None` where it is text after all.
    pub(crate) fn end(&self, text: &str, cut: bool, tools: &Tools, expected: Expected) -> Option<Vec<Event>> {
        let closing = if cut { Closing::Cut } else { Closing::Marked };
        let inner = if self.fenced {
            if !self.complete {
                return None;
            }
            let body = text.trim_end().strip_suffix(FENCE)?;
            let body = body.split_once('\n')?.1;
            if FORMS
                .iter()
                .any(|form| expected.allows(form.dialect) && body.trim_start().starts_with(form.opener))
            {
                return crate::recogniser::only_calls(body, tools, expected);
            }
            body
        } else {
            text
        };
        let (dialect, found) = xlam::bare(inner, expected)?;
        // In a message without any token for calls a name must be known, else it is some other object.
        let is_call = found
            .iter()
            .all(|call| call.name.as_deref().is_some_and(|name| tools.has(name)));
        if found.is_empty() || !is_call {
            return None;
        }
        // A string is open only inside of brackets.
        let closing = if self.depth > 0 && closing == Closing::Marked {
            Closing::Natural
        } else {
            closing
        };
        let mut events = judge(inner, found, dialect, closing, tools);
        if let [Event::Call(call)] = events.as_mut_slice() {
            call.raw = text.to_owned();
        }
        Some(events)
    }
}

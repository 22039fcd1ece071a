//! The recogniser: pieces of an answer in, its parts out.

use crate::dialect::{Dialect, FORMS, harmony};
use crate::event::{Event, Refusal};
use crate::expected::Expected;
use crate::form::{Form, behind_blanks};
use crate::page::Page;
use crate::region::{End, REGION_LIMIT, Region};
use crate::thinking::{SILENT, STRAY, TAGS};
use crate::token::{Match, begins, begins_one};
use crate::tools::Tools;
use crate::verdict::{Closing, judge};
use crate::whole::{self, Whole};

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The model had said what it wanted to.
    Complete,
    /// It reached the limit of tokens.
    Length,
}

/// Takes an answer apart while it arrives.
///
/// Keeps what it cannot tell yet: at most a sentinel's length of text, or a region up to [`REGION_LIMIT`] bytes. The
/// events do not depend on how the answer was cut into pieces, but for how text and thinking are cut in turn.
#[derive(Debug)]
pub struct Recogniser {
    tools: Tools,
    expected: Expected,
    pending: String,
    mode: Mode,
    page: Page,
    /// Nothing but blanks and thinking came: the message may be a call as a whole.
    fresh: bool,
    /// Something but blanks was said.
    said: bool,
    /// A call, or what should be one, came.
    called: bool,
    /// Nothing but text came, so its beginning may turn out to be thinking.
    only_text: bool,
    /// Nothing but blanks since the start, or since a call or a thought.
    at_boundary: bool,
    harmony: bool,
    /// Strings once did not end where the region did: from then on they do not protect closers.
    plain_regions: bool,
    /// Thinking of the thinking channel that may be a call as a whole.
    thinking: Thinking,
    out: Vec<Event>,
}

#[derive(Debug)]
enum Mode {
    Text,
    Thinking(&'static [&'static str]),
    Region { region: Region, began: bool },
    Whole(Whole),
}

/// The thinking channel.
#[derive(Debug)]
enum Thinking {
    /// Nothing but blanks came.
    Fresh(String),
    /// It begins with a sentinel.
    Held(String),
    /// It is thinking.
    Plain,
}

impl Recogniser {
    /// A recogniser of calls of these tools. Without any tool it splits off thinking, and leaves all else text.
    #[must_use]
    pub fn new(tools: Tools) -> Self {
        Self {
            tools,
            expected: Expected::Any,
            pending: String::new(),
            mode: Mode::Text,
            page: Page::default(),
            fresh: true,
            said: false,
            called: false,
            only_text: true,
            at_boundary: true,
            harmony: false,
            plain_regions: false,
            thinking: Thinking::Fresh(String::new()),
            out: Vec::new(),
        }
    }

    /// The same, with what is known of the dialect.
    #[must_use]
    pub fn expecting(self, expected: Expected) -> Self {
        Self { expected, ..self }
    }

    /// Takes a piece of the answer.
    pub fn feed(&mut self, text: &str) -> Vec<Event> {
        if !text.is_empty() {
            if !text.trim().is_empty() {
                self.release_thinking();
            }
            self.take_in(text);
        }
        std::mem::take(&mut self.out)
    }

    /// Takes a text in small pieces, so that what is done to the rest of a piece costs little.
    fn take_in(&mut self, mut text: &str) {
        const PIECE: usize = 4096;
        while !text.is_empty() {
            let (piece, rest) = text.split_at(text.floor_char_boundary(PIECE));
            self.pending.push_str(piece);
            self.run(false);
            text = rest;
        }
    }

    /// Looks at what is pending again, in small pieces.
    fn look_again(&mut self) {
        let text = std::mem::take(&mut self.pending);
        self.take_in(&text);
    }

    /// Takes a piece of thinking, where the server tells thinking from answers itself.
    pub fn feed_thinking(&mut self, text: &str) -> Vec<Event> {
        if text.is_empty() {
            return Vec::new();
        }
        match &mut self.thinking {
            Thinking::Fresh(held) | Thinking::Held(held) => held.push_str(text),
            Thinking::Plain => self.out.push(Event::Thinking(text.to_owned())),
        }
        if let Thinking::Fresh(held) = &mut self.thinking {
            let answer = match behind_blanks(held) {
                Ok(_) if self.tools.is_empty() => Match::No,
                Ok(rest) => opener(rest, self.expected),
                Err(answer) => answer,
            };
            match answer {
                Match::Yes => self.thinking = Thinking::Held(std::mem::take(held)),
                Match::Perhaps => {}
                Match::No => self.release_thinking(),
            }
        }
        if matches!(&self.thinking, Thinking::Held(held) if held.len() > REGION_LIMIT) {
            self.release_thinking();
        }
        std::mem::take(&mut self.out)
    }

    /// The answer has ended, and how. What was held back comes now.
    pub fn finish(&mut self, ending: Ending) -> Vec<Event> {
        // It would not be held any more if an answer had come.
        if let Thinking::Held(held) = &mut self.thinking {
            let held = std::mem::take(held);
            self.thinking = Thinking::Plain;
            match only_calls(&held, &self.tools, self.expected) {
                Some(calls) if ending == Ending::Complete => self.out.extend(calls),
                _ => self.out.push(Event::Thinking(held)),
            }
        }
        self.release_thinking();
        self.run(true);
        loop {
            match std::mem::replace(&mut self.mode, Mode::Text) {
                Mode::Text | Mode::Thinking(_) => break,
                Mode::Region { region, began } => match region.fallback() {
                    Some(end) => {
                        self.plain_regions = true;
                        self.end_region(&region, end, Closing::Marked, began);
                    }
                    None => {
                        let cut = ending == Ending::Length;
                        let is_natural = region.form.ending == crate::form::Ending::Message;
                        let closing = match (cut, is_natural) {
                            (true, _) => Closing::Cut,
                            (false, true) => Closing::Natural,
                            (false, false) => Closing::Unmarked,
                        };
                        self.end_region(&region, self.pending.len(), closing, began);
                    }
                },
                Mode::Whole(whole) => match whole.end(
                    &self.pending,
                    ending == Ending::Length,
                    &self.tools,
                    self.expected,
                ) {
                    Some(events) => {
                        self.out.extend(events);
                        self.pending.clear();
                    }
                    None => self.fresh = false,
                },
            }
            self.look_again();
            self.run(true);
        }
        std::mem::take(&mut self.out)
    }

    fn release_thinking(&mut self) {
        match std::mem::replace(&mut self.thinking, Thinking::Plain) {
            Thinking::Fresh(held) | Thinking::Held(held) if !held.is_empty() => {
                self.out.push(Event::Thinking(held));
            }
            Thinking::Fresh(_) | Thinking::Held(_) | Thinking::Plain => {}
        }
    }

    fn run(&mut self, last: bool) {
        while !self.pending.is_empty() {
            let goes_on = match &mut self.mode {
                Mode::Text => self.text(last),
                Mode::Thinking(ends) => {
                    let ends = *ends;
                    self.think(ends, last)
                }
                Mode::Region { .. } => self.region(last),
                Mode::Whole(whole) => {
                    let may_be = whole.look(&self.pending, &self.tools);
                    if !may_be {
                        self.mode = Mode::Text;
                        self.fresh = false;
                        self.look_again();
                    }
                    !may_be
                }
            };
            if !goes_on {
                break;
            }
        }
    }

    /// Takes `length` bytes of what is pending as text.
    fn say(&mut self, length: usize) {
        if length == 0 {
            return;
        }
        let rest = self.pending.split_off(length);
        let text = std::mem::replace(&mut self.pending, rest);
        if !text.trim().is_empty() {
            self.fresh = false;
            self.said = true;
            self.at_boundary = false;
        }
        self.out.push(Event::Text(text));
    }

    fn drop(&mut self, length: usize) {
        self.pending = self.pending.split_off(length);
    }

    /// Reads text until something else begins. `false`: more must come first.
    fn text(&mut self, last: bool) -> bool {
        let mut at = 0;
        while let Some(rest) = self.pending.get(at..).filter(|rest| !rest.is_empty()) {
            let first = rest.bytes().next().unwrap_or_default();
            if self.fresh && !first.is_ascii_whitespace() && !self.tools.is_empty() {
                match whole::head(rest, &self.tools, self.expected) {
                    Match::Yes => {
                        self.mode = Mode::Whole(Whole::new(rest));
                        self.say(at);
                        return true;
                    }
                    Match::Perhaps if !last => {
                        self.say(at);
                        return false;
                    }
                    Match::Perhaps | Match::No => self.fresh = false,
                }
            }
            let begins_line = self.page.is_at_line_start();
            if matches!(first, b'<' | b'[' | 0xE2)
                || (begins_line && (first == b'`' || (first == b'A' && !self.tools.is_empty())))
            {
                match self.other(rest, last) {
                    Step::Text => {}
                    Step::Wait => {
                        self.say(at);
                        return false;
                    }
                    Step::Drop(length) => {
                        self.say(at);
                        self.drop(length);
                        return true;
                    }
                    Step::Answer(length) => {
                        self.say(at);
                        self.drop(length);
                        self.harmony = true;
                        return true;
                    }
                    Step::Enter(mode, length) => {
                        self.say(at);
                        self.drop(length);
                        self.mode = mode;
                        return true;
                    }
                    Step::WasThinking(length) => {
                        self.say(at);
                        self.drop(length);
                        self.out.push(Event::TextWasThinking);
                        self.said = false;
                        self.begin_afresh();
                        return true;
                    }
                }
            }
            at += self.pass(at, rest.len(), first);
            if !first.is_ascii_whitespace() {
                self.at_boundary = false;
                self.fresh = false;
            }
        }
        self.say(at);
        true
    }

    /// Passes over the next piece in which nothing can begin; its length.
    fn pass(&mut self, at: usize, most: usize, first: u8) -> usize {
        let plain = |byte: &u8| !matches!(byte, b'<' | b'[' | 0xE2 | b'\n' | b'`' | b'~');
        let rest = self.pending.get(at..).unwrap_or_default();
        let length = rest.bytes().take_while(plain).count();
        // While blanks alone came the next character counts, and so does a line's first.
        let length = if self.fresh || self.page.is_at_line_start() {
            let blanks = rest
                .bytes()
                .take(length)
                .take_while(u8::is_ascii_whitespace)
                .count();
            if blanks > 0 { blanks } else { length }
        } else {
            length
        };
        if length > 0 {
            self.page.plain(rest.get(..length).unwrap_or_default());
            return length;
        }
        self.page.byte(first);
        rest.chars().next().map_or(most, char::len_utf8)
    }

    /// What begins at `rest`, if not text.
    fn other(&self, rest: &str, last: bool) -> Step {
        let waits = |answer: Match| answer == Match::Perhaps && !last;
        let mut wait = false;
        if self.page.is_shown() {
            return Step::Text;
        }
        for tags in TAGS {
            match begins(rest, tags.open) {
                Match::Yes if self.page.is_at_line_start() => {
                    let behind = rest.get(tags.open.len()..).unwrap_or_default();
                    let is_alone = behind.trim_start_matches([' ', '\r']).starts_with('\n');
                    if self.at_boundary || is_alone {
                        return Step::Enter(Mode::Thinking(tags.close), tags.open.len());
                    }
                    wait |= behind.trim_start_matches([' ', '\r']).is_empty() && behind.len() <= 2;
                }
                Match::Perhaps => wait |= self.page.is_at_line_start(),
                Match::Yes | Match::No => {}
            }
        }
        if self.only_text && !self.harmony {
            match begins_one(rest, STRAY) {
                Ok(tag) => {
                    let behind = rest.get(tag.len()..).unwrap_or_default();
                    if self.page.is_at_line_start()
                        || behind.starts_with(['\n', '\r'])
                        || (behind.is_empty() && last)
                    {
                        return Step::WasThinking(tag.len());
                    }
                    wait |= behind.is_empty();
                    // DeepSeek V3.1 and Kimi K2 write the call right behind it.
                    if !self.tools.is_empty() {
                        match opener(behind, self.expected) {
                            Match::Yes => return Step::WasThinking(tag.len()),
                            answer => wait |= answer == Match::Perhaps,
                        }
                    }
                }
                Err(answer) => wait |= answer == Match::Perhaps,
            }
        }
        match begins_one(rest, SILENT) {
            Ok(token) => return Step::Drop(token.len()),
            Err(answer) => wait |= answer == Match::Perhaps,
        }
        for opener in harmony::OPENERS {
            match begins(rest, opener) {
                Match::Yes => match harmony::header(opener, rest.get(opener.len()..).unwrap_or_default()) {
                    Ok((harmony::Channel::Thinking, length)) => {
                        return Step::Enter(Mode::Thinking(harmony::THOUGHT_ENDS), opener.len() + length);
                    }
                    Ok((harmony::Channel::Answer, length)) => return Step::Answer(opener.len() + length),
                    Ok((harmony::Channel::Call, _)) => {}
                    Err(answer) => wait |= answer == Match::Perhaps,
                },
                answer => wait |= answer == Match::Perhaps,
            }
        }
        if self.harmony {
            match begins_one(rest, harmony::SILENT) {
                Ok(token) => return Step::Drop(token.len()),
                Err(answer) => wait |= answer == Match::Perhaps,
            }
        }
        if !self.tools.is_empty() {
            for form in FORMS.iter().filter(|form| self.expected.allows(form.dialect)) {
                match form_at(form, rest) {
                    Match::Yes => {
                        let region = Region::new(form, self.plain_regions);
                        return Step::Enter(Mode::Region { region, began: false }, 0);
                    }
                    Match::Perhaps => wait = true,
                    Match::No => {}
                }
            }
        }
        if waits(if wait { Match::Perhaps } else { Match::No }) {
            Step::Wait
        } else {
            Step::Text
        }
    }

    fn think(&mut self, ends: &'static [&'static str], last: bool) -> bool {
        let mut at = 0;
        self.harmony |= ends == harmony::THOUGHT_ENDS;
        while let Some(rest) = self.pending.get(at..).filter(|rest| !rest.is_empty()) {
            let step = rest.bytes().position(|byte| matches!(byte, b'<' | b'[' | 0xE2));
            let Some(step) = step else {
                at = self.pending.len();
                break;
            };
            at += step;
            let rest = self.pending.get(at..).unwrap_or_default();
            match begins_one(rest, ends) {
                Ok(end) => {
                    self.thought(at);
                    if !harmony::OPENERS.contains(&end) {
                        self.drop(end.len());
                    }
                    self.mode = Mode::Text;
                    self.begin_afresh();
                    return true;
                }
                Err(Match::Perhaps) if !last => {
                    self.thought(at);
                    return false;
                }
                Err(_) => at += rest.chars().next().map_or(1, char::len_utf8),
            }
        }
        self.thought(at);
        true
    }

    /// Takes `length` bytes of what is pending as thinking.
    fn thought(&mut self, length: usize) {
        if length > 0 {
            let rest = self.pending.split_off(length);
            let text = std::mem::replace(&mut self.pending, rest);
            self.out.push(Event::Thinking(text));
        }
    }

    /// After a thought: the message begins.
    fn begin_afresh(&mut self) {
        self.page = Page::default();
        self.at_boundary = true;
        self.fresh = !self.said && !self.called;
        self.only_text = false;
    }

    fn region(&mut self, last: bool) -> bool {
        let Mode::Region {
            mut region,
            mut began,
        } = std::mem::replace(&mut self.mode, Mode::Text)
        else {
            return true;
        };
        match region.look(&self.pending, last) {
            End::Closed(end) => self.end_region(&region, end, Closing::Marked, began),
            End::Unmarked(end) => self.end_region(&region, end, Closing::Unmarked, began),
            End::Open if self.pending.len() > REGION_LIMIT => {
                let raw = std::mem::take(&mut self.pending);
                let reason = format!("the call has more than {REGION_LIMIT} bytes");
                self.out.push(Event::Refused(Refusal {
                    name: None,
                    raw,
                    dialect: region.form.dialect,
                    reason,
                }));
                self.after_region();
            }
            End::Open => {
                began = began || self.announce(region.form, region.sure());
                self.mode = Mode::Region { region, began };
                return false;
            }
        }
        true
    }

    /// Says that a call begins, as soon as its name is known from the first bytes of its region.
    fn announce(&mut self, form: &Form, sure: usize) -> bool {
        const WITHIN: usize = 512;
        let end = self.pending.floor_char_boundary(sure.min(WITHIN));
        let beginning = self.pending.get(..end).unwrap_or_default();
        let name = (form.sniff)(beginning).filter(|name| self.tools.has(name));
        self.out.extend(name.map(|name| Event::CallBegan {
            name: name.to_owned(),
        }));
        name.is_some()
    }

    fn end_region(&mut self, region: &Region, end: usize, closing: Closing, began: bool) {
        if !began {
            self.announce(region.form, end);
        }
        let rest = self.pending.split_off(end.min(self.pending.len()));
        let text = std::mem::replace(&mut self.pending, rest);
        let found = (region.form.read)(&text, &self.tools);
        self.out
            .extend(judge(&text, found, region.form.dialect, closing, &self.tools));
        self.harmony |= region.form.dialect == Dialect::Harmony;
        self.after_region();
    }

    fn after_region(&mut self) {
        self.mode = Mode::Text;
        self.only_text = false;
        self.called = true;
        self.fresh = false;
        self.at_boundary = true;
        self.page = Page::default();
    }
}

/// What may begin in a text.
#[derive(Debug)]
enum Step {
    Text,
    Wait,
    Drop(usize),
    /// A header of harmony's, of a channel that is no thinking.
    Answer(usize),
    Enter(Mode, usize),
    WasThinking(usize),
}

fn form_at(form: &Form, rest: &str) -> Match {
    match begins(rest, form.opener) {
        Match::Yes => (form.head)(rest.get(form.opener.len()..).unwrap_or_default()),
        answer => answer,
    }
}

/// Whether a text begins with a call, by its sentinel.
fn opener(rest: &str, expected: Expected) -> Match {
    let mut answer = Match::No;
    for form in FORMS.iter().filter(|form| expected.allows(form.dialect)) {
        match form_at(form, rest) {
            Match::Yes => return Match::Yes,
            Match::Perhaps => answer = Match::Perhaps,
            Match::No => {}
        }
    }
    answer
}

/// The calls of a text that is nothing else; `None` where it is.
pub(crate) fn only_calls(text: &str, tools: &Tools, expected: Expected) -> Option<Vec<Event>> {
    let mut recogniser = Recogniser::new(tools.clone()).expecting(expected);
    recogniser.fresh = false;
    let mut events = recogniser.feed(text);
    events.extend(recogniser.finish(Ending::Complete));
    events.retain(|event| !matches!(event, Event::Text(text) if text.trim().is_empty()));
    let are_calls = |event: &Event| {
        matches!(
            event,
            Event::Call(_) | Event::Refused(_) | Event::CallBegan { .. }
        )
    };
    (!events.is_empty() && events.iter().all(are_calls)).then_some(events)
}

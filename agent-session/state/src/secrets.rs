//! Placeholders: what stands in a session where a secret stood, and how many there are.
//!
//! A secret never comes to a session. Whoever reports text puts a placeholder in its place before the event is made,
//! and keeps the value in memory. A placeholder looks like `[secret:github-token:1a2b3c4d5:7]`:
//!
//! - the kind, so that one knows what to look for;
//! - nine hexadecimal digits: the last four of the session's id, and five that its vault drew at random. A text that only
//!   looks like a placeholder, such as this one, has other digits, and so have those of a fork or of an earlier run, whose
//!   values are gone: none of them can be taken for a secret that is known;
//! - the number of the secret in that vault; a line of a private key has the number of the line too (`7.2`).
//!
//! Letters, digits and `[`, `]`, `:`, `-`, `.` only: they stand for themselves in JSON, XML, HTML and a terminal, so
//! what is masked in one of them can be found in another.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use glasswork_agent_core::compaction::Why;
use glasswork_agent_core::question::Said;
use glasswork_ai::conversation::Block;
use glasswork_engine::ScopeId;
use im::OrdMap;
use serde::{Deserialize, Serialize};

use crate::call::Detail;
use crate::compaction::Leaving;
use crate::domain;
use crate::draft::Draft;
use crate::state::Session;
use crate::{compaction, import, model, prompt, question, session, tools, tree};

/// How a placeholder begins.
pub const OPENING: &str = "[secret:";
/// No placeholder is longer, in bytes.
pub const MOST_BYTES: usize = 80;
/// How many secrets of a session are counted. Each takes about a hundred bytes.
const MOST_COUNTED: usize = 4096;
/// Digits of a tag.
const TAG: usize = 9;
/// Digits of a tag that say which session it is of.
const SESSION_TAG: usize = 4;

/// What stands where a secret stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placeholder<'a> {
    /// What kind of secret it was.
    pub kind: &'a str,
    /// Whose vault knows it: nine hexadecimal digits.
    pub tag: &'a str,
    /// Its number in that vault; 0 where the vault was full, and so does not know it.
    pub number: u32,
    /// Of a secret of several lines, the line from 1.
    pub part: Option<u32>,
}

impl fmt::Display for Placeholder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{OPENING}{}:{}:{}", self.kind, self.tag, self.number)?;
        if let Some(part) = self.part {
            write!(f, ".{part}")?;
        }
        f.write_str("]")
    }
}

impl<'a> Placeholder<'a> {
    /// Reads one that begins where `text` begins; says how long it is.
    #[must_use]
    pub fn read(text: &'a str) -> Option<(Self, usize)> {
        let body = text.strip_prefix(OPENING)?;
        let end = body.bytes().take(MOST_BYTES).position(|byte| byte == b']')?;
        let mut fields = body.get(..end)?.split(':');
        let (kind, tag, number) = (fields.next()?, fields.next()?, fields.next()?);
        let named = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if fields.next().is_some()
            || kind.is_empty()
            || !kind.bytes().all(named)
            || tag.len() != TAG
            || !tag.bytes().all(digit)
        {
            return None;
        }
        let (number, part) = match number.split_once('.') {
            Some((number, part)) => (number, Some(counted(part)?)),
            None => (number, None),
        };
        let read = Self {
            kind,
            tag,
            number: counted(number)?,
            part,
        };
        Some((read, OPENING.len() + end + 1))
    }

    /// Whether it is of this session.
    #[must_use]
    pub fn is_of(&self, session: ScopeId) -> bool {
        self.tag.get(..SESSION_TAG) == Some(&*session_tag(session))
    }
}

/// A number as it is written: without a plus or zeros in front.
fn counted(text: &str) -> Option<u32> {
    let number: u32 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// The digits of a tag that say which session it is of.
#[must_use]
pub fn session_tag(session: ScopeId) -> String {
    let id = session.to_string();
    id.get(id.len().saturating_sub(SESSION_TAG)..)
        .unwrap_or_default()
        .to_owned()
}

/// Every placeholder in a text, with where it stands.
pub fn find(text: &str) -> impl Iterator<Item = (Range<usize>, Placeholder<'_>)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let start = from + text.get(from..)?.find(OPENING)?;
            from = start + OPENING.len();
            if let Some((placeholder, len)) = text.get(start..).and_then(Placeholder::read) {
                from = start + len;
                return Some((start..from, placeholder));
            }
        }
    })
}

/// What a person says in an event, to be masked before it is dispatched.
pub fn spoken(event: &mut domain::Event, each: &mut dyn FnMut(&mut Arc<str>)) {
    match event {
        domain::Event::Prompt(prompt::Event::Prompted { text, images, .. }) => {
            each(text);
            images.iter_mut().for_each(|image| each(&mut image.name));
        }
        domain::Event::Prompt(
            prompt::Event::Steered { text, .. } | prompt::Event::FollowedUp { text, .. },
        ) => each(text),
        domain::Event::Session(session::Event::Opened { title, system, .. }) => {
            title.iter_mut().for_each(&mut *each);
            // Instructions that files of the workspace and the user give.
            system.iter_mut().for_each(|part| each(&mut part.text));
        }
        domain::Event::Compaction(compaction::Event::Requested { focus, .. })
        | domain::Event::Tree(tree::Event::BranchLeft { focus, .. }) => focus.iter_mut().for_each(each),
        domain::Event::Session(session::Event::Retitled { title }) => each(title),
        domain::Event::Tools(tools::Event::Refused { reason, .. }) => reason.iter_mut().for_each(each),
        domain::Event::Question(question::Event::Answered { said, .. }) => match said {
            // What is offered came from the model, and was masked before it was.
            Said::Line(text)
            | Said::Chosen {
                words: Some(text), ..
            } => each(text),
            Said::Chosen { words: None, .. } => {}
        },
        domain::Event::Import(import::Event::Begun(begun)) => begun.title.iter_mut().for_each(each),
        domain::Event::Import(import::Event::Taken { entries, .. }) => {
            entries.iter_mut().for_each(|entry| entry.each_text_mut(each));
        }
        domain::Event::Tree(tree::Event::Labelled { label, .. }) => label.iter_mut().for_each(each),
        _ => {}
    }
}

/// What was decided of secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// A secret that was not met before was masked.
    Masked {
        /// What kind it is.
        kind: Arc<str>,
        /// Which one: the tag and the number of its placeholder.
        mark: Arc<str>,
    },
}

/// The secrets that were masked in a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Masked(OrdMap<Arc<str>, Arc<str>>);

impl Masked {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are of each kind, in order of the kinds' names. Each is counted once, however often it was met;
    /// after 4096 no more are counted.
    #[must_use]
    pub fn counts(&self) -> Vec<(Arc<str>, u32)> {
        let mut counts: OrdMap<Arc<str>, u32> = OrdMap::new();
        for kind in self.0.values() {
            *counts.entry(Arc::clone(kind)).or_default() += 1;
        }
        counts.into_iter().collect()
    }
}

impl Fact {
    pub(crate) fn apply(&self, session: &mut Session) {
        match self {
            Self::Masked { kind, mark } => {
                session.masked.0.insert(Arc::clone(mark), Arc::clone(kind));
            }
        }
    }
}

/// States which secrets the facts of a decision name for the first time.
pub(crate) fn count(draft: &mut Draft<'_>) {
    let mut new: OrdMap<Arc<str>, Arc<str>> = OrdMap::new();
    for fact in draft.facts() {
        texts(fact, &mut |text| {
            for (_, found) in find(text) {
                if !found.is_of(draft.session.id) || draft.session.masked.0.len() + new.len() >= MOST_COUNTED
                {
                    continue;
                }
                let mark: Arc<str> = format!("{}:{}", found.tag, found.number).into();
                if !draft.session.masked.0.contains_key(&mark) {
                    new.insert(mark, found.kind.into());
                }
            }
        });
    }
    for (mark, kind) in new {
        draft.fact(Fact::Masked { kind, mark }.into());
    }
}

/// The texts of a fact that came from outside.
fn texts(fact: &domain::Fact, each: &mut dyn FnMut(&str)) {
    match fact {
        domain::Fact::Prompt(
            prompt::Fact::Said { text, images, .. } | prompt::Fact::Queued { text, images, .. },
        ) => {
            each(text);
            images.iter().for_each(|image| each(&image.name));
        }
        domain::Fact::Session(session::Fact::Titled { title }) => each(title),
        domain::Fact::Session(session::Fact::SystemSet { parts }) => {
            parts.iter().for_each(|part| each(&part.text));
        }
        domain::Fact::Compaction(compaction::Fact::Began {
            why: Why::Asked { focus: Some(focus) },
            ..
        })
        | domain::Fact::Compaction(compaction::Fact::BranchBegan {
            leaving: Leaving {
                focus: Some(focus), ..
            },
            ..
        }) => each(focus),
        domain::Fact::Tree(tree::Fact::Labelled {
            label: Some(label), ..
        }) => each(label),
        domain::Fact::Import(import::Fact::Taken { entries }) => {
            entries.iter().for_each(|entry| entry.each_text(each));
        }
        domain::Fact::Model(model::Fact::BlockFinished(_, block)) => match block {
            Block::Text(text) => each(text),
            Block::Thinking(thought) => each(&thought.text),
            Block::ToolCall(call) => {
                each(&call.arguments);
                if let Some(reading) = &call.reading {
                    each(&reading.raw);
                    if let Some(reason) = &reading.refused {
                        each(reason);
                    }
                }
            }
            Block::Kept(kept) => kept.texts().for_each(|text| each(text)),
        },
        domain::Fact::Tools(tools::Fact::Settled { outcome, .. }) => {
            each(&outcome.text);
            let images = outcome.detail.iter().flat_map(Detail::images);
            images.for_each(|image| each(&image.name));
            match &outcome.detail {
                Some(Detail::Diff(diff)) => each(diff),
                Some(Detail::Image(_) | Detail::Images(_) | Detail::Exit { .. }) | None => {}
            }
        }
        _ => {}
    }
}

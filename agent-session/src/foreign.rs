//! Conversations that other agents have written down, read from their files and from nothing else.
//!
//! Each format is a pure function from bytes to a [`Transcript`]: no agent, no network, no clock, no file. What a
//! parser does not take is counted by kind and place ([`Left`]), never fatal and never silent. What it takes is put
//! into an order that any model's wire accepts: parents before children, each call with exactly one result.
//!
//! | file | format | where it comes from |
//! |---|---|---|
//! | `pi.rs` | pi and Hamr, versions 1 to 3 | `~/.pi/agent/sessions/*/*.jsonl`, `~/.hamr/…` |
//! | `claude_code.rs` | Claude Code | `~/.claude/projects/*/*.jsonl` |
//! | `codex.rs` | Codex rollouts | `~/.codex/sessions/YYYY/MM/DD/rollout-*.jsonl` |
//! | `gemini.rs` | Gemini CLI chats and checkpoints | `~/.gemini/tmp/*/chats/*`, `~/.gemini/tmp/*/checkpoint-*.json` |

mod arrange;
mod claude_code;
mod codex;
mod draft;
mod gemini;
mod lines;
mod links;
mod pairs;
mod pi;
mod text;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use glasswork_ai::conversation::Block;
use glasswork_ai::model::{ModelId, Thinking};
use glasswork_ai::stream::{StopReason, Usage};
use glasswork_engine::Timestamp;
use serde::Serialize;

/// The longest line that is looked at, in bytes. A longer one is told by its place.
pub const MAX_LINE: usize = 64 << 20;
/// How many places of each kind of [`Left`] are named.
pub const PLACES: usize = 8;
/// Most conversations of other agents that are taken out of one file. The lines of further ones are told.
pub const ASIDES: usize = 256;

/// A format that is not our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// pi and Hamr.
    Pi,
    /// Claude Code.
    ClaudeCode,
    /// Codex.
    Codex,
    /// Gemini CLI.
    Gemini,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pi, Self::ClaudeCode, Self::Codex, Self::Gemini];

    /// Its name on the command line and in journals.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pi => "pi",
            Self::ClaudeCode => "claude-code",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
        }
    }

    /// The format that a file has, by its beginning.
    #[must_use]
    pub fn detect(bytes: &[u8]) -> Option<Self> {
        let lines = lines::beginning(bytes);
        let looks: [(Self, Looks); 4] = [
            (Self::Pi, pi::recognises),
            (Self::Codex, codex::recognises),
            (Self::Gemini, gemini::recognises),
            (Self::ClaudeCode, claude_code::recognises),
        ];
        let by_line = lines.iter().find_map(|line| {
            let found = looks.iter().find(|(_, recognises)| recognises(line));
            found.map(|(format, _)| *format)
        });
        by_line.or_else(|| gemini::recognises_document(bytes).then_some(Self::Gemini))
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether a line looks like one of a format.
type Looks = fn(&serde_json::Value) -> bool;

/// Not the name of a format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no format of another agent; there are pi, claude-code, codex and gemini")]
pub struct UnknownFormat(pub String);

impl FromStr for Format {
    type Err = UnknownFormat;
    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        let found = Self::ALL.into_iter().find(|format| format.name() == text);
        found.ok_or_else(|| UnknownFormat(text.to_owned()))
    }
}

/// Why a file is no transcript.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForeignError {
    /// No format looks like this.
    #[error("this is no transcript that is known here; say which format it has, or look at the file")]
    Unrecognised,
    /// It is text in another encoding.
    #[error("this is UTF-16 text; transcripts are UTF-8: convert it first (`iconv -f UTF-16 -t UTF-8`)")]
    Utf16,
    /// Nothing was said in it.
    #[error("there is no conversation in this {0} file ({1})")]
    Empty(Format, String),
}

/// A conversation, whoever wrote it down.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Transcript {
    /// The format it was read from.
    pub format: Format,
    /// The version of the format, or of the program that wrote it.
    pub version: Option<Arc<str>>,
    /// What the other agent calls the session.
    pub session: Option<Arc<str>>,
    /// What people call it.
    pub title: Option<Arc<str>>,
    /// Where it worked.
    pub workspace: Option<Arc<str>>,
    /// When it began.
    pub started: Option<Timestamp>,
    /// The model that was asked last.
    pub model: Option<ModelId>,
    /// How much it was to think.
    pub thinking: Option<Thinking>,
    /// The tree, parents before children; each answer is followed by the results of its calls.
    pub entries: Vec<Entry>,
    /// The entry at which it goes on.
    pub leaf: Option<usize>,
    /// What a model would be sent, in order.
    pub sent: Vec<usize>,
    /// Conversations that it had other agents hold, and that stand in the same file.
    pub asides: Vec<Aside>,
    /// What was left out, or had to be mended.
    pub left: Vec<Left>,
}

/// A conversation that an agent had another agent hold for it: of Claude Code a sidechain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Aside {
    /// What it was to do, in a few words.
    pub title: Option<Arc<str>>,
    /// The entry of the conversation that had it held, by its place; where that is not said, the one that stands before.
    pub entry: Option<usize>,
    /// The lines of the file that say it, from 1, in order. [`only`] these are a file of the same format.
    pub lines: Vec<u64>,
}

/// The same file with nothing but some of its lines, each where it stood: the others are empty, and behind the last
/// there are none. `lines` are numbers from 1, in order.
#[must_use]
pub fn only(bytes: &[u8], lines: &[u64]) -> Vec<u8> {
    let mut wanted = lines.iter().copied().peekable();
    let mut kept = Vec::new();
    for (line, number) in bytes.split_inclusive(|byte| *byte == b'\n').zip(1u64..) {
        match wanted.peek() {
            None => break,
            Some(next) if *next == number => {
                kept.extend_from_slice(line);
                wanted.next();
            }
            Some(_) => kept.push(b'\n'),
        }
    }
    kept
}

/// A node of the conversation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// The entry before it, by its place.
    pub parent: Option<usize>,
    /// The line of the file that says it, from 1. Of several the first; of a result that is not in the file, that of
    /// the call.
    pub line: u64,
    /// When it was said.
    pub at: Option<Timestamp>,
    /// What somebody called it.
    pub label: Option<Arc<str>>,
    /// What it says.
    pub body: Body,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// Someone's words.
    Prompt(Arc<str>),
    /// What stands for a branch that was left.
    BranchSummary {
        /// The summary.
        text: Arc<str>,
        /// The end of that branch, where the file tells.
        from: Option<usize>,
    },
    /// What stands for everything before it on its branch.
    Compaction {
        /// The summary.
        text: Arc<str>,
        /// The first entry before it for which it does not stand.
        kept: Option<usize>,
    },
    /// A model's answer.
    Answer(Answer),
    /// What came of a call of the answer before it.
    Result(CallResult),
}

/// A model's answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// Its blocks. No signatures: they can be checked by nobody but who signed, and a wrong one is refused.
    pub blocks: Vec<Block>,
    /// The model, as far as it is known.
    pub model: Option<ModelId>,
    /// What its provider counted.
    pub usage: Option<Usage>,
    /// Why it stopped; `None` where it was not let finish.
    pub stop: Option<StopReason>,
    /// Whether it was cut off.
    pub cancelled: bool,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CallResult {
    /// The id of the call, as the answer has it.
    pub call: Arc<str>,
    /// The tool.
    pub name: Arc<str>,
    /// What the model was told.
    pub text: Arc<str>,
    /// Whether it was told that the call failed.
    pub is_error: bool,
    /// Whether the file has no result of it, so that how it ended is not known.
    pub unknown: bool,
}

/// Something of the file that is not in the conversation, or not as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Why.
    pub why: Why,
    /// Which kind of thing, as the file names it.
    pub kind: String,
    /// How often.
    pub count: u64,
    /// Where: lines from 1, at most [`PLACES`] of them.
    pub lines: Vec<u64>,
}

/// Why something is not in the conversation, or not as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Why {
    /// It is known, and no part of the conversation.
    NotConversation,
    /// Nobody here knows what it is.
    Unknown,
    /// It is not JSON, or not UTF-8.
    Unreadable,
    /// Its line is longer than is looked at.
    TooLong,
    /// It is the last line, and not whole.
    Torn,
    /// It has an id that something before it has.
    DuplicateId,
    /// What it follows is not in the file; it was put behind what stands before it.
    MissingParent,
    /// It follows itself; the ring was opened there.
    Cycle,
    /// It is the result of a call that is not in the file.
    OrphanResult,
    /// It is another result of a call that has one.
    DuplicateResult,
    /// The call has no result in the file; it got one that says so.
    NoResult,
    /// There is nothing in it.
    Empty,
    /// It is no text: a note stands in its place.
    NoText,
    /// Something of it is no Unicode; U+FFFD stands there.
    Mended,
    /// It is about something that is not in the conversation.
    Unattached,
}

impl Why {
    /// In words.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::NotConversation => "no part of the conversation",
            Self::Unknown => "not known here",
            Self::Unreadable => "not readable",
            Self::TooLong => "longer than is looked at",
            Self::Torn => "the last line is not whole",
            Self::DuplicateId => "its id was taken",
            Self::MissingParent => "follows what is not there; put behind what stands before it",
            Self::Cycle => "follows itself; the ring was opened there",
            Self::OrphanResult => "left out: a result without its call",
            Self::DuplicateResult => "left out: a second result of one call",
            Self::NoResult => "a call without a result; its outcome is not known",
            Self::Empty => "nothing in it",
            Self::NoText => "not text; a note stands in its place",
            Self::Mended => "not Unicode everywhere; U+FFFD stands there",
            Self::Unattached => "about something that is not in the conversation",
        }
    }
}

/// Reads a transcript.
///
/// # Errors
/// [`ForeignError`] where it is none. Everything that is wrong inside it is told in [`Transcript::left`].
pub fn parse(format: Format, bytes: &[u8]) -> Result<Transcript, ForeignError> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(ForeignError::Utf16);
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let draft = match format {
        Format::Pi => pi::read(bytes),
        Format::ClaudeCode => claude_code::read(bytes),
        Format::Codex => codex::read(bytes),
        Format::Gemini => gemini::read(bytes),
    };
    let transcript = arrange::arrange(format, draft);
    if transcript.entries.is_empty() {
        let most = transcript.left.iter().max_by_key(|left| left.count);
        let most = most.map_or_else(
            || "it is empty".to_owned(),
            |left| {
                let (kind, why) = (&left.kind, left.why.text());
                format!("{} × {kind}: {why}", left.count)
            },
        );
        return Err(ForeignError::Empty(format, most));
    }
    Ok(transcript)
}

//! An answer being put together: what all decoders share, and the only place that finishes a block.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::{ANSWER_LIMIT, protocol_failure};
use crate::conversation::{Block, Kept, Thought, ToolCall};
use crate::failure::Failure;
use crate::stream::{BlockKind, StopReason, StreamEvent, Usage};

/// The state of an answer. Its methods emit steps that keep to the grammar, whatever the server does.
#[derive(Debug)]
pub(super) struct Answer {
    /// Messages in the request: makes ids of calls unique in a conversation.
    conversation: usize,
    started: bool,
    blocks: Vec<Slot>,
    bytes: usize,
    usage: Option<Usage>,
    reason: Option<StopReason>,
    over: bool,
    out: Vec<StreamEvent>,
}

/// A block by its number.
#[derive(Debug)]
enum Slot {
    Open(Open),
    /// A tool call that the server says is complete. Whether it is, its stop reason shows.
    Held(ToolCall),
    Done,
}

#[derive(Debug)]
struct Open {
    kind: BlockKind,
    text: String,
    signature: Option<String>,
    redacted: Option<Arc<str>>,
}

impl Answer {
    pub(super) fn new(conversation: usize) -> Self {
        Self {
            conversation,
            started: false,
            blocks: Vec::new(),
            bytes: 0,
            usage: None,
            reason: None,
            over: false,
            out: Vec::new(),
        }
    }

    pub(super) fn take(&mut self) -> Vec<StreamEvent> {
        std::mem::take(&mut self.out)
    }

    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// The server's first words; later ones change nothing.
    pub(super) fn start(&mut self, response: Option<&str>, model: Option<&str>) {
        if !self.started && !self.over {
            self.started = true;
            self.out.push(StreamEvent::Started {
                response: response.map(Into::into),
                model: model.map(Into::into),
            });
        }
    }

    /// Opens a block and gives its number.
    pub(super) fn open(&mut self, kind: BlockKind) -> u32 {
        self.start(None, None);
        let index = u32::try_from(self.blocks.len()).unwrap_or(u32::MAX);
        if !self.over {
            self.out.push(StreamEvent::BlockStarted {
                index,
                kind: kind.clone(),
            });
        }
        // A block costs memory also when it stays empty.
        self.grow(std::mem::size_of::<Slot>());
        self.blocks.push(Slot::Open(Open {
            kind,
            text: String::new(),
            signature: None,
            redacted: None,
        }));
        index
    }

    /// The id for a call that the server gave none, or one that is taken.
    pub(super) fn call_id(&self, given: &str) -> Arc<str> {
        let taken = |id: &str| {
            self.blocks.iter().any(|slot| match slot {
                Slot::Open(Open {
                    kind: BlockKind::ToolCall { id: other, .. },
                    ..
                }) => **other == *id,
                Slot::Held(call) => *call.id == *id,
                Slot::Open(_) | Slot::Done => false,
            })
        };
        if !given.is_empty() && !taken(given) {
            return given.into();
        }
        format!("call_{}_{}", self.conversation, self.blocks.len()).into()
    }

    /// Adds text to an open block.
    pub(super) fn delta(&mut self, index: u32, text: &str) {
        if text.is_empty() || self.over {
            return;
        }
        let Some(Slot::Open(open)) = self.slot(index) else {
            return;
        };
        open.text.push_str(text);
        self.out.push(StreamEvent::Delta {
            index,
            text: text.into(),
        });
        self.grow(text.len());
    }

    /// Whether the text of an open block is this, and a whole JSON object.
    pub(super) fn has_whole(&self, index: u32, text: &str) -> bool {
        let slot = usize::try_from(index)
            .ok()
            .and_then(|index| self.blocks.get(index));
        matches!(slot, Some(Slot::Open(open)) if open.text == text && is_object(text))
    }

    /// Adds to the signature of an open thought.
    pub(super) fn sign(&mut self, index: u32, signature: &str) {
        if let Some(Slot::Open(open)) = self.slot(index) {
            open.signature.get_or_insert_default().push_str(signature);
            self.grow(signature.len());
        }
    }

    /// Sets the encrypted text of an open thought.
    pub(super) fn redact(&mut self, index: u32, data: &str) {
        if let Some(Slot::Open(open)) = self.slot(index) {
            open.redacted = Some(data.into());
            self.grow(data.len());
        }
    }

    /// Counts bytes that a decoder keeps by itself.
    pub(super) fn count(&mut self, bytes: usize) {
        self.grow(bytes);
    }

    /// Adds what the provider wants back with the block before.
    pub(super) fn keep(&mut self, kept: Kept) {
        let index = self.open(BlockKind::Kept);
        if self.over {
            return;
        }
        let bytes = kept.texts().map(|text| text.len()).sum();
        if let Some(slot) = self.slot(index) {
            *slot = Slot::Done;
        }
        let block = Block::Kept(kept);
        self.out.push(StreamEvent::BlockFinished { index, block });
        self.grow(bytes);
    }

    /// The server says that a block is complete.
    pub(super) fn finish(&mut self, index: u32) {
        if self.over {
            return;
        }
        let Some(slot) = self.slot(index) else { return };
        let Slot::Open(open) = std::mem::replace(slot, Slot::Done) else {
            return;
        };
        let text: Arc<str> = open.text.into();
        let block = match open.kind {
            BlockKind::Text => Block::Text(text),
            BlockKind::Thinking => Block::Thinking(Thought {
                text,
                signature: open.signature.map(Into::into),
                redacted: open.redacted,
            }),
            BlockKind::Kept => Block::Kept(Kept::Item(text)),
            BlockKind::ToolCall { id, name } => {
                *slot = Slot::Held(ToolCall {
                    id,
                    name,
                    arguments: text,
                    reading: None,
                });
                return;
            }
        };
        self.out.push(StreamEvent::BlockFinished { index, block });
    }

    /// The server says why it stopped. Calls are finished here: where it was cut short, only those that are whole
    /// beyond doubt, which JSON objects are, since no part of one is itself one.
    pub(super) fn stop(&mut self, reason: StopReason) {
        if self.over || self.reason.is_some() {
            return;
        }
        self.start(None, None);
        let trusted = matches!(
            reason,
            StopReason::EndOfTurn | StopReason::ToolUse | StopReason::StopSequence | StopReason::Paused
        );
        for (index, slot) in (0u32..).zip(&mut self.blocks) {
            if matches!(slot, Slot::Held(call) if trusted || is_object(&call.arguments))
                && let Slot::Held(call) = std::mem::replace(slot, Slot::Done)
            {
                let block = Block::ToolCall(call);
                self.out.push(StreamEvent::BlockFinished { index, block });
            }
        }
        self.reason = Some(reason);
    }

    pub(super) fn usage(&mut self, usage: Usage) {
        if self.usage != Some(usage) && !self.over {
            self.start(None, None);
            self.usage = Some(usage);
            self.out.push(StreamEvent::Usage(usage));
        }
    }

    /// Nothing more comes: the answer is complete if the server said why it stopped, else it failed.
    pub(super) fn end(&mut self, otherwise: Failure) {
        match self.reason.take() {
            Some(reason) if !self.over => {
                self.over = true;
                self.out.push(StreamEvent::Finished(reason));
            }
            _ => self.fail(otherwise),
        }
    }

    pub(super) fn fail(&mut self, failure: Failure) {
        if !self.over {
            self.over = true;
            self.out.push(StreamEvent::Failed(failure));
        }
    }

    fn slot(&mut self, index: u32) -> Option<&mut Slot> {
        self.blocks.get_mut(usize::try_from(index).ok()?)
    }

    fn grow(&mut self, bytes: usize) {
        self.bytes += bytes;
        if self.bytes > ANSWER_LIMIT {
            self.fail(protocol_failure(&format!(
                "the answer has more than {ANSWER_LIMIT} bytes"
            )));
            self.blocks = Vec::new();
        }
    }
}

/// Whether a text is a whole JSON object.
pub(crate) fn is_object(text: &str) -> bool {
    text.trim_start().starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// Arguments are a text that holds JSON; some servers send the JSON itself.
pub(super) fn argument_text(raw: &RawValue) -> Result<Cow<'_, str>, serde_json::Error> {
    match raw.get() {
        text if text.starts_with('"') => serde_json::from_str(text).map(Cow::Owned),
        text => Ok(Cow::Borrowed(text)),
    }
}

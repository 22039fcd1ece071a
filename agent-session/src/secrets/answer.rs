//! A model's answer, masked while it streams.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use glasswork_agent_core::id::RequestId;
use glasswork_ai::conversation::{Block, Kept, Reading, Thought, ToolCall};
use glasswork_ai::failure::Failure;
use glasswork_ai::stream::StreamEvent;

use super::masking::{Masking, Stream};
use super::vault::Origin;

/// Masks the blocks of an answer. A complete block is what its growth was, put together.
#[derive(Debug)]
pub(crate) struct AnswerMasking {
    masking: Masking,
    request: RequestId,
    open: BTreeMap<u32, Open>,
}

/// A block that grows.
#[derive(Debug)]
struct Open {
    stream: Stream,
    /// Bytes that came.
    came: usize,
    /// What was told of them.
    told: String,
}

impl AnswerMasking {
    /// Nothing has come.
    pub(crate) fn new(masking: Masking, request: RequestId) -> Self {
        Self {
            masking,
            request,
            open: BTreeMap::new(),
        }
    }

    /// Gives what may be told of a step, in order.
    pub(crate) fn step(&mut self, event: StreamEvent, each: &mut dyn FnMut(StreamEvent)) {
        match event {
            StreamEvent::Delta { index, text } => {
                let open = self.open(index);
                open.came += text.len();
                let more = open.stream.push_text(&text);
                open.tell(index, more, each);
            }
            StreamEvent::BlockFinished { index, block } => {
                let told = self.open.remove(&index).map(|mut open| {
                    let rest = open.stream.finish_text();
                    open.tell(index, rest, each);
                    open
                });
                let block = self.block(index, block, told);
                each(StreamEvent::BlockFinished { index, block });
            }
            StreamEvent::Failed(failure) => each(StreamEvent::Failed(self.failure(failure))),
            StreamEvent::Started { .. }
            | StreamEvent::BlockStarted { .. }
            | StreamEvent::Usage(_)
            | StreamEvent::Finished(_) => each(event),
        }
    }

    /// Nothing more comes: gives what waited in blocks that are not complete.
    pub(crate) fn finish(&mut self, each: &mut dyn FnMut(StreamEvent)) {
        for (index, mut open) in std::mem::take(&mut self.open) {
            let rest = open.stream.finish_text();
            open.tell(index, rest, each);
        }
    }

    /// A failure: servers like to repeat what they were sent, keys included.
    pub(crate) fn failure(&self, failure: Failure) -> Failure {
        match self.masking.text(&failure.message, &Origin::Elsewhere) {
            Cow::Borrowed(_) => failure,
            Cow::Owned(message) => Failure {
                message: message.into(),
                ..failure
            },
        }
    }

    fn origin(&self, index: u32) -> Origin {
        Origin::Model(self.request, index)
    }

    fn open(&mut self, index: u32) -> &mut Open {
        let origin = self.origin(index);
        let masking = &self.masking;
        self.open.entry(index).or_insert_with(|| Open {
            stream: masking.stream(origin),
            came: 0,
            told: String::new(),
        })
    }

    /// A text that is looked at by itself.
    fn plain(&self, text: &Arc<str>, index: u32) -> Arc<str> {
        match self.masking.text(text, &self.origin(index)) {
            Cow::Borrowed(_) => Arc::clone(text),
            Cow::Owned(masked) => masked.into(),
        }
    }

    fn block(&self, index: u32, block: Block, told: Option<Open>) -> Block {
        let masked = |text: &Arc<str>| -> Arc<str> {
            match &told {
                Some(told) if told.came == text.len() => {
                    if told.told == **text {
                        Arc::clone(text)
                    } else {
                        told.told.as_str().into()
                    }
                }
                // It came at once, or is more than its growth was.
                _ => self.plain(text, index),
            }
        };
        match block {
            Block::Text(text) => Block::Text(masked(&text)),
            Block::Thinking(thought) => {
                let text = masked(&thought.text);
                // A signature is one of the text that the model wrote.
                let signature = thought.signature.filter(|_| text == thought.text);
                Block::Thinking(Thought {
                    text,
                    signature,
                    redacted: thought.redacted,
                })
            }
            Block::ToolCall(call) => {
                let plain = |text: &Arc<str>| self.plain(text, index);
                let arguments = match &call.reading {
                    // They are not what was streamed, even where they are as long.
                    Some(_) => plain(&call.arguments),
                    None => masked(&call.arguments),
                };
                let reading = call.reading.map(|reading| {
                    Arc::new(Reading {
                        raw: plain(&reading.raw),
                        refused: reading.refused.as_ref().map(plain),
                        ..Reading::clone(&reading)
                    })
                });
                Block::ToolCall(ToolCall {
                    arguments,
                    reading,
                    ..call
                })
            }
            // What is encrypted shows nothing. What is not is of no use once it is changed: the provider would refuse it.
            Block::Kept(Kept::Item(item)) if masked(&item) != item => Block::Kept(Kept::Item("".into())),
            Block::Kept(Kept::ReasoningDetails(details)) if masked(&details) != details => {
                Block::Kept(Kept::ReasoningDetails("".into()))
            }
            Block::Kept(kept) => Block::Kept(kept),
        }
    }
}

impl Open {
    fn tell(&mut self, index: u32, more: String, each: &mut dyn FnMut(StreamEvent)) {
        if !more.is_empty() {
            self.told.push_str(&more);
            each(StreamEvent::Delta {
                index,
                text: more.into(),
            });
        }
    }
}

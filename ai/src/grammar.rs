//! The grammar of a streamed answer, checked step by step.
//!
//! Decoders promise it; whoever writes a decoder, a model or a relay holds theirs against this.

use std::collections::BTreeMap;

use crate::conversation::Block;
use crate::stream::{BlockKind, StreamEvent};

/// What a sequence of [`StreamEvent`]s did that the grammar forbids.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// A step came after the end.
    #[error("a step after the end: {0:?}")]
    AfterEnd(StreamEvent),
    /// A step came before `Started`.
    #[error("a step before `Started`: {0:?}")]
    BeforeStart(StreamEvent),
    /// `Started` came twice.
    #[error("`Started` came twice")]
    StartedTwice,
    /// A block has a number other than the next one.
    #[error("block {found} began where block {expected} was next")]
    OutOfOrder {
        /// The number that was next.
        expected: u32,
        /// The number that came.
        found: u32,
    },
    /// A step names a block that is not open.
    #[error("block {0} is not open")]
    NotOpen(u32),
    /// A finished block is not what was started and streamed.
    #[error("block {0} is not what was streamed")]
    NotWhatWasStreamed(u32),
    /// The sequence stopped without `Finished` or `Failed`.
    #[error("the answer has no end")]
    NoEnd,
}

/// A checker. Keeps the text of open blocks only.
#[derive(Debug, Default)]
pub struct Grammar {
    started: bool,
    ended: bool,
    next: u32,
    open: BTreeMap<u32, (BlockKind, String)>,
}

impl Grammar {
    /// Checks a whole sequence.
    ///
    /// # Errors
    /// The first breach.
    pub fn check<'a>(steps: impl IntoIterator<Item = &'a StreamEvent>) -> Result<(), Breach> {
        let mut grammar = Self::default();
        for step in steps {
            grammar.step(step)?;
        }
        grammar.end()
    }

    /// Takes the next step.
    ///
    /// # Errors
    /// The breach, if this step is one.
    pub fn step(&mut self, step: &StreamEvent) -> Result<(), Breach> {
        if self.ended {
            return Err(Breach::AfterEnd(step.clone()));
        }
        match step {
            StreamEvent::Started { .. } if self.started => return Err(Breach::StartedTwice),
            StreamEvent::Started { .. } => self.started = true,
            StreamEvent::Failed(_) => self.ended = true,
            _ if !self.started => return Err(Breach::BeforeStart(step.clone())),
            StreamEvent::Usage(_) => {}
            StreamEvent::Finished(_) => self.ended = true,
            StreamEvent::BlockStarted { index, kind } => {
                if *index != self.next {
                    return Err(Breach::OutOfOrder {
                        expected: self.next,
                        found: *index,
                    });
                }
                self.next += 1;
                self.open.insert(*index, (kind.clone(), String::new()));
            }
            StreamEvent::Delta { index, text } => {
                let (_, so_far) = self.open.get_mut(index).ok_or(Breach::NotOpen(*index))?;
                so_far.push_str(text);
            }
            StreamEvent::BlockFinished { index, block } => {
                let (kind, text) = self.open.remove(index).ok_or(Breach::NotOpen(*index))?;
                let same = match (block, kind) {
                    (Block::Text(whole), BlockKind::Text) => **whole == *text,
                    // What was streamed as text may turn out to have been thinking: its end came, its beginning did not.
                    (Block::Thinking(thought), BlockKind::Thinking | BlockKind::Text) => {
                        *thought.text == *text
                    }
                    (Block::ToolCall(call), BlockKind::ToolCall { id, name }) => {
                        let was_read = call.reading.is_some();
                        call.id == id && call.name == name && (*call.arguments == *text || was_read)
                    }
                    (Block::Kept(_), BlockKind::Kept) => text.is_empty(),
                    _ => false,
                };
                if !same {
                    return Err(Breach::NotWhatWasStreamed(*index));
                }
            }
        }
        Ok(())
    }

    /// Checks that the sequence may stop here.
    ///
    /// # Errors
    /// [`Breach::NoEnd`].
    pub fn end(&self) -> Result<(), Breach> {
        if self.ended { Ok(()) } else { Err(Breach::NoEnd) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{Failure, FailureClass};
    use crate::stream::StopReason;

    #[test]
    fn every_breach_is_named() {
        let started = StreamEvent::Started {
            response: None,
            model: None,
        };
        let text = |index| StreamEvent::BlockStarted {
            index,
            kind: BlockKind::Text,
        };
        let delta = |index, text: &str| StreamEvent::Delta {
            index,
            text: text.into(),
        };
        let finished = |index, text: &str| StreamEvent::BlockFinished {
            index,
            block: Block::Text(text.into()),
        };
        let end = StreamEvent::Finished(StopReason::EndOfTurn);
        let failed = StreamEvent::Failed(Failure::new(FailureClass::Transport, "cut"));
        let table: Vec<(Vec<StreamEvent>, Result<(), Breach>)> = vec![
            (vec![failed.clone()], Ok(())),
            (
                vec![
                    started.clone(),
                    text(0),
                    delta(0, "a"),
                    text(1),
                    finished(0, "a"),
                    end.clone(),
                ],
                Ok(()),
            ),
            (vec![], Err(Breach::NoEnd)),
            (vec![end.clone()], Err(Breach::BeforeStart(end.clone()))),
            (vec![started.clone(), started.clone()], Err(Breach::StartedTwice)),
            (
                vec![started.clone(), text(1)],
                Err(Breach::OutOfOrder {
                    expected: 0,
                    found: 1,
                }),
            ),
            (vec![started.clone(), delta(0, "a")], Err(Breach::NotOpen(0))),
            (
                vec![started.clone(), text(0), delta(0, "a"), finished(0, "b")],
                Err(Breach::NotWhatWasStreamed(0)),
            ),
            (
                vec![started.clone(), text(0), finished(0, ""), finished(0, "")],
                Err(Breach::NotOpen(0)),
            ),
            (
                vec![started.clone(), end.clone(), failed.clone()],
                Err(Breach::AfterEnd(failed)),
            ),
        ];
        for (steps, expected) in table {
            assert_eq!(Grammar::check(&steps), expected, "{steps:?}");
        }
    }
}

//! Taking in the pieces of an answer, and noticing those that never came.

use std::sync::Arc;

use glasswork_agent_core::answer::Slot;
use glasswork_ai::conversation::Block;
use glasswork_ai::failure::{Failure, FailureClass};
use glasswork_ai::stream::{StopReason, StreamEvent};

use crate::draft::Draft;
use crate::model::Fact;
use crate::state::AttemptWait;

/// The largest block that a session takes, in bytes of JSON: a line of the journal holds it twice, as event and as fact.
pub(crate) const BLOCK_BYTES: usize = 384 * 1024;
/// The most that pieces may take that wait together, in bytes of JSON, so that a line holds them.
const WAITING_BYTES: usize = 448 * 1024;
/// What a piece takes besides its text.
const PIECE_BYTES: usize = 64;

/// Takes pieces of the answer in. `state` states their facts: [`Draft::fact`] where the rest of the decision looks
/// at the answer, else [`Draft::note`], because pieces are many.
pub(crate) fn hear<'a>(
    draft: &mut Draft<'a>,
    steps: &[StreamEvent],
    state: fn(&mut Draft<'a>, crate::domain::Fact),
) -> Result<(), Failure> {
    let first = draft
        .session
        .attempt()
        .and_then(|attempt| attempt.wait.as_ref())
        .is_some_and(|wait| wait.on == AttemptWait::FirstToken);
    let says = |step: &StreamEvent| {
        matches!(
            step,
            StreamEvent::BlockStarted { .. } | StreamEvent::Delta { .. } | StreamEvent::BlockFinished { .. }
        )
    };
    if first && steps.iter().any(says) {
        let on = AttemptWait::Stream;
        let after_ms = draft.session.settings.idle_timeout_ms.value;
        draft.fact(Fact::Waits { on, after_ms }.into());
    }
    let mut steps = steps.iter().peekable();
    while let Some(step) = steps.next() {
        match step {
            // What the effect itself reports says more than these.
            StreamEvent::Started { .. } | StreamEvent::Finished(_) => {}
            StreamEvent::Failed(failure) => return Err(failure.clone()),
            StreamEvent::BlockStarted { index, kind } => {
                state(draft, Fact::BlockBegan(*index, kind.clone()).into());
            }
            StreamEvent::Delta { index, text } => {
                let mut grown = Arc::clone(text);
                let mut joined: Option<String> = None;
                while let Some(StreamEvent::Delta { text: more, .. }) = steps
                    .next_if(|next| matches!(next, StreamEvent::Delta { index: same, .. } if same == index))
                {
                    joined.get_or_insert_with(|| grown.to_string()).push_str(more);
                }
                if let Some(joined) = joined {
                    grown = joined.into();
                }
                state(draft, Fact::Grew(*index, grown).into());
            }
            StreamEvent::BlockFinished { index, block } => {
                if let Some(failure) = too_large(step) {
                    return Err(failure);
                }
                state(draft, Fact::BlockFinished(*index, block.clone()).into());
            }
            StreamEvent::Usage(usage) => state(draft, Fact::Counted(*usage).into()),
        }
    }
    Ok(())
}

/// How many bytes of JSON a piece takes, but for its frame.
#[must_use]
pub fn bytes(step: &StreamEvent) -> usize {
    match step {
        StreamEvent::Delta { text, .. } => json_bytes(text),
        StreamEvent::BlockFinished {
            block: Block::Text(text),
            ..
        } => json_bytes(text),
        StreamEvent::BlockFinished {
            block: Block::Thinking(thought),
            ..
        } => {
            let hidden = [&thought.signature, &thought.redacted];
            let hidden = hidden
                .into_iter()
                .flatten()
                .map(|text| json_bytes(text))
                .sum::<usize>();
            json_bytes(&thought.text) + hidden
        }
        StreamEvent::BlockFinished {
            block: Block::ToolCall(call),
            ..
        } => {
            let raw = call
                .reading
                .as_ref()
                .map_or(0, |reading| json_bytes(&reading.raw));
            json_bytes(&call.name) + json_bytes(&call.arguments) + raw
        }
        StreamEvent::BlockFinished {
            block: Block::Kept(kept),
            ..
        } => kept.texts().map(|text| json_bytes(text)).sum(),
        StreamEvent::Started { .. }
        | StreamEvent::BlockStarted { .. }
        | StreamEvent::Usage(_)
        | StreamEvent::Finished(_)
        | StreamEvent::Failed(_) => 0,
    }
}

/// How many bytes a text takes between the quotes of a JSON string: what counts is what a line of the journal holds.
fn json_bytes(text: &str) -> usize {
    let of = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0x00..=0x1f => 6,
        _ => 1,
    };
    text.bytes().map(of).sum()
}

/// Why a piece cannot be taken, where it is too large for a line of the journal. Whoever reports pieces asks first: the
/// gate refuses a line that is too long, and would not say why.
#[must_use]
pub fn too_large(step: &StreamEvent) -> Option<Failure> {
    let bytes = bytes(step);
    (bytes > BLOCK_BYTES).then(|| Failure {
        class: FailureClass::Invalid,
        message: format!(
            "the model wrote a block that takes {bytes} bytes as JSON or more; at most {BLOCK_BYTES} are taken; ask for \
             smaller pieces"
        )
        .into(),
        status: None,
        retry_after_ms: None,
    })
}

/// Why an answer that claims to be complete is not: only the limit of output tokens may cut a block, and none may be
/// missing, as one would be whose report the gate refused.
pub(crate) fn unfinished(draft: &Draft<'_>, stop: &StopReason) -> Option<Failure> {
    let blocks = &draft.session.attempt()?.answer.blocks;
    let missing = (0u32..)
        .zip(blocks.keys())
        .find(|(due, index)| due != *index)
        .map(|(due, _)| due);
    let growing = blocks
        .iter()
        .find_map(|(index, slot)| matches!(slot, Slot::Growing { .. }).then_some(*index))
        .filter(|_| *stop != StopReason::Length);
    let message = match (missing, growing) {
        (Some(index), _) => format!("block {index} of the answer never arrived"),
        (None, Some(index)) => format!("the answer ended, but its block {index} was never completed"),
        (None, None) => return None,
    };
    Some(Failure {
        class: FailureClass::Protocol,
        message: message.into(),
        status: None,
        retry_after_ms: None,
    })
}

/// Adds pieces that came later to pieces that wait. A call that is complete says all that its growth said. Where more
/// comes than a line of the journal holds, the attempt has failed: none of its pieces may be missing in silence.
pub fn join(waiting: &mut Vec<StreamEvent>, later: Vec<StreamEvent>) {
    for step in later {
        if let StreamEvent::BlockFinished {
            index: whole,
            block: Block::ToolCall(_),
        } = &step
        {
            waiting.retain(|step| !matches!(step, StreamEvent::Delta { index, .. } if index == whole));
        }
        waiting.push(step);
    }
    if waiting
        .iter()
        .map(|step| bytes(step) + PIECE_BYTES)
        .sum::<usize>()
        > WAITING_BYTES
    {
        *waiting = vec![StreamEvent::Failed(Failure::new(
            FailureClass::Transport,
            "the answer came faster than it could be written to the journal; the disk may be slow",
        ))];
    }
}

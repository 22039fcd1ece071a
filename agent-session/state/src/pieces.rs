//! Taking in the pieces of an answer, and noticing those that never came.

use std::sync::Arc;

use glasswork_agent_core::answer::Slot;
use glasswork_ai::conversation::Block;
use glasswork_ai::failure::{Failure, FailureClass};
use glasswork_ai::stream::{StopReason, StreamEvent};

use crate::draft::Draft;
use crate::model::Fact;
use crate::state::AttemptWait;

/// The largest block that a session takes, in bytes: a line of the journal holds it twice, as event and as fact.
pub(crate) const BLOCK_BYTES: usize = 384 * 1024;

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
            StreamEvent::Started { .. } | StreamEvent::Finished(_) | StreamEvent::Failed(_) => {}
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
                let bytes = block_bytes(block);
                if bytes > BLOCK_BYTES {
                    return Err(too_large(bytes));
                }
                state(draft, Fact::BlockFinished(*index, block.clone()).into());
            }
            StreamEvent::Usage(usage) => state(draft, Fact::Counted(*usage).into()),
        }
    }
    Ok(())
}

fn block_bytes(block: &Block) -> usize {
    match block {
        Block::Text(text) => text.len(),
        Block::Thinking(thought) => {
            let hidden = [&thought.signature, &thought.redacted];
            let hidden = hidden.into_iter().flatten().map(|text| text.len()).sum::<usize>();
            thought.text.len() + hidden
        }
        Block::ToolCall(call) => call.name.len() + call.arguments.len(),
    }
}

fn too_large(bytes: usize) -> Failure {
    Failure {
        class: FailureClass::Invalid,
        message: format!(
            "the model wrote a block of {bytes} bytes; at most {BLOCK_BYTES} are taken; ask for smaller pieces"
        )
        .into(),
        status: None,
        retry_after_ms: None,
    }
}

/// Why an answer that claims to be complete is not: only the limit of output tokens may cut a block.
pub(crate) fn unfinished(draft: &Draft<'_>, stop: &StopReason) -> Option<Failure> {
    let answer = &draft.session.attempt()?.answer;
    let growing = answer
        .blocks
        .iter()
        .find_map(|(index, slot)| matches!(slot, Slot::Growing { .. }).then_some(index))?;
    (*stop != StopReason::Length).then(|| Failure {
        class: FailureClass::Protocol,
        message: format!("the answer ended, but its block {growing} was never completed").into(),
        status: None,
        retry_after_ms: None,
    })
}

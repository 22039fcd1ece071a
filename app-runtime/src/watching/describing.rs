//! Facts as updates: what whoever watches is told of a commit.

use std::sync::Arc;

use glasswork_agent_core::loop_guard;
use glasswork_agent_core::structured::{Around, Outcome};
use glasswork_agent_core::tree::Via;
use glasswork_agent_core::{tool_call, turn as turn_chart};
use glasswork_ai::conversation::Block;
use glasswork_ai::stream::BlockKind;
use glasswork_session_state::call::{self};
use glasswork_session_state::failover::{self};
use glasswork_session_state::queue::Lane;
use glasswork_session_state::state::{AttemptWait, Session};
use glasswork_session_state::{
    Fact, compaction, model, plan, prompt, question, secrets, session, structured as result, tools, tree,
    turn,
};

use super::Update;
use crate::projection;

pub(super) fn describe(before: &Session, after: &Session, fact: &Fact, updates: &mut Vec<Update>) {
    match fact {
        Fact::Session(fact) => of_session(fact, updates),
        Fact::Prompt(fact) => of_prompt(before, fact, updates),
        Fact::Turn(fact) => of_turn(before, after, fact, updates),
        Fact::Model(fact) => of_model(before, after, fact, updates),
        Fact::Structured(fact) => of_result(fact, updates),
        Fact::Tools(fact) => of_tools(after, fact, updates),
        Fact::Secrets(secrets::Fact::Masked { kind, .. }) => updates.push(Update::SecretMasked {
            kind: Arc::clone(kind),
        }),
        Fact::Tree(tree::Fact::LeafMoved { to }) => updates.push(Update::LeafMoved { to: *to }),
        Fact::Tree(_)
        | Fact::Import(_)
        | Fact::Checkout(_)
        | Fact::Fork(_)
        | Fact::Trash(_)
        | Fact::Closing(_)
        | Fact::Host(_)
        | Fact::Client(_)
        | Fact::SignIn(_) => {}
        Fact::Failover(failover::Fact::FellBack { to, skipped, .. }) => {
            let asked = before.attempt().map(|attempt| attempt.request);
            let from = asked.and_then(|request| before.requests.get(&request));
            updates.extend(from.map(|from| Update::FellBack {
                from: from.model.clone(),
                to: to.clone(),
                skipped: skipped.clone(),
            }));
        }
        Fact::Failover(failover::Fact::Known { .. }) | Fact::Mcp(_) => {}
        Fact::Question(question::Fact::Answered { call, answer, .. }) => {
            updates.push(Update::QuestionAnswered {
                call: *call,
                answer: answer.clone(),
            });
        }
        Fact::Plan(plan::Fact::Set { .. }) => updates.push(Update::PlanChanged {
            plan: after.plan.clone(),
            changed: after
                .plan
                .as_deref()
                .map(|now| projection::plan::changed(before.plan.as_deref(), now))
                .unwrap_or_default(),
        }),
        Fact::Compaction(fact) => of_compaction(after, fact, updates),
    }
}

fn of_result(fact: &result::Fact, updates: &mut Vec<Update>) {
    updates.push(match fact {
        result::Fact::Wanted(_) => return,
        result::Fact::Told { telling, text, .. } => Update::ResultWanted {
            telling: *telling,
            text: Arc::clone(text),
        },
        result::Fact::Tried(tried) => match &tried.outcome {
            Outcome::Fits { value, around } => Update::ResultJudged {
                request: tried.request,
                value: Some(Arc::clone(value)),
                around: *around,
                unfit: None,
                unfit_text: None,
            },
            Outcome::Unfit(unfit) => Update::ResultJudged {
                request: tried.request,
                value: None,
                around: Around::Nothing,
                unfit_text: Some(unfit.to_string()),
                unfit: Some(unfit.clone()),
            },
        },
    });
}

fn of_compaction(after: &Session, fact: &compaction::Fact, updates: &mut Vec<Update>) {
    use compaction::Fact as F;
    updates.push(match fact {
        F::Began { why, cut, model, .. } => Update::CompactionBegan {
            why: why.clone(),
            model: model.clone(),
            messages: cut.parts,
        },
        F::Kept {
            compaction, guard, ..
        } => {
            let Some(entry) = after.tree.leaf() else { return };
            Update::Compacted {
                entry,
                tokens_before: compaction.tokens_before,
                tokens_after: compaction.tokens_after,
                saved_little: guard.is_some(),
            }
        }
        F::BranchBegan {
            leaving,
            plan,
            more,
            model,
            ..
        } => Update::BranchSummaryBegan {
            to: leaving.to,
            model: model.clone(),
            messages: more.saturating_add(u64::try_from(plan.new.len()).unwrap_or(u64::MAX)),
        },
        F::BranchKept { .. } => {
            let Some(entry) = after.tree.leaf() else { return };
            Update::BranchSummarised { entry }
        }
        F::GivenUp { message } => Update::CompactionFailed {
            message: Arc::clone(message),
        },
        F::Dropped => Update::CompactionDropped,
        F::Spoken | F::Overflowed => return,
    });
}

fn of_session(fact: &session::Fact, updates: &mut Vec<Update>) {
    if let session::Fact::Moved {
        to: glasswork_agent_core::session::State::Closed,
        ..
    } = fact
    {
        updates.push(Update::Closed);
    }
}

fn of_prompt(before: &Session, fact: &prompt::Fact, updates: &mut Vec<Update>) {
    match fact {
        prompt::Fact::Said { text, .. } => {
            updates.push(Update::Said {
                text: Arc::clone(text),
                via: Via::Prompt,
            });
        }
        prompt::Fact::Queued { lane, text, .. } => {
            updates.push(Update::Queued {
                lane: *lane,
                text: Arc::clone(text),
            });
        }
        prompt::Fact::Taken { lane, count, .. } => {
            let via = match lane {
                Lane::Steering => Via::Steering,
                Lane::FollowUp => Via::FollowUp,
            };
            let taken = before.queue.lane(*lane).iter().take(usize::from(*count));
            updates.extend(taken.map(|words| Update::Said {
                text: Arc::clone(&words.text),
                via,
            }));
        }
        prompt::Fact::SteeringReturned => {
            let texts: Vec<_> = before
                .queue
                .steering
                .iter()
                .map(|words| Arc::clone(&words.text))
                .collect();
            if !texts.is_empty() {
                updates.push(Update::SteeringReturned { texts });
            }
        }
        prompt::Fact::Keyed { .. } => {}
    }
}

fn of_turn(before: &Session, after: &Session, fact: &turn::Fact, updates: &mut Vec<Update>) {
    let Some(turn) = &after.turn else { return };
    let stood = before.turn.as_ref().map(|turn| turn.state);
    match fact {
        turn::Fact::Began { .. } => updates.push(Update::TurnBegan { turn: turn.id }),
        turn::Fact::Moved { to, .. } if to.is_terminal() => updates.push(Update::TurnEnded {
            turn: turn.id,
            state: *to,
            failure: turn.failure.clone(),
            steps: turn.steps,
            usage: after.usage.tokens(),
        }),
        turn::Fact::Moved {
            to: turn_chart::State::Paused,
            ..
        } => {
            // A row may leave it where it is, as when words come that wait for it to go on.
            if stood == Some(turn_chart::State::Paused) {
                return;
            }
            updates.push(Update::TurnPaused { turn: turn.id });
        }
        turn::Fact::Pending(pending) => updates.push(Update::Pending { pending: *pending }),
        turn::Fact::Prepared { .. } => {
            if let Some((id, prepared)) = after.requests.get_max() {
                updates.push(Update::RequestPrepared {
                    request: *id,
                    model: prepared.model.clone(),
                    messages: prepared.parts(),
                    new_messages: prepared.plan.new.len() as u64,
                    estimated_tokens: prepared.plan.estimate,
                });
            }
        }
        turn::Fact::Noticed { notice, .. } => {
            if let loop_guard::About::Loop(kind) = notice.kind {
                updates.push(Update::Noticed {
                    kind,
                    text: Arc::clone(&notice.text),
                });
            }
        }
        // The reason follows the end in the same commit.
        turn::Fact::Blamed(why) => {
            if let Some(Update::TurnEnded { failure, .. }) = updates.last_mut() {
                *failure = Some(why.clone());
            }
        }
        turn::Fact::Moved { .. } | turn::Fact::GoesOn => {}
    }
}

fn of_model(before: &Session, after: &Session, fact: &model::Fact, updates: &mut Vec<Update>) {
    let attempt = |session: &Session| session.attempt().cloned();
    // A summary is no answer: whoever wants to read it finds it in its entry. Why there is none is told once.
    let summarises = before.compactions.open.is_some();
    match fact {
        model::Fact::Grew(..) | model::Fact::BlockFinished(..) | model::Fact::Failed(_) if summarises => {}
        model::Fact::Grew(index, text) => {
            use glasswork_agent_core::answer::Slot;
            let kind = attempt(before).and_then(|attempt| match attempt.answer.blocks.get(index) {
                Some(Slot::Growing { kind, .. }) => Some(kind.clone()),
                _ => None,
            });
            match kind {
                Some(BlockKind::Text) => updates.push(Update::Text {
                    text: Arc::clone(text),
                }),
                Some(BlockKind::Thinking) => updates.push(Update::Thinking {
                    text: Arc::clone(text),
                }),
                Some(BlockKind::ToolCall { .. } | BlockKind::Kept) | None => {}
            }
        }
        model::Fact::BlockFinished(_, block) if !matches!(block, Block::ToolCall(_) | Block::Kept(_)) => {
            updates.push(Update::BlockFinished { block: block.clone() });
        }
        model::Fact::Failed(failure) => updates.push(Update::AttemptFailed {
            failure: failure.clone(),
        }),
        model::Fact::Waits {
            on: AttemptWait::Backoff,
            after_ms,
        } => updates.push(Update::BackingOff {
            attempt: attempt(after).map_or(0, |attempt| attempt.number),
            wait_ms: *after_ms,
            resume_at: attempt(after)
                .and_then(|attempt| attempt.wait)
                .map(|wait| wait.deadline.set_at.after(wait.deadline.duration())),
        }),
        model::Fact::AnswerKept { .. } => {
            let new = after
                .calls
                .iter()
                .filter(|(id, _)| !before.calls.contains_key(*id));
            updates.extend(new.map(|(id, call)| Update::ToolProposed {
                call: *id,
                name: Arc::clone(&call.call.name),
                arguments: Arc::clone(&call.call.arguments),
            }));
        }
        _ => {}
    }
}

fn of_tools(after: &Session, fact: &tools::Fact, updates: &mut Vec<Update>) {
    match fact {
        tools::Fact::Judged { call, judgement } => {
            updates.push(Update::ToolJudged {
                call: *call,
                judgement: Arc::clone(judgement),
            });
        }
        tools::Fact::Asked { call, .. } => {
            let Some(asked) = after.call(*call) else { return };
            updates.push(match asked.question() {
                Some(question) => Update::QuestionAsked {
                    call: *call,
                    question: Arc::clone(question),
                },
                None => Update::ToolAsked {
                    call: *call,
                    name: Arc::clone(&asked.call.name),
                    arguments: Arc::clone(&asked.call.arguments),
                },
            });
        }
        tools::Fact::Answered { call, approved, .. } => {
            updates.push(Update::ToolAnswered {
                call: *call,
                approved: *approved,
            });
        }
        tools::Fact::Moved {
            call,
            to: tool_call::State::Running,
            ..
        } => {
            updates.push(Update::ToolStarted { call: *call });
        }
        tools::Fact::Progressed { call, tail } => {
            updates.push(Update::ToolOutput {
                call: *call,
                tail: Arc::clone(tail),
            });
        }
        tools::Fact::Placed { call, editor } => {
            updates.push(Update::ToolPlaced {
                call: *call,
                editor: editor.clone(),
            });
        }
        tools::Fact::Settled { call, outcome } => {
            let call::Outcome {
                text,
                is_error,
                detail,
                ..
            } = outcome;
            if let Some(settled) = after.call(*call) {
                updates.push(Update::ToolSettled {
                    call: *call,
                    name: Arc::clone(&settled.call.name),
                    state: settled.state,
                    text: Arc::clone(text),
                    is_error: *is_error,
                    detail: detail.clone(),
                });
            }
        }
        _ => {}
    }
}

//! Tool calls: evidence, approval, running, results.

use std::sync::Arc;

use glasswork_agent_core::id::CallId;
use glasswork_agent_core::tool_call::{Condition, Intent, State, ToolCallChart, Trigger};
use glasswork_agent_core::tree::Body;
use glasswork_agent_core::turn::Trigger as TurnTrigger;
use glasswork_ai::conversation::ToolResult;
use glasswork_engine::chart::{self, Conditions};
use glasswork_engine::{Deadline, EffectKey, Moment, Origin};
use serde::{Deserialize, Serialize};

use crate::call::{Answer, Call, Detail, Outcome};
use crate::domain::Reply;
use crate::draft::Draft;
use crate::editor::EditorPlace;
use crate::effect::Effect;
use crate::evidence::{Access, Evidence, FileAccess, FileKind};
use crate::judge::{Judgement, Verdict, judge};
use crate::model::deadline;
use crate::rejection::Rejection;
use crate::state::Session;
use crate::{told, turn};

/// How much of a running call's output is kept for people to watch, in bytes.
pub const TAIL_BYTES: usize = 4096;
/// How much longer than its own limit a call may take before it is asked to stop, in milliseconds: the tool itself
/// shall be the first to notice, because it can say more.
const GRACE_MS: u64 = 10_000;

/// What comes of the effects that work on calls, and what people say about them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Result: what a call would touch.
    EvidenceGathered {
        /// The call.
        call: CallId,
        /// What was found.
        evidence: Arc<Evidence>,
    },
    /// A person lets a call run.
    Approved {
        /// The call.
        call: CallId,
    },
    /// A person does not let a call run.
    Refused {
        /// The call.
        call: CallId,
        /// What the model is told besides.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Arc<str>>,
    },
    /// Progress: the end of the call's output so far.
    ToolProgressed {
        /// The call.
        call: CallId,
        /// The text.
        tail: Arc<str>,
    },
    /// Progress: where the call works from now on.
    ToolPlaced {
        /// The call.
        call: CallId,
        /// The editor; `None` on the disk and in a shell of this machine, where it began elsewhere.
        editor: Option<Arc<EditorPlace>>,
    },
    /// Result: the call has ended.
    ToolSettled {
        /// The call.
        call: CallId,
        /// How, by its runner's word.
        word: Word,
        /// What came out.
        outcome: Outcome,
    },
    /// The call's runner is gone without a word.
    ToolLost {
        /// The call.
        call: CallId,
        /// What is known of it.
        message: Arc<str>,
    },
}

/// A runner's word about how a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// It did what it should.
    Succeeded,
    /// It did not.
    Failed,
    /// It was stopped before its end.
    Stopped,
}

/// What was decided of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// Its chart moved.
    Moved {
        /// The call.
        call: CallId,
        /// The key of the row.
        row: Arc<str>,
        /// Where it stands now.
        to: State,
    },
    /// An effect works on it.
    Begun {
        /// The call.
        call: CallId,
        /// Number of the effect among those of this commit.
        effect: u16,
        /// How long it may take, in milliseconds.
        after_ms: u64,
    },
    /// A person is asked about it.
    Asked {
        /// The call.
        call: CallId,
        /// How long the person may take, in milliseconds.
        after_ms: u64,
    },
    /// It was asked to stop because it took too long.
    TimedOut {
        /// The call.
        call: CallId,
    },
    /// What the policy said of what was found.
    Judged {
        /// The call.
        call: CallId,
        /// The verdict and why, with the evidence.
        judgement: Arc<Judgement>,
    },
    /// What a person said.
    Answered {
        /// The call.
        call: CallId,
        /// Whether it may run.
        approved: bool,
        /// Who said so.
        by: Origin,
    },
    /// The end of its output so far.
    Progressed {
        /// The call.
        call: CallId,
        /// The text.
        tail: Arc<str>,
    },
    /// Where it works.
    Placed {
        /// The call.
        call: CallId,
        /// The editor, where it is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        editor: Option<Arc<EditorPlace>>,
    },
    /// How it ended.
    Settled {
        /// The call.
        call: CallId,
        /// What came out.
        outcome: Outcome,
    },
    /// Its result is an entry.
    Told {
        /// The call.
        call: CallId,
        /// Number of the entry among those of this commit.
        #[serde(default, skip_serializing_if = "crate::unwritten::is_zero")]
        entry: u16,
    },
}

impl Fact {
    pub(crate) fn apply(&self, session: &mut Session, moment: Moment) {
        match self {
            Self::Moved { call, to, .. } => session.change_call(*call, |call| {
                call.state = *to;
                call.since = moment.at;
                call.deadline = None;
                if !to.is_live() {
                    call.effect = None;
                    call.tail = None;
                }
            }),
            Self::Begun {
                call,
                effect,
                after_ms,
            } => session.change_call(*call, |call| {
                call.effect = Some(EffectKey {
                    seq: moment.seq,
                    ordinal: *effect,
                });
                call.deadline = Some(deadline(*after_ms, moment));
            }),
            Self::Asked { call, after_ms } => session.change_call(*call, |call| {
                call.deadline = Some(deadline(*after_ms, moment));
            }),
            Self::TimedOut { call } => session.change_call(*call, |call| call.timed_out = true),
            Self::Judged { call, judgement } => session.change_call(*call, |call| {
                call.judgement = Some(Arc::clone(judgement));
            }),
            Self::Answered { call, approved, by } => session.change_call(*call, |call| {
                call.answer = Some(Answer {
                    approved: *approved,
                    by: by.clone(),
                    dispatch: moment.seq,
                });
            }),
            Self::Progressed { call, tail } => session.change_call(*call, |call| {
                call.tail = Some(Arc::clone(tail));
            }),
            Self::Placed { call, editor } => session.change_call(*call, |call| {
                call.editor.clone_from(editor);
            }),
            Self::Settled { call, outcome } => {
                session.usage.calls += 1;
                session.usage.calls_failed += u64::from(outcome.is_error);
                session.change_call(*call, |call| call.outcome = Some(outcome.clone()));
                session.leave_footprint(*call);
            }
            Self::Told { call, entry } => session.tell(*call, *entry, moment),
        }
    }
}

impl Session {
    pub(crate) fn change_call(&mut self, id: CallId, change: impl FnOnce(&mut Call)) {
        if let Some(call) = self.calls.get_mut(&id) {
            change(Arc::make_mut(call));
        }
    }

    /// Notes what a settled call did to files, as far as its tool says.
    fn leave_footprint(&mut self, id: CallId) {
        let Some(call) = self.calls.get(&id).map(Arc::clone) else {
            return;
        };
        match (call.state, call.evidence().map(|evidence| &**evidence)) {
            (State::Succeeded, Some(Evidence::File(file))) if file.kind != FileKind::Directory => {
                let known = match file.access {
                    FileAccess::Read => &mut self.footprint.read,
                    FileAccess::Write => &mut self.footprint.changed,
                };
                known.insert(Arc::clone(&file.resolved));
            }
            (State::UnknownOutcome, _) => {
                self.footprint
                    .note_unknown(id, &call.call.name, &call.call.arguments);
            }
            _ => {}
        }
    }

    fn tell(&mut self, id: CallId, ordinal: u16, moment: Moment) {
        let Some(call) = self.calls.get(&id) else { return };
        let Some(outcome) = &call.outcome else { return };
        let result = ToolResult {
            call: Arc::clone(&call.call.id),
            name: Arc::clone(&call.call.name),
            text: Arc::clone(&outcome.text),
            is_error: outcome.is_error,
        };
        let images = outcome.detail.as_ref().map_or(&[][..], Detail::images).to_vec();
        let told = Body::ToolResult {
            call: id,
            result,
            images,
        };
        let entry = self.say(moment, ordinal, told);
        self.change_call(id, |call| call.result = Some(entry));
        if let Some(turn) = self.turn_mut() {
            turn.batch.retain(|other| *other != id);
        }
    }
}

/// Decides what comes of the effects that work on calls, and what people say about them.
pub(crate) fn decide(draft: &mut Draft<'_>, event: &Event) -> Result<Reply, Rejection> {
    match event {
        Event::EvidenceGathered { call, evidence } => {
            own(draft, *call)?;
            weigh(draft, *call, evidence)?;
            turn::advance(draft, TurnTrigger::CallDecided)?;
        }
        Event::Approved { call } => {
            answer(draft, *call, true);
            advance(draft, *call, Trigger::Approve, None)?;
            turn::advance(draft, TurnTrigger::CallDecided)?;
        }
        Event::Refused { call, reason } => {
            let told = match known(draft, *call)?.state {
                State::Questioning => told::declined(reason.as_deref()),
                _ => told::refused(reason.as_deref()),
            };
            answer(draft, *call, false);
            advance(draft, *call, Trigger::Refuse, Some(told))?;
            turn::advance(draft, TurnTrigger::CallDecided)?;
        }
        Event::ToolProgressed { call, tail } => {
            own(draft, *call)?;
            let (call, tail) = (*call, last_bytes(tail, TAIL_BYTES));
            draft.fact(Fact::Progressed { call, tail }.into());
        }
        Event::ToolPlaced { call, editor } => {
            own(draft, *call)?;
            let editor = editor.as_ref().map(|editor| Arc::new(editor.capped()));
            let call = *call;
            draft.fact(Fact::Placed { call, editor }.into());
        }
        Event::ToolSettled { call, word, outcome } => {
            let timed_out = own(draft, *call)?.timed_out;
            let (trigger, outcome) = match word {
                Word::Succeeded => (Trigger::Succeed, outcome.clone()),
                Word::Failed => (Trigger::Fail, outcome.clone()),
                Word::Stopped => (Trigger::Stopped, told::stopped(timed_out, outcome)),
            };
            advance(draft, *call, trigger, Some(outcome))?;
            turn::advance(draft, TurnTrigger::CallSettled)?;
        }
        Event::ToolLost { call, message } => {
            own(draft, *call)?;
            advance(draft, *call, Trigger::Lost, Some(told::lost(message)))?;
            turn::advance(draft, TurnTrigger::CallSettled)?;
        }
    }
    Ok(Reply::Done)
}

/// Decides that the deadline of a call was reached.
pub(crate) fn deadline_reached(
    draft: &mut Draft<'_>,
    id: CallId,
    reached: Deadline,
) -> Result<Reply, Rejection> {
    let call = known(draft, id)?;
    if call.deadline != Some(reached) {
        return Err(Rejection::DeadlineMoved);
    }
    let runs = call.state.is_live();
    let outcome = told::too_late(call.state, reached.after_ms);
    if runs {
        draft.fact(Fact::TimedOut { call: id }.into());
    }
    advance(draft, id, Trigger::Deadline, Some(outcome))?;
    if !runs {
        turn::advance(draft, TurnTrigger::CallDecided)?;
    }
    Ok(Reply::Done)
}

pub(crate) fn known<'a>(draft: &'a Draft<'_>, id: CallId) -> Result<&'a Arc<Call>, Rejection> {
    draft.session.calls.get(&id).ok_or(Rejection::UnknownCall(id))
}

/// The call, if the effect that reports works on it.
pub(crate) fn own<'a>(draft: &'a Draft<'_>, id: CallId) -> Result<&'a Arc<Call>, Rejection> {
    let call = known(draft, id)?;
    match draft.context.origin {
        Origin::Effect(key) if call.effect != Some(*key) => Err(Rejection::NotYours(*key)),
        _ => Ok(call),
    }
}

/// Judges a call by what was found.
fn weigh(draft: &mut Draft<'_>, id: CallId, evidence: &Arc<Evidence>) -> Result<(), Rejection> {
    if let Evidence::Misfit { message } = &**evidence {
        return advance(
            draft,
            id,
            Trigger::Misfit,
            Some(Outcome::error(Arc::clone(message))),
        );
    }
    judge_call(draft, id, evidence)?;
    Ok(())
}

/// Judges a call and moves it on; one about which a person is asked already, and shall be, stays as it is.
pub(crate) fn judge_call(
    draft: &mut Draft<'_>,
    id: CallId,
    evidence: &Arc<Evidence>,
) -> Result<Option<Verdict>, Rejection> {
    let waits = known(draft, id)?.state.awaits_person();
    let settings = &draft.session.settings;
    let Some(judgement) = judge(&settings.mode, settings.attended.value, evidence) else {
        advance(draft, id, Trigger::Deny, Some(told::unjudged()))?;
        return Ok(None);
    };
    let verdict = judgement.verdict;
    let (trigger, outcome) = match verdict {
        Verdict::Allow => (Trigger::Allow, None),
        Verdict::Ask if waits => return Ok(Some(verdict)),
        Verdict::Ask if judgement.explanation.access == Access::Question => {
            (Trigger::Question, Some(told::withdrawn()))
        }
        Verdict::Ask => (Trigger::Ask, Some(told::withdrawn())),
        Verdict::Deny => (Trigger::Deny, Some(told::denied(&judgement.explanation))),
    };
    let judged = Fact::Judged {
        call: id,
        judgement: Arc::new(judgement),
    };
    draft.fact(judged.into());
    advance(draft, id, trigger, outcome)?;
    Ok(Some(verdict))
}

fn answer(draft: &mut Draft<'_>, call: CallId, approved: bool) {
    let by = draft.context.origin.clone();
    draft.fact(Fact::Answered { call, approved, by }.into());
}

/// The end of a text, at most so many bytes, cut where a character begins.
fn last_bytes(text: &Arc<str>, most: usize) -> Arc<str> {
    let from = text.len().saturating_sub(most);
    match (from..text.len()).find(|place| text.is_char_boundary(*place)) {
        Some(place) if from > 0 => text.get(place..).unwrap_or_default().into(),
        _ => Arc::clone(text),
    }
}

/// Moves a call's chart, and does what the row asks for. `outcome` is what the call is settled with if the row
/// settles it.
pub(crate) fn advance(
    draft: &mut Draft<'_>,
    id: CallId,
    trigger: Trigger,
    outcome: Option<Outcome>,
) -> Result<(), Rejection> {
    let call = Arc::clone(known(draft, id)?);
    let stopping = draft
        .session
        .turn
        .as_ref()
        .is_some_and(|turn| turn.pending.is_some());
    let conditions = Conditions::NONE
        .with(Condition::TurnStopping, stopping)
        .with(Condition::TimedOut, call.timed_out)
        .with(
            Condition::Repeatable,
            call.access().is_some_and(Access::is_repeatable),
        );
    let moved = chart::advance::<ToolCallChart>(call.state, trigger, conditions)?;
    draft.fact(
        Fact::Moved {
            call: id,
            row: moved.row.into(),
            to: moved.to,
        }
        .into(),
    );
    for intent in moved.intents {
        perform(draft, id, &call, intent);
    }
    if moved.to.is_terminal() {
        let outcome = outcome.unwrap_or_else(told::withdrawn);
        draft.fact(Fact::Settled { call: id, outcome }.into());
    }
    Ok(())
}

/// Does what a row asks for; `call` is the call as it was before.
fn perform(draft: &mut Draft<'_>, id: CallId, call: &Call, intent: Intent) {
    let settings = Arc::clone(&draft.session.settings);
    match intent {
        Intent::GatherEvidence => {
            let effect = draft.effect(Effect::GatherEvidence { call: id });
            let after_ms = settings.evidence_timeout_ms.value;
            let begun = Fact::Begun {
                call: id,
                effect,
                after_ms,
            };
            draft.fact(begun.into());
        }
        Intent::AwaitPerson => {
            let after_ms = settings.approval_timeout_ms.value;
            draft.fact(Fact::Asked { call: id, after_ms }.into());
        }
        Intent::Run => {
            let Some(judgement) = &call.judgement else { return };
            let evidence = &judgement.explanation.evidence;
            let access = judgement.explanation.access;
            let effect = draft.effect(Effect::RunTool {
                call: id,
                access,
                path: evidence.path().cloned(),
            });
            let own = match &**evidence {
                Evidence::Command(command) => command.timeout_ms,
                Evidence::File(_)
                | Evidence::Session
                | Evidence::Plan
                | Evidence::Question(_)
                | Evidence::Server(_)
                | Evidence::Misfit { .. } => None,
            };
            let limit = own.unwrap_or(settings.tool_timeout_ms.value);
            let begun = Fact::Begun {
                call: id,
                effect,
                after_ms: limit.saturating_add(GRACE_MS),
            };
            draft.fact(begun.into());
        }
        Intent::StopRunner => {
            if let Some(effect) = call.effect {
                draft.stop(effect);
            }
        }
        Intent::CloseEffect => {
            if let Some(effect) = call.effect {
                draft.close(effect);
            }
        }
    }
}

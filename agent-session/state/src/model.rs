//! Requests to the model: connecting, streaming, answers, failures.

use std::sync::Arc;

use glasswork_agent_core::answer::Answer;
use glasswork_agent_core::context::{BodyRef, Calibration, Purpose};
use glasswork_agent_core::id::EntryId;
use glasswork_agent_core::superseded;
use glasswork_agent_core::tool_call;
use glasswork_agent_core::tree::{Assistant, Body};
use glasswork_ai::conversation::Block;
use glasswork_ai::failure::{Failure, FailureClass};
use glasswork_ai::rate_limit;
use glasswork_ai::rate_limit::RateLimit;
use glasswork_ai::stream::{BlockKind, StopReason, StreamEvent, Usage};
use glasswork_engine::{Deadline, EffectKey, Moment, Origin};
use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::charge::{self, Charge, End};
use crate::compaction::{Course, advance};
use crate::domain::Reply;
use crate::draft::Draft;
use crate::effect::Effect;
use crate::rejection::Rejection;
use crate::state::{AttemptWait, Limits, Session, Wait};
use crate::{compaction, pieces, retry, usage};

/// What comes of the effect that sends a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Progress: the server began to answer (its status and headers are there).
    Connected {
        /// The bytes that were sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<BodyRef>,
        /// What the server allows within a time.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        limits: Vec<RateLimit>,
    },
    /// Progress: pieces of the answer. Stands for `Connected` too where that was merged into it.
    Streamed {
        /// The bytes that were sent, where `Connected` was merged into this.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<BodyRef>,
        /// What the server allows within a time, where `Connected` was merged into this.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        limits: Vec<RateLimit>,
        /// The pieces, in order.
        steps: Vec<StreamEvent>,
    },
    /// Result: the attempt has ended.
    Answered {
        /// The bytes that were sent, if they were not reported before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<BodyRef>,
        /// What the server allows within a time, if that was not reported before.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        limits: Vec<RateLimit>,
        /// Pieces that were not reported as progress.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        steps: Vec<StreamEvent>,
        /// How it ended.
        outcome: Outcome,
    },
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// With an answer.
    Finished(StopReason),
    /// Without one.
    Failed(Failure),
}

/// What was decided of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// An attempt began.
    Called {
        /// Number of its effect among those of this commit.
        effect: u16,
        /// How long the server may take to begin to answer, in milliseconds.
        after_ms: u64,
    },
    /// These bytes were sent.
    Sent(BodyRef),
    /// The server said what it allows within a time.
    Limits(Vec<RateLimit>),
    /// The attempt waits.
    Waits {
        /// For what.
        #[serde(rename = "for")]
        on: AttemptWait,
        /// How long, in milliseconds.
        after_ms: u64,
    },
    /// A block began.
    BlockBegan(u32, BlockKind),
    /// A block grew.
    Grew(u32, Arc<str>),
    /// A block is complete.
    BlockFinished(u32, Block),
    /// Tokens so far.
    Counted(Usage),
    /// The complete blocks are an entry, if there are any, and their tool calls are proposed. The entry is marked
    /// as cancelled unless the answer was complete.
    AnswerKept {
        /// Number of the entry among those of this commit.
        #[serde(default, skip_serializing_if = "crate::unwritten::is_zero")]
        entry: u16,
    },
    /// What the attempt used and cost, told just before it is closed.
    Charged(Charge),
    /// The answer is complete.
    Finished(StopReason),
    /// The attempt failed, and what had arrived is dropped.
    Failed(Failure),
    /// The attempt was dropped.
    Dropped,
}

impl Fact {
    pub(crate) fn apply(&self, session: &mut Session, moment: Moment) {
        match self {
            Self::Called { effect, after_ms } => {
                let effect = EffectKey {
                    seq: moment.seq,
                    ordinal: *effect,
                };
                session.begin_attempt(effect, wait(AttemptWait::Connect, *after_ms, moment), moment);
            }
            Self::Limits(limits) => session.note_limits(limits, moment),
            Self::Sent(body) => {
                if let Some(prepared) = session.attempted_mut() {
                    prepared.body = Some(body.clone());
                }
            }
            Self::Waits { on, after_ms } => {
                if let Some(attempt) = session.attempt_mut() {
                    attempt.wait = Some(wait(*on, *after_ms, moment));
                }
            }
            Self::BlockBegan(index, kind) => {
                session.hear(moment, |answer| answer.start(*index, kind.clone()));
            }
            Self::Grew(index, text) => session.hear(moment, |answer| answer.grow(*index, text)),
            Self::BlockFinished(index, block) => {
                session.hear(moment, |answer| answer.finish(*index, block.clone()));
            }
            Self::Counted(usage) => session.hear(moment, |answer| answer.usage = Some(*usage)),
            Self::Charged(charge) => session.charge(charge, moment),
            Self::AnswerKept { entry } => session.keep_answer(*entry, moment),
            Self::Finished(stop) => {
                session.close_attempt(false);
                // A summary answers nobody.
                if session.compactions.open.is_none()
                    && let Some(turn) = session.turn_mut()
                {
                    turn.answer_due = false;
                    turn.overflow = None;
                    if *stop != StopReason::Paused {
                        turn.paused = 0;
                    }
                }
                if let Some(attempt) = session.attempt_mut() {
                    attempt.stop = Some(stop.clone());
                }
            }
            Self::Failed(failure) => {
                session.close_attempt(true);
                if let Some(attempt) = session.attempt_mut() {
                    attempt.answer = Answer::default();
                    attempt.failure = Some(failure.clone());
                }
            }
            Self::Dropped => session.close_attempt(false),
        }
    }
}

fn wait(on: AttemptWait, after_ms: u64, moment: Moment) -> Wait {
    let deadline = deadline(after_ms, moment);
    Wait { on, deadline }
}

pub(crate) fn deadline(after_ms: u64, moment: Moment) -> Deadline {
    Deadline {
        set_by: moment.seq,
        set_at: moment.at,
        after_ms,
    }
}

impl Session {
    fn attempted_mut(&mut self) -> Option<&mut glasswork_agent_core::context::Prepared> {
        let request = self.attempt()?.request;
        self.requests.get_mut(&request).map(Arc::make_mut)
    }

    /// What a server says replaces what it said before: it names all its limits each time.
    fn note_limits(&mut self, limits: &[RateLimit], moment: Moment) {
        let Some(prepared) = self.attempted_mut() else {
            return;
        };
        let provider = Arc::clone(&prepared.model.provider);
        let limits = Limits {
            at: moment.at,
            limits: limits.to_vec(),
        };
        self.limits.insert(provider, Arc::new(limits));
    }

    fn begin_attempt(&mut self, effect: EffectKey, wait: Wait, moment: Moment) {
        let Some(attempt) = self.attempt_mut() else { return };
        attempt.number = attempt.number.saturating_add(1);
        attempt.effect = Some(effect);
        attempt.wait = Some(wait);
        attempt.called_at = Some(moment.at);
        attempt.answer = Answer::default();
        attempt.stop = None;
        attempt.failure = None;
        let number = attempt.number;
        let Some(prepared) = self.attempted_mut() else {
            return;
        };
        prepared.attempts = number;
        let model = prepared.model.clone();
        self.usage.model(&model).attempts += 1;
    }

    /// The attempt has ended: what it cost is accounted for.
    fn close_attempt(&mut self, failed: bool) {
        let Some(attempt) = self.attempt_mut() else { return };
        attempt.effect = None;
        attempt.wait = None;
        let counted = attempt.answer.usage;
        let Some(prepared) = self.attempted_mut() else {
            return;
        };
        if let Some(counted) = &counted {
            usage::add(&mut prepared.usage, counted);
        }
        let (model, tokens) = (prepared.model.clone(), prepared.plan.tokens);
        let is_step = prepared.purpose == Purpose::Step;
        let entry = self.usage.model(&model);
        entry.failed += u64::from(failed);
        if let Some(counted) = counted {
            usage::add(&mut entry.tokens, &counted);
            // A request for a summary is not sent as it is counted.
            if counted.input_total() > 0 && is_step {
                self.context.calibrate(Calibration {
                    counted: tokens,
                    reported: counted.input_total(),
                });
            }
        }
    }

    fn hear(&mut self, moment: Moment, change: impl FnOnce(&mut Answer)) {
        let Some(attempt) = self.attempt_mut() else { return };
        change(&mut attempt.answer);
        if let Some(wait) = attempt
            .wait
            .as_mut()
            .filter(|wait| wait.on == AttemptWait::Stream)
        {
            wait.deadline.set_by = moment.seq;
            wait.deadline.set_at = moment.at;
        }
    }

    fn keep_answer(&mut self, ordinal: u16, moment: Moment) {
        let Some(attempt) = self.attempt_mut() else { return };
        let answer = std::mem::take(&mut attempt.answer);
        let (stop, request) = (attempt.stop.clone(), attempt.request);
        let blocks: Vec<Block> = answer.finished().cloned().collect();
        let Some(prepared) = self.requests.get(&request) else {
            return;
        };
        if blocks.is_empty() {
            return;
        }
        let kept = Assistant {
            blocks,
            model: prepared.model.clone(),
            request: Some(request),
            usage: answer.usage,
            cancelled: stop.is_none(),
            stop,
        };
        let entry = EntryId {
            seq: moment.seq,
            ordinal,
        };
        let Some(turn) = self.turn_mut() else { return };
        let id = turn.id;
        turn.batch = kept.calls().map(|(block, _)| Call::id(entry, block)).collect();
        for (block, call) in kept.calls() {
            let call = Call {
                turn: id,
                entry,
                call: call.clone(),
                state: tool_call::State::Proposed,
                since: moment.at,
                effect: None,
                deadline: None,
                judgement: None,
                answer: None,
                reply: None,
                timed_out: false,
                tail: None,
                editor: None,
                outcome: None,
                result: None,
            };
            self.calls.insert(Call::id(entry, block), Arc::new(call));
        }
        let body = Body::Assistant(kept);
        let tokens = self.tree.append(entry, moment.at, body);
        self.context.append(entry, tokens);
    }
}

/// Decides what comes of the effect that sends a request.
pub(crate) fn decide(draft: &mut Draft<'_>, event: &Event) -> Result<Reply, Rejection> {
    let effect = own_effect(draft)?;
    match event {
        Event::Connected { body, limits } => {
            sent(draft, body.as_ref());
            limited(draft, limits);
            advance(draft, Course::Connected)?;
        }
        Event::Streamed { body, limits, steps } => {
            sent(draft, body.as_ref());
            limited(draft, limits);
            let wait = draft.session.attempt().and_then(|attempt| attempt.wait.as_ref());
            if wait.is_some_and(|wait| wait.on == AttemptWait::Connect) {
                advance(draft, Course::Connected)?;
            }
            if let Err(failure) = pieces::hear(draft, steps, Draft::note) {
                draft.close(effect);
                fail(draft, failure)?;
            }
        }
        Event::Answered {
            body,
            limits,
            steps,
            outcome,
        } => {
            sent(draft, body.as_ref());
            limited(draft, limits);
            let heard = pieces::hear(draft, steps, Draft::fact);
            match (heard, outcome) {
                (Err(failure), _) => fail(draft, failure)?,
                (Ok(()), Outcome::Failed(failure)) => fail(draft, failure.clone())?,
                (Ok(()), Outcome::Finished(stop)) => match complete(draft, stop) {
                    Err(failure) => fail(draft, failure)?,
                    Ok(()) => {
                        charge::enter(draft, End::Heard);
                        draft.fact(Fact::Finished(stop.clone()).into());
                        advance(draft, Course::Answered)?;
                    }
                },
            }
        }
    }
    Ok(Reply::Done)
}

fn own_effect(draft: &Draft<'_>) -> Result<EffectKey, Rejection> {
    let Origin::Effect(key) = draft.context.origin else {
        return Err(Rejection::NoTurn);
    };
    under_way(draft)?;
    let current = draft.session.attempt().and_then(|attempt| attempt.effect);
    if current == Some(*key) {
        Ok(*key)
    } else {
        Err(Rejection::NotYours(*key))
    }
}

fn limited(draft: &mut Draft<'_>, limits: &[RateLimit]) {
    if !limits.is_empty() {
        let limits = limits.iter().take(rate_limit::MOST).cloned().collect();
        draft.fact(Fact::Limits(limits).into());
    }
}

fn sent(draft: &mut Draft<'_>, body: Option<&BodyRef>) {
    if let Some(body) = body {
        draft.fact(Fact::Sent(body.clone()).into());
    }
}

fn fail(draft: &mut Draft<'_>, failure: Failure) -> Result<(), Rejection> {
    let failure = match draft.session.attempt() {
        Some(attempt) => retry::explained(failure, attempt, &draft.session.settings, draft.context.at),
        None => failure,
    };
    charge::enter(draft, End::Heard);
    // What had arrived is gone once the attempt has failed; whoever looks at the tree may still want to see it.
    draft.said = draft
        .session
        .attempt()
        .map(|attempt| superseded::said(&attempt.answer));
    draft.fact(Fact::Failed(failure).into());
    advance(draft, Course::Failed)
}

/// Whether there is anything that a request could belong to.
fn under_way(draft: &Draft<'_>) -> Result<(), Rejection> {
    let session = &draft.session;
    let any = session.open_turn().is_some() || session.compactions.open.is_some();
    any.then_some(()).ok_or(Rejection::NoTurn)
}

/// Why an answer that claims to be complete is not what was asked for.
fn complete(draft: &mut Draft<'_>, stop: &StopReason) -> Result<(), Failure> {
    match pieces::unfinished(draft, stop) {
        Some(failure) => Err(failure),
        None => compaction::judge(draft, stop),
    }
}

/// Decides that the deadline of the attempt was reached.
pub(crate) fn deadline_reached(draft: &mut Draft<'_>, deadline: Deadline) -> Result<Reply, Rejection> {
    under_way(draft)?;
    let attempt = draft.session.attempt().ok_or(Rejection::DeadlineMoved)?;
    let wait = attempt.wait.as_ref().filter(|wait| wait.deadline == deadline);
    let missing = match wait.ok_or(Rejection::DeadlineMoved)?.on {
        AttemptWait::Backoff => {
            advance(draft, Course::BackoffOver)?;
            return Ok(Reply::Done);
        }
        AttemptWait::Connect => "the server did not begin to answer",
        AttemptWait::FirstToken => "no token arrived",
        AttemptWait::Stream => "the answer stopped arriving",
    };
    give_up(draft, format!("{missing} within {} ms", deadline.after_ms))
}

/// The attempt as a whole took too long.
pub(crate) fn took_too_long(draft: &mut Draft<'_>, deadline: Deadline) -> Result<Reply, Rejection> {
    under_way(draft)?;
    if draft.session.answer_deadline() != Some(deadline) {
        return Err(Rejection::DeadlineMoved);
    }
    give_up(
        draft,
        format!("the answer was not complete within {} ms", deadline.after_ms),
    )
}

fn give_up(draft: &mut Draft<'_>, message: String) -> Result<Reply, Rejection> {
    if let Some(effect) = draft.session.attempt().and_then(|attempt| attempt.effect) {
        draft.close(effect);
    }
    let failure = Failure {
        class: FailureClass::Timeout,
        message: message.into(),
        status: None,
        retry_after_ms: None,
    };
    fail(draft, failure)?;
    Ok(Reply::Done)
}

/// Sends the prepared request.
pub(crate) fn call(draft: &mut Draft<'_>) {
    let Some(attempt) = draft.session.attempt() else {
        return;
    };
    let (request, attempt) = (attempt.request, attempt.number.saturating_add(1));
    let effect = draft.effect(match draft.session.compactions.open {
        Some(_) => Effect::Summarise { request, attempt },
        None => Effect::CallModel { request, attempt },
    });
    let after_ms = draft.session.settings.connect_timeout_ms.value;
    draft.fact(Fact::Called { effect, after_ms }.into());
}

/// Waits for the first token.
pub(crate) fn await_tokens(draft: &mut Draft<'_>) {
    let on = AttemptWait::FirstToken;
    let after_ms = draft.session.settings.first_token_timeout_ms.value;
    draft.fact(Fact::Waits { on, after_ms }.into());
}

/// Waits before the next attempt.
pub(crate) fn back_off(draft: &mut Draft<'_>) {
    let Some(attempt) = draft.session.attempt() else {
        return;
    };
    let (settings, context) = (&draft.session.settings, draft.context);
    let after_ms = retry::delay_ms(attempt, settings, context.at, context.id);
    let on = AttemptWait::Backoff;
    draft.fact(Fact::Waits { on, after_ms }.into());
}

/// Adds the answer to the conversation.
pub(crate) fn keep(draft: &mut Draft<'_>) {
    let entry = draft.entries(1);
    draft.fact(Fact::AnswerKept { entry }.into());
}

/// Drops the stream, if there is one, and keeps what is complete.
pub(crate) fn drop_stream(draft: &mut Draft<'_>) {
    let Some(effect) = draft.session.attempt().and_then(|attempt| attempt.effect) else {
        return;
    };
    draft.close(effect);
    charge::enter(draft, End::Dropped);
    draft.fact(Fact::Dropped.into());
    keep(draft);
}

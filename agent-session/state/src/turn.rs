//! Moving the turn: from the chart's rows and intents to facts and effects.

use std::sync::Arc;

use glasswork_agent_core::answer::Answer;
use glasswork_agent_core::context::{Calibration, Plan, Prepared, Purpose};
use glasswork_agent_core::id::TurnId;
use glasswork_agent_core::loop_guard::{self, Notice};
use glasswork_agent_core::session::Trigger as SessionTrigger;
use glasswork_agent_core::tool_call;
use glasswork_agent_core::tree::Body;
use glasswork_agent_core::turn::{Condition, Intent, State, Trigger, TurnChart};
use glasswork_ai::adjusted::Adjusted;
use glasswork_ai::controls::Controls;
use glasswork_ai::decimal::Decimal;
use glasswork_ai::model::{ModelId, Thinking};
use glasswork_ai::stream::{StopReason, Usage};
use glasswork_ai::structured::Means;
use glasswork_engine::Moment;
use glasswork_engine::chart::{self, Conditions};
use serde::{Deserialize, Serialize};

use crate::compaction::Overflow;
use crate::draft::Draft;
use crate::failover::{self, Failover};
use crate::queue::{LANE_CAP, Lane};
use crate::rejection::Rejection;
use crate::settings::QueueMode;
use crate::state::{Attempt, Pending, Session, Turn, TurnFailure};
use crate::{batch, compaction, model, prompt, retry, session, structured};

/// What was decided of a turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// A turn begins.
    Began {
        /// Most requests.
        max_steps: u32,
    },
    /// Its chart moved, or took a row that leads nowhere else.
    Moved {
        /// The key of the row.
        row: Arc<str>,
        /// Where it stands now.
        to: State,
    },
    /// What it shall do at the next safe point.
    Pending(Option<Pending>),
    /// A request was prepared.
    Prepared {
        /// What it consists of.
        plan: Plan,
        /// The model.
        model: ModelId,
        /// How much it shall think.
        thinking: Thinking,
        /// Most tokens to answer with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_output_tokens: Option<u32>,
        /// By which means the answer shall be the result of the turn, where it shall.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output: Option<Means>,
        /// What it carries beside the conversation.
        #[serde(default, skip_serializing_if = "Controls::is_none")]
        controls: Controls,
        /// What was asked for and is sent otherwise, or not at all.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        adjusted: Vec<Adjusted>,
    },
    /// The provider interrupted the answer; the model is asked to go on with it.
    GoesOn,
    /// The model is told something by the runtime itself: an entry of the conversation.
    Noticed {
        /// Number of the entry among those of this commit.
        #[serde(default, skip_serializing_if = "crate::unwritten::is_zero")]
        entry: u16,
        /// What it is told.
        notice: Arc<Notice>,
    },
    /// Why it failed.
    Blamed(TurnFailure),
}

impl Fact {
    pub(crate) fn apply(&self, session: &mut Session, moment: Moment) {
        match self {
            Self::Began { max_steps } => {
                let turn = Turn {
                    id: TurnId(moment.seq),
                    state: State::Preparing,
                    since: moment.at,
                    began: moment.at,
                    steps: 0,
                    max_steps: *max_steps,
                    spent: Decimal(0),
                    pending: None,
                    answer_due: false,
                    asked: None,
                    attempt: None,
                    batch: im::Vector::new(),
                    failure: None,
                    overflow: None,
                    failover: Failover::default(),
                    paused: 0,
                };
                if let Some(last) = session.turn.replace(Arc::new(turn)) {
                    if last.failover.model.is_some() {
                        // What counted last was another model.
                        session.context.calibrate(Calibration::default());
                    }
                    session.past.insert(last.id, last);
                }
                session.queue.returned.clear();
            }
            Self::Moved { to, .. } => {
                if let Some(turn) = session.turn_mut()
                    && turn.state != *to
                {
                    turn.state = *to;
                    turn.since = moment.at;
                    // A wait belongs to the state in which it began.
                    if let Some(attempt) = &mut turn.attempt {
                        attempt.wait = None;
                    }
                }
            }
            Self::Pending(pending) => {
                if let Some(turn) = session.turn_mut() {
                    turn.pending = *pending;
                }
            }
            Self::Prepared {
                plan,
                model,
                thinking,
                max_output_tokens,
                output,
                controls,
                adjusted,
            } => session.prepare(
                moment,
                Prepared {
                    output: *output,
                    turn: TurnId(0),
                    by: moment.seq,
                    plan: plan.clone(),
                    model: model.clone(),
                    thinking: *thinking,
                    max_output_tokens: *max_output_tokens,
                    controls: controls.clone(),
                    adjusted: adjusted.clone(),
                    body: None,
                    usage: Usage::default(),
                    attempts: 0,
                    purpose: Purpose::Step,
                },
            ),
            Self::GoesOn => {
                if let Some(turn) = session.turn_mut() {
                    turn.answer_due = true;
                    turn.paused = turn.paused.saturating_add(1);
                }
            }
            Self::Noticed { entry, notice } => {
                session.say(moment, *entry, Body::Notice(Arc::clone(notice)));
            }
            Self::Blamed(failure) => {
                if let Some(turn) = session.turn_mut() {
                    turn.failure = Some(failure.clone());
                }
            }
        }
    }
}

impl Session {
    fn prepare(&mut self, moment: Moment, mut prepared: Prepared) {
        let request = self.next_request();
        let Some(turn) = self.turn_mut() else { return };
        turn.steps = turn.steps.saturating_add(1);
        turn.attempt = Some(Attempt {
            request,
            number: 0,
            first_at: moment.at,
            effect: None,
            wait: None,
            called_at: None,
            answer: Answer::default(),
            stop: None,
            failure: None,
        });
        prepared.turn = turn.id;
        self.context.prepared(request, prepared.parts());
        self.requests.insert(request, Arc::new(prepared));
    }
}

/// Begins a turn with the words at hand, or with the follow-ups that wait.
pub(crate) fn begin(draft: &mut Draft<'_>) -> Result<(), Rejection> {
    if draft.session.settings.model.value.is_none() {
        return Err(Rejection::NoModel);
    }
    let limit = draft.session.settings.max_steps.value;
    let max_steps = draft.max_steps.take().unwrap_or(limit);
    draft.fact(Fact::Began { max_steps }.into());
    if let Some(wanted) = draft.wanted.take() {
        draft.fact(structured::Fact::Wanted(wanted).into());
    }
    match draft.words.take() {
        Some(text) => {
            let entry = draft.entries(1);
            let images = std::mem::take(&mut draft.images);
            draft.fact(prompt::Fact::Said { entry, text, images }.into());
        }
        None => {
            let waiting = draft.session.queue.follow_ups.len();
            let count = match draft.session.settings.follow_ups.value {
                QueueMode::OneAtATime => waiting.min(1),
                QueueMode::All => waiting,
            };
            take(draft, Lane::FollowUp, count);
        }
    }
    advance(draft, Trigger::Step)
}

/// Puts the words at hand into a lane.
pub(crate) fn queue(draft: &mut Draft<'_>, lane: Lane) -> Result<(), Rejection> {
    if draft.session.queue.lane(lane).len() >= LANE_CAP {
        return Err(Rejection::QueueFull);
    }
    if let Some(text) = draft.words.take() {
        let by = draft.context.origin.clone();
        let queued = prompt::Fact::Queued {
            lane,
            text,
            images: std::mem::take(&mut draft.images),
            by,
        };
        draft.fact(queued.into());
    }
    Ok(())
}

fn take(draft: &mut Draft<'_>, lane: Lane, count: usize) {
    let count = u16::try_from(count).unwrap_or(u16::MAX);
    if count > 0 {
        let entry = draft.entries(count);
        draft.fact(prompt::Fact::Taken { lane, count, entry }.into());
    }
}

/// Moves the turn's chart, and does what the row asks for.
pub(crate) fn advance(draft: &mut Draft<'_>, trigger: Trigger) -> Result<(), Rejection> {
    let turn = draft.session.open_turn().ok_or(Rejection::NoTurn)?;
    let moved = chart::advance::<TurnChart>(turn.state, trigger, conditions(draft, turn))?;
    draft.fact(
        Fact::Moved {
            row: moved.row.into(),
            to: moved.to,
        }
        .into(),
    );
    for intent in moved.intents {
        perform(draft, intent)?;
    }
    Ok(())
}

fn conditions(draft: &Draft<'_>, turn: &Turn) -> Conditions<TurnChart> {
    let session = &draft.session;
    let attempt = turn.attempt.as_ref();
    let any = |test: fn(tool_call::State) -> bool| session.batch().any(|(_, call)| test(call.state));
    let proposed = attempt.is_some_and(|attempt| attempt.answer.proposes_calls());
    let stopped = |stop: &StopReason| attempt.is_some_and(|attempt| attempt.stop.as_ref() == Some(stop));
    let cut = stopped(&StopReason::Length);
    let fallback = failover::is_left(session, draft.context.at);
    let retry = session.attempt().is_some_and(|attempt| {
        // Where another model can be asked at once, nobody waits for a breaker.
        let waits_for_breaker = attempt.failure.as_ref().is_some_and(failover::is_breaker);
        retry::is_left(attempt, session, draft.context.at) && !(waits_for_breaker && fallback)
    });
    let allowed = match turn.state {
        State::Preparing => {
            turn.steps < turn.max_steps
                && turn.paused <= session.settings.pauses.value
                && session.step_exhausted(draft.context.at).is_none()
        }
        _ => turn.steps < turn.max_steps,
    };
    let overflowed = matches!(turn.overflow, Some(Overflow::Due | Overflow::Hopeless));
    let compact = match turn.state {
        State::Preparing => compaction::is_due(session),
        State::Connecting | State::Streaming => compaction::may_help(session),
        _ => false,
    };
    let looped = Some(turn)
        .filter(|turn| turn.state == State::Preparing)
        .and_then(|turn| looped(session, turn));
    let told = looped
        .is_some_and(|kind| loop_guard::told(&session.tree, kind) >= session.settings.loop_notices.value);
    let (result_due, result_lost) = match turn.state {
        State::Preparing => structured::due(session, turn),
        _ => (false, false),
    };
    Conditions::NONE
        .with(Condition::ResultDue, result_due)
        .with(Condition::ResultLost, result_lost)
        // What there is no step left for need not be told.
        .with(Condition::LoopFound, looped.is_some() && !told && allowed)
        .with(Condition::LoopLasts, looped.is_some() && told)
        .with(Condition::CompactionDue, compact)
        .with(Condition::Overflowed, overflowed)
        .with(
            Condition::InterruptPending,
            turn.pending == Some(Pending::Interrupt),
        )
        .with(Condition::PausePending, turn.pending == Some(Pending::Pause))
        .with(
            Condition::AnswerDue,
            turn.answer_due || !session.queue.steering.is_empty(),
        )
        .with(Condition::StepsLeft, allowed)
        .with(Condition::CallsProposed, proposed)
        .with(Condition::AnswerCut, cut)
        .with(Condition::AnswerPaused, stopped(&StopReason::Paused))
        .with(Condition::RetryLeft, retry)
        .with(
            Condition::BudgetLeft,
            session.next_exhausted(draft.context.at).is_none(),
        )
        .with(Condition::FallbackLeft, fallback)
        .with(Condition::QuestionsOpen, any(tool_call::State::is_undecided))
        .with(
            Condition::CallsAllowed,
            any(|state| state == tool_call::State::Allowed),
        )
        .with(Condition::CallsOpen, any(|state| !state.is_terminal()))
}

fn loop_rules(session: &Session) -> loop_guard::Rules {
    loop_guard::Rules {
        rounds: session.settings.loop_rounds.value,
        answers: session.settings.loop_answers.value,
    }
}

/// How the agent goes in circles, if it does.
fn looped(session: &Session, turn: &Turn) -> Option<loop_guard::Kind> {
    // When someone has spoken since the last request, there is nothing to look at.
    // Of what should be a result and is not, the model is told more precisely.
    if !session.queue.steering.is_empty() || turn.is_judged() {
        return None;
    }
    let attempt = turn.attempt.as_ref()?;
    let end = loop_guard::End {
        tree: &session.tree,
        stop: attempt.stop.as_ref().filter(|_| !turn.answer_due),
        tools: !session.context.head().tools.is_empty(),
    };
    loop_guard::find(end, loop_rules(session))
}

fn perform(draft: &mut Draft<'_>, intent: Intent) -> Result<(), Rejection> {
    match intent {
        Intent::Proceed => advance(draft, Trigger::Step)?,
        Intent::TakeSteering => {
            let waiting = draft.session.queue.steering.len();
            take(draft, Lane::Steering, waiting);
        }
        Intent::PrepareRequest => prepare(draft)?,
        Intent::CallModel => model::call(draft),
        Intent::AwaitTokens => model::await_tokens(draft),
        Intent::BackOff => model::back_off(draft),
        Intent::KeepAnswer => model::keep(draft),
        Intent::GoOn => draft.fact(Fact::GoesOn.into()),
        Intent::DropStream => model::drop_stream(draft),
        Intent::InspectCalls => batch::inspect(draft)?,
        Intent::RefuseCalls => batch::refuse_cut(draft)?,
        Intent::StartCalls => batch::start(draft)?,
        Intent::WithdrawQuestions => {
            if batch::withdraw(draft, tool_call::State::awaits_person)? {
                advance(draft, Trigger::CallDecided)?;
            }
        }
        Intent::WithdrawCalls => {
            batch::withdraw(draft, |state| !state.is_terminal() && !state.is_live())?;
        }
        Intent::StopCalls => batch::stop(draft)?,
        Intent::AbandonCalls => batch::abandon(draft)?,
        Intent::AppendResults => batch::tell(draft),
        Intent::NoteInterrupt => pend(draft, Some(Pending::Interrupt)),
        Intent::NotePause => pend(draft, Some(Pending::Pause)),
        Intent::ForgetPause => pend(draft, None),
        Intent::QueueSteering => queue(draft, Lane::Steering)?,
        Intent::QueueFollowUp => queue(draft, Lane::FollowUp)?,
        Intent::ReturnSteering => {
            if !draft.session.queue.steering.is_empty() {
                draft.fact(prompt::Fact::SteeringReturned.into());
            }
        }
        Intent::BlameModel | Intent::BlameCompaction => {
            let attempt = draft.session.attempt();
            if let Some(failure) = attempt.and_then(|attempt| attempt.failure.clone()) {
                let failure = match failover::blame(&draft.session, draft.context.at) {
                    Some(failure) => failure,
                    None => compaction::blame(&draft.session, &failure),
                };
                draft.fact(Fact::Blamed(failure).into());
            }
        }
        Intent::FallBack => failover::fall_back(draft),
        Intent::TellLoop => {
            let looped = draft
                .session
                .turn
                .as_ref()
                .and_then(|turn| looped(&draft.session, turn));
            if let Some(kind) = looped {
                let notice = Arc::new(loop_guard::notice(kind, loop_rules(&draft.session)));
                let entry = draft.entries(1);
                draft.fact(Fact::Noticed { entry, notice }.into());
            }
        }
        Intent::BlameLoop => {
            let looped = draft
                .session
                .turn
                .as_ref()
                .and_then(|turn| looped(&draft.session, turn));
            if let Some(kind) = looped {
                draft.fact(Fact::Blamed(TurnFailure::Loop { kind }).into());
            }
        }
        Intent::JudgeResult => structured::judge(draft),
        Intent::AskResult => structured::ask(draft),
        Intent::BlameResult => structured::blame(draft),
        Intent::BlameBudget => {
            if let Some(exhausted) = draft.session.next_exhausted(draft.context.at) {
                draft.fact(Fact::Blamed(TurnFailure::Budget(exhausted)).into());
            }
        }
        Intent::BlameLimit => {
            let session = &draft.session;
            let turn = session.turn.as_ref().filter(|turn| turn.steps < turn.max_steps);
            let failure = match turn.and_then(|_| session.step_exhausted(draft.context.at)) {
                Some(exhausted) => TurnFailure::Budget(exhausted),
                None => match turn.map(|turn| turn.paused) {
                    Some(times) => TurnFailure::Paused { times },
                    None => TurnFailure::Limit {
                        max_steps: session.turn.as_ref().map_or(0, |turn| turn.max_steps),
                    },
                },
            };
            draft.fact(Fact::Blamed(failure).into());
        }
        Intent::NoteOverflow => draft.fact(compaction::Fact::Overflowed.into()),
        Intent::BeginCompaction => compaction::begin(draft)?,
        Intent::KeepSummary => compaction::keep(draft),
        Intent::GiveUpCompaction => compaction::give_up(draft),
        Intent::DropSummary => compaction::drop_request(draft),
        Intent::EndTurn => session::advance(draft, SessionTrigger::Rest)?,
    }
    Ok(())
}

fn pend(draft: &mut Draft<'_>, pending: Option<Pending>) {
    if draft
        .session
        .turn
        .as_ref()
        .is_some_and(|turn| turn.pending != pending)
    {
        draft.fact(Fact::Pending(pending).into());
    }
}

/// Tells a model that it shall go on with an answer that another one has begun, where that was interrupted.
fn take_over(draft: &mut Draft<'_>) {
    let session = &draft.session;
    let last = session.tree.branch().next().map(|(_, entry)| &entry.body);
    let Some(Body::Assistant(answer)) = last else {
        return;
    };
    let own = session.asked_model() == Some(&answer.model);
    if !own && answer.stop == Some(StopReason::Paused) {
        let notice = Arc::new(loop_guard::taken_over());
        let entry = draft.entries(1);
        draft.fact(Fact::Noticed { entry, notice }.into());
    }
}

fn prepare(draft: &mut Draft<'_>) -> Result<(), Rejection> {
    take_over(draft);
    structured::remind(draft);
    let next = draft.session.next_prepared().ok_or(Rejection::NoModel)?;
    let prepared = Fact::Prepared {
        plan: next.plan,
        model: next.model,
        thinking: next.thinking,
        max_output_tokens: next.max_output_tokens,
        output: next.output,
        controls: next.controls,
        adjusted: next.adjusted,
    };
    draft.fact(prepared.into());
    Ok(())
}

//! The chart of a turn: one prompt until the agent rests.
//!
//! `preparing` is the safe point: every step passes through it, and there alone interrupt, pause, the limit of steps
//! and the size of the conversation are looked at. Whoever drives the chart fires [`Trigger::Step`] when it asks for [`Intent::Proceed`].

use glasswork_engine::chart::{Chart, Node, Row, To, When};
use glasswork_engine::govern;
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantArray};

/// The chart of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurnChart;

/// States of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, VariantArray, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum State {
    /// The next step is decided upon. The safe point.
    Preparing,
    /// The conversation is too long to be sent as it is; a model summarises what is old of it.
    Compacting,
    /// A request was sent; the server has not answered.
    Connecting,
    /// The answer arrives.
    Streaming,
    /// The request failed and will be sent again.
    BackingOff,
    /// Some of the answer's tool calls are not decided yet.
    Gating,
    /// The calls that may run do.
    Executing,
    /// The turn was cancelled; calls that ran have been told and have yet to say how they ended.
    Cancelling,
    /// It stopped at a safe point and can go on.
    Paused,
    /// The model said all that it wanted to.
    Completed,
    /// It stopped at a safe point because someone asked for it.
    Interrupted,
    /// It cannot go on.
    Failed,
    /// Someone stopped it at once.
    Cancelled,
    /// The process ended while it ran.
    Abandoned,
}

impl State {
    /// Whether the turn has ended.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        TurnChart::TERMINAL.contains(&self)
    }
}

/// Superstates of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Group {
    /// It has not ended.
    Open,
    /// It works, and nobody has cancelled it.
    Working,
    /// It wants an answer from the model.
    Requesting,
    /// A request is on its way.
    InFlight,
    /// Tool calls are under way.
    Acting,
}

/// What happens to a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Trigger {
    /// The next step is due.
    Step,
    /// The server began to answer.
    Connected,
    /// The answer is complete.
    Answered,
    /// The attempt failed, or took too long.
    AttemptFailed,
    /// The time of backing off is over.
    BackoffOver,
    /// One or more calls were decided.
    CallDecided,
    /// A call that ran was settled.
    CallSettled,
    /// Someone has words for the running turn.
    Steer,
    /// Someone has words for after the turn.
    FollowUp,
    /// Someone asks it to stop at the next safe point.
    Interrupt,
    /// Someone asks it to rest at the next safe point.
    Pause,
    /// Someone asks it to go on.
    Resume,
    /// Someone stops it at once.
    Cancel,
    /// The process ended while it ran.
    Abandon,
}

/// What guards read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Condition {
    /// Someone asked it to stop at the next safe point.
    InterruptPending,
    /// Someone asked it to rest at the next safe point.
    PausePending,
    /// The model has not answered the last of what was said, or steering waits.
    AnswerDue,
    /// The limit of steps allows one more, and so do the budgets and the limit of interruptions.
    StepsLeft,
    /// The answer has complete tool calls.
    CallsProposed,
    /// The answer reached the limit of output tokens.
    AnswerCut,
    /// The failure may pass, and neither attempts nor time are used up.
    RetryLeft,
    /// The budgets allow the request that waits to be sent again: they may have been used up meanwhile.
    BudgetLeft,
    /// Another model may be asked for the answer that was not to be had.
    FallbackLeft,
    /// Some call of the batch is not decided.
    QuestionsOpen,
    /// Some call of the batch may run.
    CallsAllowed,
    /// Some call of the batch is not settled.
    CallsOpen,
    /// The conversation is too long to be sent as it is, and may be made shorter.
    CompactionDue,
    /// The provider has refused the conversation for its length, and it has not been made shorter since.
    Overflowed,
    /// The agent goes in circles, and the model is to be told so.
    LoopFound,
    /// It goes in circles though the model was told.
    LoopLasts,
    /// The result that was asked for is not here, and the model is to be asked for it.
    ResultDue,
    /// The result that was asked for is not here, and the model will not be asked for it any more.
    ResultLost,
    /// The provider interrupted the answer, and goes on with it when it has it back.
    AnswerPaused,
}

/// What transitions ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Intent {
    /// Fire [`Trigger::Step`].
    Proceed,
    /// Take the steering that waits into the conversation.
    TakeSteering,
    /// Prepare the next request from the conversation.
    PrepareRequest,
    /// Send the prepared request.
    CallModel,
    /// Wait for the first token.
    AwaitTokens,
    /// Wait before the request is sent again.
    BackOff,
    /// Add the answer to the conversation.
    KeepAnswer,
    /// Have the model go on with an answer that the provider interrupted.
    GoOn,
    /// Drop the stream; add what is complete to the conversation, marked as cancelled.
    DropStream,
    /// Gather evidence about the answer's calls.
    InspectCalls,
    /// Settle the answer's calls as failed because the answer was cut.
    RefuseCalls,
    /// Start the calls that may run now.
    StartCalls,
    /// Settle the calls about which a person is asked as cancelled.
    WithdrawQuestions,
    /// Settle the calls that have not begun as cancelled.
    WithdrawCalls,
    /// Ask the runners of running calls to stop.
    StopCalls,
    /// Settle all calls as after the end of the process.
    AbandonCalls,
    /// Add the results of the batch to the conversation, in the order of the calls.
    AppendResults,
    /// Remember that it shall stop.
    NoteInterrupt,
    /// Remember that it shall rest.
    NotePause,
    /// Forget that it shall rest.
    ForgetPause,
    /// Put the words into the queue of steering.
    QueueSteering,
    /// Put the words into the queue of follow-ups.
    QueueFollowUp,
    /// Give the steering that waits back to its authors.
    ReturnSteering,
    /// Give the answer up, and let the next model of the list be asked instead.
    FallBack,
    /// Say that the attempt's failure ended the turn.
    BlameModel,
    /// Say that the limit of steps, a budget, or too many interruptions by the provider ended the turn.
    BlameLimit,
    /// Note that a budget does not allow the request to be sent again.
    BlameBudget,
    /// Tell the session that the turn has ended.
    EndTurn,
    /// Remember that the provider refused the conversation for its length.
    NoteOverflow,
    /// Prepare the request for a summary.
    BeginCompaction,
    /// Put the summary in the place of what it summarises.
    KeepSummary,
    /// Leave the conversation as it is, because there is no summary to be had.
    GiveUpCompaction,
    /// Drop the request for a summary.
    DropSummary,
    /// Tell the model that it goes in circles.
    TellLoop,
    /// Say that going in circles ended the turn.
    BlameLoop,
    /// Judge whether the answer is the result that was asked for.
    JudgeResult,
    /// Ask the model for the result.
    AskResult,
    /// Say that there was no result.
    BlameResult,
    /// Say that there was no summary to be had, and that the conversation is too long without one.
    BlameCompaction,
}

impl Chart for TurnChart {
    const NAME: &'static str = "turn";
    const INITIAL: State = State::Preparing;
    const TERMINAL: &'static [State] = &[
        State::Completed,
        State::Interrupted,
        State::Failed,
        State::Cancelled,
        State::Abandoned,
    ];
    type State = State;
    type Group = Group;
    type Trigger = Trigger;
    type Condition = Condition;
    type Intent = Intent;

    fn rows() -> &'static [Row<Self>] {
        ROWS
    }

    fn parent(state: State) -> Option<Group> {
        match state {
            State::Connecting | State::Streaming => Some(Group::InFlight),
            State::BackingOff => Some(Group::Requesting),
            State::Gating | State::Executing => Some(Group::Acting),
            State::Preparing | State::Compacting => Some(Group::Working),
            State::Cancelling | State::Paused => Some(Group::Open),
            State::Completed | State::Interrupted | State::Failed | State::Cancelled | State::Abandoned => {
                None
            }
        }
    }

    fn outer(group: Group) -> Option<Group> {
        match group {
            Group::InFlight => Some(Group::Requesting),
            Group::Requesting | Group::Acting => Some(Group::Working),
            Group::Working => Some(Group::Open),
            Group::Open => None,
        }
    }

    fn on_entry(node: Node<Self>) -> &'static [Intent] {
        match node {
            Node::Leaf(State::Preparing) => &[Intent::Proceed],
            Node::Leaf(State::Connecting) => &[Intent::CallModel],
            Node::Leaf(State::Streaming) => &[Intent::AwaitTokens],
            Node::Leaf(State::BackingOff) => &[Intent::BackOff],
            Node::Leaf(State::Gating) => &[Intent::InspectCalls],
            Node::Leaf(State::Executing) => &[Intent::StartCalls],
            Node::Leaf(state) if state.is_terminal() => &[Intent::ReturnSteering, Intent::EndTurn],
            Node::Leaf(_) | Node::Group(_) => &[],
        }
    }
}

govern!(TurnChart, State, Group);

const fn row(
    key: &'static str,
    from: Node<TurnChart>,
    on: Trigger,
    when: &'static [When<TurnChart>],
    to: To<TurnChart>,
    intents: &'static [Intent],
) -> Row<TurnChart> {
    Row {
        key,
        from,
        on,
        when,
        to,
        intents,
    }
}

#[rustfmt::skip]
static ROWS: &[Row<TurnChart>] = {
    use Condition as C;
    use Group as G;
    use Intent as I;
    use Node::{Group as In, Leaf as At};
    use State as S;
    use To::{Leaf, Stay};
    use Trigger as T;
    use When::{Is, Not};
    &[
        // The safe point.
        row("step.interrupted", At(S::Preparing), T::Step, &[Is(C::InterruptPending)], Leaf(S::Interrupted), &[]),
        row("step.paused", At(S::Preparing), T::Step, &[Not(C::InterruptPending), Is(C::PausePending)],
            Leaf(S::Paused), &[]),
        row("step.completed", At(S::Preparing), T::Step,
            &[Not(C::InterruptPending), Not(C::PausePending), Not(C::AnswerDue), Not(C::LoopFound), Not(C::LoopLasts),
                Not(C::ResultDue), Not(C::ResultLost)],
            Leaf(S::Completed), &[]),
        row("step.result", At(S::Preparing), T::Step,
            &[Not(C::InterruptPending), Not(C::PausePending), Not(C::AnswerDue), Not(C::LoopFound), Not(C::LoopLasts),
                Is(C::ResultDue), Not(C::ResultLost)],
            Stay, &[I::AskResult, I::Proceed]),
        row("step.result_lost", At(S::Preparing), T::Step,
            &[Not(C::InterruptPending), Not(C::PausePending), Not(C::AnswerDue), Not(C::LoopFound), Not(C::LoopLasts),
                Is(C::ResultLost)],
            Leaf(S::Failed), &[I::BlameResult]),
        row("step.loop", At(S::Preparing), T::Step,
            &[Not(C::InterruptPending), Not(C::PausePending), Is(C::LoopFound), Not(C::LoopLasts)],
            Stay, &[I::TellLoop, I::Proceed]),
        row("step.loop_lasts", At(S::Preparing), T::Step,
            &[Not(C::InterruptPending), Not(C::PausePending), Is(C::LoopLasts)],
            Leaf(S::Failed), &[I::BlameLoop]),
        row("step.limit", At(S::Preparing), T::Step,
            &[Not(C::InterruptPending), Not(C::PausePending), Is(C::AnswerDue), Not(C::StepsLeft),
                Not(C::LoopFound), Not(C::LoopLasts)],
            Leaf(S::Failed), &[I::BlameLimit]),
        row("step.request", At(S::Preparing), T::Step,
            &[Not(C::InterruptPending), Not(C::PausePending), Is(C::AnswerDue), Is(C::StepsLeft),
                Not(C::CompactionDue), Not(C::Overflowed), Not(C::LoopFound), Not(C::LoopLasts)],
            Leaf(S::Connecting), &[I::TakeSteering, I::PrepareRequest]),
        row("step.compact", At(S::Preparing), T::Step,
            &[Not(C::InterruptPending), Not(C::PausePending), Is(C::AnswerDue), Is(C::StepsLeft), Is(C::CompactionDue),
                Not(C::LoopFound), Not(C::LoopLasts)],
            Leaf(S::Compacting), &[I::BeginCompaction, I::CallModel]),
        row("step.overflow", At(S::Preparing), T::Step,
            &[Not(C::InterruptPending), Not(C::PausePending), Is(C::AnswerDue), Is(C::StepsLeft),
                Not(C::CompactionDue), Is(C::Overflowed), Not(C::LoopFound), Not(C::LoopLasts)],
            Leaf(S::Failed), &[I::BlameCompaction]),

        // The summary. What was queued meanwhile waits for the step after it.
        row("compact.connected", At(S::Compacting), T::Connected, &[], Stay, &[I::AwaitTokens]),
        row("compact.answered", At(S::Compacting), T::Answered, &[], Leaf(S::Preparing), &[I::KeepSummary]),
        row("compact.back_off", At(S::Compacting), T::AttemptFailed, &[Is(C::RetryLeft)], Stay, &[I::BackOff]),
        row("compact.failed", At(S::Compacting), T::AttemptFailed, &[Not(C::RetryLeft)],
            Leaf(S::Preparing), &[I::GiveUpCompaction]),
        row("compact.retry", At(S::Compacting), T::BackoffOver, &[Is(C::BudgetLeft)], Stay, &[I::CallModel]),
        row("compact.retry_limit", At(S::Compacting), T::BackoffOver, &[Not(C::BudgetLeft)],
            Leaf(S::Preparing), &[I::GiveUpCompaction]),

        // The request.
        row("request.connected", At(S::Connecting), T::Connected, &[], Leaf(S::Streaming), &[]),
        row("request.calls", In(G::InFlight), T::Answered, &[Is(C::CallsProposed), Not(C::AnswerCut)],
            Leaf(S::Gating), &[I::KeepAnswer]),
        row("request.cut_calls", In(G::InFlight), T::Answered, &[Is(C::CallsProposed), Is(C::AnswerCut)],
            Leaf(S::Preparing), &[I::KeepAnswer, I::RefuseCalls, I::AppendResults]),
        row("request.answer", In(G::InFlight), T::Answered, &[Not(C::CallsProposed), Not(C::AnswerPaused)],
            Leaf(S::Preparing), &[I::KeepAnswer, I::JudgeResult]),
        row("request.paused", In(G::InFlight), T::Answered, &[Not(C::CallsProposed), Is(C::AnswerPaused)],
            Leaf(S::Preparing), &[I::KeepAnswer, I::GoOn]),
        row("request.failed", In(G::InFlight), T::AttemptFailed,
            &[Not(C::RetryLeft), Not(C::CompactionDue), Not(C::FallbackLeft)], Leaf(S::Failed), &[I::BlameModel]),
        row("request.fall_back", In(G::InFlight), T::AttemptFailed,
            &[Not(C::RetryLeft), Not(C::CompactionDue), Is(C::FallbackLeft)], Leaf(S::Preparing), &[I::FallBack]),
        row("request.overflow", In(G::InFlight), T::AttemptFailed, &[Not(C::RetryLeft), Is(C::CompactionDue)],
            Leaf(S::Preparing), &[I::NoteOverflow]),
        row("request.failed_interrupted", In(G::InFlight), T::AttemptFailed,
            &[Is(C::RetryLeft), Is(C::InterruptPending)], Leaf(S::Interrupted), &[]),
        row("request.failed_paused", In(G::InFlight), T::AttemptFailed,
            &[Is(C::RetryLeft), Not(C::InterruptPending), Is(C::PausePending)], Leaf(S::Paused), &[]),
        row("request.back_off", In(G::InFlight), T::AttemptFailed,
            &[Is(C::RetryLeft), Not(C::InterruptPending), Not(C::PausePending)], Leaf(S::BackingOff), &[]),
        row("request.retry", At(S::BackingOff), T::BackoffOver, &[Is(C::BudgetLeft)], Leaf(S::Connecting), &[]),
        row("request.retry_limit", At(S::BackingOff), T::BackoffOver, &[Not(C::BudgetLeft)],
            Leaf(S::Failed), &[I::BlameBudget]),

        // The calls.
        row("gate.more", At(S::Gating), T::CallDecided, &[Is(C::QuestionsOpen)], Stay, &[]),
        row("gate.run", At(S::Gating), T::CallDecided, &[Not(C::QuestionsOpen), Is(C::CallsAllowed)],
            Leaf(S::Executing), &[]),
        row("gate.none", At(S::Gating), T::CallDecided, &[Not(C::QuestionsOpen), Not(C::CallsAllowed)],
            Leaf(S::Preparing), &[I::AppendResults]),
        row("run.more", At(S::Executing), T::CallSettled, &[Is(C::CallsOpen)], Stay, &[I::StartCalls]),
        row("run.settled", At(S::Executing), T::CallSettled, &[Not(C::CallsOpen)],
            Leaf(S::Preparing), &[I::AppendResults]),
        row("cancelling.more", At(S::Cancelling), T::CallSettled, &[Is(C::CallsOpen)], Stay, &[]),
        row("cancelling.settled", At(S::Cancelling), T::CallSettled, &[Not(C::CallsOpen)],
            Leaf(S::Cancelled), &[I::AppendResults]),

        // People.
        row("steer", In(G::Open), T::Steer, &[Not(C::InterruptPending)], Stay, &[I::QueueSteering]),
        row("steer.late", In(G::Open), T::Steer, &[Is(C::InterruptPending)], Stay, &[I::QueueFollowUp]),
        row("follow_up", In(G::Open), T::FollowUp, &[], Stay, &[I::QueueFollowUp]),
        row("interrupt", In(G::Working), T::Interrupt, &[], Stay, &[I::NoteInterrupt, I::ReturnSteering]),
        row("interrupt.compact", At(S::Compacting), T::Interrupt, &[], Leaf(S::Interrupted), &[I::DropSummary]),
        row("interrupt.back_off", At(S::BackingOff), T::Interrupt, &[], Leaf(S::Interrupted), &[]),
        row("interrupt.gate", At(S::Gating), T::Interrupt, &[], Stay,
            &[I::NoteInterrupt, I::ReturnSteering, I::WithdrawQuestions]),
        row("interrupt.paused", At(S::Paused), T::Interrupt, &[], Leaf(S::Interrupted), &[]),
        row("pause", In(G::Working), T::Pause, &[Not(C::InterruptPending)], Stay, &[I::NotePause]),
        row("pause.back_off", At(S::BackingOff), T::Pause, &[], Leaf(S::Paused), &[]),
        row("pause.gate", At(S::Gating), T::Pause, &[Not(C::InterruptPending)], Stay,
            &[I::NotePause, I::WithdrawQuestions]),
        row("resume", At(S::Paused), T::Resume, &[], Leaf(S::Preparing), &[I::ForgetPause]),
        row("resume.early", In(G::Working), T::Resume, &[Is(C::PausePending)], Stay, &[I::ForgetPause]),
        row("cancel.request", In(G::InFlight), T::Cancel, &[], Leaf(S::Cancelled),
            &[I::DropStream, I::WithdrawCalls, I::AppendResults]),
        row("cancel.compact", At(S::Compacting), T::Cancel, &[], Leaf(S::Cancelled), &[I::DropSummary]),
        row("cancel.back_off", At(S::BackingOff), T::Cancel, &[], Leaf(S::Cancelled), &[]),
        row("cancel.gate", At(S::Gating), T::Cancel, &[], Leaf(S::Cancelled),
            &[I::WithdrawCalls, I::AppendResults]),
        row("cancel.run", At(S::Executing), T::Cancel, &[], Leaf(S::Cancelling),
            &[I::NoteInterrupt, I::ReturnSteering, I::WithdrawCalls, I::StopCalls]),
        row("cancel.paused", At(S::Paused), T::Cancel, &[], Leaf(S::Cancelled), &[]),

        // Recovery. A paused turn waits on nothing in the world: it stays paused.
        row("abandon", In(G::Working), T::Abandon, &[], Leaf(S::Abandoned),
            &[I::DropStream, I::AbandonCalls, I::AppendResults]),
        row("abandon.compact", At(S::Compacting), T::Abandon, &[], Leaf(S::Abandoned), &[I::DropSummary]),
        row("abandon.cancelling", At(S::Cancelling), T::Abandon, &[], Leaf(S::Abandoned),
            &[I::AbandonCalls, I::AppendResults]),
    ]
};

//! The chart of a session.

use glasswork_engine::chart::{Chart, Node, Row, To, When};
use glasswork_engine::govern;
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantArray};

/// The chart of a session: does it rest, or does it work on a turn or on a summary?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionChart;

/// States of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, VariantArray, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum State {
    /// It has an id and nothing else.
    Vacant,
    /// It waits for a prompt.
    Idle,
    /// A turn is open.
    Busy,
    /// No turn is open, and a model summarises what is old of the conversation, or a branch that is left, because
    /// someone asked for it.
    Compacting,
    /// It was closed while a turn was open, and waits for the turn to end.
    Closing,
    /// It is closed. Opening it again goes on where it stood.
    Closed,
}

/// Sessions have no superstates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray, IntoStaticStr)]
pub enum Group {}

/// What happens to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Trigger {
    /// Someone opens it.
    Open,
    /// Words begin a turn.
    Begin,
    /// The turn has ended.
    Rest,
    /// Someone closes it.
    Close,
    /// What was said elsewhere is taken into it.
    Import,
    /// Someone asks for a summary of what is old, or of a branch that is left.
    Compact,
    /// The server began to answer the request for a summary.
    Connected,
    /// The summary is complete.
    Answered,
    /// The attempt to get a summary failed, or took too long.
    AttemptFailed,
    /// The time of backing off is over.
    BackoffOver,
    /// Someone stops what it does.
    Stop,
    /// The process ended while it worked on a summary.
    Abandon,
}

/// What guards read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Condition {
    /// The turn was completed and follow-ups wait, or someone has spoken since the summary was begun.
    FollowUpsDue,
    /// The failure may pass, and neither attempts nor time are used up.
    RetryLeft,
    /// The budgets allow the request that waits to be sent again: they may have been used up meanwhile.
    BudgetLeft,
}

/// What transitions ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Intent {
    /// Begin a turn with the words that are at hand.
    BeginTurn,
    /// Begin a turn with the follow-ups that wait.
    BeginFollowUp,
    /// Cancel the open turn.
    CancelTurn,
    /// Put the words that are at hand into the queue of follow-ups: they begin a turn when the summary is there.
    QueuePrompt,
    /// Prepare the request for a summary.
    BeginCompaction,
    /// Send the prepared request.
    CallModel,
    /// Wait for the first token.
    AwaitTokens,
    /// Wait before the request is sent again.
    BackOff,
    /// Put the summary in the place of what it summarises.
    KeepSummary,
    /// Leave the conversation as it is, because there is no summary to be had.
    GiveUpCompaction,
    /// Drop the request for a summary.
    DropSummary,
}

impl Chart for SessionChart {
    const NAME: &'static str = "session";
    const INITIAL: State = State::Vacant;
    const TERMINAL: &'static [State] = &[State::Closed];
    type State = State;
    type Group = Group;
    type Trigger = Trigger;
    type Condition = Condition;
    type Intent = Intent;

    fn rows() -> &'static [Row<Self>] {
        ROWS
    }
    fn parent(_: State) -> Option<Group> {
        None
    }
    fn outer(group: Group) -> Option<Group> {
        match group {}
    }
}

govern!(SessionChart, State, Group);

const fn row(
    key: &'static str,
    from: State,
    on: Trigger,
    when: &'static [When<SessionChart>],
    to: To<SessionChart>,
    intents: &'static [Intent],
) -> Row<SessionChart> {
    Row {
        key,
        from: Node::Leaf(from),
        on,
        when,
        to,
        intents,
    }
}

#[rustfmt::skip]
static ROWS: &[Row<SessionChart>] = {
    use Condition::{BudgetLeft, FollowUpsDue, RetryLeft};
    use Intent as I;
    use State as S;
    use To::{Leaf, Stay};
    use Trigger as T;
    use When::{Is, Not};
    &[
        row("import",     S::Vacant,  T::Import, &[],                 Leaf(S::Closed),  &[]),
        row("open",       S::Vacant,  T::Open,  &[],                  Leaf(S::Idle),    &[]),
        row("open_again", S::Idle,    T::Open,  &[],                  Stay,             &[]),
        row("reopen",     S::Closed,  T::Open,  &[],                  Leaf(S::Idle),    &[]),
        row("begin",      S::Idle,    T::Begin, &[],                  Leaf(S::Busy),    &[I::BeginTurn]),
        row("rest",       S::Busy,    T::Rest,  &[Not(FollowUpsDue)], Leaf(S::Idle),    &[]),
        row("go_on",      S::Busy,    T::Rest,  &[Is(FollowUpsDue)],  Stay,             &[I::BeginFollowUp]),
        row("close",      S::Idle,    T::Close, &[],                  Leaf(S::Closed),  &[]),
        row("close_busy", S::Busy,    T::Close, &[],                  Leaf(S::Closing), &[I::CancelTurn]),
        row("closed",     S::Closing, T::Rest,  &[],                  Leaf(S::Closed),  &[]),

        // By hand; within a turn the turn's own chart does the same.
        row("compact",             S::Idle,       T::Compact,       &[], Leaf(S::Compacting),
            &[I::BeginCompaction, I::CallModel]),
        row("compact.connected",   S::Compacting, T::Connected,     &[], Stay, &[I::AwaitTokens]),
        row("compact.answered",    S::Compacting, T::Answered,      &[Not(FollowUpsDue)], Leaf(S::Idle),
            &[I::KeepSummary]),
        row("compact.answered_go_on", S::Compacting, T::Answered,   &[Is(FollowUpsDue)], Leaf(S::Busy),
            &[I::KeepSummary, I::BeginFollowUp]),
        row("compact.back_off",    S::Compacting, T::AttemptFailed, &[Is(RetryLeft)], Stay, &[I::BackOff]),
        row("compact.failed",      S::Compacting, T::AttemptFailed, &[Not(RetryLeft), Not(FollowUpsDue)], Leaf(S::Idle),
            &[I::GiveUpCompaction]),
        row("compact.failed_go_on", S::Compacting, T::AttemptFailed, &[Not(RetryLeft), Is(FollowUpsDue)], Leaf(S::Busy),
            &[I::GiveUpCompaction, I::BeginFollowUp]),
        row("compact.retry",       S::Compacting, T::BackoffOver,   &[Is(BudgetLeft)], Stay, &[I::CallModel]),
        row("compact.retry_limit", S::Compacting, T::BackoffOver,   &[Not(BudgetLeft), Not(FollowUpsDue)], Leaf(S::Idle),
            &[I::GiveUpCompaction]),
        row("compact.retry_limit_go_on", S::Compacting, T::BackoffOver, &[Not(BudgetLeft), Is(FollowUpsDue)],
            Leaf(S::Busy), &[I::GiveUpCompaction, I::BeginFollowUp]),
        row("compact.prompt",      S::Compacting, T::Begin,         &[], Stay, &[I::QueuePrompt]),
        row("compact.stopped",     S::Compacting, T::Stop,          &[], Leaf(S::Idle), &[I::DropSummary]),
        row("compact.closed",      S::Compacting, T::Close,         &[], Leaf(S::Closed), &[I::DropSummary]),
        row("compact.abandoned",   S::Compacting, T::Abandon,       &[], Leaf(S::Idle), &[I::DropSummary]),
    ]
};

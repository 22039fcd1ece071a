//! The chart of a tool call.

use glasswork_engine::chart::{Chart, Node, Row, To, When};
use glasswork_engine::govern;
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantArray};

/// The chart of a tool call. Once it runs, only its runner's word or recovery settles it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToolCallChart;

/// States of a tool call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, VariantArray, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum State {
    /// The model proposed it.
    Proposed,
    /// What it would touch is being found out.
    Evidence,
    /// A person is asked.
    Asked,
    /// It asks a person something, and waits for the answer.
    Questioning,
    /// It may run, and waits for its batch or for another writer of its file.
    Allowed,
    /// It runs.
    Running,
    /// Its runner was asked to stop.
    Cancelling,
    /// It may not run.
    Denied,
    /// It did what it should.
    Succeeded,
    /// It did not.
    Failed,
    /// It never began, or was stopped.
    Cancelled,
    /// It ran, and nobody knows how it ended.
    UnknownOutcome,
}

impl State {
    /// Whether the call is settled.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        ToolCallChart::TERMINAL.contains(&self)
    }

    /// Whether it is not decided yet whether the call may run.
    #[must_use]
    pub fn is_undecided(self) -> bool {
        matches!(self, Self::Proposed | Self::Evidence) || self.awaits_person()
    }

    /// Whether a person has the word: about the call, or to answer what it asks.
    #[must_use]
    pub fn awaits_person(self) -> bool {
        matches!(self, Self::Asked | Self::Questioning)
    }

    /// Whether its runner has yet to say how it ended.
    #[must_use]
    pub fn is_live(self) -> bool {
        matches!(self, Self::Running | Self::Cancelling)
    }
}

/// Superstates of a tool call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Group {
    /// It has not begun.
    Unstarted,
    /// Its runner has the word.
    Live,
}

/// What happens to a tool call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Trigger {
    /// What it would touch is to be found out.
    Inspect,
    /// It cannot run as it stands: its answer was cut, there is no such tool, or its arguments do not fit.
    Misfit,
    /// The policy allows it.
    Allow,
    /// The policy wants a person asked.
    Ask,
    /// The policy lets it ask a person something.
    Question,
    /// The policy denies it.
    Deny,
    /// A person approved it.
    Approve,
    /// A person refused it.
    Refuse,
    /// A person answered what it asks.
    Reply,
    /// Its turn comes.
    Start,
    /// Its runner says that it succeeded.
    Succeed,
    /// Its runner says that it failed.
    Fail,
    /// Its runner says that it was stopped.
    Stopped,
    /// Its runner is gone without a word.
    Lost,
    /// It shall stop.
    Stop,
    /// It shall not begin.
    Withdraw,
    /// It took too long.
    Deadline,
    /// The process ended.
    Abandon,
}

/// What guards read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Condition {
    /// The turn shall stop or rest: no question is opened.
    TurnStopping,
    /// It was asked to stop because it took too long.
    TimedOut,
    /// Running it twice does no harm.
    Repeatable,
}

/// What transitions ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Intent {
    /// Find out what it would touch.
    GatherEvidence,
    /// Wait for a person.
    AwaitPerson,
    /// Run it.
    Run,
    /// Ask its runner to stop.
    StopRunner,
    /// Drop the effect that finds out what it would touch.
    CloseEffect,
}

impl Chart for ToolCallChart {
    const NAME: &'static str = "tool_call";
    const INITIAL: State = State::Proposed;
    const TERMINAL: &'static [State] = &[
        State::Denied,
        State::Succeeded,
        State::Failed,
        State::Cancelled,
        State::UnknownOutcome,
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
            State::Proposed | State::Evidence | State::Asked | State::Questioning | State::Allowed => {
                Some(Group::Unstarted)
            }
            State::Running | State::Cancelling => Some(Group::Live),
            State::Denied | State::Succeeded | State::Failed | State::Cancelled | State::UnknownOutcome => {
                None
            }
        }
    }

    fn outer(_: Group) -> Option<Group> {
        None
    }

    fn on_entry(node: Node<Self>) -> &'static [Intent] {
        match node {
            Node::Leaf(State::Evidence) => &[Intent::GatherEvidence],
            Node::Leaf(State::Asked | State::Questioning) => &[Intent::AwaitPerson],
            Node::Leaf(State::Running) => &[Intent::Run],
            Node::Leaf(State::Cancelling) => &[Intent::StopRunner],
            Node::Leaf(_) | Node::Group(_) => &[],
        }
    }
}

govern!(ToolCallChart, State, Group);

const fn row(
    key: &'static str,
    from: Node<ToolCallChart>,
    on: Trigger,
    when: &'static [When<ToolCallChart>],
    to: State,
    intents: &'static [Intent],
) -> Row<ToolCallChart> {
    Row {
        key,
        from,
        on,
        when,
        to: To::Leaf(to),
        intents,
    }
}

#[rustfmt::skip]
static ROWS: &[Row<ToolCallChart>] = {
    use Condition::{Repeatable, TimedOut, TurnStopping};
    use Group as G;
    use Intent as I;
    use Node::{Group as In, Leaf as At};
    use State as S;
    use Trigger as T;
    use When::{Is, Not};
    &[
        row("inspect",           At(S::Proposed),  T::Inspect,  &[],                  S::Evidence, &[]),
        row("cut",               At(S::Proposed),  T::Misfit,   &[],                  S::Failed, &[]),
        row("misfit",            At(S::Evidence),  T::Misfit,   &[],                  S::Failed, &[]),
        row("allow",             At(S::Evidence),  T::Allow,    &[],                  S::Allowed, &[]),
        row("deny",              At(S::Evidence),  T::Deny,     &[],                  S::Denied, &[]),
        row("ask",               At(S::Evidence),  T::Ask,      &[Not(TurnStopping)], S::Asked, &[]),
        row("ask.stopping",      At(S::Evidence),  T::Ask,      &[Is(TurnStopping)],  S::Cancelled, &[]),
        row("evidence.deadline", At(S::Evidence),  T::Deadline, &[],                  S::Failed, &[I::CloseEffect]),
        row("evidence.withdraw", At(S::Evidence),  T::Withdraw, &[],                  S::Cancelled, &[I::CloseEffect]),
        row("approve",           At(S::Asked),     T::Approve,  &[],                  S::Allowed, &[]),
        row("refuse",            At(S::Asked),     T::Refuse,   &[],                  S::Denied, &[]),
        row("ask.allow",         At(S::Asked),     T::Allow,    &[],                  S::Allowed, &[]),
        row("ask.deny",          At(S::Asked),     T::Deny,     &[],                  S::Denied, &[]),
        row("ask.deadline",      At(S::Asked),     T::Deadline, &[],                  S::Denied, &[]),
        row("question",          At(S::Evidence),  T::Question, &[Not(TurnStopping)], S::Questioning, &[]),
        row("question.stopping", At(S::Evidence),  T::Question, &[Is(TurnStopping)],  S::Cancelled, &[]),
        row("question.reply",    At(S::Questioning), T::Reply,  &[],                  S::Succeeded, &[]),
        row("question.decline",  At(S::Questioning), T::Refuse, &[],                  S::Denied, &[]),
        row("question.deny",     At(S::Questioning), T::Deny,   &[],                  S::Denied, &[]),
        row("question.deadline", At(S::Questioning), T::Deadline, &[],                S::Denied, &[]),
        row("start",             At(S::Allowed),   T::Start,    &[],                  S::Running, &[]),
        row("withdraw",          In(G::Unstarted), T::Withdraw, &[],                  S::Cancelled, &[]),
        row("stop",              At(S::Running),   T::Stop,     &[],                  S::Cancelling, &[]),
        row("run.deadline",      At(S::Running),   T::Deadline, &[],                  S::Cancelling, &[]),
        row("succeed",           In(G::Live),      T::Succeed,  &[],                  S::Succeeded, &[]),
        row("fail",              In(G::Live),      T::Fail,     &[],                  S::Failed, &[]),
        row("stopped",           In(G::Live),      T::Stopped,  &[Not(TimedOut)],     S::Cancelled, &[]),
        row("stopped.deadline",  In(G::Live),      T::Stopped,  &[Is(TimedOut)],      S::Failed, &[]),
        row("lost.repeatable",   In(G::Live),      T::Lost,     &[Is(Repeatable)],    S::Failed, &[]),
        row("lost",              In(G::Live),      T::Lost,     &[Not(Repeatable)],   S::UnknownOutcome, &[]),
        row("abandon.repeatable", In(G::Live),     T::Abandon,  &[Is(Repeatable)],    S::Cancelled, &[]),
        row("abandon",           In(G::Live),      T::Abandon,  &[Not(Repeatable)],   S::UnknownOutcome, &[]),
    ]
};

//! The chart of a session.

use glasswork_engine::chart::{Chart, Node, Row, To, When};
use glasswork_engine::govern;
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantArray};

/// The chart of a session: does it rest, or does it work on a turn?
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
}

/// What guards read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Condition {
    /// The turn was completed and follow-ups wait.
    FollowUpsDue,
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
    use Condition::FollowUpsDue;
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
    ]
};

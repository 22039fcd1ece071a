//! The chart of an MCP server: a program beside a session whose tools the model may call.

use glasswork_engine::chart::{Chart, Node, Row, To, When};
use glasswork_engine::govern;
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantArray};

/// The chart of an MCP server. It is over when its session is; what is down can be started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct McpServerChart;

/// States of an MCP server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, VariantArray, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum State {
    /// It does not run: it was not started yet, or was stopped.
    Stopped,
    /// It was started, and has not said yet which tools it has.
    Starting,
    /// Its tools can be called.
    Ready,
    /// It could not be started.
    Failed,
    /// It was ready, and ended by itself or had to be ended.
    Lost,
}

/// Superstates of an MCP server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Group {
    /// There is no process.
    Down,
    /// There is a process.
    Up,
}

/// What happens to an MCP server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Trigger {
    /// It is needed.
    Start,
    /// It has said which tools it has.
    Introduced,
    /// It could not be started.
    Fail,
    /// It took too long to start.
    Deadline,
    /// It has other tools now.
    Listed,
    /// It ended by itself, or had to be ended.
    End,
    /// It is not needed any more.
    Stop,
    /// The process that had started it ended, or gave the session up.
    Abandon,
}

/// Nothing is read by guards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray, IntoStaticStr)]
pub enum Condition {}

/// What transitions ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Intent {
    /// Start its process, and ask for its tools.
    Launch,
    /// Drop the effect that starts it.
    CloseEffect,
}

impl Chart for McpServerChart {
    const NAME: &'static str = "mcp_server";
    const INITIAL: State = State::Stopped;
    const TERMINAL: &'static [State] = &[];
    type State = State;
    type Group = Group;
    type Trigger = Trigger;
    type Condition = Condition;
    type Intent = Intent;

    fn rows() -> &'static [Row<Self>] {
        ROWS
    }

    fn parent(state: State) -> Option<Group> {
        Some(match state {
            State::Stopped | State::Failed | State::Lost => Group::Down,
            State::Starting | State::Ready => Group::Up,
        })
    }

    fn outer(_: Group) -> Option<Group> {
        None
    }

    fn on_entry(node: Node<Self>) -> &'static [Intent] {
        match node {
            Node::Leaf(State::Starting) => &[Intent::Launch],
            Node::Leaf(_) | Node::Group(_) => &[],
        }
    }
}

govern!(McpServerChart, State, Group);

const fn row(
    key: &'static str,
    from: Node<McpServerChart>,
    on: Trigger,
    to: To<McpServerChart>,
    intents: &'static [Intent],
) -> Row<McpServerChart> {
    const ALWAYS: &[When<McpServerChart>] = &[];
    Row {
        key,
        from,
        on,
        when: ALWAYS,
        to,
        intents,
    }
}

#[rustfmt::skip]
static ROWS: &[Row<McpServerChart>] = {
    use Group as G;
    use Intent as I;
    use Node::{Group as In, Leaf as At};
    use State as S;
    use To::{Leaf as Into, Stay};
    use Trigger as T;
    &[
        row("start",          In(G::Down),     T::Start,      Into(S::Starting), &[]),
        row("introduced",     At(S::Starting), T::Introduced, Into(S::Ready),    &[]),
        row("start.fail",     At(S::Starting), T::Fail,       Into(S::Failed),   &[]),
        row("start.deadline", At(S::Starting), T::Deadline,   Into(S::Failed),   &[I::CloseEffect]),
        row("start.stop",     At(S::Starting), T::Stop,       Into(S::Stopped),  &[I::CloseEffect]),
        row("start.end",      At(S::Starting), T::End,        Into(S::Failed),   &[I::CloseEffect]),
        row("listed",         At(S::Ready),    T::Listed,     Stay,              &[]),
        row("end",            At(S::Ready),    T::End,        Into(S::Lost),     &[]),
        row("stop",           At(S::Ready),    T::Stop,       Into(S::Stopped),  &[]),
        row("abandon",        In(G::Up),       T::Abandon,    Into(S::Stopped),  &[]),
    ]
};

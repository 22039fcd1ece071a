//! Which projections a commit touches: what a client that shows one asks for anew, and what it need not.
//!
//! A commit says nothing about the new value: each connection computes what it shows of the state that it has, when it
//! shows it. Nothing is polled. That no projection changes without being named here is held by a test over random
//! histories; one that is named may well come out the same.

use std::collections::BTreeSet;

use glasswork_session_state::Fact;
use glasswork_session_state::{
    compaction, failover, fork, import, mcp, model, plan, prompt, question, session, structured, tools, tree,
    turn,
};
use serde::Serialize;

/// Something that people look at, computed from the state.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, strum::IntoStaticStr, strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Projection {
    /// What the session does and waits for: [`status`](super::status).
    Status,
    /// The conversation to the leaf: [`transcript`](super::transcript).
    Transcript,
    /// All entries: [`tree`](super::tree).
    Tree,
    /// The footer: [`footer`](super::footer).
    Footer,
    /// What fills the window: [`context`](super::context).
    Context,
    /// What people are asked: [`dialogs`](super::dialogs).
    Dialogs,
    /// The agent's plan: [`plan`](super::plan).
    Plan,
    /// What people should know: [`notifications`](super::notifications). That nothing more can be recorded is no commit,
    /// and told as such.
    Notifications,
    /// What the sessions of the host do: [`activity`](super::activity), as far as this session is concerned.
    Activity,
}

use Projection::{Activity, Context, Dialogs, Footer, Notifications, Plan, Status, Transcript, Tree};

/// What the size of the next request shows in.
const SIZE: &[Projection] = &[Status, Footer, Context, Notifications];
/// What a new entry shows in.
const ENTRY: &[Projection] = &[Status, Footer, Context, Notifications, Transcript, Tree];
/// What an attempt to get an answer shows in while it waits.
const ATTEMPT: &[Projection] = &[Status, Footer];
/// What where a turn stands shows in.
const TURN: &[Projection] = &[Status, Footer, Dialogs, Notifications, Activity];
/// What a turn that begins or ends shows in: after one that had fallen back, window and estimates are those of the
/// session's own model again.
const BORDER: &[Projection] = &[Status, Footer, Context, Dialogs, Notifications, Activity];
/// What where a call stands shows in.
const CALL: &[Projection] = &[Status, Footer, Transcript, Dialogs, Notifications, Activity];
const ALL: &[Projection] = &[
    Status,
    Transcript,
    Tree,
    Footer,
    Context,
    Dialogs,
    Plan,
    Notifications,
    Activity,
];

/// What facts touch.
#[must_use]
pub fn touched<'a>(facts: impl IntoIterator<Item = &'a Fact>) -> BTreeSet<Projection> {
    facts.into_iter().flat_map(of).copied().collect()
}

/// All projections: what a gap touches.
#[must_use]
pub fn all() -> BTreeSet<Projection> {
    ALL.iter().copied().collect()
}

fn of(fact: &Fact) -> &'static [Projection] {
    match fact {
        Fact::Session(fact) => match fact {
            session::Fact::Placed { .. } | session::Fact::Titled { .. } => &[Status, Footer, Activity],
            session::Fact::Moved { .. } => &[Status, Footer, Activity],
            session::Fact::Set(_) | session::Fact::SystemSet { .. } | session::Fact::ToolsSet { .. } => SIZE,
            session::Fact::Pinned { .. } | session::Fact::SpentElsewhere(_) => &[],
        },
        Fact::Prompt(fact) => match fact {
            prompt::Fact::Said { .. } | prompt::Fact::Taken { .. } => ENTRY,
            prompt::Fact::Queued { .. } => &[Status],
            prompt::Fact::SteeringReturned => &[Status, Notifications],
            prompt::Fact::Keyed { .. } => &[],
        },
        Fact::Turn(fact) => match fact {
            turn::Fact::Began { .. } => BORDER,
            turn::Fact::Moved { to, .. } if to.is_terminal() => BORDER,
            turn::Fact::Moved { .. } => TURN,
            turn::Fact::Prepared { .. } => ATTEMPT,
            turn::Fact::Pending(_) => &[Status],
            turn::Fact::Noticed { .. } => ENTRY,
            turn::Fact::Blamed(_) => &[Notifications],
            turn::Fact::GoesOn => &[],
        },
        Fact::Model(fact) => match fact {
            model::Fact::Called { .. } | model::Fact::Waits { .. } | model::Fact::Charged(_) => ATTEMPT,
            // Whatever comes begins the wait for the next piece anew.
            model::Fact::BlockBegan(..)
            | model::Fact::Grew(..)
            | model::Fact::BlockFinished(..)
            | model::Fact::Counted(_) => ATTEMPT,
            // What a provider has counted makes our own estimates better.
            model::Fact::Finished(_) | model::Fact::Failed(_) | model::Fact::Dropped => SIZE,
            model::Fact::Limits(_) => &[Status],
            model::Fact::AnswerKept { .. } => ENTRY,
            model::Fact::Sent(_) => &[],
        },
        Fact::Structured(fact) => match fact {
            structured::Fact::Wanted(_) => SIZE,
            structured::Fact::Told { .. } => ENTRY,
            structured::Fact::Tried(_) => &[],
        },
        Fact::Tools(fact) => match fact {
            tools::Fact::Moved { .. } => CALL,
            tools::Fact::Begun { .. } | tools::Fact::Asked { .. } => &[Status, Footer, Dialogs],
            tools::Fact::Judged { .. } => &[Transcript, Dialogs],
            tools::Fact::Settled { .. } => &[Status, Footer, Transcript],
            tools::Fact::Told { .. } => ENTRY,
            tools::Fact::TimedOut { .. }
            | tools::Fact::Answered { .. }
            | tools::Fact::Progressed { .. }
            | tools::Fact::Placed { .. } => &[],
        },
        Fact::Secrets(_) => &[Notifications],
        Fact::Tree(fact) => match fact {
            tree::Fact::LeafMoved { .. } => ENTRY,
            tree::Fact::Labelled { .. } | tree::Fact::Pinned { .. } => &[Tree],
        },
        Fact::Checkout(_) => &[Footer],
        Fact::Compaction(fact) => match fact {
            compaction::Fact::Began { .. } | compaction::Fact::BranchBegan { .. } => {
                &[Status, Footer, Activity]
            }
            compaction::Fact::BranchKept { .. } | compaction::Fact::Kept { .. } => ENTRY,
            compaction::Fact::GivenUp { .. } => SIZE,
            compaction::Fact::Dropped => ATTEMPT,
            compaction::Fact::Spoken | compaction::Fact::Overflowed => &[],
        },
        Fact::Import(fact) => match fact {
            import::Fact::Begun { .. } => &[],
            import::Fact::Taken { .. } | import::Fact::Finished { .. } => ALL,
        },
        Fact::Fork(fact) => match fact {
            fork::Fact::Made { .. } => &[Tree],
            fork::Fact::Entered { .. } => ALL,
            fork::Fact::Began { .. } | fork::Fact::Failed { .. } => &[],
        },
        Fact::Failover(fact) => match fact {
            failover::Fact::FellBack { .. } => ENTRY,
            failover::Fact::Known { .. } => &[],
        },
        Fact::Mcp(fact) => match fact {
            // Which tools the next request offers.
            mcp::Fact::Given { .. }
            | mcp::Fact::Removed { .. }
            | mcp::Fact::Moved { .. }
            | mcp::Fact::Offers { .. } => SIZE,
            mcp::Fact::Launched { .. } => &[Status],
            mcp::Fact::Renewed { .. } | mcp::Fact::Introduced { .. } | mcp::Fact::Troubled { .. } => &[],
        },
        // The call that asked moves in the same commit.
        Fact::Question(question::Fact::Answered { .. }) => &[],
        Fact::Plan(plan::Fact::Set { .. }) => &[Plan],
        // Of the host, which has none of these.
        Fact::Trash(_) | Fact::Closing(_) | Fact::Host(_) | Fact::SignIn(_) | Fact::Client(_) => &[],
    }
}

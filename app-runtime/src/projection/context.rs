//! What fills the window: every part that the next request would have, with its size and the dispatch that put it there.

use std::fmt::Write as _;
use std::sync::Arc;

use glasswork_agent_core::id::EntryId;
use glasswork_engine::Timestamp;
use glasswork_session_state::state::Session;
use serde::Serialize;

use super::footer::{Share, short};
use super::tree::{self, Kind};

/// What fills the window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Context {
    /// How full it is, as providers count.
    pub share: Share,
    /// Size of all parts, in tokens of our own count: four characters to a token.
    pub tokens: u64,
    /// What is kept free for an answer, in tokens.
    pub reserve: u64,
    /// Tokens of the window that are left before what is kept free; `None` where nobody knows the window.
    pub free: Option<u64>,
    /// The parts of each group together, in the order in which they are sent; groups without parts are left out.
    pub groups: Vec<Group>,
    /// The parts, in the order in which they are sent.
    pub parts: Vec<Part>,
}

/// The parts of one group together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Group {
    /// The group.
    pub of: Source,
    /// How many parts it has.
    pub parts: u64,
    /// Their size, in tokens of our own count.
    pub tokens: u64,
}

/// A part of what would be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Where it comes from.
    pub of: Source,
    /// Its name, where it has one: of a part of the system prompt, of a tool; else the beginning of what it says.
    pub name: Arc<str>,
    /// Its size, in tokens of our own count.
    pub tokens: u64,
    /// The commit that put it there.
    pub by: u64,
    /// Of a message: its entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryId>,
    /// Of a message: when it was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// Where a part of what would be sent comes from.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, strum::IntoStaticStr, strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Source {
    /// The system prompt.
    System,
    /// The description of a tool.
    Tool,
    /// People's words.
    Prompt,
    /// The model's answers.
    Answer,
    /// Results of tools.
    Result,
    /// Summaries of what is old, or of a branch that was left.
    Summary,
    /// What the runtime itself tells the model.
    Notice,
}

impl Source {
    fn of(kind: Kind) -> Self {
        match kind {
            Kind::Prompt => Self::Prompt,
            Kind::Answer => Self::Answer,
            Kind::Result => Self::Result,
            Kind::Compaction | Kind::BranchSummary => Self::Summary,
            // No model is sent what was superseded; it has no tokens.
            Kind::Notice | Kind::Superseded => Self::Notice,
        }
    }
}

/// What fills the window of a session. Costs all of its parts.
#[must_use]
pub fn of(session: &Session) -> Context {
    let (context, room) = (&session.context, session.room());
    let head = context.head();
    let system = head.system.iter().map(|part| Part {
        of: Source::System,
        name: Arc::clone(&part.part.name),
        tokens: part.tokens,
        by: part.by,
        entry: None,
        at: None,
    });
    let tools = head.tools.iter().map(|part| Part {
        of: Source::Tool,
        name: Arc::clone(&part.part.name),
        tokens: part.tokens,
        by: part.by,
        entry: None,
        at: None,
    });
    let messages = context.parts().iter().filter_map(|part| {
        let entry = session.tree.get(part.entry)?;
        let (kind, words) = tree::glance(&entry.body);
        Some(Part {
            of: Source::of(kind),
            name: words.into(),
            tokens: part.tokens,
            by: part.by,
            entry: Some(part.entry),
            at: Some(entry.at),
        })
    });
    let parts: Vec<Part> = system.chain(tools).chain(messages).collect();
    let share = Share::of(session);
    Context {
        share,
        tokens: context.tokens(),
        reserve: room.reserve,
        free: room
            .window
            .map(|window| window.saturating_sub(room.reserve).saturating_sub(share.tokens)),
        groups: groups(&parts),
        parts,
    }
}

fn groups(parts: &[Part]) -> Vec<Group> {
    use strum::VariantArray;
    let group = |of: &Source| {
        let own = || parts.iter().filter(|part| part.of == *of);
        let count = u64::try_from(own().count()).unwrap_or(u64::MAX);
        (count > 0).then(|| Group {
            of: *of,
            parts: count,
            tokens: own().map(|part| part.tokens).sum(),
        })
    };
    Source::VARIANTS.iter().filter_map(group).collect()
}

impl Context {
    /// The groups in words, for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = match (self.share.window, self.share.per_mille) {
            (Some(window), Some(share)) => format!(
                "{} of {} tokens ({}.{}%), {} kept free for an answer\n",
                short(self.share.tokens),
                short(window),
                share / 10,
                share % 10,
                short(self.reserve)
            ),
            _ => format!("{} tokens; nobody knows the window\n", short(self.share.tokens)),
        };
        for group in &self.groups {
            let name: &str = group.of.into();
            let _ = writeln!(
                text,
                "  {name:<8} {:>6} tokens in {} parts",
                short(group.tokens),
                group.parts
            );
        }
        text
    }
}

//! A session in a list: all that is known of it without opening it.

use std::sync::Arc;

use glasswork_agent_core::tree::Body;
use glasswork_agent_core::{session, turn};
use glasswork_ai::model::ModelId;
use glasswork_engine::{Scope, ScopeId, Timestamp};
use glasswork_session_state::Glasswork;
use glasswork_session_state::state::{self, Session};
use glasswork_session_state::usage::Ledger;
use strum::VariantArray as _;

use crate::store::Owner;

/// How much of the first prompt a listing shows, in characters.
pub const FIRST_WORDS: usize = 80;

/// A session as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The session.
    pub id: ScopeId,
    /// When its journal was made.
    pub created: Timestamp,
    /// When its last commit was made; `None` where it has none.
    pub updated: Option<Timestamp>,
    /// Its last commit: how many events it has accepted.
    pub seq: u64,
    /// Length of its journal, in bytes.
    pub bytes: u64,
    /// What it is called, where somebody gave it a title.
    pub title: Option<Arc<str>>,
    /// The directory in which it works; `None` where nobody opened it yet.
    pub workspace: Option<Arc<str>>,
    /// The branch that was checked out there when its last turn began, where it works in a Git repository.
    pub branch: Option<Arc<str>>,
    /// The model that it asks.
    pub model: Option<ModelId>,
    /// Entries of its conversation: prompts, answers and results of tools, on all branches.
    pub messages: u64,
    /// Tokens of all its requests, as the providers counted them: input, whether cached or not, and output.
    pub tokens: u64,
    /// Of those, the ones that were used before it was forked, and are counted in another session too.
    pub inherited: u64,
    /// What it cost, in billionths of a US dollar; `None` where the prices are not known.
    pub cost: Option<u64>,
    /// Of that, what it has cost itself: of a fork, since it was made. Over all sessions these add up to what was spent.
    pub own_cost: Option<u64>,
    /// Where its charts stand.
    pub status: Status,
    /// What was said first, at most [`FIRST_WORDS`] characters of it.
    pub first_words: Option<Arc<str>>,
    /// The session that it was forked from.
    pub parent: Option<ScopeId>,
    /// Whether somebody pinned it.
    pub pinned: bool,
    /// What is wrong with it, where it could not be read to its end.
    pub damage: Option<String>,
    /// Who has it open for writing, at the moment of the listing.
    pub owner: Option<Owner>,
}

/// Where a session stands, from the charts of the session and of its turn.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Default,
    serde::Serialize,
    strum::VariantArray,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Status {
    /// No turn was begun.
    #[default]
    New,
    /// A turn is open and works.
    Running,
    /// A turn is open, and a person is asked about a call.
    Asking,
    /// The turn rests and can go on.
    Paused,
    /// The last turn was completed.
    Completed,
    /// The last turn stopped at a safe point because someone asked for it.
    Interrupted,
    /// The last turn could not go on.
    Failed,
    /// The last turn was stopped at once.
    Cancelled,
    /// The last turn was open when its process ended, and was settled since.
    Abandoned,
    /// The last turn was open when its process ended. Whoever opens the session settles it.
    LeftOpen,
    /// It was closed.
    Closed,
    /// It cannot be read to its end.
    Damaged,
}

impl Status {
    /// Where a session stands.
    #[must_use]
    pub fn of(session: &Session) -> Self {
        use turn::State as Turn;
        if session.state == session::State::Closed {
            return Self::Closed;
        }
        let Some(turn) = &session.turn else {
            return Self::New;
        };
        match turn.state {
            Turn::Paused => Self::Paused,
            Turn::Completed => Self::Completed,
            Turn::Interrupted => Self::Interrupted,
            Turn::Failed => Self::Failed,
            Turn::Cancelled => Self::Cancelled,
            Turn::Abandoned => Self::Abandoned,
            Turn::Gating if session.batch().any(|(_, call)| call.state.awaits_person()) => Self::Asking,
            _ => Self::Running,
        }
    }

    /// Whether a turn is open that works.
    #[must_use]
    pub fn is_working(self) -> bool {
        matches!(self, Self::Running | Self::Asking)
    }

    /// The status of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::VARIANTS
            .iter()
            .find(|status| <&str>::from(**status) == name)
            .copied()
    }
}

impl Row {
    /// A session of which nothing is known but that it is there.
    #[must_use]
    pub fn bare(id: ScopeId) -> Self {
        Self {
            id,
            created: Timestamp::default(),
            updated: None,
            seq: 0,
            bytes: 0,
            title: None,
            workspace: None,
            branch: None,
            model: None,
            messages: 0,
            tokens: 0,
            inherited: 0,
            cost: None,
            own_cost: None,
            status: Status::default(),
            first_words: None,
            parent: None,
            pinned: false,
            damage: None,
            owner: None,
        }
    }

    /// The row of a session in this state. Costs the same for a long session as for a short one. `None` for the
    /// host's own scope.
    #[must_use]
    pub fn of(scope: &Scope<Glasswork>, created: Timestamp, bytes: u64) -> Option<Self> {
        let state::Scope::Session(session) = &scope.state else {
            return None;
        };
        let meta = &session.meta;
        let sum = |ledger: &Ledger| {
            let tokens = ledger.tokens();
            tokens.input_total().saturating_add(tokens.output)
        };
        Some(Self {
            id: scope.id,
            created,
            updated: (scope.seq > 0).then_some(scope.at),
            seq: scope.seq,
            bytes,
            title: meta.title.clone(),
            workspace: (!meta.workspace.is_empty()).then(|| Arc::clone(&meta.workspace)),
            branch: meta.head.branch.clone(),
            model: session.settings.model.value.clone(),
            messages: u64::try_from(session.tree.len()).unwrap_or(u64::MAX),
            tokens: sum(&session.usage),
            inherited: sum(&session.inherited),
            cost: cost(&session.usage),
            own_cost: cost(&session.spent()),
            status: Status::of(session),
            first_words: first_words(session),
            parent: meta.parent.map(|parent| parent.session),
            pinned: meta.pinned,
            damage: None,
            owner: None,
        })
    }

    /// The tokens that it has used itself. Over all sessions they add up to what was used.
    #[must_use]
    pub fn own_tokens(&self) -> u64 {
        self.tokens.saturating_sub(self.inherited)
    }

    /// Whether lists leave it out unless they are asked for it: nothing was said in it, and nobody named it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages == 0 && self.title.is_none() && self.damage.is_none() && !self.pinned
    }

    /// What it is called in a list: its title, or what was said first.
    #[must_use]
    pub fn name(&self) -> &str {
        self.title
            .as_deref()
            .or(self.first_words.as_deref())
            .unwrap_or_default()
    }
}

/// `None` also of a session in which no model was asked: it has cost nothing, and is not among those that did.
fn cost(ledger: &Ledger) -> Option<u64> {
    let asked = ledger.models.values().any(|model| model.attempts > 0);
    ledger.cost().filter(|_| asked).map(|cost| cost.0)
}

/// How many entries are looked at for what was said first: it stands at the beginning, or nowhere.
const LOOKED_AT: usize = 8;

fn first_words(session: &Session) -> Option<Arc<str>> {
    let mut first = session.tree.entries().take(LOOKED_AT);
    first.find_map(|(_, entry)| match &entry.body {
        Body::Prompt { text, .. } => Some(text.chars().take(FIRST_WORDS).collect::<String>().into()),
        _ => None,
    })
}

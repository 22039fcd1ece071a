//! The state of a scope: a session, or the host's own affairs.

use std::sync::Arc;

use glasswork_agent_core::answer::Answer;
use glasswork_agent_core::compaction::{Footprint, Hindrance};
use glasswork_agent_core::context::{self, Context, Prepared};
use glasswork_agent_core::id::{CallId, RequestId, TurnId};
use glasswork_agent_core::loop_guard;
use glasswork_agent_core::plan::Plan;
use glasswork_agent_core::structured::Unfit;
use glasswork_agent_core::tail_map::TailMap;
use glasswork_agent_core::tree::Tree;
use glasswork_agent_core::{session as session_chart, turn as turn_chart};
use glasswork_ai::conversation::Request;
use glasswork_ai::decimal::Money;
use glasswork_ai::failure::Failure;
use glasswork_ai::model::ModelId;
use glasswork_ai::rate_limit::RateLimit;
use glasswork_ai::stream::StopReason;
use glasswork_engine::{Deadline, EffectKey, ScopeId, Timestamp};
use im::{OrdMap, Vector};
use serde::{Deserialize, Serialize};

use crate::budget::Exhausted;
use crate::call::Call;
use crate::checkout::Head;
use crate::compaction::{Compactions, Overflow};
use crate::failover::{Candidate, Failover, GivenUp};
use crate::fork::Child;
use crate::host::Host;
use crate::import::Import;
use crate::keys::Keys;
use crate::mcp::Servers;
use crate::queue::Queue;
use crate::secrets::Masked;
use crate::settings::Settings;
use crate::structured::Asked;
use crate::usage::Ledger;

/// The state of one scope. Cloning it copies a pointer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// A session.
    Session(Arc<Session>),
    /// The host's own affairs.
    Host(Arc<Host>),
}

/// Kinds of scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A session.
    Session,
    /// The host's own affairs.
    Host,
}

/// A coding session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its id.
    pub id: ScopeId,
    /// What it is called, where it works, when it was touched.
    pub meta: Arc<Meta>,
    /// Where its chart stands.
    pub state: session_chart::State,
    /// The open turn, or the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<Arc<Turn>>,
    /// The turns before that one.
    pub past: TailMap<TurnId, Arc<Turn>>,
    /// The conversation.
    pub tree: Tree,
    /// Every tool call.
    pub calls: TailMap<CallId, Arc<Call>>,
    /// Words that wait.
    pub queue: Queue,
    /// What is set.
    pub settings: Arc<Settings>,
    /// The conversation as the model would be sent it.
    pub context: Context,
    /// Every prepared request.
    pub requests: TailMap<RequestId, Arc<Prepared>>,
    /// What was used, by the sessions that it was forked from too.
    pub usage: Ledger,
    /// Of that, what was used before it was forked: of this another session has the record.
    #[serde(default, skip_serializing_if = "Ledger::is_empty")]
    pub inherited: Ledger,
    /// What providers said last of what they allow within a time, by provider.
    #[serde(default, skip_serializing_if = "OrdMap::is_empty")]
    pub limits: OrdMap<Arc<str>, Arc<Limits>>,
    /// The last idempotency keys.
    pub keys: Keys,
    /// Where its conversation was imported from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<Arc<Import>>,
    /// The secrets that were masked.
    #[serde(default, skip_serializing_if = "Masked::is_empty")]
    pub masked: Masked,
    /// How it stands with compacting.
    #[serde(default, skip_serializing_if = "Compactions::is_empty")]
    pub compactions: Compactions,
    /// What tools have done to files.
    #[serde(default, skip_serializing_if = "Footprint::is_empty")]
    pub footprint: Footprint,
    /// The forks that were made of it, or are being made.
    #[serde(default, skip_serializing_if = "OrdMap::is_empty")]
    pub children: OrdMap<ScopeId, Child>,
    /// What the host knows of the models that may be asked instead of its own, as it was told last.
    #[serde(default, skip_serializing_if = "OrdMap::is_empty")]
    pub candidates: OrdMap<ModelId, Candidate>,
    /// The servers of tools that it has.
    #[serde(default, skip_serializing_if = "OrdMap::is_empty")]
    pub mcp: Servers,
    /// The agent's plan, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Arc<Plan>>,
}

/// What a provider allows within a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// When it said so.
    pub at: Timestamp,
    /// The limits.
    pub limits: Vec<RateLimit>,
}

/// What a session is called, where it works, when it was touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Meta {
    /// Its title; `None` until someone gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Arc<str>>,
    /// The directory in which it works.
    pub workspace: Arc<str>,
    /// When it was first opened.
    pub created: Timestamp,
    /// Of a fork: where it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// Whether it stands before others in lists.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pinned: bool,
    /// What was checked out there when it was last opened or prompted.
    #[serde(default, skip_serializing_if = "Head::is_unknown")]
    pub head: Head,
}

/// Where a fork comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// The session that was forked.
    pub session: ScopeId,
    /// Its commit at which.
    pub at: u64,
}

/// A turn: one prompt until the agent rests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Its id.
    pub id: TurnId,
    /// Where its chart stands.
    pub state: turn_chart::State,
    /// Since when it stands there.
    pub since: Timestamp,
    /// When it began.
    pub began: Timestamp,
    /// Requests so far.
    pub steps: u32,
    /// Most requests.
    pub max_steps: u32,
    /// What its requests have cost, as far as that is known.
    #[serde(default, skip_serializing_if = "crate::usage::is_free")]
    pub spent: Money,
    /// Whether it shall stop or rest at the next safe point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
    /// Whether the model owes an answer to what was said last.
    pub answer_due: bool,
    /// The result that it is asked for, where it is asked for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Arc<Asked>>,
    /// The request under way, or the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Attempt>,
    /// The calls of the answer that is worked on, in order; their results are not in the conversation yet.
    #[serde(default, skip_serializing_if = "Vector::is_empty")]
    pub batch: Vector<CallId>,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<TurnFailure>,
    /// How it stands with a conversation that the provider refused for its length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overflow: Option<Overflow>,
    /// Which model is asked instead of the session's own, and why.
    #[serde(default, skip_serializing_if = "Failover::is_empty")]
    pub failover: Failover,
    /// How often in a row the provider interrupted the answer, and the model goes on with it.
    #[serde(default, skip_serializing_if = "crate::unwritten::is_zero")]
    pub paused: u32,
}

/// What a turn shall do at the next safe point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pending {
    /// Stop.
    Interrupt,
    /// Rest.
    Pause,
}

/// Why a turn failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnFailure {
    /// The model gave no answer.
    Model(Failure),
    /// Neither the model nor any of those that may be asked instead gave an answer.
    NobodyAnswered {
        /// The models, in order, each with the reason.
        given_up: Vector<GivenUp>,
    },
    /// The conversation is too long for the model, and could not be made shorter.
    TooLong {
        /// What the provider said.
        failure: Failure,
        /// Why it could not be made shorter.
        hindrance: Hindrance,
    },
    /// The agent went in circles, and went on when it was told.
    Loop {
        /// How.
        kind: loop_guard::Kind,
    },
    /// It reached the limit of steps.
    Limit {
        /// The limit.
        max_steps: u32,
    },
    /// A budget allows no further request.
    Budget(Exhausted),
    /// The model did not give the result that was asked for.
    NoResult {
        /// What is wrong with its last answer.
        unfit: Unfit,
    },
    /// The provider interrupted one answer more often than is allowed.
    Paused {
        /// How often.
        times: u32,
    },
}

/// An attempt to get an answer to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The request.
    pub request: RequestId,
    /// The attempt, from 1.
    pub number: u32,
    /// When the first attempt of this request began.
    pub first_at: Timestamp,
    /// The effect that makes it; `None` once it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<EffectKey>,
    /// What it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Wait>,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called_at: Option<Timestamp>,
    /// What has arrived.
    pub answer: Answer,
    /// Why the model stopped, once it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<StopReason>,
    /// Why it failed, once it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// What an attempt waits for, and how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// What it waits for.
    #[serde(rename = "for")]
    pub on: AttemptWait,
    /// How long.
    pub deadline: Deadline,
}

/// What an attempt can wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptWait {
    /// The server to begin to answer.
    Connect,
    /// The first token.
    FirstToken,
    /// The next piece.
    Stream,
    /// The time to try again.
    Backoff,
}

impl Session {
    /// A session that has an id and nothing else.
    #[must_use]
    pub fn vacant(id: ScopeId) -> Self {
        Self {
            id,
            meta: Arc::default(),
            state: session_chart::State::Vacant,
            turn: None,
            past: TailMap::new(),
            tree: Tree::default(),
            calls: TailMap::new(),
            queue: Queue::default(),
            settings: Arc::default(),
            context: Context::default(),
            requests: TailMap::new(),
            usage: Ledger::default(),
            inherited: Ledger::default(),
            limits: OrdMap::new(),
            keys: Keys::default(),
            import: None,
            masked: Masked::default(),
            compactions: Compactions::default(),
            footprint: Footprint::default(),
            children: OrdMap::new(),
            candidates: OrdMap::new(),
            mcp: Servers::new(),
            plan: None,
        }
    }

    /// The turn that has not ended.
    #[must_use]
    pub fn open_turn(&self) -> Option<&Turn> {
        self.turn.as_deref().filter(|turn| !turn.state.is_terminal())
    }

    /// A turn, open or ended.
    #[must_use]
    pub fn turn(&self, id: TurnId) -> Option<&Arc<Turn>> {
        self.turn
            .as_ref()
            .filter(|turn| turn.id == id)
            .or_else(|| self.past.get(&id))
    }

    /// The request under way: for a summary, or in the open turn; else the last one of the last turn.
    #[must_use]
    pub fn attempt(&self) -> Option<&Attempt> {
        if let Some(open) = &self.compactions.open {
            return Some(&open.attempt);
        }
        self.turn.as_ref().and_then(|turn| turn.attempt.as_ref())
    }

    /// By when the attempt under way is given up, whatever it waits for.
    #[must_use]
    pub fn answer_deadline(&self) -> Option<Deadline> {
        let attempt = self.attempt()?;
        Some(Deadline {
            set_by: attempt.effect?.seq,
            set_at: attempt.called_at?,
            after_ms: self.settings.answer_timeout_ms.value,
        })
    }

    /// What it has used itself. Over all sessions this adds up to what was used.
    #[must_use]
    pub fn spent(&self) -> Ledger {
        self.usage.since(&self.inherited)
    }

    /// A tool call.
    #[must_use]
    pub fn call(&self, id: CallId) -> Option<&Arc<Call>> {
        self.calls.get(&id)
    }

    /// The calls of the answer that is worked on, in order.
    pub fn batch(&self) -> impl Iterator<Item = (CallId, &Arc<Call>)> {
        let batch = self.turn.iter().flat_map(|turn| turn.batch.iter());
        batch.filter_map(|id| self.calls.get(id).map(|call| (*id, call)))
    }

    /// Renders a prepared request for a wire. `None` where there is no such request.
    #[must_use]
    pub fn render(&self, request: RequestId) -> Option<Request> {
        context::render(&self.tree, &self.context, &self.requests, request)
    }
}

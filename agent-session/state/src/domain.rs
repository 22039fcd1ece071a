//! All families together: what the engine is told.

use std::sync::Arc;

use glasswork_agent_core::id::{CallId, TurnId};
use glasswork_agent_core::mcp_server::McpServerChart;
use glasswork_agent_core::session::SessionChart;
use glasswork_agent_core::tool_call::ToolCallChart;
use glasswork_agent_core::turn::TurnChart;
use glasswork_ai::failure::{Failure, FailureClass};
use glasswork_ai::stream::StreamEvent;
use glasswork_engine::chart::Chart;
use glasswork_engine::digest::Digest;
use glasswork_engine::upgrade::Upgrade;
use glasswork_engine::{
    Class, Context, Deadline, Decision, Domain, Durability, EffectKey, Loss, Moment, Origin, Recovery,
    ScopeId, Transition,
};
use serde::{Deserialize, Serialize};

use crate::draft::Draft;
use crate::effect::Effect;
use crate::evidence::Evidence;
use crate::invariant::{self, Breach};
use crate::permission::{self, Grant};
use crate::queue::Lane;
use crate::rejection::Rejection;
use crate::state::{Kind, Scope, Session};
use crate::{
    checkout, clients, closing, compaction, entities, evolve, failover, fork, host, host_recovery, import,
    mcp, model, pieces, plan, prompt, question, recovery, secrets, session, sign_in, structured, tools,
    trash, tree, turn, upgrade,
};

/// The domain that Glasswork's engine governs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glasswork;

/// A request for a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Opening, closing, naming and setting.
    Session(session::Event),
    /// What people say to the agent.
    Prompt(prompt::Event),
    /// What comes of requests to the model.
    Model(model::Event),
    /// What comes of tool calls, and what people say about them.
    Tools(tools::Event),
    /// What people do with the tree of the conversation.
    Tree(tree::Event),
    /// What is checked out in the workspace.
    Checkout(checkout::Event),
    /// Making the conversation shorter.
    Compaction(compaction::Event),
    /// What is done to take in a conversation that was had elsewhere.
    Import(import::Event),
    /// What happens to forks.
    Fork(fork::Event),
    /// What happens to the trash.
    Trash(trash::Event),
    /// What happens to trees of sessions that are closed.
    Closing(closing::Event),
    /// What the host knows of models that may be asked instead.
    Failover(failover::Event),
    /// What happens to servers of tools.
    Mcp(mcp::Event),
    /// What the agent does to its plan.
    Plan(plan::Event),
    /// What people say to questions of the agent.
    Question(question::Event),
    /// A deadline was reached.
    DeadlineReached {
        /// Whose.
        key: DeadlineKey,
        /// The deadline as it was set.
        deadline: Deadline,
    },
    /// What recovery found.
    Recovery(recovery::Event),
    /// What happens to the host.
    Host(host::Event),
    /// What happens to sign-ins.
    SignIn(sign_in::Event),
    /// What happens to clients.
    Client(clients::Event),
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// Of the session as a whole.
    Session(session::Fact),
    /// Of what people said.
    Prompt(prompt::Fact),
    /// Of the turn.
    Turn(turn::Fact),
    /// Of an attempt to get an answer.
    Model(model::Fact),
    /// Of the result that a turn is asked for.
    Structured(structured::Fact),
    /// Of a tool call.
    Tools(tools::Fact),
    /// Of secrets that were masked.
    Secrets(secrets::Fact),
    /// Of the tree of the conversation.
    Tree(tree::Fact),
    /// Of what is checked out in the workspace.
    Checkout(checkout::Fact),
    /// Of making the conversation shorter.
    Compaction(compaction::Fact),
    /// Of a conversation that is taken in.
    Import(import::Fact),
    /// Of forks.
    Fork(fork::Fact),
    /// Of the trash.
    Trash(trash::Fact),
    /// Of trees of sessions that are closed.
    Closing(closing::Fact),
    /// Of models that are asked instead.
    Failover(failover::Fact),
    /// Of servers of tools.
    Mcp(mcp::Fact),
    /// Of the agent's plan.
    Plan(plan::Fact),
    /// Of questions of the agent.
    Question(question::Fact),
    /// Of the host.
    Host(host::Fact),
    /// Of sign-ins.
    SignIn(sign_in::Fact),
    /// Of clients.
    Client(clients::Fact),
}

/// Names a deadline within a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadlineKey {
    /// Of the attempt under way: to connect, to the first token, of silence, or of backing off.
    Attempt,
    /// Of the attempt under way, as a whole.
    Answer,
    /// Of a call: to find out what it would touch, of the person who is asked, or of running.
    Call(CallId),
    /// Of the start of a server of tools, by the effect that starts it.
    Server(EffectKey),
}

/// What the asker is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It is done.
    Done,
    /// A turn began.
    Began(TurnId),
    /// The words wait.
    Queued(Lane),
    /// The conversation goes on before a prompt that said this.
    TakenBack {
        /// The words.
        text: Arc<str>,
    },
    /// The turn will stop; these words of steering were not taken in.
    Stopping {
        /// The words, in the order in which they were said.
        returned: Vec<Arc<str>>,
    },
}

macro_rules! into_fact {
    ($($family:ident::$variant:ident),*) => {
        $(impl From<$family::Fact> for Fact {
            fn from(fact: $family::Fact) -> Self {
                Self::$variant(fact)
            }
        })*
    };
}

into_fact!(
    session::Session,
    prompt::Prompt,
    turn::Turn,
    model::Model,
    structured::Structured,
    tools::Tools,
    secrets::Secrets,
    tree::Tree,
    checkout::Checkout,
    compaction::Compaction,
    import::Import,
    fork::Fork,
    trash::Trash,
    closing::Closing,
    failover::Failover,
    mcp::Mcp,
    plan::Plan,
    question::Question,
    host::Host,
    sign_in::SignIn,
    clients::Client
);

impl Domain for Glasswork {
    const SCHEMA: u32 = 2;
    const UPGRADES: &'static [Upgrade] = upgrade::STEPS;
    const STATE: u32 = 9;

    type Kind = Kind;
    type State = Scope;
    type Event = Event;
    type Fact = Fact;
    type Effect = Effect;
    type Grant = Grant;
    type DeadlineKey = DeadlineKey;
    type Reply = Reply;
    type Rejection = Rejection;
    type Breach = Breach;

    fn vacant(kind: Kind, scope: ScopeId) -> Scope {
        match kind {
            Kind::Session => Scope::Session(Arc::new(Session::vacant(scope))),
            Kind::Host => Scope::Host(Arc::default()),
        }
    }

    fn event_name(event: &Event) -> &'static str {
        use model::Event as M;
        use prompt::Event as P;
        use session::Event as S;
        use tools::Event as T;
        match event {
            Event::Session(S::Opened { .. }) => "opened",
            Event::Session(S::Retitled { .. }) => "retitled",
            Event::Session(S::Pinned { .. }) => "session_pinned",
            Event::Session(S::SettingChanged(_)) => "setting_changed",
            Event::Session(S::SpendingTold(_)) => "spending_told",
            Event::Session(S::Closed) => "closed",
            Event::Session(S::ClosedAtRest) => "closed_at_rest",
            Event::Prompt(P::Prompted { .. }) => "prompted",
            Event::Prompt(P::Steered { .. }) => "steered",
            Event::Prompt(P::FollowedUp { .. }) => "followed_up",
            Event::Prompt(P::Interrupted) => "interrupted",
            Event::Prompt(P::Paused) => "paused",
            Event::Prompt(P::Resumed) => "resumed",
            Event::Prompt(P::Cancelled) => "cancelled",
            Event::Model(M::Connected { .. }) => "connected",
            Event::Model(M::Streamed { .. }) => "streamed",
            Event::Model(M::Answered { .. }) => "answered",
            Event::Tools(T::EvidenceGathered { .. }) => "evidence_gathered",
            Event::Tools(T::Approved { .. }) => "approved",
            Event::Tools(T::Refused { .. }) => "refused",
            Event::Tools(T::ToolProgressed { .. }) => "tool_progressed",
            Event::Tools(T::ToolPlaced { .. }) => "tool_placed",
            Event::Tools(T::ToolSettled { .. }) => "tool_settled",
            Event::Tools(T::ToolLost { .. }) => "tool_lost",
            Event::Tree(tree::Event::LeafMoved { .. }) => "leaf_moved",
            Event::Tree(tree::Event::BranchLeft { .. }) => "branch_left",
            Event::Tree(tree::Event::TakenBack { .. }) => "taken_back",
            Event::Tree(tree::Event::Labelled { .. }) => "labelled",
            Event::Tree(tree::Event::Pinned { .. }) => "entry_pinned",
            Event::Checkout(checkout::Event::HeadSeen(_)) => "head_seen",
            Event::Compaction(compaction::Event::Requested { .. }) => "compaction_requested",
            Event::Compaction(compaction::Event::Undone { .. }) => "compaction_undone",
            Event::Import(import::Event::Begun(_)) => "import_begun",
            Event::Import(import::Event::Taken { .. }) => "imported",
            Event::Import(import::Event::Finished { .. }) => "import_finished",
            Event::Fork(fork::Event::Requested { .. }) => "fork_requested",
            Event::Fork(fork::Event::Made { .. }) => "fork_made",
            Event::Fork(fork::Event::Failed { .. }) => "fork_failed",
            Event::Fork(fork::Event::Entered { .. }) => "fork_entered",
            Event::Trash(trash::Event::Requested { .. }) => "trash_requested",
            Event::Trash(trash::Event::Moved { .. }) => "trash_moved",
            Event::Trash(trash::Event::Failed { .. }) => "trash_failed",
            Event::Closing(closing::Event::Requested { .. }) => "close_tree_requested",
            Event::Closing(closing::Event::Closed { .. }) => "session_closed",
            Event::Closing(closing::Event::Stayed { .. }) => "session_stayed",
            Event::Failover(failover::Event::Told { .. }) => "candidates_told",
            Event::Mcp(mcp::Event::Given { .. }) => "servers_given",
            Event::Mcp(mcp::Event::Needed) => "servers_needed",
            Event::Mcp(mcp::Event::StartRequested { .. }) => "server_start_requested",
            Event::Mcp(mcp::Event::Introduced { .. }) => "server_introduced",
            Event::Mcp(mcp::Event::Failed { .. }) => "server_failed",
            Event::Mcp(mcp::Event::Listed { .. }) => "server_listed",
            Event::Mcp(mcp::Event::Ended { .. }) => "server_ended",
            Event::Plan(plan::Event::Written { .. }) => "plan_written",
            Event::Question(question::Event::Answered { .. }) => "question_answered",
            Event::DeadlineReached { .. } => "deadline_reached",
            Event::Recovery(recovery::Event::Abandoned { .. }) => "abandoned",
            Event::Host(host::Event::Started { .. }) => "host_started",
            Event::Host(host::Event::ServerAsked { .. }) => "server_asked",
            Event::Host(host::Event::Mounted(_)) => "session_mounted",
            Event::Host(host::Event::Unmounted(_)) => "session_unmounted",
            Event::Host(host::Event::BreakersSeen(_)) => "breakers_seen",
            Event::SignIn(sign_in::Event::Known { .. }) => "sign_ins_known",
            Event::SignIn(sign_in::Event::SignedIn { .. }) => "signed_in",
            Event::SignIn(sign_in::Event::Refreshed { .. }) => "sign_in_refreshed",
            Event::SignIn(sign_in::Event::Refused { .. }) => "sign_in_refused",
            Event::SignIn(sign_in::Event::SignedOut { .. }) => "signed_out",
            Event::Client(clients::Event::Attached { .. }) => "attached",
            Event::Client(clients::Event::Detached { .. }) => "detached",
            Event::Client(clients::Event::RoleChanged { .. }) => "role_changed",
            Event::Client(clients::Event::ConnectionEnded { .. }) => "connection_ended",
            Event::Client(clients::Event::TurnAsked { .. }) => "turn_asked",
            Event::Client(clients::Event::TurnsOver { .. }) => "turns_over",
        }
    }

    fn permit(_: &Scope, event: &Event, origin: &Origin) -> Result<Grant, Grant> {
        permission::permit(event, origin)
    }

    fn decide(state: &Scope, event: &Event, context: &Context<'_>) -> Result<Decision<Self>, Rejection> {
        match (state, event) {
            (Scope::Host(host), Event::Host(event)) => {
                let facts = host::decide(host, event);
                Ok(of_host(facts, vec![]))
            }
            (Scope::Host(host), Event::SignIn(event)) => {
                let facts = sign_in::decide(host, event)?;
                Ok(of_host(facts, vec![]))
            }
            (Scope::Host(host), Event::Client(event)) => {
                let facts = clients::decide(host, event, context)?;
                Ok(of_host(facts, vec![]))
            }
            (Scope::Host(host), Event::Recovery(recovery::Event::Abandoned { open })) => {
                Ok(host_recovery::decide(host, open))
            }
            (Scope::Host(host), Event::Closing(event)) => {
                let (facts, effects) = closing::decide(host, event, context)?;
                Ok(of_host(facts, effects))
            }
            (Scope::Host(host), Event::Fork(event)) => {
                let (facts, effects) = fork::decide_in_host(host, event)?;
                Ok(of_host(facts, effects))
            }
            (Scope::Host(host), Event::Trash(event)) => {
                let (facts, effects) = trash::decide(host, event)?;
                Ok(of_host(facts, effects))
            }
            (Scope::Session(session), event)
                if !matches!(
                    event,
                    Event::Host(_)
                        | Event::SignIn(_)
                        | Event::Client(_)
                        | Event::Trash(_)
                        | Event::Closing(_)
                ) =>
            {
                decide_session(session, event, context)
            }
            (scope, event) => Err(Rejection::WrongScope {
                event: Self::event_name(event),
                scope: match scope {
                    Scope::Session(_) => "session",
                    Scope::Host(_) => "host",
                },
            }),
        }
    }

    fn evolve(state: &mut Scope, fact: &Fact, moment: Moment) {
        match (state, fact) {
            (Scope::Session(session), fact) => evolve::session(Arc::make_mut(session), fact, moment),
            (Scope::Host(host), Fact::Host(fact)) => fact.apply(Arc::make_mut(host), moment),
            (Scope::Host(host), Fact::SignIn(fact)) => fact.apply(Arc::make_mut(host), moment),
            (Scope::Host(host), Fact::Client(fact)) => fact.apply(Arc::make_mut(host), moment),
            (Scope::Host(host), Fact::Fork(fact)) => fact.apply_to_host(Arc::make_mut(host), moment),
            (Scope::Host(host), Fact::Trash(fact)) => fact.apply(Arc::make_mut(host), moment),
            (Scope::Host(host), Fact::Closing(fact)) => fact.apply(Arc::make_mut(host), moment),
            (Scope::Host(_), _) => {}
        }
    }

    fn check(state: &Scope, facts: &[Fact]) -> Result<(), Breach> {
        match state {
            Scope::Session(session) => invariant::check(session, facts),
            Scope::Host(_) => Ok(()),
        }
    }

    fn audit(state: &Scope) -> Result<(), Breach> {
        match state {
            Scope::Session(session) => invariant::audit(session),
            Scope::Host(_) => Ok(()),
        }
    }

    fn row(fact: &Fact) -> Option<Transition<'_>> {
        let (chart, row) = match fact {
            Fact::Session(session::Fact::Moved { row, .. }) => (SessionChart::NAME, row),
            Fact::Turn(turn::Fact::Moved { row, .. }) => (TurnChart::NAME, row),
            Fact::Tools(tools::Fact::Moved { row, .. }) => (ToolCallChart::NAME, row),
            Fact::Mcp(mcp::Fact::Moved { row, .. }) => (McpServerChart::NAME, row),
            _ => return None,
        };
        Some(Transition { chart, row })
    }

    fn deadlines(state: &Scope, each: &mut dyn FnMut(DeadlineKey, Deadline)) {
        let Scope::Session(session) = state else { return };
        for server in session.mcp.values() {
            if let (Some(launch), Some(deadline)) = (server.launch, server.deadline) {
                each(DeadlineKey::Server(launch), deadline);
            }
        }
        if session.open_turn().is_none() && session.compactions.open.is_none() {
            return;
        }
        if let Some(wait) = session.attempt().and_then(|attempt| attempt.wait.as_ref()) {
            each(DeadlineKey::Attempt, wait.deadline);
        }
        if let Some(deadline) = session.answer_deadline() {
            each(DeadlineKey::Answer, deadline);
        }
        for (id, call) in session.batch() {
            if let Some(deadline) = call.deadline {
                each(DeadlineKey::Call(id), deadline);
            }
        }
    }

    fn deadline_reached(key: DeadlineKey, deadline: Deadline) -> Event {
        Event::DeadlineReached { key, deadline }
    }

    fn class(effect: &Effect) -> Class {
        effect.class()
    }

    fn lost(_: EffectKey, effect: &Effect, loss: Loss) -> Event {
        // A refused result would be refused again.
        let (class, message) = match loss {
            Loss::RunnerGone => (
                FailureClass::Transport,
                "its runner ended without a word".to_owned(),
            ),
            Loss::ResultRefused(reason) => (
                FailureClass::Protocol,
                format!("its result was refused: {reason}"),
            ),
        };
        match effect {
            Effect::CallModel { .. } | Effect::Summarise { .. } => Event::Model(model::Event::Answered {
                body: None,
                limits: vec![],
                steps: vec![],
                outcome: model::Outcome::Failed(Failure {
                    class,
                    message: format!("the request to the model was lost: {message}").into(),
                    status: None,
                    retry_after_ms: None,
                }),
            }),
            Effect::GatherEvidence { call } => Event::Tools(tools::Event::EvidenceGathered {
                call: *call,
                evidence: Arc::new(Evidence::Misfit {
                    message: format!("Not run: what this call would touch is not known: {message}").into(),
                }),
            }),
            Effect::RunTool { call, .. } => Event::Tools(tools::Event::ToolLost {
                call: *call,
                message: message.into(),
            }),
            Effect::StartServer { server } => Event::Mcp(mcp::Event::Failed {
                server: Arc::clone(server),
                problem: mcp::Problem::Abandoned {
                    message: message.into(),
                },
            }),
            Effect::Fork { child, .. } => Event::Fork(fork::Event::Failed {
                child: *child,
                message: message.into(),
            }),
            Effect::Trash { session, .. } => Event::Trash(trash::Event::Failed {
                session: *session,
                message: message.into(),
            }),
            Effect::CloseSession { session } => Event::Closing(closing::Event::Stayed {
                session: *session,
                message: message.into(),
            }),
        }
    }

    fn recover(state: &Scope, open: &[(EffectKey, &Effect)]) -> Vec<Recovery<Self>> {
        let open: Vec<EffectKey> = open.iter().map(|(key, _)| *key).collect();
        let found = match state {
            Scope::Session(session) => recovery::recover(session, open),
            Scope::Host(_) => host_recovery::recover(open),
        };
        found
            .into_iter()
            .map(|(cause, event)| Recovery {
                cause,
                event: Event::Recovery(event),
            })
            .collect()
    }

    fn merge_progress(waiting: &mut Event, later: Event) {
        use model::Event::{Connected, Streamed};
        match (waiting, later) {
            (
                Event::Model(Streamed { body, limits, steps }),
                Event::Model(Streamed {
                    body: newer,
                    limits: told,
                    steps: more,
                }),
            ) => {
                pieces::join(steps, more);
                *body = newer.or_else(|| body.take());
                if !told.is_empty() {
                    *limits = told;
                }
            }
            (
                waiting @ Event::Model(Connected { .. }),
                Event::Model(Streamed {
                    body: newer,
                    limits: told,
                    steps,
                }),
            ) => {
                let (body, limits) = match waiting {
                    Event::Model(Connected { body, limits }) => (
                        newer.or_else(|| body.take()),
                        if told.is_empty() {
                            std::mem::take(limits)
                        } else {
                            told
                        },
                    ),
                    _ => (newer, told),
                };
                *waiting = Event::Model(Streamed { body, limits, steps });
            }
            // Where a call works is told once; what it says meanwhile is told again.
            (
                Event::Tools(tools::Event::ToolPlaced { .. }),
                Event::Tools(tools::Event::ToolProgressed { .. }),
            ) => {}
            (waiting, later) => *waiting = later,
        }
    }

    fn is_urgent(event: &Event) -> bool {
        matches!(
            event,
            Event::Prompt(prompt::Event::Interrupted | prompt::Event::Cancelled)
        )
    }

    fn is_delta(event: &Event) -> bool {
        match event {
            Event::Model(model::Event::Streamed {
                body: None,
                limits,
                steps,
            }) if limits.is_empty() => steps
                .iter()
                .all(|step| matches!(step, StreamEvent::BlockStarted { .. } | StreamEvent::Delta { .. })),
            Event::Tools(tools::Event::ToolProgressed { .. }) => true,
            _ => false,
        }
    }

    fn entities(before: Option<&Scope>, after: &Scope, each: &mut dyn FnMut(&str, Option<Digest>)) {
        entities::differing(before, after, each);
    }

    fn is_interim(fact: &Fact) -> bool {
        // What an answer grows to is in the block that completes it, or dropped with the attempt; the end of a call's
        // output goes when the call settles.
        matches!(
            fact,
            Fact::Model(model::Fact::BlockBegan(..) | model::Fact::Grew(..))
                | Fact::Tools(tools::Fact::Progressed { .. })
        )
    }

    fn acknowledged(event: &Event) -> Durability {
        match event {
            Event::Checkout(_) => Durability::Written,
            Event::Session(_) | Event::Prompt(_) | Event::Tree(_) | Event::Compaction(_) => {
                Durability::Synced
            }
            Event::Tools(tools::Event::Approved { .. } | tools::Event::Refused { .. }) => Durability::Synced,
            Event::Question(_) => Durability::Synced,
            // What is taken in can be read again from its file until the last of it is here.
            Event::Import(import::Event::Begun(_) | import::Event::Finished { .. }) => Durability::Synced,
            Event::Tools(_)
            | Event::Model(_)
            | Event::DeadlineReached { .. }
            | Event::Recovery(_)
            | Event::Import(_)
            | Event::Fork(_)
            | Event::Trash(_)
            | Event::Closing(_)
            | Event::Failover(_)
            | Event::Mcp(_)
            | Event::Plan(_)
            | Event::SignIn(_)
            | Event::Client(_)
            | Event::Host(_) => Durability::Written,
        }
    }
}

fn decide_session(
    session: &Arc<Session>,
    event: &Event,
    context: &Context<'_>,
) -> Result<Decision<Glasswork>, Rejection> {
    let mut draft = Draft::new(session, context);
    let reply = match event {
        Event::Session(event) => session::decide(&mut draft, event)?,
        Event::Prompt(event) => prompt::decide(&mut draft, event)?,
        Event::Model(event) => model::decide(&mut draft, event)?,
        Event::Tools(event) => tools::decide(&mut draft, event)?,
        Event::Tree(event) => tree::decide(&mut draft, event)?,
        Event::Checkout(event) => checkout::decide(&mut draft, event)?,
        Event::Compaction(event) => compaction::decide(&mut draft, event)?,
        Event::Import(event) => import::decide(&mut draft, event)?,
        Event::DeadlineReached { key, deadline } => match key {
            DeadlineKey::Attempt => model::deadline_reached(&mut draft, *deadline)?,
            DeadlineKey::Answer => model::took_too_long(&mut draft, *deadline)?,
            DeadlineKey::Call(call) => tools::deadline_reached(&mut draft, *call, *deadline)?,
            DeadlineKey::Server(launch) => mcp::deadline_reached(&mut draft, *launch, *deadline)?,
        },
        Event::Recovery(event) => recovery::decide(&mut draft, event)?,
        Event::Fork(event) => fork::decide(&mut draft, event)?,
        Event::Failover(event) => failover::decide(&mut draft, event)?,
        Event::Mcp(event) => mcp::decide(&mut draft, event)?,
        Event::Plan(event) => plan::decide(&mut draft, event)?,
        Event::Question(event) => question::decide(&mut draft, event)?,
        Event::Trash(_) | Event::Closing(_) | Event::Host(_) | Event::SignIn(_) | Event::Client(_) => {
            Reply::Done
        }
    };
    secrets::count(&mut draft);
    Ok(draft.decide(reply))
}

fn of_host<F: Into<Fact>>(facts: Vec<F>, effects: Vec<Effect>) -> Decision<Glasswork> {
    let facts = facts.into_iter().map(Into::into).collect();
    Decision {
        effects,
        ..Decision::of(facts, Reply::Done)
    }
}

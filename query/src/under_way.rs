//! What a host is doing for several sessions at once, or for one that is not mounted.

use std::sync::Arc;

use async_graphql::{Enum, ID, Object, SimpleObject};
use glasswork_engine::{EffectKey, Scope, ScopeId};
use glasswork_session_state::state::Scope as State;
use glasswork_session_state::trash::{Way, Why};
use glasswork_session_state::{Glasswork, closing, host};

use crate::error::Answer;
use crate::id;
use crate::operation::Op;
use crate::scalar::Long;

/// What a host is doing for several sessions at once, or for one that is not mounted. It is on record in the host's
/// journal, and whoever starts after a crash goes on with it.
pub(crate) struct UnderWay {
    op: Op,
    scope: ScopeId,
    host: Arc<host::Host>,
}

/// Which way a session goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "Way")]
pub(crate) enum TrashWay {
    /// Into the trash.
    In,
    /// Out of it, to where it was.
    Out,
    /// Out of it, for good: it is removed.
    Gone,
}

/// Who wants a session to be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "Why")]
pub(crate) enum TrashReason {
    /// Somebody asked for it.
    Asked,
    /// The settings that say how many sessions are kept, how long, and how much of them.
    Kept,
    /// The setting that says how long the trash is kept.
    TrashDays,
}

/// A fork that is being made.
#[derive(Debug, SimpleObject)]
pub(crate) struct ForkUnderWay {
    /// The fork.
    child: ID,
    /// The session that is forked.
    of: ID,
    /// Its commit at which.
    at: Long,
    /// The effect that makes it.
    effect: Option<ID>,
}

/// A session that is being moved into the trash, or out of it.
#[derive(Debug, SimpleObject)]
pub(crate) struct MoveUnderWay {
    /// The session.
    session: ID,
    /// Which way.
    way: TrashWay,
    /// Who wants it.
    why: TrashReason,
    /// The effect that moves it.
    effect: ID,
}

/// A tree of sessions that is closed, or was.
#[derive(Debug, SimpleObject)]
pub(crate) struct Closing {
    /// The session at its root, which is closed last.
    root: ID,
    /// The session that is being closed; null where nothing is left to be closed.
    now: Option<ID>,
    /// The effect that closes it.
    effect: Option<ID>,
    /// Those that come after it, in this order: children before their parents.
    left: Vec<ID>,
    /// Those that are closed.
    closed: Vec<ID>,
    /// Those that stay open.
    stayed: Vec<StaysOpen>,
}

/// A session that stays open.
#[derive(Debug, SimpleObject)]
pub(crate) struct StaysOpen {
    /// The session.
    session: ID,
    /// Why, at most 200 characters.
    why: String,
}

impl UnderWay {
    pub(crate) fn of(op: &Op, scope: &Scope<Glasswork>) -> Option<Self> {
        match &scope.state {
            State::Host(host) => Some(Self {
                op: Arc::clone(op),
                scope: scope.id,
                host: Arc::clone(host),
            }),
            State::Session(_) => None,
        }
    }

    fn effect(&self, key: EffectKey) -> ID {
        id::effect(self.scope, key)
    }

    fn closing(&self, closing: &closing::Closing) -> Answer<Closing> {
        let most = self.op.limits.page;
        let ids = |sessions: &im::Vector<ScopeId>| sessions.iter().take(most).map(name).collect();
        let stays = |stayed: &closing::Stayed| {
            Ok(StaysOpen {
                session: name(&stayed.session),
                why: self.op.text(&*stayed.why)?,
            })
        };
        Ok(Closing {
            root: name(&closing.root),
            now: closing.now.map(|turn| name(&turn.session)),
            effect: closing.now.map(|turn| self.effect(turn.effect)),
            left: ids(&closing.left),
            closed: ids(&closing.closed),
            stayed: closing
                .stayed
                .iter()
                .take(most)
                .map(stays)
                .collect::<Answer<_>>()?,
        })
    }
}

fn name(session: &ScopeId) -> ID {
    ID(session.to_string())
}

/// What a host is doing for several sessions at once, or for one that is not mounted. Lists are as long as a page at
/// most.
#[Object]
impl UnderWay {
    /// The scope that has the record of it.
    async fn host(&self) -> ID {
        name(&self.scope)
    }

    /// Forks of sessions that are not mounted here, while they are made.
    #[graphql(complexity = "16 * child_complexity")]
    async fn forks(&self) -> Vec<ForkUnderWay> {
        let forks = self.host.forks.iter().take(self.op.limits.page);
        forks
            .map(|(child, fork)| ForkUnderWay {
                child: name(child),
                of: name(&fork.of),
                at: Long(fork.at),
                effect: fork.effect.map(|key| self.effect(key)),
            })
            .collect()
    }

    /// Sessions that are moved into the trash, or out of it, while they are.
    #[graphql(complexity = "16 * child_complexity")]
    async fn moves(&self) -> Vec<MoveUnderWay> {
        let moving = self.host.moving.iter().take(self.op.limits.page);
        moving
            .map(|(session, moving)| MoveUnderWay {
                session: name(session),
                way: moving.way.into(),
                why: moving.why.into(),
                effect: self.effect(moving.effect),
            })
            .collect()
    }

    /// Trees of sessions that are closed together, oldest first; the last eight also after their end.
    #[graphql(complexity = "16 * child_complexity")]
    async fn closings(&self) -> Answer<Option<Vec<Closing>>> {
        let closings = self.host.closings.values().map(|closing| self.closing(closing));
        closings.collect::<Answer<_>>().map(Some)
    }
}

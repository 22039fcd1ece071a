//! The trash: sessions that were put away, and can be had back. The host keeps this record, because a session in the
//! trash has no journal that could.

use std::sync::Arc;

use glasswork_engine::{EffectKey, Moment, ScopeId};
use serde::{Deserialize, Serialize};

use crate::effect::Effect;
use crate::host::Host;
use crate::rejection::Rejection;

/// Most moves into the trash, or out of it, at the same time.
pub const MOVES_CAP: usize = 256;

/// Which way a session goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Into the trash.
    In,
    /// Out of it, to where it was.
    Out,
    /// Out of it, for good: it is removed.
    Gone,
}

/// What happens to the trash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A session shall be moved.
    Requested {
        /// The session.
        session: ScopeId,
        /// Which way.
        way: Way,
    },
    /// Result: it was moved.
    Moved {
        /// The session.
        session: ScopeId,
    },
    /// Result: it could not be moved.
    Failed {
        /// The session.
        session: ScopeId,
        /// Why, for people.
        message: Arc<str>,
    },
}

/// What was decided of the trash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// A session is being moved.
    Began {
        /// The session.
        session: ScopeId,
        /// Which way.
        way: Way,
    },
    /// It is not being moved any more.
    Ended {
        /// The session.
        session: ScopeId,
    },
}

/// A session that is being moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moving {
    /// Which way.
    pub way: Way,
    /// The effect that moves it.
    pub effect: EffectKey,
}

impl Fact {
    pub(crate) fn apply(&self, host: &mut Host, moment: Moment) {
        match self {
            Self::Began { session, way } => {
                let effect = EffectKey {
                    seq: moment.seq,
                    ordinal: 0,
                };
                host.moving.insert(*session, Moving { way: *way, effect });
            }
            Self::Ended { session } => {
                host.moving.remove(session);
            }
        }
    }
}

/// Decides what happens to the trash.
pub(crate) fn decide(host: &Host, event: &Event) -> Result<(Vec<Fact>, Vec<Effect>), Rejection> {
    Ok(match event {
        Event::Requested { session, way } => {
            if host.moving.contains_key(session) || host.moving.len() >= MOVES_CAP {
                return Err(Rejection::MovesAlready(*session));
            }
            let (session, way) = (*session, *way);
            let effect = Effect::Trash { session, way };
            (vec![Fact::Began { session, way }], vec![effect])
        }
        Event::Moved { session } | Event::Failed { session, .. } => {
            (vec![Fact::Ended { session: *session }], vec![])
        }
    })
}

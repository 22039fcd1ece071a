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

/// Who wants a session to be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Somebody asked for it.
    #[default]
    Asked,
    /// The settings that say how many sessions are kept, how long, and how much of them.
    Kept,
    /// The setting that says how long the trash is kept.
    TrashDays,
}

impl Why {
    fn is_asked(&self) -> bool {
        *self == Self::Asked
    }
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
        /// Who wants it.
        #[serde(default, skip_serializing_if = "Why::is_asked")]
        why: Why,
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
        /// Number of the effect that moves it among those of this commit.
        #[serde(default, skip_serializing_if = "crate::unwritten::is_zero")]
        effect: u16,
        /// Who wants it.
        #[serde(default, skip_serializing_if = "Why::is_asked")]
        why: Why,
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
    /// Who wants it.
    #[serde(default, skip_serializing_if = "Why::is_asked")]
    pub why: Why,
    /// The effect that moves it.
    pub effect: EffectKey,
}

impl Fact {
    pub(crate) fn apply(&self, host: &mut Host, moment: Moment) {
        match self {
            Self::Began {
                session,
                way,
                effect,
                why,
            } => {
                let effect = EffectKey {
                    seq: moment.seq,
                    ordinal: *effect,
                };
                let (way, why) = (*way, *why);
                host.moving.insert(*session, Moving { way, why, effect });
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
        Event::Requested { session, way, why } => {
            if host.moving.contains_key(session) || host.moving.len() >= MOVES_CAP {
                return Err(Rejection::MovesAlready(*session));
            }
            let (session, way, why) = (*session, *way, *why);
            let began = Fact::Began {
                session,
                way,
                effect: 0,
                why,
            };
            (vec![began], vec![Effect::Trash { session, way }])
        }
        Event::Moved { session } | Event::Failed { session, .. } => {
            (vec![Fact::Ended { session: *session }], vec![])
        }
    })
}

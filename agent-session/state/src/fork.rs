//! Forks: a session that goes on from a commit of another one.
//!
//! It is a saga. The one that is forked (or the host, where that one is not mounted here) records that a child shall
//! be made, an effect of class *again* makes it, and its result is recorded. The child in turn records whose fork it is.

use std::sync::Arc;

use glasswork_engine::{EffectKey, Moment, ScopeId};
use serde::{Deserialize, Serialize};

use crate::domain::Reply;
use crate::draft::Draft;
use crate::effect::Effect;
use crate::host::Host;
use crate::rejection::Rejection;
use crate::state::{Parent, Session};

/// Most children of a session.
pub const CHILDREN_CAP: usize = 4_096;

/// What happens to forks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A fork shall be made.
    Requested {
        /// The id that it shall have.
        child: ScopeId,
        /// The session that is forked.
        of: ScopeId,
        /// Its commit at which.
        at: u64,
    },
    /// Result: the fork is there.
    Made {
        /// The fork.
        child: ScopeId,
    },
    /// Result: the fork could not be made.
    Failed {
        /// The fork.
        child: ScopeId,
        /// Why, for people.
        message: Arc<str>,
    },
    /// The session is a fork, which is opened for the first time.
    Entered {
        /// The session that was forked.
        parent: ScopeId,
        /// Its commit at which.
        at: u64,
    },
}

/// What was decided of forks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// A fork is being made.
    Began {
        /// The fork.
        child: ScopeId,
        /// The session that is forked. A fork has the lines of its parent, but not its children.
        of: ScopeId,
        /// Its commit at which.
        at: u64,
        /// Number of the effect that makes it among those of this commit.
        effect: u16,
    },
    /// The fork is there.
    Made {
        /// The fork.
        child: ScopeId,
    },
    /// There will be no fork.
    Failed {
        /// The fork.
        child: ScopeId,
    },
    /// The session is a fork.
    Entered {
        /// The session that was forked.
        parent: ScopeId,
        /// Its commit at which.
        at: u64,
    },
}

/// A fork, as the one who had it made knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Child {
    /// The session that was forked.
    pub of: ScopeId,
    /// Its commit at which.
    pub at: u64,
    /// The effect that makes it; `None` once it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<EffectKey>,
}

impl Fact {
    pub(crate) fn apply(&self, session: &mut Session, moment: Moment) {
        match self {
            Self::Began {
                child,
                of,
                at,
                effect,
            } if *of == session.id => {
                let effect = EffectKey {
                    seq: moment.seq,
                    ordinal: *effect,
                };
                let (of, at, effect) = (*of, *at, Some(effect));
                session.children.insert(*child, Child { of, at, effect });
            }
            Self::Began { .. } => {}
            Self::Made { child } => {
                if let Some(child) = session.children.get_mut(child) {
                    child.effect = None;
                }
            }
            Self::Failed { child } => {
                session.children.remove(child);
            }
            Self::Entered { parent, at } => {
                let meta = Arc::make_mut(&mut session.meta);
                meta.parent = Some(Parent {
                    session: *parent,
                    at: *at,
                });
                meta.created = moment.at;
                // What is on record until now happened in the other one, or was cut short there.
                session.inherited = session.usage.clone();
            }
        }
    }

    pub(crate) fn apply_to_host(&self, host: &mut Host, moment: Moment) {
        match self {
            Self::Began {
                child,
                of,
                at,
                effect,
            } => {
                let effect = EffectKey {
                    seq: moment.seq,
                    ordinal: *effect,
                };
                let (of, at, effect) = (*of, *at, Some(effect));
                host.forks.insert(*child, Child { of, at, effect });
            }
            // The child itself says whose fork it is.
            Self::Made { child } | Self::Failed { child } => {
                host.forks.remove(child);
            }
            Self::Entered { .. } => {}
        }
    }
}

/// Decides what happens to forks of a session.
pub(crate) fn decide(draft: &mut Draft<'_>, event: &Event) -> Result<Reply, Rejection> {
    match event {
        Event::Requested { child, of, at } => {
            let last = draft.context.id.seq.saturating_sub(1);
            exists(*at, last)?;
            if draft.session.children.len() >= CHILDREN_CAP {
                return Err(Rejection::TooManyChildren);
            }
            make(draft, *child, *of, *at);
        }
        // A fork has such events of its parent, whose children it does not know.
        Event::Made { child } => draft.fact(Fact::Made { child: *child }.into()),
        Event::Failed { child, .. } => draft.fact(Fact::Failed { child: *child }.into()),
        Event::Entered { parent, at } => {
            let (parent, at) = (*parent, *at);
            let known = Parent { session: parent, at };
            if draft.session.meta.parent != Some(known) {
                draft.fact(Fact::Entered { parent, at }.into());
            }
        }
    }
    Ok(Reply::Done)
}

fn make(draft: &mut Draft<'_>, child: ScopeId, of: ScopeId, at: u64) {
    let effect = draft.effect(Effect::Fork { child, of, at });
    draft.fact(
        Fact::Began {
            child,
            of,
            at,
            effect,
        }
        .into(),
    );
}

/// Has the forks made that were being made when the process ended: making one twice makes it once.
pub(crate) fn make_again(draft: &mut Draft<'_>) {
    let unmade = draft
        .session
        .children
        .iter()
        .filter(|(_, child)| child.effect.is_some());
    let unmade: Vec<(ScopeId, Child)> = unmade.map(|(id, child)| (*id, *child)).collect();
    for (id, child) in unmade {
        make(draft, id, child.of, child.at);
    }
}

/// Decides what happens to forks of sessions that are not mounted.
pub(crate) fn decide_in_host(host: &Host, event: &Event) -> Result<(Vec<Fact>, Vec<Effect>), Rejection> {
    Ok(match event {
        Event::Requested { child, of, at } => {
            exists(*at, u64::MAX)?;
            if host.forks.len() >= CHILDREN_CAP {
                return Err(Rejection::TooManyChildren);
            }
            let (child, of, at, effect) = (*child, *of, *at, 0);
            let began = Fact::Began {
                child,
                of,
                at,
                effect,
            };
            (vec![began], vec![Effect::Fork { child, of, at }])
        }
        Event::Made { child } => (vec![Fact::Made { child: *child }], vec![]),
        Event::Failed { child, .. } => (vec![Fact::Failed { child: *child }], vec![]),
        Event::Entered { .. } => {
            return Err(Rejection::WrongScope {
                event: "fork_entered",
                scope: "host",
            });
        }
    })
}

fn exists(at: u64, last: u64) -> Result<(), Rejection> {
    match (1..=last).contains(&at) {
        true => Ok(()),
        false => Err(Rejection::NoSuchCommit { asked: at, last }),
    }
}

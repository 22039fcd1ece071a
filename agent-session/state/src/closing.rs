//! Closing a session together with all that were forked from it, one after the other, children before their parents.
//!
//! It is a saga. The host records which sessions shall be closed; an effect of class *again* closes the next one, and
//! its result is recorded. What cannot be closed stays open, with the reason, and the rest goes on.

use std::sync::Arc;

use glasswork_engine::{Context, EffectKey, Moment, Origin, ScopeId};
use im::Vector;
use serde::{Deserialize, Serialize};

use crate::effect::Effect;
use crate::host::Host;
use crate::rejection::Rejection;

/// Most sessions that are closed together.
pub const TREE_CAP: usize = 4_096;
/// Most trees that are closed at the same time.
pub const CLOSINGS_CAP: usize = 16;
/// How many closings are remembered after their end.
pub const CLOSINGS_KEPT: usize = 8;
/// How much is kept of why a session stays open, in characters.
pub const REASON_CHARS: usize = 200;

/// What happens to trees of sessions that are closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A tree shall be closed.
    Requested {
        /// The session at its root.
        root: ScopeId,
        /// All that shall be closed, in this order.
        sessions: Vec<ScopeId>,
    },
    /// Result: the session is closed.
    Closed {
        /// The session.
        session: ScopeId,
    },
    /// Result: the session could not be closed.
    Stayed {
        /// The session.
        session: ScopeId,
        /// Why, for people.
        message: Arc<str>,
    },
}

/// What was decided of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// A tree is being closed. It is known by this commit's number from now on.
    Began {
        /// The session at its root.
        root: ScopeId,
        /// All that shall be closed, in this order.
        sessions: Vec<ScopeId>,
    },
    /// It is this session's turn: the first of those that are left, or once more the one that was being closed when the
    /// process ended.
    Turn {
        /// The tree.
        tree: u64,
        /// The session.
        session: ScopeId,
        /// Number of the effect that closes it among those of this commit.
        #[serde(default, skip_serializing_if = "crate::unwritten::is_zero")]
        effect: u16,
    },
    /// The session whose turn it was is closed.
    Closed {
        /// The tree.
        tree: u64,
    },
    /// The session whose turn it was stays open.
    Stayed {
        /// The tree.
        tree: u64,
        /// Why, for people.
        why: Arc<str>,
    },
}

/// A tree of sessions that is closed, or was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// The session at its root.
    pub root: ScopeId,
    /// The session whose turn it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<Turn>,
    /// Those that come after it.
    #[serde(default, skip_serializing_if = "Vector::is_empty")]
    pub left: Vector<ScopeId>,
    /// Those that are closed, in the order in which they were.
    #[serde(default, skip_serializing_if = "Vector::is_empty")]
    pub closed: Vector<ScopeId>,
    /// Those that stay open.
    #[serde(default, skip_serializing_if = "Vector::is_empty")]
    pub stayed: Vector<Stayed>,
}

/// A session that is being closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// The session.
    pub session: ScopeId,
    /// The effect that closes it.
    pub effect: EffectKey,
}

/// A session that stays open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stayed {
    /// The session.
    pub session: ScopeId,
    /// Why, for people.
    pub why: Arc<str>,
}

impl Closing {
    /// Whether nothing is left to be done.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.now.is_none() && self.left.is_empty()
    }
}

impl Fact {
    pub(crate) fn apply(&self, host: &mut Host, moment: Moment) {
        match self {
            Self::Began { root, sessions } => {
                let closing = Closing {
                    root: *root,
                    now: None,
                    left: sessions.iter().copied().collect(),
                    closed: Vector::new(),
                    stayed: Vector::new(),
                };
                host.closings.insert(moment.seq, closing);
                let over = host.closings.iter().filter(|(_, closing)| closing.is_over());
                let over: Vec<u64> = over.map(|(tree, _)| *tree).collect();
                for tree in over.iter().take(over.len().saturating_sub(CLOSINGS_KEPT)) {
                    host.closings.remove(tree);
                }
            }
            Self::Turn {
                tree,
                session,
                effect,
            } => {
                let Some(closing) = host.closings.get_mut(tree) else {
                    return;
                };
                let effect = EffectKey {
                    seq: moment.seq,
                    ordinal: *effect,
                };
                closing.left.retain(|left| left != session);
                closing.now = Some(Turn {
                    session: *session,
                    effect,
                });
            }
            Self::Closed { tree } => {
                let Some(closing) = host.closings.get_mut(tree) else {
                    return;
                };
                if let Some(turn) = closing.now.take() {
                    closing.closed.push_back(turn.session);
                }
            }
            Self::Stayed { tree, why } => {
                let Some(closing) = host.closings.get_mut(tree) else {
                    return;
                };
                if let Some(turn) = closing.now.take() {
                    closing.stayed.push_back(Stayed {
                        session: turn.session,
                        why: Arc::clone(why),
                    });
                }
            }
        }
    }
}

/// Decides what happens to trees that are closed.
pub(crate) fn decide(
    host: &Host,
    event: &Event,
    context: &Context<'_>,
) -> Result<(Vec<Fact>, Vec<Effect>), Rejection> {
    match event {
        Event::Requested { root, sessions } => {
            if sessions.len() > TREE_CAP {
                return Err(Rejection::TreeTooLarge(sessions.len()));
            }
            let open = host.closings.values().filter(|closing| !closing.is_over());
            if open.count() >= CLOSINGS_CAP {
                return Err(Rejection::TooManyClosings);
            }
            let began = Fact::Began {
                root: *root,
                sessions: sessions.clone(),
            };
            Ok(turn(vec![began], context.id.seq, sessions.first().copied()))
        }
        Event::Closed { .. } => settle(host, context, |tree| Fact::Closed { tree }),
        Event::Stayed { message, .. } => {
            let why: Arc<str> = message.chars().take(REASON_CHARS).collect::<String>().into();
            settle(host, context, |tree| Fact::Stayed { tree, why })
        }
    }
}

/// Whose turn it was is settled, and the next one's comes.
fn settle(
    host: &Host,
    context: &Context<'_>,
    fact: impl FnOnce(u64) -> Fact,
) -> Result<(Vec<Fact>, Vec<Effect>), Rejection> {
    let Origin::Effect(effect) = context.origin else {
        return Ok((vec![], vec![]));
    };
    let mut closings = host.closings.iter();
    let found = closings.find(|(_, closing)| closing.now.is_some_and(|turn| turn.effect == *effect));
    let (tree, closing) = found.ok_or(Rejection::NotYours(*effect))?;
    Ok(turn(vec![fact(*tree)], *tree, closing.left.front().copied()))
}

fn turn(mut facts: Vec<Fact>, tree: u64, next: Option<ScopeId>) -> (Vec<Fact>, Vec<Effect>) {
    let Some(session) = next else {
        return (facts, vec![]);
    };
    let effect = 0;
    facts.push(Fact::Turn {
        tree,
        session,
        effect,
    });
    (facts, vec![Effect::CloseSession { session }])
}

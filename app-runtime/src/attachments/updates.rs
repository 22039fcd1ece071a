//! What one client is given of what happens in a session: every commit once and in order, or a marked gap.

use std::collections::BTreeSet;
use std::sync::Arc;

use glasswork_engine::{Cursor, Origin, Reader, ScopeId};
use glasswork_session_state::Glasswork;
use glasswork_session_state::clients::History;

use super::base::Base;
use crate::projection::invalidation::{self, Projection};
use crate::watching::{Update, Watch, Watched};

/// One thing that a client is given.
#[derive(Debug, Clone, PartialEq)]
pub enum Delivery {
    /// What a commit brought; nothing that is shown, in some.
    Commit {
        /// The commit.
        seq: u64,
        /// Who asked for it.
        origin: Origin,
        /// What happened, in order.
        updates: Vec<Update>,
    },
    /// The client was too slow, or asked for what is not kept any more: these commits are not coming.
    Gap {
        /// The first one missed.
        from: u64,
        /// The last one missed.
        to: u64,
        /// The session as of that one.
        base: Box<Base>,
    },
    /// What the client has seen was of another opening of the record: it starts from here.
    Resync {
        /// The session now.
        base: Box<Base>,
    },
    /// Nothing more can be recorded, and so nothing more happens.
    RecordingFailed {
        /// Why, and what to do.
        reason: Arc<str>,
    },
    /// The session is not mounted any more. Commits after this one, if there are any, did not come.
    Ended {
        /// The last one that came.
        seq: u64,
    },
}

/// What happens in a session, for one client. One that does not ask for it costs nobody else anything: what waits for
/// it has a cap in bytes, and beyond that is a gap.
#[derive(Debug)]
pub struct Updates {
    watch: Watch,
    epoch: u32,
    history: History,
    /// The last commit that was given, or told to be missing.
    seen: u64,
    first: Option<Delivery>,
    touches: BTreeSet<Projection>,
}

impl Updates {
    /// Begins after what was seen, or now; `None` where the session is not mounted.
    pub(super) fn begin(
        live: &Reader<Glasswork>,
        session: ScopeId,
        seen: Option<Cursor>,
        history: History,
    ) -> Option<Self> {
        let watch = match seen {
            Some(seen) => Watch::resume(live.clone(), session, seen)?,
            None => Watch::begin(live.clone(), session)?,
        };
        // What was seen is ahead of the record, or of another opening of it.
        let resync = seen.is_some_and(|seen| seen.epoch != watch.epoch() || seen.seq > watch.joined());
        let seen = seen.filter(|_| !resync).map(|seen| seen.seq);
        let mut updates = Self {
            seen: seen.unwrap_or(watch.seq()),
            epoch: watch.epoch(),
            watch,
            history,
            first: None,
            touches: invalidation::all(),
        };
        if resync {
            let base = Box::new(updates.base());
            updates.first = Some(Delivery::Resync { base });
        } else if updates.watch.seq() > updates.seen {
            // The state that the client has seen is not kept any more.
            updates.first = Some(updates.gap());
        }
        Some(updates)
    }

    /// The session as of what came last.
    #[must_use]
    pub fn base(&self) -> Base {
        Base::of(self.watch.session(), self.epoch, self.watch.seq(), self.history)
    }

    /// What came last.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor {
            epoch: self.epoch,
            seq: self.seen,
        }
    }

    /// What a client that shows it asks for anew, after what came last.
    #[must_use]
    pub fn touches(&self) -> &BTreeSet<Projection> {
        &self.touches
    }

    fn gap(&mut self) -> Delivery {
        let from = self.seen + 1;
        self.seen = self.watch.seq();
        Delivery::Gap {
            from,
            to: self.seen,
            base: Box::new(self.base()),
        }
    }

    /// What happens next. Cancellation safe. After [`Delivery::Ended`] it gives `Ended` again.
    pub async fn next(&mut self) -> Delivery {
        if let Some(first) = self.first.take() {
            return first;
        }
        loop {
            let watched = self.watch.next().await;
            if let Some(delivery) = self.take(watched) {
                return delivery;
            }
        }
    }

    fn take(&mut self, watched: Watched) -> Option<Delivery> {
        self.touches = watched.touches;
        if let Some(origin) = watched.origin {
            // A state that was taken from the ring may be older than what the client has seen.
            if watched.seq <= self.seen {
                return None;
            }
            self.seen = watched.seq;
            return Some(Delivery::Commit {
                seq: watched.seq,
                origin,
                updates: watched.updates,
            });
        }
        match watched.updates.into_iter().next()? {
            Update::Gap { .. } if self.watch.seq() > self.seen => Some(self.gap()),
            Update::RecordingFailed { reason } => Some(Delivery::RecordingFailed { reason }),
            Update::Ended => Some(Delivery::Ended { seq: self.seen }),
            _ => None,
        }
    }
}

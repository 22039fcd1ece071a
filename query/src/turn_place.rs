//! The turns that clients of the host run, and those that wait to begin.

use async_graphql::{ID, Object};
use glasswork_engine::ScopeId;
use glasswork_session_state::clients::places::{Place, Places};

use crate::error::Answer;
use crate::id;
use crate::operation::Op;
use crate::scalar::{Long, Time};
use crate::session::Session;

/// The turns that clients run, and those that wait to begin.
pub(crate) struct TurnPlaces {
    op: Op,
    host: ScopeId,
    places: Places,
}

/// A turn that a client runs, or that waits to begin.
pub(crate) struct TurnPlace {
    op: Op,
    host: ScopeId,
    asked: u64,
    place: Place,
    in_line: Option<usize>,
}

impl TurnPlaces {
    pub(crate) fn of(op: &Op, host: ScopeId, places: &Places) -> Self {
        Self {
            op: std::sync::Arc::clone(op),
            host,
            places: places.clone(),
        }
    }

    fn place(&self, (asked, place): (&u64, &Place), in_line: Option<usize>) -> TurnPlace {
        TurnPlace {
            op: std::sync::Arc::clone(&self.op),
            host: self.host,
            asked: *asked,
            place: place.clone(),
            in_line,
        }
    }
}

/// The turns that clients run, and those that wait to begin. What the host itself runs, as `glasswork run` does, takes no
/// place here.
#[Object]
impl TurnPlaces {
    /// Most that run at a time; 0 as long as no client has asked for one.
    async fn most_running(&self) -> Long {
        Long(u64::from(self.places.limits.running))
    }

    /// Most that wait; who comes then is refused.
    async fn most_waiting(&self) -> Long {
        Long(u64::from(self.places.limits.waiting))
    }

    /// Those that run, the oldest first.
    #[graphql(complexity = "16 * child_complexity")]
    async fn running(&self) -> Vec<TurnPlace> {
        let running = self.places.running.iter();
        running.map(|place| self.place(place, None)).collect()
    }

    /// Those that wait, the next one first.
    #[graphql(complexity = "16 * child_complexity")]
    async fn waiting(&self) -> Vec<TurnPlace> {
        let waiting = self.places.waiting.iter().zip(1..);
        waiting
            .map(|(place, in_line)| self.place(place, Some(in_line)))
            .collect()
    }
}

/// A turn that a client runs, or that waits to begin.
#[Object]
impl TurnPlace {
    /// The dispatch of the host that asked for it.
    async fn by(&self) -> ID {
        id::commit(self.host, self.asked)
    }

    /// The number of the connection that asked for it; null where it was the owner of the host, by a mutation.
    async fn connection(&self) -> Option<Long> {
        self.place.connection.map(Long)
    }

    /// The session; null where it is not there any more.
    async fn session(&self) -> Answer<Option<Session>> {
        Session::now(&self.op, self.place.session).map(Some)
    }

    /// Its place in the line, 1 being the next; null where it runs.
    async fn in_line(&self) -> Option<Long> {
        let place = self.in_line?;
        u64::try_from(place).ok().map(Long)
    }

    /// Since when.
    async fn since(&self) -> Time {
        Time(self.place.since)
    }
}

//! The one watcher of deadlines: it keeps those that commits set, and says when one is reached.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::Sender;

use crate::clock::{Bell, Clock};
use crate::domain::Domain;
use crate::envelope::{Deadline, DispatchId, Origin, ScopeId};
use crate::log::lock;
use crate::pipeline::Envelope;
use crate::writer::Inside;

/// The deadlines that run, shared between writer and watcher.
pub(crate) struct Deadlines<D: Domain> {
    table: Mutex<Table<D>>,
    bell: Arc<Bell>,
    clock: Arc<dyn Clock>,
}

struct Table<D: Domain> {
    armed: BTreeMap<(ScopeId, D::DeadlineKey), Armed>,
    /// When the watcher will look again by itself.
    next: Option<Duration>,
    stopped: bool,
}

#[derive(Clone, Copy)]
struct Armed {
    deadline: Deadline,
    due: Duration,
}

impl<D: Domain> Deadlines<D> {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let table = Mutex::new(Table {
            armed: BTreeMap::new(),
            next: None,
            stopped: false,
        });
        Self {
            table,
            bell: Arc::new(Bell::default()),
            clock,
        }
    }

    /// Takes over what changed between two lists of a scope's deadlines.
    pub(crate) fn replace(
        &self,
        scope: ScopeId,
        before: &[(D::DeadlineKey, Deadline)],
        after: &[(D::DeadlineKey, Deadline)],
    ) {
        if before == after {
            return;
        }
        let (wall, awake) = (self.clock.wall(), self.clock.awake());
        let mut table = lock(&self.table);
        for (key, _) in before {
            if !after.iter().any(|(kept, _)| kept == key) {
                table.armed.remove(&(scope, key.clone()));
            }
        }
        for (key, deadline) in after {
            if before.iter().any(|known| known == &(key.clone(), *deadline)) {
                continue;
            }
            // A clock that jumped must neither expire a deadline at once nor extend it.
            let remaining = deadline.duration().saturating_sub(wall.since(deadline.set_at));
            let due = awake + remaining;
            table.armed.insert(
                (scope, key.clone()),
                Armed {
                    deadline: *deadline,
                    due,
                },
            );
            if table.next.is_none_or(|next| due < next) {
                table.next = Some(due);
                self.bell.ring();
            }
        }
    }

    pub(crate) fn stop(&self) {
        lock(&self.table).stopped = true;
        self.bell.ring();
    }

    /// The watcher's loop; returns once stopped.
    pub(crate) fn watch(&self, inside: &Sender<Inside<D>>) {
        loop {
            let next = {
                let mut table = lock(&self.table);
                if table.stopped {
                    return;
                }
                let awake = self.clock.awake();
                let due: Vec<_> = table
                    .armed
                    .iter()
                    .filter(|(_, armed)| armed.due <= awake)
                    .map(|(key, armed)| (key.clone(), armed.deadline))
                    .collect();
                for (place, deadline) in due {
                    table.armed.remove(&place);
                    let (scope, key) = place;
                    let envelope = Envelope {
                        cause: Some(DispatchId::commit(scope, deadline.set_by)),
                        ..Envelope::new(Origin::Deadline, D::deadline_reached(key, deadline))
                    };
                    let _ = inside.send(Inside::Dispatch { scope, envelope });
                }
                table.next = table.armed.values().map(|armed| armed.due).min();
                table.next
            };
            self.clock.wait(&self.bell, next);
        }
    }
}

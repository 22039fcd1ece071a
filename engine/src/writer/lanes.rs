//! The lanes, and in which order the writer takes from them.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, select};
use tokio::sync::oneshot;

use super::{MountError, UnmountError, Writer};
use crate::domain::Domain;
use crate::effect::Slot;
use crate::envelope::ScopeId;
use crate::handle::Outside;
use crate::journal::Report;
use crate::load::Loaded;
use crate::pipeline::Envelope;
use crate::trace::TraceRecord;

/// What reaches the writer from within. Never refused: what is in this lane is bounded by the effects that are open.
pub(crate) enum Inside<D: Domain> {
    /// An effect's progress waits in its slot.
    Progress(Arc<Slot<D>>),
    /// An effect's result.
    Result {
        scope: ScopeId,
        envelope: Envelope<D>,
        lost: bool,
    },
    /// A deadline was reached.
    Dispatch { scope: ScopeId, envelope: Envelope<D> },
    /// Mounts a scope.
    Mount {
        loaded: Loaded<D>,
        done: oneshot::Sender<Result<(), MountError>>,
    },
    /// Unmounts a scope that is at rest.
    Unmount {
        scope: ScopeId,
        done: oneshot::Sender<Result<(), UnmountError>>,
    },
    /// Ends the writer, once all that was accepted is in the journal.
    Stop,
}

/// The lanes, at the writer's end.
pub(crate) struct Lanes<D: Domain> {
    /// Keeps the lane of reports open for a journal that never reports, and so drops its end.
    pub(crate) _reporter: Sender<Report>,
    pub(crate) reports: Receiver<Report>,
    pub(crate) urgent: Receiver<Outside<D>>,
    pub(crate) inside: Receiver<Inside<D>>,
    pub(crate) outside: Receiver<Outside<D>>,
}

/// What the writer took.
pub(super) enum Work<D: Domain> {
    Inside(Inside<D>),
    Outside(Outside<D>),
    Report(Report),
    Nothing,
}

impl<D: Domain> Writer<D> {
    /// Takes from inside and outside in turn, unless the journal is too far behind: then progress merges in its
    /// slots and askers wait at the door, which is what bounds the memory of a slow disk.
    pub(super) fn take(&mut self) -> Work<D> {
        if self.congested() {
            return Work::Nothing;
        }
        self.own.inside_turn = !self.own.inside_turn;
        let Lanes { inside, outside, .. } = &self.lanes;
        let inside = || inside.try_recv().ok().map(Work::Inside);
        let outside = || outside.try_recv().ok().map(Work::Outside);
        let work = if self.own.inside_turn {
            inside().or_else(outside)
        } else {
            outside().or_else(inside)
        };
        work.unwrap_or(Work::Nothing)
    }

    pub(super) fn congested(&self) -> bool {
        self.own.in_flight > self.journal_bytes
    }

    pub(super) fn wait(&mut self) -> Work<D> {
        self.dispose();
        let Lanes {
            reports,
            urgent,
            inside,
            outside,
            ..
        } = &self.lanes;
        if self.congested() || self.own.stopping {
            return select! {
                recv(reports) -> report => report.map_or(Work::Nothing, Work::Report),
                recv(urgent) -> request => request.map_or(Work::Nothing, Work::Outside),
            };
        }
        select! {
            recv(reports) -> report => report.map_or(Work::Nothing, Work::Report),
            recv(urgent) -> request => request.map_or(Work::Nothing, Work::Outside),
            recv(inside) -> inside => inside.map_or(Work::Nothing, Work::Inside),
            recv(outside) -> request => request.map_or(Work::Nothing, Work::Outside),
        }
    }

    /// A burst lasts until half the places are free again.
    pub(super) fn tell_overload(&mut self) {
        let outside = &self.lanes.outside;
        if outside.len() * 2 > outside.capacity().unwrap_or(usize::MAX) {
            return;
        }
        if let Some((scope, refused)) = self.doors.overload.take() {
            let at = self.clock.wall();
            self.trace(TraceRecord::Overload { scope, refused, at });
        }
    }
}

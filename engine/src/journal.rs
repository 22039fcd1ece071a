//! The port through which sealed lines become durable, and a journal in memory.
//!
//! Files and servers implement [`Journal`] elsewhere. The engine asks three things of it: lines of one scope are kept
//! in the order in which they were given; what it reports written or synced is so; after it has reported a failure
//! of a scope it writes no further line of it.

mod memory;

pub use memory::MemoryJournal;

use std::sync::Arc;

use crossbeam_channel::Sender;

use crate::envelope::ScopeId;

/// A sealed line on its way to the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Whose journal it goes to.
    pub scope: ScopeId,
    /// The commit that it records.
    pub seq: u64,
    /// The line, without a newline.
    pub bytes: Vec<u8>,
    /// Whether something waits until it is on the disk.
    pub sync: bool,
}

/// How far a line that was just given has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// It is as safe as this journal can make it.
    Synced,
    /// A report will follow.
    Later,
}

/// Where lines become durable.
pub trait Journal: Send {
    /// Called once, before the first line, with the way to report.
    fn start(&mut self, reporter: Reporter);

    /// Takes a line. Called by the writer thread: must not wait for a disk or a network.
    fn append(&mut self, line: Line) -> Appended;

    /// No further line of this scope will come, until it is mounted again.
    fn unmounted(&mut self, scope: ScopeId);
}

/// What a journal reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// All lines of the scope up to this one were handed to the operating system.
    Written {
        /// The scope.
        scope: ScopeId,
        /// The last of them.
        through: u64,
    },
    /// All lines of the scope up to this one are on the disk.
    Synced {
        /// The scope.
        scope: ScopeId,
        /// The last of them.
        through: u64,
    },
    /// A line could not be written or synced; nothing of this scope will be written any more.
    Failed {
        /// The scope.
        scope: ScopeId,
        /// Why, and what to do.
        reason: Arc<str>,
    },
}

/// The way of a journal's reports to the writer. Never blocks.
#[derive(Debug, Clone)]
pub struct Reporter {
    pub(crate) reports: Sender<Report>,
}

impl Reporter {
    /// Reports. What is reported after the engine has stopped is dropped.
    pub fn report(&self, report: Report) {
        let _ = self.reports.send(report);
    }
}

//! What makes scopes durable: one journal per scope as a file, and a folder beside it. Generic over any
//! [`Domain`]; nothing here knows what a session is.
//!
//! ```text
//! <data>/sessions/YYYY/MM/<time>-<id>.jsonl    the journal: the truth
//! <data>/sessions/YYYY/MM/<time>-<id>/         all that belongs to it: trace.jsonl, torn-*.bin, owner.json …
//! <data>/host/<id>.jsonl, <data>/host/<id>/    likewise, of the process itself
//! <data>/trash/<time>-<id>/                    a session that was put away, whole
//! ```
//!
//! A [`Store`] finds, makes and opens journals. Writing takes a [`Lease`]: the operating system's lock on the
//! journal, held until the journal is closed. With it a [`FileJournal`] writes the lines of a running engine, and a
//! [`TraceFile`] its traces. Reading takes neither: a [`StoredJournal`] can be read while another process writes it.

mod archive;
mod blocks;
mod checkpoint;
mod copy;
mod digests;
mod discard;
mod error;
mod fork;
mod journal;
mod keeper;
mod layout;
mod lease;
mod lines;
mod list;
mod open;
mod pack;
mod parts;
mod pieces;
mod prune;
mod read;
mod recover;
mod repair;
mod resume;
mod salvage;
mod sizes;
mod states;
mod trace;
mod trail;
mod trash;

pub use checkpoint::{CHECKPOINTS_KEPT, CheckpointFile, Unusable, Why};
pub use copy::{Copied, Incoming, copy_as};
pub use error::{CANDIDATES, StoreError};
pub use journal::{FileJournal, JournalFiles, JournalStopped, Unsynced};
pub use keeper::Pace;
pub use layout::Place;
pub use lease::{Lease, Owner, owner_of};
pub use list::{Listed, Summary};
pub use open::{Created, OpenedForWriting, TornTail};
pub use pack::Packed;
pub use parts::{PART_BYTES, journal_bytes};
pub use prune::HOSTS_KEPT;
pub use read::{Commits, StoredJournal};
pub use repair::{Repair, STRANGE, Strange};
pub use sizes::Sizes;
pub use trace::{ROTATE_AT, TraceFile, TraceFolders, Traces};
pub use trash::Trashed;

/// The folder of a scope's blobs, in its own folder.
pub const BLOBS: &str = "blobs";

use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use glasswork_engine::{Domain, ScopeId};

/// The journals below one data directory.
pub struct Store<D: Domain> {
    data: PathBuf,
    socket: Option<PathBuf>,
    domain: PhantomData<fn() -> D>,
}

impl<D: Domain> Clone for Store<D> {
    fn clone(&self) -> Self {
        Self {
            data: self.data.clone(),
            socket: self.socket.clone(),
            domain: PhantomData,
        }
    }
}

impl<D: Domain> std::fmt::Debug for Store<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Store").field(&self.data).finish()
    }
}

impl<D: Domain> Store<D> {
    /// Opens the store in a data directory, which is made where it is missing. Nobody but its owner can read what
    /// lies in it, whatever the umask.
    ///
    /// # Errors
    /// [`StoreError::Io`] or [`StoreError::NotAJournal`] where the directory cannot be made, or is none.
    pub fn open(data: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let data = data.into();
        layout::prepare(&data)?;
        Ok(Self {
            data,
            socket: None,
            domain: PhantomData,
        })
    }

    /// The socket that other processes are told when they ask for a scope that this one owns.
    #[must_use]
    pub fn announcing(self, socket: PathBuf) -> Self {
        Self {
            socket: Some(socket),
            ..self
        }
    }

    /// The data directory.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The journal of a scope, to read.
    ///
    /// # Errors
    /// [`StoreError::Unknown`], or [`StoreError::Io`] where a folder cannot be read.
    pub fn journal(&self, scope: ScopeId) -> Result<StoredJournal<D>, StoreError> {
        let path = self.path(scope)?;
        Ok(StoredJournal::of(path, scope))
    }
}

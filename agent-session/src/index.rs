//! The index: what there is to know of all sessions without opening one, and what was said in them.
//!
//! One SQLite file, `index.sqlite` in the data directory, beside the journals. It is derived: every row follows from a
//! journal, and losing it costs time only. Rows are written from states, not from events ([`Row::of`]), and a session
//! that grows costs what is new of it, because entries of a conversation are only ever added.
//!
//! Several processes read and write it at once (write-ahead log, short transactions). What is stale is found
//! cheaply ([`refresh`](Index::refresh)): folders tell by their time that journals came or went, rows say whether
//! their writer gave the session back, and a row that is shown is compared with its journal's length and time.
//! A file that is damaged, foreign or of another version is moved aside and made anew.

mod error;
mod file;
mod list;
mod refresh;
mod row;
mod said;
mod search;
mod spending;
mod write;
mod writer;

pub use error::IndexError;
pub use list::{Cursor, CursorError, Filter, Key, Listing, Page, Sort};
pub use refresh::{Progress, Refreshed, SearchError};
pub use row::{FIRST_WORDS, Row, Status};
pub use said::Speaker;
pub use search::{Found, Hit, Piece, QueryError, SEARCH_TIME, Search};
pub use writer::{Change, IndexWriter};

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use glasswork_session_state::Glasswork;
use rusqlite::Connection;

use crate::store::Store;

/// The index of the sessions of one data directory. Clones share a connection.
#[derive(Clone)]
pub struct Index {
    store: Store<Glasswork>,
    file: PathBuf,
    connection: Arc<Mutex<Option<file::Opened>>>,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Index").field(&self.file).finish()
    }
}

impl Index {
    /// The index of the sessions in a store. Nothing is opened before it is needed.
    #[must_use]
    pub fn of(store: Store<Glasswork>) -> Self {
        Self {
            file: store.data().join("index.sqlite"),
            store,
            connection: Arc::default(),
        }
    }

    /// Where it lies.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Works with the connection, which is opened where it is not yet. A file that proves damaged is replaced, and
    /// one that proves not to be writable gives way to memory; the work is done once more then.
    fn with<T>(
        &self,
        mut work: impl FnMut(&mut Connection) -> Result<T, IndexError>,
    ) -> Result<T, IndexError> {
        let mut held = self.held();
        for _ in 0..2 {
            let opened = self.opened(&mut held)?;
            match work(&mut opened.connection) {
                Err(error) if error.is_damage() => {
                    *held = None;
                    file::move_aside(&self.file)?;
                    let opened = self.opened(&mut held)?;
                    self.refresh_with(&mut opened.connection, &BTreeSet::new(), &mut |_| {})?;
                }
                Err(error) if error.is_unwritable() && !opened.is_in_memory() => {
                    *held = Some(file::Opened::in_memory()?);
                    let opened = self.opened(&mut held)?;
                    self.refresh_with(&mut opened.connection, &BTreeSet::new(), &mut |_| {})?;
                }
                done => return done,
            }
        }
        work(&mut self.opened(&mut held)?.connection)
    }

    fn held(&self) -> MutexGuard<'_, Option<file::Opened>> {
        // A connection is usable after a panic: its transaction was rolled back.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn opened<'a>(
        &self,
        held: &'a mut MutexGuard<'_, Option<file::Opened>>,
    ) -> Result<&'a mut file::Opened, IndexError> {
        if held.as_ref().is_some_and(|opened| !opened.is_current(&self.file)) {
            **held = None;
        }
        if held.is_none() {
            **held = Some(file::Opened::at(&self.file)?);
        }
        held.as_mut().ok_or(IndexError::Closed)
    }
}

//! Bringing the index in line with the journals: what is new, what is gone, what nobody wrote down.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use glasswork_engine::{Scope, ScopeId};
use glasswork_session_state::Glasswork;
use glasswork_session_state::state;
use rusqlite::{Connection, TransactionBehavior, params};

use super::Index;
use super::error::IndexError;
use super::list::{self, Indexed, Listing, Page};
use super::row::{Row, Status};
use super::search::{self, Found, Search};
use super::write::{self, Print, Written};
use crate::store::{StoreError, StoredJournal, journal_bytes, owner_of};

/// Journals are read and written in portions: so many,
const PORTION: usize = 64;
/// or so many bytes of journals, so that other processes get their turn and memory is bounded.
const PORTION_BYTES: i64 = 8 << 20;
/// A folder that has changed so shortly ago may change again without its time telling.
const RECENT_NS: i128 = 2_000_000_000;

/// Noted in place of a time that may not tell. No folder has it.
const LOOK_AGAIN: i64 = i64::MIN;

/// How far a refresh is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Journals that were read.
    pub done: u64,
    /// Journals that are to be read.
    pub of: u64,
}

/// What a refresh found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Refreshed {
    /// Journals that were read.
    pub read: u64,
    /// Of those, the ones that cannot be read to their end.
    pub damaged: u64,
    /// Sessions whose journals are gone.
    pub gone: u64,
}

/// A journal that is to be read.
struct Due {
    id: ScopeId,
    path: PathBuf,
    problem: Option<StoreError>,
    /// The commit up to which the index has it; `None` where what it has is of no use.
    known: Option<u64>,
}

/// A journal that was read.
struct Reading {
    row: Row,
    scope: Option<Arc<Scope<Glasswork>>>,
    path: String,
    print: Print,
    open: bool,
    anew: bool,
}

/// A folder of journals as it was looked at.
struct Folder {
    name: String,
    stamp: Option<i64>,
}

impl Index {
    /// Brings the index in line with the journals: those that appeared or vanished, and those whose owner died before
    /// it had the index written. Costs a few looks at folders where there is nothing to do.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn refresh(&self, progress: &mut dyn FnMut(Progress)) -> Result<Refreshed, IndexError> {
        self.with(|connection| self.refresh_with(connection, &BTreeSet::new(), progress))
    }

    /// Reads every journal again. A file that is not sound is moved aside first.
    ///
    /// # Errors
    /// [`IndexError::NotKept`] where no file can be written, and others.
    pub fn reindex(&self, progress: &mut dyn FnMut(Progress)) -> Result<Refreshed, IndexError> {
        let sound = self.with(|connection| {
            let said: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
            // The search has its own structure, which SQLite's check knows nothing of.
            let searchable = connection.execute("INSERT INTO said (said) VALUES ('integrity-check')", []);
            Ok(said == "ok" && searchable.is_ok())
        });
        if !matches!(sound, Ok(true)) {
            *self.held() = None;
            super::file::move_aside(self.file())?;
        }
        let refreshed = self.with(|connection| {
            connection.execute("DELETE FROM folders", [])?;
            self.bring_in_line(connection, &BTreeSet::new(), true, progress)
        })?;
        match self.held().as_ref().is_some_and(|opened| opened.is_in_memory()) {
            false => Ok(refreshed),
            true => Err(IndexError::NotKept {
                path: self.file().to_owned(),
            }),
        }
    }

    pub(super) fn refresh_with(
        &self,
        connection: &mut Connection,
        mounted: &BTreeSet<ScopeId>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Refreshed, IndexError> {
        self.bring_in_line(connection, mounted, false, progress)
    }

    fn bring_in_line(
        &self,
        connection: &mut Connection,
        mounted: &BTreeSet<ScopeId>,
        all: bool,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Refreshed, IndexError> {
        let mut due = Vec::new();
        let mut gone = Vec::new();
        let looked_at = self.look(connection, all, &mut due, &mut gone)?;
        if !all {
            self.unsettled(connection, mounted, &mut due)?;
        }
        let mut refreshed = self.take_in(connection, due, progress)?;
        refreshed.gone = u64::try_from(gone.len()).unwrap_or(u64::MAX);
        if !gone.is_empty() || !looked_at.is_empty() {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for (id, path) in gone {
                write::forget(&transaction, id, &path)?;
            }
            for folder in looked_at {
                write::note_folder(&transaction, &folder.name, folder.stamp)?;
            }
            transaction.commit()?;
        }
        Ok(refreshed)
    }

    /// Compares the folders that have changed with what the index has of them. Returns those that it looked at.
    fn look(
        &self,
        connection: &Connection,
        all: bool,
        due: &mut Vec<Due>,
        gone: &mut Vec<(ScopeId, String)>,
    ) -> Result<Vec<Folder>, IndexError> {
        let mut known: BTreeMap<String, i64> = {
            let mut statement = connection.prepare("SELECT path, stamp FROM folders")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<Result<_, _>>()?
        };
        let mut looked_at = Vec::new();
        for folder in self.store.months() {
            let name = write::below(self.store.data(), &folder);
            // Before it is read: what comes while it is read changes its time.
            let stamp = fs::symlink_metadata(&folder).map_or(-1, |found| write::stamp(&found));
            if known.remove(&name) == Some(stamp) {
                continue;
            }
            self.compare(connection, &folder, &name, all, due, gone)?;
            let stamp = if is_recent(stamp) { LOOK_AGAIN } else { stamp };
            looked_at.push(Folder {
                name,
                stamp: Some(stamp),
            });
        }
        for (name, _) in known {
            gone.extend(in_folder(connection, &name)?);
            looked_at.push(Folder { name, stamp: None });
        }
        Ok(looked_at)
    }

    fn compare(
        &self,
        connection: &Connection,
        folder: &Path,
        name: &str,
        all: bool,
        due: &mut Vec<Due>,
        gone: &mut Vec<(ScopeId, String)>,
    ) -> Result<(), IndexError> {
        let mut known: BTreeSet<(ScopeId, String)> = in_folder(connection, name)?.into_iter().collect();
        for (id, path, problem) in self.store.journals_in(folder) {
            let is_known = known.remove(&(id, write::below(self.store.data(), &path)));
            if all || !is_known {
                due.push(Due {
                    id,
                    path,
                    problem,
                    known: None,
                });
            }
        }
        gone.extend(known);
        Ok(())
    }

    /// Sessions whose writer has not given them back, or whose turn is open. Where nobody has them any more, what the
    /// index does not know of them is read.
    fn unsettled(
        &self,
        connection: &Connection,
        mounted: &BTreeSet<ScopeId>,
        due: &mut Vec<Due>,
    ) -> Result<(), IndexError> {
        let condition = "open = 1 OR status IN ('running', 'asking')";
        for found in list::rows_where(connection, condition, &[])? {
            let id = found.row.id;
            let path = self.store.data().join(&found.path);
            if !mounted.contains(&id) && owner_of(&path).is_none() && !due.iter().any(|due| due.id == id) {
                due.push(Due {
                    id,
                    path,
                    problem: None,
                    known: Some(found.row.seq),
                });
            }
        }
        Ok(())
    }

    /// Reads journals and writes what they say, in portions.
    fn take_in(
        &self,
        connection: &mut Connection,
        due: Vec<Due>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Refreshed, IndexError> {
        let mut refreshed = Refreshed::default();
        let of = u64::try_from(due.len()).unwrap_or(u64::MAX);
        let mut due = due.into_iter().peekable();
        while due.peek().is_some() {
            let (mut portion, mut bytes) = (Vec::new(), 0);
            while portion.len() < PORTION && bytes < PORTION_BYTES {
                let Some(next) = due.next() else { break };
                let reading = self.read(next);
                bytes += reading.print.size.max(0);
                refreshed.read += 1;
                refreshed.damaged += u64::from(reading.row.damage.is_some());
                portion.push(reading);
                progress(Progress {
                    done: refreshed.read,
                    of,
                });
            }
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for reading in &portion {
                self.put(&transaction, reading)?;
            }
            transaction.commit()?;
        }
        Ok(refreshed)
    }

    fn put(&self, transaction: &rusqlite::Transaction<'_>, reading: &Reading) -> Result<(), IndexError> {
        // It went while it was about to be read.
        if reading.print.size < 0 {
            return write::forget(transaction, reading.row.id, &reading.path);
        }
        let session = reading.scope.as_ref().and_then(|scope| match &scope.state {
            state::Scope::Session(session) => Some(&**session),
            state::Scope::Host(_) => None,
        });
        let written = Written {
            row: &reading.row,
            session,
            path: &reading.path,
            print: reading.print,
            open: reading.open,
            anew: reading.anew,
        };
        write::put(transaction, &written)
    }

    fn read(&self, due: Due) -> Reading {
        let Due {
            id,
            path,
            problem,
            known,
        } = due;
        // Before it is read: what is appended meanwhile makes the row stale.
        let print = Print::of(&path);
        let is_owned = owner_of(&path).is_some();
        let bytes = journal_bytes(&path);
        let journal = StoredJournal::<Glasswork>::of(path.clone(), id);
        let (mut row, scope) = match problem {
            Some(problem) => (damaged(Row::bare(id), &problem), None),
            None => read_journal(&journal, id, bytes),
        };
        if row.status.is_working() && !is_owned {
            row.status = Status::LeftOpen;
        }
        Reading {
            path: write::below(self.store.data(), &path),
            print,
            open: is_owned,
            // One that is shorter than it was is another one.
            anew: known.is_none_or(|known| known > row.seq),
            row,
            scope,
        }
    }

    /// A page of the list, without the sessions in `except`. What is stale in it is read first.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn page(&self, listing: &Listing, except: &BTreeSet<ScopeId>) -> Result<Page, IndexError> {
        self.with(|connection| {
            self.refresh_with(connection, except, &mut |_| {})?;
            let page = list::page(connection, listing, except)?;
            let stale = self.stale(&page.rows);
            let page = match stale.is_empty() {
                true => page,
                false => {
                    self.take_in(connection, stale, &mut |_| {})?;
                    list::page(connection, listing, except)?
                }
            };
            let owned = |indexed: Indexed| Row {
                owner: owner_of(&self.store.data().join(&indexed.path)),
                ..indexed.row
            };
            Ok(Page {
                rows: page.rows.into_iter().map(owned).collect(),
                more: page.more,
            })
        })
    }

    /// Rows whose journal does not look any more as it did, and that nobody keeps up to date.
    fn stale(&self, rows: &[Indexed]) -> Vec<Due> {
        let mut stale = Vec::new();
        for indexed in rows {
            let path = self.store.data().join(&indexed.path);
            let print = Print {
                size: indexed.size,
                stamp: indexed.stamp,
            };
            let now = Print::of(&path);
            // Its owner writes what it does a moment later; where it does not, somebody else must.
            let is_kept = || is_recent(now.stamp) && indexed.open && owner_of(&path).is_some();
            if now != print && !is_kept() {
                stale.push(Due {
                    id: indexed.row.id,
                    path,
                    problem: None,
                    known: None,
                });
            }
        }
        stale
    }

    /// Searches in what was said, for [`SEARCH_TIME`](super::SEARCH_TIME) at most. Blocks; may take that long, and where
    /// journals have to be read first, as long as that takes.
    ///
    /// # Errors
    /// [`SearchError`].
    pub fn search(&self, search: &Search) -> Result<Found, SearchError> {
        self.search_for(search, search::SEARCH_TIME)
    }

    /// Searches for so long at most: what was found by then is what there is, and [`Found::cut`] says so.
    ///
    /// # Errors
    /// [`SearchError`].
    pub fn search_for(&self, search: &Search, limit: Duration) -> Result<Found, SearchError> {
        let terms = search::parse(&search.query)?;
        self.refresh(&mut |_| {})?;
        let until = std::time::Instant::now() + limit;
        // On a connection of its own: lists do not wait for it.
        let alone = Self::of(self.store.clone());
        let memory = self.with(|connection| match connection.path() {
            None | Some("") => search::search(connection, &terms, search, until).map(Some),
            Some(_) => Ok(None),
        })?;
        match memory {
            Some(found) => Ok(found),
            None => Ok(alone.with(|connection| search::search(connection, &terms, search, until))?),
        }
    }
}

/// Why a search has no answer.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// What was asked for cannot be searched.
    #[error(transparent)]
    Query(#[from] search::QueryError),
    /// The index cannot be used.
    #[error(transparent)]
    Index(#[from] IndexError),
}

fn in_folder(connection: &Connection, folder: &str) -> Result<Vec<(ScopeId, String)>, IndexError> {
    // `0` comes after `/`.
    let mut statement = connection.prepare("SELECT id, path FROM sessions WHERE path > ? AND path < ?")?;
    let rows = statement.query_map(params![format!("{folder}/"), format!("{folder}0")], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
    })?;
    let rows: Vec<(String, String)> = rows.collect::<Result<_, _>>()?;
    let parsed = rows
        .into_iter()
        .filter_map(|(id, path)| Some((id.parse().ok()?, path)));
    Ok(parsed.collect())
}

fn is_recent(stamp: i64) -> bool {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |now| now.as_nanos());
    i128::try_from(now).unwrap_or(i128::MAX) - i128::from(stamp) < RECENT_NS
}

fn damaged(row: Row, error: &StoreError) -> Row {
    Row {
        damage: Some(error.to_string()),
        status: Status::Damaged,
        ..row
    }
}

/// What a journal says: all of it, or what stands before the damage.
fn read_journal(
    journal: &StoredJournal<Glasswork>,
    id: ScopeId,
    bytes: u64,
) -> (Row, Option<Arc<Scope<Glasswork>>>) {
    let (created, parent) = match journal.header() {
        Ok(header) => (header.created, header.parent().map(|parent| parent.scope)),
        Err(error) => {
            return (
                damaged(
                    Row {
                        bytes,
                        ..Row::bare(id)
                    },
                    &error,
                ),
                None,
            );
        }
    };
    let (loaded, error) = match journal.read() {
        Ok(loaded) => (Some(loaded), None),
        Err(error) => {
            let intact = match &error {
                StoreError::Damaged { intact, .. } if *intact > 0 => journal.read_until(*intact).ok(),
                _ => None,
            };
            (intact, Some(error))
        }
    };
    let scope = loaded.map(|loaded| loaded.scope);
    let row = scope.as_ref().and_then(|scope| Row::of(scope, created, bytes));
    let row = row.unwrap_or_else(|| Row {
        created,
        bytes,
        ..Row::bare(id)
    });
    // A fork that nobody has opened yet says so in its header alone; all that is in it is its parent's.
    let unopened = parent.is_some() && row.parent != parent;
    let row = Row {
        parent: parent.or(row.parent),
        inherited: if unopened { row.tokens } else { row.inherited },
        own_cost: row.own_cost.filter(|_| !unopened),
        ..row
    };
    match error {
        Some(error) => (damaged(row, &error), scope),
        None => (row, scope),
    }
}

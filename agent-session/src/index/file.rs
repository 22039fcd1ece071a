//! The file of the index: made, recognised, and moved aside where it is not what it should be.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use rustix::fs::OFlags;

use super::error::IndexError;

/// `gwix`: whose file this is, where SQLite keeps it.
const APPLICATION: i32 = 0x6777_6978;
/// Raised whenever the tables change, or what is written into them. There are no migrations: it is made anew.
const VERSION: i32 = 5;
/// How long an index in memory takes the place of the file before the file is tried again: making one reads all
/// journals.
const MEMORY_TIME: Duration = Duration::from_secs(60);
/// How long another process's transaction is waited for. Each is a few milliseconds; a rebuild writes in portions.
const BUSY: Duration = Duration::from_secs(10);

const TABLES: &str = "
CREATE TABLE sessions (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    path TEXT NOT NULL,
    size INTEGER NOT NULL,
    stamp INTEGER NOT NULL,
    open INTEGER NOT NULL,
    entry_seq INTEGER NOT NULL,
    entry_ordinal INTEGER NOT NULL,
    hidden INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    inherited INTEGER NOT NULL,
    cost INTEGER,
    own_cost INTEGER,
    name_key TEXT NOT NULL,
    title TEXT,
    workspace TEXT,
    branch TEXT,
    model TEXT,
    status TEXT NOT NULL,
    first_words TEXT,
    parent TEXT,
    pinned INTEGER NOT NULL,
    damage TEXT
) STRICT;
CREATE INDEX sessions_path ON sessions (path);
CREATE INDEX sessions_updated ON sessions (hidden, updated, id);
CREATE INDEX sessions_created ON sessions (hidden, created, id);
CREATE INDEX sessions_messages ON sessions (hidden, messages, id);
CREATE INDEX sessions_cost ON sessions (hidden, coalesce(cost, -1), id);
CREATE INDEX sessions_name ON sessions (hidden, name_key, id);
CREATE INDEX sessions_workspace ON sessions (workspace, hidden, updated, id);
CREATE INDEX sessions_unsettled ON sessions (id) WHERE open = 1 OR status IN ('running', 'asking');
CREATE TABLE spending (
    session INTEGER NOT NULL,
    day INTEGER NOT NULL,
    nanos INTEGER NOT NULL,
    PRIMARY KEY (session, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX spending_day ON spending (day);
CREATE TABLE folders (
    path TEXT PRIMARY KEY,
    stamp INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE entries (
    n INTEGER PRIMARY KEY,
    session INTEGER NOT NULL,
    entry TEXT NOT NULL,
    speaker TEXT NOT NULL
) STRICT;
CREATE INDEX entries_session ON entries (session);
CREATE VIRTUAL TABLE said USING fts5 (text, columnsize = 0, tokenize = 'unicode61 remove_diacritics 2');
";

/// An open index, and which file it is.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) connection: Connection,
    place: Place,
}

/// Where an index is.
#[derive(Debug)]
enum Place {
    /// In the file with this device and number; `None` where it was gone at once.
    File(Option<(u64, u64)>),
    /// In memory, since then.
    Memory(Instant),
}

impl Opened {
    /// Opens the index, and makes it where it is missing or not ours. Where no file can be made (a file system that
    /// is read-only, or full), one in memory takes its place.
    pub(super) fn at(path: &Path) -> Result<Self, IndexError> {
        match Self::file(path) {
            Err(error) if error.is_damage() => {
                move_aside(path)?;
                Self::file(path)
            }
            Err(_) => Self::in_memory(),
            opened => opened,
        }
    }

    /// An empty index in memory.
    pub(super) fn in_memory() -> Result<Self, IndexError> {
        let connection = Connection::open_in_memory()?;
        connection.execute_batch(TABLES)?;
        Ok(Self {
            connection,
            place: Place::Memory(Instant::now()),
        })
    }

    /// Whether it is kept nowhere.
    pub(super) fn is_in_memory(&self) -> bool {
        matches!(self.place, Place::Memory(_))
    }

    fn file(path: &Path) -> Result<Self, IndexError> {
        for _ in 0..3 {
            make(path)?;
            // A link in its place is not followed.
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
                | OpenFlags::SQLITE_OPEN_NO_MUTEX
                | OpenFlags::SQLITE_OPEN_NOFOLLOW;
            let mut connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(BUSY)?;
            // Read without changing anything: what is not ours stays as it is.
            if !is_empty_or_ours(&connection)? {
                drop(connection);
                move_aside(path)?;
                continue;
            }
            connection.pragma_update(None, "journal_mode", "wal")?;
            // What a crash takes from it is read again from the journals.
            connection.pragma_update(None, "synchronous", "normal")?;
            connection.pragma_update(None, "journal_size_limit", 4 << 20)?;
            connection.pragma_update(None, "cache_size", -4096)?;
            lay_out(&mut connection)?;
            let place = Place::File(identity(path));
            return Ok(Self { connection, place });
        }
        Err(IndexError::Closed)
    }

    /// Whether others still find the file that this has open. One in memory is not asked for ever: the disk may be
    /// well again.
    pub(super) fn is_current(&self, path: &Path) -> bool {
        match self.place {
            Place::File(known) => known == identity(path),
            Place::Memory(since) => since.elapsed() < MEMORY_TIME,
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let found = fs::symlink_metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

/// Makes the file for its owner alone; SQLite gives its other files the same permissions.
fn make(path: &Path) -> Result<(), IndexError> {
    let made = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
        .open(path);
    match made {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            match fs::symlink_metadata(path).is_ok_and(|found| found.is_file()) {
                true => own_alone(path),
                false => move_aside(path).and_then(|()| make(path)),
            }
        }
        Err(source) => Err(IndexError::Io {
            doing: "make",
            path: path.to_owned(),
            source,
        }),
    }
}

/// Takes everybody else's permissions on the file away: what was said is in it.
fn own_alone(path: &Path) -> Result<(), IndexError> {
    let restrict = || {
        let mode = fs::symlink_metadata(path)?.permissions().mode() & 0o777;
        match mode & 0o600 {
            wanted if wanted == mode => Ok(()),
            wanted => fs::set_permissions(path, fs::Permissions::from_mode(wanted)),
        }
    };
    restrict().map_err(|source| IndexError::Io {
        doing: "restrict the permissions of",
        path: path.to_owned(),
        source,
    })
}

fn is_empty_or_ours(connection: &Connection) -> Result<bool, IndexError> {
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let (application, version) = (number("application_id")?, number("user_version")?);
    Ok(match tables {
        0 => application == 0 && version == 0,
        _ => application == APPLICATION && version == VERSION,
    })
}

/// Makes the tables, unless another process has made them meanwhile.
fn lay_out(connection: &mut Connection) -> Result<(), IndexError> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let tables: i64 = transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        transaction.execute_batch(TABLES)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()?;
    Ok(())
}

/// Moves what stands in the place of the index out of the way, with what belongs to it. One such file is kept, to be
/// looked at; it holds nothing that the journals do not.
pub(super) fn move_aside(path: &Path) -> Result<(), IndexError> {
    // One file takes the place of another; a folder that somebody put there takes nothing's and gives way to nothing.
    let is_folder = |path: &Path| fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
    let is_free = |aside: &PathBuf| match is_folder(path) {
        true => fs::symlink_metadata(aside).is_err(),
        false => !is_folder(aside),
    };
    let mut names = (0..10).map(|number| match number {
        0 => with_ending(path, ".aside"),
        number => with_ending(path, &format!(".aside-{number}")),
    });
    let aside = names.find(is_free).unwrap_or_else(|| with_ending(path, ".aside"));
    for ending in ["-wal", "-shm"] {
        let _ = fs::rename(with_ending(path, ending), with_ending(&aside, ending));
    }
    match fs::rename(path, &aside) {
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        moved => moved.map_err(|source| IndexError::Io {
            doing: "move aside",
            path: path.to_owned(),
            source,
        }),
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

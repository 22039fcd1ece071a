//! Why the index could not be used.

use std::io;
use std::path::PathBuf;

use rusqlite::ErrorCode;

/// Why the index could not be used. It is derived: whatever happens to it, no session is lost.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// SQLite said no.
    #[error("the index of sessions cannot be used: {0}; `glasswork sessions reindex` makes it anew")]
    Database(#[from] rusqlite::Error),
    /// The system said no.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was attempted, as a verb.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is one in memory only.
    #[error(
        "the index of sessions cannot be written to {}: the disk may be full or read-only, or the folder not yours; lists \
         and searches read the journals meanwhile, which takes longer",
        path.display()
    )]
    NotKept {
        /// Where it should be.
        path: PathBuf,
    },
    /// There is no connection. A defect.
    #[error("the index of sessions was closed while it was read; please report this")]
    Closed,
}

impl IndexError {
    /// Whether the file is not what was written to it.
    pub(super) fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Database(rusqlite::Error::SqliteFailure(failure, _))
                if matches!(failure.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        )
    }

    /// Whether nothing can be written where the file lies: the disk is full, read-only, failing, or not ours.
    pub(super) fn is_unwritable(&self) -> bool {
        matches!(
            self,
            Self::Database(rusqlite::Error::SqliteFailure(failure, _))
                if matches!(
                    failure.code,
                    ErrorCode::ReadOnly | ErrorCode::DiskFull | ErrorCode::SystemIoFailure | ErrorCode::CannotOpen
                )
        )
    }

    /// Whether time was up.
    pub(super) fn is_interrupt(error: &rusqlite::Error) -> bool {
        error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted)
    }
}

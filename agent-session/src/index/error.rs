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

    /// Whether time was up.
    pub(super) fn is_interrupt(error: &rusqlite::Error) -> bool {
        error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted)
    }
}

//! What is kept of a session on the disk.

use async_graphql::SimpleObject;
use glasswork_app_runtime::archive::{KeptRecord, KeptState};

use crate::scalar::Long;

/// The record of a session on the disk.
#[derive(Debug, SimpleObject)]
pub(crate) struct JournalFiles {
    /// How many files its journal consists of.
    files: Long,
    /// Length of its journal, in bytes, over all its files.
    bytes: Long,
    /// States on the disk from which loading can begin, newest first. They may be removed at any time.
    checkpoints: Vec<Checkpoint>,
}

/// A state of a session on the disk.
#[derive(Debug, SimpleObject)]
pub(crate) struct Checkpoint {
    /// The commit whose state it is.
    seq: Long,
    /// Length in bytes.
    bytes: Long,
}

impl From<KeptState> for Checkpoint {
    fn from(kept: KeptState) -> Self {
        Self {
            seq: Long(kept.seq),
            bytes: Long(kept.bytes),
        }
    }
}

impl From<KeptRecord> for JournalFiles {
    fn from(kept: KeptRecord) -> Self {
        Self {
            files: Long(kept.files),
            bytes: Long(kept.bytes),
            checkpoints: kept.checkpoints.into_iter().map(Checkpoint::from).collect(),
        }
    }
}

//! What has been seen of a session's commits.

use async_graphql::{InputObject, SimpleObject};

use crate::scalar::Long;

/// What somebody has seen of a session: all commits up to this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, SimpleObject, InputObject)]
#[graphql(input_name = "CommitCursorInput")]
pub(crate) struct CommitCursor {
    /// The epoch in which it was given: each process that owns the session begins a new one.
    pub(crate) epoch: u32,
    /// The last commit that was seen.
    pub(crate) seq: Long,
}

impl CommitCursor {
    pub(crate) fn new(epoch: u32, seq: u64) -> Self {
        Self {
            epoch,
            seq: Long(seq),
        }
    }
}

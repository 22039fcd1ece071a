//! Summaries of branches that were left.

use std::sync::Arc;

use async_graphql::Object;
use glasswork_agent_core::branch_summary::BranchSummary;
use glasswork_agent_core::id::RequestId;

use crate::compaction::CarriedPaths;
use crate::entry::Entry;
use crate::error::Answer;
use crate::request::Request;
use crate::session::View;

/// A summary of a branch that was left. That branch is still there.
pub(crate) struct BranchSummaryBody {
    pub(crate) view: Arc<View>,
    pub(crate) branch: Arc<BranchSummary>,
}

/// A summary of a branch that was left. That branch is still there.
#[Object]
impl BranchSummaryBody {
    /// The end of that branch; null where it was imported from a file that does not tell.
    async fn from(&self) -> Answer<Option<Entry>> {
        let from = self.branch.from;
        from.map(|from| Entry::find(&self.view, from)).transpose()
    }

    /// What the model wrote.
    async fn summary(&self) -> Answer<Option<String>> {
        self.view.op.text(&*self.branch.summary).map(Some)
    }

    /// The model that wrote it, as `provider/id`.
    async fn model(&self) -> String {
        self.branch.model.to_string()
    }

    /// The request for it: what was summarised, part by part. Null where it was imported.
    async fn request(&self) -> Answer<Option<Request>> {
        if self.branch.request == RequestId(0) {
            return Ok(None);
        }
        Request::find(&self.view, self.branch.request).map(Some)
    }

    /// Files that tools had changed, as they are listed beside the summary.
    async fn files_changed(&self) -> CarriedPaths {
        (&self.branch.changed).into()
    }

    /// Files that tools had only read, as they are listed beside the summary.
    async fn files_read(&self) -> CarriedPaths {
        (&self.branch.read).into()
    }
}

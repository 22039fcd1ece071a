//! Summaries of branches that were left.

use std::sync::Arc;

use async_graphql::Object;
use glasswork_agent_core::branch_summary::BranchSummary;

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
    /// The end of that branch.
    async fn from(&self) -> Answer<Option<Entry>> {
        Entry::find(&self.view, self.branch.from).map(Some)
    }

    /// What the model wrote.
    async fn summary(&self) -> Answer<Option<String>> {
        self.view.op.text(&*self.branch.summary).map(Some)
    }

    /// The model that wrote it, as `provider/id`.
    async fn model(&self) -> String {
        self.branch.model.to_string()
    }

    /// The request for it: what was summarised, part by part.
    async fn request(&self) -> Answer<Option<Request>> {
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

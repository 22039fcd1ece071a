//! How full the context is, and what was done about it.

use std::sync::Arc;

use async_graphql::{Enum, ID, Object, SimpleObject};
use glasswork_agent_core::compaction::{self, Why};
use glasswork_app_runtime::projection::context;
use glasswork_app_runtime::projection::footer::Share;
use glasswork_session_state::compaction::{Guard, Subject};

use crate::context_part::{ContextGroup, ContextPart};
use crate::entry::Entry;
use crate::error::Answer;
use crate::id;
use crate::page::{self, Page, Place};
use crate::request::Request;
use crate::scalar::{Long, Time};
use crate::session::View;

/// Why a conversation is compacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum CompactionReason {
    /// Someone asked for it.
    Asked,
    /// The next request would have left too little room for an answer.
    Threshold,
    /// The provider refused the conversation for its length.
    Overflow,
    /// It was made elsewhere, before the conversation was imported.
    Imported,
    /// The conversation goes on elsewhere, and brings a summary of the branch that is left.
    BranchLeft,
}

impl From<&Why> for CompactionReason {
    fn from(why: &Why) -> Self {
        match why {
            Why::Asked { .. } => Self::Asked,
            Why::Threshold => Self::Threshold,
            Why::Overflow => Self::Overflow,
            Why::Imported => Self::Imported,
        }
    }
}

fn focus_of(why: &Why) -> Option<String> {
    match why {
        Why::Asked { focus } => focus.as_deref().map(str::to_owned),
        Why::Threshold | Why::Overflow | Why::Imported => None,
    }
}

/// A list of files with an end.
#[derive(Debug, SimpleObject)]
pub(crate) struct CarriedPaths {
    /// The first by name, at most 200.
    paths: Vec<String>,
    /// How many there are besides.
    more: Long,
}

impl From<&compaction::Paths> for CarriedPaths {
    fn from(paths: &compaction::Paths) -> Self {
        Self {
            paths: paths.paths.iter().map(|path| path.to_string()).collect(),
            more: Long(paths.more),
        }
    }
}

/// A summary that stands for what is old of a branch. What it stands for is still there, before it.
pub(crate) struct CompactionBody {
    pub(crate) view: Arc<View>,
    pub(crate) compaction: Arc<compaction::Compaction>,
}

/// A summary that stands for what is old of a branch. What it stands for is still there, before it.
#[Object]
impl CompactionBody {
    /// Why it was made.
    async fn reason(&self) -> CompactionReason {
        (&self.compaction.why).into()
    }

    /// What the summary was asked not to miss.
    async fn focus(&self) -> Option<String> {
        focus_of(&self.compaction.why)
    }

    /// What the model wrote.
    async fn summary(&self) -> Answer<Option<String>> {
        self.view.op.text(&*self.compaction.summary).map(Some)
    }

    /// The model that wrote it, as `provider/id`.
    async fn model(&self) -> String {
        self.compaction.model.to_string()
    }

    /// The request for it: what was summarised, part by part. Null where it was imported.
    async fn request(&self) -> Answer<Option<Request>> {
        if self.compaction.why == Why::Imported {
            return Ok(None);
        }
        Request::find(&self.view, self.compaction.request).map(Some)
    }

    /// The first entry before it that is still sent as it is.
    async fn first_kept(&self) -> Answer<Option<Entry>> {
        Entry::find(&self.view, self.compaction.first_kept).map(Some)
    }

    /// Size of system prompt, tools and messages before, in tokens: four characters to a token.
    async fn tokens_before(&self) -> Long {
        Long(self.compaction.tokens_before)
    }

    /// The same after.
    async fn tokens_after(&self) -> Long {
        Long(self.compaction.tokens_after)
    }

    /// The first prompt, where it is carried word for word beside the summary.
    async fn first_prompt(&self) -> Option<ID> {
        let quoted = self.compaction.carried.first_prompt.as_ref()?;
        Some(id::global(self.view.id, quoted.entry))
    }

    /// Pinned entries that are carried word for word beside the summary.
    async fn pinned(&self) -> Vec<ID> {
        let pinned = self.compaction.carried.pinned.iter();
        pinned
            .map(|quoted| id::global(self.view.id, quoted.entry))
            .collect()
    }

    /// Files that tools have changed, as they are listed beside the summary.
    async fn files_changed(&self) -> CarriedPaths {
        (&self.compaction.carried.changed).into()
    }

    /// Files that tools have only read, as they are listed beside the summary.
    async fn files_read(&self) -> CarriedPaths {
        (&self.compaction.carried.read).into()
    }

    /// Calls of which nobody knows whether they took effect, as they are listed beside the summary.
    async fn unknown_calls(&self) -> Vec<ID> {
        let unknown = self.compaction.carried.unknown.iter();
        unknown.map(|call| id::global(self.view.id, call.call)).collect()
    }

    /// The agent's plan as it was then, a line for each step, where it is carried; null where it was done, or stands in
    /// what was kept.
    async fn plan(&self) -> Answer<Option<String>> {
        let plan = self.compaction.carried.plan.as_ref();
        plan.map(|plan| self.view.op.text(plan.to_string())).transpose()
    }
}

/// A summary under way: of what is old of the conversation, or of a branch that is left.
pub(crate) struct CompactionUnderWay(pub(crate) Arc<View>);

impl CompactionUnderWay {
    pub(crate) fn of(view: &Arc<View>) -> Option<Self> {
        view.session.compactions.open.as_ref()?;
        Some(Self(Arc::clone(view)))
    }
}

/// A summary under way: of what is old of the conversation, or of a branch that is left.
#[Object]
impl CompactionUnderWay {
    /// Why it is made.
    async fn reason(&self) -> Option<CompactionReason> {
        let open = self.0.session.compactions.open.as_ref()?;
        Some(match &open.of {
            Subject::Old { why, .. } => why.into(),
            Subject::Branch(_) => CompactionReason::BranchLeft,
        })
    }

    /// What the summary is asked not to miss.
    async fn focus(&self) -> Option<String> {
        match &self.0.session.compactions.open.as_ref()?.of {
            Subject::Old { why, .. } => focus_of(why),
            Subject::Branch(leaving) => leaving.focus.as_deref().map(str::to_owned),
        }
    }

    /// Of a branch that is left: the entry below which the conversation goes on once the summary is there; null for before
    /// all of them.
    async fn goes_on_below(&self) -> Option<ID> {
        let leaving = self.0.session.compactions.open.as_ref()?.leaving()?;
        leaving.to.map(|to| id::global(self.0.id, to))
    }

    /// Since when.
    async fn since(&self) -> Option<Time> {
        Some(Time(self.0.session.compactions.open.as_ref()?.since))
    }

    /// The request for the summary.
    async fn request(&self) -> Answer<Option<Request>> {
        let open = self.0.session.compactions.open.as_ref();
        open.map(|open| Request::find(&self.0, open.attempt.request))
            .transpose()
    }
}

/// How full the context is. Sizes are in tokens.
pub(crate) struct ContextUse(pub(crate) Arc<View>);

/// How full the context is. Sizes are in tokens.
#[Object]
impl ContextUse {
    /// Size of system prompt, tools and messages as they would be sent now: four characters to a token.
    async fn tokens(&self) -> Long {
        Long(self.0.session.context.tokens())
    }

    /// The same, calibrated by what the provider counted before.
    async fn estimate(&self) -> Long {
        let context = &self.0.session.context;
        Long(context.calibration().estimate(context.tokens()))
    }

    /// What a request and its answer may take together; null where nobody knows. The setting `context_window`.
    async fn window(&self) -> Option<Long> {
        self.0.session.room().window.map(Long)
    }

    /// What is kept free for an answer: the setting `compact_reserve`, less in a small window.
    async fn reserve(&self) -> Long {
        Long(self.0.session.room().reserve)
    }

    /// What a compaction leaves as it is, at the end: the setting `compact_keep`, less in a small window.
    async fn keep(&self) -> Long {
        Long(self.0.session.room().keep)
    }

    /// The estimate above which the conversation is compacted before it is sent; null where that does not happen by
    /// itself.
    async fn threshold(&self) -> Option<Long> {
        self.0.session.compaction_threshold().map(Long)
    }

    /// What the estimate is of the window, in thousandths; null where nobody knows the window.
    async fn per_mille(&self) -> Option<Long> {
        Share::of(&self.0.session).per_mille.map(Long)
    }

    /// Tokens of the window that are left before what is kept free for an answer; null where nobody knows the window.
    async fn free(&self) -> Option<Long> {
        context::of(&self.0.session).free.map(Long)
    }

    /// What fills it, in groups, in the order in which they are sent.
    #[graphql(complexity = "8 * child_complexity")]
    async fn groups(&self) -> Vec<ContextGroup> {
        let groups = context::of(&self.0.session).groups;
        groups.iter().map(ContextGroup::shown).collect()
    }

    /// What fills it, part by part, in the order in which they are sent.
    #[graphql(complexity = "page::cost(first, child_complexity)")]
    async fn parts(&self, first: Option<u32>, after: Option<String>) -> Answer<Option<Page<ContextPart>>> {
        let length = page::length(&self.0.op, first)?;
        let after = page::after::<Place>(after.as_deref())?;
        let parts = context::of(&self.0.session).parts.into_iter().enumerate();
        let shown = parts
            .skip(after.map_or(0, |after| after.0.saturating_add(1)))
            .map(|(place, part)| {
                let view = Arc::clone(&self.0);
                (place.to_string(), ContextPart { view, part })
            });
        Ok(Some(page::page(length, after.is_some(), shown)))
    }

    /// Why that does not happen now all the same: the last compaction saved too little, or got no summary.
    async fn held_back(&self) -> Option<String> {
        Some(match self.0.session.compaction_guard()? {
            Guard::NotShrunk { before, after, .. } => {
                format!("the last compaction brought {before} tokens to {after} only")
            }
            Guard::NoSummary { message, .. } => format!("the last compaction failed: {message}"),
        })
    }
}

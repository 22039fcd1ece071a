//! The root of the graph.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};
use glasswork_agent_core::id::RequestId;

use crate::chart::Chart;
use crate::diff::StateDiff;
use crate::dispatch::{self, Dispatch, DispatchFilter};
use crate::error::{Answer, Code, absent, fail};
use crate::footer::ActiveSession;
use crate::host::Host;
use crate::id;
use crate::model::Model;
use crate::operation::Op;
use crate::page::{self, Page};
use crate::request::Request;
use crate::request_diff::RequestDiff;
use crate::scalar::Long;
use crate::schema::RuntimeSchema;
use crate::session::{Session, View};
use crate::sessions::{self, SearchResult, SessionFilter, SessionSort, SessionSummary};
use crate::slash_command::SlashCommand;
use crate::tool::Tool;
use crate::why::{Why, WhySubject};

/// Everything that can be asked, as of one moment.
pub(crate) struct Query;

fn operation<'a>(context: &Context<'a>) -> Answer<&'a Op> {
    context
        .data_opt::<Op>()
        .ok_or_else(|| fail(Code::Internal, "the query has no snapshot to read"))
}

fn view(op: &Op, session: &str, at: Option<Long>) -> Answer<Arc<View>> {
    View::find(op, op.find(session)?, at.map(|at| at.0))
}

/// Everything that can be asked, as of one moment. What a viewer may not see looks as if it were not there.
#[Object]
impl Query {
    /// The host: the process itself. Null where there is none, or the viewer sees single sessions only.
    async fn host(&self, context: &Context<'_>) -> Answer<Option<Host>> {
        Ok(Host::of(operation(context)?))
    }

    /// The sessions, those first in which something happened last. Sessions in which nothing was said are left out
    /// unless the filter asks for them.
    #[graphql(complexity = "page::cost(first, child_complexity)")]
    async fn sessions(
        &self,
        context: &Context<'_>,
        first: Option<u32>,
        after: Option<String>,
        filter: Option<SessionFilter>,
        #[graphql(default)] sort: SessionSort,
    ) -> Answer<Option<Page<SessionSummary>>> {
        let filter = filter.unwrap_or_default();
        sessions::list(operation(context)?, first, after.as_deref(), filter, sort).map(Some)
    }

    /// Searches in what was said: prompts, answers with their calls of tools, and results of tools, long ones in
    /// part. Takes two seconds at most.
    #[graphql(complexity = "1_000 + page::cost(first, child_complexity)")]
    async fn search(
        &self,
        context: &Context<'_>,
        #[graphql(
            desc = "Words, all of which must occur in one entry: `word`, `prefix*`, `\"a phrase\"`. Nothing in \
                          it is an operator but quotes and the star."
        )]
        query: String,
        #[graphql(desc = "Only in sessions that work in this directory.")] workspace: Option<String>,
        first: Option<u32>,
        #[graphql(desc = "`next` of the page before.")] after: Option<String>,
    ) -> Answer<Option<SearchResult>> {
        sessions::search(operation(context)?, query, workspace, first, after.as_deref()).map(Some)
    }

    /// One session, now or as of a commit.
    async fn session(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Its id, the beginning of it, or `last` for the newest.")] id: String,
        #[graphql(desc = "The commit as of which; now if it is not said.")] at: Option<Long>,
    ) -> Answer<Option<Session>> {
        Ok(Some(Session(view(operation(context)?, &id, at)?)))
    }

    /// What a model was sent, by the number of the request in its session.
    async fn request(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The session: its id, the beginning of it, or `last`.")] session: String,
        #[graphql(desc = "The number of the request, from 1.")] step: Long,
        #[graphql(desc = "The commit as of which; now if it is not said.")] at: Option<Long>,
    ) -> Answer<Option<Request>> {
        Request::find(&view(operation(context)?, &session, at)?, RequestId(step.0)).map(Some)
    }

    /// What differs between two requests of a session, and why a cache could not be used.
    async fn request_diff(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The session: its id, the beginning of it, or `last`.")] session: String,
        #[graphql(desc = "The number of the earlier request.")] from: Long,
        #[graphql(desc = "The number of the later request.")] to: Long,
        #[graphql(desc = "The commit as of which; now if it is not said.")] at: Option<Long>,
    ) -> Answer<Option<RequestDiff>> {
        let view = view(operation(context)?, &session, at)?;
        RequestDiff::between(&view, RequestId(from.0), RequestId(to.0)).map(Some)
    }

    /// What would be sent if a request were prepared now; null where no model is chosen.
    async fn next_request(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The session: its id, the beginning of it, or `last`.")] session: String,
        #[graphql(desc = "The commit as of which; now if it is not said.")] at: Option<Long>,
    ) -> Answer<Option<Request>> {
        Ok(Request::next(&view(operation(context)?, &session, at)?))
    }

    /// The dispatches of a session, oldest first, refusals among them.
    #[graphql(complexity = "page::cost(first, child_complexity)")]
    async fn dispatches(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The session: its id, the beginning of it, or `last`.")] session: String,
        #[graphql(desc = "The commit as of which; now if it is not said.")] at: Option<Long>,
        filter: Option<DispatchFilter>,
        first: Option<u32>,
        after: Option<String>,
    ) -> Answer<Option<Page<Dispatch>>> {
        let view = view(operation(context)?, &session, at)?;
        dispatch::list(&view, first, after.as_deref(), filter.unwrap_or_default()).map(Some)
    }

    /// One dispatch.
    async fn dispatch(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "`session/412`, or `session/412!1` for a refusal.")] id: ID,
    ) -> Answer<Option<Dispatch>> {
        let op = operation(context)?;
        Dispatch::new(op, id::parse_dispatch(op, &id)?).exists().map(Some)
    }

    /// What differs between the states of a session after two commits.
    #[graphql(complexity = "usize::from(first).saturating_mul(child_complexity)")]
    async fn diff(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The session: its id, the beginning of it, or `last`.")] session: String,
        #[graphql(desc = "The commit of the earlier state; 0 is the empty session.")] from: Long,
        #[graphql(desc = "The commit of the later state; the last one if it is not said.")] to: Option<Long>,
        #[graphql(default = 100, desc = "Most changes that are shown.")] first: u16,
    ) -> Answer<Option<StateDiff>> {
        let op = operation(context)?;
        let session = op.find(&session)?;
        let to = match to {
            Some(to) => to.0,
            None => op.session(session, None)?.scope.seq,
        };
        StateDiff::between(op, session, from.0, to, first).map(Some)
    }

    /// The charts: the tables that run.
    #[graphql(complexity = "3 * child_complexity")]
    async fn charts(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The chart of this name; all if it is not said.")] name: Option<String>,
    ) -> Answer<Option<Vec<Chart>>> {
        let charts = Chart::find(operation(context)?, name.as_deref());
        match name {
            Some(name) if charts.is_empty() => Err(absent("chart", name)),
            _ => Ok(Some(charts)),
        }
    }

    /// What the sessions of this host do at this moment, those that want a person first. Those that rest are left out.
    #[graphql(complexity = "16 * child_complexity")]
    async fn activity(&self, context: &Context<'_>) -> Answer<Option<Vec<ActiveSession>>> {
        Ok(Some(ActiveSession::all(operation(context)?, None)))
    }

    /// The slash commands, of which any client gives one with a line: those that fit best what was typed first; all, in
    /// their order, where nothing was.
    #[graphql(complexity = "16 * child_complexity")]
    async fn commands(
        &self,
        #[graphql(default, desc = "What was typed.")] typed: String,
    ) -> Vec<SlashCommand> {
        SlashCommand::fitting(&typed)
    }

    /// The runtime describing itself.
    #[graphql(complexity = "50 * child_complexity")]
    async fn schema(&self) -> RuntimeSchema {
        RuntimeSchema::describe()
    }

    /// The tools that the model of a session may call now.
    #[graphql(complexity = "16 * child_complexity")]
    async fn tools(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The session: its id, the beginning of it, or `last`.")] session: String,
        #[graphql(desc = "The commit as of which; now if it is not said.")] at: Option<Long>,
    ) -> Answer<Option<Vec<Tool>>> {
        Ok(Some(Tool::all(&view(operation(context)?, &session, at)?)))
    }

    /// The models that mounted sessions have chosen or used, by name; with a filter, every model of which anything is
    /// known, at most as many as a page has.
    #[graphql(complexity = "16 * child_complexity")]
    async fn models(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Words that the name, `provider/id`, shall have; empty for all models.")]
        filter: Option<String>,
    ) -> Answer<Option<Vec<Model>>> {
        Model::all(operation(context)?, filter.as_deref()).map(Some)
    }

    /// One model; null where nothing is known of it.
    async fn model(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Its name, as `provider/id`.")] id: String,
    ) -> Answer<Option<Model>> {
        Model::find(operation(context)?, &id)
    }

    /// Why something is as it is: the chain of causes back to what came from outside; for a tool call also who
    /// decided, by which rule, and what they saw.
    #[graphql(complexity = "50 * child_complexity")]
    async fn why(
        &self,
        context: &Context<'_>,
        of: WhySubject,
        #[graphql(desc = "The commit as of which; now if it is not said.")] at: Option<Long>,
    ) -> Answer<Option<Why>> {
        Why::of(operation(context)?, of, at.map(|at| at.0)).map(Some)
    }
}

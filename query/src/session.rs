//! Sessions: one at a commit, and the list of them.

#![allow(
    clippy::too_many_arguments,
    reason = "the arguments of a field are those of the graph, each with its own name and description"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, OnceLock};

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use glasswork_agent_core::id::{CallId, EntryId, RequestId, TurnId};
use glasswork_agent_core::tree::Body;
use glasswork_app_runtime::projection::tree;
use glasswork_app_runtime::reading::Seen;
use glasswork_engine::{Scope, ScopeId};
use glasswork_session_state::{Glasswork, queue, state, waiting};

use crate::attached_client::AttachedClient;
use crate::bisection::{Bisection, Sought};
use crate::call::Call;
use crate::choice::{ChoiceOf, Choices};
use crate::compaction::{CompactionUnderWay, ContextUse};
use crate::dialog::{Dialog, Notification};
use crate::dispatch::{self, Dispatch, DispatchFilter};
use crate::effect::Effect;
use crate::entry::Entry;
use crate::error::{Answer, Code, fail};
use crate::failover::Candidate;
use crate::footer::Footer;
use crate::footprint::Footprint;
use crate::host::Host;
use crate::id;
use crate::import::ImportedFrom;
use crate::journal::JournalFiles;
use crate::limits;
use crate::mcp::McpServer;
use crate::operation::Op;
use crate::origin::Origin;
use crate::page::{self, Page};
use crate::plan::Plan;
use crate::rate_limit::RateLimit;
use crate::request::Request;
use crate::scalar::{Long, Time};
use crate::setting::Setting;
use crate::tokens::Usage;
use crate::tool::Tool;
use crate::tree_node::{Relative, Tree};
use crate::turn::Turn;
use crate::wait::{Deadline, Waiting};

/// A session at one commit, as one operation sees it.
pub(crate) struct View {
    pub(crate) op: Op,
    pub(crate) id: ScopeId,
    pub(crate) scope: Arc<Scope<Glasswork>>,
    pub(crate) session: Arc<state::Session>,
    /// The commit that was asked for; the state may be of an earlier one.
    pub(crate) at: u64,
    pub(crate) mounted: bool,
    active: OnceLock<BTreeSet<EntryId>>,
    below: OnceLock<BTreeMap<Option<EntryId>, Vec<EntryId>>>,
}

/// A session at one commit.
pub(crate) struct Session(pub(crate) Arc<View>);

impl View {
    fn of(op: &Op, seen: Seen, at: Option<u64>) -> Answer<Arc<Self>> {
        let session = seen
            .session()
            .map_err(|error| fail(Code::NotFound, error.to_string()))?;
        let session = Arc::clone(session);
        Ok(Arc::new(Self {
            op: Arc::clone(op),
            id: seen.scope.id,
            at: at.unwrap_or(seen.scope.seq),
            session,
            scope: seen.scope,
            mounted: seen.mounted,
            active: OnceLock::new(),
            below: OnceLock::new(),
        }))
    }

    /// Whether an entry is on the branch to the leaf. Costs that branch, once.
    pub(crate) fn is_active(&self, entry: EntryId) -> bool {
        let active = self.active.get_or_init(|| tree::active(&self.session.tree));
        active.contains(&entry)
    }

    /// The entries directly below one, oldest first. Costs all entries, once.
    pub(crate) fn below(&self, entry: EntryId) -> &[EntryId] {
        let below = self.below.get_or_init(|| tree::below(&self.session.tree));
        below.get(&Some(entry)).map_or(&[], Vec::as_slice)
    }

    /// A session now, or as of a commit.
    pub(crate) fn find(op: &Op, id: ScopeId, at: Option<u64>) -> Answer<Arc<Self>> {
        Self::of(op, op.session(id, at)?, at)
    }
}

impl Session {
    pub(crate) fn now(op: &Op, id: ScopeId) -> Answer<Self> {
        View::find(op, id, None).map(Self)
    }
}

/// What a session is called, where it works, when it was made.
#[derive(Debug, SimpleObject)]
pub(crate) struct Meta {
    /// Its title; null until someone gives one.
    title: Option<String>,
    /// The directory in which it works.
    workspace: String,
    /// When it was first opened.
    created: Time,
    /// The branch that was checked out there when it was last opened or prompted; null where none was.
    branch: Option<String>,
    /// The commit that was checked out then, in hexadecimal; null where the directory is in no Git repository.
    commit: Option<String>,
    /// Whether it stands before others in lists.
    pinned: bool,
}

/// Where two sessions part.
#[derive(Debug, SimpleObject)]
pub(crate) struct ForkPoint {
    /// The other session: the parent, or the child.
    session: ID,
    /// The commit of the parent at which the child was forked; of an imported one the commit that has who called it.
    at: Long,
}

impl ForkPoint {
    pub(crate) fn of(session: ScopeId, at: u64) -> Self {
        Self {
            session: ID(session.to_string()),
            at: Long(at),
        }
    }
}

/// Secrets of one kind that were masked.
#[derive(Debug, SimpleObject)]
pub(crate) struct Masked {
    /// What kind, as placeholders name it: `github-token`, `password` ...
    kind: String,
    /// How many different ones. At most 4096 of all kinds are counted.
    count: u32,
}

/// Which calls of a session.
#[derive(Debug, Default, InputObject)]
pub(crate) struct CallFilter {
    /// Those that stand in this state of the `tool_call` chart.
    state: Option<String>,
    /// Those of this tool.
    tool: Option<String>,
    /// Those that are settled, or those that are not.
    settled: Option<bool>,
}

/// Words that wait.
#[derive(SimpleObject)]
pub(crate) struct QueuedWords {
    /// The words.
    text: String,
    /// Whose they are.
    origin: Origin,
    /// The dispatch that brought them.
    by: Dispatch,
    /// When it did.
    at: Time,
}

/// Words that wait, at most 64 in each lane.
pub(crate) struct Queue(Arc<View>);

impl Queue {
    fn lane(&self, words: &im::Vector<queue::Waiting>) -> Answer<Option<Vec<QueuedWords>>> {
        let view = &self.0;
        let word = |word: &queue::Waiting| {
            Ok(QueuedWords {
                text: view.op.text(&*word.text)?,
                origin: Origin::of(view.id, &word.by),
                by: Dispatch::commit(&view.op, view.id, word.dispatch),
                at: Time(word.at),
            })
        };
        words.iter().map(word).collect::<Answer<_>>().map(Some)
    }
}

/// Words that wait, at most 64 in each lane.
#[Object]
impl Queue {
    /// Taken in before the next step of the running turn.
    #[graphql(complexity = "16 * child_complexity")]
    async fn steering(&self) -> Answer<Option<Vec<QueuedWords>>> {
        self.lane(&self.0.session.queue.steering)
    }

    /// Begin a turn when the running one is completed.
    #[graphql(complexity = "16 * child_complexity")]
    async fn follow_ups(&self) -> Answer<Option<Vec<QueuedWords>>> {
        self.lane(&self.0.session.queue.follow_ups)
    }

    /// Steering that the last turn did not take in any more.
    #[graphql(complexity = "16 * child_complexity")]
    async fn returned(&self) -> Answer<Option<Vec<QueuedWords>>> {
        self.lane(&self.0.session.queue.returned)
    }
}

/// A session: a conversation, as of one commit.
#[Object]
impl Session {
    /// Its id.
    pub(crate) async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// The commit that was asked for, or the last one.
    async fn seq(&self) -> Long {
        Long(self.0.at)
    }

    /// The commit whose state is shown. Earlier than `seq` where `seq` is a delta, one of many small steps of an
    /// answer, whose states are not kept.
    async fn as_of(&self) -> Long {
        Long(self.0.scope.seq)
    }

    /// When that commit was made.
    async fn at(&self) -> Time {
        Time(self.0.scope.at)
    }

    /// How often the journal was opened for writing. Part of every cursor on the feed.
    async fn epoch(&self) -> u32 {
        self.0.scope.epoch
    }

    /// Whether it is mounted here: in memory, and open for events.
    async fn loaded(&self) -> bool {
        self.0.mounted
    }

    /// Why nothing more can be written to its journal, once an append has failed.
    async fn journal_failure(&self) -> Option<String> {
        self.0.scope.journal_failure.as_deref().map(str::to_owned)
    }

    /// Why its state cannot be trusted, though it can be read: an invariant that it breaks, or an entity that is not
    /// what it was when it was noted; null where nothing is wrong.
    async fn unsound(&self) -> Option<String> {
        self.0.scope.unsound.as_deref().map(str::to_owned)
    }

    /// What is kept of it on the disk now; null where its record lies elsewhere.
    async fn journal(&self) -> Answer<Option<JournalFiles>> {
        self.0.op.kept(self.0.id).map(|kept| kept.map(JournalFiles::from))
    }

    /// What it is called, where it works, when it was made.
    async fn meta(&self) -> Meta {
        let meta = &self.0.session.meta;
        Meta {
            title: meta.title.as_deref().map(str::to_owned),
            workspace: meta.workspace.to_string(),
            created: Time(meta.created),
            branch: meta.head.branch.as_deref().map(str::to_owned),
            commit: meta.head.commit.as_deref().map(str::to_owned),
            pinned: meta.pinned,
        }
    }

    /// Where it was forked from another session, or, of an agent's imported conversation, where that agent was called;
    /// null for all others.
    async fn forked_from(&self) -> Option<ForkPoint> {
        let parent = self.0.session.meta.parent?;
        Some(ForkPoint::of(parent.session, parent.at))
    }

    /// The forks that were made of it, and the conversations of agents that it called and that were imported with it,
    /// in order of their ids, at most 4096. Those that are still being made are left out.
    async fn children(&self) -> Vec<ForkPoint> {
        let children = self.0.session.children.iter();
        let made = children.filter(|(_, child)| child.effect.is_none());
        made.map(|(id, child)| ForkPoint::of(*id, child.at)).collect()
    }

    /// The secrets that were masked before they came to it, in order of their kinds. In the conversation stand
    /// placeholders, such as `[secret:password:1a2b3c4d5:1]`; nothing here has the values.
    async fn masked(&self) -> Vec<Masked> {
        let masked = |(kind, count): (Arc<str>, u32)| Masked {
            kind: kind.to_string(),
            count,
        };
        self.0.session.masked.counts().into_iter().map(masked).collect()
    }

    /// Where its conversation was imported from; null for one that was begun here.
    #[graphql(complexity = "8 * child_complexity")]
    async fn imported_from(&self) -> Option<ImportedFrom> {
        self.0.session.import.as_deref().map(ImportedFrom::of)
    }

    /// Where it stands: a state of the `session` chart.
    async fn state(&self) -> &'static str {
        self.0.session.state.into()
    }

    /// The open turn, or the last one.
    async fn turn(&self) -> Option<Turn> {
        let turn = self.0.session.turn.clone()?;
        Some(Turn {
            view: Arc::clone(&self.0),
            turn,
        })
    }

    /// All turns, oldest first.
    #[graphql(complexity = "page::cost(first, child_complexity)")]
    async fn turns(&self, first: Option<u32>, after: Option<String>) -> Answer<Option<Page<Turn>>> {
        let length = page::length(&self.0.op, first)?;
        let after = page::after::<u64>(after.as_deref())?.map(TurnId);
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let past = self
            .0
            .session
            .past
            .range((from, Bound::Unbounded))
            .map(|(_, turn)| turn);
        let last = self
            .0
            .session
            .turn
            .iter()
            .filter(|turn| after.is_none_or(|after| turn.id > after));
        let shown = past.chain(last).map(|turn| {
            (
                turn.id.to_string(),
                Turn {
                    view: Arc::clone(&self.0),
                    turn: Arc::clone(turn),
                },
            )
        });
        Ok(Some(page::page(length, after.is_some(), shown)))
    }

    /// Entries of the conversation, oldest first: of the branch to the leaf, or of all branches.
    #[graphql(complexity = "page::cost(first, child_complexity)")]
    async fn entries(
        &self,
        first: Option<u32>,
        after: Option<String>,
        #[graphql(desc = "Only the last so many, before `after` and `first` are looked at.")] newest: Option<
            u32,
        >,
        #[graphql(default, desc = "Entries of all branches, not only of the one to the leaf.")] all_branches: bool,
    ) -> Answer<Option<Page<Entry>>> {
        let length = page::length(&self.0.op, first)?;
        let after = page::after::<EntryId>(after.as_deref())?;
        let newest = newest.map_or(usize::MAX, |newest| usize::try_from(newest).unwrap_or(usize::MAX));
        let tree = &self.0.session.tree;
        let newer = |id: EntryId| after.is_none_or(|after| id > after);
        // Both ways lead from the newest entry to the oldest, so that the end of a long conversation costs little.
        let mut found: Vec<_> = if all_branches {
            tree.entries()
                .rev()
                .take(newest)
                .take_while(|(id, _)| newer(*id))
                .collect()
        } else {
            tree.branch()
                .take(newest)
                .take_while(|(id, _)| newer(*id))
                .collect()
        };
        found.reverse();
        let shown = found.into_iter().map(|(id, entry)| {
            (
                id.to_string(),
                Entry {
                    view: Arc::clone(&self.0),
                    id,
                    entry: Arc::clone(entry),
                },
            )
        });
        Ok(Some(page::page(length, after.is_some(), shown)))
    }

    /// Compactions on all branches, oldest first. One that failed is no entry; its request is among `requests`.
    #[graphql(complexity = "page::cost(first, child_complexity)")]
    async fn compactions(&self, first: Option<u32>, after: Option<String>) -> Answer<Option<Page<Entry>>> {
        let length = page::length(&self.0.op, first)?;
        let after = page::after::<EntryId>(after.as_deref())?;
        let entries = self.0.session.tree.entries();
        let made = entries.filter(|(id, entry)| {
            matches!(entry.body, Body::Compaction(_)) && after.is_none_or(|after| *id > after)
        });
        let shown = made.map(|(id, entry)| {
            let entry = Entry {
                view: Arc::clone(&self.0),
                id,
                entry: Arc::clone(entry),
            };
            (id.to_string(), entry)
        });
        Ok(Some(page::page(length, after.is_some(), shown)))
    }

    /// The summary under way: a compaction, or one of a branch that is left.
    async fn compaction(&self) -> Option<CompactionUnderWay> {
        CompactionUnderWay::of(&self.0)
    }

    /// How full the context is.
    async fn context(&self) -> ContextUse {
        ContextUse(Arc::clone(&self.0))
    }

    /// One entry, by its global name.
    async fn entry(&self, id: ID) -> Answer<Option<Entry>> {
        let (session, entry) = id::parse_entry(&self.0.op, &id)?;
        self.own(session, &id)?;
        Entry::find(&self.0, entry).map(Some)
    }

    /// The entry at which the conversation goes on; null before anything was said.
    async fn leaf(&self) -> Answer<Option<Entry>> {
        self.0
            .session
            .tree
            .leaf()
            .map(|leaf| Entry::find(&self.0, leaf))
            .transpose()
    }

    /// How many entries there are, on all branches.
    async fn entry_count(&self) -> Long {
        Long::of(self.0.session.tree.len())
    }

    /// Tool calls, oldest first.
    #[graphql(complexity = "page::cost(first, child_complexity)")]
    async fn calls(
        &self,
        first: Option<u32>,
        after: Option<String>,
        filter: Option<CallFilter>,
    ) -> Answer<Option<Page<Call>>> {
        let length = page::length(&self.0.op, first)?;
        let after = page::after::<CallId>(after.as_deref())?;
        let filter = filter.unwrap_or_default();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let wanted = self
            .0
            .session
            .calls
            .range((from, Bound::Unbounded))
            .filter(|(_, call)| {
                let state: &'static str = call.state.into();
                filter.state.as_deref().is_none_or(|wanted| wanted == state)
                    && filter
                        .tool
                        .as_deref()
                        .is_none_or(|wanted| wanted == &*call.call.name)
                    && filter
                        .settled
                        .is_none_or(|settled| settled == call.state.is_terminal())
            });
        let shown = wanted.map(|(id, call)| (id.to_string(), Call::of(&self.0, *id, call)));
        Ok(Some(page::page(length, after.is_some(), shown)))
    }

    /// One tool call, by its global name.
    async fn call(&self, id: ID) -> Answer<Option<Call>> {
        let (session, call) = id::parse_call(&self.0.op, &id)?;
        self.own(session, &id)?;
        Call::find(&self.0, call).map(Some)
    }

    /// Words that wait.
    async fn queue(&self) -> Queue {
        Queue(Arc::clone(&self.0))
    }

    /// All settings, each with where its value comes from.
    #[graphql(complexity = "20 * child_complexity")]
    async fn settings(&self) -> Vec<Setting> {
        self.0.session.settings.all().iter().map(Setting::from).collect()
    }

    /// The tools that the model may call now.
    #[graphql(complexity = "16 * child_complexity")]
    async fn tools(&self) -> Vec<Tool> {
        Tool::all(&self.0)
    }

    /// The agent's plan; null where it has none.
    async fn plan(&self) -> Option<Plan> {
        Plan::of(&self.0)
    }

    /// The MCP servers that it has, by name; at most 32.
    #[graphql(complexity = "8 * child_complexity")]
    async fn mcp_servers(&self) -> Vec<McpServer> {
        McpServer::all(&self.0)
    }

    /// Requests that were prepared, oldest first.
    #[graphql(complexity = "page::cost(first, child_complexity)")]
    async fn requests(&self, first: Option<u32>, after: Option<String>) -> Answer<Option<Page<Request>>> {
        let length = page::length(&self.0.op, first)?;
        let after = page::after::<u64>(after.as_deref())?.map(RequestId);
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let asked = self.0.session.requests.range((from, Bound::Unbounded));
        let shown = asked.map(|(id, prepared)| (id.to_string(), Request::of(&self.0, *id, prepared)));
        Ok(Some(page::page(length, after.is_some(), shown)))
    }

    /// One request, by its number from 1.
    async fn request(&self, number: Long) -> Answer<Option<Request>> {
        Request::find(&self.0, RequestId(number.0)).map(Some)
    }

    /// What would be sent if a request were prepared now; null where no model is chosen.
    async fn next_request(&self) -> Option<Request> {
        Request::next(&self.0)
    }

    /// What was used: of a fork also before it was made. Sums over sessions are made of `ownUsage`.
    async fn usage(&self) -> Usage {
        Usage::from(&self.0.session.usage)
    }

    /// Of that, what it has used itself.
    async fn own_usage(&self) -> Usage {
        Usage::from(&self.0.session.spent())
    }

    /// Of that, what was used before it was forked, which is on record in another session. A fork counts from its first
    /// opening.
    async fn inherited_usage(&self) -> Usage {
        Usage::from(&self.0.session.inherited)
    }

    /// Effects whose outcome is not recorded yet.
    #[graphql(complexity = "16 * child_complexity")]
    async fn open_effects(&self) -> Answer<Option<Vec<Effect>>> {
        let effects = self.0.scope.open.iter();
        effects
            .map(|(key, effect)| Effect::of(&self.0.op, self.0.id, *key, effect))
            .collect::<Answer<_>>()
            .map(Some)
    }

    /// The deadlines that run.
    #[graphql(complexity = "8 * child_complexity")]
    async fn deadlines(&self) -> Vec<Deadline> {
        Deadline::all(self.0.id, &self.0.scope.state)
    }

    /// What the providers that it asked allow within a time, as each said last; empty where they do not say.
    #[graphql(complexity = "16 * child_complexity")]
    async fn rate_limits(&self) -> Vec<RateLimit> {
        RateLimit::all(&self.0.session)
    }

    /// What it waits for, since when, and who can unblock it; never empty.
    #[graphql(complexity = "8 * child_complexity")]
    async fn waiting_for(&self) -> Vec<Waiting> {
        waiting::waiting_for(&self.0.session)
            .iter()
            .map(|waiting| Waiting::of(self.0.id, waiting))
            .collect()
    }

    /// Its footer: where it works, what it has used, how full its window is, what it asks, what counts down.
    #[graphql(complexity = "4 + child_complexity")]
    async fn footer(&self) -> Footer {
        Footer::of(&self.0)
    }

    /// The tree of its conversation, with where other sessions begin.
    #[graphql(complexity = "16 + child_complexity")]
    async fn tree(&self) -> Tree {
        Tree::of(&self.0)
    }

    /// The session from which it descends by forks, and all that descend from that one, each before its own forks, at
    /// most 256; as they are now, also where the session is seen as of a past commit.
    #[graphql(complexity = "50 * child_complexity")]
    async fn family(&self) -> Answer<Option<Vec<Relative>>> {
        let family = self.0.op.family(self.0.id)?;
        Ok(Some(family.iter().map(Relative::of).collect()))
    }

    /// What it asks people, in the order in which it asked.
    #[graphql(complexity = "8 * child_complexity")]
    async fn dialogs(&self) -> Vec<Dialog> {
        Dialog::all(&self.0)
    }

    /// What people should know without having asked, what matters most first.
    #[graphql(complexity = "8 * child_complexity")]
    async fn notifications(&self) -> Answer<Option<Vec<Notification>>> {
        Notification::all(&self.0).map(Some)
    }

    /// The clients that are attached to it at this moment, in the order in which they came.
    #[graphql(complexity = "16 * child_complexity")]
    async fn clients(&self) -> Vec<AttachedClient> {
        let host = Host::of(&self.0.op);
        host.map_or_else(Vec::new, |host| host.clients_of(self.0.id))
    }

    /// Its dispatches, oldest first, refusals among them; up to the commit as of which it is seen.
    #[graphql(complexity = "page::cost(first, child_complexity)")]
    async fn dispatches(
        &self,
        first: Option<u32>,
        after: Option<String>,
        filter: Option<DispatchFilter>,
    ) -> Answer<Option<Page<Dispatch>>> {
        dispatch::list(&self.0, first, after.as_deref(), filter.unwrap_or_default()).map(Some)
    }

    /// What its tools have done to files.
    async fn footprint(&self) -> Footprint {
        Footprint(Arc::clone(&self.0))
    }

    /// The models that may be asked in the place of its own, by name, as the host knew them when a turn began last.
    #[graphql(complexity = "8 * child_complexity")]
    async fn candidates(&self) -> Vec<Candidate> {
        self.0.session.candidates.values().map(Candidate::of).collect()
    }

    /// What can be picked in it where a slash command wants an argument, or a prompt a file: what fits best what was
    /// typed first, and at most 2000.
    #[graphql(complexity = "2_000 * child_complexity")]
    async fn choices(
        &self,
        #[graphql(desc = "What is picked.")] of: ChoiceOf,
        #[graphql(default, desc = "What was typed.")] typed: String,
    ) -> Answer<Option<Choices>> {
        Choices::of(&self.0, of, &typed).map(Some)
    }

    /// Looks for the first commit after which something holds, among those up to the commit as of which the session
    /// is seen: the same search as `glasswork bisect`. Only a query asks for it, and none within another.
    #[graphql(complexity = "limits::BISECTION + child_complexity")]
    async fn bisect(
        &self,
        context: &Context<'_>,
        #[graphql(
            desc = "Fields of this type, as in a query: `turn { state }`. They are asked of each state."
        )]
        query: String,
        #[graphql(
            desc = "Which value of the answer is looked at: names and places in lists, with dots between them. \
                    Without it `query` has one field in all."
        )]
        path: Option<String>,
        #[graphql(
            desc = "It holds where the value is this one: JSON, or a bare word. Without `is` and `above` the value \
                    has to be true."
        )]
        is: Option<String>,
        #[graphql(desc = "It holds where the value is a number above this one.")] above: Option<f64>,
        #[graphql(desc = "The first commit that is looked at; 1 if it is not said.")] from: Option<Long>,
        #[graphql(desc = "The last one; that as of which the session is seen if it is not said.")] to: Option<
            Long,
        >,
        #[graphql(
            default,
            desc = "That it holds on once it holds: then a few states are looked at, not each."
        )]
        monotone: bool,
    ) -> Answer<Option<Bisection>> {
        let what = Sought {
            query,
            path,
            is,
            above,
            from: from.map(|from| from.0),
            to: to.map(|to| to.0),
            monotone,
        };
        Bisection::of(context, &self.0, what).await.map(Some)
    }
}

impl Session {
    fn own(&self, session: ScopeId, name: &str) -> Answer<()> {
        if session == self.0.id {
            return Ok(());
        }
        let message = format!("`{name}` is of another session than {}", self.0.id);
        Err(fail(Code::NotFound, message))
    }
}

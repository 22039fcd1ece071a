//! Being told of what comes. All of it rides on the feed of a session: each commit once and in order, or in a gap that
//! is marked.

use async_graphql::futures_util::{Stream, stream};
use async_graphql::{Context, Enum, ID, InputObject, Json, SimpleObject, Subscription as Subscribe, Union};
use glasswork_app_runtime::projection::invalidation::Projection as Touched;
use glasswork_app_runtime::projection::{
    activity, context, dialogs, footer, notifications, status, transcript, tree,
};
use glasswork_app_runtime::watching::{Update, Watch};
use glasswork_engine::{Cursor, Domain as _, FeedItem, Follower, Following, ScopeId};
use glasswork_session_state::Glasswork;
use glasswork_session_state::state::Session as State;
use serde_json::Value;

use crate::asker::Asker;
use crate::cursor::CommitCursor;
use crate::dispatch::Dispatch;
use crate::error::{Answer, Code, fail};
use crate::operation::Commit;
use crate::origin::OriginKind;
use crate::scalar::Long;
use crate::session::Session;
use crate::text;

/// What one can be told of.
pub(crate) struct Subscription;

/// Which commits.
#[derive(Debug, Default, InputObject)]
pub(crate) struct CommitFilter {
    /// Those of these events, by name.
    events: Option<Vec<String>>,
    /// Those of this kind of origin.
    origin: Option<OriginKind>,
    /// Also those that say only how an effect is coming along: the pieces of an answer, the output of a command.
    #[graphql(default = true)]
    deltas: bool,
}

impl CommitFilter {
    fn takes(&self, commit: &Commit) -> bool {
        let name = Glasswork::event_name(&commit.event);
        self.events
            .as_ref()
            .is_none_or(|events| events.iter().any(|event| event == name))
            && self
                .origin
                .is_none_or(|origin| origin == OriginKind::of(&commit.origin))
            && (self.deltas || commit.delta_of().is_none())
    }
}

/// A commit.
#[derive(SimpleObject)]
pub(crate) struct Committed {
    /// Where it stands. Whoever comes back with this is told of what follows it.
    cursor: CommitCursor,
    /// The commit.
    dispatch: Dispatch,
}

/// Commits that are not coming: the subscriber was too slow, or asked for what memory no longer has. `dispatches` reads
/// them from the record.
#[derive(SimpleObject)]
pub(crate) struct Missed {
    /// Where the last of them stands.
    cursor: CommitCursor,
    /// The first one missed.
    from: Long,
    /// The last one missed.
    to: Long,
}

/// The cursor that was given is not of this record: what its holder knows is to be thrown away.
#[derive(SimpleObject)]
pub(crate) struct Resync {
    /// Where the session stands. What follows this comes.
    cursor: CommitCursor,
}

/// Nothing more can be written to the session's record; no commit follows.
#[derive(SimpleObject)]
pub(crate) struct RecordingFailed {
    /// Why, and what to do.
    reason: String,
}

/// The session was closed or unmounted, or the runtime has stopped; nothing more comes.
#[derive(SimpleObject)]
pub(crate) struct Ended {
    /// Why, and what to do.
    reason: String,
}

/// Something about the commits of a session.
#[derive(Union)]
pub(crate) enum CommitEvent {
    /// A commit.
    Committed(Box<Committed>),
    /// Commits that are not coming.
    Missed(Missed),
    /// The cursor is of another record.
    Resync(Resync),
    /// Nothing more can be written.
    RecordingFailed(RecordingFailed),
    /// Nothing more comes.
    Ended(Ended),
}

/// A session that has changed.
#[derive(SimpleObject)]
pub(crate) struct SessionChange {
    /// The commit as of which it is; those between this change and the one before are in it.
    cursor: CommitCursor,
    /// The session as of it; null where nothing more comes.
    session: Option<Session>,
    /// Why nothing more comes; null where more may.
    end: Option<String>,
}

/// What of a session screens show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum ProjectionKind {
    /// What it does, what it waits for, what it has used: `run --output-format json` and lists have the same.
    Status,
    /// The tree of its conversation, in a few words for each entry.
    Tree,
    /// The conversation, from its beginning to where it stands.
    Transcript,
    /// What a footer has: place, title, figures, model, mode, and countdowns with the moment at which they end.
    Footer,
    /// What fills the window, by group and part by part.
    Context,
    /// What people are asked, with the commands that answer it.
    Dialogs,
    /// What people should know.
    Notifications,
    /// What it does, as lists of what all sessions do have it; null where it rests.
    Activity,
    /// What happens, one after the other: what `run --output-format stream-json` prints.
    Updates,
}

/// What has to be touched for something to change, and how it is computed.
type Computed = (Touched, fn(&State) -> Value);

impl ProjectionKind {
    /// What has to be touched for it to change, and how it is computed; `None` of what happens, which is told as it comes.
    fn computed(self) -> Option<Computed> {
        Some(match self {
            Self::Status => (Touched::Status, |state| text::json(&status::of(state))),
            Self::Tree => (Touched::Tree, |state| text::json(&tree::of(state))),
            Self::Transcript => (Touched::Transcript, |state| text::json(&transcript::of(state))),
            Self::Footer => (Touched::Footer, |state| text::json(&footer::of(state))),
            Self::Context => (Touched::Context, |state| text::json(&context::of(state))),
            Self::Dialogs => (Touched::Dialogs, |state| text::json(&dialogs::of(state))),
            Self::Notifications => (Touched::Notifications, |state| {
                text::json(&notifications::of(state))
            }),
            Self::Activity => (Touched::Activity, |state| text::json(&activity::of(state))),
            Self::Updates => return None,
        })
    }
}

/// What screens show of a session, once more.
#[derive(SimpleObject)]
pub(crate) struct Projection {
    /// The session.
    session: ID,
    /// The commit as of which it is.
    seq: Long,
    /// What it is.
    kind: ProjectionKind,
    /// The whole of it; of `UPDATES` a list of what happened since the last one.
    payload: Json<Value>,
    /// Why nothing more comes; null where more may.
    end: Option<String>,
}

const ENDED: &str =
    "the session is not open here any more; `open` it, and subscribe again with the last cursor";

fn not_open(session: &str) -> async_graphql::Error {
    fail(
        Code::NotOpen,
        format!("session `{session}` is not open here; `open` it first, or `prompt` it"),
    )
}

/// The commits of one session, as they come.
struct Commits {
    asker: Asker,
    epoch: u32,
    follower: Follower<Glasswork>,
    filter: CommitFilter,
    resync: Option<u64>,
    over: bool,
}

impl Commits {
    fn cursor(&self, seq: u64) -> CommitCursor {
        CommitCursor::new(self.epoch, seq)
    }

    async fn next(&mut self) -> Option<CommitEvent> {
        if self.over {
            return None;
        }
        if let Some(seq) = self.resync.take() {
            let cursor = self.cursor(seq);
            return Some(CommitEvent::Resync(Resync { cursor }));
        }
        loop {
            return Some(match self.follower.next().await {
                FeedItem::Commit(commit) if !self.filter.takes(&commit) => continue,
                FeedItem::Commit(commit) => CommitEvent::Committed(Box::new(Committed {
                    cursor: self.cursor(commit.id.seq),
                    dispatch: Dispatch::read(&self.asker.look(), &commit),
                })),
                FeedItem::Gap { from, to } => CommitEvent::Missed(Missed {
                    cursor: self.cursor(to),
                    from: Long(from),
                    to: Long(to),
                }),
                FeedItem::JournalFailed(reason) => {
                    self.over = true;
                    CommitEvent::RecordingFailed(RecordingFailed {
                        reason: reason.to_string(),
                    })
                }
                FeedItem::Ended => {
                    self.over = true;
                    CommitEvent::Ended(Ended {
                        reason: ENDED.to_owned(),
                    })
                }
            });
        }
    }
}

/// A session as it is, whenever it has changed.
struct Changes {
    asker: Asker,
    session: ScopeId,
    epoch: u32,
    seq: u64,
    follower: Follower<Glasswork>,
    deltas: bool,
    begun: bool,
    over: bool,
}

impl Changes {
    async fn next(&mut self) -> Option<Answer<SessionChange>> {
        if self.over {
            return None;
        }
        if std::mem::replace(&mut self.begun, true) {
            let mut changed = false;
            while !changed {
                let first = self.follower.next().await;
                let mut item = Some(first);
                // What came meanwhile is in the state already.
                while let Some(next) = item {
                    match next {
                        FeedItem::Commit(commit) => {
                            // What was told may have been ahead of its commit.
                            let is_new = commit.id.seq > self.seq;
                            changed |= is_new && (self.deltas || commit.delta_of().is_none());
                            self.seq = self.seq.max(commit.id.seq);
                        }
                        FeedItem::Gap { to, .. } => {
                            changed |= to > self.seq;
                            self.seq = self.seq.max(to);
                        }
                        FeedItem::JournalFailed(reason) => return Some(Ok(self.end(reason.to_string()))),
                        FeedItem::Ended => return Some(Ok(self.end(ENDED.to_owned()))),
                    }
                    item = self.follower.try_next();
                }
            }
        }
        let seen = Session::now(&self.asker.look(), self.session);
        self.over = seen.is_err();
        Some(seen.map(|session| {
            // It may be newer than the commit that was heard of, never older.
            self.seq = session.0.scope.seq;
            SessionChange {
                cursor: CommitCursor::new(self.epoch, self.seq),
                session: Some(session),
                end: None,
            }
        }))
    }

    fn end(&mut self, reason: String) -> SessionChange {
        self.over = true;
        SessionChange {
            cursor: CommitCursor::new(self.epoch, self.seq),
            session: None,
            end: Some(reason),
        }
    }
}

/// What screens show of a session, whenever that has changed.
struct Projected {
    session: ScopeId,
    kind: ProjectionKind,
    watch: Watch,
    last: Value,
    begun: bool,
    over: bool,
}

impl Projected {
    fn told(&self, payload: Value, end: Option<String>) -> Projection {
        Projection {
            session: ID(self.session.to_string()),
            seq: Long(self.watch.seq()),
            kind: self.kind,
            payload: Json(payload),
            end,
        }
    }

    async fn next(&mut self) -> Option<Projection> {
        if self.over {
            return None;
        }
        let computed = self.kind.computed();
        if !std::mem::replace(&mut self.begun, true)
            && let Some((_, whole)) = computed
        {
            self.last = whole(self.watch.session());
            return Some(self.told(self.last.clone(), None));
        }
        loop {
            let watched = self.watch.next().await;
            let end = watched.updates.iter().find_map(|update| match update {
                Update::RecordingFailed { reason } => Some(reason.to_string()),
                Update::Ended => Some(ENDED.to_owned()),
                _ => None,
            });
            self.over = end.is_some();
            let payload = match computed {
                None if watched.updates.is_empty() => continue,
                None => text::json(&watched.updates),
                // Most commits are pieces of an answer, and touch little.
                Some((touched, _)) if end.is_none() && !watched.touches.contains(&touched) => continue,
                Some((_, whole)) => {
                    let whole = whole(self.watch.session());
                    if whole == self.last && end.is_none() {
                        continue;
                    }
                    self.last = whole.clone();
                    whole
                }
            };
            return Some(self.told(payload, end));
        }
    }
}

/// What one can be told of, of a session that is open here. A subscriber that is too slow is told what it missed.
#[Subscribe]
impl Subscription {
    /// The commits of a session: each once and in order, or in a gap that is marked.
    async fn commits(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The session: its id, the beginning of it, or `last`.")] session: String,
        filter: Option<CommitFilter>,
        #[graphql(desc = "What was seen already; what comes from now on if it is not said.")] from: Option<
            CommitCursor,
        >,
    ) -> async_graphql::Result<impl Stream<Item = CommitEvent>> {
        let asker = Asker::of(context)?.clone();
        let id = asker.look().find(&session)?;
        let seen = from.map(|cursor| Cursor {
            epoch: cursor.epoch,
            seq: cursor.seq.0,
        });
        let following = asker.graph.reader().follow(&asker.viewer, id, seen);
        let Following {
            base,
            follower,
            resync,
        } = following.ok_or_else(|| not_open(&session))?;
        let commits = Commits {
            asker,
            epoch: base.epoch,
            follower,
            filter: filter.unwrap_or(CommitFilter {
                deltas: true,
                ..CommitFilter::default()
            }),
            resync: resync.then_some(base.seq),
            over: false,
        };
        Ok(stream::unfold(commits, |mut commits| async move {
            let event = commits.next().await?;
            Some((event, commits))
        }))
    }

    /// A session as it is now, and then whenever it has changed. Of changes that come faster than they are read the
    /// last one is told.
    async fn session(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Its id, the beginning of it, or `last`.")] id: String,
        #[graphql(
            default,
            desc = "Also when only an effect is coming along: the pieces of an answer, the output of a command."
        )]
        deltas: bool,
    ) -> async_graphql::Result<impl Stream<Item = Answer<SessionChange>>> {
        let asker = Asker::of(context)?.clone();
        let session = asker.look().find(&id)?;
        let following = asker.graph.reader().follow(&asker.viewer, session, None);
        let Following { base, follower, .. } = following.ok_or_else(|| not_open(&id))?;
        let changes = Changes {
            asker,
            session,
            epoch: base.epoch,
            seq: base.seq,
            follower,
            deltas,
            begun: false,
            over: false,
        };
        Ok(stream::unfold(changes, |mut changes| async move {
            let change = changes.next().await?;
            Some((change, changes))
        }))
    }

    /// What screens show of a session, now and then whenever that has changed. It is computed anew from the state,
    /// never sent before it.
    async fn projection(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The session: its id, the beginning of it, or `last`.")] session: String,
        kind: ProjectionKind,
    ) -> async_graphql::Result<impl Stream<Item = Projection>> {
        let asker = Asker::of(context)?.clone();
        let id = asker.look().find(&session)?;
        let watch = asker.graph.reader().watch(&asker.viewer, id);
        let projected = Projected {
            session: id,
            kind,
            watch: watch.ok_or_else(|| not_open(&session))?,
            last: Value::Null,
            begun: false,
            over: false,
        };
        Ok(stream::unfold(projected, |mut projected| async move {
            let told = projected.next().await?;
            Some((told, projected))
        }))
    }
}

//! The list of sessions, and the search in them: from the index, and from what is mounted.

use std::sync::Arc;

use async_graphql::{Enum, ID, InputObject, Object, SimpleObject};
use glasswork_app_runtime::archive::{
    self, Cursor, Filter, Hit, Listing, Piece, Search, SearchError, Sort, Speaker, Status,
};
use glasswork_app_runtime::reading::SessionRow;

use crate::error::{Answer, Code, fail};
use crate::id;
use crate::operation::Op;
use crate::page::{self, Page};
use crate::scalar::{Long, Time};
use crate::session::Session;

/// A row of the list of sessions: what is known of each without opening it.
pub(crate) struct SessionSummary {
    op: Op,
    row: SessionRow,
}

/// Which sessions.
#[derive(Debug, Default, InputObject)]
pub(crate) struct SessionFilter {
    /// Those that are mounted here, or those that are not.
    loaded: Option<bool>,
    /// Those that are damaged, or those that are not.
    damaged: Option<bool>,
    /// Those in which nothing was said, too.
    #[graphql(default)]
    empty: bool,
    /// Those that work in this directory.
    workspace: Option<String>,
    /// Those that stand so.
    status: Option<SessionStatus>,
    /// Those that ask this model, as `provider/id`.
    model: Option<String>,
    /// Those in whose title, or first words where there is none, this text occurs, without regard to case.
    named: Option<String>,
}

/// By what the list is sorted. Titles ascend, all else descends; what is equal is sorted by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
#[graphql(remote = "Sort")]
pub(crate) enum SessionSort {
    /// By the last commit, or the making where there is none.
    #[default]
    Updated,
    /// By the making.
    Created,
    /// By the number of messages.
    Messages,
    /// By cost; where it is not known, last.
    Cost,
    /// By title, or first words where there is none; without regard to case.
    Title,
}

/// Where a session stands, from the charts of the session and of its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "Status")]
pub(crate) enum SessionStatus {
    /// No turn was begun.
    New,
    /// A turn is open and works.
    Running,
    /// A turn is open, and a person is asked about a call.
    Asking,
    /// The turn rests and can go on.
    Paused,
    /// The last turn was completed.
    Completed,
    /// The last turn stopped at a safe point because someone asked for it.
    Interrupted,
    /// The last turn could not go on.
    Failed,
    /// The last turn was stopped at once.
    Cancelled,
    /// The last turn was open when its process ended, and was settled since.
    Abandoned,
    /// The last turn was open when its process ended. Whoever opens the session settles it.
    LeftOpen,
    /// It was closed.
    Closed,
    /// It cannot be read to its end.
    Damaged,
}

/// A process that has a session open for writing, as it says itself.
#[derive(Debug, SimpleObject)]
pub(crate) struct Owner {
    /// Its number.
    pid: Long,
    /// Since when it has the session.
    since: Time,
    /// The socket at which it can be reached; null where there is none.
    socket: Option<String>,
}

/// A row of the list of sessions: what is known of each without opening it. A damaged one is there too.
#[Object]
impl SessionSummary {
    /// Its id.
    async fn id(&self) -> ID {
        ID(self.row.archived.id.to_string())
    }

    /// Its last commit: how many events it has accepted.
    async fn seq(&self) -> Long {
        Long(self.row.archived.seq)
    }

    /// When its journal was made.
    async fn created(&self) -> Time {
        Time(self.row.archived.created)
    }

    /// When its last commit was made; null where it has none.
    async fn updated(&self) -> Option<Time> {
        self.row.archived.updated.map(Time)
    }

    /// Length of its journal, in bytes.
    async fn bytes(&self) -> Long {
        Long(self.row.archived.bytes)
    }

    /// What it is called; null until someone gives it a title.
    async fn title(&self) -> Answer<Option<String>> {
        self.text(self.row.archived.title.as_deref())
    }

    /// What was said first, at most 80 characters of it.
    async fn first_words(&self) -> Answer<Option<String>> {
        self.text(self.row.archived.first_words.as_deref())
    }

    /// The directory in which it works; null where nobody opened it yet.
    async fn workspace(&self) -> Answer<Option<String>> {
        self.text(self.row.archived.workspace.as_deref())
    }

    /// The branch that was checked out there when it was last opened or its last turn began; null where it does not
    /// work in a Git repository, or no branch was checked out.
    async fn branch(&self) -> Answer<Option<String>> {
        self.text(self.row.archived.branch.as_deref())
    }

    /// The model that it asks, as `provider/id`; null where none was chosen.
    async fn model(&self) -> Option<String> {
        self.row.archived.model.as_ref().map(ToString::to_string)
    }

    /// Entries of its conversation: prompts, answers and results of tools, on all branches.
    async fn messages(&self) -> Long {
        Long(self.row.archived.messages)
    }

    /// Tokens of all its requests, as the providers counted them: input, whether cached or not, and output.
    async fn tokens(&self) -> Long {
        Long(self.row.archived.tokens)
    }

    /// Of those, the ones that it has used itself: of a fork, since it was made. Over all sessions they add up to what was
    /// used.
    async fn own_tokens(&self) -> Long {
        Long(self.row.archived.own_tokens())
    }

    /// What it cost, in billionths of a US dollar; null where prices are not known.
    async fn cost(&self) -> Option<Long> {
        self.row.archived.cost.map(Long)
    }

    /// Of that, what it has cost itself: of a fork, since it was made. Over all sessions these add up to what was spent.
    async fn own_cost(&self) -> Option<Long> {
        self.row.archived.own_cost.map(Long)
    }

    /// Where it stands, from the charts of the session and of its turn.
    async fn status(&self) -> SessionStatus {
        self.row.archived.status.into()
    }

    /// The session that it was forked from.
    async fn parent(&self) -> Option<ID> {
        self.row.archived.parent.map(|parent| ID(parent.to_string()))
    }

    /// Whether somebody pinned it.
    async fn pinned(&self) -> bool {
        self.row.archived.pinned
    }

    /// Whether it is mounted here.
    async fn loaded(&self) -> bool {
        self.row.mounted
    }

    /// Who has it open for writing, this process or another one; null where nobody has.
    async fn owner(&self) -> Option<Owner> {
        let owner = self.row.archived.owner.as_ref()?;
        Some(Owner {
            pid: Long(owner.pid.into()),
            since: Time(owner.since),
            socket: owner
                .socket
                .as_ref()
                .map(|socket| socket.to_string_lossy().into_owned()),
        })
    }

    /// What is wrong with its record.
    async fn damage(&self) -> Option<&str> {
        self.row.archived.damage.as_deref()
    }

    /// The session itself. One that is not mounted is folded from its journal for this, which takes time.
    #[graphql(complexity = "1_000 + child_complexity")]
    async fn session(&self) -> Answer<Option<Session>> {
        Session::now(&self.op, self.row.archived.id).map(Some)
    }
}

impl SessionSummary {
    fn text(&self, text: Option<&str>) -> Answer<Option<String>> {
        text.map(|text| self.op.text(text)).transpose()
    }
}

/// The list of sessions.
pub(crate) fn list(
    op: &Op,
    first: Option<u32>,
    after: Option<&str>,
    filter: SessionFilter,
    sort: SessionSort,
) -> Answer<Page<SessionSummary>> {
    let limit = page::length(op, first)?;
    let sort = Sort::from(sort);
    let after = page::after::<Cursor>(after)?
        .map(|cursor| cursor.of_sort(sort))
        .transpose()
        .map_err(|error| fail(Code::BadId, error.to_string()))?;
    let listing = Listing {
        filter: Filter {
            empty: filter.empty,
            workspace: filter.workspace,
            status: filter.status.map(Status::from),
            model: filter.model,
            damaged: filter.damaged,
            named: filter.named,
            within: None,
        },
        sort,
        after,
        limit,
    };
    let listed = op.list(&listing, filter.loaded)?;
    let rows = listed.rows.into_iter().map(|row| {
        let cursor = Cursor::behind(&row.archived, sort).to_string();
        let op = Arc::clone(op);
        (cursor, SessionSummary { op, row })
    });
    let mut page = page::page(limit, listing.after.is_some(), rows);
    page.has_next_page = listed.more;
    Ok(page)
}

/// What was found in what was said.
#[derive(SimpleObject)]
pub(crate) struct SearchResult {
    /// The hits, newest first.
    hits: Vec<SearchHit>,
    /// Where the next page begins; null where there is none.
    next: Option<String>,
    /// Whether time was up before everything was looked at.
    cut: bool,
}

/// An entry in which everything occurs that was searched for.
#[derive(SimpleObject)]
pub(crate) struct SearchHit {
    /// The session.
    session: ID,
    /// The session's title, or its first words.
    name: Option<String>,
    /// The directory in which the session works.
    workspace: Option<String>,
    /// The entry, by its global name.
    entry: ID,
    /// When it was said.
    at: Time,
    /// Whose words they are.
    speaker: SpeakerKind,
    /// The words around what matched, in order.
    snippet: Vec<SnippetPart>,
}

/// A piece of a snippet.
#[derive(SimpleObject)]
pub(crate) struct SnippetPart {
    /// The text.
    text: String,
    /// Whether it is what was searched for.
    matched: bool,
}

/// Whose words they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "Speaker", remote = "Speaker")]
pub(crate) enum SpeakerKind {
    /// A person's.
    Person,
    /// A model's, the calls of tools among them.
    Model,
    /// A tool's.
    Tool,
}

/// Searches in what was said.
pub(crate) fn search(
    op: &Op,
    query: String,
    workspace: Option<String>,
    first: Option<u32>,
    after: Option<&str>,
) -> Answer<SearchResult> {
    let limit = page::length(op, first)?;
    let after = page::after::<i64>(after)?;
    let found = op.search(&Search {
        query,
        after,
        limit,
        within: None,
        workspace,
    })?;
    let next = found.hits.last().filter(|_| found.more);
    Ok(SearchResult {
        next: next.map(|hit| hit.place.to_string()),
        cut: found.cut,
        hits: found
            .hits
            .into_iter()
            .map(|found| hit(op, found))
            .collect::<Answer<_>>()?,
    })
}

fn hit(op: &Op, hit: Hit) -> Answer<SearchHit> {
    let text = |text: Option<Arc<str>>| text.map(|text| op.text(&*text)).transpose();
    let part = |piece: Piece| {
        Ok(SnippetPart {
            text: op.text(piece.text)?,
            matched: piece.matched,
        })
    };
    Ok(SearchHit {
        session: ID(hit.session.to_string()),
        name: text(hit.name)?,
        workspace: text(hit.workspace)?,
        entry: id::global(hit.session, hit.entry),
        at: Time(hit.at),
        speaker: hit.speaker.into(),
        snippet: hit.snippet.into_iter().map(part).collect::<Answer<_>>()?,
    })
}

/// What a search that has no answer means.
pub(crate) fn unsearched(error: &SearchError) -> async_graphql::Error {
    let code = match error {
        SearchError::Query(_) => Code::Invalid,
        archive::SearchError::Index(_) => Code::Unreadable,
    };
    fail(code, error.to_string())
}

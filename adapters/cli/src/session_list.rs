//! `glasswork sessions list`, `search` and `reindex`: what the index knows.

use std::path::{Path, PathBuf};

use glasswork_app_runtime::archive::{Cursor, Filter, Hit, Listing, Progress, Search, Sort, Status};
use glasswork_app_runtime::reading::SessionRow;
use glasswork_engine::Timestamp;
use serde_json::{Value, json};

use crate::commands::Json;
use crate::compose::Sessions;
use crate::console::{Console, Layout, Paint};
use crate::escape;
use crate::problem::Problem;
use crate::session_commands::{ListSessions, SearchSessions};

/// Lists sessions.
pub(crate) fn list(arguments: &ListSessions, sessions: &Sessions, console: &Console) -> Result<(), Problem> {
    let sort = Sort::named(&arguments.sort).ok_or_else(|| Problem::defect("there is no such sorting"))?;
    let after = match &arguments.after {
        Some(text) => {
            let cursor = text.parse::<Cursor>().and_then(|cursor| cursor.of_sort(sort));
            Some(cursor.map_err(Problem::usage)?)
        }
        None => None,
    };
    let listing = Listing {
        filter: Filter {
            empty: arguments.all,
            workspace: arguments.workspace.as_deref().map(resolved),
            status: arguments.status.as_deref().and_then(Status::named),
            model: arguments.model.clone(),
            ..Filter::default()
        },
        sort,
        after,
        limit: usize::try_from(arguments.limit).unwrap_or(usize::MAX),
    };
    prepare(sessions, console)?;
    let page = sessions.snapshot().page(&listing, None)?;
    if arguments.json.json {
        let rows: Vec<Value> = page.rows.iter().map(|row| row_json(row, sort)).collect();
        return console.json(&rows, Layout::Document);
    }
    if page.rows.is_empty() {
        let is_whole = listing
            == Listing {
                limit: listing.limit,
                ..Listing::default()
            };
        console.note(match is_whole {
            true => "There are no sessions yet; `glasswork demo` makes one.\n",
            false => "There are no such sessions.\n",
        });
        return Ok(());
    }
    let rows: String = page.rows.iter().map(|row| row_text(row, console.out)).collect();
    console.data(&rows)?;
    if let Some(last) = page.rows.last().filter(|_| page.more) {
        let cursor = Cursor::behind(&last.archived, sort);
        console.note(&format!("There are more: --after {cursor}\n"));
    }
    Ok(())
}

/// Searches in what was said.
pub(crate) fn search(
    arguments: &SearchSessions,
    sessions: &Sessions,
    console: &Console,
) -> Result<(), Problem> {
    prepare(sessions, console)?;
    let search = Search {
        query: arguments.query.join(" "),
        after: arguments.after,
        limit: usize::try_from(arguments.limit).unwrap_or(usize::MAX),
        within: None,
        workspace: arguments.workspace.as_deref().map(resolved),
    };
    let found = sessions.snapshot().search(&search)?;
    match arguments.json.json {
        true => console.json(
            &found.hits.iter().map(hit_json).collect::<Vec<_>>(),
            Layout::Document,
        )?,
        false => console.data(
            &found
                .hits
                .iter()
                .map(|hit| hit_text(hit, console.out))
                .collect::<String>(),
        )?,
    }
    if found.hits.is_empty() && !found.cut && !arguments.json.json {
        console.note("Nothing was found.\n");
    }
    if let Some(last) = found.hits.last().filter(|_| found.more && !arguments.json.json) {
        console.note(&format!("There is more: --after {}\n", last.place));
    }
    console.warn(found.cut.then(|| {
        "time was up before everything was searched; give more or rarer words, or a workspace".to_owned()
    }));
    Ok(())
}

/// Reads all journals again.
pub(crate) fn reindex(json: Json, sessions: &Sessions, console: &Console) -> Result<(), Problem> {
    let refreshed = sessions.reindex(&mut |progress| tell(progress, console))?;
    match json.json {
        true => console.json(&refreshed, Layout::Document),
        false => console.data(&format!(
            "read {} journals, {} of them damaged; {} sessions are gone\n",
            refreshed.read, refreshed.damaged, refreshed.gone
        )),
    }
}

/// Brings the index in line with the journals, and tells of it where that takes long.
pub(crate) fn prepare(sessions: &Sessions, console: &Console) -> Result<(), Problem> {
    sessions.refresh(&mut |progress| tell(progress, console))
}

/// Fewer journals than this are read before anybody wonders.
const MANY: u64 = 1_000;

fn tell(progress: Progress, console: &Console) {
    let Progress { done, of } = progress;
    if of >= MANY && (done % MANY == 0 || done == of) {
        console.note(&format!("read {done} of {of} journals\n"));
    }
}

/// The directory as sessions have it.
pub(crate) fn resolved(directory: &Path) -> String {
    // One that is gone is looked for by the name that was given.
    let path: PathBuf = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
    path.to_string_lossy().into_owned()
}

fn row_json(row: &SessionRow, sort: Sort) -> Value {
    let session = &row.archived;
    json!({
        "id": session.id,
        "created": time(session.created),
        "updated": session.updated.map(time),
        "title": session.title,
        "first_words": session.first_words,
        "workspace": session.workspace,
        "branch": session.branch,
        "model": session.model.as_ref().map(ToString::to_string),
        "status": session.status,
        "messages": session.messages,
        "commits": session.seq,
        "tokens": session.tokens,
        "own_tokens": session.own_tokens(),
        "cost": session.cost,
        "own_cost": session.own_cost,
        "bytes": session.bytes,
        "parent": session.parent,
        "pinned": session.pinned,
        "loaded": row.mounted,
        "owner": session.owner,
        "damage": session.damage,
        "cursor": Cursor::behind(session, sort).to_string(),
    })
}

fn row_text(row: &SessionRow, paint: Paint) -> String {
    let session = &row.archived;
    let when = time(session.updated.unwrap_or(session.created));
    let status: &str = session.status.into();
    let model = session
        .model
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    let words = match session.name() {
        "" => "(nothing said yet)",
        name => name,
    };
    let mut place = session.workspace.as_deref().unwrap_or_default().to_owned();
    if let Some(branch) = &session.branch {
        place.push_str(&format!(" ({branch})"));
    }
    let cost = session
        .cost
        .map(|cost| format!("  ${}", cents(cost)))
        .unwrap_or_default();
    let mut text = format!(
        "{}  {when}  {status:<11} {:>5} messages  {}{cost}\n    {}  {}\n",
        session.id,
        session.messages,
        escape::line(&model),
        paint.bold(&escape::line(words)),
        paint.dim(&escape::line(&place))
    );
    if let Some(owner) = &session.owner {
        text.push_str(&format!(
            "    {}\n",
            paint.dim(&format!("open in {}", escape::line(&owner.to_string())))
        ));
    }
    if let Some(damage) = &session.damage {
        text.push_str(&format!("    {}\n", paint.red(&escape::line(damage))));
    }
    text
}

/// Billionths of a dollar as dollars and cents, rounded up: what costs anything is not told as nothing.
fn cents(cost: u64) -> String {
    let cents = cost.div_ceil(10_000_000);
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn hit_json(hit: &Hit) -> Value {
    json!({
        "session": hit.session,
        "name": hit.name,
        "workspace": hit.workspace,
        "entry": hit.entry,
        "at": time(hit.at),
        "speaker": hit.speaker,
        "snippet": hit.snippet,
        "cursor": hit.place,
    })
}

fn hit_text(hit: &Hit, paint: Paint) -> String {
    let speaker: &str = hit.speaker.into();
    let snippet: String = hit
        .snippet
        .iter()
        .map(|piece| {
            let text = escape::text(&piece.text).replace('\n', " ");
            match piece.matched {
                true => paint.bold(&text),
                false => text,
            }
        })
        .collect();
    format!(
        "{}/{}  {}  {speaker}  {}\n    {}\n",
        hit.session,
        hit.entry,
        time(hit.at),
        paint.dim(&escape::line(hit.name.as_deref().unwrap_or_default())),
        snippet.trim()
    )
}

/// A time for people and programs: UTC, to the second.
pub(crate) fn time(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_microsecond(at.0).unwrap_or_default();
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

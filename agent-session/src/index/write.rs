//! Writing rows, and what was said.

use std::path::Path;

use glasswork_agent_core::id::EntryId;
use glasswork_engine::{ScopeId, Timestamp};
use glasswork_session_state::state::Session;
use rusqlite::{OptionalExtension as _, Transaction, named_params, params};

use super::error::IndexError;
use super::list::{Key, Sort, number};
use super::row::Row;
use super::{said, spending};

/// What a row is made from, as far as it can be told from outside: when that changes, the row is stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Print {
    /// Length of the journal, in bytes.
    pub(super) size: i64,
    /// Time of its last change, in nanoseconds since 1970.
    pub(super) stamp: i64,
}

/// What is to be written of a session.
pub(super) struct Written<'a> {
    pub(super) row: &'a Row,
    /// Its state, for what was said; `None` where nothing of it could be read.
    pub(super) session: Option<&'a Session>,
    /// Its journal, below the data directory.
    pub(super) path: &'a str,
    pub(super) print: Print,
    /// Its writer has not given it back.
    pub(super) open: bool,
    /// Whatever is there is forgotten first: it may be of another journal.
    pub(super) anew: bool,
}

/// Writes a session: its row, and of its conversation what the index does not have yet. A row that is further along
/// already stays: another process owns the session by now.
pub(super) fn put(transaction: &Transaction<'_>, written: &Written<'_>) -> Result<(), IndexError> {
    let id = written.row.id.to_string();
    let known: Option<(i64, i64, EntryId)> = transaction
        .prepare_cached("SELECT n, seq, entry_seq, entry_ordinal FROM sessions WHERE id = ?")?
        .query_row([&id], |row| {
            let entry = EntryId {
                seq: u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0),
                ordinal: row.get(3)?,
            };
            Ok((row.get(0)?, row.get(1)?, entry))
        })
        .optional()?;
    let mut cursor = None;
    if let Some((n, seq, entry)) = known {
        if written.anew {
            forget_said(transaction, n)?;
            spending::forget(transaction, n)?;
        } else if seq > number(written.row.seq) {
            return Ok(());
        } else {
            cursor = Some(entry);
        }
    }
    let n = put_row(transaction, &id, written)?;
    let Some(session) = written.session else {
        return Ok(());
    };
    // A fork that was not opened yet has spent nothing itself.
    if written.row.own_tokens() > 0 {
        spending::put(transaction, n, session)?;
    }
    let mut last = None;
    for (entry, body) in session.tree.entries_after(cursor) {
        last = Some(entry);
        if let Some((speaker, text)) = said::of(&body.body) {
            put_said(transaction, n, entry, body.at, speaker.into(), &text)?;
        }
    }
    if let Some(last) = last {
        transaction
            .prepare_cached("UPDATE sessions SET entry_seq = ?, entry_ordinal = ? WHERE n = ?")?
            .execute(params![number(last.seq), last.ordinal, n])?;
    }
    Ok(())
}

fn put_row(transaction: &Transaction<'_>, id: &str, written: &Written<'_>) -> Result<i64, IndexError> {
    let Written {
        row,
        path,
        print,
        open,
        anew,
        ..
    } = written;
    let name_key = match Sort::Title.key(row) {
        Key::Text(text) => text,
        Key::Number(_) => String::new(),
    };
    let status: &str = row.status.into();
    let mut statement = transaction.prepare_cached(
        "INSERT INTO sessions (id, path, size, stamp, open, entry_seq, entry_ordinal, hidden, created, updated, seq,
            bytes, messages, tokens, inherited, cost, own_cost, name_key, title, workspace, branch, model, status,
            first_words, parent, pinned, damage)
         VALUES (:id, :path, :size, :stamp, :open, 0, 0, :hidden, :created, :updated, :seq, :bytes, :messages,
            :tokens, :inherited, :cost, :own_cost, :name_key, :title, :workspace, :branch, :model, :status, :first_words,
            :parent, :pinned, :damage)
         ON CONFLICT (id) DO UPDATE SET path = :path, size = :size, stamp = :stamp, open = :open,
            entry_seq = iif(:anew, 0, entry_seq), entry_ordinal = iif(:anew, 0, entry_ordinal), hidden = :hidden,
            created = :created, updated = :updated, seq = :seq, bytes = :bytes, messages = :messages,
            tokens = :tokens, inherited = :inherited, cost = :cost, own_cost = :own_cost,
            name_key = :name_key, title = :title, workspace = :workspace,
            branch = :branch, model = :model, status = :status, first_words = :first_words, parent = :parent,
            pinned = :pinned, damage = :damage
         RETURNING n",
    )?;
    let n = statement.query_row(
        named_params! {
            ":id": id,
            ":path": path,
            ":size": print.size,
            ":stamp": print.stamp,
            ":open": open,
            ":anew": anew,
            ":hidden": row.is_empty(),
            ":created": row.created.0,
            ":updated": row.updated.unwrap_or(row.created).0,
            ":seq": number(row.seq),
            ":bytes": number(row.bytes),
            ":messages": number(row.messages),
            ":tokens": number(row.tokens),
            ":inherited": number(row.inherited),
            ":cost": row.cost.map(number),
            ":own_cost": row.own_cost.map(number),
            ":name_key": name_key,
            ":title": row.title.as_deref(),
            ":workspace": row.workspace.as_deref(),
            ":branch": row.branch.as_deref(),
            ":model": row.model.as_ref().map(ToString::to_string),
            ":status": status,
            ":first_words": row.first_words.as_deref(),
            ":parent": row.parent.map(|parent| parent.to_string()),
            ":pinned": row.pinned,
            ":damage": row.damage.as_deref(),
        },
        |row| row.get(0),
    )?;
    Ok(n)
}

/// Places for entries of the same microsecond.
const PLACES: i64 = 1 << 10;

/// The number of an entry is its time, so that what was said last is found first, in whatever order it was written.
pub(super) fn place(at: Timestamp) -> i64 {
    at.0.clamp(0, i64::MAX / PLACES - 1) * PLACES
}

/// The time in the number of an entry.
pub(super) fn time(place: i64) -> Timestamp {
    Timestamp(place / PLACES)
}

fn put_said(
    transaction: &Transaction<'_>,
    session: i64,
    entry: EntryId,
    at: Timestamp,
    speaker: &str,
    text: &str,
) -> Result<(), IndexError> {
    let mut claim = transaction.prepare_cached(
        "INSERT INTO entries (n, session, entry, speaker) VALUES (?, ?, ?, ?) ON CONFLICT (n) DO NOTHING",
    )?;
    let mut last = transaction.prepare_cached("SELECT max(n) FROM entries WHERE n >= ? AND n < ?")?;
    // Entries of one time keep their order. There may be thousands: a transcript without times, forks of one session.
    let mut first = place(at);
    let mut n = first + i64::from(entry.ordinal) % PLACES;
    while claim.execute(params![n, session, entry.to_string(), speaker])? == 0 {
        let taken: Option<i64> = last.query_row([first, first + PLACES], |row| row.get(0))?;
        n = taken.map_or(first, |taken| taken + 1);
        if n == first + PLACES {
            first = n;
        }
    }
    transaction
        .prepare_cached("INSERT INTO said (rowid, text) VALUES (?, ?)")?
        .execute(params![n, text])?;
    Ok(())
}

fn forget_said(transaction: &Transaction<'_>, session: i64) -> Result<(), IndexError> {
    for statement in [
        "DELETE FROM said WHERE rowid IN (SELECT n FROM entries WHERE session = ?)",
        "DELETE FROM entries WHERE session = ?",
    ] {
        transaction.prepare_cached(statement)?.execute([session])?;
    }
    Ok(())
}

/// Forgets a session whose journal lies at `path`, unless it lies elsewhere by now.
pub(super) fn forget(transaction: &Transaction<'_>, id: ScopeId, path: &str) -> Result<(), IndexError> {
    let n: Option<i64> = transaction
        .prepare_cached("SELECT n FROM sessions WHERE id = ? AND path = ?")?
        .query_row(params![id.to_string(), path], |row| row.get(0))
        .optional()?;
    if let Some(n) = n {
        forget_said(transaction, n)?;
        spending::forget(transaction, n)?;
        transaction
            .prepare_cached("DELETE FROM sessions WHERE n = ?")?
            .execute([n])?;
    }
    Ok(())
}

/// Notes that a folder was looked at when it had this time; `None` where it is gone.
pub(super) fn note_folder(
    transaction: &Transaction<'_>,
    folder: &str,
    stamp: Option<i64>,
) -> Result<(), IndexError> {
    match stamp {
        Some(stamp) => transaction.execute(
            "INSERT INTO folders (path, stamp) VALUES (?1, ?2) ON CONFLICT (path) DO UPDATE SET stamp = ?2",
            params![folder, stamp],
        )?,
        None => transaction.execute("DELETE FROM folders WHERE path = ?", params![folder])?,
    };
    Ok(())
}

/// The path below the data directory, as the index names it.
pub(super) fn below(data: &Path, path: &Path) -> String {
    path.strip_prefix(data)
        .unwrap_or(path)
        .to_string_lossy()
        .into_owned()
}

impl Print {
    /// How the journal at `path` looks from outside; of one that is gone, nothing.
    pub(super) fn of(path: &Path) -> Self {
        match std::fs::symlink_metadata(path) {
            Ok(found) => Self {
                size: number(found.len()),
                stamp: stamp(&found),
            },
            Err(_) => Self { size: -1, stamp: -1 },
        }
    }
}

/// Time of the last change, in nanoseconds since 1970.
pub(super) fn stamp(found: &std::fs::Metadata) -> i64 {
    use std::os::unix::fs::MetadataExt as _;
    found
        .mtime()
        .saturating_mul(1_000_000_000)
        .saturating_add(found.mtime_nsec())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends by panicking")]

    use super::*;
    use crate::index::file::Opened;

    /// A transcript without times, or many forks of one session: everything was said at once. Each entry gets a number
    /// of its own, in the order of its session, and finding one does not mean trying all that are taken.
    #[test]
    fn what_was_said_at_once_keeps_its_order() {
        // No file can be made there: it is in memory.
        let mut opened = Opened::at(Path::new("/dev/null/index.sqlite")).unwrap();
        let transaction = opened.connection.transaction().unwrap();
        let at = Timestamp(1_760_000_000_000_000);
        const SESSIONS: i64 = 3;
        let entries = 4 * PLACES;
        for number in 0..entries {
            let seq = u64::try_from(number).unwrap();
            let entry = EntryId { seq, ordinal: 0 };
            put_said(&transaction, number % SESSIONS, entry, at, "user", "a word").unwrap();
        }
        let mut found = transaction
            .prepare("SELECT n, entry FROM entries ORDER BY n")
            .unwrap();
        let found: Vec<(i64, String)> = found
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let expected = (0..entries).map(|number| (place(at) + number, format!("{number}.0")));
        assert_eq!(found, expected.collect::<Vec<_>>());
        let last = found.last().unwrap().0;
        assert_eq!(
            time(last),
            Timestamp(at.0 + 3),
            "a place beyond those of its microsecond"
        );
    }
}

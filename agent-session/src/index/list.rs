//! Lists of sessions: filtered, sorted, by pages.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use glasswork_engine::{ScopeId, Timestamp};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use strum::VariantArray as _;

use super::error::IndexError;
use super::row::{Row, Status};

/// By what a list is sorted. Names ascend, all else descends; what is equal is sorted by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, strum::VariantArray, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Sort {
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

/// What is listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Sessions in which nothing was said, too.
    pub empty: bool,
    /// Those that work in this directory.
    pub workspace: Option<String>,
    /// Those that stand so.
    pub status: Option<Status>,
    /// Those that ask this model.
    pub model: Option<String>,
    /// Those that cannot be read to their end, or those that can.
    pub damaged: Option<bool>,
    /// Those in whose title, or first words where there is none, this text occurs, without regard to case.
    pub named: Option<String>,
    /// Of these only.
    pub within: Option<BTreeSet<ScopeId>>,
}

/// A page that is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Which sessions.
    pub filter: Filter,
    /// In which order.
    pub sort: Sort,
    /// After this place.
    pub after: Option<Cursor>,
    /// How many at most.
    pub limit: usize,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<R = Row> {
    /// The rows.
    pub rows: Vec<R>,
    /// Whether there are more after them.
    pub more: bool,
}

/// What a row is sorted by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
}

/// A place in a sorted list: between a row and what comes after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    sort: Sort,
    key: Key,
    id: ScopeId,
}

/// The text is no cursor, or one of another list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a cursor of this list; take the one that the page before ended with, with the same sorting"
)]
pub struct CursorError(pub String);

impl Filter {
    /// Whether a session is listed.
    #[must_use]
    pub fn admits(&self, row: &Row) -> bool {
        let Self {
            empty,
            workspace,
            status,
            model,
            damaged,
            named,
            within,
        } = self;
        (*empty || !row.is_empty())
            && workspace
                .as_deref()
                .is_none_or(|wanted| row.workspace.as_deref() == Some(wanted))
            && status.is_none_or(|wanted| row.status == wanted)
            && model.as_deref().is_none_or(|wanted| {
                row.model
                    .as_ref()
                    .is_some_and(|model| model.to_string() == wanted)
            })
            && damaged.is_none_or(|wanted| wanted == row.damage.is_some())
            && named
                .as_deref()
                .is_none_or(|wanted| row.name().to_lowercase().contains(&wanted.to_lowercase()))
            && within.as_ref().is_none_or(|ids| ids.contains(&row.id))
    }
}

impl Listing {
    /// Whether a row is among those from which the page is taken.
    #[must_use]
    pub fn lists(&self, row: &Row) -> bool {
        self.filter.admits(row) && self.after.as_ref().is_none_or(|after| after.precedes(row))
    }

    /// The page that is asked for, from rows that are all there are.
    #[must_use]
    pub fn of(&self, rows: impl IntoIterator<Item = Row>) -> Page {
        let mut rows: Vec<Row> = rows.into_iter().filter(|row| self.lists(row)).collect();
        rows.sort_by(|one, other| self.sort.compare(one, other));
        let more = rows.len() > self.limit;
        rows.truncate(self.limit);
        Page { rows, more }
    }
}

impl Sort {
    /// What a row is sorted by.
    #[must_use]
    pub fn key(self, row: &Row) -> Key {
        match self {
            Self::Updated => Key::Number(row.updated.unwrap_or(row.created).0),
            Self::Created => Key::Number(row.created.0),
            Self::Messages => Key::Number(number(row.messages)),
            Self::Cost => Key::Number(row.cost.map_or(-1, number)),
            Self::Title => Key::Text(row.name().to_lowercase()),
        }
    }

    /// Which of two rows comes first.
    #[must_use]
    pub fn compare(self, one: &Row, other: &Row) -> Ordering {
        let ascending = (self.key(one), one.id).cmp(&(self.key(other), other.id));
        match self {
            Self::Title => ascending,
            _ => ascending.reverse(),
        }
    }

    fn column(self) -> &'static str {
        match self {
            Self::Updated => "updated",
            Self::Created => "created",
            Self::Messages => "messages",
            Self::Cost => "coalesce(cost, -1)",
            Self::Title => "name_key",
        }
    }

    /// The sorting of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let mut all = Self::VARIANTS.iter();
        all.find(|sort| <&str>::from(**sort) == name).copied()
    }
}

impl Cursor {
    /// The place behind a row.
    #[must_use]
    pub fn behind(row: &Row, sort: Sort) -> Self {
        Self {
            sort,
            key: sort.key(row),
            id: row.id,
        }
    }

    /// Whether a row comes after this place.
    #[must_use]
    pub fn precedes(&self, row: &Row) -> bool {
        self.precedes_one(&self.sort.key(row), row.id)
    }

    /// Whether the row of this session, which is sorted by this key, comes after this place.
    #[must_use]
    pub fn precedes_one(&self, key: &Key, id: ScopeId) -> bool {
        let ascending = (key, id).cmp(&(&self.key, self.id));
        ascending
            == match self.sort {
                Sort::Title => Ordering::Greater,
                _ => Ordering::Less,
            }
    }

    /// This place, in a list that is sorted so.
    ///
    /// # Errors
    /// [`CursorError`] where this is a place in a list that is sorted otherwise.
    pub fn of_sort(self, sort: Sort) -> Result<Self, CursorError> {
        match self.sort == sort {
            true => Ok(self),
            false => Err(CursorError(self.to_string())),
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sort: &str = self.sort.into();
        match &self.key {
            Key::Number(number) => write!(f, "{sort}:{}:{number}", self.id),
            // Hexadecimal, so that a title stays on the line and in the shell's word.
            Key::Text(text) => {
                write!(f, "{sort}:{}:", self.id)?;
                text.bytes().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let parse = || {
            let mut parts = text.splitn(3, ':');
            let sort = Sort::named(parts.next()?)?;
            let id = parts.next()?.parse().ok()?;
            let key = parts.next()?;
            let key = match sort {
                Sort::Title => Key::Text(from_hex(key)?),
                _ => Key::Number(key.parse().ok()?),
            };
            Some(Self { sort, key, id })
        };
        parse().ok_or_else(|| CursorError(text.to_owned()))
    }
}

fn from_hex(text: &str) -> Option<String> {
    let digits = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(digits).collect();
    String::from_utf8(bytes?).ok()
}

pub(super) fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

const COLUMNS: &str = "id, created, updated, seq, bytes, title, workspace, branch, model, messages, tokens, cost, \
                       status, first_words, parent, pinned, damage, path, size, stamp, open, inherited, own_cost";

/// A row, and what it was made from.
#[derive(Debug)]
pub(super) struct Indexed {
    pub(super) row: Row,
    pub(super) path: String,
    pub(super) size: i64,
    pub(super) stamp: i64,
    /// Its writer has not given the session back.
    pub(super) open: bool,
}

pub(super) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Indexed> {
    let shared = |place: usize| -> rusqlite::Result<Option<Arc<str>>> { row.get(place) };
    let count =
        |place: usize| Ok::<_, rusqlite::Error>(u64::try_from(row.get::<_, i64>(place)?).unwrap_or(0));
    // What cannot be parsed was not written by us; the row is read again when its journal changes.
    let id = row
        .get::<_, String>(0)?
        .parse()
        .unwrap_or_else(|_| ScopeId::from_u128(0));
    let seq = count(3)?;
    Ok(Indexed {
        row: Row {
            id,
            created: Timestamp(row.get(1)?),
            updated: (seq > 0).then_some(Timestamp(row.get(2)?)),
            seq,
            bytes: count(4)?,
            title: shared(5)?,
            workspace: shared(6)?,
            branch: shared(7)?,
            model: shared(8)?.and_then(|model| model.parse().ok()),
            messages: count(9)?,
            tokens: count(10)?,
            inherited: count(21)?,
            cost: row
                .get::<_, Option<i64>>(11)?
                .and_then(|cost| u64::try_from(cost).ok()),
            own_cost: row
                .get::<_, Option<i64>>(22)?
                .and_then(|cost| u64::try_from(cost).ok()),
            status: Status::named(&row.get::<_, String>(12)?).unwrap_or_default(),
            first_words: shared(13)?,
            parent: row
                .get::<_, Option<String>>(14)?
                .and_then(|parent| parent.parse().ok()),
            pinned: row.get(15)?,
            damage: row.get(16)?,
            owner: None,
        },
        path: row.get(17)?,
        size: row.get(18)?,
        stamp: row.get(19)?,
        open: row.get(20)?,
    })
}

/// Rows for which `condition` holds.
pub(super) fn rows_where(
    connection: &Connection,
    condition: &str,
    values: &[Value],
) -> Result<Vec<Indexed>, IndexError> {
    let mut statement = connection.prepare(&format!("SELECT {COLUMNS} FROM sessions WHERE {condition}"))?;
    let rows = statement.query_map(params_from_iter(values), read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A page of the index, without the sessions in `except`.
pub(super) fn page(
    connection: &Connection,
    listing: &Listing,
    except: &BTreeSet<ScopeId>,
) -> Result<Page<Indexed>, IndexError> {
    let Filter {
        empty,
        workspace,
        status,
        model,
        damaged,
        named,
        within,
    } = &listing.filter;
    let mut condition = String::from(if *empty { "1" } else { "hidden = 0" });
    let mut values: Vec<Value> = Vec::new();
    let mut ask = |what: &str, value: &str| {
        condition.push_str(&format!(" AND {what} = ?"));
        values.push(Value::from(value.to_owned()));
    };
    if let Some(workspace) = workspace {
        ask("workspace", workspace);
    }
    if let Some(status) = status {
        ask("status", (*status).into());
    }
    if let Some(model) = model {
        ask("model", model);
    }
    match damaged {
        Some(true) => condition.push_str(" AND damage IS NOT NULL"),
        Some(false) => condition.push_str(" AND damage IS NULL"),
        None => {}
    }
    if let Some(named) = named {
        condition.push_str(" AND instr(name_key, ?) > 0");
        values.push(Value::from(named.to_lowercase()));
    }
    for (what, ids) in [("IN", within.as_ref()), ("NOT IN", Some(except))] {
        let Some(ids) = ids.filter(|ids| what == "IN" || !ids.is_empty()) else {
            continue;
        };
        condition.push_str(&format!(" AND id {what} (SELECT value FROM json_each(?))"));
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        values.push(Value::from(serde_json::json!(ids).to_string()));
    }
    let column = listing.sort.column();
    let (order, beyond) = match listing.sort {
        Sort::Title => ("ASC", ">"),
        _ => ("DESC", "<"),
    };
    if let Some(after) = &listing.after {
        condition.push_str(&format!(" AND ({column}, id) {beyond} (?, ?)"));
        values.push(match &after.key {
            Key::Number(number) => Value::from(*number),
            Key::Text(text) => Value::from(text.clone()),
        });
        values.push(Value::from(after.id.to_string()));
    }
    condition.push_str(&format!(" ORDER BY {column} {order}, id {order} LIMIT ?"));
    let limit = i64::try_from(listing.limit).unwrap_or(i64::MAX).saturating_add(1);
    values.push(Value::from(limit));
    let mut rows = rows_where(connection, &condition, &values)?;
    let more = rows.len() > listing.limit;
    rows.truncate(listing.limit);
    Ok(Page { rows, more })
}

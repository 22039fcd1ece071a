//! Search in what was said. What is asked for is data: nothing in it is an operator but quotes and a star at the end.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use glasswork_agent_core::id::EntryId;
use glasswork_engine::{ScopeId, Timestamp};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::error::IndexError;
use super::said::{MARKS, Speaker};
use super::write;

/// How long a search may take.
pub const SEARCH_TIME: Duration = Duration::from_secs(2);
/// Longest text that is searched for, in bytes.
const QUERY_BYTES: usize = 1 << 10;
/// Most words and phrases.
const TERMS: usize = 32;
/// Words of a snippet.
const SNIPPET_WORDS: u32 = 20;
/// Steps of SQLite's machine between two looks at the clock: some tens of microseconds.
const STEPS: i32 = 4_000;

/// What is searched for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// The words, all of which must occur in one entry: `word`, `prefix*`, `"a phrase"`.
    pub query: String,
    /// Only what this place precedes: [`Hit::place`] of the last hit of the page before.
    pub after: Option<i64>,
    /// How many hits at most.
    pub limit: usize,
    /// In these sessions only.
    pub within: Option<BTreeSet<ScopeId>>,
    /// In sessions that work in this directory only.
    pub workspace: Option<String>,
}

/// What was found, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The hits.
    pub hits: Vec<Hit>,
    /// Whether there are more.
    pub more: bool,
    /// Whether time was up before everything was looked at.
    pub cut: bool,
}

/// An entry in which everything occurs that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// Its place in the order of hits; what comes after it has a lower one.
    pub place: i64,
    /// The session.
    pub session: ScopeId,
    /// The session's title, or its first words.
    pub name: Option<Arc<str>>,
    /// Where the session works.
    pub workspace: Option<Arc<str>>,
    /// The entry.
    pub entry: EntryId,
    /// When it was said.
    pub at: Timestamp,
    /// Whose words they are.
    pub speaker: Speaker,
    /// The words around what matched, in order.
    pub snippet: Vec<Piece>,
}

/// A piece of a snippet.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Piece {
    /// The text.
    pub text: String,
    /// Whether it is what was searched for.
    pub matched: bool,
}

/// What was asked for cannot be searched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// There is nothing to look for.
    #[error("there is no word in `{0}` to search for: give words, `prefix*` or \"a phrase\"")]
    NoWords(String),
    /// It is too long.
    #[error(
        "the search is longer than {QUERY_BYTES} bytes, or has more than {TERMS} words; give fewer of them"
    )]
    TooLong,
}

/// Turns what a person wrote into the language of FTS5, in which every word is a quoted string.
///
/// # Errors
/// [`QueryError`].
pub(super) fn parse(query: &str) -> Result<String, QueryError> {
    if query.len() > QUERY_BYTES {
        return Err(QueryError::TooLong);
    }
    let mut terms = Vec::new();
    let mut rest = query.trim_start();
    while let Some(first) = rest.chars().next() {
        // A quote that is not closed goes to the end: that is what was meant while it is being typed.
        let (text, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_at(rest.find([' ', '"']).map_or_else(
                || rest.find(char::is_whitespace).unwrap_or(rest.len()),
                |end| end.min(rest.find(char::is_whitespace).unwrap_or(end)),
            )),
        };
        let (star, after) = match first == '"' {
            true => (after.starts_with('*'), after.strip_prefix('*').unwrap_or(after)),
            false => (text.ends_with('*'), after),
        };
        if text.chars().any(char::is_alphanumeric) {
            let quoted = text.replace(['"', '\0'], " ");
            terms.push(format!("\"{quoted}\"{}", if star { " *" } else { "" }));
        }
        rest = after.trim_start();
    }
    match terms.len() {
        0 => Err(QueryError::NoWords(query.to_owned())),
        terms if terms > TERMS => Err(QueryError::TooLong),
        _ => Ok(terms.join(" AND ")),
    }
}

/// Searches until it has enough or time is up; what was found by then is what there is.
pub(super) fn search(
    connection: &mut Connection,
    terms: &str,
    search: &Search,
    until: Instant,
) -> Result<Found, IndexError> {
    connection.progress_handler(STEPS, Some(move || Instant::now() >= until))?;
    let found = run(connection, terms, search);
    connection.progress_handler(0, None::<fn() -> bool>)?;
    found
}

fn run(connection: &Connection, terms: &str, search: &Search) -> Result<Found, IndexError> {
    let [open, close] = MARKS;
    let mut condition = String::new();
    let mut values = vec![Value::from(terms.to_owned())];
    if let Some(after) = search.after {
        condition.push_str(" AND said.rowid < ?");
        values.push(Value::from(after));
    }
    if let Some(ids) = &search.within {
        condition.push_str(" AND sessions.id IN (SELECT value FROM json_each(?))");
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        values.push(Value::from(serde_json::json!(ids).to_string()));
    }
    if let Some(workspace) = &search.workspace {
        condition.push_str(" AND sessions.workspace = ?");
        values.push(Value::from(workspace.clone()));
    }
    let mut statement = connection.prepare(&format!(
        "SELECT said.rowid, sessions.id, coalesce(sessions.title, sessions.first_words), sessions.workspace,
            entries.entry, entries.speaker, snippet(said, 0, '{open}', '{close}', '…', {SNIPPET_WORDS})
         FROM said CROSS JOIN entries ON entries.n = said.rowid CROSS JOIN sessions ON sessions.n = entries.session
         WHERE said MATCH ?{condition} ORDER BY said.rowid DESC"
    ))?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut found = Found::default();
    loop {
        let row = match rows.next() {
            Ok(Some(row)) => row,
            Ok(None) => break,
            Err(error) if IndexError::is_interrupt(&error) => {
                found.cut = true;
                break;
            }
            Err(error) => return Err(error.into()),
        };
        if found.hits.len() == search.limit {
            found.more = true;
            break;
        }
        found.hits.extend(hit(row)?);
    }
    Ok(found)
}

/// `None` for a row that this program has not written.
fn hit(row: &rusqlite::Row<'_>) -> Result<Option<Hit>, IndexError> {
    let place = row.get(0)?;
    let (session, entry, speaker): (String, String, String) = (row.get(1)?, row.get(4)?, row.get(5)?);
    let (Ok(session), Ok(entry), Some(speaker)) = (session.parse(), entry.parse(), Speaker::named(&speaker))
    else {
        return Ok(None);
    };
    Ok(Some(Hit {
        place,
        session,
        name: row.get(2)?,
        workspace: row.get(3)?,
        entry,
        at: write::time(place),
        speaker,
        snippet: pieces(&row.get::<_, String>(6)?),
    }))
}

fn pieces(marked: &str) -> Vec<Piece> {
    let [open, close] = MARKS;
    let mut pieces = Vec::new();
    let mut matched = false;
    for text in marked.split([open, close]) {
        if !text.is_empty() {
            pieces.push(Piece {
                text: text.to_owned(),
                matched,
            });
        }
        matched = !matched;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_searched_for_is_data() {
        let check = |query: &str, terms: &str| {
            assert_eq!(parse(query).as_deref(), Ok(terms), "{query}");
        };
        check("one two", r#""one" AND "two""#);
        check("  one\ttwo\n", r#""one" AND "two""#);
        check("pars*", r#""pars*" *"#);
        check(r#""a phrase" word"#, r#""a phrase" AND "word""#);
        check(r#""a phra"* x"#, r#""a phra" * AND "x""#);
        check(r#"say"so now"last"#, r#""say" AND "so now" AND "last""#);
        check(r#""not closed"#, r#""not closed""#);
        check(
            "one OR two NOT three NEAR(a b)",
            r#""one" AND "OR" AND "two" AND "NOT" AND "three" AND "NEAR(a" AND "b)""#,
        );
        check(
            "text:x -y ^z (a) {b}",
            r#""text:x" AND "-y" AND "^z" AND "(a)" AND "{b}""#,
        );
        check("a ' \\ ; -- ***", r#""a""#);
        for query in ["", "  ", "***", "\"\"", "()[]{}", "\"", "* \" *"] {
            assert_eq!(parse(query), Err(QueryError::NoWords(query.to_owned())));
        }
        assert_eq!(parse(&"a".repeat(2000)), Err(QueryError::TooLong));
        assert_eq!(parse(&"a ".repeat(40)), Err(QueryError::TooLong));
    }

    #[test]
    fn pieces_alternate() {
        let piece = |text: &str, matched| Piece {
            text: text.to_owned(),
            matched,
        };
        assert_eq!(
            pieces("a \u{2}b\u{3} c\u{2}d\u{3}"),
            [
                piece("a ", false),
                piece("b", true),
                piece(" c", false),
                piece("d", true)
            ]
        );
        assert_eq!(pieces("\u{2}a\u{3}"), [piece("a", true)]);
    }
}

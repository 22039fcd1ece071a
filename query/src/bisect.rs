//! Which commit made something so: the first after which a predicate over the graph holds.
//!
//! The predicate is a selection on the session, in the language of the graph, and a value in its answer, which is asked
//! of the state after a commit. Which states those are is decided by [`bisecting`].

use std::sync::Arc;
use std::time::Instant;

use async_graphql::Request;
use async_graphql::parser::types::{DocumentOperations, Selection};
use glasswork_app_runtime::bisecting::{self, Bisected, Judged, Search, SearchError, Way};
use glasswork_app_runtime::reading::{Snapshot, Viewer};
use glasswork_engine::ScopeId;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::graph::{Graph, QueryError, Response, classified};
use crate::operation::Operation;

/// Most states that one search at a terminal looks at.
pub const MOST_STATES: u64 = 1_000_000;

/// Most characters of a value in the text of an error.
const SHOWN: usize = 200;

/// What is looked for, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Bisection {
    /// The session: its id, the beginning of it, or `last`.
    pub session: String,
    /// Fields of the graph's `Session`, as in a query: `turn { state }`.
    pub select: String,
    /// Which value of the answer is looked at: names and places in lists, with dots between them. Without it the
    /// selection must have one field in all.
    pub path: Option<String>,
    /// When it holds.
    pub wanted: Wanted,
    /// The first commit that is looked at, from 1.
    pub from: u64,
    /// The last one; that of the session where it is not said.
    pub to: Option<u64>,
    /// How it is found.
    pub way: Way,
}

/// When a predicate holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Wanted {
    /// The value is true. It has to be a truth value, or null, which is not true.
    True,
    /// The value is this one.
    Is(Value),
    /// The value is a number above this one. It has to be a number, or null, which is above nothing.
    Above(f64),
}

impl Wanted {
    /// The value as it is typed: JSON, or a bare word, which is the name that it is, as most values are.
    #[must_use]
    pub fn is(typed: &str) -> Self {
        Self::Is(serde_json::from_str(typed).unwrap_or_else(|_| Value::String(typed.to_owned())))
    }
}

/// Why a search ended without an answer.
#[derive(Debug, thiserror::Error)]
pub enum BisectError {
    /// The selection is more than one, or none.
    #[error(
        "`query` is a selection on the session, like `turn {{ state }}`; this one ends it and goes on outside"
    )]
    NotASelection,
    /// The graph refuses the question, whatever the state.
    #[error("{}", .0.message)]
    Refused(QueryError),
    /// The question fails in one of the states.
    #[error("after commit {commit} the question fails: {}", error.message)]
    Failed {
        /// The commit.
        commit: u64,
        /// Why.
        error: QueryError,
    },
    /// There is no one value to look at.
    #[error("after commit {commit} the answer has no one value to look at; say which with `path`: {answer}")]
    NoOneValue {
        /// The commit.
        commit: u64,
        /// The answer, cut.
        answer: String,
    },
    /// The value cannot be judged.
    #[error(
        "after commit {commit} the value is {value}, which is no {expected}; say what is wanted with `is` or `above`"
    )]
    NotJudged {
        /// The commit.
        commit: u64,
        /// The value, cut.
        value: String,
        /// What it had to be.
        expected: &'static str,
    },
    /// The search itself has no answer.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// A resolver failed. A defect.
    #[error("the search failed; please report this")]
    Broken,
}

/// Who answers the question, of which session, and how long at most.
pub(crate) struct Asked {
    pub(crate) graph: Graph,
    pub(crate) snapshot: Snapshot,
    pub(crate) session: ScopeId,
    pub(crate) what: Bisection,
    /// Most states that are looked at.
    pub(crate) most: u64,
    /// When it has to be done.
    pub(crate) until: Option<Instant>,
}

impl Graph {
    /// Looks for the first commit after which a predicate holds.
    ///
    /// Must be called within a tokio runtime. It takes as long as it takes: each state has the time of a query.
    ///
    /// # Errors
    /// [`BisectError`].
    pub async fn bisect(&self, viewer: Viewer, what: Bisection) -> Result<Bisected<Value>, BisectError> {
        let graph = self.clone();
        let runtime = Handle::current();
        let work = tokio::task::spawn_blocking(move || {
            let snapshot = graph.reader.snapshot(viewer);
            let session = snapshot.find(&what.session).map_err(SearchError::Read)?;
            let asked = Asked {
                graph,
                snapshot,
                session,
                what,
                most: MOST_STATES,
                until: None,
            };
            asked.search(&runtime)
        });
        work.await.map_err(|_| BisectError::Broken)?
    }
}

impl Asked {
    /// Searches. Blocks, and must not be called by what a runtime runs.
    pub(crate) fn search(self, runtime: &Handle) -> Result<Bisected<Value>, BisectError> {
        let what = Search {
            session: self.session,
            from: self.what.from,
            to: self.what.to,
            way: self.what.way,
            most: self.most,
            until: self.until,
        };
        let question = Question {
            runtime,
            query: format!(
                "query($id: String!) {{ session(id: $id) {{ {}\n}} }}",
                self.what.select
            ),
            asked: &self,
        };
        question.is_a_selection()?;
        bisecting::search(&self.snapshot, &what, |commit, moment| {
            question.judged(commit, moment)
        })
    }
}

struct Question<'a> {
    asked: &'a Asked,
    runtime: &'a Handle,
    query: String,
}

impl Question<'_> {
    /// Whether what was given is a selection on the session and nothing besides.
    fn is_a_selection(&self) -> Result<(), BisectError> {
        let mut request = self.request()?;
        // It was parsed when the request was made.
        let document = request.parsed_query().map_err(|_| BisectError::Broken)?;
        let DocumentOperations::Single(operation) = &document.operations else {
            return Err(BisectError::NotASelection);
        };
        let selected = &operation.node.selection_set.node.items;
        let is_session = |selection: &Selection| {
            matches!(selection, Selection::Field(field)
                if field.node.name.node == "session" && field.node.alias.is_none())
        };
        match selected.as_slice() {
            [one] if is_session(&one.node) && document.fragments.is_empty() => Ok(()),
            _ => Err(BisectError::NotASelection),
        }
    }

    fn request(&self) -> Result<Request, BisectError> {
        let variables = json!({ "id": self.asked.session.to_string() });
        self.asked
            .graph
            .request(&self.query, variables, None)
            .map(|(request, _)| request)
            .map_err(|refused| first_error(&refused).map_or(BisectError::Broken, BisectError::Refused))
    }

    fn judged(&self, commit: u64, moment: Snapshot) -> Result<Judged<Value>, BisectError> {
        let Asked { graph, what, .. } = self.asked;
        let until = Instant::now() + graph.limits.time;
        let until = self.asked.until.map_or(until, |end| until.min(end));
        let operation = Operation::new(
            moment,
            Arc::clone(&graph.limits),
            Arc::clone(&graph.catalogue),
            until,
        );
        let request = self.request()?.data(Arc::new(operation));
        let response = Response(classified(self.runtime.block_on(graph.schema.execute(request))));
        if let Some(error) = first_error(&response) {
            return Err(match error.path.is_empty() {
                true => BisectError::Refused(error),
                false => BisectError::Failed { commit, error },
            });
        }
        let answer = response.to_json().map_err(|_| BisectError::Broken)?;
        let answer = answer.pointer("/data/session").unwrap_or(&Value::Null);
        let found = match &what.path {
            Some(path) => at_path(answer, path),
            None => only(answer),
        };
        let value = found.cloned().ok_or_else(|| BisectError::NoOneValue {
            commit,
            answer: cut(answer, SHOWN),
        })?;
        let unjudged = |expected| BisectError::NotJudged {
            commit,
            value: cut(&value, SHOWN),
            expected,
        };
        let holds = match (&what.wanted, &value) {
            (Wanted::Is(wanted), value) => same(wanted, value),
            (Wanted::True | Wanted::Above(_), Value::Null) => false,
            (Wanted::True, Value::Bool(holds)) => *holds,
            (Wanted::True, _) => return Err(unjudged("truth value")),
            (Wanted::Above(least), Value::Number(number)) => {
                number.as_f64().is_some_and(|number| number > *least)
            }
            (Wanted::Above(_), _) => return Err(unjudged("number")),
        };
        Ok(Judged { value, holds })
    }
}

fn first_error(response: &Response) -> Option<QueryError> {
    response.errors().into_iter().next()
}

/// A part of an answer. What is below a null is null: nothing is there yet.
fn at_path<'v>(answer: &'v Value, path: &str) -> Option<&'v Value> {
    const NOTHING: &Value = &Value::Null;
    let mut value = answer;
    for name in path.split('.') {
        value = match value {
            Value::Null => return Some(NOTHING),
            Value::Object(fields) => fields.get(name)?,
            // A list may not be as long yet.
            Value::Array(list) => list.get(name.parse::<usize>().ok()?).unwrap_or(NOTHING),
            _ => return None,
        };
    }
    Some(value)
}

/// The one value of a selection with one field; what is null on the way is null.
fn only(answer: &Value) -> Option<&Value> {
    match answer {
        Value::Object(fields) if fields.len() == 1 => fields.values().next().and_then(only),
        Value::Object(_) => None,
        other => Some(other),
    }
}

/// Numbers are compared by value: `1` is `1.0`.
fn same(wanted: &Value, value: &Value) -> bool {
    match (wanted, value) {
        (Value::Number(wanted), Value::Number(value)) if wanted != value => {
            !(wanted.is_u64() && value.is_u64()) && wanted.as_f64() == value.as_f64()
        }
        (wanted, value) => wanted == value,
    }
}

/// As JSON, of so many characters at most.
pub(crate) fn cut(value: &Value, most: usize) -> String {
    let text = value.to_string();
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

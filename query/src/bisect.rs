//! Which commit made something so: the first after which a predicate over the graph holds.
//!
//! The predicate is a selection on the session, in the language of the graph, and a value in its answer. It is asked of
//! the state after each commit, in one pass over the record; where it is known to hold on once it holds, halving finds
//! the commit with a few looks. Nothing is guessed: a state in which the question fails ends the search there.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use async_graphql::Request;
use async_graphql::parser::types::{DocumentOperations, Selection};
use glasswork_app_runtime::reading::{ReadError, Snapshot, Viewer};
use glasswork_engine::ScopeId;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::graph::{Graph, QueryError, Response, classified};
use crate::operation::Operation;

/// Most states that one search looks at.
pub const MOST_STATES: u64 = 1_000_000;

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

/// How the commit is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Every state is looked at, in order.
    Fold,
    /// By halving: the caller knows that it holds on once it holds.
    Monotone,
}

/// What a search came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum Bisected {
    /// It holds after this commit, and not after the one before that was looked at.
    Found {
        /// The session.
        session: ScopeId,
        /// The commit.
        commit: u64,
        /// The last commit before it that has a state; others between them were folded away.
        previous: u64,
        /// The value after that one.
        before: Value,
        /// The value after the commit.
        after: Value,
        /// How many states were looked at.
        looked_at: u64,
    },
    /// It holds after the first commit that was looked at already.
    AtOnce {
        /// The session.
        session: ScopeId,
        /// That commit.
        commit: u64,
        /// The value.
        value: Value,
    },
    /// It holds after none of the commits; when halving, not after the last.
    Never {
        /// The session.
        session: ScopeId,
        /// The last commit that was looked at.
        commit: u64,
        /// The value after it.
        value: Value,
        /// How many states were looked at.
        looked_at: u64,
    },
}

/// Why a search ended without an answer.
#[derive(Debug, thiserror::Error)]
pub enum BisectError {
    /// The selection is more than one, or none.
    #[error(
        "--query is a selection on the session, like `turn {{ state }}`; this one ends it and goes on outside"
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
    #[error(
        "after commit {commit} the answer has no one value to look at; say which with `--path`: {answer}"
    )]
    NoOneValue {
        /// The commit.
        commit: u64,
        /// The answer, cut.
        answer: String,
    },
    /// The value cannot be judged.
    #[error(
        "after commit {commit} the value is {value}, which is no {expected}; say what is wanted with `--is` or `--above`"
    )]
    NotJudged {
        /// The commit.
        commit: u64,
        /// The value, cut.
        value: String,
        /// What it had to be.
        expected: &'static str,
    },
    /// There are no commits in the range.
    #[error("there is no commit from {from} to {to}: the session has {last}")]
    Empty {
        /// The first commit that was asked for.
        from: u64,
        /// The last one.
        to: u64,
        /// The last one of the session.
        last: u64,
    },
    /// There are too many states in the range.
    #[error(
        "more than {MOST_STATES} states would be looked at; narrow it with `--from` and `--to`, or say `--monotone`"
    )]
    TooMany,
    /// The record cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The search itself failed. A defect.
    #[error("the search failed; please report this")]
    Broken,
}

impl Graph {
    /// Looks for the first commit after which a predicate holds.
    ///
    /// Must be called within a tokio runtime. It takes as long as it takes: each state has the time of a query.
    ///
    /// # Errors
    /// [`BisectError`].
    pub async fn bisect(&self, viewer: Viewer, what: Bisection) -> Result<Bisected, BisectError> {
        let graph = self.clone();
        let runtime = Handle::current();
        let work = tokio::task::spawn_blocking(move || {
            let snapshot = graph.reader.snapshot(viewer);
            Searching::begin(&graph, &runtime, &snapshot, &what)?.search()
        });
        work.await.map_err(|_| BisectError::Broken)?
    }
}

struct Searching<'a> {
    graph: &'a Graph,
    runtime: &'a Handle,
    snapshot: &'a Snapshot,
    what: &'a Bisection,
    session: ScopeId,
    query: String,
    last: u64,
    looked_at: u64,
}

/// A state that was looked at.
struct Looked {
    commit: u64,
    value: Value,
    holds: bool,
}

impl<'a> Searching<'a> {
    fn begin(
        graph: &'a Graph,
        runtime: &'a Handle,
        snapshot: &'a Snapshot,
        what: &'a Bisection,
    ) -> Result<Self, BisectError> {
        let session = snapshot.find(&what.session)?;
        let end = snapshot.session(session, None)?.scope.seq;
        if what.to.is_some_and(|to| to > end) || what.from > what.to.unwrap_or(end) {
            return Err(BisectError::Empty {
                from: what.from,
                to: what.to.unwrap_or(end),
                last: end,
            });
        }
        let searching = Self {
            graph,
            runtime,
            snapshot,
            what,
            session,
            query: format!(
                "query($id: String!) {{ session(id: $id) {{ {}\n}} }}",
                what.select
            ),
            last: what.to.unwrap_or(end),
            looked_at: 0,
        };
        searching.is_a_selection()?;
        Ok(searching)
    }

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
        let variables = json!({ "id": self.session.to_string() });
        self.graph
            .request(&self.query, variables, None)
            .map(|(request, _)| request)
            .map_err(|refused| first_error(&refused).map_or(BisectError::Broken, BisectError::Refused))
    }

    fn search(mut self) -> Result<Bisected, BisectError> {
        match self.what.way {
            Way::Fold => self.fold(),
            Way::Monotone => self.halve(),
        }
    }

    fn fold(&mut self) -> Result<Bisected, BisectError> {
        let (from, last) = (self.what.from, self.last);
        if last - from >= MOST_STATES {
            return Err(BisectError::TooMany);
        }
        let mut before: Option<Looked> = None;
        let mut ended: Option<Result<Bisected, BisectError>> = None;
        let (snapshot, session) = (self.snapshot, self.session);
        snapshot.each_moment(session, from..=last, |commit, moment| {
            match self.look(commit, moment) {
                Err(error) => ended = Some(Err(error)),
                Ok(looked) if looked.holds => ended = Some(Ok(self.found(before.take(), looked))),
                Ok(looked) => {
                    before = Some(looked);
                    return ControlFlow::Continue(());
                }
            }
            ControlFlow::Break(())
        })?;
        match (ended, before) {
            (Some(ended), _) => ended,
            (None, Some(looked)) => Ok(self.never(looked)),
            (None, None) => Err(BisectError::Empty { from, to: last, last }),
        }
    }

    /// `low` does not hold, `high` does; what lies between is halved.
    fn halve(&mut self) -> Result<Bisected, BisectError> {
        let mut high = self.look_at(self.last)?;
        if !high.holds {
            return Ok(self.never(high));
        }
        if self.what.from == self.last {
            return Ok(self.found(None, high));
        }
        let mut low = self.look_at(self.what.from)?;
        if low.holds {
            return Ok(self.found(None, low));
        }
        while high.commit - low.commit > 1 {
            let asked = low.commit + (high.commit - low.commit) / 2;
            let middle = self.look_at(asked)?;
            match middle.holds {
                true => high = middle,
                // Where that commit was folded away the state is of an earlier one, and so it is up to here.
                false => {
                    low = Looked {
                        commit: asked,
                        ..middle
                    }
                }
            }
        }
        Ok(self.found(Some(low), high))
    }

    fn look_at(&mut self, commit: u64) -> Result<Looked, BisectError> {
        let moment = self.snapshot.moment(self.session, commit)?;
        self.look(commit, moment)
    }

    fn look(&mut self, commit: u64, moment: Snapshot) -> Result<Looked, BisectError> {
        self.looked_at += 1;
        let until = Instant::now() + self.graph.limits.time;
        let operation = Operation::new(
            moment,
            Arc::clone(&self.graph.limits),
            Arc::clone(&self.graph.catalogue),
            until,
        );
        let request = self.request()?.data(Arc::new(operation));
        let response = Response(classified(
            self.runtime.block_on(self.graph.schema.execute(request)),
        ));
        if let Some(error) = first_error(&response) {
            return Err(match error.path.is_empty() {
                true => BisectError::Refused(error),
                false => BisectError::Failed { commit, error },
            });
        }
        let answer = response.to_json().map_err(|_| BisectError::Broken)?;
        let answer = answer.pointer("/data/session").unwrap_or(&Value::Null);
        let found = match &self.what.path {
            Some(path) => at_path(answer, path),
            None => only(answer),
        };
        let value = found.cloned().ok_or_else(|| BisectError::NoOneValue {
            commit,
            answer: cut(answer),
        })?;
        let unjudged = |expected| BisectError::NotJudged {
            commit,
            value: cut(&value),
            expected,
        };
        let holds = match (&self.what.wanted, &value) {
            (Wanted::Is(wanted), value) => same(wanted, value),
            (Wanted::True | Wanted::Above(_), Value::Null) => false,
            (Wanted::True, Value::Bool(holds)) => *holds,
            (Wanted::True, _) => return Err(unjudged("truth value")),
            (Wanted::Above(least), Value::Number(number)) => {
                number.as_f64().is_some_and(|number| number > *least)
            }
            (Wanted::Above(_), _) => return Err(unjudged("number")),
        };
        Ok(Looked { commit, value, holds })
    }

    fn found(&self, before: Option<Looked>, after: Looked) -> Bisected {
        let (session, looked_at) = (self.session, self.looked_at);
        match before {
            None => Bisected::AtOnce {
                session,
                commit: after.commit,
                value: after.value,
            },
            Some(before) => Bisected::Found {
                session,
                commit: after.commit,
                previous: before.commit,
                before: before.value,
                after: after.value,
                looked_at,
            },
        }
    }

    fn never(&self, looked: Looked) -> Bisected {
        Bisected::Never {
            session: self.session,
            commit: looked.commit,
            value: looked.value,
            looked_at: self.looked_at,
        }
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

fn cut(value: &Value) -> String {
    const LETTERS: usize = 200;
    let text = value.to_string();
    match text.char_indices().nth(LETTERS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

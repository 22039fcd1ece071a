//! `glasswork bisect`: which commit made something so.

use glasswork_app_runtime::bisecting::{Bisected, SearchError, Way};
use glasswork_app_runtime::ending::ExitCode;
use glasswork_app_runtime::reading::Viewer;
use glasswork_query::{BisectError, Bisection, Wanted};
use serde_json::{Value, json};

use crate::compose::{self, Sessions};
use crate::console::{Console, Layout, Paint};
use crate::graph::{self, changes, short, text_at};
use crate::problem::Problem;
use crate::reading_commands::Bisect;
use crate::{escape, outline};

const MADE: &str = include_str!("graph/bisect.graphql");

/// Finds the first commit after which something holds, and says what it was.
pub(crate) fn bisect(
    arguments: &Bisect,
    sessions: &Sessions,
    console: &Console,
) -> Result<ExitCode, Problem> {
    let what = Bisection {
        session: arguments.session.clone(),
        select: arguments.query.clone(),
        path: arguments.path.clone(),
        wanted: wanted(arguments),
        from: arguments.from,
        to: arguments.to,
        way: match arguments.monotone {
            true => Way::Monotone,
            false => Way::Fold,
        },
    };
    let graph = sessions.graph();
    let tasks = compose::tasks()?;
    let found = tasks
        .block_on(graph.bisect(Viewer::owner(), what))
        .map_err(told)?;
    let (session, commit) = match &found {
        Bisected::Found { session, commit, .. } | Bisected::AtOnce { session, commit, .. } => {
            (session, commit)
        }
        Bisected::Never { commit, value, .. } => {
            match arguments.json.json {
                true => console.json(&found, Layout::Document)?,
                false => console.data(&format!(
                    "it never holds: after commit {commit}, the last one, the value is {}\n",
                    shown(value)
                ))?,
            }
            return Ok(ExitCode::Failed);
        }
    };
    let id = format!("{session}/{commit}");
    let mut made = tasks.block_on(graph::data(&graph, MADE, json!({ "id": id })))?;
    let made = made.get_mut("dispatch").map(Value::take).unwrap_or_default();
    match arguments.json.json {
        true => console.json(&json!({ "result": found, "dispatch": made }), Layout::Document)?,
        false => console.data(&text(&found, &made, arguments.monotone, console.out))?,
    }
    Ok(ExitCode::Done)
}

fn wanted(arguments: &Bisect) -> Wanted {
    match (&arguments.is, arguments.above) {
        (Some(text), _) => Wanted::is(text),
        (None, Some(least)) => Wanted::Above(least),
        (None, None) => Wanted::True,
    }
}

fn told(error: BisectError) -> Problem {
    match error {
        BisectError::Refused(error) => graph::told(&error),
        BisectError::Search(SearchError::Read(error)) => error.into(),
        BisectError::Broken
        | BisectError::Failed { .. }
        | BisectError::Search(SearchError::NotMonotone { .. } | SearchError::Late { .. }) => {
            Problem::failed(error)
        }
        BisectError::NotASelection
        | BisectError::NoOneValue { .. }
        | BisectError::NotJudged { .. }
        | BisectError::Search(SearchError::Empty { .. } | SearchError::TooMany { .. }) => {
            Problem::usage(error)
        }
    }
}

fn shown(value: &Value) -> String {
    outline::cut(&outline::of(value, 0), 200)
}

fn text(found: &Bisected<Value>, made: &Value, halved: bool, paint: Paint) -> String {
    let mut text = String::new();
    match found {
        Bisected::Found {
            commit,
            previous,
            before,
            after,
            looked_at,
            ..
        } => {
            let how = match halved {
                true => "by halving, as it holds on once it holds",
                false => "in order",
            };
            text.push_str(&format!(
                "{} {} → {}, looking at {looked_at} states {how}\n",
                paint.bold(&format!("it holds from commit {commit} on:")),
                shown(before),
                shown(after),
            ));
            if previous + 1 < *commit && !halved {
                text.push_str(&format!(
                    "  the states after commits {} to {} are not there any more\n",
                    previous + 1,
                    commit - 1
                ));
            }
        }
        Bisected::AtOnce { commit, value, .. } => text.push_str(&format!(
            "{} the value is {}\n",
            paint.bold(&format!("it holds after commit {commit} already, the first one:")),
            shown(value)
        )),
        Bisected::Never { .. } => {}
    }
    text.push_str(&format!(
        "{}  {}  {}\n",
        short(text_at(made, "/id")),
        graph::origin(made),
        paint.bold(text_at(made, "/event")),
    ));
    let said = text_at(made, "/text");
    if !said.is_empty() {
        text.push_str(&format!("  {}\n", outline::cut(&escape::line(said), 100)));
    }
    match made.get("cause").filter(|cause| !cause.is_null()) {
        Some(cause) => text.push_str(&format!(
            "caused by {} in {}\n",
            text_at(cause, "/event"),
            short(text_at(cause, "/id"))
        )),
        None => text.push_str("which came from outside\n"),
    }
    let diff = made.get("stateDiff").map(changes).unwrap_or_default();
    if !diff.is_empty() {
        text.push_str(&format!("changed:{diff}\n"));
    }
    text
}

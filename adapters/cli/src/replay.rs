//! `glasswork replay`

use std::path::Path;

use glasswork_app_runtime::archive::Record;
use glasswork_app_runtime::ending::ExitCode;
use glasswork_app_runtime::importing::{Own, recognise};
use glasswork_engine::replay::{Difference, Gap, Replayed};
use glasswork_session_state::Glasswork;
use serde::Serialize;
use serde_json::Value;

use crate::commands::{DataFormat, Replay};
use crate::compose::{self, Place};
use crate::console::{Console, Layout};
use crate::problem::Problem;
use crate::{bundle, escape, graph, outline};

/// What a replay came to, as data.
#[derive(Debug, Serialize)]
struct Document<'a> {
    scope: String,
    equal: bool,
    /// How many commits were decided again.
    commits: u64,
    difference_count: u64,
    differences: &'a [Difference],
    /// How many commits were folded away when the session was archived, and so not decided again.
    folded: u64,
    /// Commits that were lost before the session was recovered, as stretches.
    gaps: &'a [Gap],
    /// How many commits those were.
    lost: u64,
    /// How many decisions came out otherwise that may have looked at what is not there any more.
    unsure: u64,
    /// An invariant that the state breaks, for people.
    breach: Option<String>,
    /// What the graph answers about the replayed state.
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<Value>,
}

/// Decides every event of a record again, and compares.
pub(crate) fn replay(arguments: &Replay, console: &Console) -> Result<ExitCode, Problem> {
    let place = Place::find()?;
    let path = Path::new(&arguments.record);
    let packed = path.is_file() && matches!(recognise(path), Ok(Some(Own::Archive)));
    // What it was unpacked to goes away with it.
    let opened = packed.then(|| bundle::opened(path)).transpose()?;
    let sessions = match &opened {
        Some(opened) => place.sessions_in(opened)?,
        None => place.sessions()?,
    };
    let snapshot = sessions.snapshot();
    let record = match &opened {
        Some(opened) => Record::Session(opened.session),
        None if path.is_file() => Record::File(path.to_owned()),
        None => Record::Session(snapshot.find(&arguments.record)?),
    };
    let replayed = snapshot.replay(&record, arguments.until)?;
    let mut document = document(&replayed);
    if let Some(query) = &arguments.query {
        let graph = sessions.graph_of(record, &replayed);
        let (answer, errors) = compose::tasks()?.block_on(graph::ask(&graph, query, Value::Null))?;
        if let Some(first) = errors.first() {
            return Err(graph::told(first));
        }
        document.answer = answer.get("data").cloned();
    }
    match arguments.format {
        DataFormat::Text => console.data(&text(&document, console))?,
        DataFormat::Json => console.json(&document, Layout::Document)?,
        DataFormat::Ron => {
            let text = ron::ser::to_string_pretty(&document, ron::ser::PrettyConfig::default());
            console.data(&(text.map_err(Problem::defect)? + "\n"))?;
        }
    }
    Ok(if document.equal {
        ExitCode::Done
    } else {
        ExitCode::Failed
    })
}

fn document(replayed: &Replayed<Glasswork>) -> Document<'_> {
    Document {
        scope: replayed.loaded.scope.id.to_string(),
        equal: replayed.difference_count == 0,
        commits: replayed.commits,
        difference_count: replayed.difference_count,
        differences: &replayed.differences,
        folded: replayed.folded,
        gaps: &replayed.gaps,
        lost: replayed.lost,
        unsure: replayed.unsure,
        breach: replayed.loaded.breach.as_ref().map(ToString::to_string),
        answer: None,
    }
}

fn text(document: &Document<'_>, console: &Console) -> String {
    let paint = console.out;
    let mut text = String::new();
    for difference in document.differences {
        let kind = serde_json::to_string(&difference.kind).unwrap_or_default();
        let place = format!("{}/{} {}", document.scope, difference.seq, difference.event);
        text.push_str(&format!(
            "{} {}\n",
            paint.red(&escape::line(&place)),
            escape::line(&kind)
        ));
    }
    let kept = document.differences.len() as u64;
    if document.difference_count > kept {
        text.push_str(&format!("… {} more\n", document.difference_count - kept));
    }
    if let Some(breach) = &document.breach {
        text.push_str(&format!(
            "{} {}\n",
            paint.red("the state breaks an invariant:"),
            escape::line(breach)
        ));
    }
    if let Some(answer) = &document.answer {
        text.push_str(&format!("{}\n", outline::of(answer, 0).trim_start_matches('\n')));
    }
    for Gap { from, to } in document.gaps {
        text.push_str(&format!(
            "{} {from}..{to}: these commits were lost before the session was recovered\n",
            paint.red("recovered")
        ));
    }
    if document.folded > 0 {
        text.push_str(&match document.folded {
            1 => {
                "1 delta was folded away when the session was archived, and is not decided again\n".to_owned()
            }
            many => format!(
                "{many} deltas were folded away when the session was archived, and are not decided again\n"
            ),
        });
    }
    if document.unsure > 0 {
        text.push_str(&match document.unsure {
            1 => "1 decision that may have looked at what is not there any more came out otherwise, and cannot be compared\n".to_owned(),
            many => format!("{many} decisions that may have looked at what is not there any more came out otherwise, and cannot be compared\n"),
        });
    }
    let commits = document.commits;
    text.push_str(&match document.difference_count {
        0 if document.unsure > 0 => format!(
            "{}: {commits} commits were decided again, each that can be compared as before\n",
            paint.green("equal")
        ),
        0 => format!(
            "{}: {commits} commits were decided again, each as before\n",
            paint.green("equal")
        ),
        1 => format!(
            "{}: 1 of {commits} commits would be decided otherwise\n",
            paint.red("different")
        ),
        n => format!(
            "{}: {n} differences in {commits} commits\n",
            paint.red("different")
        ),
    });
    text
}

//! `glasswork replay`

use std::path::Path;

use glasswork_app_runtime::archive::Record;
use glasswork_app_runtime::ending::ExitCode;
use glasswork_engine::replay::{Difference, Replayed};
use glasswork_session_state::Glasswork;
use serde::Serialize;

use crate::commands::{DataFormat, Replay};
use crate::compose::Place;
use crate::console::{Console, Layout};
use crate::escape;
use crate::problem::Problem;

/// What a replay came to, as data.
#[derive(Debug, Serialize)]
struct Document<'a> {
    scope: String,
    equal: bool,
    /// How many commits were decided again.
    commits: u64,
    difference_count: u64,
    differences: &'a [Difference],
    /// An invariant that the state breaks, for people.
    breach: Option<String>,
}

/// Decides every event of a record again, and compares.
pub(crate) fn replay(arguments: &Replay, console: &Console) -> Result<ExitCode, Problem> {
    let snapshot = Place::find()?.sessions()?.snapshot();
    let path = Path::new(&arguments.record);
    let record = match path.is_file() {
        true => Record::File(path.to_owned()),
        false => Record::Session(snapshot.find(&arguments.record)?),
    };
    let replayed = snapshot.replay(&record, arguments.until)?;
    let document = document(&replayed);
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
        breach: replayed.loaded.breach.as_ref().map(ToString::to_string),
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
    let commits = document.commits;
    text.push_str(&match document.difference_count {
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

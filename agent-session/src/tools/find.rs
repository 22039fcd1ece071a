//! `find`: files and directories by name.

use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use super::arguments::{Fields, Unfit};
use super::failure::ToolFailure;
use super::open::Place;
use super::truncation::{Head, shown_name};
use super::walk::{PathGlob, walk};
use super::{Context, Details, Limits, Listing, Outcome, check_cancelled, reading};

pub(crate) const DESCRIPTION: &str = "Find files and directories by a glob: without a slash it is matched against names \
    (*.rs), with one against the path below the directory searched (src/**/*.rs). What .gitignore names is left out. \
    Gives at most 1000 paths.";
pub(crate) const SCHEMA: &str = r#"{
  "type": "object",
  "properties": {
    "pattern": {"type": "string", "description": "The glob"},
    "path": {"type": "string", "description": "Where to search, relative to the workspace or absolute; the workspace if left out"},
    "limit": {"type": "integer", "minimum": 1, "maximum": 1000, "description": "Most paths to give; 1000 if left out"}
  },
  "required": ["pattern"],
  "additionalProperties": false
}"#;

const MOST: u64 = 1000;

/// Arguments of `find`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindArguments {
    /// The glob.
    pub pattern: String,
    /// Where to search.
    pub path: Option<String>,
    /// Most paths to give.
    pub limit: Option<u64>,
}

impl FindArguments {
    pub(crate) fn take(fields: &mut Fields) -> Result<Self, Unfit> {
        const ALL: &[&str] = &["pattern", "path", "limit"];
        Ok(Self {
            pattern: fields.needed_text("pattern", ALL)?,
            path: fields.text("path")?,
            limit: fields.number("limit", 1, MOST)?,
        })
    }
}

pub(crate) async fn run(
    arguments: FindArguments,
    path: PathBuf,
    context: &Context,
) -> Result<Outcome, ToolFailure> {
    let limits = context.limits.clone();
    reading(context, move |cancel| find(&arguments, &path, &limits, cancel)).await
}

fn find(
    arguments: &FindArguments,
    root: &Path,
    limits: &Limits,
    cancel: &CancellationToken,
) -> Result<Outcome, ToolFailure> {
    let glob = PathGlob::new("pattern", &arguments.pattern)?;
    // Says what is wrong with the root, which a walk would only call empty.
    Place::find(root)?.open_directory()?;
    let most = usize::try_from(arguments.limit.unwrap_or(MOST)).unwrap_or(usize::MAX);
    let mut head = Head::new(most, limits.bytes);
    let mut unreadable = 0_usize;
    let mut more = false;
    for entry in walk(root) {
        check_cancelled(cancel)?;
        let Ok(entry) = entry else {
            unreadable += 1;
            continue;
        };
        let Some(below) = entry
            .path()
            .strip_prefix(root)
            .ok()
            .filter(|below| !below.as_os_str().is_empty())
        else {
            continue;
        };
        if !glob.matches(below) {
            continue;
        }
        let slash = if entry.file_type().is_some_and(|kind| kind.is_dir()) {
            "/"
        } else {
            ""
        };
        if !head.push(&format!("{}{slash}", shown_name(below.as_os_str()))) {
            more = true;
            break;
        }
    }
    let shown = head.lines();
    let mut text = head.into_text();
    if shown == 0 {
        text = format!("[Nothing matches `{}`.]", arguments.pattern);
    } else if more {
        text.push_str(&format!(
            "\n[The first {shown} paths; there are more. Narrow the pattern or the path.]"
        ));
    }
    if unreadable > 0 {
        text.push_str(&format!("\n[{unreadable} entries could not be read.]"));
    }
    Ok(Outcome {
        text,
        is_error: false,
        details: Details::Listing(Listing { shown, more }),
    })
}

//! `ls`: the entries of one directory.

use std::collections::BinaryHeap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use rustix::fs::{AtFlags, Dir, FileType};
use tokio_util::sync::CancellationToken;

use super::arguments::{Fields, Unfit};
use super::failure::ToolFailure;
use super::open::Place;
use super::truncation::{Head, shown_name};
use super::{Context, Details, Limits, Listing, Outcome, check_cancelled, reading};

pub(crate) const DESCRIPTION: &str = "List the entries of a directory, sorted, hidden ones included, directories with a \
    slash at the end. Gives at most 500 entries.";
pub(crate) const SCHEMA: &str = r#"{
  "type": "object",
  "properties": {
    "path": {"type": "string", "description": "The directory, relative to the workspace or absolute; the workspace if left out"}
  },
  "required": [],
  "additionalProperties": false
}"#;

/// Arguments of `ls`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LsArguments {
    /// The directory.
    pub path: Option<String>,
}

impl LsArguments {
    pub(crate) fn take(fields: &mut Fields) -> Result<Self, Unfit> {
        Ok(Self {
            path: fields.text("path")?,
        })
    }
}

pub(crate) async fn run(path: PathBuf, context: &Context) -> Result<Outcome, ToolFailure> {
    let limits = context.limits.clone();
    reading(context, move |cancel| list(&path, &limits, cancel)).await
}

fn list(path: &std::path::Path, limits: &Limits, cancel: &CancellationToken) -> Result<Outcome, ToolFailure> {
    let directory = Place::find(path)?.open_directory()?;
    let unreadable = |errno: rustix::io::Errno| ToolFailure::io("list", path, errno.into());
    // The first names in order are kept, however many there are: the greatest falls out when one too many is in.
    let mut first: BinaryHeap<Vec<u8>> = BinaryHeap::new();
    let mut total = 0_usize;
    for entry in Dir::read_from(&directory).map_err(unreadable)? {
        check_cancelled(cancel)?;
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        total += 1;
        first.push(name.to_vec());
        if first.len() > limits.entries {
            first.pop();
        }
    }
    let mut head = Head::new(limits.entries, limits.bytes);
    for name in first.into_sorted_vec() {
        let name = OsStr::from_bytes(&name);
        let is_directory = rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_dir());
        let slash = if is_directory { "/" } else { "" };
        if !head.push(&format!("{}{slash}", shown_name(name))) {
            break;
        }
    }
    let shown = head.lines();
    let mut text = head.into_text();
    if total == 0 {
        text = "[The directory is empty.]".to_owned();
    } else if shown < total {
        text.push_str(&format!(
            "\n[{shown} of {total} entries. Look for the others with `find`.]"
        ));
    }
    let listing = Listing {
        shown,
        more: shown < total,
    };
    Ok(Outcome {
        text,
        is_error: false,
        details: Details::Listing(listing),
    })
}

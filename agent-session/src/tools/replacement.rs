//! What a file was and became, as a unified diff.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use similar::{ChangeTag, TextDiff};

use super::Limits;
use super::truncation::head_lines;
use crate::blobs::Digest;
use crate::secrets::{Masking, Origin};

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The file.
    pub path: PathBuf,
    /// Whether it did not exist before.
    pub created: bool,
    /// Digest of its content before; `None` where it did not exist or was too large.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Digest>,
    /// Digest of its content now.
    pub after: Digest,
    /// What changed, with placeholders for secrets; `None` where one side is not text or too large.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<Diff>,
}

/// What changed in a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diff {
    /// The unified diff, with three lines of context.
    pub text: String,
    /// Whether the end of the text was left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
    /// Lines added.
    pub added: usize,
    /// Lines removed.
    pub removed: usize,
    /// The first line that is different, from 1, in the new text.
    pub first_line: usize,
}

impl Change {
    /// A file that was not there before.
    pub(crate) fn of_new(path: &Path, after: &[u8], limits: &Limits, masking: &Masking) -> Self {
        let seen = masking.view(after, &Origin::File(path.into()));
        Self {
            path: path.to_owned(),
            created: true,
            before: None,
            after: Digest::of(after),
            diff: diff(path, b"", seen.bytes(), limits),
        }
    }

    /// A file whose content was `before`, where that is known.
    pub(crate) fn of_existing(
        path: &Path,
        before: Option<&[u8]>,
        after: &[u8],
        limits: &Limits,
        masking: &Masking,
    ) -> Self {
        let origin = Origin::File(path.into());
        let seen = masking.view(after, &origin);
        Self {
            path: path.to_owned(),
            created: false,
            before: before.map(Digest::of),
            after: Digest::of(after),
            diff: before
                .and_then(|before| diff(path, masking.view(before, &origin).bytes(), seen.bytes(), limits)),
        }
    }
}

/// `None` where one side is not text or too large.
fn diff(path: &Path, before: &[u8], after: &[u8], limits: &Limits) -> Option<Diff> {
    if before.len().max(after.len()) as u64 > limits.edit_bytes {
        return None;
    }
    Some(diff_lines(
        path,
        std::str::from_utf8(before).ok()?,
        std::str::from_utf8(after).ok()?,
        limits.diff_bytes,
    ))
}

fn diff_lines(path: &Path, before: &str, after: &str, most: usize) -> Diff {
    // Two large texts with nothing in common would take very long to compare well; after this it is compared fast.
    let diff: TextDiff<'_, '_, str> = TextDiff::configure()
        .timeout(Duration::from_millis(500))
        .diff_lines(before, after);
    let (mut added, mut removed, mut first_line, mut line) = (0, 0, None, 1);
    for change in diff.iter_all_changes() {
        match change.tag() {
            ChangeTag::Equal => line += 1,
            ChangeTag::Insert => {
                first_line.get_or_insert(line);
                added += 1;
                line += 1;
            }
            ChangeTag::Delete => {
                first_line.get_or_insert(line);
                removed += 1;
            }
        }
    }
    let name = path.display().to_string();
    let whole = diff
        .unified_diff()
        .context_radius(3)
        .header(&name, &name)
        .to_string();
    let (text, cut) = head_lines(&whole, most);
    Diff {
        text: text.to_owned(),
        cut,
        added,
        removed,
        first_line: first_line.unwrap_or(1),
    }
}

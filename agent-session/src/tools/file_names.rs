//! The files of a workspace by name, for people to pick one.

use std::path::Path;

use super::walk::walk;

/// The first files below a directory, as paths from there, in order, as `find` sees them: hidden ones included, what
/// `.gitignore` and `.ignore` files name left out. What cannot be read, and what has no name in UTF-8, is left out. Blocks.
#[must_use]
pub fn below(root: &Path, most: usize) -> Vec<String> {
    let files = walk(root).filter_map(|entry| {
        let entry = entry.ok()?;
        let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
        let name = entry.path().strip_prefix(root).ok()?.to_str()?;
        is_file.then(|| name.to_owned())
    });
    files.take(most).collect()
}

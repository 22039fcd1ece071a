//! Where a path leads, found out before anyone decides about it.
//!
//! A path is judged resolved, and the resolved one is opened (see [`super::open`]). So resolution must say where a
//! file *would* come to be as well: through symlinks whose target does not exist yet, and with `..` after folders
//! that a write would make.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// As many as Linux follows.
const MOST_SYMLINKS: u32 = 40;

/// Why a path leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unresolvable {
    /// There is no path.
    #[error("the path is empty; `.` is the workspace")]
    Empty,
    /// A NUL ends every path for the system.
    #[error("the path holds a NUL character; no file can have that name")]
    Nul,
    /// Symlinks that lead to themselves, or very many.
    #[error("more than 40 symbolic links on the way; they may lead in a circle")]
    Loop,
    /// Something on the way is not a directory.
    #[error("{} is not a directory", .0.display())]
    NotADirectory(PathBuf),
    /// The workspace or what a symlink led to has a name that is no text.
    #[error("the path leads to a name that is not valid UTF-8")]
    NotText,
    /// The system would not let us look.
    #[error("cannot look at {}: {message}", path.display())]
    Io {
        /// At what.
        path: PathBuf,
        /// What the system said.
        message: String,
    },
}

/// Resolves a path against a base, which must be canonical: symlinks are followed, `.` and `..` are gone, and what
/// does not exist is kept as it stands. `~` is a name like any other.
///
/// # Errors
/// When it leads nowhere.
pub(crate) fn resolve(base: &Path, requested: &str) -> Result<PathBuf, Unresolvable> {
    if requested.is_empty() {
        return Err(Unresolvable::Empty);
    }
    if requested.contains('\0') {
        return Err(Unresolvable::Nul);
    }
    let mut resolved = base.to_path_buf();
    // What is still to go, last first.
    let mut ahead = steps(Path::new(requested));
    if Path::new(requested).is_absolute() {
        resolved = PathBuf::from("/");
    }
    let mut symlinks = 0_u32;
    while let Some(step) = ahead.pop() {
        match step {
            Step::Up => {
                // Nothing here is a symlink, so `..` is the parent, whether it exists or not.
                resolved.pop();
            }
            Step::Into(name) => {
                let next = resolved.join(&name);
                match fs::symlink_metadata(&next) {
                    Ok(metadata) if metadata.is_symlink() => {
                        symlinks += 1;
                        if symlinks > MOST_SYMLINKS {
                            return Err(Unresolvable::Loop);
                        }
                        let target = fs::read_link(&next).map_err(|error| unlookable(&next, &error))?;
                        if target.is_absolute() {
                            resolved = PathBuf::from("/");
                        }
                        ahead.extend(steps(&target));
                    }
                    Ok(metadata) => {
                        if !metadata.is_dir() && !ahead.is_empty() {
                            return Err(Unresolvable::NotADirectory(next));
                        }
                        resolved = next;
                    }
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        resolved = next;
                    }
                    Err(error) => return Err(unlookable(&next, &error)),
                }
            }
        }
    }
    if resolved.to_str().is_none() {
        return Err(Unresolvable::NotText);
    }
    Ok(resolved)
}

enum Step {
    Into(OsString),
    Up,
}

fn steps(path: &Path) -> Vec<Step> {
    let mut steps: Vec<Step> = path
        .components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(Step::Into(name.to_owned())),
            Component::ParentDir => Some(Step::Up),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect();
    steps.reverse();
    steps
}

fn unlookable(path: &Path, error: &io::Error) -> Unresolvable {
    Unresolvable::Io {
        path: path.to_owned(),
        message: error.to_string(),
    }
}

//! Why a tool could not do what it was asked. Its text is what the model reads, so it says what to do.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::arguments::Unfit;
use super::edit::Mismatch;
use super::in_editor::Trouble;
use super::open::FileKind;
use crate::secrets::NotPutBack;

/// Why a tool could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolFailure {
    /// The call itself is wrong.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// Nothing is there.
    #[error("{} does not exist; look for it with `ls` or `find`", path.display())]
    NotFound {
        /// Where.
        path: PathBuf,
    },
    /// A file was needed.
    #[error("{} is {}, not a file{}", path.display(), found.name(), advice(*found))]
    NotAFile {
        /// Where.
        path: PathBuf,
        /// What is there.
        found: FileKind,
    },
    /// A directory was needed.
    #[error("{} is {}, not a directory", path.display(), found.name())]
    NotADirectory {
        /// Where.
        path: PathBuf,
        /// What is there.
        found: FileKind,
    },
    /// A symlink stands where none stood when the call was judged.
    #[error("{} leads elsewhere than when this call was judged: a symbolic link was put there meanwhile. \
             Nothing was opened; call again to have the new target judged", path.display())]
    PathChanged {
        /// The component that changed.
        path: PathBuf,
    },
    /// The file is not text.
    #[error("{} is a binary file of {len} bytes; it is not shown. Use bash (`file`, `xxd | head`) to look inside",
            path.display())]
    Binary {
        /// Where.
        path: PathBuf,
        /// How long it is, in bytes.
        len: u64,
    },
    /// The file begins like an image, and cannot be shown.
    #[error("{} {why}", path.display())]
    Image {
        /// Where.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The first line asked for lies behind the end.
    #[error("offset {offset} is beyond the end of {}, which has {lines} lines", path.display())]
    BeyondEnd {
        /// Where.
        path: PathBuf,
        /// What was asked for.
        offset: u64,
        /// What there is.
        lines: u64,
    },
    /// More than the tool takes.
    #[error("{} has {len} bytes, more than the {most} that `{tool}` takes; use bash", path.display())]
    TooLarge {
        /// Which tool.
        tool: super::Tool,
        /// Where.
        path: PathBuf,
        /// Its length in bytes.
        len: u64,
        /// The most that the tool takes, in bytes.
        most: u64,
    },
    /// An edit does not fit the file. Nothing was changed.
    #[error("{mismatch}\n{} was not changed", path.display())]
    Mismatch {
        /// Where.
        path: PathBuf,
        /// How it does not fit.
        mismatch: Mismatch,
    },
    /// A placeholder of a secret stays one.
    #[error(transparent)]
    Secret(#[from] NotPutBack),
    /// A pattern that cannot be read.
    #[error("the {field} `{pattern}` is not valid: {message}")]
    Pattern {
        /// Which argument.
        field: String,
        /// What it was.
        pattern: String,
        /// What is wrong with it.
        message: String,
    },
    /// The system refused.
    #[error("cannot {action} {}: {message}", path.display())]
    Io {
        /// What was tried.
        action: String,
        /// With what.
        path: PathBuf,
        /// What the system said.
        message: String,
    },
    /// An editor, in which the call works, did not do it.
    #[error("{}", of_editor(editor, wanted, trouble, *unsure))]
    Editor {
        /// What it calls itself.
        editor: String,
        /// What it was asked: `read /work/a.txt`.
        wanted: String,
        /// What came of that.
        trouble: Trouble,
        /// Whether it may have been done all the same.
        unsure: bool,
    },
    /// The call was cancelled before it did anything that lasts.
    #[error("cancelled")]
    Cancelled,
    /// The tool itself broke.
    #[error("the tool broke down: {message}. This is a fault of Glasswork; please report it")]
    Broken {
        /// What it said.
        message: String,
    },
}

impl ToolFailure {
    pub(crate) fn io(action: &str, path: &Path, error: io::Error) -> Self {
        Self::Io {
            action: action.to_owned(),
            path: path.to_owned(),
            message: error.to_string(),
        }
    }
}

fn of_editor(editor: &str, wanted: &str, trouble: &Trouble, unsure: bool) -> String {
    let end = match unsure {
        true => ". Whether it is done all the same is not known: look before you try again",
        false => "",
    };
    match trouble {
        Trouble::Left => format!("the editor `{editor}` left before it could {wanted}{end}"),
        Trouble::Refused(why) => format!("the editor `{editor}` did not {wanted}: {why}"),
        Trouble::Silent(seconds) => {
            format!(
                "the editor `{editor}` was asked to {wanted} and did not answer for {seconds} seconds{end}"
            )
        }
    }
}

fn advice(found: FileKind) -> &'static str {
    match found {
        FileKind::Directory => "; list it with `ls`",
        FileKind::Fifo | FileKind::Socket | FileKind::CharacterDevice | FileKind::BlockDevice => {
            "; it is not opened, as reading it might never end"
        }
        _ => "",
    }
}

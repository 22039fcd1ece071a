//! What is known about a call before anyone decides whether it may run: gathered from the disk, then only data.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Tool;
use super::arguments::{Arguments, Unfit};
use super::failure::ToolFailure;
use super::open::{FileKind, Place};
use super::path::{Unresolvable, resolve};
use crate::blobs::Digest;

/// What is known about a call before it is decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// A call about a path.
    File(FileEvidence),
    /// A command.
    Command(CommandEvidence),
    /// The call cannot be run at all, and this is why.
    Unfit(Unfit),
}

/// What is known about a call that reads or writes below a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEvidence {
    /// Which tool.
    pub tool: Tool,
    /// The path as the model wrote it.
    pub requested: String,
    /// Where that leads: absolute, symlinks followed, without `.` and `..`, valid UTF-8. What does not exist yet is
    /// where it would come to be. This is the path to judge, and the one to open.
    pub resolved: PathBuf,
    /// Whether that is the workspace or below it.
    pub inside_workspace: bool,
    /// What is there; `None` where nothing is.
    pub found: Option<Found>,
}

/// What is found under a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Its kind.
    pub kind: FileKind,
    /// Its length in bytes.
    pub len: u64,
    /// Digest of the content, of regular files that are small and readable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// What is known about a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandEvidence {
    /// The command as it would be given to the shell.
    pub command: String,
    /// Where it would run: the workspace, resolved.
    pub directory: PathBuf,
    /// Seconds after which the call wants it ended; `None` where it does not say.
    pub timeout: Option<u64>,
}

/// Gathers evidence. Blocks for as long as the disk takes; opens nothing that could wait.
///
/// `digest_bytes` is the length in bytes up to which files are read for their digest.
#[must_use]
pub fn evidence(tool: &str, arguments: &str, workspace: &Path, digest_bytes: u64) -> Evidence {
    gather(tool, arguments, workspace, digest_bytes).unwrap_or_else(Evidence::Unfit)
}

fn gather(tool: &str, arguments: &str, workspace: &Path, digest_bytes: u64) -> Result<Evidence, Unfit> {
    let tool: Tool = tool.parse()?;
    let arguments = Arguments::parse(tool, arguments)?;
    let lead = |base: &Path, requested: &str| {
        resolve(base, requested).map_err(|why| Unfit::Path {
            requested: requested.to_owned(),
            why,
        })
    };
    let workspace = workspace.to_str().ok_or_else(|| Unfit::Path {
        requested: workspace.to_string_lossy().into_owned(),
        why: Unresolvable::NotText,
    })?;
    let workspace = lead(Path::new("/"), workspace)?;
    if let Arguments::Bash(bash) = arguments {
        return Ok(Evidence::Command(CommandEvidence {
            command: bash.command,
            directory: workspace,
            timeout: bash.timeout,
        }));
    }
    let requested = arguments.path().to_owned();
    let resolved = lead(&workspace, &requested)?;
    let inside_workspace = resolved.starts_with(&workspace);
    let found = fs::symlink_metadata(&resolved).ok().map(|metadata| Found {
        kind: FileKind::of(metadata.file_type()),
        len: metadata.len(),
        digest: if metadata.is_file() && metadata.len() <= digest_bytes {
            digest(&resolved, digest_bytes).ok().flatten()
        } else {
            None
        },
    });
    Ok(Evidence::File(FileEvidence {
        tool,
        requested,
        resolved,
        inside_workspace,
        found,
    }))
}

/// Files of `/proc` have the length 0 and any content, so the length is not believed.
fn digest(path: &Path, most: u64) -> Result<Option<Digest>, ToolFailure> {
    use std::io::Read as _;
    let (file, _) = Place::find(path)?.open_file()?;
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| ToolFailure::io("read", path, error))?;
    Ok((bytes.len() as u64 <= most).then(|| Digest::of(&bytes)))
}

//! Why something could not be read from, or written to, the store; and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use glasswork_engine::load::{Damage, DamageKind};
use glasswork_engine::{EffectKey, NameError, ScopeId};

use super::layout::Place;
use super::lease::Owner;

/// What the store could not do. Each message says what can be done now.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No journal has this id, or an id that begins so.
    #[error("nothing here is called `{wanted}`; list what there is, and give the beginning of an id")]
    Unknown {
        /// What was asked for.
        wanted: String,
    },
    /// Several ids begin so.
    #[error("`{wanted}` could be any of {}; give more of the id", names(.candidates))]
    Ambiguous {
        /// What was asked for.
        wanted: String,
        /// At most [`CANDIDATES`] of those that it could be, newest first.
        candidates: Vec<ScopeId>,
    },
    /// What was asked for cannot be the beginning of an id.
    #[error(transparent)]
    NotAName(#[from] NameError),
    /// Another process (or another part of this one) has it open for writing.
    #[error(
        "{scope} is open elsewhere{}; attach to its owner or wait until it is closed there, reading works meanwhile",
        describe(.owner.as_ref())
    )]
    Owned {
        /// The scope.
        scope: ScopeId,
        /// Who has it, as far as the owner has said so already.
        owner: Option<Owner>,
    },
    /// A line of the journal is not what was written.
    #[error(
        "{}: {damage}. {}",
        .path.display(),
        readable(.path, .damage, *.intact)
    )]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// Where, and what.
        damage: Damage,
        /// The last commit before the damage; up to it everything can be read. 0 where there is none.
        intact: u64,
    },
    /// Something else stands where a file or folder of the store should be. It is not followed.
    #[error(
        "{} is {found}, not {expected}; move it away or put {expected} in its place",
        .path.display()
    )]
    NotAJournal {
        /// Where.
        path: PathBuf,
        /// What stands there.
        found: &'static str,
        /// What should.
        expected: &'static str,
    },
    /// The journal's header names another scope than its file name.
    #[error(
        "{} holds the journal of {header}: it was renamed or copied; read it by its path, or give it its own name",
        .path.display()
    )]
    Misnamed {
        /// The journal.
        path: PathBuf,
        /// Whose journal it is.
        header: ScopeId,
    },
    /// The journal does not go so far.
    #[error("there is no commit {asked} yet: the last one is {last}")]
    NoSuchCommit {
        /// The commit that was asked for.
        asked: u64,
        /// The last that there is.
        last: u64,
    },
    /// An effect is under way, so what it reported so far still counts.
    #[error(
        "{} is not at rest: effect {effect} has not ended; open the session once, so that it is settled",
        .path.display()
    )]
    NotAtRest {
        /// The journal.
        path: PathBuf,
        /// The effect.
        effect: EffectKey,
    },
    /// A scope with this id was made already.
    #[error("{0} exists already; mint a new id")]
    Exists(ScopeId),
    /// The operating system refused.
    #[error("cannot {doing} {}: {source}{}", .path.display(), advice(.source))]
    Io {
        /// What was attempted, as a verb.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// How many candidates an ambiguous name lists.
pub const CANDIDATES: usize = 8;

impl StoreError {
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

fn names(candidates: &[ScopeId]) -> String {
    candidates
        .iter()
        .map(ScopeId::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

fn describe(owner: Option<&Owner>) -> String {
    owner.map(|owner| format!(", in {owner}")).unwrap_or_default()
}

fn readable(path: &Path, damage: &Damage, intact: u64) -> String {
    let mut text = match intact {
        0 => "Nothing before it can be used; the file is left as it is".to_owned(),
        seq => {
            format!("Everything before it is intact: read it as of commit {seq}; the file is left as it is")
        }
    };
    if !matches!(damage.kind, DamageKind::FromTheFuture { .. })
        && let Some(session) = session_of(path)
    {
        text.push_str(&format!(
            "; `glasswork sessions repair {session}` keeps all that is sound and moves the rest aside"
        ));
    }
    text
}

/// The session to whose journal a file belongs by its name, or by that of its folder.
fn session_of(path: &Path) -> Option<ScopeId> {
    let id = |path: &Path| Place::Sessions.id_of(path.file_stem()?.to_str()?);
    id(path).or_else(|| id(path.parent()?))
}

/// What to do about a failure of the operating system, as the end of a sentence.
pub(super) fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull => "; free some space, then open it again",
        io::ErrorKind::QuotaExceeded => "; your disk quota is used up: free some space, then open it again",
        io::ErrorKind::FileTooLarge => "; the file may not grow further: raise the limit, then open it again",
        io::ErrorKind::ReadOnlyFilesystem => {
            "; the file system is read-only: make it writable, then open it again"
        }
        io::ErrorKind::PermissionDenied => "; check who owns it and its permissions",
        _ => "",
    }
}

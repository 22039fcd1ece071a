//! Journals that leave and come: their lines as they are stored, one after the other, over all files.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use glasswork_engine::line::{self, Chain, Header};
use glasswork_engine::load::{Damage, Fold};
use glasswork_engine::{Domain, ScopeId};

use super::error::StoreError;
use super::layout::{self, Place};
use super::read::{Reading, damaged};
use super::{Store, StoredJournal};

/// A journal that was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// Whose it is.
    pub scope: ScopeId,
    /// Its last commit.
    pub seq: u64,
    /// How long the copy is, in bytes.
    pub bytes: u64,
}

impl<D: Domain> StoredJournal<D> {
    /// Gives every line to `each` as it is stored, up to commit `until`, each checked. What was given is a journal.
    ///
    /// # Errors
    /// [`StoreError::NoSuchCommit`], [`StoreError::Damaged`], those of opening, and [`StoreError::Io`] with the error of
    /// `each`.
    pub fn copy(
        &self,
        until: Option<u64>,
        mut each: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<Copied, StoreError> {
        let mut copying = Copying::<D> {
            fold: Fold::new(),
            until,
            bytes: 0,
            failure: None,
            each: &mut each,
        };
        self.scan(&mut copying)?;
        let Copying {
            fold, bytes, failure, ..
        } = copying;
        if let Some(error) = failure {
            return Err(StoreError::io("copy", self.path())(error));
        }
        let loaded = fold.finish().map_err(|damage| damaged(self.path(), 0, damage))?;
        let (scope, seq, last) = (loaded.scope.id, loaded.scope.seq, loaded.reached);
        match until {
            Some(asked) if last < asked => Err(StoreError::NoSuchCommit { asked, last }),
            _ => Ok(Copied { scope, seq, bytes }),
        }
    }
}

struct Copying<'a, D: Domain> {
    fold: Fold<D>,
    until: Option<u64>,
    bytes: u64,
    failure: Option<io::Error>,
    each: &'a mut dyn FnMut(&[u8]) -> io::Result<()>,
}

impl<D: Domain> Reading for Copying<'_, D> {
    fn line(&mut self, bytes: &[u8]) -> Result<(), Damage> {
        self.fold.line(bytes)?;
        self.bytes += bytes.len() as u64 + 1;
        self.failure = (self.each)(bytes).and_then(|()| (self.each)(b"\n")).err();
        Ok(())
    }

    fn place(&self) -> Option<(ScopeId, u64)> {
        self.fold.scope().map(|scope| (scope.id, self.fold.reached()))
    }

    fn chain(&self) -> Chain {
        self.fold.chain()
    }

    fn is_done(&self) -> bool {
        // Not by the scope: in the middle of an answer its state waits for the end, and its lines do not.
        let reached = match (self.until, self.fold.header()) {
            (Some(until), Some(_)) => self.fold.reached() >= until,
            _ => false,
        };
        reached || self.failure.is_some()
    }
}

/// A journal and its files that shall become a scope of the store. They lie in a folder of the store already, so that
/// taking them in is a change of names.
#[derive(Debug)]
pub struct Incoming {
    folder: PathBuf,
}

impl Incoming {
    /// Where the journal is put.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.folder.join("incoming.jsonl")
    }

    /// The folder whose other files become those of the scope.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // Of what was taken in, nothing is left here.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl<D: Domain> Store<D> {
    /// A folder for a journal that comes from elsewhere. It goes away unless it is taken in.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn incoming(&self) -> Result<Incoming, StoreError> {
        let base = Place::Sessions.folder(self.data());
        layout::ensure_folder(&base)?;
        for number in 0u32.. {
            let folder = base.join(format!(".incoming-{}-{number}", std::process::id()));
            if layout::ensure_folder(&folder)? {
                return Ok(Incoming { folder });
            }
        }
        Err(StoreError::Unknown {
            wanted: "a free folder".to_owned(),
        })
    }

    /// Makes a scope of what came, under the time that its header says. All of it is on the disk when this returns.
    ///
    /// # Errors
    /// [`StoreError::Exists`] where a scope with this id is here; [`StoreError::Damaged`]; [`StoreError::Io`].
    pub fn take_in(&self, incoming: Incoming) -> Result<PathBuf, StoreError> {
        let staged = incoming.journal();
        let header = StoredJournal::<D>::at(staged.clone()).header()?;
        if self.path(header.scope).is_ok() {
            return Err(StoreError::Exists(header.scope));
        }
        let (folders, stem) = Place::Sessions.new_journal(self.data(), header.scope, header.created);
        for folder in &folders {
            if layout::ensure_folder(folder)?
                && let Some(parent) = folder.parent()
            {
                layout::sync_folder(parent)?;
            }
        }
        let home = folders.last().map_or(self.data(), PathBuf::as_path);
        let folder = home.join(&stem);
        let journal = home.join(format!("{stem}.{}", layout::JOURNAL));
        sync_all(&incoming.folder)?;
        // What another attempt has left without a journal is of no use.
        let _ = fs::remove_dir_all(&folder);
        let draft = home.join(format!(".{stem}.{}", std::process::id()));
        fs::rename(&staged, &draft).map_err(StoreError::io("name", &draft))?;
        fs::rename(&incoming.folder, &folder).map_err(StoreError::io("name", &folder))?;
        layout::sync_folder(home)?;
        fs::rename(&draft, &journal).map_err(StoreError::io("name", &journal))?;
        layout::sync_folder(home)?;
        Ok(journal)
    }
}

/// Makes everything in a folder durable, and its owner's alone.
fn sync_all(folder: &Path) -> Result<(), StoreError> {
    let entries = fs::read_dir(folder).map_err(StoreError::io("read", folder))?;
    for entry in entries {
        let path = entry.map_err(StoreError::io("read", folder))?.path();
        if path.is_dir() {
            sync_all(&path)?;
            continue;
        }
        let file = fs::File::open(&path).map_err(StoreError::io("open", &path))?;
        layout::own_alone(&file, &path)?;
        file.sync_all().map_err(StoreError::io("sync", &path))?;
    }
    layout::sync_folder(folder)
}

/// Writes a journal anew for another scope: the same commits under another id, in a chain of its own.
///
/// # Errors
/// [`StoreError`].
pub fn copy_as<D: Domain>(
    from: &StoredJournal<D>,
    scope: ScopeId,
    out: &mut impl Write,
) -> Result<Copied, StoreError> {
    let mut chain: Option<Chain> = None;
    let mut rewritten = 0;
    let copied = from.copy(None, |bytes| {
        if bytes == b"\n" {
            return Ok(());
        }
        let (line, next) = match chain {
            None => {
                let (header, _) = line::decode_header::<D::Kind>(bytes).map_err(io::Error::other)?;
                line::encode_header(&Header { scope, ..header })
            }
            Some(chain) => line::reseal(bytes, chain),
        }
        .map_err(io::Error::other)?;
        chain = Some(next);
        rewritten += line.len() as u64 + 1;
        out.write_all(&line)?;
        out.write_all(b"\n")
    })?;
    Ok(Copied {
        scope,
        bytes: rewritten,
        ..copied
    })
}

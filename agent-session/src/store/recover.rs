//! A session of its own for what is sound before and behind the damage of another.
//!
//! In it a line `folded a..b`, which names no effects, stands for what is gone.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use glasswork_engine::line::{self, Chain, Folded, Header, LineError};
use glasswork_engine::load::Fold;
use glasswork_engine::{DispatchId, Domain, ScopeId, Timestamp};

use super::error::StoreError;
use super::layout::{self, Place};
use super::pieces::Pieces;
use super::repair::written;
use super::salvage::{Behind, Salvage};
use super::{BLOBS, Store};

/// Whose damaged journal it is.
pub(super) struct Of<'a, D: Domain> {
    pub(super) scope: ScopeId,
    pub(super) kind: D::Kind,
    pub(super) folder: &'a Path,
}

/// Makes the session, if the commits before and behind the damage make one that is sound in itself; else one without
/// those that nothing proves.
pub(super) fn recover<D: Domain>(
    store: &Store<D>,
    of: &Of<'_, D>,
    pieces: &Pieces,
    salvage: &Salvage<D>,
    now: Timestamp,
) -> Result<Option<ScopeId>, StoreError> {
    let proven: Vec<Behind> = salvage
        .behind
        .iter()
        .copied()
        .filter(|found| found.is_proven)
        .collect();
    for behind in [&salvage.behind, &proven] {
        let scope = ScopeId::mint();
        if let Some(bytes) = journal(of, scope, pieces, salvage, behind, now)? {
            keep(store, of.folder, scope, &bytes, now)?;
            return Ok(Some(scope));
        }
    }
    Ok(None)
}

/// The lines of the session; `None` where they make no sound state.
fn journal<D: Domain>(
    of: &Of<'_, D>,
    scope: ScopeId,
    pieces: &Pieces,
    salvage: &Salvage<D>,
    behind: &[Behind],
    now: Timestamp,
) -> Result<Option<Vec<u8>>, StoreError> {
    let last = behind.iter().rev().find_map(|found| found.commits);
    let Some((_, last)) = last else {
        return Ok(None);
    };
    let unwritable = |error: LineError| StoreError::io("write", of.folder)(io::Error::other(error));
    let kept = salvage.fold.header();
    // All of its lines were decided there, those behind the damage too.
    let lineage = match kept {
        Some(header) => header.lineage_of_fork(last),
        None => vec![DispatchId::commit(of.scope, last)],
    };
    let header = Header {
        glasswork: line::FORMAT,
        schema: kept.map_or(D::SCHEMA, |header| header.schema),
        scope,
        kind: kept.map_or(of.kind, |header| header.kind),
        created: kept.map_or(now, |header| header.created),
        lineage,
    };
    let mut copy = Copy {
        fold: Fold::<D>::new(),
        chain: Chain::default(),
        bytes: Vec::new(),
    };
    let mut sound = copy.add(line::encode_header(&header).map_err(unwritable)?);
    let before = salvage.order.iter().skip(1).map(|index| (*index, None));
    for (index, commits) in before.chain(behind.iter().map(|found| (found.piece, found.commits))) {
        let Some(piece) = pieces.all.get(index) else {
            continue;
        };
        let bytes = pieces.read(piece)?;
        if let Some((first, _)) = commits
            && let (from, to) = (copy.fold.reached() + 1, first - 1)
            && from <= to
        {
            let gap = line::encode_folded(&Folded::lost(from, to), copy.chain).map_err(unwritable)?;
            sound &= copy.add(gap);
        }
        let line = match line::opening(&bytes) {
            // Of those before it one may be gone.
            Some(mut opening) => {
                opening.epoch = copy.fold.scope().map_or(1, |scope| scope.epoch) + 1;
                line::encode_opening(&opening, copy.chain)
            }
            None => line::reseal(&bytes, copy.chain),
        };
        sound &= copy.add(line.map_err(unwritable)?);
        if !sound {
            return Ok(None);
        }
    }
    let Copy { fold, bytes, .. } = copy;
    let is_whole = fold.finish().is_ok_and(|loaded| loaded.breach.is_none());
    Ok(is_whole.then_some(bytes))
}

fn keep<D: Domain>(
    store: &Store<D>,
    folder: &Path,
    scope: ScopeId,
    bytes: &[u8],
    now: Timestamp,
) -> Result<(), StoreError> {
    let (folders, stem) = Place::Sessions.new_journal(store.data(), scope, now);
    for folder in &folders {
        layout::ensure_folder(folder)?;
    }
    let home = folders.last().map_or(store.data(), PathBuf::as_path);
    let (beside, journal) = (home.join(&stem), home.join(format!("{stem}.{}", layout::JOURNAL)));
    layout::ensure_folder(&beside)?;
    link_all(&folder.join(BLOBS), &beside.join(BLOBS))?;
    let draft = beside.join("journal.new");
    written(&draft, |file| file.write_all(bytes))?;
    fs::rename(&draft, &journal).map_err(StoreError::io("name", &journal))?;
    layout::sync_folder(home)
}

/// A journal that is put together from the lines of another.
struct Copy<D: Domain> {
    fold: Fold<D>,
    chain: Chain,
    bytes: Vec<u8>,
}

impl<D: Domain> Copy<D> {
    /// Takes a line, and says whether it fits.
    fn add(&mut self, (line, chain): (Vec<u8>, Chain)) -> bool {
        let fits = self.fold.line(&line).is_ok();
        self.chain = chain;
        self.bytes.extend(line);
        self.bytes.push(b'\n');
        fits
    }
}

/// Gives the files of a folder a second name in another.
fn link_all(from: &Path, to: &Path) -> Result<(), StoreError> {
    let entries = match fs::read_dir(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(StoreError::io("list", from))?,
    };
    layout::ensure_folder(to)?;
    for entry in entries {
        let entry = entry.map_err(StoreError::io("list", from))?;
        let (path, other) = (entry.path(), to.join(entry.file_name()));
        fs::hard_link(&path, &other)
            .or_else(|_| fs::copy(&path, &other).map(drop))
            .map_err(StoreError::io("copy", &path))?;
    }
    layout::sync_folder(to)
}

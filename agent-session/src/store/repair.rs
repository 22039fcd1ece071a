//! Repairing a damaged journal: what is sound stays, what is damaged is moved aside, nothing is thrown away.
//!
//! Where a line is gone or was changed, the journal ends before it. What is [sound behind it](super::salvage) is kept
//! in a file to read, and, where a state can be made of it at all, in a [session of its own](super::recover).

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use glasswork_engine::line::LineError;
use glasswork_engine::load::DamageKind;
use glasswork_engine::{Domain, ScopeId, Timestamp};
use serde::Serialize;

use super::error::StoreError;
use super::layout::{self, Links};
use super::lease::Lease;
use super::pieces::Pieces;
use super::recover;
use super::salvage::{Ranges, Salvage, Witnesses};
use super::{Store, checkpoint, digests};

/// What a repair found and did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Repair {
    /// Whose journal it is.
    pub scope: ScopeId,
    /// What is wrong first, with its place.
    pub damage: String,
    /// The last commit that the journal keeps; 0 where nothing could be kept.
    pub kept: u64,
    /// Commits behind the damage that are sound, as ranges.
    pub salvaged: Vec<(u64, u64)>,
    /// Of those, the ones that nothing proves: the checksum of the line is confirmed by what was written after it, but
    /// what the checksum was made of beside the line is gone.
    pub unproven: Vec<(u64, u64)>,
    /// Commits that are not there any more, as ranges; there may have been others behind the last line.
    pub lost: Vec<(u64, u64)>,
    /// Lines that stand twice.
    pub doubled: u64,
    /// Pieces that are no sound lines of this journal (of a packed one, its damaged blocks), with file, place and length in bytes; at most [`STRANGE`].
    pub strange: Vec<Strange>,
    /// The folder to which all files were moved as they were, with a report and what was salvaged; `None` as long as
    /// nothing was done.
    pub moved_to: Option<PathBuf>,
    /// A session that has the commits behind the damage too.
    pub recovered: Option<ScopeId>,
}

/// A piece of a file that is no sound line of its journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Strange {
    /// The file.
    pub file: PathBuf,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// How long it is, in bytes.
    pub bytes: u64,
}

/// How many strange pieces a report names.
pub const STRANGE: usize = 1_000;

impl<D: Domain> Store<D> {
    /// Repairs the journal of a scope of this kind, or says what would be done. `None` where nothing is damaged. Takes
    /// the lock: a journal that somebody writes is not repaired.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where the journal is whole, but of a later version, or has lines that this build does
    /// not understand: then nothing is changed. [`StoreError::Owned`], [`StoreError::Unknown`], [`StoreError::Io`],
    /// [`StoreError::NotAJournal`].
    pub fn repair(
        &self,
        scope: ScopeId,
        kind: D::Kind,
        now: Timestamp,
        dry_run: bool,
    ) -> Result<Option<Repair>, StoreError> {
        let journal = self.path(scope)?;
        let mut options = layout::careful(Links::Refuse);
        let file = layout::open_regular(&journal, options.read(true).append(true), Links::Refuse)?;
        layout::ensure_folder(&journal.with_extension(""))?;
        let lease = Lease::take(scope, journal.clone(), file)?;
        let Err(error) = self.read_whole(scope) else {
            return Ok(None);
        };
        let damage = match &error {
            StoreError::Damaged { damage, path, .. } => match &damage.kind {
                // It is what was written; only this build cannot read it.
                DamageKind::FromTheFuture { .. }
                | DamageKind::Inapplicable(_)
                | DamageKind::Line(LineError::Unreadable(_)) => return Err(error),
                _ => format!("{}: {damage}", path.display()),
            },
            StoreError::Misnamed { .. } => return Err(error),
            _ => return Err(error),
        };
        let pieces = Pieces::find(&journal)?;
        let salvage = Salvage::<D>::of(scope, &pieces, &witnesses::<D>(scope, lease.folder()))?;
        let mut repair = report(scope, damage, &pieces, &salvage);
        if !dry_run {
            let work = Work {
                store: self,
                pieces: &pieces,
                salvage: &salvage,
            };
            work.move_aside(kind, &lease, &mut repair, now)?;
        }
        Ok(Some(repair))
    }

    /// Reads all of a journal, also what a checkpoint makes needless to read.
    fn read_whole(&self, scope: ScopeId) -> Result<(), StoreError> {
        let journal = self.journal(scope)?;
        journal.each_line(None, |_| Ok::<(), StoreError>(()))?;
        journal.read().map(drop)
    }
}

fn report<D: Domain>(scope: ScopeId, damage: String, pieces: &Pieces, salvage: &Salvage<D>) -> Repair {
    let Ranges {
        salvaged,
        lost,
        unproven,
    } = salvage.ranges();
    let strange = salvage.strange.iter().take(STRANGE).map(|unsound| Strange {
        file: pieces.path(unsound.file),
        offset: unsound.offset,
        bytes: unsound.bytes,
    });
    Repair {
        scope,
        damage,
        kept: salvage.fold.reached(),
        salvaged,
        unproven,
        lost,
        doubled: salvage.doubled,
        strange: strange.collect(),
        moved_to: None,
        recovered: None,
    }
}

/// The checksums that checkpoints and digests state.
fn witnesses<D: Domain>(scope: ScopeId, folder: &Path) -> Witnesses {
    let mut witnesses = Witnesses::new();
    let labels = checkpoint::list(folder)
        .into_iter()
        .filter_map(|file| checkpoint::label::<D>(&file, scope).ok());
    let spots = labels.map(|label| (label.spot.seq, label.spot.chain));
    for (seq, chain) in spots.chain(digests::chains(folder)) {
        witnesses.entry(seq).or_default().push(chain);
    }
    witnesses
}

/// What is done with what was found.
struct Work<'a, D: Domain> {
    store: &'a Store<D>,
    pieces: &'a Pieces,
    salvage: &'a Salvage<D>,
}

impl<D: Domain> Work<'_, D> {
    /// Puts what is sound in the journal's place. Whenever this is cut off, all is there, and it can be done again.
    fn move_aside(
        &self,
        kind: D::Kind,
        lease: &Lease,
        repair: &mut Repair,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (journal, folder) = (lease.journal(), lease.folder());
        let aside = new_folder(folder, now)?;
        let copy = aside.join("journal.jsonl");
        fs::hard_link(journal, &copy)
            .or_else(|_| fs::copy(journal, &copy).map(drop))
            .map_err(StoreError::io("make", &copy))?;
        let behind = self.salvage.behind.iter().filter(|found| found.commits.is_some());
        self.write(&aside.join("salvaged.jsonl"), behind.map(|found| found.piece))?;
        let of = recover::Of {
            scope: repair.scope,
            kind,
            folder,
        };
        repair.recovered = recover::recover(self.store, &of, self.pieces, self.salvage, now)?;
        repair.moved_to = Some(aside.clone());
        let report = aside.join("report.json");
        let text = serde_json::to_vec_pretty(&*repair).unwrap_or_default();
        written(&report, |file| file.write_all(&text))?;
        layout::sync_folder(&aside)?;
        if self.salvage.order.is_empty() {
            fs::remove_file(journal).map_err(StoreError::io("remove", journal))?;
        } else {
            let draft = folder.join("repair.new");
            let _ = fs::remove_file(&draft);
            self.write(&draft, self.salvage.order.iter().copied())?;
            fs::rename(&draft, journal).map_err(StoreError::io("name", journal))?;
        }
        for path in self.pieces.paths().iter().skip(1) {
            if let Some(name) = path.file_name() {
                fs::rename(path, aside.join(name)).map_err(StoreError::io("move", path))?;
            }
        }
        layout::sync_folder(folder)?;
        journal.parent().map_or(Ok(()), layout::sync_folder)
    }

    fn write(&self, path: &Path, lines: impl Iterator<Item = usize>) -> Result<(), StoreError> {
        let mut failed = Ok(());
        written(path, |file| {
            for piece in lines.filter_map(|index| self.pieces.all.get(index)) {
                match self.pieces.read(piece) {
                    Ok(bytes) => file.write_all(&[bytes.as_slice(), b"\n"].concat())?,
                    Err(error) => failed = Err(error),
                }
            }
            Ok(())
        })?;
        failed
    }
}

/// Writes a file of the store whole; it is on the disk when this returns.
pub(super) fn written(
    path: &Path,
    write: impl FnOnce(&mut io::BufWriter<&File>) -> io::Result<()>,
) -> Result<(), StoreError> {
    let file = layout::make_file(path)?;
    let mut writer = io::BufWriter::new(&file);
    write(&mut writer)
        .and_then(|()| writer.flush())
        .and_then(|()| file.sync_all())
        .map_err(StoreError::io("write", path))
}

fn new_folder(folder: &Path, now: Timestamp) -> Result<PathBuf, StoreError> {
    let time = layout::compact(now);
    for number in 0u32.. {
        let path = folder.join(match number {
            0 => format!("damaged-{time}"),
            _ => format!("damaged-{time}-{number}"),
        });
        if layout::ensure_folder(&path)? {
            return Ok(path);
        }
    }
    Ok(folder.to_owned())
}

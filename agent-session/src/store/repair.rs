//! Repairing a damaged journal: what is sound stays, what is damaged is moved aside, nothing is thrown away.
//!
//! Lines name the one before them by its checksum, so those that were only moved, doubled or parted by strange ones
//! are put in order again without loss. Where a line is gone or was changed, the journal ends before it; what is sound
//! behind it is kept in a file to read, and, where a state can be made of it at all, in a session of its own, in which
//! a line `folded a..b` stands for what is missing.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use glasswork_engine::line::{self, Chain, Folded, Header, LineError, MAX_LINE};
use glasswork_engine::load::{DamageKind, Fold};
use glasswork_engine::{Domain, ScopeId, Timestamp};
use serde::Serialize;

use super::Store;
use super::error::StoreError;
use super::layout::{self, Links, Place};
use super::lease::Lease;
use super::parts;

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
    /// Commits that are not there any more, as ranges; there may have been others behind the last line.
    pub lost: Vec<(u64, u64)>,
    /// Lines that stand twice.
    pub doubled: u64,
    /// Pieces that are no sound lines of this journal, with file, place and length in bytes; at most [`STRANGE`].
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

/// A line somewhere in the files of a journal.
#[derive(Debug, Clone, Copy)]
struct Found {
    file: usize,
    offset: u64,
    length: usize,
    says: Says,
    /// The checksum that it states.
    stated: Option<Chain>,
    /// Whether it was written after the line that stands before it.
    follows: bool,
    taken: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    Header,
    Opening,
    /// Commits from the first to the last: one, unless they were folded away.
    Commits(u64, u64),
    Nothing,
}

impl<D: Domain> Store<D> {
    /// Repairs the journal of a scope of this kind, or says what would be done. `None` where nothing is damaged. Takes the lock: a journal that
    /// somebody writes is not repaired.
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
        let error = match self.journal(scope)?.read() {
            Ok(_) => return Ok(None),
            Err(error) => error,
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
        let mut pieces = Pieces::<D>::find(scope, &journal)?;
        let order = pieces.order()?;
        let (mut repair, behind) = pieces.judge(scope, damage, &order);
        if !dry_run {
            pieces.move_aside(self, kind, &lease, &order, &behind, &mut repair, now)?;
        }
        Ok(Some(repair))
    }
}

/// All lines of a journal, wherever they stand.
struct Pieces<D: Domain> {
    scope: ScopeId,
    paths: Vec<PathBuf>,
    files: Vec<File>,
    found: Vec<Found>,
    /// The journal as far as it could be put together.
    fold: Fold<D>,
}

impl<D: Domain> Pieces<D> {
    fn find(scope: ScopeId, journal: &Path) -> Result<Self, StoreError> {
        let mut paths = vec![journal.to_owned()];
        let later = parts::later(&journal.with_extension(""))?;
        paths.extend(later.into_iter().map(|part| part.path));
        let mut pieces = Self {
            scope,
            files: Vec::new(),
            found: Vec::new(),
            fold: Fold::new(),
            paths,
        };
        let mut before = None;
        for (number, path) in pieces.paths.iter().enumerate() {
            let file = layout::open_regular(path, layout::careful(Links::Refuse).read(true), Links::Refuse)?;
            let read = StoreError::io("read", path);
            let reader = BufReader::new(file.try_clone().map_err(StoreError::io("open", path))?);
            let found = &mut pieces.found;
            each_piece(reader, |offset, length, line| {
                let line = line.unwrap_or_default();
                let stated = line::stated(line);
                let seed = before.unwrap_or_default();
                found.push(Found {
                    file: number,
                    offset,
                    length,
                    says: says(line),
                    stated,
                    follows: line::verify(line, seed).is_ok(),
                    taken: false,
                });
                before = stated;
            })
            .map_err(read)?;
            pieces.files.push(file);
        }
        Ok(pieces)
    }

    fn read(&self, found: &Found) -> Result<Vec<u8>, StoreError> {
        let mut bytes = vec![0; found.length];
        if let (Some(file), Some(path)) = (self.files.get(found.file), self.paths.get(found.file)) {
            file.read_exact_at(&mut bytes, found.offset)
                .map_err(StoreError::io("read", path))?;
        }
        Ok(bytes)
    }

    /// The lines that follow one another from the header on, wherever they stand.
    fn order(&mut self) -> Result<Vec<usize>, StoreError> {
        let mut by_commit: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        let mut others = Vec::new();
        for (index, found) in self.found.iter().enumerate() {
            match found.says {
                Says::Commits(first, _) => by_commit.entry(first).or_default().push(index),
                Says::Header | Says::Opening => others.push(index),
                Says::Nothing => {}
            }
        }
        let mut order = Vec::new();
        let mut next = 0;
        loop {
            let wanted = by_commit.get(&(self.fold.reached() + 1));
            let elsewhere = wanted.into_iter().flatten().chain(&others).copied();
            let candidates: Vec<usize> = std::iter::once(next).chain(elsewhere).collect();
            let mut taken = None;
            for index in candidates {
                if self.take(index)? {
                    taken = Some(index);
                    break;
                }
            }
            match taken {
                Some(index) => {
                    order.push(index);
                    next = index + 1;
                }
                None => return Ok(order),
            }
        }
    }

    /// Goes on with a line if it follows.
    fn take(&mut self, index: usize) -> Result<bool, StoreError> {
        let Some(found) = self.found.get(index).copied() else {
            return Ok(false);
        };
        if found.taken || found.says == Says::Nothing {
            return Ok(false);
        }
        let bytes = self.read(&found)?;
        let fits = line::verify(&bytes, self.fold.chain()).is_ok()
            && self.fold.line(&bytes).is_ok()
            && self
                .fold
                .header()
                .is_some_and(|header| header.scope == self.scope);
        if let Some(found) = self.found.get_mut(index) {
            found.taken = fits;
        }
        Ok(fits)
    }

    /// What is to be said of all this, and the lines behind the damage that are sound.
    fn judge(&self, scope: ScopeId, damage: String, order: &[usize]) -> (Repair, BTreeMap<u64, usize>) {
        let kept = self.fold.reached();
        let known: Vec<_> = order.iter().filter_map(|index| self.found.get(*index)).collect();
        let known: std::collections::BTreeSet<_> = known
            .iter()
            .map(|found| (found.stated.map(|chain| chain.to_string()), found.length))
            .collect();
        let (mut behind, mut strange, mut doubled) = (BTreeMap::new(), Vec::new(), 0);
        // The line before, if that is sound, and the last commit until there.
        let (mut is_sound, mut reached) = (false, None);
        for (index, found) in self.found.iter().enumerate() {
            let before = reached.filter(|_| is_sound);
            if let Says::Commits(_, last) = found.says {
                reached = Some(last);
            }
            is_sound = found.taken || found.follows;
            if found.taken {
                continue;
            }
            // Behind a hole a line has nobody to tell that it is sound, but the one that was written after it.
            let followed = self.found.get(index + 1).is_some_and(|next| next.follows);
            match found.says {
                Says::Commits(first, last)
                    if first > kept && (found.follows || followed && before != Some(first - 1)) =>
                {
                    behind.entry(first).or_insert((index, last));
                }
                Says::Opening if found.follows || followed => {}
                _ if known.contains(&(found.stated.map(|chain| chain.to_string()), found.length)) => {
                    doubled += 1
                }
                _ if strange.len() < STRANGE => strange.push(Strange {
                    file: self.paths.get(found.file).cloned().unwrap_or_default(),
                    offset: found.offset,
                    bytes: found.length as u64,
                }),
                _ => {}
            }
        }
        let (mut salvaged, mut lost) = (Vec::<(u64, u64)>::new(), Vec::new());
        let mut reached = kept;
        // Of lines that contradict one another the first counts.
        behind.retain(|first, (_, last)| {
            let fits = *first > reached;
            if fits {
                if *first > reached + 1 {
                    lost.push((reached + 1, *first - 1));
                }
                match salvaged.last_mut() {
                    Some((_, end)) if *end + 1 == *first => *end = *last,
                    _ => salvaged.push((*first, *last)),
                }
                reached = *last;
            }
            fits
        });
        let repair = Repair {
            scope,
            damage,
            kept,
            salvaged,
            lost,
            doubled,
            strange,
            moved_to: None,
            recovered: None,
        };
        (
            repair,
            behind
                .into_iter()
                .map(|(first, (index, _))| (first, index))
                .collect(),
        )
    }

    #[allow(clippy::too_many_arguments, reason = "what was found, and where it goes")]
    /// Puts what is sound in the journal's place. Whenever this is cut off, all is there, and it can be done again.
    fn move_aside(
        &self,
        store: &Store<D>,
        kind: D::Kind,
        lease: &Lease,
        order: &[usize],
        behind: &BTreeMap<u64, usize>,
        repair: &mut Repair,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (journal, folder) = (lease.journal(), lease.folder());
        let aside = new_folder(folder, now)?;
        let copy = aside.join("journal.jsonl");
        fs::hard_link(journal, &copy)
            .or_else(|_| fs::copy(journal, &copy).map(drop))
            .map_err(StoreError::io("make", &copy))?;
        self.write(&aside.join("salvaged.jsonl"), behind.values().copied())?;
        repair.recovered = self.recover(store, kind, folder, order, behind, now)?;
        repair.moved_to = Some(aside.clone());
        let report = aside.join("report.json");
        let text = serde_json::to_vec_pretty(&*repair).unwrap_or_default();
        written(&report, |file| file.write_all(&text))?;
        layout::sync_folder(&aside)?;
        if order.is_empty() {
            fs::remove_file(journal).map_err(StoreError::io("remove", journal))?;
        } else {
            let draft = folder.join("repair.new");
            let _ = fs::remove_file(&draft);
            self.write(&draft, order.iter().copied())?;
            fs::rename(&draft, journal).map_err(StoreError::io("name", journal))?;
        }
        for path in self.paths.iter().skip(1) {
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
            for found in lines.filter_map(|index| self.found.get(index)) {
                match self.read(found) {
                    Ok(bytes) => file.write_all(&[bytes.as_slice(), b"\n"].concat())?,
                    Err(error) => failed = Err(error),
                }
            }
            Ok(())
        })?;
        failed
    }

    /// A session with the commits before and behind the damage, if they make one that is sound in itself.
    fn recover(
        &self,
        store: &Store<D>,
        kind: D::Kind,
        folder: &Path,
        order: &[usize],
        behind: &BTreeMap<u64, usize>,
        now: Timestamp,
    ) -> Result<Option<ScopeId>, StoreError> {
        if behind.is_empty() {
            return Ok(None);
        }
        let scope = ScopeId::mint();
        let unwritable = |error: LineError| StoreError::io("write", folder)(io::Error::other(error));
        let kept = self.fold.header();
        let header = Header {
            glasswork: line::FORMAT,
            schema: kept.map_or(D::SCHEMA, |header| header.schema),
            scope,
            kind: kept.map_or(kind, |header| header.kind),
            created: kept.map_or(now, |header| header.created),
            lineage: kept.map_or_else(Vec::new, |header| header.lineage_of_fork(self.fold.reached())),
        };
        let mut copy = Copy {
            fold: Fold::<D>::new(),
            chain: Chain::default(),
            bytes: Vec::new(),
        };
        let mut sound = copy.add(line::encode_header(&header).map_err(unwritable)?);
        let lines = order.iter().skip(1).chain(behind.values());
        for found in lines.filter_map(|index| self.found.get(*index)) {
            if let Says::Commits(first, _) = found.says
                && let (from, to) = (copy.fold.reached() + 1, first - 1)
                && from <= to
            {
                let of = Vec::new();
                let gap = line::encode_folded(&Folded { from, to, of }, copy.chain).map_err(unwritable)?;
                sound &= copy.add(gap);
            }
            let resealed = line::reseal(&self.read(found)?, copy.chain).map_err(unwritable)?;
            sound &= copy.add(resealed);
            if !sound {
                return Ok(None);
            }
        }
        let Copy { fold, bytes, .. } = copy;
        let whole = fold.finish().is_ok_and(|loaded| loaded.breach.is_none());
        if !whole {
            return Ok(None);
        }
        let (folders, stem) = Place::Sessions.new_journal(store.data(), scope, now);
        for folder in &folders {
            layout::ensure_folder(folder)?;
        }
        let home = folders.last().map_or(store.data(), PathBuf::as_path);
        let (beside, journal) = (home.join(&stem), home.join(format!("{stem}.{}", layout::JOURNAL)));
        layout::ensure_folder(&beside)?;
        link_all(&folder.join("blobs"), &beside.join("blobs"))?;
        let draft = beside.join("journal.new");
        written(&draft, |file| file.write_all(&bytes))?;
        fs::rename(&draft, &journal).map_err(StoreError::io("name", &journal))?;
        layout::sync_folder(home)?;
        Ok(Some(scope))
    }
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

fn says(line: &[u8]) -> Says {
    if line.starts_with(line::OPENING) {
        Says::Opening
    } else if line.starts_with(b"{\"header\"") {
        Says::Header
    } else if let Some((from, to)) = line::folded(line) {
        Says::Commits(from, to)
    } else {
        line::seq(line).map_or(Says::Nothing, |seq| Says::Commits(seq, seq))
    }
}

/// Calls `each` with place and length of every piece between newlines, and the piece unless it is longer than any line.
fn each_piece(mut reader: impl BufRead, mut each: impl FnMut(u64, usize, Option<&[u8]>)) -> io::Result<()> {
    let (mut offset, mut piece) = (0u64, Vec::new());
    loop {
        piece.clear();
        let mut length = 0;
        let ended = loop {
            let have = reader.fill_buf()?;
            if have.is_empty() {
                break false;
            }
            let end = memchr::memchr(b'\n', have);
            let part = have.get(..end.unwrap_or(have.len())).unwrap_or_default();
            length += part.len();
            if length <= MAX_LINE {
                piece.extend_from_slice(part);
            }
            let used = part.len() + usize::from(end.is_some());
            reader.consume(used);
            if end.is_some() {
                break true;
            }
        };
        if ended || length > 0 {
            // What no newline ends was never written whole.
            each(
                offset,
                length,
                Some(&*piece).filter(|_| ended && length <= MAX_LINE),
            );
        }
        if !ended {
            return Ok(());
        }
        offset += length as u64 + 1;
    }
}

/// Writes a file of the store whole; it is on the disk when this returns.
fn written(
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

//! Reading journals: whole, up to a commit, commit by commit, and as a strict replay. Without lock, beside a writer.

use std::fs::File;
use std::io::Read;
use std::marker::PhantomData;
use std::ops::{Bound, RangeBounds};
use std::path::{Path, PathBuf};

use glasswork_engine::line::{self, Body, Chain, Header};
use glasswork_engine::load::{Damage, DamageKind, Fold, Loaded};
use glasswork_engine::replay::{Replay, Replayed};
use glasswork_engine::{Commit, Domain, ScopeId};

use super::error::StoreError;
use super::layout::{self, Links};
use super::lines::{Lines, Piece};

/// A journal to read. An unfinished last line means that it is not written yet, and is left out.
pub struct StoredJournal<D: Domain> {
    path: PathBuf,
    /// Whose journal it must be, where it lies in the store.
    expected: Option<ScopeId>,
    domain: PhantomData<fn() -> D>,
}

impl<D: Domain> std::fmt::Debug for StoredJournal<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("StoredJournal").field(&self.path).finish()
    }
}

impl<D: Domain> StoredJournal<D> {
    pub(crate) fn of(path: PathBuf, scope: ScopeId) -> Self {
        Self {
            path,
            expected: Some(scope),
            domain: PhantomData,
        }
    }

    pub(super) fn at(path: PathBuf) -> Self {
        Self {
            path,
            expected: None,
            domain: PhantomData,
        }
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of what belongs to it.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.path.with_extension("")
    }

    pub(super) fn open(&self) -> Result<File, StoreError> {
        let links = match self.expected {
            Some(_) => Links::Refuse,
            None => Links::Follow,
        };
        layout::open_regular(&self.path, layout::careful(links).read(true), links)
    }

    /// The header.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] and those of opening.
    pub fn header(&self) -> Result<Header<D::Kind>, StoreError> {
        Ok(self.first_line()?.header)
    }

    fn first_line(&self) -> Result<Begun<D>, StoreError> {
        let mut lines = Lines::new(self.open()?);
        let mut first = FirstLine::<D>::default();
        scan_lines(&self.path, self.expected, &mut lines, &mut first)?;
        match first.begun {
            Some((header, chain)) => Ok(Begun { header, chain, lines }),
            None => Err(damaged(&self.path, 0, empty())),
        }
    }

    /// The scope as of the last commit.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] and those of opening.
    pub fn read(&self) -> Result<Loaded<D>, StoreError> {
        let mut folding = Folding::new(None);
        scan(&self.path, self.expected, self.open()?, &mut folding)?;
        folding.finish(&self.path)
    }

    /// The scope as it was after commit `seq`. What comes after that is not looked at, damaged or not.
    ///
    /// # Errors
    /// [`StoreError::NoSuchCommit`], [`StoreError::Damaged`] and those of opening.
    pub fn read_until(&self, seq: u64) -> Result<Loaded<D>, StoreError> {
        let mut folding = Folding::new(Some(seq));
        scan(&self.path, self.expected, self.open()?, &mut folding)?;
        let loaded = folding.finish(&self.path)?;
        reached(seq, &loaded)?;
        Ok(loaded)
    }

    /// Decides every event again, up to commit `until` where that is given, and compares.
    ///
    /// # Errors
    /// As [`read_until`](Self::read_until).
    pub fn replay(&self, until: Option<u64>) -> Result<Replayed<D>, StoreError> {
        let mut replay = until.map_or_else(Replay::new, Replay::until);
        scan(&self.path, self.expected, self.open()?, &mut replay)?;
        let replayed = replay.finish().map_err(|damage| damaged(&self.path, 0, damage))?;
        if let Some(seq) = until {
            reached(seq, &replayed.loaded)?;
        }
        Ok(replayed)
    }

    /// The commits with sequence numbers in `range`, events parsed, one at a time in constant memory. An event that
    /// this build cannot read is an error in its place, and the commits after it follow; after any other error none
    /// do.
    ///
    /// # Errors
    /// Those of opening, and damage of the header.
    pub fn commits(&self, range: impl RangeBounds<u64>) -> Result<Commits<D>, StoreError> {
        let Begun { header, chain, lines } = self.first_line()?;
        let first = match range.start_bound() {
            Bound::Included(first) => *first,
            Bound::Excluded(before) => before.saturating_add(1),
            Bound::Unbounded => 1,
        };
        let end = match range.end_bound() {
            Bound::Included(last) => last.saturating_add(1),
            Bound::Excluded(end) => *end,
            Bound::Unbounded => u64::MAX,
        };
        Ok(Commits {
            path: self.path.clone(),
            scope: header.scope,
            lines,
            chain,
            seq: 0,
            first,
            end,
            ended: false,
            domain: PhantomData,
        })
    }
}

fn reached<D: Domain>(asked: u64, loaded: &Loaded<D>) -> Result<(), StoreError> {
    match loaded.scope.seq {
        last if last < asked => Err(StoreError::NoSuchCommit { asked, last }),
        _ => Ok(()),
    }
}

/// A journal behind its first line.
struct Begun<D: Domain> {
    header: Header<D::Kind>,
    chain: Chain,
    lines: Lines<File>,
}

/// What takes the lines of a journal, one after the other.
pub(super) trait Reading {
    fn line(&mut self, bytes: &[u8]) -> Result<(), Damage>;
    /// Whose journal it is and its last commit so far.
    fn place(&self) -> Option<(ScopeId, u64)>;
    fn is_done(&self) -> bool;
}

/// Folds lines, up to a commit where one is given.
pub(super) struct Folding<D: Domain> {
    fold: Fold<D>,
    until: Option<u64>,
}

impl<D: Domain> Folding<D> {
    pub(super) fn new(until: Option<u64>) -> Self {
        Self {
            fold: Fold::new(),
            until,
        }
    }

    pub(super) fn finish(self, path: &Path) -> Result<Loaded<D>, StoreError> {
        self.fold.finish().map_err(|damage| damaged(path, 0, damage))
    }
}

impl<D: Domain> Reading for Folding<D> {
    fn line(&mut self, bytes: &[u8]) -> Result<(), Damage> {
        self.fold.line(bytes)
    }

    fn place(&self) -> Option<(ScopeId, u64)> {
        self.fold.scope().map(|scope| (scope.id, scope.seq))
    }

    fn is_done(&self) -> bool {
        matches!((self.until, self.fold.scope()), (Some(until), Some(scope)) if scope.seq >= until)
    }
}

impl<D: Domain> Reading for Replay<D> {
    fn line(&mut self, bytes: &[u8]) -> Result<(), Damage> {
        Replay::line(self, bytes)
    }

    fn place(&self) -> Option<(ScopeId, u64)> {
        self.scope().map(|scope| (scope.id, scope.seq))
    }

    fn is_done(&self) -> bool {
        Replay::is_done(self)
    }
}

/// Takes the header alone, with all that the engine checks of it.
struct FirstLine<D: Domain> {
    begun: Option<(Header<D::Kind>, Chain)>,
}

impl<D: Domain> Default for FirstLine<D> {
    fn default() -> Self {
        Self { begun: None }
    }
}

impl<D: Domain> Reading for FirstLine<D> {
    fn line(&mut self, bytes: &[u8]) -> Result<(), Damage> {
        Fold::<D>::new().line(bytes)?;
        self.begun = line::decode_header(bytes).ok();
        Ok(())
    }

    fn place(&self) -> Option<(ScopeId, u64)> {
        self.begun.as_ref().map(|(header, _)| (header.scope, 0))
    }

    fn is_done(&self) -> bool {
        self.begun.is_some()
    }
}

/// How the lines of a journal ended.
#[derive(Debug)]
pub(super) enum Tail {
    /// With the last of them.
    End,
    /// With bytes that are no whole line (any more, or yet).
    Unfinished(Vec<u8>),
    /// The reader had enough.
    Enough,
}

/// A line's number, from 1, and where it begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct LinePlace {
    pub(super) line: u64,
    pub(super) offset: u64,
}

fn next_place<R: Read>(lines: &Lines<R>) -> LinePlace {
    LinePlace {
        line: lines.given() + 1,
        offset: lines.offset(),
    }
}

/// Gives the lines of a journal to `reading`. Returns how they ended, and where the next one would stand.
pub(super) fn scan(
    path: &Path,
    expected: Option<ScopeId>,
    source: impl Read,
    reading: &mut impl Reading,
) -> Result<(Tail, LinePlace), StoreError> {
    let mut lines = Lines::new(source);
    let tail = scan_lines(path, expected, &mut lines, reading)?;
    Ok((tail, next_place(&lines)))
}

fn scan_lines<R: Read>(
    path: &Path,
    expected: Option<ScopeId>,
    lines: &mut Lines<R>,
    reading: &mut impl Reading,
) -> Result<Tail, StoreError> {
    let mut seq = 0;
    loop {
        let place = next_place(lines);
        let piece = lines.next().map_err(StoreError::io("read", path))?;
        match whole(piece, place).map_err(|damage| damaged(path, seq, damage))? {
            Whole::Line(line) => reading.line(line).map_err(|damage| damaged(path, seq, damage))?,
            Whole::Unfinished(rest) => return Ok(Tail::Unfinished(rest.to_vec())),
            Whole::End => return Ok(Tail::End),
        }
        if let Some((id, reached)) = reading.place() {
            seq = reached;
            if place.line == 1 && expected.is_some_and(|expected| expected != id) {
                return Err(StoreError::Misnamed {
                    path: path.to_owned(),
                    header: id,
                });
            }
        }
        if reading.is_done() {
            return Ok(Tail::Enough);
        }
    }
}

enum Whole<'a> {
    Line(&'a [u8]),
    Unfinished(&'a [u8]),
    End,
}

/// Tells what may stand in a journal from what may not. Its header may not be torn: a journal gets its name only
/// once the header is on the disk.
fn whole(piece: Piece<'_>, place: LinePlace) -> Result<Whole<'_>, Damage> {
    let LinePlace { line, offset } = place;
    match piece {
        Piece::Line(bytes) => Ok(Whole::Line(bytes)),
        Piece::Unfinished(_) if line == 1 => Err(Damage {
            line,
            offset,
            kind: DamageKind::TornTail,
        }),
        Piece::Unfinished(rest) => Ok(Whole::Unfinished(rest)),
        Piece::TooLong => Err(Damage {
            line,
            offset,
            kind: DamageKind::TooLong,
        }),
        Piece::End if line == 1 => Err(empty()),
        Piece::End => Ok(Whole::End),
    }
}

fn empty() -> Damage {
    Damage {
        line: 1,
        offset: 0,
        kind: DamageKind::Empty,
    }
}

fn damaged(path: &Path, intact: u64, damage: Damage) -> StoreError {
    StoreError::Damaged {
        path: path.to_owned(),
        damage,
        intact,
    }
}

/// The commits of a journal, one at a time.
pub struct Commits<D: Domain> {
    path: PathBuf,
    scope: ScopeId,
    lines: Lines<File>,
    chain: Chain,
    /// The last commit that was read, whether it was given out or not.
    seq: u64,
    first: u64,
    end: u64,
    ended: bool,
    domain: PhantomData<fn() -> D>,
}

impl<D: Domain> std::fmt::Debug for Commits<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Commits")
            .field("path", &self.path)
            .field("seq", &self.seq)
            .finish_non_exhaustive()
    }
}

/// What one line of a journal says to a reader of commits.
enum Said<D: Domain> {
    /// The journal was opened again.
    Opened,
    /// A commit before those that were asked for.
    Earlier,
    /// A commit.
    Commit(Box<Commit<D>>),
    /// A commit that is intact, but whose event is none that this build knows.
    Unreadable(DamageKind),
}

impl<D: Domain> Commits<D> {
    fn step(&mut self) -> Result<Option<Result<Commit<D>, StoreError>>, StoreError> {
        while self.seq.saturating_add(1) < self.end {
            let place = next_place(&self.lines);
            let before = self.seq;
            let piece = self.lines.next().map_err(StoreError::io("read", &self.path))?;
            let bytes = match whole(piece, place).map_err(|damage| damaged(&self.path, before, damage))? {
                Whole::Line(bytes) => bytes,
                Whole::Unfinished(_) | Whole::End => return Ok(None),
            };
            let at = |kind| {
                let LinePlace { line, offset } = place;
                damaged(&self.path, before, Damage { line, offset, kind })
            };
            let chain = line::verify(bytes, self.chain).map_err(|error| at(DamageKind::Line(error)))?;
            let said = said::<D>(bytes, self.scope, before, self.first).map_err(at)?;
            self.chain = chain;
            if !matches!(said, Said::Opened) {
                self.seq += 1;
            }
            match said {
                Said::Opened | Said::Earlier => {}
                Said::Commit(commit) => return Ok(Some(Ok(*commit))),
                Said::Unreadable(kind) => return Ok(Some(Err(at(kind)))),
            }
        }
        Ok(None)
    }
}

fn said<D: Domain>(bytes: &[u8], scope: ScopeId, before: u64, first: u64) -> Result<Said<D>, DamageKind> {
    let commit = match line::decode_body::<D>(bytes).map_err(DamageKind::Line)? {
        Body::Opened(_) => return Ok(Said::Opened),
        Body::Commit(commit) => commit,
    };
    let (expected, found) = (before + 1, commit.seq);
    if found != expected {
        return Err(DamageKind::OutOfOrder { expected, found });
    }
    if found < first {
        return Ok(Said::Earlier);
    }
    Ok(match commit.parse(scope, bytes.len()) {
        Ok(commit) => Said::Commit(Box::new(commit)),
        Err(error) => Said::Unreadable(DamageKind::Line(error)),
    })
}

impl<D: Domain> Iterator for Commits<D> {
    type Item = Result<Commit<D>, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        match self.step() {
            Ok(Some(item)) => Some(item),
            Ok(None) => {
                self.ended = true;
                None
            }
            Err(error) => {
                self.ended = true;
                Some(Err(error))
            }
        }
    }
}

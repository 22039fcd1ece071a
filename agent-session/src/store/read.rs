//! Reading journals: whole, up to a commit, commit by commit, and as a strict replay. Without lock, beside a writer.

use std::marker::PhantomData;
use std::ops::{Bound, RangeBounds};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use glasswork_engine::line::{self, Body, Chain, Header};
use glasswork_engine::load::{Damage, DamageKind, Fold, Loaded};
use glasswork_engine::replay::{Replay, Replayed};
use glasswork_engine::upgrade::upgraded;
use glasswork_engine::{Commit, Domain, Scope, ScopeId};

use super::digests::Expected;
use super::error::StoreError;
use super::layout::Links;
use super::resume;
use super::trail::{Stand, Step, Trail};

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

    fn trail(&self) -> Result<Trail, StoreError> {
        let links = match self.expected {
            Some(_) => Links::Refuse,
            None => Links::Follow,
        };
        Trail::open(&self.path, links)
    }

    /// The header.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] and those of opening.
    pub fn header(&self) -> Result<Header<D::Kind>, StoreError> {
        Ok(self.first_line()?.header)
    }

    fn first_line(&self) -> Result<Begun<D>, StoreError> {
        let mut trail = self.trail()?;
        let mut first = FirstLine::<D>::default();
        scan(&mut trail, self.expected, &mut first)?;
        match first.begun {
            Some((header, chain)) => Ok(Begun { header, chain, trail }),
            None => Err(trail.damage(0, DamageKind::Empty)),
        }
    }

    /// Gives the lines, from the header on, to `reading`.
    pub(super) fn scan(&self, reading: &mut impl Reading) -> Result<(), StoreError> {
        scan(&mut self.trail()?, self.expected, reading).map(drop)
    }

    /// The scope as of the last commit.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] and those of opening.
    pub fn read(&self) -> Result<Loaded<D>, StoreError> {
        self.fold(None)?.finish(&self.path)
    }

    /// The scope as it was after commit `seq`. What comes after that is not looked at, damaged or not. Where that
    /// commit was folded away, the nearest earlier state; [`Scope::seq`](glasswork_engine::Scope::seq) says which.
    ///
    /// # Errors
    /// [`StoreError::NoSuchCommit`], [`StoreError::Damaged`] and those of opening.
    pub fn read_until(&self, seq: u64) -> Result<Loaded<D>, StoreError> {
        let folding = self.fold(Some(seq))?;
        reached(seq, folding.fold.reached())?;
        folding.finish(&self.path)
    }

    /// Folds from the newest checkpoint on that can be used. A journal that a person named is folded whole.
    fn fold(&self, until: Option<u64>) -> Result<Folding<D>, StoreError> {
        let (mut trail, mut folding) = match self.expected {
            Some(scope) => {
                let begun = resume::begin(&self.path, scope, until)?;
                (begun.trail, Folding::of(begun.fold, &self.folder(), until))
            }
            None => (self.trail()?, Folding::of(Fold::new(), &self.folder(), until)),
        };
        if !folding.is_done() {
            scan(&mut trail, self.expected, &mut folding)?;
        }
        Ok(folding)
    }

    /// Decides every event again, up to commit `until` where that is given, and compares.
    ///
    /// # Errors
    /// As [`read_until`](Self::read_until).
    pub fn replay(&self, until: Option<u64>) -> Result<Replayed<D>, StoreError> {
        let mut replay = until.map_or_else(Replay::new, Replay::until);
        self.scan(&mut replay)?;
        if let Some(seq) = until {
            reached(seq, replay.reached())?;
        }
        replay.finish().map_err(|damage| damaged(&self.path, 0, damage))
    }

    /// Calls `each` for every line of the journal, the header first, each without its newline, up to commit `until`
    /// where that is given. Every line was verified when `each` gets it. Whoever copies a journal copies these.
    ///
    /// # Errors
    /// [`StoreError::NoSuchCommit`], [`StoreError::Damaged`], those of opening, and what `each` says.
    pub fn each_line<E: From<StoreError>>(
        &self,
        until: Option<u64>,
        mut each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut trail = self.trail()?;
        let mut first = FirstLine::<D>::default();
        let mut stand = Stand {
            seq: 0,
            chain: Chain::default(),
        };
        loop {
            let seq = stand.seq;
            if first.is_done() && until.is_some_and(|until| seq >= until) {
                return Ok(());
            }
            let line = match trail.next(stand)? {
                Step::Line(line) => line,
                Step::Unfinished(_) | Step::End => break,
            };
            let taken = match first.is_done() {
                false => Reading::line(&mut first, line)
                    .map(|()| first.chain())
                    .map_err(|damage| damage.kind),
                true => follow(line, &mut stand.seq, stand.chain),
            };
            match taken {
                Ok(chain) => stand.chain = chain,
                Err(kind) => return Err(trail.damage(seq, kind).into()),
            }
            each(line)?;
        }
        match until {
            Some(asked) if asked > stand.seq => Err(StoreError::NoSuchCommit {
                asked,
                last: stand.seq,
            }
            .into()),
            _ => Ok(()),
        }
    }

    /// The commits with sequence numbers in `range`, events parsed, one at a time in constant memory. Those that were
    /// folded away are not there any more. An event that this build cannot read is an error in its place, and the commits after it follow; after any other error none
    /// do.
    ///
    /// # Errors
    /// Those of opening, and damage of the header.
    pub fn commits(&self, range: impl RangeBounds<u64>) -> Result<Commits<D>, StoreError> {
        let Begun { header, chain, trail } = self.first_line()?;
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
            scope: header.scope,
            schema: header.schema,
            trail,
            chain,
            seq: 0,
            first,
            end,
            ended: false,
            domain: PhantomData,
        })
    }
}

fn reached(asked: u64, last: u64) -> Result<(), StoreError> {
    match last < asked {
        true => Err(StoreError::NoSuchCommit { asked, last }),
        false => Ok(()),
    }
}

/// Where the chain stands after a line that is not the first, whatever it says besides its number.
pub(super) fn follow(bytes: &[u8], seq: &mut u64, chain: Chain) -> Result<Chain, DamageKind> {
    let chain = line::verify(bytes, chain).map_err(DamageKind::Line)?;
    if bytes.starts_with(line::OPENING) {
        return Ok(chain);
    }
    if let Some((from, to)) = line::folded(bytes) {
        let expected = *seq + 1;
        if from != expected || to < from {
            return Err(DamageKind::OutOfOrder {
                expected,
                found: from,
            });
        }
        *seq = to;
        return Ok(chain);
    }
    let (expected, found) = (*seq + 1, line::seq(bytes).unwrap_or(0));
    if found != expected {
        return Err(DamageKind::OutOfOrder { expected, found });
    }
    *seq = found;
    Ok(chain)
}

/// A journal behind its first line.
struct Begun<D: Domain> {
    header: Header<D::Kind>,
    chain: Chain,
    trail: Trail,
}

/// What takes the lines of a journal, one after the other.
pub(super) trait Reading {
    fn line(&mut self, bytes: &[u8]) -> Result<(), Damage>;
    /// Whose journal it is and its last commit so far.
    fn place(&self) -> Option<(ScopeId, u64)>;
    /// The chain after the last line.
    fn chain(&self) -> Chain;
    fn is_done(&self) -> bool;
}

/// Folds lines, up to a commit where one is given; else compares what comes out with the digests beside the journal.
pub(super) struct Folding<D: Domain> {
    fold: Fold<D>,
    until: Option<u64>,
    /// What it was folded from.
    base: Option<D::State>,
    expected: Expected,
    /// The scope as of the commit of the last digests that are of this journal.
    then: Option<Scope<D>>,
}

impl<D: Domain> Folding<D> {
    pub(super) fn of(fold: Fold<D>, folder: &Path, until: Option<u64>) -> Self {
        let expected = match until {
            None => Expected::read(folder, D::STATE, fold.reached()),
            Some(_) => Expected::default(),
        };
        Self {
            base: fold.scope().map(|scope| scope.state.clone()),
            fold,
            until,
            expected,
            then: None,
        }
    }

    pub(super) fn schema(&self) -> u32 {
        self.fold.schema()
    }

    pub(super) fn scope(&self) -> Option<&Scope<D>> {
        self.fold.scope()
    }

    /// The newest digests beside the journal that are of another history.
    pub(super) fn of_another_history(&self) -> Vec<(u64, Chain)> {
        self.expected.of_another_history()
    }

    pub(super) fn finish(self, path: &Path) -> Result<Loaded<D>, StoreError> {
        let mismatch = self
            .then
            .and_then(|then| self.expected.compare::<D>(self.base.as_ref(), &then.state));
        let mut loaded = self.fold.finish().map_err(|damage| damaged(path, 0, damage))?;
        if let Some(mismatch) = mismatch {
            let scope = Arc::make_mut(&mut loaded.scope);
            scope.unsound.get_or_insert_with(|| mismatch.to_string().into());
        }
        Ok(loaded)
    }
}

impl<D: Domain> Reading for Folding<D> {
    fn line(&mut self, bytes: &[u8]) -> Result<(), Damage> {
        let before = self.fold.reached();
        self.fold.line(bytes)?;
        let reached = self.fold.reached();
        if reached > before && self.expected.meet(reached, self.fold.chain()) {
            self.then = self.fold.settled().cloned();
        }
        Ok(())
    }

    fn place(&self) -> Option<(ScopeId, u64)> {
        let header = self.fold.header()?;
        Some((header.scope, self.fold.reached()))
    }

    fn chain(&self) -> Chain {
        self.fold.chain()
    }

    fn is_done(&self) -> bool {
        self.until
            .is_some_and(|until| self.fold.header().is_some() && self.fold.reached() >= until)
    }
}

impl<D: Domain> Reading for Replay<D> {
    fn line(&mut self, bytes: &[u8]) -> Result<(), Damage> {
        Replay::line(self, bytes)
    }

    fn place(&self) -> Option<(ScopeId, u64)> {
        self.scope().map(|scope| (scope.id, self.reached()))
    }

    fn chain(&self) -> Chain {
        Replay::chain(self)
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

    fn chain(&self) -> Chain {
        self.begun
            .as_ref()
            .map_or_else(Chain::default, |(_, chain)| *chain)
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

/// Gives the lines of a journal to `reading`, and says how they ended.
pub(super) fn scan(
    trail: &mut Trail,
    expected: Option<ScopeId>,
    reading: &mut impl Reading,
) -> Result<Tail, StoreError> {
    let mut seq = reading.place().map_or(0, |(_, seq)| seq);
    loop {
        let chain = reading.chain();
        match trail.next(Stand { seq, chain })? {
            Step::Line(line) => {
                let taken = reading.line(line);
                taken.map_err(|damage| trail.damage(seq, damage.kind))?;
            }
            Step::Unfinished(rest) => return Ok(Tail::Unfinished(rest.to_vec())),
            Step::End => return Ok(Tail::End),
        }
        if let Some((id, reached)) = reading.place() {
            seq = reached;
            if trail.is_at_header() && expected.is_some_and(|expected| expected != id) {
                return Err(StoreError::Misnamed {
                    path: trail.path().to_owned(),
                    header: id,
                });
            }
        }
        if reading.is_done() {
            return Ok(Tail::Enough);
        }
    }
}

pub(super) fn damaged(path: &Path, intact: u64, damage: Damage) -> StoreError {
    StoreError::Damaged {
        path: path.to_owned(),
        damage,
        intact,
    }
}

/// The commits of a journal, one at a time.
pub struct Commits<D: Domain> {
    scope: ScopeId,
    /// The schema of the build that wrote what was read last.
    schema: u32,
    trail: Trail,
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
            .field("path", &self.trail.path())
            .field("seq", &self.seq)
            .finish_non_exhaustive()
    }
}

/// What one line of a journal says to a reader of commits.
enum Said<D: Domain> {
    /// The journal was opened again, by a build of this schema.
    Opened(u32),
    /// Commits up to this one were folded away.
    Folded(u64),
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
            let before = self.seq;
            let (scope, schema, first, chain) = (self.scope, self.schema, self.first, self.chain);
            let bytes = match self.trail.next(Stand { seq: before, chain })? {
                Step::Line(bytes) => bytes,
                Step::Unfinished(_) | Step::End => return Ok(None),
            };
            let read = line::verify(bytes, chain)
                .map_err(DamageKind::Line)
                .and_then(|chain| Ok((chain, said::<D>(bytes, scope, schema, before, first)?)));
            let (chain, said) = read.map_err(|kind| self.trail.damage(before, kind))?;
            self.chain = chain;
            self.seq = match said {
                Said::Opened(schema) => {
                    self.schema = schema;
                    self.seq
                }
                Said::Folded(to) => to,
                Said::Earlier | Said::Commit(_) | Said::Unreadable(_) => self.seq + 1,
            };
            match said {
                Said::Opened(_) | Said::Folded(_) | Said::Earlier => {}
                Said::Commit(commit) => return Ok(Some(Ok(*commit))),
                Said::Unreadable(kind) => return Ok(Some(Err(self.trail.damage(before, kind)))),
            }
        }
        Ok(None)
    }
}

fn said<D: Domain>(
    bytes: &[u8],
    scope: ScopeId,
    schema: u32,
    before: u64,
    first: u64,
) -> Result<Said<D>, DamageKind> {
    let current = upgraded::<D>(bytes, schema);
    let read = current.as_deref().unwrap_or(bytes);
    let commit = match line::decode_body::<D>(read).map_err(DamageKind::Line)? {
        Body::Opened(opening) => return Ok(Said::Opened(opening.schema)),
        Body::Folded(folded) if folded.from == before + 1 && folded.to >= folded.from => {
            return Ok(Said::Folded(folded.to));
        }
        Body::Folded(folded) => {
            return Err(DamageKind::OutOfOrder {
                expected: before + 1,
                found: folded.from,
            });
        }
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

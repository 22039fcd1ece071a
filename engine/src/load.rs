//! Folding a journal into the state that it records. Facts decide; events are not even parsed, and deltas of effects
//! that have ended are left out whole.

mod held;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::domain::Domain;
use crate::envelope::ScopeId;
use crate::line::{self, Body, Chain, Folded, Header, LineError, RecordedCommit};
use crate::pipeline;
use crate::root::{Decided, Scope};
use crate::upgrade;
use held::{Change, Held, Place, Waiting};

/// What loading gives: a scope at its last commit, and where its journal's chain stands.
#[derive(Debug)]
pub struct Loaded<D: Domain> {
    /// The scope.
    pub scope: Arc<Scope<D>>,
    /// The chain after the last line.
    pub chain: Chain,
    /// The last commit that was taken. Later than that of the scope where the journal has the states between no more.
    pub reached: u64,
    /// The first invariant that the loaded state breaks. The scope can be read all the same.
    pub breach: Option<D::Breach>,
}

impl<D: Domain> Clone for Loaded<D> {
    fn clone(&self) -> Self {
        Self {
            scope: Arc::clone(&self.scope),
            chain: self.chain,
            reached: self.reached,
            breach: self.breach.clone(),
        }
    }
}

impl<D: Domain> Loaded<D> {
    /// A scope before its first commit, whose journal holds only the header that `chain` comes from.
    #[must_use]
    pub fn vacant(scope: ScopeId, kind: D::Kind, chain: Chain) -> Self {
        Self {
            scope: Arc::new(Scope::vacant(scope, kind, 1)),
            chain,
            reached: 0,
            breach: None,
        }
    }
}

/// Damage of a journal, with its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} (byte {offset}): {kind}")]
pub struct Damage {
    /// The line, from 1.
    pub line: u64,
    /// Where that line begins, in bytes.
    pub offset: u64,
    /// What is wrong with it.
    pub kind: DamageKind,
}

/// What can be wrong with a line of a journal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DamageKind {
    /// The file has no first line.
    #[error("the journal is empty: not even its header is there")]
    Empty,
    /// The last line has no newline: it was being written when the process or the machine stopped.
    #[error("the last line is not complete; everything before it is intact")]
    TornTail,
    /// A line fails its check.
    #[error(transparent)]
    Line(LineError),
    /// Lines are missing, or a line stands twice.
    #[error("commit {expected} should stand here, commit {found} does: lines are missing or out of order")]
    OutOfOrder {
        /// The next sequence number.
        expected: u64,
        /// The one that stands there.
        found: u64,
    },
    /// An opening is missing, or stands twice.
    #[error("opening {expected} should stand here, opening {found} does: lines are missing or out of order")]
    EpochOutOfOrder {
        /// The next epoch.
        expected: u32,
        /// The one that stands there.
        found: u32,
    },
    /// The line is longer than any that is written.
    #[error("the line is longer than {} bytes, which no line is", line::MAX_LINE)]
    TooLong,
    /// The line lies in a compressed block that is not what was written.
    #[error(
        "the line cannot be unpacked: the compressed block at byte {at} of the file is damaged, or cut off"
    )]
    Block {
        /// Where the block begins in the file, in bytes.
        at: u64,
    },
    /// The journal was written by a later version.
    #[error(
        "the journal was written by a later version (format {format}, schema {schema}); update to read it"
    )]
    FromTheFuture {
        /// Its line format.
        format: u32,
        /// Its schema of events and facts.
        schema: u32,
    },
    /// A fact could not be applied.
    #[error("a fact could not be applied: {0}")]
    Inapplicable(String),
}

/// What is done with the deltas of effects that have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deltas {
    /// They are left out, unparsed.
    LeftOut,
    /// They are folded like every commit.
    Folded,
}

/// Folds a journal line by line, in memory that is bounded beyond the state itself.
///
/// Deltas of effects that end later are verified but not parsed; the state is the same without them.
#[derive(Debug)]
pub struct Fold<D: Domain> {
    scope: Option<Scope<D>>,
    header: Option<Header<D::Kind>>,
    chain: Chain,
    schema: u32,
    lines: u64,
    offset: u64,
    reached: u64,
    deltas: Deltas,
    held: Held<D>,
}

impl<D: Domain> Default for Fold<D> {
    fn default() -> Self {
        Self {
            scope: None,
            header: None,
            chain: Chain::default(),
            schema: 0,
            lines: 0,
            offset: 0,
            reached: 0,
            deltas: Deltas::LeftOut,
            held: Held::default(),
        }
    }
}

impl<D: Domain> Clone for Fold<D> {
    fn clone(&self) -> Self {
        Self {
            scope: self.scope.clone(),
            header: self.header.clone(),
            held: self.held.clone(),
            ..*self
        }
    }
}

/// A line that a fold has met, before it is applied.
pub(crate) enum Met<'a, 'line, D: Domain> {
    Commit(&'a RecordedCommit<'line, D>),
    Folded(&'a Folded),
}

impl<D: Domain> Fold<D> {
    /// A fold before the header.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A fold before the header that takes every delta. Gives the same state, and has it after every line.
    #[must_use]
    pub fn with_deltas() -> Self {
        Self {
            deltas: Deltas::Folded,
            ..Self::default()
        }
    }

    /// A fold that goes on from a state of before: `scope` is what the lines before led to, `chain` stands after the
    /// last of them, and `schema` is that of the build which wrote it.
    #[must_use]
    pub fn resume(header: Header<D::Kind>, scope: Scope<D>, chain: Chain, schema: u32) -> Self {
        Self {
            reached: scope.seq,
            scope: Some(scope),
            header: Some(header),
            chain,
            schema,
            ..Self::default()
        }
    }

    /// The header, once the first line was taken.
    #[must_use]
    pub fn header(&self) -> Option<&Header<D::Kind>> {
        self.header.as_ref()
    }

    /// The scope so far, but for what waits for the end of an effect whose deltas are left out.
    #[must_use]
    pub fn scope(&self) -> Option<&Scope<D>> {
        self.scope.as_ref()
    }

    /// The scope, where it has everything that was taken.
    #[must_use]
    pub fn settled(&self) -> Option<&Scope<D>> {
        self.scope.as_ref().filter(|scope| scope.seq == self.reached)
    }

    /// The last commit that was taken, applied, waiting, or folded away.
    #[must_use]
    pub fn reached(&self) -> u64 {
        self.reached
    }

    /// How many lines were taken, the header too.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// The chain after the last line that was taken.
    #[must_use]
    pub fn chain(&self) -> Chain {
        self.chain
    }

    /// The schema of the build that wrote the last line that was taken; 0 before the header.
    #[must_use]
    pub fn schema(&self) -> u32 {
        self.schema
    }

    /// How many bytes of whole, intact lines were taken.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Takes the next line (without its newline).
    ///
    /// # Errors
    /// [`Damage`]; the fold stays where it was, so what precedes the damage can still be used (but after
    /// [`DamageKind::Inapplicable`], when nothing is left).
    pub fn line(&mut self, bytes: &[u8]) -> Result<(), Damage> {
        self.line_with(bytes, |_, _| {})
    }

    /// Like [`line`](Self::line), and shows a commit before it is applied.
    pub(crate) fn line_with(
        &mut self,
        bytes: &[u8],
        before: impl FnOnce(&Scope<D>, Met<'_, '_, D>),
    ) -> Result<(), Damage> {
        let chain = self.take(bytes, before)?;
        self.chain = chain;
        self.lines += 1;
        self.offset += bytes.len() as u64 + 1;
        Ok(())
    }

    fn take(
        &mut self,
        bytes: &[u8],
        before: impl FnOnce(&Scope<D>, Met<'_, '_, D>),
    ) -> Result<Chain, Damage> {
        let place = Place {
            line: self.lines + 1,
            offset: self.offset,
        };
        let at = |kind| damage(place, kind);
        let Some(scope) = &mut self.scope else {
            return self.begin(bytes).map_err(at);
        };
        let due = self.reached + 1;
        let chain = line::verify(bytes, self.chain).map_err(|error| at(misplaced::<D>(bytes, due, error)))?;
        let in_order = |found| match found == due {
            true => Ok(()),
            false => Err(at(DamageKind::OutOfOrder { expected: due, found })),
        };
        let current = upgrade::upgraded::<D>(bytes, self.schema);
        let bytes = current.as_deref().unwrap_or(bytes);
        if self.deltas == Deltas::LeftOut
            && let Some((seq, of)) = line::delta(bytes)
            && (!self.held.is_empty() || scope.open.contains_key(&of))
        {
            in_order(seq)?;
            self.held.delta(place, of, bytes);
            self.reached = seq;
            return self.release_if_over().map(|()| chain);
        }
        match line::decode_body::<D>(bytes).map_err(|error| at(DamageKind::Line(error)))? {
            Body::Opened(opening) => {
                if opening.schema > D::SCHEMA {
                    return Err(at(DamageKind::FromTheFuture {
                        format: line::FORMAT,
                        schema: opening.schema,
                    }));
                }
                if opening.epoch != scope.epoch + 1 {
                    let (expected, found) = (scope.epoch + 1, opening.epoch);
                    return Err(at(DamageKind::EpochOutOfOrder { expected, found }));
                }
                scope.epoch = opening.epoch;
                self.schema = opening.schema;
            }
            Body::Folded(folded) => {
                in_order(folded.from)?;
                if folded.to < folded.from {
                    return Err(at(DamageKind::OutOfOrder {
                        expected: folded.from,
                        found: folded.to,
                    }));
                }
                before(scope, Met::Folded(&folded));
                self.reached = folded.to;
            }
            Body::Commit(commit) => {
                in_order(commit.seq)?;
                before(scope, Met::Commit(&commit));
                self.reached = commit.seq;
                let change = Change::from(*commit);
                if self.held.is_empty() {
                    self.apply(&change).map_err(at)?;
                } else {
                    self.held.commit(place, change, bytes.len());
                    self.release_if_over()?;
                }
            }
        }
        Ok(chain)
    }

    fn begin(&mut self, bytes: &[u8]) -> Result<Chain, DamageKind> {
        if self.header.is_some() {
            return Err(DamageKind::Inapplicable("a fact before this line".to_owned()));
        }
        let (header, chain) = line::decode_header::<D::Kind>(bytes).map_err(DamageKind::Line)?;
        if header.glasswork > line::FORMAT || header.schema > D::SCHEMA {
            return Err(DamageKind::FromTheFuture {
                format: header.glasswork,
                schema: header.schema,
            });
        }
        self.scope = Some(Scope::vacant(header.scope, header.kind, 1));
        self.schema = header.schema;
        self.header = Some(header);
        Ok(chain)
    }

    fn release_if_over(&mut self) -> Result<(), Damage> {
        match self.held.is_over() {
            true => self.release(),
            false => Ok(()),
        }
    }

    /// Applies what waits, but the deltas of effects that have ended.
    fn release(&mut self) -> Result<(), Damage> {
        let mut held = std::mem::take(&mut self.held);
        while let Some((place, waiting)) = held.pop() {
            let applied = match waiting {
                Waiting::Commit(change) => self.apply(&change),
                Waiting::Delta { of, bytes } => match held.line(of, bytes).map(line::decode_body::<D>) {
                    None => Ok(()),
                    Some(Ok(Body::Commit(commit))) => self.apply(&Change::from(*commit)),
                    Some(Ok(Body::Opened(_) | Body::Folded(_))) => Ok(()),
                    Some(Err(error)) => Err(DamageKind::Line(error)),
                },
            };
            if let Err(kind) = applied {
                self.reached = self.scope.as_ref().map_or(0, |scope| scope.seq);
                return Err(damage(place, kind));
            }
        }
        held.clear();
        self.held = held;
        Ok(())
    }

    /// Applies in place: a copy would make every persistent collection copy its nodes. A panic in `evolve` leaves
    /// nothing usable behind, so the scope is gone then.
    fn apply(&mut self, change: &Change<D>) -> Result<(), DamageKind> {
        let Some(mut scope) = self.scope.take() else {
            return Ok(());
        };
        let applied = catch_unwind(AssertUnwindSafe(move || {
            let decided = Decided {
                facts: &change.facts,
                effects: &change.effects,
                closes: &change.closes,
                settles: change.settles,
            };
            scope.apply(change.moment, &decided);
            scope
        }));
        self.scope =
            Some(applied.map_err(|payload| DamageKind::Inapplicable(pipeline::panic_text(&*payload)))?);
        Ok(())
    }

    /// Ends the fold.
    ///
    /// # Errors
    /// [`DamageKind::Empty`] where there was not even a header; what is wrong with a delta that had been left for
    /// later.
    pub fn finish(mut self) -> Result<Loaded<D>, Damage> {
        self.release()?;
        let place = Place {
            line: self.lines + 1,
            offset: self.offset,
        };
        let mut scope = self.scope.ok_or(damage(place, DamageKind::Empty))?;
        let breach = D::audit(&scope.state).err();
        scope.unsound = breach
            .as_ref()
            .map(|breach| format!("an invariant is broken: {breach}").into());
        Ok(Loaded {
            scope: Arc::new(scope),
            chain: self.chain,
            reached: self.reached,
            breach,
        })
    }
}

fn damage(place: Place, kind: DamageKind) -> Damage {
    let Place { line, offset } = place;
    Damage { line, offset, kind }
}

/// Tells a lost line from a changed one: a lost line leaves a readable successor with a later number.
fn misplaced<D: Domain>(bytes: &[u8], expected: u64, error: LineError) -> DamageKind {
    match line::decode_body::<D>(bytes) {
        Ok(Body::Commit(commit)) if commit.seq != expected => DamageKind::OutOfOrder {
            expected,
            found: commit.seq,
        },
        _ => DamageKind::Line(error),
    }
}

/// Loads a whole journal from memory.
///
/// # Errors
/// The first [`Damage`]; a torn last line counts as damage here, the owner of a file decides what to do about it.
pub fn load<D: Domain>(journal: &[u8]) -> Result<Loaded<D>, Damage> {
    let mut fold = Fold::new();
    each_line(
        journal,
        |line| fold.line(line),
        |lines, offset| Damage {
            line: lines,
            offset,
            kind: DamageKind::TornTail,
        },
    )?;
    fold.finish()
}

/// Calls `take` for each whole line; a last line without a newline is `torn`.
pub(crate) fn each_line<E>(
    journal: &[u8],
    mut take: impl FnMut(&[u8]) -> Result<(), E>,
    torn: impl FnOnce(u64, u64) -> E,
) -> Result<(), E> {
    let mut offset = 0u64;
    let mut number = 0u64;
    for line in journal.split_inclusive(|byte| *byte == b'\n') {
        number += 1;
        match line.strip_suffix(b"\n") {
            Some(whole) => take(whole)?,
            None => return Err(torn(number, offset)),
        }
        offset += line.len() as u64;
    }
    Ok(())
}

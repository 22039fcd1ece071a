//! Folding a journal into the state that it records. Facts decide; events are not even parsed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::domain::Domain;
use crate::envelope::{Moment, ScopeId};
use crate::line::{self, Body, Chain, Header, LineError, RecordedCommit};
use crate::pipeline;
use crate::root::{Decided, Scope};

/// What loading gives: a scope at its last commit, and where its journal's chain stands.
#[derive(Debug)]
pub struct Loaded<D: Domain> {
    /// The scope.
    pub scope: Arc<Scope<D>>,
    /// The chain after the last line.
    pub chain: Chain,
    /// The first invariant that the loaded state breaks. The scope can be read all the same.
    pub breach: Option<D::Breach>,
}

impl<D: Domain> Clone for Loaded<D> {
    fn clone(&self) -> Self {
        Self {
            scope: Arc::clone(&self.scope),
            chain: self.chain,
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

/// Folds a journal line by line, in constant memory beyond the state itself.
#[derive(Debug)]
pub struct Fold<D: Domain> {
    scope: Option<Scope<D>>,
    header: Option<Header<D::Kind>>,
    chain: Chain,
    schema: u32,
    lines: u64,
    offset: u64,
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
        }
    }
}

impl<D: Domain> Fold<D> {
    /// A fold before the header.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The header, once the first line was taken.
    #[must_use]
    pub fn header(&self) -> Option<&Header<D::Kind>> {
        self.header.as_ref()
    }

    /// The scope so far.
    #[must_use]
    pub fn scope(&self) -> Option<&Scope<D>> {
        self.scope.as_ref()
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
        before: impl FnOnce(&Scope<D>, &RecordedCommit<'_, D>),
    ) -> Result<(), Damage> {
        let chain = self.take(bytes, before).map_err(|kind| self.damage(kind))?;
        self.chain = chain;
        self.lines += 1;
        self.offset += bytes.len() as u64 + 1;
        Ok(())
    }

    fn take(
        &mut self,
        bytes: &[u8],
        before: impl FnOnce(&Scope<D>, &RecordedCommit<'_, D>),
    ) -> Result<Chain, DamageKind> {
        let Some(scope) = &mut self.scope else {
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
            return Ok(chain);
        };
        let chain =
            line::verify(bytes, self.chain).map_err(|error| misplaced::<D>(bytes, scope.seq + 1, error))?;
        match line::decode_body::<D>(bytes).map_err(DamageKind::Line)? {
            Body::Opened(opening) => {
                if opening.schema > D::SCHEMA {
                    return Err(DamageKind::FromTheFuture {
                        format: line::FORMAT,
                        schema: opening.schema,
                    });
                }
                if opening.epoch != scope.epoch + 1 {
                    let (expected, found) = (scope.epoch + 1, opening.epoch);
                    return Err(DamageKind::EpochOutOfOrder { expected, found });
                }
                scope.epoch = opening.epoch;
                self.schema = opening.schema;
            }
            Body::Commit(commit) => {
                if commit.seq != scope.seq + 1 {
                    return Err(DamageKind::OutOfOrder {
                        expected: scope.seq + 1,
                        found: commit.seq,
                    });
                }
                before(scope, &commit);
                self.apply(&commit)?;
            }
        }
        Ok(chain)
    }

    /// Applies in place: a copy would make every persistent collection copy its nodes. A panic in `evolve` leaves
    /// nothing usable behind, so the scope is gone then.
    fn apply(&mut self, commit: &RecordedCommit<'_, D>) -> Result<(), DamageKind> {
        let Some(mut scope) = self.scope.take() else {
            return Ok(());
        };
        let moment = Moment {
            seq: commit.seq,
            at: commit.at,
        };
        let applied = catch_unwind(AssertUnwindSafe(move || {
            let decided = Decided {
                facts: &commit.facts,
                effects: &commit.effects,
                closes: &commit.closes,
                settles: commit.settles,
            };
            scope.apply(moment, &decided);
            scope
        }));
        self.scope =
            Some(applied.map_err(|payload| DamageKind::Inapplicable(pipeline::panic_text(&*payload)))?);
        Ok(())
    }

    fn damage(&self, kind: DamageKind) -> Damage {
        Damage {
            line: self.lines + 1,
            offset: self.offset,
            kind,
        }
    }

    /// Ends the fold.
    ///
    /// # Errors
    /// [`DamageKind::Empty`] where there was not even a header.
    pub fn finish(self) -> Result<Loaded<D>, Damage> {
        let empty = self.damage(DamageKind::Empty);
        let scope = self.scope.ok_or(empty)?;
        let breach = D::audit(&scope.state).err();
        Ok(Loaded {
            scope: Arc::new(scope),
            chain: self.chain,
            breach,
        })
    }
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

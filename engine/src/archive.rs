//! Rewriting the journal of a scope at rest without its deltas.
//!
//! Every other line stays as it is, under its own sequence number, with the checksum of its new place. Where deltas
//! stood, one line `folded a..b` stands for a run of them. The new journal loads to the same state as the old one; as
//! of a commit that was folded away, to the nearest earlier one.

use std::collections::BTreeSet;

use crate::domain::Domain;
use crate::envelope::{EffectKey, ScopeId};
use crate::line::{self, Chain, Folded, LineError};
use crate::load::{Damage, DamageKind, Fold, Loaded, Met, each_line};

/// Why a journal was not archived. It is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// It is damaged.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// An effect is still under way, and so its deltas still count.
    #[error("effect {0} has not ended; open the session once, so that it is settled, then archive it")]
    NotAtRest(EffectKey),
}

/// What archiving came to.
#[derive(Debug)]
pub struct Archived<D: Domain> {
    /// What the new journal loads to, and its chain.
    pub loaded: Loaded<D>,
    /// How many commits are folded away in it.
    pub folded: u64,
}

/// Rewrites a journal line by line. What it keeps in memory is the state and little more.
#[derive(Debug)]
pub struct Archiver<D: Domain> {
    fold: Fold<D>,
    chain: Chain,
    /// The run of deltas that is being dropped.
    run: Option<Folded>,
    /// Effects whose deltas were dropped, until they end.
    owed: BTreeSet<EffectKey>,
    folded: u64,
}

impl<D: Domain> Default for Archiver<D> {
    fn default() -> Self {
        Self {
            fold: Fold::new(),
            chain: Chain::default(),
            run: None,
            owed: BTreeSet::new(),
            folded: 0,
        }
    }
}

impl<D: Domain> Archiver<D> {
    /// Before the header.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next line (without its newline), and appends what is to be written (with newlines) to `out`.
    ///
    /// # Errors
    /// [`ArchiveError::Damaged`]; what was written is of no use then.
    pub fn line(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), ArchiveError> {
        let place = (self.fold.lines() + 1, self.fold.offset());
        let marked = line::delta(bytes);
        let mut drops = marked.map(|(seq, of)| run_of(seq, of));
        let Self { fold, owed, .. } = self;
        fold.line_with(bytes, |_, met| match met {
            // A line of a build that did not mark deltas.
            Met::Commit(commit) => {
                drops = commit.delta_of().map(|of| run_of(commit.seq, of));
                for key in commit.ends() {
                    owed.remove(&key);
                }
            }
            // Lost is not dropped: what is missing there may count.
            Met::Folded(folded) => drops = (!folded.is_lost()).then(|| folded.clone()),
        })?;
        if let Some(more) = drops {
            self.owed.extend(&more.of);
            self.folded += more.to - more.from + 1;
            self.run = Some(match self.run.take() {
                None => more,
                Some(run) => joined(run, more),
            });
            return Ok(());
        }
        let sealed = self.flush(out).and_then(|()| match place {
            (1, _) => self.header(),
            _ => line::reseal(bytes, self.chain),
        });
        let (line, chain) = sealed.map_err(|error| Damage {
            line: place.0,
            offset: place.1,
            kind: DamageKind::Line(error),
        })?;
        self.put(&line, chain, out);
        Ok(())
    }

    /// The header names the format, which an earlier build would not understand.
    fn header(&self) -> Result<(Vec<u8>, Chain), LineError> {
        let header = self.fold.header().cloned();
        let mut header = header.ok_or_else(|| LineError::Unreadable("the header is missing".to_owned()))?;
        header.glasswork = line::FORMAT;
        line::encode_header(&header)
    }

    fn flush(&mut self, out: &mut Vec<u8>) -> Result<(), LineError> {
        if let Some(run) = self.run.take() {
            let (line, chain) = line::encode_folded(&run, self.chain)?;
            self.put(&line, chain, out);
        }
        Ok(())
    }

    fn put(&mut self, line: &[u8], chain: Chain, out: &mut Vec<u8>) {
        out.extend_from_slice(line);
        out.push(b'\n');
        self.chain = chain;
    }

    /// Whose journal it is, and the last commit that was taken; `None` before the header.
    #[must_use]
    pub fn place(&self) -> Option<(ScopeId, u64)> {
        let header = self.fold.header()?;
        Some((header.scope, self.fold.reached()))
    }

    /// The chain of the old journal after the last line that was taken.
    #[must_use]
    pub fn chain(&self) -> Chain {
        self.fold.chain()
    }

    /// Ends it.
    ///
    /// # Errors
    /// [`ArchiveError::NotAtRest`], or that there was not even a header. What was written is of no use then.
    pub fn finish(self) -> Result<Archived<D>, ArchiveError> {
        if let Some(open) = self.owed.first() {
            return Err(ArchiveError::NotAtRest(*open));
        }
        let mut loaded = self.fold.finish()?;
        loaded.chain = self.chain;
        Ok(Archived {
            loaded,
            folded: self.folded,
        })
    }
}

fn run_of(seq: u64, of: EffectKey) -> Folded {
    Folded {
        from: seq,
        to: seq,
        of: vec![of],
    }
}

fn joined(mut run: Folded, more: Folded) -> Folded {
    run.to = more.to;
    run.of.extend(more.of);
    run.of.sort_unstable();
    run.of.dedup();
    run
}

/// Archives a whole journal in memory; returns the new one.
///
/// # Errors
/// [`ArchiveError`]. A torn last line counts as damage: whoever owns the journal moves it aside first.
pub fn archive<D: Domain>(journal: &[u8]) -> Result<(Vec<u8>, Archived<D>), ArchiveError> {
    let mut archiver = Archiver::new();
    let mut out = Vec::new();
    each_line(
        journal,
        |line| archiver.line(line, &mut out),
        |line, offset| {
            ArchiveError::Damaged(Damage {
                line,
                offset,
                kind: DamageKind::TornTail,
            })
        },
    )?;
    Ok((out, archiver.finish()?))
}

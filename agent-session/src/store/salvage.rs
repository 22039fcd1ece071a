//! What of a damaged journal is sound, and how that is known.
//!
//! Lines name the one before them by its checksum, so those that were only moved, doubled or parted by strange ones
//! are put in order again without loss. Behind a hole a line is *proven* where something else states the checksum
//! that it was written after: what is left of the line before it, a checkpoint or a digest, or, in a packed journal,
//! the checksum of its block. Where the line before it is not there at all, the one that was written after it confirms
//! at least the checksum that it ends with: then it is taken, and named as unproven. What nobody confirms is not taken.

use std::collections::{BTreeMap, BTreeSet};

use glasswork_engine::line::{self, Chain};
use glasswork_engine::load::Fold;
use glasswork_engine::{Domain, ScopeId};

use super::error::StoreError;
use super::pieces::{Piece, Pieces, Says, Unsound};

/// Checksums that others state: of each commit those with which its line may end.
pub(super) type Witnesses = BTreeMap<u64, Vec<Chain>>;

/// The sound lines of a damaged journal, by their numbers among its pieces.
pub(super) struct Salvage<D: Domain> {
    /// The journal as far as it could be put together.
    pub(super) fold: Fold<D>,
    /// Its lines, from the header on.
    pub(super) order: Vec<usize>,
    /// Sound lines behind the damage, in the order of their commits; openings among them.
    pub(super) behind: Vec<Behind>,
    /// Lines that stand twice.
    pub(super) doubled: u64,
    /// What is no sound line.
    pub(super) strange: Vec<Unsound>,
}

/// A sound line behind the damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Behind {
    pub(super) piece: usize,
    /// Its first and last commit; `None` where it is an opening.
    pub(super) commits: Option<(u64, u64)>,
    pub(super) is_proven: bool,
}

impl<D: Domain> Salvage<D> {
    pub(super) fn of(scope: ScopeId, pieces: &Pieces, witnesses: &Witnesses) -> Result<Self, StoreError> {
        let mut ordering = Ordering {
            scope,
            pieces,
            fold: Fold::new(),
            taken: BTreeSet::new(),
        };
        let order = ordering.order()?;
        let Ordering { fold, taken, .. } = ordering;
        let mut salvage = Self {
            fold,
            order,
            behind: Vec::new(),
            doubled: 0,
            strange: pieces.broken.clone(),
        };
        salvage.judge(pieces, &taken, witnesses)?;
        Ok(salvage)
    }

    /// Tells apart what is sound behind the damage, what stands twice, and what is strange.
    fn judge(
        &mut self,
        pieces: &Pieces,
        taken: &BTreeSet<usize>,
        witnesses: &Witnesses,
    ) -> Result<(), StoreError> {
        let kept = self.fold.reached();
        let known = self.order.iter().filter_map(|index| pieces.all.get(*index));
        let known: BTreeSet<_> = known.map(identity).collect();
        let mut commits: BTreeMap<u64, Behind> = BTreeMap::new();
        let mut openings = Vec::new();
        // The last commit that the piece before says, whether it is sound or not.
        let mut said = None;
        for (index, piece) in pieces.all.iter().enumerate() {
            let before = said;
            said = match piece.says {
                Says::Commits(_, last) => Some(last),
                Says::Header => Some(0),
                Says::Opening => before,
                Says::Nothing => None,
            };
            let is_taken = taken.contains(&index);
            let mut is_proven = is_taken || piece.follows || piece.in_block;
            if let Says::Commits(first, _) = piece.says
                && !is_proven
                && first > kept
                && let Some(stated) = first.checked_sub(1).and_then(|before| witnesses.get(&before))
            {
                let bytes = pieces.read(piece)?;
                is_proven = stated.iter().any(|stated| line::verify(&bytes, *stated).is_ok());
            }
            if is_taken {
                continue;
            }
            let next = pieces.all.get(index + 1);
            let is_confirmed = next.is_some_and(|next| next.follows)
                || matches!(piece.says, Says::Commits(_, last) if piece.stated.is_some_and(|stated| {
                    witnesses.get(&last).is_some_and(|known| known.contains(&stated))
                }));
            match piece.says {
                // Of one that stands behind the commit before it, and does not follow it, one of the two was changed.
                Says::Commits(first, last)
                    if first > kept && (is_proven || is_confirmed && before != Some(first - 1)) =>
                {
                    let found = Behind {
                        piece: index,
                        commits: Some((first, last)),
                        is_proven,
                    };
                    let known = commits.entry(first).or_insert(found);
                    if is_proven && !known.is_proven {
                        *known = found;
                    }
                }
                Says::Opening if is_proven => openings.push(index),
                Says::Opening if is_confirmed => {}
                _ if known.contains(&identity(piece)) => self.doubled += 1,
                // What could not be unpacked is named already.
                Says::Nothing if pieces.is_packed(piece.file) => {}
                _ => self.strange.push(Unsound {
                    file: piece.file,
                    offset: piece.offset,
                    bytes: piece.length as u64,
                }),
            }
        }
        self.put_behind(pieces, commits, &openings);
        Ok(())
    }

    fn put_behind(&mut self, pieces: &Pieces, commits: BTreeMap<u64, Behind>, openings: &[usize]) {
        let mut reached = self.fold.reached();
        let mut begun: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for opening in openings {
            let later = pieces.all.iter().skip(*opening + 1);
            let next = later.map(|piece| piece.says).find_map(|says| match says {
                Says::Commits(first, _) => Some(first),
                _ => None,
            });
            begun.entry(next.unwrap_or(u64::MAX)).or_default().push(*opening);
        }
        for (first, found) in commits {
            // Of lines that contradict one another the first counts.
            if first <= reached {
                continue;
            }
            let openings = begun.remove(&first).unwrap_or_default();
            self.behind.extend(openings.into_iter().map(|piece| Behind {
                piece,
                commits: None,
                is_proven: true,
            }));
            self.behind.push(found);
            reached = found.commits.map_or(reached, |(_, last)| last);
        }
    }

    /// The sound commits behind the damage, those that are gone, and those that nothing proves, as ranges.
    pub(super) fn ranges(&self) -> Ranges {
        let mut ranges = Ranges::default();
        let mut reached = self.fold.reached();
        for Behind {
            commits, is_proven, ..
        } in &self.behind
        {
            let Some((first, last)) = *commits else { continue };
            if first > reached + 1 {
                ranges.lost.push((reached + 1, first - 1));
            }
            add(&mut ranges.salvaged, first, last);
            if !is_proven {
                add(&mut ranges.unproven, first, last);
            }
            reached = last;
        }
        ranges
    }
}

/// Commits, as ranges from the first to the last.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    pub(super) salvaged: Vec<(u64, u64)>,
    pub(super) lost: Vec<(u64, u64)>,
    pub(super) unproven: Vec<(u64, u64)>,
}

fn add(ranges: &mut Vec<(u64, u64)>, first: u64, last: u64) {
    match ranges.last_mut() {
        Some((_, end)) if *end + 1 == first => *end = last,
        _ => ranges.push((first, last)),
    }
}

fn identity(piece: &Piece) -> (Option<String>, usize) {
    (piece.stated.map(|chain| chain.to_string()), piece.length)
}

/// Puts lines in order.
struct Ordering<'a, D: Domain> {
    scope: ScopeId,
    pieces: &'a Pieces,
    fold: Fold<D>,
    taken: BTreeSet<usize>,
}

impl<D: Domain> Ordering<'_, D> {
    /// The lines that follow one another from the header on, wherever they stand.
    fn order(&mut self) -> Result<Vec<usize>, StoreError> {
        let mut by_commit: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        let mut others = Vec::new();
        for (index, piece) in self.pieces.all.iter().enumerate() {
            match piece.says {
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
        let Some(piece) = self.pieces.all.get(index) else {
            return Ok(false);
        };
        if self.taken.contains(&index) || piece.says == Says::Nothing {
            return Ok(false);
        }
        let bytes = self.pieces.read(piece)?;
        // The header of another session would begin another one.
        let is_own = self.fold.header().is_some()
            || line::decode_header::<D::Kind>(&bytes).is_ok_and(|(header, _)| header.scope == self.scope);
        let fits =
            is_own && line::verify(&bytes, self.fold.chain()).is_ok() && self.fold.line(&bytes).is_ok();
        if fits {
            self.taken.insert(index);
        }
        Ok(fits)
    }
}

//! Storage that crashes as machines do: what was not synced is lost in part, and not from the end.

use crate::domain::Domain;
use crate::envelope::ScopeId;
use crate::journal::MemoryJournal;
use crate::load::{Damage, DamageKind, Fold};

/// The unit in which a disk may keep or lose what was not synced, in bytes. Smaller than a real one, so that tests with
/// short lines meet every case.
const BLOCK: usize = 64;

/// How a crash treats what was not synced. Two crashes with one seed are the same crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crash {
    /// Chooses which blocks survive.
    pub seed: u64,
}

impl Crash {
    /// What the disk holds of a scope's journal after this crash: all that was synced; of the rest some blocks up to
    /// some length, with zeros where a block was lost.
    #[must_use]
    pub fn of(self, journal: &MemoryJournal, scope: ScopeId) -> Vec<u8> {
        let (mut left, synced) = journal.bytes_and_synced(scope);
        let mut dice = self.seed;
        let mut throw = move || {
            // SplitMix64.
            dice = dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut x = dice;
            x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            x ^ (x >> 31)
        };
        // The file ends anywhere after what was synced; inside, from half of the blocks to hardly one is lost.
        let unsynced = left.len() - synced;
        left.truncate(synced + (throw() % (unsynced as u64 + 1)) as usize);
        let one_in = 2 + throw() % 32;
        let mut start = synced;
        while start < left.len() {
            let next = left.len().min(start + BLOCK);
            if throw() % one_in == 0 {
                left.iter_mut().take(next).skip(start).for_each(|byte| *byte = 0);
            }
            start = next;
        }
        left
    }
}

/// What the owner of a journal can use of it after a crash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salvaged {
    /// The lines before the damage, whole and intact.
    pub intact: Vec<u8>,
    /// The damage, if there is any.
    pub damage: Option<Damage>,
}

/// Cuts a journal at its first damage.
#[must_use]
pub fn salvage<D: Domain>(journal: &[u8]) -> Salvaged {
    let mut fold = Fold::<D>::new();
    let mut damage = None;
    for (number, line) in (1..).zip(journal.split_inclusive(|byte| *byte == b'\n')) {
        let taken = match line.strip_suffix(b"\n") {
            Some(whole) => fold.line(whole),
            None => Err(Damage {
                line: number,
                offset: fold.offset(),
                kind: DamageKind::TornTail,
            }),
        };
        if let Err(found) = taken {
            damage = Some(found);
            break;
        }
    }
    let length = usize::try_from(fold.offset()).unwrap_or(usize::MAX);
    Salvaged {
        intact: journal.get(..length).unwrap_or(journal).to_vec(),
        damage,
    }
}

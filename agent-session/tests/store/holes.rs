//! What of a journal with holes is proven sound, taken as it stands, or left: for every shape of holes, and for every
//! way in which lines go away.

use std::collections::BTreeSet;

use crate::home::{Home, Live};
use crate::tally::{Kind, NOW, add, scope};

const COMMITS: u64 = 9;

/// What happens to a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Harm {
    /// It is gone.
    Gone,
    /// A byte of what it says is another; it still ends with its checksum.
    Changed,
    /// A digit of its checksum is another.
    OtherChecksum,
    /// Its newline is another byte.
    NoNewline,
    /// Its newline is gone.
    Joined,
}

/// What proves lines besides other lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beside {
    Nothing,
    /// Each commit is noted with its checksum.
    Digests,
    /// The third commit has a checkpoint, and so has every third.
    Checkpoints,
}

fn harmed(lines: &[Vec<u8>], holes: &BTreeSet<u64>, harm: Harm) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let mut line = line.clone();
        let length = line.len();
        match harm {
            _ if !holes.contains(&(number as u64)) => {}
            Harm::Gone => continue,
            Harm::Changed => line[20] ^= 1,
            Harm::OtherChecksum => line[length - 4] ^= 1,
            Harm::NoNewline => line[length - 1] ^= 1,
            Harm::Joined => drop(line.pop()),
        }
        bytes.extend(line);
    }
    bytes
}

/// Which of the commits that were not harmed are taken: all that are proven, and those of which the next one says
/// that they end as they were written.
fn taken(holes: &BTreeSet<u64>, harm: Harm, beside: Beside) -> (BTreeSet<u64>, BTreeSet<u64>) {
    let is_sound = |seq: u64| seq <= COMMITS && !holes.contains(&seq);
    let kept = (1..).take_while(|seq| is_sound(*seq)).count() as u64;
    let noted = |seq: u64| match beside {
        Beside::Nothing => false,
        Beside::Digests => true,
        Beside::Checkpoints => seq.is_multiple_of(3),
    };
    let behind = || (kept + 1..=COMMITS).filter(|seq| is_sound(*seq));
    let proven: BTreeSet<u64> = behind()
        .filter(|seq| harm != Harm::Gone || is_sound(seq - 1) || noted(seq - 1))
        .collect();
    let unproven = behind()
        .filter(|seq| !proven.contains(seq) && (is_sound(seq + 1) || noted(*seq)))
        .collect();
    (proven, unproven)
}

fn ranges(commits: &BTreeSet<u64>) -> Vec<(u64, u64)> {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for seq in commits {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *seq => *last = *seq,
            _ => ranges.push((*seq, *seq)),
        }
    }
    ranges
}

fn check(holes: &[u64], harm: Harm, beside: Beside) {
    let name = format!("{harm:?} {holes:?}, beside it {beside:?}");
    let holes: BTreeSet<u64> = holes.iter().copied().collect();
    let home = Home::new();
    let mut live = Live::start(&Default::default());
    live = match beside {
        Beside::Nothing => live,
        Beside::Digests => live.keep(u64::MAX / 2),
        Beside::Checkpoints => live.keep(3),
    };
    live.create(&home.store, scope(1));
    for amount in 1..=COMMITS {
        live.send(scope(1), add(amount)).unwrap();
        live.files.settle();
    }
    live.engine.stop();
    let path = home.path(scope(1));
    if beside == Beside::Checkpoints {
        // They alone shall tell.
        std::fs::remove_file(path.with_extension("").join("digests.jsonl")).unwrap();
    }
    let bytes = std::fs::read(&path).unwrap();
    let lines: Vec<Vec<u8>> = bytes
        .split_inclusive(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    std::fs::write(&path, harmed(&lines, &holes, harm)).unwrap();
    let did = home
        .store
        .repair(scope(1), Kind::Tally, NOW, false)
        .unwrap()
        .expect(&name);
    let total = |id| {
        let journal = home.store.journal(id).unwrap();
        let read = journal.read().unwrap().scope;
        assert_eq!(journal.replay(None).unwrap().difference_count, 0, "{name}");
        (read.seq, read.state.total, read.unsound.clone())
    };
    if matches!(harm, Harm::NoNewline | Harm::Joined) {
        // The last line without its newline was never written whole.
        let kept = COMMITS - u64::from(holes.contains(&COMMITS));
        assert_eq!(
            (did.kept, did.salvaged, did.recovered),
            (kept, vec![], None),
            "{name}"
        );
        assert_eq!(total(scope(1)), (kept, (1..=kept).sum(), None), "{name}");
        return;
    }
    let kept = holes.first().unwrap() - 1;
    let (proven, unproven) = taken(&holes, harm, beside);
    let all: BTreeSet<u64> = proven.union(&unproven).copied().collect();
    let found = (did.kept, &*did.salvaged, &*did.unproven);
    assert_eq!(found, (kept, &*ranges(&all), &*ranges(&unproven)), "{name}");
    let missing: BTreeSet<u64> = (kept + 1..=all.last().copied().unwrap_or(0))
        .filter(|seq| !all.contains(seq))
        .collect();
    assert_eq!(did.lost, ranges(&missing), "{name}");
    assert_eq!(total(scope(1)), (kept, (1..=kept).sum(), None), "{name}");
    let recovered = all
        .last()
        .map(|last| (*last, (1..=kept).chain(all.iter().copied()).sum(), None));
    assert_eq!(did.recovered.map(total), recovered, "{name}");
    let gaps = did.recovered.map(|id| {
        let replayed = home.store.journal(id).unwrap().replay(None).unwrap();
        replayed
            .gaps
            .iter()
            .map(|gap| (gap.from, gap.to))
            .collect::<Vec<_>>()
    });
    assert_eq!(gaps, recovered.map(|_| ranges(&missing)), "{name}");
}

#[test]
fn of_a_journal_with_holes_all_is_kept_that_can_be_proven() {
    let shapes: [&[u64]; 13] = [
        &[1],
        &[1, 2],
        &[1, 2, 3],
        &[4],
        &[4, 5],
        &[4, 5, 6],
        &[9],
        &[8, 9],
        &[7, 8, 9],
        // One sound line alone, and every other one.
        &[2, 4],
        &[1, 3, 5, 7, 9],
        &[2, 4, 6, 8],
        &[2, 3, 5, 6, 8],
    ];
    for holes in shapes {
        for harm in [
            Harm::Gone,
            Harm::Changed,
            Harm::OtherChecksum,
            Harm::NoNewline,
            Harm::Joined,
        ] {
            // What has no newline to its end is no damage, but was never written whole.
            let is_tail = (*holes.first().unwrap()..=COMMITS).eq(holes.iter().copied());
            if is_tail && matches!(harm, Harm::NoNewline | Harm::Joined) {
                continue;
            }
            for beside in [Beside::Nothing, Beside::Digests, Beside::Checkpoints] {
                // What ends earlier is no damage.
                if !(is_tail && harm == Harm::Gone) {
                    check(holes, harm, beside);
                }
            }
        }
    }
}

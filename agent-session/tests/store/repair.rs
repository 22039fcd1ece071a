//! Repairing: what is sound stays or comes back, what is not is moved aside as it was, and nothing goes away.

use std::path::PathBuf;

use glasswork_agent_session::store::{Repair, StoreError};
use glasswork_engine::ScopeId;
use glasswork_engine::line::{self, FORMAT, Header};

use crate::home::{Home, Live, tree};
use crate::tally::{Kind, NOW, add, scope};

type Lines = Vec<Vec<u8>>;

fn lines(home: &Home, number: u128) -> Lines {
    let bytes = std::fs::read(home.journal(scope(number), (1..=6).map(add))).unwrap();
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    lines.map(<[u8]>::to_vec).collect()
}

/// What a repair shall come to.
struct Expected {
    kept: u64,
    salvaged: &'static [(u64, u64)],
    unproven: &'static [(u64, u64)],
    lost: &'static [(u64, u64)],
    doubled: u64,
    strange: usize,
    /// The sum of the session that was made of all that is sound.
    recovered: Option<u64>,
}

const WHOLE: Expected = Expected {
    kept: 6,
    salvaged: &[],
    unproven: &[],
    lost: &[],
    doubled: 0,
    strange: 0,
    recovered: None,
};

fn total(home: &Home, id: ScopeId) -> (u64, u64) {
    let read = home.store.journal(id).unwrap().read().unwrap();
    let replayed = home.store.journal(id).unwrap().replay(None).unwrap();
    assert_eq!(replayed.loaded.scope, read.scope);
    (read.scope.seq, read.scope.state.total)
}

fn check(name: &str, damage: impl Fn(&mut Lines, &Lines), expected: &Expected) {
    let home = Home::new();
    let foreign = lines(&home, 2);
    let mut all = lines(&home, 1);
    damage(&mut all, &foreign);
    let path = home.path(scope(1));
    let bytes = all.concat();
    std::fs::write(&path, &bytes).unwrap();
    let before = tree(home.store.data());

    let would = home
        .store
        .repair(scope(1), Kind::Tally, NOW, true)
        .unwrap()
        .expect(name);
    assert_eq!(
        tree(home.store.data()),
        before,
        "{name}: a dry run changes nothing"
    );
    let said = would.damage.split(": ").nth(1).unwrap();
    assert!(said.starts_with("line "), "{name}: {}", would.damage);
    let found = (
        would.kept,
        &*would.salvaged,
        &*would.unproven,
        &*would.lost,
        would.doubled,
        would.strange.len(),
    );
    let wanted = (
        expected.kept,
        expected.salvaged,
        expected.unproven,
        expected.lost,
        expected.doubled,
        expected.strange,
    );
    assert_eq!(found, wanted, "{name}");

    let did = home
        .store
        .repair(scope(1), Kind::Tally, NOW, false)
        .unwrap()
        .expect(name);
    let aside = did.moved_to.clone().unwrap();
    let same = Repair {
        moved_to: None,
        recovered: None,
        ..did.clone()
    };
    assert_eq!(same, would, "{name}");
    assert_eq!(
        std::fs::read(aside.join("journal.jsonl")).unwrap(),
        bytes,
        "{name}"
    );
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(aside.join("report.json")).unwrap()).unwrap();
    assert_eq!(report["kept"], expected.kept, "{name}");
    // Byte for byte what it was.
    let salvaged = std::fs::read(aside.join("salvaged.jsonl")).unwrap();
    for line in salvaged.split_inclusive(|byte| *byte == b'\n') {
        assert!(all.iter().any(|one| one == line), "{name}");
    }
    let recovered = did.recovered.map(|id| total(&home, id).1);
    assert_eq!(recovered, expected.recovered, "{name}");

    if expected.kept == 0 {
        assert!(
            matches!(home.store.journal(scope(1)), Err(StoreError::Unknown { .. })),
            "{name}"
        );
        return;
    }
    let sum = expected.kept * (expected.kept + 1) / 2;
    assert_eq!(total(&home, scope(1)), (expected.kept, sum), "{name}");
    assert_eq!(
        home.store.repair(scope(1), Kind::Tally, NOW, false).unwrap(),
        None,
        "{name}: repaired once"
    );
    let live = Live::start(&Default::default());
    for id in [Some(scope(1)), did.recovered].into_iter().flatten() {
        live.open(&home.store, id);
        live.send(id, add(100)).unwrap();
    }
    live.engine.stop();
    assert_eq!(total(&home, scope(1)), (expected.kept + 1, sum + 100), "{name}");
}

#[test]
fn what_was_only_moved_doubled_or_parted_comes_back_in_full() {
    check("swapped", |all, _| all.swap(2, 5), &WHOLE);
    check("backwards", |all, _| all[1..].reverse(), &WHOLE);
    let doubled = Expected { doubled: 1, ..WHOLE };
    check("doubled", |all, _| all.insert(4, all[3].clone()), &doubled);
    let strange = Expected { strange: 1, ..WHOLE };
    check("words", |all, _| all.insert(4, b"hello\n".to_vec()), &strange);
    check(
        "a foreign line",
        |all, foreign| all.insert(4, foreign[4].clone()),
        &strange,
    );
    let long = || [vec![b'x'; 3 << 20], b"\n".to_vec()].concat();
    check("a long line", |all, _| all.insert(4, long()), &strange);
    let torn = |all: &mut Lines, _: &Lines| {
        all.insert(4, b"hello\n".to_vec());
        all.push(b"{\"seq\":7,\"at\"".to_vec());
    };
    check("words, and a torn tail", torn, &Expected { strange: 2, ..WHOLE });
}

#[test]
fn where_a_line_is_gone_what_is_behind_it_is_kept_apart() {
    let gone = Expected {
        kept: 2,
        salvaged: &[(4, 6)],
        unproven: &[(4, 4)],
        lost: &[(3, 3)],
        strange: 0,
        recovered: Some(18),
        ..WHOLE
    };
    check("a lost line", |all, _| drop(all.remove(3)), &gone);
    let changed = Expected { strange: 1, ..gone };
    // What is left of the line tells what the next one was written after.
    let proven = Expected {
        unproven: &[],
        ..changed
    };
    check("a flipped byte", |all, _| all[3][30] ^= 1, &proven);
    let checksum = |all: &mut Lines, _: &Lines| {
        let place = all[3].len() - 5;
        all[3][place] ^= 1;
    };
    check("a flipped checksum", checksum, &proven);
    // It says what ours said, so what follows it is proven.
    check(
        "a foreign line instead",
        |all, foreign| all[3] = foreign[3].clone(),
        &proven,
    );
    // Of two lines that do not fit one another nobody can tell which one was changed.
    let neither = Expected {
        salvaged: &[(5, 6)],
        lost: &[(3, 4)],
        strange: 2,
        recovered: Some(14),
        ..proven
    };
    let both = |all: &mut Lines, foreign: &Lines| {
        all[3] = foreign[3].clone();
        all[3][30] ^= 1;
    };
    check("a foreign line instead, and changed", both, &neither);
    let two = Expected {
        kept: 1,
        salvaged: &[(3, 4), (6, 6)],
        lost: &[(2, 2), (5, 5)],
        strange: 0,
        recovered: Some(14),
        ..WHOLE
    };
    let every = |all: &mut Lines, _: &Lines| {
        all.remove(5);
        all.remove(2);
    };
    // The last line alone has nobody to tell that it is sound.
    check(
        "two lost lines",
        every,
        &Expected {
            salvaged: &[(3, 4)],
            unproven: &[(3, 3)],
            lost: &[(2, 2)],
            strange: 1,
            recovered: Some(8),
            ..two
        },
    );
    let last = Expected {
        kept: 5,
        strange: 1,
        ..WHOLE
    };
    check("the last line", |all, _| all[6][30] ^= 1, &last);
    let nothing = Expected { kept: 0, ..WHOLE };
    check("zero bytes", |all, _| all.clear(), &nothing);
    // A header can be made anew, for another session.
    let headless = Expected {
        kept: 0,
        salvaged: &[(1, 6)],
        unproven: &[(1, 1)],
        recovered: Some(21),
        ..WHOLE
    };
    check("a lost header", |all, _| drop(all.remove(0)), &headless);
}

#[test]
fn a_journal_in_several_files_is_repaired_as_one() {
    let home = Home::new();
    let live = Live::in_parts(1_000);
    live.create(&home.store, scope(1));
    for number in 1..=30 {
        live.send(scope(1), add(number)).unwrap();
    }
    live.engine.stop();
    let folder = home.path(scope(1)).with_extension("");
    let mut parts: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let first_of = |path: &PathBuf| -> u64 {
        let name = path.file_stem().unwrap().to_str().unwrap();
        name.strip_prefix("1-").unwrap().parse().unwrap()
    };
    parts.sort_by_key(first_of);
    let (part, first) = (&parts[1], first_of(&parts[1]));
    let mut bytes = std::fs::read(part).unwrap();
    bytes[20] ^= 1;
    std::fs::write(part, &bytes).unwrap();
    let did = home
        .store
        .repair(scope(1), Kind::Tally, NOW, false)
        .unwrap()
        .unwrap();
    assert_eq!(
        (did.kept, &*did.salvaged, &*did.lost),
        (first - 1, &[(first + 1, 30)][..], &[(first, first)][..])
    );
    assert_eq!(total(&home, scope(1)), (first - 1, first * (first - 1) / 2));
    assert_eq!(total(&home, did.recovered.unwrap()), (30, 465 - first));
    let aside = did.moved_to.unwrap();
    assert_eq!(
        std::fs::read(aside.join(part.file_name().unwrap())).unwrap(),
        bytes
    );
    assert_eq!(std::fs::read_dir(aside).unwrap().count(), parts.len() + 3);
}

#[test]
fn what_is_not_damaged_or_not_ours_is_not_repaired() {
    let home = Home::new();
    let all = lines(&home, 1);
    assert_eq!(
        home.store.repair(scope(1), Kind::Tally, NOW, false).unwrap(),
        None
    );
    let path = home.path(scope(1));
    // Torn is not damaged: opening it tells.
    std::fs::write(&path, &all.concat()[..all.concat().len() - 3]).unwrap();
    assert_eq!(
        home.store.repair(scope(1), Kind::Tally, NOW, false).unwrap(),
        None
    );
    let header = Header {
        glasswork: FORMAT,
        schema: 9,
        scope: scope(1),
        kind: Kind::Tally,
        created: NOW,
        lineage: vec![],
    };
    let future = [line::encode_header(&header).unwrap().0, b"\n".to_vec()].concat();
    std::fs::write(&path, &future).unwrap();
    let said = home
        .store
        .repair(scope(1), Kind::Tally, NOW, false)
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("update to read it") && !said.contains("repair"),
        "{said}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), future);
    std::fs::write(&path, all[..3].concat()).unwrap();
    let owner = home.store.open_for_writing(scope(1), NOW).unwrap();
    std::fs::write(&path, b"gone").unwrap();
    let said = home.store.repair(scope(1), Kind::Tally, NOW, false).unwrap_err();
    assert!(matches!(said, StoreError::Owned { .. }), "{said}");
    drop(owner);
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("elsewhere", &path).unwrap();
    let said = home.store.repair(scope(1), Kind::Tally, NOW, false).unwrap_err();
    assert!(matches!(said, StoreError::NotAJournal { .. }), "{said}");
}

/// What stands before a checkpoint is not read when a session is opened, and is damage all the same.
#[test]
fn damage_before_a_checkpoint_is_found_and_repaired() {
    let home = Home::new();
    let live = Live::start(&Default::default()).keep(3);
    live.create(&home.store, scope(1));
    for amount in 1..=6 {
        live.send(scope(1), add(amount)).unwrap();
        live.files.settle();
    }
    live.engine.stop();
    let path = home.path(scope(1));
    let mut bytes = std::fs::read(&path).unwrap();
    let second = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    bytes[second + 20] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let journal = home.store.journal(scope(1)).unwrap();
    assert_eq!(journal.read().unwrap().scope.state.total, 21);
    assert!(journal.replay(None).is_err());
    let did = home
        .store
        .repair(scope(1), Kind::Tally, NOW, false)
        .unwrap()
        .unwrap();
    assert_eq!(
        (did.kept, &*did.salvaged, &*did.unproven),
        (0, &[(2, 6)][..], &[][..])
    );
    assert_eq!(total(&home, did.recovered.unwrap()), (6, 20));
}

/// Openings behind the damage say of which build the lines after them are.
#[test]
fn a_recovered_session_has_the_openings_that_are_left_and_says_whose_it_was() {
    let home = Home::new();
    home.journal(scope(1), (1..=3).map(add));
    for amounts in [4..6, 6..8] {
        let live = Live::start(&Default::default());
        live.open(&home.store, scope(1));
        for amount in amounts {
            live.send(scope(1), add(amount)).unwrap();
        }
        live.engine.stop();
    }
    let path = home.path(scope(1));
    let bytes = std::fs::read(&path).unwrap();
    let all: Lines = bytes
        .split_inclusive(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    assert!(all[4].starts_with(b"{\"opened\"") && all[7].starts_with(b"{\"opened\""));
    // Header, three commits, an opening, two commits, an opening, two commits. Where an opening is gone, the commit behind
    // it seems to be changed.
    for (gone, epoch, sum) in [(2, 3, 26), (4, 2, 24), (5, 3, 24), (7, 2, 22)] {
        let mut lines = all.clone();
        lines.remove(gone);
        std::fs::write(&path, lines.concat()).unwrap();
        let did = home
            .store
            .repair(scope(1), Kind::Tally, NOW, false)
            .unwrap()
            .unwrap();
        let journal = home.store.journal(did.recovered.unwrap()).unwrap();
        let read = journal.read().unwrap().scope;
        assert_eq!(
            (read.epoch, read.seq, read.state.total),
            (epoch, 7, sum),
            "{gone}"
        );
        let parent = journal.header().unwrap().parent().unwrap();
        assert_eq!((parent.scope, parent.seq), (scope(1), 7), "{gone}");
    }
}

//! Checkpoints: loading is quick with them, and the same without.

use std::fs;
use std::path::{Path, PathBuf};

use glasswork_agent_session::store::{CHECKPOINTS_KEPT, Pace, Place, Store, StoreError, StoredJournal};
use glasswork_engine::ScopeId;

use crate::home::{Home, Live};
use crate::tally::{Kind, NOW, Tally, Till, add, scope, wait};

/// A session of so many commits with a checkpoint after each ten.
fn filled(home: &Home, id: ScopeId, commits: u64) -> StoredJournal<Tally> {
    let live = Live::start(&Till::default()).keep(10);
    live.create(&home.store, id);
    for amount in 1..=commits {
        live.send(id, add(amount)).unwrap();
        live.files.settle();
    }
    live.engine.stop();
    home.store.journal(id).unwrap()
}

fn seqs(journal: &StoredJournal<Tally>) -> Vec<u64> {
    journal.checkpoints().iter().map(|file| file.seq).collect()
}

/// The sum as of a commit: of all numbers up to it.
fn assert_sums(journal: &StoredJournal<Tally>, commits: u64) {
    for seq in 0..=commits {
        let scope = journal.read_until(seq).unwrap().scope;
        assert_eq!(
            (scope.seq, scope.state.total, scope.state.entries),
            (seq, seq * (seq + 1) / 2, seq)
        );
    }
    let all = journal.read().unwrap();
    // A journal that a person names by its path is folded whole.
    let whole = Store::<Tally>::journal_at(journal.path()).read().unwrap();
    assert_eq!(
        (&all.scope, all.chain, all.scope.epoch),
        (&whole.scope, whole.chain, whole.scope.epoch)
    );
}

/// Changes a byte of a line without its newline.
fn flip(path: &Path, place: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[place] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn loading_reads_the_newest_checkpoint_and_what_comes_after_it() {
    let home = Home::new();
    let journal = filled(&home, scope(1), 35);
    assert_eq!(seqs(&journal), [30, 20, 10]);
    assert_sums(&journal, 35);
    assert_eq!(journal.unusable_checkpoints().unwrap(), []);
    // What stands before a checkpoint is not even looked at; a strict replay looks at everything.
    flip(journal.path(), 300);
    assert_eq!(journal.read().unwrap().scope.state.total, 630);
    assert_eq!(journal.read_until(25).unwrap().scope.state.total, 325);
    journal.replay(None).unwrap_err();
    journal.read_until(9).unwrap_err();
}

#[test]
fn damage_behind_a_checkpoint_is_named_by_its_line_in_the_file() {
    let home = Home::new();
    let journal = filled(&home, scope(1), 35);
    let text = fs::read_to_string(journal.path()).unwrap();
    // The header, and 32 commits.
    let before: usize = text.split_inclusive('\n').take(33).map(str::len).sum();
    flip(journal.path(), before + 20);
    let damage = |error: StoreError| match error {
        StoreError::Damaged { damage, intact, .. } => (damage.line, damage.offset, intact),
        other => panic!("{other}"),
    };
    let expected = (34, before as u64, 32);
    assert_eq!(damage(journal.read().unwrap_err()), expected);
    assert_eq!(damage(journal.replay(None).unwrap_err()), expected);
}

/// So many commits, each with a look at whether a checkpoint is due.
fn go_on(live: &Live, id: ScopeId, commits: u64) {
    for amount in 1..=commits {
        live.send(id, add(amount)).unwrap();
        live.files.settle();
    }
}

/// Bytes of the journal that stand between two checkpoints.
fn between(journal: &StoredJournal<Tally>, from: u64, to: u64) -> u64 {
    let text = fs::read_to_string(journal.path()).unwrap();
    let seq = |line: &str| line.strip_prefix("{\"seq\":")?.split(',').next()?.parse().ok();
    let lines = text
        .lines()
        .filter(|line| seq(line).is_some_and(|seq: u64| seq > from && seq <= to));
    lines.map(|line| line.len() as u64 + 1).sum()
}

#[test]
fn a_checkpoint_is_due_after_so_many_bytes_too_and_once() {
    const BYTES: u64 = 2_000;
    let home = Home::new();
    let start = || {
        Live::start(&Till::default()).keep_at(Pace {
            commits: u64::MAX / 2,
            bytes: BYTES,
        })
    };
    let live = start();
    live.create(&home.store, scope(1));
    go_on(&live, scope(1), 60);
    live.engine.stop();
    let journal = home.store.journal(scope(1)).unwrap();
    let made = seqs(&journal);
    assert!(made.len() >= 3, "{made:?}");
    for pair in made.windows(2) {
        assert!(between(&journal, pair[1], pair[0]) >= BYTES, "{made:?}");
    }
    assert!(between(&journal, made[0], 60) < BYTES, "{made:?}");
    // What stood there before the opening does not count again.
    let live = start();
    live.open(&home.store, scope(1));
    go_on(&live, scope(1), 1);
    live.engine.stop();
    let growing = between(&journal, made[0], 61) + 200;
    assert!(
        growing >= BYTES || seqs(&journal) == made,
        "{growing}: {:?}",
        seqs(&journal)
    );
    assert_eq!(journal.unusable_checkpoints().unwrap(), []);
}

#[test]
fn checkpoints_of_a_state_that_is_long_beside_its_journal_are_further_apart() {
    let home = Home::new();
    let live = Live::start(&Till::default()).keep(1);
    live.create(&home.store, scope(1));
    go_on(&live, scope(1), 12);
    live.engine.stop();
    let journal = home.store.journal(scope(1)).unwrap();
    let files = journal.checkpoints();
    assert!(files.len() >= 3);
    for pair in files.windows(2) {
        let grown = between(&journal, pair[1].seq, pair[0].seq);
        assert!(
            grown >= pair[1].bytes / 2,
            "{grown} after one of {}",
            pair[1].bytes
        );
    }
}

#[test]
fn checkpoints_go_on_over_openings_and_parts() {
    let home = Home::new();
    let live = Live::in_parts(2_000).keep(10);
    live.create(&home.store, scope(1));
    for amount in 1..=30 {
        live.send(scope(1), add(amount)).unwrap();
        live.files.settle();
    }
    live.engine.stop();
    for epoch in 0..3 {
        let live = Live::in_parts(2_000).keep(10);
        live.open(&home.store, scope(1));
        for amount in 31 + epoch * 8..39 + epoch * 8 {
            live.send(scope(1), add(amount)).unwrap();
            live.files.settle();
        }
        live.engine.stop();
    }
    let journal = home.store.journal(scope(1)).unwrap();
    assert_eq!(seqs(&journal), [50, 40, 30, 10]);
    assert!(
        fs::read_to_string(&journal.checkpoints()[0].path)
            .unwrap()
            .contains("\"part\":")
    );
    assert_sums(&journal, 54);
    assert_eq!(journal.read().unwrap().scope.epoch, 4);
    assert_eq!(
        journal.replay(None).unwrap().loaded.scope,
        journal.read().unwrap().scope
    );
}

/// Nothing waits here: whenever a checkpoint is made, it is of what the journal has by then.
#[test]
fn a_checkpoint_is_what_the_journal_leads_to_at_its_commit_however_busy_it_is() {
    let home = Home::new();
    let live = Live::start(&Till::default()).keep(16);
    for id in 1..=3 {
        live.create(&home.store, scope(id));
    }
    for amount in 1..=700 {
        for id in 1..=3 {
            drop(live.handle.submit(scope(id), add(amount)));
        }
        if amount % 7 == 0 {
            live.send(scope(1), add(amount)).unwrap();
        }
    }
    live.files.settle();
    live.engine.stop();
    for id in 1..=3 {
        let journal = home.store.journal(scope(id)).unwrap();
        let whole = Store::<Tally>::journal_at(journal.path());
        let seqs = seqs(&journal);
        assert!((1..=CHECKPOINTS_KEPT).contains(&seqs.len()), "{seqs:?}");
        assert_eq!(journal.unusable_checkpoints().unwrap(), []);
        for seq in seqs {
            assert_eq!(
                journal.read_until(seq).unwrap().scope,
                whole.read_until(seq).unwrap().scope
            );
        }
    }
}

/// A checkpoint that is no use is passed over, told once and removed; what loads is the same.
#[test]
fn each_way_in_which_a_checkpoint_can_be_no_use() {
    type Spoil = fn(&Path, &Path);
    let cases: [(&str, Spoil, &str); 12] = [
        ("a changed byte", |newest, _| flip(newest, 200), "damaged"),
        (
            "a changed checksum",
            |newest, _| {
                let length = fs::read(newest).unwrap().len();
                flip(newest, length - 3);
            },
            "damaged",
        ),
        (
            "half of it",
            |newest, _| {
                let bytes = fs::read(newest).unwrap();
                fs::write(newest, &bytes[..bytes.len() / 2]).unwrap();
            },
            "damaged",
        ),
        (
            "nothing in it",
            |newest, _| fs::write(newest, "").unwrap(),
            "damaged",
        ),
        (
            "zeros",
            |newest, _| fs::write(newest, [0; 4_096]).unwrap(),
            "damaged",
        ),
        (
            "of another session",
            |newest, foreign| {
                fs::copy(foreign, newest).unwrap();
            },
            "a checkpoint of",
        ),
        (
            "of another commit",
            |newest, _| {
                fs::rename(newest, newest.with_file_name("000000000033-v1.json")).unwrap();
            },
            "another version",
        ),
        (
            "of a future version",
            |newest, _| {
                fs::rename(newest, newest.with_file_name("000000000030-v2.json")).unwrap();
            },
            "another version",
        ),
        (
            "of a future version by its word alone",
            |newest, _| {
                resealed(newest, |text| text.replace("\"state\":1,", "\"state\":2,"));
            },
            "another version",
        ),
        (
            "of a state that this build cannot read",
            |newest, _| {
                resealed(newest, |text| text.replace("\"total\":", "\"sum\":"));
            },
            "another version",
        ),
        (
            "of a journal with other lines",
            |newest, _| {
                resealed(newest, |text| {
                    let place = text.find("\"chain\":\"").unwrap() + 9;
                    format!("{}01234567{}", &text[..place], &text[place + 8..])
                });
            },
            "the journal has changed",
        ),
        (
            "a link",
            |newest, foreign| {
                fs::remove_file(newest).unwrap();
                std::os::unix::fs::symlink(foreign, newest).unwrap();
            },
            "cannot be read",
        ),
    ];
    let home = Home::new();
    let foreign = filled(&home, scope(9), 30).checkpoints()[0].path.clone();
    for (number, (name, spoil, why)) in (10..).zip(cases) {
        let id = scope(number);
        let journal = filled(&home, id, 35);
        let newest = journal.checkpoints()[0].path.clone();
        spoil(&newest, &foreign);
        let unusable = journal.unusable_checkpoints().unwrap();
        assert_eq!(unusable.len(), 1, "{name}: {unusable:?}");
        assert!(unusable[0].to_string().contains(why), "{name}: {}", unusable[0]);
        assert_sums(&journal, 35);
        let told = |expected: &[PathBuf]| {
            let opened = home.store.open_for_writing(id, NOW).unwrap();
            let told: Vec<_> = opened.unusable.iter().map(|file| file.path.clone()).collect();
            assert_eq!(told, expected, "{name}");
            assert_eq!(opened.loaded.scope.state.total, 630, "{name}");
        };
        told(&[unusable[0].path.clone()]);
        told(&[]);
        assert_eq!(seqs(&journal), [20, 10], "{name}");
        assert!(foreign.exists(), "{name}: what a link points to is not ours");
    }
}

/// Makes a checkpoint whole again after a change.
fn resealed(path: &Path, change: impl FnOnce(&str) -> String) {
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let content = change(&format!("{}\n{}\n", lines[0], lines[1]));
    assert_ne!(content, format!("{}\n{}\n", lines[0], lines[1]));
    let sum = blake3::hash(content.as_bytes()).to_hex();
    fs::write(path, format!("{content}{sum}\n")).unwrap();
}

#[test]
fn where_no_checkpoint_can_be_written_the_journal_is_all_the_same() {
    let home = Home::new();
    let live = Live::start(&Till::default()).keep(10);
    live.create(&home.store, scope(1));
    let folder = home.store.journal(scope(1)).unwrap().folder();
    fs::write(folder.join("checkpoints"), "no folder").unwrap();
    for amount in 1..=35 {
        live.send(scope(1), add(amount)).unwrap();
        live.files.settle();
    }
    // Once there is room, there is one.
    fs::remove_file(folder.join("checkpoints")).unwrap();
    live.send(scope(1), add(36)).unwrap();
    live.files.settle();
    wait(live.engine.unmount(scope(1))).unwrap();
    live.files.close(scope(1));
    live.engine.stop();
    let journal = home.store.journal(scope(1)).unwrap();
    assert_eq!(seqs(&journal), [36]);
    assert_sums(&journal, 36);
}

#[test]
fn a_scope_that_was_never_mounted_has_none_and_its_folder_stays_as_it_is() {
    let home = Home::new();
    drop(
        home.store
            .create(Place::Sessions, scope(1), Kind::Tally, NOW)
            .unwrap(),
    );
    let journal = home.store.journal(scope(1)).unwrap();
    assert_eq!(
        (seqs(&journal), journal.unusable_checkpoints().unwrap()),
        (vec![], vec![])
    );
}

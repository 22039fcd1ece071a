//! A journal that lies in several files is one journal, whoever looks at it and wherever it was cut.

use std::path::{Path, PathBuf};

use glasswork_agent_session::store::{OpenedForWriting, StoreError, Unsynced};
use glasswork_engine::line::{self, Chain, FORMAT, Header};
use glasswork_engine::load::DamageKind;

use crate::home::{Home, Live};
use crate::tally::{Event, Kind, NOW, add, scope};

/// The files of a journal, the first one first.
fn files(home: &Home) -> Vec<PathBuf> {
    let first = home.path(scope(1));
    let mut parts: Vec<PathBuf> = std::fs::read_dir(first.with_extension(""))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.ends_with(".jsonl") && name.starts_with(|first: char| first.is_ascii_digit())
        })
        .collect();
    parts.sort_by_key(|path| {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let (epoch, first) = name.split_once('-').unwrap();
        (epoch.parse::<u64>().unwrap(), first.parse::<u64>().unwrap())
    });
    std::iter::once(first).chain(parts).collect()
}

fn names(home: &Home) -> Vec<String> {
    let all = files(home);
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    all[1..].iter().map(name).collect()
}

/// Everybody who reads it finds these commits and this sum.
fn check(home: &Home, commits: u64, total: u64) {
    let journal = home.store.journal(scope(1)).unwrap();
    let read = journal.read().unwrap();
    assert_eq!((read.scope.seq, read.scope.state.total), (commits, total));
    let replayed = journal.replay(None).unwrap();
    assert_eq!((replayed.commits, replayed.difference_count), (commits, 0));
    assert_eq!(replayed.loaded.scope, read.scope);
    let seqs: Vec<u64> = journal
        .commits(..)
        .unwrap()
        .map(|commit| commit.unwrap().id.seq)
        .collect();
    assert_eq!(seqs, (1..=commits).collect::<Vec<_>>());
    for until in [1, commits / 2, commits] {
        assert_eq!(journal.read_until(until).unwrap().scope.seq, until);
    }
    let listed = home.store.list().next().unwrap().summary.unwrap();
    let bytes: u64 = files(home)
        .iter()
        .map(|path| path.metadata().unwrap().len())
        .sum();
    assert_eq!((listed.seq, listed.bytes), (commits, bytes));
}

#[test]
fn a_journal_goes_on_in_another_file_when_one_is_long_enough() {
    let home = Home::new();
    let live = Live::in_parts(1_000);
    live.create(&home.store, scope(1));
    let mut total = 0;
    for number in 1..=40 {
        // Some are waited for until they are on the disk, in the middle of a part and at its beginning.
        let event = if number % 3 == 0 {
            Event::Pledge { amount: number }
        } else {
            add(number)
        };
        live.send(scope(1), event).unwrap();
        total += number;
        // Beside the writer.
        let seen = home.store.journal(scope(1)).unwrap().read_until(number).unwrap();
        assert_eq!((seen.scope.seq, seen.scope.state.total), (number, total));
    }
    live.engine.stop();
    let parts = names(&home);
    assert!(parts.len() > 4, "{parts:?}");
    assert!(parts.iter().all(|name| name.starts_with("1-")));
    check(&home, 40, total);
    let live = Live::in_parts(1_000);
    live.open(&home.store, scope(1));
    for number in 41..=60 {
        live.send(scope(1), add(number)).unwrap();
    }
    live.engine.stop();
    check(&home, 60, (1..=60).sum());
    assert!(
        names(&home).last().unwrap().starts_with("2-"),
        "{:?}",
        names(&home)
    );
}

#[test]
fn what_is_wrong_in_a_later_file_is_named_with_that_file() {
    let home = Home::new();
    let live = Live::in_parts(1_000);
    live.create(&home.store, scope(1));
    for number in 1..=30 {
        live.send(scope(1), add(number)).unwrap();
    }
    live.engine.stop();
    let all = files(&home);
    assert!(all.len() > 4);
    let first_of = |path: &Path| -> u64 {
        let name = path.file_stem().unwrap().to_str().unwrap();
        name.split_once('-').unwrap().1.parse().unwrap()
    };
    let said = || match home.store.journal(scope(1)).unwrap().read().unwrap_err() {
        StoreError::Damaged {
            path, damage, intact, ..
        } => (path, damage.line, damage.kind, intact),
        other => panic!("{other}"),
    };
    let broken = |kind: &DamageKind| matches!(kind, DamageKind::Line(line::LineError::BrokenChain));
    // A byte of the first line of a part, of its second, and of the last line of the part before.
    let second = std::fs::read(&all[2]).unwrap();
    let flip = |place: usize| {
        let mut bytes = second.clone();
        bytes[place] ^= 1;
        std::fs::write(&all[2], bytes).unwrap();
    };
    let newline = second.iter().position(|byte| *byte == b'\n').unwrap();
    for (place, line, before) in [(10, 1, 1), (newline + 10, 2, 0)] {
        flip(place);
        let (path, found, kind, intact) = said();
        assert!(broken(&kind), "{kind}");
        assert_eq!(
            (path, found, intact),
            (all[2].clone(), line, first_of(&all[2]) - before)
        );
        assert!(home.store.open_for_writing(scope(1), NOW).is_err());
    }
    std::fs::write(&all[2], &second).unwrap();
    // A whole part is gone, and then a part is not whole.
    let aside = all[2].with_extension("aside");
    std::fs::rename(&all[2], &aside).unwrap();
    let (path, found, kind, intact) = said();
    let (expected, next) = (first_of(&all[2]), first_of(&all[3]));
    assert_eq!(
        kind,
        DamageKind::OutOfOrder {
            expected,
            found: next
        }
    );
    assert_eq!((path, found, intact), (all[3].clone(), 1, expected - 1));
    std::fs::rename(&aside, &all[2]).unwrap();
    std::fs::write(&all[2], &second[..second.len() - 5]).unwrap();
    let (path, _, kind, intact) = said();
    assert_eq!(
        kind,
        DamageKind::OutOfOrder {
            expected: next - 1,
            found: next
        }
    );
    assert_eq!((path, intact), (all[3].clone(), next - 2));
    std::fs::write(&all[2], &second).unwrap();
    check(&home, 30, (1..=30).sum());
}

/// A journal of six commits, and the lines of it from the fourth commit on.
fn journal() -> (Home, Vec<u8>, usize, Unsynced) {
    let home = Home::new();
    let path = home.journal(scope(1), (1..=6).map(add));
    let whole = std::fs::read(path).unwrap();
    let at = whole
        .split_inclusive(|byte| *byte == b'\n')
        .take(4)
        .map(<[u8]>::len)
        .sum();
    let unsynced = Unsynced {
        epoch: 1,
        first: 4,
        lines: whole[at..].to_vec(),
    };
    (home, whole, at, unsynced)
}

/// Whatever the disk has of lines that it did not confirm, they are written anew, and what is there is not touched.
#[test]
fn lines_that_the_disk_did_not_confirm_are_written_anew_to_a_file_of_their_own() {
    type Lose = fn(&mut Vec<u8>, usize);
    let lost: [(&str, Lose); 6] = [
        ("nothing", |_, _| {}),
        ("all", |bytes, at| bytes.truncate(at)),
        ("half", |bytes, at| bytes.truncate(at + 200)),
        ("zeros", |bytes, at| bytes[at..].fill(0)),
        ("a hole", |bytes, at| bytes[at + 10..at + 50].fill(0)),
        ("a hole, then lines", |bytes, at| {
            let end = bytes.iter().skip(at).position(|byte| *byte == b'\n').unwrap();
            bytes[at..at + end].fill(0);
        }),
    ];
    for (name, lose) in lost {
        let (home, whole, at, unsynced) = journal();
        let path = home.path(scope(1));
        let mut left = whole.clone();
        lose(&mut left, at);
        std::fs::write(&path, &left).unwrap();
        let opened = home
            .store
            .open_again(scope(1), NOW, Some(unsynced.clone()))
            .unwrap();
        let OpenedForWriting {
            loaded, lease, torn, ..
        } = opened;
        assert_eq!(
            (loaded.scope.seq, loaded.scope.epoch, torn),
            (6, 2, None),
            "{name}"
        );
        drop(lease);
        assert_eq!(std::fs::read(&path).unwrap(), left, "{name}");
        assert_eq!(names(&home), ["2-4.jsonl"], "{name}");
        check(&home, 6, 21);
        let live = Live::start(&Default::default());
        live.open(&home.store, scope(1));
        live.send(scope(1), add(7)).unwrap();
        live.engine.stop();
        assert_eq!(names(&home), ["2-4.jsonl"], "{name}");
        check(&home, 7, 28);
    }
}

#[test]
fn where_all_was_synced_before_writing_failed_nothing_is_written_anew() {
    let (home, whole, ..) = journal();
    let unsynced = Unsynced {
        epoch: 1,
        first: 7,
        lines: Vec::new(),
    };
    let opened = home.store.open_again(scope(1), NOW, Some(unsynced)).unwrap();
    assert_eq!((opened.loaded.scope.seq, opened.loaded.scope.epoch), (6, 2));
    drop(opened);
    assert_eq!(names(&home), [] as [&str; 0]);
    assert!(std::fs::read(home.path(scope(1))).unwrap().starts_with(&whole));
    check(&home, 6, 21);
}

#[test]
fn a_checkpoint_of_lines_that_were_written_anew_is_no_use() {
    let home = Home::new();
    let live = Live::start(&Default::default()).keep(5);
    live.create(&home.store, scope(1));
    for amount in 1..=6 {
        live.send(scope(1), add(amount)).unwrap();
        live.files.settle();
    }
    live.engine.stop();
    let stored = home.store.journal(scope(1)).unwrap();
    assert_eq!(stored.checkpoints()[0].seq, 5);
    let (_, _, _, unsynced) = journal();
    drop(home.store.open_again(scope(1), NOW, Some(unsynced)).unwrap());
    assert_eq!(names(&home), ["2-4.jsonl"]);
    check(&home, 6, 21);
    let unusable = stored.unusable_checkpoints().unwrap();
    assert!(unusable.len() == stored.checkpoints().len(), "{unusable:?}");
}

/// Its owner goes on in other files meanwhile.
#[test]
fn who_reads_a_journal_that_is_being_written_comes_to_all_of_it() {
    let home = Home::new();
    let live = Live::in_parts(600);
    live.create(&home.store, scope(1));
    for amount in 1..=2 {
        live.send(scope(1), add(amount)).unwrap();
    }
    let journal = home.store.journal(scope(1)).unwrap();
    let mut commits = journal.commits(..).unwrap().map(|commit| commit.unwrap().id.seq);
    let mut seen = vec![commits.next().unwrap()];
    let before = names(&home).len();
    for amount in 3..=20 {
        live.send(scope(1), add(amount)).unwrap();
    }
    assert!(names(&home).len() > before + 2);
    seen.extend(commits);
    assert_eq!(seen, (1..=20).collect::<Vec<_>>());
    live.engine.stop();
}

#[test]
fn openings_in_which_nothing_happened_may_stand_before_another_file() {
    let home = Home::new();
    home.journal(scope(1), (1..=3).map(add));
    for _ in 0..2 {
        drop(home.store.open_for_writing(scope(1), NOW).unwrap());
    }
    let live = Live::in_parts(1);
    live.open(&home.store, scope(1));
    live.send(scope(1), add(4)).unwrap();
    live.engine.stop();
    assert_eq!(names(&home), ["4-4.jsonl"]);
    check(&home, 4, 10);
}

#[test]
fn lines_are_not_written_anew_where_another_process_has_gone_on_since() {
    let (home, _, at, unsynced) = journal();
    let path = home.path(scope(1));
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(at as u64).unwrap();
    drop(home.store.open_for_writing(scope(1), NOW).unwrap());
    let opened = home.store.open_again(scope(1), NOW, Some(unsynced)).unwrap();
    assert_eq!((opened.loaded.scope.seq, opened.loaded.scope.epoch), (3, 3));
    assert_eq!(names(&home), [] as [&str; 0]);
}

#[test]
fn a_journal_of_an_older_schema_goes_on_in_a_file_of_the_newer_one() {
    let home = Home::new();
    let path = home.journal(scope(1), [add(1), add(2)]);
    // As a build of schema 2 would have written it, which had other words.
    let text = std::fs::read_to_string(&path).unwrap();
    let (mut old, mut chain) = (Vec::new(), Chain::default());
    for (number, line) in text.lines().enumerate() {
        let (line, next) = match number {
            0 => {
                let header = Header {
                    glasswork: FORMAT,
                    schema: 2,
                    scope: scope(1),
                    kind: Kind::Tally,
                    created: NOW,
                    lineage: Vec::new(),
                };
                line::encode_header(&header)
            }
            _ => {
                let line = line
                    .replace("\"add\"", "\"plus\"")
                    .replace("\"added\"", "\"sum\"");
                assert!(line.contains("plus") && line.contains("sum"));
                line::reseal(line.as_bytes(), chain)
            }
        }
        .unwrap();
        chain = next;
        old.extend([line, b"\n".to_vec()].concat());
    }
    std::fs::write(&path, &old).unwrap();
    assert_eq!(
        home.store
            .journal(scope(1))
            .unwrap()
            .read()
            .unwrap()
            .scope
            .state
            .total,
        3
    );
    let live = Live::start(&Default::default()).keep(1);
    live.open(&home.store, scope(1));
    live.send(scope(1), add(3)).unwrap();
    live.files.settle();
    live.engine.stop();
    let checkpoint = home.store.journal(scope(1)).unwrap().checkpoints().remove(0);
    let label = std::fs::read_to_string(&checkpoint.path).unwrap();
    assert!(
        label.contains("\"schema\":3"),
        "what comes behind it is of this schema: {label}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), old, "nothing is rewritten");
    assert_eq!(names(&home), ["2-3.jsonl"]);
    let begun = std::fs::read_to_string(&files(&home)[1]).unwrap();
    assert!(
        begun.starts_with("{\"opened\":{\"epoch\":2,\"at\":") && begun.contains("\"schema\":3}"),
        "{begun}"
    );
    check(&home, 3, 6);
    // The next opening is one of this schema, and needs no file of its own.
    drop(home.store.open_for_writing(scope(1), NOW).unwrap());
    assert_eq!(names(&home), ["2-3.jsonl"]);
}

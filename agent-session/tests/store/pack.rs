//! A packed journal is the same journal, smaller.

use std::fs;
use std::path::PathBuf;

use glasswork_agent_session::store::{Packed, StoreError};

use crate::home::{Home, Live};
use crate::tally::{NOW, add, scope};

/// A home with a journal of thirty commits in several files.
fn home() -> (Home, PathBuf) {
    let home = Home::new();
    let live = Live::in_parts(2_000);
    live.create(&home.store, scope(1));
    for number in 1..=30 {
        live.send(scope(1), add(number)).unwrap();
    }
    live.engine.stop();
    let path = home.path(scope(1));
    (home, path)
}

fn parts(path: &std::path::Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path.with_extension("")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|found| found == "jsonl"))
        .collect()
}

fn check(home: &Home, commits: u64) {
    let journal = home.store.journal(scope(1)).unwrap();
    let read = journal.read().unwrap().scope;
    assert_eq!(
        (read.seq, read.state.total),
        (commits, commits * (commits + 1) / 2)
    );
    let replayed = journal.replay(None).unwrap();
    assert_eq!((replayed.difference_count, &replayed.loaded.scope), (0, &read));
    assert_eq!(
        journal.commits(..).unwrap().filter(Result::is_ok).count() as u64,
        commits
    );
    assert_eq!(journal.read_until(7).unwrap().scope.state.total, 28);
    let listed = home.store.list().next().unwrap().summary.unwrap();
    assert_eq!(listed.seq, commits);
}

#[test]
fn what_is_packed_reads_the_same_and_opening_it_unpacks_it() {
    let (home, path) = home();
    let before: u64 = parts(&path)
        .iter()
        .chain([&path])
        .map(|path| path.metadata().unwrap().len())
        .sum();
    let left = parts(&path);
    assert!(left.len() > 1);
    let copies: Vec<Vec<u8>> = left.iter().map(|path| fs::read(path).unwrap()).collect();
    let done = home.store.pack(scope(1), NOW).unwrap();
    let after = path.metadata().unwrap().len();
    assert_eq!(done, Packed::Now { before, after });
    assert!(after * 2 < before, "{before} became {after}");
    assert_eq!(parts(&path), [] as [PathBuf; 0]);
    check(&home, 30);
    assert_eq!(home.store.pack(scope(1), NOW).unwrap(), Packed::Already);
    // As if packing had been cut off before it removed the other files.
    for (path, copy) in left.iter().zip(&copies) {
        fs::write(path, copy).unwrap();
    }
    check(&home, 30);
    let live = Live::start(&Default::default());
    live.open(&home.store, scope(1));
    live.send(scope(1), add(31)).unwrap();
    assert!(matches!(
        home.store.pack(scope(1), NOW),
        Err(StoreError::Owned { .. })
    ));
    live.engine.stop();
    assert!(fs::read(&path).unwrap().starts_with(b"{\"header\""));
    check(&home, 31);
    let read = home.store.journal(scope(1)).unwrap().read().unwrap();
    assert_eq!(read.scope.epoch, 2);
    assert!(matches!(
        home.store.pack(scope(1), NOW).unwrap(),
        Packed::Now { .. }
    ));
    check(&home, 31);
}

#[test]
fn what_is_not_at_rest_or_not_sound_is_not_packed() {
    let (home, path) = home();
    let last = parts(&path).pop().unwrap();
    let whole = fs::read(&last).unwrap();
    let torn = [&whole[..], b"{\"seq\":31,"].concat();
    fs::write(&last, &torn).unwrap();
    assert_eq!(home.store.pack(scope(1), NOW).unwrap(), Packed::NotAtRest);
    assert_eq!(fs::read(&last).unwrap(), torn);
    let mut flipped = whole.clone();
    flipped[30] ^= 1;
    fs::write(&last, &flipped).unwrap();
    let first = fs::read(&path).unwrap();
    assert!(matches!(
        home.store.pack(scope(1), NOW),
        Err(StoreError::Damaged { .. })
    ));
    assert_eq!(
        (fs::read(&last).unwrap(), fs::read(&path).unwrap()),
        (flipped, first)
    );
    // A byte of a packed one is damage like any other, and nothing is made of it.
    fs::write(&last, &whole).unwrap();
    home.store.pack(scope(1), NOW).unwrap();
    let mut packed = fs::read(&path).unwrap();
    let middle = packed.len() / 2;
    packed[middle] ^= 0xff;
    fs::write(&path, &packed).unwrap();
    assert!(home.store.journal(scope(1)).unwrap().read().is_err());
    assert!(home.store.open_for_writing(scope(1), NOW).is_err());
    assert_eq!(fs::read(&path).unwrap(), packed);
}

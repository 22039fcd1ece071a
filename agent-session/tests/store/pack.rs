//! A packed journal is the same journal, smaller.

use std::fs;
use std::path::PathBuf;

use glasswork_agent_session::store::{Packed, StoreError};

use crate::home::{Home, Live};
use crate::tally::{Event, NOW, add, scope};

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
    // And whatever has become of those.
    for path in &left {
        fs::write(path, b"no line of a journal\n").unwrap();
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
    assert!(
        parts(&path).iter().all(|part| !left.contains(part)),
        "what was packed counts no more"
    );
    check(&home, 31);
    let read = home.store.journal(scope(1)).unwrap().read().unwrap();
    assert_eq!(read.scope.epoch, 2);
    assert!(matches!(
        home.store.pack(scope(1), NOW).unwrap(),
        Packed::Now { .. }
    ));
    check(&home, 31);
}

/// A journal that is longer than what is written at once.
fn long() -> Home {
    let home = Home::new();
    let note = "n".repeat(100_000);
    let event = |amount| Event::Add {
        amount,
        note: note.clone(),
    };
    home.journal(scope(1), (1..=30).map(event));
    home
}

/// Takes so many bytes, fails once, and takes everything from then on.
struct Hiccup {
    room: usize,
    failed: bool,
}

impl std::io::Write for Hiccup {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if !self.failed && bytes.len() > self.room {
            self.failed = true;
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        self.room = self.room.saturating_sub(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_long_one_is_packed_whole_or_not_at_all() {
    let home = long();
    let journal = home.store.journal(scope(1)).unwrap();
    for room in [0, 400_000, 2_000_000] {
        let failed = journal.archive(&mut Hiccup { room, failed: false });
        assert!(matches!(failed, Err(StoreError::Io { .. })), "{room}: {failed:?}");
    }
    assert!(matches!(
        home.store.pack(scope(1), NOW).unwrap(),
        Packed::Now { .. }
    ));
    check(&home, 30);
    // And where a line of it is not what was written, nothing that is of use comes out.
    let home = long();
    let path = home.path(scope(1));
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let archived = home.store.journal(scope(1)).unwrap().archive(&mut Vec::new());
    assert!(
        matches!(archived, Err(StoreError::Damaged { .. })),
        "{archived:?}"
    );
}

#[test]
fn checkpoints_of_what_is_packed_go() {
    let home = Home::new();
    let live = Live::start(&Default::default()).keep(10);
    live.create(&home.store, scope(1));
    for number in 1..=30 {
        live.send(scope(1), add(number)).unwrap();
    }
    live.files.settle();
    live.engine.stop();
    let journal = home.store.journal(scope(1)).unwrap();
    assert!(!journal.checkpoints().is_empty());
    home.store.pack(scope(1), NOW).unwrap();
    assert_eq!(journal.checkpoints(), []);
    check(&home, 30);
}

#[test]
fn what_is_under_way_is_not_packed() {
    let home = Home::new();
    let pay = Event::Pay { note: String::new() };
    let path = home.journal(scope(1), [add(1), pay]);
    let text = fs::read_to_string(&path).unwrap();
    // As it was before the payment's result came.
    let kept: Vec<&str> = text.lines().take(3).collect();
    fs::write(&path, kept.join("\n") + "\n").unwrap();
    let journal = home.store.journal(scope(1)).unwrap();
    assert_eq!(journal.read().unwrap().scope.open.len(), 1);
    assert_eq!(home.store.pack(scope(1), NOW).unwrap(), Packed::NotAtRest);
    assert!(fs::read(&path).unwrap().starts_with(b"{\"header\""));
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

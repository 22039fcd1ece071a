//! Making, writing, reading, opening again.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::Ordering;

use glasswork_agent_session::store::{FileJournal, Place, Store, StoreError};
use glasswork_engine::{Commit, DispatchId, Refusal};

use crate::home::{Home, Live, tree};
use crate::second::{Second, Start, plays, say};
use crate::tally::{Event, Kind, NOW, Tally, Till, add, engine, scope, send, user, wait};

#[test]
fn what_was_written_is_read_back_in_whole_in_part_and_replayed() {
    let home = Home::new();
    let till = Till::default();
    let live = Live::start(&till);
    live.create(&home.store, scope(1));
    for amount in 1..=5 {
        live.send(scope(1), add(amount)).unwrap();
    }
    live.send(scope(1), Event::Pay { note: String::new() }).unwrap();
    live.send(scope(1), Event::Pledge { amount: 100 }).unwrap();
    let last = live.engine.reader().scope(scope(1)).unwrap();
    live.engine.stop();
    assert_eq!(till.0.load(Ordering::SeqCst), 1);
    // The payment's result may have come before or after the pledge.
    assert_eq!((last.state.total, last.state.entries), (115, 6));

    let named = home.store.journal(scope(1)).unwrap();
    for journal in [&named, &Store::<Tally>::journal_at(named.path())] {
        let read = journal.read().unwrap();
        assert_eq!(
            (read.scope.seq, read.scope.epoch, read.breach.clone()),
            (8, 1, None)
        );
        assert_eq!(read.scope.state.total, 115);
        assert_eq!(read.scope.state.paying, None);
        let replayed = journal.replay(None).unwrap();
        assert_eq!((replayed.commits, replayed.differences), (8, vec![]));
        assert_eq!(*replayed.loaded.scope, *read.scope);
        for seq in 0..=8 {
            let until = journal.read_until(seq).unwrap();
            assert_eq!(until.scope.seq, seq);
            assert_eq!(*journal.replay(Some(seq)).unwrap().loaded.scope, *until.scope);
            let commits: Vec<_> = journal
                .commits(seq..)
                .unwrap()
                .map(|commit| commit.unwrap().id)
                .collect();
            let expected: Vec<_> = (seq.max(1)..=8)
                .map(|seq| DispatchId::commit(scope(1), seq))
                .collect();
            assert_eq!(commits, expected);
        }
        let third: Vec<Commit<Tally>> = journal.commits(3..=3).unwrap().map(Result::unwrap).collect();
        assert_eq!(third.len(), 1);
        assert_eq!(third[0].event, add(3));
        assert!(matches!(
            journal.read_until(9).unwrap_err(),
            StoreError::NoSuchCommit { asked: 9, last: 8 }
        ));
        assert!(matches!(
            journal.replay(Some(9)).unwrap_err(),
            StoreError::NoSuchCommit { asked: 9, last: 8 }
        ));
    }
}

#[test]
fn each_opening_is_a_new_epoch_in_the_same_chain() {
    let home = Home::new();
    home.journal(scope(1), [add(1)]);
    for epoch in 2..=4 {
        let live = Live::start(&Till::default());
        live.open(&home.store, scope(1));
        assert_eq!(live.engine.reader().scope(scope(1)).unwrap().epoch, epoch);
        live.send(scope(1), add(1)).unwrap();
        live.engine.stop();
        let read = home.store.journal(scope(1)).unwrap().read().unwrap().scope;
        assert_eq!(
            (read.epoch, read.seq, read.state.total),
            (epoch, u64::from(epoch), u64::from(epoch))
        );
    }
    let replayed = home.store.journal(scope(1)).unwrap().replay(None).unwrap();
    assert_eq!((replayed.commits, replayed.difference_count), (4, 0));
}

#[test]
fn a_reader_beside_the_writer_leaves_an_unfinished_line_out() {
    let home = Home::new();
    let live = Live::start(&Till::default());
    live.create(&home.store, scope(1));
    live.send(scope(1), add(1)).unwrap();
    let journal = home.store.journal(scope(1)).unwrap();
    let mut file = OpenOptions::new().append(true).open(journal.path()).unwrap();
    file.write_all(br#"{"seq":2,"at":17"#).unwrap();
    let before = std::fs::read(journal.path()).unwrap();
    assert_eq!(journal.read().unwrap().scope.seq, 1);
    assert_eq!(journal.replay(None).unwrap().commits, 1);
    assert_eq!(journal.commits(..).unwrap().count(), 1);
    assert_eq!(
        std::fs::read(journal.path()).unwrap(),
        before,
        "a reader repairs nothing"
    );
}

#[test]
fn a_scope_that_is_unmounted_can_be_opened_again_at_once_and_the_others_go_on() {
    let home = Home::new();
    let live = Live::start(&Till::default());
    for number in 1..=20 {
        live.create(&home.store, scope(number));
    }
    for round in 1..=10 {
        let tickets: Vec<_> = (1..=20)
            .map(|number| live.handle.submit(scope(number), add(round)).unwrap())
            .collect();
        for ticket in tickets {
            ticket.answer_blocking().unwrap();
        }
        let gone = scope(round.into());
        wait(live.engine.unmount(gone)).unwrap();
        live.files.close(gone);
        live.open(&home.store, gone);
    }
    live.engine.stop();
    live.files.close(scope(1));
    for number in 1..=20 {
        let read = home
            .store
            .open_for_writing(scope(number), NOW)
            .unwrap()
            .loaded
            .scope;
        assert_eq!((read.seq, read.state.total), (10, 55));
    }
}

#[test]
fn a_scope_whose_file_was_not_attached_fails_instead_of_waiting_for_ever() {
    let home = Home::new();
    let live = Live::start(&Till::default());
    let created = home
        .store
        .create(Place::Host, scope(1), Kind::Tally, NOW)
        .unwrap();
    wait(live.engine.mount(created.loaded)).unwrap();
    let refused = live.send(scope(1), add(1)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the journal cannot be written: its journal was not given to the writer; close it and open it again"
    );
}

#[test]
fn a_file_may_be_attached_before_the_engine_starts_and_not_after_it_has_stopped() {
    let home = Home::new();
    let (journal, files) = FileJournal::spawn().unwrap();
    let created = home
        .store
        .create(Place::Host, scope(1), Kind::Tally, NOW)
        .unwrap();
    files.attach(created.lease).unwrap();
    let engine = engine(journal, Box::new(()), &Till::default(), false);
    wait(engine.mount(created.loaded)).unwrap();
    send(&user(&engine), scope(1), add(1)).unwrap();
    engine.stop();
    let opened = home.store.open_for_writing(scope(1), NOW).unwrap();
    assert_eq!(opened.loaded.scope.seq, 1);
    files.attach(opened.lease).unwrap_err();
    home.store
        .open_for_writing(scope(1), NOW)
        .expect("the lease has ended");
    assert!(matches!(
        send(&user(&engine), scope(1), add(1)).unwrap_err(),
        Refusal::Stopped
    ));
}

#[test]
fn an_id_is_made_once() {
    let home = Home::new();
    home.journal(scope(1), []);
    let again = home.store.create(Place::Sessions, scope(1), Kind::Tally, NOW);
    assert!(matches!(again.unwrap_err(), StoreError::Exists(id) if id == scope(1)));
    assert_eq!(home.store.journal(scope(1)).unwrap().read().unwrap().scope.seq, 0);
}

fn umask_part(data: &Path) {
    for (number, mask) in [(1, 0o000), (2, 0o777), (3, 0o022)] {
        let data = data.join(number.to_string());
        rustix::process::umask(rustix::fs::Mode::from_bits_truncate(mask));
        let home = Home {
            directory: tempfile::tempdir().unwrap(),
            store: Store::open(&data).unwrap(),
        };
        home.journal(scope(1), [add(1)]);
        let path = home.path(scope(1));
        let mut file = OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(b"torn").unwrap();
        let live = Live::start(&Till::default());
        live.open(&home.store, scope(1));
        say(tree(&data).join("\n\u{1}says:"));
    }
}

#[test]
fn everything_is_its_owners_alone_whatever_the_umask() {
    if plays("umask", umask_part) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let said = Second::start(
        "run::everything_is_its_owners_alone_whatever_the_umask",
        "umask",
        directory.path(),
        &Start::Plainly,
    );
    let said = said.end();
    let name = format!("20261121T044511Z-{}", scope(1));
    let expected = [
        "700 sessions".to_owned(),
        "700 sessions/2026".to_owned(),
        "700 sessions/2026/11".to_owned(),
        format!("700 sessions/2026/11/{name}"),
        format!("600 sessions/2026/11/{name}.jsonl"),
        format!("600 sessions/2026/11/{name}/owner.json"),
        format!("600 sessions/2026/11/{name}/torn-20261121T044511Z.bin"),
    ];
    let mut sorted = expected.to_vec();
    sorted.sort_by(|one, other| one[4..].cmp(&other[4..]));
    assert_eq!(said, [sorted.clone(), sorted.clone(), sorted].concat());
}

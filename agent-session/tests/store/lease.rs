//! One owner per scope.

use std::path::{Path, PathBuf};

use glasswork_agent_session::store::{Owner, Store, StoreError};

use crate::home::Home;
use crate::second::{Second, Start, go_on, plays, say};
use crate::tally::{NOW, Tally, add, scope};

const TEST: &str = "lease::a_second_process_never_becomes_a_second_owner";

fn owner_part(data: &Path) {
    let store = Store::<Tally>::open(data)
        .unwrap()
        .announcing(PathBuf::from("/run/a.sock"));
    let opened = store.open_for_writing(scope(1), NOW).unwrap();
    say(std::process::id());
    go_on();
    drop(opened);
    say("closed");
    go_on();
}

#[test]
fn a_second_process_never_becomes_a_second_owner() {
    if plays("owner", owner_part) {
        return;
    }
    let home = Home::new();
    let journal = home.journal(scope(1), [add(1)]);
    let mut second = Second::start(TEST, "owner", home.store.data(), &Start::Plainly);
    let pid = second.hear().unwrap().parse().unwrap();
    let before = std::fs::read(&journal).unwrap();
    match home.store.open_for_writing(scope(1), NOW).unwrap_err() {
        StoreError::Owned { scope: id, owner } => {
            let owner = owner.unwrap();
            let expected = Owner {
                pid,
                since: NOW,
                socket: Some("/run/a.sock".into()),
            };
            assert_eq!((id, owner), (scope(1), expected));
        }
        other => panic!("{other}"),
    }
    assert_eq!(std::fs::read(&journal).unwrap(), before);
    assert_eq!(
        home.store.journal(scope(1)).unwrap().read().unwrap().scope.epoch,
        2
    );
    second.let_go_on();
    assert_eq!(second.hear().as_deref(), Some("closed"));
    let opened = home.store.open_for_writing(scope(1), NOW).unwrap();
    assert_eq!(opened.loaded.scope.epoch, 3);
    second.end();
}

#[test]
fn a_killed_owner_leaves_a_note_but_no_lock() {
    if plays("killed owner", owner_part) {
        return;
    }
    let home = Home::new();
    let journal = home.journal(scope(1), [add(1)]);
    let test = "lease::a_killed_owner_leaves_a_note_but_no_lock";
    let mut second = Second::start(test, "killed owner", home.store.data(), &Start::Plainly);
    second.hear().unwrap();
    second.kill();
    assert!(journal.with_extension("").join("owner.json").exists());
    assert_eq!(
        home.store
            .open_for_writing(scope(1), NOW)
            .unwrap()
            .loaded
            .scope
            .epoch,
        3
    );
    assert!(
        !journal.with_extension("").join("owner.json").exists(),
        "given back, note and all"
    );
}

#[test]
fn one_process_is_not_a_second_owner_of_its_own_scope_either() {
    let home = Home::new();
    home.journal(scope(1), []);
    let opened = home.store.open_for_writing(scope(1), NOW).unwrap();
    let refused = home.store.open_for_writing(scope(1), NOW).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "{} is open elsewhere, in process {} since 20261121T044511Z; attach to its owner or wait until it is \
             closed there, reading works meanwhile",
            scope(1),
            std::process::id()
        )
    );
    drop(opened);
    home.store.open_for_writing(scope(1), NOW).unwrap();
}

//! Digests beside a journal: a state that loads otherwise than it was is told, and nothing else is.

use std::fs;
use std::path::PathBuf;

use glasswork_agent_session::store::Packed;
use glasswork_engine::ScopeId;

use crate::home::{Home, Live};
use crate::tally::{Event, NOW, Till, add, scope};

/// A session with a digest after each commit; every tenth, if so, is a checkpoint.
fn filled(home: &Home, id: ScopeId, commits: u64, pace: u64) -> PathBuf {
    let live = Live::start(&Till::default()).keep(pace);
    live.create(&home.store, id);
    for amount in 1..=commits {
        live.send(id, add(amount)).unwrap();
        live.files.settle();
    }
    live.engine.stop();
    home.store.journal(id).unwrap().folder().join("digests.jsonl")
}

fn unsound(home: &Home, id: ScopeId) -> Option<String> {
    let loaded = home.store.journal(id).unwrap().read().unwrap();
    loaded.scope.unsound.as_deref().map(str::to_owned)
}

/// Changes the line of a commit.
fn change(digests: &PathBuf, commit: u64, change: impl Fn(&str) -> String) {
    let text = fs::read_to_string(digests).unwrap();
    let begins = format!("{{\"seq\":{commit},");
    let lines = text.lines().map(|line| match line.starts_with(&begins) {
        true => change(line),
        false => line.to_owned(),
    });
    let changed = lines.collect::<Vec<_>>().join("\n") + "\n";
    assert_ne!(changed, text, "{begins}");
    fs::write(digests, changed).unwrap();
}

/// As if the state had been another one when it was noted.
fn otherwise(line: &str) -> String {
    let place = line.find("\"state\":\"").unwrap() + 9;
    let digit = if line[place..].starts_with('0') { "1" } else { "0" };
    format!("{}{digit}{}", &line[..place], &line[place + 1..])
}

#[test]
fn a_state_that_is_not_what_it_was_is_told_with_commit_and_entity_and_can_be_read_and_opened() {
    let home = Home::new();
    let digests = filled(&home, scope(1), 5, 100);
    assert_eq!(fs::read_to_string(&digests).unwrap().lines().count(), 5);
    assert_eq!(unsound(&home, scope(1)), None);
    change(&digests, 5, otherwise);
    let told = "state, as of commit 5, is not what it was";
    assert!(unsound(&home, scope(1)).unwrap().starts_with(told));
    let live = Live::start(&Till::default()).keep(100);
    live.open(&home.store, scope(1));
    live.send(scope(1), add(6)).unwrap();
    let mounted = live.engine.reader().scope(scope(1)).unwrap();
    assert!(
        mounted.unsound.as_deref().unwrap().starts_with(told),
        "it stays marked"
    );
    assert_eq!(mounted.state.total, 21);
    live.engine.stop();
}

#[test]
fn only_what_a_checkpoint_does_not_have_is_compared() {
    let home = Home::new();
    let digests = filled(&home, scope(1), 25, 10);
    for (commit, told) in [(15, false), (25, true)] {
        change(&digests, commit, otherwise);
        assert_eq!(unsound(&home, scope(1)).is_some(), told, "{commit}");
    }
}

#[test]
fn what_must_not_be_compared_is_not() {
    let home = Home::new();
    // Of another version of the state.
    let digests = filled(&home, scope(1), 5, 100);
    change(&digests, 5, |line| {
        otherwise(&line.replace("\"state\":1,", "\"state\":2,"))
    });
    assert_eq!(unsound(&home, scope(1)), None);
    // Torn.
    let digests = filled(&home, scope(2), 5, 100);
    let text = fs::read_to_string(&digests).unwrap();
    fs::write(&digests, &text[..text.len() - 20]).unwrap();
    assert_eq!(unsound(&home, scope(2)), None);
    // Behind a hole: what an entity became in it is not known.
    let digests = filled(&home, scope(3), 5, 100);
    change(&digests, 4, otherwise);
    let text = fs::read_to_string(&digests).unwrap();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("{\"seq\":5"))
        .collect();
    fs::write(&digests, lines.join("\n") + "\n").unwrap();
    assert!(
        unsound(&home, scope(3)).is_some(),
        "the last is compared as of its commit"
    );
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("{\"seq\":4"))
        .collect();
    fs::write(&digests, lines.join("\n") + "\n").unwrap();
    assert_eq!(unsound(&home, scope(3)), None);
}

/// What was noted of commits that never came to the disk says nothing of those that took their numbers.
#[test]
fn digests_of_commits_that_the_disk_lost_are_not_compared() {
    let home = Home::new();
    filled(&home, scope(1), 8, 100);
    let path = home.path(scope(1));
    let text = fs::read_to_string(&path).unwrap();
    let kept: Vec<&str> = text.lines().take(6).collect();
    fs::write(&path, kept.join("\n") + "\n").unwrap();
    assert_eq!(unsound(&home, scope(1)), None, "they lie ahead");
    let live = Live::start(&Till::default());
    live.open(&home.store, scope(1));
    for amount in 100..104 {
        live.send(scope(1), add(amount)).unwrap();
    }
    live.engine.stop();
    let loaded = home.store.journal(scope(1)).unwrap().read().unwrap();
    assert_eq!((loaded.scope.seq, &loaded.scope.unsound), (9, &None));
    // Noted again from here on.
    let live = Live::start(&Till::default()).keep(100);
    live.open(&home.store, scope(1));
    live.send(scope(1), Event::Pledge { amount: 1 }).unwrap();
    live.engine.stop();
    assert_eq!(unsound(&home, scope(1)), None);
    assert_eq!(
        home.store
            .open_for_writing(scope(1), NOW)
            .unwrap()
            .loaded
            .scope
            .unsound,
        None
    );
}

/// Whoever puts an older copy of a journal back goes on with other commits under the same numbers, in an opening of the
/// same number.
#[test]
fn what_was_noted_of_another_history_is_not_compared_is_told_once_and_goes() {
    let home = Home::new();
    let digests = filled(&home, scope(1), 4, 100);
    let path = home.path(scope(1));
    let copy = fs::read(&path).unwrap();
    let go_on = |amounts: std::ops::Range<u64>, noted: bool| {
        let live = Live::start(&Till::default());
        let live = if noted { live.keep(100) } else { live };
        live.open(&home.store, scope(1));
        for amount in amounts {
            live.send(scope(1), add(amount)).unwrap();
            live.files.settle();
        }
        live.engine.stop();
    };
    go_on(5..8, true);
    assert_eq!(fs::read_to_string(&digests).unwrap().lines().count(), 7);
    fs::write(&path, &copy).unwrap();
    // They lie ahead of what there is, and then beside it.
    assert_eq!(unsound(&home, scope(1)), None);
    let all = fs::read(&digests).unwrap();
    go_on(100..104, false);
    fs::write(&digests, &all).unwrap();
    let read = home.store.journal(scope(1)).unwrap().read().unwrap().scope;
    assert_eq!((read.seq, read.epoch, &read.unsound), (8, 2, &None));
    // What was noted before the copy was made is compared as ever.
    change(&digests, 3, otherwise);
    change(&digests, 4, otherwise);
    let told = "state, as of commit 4, is not what it was";
    assert!(unsound(&home, scope(1)).unwrap().starts_with(told));
    fs::write(&digests, &all).unwrap();
    let told = || {
        home.store
            .open_for_writing(scope(1), NOW)
            .unwrap()
            .of_another_history
    };
    assert_eq!((told(), told()), (3, 0));
    assert_eq!(fs::read_to_string(&digests).unwrap().lines().count(), 4);
    // And what comes now is noted and compared.
    go_on(200..202, true);
    assert_eq!(unsound(&home, scope(1)), None);
    change(&digests, 10, otherwise);
    assert!(unsound(&home, scope(1)).is_some());
}

#[test]
fn packing_and_unpacking_leave_what_was_noted_comparable() {
    let home = Home::new();
    let digests = filled(&home, scope(1), 6, 100);
    let whole = fs::read_to_string(&digests).unwrap();
    assert!(matches!(
        home.store.pack(scope(1), NOW).unwrap(),
        Packed::Now { .. }
    ));
    assert_eq!(
        fs::read_to_string(&digests).unwrap(),
        whole,
        "nothing was folded away"
    );
    for _ in 0..2 {
        assert_eq!(unsound(&home, scope(1)), None);
        change(&digests, 6, otherwise);
        assert!(unsound(&home, scope(1)).is_some());
        fs::write(&digests, &whole).unwrap();
        let opened = home.store.open_for_writing(scope(1), NOW).unwrap();
        assert_eq!(
            (opened.loaded.scope.unsound.clone(), opened.of_another_history),
            (None, 0)
        );
    }
}

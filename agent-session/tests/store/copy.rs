//! Journals that leave line by line, and come in.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;

use glasswork_agent_session::store::{Copied, Store, StoreError, copy_as};

use crate::home::Home;
use crate::tally::{Tally, add, scope};

fn home() -> Home {
    let home = Home::new();
    home.journal(scope(1), (1..=6).map(add));
    home
}

/// What a copy to commit `until` gives, line by line.
fn copied(home: &Home, until: Option<u64>) -> Result<(Copied, Vec<u8>), StoreError> {
    let mut out = Vec::new();
    let copied = home.store.journal(scope(1)).unwrap().copy(until, |bytes| {
        out.extend_from_slice(bytes);
        Ok(())
    })?;
    Ok((copied, out))
}

#[test]
fn a_copy_is_the_lines_as_they_are_stored_up_to_where_it_was_asked_for() {
    let home = home();
    let whole = fs::read(home.path(scope(1))).unwrap();
    let (all, out) = copied(&home, None).unwrap();
    assert_eq!((all.scope, all.seq, all.bytes), (scope(1), 6, whole.len() as u64));
    assert_eq!(out, whole);
    for until in 1..=6 {
        let (part, out) = copied(&home, Some(until)).unwrap();
        assert_eq!((part.seq, part.bytes), (until, out.len() as u64));
        assert!(whole.starts_with(&out) && out.ends_with(b"\n"));
        assert_eq!(out.split(|byte| *byte == b'\n').count() as u64, until + 2);
    }
    let beyond = copied(&home, Some(7)).unwrap_err();
    assert!(
        matches!(beyond, StoreError::NoSuchCommit { asked: 7, last: 6 }),
        "{beyond}"
    );
}

#[test]
fn who_takes_no_more_is_given_no_more() {
    let home = home();
    let mut taken = 0;
    let failed = home.store.journal(scope(1)).unwrap().copy(None, |_| {
        taken += 1;
        match taken {
            3 => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    });
    let error = failed.unwrap_err().to_string();
    assert!(
        error.contains("copy") && error.contains("free some space"),
        "{error}"
    );
    assert_eq!(taken, 3);
}

#[test]
fn what_comes_in_becomes_a_scope_of_its_owner_alone_once() {
    let from = home();
    let to = Home::new();
    let bring = |store: &Store<Tally>| {
        let incoming = store.incoming().unwrap();
        let (_, lines) = copied(&from, None).unwrap();
        fs::write(incoming.journal(), lines).unwrap();
        fs::create_dir(incoming.folder().join("blobs")).unwrap();
        for file in [incoming.journal(), incoming.folder().join("blobs/one")] {
            fs::OpenOptions::new()
                .append(true)
                .create(true)
                .open(&file)
                .unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        }
        incoming
    };
    // What is given up leaves nothing.
    let given_up = bring(&to.store);
    let folder = given_up.folder().to_owned();
    drop(given_up);
    assert!(!folder.exists());
    let first = bring(&to.store);
    let second = bring(&to.store);
    assert_ne!(first.folder(), second.folder());
    let left = from.path(scope(1));
    let month = to.store.data().join("sessions/2026/11");
    // Another attempt was cut off before there was a journal.
    let stale = month.join(left.with_extension("").file_name().unwrap());
    fs::create_dir_all(&stale).unwrap();
    fs::write(stale.join("stale"), b"").unwrap();
    let path = to.store.take_in(first).unwrap();
    assert_eq!(path, month.join(left.file_name().unwrap()));
    assert_eq!(fs::read(&path).unwrap(), fs::read(&left).unwrap());
    for file in [path.clone(), path.with_extension("").join("blobs/one")] {
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600,
            "{}",
            file.display()
        );
    }
    assert!(!path.with_extension("").join("stale").exists());
    assert_eq!(to.store.journal(scope(1)).unwrap().read().unwrap().scope.seq, 6);
    // A second one does not take its place.
    let before = crate::home::tree(to.store.data());
    let refused = to.store.take_in(second).unwrap_err();
    assert!(
        matches!(refused, StoreError::Exists(id) if id == scope(1)),
        "{refused}"
    );
    let mut after = crate::home::tree(to.store.data());
    after.extend(before.iter().filter(|line| line.contains(".incoming")).cloned());
    after.sort();
    let mut before = before;
    before.sort();
    assert_eq!(after, before, "and is gone");
}

#[test]
fn under_another_id_it_is_the_same_with_a_chain_of_its_own() {
    let home = home();
    let mut out = Vec::new();
    let journal = home.store.journal(scope(1)).unwrap();
    let copied = copy_as(&journal, scope(2), &mut out).unwrap();
    assert_eq!((copied.seq, copied.bytes), (6, out.len() as u64));
    let path = home.directory.path().join("copy.jsonl");
    fs::write(&path, &out).unwrap();
    let copy = Store::<Tally>::journal_at(&path).read().unwrap();
    let before = journal.read().unwrap();
    assert_eq!(
        (copy.scope.id, &copy.scope.state),
        (scope(2), &before.scope.state)
    );
    assert_ne!(copy.chain, before.chain);
}

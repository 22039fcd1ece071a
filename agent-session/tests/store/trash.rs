//! A session on its way to the trash, out of it, or out of this world: wherever that is cut short, each way can be gone
//! from there, and the session is in one place.

use std::fs;
use std::path::PathBuf;

use glasswork_agent_session::store::StoreError;

use crate::home::Home;
use crate::tally::{NOW, add, scope};

/// Where a part of a session lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Home,
    Trash,
    Gone,
}

/// What a move that was cut short leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Left {
    journal: At,
    folder: At,
    /// The session's folder in the trash, and the note in it.
    place: bool,
    note: bool,
}

const fn left(journal: At, folder: At, place: bool, note: bool) -> Left {
    Left {
        journal,
        folder,
        place,
        note,
    }
}

/// All that there can be, in the order in which the steps of a move into the trash, and of a removal, lead there. A move
/// out of it leads back the same way.
const ALL: [Left; 8] = [
    left(At::Home, At::Home, false, false),
    left(At::Home, At::Home, true, false),
    left(At::Home, At::Home, true, true),
    left(At::Trash, At::Home, true, true),
    left(At::Trash, At::Trash, true, true),
    left(At::Trash, At::Gone, true, true),
    left(At::Gone, At::Gone, true, true),
    left(At::Gone, At::Gone, true, false),
];

struct Arranged {
    home: Home,
    journal: PathBuf,
    trash: PathBuf,
}

/// A session with a blob, as a move that was cut short left it.
fn arranged(left: Left) -> Arranged {
    let home = Home::new();
    let journal = home.journal(scope(1), [add(1), add(2)]);
    fs::write(journal.with_extension("").join("blob"), "content").unwrap();
    let place = home.directory.path().join("data/trash");
    let trash = place.join(journal.file_stem().unwrap());
    // The note is as a whole move writes it.
    home.store.put_in_trash(scope(1), NOW).unwrap();
    let note = trash.join("trashed.json");
    let in_trash = trash.join(journal.file_name().unwrap());
    let put = |at: At, from: PathBuf, to: PathBuf| match at {
        At::Trash => {}
        At::Home => fs::rename(from, to).unwrap(),
        At::Gone if from.is_dir() => fs::remove_dir_all(from).unwrap(),
        At::Gone => fs::remove_file(from).unwrap(),
    };
    put(
        left.folder,
        in_trash.with_extension(""),
        journal.with_extension(""),
    );
    put(left.journal, in_trash, journal.clone());
    if !left.note {
        fs::remove_file(note).unwrap();
    }
    if !left.place {
        fs::remove_dir(&trash).unwrap();
    }
    Arranged { home, journal, trash }
}

impl Arranged {
    fn listed(&self) -> bool {
        self.home
            .store
            .list()
            .any(|listed| listed.scope == Some(scope(1)))
    }

    fn trashed(&self) -> bool {
        !self.home.store.trash().unwrap().is_empty()
    }

    fn is_in(&self, journal: At, left: Left, what: &str) {
        let Self {
            journal: path, trash, ..
        } = self;
        let (listed, trashed) = (journal == At::Home, journal == At::Trash);
        assert_eq!(
            (self.listed(), self.trashed()),
            (listed, trashed),
            "{left:?}, {what}"
        );
        // The folder goes with it, unless it was gone.
        let kept = trash.join(path.file_name().unwrap()).with_extension("");
        let whole = left.folder != At::Gone;
        let folders = (path.with_extension("").exists(), kept.exists());
        assert_eq!(folders, (listed && whole, trashed && whole), "{left:?}, {what}");
        // Nothing stays of it in the trash.
        assert_eq!(trash.exists(), trashed, "{left:?}, {what}");
        if listed {
            let read = self.home.store.journal(scope(1)).unwrap().read().unwrap();
            assert_eq!(read.scope.state.total, 3, "{left:?}, {what}");
        }
    }
}

fn is_unknown(done: Result<(), StoreError>, left: Left) {
    assert!(
        matches!(done, Err(StoreError::Unknown { .. })),
        "{left:?}: {done:?}"
    );
}

#[test]
fn from_wherever_a_move_was_cut_short_each_way_can_be_gone() {
    for left in ALL {
        let is_gone = left.journal == At::Gone;
        let it = arranged(left);
        let moved = it.home.store.put_in_trash(scope(1), NOW);
        if is_gone {
            is_unknown(moved, left);
        } else {
            moved.unwrap();
            it.is_in(At::Trash, left, "put in");
            // And all the way back.
            it.home.store.take_from_trash(scope(1)).unwrap();
            it.is_in(At::Home, left, "put in and taken out");
        }

        let it = arranged(left);
        let moved = it.home.store.take_from_trash(scope(1));
        if is_gone {
            is_unknown(moved, left);
        } else {
            moved.unwrap();
            it.is_in(At::Home, left, "taken out");
        }

        let it = arranged(left);
        it.home.store.remove_from_trash(scope(1)).unwrap();
        let place = match left.journal {
            At::Home => At::Home,
            At::Trash | At::Gone => At::Gone,
        };
        it.is_in(place, left, "removed");
    }
}

/// Who moves it there at this moment has the lock, and has written the note already.
#[test]
fn the_note_of_a_move_under_way_stays() {
    let it = arranged(left(At::Home, At::Home, true, true));
    let _held = it.home.store.open_for_writing(scope(1), NOW).unwrap();
    it.home.store.remove_from_trash(scope(1)).unwrap();
    it.home.store.take_from_trash(scope(1)).unwrap();
    assert!(it.trash.join("trashed.json").exists());
    assert!(it.listed() && !it.trashed());
}

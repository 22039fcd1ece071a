//! A session goes to the trash, comes back, goes there again and is removed. Wherever that is cut short, afterwards the
//! session is in one place, whole, and can be had from there; or it is gone, because somebody had asked for that.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use glasswork_app_runtime::archive::{Archive, Status};
use glasswork_session_state::trash::Way;
use glasswork_session_state::{Event, trash};
use tempfile::TempDir;

use crate::aftermath::{Victim, mortal, opening};
use crate::hosts;
use crate::kill::{Kill, Moment, given};
use crate::past;
use glasswork_testkit::second::{Said, plays, say};

const TEST: &str = "trash::what_goes_to_the_trash_is_killed_at_every_step";

async fn part(home: &Path) {
    let session = past::session(home);
    let runtime = mortal(home, "(turns: [])").await;
    runtime.put_in_trash(session).await.unwrap();
    say("moved in");
    runtime.take_from_trash(session).await.unwrap();
    say("moved out");
    runtime.put_in_trash(session).await.unwrap();
    say("moved in");
    runtime.empty_trash(None).await.unwrap();
    say("moved gone");
    runtime.stop().await;
    say(format_args!("written {}", given()));
}

/// All names below a folder that are of sessions.
fn names(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            names(&entry.path(), found);
        }
        found.insert(entry.path());
    }
}

async fn after(home: TempDir, said: &Said, kill: Kill, resumed: &Cell<u32>) -> TempDir {
    let house = hosts::next(home, kill).await;
    let kept = hosts::kept(&house, kill);
    resumed.set(resumed.get() + u32::from(hosts::was_resumed(&kept)));
    let commits = || kept.iter().flat_map(|kept| &kept.commits);
    let asked: Vec<&str> = commits()
        .filter_map(|commit| match &commit.event {
            Event::Trash(trash::Event::Requested { way, .. }) => Some(match way {
                Way::In => "in",
                Way::Out => "out",
                Way::Gone => "gone",
            }),
            Event::Trash(trash::Event::Failed { message, .. }) => panic!("{kill:?}: {message}"),
            _ => None,
        })
        .collect();
    // Whatever was told is on record; what is on record has happened, all of it, in its order.
    let told: Vec<&str> = said.all("moved").collect();
    assert!(
        asked.starts_with(&told),
        "{kill:?}: {told:?} was told, {asked:?} was asked for"
    );
    let archive = house.archive();
    let place = (archive.list().unwrap().len(), archive.trash().unwrap().len());
    let expected = match asked.last().copied() {
        None | Some("out") => (1, 0),
        Some("in") => (0, 1),
        _ => (0, 0),
    };
    assert_eq!(place, expected, "{kill:?}: {asked:?}");
    let data = house.home().join("data");
    let mut in_trash = BTreeSet::new();
    names(&data.join("trash"), &mut in_trash);
    assert_eq!(in_trash.is_empty(), expected.1 == 0, "{kill:?}: {in_trash:?}");
    if expected.1 == 1 {
        let trashed = archive.trash().unwrap().remove(0).session;
        assert_eq!(
            (trashed.damage, trashed.status),
            (None, Status::Completed),
            "{kill:?}"
        );
        house.runtime().take_from_trash(trashed.id).await.unwrap();
    }
    if expected != (0, 0) {
        let session = archive.list().unwrap()[0].id;
        house
            .runtime()
            .open(session, opening(house.home()))
            .await
            .unwrap();
        let end = house.turn(session, "onward").await;
        assert_eq!(end.failure, None, "{kill:?}");
    } else {
        let mut left = BTreeSet::new();
        names(&data.join("sessions"), &mut left);
        left.retain(|path| path.file_name().unwrap().len() > 4);
        assert_eq!(left, BTreeSet::new(), "{kill:?}");
    }
    house.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_to_the_trash_is_killed_at_every_step() {
    if plays("trash", part).await {
        return;
    }
    let (before, lanes) = past::two().await;
    let victim = Victim {
        test: TEST,
        role: "trash",
        before,
    };
    let resumed = Cell::new(0);
    // At each write of a journal, and at each change of names after it.
    let moments = [
        Moment::Before,
        Moment::Written,
        Moment::Renamed(1),
        Moment::Renamed(2),
        Moment::Renamed(3),
        Moment::Renamed(4),
    ];
    let deaths = victim
        .dies(&moments, lanes, async |home, said, kill| {
            after(home, said, kill, &resumed).await
        })
        .await;
    assert!(deaths >= 30, "{deaths}");
    assert!(resumed.get() >= 8, "gone on with {} times", resumed.get());
}

//! A tree of sessions of three levels is closed: all of it in the end, or none because nobody was told of it.

use std::cell::Cell;
use std::path::Path;

use glasswork_app_runtime::archive::{Archive, Status};
use glasswork_app_runtime::files::FileArchive;
use glasswork_app_runtime::sagas::ForkAt;
use glasswork_engine::ScopeId;
use glasswork_session_state::settings::Mode;
use glasswork_testkit::house::House;
use tempfile::TempDir;

use crate::aftermath::{Lane, Victim, mortal, opening};
use crate::hosts;
use crate::kill::{Kill, Moment, given};
use crate::past;
use glasswork_testkit::second::{Said, plays, say};

const TEST: &str = "closing::closing_a_tree_is_killed_at_every_write";

/// A session, two forks of it, and a fork of one of those that nobody has opened.
async fn family() -> Lane {
    let house = House::of_script(&past::notes()).await;
    let runtime = house.runtime();
    let root = house.session(House::settings(Mode::Yolo)).await;
    house.turn(root, "Begin.").await;
    let mut children = vec![];
    for _ in 0..2 {
        let child = runtime.fork(root, ForkAt::Head).await.unwrap();
        runtime.open(child, opening(house.home())).await.unwrap();
        house.turn(child, "Go on.").await;
        children.push(child);
    }
    runtime.fork(children[0], ForkAt::Head).await.unwrap();
    for session in [root, children[0], children[1]] {
        runtime.give_up(session).await.unwrap();
    }
    Lane::like(house.close().await)
}

/// Children before their parents, as the archive knows them.
fn in_order(archive: &FileArchive, closed: &[ScopeId]) {
    for row in archive.list().unwrap() {
        let place = |id| closed.iter().position(|closed| *closed == id);
        if let Some((child, parent)) = place(row.id).zip(row.parent.and_then(place)) {
            assert!(child < parent, "{closed:?}");
        }
    }
}

fn root(archive: &FileArchive) -> ScopeId {
    let rows = archive.list().unwrap();
    rows.iter().find(|row| row.parent.is_none()).unwrap().id
}

async fn part(home: &Path) {
    let runtime = mortal(home, "(turns: [])").await;
    let root = root(&FileArchive::open(home.join("data")).unwrap());
    let closed = runtime.close_tree(root).await.unwrap();
    assert_eq!((closed.closed.len(), closed.stayed.len()), (4, 0));
    say("closed all");
    runtime.stop().await;
    say(format_args!("written {}", given()));
}

async fn after(home: TempDir, said: &Said, kill: Kill, resumed: &Cell<u32>) -> TempDir {
    let house = hosts::next(home, kill).await;
    let kept = hosts::kept(&house, kill);
    resumed.set(resumed.get() + u32::from(hosts::was_resumed(&kept)));
    let closings: Vec<_> = kept.iter().flat_map(|kept| kept.host.closings.values()).collect();
    let rows = house.archive().list().unwrap();
    assert_eq!(rows.len(), 4, "{kill:?}");
    match closings.as_slice() {
        [] => {
            assert_eq!(said.all("closed").count(), 0, "{kill:?}");
            assert!(rows.iter().all(|row| row.status != Status::Closed), "{kill:?}");
        }
        [closing] => {
            assert!(
                closing.is_over() && closing.stayed.is_empty(),
                "{kill:?}: {closing:?}"
            );
            assert_eq!(closing.closed.len(), 4, "{kill:?}: {closing:?}");
            let closed: Vec<ScopeId> = closing.closed.iter().copied().collect();
            in_order(house.archive(), &closed);
            for row in &rows {
                assert_eq!(row.status, Status::Closed, "{kill:?}: {}", row.id);
                assert_eq!(row.owner, None, "{kill:?}");
            }
        }
        more => panic!("{kill:?}: {more:?}"),
    }
    // No lock is stuck: each can be gone on with.
    for row in rows {
        house.runtime().open(row.id, opening(house.home())).await.unwrap();
        let end = house.turn(row.id, "onward").await;
        assert_eq!(end.failure, None, "{kill:?}");
    }
    house.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_a_tree_is_killed_at_every_write() {
    if plays("closing", part).await {
        return;
    }
    let victim = Victim {
        test: TEST,
        role: "closing",
        before: 0,
    };
    let resumed = Cell::new(0);
    let moments = [Moment::Before, Moment::Written, Moment::After(500)];
    let lanes = [family().await, family().await];
    let deaths = victim
        .dies(&moments, lanes, async |home, said, kill| {
            after(home, said, kill, &resumed).await
        })
        .await;
    assert!(deaths >= 40, "{deaths}");
    assert!(resumed.get() >= 20, "gone on with {} times", resumed.get());
}

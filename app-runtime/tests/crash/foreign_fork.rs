//! Forks of a session that the process has not mounted: one that nobody has, and one that another process has. The host
//! has the record of them, and the next host makes what was cut short.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use glasswork_app_runtime::archive::{Archive, Vault};
use glasswork_app_runtime::files::FileArchive;
use glasswork_app_runtime::sagas::ForkAt;
use glasswork_engine::{ScopeId, Timestamp};
use glasswork_session_state::{Event, fork};
use tempfile::TempDir;

use crate::aftermath::{Victim, mortal, opening};
use crate::hosts;
use crate::kill::{Kill, Moment, given};
use crate::past;
use glasswork_testkit::second::{Said, plays, say};

const TEST: &str = "foreign_fork::a_fork_of_what_is_not_mounted_is_killed_at_every_write";

async fn part(home: &Path) {
    let session = past::session(home);
    let runtime = mortal(home, "(turns: [])").await;
    let child = runtime.fork(session, ForkAt::Head).await.unwrap();
    say(format_args!("forked {child}"));
    // As another process would have it: with a lock of its own.
    let other = FileArchive::open(home.join("data")).unwrap();
    let (theirs, _journal, _trace) = other.writing().unwrap();
    theirs.open(session, Timestamp(1)).unwrap();
    for at in [ForkAt::Commit(5), ForkAt::Head] {
        let child = runtime.fork(session, at).await.unwrap();
        say(format_args!("forked {child}"));
    }
    theirs.release(session);
    runtime.stop().await;
    say(format_args!("written {}", given()));
}

/// Folders of sessions without a journal of that name.
fn without_journal(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_dir() {
            continue;
        }
        match path.file_name().unwrap().len() {
            ..=4 => found.extend(without_journal(&path)),
            _ if path.with_extension("jsonl").is_file() => {}
            _ => found.push(path),
        }
    }
    found
}

async fn after(home: TempDir, said: &Said, kill: Kill, resumed: &Cell<u32>) -> TempDir {
    let session = past::session_without_parent(home.path());
    let house = hosts::next(home, kill).await;
    let kept = hosts::kept(&house, kill);
    resumed.set(resumed.get() + u32::from(hosts::was_resumed(&kept)));
    let asked = kept
        .iter()
        .flat_map(|kept| &kept.commits)
        .filter_map(|commit| match &commit.event {
            Event::Fork(fork::Event::Requested { child, .. }) => Some(*child),
            _ => None,
        });
    let asked: BTreeSet<ScopeId> = asked.collect();
    let failed = kept.iter().flat_map(|kept| &kept.commits);
    let failed: Vec<_> = failed
        .filter(|commit| matches!(commit.event, Event::Fork(fork::Event::Failed { .. })))
        .collect();
    assert!(failed.is_empty(), "{kill:?}: {failed:?}");
    // All that were asked for are there, and nothing else.
    let rows = house.archive().list().unwrap();
    let forks: BTreeSet<ScopeId> = rows
        .iter()
        .map(|row| row.id)
        .filter(|id| *id != session)
        .collect();
    assert_eq!(forks, asked, "{kill:?}");
    assert_eq!(
        without_journal(&house.home().join("data/sessions")),
        Vec::<PathBuf>::new(),
        "{kill:?}"
    );
    for told in said.all("forked") {
        assert!(
            forks.contains(&told.parse().unwrap()),
            "{kill:?}: {told} was told"
        );
    }
    for fork in forks {
        house.runtime().open(fork, opening(house.home())).await.unwrap();
        let parent = house.now(fork).meta.parent.unwrap();
        assert_eq!(parent.session, session, "{kill:?}");
        house.turn(fork, "onward").await;
    }
    house.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fork_of_what_is_not_mounted_is_killed_at_every_write() {
    if plays("foreign_fork", part).await {
        return;
    }
    let (before, lanes) = past::two().await;
    let victim = Victim {
        test: TEST,
        role: "foreign_fork",
        before,
    };
    let resumed = Cell::new(0);
    let moments = [
        Moment::Before,
        Moment::Written,
        Moment::After(200),
        Moment::After(1000),
        Moment::After(3000),
    ];
    let deaths = victim
        .dies(&moments, lanes, async |home, said, kill| {
            after(home, said, kill, &resumed).await
        })
        .await;
    assert!(deaths >= 20, "{deaths}");
    assert!(resumed.get() >= 3, "gone on with {} times", resumed.get());
}

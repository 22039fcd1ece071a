//! A disk that is read-only: from the start, or from the moment at which somebody makes it so.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use glasswork_app_runtime::archive::{Archive as _, Vault as _};
use glasswork_app_runtime::files::FileArchive;
use glasswork_app_runtime::runtime::Runtime;
use glasswork_engine::SystemClock;
use glasswork_session_state::settings::Mode;
use glasswork_testkit::house::{House, PATIENCE, ports, scripted};
use glasswork_testkit::second::{plays, say};
use tempfile::TempDir;

use crate::support::{can_be_read, mounted, opening, rows, runtime, turn};

const ADVICE: &str = "Read-only file system (os error 30); the file system is read-only: make it writable";
const SCRIPT: &str =
    r#"(turns: [(say: [text("One needle.")]), (say: [text("two")]), (say: [text("three")])])"#;

/// A home in which two sessions had a turn each.
pub(crate) async fn lived_in() -> TempDir {
    let house = House::of_script(SCRIPT).await;
    for _ in 0..2 {
        let session = house.session(House::settings(Mode::Yolo)).await;
        house.turn(session, "one").await;
        house.runtime().give_up(session).await.unwrap();
    }
    house.close().await
}

async fn from_the_start(home: &Path) {
    let data = home.join("data");
    let archive = FileArchive::open(&data).unwrap();
    let sessions: Vec<_> = rows(&archive).into_iter().map(|row| row.id).collect();
    assert_eq!(sessions.len(), 2);
    for session in &sessions {
        can_be_read(&archive, *session, "needle");
    }
    // At start, and at opening by whoever has the records already.
    let refused = Runtime::start(ports(&archive, scripted(SCRIPT)))
        .await
        .unwrap_err()
        .to_string();
    assert!(refused.contains(ADVICE) && refused.contains("host"), "{refused}");
    let (vault, _journal, _trace) = archive.writing().unwrap();
    let refused = vault
        .open(sessions[0], glasswork_engine::Timestamp(1))
        .unwrap_err()
        .to_string();
    assert!(refused.contains(ADVICE), "{refused}");
    // What was refused holds no lock, and has changed nothing.
    assert!(rows(&archive).iter().all(|row| row.owner.is_none()));
    can_be_read(&archive, sessions[0], "needle");
    say("through");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nothing_can_be_written_everything_can_be_read() {
    if plays("from_the_start", from_the_start).await {
        return;
    }
    // With an index, and with one that would have to be made.
    for index in ["there", "missing", "behind"] {
        let home = lived_in().await;
        let data = home.path().join("data");
        let remove = |name: &str| {
            let _ = std::fs::remove_file(data.join(name));
        };
        if index != "there" {
            for name in ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"] {
                remove(name);
            }
        }
        if index == "behind" {
            // One that knows none of the sessions.
            let sessions = data.join("sessions");
            std::fs::rename(&sessions, data.join("away")).unwrap();
            assert_eq!(rows(&FileArchive::open(&data).unwrap()), []);
            std::fs::rename(data.join("away"), &sessions).unwrap();
        }
        let mounts = r#"mount --bind "$HOME_OF_TEST/data" "$HOME_OF_TEST/data"
            mount -o remount,bind,ro "$HOME_OF_TEST/data""#;
        let test = "read_only::where_nothing_can_be_written_everything_can_be_read";
        let Some(said) = mounted(test, "from_the_start", home.path(), mounts).await else {
            return;
        };
        assert_eq!(said.lines, ["through"], "an index that is {index}");
        // Writable again, it goes on.
        let house = House::at(home, scripted(SCRIPT), Arc::new(SystemClock::default())).await;
        let session = house.archive().list().unwrap()[0].id;
        house.runtime().mount(session).await.unwrap();
        assert_eq!(house.turn(session, "on").await.text, "two");
        house.close().await;
    }
}

async fn in_the_middle(home: &Path) {
    let (runtime, archive, _) = runtime(home, scripted(SCRIPT)).await;
    let open = runtime.new_session(opening(home)).await.unwrap();
    assert_eq!(turn(&runtime, open, "one").await, "One needle.");
    let other = rows(&archive).into_iter().find(|row| row.id != open).unwrap().id;
    // No system lets a mount become read-only while a file on it is written, so what is open goes on; all else cannot.
    let sessions = home.join("data/sessions");
    let mounts = |options: &[&str]| {
        let mut mount = Command::new("mount");
        mount.args(options).arg(&sessions).arg(&sessions);
        mount.output().unwrap().status.success()
    };
    assert!(mounts(&["--bind"]));
    // What is noted behind the journals is written for a moment.
    let begun = Instant::now();
    while !mounts(&["-o", "remount,bind,ro"]) {
        assert!(begun.elapsed() < PATIENCE, "it stays busy");
    }
    assert_eq!(turn(&runtime, open, "two").await, "two");
    for refused in [
        runtime.new_session(opening(home)).await.unwrap_err().to_string(),
        runtime.mount(other).await.unwrap_err().to_string(),
        runtime.prompt(other, "two", None).await.unwrap_err().to_string(),
    ] {
        assert!(refused.contains(ADVICE), "{refused}");
    }
    can_be_read(&archive, other, "needle");
    // Given back, it cannot be taken again until the disk is well.
    runtime.give_up(open).await.unwrap();
    can_be_read(&archive, open, "needle");
    let refused = runtime.mount(open).await.unwrap_err().to_string();
    assert!(refused.contains(ADVICE), "{refused}");
    assert!(Command::new("umount").arg(&sessions).status().unwrap().success());
    runtime.mount(open).await.unwrap();
    assert_eq!(turn(&runtime, open, "three").await, "three");
    runtime.mount(other).await.unwrap();
    assert_eq!(turn(&runtime, other, "two").await, "two");
    runtime.stop().await;
    assert_eq!(rows(&archive).len(), 3);
    say("through");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_becomes_read_only_stops_what_is_new_and_nothing_else() {
    if plays("in_the_middle", in_the_middle).await {
        return;
    }
    let home = lived_in().await;
    let test = "read_only::a_disk_that_becomes_read_only_stops_what_is_new_and_nothing_else";
    if let Some(said) = mounted(test, "in_the_middle", home.path(), "true").await {
        assert_eq!(said.lines, ["through"]);
    }
}

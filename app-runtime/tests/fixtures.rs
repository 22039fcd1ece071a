//! Whole data directories of every schema that there ever was, kept for ever: with traces, blobs and the record of a
//! host. `WRITE_FIXTURES=1` writes one of the present schema where there is none yet.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that meets what it did not expect shall stop there"
)]

use std::fs;
use std::path::{Path, PathBuf};

use glasswork_agent_core::turn::State;
use glasswork_agent_session::store::{Place, Store};
use glasswork_app_runtime::archive::{Archive, Record};
use glasswork_app_runtime::files::FileArchive;
use glasswork_engine::Domain;
use glasswork_session_state::Glasswork;
use glasswork_session_state::settings::Mode;
use glasswork_session_state::state::{Scope, Session};
use glasswork_testkit::house::House;
use glasswork_testkit::kept::lacks;
use serde_json::Value;

fn folder(schema: u32) -> PathBuf {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../testkit/fixtures");
    PathBuf::from(fixtures).join(format!("schema-{schema}"))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copied = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &copied);
        } else {
            fs::copy(&path, copied).unwrap();
        }
    }
}

const SCRIPT: &str = r#"(turns: [
    (say: [call("write", (path: "roof.txt", content: "tiles\n")), call("bash", (command: "seq 1 20000"))]),
    (say: [
        call("edit", (path: "roof.txt", edits: [(old_text: "tiles", new_text: "slates")])),
        call("read", (path: "roof.txt")),
        call("ls", ()),
        call("grep", (pattern: "slates")),
        call("find", (pattern: "*.txt")),
        call("bash", (command: "exit 3")),
        call("reed", ()),
    ]),
    (say: [thinking("It is mended."), text("The roof is mended.")]),
])"#;

/// A house in which a turn was lived through with every tool, then closed.
async fn write(folder: &Path) {
    let house = House::of_script(SCRIPT).await;
    let session = house.session(House::settings(Mode::Yolo)).await;
    let end = house.turn(session, "Mend the roof.").await;
    assert_eq!((end.state, &*end.text), (State::Completed, "The roof is mended."));
    house.runtime().resume(session).await.unwrap_err();
    house.runtime().close(session).await.unwrap();
    let home = house.close().await;
    copy(&home.path().join("data"), &folder.join("data"));
    let archive = FileArchive::open(folder.join("data")).unwrap();
    let state = serde_json::to_string_pretty(&*only_session(&archive)).unwrap();
    fs::write(folder.join("session.state.json"), state + "\n").unwrap();
}

fn only_session(archive: &FileArchive) -> std::sync::Arc<Session> {
    let rows = archive.list().unwrap();
    assert_eq!((rows.len(), rows[0].damage.as_deref()), (1, None));
    match &archive.load(rows[0].id, None).unwrap().scope.state {
        Scope::Session(session) => std::sync::Arc::clone(session),
        Scope::Host(_) => panic!("a host in the list of sessions"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_of_every_schema_is_read_in_full() {
    for schema in 1..=Glasswork::SCHEMA {
        let folder = folder(schema);
        let kept = folder.join("session.state.json");
        if schema == Glasswork::SCHEMA && !kept.exists() {
            if std::env::var_os("WRITE_FIXTURES").is_none() {
                continue;
            }
            write(&folder).await;
        }
        let home = tempfile::tempdir().unwrap();
        copy(&folder.join("data"), home.path());
        let archive = FileArchive::open(home.path()).unwrap();
        let session = only_session(&archive);
        let kept: Value = serde_json::from_slice(&fs::read(kept).unwrap()).unwrap();
        assert_eq!(lacks(&kept, &serde_json::to_value(&*session).unwrap()), None);
        let replayed = archive.replay(&Record::Session(session.id), None).unwrap();
        assert_eq!(replayed.differences, []);
        assert!(archive.traces(session.id).unwrap().len() > 20);
        let mut blobs = 0;
        for call in session.calls.values() {
            if let Some(blob) = call.outcome.as_ref().and_then(|outcome| outcome.blob.as_ref()) {
                let digest = blob.digest.parse().unwrap();
                let len = blob.len;
                let blob = glasswork_agent_session::blobs::BlobRef { digest, len };
                archive.blobs(session.id).get(&blob).unwrap();
                blobs += 1;
            }
        }
        assert_eq!(blobs, 1);
        let store = Store::<Glasswork>::open(home.path()).unwrap();
        let host = store.list().find(|listed| listed.place == Place::Host).unwrap();
        let journal = store.journal(host.scope.unwrap()).unwrap();
        assert_eq!(journal.replay(None).unwrap().differences, []);
        match &journal.read().unwrap().scope.state {
            Scope::Host(host) => assert!(!host.version.is_empty() && host.mounted.is_empty()),
            Scope::Session(_) => panic!("a session among the hosts"),
        }
    }
}

//! Whole turns: scripted model, real tools, real files, and every session replayed strictly at the end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::path::Path;
use std::sync::Arc;

use glasswork_agent_core::turn::State;
use glasswork_ai::port::{Models, Scripts};
use glasswork_ai::scripted::Script;
use glasswork_app_runtime::archive::{Archive, Record};
use glasswork_app_runtime::files::FileArchive;
use glasswork_app_runtime::reading::Viewer;
use glasswork_app_runtime::runtime::{Opening, Ports, Runtime};
use glasswork_app_runtime::watching::Update;
use glasswork_engine::SystemClock;
use glasswork_session_state::settings::{Layer, Mode, Settings, Sourced};

struct House {
    home: tempfile::TempDir,
    archive: FileArchive,
    runtime: Runtime,
}

async fn house(script: &str) -> House {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("work")).unwrap();
    let archive = FileArchive::open(home.path().join("data")).unwrap();
    let (vault, journal, trace) = archive.writing().unwrap();
    let blobs = archive.clone();
    let scripts = Scripts::default().with("test", Script::parse(script).unwrap());
    let runtime = Runtime::start(Ports {
        archive: Arc::new(archive.clone()),
        vault: Arc::new(vault),
        journal: Box::new(journal),
        trace: Box::new(trace),
        clock: Arc::new(SystemClock::default()),
        models: Arc::new(Models::default().with("scripted", Arc::new(scripts))),
        blobs: Box::new(move |session| blobs.blobs(session)),
        tasks: tokio::runtime::Handle::current(),
        tool_limits: Default::default(),
        providers: Default::default(),
    })
    .await
    .unwrap();
    House { home, archive, runtime }
}

fn opening(workspace: &Path, mode: Mode) -> Opening {
    Opening {
        workspace: workspace.to_owned(),
        settings: Settings {
            model: Sourced::from_layer(Some("scripted/test".parse().unwrap()), Layer::Flag),
            mode: Sourced::from_layer(mode, Layer::Flag),
            ..Settings::default()
        },
        title: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_runs_real_tools_and_replays_to_an_equal_state() {
    let House { home, archive, runtime } = house(
        r#"(turns: [
            (say: [text("I look."), call("bash", (command: "echo hello > a.txt && cat a.txt")), call("read", (path: "b.txt"))]),
            (say: [call("edit", (path: "a.txt", edits: [(old_text: "hello", new_text: "bye")]))]),
            (say: [text("Done.")]),
        ])"#,
    )
    .await;
    let work = home.path().join("work");
    std::fs::write(work.join("b.txt"), "from b\n").unwrap();
    let id = runtime.new_session(opening(&work, Mode::Yolo)).await.unwrap();
    let mut watch = runtime.watch(id).unwrap();
    runtime.prompt(id, "go", None).await.unwrap();
    let mut said = String::new();
    let ended = loop {
        let watched = watch.next().await;
        let mut ended = None;
        for update in watched.updates {
            match update {
                Update::Text { text } => said.push_str(&text),
                Update::TurnEnded { state, failure, .. } => ended = Some((state, failure)),
                _ => {}
            }
        }
        if let Some(ended) = ended {
            break ended;
        }
    };
    assert_eq!(ended, (State::Completed, None));
    assert_eq!(said, "I look.Done.");
    assert_eq!(std::fs::read_to_string(work.join("a.txt")).unwrap(), "bye\n");
    let live = runtime.reader().snapshot(Viewer::owner()).session(id, None).unwrap();
    let replayed = archive.replay(&Record::Session(id), None).unwrap();
    assert_eq!(replayed.differences, []);
    assert_eq!(replayed.loaded.scope, live.scope);
    assert_eq!(replayed.loaded.breach, None);
    runtime.close(id).await.unwrap();
    runtime.stop().await;
}

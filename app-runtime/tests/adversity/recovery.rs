//! Processes that end in the middle: whoever opens what they left finds it settled, and can go on. A copy of the
//! records of a running process is what its end at that moment would have left.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use glasswork_agent_core::tool_call::State as Call;
use glasswork_agent_core::turn::State;
use glasswork_agent_session::store::StoreError;
use glasswork_app_runtime::archive::Archive;
use glasswork_app_runtime::ending::ExitCode;
use glasswork_app_runtime::files::FileArchive;
use glasswork_app_runtime::reading::{Reader, Viewer};
use glasswork_app_runtime::runtime::{Opening, OperationError, Runtime};
use glasswork_engine::{ScopeId, SystemClock};
use glasswork_session_state::settings::{Mode, Settings};
use glasswork_testkit::house::{House, ports, scripted};
use tempfile::TempDir;

use crate::stopping::{met, mode, script};
use crate::support::calls;

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

/// A home with a copy of the records of another.
fn copied(house: &House) -> TempDir {
    let home = TempDir::new().unwrap();
    fs::create_dir(home.path().join("work")).unwrap();
    copy(&house.home().join("data"), &home.path().join("data"));
    home
}

fn journal(home: &Path, session: ScopeId) -> PathBuf {
    fn walk(folder: &Path, named: &str) -> Option<PathBuf> {
        fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find_map(|path| match path.is_dir() {
                true => walk(&path, named),
                false => path.to_string_lossy().ends_with(named).then_some(path),
            })
    }
    walk(&home.join("data/sessions"), &format!("{session}.jsonl")).unwrap()
}

fn opening(house: &House, settings: Settings) -> Opening {
    Opening {
        workspace: house.workspace(),
        settings,
        title: None,
        servers: vec![],
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_whose_process_ended_is_abandoned_and_settled_wherever_it_stood() {
    let table: &[(State, &[Call])] = &[
        (State::Connecting, &[]),
        (State::Streaming, &[]),
        (State::BackingOff, &[]),
        (State::Gating, &[Call::Cancelled]),
        (State::Executing, &[Call::UnknownOutcome]),
        (State::Cancelling, &[Call::UnknownOutcome]),
    ];
    for (state, settled) in table {
        let settings = || House::settings(mode(*state));
        let first = House::of_script(&script(*state)).await;
        let (session, watch) = met(&first, *state, settings()).await;
        let home = copied(&first);
        first.runtime().cancel(session).await.ok();
        House::end_of_turn(watch).await;
        first.close().await;

        let house = House::at(home, scripted(&script(*state)), Arc::new(SystemClock::default())).await;
        let notices = house
            .runtime()
            .open(session, opening(&house, settings()))
            .await
            .unwrap();
        assert_eq!(notices, Vec::<String>::new(), "ended while {state:?}");
        let now = house.now(session);
        assert_eq!(
            now.turn.as_ref().unwrap().state,
            State::Abandoned,
            "ended while {state:?}"
        );
        crate::provenance::causes_hold(&house, session);
        let states: Vec<_> = calls(&now).iter().map(|call| call.state).collect();
        assert_eq!(states, *settled, "ended while {state:?}");
        let end = house.turn(session, "onward").await;
        assert_eq!(
            (end.state, end.failure, end.text.as_str()),
            (State::Completed, None, "again"),
            "{state:?}"
        );
        house.close().await;
    }
}

/// It was being closed when its process ended: then it is closed, and can be opened like any other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_whose_process_ended_while_it_was_closed_opens_again() {
    let first = House::of_script(&script(State::Executing)).await;
    let (session, mut watch) = met(&first, State::Executing, House::settings(Mode::Yolo)).await;
    let closing = glasswork_agent_core::session::State::Closing;
    let home = {
        let closes = first.runtime().close(session);
        let seen = async {
            while watch.session().state != closing {
                watch.next().await;
            }
            copied(&first)
        };
        let (closed, home) = tokio::join!(closes, seen);
        closed.unwrap();
        home
    };
    first.close().await;
    let house = House::at(
        home,
        scripted(&script(State::Executing)),
        Arc::new(SystemClock::default()),
    )
    .await;
    house
        .runtime()
        .open(session, opening(&house, House::settings(Mode::Yolo)))
        .await
        .unwrap();
    let now = house.now(session);
    assert!(now.turn.as_ref().unwrap().state.is_terminal() && now.open_turn().is_none());
    let end = house.turn(session, "onward").await;
    assert_eq!((end.state, end.text.as_str()), (State::Completed, "again"));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_rests_still_rests_when_its_session_is_opened_again_and_can_go_on_or_be_stopped() {
    for resume in [true, false] {
        let first = House::of_script(&script(State::Paused)).await;
        let (session, _watch) = met(&first, State::Paused, House::settings(Mode::Yolo)).await;
        let home = first.close().await;

        let house = House::at(
            home,
            scripted(&script(State::Paused)),
            Arc::new(SystemClock::default()),
        )
        .await;
        house
            .runtime()
            .open(session, opening(&house, House::settings(Mode::Plan)))
            .await
            .unwrap();
        let now = house.now(session);
        assert_eq!(now.turn.as_ref().unwrap().state, State::Paused);
        assert_eq!(now.settings.mode.value, Mode::Plan, "what is set now holds");
        let watch = house.runtime().watch(session).unwrap();
        if resume {
            house.runtime().steer(session, "onward", None).await.unwrap();
            house.runtime().resume(session).await.unwrap();
            let end = House::end_of_turn(watch).await;
            assert_eq!((end.state, end.text.as_str()), (State::Completed, "again"));
        } else {
            house.runtime().cancel(session).await.unwrap();
            let end = House::end_of_turn(watch).await;
            assert_eq!(end.state, State::Cancelled);
            let end = house.turn(session, "onward").await;
            assert_eq!((end.state, end.text.as_str()), (State::Completed, "again"));
        }
        house.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_length_the_journal_has_the_session_opens_is_sound_and_goes_on_and_nothing_runs_twice() {
    let first = House::of_script(
        r#"(turns: [
            (
                first: [(say: [text("half"), fail(class: rate_limit, retry_after_ms: 1)])],
                say: [text("I work."), call("bash", (command: "echo once >> ran")), call("read", (path: "ran")),
                    call("write", (path: "new", content: "x")), call("nosuch", ())],
            ),
            (say: [call("bash", (command: "echo once >> ran; seq 5000"))]),
            (say: [text("Done.")]),
        ])"#,
    )
    .await;
    let session = first.session(House::settings(Mode::Yolo)).await;
    let end = first.turn(session, "go").await;
    assert_eq!((end.state, end.failure), (State::Completed, None));
    let whole = fs::read(journal(first.home(), session)).unwrap();
    let ran = || fs::read_to_string(first.workspace().join("ran")).unwrap();
    assert_eq!(ran(), "once\nonce\n");
    let ends: Vec<usize> = whole
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n')
        .map(|(place, _)| place + 1)
        .collect();
    let lengths = ends.windows(2).flat_map(|pair| {
        let [from, to] = pair else { unreachable!() };
        [
            (*to, false),
            (*to - 1, true),
            (from + (to - from) / 2, true),
            (from + 1, true),
        ]
    });
    let lengths: Vec<_> = lengths.collect();
    assert!(lengths.len() >= 50, "{} lengths", lengths.len());
    let back = format!("(turns: [{}])", r#"(say: [text("back")]),"#.repeat(9));
    for (length, torn) in lengths {
        let home = copied(&first);
        fs::write(journal(home.path(), session), &whole[..length]).unwrap();
        // A process that died there had noted nothing of what came later. It may not have come to it here either.
        let noted = journal(home.path(), session)
            .with_extension("")
            .join("digests.jsonl");
        let _ = fs::remove_file(noted);
        let house = House::at(home, scripted(&back), Arc::new(SystemClock::default())).await;
        let notices = house
            .runtime()
            .open(session, opening(&house, House::settings(Mode::Yolo)))
            .await;
        let notices = notices.unwrap_or_else(|error| panic!("cut to {length} bytes: {error}"));
        assert_eq!(
            notices.len(),
            usize::from(torn),
            "cut to {length} bytes: {notices:?}"
        );
        let now = house.now(session);
        assert!(now.open_turn().is_none(), "cut to {length} bytes");
        assert!(
            calls(&now)
                .iter()
                .all(|call| call.state.is_terminal() && call.result.is_some())
        );
        let end = house.turn(session, "onward").await;
        assert_eq!(
            (end.state, end.failure, end.text.as_str()),
            (State::Completed, None, "back"),
            "{length} bytes"
        );
        assert_eq!(
            ran(),
            "once\nonce\n",
            "cut to {length} bytes: something ran twice"
        );
        house.close().await;
    }
    // Without its first line a file is no journal, and says so.
    for length in [0, 1, ends[0] / 2, ends[0] - 1] {
        let home = copied(&first);
        fs::write(journal(home.path(), session), &whole[..length]).unwrap();
        let archive = FileArchive::open(home.path().join("data")).unwrap();
        let error = archive.load(session, None).unwrap_err();
        assert!(
            !matches!(error, StoreError::Io { .. }),
            "cut to {length} bytes: {error}"
        );
        assert!(
            error.to_string().contains(".jsonl"),
            "cut to {length} bytes: {error}"
        );
        assert_eq!(
            archive
                .list()
                .unwrap()
                .iter()
                .filter(|row| row.damage.is_some())
                .count(),
            1
        );
    }
    first.close().await;
}

/// A second runtime on the records of a house.
async fn beside(house: &House, script: &str) -> Runtime {
    let archive = FileArchive::open(house.home().join("data")).unwrap();
    Runtime::start(ports(&archive, scripted(script))).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_has_one_owner_others_are_told_who_and_read_beside() {
    let house = House::of_script(&script(State::Executing)).await;
    let (session, _watch) = met(&house, State::Executing, House::settings(Mode::Yolo)).await;
    let other = beside(
        &house,
        r#"(turns: [(say: [text("mine")]), (say: [text("mine")])])"#,
    )
    .await;
    for runtime in [house.runtime(), &other] {
        let refused = runtime
            .open(session, opening(&house, House::settings(Mode::Yolo)))
            .await
            .unwrap_err();
        assert!(
            matches!(&refused, OperationError::Store(StoreError::Owned { .. })),
            "{refused}"
        );
        assert!(
            refused.to_string().contains(&std::process::id().to_string()),
            "it names the owner: {refused}"
        );
        assert_eq!(ExitCode::from(&refused), ExitCode::Failed);
    }
    // It reads what was written so far, and changes nothing.
    let snapshot = other.reader().snapshot(Viewer::owner());
    let seen = snapshot.session(session, None).unwrap();
    assert!(!seen.mounted && seen.scope.seq <= house.snapshot().session(session, None).unwrap().scope.seq);
    assert_eq!(
        seen.session().unwrap().open_turn().unwrap().state,
        State::Executing
    );
    assert!(
        other.prompt(session, "mine", None).await.is_err(),
        "it is not mounted there"
    );
    // Its own sessions are its own.
    let own = other
        .new_session(opening(&house, House::settings(Mode::Yolo)))
        .await
        .unwrap();
    let watch = other.watch(own).unwrap();
    other.prompt(own, "go", None).await.unwrap();
    assert_eq!(House::end_of_turn(watch).await.text, "mine");
    assert!(matches!(
        house
            .runtime()
            .open(own, opening(&house, House::settings(Mode::Yolo)))
            .await
            .unwrap_err(),
        OperationError::Store(StoreError::Owned { .. })
    ));
    other.give_up(own).await.unwrap();
    house
        .runtime()
        .open(own, opening(&house, House::settings(Mode::Yolo)))
        .await
        .unwrap();
    house.runtime().close(session).await.unwrap();
    other
        .open(session, opening(&house, House::settings(Mode::Yolo)))
        .await
        .unwrap();
    other.stop().await;
    let reader = Reader::new(None, Arc::new(house.archive().clone()));
    assert_eq!(reader.snapshot(Viewer::owner()).sessions().unwrap().len(), 2);
    house.close().await;
}

/// What could not be opened is not kept: it can be tried again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_could_not_be_opened_is_given_up() {
    let house = House::of_script(r#"(turns: [(say: [text("ok")])])"#).await;
    let session = house.session(House::settings(Mode::Yolo)).await;
    house.runtime().close(session).await.unwrap();
    let mut too_long = opening(&house, House::settings(Mode::Yolo));
    too_long.title = Some("x".repeat(2 << 20).into());
    let refused = house.runtime().open(session, too_long.clone()).await.unwrap_err();
    assert!(matches!(refused, OperationError::Refused(_)), "{refused}");
    house.runtime().new_session(too_long).await.unwrap_err();
    house
        .runtime()
        .open(session, opening(&house, House::settings(Mode::Yolo)))
        .await
        .unwrap();
    assert_eq!(house.turn(session, "go").await.text, "ok");
    house.close().await;
}

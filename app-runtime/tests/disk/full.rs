//! A disk that is full in the middle of a turn.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use glasswork_app_runtime::archive::{Archive as _, Record};
use glasswork_app_runtime::reading::Viewer;
use glasswork_app_runtime::runtime::OperationError;
use glasswork_app_runtime::watching::Update;
use glasswork_engine::{Commit, Refusal, ScopeId, Timestamp};
use glasswork_session_state::effect::Effect;
use glasswork_session_state::host_settings::Settings;
use glasswork_session_state::settings::{Layer, Sourced};
use glasswork_session_state::{Event, Glasswork, host};
use glasswork_testkit::house::{PATIENCE, scripted};
use glasswork_testkit::second::{plays, say};

use crate::support::{can_be_read, mounted, opening, rows, runtime, turn, until};

const TEST: &str = "full::a_disk_that_fills_in_the_middle_of_a_turn_stops_it_and_loses_nothing_that_was_told";

/// How much room is left when the disk is full, in bytes: so that it ends at another write each time.
const LEFT: [u64; 4] = [0, 4 << 10, 12 << 10, 60 << 10];

/// The first turn has the tool fill the disk but for `left` bytes, and say more than what is left.
fn script(left: u64) -> String {
    let fill = format!(
        "echo once >> ran-1; cat /dev/zero > ../data/ballast; truncate -s -{left} ../data/ballast; head -c 30000 \
         /dev/zero | tr '\\\\0' y"
    );
    let back = r#"(when: "onward", say: [text("back")], otherwise: [text("One needle.")]),"#;
    format!(
        r#"(turns: [{back} (say: [text("I fill it."), call("bash", (command: "{fill}"))]), {}])"#,
        back.repeat(40)
    )
}

async fn part(home: &Path) {
    let left: u64 = std::fs::read_to_string(home.join("left"))
        .unwrap()
        .parse()
        .unwrap();
    let ballast = home.join("data/ballast");
    let (runtime, archive, asked) = runtime(home, scripted(&script(left))).await;
    let before = runtime.new_session(opening(home)).await.unwrap();
    assert_eq!(turn(&runtime, before, "one").await, "One needle.");
    runtime.give_up(before).await.unwrap();
    let packed = Settings {
        pack_after: Sourced::from_layer(Some(0), Layer::User),
        ..Settings::default()
    };
    assert_eq!(archive.pack_old(&packed, Timestamp(1)).sessions, 1);
    let other = runtime.new_session(opening(home)).await.unwrap();
    let session = runtime.new_session(opening(home)).await.unwrap();
    assert_eq!(turn(&runtime, session, "one").await, "One needle.");

    // The tool fills the disk. Its result, or something soon after it, cannot be written.
    let mut watch = runtime.watch(session).unwrap();
    let mut told = runtime.prompt(session, "fill", None).await.unwrap().id.seq;
    let reason = loop {
        let update = until(&mut watch, |update| {
            matches!(update, Update::RecordingFailed { .. } | Update::TurnEnded { .. })
        })
        .await;
        match update {
            Update::RecordingFailed { reason } => break reason,
            _ => match runtime.prompt(session, &"More words. ".repeat(400), None).await {
                Ok(accepted) => told = accepted.id.seq,
                Err(OperationError::Refused(Refusal::JournalUnavailable { .. })) => {}
                Err(error) => panic!("{error}"),
            },
        }
    };
    assert!(
        reason.contains("No space left on device") && reason.contains("free some space"),
        "{reason}"
    );
    let sent = asked.load(Ordering::SeqCst);

    // What was told is there, and what was released is on record.
    let seen = runtime
        .reader()
        .snapshot(Viewer::owner())
        .session(session, None)
        .unwrap();
    let failure = seen.scope.journal_failure.clone();
    assert_eq!(failure.as_deref(), Some(&*reason));
    let kept = archive.load(session, None).unwrap().scope;
    assert!(kept.seq >= told, "{told} was told, {} is left", kept.seq);
    assert_eq!((kept.seq, &kept.state), (seen.scope.seq, &seen.scope.state));
    let requests = |sessions: &[ScopeId]| -> usize {
        let commits = sessions
            .iter()
            .flat_map(|id| archive.commits(*id, 1..=u64::MAX).unwrap());
        let effects = |commit: &Arc<Commit<Glasswork>>| {
            let effects = commit.effects.iter();
            effects
                .filter(|effect| matches!(effect, Effect::CallModel { .. }))
                .count()
        };
        commits.map(|commit| effects(&commit)).sum()
    };
    assert!(sent <= requests(&[before, session]), "{sent} requests were sent");

    // Full as it is, it can be read; what would write is refused, says why, and leaves nothing behind.
    assert_eq!(rows(&archive).len(), 3);
    can_be_read(&archive, before, "needle");
    for _ in 0..3 {
        let refused = runtime.prompt(session, "more", None).await.unwrap_err();
        assert!(
            matches!(
                &refused,
                OperationError::Refused(Refusal::JournalUnavailable { .. })
            ) && refused.to_string().contains("free some space"),
            "{refused}"
        );
    }
    // Whatever room was left is taken now: nothing at all can be written.
    fill(&ballast);
    for _ in 0..3 {
        let refused = runtime.new_session(opening(home)).await.unwrap_err().to_string();
        assert!(
            refused.contains("No space left on device") && refused.contains("free some space"),
            "{refused}"
        );
    }
    for _ in 0..3 {
        let refused = runtime.reopen(session).await.unwrap_err().to_string();
        assert!(refused.contains("free some space"), "{refused}");
    }
    can_be_read(&archive, session, "needle");
    // What is packed has to be unpacked before it goes on, for which there is no room either.
    let refused = runtime.mount(before).await.unwrap_err().to_string();
    assert!(refused.contains("free some space"), "{refused}");
    let left = std::fs::read_dir(archive.journal_of(before).unwrap().folder()).unwrap();
    let names = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(
        names.filter(|name| name.contains("new")).count(),
        0,
        "no draft takes room"
    );
    // Nor can the host's own record be written any more. Sessions are given up all the same.
    let host = || runtime.reader().snapshot(Viewer::owner()).host().unwrap();
    let fails = async || {
        while host().journal_failure.is_none() {
            fill(&ballast);
            runtime.take_from_trash(ScopeId::mint()).await.unwrap_err();
        }
    };
    fails().await;
    runtime.give_up(other).await.unwrap();
    assert_eq!(
        asked.load(Ordering::SeqCst),
        sent,
        "nothing was asked of the model meanwhile"
    );

    // Room again: the same process goes on, whatever it is asked first: to mount something, or to open again what is
    // well.
    let room = || {
        let file = std::fs::OpenOptions::new().write(true).open(&ballast);
        file.unwrap().set_len(0).unwrap();
    };
    room();
    runtime.mount(other).await.unwrap();
    assert_eq!(host().journal_failure, None);
    fails().await;
    room();
    runtime.reopen(other).await.unwrap();
    assert_eq!(host().journal_failure, None);
    fails().await;
    room();
    runtime.reopen(session).await.unwrap();
    let now = runtime
        .reader()
        .snapshot(Viewer::owner())
        .session(session, None)
        .unwrap();
    assert!(now.scope.seq >= kept.seq && now.scope.journal_failure.is_none());
    // What was under way is settled as after a crash.
    let mut watch = runtime.watch(session).unwrap();
    while watch.session().open_turn().is_some() {
        tokio::time::timeout(PATIENCE, watch.next()).await.unwrap();
    }
    assert_eq!(turn(&runtime, session, "onward").await, "back");
    let another = runtime.new_session(opening(home)).await.unwrap();
    assert_eq!(turn(&runtime, another, "onward").await, "back");
    runtime.mount(other).await.unwrap();
    assert_eq!(
        host().journal_failure,
        None,
        "what the process does is on record again"
    );
    let host = host().id;
    runtime.stop().await;
    let commits = archive.commits(host, 1..=u64::MAX).unwrap();
    let mounted = Event::Host(host::Event::Mounted(another));
    assert!(commits.iter().any(|commit| commit.event == mounted));
    assert!(asked.load(Ordering::SeqCst) <= requests(&[before, session, another]));
    assert_eq!(
        rows(&archive).len(),
        4,
        "of what could not be begun nothing stays"
    );
    for session in [before, session, another] {
        let replayed = archive.replay(&Record::Session(session), None).unwrap();
        assert_eq!(replayed.differences, []);
        assert_eq!(replayed.loaded.scope, archive.load(session, None).unwrap().scope);
    }
    assert_eq!(
        std::fs::read_to_string(home.join("work/ran-1")).unwrap(),
        "once\n"
    );
    let month = std::fs::read_dir(archive.journal_of(session).unwrap().path().parent().unwrap()).unwrap();
    assert_eq!(month.count(), 8, "four journals, each with its folder");
    say("through");
}

/// Takes all the room that is left.
fn fill(ballast: &Path) {
    use std::io::Write as _;
    let mut file = std::fs::OpenOptions::new().append(true).open(ballast).unwrap();
    while file.write_all(&[0; 512]).is_ok() {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_in_the_middle_of_a_turn_stops_it_and_loses_nothing_that_was_told() {
    if plays("full", part).await {
        return;
    }
    for left in LEFT {
        let home = tempfile::tempdir().unwrap();
        for folder in ["data", "work"] {
            std::fs::create_dir(home.path().join(folder)).unwrap();
        }
        std::fs::write(home.path().join("left"), left.to_string()).unwrap();
        let mounts = r#"mount -t tmpfs -o size=4m none "$HOME_OF_TEST/data""#;
        let Some(said) = mounted(TEST, "full", home.path(), mounts).await else {
            return;
        };
        assert_eq!(said.lines, ["through"], "with {left} bytes left");
    }
}

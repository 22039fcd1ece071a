//! Sessions are mounted when somebody needs them, once, and no longer than that.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that meets what it did not expect shall stop there"
)]

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use glasswork_agent_core::turn::State;
use glasswork_app_runtime::archive::{Archive, ArchivedSession, Vault};
use glasswork_app_runtime::files::FileArchive;
use glasswork_app_runtime::reading::Viewer;
use glasswork_app_runtime::retention::{Plan, drops, plan};
use glasswork_app_runtime::runtime::{Opening, OperationError, Runtime};
use glasswork_app_runtime::watching::Watch;
use glasswork_engine::journal::{Appended, Journal, Line, Report, Reporter};
use glasswork_engine::{FeedItem, Refusal, ScopeId, Timestamp, UnmountError, VirtualClock};
use glasswork_session_state::host;
use glasswork_session_state::host_settings::Settings;
use glasswork_session_state::settings::{Layer, Mode, Setting, Sourced};
use glasswork_session_state::{Event, Glasswork};
use glasswork_testkit::house::{House, TurnEnd, ports, scripted};

const REST_AFTER: Duration = Duration::from_secs(900);
const SCRIPT: &str = r#"(turns: [(say: [text("one")]), (say: [text("two")]), (say: [text("three")])])"#;

fn steps(count: u32) -> Setting {
    Setting::MaxSteps(Sourced::from_layer(count, Layer::Session))
}

fn is_mounted(house: &House, session: ScopeId) -> bool {
    house.snapshot().session(session, None).unwrap().mounted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_for_a_session_that_is_not_mounted_has_it_mounted_and_two_share_one_mounting() {
    let house = House::of_script(SCRIPT).await;
    let session = house.session(House::settings(Mode::Yolo)).await;
    house.turn(session, "1").await;
    let runtime = house.runtime();
    for round in 1..=20 {
        runtime.give_up(session).await.unwrap();
        assert!(!is_mounted(&house, session));
        let (first, second, third) = tokio::join!(
            runtime.set(session, steps(round)),
            runtime.set(session, steps(round + 1)),
            runtime.mount(session),
        );
        let mut seqs = [first.unwrap().id.seq, second.unwrap().id.seq];
        seqs.sort_unstable();
        assert_eq!(seqs[0] + 1, seqs[1]);
        assert_eq!(third.unwrap(), [] as [String; 0]);
        let seen = house.snapshot().session(session, None).unwrap();
        assert_eq!((seen.mounted, seen.scope.epoch), (true, round + 1), "opened once");
    }
    // The conversation goes on where it was.
    runtime.give_up(session).await.unwrap();
    runtime.mount(session).await.unwrap();
    let end = house.turn(session, "2").await;
    assert_eq!((end.state, end.text.as_str()), (State::Completed, "two"));
    // Of what is given up nothing is remembered.
    assert!(house.archive().held(session).is_some());
    runtime.give_up(session).await.unwrap();
    assert_eq!(house.archive().held(session), None);
    runtime.mount(session).await.unwrap();
    // What is not there is not made.
    let unknown = runtime
        .prompt(ScopeId::from_u128(5), "x", None)
        .await
        .unwrap_err();
    assert!(matches!(unknown, OperationError::Store(_)), "{unknown}");
    house.close().await;
}

/// Waits for something until it has been looked at so often, and then not any more. Whether it was done by then.
async fn looked_at(times: usize, work: impl Future) -> bool {
    let mut work = pin!(work);
    let mut looked = 0;
    poll_fn(|context| {
        looked += 1;
        match work.as_mut().poll(context) {
            Poll::Ready(_) => Poll::Ready(true),
            Poll::Pending if looked >= times => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Gives a session up, as soon as all that was said in it is written.
async fn given_up(runtime: &Runtime, session: ScopeId) {
    while let Err(busy) = runtime.give_up(session).await {
        let is_busy = matches!(&busy, OperationError::Unmount(UnmountError::Busy(..)));
        assert!(is_busy, "{busy}");
        tokio::task::yield_now().await;
    }
}

/// A connection that ends, or a prompt that is taken back, drops what was asked for wherever it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_wait_any_more_leaves_a_session_that_the_next_one_can_have() {
    type Asked<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;
    let house = House::of_script(SCRIPT).await;
    let runtime = house.runtime();
    let host = runtime.host_id();
    let mut host = runtime.reader().follow(&Viewer::owner(), host, None).unwrap();
    let session = house.session(House::settings(Mode::Yolo)).await;
    let opening = || Opening {
        workspace: house.workspace(),
        settings: House::settings(Mode::Yolo),
        title: None,
        servers: vec![],
    };
    let mounts = || -> Asked<'_> { Box::pin(async { drop(runtime.mount(session).await) }) };
    let opens = || -> Asked<'_> { Box::pin(async { drop(runtime.open(session, opening()).await) }) };
    let gives_up = || -> Asked<'_> { Box::pin(given_up(runtime, session)) };
    type Ask<'a> = &'a dyn Fn() -> Asked<'a>;
    let asked: [(&str, bool, Ask<'_>); 3] = [
        ("mount", false, &mounts),
        ("open", false, &opens),
        ("give up", true, &gives_up),
    ];
    for (name, is_there, ask) in asked {
        for times in 1.. {
            if !is_there {
                given_up(runtime, session).await;
            }
            let done = looked_at(times, ask()).await;
            let next = runtime.mount(session).await;
            next.unwrap_or_else(|error| panic!("{name}, looked at {times} times: {error}"));
            if done {
                assert!(times > 1, "{name} had nothing to wait for");
                break;
            }
        }
    }
    // Each mounting is on record, and each end of one.
    let mut is_mounted = false;
    while let Some(FeedItem::Commit(commit)) = host.follower.try_next() {
        let now = match commit.event {
            Event::Host(host::Event::Mounted(of)) if of == session => true,
            Event::Host(host::Event::Unmounted(of)) if of == session => false,
            _ => continue,
        };
        assert_ne!(now, is_mounted, "commit {}", commit.id);
        is_mounted = now;
    }
    assert!(is_mounted);
    house.close().await;
}

/// The sessions that the host says were unmounted, one after the other.
async fn unmounted(host: &mut glasswork_engine::Following<Glasswork>) -> ScopeId {
    loop {
        match host.follower.next().await {
            FeedItem::Commit(commit) => {
                if let Event::Host(host::Event::Unmounted(session)) = commit.event {
                    return session;
                }
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_at_rest_is_unmounted_unless_somebody_looks_at_it() {
    let clock = VirtualClock::at(Timestamp(1_795_236_311_000_000));
    let house = House::with(scripted(SCRIPT), Arc::new(clock.clone())).await;
    let host = house.snapshot().host().unwrap().id;
    let runtime = house.runtime();
    let mut host = runtime.reader().follow(&Viewer::owner(), host, None).unwrap();
    let resting = house.session(House::settings(Mode::Ask)).await;
    let watched = house.session(House::settings(Mode::Ask)).await;
    let watch: Watch = runtime.watch(watched).unwrap();
    runtime.unmount_after(REST_AFTER).unwrap();
    clock.advance(REST_AFTER / 2);
    // Something happens in it, and it rests from then on.
    let later = house.session(House::settings(Mode::Ask)).await;
    clock.advance(REST_AFTER / 2 + Duration::from_secs(1));
    assert_eq!(unmounted(&mut host).await, resting);
    assert!(is_mounted(&house, watched) && is_mounted(&house, later));
    clock.advance(REST_AFTER / 2);
    assert_eq!(unmounted(&mut host).await, later);
    // A clock that jumps ahead makes nothing rest.
    runtime.mount(resting).await.unwrap();
    clock.set_wall(Timestamp(1_895_236_311_000_000));
    drop(watch);
    clock.advance(REST_AFTER / 4);
    assert_eq!(unmounted(&mut host).await, watched);
    assert!(is_mounted(&house, resting));
    house.close().await;
}

/// Every program that starts asks what is to be packed. Where that can be nothing, the index is not even opened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_too_little_lies_here_to_be_packed_nobody_looks_into_the_index() {
    let house = House::of_script(SCRIPT).await;
    for _ in 0..2 {
        house.session(House::settings(Mode::Ask)).await;
    }
    let home = house.close().await;
    let archive = FileArchive::open(home.path().join("data")).unwrap();
    let index = archive.index().file().to_owned();
    let pack = |after| {
        let _ = std::fs::remove_file(&index);
        let settings = Settings {
            pack_after: Sourced::from_layer(after, Layer::User),
            ..Settings::default()
        };
        let packed = archive.pack_old(&settings, Timestamp(1_795_236_311_000_000));
        (packed.sessions, index.exists())
    };
    assert_eq!(pack(None), (0, false));
    assert_eq!(pack(Some(2)), (0, false));
    assert_eq!(pack(Some(1)), (1, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_has_used_for_long_is_packed_and_goes_on_when_it_is_used() {
    let house = House::of_script(SCRIPT).await;
    let mut sessions = Vec::new();
    for _ in 0..4 {
        let session = house.session(House::settings(Mode::Ask)).await;
        house.turn(session, "1").await;
        sessions.push(session);
    }
    // The first is used last, the second is open.
    let runtime = house.runtime();
    runtime.set(sessions[0], steps(5)).await.unwrap();
    for session in [0, 2, 3] {
        runtime.give_up(sessions[session]).await.unwrap();
    }
    let settings = |pack_after| Settings {
        pack_after: Sourced::from_layer(pack_after, Layer::User),
        ..Settings::default()
    };
    let now = Timestamp(1_795_236_311_000_000);
    let archive = house.archive();
    assert_eq!(archive.pack_old(&settings(None), now).sessions, 0);
    assert_eq!(archive.pack_old(&settings(Some(4)), now).sessions, 0);
    let before = archive.list().unwrap();
    let kept = archive.pack_old(&settings(Some(1)), now);
    // All but the one that was used last, and the one that is open.
    assert_eq!(kept.sessions, 2);
    assert!(kept.freed > 0);
    assert_eq!(archive.pack_old(&settings(Some(1)), now).sessions, 0, "once");
    let sizes = archive.sizes().unwrap();
    assert_eq!((sizes.packed_count, sizes.journal_count), (2, 2));
    assert!(
        sizes.packed > 0 && sizes.journals > 0 && sizes.traces > 0 && sizes.hosts > 0,
        "{sizes:?}"
    );
    let after = archive.list().unwrap();
    // Of the one that is open the list hears a moment later.
    let pairs = before.iter().zip(&after);
    for (one, other) in pairs.filter(|(one, _)| one.id != sessions[1]) {
        assert_eq!(
            (one.id, one.seq, &one.first_words),
            (other.id, other.seq, &other.first_words)
        );
    }
    let end = {
        runtime.mount(sessions[3]).await.unwrap();
        house.turn(sessions[3], "2").await
    };
    assert_eq!((end.state, end.text.as_str()), (State::Completed, "two"));
    assert_eq!(archive.sizes().unwrap().packed_count, 1);
    house.close().await;
}

#[test]
fn what_is_too_many_too_old_or_too_much_goes_and_what_is_pinned_stays() {
    let day = 24 * 60 * 60 * 1_000_000;
    let now = Timestamp(100 * day);
    // Five of 1 MiB, the newest first, one for each day before; the fourth is pinned.
    let rows: Vec<ArchivedSession> = (1..=5)
        .map(|number| ArchivedSession {
            updated: Some(Timestamp(now.0 - i64::from(number) * day)),
            bytes: 1 << 20,
            pinned: number == 4,
            ..ArchivedSession::bare(ScopeId::from_u128(number as u128))
        })
        .collect();
    let check = |settings: Settings, dropped: &[u128], packed: &[u128]| {
        let ids = |numbers: &[u128]| {
            numbers
                .iter()
                .map(|number| ScopeId::from_u128(*number))
                .collect::<Vec<_>>()
        };
        let expected = Plan {
            drop: ids(dropped),
            pack: ids(packed),
        };
        assert_eq!(plan(&rows, &settings, now), expected);
    };
    let set = |value: u32| Sourced::from_layer(Some(value), Layer::User);
    let keeps = Settings {
        pack_after: Sourced::default_of(None),
        ..Settings::default()
    };
    check(keeps.clone(), &[], &[]);
    check(
        Settings {
            pack_after: set(2),
            ..keeps.clone()
        },
        &[],
        &[3, 4, 5],
    );
    check(
        Settings {
            keep_sessions: set(2),
            ..keeps.clone()
        },
        &[3, 5],
        &[],
    );
    check(
        Settings {
            keep_days: set(1),
            ..keeps.clone()
        },
        &[2, 3, 5],
        &[],
    );
    check(
        Settings {
            keep_mib: set(3),
            ..keeps.clone()
        },
        &[5],
        &[],
    );
    check(
        Settings {
            keep_mib: set(1),
            pack_after: set(1),
            ..keeps.clone()
        },
        &[2, 3, 5],
        &[4],
    );
    // What goes makes room for what is older, and what cannot be read is left for people, and counts for nothing.
    let row = |number: i64, mib: u64| ArchivedSession {
        updated: Some(Timestamp(now.0 - number * day)),
        bytes: mib << 20,
        ..ArchivedSession::bare(ScopeId::from_u128(number as u128))
    };
    let damaged = ArchivedSession {
        damage: Some("torn".to_owned()),
        ..row(1, 9)
    };
    let rows = [damaged, row(2, 1), row(3, 5), row(4, 1), row(5, 1)];
    let room = Settings {
        keep_mib: set(3),
        ..keeps.clone()
    };
    assert_eq!(plan(&rows, &room, now).drop, [ScopeId::from_u128(3)]);
    // Each of the three puts something away; packing alone does not.
    let few = Settings {
        keep_sessions: set(1),
        ..keeps.clone()
    };
    let young = Settings {
        keep_days: set(1),
        ..keeps.clone()
    };
    assert!([few, young, room].iter().all(drops));
    assert!(!drops(&Settings {
        pack_after: set(1),
        ..keeps
    }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_state_was_is_noted_at_rest_alone() {
    let talk = r#"(turns: [
        (say: [text("one"), call("bash", (command: "echo a")), call("bash", (command: "echo b"))]),
        (say: [text("two")]),
    ])"#;
    let house = House::of_script(talk).await;
    let session = house.session(House::settings(Mode::Yolo)).await;
    house.turn(session, "1").await;
    // It is noted behind the journal, and of a session that is given up before that, not at all.
    house.settle();
    house.runtime().give_up(session).await.unwrap();
    let noted = house
        .archive()
        .journal_of(session)
        .unwrap()
        .folder()
        .join("digests.jsonl");
    let noted = std::fs::read_to_string(noted).unwrap();
    let seqs = noted.lines().map(|line| -> u64 {
        let rest = line.strip_prefix("{\"seq\":").unwrap();
        rest.split(',').next().unwrap().parse().unwrap()
    });
    let mut count = 0;
    for seq in seqs {
        let then = house.archive().load(session, Some(seq)).unwrap().scope;
        assert!(then.open.is_empty(), "as of {seq}: {:?}", then.open);
        count += 1;
    }
    assert!(count > 0);
    house.close().await;
}

/// A journal whose disk fails while somebody says so.
struct Failing {
    inner: Box<dyn Journal>,
    fails: Arc<AtomicBool>,
    reporter: Mutex<Option<Reporter>>,
}

impl Journal for Failing {
    fn start(&mut self, reporter: Reporter) {
        *self.reporter.lock().unwrap() = Some(reporter.clone());
        self.inner.start(reporter);
    }

    fn append(&mut self, line: Line) -> Appended {
        if self.fails.load(Ordering::SeqCst) {
            let (scope, reason) = (line.scope, "the disk is gone".into());
            let reporter = self.reporter.lock().unwrap();
            reporter
                .as_ref()
                .unwrap()
                .report(Report::Failed { scope, reason });
            return Appended::Later;
        }
        self.inner.append(line)
    }

    fn unmounted(&mut self, scope: ScopeId) {
        self.inner.unmounted(scope);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_whose_disk_failed_goes_on_once_the_disk_is_well() {
    let home = tempfile::tempdir().unwrap();
    let archive = FileArchive::open(home.path().join("data")).unwrap();
    let fails = Arc::new(AtomicBool::new(false));
    let mut ports = ports(&archive, scripted(SCRIPT));
    ports.journal = Box::new(Failing {
        inner: ports.journal,
        fails: Arc::clone(&fails),
        reporter: Mutex::default(),
    });
    let runtime = Runtime::start(ports).await.unwrap();
    let opening = Opening {
        workspace: home.path().to_owned(),
        settings: House::settings(Mode::Ask),
        title: None,
        servers: vec![],
    };
    let session = runtime.new_session(opening).await.unwrap();
    fails.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        let refused = runtime.prompt(session, "1", None).await.unwrap_err();
        assert!(
            matches!(&refused, OperationError::Refused(Refusal::JournalUnavailable { reason, .. }) if &**reason == "the disk is gone"),
            "{refused}"
        );
    }
    fails.store(false, Ordering::SeqCst);
    assert_eq!(runtime.reopen(session).await.unwrap(), [] as [String; 0]);
    let watch = runtime.watch(session).unwrap();
    runtime.prompt(session, "1", None).await.unwrap();
    let end: TurnEnd = House::end_of_turn(watch).await;
    assert_eq!((end.state, end.text.as_str()), (State::Completed, "one"));
    // Of one that is well nothing is unmounted.
    runtime.reopen(session).await.unwrap();
    let seq = runtime.set(session, steps(3)).await.unwrap().id.seq;
    runtime.stop().await;
    let loaded = archive.load(session, None).unwrap();
    assert_eq!((loaded.scope.seq, loaded.scope.epoch), (seq, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_session_that_could_not_be_begun_nothing_stays() {
    let house = House::of_script(SCRIPT).await;
    let opening = |title: Option<&str>| Opening {
        workspace: house.workspace(),
        settings: House::settings(Mode::Ask),
        title: title.map(Into::into),
        servers: vec![],
    };
    let begun = house.runtime().new_session(opening(Some("fits"))).await.unwrap();
    // No line of a journal holds this.
    let endless = "x".repeat(2 << 20);
    let refused = house.runtime().new_session(opening(Some(&endless))).await;
    refused.unwrap_err();
    let listed: Vec<ScopeId> = house.archive().list().unwrap().iter().map(|row| row.id).collect();
    assert_eq!(listed, [begun]);
    // A year, a month in it, and there a journal and its folder.
    let below = |folders: Vec<std::path::PathBuf>| -> Vec<_> {
        let entries = folders
            .into_iter()
            .flat_map(|folder| std::fs::read_dir(folder).unwrap());
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    let left = below(below(below(vec![house.home().join("data/sessions")])));
    assert_eq!(left.len(), 2, "{left:?}");
    // And one in which something was committed stays, whoever discards it.
    house.runtime().give_up(begun).await.unwrap();
    let (vault, _journal, _trace) = house.archive().writing().unwrap();
    vault.discard(begun);
    assert_eq!(house.archive().list().unwrap().len(), 1);
    house.close().await;
}

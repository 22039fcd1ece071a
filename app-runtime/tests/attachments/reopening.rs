//! Clients have turns begin in sessions of the past.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use glasswork_agent_core::session::State;
use glasswork_app_runtime::attachments::{AttachError, Attachments, Delivery, Limits};
use glasswork_app_runtime::reading::Viewer;
use glasswork_app_runtime::runtime::{Opening, OperationError, Runtime};
use glasswork_app_runtime::sagas::ForkAt;
use glasswork_app_runtime::watching::Watch;
use glasswork_engine::{Cursor, FeedItem, Refusal, ScopeId, Timestamp, VirtualClock};
use glasswork_session_state::clients::Role;
use glasswork_session_state::rejection::Rejection;
use glasswork_session_state::settings::{Layer, Mode, Setting, Sourced};
use glasswork_session_state::{Event, host, session};
use glasswork_testkit::house::{House, PATIENCE, ports, scripted};

use crate::queue::until_line;
use crate::{asked, next};

const SCRIPT: &str = r#"(turns: [(say: [text("one")]), (say: [text("two")]), (say: [text("three")]), (say: [text("four")]), (say: [text("five")])])"#;

/// What is set now; how often that was asked for is counted.
fn opens(house: &House, hub: &Attachments) -> (Arc<Mutex<Result<Opening, String>>>, Arc<AtomicUsize>) {
    let opening = Arc::new(Mutex::new(Ok(Opening {
        workspace: house.workspace(),
        settings: House::settings(Mode::Plan),
        title: None,
        servers: vec![],
    })));
    let asked = Arc::new(AtomicUsize::new(0));
    let (gives, counts) = (Arc::clone(&opening), Arc::clone(&asked));
    hub.open_with(Arc::new(move |_| {
        counts.fetch_add(1, Ordering::Relaxed);
        gives.lock().unwrap().clone()
    }));
    (opening, asked)
}

/// How often a session was entered, by its record.
fn openings(house: &House, id: ScopeId) -> usize {
    let last = house.snapshot().session(id, None).unwrap().scope.seq;
    let commits = house.snapshot().commits(id, 1, last).unwrap();
    let opened = commits
        .iter()
        .filter(|commit| matches!(commit.event, Event::Session(session::Event::Opened { .. })));
    opened.count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_session_is_looked_at_as_it_is_and_opened_by_the_first_prompt() {
    let house = House::of_script(SCRIPT).await;
    let id = house.session(House::settings(Mode::Yolo)).await;
    house.turn(id, "1").await;
    house.runtime().close(id).await.unwrap();
    let closed = house.snapshot().session(id, None).unwrap().scope.seq;
    let hub = Attachments::new(house.shared(), Limits::default());
    let connection = hub.connect().unwrap();
    let join = async |name: &str| {
        let asked = asked(id, name, Role::Controller, None);
        connection.attach(asked).await.unwrap()
    };
    let (attachment, updates) = join("one").await;
    // Where nobody says how, it stays closed.
    let refused = attachment.prompt("2", None, &mut |_| {}).await;
    match refused {
        Err(AttachError::Operation(OperationError::Refused(Refusal::Rejected {
            rejection: Rejection::Transition(_),
            ..
        }))) => {}
        other => panic!("{other:?}"),
    }
    let (opening, asked) = opens(&house, &hub);
    let ready = std::mem::replace(
        &mut *opening.lock().unwrap(),
        Err("no model can be asked".to_owned()),
    );
    let refused = attachment.prompt("2", None, &mut |_| {}).await;
    match &refused {
        Err(AttachError::NotOpened(why)) => assert_eq!(why, "no model can be asked"),
        other => panic!("{other:?}"),
    }
    // Looking changes nothing, nor does what is refused.
    assert_eq!((house.now(id).state, updates.base().seq), (State::Closed, closed));
    assert_eq!(house.snapshot().session(id, None).unwrap().scope.seq, closed);
    *opening.lock().unwrap() = ready;
    asked.store(0, Ordering::Relaxed);
    // Two at once: it is opened once, and one of the two begins a turn at least.
    let (other, _) = join("two").await;
    let watch = house.runtime().watch(id).unwrap();
    let (mut hears, mut other_hears) = (|_| {}, |_| {});
    let (first, second) = tokio::join!(
        attachment.prompt("2", None, &mut hears),
        other.prompt("2", None, &mut other_hears)
    );
    assert!(first.is_ok() || second.is_ok(), "{first:?} {second:?}");
    assert_eq!(House::end_of_turn(watch).await.text, "two");
    assert_eq!(openings(&house, id), 2);
    let now = house.now(id);
    assert_eq!(
        (now.state, now.settings.mode.value),
        (State::Idle, Mode::Plan),
        "what is set now holds"
    );
    // Whoever looked on since before that has heard all of it.
    let mut updates = updates;
    let last = house.snapshot().session(id, None).unwrap().scope.seq;
    for seq in closed + 1..=last {
        match next(&mut updates).await {
            Delivery::Commit { seq: came, .. } => assert_eq!(came, seq),
            other => panic!("{other:?}"),
        }
    }
    tokio::time::timeout(PATIENCE, hub.at_rest()).await.unwrap();
    // The owner's prompts open it as well.
    house.runtime().close(id).await.unwrap();
    hub.prompt(id, "3", None).await.unwrap();
    tokio::time::timeout(PATIENCE, hub.at_rest()).await.unwrap();
    assert_eq!((house.now(id).state, openings(&house, id)), (State::Idle, 3));
    // Closed with all that was made from it, it is put down, and not forgotten; the prompt opens it all the same.
    house.runtime().close_tree(id).await.unwrap();
    hub.prompt(id, "4", None).await.unwrap();
    tokio::time::timeout(PATIENCE, hub.at_rest()).await.unwrap();
    assert_eq!((house.now(id).state, openings(&house, id)), (State::Idle, 4));
    // A fork goes on with what is set in it, which was set here.
    let mode = Setting::Mode(Sourced::from_layer(Mode::AcceptEdits, Layer::Session));
    house.runtime().set(id, mode).await.unwrap();
    let before = asked.load(Ordering::Relaxed);
    let fork = house.runtime().fork(id, ForkAt::Head).await.unwrap();
    drop(hub.prompt(fork, "5", None).await);
    assert_eq!(
        (house.now(fork).settings.mode.value, asked.load(Ordering::Relaxed)),
        (Mode::AcceptEdits, before + 1)
    );
    tokio::time::timeout(PATIENCE, hub.at_rest()).await.unwrap();
    connection.leave().await;
    drop((attachment, other, updates, connection, hub));
    house.close().await;
}

const REST_AFTER: Duration = Duration::from_secs(900);

async fn unmounted(host: &mut glasswork_engine::Following<glasswork_session_state::Glasswork>) -> ScopeId {
    loop {
        match tokio::time::timeout(PATIENCE, host.follower.next())
            .await
            .unwrap()
        {
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
async fn a_session_that_was_put_down_because_nobody_needed_it_is_the_same_for_who_comes_back() {
    let clock = VirtualClock::at(Timestamp(1_795_236_311_000_000));
    let house = House::with(scripted(SCRIPT), Arc::new(clock.clone())).await;
    let id = house.session(House::settings(Mode::Yolo)).await;
    let hub = Attachments::new(house.shared(), Limits::default());
    let (_, opened) = opens(&house, &hub);
    let of_host = house.runtime().host_id();
    let mut host = house
        .runtime()
        .reader()
        .follow(&Viewer::owner(), of_host, None)
        .unwrap();
    house.runtime().unmount_after(REST_AFTER).unwrap();
    let mut seen = None;
    let mut shown = None;
    for text in ["one", "two", "three"] {
        let connection = hub.connect().unwrap();
        let (attachment, mut updates) = connection
            .attach(asked(id, "one", Role::Controller, seen))
            .await
            .unwrap();
        if let Some((base, cursor)) = shown.take() {
            // Another opening of the record, with the same in it.
            let base: glasswork_app_runtime::attachments::Base = base;
            let cursor: Cursor = cursor;
            match next(&mut updates).await {
                Delivery::Resync { base: again } => assert_eq!(
                    *again,
                    glasswork_app_runtime::attachments::Base {
                        epoch: cursor.epoch + 1,
                        ..base
                    }
                ),
                other => panic!("{other:?}"),
            }
        }
        let watch = house.runtime().watch(id).unwrap();
        attachment.prompt(text, None, &mut |_| {}).await.unwrap();
        assert_eq!(House::end_of_turn(watch).await.text, text);
        // Then nobody watches the turn any more, either.
        until_line(&house, |running, _| running.is_empty()).await;
        let last = house.snapshot().session(id, None).unwrap().scope.seq;
        while updates.cursor().seq < last {
            next(&mut updates).await;
        }
        seen = Some(updates.cursor());
        shown = Some((updates.base(), updates.cursor()));
        connection.leave().await;
        drop((attachment, updates, connection));
        clock.advance(REST_AFTER + Duration::from_secs(1));
        assert_eq!(unmounted(&mut host).await, id);
        assert!(!house.snapshot().session(id, None).unwrap().mounted);
        // What was set when it was opened is set still, unless another process had it in between.
        assert_eq!(opened.load(Ordering::Relaxed), 0, "after {text}");
    }
    let elsewhere = Runtime::start(ports(house.archive(), scripted(SCRIPT)))
        .await
        .unwrap();
    elsewhere.mount(id).await.unwrap();
    elsewhere.give_up(id).await.unwrap();
    elsewhere.stop().await;
    hub.prompt(id, "four", None).await.unwrap();
    tokio::time::timeout(PATIENCE, hub.at_rest()).await.unwrap();
    assert_eq!(opened.load(Ordering::Relaxed), 1);
    assert_eq!(house.now(id).settings.mode.value, Mode::Plan);
    // And whoever gives it up leaves it to the next one to say what is set.
    house.runtime().give_up(id).await.unwrap();
    drop(hub.prompt(id, "five", None).await);
    assert_eq!(opened.load(Ordering::Relaxed), 2);
    tokio::time::timeout(PATIENCE, hub.at_rest()).await.unwrap();
    drop((host, hub));
    house.close().await;
}

/// Nobody looks at it, and nothing happens in it; but what its turn needs shall still be there when that begins.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_whose_turn_waits_for_its_place_is_not_put_down() {
    let clock = VirtualClock::at(Timestamp(1_795_236_311_000_000));
    let asks = r#"(turns: [(say: [call("bash", (command: "true"))])])"#;
    let house = House::with(scripted(asks), Arc::new(clock.clone())).await;
    let mut sessions = Vec::new();
    // They are looked at in this order.
    for _ in 0..3 {
        sessions.push(house.session(House::settings(Mode::Ask)).await);
    }
    let [busy, waiting, resting] = sessions[..] else {
        unreachable!()
    };
    let limits = Limits {
        turns: 1,
        ..Limits::default()
    };
    let hub = Attachments::new(house.shared(), limits);
    let mut watch = house.runtime().watch(busy).unwrap();
    hub.prompt(busy, "go", None).await.unwrap();
    // Then it waits for a person, and for nothing that has less time than the session that rests.
    let asks = |watch: &Watch| {
        watch
            .session()
            .batch()
            .any(|(_, call)| call.state.awaits_person())
    };
    while !asks(&watch) {
        tokio::time::timeout(PATIENCE, watch.next()).await.unwrap();
    }
    let own = Arc::clone(&hub);
    let said = tokio::spawn(async move { own.prompt(waiting, "go", None).await.map(drop) });
    until_line(&house, |_, line| line == [waiting]).await;
    let of_host = house.runtime().host_id();
    let following = house.runtime().reader().follow(&Viewer::owner(), of_host, None);
    let mut host = following.unwrap();
    house.runtime().unmount_after(REST_AFTER).unwrap();
    clock.advance(REST_AFTER + Duration::from_secs(1));
    assert_eq!(unmounted(&mut host).await, resting);
    assert!(house.snapshot().session(waiting, None).unwrap().mounted);
    hub.cancel(busy).await.unwrap();
    tokio::time::timeout(PATIENCE, said)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    hub.cancel(waiting).await.unwrap();
    tokio::time::timeout(PATIENCE, hub.at_rest()).await.unwrap();
    until_line(&house, |running, _| running.is_empty()).await;
    drop((host, watch, hub));
    house.close().await;
}

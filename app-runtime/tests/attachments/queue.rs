//! More turns are asked for than may run.

use std::sync::Arc;

use glasswork_app_runtime::attachments::{AttachError, Attachments, Limits};
use glasswork_app_runtime::reading::Viewer;
use glasswork_engine::ScopeId;
use glasswork_session_state::clients::Role;
use glasswork_session_state::clients::places::{self, Place};
use glasswork_session_state::settings::Mode;
use glasswork_session_state::state::Scope;
use glasswork_testkit::house::{House, PATIENCE};
use im::OrdMap;

use crate::{SCRIPT, asked, asked_about, two};

/// The sessions whose turns run, those whose turns wait, and how many may, by the host's record.
pub(crate) fn line(house: &House) -> (Vec<ScopeId>, Vec<ScopeId>, places::Limits) {
    let host = house.snapshot().host().unwrap();
    let Scope::Host(host) = &host.state else {
        panic!("the host is one")
    };
    let sessions = |places: &OrdMap<u64, Place>| places.values().map(|place| place.session).collect();
    let places = &host.places;
    (
        sessions(&places.running),
        sessions(&places.waiting),
        places.limits,
    )
}

/// Waits until the line is so.
pub(crate) async fn until_line(house: &House, is: impl Fn(&[ScopeId], &[ScopeId]) -> bool) {
    let host = house.runtime().host_id();
    let following = house.runtime().reader().follow(&Viewer::owner(), host, None);
    let mut follower = following.unwrap().follower;
    loop {
        let (running, waiting, _) = line(house);
        if is(&running, &waiting) {
            return;
        }
        let moved = tokio::time::timeout(PATIENCE, follower.next()).await;
        moved.unwrap_or_else(|_| panic!("it stays {running:?} and {waiting:?}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prompt_beyond_the_limit_of_turns_is_told_its_place_and_has_its_turn_when_another_ends() {
    let house = House::of_script(SCRIPT).await;
    let mut sessions = Vec::new();
    for _ in 0..3 {
        sessions.push(house.session(House::settings(Mode::Ask)).await);
    }
    let limits = Limits {
        turns: 1,
        waiting: 2,
        connections: 4,
        sessions: 3,
    };
    let mut one = two(&house, sessions[0], limits).await;
    let hub = Arc::clone(&one.hub);
    one.first.1.prompt("go", None, &mut |_| {}).await.unwrap();
    let call = asked_about(&mut one.first.2).await;
    let fourth = hub.connect().unwrap();
    assert!(matches!(hub.connect(), Err(AttachError::TooManyConnections(4))));
    let (told, mut places) = tokio::sync::mpsc::unbounded_channel();
    let mut waiting = Vec::new();
    for session in &sessions[1..] {
        let (attachment, _) = fourth
            .attach(asked(*session, "four", Role::Controller, None))
            .await
            .unwrap();
        let (told, of) = (told.clone(), *session);
        waiting.push(tokio::spawn(async move {
            let mut hear = |place| {
                // Whoever does not listen any more has seen enough.
                let _ = told.send((of, place));
            };
            let done = attachment.prompt("go", None, &mut hear).await;
            done.map(drop)
        }));
        let place = tokio::time::timeout(PATIENCE, places.recv()).await.unwrap();
        assert_eq!(place, Some((*session, waiting.len())));
    }
    let (attachment, _) = fourth
        .attach(asked(sessions[1], "four", Role::Controller, None))
        .await
        .unwrap();
    let full = attachment.prompt("go", None, &mut |_| {}).await;
    assert!(matches!(full, Err(AttachError::TooManyWaiting(2))), "{full:?}");
    // It is on record, where everybody can see it.
    assert_eq!(
        line(&house),
        (
            vec![sessions[0]],
            vec![sessions[1], sessions[2]],
            places::Limits {
                running: 1,
                waiting: 2
            }
        )
    );
    // The one before it does not wait any more.
    waiting.remove(0).abort();
    let place = tokio::time::timeout(PATIENCE, places.recv()).await.unwrap();
    assert_eq!(place, Some((sessions[2], 1)));
    assert_eq!(hub.running(), [sessions[0]]);
    one.second.1.approve(call).await.unwrap();
    let begun = tokio::time::timeout(PATIENCE, waiting.remove(0)).await.unwrap();
    begun.unwrap().unwrap();
    // A host that stops begins none.
    hub.stop_turns();
    let stopped = attachment.prompt("go", None, &mut |_| {}).await;
    assert!(matches!(stopped, Err(AttachError::Stopping)), "{stopped:?}");
    house.runtime().cancel(sessions[2]).await.unwrap();
    tokio::time::timeout(PATIENCE, hub.at_rest()).await.unwrap();
    until_line(&house, |running, waiting| {
        running.is_empty() && waiting.is_empty()
    })
    .await;
    drop((one, fourth, attachment, hub));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_rests_waits_for_a_place_too_before_it_goes_on() {
    let house = House::of_script(SCRIPT).await;
    let (resting, busy) = (
        house.session(House::settings(Mode::Ask)).await,
        house.session(House::settings(Mode::Ask)).await,
    );
    let limits = Limits {
        turns: 1,
        ..Limits::default()
    };
    let mut one = two(&house, resting, limits).await;
    one.first.1.prompt("go", None, &mut |_| {}).await.unwrap();
    asked_about(&mut one.first.2).await;
    house.runtime().pause(resting).await.unwrap();
    tokio::time::timeout(PATIENCE, one.hub.at_rest()).await.unwrap();
    until_line(&house, |running, _| running.is_empty()).await;
    let (other, mut updates) = one
        .first
        .0
        .attach(asked(busy, "one", Role::Controller, None))
        .await
        .unwrap();
    other.prompt("go", None, &mut |_| {}).await.unwrap();
    let call = asked_about(&mut updates).await;
    let (told, mut places) = tokio::sync::mpsc::unbounded_channel();
    let goes_on = one.second.1.clone();
    let goes_on = tokio::spawn(async move {
        let mut hear = |place| {
            // Whoever does not listen any more has seen enough.
            let _ = told.send(place);
        };
        goes_on.resume(&mut hear).await.map(drop)
    });
    let place = tokio::time::timeout(PATIENCE, places.recv()).await.unwrap();
    assert_eq!(place, Some(1));
    assert_eq!(one.hub.running(), [busy]);
    other.refuse(call, None).await.unwrap();
    tokio::time::timeout(PATIENCE, goes_on)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    tokio::time::timeout(PATIENCE, one.hub.at_rest()).await.unwrap();
    until_line(&house, |running, waiting| {
        running.is_empty() && waiting.is_empty()
    })
    .await;
    assert!(
        house.now(resting).open_turn().is_none(),
        "it has gone on to its end"
    );
    // One that does not rest is refused, and takes no place.
    let refused = one.second.1.resume(&mut |_| {}).await;
    assert!(matches!(refused, Err(AttachError::Operation(_))), "{refused:?}");
    until_line(&house, |running, _| running.is_empty()).await;
    drop((one, other, updates));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_are_being_opened_count_among_those_that_are_open() {
    let house = House::of_script(SCRIPT).await;
    let session = house.session(House::settings(Mode::Ask)).await;
    let hub = Attachments::new(
        house.shared(),
        Limits {
            sessions: 2,
            ..Limits::default()
        },
    );
    let open = hub.room_for(Some(session)).unwrap();
    let opening = hub.room_for(None).unwrap();
    let full = hub.room_for(None);
    assert!(matches!(full, Err(AttachError::TooManySessions(2))), "{full:?}");
    // What is open already needs no room.
    drop(hub.room_for(Some(session)).unwrap());
    drop(opening);
    drop(hub.room_for(None).unwrap());
    drop(open);
    assert_eq!(Arc::strong_count(&hub), 1);
    drop(hub);
    house.close().await;
}

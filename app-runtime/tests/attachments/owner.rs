//! What the owner of a host says without being attached stands in the same line as what clients say.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use glasswork_app_runtime::attachments::{AttachError, Attachments};
use glasswork_app_runtime::runtime::OperationError;
use glasswork_engine::{Refusal, ScopeId};
use glasswork_session_state::rejection::Rejection;
use glasswork_session_state::state::Scope;
use glasswork_testkit::house::{House, PATIENCE};

use crate::queue::{line, until_line};
use crate::taking_back::{Said, Scene, came_of, join, waits};

/// Whose the places are, those that run before those that wait.
fn connections(house: &House) -> Vec<Option<u64>> {
    let host = house.snapshot().host().unwrap();
    let Scope::Host(host) = &host.state else {
        panic!("the host is one")
    };
    let places = host.places.running.values().chain(host.places.waiting.values());
    places.map(|place| place.connection).collect()
}

/// Has the owner say something, and waits until it waits.
async fn owner_waits(house: &House, hub: &Arc<Attachments>, session: ScopeId, key: &'static str) -> Said {
    let hub = Arc::clone(hub);
    let said = tokio::spawn(async move {
        let done = hub.prompt(session, "go", Some(key)).await;
        done.map(|done| done.id.seq)
    });
    until_line(house, |_, waiting| waiting.contains(&session)).await;
    said
}

/// Says once more what waits already, and waits for that.
async fn also_waits(hub: &Arc<Attachments>, session: ScopeId, key: &'static str) -> Said {
    let hub = Arc::clone(hub);
    let mut said = Box::pin(async move {
        let done = hub.prompt(session, "go", Some(key)).await;
        done.map(|done| done.id.seq)
    });
    // Once it has begun it can be taken back.
    let begun = poll_fn(|context| Poll::Ready(said.as_mut().poll(context))).await;
    assert!(begun.is_pending(), "{begun:?}");
    tokio::spawn(said)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owner_and_clients_have_their_turns_in_the_order_in_which_they_asked() {
    let scene = Scene::begin().await;
    let (house, hub) = (&scene.house, &scene.hub);
    // The owner stands behind a client's turn, and a client behind the owner.
    let owners = owner_waits(house, hub, scene.waiting, "one").await;
    let attachment = join(&scene.other, scene.last).await;
    let clients = waits(house, &attachment).await;
    let (one, other) = (Some(scene.one.number()), Some(scene.other.number()));
    assert_eq!(connections(house), [one, None, other]);
    assert!(scene.is_silent(scene.waiting) && scene.is_silent(scene.last));
    house.runtime().cancel(scene.busy).await.unwrap();
    let began = came_of(owners).await.unwrap();
    until_line(house, |running, waiting| {
        (running, waiting) == (&[scene.waiting], &[scene.last])
    })
    .await;
    assert!(scene.is_silent(scene.last), "the owner's turn has the only place");
    hub.cancel(scene.waiting).await.unwrap();
    came_of(clients).await.unwrap();
    until_line(house, |running, waiting| {
        running == [scene.last] && waiting.is_empty()
    })
    .await;
    // What has happened is not waited for again, though another has the place.
    let again = hub.prompt(scene.waiting, "go", Some("one"));
    match tokio::time::timeout(PATIENCE, again).await.unwrap() {
        Err(AttachError::Operation(OperationError::Refused(Refusal::Rejected {
            rejection: Rejection::Repeated { first },
            ..
        }))) => assert_eq!(first, began),
        other => panic!("{other:?}"),
    }
    drop(attachment);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_owner_said_waits_once_for_each_key_until_somebody_cancels_it() {
    let scene = Scene::begin().await;
    let (house, hub) = (&scene.house, &scene.hub);
    let first = owner_waits(house, hub, scene.waiting, "one").await;
    // Asked again with its key it takes no second place.
    let again = also_waits(hub, scene.waiting, "one").await;
    let behind = owner_waits(house, hub, scene.last, "two").await;
    assert_eq!(line(house).1, [scene.waiting, scene.last]);
    // Clients come and go; it stays.
    let leaves = hub.connect().unwrap();
    let attachment = join(&leaves, scene.waiting).await;
    leaves.leave().await;
    drop(attachment);
    assert_eq!(line(house).1, [scene.waiting, scene.last]);
    hub.cancel(scene.waiting).await.unwrap();
    for said in [first, again] {
        let taken = came_of(said).await;
        assert!(matches!(taken, Err(AttachError::TakenBack)), "{taken:?}");
    }
    assert_eq!(line(house).1, [scene.last]);
    assert!(scene.is_silent(scene.waiting));
    // What came of the first is what the second hears, too, where it begins.
    let first = owner_waits(house, hub, scene.waiting, "three").await;
    let again = also_waits(hub, scene.waiting, "three").await;
    hub.cancel(scene.last).await.unwrap();
    assert!(came_of(behind).await.is_err());
    house.runtime().cancel(scene.busy).await.unwrap();
    let began = came_of(first).await.unwrap();
    match came_of(again).await {
        Err(AttachError::Operation(OperationError::Refused(Refusal::Rejected {
            rejection: Rejection::Repeated { first },
            ..
        }))) => assert_eq!(first, began),
        other => panic!("{other:?}"),
    }
    drop(leaves);
    scene.end().await;
}

//! Who is asked in a session that was begun where nobody could be.

use glasswork_agent_core::tool_call::State;
use glasswork_app_runtime::attachments::{Attachments, Limits};
use glasswork_session_state::clients::Role;
use glasswork_session_state::settings::{Layer, Mode, Settings, Sourced};
use glasswork_testkit::house::{House, PATIENCE};

use crate::{asked, asked_about};

const ASKS: &str = r#"(turns: [
    (say: [call("bash", (command: "true"))]), (say: [text("one")]),
    (say: [call("bash", (command: "true"))]), (say: [text("two")]),
    (say: [call("bash", (command: "true"))]), (say: [text("three")]),
])"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_asked_about_as_long_as_a_controller_is_there_and_denied_when_the_last_one_leaves() {
    let house = House::of_script(ASKS).await;
    let nobody = Sourced::from_layer(false, Layer::Flag);
    let session = house
        .session(Settings {
            attended: nobody.clone(),
            ..House::settings(Mode::Ask)
        })
        .await;
    let hub = Attachments::new(house.shared(), Limits::default());
    let (looks, acts, also) = (
        hub.connect().unwrap(),
        hub.connect().unwrap(),
        hub.connect().unwrap(),
    );
    let calls = || {
        house
            .now(session)
            .calls
            .values()
            .map(|call| call.state)
            .collect::<Vec<_>>()
    };
    // Whoever only looks cannot be asked.
    let (looking, _) = looks
        .attach(asked(session, "looks", Role::Observer, None))
        .await
        .unwrap();
    house.turn(session, "1").await;
    assert_eq!(calls(), [State::Denied]);
    // A controller can, and so it is asked instead.
    let (first, mut updates) = acts
        .attach(asked(session, "acts", Role::Controller, None))
        .await
        .unwrap();
    assert_eq!(
        house.now(session).settings.attended,
        Sourced::from_layer(true, Layer::Session)
    );
    first.prompt("2", None, &mut |_| {}).await.unwrap();
    let call = asked_about(&mut updates).await;
    first.approve(call).await.unwrap();
    tokio::time::timeout(PATIENCE, hub.at_rest()).await.unwrap();
    assert_eq!(calls(), [State::Denied, State::Succeeded]);
    // As long as one of them is there, the question stays; when the last one leaves, nobody is waited for.
    let (_, _) = also
        .attach(asked(session, "also", Role::Controller, None))
        .await
        .unwrap();
    first.prompt("3", None, &mut |_| {}).await.unwrap();
    asked_about(&mut updates).await;
    acts.leave().await;
    assert_eq!(calls()[2], State::Asked);
    let attachment = hub
        .clients()
        .iter()
        .find(|(_, client)| &*client.name == "also")
        .unwrap()
        .0;
    also.change_role(attachment, Role::Observer).await.unwrap();
    tokio::time::timeout(PATIENCE, hub.at_rest()).await.unwrap();
    assert_eq!(calls()[2], State::Denied);
    assert_eq!(house.now(session).settings.attended, nobody);
    // One who looked on may act now.
    looks.change_role(looking.id(), Role::Controller).await.unwrap();
    assert!(house.now(session).settings.attended.value);
    looks.detach(looking.id()).await.unwrap();
    assert_eq!(house.now(session).settings.attended, nobody);
    drop((looks, acts, also, first, looking, updates, hub));
    house.close().await;
}

//! Many clients of one session: each sees every commit once and in order, or a marked gap; the first answer counts.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that meets what it did not expect shall stop there"
)]

mod answering;
mod attended;
mod leaving;
mod owner;
mod queue;
mod reopening;
mod storm;
mod streaming;
mod taking_back;

use std::sync::Arc;

use glasswork_agent_core::id::CallId;
use glasswork_app_runtime::attachments::{
    Asked, AttachError, Attachment, Attachments, Connection, Delivery, Limits, Updates,
};
use glasswork_app_runtime::watching::Update;
use glasswork_engine::{Cursor, Origin, ScopeId};
use glasswork_session_state::clients::{History, Role};
use glasswork_session_state::settings::Mode;
use glasswork_testkit::house::{House, PATIENCE};

const SCRIPT: &str = r#"(turns: [(say: [call("bash", (command: "true"))]), (say: [text("done")])])"#;

fn asked(session: ScopeId, name: &str, role: Role, seen: Option<Cursor>) -> Asked {
    Asked {
        session,
        name: name.into(),
        role,
        history: History::Full,
        seen,
    }
}

async fn next(updates: &mut Updates) -> Delivery {
    tokio::time::timeout(PATIENCE, updates.next())
        .await
        .expect("nothing came")
}

/// Reads until a call is asked about.
async fn asked_about(updates: &mut Updates) -> CallId {
    loop {
        if let Delivery::Commit { updates, .. } = next(updates).await {
            for update in updates {
                if let Update::ToolAsked { call, .. } = update {
                    return call;
                }
            }
        }
    }
}

struct Two {
    hub: Arc<Attachments>,
    first: (Connection, Attachment, Updates),
    second: (Connection, Attachment, Updates),
    looks: (Connection, Attachment, Updates),
}

async fn two(house: &House, session: ScopeId, limits: Limits) -> Two {
    let hub = Attachments::new(house.shared(), limits);
    let join = async |name: &str, role| {
        let connection = hub.connect().unwrap();
        let (attachment, updates) = connection.attach(asked(session, name, role, None)).await.unwrap();
        (connection, attachment, updates)
    };
    Two {
        first: join("one", Role::Controller).await,
        second: join("two", Role::Controller).await,
        looks: join("three", Role::Observer).await,
        hub: Arc::clone(&hub),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_answer_counts_the_second_is_told_whose_it_was_and_an_observer_has_none() {
    let house = House::of_script(SCRIPT).await;
    let session = house.session(House::settings(Mode::Ask)).await;
    let mut two = two(&house, session, Limits::default()).await;
    two.first.1.prompt("go", None, &mut |_| {}).await.unwrap();
    let call = asked_about(&mut two.second.2).await;
    let looked = two.looks.1.approve(call).await;
    assert!(matches!(looked, Err(AttachError::Observer)), "{looked:?}");
    two.second.1.refuse(call, Some("not now")).await.unwrap();
    match two.first.1.approve(call).await {
        Err(AttachError::AnsweredAlready {
            call: of,
            approved,
            origin,
            who,
            ..
        }) => assert_eq!(
            (of, approved, origin, who),
            (
                call,
                false,
                Origin::Client(two.second.0.number()),
                format!("`two`, client {}", two.second.0.number())
            )
        ),
        other => panic!("{other:?}"),
    }
    // The rest are told, and by whom.
    for updates in [&mut two.first.2, &mut two.looks.2] {
        loop {
            if let Delivery::Commit { updates, origin, .. } = next(updates).await
                && let Some(Update::ToolAnswered { approved, .. }) = updates
                    .iter()
                    .find(|update| matches!(update, Update::ToolAnswered { .. }))
            {
                assert_eq!(
                    (*approved, origin),
                    (false, Origin::Client(two.second.0.number()))
                );
                break;
            }
        }
    }
    two.hub.at_rest().await;
    // It is on record: who is attached, and who has left.
    let names = |hub: &Attachments| -> Vec<(String, Role)> {
        let clients = hub.clients().into_iter();
        clients
            .map(|(_, client)| (client.name.to_string(), client.role))
            .collect()
    };
    two.looks
        .0
        .change_role(two.looks.1.id(), Role::Controller)
        .await
        .unwrap();
    let stolen = two.looks.0.detach(two.first.1.id()).await;
    assert!(stolen.is_err(), "nobody ends what is another's");
    two.second.0.leave().await;
    assert_eq!(
        names(&two.hub),
        [
            ("one".to_owned(), Role::Controller),
            ("three".to_owned(), Role::Controller)
        ]
    );
    assert!(matches!(
        two.second.1.steer("x", None).await,
        Err(AttachError::NotAttached)
    ));
    drop(two);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_goes_on_where_it_was_and_after_another_opening_is_told_to_begin_anew() {
    let house = House::of_script(SCRIPT).await;
    let session = house.session(House::settings(Mode::Yolo)).await;
    let hub = Attachments::new(house.shared(), Limits::default());
    let connection = hub.connect().unwrap();
    let (_, updates) = connection
        .attach(asked(session, "one", Role::Observer, None))
        .await
        .unwrap();
    let seen = updates.cursor();
    drop(updates);
    house.turn(session, "go").await;
    let join = async |seen| {
        let asked = asked(session, "one", Role::Observer, Some(seen));
        connection.attach(asked).await.unwrap().1
    };
    let mut updates = join(seen).await;
    let now = house.snapshot().session(session, None).unwrap().scope.seq;
    for seq in seen.seq + 1..=now {
        match next(&mut updates).await {
            Delivery::Commit { seq: came, .. } => assert_eq!(came, seq),
            other => panic!("{other:?}"),
        }
    }
    // From the middle, too, with the same at the end.
    let middle = Cursor { seq: now - 3, ..seen };
    let mut again = join(middle).await;
    for seq in now - 2..=now {
        assert!(matches!(next(&mut again).await, Delivery::Commit { seq: came, .. } if came == seq));
    }
    assert_eq!(again.base(), updates.base());
    // Ahead of all that was recorded, or of another opening.
    for wrong in [
        Cursor { seq: now + 1, ..seen },
        Cursor {
            epoch: seen.epoch + 1,
            seq: 1,
        },
    ] {
        match next(&mut join(wrong).await).await {
            Delivery::Resync { base } => assert_eq!((base.epoch, base.seq), (seen.epoch, now)),
            other => panic!("{other:?}"),
        }
    }
    drop((updates, again));
    house.runtime().give_up(session).await.unwrap();
    match next(&mut join(Cursor { seq: now, ..seen }).await).await {
        Delivery::Resync { base } => assert_eq!((base.epoch, base.seq), (seen.epoch + 1, now)),
        other => panic!("{other:?}"),
    }
    connection.leave().await;
    drop((connection, hub));
    house.close().await;
}

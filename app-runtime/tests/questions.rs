//! Whole turns of a model that asks people: who is asked, who answers, and what becomes of a question that nobody answers.
//! The house replays every session strictly at its end.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test that meets what it did not expect shall stop there"
)]

use std::sync::Arc;

use glasswork_agent_core::id::CallId;
use glasswork_agent_core::question::{Answer, Said};
use glasswork_agent_core::tool_call::State as C;
use glasswork_agent_core::turn::State;
use glasswork_app_runtime::attachments::{
    Asked, AttachError, Attachment, Attachments, Connection, Delivery, Limits, Updates,
};
use glasswork_app_runtime::ending::{self, ExitCode};
use glasswork_app_runtime::projection::{dialogs, stuck};
use glasswork_app_runtime::slash_commands;
use glasswork_app_runtime::watching::{Update, Watch};
use glasswork_engine::ScopeId;
use glasswork_session_state::clients::{History, Role};
use glasswork_session_state::settings::{Layer, Mode, Settings, Sourced};
use glasswork_testkit::house::{House, OWN_SECRET, PATIENCE};
use serde_json::{Value, json};

const SCRIPT: &str = r#"(turns: [
    (say: [call("ask_user", (question: "Which colour?", options: [
        (label: "red", description: "as the barn is"), (label: "blue")]))]),
    (say: [text("As you wish.")]),
])"#;

/// Waits until the model asks.
async fn asked(watch: &mut Watch) -> CallId {
    loop {
        let watched = tokio::time::timeout(PATIENCE, watch.next())
            .await
            .expect("a question");
        for update in watched.updates {
            if let Update::QuestionAsked { call, question } = update {
                assert_eq!(
                    (&*question.question, question.options.len()),
                    ("Which colour?", 2)
                );
                return call;
            }
        }
    }
}

fn result(house: &House, session: ScopeId) -> (C, String) {
    let now = house.now(session);
    let call = now.calls.values().next().unwrap();
    (call.state, call.outcome.as_ref().unwrap().text.to_string())
}

/// In every mode, and in that which asks for no permission too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_is_a_dialog_until_it_is_answered() {
    for mode in [Mode::Plan, Mode::Yolo] {
        let house = House::of_script(SCRIPT).await;
        let session = house.session(House::settings(mode)).await;
        let mut watch = house.runtime().watch(session).unwrap();
        house.runtime().prompt(session, "go", None).await.unwrap();
        let call = asked(&mut watch).await;
        let shown: Value = serde_json::to_value(dialogs::of(&house.now(session))).unwrap();
        assert_eq!(
            (
                &shown[0]["type"],
                &shown[0]["id"],
                &shown[0]["question"]["options"][0]
            ),
            (
                &json!("question"),
                &json!(format!("call-{call}")),
                &json!({ "label": "red", "description": "as the barn is" })
            )
        );
        assert_eq!(
            shown[0]["answers"],
            json!([
                { "label": "red", "command": format!("/answer {call} 1") },
                { "label": "blue", "command": format!("/answer {call} 2") },
                { "label": "do not answer", "command": format!("/refuse {call}") },
            ])
        );
        // Every command that is offered can be read.
        for answer in shown[0]["answers"].as_array().unwrap() {
            slash_commands::read(answer["command"].as_str().unwrap()).unwrap();
        }
        let waits = stuck::of(&house.snapshot(), session, None).unwrap();
        assert!(waits.stuck);
        assert_eq!(
            waits.waiting[0].text,
            format!("waits for an answer to “Which colour?” (call {call}): a person can unblock it")
        );
        let refused = house
            .runtime()
            .answer(session, call, Said::Line(" ".into()))
            .await;
        assert!(refused.unwrap_err().to_string().contains("the answer is empty"));
        let said = Said::Line(format!("green, and {OWN_SECRET} opens the shed").into());
        house.runtime().answer(session, call, said).await.unwrap();
        let end = House::end_of_turn(watch).await;
        assert_eq!((end.state, &*end.text), (State::Completed, "As you wish."));
        let (state, told) = result(&house, session);
        assert_eq!(state, C::Succeeded);
        assert!(
            told.starts_with("The user answered: green, and [secret:") && !told.contains(OWN_SECRET),
            "{told}"
        );
        assert_eq!(house.now(session).masked.counts()[0].1, 1);
        assert!(dialogs::of(&house.now(session)).is_empty());
        house.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nobody_can_answer_the_model_is_told_at_once_and_the_run_is_no_failure() {
    let house = House::of_script(SCRIPT).await;
    let settings = Settings {
        attended: Sourced::from_layer(false, Layer::Flag),
        ..House::settings(Mode::Yolo)
    };
    let session = house.session(settings).await;
    let end = house.turn(session, "go").await;
    assert_eq!((end.state, &*end.text), (State::Completed, "As you wish."));
    let (state, told) = result(&house, session);
    assert_eq!(
        (state, &*told),
        (
            C::Denied,
            "Nobody is there to answer. Go on with what you think best, and say what you assumed."
        )
    );
    assert_eq!(ending::of_last_turn(&house.now(session)), ExitCode::Done);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stops_the_turn_withdraws_the_question() {
    let house = House::of_script(SCRIPT).await;
    let session = house.session(House::settings(Mode::Ask)).await;
    let mut watch = house.runtime().watch(session).unwrap();
    house.runtime().prompt(session, "go", None).await.unwrap();
    let call = asked(&mut watch).await;
    house.runtime().interrupt(session).await.unwrap();
    let end = House::end_of_turn(watch).await;
    assert_eq!(
        (end.state, result(&house, session).0),
        (State::Interrupted, C::Cancelled)
    );
    let late = house
        .runtime()
        .answer(session, call, Said::Line("1".into()))
        .await;
    assert!(late.is_err());
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_asks_badly_is_told_how_to_ask() {
    let house = House::of_script(
        r#"(turns: [
            (say: [call("ask_user", (questions: ["a", "b"]))]),
            (expect: "unknown field `questions`", say: [call("ask_user", (question: "?", options: [(label: "a"), (label: "A")]))]),
            (expect: "option 2 has the label of another one", say: [text("Then not.")]),
        ])"#,
    )
    .await;
    let session = house.session(House::settings(Mode::Ask)).await;
    let end = house.turn(session, "go").await;
    assert_eq!((end.state, &*end.text), (State::Completed, "Then not."));
    house.close().await;
}

async fn join(hub: &Arc<Attachments>, session: ScopeId, role: Role) -> (Connection, Attachment, Updates) {
    let connection = hub.connect().unwrap();
    let asked = Asked {
        session,
        name: "client".into(),
        role,
        history: History::None,
        seen: None,
    };
    let (attachment, updates) = connection.attach(asked).await.unwrap();
    (connection, attachment, updates)
}

async fn heard(updates: &mut Updates, wanted: impl Fn(&Update) -> bool) -> Update {
    loop {
        let delivery = tokio::time::timeout(PATIENCE, updates.next())
            .await
            .expect("an update");
        if let Delivery::Commit { updates, .. } = delivery
            && let Some(update) = updates.into_iter().find(&wanted)
        {
            return update;
        }
    }
}

/// The first answer counts, the second is told whose it was, who looks on has none, and all hear it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_clients_the_first_answers() {
    let house = House::of_script(SCRIPT).await;
    let session = house.session(House::settings(Mode::Ask)).await;
    let hub = Attachments::new(house.shared(), Limits::default());
    let mut first = join(&hub, session, Role::Controller).await;
    let second = join(&hub, session, Role::Controller).await;
    let looks = join(&hub, session, Role::Observer).await;
    first.1.prompt("go", None, &mut |_| {}).await.unwrap();
    let Update::QuestionAsked { call, .. } = heard(&mut first.2, |update| {
        matches!(update, Update::QuestionAsked { .. })
    })
    .await
    else {
        unreachable!()
    };
    let line = |line: &str| Said::Line(line.into());
    assert!(matches!(
        looks.1.answer(call, line("1")).await,
        Err(AttachError::Observer)
    ));
    let operation = slash_commands::read(&format!("/answer {call} blue")).unwrap();
    second.1.perform(operation, None, &mut |_| {}).await.unwrap();
    match first.1.answer(call, line("1")).await {
        Err(AttachError::AnsweredAlready {
            call: of,
            approved,
            origin,
            ..
        }) => {
            assert_eq!((of, approved, Some(origin)), (call, true, second.1.origin()));
        }
        other => panic!("{other:?}"),
    }
    let answered = heard(&mut first.2, |update| {
        matches!(update, Update::QuestionAnswered { .. })
    })
    .await;
    let answer = Answer {
        chosen: vec!["blue".into()],
        words: None,
    };
    assert_eq!(answered, Update::QuestionAnswered { call, answer });
    tokio::time::timeout(PATIENCE, hub.at_rest()).await.unwrap();
    assert_eq!(
        result(&house, session),
        (C::Succeeded, "The user chose “blue”.".to_owned())
    );
    drop((first, second, looks, hub));
    house.close().await;
}

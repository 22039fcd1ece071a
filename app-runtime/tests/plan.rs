//! Whole turns of a model that keeps a plan: what people are told, what the model is sent, and what stays of it. The house
//! replays every session strictly at its end.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test that meets what it did not expect shall stop there"
)]

use std::sync::Arc;

use glasswork_agent_core::plan::{Plan, TOOL};
use glasswork_agent_core::tool_call;
use glasswork_agent_core::tree::Body;
use glasswork_agent_core::turn::State;
use glasswork_ai::http::{BaseUrl, Provider, SecretString};
use glasswork_ai::port::Models;
use glasswork_ai::scripted::{Step, Turn};
use glasswork_ai::wire::Wire;
use glasswork_app_runtime::watching::{Update, Watch};
use glasswork_engine::SystemClock;
use glasswork_session_state::settings::{Layer, Mode, Settings, Sourced};
use glasswork_session_state::state::Session;
use glasswork_testkit::house::{House, OWN_SECRET};
use glasswork_testkit::model_server::{Answers, ModelServer};

/// How the message of a compaction begins to tell of the plan.
const TOLD: &str = "Your plan, as you wrote it last";

/// What whoever watches is told of the plan, to the end of the turn: it as lines, and the places of what changed.
async fn told(mut watch: Watch) -> Vec<(String, Vec<usize>)> {
    let mut told = vec![];
    loop {
        for update in watch.next().await.updates {
            match update {
                Update::PlanChanged {
                    plan: Some(plan),
                    changed,
                } => {
                    let place = |id| plan.steps.iter().position(|step| step.id == id).unwrap();
                    told.push((plan.to_string(), changed.into_iter().map(place).collect()));
                }
                Update::PlanChanged { plan: None, .. } => told.push((String::new(), vec![])),
                Update::TurnEnded { .. } => return told,
                _ => {}
            }
        }
    }
}

fn results(session: &Session) -> Vec<(tool_call::State, String)> {
    let calls = session.calls.values();
    calls
        .map(|call| (call.state, call.outcome.as_ref().unwrap().text.to_string()))
        .collect()
}

/// All of it is allowed in every mode: it touches nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_keeps_its_plan_and_is_told_when_it_is_none() {
    let house = House::of_script(
        r#"(turns: [
            (say: [call("update_plan", (plan: [(step: "look", status: "in_progress"), (step: "build", status: "pending")]))]),
            (expect: "0 of 2 steps", say: [call("update_plan", (explanation: "it is known",
                plan: [(step: "look", status: "completed"), (step: "build", status: "in_progress")]))]),
            (say: [call("update_plan", (plan: [(step: "look", status: "in_progress"), (step: "build", status: "in_progress")]))]),
            (expect: "both in progress", say: [call("update_plan", (todos: []))]),
            (expect: "unknown field `todos`", say: [call("update_plan", (plan: []))]),
            (say: [text("Done.")]),
        ])"#,
    )
    .await;
    let session = house.session(House::settings(Mode::Plan)).await;
    let watch = house.runtime().watch(session).unwrap();
    let updates = tokio::spawn(told(house.runtime().watch(session).unwrap()));
    house.runtime().prompt(session, "go", None).await.unwrap();
    let end = House::end_of_turn(watch).await;
    assert_eq!((end.state, end.failure), (State::Completed, None));
    assert_eq!(
        updates.await.unwrap(),
        [
            ("[>] look\n[ ] build".to_owned(), vec![0, 1]),
            ("[x] look\n[>] build".to_owned(), vec![0, 1]),
            (String::new(), vec![]),
        ]
    );
    let states: Vec<_> = results(&house.now(session))
        .into_iter()
        .map(|(state, _)| state)
        .collect();
    use tool_call::State::{Failed, Succeeded};
    assert_eq!(states, [Succeeded, Succeeded, Failed, Failed, Succeeded]);
    // As of a past commit it is the one of then.
    let past = house.snapshot().session(session, None).unwrap().scope.seq;
    let mut plans: Vec<Option<(String, Option<Arc<str>>)>> = vec![];
    for at in 1..=past {
        let seen = house.snapshot().session(session, Some(at)).unwrap();
        let plan: Option<&Plan> = seen.session().unwrap().plan.as_deref();
        plans.push(plan.map(|plan| (plan.to_string(), plan.explanation.clone())));
    }
    plans.dedup();
    assert_eq!(
        plans,
        [
            None,
            Some(("[>] look\n[ ] build".to_owned(), None)),
            Some(("[x] look\n[>] build".to_owned(), Some("it is known".into()))),
            None,
        ]
    );
    house.close().await;
}

/// What a model wrote before a compaction it would not know any more: the compaction carries it, and no other request does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compaction_carries_the_plan_that_is_put_away_and_a_fork_has_it_too() {
    let steps = r#"{"plan": [{"step": "look", "status": "completed"}, {"step": "build the roof", "status": "in_progress"}]}"#;
    let server = ModelServer::start(Answers::chosen(Wire::Anthropic, move |request| {
        let body = String::from_utf8_lossy(&request.body);
        Turn::says([
            if body.contains("You write the notes from which a coding agent goes on") {
                Step::Text("Notes.".into())
            } else if body.contains(TOLD) {
                Step::Text("On with it.".into())
            } else if body.contains("The plan was updated") {
                Step::Text("abc ".repeat(400).into())
            } else {
                Step::CallJson(TOOL.into(), steps.into())
            },
        ])
    }))
    .await
    .unwrap();
    let key = SecretString::from("a-key");
    let url = BaseUrl::parse(&server.url()).unwrap();
    let provider = Provider::new("A_KEY", Wire::Anthropic, &url, Some(&key));
    let models = Arc::new(Models::default().with("real", Arc::new(provider)));
    let house = House::with(models, Arc::new(SystemClock::default())).await;
    let flag = |window| Sourced::from_layer(window, Layer::Flag);
    let settings = Settings {
        model: Sourced::from_layer(Some("real/some-model".parse().unwrap()), Layer::Flag),
        context_window: flag(Some(8_000)),
        ..House::settings(Mode::Ask)
    };
    let session = house.session(settings).await;
    for prompt in ["one", "two", "three", "four", "five", "six"] {
        house.turn(session, prompt).await;
    }
    let plan = house.now(session).plan.clone().unwrap();
    let watch = house.runtime().watch(session).unwrap();
    house.runtime().compact(session, None, None).await.unwrap();
    compacted(watch).await;
    let end = house.turn(session, "on").await;
    assert_eq!(end.text, "On with it.");
    let now = house.now(session);
    assert_eq!(now.plan, Some(Arc::clone(&plan)));
    let carried: Vec<_> = now
        .tree
        .entries()
        .filter_map(|(_, entry)| match &entry.body {
            Body::Compaction(compaction) => Some(compaction.carried.plan.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(carried, [Some(plan)]);
    let sent = |request: u64| {
        let rendered = now.render(glasswork_agent_core::id::RequestId(request)).unwrap();
        serde_json::to_string(&rendered.messages).unwrap()
    };
    let last = now.requests.get_max().unwrap().0.0;
    for request in 1..last {
        assert!(!sent(request).contains(TOLD), "{request}");
    }
    assert!(sent(last).contains("# Your plan, as you wrote it last\\n[x] look\\n[>] build the roof\\n"));
    assert!(!sent(last).contains(TOOL), "the call itself was put away");
    house.close().await;
}

async fn compacted(mut watch: Watch) {
    loop {
        for update in watch.next().await.updates {
            match update {
                Update::Compacted { .. } => return,
                Update::CompactionFailed { message } => panic!("{message}"),
                _ => {}
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_in_a_plan_are_masked_before_anybody_has_it() {
    let house = House::of_script(&format!(
        r#"(turns: [
            (say: [call("update_plan", (plan: [(step: "use {OWN_SECRET}", status: "pending")]))]),
            (say: [text("Done.")]),
        ])"#,
    ))
    .await;
    let session = house.session(House::settings(Mode::Ask)).await;
    house.turn(session, "go").await;
    let plan = house.now(session).plan.clone().unwrap();
    assert!(
        plan.steps[0].text.starts_with("use [secret:") && !plan.to_string().contains(OWN_SECRET),
        "{plan}"
    );
    house.close().await;
}

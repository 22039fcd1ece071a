//! Scripts behind the door, by a clock that the test holds still.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // a test may fail loudly

use std::sync::Arc;
use std::time::Duration;

use glasswork_ai::conversation::{Message, Request};
use glasswork_ai::failure::FailureClass;
use glasswork_ai::model::Thinking;
use glasswork_ai::port::{Call, ModelPort, Models, Scripts};
use glasswork_ai::scripted::Script;
use glasswork_ai::stream::{Progress, StreamEvent};
use tokio::time::Instant;

fn request(model: &str) -> Arc<Request> {
    Arc::new(Request {
        output: None,
        model: model.parse().unwrap(),
        system: vec![],
        messages: vec![Message::User("go".into())],
        tools: vec![],
        thinking: Thinking::Default,
        max_output_tokens: None,
        controls: Default::default(),
    })
}

fn models(script: &str) -> Models {
    let script = Script::parse(script).unwrap();
    Models::default().with("scripted", Arc::new(Scripts::default().with("demo", script)))
}

async fn all(mut call: Call) -> Vec<Progress> {
    let mut steps = Vec::new();
    while let Some(step) = call.next().await {
        steps.push(step);
    }
    assert_eq!(call.next().await, None);
    steps
}

#[tokio::test(start_paused = true)]
async fn a_script_is_played_in_its_own_time_and_loses_nothing_to_an_impatient_caller() {
    let models = models("(chunk: 1, pace_ms: 10, turns: [(say: [wait(500), text(\"ab\"), wait(7)])])");
    let start = Instant::now();
    let patient = all(models.call(request("scripted/demo"), 1)).await;
    assert_eq!(start.elapsed(), Duration::from_millis(500 + 2 * 10 + 7));

    // A caller that gives up waiting every 3 ms sees the same.
    let mut call = models.call(request("scripted/demo"), 1);
    let mut steps = Vec::new();
    let start = Instant::now();
    loop {
        match tokio::time::timeout(Duration::from_millis(3), call.next()).await {
            Ok(Some(step)) => steps.push(step),
            Ok(None) => break,
            Err(_) => {}
        }
    }
    assert_eq!(steps, patient);
    assert_eq!(start.elapsed(), Duration::from_millis(500 + 2 * 10 + 7));
}

#[tokio::test(start_paused = true)]
async fn a_stall_waits_until_the_caller_goes() {
    let models = models("(turns: [(say: [connected, stall])])");
    let mut call = models.call(request("scripted/demo"), 1);
    assert_eq!(call.next().await, Some(Progress::Connected));
    let waited = tokio::time::timeout(Duration::from_secs(86_400), call.next()).await;
    assert!(waited.is_err());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_called_is_told_as_a_failure() {
    let models = models("(turns: [])");
    let told = async |model: &str| match &all(models.call(request(model), 1)).await[..] {
        [Progress::Step(StreamEvent::Failed(failure))] => {
            assert_eq!(failure.class, FailureClass::Invalid);
            failure.message.to_string()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(
        told("nobody/x").await,
        "there is no provider `nobody`; there are: scripted"
    );
    assert_eq!(
        told("scripted/x").await,
        "there is no script `x`; there are: demo"
    );
}

#[tokio::test]
async fn a_call_and_its_waiting_move_between_threads() {
    let models = models("(turns: [(say: [text(\"a\")])])");
    let call = models.call(request("scripted/demo"), 1);
    let steps = tokio::spawn(all(call)).await.unwrap();
    assert_eq!(steps.len(), 7);
}

#[tokio::test]
async fn the_body_of_a_script_is_the_request_itself() {
    let request = request("scripted/demo");
    let call = models("(turns: [])").call(request.clone(), 1);
    assert_eq!(serde_json::from_slice::<Request>(call.body()).unwrap(), *request);
}

//! Streams as they come over a connection: through the real client, from a server on the loopback.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // a test may fail loudly

#[path = "loopback/cuts.rs"]
mod cuts;
#[path = "loopback/hostile.rs"]
mod hostile;

use std::sync::Arc;

use glasswork_ai::conversation::{Block, Message, Request, ToolCall};
use glasswork_ai::grammar::Grammar;
use glasswork_ai::http::{BaseUrl, Provider, SecretString};
use glasswork_ai::model::{Thinking, ToolSpec};
use glasswork_ai::port::Call;
use glasswork_ai::stream::{Progress, StreamEvent};
use glasswork_ai::wire::Wire;
use glasswork_testkit::model_server::{Answers, ModelServer, Reply};

fn request() -> Arc<Request> {
    let tool = |name: &str| ToolSpec {
        name: name.into(),
        description: "".into(),
        parameters: r#"{"type":"object"}"#.into(),
    };
    Arc::new(Request {
        controls: glasswork_ai::controls::Controls::default(),
        output: None,
        model: "any/model".parse().unwrap(),
        system: vec![],
        messages: vec![Message::User("go".into())],
        tools: vec![tool("read"), tool("bash"), tool("write")],
        thinking: Thinking::Default,
        max_output_tokens: None,
    })
}

/// A server that gives these replies, and a provider that asks it.
async fn serving(wire: Wire, replies: impl IntoIterator<Item = Reply>) -> (ModelServer, Provider) {
    let server = ModelServer::start(Answers::replies(replies)).await.unwrap();
    let url = BaseUrl::parse(&server.url()).unwrap();
    let key = SecretString::from("sk-only-for-tests");
    let provider = Provider::new("TEST_KEY", wire, &url, Some(&key));
    (server, provider)
}

/// The next step; that the server took the request is none.
async fn next(call: &mut Call) -> Option<StreamEvent> {
    loop {
        match call.next().await? {
            Progress::Connected => {}
            Progress::Step(step) => return Some(step),
        }
    }
}

/// The rest of the steps, and with them all: they keep to the grammar, so there is exactly one typed end.
async fn rest(mut steps: Vec<StreamEvent>, call: &mut Call) -> Vec<StreamEvent> {
    while let Some(step) = next(call).await {
        steps.push(step);
    }
    Grammar::check(&steps).unwrap();
    assert!(matches!(
        steps.last(),
        Some(StreamEvent::Finished(_) | StreamEvent::Failed(_))
    ));
    steps
}

/// What the decoder makes of these bytes by itself, before the body ends and with its end.
fn decoded(wire: Wire, bytes: &[u8]) -> (Vec<StreamEvent>, Vec<StreamEvent>) {
    let mut decoder = wire.decoder(&request());
    let before = decoder.feed(bytes);
    let mut all = before.clone();
    all.extend(decoder.end());
    (before, all)
}

/// The calls that would run.
fn calls(steps: &[StreamEvent]) -> Vec<&ToolCall> {
    let call = |step| match step {
        &StreamEvent::BlockFinished {
            block: Block::ToolCall(ref call),
            ..
        } => Some(call),
        _ => None,
    };
    steps.iter().filter_map(call).collect()
}

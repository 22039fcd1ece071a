//! Whole turns with a model that writes its calls as text: what runs, what is refused, what stands in the conversation,
//! and what the model is told.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // a test may fail loudly

use std::sync::Arc;

use glasswork_agent_core::tree::Body;
use glasswork_agent_core::turn::State;
use glasswork_ai::conversation::Block;
use glasswork_ai::http::{BaseUrl, Provider};
use glasswork_ai::port::Models;
use glasswork_ai::wire::Wire;
use glasswork_app_runtime::watching::Update;
use glasswork_engine::{ScopeId, SystemClock};
use glasswork_session_state::settings::{Layer, Mode, Settings, Sourced};
use glasswork_testkit::house::{House, TurnEnd};
use glasswork_testkit::model_server::{Answers, ModelServer, Reply};

/// An answer in which each piece is a chunk of its own.
fn answer(text: &str, reason: &str) -> Reply {
    let chunk = |delta: &str, reason: &str| {
        format!(
            "data: {{\"choices\": [{{\"index\": 0, \"delta\": {delta}, \"finish_reason\": {reason}}}]}}\n\n"
        )
    };
    let quoted = |text: &str| {
        format!(
            "\"{}\"",
            text.replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n")
        )
    };
    let pieces = text.split_inclusive([' ', '<', '\n']);
    let mut body: String = pieces
        .map(|piece| chunk(&format!("{{\"content\": {}}}", quoted(piece)), "null"))
        .collect();
    body += &chunk("{}", &quoted(reason));
    Reply::stream(body + "data: [DONE]\n\n")
}

async fn house(replies: impl IntoIterator<Item = Reply>) -> (ModelServer, House, ScopeId) {
    let server = ModelServer::start(Answers::replies(replies)).await.unwrap();
    let url = BaseUrl::parse(&server.url()).unwrap();
    let provider = Provider::new("A_KEY", Wire::OpenAiCompatible, &url, None);
    let models = Arc::new(Models::default().with("local", Arc::new(provider)));
    let house = House::with(models, Arc::new(SystemClock::default())).await;
    let settings = Settings {
        model: Sourced::from_layer(Some("local/some-model".parse().unwrap()), Layer::Flag),
        ..House::settings(Mode::Yolo)
    };
    let session = house.session(settings).await;
    (server, house, session)
}

/// Runs a turn that must complete.
async fn turn(house: &House, session: ScopeId) -> TurnEnd {
    let end = house.turn(session, "go").await;
    assert_eq!((end.state, end.failure.clone()), (State::Completed, None));
    end
}

/// The answers and the results, a line each.
fn conversation(house: &House, session: ScopeId) -> Vec<String> {
    let now = house.now(session);
    let mut lines = vec![];
    for (_, entry) in now.tree.entries() {
        match &entry.body {
            Body::Assistant(answer) => lines.extend(answer.blocks.iter().map(|block| match block {
                Block::Text(text) => format!("text {text:?}"),
                Block::Thinking(thought) => format!("thinking {:?}", thought.text),
                Block::ToolCall(call) => format!("{} {} {}", call.id, call.name, call.arguments),
                Block::Kept(kept) => format!("kept {kept:?}"),
            })),
            Body::ToolResult { call, result, .. } => {
                let told = result.text.lines().next().unwrap_or_default();
                lines.push(format!("result of {} {told}", now.calls[call].call.id));
            }
            _ => {}
        }
    }
    lines
}

const GOOD: &str =
    "<tool_call>\n{'name': 'bash', 'arguments': {'command': 'echo one >> ran',}}\n</tool_call>";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_in_the_text_runs_and_its_repairs_are_on_record() {
    let text = format!("<think>\nhm\n</think>\n\nI write.\n{GOOD}");
    let (server, house, session) = house([answer(&text, "stop"), answer("Done.", "stop")]).await;
    let end = turn(&house, session).await;
    assert_eq!(
        std::fs::read_to_string(house.workspace().join("ran")).unwrap(),
        "one\n"
    );
    assert_eq!(
        conversation(&house, session),
        [
            "thinking \"\\nhm\\n\"",
            "text \"\\n\\nI write.\\n\"",
            r#"text_1_0 bash {"command":"echo one >> ran"}"#,
            "result of text_1_0 [no output]",
            "text \"Done.\"",
        ]
    );
    // No markup was ever shown, and none goes back.
    assert_eq!(end.text, "\n\nI write.\nDone.");
    let sent = String::from_utf8(server.received()[1].body.clone()).unwrap();
    assert!(
        sent.contains(r#""id":"text_1_0""#) && !sent.contains("tool_call>"),
        "{sent}"
    );
    let now = house.now(session);
    let reading = now.calls.values().next().unwrap().call.reading.clone().unwrap();
    let kinds: Vec<&str> = reading.repairs.iter().map(|repair| &*repair.kind).collect();
    assert_eq!((&*reading.dialect, &*reading.raw), ("hermes", GOOD));
    assert_eq!(
        kinds,
        [
            "single_quotes",
            "single_quotes",
            "single_quotes",
            "single_quotes",
            "single_quotes",
            "single_quotes",
            "extra_comma"
        ][1..]
    );
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_call_beside_a_good_one_gives_one_result_and_one_precise_error() {
    let broken =
        "<tool_call>{\"name\": \"bash\", \"arguments\": {\"command\": \"echo \"two\" >> ran\"}}</tool_call>";
    let unknown = "<tool_call>{\"name\": \"remove\", \"arguments\": {\"path\": \"/\"}}</tool_call>";
    let (server, house, session) = house([
        answer(&format!("{GOOD}\n{broken}\n{unknown}"), "stop"),
        answer("Done.", "stop"),
    ])
    .await;
    turn(&house, session).await;
    assert_eq!(
        std::fs::read_to_string(house.workspace().join("ran")).unwrap(),
        "one\n"
    );
    let said = conversation(&house, session);
    assert_eq!(
        said[3..6],
        [
            "result of text_1_0 [no output]",
            "result of text_1_1 The call was not run: the call cannot be read: a comma or `}` was expected; a quote inside of a string needs a backslash (at byte 60).",
            "result of text_1_2 The call was not run: there is no tool `remove`; the tools are ask_user, bash, edit, find, graph, grep, ls, read, update_plan, write.",
        ],
        "{said:#?}"
    );
    let sent = String::from_utf8(server.received()[1].body.clone()).unwrap();
    assert!(sent.contains("needs a backslash"), "{sent}");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_shown_cut_or_broken_off_never_runs() {
    let fenced = format!("Write:\n```\n{GOOD}\n```\n");
    let (_server, house, session) = house([
        answer(&fenced, "stop"),
        answer(&GOOD[..GOOD.len() - 14], "length"),
        answer("Done.", "stop"),
    ])
    .await;
    turn(&house, session).await;
    assert_eq!(conversation(&house, session), [format!("text {fenced:?}")]);
    turn(&house, session).await;
    assert!(!house.workspace().join("ran").exists());
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thinking_that_was_shown_as_text_becomes_thinking() {
    let (_server, house, session) = house([answer("I see.\n</think>\nHi.", "stop")]).await;
    let end = turn(&house, session).await;
    assert_eq!(
        conversation(&house, session),
        ["thinking \"I see.\\n\"", "text \"\\nHi.\""]
    );
    let finished: Vec<bool> = end
        .updates
        .iter()
        .filter_map(|update| match update {
            Update::BlockFinished { block } => Some(matches!(block, Block::Thinking(_))),
            _ => None,
        })
        .collect();
    assert_eq!(finished, [true, false]);
    house.close().await;
}

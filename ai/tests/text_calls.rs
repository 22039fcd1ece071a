//! Calls that a server leaves in the text of its answer, read at the wire: OpenAI-compatible servers, every byte a cut.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // a test may fail loudly

use glasswork_ai::conversation::{Block, Message, Request};
use glasswork_ai::grammar::Grammar;
use glasswork_ai::model::{Thinking, ToolSpec};
use glasswork_ai::stream::{BlockKind, StreamEvent};
use glasswork_ai::wire::{ReadCalls, Server, Wire};
use glasswork_dialects::Dialect;
use serde_json::json;

fn request() -> Request {
    let schema = r#"{"type":"object","properties":{"command":{"type":"string"}},"required":["command"]}"#;
    Request {
        output: None,
        model: "any/model".parse().unwrap(),
        system: vec![],
        messages: vec![Message::User("go".into())],
        tools: vec![ToolSpec {
            name: "bash".into(),
            description: "".into(),
            parameters: schema.into(),
        }],
        thinking: Thinking::Default,
        max_output_tokens: None,
        controls: Default::default(),
    }
}

/// A stream in which each text is a delta of its own.
fn stream(deltas: &[serde_json::Value], reason: &str) -> String {
    let chunk = |delta: &serde_json::Value, reason: Option<&str>| {
        format!(
            "data: {}\n\n",
            json!({"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})
        )
    };
    let mut body: String = deltas.iter().map(|delta| chunk(delta, None)).collect();
    body += &chunk(&json!({}), Some(reason));
    body + "data: [DONE]\n\n"
}

fn says(text: &str) -> Vec<serde_json::Value> {
    text.split_inclusive([' ', '<', '"'])
        .map(|piece| json!({"content": piece}))
        .collect()
}

fn decode<'a>(wire: Wire, chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<StreamEvent> {
    let mut decoder = wire.decoder(&request());
    let mut steps: Vec<StreamEvent> = chunks.into_iter().flat_map(|chunk| decoder.feed(chunk)).collect();
    steps.extend(decoder.end());
    Grammar::check(&steps).unwrap();
    steps
}

/// The finished blocks and the end, a line each.
fn lines(steps: &[StreamEvent]) -> Vec<String> {
    let line = |step: &StreamEvent| {
        Some(match step {
            StreamEvent::BlockFinished {
                block: Block::Text(text),
                ..
            } => format!("text {text:?}"),
            StreamEvent::BlockFinished {
                block: Block::Thinking(thought),
                ..
            } => format!("thinking {:?}", thought.text),
            StreamEvent::BlockFinished {
                block: Block::ToolCall(call),
                ..
            } => {
                let read = call.reading.as_ref().map(|reading| {
                    let kinds: Vec<&str> = reading.repairs.iter().map(|repair| &*repair.kind).collect();
                    let refused = reading
                        .refused
                        .as_deref()
                        .map(|reason| format!(" refused: {reason}"));
                    format!(
                        " <- {} {:?} [{}]{}",
                        reading.dialect,
                        reading.raw,
                        kinds.join(" "),
                        refused.unwrap_or_default()
                    )
                });
                format!(
                    "{} {} {}{}",
                    call.id,
                    call.name,
                    call.arguments,
                    read.unwrap_or_default()
                )
            }
            StreamEvent::Finished(reason) => format!("finished {reason:?}"),
            StreamEvent::Failed(failure) => format!("failed {:?}", failure.class),
            _ => return None,
        })
    };
    steps.iter().filter_map(line).collect()
}

fn check(deltas: &[serde_json::Value], reason: &str, expected: &[&str]) {
    let body = stream(deltas, reason);
    let whole = decode(Wire::OpenAiCompatible, [body.as_bytes()]);
    assert_eq!(lines(&whole), expected, "{body}");
    assert_eq!(
        lines(&decode(Wire::OpenAiCompatible, body.as_bytes().chunks(1))),
        expected,
        "{body}"
    );
    // Cut at every byte: what is there is a part of the whole, and a call is there whole or not at all.
    let end = body.find("data: [DONE]").unwrap();
    for at in 0..end {
        let part = lines(&decode(Wire::OpenAiCompatible, [&body.as_bytes()[..at]]));
        let (last, blocks) = part.split_last().unwrap();
        assert!(
            blocks.iter().all(|block| expected.contains(&block.as_str())),
            "{at}: {part:?}"
        );
        assert!(
            last.starts_with("failed") || Some(&last.as_str()) == expected.last(),
            "{at}: {last}"
        );
    }
}

const CALL: &str = "<tool_call>\n{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}}\n</tool_call>";

#[test]
fn calls_and_thinking_in_the_text_become_blocks() {
    let raw = format!("{CALL:?}");
    let expected = [
        "thinking \"\\nhm\\n\"".to_owned(),
        "text \"\\n\\nI look.\\n\"".to_owned(),
        format!("text_1_0 bash {{\"command\":\"ls\"}} <- hermes {raw} []"),
        format!("text_1_1 bash {{\"command\":\"ls\"}} <- hermes {raw} []"),
        "finished ToolUse".to_owned(),
    ];
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    check(
        &says(&format!("<think>\nhm\n</think>\n\nI look.\n{CALL}\n{CALL}")),
        "stop",
        &expected,
    );
}

#[test]
fn what_was_mended_or_refused_says_so() {
    check(
        &says("<tool_call>{'name': 'bash', 'arguments': {'command': 'ls',}}</tool_call>"),
        "stop",
        &[
            r#"text_1_0 bash {"command":"ls"} <- hermes "<tool_call>{'name': 'bash', 'arguments': {'command': 'ls',}}</tool_call>" [single_quotes single_quotes single_quotes single_quotes single_quotes extra_comma]"#,
            "finished ToolUse",
        ],
    );
    let broken = "<tool_call>{\"name\": \"bash\", \"arguments\": {}}</tool_call>";
    let refused = format!("text_1_0 bash {broken} <- hermes \"\" [] refused: `command` is missing");
    check(&says(broken), "stop", &[&refused, "finished ToolUse"]);
}

#[test]
fn text_that_is_no_call_stays_as_it_is() {
    let fenced = format!("So:\n```\n{CALL}\n```\n");
    check(
        &says(&fenced),
        "stop",
        &[&format!("text {fenced:?}"), "finished EndOfTurn"],
    );
    check(&says("\n\n"), "stop", &["text \"\\n\\n\"", "finished EndOfTurn"]);
    // Blanks are an answer where there is no other, and none behind a call or a thought.
    let called = format!("text_1_0 bash {{\"command\":\"ls\"}} <- hermes {CALL:?} []");
    check(
        &says(&format!("{CALL}\n \n")),
        "stop",
        &[&called, "finished ToolUse"],
    );
    check(
        &says("<think>\nhm\n</think>\n\n"),
        "stop",
        &["thinking \"\\nhm\\n\"", "finished EndOfTurn"],
    );
    // What the maker of the protocol serves has calls of its own: nothing is read there.
    let body = stream(&says(CALL), "stop");
    let hosted = decode(Wire::OpenAiChat, [body.as_bytes()]);
    assert_eq!(
        lines(&hosted),
        [format!("text {CALL:?}").as_str(), "finished EndOfTurn"]
    );
}

#[test]
fn a_call_that_the_limit_cut_is_refused() {
    let cut = "<tool_call>\n{\"name\": \"bash\", \"arguments\": {\"command\": \"rm -r /tmp";
    let refused = format!(
        "text_1_0 bash {cut} <- hermes \"\" [] refused: the answer reached its limit inside of the call; write a shorter one"
    );
    check(&says(cut), "length", &[&refused, "finished Length"]);
}

#[test]
fn native_calls_with_broken_json_are_mended_by_the_same_rules() {
    let native = |arguments: &str| {
        vec![
            json!({"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "bash", "arguments": arguments}}]}),
        ]
    };
    check(
        &native("{\"command\": \"a\nb\",}"),
        "tool_calls",
        &[
            r#"c1 bash {"command":"a\nb"} <- json "{\"command\": \"a\nb\",}" [control_character extra_comma]"#,
            "finished ToolUse",
        ],
    );
    check(
        &native(r#"{"command": "ls"}"#),
        "tool_calls",
        &[r#"c1 bash {"command": "ls"}"#, "finished ToolUse"],
    );
    check(
        &native(r#"{"command": "echo "hi"""#),
        "tool_calls",
        &[
            r#"c1 bash {"command": "echo "hi"" <- json "" [] refused: the arguments cannot be read: a comma or `}` was expected; a quote inside of a string needs a backslash (at byte 19)"#,
            "finished ToolUse",
        ],
    );
}

#[test]
fn thinking_of_the_servers_own_channel_stays_apart() {
    let mut deltas = vec![
        json!({"reasoning_content": "\nso"}),
        json!({"reasoning_content": "…"}),
    ];
    deltas.extend(says("Hi"));
    check(
        &deltas,
        "stop",
        &["thinking \"\\nso…\"", "text \"Hi\"", "finished EndOfTurn"],
    );
    // Some servers take all that comes before `</think>` for thinking, a call and nothing else too.
    check(
        &[json!({"reasoning_content": CALL})],
        "stop",
        &[
            &format!("text_1_0 bash {{\"command\":\"ls\"}} <- hermes {CALL:?} []"),
            "finished ToolUse",
        ],
    );
}

#[test]
fn a_call_is_announced_while_it_grows_and_its_markup_is_never_shown() {
    let mut decoder = Wire::OpenAiCompatible.decoder(&request());
    let body = stream(&says(&format!("Look.\n{CALL}")), "stop");
    let (mut shown, mut announced) = (String::new(), false);
    for byte in body.as_bytes().chunks(1) {
        for step in decoder.feed(byte) {
            match step {
                StreamEvent::Delta { index: 0, text } => shown.push_str(&text),
                StreamEvent::BlockStarted {
                    kind: BlockKind::ToolCall { name, .. },
                    ..
                } => announced = &*name == "bash",
                StreamEvent::BlockFinished {
                    block: Block::ToolCall(_),
                    ..
                } => assert!(announced),
                _ => {}
            }
        }
    }
    assert_eq!((shown.as_str(), announced), ("Look.\n", true));
}

#[test]
fn thinking_whose_beginning_stood_in_the_prompt_turns_into_thinking() {
    check(
        &says("I see.\n</think>\n\nHi"),
        "stop",
        &[
            "thinking \"I see.\\n\"",
            "text \"\\n\\nHi\"",
            "finished EndOfTurn",
        ],
    );
}

/// What a server of this wire, set like this, makes of a text that a model of this name said.
fn read(wire: Wire, setting: ReadCalls, model: &str, text: &str) -> Vec<String> {
    let server = Server {
        text_calls: setting,
        ..wire.into()
    };
    let request = Request {
        model: model.parse().unwrap(),
        ..request()
    };
    let body = match wire {
        Wire::Anthropic => {
            let events = [
                json!({"type": "message_start", "message": {"id": "m"}}),
                json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": text}}),
                json!({"type": "content_block_stop", "index": 0}),
                json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}),
                json!({"type": "message_stop"}),
            ];
            events.map(|event| format!("data: {event}\n\n")).concat()
        }
        _ => stream(&says(text), "stop"),
    };
    let mut decoder = server.decoder(&request);
    let mut steps = decoder.feed(body.as_bytes());
    steps.extend(decoder.end());
    Grammar::check(&steps).unwrap();
    lines(&steps)
}

#[test]
fn a_setting_says_where_and_how_calls_are_read() {
    let granite = "<|tool_call|>[{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}}]";
    let called = |dialect: &str, raw: &str| {
        vec![
            format!("text_1_0 bash {{\"command\":\"ls\"}} <- {dialect} {raw:?} []"),
            "finished ToolUse".to_owned(),
        ]
    };
    let said = |text: &str| vec![format!("text {text:?}"), "finished EndOfTurn".to_owned()];
    let (compatible, hosted) = (Wire::OpenAiCompatible, Wire::OpenAiChat);
    let (hermes, auto) = (ReadCalls::As(Dialect::Hermes), ReadCalls::Auto);
    let table = [
        (compatible, auto, CALL, called("hermes", CALL)),
        (compatible, auto, granite, called("granite", granite)),
        (hosted, auto, CALL, said(CALL)),
        (Wire::Anthropic, auto, CALL, said(CALL)),
        // Named, it is read whatever the server speaks, and no other is.
        (compatible, hermes, CALL, called("hermes", CALL)),
        (hosted, hermes, CALL, called("hermes", CALL)),
        (Wire::Anthropic, hermes, CALL, called("hermes", CALL)),
        (compatible, hermes, granite, said(granite)),
        (compatible, ReadCalls::Off, CALL, said(CALL)),
        (hosted, ReadCalls::Off, CALL, said(CALL)),
    ];
    for (wire, setting, text, expected) in table {
        assert_eq!(
            read(wire, setting, "any/model", text),
            expected,
            "{wire:?} {setting:?} {text}"
        );
    }
    // Thinking is no text, also where no calls are read; and native calls are mended.
    let off = |text| read(compatible, ReadCalls::Off, "any/model", text);
    assert_eq!(
        off(&format!("<think>hm</think>{CALL}")),
        [
            "thinking \"hm\"".to_owned(),
            format!("text {CALL:?}"),
            "finished EndOfTurn".to_owned()
        ]
    );
}

#[test]
fn the_name_of_a_model_decides_only_where_the_text_does_not() {
    let bare = "{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}}";
    let list = format!("[{bare}]");
    let python = "[bash(command='ls')]";
    let tagged = "[TOOL_CALLS][{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}}]";
    let table = [
        ("any/model", bare, "llama3"),
        ("home/Qwen2.5-7B-Instruct", bare, "hermes"),
        ("home/internlm3-8b-instruct", bare, "internlm"),
        ("any/model", &list, "xlam"),
        ("home/Mistral-Small-24B", &list, "mistral"),
        ("home/granite-3.3-8b", &list, "granite"),
        ("any/model", python, "llama4"),
        ("home/LFM2-1.2B", python, "lfm2"),
        // A name that does not fit says nothing, and tokens say more than any name.
        ("home/glm-4.6", bare, "llama3"),
        ("home/Qwen2.5-7B-Instruct", tagged, "mistral"),
        ("home/Mistral-Small-24B", CALL, "hermes"),
    ];
    for (model, text, dialect) in table {
        let said = read(Wire::OpenAiCompatible, ReadCalls::Auto, model, text);
        assert!(said[0].contains(&format!(" <- {dialect} ")), "{model}: {said:?}");
    }
}

#[test]
fn only_the_beginning_of_a_long_call_is_kept_beside_it_and_its_length() {
    let long = "x".repeat(10_000);
    let text =
        format!("<tool_call>{{\"name\": \"bash\", \"arguments\": {{\"command\": \"{long}\",}}}}</tool_call>");
    let body = stream(&says(&text), "stop");
    let steps = decode(Wire::OpenAiCompatible, [body.as_bytes()]);
    let reading = steps.iter().find_map(|step| match step {
        StreamEvent::BlockFinished {
            block: Block::ToolCall(call),
            ..
        } => call.reading.clone(),
        _ => None,
    });
    let reading = reading.unwrap();
    assert_eq!(*reading.raw, text[..4096]);
    assert_eq!(reading.raw_bytes, text.len() as u64);
    let comma = text.find(",}").unwrap() as u64;
    let repairs: Vec<(&str, u64)> = reading
        .repairs
        .iter()
        .map(|mended| (&*mended.kind, mended.at))
        .collect();
    assert_eq!(repairs, [("extra_comma", comma)]);
}

#[test]
fn tokens_are_told_when_the_text_before_them_is_whole() {
    let body = stream(&says("Hi you"), "stop").replace(
        "data: [DONE]",
        "data: {\"choices\": [], \"usage\": {\"prompt_tokens\": 1, \"completion_tokens\": 2}}\n\ndata: [DONE]",
    );
    let steps = decode(Wire::OpenAiCompatible, [body.as_bytes()]);
    let last = steps.iter().rev().take(3).rev().collect::<Vec<_>>();
    assert!(
        matches!(
            last[..],
            [
                StreamEvent::BlockFinished { .. },
                StreamEvent::Usage(_),
                StreamEvent::Finished(_)
            ]
        ),
        "{last:?}"
    );
    // And where the answer breaks off, before that.
    let cut = body.find("data: [DONE]").unwrap();
    let broken = body[..cut].replace("\"finish_reason\":\"stop\"", "\"finish_reason\":null");
    let steps = decode(Wire::OpenAiCompatible, [broken.as_bytes()]);
    assert!(
        matches!(
            steps[steps.len() - 2..],
            [StreamEvent::Usage(_), StreamEvent::Failed(_)]
        ),
        "{steps:?}"
    );
}

#[test]
fn what_is_signed_or_encrypted_goes_through_as_it_came() {
    let server = Server {
        text_calls: ReadCalls::As(Dialect::Hermes),
        ..Wire::Anthropic.into()
    };
    let block = |index: u64, start: serde_json::Value| {
        [
            json!({"type": "content_block_start", "index": index, "content_block": start}),
            json!({"type": "content_block_stop", "index": index}),
        ]
    };
    let events = [
        &block(
            0,
            json!({"type": "thinking", "thinking": "", "signature": "c2ln"}),
        )[..],
        &block(1, json!({"type": "redacted_thinking", "data": "ZGF0"})),
        &block(2, json!({"type": "text", "text": "Hi"})),
        &[
            json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}),
            json!({"type": "message_stop"}),
        ],
    ];
    let body: String = events
        .concat()
        .iter()
        .map(|event| format!("data: {event}\n\n"))
        .collect();
    let mut decoder = server.decoder(&request());
    let steps = decoder.feed(body.as_bytes());
    Grammar::check(&steps).unwrap();
    let thoughts: Vec<(Option<&str>, Option<&str>)> = steps
        .iter()
        .filter_map(|step| match step {
            StreamEvent::BlockFinished {
                block: Block::Thinking(thought),
                ..
            } => Some((thought.signature.as_deref(), thought.redacted.as_deref())),
            _ => None,
        })
        .collect();
    assert_eq!(thoughts, [(Some("c2ln"), None), (None, Some("ZGF0"))]);
}

//! Any bytes: no parser panics, and what it gives holds.

use glasswork_agent_session::foreign::{Format, parse};
use proptest::prelude::*;

use crate::{describe, holds};

const FIXTURES: [(Format, &[u8]); 6] = [
    (Format::Pi, include_bytes!("fixtures/pi-v3.jsonl")),
    (Format::ClaudeCode, include_bytes!("fixtures/claude-code.jsonl")),
    (Format::Codex, include_bytes!("fixtures/codex.jsonl")),
    (Format::Gemini, include_bytes!("fixtures/gemini-chat.json")),
    (Format::Gemini, include_bytes!("fixtures/gemini-log.jsonl")),
    (Format::Gemini, include_bytes!("fixtures/gemini-checkpoint.json")),
];

fn try_all(bytes: &[u8]) {
    let _ = Format::detect(bytes);
    for format in Format::ALL {
        if let Ok(transcript) = parse(format, bytes) {
            holds(&transcript);
            assert_eq!(
                describe(&transcript),
                describe(&parse(format, bytes).unwrap()),
                "a parser is a function"
            );
        }
    }
}

#[test]
fn a_file_may_end_anywhere() {
    for (format, bytes) in FIXTURES {
        for end in 0..bytes.len() {
            if let Ok(transcript) = parse(format, &bytes[..end]) {
                holds(&transcript);
            }
        }
    }
}

/// Values that look like those of transcripts, with every member possible everywhere.
fn value() -> impl Strategy<Value = serde_json::Value> {
    let word = prop::sample::select(vec![
        "message",
        "user",
        "assistant",
        "toolResult",
        "tool_use",
        "tool_result",
        "toolCall",
        "text",
        "thinking",
        "a",
        "b",
        "c",
        "session_meta",
        "response_item",
        "event_msg",
        "function_call",
        "function_call_output",
        "reasoning",
        "compaction",
        "compacted",
        "branch_summary",
        "leaf",
        "system",
        "gemini",
        "model",
        "thread_rolled_back",
        "token_count",
        "custom_tool_call",
        "bashExecution",
        "",
    ]);
    let leaf = prop_oneof![
        word.clone().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<bool>().prop_map(serde_json::Value::from),
        Just(serde_json::Value::Null),
        "\\PC{0,12}".prop_map(serde_json::Value::from),
    ];
    let member = prop::sample::select(vec![
        "type",
        "id",
        "parentId",
        "uuid",
        "parentUuid",
        "message",
        "role",
        "content",
        "text",
        "payload",
        "call_id",
        "tool_use_id",
        "toolCallId",
        "name",
        "arguments",
        "input",
        "args",
        "output",
        "parts",
        "functionCall",
        "functionResponse",
        "response",
        "toolCalls",
        "result",
        "$set",
        "$rewindTo",
        "messages",
        "summary",
        "firstKeptEntryId",
        "fromId",
        "firstKeptEntryIndex",
        "targetId",
        "isCompactSummary",
        "isSidechain",
        "timestamp",
        "num_turns",
        "model",
        "provider",
        "stopReason",
        "usage",
        "replacement_history",
        "thoughts",
        "sessionId",
    ]);
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::from),
            prop::collection::btree_map(member.clone().prop_map(str::to_owned), inner, 0..7)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_break_a_parser(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        try_all(&bytes);
    }

    #[test]
    fn no_values_break_a_parser(values in prop::collection::vec(value(), 0..12)) {
        let lines: Vec<String> = values.iter().map(ToString::to_string).collect();
        try_all(lines.join("\n").as_bytes());
        try_all(serde_json::json!({ "messages": values }).to_string().as_bytes());
    }

    #[test]
    fn lines_in_any_order_with_any_byte_changed_hold(
        which in 0..FIXTURES.len(),
        order in prop::collection::vec(any::<prop::sample::Index>(), 1..40),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let (_, bytes) = FIXTURES[which];
        let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
        let mut mixed: Vec<u8> = order.iter().flat_map(|index| lines[index.index(lines.len())].to_vec()).collect();
        let at = at.index(mixed.len());
        mixed[at] = byte;
        try_all(&mixed);
    }
}

//! The scripted model at its public door: what a script says is what is streamed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // a test may fail loudly

use std::sync::Arc;
use std::time::Duration;

use glasswork_ai::conversation::{Block, Message, Request, ToolResult};
use glasswork_ai::failure::FailureClass;
use glasswork_ai::grammar::Grammar;
use glasswork_ai::model::Thinking;
use glasswork_ai::scripted::{Cue, Script};
use glasswork_ai::stream::{Progress, StreamEvent};
use proptest::prelude::*;

/// The example of the module's documentation, as it stands there.
fn documented() -> Script {
    let source = include_str!("../src/scripted.rs");
    let from = source.find("r##\"").unwrap() + 4;
    let to = source.find("\"##").unwrap();
    let text: Vec<&str> = source[from..to]
        .lines()
        .map(|line| line.strip_prefix("//!").unwrap_or(line))
        .collect();
    Script::parse(&text.join("\n")).unwrap()
}

/// A conversation in which the model has spoken so often, and was then told this.
fn after(answers: usize, told: &[&str]) -> Request {
    let mut messages = vec![Message::User("go".into())];
    for _ in 0..answers {
        messages.push(Message::Assistant {
            blocks: vec![Block::Text("…".into())],
            model: "scripted/example".parse().unwrap(),
        });
    }
    for text in told {
        messages.push(Message::ToolResult(ToolResult {
            call: "c".into(),
            name: "bash".into(),
            text: (*text).into(),
            is_error: false,
        }));
    }
    Request {
        output: None,
        model: "scripted/example".parse().unwrap(),
        system: vec![],
        messages,
        tools: vec![],
        thinking: Thinking::Default,
        max_output_tokens: None,
        controls: Default::default(),
    }
}

/// One line per cue, for people.
fn score(script: &Script, request: &Request, attempt: u32) -> String {
    let cues: Vec<Cue> = script.play(request, attempt).collect();
    assert_grammar(&cues);
    let lines: Vec<String> = cues
        .iter()
        .map(|cue| match cue {
            Cue::Wait(time) => format!("wait {} ms", time.as_millis()),
            Cue::Stall => "stall".to_owned(),
            Cue::Say(Progress::Connected) => "connected".to_owned(),
            Cue::Say(Progress::Step(step)) => serde_json::to_string(step).unwrap(),
        })
        .collect();
    lines.join("\n")
}

fn assert_grammar(cues: &[Cue]) {
    let steps: Vec<StreamEvent> = cues
        .iter()
        .filter_map(|cue| match cue {
            Cue::Say(Progress::Step(step)) => Some(step.clone()),
            _ => None,
        })
        .collect();
    let mut grammar = Grammar::default();
    for step in &steps {
        grammar.step(step).unwrap();
    }
    if cues.last() != Some(&Cue::Stall) {
        grammar.end().unwrap();
    }
}

#[test]
fn the_documented_script_streams_its_first_turn() {
    insta::assert_snapshot!(score(&documented(), &after(0, &[]), 1), @r##"
    connected
    {"started":{"response":"scripted-1","model":"example"}}
    {"block_started":{"index":0,"kind":"thinking"}}
    wait 15 ms
    {"delta":{"index":0,"text":"The test sho"}}
    wait 15 ms
    {"delta":{"index":0,"text":"uld say what"}}
    wait 15 ms
    {"delta":{"index":0,"text":" is wrong."}}
    {"block_finished":{"index":0,"block":{"thinking":{"text":"The test should say what is wrong."}}}}
    {"block_started":{"index":1,"kind":"text"}}
    wait 15 ms
    {"delta":{"index":1,"text":"I run the te"}}
    wait 15 ms
    {"delta":{"index":1,"text":"st."}}
    {"block_finished":{"index":1,"block":{"text":"I run the test."}}}
    {"block_started":{"index":2,"kind":{"tool_call":{"id":"call_1_1","name":"bash"}}}}
    wait 15 ms
    {"delta":{"index":2,"text":"{\"command\":\""}}
    wait 15 ms
    {"delta":{"index":2,"text":"sh check.sh\""}}
    wait 15 ms
    {"delta":{"index":2,"text":"}"}}
    {"block_finished":{"index":2,"block":{"tool_call":{"id":"call_1_1","name":"bash","arguments":"{\"command\":\"sh check.sh\"}"}}}}
    {"usage":{"input":1,"output":19,"cache_read":0,"cache_write":0}}
    {"finished":"tool_use"}
    "##);
}

#[test]
fn attempts_fail_as_written_and_then_succeed() {
    let script = documented();
    let request = after(1, &["3 is not 4"]);
    insta::assert_snapshot!(score(&script, &request, 1), @r##"{"failed":{"class":"rate_limit","message":"the script fails here (RateLimit)","status":429,"retry_after_ms":1500}}"##);
    insta::assert_snapshot!(score(&script, &request, 2), @r##"
    connected
    {"started":{"response":"scripted-2","model":"example"}}
    {"block_started":{"index":0,"kind":"text"}}
    wait 15 ms
    {"delta":{"index":0,"text":"I se"}}
    {"block_finished":{"index":0,"block":{"text":"I se"}}}
    {"block_started":{"index":1,"kind":{"tool_call":{"id":"call_2_1","name":"edit"}}}}
    wait 15 ms
    {"delta":{"index":1,"text":"{\"path\":\"add"}}
    wait 15 ms
    {"delta":{"index":1,"text":".sh\""}}
    {"failed":{"class":"transport","message":"the connection broke off before the answer was complete"}}
    "##);
    insta::assert_snapshot!(score(&script, &request, 3), @r##"
    connected
    {"started":{"response":"scripted-2","model":"example"}}
    {"block_started":{"index":0,"kind":"text"}}
    wait 15 ms
    {"delta":{"index":0,"text":"The sum is w"}}
    wait 15 ms
    {"delta":{"index":0,"text":"rong."}}
    {"block_finished":{"index":0,"block":{"text":"The sum is wrong."}}}
    {"block_started":{"index":1,"kind":{"tool_call":{"id":"call_2_1","name":"edit"}}}}
    wait 15 ms
    {"delta":{"index":1,"text":"{\"path\":\"add"}}
    wait 15 ms
    {"delta":{"index":1,"text":".sh\",\"edits\""}}
    wait 15 ms
    {"delta":{"index":1,"text":":[{\"old\":\"$1"}}
    wait 15 ms
    {"delta":{"index":1,"text":" - $2\",\"new\""}}
    wait 15 ms
    {"delta":{"index":1,"text":":\"$1 + $2\"}]"}}
    wait 15 ms
    {"delta":{"index":1,"text":"}"}}
    {"block_finished":{"index":1,"block":{"tool_call":{"id":"call_2_1","name":"edit","arguments":"{\"path\":\"add.sh\",\"edits\":[{\"old\":\"$1 - $2\",\"new\":\"$1 + $2\"}]}"}}}}
    {"block_started":{"index":2,"kind":{"tool_call":{"id":"call_2_2","name":"bash"}}}}
    wait 15 ms
    {"delta":{"index":2,"text":"{\"command\": "}}
    wait 15 ms
    {"delta":{"index":2,"text":"\"sh check.sh"}}
    wait 15 ms
    {"delta":{"index":2,"text":"\"}"}}
    {"block_finished":{"index":2,"block":{"tool_call":{"id":"call_2_2","name":"bash","arguments":"{\"command\": \"sh check.sh\"}"}}}}
    {"usage":{"input":4,"output":26,"cache_read":0,"cache_write":0}}
    {"finished":"tool_use"}
    "##);
}

#[test]
fn a_turn_depends_on_what_the_model_was_told_since_it_last_spoke() {
    let script = documented();
    let text = |request: &Request| {
        script
            .play(request, 3) // beyond the attempts that fail
            .find_map(|cue| match cue {
                Cue::Say(Progress::Step(StreamEvent::BlockFinished {
                    block: Block::Text(text),
                    ..
                })) => Some(text),
                Cue::Say(Progress::Step(StreamEvent::Failed(failure))) => {
                    assert_eq!(failure.class, FailureClass::Invalid);
                    Some(failure.message)
                }
                _ => None,
            })
            .unwrap()
    };
    // Both of two results count, not only the last.
    assert_eq!(
        &*text(&after(2, &["all tests pass", "written"])),
        "Done: all tests pass."
    );
    assert_eq!(&*text(&after(2, &["1 test failed"])), "I could not mend it.");
    insta::assert_snapshot!(text(&after(1, &["4 is 4"])), @r##"turn 2 of the script expects the model to be told `3 is not 4`, but it was told: 4 is 4"##);
    insta::assert_snapshot!(text(&after(3, &[])), @r##"the script has 3 turns and this is request 4; add a turn"##);
}

#[test]
fn a_script_can_stall_at_every_place_and_end_for_every_reason() {
    let check = |steps: &str, expected: &str| {
        let script = Script::parse(&format!(
            "(turns: [(say: [{steps}], usage: (input: 7, output: 3))])"
        ))
        .unwrap();
        let said: Vec<String> = script
            .play(&after(0, &[]), 1)
            .map(|cue| match cue {
                Cue::Wait(time) => format!("{}ms", time.as_millis()),
                Cue::Stall => "stall".to_owned(),
                Cue::Say(Progress::Connected) => "connected".to_owned(),
                Cue::Say(Progress::Step(step)) => match step {
                    StreamEvent::Started { .. } => "started".to_owned(),
                    StreamEvent::BlockStarted { .. } => "[".to_owned(),
                    StreamEvent::Delta { text, .. } => text.to_string(),
                    StreamEvent::BlockFinished { .. } => "]".to_owned(),
                    StreamEvent::Usage(usage) => format!("{}+{}", usage.input, usage.output),
                    StreamEvent::Finished(reason) => format!("{reason:?}"),
                    StreamEvent::Failed(failure) => format!("{:?}", failure.class),
                },
            })
            .collect();
        assert_eq!(said.join(" "), expected, "{steps}");
        assert_grammar(&script.play(&after(0, &[]), 1).collect::<Vec<_>>());
    };
    check("", "connected started 7+3 EndOfTurn");
    check("stall", "stall");
    check("wait(9), connected, stall", "9ms connected stall");
    check("text(\"ab\"), stall", "connected started [ ab ] stall");
    check("partial(text(\"ab\"))", "connected started [ a 7+3 Length");
    check(
        "partial(call(\"t\", (a: 1))), cut",
        "connected started [ {\"a\":1 Transport",
    );
    check(
        "partial(call(\"t\", (a: 1))), stall",
        "connected started [ {\"a\":1 stall",
    );
    check("call(\"t\", ())", "connected started [ {} ] 7+3 ToolUse");
    check(
        "call(\"t\", ()), stop(length)",
        "connected started [ {} ] 7+3 Length",
    );
    check("stop(other(\"tired\"))", "connected started 7+3 Other(\"tired\")");
    check("cut", "connected Transport");
    check("fail(class: auth)", "Auth");
    check("connected, fail(class: overloaded)", "connected Overloaded");
    check("text(\"\"), fail(class: quota)", "connected started [ ] Quota");
}

#[test]
fn arguments_keep_the_order_and_kind_in_which_they_are_written() {
    let check = |ron: &str, json: &str| {
        let script = Script::parse(&format!("(turns: [(say: [call(\"t\", {ron})])])")).unwrap();
        let arguments = script.play(&after(0, &[]), 1).find_map(|cue| match cue {
            Cue::Say(Progress::Step(StreamEvent::BlockFinished {
                block: Block::ToolCall(call),
                ..
            })) => Some(call.arguments),
            _ => None,
        });
        assert_eq!(arguments.as_deref(), Some(json), "{ron}");
    };
    check("(z: 1, a: -2, m: 1.5)", r#"{"z":1,"a":-2,"m":1.5}"#);
    check(
        r#"{"with space": true, "b": None}"#,
        r#"{"with space":true,"b":null}"#,
    );
    check(
        r#"(list: [1, "two\n", [], (x: ())], some: Some('c'))"#,
        r#"{"list":[1,"two\n",[],{"x":null}],"some":"c"}"#,
    );
    check("()", "{}");
}

#[test]
fn errors_name_line_and_column() {
    let error = |text: &str| Script::parse(text).unwrap_err().to_string();
    insta::assert_snapshot!(error("(turns: [\n  (say: [txt(\"a\")]),\n])"), @r##"line 2, column 10: Unexpected variant named `txt` in enum `Step`, expected one of `text`, `thinking`, `call`, `call_json`, `partial`, `wait`, `connected`, `stop`, `cut`, `stall`, or `fail` instead"##);
    insta::assert_snapshot!(error("(turns: [(says: [])])"), @r##"line 1, column 11: Unexpected field named `says` in `Turn`, expected one of `first`, `expect`, `when`, `say`, `otherwise`, or `usage` instead"##);
    insta::assert_snapshot!(error("(turns: [\n  (say: [call(\"t\", [1])]),\n])"), @r##"line 2, column 22: arguments are a struct `(name: value)` or a map, not `[1]`; for any other text there is `call_json`"##);
    insta::assert_snapshot!(error("(turns: [(say: [fail(class: tired)])])"), @r##"line 1, column 29: Unexpected variant named `tired` in enum `FailureClass`, expected one of `auth`, `rate_limit`, `overloaded`, `unavailable`, `timeout`, `transport`, `invalid`, `context_overflow`, `quota`, `refusal`, `protocol`, or `breaker_open` instead"##);
    insta::assert_snapshot!(error("(turns: ["), @r##"line 1, column 9: Expected opening `(` for struct `Turn`"##);
    insta::assert_snapshot!(error(&" ".repeat((4 << 20) + 1)), @r##"the script has 4194305 bytes; at most 4194304 are read"##);
}

proptest! {
    #[test]
    fn any_text_arrives_whole_in_chunks_of_the_size_asked_for(text in ".{0,60}", chunk in 1u32..9, pace in 0u32..3) {
        let script = Script { chunk, pace_ms: pace, ..Script::of([glasswork_ai::scripted::Turn::says([
            glasswork_ai::scripted::Step::Text(Arc::from(text.as_str())),
        ])]) };
        let cues: Vec<Cue> = script.play(&after(0, &[]), 1).collect();
        assert_grammar(&cues);
        let deltas: Vec<usize> = cues.iter().filter_map(|cue| match cue {
            Cue::Say(Progress::Step(StreamEvent::Delta { text, .. })) => Some(text.chars().count()),
            _ => None,
        }).collect();
        let chars = text.chars().count();
        prop_assert_eq!(deltas.len(), chars.div_ceil(chunk as usize));
        prop_assert!(deltas.iter().rev().skip(1).all(|length| *length == chunk as usize));
        let waits = cues.iter().filter(|cue| **cue == Cue::Wait(Duration::from_millis(pace.into()))).count();
        prop_assert_eq!(waits, if pace == 0 { 0 } else { deltas.len() });
    }
}

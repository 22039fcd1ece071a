//! What is a loop, and what only looks like one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that meets what it did not expect shall stop there"
)]

use std::sync::Arc;

use glasswork_agent_core::branch_summary::BranchSummary;
use glasswork_agent_core::compaction::{Carried, Compaction, Paths, Why};
use glasswork_agent_core::id::{CallId, EntryId, RequestId};
use glasswork_agent_core::loop_guard::{About, End, Kind, Notice, Rules, find, notice, told};
use glasswork_agent_core::structured::Telling;
use glasswork_agent_core::superseded::Superseded;
use glasswork_agent_core::tree::{Assistant, Body, Tree, Via};
use glasswork_ai::conversation::{Block, Thought, ToolCall, ToolResult};
use glasswork_ai::failure::{Failure, FailureClass};
use glasswork_ai::stream::StopReason;
use glasswork_engine::Timestamp;
use proptest::prelude::*;

const RULES: Rules = Rules {
    rounds: 3,
    answers: true,
};

#[derive(Default)]
struct Talk {
    tree: Tree,
    seq: u64,
}

impl Talk {
    fn add(&mut self, body: Body) {
        self.seq += 1;
        let id = EntryId {
            seq: self.seq,
            ordinal: 0,
        };
        self.tree.append(id, Timestamp(0), body);
    }

    fn say(&mut self, via: Via) {
        let text = "go".into();
        self.add(Body::Prompt {
            text,
            via,
            images: vec![],
        });
    }

    fn answer(&mut self, blocks: Vec<Block>) {
        self.add(Body::Assistant(Assistant {
            blocks,
            model: "a/b".parse().unwrap(),
            request: None,
            usage: None,
            stop: None,
            cancelled: false,
        }));
    }

    /// A step: its calls as `name arguments -> result`; a result that begins with `!` is an error.
    fn step(&mut self, calls: &[&str]) {
        let parsed: Vec<_> = calls
            .iter()
            .zip(0..)
            .map(|(call, number)| {
                let (call, result) = call.split_once(" -> ").unwrap();
                let (name, arguments) = call.split_once(' ').unwrap_or((call, "{}"));
                let call = ToolCall {
                    // Some servers number the calls of each answer anew.
                    id: format!("call_{number}").into(),
                    name: name.into(),
                    arguments: arguments.into(),
                    reading: None,
                };
                (call, result)
            })
            .collect();
        self.answer(
            parsed
                .iter()
                .map(|(call, _)| Block::ToolCall(call.clone()))
                .collect(),
        );
        for (call, result) in parsed {
            let result = ToolResult {
                call: Arc::clone(&call.id),
                name: call.name,
                // A failure may have the very text of a success.
                text: result.trim_start_matches('!').into(),
                is_error: result.starts_with('!'),
            };
            let call = CallId {
                seq: self.seq,
                ordinal: 0,
            };
            self.add(Body::ToolResult {
                call,
                result,
                images: vec![],
            });
        }
    }

    fn found(&self, rules: Rules) -> Option<Kind> {
        let end = End {
            tree: &self.tree,
            stop: None,
            tools: true,
        };
        find(end, rules)
    }
}

fn check(steps: &[&[&str]], expected: Option<Kind>) {
    let mut talk = Talk::default();
    talk.say(Via::Prompt);
    for step in steps {
        talk.step(step);
    }
    assert_eq!(talk.found(RULES), expected, "{steps:?}");
}

#[test]
fn rounds_of_calls_with_the_same_results_are_loops_and_nothing_else_is() {
    let (a, b, c): (&[&str], &[&str], &[&str]) =
        (&["ls -> x"], &["read {\"path\": \"f\"} -> y"], &["grep -> !none"]);
    check(&[], None);
    check(&[a, a], None);
    check(&[a, a, a], Some(Kind::SameCall));
    check(&[b, c, a, a, a], Some(Kind::SameCall));
    check(&[a, a, a, b], None);
    check(&[a, b, a, b], None);
    check(&[a, b, a, b, a, b], Some(Kind::Alternating));
    check(&[b, a, b, c, a, b, c, a, b, c], Some(Kind::Alternating));
    check(&[a, b, a, c, a, b], None);
    let d: &[&str] = &["bash -> z"];
    let e: &[&str] = &["graph -> z"];
    check(&[a, b, c, d, a, b, c, d, a, b, c, d], Some(Kind::Alternating));
    check(&[a, b, c, d, e, a, b, c, d, e, a, b, c, d, e], None);
    // A poll: the same call, and something else each time.
    check(&[&["ls -> 1"], &["ls -> 2"], &["ls -> 3"]], None);
    check(&[&["ls -> 1"], &["ls -> 1"], &["ls -> 2"]], None);
    // The same text as a result and as a failure is not the same.
    check(&[a, &["ls -> !x"], a], None);
    check(
        &[
            &["ls {\"a\":1} -> x"],
            &["ls {\"a\":2} -> x"],
            &["ls {\"a\":1} -> x"],
        ],
        None,
    );
    // Several calls at once are one step, however alike.
    check(&[&["ls -> x", "ls -> x", "ls -> x"]], None);
    check(&[&["ls -> x", "ls -> x"], a, &["ls -> x", "ls -> x"]], None);
    // Blanks between the parts of the arguments say nothing; within a text they do.
    check(
        &[
            &[r#"w {"a": "x \" y"} -> x"#],
            &[r#"w {"a":"x \" y"} -> x"#],
            &["w {\"a\":\n\"x \\\" y\" } -> x"],
        ],
        Some(Kind::SameCall),
    );
    // A backslash that is escaped itself escapes no quote behind it.
    check(
        &[
            &[r#"w {"a": "x\\", "b": 1} -> x"#],
            &[r#"w {"a":"x\\","b":1} -> x"#],
            &[r#"w {"a":"x\\", "b":1} -> x"#],
        ],
        Some(Kind::SameCall),
    );
    check(
        &[
            &[r#"w {"a":"x y"} -> x"#],
            &[r#"w {"a":"xy"} -> x"#],
            &[r#"w {"a":"x y"} -> x"#],
        ],
        None,
    );
}

#[test]
fn whoever_speaks_begins_anew_and_a_notice_is_remembered_until_a_person_does() {
    let mut talk = Talk::default();
    talk.say(Via::Prompt);
    let again = |talk: &mut Talk| {
        for _ in 0..2 {
            talk.step(&["ls -> x"]);
            assert_eq!(talk.found(RULES), None);
        }
        talk.step(&["ls -> x"]);
        assert_eq!(talk.found(RULES), Some(Kind::SameCall));
    };
    again(&mut talk);
    assert_eq!(told(&talk.tree, Kind::SameCall), 0);
    talk.add(Body::Notice(Arc::new(notice(Kind::SameCall, RULES))));
    again(&mut talk);
    assert_eq!(
        (
            told(&talk.tree, Kind::SameCall),
            told(&talk.tree, Kind::Alternating)
        ),
        (1, 0)
    );
    talk.say(Via::Steering);
    again(&mut talk);
    assert_eq!(told(&talk.tree, Kind::SameCall), 0);
}

/// What is looked at ends where something else stands than calls and their results.
#[test]
fn what_stands_between_two_calls_parts_them() {
    let compaction = Body::Compaction(Arc::new(Compaction {
        why: Why::Threshold,
        summary: "so far".into(),
        model: "a/b".parse().unwrap(),
        request: RequestId(1),
        first_kept: EntryId { seq: 1, ordinal: 0 },
        tokens_before: 2,
        tokens_after: 1,
        carried: Carried::default(),
    }));
    let (prompt, notice) = (
        Body::Prompt {
            text: "go".into(),
            via: Via::FollowUp,
            images: vec![],
        },
        Body::Notice(Arc::new(notice(Kind::SameCall, RULES))),
    );
    let branch = Body::BranchSummary(Arc::new(BranchSummary {
        from: None,
        summary: "elsewhere".into(),
        model: "a/b".parse().unwrap(),
        request: RequestId(1),
        changed: Paths::default(),
        read: Paths::default(),
    }));
    for between in [compaction, prompt, notice, branch] {
        let mut talk = Talk::default();
        talk.say(Via::Prompt);
        talk.step(&["ls -> x"]);
        talk.step(&["ls -> x"]);
        talk.add(between.clone());
        talk.step(&["ls -> x"]);
        assert_eq!(talk.found(RULES), None, "{between:?}");
    }
    let mut talk = Talk::default();
    talk.say(Via::Prompt);
    talk.step(&["ls -> x"]);
    talk.step(&["ls -> x"]);
    talk.answer(vec![Block::Text("Once more.".into())]);
    talk.step(&["ls -> x"]);
    assert_eq!(talk.found(RULES), None, "words between");
}

/// What a model said before another one took its place is nobody's word, and parts nothing.
#[test]
fn an_answer_that_was_given_up_stands_between_no_calls() {
    let mut talk = Talk::default();
    talk.say(Via::Prompt);
    talk.step(&["ls -> x"]);
    talk.step(&["ls -> x"]);
    talk.add(Body::Superseded(Arc::new(Superseded {
        request: RequestId(1),
        model: "a/b".parse().unwrap(),
        failure: Failure::new(FailureClass::Overloaded, "no room"),
        by: "c/d".parse().unwrap(),
        said: "I look".into(),
    })));
    talk.step(&["ls -> x"]);
    assert_eq!(talk.found(RULES), Some(Kind::SameCall));
}

#[test]
fn the_number_of_rounds_is_a_setting() {
    for rounds in [0, 1, 2, 5, 32, u32::MAX] {
        let rules = Rules { rounds, ..RULES };
        let mut talk = Talk::default();
        talk.say(Via::Prompt);
        let first = (1..=100u32).find(|_| {
            talk.step(&["ls -> x"]);
            talk.found(rules).is_some()
        });
        assert_eq!(first, (rounds > 1).then_some(rounds.min(32)), "{rounds}");
    }
}

/// What is found in an answer without calls.
fn answered(blocks: Vec<Block>, stop: StopReason, tools: bool) -> Option<Kind> {
    let mut talk = Talk::default();
    talk.say(Via::Prompt);
    if !blocks.is_empty() {
        talk.answer(blocks);
    }
    let end = End {
        tree: &talk.tree,
        stop: Some(&stop),
        tools,
    };
    let off = Rules {
        answers: false,
        ..RULES
    };
    assert_eq!(find(end, off), None);
    find(end, RULES)
}

#[test]
fn an_answer_that_says_nothing_is_empty_unless_it_is_a_refusal() {
    let blank = || vec![Block::Text(" \n".into())];
    for blocks in [vec![], blank()] {
        for stop in [StopReason::EndOfTurn, StopReason::Length, StopReason::ToolUse] {
            assert_eq!(answered(blocks.clone(), stop, false), Some(Kind::EmptyAnswer));
        }
        assert_eq!(answered(blocks, StopReason::Refusal, false), None);
    }
    assert_eq!(
        answered(vec![Block::Text("42".into())], StopReason::EndOfTurn, true),
        None
    );
    // Thinking is said to nobody.
    let thought = || {
        Block::Thinking(Thought {
            text: "Hm. Let me check the file.".into(),
            signature: None,
            redacted: None,
        })
    };
    let only = |blocks| answered(blocks, StopReason::EndOfTurn, true);
    assert_eq!(only(vec![thought()]), Some(Kind::EmptyAnswer));
    assert_eq!(only(vec![thought(), Block::Text("Done.".into())]), None);
    // Whoever calls has kept the promise.
    let call = Block::ToolCall(ToolCall {
        id: "c".into(),
        name: "read".into(),
        arguments: "{}".into(),
        reading: None,
    });
    assert_eq!(
        only(vec![Block::Text("Let me check the file.".into()), call.clone()]),
        None
    );
    assert_eq!(only(vec![call]), None);
}

#[test]
fn a_promise_is_what_only_a_tool_can_keep() {
    let promised = |text: &str, tools| answered(vec![Block::Text(text.into())], StopReason::EndOfTurn, tools);
    for text in [
        "Let me check the file src/main.rs.",
        "I see. I'll now run the tests:",
        "The error is in a.rs\n\nNow let me look at it…",
        "I\u{2019}m going to search for that.",
        "First things first! Let's start by reading the manifest.",
        // The last sentence counts, whatever ended those before it.
        "I see. It fails!\nLet me check why.",
        // Several words on the way to the verb.
        "I'll now quickly run the tests.",
    ] {
        assert_eq!(promised(text, true), Some(Kind::PromisedCall), "{text}");
        assert_eq!(promised(text, false), None, "without tools: {text}");
    }
    for text in [
        "Done. All tests pass.",
        "Let me know if you want more.",
        "I'll check it once you have pushed.",
        "I'll check it when you have pushed.",
        "I'll check it after you have pushed.",
        "I'll check it if you like.",
        "I'll check it, just let me know which one.",
        "I'll check it later.",
        "Shall I run the tests?",
        "I'll be here.",
        "Let me explain why.",
        "I'll run the tests. They are fine.",
        "You said: let me check.",
        "I will use tabs if you prefer.",
        "I'll check",
    ] {
        assert_eq!(promised(text, true), None, "{text}");
    }
}

/// Each kind of notice is one word in the record, and reads as the kind that it was.
#[test]
fn what_a_notice_is_about_is_one_word() {
    let all = [
        (About::Loop(Kind::SameCall), "same_call"),
        (About::Loop(Kind::Alternating), "alternating"),
        (About::Loop(Kind::EmptyAnswer), "empty_answer"),
        (About::Loop(Kind::PromisedCall), "promised_call"),
        (About::Result(Telling::Wanted), "result_wanted"),
        (About::Result(Telling::Due), "result_due"),
        (About::Result(Telling::Unfit), "result_unfit"),
        (About::TakenOver, "taken_over"),
    ];
    for (kind, word) in all {
        let written = format!("{{\"kind\":\"{word}\",\"text\":\"so\"}}");
        let text = "so".into();
        assert_eq!(serde_json::to_string(&Notice { kind, text }).unwrap(), written);
        let read: Notice = serde_json::from_str(&written).unwrap();
        assert_eq!(read.kind, kind, "{word}");
    }
}

#[test]
fn a_model_is_told_what_it_does_and_how_often() {
    let all = [
        Kind::SameCall,
        Kind::Alternating,
        Kind::EmptyAnswer,
        Kind::PromisedCall,
    ];
    let told = all.map(|kind| {
        let notice = notice(kind, RULES);
        assert_eq!(notice.kind, About::Loop(kind));
        notice.text.to_string()
    });
    insta::assert_snapshot!(told.join("\n"), @r##"
    [Notice of the runtime, not of the user] The same call has now been made 3 times with the same result each time. Making it again will not change anything. Use what you know, try something else, or say what keeps you from going on.
    [Notice of the runtime, not of the user] The same calls have now been made in turn 3 times, with the same results each time. Going on like that will not change anything. Use what you know, try something else, or say what keeps you from going on.
    [Notice of the runtime, not of the user] Your last answer was empty. Go on with the task, or say that it is done.
    [Notice of the runtime, not of the user] Your last answer says that you are about to use a tool, and has no tool call. Make the call now, or say that the task is done.
    "##);
}

proptest! {
    /// Against an independent reading: the end is one round, some number of times.
    #[test]
    fn what_is_found_is_a_round_again_and_again(names in prop::collection::vec(0u8..3, 0..20)) {
        let mut talk = Talk::default();
        talk.say(Via::Prompt);
        for name in &names {
            talk.step(&[&format!("t{name} -> x")]);
        }
        let ends = |round: usize| names.len() >= 3 * round && {
            let end = &names[names.len() - 3 * round..];
            end[..round].repeat(3) == end
        };
        let expected = if ends(1) {
            Some(Kind::SameCall)
        } else {
            (2..=4).any(ends).then_some(Kind::Alternating)
        };
        prop_assert_eq!(talk.found(RULES), expected);
    }

    #[test]
    fn any_text_is_read(text in "\\PC*", tail in "(I'll run|let me |\u{2019}|É|…|: )*") {
        let _ = answered(vec![Block::Text(format!("{text}{tail}.").into())], StopReason::EndOfTurn, true);
    }
}

//! Where regions end that do not end as they should, and messages that may be a call as a whole: what is told of each
//! piece as soon as it is there, and what only when the message ends.

use glasswork_dialects::{Ending, Event, REGION_LIMIT, Recogniser, Tools};

use crate::kit::{joined, lines, tools};

/// What is told after each piece, and last after the end: as [`lines`] has it, and `began name`.
fn told(tools: Tools, pieces: &[&str], ending: Ending) -> Vec<String> {
    let mut recogniser = Recogniser::new(tools);
    let mut told = Vec::new();
    let mut tell = |events| {
        let events = joined(events);
        let lines = events.iter().map(|event| match event {
            Event::CallBegan { name } => format!("began {name}"),
            event => lines(std::slice::from_ref(event)).concat(),
        });
        told.push(lines.collect::<Vec<_>>().join(" | "));
    };
    for piece in pieces {
        tell(recogniser.feed(piece));
    }
    tell(recogniser.finish(ending));
    told
}

fn check(pieces: &[&str], expected: &[&str]) {
    assert_eq!(told(tools(), pieces, Ending::Complete), expected, "{pieces:?}");
}

#[test]
fn a_region_without_its_closer_ends_where_its_value_does() {
    let ls = r#"call bash {"command":"ls"} [missing_marker]"#;
    check(
        &[
            "<tool_call>\n{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}}\nNow we wait.",
            " And wait.",
        ],
        &[
            &format!(r#"began bash | {ls} | text "\nNow we wait.""#),
            r#"text " And wait.""#,
            "",
        ],
    );
    // Brackets and commas may go on with it.
    check(
        &[
            "<tool_call>\n{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}},\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>",
        ],
        &[r#"began bash | call bash {"command":"ls"} | call now {}"#, ""],
    );
    // Another one that begins ends it too.
    check(
        &[
            "<tool_call>\n{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}}\n<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>",
        ],
        &[&format!("began bash | {ls} | began now | call now {{}}"), ""],
    );
    check(
        &["<tool_call>note\n<arg_key>text</arg_key>\n<arg_value>a</arg_value>\n<tool_call>now\n</tool_call>"],
        &[
            r#"began note | call note {"text":"a"} [missing_marker] | began now | call now {}"#,
            "",
        ],
    );
    // A bracket that was forgotten inside keeps nothing open.
    check(
        &["[TOOL_CALLS]note[ARGS]{\"text\": \"a\", \"tags\": [\"x\"} and text"],
        &[
            r#"began note | call note {"text":"a","tags":["x"]} [missing_closer] | text " and text""#,
            "",
        ],
    );
}

#[test]
fn a_string_that_does_not_end_swallows_neither_what_follows_nor_the_next_call() {
    let broken = "<tool_call>\n{\"name\": \"bash\", \"arguments\": {\"command\": \"ls}}\n</tool_call>\n";
    let refused = "refused bash: the call cannot be read: a string is not closed (at byte 54)";
    check(
        &[broken, "Bye."],
        &["began bash", "", &format!(r#"{refused} | text "\nBye.""#)],
    );
    check(
        &[
            broken,
            "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>",
        ],
        &[
            "began bash",
            "",
            &format!(r#"{refused} | text "\n" | began now | call now {{}}"#),
        ],
    );
}

#[test]
fn a_message_that_may_be_a_call_is_held_back_only_while_it_may() {
    let call = r#"{"name": "bash", "arguments": {"command": "ls"}}"#;
    check(&[call, "\n"], &["", "", r#"call bash {"command":"ls"}"#]);
    check(
        &[call, " and so on"],
        &["", &format!("text {:?}", format!("{call} and so on")), ""],
    );
    // A quote behind a backslash ends no string.
    let quoting = r#"{"name": "bash", "arguments": {"command": "echo \" x"}}"#;
    check(
        &[quoting, " tail"],
        &["", &format!("text {:?}", format!("{quoting} tail")), ""],
    );
    // A key with which no call begins, and a name that does not come.
    let titled = r#"{"title": "x", "name": "bash", "arguments": {"command": "ls"}}"#;
    check(&[titled], &[&format!("text {titled:?}"), ""]);
    let late = format!(r#"{{"arguments": {{"text": "{}"#, "x".repeat(600));
    check(&[&late], &[&format!("text {late:?}"), ""]);
    let early = [r#"{"arguments": {"text": "a note""#, r#"}, "name": "note"}"#];
    check(&early, &["", "", r#"call note {"text":"a note"}"#]);
    // Nothing is held back for ever.
    let head = r#"{"name": "note", "arguments": {"text": ""#;
    let long = "x".repeat(REGION_LIMIT);
    assert_eq!(told(tools(), &[head, &long], Ending::Complete)[0], "");
    assert!(told(tools(), &[head, &long], Ending::Complete)[1].starts_with(r#"text "{\"name\""#));
}

#[test]
fn a_message_that_is_a_call_as_a_whole_must_be_whole() {
    let unclosed = r#"{"name": "bash", "arguments": {"command": "ls"}"#;
    check(
        &[unclosed],
        &[
            "",
            "refused bash: the call is not complete: a bracket or tag is not closed, and the message ends",
        ],
    );
    let call = r#"{"name": "bash", "arguments": {"command": "ls"}}"#;
    let limit = [
        "",
        "refused bash: the answer reached its limit inside of the call; write a shorter one",
    ];
    for text in [call.to_owned(), format!("```json\n{call}\n```\n")] {
        assert_eq!(told(tools(), &[&text], Ending::Length), limit, "{text}");
    }
    // A fence ends on a line of its own.
    for text in [format!("```json\n{call}\n"), format!("```json\n{call} ```")] {
        check(&[&text], &["", &format!("text {text:?}")]);
    }
    // This fence is a dialect's own, whose calls are not JSON.
    let text = format!("```tool_code\n{call}\n```");
    check(&[&text], &[&format!("text {text:?}"), ""]);
}

#[test]
fn what_was_read_is_kept_as_it_stood() {
    let raw = |text: &str| -> Vec<String> {
        let mut recogniser = Recogniser::new(tools());
        let mut events = recogniser.feed(text);
        events.extend(recogniser.finish(Ending::Complete));
        let raw = events.into_iter().filter_map(|event| match event {
            Event::Call(call) => Some(call.raw),
            Event::Refused(refusal) => Some(refusal.raw),
            _ => None,
        });
        raw.collect()
    };
    for text in [
        "```json\n{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}}\n```\n",
        "{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}}\n\n",
        "<tool_call>{\"name\": \"wipe\"}</tool_call>",
    ] {
        assert_eq!(raw(text), [text]);
    }
    let (one, other) = (
        r#"{"name": "bash", "arguments": {"command": "ls"}}"#,
        r#"{"name": "now", "arguments": {}}"#,
    );
    assert_eq!(raw(&format!("{one}; {other}")), [one, other]);
}

#[test]
fn only_calls_of_known_tools_are_announced() {
    check(
        &["<tool_call>\n{\"name\": \"wipe\", \"arguments\": {"],
        &[
            "",
            "refused wipe: there is no tool `wipe`; the tools are bash, note, now",
        ],
    );
    check(
        &[
            "<tool_call>\n{\"name\": \"bash\", \"arguments\": {",
            "\"command\": \"ls\"}}",
        ],
        &["began bash", "", r#"call bash {"command":"ls"} [missing_marker]"#],
    );
    // Without tools nothing is one.
    for text in [
        "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>",
        "{\"name\": \"now\", ",
    ] {
        let none = Tools::new(<[(&str, &str); 0]>::default());
        assert_eq!(
            told(none, &[text], Ending::Complete),
            [format!("text {text:?}"), String::new()]
        );
    }
}

#[test]
fn a_thought_between_leaves_what_was_said_and_called_before() {
    let now = "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>";
    let bare = "{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}}";
    let text = format!("text {:?}", format!("\n{bare}"));
    let thought = "<think>\nhm\n</think>\n";
    // As a whole message it would be a call. Behind words, or another call, it is not the whole.
    check(
        &[&format!("Well.\n{thought}{bare}")],
        &[&format!(r#"text "Well.\n" | thinking "\nhm\n" | {text}"#), ""],
    );
    check(
        &[&format!("{now}\n{thought}{bare}")],
        &[
            &format!(r#"began now | call now {{}} | text "\n" | thinking "\nhm\n" | {text}"#),
            "",
        ],
    );
    check(
        &[&format!("{thought}{bare}")],
        &[
            r#"thinking "\nhm\n" | text "\n""#,
            r#"call bash {"command":"ls"}"#,
        ],
    );
    // A thought may stand right behind a call, and else at the beginning, or on lines of its own.
    check(
        &[&format!("{now} <think>hm</think>\nanswer")],
        &[
            r#"began now | call now {} | text " " | thinking "hm" | text "\nanswer""#,
            "",
        ],
    );
    for words in [
        "Text.\n<think>in words</think> more",
        "We write <think> here, and </think> there.",
    ] {
        check(&[words], &[&format!("text {words:?}"), ""]);
    }
}

#[test]
fn the_end_of_a_thought_that_never_began_counts_only_where_all_before_is_text() {
    check(
        &["so it is\n</think>\nanswer"],
        &[r#"text "so it is\n" | was thinking | text "\nanswer""#, ""],
    );
    check(
        &["<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>\nso\n</think>\nanswer"],
        &[r#"began now | call now {} | text "\nso\n</think>\nanswer""#, ""],
    );
    check(
        &["<|channel|>final<|message|>so it is\n</think>\nanswer"],
        &[r#"text "so it is\n</think>\nanswer""#, ""],
    );
}

//! What is said before a call is whole: its name, if it may be called; and the text that can be none any more.

use glasswork_dialects::{Dialect, Ending, Event, REGION_LIMIT, Recogniser};

use crate::kit::{joined, lines, tools, with_json};

/// What comes out while the answer still arrives, and at its end, piece by piece.
fn fed(pieces: &[&str]) -> (Vec<Event>, Vec<Event>) {
    let mut recogniser = Recogniser::new(tools());
    let early = pieces.iter().flat_map(|piece| recogniser.feed(piece)).collect();
    (early, recogniser.finish(Ending::Complete))
}

fn announced(events: &[Event]) -> Vec<&str> {
    let names = events.iter().filter_map(|event| match event {
        Event::CallBegan { name } => Some(&**name),
        _ => None,
    });
    names.collect()
}

#[test]
fn a_call_is_announced_once_by_the_name_of_a_tool_and_by_no_other() {
    for dialect in [
        Dialect::Hermes,
        Dialect::Mistral,
        Dialect::DeepSeekV31,
        Dialect::KimiK2,
        Dialect::Nemotron,
    ] {
        for (name, expected) in [("bash", vec!["bash"]), ("rm", vec![])] {
            let call = with_json(dialect, name, r#"{"command": "ls"}"#).unwrap();
            let letters: Vec<&str> = call.split_inclusive(|_| true).collect();
            for pieces in [&[&*call][..], &letters] {
                let (mut all, end) = fed(pieces);
                all.extend(end);
                assert_eq!(announced(&all), expected, "{dialect:?} {pieces:?}");
            }
        }
    }
}

/// Behind a closer that may be the end of the call, nothing is part of it for sure: no name is told from there.
#[test]
fn no_call_is_announced_from_behind_what_may_be_its_end() {
    let cut =
        "<｜DSML｜function_calls>\n<｜DSML｜parameter name=\"x\" string=\"true\">a</｜DSML｜function_calls>";
    let behind = "\n<｜DSML｜invoke name=\"bash\">";
    let (early, end) = fed(&[cut, behind, "\n"]);
    assert_eq!(early, []);
    // It was the end: what follows is a call of its own.
    assert!(
        matches!(&joined(end)[..], [Event::Refused(first), Event::Text(_), Event::CallBegan { .. }, Event::Refused(_)]
            if first.raw == cut)
    );
}

/// A message that begins like a call as a whole, and can be none any more at its end: the text is not held back.
#[test]
fn what_can_be_no_call_any_more_is_text_at_once() {
    let far = format!("{{\"name\": \"{}", "x".repeat(600));
    let long = format!(
        "{{\"name\": \"bash\", \"arguments\": {{\"command\": \"{}",
        "x".repeat(REGION_LIMIT)
    );
    let table = [
        ("[rm(path=", true),
        ("[bash(command=", false),
        ("{\"name\": \"bash\", \"arguments\": {}", false),
        ("{\"name\": \"bash\", \"arguments\": {}}\n", false),
        ("{\"name\": \"bash\", \"arguments\": {}} and", true),
        (
            "{\"name\": \"bash\", \"arguments\": {\"command\": \"}} and\"",
            false,
        ),
        // A quote behind the brackets is none of theirs: nothing stands between it and its end.
        ("{\"name\": \"bash\", \"arguments\": {}} \" ", true),
        (&far, true),
        (&far[..400], false),
        (&long, true),
    ];
    for (text, is_text) in table {
        let (early, end) = fed(&[text]);
        let shown = &text[..text.len().min(60)];
        assert_eq!(lines(&joined(early.clone())).is_empty(), !is_text, "{shown}");
        if is_text {
            let said = [early, end].concat();
            assert_eq!(lines(&joined(said)), [format!("text {text:?}")], "{shown}");
        }
    }
}

/// A call as a whole that is not closed was cut, whatever the server says.
#[test]
fn a_message_that_is_an_unclosed_call_is_not_run() {
    for text in [
        "{\"name\": \"bash\", \"arguments\": {\"command\": \"rm -r /tmp/x",
        "{\"name\": \"bash\", \"arguments\": {\"command\": \"rm -r /tmp/x\"",
        "{\"name\": \"bash\", \"arguments\": {\"command\": \"rm -r /tmp/x\"}",
        "[{\"name\": \"bash\", \"arguments\": {\"command\": \"rm -r /tmp/x\"}}",
        "[bash(command=\"rm -r /tmp/x\"",
    ] {
        let (mut all, end) = fed(&[text]);
        all.extend(end);
        let lines = lines(&joined(all));
        assert!(
            lines.iter().all(|line| !line.starts_with("call")),
            "{text}: {lines:?}"
        );
    }
}

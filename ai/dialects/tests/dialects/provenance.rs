//! Where a call stands decides whether it may run.

use glasswork_dialects::{Dialect, Ending, Event, Expected, Recogniser, Tools};

use crate::kit::{events, joined, lines, said, tools};

const CALL: &str = "<tool_call>\n{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}}\n</tool_call>";
const BARE: &str = "{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}}";
const RUNS: &str = "call bash {\"command\":\"ls\"}";

/// A message around a call, and whether the call runs. Where it does not, every byte is text.
#[test]
fn shown_calls_are_text() {
    let shown = [
        format!("Write\n```\n{CALL}\n```\nto look."),
        format!("```xml\n{CALL}\n```\nThat is how."),
        format!("~~~~\n```\n{CALL}\n~~~~\n"),
        // What ends a fence: as many of its own, at the beginning of a line, and nothing behind.
        format!("```\n~~~\n{CALL}\n```\nEnd."),
        format!("````\n```\n{CALL}\n````\nEnd."),
        format!("```\nx ```\n{CALL}\n```\nEnd."),
        format!("```\n```x\n{CALL}\n```\nEnd."),
        // One backtick does not end what two began.
        format!("So: ``a ` {CALL} ``"),
        format!("`{CALL}`"),
        format!("``{CALL}``"),
        format!("> {CALL}"),
        format!("It is \"{CALL}\"."),
        format!("So: {BARE}"),
        format!("{BARE}\nThat is it."),
        format!("```json\n{BARE}\n```\nThat is it."),
        format!("Look:\n```json\n{BARE}\n```"),
        "{\"name\": \"Bob\", \"type\": \"person\"}".to_owned(),
        "{\"name\": \"rm\", \"arguments\": {}}".to_owned(),
        "[rm(path=\"/\")]".to_owned(),
        "[bash, sh, zsh]".to_owned(),
        "The tag <tool_call> begins it, </tool_call> ends it.".to_owned(),
        "<function=…> is what it writes, <invoke name= too, [TOOL_CALLS] as well".to_owned(),
        "a <| b |> c [TOOL_CALLS".to_owned(),
    ];
    for text in shown {
        assert_eq!(said(&text), [format!("text {text:?}")], "{text}");
    }
    let meant = [
        format!("```xml\n{CALL}\n```"),
        format!("\n```\n{BARE}\n```\n\n"),
        format!("  {BARE}  \n"),
        format!("```\ncode\n```\n{CALL}"),
        format!("It's `x` then {CALL}"),
        // Neither a quotation nor inline code goes on in the next line, and three backticks in a line are no fence.
        format!("> As you said.\n{CALL}"),
        format!("An odd ` here.\n{CALL}"),
        format!("An odd ``` here.\n{CALL}"),
        format!("<think>no</think>\n{BARE}"),
    ];
    for text in meant {
        let calls: Vec<String> = said(&text)
            .into_iter()
            .filter(|line| line.starts_with("call"))
            .collect();
        assert_eq!(calls, [RUNS], "{text}");
    }
}

#[test]
fn a_call_in_thinking_counts_only_if_there_is_nothing_else() {
    let with = |thinking: &[&str], answer: &str, ending: Ending| {
        let mut recogniser = Recogniser::new(tools());
        let mut all: Vec<Event> = thinking
            .iter()
            .flat_map(|piece| recogniser.feed_thinking(piece))
            .collect();
        all.extend(recogniser.feed(answer));
        all.extend(recogniser.finish(ending));
        lines(&joined(all))
    };
    let pieces: Vec<&str> = CALL.split_inclusive(' ').collect();
    assert_eq!(with(&pieces, "", Ending::Complete), [RUNS]);
    assert_eq!(
        with(&["\n", CALL, "\n"], "\n", Ending::Complete),
        ["text \"\\n\"", RUNS]
    );
    let thinking = format!("thinking {CALL:?}");
    assert_eq!(
        with(&[CALL], "Hi", Ending::Complete),
        [thinking.clone(), "text \"Hi\"".to_owned()]
    );
    assert_eq!(with(&[CALL], "", Ending::Length), [thinking]);
    assert_eq!(
        with(&["So: ", CALL], "", Ending::Complete),
        [format!("thinking {:?}", format!("So: {CALL}"))]
    );
    let and = format!("{CALL} and so");
    assert_eq!(with(&[&and], "", Ending::Complete), [format!("thinking {and:?}")]);
    assert_eq!(
        with(&["So: "], CALL, Ending::Complete),
        ["thinking \"So: \"", RUNS]
    );
}

#[test]
fn without_tools_there_are_no_calls() {
    let mut recogniser = Recogniser::new(Tools::default());
    let text = format!("<think>a</think>{CALL}");
    let mut all = recogniser.feed(&text);
    all.extend(recogniser.finish(Ending::Complete));
    assert_eq!(
        lines(&joined(all)),
        ["thinking \"a\"".to_owned(), format!("text {CALL:?}")]
    );
}

#[test]
fn a_broken_call_beside_a_good_one_is_one_call_and_one_precise_error() {
    let broken = "<tool_call>\n{\"name\": \"note\", \"arguments\": {\"count\": \"x\"}}\n</tool_call>";
    let expected = [
        RUNS,
        "text \"\\n\"",
        "refused note: `text` is missing; `count` must be integer, and is string `\"x\"`",
    ];
    assert_eq!(said(&format!("{CALL}\n{broken}")), expected);
    let list = "[TOOL_CALLS] [{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}}, {\"name\": \"bash\", \"arguments\": {\"command\": \"a\" b}}, {\"name\": \"now\", \"arguments\": {}}]";
    assert_eq!(
        said(list),
        [
            RUNS,
            "refused bash: the call cannot be read: a comma or `}` was expected; a quote inside of a string needs a backslash (at byte 110)",
            "call now {}",
        ]
    );
    // Where it ends is seen through strings, quotes in them, and objects within it.
    let list = r#"[TOOL_CALLS] [{"name": "note", "arguments": {"meta": {"x": 1}, "text": "a\"}}]{" c}}, {"name": "now", "arguments": {}}]"#;
    let lines = said(list);
    assert!(
        lines[0].starts_with("refused note: the call cannot be read"),
        "{lines:?}"
    );
    assert_eq!(lines[1..], ["call now {}"]);
}

#[test]
fn what_was_cut_never_runs() {
    for text in [
        CALL,
        BARE,
        "<|python_tag|>{\"name\": \"now\", \"parameters\": {}}",
        "[TOOL_CALLS]bash[ARGS]{\"command\": \"ls\"}",
    ] {
        for (at, _) in text.char_indices() {
            let part = &text[..at];
            let said = events([part], Ending::Length);
            assert!(
                !said.iter().any(|event| matches!(event, Event::Call(_))),
                "{part}"
            );
        }
    }
    let cut = "<tool_call>\n{\"name\": \"bash\", \"arguments\": {\"command\": \"rm -r /tmp/a";
    let expected = "refused bash: the answer reached its limit inside of the call; write a shorter one";
    assert_eq!(lines(&events([cut], Ending::Length)), [expected]);
    // Also where the server says nothing of a limit.
    assert!(lines(&events([cut], Ending::Complete))[0].starts_with("refused bash: the call cannot be read"));
    let open = "<tool_call>\n{\"name\": \"bash\", \"arguments\": {\"command\": \"rm -r /tmp\"";
    assert_eq!(
        lines(&events([open], Ending::Complete)),
        ["refused bash: the call is not complete: a bracket or tag is not closed, and the message ends",]
    );
}

#[test]
fn a_call_is_announced_before_it_is_complete_and_no_markup_is_shown() {
    let text = format!("Look.\n{CALL}");
    let mut recogniser = Recogniser::new(tools());
    let mut shown = String::new();
    let mut announced_at = None;
    for (at, c) in text.char_indices() {
        for event in recogniser.feed(c.to_string().as_str()) {
            match event {
                Event::Text(text) => shown.push_str(&text),
                Event::CallBegan { name } => announced_at = Some((at, name)),
                _ => {}
            }
        }
        // No more than a sentinel is held back.
        if at < 6 {
            assert_eq!(shown, text[..=at]);
        }
    }
    let name_ends = text.find("bash\"").unwrap() + 4;
    assert_eq!(announced_at, Some((name_ends, "bash".to_owned())));
    assert_eq!(shown, "Look.\n");
}

#[test]
fn a_region_has_a_cap_and_time_is_linear() {
    let long = format!(
        "<tool_call>{{\"name\": \"bash\", \"arguments\": {{\"command\": \"{}",
        "x".repeat(5 << 20)
    );
    let said = events([long.as_str()], Ending::Complete);
    assert!(
        matches!(&said[1], Event::Refused(refusal) if refusal.reason.contains("bytes")),
        "{:?}",
        said.len()
    );
    // So is thinking that began like a call: no more than that is held back.
    let mut recogniser = Recogniser::new(tools());
    assert_eq!(recogniser.feed_thinking(&long[..long.len() / 2]), []);
    assert!(matches!(
        &recogniser.feed_thinking(&long)[..],
        [Event::Thinking(_)]
    ));
    // Where there are no tools there are no calls, and nothing is held back at all.
    let mut talker = Recogniser::new(Tools::default());
    assert_eq!(talker.feed_thinking(CALL), [Event::Thinking(CALL.to_owned())]);
    // Nothing that can be read is nested that deep: it is not counted, and swallows nothing of what follows.
    let deep = format!("<|tool_call|>{}{}", "[".repeat(300), "]".repeat(256));
    let all = events([&*deep, " and so on"], Ending::Complete);
    assert!(
        matches!(&all[..], [Event::Refused(refusal), Event::Text(text)] if refusal.raw == deep && text == " and so on"),
        "{all:?}"
    );
    // Each of these would be looked at again and again by a recogniser that is naive about strings or sections.
    for nasty in [
        "<tool_call>{\\\"</tool_call>x",
        "<tool_call>{",
        "[TOOL_CALLS][",
        "<function=a><parameter=",
        "`<",
        "{\"name\":",
        "<|channel|>a",
    ] {
        events([nasty.repeat((1 << 20) / nasty.len()).as_str()], Ending::Complete);
    }
}

/// The name of a call, its raw text, and what was mended at which places of it.
type Raw = (String, String, Vec<(&'static str, usize)>);

fn raws(text: &str) -> Vec<Raw> {
    let call = |event| match event {
        Event::Call(call) => {
            let repairs = call.repairs.iter().map(|repair| (repair.kind.key(), repair.at));
            Some((call.name, call.raw, repairs.collect()))
        }
        Event::Refused(refusal) => Some((refusal.name.unwrap_or_default(), refusal.raw, vec![])),
        _ => None,
    };
    events([text], Ending::Complete)
        .into_iter()
        .filter_map(call)
        .collect()
}

#[test]
fn each_call_of_a_region_has_its_own_text_and_only_the_last_what_the_region_lacks() {
    let first = "{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}}";
    let second = "{\"name\": \"now\", \"arguments\": {},}";
    let own = |name: &str, raw: &str, repairs: &[(&'static str, usize)]| {
        (name.to_owned(), raw.to_owned(), repairs.to_vec())
    };
    let comma = second.len() - 2;
    assert_eq!(
        raws(&format!("[TOOL_CALLS] [{first}, {second}]")),
        [
            own("bash", first, &[]),
            own("now", second, &[("extra_comma", comma)])
        ]
    );
    // The region of one call is its text, tokens and all; its places count from there.
    let one = format!("<tool_call>{second}</tool_call>");
    assert_eq!(
        raws(&one),
        [own("now", &one, &[("extra_comma", "<tool_call>".len() + comma)])]
    );
    let open = format!("<tool_call>\n{first}\n{second}");
    let said = raws(&open);
    assert_eq!(said[0], own("bash", first, &[]));
    assert_eq!(
        said[1].2,
        [("extra_comma", comma), ("missing_marker", second.len())]
    );
}

#[test]
fn a_name_is_taken_as_it_was_offered_with_or_without_its_namespace() {
    let with = |offered: &str, said: &str| {
        let mut recogniser = Recogniser::new(Tools::new([(offered, "{}"), ("ls", "{}")]));
        let text = format!("<tool_call>{{\"name\": \"{said}\", \"arguments\": {{}}}}</tool_call>");
        let mut all = recogniser.feed(&text);
        all.extend(recogniser.finish(Ending::Complete));
        lines(&joined(all)).concat()
    };
    assert_eq!(with("now", "functions.now"), "call now {}");
    assert_eq!(with("now", "default_api.now"), "call now {}");
    // A tool may be called so.
    assert_eq!(with("functions.now", "functions.now"), "call functions.now {}");
    assert_eq!(
        with("now", "functions.rm"),
        "refused rm: there is no tool `rm`; the tools are ls, now"
    );
}

#[test]
fn what_the_model_says_is_a_string_is_one() {
    let with = |is_string: bool| {
        said(&format!(
            "<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"note\">\n<｜DSML｜parameter name=\"text\" string=\"true\">x</｜DSML｜parameter>\n<｜DSML｜parameter name=\"count\" string=\"{is_string}\">7</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜function_calls>"
        ))
        .concat()
    };
    assert_eq!(with(false), "call note {\"text\":\"x\",\"count\":7}");
    assert_eq!(
        with(true),
        "refused note: `count` must be integer, and is string `\"7\"`"
    );
}

#[test]
fn a_dialect_that_is_named_is_the_only_one_that_is_read() {
    let with = |expected: Expected, text: &str| {
        let mut recogniser = Recogniser::new(tools()).expecting(expected);
        let mut all = recogniser.feed(text);
        all.extend(recogniser.finish(Ending::Complete));
        lines(&joined(all))
    };
    let list = format!("[{BARE}]");
    let mistral = format!("[TOOL_CALLS][{BARE}]");
    let text = |text: &str| vec![format!("text {text:?}")];
    let only = |dialect| Expected::Only(dialect);
    for (expected, said, runs) in [
        (only(Dialect::Hermes), CALL, true),
        (only(Dialect::Hermes), BARE, true),
        (only(Dialect::Hermes), &list, false),
        (only(Dialect::Hermes), &mistral, false),
        (only(Dialect::Mistral), &mistral, true),
        (only(Dialect::Mistral), &list, true),
        (only(Dialect::Mistral), CALL, false),
        (only(Dialect::Mistral), BARE, false),
        (Expected::Rather(Dialect::Mistral), CALL, true),
        (Expected::Rather(Dialect::Mistral), BARE, true),
        (Expected::Rather(Dialect::Hermes), &mistral, true),
    ] {
        let runs = if runs { vec![RUNS.to_owned()] } else { text(said) };
        assert_eq!(with(expected, said), runs, "{expected:?} {said}");
        let fenced = format!("```\n{said}\n```");
        let runs = if runs == text(said) { text(&fenced) } else { runs };
        assert_eq!(with(expected, &fenced), runs, "{expected:?} {fenced}");
    }
    // The thinking channel is read by the same rule.
    let mut recogniser = Recogniser::new(tools()).expecting(only(Dialect::Mistral));
    let mut all = recogniser.feed_thinking(CALL);
    all.extend(recogniser.finish(Ending::Complete));
    assert_eq!(lines(&joined(all)), [format!("thinking {CALL:?}")]);
}

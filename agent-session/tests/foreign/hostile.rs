//! What a hostile or broken file has, in each format: what can be saved is there, and of the rest each line is told.

use glasswork_agent_session::foreign::{ASIDES, Body, Format, MAX_LINE, Transcript, only};
use serde_json::{Value, json};

use crate::{describe, read};

/// A line in which a person says something: its id, what it follows, the words.
type Says = fn(&str, &str, &str) -> Value;

fn pi(id: &str, parent: &str, words: &str) -> Value {
    json!({ "type": "message", "id": id, "parentId": parent, "message": { "role": "user", "content": words } })
}

fn claude(id: &str, parent: &str, words: &str) -> Value {
    json!({ "type": "user", "uuid": id, "parentUuid": parent, "sessionId": "s", "message": { "content": words } })
}

fn codex(_: &str, _: &str, words: &str) -> Value {
    let content = json!([{ "type": "input_text", "text": words }]);
    json!({ "type": "response_item", "payload": { "type": "message", "role": "user", "content": content } })
}

fn gemini(id: &str, _: &str, words: &str) -> Value {
    json!({ "type": "user", "id": id, "content": words })
}

const FORMATS: [(Format, Says, &str); 4] = [
    (Format::Pi, pi, r#"{"type":"session","version":3,"id":"s"}"#),
    (Format::ClaudeCode, claude, r#"{"type":"tag","sessionId":"s"}"#),
    (
        Format::Codex,
        codex,
        r#"{"type":"session_meta","payload":{"id":"s"}}"#,
    ),
    (
        Format::Gemini,
        gemini,
        r#"{"sessionId":"s","startTime":"2026-01-01T00:00:00Z"}"#,
    ),
];

/// What people said, in the order of the file.
fn words(transcript: &Transcript) -> Vec<String> {
    let page = describe(transcript);
    let said = page.lines().filter_map(|line| line.split_once(" prompt "));
    said.map(|(_, words)| words.trim_matches('"').to_owned())
        .collect()
}

fn left(transcript: &Transcript) -> Vec<String> {
    let page = describe(transcript);
    let left = page.lines().filter_map(|line| line.strip_prefix("left: "));
    // What only one format has beside the conversation.
    left.filter(|line| !line.starts_with("not_conversation: tag"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn whatever_stands_between_two_lines_they_are_there_and_it_is_told() {
    let deep = format!("{{\"type\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let long = format!("{{\"type\":\"{}\"}}", "x".repeat(MAX_LINE));
    let table: [(&str, &[u8], &str); 10] = [
        ("no JSON", b"garbage", "unreadable: line x1 @[3]"),
        ("zeros", &[0; 4096], "unreadable: line x1 @[3]"),
        (
            "too deep",
            deep.as_bytes(),
            "unreadable: line of too many levels x1 @[3]",
        ),
        ("too long", long.as_bytes(), "too_long: line x1 @[3]"),
        ("a list", b"[1, 2]", "unknown: JSON that is no object x1 @[3]"),
        ("no type", br#"{"a":1,"b":2}"#, "unknown: {a, b} x1 @[3]"),
        (
            "another type",
            br#"{"type":"hologram"}"#,
            "unknown: hologram x1 @[3]",
        ),
        (
            "two in one",
            br#"{"type":"user"}{"type":"user"}"#,
            "unreadable: line x1 @[3]",
        ),
        (
            "a byte order mark",
            "\u{feff}{}".as_bytes(),
            "unreadable: line x1 @[3]",
        ),
        ("no value", b"{\"type\":}", "unreadable: line x1 @[3]"),
    ];
    for (name, line, told) in table {
        for (format, says, head) in FORMATS {
            let mut file = format!("{head}\n{}\n", says("a", "", "one")).into_bytes();
            file.extend_from_slice(line);
            file.extend_from_slice(format!("\n{}\n", says("b", "a", "two")).as_bytes());
            let transcript = read(format, &file);
            assert_eq!(words(&transcript), ["one", "two"], "{format}: {name}");
            let mut left = left(&transcript);
            // The first line follows nothing.
            left.retain(|line| !line.starts_with("missing_parent"));
            assert_eq!(left, [told], "{format}: {name}");
        }
    }
}

#[test]
fn a_file_of_windows_or_without_an_end_is_a_file() {
    for (format, says, head) in FORMATS {
        let lines = [
            head.to_owned(),
            says("a", "", "one").to_string(),
            says("b", "a", "two").to_string(),
        ];
        let plain = read(format, (lines.join("\n") + "\n").as_bytes());
        assert_eq!(words(&plain), ["one", "two"], "{format}");
        for (name, file) in [
            ("CR LF", lines.join("\r\n") + "\r\n"),
            ("a byte order mark", format!("\u{feff}{}\n", lines.join("\n"))),
            ("no end of line at the end", lines.join("\n")),
            ("empty lines at the end", lines.join("\n") + "\n\n \n"),
        ] {
            assert_eq!(
                describe(&read(format, file.as_bytes())),
                describe(&plain),
                "{format}: {name}"
            );
            assert_eq!(Format::detect(file.as_bytes()), Some(format), "{name}");
        }
        // Cut anywhere in its last line, the others are there, and the last is told unless it was cut at its beginning.
        let whole = lines.join("\n");
        for end in whole.len() - lines[2].len() + 1..whole.len() {
            let transcript = read(format, &whole.as_bytes()[..end]);
            assert_eq!(words(&transcript), ["one"], "{format}: {end}");
            assert!(
                left(&transcript).contains(&"torn: line x1 @[3]".to_owned()),
                "{format}: {end}"
            );
        }
    }
}

#[test]
fn what_is_no_unicode_is_mended_and_the_rest_of_the_line_is_saved() {
    let table: [(&str, &[u8], &str); 7] = [
        ("half a sign", br"a \ud83d b", "a \u{fffd} b"),
        ("the other half", br"a \uDE00 b", "a \u{fffd} b"),
        ("halves in the wrong order", br"\ude00\ud83d", "\u{fffd}\u{fffd}"),
        ("half, then whole", br"\ud83d\ud83d\ude00", "\u{fffd}\u{1f600}"),
        ("at the end", br"a\ud83d", "a\u{fffd}"),
        (
            "a backslash before it",
            br"\\\ud83d \\ud83d",
            r"\\\u{fffd} \\ud83d",
        ),
        (
            "bytes of another encoding",
            b"caf\xe9 \xff",
            "caf\u{fffd} \u{fffd}",
        ),
    ];
    for (name, inside, mended) in table {
        for (format, says, head) in FORMATS {
            let line = says("a", "", "HERE").to_string();
            let (before, after) = line.split_once("HERE").unwrap();
            let mut file = format!("{head}\n{before}").into_bytes();
            file.extend_from_slice(inside);
            file.extend_from_slice(format!("{after}\n").as_bytes());
            let transcript = read(format, &file);
            let shown = mended.replace(r"\u{fffd}", "\u{fffd}");
            assert_eq!(words(&transcript), [shown], "{format}: {name}");
            assert!(
                left(&transcript).contains(&"mended: line x1 @[2]".to_owned()),
                "{format}: {name}"
            );
        }
    }
    // A sign of two halves is whole, and nothing is mended.
    let (format, says, head) = FORMATS[0];
    let line = says("a", "", "HERE")
        .to_string()
        .replace("HERE", r"\ud83d\ude00 \u00e9 \\ud83d");
    let transcript = read(format, format!("{head}\n{line}\n").as_bytes());
    assert_eq!(words(&transcript), [r"😀 é \\ud83d"]);
    assert_eq!(left(&transcript), ["missing_parent: entry x1 @[2]"]);
    // A document, too: in its bytes, and in its texts.
    let document = br#"{"sessionId":"s","messages":[{"type":"user","content":"a \ud83d"},{"type":"user","content":"caf@"}]}"#;
    let bytes: Vec<u8> = document
        .iter()
        .map(|byte| if *byte == b'@' { 0xe9 } else { *byte })
        .collect();
    let transcript = read(Format::Gemini, &bytes);
    assert_eq!(words(&transcript), ["a \u{fffd}", "caf\u{fffd}"]);
    assert_eq!(
        left(&transcript),
        ["mended: document x1 @[1]", "mended: message x1 @[1]"]
    );
}

#[test]
fn links_that_lead_nowhere_are_told() {
    let table = [
        (
            Format::Pi,
            json!({ "type": "leaf", "id": "x", "targetId": "gone" }),
            "unattached: leaf x1 @[4]",
        ),
        (
            Format::Pi,
            json!({ "type": "leaf", "id": "x" }),
            "unattached: leaf x1 @[4]",
        ),
        (
            Format::Pi,
            json!({ "type": "label", "id": "x", "targetId": "gone", "label": "l" }),
            "unattached: label x1 @[4]",
        ),
        (
            Format::Pi,
            json!({ "type": "label", "id": "x", "label": "l" }),
            "unattached: label x1 @[4]",
        ),
        (
            Format::Pi,
            pi("a", "b", "again"),
            "duplicate_id: entry left out x1 @[4]",
        ),
        (
            Format::ClaudeCode,
            claude("a", "b", "again"),
            "duplicate_id: entry left out x1 @[4]",
        ),
        (
            Format::Codex,
            json!({ "type": "session_meta", "payload": { "id": "t" } }),
            "not_conversation: header of what it was forked from x1 @[4]",
        ),
        (
            Format::Codex,
            json!({ "type": "event_msg", "payload": { "type": "thread_rolled_back" } }),
            "unknown: rollback of nobody knows how much x1 @[4]",
        ),
        (
            Format::Gemini,
            json!({ "$rewindTo": "gone" }),
            "unattached: rewind x1 @[4]",
        ),
    ];
    for (format, line, told) in table {
        let (_, says, head) = FORMATS.into_iter().find(|(of, ..)| *of == format).unwrap();
        let file = format!(
            "{head}\n{}\n{}\n{line}\n",
            says("a", "", "one"),
            says("b", "a", "two")
        );
        let transcript = read(format, file.as_bytes());
        assert_eq!(words(&transcript), ["one", "two"], "{line}");
        assert!(
            left(&transcript).contains(&told.to_owned()),
            "{line}: {:?}",
            left(&transcript)
        );
    }
    let twice = json!({ "sessionId": "s", "messages": [gemini("a", "", "one"), gemini("a", "", "two")] });
    let transcript = read(Format::Gemini, twice.to_string().as_bytes());
    assert_eq!(words(&transcript), ["one", "two"]);
    assert_eq!(left(&transcript), ["duplicate_id: message x1 @[1]"]);
}

#[test]
fn the_last_label_of_an_entry_is_its_label() {
    let label = |target: &str, label: Value| json!({ "type": "label", "id": format!("l{target}{label}"), "targetId": target, "label": label });
    let answer = json!({ "type": "message", "id": "b", "parentId": "a", "message": { "role": "assistant", "content": [
        { "type": "text", "text": "look" }, { "type": "toolCall", "id": "c", "name": "ls" }] } });
    let result = json!({ "type": "message", "id": "c", "parentId": "b", "message": { "role": "toolResult", "toolCallId": "c", "content": "x" } });
    let lines = [
        pi("a", "", "one"),
        label("c", json!("of a later one")),
        label("a", json!("first")),
        answer,
        result,
        label("a", json!("second")),
        label("b", json!("gone soon")),
        label("b", json!("")),
        json!({ "type": "custom", "id": "d", "parentId": "c" }),
        label("d", json!("of nothing that was said")),
    ];
    let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
    let transcript = read(
        Format::Pi,
        format!("{}\n{}\n", FORMATS[0].2, lines.join("\n")).as_bytes(),
    );
    let labels: Vec<Option<&str>> = transcript
        .entries
        .iter()
        .map(|entry| entry.label.as_deref())
        .collect();
    assert_eq!(labels, [Some("second"), None, Some("of a later one")]);
    assert!(left(&transcript).contains(&"unattached: label x1 @[11]".to_owned()));
}

#[test]
fn agents_that_were_called_are_taken_up_to_a_bound_and_the_others_told() {
    let mut lines = vec![claude("a", "", "go").to_string()];
    let aside = |number: usize| {
        let mut line = claude(&format!("s{number}"), "", "do it");
        line["isSidechain"] = true.into();
        line.to_string()
    };
    lines.extend((0..ASIDES + 3).map(aside));
    let file = lines.join("\n");
    let transcript = read(Format::ClaudeCode, file.as_bytes());
    assert_eq!(transcript.asides.len(), ASIDES);
    let [one, two, three] = [ASIDES + 2, ASIDES + 3, ASIDES + 4];
    let told = format!("not_conversation: sidechain beyond those that are taken x3 @[{one}, {two}, {three}]");
    assert_eq!(left(&transcript), [told]);
    // Each is a file of its own, in which its lines stand where they stood.
    for aside in &transcript.asides {
        let bytes = only(file.as_bytes(), &aside.lines);
        let alone = read(Format::ClaudeCode, &bytes);
        assert_eq!(
            (words(&alone).as_slice(), alone.entries[0].line),
            (&["do it".to_owned()][..], aside.lines[0])
        );
    }
}

#[test]
fn what_was_taken_back_and_is_said_again_elsewhere_stands_twice() {
    let (format, says, head) = FORMATS[3];
    let lines = [
        says("a", "", "one"),
        says("b", "", "two"),
        json!({ "$rewindTo": "b" }),
        says("c", "", "three"),
        says("b", "", "two again"),
    ];
    let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
    let transcript = read(format, format!("{head}\n{}\n", lines.join("\n")).as_bytes());
    assert_eq!(words(&transcript), ["one", "two", "three", "two again"]);
    assert_eq!((transcript.sent, transcript.leaf), (vec![0, 2, 3], Some(3)));
}

#[test]
fn the_usage_of_an_answer_that_becomes_several_is_counted_once() {
    let calls: Vec<Value> = (0..300)
        .map(|number| json!({ "type": "toolCall", "id": format!("c{number}"), "name": "ls" }))
        .collect();
    let answer = json!({ "type": "message", "id": "b", "parentId": "a", "message": {
        "role": "assistant", "content": calls, "usage": { "input": 5, "output": 7 } } });
    let file = format!("{}\n{}\n{answer}\n", FORMATS[0].2, pi("a", "", "go"));
    let transcript = read(Format::Pi, file.as_bytes());
    let usages = transcript.entries.iter().filter_map(|entry| match &entry.body {
        Body::Answer(answer) => Some(answer.usage.map(|usage| (usage.input, usage.output))),
        _ => None,
    });
    assert_eq!(usages.collect::<Vec<_>>(), [Some((5, 7)), None, None]);
}

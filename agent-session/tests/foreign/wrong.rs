//! What can be wrong with a transcript: a table of files, and what must be told of each.

use glasswork_agent_session::foreign::{ForeignError, Format, MAX_LINE, parse};

use crate::{describe, read};

const HEAD: &str = r#"{"type":"session","version":3,"id":"s","timestamp":"2026-01-01T00:00:00Z","cwd":"/w"}"#;

fn said(id: &str, parent: &str, text: &str) -> String {
    let parent = match parent {
        "" => "null".to_owned(),
        parent => format!("{parent:?}"),
    };
    format!(
        r#"{{"type":"message","id":{id:?},"parentId":{parent},"message":{{"role":"user","content":{text:?}}}}}"#
    )
}

fn answered(id: &str, parent: &str, calls: &[&str]) -> String {
    let calls: Vec<String> = calls
        .iter()
        .map(|call| format!(r#"{{"type":"toolCall","id":{call:?},"name":"ls","arguments":{{}}}}"#))
        .collect();
    let calls = calls.join(",");
    format!(
        r#"{{"type":"message","id":{id:?},"parentId":{parent:?},"message":{{"role":"assistant","content":[{calls}],"provider":"p","model":"m","stopReason":"toolUse"}}}}"#
    )
}

fn result(id: &str, parent: &str, call: &str) -> String {
    format!(
        r#"{{"type":"message","id":{id:?},"parentId":{parent:?},"message":{{"role":"toolResult","toolCallId":{call:?},"content":[{{"type":"text","text":"of {id}"}}]}}}}"#
    )
}

/// Reads lines behind a header and compares what stands there, and what was left.
fn check(name: &str, lines: &[String], expected: &[&str]) {
    let mut text = HEAD.to_owned() + "\n";
    for line in lines {
        text += line;
        text += "\n";
    }
    let page = describe(&read(Format::Pi, text.as_bytes()));
    let told: Vec<&str> = page
        .lines()
        .skip_while(|line| !line.starts_with(' '))
        .map(str::trim)
        .collect();
    assert_eq!(told, expected, "{name}:\n{page}");
}

#[test]
fn broken_links_are_mended_and_told() {
    check(
        "a parent that is not there",
        &[said("a", "", "one"), said("b", "gone", "two")],
        &[
            r#"0 < - @2  prompt "one""#,
            r#"1 < 0 @3  prompt "two""#,
            "leaf: Some(1)",
            "sent: [0, 1]",
            "left: missing_parent: entry x1 @[3]",
        ],
    );
    check(
        "a ring of two, and one of one",
        &[
            said("a", "b", "one"),
            said("b", "a", "two"),
            said("c", "c", "three"),
        ],
        &[
            r#"0 < - @2  prompt "one""#,
            r#"1 < 0 @3  prompt "two""#,
            r#"2 < - @4  prompt "three""#,
            "leaf: Some(2)",
            "sent: [2]",
            "left: cycle: entry x2 @[2, 4]",
        ],
    );
    check(
        "a child before its parent",
        &[said("b", "a", "two"), said("a", "", "one")],
        &[
            r#"0 < - @3  prompt "one""#,
            r#"1 < 0 @2  prompt "two""#,
            "leaf: Some(0)",
            "sent: [0]",
        ],
    );
    check(
        "an id that is taken",
        &[
            said("a", "", "one"),
            said("a", "", "another"),
            said("c", "a", "two"),
        ],
        &[
            r#"0 < - @2  prompt "one""#,
            r#"1 < 0 @4  prompt "two""#,
            "leaf: Some(1)",
            "sent: [0, 1]",
            "left: duplicate_id: entry left out x1 @[3]",
        ],
    );
}

/// pi itself names what the branch was left for, others the end of it: only the latter is told.
#[test]
fn a_summary_names_the_branch_that_was_left_where_the_file_does() {
    let summary = |id: &str, parent: &str, from: &str| {
        format!(r#"{{"type":"branch_summary","id":{id:?},"parentId":{parent:?},{from}"summary":"of {id}"}}"#)
    };
    check(
        "its end, where it was left for, something that comes later, nothing that is there, a label beside it, nothing",
        &[
            said("a", "", "one"),
            said("b", "a", "two"),
            summary("c", "a", r#""fromId":"b","#),
            summary("d", "a", r#""fromId":"a","#),
            summary("e", "a", r#""fromId":"f","#),
            summary("f", "a", r#""fromId":"root","#),
            r#"{"type":"label","id":"g","parentId":"b","targetId":"b"}"#.to_owned(),
            summary("h", "a", r#""fromId":"g","#),
            summary("i", "a", ""),
        ],
        &[
            r#"0 < - @2  prompt "one""#,
            r#"1 < 0 @3  prompt "two""#,
            r#"2 < 0 @4  branch summary "of c" from Some(1)"#,
            r#"3 < 0 @5  branch summary "of d" from None"#,
            r#"4 < 0 @6  branch summary "of e" from None"#,
            r#"5 < 0 @7  branch summary "of f" from None"#,
            r#"6 < 0 @9  branch summary "of h" from Some(1)"#,
            r#"7 < 0 @10 branch summary "of i" from None"#,
            "leaf: Some(7)",
            "sent: [0, 7]",
        ],
    );
}

#[test]
fn every_call_has_one_result_on_every_branch() {
    let unknown = "unknown";
    check(
        "a call without a result, and words between",
        &[
            said("a", "", "go"),
            answered("b", "a", &["x", "y"]),
            said("c", "b", "and?"),
            result("d", "c", "y"),
        ],
        &[
            r#"0 < - @2  prompt "go""#,
            "1 < 0 @3  answer p/m Some(ToolUse)",
            "call x ls {}",
            "call y ls {}",
            &format!("2 < 1 @3  result x ls: {unknown}"),
            r#"3 < 2 @5  result y ls "of d""#,
            r#"4 < 3 @4  prompt "and?""#,
            "leaf: Some(4)",
            "sent: [0, 1, 2, 3, 4]",
            "left: no_result: ls x1 @[3]",
        ],
    );
    check(
        "results on two branches, one of nothing",
        &[
            said("a", "", "go"),
            answered("b", "a", &["x"]),
            result("c", "b", "x"),
            said("d", "c", "here"),
            result("e", "b", "x"),
            result("f", "e", "z"),
            said("g", "f", "there"),
        ],
        &[
            r#"0 < - @2  prompt "go""#,
            "1 < 0 @3  answer p/m Some(ToolUse)",
            "call x ls {}",
            r#"2 < 1 @4  result x ls "of c""#,
            r#"3 < 2 @5  prompt "here""#,
            r#"4 < 2 @8  prompt "there""#,
            "leaf: Some(4)",
            "sent: [0, 1, 2, 4]",
            "left: orphan_result: result x1 @[7]",
            "left: duplicate_result: result x1 @[6]",
        ],
    );
    check(
        "one id for three calls, and an answer that nothing precedes",
        &[
            answered("a", "gone", &["x", "x"]),
            result("b", "a", "x"),
            answered("c", "b", &["x"]),
            result("d", "c", "x"),
        ],
        &[
            r#"0 < - @2  prompt "(What was said before this answer is not in the imported file.)""#,
            "1 < 0 @2  answer p/m Some(ToolUse)",
            "call x ls {}",
            "call imported_1 ls {}",
            r#"2 < 1 @3  result x ls "of b""#,
            "3 < 2 @2  result imported_1 ls: unknown",
            "4 < 3 @4  answer p/m Some(ToolUse)",
            "call imported_2 ls {}",
            r#"5 < 4 @5  result imported_2 ls "of d""#,
            "leaf: Some(5)",
            "sent: [0, 1, 2, 3, 4, 5]",
            "left: missing_parent: entry x1 @[2]",
            "left: no_result: ls x1 @[2]",
        ],
    );
}

#[test]
fn lines_that_are_none_are_told_by_their_place() {
    let deep = format!("{}{}", "[".repeat(400), "]".repeat(400));
    let mut bytes = format!("{HEAD}\n\n{}\nnot json\n[1]\n{deep}\n", said("a", "", "one")).into_bytes();
    bytes.extend_from_slice(
        b"{\"type\":\"message\",\"id\":\"l\",\"message\":{\"role\":\"user\",\"content\":\"caf\xe9\"}}\n",
    );
    bytes.extend_from_slice(b"{\"type\":\"mess");
    let page = describe(&read(Format::Pi, &bytes));
    let told: Vec<&str> = page.lines().skip(6).collect();
    let expected = [
        "  1 < 0 @7  prompt \"caf\u{fffd}\"",
        "leaf: Some(1)",
        "sent: [0, 1]",
        "left: unknown: JSON that is no object x1 @[5]",
        "left: unreadable: line x1 @[4]",
        "left: unreadable: line of too many levels x1 @[6]",
        "left: torn: line x1 @[8]",
        "left: mended: line x1 @[7]",
    ];
    assert_eq!(told, expected, "{page}");
}

#[test]
fn a_line_of_a_hundred_megabytes_is_told_and_not_parsed() {
    let mut bytes = format!("{HEAD}\n{}\n", said("a", "", "one")).into_bytes();
    bytes.resize(bytes.len() + (100 << 20), b'x');
    assert!(bytes.len() > MAX_LINE);
    bytes.extend_from_slice(format!("\n{}\n", said("b", "a", "two")).as_bytes());
    let transcript = read(Format::Pi, &bytes);
    assert_eq!(transcript.sent, [0, 1]);
    assert!(describe(&transcript).ends_with("left: too_long: line x1 @[3]\n"));
}

#[test]
fn other_encodings_and_other_files_are_refused_with_a_reason() {
    let utf16: Vec<u8> = format!("\u{feff}{HEAD}")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let with_mark = format!("\u{feff}{HEAD}\n{}\n", said("a", "", "one"));
    assert_eq!(read(Format::Pi, with_mark.as_bytes()).sent, [0]);
    assert_eq!(Format::detect(with_mark.as_bytes()), Some(Format::Pi));
    for format in Format::ALL {
        assert_eq!(parse(format, &utf16), Err(ForeignError::Utf16));
        assert!(matches!(parse(format, b""), Err(ForeignError::Empty(..))));
        let error = parse(format, b"\x7fELF\x00\xff\n\x00\n").unwrap_err().to_string();
        assert!(
            error.contains("2 × line: not readable") || error.contains("1 × line"),
            "{error}"
        );
    }
    for bytes in [
        &b""[..],
        b"{}",
        b"[]",
        b"hello",
        b"\x28\xb5\x2f\xfd",
        b"{\"type\":\"user\"}",
        b"{\"messages\":3}",
    ] {
        assert_eq!(Format::detect(bytes), None, "{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn made_up_kinds_are_told_within_bounds() {
    let mut lines = vec![said("a", "", "one")];
    lines.extend((0..1_000).map(|number| format!(r#"{{"type":"kind-{number}-{}"}}"#, "x".repeat(500))));
    let text = format!("{HEAD}\n{}\n", lines.join("\n"));
    let transcript = read(Format::Pi, text.as_bytes());
    assert!(transcript.left.len() <= 202, "{}", transcript.left.len());
    let counted: u64 = transcript.left.iter().map(|left| left.count).sum();
    assert_eq!(counted, 1_000, "none is silent");
}

#[test]
fn an_answer_of_thousands_of_calls_becomes_several() {
    let calls: Vec<String> = (0..1_000).map(|number| format!("c{number}")).collect();
    let calls: Vec<&str> = calls.iter().map(String::as_str).collect();
    let text = format!(
        "{HEAD}\n{}\n{}\n{}\n",
        said("a", "", "go"),
        answered("b", "a", &calls),
        result("c", "b", "c999")
    );
    let transcript = read(Format::Pi, text.as_bytes());
    assert_eq!(transcript.entries.len(), 1 + 8 + 1_000);
    let page = describe(&transcript);
    assert!(
        page.contains(r#"result c999 ls "of c""#),
        "its result is found in the last piece"
    );
}

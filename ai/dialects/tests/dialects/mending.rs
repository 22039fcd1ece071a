//! Syntax is mended, content never, and what could be read in two ways is refused.

use glasswork_dialects::{Ending, Recogniser, RepairKind, Tools, mend};

use crate::kit::{lines, said};

#[test]
fn what_can_be_read_in_one_way_is_mended() {
    use RepairKind::*;
    let table: &[(&str, &str, &[RepairKind])] = &[
        (
            r#"{"a": 123456789012345678901234567890.10}"#,
            r#"{"a":123456789012345678901234567890.10}"#,
            &[],
        ),
        (
            r#"{"a": "007", "b": "true", "c": " , }"}"#,
            r#"{"a":"007","b":"true","c":" , }"}"#,
            &[],
        ),
        (r#"{"a": 1,}"#, r#"{"a":1}"#, &[ExtraComma]),
        (
            r#"{"a": [1,,2,],}"#,
            r#"{"a":[1,2]}"#,
            &[ExtraComma, ExtraComma, ExtraComma],
        ),
        (r#"{"a": 1 "b": 2}"#, r#"{"a":1,"b":2}"#, &[MissingComma]),
        (r#"{"a": [1 2]}"#, r#"{"a":[1,2]}"#, &[MissingComma]),
        (
            r#"{'a': 'say "x"'}"#,
            r#"{"a":"say \"x\""}"#,
            &[SingleQuotes, SingleQuotes],
        ),
        (r#"{a: 1, b_c: 2}"#, r#"{"a":1,"b_c":2}"#, &[BareKey, BareKey]),
        (
            r#"{"a": [1, 2}}"#,
            r#"{"a":[1,2]}"#,
            &[MissingCloser, ExtraCloser],
        ),
        (r#"{"a": 1}}}"#, r#"{"a":1}"#, &[ExtraCloser, ExtraCloser]),
        (r#"{"a": 1]"#, r#"{"a":1}"#, &[WrongCloser]),
        (
            "{\"a\": \"x\n\ty\"}",
            r#"{"a":"x\n\ty"}"#,
            &[ControlCharacter, ControlCharacter],
        ),
        (
            r#"{"a": True, "b": None, "c": False}"#,
            r#"{"a":true,"b":null,"c":false}"#,
            &[PythonLiteral, PythonLiteral, PythonLiteral],
        ),
        (
            r#"{"a": "\d+ \. it\'s"}"#,
            r#"{"a":"\\d+ \\. it's"}"#,
            &[Escape, Escape, Escape],
        ),
        (r#"{"a": "\u00e9 \ud83e\udd80 \/"}"#, r#"{"a":"é 🦀 /"}"#, &[]),
        (
            r#"{"a": NaN, "b": -Infinity}"#,
            r#"{"a":null,"b":null}"#,
            &[NotANumber, NotANumber],
        ),
        (
            r#"{"a": +1, "b": .5, "c": -1.}"#,
            r#"{"a":1,"b":0.5,"c":-1.0}"#,
            &[NumberForm, NumberForm, NumberForm],
        ),
        (
            "{\"a\": 1, // one\n /* two */ \"b\": \"// no\"}",
            r#"{"a":1,"b":"// no"}"#,
            &[Comment, Comment],
        ),
        (r#"{"a": 1, "a": 1}"#, r#"{"a":1}"#, &[RepeatedKey]),
    ];
    for (text, expected, repairs) in table {
        let (mended, found) = mend(text).unwrap_or_else(|broken| panic!("{text}: {broken}"));
        let mut kinds: Vec<RepairKind> = found.iter().map(|repair| repair.kind).collect();
        kinds.retain(|kind| *kind != MissingCloser || repairs.contains(&MissingCloser));
        assert_eq!(
            (mended.as_str(), kinds.as_slice()),
            (*expected, *repairs),
            "{text}"
        );
    }
}

#[test]
fn what_can_be_read_in_two_ways_is_refused_with_the_reason() {
    let table = [
        (
            r#"{"a": "echo "hi" there"}"#,
            "a quote inside of a string needs a backslash",
        ),
        (
            r#"{"a": 1, "a": 2}"#,
            "the key `a` comes twice with different values",
        ),
        (
            r#"{"a": ["b" "c"]}"#,
            "two strings without a comma could be one or two",
        ),
        (r#"{"a": "\x41"}"#, "the escape `\\x` can be read in two ways"),
        (r#"{"a": "C:\apps"}"#, "the escape `\\a` can be read in two ways"),
        (r#"{"a": 007}"#, "`007` is no number as JSON writes it"),
        (r#"{"a": 1_000}"#, "`1_000` is no number as JSON writes it"),
        (r#"{"a": hello}"#, "`hello` is no value"),
        (r#"{"a": 'it's'}"#, "a quote inside of a string needs a backslash"),
        (
            r#"{"a": {"b": 1], "c": 2}"#,
            "write the call again with its brackets in pairs",
        ),
        (r#"{"a": "\ud83e"}"#, "an escape stands for half a character"),
        (r#"{"a": "x"#, "a string is not closed"),
        (r#"{"a": 1"#, "the rest may be missing"),
        (r#"{"a" 1}"#, "a `:` was expected after the key `a`"),
        (r#"{"a": 1} and more"#, "`and more` stands behind the arguments"),
        ("", "a value was expected, and nothing found"),
    ];
    for (text, reason) in table {
        let broken = mend(text).expect_err(text);
        assert!(broken.reason.contains(reason), "{text}: {broken}");
    }
    assert!(mend(&"[".repeat(100_000)).is_err());
}

#[test]
fn types_of_plain_texts_come_from_the_schema() {
    let with = |key: &str, value: &str| {
        said(&format!(
            "<tool_call>\n<function=note>\n<parameter=text>\nx\n</parameter>\n<parameter={key}>\n{value}\n</parameter>\n</function>\n</tool_call>"
        ))
        .concat()
    };
    let table = [
        (
            "count",
            "12345678901234567890123",
            r#"call note {"text":"x","count":12345678901234567890123}"#,
        ),
        (
            "count",
            "007",
            "refused note: `count` must be integer, and is string `\"007\"`",
        ),
        (
            "count",
            "1.5",
            "refused note: `count` must be integer, and is number `1.5`",
        ),
        ("ratio", "3", r#"call note {"text":"x","ratio":3}"#),
        ("flag", "True", r#"call note {"text":"x","flag":true}"#),
        (
            "flag",
            "yes",
            "refused note: `flag` must be boolean, and is string `\"yes\"`",
        ),
        (
            "tags",
            "['a', \"b\"]",
            r#"call note {"text":"x","tags":["a","b"]} [single_quotes]"#,
        ),
        (
            "tags",
            "a",
            "refused note: `tags` must be array, and is string `\"a\"`",
        ),
        ("meta", "{\"a\": 1}", r#"call note {"text":"x","meta":{"a":1}}"#),
        (
            "meta",
            "{\"a\": \"1\"}",
            "refused note: `meta.a` must be integer, and is string `\"1\"`",
        ),
        ("mode", "r", r#"call note {"text":"x","mode":"r"}"#),
        (
            "mode",
            "x",
            "refused note: `mode` must be one of \"r\", \"w\", and is \"x\"",
        ),
        ("maybe", "null", r#"call note {"text":"x","maybe":null}"#),
        ("maybe", "007", r#"call note {"text":"x","maybe":"007"}"#),
        ("colour", "red", "refused note: there is no argument `colour`"),
    ];
    for (key, value, expected) in table {
        assert_eq!(with(key, value), expected, "{key}={value}");
    }
}

/// Templates write a scalar as Python does, and a list as JSON: in a list it is a slip, and on record.
#[test]
fn a_literal_of_python_is_on_record_where_json_is_written() {
    let schema = r#"{"type":"object","properties":{"all":{"type":"array","items":{"type":"boolean"}}}}"#;
    let mut recogniser = Recogniser::new(Tools::new([("tick", schema)]));
    let mut events = recogniser.feed("<function=tick>\n<parameter=all>\n[True]\n</parameter>\n</function>");
    events.extend(recogniser.finish(Ending::Complete));
    assert_eq!(lines(&events), [r#"call tick {"all":[true]} [python_literal]"#]);
}

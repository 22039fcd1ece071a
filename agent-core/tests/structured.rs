//! Answers that should be results: what is taken out of them, and what a model is told that has not given one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that meets what it did not expect shall stop there"
)]

use glasswork_agent_core::json_schema::Schema;
use glasswork_agent_core::structured::{Around, Outcome, RESULT_BYTES, Telling, judge, words};
use glasswork_ai::stream::StopReason;
use glasswork_ai::structured::{Form, Means};

const NATIVE: Means = Means {
    form: Form::Strict,
    with_tools: true,
};

fn numbers() -> Schema {
    Schema::parse(r#"{"type": "array", "items": {"type": "number"}}"#).unwrap()
}

/// The result with what stood around it, or why there is none.
fn found(text: &str, stop: StopReason, means: Means) -> Result<(String, Around), String> {
    match judge(text, &stop, means, &numbers()) {
        Outcome::Fits { value, around } => Ok((value.to_string(), around)),
        Outcome::Unfit(unfit) => Err(unfit.to_string()),
    }
}

#[test]
fn a_result_is_found_where_it_may_stand_and_nowhere_else() {
    use Around::{Fence, Nothing, Words};
    let long = format!("[{}1]", " ".repeat(RESULT_BYTES));
    let not_json = "the answer is not valid JSON, line 1 column ";
    // Text; from a server that was given the schema; from a model that was asked in words.
    type Read<'a> = (
        &'a str,
        Result<&'a str, &'a str>,
        Result<(&'a str, Around), &'a str>,
    );
    let table: &[Read<'_>] = &[
        (" [1, 2.50]\n", Ok("[1,2.50]"), Ok(("[1,2.50]", Nothing))),
        ("[1e400000]", Err(not_json), Err(not_json)),
        (
            "[12345678901234567890123]",
            Ok("[12345678901234567890123]"),
            Ok(("[12345678901234567890123]", Nothing)),
        ),
        ("", Err("the answer is empty"), Err("the answer is empty")),
        ("```json\n[1]\n```\n", Err(not_json), Ok(("[1]", Fence))),
        (
            "Here:\n```\n[\n 1\n]\n```\nDone.",
            Err(not_json),
            Ok(("[1]", Fence)),
        ),
        (
            "```\n[1]\n```\n```\n[2]\n```",
            Err(not_json),
            Err("the answer has several JSON values"),
        ),
        (
            "```sh\nls {}\n```\nIt is [3].",
            Err(not_json),
            Err("the answer has several JSON values"),
        ),
        (
            "So {it} is [1, 2], as I said.",
            Err(not_json),
            Ok(("[1,2]", Words)),
        ),
        (
            "[1] or [2]",
            Err(not_json),
            Err("the answer has several JSON values"),
        ),
        (
            "It is [\"x\"].",
            Err(not_json),
            Err("`[0]`: expected a number, got the string \"x\""),
        ),
        ("nothing", Err(not_json), Err(not_json)),
        ("{\"a\": 1, \"a\": 2}", Err(not_json), Err(not_json)),
        (
            &long,
            Err("the answer has 131075 bytes"),
            Err("the answer has 131075 bytes"),
        ),
    ];
    let check =
        |text: &str, found: Result<(String, Around), String>, expected: Result<(&str, Around), &str>| {
            let shown = &text[..text.len().min(60)];
            match (&found, expected) {
                (Ok((value, around)), Ok(expected)) => assert_eq!((&**value, *around), expected, "{shown}"),
                (Err(why), Err(expected)) => assert!(why.starts_with(expected), "{shown}: {why}"),
                _ => panic!("{shown}: {found:?} in place of {expected:?}"),
            }
        };
    for (text, native, prompted) in table {
        let native = native.map(|value| (value, Nothing));
        check(text, found(text, StopReason::EndOfTurn, NATIVE), native);
        check(
            text,
            found(text, StopReason::EndOfTurn, Means::PROMPTED),
            *prompted,
        );
    }
    for means in [NATIVE, Means::PROMPTED] {
        check(
            "[1]",
            found("[1]", StopReason::Length, means),
            Err("the answer reached its limit"),
        );
        check(
            "[1]",
            found("[1]", StopReason::Refusal, means),
            Err("the model refused"),
        );
        check(
            "[1]",
            found("[1]", StopReason::StopSequence, means),
            Ok(("[1]", Nothing)),
        );
    }
}

#[test]
fn a_text_of_brackets_ends() {
    for text in [
        "[".repeat(RESULT_BYTES),
        "{\"a\":".repeat(RESULT_BYTES / 5),
        "[1,".repeat(RESULT_BYTES / 3),
    ] {
        assert!(found(&text, StopReason::EndOfTurn, Means::PROMPTED).is_err());
    }
}

#[test]
fn a_model_is_told_the_schema_where_its_server_is_not() {
    let schema = numbers();
    let Outcome::Unfit(unfit) = judge("[true]", &StopReason::EndOfTurn, NATIVE, &schema) else {
        panic!("it fits");
    };
    let again = words(Telling::Unfit, Some(&unfit), NATIVE, &schema);
    assert!(
        again.contains("`[0]`: expected a number, got true. Give the whole result once more"),
        "{again}"
    );
    for (telling, unfit) in [
        (Telling::Wanted, None),
        (Telling::Due, None),
        (Telling::Unfit, Some(&unfit)),
    ] {
        for means in [NATIVE, Means::PROMPTED] {
            let told = words(telling, unfit, means, &schema);
            assert!(
                told.starts_with("[Notice of the runtime, not of the user] "),
                "{told}"
            );
            assert_eq!(
                told.ends_with(&**schema.text()),
                means == Means::PROMPTED,
                "{told}"
            );
        }
    }
}

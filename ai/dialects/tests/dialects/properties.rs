//! What holds for every answer.

use glasswork_dialects::{Dialect, Ending, Event, Recogniser, recognise};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::kit::{events, joined, tools, write};

/// Pieces that answers are made of, whole and in parts.
const PIECES: &[&str] = &[
    "<tool_call>",
    "</tool_call>",
    "\n",
    " ",
    "{\"name\": \"note\", \"arguments\": {\"text\": \"a\"}}",
    "{\"name\": \"bash\", \"arguments\": {\"command\": \"ls",
    "\"}}",
    "<function=note>",
    "<parameter=text>",
    "x",
    "</parameter>",
    "</function>",
    "note",
    "<arg_key>text</arg_key>",
    "<arg_value>1</arg_value>",
    "```",
    "`",
    "json",
    "> ",
    "<think>",
    "</think>",
    "[TOOL_CALLS]",
    "[ARGS]",
    "[{",
    "}]",
    "{",
    "}",
    "\"",
    "'",
    "\\",
    "now",
    "(",
    ")",
    "[",
    "]",
    "<|python_tag|>",
    "<|channel|>",
    "analysis",
    "commentary to=functions.note ",
    "final",
    "<|message|>",
    "<|call|>",
    "<|end|>",
    "<|start|>assistant",
    "<｜tool▁calls▁begin｜>",
    "<｜tool▁call▁begin｜>",
    "function",
    "<｜tool▁sep｜>",
    "<｜tool▁call▁end｜>",
    "<|tool_call>",
    "call:note{",
    "<|\"|>",
    "<tool_call|>",
    "<invoke name=\"note\">",
    "<parameter name=\"text\">",
    "</invoke>",
    "é🦀",
    "Action: ```json",
    "Action:\n```json",
    "tool_code\n",
    "[THINK]",
    "[/THINK]",
    "<|tool_call|>",
    "<TOOLCALL>",
    "</TOOLCALL>",
    "<|START_ACTION|>",
    "<|END_ACTION|>",
    "text=",
    ",",
    ":",
    "~~~",
    "<seed:think>",
    "<",
    "<|tool_calls_section_begin|>",
    "<|tool_call_begin|>functions.note:0<|tool_call_argument_begin|>",
    "<|tool_call_end|>",
];

fn soup() -> impl Strategy<Value = String> {
    let any = prop_oneof![
        4 => proptest::sample::select(PIECES.to_vec()).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    let mixed = proptest::collection::vec(any, 0..30).prop_map(|pieces| pieces.concat());
    // Whole calls with a hole, so that what is nearly right is tried often.
    let holed = (call(), 0usize..400, 0usize..12, ".{0,12}").prop_map(
        |((dialect, arguments), at, length, behind)| {
            let text: Vec<char> = write(dialect, "note", &arguments).chars().collect();
            let at = at.min(text.len());
            let rest = text.iter().skip(at + length);
            text.iter().take(at).chain(rest).collect::<String>() + &behind
        },
    );
    prop_oneof![mixed, holed]
}

fn text() -> impl Strategy<Value = String> {
    // Elements have no escapes: what their tags are made of cannot stand in them.
    proptest::collection::vec(any::<char>(), 0..12)
        .prop_map(|chars| chars.into_iter().filter(|c| *c != '<' && *c != '\0').collect())
}

fn call() -> impl Strategy<Value = (Dialect, Map<String, Value>)> {
    let rest = (
        proptest::option::of(any::<i64>()),
        proptest::option::of(any::<bool>()),
        proptest::option::of(proptest::collection::vec(text(), 0..3)),
        proptest::option::of(proptest::collection::btree_map("[a-z]{1,4}", any::<i32>(), 0..3)),
    );
    let dialect = proptest::sample::select(Dialect::ALL.to_vec());
    (dialect, text(), rest).prop_map(|(dialect, text, (count, flag, tags, meta))| {
        let mut arguments = Map::new();
        arguments.insert("text".to_owned(), json!(text));
        let others = [
            ("count", count.map(|count| json!(count))),
            ("flag", flag.map(|flag| json!(flag))),
            ("tags", tags.map(|tags| json!(tags))),
            ("meta", meta.map(|meta| json!(meta))),
        ];
        for (key, value) in others {
            arguments.extend(value.map(|value| (key.to_owned(), value)));
        }
        (dialect, arguments)
    })
}

fn cut<'a>(text: &'a str, cuts: &[usize]) -> Vec<&'a str> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| text.floor_char_boundary(*cut)).collect();
    at.extend([0, text.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pieces_cut_anywhere_say_what_the_whole_says(text in soup(), cuts in proptest::collection::vec(0usize..600, 0..8), cut_off: bool) {
        let ending = if cut_off { Ending::Length } else { Ending::Complete };
        let whole = events([text.as_str()], ending);
        prop_assert_eq!(&events(cut(&text, &cuts), ending), &whole);
        let each: Vec<String> = text.chars().map(String::from).collect();
        prop_assert_eq!(&events(each.iter().map(String::as_str), ending), &whole);
    }

    #[test]
    fn nothing_runs_that_was_not_offered_and_nothing_is_lost(text in soup()) {
        let mut at = 0;
        let mut recogniser = Recogniser::new(tools());
        let mut all = recogniser.feed(&text);
        all.extend(recogniser.finish(Ending::Complete));
        for event in all {
            // Text, thinking and regions stand in the answer in this order; what is between them are tokens.
            let raw = match event {
                Event::Text(raw) | Event::Thinking(raw) => raw,
                Event::Call(call) => {
                    prop_assert!(tools().has(&call.name));
                    prop_assert!(serde_json::from_str::<Map<String, Value>>(&call.arguments).is_ok(), "{}", call.arguments);
                    call.raw
                }
                Event::Refused(refusal) => refusal.raw,
                Event::TextWasThinking => continue,
                Event::CallBegan { name } => {
                    prop_assert!(tools().has(&name));
                    continue;
                }
            };
            let found = text[at..].find(&raw);
            prop_assert!(found.is_some(), "{raw:?} is not in the answer behind byte {at}");
            at += found.unwrap() + raw.len();
        }
    }

    #[test]
    fn text_without_any_token_comes_out_as_it_was(text in "[^<\\[A◁`~{]{0,200}") {
        let said = events([text.as_str()], Ending::Complete);
        let expected = if text.is_empty() { vec![] } else { vec![Event::Text(text)] };
        prop_assert_eq!(said, expected);
    }

    #[test]
    fn what_stands_around_a_call_comes_out_as_it_was((dialect, arguments) in call(), before in "[a-z .\n]{0,40}\n", after in "\n[a-z .]{0,40}") {
        // These are calls only where they are the whole message.
        prop_assume!(!matches!(dialect, Dialect::Xlam | Dialect::Llama4 | Dialect::Llama3));
        let said = events([format!("{before}{}{after}", write(dialect, "note", &arguments)).as_str()], Ending::Complete);
        let texts: String = said.iter().map(|event| match event { Event::Text(text) => text.as_str(), _ => "" }).collect();
        prop_assert_eq!(texts, format!("{before}{after}"));
        prop_assert_eq!(said.iter().filter(|event| matches!(event, Event::Call(_))).count(), 1);
    }

    #[test]
    fn what_a_dialect_writes_is_read_as_it_was_meant((dialect, arguments) in call()) {
        let text = write(dialect, "note", &arguments);
        let said = events([text.as_str()], Ending::Complete);
        let calls: Vec<_> = said.iter().filter_map(|event| match event { Event::Call(call) => Some(call), _ => None }).collect();
        prop_assert_eq!(calls.len(), 1, "{} gave {:?}", text, said);
        prop_assert_eq!(calls[0].dialect, dialect);
        prop_assert_eq!(&calls[0].repairs, &vec![], "{}", text);
        prop_assert_eq!(&calls[0].raw, &text);
        let read: Map<String, Value> = serde_json::from_str(&calls[0].arguments).unwrap();
        prop_assert_eq!(read, arguments, "{}", text);
    }

    #[test]
    fn text_that_was_let_through_is_text_again(text in soup()) {
        let texts: String = events([text.as_str()], Ending::Complete)
            .into_iter()
            .map(|event| if let Event::Text(text) = event { text } else { String::new() })
            .collect();
        let once = events([texts.as_str()], Ending::Complete);
        // Where tokens were taken out the rest may become one; where nothing was, nothing changes.
        if texts == text {
            prop_assert_eq!(once, if text.is_empty() { vec![] } else { vec![Event::Text(text)] });
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), text in soup()) {
        joined(recognise(&bytes));
        let mut mixed = text.into_bytes();
        mixed.extend(bytes);
        joined(recognise(&mixed));
    }

    #[test]
    fn json_is_read_as_it_is(value in json_value()) {
        let text = value.to_string();
        let (mended, repairs) = glasswork_dialects::mend(&text).unwrap();
        prop_assert_eq!(repairs, vec![]);
        prop_assert_eq!(serde_json::from_str::<Value>(&mended).unwrap(), serde_json::from_str::<Value>(&text).unwrap());
    }

    #[test]
    fn what_was_mended_needs_no_mending(text in soup()) {
        if let Ok((mended, _)) = glasswork_dialects::mend(&text) {
            prop_assert!(serde_json::from_str::<Value>(&mended).is_ok(), "{}", mended);
            prop_assert_eq!(glasswork_dialects::mend(&mended), Ok((mended.clone(), vec![])));
        }
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9f64..1e9).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

//! The table of `docs/tool-call-dialects.md`: what is recovered and what is refused, dialect by defect. Every cell is
//! a sample that is made from what the dialect's models write, and read.

use std::fmt::Write;

use glasswork_dialects::{Dialect, Ending, Event};
use serde_json::{Map, Value, json};

use crate::kit::{events, keep_page, with_json, write};

/// A defect, what comes of it wherever it can occur, and what it does to a call.
struct Defect {
    name: &'static str,
    outcome: Outcome,
    make: fn(Dialect) -> Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// The call that was meant.
    Recovered,
    /// No call; the model is told why.
    Refused,
    /// No call: it is text.
    Text,
    /// One call, and one refusal.
    Both,
}
use Outcome::*;

fn good() -> Map<String, Value> {
    json!({"count": 7, "text": "a b"}).as_object().unwrap().clone()
}

fn native(dialect: Dialect) -> String {
    write(dialect, "note", &good())
}

/// What ends a region.
fn closer(dialect: Dialect) -> Option<&'static str> {
    Some(match dialect {
        Dialect::Hermes | Dialect::QwenXml | Dialect::Glm => "</tool_call>",
        Dialect::DeepSeekV3 | Dialect::DeepSeekV31 => "<｜tool▁calls▁end｜>",
        Dialect::DeepSeekDsml => "</｜DSML｜function_calls>",
        Dialect::KimiK2 => "<|tool_calls_section_end|>",
        Dialect::MiniMax => "</minimax:tool_call>",
        Dialect::Harmony => "<|call|>",
        Dialect::InternLm => "<|action_end|>",
        Dialect::Gemma => "<tool_call|>",
        Dialect::CommandR => "<|END_ACTION|>",
        Dialect::Lfm2 => "<|tool_call_end|>",
        Dialect::Nemotron => "</TOOLCALL>",
        Dialect::SeedOss => "</seed:tool_call>",
        Dialect::Invoke => "</function_calls>",
        Dialect::Llama3 | Dialect::Llama4 | Dialect::Mistral | Dialect::Granite | Dialect::Xlam => {
            return None;
        }
    })
}

fn json_with(arguments: &'static str) -> impl Fn(Dialect) -> Option<String> {
    move |dialect| with_json(dialect, "note", arguments)
}

/// Replaces, if it is there, what a dialect writes.
fn replaced(dialect: Dialect, from: &str, to: &str) -> Option<String> {
    let text = native(dialect);
    text.contains(from).then(|| text.replacen(from, to, 1))
}

fn is_elements(dialect: Dialect) -> bool {
    matches!(
        dialect,
        Dialect::QwenXml
            | Dialect::SeedOss
            | Dialect::MiniMax
            | Dialect::Invoke
            | Dialect::DeepSeekDsml
            | Dialect::Glm
    )
}

fn elements(dialect: Dialect, from: &str, to: &str) -> Option<String> {
    is_elements(dialect)
        .then(|| replaced(dialect, from, to))
        .flatten()
}

const DEFECTS: &[Defect] = &[
    Defect {
        name: "end of the call missing",
        outcome: Recovered,
        make: |dialect| Some(native(dialect).strip_suffix(closer(dialect)?)?.to_owned()),
    },
    Defect {
        name: "trailing comma",
        outcome: Recovered,
        make: |d| json_with(r#"{"text": "a b", "count": 7,}"#)(d),
    },
    Defect {
        name: "comma missing",
        outcome: Recovered,
        make: |d| json_with(r#"{"text": "a b" "count": 7}"#)(d),
    },
    Defect {
        name: "single quotes",
        outcome: Recovered,
        make: |d| json_with("{'text': 'a b', 'count': 7}")(d),
    },
    Defect {
        name: "bare keys",
        outcome: Recovered,
        make: |d| json_with(r#"{text: "a b", count: 7}"#)(d),
    },
    Defect {
        name: "closing bracket missing",
        outcome: Recovered,
        // Where nothing ends the call, what is not closed may be half of it.
        make: |d| closer(d).and(json_with(r#"{"text": "a b", "count": 7"#)(d)),
    },
    Defect {
        name: "the same, with nothing that ends the call",
        outcome: Refused,
        make: |d| {
            let text = json_with(r#"{"text": "a b", "count": 7"#)(d)?;
            let text = closer(d).map_or(Some(text.as_str()), |closer| text.strip_suffix(closer))?;
            Some(text.trim_end_matches([']', '}', '\n', '`']).to_owned())
        },
    },
    Defect {
        name: "closing bracket too many",
        outcome: Recovered,
        make: |d| json_with(r#"{"text": "a b", "count": 7}}"#)(d),
    },
    Defect {
        name: "wrong closing bracket",
        outcome: Recovered,
        make: |d| {
            matches!(
                d,
                Dialect::Hermes
                    | Dialect::DeepSeekV3
                    | Dialect::DeepSeekV31
                    | Dialect::KimiK2
                    | Dialect::InternLm
            )
            .then(|| json_with(r#"{"text": "a b", "count": 7]"#)(d))
            .flatten()
        },
    },
    Defect {
        name: "a key without quotes and a comment",
        outcome: Recovered,
        make: |d| json_with("{\"text\": \"a b\", /* seven */ count: 7}")(d),
    },
    Defect {
        name: "key twice, same value",
        outcome: Recovered,
        make: |d| json_with(r#"{"text": "a b", "count": 7, "count": 7}"#)(d),
    },
    Defect {
        name: "key twice, other value",
        outcome: Refused,
        make: |d| json_with(r#"{"text": "a b", "count": 7, "count": 8}"#)(d),
    },
    Defect {
        name: "quote inside of a string",
        outcome: Refused,
        make: |d| json_with(r#"{"text": "a "b" c", "count": 7}"#)(d),
    },
    Defect {
        name: "escape with two readings",
        outcome: Refused,
        make: |d| json_with(r#"{"text": "\x41", "count": 7}"#)(d),
    },
    Defect {
        name: "end of an argument missing",
        outcome: Recovered,
        make: |d| match d {
            Dialect::QwenXml | Dialect::SeedOss => {
                let text = native(d);
                let at = text.find("</parameter>\n")?;
                Some(format!("{}{}", &text[..at], &text[at + "</parameter>\n".len()..]))
            }
            _ => None,
        },
    },
    Defect {
        name: "text between arguments",
        outcome: Refused,
        make: |d| match d {
            Dialect::Glm => elements(d, "<arg_key>text", "and <arg_key>text"),
            Dialect::DeepSeekDsml => elements(
                d,
                "<｜DSML｜parameter name=\"text",
                "and <｜DSML｜parameter name=\"text",
            ),
            _ => elements(d, "<parameter", "and <parameter"),
        },
    },
    Defect {
        name: "positional argument",
        outcome: Refused,
        make: |d| {
            matches!(d, Dialect::Llama4 | Dialect::Lfm2)
                .then(|| replaced(d, "text=", ""))
                .flatten()
        },
    },
    Defect {
        name: "arguments are nested calls",
        outcome: Refused,
        make: |d| {
            matches!(d, Dialect::Llama4 | Dialect::Lfm2)
                .then(|| replaced(d, "'a b'", "f(x=1)"))
                .flatten()
        },
    },
    Defect {
        name: "required argument missing",
        outcome: Refused,
        make: |d| Some(write(d, "note", json!({"count": 7}).as_object()?)),
    },
    Defect {
        name: "wrong type",
        outcome: Refused,
        make: |d| {
            Some(write(
                d,
                "note",
                json!({"text": "a b", "count": "many"}).as_object()?,
            ))
        },
    },
    Defect {
        name: "no such tool",
        outcome: Refused,
        make: |d| {
            // Without a token for calls it is an object like any other.
            (!matches!(d, Dialect::Xlam | Dialect::Llama4)).then(|| write(d, "remove", &good()))
        },
    },
    Defect {
        name: "no such tool, no token",
        outcome: Text,
        make: |d| matches!(d, Dialect::Xlam | Dialect::Llama4).then(|| write(d, "remove", &good())),
    },
    Defect {
        name: "broken call beside a good one",
        outcome: Both,
        make: |d| {
            (!matches!(d, Dialect::Xlam | Dialect::Llama4 | Dialect::Llama3)).then(|| {
                format!(
                    "{}\n{}",
                    native(d),
                    write(d, "note", json!({"count": 7}).as_object().unwrap())
                )
            })
        },
    },
    Defect {
        name: "in a fence, with words",
        outcome: Text,
        make: |d| Some(format!("Like so:\n```\n{}\n```\n", native(d))),
    },
    Defect {
        name: "in inline code",
        outcome: Text,
        make: |d| (!native(d).contains('`')).then(|| format!("Write `{}`", native(d).replace('\n', ""))),
    },
    Defect {
        name: "in a quotation",
        outcome: Text,
        make: |d| Some(format!("> {}", native(d).replace('\n', " "))),
    },
];

/// Defects of syntax in strings, apart: what is meant is another text.
const IN_STRINGS: &[(&str, &str, &str)] = &[
    ("line feed in a string", "{\"text\": \"a\nb\"}", "a\nb"),
    ("backslash that escapes nothing", r#"{"text": "\d+"}"#, r"\d+"),
];

fn outcome(text: &str, meant: &Map<String, Value>) -> (Option<Outcome>, Vec<Event>) {
    let said = events([text], Ending::Complete);
    let calls: Vec<_> = said
        .iter()
        .filter_map(|event| match event {
            Event::Call(call) => Some(call),
            _ => None,
        })
        .collect();
    let refused = said
        .iter()
        .filter(|event| matches!(event, Event::Refused(_)))
        .count();
    let is_meant = calls.iter().all(|call| {
        call.name == "note" && serde_json::from_str::<Map<String, Value>>(&call.arguments).unwrap() == *meant
    });
    let outcome = match (calls.len(), refused) {
        (1, 0) if is_meant && !said.iter().any(|event| matches!(event, Event::Text(_))) => Some(Recovered),
        (0, 1) => Some(Refused),
        (1, 1) if is_meant => Some(Both),
        (0, 0) if said == [Event::Text(text.to_owned())] => Some(Text),
        _ => None,
    };
    (outcome, said)
}

fn sign(outcome: Outcome) -> &'static str {
    match outcome {
        Recovered => "recovered",
        Refused => "refused",
        Text => "text",
        Both => "one call, one error",
    }
}

#[test]
fn every_defect_of_every_dialect_comes_out_as_the_table_says() {
    let mut rows: Vec<(String, Vec<&str>)> = Vec::new();
    let mut wrong = String::new();
    let mut samples = vec![0; Dialect::ALL.len()];
    let mut check = |name: &str,
                     expected: Outcome,
                     meant: &Map<String, Value>,
                     make: &dyn Fn(Dialect) -> Option<String>| {
        let mut row = Vec::new();
        for (place, dialect) in Dialect::ALL.iter().enumerate() {
            let Some(text) = make(*dialect) else {
                row.push("–");
                continue;
            };
            samples[place] += 1;
            let (found, said) = outcome(&text, meant);
            if found != Some(expected) {
                writeln!(wrong, "{dialect:?}, {name}: {found:?}\n{text}\n    {said:?}").unwrap();
            }
            row.push(sign(expected));
        }
        rows.push((name.to_owned(), row));
    };
    for defect in DEFECTS {
        check(defect.name, defect.outcome, &good(), &defect.make);
    }
    for (name, arguments, meant) in IN_STRINGS {
        let meant = json!({"text": meant}).as_object().unwrap().clone();
        check(name, Recovered, &meant, &|dialect| {
            with_json(dialect, "note", arguments)
        });
    }
    for dialect in Dialect::ALL {
        let Some(end) = closer(*dialect) else { continue };
        let meant = json!({"text": format!("a {end} b")}).as_object().unwrap().clone();
        let text = write(*dialect, "note", &meant);
        let (found, said) = outcome(&text, &meant);
        if found != Some(Recovered) {
            writeln!(
                wrong,
                "{dialect:?}, its end in a string: {found:?}\n{text}\n    {said:?}"
            )
            .unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    for (dialect, count) in Dialect::ALL.iter().zip(&samples) {
        assert!(*count >= 6, "{dialect:?} has {count} malformed samples");
    }

    keep_page(&[("sources", crate::sources::table()), ("table", table(&rows))]);
}

/// Dialects with the same outcomes share a line.
fn table(rows: &[(String, Vec<&str>)]) -> String {
    let mut out = String::from("| defect | outcome | dialects |\n|---|---|---|\n");
    for (name, row) in rows {
        let outcome = row.iter().find(|cell| **cell != "–").unwrap_or(&"–");
        let dialects: Vec<String> = Dialect::ALL
            .iter()
            .zip(row)
            .filter(|(_, cell)| **cell != "–")
            .map(|(dialect, _)| format!("`{}`", dialect.key()))
            .collect();
        let dialects = if dialects.len() == Dialect::ALL.len() {
            "all".to_owned()
        } else {
            dialects.join(" ")
        };
        writeln!(out, "| {name} | {outcome} | {dialects} |").unwrap();
    }
    out
}

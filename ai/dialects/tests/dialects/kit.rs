//! Tools, a short form of events, and a writer of every dialect.

use glasswork_dialects::{Dialect, Ending, Event, Recogniser, Tools};
use serde_json::{Map, Value, json};

pub(crate) const NOTE: &str = r##"{"type":"object","properties":{
    "text":{"type":"string"},"count":{"type":"integer"},"ratio":{"type":"number"},"flag":{"type":"boolean"},
    "tags":{"type":"array","items":{"type":"string"}},"meta":{"$ref":"#/$defs/meta"},"mode":{"enum":["r","w"]},
    "maybe":{"type":["string","null"]}},
    "required":["text"],"additionalProperties":false,
    "$defs":{"meta":{"type":"object","additionalProperties":{"type":"integer"}}}}"##;

pub(crate) fn tools() -> Tools {
    Tools::new([
        ("note", NOTE),
        (
            "bash",
            r#"{"type":"object","properties":{"command":{"type":"string"}},"required":["command"]}"#,
        ),
        ("now", r#"{"type":"object","properties":{}}"#),
    ])
}

/// All events of an answer, in pieces as given; neighbouring pieces of text are one.
pub(crate) fn events<'a>(pieces: impl IntoIterator<Item = &'a str>, ending: Ending) -> Vec<Event> {
    let mut recogniser = Recogniser::new(tools());
    let mut all = Vec::new();
    for piece in pieces {
        all.extend(recogniser.feed(piece));
    }
    all.extend(recogniser.finish(ending));
    joined(all)
}

pub(crate) fn joined(events: Vec<Event>) -> Vec<Event> {
    let mut joined: Vec<Event> = Vec::new();
    for event in events {
        match (joined.last_mut(), event) {
            (Some(Event::Text(text)), Event::Text(more))
            | (Some(Event::Thinking(text)), Event::Thinking(more)) => {
                text.push_str(&more);
            }
            (_, event) => joined.push(event),
        }
    }
    joined
}

/// Events in a line each: `text "…"`, `thinking "…"`, `call name {…} [repairs]`, `refused name: reason`.
pub(crate) fn lines(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::Text(text) => Some(format!("text {text:?}")),
            Event::Thinking(text) => Some(format!("thinking {text:?}")),
            Event::TextWasThinking => Some("was thinking".to_owned()),
            Event::CallBegan { .. } => None,
            Event::Call(call) => {
                let mut repairs: Vec<&str> = call.repairs.iter().map(|repair| repair.kind.key()).collect();
                repairs.dedup();
                let repairs = if repairs.is_empty() {
                    String::new()
                } else {
                    format!(" [{}]", repairs.join(" "))
                };
                Some(format!("call {} {}{repairs}", call.name, call.arguments))
            }
            Event::Refused(refusal) => Some(format!(
                "refused {}: {}",
                refusal.name.as_deref().unwrap_or("?"),
                refusal.reason
            )),
        })
        .collect()
}

pub(crate) fn said(text: &str) -> Vec<String> {
    lines(&events([text], Ending::Complete))
}

/// A call in a dialect, with arguments that are JSON; `None` where the dialect writes no JSON.
pub(crate) fn with_json(dialect: Dialect, name: &str, arguments: &str) -> Option<String> {
    let object = |key: &str| format!(r#"{{"name": "{name}", "{key}": {arguments}}}"#);
    let call = object("arguments");
    Some(match dialect {
        Dialect::Hermes => format!("<tool_call>\n{call}\n</tool_call>"),
        Dialect::Llama3 => format!("<|python_tag|>{}", object("parameters")),
        Dialect::Mistral => format!("[TOOL_CALLS]{name}[ARGS]{arguments}"),
        Dialect::DeepSeekV3 => format!(
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>{name}\n```json\n{arguments}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>"
        ),
        Dialect::DeepSeekV31 => format!(
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>{name}<｜tool▁sep｜>{arguments}<｜tool▁call▁end｜><｜tool▁calls▁end｜>"
        ),
        Dialect::KimiK2 => format!(
            "<|tool_calls_section_begin|><|tool_call_begin|>functions.{name}:0<|tool_call_argument_begin|>{arguments}<|tool_call_end|><|tool_calls_section_end|>"
        ),
        Dialect::Harmony => {
            format!(
                "<|channel|>commentary to=functions.{name} <|constrain|>json<|message|>{arguments}<|call|>"
            )
        }
        Dialect::Granite => format!("<|tool_call|>[{call}]"),
        Dialect::InternLm => format!(
            "<|action_start|><|plugin|>\n{}<|action_end|>",
            object("parameters")
        ),
        Dialect::Xlam => format!("[{call}]"),
        Dialect::CommandR => format!(
            r#"<|START_ACTION|>[{{"tool_call_id": "0", "tool_name": "{name}", "parameters": {arguments}}}]<|END_ACTION|>"#
        ),
        Dialect::Nemotron => format!("<TOOLCALL>[{call}]</TOOLCALL>"),
        Dialect::QwenXml
        | Dialect::Llama4
        | Dialect::DeepSeekDsml
        | Dialect::Glm
        | Dialect::MiniMax
        | Dialect::Gemma
        | Dialect::Lfm2
        | Dialect::SeedOss
        | Dialect::Invoke => return None,
    })
}

/// A call in a dialect, as its models write it.
pub(crate) fn write(dialect: Dialect, name: &str, arguments: &Map<String, Value>) -> String {
    let json = Value::Object(arguments.clone()).to_string();
    if let Some(text) = with_json(dialect, name, &json) {
        return text;
    }
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let each = |write: &dyn Fn(&str, &Value) -> String| -> Vec<String> {
        arguments.iter().map(|(key, value)| write(key, value)).collect()
    };
    let qwen = || {
        let all = each(&|key, value| format!("<parameter={key}>\n{}\n</parameter>\n", plain(value)));
        format!("<function={name}>\n{}</function>", all.concat())
    };
    let invoke = || {
        let all = each(&|key, value| format!("<parameter name=\"{key}\">{}</parameter>\n", plain(value)));
        format!("<invoke name=\"{name}\">\n{}</invoke>", all.concat())
    };
    let pythonic = || {
        let all = each(&|key, value| format!("{key}={}", python(value)));
        format!("[{name}({})]", all.join(", "))
    };
    match dialect {
        Dialect::QwenXml => format!("<tool_call>\n{}\n</tool_call>", qwen()),
        Dialect::SeedOss => format!("<seed:tool_call>\n{}\n</seed:tool_call>", qwen()),
        Dialect::Llama4 => pythonic(),
        Dialect::Lfm2 => format!("<|tool_call_start|>{}<|tool_call_end|>", pythonic()),
        Dialect::MiniMax => format!("<minimax:tool_call>\n{}\n</minimax:tool_call>", invoke()),
        Dialect::Invoke => format!("<function_calls>\n{}\n</function_calls>", invoke()),
        Dialect::DeepSeekDsml => {
            let all = each(&|key, value| {
                let is_string = value.is_string();
                format!(
                    "<｜DSML｜parameter name=\"{key}\" string=\"{is_string}\">{}</｜DSML｜parameter>\n",
                    plain(value)
                )
            });
            format!(
                "<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"{name}\">\n{}</｜DSML｜invoke>\n</｜DSML｜function_calls>",
                all.concat()
            )
        }
        Dialect::Glm => {
            let all = each(&|key, value| {
                format!(
                    "<arg_key>{key}</arg_key>\n<arg_value>{}</arg_value>\n",
                    plain(value)
                )
            });
            format!("<tool_call>{name}\n{}</tool_call>", all.concat())
        }
        Dialect::Gemma => {
            let all = each(&|key, value| format!("{key}:{}", gemma(value)));
            format!("<|tool_call>call:{name}{{{}}}<tool_call|>", all.join(","))
        }
        _ => unreachable!("{dialect:?} writes JSON"),
    }
}

fn python(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => {
            let mut out = String::from("'");
            for c in text.chars() {
                match c {
                    '\\' => out.push_str("\\\\"),
                    '\'' => out.push_str("\\'"),
                    '\n' => out.push_str("\\n"),
                    '\r' => out.push_str("\\r"),
                    c if u32::from(c) < 0x20 => out.push_str(&format!("\\x{:02x}", u32::from(c))),
                    c => out.push(c),
                }
            }
            out.push('\'');
            out
        }
        Value::Array(items) => format!("[{}]", items.iter().map(python).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let all = members
                .iter()
                .map(|(key, value)| format!("{}: {}", python(&json!(key)), python(value)));
            format!("{{{}}}", all.collect::<Vec<_>>().join(", "))
        }
    }
}

fn gemma(value: &Value) -> String {
    match value {
        Value::String(text) => format!("<|\"|>{text}<|\"|>"),
        Value::Array(items) => format!("[{}]", items.iter().map(gemma).collect::<Vec<_>>().join(",")),
        Value::Object(members) => {
            let all = members
                .iter()
                .map(|(key, value)| format!("{key}:{}", gemma(value)));
            format!("{{{}}}", all.collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

/// Compares the tables of the page of the docs with those that the tests made, or writes them there.
pub(crate) fn keep_page(tables: &[(&str, String)]) {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/tool-call-dialects.md");
    let page = std::fs::read_to_string(&file).unwrap_or_default();
    let mut new = page.clone();
    for (name, made) in tables {
        let (begin, end) = (
            format!("<!-- {name}: begin -->\n"),
            format!("<!-- {name}: end -->"),
        );
        let (before, rest) = new.split_once(&begin).unwrap_or((new.as_str(), &end));
        let after = rest.split_once(&end).map_or("", |(_, after)| after);
        new = format!("{before}{begin}{made}{end}{after}");
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&file, &new).unwrap();
    } else {
        assert!(
            new == page,
            "{} is out of date: UPDATE_DOCS=1 cargo test -p glasswork-dialects",
            file.display()
        );
    }
}

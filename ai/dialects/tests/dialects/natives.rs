//! What models of each family write, from the documentation and templates that the dialects' files name.

use glasswork_dialects::Dialect;

use crate::kit::{events, lines};
use glasswork_dialects::{Ending, Event};

const NATIVES: &[(Dialect, &str, &[&str])] = &[
    (
        Dialect::Hermes,
        "Let me look.\n\n<tool_call>\n{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}}\n</tool_call>\n<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>",
        &[
            r#"text "Let me look.\n\n""#,
            r#"call bash {"command":"ls"}"#,
            r#"text "\n""#,
            "call now {}",
        ],
    ),
    (
        Dialect::Hermes,
        "<tool_call>{\"arguments\": {\"command\": \"echo '</tool_call>' \\\"x\\\"\"}, \"name\": \"bash\"}</tool_call>",
        &[r#"call bash {"command":"echo '</tool_call>' \"x\""}"#],
    ),
    (
        Dialect::QwenXml,
        "<tool_call>\n<function=note>\n<parameter=text>\n  two\n\tlines\n\n</parameter>\n<parameter=count>\n12\n</parameter>\n<parameter=tags>\n[\"a\", \"b\"]\n</parameter>\n</function>\n</tool_call>",
        &[r#"call note {"text":"  two\n\tlines\n","count":12,"tags":["a","b"]}"#],
    ),
    (
        Dialect::QwenXml,
        "Now:\n<function=bash>\n<parameter=command>\ngrep '</tool_call>' a\n</parameter>\n</function>",
        &[
            r#"text "Now:\n""#,
            r#"call bash {"command":"grep '</tool_call>' a"}"#,
        ],
    ),
    (
        Dialect::QwenXml,
        "<function=bash>{\"command\": \"ls\"}</function>",
        &[r#"call bash {"command":"ls"}"#],
    ),
    (
        Dialect::Llama3,
        "{\"name\": \"bash\", \"parameters\": {\"command\": \"ls\"}}",
        &[r#"call bash {"command":"ls"}"#],
    ),
    (
        Dialect::Llama3,
        "<|python_tag|>{\"name\": \"bash\", \"parameters\": {\"command\": \"ls\"}}; {\"name\": \"now\", \"parameters\": {}}<|eom_id|>",
        &[r#"call bash {"command":"ls"}"#, "call now {}"],
    ),
    (
        Dialect::Llama3,
        "<|python_tag|>bash.call(command=\"ls\")",
        &[r#"call bash {"command":"ls"}"#],
    ),
    (
        Dialect::Llama4,
        "[bash(command=\"ls -l\"), note(text='it\\'s', tags=['a', \"b\"], flag=True, maybe=None)]",
        &[
            r#"call bash {"command":"ls -l"}"#,
            r#"call note {"text":"it's","tags":["a","b"],"flag":true,"maybe":null}"#,
        ],
    ),
    (
        Dialect::Llama4,
        "<|python_start|>[bash(command=\"\"\"a\n\"b\" \"\"\")]<|python_end|>",
        &[r#"call bash {"command":"a\n\"b\" "}"#],
    ),
    (
        Dialect::Mistral,
        "[TOOL_CALLS] [{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}}, {\"name\": \"now\", \"arguments\": {}, \"id\": \"a1b2c3d4e\"}]",
        &[r#"call bash {"command":"ls"}"#, "call now {}"],
    ),
    (
        Dialect::Mistral,
        "Sure.[TOOL_CALLS]bash[ARGS]{\"command\": \"ls [ARGS]\"}[TOOL_CALLS]now[CALL_ID]VVvvODy9V[ARGS]{}",
        &[
            r#"text "Sure.""#,
            r#"call bash {"command":"ls [ARGS]"}"#,
            "call now {}",
        ],
    ),
    (
        Dialect::DeepSeekV3,
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>bash\n```json\n{\"command\": \"ls\"}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>now\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        &[r#"call bash {"command":"ls"}"#, "call now {}"],
    ),
    (
        Dialect::DeepSeekV3,
        "<｜tool▁call▁begin｜>function<｜tool▁sep｜>bash\n```json\n{\"command\": \"ls\"}\n```<｜tool▁call▁end｜>",
        &[r#"call bash {"command":"ls"}"#],
    ),
    (
        Dialect::DeepSeekV31,
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>bash<｜tool▁sep｜>{\"command\": \"ls\"}<｜tool▁call▁end｜><｜tool▁call▁begin｜>now<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        &[r#"call bash {"command":"ls"}"#, "call now {}"],
    ),
    (
        Dialect::DeepSeekV31,
        "Hm. <｜tool▁call▁begin｜>bash<｜tool▁sep｜>{\"command\": \"ls\"}<｜tool▁call▁end｜>",
        &[r#"text "Hm. ""#, r#"call bash {"command":"ls"}"#],
    ),
    (
        Dialect::DeepSeekDsml,
        "\n\n<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"note\">\n<｜DSML｜parameter name=\"text\" string=\"true\">5</｜DSML｜parameter>\n<｜DSML｜parameter name=\"count\" string=\"false\">5</｜DSML｜parameter>\n</｜DSML｜invoke>\n<｜DSML｜invoke name=\"now\">\n</｜DSML｜invoke>\n</｜DSML｜function_calls>",
        &[
            r#"text "\n\n""#,
            r#"call note {"text":"5","count":5}"#,
            "call now {}",
        ],
    ),
    (
        Dialect::DeepSeekDsml,
        "<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"bash\">\n<｜DSML｜parameter name=\"command\" string=\"true\">cat <<E\n</x>\nE</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>",
        &[r#"call bash {"command":"cat <<E\n</x>\nE"}"#],
    ),
    (
        Dialect::Glm,
        "\n<tool_call>note\n<arg_key>text</arg_key>\n<arg_value>007</arg_value>\n<arg_key>count</arg_key>\n<arg_value>7</arg_value>\n</tool_call>",
        &[r#"text "\n""#, r#"call note {"text":"007","count":7}"#],
    ),
    (
        Dialect::Glm,
        "<tool_call>bash<arg_key>command</arg_key><arg_value>a </tool_call> b</arg_value></tool_call><tool_call>now\n</tool_call>",
        &[r#"call bash {"command":"a </tool_call> b"}"#, "call now {}"],
    ),
    (
        Dialect::KimiK2,
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.bash:0<|tool_call_argument_begin|>{\"command\": \"ls\"}<|tool_call_end|><|tool_call_begin|>functions.now:1<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>",
        &[r#"call bash {"command":"ls"}"#, "call now {}"],
    ),
    (
        Dialect::KimiK2,
        "<|tool_call_begin|>bash<|tool_call_argument_begin|>{\"command\": \"<|tool_call_end|>\"}<|tool_call_end|>",
        &[r#"call bash {"command":"<|tool_call_end|>"}"#],
    ),
    (
        Dialect::MiniMax,
        "<minimax:tool_call>\n<invoke name=\"note\">\n<parameter name=\"text\">a\nb</parameter>\n<parameter name=\"meta\">{\"x\": 1}</parameter>\n</invoke>\n</minimax:tool_call>",
        &[r#"call note {"text":"a\nb","meta":{"x":1}}"#],
    ),
    (
        Dialect::MiniMax,
        "<tool_calls>\n{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}}\n{\"name\": \"now\", \"arguments\": {}}\n</tool_calls>",
        &[r#"call bash {"command":"ls"}"#, "call now {}"],
    ),
    (
        Dialect::Harmony,
        "<|channel|>analysis<|message|>Need ls.<|end|><|start|>assistant<|channel|>commentary to=functions.bash <|constrain|>json<|message|>{\"command\":\"ls\"}<|call|>",
        &[r#"thinking "Need ls.""#, r#"call bash {"command":"ls"}"#],
    ),
    (
        Dialect::Harmony,
        "<|start|>assistant to=functions.now<|channel|>commentary json<|message|>{}",
        &["call now {}"],
    ),
    (
        Dialect::Granite,
        "<|tool_call|>[{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}}, {\"name\": \"now\", \"arguments\": {}}]",
        &[r#"call bash {"command":"ls"}"#, "call now {}"],
    ),
    (
        Dialect::Granite,
        "<tool_call>[{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}}]</tool_call>",
        &[r#"call bash {"command":"ls"}"#],
    ),
    // What closes it may come late, or not at all.
    (
        Dialect::Granite,
        "<tool_call>[{\"name\": \"now\", \"arguments\": {}}]\n</tool_call>",
        &["call now {}"],
    ),
    (
        Dialect::Granite,
        "<tool_call>[{\"name\": \"now\", \"arguments\": {}}]\nSo {a}.",
        &["call now {}", r#"text "\nSo {a}.""#],
    ),
    (
        Dialect::Granite,
        "<function_call> {\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}}\n<function_call> {\"name\": \"now\", \"arguments\": {}}",
        &[r#"call bash {"command":"ls"}"#, r#"text "\n""#, "call now {}"],
    ),
    (
        Dialect::InternLm,
        "I will look.<|action_start|><|plugin|>\n{\"name\": \"bash\", \"parameters\": {\"command\": \"ls\"}}<|action_end|>\n",
        &[
            r#"text "I will look.""#,
            r#"call bash {"command":"ls"}"#,
            r#"text "\n""#,
        ],
    ),
    (
        Dialect::InternLm,
        "<|action_start|><|plugin|>{\"name\": \"now\", \"parameters\": {}}<|action_end|>",
        &["call now {}"],
    ),
    (
        Dialect::Xlam,
        "[{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}}, {\"name\": \"now\", \"arguments\": {}}]",
        &[r#"call bash {"command":"ls"}"#, "call now {}"],
    ),
    (
        Dialect::Xlam,
        "```json\n[{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}}]\n```",
        &[r#"call bash {"command":"ls"}"#],
    ),
    (
        Dialect::Gemma,
        "I'll look.\n```tool_code\nprint(bash(command=\"ls\"))\n```",
        &[r#"text "I'll look.\n""#, r#"call bash {"command":"ls"}"#],
    ),
    (
        Dialect::Gemma,
        "<start_function_call>call:note{text:<escape>a, \"b\" {c}<escape>,count:3,flag:true}<end_function_call>",
        &[r#"call note {"text":"a, \"b\" {c}","count":3,"flag":true}"#],
    ),
    (
        Dialect::Gemma,
        "<|channel>thought\nHm.\n<channel|><|tool_call>call:note{tags:[<|\"|>x<|\"|>,<|\"|>y<|\"|>],text:<|\"|>}<tool_call|><|\"|>}<tool_call|>",
        &[
            r#"thinking "\nHm.\n""#,
            r#"call note {"tags":["x","y"],"text":"}<tool_call|>"}"#,
        ],
    ),
    (
        Dialect::CommandR,
        "Action: ```json\n[\n    {\n        \"tool_name\": \"bash\",\n        \"parameters\": {\n            \"command\": \"ls\"\n        }\n    }\n]```",
        &[r#"call bash {"command":"ls"}"#],
    ),
    (
        Dialect::CommandR,
        "<|START_THINKING|>I will look.<|END_THINKING|><|START_ACTION|>[\n    {\"tool_call_id\": \"0\", \"tool_name\": \"bash\", \"parameters\": {\"command\": \"ls\"}}\n]<|END_ACTION|>",
        &[r#"thinking "I will look.""#, r#"call bash {"command":"ls"}"#],
    ),
    (
        Dialect::Lfm2,
        "<|tool_call_start|>[bash(command=\"ls\"), now()]<|tool_call_end|>Looking.",
        &[
            r#"call bash {"command":"ls"}"#,
            "call now {}",
            r#"text "Looking.""#,
        ],
    ),
    (
        Dialect::Lfm2,
        "<|tool_call_start|>[{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}}]<|tool_call_end|>",
        &[r#"call bash {"command":"ls"}"#],
    ),
    (
        Dialect::Nemotron,
        "<TOOLCALL>[{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}}, {\"name\": \"now\", \"arguments\": {}}]</TOOLCALL>",
        &[r#"call bash {"command":"ls"}"#, "call now {}"],
    ),
    (
        Dialect::Nemotron,
        "<think>\nHm.\n</think>\n\n<TOOLCALL>[{\"name\": \"now\", \"arguments\": {}}]</TOOLCALL>",
        &[r#"thinking "\nHm.\n""#, r#"text "\n\n""#, "call now {}"],
    ),
    (
        Dialect::SeedOss,
        "<seed:think>Hm.</seed:think><seed:tool_call>\n<function=note>\n<parameter=text>42</parameter>\n<parameter=count>42</parameter>\n</function>\n</seed:tool_call>",
        &[r#"thinking "Hm.""#, r#"call note {"text":"42","count":42}"#],
    ),
    (
        Dialect::SeedOss,
        "<seed:tool_call>\n<function=bash>\n<parameter=command>ls</parameter>\n</function>\n<function=now>\n</function>\n</seed:tool_call>",
        &[r#"call bash {"command":"ls"}"#, "call now {}"],
    ),
    (
        Dialect::Invoke,
        "<function_calls>\n<invoke name=\"bash\">\n<parameter name=\"command\">ls && echo \"<b>\"</parameter>\n</invoke>\n</function_calls>",
        &[r#"call bash {"command":"ls && echo \"<b>\""}"#],
    ),
    (
        Dialect::Invoke,
        "I look.\n<invoke name=\"bash\">\n<parameter name=\"command\">ls</parameter>\n</invoke>",
        &[r#"text "I look.\n""#, r#"call bash {"command":"ls"}"#],
    ),
];

#[test]
fn every_family_is_read_as_it_writes() {
    let mut wrong = Vec::new();
    for (dialect, text, expected) in NATIVES {
        let said = events([*text], Ending::Complete);
        let other = said.iter().find_map(|event| match event {
            Event::Call(call) if call.dialect != *dialect => Some(call.dialect),
            _ => None,
        });
        if lines(&said) != *expected || other.is_some() {
            wrong.push(format!("{dialect:?} {other:?} {text}\n    {:#?}", lines(&said)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_dialect_has_native_samples() {
    for dialect in Dialect::ALL {
        let samples = NATIVES.iter().filter(|(of, ..)| of == dialect).count();
        assert!(samples >= 2, "{dialect:?} has {samples}");
    }
}

/// Fuzzers begin with what models write.
#[test]
fn every_native_sample_is_a_seed() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/recognise");
    let update = std::env::var_os("UPDATE_SEEDS").is_some();
    let mut numbers = std::collections::BTreeMap::new();
    for (dialect, text, _) in NATIVES {
        let number = numbers.entry(dialect.key()).or_insert(0);
        *number += 1;
        let file = folder.join(format!("{}-{number}", dialect.key()));
        if update {
            std::fs::write(&file, text).unwrap();
        }
        assert_eq!(
            std::fs::read_to_string(&file).unwrap_or_default(),
            *text,
            "UPDATE_SEEDS=1 cargo test -p glasswork-dialects --test dialects seed"
        );
    }
}

//! Where each form was looked up, and a sample written as that source writes it. The page of the docs lists them.

use std::fmt::Write as _;

use glasswork_dialects::{Dialect, Ending, Event};

use crate::kit::{events, lines};

/// One form of one family.
struct Form {
    dialect: Dialect,
    models: &'static str,
    /// A public name, and a commit or a date; the column says what the samples below were compared with.
    source: &'static str,
    text: &'static str,
    expected: &'static [&'static str],
}

const BOTH: &[&str] = &[r#"call bash {"command":"ls"}"#, "call now {}"];
const BOTH_APART: &[&str] = &[r#"call bash {"command":"ls"}"#, r#"text "\n""#, "call now {}"];
const BASH: &[&str] = &[r#"call bash {"command":"ls"}"#];

const FORMS: &[Form] = &[
    Form {
        dialect: Dialect::Hermes,
        models: "Hermes 2 Pro, Hermes 3",
        source: "vLLM, `examples/tool_chat_template_hermes.jinja` (66aa580)",
        text: "\n<tool_call>\n{ \"arguments\": {\"command\": \"ls\"}, \"name\": \"bash\"}\n</tool_call> \n<tool_call>\n{ \"arguments\": {}, \"name\": \"now\"}\n</tool_call>",
        expected: &[
            r#"text "\n""#,
            r#"call bash {"command":"ls"}"#,
            r#"text " \n""#,
            "call now {}",
        ],
    },
    Form {
        dialect: Dialect::Hermes,
        models: "Qwen 2.5, Qwen 3",
        source: "llama.cpp, `models/templates/Qwen-Qwen3-0.6B.jinja` (as kept by ye-NX/llama.cpp, b354d7c)",
        text: "<think>\nHm.\n</think>\n\n<tool_call>\n{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}}\n</tool_call>\n<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>",
        expected: &[
            r#"thinking "\nHm.\n""#,
            r#"text "\n\n""#,
            r#"call bash {"command":"ls"}"#,
            r#"text "\n""#,
            "call now {}",
        ],
    },
    Form {
        dialect: Dialect::QwenXml,
        models: "Qwen3-Coder; scalars as Python writes them",
        source: "vLLM, `examples/tool_chat_template_qwen3coder.jinja` (7a3bde4)",
        text: "<tool_call>\n<function=note>\n<parameter=text>\na\n</parameter>\n<parameter=flag>\nTrue\n</parameter>\n<parameter=maybe>\nNone\n</parameter>\n<parameter=meta>\n{\"x\": 1}\n</parameter>\n</function>\n</tool_call>",
        expected: &[r#"call note {"text":"a","flag":true,"maybe":null,"meta":{"x":1}}"#],
    },
    Form {
        dialect: Dialect::QwenXml,
        models: "Step 3.7 Flash",
        source: "llama.cpp, `models/templates/StepFun3.7-Flash.jinja` (ca13f4c)",
        text: "<tool_call>\n<function=bash>\n<parameter=command>\nls\n</parameter>\n</function>\n</tool_call>\n<tool_call>\n<function=now>\n</function>\n</tool_call>",
        expected: BOTH_APART,
    },
    Form {
        dialect: Dialect::Llama3,
        models: "Llama 3.1 to 3.3",
        source: "meta-llama/llama-models, `models/llama3_3/prompt_format.md` (00cc216)",
        text: "<|python_tag|>{\"type\": \"function\", \"name\": \"bash\", \"parameters\": {\"command\": \"ls\"}}<|eom_id|>",
        expected: BASH,
    },
    Form {
        dialect: Dialect::Llama3,
        models: "Llama 3.1 to 3.3, a tool of its own",
        source: "meta-llama/llama-models, `models/llama3_3/prompt_format.md` (00cc216)",
        text: "<|python_tag|>bash.call(command=\"ls\")<|eom_id|>",
        expected: BASH,
    },
    Form {
        dialect: Dialect::Llama4,
        models: "Llama 3.2, Llama 4",
        source: "meta-llama/llama-models, `models/llama4/prompt_format.md` (47afb5c)",
        text: "[bash(command=\"ls\"), now()]",
        expected: BOTH,
    },
    Form {
        dialect: Dialect::Llama4,
        models: "Gemma 3, as asked for by vLLM's template; values are JSON",
        source: "vLLM, `examples/tool_chat_template_gemma3_pythonic.jinja` (c6991a3)",
        text: "[note(text=\"a\", flag=true, maybe=null, tags=[\"x\"]), now()]",
        expected: &[
            r#"call note {"text":"a","flag":true,"maybe":null,"tags":["x"]}"#,
            "call now {}",
        ],
    },
    Form {
        dialect: Dialect::Mistral,
        models: "Mistral, tokenizers v2 to v7 (`id` since v3)",
        source: "mistralai/mistral-common, `template_generator.py` (0cb2e81)",
        text: "[TOOL_CALLS] [{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}, \"id\": \"a1b2c3d4e\"}, {\"name\": \"now\", \"arguments\": {}, \"id\": \"a1b2c3d4f\"}]</s>",
        expected: BOTH,
    },
    Form {
        dialect: Dialect::Mistral,
        models: "Mistral, tokenizer v11",
        source: "mistralai/mistral-common, `template_generator.py` (0cb2e81)",
        text: "[TOOL_CALLS]bash[CALL_ID]a1b2c3d4e[ARGS]{\"command\": \"ls\"}[TOOL_CALLS]now[CALL_ID]a1b2c3d4f[ARGS]{}</s>",
        expected: BOTH,
    },
    Form {
        dialect: Dialect::Mistral,
        models: "Mistral, tokenizer v13 and later",
        source: "mistralai/mistral-common, `template_generator.py` (0cb2e81)",
        text: "[THINK]Hm.[/THINK][TOOL_CALLS]bash[ARGS]{\"command\": \"ls\"}[TOOL_CALLS]now[ARGS]{}</s>",
        expected: &[
            r#"thinking "Hm.""#,
            r#"call bash {"command":"ls"}"#,
            "call now {}",
        ],
    },
    Form {
        dialect: Dialect::DeepSeekV3,
        models: "DeepSeek V3, R1",
        source: "llama.cpp, `models/templates/deepseek-ai-DeepSeek-R1-Distill-Qwen-32B.jinja` (20bdc4f)",
        text: "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>bash\n```json\n{\"command\": \"ls\"}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>now\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        expected: BOTH,
    },
    Form {
        dialect: Dialect::DeepSeekV31,
        models: "DeepSeek V3.1",
        source: "llama.cpp, `models/templates/deepseek-ai-DeepSeek-V3.1.jinja` (0374c5b)",
        text: "Hm.</think><｜tool▁calls▁begin｜><｜tool▁call▁begin｜>bash<｜tool▁sep｜>{\"command\": \"ls\"}<｜tool▁call▁end｜><｜tool▁call▁begin｜>now<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        expected: &[
            r#"text "Hm.""#,
            "was thinking",
            r#"call bash {"command":"ls"}"#,
            "call now {}",
        ],
    },
    Form {
        dialect: Dialect::DeepSeekDsml,
        models: "DeepSeek V3.2",
        source: "llama.cpp, `models/templates/DeepSeek-V3.2.jinja` (7086532)",
        text: "\n\n<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"note\">\n<｜DSML｜parameter name=\"text\" string=\"true\">7</｜DSML｜parameter>\n<｜DSML｜parameter name=\"flag\" string=\"false\">true</｜DSML｜parameter>\n</｜DSML｜invoke>\n<｜DSML｜invoke name=\"now\">\n\n</｜DSML｜invoke>\n</｜DSML｜function_calls>",
        expected: &[
            r#"text "\n\n""#,
            r#"call note {"text":"7","flag":true}"#,
            "call now {}",
        ],
    },
    Form {
        dialect: Dialect::DeepSeekDsml,
        models: "DeepSeek V4",
        source: "vLLM, its parser for DeepSeek V4 (15c99cb)",
        text: "<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"bash\">\n<｜DSML｜parameter name=\"command\" string=\"true\">ls</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>",
        expected: BASH,
    },
    Form {
        dialect: Dialect::Glm,
        models: "GLM 4.5, GLM 4.6",
        source: "llama.cpp, `models/templates/GLM-4.6.jinja` (afefa65), `glm_4_5.jinja` (623f3dd)",
        text: "\n<think></think>\n<tool_call>note\n<arg_key>text</arg_key>\n<arg_value>007</arg_value>\n<arg_key>tags</arg_key>\n<arg_value>[\"x\"]</arg_value>\n</tool_call>\n<tool_call>now\n</tool_call>",
        expected: &[
            r#"text "\n\n""#,
            r#"call note {"text":"007","tags":["x"]}"#,
            r#"text "\n""#,
            "call now {}",
        ],
    },
    Form {
        dialect: Dialect::Glm,
        models: "GLM 4.7, GLM 5",
        source: "SGLang, `glm47_moe_detector.py` (0103357)",
        text: "<tool_call>bash<arg_key>command</arg_key><arg_value>ls</arg_value></tool_call><tool_call>now</tool_call>",
        expected: BOTH,
    },
    Form {
        dialect: Dialect::KimiK2,
        models: "Kimi K2, K2 Thinking",
        source: "MoonshotAI/Kimi-K2, `docs/tool_call_guidance.md` (a80b422); llama.cpp, `models/templates/Kimi-K2-Thinking.jinja` (f519483)",
        text: "<think>Hm.</think><|tool_calls_section_begin|><|tool_call_begin|>functions.bash:0<|tool_call_argument_begin|>{\"command\": \"ls\"}<|tool_call_end|><|tool_call_begin|>functions.now:1<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>",
        expected: &[
            r#"thinking "Hm.""#,
            r#"call bash {"command":"ls"}"#,
            "call now {}",
        ],
    },
    Form {
        dialect: Dialect::MiniMax,
        models: "MiniMax M2",
        source: "llama.cpp, `models/templates/unsloth-MiniMax-M2.jinja` (a21f05a)",
        text: "\n<minimax:tool_call>\n<invoke name=\"note\">\n<parameter name=\"text\">a</parameter>\n<parameter name=\"flag\">true</parameter>\n</invoke>\n<invoke name=\"now\">\n</invoke>\n</minimax:tool_call>",
        expected: &[
            r#"text "\n""#,
            r#"call note {"text":"a","flag":true}"#,
            "call now {}",
        ],
    },
    Form {
        dialect: Dialect::MiniMax,
        models: "MiniMax M1",
        source: "vLLM, `examples/tool_chat_template_minimax_m1.jinja` (3e1a331)",
        text: "<tool_calls>\n{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}}\n{\"name\": \"now\", \"arguments\": {}}\n</tool_calls>",
        expected: BOTH,
    },
    Form {
        dialect: Dialect::MiniMax,
        models: "Apriel 1.5, which shares M1's tags around a list",
        source: "llama.cpp, `models/templates/unsloth-Apriel-1.5.jinja` (0374c5b)",
        text: "\n<tool_calls>[{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}, \"id\": \"c1\"}, {\"name\": \"now\", \"arguments\": {}}]</tool_calls>",
        expected: &[r#"text "\n""#, r#"call bash {"command":"ls"}"#, "call now {}"],
    },
    Form {
        dialect: Dialect::Harmony,
        models: "gpt-oss; the recipient may stand in the role or in the channel, with or without a blank behind it",
        source: "openai/harmony, `docs/format.md` (20cd04c)",
        text: "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary to=functions.bash<|constrain|>json<|message|>{\"command\":\"ls\"}<|call|>",
        expected: &[r#"thinking "Hm.""#, r#"call bash {"command":"ls"}"#],
    },
    Form {
        dialect: Dialect::Harmony,
        models: "gpt-oss, the recipient in the role",
        source: "openai/harmony, `docs/format.md` (20cd04c)",
        text: "<|start|>assistant to=functions.now<|channel|>commentary <|constrain|>json<|message|>{}<|call|>",
        expected: &["call now {}"],
    },
    Form {
        dialect: Dialect::Granite,
        models: "Granite 3.0",
        source: "vLLM, its parser for Granite (037ed06)",
        text: "<|tool_call|>[{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}}, {\"name\": \"now\", \"arguments\": {}}]",
        expected: BOTH,
    },
    Form {
        dialect: Dialect::Granite,
        models: "Granite 3.1: a tag, and none that closes it",
        source: "vLLM, its parser for Granite (037ed06)",
        text: "<tool_call>[{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}}, {\"name\": \"now\", \"arguments\": {}}]",
        expected: BOTH,
    },
    Form {
        dialect: Dialect::Granite,
        models: "Granite 20b function calling",
        source: "vLLM, `examples/tool_chat_template_granite_20b_fc.jinja` (1a7f9e3)",
        text: "<function_call> {\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}}\n<function_call> {\"name\": \"now\", \"arguments\": {}}<|endoftext|>",
        expected: BOTH_APART,
    },
    Form {
        dialect: Dialect::Granite,
        models: "Phi 4 mini, which shares the token, and closes it",
        source: "llama.cpp, `models/templates/llama-cpp-microsoft-Phi-4-mini-instruct.jinja` (6d7822c)",
        text: "<|tool_call|>{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}}<|/tool_call|><|tool_call|>{\"name\": \"now\", \"arguments\": {}}<|/tool_call|>",
        expected: BOTH,
    },
    Form {
        dialect: Dialect::InternLm,
        models: "InternLM 2, InternLM 2.5",
        source: "InternLM/InternLM, `chat/chat_format.md` (1182cbb)",
        text: "Hm.<|action_start|><|plugin|>\n{\"name\": \"bash\", \"parameters\": {\"command\": \"ls\"}}<|action_end|>\n",
        expected: &[r#"text "Hm.""#, r#"call bash {"command":"ls"}"#, r#"text "\n""#],
    },
    Form {
        dialect: Dialect::Xlam,
        models: "xLAM 2",
        source: "vLLM, `examples/tool_chat_template_xlam_llama.jinja` (466716c)",
        text: "[{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}}, {\"name\": \"now\", \"arguments\": {}}]",
        expected: BOTH,
    },
    Form {
        dialect: Dialect::Gemma,
        models: "FunctionGemma",
        source: "vLLM, `docs/features/tool_calling.md` (0064cc9)",
        text: "<start_function_call>call:note{text:<escape>a<escape>,count:3}<end_function_call>",
        expected: &[r#"call note {"text":"a","count":3}"#],
    },
    Form {
        dialect: Dialect::Gemma,
        models: "Gemma 4",
        source: "llama.cpp, `models/templates/gemma4.jinja` (75f1ba7)",
        text: "<|channel>thought\nHm.\n<channel|><|tool_call>call:note{flag:true,meta:{x:1},text:<|\"|>a<|\"|>}<tool_call|><|tool_call>call:now{}<tool_call|>",
        expected: &[
            r#"thinking "\nHm.\n""#,
            r#"call note {"flag":true,"meta":{"x":1},"text":"a"}"#,
            "call now {}",
        ],
    },
    Form {
        dialect: Dialect::CommandR,
        models: "Command R, R+",
        source: "llama.cpp, `models/templates/CohereForAI-c4ai-command-r-plus-tool_use.jinja` (7b5e080)",
        text: "Action:\n```json\n[\n    {\n        \"tool_name\": \"bash\",\n        \"parameters\": {\n            \"command\": \"ls\"\n        }\n    }]\n```",
        expected: BASH,
    },
    Form {
        dialect: Dialect::CommandR,
        models: "Command R7B, Command A",
        source: "llama.cpp, `models/templates/CohereForAI-c4ai-command-r7b-12-2024-tool_use.jinja` (041462b)",
        text: "<|START_THINKING|>Hm.<|END_THINKING|><|START_ACTION|>[\n    {\"tool_call_id\": \"0\", \"tool_name\": \"bash\", \"parameters\": {\"command\": \"ls\"}},\n    {\"tool_call_id\": \"1\", \"tool_name\": \"now\", \"parameters\": {}}\n]<|END_ACTION|>",
        expected: &[
            r#"thinking "Hm.""#,
            r#"call bash {"command":"ls"}"#,
            "call now {}",
        ],
    },
    Form {
        dialect: Dialect::Lfm2,
        models: "LFM2.5",
        source: "llama.cpp, `models/templates/LFM2.5-8B-A1B.jinja` (6f4e9f5)",
        text: "<think>Hm.</think><|tool_call_start|>[note(text='a', flag=True, meta={\"x\": 1}), now()]<|tool_call_end|>",
        expected: &[
            r#"thinking "Hm.""#,
            r#"call note {"text":"a","flag":true,"meta":{"x":1}}"#,
            "call now {}",
        ],
    },
    Form {
        dialect: Dialect::Lfm2,
        models: "LFM2, told to write JSON",
        source: "llama.cpp, `models/templates/llama-cpp-lfm2.jinja` (3700b6f)",
        text: "<|tool_call_start|>[{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}, \"id\": \"c1\"}]<|tool_call_end|>",
        expected: BASH,
    },
    Form {
        dialect: Dialect::Nemotron,
        models: "Nemotron Nano 2",
        source: "llama.cpp, `models/templates/NVIDIA-Nemotron-Nano-v2.jinja` (5801ed3)",
        text: "<TOOLCALL>[{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}}, {\"name\": \"now\", \"arguments\": {}}]</TOOLCALL>",
        expected: BOTH,
    },
    Form {
        dialect: Dialect::Nemotron,
        models: "Nemotron Super 1.5",
        source: "llama.cpp, `models/templates/nvidia-Llama-3_3-Nemotron-Super-49B-v1_5.jinja` (1035d60)",
        text: "<think>\nHm.\n</think>\n\n<TOOLCALL>[{\"name\": \"now\", \"arguments\": {}}]</TOOLCALL>",
        expected: &[r#"thinking "\nHm.\n""#, r#"text "\n\n""#, "call now {}"],
    },
    Form {
        dialect: Dialect::SeedOss,
        models: "Seed-OSS; scalars as Python writes them",
        source: "llama.cpp, `models/templates/ByteDance-Seed-OSS.jinja` (b1933d3)",
        text: "<seed:think>Hm.</seed:think>\n<seed:tool_call>\n<function=note>\n<parameter=text>7</parameter>\n<parameter=flag>True</parameter>\n</function>\n</seed:tool_call>\n<seed:tool_call>\n<function=now>\n</function>\n</seed:tool_call>",
        expected: &[
            r#"thinking "Hm.""#,
            r#"text "\n""#,
            r#"call note {"text":"7","flag":true}"#,
            r#"text "\n""#,
            "call now {}",
        ],
    },
];

/// Forms that no template or document of their makers shows.
const WITHOUT: &[(Dialect, &str)] = &[
    (
        Dialect::Gemma,
        "Gemma 3 in a `tool_code` fence: seen in answers; Google's page asks for a bare list of calls",
    ),
    (
        Dialect::Invoke,
        "`<invoke name=…>`: quoted by many prompts; the documentation of its maker no longer shows it",
    ),
    (
        Dialect::Llama4,
        "`<|python_start|>`: known from vLLM's parser; Meta's page (47afb5c) does not have the token",
    ),
];

#[test]
fn every_form_is_read_as_its_source_writes_it() {
    let mut wrong = String::new();
    for form in FORMS {
        let said = events([form.text], Ending::Complete);
        let other = said.iter().find_map(|event| match event {
            Event::Call(call) if call.dialect != form.dialect => Some(call.dialect),
            _ => None,
        });
        if lines(&said) != form.expected || other.is_some() {
            writeln!(
                wrong,
                "{} {other:?}\n{}\n    {:#?}",
                form.models,
                form.text,
                lines(&said)
            )
            .unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_dialect_says_where_it_was_looked_up() {
    for dialect in Dialect::ALL {
        assert!(
            FORMS.iter().any(|form| form.dialect == *dialect) || WITHOUT.iter().any(|(of, _)| of == dialect),
            "{dialect:?}"
        );
    }
}

/// Their table for the page.
pub(crate) fn table() -> String {
    let mut table = String::from("| dialect | models | compared with |\n|---|---|---|\n");
    for dialect in Dialect::ALL {
        let found = FORMS
            .iter()
            .filter(|form| form.dialect == *dialect)
            .map(|form| (form.models, form.source));
        let without = WITHOUT
            .iter()
            .filter(|(of, _)| of == dialect)
            .map(|(_, form)| (*form, "nothing found"));
        for (models, source) in found.chain(without) {
            let models = models.replace('|', "\\|");
            writeln!(table, "| `{}` | {models} | {source} |", dialect.key()).unwrap();
        }
    }
    table
}

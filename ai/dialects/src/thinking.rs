//! The tags that families of models put around their thinking.
//!
//! Sources: the chat templates of Qwen 3 and QwQ, DeepSeek R1, GLM 4.5, Magistral, Seed-OSS, Command A Reasoning,
//! Gemma 4 and Kimi-VL at <https://huggingface.co>; `<thinking>` is what prompts ask other models for.

/// A pair of tags.
#[derive(Debug)]
pub(crate) struct Tags {
    pub(crate) open: &'static str,
    /// What may close it; models mix them up.
    pub(crate) close: &'static [&'static str],
}

const THINK: &[&str] = &["</think>", "</thinking>"];

pub(crate) const TAGS: &[Tags] = &[
    Tags {
        open: "<think>",
        close: THINK,
    },
    Tags {
        open: "<thinking>",
        close: THINK,
    },
    Tags {
        open: "<thought>",
        close: &["</thought>"],
    },
    Tags {
        open: "[THINK]",
        close: &["[/THINK]"],
    },
    Tags {
        open: "<seed:think>",
        close: &["</seed:think>"],
    },
    Tags {
        open: "<|START_THINKING|>",
        close: &["<|END_THINKING|>"],
    },
    Tags {
        open: "<|channel>thought",
        close: &["<channel|>"],
    },
    Tags {
        open: "<|begin_of_thought|>",
        close: &["<|end_of_thought|>"],
    },
    Tags {
        open: "◁think▷",
        close: &["◁/think▷"],
    },
];

/// Closing tags whose opening tag may have stood in the prompt.
pub(crate) const STRAY: &[&str] = &[
    "</think>",
    "</thinking>",
    "[/THINK]",
    "</seed:think>",
    "<|END_THINKING|>",
    "◁/think▷",
];

/// Tokens around an answer that mean nothing by themselves.
pub(crate) const SILENT: &[&str] = &[
    "<|START_RESPONSE|>",
    "<|END_RESPONSE|>",
    "<|START_TEXT|>",
    "<|END_TEXT|>",
    "<|begin_of_solution|>",
    "<|end_of_solution|>",
];

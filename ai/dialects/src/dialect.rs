//! The dialects, a file each.

mod command_r;
mod deepseek;
mod gemma;
mod glm;
mod granite;
pub(crate) mod harmony;
mod hermes;
mod internlm;
mod invoke;
mod kimi;
mod lfm2;
pub(crate) mod llama;
mod minimax;
mod mistral;
mod nemotron;
mod qwen;
mod seed;
pub(crate) mod xlam;

use crate::form::Form;

/// A way to write tool calls as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// `<tool_call>{"name": …, "arguments": …}</tool_call>`: Hermes, Qwen 2.5 and 3, Granite 4 and many more.
    Hermes,
    /// `<function=…><parameter=…>`: Qwen3-Coder, Nemotron 3, Step.
    QwenXml,
    /// `<|python_tag|>{…}`, or a message that is `{"name": …, "parameters": …}`: Llama 3.
    Llama3,
    /// `[f(x=1), g()]`: Llama 4 and 3.2.
    Llama4,
    /// `[TOOL_CALLS]` with a list, or with `name[ARGS]{…}`: Mistral.
    Mistral,
    /// DeepSeek V3 and R1.
    DeepSeekV3,
    /// DeepSeek V3.1.
    DeepSeekV31,
    /// DeepSeek V3.2 and V4.
    DeepSeekDsml,
    /// `<tool_call>name<arg_key>…`: GLM 4.5 and later.
    Glm,
    /// Kimi K2.
    KimiK2,
    /// MiniMax M1 and M2; Apriel.
    MiniMax,
    /// The channels of gpt-oss.
    Harmony,
    /// Granite 3 and its 20b function-calling ancestor; Phi 4 mini.
    Granite,
    /// InternLM 2 and 3.
    InternLm,
    /// A message that is `[{"name": …, "arguments": …}]`: xLAM.
    Xlam,
    /// `tool_code` fences, and the call tokens of FunctionGemma and Gemma 4.
    Gemma,
    /// Command R, R7B and A.
    CommandR,
    /// LFM2.
    Lfm2,
    /// `<TOOLCALL>[…]</TOOLCALL>`: Nemotron Nano 2 and Super.
    Nemotron,
    /// Seed-OSS.
    SeedOss,
    /// `<invoke name="…">`, as Anthropic's models were once told to call.
    Invoke,
}

impl Dialect {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Hermes,
        Self::QwenXml,
        Self::Llama3,
        Self::Llama4,
        Self::Mistral,
        Self::DeepSeekV3,
        Self::DeepSeekV31,
        Self::DeepSeekDsml,
        Self::Glm,
        Self::KimiK2,
        Self::MiniMax,
        Self::Harmony,
        Self::Granite,
        Self::InternLm,
        Self::Xlam,
        Self::Gemma,
        Self::CommandR,
        Self::Lfm2,
        Self::Nemotron,
        Self::SeedOss,
        Self::Invoke,
    ];

    /// Its name, as a key for machines.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Hermes => "hermes",
            Self::QwenXml => "qwen_xml",
            Self::Llama3 => "llama3",
            Self::Llama4 => "llama4",
            Self::Mistral => "mistral",
            Self::DeepSeekV3 => "deepseek_v3",
            Self::DeepSeekV31 => "deepseek_v31",
            Self::DeepSeekDsml => "deepseek_dsml",
            Self::Glm => "glm",
            Self::KimiK2 => "kimi_k2",
            Self::MiniMax => "minimax",
            Self::Harmony => "harmony",
            Self::Granite => "granite",
            Self::InternLm => "internlm",
            Self::Xlam => "xlam",
            Self::Gemma => "gemma",
            Self::CommandR => "command_r",
            Self::Lfm2 => "lfm2",
            Self::Nemotron => "nemotron",
            Self::SeedOss => "seed_oss",
            Self::Invoke => "invoke",
        }
    }
}

/// All forms that begin with a sentinel. Where several share one, the first whose head fits wins.
pub(crate) const FORMS: &[&Form] = &[
    &hermes::FORM,
    &granite::IN_HERMES_TAGS,
    &qwen::IN_TAGS,
    &glm::FORM,
    &qwen::BARE,
    &llama::PYTHON_TAG,
    &llama::PYTHON_TOKENS,
    &mistral::FORM,
    &mistral::NAMED,
    &deepseek::V3,
    &deepseek::V3_BARE,
    &deepseek::V31,
    &deepseek::V31_BARE,
    &deepseek::DSML,
    &deepseek::DSML_CALLS,
    &deepseek::DSML_BARE,
    &kimi::FORM,
    &kimi::BARE,
    &minimax::M2,
    &minimax::M1,
    &harmony::CHANNEL,
    &harmony::START,
    &granite::FORM,
    &granite::OLDER,
    &internlm::FORM,
    &gemma::FENCE,
    &gemma::FUNCTION_GEMMA,
    &gemma::GEMMA_4,
    &command_r::ACTION,
    &command_r::ACTION_LINE,
    &command_r::TOKENS,
    &lfm2::FORM,
    &nemotron::FORM,
    &seed::FORM,
    &invoke::FORM,
    &invoke::BARE,
];

//! How servers that speak Chat Completions differ, as data: a row for each that is known, every field of which a user may
//! set otherwise.

use serde::{Deserialize, Serialize};

use super::ids::CallIds;

/// How a server is made to think, or not to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThinkingSwitch {
    /// It cannot be told.
    None,
    /// `reasoning_effort: "low"`
    ReasoningEffort,
    /// The same, in three words and `none`: what is beyond `high` or below `low` is not known (Groq, Cerebras, Ollama)
    ReasoningEffortLowToHigh,
    /// `reasoning: {effort: "low"}` (OpenRouter)
    ReasoningObject,
    /// `reasoning: {enabled: true}` (Together)
    ReasoningEnabled,
    /// `thinking: {type: "enabled"}` (Z.ai, Moonshot)
    ThinkingType,
    /// The same, and `reasoning_effort: "low"` beside it, whose highest is `max` (DeepSeek)
    ThinkingTypeEffort,
    /// `enable_thinking: true` (Qwen)
    EnableThinking,
    /// `chat_template_kwargs: {enable_thinking: true, thinking: true}` (llama.cpp, vLLM, SGLang): templates of Qwen and
    /// GLM look for the first name, those of DeepSeek, Granite and Kimi K3 for the second; what a template does not look
    /// for is nothing to it.
    ChatTemplate,
}

/// How a model's own thinking goes back to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThinkingBack {
    /// Not at all.
    Never,
    /// As text before the answer.
    AsText,
    /// In the field `reasoning_content`.
    ReasoningContent,
    /// In the field `reasoning`.
    Reasoning,
    /// In the field `thinking`.
    Thinking,
    /// In the array `reasoning_details`, as it came; the text of thinking that came without goes into `reasoning`.
    ReasoningDetails,
}

/// What the field is called that limits an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxTokensField {
    /// `max_tokens`
    MaxTokens,
    /// `max_completion_tokens`
    MaxCompletionTokens,
}

/// Whether a server takes a JSON Schema for an answer, in the field `response_format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StructuredOutput {
    /// It does not, or nobody knows.
    None,
    /// It does.
    JsonSchema,
    /// It does in a request that offers no tools.
    JsonSchemaAlone,
}

macro_rules! differences {
    ($($(#[$doc:meta])* $name:ident: $type:ty,)*) => {
        /// How a server speaks Chat Completions.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
        pub struct Differences {
            $($(#[$doc])* pub $name: $type,)*
        }

        /// What a user says of a server; the rest is as it is known.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct DifferencesSet {
            $($(#[$doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $name: Option<$type>,)*
        }

        impl Differences {
            /// The same but for what is set.
            #[must_use]
            pub fn with(self, set: &DifferencesSet) -> Self {
                Self { $($name: set.$name.unwrap_or(self.$name),)* }
            }
        }
    };
}

differences! {
    /// Whether the system prompt is said by a `developer`.
    developer_role: bool,
    /// How it is made to think.
    thinking_switch: ThinkingSwitch,
    /// How its own thinking goes back to it.
    thinking_back: ThinkingBack,
    /// Whether it is asked to count tokens at the end of a stream.
    usage_in_stream: bool,
    /// What the limit of an answer is called.
    max_tokens_field: MaxTokensField,
    /// Whether the result of a tool names the tool.
    tool_result_name: bool,
    /// Whether the model has to speak between the result of a tool and the user.
    assistant_after_tool_result: bool,
    /// Whether a tool says that its schema is not `strict`.
    strict_field: bool,
    /// Whether it takes breakpoints for its cache in the form of Anthropic.
    cache_control: bool,
    /// Whether it looks for its cache by a key.
    prompt_cache_key: bool,
    /// Whether it can be asked to be faster, or slower for less.
    service_tier: bool,
    /// Which ids of calls it takes.
    call_ids: CallIds,
    /// Whether it takes a JSON Schema for the answer.
    structured_output: StructuredOutput,
    /// Whether each delta may repeat the text so far. Then what looks like it is held back until it is clear.
    cumulative_deltas: bool,
}

/// A server of which nothing is known but that it speaks Chat Completions.
const COMPATIBLE: Differences = Differences {
    developer_role: false,
    thinking_switch: ThinkingSwitch::ReasoningEffort,
    thinking_back: ThinkingBack::Never,
    usage_in_stream: true,
    max_tokens_field: MaxTokensField::MaxTokens,
    tool_result_name: false,
    assistant_after_tool_result: false,
    strict_field: false,
    cache_control: false,
    prompt_cache_key: false,
    service_tier: false,
    call_ids: CallIds::Any,
    structured_output: StructuredOutput::None,
    cumulative_deltas: true,
};

/// A server whose deltas are deltas.
const TRUE_DELTAS: Differences = Differences {
    cumulative_deltas: false,
    ..COMPATIBLE
};

const OPENAI: Differences = Differences {
    developer_role: true,
    max_tokens_field: MaxTokensField::MaxCompletionTokens,
    prompt_cache_key: true,
    service_tier: true,
    call_ids: CallIds::Short,
    structured_output: StructuredOutput::JsonSchema,
    ..TRUE_DELTAS
};

/// A known server.
struct Known {
    /// The names that a provider of it may have in settings.
    names: &'static [&'static str],
    /// What its host is or ends with; with a port where only that tells.
    hosts: &'static [&'static str],
    differences: Differences,
}

/// Each row was compared in November 2026 with the page above it and with the maker's own client where one is named.
/// Not found, and so taken to be as everywhere: what limits an answer at xAI (its reference could not be read), whether
/// Together and LM Studio take `stream_options` (Together's client does not have it), and how Cerebras, Together and xAI
/// want thinking back (their clients have no field for it). An entry of the user overrides any of them.
const KNOWN: &[Known] = &[
    // https://platform.openai.com/docs/api-reference/chat
    Known {
        names: &["openai"],
        hosts: &["api.openai.com"],
        differences: OPENAI,
    },
    // https://openrouter.ai/docs/use-cases/reasoning-tokens: `reasoning`, `reasoning_details`
    // https://openrouter.ai/docs/structured-outputs
    Known {
        names: &["openrouter"],
        hosts: &["openrouter.ai"],
        differences: Differences {
            thinking_switch: ThinkingSwitch::ReasoningObject,
            thinking_back: ThinkingBack::ReasoningDetails,
            cache_control: true,
            structured_output: StructuredOutput::JsonSchema,
            ..TRUE_DELTAS
        },
    },
    // https://api-docs.deepseek.com/guides/thinking_mode: efforts are `low`, `high`, `max`, and others become one of these;
    // a turn with calls whose thinking does not come back is refused
    Known {
        names: &["deepseek"],
        hosts: &["api.deepseek.com"],
        differences: Differences {
            thinking_switch: ThinkingSwitch::ThinkingTypeEffort,
            thinking_back: ThinkingBack::ReasoningContent,
            ..TRUE_DELTAS
        },
    },
    // https://docs.together.ai/docs/inference/chat/reasoning; togethercomputer/together-py (60558ba). The models that know
    // an effort besides take `reasoning_effort`
    Known {
        names: &["together"],
        hosts: &["api.together.xyz", "api.together.ai"],
        differences: Differences {
            thinking_switch: ThinkingSwitch::ReasoningEnabled,
            structured_output: StructuredOutput::JsonSchemaAlone,
            ..TRUE_DELTAS
        },
    },
    // https://console.groq.com/docs/reasoning; groq/groq-python (e55da1a): `max_tokens` is deprecated, a message of the
    // assistant has `reasoning`
    Known {
        names: &["groq"],
        hosts: &["api.groq.com"],
        differences: Differences {
            thinking_switch: ThinkingSwitch::ReasoningEffortLowToHigh,
            max_tokens_field: MaxTokensField::MaxCompletionTokens,
            thinking_back: ThinkingBack::Reasoning,
            ..TRUE_DELTAS
        },
    },
    // https://docs.x.ai/docs/guides/reasoning
    // https://docs.x.ai/docs/guides/structured-outputs
    Known {
        names: &["xai"],
        hosts: &["api.x.ai"],
        differences: Differences {
            structured_output: StructuredOutput::JsonSchema,
            ..TRUE_DELTAS
        },
    },
    // https://docs.mistral.ai/api, https://docs.mistral.ai/capabilities/reasoning: some models know `reasoning_effort`, and
    // only `high` and `none` of it; the others are not told
    Known {
        names: &["mistral"],
        hosts: &["api.mistral.ai"],
        differences: Differences {
            thinking_switch: ThinkingSwitch::None,
            thinking_back: ThinkingBack::AsText,
            usage_in_stream: false,
            call_ids: CallIds::Nine,
            structured_output: StructuredOutput::JsonSchemaAlone,
            ..TRUE_DELTAS
        },
    },
    // https://docs.z.ai/guides/capabilities/thinking-mode: thinking has to come back
    Known {
        names: &["zai", "zhipu", "bigmodel"],
        hosts: &["api.z.ai", "open.bigmodel.cn"],
        differences: Differences {
            thinking_switch: ThinkingSwitch::ThinkingType,
            thinking_back: ThinkingBack::ReasoningContent,
            ..TRUE_DELTAS
        },
    },
    // https://platform.kimi.ai/docs/api/chat: `max_tokens` is deprecated. Kimi K3 always thinks, and knows
    // `reasoning_effort` in place of `thinking`: an entry of the user has to say so
    Known {
        names: &["moonshot", "kimi"],
        hosts: &["api.moonshot.ai", "api.moonshot.cn"],
        differences: Differences {
            thinking_switch: ThinkingSwitch::ThinkingType,
            thinking_back: ThinkingBack::ReasoningContent,
            max_tokens_field: MaxTokensField::MaxCompletionTokens,
            ..TRUE_DELTAS
        },
    },
    // https://www.alibabacloud.com/help/en/model-studio/deep-thinking
    Known {
        names: &["qwen", "dashscope"],
        hosts: &["dashscope.aliyuncs.com", "dashscope-intl.aliyuncs.com"],
        differences: Differences {
            thinking_switch: ThinkingSwitch::EnableThinking,
            ..TRUE_DELTAS
        },
    },
    // https://inference-docs.cerebras.ai/capabilities/reasoning; Cerebras/cerebras-cloud-sdk-python (68768b9): `max_tokens`
    // is deprecated
    // https://inference-docs.cerebras.ai/capabilities/structured-outputs
    Known {
        names: &["cerebras"],
        hosts: &["api.cerebras.ai"],
        differences: Differences {
            thinking_switch: ThinkingSwitch::ReasoningEffortLowToHigh,
            max_tokens_field: MaxTokensField::MaxCompletionTokens,
            structured_output: StructuredOutput::JsonSchemaAlone,
            ..TRUE_DELTAS
        },
    },
    // https://docs.fireworks.ai/guides/reasoning
    Known {
        names: &["fireworks"],
        hosts: &["api.fireworks.ai"],
        differences: Differences {
            thinking_back: ThinkingBack::ReasoningContent,
            structured_output: StructuredOutput::JsonSchemaAlone,
            ..TRUE_DELTAS
        },
    },
    // https://github.com/ollama/ollama, docs/api/openai-compatibility.mdx (043e990): no `tool_choice`
    Known {
        names: &["ollama"],
        hosts: &["ollama.com", "localhost:11434", "127.0.0.1:11434", "[::1]:11434"],
        differences: Differences {
            thinking_switch: ThinkingSwitch::ReasoningEffortLowToHigh,
            thinking_back: ThinkingBack::Reasoning,
            structured_output: StructuredOutput::JsonSchemaAlone,
            ..TRUE_DELTAS
        },
    },
    // https://github.com/ggml-org/llama.cpp/tree/master/tools/server
    // A grammar for the answer and one for calls of tools exclude each other in servers that sample by grammars.
    Known {
        names: &["llamacpp", "llama.cpp", "llama-cpp"],
        hosts: &[],
        differences: Differences {
            thinking_switch: ThinkingSwitch::ChatTemplate,
            thinking_back: ThinkingBack::ReasoningContent,
            structured_output: StructuredOutput::JsonSchemaAlone,
            ..TRUE_DELTAS
        },
    },
    // https://lmstudio.ai/docs/developer/openai-compat; lmstudio-ai/docs (51c92c6)
    Known {
        names: &["lmstudio", "lm-studio"],
        hosts: &["localhost:1234", "127.0.0.1:1234", "[::1]:1234"],
        differences: Differences {
            structured_output: StructuredOutput::JsonSchemaAlone,
            ..TRUE_DELTAS
        },
    },
    // https://docs.vllm.ai/en/latest/features/reasoning_outputs.html (00256d5): `reasoning`, once `reasoning_content`
    Known {
        names: &["vllm"],
        hosts: &[],
        differences: Differences {
            thinking_switch: ThinkingSwitch::ChatTemplate,
            thinking_back: ThinkingBack::Reasoning,
            structured_output: StructuredOutput::JsonSchemaAlone,
            ..TRUE_DELTAS
        },
    },
    // https://docs.sglang.io/docs/advanced_features/separate_reasoning
    Known {
        names: &["sglang"],
        hosts: &[],
        differences: Differences {
            thinking_switch: ThinkingSwitch::ChatTemplate,
            thinking_back: ThinkingBack::ReasoningContent,
            ..TRUE_DELTAS
        },
    },
];

impl Differences {
    /// As OpenAI serves Chat Completions.
    #[must_use]
    pub fn openai() -> Self {
        OPENAI
    }

    /// As a server may that nobody knows.
    #[must_use]
    pub fn compatible() -> Self {
        COMPATIBLE
    }

    /// As is known of a server: by its address, which says more than a name, or by the provider's name. The name
    /// `openai` at another address says only that it is not OpenAI.
    #[must_use]
    pub fn known(provider: &str, base_url: Option<&str>) -> Self {
        let host = base_url.and_then(host);
        let by_host = host.and_then(|host| KNOWN.iter().find(|known| known.is_at(host)));
        let by_name = || {
            let known = KNOWN.iter().find(|known| known.names.contains(&provider))?;
            (provider != "openai" || base_url.is_none()).then_some(known)
        };
        by_host
            .or_else(by_name)
            .map_or(COMPATIBLE, |known| known.differences)
    }
}

impl Known {
    fn is_at(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        self.hosts.iter().any(|known| {
            host == *known
                || name
                    .strip_suffix(known)
                    .is_some_and(|before| before.is_empty() || before.ends_with('.'))
        })
    }
}

/// Host and port of an address.
fn host(url: &str) -> Option<&str> {
    let (_, rest) = url.trim().split_once("://")?;
    rest.split(['/', '?', '#']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_known_by_address_or_name() {
        let find = |name: &str| {
            let known = KNOWN.iter().find(|known| known.names.contains(&name));
            known.map_or(COMPATIBLE, |known| known.differences)
        };
        let table = [
            ("openai", None, "openai"),
            ("openai", Some("https://api.openai.com/v1"), "openai"),
            ("openai", Some("http://localhost:8080"), ""),
            ("openai", Some("http://localhost:11434/v1"), "ollama"),
            ("mine", Some("https://eu.openrouter.ai/api/v1"), "openrouter"),
            ("mine", Some("https://notopenrouter.ai/api/v1"), ""),
            ("mine", Some("https://api.mistral.ai:443/v1"), "mistral"),
            ("deepseek", Some("http://relay.example/v1"), "deepseek"),
            ("groq", Some("https://api.deepseek.com"), "deepseek"),
            ("mine", None, ""),
            ("vllm", Some("http://127.0.0.1:8000"), "vllm"),
        ];
        for (provider, url, expected) in table {
            assert_eq!(
                Differences::known(provider, url),
                find(expected),
                "{provider} {url:?}"
            );
        }
    }

    #[test]
    fn every_name_and_address_stands_in_one_row() {
        let names = || {
            KNOWN
                .iter()
                .flat_map(|known| known.names.iter().chain(known.hosts))
        };
        let different: std::collections::BTreeSet<_> = names().collect();
        assert_eq!(different.len(), names().count());
    }
}

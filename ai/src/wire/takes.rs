//! What models take beside a conversation, as far as their makers' documentation says.
//!
//! Sources: [prompt caching](https://platform.claude.com/docs/en/build-with-claude/prompt-caching),
//! [fast mode](https://platform.claude.com/docs/en/build-with-claude/fast-mode) and
//! [effort](https://platform.claude.com/docs/en/build-with-claude/effort) of Anthropic;
//! [prompt caching](https://developers.openai.com/api/docs/guides/prompt-caching) and
//! [reasoning](https://platform.openai.com/docs/guides/reasoning) of OpenAI;
//! [generation](https://ai.google.dev/api/generate-content#generationconfig) of Gemini.

use super::{Server, Wire, thinking};
use crate::abilities::{Abilities, ThinkingSupport};
use crate::controls::Temperature;
use crate::decimal::Decimal;
use crate::model::ModelId;
use crate::takes::{CacheForm, EffortForm, Sampling, Takes};

/// Beginnings of ids of Anthropic's models that take a temperature; since Opus 4.7 they refuse it.
const CLAUDE_SAMPLES: &[&str] = &[
    "claude-3",
    "claude-opus-4-0",
    "claude-opus-4-1",
    "claude-opus-4-2025",
    "claude-opus-4-5",
    "claude-opus-4-6",
    "claude-sonnet-4",
    "claude-haiku-4",
];

/// Of those, the ones that take `top_p` beside it.
const CLAUDE_BOTH: &[&str] = &[
    "claude-3",
    "claude-opus-4-0",
    "claude-opus-4-2025",
    "claude-sonnet-4-0",
    "claude-sonnet-4-2025",
];

/// Those that can be asked to be fast.
const CLAUDE_FAST: &[&str] = &["claude-opus-4-8", "claude-opus-5", "claude-fable-5-2"];

/// Models of OpenAI that can be asked to keep a request for a day. Later ones have a time of their own.
const OPENAI_LONG: &[&str] = &["gpt-4.1", "gpt-5.1", "gpt-5.2", "gpt-5.3", "gpt-5.4", "gpt-5.5"];

/// Breakpoints that Anthropic takes.
const MARKS: u8 = 4;

/// What the texts are at which an answer ends, where nobody says how many a server takes.
const MANY: u8 = 16;

fn begins(id: &str, beginnings: &[&str]) -> bool {
    beginnings.iter().any(|beginning| id.starts_with(beginning))
}

impl Server {
    /// What a model takes here beside a conversation.
    #[must_use]
    pub fn takes(&self, model: &ModelId, abilities: &Abilities) -> Takes {
        let thinking = thinking::support(self.wire, model, abilities);
        let id = model.model.rsplit('/').next().unwrap_or_default();
        match self.wire {
            Wire::Anthropic => anthropic(id, thinking),
            Wire::Gemini => Takes {
                stops: 5,
                effort: EffortForm::Thinking,
                fast: false,
                economy: false,
                thinking,
                ..Takes::default()
            },
            Wire::OpenAiChat | Wire::OpenAiResponses | Wire::OpenAiCompatible => {
                self.openai(id, model, thinking)
            }
        }
    }

    fn openai(&self, id: &str, model: &ModelId, thinking: ThinkingSupport) -> Takes {
        let differences = &self.differences;
        let reasons = matches!(thinking, ThinkingSupport::Levels(_)) && self.wire != Wire::OpenAiCompatible;
        Takes {
            sampling: match reasons {
                true => Sampling::Unthinking { by_itself: true },
                false => Sampling::Always,
            },
            stops: match self.wire {
                Wire::OpenAiResponses => 0,
                _ if reasons => 0,
                _ => 4,
            },
            effort: EffortForm::Thinking,
            fast: differences.service_tier,
            economy: differences.service_tier,
            cache: if self.wire != Wire::OpenAiResponses && marked(differences.cache_control, model) {
                CacheForm::Marks {
                    most: MARKS,
                    tools: false,
                }
            } else if differences.prompt_cache_key {
                let small = id == "gpt-5" || id.starts_with("gpt-5-");
                CacheForm::Key {
                    long: begins(id, OPENAI_LONG) || (small && !id.starts_with("gpt-5-mini")),
                }
            } else {
                CacheForm::Own
            },
            thinking,
            ..Takes::default()
        }
    }
}

/// Whether a model behind a server of Chat Completions takes breakpoints.
fn marked(cache_control: bool, model: &ModelId) -> bool {
    cache_control && model.model.contains("claude")
}

fn anthropic(id: &str, thinking: ThinkingSupport) -> Takes {
    Takes {
        sampling: match begins(id, CLAUDE_SAMPLES) || !id.starts_with("claude-") {
            true => Sampling::Unthinking { by_itself: false },
            false => Sampling::Never,
        },
        both: begins(id, CLAUDE_BOTH) || !id.starts_with("claude-"),
        hottest: Decimal::<3>(Decimal::<3>::ONE)
            .try_into()
            .unwrap_or(Temperature::MOST),
        stops: MANY,
        blank_stops: false,
        effort: match thinking {
            ThinkingSupport::Never => EffortForm::None,
            ThinkingSupport::Budget { .. } => EffortForm::Thinking,
            _ => EffortForm::Own,
        },
        fast: begins(id, CLAUDE_FAST),
        economy: false,
        cache: CacheForm::Marks {
            most: MARKS,
            tools: true,
        },
        thinking,
    }
}

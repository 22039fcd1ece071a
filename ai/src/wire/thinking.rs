//! How the makers' own models think, as far as their documentation says, for models of which nobody else says more.
//!
//! Sources, compared in November 2026:
//! [extended thinking](https://platform.claude.com/docs/en/build-with-claude/extended-thinking),
//! [adaptive thinking](https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking) and
//! [effort](https://platform.claude.com/docs/en/build-with-claude/effort),
//! [reasoning](https://platform.openai.com/docs/guides/reasoning),
//! [thinking](https://ai.google.dev/gemini-api/docs/thinking) and its
//! [table of levels](https://docs.cloud.google.com/vertex-ai/generative-ai/docs/thinking). What these leave open stands
//! beside the rows.

use super::Wire;
use crate::abilities::{Abilities, Thinking, ThinkingSupport};
use crate::model::ModelId;

/// What a row of a table gives.
enum Support {
    Never,
    Levels(&'static [Thinking]),
    Budget { least: u32, most: u32, off: bool },
}

use Support::{Budget, Levels, Never};
use Thinking::{High, Low, Medium, Minimal, Off, Xhigh};

const CLAUDE_BUDGET: Support = Budget {
    least: 1024,
    most: 32_768,
    off: true,
};

/// Beginnings of ids, the first that fits holds.
const ANTHROPIC: &[(&str, Support)] = &[
    ("claude-3-7", CLAUDE_BUDGET),
    ("claude-3", Never),
    ("claude-opus-4-0", CLAUDE_BUDGET),
    ("claude-opus-4-1", CLAUDE_BUDGET),
    ("claude-opus-4-2025", CLAUDE_BUDGET),
    ("claude-opus-4-5", CLAUDE_BUDGET),
    ("claude-sonnet-4-0", CLAUDE_BUDGET),
    ("claude-sonnet-4-2025", CLAUDE_BUDGET),
    ("claude-sonnet-4-5", CLAUDE_BUDGET),
    ("claude-haiku-4-5", CLAUDE_BUDGET),
    // These never leave it.
    ("claude-fable", Levels(&[Low, Medium, High, Xhigh])),
    ("claude-mythos", Levels(&[Low, Medium, High, Xhigh])),
    ("claude-opus-5-5", Levels(&[Low, Medium, High, Xhigh])),
    // It knows `between_tools` in place of `disabled`.
    ("claude-sonnet-5-5", Levels(&[Low, Medium, High, Xhigh])),
    // Since 4.6 they decide themselves, within an effort.
    ("claude-", Levels(&[Off, Low, Medium, High, Xhigh])),
];

const OPENAI: &[(&str, Support)] = &[
    ("gpt-5-pro", Levels(&[High])),
    ("gpt-5-codex", Levels(&[Low, Medium, High])),
    ("gpt-5-chat", Never),
    ("gpt-5.1-codex-max", Levels(&[Low, Medium, High, Xhigh])),
    ("gpt-5.1-codex", Levels(&[Low, Medium, High])),
    // "Supported values are: 'medium'", says the server.
    ("gpt-5.1-chat", Levels(&[Medium])),
    ("gpt-5.2-chat", Levels(&[Medium])),
    // openai/codex, its list of models (21dac7d).
    ("gpt-5.2-codex", Levels(&[Low, Medium, High, Xhigh])),
    ("gpt-5.3-codex", Levels(&[Low, Medium, High, Xhigh])),
    // The pages of these models, as read by models.dev (pull request 2296).
    ("gpt-5.2-pro", Levels(&[Medium, High, Xhigh])),
    ("gpt-5.4-pro", Levels(&[Medium, High, Xhigh])),
    ("gpt-5.5-pro", Levels(&[Medium, High, Xhigh])),
    ("gpt-5.1", Levels(&[Off, Low, Medium, High])),
    ("gpt-5.", Levels(&[Off, Low, Medium, High, Xhigh])),
    ("gpt-5", Levels(&[Minimal, Low, Medium, High])),
    ("gpt-4", Never),
    ("gpt-3", Never),
    ("chatgpt-", Never),
    ("o1-mini", Never),
    ("o1-preview", Never),
    ("o1", Levels(&[Low, Medium, High])),
    ("o3", Levels(&[Low, Medium, High])),
    ("o4", Levels(&[Low, Medium, High])),
    ("codex-mini", Levels(&[Low, Medium, High])),
];

const GEMINI: &[(&str, Support)] = &[
    ("gemini-1", Never),
    ("gemini-2.0", Never),
    (
        "gemini-2.5-pro",
        Budget {
            least: 128,
            most: 32_768,
            off: false,
        },
    ),
    (
        "gemini-2.5-flash-lite",
        Budget {
            least: 512,
            most: 24_576,
            off: true,
        },
    ),
    (
        "gemini-2.5",
        Budget {
            least: 1,
            most: 24_576,
            off: true,
        },
    ),
    ("gemini-3-pro", Levels(&[Low, High])),
    ("gemini-3.1-pro", Levels(&[Low, Medium, High])),
    ("gemini-3.7", Levels(&[Low, Medium, High])),
    ("gemini-3.8", Levels(&[Low, Medium, High])),
    ("gemini-4", Levels(&[Low, Medium, High])),
    ("gemini-3", Levels(&[Minimal, Low, Medium, High])),
    ("gemma", Never),
];

/// Models with open weights, which many servers have.
const OPEN: &[(&str, Support)] = &[
    // openai/harmony, `docs/format.md` (20cd04c).
    ("gpt-oss", Levels(&[Low, Medium, High])),
    // These never leave it. Moonshot's highest is `max`; https://java.agentscope.io/v2/en/integration/model/kimi.
    ("kimi-k2.7-code", Levels(&[High])),
    ("kimi-k3", Levels(&[Low, High, Xhigh])),
];

/// How a model can be made to think: as is said of it, or else as its maker's documentation has it.
pub(crate) fn support(wire: Wire, model: &ModelId, said: &Abilities) -> ThinkingSupport {
    if said.thinking != ThinkingSupport::Unknown {
        return said.thinking.clone();
    }
    let table = match wire {
        Wire::Anthropic => ANTHROPIC,
        Wire::OpenAiChat | Wire::OpenAiResponses => OPENAI,
        Wire::Gemini => GEMINI,
        Wire::OpenAiCompatible => OPEN,
    };
    let id = model.model.rsplit('/').next().unwrap_or_default();
    match table.iter().find(|(beginning, _)| id.starts_with(beginning)) {
        None => ThinkingSupport::Unknown,
        Some((_, Never)) => ThinkingSupport::Never,
        Some((_, Levels(levels))) => ThinkingSupport::Levels(levels.to_vec()),
        Some((_, Budget { least, most, off })) => ThinkingSupport::Budget {
            least: *least,
            most: *most,
            off: *off,
        },
    }
}

/// The tokens that a level stands for where a server wants a number, within the bounds of the model.
pub(super) fn budget(level: Thinking, least: u32, most: u32) -> u32 {
    let tokens: u32 = match level {
        Thinking::Default | Off => return 0,
        Minimal => 1024,
        Low => 4096,
        Medium => 10_240,
        High => 24_576,
        Xhigh => 32_768,
    };
    tokens.max(least).min(most.max(least))
}

/// A level as the word that most servers have for it; `None` for [`Thinking::Default`].
pub(super) fn effort(level: Thinking) -> Option<&'static str> {
    Some(match level {
        Thinking::Default => return None,
        Off => "none",
        Minimal => "minimal",
        Low => "low",
        Medium => "medium",
        High => "high",
        Xhigh => "xhigh",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(wire: Wire, model: &str) -> String {
        let model: ModelId = format!("maker/{model}").parse().unwrap();
        match support(wire, &model, &Abilities::default()) {
            ThinkingSupport::Levels(levels) => {
                let words: Vec<&str> = levels.into_iter().filter_map(effort).collect();
                words.join(" ")
            }
            other => format!("{other:?}"),
        }
    }

    /// Models that differ from the others of their generation, by what their makers say; sources stand beside the rows.
    #[test]
    fn models_think_as_their_makers_say() {
        let table = [
            (Wire::Anthropic, "claude-opus-5", "none low medium high xhigh"),
            (Wire::Anthropic, "claude-opus-5-5", "low medium high xhigh"),
            (
                Wire::Anthropic,
                "claude-opus-5-5-20261015",
                "low medium high xhigh",
            ),
            (Wire::Anthropic, "claude-sonnet-5", "none low medium high xhigh"),
            (Wire::Anthropic, "claude-sonnet-5-5", "low medium high xhigh"),
            (Wire::Anthropic, "claude-haiku-5-5", "none low medium high xhigh"),
            (Wire::Anthropic, "claude-fable-5-1", "low medium high xhigh"),
            (Wire::OpenAiResponses, "gpt-5.1", "none low medium high"),
            (Wire::OpenAiResponses, "gpt-5.1-chat-latest", "medium"),
            (Wire::OpenAiResponses, "gpt-5.2", "none low medium high xhigh"),
            (Wire::OpenAiResponses, "gpt-5.2-chat-latest", "medium"),
            (Wire::OpenAiResponses, "gpt-5.2-pro", "medium high xhigh"),
            (Wire::OpenAiResponses, "gpt-5.2-codex", "low medium high xhigh"),
            (Wire::OpenAiResponses, "gpt-5.3-codex", "low medium high xhigh"),
            (Wire::OpenAiResponses, "gpt-5.4-pro", "medium high xhigh"),
            (
                Wire::OpenAiResponses,
                "gpt-5.5-pro-2026-04-23",
                "medium high xhigh",
            ),
            (Wire::OpenAiResponses, "o1", "low medium high"),
            (Wire::OpenAiResponses, "o1-preview", "Never"),
            (Wire::Gemini, "gemini-3-pro-preview", "low high"),
            (Wire::Gemini, "gemini-3.1-pro-preview", "low medium high"),
            (Wire::Gemini, "gemini-3.5-flash-lite", "minimal low medium high"),
            (Wire::Gemini, "gemini-3.7-flash", "low medium high"),
            (Wire::Gemini, "gemini-3.8-flash", "low medium high"),
            (Wire::Gemini, "gemini-4-argon", "low medium high"),
            (Wire::OpenAiCompatible, "openai/gpt-oss-120b", "low medium high"),
            (Wire::OpenAiCompatible, "gpt-oss:20b", "low medium high"),
            (Wire::OpenAiCompatible, "kimi-k2.6", "Unknown"),
            (Wire::OpenAiCompatible, "kimi-k2.7-code-highspeed", "high"),
            (Wire::OpenAiCompatible, "kimi-k3", "low high xhigh"),
        ];
        let wrong: Vec<String> = table
            .into_iter()
            .filter(|(wire, model, expected)| of(*wire, model) != *expected)
            .map(|(wire, model, expected)| format!("{model}: {} and not {expected}", of(wire, model)))
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

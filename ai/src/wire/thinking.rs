//! How the makers' own models think, as far as their documentation says, for models of which nobody else says more.
//!
//! Sources: [extended thinking](https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking) and
//! [adaptive thinking](https://docs.anthropic.com/en/docs/build-with-claude/adaptive-thinking),
//! [reasoning](https://platform.openai.com/docs/guides/reasoning),
//! [thinking](https://ai.google.dev/gemini-api/docs/thinking).

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
    // Since 4.6 they decide themselves, within an effort.
    ("claude-", Levels(&[Off, Low, Medium, High, Xhigh])),
];

const OPENAI: &[(&str, Support)] = &[
    ("gpt-5-pro", Levels(&[High])),
    ("gpt-5-codex", Levels(&[Low, Medium, High])),
    ("gpt-5-chat", Never),
    ("gpt-5.1-codex-max", Levels(&[Low, Medium, High, Xhigh])),
    ("gpt-5.1-codex", Levels(&[Low, Medium, High])),
    ("gpt-5.1", Levels(&[Off, Low, Medium, High])),
    ("gpt-5.", Levels(&[Off, Low, Medium, High, Xhigh])),
    ("gpt-5", Levels(&[Minimal, Low, Medium, High])),
    ("gpt-4", Never),
    ("gpt-3", Never),
    ("chatgpt-", Never),
    ("o1-mini", Never),
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
    ("gemini-3", Levels(&[Minimal, Low, Medium, High])),
    ("gemma", Never),
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
        Wire::OpenAiCompatible => return ThinkingSupport::Unknown,
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

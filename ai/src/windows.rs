//! How many tokens models take, as far as their makers say so: request and answer together, or the request alone where
//! that has a limit of its own.

/// Whose models they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maker {
    /// OpenAI, at its own address.
    OpenAi,
    /// Anthropic, at its own address.
    Anthropic,
}

/// Beginnings of ids, longest first, each with what the models take. Sources: the model pages of
/// <https://platform.openai.com/docs/models> and <https://docs.anthropic.com/en/docs/about-claude/models>. A model of
/// which the smaller of two numbers holds by default has that one.
const OPENAI: &[(&str, u64)] = &[
    // 400,000 in all, of which a request may take so many.
    ("gpt-5", 272_000),
    ("gpt-4.1", 1_047_576),
    ("gpt-4o", 128_000),
    ("chatgpt-4o", 128_000),
    ("gpt-4-turbo", 128_000),
    ("gpt-3.5-turbo", 16_385),
    ("codex-mini", 200_000),
    ("o4-mini", 200_000),
    ("o3", 200_000),
    ("o1", 200_000),
];
const ANTHROPIC: &[(&str, u64)] = &[
    // More, where there is more, has to be asked for.
    ("claude-", 200_000),
];

/// How many tokens a model takes; `None` where that is not known.
#[must_use]
pub fn context_window(maker: Maker, model: &str) -> Option<u64> {
    let table = match maker {
        Maker::OpenAi => OPENAI,
        Maker::Anthropic => ANTHROPIC,
    };
    let row = table.iter().find(|(beginning, _)| model.starts_with(beginning))?;
    Some(row.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_those_of_the_family_or_not_known() {
        use Maker::{Anthropic, OpenAi};
        let table = [
            (Anthropic, "claude-sonnet-4-5", Some(200_000)),
            (OpenAi, "gpt-5-mini", Some(272_000)),
            (OpenAi, "gpt-4o-mini", Some(128_000)),
            (OpenAi, "gpt-4.1-nano", Some(1_047_576)),
            (OpenAi, "o3-pro", Some(200_000)),
            (OpenAi, "claude-sonnet-4-5", None),
            (OpenAi, "llama", None),
            (Anthropic, "gpt-5", None),
        ];
        for (maker, model, window) in table {
            assert_eq!(context_window(maker, model), window, "{model}");
        }
    }
}

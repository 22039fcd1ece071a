//! A transcript as Markdown. What was said stands in fenced blocks: a viewer renders none of it, and loads nothing.

use std::fmt::Write as _;

use super::inert::{fenced, line};
use super::page::{Page, What};

/// The page as Markdown.
pub(super) fn of(page: &Page) -> String {
    let mut text = format!("# {}\n\n", line(&page.title));
    for (name, value) in &page.about {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "- {name}: {}", line(value));
    }
    for piece in &page.pieces {
        let at = &piece.at;
        let _ = match &piece.what {
            What::Person(words) => write!(text, "\n## User, {at}\n\n{}", fenced(words, "")),
            What::Model { model, text: words } => {
                write!(
                    text,
                    "\n### {}, {at}\n\n{}",
                    line(model),
                    fenced(words, "markdown")
                )
            }
            What::Thinking(thoughts) if thoughts.is_empty() => Ok(()),
            What::Thinking(thoughts) => write!(text, "\n### Thinking, {at}\n\n{}", fenced(thoughts, "")),
            What::Call {
                name,
                arguments,
                state,
                result,
                ..
            } => {
                let (name, call) = (line(name), fenced(arguments, "json"));
                let result = result
                    .as_deref()
                    .map(|result| format!("\n{}", fenced(result, "")));
                let result = result.unwrap_or_default();
                write!(text, "\n### Tool {name}, {state}, {at}\n\n{call}{result}")
            }
            What::Summary(summary) => {
                write!(
                    text,
                    "\n### Summary of what stands above, {at}\n\n{}",
                    fenced(summary, "")
                )
            }
            What::Note(note) => write!(text, "\n{}\n", line(note)),
        };
    }
    text
}

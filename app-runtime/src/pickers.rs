//! Pickers: lists of which a person picks one thing, and the one function by which all of them are narrowed.
//!
//! What is picked is a value, so that whoever picks acts on what was shown and on nothing that is called alike.

use std::cmp::Reverse;
use std::path::Path;

use glasswork_agent_core::id::EntryId;
use glasswork_agent_session::tools::file_names;
use glasswork_ai::abilities::ThinkingSupport;
use glasswork_ai::model::{ModelId, Thinking};
use nucleo_matcher::pattern::{AtomKind, CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use crate::archive::ArchivedSession;
use crate::model_list::{self, Listed};
use crate::projection::tree::Tree;
use crate::slash_commands::{COMMANDS, Command};

/// Characters of what is typed that are looked at.
const MOST_TYPED: usize = 256;
/// Characters of an item that are looked at.
const MOST_TEXT: usize = 1_024;
/// Files that a picker has.
const MOST_FILES: usize = 20_000;

/// Something that can be picked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item<T> {
    /// What is picked.
    pub value: T,
    /// What is shown, and compared with what is typed.
    pub text: String,
    /// What is shown beside it.
    pub detail: String,
    /// Whether it is what holds now.
    pub current: bool,
}

impl<T> Item<T> {
    /// The same with another value.
    #[must_use]
    pub fn map<U>(self, to: impl FnOnce(T) -> U) -> Item<U> {
        Item {
            value: to(self.value),
            text: self.text,
            detail: self.detail,
            current: self.current,
        }
    }
}

/// Those of the items that fit what was typed, the best first. Each word has to occur, its letters in order, though not
/// side by side; without regard to case and accents. What fits equally well, and everything where nothing was typed, stays
/// in the order in which it was.
#[must_use]
pub fn ranked<T>(items: Vec<Item<T>>, typed: &str) -> Vec<Item<T>> {
    let typed: String = typed.trim().chars().take(MOST_TYPED).collect();
    if typed.is_empty() {
        return items;
    }
    let pattern = Pattern::new(
        &typed,
        CaseMatching::Ignore,
        Normalization::Smart,
        AtomKind::Fuzzy,
    );
    let mut matcher = Matcher::new(Config::DEFAULT);
    let mut letters = Vec::new();
    let mut fitting: Vec<(u32, Item<T>)> = items
        .into_iter()
        .filter_map(|item| {
            let end = item.text.char_indices().nth(MOST_TEXT);
            let text = end.map_or(&*item.text, |(end, _)| item.text.get(..end).unwrap_or_default());
            let score = pattern.score(Utf32Str::new(text, &mut letters), &mut matcher)?;
            Some((score, item))
        })
        .collect();
    fitting.sort_by_key(|(score, _)| Reverse(*score));
    fitting.into_iter().map(|(_, item)| item).collect()
}

/// Sessions to go on with, in the order of a list.
#[must_use]
pub fn sessions(rows: Vec<ArchivedSession>) -> Vec<Item<ArchivedSession>> {
    let item = |row: ArchivedSession| Item {
        text: row.name().to_owned(),
        detail: row.workspace.as_deref().unwrap_or_default().to_owned(),
        current: false,
        value: row,
    };
    rows.into_iter().map(item).collect()
}

/// Entries at which a conversation can go on, oldest first.
#[must_use]
pub fn entries(tree: &Tree) -> Vec<Item<EntryId>> {
    let nodes = tree.nodes.iter();
    nodes
        .map(|node| Item {
            value: node.entry,
            text: match &node.label {
                Some(label) => format!("[{label}] {}", node.words),
                None => node.words.clone(),
            },
            detail: node.entry.to_string(),
            current: tree.leaf == Some(node.entry),
        })
        .collect()
}

/// Models that can be asked, by name.
#[must_use]
pub fn models(listed: Vec<Listed>, current: Option<&ModelId>) -> Vec<Item<ModelId>> {
    let item = |listed: Listed| {
        let id = listed.model.id;
        Item {
            text: id.to_string(),
            detail: if listed.usable {
                String::new()
            } else {
                "no key".to_owned()
            },
            current: Some(&id) == current,
            value: id,
        }
    };
    listed.into_iter().map(item).collect()
}

/// How much a model can be made to think; all there is where nobody knows.
#[must_use]
pub fn thinking(support: &ThinkingSupport, current: Thinking) -> Vec<Item<Thinking>> {
    let all = [
        Thinking::Default,
        Thinking::Off,
        Thinking::Minimal,
        Thinking::Low,
        Thinking::Medium,
        Thinking::High,
        Thinking::Xhigh,
    ];
    // What a model does otherwise than it is told is nothing to be picked.
    let offered = all
        .into_iter()
        .filter(|level| support.clamp(*level) == *level || *level == Thinking::Default);
    offered
        .map(|level| {
            let name: &str = level.into();
            Item {
                value: level,
                text: name.to_owned(),
                detail: match level {
                    Thinking::Default => model_list::thinking(support),
                    _ => String::new(),
                },
                current: level == current,
            }
        })
        .collect()
}

/// Slash commands.
#[must_use]
pub fn commands() -> Vec<Item<&'static Command>> {
    let item = |command: &'static Command| Item {
        value: command,
        text: command.usage(),
        detail: command.about.to_owned(),
        current: false,
    };
    COMMANDS.iter().map(item).collect()
}

/// Files of a workspace, by path, without those that `.gitignore` names. Blocks.
#[must_use]
pub fn files(workspace: &Path) -> Vec<Item<String>> {
    let names = file_names::below(workspace, MOST_FILES).into_iter();
    names
        .map(|name| Item {
            text: name.clone(),
            detail: String::new(),
            current: false,
            value: name,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test that meets what it did not expect shall stop there"
    )]

    use super::*;

    fn texts<T>(items: &[Item<T>]) -> Vec<&str> {
        items.iter().map(|item| &*item.text).collect()
    }

    fn of(names: &[&str]) -> Vec<Item<usize>> {
        let item = |(value, name): (usize, &&str)| Item {
            value,
            text: (*name).to_owned(),
            detail: String::new(),
            current: false,
        };
        names.iter().enumerate().map(item).collect()
    }

    #[test]
    fn what_fits_best_stands_first_and_what_fits_alike_stays_in_order() {
        let names = [
            "Write the docs",
            "Fix the parser",
            "parse a par",
            "Übung",
            "b a",
            "a b",
        ];
        let check = |typed: &str, expected: &[&str]| {
            assert_eq!(texts(&ranked(of(&names), typed)), expected, "{typed}");
        };
        check("", &names);
        check("  ", &names);
        check("fxprs", &["Fix the parser"]);
        check("the PARSER", &["Fix the parser"]);
        check("parser the", &["Fix the parser"]);
        check("ubung", &["Übung"]);
        check("docs", &["Write the docs"]);
        check("nothing like it", &[]);
        // Nothing that is typed is an operator.
        check("^Fix", &[]);
        assert_eq!(texts(&ranked(of(&["b x", "a x"]), "x")), ["b x", "a x"]);
        assert_eq!(
            texts(&ranked(of(&["s-p-a-r", "spar"]), "spar")),
            ["spar", "s-p-a-r"]
        );
        assert!(ranked(of(&names), &"x".repeat(100_000)).is_empty());
        assert_eq!(ranked(of(&[&"y".repeat(1_000_000)]), "yy").len(), 1);
    }

    #[test]
    fn commands_are_found_by_their_names() {
        let fitting = ranked(commands(), "/app");
        assert_eq!(fitting.first().unwrap().value.name, "/approve");
        assert_eq!(commands().len(), COMMANDS.len());
    }

    #[test]
    fn only_such_thinking_is_offered_as_there_is() {
        let check = |support: ThinkingSupport, expected: &[&str]| {
            let items = thinking(&support, Thinking::Off);
            assert_eq!(texts(&items), expected, "{support:?}");
            let current: Vec<_> = items.iter().filter(|item| item.current).collect();
            assert!(current.iter().all(|item| item.value == Thinking::Off));
        };
        check(ThinkingSupport::Never, &["default"]);
        check(
            ThinkingSupport::Levels(vec![Thinking::Low, Thinking::High]),
            &["default", "low", "high"],
        );
        check(
            ThinkingSupport::Unknown,
            &["default", "off", "minimal", "low", "medium", "high", "xhigh"],
        );
    }

    #[test]
    fn files_are_those_of_the_workspace_that_nobody_ignores() {
        let home = tempfile::tempdir().unwrap();
        for file in ["b.rs", "a/c.rs", "target/x.o", ".gitignore", ".git/config"] {
            let file = home.path().join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "target\n").unwrap();
        }
        assert_eq!(texts(&files(home.path())), [".gitignore", "a/c.rs", "b.rs"]);
        assert!(files(&home.path().join("gone")).is_empty());
    }
}

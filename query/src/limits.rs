//! How much one query may ask for, and the checks that need nothing but its text.

use std::collections::BTreeMap;
use std::time::Duration;

use async_graphql::Name;
use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};

use crate::error::Code;

/// How much one query may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Longest query, in bytes; its variables may be as long again.
    pub query_bytes: usize,
    /// Deepest nesting of fields. Introspection as tools do it needs 13.
    pub depth: usize,
    /// Most fields, those of a fragment counted as often as it is used.
    pub fields: usize,
    /// Most aliases, counted likewise.
    pub aliases: usize,
    /// Most fields of the answer, as estimated from the sizes of the lists that are asked for.
    pub complexity: usize,
    /// Most elements of one page.
    pub page: usize,
    /// Most text in one answer, in bytes.
    pub answer_bytes: usize,
    /// Most commits of journals that one query reads.
    pub commits: u64,
    /// Most states that one bisection looks at.
    pub states: u64,
    /// Bisections that are under way at the same time; others wait, and their waiting is part of their time.
    pub bisections: usize,
    /// Longest time.
    pub time: Duration,
    /// Queries that are answered at the same time; others wait, and their waiting is part of their time.
    pub at_once: usize,
    /// Longest time that is waited for an operation; it may still happen after that.
    pub acting: Duration,
    /// Subscriptions of one host, those of all connections together.
    pub subscriptions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            query_bytes: 64 << 10,
            depth: 16,
            fields: 1_000,
            aliases: 32,
            complexity: 100_000,
            page: 200,
            answer_bytes: 8 << 20,
            commits: 200_000,
            states: 50_000,
            bisections: 2,
            time: Duration::from_secs(10),
            at_once: 8,
            acting: Duration::from_secs(60),
            subscriptions: 256,
        }
    }
}

/// What a bisection costs: as much as a tenth of what one query may ask for.
pub(crate) const BISECTION: usize = 10_000;

/// The size of a page that is not said.
pub(crate) const PAGE: u32 = 50;

/// Brackets may be nested deeper than fields are: values nest too. The parser recurses on each, so this is checked
/// before it runs.
const BRACKETS: usize = 64;

/// Checks the length of a query and how deep its brackets are nested, without parsing it.
pub(crate) fn check_text(query: &str, limits: &Limits) -> Result<(), (Code, String)> {
    if query.len() > limits.query_bytes {
        let most = limits.query_bytes;
        let text = format!("the query has {} bytes; at most {most} are read", query.len());
        return Err((Code::QueryTooLarge, text));
    }
    if brackets(query) > BRACKETS {
        let text = format!("the query nests brackets deeper than {BRACKETS}");
        return Err((Code::TooDeep, text));
    }
    Ok(())
}

/// How deep brackets are nested outside of strings and comments.
fn brackets(query: &str) -> usize {
    let (mut depth, mut deepest) = (0usize, 0usize);
    let mut rest = query;
    while let Some(first) = rest.chars().next() {
        let skip = match first {
            '{' | '[' | '(' => {
                depth += 1;
                deepest = deepest.max(depth);
                1
            }
            '}' | ']' | ')' => {
                depth = depth.saturating_sub(1);
                1
            }
            '#' => rest.find(['\n', '\r']).unwrap_or(rest.len()),
            '"' => string_length(rest),
            other => other.len_utf8(),
        };
        rest = rest.get(skip..).unwrap_or_default();
    }
    deepest
}

/// Length of the string literal with which `text` begins.
fn string_length(text: &str) -> usize {
    if let Some(block) = text.strip_prefix("\"\"\"") {
        let mut from = 0;
        while let Some(end) = block.get(from..).and_then(|rest| rest.find("\"\"\"")) {
            let end = from + end;
            if !block.get(..end).is_some_and(|before| before.ends_with('\\')) {
                return 3 + end + 3;
            }
            from = end + 3;
        }
        return text.len();
    }
    let mut escaped = false;
    for (place, letter) in text.char_indices().skip(1) {
        match letter {
            '\n' | '\r' => return place,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return place + 1,
            _ => {}
        }
    }
    text.len()
}

/// What a selection comes to once its fragments are put in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Size {
    fields: usize,
    aliases: usize,
    depth: usize,
}

/// Checks a parsed query before it is validated: validation visits a fragment as often as it is used, so a few
/// fragments that use each other twice would keep it busy for ever.
pub(crate) fn check_document(document: &ExecutableDocument, limits: &Limits) -> Result<(), (Code, String)> {
    let mut sizes = Sizes {
        document,
        known: BTreeMap::new(),
    };
    for (_, operation) in document.operations.iter() {
        let size = sizes.of(&operation.node.selection_set.node);
        let checks = [
            (size.depth, limits.depth, Code::TooDeep, "levels of fields"),
            (size.aliases, limits.aliases, Code::TooManyAliases, "aliases"),
            (size.fields, limits.fields, Code::TooManyFields, "fields"),
        ];
        for (found, most, code, what) in checks {
            if found > most {
                return Err((
                    code,
                    format!("the query has {found} {what}; at most {most} are answered"),
                ));
            }
        }
    }
    Ok(())
}

struct Sizes<'a> {
    document: &'a ExecutableDocument,
    /// `None` while it is worked on: a fragment that uses itself is refused by validation.
    known: BTreeMap<&'a Name, Option<Size>>,
}

impl<'a> Sizes<'a> {
    fn of(&mut self, selection: &'a SelectionSet) -> Size {
        let mut sum = Size::default();
        for item in &selection.items {
            let part = match &item.node {
                Selection::Field(field) => {
                    let below = self.of(&field.node.selection_set.node);
                    Size {
                        fields: below.fields.saturating_add(1),
                        aliases: below
                            .aliases
                            .saturating_add(usize::from(field.node.alias.is_some())),
                        depth: below.depth.saturating_add(1),
                    }
                }
                Selection::InlineFragment(inline) => self.of(&inline.node.selection_set.node),
                Selection::FragmentSpread(spread) => self.of_fragment(&spread.node.fragment_name.node),
            };
            sum.fields = sum.fields.saturating_add(part.fields);
            sum.aliases = sum.aliases.saturating_add(part.aliases);
            sum.depth = sum.depth.max(part.depth);
        }
        sum
    }

    fn of_fragment(&mut self, name: &'a Name) -> Size {
        if let Some(known) = self.known.get(name) {
            return known.unwrap_or_default();
        }
        let Some(fragment) = self.document.fragments.get(name) else {
            return Size::default();
        };
        self.known.insert(name, None);
        let size = self.of(&fragment.node.selection_set.node);
        self.known.insert(name, Some(size));
        size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_in_strings_and_comments_do_not_count() {
        let cases = [
            ("{ a(b: [1, [2]]) { c } }", 4),
            ("{ a(b: \"[[[[{{\") }", 2),
            ("{ a(b: \"\\\"[[\") { c } }", 2),
            ("{ a(b: \"\"\"[[ \\\"\"\" [[\"\"\") { c } }", 2),
            ("# {{{{\n{ a }", 1),
            ("{ a(b: \"[[\n [", 3),
            ("}}}}{", 1),
            ("\"\"\"", 0),
        ];
        for (query, depth) in cases {
            assert_eq!(brackets(query), depth, "{query}");
        }
    }
}

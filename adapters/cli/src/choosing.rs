//! Choosing what a line lacks: the argument of a slash command, or the file that a prompt names by an `@` alone. What is
//! chosen completes the line, which is then read as if it had been typed so.

use std::borrow::Cow;

use glasswork_app_runtime::slash_commands::{self, ArgumentKind};
use glasswork_rpc::socket::client::{Client, ClientError};
use glasswork_rpc::socket::wire;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::console::Console;
use crate::escape;
use crate::picker::{List, fitted};
use crate::problem::Problem;

const QUERY: &str = include_str!("graph/choices.graphql");

/// Most choices that a list shows which is printed and not drawn.
const PRINTED: usize = 50;
/// Characters of what stands on the left of a drawn list.
const LEFT: usize = 48;

/// What a line lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lack {
    line: String,
    /// What is chosen, as the graph calls it.
    of: String,
    /// What is asked.
    asks: String,
}

/// What a line lacks, if that can be chosen from a list.
pub(crate) fn lack(line: &str) -> Option<Lack> {
    let line = line.trim();
    let of = |kind: ArgumentKind| <&str>::from(kind).to_uppercase();
    if line == "/" {
        return Some(Lack {
            line: String::new(),
            of: of(ArgumentKind::Command),
            asks: "Do".to_owned(),
        });
    }
    if !line.starts_with('/') {
        let asks_for_file = line.split_whitespace().any(|word| word == "@");
        return asks_for_file.then(|| Lack {
            line: line.to_owned(),
            of: "FILE".to_owned(),
            asks: "Name the file".to_owned(),
        });
    }
    let missing = slash_commands::missing(line)?;
    (missing.kind != ArgumentKind::Words).then(|| Lack {
        line: line.to_owned(),
        of: of(missing.kind),
        asks: format!("{line} {}", missing.name),
    })
}

impl Lack {
    /// Whether it is an argument of a command that was typed.
    pub(crate) fn is_of_a_command(&self) -> bool {
        self.line.starts_with('/')
    }

    /// The line with what was chosen.
    pub(crate) fn with(&self, chosen: &str) -> String {
        if self.line.is_empty() {
            return chosen.to_owned();
        }
        if self.is_of_a_command() {
            return format!("{} {chosen}", self.line);
        }
        let at = |(place, _): &(usize, &str)| {
            let begins = self
                .line
                .get(..*place)
                .is_some_and(|before| before.is_empty() || before.ends_with(char::is_whitespace));
            let rest = self.line.get(place + 1..).unwrap_or_default();
            begins && (rest.is_empty() || rest.starts_with(char::is_whitespace))
        };
        let mut line = self.line.clone();
        if let Some((place, _)) = self.line.match_indices('@').find(at) {
            line.insert_str(place + 1, chosen);
        }
        line
    }
}

#[derive(Debug, Clone, Deserialize)]
struct Choice {
    value: String,
    text: String,
    detail: String,
    current: bool,
}

#[derive(Debug, Default, Deserialize)]
struct Found {
    items: Vec<Choice>,
    more: bool,
}

/// What can be chosen.
pub(crate) struct Choices {
    client: Client,
    session: String,
    lack: Lack,
    found: Found,
    values: Vec<String>,
}

impl Choices {
    /// Asks a host. On a connection of its own: on that of a session answers wait for what is told before them.
    ///
    /// # Errors
    /// What the host, or its graph, refuses.
    pub(crate) async fn of(client: Client, session: &str, lack: Lack) -> Result<Self, Problem> {
        let mut choices = Self {
            client,
            session: session.to_owned(),
            lack,
            found: Found::default(),
            values: Vec::new(),
        };
        choices.look("").await?;
        Ok(choices)
    }

    /// Whether there is nothing to choose.
    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// What the line lacks.
    pub(crate) fn lack(&self) -> &Lack {
        &self.lack
    }

    /// The list with numbers, for where it cannot be drawn.
    pub(crate) fn print(&self, console: &Console) {
        let mut text = format!("{}:\n", escape::line(&self.lack.asks));
        for (number, choice) in self.found.items.iter().take(PRINTED).enumerate() {
            let mark = if choice.current { "*" } else { " " };
            text.push_str(&format!(
                "{:>4}{mark} {}\n",
                number + 1,
                told(choice, usize::MAX).trim_end()
            ));
        }
        let more = self.values.len().saturating_sub(PRINTED);
        if more > 0 || self.found.more {
            text.push_str("      … and more: say it by its name\n");
        }
        text.push_str("its number, or another line:\n");
        console.note(&text);
    }

    /// What was chosen of what was [printed](Self::print) by its number.
    pub(crate) fn numbered(&self, line: &str) -> Option<&str> {
        let number: usize = line.trim().parse().ok()?;
        let place = number.checked_sub(1).filter(|place| *place < PRINTED)?;
        self.values.get(place).map(String::as_str)
    }
}

fn told(choice: &Choice, width: usize) -> String {
    let text = match choice.text == choice.value {
        true => Cow::Borrowed(&*choice.text),
        false => Cow::Owned(format!("{:<8} {}", choice.value, choice.text)),
    };
    let text = escape::line(&text);
    match choice.detail.is_empty() {
        true => text.into_owned(),
        false => format!(
            "{:<LEFT$}  {}",
            fitted(&text, LEFT.min(width)),
            escape::line(&choice.detail)
        ),
    }
}

fn failed(error: ClientError) -> Problem {
    Problem::failed(error)
}

impl List for Choices {
    type Value = String;

    async fn look(&mut self, typed: &str) -> Result<(), Problem> {
        let variables = json!({ "id": self.session, "of": self.lack.of, "typed": typed });
        let query = wire::Query {
            query: QUERY.to_owned(),
            variables: variables.as_object().cloned(),
            operation: None,
        };
        let answer: Map<String, Value> = self
            .client
            .ask("_glasswork/query", &query)
            .await
            .map_err(failed)?;
        let mut answer = Value::Object(answer);
        if let Some(message) = answer.pointer("/errors/0/message").and_then(Value::as_str) {
            return Err(Problem::Told {
                code: glasswork_app_runtime::ending::ExitCode::Failed,
                text: message.to_owned(),
            });
        }
        let found = answer.pointer_mut("/data/session/choices").map(Value::take);
        self.found = serde_json::from_value(found.unwrap_or_default()).map_err(Problem::defect)?;
        self.values = self.found.items.iter().map(|item| item.value.clone()).collect();
        Ok(())
    }

    fn values(&self) -> &[String] {
        &self.values
    }

    fn first(&self) -> usize {
        let current = self.found.items.iter().position(|item| item.current);
        current.unwrap_or(0)
    }

    fn asks(&self) -> String {
        escape::line(&self.lack.asks).into_owned()
    }

    fn heading(&self, _: usize) -> Option<String> {
        None
    }

    fn row(&self, number: usize, width: usize) -> String {
        let choice = self.found.items.get(number);
        choice
            .map(|choice| {
                let mark = if choice.current { "*" } else { " " };
                format!("{mark} {}", told(choice, width))
            })
            .unwrap_or_default()
    }

    fn foot(&self, at: usize) -> String {
        match (self.values.len(), self.found.more) {
            (0, _) => "nothing is called so; ^U clears".to_owned(),
            (count, false) => format!("{} of {count}; Enter takes it, Esc leaves", at + 1),
            (count, true) => format!("{} of the first {count}; type to find others", at + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_lacks_what_can_be_chosen_and_is_completed_by_it() {
        let check = |line: &str, expected: Option<(&str, &str)>| {
            let lack = lack(line);
            let found = lack.as_ref().map(|lack| (&*lack.of, lack.with("X")));
            let expected = expected.map(|(of, line)| (of, line.to_owned()));
            assert_eq!(found, expected, "{line}");
        };
        check("/", Some(("COMMAND", "X")));
        check("/model", Some(("MODEL", "/model X")));
        check("/thinking ", Some(("THINKING", "/thinking X")));
        check("/leaf", Some(("PLACE", "/leaf X")));
        check("/refuse", Some(("CALL", "/refuse X")));
        check("/set", Some(("SETTING", "/set X")));
        // What only a person knows, and what may be left out, is not asked for.
        check("/steer", None);
        check("/set max_steps", None);
        check("/fork", None);
        check("/model scripted/x", None);
        check("/nothing", None);
        check("/label @", None);
        check("look at @", Some(("FILE", "look at @X")));
        check("@", Some(("FILE", "@X")));
        check("a@b @ and é@ @", Some(("FILE", "a@b @X and é@ @")));
        check("write to me@example.org", None);
        check("@team, look", None);
    }
}

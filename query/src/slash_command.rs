//! The slash commands: the table that clients read, complete and help by.

use async_graphql::SimpleObject;
use glasswork_app_runtime::pickers;
use glasswork_app_runtime::slash_commands::{self, Command};

/// A slash command. Any client that is attached to a session can give it.
#[derive(Debug, SimpleObject)]
pub(crate) struct SlashCommand {
    /// Its name, with the slash.
    name: &'static str,
    /// How it is called: `/refuse CALL [REASON]`.
    usage: String,
    /// What it does, in one line.
    about: &'static str,
    /// A line that calls it.
    example: &'static str,
    /// The operation that it calls.
    operation: &'static str,
    /// What stands behind its name, in order. The last one takes the rest of the line.
    arguments: Vec<SlashArgument>,
}

/// What stands behind the name of a slash command.
#[derive(Debug, SimpleObject)]
pub(crate) struct SlashArgument {
    /// Its name, as help shows it.
    name: &'static str,
    /// What it is, from which follows where it can be picked: `words`, `call`, `model`, `thinking`, `mode`, `effort`,
    /// `speed`, `setting`, `entry`, `place`, `fork_point`, `command`.
    kind: &'static str,
    /// Whether it may be left out.
    optional: bool,
}

impl SlashCommand {
    /// Those that fit what was typed, the best first; all where nothing was.
    pub(crate) fn fitting(typed: &str) -> Vec<Self> {
        let fitting = pickers::ranked(pickers::commands(), typed).into_iter();
        fitting.map(|item| Self::of(item.value)).collect()
    }

    fn of(command: &'static Command) -> Self {
        let argument = |argument: &slash_commands::Argument| SlashArgument {
            name: argument.name,
            kind: argument.kind.into(),
            optional: argument.optional,
        };
        Self {
            name: command.name,
            usage: command.usage(),
            about: command.about,
            example: command.example,
            operation: command.operation().map_or("", Into::into),
            arguments: command.arguments.iter().map(argument).collect(),
        }
    }
}

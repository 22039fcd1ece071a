//! The slash commands: one table, by which lines are read, and of which help, completion, the graph's `commands` and the
//! documentation are made.
//!
//! A row gives the [`Operation`] that it calls, so a command that does nothing does not compile; and
//! [`Attachment::perform`](crate::attachments::Attachment::perform) matches every operation, so neither does an
//! operation that nobody performs.

mod table;

use std::fmt::{self, Write as _};
use std::str::FromStr;
use std::sync::Arc;

use glasswork_agent_core::id::{CallId, EntryId};
use glasswork_session_state::settings::Setting;

use crate::sagas::ForkAt;
use crate::settings;

pub use table::COMMANDS;

/// What a command asks for.
#[derive(Debug, Clone, PartialEq, Eq, strum::EnumDiscriminants)]
#[strum_discriminants(
    name(OperationName),
    doc = "The name of an operation.",
    derive(PartialOrd, Ord, strum::VariantArray, strum::IntoStaticStr),
    strum(serialize_all = "snake_case")
)]
pub enum Operation {
    /// To say something to the turn that runs.
    Steer {
        /// The words.
        text: Arc<str>,
    },
    /// To say something for after the turn that runs.
    FollowUp {
        /// The words.
        text: Arc<str>,
    },
    /// To let a call run.
    Approve {
        /// The call.
        call: CallId,
    },
    /// To answer what a call asks.
    Answer {
        /// The call.
        call: CallId,
        /// Numbers or labels of what is offered, or other words.
        line: Arc<str>,
    },
    /// Not to let a call run.
    Refuse {
        /// The call.
        call: CallId,
        /// What the model is told of why.
        reason: Option<Arc<str>>,
    },
    /// To stop the turn at the next safe point.
    Interrupt,
    /// To stop the turn at once.
    Cancel,
    /// To have the turn rest at the next safe point.
    Pause,
    /// To have a turn that rests go on.
    Resume,
    /// To ask this model from now on.
    SetModel {
        /// What it is called, or the beginning of that, or words of it.
        wanted: Arc<str>,
    },
    /// To change a setting.
    Set(Box<Setting>),
    /// To have a summary stand for what is old.
    Compact {
        /// What the summary shall not miss.
        focus: Option<Arc<str>>,
    },
    /// To undo the compaction at which the conversation stands.
    UndoCompaction,
    /// To give the session a title.
    Rename {
        /// The title.
        title: Arc<str>,
    },
    /// To make a new session that goes on from a commit of this one.
    Fork {
        /// Where.
        at: ForkAt,
    },
    /// To have the conversation go on elsewhere.
    MoveLeaf {
        /// Below this entry; `None` for before all of them.
        to: Option<EntryId>,
    },
    /// The same, with a summary of the branch that is left.
    LeaveBranch {
        /// Below this entry; `None` for before all of them.
        to: Option<EntryId>,
        /// What the summary shall not miss.
        focus: Option<Arc<str>>,
    },
    /// To take a prompt back.
    TakeBack {
        /// Its entry.
        entry: EntryId,
    },
    /// To give an entry a label, or take away the one that it has.
    Label {
        /// The entry.
        entry: EntryId,
        /// The label.
        label: Option<Arc<str>>,
    },
    /// To have a compaction carry an entry over, or not any more.
    PinEntry {
        /// The entry.
        entry: EntryId,
        /// Whether it does.
        pinned: bool,
    },
    /// To be told what the session does and waits for, and what it has used.
    Status,
    /// To be told what fills the window.
    Context,
    /// To be told which commands there are.
    Help {
        /// Only of this one.
        of: Option<&'static Command>,
    },
    /// To leave. The session goes on.
    Detach,
}

/// A command.
#[derive(Debug)]
pub struct Command {
    /// Its name, with the slash.
    pub name: &'static str,
    /// What stands behind it, in order. The last one takes the rest of the line.
    pub arguments: &'static [Argument],
    /// What it does, in one line.
    pub about: &'static str,
    /// A line that calls it.
    pub example: &'static str,
    /// What it calls.
    operation: fn(&Given<'_>) -> Result<Operation, CommandError>,
}

impl PartialEq for Command {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Command {}

/// What stands behind a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argument {
    /// Its name, as help shows it.
    pub name: &'static str,
    /// What it is.
    pub kind: ArgumentKind,
    /// Whether it may be left out.
    pub optional: bool,
}

/// What an argument is: from which list a client lets it be picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum ArgumentKind {
    /// Any words.
    Words,
    /// A call about which people are asked: one of the dialogs.
    Call,
    /// A model.
    Model,
    /// How much a model thinks.
    Thinking,
    /// How much may be done without asking.
    Mode,
    /// How much work an answer is worth.
    Effort,
    /// How fast an answer shall come.
    Speed,
    /// The name of a setting.
    Setting,
    /// An entry of the conversation.
    Entry,
    /// An entry of the conversation, or `start`.
    Place,
    /// A commit, or an entry.
    ForkPoint,
    /// A command.
    Command,
}

/// Why a line calls nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The line does not begin with a slash.
    #[error("a command begins with a slash; `/help` shows those there are")]
    NotACommand,
    /// There is no such command.
    #[error("there is no command `{name}`{}; `/help` shows those there are", did_you_mean(.nearest))]
    Unknown {
        /// What was called.
        name: String,
        /// One that is called alike.
        nearest: Option<&'static str>,
    },
    /// Something of it is missing, or cannot be read.
    #[error("{problem}; it is `{usage}`")]
    Usage {
        /// What is wrong.
        problem: String,
        /// How the command is called.
        usage: String,
    },
}

fn did_you_mean(name: &Option<&'static str>) -> String {
    name.map(|name| format!("; did you mean `{name}`?"))
        .unwrap_or_default()
}

/// What stands behind a command in a line.
struct Given<'a> {
    command: &'static Command,
    values: Vec<&'a str>,
}

impl Given<'_> {
    fn wrong(&self, problem: impl fmt::Display) -> CommandError {
        CommandError::Usage {
            problem: problem.to_string(),
            usage: self.command.usage(),
        }
    }

    fn text(&self, number: usize) -> Result<&str, CommandError> {
        let name = |argument: &Argument| argument.name;
        self.values.get(number).copied().ok_or_else(|| {
            let missing = self.command.arguments.get(number).map_or("an argument", name);
            self.wrong(format_args!("{missing} is missing"))
        })
    }

    fn words(&self, number: usize) -> Result<Arc<str>, CommandError> {
        self.text(number).map(Arc::from)
    }

    fn some_words(&self, number: usize) -> Option<Arc<str>> {
        self.values.get(number).copied().map(Arc::from)
    }

    fn parsed<T: FromStr<Err: fmt::Display>>(&self, number: usize) -> Result<T, CommandError> {
        let parsed = self.text(number)?.parse();
        parsed.map_err(|error: T::Err| self.wrong(error))
    }

    fn place(&self, number: usize) -> Result<Option<EntryId>, CommandError> {
        match self.text(number)? {
            "start" => Ok(None),
            _ => self.parsed(number).map(Some),
        }
    }

    fn set(&self, name: &str, value: usize) -> Result<Operation, CommandError> {
        let setting = settings::of_session(name, self.text(value)?, self.command.name);
        let setting = setting.map_err(|error| self.wrong(error))?;
        Ok(Operation::Set(Box::new(setting)))
    }
}

impl Command {
    /// How it is called: `/refuse CALL [REASON]`.
    #[must_use]
    pub fn usage(&self) -> String {
        let mut usage = self.name.to_owned();
        for argument in self.arguments {
            let _ = match argument.optional {
                true => write!(usage, " [{}]", argument.name),
                false => write!(usage, " {}", argument.name),
            };
        }
        usage
    }

    /// The operation that it calls.
    #[must_use]
    pub fn operation(&'static self) -> Option<OperationName> {
        // The table says it by what it makes of its own example; a test sees to it that every one can be made.
        read(self.example)
            .ok()
            .map(|operation| OperationName::from(&operation))
    }
}

/// The command of this name.
///
/// # Errors
/// [`CommandError::Unknown`].
pub fn named(name: &str) -> Result<&'static Command, CommandError> {
    let known = COMMANDS.iter().find(|command| command.name == name);
    known.ok_or_else(|| {
        let distance = |command: &&Command| strsim::damerau_levenshtein(command.name, name);
        let nearest = COMMANDS.iter().min_by_key(distance);
        CommandError::Unknown {
            name: name.to_owned(),
            nearest: nearest
                .filter(|command| distance(command) <= 2)
                .map(|command| command.name),
        }
    })
}

/// Whether a line is meant as a command: it begins with a slash and a name, and not with a path.
#[must_use]
pub fn is_command(line: &str) -> bool {
    let word = line.split_whitespace().next().unwrap_or_default();
    let name = word.strip_prefix('/').filter(|_| line.starts_with('/'));
    name.is_some_and(|name| !name.contains('/'))
}

/// The argument at which a line ends too early: the first one that its command needs and that is not there. A client
/// lets it be picked, puts it behind the line, and goes on with that.
#[must_use]
pub fn missing(line: &str) -> Option<&'static Argument> {
    let (name, rest) = split(line.trim());
    let given = rest.split_whitespace().count();
    let argument = named(name).ok()?.arguments.get(given)?;
    (!argument.optional).then_some(argument)
}

/// What a line calls.
///
/// # Errors
/// [`CommandError`].
pub fn read(line: &str) -> Result<Operation, CommandError> {
    let line = line.trim();
    if !line.starts_with('/') {
        return Err(CommandError::NotACommand);
    }
    let (name, mut rest) = split(line);
    let command = named(name)?;
    let mut values = Vec::new();
    for number in 0..command.arguments.len() {
        if rest.is_empty() {
            break;
        }
        let is_last = number + 1 == command.arguments.len();
        let (value, more) = if is_last { (rest, "") } else { split(rest) };
        values.push(value);
        rest = more;
    }
    let given = Given { command, values };
    if !rest.is_empty() {
        return Err(given.wrong(format_args!("`{}` takes nothing more", command.name)));
    }
    (command.operation)(&given)
}

fn split(text: &str) -> (&str, &str) {
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (first, rest.trim_start())
}

/// What can be typed: of one command, or of all.
#[must_use]
pub fn help(of: Option<&'static Command>) -> String {
    if let Some(command) = of {
        return format!(
            "{}: {}\nfor example: {}\n",
            command.usage(),
            command.about,
            command.example
        );
    }
    let mut text = String::from("words begin a turn;\n");
    for command in COMMANDS {
        let _ = writeln!(text, "  {:<26} {}", command.usage(), command.about);
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test that meets what it did not expect shall stop there"
    )]

    use std::collections::BTreeSet;

    use strum::VariantArray;

    use super::*;

    #[test]
    fn every_command_calls_what_its_example_says_and_every_operation_has_a_command() {
        let mut called = BTreeSet::new();
        for command in COMMANDS {
            let operation = read(command.example).unwrap();
            assert!(command.example.starts_with(command.name));
            called.insert(OperationName::from(&operation));
            assert_eq!(command.operation(), Some((&operation).into()), "{}", command.name);
        }
        let all: BTreeSet<_> = OperationName::VARIANTS.iter().copied().collect();
        assert_eq!(called, all);
    }

    #[test]
    fn names_are_words_and_each_stands_once_in_help() {
        let help = help(None);
        for command in COMMANDS {
            let name = command.name.strip_prefix('/').unwrap();
            assert!(name.chars().all(|char| char.is_ascii_lowercase() || char == '-'));
            let row = format!("  {} ", command.usage());
            assert_eq!(help.matches(&row).count(), 1, "{row}");
            // An argument that may be left out has none behind it that may not.
            assert!(command.arguments.is_sorted_by_key(|argument| argument.optional));
            assert_eq!(named(command.name), Ok(command));
        }
    }

    #[test]
    fn a_command_wants_what_it_takes_and_no_more() {
        for command in COMMANDS {
            let wants = command.arguments.iter().any(|argument| !argument.optional);
            assert_eq!(read(command.name).is_err(), wants, "{}", command.name);
            if command.arguments.is_empty() {
                let line = format!("{} more", command.name);
                assert!(matches!(read(&line), Err(CommandError::Usage { .. })), "{line}");
            }
        }
    }

    #[test]
    fn lines_are_read() {
        let check = |line: &str, expected: Result<Operation, &str>| {
            let read = read(line).map_err(|error| error.to_string());
            assert_eq!(read, expected.map_err(str::to_owned), "{line}");
        };
        let call = CallId { seq: 4, ordinal: 1 };
        let reason = Some("too  much of it".into());
        check(
            " /refuse   4.1   too  much of it ",
            Ok(Operation::Refuse { call, reason }),
        );
        check("/refuse 4.1", Ok(Operation::Refuse { call, reason: None }));
        check("/leaf start", Ok(Operation::MoveLeaf { to: None }));
        check("/fork", Ok(Operation::Fork { at: ForkAt::Head }));
        check(
            "/help fork",
            Ok(Operation::Help {
                of: Some(named("/fork").unwrap()),
            }),
        );
        check("/refuse", Err("CALL is missing; it is `/refuse CALL [REASON]`"));
        check(
            "/approve it",
            Err("`it` is not a tool call (`412.1`); it is `/approve CALL`"),
        );
        check(
            "/aprove 4.1",
            Err("there is no command `/aprove`; did you mean `/approve`?; `/help` shows those there are"),
        );
        check(
            "/etc/hosts is wrong",
            Err("there is no command `/etc/hosts`; `/help` shows those there are"),
        );
        check(
            "words",
            Err("a command begins with a slash; `/help` shows those there are"),
        );
        let of_host = read("/set proxy none").unwrap_err();
        assert!(matches!(of_host, CommandError::Usage { .. }), "{of_host}");
        assert!(read("/mode whatever").is_err());
    }

    #[test]
    fn what_is_missing_is_what_the_reader_misses() {
        let check = |line: &str, expected: Option<ArgumentKind>| {
            assert_eq!(missing(line).map(|argument| argument.kind), expected, "{line}");
            let is_complaint = read(line).is_err_and(|error| error.to_string().contains("is missing"));
            assert_eq!(is_complaint, expected.is_some(), "{line}");
        };
        check("/model", Some(ArgumentKind::Model));
        check(" /model ", Some(ArgumentKind::Model));
        check("/model scripted/x", None);
        check("/set", Some(ArgumentKind::Setting));
        check("/set max_steps", Some(ArgumentKind::Words));
        check("/set max_steps 5", None);
        check("/leaf", Some(ArgumentKind::Place));
        // What may be left out is not asked for.
        check("/fork", None);
        check("/refuse", Some(ArgumentKind::Call));
        check("/refuse 4.1", None);
        check("/cancel", None);
        check("/nothing", None);
        check("words", None);
        check("", None);
    }

    #[test]
    fn a_path_is_no_command() {
        let check = |line: &str, expected: bool| assert_eq!(is_command(line), expected, "{line}");
        check("/help", true);
        check("/what is this", true);
        check("/", true);
        check("/etc/hosts is wrong", false);
        check("look at /help", false);
        check(" /help", false);
        check("", false);
    }
}

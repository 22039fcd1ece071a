//! The commands.

use super::{Argument, ArgumentKind, Command, Operation, named};
use crate::sagas::ForkAt;

const fn takes(name: &'static str, kind: ArgumentKind) -> Argument {
    Argument {
        name,
        kind,
        optional: false,
    }
}

const fn may_take(name: &'static str, kind: ArgumentKind) -> Argument {
    Argument {
        name,
        kind,
        optional: true,
    }
}

/// All commands, those first that are wanted while a turn runs.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "/steer",
        arguments: &[takes("WORDS", ArgumentKind::Words)],
        about: "say something to the turn that runs",
        example: "/steer look at the tests first",
        operation: |given| {
            Ok(Operation::Steer {
                text: given.words(0)?,
            })
        },
    },
    Command {
        name: "/follow-up",
        arguments: &[takes("WORDS", ArgumentKind::Words)],
        about: "say something for after the turn that runs",
        example: "/follow-up then write the changelog",
        operation: |given| {
            Ok(Operation::FollowUp {
                text: given.words(0)?,
            })
        },
    },
    Command {
        name: "/approve",
        arguments: &[takes("CALL", ArgumentKind::Call)],
        about: "let a call run",
        example: "/approve 412.1",
        operation: |given| {
            Ok(Operation::Approve {
                call: given.parsed(0)?,
            })
        },
    },
    Command {
        name: "/answer",
        arguments: &[
            takes("CALL", ArgumentKind::Call),
            takes("ANSWER", ArgumentKind::Words),
        ],
        about: "answer what the agent asks: by numbers, or in words",
        example: "/answer 412.1 2",
        operation: |given| {
            Ok(Operation::Answer {
                call: given.parsed(0)?,
                line: given.words(1)?,
            })
        },
    },
    Command {
        name: "/refuse",
        arguments: &[
            takes("CALL", ArgumentKind::Call),
            may_take("REASON", ArgumentKind::Words),
        ],
        about: "do not let a call run, or do not answer what it asks",
        example: "/refuse 412.1 not on this machine",
        operation: |given| {
            Ok(Operation::Refuse {
                call: given.parsed(0)?,
                reason: given.some_words(1),
            })
        },
    },
    Command {
        name: "/interrupt",
        arguments: &[],
        about: "stop the turn at the next safe point",
        example: "/interrupt",
        operation: |_| Ok(Operation::Interrupt),
    },
    Command {
        name: "/cancel",
        arguments: &[],
        about: "stop the turn at once",
        example: "/cancel",
        operation: |_| Ok(Operation::Cancel),
    },
    Command {
        name: "/pause",
        arguments: &[],
        about: "have the turn rest at the next safe point",
        example: "/pause",
        operation: |_| Ok(Operation::Pause),
    },
    Command {
        name: "/continue",
        arguments: &[],
        about: "have a turn that rests go on",
        example: "/continue",
        operation: |_| Ok(Operation::Resume),
    },
    Command {
        name: "/status",
        arguments: &[],
        about: "show what the session does and waits for, and what it has used",
        example: "/status",
        operation: |_| Ok(Operation::Status),
    },
    Command {
        name: "/context",
        arguments: &[],
        about: "show what fills the window",
        example: "/context",
        operation: |_| Ok(Operation::Context),
    },
    Command {
        name: "/model",
        arguments: &[takes("MODEL", ArgumentKind::Model)],
        about: "ask this model from now on",
        example: "/model scripted/test",
        operation: |given| {
            Ok(Operation::SetModel {
                wanted: given.words(0)?,
            })
        },
    },
    Command {
        name: "/thinking",
        arguments: &[takes("LEVEL", ArgumentKind::Thinking)],
        about: "have the model think so much",
        example: "/thinking high",
        operation: |given| given.set("thinking", 0),
    },
    Command {
        name: "/effort",
        arguments: &[takes("LEVEL", ArgumentKind::Effort)],
        about: "have an answer be worth so much work",
        example: "/effort low",
        operation: |given| given.set("effort", 0),
    },
    Command {
        name: "/speed",
        arguments: &[takes("SPEED", ArgumentKind::Speed)],
        about: "have answers come so fast",
        example: "/speed fast",
        operation: |given| given.set("speed", 0),
    },
    Command {
        name: "/mode",
        arguments: &[takes("MODE", ArgumentKind::Mode)],
        about: "let so much be done without asking",
        example: "/mode accept-edits",
        operation: |given| given.set("mode", 0),
    },
    Command {
        name: "/set",
        arguments: &[
            takes("SETTING", ArgumentKind::Setting),
            takes("VALUE", ArgumentKind::Words),
        ],
        about: "change a setting of this session",
        example: "/set max_steps 20",
        operation: |given| match given.text(0)? {
            "model" => Ok(Operation::SetModel {
                wanted: given.words(1)?,
            }),
            name => given.set(name, 1),
        },
    },
    Command {
        name: "/compact",
        arguments: &[may_take("FOCUS", ArgumentKind::Words)],
        about: "have a summary stand for what is old",
        example: "/compact keep the names of the files",
        operation: |given| {
            Ok(Operation::Compact {
                focus: given.some_words(0),
            })
        },
    },
    Command {
        name: "/undo-compaction",
        arguments: &[],
        about: "go on before the compaction at which the conversation stands",
        example: "/undo-compaction",
        operation: |_| Ok(Operation::UndoCompaction),
    },
    Command {
        name: "/fork",
        arguments: &[may_take("COMMIT|ENTRY", ArgumentKind::ForkPoint)],
        about: "make a new session that goes on from there",
        example: "/fork 412",
        operation: |given| {
            let at = match given.values.first() {
                Some(_) => given.parsed(0)?,
                None => ForkAt::Head,
            };
            Ok(Operation::Fork { at })
        },
    },
    Command {
        name: "/leaf",
        arguments: &[takes("ENTRY|start", ArgumentKind::Place)],
        about: "let the conversation go on below another entry",
        example: "/leaf 412.0",
        operation: |given| Ok(Operation::MoveLeaf { to: given.place(0)? }),
    },
    Command {
        name: "/leave",
        arguments: &[
            takes("ENTRY|start", ArgumentKind::Place),
            may_take("FOCUS", ArgumentKind::Words),
        ],
        about: "let the conversation go on there, with a summary of the branch that is left",
        example: "/leave start what did not work",
        operation: |given| {
            Ok(Operation::LeaveBranch {
                to: given.place(0)?,
                focus: given.some_words(1),
            })
        },
    },
    Command {
        name: "/take-back",
        arguments: &[takes("ENTRY", ArgumentKind::Entry)],
        about: "take a prompt back, to say it in other words",
        example: "/take-back 412.0",
        operation: |given| {
            Ok(Operation::TakeBack {
                entry: given.parsed(0)?,
            })
        },
    },
    Command {
        name: "/label",
        arguments: &[
            takes("ENTRY", ArgumentKind::Entry),
            may_take("LABEL", ArgumentKind::Words),
        ],
        about: "give an entry a label, or take it away",
        example: "/label 412.0 before the change",
        operation: |given| {
            Ok(Operation::Label {
                entry: given.parsed(0)?,
                label: given.some_words(1),
            })
        },
    },
    Command {
        name: "/pin",
        arguments: &[takes("ENTRY", ArgumentKind::Entry)],
        about: "have compactions carry an entry over",
        example: "/pin 412.0",
        operation: |given| {
            Ok(Operation::PinEntry {
                entry: given.parsed(0)?,
                pinned: true,
            })
        },
    },
    Command {
        name: "/unpin",
        arguments: &[takes("ENTRY", ArgumentKind::Entry)],
        about: "have compactions carry an entry over no more",
        example: "/unpin 412.0",
        operation: |given| {
            Ok(Operation::PinEntry {
                entry: given.parsed(0)?,
                pinned: false,
            })
        },
    },
    Command {
        name: "/rename",
        arguments: &[takes("TITLE", ArgumentKind::Words)],
        about: "give the session a title",
        example: "/rename The parser",
        operation: |given| {
            Ok(Operation::Rename {
                title: given.words(0)?,
            })
        },
    },
    Command {
        name: "/help",
        arguments: &[may_take("COMMAND", ArgumentKind::Command)],
        about: "show what can be typed",
        example: "/help /fork",
        operation: |given| {
            let of = match given.values.first() {
                None => None,
                Some(name) => Some(named(&format!("/{}", name.trim_start_matches('/')))?),
            };
            Ok(Operation::Help { of })
        },
    },
    Command {
        name: "/detach",
        arguments: &[],
        about: "leave; the session goes on",
        example: "/detach",
        operation: |_| Ok(Operation::Detach),
    },
];

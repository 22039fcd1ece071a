//! The slash commands, as the protocol has them.

use agent_client_protocol::v1::schema::{
    AvailableCommand, AvailableCommandInput, AvailableCommandsUpdate, SessionUpdate, UnstructuredCommandInput,
};
use glasswork_app_runtime::slash_commands::{COMMANDS, Command, OperationName};

/// Tells which commands there are.
pub(super) fn available() -> SessionUpdate {
    let commands = COMMANDS.iter().filter(|command| makes_sense(command));
    let told = commands.map(|command| {
        let takes = command.usage().split_once(' ').map(|(_, takes)| takes.to_owned());
        let input =
            takes.map(|takes| AvailableCommandInput::Unstructured(UnstructuredCommandInput::new(takes)));
        AvailableCommand::new(command.name.trim_start_matches('/'), command.about).input(input)
    });
    SessionUpdate::AvailableCommandsUpdate(AvailableCommandsUpdate::new(told.collect()))
}

/// Whether an editor has no better place for it. Whatever it says, every command can be typed.
fn makes_sense(command: &'static Command) -> bool {
    use OperationName as O;
    match command.operation() {
        // It asks about calls itself, has a button that stops, and leaves a session by closing it.
        None | Some(O::Approve | O::Answer | O::Refuse | O::Interrupt | O::Cancel | O::Detach) => false,
        Some(
            O::Steer
            | O::FollowUp
            | O::Pause
            | O::Resume
            | O::SetModel
            | O::Set
            | O::Compact
            | O::UndoCompaction
            | O::Rename
            | O::Fork
            | O::MoveLeaf
            | O::LeaveBranch
            | O::TakeBack
            | O::Label
            | O::PinEntry
            | O::Status
            | O::Context
            | O::Help,
        ) => true,
    }
}

/// What a command says, as the protocol shows text: several lines stay lines.
pub(super) fn shown(text: &str) -> String {
    let text = text.trim_end();
    match text.contains('\n') {
        true => format!("```\n{text}\n```\n"),
        false => format!("{text}\n"),
    }
}

//! Where a call works: on the disk and in a shell of this machine, or in an editor that looks at the session.

use std::sync::Arc;

use glasswork_agent_core::id::CallId;
use glasswork_engine::EffectPort;
use glasswork_session_state::editor::EditorPlace;
use glasswork_session_state::evidence::Evidence;
use glasswork_session_state::state::Session;
use glasswork_session_state::{Event, Glasswork, tools};

use crate::editors::{Editors, Offers};
use crate::tools::{Desk, InEditor, Tool};

/// How many calls are looked back at for one that worked in an editor.
const LOOK_BACK: usize = 64;

/// Where a call works, and where it says so. An editor's are the files of the workspace, which it has open, and no
/// others; of what only looks around in directories, editors lend nothing.
pub(super) fn of(
    session: &Session,
    editors: &Editors,
    port: &Arc<EffectPort<Glasswork>>,
    id: CallId,
    tool: Tool,
) -> Desk {
    let wanted: fn(Offers) -> bool = match tool {
        Tool::Read => |offers| offers.read,
        // What is changed is what was read.
        Tool::Edit => |offers| offers.read && offers.write,
        Tool::Write => |offers| offers.write,
        Tool::Bash if session.settings.editor_terminals.value => |offers| offers.terminals,
        Tool::Bash | Tool::Ls | Tool::Grep | Tool::Find => return Desk::Disk,
    };
    let evidence = session.call(id).and_then(|call| call.evidence());
    if let Some(Evidence::File(file)) = evidence.map(|evidence| &**evidence)
        && !file.inside_workspace
    {
        return Desk::Disk;
    }
    if let Some(editor) = editors.of(port.scope(), wanted) {
        let (weak, client, name) = (Arc::downgrade(port), editor.client(), Arc::clone(editor.name()));
        let placed = move |terminal: Option<&Arc<str>>| {
            if let Some(port) = weak.upgrade() {
                let place = EditorPlace {
                    client,
                    name: Arc::clone(&name),
                    terminal: terminal.cloned(),
                };
                tell(&port, id, Some(Arc::new(place)));
            }
        };
        return Desk::Editor(InEditor {
            editor,
            placed: Arc::new(placed),
        });
    }
    // It began in an editor, and is done again here.
    if session.call(id).is_some_and(|call| call.editor.is_some()) {
        tell(port, id, None);
    }
    match before(session, id, tool) {
        Some(editor) => Desk::Left(editor),
        None => Desk::Disk,
    }
}

fn tell(port: &EffectPort<Glasswork>, call: CallId, editor: Option<Arc<EditorPlace>>) {
    port.progress(Event::Tools(tools::Event::ToolPlaced { call, editor }));
}

/// The editor in which the last call of this kind worked. One that failed here said nothing of an editor that has left,
/// so the next one does.
fn before(session: &Session, id: CallId, tool: Tool) -> Option<Arc<str>> {
    let is_command = tool == Tool::Bash;
    let calls = session.calls.iter().rev().take(LOOK_BACK);
    let mut alike = calls.filter(|(other, call)| {
        let outcome = call.outcome.as_ref();
        let ran = outcome.is_some_and(|outcome| call.editor.is_some() || !outcome.is_error);
        let kind = match call.call.name.parse() {
            Ok(Tool::Bash) => is_command,
            Ok(Tool::Read | Tool::Edit | Tool::Write) => !is_command,
            _ => false,
        };
        **other != id && ran && kind
    });
    let (_, last) = alike.next()?;
    last.editor.as_ref().map(|editor| Arc::clone(&editor.name))
}

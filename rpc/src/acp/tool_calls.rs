//! Tool calls as the protocol shows them: kinds, titles, places, what they changed and what they said.

use std::path::PathBuf;

use agent_client_protocol::v1::schema::{
    Content, Diff, Terminal, ToolCall, ToolCallContent, ToolCallLocation, ToolCallStatus, ToolCallUpdate,
    ToolCallUpdateFields, ToolKind,
};
use glasswork_agent_core::id::CallId;
use glasswork_agent_core::tool_call::State;
use glasswork_session_state::call::Call;
use glasswork_session_state::state::Session;
use serde_json::Value;

/// A call, as it stands in a session, or as the model wrote it where the session does not know it any more.
pub(super) struct Shown<'a> {
    id: CallId,
    name: &'a str,
    arguments: Value,
    known: Option<&'a Call>,
    workspace: &'a str,
    /// The connection of whom it is shown to, where that may know its terminal.
    to: Option<u64>,
}

impl<'a> Shown<'a> {
    pub(super) fn new(session: &'a Session, id: CallId, name: &'a str, arguments: &str) -> Self {
        Self {
            id,
            name,
            // What the model wrote need not be JSON; then it is shown as the text that it is.
            arguments: serde_json::from_str(arguments).unwrap_or_else(|_| Value::from(arguments)),
            known: session.call(id).map(|call| &**call),
            workspace: &session.meta.workspace,
            to: None,
        }
    }

    /// The same for the client of this connection: where the call runs in its own terminal, that is shown.
    pub(super) fn to(mut self, connection: u64) -> Self {
        self.to = Some(connection);
        self
    }

    /// The call as it is shown first, in the state in which it stands.
    pub(super) fn first(&self) -> ToolCall {
        ToolCall::new(self.id.to_string(), self.title())
            .name(self.name.to_owned())
            .kind(kind(self.name))
            .status(
                self.known
                    .map_or(ToolCallStatus::Pending, |call| status(call.state)),
            )
            .content(self.content())
            .locations(self.locations())
            .raw_input(self.arguments.clone())
    }

    /// The same as an update, for asking about it and for what it became.
    pub(super) fn update(&self) -> ToolCallUpdate {
        let fields = ToolCallUpdateFields::new()
            .title(self.title())
            .kind(kind(self.name))
            .status(self.known.map(|call| status(call.state)))
            .content(self.content())
            .locations(self.locations())
            .raw_input(self.arguments.clone());
        ToolCallUpdate::new(self.id.to_string(), fields)
    }

    fn text(&self, field: &str) -> &str {
        self.arguments
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    fn title(&self) -> String {
        let about = match self.name {
            "bash" => self.text("command"),
            "grep" | "find" => self.text("pattern"),
            glasswork_agent_core::question::TOOL => self.text("question"),
            _ => self.text("path"),
        };
        match about {
            "" => self.name.to_owned(),
            about => format!("{}: {about}", self.name),
        }
    }

    /// The file that it is about, resolved where that is known.
    fn path(&self) -> Option<PathBuf> {
        let resolved = self.known.and_then(Call::path).map(|path| PathBuf::from(&**path));
        resolved.or_else(|| match self.text("path") {
            "" => None,
            path => Some(PathBuf::from(self.workspace).join(path)),
        })
    }

    fn locations(&self) -> Vec<ToolCallLocation> {
        self.path().map(ToolCallLocation::new).into_iter().collect()
    }

    /// What it shows: of an edit the pieces that it replaces, of a file that is written its text, and what it said.
    fn content(&self) -> Vec<ToolCallContent> {
        let mut content = self.changes();
        if let Some(terminal) = self.terminal() {
            content.push(ToolCallContent::Terminal(Terminal::new(terminal.to_string())));
        }
        let outcome = self.known.and_then(|call| call.outcome.as_ref());
        let said = outcome.map(|outcome| &outcome.text);
        let said = said.or_else(|| self.known.and_then(|call| call.tail.as_ref()));
        // That an edit was made is told by the edit itself.
        let is_told = !content.is_empty() && outcome.is_none_or(|outcome| !outcome.is_error);
        if let Some(said) = said.filter(|said| !is_told && !said.is_empty()) {
            content.push(ToolCallContent::Content(Content::new(said.to_string())));
        }
        content
    }

    /// The terminal in which it runs, of the client to whom it is shown: nobody else knows it by that name.
    fn terminal(&self) -> Option<&str> {
        let editor = self.known?.editor.as_ref()?;
        let terminal = editor.terminal.as_deref();
        terminal.filter(|_| self.to == Some(editor.client))
    }

    fn changes(&self) -> Vec<ToolCallContent> {
        let Some(path) = self.path() else {
            return Vec::new();
        };
        match self.name {
            "write" => vec![ToolCallContent::Diff(Diff::new(path, self.text("content")))],
            "edit" => {
                let edits = self.arguments.get("edits").and_then(Value::as_array);
                let piece = |edit: &Value, field: &str| Some(edit.get(field)?.as_str()?.to_owned());
                let diffs = edits.into_iter().flatten().filter_map(|edit| {
                    let diff = Diff::new(path.clone(), piece(edit, "new_text")?);
                    Some(ToolCallContent::Diff(diff.old_text(piece(edit, "old_text")?)))
                });
                diffs.collect()
            }
            _ => Vec::new(),
        }
    }
}

/// What kind of work a tool does, for the picture that a client shows.
fn kind(tool: &str) -> ToolKind {
    match tool {
        "read" | "ls" => ToolKind::Read,
        "edit" | "write" => ToolKind::Edit,
        "bash" => ToolKind::Execute,
        "grep" | "find" => ToolKind::Search,
        glasswork_agent_core::plan::TOOL | glasswork_agent_core::question::TOOL => ToolKind::Think,
        _ => ToolKind::Other,
    }
}

fn status(state: State) -> ToolCallStatus {
    match state {
        State::Proposed | State::Evidence | State::Asked | State::Questioning | State::Allowed => {
            ToolCallStatus::Pending
        }
        State::Running | State::Cancelling => ToolCallStatus::InProgress,
        State::Succeeded => ToolCallStatus::Completed,
        State::Denied | State::Failed | State::Cancelled | State::UnknownOutcome => ToolCallStatus::Failed,
    }
}

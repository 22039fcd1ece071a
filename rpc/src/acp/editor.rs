//! The client as an editor that lends a session what it has open, and its terminals.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use agent_client_protocol::v1::ConnectionTo;
use agent_client_protocol::v1::schema::{
    ClientCapabilities, CreateTerminalRequest, EnvVariable, KillTerminalRequest, ReadTextFileRequest,
    ReleaseTerminalRequest, TerminalOutputRequest, WaitForTerminalExitRequest, WriteTextFileRequest,
};
use agent_client_protocol::{
    Client, Error, ErrorCode, JsonRpcRequest, JsonRpcResponse, is_connection_terminated,
    is_incoming_transport_closed,
};
use glasswork_app_runtime::editors::{
    Answer, Editor, EditorError, Offers, TerminalCommand, TerminalExit, TerminalOutput,
};
use glasswork_engine::ScopeId;
use tokio::sync::watch;

/// What a client says that it lends.
pub(super) fn offers(capabilities: &ClientCapabilities) -> Offers {
    Offers {
        read: capabilities.fs.read_text_file,
        write: capabilities.fs.write_text_file,
        terminals: capabilities.terminal,
    }
}

/// How long a terminal is kept for a client that has not been told yet which call runs in it: it must know that before.
const UNSHOWN: Duration = Duration::from_secs(10);
/// Most terminals of which is remembered that they were shown.
const SHOWN: usize = 64;

/// What is known of a client as an editor, whatever the session.
#[derive(Debug, Default)]
pub(super) struct Presence {
    has_left: AtomicBool,
    shown: watch::Sender<VecDeque<Arc<str>>>,
}

impl Presence {
    /// It has left: it lends nothing any more.
    pub(super) fn leave(&self) {
        self.has_left.store(true, Ordering::Release);
    }

    /// It was told which call runs in a terminal of its own.
    pub(super) fn show(&self, terminal: &Arc<str>) {
        self.shown.send_modify(|shown| {
            shown.push_back(Arc::clone(terminal));
            if shown.len() > SHOWN {
                shown.pop_front();
            }
        });
    }

    async fn shown(&self, terminal: &str) {
        let mut shown = self.shown.subscribe();
        let is_shown = |shown: &VecDeque<Arc<str>>| shown.iter().any(|known| &**known == terminal);
        let _ = tokio::time::timeout(UNSHOWN, shown.wait_for(is_shown)).await;
    }
}

/// A client, for one session.
#[derive(Clone)]
pub(super) struct AcpEditor {
    pub(super) client: ConnectionTo<Client>,
    pub(super) number: u64,
    pub(super) name: Arc<str>,
    pub(super) session: ScopeId,
    pub(super) offers: Offers,
    pub(super) presence: Arc<Presence>,
}

impl AcpEditor {
    /// Asks the client. Where nobody waits for the answer any more, it is told so.
    fn ask<R, T>(&self, request: R, take: impl FnOnce(R::Response) -> T + Send + 'static) -> Answer<T>
    where
        R: JsonRpcRequest + Send + 'static,
        R::Response: JsonRpcResponse + Send + 'static,
        T: Send + 'static,
    {
        // Sent when it is asked, not when the answer is first waited for.
        let sent = self.client.send_request(request);
        let presence = Arc::clone(&self.presence);
        Box::pin(async move {
            let answer = sent.block_task().await.map(take).map_err(refused);
            if let Err(EditorError::Gone) = answer {
                presence.leave();
            }
            answer
        })
    }

    fn session(&self) -> String {
        self.session.to_string()
    }
}

fn refused(error: Error) -> EditorError {
    if is_incoming_transport_closed(&error) || is_connection_terminated(&error) {
        return EditorError::Gone;
    }
    if error.code == ErrorCode::RESOURCE_NOT_FOUND {
        return EditorError::NotFound;
    }
    EditorError::Refused(match error.data {
        Some(data) => format!("{} ({data})", error.message),
        None => error.message,
    })
}

impl Editor for AcpEditor {
    fn client(&self) -> u64 {
        self.number
    }

    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn offers(&self) -> Offers {
        match self.presence.has_left.load(Ordering::Acquire) {
            true => Offers::default(),
            false => self.offers,
        }
    }

    fn read(&self, path: &Path) -> Answer<String> {
        let request = ReadTextFileRequest::new(self.session(), path);
        self.ask(request, |answer| answer.content)
    }

    fn write(&self, path: &Path, text: String) -> Answer<()> {
        let request = WriteTextFileRequest::new(self.session(), path, text);
        self.ask(request, |_| ())
    }

    fn start(&self, command: TerminalCommand) -> Answer<Arc<str>> {
        let variables = command.environment.into_iter();
        let variables = variables
            .map(|(name, value)| EnvVariable::new(name, value))
            .collect();
        let request = CreateTerminalRequest::new(self.session(), command.program)
            .args(command.arguments)
            .env(variables)
            .cwd(command.directory)
            .output_byte_limit(command.output_bytes);
        self.ask(request, |answer| answer.terminal_id.0)
    }

    fn output(&self, terminal: &str) -> Answer<TerminalOutput> {
        let request = TerminalOutputRequest::new(self.session(), terminal.to_owned());
        self.ask(request, |answer| TerminalOutput {
            text: answer.output,
            truncated: answer.truncated,
        })
    }

    fn exit(&self, terminal: &str) -> Answer<TerminalExit> {
        let request = WaitForTerminalExitRequest::new(self.session(), terminal.to_owned());
        self.ask(request, |answer| TerminalExit {
            code: answer.exit_status.exit_code,
            signal: answer.exit_status.signal,
        })
    }

    fn kill(&self, terminal: &str) -> Answer<()> {
        let request = KillTerminalRequest::new(self.session(), terminal.to_owned());
        self.ask(request, |_| ())
    }

    fn release(&self, terminal: &str) -> Answer<()> {
        let editor = self.clone();
        let terminal = terminal.to_owned();
        Box::pin(async move {
            editor.presence.shown(&terminal).await;
            let request = ReleaseTerminalRequest::new(editor.session(), terminal);
            editor.ask(request, |_| ()).await
        })
    }
}

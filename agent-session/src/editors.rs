//! Editors that look at sessions and lend what they have: the texts that are open in them, saved or not, and terminals.
//!
//! A call that works in an editor is judged as every other is, before; and what came of it is in the record, so a replay
//! needs no editor.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use glasswork_engine::ScopeId;
use thiserror::Error;

/// What an editor lends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offers {
    /// The texts of files, as they are in it.
    pub read: bool,
    /// Writing them.
    pub write: bool,
    /// Terminals.
    pub terminals: bool,
}

/// Why an editor did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EditorError {
    /// It has left, or leaves.
    #[error("it has left")]
    Gone,
    /// It has no such thing.
    #[error("it has none")]
    NotFound,
    /// It said no.
    #[error("{0}")]
    Refused(String),
}

/// What an editor says in the end.
pub type Answer<T> = Pin<Box<dyn Future<Output = Result<T, EditorError>> + Send>>;

/// A command for a terminal of an editor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TerminalCommand {
    /// The program.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Variables that it has besides those that the editor gives.
    pub environment: Vec<(String, String)>,
    /// Where it runs.
    pub directory: PathBuf,
    /// Bytes of its output that are wanted: the last ones.
    pub output_bytes: u64,
}

/// What a terminal shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TerminalOutput {
    /// The text, or the last of it.
    pub text: String,
    /// Whether something came before that.
    pub truncated: bool,
}

/// How the command in a terminal ended, as the editor says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TerminalExit {
    /// Its code.
    pub code: Option<u32>,
    /// The signal that ended it.
    pub signal: Option<String>,
}

/// An editor. Dropping an answer that is waited for says that nobody waits any more.
pub trait Editor: Send + Sync + 'static {
    /// Its connection, by number.
    fn client(&self) -> u64;

    /// What it calls itself.
    fn name(&self) -> &Arc<str>;

    /// What it lends.
    fn offers(&self) -> Offers;

    /// The whole text of a file, as it is in the editor.
    fn read(&self, path: &Path) -> Answer<String>;

    /// Makes this the text of a file.
    fn write(&self, path: &Path, text: String) -> Answer<()>;

    /// Starts a command in a terminal, and says how that is called.
    fn start(&self, command: TerminalCommand) -> Answer<Arc<str>>;

    /// What a terminal shows now.
    fn output(&self, terminal: &str) -> Answer<TerminalOutput>;

    /// How the command in a terminal ends, once it has.
    fn exit(&self, terminal: &str) -> Answer<TerminalExit>;

    /// Ends the command in a terminal. That stays.
    fn kill(&self, terminal: &str) -> Answer<()>;

    /// Gives a terminal back, and ends the command in it where that still runs.
    fn release(&self, terminal: &str) -> Answer<()>;
}

/// Who lends something to which session, in the order in which they came, each with a number of its own there.
type Lenders = BTreeMap<ScopeId, Vec<(u64, Arc<dyn Editor>)>>;

/// The editors of all sessions of this process.
#[derive(Default)]
pub struct Editors {
    sessions: Mutex<Lenders>,
}

impl fmt::Debug for Editors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Editors").finish_non_exhaustive()
    }
}

impl Editors {
    /// An editor lends a session what it has, until what this gives is dropped.
    #[must_use = "it lends nothing any more once this is dropped"]
    pub fn lend(self: &Arc<Self>, session: ScopeId, editor: Arc<dyn Editor>) -> Loan {
        let mut sessions = self.sessions();
        let editors = sessions.entry(session).or_default();
        let number = editors.last().map_or(0, |(last, _)| last + 1);
        editors.push((number, editor));
        Loan {
            editors: Arc::clone(self),
            session,
            number,
        }
    }

    /// The editor of a session that lends what is wanted: of several the one that came first.
    #[must_use]
    pub fn of(&self, session: ScopeId, wanted: impl Fn(Offers) -> bool) -> Option<Arc<dyn Editor>> {
        let sessions = self.sessions();
        let mut editors = sessions.get(&session)?.iter();
        let found = editors.find(|(_, editor)| wanted(editor.offers()));
        found.map(|(_, editor)| Arc::clone(editor))
    }

    fn sessions(&self) -> MutexGuard<'_, Lenders> {
        // Nothing is done under this lock that could leave it half-changed.
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an editor lends to a session, as long as this lives.
#[derive(Debug)]
pub struct Loan {
    editors: Arc<Editors>,
    session: ScopeId,
    number: u64,
}

impl Drop for Loan {
    fn drop(&mut self) {
        let mut sessions = self.editors.sessions();
        if let Some(editors) = sessions.get_mut(&self.session) {
            editors.retain(|(number, _)| *number != self.number);
            if editors.is_empty() {
                sessions.remove(&self.session);
            }
        }
    }
}

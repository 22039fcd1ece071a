//! An editor as the place where a call works: in what it has open, or in one of its terminals.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longest name of an editor that is kept, and longest id of a terminal, in bytes.
pub const NAME_BYTES: usize = 128;

/// Where a call works that works in an editor: its text comes from there and goes there, or its command runs there.
/// Without one it works on the disk and in a shell of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditorPlace {
    /// The editor's connection, by number: the origin of what it asks for.
    pub client: u64,
    /// What the editor calls itself.
    pub name: Arc<str>,
    /// The terminal in which a command runs, as the editor calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal: Option<Arc<str>>,
}

impl EditorPlace {
    /// The same, with no text longer than [`NAME_BYTES`].
    pub(crate) fn capped(&self) -> Self {
        let cap = |text: &Arc<str>| match text.len() <= NAME_BYTES {
            true => Arc::clone(text),
            false => {
                let end = text.floor_char_boundary(NAME_BYTES);
                text.get(..end).unwrap_or_default().into()
            }
        };
        Self {
            client: self.client,
            name: cap(&self.name),
            terminal: self.terminal.as_ref().map(cap),
        }
    }
}

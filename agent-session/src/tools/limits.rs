//! What a tool may take and give at most.

use std::time::Duration;

/// What a tool may take and give at most. [`Limits::default`] is what the tools' descriptions tell the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Lines that one result holds.
    pub lines: usize,
    /// Bytes that one result holds, before the notes about what was left out.
    pub bytes: usize,
    /// Characters of a line that `grep` shows.
    pub line_chars: usize,
    /// Entries that `ls` shows.
    pub entries: usize,
    /// Bytes of a file that `edit` takes, and of which a diff is made.
    pub edit_bytes: u64,
    /// Bytes of a diff in an outcome's details.
    pub diff_bytes: usize,
    /// Bytes of a file up to which evidence has its digest.
    pub digest_bytes: u64,
    /// How long a command may run unless the call says otherwise.
    pub command_time: Duration,
    /// How long processes have to end after SIGTERM, before SIGKILL.
    pub grace: Duration,
    /// Bytes of one command's output that are stored.
    pub output_bytes: u64,
    /// Bytes of the last output that a progress report holds.
    pub progress_bytes: usize,
    /// How long an editor may take to answer.
    pub editor_time: Duration,
    /// Bytes of a command's output that a terminal of an editor keeps.
    pub terminal_bytes: u64,
    /// Time between two looks at what a terminal of an editor shows.
    pub terminal_interval: Duration,
    /// Least time between two progress reports.
    pub progress_interval: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            lines: 2000,
            bytes: 50 * 1024,
            line_chars: 500,
            entries: 500,
            edit_bytes: 16 * 1024 * 1024,
            diff_bytes: 50 * 1024,
            digest_bytes: 1024 * 1024,
            command_time: Duration::from_secs(120),
            grace: Duration::from_secs(2),
            output_bytes: 64 * 1024 * 1024,
            progress_bytes: 2048,
            editor_time: Duration::from_secs(20),
            terminal_bytes: 1024 * 1024,
            terminal_interval: Duration::from_secs(1),
            progress_interval: Duration::from_millis(250),
        }
    }
}

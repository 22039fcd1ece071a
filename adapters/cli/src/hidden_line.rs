//! A line that a person types and nobody sees.

use std::io::{self, Read as _};

use glasswork_ai::sign_in::Secret;
use rustix::termios::{self, LocalModes, OptionalActions, Termios};

/// A longer line is no key.
const MOST_BYTES: usize = 16 << 10;

/// The terminal while nothing that is typed is shown. Dropping it, in whatever way, gives it back.
struct Hidden(Termios);

impl Hidden {
    fn begin() -> io::Result<Self> {
        let before = termios::tcgetattr(io::stdin())?;
        let mut hidden = before.clone();
        // Signals are read as keys, so that the terminal is given back before the program ends.
        hidden
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        termios::tcsetattr(io::stdin(), OptionalActions::Flush, &hidden)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}

/// Reads a line from the terminal; `None` where the person gave up.
///
/// # Errors
/// The terminal cannot be read.
pub(crate) fn from_terminal() -> io::Result<Option<Secret>> {
    let _hidden = Hidden::begin()?;
    let mut line = Vec::new();
    for byte in io::stdin().lock().bytes() {
        match byte? {
            b'\r' | b'\n' => return Ok(Some(text(&line))),
            // Ctrl-C, Ctrl-\, and Ctrl-D.
            3 | 28 | 4 => return Ok(None),
            8 | 127 => drop(line.pop()),
            byte if line.len() < MOST_BYTES => line.push(byte),
            _ => {}
        }
    }
    Ok(None)
}

/// Reads all of standard input, where that is no terminal.
///
/// # Errors
/// It cannot be read.
pub(crate) fn from_pipe() -> io::Result<Secret> {
    let mut all = Vec::new();
    io::stdin().lock().take(MOST_BYTES as u64).read_to_end(&mut all)?;
    Ok(text(&all))
}

fn text(bytes: &[u8]) -> Secret {
    String::from_utf8_lossy(bytes).trim().to_owned().into()
}

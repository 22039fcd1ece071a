//! Lines that a person types. One is read only when it is wanted, so that whatever else reads keys finds them all.

use std::io::{self, BufRead as _};
use std::sync::mpsc as blocking;
use std::thread;

use tokio::sync::mpsc;

/// Reads lines of standard input, on a thread that ends with the process.
pub(crate) struct Typing {
    wants: blocking::Sender<()>,
    lines: mpsc::Receiver<String>,
    wanted: bool,
}

impl Typing {
    pub(crate) fn begin() -> Self {
        let (wants, wanted) = blocking::channel();
        let (line, lines) = mpsc::channel(1);
        thread::spawn(move || {
            let mut typed = io::stdin().lock().lines();
            while let Ok(()) = wanted.recv() {
                let Some(Ok(typed)) = typed.next() else { return };
                if line.blocking_send(typed).is_err() {
                    return;
                }
            }
        });
        Self {
            wants,
            lines,
            wanted: false,
        }
    }

    /// The next line; `None` at the end. Cancellation safe.
    pub(crate) async fn next(&mut self) -> Option<String> {
        if !self.wanted {
            // Where the thread has ended there is no line either.
            let _ = self.wants.send(());
            self.wanted = true;
        }
        let line = self.lines.recv().await;
        self.wanted = false;
        line
    }
}

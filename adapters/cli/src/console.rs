//! The two streams of a command: data on standard output, the rest on standard error.

use std::io::{self, IsTerminal as _, Write as _};

use glasswork_app_runtime::homes::Environment;
use serde::Serialize;

use crate::problem::Problem;

/// The console of this process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Console {
    /// How standard output may be painted.
    pub out: Paint,
    /// How standard error may be painted.
    pub err: Paint,
    /// Whether standard output is a terminal.
    pub out_is_terminal: bool,
    /// Whether a person can be asked: standard input and standard error are terminals.
    pub can_ask: bool,
    /// Whether lists can be drawn for them: their terminal can move its cursor.
    pub can_draw: bool,
}

impl Console {
    /// The console as the environment describes it.
    #[must_use]
    pub(crate) fn find(environment: &Environment) -> Self {
        let [out, err] = [io::stdout().is_terminal(), io::stderr().is_terminal()];
        let can_ask = io::stdin().is_terminal() && err;
        let term = environment.text("TERM");
        Self {
            out: Paint(coloured(environment, out)),
            err: Paint(coloured(environment, err)),
            out_is_terminal: out,
            can_ask,
            can_draw: can_ask && term.is_some_and(|term| term != "dumb"),
        }
    }

    /// Writes data.
    ///
    /// # Errors
    /// [`Problem::Closed`] where nobody reads any more.
    pub(crate) fn data(&self, text: &str) -> Result<(), Problem> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())
            .and_then(|()| out.flush())
            .map_err(Problem::output)
    }

    /// Writes one JSON document or line as data.
    ///
    /// # Errors
    /// As [`data`](Self::data).
    pub(crate) fn json(&self, value: &impl Serialize, layout: Layout) -> Result<(), Problem> {
        let text = match layout {
            Layout::Document => serde_json::to_string_pretty(value),
            Layout::Line => serde_json::to_string(value),
        };
        self.data(&(text.map_err(Problem::defect)? + "\n"))
    }

    /// Warns of something, where there is something to warn of.
    pub(crate) fn warn(&self, warning: Option<String>) {
        if let Some(text) = warning {
            self.note(&format!(
                "{} {}\n",
                self.err.bold("warning:"),
                crate::escape::text(&text)
            ));
        }
    }

    /// Writes for people. Where nobody reads it, nothing is lost.
    pub(crate) fn note(&self, text: &str) {
        let mut err = io::stderr().lock();
        let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
    }
}

/// How JSON is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Over many lines, for one document.
    Document,
    /// On one line, for a stream of them.
    Line,
}

/// Colours and weights, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paint(pub bool);

impl Paint {
    /// Of lesser weight.
    #[must_use]
    pub(crate) fn dim(self, text: &str) -> String {
        self.with("2", text)
    }
    /// Of greater weight.
    #[must_use]
    pub(crate) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }
    /// Wrong.
    #[must_use]
    pub(crate) fn red(self, text: &str) -> String {
        self.with("31", text)
    }
    /// Right.
    #[must_use]
    pub(crate) fn green(self, text: &str) -> String {
        self.with("32", text)
    }
    /// Something to do.
    #[must_use]
    pub(crate) fn cyan(self, text: &str) -> String {
        self.with("36", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        match self.0 && !text.is_empty() {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }
}

/// Whether to paint, by the conventions of <https://no-color.org> and <https://bixense.com/clicolors>.
fn coloured(environment: &Environment, is_terminal: bool) -> bool {
    if environment.text("NO_COLOR").is_some() {
        return false;
    }
    if environment
        .text("CLICOLOR_FORCE")
        .is_some_and(|force| force != "0")
    {
        return true;
    }
    let refused = environment.text("CLICOLOR") == Some("0") || environment.text("TERM") == Some("dumb");
    is_terminal && !refused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_follow_the_conventions() {
        let check = |variables: &[(&str, &str)], [piped, terminal]: [bool; 2]| {
            let environment = Environment::of(variables.iter().copied());
            assert_eq!(
                [coloured(&environment, false), coloured(&environment, true)],
                [piped, terminal],
                "{variables:?}"
            );
        };
        check(&[], [false, true]);
        check(&[("TERM", "dumb")], [false, false]);
        check(&[("NO_COLOR", "")], [false, true]);
        check(&[("NO_COLOR", "1")], [false, false]);
        check(&[("CLICOLOR", "0")], [false, false]);
        check(&[("CLICOLOR_FORCE", "1")], [true, true]);
        check(&[("CLICOLOR_FORCE", "0")], [false, true]);
        check(&[("CLICOLOR_FORCE", "1"), ("TERM", "dumb")], [true, true]);
        check(&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], [false, false]);
    }
}

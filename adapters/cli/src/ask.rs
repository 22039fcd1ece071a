//! Asking the person at the terminal: whether a call may run, and what the model wants to know.

use std::collections::VecDeque;
use std::io::{self, BufRead as _};
use std::sync::Arc;
use std::thread;

use glasswork_agent_core::id::CallId;
use glasswork_agent_core::question;
use glasswork_app_runtime::explain;
use glasswork_session_state::judge::Judgement;
use rustix::termios::{QueueSelector, tcflush};
use tokio::sync::mpsc;

use crate::console::{Console, Paint};
use crate::escape;

/// What a person is asked about a call.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// The call.
    pub call: CallId,
    /// What is asked.
    pub asks: Asks,
}

/// What a person can be asked.
#[derive(Debug, Clone)]
pub(crate) enum Asks {
    /// Whether the call may run.
    Permission {
        /// The tool.
        name: Arc<str>,
        /// The arguments as the model wrote them.
        arguments: Arc<str>,
        /// Why the person is asked.
        judgement: Option<Arc<Judgement>>,
    },
    /// What the model wants to know.
    Answer(Arc<question::Question>),
}

/// What a person says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Says {
    /// The call may run.
    Yes,
    /// It may not, or there is no answer to what it asks.
    No,
    /// The answer to what it asks.
    Line(String),
}

/// Asks one question at a time.
#[derive(Debug)]
pub(crate) struct Asker {
    console: Console,
    open: VecDeque<Question>,
    lines: Option<mpsc::UnboundedReceiver<String>>,
}

impl Asker {
    /// Asks on this console, on which a person can be asked.
    #[must_use]
    pub(crate) fn on(console: Console) -> Self {
        Self {
            console,
            open: VecDeque::new(),
            lines: None,
        }
    }

    /// Takes a question in.
    pub(crate) fn ask(&mut self, question: Question) {
        self.open.push_back(question);
        if self.open.len() == 1 {
            self.put();
        }
    }

    /// A question is answered or withdrawn.
    pub(crate) fn withdraw(&mut self, call: CallId) {
        let asked = self.open.front().is_some_and(|question| question.call == call);
        self.open.retain(|question| question.call != call);
        if asked && !self.open.is_empty() {
            self.put();
        }
    }

    /// The answer to the question that was put; never, where none was. Cancellation safe.
    pub(crate) async fn answer(&mut self) -> (CallId, Says) {
        loop {
            let (Some(question), Some(lines)) = (self.open.front(), &mut self.lines) else {
                return std::future::pending().await;
            };
            let call = question.call;
            let line = lines.recv().await;
            match (&question.asks, line.as_deref().map(str::trim)) {
                // The end of input is no consent, and no answer.
                (_, None) => return (call, Says::No),
                (Asks::Answer(_), Some("")) => return (call, Says::No),
                (Asks::Answer(_), Some(line)) => return (call, Says::Line(line.to_owned())),
                (Asks::Permission { .. }, Some("y" | "Y" | "yes" | "Yes")) => return (call, Says::Yes),
                (Asks::Permission { .. }, Some("n" | "N" | "no" | "No")) => return (call, Says::No),
                (Asks::Permission { .. }, Some(_)) => self
                    .console
                    .note("Type y to let it run, n to refuse, Ctrl-C to stop the turn: "),
            }
        }
    }

    /// Puts a question again, because what was said to it is no answer.
    pub(crate) fn again(&mut self, call: CallId, why: &str) {
        if self.open.front().is_some_and(|question| question.call == call) {
            self.console.note(&format!("{}\n> ", escape::line(why)));
        }
    }

    fn put(&mut self) {
        // What was typed before the question was seen is no answer to it.
        let _ = tcflush(io::stdin(), QueueSelector::IFlush);
        let lines = self.lines.get_or_insert_with(read_lines);
        while lines.try_recv().is_ok() {}
        if let Some(question) = self.open.front() {
            self.console.note(&text(question, &self.console));
        }
    }
}

fn text(question: &Question, console: &Console) -> String {
    match &question.asks {
        Asks::Permission {
            name,
            arguments,
            judgement,
        } => permission(name, arguments, judgement.as_deref(), console.err),
        Asks::Answer(question) => {
            let how = match (question.options.is_empty(), question.multi_select) {
                (true, _) => "Type the answer",
                (false, false) => "Type a number, or another answer",
                (false, true) => "Type numbers with commas between them, or another answer",
            };
            format!(
                "\n{}{how}; Enter alone leaves it open.\n> ",
                asked(question, console.err)
            )
        }
    }
}

fn permission(name: &str, json: &str, judgement: Option<&Judgement>, paint: Paint) -> String {
    let mut text = format!(
        "\n{}\n",
        paint.bold(&format!("May this call of `{}` run?", escape::line(name)))
    );
    for line in arguments(json) {
        text.push_str(&format!("  {line}\n"));
    }
    if let Some(judgement) = judgement {
        text.push_str(&paint.dim(&format!("  {}\n", escape::line(&explain::judgement(judgement)))));
    }
    text.push_str("[y/n] ");
    text
}

/// A question of the model, with what it offers by number.
pub(crate) fn asked(question: &question::Question, paint: Paint) -> String {
    let mut text = format!("{}\n", paint.bold(&escape::text(&question.question)));
    for (number, option) in (1..).zip(&question.options) {
        text.push_str(&format!("  {number}. {}", escape::line(&option.label)));
        if let Some(description) = &option.description {
            text.push_str(&paint.dim(&format!(" – {}", escape::line(description))));
        }
        text.push('\n');
    }
    text
}

/// The arguments in full, a line for each and one for each further line of a text.
pub(crate) fn arguments(json: &str) -> Vec<String> {
    let Ok(serde_json::Value::Object(arguments)) = serde_json::from_str(json) else {
        return vec![escape::line(json).into_owned()];
    };
    let lines = arguments.into_iter().flat_map(|(name, value)| {
        let value = match value {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        let name = escape::line(&name).into_owned();
        let lines: Vec<_> = value
            .split('\n')
            .map(|line| escape::line(line).into_owned())
            .collect();
        match lines.as_slice() {
            [only] => vec![format!("{name}: {only}")],
            several => {
                let each = several.iter().map(|line| format!("  | {line}"));
                std::iter::once(format!("{name}:")).chain(each).collect()
            }
        }
    });
    lines.collect()
}

/// Reads standard input on a thread of its own: reading a terminal cannot be called off.
fn read_lines() -> mpsc::UnboundedReceiver<String> {
    let (sender, lines) = mpsc::unbounded_channel();
    // Without the thread the channel is closed at once, which is an answer: no.
    let _ = thread::Builder::new().name("terminal".to_owned()).spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_sees_all_that_would_run() {
        let check = |json: &str, expected: &[&str]| assert_eq!(arguments(json), expected, "{json}");
        check(r#"{"command": "sh check.sh"}"#, &["command: sh check.sh"]);
        check(
            r#"{"command": "echo ok\nrm -rf \u001b[8m~", "timeout": 5}"#,
            &["command:", "  | echo ok", "  | rm -rf \\u{1b}[8m~", "timeout: 5"],
        );
        check("{\"command\": \"ls\r", &["{\"command\": \"ls\\r"]);
    }
}

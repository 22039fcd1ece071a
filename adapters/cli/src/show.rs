//! What happens in a session, as text.

use std::fmt::Write as _;

use glasswork_agent_core::compaction::Why;
use glasswork_agent_core::question;
use glasswork_agent_core::structured::{Around, Telling};
use glasswork_agent_core::{tool_call, turn};
use glasswork_app_runtime::explain;
use glasswork_app_runtime::watching::Update;
use glasswork_session_state::call::Detail;
use glasswork_session_state::judge::Verdict;

use crate::ask;
use crate::console::{Console, Paint};
use crate::escape;
use crate::plan;
use crate::problem::Problem;
use crate::session_list::time;

/// Most lines that are shown of a tool's output; the session has the rest.
const OUTPUT_LINES: usize = 12;
/// Most characters of a line of it.
const OUTPUT_CHARS: usize = 400;

/// Where a screen writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum To {
    /// Standard output.
    Data,
    /// Standard error.
    Notes,
}

/// Shows updates as they come.
#[derive(Debug)]
pub(crate) struct Screen {
    console: Console,
    /// Where the model's answers go.
    answers: To,
    /// Where everything else goes.
    progress: To,
    /// What stands on the line that has no end yet.
    open: Option<Kind>,
}

/// What streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
}

impl Screen {
    /// A screen on which nothing stands.
    #[must_use]
    pub(crate) fn new(console: Console, answers: To, progress: To) -> Self {
        Self {
            console,
            answers,
            progress,
            open: None,
        }
    }

    /// Shows something that is not of the session.
    ///
    /// # Errors
    /// [`Problem::Closed`].
    pub(crate) fn tell(&mut self, text: &str) -> Result<(), Problem> {
        self.end_line()?;
        self.write(self.progress, &format!("{text}\n"))
    }

    /// How what is told may be painted.
    #[must_use]
    pub(crate) fn paint(&self) -> Paint {
        match self.progress {
            To::Data => self.console.out,
            To::Notes => self.console.err,
        }
    }

    /// Shows an update.
    ///
    /// # Errors
    /// [`Problem::Closed`].
    pub(crate) fn show(&mut self, update: &Update) -> Result<(), Problem> {
        match update {
            Update::Text { text } => self.stream(Kind::Text, text),
            Update::Thinking { text } => self.stream(Kind::Thinking, text),
            other => match line(other, self.paint()) {
                Some(text) => self.tell(&text),
                None => Ok(()),
            },
        }
    }

    fn stream(&mut self, kind: Kind, text: &str) -> Result<(), Problem> {
        if self.open != Some(kind) {
            self.end_line()?;
            self.open = Some(kind);
        }
        let text = escape::text(text);
        match kind {
            Kind::Text => self.write(self.answers, &text),
            Kind::Thinking => {
                let dim = self.paint().dim(&text);
                self.write(self.progress, &dim)
            }
        }
    }

    fn end_line(&mut self) -> Result<(), Problem> {
        match self.open.take() {
            Some(Kind::Text) => self.write(self.answers, "\n"),
            Some(Kind::Thinking) => self.write(self.progress, "\n"),
            None => Ok(()),
        }
    }

    fn write(&self, to: To, text: &str) -> Result<(), Problem> {
        match to {
            To::Data => self.console.data(text),
            To::Notes => {
                self.console.note(text);
                Ok(())
            }
        }
    }
}

fn line(update: &Update, paint: Paint) -> Option<String> {
    Some(match update {
        // What it asks is shown to who is asked.
        Update::ToolProposed { name, .. } if &**name == question::TOOL => return None,
        Update::QuestionAsked { question, .. } => {
            return Some(ask::asked(question, paint).trim_end().to_owned());
        }
        // What it writes is shown when it is written.
        Update::ToolProposed { name, .. } if plan::is_written_by(name) => return None,
        Update::ToolSettled {
            name,
            state: tool_call::State::Succeeded,
            ..
        } if plan::is_written_by(name) => return None,
        Update::PlanChanged { plan, changed } => {
            plan::lines(plan.as_deref(), |step| changed.contains(&step), paint)
        }
        Update::ToolProposed { name, arguments, .. } => call(name, arguments, paint),
        Update::ToolJudged { judgement, .. } if judgement.verdict == Verdict::Deny => {
            paint.dim(&format!("  {}", escape::line(&explain::judgement(judgement))))
        }
        Update::ToolPlaced {
            editor: Some(editor), ..
        } => paint.dim(&format!("  {}", escape::line(&explain::in_editor(editor)))),
        Update::ToolSettled {
            state, text, detail, ..
        } => settled(*state, text, detail.as_ref(), paint),
        Update::AttemptFailed { failure } => {
            format!(
                "{} {}",
                paint.red("the request failed:"),
                escape::line(&failure.message)
            )
        }
        Update::FellBack { from, to, skipped } => {
            let mut text = String::new();
            for skipped in skipped {
                text.push_str(&paint.dim(&escape::line(&skipped.to_string())));
                text.push('\n');
            }
            let told = format!("{from} gave no answer; for the rest of this turn {to} is asked");
            text + &paint.dim(&escape::line(&told))
        }
        Update::Noticed { kind, .. } => paint.dim(&format!(
            "the agent goes in circles ({}); the model is told so",
            explain::looped(*kind)
        )),
        Update::ResultWanted { telling, .. } => paint.dim(match telling {
            Telling::Wanted => "the model is told which result is wanted",
            Telling::Due => "the model is asked for the result",
            Telling::Unfit => "the model is asked for the result once more",
        }),
        Update::ResultJudged {
            unfit_text: Some(why),
            ..
        } => paint.dim(&format!(
            "this is not the result that is wanted: {}",
            escape::line(why)
        )),
        Update::ResultJudged { around, .. } => match around {
            Around::Nothing => return None,
            Around::Fence => paint.dim("the result stood in a fence"),
            Around::Words => paint.dim("the result stood between other words"),
        },
        Update::BackingOff {
            attempt,
            wait_ms,
            resume_at,
        } => {
            let seconds = std::time::Duration::from_millis(*wait_ms).as_secs_f32();
            let at = resume_at.map_or_else(String::new, |at| format!(", at {}", time(at)));
            paint.dim(&format!(
                "attempt {attempt} failed; the next one is made in {seconds:.1} s{at}"
            ))
        }
        Update::TurnEnded {
            state,
            failure,
            steps,
            usage,
            ..
        } => {
            let mut text = match state {
                turn::State::Completed => paint.green("done"),
                other => paint.red(&name_of(*other)),
            };
            let _ = write!(
                text,
                " after {steps} {}",
                if *steps == 1 { "step" } else { "steps" }
            );
            let _ = write!(text, ", {} tokens in, {} out", usage.input_total(), usage.output);
            if let Some(failure) = failure {
                let _ = write!(text, "\n{}", escape::text(&explain::failure(failure)));
            }
            text
        }
        Update::SecretMasked { kind } => paint.dim(&format!("  a secret was masked: {kind}")),
        Update::CompactionBegan { why, model, messages } => {
            let why = match why {
                Why::Asked { .. } => "as asked",
                Why::Threshold => "to make room",
                Why::Overflow => "because the server refuses so long a conversation",
                Why::Imported => "elsewhere",
            };
            let model = escape::line(&model.to_string()).into_owned();
            paint.dim(&format!("compacting {messages} messages with {model} {why} …"))
        }
        Update::Compacted {
            tokens_before,
            tokens_after,
            saved_little,
            ..
        } => {
            let mut text = format!("compacted: about {tokens_before} tokens before, {tokens_after} after");
            if *saved_little {
                text.push_str("; that is little, so it is not done again by itself until more is said");
            }
            paint.dim(&text)
        }
        Update::CompactionFailed { message } => format!(
            "{} {}; the conversation stays as it is",
            paint.red("not compacted:"),
            escape::line(message)
        ),
        Update::CompactionDropped => paint.dim("not compacted; the conversation stays as it is"),
        Update::Pending { pending: Some(_) } => paint.dim("it shall stop at the next safe point"),
        Update::Gap { from, to } => paint.dim(&format!("(commits {from} to {to} came too fast to be shown)")),
        _ => return None,
    })
}

fn name_of(state: turn::State) -> String {
    let name: &str = state.into();
    name.replace('_', " ")
}

/// A call in short.
pub(crate) fn call(name: &str, arguments: &str, paint: Paint) -> String {
    let lines = ask::arguments(arguments);
    // Where there is a path, it says most.
    let first = lines
        .iter()
        .find(|line| line.starts_with("path: "))
        .or(lines.first());
    let first = first.map(|line| clipped(line)).unwrap_or_default();
    let more = match lines.len() {
        0 | 1 => String::new(),
        several => paint.dim(&format!(" (+{} lines)", several - 1)),
    };
    format!(
        "{} {first}{more}",
        paint.cyan(&format!("→ {}", escape::line(name)))
    )
}

/// The end of a call.
pub(crate) fn settled(state: tool_call::State, text: &str, detail: Option<&Detail>, paint: Paint) -> String {
    let shown = match detail {
        Some(Detail::Diff(diff)) => diff,
        _ => text,
    };
    let mut told = excerpt(shown, paint, matches!(detail, Some(Detail::Diff(_))));
    let ended = match state {
        tool_call::State::Succeeded => return told,
        other => {
            let name: &str = other.into();
            paint.red(&format!("  {}", name.replace('_', " ")))
        }
    };
    if !told.is_empty() {
        told.push('\n');
    }
    told + &ended
}

/// The first lines of an output.
pub(crate) fn excerpt(text: &str, paint: Paint, is_diff: bool) -> String {
    let mut lines = text.lines();
    let mut shown: Vec<String> = lines
        .by_ref()
        .take(OUTPUT_LINES)
        .map(|line| {
            let line = clipped(&escape::line(line));
            let painted = match line.chars().next() {
                Some('+') if is_diff => paint.green(&line),
                Some('-') if is_diff => paint.red(&line),
                _ => paint.dim(&line),
            };
            format!("  {painted}")
        })
        .collect();
    let more = lines.count();
    if more > 0 {
        shown.push(paint.dim(&format!("  … {more} more lines")));
    }
    shown.join("\n")
}

fn clipped(line: &str) -> String {
    match line.char_indices().nth(OUTPUT_CHARS) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line.to_owned(),
    }
}

//! What a transcript for people shows, before it is Markdown or HTML.

use std::sync::Arc;

use glasswork_engine::Timestamp;
use glasswork_session_state::state::Session;

use super::leaving::{Findings, Leaving};
use crate::projection::transcript::{self, Said};

/// A transcript.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) title: String,
    /// What it is, by name.
    pub(super) about: Vec<(&'static str, String)>,
    pub(super) pieces: Vec<Piece>,
}

/// One thing that stands in it.
#[derive(Debug)]
pub(super) struct Piece {
    /// Its entry, as an anchor.
    pub(super) entry: String,
    pub(super) at: String,
    pub(super) what: What,
}

/// What can stand in it.
#[derive(Debug)]
pub(super) enum What {
    /// Someone's words.
    Person(String),
    /// What a model said.
    Model { model: String, text: String },
    /// What it thought.
    Thinking(String),
    /// A tool call.
    Call {
        name: String,
        arguments: String,
        state: String,
        result: Option<String>,
        is_error: bool,
    },
    /// What stands for everything before it.
    Summary(String),
    /// Something about the conversation.
    Note(String),
}

impl Page {
    pub(super) fn of(session: &Session, commit: u64) -> Self {
        let lines = transcript::of(session);
        let first = lines.iter().find_map(|line| match &line.said {
            Said::Person { text, .. } => Some(words(text)),
            _ => None,
        });
        let title = session.meta.title.as_deref().map(words).or(first);
        let mut about = vec![
            ("Session", format!("{} at commit {commit}", session.id)),
            ("Workspace", session.meta.workspace.to_string()),
            ("Begun", time(session.meta.created)),
        ];
        if let Some(model) = &session.settings.model.value {
            about.push(("Model", model.to_string()));
        }
        if let Some(import) = &session.import {
            let (file, format) = (&import.origin.file, &import.origin.format);
            about.push(("Imported from", format!("{file} ({format})")));
        }
        let pieces = lines.into_iter().map(|line| Piece {
            entry: format!("e{}-{}", line.entry.seq, line.entry.ordinal),
            at: time(line.at),
            what: what(line.said),
        });
        Self {
            title: title.unwrap_or_else(|| "A session".to_owned()),
            about,
            pieces: pieces.collect(),
        }
    }

    /// Lets all texts leave.
    pub(super) fn leave(&mut self, leaving: &Leaving) -> Findings {
        let mut found = Findings::default();
        let mut leave = |text: &mut String| {
            if let std::borrow::Cow::Owned(changed) = leaving.text(text, &mut found) {
                *text = changed;
            }
        };
        leave(&mut self.title);
        self.about.iter_mut().for_each(|(_, text)| leave(text));
        for piece in &mut self.pieces {
            match &mut piece.what {
                What::Person(text) | What::Thinking(text) | What::Summary(text) | What::Note(text) => {
                    leave(text)
                }
                What::Model { model, text } => {
                    leave(model);
                    leave(text);
                }
                What::Call {
                    name,
                    arguments,
                    result,
                    ..
                } => {
                    leave(name);
                    leave(arguments);
                    result.iter_mut().for_each(&mut leave);
                }
            }
        }
        found
    }
}

fn what(said: Said) -> What {
    let text = |text: Arc<str>| text.to_string();
    match said {
        Said::Person {
            text: words, images, ..
        } => {
            let named = images.iter().map(|image| {
                let (mime, digest) = (image.media.mime(), &image.digest);
                format!("[image: {image}, {mime}, {} bytes, blob {digest}]\n", image.bytes)
            });
            What::Person(named.chain([text(words)]).collect())
        }
        Said::Thinking { text: thoughts } => What::Thinking(text(thoughts)),
        Said::Text { text: words, model } => What::Model {
            model: model.to_string(),
            text: text(words),
        },
        Said::Call {
            name,
            arguments,
            state,
            result,
            is_error,
            ..
        } => {
            let state = state.map_or("", Into::into);
            What::Call {
                name: text(name),
                arguments: pretty(&arguments),
                state: state.replace('_', " "),
                result: result.map(text),
                is_error,
            }
        }
        Said::Cancelled => What::Note("The answer was cut off by a cancel.".to_owned()),
        Said::Notice { text: told, .. } => What::Note(text(told)),
        Said::Superseded {
            text: said,
            model,
            why,
            by,
        } => What::Note(format!(
            "{model} gave no answer ({why}); {by} was asked instead. What had arrived: {said}"
        )),
        Said::Compacted { text: summary, .. } | Said::BranchLeft { text: summary, .. } => {
            What::Summary(text(summary))
        }
    }
}

/// The arguments of a call over several lines, where they are JSON.
fn pretty(arguments: &str) -> String {
    let value = serde_json::from_str::<serde_json::Value>(arguments);
    value
        .and_then(|value| serde_json::to_string_pretty(&value))
        .unwrap_or_else(|_| arguments.to_owned())
}

/// The first line, at most 80 characters of it.
fn words(text: &str) -> String {
    text.lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default()
        .trim()
        .chars()
        .take(80)
        .collect()
}

fn time(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_microsecond(at.0).unwrap_or_default();
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

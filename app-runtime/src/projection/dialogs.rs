//! Dialogs: what a session asks people, so that each client can show it in its own way, and all show the same.
//!
//! A dialog is not kept apart from what it is about: it is there as long as that waits for a person, and gone for every
//! client with the commit that settles it.

use std::sync::Arc;

use glasswork_agent_core::id::{CallId, TurnId};
use glasswork_agent_core::question::Question;
use glasswork_agent_core::turn::State;
use glasswork_engine::Timestamp;
use glasswork_session_state::call::Call;
use glasswork_session_state::judge::Judgement;
use glasswork_session_state::state::Session;
use serde::Serialize;

use crate::explain;

/// Something that a session asks people.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Dialog {
    /// Its name: stays the same while it is open, and is never used again in this session.
    pub id: String,
    /// Since when it is open.
    pub since: Timestamp,
    /// When it is closed by itself, if the machine does not sleep: then the answer is no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// What is asked.
    #[serde(flatten)]
    pub asks: Asks,
    /// The answers that there are: lines for [`slash_commands`](crate::slash_commands).
    pub answers: Vec<Choice>,
}

/// What a session can ask people.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Asks {
    /// Whether a call may run.
    Permission {
        /// The call.
        call: CallId,
        /// The tool.
        tool: Arc<str>,
        /// The arguments as the model wrote them, whole.
        arguments: Arc<str>,
        /// Why people are asked, as data and in words.
        judgement: Option<Arc<Judgement>>,
        /// The same in words.
        judgement_text: Option<String>,
    },
    /// What the model wants to know. Whatever is offered, `/answer CALL WORDS` says something else.
    Question {
        /// The call.
        call: CallId,
        /// The question, with what it offers.
        question: Arc<Question>,
    },
    /// Whether a turn that rests shall go on.
    Resume {
        /// The turn.
        turn: TurnId,
    },
}

/// An answer to a dialog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// What a button says.
    pub label: Arc<str>,
    /// The command that gives this answer.
    pub command: String,
}

/// What a session asks people now, in the order in which it asked.
#[must_use]
pub fn of(session: &Session) -> Vec<Dialog> {
    let asked = session.batch().filter(|(_, call)| call.state.awaits_person());
    let of_calls = asked.map(|(id, call)| {
        let (asks, answers) = match call.question() {
            Some(question) => (
                Asks::Question {
                    call: id,
                    question: Arc::clone(question),
                },
                offered(id, question),
            ),
            None => (permission(id, call), consent(id)),
        };
        Dialog {
            id: format!("call-{id}"),
            since: call.since,
            due: call
                .deadline
                .map(|deadline| deadline.set_at.after(deadline.duration())),
            asks,
            answers,
        }
    });
    let paused = session.open_turn().filter(|turn| turn.state == State::Paused);
    let resume = paused.map(|turn| Dialog {
        // A turn can rest more than once; each time is another question.
        id: format!("turn-{}-{}", turn.id, turn.since.0),
        since: turn.since,
        due: None,
        asks: Asks::Resume { turn: turn.id },
        answers: vec![
            choice("continue", "/continue".to_owned()),
            choice("stop", "/cancel".to_owned()),
        ],
    });
    of_calls.chain(resume).collect()
}

fn permission(id: CallId, call: &Call) -> Asks {
    Asks::Permission {
        call: id,
        tool: Arc::clone(&call.call.name),
        arguments: Arc::clone(&call.call.arguments),
        judgement: call.judgement.clone(),
        judgement_text: call.judgement.as_deref().map(explain::judgement),
    }
}

fn choice(label: &str, command: String) -> Choice {
    Choice {
        label: label.into(),
        command,
    }
}

fn consent(id: CallId) -> Vec<Choice> {
    vec![
        choice("allow", format!("/approve {id}")),
        choice("refuse", format!("/refuse {id}")),
    ]
}

/// What a question offers, by number, and not to answer it.
fn offered(id: CallId, question: &Question) -> Vec<Choice> {
    let options = (1..).zip(&question.options);
    options
        .map(|(number, option)| choice(&option.label, format!("/answer {id} {number}")))
        .chain([choice("do not answer", format!("/refuse {id}"))])
        .collect()
}

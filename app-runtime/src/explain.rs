//! What was decided, in words. Made from the data that decided, where it is shown; nothing is judged again here.

use std::fmt::{self, Write as _};

use glasswork_agent_core::loop_guard;
use glasswork_agent_core::tool_call::State;
use glasswork_session_state::editor::EditorPlace;
use glasswork_session_state::evidence::{Access, Evidence};
use glasswork_session_state::judge::{Judgement, Verdict};
use glasswork_session_state::settings::{Layer, Mode, Source};
use glasswork_session_state::state::{AttemptWait, Session, TurnFailure};
use glasswork_session_state::waiting::{Waiting, What, Whom};

/// Most characters of a question that are said of a session that waits for its answer.
const SAID_CHARS: usize = 120;

/// What a session waits for, and who can unblock it.
#[must_use]
pub fn waiting(waiting: &Waiting, session: &Session) -> String {
    let what = match &waiting.what {
        What::Prompt => "waits for a prompt".to_owned(),
        What::Opening => "waits to be opened".to_owned(),
        What::Resume => "is paused, and waits to be resumed".to_owned(),
        What::Answer(AttemptWait::Connect) => "waits for the server to answer".to_owned(),
        What::Answer(AttemptWait::FirstToken) => "waits for the first token".to_owned(),
        What::Answer(AttemptWait::Stream) => "waits for more of the answer".to_owned(),
        What::Answer(AttemptWait::Backoff) => format!("waits to try again{}", used_up(waiting)),
        What::Call(id, State::Questioning) => {
            let asked = session.call(*id).and_then(|call| call.question());
            let asked = asked.map_or("", |question| &*question.question);
            format!("waits for an answer to “{}” (call {id})", beginning(asked))
        }
        What::Call(id, state) => {
            let name = session
                .call(*id)
                .map_or_else(String::new, |call| format!("`{}` ", call.call.name));
            let state: &str = state.into();
            format!("waits for call {name}{id} ({})", state.replace('_', " "))
        }
    };
    match &waiting.on {
        Whom::Person => format!("{what}: a person can unblock it"),
        Whom::Model(model) => format!("{what}: {model} has the word"),
        Whom::Tool => format!("{what}: its tool has the word"),
        Whom::OtherCall => format!("{what}: another call must end first"),
        Whom::Clock => format!("{what}: time will tell"),
    }
}

/// Where a call works that works in an editor.
#[must_use]
pub fn in_editor(editor: &EditorPlace) -> String {
    match editor.terminal {
        Some(_) => format!("in a terminal of the editor {}", editor.name),
        None => format!("in the editor {}", editor.name),
    }
}

/// The first line of a text, and of a long one not all.
fn beginning(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(SAID_CHARS) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None if line.len() < text.len() => format!("{line}…"),
        None => line.to_owned(),
    }
}

/// Which limits of its provider are used up, as it said last.
fn used_up(waiting: &Waiting) -> String {
    let Some(allowed) = &waiting.allowed else {
        return String::new();
    };
    let used = allowed.said.limits.iter();
    let names: Vec<&str> = used
        .filter(|limit| limit.remaining == Some(0))
        .map(|limit| &*limit.name)
        .collect();
    match names.as_slice() {
        [] => String::new(),
        names => format!(
            " ({} has nothing left of: {})",
            allowed.provider,
            names.join(", ")
        ),
    }
}

/// Why a call was judged as it was, in one sentence.
#[must_use]
pub fn judgement(judgement: &Judgement) -> String {
    let why = &judgement.explanation;
    let mut text = format!("{}: rule {}", verdict(judgement.verdict), why.rule);
    // The verdict differs from the rule only where it says ask.
    if why.unattended {
        text.push_str(" says ask, and nobody is there to ask");
    }
    let mode: &str = why.mode.into();
    let _ = write!(
        text,
        "; mode {mode} ({}); it {}",
        Place(&why.mode_from),
        access(why.access)
    );
    if let Evidence::File(file) = &*why.evidence
        && file.resolved != file.requested
    {
        let _ = write!(text, " ({} is {})", file.requested, file.resolved);
    }
    text
}

/// A verdict as a verb in the past.
#[must_use]
pub fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "allowed",
        Verdict::Ask => "asked",
        Verdict::Deny => "denied",
    }
}

/// What a call does.
#[must_use]
pub fn access(access: Access) -> &'static str {
    match access {
        Access::Read => "reads in the workspace",
        Access::ReadOutside => "reads outside the workspace",
        Access::Inspect => "looks at this session",
        Access::Plan => "writes the agent's plan",
        Access::Question => "asks a person something",
        Access::Write => "writes in the workspace",
        Access::WriteOutside => "writes outside the workspace",
        Access::Execute => "runs a command",
        Access::AskServer => "has an MCP server do something",
    }
}

/// What a mode lets happen, in one line.
#[must_use]
pub fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Plan => "looks, and changes nothing",
        Mode::Ask => "asks before anything is changed or run",
        Mode::AcceptEdits => "changes files in the workspace, asks before commands",
        Mode::Auto => "like accept-edits, as long as there is no sandbox",
        Mode::Yolo => "never asks",
    }
}

/// Why a turn failed, and what can be done.
#[must_use]
pub fn failure(failure: &TurnFailure) -> String {
    match failure {
        TurnFailure::Model(failure) => match failure.status {
            Some(status) => format!("the model gave no answer (HTTP {status}): {}", failure.message),
            None => format!("the model gave no answer: {}", failure.message),
        },
        TurnFailure::TooLong { failure, hindrance } => {
            format!(
                "the conversation is too long for the model, and {hindrance}; {} (the server: {})",
                hindrance.advice(),
                failure.message
            )
        }
        TurnFailure::NobodyAnswered { given_up } => {
            let models: Vec<_> = given_up.iter().map(ToString::to_string).collect();
            format!("no model gave an answer:\n  {}", models.join("\n  "))
        }
        TurnFailure::Budget(exhausted) => exhausted.to_string(),
        TurnFailure::NoResult { unfit } => format!(
            "the last answer is not the result that was asked for: {unfit}; the model was told so once, where that could help"
        ),
        TurnFailure::Loop { kind } => format!(
            "the agent went in circles ({}), and went on when it was told; say what it shall do instead, or set `loop_rounds`, \
             `loop_answers` or `loop_notices`",
            looped(*kind)
        ),
        TurnFailure::Paused { times } => format!(
            "the provider interrupted its answer {times} times in a row; `pauses` in the settings allows more"
        ),
        TurnFailure::Limit { max_steps } => {
            format!("the limit of {max_steps} steps was reached; `--max-steps` sets another")
        }
    }
}

/// How an agent goes in circles, in a few words.
#[must_use]
pub fn looped(kind: loop_guard::Kind) -> &'static str {
    match kind {
        loop_guard::Kind::SameCall => "the same call again and again, with the same result",
        loop_guard::Kind::Alternating => "the same calls in turn, with the same results",
        loop_guard::Kind::EmptyAnswer => "empty answers",
        loop_guard::Kind::PromisedCall => "answers that promise a call and make none",
    }
}

/// Where a value comes from, as people write places.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a>(pub &'a Source);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Source { layer, file, line } = self.0;
        match (file, line) {
            (Some(file), Some(line)) => write!(f, "{file}:{line}"),
            (Some(file), None) => f.write_str(file),
            (None, _) => f.write_str(match layer {
                Layer::Default => "built in",
                Layer::User => "user settings",
                Layer::Project => "project settings",
                Layer::Environment => "environment",
                Layer::Flag => "command line",
                Layer::Client => "the client that opened the session",
                Layer::Session => "changed in the session",
            }),
        }
    }
}

//! Harmony, the channels of gpt-oss: `analysis` is thinking, `final` the answer, `commentary` either a word to the user
//! or, where it names a recipient, a call.
//!
//! Format: <https://cookbook.openai.com/articles/openai-harmony>, <https://github.com/openai/harmony>, `docs/format.md`
//! (20cd04c).

use super::Dialect;
use crate::candidate::{Arguments, Found};
use crate::form::{Ending, Form, Literals};
use crate::lenient::{Lenient, Syntax};
use crate::repair::Broken;
use crate::token::Match;
use crate::tools::Tools;
use crate::value::Value;

const MESSAGE: &str = "<|message|>";
const ENDS: &[&str] = &["<|call|>", "<|end|>", "<|return|>"];
/// Longest header that is waited for.
const HEADER: usize = 256;

/// What begins a header.
pub(crate) const OPENERS: &[&str] = &["<|channel|>", "<|start|>"];
/// What ends a thought; the last two begin what follows, and stay.
pub(crate) const THOUGHT_ENDS: &[&str] = &["<|end|>", "<|return|>", "<|channel|>", "<|start|>"];
/// What stands between messages and means nothing by itself.
pub(crate) const SILENT: &[&str] = &["<|end|>", "<|return|>", "<|call|>"];

/// What follows a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    Thinking,
    Answer,
    Call,
}

pub(crate) const CHANNEL: Form = Form {
    dialect: Dialect::Harmony,
    opener: "<|channel|>",
    head: |text| call_head("<|channel|>", text),
    closers: ENDS,
    literals: Literals::Json,
    ending: Ending::Message,
    sniff: |region| recipient(region.split_once(MESSAGE)?.0),
    read,
};

pub(crate) const START: Form = Form {
    opener: "<|start|>",
    head: |text| call_head("<|start|>", text),
    ..CHANNEL
};

fn call_head(opener: &str, text: &str) -> Match {
    match header(opener, text) {
        Ok((Channel::Call, _)) => Match::Yes,
        Ok(_) => Match::No,
        Err(answer) => answer,
    }
}

/// The channel that a header opens, and how long the header is behind its first token.
pub(crate) fn header(opener: &str, text: &str) -> Result<(Channel, usize), Match> {
    // A header has at most one line.
    let Some((head, _)) = text.split_once(MESSAGE) else {
        let may_come = text.len() < HEADER + MESSAGE.len() && !text.contains('\n');
        return Err(if may_come { Match::Perhaps } else { Match::No });
    };
    if head.len() > HEADER || head.contains('\n') {
        return Err(Match::No);
    }
    let channel = match opener {
        "<|channel|>" => head,
        _ => match head.split_once("<|channel|>") {
            Some((_, channel)) => channel,
            None if head.trim_start().starts_with("assistant") => "final",
            None => return Err(Match::No),
        },
    };
    let length = head.len() + MESSAGE.len();
    let channel = channel.trim_start();
    if recipient(head).is_some() {
        Ok((Channel::Call, length))
    } else if channel.starts_with("analysis") {
        Ok((Channel::Thinking, length))
    } else if channel.starts_with("commentary") || channel.starts_with("final") {
        Ok((Channel::Answer, length))
    } else {
        Err(Match::No)
    }
}

fn recipient(head: &str) -> Option<&str> {
    let rest = head.split_once(" to=")?.1;
    let name = rest.split([' ', '<']).next()?;
    let name = name.strip_prefix("functions.").unwrap_or(name);
    (!name.is_empty()).then_some(name)
}

fn read(region: &str, _: &Tools) -> Vec<Found> {
    let span = 0..region.len();
    let Some((head, body)) = region.split_once(MESSAGE) else {
        return vec![Found::broken(
            span,
            None,
            Broken::new(0, "the call has no `<|message|>`"),
        )];
    };
    let name = recipient(head).map(str::to_owned);
    let start = head.len() + MESSAGE.len();
    let body = ENDS.iter().find_map(|end| body.strip_suffix(end)).unwrap_or(body);
    let mut reader = Lenient::new(body, Syntax::Json);
    let value = if body.trim().is_empty() {
        Ok(Value::Object(Vec::new()))
    } else {
        reader.whole()
    };
    let mut repairs = reader.repairs;
    repairs.iter_mut().for_each(|repair| repair.at += start);
    let arguments = value
        .map(Arguments::Json)
        .map_err(|broken| Broken::new(start + broken.at, broken.reason));
    vec![Found {
        span,
        name,
        arguments,
        repairs,
    }]
}

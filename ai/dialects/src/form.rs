//! What the recogniser knows of a dialect: how a call begins, how it ends, what stands between.

use crate::candidate::Found;
use crate::dialect::Dialect;
use crate::token::Match;
use crate::tools::Tools;

/// One way in which a dialect writes calls.
#[derive(Debug)]
pub(crate) struct Form {
    pub(crate) dialect: Dialect,
    /// The sentinel.
    pub(crate) opener: &'static str,
    /// Whether what follows the sentinel is a call of this form: a sentinel alone may be talk about calls.
    pub(crate) head: fn(&str) -> Match,
    /// What ends the region.
    pub(crate) closers: &'static [&'static str],
    /// In what the closers do not count.
    pub(crate) literals: Literals,
    /// How else the region may end.
    pub(crate) ending: Ending,
    /// The name of the first call, as soon as it can be told from the beginning of the region.
    pub(crate) sniff: fn(&str) -> Option<&str>,
    /// Reads the region, sentinels included. Places are bytes from its start.
    pub(crate) read: fn(&str, &Tools) -> Vec<Found>,
}

/// Text inside of a region in which nothing ends it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Literals {
    /// Strings of JSON.
    Json,
    /// Strings of Python.
    Python,
    /// Between two of this token.
    Delimited(&'static str),
    /// Between one of these tags and that one.
    Elements(&'static [&'static str], &'static str),
}

/// How a region ends where its closer does not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Not, but by the end of the message.
    Marked,
    /// Where its value is complete and something stands behind it that cannot be part of it.
    MarkedValue,
    /// Its closer may be left out: it ends where its value is complete and something else follows, or nothing.
    Optional,
    /// It has no closer: it ends where its value is complete.
    Balanced,
    /// It has no closer that servers always show: it ends with the message.
    Message,
}

/// Reads what stands between a sentinel and its closer.
pub(crate) fn inside(
    region: &str,
    opener: &str,
    closers: &[&str],
    read: impl FnOnce(&str) -> Vec<Found>,
) -> Vec<Found> {
    let body = region.strip_prefix(opener).unwrap_or(region);
    let offset = region.len() - body.len();
    let body = closers
        .iter()
        .find_map(|closer| body.strip_suffix(closer))
        .unwrap_or(body);
    shifted(read(body), offset)
}

/// Moves places by an offset.
pub(crate) fn shifted(mut found: Vec<Found>, offset: usize) -> Vec<Found> {
    for call in &mut found {
        call.span = call.span.start + offset..call.span.end + offset;
        for repair in &mut call.repairs {
            repair.at += offset;
        }
        match &mut call.arguments {
            Err(broken) => broken.at += offset,
            Ok(crate::candidate::Arguments::Texts(texts)) => {
                texts.iter_mut().for_each(|text| text.at += offset)
            }
            Ok(crate::candidate::Arguments::Json(_)) => {}
        }
    }
    found
}

/// How far blanks may reach between a sentinel and what it opens.
const BLANKS: usize = 64;

/// The text behind blanks; `Err` where that cannot be told yet, or there are too many.
pub(crate) fn behind_blanks(text: &str) -> Result<&str, Match> {
    let rest = text.trim_start();
    if text.len() - rest.len() > BLANKS {
        return Err(Match::No);
    }
    if rest.is_empty() {
        Err(Match::Perhaps)
    } else {
        Ok(rest)
    }
}

/// Most bytes of a name.
pub(crate) const NAME: usize = 128;

/// How long a text is up to the first of what `ends` it; `Err` where that has not come, or comes too late for a name.
/// The answer does not depend on how much of the text is there already.
pub(crate) fn name_length(text: &str, ends: impl Fn(char) -> bool) -> Result<usize, Match> {
    match text.find(ends) {
        Some(end) if end <= NAME => Ok(end),
        None if text.len() <= NAME => Err(Match::Perhaps),
        Some(_) | None => Err(Match::No),
    }
}

/// An object or a list follows.
pub(crate) fn value_head(text: &str) -> Match {
    match behind_blanks(text) {
        Ok(rest) if rest.starts_with(['{', '[']) => Match::Yes,
        Ok(_) => Match::No,
        Err(answer) => answer,
    }
}

/// A name and `(` follow, perhaps in a list.
pub(crate) fn call_head(text: &str) -> Match {
    let rest = match behind_blanks(text) {
        Ok(rest) => rest.strip_prefix('[').unwrap_or(rest).trim_start(),
        Err(answer) => return answer,
    };
    match name_length(rest, |c| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '-'))) {
        Ok(end) if end > 0 && rest.get(end..).is_some_and(|rest| rest.starts_with('(')) => Match::Yes,
        Ok(_) => Match::No,
        Err(answer) => answer,
    }
}

/// Anything may follow.
pub(crate) fn any_head(_: &str) -> Match {
    Match::Yes
}

/// The text between the first `before` and the first `after` behind it.
pub(crate) fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    Some(text.split_once(before)?.1.split_once(after)?.0.trim())
}

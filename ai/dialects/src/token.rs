//! Tokens in a text that still arrives.

/// Whether a token stands somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Match {
    /// It does.
    Yes,
    /// What is there is its beginning; more may come.
    Perhaps,
    /// It does not.
    No,
}

/// Whether `text` begins with `token`.
pub(crate) fn begins(text: &str, token: &str) -> Match {
    if text.starts_with(token) {
        Match::Yes
    } else if text.len() < token.len() && token.starts_with(text) {
        Match::Perhaps
    } else {
        Match::No
    }
}

/// Whether `text` begins with one of the tokens, and which.
pub(crate) fn begins_one<'a>(text: &str, tokens: &[&'a str]) -> Result<&'a str, Match> {
    let mut answer = Match::No;
    for token in tokens {
        match begins(text, token) {
            Match::Yes => return Ok(token),
            Match::Perhaps => answer = Match::Perhaps,
            Match::No => {}
        }
    }
    Err(answer)
}

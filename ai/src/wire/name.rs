//! Names of called tools as every server takes them. A model may call a tool that does not exist, by a name that no
//! tool could have; it hears that there is none, and its call must not make the rest of the conversation unsendable.

use std::borrow::Cow;

/// What the strictest server takes.
const MOST: usize = 64;

/// The name of a called tool, `[a-zA-Z0-9_-]{1,64}`: unchanged where it is one already.
pub(super) fn called(name: &str) -> Cow<'_, str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() {
        return Cow::Borrowed("unnamed");
    }
    if name.len() <= MOST && name.chars().all(allowed) {
        return Cow::Borrowed(name);
    }
    let fitting = name.chars().map(|c| if allowed(c) { c } else { '_' });
    Cow::Owned(fitting.take(MOST).collect())
}

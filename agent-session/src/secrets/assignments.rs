//! `name=value` and `name:value` in a word, and passwords in addresses.

use std::ops::Range;

use super::entropy::{is_secret_value, is_stand_in};
use super::kind::Kind;
use super::scanner::{Context, Found};
use super::{name, work};

/// Looks for passwords in addresses, and for `name=value` and `name:value`. `Some` where the word says what is expected
/// of the next one.
pub(super) fn look_for_assignments(word: &[u8], found: &mut Vec<Found>) -> Option<Context> {
    work::count(word.len());
    let address = look_for_url_password(word, found);
    let mut context = None;
    let mut name_from = 0;
    let mut skip = 0;
    for (at, byte) in word.iter().enumerate() {
        if at < skip {
            continue;
        }
        if !matches!(byte, b'=' | b':') {
            if !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')) {
                name_from = at + 1;
            }
            continue;
        }
        let name = word.get(name_from..at).unwrap_or_default();
        name_from = at + 1;
        work::count(name.len());
        let Some(kind) = name::says(name) else { continue };
        let rest = word.get(at..).unwrap_or_default();
        let sign = rest
            .iter()
            .take_while(|byte| matches!(byte, b'=' | b':' | b'~'))
            .count();
        // `token::Kind` is a path.
        if rest.get(..sign) == Some(b"::") {
            continue;
        }
        let from = at + sign;
        if from == word.len() {
            context = Some(Context::Value(kind));
            break;
        }
        // In an address `&` ends a value; elsewhere it may be a part of it.
        let value = word.get(from..).unwrap_or_default();
        let ends = |byte: &u8| address && matches!(byte, b'&' | b'#');
        let to = value.iter().position(ends).map_or(word.len(), |end| from + end);
        look_at_value(word, from..to, kind, found);
        context = Some(Context::Nothing);
        name_from = to + 1;
        skip = to + 1;
    }
    context
}

/// A value, without the signs with which a sentence or a line of a program may go on.
pub(super) fn look_at_value(word: &[u8], at: Range<usize>, kind: Kind, found: &mut Vec<Found>) {
    let value = word.get(at.clone()).unwrap_or_default();
    let len = value
        .iter()
        .rposition(|byte| !matches!(byte, b'.' | b':' | b'!' | b'?'))
        .map_or(0, |last| last + 1);
    if value.get(..len).is_some_and(is_secret_value) {
        found.push(Found::new(at.start..at.start + len, kind));
    }
}

/// `scheme://user:password@host`, and `scheme://token@host`. Says whether it has an address, or the end of one.
fn look_for_url_password(word: &[u8], found: &mut Vec<Found>) -> bool {
    let mut address = memchr::memchr(b'?', word).is_some();
    for at in memchr::memmem::find_iter(word, b"://") {
        address = true;
        let from = at + 3;
        let authority = word.get(from..).unwrap_or_default();
        let end = authority
            .iter()
            .position(|byte| matches!(byte, b'/' | b'?' | b'#'))
            .unwrap_or(authority.len());
        work::count(end);
        let Some(user) = authority.get(..end).and_then(|authority| {
            Some(
                authority
                    .get(..memchr::memrchr(b'@', authority)?)
                    .unwrap_or_default(),
            )
        }) else {
            continue;
        };
        let (from, password) = match memchr::memchr(b':', user) {
            Some(colon) => (from + colon + 1, user.get(colon + 1..).unwrap_or_default()),
            None if is_secret_value(user) && user.len() >= 16 => (from, user),
            None => continue,
        };
        if is_password(password) {
            found.push(Found::new(from..from + password.len(), Kind::UrlPassword));
        }
    }
    address
}

/// A password in an address may be a word; but not one of those that documentation puts there.
fn is_password(text: &[u8]) -> bool {
    const WORDS: &[&[u8]] = &[
        b"password",
        b"passwd",
        b"pass",
        b"pwd",
        b"secret",
        b"token",
        b"pw",
        b"key",
    ];
    text.len() >= 3
        && !WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
        && !matches!(text.first(), Some(b'$' | b'%' | b'*' | b':'))
        && !is_stand_in(text)
}

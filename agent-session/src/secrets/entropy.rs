//! Does a text look as if it was drawn at random, or as if somebody wrote it for people to read?

use super::work;

/// The entropy of a text by the frequencies of its bytes, in bits for the whole of it.
fn bits(text: &[u8]) -> f64 {
    work::count(text.len());
    let mut counts = [0_u32; 256];
    for byte in text {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let len = text.len() as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let count = f64::from(*count);
            count * (len / count).log2()
        })
        .sum()
}

/// Words by which people say that the real value is to be put there.
const STAND_INS: &[&[u8]] = &[
    b"example",
    b"changeme",
    b"change-me",
    b"change_me",
    b"placeholder",
    b"redacted",
    b"replace",
    b"xxxx",
    b"your-",
    b"your_",
    b"yourapi",
    b"dummy",
    b"0000000",
    b"1234567890",
    b"abcdefgh",
    b"****",
    b"....",
    b"insert",
];

/// Whether somebody wrote it to stand for a real value.
pub(super) fn is_stand_in(text: &[u8]) -> bool {
    work::count(text.len());
    let lower = text.to_ascii_lowercase();
    STAND_INS
        .iter()
        .any(|word| memchr::memmem::find(&lower, word).is_some())
}

/// Whether what follows a known prefix looks random. The prefix says most already.
pub(super) fn is_random(text: &[u8]) -> bool {
    bits(text) >= 2.5 * text.len() as f64 && !is_stand_in(text)
}

/// Whether the value of something whose name says *secret* looks like one: not a word, a number, a path, a name of the
/// program's own, or a stand-in.
pub(super) fn is_secret_value(text: &[u8]) -> bool {
    if text.len() < 8
        || matches!(
            text.first(),
            Some(b'$' | b'%' | b'*' | b'/' | b'~' | b'@' | b':' | b'&' | b'.')
        )
    {
        return false;
    }
    let has = |what: fn(&u8) -> bool| text.iter().any(what);
    let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
    let letters = text.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    // A word, a number, a date.
    if letters == 0 || (digits == 0 && !is_mixed(text)) || is_name(text) {
        return false;
    }
    // An address or a call; those that have passwords in them are found otherwise.
    if memchr::memmem::find(text, b"://").is_some() || has(|byte| matches!(byte, b'$')) {
        return false;
    }
    // Hexadecimal digits have four bits at most.
    bits(text) >= 2.5 * text.len() as f64 && !is_stand_in(text)
}

/// Whether capitals and small letters alternate as no name has them, or signs that no name has stand among letters.
fn is_mixed(text: &[u8]) -> bool {
    let turns = text
        .iter()
        .zip(text.iter().skip(1))
        .filter(|(a, b)| {
            a.is_ascii_uppercase() && b.is_ascii_lowercase()
                || a.is_ascii_lowercase() && b.is_ascii_uppercase()
        })
        .count();
    let signs = text
        .iter()
        .filter(|byte| matches!(byte, b'!' | b'#' | b'^' | b'*' | b'@' | b'%' | b'+' | b'~'))
        .count();
    turns * 3 >= text.len() || (signs >= 1 && text.len() >= 10)
}

/// Whether it is made of words as names of programs are: `config.db1.password`, `my-secret-name-2`, `Foo::bar`, `v1/data`.
fn is_name(text: &[u8]) -> bool {
    let parts = text
        .split(|byte| matches!(byte, b'.' | b'_' | b'-' | b'/' | b':' | b'?' | b'='))
        .filter(|part| !part.is_empty());
    let word = |part: &[u8]| {
        let letters = part.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let rest = part.get(letters..).unwrap_or_default();
        // A number in front, or behind, and capitals only where words begin.
        let (small, large) = (
            part.iter().filter(|byte| byte.is_ascii_lowercase()).count(),
            part.iter().filter(|byte| byte.is_ascii_uppercase()).count(),
        );
        let number = part.iter().all(u8::is_ascii_digit) && part.len() <= 4;
        number
            || (letters >= 2
                && rest.len() <= 2
                && rest.iter().all(u8::is_ascii_digit)
                && (small == 0 || large * 3 <= small))
    };
    let mut any = false;
    for part in parts {
        if !word(part) {
            return false;
        }
        any = true;
    }
    any
}

/// Whether a value is worth to be looked for everywhere, and not only where its name stands: nobody writes it by chance.
pub(super) fn is_distinctive(text: &[u8]) -> bool {
    text.len() >= 10 && bits(text) >= 30.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        #[track_caller]
        fn check(text: &str, secret: bool) {
            assert_eq!(is_secret_value(text.as_bytes()), secret, "{text}");
        }
        check("tr0ub4dor&3", true);
        check("9f86d081884c7d659a2feaa0c55ad015", true);
        check("kJ8s-2hQ_vB71", true);
        check("aGVsbG8gd29ybGQK", true);
        check("correct!horse", true);
        check("", false);
        check("hunter2", false);
        check("password", false);
        check("1234567890", false);
        check("20241231", false);
        check("settings.db1.password", false);
        check("my-secret-name-2", false);
        check("getPassword", false);
        check("PASSWORD_RESET", false);
        check("$DB_PASSWORD1", false);
        check("/run/secrets/db1x9", false);
        check("Option::Some3", false);
        check("changeme123456", false);
        check("xxxxxxxx1234", false);
        check("aaaaaaaaaaa1", false);
    }
}

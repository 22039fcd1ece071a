//! Finds secrets in a text that comes in pieces.
//!
//! A text is taken apart into words: runs of graphic ASCII without quotes, brackets, commas, semicolons and backslashes.
//! A secret is a word, or a part of one; whether a word holds one is decided when its end has come, by the word itself
//! and a few bytes that are remembered of what came before. So the cut between two pieces makes no difference, no more
//! than one word waits, and every byte is looked at a bounded number of times. Only a value between quotes may have spaces
//! in it, and waits for its closing one.

use std::ops::Range;
use std::sync::Arc;

use super::assignments::{look_at_value, look_for_assignments};
use super::entropy::{is_distinctive, is_stand_in};
use super::kind::Kind;
use super::known::{self, Known};
use super::private_key::{PrivateKey, Word};
use super::quoted::Quoted;
use super::shape::Begins;
use super::words::{class, first_word};
use super::wrapped::Wrapped;
use super::{name, shape, work};

/// A longer word is no secret but data: it is passed on without being looked at. As much is held back at most.
pub(super) const LONGEST: usize = 8 * 1024;
/// How many words after the id of an access key its secret may stand.
const AWS_WORDS: u8 = 12;

/// Takes what was looked at, in order.
pub(super) trait Sink {
    /// Text that is no secret.
    fn plain(&mut self, text: &[u8]);
    /// A secret; `further` where it goes on with the one before.
    fn secret(&mut self, kind: Kind, value: &str, further: bool);
}

/// What is expected of the next word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    /// Nothing.
    Nothing,
    /// It may say that the word before was a name.
    Name,
    /// It may be the value of something whose name says that it is a secret.
    Value(Kind),
    /// It may be more of what stands behind `Authorization:`.
    More,
}

/// Finds secrets.
#[derive(Debug)]
pub(super) struct Scanner {
    known: Arc<Known>,
    /// The word that has no end yet.
    held: Vec<u8>,
    /// Whether that word is too long, and was passed on.
    data: bool,
    context: Context,
    /// The end of the last word, where that may be a name.
    name: Vec<u8>,
    /// Whether a backslash stands before the word.
    escaped: bool,
    key: PrivateKey,
    /// The quoted value that has no end yet.
    quoted: Option<Quoted>,
    /// A secret that may go on in the next line.
    wrapped: Option<Wrapped>,
    /// Whether a sign says that the value stands in the next line, as in YAML.
    below: bool,
    aws: u8,
    found: Vec<Found>,
}

/// A secret in a word.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) at: Range<usize>,
    pub(super) kind: Kind,
    /// Whether it goes on with the one before.
    pub(super) further: bool,
}

impl Found {
    pub(super) fn new(at: Range<usize>, kind: Kind) -> Self {
        Self {
            at,
            kind,
            further: false,
        }
    }
}

impl Scanner {
    /// Nothing was read. What is found is known from then on, here only.
    pub(super) fn new(known: Arc<Known>) -> Self {
        Self {
            known,
            held: Vec::new(),
            data: false,
            context: Context::Nothing,
            name: Vec::new(),
            escaped: false,
            key: PrivateKey::default(),
            quoted: None,
            wrapped: None,
            below: false,
            aws: 0,
            found: Vec::new(),
        }
    }

    /// Reads on.
    pub(super) fn push(&mut self, mut text: &[u8], sink: &mut impl Sink) {
        while !text.is_empty() {
            let read = match self.quoted.take() {
                None => self.scan(text, true, sink),
                Some(mut quoted) => {
                    let (read, end) = quoted.read(text);
                    match end {
                        None => self.quoted = Some(quoted),
                        Some(closed) => self.end_quoted(&quoted, closed, sink),
                    }
                    read
                }
            };
            text = text.get(read..).unwrap_or_default();
        }
    }

    /// Reads words, and what stands between them. Stops where a quoted value begins, if those are wanted; says how
    /// much was read.
    fn scan(&mut self, text: &[u8], quoting: bool, sink: &mut impl Sink) -> usize {
        let (mut at, mut told) = (0, 0);
        while let Some(rest) = text
            .get(at..)
            .filter(|rest| !rest.is_empty() && self.quoted.is_none())
        {
            let (len, signs) = first_word(rest);
            let word = rest.get(..len).unwrap_or_default();
            let whole = len < rest.len();
            work::count(len);
            if whole && len <= LONGEST && self.held.is_empty() && !self.data {
                if len > 0 {
                    self.word(word, signs);
                    if !self.found.is_empty() {
                        sink.plain(text.get(told..at).unwrap_or_default());
                        self.tell(word, sink);
                        told = at + len;
                    }
                }
            } else {
                sink.plain(text.get(told..at).unwrap_or_default());
                self.hold(word, sink);
                told = at + len;
            }
            at += len;
            if whole {
                self.end_word(sink);
                let rest = rest.get(len..).unwrap_or_default();
                let between = rest
                    .iter()
                    .position(|byte| class(*byte) != 0)
                    .unwrap_or(rest.len());
                at += self.between(rest.get(..between).unwrap_or_default(), quoting);
            }
        }
        sink.plain(text.get(told..at).unwrap_or_default());
        at
    }

    /// A quoted value has ended, or is none.
    fn end_quoted(&mut self, quoted: &Quoted, closed: bool, sink: &mut impl Sink) {
        match quoted.secret().filter(|_| closed) {
            Some(value) => {
                sink.secret(quoted.kind(), value, false);
                let escapes = quoted.text().get(value.len()..).unwrap_or_default();
                sink.plain(escapes);
                self.context = Context::Nothing;
                self.between(escapes, false);
            }
            None => {
                self.context = Context::Value(quoted.kind());
                self.scan(quoted.text(), false, sink);
            }
        }
    }

    /// The text has ended; what comes next is another one.
    pub(super) fn finish(&mut self, sink: &mut impl Sink) {
        if let Some(quoted) = self.quoted.take() {
            self.end_quoted(&quoted, false, sink);
        }
        self.end_word(sink);
        self.between(b"\n", false);
        self.key = PrivateKey::Outside;
        self.wrapped = None;
        self.context = Context::Nothing;
        self.aws = 0;
    }

    fn hold(&mut self, mut part: &[u8], sink: &mut impl Sink) {
        while !part.is_empty() {
            if self.data {
                sink.plain(part);
                return;
            }
            let (now, rest) = part.split_at(part.len().min(LONGEST - self.held.len()));
            self.held.extend_from_slice(now);
            part = rest;
            if self.held.len() == LONGEST && !part.is_empty() {
                if self.key.is_within() {
                    self.end_word(sink);
                } else {
                    sink.plain(&self.held);
                    self.held.clear();
                    self.data = true;
                    self.context = Context::Nothing;
                }
            }
        }
    }

    fn end_word(&mut self, sink: &mut impl Sink) {
        self.data = false;
        if !self.held.is_empty() {
            let mut held = std::mem::take(&mut self.held);
            let (_, signs) = first_word(&held);
            self.word(&held, signs);
            self.tell(&held, sink);
            held.clear();
            self.held = held;
        }
    }

    /// Reads what stands between two words, up to a quote with which a value begins. Says how much was read.
    fn between(&mut self, text: &[u8], quoting: bool) -> usize {
        work::count(text.len());
        for (byte, read) in text.iter().zip(1..) {
            let escaped = std::mem::replace(&mut self.escaped, *byte == b'\\');
            match byte {
                b'\n' | b'\r' => self.end_line(),
                b' ' | b'\t' | b'\\' => {}
                b'"' | b'\'' | b'`' => match self.context {
                    Context::Value(kind) if quoting => {
                        self.quoted = Quoted::begin(kind, *byte, escaped);
                        if self.quoted.is_some() {
                            return read;
                        }
                    }
                    Context::More => self.context = Context::Nothing,
                    _ => {}
                },
                b'>' => {
                    self.wrapped = None;
                    self.close_tag();
                }
                b'|' if matches!(self.context, Context::Value(_)) => self.below = true,
                _ => {
                    self.context = Context::Nothing;
                    self.wrapped = None;
                    self.key.between(*byte);
                }
            }
        }
        text.len()
    }

    fn end_line(&mut self) {
        if !(std::mem::take(&mut self.below) && matches!(self.context, Context::Value(_))) {
            self.context = Context::Nothing;
        }
        self.wrapped = self.wrapped.and_then(Wrapped::end_line);
        self.key.end_line();
    }

    /// `<password>` has its value behind it, and `=>` stands between a name and a value.
    fn close_tag(&mut self) {
        if self.context == Context::Name {
            self.context = match name::says(&self.name) {
                Some(kind) => Context::Value(kind),
                None => Context::Nothing,
            };
        }
    }

    /// Reads a whole word, and remembers what was found in it.
    fn word(&mut self, whole: &[u8], signs: bool) {
        self.found.clear();
        let mut word = whole;
        if std::mem::take(&mut self.escaped) {
            let escape = match word {
                [b'n' | b'r', ..] => {
                    self.end_line();
                    1
                }
                [b't', ..] => 1,
                [b'u', digits @ ..]
                    if digits
                        .iter()
                        .take(4)
                        .filter(|byte| byte.is_ascii_hexdigit())
                        .count()
                        == 4 =>
                {
                    5
                }
                _ => 0,
            };
            word = word.get(escape..).unwrap_or_default();
            if word.is_empty() {
                return;
            }
        }
        if word.starts_with(b"secret:") && memchr::memchr_iter(b':', word).count() >= 3 {
            // A placeholder of ours, or what looks like one.
            self.context = Context::Nothing;
            return;
        }
        // Lines of base64 are multiples of four characters; one more is the mark of a diff.
        if self.key.is_within()
            && word.len() % 4 == 1
            && let [b'+' | b'-', line @ ..] = word
            && !line.starts_with(b"-")
        {
            word = line;
        }
        let from = whole.len() - word.len();
        let line = match self.key.read(word) {
            Word::First(line) => Some((line, false)),
            Word::Further => Some((0..word.len(), true)),
            Word::Other => None,
        };
        if let Some((line, further)) = line {
            self.found.push(Found {
                at: from + line.start..from + line.end,
                kind: Kind::PrivateKey,
                further,
            });
            return;
        }
        if let Some((kind, next)) = self.wrapped.take().and_then(|wrapped| wrapped.read(word)) {
            self.found.push(Found::new(from..whole.len(), kind));
            self.context = Context::Nothing;
            self.wrapped = next;
            return;
        }
        self.aws = self.aws.saturating_sub(1);
        let mut found = std::mem::take(&mut self.found);
        self.context = self.look(word, signs, &mut found);
        if !found.is_empty() {
            for found in &mut found {
                found.at = found.at.start + from..found.at.end + from;
            }
            // What begins first; of those the longest.
            found.sort_by_key(|found| (found.at.start, std::cmp::Reverse(found.at.end)));
            let mut done = 0;
            found.retain(|found| {
                let apart = found.at.start >= done;
                if apart {
                    done = found.at.end;
                }
                apart
            });
            let last = found.last().filter(|found| found.at.end == whole.len());
            self.wrapped = last.and_then(|last| {
                let value = whole.get(last.at.clone()).unwrap_or_default();
                Wrapped::after(last.kind, value)
            });
        }
        self.found = found;
    }

    /// Passes a word on, with what was found in it.
    fn tell(&mut self, word: &[u8], sink: &mut impl Sink) {
        let mut done = 0;
        for Found { at, kind, further } in &self.found {
            let value = word.get(at.clone()).unwrap_or_default();
            // A word is ASCII.
            let Ok(value) = std::str::from_utf8(value) else {
                continue;
            };
            sink.plain(word.get(done..at.start).unwrap_or_default());
            sink.secret(*kind, value, *further);
            done = at.end;
            if *kind == Kind::AwsAccessKey {
                self.aws = AWS_WORDS;
            }
            if *kind != Kind::PrivateKey && is_distinctive(value.as_bytes()) {
                Arc::make_mut(&mut self.known).add(*kind, value);
            }
        }
        sink.plain(word.get(done..).unwrap_or_default());
        self.found.clear();
    }

    /// Looks for secrets in a word. Says what is expected of the next one.
    fn look(&mut self, word: &[u8], signs: bool, found: &mut Vec<Found>) -> Context {
        if word.len() >= known::SHORTEST {
            self.look_for_known(word, found);
        }
        if word.len() >= shape::SHORTEST {
            look_for_shapes(word, found);
            self.look_for_aws_secret(word, found);
        }
        if signs && let Some(context) = look_for_assignments(word, found) {
            return context;
        }
        match self.context {
            Context::Value(kind) => {
                if word.iter().all(|byte| matches!(byte, b'=' | b':'))
                    || kind == Kind::Authorization && is_scheme(word)
                    || self.below && matches!(word, b"-" | b"+")
                {
                    return Context::Value(kind);
                }
                let before = found.len();
                look_at_value(word, 0..word.len(), kind, found);
                // `Bearer one two`
                match kind == Kind::Authorization && found.len() > before {
                    true => Context::More,
                    false => Context::Nothing,
                }
            }
            Context::More => {
                let padding = word.iter().rev().take_while(|byte| **byte == b'=').count();
                let value = word.get(..word.len() - padding).unwrap_or_default();
                if value.iter().any(|byte| matches!(byte, b'=' | b':')) {
                    return Context::Nothing;
                }
                let before = found.len();
                look_at_value(word, 0..word.len(), Kind::Authorization, found);
                match found.len() > before {
                    true => Context::More,
                    false => Context::Nothing,
                }
            }
            Context::Name if matches!(word.first(), Some(b'=' | b':')) => {
                let Some(kind) = name::says(&self.name) else {
                    return Context::Nothing;
                };
                let sign = word
                    .iter()
                    .take_while(|byte| matches!(byte, b'=' | b':' | b'~'))
                    .count();
                if sign == word.len() {
                    return Context::Value(kind);
                }
                look_at_value(word, sign..word.len(), kind, found);
                Context::Nothing
            }
            _ if word.eq_ignore_ascii_case(b"bearer") => Context::Value(Kind::Authorization),
            // `--password hunter2`
            _ if word.starts_with(b"--") && !signs => match name::says(word) {
                Some(kind) => Context::Value(kind),
                None => Context::Nothing,
            },
            _ => {
                self.name.clear();
                let end = word.get(word.len().saturating_sub(name::MOST)..);
                self.name.extend_from_slice(end.unwrap_or_default());
                Context::Name
            }
        }
    }

    fn look_for_known(&self, word: &[u8], found: &mut Vec<Found>) {
        if self.known.is_empty() {
            return;
        }
        let mut from = 0;
        while let Some((at, len, kind)) = self.known.find(word, from) {
            from = at + len;
            found.push(Found::new(at..from, kind));
        }
    }

    /// Forty characters of base64 soon after the id of an access key.
    fn look_for_aws_secret(&self, word: &[u8], found: &mut Vec<Found>) {
        if self.aws == 0 {
            return;
        }
        let start = word
            .iter()
            .rposition(|byte| matches!(byte, b'=' | b':'))
            .map_or(0, |at| at + 1);
        let value = word.get(start..).unwrap_or_default();
        let base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
        let has = |what: fn(&u8) -> bool| value.iter().any(what);
        if value.len() == 40
            && value.iter().all(base64)
            && has(u8::is_ascii_uppercase)
            && has(u8::is_ascii_lowercase)
            && has(u8::is_ascii_digit)
            && !is_stand_in(value)
        {
            found.push(Found::new(start..word.len(), Kind::AwsSecretKey));
        }
    }
}

/// `Authorization: Bearer …`
fn is_scheme(word: &[u8]) -> bool {
    const SCHEMES: &[&[u8]] = &[b"basic", b"bearer", b"token", b"apikey", b"key", b"dpop"];
    SCHEMES.iter().any(|scheme| word.eq_ignore_ascii_case(scheme))
}

fn look_for_shapes(word: &[u8], found: &mut Vec<Found>) {
    let mut before = b' ';
    let mut at = 0;
    while at + shape::SHORTEST <= word.len() {
        let Some(byte) = word.get(at).copied() else { return };
        if !before.is_ascii_alphanumeric() && shape::can_begin(byte) {
            let rest = word.get(at..).unwrap_or_default();
            match shape::begins(rest) {
                Begins::Secret(len, kind) => {
                    found.push(Found::new(at..at + len, kind));
                    at += len;
                    before = b'x';
                    continue;
                }
                Begins::Data(len) => {
                    at += len;
                    before = b'x';
                    continue;
                }
                Begins::Nothing => {}
            }
        }
        before = byte;
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often a byte may be looked at, whatever stands around it.
    const MOST_LOOKS: usize = 40;

    struct Nowhere;

    impl Sink for Nowhere {
        fn plain(&mut self, _: &[u8]) {}
        fn secret(&mut self, _: Kind, _: &str, _: bool) {}
    }

    /// How many bytes are looked at in a text, some of them more than once.
    fn work_of(text: &str) -> usize {
        let _ = work::done();
        let mut scanner = Scanner::new(Arc::default());
        scanner.push(text.as_bytes(), &mut Nowhere);
        scanner.finish(&mut Nowhere);
        work::done()
    }

    #[test]
    fn twice_the_text_is_twice_the_work() {
        // Drawn here, so that no line of this file looks like a secret.
        let drawn: String = (0..40_u8)
            .map(|at| char::from(b"Q7wE4rT9yU2iO5pA8sD1fG6hJ3kL0z"[usize::from(at) * 7 % 30]))
            .collect();
        let (token, key) = (drawn.as_str(), "PRIVATE KEY-----");
        let pieces = [
            "a",
            " ",
            "=",
            ":",
            "\n",
            "\u{e4}",
            "\\\"",
            "://",
            "eyJ",
            "eyJ.",
            "eyJa.eyJb.",
            "eyJaaaaaaaa",
            "ghp_",
            "xoxb-",
            "sk-",
            "-sk-a",
            "=password",
            "password=",
            "password=\"",
            "password=\"a ",
            "password: \\\"a b\\\\",
            "token=token=",
            "token: |\n",
            "<password>",
            "a://b:c@",
            "?a&b#c=",
            "Authorization: Bearer ",
            "Private-Lines: 3\n",
        ];
        let made = [
            format!("-----BEGIN {key}"),
            format!("-----BEGIN {key}\n"),
            format!("-----BEGIN {key}{token}"),
            format!("{token}\n"),
            format!("password = \"{token} and\" "),
            format!("token={token}\n"),
            format!("Authorization: Bearer {token} "),
            format!("AKIA{} ", "Q2W3E4R5T6Y7U2I3"),
            format!("ghp_{token}."),
            format!("&token={token}"),
        ];
        for piece in pieces.into_iter().chain(made.iter().map(String::as_str)) {
            // As one word, which is data soon; and as words that are not.
            let word = piece.repeat((LONGEST - 1) / piece.len());
            let texts: [&dyn Fn(usize) -> String; 2] = [
                &|times| piece.repeat(4 * times * LONGEST / piece.len()),
                &|times| format!("{word} ").repeat(4 * times),
            ];
            for text in texts {
                let [one, two, four] = [1, 2, 4].map(|times| work_of(&text(times)));
                // Words that are held, and what is known, are bounded.
                assert!(
                    two <= 2 * one + LONGEST && four <= 2 * two + LONGEST,
                    "{piece:?}: {one}, {two}, {four}"
                );
                assert!(
                    four <= MOST_LOOKS * 16 * LONGEST,
                    "{piece:?}: {}",
                    four / (16 * LONGEST)
                );
            }
        }
    }
}

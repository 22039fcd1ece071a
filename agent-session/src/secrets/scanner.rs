//! Finds secrets in a text that comes in pieces.
//!
//! A text is taken apart into words: runs of graphic ASCII without quotes, brackets, commas, semicolons and backslashes.
//! A secret is a word, or a part of one; whether a word holds one is decided when its end has come, by the word itself
//! and a few bytes that are remembered of what came before. So the cut between two pieces makes no difference, no more
//! than one word waits, and every byte is looked at a bounded number of times.

use std::ops::Range;
use std::sync::Arc;

use super::entropy::{is_distinctive, is_secret_value, is_stand_in};
use super::kind::Kind;
use super::known::{self, Known};
use super::private_key::{PrivateKey, Word};
use super::shape::Begins;
use super::{name, shape};

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
enum Context {
    Nothing,
    /// It may say that the word before was a name.
    Name,
    /// It may be the value of something whose name says that it is a secret.
    Value(Kind),
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
    aws: u8,
    found: Vec<Found>,
}

#[derive(Debug)]
struct Found {
    at: Range<usize>,
    kind: Kind,
    /// Whether it goes on with the one before.
    further: bool,
}

impl Found {
    fn new(at: Range<usize>, kind: Kind) -> Self {
        Self {
            at,
            kind,
            further: false,
        }
    }
}

const fn is_word(byte: u8) -> bool {
    byte > b' '
        && byte < 0x7f
        && !matches!(
            byte,
            b'"' | b'\''
                | b'`'
                | b'<'
                | b'>'
                | b'('
                | b')'
                | b'['
                | b']'
                | b'{'
                | b'}'
                | b','
                | b';'
                | b'\\'
                | b'|'
        )
}

/// Whether a value consists of one word, so that it can be found whole.
pub(super) fn words_of(value: &str) -> impl Iterator<Item = &str> {
    value
        .split(|c: char| !u8::try_from(c).is_ok_and(is_word))
        .filter(|word| word.len() >= known::SHORTEST)
}

/// Of each byte: 0 between words, 1 in a word, 3 for the signs between names and values.
static CLASS: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        #[allow(
            clippy::indexing_slicing,
            clippy::cast_possible_truncation,
            reason = "evaluated while compiling; the index is below 256"
        )]
        {
            table[byte] = match byte as u8 {
                b'=' | b':' => 3,
                byte if is_word(byte) => 1,
                _ => 0,
            };
        }
        byte += 1;
    }
    table
};

fn class(byte: u8) -> u8 {
    CLASS.get(usize::from(byte)).copied().unwrap_or_default()
}

/// How long the word is with which a text begins, and whether it has signs between names and values.
fn first_word(text: &[u8]) -> (usize, bool) {
    let mut seen = 0;
    for (len, byte) in text.iter().enumerate() {
        match class(*byte) {
            0 => return (len, seen == 3),
            class => seen |= class,
        }
    }
    (text.len(), seen == 3)
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
            aws: 0,
            found: Vec::new(),
        }
    }

    /// Reads on.
    pub(super) fn push(&mut self, text: &[u8], sink: &mut impl Sink) {
        let (mut at, mut told) = (0, 0);
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let (len, signs) = first_word(rest);
            let word = rest.get(..len).unwrap_or_default();
            let whole = len < rest.len();
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
            if whole {
                self.end_word(sink);
                let rest = rest.get(len..).unwrap_or_default();
                let between = rest
                    .iter()
                    .position(|byte| class(*byte) != 0)
                    .unwrap_or(rest.len());
                self.between(rest.get(..between).unwrap_or_default());
                at += between;
            }
            at += len;
        }
        sink.plain(text.get(told..).unwrap_or_default());
    }

    /// The text has ended; what comes next is another one.
    pub(super) fn finish(&mut self, sink: &mut impl Sink) {
        self.end_word(sink);
        self.between(b"\n");
        self.key = PrivateKey::Outside;
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

    /// Reads what stands between two words.
    fn between(&mut self, text: &[u8]) {
        for byte in text {
            self.escaped = *byte == b'\\';
            match byte {
                b'\n' | b'\r' => self.end_line(),
                b' ' | b'\t' | b'"' | b'\'' | b'`' | b'\\' => {}
                b'>' => self.close_tag(),
                _ => {
                    self.context = Context::Nothing;
                    self.key.between(*byte);
                }
            }
        }
    }

    fn end_line(&mut self) {
        self.context = Context::Nothing;
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
        if word.starts_with(b"secret:") {
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
        let further = match self.key.read(word) {
            Word::First => Some(false),
            Word::Further => Some(true),
            Word::Other => None,
        };
        if let Some(further) = further {
            self.found.push(Found {
                at: from..whole.len(),
                kind: Kind::PrivateKey,
                further,
            });
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
                {
                    return Context::Value(kind);
                }
                look_at_value(word, 0..word.len(), kind, found);
                Context::Nothing
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

/// Looks for passwords in addresses, and for `name=value` and `name:value`. `Some` where the word says what is expected
/// of the next one.
fn look_for_assignments(word: &[u8], found: &mut Vec<Found>) -> Option<Context> {
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
fn look_at_value(word: &[u8], at: Range<usize>, kind: Kind, found: &mut Vec<Found>) {
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

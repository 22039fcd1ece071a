//! A reader of values that are nearly JSON. What is JSON is read as it is; what is not is mended where it can be read
//! in one way only, and refused where it could be read in two.

use crate::repair::{Broken, Repair, RepairKind};
use crate::value::Value;

/// How deep values may be nested.
pub(crate) const DEPTH: usize = 64;

/// By which rules a text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// JSON.
    Json,
    /// Literals of Python: single quotes, `True`, tuples and escapes are at home.
    Python,
    /// JSON with bare keys, and strings between two of this token, in which nothing is escaped.
    Delimited(&'static str),
}

/// A reader.
#[derive(Debug)]
pub(crate) struct Lenient<'a> {
    text: &'a str,
    at: usize,
    syntax: Syntax,
    /// Brackets that are open.
    open: Vec<u8>,
    pub(crate) repairs: Vec<Repair>,
}

impl<'a> Lenient<'a> {
    pub(crate) fn new(text: &'a str, syntax: Syntax) -> Self {
        Self {
            text,
            at: 0,
            syntax,
            open: Vec::new(),
            repairs: Vec::new(),
        }
    }

    pub(crate) fn starting_at(text: &'a str, at: usize, syntax: Syntax) -> Self {
        Self {
            text,
            at,
            syntax,
            open: Vec::new(),
            repairs: Vec::new(),
        }
    }

    /// Reads a value behind which nothing follows, but perhaps brackets too many.
    pub(crate) fn whole(&mut self) -> Result<Value, Broken> {
        let value = self.value()?;
        self.extra_closers();
        if self.rest().is_empty() {
            return Ok(value);
        }
        self.broken(format!("`{}` stands behind the arguments", shown(self.rest())))
    }

    /// Passes over brackets that nothing opened.
    pub(crate) fn extra_closers(&mut self) {
        self.blanks();
        while let Some(b'}' | b']') = self.peek() {
            self.note(RepairKind::ExtraCloser, self.at);
            self.at += 1;
            self.blanks();
        }
    }

    /// Reads a value that stands in a list: its last bracket may be followed by the list's.
    pub(crate) fn value_in_list(&mut self) -> Result<Value, Broken> {
        self.open.push(b']');
        let value = self.value();
        self.open.clear();
        value
    }

    pub(crate) fn skip_to(&mut self, at: usize) {
        self.at = at;
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Takes this text if it is next.
    pub(crate) fn eat(&mut self, token: &str) -> bool {
        let is_next = self.rest().starts_with(token);
        if is_next {
            self.at += token.len();
        }
        is_next
    }

    fn note(&mut self, kind: RepairKind, at: usize) {
        self.repairs.push(Repair { kind, at });
    }

    fn broken<T>(&self, reason: impl Into<String>) -> Result<T, Broken> {
        Err(Broken::new(self.at, reason))
    }

    /// Passes over blanks and comments.
    pub(crate) fn blanks(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            let end = if trimmed.starts_with("//") && self.syntax == Syntax::Json {
                trimmed.find('\n').unwrap_or(trimmed.len())
            } else if trimmed.starts_with("/*") && self.syntax == Syntax::Json {
                match trimmed.find("*/") {
                    Some(end) => end + 2,
                    None => return,
                }
            } else {
                return;
            };
            self.note(RepairKind::Comment, self.at);
            self.at += end;
        }
    }

    /// Reads a value.
    pub(crate) fn value(&mut self) -> Result<Value, Broken> {
        self.blanks();
        if let Syntax::Delimited(delimiter) = self.syntax
            && self.eat(delimiter)
        {
            let Some(end) = self.rest().find(delimiter) else {
                return self.broken("a string is not closed");
            };
            let text = self.rest().get(..end).unwrap_or_default().to_owned();
            self.at += end + delimiter.len();
            return Ok(Value::String(text));
        }
        match self.peek() {
            Some(b'{') => self.object(),
            Some(b'[') => self.array(b']'),
            Some(b'(') if self.syntax == Syntax::Python => self.array(b')'),
            Some(b'"' | b'\'') => self.string().map(Value::String),
            Some(b'-' | b'+' | b'.' | b'0'..=b'9') => self.number(),
            Some(c) if c.is_ascii_alphabetic() || c == b'_' => self.word(),
            Some(_) => {
                let found = self.rest().chars().next().unwrap_or_default();
                self.broken(format!("a value was expected, and `{found}` found"))
            }
            None => self.broken("a value was expected, and nothing found"),
        }
    }

    /// Whether nothing but closing brackets follows. Only then a bracket that is missing or wrong can be read in one
    /// way.
    fn only_closers_follow(&self) -> bool {
        self.rest()
            .bytes()
            .all(|byte| byte.is_ascii_whitespace() || matches!(byte, b'}' | b']' | b')'))
    }

    /// Ends what `closer` would end: by it, by the end of the text, or by another bracket's closer.
    fn close(&mut self, closer: u8) -> Result<bool, Broken> {
        match self.peek() {
            Some(byte) if byte == closer => {
                self.at += 1;
                Ok(true)
            }
            None => {
                self.note(RepairKind::MissingCloser, self.at);
                Ok(true)
            }
            Some(byte @ (b'}' | b']' | b')')) => {
                if !self.only_closers_follow() {
                    return self.broken(format!(
                        "`{}` closes a bracket that `{}` should close; write the call again with its brackets in pairs",
                        char::from(byte),
                        char::from(closer)
                    ));
                }
                let outer = self.open.len().saturating_sub(1);
                if self.open.iter().take(outer).any(|open| *open == byte) {
                    self.note(RepairKind::MissingCloser, self.at);
                } else {
                    self.note(RepairKind::WrongCloser, self.at);
                    self.at += 1;
                }
                Ok(true)
            }
            Some(_) => Ok(false),
        }
    }

    fn enter(&mut self, closer: u8) -> Result<(), Broken> {
        if self.open.len() >= DEPTH {
            return self.broken(format!("values are nested more than {DEPTH} deep"));
        }
        self.open.push(closer);
        self.at += 1;
        Ok(())
    }

    fn object(&mut self) -> Result<Value, Broken> {
        self.enter(b'}')?;
        let mut members: Vec<(String, Value)> = Vec::new();
        // Whether a comma stands before the next member, and where.
        let mut comma = None;
        loop {
            self.blanks();
            if self.peek() == Some(b',') {
                if comma.is_some() || members.is_empty() {
                    self.note(RepairKind::ExtraComma, self.at);
                }
                comma = Some(self.at);
                self.at += 1;
                continue;
            }
            if self.close(b'}')? {
                if let Some(comma) = comma
                    && !members.is_empty()
                {
                    self.note(RepairKind::ExtraComma, comma);
                }
                break;
            }
            let start = self.at;
            let quoted = matches!(self.peek(), Some(b'"' | b'\''));
            if comma.is_none() && !members.is_empty() {
                if !quoted {
                    return self
                        .broken("a comma or `}` was expected; a quote inside of a string needs a backslash");
                }
                self.note(RepairKind::MissingComma, self.at);
            }
            comma = None;
            let key = if quoted { self.string()? } else { self.bare_key()? };
            self.blanks();
            if !self.eat(":") {
                return self.broken(format!("a `:` was expected after the key `{}`", shown(&key)));
            }
            let value = self.value()?;
            match members.iter().find(|(name, _)| *name == key) {
                None => members.push((key, value)),
                Some((_, other)) if *other == value => self.note(RepairKind::RepeatedKey, start),
                Some(_) => {
                    return Err(Broken::new(
                        start,
                        format!("the key `{}` comes twice with different values", shown(&key)),
                    ));
                }
            }
        }
        self.open.pop();
        Ok(Value::Object(members))
    }

    fn bare_key(&mut self) -> Result<String, Broken> {
        let start = self.at;
        if let Syntax::Delimited(delimiter) = self.syntax
            && self.rest().starts_with(delimiter)
        {
            return match self.value()? {
                Value::String(key) => Ok(key),
                _ => self.broken("a key was expected"),
            };
        }
        let rest = self.rest();
        let end = rest
            .find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '$')))
            .unwrap_or(rest.len());
        let key = rest.get(..end).unwrap_or_default();
        if key.is_empty() || key.starts_with(|c: char| c.is_ascii_digit()) {
            return self.broken("a key in double quotes was expected");
        }
        self.at += end;
        if !matches!(self.syntax, Syntax::Delimited(_)) {
            self.note(RepairKind::BareKey, start);
        }
        Ok(key.to_owned())
    }

    fn array(&mut self, closer: u8) -> Result<Value, Broken> {
        self.enter(closer)?;
        let mut items: Vec<Value> = Vec::new();
        let mut comma = None;
        loop {
            self.blanks();
            if self.peek() == Some(b',') {
                if comma.is_some() || items.is_empty() {
                    self.note(RepairKind::ExtraComma, self.at);
                }
                comma = Some(self.at);
                self.at += 1;
                continue;
            }
            if self.close(closer)? {
                if let Some(comma) = comma
                    && !items.is_empty()
                    && self.syntax != Syntax::Python
                {
                    self.note(RepairKind::ExtraComma, comma);
                }
                break;
            }
            if comma.is_none()
                && let Some(last) = items.last()
            {
                if matches!(last, Value::String(_)) && matches!(self.peek(), Some(b'"' | b'\'')) {
                    return self
                        .broken("two strings without a comma could be one or two; put a comma or join them");
                }
                self.note(RepairKind::MissingComma, self.at);
            }
            comma = None;
            items.push(self.value()?);
        }
        self.open.pop();
        Ok(Value::Array(items))
    }

    fn word(&mut self) -> Result<Value, Broken> {
        let rest = self.rest();
        let end = rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(rest.len());
        let word = rest.get(..end).unwrap_or_default();
        let (value, repair) = match word {
            "true" => (Value::Bool(true), None),
            "false" => (Value::Bool(false), None),
            "null" => (Value::Null, None),
            "True" => (Value::Bool(true), Some(RepairKind::PythonLiteral)),
            "False" => (Value::Bool(false), Some(RepairKind::PythonLiteral)),
            "None" => (Value::Null, Some(RepairKind::PythonLiteral)),
            "NaN" | "nan" | "Infinity" | "inf" => (Value::Null, Some(RepairKind::NotANumber)),
            _ => {
                return self.broken(format!(
                    "`{}` is no value; a text needs double quotes",
                    shown(word)
                ));
            }
        };
        if let Some(kind) = repair
            && !(kind == RepairKind::PythonLiteral && self.syntax == Syntax::Python)
        {
            self.note(kind, self.at);
        }
        self.at += end;
        Ok(value)
    }

    fn number(&mut self) -> Result<Value, Broken> {
        let start = self.at;
        let rest = self.rest();
        if rest.starts_with("-Infinity") || rest.starts_with("+Infinity") {
            self.note(RepairKind::NotANumber, start);
            self.at += "-Infinity".len();
            return Ok(Value::Null);
        }
        let end = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '_')))
            .unwrap_or(rest.len());
        let written = rest.get(..end).unwrap_or_default();
        if is_number(written) {
            self.at += end;
            return Ok(Value::Number(written.to_owned()));
        }
        let mended = mend_number(written, self.syntax);
        let Some(mended) = mended.filter(|mended| is_number(mended)) else {
            return self.broken(format!(
                "`{}` is no number as JSON writes it; a text needs double quotes",
                shown(written)
            ));
        };
        self.note(RepairKind::NumberForm, start);
        self.at += end;
        Ok(Value::Number(mended))
    }

    pub(crate) fn string(&mut self) -> Result<String, Broken> {
        let start = self.at;
        let quote = self.peek().unwrap_or(b'"');
        let quote_text = if quote == b'"' { "\"" } else { "'" };
        if self.syntax == Syntax::Python {
            let triple = quote_text.repeat(3);
            if self.eat(&triple) {
                return self.string_until(start, &triple);
            }
        } else if quote == b'\'' {
            self.note(RepairKind::SingleQuotes, start);
        }
        self.at += 1;
        self.string_until(start, quote_text)
    }

    fn string_until(&mut self, start: usize, end: &str) -> Result<String, Broken> {
        let mut text = String::new();
        let first = end.chars().next().unwrap_or('"');
        loop {
            // What stands for itself is taken in one piece.
            let rest = self.rest();
            let plain = rest
                .find(|c: char| c == first || c == '\\' || u32::from(c) < 0x20)
                .unwrap_or(rest.len());
            text.push_str(rest.get(..plain).unwrap_or_default());
            self.at += plain;
            if self.eat(end) {
                return Ok(text);
            }
            let Some(c) = self.rest().chars().next() else {
                return Err(Broken::new(start, "a string is not closed"));
            };
            if c == '\\' {
                self.escape(&mut text)?;
                continue;
            }
            if u32::from(c) < 0x20 && !(self.syntax == Syntax::Python && end.len() == 3) {
                self.note(RepairKind::ControlCharacter, self.at);
            }
            text.push(c);
            self.at += c.len_utf8();
        }
    }

    /// Reads an escape; the backslash is next.
    fn escape(&mut self, text: &mut String) -> Result<(), Broken> {
        let start = self.at;
        self.at += 1;
        let Some(c) = self.rest().chars().next() else {
            return Err(Broken::new(start, "a string is not closed"));
        };
        let python = self.syntax == Syntax::Python;
        self.at += c.len_utf8();
        let plain = match c {
            '"' => '"',
            '\\' => '\\',
            '/' if !python => '/',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => self.unicode(start)?,
            '\'' if python => '\'',
            '\'' => {
                self.note(RepairKind::Escape, start);
                '\''
            }
            'a' if python => '\u{7}',
            'v' if python => '\u{b}',
            'x' if python => self.hex(2, start).and_then(|code| char_of(code, start))?,
            'U' if python => self.hex(8, start).and_then(|code| char_of(code, start))?,
            '\n' if python => return Ok(()),
            '0' if python && !matches!(self.peek(), Some(b'0'..=b'7')) => '\0',
            'a' | 'v' | 'x' | 'U' | 'N' | '0'..='9' | '\n' | '\r' => {
                let c = if c.is_control() {
                    "a line break".to_owned()
                } else {
                    format!("`\\{c}`")
                };
                return Err(Broken::new(
                    start,
                    format!(
                        "the escape {c} can be read in two ways; write a backslash as `\\\\`, a character as `\\u….`"
                    ),
                ));
            }
            other => {
                if !python {
                    self.note(RepairKind::Escape, start);
                }
                text.push('\\');
                other
            }
        };
        text.push(plain);
        Ok(())
    }

    fn hex(&mut self, digits: usize, start: usize) -> Result<u32, Broken> {
        let code = self
            .rest()
            .get(..digits)
            .filter(|code| code.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let code = code.and_then(|code| u32::from_str_radix(code, 16).ok());
        self.at += digits;
        code.ok_or_else(|| Broken::new(start, format!("an escape needs {digits} hexadecimal digits")))
    }

    fn unicode(&mut self, start: usize) -> Result<char, Broken> {
        let code = self.hex(4, start)?;
        if (0xD800..0xDC00).contains(&code) && self.rest().starts_with("\\u") {
            self.at += 2;
            let low = self.hex(4, start)?;
            if (0xDC00..0xE000).contains(&low) {
                return char_of(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00), start);
            }
        }
        char_of(code, start)
    }
}

fn char_of(code: u32, at: usize) -> Result<char, Broken> {
    char::from_u32(code).ok_or_else(|| Broken::new(at, "an escape stands for half a character"))
}

/// The beginning of a text, for messages.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 40;
    let mut shown: String = text
        .chars()
        .take(MOST)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    shown
}

/// Whether a text is a number by the grammar of JSON.
pub(crate) fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
}

/// `+1`, `.5`, `1.`, and what only Python writes: `1_000`.
fn mend_number(written: &str, syntax: Syntax) -> Option<String> {
    let mut text = written.strip_prefix('+').unwrap_or(written).to_owned();
    if syntax == Syntax::Python {
        text = text.replace('_', "");
    }
    let (sign, magnitude) = match text.strip_prefix('-') {
        Some(magnitude) => ("-", magnitude),
        None => ("", text.as_str()),
    };
    let zero = if magnitude.starts_with('.') { "0" } else { "" };
    let tail = if magnitude.ends_with('.') && magnitude.len() > 1 {
        "0"
    } else {
        ""
    };
    Some(format!("{sign}{zero}{magnitude}{tail}"))
}

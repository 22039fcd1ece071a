//! Taking out of a record what is nobody else's business, so that it stays a record.
//!
//! Everything is replaced by as many bytes as it had. Lengths, places and sizes in tokens that the record states stay
//! true, and so every decision in it comes out as before when it is made again.

use std::borrow::Cow;
use std::collections::BTreeMap;

use glasswork_agent_session::secrets::{Masking, Origin};
use glasswork_session_state::secrets;
use serde::{Deserialize, Serialize};

use super::images;
use crate::export::places;

/// What was taken out of a record, by which rule, and what could not be looked into.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redaction {
    /// How often each rule found something: `home-path`, `image-metadata`, and `secret:KIND` for each kind of secret.
    pub taken_out: BTreeMap<String, u64>,
    /// Placeholders of secrets that were masked before they came to the session, by kind. Their values were never in it.
    pub masked_before: BTreeMap<String, u64>,
    /// Blobs that are neither text nor an image of a known format: they are in the file as they are.
    pub not_looked_into: Vec<String>,
    /// Whether something was under way at the end: then pieces of an answer are in it one by one, and what stands
    /// across two of them was not found.
    pub under_way: bool,
}

/// Takes out what is private, and counts it.
#[derive(Debug)]
pub(super) struct Redactor {
    /// The home directory, where it is known.
    home: Option<String>,
    /// Finds secrets.
    masking: Masking,
    /// The new names of blobs whose content has changed.
    pub(super) renamed: BTreeMap<String, String>,
    pub(super) report: Redaction,
}

impl Redactor {
    pub(super) fn new(home: Option<&str>, masking: Masking) -> Self {
        let home = home
            .map(|home| home.trim_end_matches('/'))
            .filter(|home| home.starts_with('/'));
        Self {
            home: home.map(ToOwned::to_owned),
            masking,
            renamed: BTreeMap::new(),
            report: Redaction::default(),
        }
    }

    fn note(&mut self, rule: &str, count: u64) {
        if count > 0 {
            *self.report.taken_out.entry(rule.to_owned()).or_default() += count;
        }
    }

    /// A text without what is private, as long as it was.
    pub(super) fn text<'t>(&mut self, text: &'t str) -> Cow<'t, str> {
        let mut out = self.without_secrets(text);
        if let Some(home) = &self.home {
            let found: Vec<usize> = places(&out, home).collect();
            if !found.is_empty() {
                // Absolute still, and each part of it still a name.
                let instead: String = home
                    .char_indices()
                    .map(|(place, c)| if place == 0 { '/' } else { stand_in(c) })
                    .collect();
                let mut bytes = out.into_owned();
                for place in found.iter().rev() {
                    bytes.replace_range(*place..place + home.len(), &padded(&instead, home.len()));
                }
                self.note("home-path", found.len() as u64);
                out = Cow::Owned(bytes);
            }
        }
        if self.renamed.is_empty() {
            return out;
        }
        let mut named = None;
        for word in out
            .split(|c: char| !c.is_ascii_hexdigit())
            .filter(|word| word.len() == 64)
        {
            if let Some(new) = self.renamed.get(word) {
                let text: &mut String = named.get_or_insert_with(|| out.clone().into_owned());
                *text = text.replace(word, new);
            }
        }
        named.map_or(out, Cow::Owned)
    }

    fn without_secrets<'t>(&mut self, text: &'t str) -> Cow<'t, str> {
        let count = |text: &str| {
            let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
            for (_, placeholder) in secrets::find(text) {
                *kinds.entry(placeholder.kind.to_owned()).or_default() += 1;
            }
            kinds
        };
        let view = self.masking.view(text.as_bytes(), &Origin::Elsewhere);
        let before = count(text);
        let after = count(&String::from_utf8_lossy(view.bytes()));
        let hidden: Vec<_> = view.secrets().cloned().collect();
        for (kind, found) in after {
            let known = before.get(&kind).copied().unwrap_or(0);
            self.note(&format!("secret:{kind}"), found.saturating_sub(known));
        }
        for (kind, found) in before {
            *self.report.masked_before.entry(kind).or_default() += found;
        }
        if hidden.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut out = text.to_owned();
        for secret in hidden.into_iter().rev() {
            if out.is_char_boundary(secret.start) && out.is_char_boundary(secret.end) {
                out.replace_range(secret.clone(), &"*".repeat(secret.len()));
            }
        }
        Cow::Owned(out)
    }

    /// A line of JSON: its strings are looked into one by one, so that it stays JSON.
    pub(super) fn json(&mut self, line: &[u8]) -> Vec<u8> {
        let Ok(line) = std::str::from_utf8(line) else {
            return self.bytes(line).0;
        };
        let mut out = String::with_capacity(line.len());
        let mut rest = line;
        while let Some(start) = rest.find('"') {
            let (before, from) = rest.split_at(start);
            out.push_str(before);
            let end = end_of_string(from);
            let (literal, after) = from.split_at_checked(end).unwrap_or((from, ""));
            match serde_json::from_str::<String>(literal) {
                Ok(text) => match self.text(&text) {
                    same if *same == text => out.push_str(literal),
                    changed => out.push_str(&serde_json::Value::from(&*changed).to_string()),
                },
                Err(_) => out.push_str(literal),
            }
            rest = after;
        }
        out.push_str(rest);
        out.into_bytes()
    }

    /// The content of a blob, and whether it could be looked into.
    pub(super) fn bytes(&mut self, content: &[u8]) -> (Vec<u8>, bool) {
        if let Ok(text) = std::str::from_utf8(content) {
            return (self.text(text).into_owned().into_bytes(), true);
        }
        match images::without_metadata(content) {
            Some((image, removed)) => {
                self.note("image-metadata", removed);
                (image, true)
            }
            None => (content.to_vec(), false),
        }
    }
}

/// What stands for a character of a path, of one byte.
fn stand_in(c: char) -> char {
    match c {
        '/' => '/',
        _ => '~',
    }
}

/// A stand-in is shorter than a name with letters of several bytes.
fn padded(text: &str, length: usize) -> String {
    let missing = length.saturating_sub(text.len());
    format!("{text}{}", "~".repeat(missing))
}

/// How long the string is with which a text begins, its quotes included.
fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (place, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return place + 1,
            _ => {}
        }
    }
    text.len()
}

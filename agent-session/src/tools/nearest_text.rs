//! Where in a text something like a given piece stands: what an edit that does not fit is told.
//!
//! The text is gone through once with a window of as many lines as the piece has. Two pieces are as similar as the
//! pairs of neighbouring bytes that they share (Dice's coefficient), which moves along with the window, so that a file
//! of any length is searched in a time proportional to it.

use serde::{Deserialize, Serialize};

/// The most similar lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NearestText {
    /// The first of the lines, from 1.
    pub line: usize,
    /// How similar, in percent.
    pub similarity: u8,
    /// The lines as they stand, at most 2 KiB of them.
    pub text: String,
    /// Whether only spaces, tabs and ends of lines differ.
    pub only_whitespace: bool,
}

/// Bytes of the nearest lines that are told.
pub(crate) const MOST_SHOWN: usize = 2048;

/// Less similar than this (in percent) is not worth telling.
const LEAST: u64 = 50;

pub(crate) fn nearest_text(text: &[u8], piece: &[u8]) -> Option<NearestText> {
    let lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
    let height = piece.split_inclusive(|&byte| byte == b'\n').count();
    let mut window = Window::new(piece);
    let mut best: Option<(u64, usize)> = None;
    for (at, line) in lines.iter().enumerate() {
        window.add(line);
        if let Some(gone) = at.checked_sub(height).and_then(|gone| lines.get(gone)) {
            window.remove(gone);
        }
        let first = (at + 1).saturating_sub(height);
        let similarity = window.similarity();
        if best.is_none_or(|(best, _)| similarity > best) {
            best = Some((similarity, first));
        }
    }
    let (similarity, first) = best.filter(|(similarity, _)| *similarity >= LEAST)?;
    let found: Vec<u8> = lines
        .iter()
        .skip(first)
        .take(height)
        .copied()
        .collect::<Vec<_>>()
        .concat();
    let plain = |bytes: &[u8]| -> Vec<u8> {
        bytes
            .iter()
            .copied()
            .filter(|b| !b.is_ascii_whitespace())
            .collect()
    };
    let wanted = plain(piece);
    let only_whitespace = !wanted.is_empty() && memchr::memmem::find(&plain(&found), &wanted).is_some();
    let shown = found.get(..MOST_SHOWN).unwrap_or(&found);
    Some(NearestText {
        line: first + 1,
        similarity: u8::try_from(similarity.min(99)).unwrap_or(99),
        text: String::from_utf8_lossy(shown).into_owned(),
        only_whitespace,
    })
}

struct Window {
    wanted: Vec<u32>,
    wanted_total: u64,
    here: Vec<u32>,
    here_total: u64,
    shared: u64,
}

fn pairs(bytes: &[u8]) -> impl Iterator<Item = usize> {
    bytes
        .iter()
        .zip(bytes.iter().skip(1))
        .map(|(&a, &b)| usize::from(a) << 8 | usize::from(b))
}

impl Window {
    fn new(piece: &[u8]) -> Self {
        let mut wanted = vec![0; 1 << 16];
        let mut wanted_total = 0;
        // Line by line, as the window sees the text.
        for line in piece.split_inclusive(|&byte| byte == b'\n') {
            for pair in pairs(line) {
                if let Some(count) = wanted.get_mut(pair) {
                    *count += 1;
                    wanted_total += 1;
                }
            }
        }
        Self {
            wanted,
            wanted_total,
            here: vec![0; 1 << 16],
            here_total: 0,
            shared: 0,
        }
    }

    fn add(&mut self, line: &[u8]) {
        for pair in pairs(line) {
            if let (Some(here), Some(wanted)) = (self.here.get_mut(pair), self.wanted.get(pair)) {
                self.shared += u64::from(*here < *wanted);
                *here += 1;
                self.here_total += 1;
            }
        }
    }

    fn remove(&mut self, line: &[u8]) {
        for pair in pairs(line) {
            if let (Some(here), Some(wanted)) = (self.here.get_mut(pair), self.wanted.get(pair)) {
                *here = here.saturating_sub(1);
                self.here_total = self.here_total.saturating_sub(1);
                self.shared = self.shared.saturating_sub(u64::from(*here < *wanted));
            }
        }
    }

    /// In percent.
    fn similarity(&self) -> u64 {
        (200 * self.shared)
            .checked_div(self.wanted_total + self.here_total)
            .unwrap_or(0)
    }
}

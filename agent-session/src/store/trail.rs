//! The lines of a journal, one after the other, over all the files in which it lies.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use glasswork_engine::line::{self, Chain, LineError};
use glasswork_engine::load::{Damage, DamageKind};

use super::blocks::BrokenBlock;
use super::checkpoint::Spot;
use super::error::StoreError;
use super::layout::Links;
use super::lines::{Lines, Piece};
use super::parts::{self, Part, Source};

/// Where a reader stands: the last commit that it took, and the chain after the last line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stand {
    pub(super) seq: u64,
    pub(super) chain: Chain,
}

/// A line's number in its file, from 1, and where it begins there.
#[derive(Debug, Clone, Copy)]
pub(super) struct LinePlace {
    pub(super) line: u64,
    pub(super) offset: u64,
}

/// What stands next in a journal.
#[derive(Debug)]
pub(super) enum Step<'a> {
    /// A whole line.
    Line(&'a [u8]),
    /// Bytes at the very end that are no whole line: not written yet, or torn.
    Unfinished(&'a [u8]),
    /// Nothing.
    End,
}

/// Reads a journal from its first line on.
#[derive(Debug)]
pub(super) struct Trail {
    folder: PathBuf,
    /// The file that is read.
    path: PathBuf,
    lines: Lines<Source>,
    /// Whether that is the file with the header.
    in_first: bool,
    /// Files that were not come to yet.
    later: VecDeque<Later>,
    /// The last part that is known.
    known: Option<(u32, u64)>,
    /// Where the last step began.
    place: LinePlace,
}

/// A part that was not come to yet.
#[derive(Debug)]
struct Later {
    first: u64,
    path: PathBuf,
    /// Its lines, once it was looked at.
    lines: Option<Lines<Source>>,
}

impl From<Part> for Later {
    fn from(part: Part) -> Self {
        Self {
            first: part.first,
            path: part.path,
            lines: None,
        }
    }
}

impl Trail {
    /// The journal whose first file is this one.
    pub(super) fn open(journal: &Path, links: Links) -> Result<Self, StoreError> {
        let source = Source::open(journal, links)?;
        let folder = journal.with_extension("");
        let (parts, known) = match source {
            // All of it: parts that are still there were left by a packing that was cut off.
            Source::Packed(_) => (Vec::new(), Some((u32::MAX, u64::MAX))),
            _ => {
                let parts = parts::later(&folder)?;
                let known = parts.last().map(|part| (part.epoch, part.first));
                (parts, known)
            }
        };
        Ok(Self {
            folder,
            path: journal.to_owned(),
            lines: Lines::new(source),
            in_first: true,
            known,
            later: parts.into_iter().map(Later::from).collect(),
            place: LinePlace { line: 1, offset: 0 },
        })
    }

    /// The journal from a place on; `None` where it is not one of this journal (any more).
    pub(super) fn open_at(journal: &Path, spot: &Spot) -> Result<Option<Self>, StoreError> {
        let folder = journal.with_extension("");
        let known = match &spot.part {
            None => None,
            Some(part) => match parts::parse(part) {
                Some(known) => Some(known),
                None => return Ok(None),
            },
        };
        let path = spot
            .part
            .as_ref()
            .map_or_else(|| journal.to_owned(), |part| folder.join(part));
        let source = match Source::behind(&path, Links::Refuse, spot.offset, spot.chain) {
            Ok(Some(source)) => source,
            Ok(None) | Err(StoreError::Io { .. } | StoreError::NotAJournal { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut parts = parts::later(&folder)?;
        parts.retain(|part| Some((part.epoch, part.first)) > known);
        // What a later part takes back is not part of the journal.
        if parts.iter().any(|part| part.first <= spot.seq) {
            return Ok(None);
        }
        Ok(Some(Self {
            folder,
            path,
            lines: Lines::behind(source, spot.lines, spot.offset),
            in_first: known.is_none(),
            known: parts.last().map(|part| (part.epoch, part.first)).or(known),
            later: parts.into_iter().map(Later::from).collect(),
            place: LinePlace {
                line: spot.lines,
                offset: spot.offset,
            },
        }))
    }

    /// The place behind the last line that was given, for a reader that stands there.
    pub(super) fn spot(&self, stand: Stand) -> Spot {
        let name = self.path.file_name().and_then(|name| name.to_str());
        let LinePlace { line, offset } = self.next_place();
        Spot {
            part: name.filter(|_| !self.in_first).map(str::to_owned),
            lines: line - 1,
            offset,
            chain: stand.chain,
            seq: stand.seq,
        }
    }

    /// Goes on with lines that are in memory alone, from commit `first` on.
    pub(super) fn then(mut self, first: u64, lines: Vec<u8>) -> Self {
        self.later.push_back(Later {
            first,
            path: self.path.clone(),
            lines: Some(Lines::new(Source::Memory(std::io::Cursor::new(lines)))),
        });
        self
    }

    /// The file that the last step was in.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the last step gave the header.
    pub(super) fn is_at_header(&self) -> bool {
        self.in_first && self.place.line == 1
    }

    /// Where the last step began.
    pub(super) fn place(&self) -> LinePlace {
        self.place
    }

    /// The damage of the line that the last step gave.
    pub(super) fn damage(&self, intact: u64, kind: DamageKind) -> StoreError {
        let LinePlace { line, offset } = self.place;
        StoreError::Damaged {
            path: self.path.clone(),
            damage: Damage { line, offset, kind },
            intact,
        }
    }

    /// Why the line that the last step should have given could not be read.
    fn failed(&self, intact: u64, error: std::io::Error) -> StoreError {
        match BrokenBlock::of(&error) {
            Some(BrokenBlock { at }) => self.damage(intact, DamageKind::Block { at }),
            None => StoreError::io("read", &self.path)(error),
        }
    }

    /// The next line for a reader that stands there.
    pub(super) fn next(&mut self, stand: Stand) -> Result<Step<'_>, StoreError> {
        self.change_over(stand)?;
        self.place = self.next_place();
        let header = self.in_first && self.place.line == 1;
        // Asked twice, because what was borrowed cannot be given back: the second time it comes from memory.
        let peeked = match self.lines.peek() {
            Ok(piece) => piece,
            Err(error) => return Err(self.failed(stand.seq, error)),
        };
        match peeked {
            Piece::Line(_) => {}
            Piece::TooLong => return Err(self.damage(stand.seq, DamageKind::TooLong)),
            Piece::Unfinished(_) if header => return Err(self.damage(0, DamageKind::TornTail)),
            Piece::End if header => return Err(self.damage(0, DamageKind::Empty)),
            Piece::Unfinished(_) | Piece::End => {
                if let Some(first) = self.later.front().map(|later| later.first) {
                    return Err(self.gap(stand, first));
                }
                // What is read may be being written, and its writer may have gone on elsewhere meanwhile.
                if self.look_again(stand)? {
                    return self.next(stand);
                }
            }
        }
        Ok(
            match self.lines.next().map_err(StoreError::io("read", &self.path))? {
                Piece::Line(line) => Step::Line(line),
                Piece::Unfinished(rest) => Step::Unfinished(rest),
                Piece::TooLong | Piece::End => Step::End,
            },
        )
    }

    fn next_place(&self) -> LinePlace {
        LinePlace {
            line: self.lines.given() + 1,
            offset: self.lines.offset(),
        }
    }

    /// Goes on in the next file if it follows here. It may begin behind an opening that still stands in this one.
    fn change_over(&mut self, stand: Stand) -> Result<(), StoreError> {
        if self.in_first && self.lines.given() == 0 {
            return Ok(());
        }
        if self
            .later
            .front()
            .is_some_and(|later| stand.seq + 1 >= later.first)
        {
            let Some(mut later) = self.later.pop_front() else {
                return Ok(());
            };
            let mut lines = match later.lines.take() {
                Some(lines) => lines,
                None => Lines::new(Source::open(&later.path, Links::Refuse)?),
            };
            let follows = match lines.peek().map_err(StoreError::io("read", &later.path))? {
                Piece::Line(line) => line::verify(line, stand.chain).is_ok(),
                Piece::Unfinished(_) | Piece::TooLong | Piece::End => false,
            };
            if follows {
                (self.lines, self.path, self.in_first) = (lines, later.path, false);
                return Ok(());
            }
            let here = self.lines.peek().map_err(StoreError::io("read", &self.path))?;
            if matches!(here, Piece::Line(line) if line.starts_with(line::OPENING)) {
                later.lines = Some(lines);
                self.later.push_front(later);
                return Ok(());
            }
            (self.path, self.place) = (later.path, LinePlace { line: 1, offset: 0 });
            return Err(self.damage(stand.seq, DamageKind::Line(LineError::BrokenChain)));
        }
        Ok(())
    }

    /// What is wrong where a file ends before the next one begins.
    fn gap(&mut self, stand: Stand, found: u64) -> StoreError {
        if let Some(later) = self.later.pop_front() {
            (self.path, self.place) = (later.path, LinePlace { line: 1, offset: 0 });
        }
        let expected = stand.seq + 1;
        let kind = match found > expected {
            true => DamageKind::OutOfOrder { expected, found },
            false => DamageKind::Line(LineError::BrokenChain),
        };
        self.damage(stand.seq, kind)
    }

    /// Whether there are parts now that were not there when the journal was opened.
    fn look_again(&mut self, stand: Stand) -> Result<bool, StoreError> {
        let newer: Vec<Part> = parts::later(&self.folder)?
            .into_iter()
            .filter(|part| Some((part.epoch, part.first)) > self.known && part.first == stand.seq + 1)
            .collect();
        self.known = newer.last().map(|part| (part.epoch, part.first)).or(self.known);
        self.later.extend(newer.into_iter().map(Later::from));
        Ok(!self.later.is_empty())
    }
}

//! The lines of a damaged journal, wherever they stand in its files.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use glasswork_engine::line::{self, CRC_LENGTH, Chain, MAX_LINE};

use super::blocks::{self, Unpacked};
use super::error::StoreError;
use super::layout::{self, Links};
use super::parts;

/// A piece of a file: what stands between two newlines, or was a line before its newline was damaged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    pub(super) file: usize,
    /// Where it begins, in bytes; in a packed journal, among what is sound of its lines.
    pub(super) offset: u64,
    /// Its length in bytes.
    pub(super) length: usize,
    pub(super) says: Says,
    /// The checksum that it states.
    pub(super) stated: Option<Chain>,
    /// Whether it was written after the piece that stands before it, by the checksum that is left of that one: the one
    /// that it states, or the one that it should.
    pub(super) follows: bool,
    /// Whether it comes from a sound block of a packed journal.
    pub(super) in_block: bool,
}

/// What a piece says by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    Header,
    Opening,
    /// Commits from the first to the last: one, unless they were folded away.
    Commits(u64, u64),
    Nothing,
}

/// A piece of a file that is no sound line of its journal: place and length, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unsound {
    pub(super) file: usize,
    pub(super) offset: u64,
    pub(super) bytes: u64,
}

/// All pieces of a journal.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    paths: Vec<PathBuf>,
    files: Vec<File>,
    /// Which of the files is packed; what is read instead is what of it could be unpacked.
    packed: Vec<bool>,
    pub(super) all: Vec<Piece>,
    /// Blocks of packed files that are not what was written.
    pub(super) broken: Vec<Unsound>,
    /// With which checksum the last piece may end.
    ends: Vec<Chain>,
}

/// With how many checksums a piece may end: the one that it states, and those that follow from what stands before it.
const ENDS: usize = 4;

impl Pieces {
    pub(super) fn find(journal: &Path) -> Result<Self, StoreError> {
        let mut pieces = Self::default();
        pieces.add(journal)?;
        for part in parts::later(&journal.with_extension(""))? {
            pieces.add(&part.path)?;
        }
        Ok(pieces)
    }

    /// The files in which they lie.
    pub(super) fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// The file in which a piece lies.
    pub(super) fn path(&self, file: usize) -> PathBuf {
        self.paths.get(file).cloned().unwrap_or_default()
    }

    /// Whether what a piece says of its place is meant of a packed file.
    pub(super) fn is_packed(&self, file: usize) -> bool {
        self.packed.get(file).copied().unwrap_or(false)
    }

    fn add(&mut self, path: &Path) -> Result<(), StoreError> {
        let number = self.files.len();
        let file = layout::open_regular(path, layout::careful(Links::Refuse).read(true), Links::Refuse)?;
        let unpacked = unpacked(path, &file)?;
        let (file, found) = match unpacked {
            Some((file, found)) => (file, Some(found)),
            None => (file, None),
        };
        let proven = found.as_ref().map_or(0, |found| found.proven);
        let holes = found.as_ref().map_or(&[][..], |found| &found.holes);
        let mut before = std::mem::take(&mut self.ends);
        if self.all.is_empty() {
            before.push(Chain::default());
        }
        let all = &mut self.all;
        let read = StoreError::io("read", path);
        let reader = BufReader::new(file.try_clone().map_err(StoreError::io("open", path))?);
        each_piece(reader, |offset, length, bytes| {
            if holes.contains(&offset) {
                before.clear();
            }
            for (skipped, bytes) in split(bytes.unwrap_or_default(), &before) {
                let stated = line::stated(bytes);
                let follows = fits(bytes, &before);
                all.push(Piece {
                    file: number,
                    offset: offset + skipped as u64,
                    length: if bytes.is_empty() { length } else { bytes.len() },
                    says: says(bytes),
                    stated,
                    follows,
                    in_block: offset < proven,
                });
                let computed = before.iter().filter_map(|chain| line::computed(bytes, *chain));
                before = match follows {
                    true => stated.into_iter().collect(),
                    false => stated.into_iter().chain(computed).take(ENDS).collect(),
                };
            }
        })
        .map_err(read)?;
        self.ends = before;
        let broken = found.iter().flat_map(|found| &found.broken);
        self.broken.extend(broken.map(|(offset, bytes)| Unsound {
            file: number,
            offset: *offset,
            bytes: *bytes,
        }));
        self.packed.push(found.is_some());
        self.paths.push(path.to_owned());
        self.files.push(file);
        Ok(())
    }

    pub(super) fn read(&self, piece: &Piece) -> Result<Vec<u8>, StoreError> {
        let mut bytes = vec![0; piece.length];
        if let (Some(file), Some(path)) = (self.files.get(piece.file), self.paths.get(piece.file)) {
            file.read_exact_at(&mut bytes, piece.offset)
                .map_err(StoreError::io("read", path))?;
        }
        Ok(bytes)
    }
}

/// What of a packed file can be unpacked, in a file without a name; `None` where it is not packed.
fn unpacked(path: &Path, file: &File) -> Result<Option<(File, Unpacked)>, StoreError> {
    if !blocks::has_packed(file).map_err(StoreError::io("read", path))? {
        return Ok(None);
    }
    let packed = file.try_clone().map_err(StoreError::io("open", path))?;
    let spool = path.with_extension("").join("unpack.new");
    let _ = fs::remove_file(&spool);
    let mut unpacked = layout::make_file(&spool)?;
    // It goes with whoever reads it.
    fs::remove_file(&spool).map_err(StoreError::io("remove", &spool))?;
    let mut writer = io::BufWriter::new(&unpacked);
    let found = blocks::unpack_sound(packed, &mut writer)
        .and_then(|found| writer.flush().map(|()| found))
        .map_err(StoreError::io("unpack", path))?;
    drop(writer);
    unpacked.rewind().map_err(StoreError::io("read", path))?;
    Ok(Some((unpacked, found)))
}

fn says(line: &[u8]) -> Says {
    if line.starts_with(line::OPENING) {
        Says::Opening
    } else if line.starts_with(b"{\"header\"") {
        Says::Header
    } else if let Some((from, to)) = line::folded(line) {
        Says::Commits(from, to)
    } else {
        line::seq(line).map_or(Says::Nothing, |seq| Says::Commits(seq, seq))
    }
}

/// Whether a line was written after one that ends with one of these checksums.
fn fits(line: &[u8], before: &[Chain]) -> bool {
    before.iter().any(|chain| line::verify(line, *chain).is_ok())
}

/// The lines in a piece, each with its place: more than one where the newline between them was changed or lost.
fn split<'a>(piece: &'a [u8], before: &[Chain]) -> Vec<(usize, &'a [u8])> {
    let mut lines = Vec::new();
    let (mut begin, mut from) = (0, 0);
    let is_one = fits(piece, before);
    while !is_one && let Some(rest) = piece.get(from..) {
        let Some(place) = memchr::memmem::find(rest, b",\"crc\":\"") else {
            break;
        };
        let end = from + place + CRC_LENGTH;
        from += place + 1;
        let Some(line) = piece.get(begin..end) else { break };
        let after = piece.get(end..).unwrap_or_default();
        let gap = [0, 1]
            .into_iter()
            .find(|gap| after.get(*gap..).is_some_and(|next| next.starts_with(b"{\"")));
        if let Some(gap) = gap
            && line::stated(line).is_some()
        {
            lines.push((begin, line));
            (begin, from) = (end + gap, end + gap);
        }
    }
    lines.push((begin, piece.get(begin..).unwrap_or_default()));
    lines
}

/// Calls `each` with place and length of every piece between newlines, and the piece unless it is longer than any line.
fn each_piece(mut reader: impl BufRead, mut each: impl FnMut(u64, usize, Option<&[u8]>)) -> io::Result<()> {
    let (mut offset, mut piece) = (0u64, Vec::new());
    loop {
        piece.clear();
        let mut length = 0;
        let ended = loop {
            let have = reader.fill_buf()?;
            if have.is_empty() {
                break false;
            }
            let end = memchr::memchr(b'\n', have);
            let part = have.get(..end.unwrap_or(have.len())).unwrap_or_default();
            length += part.len();
            if length <= MAX_LINE {
                piece.extend_from_slice(part);
            }
            let used = part.len() + usize::from(end.is_some());
            reader.consume(used);
            if end.is_some() {
                break true;
            }
        };
        if ended || length > 0 {
            // What no newline ends was never written whole.
            each(
                offset,
                length,
                Some(&*piece).filter(|_| ended && length <= MAX_LINE),
            );
        }
        if !ended {
            return Ok(());
        }
        offset += length as u64 + 1;
    }
}

//! The form of a packed journal: blocks that can be read each without the others.
//!
//! A block is a [skippable frame](https://www.rfc-editor.org/rfc/rfc8878#section-3.1.2), which says what follows, and a
//! frame of whole lines. The last one has no lines; it says that nothing was cut off. So a changed byte costs the lines
//! of its block and no others, and every tool that reads Zstandard reads all of it.
//!
//! ```text
//! offset  bytes  all numbers little-endian
//!      0      4  0x184d2a57, a skippable frame
//!      4      4  16, its length
//!      8      4  number of the block, from 0
//!     12      4  length of the frame that follows; 0 in the last block
//!     16      4  the first bytes of the BLAKE3 digest of that frame
//!     20      4  the first bytes of the BLAKE3 digest of the 20 bytes before
//! ```
//!
//! What an earlier build packed is one frame alone.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;

use glasswork_engine::line::MAX_LINE;
use zstd::bulk::{Compressor, Decompressor};

/// How hard is tried; the library's own middle.
const LEVEL: i32 = 3;
/// How many bytes of lines a block has; more where a single line is longer.
const BLOCK: usize = 128 << 10;
/// The most that a block can hold: one line and its newline.
const LONGEST: usize = if BLOCK > MAX_LINE { BLOCK } else { MAX_LINE + 1 };
/// The longest frame that is read, in bytes; what cannot be compressed becomes a little longer.
const LONGEST_FRAME: usize = LONGEST + LONGEST / 64 + (1 << 10);
/// The first bytes of a frame.
const FRAME: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The first bytes of a block: a skippable frame of 16 bytes.
const HEAD: [u8; 8] = [0x57, 0x2a, 0x4d, 0x18, 16, 0, 0, 0];
const HEAD_LENGTH: usize = 24;

/// How a journal is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// In blocks.
    Blocks,
    /// As one frame, by an earlier build.
    Whole,
}

/// How a file is packed, by its first bytes; `None` where it is not.
pub(super) fn form(file: &File) -> io::Result<Option<Form>> {
    let mut first = [0; 8];
    let count = read_at(file, &mut first, 0)?;
    Ok(if first == HEAD {
        Some(Form::Blocks)
    } else if count >= FRAME.len() && first.starts_with(&FRAME) {
        Some(Form::Whole)
    } else {
        None
    })
}

/// A part of a packed journal that is not what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the compressed block at byte {at} is damaged, or cut off")]
pub(super) struct BrokenBlock {
    /// Where it begins in the file, in bytes.
    pub(super) at: u64,
}

impl BrokenBlock {
    /// What reading a packed journal failed of, unless the operating system did.
    pub(super) fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref().copied()
    }
}

impl From<BrokenBlock> for io::Error {
    fn from(broken: BrokenBlock) -> Self {
        Self::new(io::ErrorKind::InvalidData, broken)
    }
}

/// What a block says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    number: u32,
    length: u32,
    sum: [u8; 4],
}

fn sum(bytes: &[u8]) -> [u8; 4] {
    let digest = blake3::hash(bytes);
    let [a, b, c, d, ..] = *digest.as_bytes();
    [a, b, c, d]
}

impl Head {
    fn bytes(self) -> [u8; HEAD_LENGTH] {
        let mut bytes = [0; HEAD_LENGTH];
        let fields = [self.number.to_le_bytes(), self.length.to_le_bytes(), self.sum];
        let said = [HEAD.as_slice(), fields.as_flattened()].concat();
        let whole = [said.as_slice(), &sum(&said)].concat();
        bytes.copy_from_slice(&whole);
        bytes
    }

    fn of(bytes: &[u8; HEAD_LENGTH]) -> Option<Self> {
        let field = |place: usize| bytes.get(place..place + 4)?.try_into().ok();
        let head = Self {
            number: u32::from_le_bytes(field(8)?),
            length: u32::from_le_bytes(field(12)?),
            sum: field(16)?,
        };
        (head.bytes() == *bytes).then_some(head)
    }
}

/// Packs whole lines.
pub(super) struct Packing<W> {
    out: W,
    compressor: Compressor<'static>,
    lines: Vec<u8>,
    number: u32,
}

impl<W: Write> Packing<W> {
    pub(super) fn begin(out: W) -> io::Result<Self> {
        Ok(Self {
            out,
            compressor: Compressor::new(LEVEL)?,
            lines: Vec::new(),
            number: 0,
        })
    }

    /// Packs what is left, and says that this is all.
    pub(super) fn finish(mut self) -> io::Result<W> {
        let rest = std::mem::take(&mut self.lines);
        if !rest.is_empty() {
            self.put(&rest)?;
        }
        self.put_head(0, sum(&[]))?;
        Ok(self.out)
    }

    fn put(&mut self, lines: &[u8]) -> io::Result<()> {
        let frame = self.compressor.compress(lines)?;
        let length = u32::try_from(frame.len()).map_err(io::Error::other)?;
        self.put_head(length, sum(&frame))?;
        self.out.write_all(&frame)
    }

    fn put_head(&mut self, length: u32, sum: [u8; 4]) -> io::Result<()> {
        let number = self.number;
        self.number += 1;
        self.out.write_all(&Head { number, length, sum }.bytes())
    }
}

impl<W: Write> Write for Packing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lines.extend_from_slice(bytes);
        while let Some(full) = self.lines.get(..BLOCK) {
            let last = memchr::memrchr(b'\n', full);
            let Some(end) = last.or_else(|| memchr::memchr(b'\n', &self.lines)) else {
                break;
            };
            let rest = self.lines.split_off(end + 1);
            let lines = std::mem::replace(&mut self.lines, rest);
            self.put(&lines)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a packed journal as what was packed.
pub(super) enum Unpacking {
    Blocks(Blocks),
    Whole(zstd::stream::read::Decoder<'static, io::BufReader<File>>),
}

impl std::fmt::Debug for Unpacking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Unpacking")
    }
}

impl Unpacking {
    pub(super) fn begin(file: File, form: Form) -> io::Result<Self> {
        Ok(match form {
            Form::Blocks => Self::Blocks(Blocks::of(file)?),
            Form::Whole => Self::Whole(zstd::stream::read::Decoder::new(file)?.single_frame()),
        })
    }
}

impl Read for Unpacking {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Blocks(blocks) => blocks.read(buffer),
            Self::Whole(frame) => frame
                .read(buffer)
                // What the operating system has to say is no damage.
                .map_err(|error| match error.raw_os_error() {
                    Some(_) => error,
                    None => BrokenBlock { at: 0 }.into(),
                }),
        }
    }
}

/// The blocks of a packed journal, one after the other.
pub(super) struct Blocks {
    file: File,
    decompressor: Decompressor<'static>,
    /// Where the next block begins.
    at: u64,
    number: u32,
    lines: Vec<u8>,
    given: usize,
    ended: bool,
}

/// What stands at a place.
enum Block {
    Lines { number: u32, lines: Vec<u8>, end: u64 },
    Last { number: u32, end: u64 },
}

impl Blocks {
    fn of(file: File) -> io::Result<Self> {
        Ok(Self {
            file,
            decompressor: Decompressor::new()?,
            at: 0,
            number: 0,
            lines: Vec::new(),
            given: 0,
            ended: false,
        })
    }

    /// The block at a place; `None` where none is that is what was written.
    fn block(&mut self, at: u64) -> io::Result<Option<Block>> {
        let mut head = [0; HEAD_LENGTH];
        if read_at(&self.file, &mut head, at)? < HEAD_LENGTH {
            return Ok(None);
        }
        let Some(Head {
            number,
            length,
            sum: stated,
        }) = Head::of(&head)
        else {
            return Ok(None);
        };
        let begin = at + HEAD_LENGTH as u64;
        let length = length as usize;
        if length == 0 {
            return Ok(Some(Block::Last { number, end: begin }));
        }
        if length > LONGEST_FRAME {
            return Ok(None);
        }
        let mut frame = vec![0; length];
        if read_at(&self.file, &mut frame, begin)? < length || sum(&frame) != stated {
            return Ok(None);
        }
        let lines = self.decompressor.decompress(&frame, LONGEST).ok();
        let end = begin + length as u64;
        Ok(lines.map(|lines| Block::Lines { number, lines, end }))
    }

    fn go_on(&mut self) -> io::Result<()> {
        let broken = BrokenBlock { at: self.at };
        let found = self.block(self.at)?;
        (self.at, self.number) = match found {
            Some(Block::Lines { number, lines, end }) if number == self.number => {
                (self.lines, self.given) = (lines, 0);
                (end, number + 1)
            }
            Some(Block::Last { number, end })
                if number == self.number && end == self.file.metadata()?.len() =>
            {
                self.ended = true;
                (end, number)
            }
            _ => return Err(broken.into()),
        };
        Ok(())
    }
}

impl Read for Blocks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let rest = self.lines.get(self.given..).unwrap_or_default();
            if !rest.is_empty() || self.ended {
                let count = rest.len().min(buffer.len());
                if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
                    to.copy_from_slice(from);
                }
                self.given += count;
                return Ok(count);
            }
            self.go_on()?;
        }
    }
}

/// What could be read of a packed journal.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Unpacked {
    /// Places in what was written out before which something is missing.
    pub(super) holes: Vec<u64>,
    /// What is no sound block: place and length in the file, in bytes.
    pub(super) broken: Vec<(u64, u64)>,
    /// Up to where what was written out comes from sound blocks, by which each line is proven.
    pub(super) proven: u64,
}

/// Whether a file is packed, as far as that can be told of a damaged one: its first bytes may be what is damaged.
pub(super) fn has_packed(file: &File) -> io::Result<bool> {
    let length = file.metadata()?.len();
    Ok(form(file)?.is_some() || next_head(file, 0, length)? < length)
}

/// Writes out all of a packed journal that is sound.
pub(super) fn unpack_sound(file: File, out: &mut impl Write) -> io::Result<Unpacked> {
    if form(&file)? == Some(Form::Whole) {
        return unpack_beginning(file, out);
    }
    let length = file.metadata()?.len();
    let mut blocks = Blocks::of(file)?;
    let (mut found, mut ended) = (Unpacked::default(), false);
    while blocks.at < length {
        match blocks.block(blocks.at)? {
            Some(Block::Lines { lines, end, .. }) => {
                out.write_all(&lines)?;
                found.proven += lines.len() as u64;
                blocks.at = end;
            }
            Some(Block::Last { end, .. }) => {
                (ended, blocks.at) = (true, end);
            }
            None => {
                let next = next_head(&blocks.file, blocks.at + 1, length)?;
                found.broken.push((blocks.at, next - blocks.at));
                found.holes.push(found.proven);
                blocks.at = next;
            }
        }
    }
    if !ended {
        found.holes.push(found.proven);
    }
    Ok(found)
}

/// Of one frame all that comes before the damage.
fn unpack_beginning(file: File, out: &mut impl Write) -> io::Result<Unpacked> {
    let length = file.metadata()?.len();
    let mut unpacking = Unpacking::begin(file, Form::Whole)?;
    let mut buffer = vec![0; BLOCK];
    let (mut found, mut written) = (Unpacked::default(), 0);
    loop {
        match unpacking.read(&mut buffer) {
            Ok(0) => return Ok(found),
            Ok(count) => {
                out.write_all(buffer.get(..count).unwrap_or_default())?;
                written += count as u64;
            }
            Err(error) if BrokenBlock::of(&error).is_some() => {
                found.holes.push(written);
                found.broken.push((0, length));
                return Ok(found);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Where the next block may begin; the end of the file where none does.
fn next_head(file: &File, from: u64, length: u64) -> io::Result<u64> {
    let mut window = vec![0; BLOCK];
    let mut at = from;
    while at < length {
        let count = read_at(file, &mut window, at)?;
        let seen = window.get(..count).unwrap_or_default();
        if let Some(place) = memchr::memmem::find(seen, &HEAD) {
            return Ok(at + place as u64);
        }
        if count < window.len() {
            break;
        }
        // What begins at the end of this window is whole in the next.
        at += (count - HEAD.len() + 1) as u64;
    }
    Ok(length)
}

/// Fills the buffer from a place on, as far as the file goes.
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut count = 0;
    while let Some(rest) = buffer.get_mut(count..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at + count as u64) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

//! Lines of a file, one at a time, in constant memory.

use std::io::{self, Read};

use glasswork_engine::line::MAX_LINE;

/// How much is read at once.
const CHUNK: usize = 256 << 10;

/// What stands next in the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A whole line, without its newline.
    Line(&'a [u8]),
    /// The last bytes of the file, which no newline ends.
    Unfinished(&'a [u8]),
    /// A line longer than any that is written.
    TooLong,
    /// Nothing.
    End,
}

/// Reads lines. What it keeps in memory is at most one of the longest.
#[derive(Debug)]
pub(super) struct Lines<R> {
    source: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
    /// Where the next line begins.
    offset: u64,
    /// How many lines were given.
    given: u64,
}

enum Next {
    Line(usize),
    Unfinished,
    TooLong,
    End,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            source,
            buffer: vec![0; CHUNK],
            start: 0,
            end: 0,
            ended: false,
            offset: 0,
            given: 0,
        }
    }

    /// Lines of a source that stands behind so many lines and bytes of its file.
    pub(super) fn behind(source: R, given: u64, offset: u64) -> Self {
        Self {
            given,
            offset,
            ..Self::new(source)
        }
    }

    /// Where the next line begins, in bytes.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// How many whole lines were given.
    pub(super) fn given(&self) -> u64 {
        self.given
    }

    /// The next piece. After anything but a line there is nothing more to be had.
    pub(super) fn next(&mut self) -> io::Result<Piece<'_>> {
        Ok(match self.find()? {
            Next::Line(length) => {
                let start = self.start;
                self.start += length + 1;
                self.offset += length as u64 + 1;
                self.given += 1;
                Piece::Line(self.buffer.get(start..start + length).unwrap_or_default())
            }
            Next::Unfinished => Piece::Unfinished(self.buffer.get(self.start..self.end).unwrap_or_default()),
            Next::TooLong => Piece::TooLong,
            Next::End => Piece::End,
        })
    }

    /// What [`next`](Self::next) will give.
    pub(super) fn peek(&mut self) -> io::Result<Piece<'_>> {
        Ok(match self.find()? {
            Next::Line(length) => {
                let line = self.buffer.get(self.start..self.start + length);
                Piece::Line(line.unwrap_or_default())
            }
            Next::Unfinished => Piece::Unfinished(self.buffer.get(self.start..self.end).unwrap_or_default()),
            Next::TooLong => Piece::TooLong,
            Next::End => Piece::End,
        })
    }

    fn find(&mut self) -> io::Result<Next> {
        let mut searched = 0;
        loop {
            let have = self.buffer.get(self.start..self.end).unwrap_or_default();
            let fresh = have.get(searched..).unwrap_or_default();
            let length = memchr::memchr(b'\n', fresh).map(|place| searched + place);
            searched = have.len();
            if length.unwrap_or(searched) > MAX_LINE {
                return Ok(Next::TooLong);
            }
            if let Some(length) = length {
                return Ok(Next::Line(length));
            }
            if self.ended {
                return Ok(if searched == 0 {
                    Next::End
                } else {
                    Next::Unfinished
                });
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len() + CHUNK, 0);
        }
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        match self.source.read(room) {
            Ok(0) => self.ended = true,
            Ok(count) => self.end += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time, so that every line crosses the border of a read.
    struct Dripping<'a>(&'a [u8]);

    impl Read for Dripping<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(1).min(buffer.len());
            let (now, later) = self.0.split_at(count);
            buffer[..count].copy_from_slice(now);
            self.0 = later;
            Ok(count)
        }
    }

    fn describe(source: impl Read) -> Vec<String> {
        let mut lines = Lines::new(source);
        let mut pieces = Vec::new();
        loop {
            let at = lines.offset();
            let piece = lines.next().unwrap();
            let (text, more) = match piece {
                Piece::Line(line) => (format!("{} bytes", line.len()), true),
                Piece::Unfinished(rest) => (format!("{} unfinished", rest.len()), false),
                Piece::TooLong => ("too long".to_owned(), false),
                Piece::End => ("end".to_owned(), false),
            };
            pieces.push(format!("{at}: {text}"));
            if !more {
                return pieces;
            }
        }
    }

    #[test]
    fn every_piece_has_its_place() {
        let cases: [(&str, &[&str]); 5] = [
            ("", &["0: end"]),
            ("\n", &["0: 0 bytes", "1: end"]),
            ("ab\ncde\n", &["0: 2 bytes", "3: 3 bytes", "7: end"]),
            ("ab\ncd", &["0: 2 bytes", "3: 2 unfinished"]),
            ("a", &["0: 1 unfinished"]),
        ];
        for (text, pieces) in cases {
            assert_eq!(describe(text.as_bytes()), pieces, "{text:?}");
            assert_eq!(
                describe(Dripping(text.as_bytes())),
                pieces,
                "{text:?}, byte by byte"
            );
        }
    }

    #[test]
    fn the_longest_line_passes_and_a_longer_one_is_told_without_being_kept() {
        let line = |length: usize| [vec![b'x'; length], vec![b'\n']].concat();
        let text = [line(1), line(MAX_LINE), line(3), line(2 * MAX_LINE)].concat();
        assert_eq!(
            describe(&*text),
            [
                "0: 1 bytes",
                "2: 1048576 bytes",
                "1048579: 3 bytes",
                "1048583: too long"
            ]
        );
        let mut endless = Lines::new(io::repeat(b'x'));
        assert_eq!(endless.next().unwrap(), Piece::TooLong);
        assert!(endless.buffer.len() <= MAX_LINE + 2 * CHUNK);
    }
}

//! The files in which a journal lies: the first one, and later ones in its folder.
//!
//! A later part is named `<epoch>-<first commit>.jsonl`, and goes on where the chain of lines stands before that
//! commit. What the part before it still holds from there on (lines that never came to the disk, say) counts no more.
//! A part gets its name only once its first line is on the disk.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use glasswork_engine::line::{self, Chain};

use super::blocks::{self, Unpacking};
use super::error::StoreError;
use super::layout::{self, Links};
use super::lease::WrittenFile;

/// How long a part becomes before the next one begins, in bytes.
pub const PART_BYTES: u64 = 64 << 20;

/// A later part of a journal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Part {
    /// The first commit for which it has room: of those before it, it has none.
    pub(super) first: u64,
    /// The opening during which it was begun.
    pub(super) epoch: u32,
    /// Where it lies.
    pub(super) path: PathBuf,
}

/// The name of a later part.
pub(super) fn name(epoch: u32, first: u64) -> String {
    format!("{epoch}-{first}.{}", layout::JOURNAL)
}

/// The opening and the first commit that a part's name says.
pub(super) fn parse(name: &str) -> Option<(u32, u64)> {
    let (epoch, first) = name
        .strip_suffix(layout::JOURNAL)?
        .strip_suffix('.')?
        .split_once('-')?;
    let (epoch, first) = (epoch.parse().ok()?, first.parse().ok()?);
    // There is one way to write a number.
    (self::name(epoch, first) == name).then_some((epoch, first))
}

/// The later parts in a journal's folder, in order.
pub(super) fn later(folder: &Path) -> Result<Vec<Part>, StoreError> {
    let mut parts = Vec::new();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(parts);
        }
        Err(error) => return Err(StoreError::io("list", folder)(error)),
    };
    for entry in entries {
        let entry = entry.map_err(StoreError::io("list", folder))?;
        let name = entry.file_name();
        if let Some((epoch, first)) = name.to_str().and_then(parse) {
            let path = entry.path();
            parts.push(Part { first, epoch, path });
        }
    }
    // By opening: a later one may take back lines of the one before that never came to the disk.
    parts.sort_by_key(|part| (part.epoch, part.first));
    Ok(parts)
}

/// Length of a journal over all its files, in bytes; of one that is gone, nothing.
#[must_use]
pub fn journal_bytes(journal: &Path) -> u64 {
    let length = |path: &Path| fs::symlink_metadata(path).map_or(0, |file| file.len());
    let later = later(&journal.with_extension("")).unwrap_or_default();
    length(journal) + later.iter().map(|part| length(&part.path)).sum::<u64>()
}

/// Begins a part with these lines. It is on the disk, under its name, when this returns.
pub(super) fn begin(folder: &Path, epoch: u32, first: u64, lines: &[u8]) -> Result<WrittenFile, StoreError> {
    let path = folder.join(name(epoch, first));
    let draft = folder.join("part.new");
    let _ = fs::remove_file(&draft);
    let file = layout::make_file(&draft)?;
    (&file)
        .write_all(lines)
        .and_then(|()| file.sync_all())
        .inspect_err(|_| {
            // A full disk needs the room.
            let _ = fs::remove_file(&draft);
        })
        .map_err(StoreError::io("write", &path))?;
    fs::rename(&draft, &path).map_err(StoreError::io("name", &path))?;
    layout::sync_folder(folder)?;
    Ok(WrittenFile {
        path,
        file: Arc::new(file),
        length: lines.len() as u64,
    })
}

/// Where lines come from.
#[derive(Debug)]
pub(super) enum Source {
    /// A file.
    File(File),
    /// A packed journal.
    Packed(Unpacking),
    /// Lines that are not in any file yet.
    Memory(io::Cursor<Vec<u8>>),
}

impl Source {
    pub(super) fn open(path: &Path, links: Links) -> Result<Self, StoreError> {
        let file = layout::open_regular(path, layout::careful(links).read(true), links)?;
        let read = StoreError::io("read", path);
        match blocks::form(&file) {
            Ok(None) => Ok(Self::File(file)),
            Ok(Some(form)) => Ok(Self::Packed(Unpacking::begin(file, form).map_err(read)?)),
            Err(error) => Err(read(error)),
        }
    }
}

impl Source {
    /// A file behind a place at which a line ended with that chain; `None` where it has other lines there.
    pub(super) fn behind(
        path: &Path,
        links: Links,
        offset: u64,
        chain: Chain,
    ) -> Result<Option<Self>, StoreError> {
        let mut file = layout::open_regular(path, layout::careful(links).read(true), links)?;
        let mut end = [0; line::CRC_LENGTH + 1];
        let before = offset.checked_sub(end.len() as u64);
        let read = before.map(|before| file.read_exact_at(&mut end, before));
        if !matches!(read, Some(Ok(()))) {
            // Not so long, which says enough.
            return Ok(None);
        }
        if end.strip_suffix(b"\n").and_then(line::stated) != Some(chain) {
            return Ok(None);
        }
        file.seek(io::SeekFrom::Start(offset))
            .map_err(StoreError::io("read", path))?;
        Ok(Some(Self::File(file)))
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Packed(packed) => packed.read(buffer),
            Self::Memory(bytes) => bytes.read(buffer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_in_order_and_nothing_else_is_one() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "10-7.jsonl",
            "2-7.jsonl",
            "9-100.jsonl",
            "trace.jsonl",
            "02-7.jsonl",
            "2-7.jsonl.new",
            "-1-2.jsonl",
        ] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let found = later(folder.path()).unwrap();
        let names: Vec<_> = found.iter().map(|part| name(part.epoch, part.first)).collect();
        assert_eq!(names, ["2-7.jsonl", "9-100.jsonl", "10-7.jsonl"]);
        assert_eq!(later(&folder.path().join("nowhere")).unwrap(), []);
    }
}

//! Files that are there whole, or not at all.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Whether a file that is there is written over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replace {
    /// It is.
    Yes,
    /// It is not: whoever wants that says so.
    No,
}

/// A file that gets its name once it is whole and on the disk. Dropped before, it leaves nothing.
#[derive(Debug)]
pub struct WrittenFile {
    path: PathBuf,
    replace: Replace,
    file: NamedTempFile,
}

impl WrittenFile {
    /// Begins a file, for its owner alone.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] where there is one that must not be replaced; where the folder takes no file.
    pub fn create(path: &Path, replace: Replace) -> io::Result<Self> {
        if replace == Replace::No && path.symlink_metadata().is_ok() {
            return Err(exists());
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let file = NamedTempFile::new_in(folder.unwrap_or_else(|| Path::new(".")))?;
        Ok(Self {
            path: path.to_owned(),
            replace,
            file,
        })
    }

    /// Makes it durable, and gives it its name.
    ///
    /// # Errors
    /// As [`create`](Self::create), where another one came there meanwhile.
    pub fn finish(self) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        let named = match self.replace {
            Replace::Yes => self.file.persist(&self.path),
            Replace::No => self.file.persist_noclobber(&self.path),
        };
        named.map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => exists(),
            _ => error.error,
        })?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
    }
}

impl Write for WrittenFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn exists() -> io::Error {
    io::Error::new(
        io::ErrorKind::AlreadyExists,
        "it is there already; `--force` writes over it",
    )
}

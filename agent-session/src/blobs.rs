//! Big things by their content: whatever is too long for a line of the journal lies in a file named by its BLAKE3 digest.
//!
//! A blob is on disk, synced and under its name before its [`BlobRef`] exists, so whatever names a blob may be
//! written to a journal at once. The folder and its files are the owner's alone (0700, 0600).

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// A BLAKE3 digest. Written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(blake3::Hash);

impl Digest {
    /// The digest of some bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(blake3::hash(bytes))
    }

    pub(crate) fn finished(hasher: &blake3::Hasher) -> Self {
        Self(hasher.finalize())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Not a digest.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a digest is 64 hexadecimal digits, `{0}` is not")]
pub struct MalformedDigest(String);

impl FromStr for Digest {
    type Err = MalformedDigest;

    fn from_str(text: &str) -> Result<Self, MalformedDigest> {
        // Upper case would give one blob two names.
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(MalformedDigest(text.to_owned()));
        }
        blake3::Hash::from_hex(text)
            .map(Self)
            .map_err(|_| MalformedDigest(text.to_owned()))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_hex())
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// Names a blob: what it holds and how long it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlobRef {
    /// Digest of the content; also the file's name.
    pub digest: Digest,
    /// Length in bytes.
    pub len: u64,
}

/// Why a blob could not be stored or had.
#[derive(Debug, Error)]
pub enum BlobError {
    /// Nothing is stored under the name.
    #[error("blob {digest} is not in {}; the folder was emptied or belongs to another session", folder.display())]
    Missing {
        /// What was asked for.
        digest: Digest,
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// The file is not what its name says.
    #[error("blob {} is damaged: {found} ({found_len} bytes) is stored under its name, not {} bytes; \
             restore the file from a copy", expected.digest, expected.len)]
    Damaged {
        /// What was asked for.
        expected: BlobRef,
        /// Digest of what is there, as far as it was read.
        found: Digest,
        /// Bytes that are there.
        found_len: u64,
    },
    /// The file system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn failed<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> BlobError + 'a {
    move |source| BlobError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

/// A folder of blobs. Cheap to clone. All its functions block; call them where blocking is allowed.
#[derive(Debug, Clone)]
pub struct BlobStore {
    folder: Arc<Path>,
}

impl BlobStore {
    /// Opens the store in a folder, which is made on the first write.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: Arc::from(folder.into()),
        }
    }

    /// Where a blob lies, or would.
    #[must_use]
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(digest.to_string())
    }

    /// Stores bytes. What is already there is not written again.
    ///
    /// # Errors
    /// When the file system refuses; nothing is then stored under the name.
    pub fn put(&self, bytes: &[u8]) -> Result<BlobRef, BlobError> {
        let mut writer = self.writer()?;
        writer.write(bytes)?;
        writer.finish()
    }

    /// Begins a blob that comes piece by piece and never lies in memory whole.
    ///
    /// # Errors
    /// When the folder or the file cannot be made.
    pub fn writer(&self) -> Result<BlobWriter, BlobError> {
        static ORDINAL: AtomicU64 = AtomicU64::new(0);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&*self.folder)
            .map_err(failed("make the folder", &self.folder))?;
        loop {
            let ordinal = ORDINAL.fetch_add(1, Ordering::Relaxed);
            let path = self
                .folder
                .join(format!(".unfinished-{}-{ordinal}", std::process::id()));
            match OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
            {
                // Left by a process that had our number and did not end well.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed("make", &path)(error)),
                Ok(file) => {
                    return Ok(BlobWriter {
                        store: self.clone(),
                        unfinished: Unfinished(path),
                        file,
                        hasher: Box::default(),
                        len: 0,
                    });
                }
            }
        }
    }

    /// Reads a blob and checks that it is what its name says.
    ///
    /// # Errors
    /// When it is missing, damaged or cannot be read.
    pub fn get(&self, blob: &BlobRef) -> Result<Vec<u8>, BlobError> {
        let mut bytes = Vec::new();
        self.check(blob, |piece| bytes.extend_from_slice(piece))?;
        Ok(bytes)
    }

    /// Reads a blob piece by piece. What `each` was given is only to be trusted when this returns `Ok`.
    fn check(&self, blob: &BlobRef, mut each: impl FnMut(&[u8])) -> Result<(), BlobError> {
        let path = self.path(&blob.digest);
        let file = File::open(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => BlobError::Missing {
                digest: blob.digest,
                folder: self.folder.to_path_buf(),
            },
            _ => failed("open", &path)(source),
        })?;
        let found_len = file.metadata().map_err(failed("look at", &path))?.len();
        // One byte more than promised is enough to know that it is damaged, however long the file has become.
        let mut file = BufReader::with_capacity(64 * 1024, file.take(blob.len.saturating_add(1)));
        let mut hasher = blake3::Hasher::new();
        loop {
            let piece = file.fill_buf().map_err(failed("read", &path))?;
            if piece.is_empty() {
                break;
            }
            hasher.update(piece);
            each(piece);
            let len = piece.len();
            file.consume(len);
        }
        let found = Digest::finished(&hasher);
        if found == blob.digest && found_len == blob.len {
            Ok(())
        } else {
            Err(BlobError::Damaged {
                expected: *blob,
                found,
                found_len,
            })
        }
    }

    fn sync_folder(&self) -> Result<(), BlobError> {
        File::open(&*self.folder)
            .and_then(|folder| folder.sync_all())
            .map_err(failed("sync", &self.folder))
    }
}

/// A file that goes away unless it was given its final name.
#[derive(Debug)]
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After the rename there is nothing under this name; before it the file is of no use to anyone.
        let _ = fs::remove_file(&self.0);
    }
}

/// A blob in the making. Dropped without [`BlobWriter::finish`] it leaves nothing.
#[derive(Debug)]
pub struct BlobWriter {
    store: BlobStore,
    unfinished: Unfinished,
    file: File,
    // Boxed: it is 2 KiB, and writers are moved.
    hasher: Box<blake3::Hasher>,
    len: u64,
}

impl BlobWriter {
    /// Appends.
    ///
    /// # Errors
    /// When the file system refuses, as on a full disk.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        self.file
            .write_all(bytes)
            .map_err(failed("write", &self.unfinished.0))?;
        self.hasher.update(bytes);
        self.len = self.len.saturating_add(bytes.len() as u64);
        Ok(())
    }

    /// Bytes written so far.
    // A length that is asked for while it grows; nobody asks a writer whether it is empty.
    #[allow(clippy::len_without_is_empty)]
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Syncs the content, gives the file its name and syncs that.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn finish(self) -> Result<BlobRef, BlobError> {
        let Self {
            store,
            unfinished,
            file,
            hasher,
            len,
        } = self;
        let blob = BlobRef {
            digest: Digest::finished(&hasher),
            len,
        };
        let path = store.path(&blob.digest);
        // Trust a file under this name only as far as it can be checked; a damaged one is healed by the rename.
        if store.check(&blob, |_| {}).is_err() {
            file.sync_all().map_err(failed("sync", &unfinished.0))?;
            fs::rename(&unfinished.0, &path).map_err(failed("name", &path))?;
        }
        store.sync_folder()?;
        Ok(blob)
    }
}

//! The token of a host: who knows it is its owner.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom as _, SystemRandom};
use secrecy::{ExposeSecret as _, SecretString};

/// Random bytes in a token.
const BYTES: usize = 32;

/// What its bearer says to be let in: 64 hexadecimal digits. It prints as nothing.
#[derive(Debug, Clone)]
pub struct Token(SecretString);

/// Why there is no token, or no file with it.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The system has no randomness.
    #[error("the system gives no random bytes")]
    NoRandomness,
    /// The directory cannot be trusted.
    #[error(
        "{} is not a directory of yours alone: somebody else could put files there. Remove it, or `chmod 700` it",
        .0.display()
    )]
    Shared(PathBuf),
    /// The system could not write it.
    #[error("cannot write the token to {}: {error}", path.display())]
    Unwritable {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl Token {
    /// A new token.
    ///
    /// # Errors
    /// [`TokenError::NoRandomness`].
    pub fn mint() -> Result<Self, TokenError> {
        let mut bytes = [0u8; BYTES];
        let filled = SystemRandom::new().fill(&mut bytes);
        filled.map_err(|_| TokenError::NoRandomness)?;
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self(text.into()))
    }

    /// Whether this is the token. Takes as long for a wrong one as for the right one, however long it is: what is
    /// compared are digests, bit by bit.
    #[must_use]
    pub fn is(&self, said: &[u8]) -> bool {
        // `blake3::Hash` compares in constant time.
        blake3::hash(self.0.expose_secret().as_bytes()) == blake3::hash(said)
    }

    /// Writes it to a file that only its owner can read, in a directory of its owner's alone. A file of that name that
    /// is there already is not written to, but replaced.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn write(&self, directory: &Path, name: &str) -> Result<TokenFile, TokenError> {
        let unwritable = |path: &Path, error| TokenError::Unwritable {
            path: path.to_owned(),
            error,
        };
        let made = DirBuilder::new().mode(0o700).recursive(true).create(directory);
        made.map_err(|error| unwritable(directory, error))?;
        // Not through a link: that could lead anywhere.
        let found = fs::symlink_metadata(directory).map_err(|error| unwritable(directory, error))?;
        let own = rustix::process::geteuid().as_raw() == found.uid();
        if !found.is_dir() || !own || found.mode() & 0o077 != 0 {
            return Err(TokenError::Shared(directory.to_owned()));
        }
        let path = directory.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unwritable(&path, error)),
            _ => {}
        }
        let opened = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        let written = opened.and_then(|mut file| file.write_all(self.0.expose_secret().as_bytes()));
        written.map_err(|error| unwritable(&path, error))?;
        Ok(TokenFile(path))
    }
}

/// The file with a token. It is removed when this is dropped.
#[derive(Debug)]
pub struct TokenFile(PathBuf);

impl TokenFile {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TokenFile {
    fn drop(&mut self) {
        // A token of a host that is gone opens nothing.
        let _ = fs::remove_file(&self.0);
    }
}

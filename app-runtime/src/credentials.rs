//! What somebody has signed in with: one file for its owner alone, changed under a lock that all processes share. Of what
//! is in the keyring the file has only what may be told.
//!
//! The file is JSON, in the data directory. It is replaced as a whole (written beside, synced, renamed), so a process
//! that ends at any moment leaves the old one or the new one. Who changes it holds the lock of a second file, which is
//! never removed; so of several processes that find a token about to end, one asks for a new one, and the others find
//! that when it is their turn.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use glasswork_ai::http::SecretString;
use glasswork_ai::sign_in::tokens::Tokens;
use glasswork_session_state::sign_in::Kind;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use crate::keyring::KeyringError;
use crate::written_file::{Replace, WrittenFile};

/// Permissions that let others than the owner at a file.
const OTHERS: u32 = 0o077;
/// A longer file is none.
const MOST_BYTES: u64 = 1 << 20;

/// What there is for a provider.
#[derive(Debug, Clone)]
pub enum Stored {
    /// A key.
    Key(SecretString),
    /// Tokens.
    Tokens(Tokens),
    /// Tokens were refused: whoever wants to go on signs in again.
    Refused {
        /// Why, in the server's words.
        reason: String,
        /// Whether they were in the keyring, so that the next ones go there too.
        in_keyring: bool,
    },
    /// It is in the keyring.
    InKeyring(Entry),
}

/// What may be told of what is in the keyring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// When it was put there, in microseconds since 1970: whoever has read it before reads it again.
    pub since: i64,
    /// Whose account it is, where the provider told.
    #[serde(default)]
    pub account: Option<String>,
    /// When the token ends, in seconds since 1970.
    #[serde(default)]
    pub expires: Option<u64>,
    /// What it allows, where the provider told.
    #[serde(default)]
    pub scopes: Vec<String>,
}

/// Whether this is what a key looks like: one word of visible characters.
#[must_use]
pub fn is_key(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic())
}

impl Stored {
    /// Whether it is, or was, in the keyring.
    #[must_use]
    pub fn is_in_keyring(&self) -> bool {
        matches!(self, Self::InKeyring(_) | Self::Refused { in_keyring: true, .. })
    }

    /// How it stands in the keyring: a key as it is, so that other programs can show and put it; tokens as they would
    /// stand in the file.
    #[must_use]
    pub fn to_entry(&self) -> Option<SecretString> {
        match self {
            Self::Key(key) => Some(key.clone()),
            Self::Tokens(_) => serde_json::to_string(&KeptOne::from(self))
                .ok()
                .map(SecretString::from),
            Self::Refused { .. } | Self::InKeyring(_) => None,
        }
    }

    /// What an entry of the keyring says.
    ///
    /// # Errors
    /// [`KeyringError::Unusable`].
    pub fn of_entry(kind: Kind, text: &SecretString) -> Result<Self, KeyringError> {
        let text = text.expose_secret();
        match kind {
            Kind::Key => match is_key(text.trim()) {
                true => Ok(Self::Key(text.trim().into())),
                false => Err(KeyringError::Unusable(
                    "no key, which is one word of visible characters",
                )),
            },
            Kind::Tokens => match serde_json::from_str(text) {
                Ok(kept @ KeptOne::Tokens { .. }) => Ok(kept.into()),
                _ => Err(KeyringError::Unusable(
                    "no tokens that this program has put there",
                )),
            },
        }
    }

    /// What of it is secret.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretString> {
        let (first, second) = match self {
            Self::Key(key) => (Some(key), None),
            Self::Tokens(tokens) => (Some(&tokens.access), tokens.refresh.as_ref()),
            Self::Refused { .. } | Self::InKeyring(_) => (None, None),
        };
        first.into_iter().chain(second)
    }
}

/// Everything that is stored, by the name of its provider.
pub type All = BTreeMap<String, Stored>;

/// The file cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CredentialsError {
    /// The system says no.
    #[error("{}: {error}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system said.
        error: Arc<io::Error>,
    },
    /// Others can get at it.
    #[error(
        "{}: others can read or change this file: `chmod 600 {}`, then sign in again, because what is in it may have \
         been seen",
        .0.display(),
        .0.display()
    )]
    Exposed(PathBuf),
    /// It is not what this program writes.
    #[error("{}: this file cannot be read (line {line}): move it aside, then sign in again", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// Where, from 1. What stands there is not told.
        line: usize,
    },
    /// The keyring.
    #[error(
        "`{provider}`: {error}. Ways without the keyring: a key in the environment, or `glasswork login {provider} --file`"
    )]
    Keyring {
        /// Whose entry it is about.
        provider: String,
        /// What is wrong.
        error: KeyringError,
    },
}

/// The file.
#[derive(Debug, Clone)]
pub struct Credentials {
    file: PathBuf,
}

impl Credentials {
    /// In a data directory. Nothing is made.
    #[must_use]
    pub fn below(data: &Path) -> Self {
        Self {
            file: data.join("credentials.json"),
        }
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Everything that is stored.
    ///
    /// # Errors
    /// [`CredentialsError`].
    pub fn read(&self) -> Result<All, CredentialsError> {
        let file = match OpenOptions::new()
            .read(true)
            .custom_flags(NO_FOLLOW)
            .open(&self.file)
        {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(All::new()),
            Err(error) => return Err(self.io(error)),
        };
        let mode = file
            .metadata()
            .map_err(|error| self.io(error))?
            .permissions()
            .mode();
        if mode & OTHERS != 0 {
            return Err(CredentialsError::Exposed(self.file.clone()));
        }
        let mut text = String::new();
        file.take(MOST_BYTES)
            .read_to_string(&mut text)
            .map_err(|error| self.io(error))?;
        let kept: Kept = serde_json::from_str(&text).map_err(|error| CredentialsError::Malformed {
            file: self.file.clone(),
            line: error.line(),
        })?;
        Ok(kept
            .providers
            .into_iter()
            .map(|(name, kept)| (name, kept.into()))
            .collect())
    }

    /// Waits until nobody else changes the file. Blocks, as long as another process asks a server.
    ///
    /// # Errors
    /// [`CredentialsError`].
    pub fn lock(&self) -> Result<Locked, CredentialsError> {
        let folder = self.file.parent().unwrap_or(Path::new("."));
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| self.io(error))?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(NO_FOLLOW)
            .open(self.file.with_extension("lock"))
            .and_then(|file| file.lock().map(|()| file))
            .map_err(|error| self.io(error))?;
        Ok(Locked {
            all: self.read()?,
            credentials: self.clone(),
            _lock: lock,
        })
    }

    fn io(&self, error: io::Error) -> CredentialsError {
        CredentialsError::Io {
            file: self.file.clone(),
            error: Arc::new(error),
        }
    }
}

const NO_FOLLOW: i32 = rustix::fs::OFlags::NOFOLLOW.bits() as i32;

/// The file, while nobody else changes it. What was read holds until this is dropped.
#[derive(Debug)]
pub struct Locked {
    credentials: Credentials,
    all: All,
    _lock: File,
}

impl Locked {
    /// Everything that is stored.
    #[must_use]
    pub fn all(&self) -> &All {
        &self.all
    }

    /// Puts something in the place of what there is for a provider, or takes that away. It is on the disk when this
    /// returns.
    ///
    /// # Errors
    /// [`CredentialsError`]; then nothing has changed.
    pub fn put(&mut self, provider: &str, stored: Option<Stored>) -> Result<(), CredentialsError> {
        let mut all = self.all.clone();
        match stored {
            Some(stored) => drop(all.insert(provider.to_owned(), stored)),
            None => drop(all.remove(provider)),
        }
        let kept = Kept {
            version: 1,
            providers: all
                .iter()
                .map(|(name, stored)| (name.clone(), stored.into()))
                .collect(),
        };
        let io = |error| self.credentials.io(error);
        let text = serde_json::to_vec_pretty(&kept).map_err(|error| io(error.into()))?;
        // For its owner alone from the beginning.
        let mut file = WrittenFile::create(&self.credentials.file, Replace::Yes).map_err(io)?;
        file.write_all(&text).map_err(io)?;
        file.finish().map_err(io)?;
        self.all = all;
        Ok(())
    }
}

/// The file's text.
#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    providers: BTreeMap<String, KeptOne>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KeptOne {
    Key(String),
    Tokens {
        access: String,
        #[serde(default)]
        refresh: Option<String>,
        given: u64,
        #[serde(default)]
        expires: Option<u64>,
        #[serde(default)]
        scopes: Vec<String>,
        #[serde(default)]
        account: Option<String>,
    },
    Refused {
        reason: String,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        in_keyring: bool,
    },
    Keyring(Entry),
}

impl From<KeptOne> for Stored {
    fn from(kept: KeptOne) -> Self {
        match kept {
            KeptOne::Key(key) => Self::Key(key.into()),
            KeptOne::Refused { reason, in_keyring } => Self::Refused { reason, in_keyring },
            KeptOne::Keyring(entry) => Self::InKeyring(entry),
            KeptOne::Tokens {
                access,
                refresh,
                given,
                expires,
                scopes,
                account,
            } => Self::Tokens(Tokens {
                access: access.into(),
                refresh: refresh.map(Into::into),
                given,
                expires,
                scopes,
                account,
            }),
        }
    }
}

/// The only place where these secrets become text.
impl From<&Stored> for KeptOne {
    fn from(stored: &Stored) -> Self {
        let text = |secret: &SecretString| secret.expose_secret().to_owned();
        match stored {
            Stored::Key(key) => Self::Key(text(key)),
            Stored::Refused { reason, in_keyring } => Self::Refused {
                reason: reason.clone(),
                in_keyring: *in_keyring,
            },
            Stored::InKeyring(entry) => Self::Keyring(entry.clone()),
            Stored::Tokens(tokens) => Self::Tokens {
                access: text(&tokens.access),
                refresh: tokens.refresh.as_ref().map(text),
                given: tokens.given,
                expires: tokens.expires,
                scopes: tokens.scopes.clone(),
                account: tokens.account.clone(),
            },
        }
    }
}

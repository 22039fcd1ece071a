//! The keyring of the system: the Secret Service of the session's bus on Linux, the Keychain on macOS.
//!
//! It is opened when something in it is wanted, and at no other time. A keyring that is locked asks its user; a service
//! may not answer at all. So each use has a thread of its own and a deadline.

use std::fmt;
use std::time::Duration;

use glasswork_ai::http::SecretString;
use secrecy::{ExposeSecret as _, SecretSlice};
use tokio::sync::oneshot;

#[cfg_attr(target_os = "linux", path = "keyring/secret_service.rs")]
#[cfg_attr(target_os = "macos", path = "keyring/keychain.rs")]
#[cfg_attr(not(any(target_os = "linux", target_os = "macos")), path = "keyring/none.rs")]
mod store;

/// How long a keyring may take, its user with it: less than a connection may.
const PATIENCE: Duration = Duration::from_secs(45);
/// Longer than any key or token is.
const MOST_BYTES: usize = 64 << 10;

/// A keyring cannot be used, or what it has cannot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// There is none, or it is not reached.
    #[error(
        "no keyring is reached ({0}): start one on this session's bus (GNOME Keyring, KWallet, KeePassXC), and try again"
    )]
    Unreachable(String),
    /// It is locked, and nobody has unlocked it.
    #[error("the keyring is locked: unlock it, as a desktop does when you log in, and try again")]
    Locked,
    /// It does not answer, or waits for its user.
    #[error("the keyring did not answer within {} seconds: see whether it asks to be unlocked, and try again", .0.as_secs_f32())]
    Deadline(Duration),
    /// It says no.
    #[error("the keyring says no ({0}): try again")]
    Failed(String),
    /// It has nothing of that name.
    #[error("the keyring has no such entry any more: sign in again")]
    Gone,
    /// What it has is nothing that this program has put there.
    #[error("what the keyring has is {0}: sign in again")]
    Unusable(&'static str),
}

/// The name of an entry. That of two data directories is not the same, because each has a lock of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Name {
    provider: String,
    file: String,
}

/// What is done with an entry.
#[derive(Debug)]
enum Job {
    /// Nothing, but the keyring is unlocked after it.
    Unlock,
    Read,
    Write(SecretString),
    Remove,
}

/// What it is answered with; the bytes of an entry that was read.
type Answer = Result<Option<SecretSlice<u8>>, KeyringError>;

/// The keyring of the system, for the entries of one data directory.
#[derive(Clone)]
pub struct Keyring {
    file: String,
    bus: Option<String>,
    patience: Duration,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keyring").field(&self.file).finish()
    }
}

impl Keyring {
    /// For what the file with the credentials names. Nothing is opened.
    #[must_use]
    pub fn beside(file: &std::path::Path) -> Self {
        Self {
            file: file.display().to_string(),
            bus: None,
            patience: PATIENCE,
        }
    }

    /// The same by way of another bus than the session's, and with another patience.
    #[must_use]
    pub fn at(self, bus: &str, patience: Duration) -> Self {
        Self {
            bus: Some(bus.to_owned()),
            patience,
            ..self
        }
    }

    /// Unlocks it, which may ask its user.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub async fn unlock(&self) -> Result<(), KeyringError> {
        self.answer("", Job::Unlock).await.map(drop)
    }

    /// What there is for a provider.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub async fn read(&self, provider: &str) -> Result<SecretString, KeyringError> {
        let bytes = self
            .answer(provider, Job::Read)
            .await?
            .ok_or(KeyringError::Gone)?;
        let bytes = bytes.expose_secret();
        if bytes.len() > MOST_BYTES {
            return Err(KeyringError::Unusable("longer than any key or token"));
        }
        std::str::from_utf8(bytes)
            .map(SecretString::from)
            .map_err(|_| KeyringError::Unusable("no text"))
    }

    /// Puts something in the place of what there is for a provider.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub async fn write(&self, provider: &str, secret: SecretString) -> Result<(), KeyringError> {
        self.answer(provider, Job::Write(secret)).await.map(drop)
    }

    /// Removes what there is for a provider, if there is something.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub async fn remove(&self, provider: &str) -> Result<(), KeyringError> {
        self.answer(provider, Job::Remove).await.map(drop)
    }

    /// On a thread of its own: libraries of keyrings compute and wait where no task may. One that has not come back by
    /// the deadline is left alone; it keeps nothing from ending.
    async fn answer(&self, provider: &str, job: Job) -> Answer {
        let name = Name {
            provider: provider.to_owned(),
            file: self.file.clone(),
        };
        let (bus, patience) = (self.bus.clone(), self.patience);
        let (answer, answered) = oneshot::channel();
        std::thread::Builder::new()
            .name("keyring".to_owned())
            .spawn(move || {
                // Who asked may have gone.
                let _ = answer.send(store::run(bus.as_deref(), &name, job, patience));
            })
            .map_err(|error| KeyringError::Failed(error.to_string()))?;
        match tokio::time::timeout(patience, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(KeyringError::Failed("it broke off".to_owned())),
            Err(_) => Err(KeyringError::Deadline(patience)),
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::Read as _;
    use std::os::unix::net::UnixListener;
    use std::path::Path;

    use super::*;

    #[tokio::test]
    async fn a_bus_that_says_nothing_keeps_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bus");
        let silent = UnixListener::bind(&path).unwrap();
        let patience = Duration::from_millis(200);
        let keyring =
            Keyring::beside(Path::new("here")).at(&format!("unix:path={}", path.display()), patience);
        let read = keyring.read("anthropic").await;
        let error = read.map(drop).unwrap_err();
        assert_eq!(error, KeyringError::Deadline(patience));
        assert!(error.to_string().contains("within 0.2 seconds"), "{error}");
        // The connection has ended with it, and so would a prompt.
        let (mut connection, _) = silent.accept().unwrap();
        connection.read_to_end(&mut vec![]).unwrap();
    }
}

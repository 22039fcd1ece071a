//! Where it is kept with which somebody is signed in: in the file, or in the keyring while the file says that it is there.
//!
//! Both are changed under the lock of the file. The keyring is written first, so what the file names is there.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{CredentialsError, Entry, Locked, SignIns, Stored, standing};
use crate::keyring::KeyringError;

/// Where it shall be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Where it was before; in the file where nothing was.
    AsBefore,
    /// In the file.
    File,
    /// In the keyring.
    Keyring,
}

impl Keep {
    pub(super) fn is_keyring(self, before: bool) -> bool {
        match self {
            Self::AsBefore => before,
            Self::File => false,
            Self::Keyring => true,
        }
    }
}

/// What was read from the keyring, so that it is asked once, and since when that stands there.
#[derive(Default)]
pub(super) struct Opened(Mutex<BTreeMap<String, (i64, Stored)>>);

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").finish_non_exhaustive()
    }
}

impl Opened {
    fn inner(&self) -> MutexGuard<'_, BTreeMap<String, (i64, Stored)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, provider: &str, since: i64) -> Option<Stored> {
        let inner = self.inner();
        let (known, stored) = inner.get(provider)?;
        (*known == since).then(|| stored.clone())
    }

    /// Has it read again.
    pub(super) fn forget(&self, provider: &str) {
        self.inner().remove(provider);
    }
}

impl SignIns {
    /// Unlocks the keyring before anybody goes to a browser, where what they come back with shall be kept there.
    pub(super) async fn make_room(&self, provider: &str, keep: Keep) -> Result<(), CredentialsError> {
        let before = self.credentials.read()?;
        match keep.is_keyring(before.get(provider).is_some_and(Stored::is_in_keyring)) {
            true => self.keyring.unlock().await.map_err(about(provider)),
            false => Ok(()),
        }
    }

    /// What there is for a provider, out of the keyring where it is there.
    pub(super) async fn opened(
        &self,
        provider: &str,
        stored: Option<&Stored>,
    ) -> Result<Option<Stored>, CredentialsError> {
        let entry = match stored {
            Some(Stored::InKeyring(entry)) => entry,
            other => return Ok(other.cloned()),
        };
        if let Some(known) = self.opened.get(provider, entry.since) {
            return Ok(Some(known));
        }
        let text = self.keyring.read(provider).await;
        let read = text.and_then(|text| Stored::of_entry(entry.kind, &text));
        let read = read.map_err(about(provider))?;
        self.remember(provider, entry.since, &read);
        Ok(Some(read))
    }

    /// Keeps something; gives what the file has of it.
    pub(super) async fn put(
        &self,
        locked: &mut Locked,
        provider: &str,
        stored: Stored,
        in_keyring: bool,
    ) -> Result<Stored, CredentialsError> {
        self.mask(&stored);
        let text = stored.to_entry().filter(|_| in_keyring);
        let told = match text {
            None => stored,
            Some(text) => {
                let standing = standing(provider, &stored);
                self.keyring
                    .write(provider, text)
                    .await
                    .map_err(about(provider))?;
                let since = self.clock.wall().0;
                self.remember(provider, since, &stored);
                Stored::InKeyring(Entry {
                    kind: standing.kind,
                    since,
                    account: standing.account,
                    expires: standing.expires,
                    scopes: standing.scopes,
                })
            }
        };
        locked.put(provider, Some(told.clone()))?;
        Ok(told)
    }

    pub(super) async fn remove_entry(&self, provider: &str) -> Result<(), CredentialsError> {
        self.opened.forget(provider);
        self.keyring.remove(provider).await.map_err(about(provider))
    }

    fn remember(&self, provider: &str, since: i64, stored: &Stored) {
        self.mask(stored);
        let mut opened = self.opened.inner();
        opened.insert(provider.to_owned(), (since, stored.clone()));
    }

    fn mask(&self, stored: &Stored) {
        if let Some(vaults) = self.masks.get() {
            stored.secrets().for_each(|secret| vaults.learn_own(secret));
        }
    }
}

fn about(provider: &str) -> impl FnOnce(KeyringError) -> CredentialsError {
    move |error| CredentialsError::Keyring {
        provider: provider.to_owned(),
        error,
    }
}

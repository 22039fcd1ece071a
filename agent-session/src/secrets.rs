//! Secrets: found by their looks, replaced by placeholders before anything is dispatched, put back only where they came
//! from. See `docs/secrets.md`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use glasswork_engine::ScopeId;
use glasswork_session_state::state::Session;
use secrecy::ExposeSecret as _;
pub use secrecy::SecretString;

mod answer;
mod assignments;
mod entropy;
mod kind;
mod known;
mod masking;
mod name;
mod private_key;
mod put_back;
mod quoted;
mod scanner;
mod shape;
mod vault;
mod words;
mod work;
mod wrapped;

pub(crate) use answer::AnswerMasking;
pub use kind::Kind;
pub use masking::{Masking, Reader, Stream, View};
pub use put_back::NotPutBack;
pub use vault::{Origin, Vault};

/// Most sessions whose vaults are kept. Of those before, placeholders cannot be put back any more.
const MOST_VAULTS: usize = 1024;
/// Most credentials of this process that are kept. Of those before, sessions that begin later do not know.
const MOST_OWN: usize = 1024;

/// The vaults of all sessions of this process. Whoever reports to a session asks the same one.
pub struct Vaults {
    inner: Mutex<Inner>,
}

struct Inner {
    own: Vec<SecretString>,
    vaults: BTreeMap<ScopeId, Arc<Vault>>,
}

impl fmt::Debug for Vaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vaults").finish_non_exhaustive()
    }
}

impl Vaults {
    /// No session has a vault yet. `own` are values that are secret in all of them: the credentials of this process.
    #[must_use]
    pub fn new(own: Vec<SecretString>) -> Self {
        Self {
            inner: Mutex::new(Inner {
                own,
                vaults: BTreeMap::new(),
            }),
        }
    }

    /// How a session's texts are masked.
    #[must_use]
    pub fn of(&self, session: &Session) -> Masking {
        self.masking(session.id, session.settings.mask_secrets.value)
    }

    /// How the texts of a session are masked, or not.
    #[must_use]
    pub fn masking(&self, session: ScopeId, on: bool) -> Masking {
        Masking::new(self.vault(session), on)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn vault(&self, session: ScopeId) -> Arc<Vault> {
        let mut inner = self.inner();
        let Inner { own, vaults } = &mut *inner;
        if vaults.len() >= MOST_VAULTS && !vaults.contains_key(&session) {
            // The id of a session begins with the time at which it was made.
            vaults.pop_first();
        }
        let vault = vaults
            .entry(session)
            .or_insert_with(|| Arc::new(Vault::new(session, own)));
        Arc::clone(vault)
    }

    /// Says that a value is secret in all sessions: a credential that this process has only now.
    pub fn learn_own(&self, value: &SecretString) {
        let mut inner = self.inner();
        let is_known = |own: &SecretString| own.expose_secret() == value.expose_secret();
        if inner.own.iter().any(is_known) {
            return;
        }
        if inner.own.len() >= MOST_OWN {
            inner.own.remove(0);
        }
        inner.own.push(value.clone());
        for vault in inner.vaults.values() {
            vault.know(value);
        }
    }

    /// Says that a value is secret in a session, whatever it looks like. It may go nowhere.
    pub fn learn(&self, session: ScopeId, value: &SecretString) {
        // Whether the session masks does not matter for what is known.
        let vault = self.vault(session);
        for word in words::words_of(value.expose_secret()) {
            vault.keep(Kind::Credential, word, &Origin::Elsewhere, true, None);
        }
    }

    /// Forgets the values of a session. Its placeholders cannot be put back any more.
    pub fn forget(&self, session: ScopeId) {
        self.inner().vaults.remove(&session);
    }
}

/// Whether the value of a variable of the environment is a secret, by both: `GITHUB_TOKEN`, but not
/// `TOKENIZERS_PARALLELISM`, and not a path to a file.
#[must_use]
pub fn is_credential(name: &str, value: &str) -> bool {
    name::says(name.as_bytes()).is_some()
        && value.len() >= known::SHORTEST
        && !value.starts_with(['/', '~', '.'])
        && !value.bytes().all(|byte| byte.is_ascii_digit())
        && !value.contains("://")
}

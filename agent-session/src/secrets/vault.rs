//! The values behind placeholders, in memory and nowhere else. When the process ends they are gone, and their
//! placeholders cannot be put back any more.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use glasswork_agent_core::id::RequestId;
use glasswork_engine::ScopeId;
use glasswork_session_state::secrets::{Placeholder, session_tag};
use secrecy::{ExposeSecret, SecretString};

use super::kind::Kind;
use super::known::Known;
use super::words::words_of;

/// Most secrets that are kept, and most bytes of them.
const MOST: usize = 8192;
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// Most places that are remembered of one secret; into other files it cannot be put back.
const MOST_PLACES: usize = 64;

/// Where a secret came from, which is where it may go.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A file, by its resolved path.
    File(Arc<Path>),
    /// What the model itself wrote: a block of the answer to a request.
    Model(RequestId, u32),
    /// Anywhere else: what a command said, what a person said. It goes nowhere.
    Elsewhere,
}

/// The secrets of one session.
pub struct Vault {
    tag: String,
    inner: Mutex<Inner>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Vault").field(&self.tag).finish()
    }
}

struct Inner {
    /// By number and part.
    entries: BTreeMap<(u32, Option<u32>), Entry>,
    /// By a digest of the value under a key that was drawn at random.
    numbers: BTreeMap<[u8; 32], (u32, Option<u32>)>,
    key: [u8; 32],
    next: u32,
    bytes: usize,
    known: Arc<Known>,
}

struct Entry {
    kind: Kind,
    value: SecretString,
    origins: BTreeSet<Origin>,
}

impl Entry {
    fn came_from(&mut self, origin: &Origin) {
        if *origin == Origin::Elsewhere || self.origins.contains(origin) {
            return;
        }
        if self.origins.len() >= MOST_PLACES {
            // What the model wrote long ago was done long ago.
            let oldest = self
                .origins
                .iter()
                .find(|place| matches!(place, Origin::Model(..)));
            let Some(oldest) = oldest.cloned() else { return };
            self.origins.remove(&oldest);
        }
        self.origins.insert(origin.clone());
    }
}

/// The value of a placeholder.
#[derive(Debug)]
pub(super) enum Look {
    /// It may go where it was asked for.
    Value(SecretString),
    /// It came from elsewhere.
    Elsewhere,
    /// The vault does not know it.
    Unknown,
}

impl Vault {
    pub(super) fn new(session: ScopeId, own: &[SecretString]) -> Self {
        // The random digits of a UUIDv7 are as random as any.
        let draw = || ScopeId::mint().to_string();
        let random = draw();
        let digits = random.get(random.len().saturating_sub(5)..).unwrap_or_default();
        let mut known = Known::default();
        for value in own {
            add(&mut known, value);
        }
        Self {
            tag: format!("{}{digits}", session_tag(session)),
            inner: Mutex::new(Inner {
                entries: BTreeMap::new(),
                numbers: BTreeMap::new(),
                key: *blake3::hash([draw(), draw(), random].concat().as_bytes()).as_bytes(),
                next: 1,
                bytes: 0,
                known: Arc::new(known),
            }),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks for a value from now on.
    pub(super) fn know(&self, value: &SecretString) {
        add(Arc::make_mut(&mut self.inner().known), value);
    }

    /// What is known to be secret now.
    pub(super) fn known(&self) -> Arc<Known> {
        Arc::clone(&self.inner().known)
    }

    /// Keeps a secret; gives its placeholder, and its number. `block` is the number of the secret of which it is a
    /// further part.
    pub(super) fn keep(
        &self,
        kind: Kind,
        value: &str,
        origin: &Origin,
        distinctive: bool,
        block: Option<u32>,
    ) -> (String, u32) {
        let mut inner = self.inner();
        let digest = *blake3::keyed_hash(&inner.key, value.as_bytes()).as_bytes();
        let name = match inner.numbers.get(&digest) {
            Some(name) => *name,
            None if inner.entries.len() >= MOST || inner.bytes + value.len() > MOST_BYTES => (0, None),
            None => {
                let name = inner.name(kind, block);
                inner.bytes += value.len();
                inner.numbers.insert(digest, name);
                let entry = Entry {
                    kind,
                    value: value.into(),
                    origins: BTreeSet::new(),
                };
                inner.entries.insert(name, entry);
                if distinctive {
                    Arc::make_mut(&mut inner.known).add(kind, value);
                }
                name
            }
        };
        let mut shown = kind;
        if let Some(entry) = inner.entries.get_mut(&name) {
            shown = entry.kind;
            entry.came_from(origin);
        }
        let placeholder = Placeholder {
            kind: shown.name(),
            tag: &self.tag,
            number: name.0,
            part: name.1,
        };
        (placeholder.to_string(), name.0)
    }

    /// The value of a placeholder, if it may go to one of these places.
    pub(super) fn look(&self, placeholder: &Placeholder<'_>, to: &[Origin]) -> Look {
        let inner = self.inner();
        let entry = inner.entries.get(&(placeholder.number, placeholder.part));
        match entry {
            Some(entry) if placeholder.tag == self.tag && placeholder.kind == entry.kind.name() => {
                if to.iter().any(|place| entry.origins.contains(place)) {
                    Look::Value(entry.value.clone())
                } else {
                    Look::Elsewhere
                }
            }
            _ => Look::Unknown,
        }
    }
}

fn add(known: &mut Known, value: &SecretString) {
    for word in words_of(value.expose_secret()) {
        known.add(Kind::Credential, word);
    }
}

impl Inner {
    /// A name that is not taken.
    fn name(&mut self, kind: Kind, block: Option<u32>) -> (u32, Option<u32>) {
        if let Some(number) = block.filter(|number| *number > 0) {
            let parts = self.entries.range((number, None)..=(number, Some(u32::MAX)));
            let last = parts.last().and_then(|((_, part), _)| *part).unwrap_or(0);
            return (number, Some(last + 1));
        }
        let number = self.next;
        self.next = self.next.saturating_add(1);
        (number, (kind == Kind::PrivateKey).then_some(1))
    }
}

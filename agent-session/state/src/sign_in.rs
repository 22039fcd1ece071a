//! Who is signed in where: what happens to keys and tokens, without any of them.

use std::sync::Arc;

use glasswork_engine::{Moment, Timestamp};
use im::OrdMap;
use serde::{Deserialize, Serialize};

use crate::host::Host;
use crate::rejection::Rejection;

/// Most providers that are known here.
pub const PROVIDERS_CAP: usize = 64;
/// Longest text of a sign-in, in bytes.
pub const TEXT_CAP: usize = 512;
/// Most scopes of one.
pub const SCOPES_CAP: usize = 64;

/// How somebody is signed in at a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignIn {
    /// With what.
    pub kind: Kind,
    /// Whose account it is, where the provider told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Arc<str>>,
    /// When the token ends, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// What it allows, where the provider told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<Arc<str>>,
    /// Why the provider has ended it: whoever wants to go on signs in again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Arc<str>>,
    /// Where it is kept.
    #[serde(default, skip_serializing_if = "KeptIn::is_file")]
    pub kept_in: KeptIn,
}

/// Where that is kept with which somebody is signed in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeptIn {
    /// The file with the credentials.
    #[default]
    File,
    /// The keyring of the system.
    Keyring,
}

impl KeptIn {
    fn is_file(&self) -> bool {
        *self == Self::File
    }
}

/// With what somebody is signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A key that was stored.
    Key,
    /// Tokens that a provider gave.
    Tokens,
}

/// What happens to sign-ins. The work is done by then: secrets cannot pass through here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// This is what the file with the credentials has.
    Known {
        /// By the name of the provider.
        sign_ins: OrdMap<Arc<str>, SignIn>,
    },
    /// Somebody has signed in.
    SignedIn {
        /// The provider.
        provider: Arc<str>,
        /// How.
        sign_in: SignIn,
    },
    /// A token was about to end, or was refused, and there is a new one.
    Refreshed {
        /// The provider.
        provider: Arc<str>,
        /// When the new one ends.
        expires: Option<Timestamp>,
    },
    /// The provider gives no new token.
    Refused {
        /// The provider.
        provider: Arc<str>,
        /// Why, in its words.
        reason: Arc<str>,
    },
    /// Somebody has signed out.
    SignedOut {
        /// The provider.
        provider: Arc<str>,
    },
}

/// What was decided of sign-ins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// Somebody is signed in there, like this.
    SignedIn {
        /// The provider.
        provider: Arc<str>,
        /// How.
        sign_in: SignIn,
    },
    /// There is a new token.
    Refreshed {
        /// The provider.
        provider: Arc<str>,
        /// When it ends.
        expires: Option<Timestamp>,
    },
    /// The provider has ended it.
    Refused {
        /// The provider.
        provider: Arc<str>,
        /// Why, in its words.
        reason: Arc<str>,
    },
    /// Nobody is signed in there.
    SignedOut {
        /// The provider.
        provider: Arc<str>,
    },
}

impl Fact {
    pub(crate) fn apply(&self, host: &mut Host, _: Moment) {
        match self {
            Self::SignedIn { provider, sign_in } => {
                host.sign_ins.insert(Arc::clone(provider), sign_in.clone());
            }
            Self::Refreshed { provider, expires } => {
                if let Some(sign_in) = host.sign_ins.get_mut(provider) {
                    sign_in.expires = *expires;
                    sign_in.refused = None;
                }
            }
            Self::Refused { provider, reason } => {
                if let Some(sign_in) = host.sign_ins.get_mut(provider) {
                    sign_in.refused = Some(Arc::clone(reason));
                    sign_in.expires = None;
                }
            }
            Self::SignedOut { provider } => {
                host.sign_ins.remove(provider);
            }
        }
    }
}

/// Decides what happens to sign-ins.
pub(crate) fn decide(host: &Host, event: &Event) -> Result<Vec<Fact>, Rejection> {
    let known = |provider: &Arc<str>| {
        let is_known = host.sign_ins.contains_key(provider);
        is_known
            .then_some(())
            .ok_or_else(|| Rejection::NotSignedIn(shortened(provider)))
    };
    Ok(match event {
        Event::Known { sign_ins } => {
            let gone = host
                .sign_ins
                .keys()
                .filter(|provider| !sign_ins.contains_key(*provider))
                .map(|provider| Fact::SignedOut {
                    provider: Arc::clone(provider),
                });
            let mut facts: Vec<Fact> = gone.collect();
            for (provider, sign_in) in sign_ins {
                if host.sign_ins.get(provider) != Some(sign_in) {
                    facts.push(signed_in(provider, sign_in));
                }
            }
            room(sign_ins.len())?;
            facts
        }
        Event::SignedIn { provider, sign_in } => {
            let more = usize::from(!host.sign_ins.contains_key(provider));
            room(host.sign_ins.len() + more)?;
            vec![signed_in(provider, sign_in)]
        }
        Event::Refreshed { provider, expires } => {
            known(provider)?;
            vec![Fact::Refreshed {
                provider: Arc::clone(provider),
                expires: *expires,
            }]
        }
        Event::Refused { provider, reason } => {
            known(provider)?;
            vec![Fact::Refused {
                provider: Arc::clone(provider),
                reason: shortened(reason),
            }]
        }
        Event::SignedOut { provider } => {
            known(provider)?;
            vec![Fact::SignedOut {
                provider: Arc::clone(provider),
            }]
        }
    })
}

fn room(providers: usize) -> Result<(), Rejection> {
    match providers <= PROVIDERS_CAP {
        true => Ok(()),
        false => Err(Rejection::TooManySignIns),
    }
}

fn signed_in(provider: &Arc<str>, sign_in: &SignIn) -> Fact {
    let SignIn {
        kind,
        account,
        expires,
        scopes,
        refused,
        kept_in,
    } = sign_in;
    Fact::SignedIn {
        provider: shortened(provider),
        sign_in: SignIn {
            kind: *kind,
            account: account.as_ref().map(shortened),
            expires: *expires,
            scopes: scopes.iter().take(SCOPES_CAP).map(shortened).collect(),
            refused: refused.as_ref().map(shortened),
            kept_in: *kept_in,
        },
    }
}

fn shortened(text: &Arc<str>) -> Arc<str> {
    match text.len() <= TEXT_CAP {
        true => Arc::clone(text),
        false => text
            .get(..text.floor_char_boundary(TEXT_CAP))
            .unwrap_or_default()
            .into(),
    }
}

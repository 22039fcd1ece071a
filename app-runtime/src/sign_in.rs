//! Signing in and out, and tokens that hold.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use glasswork_agent_session::secrets::Vaults;
use glasswork_ai::failure::{Failure, FailureClass};
use glasswork_ai::http::{Clients, HeaderMap, SecretString, TokenSource, Waiting};
use glasswork_ai::sign_in::authorization::{Authorization, CannotBegin, NoCode, Randomness};
use glasswork_ai::sign_in::callback::Callback;
use glasswork_ai::sign_in::client::Door;
use glasswork_ai::sign_in::description::{self, Description, DescriptionError};
use glasswork_ai::sign_in::device::{Device, Next, NotSignedIn, Polling};
use glasswork_ai::sign_in::tokens::{TokenError, TokenRequest, Tokens};
use glasswork_engine::{Clock, Timestamp};
use glasswork_session_state::sign_in::{Event, KeptIn, Kind, SignIn};
use im::OrdMap;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use tokio::time::Instant;

use crate::credentials::{All, Credentials, CredentialsError, Entry, Locked, Stored, is_key};
use crate::keyring::Keyring;

mod keeping;

pub use keeping::Keep;
use keeping::Opened;

/// How long a person may take in a browser.
pub const BROWSER_PATIENCE: Duration = Duration::from_secs(600);

/// Where what happens is reported.
pub(crate) type Report = Box<dyn Fn(Event) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// What somebody is signed in with, and the ways to change that.
pub struct SignIns {
    credentials: Credentials,
    descriptions: BTreeMap<String, Description>,
    clock: Arc<dyn Clock>,
    clients: Clients,
    report: OnceLock<Report>,
    keyring: Keyring,
    /// What was read from the keyring.
    opened: Opened,
    masks: OnceLock<Arc<Vaults>>,
}

impl fmt::Debug for SignIns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SignIns").field(&self.credentials.file()).finish()
    }
}

/// Why nobody was signed in or out.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// There is no description.
    #[error(
        "it is not known how to sign in at `{provider}`; it is at: {known}. A key is stored with `--key`"
    )]
    Unknown {
        /// What was asked for.
        provider: String,
        /// Those that are known.
        known: String,
    },
    /// The description is wrong.
    #[error("the entry `{provider}` of `sign_in` cannot be used: {error}")]
    Description {
        /// The provider.
        provider: String,
        /// What is wrong.
        error: DescriptionError,
    },
    /// It cannot begin.
    #[error(transparent)]
    CannotBegin(#[from] CannotBegin),
    /// The port for the browser cannot be had.
    #[error("the port to which the browser comes back cannot be opened ({0}); `--paste` needs none")]
    Port(io::Error),
    /// No code came.
    #[error(transparent)]
    NoCode(#[from] NoCode),
    /// Nobody came back.
    #[error("nobody came back from the browser within {} minutes: begin again", BROWSER_PATIENCE.as_secs() / 60)]
    Patience,
    /// The provider gives no tokens.
    #[error("there are no tokens: {0}")]
    NoTokens(#[from] TokenError),
    /// No code for a device was typed.
    #[error(transparent)]
    Device(#[from] NotSignedIn),
    /// A key that is none.
    #[error("a key is one word of visible characters; nothing was stored")]
    Key,
    /// The file.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
}

/// How it stands with one provider, without any secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// The provider.
    pub provider: String,
    /// With what somebody is signed in.
    pub kind: Kind,
    /// Whose account it is, where the provider told.
    pub account: Option<String>,
    /// When the token ends, in seconds since 1970; it is renewed by itself before.
    pub expires: Option<u64>,
    /// What it allows, where the provider told.
    pub scopes: Vec<String>,
    /// Why the provider has ended it.
    pub refused: Option<String>,
    /// Where it is kept.
    pub kept_in: KeptIn,
}

/// For people, in a line.
impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let provider = &self.provider;
        if let Some(reason) = &self.refused {
            return write!(
                f,
                "{provider}: the provider has ended the sign-in ({reason}); sign in again with `glasswork login {provider}`"
            );
        }
        match self.kind {
            Kind::Key => write!(f, "{provider}: a key is stored")?,
            Kind::Tokens => write!(f, "{provider}: signed in")?,
        }
        if let Some(account) = &self.account {
            write!(f, " as {account}")?;
        }
        if self.kept_in == KeptIn::Keyring {
            write!(f, " in the keyring")?;
        }
        if let Some(Ok(expires)) = self
            .expires
            .map(|expires| jiff::Timestamp::from_second(i64::try_from(expires).unwrap_or(i64::MAX)))
        {
            write!(f, ", renewed by itself before {expires}")?;
        }
        Ok(())
    }
}

impl SignIns {
    /// Of a data directory; `own` are the descriptions of the settings, which go before those of the program.
    #[must_use]
    pub fn new(data: &Path, own: &BTreeMap<String, Description>, clock: Arc<dyn Clock>) -> Self {
        let mut descriptions = description::included();
        descriptions.extend(own.clone());
        let credentials = Credentials::below(data);
        Self {
            keyring: Keyring::beside(credentials.file()),
            credentials,
            descriptions,
            clock,
            clients: Clients::default(),
            report: OnceLock::new(),
            opened: Opened::default(),
            masks: OnceLock::new(),
        }
    }

    /// By way of these clients; without them the providers are reached straight.
    #[must_use]
    pub fn through(self, clients: &Clients) -> Self {
        Self {
            clients: clients.clone(),
            ..self
        }
    }

    /// With the keyring of another bus than the session's, which may take so long.
    #[must_use]
    pub fn with_keyring_at(self, bus: &str, patience: Duration) -> Self {
        Self {
            keyring: self.keyring.at(bus, patience),
            ..self
        }
    }

    pub(crate) fn report_to(&self, report: Report) {
        // Binding twice would be a defect of the program that composes; the first one stays.
        let _ = self.report.set(report);
    }

    /// Has what comes later, out of the keyring or from a provider, masked like what was there from the beginning.
    pub(crate) fn mask_by(&self, vaults: Arc<Vaults>) {
        // As above.
        let _ = self.masks.set(vaults);
    }

    /// The file in which it is kept.
    #[must_use]
    pub fn file(&self) -> &Path {
        self.credentials.file()
    }

    /// Everything that is stored, secrets and all.
    ///
    /// # Errors
    /// [`CredentialsError`].
    pub fn stored(&self) -> Result<All, CredentialsError> {
        self.credentials.read()
    }

    /// How it stands, by provider.
    ///
    /// # Errors
    /// [`CredentialsError`].
    pub fn standing(&self) -> Result<Vec<Standing>, CredentialsError> {
        let all = self.credentials.read()?;
        Ok(all.iter().map(|(name, stored)| standing(name, stored)).collect())
    }

    pub(crate) fn known(&self) -> Result<OrdMap<Arc<str>, SignIn>, CredentialsError> {
        let all = self.credentials.read()?;
        Ok(all
            .iter()
            .map(|(name, stored)| (Arc::from(name.as_str()), public(stored)))
            .collect())
    }

    /// Whether there is another way than a key.
    #[must_use]
    pub fn has_way(&self, provider: &str) -> bool {
        self.descriptions
            .get(provider)
            .is_some_and(|description| description.client_id.is_some())
    }

    /// Whether there is a way with a browser, and not only with a code for a device.
    #[must_use]
    pub fn has_browser(&self, provider: &str) -> bool {
        self.descriptions
            .get(provider)
            .is_some_and(|description| description.authorize_url.is_some())
    }

    fn door<'d>(&self, description: &'d Description) -> Door<'d> {
        Door::of(description).through(&self.clients)
    }

    fn description(&self, provider: &str) -> Result<&Description, SignInError> {
        let Some(description) = self.descriptions.get(provider) else {
            let known: Vec<_> = self.descriptions.keys().map(|name| format!("`{name}`")).collect();
            return Err(SignInError::Unknown {
                provider: provider.to_owned(),
                known: known.join(", "),
            });
        };
        description.check().map_err(|error| SignInError::Description {
            provider: provider.to_owned(),
            error,
        })?;
        Ok(description)
    }

    /// Stores a key.
    ///
    /// # Errors
    /// [`SignInError`].
    pub async fn with_key(
        &self,
        provider: &str,
        keep: Keep,
        key: &SecretString,
    ) -> Result<Standing, SignInError> {
        let key = key.expose_secret().trim();
        if !is_key(key) {
            return Err(SignInError::Key);
        }
        self.enter(provider, keep, Stored::Key(key.into())).await
    }

    /// Signs in with a browser on this machine. `tell` gets the address to be opened.
    ///
    /// # Errors
    /// [`SignInError`].
    pub async fn with_browser(
        &self,
        provider: &str,
        keep: Keep,
        tell: impl FnOnce(&str),
    ) -> Result<Standing, SignInError> {
        let description = self.description(provider)?;
        self.make_room(provider, keep).await?;
        let callback = Callback::open(description).await.map_err(SignInError::Port)?;
        let attempt = Authorization::begin(description, callback.redirect(), &Randomness::draw()?)?;
        tell(attempt.address());
        let request = tokio::time::timeout(BROWSER_PATIENCE, callback.wait(&attempt))
            .await
            .map_err(|_| SignInError::Patience)??;
        self.exchange(provider, keep, description, &request).await
    }

    /// Signs in with a browser anywhere. `ask` gets the address to be opened, and gives what was copied from there.
    ///
    /// # Errors
    /// [`SignInError`].
    pub async fn with_paste(
        &self,
        provider: &str,
        keep: Keep,
        ask: impl FnOnce(&str) -> Option<SecretString>,
    ) -> Result<Standing, SignInError> {
        let description = self.description(provider)?;
        self.make_room(provider, keep).await?;
        let redirect = match &description.redirect_page {
            Some(page) => page.to_string(),
            // Nothing listens there: the browser shows an error, and the address that it shows has the code.
            None => {
                let port = description.redirect_port.unwrap_or(1455);
                format!("http://localhost:{port}{}", description.redirect_path)
            }
        };
        let attempt = Authorization::begin(description, &redirect, &Randomness::draw()?)?;
        let text = ask(attempt.address()).ok_or(NoCode::Missing)?;
        let request = attempt.pasted(&text)?;
        self.exchange(provider, keep, description, &request).await
    }

    /// Signs in with a code that is typed anywhere. `tell` gets it.
    ///
    /// # Errors
    /// [`SignInError`].
    pub async fn with_device(
        &self,
        provider: &str,
        keep: Keep,
        tell: impl FnOnce(&Device),
    ) -> Result<Standing, SignInError> {
        let description = self.description(provider)?;
        self.make_room(provider, keep).await?;
        let door = self.door(description);
        let device = door.device().await??;
        tell(&device);
        let client = description.client_id.as_deref().unwrap_or_default();
        let request = TokenRequest::device(client, &device.device_code);
        let (began, mut polling) = (Instant::now(), Polling::begin(&device));
        let mut wait = polling.first();
        loop {
            tokio::time::sleep(wait).await;
            let answer = door.tokens(&request, || self.now()).await;
            match polling.after(answer, began.elapsed())? {
                Next::Ask(next) => wait = next,
                Next::Tokens(tokens) => return self.enter(provider, keep, Stored::Tokens(*tokens)).await,
            }
        }
    }

    /// Signs out: what is stored is forgotten here. Whether somebody was signed in.
    ///
    /// # Errors
    /// [`SignInError`].
    pub async fn sign_out(&self, provider: &str) -> Result<bool, SignInError> {
        let mut locked = self.locked().await?;
        match locked.all().get(provider) {
            None => return Ok(false),
            // First there: while the file names it, this can be done again.
            Some(stored) if stored.is_in_keyring() => self.remove_entry(provider).await?,
            Some(_) => {}
        }
        locked.put(provider, None)?;
        drop(locked);
        self.tell(Event::SignedOut {
            provider: provider.into(),
        })
        .await;
        Ok(true)
    }

    async fn exchange(
        &self,
        provider: &str,
        keep: Keep,
        description: &Description,
        request: &TokenRequest,
    ) -> Result<Standing, SignInError> {
        let tokens = self.door(description).tokens(request, || self.now()).await?;
        self.enter(provider, keep, Stored::Tokens(tokens)).await
    }

    async fn enter(&self, provider: &str, keep: Keep, stored: Stored) -> Result<Standing, SignInError> {
        let mut locked = self.locked().await?;
        let before = locked.all().get(provider).is_some_and(Stored::is_in_keyring);
        let stored = self
            .put(&mut locked, provider, stored, keep.is_keyring(before))
            .await?;
        if before && !stored.is_in_keyring() {
            // What is there is not used any more; who leaves a keyring that is not reached must be able to.
            let _ = self.remove_entry(provider).await;
        }
        drop(locked);
        self.tell(Event::SignedIn {
            provider: provider.into(),
            sign_in: public(&stored),
        })
        .await;
        Ok(standing(provider, &stored))
    }

    /// A token that holds; see [`TokenSource::token`].
    async fn token(&self, provider: &str, refused: Option<&SecretString>) -> Result<SecretString, Failure> {
        let holds = |stored: &Option<Stored>| match stored {
            Some(Stored::Tokens(tokens)) if !tokens.is_due(self.now()) && !is(tokens, refused) => {
                Some(tokens.access.clone())
            }
            _ => None,
        };
        let all = self.credentials.read().map_err(unreadable)?;
        let stored = self.opened(provider, all.get(provider)).await;
        if let Some(token) = holds(&stored.map_err(unreadable)?) {
            return Ok(token);
        }
        let mut locked = self.locked().await.map_err(unreadable)?;
        let in_keyring = locked.all().get(provider).is_some_and(Stored::is_in_keyring);
        self.opened.forget(provider);
        let stored = self.opened(provider, locked.all().get(provider)).await;
        let stored = stored.map_err(unreadable)?;
        // Another process may have asked meanwhile.
        if let Some(token) = holds(&stored) {
            return Ok(token);
        }
        let again = format!("sign in again with `glasswork login {provider}`");
        let tokens = match stored {
            Some(Stored::Tokens(tokens)) => tokens,
            Some(Stored::Refused { reason, .. }) => {
                return Err(auth(format!(
                    "`{provider}` has ended the sign-in ({reason}): {again}"
                )));
            }
            Some(Stored::Key(_) | Stored::InKeyring(_)) | None => {
                return Err(auth(format!(
                    "nobody is signed in at `{provider}` any more: {again}"
                )));
            }
        };
        let is_over = is(&tokens, refused) || tokens.expires.is_some_and(|expires| expires <= self.now());
        let asked = match (&tokens.refresh, self.description(provider)) {
            (Some(refresh), Ok(description)) => self.door(description).refresh(refresh, || self.now()).await,
            (Some(_), Err(error)) => return Err(auth(error.to_string())),
            (None, _) => Err(TokenError::Refused {
                error: "the token has ended, and there is none to renew it".to_owned(),
                description: None,
            }),
        };
        match asked {
            Ok(newer) => {
                let newer = newer.following(&tokens);
                let (access, expires) = (newer.access.clone(), newer.expires);
                self.put(&mut locked, provider, Stored::Tokens(newer), in_keyring)
                    .await
                    .map_err(unreadable)?;
                drop(locked);
                self.tell(Event::Refreshed {
                    provider: provider.into(),
                    expires: expires.map(timestamp),
                })
                .await;
                Ok(access)
            }
            // It holds a little longer: the next request asks again.
            Err(_) if !is_over => Ok(tokens.access),
            Err(error) if error.is_final() => {
                let reason = error.to_string();
                let refused = Stored::Refused {
                    reason: reason.clone(),
                    in_keyring,
                };
                locked.put(provider, Some(refused)).map_err(unreadable)?;
                if in_keyring {
                    // They have ended: nobody can do anything with them.
                    let _ = self.remove_entry(provider).await;
                }
                drop(locked);
                self.tell(Event::Refused {
                    provider: provider.into(),
                    reason: reason.as_str().into(),
                })
                .await;
                Err(auth(format!(
                    "`{provider}` has ended the sign-in ({reason}): {again}"
                )))
            }
            Err(error) => Err(Failure::new(
                FailureClass::Unavailable,
                format!("the token for `{provider}` could not be renewed: {error}"),
            )),
        }
    }

    /// A key that is in the keyring, for requests.
    async fn key(&self, provider: &str, refused: Option<&SecretString>) -> Result<SecretString, Failure> {
        if refused.is_some() {
            self.opened.forget(provider);
        }
        let all = self.credentials.read().map_err(unreadable)?;
        let stored = self.opened(provider, all.get(provider)).await;
        match stored.map_err(unreadable)? {
            Some(Stored::Key(key)) if refused.is_none_or(|refused| !is_same(&key, refused)) => Ok(key),
            Some(Stored::Key(_)) => Err(auth(format!("`{provider}` refuses the key of the keyring"))),
            Some(_) => Err(auth(format!(
                "there is no key for `{provider}` any more, but somebody has signed in there otherwise: start again"
            ))),
            None => Err(auth(format!(
                "there is no key for `{provider}` any more: store one with `glasswork login {provider}`"
            ))),
        }
    }

    /// Waiting for other processes blocks, so it is done elsewhere.
    async fn locked(&self) -> Result<Locked, CredentialsError> {
        let credentials = self.credentials.clone();
        let locking = tokio::task::spawn_blocking(move || credentials.lock());
        locking.await.unwrap_or_else(|error| {
            Err(CredentialsError::Io {
                file: self.credentials.file().to_owned(),
                error: Arc::new(io::Error::other(error)),
            })
        })
    }

    async fn tell(&self, event: Event) {
        if let Some(report) = self.report.get() {
            report(event).await;
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.wall().0 / 1_000_000).unwrap_or(0)
    }

    /// The tokens of a provider, or its key in the keyring, for requests to its models.
    #[must_use]
    pub fn source(self: &Arc<Self>, provider: &str, kind: Kind) -> Arc<dyn TokenSource> {
        Arc::new(Source {
            sign_ins: Arc::clone(self),
            provider: provider.to_owned(),
            kind,
        })
    }
}

fn is(tokens: &Tokens, refused: Option<&SecretString>) -> bool {
    refused.is_some_and(|refused| is_same(&tokens.access, refused))
}

fn is_same(one: &SecretString, other: &SecretString) -> bool {
    one.expose_secret() == other.expose_secret()
}

fn auth(text: String) -> Failure {
    Failure::new(FailureClass::Auth, text)
}

fn unreadable(error: CredentialsError) -> Failure {
    auth(error.to_string())
}

fn timestamp(seconds: u64) -> Timestamp {
    Timestamp(
        i64::try_from(seconds)
            .unwrap_or(i64::MAX)
            .saturating_mul(1_000_000),
    )
}

fn public(stored: &Stored) -> SignIn {
    let standing = standing("", stored);
    SignIn {
        kind: standing.kind,
        account: standing.account.map(Into::into),
        expires: standing.expires.map(timestamp),
        scopes: standing.scopes.into_iter().map(Into::into).collect(),
        refused: standing.refused.map(Into::into),
        kept_in: standing.kept_in,
    }
}

fn standing(provider: &str, stored: &Stored) -> Standing {
    let nothing = |kind| Standing {
        provider: provider.to_owned(),
        kind,
        account: None,
        expires: None,
        scopes: vec![],
        refused: None,
        kept_in: match stored.is_in_keyring() {
            true => KeptIn::Keyring,
            false => KeptIn::File,
        },
    };
    match stored {
        Stored::Key(_) => nothing(Kind::Key),
        Stored::Refused { reason, .. } => Standing {
            refused: Some(reason.clone()),
            ..nothing(Kind::Tokens)
        },
        Stored::InKeyring(entry) => Standing {
            account: entry.account.clone(),
            expires: entry.expires,
            scopes: entry.scopes.clone(),
            ..nothing(entry.kind)
        },
        Stored::Tokens(tokens) => Standing {
            account: tokens.account.clone(),
            expires: tokens.expires,
            scopes: tokens.scopes.clone(),
            ..nothing(Kind::Tokens)
        },
    }
}

/// The tokens of one provider, or its key.
#[derive(Debug)]
struct Source {
    sign_ins: Arc<SignIns>,
    provider: String,
    kind: Kind,
}

impl TokenSource for Source {
    fn token(&self, refused: Option<SecretString>) -> Waiting<Result<SecretString, Failure>> {
        let (sign_ins, provider) = (Arc::clone(&self.sign_ins), self.provider.clone());
        if self.kind == Kind::Key {
            return Box::pin(async move { sign_ins.key(&provider, refused.as_ref()).await });
        }
        Box::pin(async move {
            // Of its own: were the request dropped between the server's answer and the file, the old refresh token
            // would be used up and the new one lost.
            let asking = tokio::spawn(async move { sign_ins.token(&provider, refused.as_ref()).await });
            asking
                .await
                .unwrap_or_else(|error| Err(auth(format!("the token could not be had: {error}"))))
        })
    }

    fn headers(&self) -> HeaderMap {
        let described = self.sign_ins.descriptions.get(&self.provider);
        let headers = described.into_iter().flat_map(|description| &description.headers);
        headers
            .filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?)))
            .collect()
    }
}

//! Requests for tokens, and what a server answers: bytes in, values out.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;

use super::description::Body;
use super::device::Device;

/// Tokens are asked for anew so long before they end, in seconds …
const EARLY: u64 = 300;
/// … or when this part of their life is left, where that is less.
const EARLY_PART: u64 = 5;
/// A clock that was set back by more than this, in seconds, says nothing about the end of a token any more.
const SKEW: u64 = 60;
/// Longest words of a server that are told on.
const TOLD: usize = 300;
/// Most scopes that are kept.
const SCOPES: usize = 64;

/// What a server gave: tokens, and what it said of them.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// What requests carry.
    pub access: SecretString,
    /// What the next tokens are asked for with.
    pub refresh: Option<SecretString>,
    /// When it was given, in seconds since 1970.
    pub given: u64,
    /// When it ends, in seconds since 1970, by the clock of this machine; `None` where the server does not say.
    pub expires: Option<u64>,
    /// What it allows, where the server says.
    pub scopes: Vec<String>,
    /// Whose it is, for people, where the server says.
    pub account: Option<String>,
}

impl Tokens {
    /// Whether it is time to ask for new ones.
    #[must_use]
    pub fn is_due(&self, now: u64) -> bool {
        let Some(expires) = self.expires else { return false };
        let life = expires.saturating_sub(self.given);
        let early = EARLY.min(life / EARLY_PART);
        now.saturating_add(early) >= expires || now.saturating_add(SKEW) < self.given
    }

    /// These tokens where a refresh gave no new refresh token, scopes or account: those of before stay.
    #[must_use]
    pub fn following(mut self, before: &Self) -> Self {
        self.refresh = self.refresh.or_else(|| before.refresh.clone());
        self.account = self.account.or_else(|| before.account.clone());
        if self.scopes.is_empty() {
            self.scopes.clone_from(&before.scopes);
        }
        self
    }
}

/// Why there are no tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The server said no, and why (RFC 6749 section 5.2, RFC 8628 section 3.5).
    #[error("the server refuses ({error}){}", told(.description.as_deref()))]
    Refused {
        /// Its code: `invalid_grant`, `authorization_pending` …
        error: String,
        /// Its words.
        description: Option<String>,
    },
    /// The server answered something else: it may be another time.
    #[error("the server answers with {0}")]
    Odd(String),
    /// The server was not reached, or is silent.
    #[error("{0}")]
    Unreached(String),
}

fn told(description: Option<&str>) -> String {
    description.map_or_else(String::new, |text| format!(": {text}"))
}

impl TokenError {
    /// Whether asking again with the same can help. A server that refuses has decided.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Self::Refused { error, .. } => !matches!(
                error.as_str(),
                "temporarily_unavailable" | "server_error" | "slow_down" | "authorization_pending"
            ),
            Self::Odd(_) | Self::Unreached(_) => false,
        }
    }
}

/// A request for tokens. Not to be printed: it holds secrets.
pub struct TokenRequest {
    /// Its parameters.
    parameters: BTreeMap<&'static str, SecretString>,
}

impl TokenRequest {
    /// With the code that a browser brought back.
    #[must_use]
    pub(super) fn code(
        client: &str,
        code: &SecretString,
        verifier: &SecretString,
        redirect: &str,
        state: &str,
    ) -> Self {
        let mut request = Self::of(client, "authorization_code");
        request.parameters.insert("code", code.clone());
        request.parameters.insert("code_verifier", verifier.clone());
        request.parameters.insert("redirect_uri", redirect.into());
        // Not of the standard; a server that wants JSON wants this too, and others must ignore it.
        request.parameters.insert("state", state.into());
        request
    }

    /// With a refresh token.
    #[must_use]
    pub(super) fn refresh(client: &str, token: &SecretString) -> Self {
        let mut request = Self::of(client, "refresh_token");
        request.parameters.insert("refresh_token", token.clone());
        request
    }

    /// With the code of a device.
    #[must_use]
    pub fn device(client: &str, code: &SecretString) -> Self {
        let mut request = Self::of(client, "urn:ietf:params:oauth:grant-type:device_code");
        request.parameters.insert("device_code", code.clone());
        request
    }

    fn of(client: &str, grant: &str) -> Self {
        let parameters = [("client_id", client.into()), ("grant_type", grant.into())];
        Self {
            parameters: parameters.into(),
        }
    }

    /// Its bytes, and their type.
    #[must_use]
    pub fn body(&self, format: Body) -> (&'static str, String) {
        let parameters = self
            .parameters
            .iter()
            .map(|(name, value)| (*name, value.expose_secret()));
        match format {
            Body::Form => ("application/x-www-form-urlencoded", form(parameters)),
            Body::Json => {
                let object: serde_json::Map<String, Value> = parameters
                    .map(|(name, value)| (name.to_owned(), value.into()))
                    .collect();
                ("application/json", Value::Object(object).to_string())
            }
        }
    }

    /// What a server says of this request, without what was in it.
    fn without_secrets(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, value) in &self.parameters {
            let value = value.expose_secret();
            if !matches!(*name, "client_id" | "grant_type" | "redirect_uri") && value.len() > 3 {
                text = text.replace(value, "[secret]");
            }
        }
        text.chars().filter(|c| !c.is_control()).take(TOLD).collect()
    }
}

/// Parameters as a form (`application/x-www-form-urlencoded`).
pub(super) fn form<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let Ok(mut url) = reqwest::Url::parse("http://localhost/") else {
        return String::new();
    };
    url.query_pairs_mut().extend_pairs(parameters);
    url.query().unwrap_or_default().to_owned()
}

#[derive(Deserialize)]
struct Given {
    access_token: SecretString,
    #[serde(default)]
    refresh_token: Option<SecretString>,
    #[serde(default)]
    expires_in: Option<Value>,
    #[serde(default)]
    scope: Option<String>,
    #[serde(default)]
    id_token: Option<SecretString>,
    #[serde(default)]
    account: Option<Value>,
}

#[derive(Deserialize)]
struct No {
    error: Value,
    #[serde(default)]
    error_description: Option<String>,
}

/// Reads an answer to a request for tokens, which came at `now`, in seconds since 1970.
///
/// # Errors
/// [`TokenError`]. It holds nothing of the request that is secret.
pub fn answer(request: &TokenRequest, status: u16, body: &[u8], now: u64) -> Result<Tokens, TokenError> {
    refusal(request, status, body)?;
    let Ok(given) = serde_json::from_slice::<Given>(body) else {
        return Err(odd(status, body, "no token in it"));
    };
    if given.access_token.expose_secret().trim().is_empty() {
        return Err(odd(status, body, "an empty token in it"));
    }
    let life = given.expires_in.as_ref().and_then(seconds);
    let claims = given.id_token.as_ref().and_then(claims);
    let email = |value: &Value, name: &str| Some(value.get(name)?.as_str()?.to_owned());
    let account = claims
        .as_ref()
        .and_then(|claims| email(claims, "email"))
        .or_else(|| email(given.account.as_ref()?, "email_address"))
        .map(|text| text.chars().filter(|c| !c.is_control()).take(128).collect());
    Ok(Tokens {
        access: given.access_token,
        refresh: given
            .refresh_token
            .filter(|token| !token.expose_secret().is_empty()),
        given: now,
        expires: life.map(|life| now.saturating_add(life)),
        scopes: given
            .scope
            .unwrap_or_default()
            .split([' ', ','])
            .filter(|scope| !scope.is_empty())
            .take(SCOPES)
            .map(str::to_owned)
            .collect(),
        account,
    })
}

/// Reads an answer to a request for a code for a device.
pub(super) fn device(status: u16, body: &[u8]) -> Result<Device, TokenError> {
    let nothing_secret = TokenRequest {
        parameters: BTreeMap::new(),
    };
    refusal(&nothing_secret, status, body)?;
    serde_json::from_slice(body).map_err(|_| odd(status, body, "no code for a device in it"))
}

/// What is no success. GitHub refuses with 200, others with 400 or 401.
fn refusal(request: &TokenRequest, status: u16, body: &[u8]) -> Result<(), TokenError> {
    if let Ok(no) = serde_json::from_slice::<No>(body)
        && status < 500
    {
        // Some nest it: `{"error": {"type": …, "message": …}}`.
        let text = |value: &Value, name: &str| Some(value.get(name)?.as_str()?.to_owned());
        let error = match &no.error {
            Value::String(error) => Some(error.clone()),
            nested => text(nested, "type").or_else(|| text(nested, "code")),
        };
        let description = no.error_description.or_else(|| text(&no.error, "message"));
        return Err(TokenError::Refused {
            error: request.without_secrets(&error.unwrap_or_else(|| "no reason".to_owned())),
            description: description.map(|text| request.without_secrets(&text)),
        });
    }
    match status {
        200..300 => Ok(()),
        _ => Err(odd(status, body, "no reason in it")),
    }
}

/// Its words are left out: where they are not what they should be, anything may stand there.
fn odd(status: u16, body: &[u8], what: &str) -> TokenError {
    let is_html = body.trim_ascii_start().starts_with(b"<");
    let kind = if is_html { "a web page" } else { "something" };
    TokenError::Odd(format!("{kind} (status {status}), and {what}"))
}

fn seconds(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// What an identity token says. Its signature is not checked: it came from the server itself, and is only shown.
fn claims(token: &SecretString) -> Option<Value> {
    let payload = token.expose_secret().split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

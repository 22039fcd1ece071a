//! The authorization code flow with PKCE: the address to be opened, and what comes back from it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use super::description::Description;
use super::tokens::TokenRequest;

/// What must be random of an attempt to sign in.
pub struct Randomness(pub [u8; 64]);

/// An attempt to sign in with a browser, from the opening of the address to the code.
pub struct Authorization {
    client: String,
    state: String,
    verifier: SecretString,
    redirect: String,
    address: String,
}

/// Without what proves that the code is ours.
impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorization")
            .field("redirect", &self.redirect)
            .finish_non_exhaustive()
    }
}

/// Why signing in cannot begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CannotBegin {
    /// Nobody has registered this program there.
    #[error(
        "there is no client id for this provider: register a program there, and put its id into the settings as \
         `client_id` of this provider's entry in `sign_in`; or store a key with `--key`"
    )]
    NoClient,
    /// There is no such way.
    #[error("this provider has no way to sign in {0}")]
    NoWay(&'static str),
}

/// Why a code is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoCode {
    /// Not ours: it belongs to another attempt, or somebody made it up.
    #[error(
        "what came back does not belong to this attempt to sign in (its `state` is another): begin again"
    )]
    WrongState,
    /// There is none.
    #[error("there is no code in what came back: copy the whole of it")]
    Missing,
    /// The provider, or the person at it, said no.
    #[error("signing in was refused ({0})")]
    Refused(String),
}

impl Authorization {
    /// Begins an attempt. `redirect` is where the browser comes back to.
    ///
    /// # Errors
    /// [`CannotBegin`].
    pub fn begin(
        description: &Description,
        redirect: &str,
        randomness: &Randomness,
    ) -> Result<Self, CannotBegin> {
        let client = description.client_id.as_deref().ok_or(CannotBegin::NoClient)?;
        let page = description
            .authorize_url
            .as_deref()
            .ok_or(CannotBegin::NoWay("with a browser; take `--device`"))?;
        let (first, second) = randomness.0.split_at(32);
        let (state, verifier) = (URL_SAFE_NO_PAD.encode(first), URL_SAFE_NO_PAD.encode(second));
        let mut address = Url::parse(page).map_err(|_| CannotBegin::NoWay("at an address that is none"))?;
        address
            .query_pairs_mut()
            .extend_pairs(&description.authorize_parameters)
            .extend_pairs([
                ("response_type", "code"),
                ("client_id", client),
                ("redirect_uri", redirect),
                ("scope", &description.scopes.join(" ")),
                ("state", &state),
                ("code_challenge", &challenge(&verifier)),
                ("code_challenge_method", "S256"),
            ]);
        Ok(Self {
            client: client.to_owned(),
            state,
            verifier: verifier.into(),
            redirect: redirect.to_owned(),
            address: address.into(),
        })
    }

    /// The address to be opened in a browser.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Takes what the browser brought back, as the query of the address: `code=…&state=…`.
    ///
    /// # Errors
    /// [`NoCode`].
    pub fn returned(&self, query: &str) -> Result<TokenRequest, NoCode> {
        let Ok(url) = Url::parse(&format!("http://localhost/?{query}")) else {
            return Err(NoCode::Missing);
        };
        let value = |name: &str| {
            url.query_pairs()
                .find(|(other, _)| other == name)
                .map(|(_, value)| value.into_owned())
        };
        // Before anything else is believed.
        if value("state").as_deref() != Some(&self.state) {
            return Err(NoCode::WrongState);
        }
        if let Some(error) = value("error") {
            let words = value("error_description").unwrap_or_default();
            let told = [error, words].join(" ");
            let told: String = told
                .trim()
                .chars()
                .filter(|c| !c.is_control())
                .take(200)
                .collect();
            return Err(NoCode::Refused(told));
        }
        match value("code") {
            Some(code) if !code.is_empty() => Ok(self.request(&code.into())),
            _ => Err(NoCode::Missing),
        }
    }

    /// Takes what a person has copied: the whole address, its query, `code#state` as some pages show it, or the code
    /// alone, which then nothing but the verifier binds to this attempt.
    ///
    /// # Errors
    /// [`NoCode`].
    pub fn pasted(&self, text: &SecretString) -> Result<TokenRequest, NoCode> {
        let text = text.expose_secret().trim();
        if let Ok(url) = Url::parse(text)
            && matches!(url.scheme(), "http" | "https")
        {
            return self.returned(url.query().unwrap_or_default());
        }
        if text.contains("code=") || text.contains("error=") {
            return self.returned(text.trim_start_matches('?'));
        }
        match text.split_once('#') {
            Some((_, state)) if state != self.state => Err(NoCode::WrongState),
            Some((code, _)) if !code.is_empty() => Ok(self.request(&code.into())),
            None if !text.is_empty() && !text.contains(char::is_whitespace) => Ok(self.request(&text.into())),
            _ => Err(NoCode::Missing),
        }
    }

    fn request(&self, code: &SecretString) -> TokenRequest {
        TokenRequest::code(&self.client, code, &self.verifier, &self.redirect, &self.state)
    }
}

/// The S256 challenge of a verifier (RFC 7636 section 4.2).
fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_the_standard() {
        // RFC 7636, appendix B.
        assert_eq!(
            challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }
}

//! Requests that carry a key, or the token of somebody who has signed in.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{RequestBuilder, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};

use super::answer::{Sent, transport_failure};
use super::trouble;
use crate::failure::{Failure, FailureClass};
use crate::wire::Wire;

/// What is waited for.
pub type Waiting<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Where tokens come from, or a key that is not at hand from the beginning.
pub trait TokenSource: fmt::Debug + Send + Sync {
    /// A token that holds. `refused` is one that a server has just refused: that one is not given again.
    ///
    /// The failure says for people what to do.
    fn token(&self, refused: Option<SecretString>) -> Waiting<Result<SecretString, Failure>>;

    /// Headers that go with the token.
    fn headers(&self) -> HeaderMap;
}

/// Sends with a key. `way` is how the server is reached, for failures.
pub(super) async fn send_with_key(request: RequestBuilder, key: Option<SecretString>, way: String) -> Sent {
    Ok((reached(request, &way).await?, key))
}

/// How a server is shown it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// A token.
    Token,
    /// A key, as this wire has it.
    Key(Wire),
}

/// Sends with a token; once more with another one where the server refuses the first.
pub(super) async fn send(
    request: RequestBuilder,
    tokens: Arc<dyn TokenSource>,
    shown: Shown,
    way: String,
) -> Sent {
    let request = request.headers(tokens.headers());
    let again = request.try_clone();
    let token = tokens.token(None).await?;
    let response = reached(with(request, shown, &token)?, &way).await?;
    let Some(again) = again.filter(|_| response.status() == StatusCode::UNAUTHORIZED) else {
        return Ok((response, Some(token)));
    };
    let another = match (tokens.token(Some(token.clone())).await, shown) {
        (Ok(another), _) => another,
        (Err(failure), Shown::Token) => return Err(failure),
        // There is no other key: what the server says of this one is what counts.
        (Err(_), Shown::Key(_)) => return Ok((response, Some(token))),
    };
    let response = reached(with(again, shown, &another)?, &way).await?;
    Ok((response, Some(another)))
}

/// The header with a key. `None` where the key has characters that no key has.
pub(super) fn key_header(wire: Wire, key: &SecretString) -> Option<(HeaderName, HeaderValue)> {
    let key = key.expose_secret();
    let (name, value) = match wire {
        Wire::Anthropic => (HeaderName::from_static("x-api-key"), HeaderValue::from_str(key)),
        Wire::Gemini => (
            HeaderName::from_static("x-goog-api-key"),
            HeaderValue::from_str(key),
        ),
        Wire::OpenAiChat | Wire::OpenAiCompatible | Wire::OpenAiResponses => {
            (AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {key}")))
        }
    };
    let mut value = value.ok()?;
    value.set_sensitive(true);
    Some((name, value))
}

fn with(request: RequestBuilder, shown: Shown, token: &SecretString) -> Result<RequestBuilder, Failure> {
    // A token is shown as the keys of most wires are.
    let (wire, what) = match shown {
        Shown::Token => (Wire::OpenAiChat, "token"),
        Shown::Key(wire) => (wire, "key"),
    };
    let (name, value) = key_header(wire, token).ok_or_else(|| {
        let text = format!("the {what} has characters that no {what} has: sign in again");
        Failure::new(FailureClass::Auth, text)
    })?;
    Ok(request.header(name, value))
}

async fn reached(request: RequestBuilder, way: &str) -> Result<Response, Failure> {
    let unreached = format!("the server was not reached{way}");
    let response = request.send().await;
    let response = response.map_err(|error| transport_failure(&unreached, error))?;
    if response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
        let trouble = trouble::refused_by_proxy();
        return Err(Failure::new(
            trouble.class,
            format!("{unreached}: {}", trouble.text),
        ));
    }
    Ok(response)
}

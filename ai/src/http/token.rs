//! Requests that carry a key, or the token of somebody who has signed in.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use super::answer::{Sent, transport_failure};
use crate::failure::{Failure, FailureClass};

/// What is waited for.
pub type Waiting<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Where tokens come from.
pub trait TokenSource: fmt::Debug + Send + Sync {
    /// A token that holds. `refused` is one that a server has just refused: that one is not given again.
    ///
    /// The failure says for people what to do.
    fn token(&self, refused: Option<SecretString>) -> Waiting<Result<SecretString, Failure>>;

    /// Headers that go with the token.
    fn headers(&self) -> HeaderMap;
}

pub(super) async fn send_with_key(request: RequestBuilder, key: Option<SecretString>) -> Sent {
    let response = request.send().await.map_err(unreached)?;
    Ok((response, key))
}

/// Sends with a token; once more with another one where the server refuses the first.
pub(super) async fn send(request: RequestBuilder, tokens: Arc<dyn TokenSource>) -> Sent {
    let request = request.headers(tokens.headers());
    let again = request.try_clone();
    let token = tokens.token(None).await?;
    let response = with(request, &token)?.send().await.map_err(unreached)?;
    match again {
        Some(again) if response.status() == reqwest::StatusCode::UNAUTHORIZED => {
            let token = tokens.token(Some(token)).await?;
            let response = with(again, &token)?.send().await.map_err(unreached)?;
            Ok((response, Some(token)))
        }
        _ => Ok((response, Some(token))),
    }
}

fn with(request: RequestBuilder, token: &SecretString) -> Result<RequestBuilder, Failure> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())).map_err(|_| {
        Failure::new(
            FailureClass::Auth,
            "the token has characters that no token has: sign in again",
        )
    })?;
    value.set_sensitive(true);
    Ok(request.header(AUTHORIZATION, value))
}

fn unreached(error: reqwest::Error) -> Failure {
    transport_failure("the server was not reached", error)
}

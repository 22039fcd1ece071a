//! Requests that carry a key, or the token of somebody who has signed in.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{RequestBuilder, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};

use super::answer::{Sent, transport_failure};
use super::trouble;
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

/// Sends with a key. `way` is how the server is reached, for failures.
pub(super) async fn send_with_key(request: RequestBuilder, key: Option<SecretString>, way: String) -> Sent {
    Ok((reached(request, &way).await?, key))
}

/// Sends with a token; once more with another one where the server refuses the first.
pub(super) async fn send(request: RequestBuilder, tokens: Arc<dyn TokenSource>, way: String) -> Sent {
    let request = request.headers(tokens.headers());
    let again = request.try_clone();
    let token = tokens.token(None).await?;
    let response = reached(with(request, &token)?, &way).await?;
    match again {
        Some(again) if response.status() == StatusCode::UNAUTHORIZED => {
            let token = tokens.token(Some(token)).await?;
            let response = reached(with(again, &token)?, &way).await?;
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

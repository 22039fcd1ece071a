//! Who is let in.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::http::token::Token;

/// Who is let in: the names under which this host may be addressed, the origins of pages that may speak to it, and the
/// token.
#[derive(Debug, Clone)]
pub struct Access {
    hosts: BTreeSet<String>,
    origins: BTreeSet<String>,
    token: Token,
}

/// What is no origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no origin of a page: say scheme, host and port, as in `http://localhost:3000`")]
pub struct BadOrigin(String);

impl Access {
    /// Access to a host that listens here, by its own names and from its own page only.
    #[must_use]
    pub fn new(address: SocketAddr, token: Token) -> Self {
        let names = match (address.ip().is_loopback(), address) {
            (true, _) => vec!["127.0.0.1".to_owned(), "[::1]".to_owned(), "localhost".to_owned()],
            (false, SocketAddr::V4(address)) => vec![address.ip().to_string()],
            (false, SocketAddr::V6(address)) => vec![format!("[{}]", address.ip())],
        };
        let names = names.into_iter().map(|name| match address.port() {
            // Clients leave this one out.
            80 => name,
            port => format!("{name}:{port}"),
        });
        let access = Self {
            hosts: BTreeSet::new(),
            origins: BTreeSet::new(),
            token,
        };
        names.fold(access, Self::with_host)
    }

    /// The same by one more name, as `Host` has it: with the port where that is not 80.
    #[must_use]
    pub fn with_host(mut self, host: String) -> Self {
        self.origins.insert(format!("http://{host}"));
        self.hosts.insert(host);
        self
    }

    /// The same from pages of one more origin.
    ///
    /// # Errors
    /// [`BadOrigin`]: there is no wildcard, and `null` is what every page without an origin says.
    pub fn with_origin(mut self, origin: &str) -> Result<Self, BadOrigin> {
        let host = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        let is_host = |host: &str| !host.is_empty() && !host.contains(['/', '*', ' ', '?', '#', '@']);
        if !host.is_some_and(is_host) {
            return Err(BadOrigin(origin.to_owned()));
        }
        self.origins.insert(origin.to_owned());
        Ok(self)
    }

    /// Whether a request was sent to this host, by no page or by one that may.
    pub(super) fn admits(&self, request: &Request) -> Result<(), &'static str> {
        let host = only(request.headers(), HOST).ok().flatten();
        let is_this = |host: &str| self.hosts.contains(host);
        let in_target = request.uri().authority();
        if !host.and_then(text).is_some_and(is_this)
            || !in_target.is_none_or(|target| is_this(target.as_str()))
        {
            return Err("this host is not called so\n");
        }
        match only(request.headers(), ORIGIN) {
            Ok(None) => Ok(()),
            Ok(Some(origin)) if text(origin).is_some_and(|origin| self.origins.contains(origin)) => Ok(()),
            _ => Err("pages of this origin may not speak to this host\n"),
        }
    }

    /// Whether a request says the token: in its `Authorization`, and nowhere else.
    pub(super) fn knows(&self, headers: &HeaderMap) -> bool {
        let said = only(headers, AUTHORIZATION).ok().flatten();
        said.is_some_and(|said| self.is_bearer(said.as_bytes()))
    }

    /// Whether this is `Bearer` and the token.
    fn is_bearer(&self, said: &[u8]) -> bool {
        match said.split_at_checked(b"bearer ".len()) {
            Some((scheme, token)) => scheme.eq_ignore_ascii_case(b"bearer ") && self.token.is(token),
            None => false,
        }
    }

    /// Whether this is the token, as the first message of a WebSocket has it.
    pub(super) fn is_token(&self, said: &str) -> bool {
        self.token.is(said.as_bytes())
    }
}

fn text(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok()
}

/// A header that must not be there twice: two readers could each take another one.
fn only(headers: &HeaderMap, name: HeaderName) -> Result<Option<&HeaderValue>, ()> {
    let mut all = headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (first, None) => Ok(first),
        _ => Err(()),
    }
}

//! The one way out: every request of this program goes through clients that are made here.

use std::fmt;
use std::iter;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use reqwest::{Client, Url};

use super::BaseUrl;
use super::answer::transport_failure;
use super::authorities::Authorities;
use super::proxy::{Proxies, Route};
use crate::failure::Failure;

/// How long a connection may take to come about. All other deadlines are the caller's.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// How servers are reached.
#[derive(Debug, Clone, Default)]
pub struct ClientSettings {
    /// Through which proxies.
    pub proxies: Proxies,
    /// By whose certificates they are known.
    pub authorities: Authorities,
}

/// Clients with these settings, made when they are first needed and shared by all who have a copy of this: the
/// certificates of the system are read once, and a connection serves whoever asks the same server next.
#[derive(Clone, Default)]
pub struct Clients(Arc<Shared>);

#[derive(Default)]
struct Shared {
    settings: ClientSettings,
    plain: OnceLock<Result<Client, Failure>>,
    secured: OnceLock<Result<Client, Failure>>,
}

/// Whether certificates will be looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Security {
    Plain,
    Secured,
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clients").field(&self.0.settings).finish()
    }
}

impl Clients {
    /// Clients with these settings; none is made yet.
    #[must_use]
    pub fn new(settings: ClientSettings) -> Self {
        Self(Arc::new(Shared {
            settings,
            ..Shared::default()
        }))
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &ClientSettings {
        &self.0.settings
    }

    /// The way to a server.
    #[must_use]
    pub fn route(&self, to: &BaseUrl) -> Route<'_> {
        self.0.settings.proxies.route(to.url())
    }

    /// How a server is reached and known, for people: begins with a blank, or is empty where nobody has set anything.
    #[must_use]
    pub fn way(&self, to: &BaseUrl) -> String {
        let mut way = self.route(to).to_string();
        let authorities = &self.0.settings.authorities;
        if authorities.has_own() && self.security(to.url()) == Security::Secured {
            way.push_str(&format!(", known by {authorities}"));
        }
        way
    }

    /// Makes the client for a server on a thread of its own, so that it is there when it is needed. Reading the system's
    /// certificates takes a while.
    pub fn make_ready(&self, to: &BaseUrl) {
        drop(self.making(to));
    }

    /// The thread; none where there is nothing to be read.
    fn making(&self, to: &BaseUrl) -> Option<JoinHandle<()>> {
        let is_secured = self.security(to.url()) == Security::Secured;
        is_secured.then(|| {
            let (clients, url) = (self.clone(), to.url().clone());
            // What is wrong is told to whoever asks for the client.
            std::thread::spawn(move || drop(clients.client(&url)))
        })
    }

    /// The client for an address, whoever else uses it.
    pub(crate) fn client(&self, url: &Url) -> Result<Client, Failure> {
        let security = self.security(url);
        let made = match security {
            Security::Plain => &self.0.plain,
            Security::Secured => &self.0.secured,
        };
        made.get_or_init(|| build(&self.0.settings, security)).clone()
    }

    /// A client of one's own, whose connections end with it.
    pub(crate) fn own_client(&self, url: &Url) -> Result<Client, Failure> {
        build(&self.0.settings, self.security(url))
    }

    fn security(&self, url: &Url) -> Security {
        let route = self.0.settings.proxies.route(url);
        let is_proxy_secured = matches!(route, Route::Through(proxy) if proxy.address.is_secured());
        match url.scheme() == "http" && !is_proxy_secured {
            true => Security::Plain,
            false => Security::Secured,
        }
    }
}

fn build(settings: &ClientSettings, security: Security) -> Result<Client, Failure> {
    // reqwest panics without a provider of cryptography. An error means that the program has installed one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .user_agent(concat!("glasswork/", env!("CARGO_PKG_VERSION")))
        // A key goes to the address that the user named and to no other.
        .redirect(reqwest::redirect::Policy::none())
        // Otherwise the environment would be asked.
        .no_proxy();
    let proxies = &settings.proxies;
    if proxies.http.is_some() || proxies.https.is_some() {
        let proxies = proxies.clone();
        builder = builder.proxy(reqwest::Proxy::custom(move |url| match proxies.route(url) {
            Route::Through(proxy) => proxy.address.url(),
            Route::Straight | Route::Near | Route::Excepted { .. } => None,
        }));
    }
    let authorities = &settings.authorities;
    builder = match (security, &authorities.in_place) {
        // No certificate will ever be looked at, and reading the system's takes a while.
        (Security::Plain, _) => builder.tls_certs_only(iter::empty()),
        (Security::Secured, None) => builder.tls_certs_merge(authorities.own()),
        (Security::Secured, Some(_)) => builder.tls_certs_only(authorities.own()),
    };
    builder
        .build()
        .map_err(|error| transport_failure("no connection can be made", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_made_ready_where_that_takes_a_while() {
        let made = |address: &str| {
            let clients = Clients::default();
            let making = clients.making(&BaseUrl::parse(address).expect(address));
            if let Some(making) = making {
                making.join().expect("it ends");
            }
            (clients.0.plain.get().is_some(), clients.0.secured.get().is_some())
        };
        assert_eq!(made("https://x.org"), (false, true));
        // Nothing is read, and no thread is worth it.
        assert_eq!(made("http://x.org"), (false, false));
    }
}

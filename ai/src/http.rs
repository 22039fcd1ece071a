//! Real providers over HTTP.
//!
//! Nothing here reads the environment or a file: keys, addresses, proxies and certificates come in as values. A client
//! is built when it is needed, so that a program that plays scripts never looks for certificates.

mod answer;
mod authorities;
mod clients;
mod endpoint;
mod exceptions;
mod probe;
mod proxy;
mod token;
mod trouble;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

pub use reqwest::header::HeaderMap;
use reqwest::header::{HeaderName, HeaderValue};
use secrecy::ExposeSecret;
pub use secrecy::SecretString;

use crate::abilities::Abilities;
use crate::catalogue::Catalogue;
use crate::conversation::Request;
use crate::failure::{Failure, FailureClass};
use crate::image;
use crate::model::ModelId;
use crate::port::{Call, ModelPort};
use crate::structured::Means;
use crate::takes::Takes;
use crate::wire::{Differences, Server, Wire};
use answer::Answering;
pub(crate) use answer::causes;
pub use authorities::{Authorities, Certificates, CertificatesError};
pub use clients::{ClientSettings, Clients};
pub use endpoint::{BaseUrl, BaseUrlError};
pub use exceptions::Exceptions;
pub use probe::{Found, USUAL_PLACES, probe};
pub use proxy::{Proxies, Proxy, ProxyAddress, ProxyAddressError, Route};
use token::Shown;
pub use token::{TokenSource, Waiting};

/// What a user's environment or settings say about the providers. An empty text counts as absent.
#[derive(Debug, Default)]
pub struct Settings {
    /// `OPENAI_API_KEY`
    pub openai_api_key: Option<SecretString>,
    /// `OPENAI_BASE_URL`, as OpenAI's own clients take it: with `/v1`, which is added where there is no path.
    pub openai_base_url: Option<String>,
    /// `ANTHROPIC_API_KEY`
    pub anthropic_api_key: Option<SecretString>,
    /// `ANTHROPIC_BASE_URL`, as Anthropic's own clients take it: without `/v1`, which may stand there all the same.
    pub anthropic_base_url: Option<String>,
    /// `GEMINI_API_KEY`
    pub gemini_api_key: Option<SecretString>,
}

impl Settings {
    /// The provider `openai`: Responses at its own address. At any other one it is Chat Completions, as nearly all servers
    /// speak them, and needs no key: many local servers want none.
    ///
    /// # Errors
    /// An address that is none.
    pub fn openai(&self) -> Result<Provider, BaseUrlError> {
        let own = self
            .openai_base_url
            .as_deref()
            .filter(|url| !url.trim().is_empty());
        let server = match own {
            Some(url) if !url.contains("://api.openai.com") => Server {
                differences: Differences::known("openai", own),
                ..Wire::OpenAiCompatible.into()
            },
            _ => Wire::OpenAiResponses.into(),
        };
        let url = BaseUrl::parse(own.unwrap_or("https://api.openai.com/v1"))?;
        Ok(Provider::new(
            "OPENAI_API_KEY",
            server,
            &url,
            self.openai_api_key.as_ref(),
        ))
    }

    /// The provider `anthropic`.
    ///
    /// # Errors
    /// An address that is none.
    pub fn anthropic(&self) -> Result<Provider, BaseUrlError> {
        let own = self
            .anthropic_base_url
            .as_deref()
            .filter(|url| !url.trim().is_empty());
        let url = BaseUrl::parse(own.unwrap_or("https://api.anthropic.com"))?;
        Ok(Provider::new(
            "ANTHROPIC_API_KEY",
            Wire::Anthropic,
            &url,
            self.anthropic_api_key.as_ref(),
        ))
    }

    /// The provider `google`, at its own address.
    ///
    /// # Errors
    /// Never.
    pub fn google(&self) -> Result<Provider, BaseUrlError> {
        let url = BaseUrl::parse("https://generativelanguage.googleapis.com")?;
        Ok(Provider::new(
            "GEMINI_API_KEY",
            Wire::Gemini,
            &url,
            self.gemini_api_key.as_ref(),
        ))
    }
}

/// A provider: an address that speaks a wire, and a key for it.
pub struct Provider {
    server: Server,
    url: BaseUrl,
    catalogue: Option<Arc<Catalogue>>,
    key: Option<SecretString>,
    /// Where tokens come from, where there is no key but somebody has signed in.
    tokens: Option<(Arc<dyn TokenSource>, Shown)>,
    /// Where the user may put a key, to be told when it is missing.
    key_name: Cow<'static, str>,
    clients: Clients,
}

impl Provider {
    /// A provider. `key_name` is the variable or setting that holds the key, for messages.
    #[must_use]
    pub fn new(
        key_name: impl Into<Cow<'static, str>>,
        server: impl Into<Server>,
        url: &BaseUrl,
        key: Option<&SecretString>,
    ) -> Self {
        let key = key
            .map(|key| key.expose_secret().trim())
            .filter(|key| !key.is_empty());
        Self {
            server: server.into(),
            url: url.clone(),
            catalogue: None,
            key: key.map(SecretString::from),
            key_name: key_name.into(),
            tokens: None,
            clients: Clients::default(),
        }
    }

    /// With what is known of models: a request asks for no more than its model can do.
    #[must_use]
    pub fn knowing(mut self, catalogue: Arc<Catalogue>) -> Self {
        self.catalogue = Some(catalogue);
        self
    }

    /// The same by way of these clients; without them it is reached straight.
    #[must_use]
    pub fn through(self, clients: &Clients) -> Self {
        Self {
            clients: clients.clone(),
            ..self
        }
    }

    /// How it is reached, as [`Clients::way`] says it.
    #[must_use]
    pub fn way(&self) -> String {
        self.clients.way(&self.url)
    }

    /// Has its client made on a thread of its own, as [`Clients::make_ready`] does.
    pub fn make_ready(&self) {
        self.clients.make_ready(&self.url);
    }

    /// The same with tokens of whoever has signed in. A key of its own goes before them.
    #[must_use]
    pub fn signed_in(self, tokens: Arc<dyn TokenSource>) -> Self {
        self.with_source(tokens, Shown::Token)
    }

    /// The same with a key that is looked up when it is needed. A key of its own goes before it.
    #[must_use]
    pub fn with_key_from(self, keys: Arc<dyn TokenSource>) -> Self {
        let shown = Shown::Key(self.server.wire);
        self.with_source(keys, shown)
    }

    fn with_source(self, source: Arc<dyn TokenSource>, shown: Shown) -> Self {
        let tokens = self.key.is_none().then_some((source, shown));
        Self { tokens, ..self }
    }

    fn abilities(&self, model: &ModelId) -> Abilities {
        let known = self.catalogue.as_ref().and_then(|catalogue| catalogue.get(model));
        known.map(|model| model.abilities).unwrap_or_default()
    }

    /// Whether requests carry a key.
    #[must_use]
    pub fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// Whether requests can be made: there is a key, or the server may do without: one that speaks Chat Completions at an
    /// address of the user's own, or one for which no name of a key is known.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.has_key()
            || self.tokens.is_some()
            || self.server.wire == Wire::OpenAiCompatible
            || self.key_name.is_empty()
    }

    fn prepare(&self, request: &Request) -> Result<Call, Failure> {
        if !self.is_usable() {
            return Err(Failure::new(
                FailureClass::Auth,
                format!(
                    "there is no key for `{}`: set {}",
                    request.model.provider, self.key_name
                ),
            ));
        }
        let abilities = self.abilities(&request.model);
        let sent = self.server.encode(request, &abilities)?;
        let mut headers = HeaderMap::new();
        for (name, value) in &sent.headers {
            let value = HeaderValue::from_str(value).map_err(|_| {
                Failure::new(
                    FailureClass::Invalid,
                    format!("the header `{name}` has characters that no header has: set it again"),
                )
            })?;
            headers.insert(HeaderName::from_static(name), value);
        }
        if let Some(key) = &self.key {
            let (name, value) = self.key_header(key)?;
            headers.insert(name, value);
        }
        let sending = self
            .clients
            .client(self.url.url())?
            .post(self.url.endpoint(self.server.wire, &sent.path, sent.query))
            .headers(headers)
            .body(sent.body.to_vec());
        let (wire, decoder) = (self.server.wire, self.server.decoder(request));
        let way = self.clients.route(&self.url).to_string();
        let source = match &self.tokens {
            Some((tokens, shown)) => Answering::new(
                wire,
                decoder,
                token::send(sending, Arc::clone(tokens), *shown, way),
            ),
            None => Answering::new(
                wire,
                decoder,
                token::send_with_key(sending, self.key.clone(), way),
            ),
        };
        Ok(Call::new(sent.body, source).without(image::unsent(request, &abilities)))
    }

    fn key_header(&self, key: &SecretString) -> Result<(HeaderName, HeaderValue), Failure> {
        token::key_header(self.server.wire, key).ok_or_else(|| {
            Failure::new(
                FailureClass::Auth,
                format!(
                    "the key in {} has characters that no key has: set it again",
                    self.key_name
                ),
            )
        })
    }
}

/// Without the key, and without path and query of the address, which may hold one.
impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider")
            .field("wire", &self.server.wire)
            .field("host", &self.url.host())
            .field("has_key", &self.has_key())
            .finish_non_exhaustive()
    }
}

impl ModelPort for Provider {
    fn call(&self, request: Arc<Request>, _attempt: u32) -> Call {
        self.prepare(&request).unwrap_or_else(Call::impossible)
    }

    fn means(&self, model: &ModelId, schema: &serde_json::Value) -> Means {
        Means::best(&self.server, model, &self.abilities(model), schema)
    }

    fn takes(&self, model: &ModelId) -> Option<Takes> {
        Some(self.server.takes(model, &self.abilities(model)))
    }

    fn default_answer(&self, _: &ModelId) -> Option<u64> {
        self.server.wire.default_answer()
    }
}

//! An authorisation server on the loopback: it checks what the standards have it check, and goes wrong on order.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use glasswork_ai::sign_in::description::{Body, Description};
use reqwest::Url;
use serde_json::{Value, json};

use crate::model_server::{Answers, ModelServer, Received, Reply};

/// Who asks.
const CLIENT: &str = "glasswork-test";
/// The code that a person types.
pub const USER_CODE: &str = "WDJB-MJHT";

/// A running server; it stops when dropped.
#[derive(Debug)]
pub struct AuthorizationServer {
    server: ModelServer,
    book: Arc<Mutex<Book>>,
}

#[derive(Debug)]
struct Book {
    /// Codes that were given out, with challenge and redirect. Each is taken once.
    codes: BTreeMap<String, (String, String)>,
    /// The refresh token that holds; every other one is refused.
    refresh: Option<String>,
    /// How many tokens were given.
    given: u32,
    /// How long tokens hold, in seconds.
    life: u64,
    /// Replies that come before any of its own, oldest first.
    ordered: VecDeque<Reply>,
    /// What devices are told before they get tokens.
    device: VecDeque<&'static str>,
    /// How often may be asked, in seconds.
    interval: u64,
}

impl AuthorizationServer {
    /// Starts a server whose tokens hold for so many seconds.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn start(life: u64) -> io::Result<Self> {
        let book = Arc::new(Mutex::new(Book {
            codes: BTreeMap::new(),
            refresh: None,
            given: 0,
            life,
            ordered: VecDeque::new(),
            device: VecDeque::new(),
            interval: 0,
        }));
        let shared = Arc::clone(&book);
        let server = ModelServer::start(Answers::by(move |request| lock(&shared).answer(request))).await?;
        Ok(Self { server, book })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// How to sign in here.
    #[must_use]
    pub fn description(&self) -> Description {
        let url = self.server.url();
        Description {
            client_id: Some(CLIENT.into()),
            authorize_url: Some(format!("{url}/authorize").into()),
            token_url: format!("{url}/token").into(),
            device_url: Some(format!("{url}/device").into()),
            scopes: vec!["models".into(), "profile".into()],
            authorize_parameters: BTreeMap::new(),
            redirect_port: None,
            redirect_path: "/callback".into(),
            redirect_page: None,
            body: Body::Form,
            headers: BTreeMap::new(),
        }
    }

    /// The same, as settings have it: the entry of a provider in `sign_in`.
    #[must_use]
    pub fn entry(&self) -> String {
        let url = self.server.url();
        format!(
            "(client_id: \"{CLIENT}\", authorize_url: \"{url}/authorize\", token_url: \"{url}/token\", device_url: \
             \"{url}/device\", scopes: [\"models\", \"profile\"])"
        )
    }

    /// What a person's browser does at the address that it was given: says yes, and is sent back to what is returned.
    ///
    /// # Panics
    /// Where the address lacks what the standards ask for.
    #[must_use]
    pub fn says_yes(&self, address: &str) -> String {
        let query = pairs(
            Url::parse(address)
                .ok()
                .and_then(|url| Some(url.query()?.to_owned())),
        );
        let value = |name: &str| query.get(name).cloned().unwrap_or_default();
        assert_eq!(value("response_type"), "code");
        assert_eq!(value("client_id"), CLIENT);
        assert_eq!(value("scope"), "models profile");
        assert_eq!(value("code_challenge_method"), "S256");
        assert!(value("state").len() > 40 && value("code_challenge").len() == 43);
        let mut book = lock(&self.book);
        let code = format!("code-{}", book.codes.len());
        book.codes
            .insert(code.clone(), (value("code_challenge"), value("redirect_uri")));
        format!("{}?code={code}&state={}", value("redirect_uri"), value("state"))
    }

    /// These replies come next, whatever is asked.
    pub fn replies(&self, replies: impl IntoIterator<Item = Reply>) {
        lock(&self.book).ordered.extend(replies);
    }

    /// What devices are told before they get tokens: `authorization_pending`, `slow_down` …
    pub fn tells_devices(&self, interval: u64, errors: impl IntoIterator<Item = &'static str>) {
        let mut book = lock(&self.book);
        book.interval = interval;
        book.device.extend(errors);
    }

    /// Tokens hold for so many seconds from now on.
    pub fn gives_life(&self, seconds: u64) {
        lock(&self.book).life = seconds;
    }

    /// No refresh token holds any more.
    pub fn revoke(&self) {
        lock(&self.book).refresh = None;
    }

    /// How many times tokens were given.
    #[must_use]
    pub fn given(&self) -> u32 {
        lock(&self.book).given
    }

    /// All requests so far.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.server.received()
    }

    /// Waits until so many requests have come.
    pub async fn until_received(&self, requests: usize) {
        self.server.until_received(requests).await;
    }
}

/// A refusal as the standards have it.
#[must_use]
pub fn refusal(error: &str) -> Reply {
    Reply::status(400)
        .header("content-type", "application/json")
        .body(json!({ "error": error, "error_description": "no, says the server" }).to_string())
}

impl Book {
    fn answer(&mut self, request: &Received) -> Reply {
        if let Some(reply) = self.ordered.pop_front() {
            return reply;
        }
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let asked = match serde_json::from_str::<BTreeMap<String, String>>(&body) {
            Ok(object) => object,
            Err(_) => pairs(Some(body)),
        };
        let value = |name: &str| asked.get(name).map(String::as_str).unwrap_or_default();
        if value("client_id") != CLIENT {
            return refusal("invalid_client");
        }
        match (request.path.as_str(), value("grant_type")) {
            ("/device", "") => json_reply(&json!({
                "device_code": "device-secret", "user_code": USER_CODE, "verification_uri": "https://x.example/device",
                "expires_in": 600, "interval": self.interval,
            })),
            ("/token", "authorization_code") => match self.codes.remove(value("code")) {
                Some((challenge, redirect))
                    if challenge == digest(value("code_verifier")) && redirect == value("redirect_uri") =>
                {
                    self.tokens()
                }
                _ => refusal("invalid_grant"),
            },
            ("/token", "refresh_token") => match self.refresh.as_deref() == Some(value("refresh_token")) {
                true => self.tokens(),
                false => refusal("invalid_grant"),
            },
            ("/token", "urn:ietf:params:oauth:grant-type:device_code") => match self.device.pop_front() {
                _ if value("device_code") != "device-secret" => refusal("invalid_grant"),
                Some(error) => refusal(error),
                None => self.tokens(),
            },
            _ => refusal("unsupported_grant_type"),
        }
    }

    fn tokens(&mut self) -> Reply {
        self.given += 1;
        let refresh = format!("refresh-secret-{}", self.given);
        self.refresh = Some(refresh.clone());
        let claims = URL_SAFE_NO_PAD.encode(r#"{"email":"ada@example.org"}"#);
        json_reply(&json!({
            "access_token": format!("access-secret-{}", self.given), "token_type": "Bearer", "expires_in": self.life,
            "refresh_token": refresh, "scope": "models profile", "id_token": format!("e30.{claims}.x"),
        }))
    }
}

fn json_reply(value: &Value) -> Reply {
    Reply::status(200)
        .header("content-type", "application/json")
        .body(value.to_string())
}

fn digest(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes()))
}

fn pairs(query: Option<String>) -> BTreeMap<String, String> {
    let url = Url::parse(&format!("http://localhost/?{}", query.unwrap_or_default()));
    url.map(|url| url.query_pairs().into_owned().collect())
        .unwrap_or_default()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! GraphQL over HTTP: <https://graphql.github.io/graphql-over-http/draft/>.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, UPGRADE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use glasswork_app_runtime::reading::Viewer;
use glasswork_query::Kind;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::http::connections::Place;
use crate::http::{Desk, websocket};

/// The media type of the specification.
const GRAPHQL: &str = "application/graphql-response+json";
/// The one before it: everything that is GraphQL is 200.
const JSON: &str = "application/json";

/// A request, as it is written.
#[derive(Debug, Deserialize)]
struct Asked {
    query: String,
    #[serde(default)]
    variables: Option<Map<String, Value>>,
    #[serde(default, rename = "operationName")]
    operation_name: Option<String>,
    /// Nothing of it is known here, but it has to be an object.
    #[serde(default, rename = "extensions")]
    _extensions: Option<Map<String, Value>>,
}

/// Why a request is answered without asking the graph.
enum Refused {
    Token,
    Method(&'static str, &'static str),
    Type,
    Accept,
    TooLarge,
    TooSlow,
    Malformed(String),
    Upgrade,
}

impl Refused {
    fn response(self) -> Response {
        let say = |status: StatusCode, text: &str| {
            let body = json!({ "errors": [{ "message": text }] }).to_string();
            (status, [(CONTENT_TYPE, GRAPHQL)], body)
        };
        match self {
            Self::Token => {
                let text = "say the token of this host: `Authorization: Bearer …`; it lies in a file that the host named when it started";
                (
                    [(WWW_AUTHENTICATE, "Bearer")],
                    say(StatusCode::UNAUTHORIZED, text),
                )
                    .into_response()
            }
            Self::Method(allow, text) => {
                ([(ALLOW, allow)], say(StatusCode::METHOD_NOT_ALLOWED, text)).into_response()
            }
            Self::Type => say(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "send the request as `application/json`",
            )
            .into_response(),
            Self::Accept => say(
                StatusCode::NOT_ACCEPTABLE,
                "an answer is `application/graphql-response+json` or `application/json`",
            )
            .into_response(),
            Self::TooLarge => say(StatusCode::PAYLOAD_TOO_LARGE, "the request is too long").into_response(),
            Self::TooSlow => {
                say(StatusCode::REQUEST_TIMEOUT, "the request took too long to come").into_response()
            }
            Self::Malformed(text) => say(StatusCode::BAD_REQUEST, &text).into_response(),
            Self::Upgrade => say(
                StatusCode::BAD_REQUEST,
                "a WebSocket speaks `graphql-transport-ws` here; offer that as its protocol",
            )
            .into_response(),
        }
    }
}

/// Answers one request, or becomes a WebSocket.
pub(super) async fn answer(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let answered = match is_upgrade(request.headers()) {
        true => upgrade(desk, request).await,
        false => ask(&desk, request).await,
    };
    answered.unwrap_or_else(Refused::response)
}

pub(super) fn is_upgrade(headers: &HeaderMap) -> bool {
    let says = |name, wanted: &str| {
        let mut tokens = headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','));
        tokens.any(|token| token.trim().eq_ignore_ascii_case(wanted))
    };
    says(CONNECTION, "upgrade") && says(UPGRADE, "websocket")
}

/// A program says the token with the request for the upgrade. A page cannot: it says it in the first message, and may
/// come so far because its origin is known.
async fn upgrade(desk: Arc<Desk>, request: Request) -> Result<Response, Refused> {
    let knows = desk.access.knows(request.headers());
    let from_page = request.headers().contains_key(axum::http::header::ORIGIN);
    let says_wrong = request.headers().contains_key(axum::http::header::AUTHORIZATION) && !knows;
    if says_wrong || !(knows || from_page) {
        return Err(Refused::Token);
    }
    let (mut parts, _) = request.into_parts();
    let place = parts.extensions.get::<Place>().cloned();
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
    let upgrade = upgrade
        .map_err(|_| Refused::Upgrade)?
        .max_message_size(desk.limits.body_bytes)
        .max_frame_size(desk.limits.body_bytes)
        .protocols([websocket::PROTOCOL]);
    if upgrade.selected_protocol().is_none() {
        return Err(Refused::Upgrade);
    }
    Ok(upgrade.on_upgrade(move |socket| websocket::speak(socket, desk, knows, place)))
}

async fn ask(desk: &Desk, request: Request) -> Result<Response, Refused> {
    if !desk.access.knows(request.headers()) {
        return Err(Refused::Token);
    }
    let media = accepted(request.headers()).ok_or(Refused::Accept)?;
    let method = request.method().clone();
    let asked = match method {
        Method::GET => of_query(request.uri().query().unwrap_or_default())?,
        Method::POST => {
            if !is_json(request.headers()) {
                return Err(Refused::Type);
            }
            let body = read(request.into_body(), desk).await?;
            serde_json::from_slice(&body)
                .map_err(|error| Refused::Malformed(format!("the request is no GraphQL request: {error}")))?
        }
        _ => return Err(Refused::Method("GET, POST", "ask with GET or POST")),
    };
    let variables = asked.variables.map_or(Value::Null, Value::Object);
    let prepared = match desk
        .graph
        .prepare(&asked.query, variables, asked.operation_name.as_deref())
    {
        Ok(prepared) => prepared,
        Err(refused) => return Ok(told(media, &refused)),
    };
    if method == Method::GET && prepared.kind() != Kind::Query {
        return Err(Refused::Method(
            "POST",
            "GET changes nothing; send a mutation with POST",
        ));
    }
    let response = desk.graph.run(Viewer::owner(), prepared).await;
    Ok(told(media, &response))
}

async fn read(body: Body, desk: &Desk) -> Result<Bytes, Refused> {
    let whole = axum::body::to_bytes(body, desk.limits.body_bytes);
    match tokio::time::timeout(desk.limits.body_time, whole).await {
        Ok(body) => body.map_err(|_| Refused::TooLarge),
        Err(_) => Err(Refused::TooSlow),
    }
}

/// A simple form can be sent by every page of every origin; it cannot be of this type.
fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next(), types.next()) else {
        return false;
    };
    let Ok(text) = only.to_str() else { return false };
    let mut parts = text.split(';').map(str::trim);
    let is_json = parts.next().is_some_and(|media| media.eq_ignore_ascii_case(JSON));
    is_json
        && parts.all(|parameter| match parameter.split_once('=') {
            Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
                value.trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        })
}

/// The media type of the answer: what is preferred of those that are known, and the specification's where nothing is
/// said. `None` where neither is taken.
fn accepted(headers: &HeaderMap) -> Option<&'static str> {
    let said: Vec<&str> = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    if said.is_empty() {
        return Some(GRAPHQL);
    }
    // In thousandths, as the syntax of `q` has it.
    let weight = |range: &str| {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_ascii_lowercase();
        let q = parts.find_map(|part| part.strip_prefix("q="));
        (media, q.map_or(1.0, |q| q.parse::<f32>().unwrap_or(0.0)))
    };
    let ranges: Vec<(String, f32)> = said.into_iter().map(weight).collect();
    let of = |media: &str| {
        let exact = ranges.iter().find(|(range, _)| range == media);
        let wide = || {
            ranges
                .iter()
                .find(|(range, _)| range == "application/*" || range == "*/*")
        };
        exact.or_else(wide).map_or(0.0, |(_, weight)| *weight)
    };
    let (new, old) = (of(GRAPHQL), of(JSON));
    match new {
        _ if new <= 0.0 && old <= 0.0 => None,
        _ if old > new => Some(JSON),
        _ => Some(GRAPHQL),
    }
}

/// The parameters of a GET. Whatever else stands there, a token say, is not looked at.
fn of_query(query: &str) -> Result<Asked, Refused> {
    let mut asked = Map::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let value = match &*name {
            "query" | "operationName" => Value::String(value.into_owned()),
            "variables" | "extensions" if value.is_empty() => Value::Null,
            "variables" | "extensions" => serde_json::from_str(&value)
                .map_err(|error| Refused::Malformed(format!("`{name}` is no JSON: {error}")))?,
            _ => continue,
        };
        asked.insert(name.into_owned(), value);
    }
    serde_json::from_value(Value::Object(asked))
        .map_err(|error| Refused::Malformed(format!("the request is no GraphQL request: {error}")))
}

/// The response as HTTP: what was refused as a whole has no `data`, and by the newer media type the status says so.
fn told(media: &'static str, response: &glasswork_query::Response) -> Response {
    let mut body = response.to_json().unwrap_or_default();
    let status = match response.is_refused() {
        false => StatusCode::OK,
        true => {
            if let Value::Object(body) = &mut body {
                body.remove("data");
            }
            match media {
                JSON => StatusCode::OK,
                _ => StatusCode::BAD_REQUEST,
            }
        }
    };
    let headers = [
        (CONTENT_TYPE, format!("{media}; charset=utf-8")),
        (CACHE_CONTROL, "no-store".to_owned()),
    ];
    (status, headers, body.to_string()).into_response()
}

//! Asking a server on one's own machine what it is and what it has.

use std::time::Duration;

use reqwest::{Client, Method, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Value, json};

use super::{BaseUrl, Clients};
use crate::failure::Failure;
use crate::local::{self, LocalModel, Server};

/// How long one answer may take. A server on the same machine has it at once, or is no such server.
const ANSWER_TIME: Duration = Duration::from_secs(2);
/// How long all of them may take.
const WHOLE_TIME: Duration = Duration::from_secs(5);
/// Longest answer that is read: templates are long.
const MOST_BYTES: usize = 4 << 20;
/// Models of an Ollama that are asked about one by one.
const MOST_SHOWN: usize = 64;

/// What was found at an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Which server it is.
    pub server: Server,
    /// The models that it has.
    pub models: Vec<LocalModel>,
}

/// Where local servers listen if nobody tells them otherwise: Ollama, llama.cpp, LM Studio, vLLM.
pub const USUAL_PLACES: [&str; 4] = [
    "http://127.0.0.1:11434/v1",
    "http://127.0.0.1:8080/v1",
    "http://127.0.0.1:1234/v1",
    "http://127.0.0.1:8000/v1",
];

/// Asks a server what it is and what it has. `None` where nothing answers there that is known here.
///
/// # Errors
/// Where no client can be made.
pub async fn probe(
    base: &BaseUrl,
    key: Option<&SecretString>,
    clients: &Clients,
) -> Result<Option<Found>, Failure> {
    let asking = Asking {
        // It may be asked before those that last are at work, in a runtime that ends with it.
        client: clients.own_client(base.url())?,
        root: root_of(base.url()),
        key,
    };
    Ok(tokio::time::timeout(WHOLE_TIME, asking.find())
        .await
        .unwrap_or(None))
}

/// The address without the path of the protocol: the doors of the servers' own lie beside that.
fn root_of(url: &Url) -> Url {
    let mut root = url.clone();
    let path = root
        .path()
        .trim_end_matches('/')
        .trim_end_matches("/v1")
        .to_owned();
    root.set_path(&path);
    root.set_query(None);
    root
}

struct Asking<'a> {
    client: Client,
    root: Url,
    key: Option<&'a SecretString>,
}

impl Asking<'_> {
    /// From the door that only one server has to the one that all have: llama.cpp imitates Ollama's, and all have OpenAI's.
    async fn find(&self) -> Option<Found> {
        if let Some(models) = self
            .get("api/v0/models")
            .await
            .and_then(|answer| local::lm_studio_models(&answer))
        {
            let server = Server::LmStudio;
            return Some(Found { server, models });
        }
        if let Some(props) = self.get("props").await {
            let listed = self.get("v1/models").await;
            if let Some(model) = local::llama_cpp_props(&props, listed.as_ref()) {
                return Some(Found {
                    server: Server::LlamaCpp,
                    models: vec![model],
                });
            }
        }
        if let Some(names) = self
            .get("api/tags")
            .await
            .and_then(|answer| local::ollama_tags(&answer))
        {
            let mut models = Vec::new();
            for name in names.iter().take(MOST_SHOWN) {
                let shown = self
                    .ask(Method::POST, "api/show", Some(json!({ "model": name })))
                    .await;
                models.push(local::ollama_show(name, &shown.unwrap_or_default()));
            }
            return Some(Found {
                server: Server::Ollama,
                models,
            });
        }
        let (server, models) = local::openai_models(&self.get("v1/models").await?)?;
        Some(Found { server, models })
    }

    async fn get(&self, path: &str) -> Option<Value> {
        self.ask(Method::GET, path, None).await
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Option<Value> {
        let mut url = self.root.clone();
        url.set_path(&format!("{}/{path}", url.path().trim_end_matches('/')));
        let mut request = self.client.request(method, url).timeout(ANSWER_TIME);
        if let Some(key) = self.key {
            request = request.bearer_auth(key.expose_secret());
        }
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        let mut response = request.send().await.ok()?;
        if !response.status().is_success() {
            return None;
        }
        let mut bytes = Vec::new();
        while let Some(piece) = response.chunk().await.ok()? {
            if bytes.len() + piece.len() > MOST_BYTES {
                return None;
            }
            bytes.extend_from_slice(&piece);
        }
        serde_json::from_slice(&bytes).ok()
    }
}

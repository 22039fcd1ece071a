//! What servers that run models on one's own machine say of themselves, beyond the protocol in which they are asked.
//! Reads answers; asks nobody.
//!
//! The window that matters is the one with which a model is *loaded*, which is often far smaller than the one that it was
//! made for. Where a server says only the latter, the former is not known.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::abilities::ThinkingSupport;
use crate::catalogue::Entry;

/// Which server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Server {
    /// Ollama.
    Ollama,
    /// The server of llama.cpp.
    LlamaCpp,
    /// LM Studio.
    LmStudio,
    /// vLLM.
    Vllm,
    /// One that only lists its models.
    Other,
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ollama => "Ollama",
            Self::LlamaCpp => "llama.cpp",
            Self::LmStudio => "LM Studio",
            Self::Vllm => "vLLM",
            Self::Other => "a server",
        })
    }
}

/// A model that a server has.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LocalModel {
    /// Its id, with which it is asked.
    pub id: Arc<str>,
    /// Tokens that it takes as it is loaded, or will be; `None` where that is not said.
    pub context_window: Option<u64>,
    /// Tokens for which it was made; `None` where that is not said.
    pub longest_window: Option<u64>,
    /// How it can be made to think, as far as server or template say so.
    pub thinking: ThinkingSupport,
    /// Whether it calls tools, as far as server or template say so.
    pub tools: Option<bool>,
    /// Whether it takes images.
    pub images: Option<bool>,
    /// Whether the server has a template for its prompts.
    pub has_template: bool,
}

impl LocalModel {
    /// What it adds to the knowledge of models.
    #[must_use]
    pub fn entry(&self) -> Entry {
        let thinking = Some(self.thinking.clone());
        Entry {
            context_window: self.context_window,
            tools: self.tools,
            images: self.images,
            thinking: thinking.filter(|thinking| *thinking != ThinkingSupport::Unknown),
            ..Entry::default()
        }
    }
}

fn count(value: &Value, name: &str) -> Option<u64> {
    value.get(name)?.as_u64().filter(|count| *count > 0)
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str()
}

/// Ids that are no longer than this are taken.
const LONGEST_ID: usize = 512;
/// So many models of a server are looked at.
const MOST_MODELS: usize = 1_000;

fn named(id: &str) -> Option<LocalModel> {
    (!id.is_empty() && id.len() <= LONGEST_ID).then(|| LocalModel {
        id: id.into(),
        ..LocalModel::default()
    })
}

/// Takes from a template what it says of thinking and tools: those are the names by which templates are told of them.
fn read_template(model: &mut LocalModel, template: &str) {
    model.has_template = !template.is_empty();
    if !model.has_template {
        return;
    }
    // The templates of DeepSeek V3.1 and Kimi K3 look for `thinking`, those of Qwen and GLM for the longer name.
    let asks = template.match_indices("thinking is ").any(|(at, found)| {
        let part = |c: char| c.is_alphanumeric() || c == '_';
        let is_whole = !template.get(..at).is_some_and(|before| before.ends_with(part));
        let behind = template.get(at + found.len()..).unwrap_or_default();
        is_whole && (behind.starts_with("defined") || behind.starts_with("undefined"))
    });
    if asks || template.contains("enable_thinking") {
        model.thinking = ThinkingSupport::Switch;
    }
    let calls = template.contains("tools") || template.contains(".Tools");
    model.tools = model.tools.or(Some(calls));
}

/// LM Studio's `GET /api/v0/models`; `None` where it is not that.
#[must_use]
pub fn lm_studio_models(answer: &Value) -> Option<Vec<LocalModel>> {
    let listed = answer.get("data")?.as_array()?;
    if !listed
        .iter()
        .any(|model| model.get("max_context_length").is_some())
    {
        return None;
    }
    let talks = |model: &&Value| matches!(text(model, "type"), Some("llm" | "vlm"));
    let model = |listed: &Value| {
        let mut model = named(text(listed, "id")?)?;
        model.context_window = count(listed, "loaded_context_length");
        model.longest_window = count(listed, "max_context_length");
        model.images = Some(text(listed, "type") == Some("vlm"));
        let abilities = listed.get("capabilities").and_then(Value::as_array);
        model.tools = abilities.map(|abilities| abilities.iter().any(|ability| ability == "tool_use"));
        Some(model)
    };
    Some(
        listed
            .iter()
            .filter(talks)
            .filter_map(model)
            .take(MOST_MODELS)
            .collect(),
    )
}

/// llama.cpp's `GET /props`; `None` where it is not that. It serves one model, named by its `/v1/models` or by its file.
#[must_use]
pub fn llama_cpp_props(answer: &Value, listed: Option<&Value>) -> Option<LocalModel> {
    let window = count(answer.get("default_generation_settings")?, "n_ctx");
    let first = || text(listed?.get("data")?.get(0)?, "id");
    let alias = text(answer, "model_alias").filter(|alias| !alias.is_empty());
    let mut model = named(first().or(alias).or(text(answer, "model_path"))?)?;
    model.context_window = window;
    let trained = listed.and_then(|listed| listed.get("data")?.get(0)?.get("meta"));
    model.longest_window = trained.and_then(|meta| count(meta, "n_ctx_train"));
    model.images = answer
        .get("modalities")
        .and_then(|kinds| kinds.get("vision"))
        .and_then(Value::as_bool);
    read_template(&mut model, text(answer, "chat_template").unwrap_or_default());
    Some(model)
}

/// Names of the models in Ollama's `GET /api/tags`; `None` where it is not that.
#[must_use]
pub fn ollama_tags(answer: &Value) -> Option<Vec<Arc<str>>> {
    let listed = answer.get("models")?.as_array()?;
    let names = listed
        .iter()
        .filter_map(|model| text(model, "model").or(text(model, "name")));
    Some(
        names
            .filter(|name| name.len() <= LONGEST_ID)
            .take(MOST_MODELS)
            .map(Arc::from)
            .collect(),
    )
}

/// Ollama's `POST /api/show` of a model.
#[must_use]
pub fn ollama_show(name: &Arc<str>, answer: &Value) -> LocalModel {
    let mut model = LocalModel {
        id: Arc::clone(name),
        ..LocalModel::default()
    };
    if let Some(info) = answer.get("model_info") {
        let of = text(info, "general.architecture").unwrap_or_default();
        model.longest_window = count(info, &format!("{of}.context_length"));
    }
    // Lines of `name value`, as in a Modelfile. Without `num_ctx` the server has a default of its own, which it does
    // not tell.
    let parameters = text(answer, "parameters").unwrap_or_default();
    model.context_window = parameters.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next()? == "num_ctx").then(|| words.next()?.parse().ok())?
    });
    if let Some(abilities) = answer.get("capabilities").and_then(Value::as_array) {
        let has = |name: &str| abilities.iter().any(|ability| ability == name);
        model.tools = Some(has("tools"));
        model.images = Some(has("vision"));
        model.thinking = if has("thinking") {
            ThinkingSupport::Switch
        } else {
            ThinkingSupport::Never
        };
    }
    model.has_template = text(answer, "template").is_some_and(|template| !template.is_empty());
    model
}

/// `GET /v1/models`, with what vLLM adds to it; `None` where it is not that.
#[must_use]
pub fn openai_models(answer: &Value) -> Option<(Server, Vec<LocalModel>)> {
    let listed = answer.get("data")?.as_array()?;
    let is_vllm = listed.iter().any(|model| model.get("max_model_len").is_some());
    let model = |listed: &Value| {
        let mut model = named(text(listed, "id")?)?;
        model.context_window = count(listed, "max_model_len");
        Some(model)
    };
    let models = listed.iter().filter_map(model).take(MOST_MODELS).collect();
    Some((if is_vllm { Server::Vllm } else { Server::Other }, models))
}

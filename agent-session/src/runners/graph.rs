//! The tool `graph`: the model asks the graph about its own session. Declared here, answered by the graph's crate,
//! bound by the program that puts the parts together.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use glasswork_agent_core::id::CallId;
use glasswork_ai::model::ToolSpec;
use glasswork_engine::ScopeId;
use glasswork_session_state::call::Outcome;
use glasswork_session_state::evidence::Evidence;
use glasswork_session_state::tools::Word;
use serde::Deserialize;

use super::Work;
use super::tool::{failed, settle};

/// The tool's name.
pub const NAME: &str = "graph";
/// What an answer may be long, in bytes; the model can ask for less.
const MOST_BYTES: usize = 50 * 1024;

/// Answers questions about a session, read-only, and of that session only.
pub trait SelfQuery: Send + Sync + 'static {
    /// Answers a GraphQL query whose variable values are a JSON object.
    fn ask(
        &self,
        session: ScopeId,
        query: String,
        variables: Option<serde_json::Value>,
    ) -> Pin<Box<dyn Future<Output = SelfAnswer> + Send>>;
}

/// An answer of the graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelfAnswer {
    /// The response, as JSON text.
    pub text: String,
    /// Whether it has errors and no data.
    pub is_error: bool,
}

/// The tool as a model is told of it.
#[must_use]
pub fn spec() -> ToolSpec {
    ToolSpec {
        name: NAME.into(),
        description:
            "Ask the runtime about this session with a GraphQL query: what was sent to you and why, why a \
            call was allowed or denied, what changed between two commits. Read-only. Begin with \
            `{ __schema { queryType { fields { name description } } } }`."
                .into(),
        parameters: r#"{
  "type": "object",
  "properties": {
    "query": {"type": "string", "description": "The GraphQL query"},
    "variables": {"type": "object", "description": "Values of its variables"}
  },
  "required": ["query"],
  "additionalProperties": false
}"#
        .into(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    query: String,
    #[serde(default)]
    variables: Option<serde_json::Map<String, serde_json::Value>>,
}

pub(super) fn evidence(arguments: &str) -> Evidence {
    match serde_json::from_str::<Question>(arguments) {
        Ok(_) => Evidence::Session,
        Err(error) => Evidence::Misfit {
            message: format!("the arguments do not fit: {error}").into(),
        },
    }
}

pub(super) async fn run(work: Work, id: CallId, arguments: &Arc<str>) {
    let question: Question = match serde_json::from_str(arguments) {
        Ok(question) => question,
        Err(error) => return settle(work.port, id, Word::Failed, failed(error.to_string())),
    };
    let variables = question.variables.map(serde_json::Value::Object);
    let answer = work.world.graph.ask(work.port.scope(), question.query, variables);
    let mut demands = work.port.demands();
    let SelfAnswer { text, is_error } = tokio::select! {
        answer = answer => answer,
        _ = demands.stopped() => return settle(work.port, id, Word::Stopped, failed("cancelled".to_owned())),
    };
    if text.len() > MOST_BYTES {
        let message = format!(
            "the answer has {} bytes, more than the {MOST_BYTES} that are told; ask for fewer fields or a shorter page",
            text.len()
        );
        return settle(work.port, id, Word::Failed, failed(message));
    }
    let word = if is_error { Word::Failed } else { Word::Succeeded };
    settle(
        work.port,
        id,
        word,
        Outcome {
            text: text.into(),
            is_error,
            blob: None,
            detail: None,
        },
    );
}

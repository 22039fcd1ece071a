//! What is said: blocks and messages, the same for every wire.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::controls::Controls;
use crate::image::Shown;
use crate::model::{ModelId, Thinking, ToolSpec};
use crate::structured::Output;

/// A piece of what a model said. Text is shared, so that conversation, request and screen hold it once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Block {
    /// An answer.
    Text(Arc<str>),
    /// Thinking.
    Thinking(Thought),
    /// A call of a tool.
    ToolCall(ToolCall),
    /// What the provider wants back.
    Kept(Kept),
}

/// What a provider gave with the block before it and wants back there, and nobody else can use. It is sent to the model
/// that gave it and to no other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// OpenAI Responses: the item of which the thought before it is the summary.
    Reasoning {
        /// The item's id.
        id: Arc<str>,
        /// The thinking itself, encrypted.
        encrypted: Option<Arc<str>>,
    },
    /// OpenAI Responses: what the text before it is for (`commentary`, `final_answer`).
    Phase(Arc<str>),
    /// Gemini: the signature of the part before it.
    ThoughtSignature(Arc<str>),
    /// Relays of Chat Completions (OpenRouter): the thinking of the answer as a JSON array, in the form of its maker.
    ReasoningDetails(Arc<str>),
    /// Anthropic: a block of a kind that is not known here, whole, as JSON. Stands for itself.
    Item(Arc<str>),
}

impl Kept {
    /// What is kept, for those that count bytes or look for secrets.
    pub fn texts(&self) -> impl Iterator<Item = &Arc<str>> {
        let (first, second) = match self {
            Self::Reasoning { id, encrypted } => (id, encrypted.as_ref()),
            Self::Phase(text)
            | Self::ThoughtSignature(text)
            | Self::ReasoningDetails(text)
            | Self::Item(text) => (text, None),
        };
        std::iter::once(first).chain(second)
    }
}

/// Thinking, with what its provider needs to have it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thought {
    /// The text; empty where the provider keeps it to itself.
    pub text: Arc<str>,
    /// Anthropic's `signature`; valid for the model that gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Arc<str>>,
    /// Anthropic's `redacted_thinking` data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redacted: Option<Arc<str>>,
}

/// A call of a tool as the model wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The provider's id of the call; made up by the decoder where the server gave none.
    pub id: Arc<str>,
    /// The tool's name.
    pub name: Arc<str>,
    /// The arguments exactly as received, or as `reading` says. May not be valid JSON; whoever runs the call checks.
    pub arguments: Arc<str>,
    /// How it was read, where the server did not say it in its own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading: Option<Arc<Reading>>,
}

/// How a call was read that stood in the text of an answer, or whose arguments were no JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// The dialect, by its key; `json` for a native call.
    pub dialect: Arc<str>,
    /// The beginning of what the model wrote; empty where the arguments are all of it.
    pub raw: Arc<str>,
    /// Length of all that the model wrote, in bytes.
    pub raw_bytes: u64,
    /// What was mended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repairs: Vec<Mended>,
    /// Why it must not run, for the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Arc<str>>,
}

/// One thing that was mended in what a model wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mended {
    /// What was wrong, as a key.
    pub kind: Arc<str>,
    /// Where: bytes from the start of what the model wrote.
    pub at: u64,
}

/// The result of a tool call, as the model is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolResult {
    /// [`ToolCall::id`].
    pub call: Arc<str>,
    /// The tool's name (some wires want it).
    pub name: Arc<str>,
    /// What came out.
    pub text: Arc<str>,
    /// Whether the call failed.
    pub is_error: bool,
}

/// One message of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// What the user said.
    User(Arc<str>),
    /// What the model said, with the model that said it.
    Assistant {
        /// The blocks, in order.
        blocks: Vec<Block>,
        /// Who said it; signatures are only valid for that model.
        model: ModelId,
    },
    /// The results of one tool call.
    ToolResult(ToolResult),
    /// An image: before the user's words about it, or behind the result that shows it.
    Image(Shown),
}

/// All that a model is sent. Rendering it to bytes is the wire's work; it is deterministic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The result that the answer has to be, where one is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Output>,
    /// The model.
    pub model: ModelId,
    /// The parts of the system prompt, in order.
    pub system: Vec<Arc<str>>,
    /// The conversation.
    pub messages: Vec<Message>,
    /// The tools that it may call.
    pub tools: Vec<ToolSpec>,
    /// How much to think.
    pub thinking: Thinking,
    /// Most tokens to answer with; `None` is the wire's default.
    pub max_output_tokens: Option<u32>,
    /// How it shall answer otherwise.
    #[serde(default, skip_serializing_if = "Controls::is_none")]
    pub controls: Controls,
}

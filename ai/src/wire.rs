//! The wires: how a [`Request`] becomes an HTTP request, and the bytes of the response become [`StreamEvent`]s.
//!
//! No I/O and no clock. Rendering is deterministic: the same request gives the same bytes, whatever crates and
//! features are in the build. A [`Decoder`] may be fed bytes cut anywhere; it gives exactly one end.

mod anthropic;
mod blocks;
mod caching;
mod differences;
mod gemini;
mod ids;
mod maker;
mod name;
mod openai_chat;
mod openai_responses;
mod picture;
mod refusal;
mod repeated_ids;
mod result;
mod schema;
mod server;
mod service;
mod takes;
mod thinking;
mod throttle;

use std::borrow::Cow;
use std::sync::Arc;

pub use differences::{
    Differences, DifferencesSet, MaxTokensField, StructuredOutput, ThinkingBack, ThinkingSwitch,
};
pub use ids::CallIds;
pub use server::Server;
pub(crate) use thinking::support as thinking_support;
pub use throttle::Headers;

pub use crate::text_calls::ReadCalls;

use crate::abilities::Abilities;
use crate::conversation::Request;
use crate::failure::{Failure, FailureClass};
use crate::sse;
use crate::stream::StreamEvent;
use crate::text_calls::TextCalls;
use blocks::Answer;
pub(crate) use blocks::is_object;
use result::ResultCall;

/// Most bytes of one event, and of a body that is one document.
pub const EVENT_LIMIT: usize = 8 << 20;
/// Most bytes of an answer's blocks together.
pub const ANSWER_LIMIT: usize = 32 << 20;

/// A wire. What a server of it does differently is in [`Server`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wire {
    /// [OpenAI Chat Completions](https://platform.openai.com/docs/api-reference/chat), as OpenAI serves it.
    OpenAiChat,
    /// The same as other servers speak it (llama.cpp, vLLM, Ollama, relays).
    OpenAiCompatible,
    /// [OpenAI Responses](https://platform.openai.com/docs/api-reference/responses).
    OpenAiResponses,
    /// [Anthropic Messages](https://docs.anthropic.com/en/api/messages).
    Anthropic,
    /// [Gemini](https://ai.google.dev/api/generate-content).
    Gemini,
}

/// An HTTP request without host and secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// The method.
    pub method: &'static str,
    /// The path below the provider's base URL, without a slash before it.
    pub path: Cow<'static, str>,
    /// The query, without its mark.
    pub query: Option<&'static str>,
    /// Headers; the one with the key is missing.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// The body: JSON.
    pub body: Arc<[u8]>,
}

impl HttpRequest {
    fn post(path: impl Into<Cow<'static, str>>, body: &impl serde::Serialize) -> Result<Self, Failure> {
        let body = serde_json::to_vec(body).map_err(|error| invalid_request(error.to_string()))?;
        Ok(Self {
            method: "POST",
            path: path.into(),
            query: None,
            headers: vec![
                ("content-type", "application/json".into()),
                ("accept", "text/event-stream".into()),
            ],
            body: body.into(),
        })
    }
}

impl Wire {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::OpenAiChat,
        Self::OpenAiCompatible,
        Self::OpenAiResponses,
        Self::Anthropic,
        Self::Gemini,
    ];

    /// The end of every path that is asked, as far as it does not depend on the request: by it a base URL is known that
    /// is a whole address.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::OpenAiChat | Self::OpenAiCompatible => openai_chat::PATH,
            Self::OpenAiResponses => openai_responses::PATH,
            Self::Anthropic => anthropic::PATH,
            Self::Gemini => gemini::PATH,
        }
    }

    /// How many tokens an answer may have where a request does not say; `None` where the server decides.
    #[must_use]
    pub fn default_answer(self) -> Option<u64> {
        match self {
            Self::OpenAiChat | Self::OpenAiCompatible | Self::OpenAiResponses | Self::Gemini => None,
            Self::Anthropic => Some(anthropic::DEFAULT_MAX_TOKENS.into()),
        }
    }

    /// Renders a request for the server that the wire is known by, and a model of which nothing is said.
    ///
    /// # Errors
    /// As [`Server::encode`].
    pub fn encode(self, request: &Request) -> Result<HttpRequest, Failure> {
        Server::from(self).encode(request, &Abilities::default())
    }

    /// A decoder of that server's response to a request.
    #[must_use]
    pub fn decoder(self, request: &Request) -> Decoder {
        Server::from(self).decoder(request)
    }

    /// What a response with a status other than 2xx means. `body` may be cut.
    #[must_use]
    pub fn decode_error(self, status: u16, headers: &Headers, body: &[u8]) -> Failure {
        refusal::from_response(status, headers, body)
    }
}

/// A decoder of one response.
#[derive(Debug)]
pub struct Decoder {
    body: Body,
    protocol: Protocol,
    answer: Answer,
    /// Reads the text, of servers that may leave calls and thinking in it.
    texts: Option<TextCalls>,
    /// Reads the call of the tool that stands for the result as the answer that it is.
    result: Option<ResultCall>,
}

/// What the body turns out to be, by its first bytes: servers do not always say it, or say it wrongly.
#[derive(Debug)]
enum Body {
    /// Nothing but blanks (and so many bytes of a mark of byte order) came.
    Unknown(usize),
    /// Events.
    Stream(sse::Decoder),
    /// One JSON document.
    Document(Vec<u8>),
    /// Whatever comes is passed over.
    Over,
}

#[derive(Debug)]
enum Protocol {
    OpenAiChat(openai_chat::Decoder),
    OpenAiResponses(openai_responses::Decoder),
    Anthropic(anthropic::Decoder),
    Gemini(gemini::Decoder),
}

impl Protocol {
    fn event(&mut self, event: &sse::Event, answer: &mut Answer) {
        match self {
            Self::OpenAiChat(decoder) => decoder.event(event, answer),
            Self::OpenAiResponses(decoder) => decoder.event(event, answer),
            Self::Anthropic(decoder) => decoder.event(event, answer),
            Self::Gemini(decoder) => decoder.event(event, answer),
        }
    }

    fn document(&mut self, body: &[u8], answer: &mut Answer) {
        match self {
            Self::OpenAiChat(decoder) => decoder.document(body, answer),
            Self::OpenAiResponses(decoder) => decoder.document(body, answer),
            Self::Anthropic(decoder) => decoder.document(body, answer),
            Self::Gemini(decoder) => decoder.document(body, answer),
        }
    }
}

const BOM: [u8; 3] = [0xEF, 0xBB, 0xBF];

impl Decoder {
    /// Takes bytes of the body, cut anywhere.
    #[must_use]
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<StreamEvent> {
        let mut bytes = bytes;
        if let Body::Unknown(mut of_bom) = self.body {
            while let Some((first, rest)) = bytes.split_first() {
                if BOM.get(of_bom) == Some(first) {
                    of_bom += 1;
                } else if !first.is_ascii_whitespace() {
                    break;
                }
                bytes = rest;
            }
            self.body = match bytes.first() {
                None => Body::Unknown(of_bom),
                Some(b'{' | b'[') => Body::Document(Vec::new()),
                Some(b'<') => {
                    self.answer.fail(protocol_failure(
                        "the server sent a web page in place of an answer",
                    ));
                    Body::Over
                }
                Some(_) => Body::Stream(sse::Decoder::new(EVENT_LIMIT)),
            };
        }
        match &mut self.body {
            Body::Unknown(_) | Body::Over => {}
            Body::Document(document) if document.len() + bytes.len() > EVENT_LIMIT => {
                let problem = format!("the server sent a document of more than {EVENT_LIMIT} bytes");
                self.answer.fail(protocol_failure(&problem));
                self.body = Body::Over;
            }
            Body::Document(document) => document.extend_from_slice(bytes),
            Body::Stream(stream) => {
                let mut events = Vec::new();
                let too_large = stream.feed(bytes, &mut events).err();
                for event in &events {
                    self.protocol.event(event, &mut self.answer);
                }
                if let Some(error) = too_large {
                    self.answer.fail(protocol_failure(&error.to_string()));
                }
                if self.answer.is_over() {
                    self.body = Body::Over;
                }
            }
        }
        self.take()
    }

    fn take(&mut self) -> Vec<StreamEvent> {
        let steps = self.answer.take();
        let steps = match &mut self.texts {
            Some(texts) => texts.read(steps),
            None => steps,
        };
        match &mut self.result {
            Some(result) => result.read(steps),
            None => steps,
        }
    }

    /// The body ended: cleanly, as far as the connection can tell.
    #[must_use]
    pub fn end(&mut self) -> Vec<StreamEvent> {
        self.close(Failure::new(
            FailureClass::Transport,
            "the connection broke off before the answer was complete",
        ))
    }

    /// The body broke off, and why. Where the answer was complete but for the formalities, it is complete.
    #[must_use]
    pub fn close(&mut self, failure: Failure) -> Vec<StreamEvent> {
        match std::mem::replace(&mut self.body, Body::Over) {
            Body::Stream(mut stream) => {
                if let Some(event) = stream.end().filter(|event| is_whole(&event.data)) {
                    self.protocol.event(&event, &mut self.answer);
                }
            }
            Body::Document(document) if is_whole(&String::from_utf8_lossy(&document)) => {
                self.protocol.document(&document, &mut self.answer);
            }
            Body::Unknown(_) | Body::Document(_) | Body::Over => {}
        }
        self.answer.end(failure);
        self.take()
    }

    /// Whether the answer has ended: what comes on the connection is of no more interest.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.answer.is_over()
    }
}

/// Whether the last thing before a break is whole: no part of a JSON object is itself one.
fn is_whole(data: &str) -> bool {
    data.trim() == "[DONE]" || serde_json::from_str::<serde::de::IgnoredAny>(data).is_ok()
}

fn protocol_failure(problem: &str) -> Failure {
    Failure::new(
        FailureClass::Protocol,
        format!("{problem}; check the base URL of the provider"),
    )
}

fn invalid_request(problem: String) -> Failure {
    Failure::new(FailureClass::Invalid, problem)
}

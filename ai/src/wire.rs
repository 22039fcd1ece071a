//! The wires: how a [`Request`] becomes an HTTP request, and the bytes of the response become [`StreamEvent`]s.
//!
//! No I/O and no clock. Rendering is deterministic: the same request gives the same bytes, whatever crates and
//! features are in the build. A [`Decoder`] may be fed bytes cut anywhere; it gives exactly one end.

mod anthropic;
mod blocks;
mod name;
mod openai_chat;
mod refusal;
mod schema;
mod throttle;

use std::sync::Arc;

pub use throttle::Headers;

use crate::conversation::Request;
use crate::failure::{Failure, FailureClass};
use crate::sse;
use crate::stream::StreamEvent;
use crate::text_calls::TextCalls;
use blocks::Answer;
pub(crate) use blocks::is_object;

/// Most bytes of one event, and of a body that is one document.
pub const EVENT_LIMIT: usize = 8 << 20;
/// Most bytes of an answer's blocks together.
pub const ANSWER_LIMIT: usize = 32 << 20;

/// A wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wire {
    /// [OpenAI Chat Completions](https://platform.openai.com/docs/api-reference/chat), as OpenAI serves it.
    OpenAiChat,
    /// The same as other servers speak it (llama.cpp, vLLM, Ollama, relays), which know the older names of fields.
    OpenAiCompatible,
    /// [Anthropic Messages](https://docs.anthropic.com/en/api/messages).
    Anthropic,
}

/// An HTTP request without host and secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// The method.
    pub method: &'static str,
    /// The path below the provider's base URL, without a slash before it.
    pub path: &'static str,
    /// Headers; the one with the key is missing.
    pub headers: &'static [(&'static str, &'static str)],
    /// The body: JSON.
    pub body: Arc<[u8]>,
}

impl Wire {
    /// The path below a provider's base URL, without a slash before it.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::OpenAiChat | Self::OpenAiCompatible => openai_chat::PATH,
            Self::Anthropic => anthropic::PATH,
        }
    }

    /// How many tokens an answer may have where a request does not say; `None` where the server decides.
    #[must_use]
    pub fn default_answer(self) -> Option<u64> {
        match self {
            Self::OpenAiChat | Self::OpenAiCompatible => None,
            Self::Anthropic => Some(anthropic::DEFAULT_MAX_TOKENS.into()),
        }
    }

    /// Renders a request.
    ///
    /// # Errors
    /// [`FailureClass::Invalid`] where the schema of a tool is not JSON.
    pub fn encode(self, request: &Request) -> Result<HttpRequest, Failure> {
        match self {
            Self::OpenAiChat => openai_chat::encode(request, openai_chat::Names::Current),
            Self::OpenAiCompatible => openai_chat::encode(request, openai_chat::Names::Older),
            Self::Anthropic => anthropic::encode(request),
        }
    }

    /// A decoder of the response to a request.
    #[must_use]
    pub fn decoder(self, request: &Request) -> Decoder {
        Decoder {
            body: Body::Unknown(0),
            protocol: match self {
                Self::OpenAiChat | Self::OpenAiCompatible => {
                    Protocol::OpenAiChat(openai_chat::Decoder::default())
                }
                Self::Anthropic => Protocol::Anthropic(anthropic::Decoder::default()),
            },
            answer: Answer::new(request.messages.len()),
            texts: (self == Self::OpenAiCompatible).then(|| TextCalls::new(request)),
        }
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
    Anthropic(anthropic::Decoder),
}

impl Protocol {
    fn event(&mut self, event: &sse::Event, answer: &mut Answer) {
        match self {
            Self::OpenAiChat(decoder) => decoder.event(event, answer),
            Self::Anthropic(decoder) => decoder.event(event, answer),
        }
    }

    fn document(&mut self, body: &[u8], answer: &mut Answer) {
        match self {
            Self::OpenAiChat(decoder) => decoder.document(body, answer),
            Self::Anthropic(decoder) => decoder.document(body, answer),
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
        match &mut self.texts {
            Some(texts) => texts.read(steps),
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

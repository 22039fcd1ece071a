//! A server as it is spoken to: its wire, and how it differs from others of that wire.

use super::{
    Answer, Body, Decoder, Differences, HttpRequest, Protocol, Wire, anthropic, gemini, openai_chat,
    openai_responses, repeated_ids,
};
use crate::abilities::Abilities;
use crate::conversation::Request;
use crate::failure::Failure;
use crate::image;
use crate::structured::Form;
use crate::text_calls::{ReadCalls, TextCalls};
use crate::wire::result::ResultCall;

/// How a server is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its wire.
    pub wire: Wire,
    /// How it speaks the wires of OpenAI, where one of those is its own.
    pub differences: Differences,
    /// Values for the header `anthropic-beta`, beside those that a request needs by itself.
    pub betas: Vec<String>,
    /// Whether calls are read from the text of its answers.
    pub text_calls: ReadCalls,
}

impl From<Wire> for Server {
    /// The server that a wire is known by.
    fn from(wire: Wire) -> Self {
        let differences = match wire {
            Wire::OpenAiCompatible => Differences::compatible(),
            _ => Differences::openai(),
        };
        Self {
            wire,
            differences,
            betas: Vec::new(),
            text_calls: ReadCalls::default(),
        }
    }
}

impl Server {
    /// Renders a request to a model that can do so much.
    ///
    /// # Errors
    /// [`FailureClass::Invalid`](crate::failure::FailureClass::Invalid) where the schema of a tool is not JSON, or the
    /// model's id cannot stand in an address.
    pub fn encode(&self, request: &Request, abilities: &Abilities) -> Result<HttpRequest, Failure> {
        let request = &*repeated_ids::told_apart(request);
        let request = &*image::told(request, abilities);
        match self.wire {
            Wire::OpenAiChat | Wire::OpenAiCompatible => openai_chat::encode(request, self, abilities),
            Wire::OpenAiResponses => openai_responses::encode(request, self, abilities),
            Wire::Anthropic => anthropic::encode(request, self, abilities),
            Wire::Gemini => gemini::encode(request, abilities),
        }
    }

    /// A decoder of the response to a request.
    #[must_use]
    pub fn decoder(&self, request: &Request) -> Decoder {
        Decoder {
            body: Body::Unknown(0),
            protocol: match self.wire {
                Wire::OpenAiChat | Wire::OpenAiCompatible => Protocol::OpenAiChat(openai_chat::Decoder::new(
                    self.differences.cumulative_deltas,
                    request.controls.cache.life,
                )),
                Wire::OpenAiResponses => Protocol::OpenAiResponses(openai_responses::Decoder::default()),
                Wire::Anthropic => Protocol::Anthropic(anthropic::Decoder::default()),
                Wire::Gemini => Protocol::Gemini(gemini::Decoder::default()),
            },
            answer: Answer::new(request.messages.len()),
            texts: TextCalls::of(request, self.wire, self.text_calls),
            result: request
                .output
                .as_ref()
                .filter(|output| output.means.form == Form::Tool)
                .map(|_| ResultCall::default()),
        }
    }
}

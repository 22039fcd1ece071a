//! A response as it arrives.

use std::collections::VecDeque;
use std::error::Error as _;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use reqwest::Response;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Sleep;

use super::trouble;
use crate::failure::{Failure, FailureClass};
use crate::port::Source;
use crate::rate_limit::RateLimit;
use crate::stream::{Progress, StreamEvent};
use crate::wire::{Decoder, Headers, Wire};

/// Most bytes that are read of a refusal.
const ERROR_LIMIT: usize = 64 << 10;

/// How long the last step of a complete answer waits for the end of the body. Only a connection whose body was read
/// to its end serves the next request, and that end often comes a moment after the last event.
const PATIENCE: Duration = Duration::from_millis(25);
/// So many times, one after the other: what a busy machine kept from running for a while does not take that for silence
/// of the server.
const PATIENT: u8 = 10;

/// A response, and the secret that its request carried.
pub(super) type Sent = Result<(Response, Option<SecretString>), Failure>;
type Sending = Pin<Box<dyn Future<Output = Sent> + Send>>;

/// The steps of one request, from its sending to its end.
pub(super) struct Answering {
    wire: Wire,
    decoder: Decoder,
    key: Option<SecretString>,
    state: State,
    limits: Vec<RateLimit>,
    ready: VecDeque<Progress>,
}

enum State {
    Sending(Sending),
    Answered(Response),
    /// The answer is complete; its last step waits for the end of the body.
    Ending(Response, StreamEvent, Pin<Box<Sleep>>, u8),
    /// The server refuses, and says why.
    Refused(Response, Vec<u8>),
    Over,
}

impl Answering {
    pub(super) fn new(
        wire: Wire,
        decoder: Decoder,
        sending: impl Future<Output = Sent> + Send + 'static,
    ) -> Self {
        Self {
            wire,
            decoder,
            key: None,
            state: State::Sending(Box::pin(sending)),
            limits: Vec::new(),
            ready: VecDeque::new(),
        }
    }

    fn fed(&mut self, mut steps: Vec<StreamEvent>) {
        let end = steps.pop_if(|step| matches!(step, StreamEvent::Finished(_)));
        self.steps(steps);
        self.state = match (std::mem::replace(&mut self.state, State::Over), end) {
            (State::Answered(response), Some(end)) => {
                State::Ending(response, end, Box::pin(tokio::time::sleep(PATIENCE)), PATIENT)
            }
            (state, None) if !self.decoder.is_over() => state,
            // Dropping the response closes the connection.
            _ => State::Over,
        };
    }

    fn answered(&mut self, sent: Sent) {
        let response = sent.map(|(response, key)| {
            self.key = key;
            self.limits = headers(&response).rate_limits();
            response
        });
        self.state = match response {
            Ok(response) if response.status().is_success() => {
                self.ready.push_back(Progress::Connected);
                State::Answered(response)
            }
            Ok(response) => State::Refused(response, Vec::new()),
            Err(failure) => {
                self.steps(vec![StreamEvent::Failed(failure)]);
                State::Over
            }
        };
    }

    /// The body ended, or broke off.
    fn ended(&mut self, error: Option<reqwest::Error>) {
        let steps = match error {
            None => self.decoder.end(),
            Some(error) => self.decoder.close(transport_failure(
                "the connection broke off before the answer was complete",
                error,
            )),
        };
        self.state = State::Over;
        self.steps(steps);
    }

    fn steps(&mut self, steps: Vec<StreamEvent>) {
        for mut step in steps {
            if let StreamEvent::Failed(failure) = &mut step {
                self.redact(failure);
            }
            self.ready.push_back(Progress::Step(step));
        }
    }

    /// Some servers repeat in their refusal the key that they refuse.
    fn redact(&self, failure: &mut Failure) {
        let Some(key) = &self.key else { return };
        if failure.message.contains(key.expose_secret()) {
            failure.message = failure.message.replace(key.expose_secret(), "[key]").into();
        }
    }
}

impl Source for Answering {
    fn rate_limits(&self) -> &[RateLimit] {
        &self.limits
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Progress>> {
        loop {
            if let Some(progress) = self.ready.pop_front() {
                return Poll::Ready(Some(progress));
            }
            match &mut self.state {
                State::Sending(sending) => {
                    let response = ready!(sending.as_mut().poll(context));
                    self.answered(response);
                }
                State::Answered(response) => match ready!(poll_chunk(response, context)) {
                    Ok(Some(bytes)) => {
                        let steps = self.decoder.feed(&bytes);
                        self.fed(steps);
                    }
                    Ok(None) => self.ended(None),
                    Err(error) => self.ended(Some(error)),
                },
                State::Ending(response, end, patience, left) => {
                    let more = poll_chunk(response, context);
                    if !matches!(more, Poll::Ready(Ok(None) | Err(_))) {
                        let is_late = patience.as_mut().poll(context).is_ready();
                        if is_late {
                            *left = left.saturating_sub(1);
                            *patience = Box::pin(tokio::time::sleep(PATIENCE));
                        }
                        match *left > 0 {
                            true if more.is_pending() && !is_late => return Poll::Pending,
                            true => continue,
                            false => {}
                        }
                    }
                    let end = end.clone();
                    self.state = State::Over;
                    self.steps(vec![end]);
                }
                State::Refused(response, body) => {
                    let more = match ready!(poll_chunk(response, context)) {
                        Ok(Some(bytes)) => {
                            let room = ERROR_LIMIT - body.len();
                            body.extend_from_slice(bytes.get(..room).unwrap_or(&bytes));
                            body.len() < ERROR_LIMIT
                        }
                        Ok(None) | Err(_) => false,
                    };
                    if !more {
                        let headers = headers(response);
                        let failure = self.wire.decode_error(response.status().as_u16(), &headers, body);
                        self.state = State::Over;
                        self.steps(vec![StreamEvent::Failed(failure)]);
                    }
                }
                State::Over => return Poll::Ready(None),
            }
        }
    }
}

fn headers(response: &Response) -> Headers {
    let headers = response.headers().iter();
    headers
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect()
}

/// Polls for the next piece of a body. The future holds nothing between polls but the response itself.
fn poll_chunk(
    response: &mut Response,
    context: &mut Context<'_>,
) -> Poll<Result<Option<impl std::ops::Deref<Target = [u8]> + use<>>, reqwest::Error>> {
    pin!(response.chunk()).as_mut().poll(context)
}

/// What reqwest says, with its causes and without the address, which may hold a key.
pub(super) fn transport_failure(what: &str, error: reqwest::Error) -> Failure {
    let class = match trouble::of(&error) {
        Some(trouble) => trouble.class,
        None if error.is_timeout() => FailureClass::Timeout,
        None => FailureClass::Transport,
    };
    Failure::new(class, format!("{what}: {}", causes(error)))
}

/// What reqwest says, as above; and what to do, where that is known.
pub(crate) fn causes(error: reqwest::Error) -> String {
    if let Some(trouble) = trouble::of(&error) {
        return trouble.text;
    }
    let error = error.without_url();
    let mut causes = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !causes.iter().any(|known| known.contains(&text)) {
            causes.push(text);
        }
        source = cause.source();
    }
    causes.join(": ")
}

//! The one door to models: whoever calls one sees the same steps, whether a provider answers or a script.

mod models;
mod scripts;

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

pub use models::Models;
pub use scripts::Scripts;

use crate::conversation::Request;
use crate::failure::Failure;
use crate::image::UnsentImage;
use crate::model::ModelId;
use crate::rate_limit::RateLimit;
use crate::stream::{Progress, StreamEvent};
use crate::structured::Means;
use crate::takes::Takes;

/// Something that answers requests.
pub trait ModelPort: fmt::Debug + Send + Sync {
    /// Prepares a call. Nothing happens before its first [`Call::next`].
    ///
    /// `attempt` counts from 1 and tells a repeated request from the first; providers do not see it.
    fn call(&self, request: Arc<Request>, attempt: u32) -> Call;

    /// Whether anybody answers for a model here. Whether its provider has it is not known before it is asked.
    fn serves(&self, _model: &ModelId) -> bool {
        true
    }

    /// How many tokens a model takes, request and answer together; `None` where that is not known.
    fn context_window(&self, _model: &ModelId) -> Option<u64> {
        None
    }

    /// The best means to have a model answer with a value of a JSON Schema.
    fn means(&self, _model: &ModelId, _schema: &serde_json::Value) -> Means {
        Means::PROMPTED
    }

    /// What a model takes beside a conversation; `None` where that is not known.
    fn takes(&self, _model: &ModelId) -> Option<Takes> {
        None
    }

    /// How many tokens an answer may have where a request does not say; `None` where the server decides.
    fn default_answer(&self, _model: &ModelId) -> Option<u64> {
        None
    }
}

/// Where the steps of an answer come from. What it holds is kept between polls, so that a caller may stop waiting
/// and come back.
pub trait Source: Send {
    /// The next step; `None` after the last.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Progress>>;

    /// What the server allows within a time; empty before it has answered, and where it does not say.
    fn rate_limits(&self) -> &[RateLimit] {
        &[]
    }
}

/// A call of a model. Dropping it closes the connection.
pub struct Call {
    body: Arc<[u8]>,
    unsent: Vec<UnsentImage>,
    source: Box<dyn Source>,
    over: bool,
}

impl Call {
    /// A call that sends this body and gets its steps from there.
    #[must_use]
    pub fn new(body: Arc<[u8]>, source: impl Source + 'static) -> Self {
        Self {
            body,
            unsent: Vec::new(),
            source: Box::new(source),
            over: false,
        }
    }

    /// With what is known of the request's images: those that go as a text.
    #[must_use]
    pub fn without(mut self, unsent: Vec<UnsentImage>) -> Self {
        self.unsent = unsent;
        self
    }

    /// A call that cannot be made. Its body is empty: nothing is sent.
    #[must_use]
    pub fn impossible(failure: Failure) -> Self {
        Self::new(Arc::new([]), Impossible(Some(failure)))
    }

    /// The exact bytes that are sent; of a script, what it was asked, as JSON. Empty where nothing is sent.
    #[must_use]
    pub fn body(&self) -> &Arc<[u8]> {
        &self.body
    }

    /// The images of the request that go as a text.
    #[must_use]
    pub fn unsent(&self) -> &[UnsentImage] {
        &self.unsent
    }

    /// What the server allows within a time; empty before it has answered, and where it does not say.
    #[must_use]
    pub fn rate_limits(&self) -> &[RateLimit] {
        self.source.rate_limits()
    }

    /// The next step; `None` after [`StreamEvent::Finished`] or [`StreamEvent::Failed`], of which one always comes.
    /// May be dropped while it waits; nothing is lost. Has no deadline but one for the connection itself.
    pub async fn next(&mut self) -> Option<Progress> {
        if self.over {
            return None;
        }
        let progress = poll_fn(|context| self.source.poll_next(context)).await;
        self.over = matches!(
            progress,
            None | Some(Progress::Step(StreamEvent::Finished(_) | StreamEvent::Failed(_)))
        );
        progress
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("body", &self.body.len())
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}

struct Impossible(Option<Failure>);

impl Source for Impossible {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Progress>> {
        Poll::Ready(
            self.0
                .take()
                .map(|failure| Progress::Step(StreamEvent::Failed(failure))),
        )
    }
}

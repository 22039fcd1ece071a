//! Scripted models behind the door, with tokio's clock: a test that pauses it plays at once.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::time::Sleep;

use super::{Call, ModelPort, Source};
use crate::abilities::Abilities;
use crate::conversation::Request;
use crate::failure::{Failure, FailureClass};
use crate::image;
use crate::model::ModelId;
use crate::scripted::{Cue, Play, Script};
use crate::stream::Progress;

/// Scripts by name: the provider `scripted`.
#[derive(Debug, Clone, Default)]
pub struct Scripts(BTreeMap<Arc<str>, Arc<Script>>);

impl Scripts {
    /// Adds a script under the name by which a model's id has it.
    #[must_use]
    pub fn with(mut self, name: &str, script: Script) -> Self {
        self.0.insert(name.into(), Arc::new(script));
        self
    }
}

impl ModelPort for Scripts {
    fn serves(&self, model: &ModelId) -> bool {
        self.0.contains_key(&model.model)
    }

    fn call(&self, request: Arc<Request>, attempt: u32) -> Call {
        let failure = |message: String| Failure::new(FailureClass::Invalid, message);
        let Some(script) = self.0.get(&request.model.model) else {
            let known: Vec<&str> = self.0.keys().map(|name| &**name).collect();
            return Call::impossible(failure(format!(
                "there is no script `{}`; there are: {}",
                request.model.model,
                known.join(", ")
            )));
        };
        match serde_json::to_vec(&*request) {
            Ok(body) => Call::new(
                body.into(),
                Playing {
                    play: script.play(&request, attempt),
                    pause: None,
                    stalled: false,
                },
            )
            .without(image::unsent(&request, &Abilities::default())),
            Err(error) => Call::impossible(failure(error.to_string())),
        }
    }
}

struct Playing {
    play: Play,
    pause: Option<Pin<Box<Sleep>>>,
    stalled: bool,
}

impl Source for Playing {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Progress>> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(context));
                self.pause = None;
            }
            match self.play.next() {
                Some(Cue::Wait(time)) => self.pause = Some(Box::pin(tokio::time::sleep(time))),
                Some(Cue::Say(progress)) => return Poll::Ready(Some(progress)),
                Some(Cue::Stall) => self.stalled = true,
                // Nobody wakes the caller but its own deadline, and then it finds nothing.
                None if self.stalled => return Poll::Pending,
                None => return Poll::Ready(None),
            }
        }
    }
}

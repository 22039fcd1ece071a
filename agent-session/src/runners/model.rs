//! Asks a model for an answer or a summary, and reports what arrives.

use std::sync::Arc;
use std::time::Duration;

use glasswork_agent_core::context::BodyRef;
use glasswork_agent_core::id::RequestId;
use glasswork_ai::conversation::{Message, Request};
use glasswork_ai::failure::{Failure, FailureClass};
use glasswork_ai::stream::{Progress, StreamEvent};
use glasswork_engine::EffectPort;
use glasswork_session_state::model::Outcome;
use glasswork_session_state::{Event, Glasswork, model, pieces};
use tokio::time::{Instant, sleep, sleep_until};

use super::Work;
use super::gate::{Passage, Silence};
use crate::blobs::BlobStore;
use crate::images;
use crate::secrets::AnswerMasking;

/// A stream that talks in small pieces is reported in larger ones: what came within this time is one report …
const QUICK: Duration = Duration::from_millis(30);
/// … later within this, when nobody reads along word by word any more …
const SLOW: Duration = Duration::from_millis(100);
/// … after so many reports …
const QUICK_REPORTS: u32 = 100;
/// … or when so many bytes have come.
const REPORT_BYTES: usize = 4 * 1024;
/// For each so many bytes that were reported …
const PACE_BYTES: usize = 32 * 1024;
/// … the gate gets this much time to take them: reports that wait are merged, and more than a line of the journal holds
/// cannot wait. No model talks as fast; a whole answer that comes at once does.
const PACE: Duration = Duration::from_millis(10);

pub(super) async fn run(work: Work, id: RequestId, attempt: u32) {
    let Work {
        session, world, port, ..
    } = work;
    let Some(request) = session.render(id) else { return };
    let request = loaded(request, (world.blobs)(port.scope())).await;
    let mut passage = match Passage::ask(&world.gate, &request.model.provider).await {
        Ok(passage) => passage,
        Err(failure) => {
            port.finish(Event::Model(model::Event::Answered {
                body: None,
                limits: vec![],
                steps: vec![],
                outcome: Outcome::Failed(failure),
            }));
            return;
        }
    };
    let settings = &session.settings;
    let mut silence = Silence::begin(settings);
    let mut call = world.models.call(Arc::new(request), attempt);
    let body = (!call.body().is_empty()).then(|| BodyRef {
        digest: blake3::hash(call.body()).to_hex().as_str().into(),
        len: call.body().len() as u64,
        unsent: call.unsent().to_vec(),
    });
    let mut demands = port.demands();
    let mut report = Report::default();
    let mut masking = AnswerMasking::new(world.secrets.of(&session), id);
    let mut unpaced = 0;
    let mut limits_told = false;
    let mut dropped = false;
    let outcome = loop {
        let progress = tokio::select! {
            biased;
            // The gate has closed the effect: nobody listens any more, and dropping the call closes the connection.
            _ = demands.stopped() => {
                dropped = true;
                break Outcome::Failed(broken_off("the request was dropped"));
            }
            progress = call.next() => progress,
            () = report.due() => {
                report.send(&port);
                continue;
            }
        };
        match progress {
            Some(Progress::Connected) => {
                limits_told = true;
                silence.connected(settings);
                port.progress(Event::Model(model::Event::Connected {
                    body: body.clone(),
                    limits: call.rate_limits().to_vec(),
                }));
            }
            Some(Progress::Step(StreamEvent::Finished(reason))) => break Outcome::Finished(reason),
            Some(Progress::Step(StreamEvent::Failed(failure))) => {
                break Outcome::Failed(masking.failure(failure));
            }
            Some(Progress::Step(event)) => {
                silence.broken(settings);
                passage.answered().await;
                if let Some(failure) = pieces::too_large(&event) {
                    break Outcome::Failed(failure);
                }
                masking.step(event, &mut |event| report.add(event));
                if report.bytes >= REPORT_BYTES {
                    unpaced += report.bytes;
                    report.send(&port);
                }
                if unpaced >= PACE_BYTES {
                    let pause = PACE * u32::try_from(unpaced / PACE_BYTES).unwrap_or(u32::MAX);
                    unpaced %= PACE_BYTES;
                    tokio::select! {
                        biased;
                        _ = demands.stopped() => {
                            dropped = true;
                            break Outcome::Failed(broken_off("the request was dropped"));
                        }
                        () = sleep(pause) => {}
                    }
                }
            }
            None => break Outcome::Failed(broken_off("the answer has no end")),
        }
    };
    // The last word of a block that was cut by the limit of tokens.
    masking.finish(&mut |event| report.add(event));
    match &outcome {
        _ if dropped => passage.dropped(&silence).await,
        Outcome::Finished(_) => passage.end(None, true).await,
        Outcome::Failed(failure) => passage.end(Some(failure), body.is_some()).await,
    }
    port.finish(Event::Model(model::Event::Answered {
        body,
        limits: if limits_told {
            vec![]
        } else {
            call.rate_limits().to_vec()
        },
        steps: report.steps,
        outcome,
    }));
}

/// The request with the bytes of its images: from here on it is what will be sent.
async fn loaded(mut request: Request, blobs: BlobStore) -> Request {
    if !request
        .messages
        .iter()
        .any(|message| matches!(message, Message::Image(_)))
    {
        return request;
    }
    let unloaded = request.clone();
    let loading = tokio::task::spawn_blocking(move || {
        images::load(&blobs, &mut request);
        request
    });
    // Without their bytes images count as lost.
    loading.await.unwrap_or(unloaded)
}

fn broken_off(message: &str) -> Failure {
    Failure {
        class: FailureClass::Transport,
        message: message.into(),
        status: None,
        retry_after_ms: None,
    }
}

/// What has arrived and is not reported yet.
#[derive(Default)]
struct Report {
    steps: Vec<StreamEvent>,
    bytes: usize,
    due: Option<Instant>,
    sent: u32,
}

impl Report {
    fn add(&mut self, event: StreamEvent) {
        if self.due.is_none() {
            self.due = Some(Instant::now() + if self.sent < QUICK_REPORTS { QUICK } else { SLOW });
        }
        self.bytes += pieces::bytes(&event);
        if let StreamEvent::Delta { index, text } = &event
            && let Some(StreamEvent::Delta {
                index: last,
                text: earlier,
            }) = self.steps.last_mut()
            && last == index
        {
            let joined: String = [&**earlier, &**text].concat();
            *earlier = Arc::from(joined);
            return;
        }
        pieces::join(&mut self.steps, vec![event]);
    }

    /// Waits until what has arrived is to be reported; forever where nothing has.
    async fn due(&self) {
        match self.due {
            Some(due) => sleep_until(due).await,
            None => std::future::pending().await,
        }
    }

    fn send(&mut self, port: &EffectPort<Glasswork>) {
        self.due = None;
        self.bytes = 0;
        self.sent = self.sent.saturating_add(1);
        let steps = std::mem::take(&mut self.steps);
        port.progress(Event::Model(model::Event::Streamed {
            body: None,
            limits: vec![],
            steps,
        }));
    }
}

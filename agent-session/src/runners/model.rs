//! Asks a model, and reports what arrives.

use std::sync::Arc;
use std::time::Duration;

use glasswork_agent_core::context::BodyRef;
use glasswork_agent_core::id::RequestId;
use glasswork_ai::failure::{Failure, FailureClass};
use glasswork_ai::stream::StreamEvent;
use glasswork_engine::EffectPort;
use glasswork_session_state::model::Outcome;
use glasswork_session_state::{Event, Glasswork, model};
use tokio::time::{Instant, sleep_until};

use super::Work;

/// A stream that talks in small pieces is reported in larger ones: what came within this time is one report …
const QUICK: Duration = Duration::from_millis(30);
/// … later within this, when nobody reads along word by word any more …
const SLOW: Duration = Duration::from_millis(100);
/// … after so many reports …
const QUICK_REPORTS: u32 = 100;
/// … or when so many bytes have come.
const REPORT_BYTES: usize = 4 * 1024;

pub(super) async fn run(work: Work, id: RequestId, attempt: u32) {
    let Work { session, world, port, .. } = work;
    let Some(request) = session.render(id) else { return };
    let mut demands = port.demands();
    let call = async {
        let mut stream = match world.models.call(request, attempt).await {
            Ok(stream) => stream,
            Err(failure) => return answered(Vec::new(), Outcome::Failed(failure)),
        };
        let body = Some(BodyRef {
            digest: blake3::hash(stream.body()).to_hex().as_str().into(),
            len: stream.body().len() as u64,
        });
        port.progress(Event::Model(model::Event::Connected { body: body.clone() }));
        let mut report = Report::default();
        loop {
            let event = match report.due {
                None => stream.next().await,
                Some(due) => tokio::select! {
                    biased;
                    event = stream.next() => event,
                    () = sleep_until(due) => {
                        report.send(&port);
                        continue;
                    }
                },
            };
            let outcome = match event {
                Some(StreamEvent::Finished(reason)) => Outcome::Finished(reason),
                Some(StreamEvent::Failed(failure)) => Outcome::Failed(failure),
                Some(event) => {
                    report.add(event);
                    if report.bytes >= REPORT_BYTES {
                        report.send(&port);
                    }
                    continue;
                }
                // Every stream says how it ends; one that does not has broken off.
                None => Outcome::Failed(Failure {
                    class: FailureClass::Transport,
                    message: "the answer broke off without an end".into(),
                    status: None,
                    retry_after_ms: None,
                }),
            };
            return answered(report.steps, outcome);
        }
    };
    let end = tokio::select! {
        end = call => end,
        // The gate closes the effect of a cancelled request: dropping the stream closes the connection.
        _ = demands.stopped() => answered(Vec::new(), Outcome::Failed(Failure {
            class: FailureClass::Transport,
            message: "stopped".into(),
            status: None,
            retry_after_ms: None,
        })),
    };
    port.finish(end);
}

fn answered(steps: Vec<StreamEvent>, outcome: Outcome) -> Event {
    Event::Model(model::Event::Answered { body: None, steps, outcome })
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
        if let StreamEvent::Delta { index, text } = &event {
            self.bytes += text.len();
            if let Some(StreamEvent::Delta { index: last, text: earlier }) = self.steps.last_mut()
                && last == index
            {
                let joined: String = [&**earlier, &**text].concat();
                *earlier = Arc::from(joined);
                return;
            }
        }
        self.steps.push(event);
    }

    fn send(&mut self, port: &EffectPort<Glasswork>) {
        self.due = None;
        self.bytes = 0;
        self.sent = self.sent.saturating_add(1);
        let steps = std::mem::take(&mut self.steps);
        port.progress(Event::Model(model::Event::Streamed { body: None, steps }));
    }
}

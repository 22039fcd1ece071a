//! The gate of a provider: its circuit breaker, asked before a request is sent, and told what came of it.

use std::sync::Arc;
use std::time::Duration;

use glasswork_ai::failure::{Failure, FailureClass};
use glasswork_session_state::breaker::{Pass, Refused, State, Verdict};
use glasswork_session_state::settings::Settings;
use tokio::time::Instant;

/// The circuit breakers of all providers. What they do may wait for a file.
pub trait Gate: Send + Sync {
    /// Whether everything is let through, and no failure is noted that an answer would settle. Waits for nothing; where
    /// it cannot tell at once, it says no.
    fn is_clear(&self, provider: &str) -> bool;

    /// Asks for the right to send a request to a provider.
    ///
    /// # Errors
    /// [`Refused`].
    fn admit(&self, provider: &str) -> Result<Pass, Refused>;

    /// Takes note of what came of a request.
    fn settle(&self, provider: &str, pass: Pass, verdict: Verdict);
}

/// A request on its way through the gate.
pub(super) struct Passage {
    gate: Arc<dyn Gate>,
    provider: Arc<str>,
    pass: Pass,
    answered: bool,
}

impl Passage {
    /// Asks to be let through.
    pub(super) async fn ask(gate: &Arc<dyn Gate>, provider: &Arc<str>) -> Result<Self, Failure> {
        let through = |pass| Self {
            gate: Arc::clone(gate),
            provider: Arc::clone(provider),
            pass,
            answered: false,
        };
        if gate.is_clear(provider) {
            return Ok(through(Pass::default()));
        }
        let (asked, name) = (Arc::clone(gate), Arc::clone(provider));
        let admitted = tokio::task::spawn_blocking(move || asked.admit(&name)).await;
        match admitted {
            Ok(Ok(pass)) => Ok(through(pass)),
            Ok(Err(refused)) => Err(explained(provider, refused)),
            Err(error) => Err(Failure::new(FailureClass::Transport, error.to_string())),
        }
    }

    /// The provider has begun to answer.
    pub(super) async fn answered(&mut self) {
        if !std::mem::replace(&mut self.answered, true) {
            self.settle(Verdict::Answered).await;
        }
    }

    /// The request has come to its end, with this failure or without one.
    pub(super) async fn end(mut self, failure: Option<&Failure>, was_sent: bool) {
        match failure {
            None => self.answered().await,
            Some(failure) => self.settle(verdict(failure.class, was_sent)).await,
        }
    }

    /// Nobody wants to hear more.
    pub(super) async fn dropped(self, silence: &Silence) {
        let verdict = match silence.is_too_long() {
            true => Verdict::Failed,
            false if self.answered => return,
            false => Verdict::Unknown,
        };
        self.settle(verdict).await;
    }

    async fn settle(&self, verdict: Verdict) {
        if verdict != Verdict::Failed && self.gate.is_clear(&self.provider) {
            return;
        }
        let (gate, provider, pass) = (Arc::clone(&self.gate), Arc::clone(&self.provider), self.pass);
        // A thread that is gone has nothing left to note.
        let _ = tokio::task::spawn_blocking(move || gate.settle(&provider, pass, verdict)).await;
    }
}

/// What a failure says of the provider.
fn verdict(class: FailureClass, was_sent: bool) -> Verdict {
    use FailureClass as F;
    match class {
        _ if !was_sent => Verdict::Unknown,
        F::Overloaded | F::Unavailable | F::Timeout | F::Transport => Verdict::Failed,
        // It works, and says no.
        F::Auth | F::RateLimit | F::Invalid | F::ContextOverflow | F::Quota | F::Refusal => Verdict::Answered,
        F::Protocol | F::BreakerOpen => Verdict::Unknown,
    }
}

fn explained(provider: &str, refused: Refused) -> Failure {
    let wait = refused.wait.as_millis();
    let seconds = refused.wait.as_millis().div_ceil(1000);
    let message = match refused.state {
        State::HalfOpen => format!(
            "nothing was sent: requests to `{provider}` failed {} times, and one try is under way; `glasswork models \
             reset {provider}` lets everything through",
            refused.failures
        ),
        State::Open | State::Closed => format!(
            "nothing was sent: requests to `{provider}` failed {} times, and the next try is let through in {seconds} s; \
             `glasswork models reset {provider}` lets everything through at once",
            refused.failures
        ),
    };
    Failure {
        retry_after_ms: Some(u64::try_from(wait).unwrap_or(u64::MAX)),
        ..Failure::new(FailureClass::BreakerOpen, message)
    }
}

/// How long a provider has said nothing, and how long it may.
pub(super) struct Silence {
    since: Instant,
    most: Duration,
}

impl Silence {
    /// The request is sent.
    pub(super) fn begin(settings: &Settings) -> Self {
        Self::of(settings.connect_timeout_ms.value)
    }

    /// The server has begun to answer.
    pub(super) fn connected(&mut self, settings: &Settings) {
        *self = Self::of(settings.first_token_timeout_ms.value);
    }

    /// A piece has come.
    pub(super) fn broken(&mut self, settings: &Settings) {
        *self = Self::of(settings.idle_timeout_ms.value);
    }

    fn of(most_ms: u64) -> Self {
        Self {
            since: Instant::now(),
            most: Duration::from_millis(most_ms),
        }
    }

    /// Whether the provider was silent for as long as the session waits. That began to count a little earlier than this.
    fn is_too_long(&self) -> bool {
        let early = (self.most / 4).min(Duration::from_secs(1));
        self.since.elapsed().saturating_add(early) >= self.most
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use super::*;

    /// Lets everybody through, and writes down what it is told.
    struct Book {
        is_clear: bool,
        told: Mutex<Vec<Verdict>>,
    }

    impl Gate for Book {
        fn is_clear(&self, _: &str) -> bool {
            self.is_clear
        }

        fn admit(&self, _: &str) -> Result<Pass, Refused> {
            Ok(Pass::default())
        }

        fn settle(&self, _: &str, _: Pass, verdict: Verdict) {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            told.push(verdict);
        }
    }

    async fn told(is_clear: bool, part: impl AsyncFnOnce(Passage)) -> Vec<Verdict> {
        let book = Arc::new(Book {
            is_clear,
            told: Mutex::default(),
        });
        let gate = Arc::clone(&book) as Arc<dyn Gate>;
        part(Passage::ask(&gate, &"p".into()).await.unwrap()).await;
        let told = book.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.clone()
    }

    const LONG: u64 = 3_600_000;

    #[tokio::test]
    async fn what_came_of_a_request_is_told_once() {
        use Verdict::{Answered, Failed, Unknown};
        let failure = |class| Failure::new(class, "no");
        let answered = async |mut passage: Passage| {
            passage.answered().await;
            passage.answered().await;
            passage.end(None, true).await;
        };
        assert_eq!(told(false, answered).await, [Answered]);
        let broke_off = async |mut passage: Passage| {
            passage.answered().await;
            passage.end(Some(&failure(FailureClass::Transport)), true).await;
        };
        assert_eq!(told(false, broke_off).await, [Answered, Failed]);
        let dropped_late = async |mut passage: Passage| {
            passage.answered().await;
            passage.dropped(&Silence::of(LONG)).await;
        };
        assert_eq!(told(false, dropped_late).await, [Answered]);
        let dropped = async |passage: Passage| passage.dropped(&Silence::of(LONG)).await;
        assert_eq!(told(false, dropped).await, [Unknown]);
        let silent = async |passage: Passage| passage.dropped(&Silence::of(0)).await;
        assert_eq!(told(false, silent).await, [Failed]);
        // What was never sent tells nothing of who would have got it, whatever the reason.
        for class in [FailureClass::Auth, FailureClass::Transport, FailureClass::Invalid] {
            let unsent = async |passage: Passage| passage.end(Some(&failure(class)), false).await;
            assert_eq!(told(false, unsent).await, [Unknown], "{class:?}");
        }
        for (class, verdict) in [
            (FailureClass::Timeout, Failed),
            (FailureClass::Unavailable, Failed),
            (FailureClass::Overloaded, Failed),
            (FailureClass::Auth, Answered),
            (FailureClass::Refusal, Answered),
            (FailureClass::Protocol, Unknown),
        ] {
            let sent = async |passage: Passage| passage.end(Some(&failure(class)), true).await;
            assert_eq!(told(false, sent).await, [verdict], "{class:?}");
        }
    }

    /// Where nothing is noted, only a failure is worth a look at the file.
    #[tokio::test]
    async fn a_gate_that_is_clear_is_told_of_failures_alone() {
        let answered = async |mut passage: Passage| passage.answered().await;
        assert_eq!(told(true, answered).await, []);
        let failed = async |passage: Passage| {
            let failure = Failure::new(FailureClass::Timeout, "no");
            passage.end(Some(&failure), true).await;
        };
        assert_eq!(told(true, failed).await, [Verdict::Failed]);
    }
}

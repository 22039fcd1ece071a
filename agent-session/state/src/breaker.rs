//! The circuit breaker of a provider: after too many failures nothing is sent to it for a while, then one try is let
//! through, and what comes of that decides.
//!
//! A pure value: whoever sends requests asks it first, tells it what came of them, and keeps it where all that send see
//! it. It stands on the wall clock, because it outlives processes, and therefore takes nothing for granted about it: what
//! lies in the future was noted before the clock was set back, and is over.

use std::time::Duration;

use glasswork_engine::Timestamp;
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantArray};

/// How long the one try that is let through may take to its first word; after that another one is let through.
pub const TRY: Duration = Duration::from_secs(60);
/// How long whoever is refused while that try is under way waits before asking again.
pub const TRY_AGAIN: Duration = Duration::from_secs(2);
/// The longest pause.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// Most failures that are remembered, whatever is set.
pub const MOST_FAILURES: u32 = 100;

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// How many requests have to fail, one after the other; none opens where this is 0.
    pub failures: u32,
    /// Within how long.
    pub window: Duration,
    /// How long nothing is let through; twice as long each time that the try after it fails.
    pub pause: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            failures: 5,
            window: Duration::from_secs(60),
            pause: Duration::from_secs(30),
        }
    }
}

/// Where a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, VariantArray, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum State {
    /// Everything is let through.
    #[default]
    Closed,
    /// Nothing is.
    Open,
    /// One try is under way, and nothing else is let through.
    HalfOpen,
}

/// The breaker of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Breaker {
    /// Where it stands.
    pub state: State,
    /// Since when.
    pub since: Timestamp,
    /// Until when nothing is let through, or the try that is under way has time; `None` where it is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// When requests failed, one after the other, the last ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Timestamp>,
    /// How many tries have failed since it opened.
    #[serde(default, skip_serializing_if = "crate::unwritten::is_zero")]
    pub failed_tries: u32,
}

/// The right to send one request; by default one that is no try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pass {
    /// Of the try of a breaker that is half open: since when it is.
    of_try: Option<Timestamp>,
}

/// Nothing may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// Where the breaker stands.
    pub state: State,
    /// How long to wait before asking again.
    pub wait: Duration,
    /// How many requests have failed.
    pub failures: u32,
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The provider answers.
    Answered,
    /// It does not.
    Failed,
    /// Nobody can tell: the request was dropped, or failed for a reason that is not the provider's.
    Unknown,
}

impl Breaker {
    /// Whether it is as new, and need not be kept.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.state == State::Closed && self.failures.is_empty()
    }

    /// Asks for the right to send a request.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn admit(&mut self, rules: Rules, now: Timestamp) -> Result<Pass, Refused> {
        match self.state {
            _ if rules.failures == 0 => Ok(Pass { of_try: None }),
            State::Closed => Ok(Pass { of_try: None }),
            State::Open | State::HalfOpen => match self.left(now) {
                Some(left) => Err(Refused {
                    state: self.state,
                    wait: match self.state {
                        State::HalfOpen => left.min(TRY_AGAIN),
                        State::Open | State::Closed => left,
                    },
                    failures: u32::try_from(self.failures.len()).unwrap_or(u32::MAX),
                }),
                None => {
                    self.stand(State::HalfOpen, now, Some(now.after(TRY)));
                    Ok(Pass { of_try: Some(now) })
                }
            },
        }
    }

    /// Takes note of what came of a request.
    pub fn settle(&mut self, pass: Pass, verdict: Verdict, rules: Rules, now: Timestamp) {
        let is_try = pass.of_try.is_some_and(|of_try| of_try == self.since) && self.state == State::HalfOpen;
        match (verdict, self.state) {
            (Verdict::Answered, State::Closed) => self.failures.clear(),
            (Verdict::Answered, State::Open | State::HalfOpen) => *self = Self::closed(now),
            (Verdict::Failed, State::Closed) => self.fail(rules, now),
            (Verdict::Failed, State::HalfOpen) if is_try => {
                self.failed_tries = self.failed_tries.saturating_add(1);
                self.open(rules, now);
            }
            // Whoever is next has the try.
            (Verdict::Unknown, State::HalfOpen) if is_try => self.stand(State::Open, now, Some(now)),
            // What was sent before it opened tells nothing new.
            (Verdict::Failed | Verdict::Unknown, _) => {}
        }
    }

    fn closed(now: Timestamp) -> Self {
        Self {
            since: now,
            ..Self::default()
        }
    }

    fn fail(&mut self, rules: Rules, now: Timestamp) {
        let recent = |failure: &Timestamp| *failure <= now && now.since(*failure) <= rules.window;
        self.failures.retain(recent);
        self.failures.push(now);
        let most = usize::try_from(rules.failures.min(MOST_FAILURES)).unwrap_or(usize::MAX);
        if self.failures.len() > most.max(1) {
            self.failures.remove(0);
        }
        if most > 0 && self.failures.len() >= most {
            self.failed_tries = 0;
            self.open(rules, now);
        }
    }

    fn open(&mut self, rules: Rules, now: Timestamp) {
        let doubled = 1u32.checked_shl(self.failed_tries.min(16)).unwrap_or(u32::MAX);
        let pause = rules.pause.saturating_mul(doubled).min(LONGEST_PAUSE);
        self.stand(State::Open, now, Some(now.after(pause)));
    }

    fn stand(&mut self, state: State, since: Timestamp, until: Option<Timestamp>) {
        self.state = state;
        self.since = since;
        self.until = until;
    }

    /// How long it still lets nothing through; `None` where a try is due. What began in the future, or ends later than
    /// any pause could, was noted by another clock.
    #[must_use]
    pub fn left(&self, now: Timestamp) -> Option<Duration> {
        let until = self.until?;
        let left = until.since(now);
        let believable = self.since <= now && left <= LONGEST_PAUSE;
        (believable && !left.is_zero()).then_some(left)
    }
}

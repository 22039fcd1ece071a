//! Failover and circuit breakers: which models were given up, and which providers are not asked for now.

use async_graphql::{Enum, SimpleObject};
use glasswork_agent_core::superseded::Superseded;
use glasswork_session_state::{breaker, failover};

use crate::error::Answer;
use crate::operation::Operation;
use crate::scalar::{Long, Time};
use crate::turn::Failure;

/// A model that gave no answer, or was not asked for one.
#[derive(Debug, SimpleObject)]
pub(crate) struct GivenUp {
    /// The model, as `provider/id`.
    model: String,
    /// The number of the request that it did not answer; null where it was not asked.
    request: Option<Long>,
    /// Why it gave no answer; null where it was not asked.
    failure: Option<Failure>,
    /// Why it was not asked.
    skipped: Option<Skip>,
}

/// Why a model was not asked.
#[derive(Debug, SimpleObject)]
pub(crate) struct Skip {
    /// The kind of the reason.
    kind: SkipKind,
    /// The reason in words.
    text: String,
}

/// Kinds of reasons why a model is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum SkipKind {
    /// There is no key for its provider.
    NoKey,
    /// Nobody answers for its provider.
    NoProvider,
    /// The conversation is longer than it takes.
    TooLong,
    /// It can call no tools, and the agent has some.
    NoTools,
    /// No budget allows a request to it.
    Budget,
}

/// A model that may be asked in the place of a session's own.
#[derive(Debug, SimpleObject)]
pub(crate) struct Candidate {
    /// The model, as `provider/id`.
    model: String,
    /// Why it cannot be asked at all; null where it can.
    barred: Option<Skip>,
    /// Tokens that a request and its answer may take together; null where that is not known.
    context_window: Option<Long>,
    /// Whether it calls tools; null where that is not known.
    tools: Option<bool>,
}

impl Candidate {
    pub(crate) fn of(candidate: &failover::Candidate) -> Self {
        let barred = candidate.barred.clone().map(failover::Skip::Barred);
        Self {
            model: candidate.model.to_string(),
            barred: barred.as_ref().map(Skip::from),
            context_window: candidate.window.map(Long),
            tools: candidate.tools,
        }
    }
}

impl From<&failover::Skip> for Skip {
    fn from(skip: &failover::Skip) -> Self {
        use failover::{Bar, Skip as S};
        Self {
            kind: match skip {
                S::Barred(Bar::NoKey { .. }) => SkipKind::NoKey,
                S::Barred(Bar::NoProvider) => SkipKind::NoProvider,
                S::TooLong { .. } => SkipKind::TooLong,
                S::NoTools => SkipKind::NoTools,
                S::Budget(_) => SkipKind::Budget,
            },
            text: skip.to_string(),
        }
    }
}

impl From<&failover::GivenUp> for GivenUp {
    fn from(given_up: &failover::GivenUp) -> Self {
        let (request, failure, skipped) = match &given_up.why {
            failover::Why::Failed { request, failure } => (Some(Long(request.0)), Some(failure.into()), None),
            failover::Why::Skipped(skip) => (None, None, Some(skip.into())),
        };
        Self {
            model: given_up.model.to_string(),
            request,
            failure,
            skipped,
        }
    }
}

/// An answer that was given up, because another model was asked instead. No model is ever sent it.
#[derive(Debug, SimpleObject)]
pub(crate) struct SupersededBody {
    /// The model that gave no answer, as `provider/id`.
    model: String,
    /// The model that was asked instead.
    by: String,
    /// Why it gave none.
    failure: Failure,
    /// The number of the request that it did not answer.
    request: Long,
    /// The text that had arrived, without thinking and calls.
    said: String,
}

impl SupersededBody {
    pub(crate) fn of(op: &Operation, gone: &Superseded) -> Answer<Self> {
        Ok(Self {
            model: gone.model.to_string(),
            by: gone.by.to_string(),
            failure: (&gone.failure).into(),
            request: Long(gone.request.0),
            said: op.text(&*gone.said)?,
        })
    }
}

/// Where a circuit breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "breaker::State")]
pub(crate) enum BreakerState {
    /// Everything is let through.
    Closed,
    /// Nothing is.
    Open,
    /// One try is under way, and nothing else is let through.
    HalfOpen,
}

/// The circuit breaker of a provider: after too many failures nothing is sent to it for a while.
#[derive(Debug, SimpleObject)]
pub(crate) struct Breaker {
    /// Where it stands.
    state: BreakerState,
    /// Since when; null where it never moved.
    since: Option<Time>,
    /// Until when nothing is let through, or the try that is under way has time; null where it is closed.
    until: Option<Time>,
    /// When requests failed, one after the other, the last ones.
    failures: Vec<Time>,
    /// How many tries have failed since it opened.
    failed_tries: u32,
}

impl From<&breaker::Breaker> for Breaker {
    fn from(breaker: &breaker::Breaker) -> Self {
        Self {
            state: breaker.state.into(),
            since: (*breaker != breaker::Breaker::default()).then_some(Time(breaker.since)),
            until: breaker.until.map(Time),
            failures: breaker.failures.iter().copied().map(Time).collect(),
            failed_tries: breaker.failed_tries,
        }
    }
}

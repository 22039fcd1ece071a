//! The first five stages, one after the other, on one scope.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::{Envelope, Stage, Terms, apply, handler, log, panic_text, permission, validate};
use crate::commit::Commit;
use crate::domain::Domain;
use crate::envelope::{EffectKey, Timestamp};
use crate::line::Chain;
use crate::root::Scope;
use crate::trace::Outcome;

/// What the first five stages made of an envelope.
pub(crate) struct Applied<D: Domain> {
    pub(crate) scope: Arc<Scope<D>>,
    pub(crate) commit: Arc<Commit<D>>,
    pub(crate) line: Vec<u8>,
    pub(crate) chain: Chain,
    pub(crate) consequences: Vec<D::Event>,
    pub(crate) reply: D::Reply,
    pub(crate) terms: Terms<D>,
}

/// Why an envelope did not pass.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Stopped<D: Domain> {
    Denied { grant: D::Grant, digest: String },
    Rejected(D::Rejection),
    Invalid(D::Breach),
    Failed(String),
    Stale(EffectKey),
    TooLarge(usize),
    JournalUnavailable(Arc<str>),
}

impl<D: Domain> Stopped<D> {
    pub(crate) fn outcome(&self) -> Outcome {
        let data = |value: Result<serde_json::Value, serde_json::Error>| value.unwrap_or_default();
        match self {
            Self::Denied { grant, digest } => Outcome::Denied {
                grant: grant.to_string(),
                digest: digest.clone(),
            },
            Self::Rejected(rejection) => Outcome::Rejected {
                text: rejection.to_string(),
                data: data(serde_json::to_value(rejection)),
            },
            Self::Invalid(breach) => Outcome::Invalid {
                text: breach.to_string(),
                data: data(serde_json::to_value(breach)),
            },
            Self::Failed(panic) => Outcome::Failed { panic: panic.clone() },
            Self::Stale(effect) => Outcome::Stale { effect: *effect },
            Self::TooLarge(bytes) => Outcome::TooLarge { bytes: *bytes },
            Self::JournalUnavailable(reason) => Outcome::JournalUnavailable {
                reason: reason.to_string(),
            },
        }
    }
}

/// Measures the stages. The clock is the writer's; without one (replay) nothing is measured.
pub(crate) struct Stopwatch<'a> {
    now: &'a dyn Fn() -> u64,
    /// When the last lap ended.
    pub(crate) last: u64,
    pub(crate) stages: [u64; Stage::COUNT],
}

impl<'a> Stopwatch<'a> {
    pub(crate) fn start(now: &'a dyn Fn() -> u64) -> Self {
        Self {
            now,
            last: now(),
            stages: [0; Stage::COUNT],
        }
    }

    pub(crate) fn lap(&mut self, stage: Stage) {
        let now = (self.now)();
        if let Some(slot) = self.stages.get_mut(stage as usize) {
            *slot = now.saturating_sub(self.last);
        }
        self.last = now;
    }
}

/// Runs the stages up to *apply* on one scope. Nothing outside the returned value has changed.
pub(crate) fn pass<D: Domain>(
    scope: &Arc<Scope<D>>,
    envelope: Envelope<D>,
    at: Timestamp,
    chain: Chain,
    watch: &mut Stopwatch<'_>,
) -> Result<Applied<D>, Stopped<D>> {
    if let Some(reason) = &scope.journal_failure {
        return Err(Stopped::JournalUnavailable(Arc::clone(reason)));
    }
    if let Some(key) = envelope.settles
        && !scope.open.contains_key(&key)
    {
        return Err(Stopped::Stale(key));
    }
    // A stage that refuses took its time as well: its lap ends before the refusal leaves.
    let permitted = guarded(|| permission::permit(scope, envelope));
    watch.lap(Stage::Permission);
    let noted = log::note(scope, permitted?, at);
    watch.lap(Stage::Log);
    let decided = guarded(|| handler::decide(scope, noted));
    watch.lap(Stage::Handler);
    let decided = decided?;
    let candidate = guarded(|| validate::evolve(scope, decided));
    watch.lap(Stage::Validate);
    let applied = apply::seal(candidate?, chain);
    watch.lap(Stage::Apply);
    applied
}

/// Contains a panic of the domain's functions: the dispatch fails, the root is unchanged, the engine lives on.
///
/// `AssertUnwindSafe` holds because all that the closure can have half-changed is its own, and dropped.
fn guarded<D: Domain, T>(stage: impl FnOnce() -> Result<T, Stopped<D>>) -> Result<T, Stopped<D>> {
    catch_unwind(AssertUnwindSafe(stage))
        .unwrap_or_else(|payload| Err(Stopped::Failed(panic_text(&*payload))))
}

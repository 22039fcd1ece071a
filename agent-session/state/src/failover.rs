//! Failover: where a model gives no answer, the next one of a list is asked, for the rest of the turn.
//!
//! What a handler needs to know of the models of the list comes in as a value, in [`Event::Told`]: whether there is a
//! key, how much each one takes, whether it can call tools. Whether the breaker of a provider lets a request through is
//! only known when one is sent; then the refusal is the attempt's failure, and the next model is asked.

use std::fmt;
use std::sync::Arc;

use glasswork_agent_core::context::Calibration;
use glasswork_agent_core::id::{EntryId, RequestId};
use glasswork_agent_core::superseded::Superseded;
use glasswork_agent_core::tree::Body;
use glasswork_ai::failure::{Failure, FailureClass};
use glasswork_ai::model::ModelId;
use glasswork_engine::{Moment, Timestamp};
use im::Vector;
use serde::{Deserialize, Serialize};

use crate::budget::Exhausted;
use crate::domain::Reply;
use crate::draft::Draft;
use crate::rejection::Rejection;
use crate::session;
use crate::state::{Session, TurnFailure};

/// How many models of a list are looked at; what stands after them is not.
pub const MOST: usize = 16;

/// What the host knows of a model that may be asked instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The model.
    pub model: ModelId,
    /// Why it cannot be asked at all, if it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub barred: Option<Bar>,
    /// The tokens that a request and its answer may take together; `None` where nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<u64>,
    /// Whether it can call tools, and be told what came of it; `None` where nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<bool>,
}

/// Why a model cannot be asked at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bar {
    /// There is no key for its provider.
    NoKey {
        /// Where one is looked for.
        expected: Arc<str>,
    },
    /// There is no such provider.
    NoProvider,
}

/// Which model is asked in a turn instead of the session's own, and why.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Failover {
    /// The model that is asked; `None` for the session's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelId>,
    /// The models that were given up, in order.
    #[serde(default, skip_serializing_if = "Vector::is_empty")]
    pub given_up: Vector<GivenUp>,
}

impl Failover {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn has_given_up(&self, model: &ModelId) -> bool {
        self.given_up.iter().any(|given_up| given_up.model == *model)
    }
}

/// A model that gave no answer, or was not asked for one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenUp {
    /// The model.
    pub model: ModelId,
    /// Why.
    pub why: Why,
}

/// Why a model was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It was asked, and gave no answer.
    Failed {
        /// The request.
        request: RequestId,
        /// Why its last attempt failed.
        failure: Failure,
    },
    /// It was not asked.
    Skipped(Skip),
}

/// Why a model was not asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Skip {
    /// It cannot be asked at all.
    Barred(Bar),
    /// The conversation is longer than it takes.
    TooLong {
        /// The tokens that it takes.
        window: u64,
        /// The tokens of the conversation, estimated.
        tokens: u64,
    },
    /// It can call no tools, and the agent has some.
    NoTools,
    /// No budget allows a request to it.
    Budget(Exhausted),
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Barred(Bar::NoKey { expected }) => write!(f, "there is no key for it: set {expected}"),
            Self::Barred(Bar::NoProvider) => f.write_str("there is no such provider"),
            Self::TooLong { window, tokens } => write!(
                f,
                "it takes {window} tokens, and the conversation has about {tokens}"
            ),
            Self::NoTools => f.write_str("it cannot call tools"),
            Self::Budget(exhausted) => exhausted.fmt(f),
        }
    }
}

impl fmt::Display for GivenUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Why::Failed { failure, .. } => write!(f, "{}: {failure}", self.model),
            Why::Skipped(skip) => write!(f, "{}: not asked: {skip}", self.model),
        }
    }
}

/// What the host tells of models that may be asked instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// This is what is known of them.
    Told {
        /// The models of the list, each once.
        candidates: Vec<Candidate>,
    },
}

/// What was decided of models that are asked instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// This is known of them.
    Known {
        /// The models of the list.
        candidates: Vec<Candidate>,
    },
    /// The answer of a model was given up, and another one is asked for the rest of the turn.
    FellBack {
        /// Number of the entry that shows the answer, among those of this commit.
        #[serde(default, skip_serializing_if = "crate::unwritten::is_zero")]
        entry: u16,
        /// The model that is asked.
        to: ModelId,
        /// Those that stand between the two in the list, and why they are not asked.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        skipped: Vec<GivenUp>,
        /// The text that had arrived.
        #[serde(default, skip_serializing_if = "is_silent")]
        said: Arc<str>,
    },
}

fn is_silent(said: &Arc<str>) -> bool {
    said.is_empty()
}

impl Fact {
    pub(crate) fn apply(&self, session: &mut Session, moment: Moment) {
        match self {
            Self::Known { candidates } => {
                let by_model = candidates.iter();
                session.candidates = by_model
                    .map(|known| (known.model.clone(), known.clone()))
                    .collect();
            }
            Self::FellBack {
                entry,
                to,
                skipped,
                said,
            } => session.fall_back(*entry, to, skipped, said, moment),
        }
    }
}

impl Session {
    /// The model that is asked now: the session's own, or the one that is asked instead of it in the open turn.
    #[must_use]
    pub fn asked_model(&self) -> Option<&ModelId> {
        let instead = self.open_turn().and_then(|turn| turn.failover.model.as_ref());
        instead.or(self.settings.model.value.as_ref())
    }

    /// The tokens that a request to that model and its answer may take together; `None` where nobody knows.
    #[must_use]
    pub fn window(&self) -> Option<u64> {
        let instead = self.open_turn().and_then(|turn| turn.failover.model.as_ref());
        match instead {
            Some(model) => self.candidates.get(model).and_then(|known| known.window),
            None => self.settings.context_window.value,
        }
    }

    /// Has the session's own model be asked again.
    pub(crate) fn ask_own_model(&mut self) {
        if let Some(turn) = self.turn_mut().filter(|turn| !turn.state.is_terminal()) {
            turn.failover.model = None;
        }
    }

    fn fall_back(&mut self, entry: u16, to: &ModelId, skipped: &[GivenUp], said: &Arc<str>, moment: Moment) {
        let Some(given_up) = given_up(self) else { return };
        if let Why::Failed { request, failure } = &given_up.why {
            let superseded = Superseded {
                request: *request,
                model: given_up.model.clone(),
                failure: failure.clone(),
                by: to.clone(),
                said: Arc::clone(said),
            };
            let id = EntryId {
                seq: moment.seq,
                ordinal: entry,
            };
            let parent = self.tree.leaf();
            let body = Body::Superseded(Arc::new(superseded));
            self.tree.graft(id, parent, moment.at, body);
        }
        if let Some(turn) = self.turn_mut() {
            turn.failover.given_up.push_back(given_up);
            turn.failover.given_up.extend(skipped.iter().cloned());
            turn.failover.model = Some(to.clone());
            // The step is not made yet: the next request is for the same one.
            turn.steps = turn.steps.saturating_sub(1);
        }
        // Another model counts otherwise, and takes more or less.
        self.context.calibrate(Calibration::default());
        self.compactions.guard = None;
    }
}

/// The model whose attempt has just failed, with the reason.
fn given_up(session: &Session) -> Option<GivenUp> {
    let attempt = session.turn.as_ref()?.attempt.as_ref()?;
    Some(GivenUp {
        model: session.requests.get(&attempt.request)?.model.clone(),
        why: Why::Failed {
            request: attempt.request,
            failure: attempt.failure.clone()?,
        },
    })
}

/// Decides what the host tells of models.
pub(crate) fn decide(draft: &mut Draft<'_>, event: &Event) -> Result<Reply, Rejection> {
    let Event::Told { candidates } = event;
    session::open(draft)?;
    let known = &draft.session.candidates;
    let same =
        known.len() == candidates.len() && candidates.iter().all(|told| known.get(&told.model) == Some(told));
    if !same {
        let candidates = candidates.iter().take(MOST).cloned().collect();
        draft.fact(Fact::Known { candidates }.into());
    }
    Ok(Reply::Done)
}

/// Whether nothing was sent because a breaker is open.
pub(crate) fn is_breaker(failure: &Failure) -> bool {
    failure.class == FailureClass::BreakerOpen
}

/// Whether a failure is one for which another model is asked.
fn passes_on(session: &Session, failure: &Failure) -> bool {
    use FailureClass as F;
    let stands_in = session
        .turn
        .as_ref()
        .is_some_and(|turn| turn.failover.model.is_some());
    match failure.class {
        F::RateLimit
        | F::Overloaded
        | F::Unavailable
        | F::Timeout
        | F::Transport
        | F::Quota
        | F::BreakerOpen => true,
        F::Auth => stands_in || session.settings.fallback_on_auth.value,
        // Of the model that somebody chose this is a mistake to be mended; of one that only stands in it says that the
        // list is wrong at this place, and the turn need not end for that.
        F::Invalid | F::Protocol => stands_in,
        F::ContextOverflow | F::Refusal => false,
    }
}

/// Which model is asked next, and which ones are passed over on the way there.
struct Choice {
    to: Option<ModelId>,
    skipped: Vec<GivenUp>,
}

/// Looks through the list for a model that can be asked. `None` where the failure is none for which it is looked at.
fn choose(session: &Session, at: Timestamp) -> Option<Choice> {
    // A summary answers nobody: where there is none, the conversation stays as it is.
    if session.compactions.open.is_some() {
        return None;
    }
    let turn = session.turn.as_ref()?;
    let failure = turn.attempt.as_ref()?.failure.as_ref()?;
    if !passes_on(session, failure) {
        return None;
    }
    let failed = given_up(session)?.model;
    let mut skipped: Vec<GivenUp> = Vec::new();
    for model in session.settings.fallback_models.value.iter().take(MOST) {
        let is_over = *model == failed
            || turn.failover.has_given_up(model)
            || skipped.iter().any(|passed| passed.model == *model);
        if is_over {
            continue;
        }
        match obstacle(session, model, at) {
            None => {
                let to = Some(model.clone());
                return Some(Choice { to, skipped });
            }
            Some(skip) => skipped.push(GivenUp {
                model: model.clone(),
                why: Why::Skipped(skip),
            }),
        }
    }
    Some(Choice { to: None, skipped })
}

/// Why a model is not asked. One of which nothing is known is.
fn obstacle(session: &Session, model: &ModelId, at: Timestamp) -> Option<Skip> {
    if let Some(known) = session.candidates.get(model) {
        if let Some(bar) = &known.barred {
            return Some(Skip::Barred(bar.clone()));
        }
        if known.tools == Some(false) && !session.context.head().tools.is_empty() {
            return Some(Skip::NoTools);
        }
        let context = &session.context;
        let tokens = context.calibration().estimate(context.tokens());
        if let Some(window) = known.window.filter(|window| tokens >= *window) {
            return Some(Skip::TooLong { window, tokens });
        }
    }
    session.exhausted(model, at).map(Skip::Budget)
}

/// Whether another model may be asked for the answer that was not to be had.
pub(crate) fn is_left(session: &Session, at: Timestamp) -> bool {
    choose(session, at).is_some_and(|choice| choice.to.is_some())
}

/// Gives the answer up, and lets the next model be asked.
pub(crate) fn fall_back(draft: &mut Draft<'_>) {
    let Some(Choice {
        to: Some(to),
        skipped,
    }) = choose(&draft.session, draft.context.at)
    else {
        return;
    };
    let entry = draft.entries(1);
    let said = draft.said.take().unwrap_or_default().into();
    draft.fact(
        Fact::FellBack {
            entry,
            to,
            skipped,
            said,
        }
        .into(),
    );
}

/// Why a turn fails whose last model was given up: `None` where no other was, nor could be.
pub(crate) fn blame(session: &Session, at: Timestamp) -> Option<TurnFailure> {
    let turn = session.turn.as_ref()?;
    let failure = turn.attempt.as_ref()?.failure.as_ref()?;
    // Why that could not be helped is told elsewhere.
    if failure.class == FailureClass::ContextOverflow {
        return None;
    }
    let skipped = choose(session, at).map_or_else(Vec::new, |choice| choice.skipped);
    if turn.failover.given_up.is_empty() && skipped.is_empty() {
        return None;
    }
    let mut given_up = turn.failover.given_up.clone();
    given_up.extend(self::given_up(session));
    given_up.extend(skipped);
    Some(TurnFailure::NobodyAnswered { given_up })
}

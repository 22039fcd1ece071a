//! Turns: one prompt until the agent rests.

use std::sync::Arc;

use async_graphql::{Enum, ID, Object, SimpleObject};
use glasswork_agent_core::answer::Slot;
use glasswork_ai::failure;
use glasswork_ai::stream::BlockKind as Kind;
use glasswork_session_state::state;

use crate::call::Call;
use crate::dispatch::Dispatch;
use crate::entry::LoopKind;
use crate::entry::{Block, BlockKind};
use crate::error::Answer;
use crate::failover::GivenUp;
use crate::id;
use crate::request::Request;
use crate::scalar::{Long, Time};
use crate::session::View;
use crate::structured::StructuredResult;
use crate::tokens::Tokens;
use crate::wait::{AttemptWait, Deadline};

/// A turn.
pub(crate) struct Turn {
    pub(crate) view: Arc<View>,
    pub(crate) turn: Arc<state::Turn>,
}

/// What a turn shall do at the next safe point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "state::Pending")]
pub(crate) enum Pending {
    /// Stop.
    Interrupt,
    /// Rest.
    Pause,
}

/// Classes of failures, which decide what happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "failure::FailureClass")]
pub(crate) enum FailureClass {
    /// The key is missing or wrong.
    Auth,
    /// Too many requests.
    RateLimit,
    /// The server is overloaded.
    Overloaded,
    /// The server failed.
    Unavailable,
    /// Something took too long.
    Timeout,
    /// The connection failed or broke off.
    Transport,
    /// The server does not accept the request.
    Invalid,
    /// The conversation is too long for the model.
    ContextOverflow,
    /// Quota or credit is used up.
    Quota,
    /// The provider's filter refuses the conversation.
    Refusal,
    /// The server sent what is not its protocol.
    Protocol,
    /// Nothing was sent: the breaker of the provider is open.
    BreakerOpen,
}

/// Why a request to a model failed.
#[derive(Debug, SimpleObject)]
pub(crate) struct Failure {
    /// The class.
    class: FailureClass,
    /// Whether the same request may succeed later.
    retryable: bool,
    /// What happened and what to do.
    message: String,
    /// The HTTP status, where there was one.
    status: Option<u16>,
    /// How long the server asked to wait, in milliseconds.
    retry_after_ms: Option<Long>,
}

impl From<&failure::Failure> for Failure {
    fn from(failure: &failure::Failure) -> Self {
        Self {
            class: failure.class.into(),
            retryable: failure.class.is_retryable(),
            message: failure.message.to_string(),
            status: failure.status,
            retry_after_ms: failure.retry_after_ms.map(Long),
        }
    }
}

/// Why a turn failed: the model gave no answer, the conversation was too long for it, the agent went in circles, or the
/// limit of steps was reached.
#[derive(Default, Debug, SimpleObject)]
pub(crate) struct TurnFailure {
    /// Why the model gave no answer.
    model: Option<Failure>,
    /// The limit of steps that was reached.
    limit: Option<u32>,
    /// How the agent went in circles, and went on when it was told.
    looped: Option<LoopKind>,
    /// Why a conversation that is too long could not be made shorter; `model` then has what the provider said.
    hindrance: Option<String>,
    /// Which budget allows no further request, in words.
    budget: Option<String>,
    /// The models that gave no answer, or were not asked, where several could have been; empty where only one could.
    given_up: Vec<GivenUp>,
    /// Why the last answer is not the result that was asked for, in words.
    no_result: Option<String>,
    /// How often in a row the provider interrupted one answer, where that is more than is allowed.
    paused: Option<u32>,
}

/// An attempt to get an answer to a request.
pub(crate) struct Attempt {
    view: Arc<View>,
    attempt: state::Attempt,
}

/// A block of an answer that arrives.
#[derive(Debug, SimpleObject)]
pub(crate) struct PartialBlock {
    /// Its number in the answer.
    index: u32,
    /// Whether it is complete.
    finished: bool,
    /// What there is of it.
    block: Block,
}

/// An attempt to get an answer to a request.
#[Object]
impl Attempt {
    /// The request.
    async fn request(&self) -> Answer<Option<Request>> {
        Request::find(&self.view, self.attempt.request).map(Some)
    }

    /// The number of the attempt, from 1.
    async fn number(&self) -> u32 {
        self.attempt.number
    }

    /// When the first attempt of this request began.
    async fn first_at(&self) -> Time {
        Time(self.attempt.first_at)
    }

    /// The effect that makes it; null once it has ended.
    async fn effect(&self) -> Option<ID> {
        self.attempt.effect.map(|key| id::effect(self.view.id, key))
    }

    /// What it waits for.
    async fn waits_for(&self) -> Option<AttemptWait> {
        self.attempt.wait.as_ref().map(|wait| wait.on.into())
    }

    /// How long it waits for that.
    async fn deadline(&self) -> Option<Deadline> {
        self.attempt
            .wait
            .as_ref()
            .map(|wait| Deadline::of(self.view.id, None, &wait.deadline))
    }

    /// What has arrived, block by block.
    #[graphql(complexity = "8 * child_complexity")]
    async fn blocks(&self) -> Answer<Option<Vec<PartialBlock>>> {
        let block = |(index, slot): (&u32, &Slot)| {
            let (finished, block) = match slot {
                Slot::Finished(block) => (true, Block::of(&self.view.op, block, None)?),
                Slot::Growing { kind, text } => {
                    let (kind, tool) = match kind {
                        Kind::Text => (BlockKind::Text, None),
                        Kind::Thinking => (BlockKind::Thinking, None),
                        Kind::Kept => (BlockKind::Kept, None),
                        Kind::ToolCall { name, .. } => (BlockKind::ToolCall, Some(name.to_string())),
                    };
                    (false, Block::growing(kind, self.view.op.text(text.text())?, tool))
                }
            };
            Ok(PartialBlock {
                index: *index,
                finished,
                block,
            })
        };
        self.attempt
            .answer
            .blocks
            .iter()
            .map(block)
            .collect::<Answer<_>>()
            .map(Some)
    }

    /// Tokens so far.
    async fn usage(&self) -> Option<Tokens> {
        self.attempt.answer.usage.as_ref().map(Tokens::from)
    }

    /// Why it failed, once it has.
    async fn failure(&self) -> Option<Failure> {
        self.attempt.failure.as_ref().map(Failure::from)
    }
}

/// A turn: one prompt until the agent rests.
#[Object]
impl Turn {
    /// The commit that began it; it names the turn.
    async fn id(&self) -> ID {
        id::commit(self.view.id, self.turn.id.0)
    }

    /// Where it stands: a state of the `turn` chart.
    async fn state(&self) -> &'static str {
        self.turn.state.into()
    }

    /// Whether it has ended.
    async fn ended(&self) -> bool {
        self.turn.state.is_terminal()
    }

    /// Since when it stands there.
    async fn since(&self) -> Time {
        Time(self.turn.since)
    }

    /// When it began.
    async fn began(&self) -> Time {
        Time(self.turn.began)
    }

    /// The dispatch that began it.
    async fn by(&self) -> Dispatch {
        Dispatch::commit(&self.view.op, self.view.id, self.turn.id.0)
    }

    /// Requests so far.
    async fn steps(&self) -> u32 {
        self.turn.steps
    }

    /// Most requests.
    async fn max_steps(&self) -> u32 {
        self.turn.max_steps
    }

    /// What its requests have cost, in billionths of a US dollar, as far as their prices are known.
    async fn spent(&self) -> Long {
        Long(self.turn.spent.0)
    }

    /// What it shall do at the next safe point.
    async fn pending(&self) -> Option<Pending> {
        self.turn.pending.map(Pending::from)
    }

    /// Whether the model owes an answer to what was said last.
    async fn answer_due(&self) -> bool {
        self.turn.answer_due
    }

    /// The result that it is asked for as a value of a JSON Schema; null where it is not asked for one.
    async fn structured(&self) -> Option<StructuredResult> {
        let asked = self.turn.asked.as_ref()?;
        Some(StructuredResult {
            view: Arc::clone(&self.view),
            turn: Arc::clone(&self.turn),
            asked: Arc::clone(asked),
        })
    }

    /// The request under way, or the last one.
    async fn attempt(&self) -> Option<Attempt> {
        let attempt = self.turn.attempt.clone()?;
        Some(Attempt {
            view: Arc::clone(&self.view),
            attempt,
        })
    }

    /// The model that is asked in this turn instead of the session's own; null for that one.
    async fn fallback(&self) -> Option<String> {
        self.turn.failover.model.as_ref().map(ToString::to_string)
    }

    /// The models that were given up in this turn, in order, each with the reason.
    #[graphql(complexity = "4 * child_complexity")]
    async fn given_up(&self) -> Vec<GivenUp> {
        let given_up = self.turn.failover.given_up.iter();
        given_up.map(GivenUp::from).collect()
    }

    /// The calls of the answer that is worked on, in order; their results are not in the conversation yet.
    #[graphql(complexity = "8 * child_complexity")]
    async fn batch(&self) -> Answer<Option<Vec<Call>>> {
        self.turn
            .batch
            .iter()
            .map(|call| Call::find(&self.view, *call))
            .collect::<Answer<_>>()
            .map(Some)
    }

    /// The deadlines that run; none once it has ended.
    #[graphql(complexity = "8 * child_complexity")]
    async fn deadlines(&self) -> Vec<Deadline> {
        if self.turn.state.is_terminal() {
            return Vec::new();
        }
        Deadline::all(self.view.id, &self.view.scope.state)
    }

    /// Why it failed, if it did.
    async fn failure(&self) -> Option<TurnFailure> {
        self.turn.failure.as_ref().map(|failure| match failure {
            state::TurnFailure::Model(failure) => TurnFailure {
                model: Some(failure.into()),
                ..TurnFailure::default()
            },
            state::TurnFailure::TooLong { failure, hindrance } => TurnFailure {
                model: Some(failure.into()),
                hindrance: Some(hindrance.to_string()),
                ..TurnFailure::default()
            },
            state::TurnFailure::NobodyAnswered { given_up } => TurnFailure {
                given_up: given_up.iter().map(GivenUp::from).collect(),
                ..TurnFailure::default()
            },
            state::TurnFailure::Loop { kind } => TurnFailure {
                looped: Some((*kind).into()),
                ..TurnFailure::default()
            },
            state::TurnFailure::Paused { times } => TurnFailure {
                paused: Some(*times),
                ..TurnFailure::default()
            },
            state::TurnFailure::Limit { max_steps } => TurnFailure {
                limit: Some(*max_steps),
                ..TurnFailure::default()
            },
            state::TurnFailure::NoResult { unfit } => TurnFailure {
                no_result: Some(unfit.to_string()),
                ..TurnFailure::default()
            },
            state::TurnFailure::Budget(exhausted) => TurnFailure {
                budget: Some(exhausted.to_string()),
                ..TurnFailure::default()
            },
        })
    }
}

//! Budgets in money: how much a turn, a session and a day may cost, and whether one more request still may be made.
//!
//! Asked before a request is sent, and before it is sent again. What a request will cost is not known then, but what it
//! costs at least is: so none is sent that surely breaks a budget, and what is overdrawn is less than one answer.

use std::fmt;

use glasswork_agent_core::session::State;
use glasswork_ai::controls::Speed;
use glasswork_ai::decimal::{Decimal, Money};
use glasswork_ai::model::ModelId;
use glasswork_ai::price::Rate;
use glasswork_engine::Timestamp;
use serde::{Deserialize, Serialize};

use crate::compaction;
use crate::state::Session;
use crate::usage::Ledger;

/// How much may be spent, in US dollars; `None` sets no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "amounts in US dollars, like `(turn: 0.50, session: 5.00, day: 20.00)`"
)]
pub struct Budget {
    /// In a turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<Money>,
    /// In a session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<Money>,
    /// On a day (UTC), in all sessions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day: Option<Money>,
}

impl Budget {
    /// Whether there is no limit.
    #[must_use]
    pub fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }
}

/// What becomes of a request, where there is a budget, to a model of which nobody knows what it costs.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    Serialize,
    Deserialize,
    strum::VariantArray,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Unpriced {
    /// It is not sent: nobody could say when the budget is used up.
    #[default]
    Refuse,
    /// It is sent, and counts as nothing.
    Allow,
}

/// What has a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Span {
    /// A turn.
    Turn,
    /// A session.
    Session,
    /// A day (UTC), in all sessions.
    Day,
}

/// Why no further request is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exhausted {
    /// It would break the budget.
    Spent {
        /// Whose budget.
        span: Span,
        /// The budget.
        limit: Money,
        /// What was spent of it.
        spent: Money,
        /// What the request would cost at least.
        next: Money,
    },
    /// There is a budget, and nobody knows what the model costs.
    Unpriced {
        /// The model.
        model: ModelId,
    },
    /// There is a budget, and nobody knows what the model takes for a kind of token of which it has counted some.
    HalfPriced {
        /// The model.
        model: ModelId,
        /// What its price would be called.
        rate: Rate,
    },
    /// There is a budget, and nobody knows what the model costs at a speed that is not the usual one.
    SpeedUnpriced {
        /// The model.
        model: ModelId,
        /// The speed.
        speed: Speed,
    },
}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spent {
                span,
                limit,
                spent,
                next,
            } => {
                let span: &str = span.into();
                write!(
                    f,
                    "the budget of the {span}, ${limit}, does not allow another request: ${spent} is spent, and the request \
                     costs ${next} or more; `budget` in the settings sets another"
                )
            }
            Self::SpeedUnpriced { model, speed } => {
                let speed: &str = speed.into();
                write!(
                    f,
                    "there is a budget, and nobody knows what `{model}` costs at the speed `{speed}`: set no `speed`, or no \
                     budget"
                )
            }
            Self::Unpriced { model } => write!(
                f,
                "there is a budget, and nobody knows what `{model}` costs: say it in the `models` directory of your \
                 settings (`price: (input: 0, output: 0)` if it costs nothing), or set `unpriced: \"allow\"`, or no \
                 budget"
            ),
            Self::HalfPriced { model, rate } => write!(
                f,
                "there is a budget, and `{model}` has counted tokens of which nobody knows the price: say its `{rate}` \
                 in the `models` directory of your settings, or set `unpriced: \"allow\"`, or no budget"
            ),
        }
    }
}

/// What the other sessions have spent on a day, as the host has told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Elsewhere {
    /// The day, counted from the first of 1970 (UTC).
    pub day: u64,
    /// How much.
    pub spent: Money,
}

/// The day of a moment, counted from the first of 1970 (UTC).
#[must_use]
pub fn day_of(at: Timestamp) -> u64 {
    u64::try_from(at.0 / (24 * 60 * 60 * 1_000_000)).unwrap_or(0)
}

/// The sum.
pub(crate) fn plus(one: Money, other: Money) -> Money {
    Decimal(one.0.saturating_add(other.0))
}

impl Session {
    /// Why a request to this model, with the conversation as it stands, is not sent; `None` where it may be.
    #[must_use]
    pub fn exhausted(&self, model: &ModelId, at: Timestamp) -> Option<Exhausted> {
        let budget = self.settings.budget.value;
        if budget.is_unlimited() {
            return None;
        }
        let tokens = self.context.calibration().estimate(self.context.tokens());
        let prices = self.settings.prices.value.get(model);
        let next = prices.and_then(|prices| prices.least(tokens));
        // Also one that has just failed for this very reason, until the session takes note of its end.
        let turn = self
            .turn
            .as_ref()
            .filter(|_| matches!(self.state, State::Busy | State::Closing));
        // What a session has inherited was spent by another one.
        let own = self.spent();
        let next = match (self.settings.unpriced.value, next) {
            (Unpriced::Allow, next) => next.unwrap_or_default(),
            (Unpriced::Refuse, None) => {
                let model = model.clone();
                return Some(Exhausted::Unpriced { model });
            }
            (Unpriced::Refuse, Some(next)) => {
                if let Some(rate) = prices.and_then(|prices| own.unpriced(model, prices)) {
                    let model = model.clone();
                    return Some(Exhausted::HalfPriced { model, rate });
                }
                next
            }
        };
        let spans = [
            (
                Span::Turn,
                budget.turn,
                turn.map_or(Decimal(0), |turn| turn.spent),
            ),
            (Span::Session, budget.session, own.spent()),
            (Span::Day, budget.day, self.spent_on(day_of(at), &own)),
        ];
        spans.into_iter().find_map(|(span, limit, spent)| {
            let limit = limit.filter(|limit| plus(spent, next) > *limit)?;
            Some(Exhausted::Spent {
                span,
                limit,
                spent,
                next,
            })
        })
    }

    /// What was spent on a day, here and elsewhere, as far as it is known.
    fn spent_on(&self, day: u64, own: &Ledger) -> Money {
        let elsewhere = self.usage.elsewhere.filter(|elsewhere| elsewhere.day == day);
        let here = own.days.get(&day).copied().unwrap_or_default();
        plus(here, elsewhere.map_or(Decimal(0), |elsewhere| elsewhere.spent))
    }

    /// Why the next step of the open turn may send no request: its own, or the one for the summary that comes before it.
    pub(crate) fn step_exhausted(&self, at: Timestamp) -> Option<Exhausted> {
        self.next_exhausted(at).or_else(|| {
            let summariser = self.settings.compact_model.value.as_ref()?;
            match compaction::is_due(self) {
                true => self.exhausted(summariser, at),
                false => None,
            }
        })
    }

    /// Why the open turn, or the summary under way, may send no further request.
    pub(crate) fn next_exhausted(&self, at: Timestamp) -> Option<Exhausted> {
        let settings = &self.settings;
        let in_summary = self.compactions.open.is_some();
        let own = self.asked_model();
        let model = match in_summary {
            true => settings.compact_model.value.as_ref().or(own),
            false => own,
        }?;
        let speed = self
            .next_speed(model)
            .filter(|speed| !in_summary && !speed.is_usual());
        if let Some(speed) = speed.filter(|_| !settings.budget.value.is_unlimited()) {
            let model = model.clone();
            return Some(Exhausted::SpeedUnpriced { model, speed });
        }
        self.exhausted(model, at)
    }
}

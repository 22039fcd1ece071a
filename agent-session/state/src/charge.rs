//! What calls of a provider cost: one entry of the ledger for each call, decided once, with the prices of that day.

use std::sync::Arc;

use glasswork_ai::controls::Speed;
use glasswork_ai::decimal::Money;
use glasswork_ai::stream::Usage;
use glasswork_engine::Moment;
use serde::{Deserialize, Serialize};

use crate::budget::{day_of, plus};
use crate::draft::Draft;
use crate::model::Fact;
use crate::state::Session;

/// Days of which the spending is kept. Longer than any budget looks back, and at most so many numbers.
pub const DAYS: usize = 400;

/// What a call of a provider has used and cost, whatever came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// The tokens, as the provider counted them; `None` where it began to answer and did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What they cost; `None` where the price of any of them is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Money>,
    /// By which prices.
    pub prices: Arc<str>,
}

/// How an attempt ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// By the server's word, or for want of it.
    Heard,
    /// Because nobody wants to hear more, or nobody is left to.
    Dropped,
}

/// Enters the attempt under way into the ledger, before it is closed. A model of whose prices nobody has said anything,
/// not even that they are not known, has no entry: so it was before that was said.
///
/// A server that failed before its first token wants nothing for it. What was dropped before that may well be answered,
/// and paid for.
pub(crate) fn enter(draft: &mut Draft<'_>, end: End) {
    let session = &draft.session;
    let Some(attempt) = session.attempt() else { return };
    let usage = attempt.answer.usage;
    if end == End::Heard && usage.is_none() && attempt.answer.is_empty() {
        return;
    }
    let prepared = session.requests.get(&attempt.request);
    let Some(prices) = prepared.and_then(|prepared| session.settings.prices.value.get(&prepared.model))
    else {
        return;
    };
    // What an answer costs that came sooner or later than usual, the prices do not say.
    let usual = prepared.is_none_or(|prepared| prepared.controls.speed.is_none_or(Speed::is_usual));
    let charge = Charge {
        usage,
        cost: usage
            .as_ref()
            .filter(|_| usual)
            .and_then(|usage| prices.cost(usage)),
        prices: Arc::clone(&prices.version),
    };
    draft.fact(Fact::Charged(charge).into());
}

impl Session {
    pub(crate) fn charge(&mut self, charge: &Charge, moment: Moment) {
        let Some(attempt) = self.attempt() else { return };
        let Some(prepared) = self.requests.get(&attempt.request) else {
            return;
        };
        let (model, of) = (prepared.model.clone(), prepared.turn);
        self.usage.charge(&model, charge, day_of(moment.at));
        if let Some(cost) = charge.cost
            && let Some(turn) = self.turn_mut()
            && turn.id == of
        {
            turn.spent = plus(turn.spent, cost);
        }
    }
}

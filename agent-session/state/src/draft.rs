//! A decision while it is made: every fact is applied to a private copy at once, so that what is decided next
//! sees it.

use std::sync::Arc;

use glasswork_agent_core::branch_summary::{BranchSummary, Left};
use glasswork_agent_core::compaction::{Compaction, Why};
use glasswork_ai::image::Image;
use glasswork_engine::{Context, Decision, EffectKey, Moment};

use crate::compaction::{Guard, Leaving};
use crate::domain::{Fact, Glasswork, Reply};
use crate::effect::Effect;
use crate::keys::KEY_BYTES;
use crate::rejection::Rejection;
use crate::state::Session;
use crate::structured::Wanted;
use crate::{evolve, prompt};

/// A decision while it is made.
pub(crate) struct Draft<'a> {
    /// The session as it is after the facts so far.
    pub(crate) session: Arc<Session>,
    /// Which dispatch decides, when, and who asked.
    pub(crate) context: &'a Context<'a>,
    /// Words that the asker brought and that wait to be queued or said.
    pub(crate) words: Option<Arc<str>>,
    /// The images that come with them.
    pub(crate) images: Vec<Image>,
    /// The limit of steps that the asker brought.
    pub(crate) max_steps: Option<u32>,
    /// The result that the asker wants of the turn.
    pub(crate) wanted: Option<Arc<Wanted>>,
    /// Why a compaction begins, where someone asked for it.
    pub(crate) why: Option<Why>,
    /// The compaction that an answer came to, and why none follows by itself.
    pub(crate) compaction: Option<(Arc<Compaction>, Option<Guard>)>,
    /// The branch that is left with a summary, where someone asked for that.
    pub(crate) leaving: Option<(Leaving, Left)>,
    /// The summary of it that an answer came to.
    pub(crate) branch: Option<Arc<BranchSummary>>,
    /// The text that had arrived of an attempt that has just failed.
    pub(crate) said: Option<String>,
    facts: Vec<Fact>,
    effects: Vec<Effect>,
    stops: Vec<EffectKey>,
    closes: Vec<EffectKey>,
    entries: u16,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(session: &Arc<Session>, context: &'a Context<'a>) -> Self {
        Self {
            session: Arc::clone(session),
            context,
            words: None,
            images: vec![],
            max_steps: None,
            wanted: None,
            why: None,
            compaction: None,
            leaving: None,
            branch: None,
            said: None,
            facts: vec![],
            effects: vec![],
            stops: vec![],
            closes: vec![],
            entries: 0,
        }
    }

    /// States a fact.
    pub(crate) fn fact(&mut self, fact: Fact) {
        let moment = Moment {
            seq: self.context.id.seq,
            at: self.context.at,
        };
        evolve::session(Arc::make_mut(&mut self.session), &fact, moment);
        self.facts.push(fact);
    }

    /// Takes note of the asker's idempotency key, where there is one.
    ///
    /// # Errors
    /// Where it is too long, or was used before.
    pub(crate) fn once(&mut self, key: Option<&Arc<str>>) -> Result<(), Rejection> {
        let Some(key) = key else { return Ok(()) };
        if key.len() > KEY_BYTES {
            return Err(Rejection::KeyTooLong);
        }
        if let Some(first) = self.session.keys.first_use(key) {
            return Err(Rejection::Repeated { first });
        }
        let key = Arc::clone(key);
        self.fact(prompt::Fact::Keyed { key }.into());
        Ok(())
    }

    /// States a fact at which nothing that is decided after it looks: it is not applied here.
    pub(crate) fn note(&mut self, fact: Fact) {
        self.facts.push(fact);
    }

    /// The facts so far.
    pub(crate) fn facts(&self) -> &[Fact] {
        &self.facts
    }

    /// Asks for an effect; returns its number.
    pub(crate) fn effect(&mut self, effect: Effect) -> u16 {
        let number = u16::try_from(self.effects.len()).unwrap_or(u16::MAX);
        self.effects.push(effect);
        number
    }

    /// Takes `count` numbers for entries; returns the first.
    pub(crate) fn entries(&mut self, count: u16) -> u16 {
        let first = self.entries;
        self.entries = self.entries.saturating_add(count);
        first
    }

    /// Asks an effect's runner to stop.
    pub(crate) fn stop(&mut self, effect: EffectKey) {
        self.stops.push(effect);
    }

    /// Closes an effect without its runner's word.
    pub(crate) fn close(&mut self, effect: EffectKey) {
        if !self.closes.contains(&effect) {
            self.closes.push(effect);
        }
    }

    pub(crate) fn decide(self, reply: Reply) -> Decision<Glasswork> {
        Decision {
            facts: self.facts,
            effects: self.effects,
            stops: self.stops,
            closes: self.closes,
            consequences: vec![],
            reply,
        }
    }
}

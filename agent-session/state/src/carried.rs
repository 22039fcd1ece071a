//! The request that would be prepared now, and what it carries beside the conversation.

use std::sync::Arc;

use glasswork_agent_core::context::{Plan, Prepared, Purpose};
use glasswork_agent_core::id::TurnId;
use glasswork_agent_core::tree::Body;
use glasswork_ai::controls::Speed;
use glasswork_ai::model::ModelId;
use glasswork_ai::stream::Usage;
use glasswork_ai::takes::{Asked, Fitted, Takes};

use crate::cache_policy::Places;
use crate::state::Session;

/// How far is looked for a part that can have a breakpoint. Nearly always it is the first that is looked at.
const FAR: u64 = 16;

impl Session {
    /// The request that would be prepared now: what prepares one asks here, and so does who wants to see it before.
    /// `None` where no model is chosen.
    #[must_use]
    pub fn next_prepared(&self) -> Option<Prepared> {
        let settings = &self.settings;
        let model = self.asked_model().cloned()?;
        let plan = self.context.plan();
        let Fitted {
            thinking,
            mut controls,
            mut adjusted,
        } = self.fitted(&model);
        let form = settings
            .takes
            .value
            .get(&model)
            .map_or(Takes::default().cache, |takes| takes.cache);
        let policy = &settings.cache.value;
        let (cache, more) = policy.project(form, self.places(&plan), &self.cache_key(&plan));
        controls.cache = cache;
        adjusted.extend(more);
        Some(Prepared {
            turn: self.turn.as_ref().map_or(TurnId(0), |turn| turn.id),
            by: 0,
            plan,
            model,
            output: self.next_output(),
            thinking,
            max_output_tokens: settings.max_output_tokens.value,
            controls,
            adjusted,
            body: None,
            usage: Usage::default(),
            attempts: 0,
            purpose: Purpose::Step,
        })
    }

    /// How fast the next answer of a model would be asked to come.
    pub(crate) fn next_speed(&self, model: &ModelId) -> Option<Speed> {
        self.settings.speed.value?;
        self.fitted(model).controls.speed
    }

    fn fitted(&self, model: &ModelId) -> Fitted {
        let settings = &self.settings;
        let asked = Asked {
            thinking: settings.thinking.value,
            temperature: settings.temperature.value,
            top_p: settings.top_p.value,
            stop: &settings.stop.value,
            effort: settings.effort.value,
            speed: settings.speed.value,
        };
        match settings.takes.value.get(model) {
            Some(takes) => takes.fit(&asked),
            None => Takes::default().fit(&asked),
        }
    }

    /// Requests that begin alike have the same, so that of a fork stays that of the session that it comes from.
    fn cache_key(&self, plan: &Plan) -> Arc<str> {
        let base = plan.base.and_then(|base| self.requests.get(&base));
        match base.and_then(|base| base.controls.cache.key.as_ref()) {
            Some(key) => Arc::clone(key),
            None => self.id.to_string().into(),
        }
    }

    /// Where the places of a cache policy are. Touches the last parts, and those that a bisection looks at.
    fn places(&self, plan: &Plan) -> Places {
        let head = self.context.head();
        let all = u64::try_from(self.context.parts().len()).unwrap_or(u64::MAX);
        Places {
            tools: !head.tools.is_empty(),
            system: head.system.iter().any(|part| !part.part.text.trim().is_empty()),
            user: self.first_words(all),
            before: self.markable(plan.kept),
            end: self.markable(all),
        }
    }

    /// The last of the first `parts` parts that can have a breakpoint: something with words that the model is told.
    fn markable(&self, parts: u64) -> Option<u64> {
        let mut places = (parts.saturating_sub(FAR)..parts).rev();
        places.find(|place| match self.part(*place) {
            Some(Body::Prompt { text, .. }) => !text.trim().is_empty(),
            Some(Body::ToolResult { result, .. }) => !result.text.trim().is_empty(),
            Some(Body::Compaction(_) | Body::BranchSummary(_) | Body::Notice(_)) => true,
            Some(Body::Assistant(_) | Body::Superseded(_)) | None => false,
        })
    }

    fn part(&self, place: u64) -> Option<&Body> {
        let part = self.context.parts().get(usize::try_from(place).ok()?)?;
        Some(&self.tree.get(part.entry)?.body)
    }

    /// The last part that the commit brought which began the open turn.
    fn first_words(&self, parts: u64) -> Option<u64> {
        let began = self.open_turn()?.id.0;
        let seq = |place: u64| {
            let part = self.context.parts().get(usize::try_from(place).ok()?)?;
            Some(part.entry.seq)
        };
        // A compaction stands before what is older than it; the others are in the order in which they came.
        let mut low = u64::from(matches!(self.part(0), Some(Body::Compaction(_))));
        let mut high = parts;
        while low < high {
            let middle = low + (high - low) / 2;
            match seq(middle) {
                Some(seq) if seq <= began => low = middle + 1,
                _ => high = middle,
            }
        }
        let last = low.checked_sub(1)?;
        let said = matches!(self.part(last), Some(Body::Prompt { .. }));
        (said && seq(last) == Some(began)).then_some(last)
    }
}

//! The result that a turn is asked for as a value of a JSON Schema: what was asked, by which means, and what came.

use std::sync::Arc;

use glasswork_agent_core::id::{EntryId, RequestId};
use glasswork_agent_core::json_schema::Schema;
use glasswork_agent_core::loop_guard::{About, Notice};
use glasswork_agent_core::structured::{self, Outcome, Telling, Unfit};
use glasswork_agent_core::tree::Body;
use glasswork_ai::conversation::Block;
use glasswork_ai::model::ModelId;
use glasswork_ai::structured::{Form, Means};
use glasswork_engine::Moment;
use im::{OrdMap, Vector};
use serde::{Deserialize, Serialize};

use crate::draft::Draft;
use crate::state::{Session, Turn, TurnFailure};
use crate::turn;

/// How many answers of a turn are remembered that should have been the result; the oldest are forgotten.
pub const ATTEMPTS_CAP: usize = 16;

/// A result that a turn is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// The JSON Schema, as text.
    pub schema: Arc<str>,
    /// BLAKE3 of that text, in hexadecimal.
    pub digest: Arc<str>,
    /// The best means for the models in force. One that is not here is asked in words.
    #[serde(default, skip_serializing_if = "OrdMap::is_empty")]
    pub means: OrdMap<ModelId, Means>,
}

/// How it stands with the result that a turn is asked for. The schema itself is in the
/// [context](glasswork_agent_core::context::Context::schema).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// [`Wanted::digest`].
    pub digest: Arc<str>,
    /// [`Wanted::means`].
    #[serde(default, skip_serializing_if = "OrdMap::is_empty")]
    pub means: OrdMap<ModelId, Means>,
    /// Where the model was told in words what its last answer has to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<EntryId>,
    /// Whether the model was asked for the result by itself, because it had done its work.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub due: bool,
    /// Whether the model was told that its answer is not the result. It is told so once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asked_again: bool,
    /// The answers that should have been the result, oldest first.
    #[serde(default, skip_serializing_if = "Vector::is_empty")]
    pub tries: Vector<Try>,
}

/// An answer that should have been the result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Try {
    /// The request that it answers.
    pub request: RequestId,
    /// What came of it.
    pub outcome: Outcome,
}

impl Asked {
    /// By which means a model is brought to give the result.
    #[must_use]
    pub fn means(&self, model: &ModelId) -> Means {
        self.means.get(model).copied().unwrap_or(Means::PROMPTED)
    }

    fn outcome_of(&self, request: RequestId) -> Option<&Outcome> {
        let last = self.tries.last().filter(|tried| tried.request == request);
        last.map(|tried| &tried.outcome)
    }

    /// Words of people came: the work goes on, and whatever was answered so far is not the end of it.
    pub(crate) fn reopen(&mut self) {
        self.due = false;
        self.asked_again = false;
    }
}

impl Turn {
    /// The result, as JSON on one line, once it is here.
    #[must_use]
    pub fn result(&self) -> Option<&Arc<str>> {
        match self.judged()? {
            Outcome::Fits { value, .. } => Some(value),
            Outcome::Unfit(_) => None,
        }
    }

    /// What came of the last answer, where it should have been the result.
    fn judged(&self) -> Option<&Outcome> {
        let request = self.attempt.as_ref()?.request;
        self.asked.as_ref()?.outcome_of(request)
    }

    /// Whether the last answer, to which nothing was said since, was judged as the result.
    pub(crate) fn is_judged(&self) -> bool {
        !self.answer_due && self.judged().is_some()
    }
}

impl Session {
    /// By which means the answer to the next request shall be the result; `None` where it need not be.
    #[must_use]
    pub fn next_output(&self) -> Option<Means> {
        let asked = self.open_turn()?.asked.as_ref()?;
        let means = asked.means(self.asked_model()?);
        let has_tools = !self.context.head().tools.is_empty();
        (means.with_tools || asked.due || !has_tools).then_some(means)
    }

    /// Why the model is to be asked for the result.
    fn result_due(&self, turn: &Turn) -> Option<Due> {
        let asked = turn.asked.as_ref()?;
        if turn.steps == 0 || turn.answer_due || !self.queue.steering.is_empty() {
            return None;
        }
        let attempt = turn.attempt.as_ref().filter(|attempt| attempt.stop.is_some())?;
        match asked.outcome_of(attempt.request) {
            Some(Outcome::Fits { .. }) => None,
            Some(Outcome::Unfit(unfit)) if asked.asked_again || *unfit == Unfit::Refused => {
                Some(Due::Lost(unfit.clone()))
            }
            Some(Outcome::Unfit(unfit)) => Some(Due::Ask(Telling::Unfit, Some(unfit.clone()))),
            None if asked.due => Some(Due::Lost(Unfit::Empty)),
            None => Some(Due::Ask(Telling::Due, None)),
        }
    }
}

/// What is to be done for the result.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Due {
    /// The model is to be asked for it.
    Ask(Telling, Option<Unfit>),
    /// It will not come.
    Lost(Unfit),
}

/// Whether the model is to be asked for the result, and whether it will not be any more.
pub(crate) fn due(session: &Session, turn: &Turn) -> (bool, bool) {
    let due = session.result_due(turn);
    (
        matches!(due, Some(Due::Ask(..))),
        matches!(due, Some(Due::Lost(_))),
    )
}

/// What was decided of the result of a turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// The turn is asked for a result.
    Wanted(Arc<Wanted>),
    /// The model is told of it: an entry of the conversation.
    Told {
        /// Number of the entry among those of this commit.
        #[serde(default, skip_serializing_if = "crate::unwritten::is_zero")]
        entry: u16,
        /// Why.
        telling: Telling,
        /// What it is told.
        text: Arc<str>,
    },
    /// An answer was judged that should be the result.
    Tried(Try),
}

impl Fact {
    pub(crate) fn apply(&self, session: &mut Session, moment: Moment) {
        match self {
            Self::Wanted(wanted) => {
                let Some(turn) = session.turn_mut() else { return };
                turn.asked = Some(Arc::new(Asked {
                    digest: Arc::clone(&wanted.digest),
                    means: wanted.means.clone(),
                    told: None,
                    due: false,
                    asked_again: false,
                    tries: Vector::new(),
                }));
                let id = turn.id;
                session.context.set_schema(id, Arc::clone(&wanted.schema));
            }
            Self::Told { entry, telling, text } => {
                let notice = Notice {
                    kind: About::Result(*telling),
                    text: Arc::clone(text),
                };
                let id = session.say(moment, *entry, Body::Notice(Arc::new(notice)));
                let Some(asked) = session.asked_mut() else { return };
                match telling {
                    Telling::Wanted => asked.told = Some(id),
                    Telling::Due => asked.due = true,
                    Telling::Unfit => asked.asked_again = true,
                }
            }
            Self::Tried(tried) => {
                let Some(asked) = session.asked_mut() else { return };
                asked.tries.push_back(tried.clone());
                while asked.tries.len() > ATTEMPTS_CAP {
                    asked.tries.pop_front();
                }
            }
        }
    }
}

impl Session {
    pub(crate) fn asked_mut(&mut self) -> Option<&mut Asked> {
        self.turn_mut()?.asked.as_mut().map(Arc::make_mut)
    }
}

/// Tells the model in words what its last answer has to be, where its server is not told: before the first request, and
/// again where a summary stands for that.
pub(crate) fn remind(draft: &mut Draft<'_>) {
    let session = &draft.session;
    let Some(means) = session.next_output().filter(|means| means.form == Form::Prompted) else {
        return;
    };
    let told = session.open_turn().and_then(|turn| turn.asked.as_ref()?.told);
    let summarised = |told: EntryId| {
        let first = session.context.parts().front();
        let entry = first.and_then(|part| session.tree.get(part.entry));
        matches!(entry.map(|entry| &entry.body), Some(Body::Compaction(compaction)) if compaction.first_kept > told)
    };
    if told.is_none_or(summarised) {
        tell(draft, Telling::Wanted, None, means);
    }
}

/// Asks the model for the result.
pub(crate) fn ask(draft: &mut Draft<'_>) {
    let session = &draft.session;
    let Some(turn) = session.open_turn() else { return };
    let model = session.asked_model();
    let means = model.and_then(|model| Some(turn.asked.as_ref()?.means(model)));
    if let (Some(Due::Ask(telling, unfit)), Some(means)) = (session.result_due(turn), means) {
        tell(draft, telling, unfit.as_ref(), means);
    }
}

fn tell(draft: &mut Draft<'_>, telling: Telling, unfit: Option<&Unfit>, means: Means) {
    let Some(schema) = schema(&draft.session) else {
        return;
    };
    let text = structured::words(telling, unfit, means, &schema);
    let entry = draft.entries(1);
    draft.fact(Fact::Told { entry, telling, text }.into());
}

/// Says that there was no result.
pub(crate) fn blame(draft: &mut Draft<'_>) {
    let turn = draft.session.turn.as_ref();
    // Its chart has moved to its end by now.
    if let Some(Due::Lost(unfit)) = turn.and_then(|turn| draft.session.result_due(turn)) {
        draft.fact(turn::Fact::Blamed(TurnFailure::NoResult { unfit }).into());
    }
}

/// Judges the answer that was just kept, where it should be the result.
pub(crate) fn judge(draft: &mut Draft<'_>) {
    let session = &draft.session;
    let attempt = session.open_turn().and_then(|turn| turn.attempt.as_ref());
    let Some((request, stop)) = attempt.and_then(|attempt| Some((attempt.request, attempt.stop.clone()?)))
    else {
        return;
    };
    let means = session
        .requests
        .get(&request)
        .and_then(|prepared| prepared.output);
    let (Some(means), Some(schema)) = (means, schema(session)) else {
        return;
    };
    let last = session.tree.branch().next().map(|(_, entry)| &entry.body);
    let text: String = match last {
        Some(Body::Assistant(answer)) if answer.request == Some(request) => {
            let texts = answer.blocks.iter().filter_map(|block| match block {
                Block::Text(text) => Some(&**text),
                Block::Thinking(_) | Block::ToolCall(_) | Block::Kept(_) => None,
            });
            texts.collect()
        }
        _ => String::new(),
    };
    let outcome = structured::judge(&text, &stop, means, &schema);
    draft.fact(Fact::Tried(Try { request, outcome }).into());
}

/// The schema of the result that the turn is asked for.
fn schema(session: &Session) -> Option<Schema> {
    let turn = session.turn.as_ref().filter(|turn| turn.asked.is_some())?;
    Schema::parse(session.context.schema(turn.id)?).ok()
}

//! Results that turns are asked for as values of a JSON Schema.

use std::sync::Arc;

use async_graphql::{Enum, ID, Json, Object, SimpleObject};
use glasswork_agent_core::json_schema;
use glasswork_agent_core::structured::{self as core, Outcome, Unfit};
use glasswork_ai::structured as ai;
use glasswork_session_state::state::Turn;
use glasswork_session_state::structured::{Asked, Try};
use serde_json::Value;

use crate::error::Answer;
use crate::id;
use crate::request::Request;
use crate::session::View;

/// Why a model is told of the result that is wanted of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "core::Telling")]
pub(crate) enum ResultTelling {
    /// It is asked for it in words: what its last answer has to be.
    Wanted,
    /// It has done its work, and is asked for it by itself.
    Due,
    /// Its answer was not it.
    Unfit,
}

/// How a model is brought to answer with a value of a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "ai::Form")]
pub(crate) enum ResultForm {
    /// The server gets the schema and holds the answer to it.
    Strict,
    /// The server gets the schema, and the model keeps to it as well as it can.
    Loose,
    /// The model has to call a tool whose arguments are the result.
    Tool,
    /// The model is told in words.
    Prompted,
}

/// What stood around a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "core::Around")]
pub(crate) enum AroundResult {
    /// Nothing but blanks.
    Nothing,
    /// A fence, and perhaps words around that.
    Fence,
    /// Words.
    Words,
}

/// What came of an answer that should be the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum ResultOutcome {
    /// It is the result.
    Fits,
    /// It has no text.
    Empty,
    /// It is not JSON.
    NotJson,
    /// It has several values.
    Several,
    /// It is JSON, and not of the schema.
    Misfit,
    /// It reached the limit of output tokens.
    Cut,
    /// It is too long.
    TooLong,
    /// The model, or its provider, refused to answer.
    Refused,
}

impl From<&Unfit> for ResultOutcome {
    fn from(unfit: &Unfit) -> Self {
        match unfit {
            Unfit::Empty => Self::Empty,
            Unfit::NotJson { .. } => Self::NotJson,
            Unfit::Several => Self::Several,
            Unfit::Misfit(_) => Self::Misfit,
            Unfit::Cut => Self::Cut,
            Unfit::TooLong { .. } => Self::TooLong,
            Unfit::Refused => Self::Refused,
        }
    }
}

/// A part of an answer that does not fit the schema.
#[derive(Debug, SimpleObject)]
pub(crate) struct ResultMisfit {
    /// Which part, as `items[2].name`; `value` for the whole.
    path: String,
    /// What belongs there.
    expected: String,
    /// What is there.
    got: String,
}

/// The means by which a model is brought to give the result.
#[derive(Debug, SimpleObject)]
pub(crate) struct ResultMeans {
    /// How.
    form: ResultForm,
    /// Whether the model may be offered tools in the same request.
    with_tools: bool,
}

impl From<ai::Means> for ResultMeans {
    fn from(means: ai::Means) -> Self {
        Self {
            form: means.form.into(),
            with_tools: means.with_tools,
        }
    }
}

/// The same, for a model.
#[derive(SimpleObject)]
pub(crate) struct ResultMeansOf {
    /// The model, as `provider/id`.
    model: String,
    /// The means.
    means: ResultMeans,
}

/// An answer that should have been the result.
pub(crate) struct ResultAttempt {
    view: Arc<View>,
    tried: Try,
}

/// An answer that should have been the result.
#[Object]
impl ResultAttempt {
    /// The request that it answers.
    async fn request(&self) -> Answer<Option<Request>> {
        Request::find(&self.view, self.tried.request).map(Some)
    }

    /// That request's name.
    async fn request_id(&self) -> ID {
        id::request(self.view.id, self.tried.request)
    }

    /// What came of it.
    async fn outcome(&self) -> ResultOutcome {
        match &self.tried.outcome {
            Outcome::Fits { .. } => ResultOutcome::Fits,
            Outcome::Unfit(unfit) => unfit.into(),
        }
    }

    /// Why it is not the result, in words; null where it is.
    async fn error(&self) -> Answer<Option<String>> {
        match &self.tried.outcome {
            Outcome::Fits { .. } => Ok(None),
            Outcome::Unfit(unfit) => self.view.op.text(unfit.to_string()).map(Some),
        }
    }

    /// The parts that do not fit the schema; empty where it fits, or is no JSON at all.
    async fn misfits(&self) -> Vec<ResultMisfit> {
        let Outcome::Unfit(Unfit::Misfit(misfits)) = &self.tried.outcome else {
            return Vec::new();
        };
        let misfits = misfits.iter().cloned();
        misfits
            .map(|json_schema::Misfit { path, expected, got }| ResultMisfit { path, expected, got })
            .collect()
    }

    /// What stood around the result; null where it is not the result.
    async fn around(&self) -> Option<AroundResult> {
        match &self.tried.outcome {
            Outcome::Fits { around, .. } => Some((*around).into()),
            Outcome::Unfit(_) => None,
        }
    }
}

/// The result that a turn is asked for as a value of a JSON Schema.
pub(crate) struct StructuredResult {
    pub(crate) view: Arc<View>,
    pub(crate) turn: Arc<Turn>,
    pub(crate) asked: Arc<Asked>,
}

/// The result that a turn is asked for as a value of a JSON Schema.
#[Object]
impl StructuredResult {
    /// The schema.
    async fn schema(&self) -> Option<Json<Value>> {
        let text = self.view.session.context.schema(self.turn.id)?;
        serde_json::from_str(text).ok().map(Json)
    }

    /// BLAKE3 of the schema's text, in hexadecimal.
    async fn schema_digest(&self) -> &str {
        &self.asked.digest
    }

    /// The means by which the session's model is brought to give it.
    async fn means(&self) -> Option<ResultMeans> {
        let model = self.view.session.settings.model.value.as_ref()?;
        Some(self.asked.means(model).into())
    }

    /// The best means for each model that was in force when the turn began; another one is asked in words.
    async fn known_means(&self) -> Vec<ResultMeansOf> {
        let known = self.asked.means.iter();
        known
            .map(|(model, means)| ResultMeansOf {
                model: model.to_string(),
                means: (*means).into(),
            })
            .collect()
    }

    /// Whether the model was asked for it by itself, because it had done its work.
    async fn due(&self) -> bool {
        self.asked.due
    }

    /// Whether the model was told that its answer is not the result. It is told so once.
    async fn asked_again(&self) -> bool {
        self.asked.asked_again
    }

    /// The answers that should have been it, oldest first; the last sixteen.
    #[graphql(complexity = "4 * child_complexity")]
    async fn attempts(&self) -> Vec<ResultAttempt> {
        let tries = self.asked.tries.iter();
        tries
            .map(|tried| ResultAttempt {
                view: Arc::clone(&self.view),
                tried: tried.clone(),
            })
            .collect()
    }

    /// The result; null where it is not here.
    async fn value(&self) -> Option<Json<Value>> {
        serde_json::from_str(self.turn.result()?).ok().map(Json)
    }

    /// The same as text, on one line, each number as the model wrote it.
    async fn value_text(&self) -> Answer<Option<String>> {
        let text = self.turn.result();
        text.map(|text| self.view.op.text(&**text)).transpose()
    }
}

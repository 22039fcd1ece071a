//! The agent's plan: the steps that the model means to take, and how far it is with them.
//!
//! The model writes the whole list each time, as it does for every agent that has such a tool. A step whose text is the
//! same stays the same step, so people see what changed, and since when it stands where it does.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use glasswork_engine::{Moment, Timestamp};
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantArray};

use crate::id::{CallId, StepId};

/// The tool by which a model writes its plan: the name under which models have learnt such a tool.
pub const TOOL: &str = "update_plan";
/// Most steps of a plan.
pub const STEPS_CAP: usize = 64;
/// Most bytes of the text of a step.
pub const TEXT_BYTES: usize = 512;
/// Most bytes of what is said of a plan as a whole.
pub const EXPLANATION_BYTES: usize = 2048;

/// How far the agent is with a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, VariantArray, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Status {
    /// It has not begun.
    Pending,
    /// It is at it.
    InProgress,
    /// It is done.
    Completed,
}

/// How much a step matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, VariantArray, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Priority {
    /// More than others.
    High,
    /// As others do.
    Medium,
    /// Less than others.
    Low,
}

/// A step as the model writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// What is to be done.
    pub step: Arc<str>,
    /// How far it is.
    pub status: Status,
    /// How much it matters, where the model says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
}

/// A plan as the model writes it. No steps at all are no plan any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    /// What is said of it as a whole: why it changes, for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Arc<str>>,
    /// The steps, in order.
    pub plan: Vec<Written>,
}

/// A step with its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Its name.
    pub id: StepId,
    /// What is to be done.
    pub text: Arc<str>,
    /// How far it is.
    pub status: Status,
    /// How much it matters, where the model said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
}

/// A step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its name.
    pub id: StepId,
    /// What is to be done.
    pub text: Arc<str>,
    /// How far it is.
    pub status: Status,
    /// How much it matters, where the model said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// Since when it is as far as it is.
    pub since: Timestamp,
}

/// The agent's plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The call that wrote it last.
    pub call: CallId,
    /// When.
    pub at: Timestamp,
    /// What the model said of it as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Arc<str>>,
    /// The steps, in order; never none.
    pub steps: Vec<Step>,
}

/// Why a plan is none. The model is told this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Unfit {
    /// There are too many steps.
    #[error("{steps} steps are too many: a plan has at most {STEPS_CAP}; put some together")]
    TooManySteps {
        /// How many there are.
        steps: usize,
    },
    /// A step says nothing.
    #[error("step {step} has no text: say what is to be done")]
    EmptyStep {
        /// Its place, from 1.
        step: usize,
    },
    /// The text of a step is too long.
    #[error("the text of step {step} is too long: it has at most {TEXT_BYTES} bytes; say it in short")]
    LongStep {
        /// Its place, from 1.
        step: usize,
    },
    /// What is said of the plan as a whole is too long.
    #[error("the explanation is too long: it has at most {EXPLANATION_BYTES} bytes")]
    LongExplanation,
    /// Two steps are in progress.
    #[error(
        "steps {first} and {second} are both in progress: at most one is; leave the other `pending` until you come to it"
    )]
    TwoInProgress {
        /// The place of the first, from 1.
        first: usize,
        /// The place of the second.
        second: usize,
    },
}

impl Draft {
    /// The same without space around the texts, where it is a plan.
    ///
    /// # Errors
    /// [`Unfit`].
    pub fn checked(&self) -> Result<Self, Unfit> {
        let steps = self.plan.len();
        if steps > STEPS_CAP {
            return Err(Unfit::TooManySteps { steps });
        }
        let explanation = self.explanation.as_deref().map(str::trim);
        let explanation = explanation.filter(|text| !text.is_empty());
        if explanation.is_some_and(|text| text.len() > EXPLANATION_BYTES) {
            return Err(Unfit::LongExplanation);
        }
        let mut at_it = None;
        let mut plan = Vec::with_capacity(steps);
        for (place, written) in (1..).zip(&self.plan) {
            let text = written.step.trim();
            if text.is_empty() {
                return Err(Unfit::EmptyStep { step: place });
            }
            if text.len() > TEXT_BYTES {
                return Err(Unfit::LongStep { step: place });
            }
            if written.status == Status::InProgress
                && let Some(first) = at_it.replace(place)
            {
                return Err(Unfit::TwoInProgress { first, second: place });
            }
            plan.push(Written {
                step: text.into(),
                ..written.clone()
            });
        }
        Ok(Self {
            explanation: explanation.map(Into::into),
            plan,
        })
    }

    /// The steps with their names: a step keeps its name that has the text of one of the plan before, the first the first
    /// one's where there are several; the others are named by the commit `seq`.
    #[must_use]
    pub fn named(&self, before: Option<&Plan>, seq: u64) -> Vec<Named> {
        let mut known: BTreeMap<&str, Vec<StepId>> = BTreeMap::new();
        for step in before.iter().flat_map(|before| before.steps.iter().rev()) {
            known.entry(&step.text).or_default().push(step.id);
        }
        let named = (0..).zip(&self.plan).map(|(ordinal, written)| {
            let same = known.get_mut(&*written.step).and_then(Vec::pop);
            Named {
                id: same.unwrap_or(StepId { seq, ordinal }),
                text: Arc::clone(&written.step),
                status: written.status,
                priority: written.priority,
            }
        });
        named.collect()
    }
}

impl Plan {
    /// A plan as it is now written; `None` for one without steps.
    #[must_use]
    pub fn written(
        before: Option<&Self>,
        call: CallId,
        explanation: Option<Arc<str>>,
        steps: &[Named],
        moment: Moment,
    ) -> Option<Self> {
        let since = |named: &Named| {
            let same = before?.steps.iter().find(|step| step.id == named.id)?;
            (same.status == named.status).then_some(same.since)
        };
        let steps: Vec<_> = steps
            .iter()
            .map(|named| Step {
                id: named.id,
                text: Arc::clone(&named.text),
                status: named.status,
                priority: named.priority,
                since: since(named).unwrap_or(moment.at),
            })
            .collect();
        (!steps.is_empty()).then_some(Self {
            call,
            at: moment.at,
            explanation,
            steps,
        })
    }

    /// The step that the agent is at.
    #[must_use]
    pub fn current(&self) -> Option<&Step> {
        self.steps.iter().find(|step| step.status == Status::InProgress)
    }

    /// How many steps are done.
    #[must_use]
    pub fn completed(&self) -> usize {
        let done = |step: &&Step| step.status == Status::Completed;
        self.steps.iter().filter(done).count()
    }

    /// Whether all of them are.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.completed() == self.steps.len()
    }

    /// What is wrong with it; nothing with one of a [`Draft`] that was checked.
    #[must_use]
    pub fn unsound(&self) -> Option<&'static str> {
        let mut names: Vec<_> = self.steps.iter().map(|step| step.id).collect();
        names.sort_unstable();
        names.dedup();
        let at_it = |step: &&Step| step.status == Status::InProgress;
        if self.steps.is_empty() {
            Some("has no steps")
        } else if self.steps.len() > STEPS_CAP {
            Some("has too many steps")
        } else if names.len() < self.steps.len() {
            Some("has two steps of one name")
        } else if self.steps.iter().filter(at_it).count() > 1 {
            Some("has two steps in progress")
        } else {
            None
        }
    }
}

/// The plan as lines, as a model is told of it.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.steps.iter().enumerate() {
            if place > 0 {
                f.write_char('\n')?;
            }
            let mark = match step.status {
                Status::Pending => "[ ]",
                Status::InProgress => "[>]",
                Status::Completed => "[x]",
            };
            write!(f, "{mark} {}", step.text)?;
            match step.priority {
                Some(Priority::High) => f.write_str(" (high priority)")?,
                Some(Priority::Low) => f.write_str(" (low priority)")?,
                Some(Priority::Medium) | None => {}
            }
        }
        Ok(())
    }
}

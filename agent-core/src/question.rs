//! A question of the model to the user, and what an answer to it may be.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The tool by which a model asks.
pub const TOOL: &str = "ask_user";
/// Most bytes of a question.
pub const QUESTION_BYTES: usize = 4096;
/// Most answers that a question offers.
pub const OPTIONS_CAP: usize = 16;
/// Most bytes of the name of such an answer.
pub const LABEL_BYTES: usize = 256;
/// Most bytes of what is said of it.
pub const DESCRIPTION_BYTES: usize = 1024;
/// Most bytes of an answer in the user's own words.
pub const WORDS_BYTES: usize = 16 * 1024;

/// A question. Whatever it offers, the user may answer in other words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// What is asked.
    pub question: Arc<str>,
    /// Answers that are offered, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<Choice>,
    /// Whether several of them may be chosen.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub multi_select: bool,
}

/// An answer that a question offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// Its name; no other answer to the question has the same.
    pub label: Arc<str>,
    /// What choosing it means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Arc<str>>,
}

/// What a user says to a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// A line as it was typed: numbers or labels of what is offered, or other words.
    Line(Arc<str>),
    /// Labels of what is offered, and other words.
    Chosen {
        /// The labels.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        labels: Vec<Arc<str>>,
        /// The other words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        words: Option<Arc<str>>,
    },
}

/// An answer: never without a choice and words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The labels of what was chosen, in the order in which it was offered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chosen: Vec<Arc<str>>,
    /// The user's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<Arc<str>>,
}

/// Why a question is none. The model is told this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Unfit {
    /// It says nothing.
    #[error("`question` is empty: say what you want to know")]
    Empty,
    /// It is too long.
    #[error("`question` is too long: it has at most {QUESTION_BYTES} bytes")]
    TooLong,
    /// It offers too many answers.
    #[error("{options} options are too many: there are at most {OPTIONS_CAP}")]
    TooManyOptions {
        /// How many there are.
        options: usize,
    },
    /// The label of an answer is empty or too long.
    #[error("option {option} needs a label of 1 to {LABEL_BYTES} bytes")]
    Label {
        /// Its place, from 1.
        option: usize,
    },
    /// What is said of an answer is too long.
    #[error("the description of option {option} is too long: it has at most {DESCRIPTION_BYTES} bytes")]
    LongDescription {
        /// Its place, from 1.
        option: usize,
    },
    /// Two answers have one label.
    #[error("option {option} has the label of another one: give each its own")]
    LabelTwice {
        /// Its place, from 1.
        option: usize,
    },
}

/// Why something is no answer to a question. Whoever gave it is told this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum NoAnswer {
    /// It says nothing.
    #[error("the answer is empty; choose what is offered, or say something else")]
    Empty,
    /// It is too long.
    #[error("an answer has at most {WORDS_BYTES} bytes")]
    TooLong,
    /// Nothing of this name is offered.
    #[error("`{0}` is not offered; what is not can be said in words")]
    NotOffered(Arc<str>),
    /// Several were chosen of which one may be.
    #[error("only one of what is offered may be chosen")]
    OnlyOne,
}

impl Question {
    /// The same without space around the texts, where it is a question.
    ///
    /// # Errors
    /// [`Unfit`].
    pub fn checked(&self) -> Result<Self, Unfit> {
        let question = self.question.trim();
        if question.is_empty() {
            return Err(Unfit::Empty);
        }
        if question.len() > QUESTION_BYTES {
            return Err(Unfit::TooLong);
        }
        if self.options.len() > OPTIONS_CAP {
            return Err(Unfit::TooManyOptions {
                options: self.options.len(),
            });
        }
        let mut known = BTreeSet::new();
        let mut options = Vec::with_capacity(self.options.len());
        for (option, choice) in (1..).zip(&self.options) {
            let label = choice.label.trim();
            if label.is_empty() || label.len() > LABEL_BYTES {
                return Err(Unfit::Label { option });
            }
            let description = choice.description.as_deref().map(str::trim);
            let description = description.filter(|text| !text.is_empty());
            if description.is_some_and(|text| text.len() > DESCRIPTION_BYTES) {
                return Err(Unfit::LongDescription { option });
            }
            // What is typed is compared without regard to case.
            if !known.insert(label.to_lowercase()) {
                return Err(Unfit::LabelTwice { option });
            }
            options.push(Choice {
                label: label.into(),
                description: description.map(Into::into),
            });
        }
        Ok(Self {
            question: question.into(),
            options,
            multi_select: self.multi_select,
        })
    }

    /// What somebody said, as an answer to it.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub fn answered(&self, said: &Said) -> Result<Answer, NoAnswer> {
        let (chosen, words) = match said {
            Said::Line(line) => match self.choices(line) {
                Some(chosen) => (chosen, None),
                None => (BTreeSet::new(), Some(&**line)),
            },
            Said::Chosen { labels, words } => {
                let place = |label: &Arc<str>| {
                    let known = self.options.iter().position(|choice| choice.label == *label);
                    known.ok_or_else(|| NoAnswer::NotOffered(Arc::clone(label)))
                };
                let chosen = labels.iter().map(place).collect::<Result<_, _>>()?;
                (chosen, words.as_deref())
            }
        };
        let words = words.map(str::trim).filter(|words| !words.is_empty());
        if words.is_some_and(|words| words.len() > WORDS_BYTES) {
            return Err(NoAnswer::TooLong);
        }
        if chosen.len() > 1 && !self.multi_select {
            return Err(NoAnswer::OnlyOne);
        }
        if chosen.is_empty() && words.is_none() {
            return Err(NoAnswer::Empty);
        }
        let labels = self.options.iter().zip(0..);
        Ok(Answer {
            chosen: labels
                .filter(|(_, place)| chosen.contains(place))
                .map(|(choice, _)| Arc::clone(&choice.label))
                .collect(),
            words: words.map(Into::into),
        })
    }

    /// The places of what a line chooses: one label, or numbers and labels with commas between them. `None` where it is
    /// anything else.
    fn choices(&self, line: &str) -> Option<BTreeSet<usize>> {
        let place = |text: &str| {
            let text = text.trim().to_lowercase();
            let named = self
                .options
                .iter()
                .position(|choice| choice.label.to_lowercase() == text);
            let number = || text.parse::<usize>().ok()?.checked_sub(1);
            named.or_else(|| number().filter(|place| *place < self.options.len()))
        };
        // A label may have a comma.
        match place(line) {
            Some(place) => Some(BTreeSet::from([place])),
            None => line.split(',').map(place).collect(),
        }
    }
}

impl Answer {
    /// The answer as a model is told it.
    #[must_use]
    pub fn told(&self) -> String {
        let labels: Vec<_> = self.chosen.iter().map(|label| format!("“{label}”")).collect();
        match (labels.as_slice(), &self.words) {
            ([], Some(words)) => format!("The user answered: {words}"),
            ([], None) => "The user answered.".to_owned(),
            (labels, None) => format!("The user chose {}.", labels.join(" and ")),
            (labels, Some(words)) => format!("The user chose {}, saying: {words}", labels.join(" and ")),
        }
    }
}

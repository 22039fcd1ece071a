//! What a model takes at its server beside a conversation, as data; and how what was asked for is fitted to that.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::abilities::{Thinking, ThinkingSupport};
use crate::adjusted::{Adjusted, Control, Why};
use crate::controls::{Controls, Effort, Speed, Temperature, TopP};

/// What a model takes at its server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Takes {
    /// How it can be made to think.
    pub thinking: ThinkingSupport,
    /// When it takes a temperature, or `top_p`.
    pub sampling: Sampling,
    /// Whether it takes both of them together.
    pub both: bool,
    /// The highest temperature.
    pub hottest: Temperature,
    /// Most texts at which an answer ends.
    pub stops: u8,
    /// Whether such a text may be blank.
    pub blank_stops: bool,
    /// How it is told of effort.
    pub effort: EffortForm,
    /// Whether it can be asked to be fast.
    pub fast: bool,
    /// Whether it can be asked to take its time.
    pub economy: bool,
    /// How it is told what to keep in its cache.
    pub cache: CacheForm,
}

/// When a model takes a temperature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampling {
    /// Always.
    Always,
    /// Where it does not think.
    Unthinking {
        /// Whether it thinks where nothing is said of that.
        by_itself: bool,
    },
    /// Never.
    Never,
}

/// How a model is told how much work an answer is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffortForm {
    /// In a field of its own.
    Own,
    /// By how much it shall think.
    Thinking,
    /// Not at all.
    None,
}

/// How a server is told what to keep in its cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheForm {
    /// By breakpoints.
    Marks {
        /// How many it takes.
        most: u8,
        /// Whether there may be one after the tools alone.
        tools: bool,
    },
    /// By what requests have in common.
    Key {
        /// Whether it can be asked to keep it long.
        long: bool,
    },
    /// Not at all: it keeps what it wants to.
    Own,
}

impl Default for Takes {
    /// A model of which nothing is known: it is sent what was asked for, and nobody asks its cache for anything.
    fn default() -> Self {
        Self {
            thinking: ThinkingSupport::Unknown,
            sampling: Sampling::Always,
            both: true,
            hottest: Temperature::MOST,
            stops: 16,
            blank_stops: true,
            effort: EffortForm::Own,
            fast: true,
            economy: true,
            cache: CacheForm::Own,
        }
    }
}

/// What is asked of a request, but for the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked<'a> {
    /// How much the model shall think.
    pub thinking: Thinking,
    /// How freely the next token is chosen.
    pub temperature: Option<Temperature>,
    /// Among which tokens it is chosen.
    pub top_p: Option<TopP>,
    /// Texts at which the answer ends.
    pub stop: &'a [Arc<str>],
    /// How much work the answer is worth.
    pub effort: Option<Effort>,
    /// How fast it shall come.
    pub speed: Option<Speed>,
}

/// What of it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fitted {
    /// How much the model shall think, which the wire maps to what its server knows.
    pub thinking: Thinking,
    /// The rest.
    pub controls: Controls,
    /// What is not sent as it was asked for.
    pub adjusted: Vec<Adjusted>,
}

impl Takes {
    /// Fits what was asked for to what the model takes. Nothing is left out without a word.
    #[must_use]
    pub fn fit(&self, asked: &Asked<'_>) -> Fitted {
        let mut fitted = Fitted {
            thinking: asked.thinking,
            controls: Controls::default(),
            adjusted: Vec::new(),
        };
        self.fit_effort(asked, &mut fitted);
        self.fit_thinking(&mut fitted);
        self.fit_sampling(asked, &mut fitted);
        self.fit_stops(asked.stop, &mut fitted);
        self.fit_speed(asked.speed, &mut fitted);
        fitted
    }

    fn fit_effort(&self, asked: &Asked<'_>, fitted: &mut Fitted) {
        let Some(effort) = asked.effort else { return };
        let word: &str = effort.into();
        match self.effort {
            EffortForm::Own => fitted.controls.effort = Some(effort),
            EffortForm::Thinking if asked.thinking == Thinking::Default => {
                fitted.thinking = effort.into();
                let sent = format!("thinking {word}");
                fitted.note(Control::Effort, word, Some(sent.into()), Why::AsThinking);
            }
            EffortForm::Thinking => fitted.note(Control::Effort, word, None, Why::IsThinking),
            EffortForm::None => fitted.note(Control::Effort, word, None, Why::NotTaken),
        }
    }

    fn fit_thinking(&self, fitted: &mut Fitted) {
        let asked = fitted.thinking;
        let sent = self.thinking.clamp(asked);
        if sent != asked {
            let word = |level: Thinking| -> &'static str { level.into() };
            let some = (sent != Thinking::Default).then(|| word(sent).into());
            fitted.note(Control::Thinking, word(asked), some, Why::NotTaken);
        }
    }

    fn fit_sampling(&self, asked: &Asked<'_>, fitted: &mut Fitted) {
        let refused = match (self.sampling, self.thinking.clamp(fitted.thinking)) {
            (Sampling::Always, _) | (Sampling::Unthinking { .. }, Thinking::Off) => None,
            (Sampling::Unthinking { by_itself: false }, Thinking::Default) => None,
            (Sampling::Unthinking { .. }, _) => Some(Why::Thinks),
            (Sampling::Never, _) => Some(Why::NotTaken),
        };
        if let Some(temperature) = asked.temperature {
            let text = temperature.to_string();
            match refused {
                Some(why) => fitted.note(Control::Temperature, &text, None, why),
                None => {
                    let sent = temperature.min(self.hottest);
                    fitted.controls.temperature = Some(sent);
                    if sent != temperature {
                        let sent = Some(sent.to_string().into());
                        fitted.note(Control::Temperature, &text, sent, Why::TooMuch);
                    }
                }
            }
        }
        if let Some(top_p) = asked.top_p {
            let alone = self.both || fitted.controls.temperature.is_none();
            match refused.or((!alone).then_some(Why::HasTemperature)) {
                Some(why) => fitted.note(Control::TopP, &top_p.to_string(), None, why),
                None => fitted.controls.top_p = Some(top_p),
            }
        }
    }

    fn fit_stops(&self, asked: &[Arc<str>], fitted: &mut Fitted) {
        for text in asked {
            let blank = text.is_empty() || (!self.blank_stops && text.trim().is_empty());
            let refused = match (self.stops, blank) {
                (0, _) => Some(Why::NotTaken),
                (_, true) => Some(Why::Blank),
                (most, false) if fitted.controls.stop.len() >= usize::from(most) => {
                    Some(Why::TooMany { most })
                }
                (_, false) => None,
            };
            match refused {
                Some(why) => fitted.note(Control::Stop, &format!("{text:?}"), None, why),
                None => fitted.controls.stop.push(Arc::clone(text)),
            }
        }
    }

    fn fit_speed(&self, asked: Option<Speed>, fitted: &mut Fitted) {
        let Some(speed) = asked else { return };
        let taken = match speed {
            Speed::Standard => true,
            Speed::Fast => self.fast,
            Speed::Economy => self.economy,
        };
        match taken {
            true => fitted.controls.speed = Some(speed),
            false => fitted.note(Control::Speed, speed.into(), None, Why::NotTaken),
        }
    }
}

impl Fitted {
    fn note(&mut self, control: Control, asked: &str, sent: Option<Arc<str>>, why: Why) {
        self.adjusted.push(Adjusted {
            control,
            asked: asked.into(),
            sent,
            why,
        });
    }
}

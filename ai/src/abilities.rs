//! What a model can do, as data: whoever describes models fills it in, the wires keep to it.

use serde::{Deserialize, Serialize};

/// How much a model thinks before it answers, from nothing to the most. Each wire maps it to what its server knows,
/// within what the model can do ([`ThinkingSupport::clamp`]).
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    Default,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Thinking {
    /// As the server does by itself.
    #[default]
    Default,
    /// Not at all.
    Off,
    /// Hardly.
    Minimal,
    /// A little.
    Low,
    /// Somewhat.
    Medium,
    /// A lot.
    High,
    /// As much as it can.
    Xhigh,
}

/// What a model can do, as far as anyone says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Abilities {
    /// How it can be made to think.
    pub thinking: ThinkingSupport,
    /// Whether it calls tools; `None` where that is not known.
    pub tools: Option<bool>,
    /// Whether it takes images; `None` where that is not known.
    pub images: Option<bool>,
    /// Whether its answer can be bound to a schema; `None` where that is not known.
    pub structured_output: Option<bool>,
}

/// How a model can be made to think.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThinkingSupport {
    /// Not known: what is asked for is sent as the wire has it.
    #[default]
    Unknown,
    /// It does not think; nothing of it is sent.
    Never,
    /// It thinks or does not.
    Switch,
    /// It knows these levels. [`Thinking::Off`] is among them where it can leave it.
    Levels(Vec<Thinking>),
    /// It takes a number of tokens.
    Budget {
        /// The fewest that it takes, but for none.
        least: u32,
        /// The most.
        most: u32,
        /// Whether it can leave it.
        off: bool,
    },
}

impl ThinkingSupport {
    /// The level that stands for what was asked: the highest that the model knows and that is not above it; where there
    /// is none, the lowest. Who asks for some thinking gets some, where the model thinks at all. [`Thinking::Default`] means
    /// that nothing is sent.
    #[must_use]
    pub fn clamp(&self, asked: Thinking) -> Thinking {
        match (self, asked) {
            (_, Thinking::Default) | (Self::Never, _) => Thinking::Default,
            (Self::Unknown | Self::Switch | Self::Budget { off: true, .. }, asked) => asked,
            (Self::Budget { off: false, .. }, asked) => asked.max(Thinking::Minimal),
            (Self::Levels(levels), asked) => {
                let known = || levels.iter().copied().filter(|level| *level != Thinking::Default);
                let some = || known().filter(|level| *level > Thinking::Off);
                let best = match asked {
                    Thinking::Off => known().min(),
                    asked => some().filter(|level| *level <= asked).max().or(some().min()),
                };
                best.or(known().min()).unwrap_or_default()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Thinking::{Default, High, Low, Medium, Minimal, Off, Xhigh};
    use super::*;

    #[test]
    fn a_level_is_the_nearest_below_that_the_model_knows() {
        let levels = |levels: &[Thinking]| ThinkingSupport::Levels(levels.to_vec());
        let budget = |off| ThinkingSupport::Budget {
            least: 128,
            most: 9000,
            off,
        };
        let asked = [Default, Off, Minimal, Low, Medium, High, Xhigh];
        let table = [
            (ThinkingSupport::Unknown, asked),
            (ThinkingSupport::Never, [Default; 7]),
            (ThinkingSupport::Switch, asked),
            (budget(true), asked),
            (
                budget(false),
                [Default, Minimal, Minimal, Low, Medium, High, Xhigh],
            ),
            (
                levels(&[High, Low, Off]),
                [Default, Off, Low, Low, Low, High, High],
            ),
            (
                levels(&[Low, Medium]),
                [Default, Low, Low, Low, Medium, Medium, Medium],
            ),
            (levels(&[Off]), [Default, Off, Off, Off, Off, Off, Off]),
            (levels(&[]), [Default; 7]),
        ];
        for (support, expected) in table {
            assert_eq!(asked.map(|level| support.clamp(level)), expected, "{support:?}");
        }
    }
}

//! What a request carries beside the conversation, and what was asked for and is sent otherwise.

use async_graphql::{Enum, SimpleObject};
use glasswork_ai::{adjusted, controls};

use crate::scalar::Long;

/// How much work an answer is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "controls::Effort")]
pub(crate) enum Effort {
    /// A little.
    Low,
    /// Some.
    Medium,
    /// A lot.
    High,
    /// As much as there is.
    Xhigh,
}

/// How fast an answer shall come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "controls::Speed")]
pub(crate) enum Speed {
    /// As everybody has it, at the usual price.
    Standard,
    /// Sooner, for more.
    Fast,
    /// When there is time, for less.
    Economy,
}

/// How long a server is asked to keep a request in its cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "controls::Life")]
pub(crate) enum CacheLife {
    /// As short as the provider has it: five minutes with Anthropic.
    Short,
    /// As long as it has it: an hour with Anthropic, a day with OpenAI.
    Long,
}

/// What stands before a breakpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum BreakpointAfter {
    /// The last tool.
    Tools,
    /// The system prompt, which comes after the tools.
    System,
    /// A message.
    Message,
}

/// A place up to which the server is asked to keep the request.
#[derive(Debug, SimpleObject)]
pub(crate) struct Breakpoint {
    /// What stands before it.
    after: BreakpointAfter,
    /// The message, by its place in the request from 0.
    message: Option<Long>,
}

/// What the server is asked to keep in its cache.
#[derive(Debug, SimpleObject)]
pub(crate) struct RequestCache {
    /// The breakpoints, in the order of the request; none where the server takes none.
    breakpoints: Vec<Breakpoint>,
    /// How long it is asked to keep what it keeps.
    life: CacheLife,
    /// What requests have in common that begin alike, for servers that look for their cache by that.
    key: Option<String>,
}

/// What a request carries beside the conversation. What is null is not sent.
#[derive(Debug, SimpleObject)]
pub(crate) struct Controls {
    /// How freely the next token is chosen, from 0 to 2, as decimal text.
    temperature: Option<String>,
    /// Among which tokens it is chosen: the likeliest that have so much of the probability together, as decimal text.
    top_p: Option<String>,
    /// Texts at which the answer ends.
    stop: Vec<String>,
    /// How much work the answer is worth, where the provider asks for that apart from thinking.
    effort: Option<Effort>,
    /// How fast it shall come.
    speed: Option<Speed>,
    /// What the server is asked to keep.
    cache: RequestCache,
}

impl From<&controls::Controls> for Controls {
    fn from(controls: &controls::Controls) -> Self {
        let breakpoint = |after: &controls::After| match after {
            controls::After::Tools => Breakpoint {
                after: BreakpointAfter::Tools,
                message: None,
            },
            controls::After::System => Breakpoint {
                after: BreakpointAfter::System,
                message: None,
            },
            controls::After::Message(place) => Breakpoint {
                after: BreakpointAfter::Message,
                message: Some(Long(*place)),
            },
        };
        let cache = &controls.cache;
        Self {
            temperature: controls.temperature.map(|number| number.to_string()),
            top_p: controls.top_p.map(|number| number.to_string()),
            stop: controls.stop.iter().map(ToString::to_string).collect(),
            effort: controls.effort.map(Into::into),
            speed: controls.speed.map(Into::into),
            cache: RequestCache {
                breakpoints: cache.after.iter().map(breakpoint).collect(),
                life: cache.life.into(),
                key: cache.key.as_deref().map(str::to_owned),
            },
        }
    }
}

/// What can be asked of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "adjusted::Control")]
pub(crate) enum Control {
    /// How much the model shall think.
    Thinking,
    /// How freely the next token is chosen.
    Temperature,
    /// Among which tokens it is chosen.
    TopP,
    /// Texts at which the answer ends.
    Stop,
    /// How much work the answer is worth.
    Effort,
    /// How fast it shall come.
    Speed,
    /// What the server is asked to keep.
    Cache,
}

/// Why something is not sent as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum AdjustedWhy {
    /// The model, or its server, does not take it.
    NotTaken,
    /// The model takes it only where it does not think.
    Thinks,
    /// The model takes less.
    TooMuch,
    /// The server takes fewer.
    TooMany,
    /// The server takes no blank ones.
    Blank,
    /// The model does not take it together with a temperature.
    HasTemperature,
    /// With this provider that is the thinking, of which something else was said.
    IsThinking,
    /// With this provider that is the thinking, of which nothing else was said.
    AsThinking,
    /// The server decides by itself what it keeps, and how long.
    ServerKeeps,
}

/// Something that was asked for and is sent otherwise, or not at all.
#[derive(Debug, SimpleObject)]
pub(crate) struct Adjusted {
    /// What.
    control: Control,
    /// What was asked for, in the words of the settings.
    asked: String,
    /// What is sent; null where nothing is.
    sent: Option<String>,
    /// Why.
    why: AdjustedWhy,
    /// All of it in a line.
    text: String,
}

impl From<&adjusted::Adjusted> for Adjusted {
    fn from(adjusted: &adjusted::Adjusted) -> Self {
        use adjusted::Why;
        Self {
            control: adjusted.control.into(),
            asked: adjusted.asked.to_string(),
            sent: adjusted.sent.as_deref().map(str::to_owned),
            why: match adjusted.why {
                Why::NotTaken => AdjustedWhy::NotTaken,
                Why::Thinks => AdjustedWhy::Thinks,
                Why::TooMuch => AdjustedWhy::TooMuch,
                Why::TooMany { .. } => AdjustedWhy::TooMany,
                Why::Blank => AdjustedWhy::Blank,
                Why::HasTemperature => AdjustedWhy::HasTemperature,
                Why::IsThinking => AdjustedWhy::IsThinking,
                Why::AsThinking => AdjustedWhy::AsThinking,
                Why::ServerKeeps => AdjustedWhy::ServerKeeps,
            },
            text: adjusted.to_string(),
        }
    }
}

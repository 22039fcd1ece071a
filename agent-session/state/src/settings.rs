//! What can be set, each value with where it comes from.

use std::sync::Arc;

use glasswork_agent_core::compaction::{KEEP, RESERVE};
use glasswork_ai::controls::{Effort, Speed, Temperature, TopP};
use glasswork_ai::model::{ModelId, Thinking};
use glasswork_ai::price::Prices;
use glasswork_ai::takes::Takes;
use im::OrdMap;
use serde::{Deserialize, Serialize};

use crate::budget::{Budget, Unpriced};
use crate::cache_policy::CachePolicy;

/// A value and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Where it comes from.
    pub from: Source,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Source {
    /// The layer.
    pub layer: Layer,
    /// The file, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<Arc<str>>,
    /// The line in it, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// Layers of settings. What comes later here overrides what comes earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// Built in.
    #[default]
    Default,
    /// The user's settings.
    User,
    /// The project's settings.
    Project,
    /// An environment variable.
    Environment,
    /// A flag of the command line.
    Flag,
    /// A client named it as it opened the session.
    Client,
    /// Changed while the session was open.
    Session,
}

impl<T> Sourced<T> {
    /// A value that is built in.
    pub fn default_of(value: T) -> Self {
        Self::from_layer(value, Layer::Default)
    }

    /// A value of a layer that is no file.
    pub fn from_layer(value: T, layer: Layer) -> Self {
        Self {
            value,
            from: Source {
                layer,
                file: None,
                line: None,
            },
        }
    }
}

/// How much may be done without asking.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    Default,
    strum::VariantArray,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Mode {
    /// Look, do not touch.
    Plan,
    /// Ask before anything is changed.
    #[default]
    Ask,
    /// Change files, ask before commands.
    AcceptEdits,
    /// Like `accept-edits` until there is a sandbox for commands.
    Auto,
    /// Never ask.
    Yolo,
}

/// How many of the waiting follow-ups a turn takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum QueueMode {
    /// The first; the others wait on.
    #[default]
    OneAtATime,
    /// All of them.
    All,
}

/// When a conversation is compacted by itself before it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum CompactWhen {
    /// When it leaves too little room, unless the window is so large that whoever chose it wants everything kept.
    #[default]
    Auto,
    /// When it leaves too little room.
    On,
    /// Never; only by hand, and after a provider has refused it for its length.
    Off,
}

/// Which model a session asks that is resumed, and how much that shall think.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Resuming {
    /// As before, unless a flag says otherwise.
    #[default]
    Restore,
    /// As is set now, for any session.
    KeepPresent,
}

macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident / $variant:ident : $type:ty = $default:expr;)*) => {
        /// All settings of this family.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct Settings {
            $($(#[$doc])* pub $name: Sourced<$type>,)*
        }

        impl Default for Settings {
            fn default() -> Self {
                Self { $($name: Sourced::default_of($default),)* }
            }
        }

        /// One setting with a value.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Setting {
            $($(#[$doc])* $variant(Sourced<$type>),)*
        }

        impl Setting {
            /// The setting's name.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => stringify!($name),)* }
            }

            /// Where its value comes from.
            #[must_use]
            pub fn from(&self) -> &Source {
                match self { $(Self::$variant(sourced) => &sourced.from,)* }
            }
        }

        impl Settings {
            /// Sets one of them.
            pub fn set(&mut self, setting: Setting) {
                match setting { $(Setting::$variant(sourced) => self.$name = sourced,)* }
            }

            /// Those that have another value or source than in `other`.
            #[must_use]
            pub fn differences(&self, other: &Self) -> Vec<Setting> {
                let mut changed = vec![];
                $(if self.$name != other.$name {
                    changed.push(Setting::$variant(self.$name.clone()));
                })*
                changed
            }

            /// All of them, in order.
            #[must_use]
            pub fn all(&self) -> Vec<Setting> {
                vec![$(Setting::$variant(self.$name.clone()),)*]
            }
        }
    };
}

pub(crate) use settings;

settings! {
    /// The model that is asked; `None` where none was chosen.
    model / Model: Option<ModelId> = None;
    /// How much the model shall think.
    thinking / Thinking: Thinking = Thinking::Default;
    /// Most tokens of an answer; `None` is the wire's default.
    max_output_tokens / MaxOutputTokens: Option<u32> = None;
    /// How freely the next token is chosen, from 0 to 2; `None` is the provider's default.
    temperature / Temperature: Option<Temperature> = None;
    /// Among which tokens it is chosen, from 0 to 1; `None` is the provider's default.
    top_p / TopP: Option<TopP> = None;
    /// Texts at which an answer ends.
    stop / Stop: Vec<Arc<str>> = Vec::new();
    /// How much work an answer is worth; `None` is the provider's default.
    effort / Effort: Option<Effort> = None;
    /// How fast an answer shall come; `None` is the provider's default.
    speed / Speed: Option<Speed> = None;
    /// What providers are asked to keep in their caches, and how long.
    cache / Cache: CachePolicy = CachePolicy::default();
    /// What the models in force take beside a conversation. The host says it.
    takes / Takes: OrdMap<ModelId, Takes> = OrdMap::new();
    /// How often in a row a model goes on with an answer that its provider interrupted.
    pauses / Pauses: u32 = 8;
    /// How much may be done without asking.
    mode / Mode: Mode = Mode::Ask;
    /// Whether anyone is there to be asked.
    attended / Attended: bool = true;
    /// How much may be spent, in US dollars: in a turn, in a session, on a day.
    budget / Budget: Budget = Budget::default();
    /// Whether a model is asked of which nobody knows what it costs, where there is a budget.
    unpriced / Unpriced: Unpriced = Unpriced::Refuse;
    /// What the models in force cost; of one that is not here it is not known. The host adds what is known of them.
    prices / Prices: OrdMap<ModelId, Prices> = OrdMap::new();
    /// Most requests of a turn.
    max_steps / MaxSteps: u32 = 200;
    /// How many of the waiting follow-ups a turn takes.
    follow_ups / FollowUps: QueueMode = QueueMode::OneAtATime;
    /// Whether calls of one answer run at the same time.
    parallel_tools / ParallelTools: bool = true;
    /// Whether commands run in a terminal of an editor that offers them. Never a project's to say.
    editor_terminals / EditorTerminals: bool = false;
    /// Which model a session asks that is resumed, and how much that shall think.
    resume / Resume: Resuming = Resuming::Restore;
    /// How long the server may take to begin to answer, in milliseconds.
    connect_timeout_ms / ConnectTimeoutMs: u64 = 60_000;
    /// How long the first token may take after that, in milliseconds.
    first_token_timeout_ms / FirstTokenTimeoutMs: u64 = 300_000;
    /// How long a stream may be silent, in milliseconds.
    idle_timeout_ms / IdleTimeoutMs: u64 = 120_000;
    /// How long an attempt to get an answer may take in all, in milliseconds.
    answer_timeout_ms / AnswerTimeoutMs: u64 = 3_600_000;
    /// How long it may take to find out what a call would touch, in milliseconds.
    evidence_timeout_ms / EvidenceTimeoutMs: u64 = 30_000;
    /// How long a call may run that does not say, in milliseconds.
    tool_timeout_ms / ToolTimeoutMs: u64 = 120_000;
    /// How long a server of tools may take to start and to say which it has, in milliseconds.
    mcp_start_timeout_ms / McpStartTimeoutMs: u64 = 30_000;
    /// How long a person may take to answer, in milliseconds. After that the answer is no.
    approval_timeout_ms / ApprovalTimeoutMs: u64 = 12 * 60 * 60 * 1000;
    /// Most attempts of one request.
    retry_attempts / RetryAttempts: u32 = 4;
    /// The first wait between two attempts, in milliseconds; it doubles each time.
    retry_base_ms / RetryBaseMs: u64 = 2_000;
    /// The longest wait that is our own choice, in milliseconds.
    retry_cap_ms / RetryCapMs: u64 = 60_000;
    /// How long all attempts of one request and the waits between them may take, in milliseconds.
    retry_budget_ms / RetryBudgetMs: u64 = 600_000;
    /// The models that are asked, in this order, where the model gives no answer; for the rest of the turn.
    fallback_models / FallbackModels: Vec<ModelId> = vec![];
    /// Whether they are also asked where the key of the model is missing or wrong.
    fallback_on_auth / FallbackOnAuth: bool = false;
    /// How many times the same calls with the same results make a loop, of which the model is told; below two, none does.
    loop_rounds / LoopRounds: u32 = 3;
    /// Whether a model is told that its answer is empty, or promises a call that it does not make.
    loop_answers / LoopAnswers: bool = true;
    /// How often a turn tells the model of a loop of one kind before it stops.
    loop_notices / LoopNotices: u32 = 1;
    /// Whether what looks like a secret is masked before it comes to the session. Never a project's to say.
    mask_secrets / MaskSecrets: bool = true;
    /// The tokens that a request and its answer may take together; `None` where nobody knows, which sets no threshold.
    context_window / ContextWindow: Option<u64> = None;
    /// When a conversation is compacted by itself before it is sent.
    compact / Compact: CompactWhen = CompactWhen::Auto;
    /// Tokens of the window that are kept free for an answer; in a small window at most a quarter of it.
    compact_reserve / CompactReserve: u64 = RESERVE;
    /// Tokens of the newest messages that a compaction leaves as they are; in a small window at most a quarter of it.
    compact_keep / CompactKeep: u64 = KEEP;
    /// The model that writes summaries; `None` is the session's own.
    compact_model / CompactModel: Option<ModelId> = None;
}

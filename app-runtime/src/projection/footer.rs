//! The footer: where a session works, what it has used, how full its window is, which model it asks, and what counts down.
//!
//! Of one session's state, so it is the same for every client, and as of any commit. What other sessions do is
//! [`activity`](super::activity), which changes by their commits.

use std::fmt::Write as _;
use std::sync::Arc;

use glasswork_agent_core::id::CallId;
use glasswork_ai::controls::{Effort, Speed};
use glasswork_ai::model::{ModelId, Thinking};
use glasswork_ai::stream::Usage;
use glasswork_engine::Timestamp;
use glasswork_session_state::settings::Mode;
use glasswork_session_state::state::Session;
use glasswork_session_state::waiting::{self, What};
use serde::Serialize;

/// The footer of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Footer {
    /// The directory in which it works.
    pub workspace: Arc<str>,
    /// The branch that was checked out there when it was last opened or prompted.
    pub branch: Option<Arc<str>>,
    /// Its title.
    pub title: Option<Arc<str>>,
    /// Tokens of the whole session, as the providers counted them.
    pub usage: Usage,
    /// What they cost, in billionths of a US dollar; `None` where that is not known of every request.
    pub cost: Option<u64>,
    /// Of that, what is known, in billionths of a US dollar.
    pub spent: u64,
    /// How full the window is.
    pub context: Share,
    /// The model that is asked: of a turn that has fallen back, the other one.
    pub model: Option<ModelId>,
    /// How much it shall think.
    pub thinking: Thinking,
    /// How much work an answer is worth.
    pub effort: Option<Effort>,
    /// How fast an answer shall come.
    pub speed: Option<Speed>,
    /// How much may be done without asking.
    pub mode: Mode,
    /// What counts down, the nearest first.
    pub countdowns: Vec<Countdown>,
}

/// How full a window is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Share {
    /// Tokens that the next request would have, estimated.
    pub tokens: u64,
    /// Tokens that a request and its answer may have together; `None` where nobody knows.
    pub window: Option<u64>,
    /// How much of the window they are, in thousandths; `None` where nobody knows the window.
    pub per_mille: Option<u64>,
    /// The size above which the conversation is compacted by itself; `None` where it is not.
    pub threshold: Option<u64>,
}

/// Something that happens by itself when its time has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Countdown {
    /// What happens.
    pub of: CountdownKind,
    /// The call that it is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<CallId>,
    /// Since when it counts.
    pub since: Timestamp,
    /// When it happens, if the machine does not sleep.
    pub due: Timestamp,
}

/// What happens by itself when its time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, strum::IntoStaticStr, strum::VariantArray)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum CountdownKind {
    /// The next attempt to get an answer begins.
    Retry,
    /// The attempt to get an answer is given up, because nothing comes.
    AttemptGivenUp,
    /// A question about a call is taken for a no.
    QuestionClosed,
    /// A call is stopped, or what it would touch is not looked for any longer.
    CallStopped,
}

impl Share {
    /// How full the window of a session is.
    #[must_use]
    pub fn of(session: &Session) -> Self {
        let tokens = session.context.calibration().estimate(session.context.tokens());
        let window = session.room().window;
        let share = |window: u64| tokens.saturating_mul(1000).checked_div(window);
        Self {
            tokens,
            window,
            per_mille: window.and_then(share),
            threshold: session.compaction_threshold(),
        }
    }
}

/// The footer of a session.
#[must_use]
pub fn of(session: &Session) -> Footer {
    let settings = &session.settings;
    let instead = session.open_turn().and_then(|turn| turn.failover.model.clone());
    Footer {
        workspace: Arc::clone(&session.meta.workspace),
        branch: session.meta.head.branch.clone(),
        title: session.meta.title.clone(),
        usage: session.usage.tokens(),
        cost: session.usage.cost().map(|cost| cost.0),
        spent: session.usage.spent().0,
        context: Share::of(session),
        model: instead.or_else(|| settings.model.value.clone()),
        thinking: settings.thinking.value,
        effort: settings.effort.value,
        speed: settings.speed.value,
        mode: settings.mode.value,
        countdowns: countdowns(session),
    }
}

/// What counts down in a session, the nearest first.
#[must_use]
pub fn countdowns(session: &Session) -> Vec<Countdown> {
    use glasswork_agent_core::tool_call::State as Call;
    use glasswork_session_state::state::AttemptWait;
    let waits = waiting::waiting_for(session).into_iter();
    let mut all: Vec<Countdown> = waits
        .filter_map(|waiting| {
            let deadline = waiting.deadline?;
            let (of, call) = match waiting.what {
                What::Answer(AttemptWait::Backoff) => (CountdownKind::Retry, None),
                What::Answer(_) => (CountdownKind::AttemptGivenUp, None),
                What::Call(call, Call::Asked | Call::Questioning) => {
                    (CountdownKind::QuestionClosed, Some(call))
                }
                What::Call(call, _) => (CountdownKind::CallStopped, Some(call)),
                What::Prompt | What::Opening | What::Resume => return None,
            };
            Some(Countdown {
                of,
                call,
                since: deadline.set_at,
                due: deadline.set_at.after(deadline.duration()),
            })
        })
        .collect();
    all.sort_by_key(|countdown| countdown.due);
    all
}

impl Footer {
    /// Where it works: the path, below `home` with a tilde, the branch and the title.
    #[must_use]
    pub fn path_line(&self, home: Option<&str>) -> String {
        let below = home.filter(|home| home.len() > 1).and_then(|home| {
            let rest = self.workspace.strip_prefix(home.trim_end_matches('/'))?;
            (rest.is_empty() || rest.starts_with('/')).then(|| format!("~{rest}"))
        });
        let mut line = below.unwrap_or_else(|| self.workspace.to_string());
        if let Some(branch) = &self.branch {
            let _ = write!(line, " ({branch})");
        }
        if let Some(title) = &self.title {
            let _ = write!(line, " · {title}");
        }
        line
    }

    /// What it has used, how full its window is, and what it asks.
    #[must_use]
    pub fn stats_line(&self) -> String {
        let mut parts = vec![
            format!("↑{} ↓{}", short(self.usage.input), short(self.usage.output)),
            format!(
                "cache {} read, {} written",
                short(self.usage.cache_read),
                short(self.usage.cache_write)
            ),
        ];
        parts.push(match self.cost {
            Some(cost) => dollars(cost),
            None => format!("{} or more", dollars(self.spent)),
        });
        let context = &self.context;
        parts.push(match (context.window, context.per_mille) {
            (Some(window), Some(share)) => {
                let itself = if context.threshold.is_some() {
                    " (auto)"
                } else {
                    ""
                };
                format!("{}.{}% of {}{itself}", share / 10, share % 10, short(window))
            }
            _ => format!("{} in the window", short(context.tokens)),
        });
        parts.push(match &self.model {
            Some(model) => model.to_string(),
            None => "no model".to_owned(),
        });
        if self.thinking != Thinking::Default {
            let thinking: &str = self.thinking.into();
            parts.push(format!("thinking {thinking}"));
        }
        let mode: &str = self.mode.into();
        parts.push(mode.to_owned());
        parts.join(" · ")
    }
}

/// Money as people read it.
fn dollars(nano: u64) -> String {
    // Tenths of a cent; what is less shows as such.
    match nano {
        1..1_000_000 => "< $0.001".to_owned(),
        _ => format!("${}.{:03}", nano / 1_000_000_000, nano / 1_000_000 % 1_000),
    }
}

/// A number as people read it: 950, 1.2k, 34k, 1.5M.
#[must_use]
pub fn short(number: u64) -> String {
    let scaled = |unit: u64, name: &str| match number / unit {
        whole @ 0..10 => format!("{whole}.{}{name}", number % unit * 10 / unit),
        whole => format!("{whole}{name}"),
    };
    match number {
        0..1_000 => number.to_string(),
        1_000..1_000_000 => scaled(1_000, "k"),
        _ => scaled(1_000_000, "M"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let check = |number: u64, expected: &str| assert_eq!(short(number), expected, "{number}");
        check(0, "0");
        check(999, "999");
        check(1_000, "1.0k");
        check(1_250, "1.2k");
        check(34_999, "34k");
        check(1_500_000, "1.5M");
        check(u64::MAX, "18446744073709M");
        let check = |nano: u64, expected: &str| assert_eq!(dollars(nano), expected, "{nano}");
        check(0, "$0.000");
        check(999_999, "< $0.001");
        check(1_234_567_890, "$1.234");
    }
}

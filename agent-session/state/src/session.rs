//! Opening, closing, naming and setting.

use std::sync::Arc;

use glasswork_agent_core::context::{Calibration, SystemPart};
use glasswork_agent_core::session::{Condition, Intent, SessionChart, State, Trigger};
use glasswork_agent_core::turn as turn_chart;
use glasswork_ai::model::ToolSpec;
use glasswork_engine::Moment;
use glasswork_engine::chart::{self, Conditions};
use serde::{Deserialize, Serialize};

use crate::budget::Elsewhere;
use crate::domain::Reply;
use crate::draft::Draft;
use crate::queue::Lane;
use crate::rejection::Rejection;
use crate::settings::{Setting, Settings};
use crate::state::{Session, Turn};
use crate::{batch, compaction, mcp, model, retry, turn};

/// What people do with a session as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It is opened: for the first time, or again with what is set now.
    Opened {
        /// The directory in which it works. Of a session that is opened again the old one stays.
        workspace: Arc<str>,
        /// Its title.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<Arc<str>>,
        /// What is set, each value resolved over all layers.
        settings: Box<Settings>,
        /// The system prompt.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        system: Vec<SystemPart>,
        /// The tools that the model may call.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tools: Vec<ToolSpec>,
    },
    /// It gets a title.
    Retitled {
        /// The title.
        title: Arc<str>,
    },
    /// It shall stand before others in lists, or not any more.
    Pinned {
        /// Whether it shall.
        pinned: bool,
    },
    /// A setting is changed.
    SettingChanged(Setting),
    /// The host tells what the other sessions have spent today, for the budget of the day.
    SpendingTold(Elsewhere),
    /// It is closed; an open turn is cancelled.
    Closed,
    /// It is closed, provided that no turn is open and no summary is being made.
    ClosedAtRest,
}

/// What was decided of a session as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// It works in this directory.
    Placed {
        /// The directory.
        workspace: Arc<str>,
    },
    /// It has this title.
    Titled {
        /// The title.
        title: Arc<str>,
    },
    /// It stands before others in lists, or does not.
    Pinned {
        /// Whether it does.
        pinned: bool,
    },
    /// A setting has this value.
    Set(Setting),
    /// The other sessions have spent so much.
    SpentElsewhere(Elsewhere),
    /// The system prompt is this.
    SystemSet {
        /// Its parts.
        parts: Vec<SystemPart>,
    },
    /// The model may call these tools.
    ToolsSet {
        /// The tools.
        tools: Vec<ToolSpec>,
    },
    /// Its chart moved.
    Moved {
        /// The key of the row.
        row: Arc<str>,
        /// Where it leads.
        to: State,
    },
}

impl Fact {
    pub(crate) fn apply(&self, session: &mut Session, moment: Moment) {
        match self {
            Self::Placed { workspace } => {
                let meta = Arc::make_mut(&mut session.meta);
                meta.workspace = Arc::clone(workspace);
                meta.created = moment.at;
            }
            Self::Titled { title } => Arc::make_mut(&mut session.meta).title = Some(Arc::clone(title)),
            Self::Pinned { pinned } => Arc::make_mut(&mut session.meta).pinned = *pinned,
            Self::Set(setting) => {
                let before = session.settings.model.value.clone();
                Arc::make_mut(&mut session.settings).set(setting.clone());
                if session.settings.model.value != before {
                    // Another model counts otherwise.
                    session.context.calibrate(Calibration::default());
                    // Whoever chooses one wants that one.
                    session.ask_own_model();
                }
                // Another room is another question.
                session.compactions.guard = None;
            }
            Self::SpentElsewhere(elsewhere) => session.usage.elsewhere = Some(*elsewhere),
            Self::SystemSet { parts } => session.context.set_system(moment.seq, parts),
            Self::ToolsSet { tools } => session.offer(moment.seq, Some(tools)),
            Self::Moved { to, .. } => session.state = *to,
        }
    }
}

/// Decides what people do with a session as a whole.
pub(crate) fn decide(draft: &mut Draft<'_>, event: &Event) -> Result<Reply, Rejection> {
    match event {
        Event::Opened {
            workspace,
            title,
            settings,
            system,
            tools,
        } => {
            if draft
                .session
                .import
                .as_ref()
                .is_some_and(|import| !import.finished)
            {
                return Err(Rejection::HalfImported);
            }
            let first = draft.session.state == State::Vacant;
            advance(draft, Trigger::Open)?;
            if first {
                let workspace = Arc::clone(workspace);
                draft.fact(Fact::Placed { workspace }.into());
            }
            if let Some(title) = title {
                retitle(draft, title);
            }
            for setting in settings.differences(&draft.session.settings) {
                draft.fact(Fact::Set(setting).into());
            }
            put_head(draft, system, tools)?;
        }
        Event::Retitled { title } => {
            begun(draft)?;
            retitle(draft, title);
        }
        Event::Pinned { pinned } => {
            begun(draft)?;
            if draft.session.meta.pinned != *pinned {
                draft.fact(Fact::Pinned { pinned: *pinned }.into());
            }
        }
        Event::SettingChanged(setting) => {
            open(draft)?;
            match setting {
                // A running turn relies upon there being a model.
                Setting::Model(model) if model.value.is_none() => return Err(Rejection::NoModel),
                Setting::MaxSteps(steps) if steps.value == 0 => return Err(Rejection::NoSteps),
                _ => draft.fact(Fact::Set(setting.clone()).into()),
            }
            if matches!(setting, Setting::Mode(_) | Setting::Attended(_)) {
                batch::judge_again(draft)?;
            }
        }
        Event::SpendingTold(elsewhere) => {
            open(draft)?;
            let elsewhere = *elsewhere;
            if draft.session.usage.elsewhere != Some(elsewhere) {
                draft.fact(Fact::SpentElsewhere(elsewhere).into());
            }
        }
        Event::Closed => {
            advance(draft, Trigger::Close)?;
            mcp::stop_all(draft)?;
        }
        Event::ClosedAtRest => match draft.session.state {
            State::Closed => {}
            State::Busy if draft.session.open_turn().is_some_and(is_paused) => return Err(Rejection::Paused),
            State::Busy | State::Closing => return Err(Rejection::Busy),
            State::Compacting => return Err(Rejection::Compacting),
            State::Idle | State::Vacant => {
                advance(draft, Trigger::Close)?;
                mcp::stop_all(draft)?;
            }
        },
    }
    Ok(Reply::Done)
}

/// What is done to the record of a session can be done while it is closed, too.
pub(crate) fn begun(draft: &Draft<'_>) -> Result<(), Rejection> {
    match draft.session.state {
        State::Vacant => Err(Rejection::NotOpen),
        State::Idle | State::Busy | State::Compacting | State::Closing | State::Closed => Ok(()),
    }
}

pub(crate) fn open(draft: &Draft<'_>) -> Result<(), Rejection> {
    match draft.session.state {
        State::Vacant | State::Closed => Err(Rejection::NotOpen),
        State::Idle | State::Busy | State::Compacting | State::Closing => Ok(()),
    }
}

fn is_paused(turn: &Turn) -> bool {
    turn.state == turn_chart::State::Paused
}

fn retitle(draft: &mut Draft<'_>, title: &Arc<str>) {
    if draft.session.meta.title.as_ref() != Some(title) {
        let title = Arc::clone(title);
        draft.fact(Fact::Titled { title }.into());
    }
}

fn put_head(draft: &mut Draft<'_>, system: &[SystemPart], tools: &[ToolSpec]) -> Result<(), Rejection> {
    let mut names: Vec<&Arc<str>> = tools.iter().map(|tool| &tool.name).collect();
    names.sort();
    if let Some(theirs) = names.iter().find(|name| mcp::name::is_of_server(name)) {
        return Err(Rejection::ToolOfServer(Arc::clone(theirs)));
    }
    if let Some(twice) = names.windows(2).find_map(|pair| match pair {
        [one, two] if one == two => Some(*one),
        _ => None,
    }) {
        return Err(Rejection::ToolTwice(Arc::clone(twice)));
    }
    let head = draft.session.context.head();
    if !head.system.iter().map(|part| &part.part).eq(system) {
        let parts = system.to_vec();
        draft.fact(Fact::SystemSet { parts }.into());
    }
    if draft.session.own_tools() != tools {
        let tools = tools.to_vec();
        draft.fact(Fact::ToolsSet { tools }.into());
    }
    Ok(())
}

/// Moves the session's chart, and does what the row asks for.
pub(crate) fn advance(draft: &mut Draft<'_>, trigger: Trigger) -> Result<(), Rejection> {
    let session = &draft.session;
    let completed = session
        .turn
        .as_ref()
        .is_some_and(|turn| turn.state == turn_chart::State::Completed);
    let wanted = match &session.compactions.open {
        // What was said for another place is not said here: where the leaf stays, it waits.
        Some(open)
            if open.leaving().is_some()
                && matches!(trigger, Trigger::AttemptFailed | Trigger::BackoffOver) =>
        {
            false
        }
        Some(open) => open.spoken,
        None => completed,
    };
    let due = wanted && !session.queue.follow_ups.is_empty();
    let retry = session
        .attempt()
        .is_some_and(|attempt| retry::is_left(attempt, session, draft.context.at));
    let conditions = Conditions::NONE
        .with(Condition::FollowUpsDue, due)
        .with(Condition::RetryLeft, retry)
        .with(
            Condition::BudgetLeft,
            session.next_exhausted(draft.context.at).is_none(),
        );
    let moved = chart::advance::<SessionChart>(session.state, trigger, conditions)?;
    draft.fact(
        Fact::Moved {
            row: moved.row.into(),
            to: moved.to,
        }
        .into(),
    );
    for intent in moved.intents {
        match intent {
            Intent::BeginTurn | Intent::BeginFollowUp => turn::begin(draft)?,
            Intent::QueuePrompt => {
                turn::queue(draft, Lane::FollowUp)?;
                draft.fact(compaction::Fact::Spoken.into());
            }
            Intent::BeginCompaction => compaction::begin(draft)?,
            Intent::CallModel => model::call(draft),
            Intent::AwaitTokens => model::await_tokens(draft),
            Intent::BackOff => model::back_off(draft),
            Intent::KeepSummary => compaction::keep(draft),
            Intent::GiveUpCompaction => compaction::give_up(draft),
            Intent::DropSummary => compaction::drop_request(draft),
            Intent::CancelTurn => {
                let turn = draft.session.open_turn();
                if turn.is_some_and(|turn| turn.state != turn_chart::State::Cancelling) {
                    turn::advance(draft, turn_chart::Trigger::Cancel)?;
                }
            }
        }
    }
    Ok(())
}

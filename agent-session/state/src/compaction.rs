//! Compacting: a model summarises what is old of the conversation, and an entry with its summary takes the place of
//! that. By hand, before a request that would leave too little room, and after a provider refused one for its length.

use std::sync::Arc;

use glasswork_agent_core::answer::Answer;
use glasswork_agent_core::branch_summary::{self, BranchSummary};
use glasswork_agent_core::compaction::{
    Compaction, Cut, Hindrance, LARGE_WINDOW, Room, Why, carried_tokens, carry, cut,
};
use glasswork_agent_core::context::{Plan, Prepared, Purpose, tokens_of_chars};
use glasswork_agent_core::id::{EntryId, RequestId, TurnId};
use glasswork_agent_core::session::{State as SessionState, Trigger as SessionTrigger};
use glasswork_agent_core::tree::{Body, Entry};
use glasswork_agent_core::turn::{State as TurnState, Trigger as TurnTrigger};
use glasswork_ai::controls::Controls;
use glasswork_ai::conversation::Block;
use glasswork_ai::failure::{Failure, FailureClass};
use glasswork_ai::model::{ModelId, Thinking};
use glasswork_ai::stream::{StopReason, Usage};
use glasswork_engine::{Moment, Timestamp};
use serde::{Deserialize, Serialize};

use crate::domain::Reply;
use crate::draft::Draft;
use crate::rejection::Rejection;
use crate::settings::CompactWhen;
use crate::state::{Attempt, Session, TurnFailure};
use crate::{charge, model, session, tree, turn};

/// Longest focus, in bytes.
pub const FOCUS_BYTES: usize = 4096;

/// What people ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The conversation shall be compacted now.
    Requested {
        /// What the summary shall not miss.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        focus: Option<Arc<str>>,
        /// Idempotency key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<Arc<str>>,
    },
    /// The compaction at which the conversation stands shall be as if it had not been: the conversation goes on before
    /// it, whole.
    Undone {
        /// Idempotency key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<Arc<str>>,
    },
}

/// What was decided of a compaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// A request for a summary was prepared.
    Began {
        /// Why.
        why: Why,
        /// Where the conversation will be cut.
        cut: Cut,
        /// What the summary is of.
        plan: Plan,
        /// The model that is asked.
        model: ModelId,
        /// Most tokens of the summary.
        max_output_tokens: u32,
        /// Most tokens that the request may have, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        budget: Option<u64>,
    },
    /// A request for a summary of the branch that is left was prepared.
    BranchBegan {
        /// Where the conversation comes from, and where it shall go on.
        leaving: Leaving,
        /// What the summary is of.
        plan: Plan,
        /// Older messages of that branch that are not among its parts.
        #[serde(default, skip_serializing_if = "is_none_more")]
        more: u64,
        /// The model that is asked.
        model: ModelId,
        /// Most tokens that the request may have, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        budget: Option<u64>,
    },
    /// The summary of the branch that was left is an entry; the leaf has moved just before.
    BranchKept {
        /// Number of the entry among those of this commit.
        #[serde(default, skip_serializing_if = "crate::unwritten::is_zero")]
        entry: u16,
        /// The entry.
        branch: Arc<BranchSummary>,
    },
    /// The summary is an entry, and stands for what it summarises.
    Kept {
        /// Number of the entry among those of this commit.
        #[serde(default, skip_serializing_if = "crate::unwritten::is_zero")]
        entry: u16,
        /// The entry.
        compaction: Arc<Compaction>,
        /// Why none follows by itself, if it saved too little.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        guard: Option<Guard>,
    },
    /// There was no summary to be had; the conversation stays as it is.
    GivenUp {
        /// Why.
        message: Arc<str>,
    },
    /// The request for a summary was dropped; the conversation stays as it is.
    Dropped,
    /// Someone has spoken since the summary was begun.
    Spoken,
    /// The provider refused the conversation for its length.
    Overflowed,
}

/// How it stands with compacting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct Compactions {
    /// The one under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open: Option<Arc<Compacting>>,
    /// Why none begins by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guard: Option<Guard>,
}

impl Compactions {
    /// Whether none is under way, and nothing keeps one from beginning.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What a summary under way is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// What is old of the conversation.
    Old {
        /// Why.
        why: Why,
        /// Where the conversation will be cut.
        cut: Cut,
    },
    /// A branch that is left once it is there.
    Branch(Leaving),
}

/// A branch that is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaving {
    /// Its end.
    pub from: EntryId,
    /// Where the conversation shall go on: below this entry, or before all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<EntryId>,
    /// What the summary shall not miss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub focus: Option<Arc<str>>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_none_more(more: &u64) -> bool {
    *more == 0
}

/// A summary under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compacting {
    /// What it is of.
    pub of: Subject,
    /// Since when.
    pub since: Timestamp,
    /// The request for the summary.
    pub attempt: Attempt,
    /// Whether someone has spoken meanwhile, to be answered when it is over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spoken: bool,
}

impl Compacting {
    /// The branch that is left when it is there, where it is of one.
    #[must_use]
    pub fn leaving(&self) -> Option<&Leaving> {
        match &self.of {
            Subject::Branch(leaving) => Some(leaving),
            Subject::Old { .. } => None,
        }
    }
}

/// Why no compaction begins by itself, until something has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guard {
    /// The last one saved too little.
    NotShrunk {
        /// Size before, in uncalibrated tokens.
        before: u64,
        /// Size after.
        after: u64,
        /// The size from which there is enough that is new for another.
        until: u64,
    },
    /// The last one got no summary. Holds in the turn in which that was.
    NoSummary {
        /// The turn.
        turn: Option<TurnId>,
        /// Why.
        message: Arc<str>,
    },
}

/// How it stands with a conversation that the provider refused for its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overflow {
    /// It shall be compacted.
    Due,
    /// It could not be compacted.
    Hopeless,
    /// It was compacted, and the request is made once more.
    Compacted,
}

impl Fact {
    pub(crate) fn apply(&self, session: &mut Session, moment: Moment) {
        match self {
            Self::Began {
                why,
                cut,
                plan,
                model,
                max_output_tokens,
                budget,
            } => {
                let purpose = Purpose::Summary {
                    inside_turn: cut.inside_turn,
                    focus: match why {
                        Why::Asked { focus } => focus.clone(),
                        Why::Threshold | Why::Overflow | Why::Imported => None,
                    },
                    budget: *budget,
                };
                let of = Subject::Old {
                    why: why.clone(),
                    cut: *cut,
                };
                session.asks(moment, of, plan, model, *max_output_tokens, purpose);
            }
            Self::BranchBegan {
                leaving,
                plan,
                more,
                model,
                budget,
            } => {
                let purpose = Purpose::Branch {
                    more: *more,
                    focus: leaving.focus.clone(),
                    budget: *budget,
                };
                let of = Subject::Branch(leaving.clone());
                session.asks(moment, of, plan, model, branch_summary::MOST_OUTPUT, purpose);
            }
            Self::BranchKept { entry, branch } => {
                let id = EntryId {
                    seq: moment.seq,
                    ordinal: *entry,
                };
                let body = Body::BranchSummary(Arc::clone(branch));
                session.tree.append(id, moment.at, body);
                session.context.follow(&session.tree, Some(id));
                session.compactions.open = None;
            }
            Self::Kept {
                entry,
                compaction,
                guard,
            } => {
                let id = EntryId {
                    seq: moment.seq,
                    ordinal: *entry,
                };
                let body = Body::Compaction(Arc::clone(compaction));
                session.tree.append(id, moment.at, body);
                session.context.follow(&session.tree, Some(id));
                session.compactions.open = None;
                session.compactions.guard.clone_from(guard);
                session.set_overflow(|overflow| overflow.map(|_| Overflow::Compacted));
            }
            Self::GivenUp { message } => {
                let open = session.compactions.open.take();
                // That a branch got no summary says nothing of compacting.
                if open.is_some_and(|open| open.leaving().is_some()) {
                    return;
                }
                session.compactions.guard = Some(Guard::NoSummary {
                    turn: session.turn.as_ref().map(|turn| turn.id),
                    message: Arc::clone(message),
                });
                session.set_overflow(|overflow| overflow.map(|_| Overflow::Hopeless));
            }
            Self::Dropped => session.compactions.open = None,
            Self::Spoken => {
                if let Some(open) = &mut session.compactions.open {
                    Arc::make_mut(open).spoken = true;
                }
            }
            Self::Overflowed => session.set_overflow(|_| Some(Overflow::Due)),
        }
    }
}

impl Session {
    /// Has a request for a summary under way.
    fn asks(
        &mut self,
        moment: Moment,
        of: Subject,
        plan: &Plan,
        model: &ModelId,
        max_output_tokens: u32,
        purpose: Purpose,
    ) {
        let request = self.next_request();
        let prepared = Prepared {
            output: None,
            turn: self.open_turn().map_or(TurnId(0), |turn| turn.id),
            by: moment.seq,
            plan: plan.clone(),
            model: model.clone(),
            thinking: Thinking::Default,
            max_output_tokens: Some(max_output_tokens),
            // It is asked once: a cache would only cost.
            controls: Controls::default(),
            adjusted: Vec::new(),
            body: None,
            usage: Usage::default(),
            attempts: 0,
            purpose,
        };
        self.requests.insert(request, Arc::new(prepared));
        self.compactions.open = Some(Arc::new(Compacting {
            of,
            since: moment.at,
            attempt: Attempt {
                request,
                number: 0,
                first_at: moment.at,
                effect: None,
                wait: None,
                called_at: None,
                answer: Answer::default(),
                stop: None,
                failure: None,
            },
            spoken: false,
        }));
    }

    fn set_overflow(&mut self, to: impl FnOnce(Option<Overflow>) -> Option<Overflow>) {
        if self.open_turn().is_some()
            && let Some(turn) = self.turn_mut()
        {
            turn.overflow = to(turn.overflow);
        }
    }

    /// The number of the request that is prepared next.
    pub(crate) fn next_request(&self) -> RequestId {
        let last = self.requests.get_max().map_or(0, |(id, _)| id.0);
        RequestId(last.saturating_add(1))
    }

    /// How much room the conversation has.
    #[must_use]
    pub fn room(&self) -> Room {
        let settings = &self.settings;
        // An answer may need more than is kept free by default.
        let longest = settings.max_output_tokens.value.map_or(0, u64::from);
        Room::of(
            self.window(),
            settings.compact_reserve.value.max(longest),
            settings.compact_keep.value,
        )
    }

    /// The size, in calibrated tokens, above which the conversation is compacted before it is sent; `None` where that
    /// does not happen by itself.
    #[must_use]
    pub fn compaction_threshold(&self) -> Option<u64> {
        let room = self.room();
        let wanted = match self.settings.compact.value {
            CompactWhen::Off => false,
            CompactWhen::On => true,
            CompactWhen::Auto => room.window.is_some_and(|window| window < LARGE_WINDOW),
        };
        room.threshold().filter(|_| wanted)
    }

    /// Why no compaction begins by itself now, where one was tried.
    #[must_use]
    pub fn compaction_guard(&self) -> Option<&Guard> {
        self.compactions.guard.as_ref().filter(|guard| match guard {
            Guard::NotShrunk { until, .. } => self.context.tokens() < *until,
            Guard::NoSummary { turn, .. } => self.turn.as_ref().map(|turn| turn.id) == *turn,
        })
    }
}

/// Decides what people ask for.
pub(crate) fn decide(draft: &mut Draft<'_>, event: &Event) -> Result<Reply, Rejection> {
    let (focus, key) = match event {
        Event::Requested { focus, key } => (focus, key),
        Event::Undone { key } => return undo(draft, key.as_ref()),
    };
    draft.once(key.as_ref())?;
    at_rest(draft)?;
    let focus = focused(focus.as_ref())?;
    affordable(draft)?;
    let why = Why::Asked { focus };
    if let Err(hindrance) = planned(&draft.session, &why) {
        return Err(Rejection::CannotCompact(hindrance));
    }
    draft.why = Some(why);
    session::advance(draft, SessionTrigger::Compact)?;
    Ok(Reply::Done)
}

/// A summary that someone asks for is made between turns.
fn at_rest(draft: &Draft<'_>) -> Result<(), Rejection> {
    match draft.session.state {
        SessionState::Vacant | SessionState::Closed => Err(Rejection::NotOpen),
        SessionState::Busy | SessionState::Closing => Err(Rejection::Busy),
        SessionState::Compacting => Err(Rejection::Compacting),
        SessionState::Idle => Ok(()),
    }
}

fn focused(focus: Option<&Arc<str>>) -> Result<Option<Arc<str>>, Rejection> {
    let focus = focus.map(|focus| focus.trim()).filter(|focus| !focus.is_empty());
    match focus.is_some_and(|focus| focus.len() > FOCUS_BYTES) {
        true => Err(Rejection::FocusTooLong),
        false => Ok(focus.map(Arc::from)),
    }
}

/// Lets the conversation go on elsewhere, with a summary of the branch that is left: once that is there. Where nothing is
/// left there is nothing to summarise, and it goes on there at once.
pub(crate) fn leave(
    draft: &mut Draft<'_>,
    to: Option<EntryId>,
    focus: Option<&Arc<str>>,
) -> Result<(), Rejection> {
    at_rest(draft)?;
    let focus = focused(focus)?;
    tree::can_go_to(draft, to)?;
    let session = &draft.session;
    let left = branch_summary::left(&session.tree, session.context.parts(), to);
    let Some(from) = session.tree.leaf().filter(|_| !left.parts.is_empty()) else {
        return tree::go_to(draft, to);
    };
    affordable(draft)?;
    draft.leaving = Some((Leaving { from, to, focus }, left));
    session::advance(draft, SessionTrigger::Compact)
}

fn undo(draft: &mut Draft<'_>, key: Option<&Arc<str>>) -> Result<Reply, Rejection> {
    session::open(draft)?;
    draft.once(key)?;
    let tree = &draft.session.tree;
    let leaf = tree.leaf().and_then(|leaf| tree.get(leaf));
    let compacted = |entry: &Arc<Entry>| matches!(entry.body, Body::Compaction(_));
    match leaf.filter(|leaf| compacted(leaf)).map(|leaf| leaf.parent) {
        Some(before) => tree::go_to(draft, before)?,
        None => {
            let mut branch = tree.branch();
            let last = branch.find(|(_, entry)| compacted(entry));
            let before = last.and_then(|(_, entry)| entry.parent);
            return Err(Rejection::NoCompactionHere { before });
        }
    }
    Ok(Reply::Done)
}

/// The model that summarises.
fn summariser(session: &Session) -> Result<ModelId, Rejection> {
    let settings = &session.settings;
    let chosen = settings.compact_model.value.clone();
    chosen
        .or_else(|| session.asked_model().cloned())
        .ok_or(Rejection::NoModel)
}

/// Whether a summary that someone asks for between turns may be paid for.
fn affordable(draft: &Draft<'_>) -> Result<(), Rejection> {
    let model = summariser(&draft.session)?;
    match draft.session.exhausted(&model, draft.context.at) {
        Some(exhausted) => Err(Rejection::Budget(exhausted)),
        None => Ok(()),
    }
}

/// How much room there is, and where the conversation would be cut.
fn planned(session: &Session, why: &Why) -> Result<(Room, Cut), Hindrance> {
    let mut room = session.room();
    if *why == Why::Overflow {
        // Whatever is believed of the window: what was refused is larger.
        let refused = session
            .turn
            .as_ref()
            .and_then(|turn| turn.attempt.as_ref())
            .and_then(|attempt| session.requests.get(&attempt.request))
            .map(|prepared| prepared.plan.estimate);
        let settings = &session.settings;
        let window = room.window.into_iter().chain(refused).min();
        room = Room::of(
            window,
            settings.compact_reserve.value,
            settings.compact_keep.value,
        );
    }
    let context = &session.context;
    let (all, messages) = (context.parts(), context.message_tokens());
    let cut = cut(&session.tree, all, messages, room.keep).ok_or(Hindrance::Nothing)?;
    let carried = carry(&session.tree, all, &cut, &session.footprint, session.plan_told());
    // What is carried must be less than what gives way, or no summary could help.
    if carried_tokens(&carried) >= messages.saturating_sub(cut.kept_tokens) {
        return Err(Hindrance::Nothing);
    }
    Ok((room, cut))
}

/// Whether the conversation shall be compacted before it is sent. Asked at the safe point.
pub(crate) fn is_due(session: &Session) -> bool {
    let overflow = session.turn.as_ref().and_then(|turn| turn.overflow);
    if overflow == Some(Overflow::Due) {
        return hindrance(session).is_none();
    }
    let Some(threshold) = session.compaction_threshold() else {
        return false;
    };
    let steering = session.queue.steering.iter();
    let waiting: u64 = steering
        .map(|words| tokens_of_chars(u64::try_from(words.text.len()).unwrap_or(u64::MAX)))
        .sum();
    let size = session.context.tokens().saturating_add(waiting);
    session.context.calibration().estimate(size) > threshold
        && session.compaction_guard().is_none()
        && planned(session, &Why::Threshold).is_ok()
}

/// Whether a request that has just failed was refused for its length, and compacting may help.
pub(crate) fn may_help(session: &Session) -> bool {
    session.attempt().is_some_and(is_overflow) && hindrance(session).is_none()
}

/// Whether an attempt was refused for the conversation's length.
fn is_overflow(attempt: &Attempt) -> bool {
    let class = attempt.failure.as_ref().map(|failure| failure.class);
    class == Some(FailureClass::ContextOverflow)
}

/// Why a conversation that was refused for its length is not compacted.
fn hindrance(session: &Session) -> Option<Hindrance> {
    if session.turn.as_ref().and_then(|turn| turn.overflow) == Some(Overflow::Compacted) {
        return Some(Hindrance::Again);
    }
    match session.compaction_guard() {
        Some(Guard::NotShrunk { before, after, .. }) => {
            return Some(Hindrance::NotShrunk {
                before: *before,
                after: *after,
            });
        }
        // What failed at the threshold may be tried once more where there is no other way.
        Some(Guard::NoSummary { .. }) | None => {}
    }
    planned(session, &Why::Overflow).err()
}

/// Why the turn fails whose last request failed.
pub(crate) fn blame(session: &Session, failure: &Failure) -> TurnFailure {
    let hindrance = match session.turn.as_ref().and_then(|turn| turn.overflow) {
        Some(Overflow::Hopeless) => match &session.compactions.guard {
            Some(Guard::NoSummary { message, .. }) => Some(Hindrance::NoSummary {
                message: Arc::clone(message),
            }),
            _ => hindrance(session),
        },
        _ => hindrance(session),
    };
    match hindrance.filter(|_| failure.class == FailureClass::ContextOverflow) {
        Some(hindrance) => TurnFailure::TooLong {
            failure: failure.clone(),
            hindrance,
        },
        None => TurnFailure::Model(failure.clone()),
    }
}

/// Prepares the request for a summary.
pub(crate) fn begin(draft: &mut Draft<'_>) -> Result<(), Rejection> {
    if let Some((leaving, left)) = draft.leaving.take() {
        let session = &draft.session;
        let most = u64::from(branch_summary::MOST_OUTPUT);
        let began = Fact::BranchBegan {
            leaving,
            plan: session.context.plan_left(&left),
            more: left.more,
            model: summariser(session)?,
            budget: session.room().window.map(|window| window.saturating_sub(most)),
        };
        draft.fact(began.into());
        return Ok(());
    }
    let session = &draft.session;
    let overflow = session.open_turn().and_then(|turn| turn.overflow);
    let why = draft.why.take().unwrap_or(match overflow {
        Some(Overflow::Due) => Why::Overflow,
        _ => Why::Threshold,
    });
    let (room, cut) = planned(session, &why).map_err(Rejection::CannotCompact)?;
    let most = room.most_output(cut.inside_turn);
    let began = Fact::Began {
        why,
        plan: session.context.plan_first(cut.parts),
        cut,
        model: summariser(session)?,
        max_output_tokens: u32::try_from(most).unwrap_or(u32::MAX),
        budget: room.window.map(|window| window.saturating_sub(most)),
    };
    draft.fact(began.into());
    Ok(())
}

/// A compaction of which less than one part in so many was saved is not followed by another by itself.
const LEAST_SAVED: u64 = 10;

/// Looks at a complete answer to the request for a summary.
///
/// # Errors
/// Why it is none.
pub(crate) fn judge(draft: &mut Draft<'_>, stop: &StopReason) -> Result<(), Failure> {
    let Some(open) = draft.session.compactions.open.clone() else {
        return Ok(());
    };
    let none = |message: String| Failure::new(FailureClass::Protocol, message);
    let session = &draft.session;
    let most = session
        .requests
        .get(&open.attempt.request)
        .and_then(|prepared| prepared.max_output_tokens)
        .unwrap_or_default();
    match stop {
        StopReason::Length => return Err(none(format!("the summary did not end within {most} tokens"))),
        StopReason::Refusal => return Err(none("the model refused to summarise".to_owned())),
        StopReason::EndOfTurn
        | StopReason::ToolUse
        | StopReason::StopSequence
        | StopReason::Paused
        | StopReason::Other(_) => {}
    }
    let mut summary = String::new();
    for block in open.attempt.answer.finished() {
        match block {
            Block::Text(text) => summary.push_str(text),
            Block::Thinking(_) | Block::Kept(_) => {}
            Block::ToolCall(_) => {
                return Err(none("the model called a tool instead of summarising".to_owned()));
            }
        }
    }
    let summary = summary.trim();
    if summary.is_empty() {
        return Err(none("the summary is empty".to_owned()));
    }
    let context = &session.context;
    let Some(prepared) = session.requests.get(&open.attempt.request) else {
        return Err(none("its request is not known".to_owned()));
    };
    let (why, cut) = match &open.of {
        Subject::Old { why, cut } => (why, cut),
        Subject::Branch(leaving) => {
            let (changed, read) = branch_summary::files(&session.footprint);
            draft.branch = Some(Arc::new(BranchSummary {
                from: Some(leaving.from),
                summary: summary.into(),
                model: prepared.model.clone(),
                request: open.attempt.request,
                changed,
                read,
            }));
            return Ok(());
        }
    };
    let before = context.tokens();
    let mut compaction = Compaction {
        why: why.clone(),
        summary: summary.into(),
        model: prepared.model.clone(),
        request: open.attempt.request,
        first_kept: cut.first_kept,
        tokens_before: before,
        tokens_after: 0,
        carried: carry(
            &session.tree,
            context.parts(),
            cut,
            &session.footprint,
            session.plan_told(),
        ),
    };
    let gone = context.message_tokens().saturating_sub(cut.kept_tokens);
    let message = tokens_of_chars(Body::Compaction(Arc::new(compaction.clone())).chars());
    let after = before.saturating_sub(gone).saturating_add(message);
    if after >= before {
        return Err(none(format!(
            "the summary, with what is carried over, is not shorter than what it stands for ({message} tokens instead of {gone})"
        )));
    }
    compaction.tokens_after = after;
    let saved = before - after;
    let guard = (saved < before / LEAST_SAVED).then_some(Guard::NotShrunk {
        before,
        after,
        until: after.saturating_add(session.room().keep),
    });
    draft.compaction = Some((Arc::new(compaction), guard));
    Ok(())
}

/// Puts the summary in the place of what it summarises.
pub(crate) fn keep(draft: &mut Draft<'_>) {
    let open = draft.session.compactions.open.clone();
    if let (Some(branch), Some(leaving)) =
        (draft.branch.take(), open.as_ref().and_then(|open| open.leaving()))
    {
        draft.fact(tree::Fact::LeafMoved { to: leaving.to }.into());
        let entry = draft.entries(1);
        draft.fact(Fact::BranchKept { entry, branch }.into());
        return;
    }
    let Some((compaction, guard)) = draft.compaction.take() else {
        return;
    };
    let entry = draft.entries(1);
    draft.fact(
        Fact::Kept {
            entry,
            compaction,
            guard,
        }
        .into(),
    );
}

/// Leaves the conversation as it is, because there is no summary to be had.
pub(crate) fn give_up(draft: &mut Draft<'_>) {
    let session = &draft.session;
    let failure = session.attempt().and_then(|attempt| attempt.failure.as_ref());
    let message = failure.map_or_else(
        || Arc::from("no answer came"),
        |failure| Arc::clone(&failure.message),
    );
    let message = match session.next_exhausted(draft.context.at) {
        Some(exhausted) => format!("{message}; {exhausted}").into(),
        None => message,
    };
    draft.fact(Fact::GivenUp { message }.into());
}

/// Drops the request for a summary.
pub(crate) fn drop_request(draft: &mut Draft<'_>) {
    if let Some(effect) = draft.session.attempt().and_then(|attempt| attempt.effect) {
        draft.close(effect);
        charge::enter(draft, charge::End::Dropped);
        draft.fact(model::Fact::Dropped.into());
    }
    draft.fact(Fact::Dropped.into());
}

/// What happens to the request under way, whichever chart it belongs to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Course {
    /// The server began to answer.
    Connected,
    /// The answer is complete.
    Answered,
    /// The attempt failed.
    Failed,
    /// The time of backing off is over.
    BackoffOver,
}

/// Moves the chart whose request it is: the turn's, or the session's where no turn is open.
pub(crate) fn advance(draft: &mut Draft<'_>, course: Course) -> Result<(), Rejection> {
    if draft.session.state == SessionState::Compacting {
        let trigger = match course {
            Course::Connected => SessionTrigger::Connected,
            Course::Answered => SessionTrigger::Answered,
            Course::Failed => SessionTrigger::AttemptFailed,
            Course::BackoffOver => SessionTrigger::BackoffOver,
        };
        return session::advance(draft, trigger);
    }
    let trigger = match course {
        Course::Connected => TurnTrigger::Connected,
        Course::Answered => TurnTrigger::Answered,
        Course::Failed => TurnTrigger::AttemptFailed,
        Course::BackoffOver => TurnTrigger::BackoffOver,
    };
    turn::advance(draft, trigger)
}

/// Whether a compaction is where the charts say that one is.
pub(crate) fn is_charted(session: &Session) -> bool {
    let in_turn = session
        .open_turn()
        .is_some_and(|turn| turn.state == TurnState::Compacting);
    session.compactions.open.is_some() == (session.state == SessionState::Compacting || in_turn)
}

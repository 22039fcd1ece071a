//! Watching a session: what happens in it, as screens show it. Derived from commits; nothing is decided here.

use std::collections::BTreeSet;
use std::sync::Arc;

use glasswork_agent_core::compaction::Why;
use glasswork_agent_core::id::{CallId, EntryId, RequestId, TurnId};
use glasswork_agent_core::loop_guard;
use glasswork_agent_core::structured::{Around, Outcome, Telling, Unfit};
use glasswork_agent_core::tree::Via;
use glasswork_agent_core::{tool_call, turn as turn_chart};
use glasswork_ai::conversation::Block;
use glasswork_ai::failure::Failure;
use glasswork_ai::model::ModelId;
use glasswork_ai::stream::{BlockKind, Usage};
use glasswork_engine::{Commit, Cursor, Domain, FeedItem, Follower, Origin, ScopeId, Timestamp};
use glasswork_session_state::call::{self, Detail};
use glasswork_session_state::failover::{self, GivenUp};
use glasswork_session_state::judge::Judgement;
use glasswork_session_state::queue::Lane;
use glasswork_session_state::state::{self, AttemptWait, Pending, Session, TurnFailure};
use glasswork_session_state::{
    Fact, Glasswork, compaction, model, prompt, secrets, session, structured as result, tools, tree, turn,
};
use serde::Serialize;

use crate::projection::invalidation::{self, Projection};
use crate::structured;

#[cfg(test)]
mod tests;

/// Something that happened in a session.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Update {
    /// A turn began.
    TurnBegan {
        /// The turn.
        turn: TurnId,
    },
    /// Someone's words stand in the conversation.
    Said {
        /// The words.
        text: Arc<str>,
        /// How they came there.
        via: Via,
    },
    /// Someone's words wait.
    Queued {
        /// For what.
        lane: Lane,
        /// The words.
        text: Arc<str>,
    },
    /// Words of steering went back to their authors.
    SteeringReturned {
        /// The words, in order.
        texts: Vec<Arc<str>>,
    },
    /// A request to the model was prepared.
    RequestPrepared {
        /// The request.
        request: RequestId,
        /// The model.
        model: ModelId,
        /// Messages in it.
        messages: u64,
        /// Those of them that the request before did not have.
        new_messages: u64,
        /// Its size in tokens, estimated.
        estimated_tokens: u64,
    },
    /// The model thinks: more text.
    Thinking {
        /// The text.
        text: Arc<str>,
    },
    /// The model answers: more text.
    Text {
        /// The text.
        text: Arc<str>,
    },
    /// A block of text or thinking is complete.
    BlockFinished {
        /// The whole block.
        block: Block,
    },
    /// An attempt failed; what it had streamed is void.
    AttemptFailed {
        /// Why.
        failure: Failure,
    },
    /// The agent goes in circles, and the model is told so.
    Noticed {
        /// How it goes in circles.
        kind: loop_guard::Kind,
        /// What the model is told.
        text: Arc<str>,
    },
    /// The model gave no answer, and another one is asked for the rest of the turn. What it had said is void.
    FellBack {
        /// The model that gave none.
        from: ModelId,
        /// The model that is asked.
        to: ModelId,
        /// Those that were to be asked before that one and are not, each with the reason.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        skipped: Vec<GivenUp>,
    },
    /// The model is told of the result that is wanted of the turn.
    ResultWanted {
        /// Why.
        telling: Telling,
        /// What it is told.
        text: Arc<str>,
    },
    /// An answer was judged that should be the result.
    ResultJudged {
        /// The request that it answers.
        request: RequestId,
        /// The result, where it is that.
        #[serde(serialize_with = "structured::as_json")]
        value: Option<Arc<str>>,
        /// What stood around it.
        around: Around,
        /// Why it is not the result, as data and in words.
        unfit: Option<Unfit>,
        /// The same in words.
        unfit_text: Option<String>,
    },
    /// The next attempt waits.
    BackingOff {
        /// The attempt that failed, from 1.
        attempt: u32,
        /// How long, in milliseconds.
        wait_ms: u64,
        /// When it begins, if the machine does not sleep: what a countdown counts to.
        resume_at: Option<Timestamp>,
    },
    /// The model called a tool.
    ToolProposed {
        /// The call.
        call: CallId,
        /// The tool.
        name: Arc<str>,
        /// The arguments as the model wrote them.
        arguments: Arc<str>,
    },
    /// The policy judged a call.
    ToolJudged {
        /// The call.
        call: CallId,
        /// The verdict and why.
        judgement: Arc<Judgement>,
    },
    /// A person is asked about a call.
    ToolAsked {
        /// The call.
        call: CallId,
        /// The tool.
        name: Arc<str>,
        /// The arguments as the model wrote them.
        arguments: Arc<str>,
    },
    /// A person answered.
    ToolAnswered {
        /// The call.
        call: CallId,
        /// Whether it may run.
        approved: bool,
    },
    /// A call runs.
    ToolStarted {
        /// The call.
        call: CallId,
    },
    /// The end of a running call's output.
    ToolOutput {
        /// The call.
        call: CallId,
        /// The text.
        tail: Arc<str>,
    },
    /// A call is settled.
    ToolSettled {
        /// The call.
        call: CallId,
        /// The tool.
        name: Arc<str>,
        /// Where its chart ended.
        state: tool_call::State,
        /// What the model is told.
        text: Arc<str>,
        /// Whether the model is told that it failed.
        is_error: bool,
        /// What else there is to show.
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<Detail>,
    },
    /// A secret was masked that the session had not met before.
    SecretMasked {
        /// What kind it is.
        kind: Arc<str>,
    },
    /// The turn shall stop or rest at the next safe point; `None` takes that back.
    Pending {
        /// What it shall do.
        pending: Option<Pending>,
    },
    /// The turn rests and can go on.
    TurnPaused {
        /// The turn.
        turn: TurnId,
    },
    /// The turn has ended.
    TurnEnded {
        /// The turn.
        turn: TurnId,
        /// Where its chart ended.
        state: turn_chart::State,
        /// Why it failed, if it did.
        #[serde(skip_serializing_if = "Option::is_none")]
        failure: Option<TurnFailure>,
        /// Requests that it made.
        steps: u32,
        /// Tokens of the whole session, as the providers counted them.
        usage: Usage,
    },
    /// The conversation goes on elsewhere.
    LeafMoved {
        /// Below this entry; `None` for before all of them.
        to: Option<EntryId>,
    },
    /// A summary of the branch that is left is being made.
    BranchSummaryBegan {
        /// Where the conversation shall go on; `None` for before all entries.
        to: Option<EntryId>,
        /// The model that makes it.
        model: ModelId,
        /// Messages that it tells of.
        messages: u64,
    },
    /// The conversation goes on elsewhere, with a summary of the branch that was left.
    BranchSummarised {
        /// The entry that has it.
        entry: EntryId,
    },
    /// A summary of what is old is being made.
    CompactionBegan {
        /// Why.
        why: Why,
        /// The model that makes it.
        model: ModelId,
        /// Messages that it stands for.
        messages: u64,
    },
    /// A summary stands for what is old.
    Compacted {
        /// The entry.
        entry: EntryId,
        /// Size of what is sent before, in tokens, estimated.
        tokens_before: u64,
        /// The same after.
        tokens_after: u64,
        /// Whether it saved so little that none follows by itself.
        saved_little: bool,
    },
    /// There is no summary to be had; the conversation stays as it is.
    CompactionFailed {
        /// Why.
        message: Arc<str>,
    },
    /// The request for a summary was dropped; the conversation stays as it is.
    CompactionDropped,
    /// The session was closed.
    Closed,
    /// Commits do not come: [`Watch::session`] is as of the last of them, and what comes next is of the one after that.
    Gap {
        /// The first one missed.
        from: u64,
        /// The last one missed.
        to: u64,
    },
    /// Nothing more can be recorded, and so nothing more happens.
    RecordingFailed {
        /// Why, and what to do.
        reason: Arc<str>,
    },
    /// The session is not mounted any more. Commits after [`Watched::seq`], if there are any, did not come.
    Ended,
}

/// A session watched: its state, kept up to date by the facts of its commits, and what happened.
#[derive(Debug)]
pub struct Watch {
    scope: ScopeId,
    /// How often the session's journal had been opened for writing.
    epoch: u32,
    /// The last commit when the watching began.
    joined: u64,
    state: Arc<Session>,
    seq: u64,
    follower: Follower<Glasswork>,
    live: glasswork_engine::Reader<Glasswork>,
}

/// What one commit brought.
#[derive(Debug, Clone, PartialEq)]
pub struct Watched {
    /// The commit; of a gap the last one missed; of an end the last one that came.
    pub seq: u64,
    /// Who asked for the commit; `None` where it is none.
    pub origin: Option<Origin>,
    /// What happened, in order.
    pub updates: Vec<Update>,
    /// What a client that shows it asks for anew.
    pub touches: BTreeSet<Projection>,
}

impl Watch {
    /// Watches a mounted session from now on; `None` where it is not mounted, or no session.
    #[must_use]
    pub fn begin(live: glasswork_engine::Reader<Glasswork>, scope: ScopeId) -> Option<Self> {
        let following = live.follow(scope, None)?;
        let state::Scope::Session(session) = &following.base.state else {
            return None;
        };
        let (state, seq) = (Arc::clone(session), following.base.seq);
        Some(Self {
            scope,
            epoch: following.base.epoch,
            joined: following.base.seq,
            state,
            seq,
            follower: following.follower,
            live,
        })
    }

    /// Watches a mounted session from a commit of this epoch on, as far as memory has it: from the last state before
    /// that was kept; where there is none, from now on.
    pub(crate) fn resume(
        live: glasswork_engine::Reader<Glasswork>,
        scope: ScopeId,
        seen: Cursor,
    ) -> Option<Self> {
        let Some(kept) = live.at(scope, seen.seq).filter(|kept| kept.epoch == seen.epoch) else {
            return Self::begin(live, scope);
        };
        let state::Scope::Session(session) = &kept.state else {
            return None;
        };
        let (state, seq) = (Arc::clone(session), kept.seq);
        let cursor = Cursor { seq, ..seen };
        let following = live.follow(scope, Some(cursor))?;
        if following.resync {
            return Self::begin(live, scope);
        }
        Some(Self {
            scope,
            epoch: kept.epoch,
            joined: following.base.seq,
            state,
            seq,
            follower: following.follower,
            live,
        })
    }

    /// The session as of what [`next`](Self::next) gave last.
    #[must_use]
    pub fn session(&self) -> &Arc<Session> {
        &self.state
    }

    /// The commit as of which [`session`](Self::session) is.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// How often the session's journal had been opened for writing.
    pub(crate) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The last commit when the watching began, which is none of what [`next`](Self::next) gives unless it was asked for.
    pub(crate) fn joined(&self) -> u64 {
        self.joined
    }

    /// What happens next. Cancellation safe.
    pub async fn next(&mut self) -> Watched {
        loop {
            let item = self.follower.next().await;
            if let Some(watched) = self.take(item) {
                return watched;
            }
        }
    }

    fn take(&mut self, item: FeedItem<Glasswork>) -> Option<Watched> {
        match item {
            // After a gap the state was taken anew, and may be ahead of what still comes: the gap said so.
            FeedItem::Commit(commit) if commit.id.seq <= self.seq => None,
            FeedItem::Commit(commit) => Some(self.apply(&commit)),
            FeedItem::Gap { to, .. } if to <= self.seq => None,
            FeedItem::Gap { .. } => {
                // Where the session is not mounted any more, its end comes next and says up to where it was seen.
                let now = self
                    .live
                    .scope(self.scope)
                    .filter(|now| now.epoch == self.epoch)?;
                let state::Scope::Session(session) = &now.state else {
                    return None;
                };
                let (from, to) = (self.seq + 1, now.seq);
                self.state = Arc::clone(session);
                self.seq = to;
                Some(Watched {
                    seq: to,
                    origin: None,
                    updates: vec![Update::Gap { from, to }],
                    touches: invalidation::all(),
                })
            }
            FeedItem::JournalFailed(reason) => Some(Watched {
                seq: self.seq,
                origin: None,
                updates: vec![Update::RecordingFailed { reason }],
                touches: BTreeSet::from([Projection::Notifications]),
            }),
            FeedItem::Ended => Some(Watched {
                seq: self.seq,
                origin: None,
                updates: vec![Update::Ended],
                touches: BTreeSet::new(),
            }),
        }
    }

    fn apply(&mut self, commit: &Commit<Glasswork>) -> Watched {
        let mut scope = state::Scope::Session(Arc::clone(&self.state));
        let mut updates = Vec::new();
        for fact in &commit.facts {
            let before = Arc::clone(&self.state);
            Glasswork::evolve(&mut scope, fact, commit.moment());
            if let state::Scope::Session(after) = &scope {
                self.state = Arc::clone(after);
                describe(&before, after, fact, &mut updates);
            }
        }
        self.seq = commit.id.seq;
        Watched {
            seq: commit.id.seq,
            origin: Some(commit.origin.clone()),
            updates,
            touches: invalidation::touched(&commit.facts),
        }
    }
}

fn describe(before: &Session, after: &Session, fact: &Fact, updates: &mut Vec<Update>) {
    match fact {
        Fact::Session(fact) => of_session(fact, updates),
        Fact::Prompt(fact) => of_prompt(before, fact, updates),
        Fact::Turn(fact) => of_turn(before, after, fact, updates),
        Fact::Model(fact) => of_model(before, after, fact, updates),
        Fact::Structured(fact) => of_result(fact, updates),
        Fact::Tools(fact) => of_tools(after, fact, updates),
        Fact::Secrets(secrets::Fact::Masked { kind, .. }) => updates.push(Update::SecretMasked {
            kind: Arc::clone(kind),
        }),
        Fact::Tree(tree::Fact::LeafMoved { to }) => updates.push(Update::LeafMoved { to: *to }),
        Fact::Tree(_)
        | Fact::Import(_)
        | Fact::Checkout(_)
        | Fact::Fork(_)
        | Fact::Trash(_)
        | Fact::Closing(_)
        | Fact::Host(_)
        | Fact::Client(_)
        | Fact::SignIn(_) => {}
        Fact::Failover(failover::Fact::FellBack { to, skipped, .. }) => {
            let asked = before.attempt().map(|attempt| attempt.request);
            let from = asked.and_then(|request| before.requests.get(&request));
            updates.extend(from.map(|from| Update::FellBack {
                from: from.model.clone(),
                to: to.clone(),
                skipped: skipped.clone(),
            }));
        }
        Fact::Failover(failover::Fact::Known { .. }) | Fact::Mcp(_) => {}
        Fact::Compaction(fact) => of_compaction(after, fact, updates),
    }
}

fn of_result(fact: &result::Fact, updates: &mut Vec<Update>) {
    updates.push(match fact {
        result::Fact::Wanted(_) => return,
        result::Fact::Told { telling, text, .. } => Update::ResultWanted {
            telling: *telling,
            text: Arc::clone(text),
        },
        result::Fact::Tried(tried) => match &tried.outcome {
            Outcome::Fits { value, around } => Update::ResultJudged {
                request: tried.request,
                value: Some(Arc::clone(value)),
                around: *around,
                unfit: None,
                unfit_text: None,
            },
            Outcome::Unfit(unfit) => Update::ResultJudged {
                request: tried.request,
                value: None,
                around: Around::Nothing,
                unfit_text: Some(unfit.to_string()),
                unfit: Some(unfit.clone()),
            },
        },
    });
}

fn of_compaction(after: &Session, fact: &compaction::Fact, updates: &mut Vec<Update>) {
    use compaction::Fact as F;
    updates.push(match fact {
        F::Began { why, cut, model, .. } => Update::CompactionBegan {
            why: why.clone(),
            model: model.clone(),
            messages: cut.parts,
        },
        F::Kept {
            compaction, guard, ..
        } => {
            let Some(entry) = after.tree.leaf() else { return };
            Update::Compacted {
                entry,
                tokens_before: compaction.tokens_before,
                tokens_after: compaction.tokens_after,
                saved_little: guard.is_some(),
            }
        }
        F::BranchBegan {
            leaving,
            plan,
            more,
            model,
            ..
        } => Update::BranchSummaryBegan {
            to: leaving.to,
            model: model.clone(),
            messages: more.saturating_add(u64::try_from(plan.new.len()).unwrap_or(u64::MAX)),
        },
        F::BranchKept { .. } => {
            let Some(entry) = after.tree.leaf() else { return };
            Update::BranchSummarised { entry }
        }
        F::GivenUp { message } => Update::CompactionFailed {
            message: Arc::clone(message),
        },
        F::Dropped => Update::CompactionDropped,
        F::Spoken | F::Overflowed => return,
    });
}

fn of_session(fact: &session::Fact, updates: &mut Vec<Update>) {
    if let session::Fact::Moved {
        to: glasswork_agent_core::session::State::Closed,
        ..
    } = fact
    {
        updates.push(Update::Closed);
    }
}

fn of_prompt(before: &Session, fact: &prompt::Fact, updates: &mut Vec<Update>) {
    match fact {
        prompt::Fact::Said { text, .. } => {
            updates.push(Update::Said {
                text: Arc::clone(text),
                via: Via::Prompt,
            });
        }
        prompt::Fact::Queued { lane, text, .. } => {
            updates.push(Update::Queued {
                lane: *lane,
                text: Arc::clone(text),
            });
        }
        prompt::Fact::Taken { lane, count, .. } => {
            let via = match lane {
                Lane::Steering => Via::Steering,
                Lane::FollowUp => Via::FollowUp,
            };
            let taken = before.queue.lane(*lane).iter().take(usize::from(*count));
            updates.extend(taken.map(|words| Update::Said {
                text: Arc::clone(&words.text),
                via,
            }));
        }
        prompt::Fact::SteeringReturned => {
            let texts: Vec<_> = before
                .queue
                .steering
                .iter()
                .map(|words| Arc::clone(&words.text))
                .collect();
            if !texts.is_empty() {
                updates.push(Update::SteeringReturned { texts });
            }
        }
        prompt::Fact::Keyed { .. } => {}
    }
}

fn of_turn(before: &Session, after: &Session, fact: &turn::Fact, updates: &mut Vec<Update>) {
    let Some(turn) = &after.turn else { return };
    let stood = before.turn.as_ref().map(|turn| turn.state);
    match fact {
        turn::Fact::Began { .. } => updates.push(Update::TurnBegan { turn: turn.id }),
        turn::Fact::Moved { to, .. } if to.is_terminal() => updates.push(Update::TurnEnded {
            turn: turn.id,
            state: *to,
            failure: turn.failure.clone(),
            steps: turn.steps,
            usage: after.usage.tokens(),
        }),
        turn::Fact::Moved {
            to: turn_chart::State::Paused,
            ..
        } => {
            // A row may leave it where it is, as when words come that wait for it to go on.
            if stood == Some(turn_chart::State::Paused) {
                return;
            }
            updates.push(Update::TurnPaused { turn: turn.id });
        }
        turn::Fact::Pending(pending) => updates.push(Update::Pending { pending: *pending }),
        turn::Fact::Prepared { .. } => {
            if let Some((id, prepared)) = after.requests.get_max() {
                updates.push(Update::RequestPrepared {
                    request: *id,
                    model: prepared.model.clone(),
                    messages: prepared.parts(),
                    new_messages: prepared.plan.new.len() as u64,
                    estimated_tokens: prepared.plan.estimate,
                });
            }
        }
        turn::Fact::Noticed { notice, .. } => {
            if let loop_guard::About::Loop(kind) = notice.kind {
                updates.push(Update::Noticed {
                    kind,
                    text: Arc::clone(&notice.text),
                });
            }
        }
        // The reason follows the end in the same commit.
        turn::Fact::Blamed(why) => {
            if let Some(Update::TurnEnded { failure, .. }) = updates.last_mut() {
                *failure = Some(why.clone());
            }
        }
        turn::Fact::Moved { .. } | turn::Fact::GoesOn => {}
    }
}

fn of_model(before: &Session, after: &Session, fact: &model::Fact, updates: &mut Vec<Update>) {
    let attempt = |session: &Session| session.attempt().cloned();
    // A summary is no answer: whoever wants to read it finds it in its entry. Why there is none is told once.
    let summarises = before.compactions.open.is_some();
    match fact {
        model::Fact::Grew(..) | model::Fact::BlockFinished(..) | model::Fact::Failed(_) if summarises => {}
        model::Fact::Grew(index, text) => {
            use glasswork_agent_core::answer::Slot;
            let kind = attempt(before).and_then(|attempt| match attempt.answer.blocks.get(index) {
                Some(Slot::Growing { kind, .. }) => Some(kind.clone()),
                _ => None,
            });
            match kind {
                Some(BlockKind::Text) => updates.push(Update::Text {
                    text: Arc::clone(text),
                }),
                Some(BlockKind::Thinking) => updates.push(Update::Thinking {
                    text: Arc::clone(text),
                }),
                Some(BlockKind::ToolCall { .. } | BlockKind::Kept) | None => {}
            }
        }
        model::Fact::BlockFinished(_, block) if !matches!(block, Block::ToolCall(_) | Block::Kept(_)) => {
            updates.push(Update::BlockFinished { block: block.clone() });
        }
        model::Fact::Failed(failure) => updates.push(Update::AttemptFailed {
            failure: failure.clone(),
        }),
        model::Fact::Waits {
            on: AttemptWait::Backoff,
            after_ms,
        } => updates.push(Update::BackingOff {
            attempt: attempt(after).map_or(0, |attempt| attempt.number),
            wait_ms: *after_ms,
            resume_at: attempt(after)
                .and_then(|attempt| attempt.wait)
                .map(|wait| wait.deadline.set_at.after(wait.deadline.duration())),
        }),
        model::Fact::AnswerKept { .. } => {
            let new = after
                .calls
                .iter()
                .filter(|(id, _)| !before.calls.contains_key(*id));
            updates.extend(new.map(|(id, call)| Update::ToolProposed {
                call: *id,
                name: Arc::clone(&call.call.name),
                arguments: Arc::clone(&call.call.arguments),
            }));
        }
        _ => {}
    }
}

fn of_tools(after: &Session, fact: &tools::Fact, updates: &mut Vec<Update>) {
    match fact {
        tools::Fact::Judged { call, judgement } => {
            updates.push(Update::ToolJudged {
                call: *call,
                judgement: Arc::clone(judgement),
            });
        }
        tools::Fact::Asked { call, .. } => {
            if let Some(asked) = after.call(*call) {
                updates.push(Update::ToolAsked {
                    call: *call,
                    name: Arc::clone(&asked.call.name),
                    arguments: Arc::clone(&asked.call.arguments),
                });
            }
        }
        tools::Fact::Answered { call, approved, .. } => {
            updates.push(Update::ToolAnswered {
                call: *call,
                approved: *approved,
            });
        }
        tools::Fact::Moved {
            call,
            to: tool_call::State::Running,
            ..
        } => {
            updates.push(Update::ToolStarted { call: *call });
        }
        tools::Fact::Progressed { call, tail } => {
            updates.push(Update::ToolOutput {
                call: *call,
                tail: Arc::clone(tail),
            });
        }
        tools::Fact::Settled { call, outcome } => {
            let call::Outcome {
                text,
                is_error,
                detail,
                ..
            } = outcome;
            if let Some(settled) = after.call(*call) {
                updates.push(Update::ToolSettled {
                    call: *call,
                    name: Arc::clone(&settled.call.name),
                    state: settled.state,
                    text: Arc::clone(text),
                    is_error: *is_error,
                    detail: detail.clone(),
                });
            }
        }
        _ => {}
    }
}

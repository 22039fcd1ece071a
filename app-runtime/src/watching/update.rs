//! What happens in a session, as whoever watches is told of it.

use std::sync::Arc;

use glasswork_agent_core::compaction::Why;
use glasswork_agent_core::id::{CallId, EntryId, RequestId, StepId, TurnId};
use glasswork_agent_core::loop_guard;
use glasswork_agent_core::plan::Plan;
use glasswork_agent_core::question::{Answer, Question};
use glasswork_agent_core::structured::{Around, Telling, Unfit};
use glasswork_agent_core::tree::Via;
use glasswork_agent_core::{tool_call, turn as turn_chart};
use glasswork_ai::conversation::Block;
use glasswork_ai::failure::Failure;
use glasswork_ai::model::ModelId;
use glasswork_ai::stream::Usage;
use glasswork_engine::Timestamp;
use glasswork_session_state::call::Detail;
use glasswork_session_state::editor::EditorPlace;
use glasswork_session_state::failover::GivenUp;
use glasswork_session_state::judge::Judgement;
use glasswork_session_state::queue::Lane;
use glasswork_session_state::state::{Pending, TurnFailure};
use serde::Serialize;

use crate::structured;

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
    /// The model asks people something.
    QuestionAsked {
        /// The call.
        call: CallId,
        /// What it asks.
        question: Arc<Question>,
    },
    /// A person answered that.
    QuestionAnswered {
        /// The call.
        call: CallId,
        /// The answer.
        answer: Answer,
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
    /// A call works in an editor, or does no more.
    ToolPlaced {
        /// The call.
        call: CallId,
        /// The editor.
        #[serde(skip_serializing_if = "Option::is_none")]
        editor: Option<Arc<EditorPlace>>,
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
    /// The agent wrote its plan anew.
    PlanChanged {
        /// The plan; `None` where there is none any more.
        plan: Option<Arc<Plan>>,
        /// The steps that are new, or stand elsewhere than before, in order.
        changed: Vec<StepId>,
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

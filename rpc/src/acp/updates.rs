//! What happens in a session, as the protocol tells it.

use agent_client_protocol::v1::schema::{
    ClientCapabilities, ContentChunk, Cost, Notice, NoticeSeverity, SessionInfoUpdate, SessionUpdate,
    UsageUpdate,
};
use glasswork_agent_core::mcp_server::State;
use glasswork_app_runtime::editors::Offers as Lent;
use glasswork_app_runtime::projection::transcript::{self, Said};
use glasswork_app_runtime::watching::Update;
use glasswork_session_state::state::Session;

use super::plan;
use super::question;
use super::tool_calls::Shown;
use super::{compaction, editor};

/// What of it a client can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Offers {
    /// Notices beside the conversation.
    pub notices: bool,
    /// Compactions, as entities of their own.
    pub compactions: bool,
    /// Files and terminals.
    pub lent: Lent,
    /// Forms, for what the model wants to know.
    pub forms: bool,
}

impl Offers {
    pub(super) fn of(client: &ClientCapabilities) -> Self {
        let session = client.session.as_ref();
        Self {
            notices: session.is_some_and(|session| session.notices.is_some()),
            compactions: session.is_some_and(|session| session.compaction.is_some()),
            lent: editor::offers(client),
            forms: question::has_forms(client),
        }
    }

    /// Something that belongs beside the conversation. Where the client has no such place, what one should not miss is
    /// told as a thought, and the rest not at all.
    fn beside(self, severity: NoticeSeverity, title: &str, more: Option<String>) -> Option<SessionUpdate> {
        if self.notices {
            return Some(SessionUpdate::Notice(
                Notice::new(severity, title).description(more),
            ));
        }
        let is_told = severity != NoticeSeverity::Info;
        let text = match more {
            Some(more) => format!("\n[{title}: {more}]\n"),
            None => format!("\n[{title}]\n"),
        };
        is_told.then(|| SessionUpdate::AgentThoughtChunk(ContentChunk::new(text.into())))
    }

    /// Tells something that one may miss.
    pub(super) fn info(self, title: &str, more: String) -> Option<SessionUpdate> {
        self.beside(NoticeSeverity::Info, title, Some(more))
    }

    /// Warns of something.
    pub(super) fn warning(self, title: &str, more: String) -> Option<SessionUpdate> {
        self.beside(NoticeSeverity::Warning, title, Some(more))
    }
}

/// What an update tells the client of the connection `own`; `session` is as of it.
pub(super) fn of(update: &Update, session: &Session, offers: Offers, own: u64) -> Vec<SessionUpdate> {
    let info = |title: &str, more: Option<String>| offers.beside(NoticeSeverity::Info, title, more);
    let warning = |title: &str, more: &str| offers.warning(title, more.to_owned());
    let told = match update {
        Update::Said { text, .. } => Some(SessionUpdate::UserMessageChunk(chunk(text))),
        Update::Thinking { text } => Some(SessionUpdate::AgentThoughtChunk(chunk(text))),
        Update::Text { text } => Some(SessionUpdate::AgentMessageChunk(chunk(text))),
        Update::ToolProposed {
            call,
            name,
            arguments,
        } => Some(SessionUpdate::ToolCall(
            Shown::new(session, *call, name, arguments).to(own).first(),
        )),
        Update::ToolJudged { call, .. }
        | Update::ToolAnswered { call, .. }
        | Update::QuestionAsked { call, .. }
        | Update::QuestionAnswered { call, .. }
        | Update::ToolStarted { call }
        | Update::ToolOutput { call, .. }
        | Update::ToolPlaced { call, .. }
        | Update::ToolSettled { call, .. } => session.call(*call).map(|known| {
            let shown = Shown::new(session, *call, &known.call.name, &known.call.arguments);
            SessionUpdate::ToolCallUpdate(shown.to(own).update())
        }),
        Update::RequestPrepared { .. } | Update::TurnEnded { .. } | Update::Compacted { .. } => {
            usage(session)
        }
        Update::SteeringReturned { texts } => info("Not taken in", Some(texts.join("\n"))),
        Update::AttemptFailed { failure } => warning(
            "The answer broke off, and what had come of it is void",
            &failure.message,
        ),
        Update::BackingOff { wait_ms, .. } => info(
            "The model is asked again",
            Some(format!("in {} s", wait_ms.div_ceil(1000))),
        ),
        Update::Noticed { text, .. } => info("The agent goes in circles", Some(text.to_string())),
        Update::FellBack { from, to, .. } => warning(
            "Another model is asked",
            &format!("{from} gave no answer; now {to}"),
        ),
        Update::SecretMasked { kind } => info("A secret was masked", Some(kind.to_string())),
        Update::TurnPaused { .. } => info("The turn rests; the next prompt lets it go on", None),
        Update::LeafMoved { .. } => info("The conversation goes on elsewhere", None),
        Update::BranchSummaryBegan { .. } => info("A summary of the branch that is left is being made", None),
        Update::CompactionBegan { messages, .. } => {
            info("What is old is summarised", Some(format!("{messages} messages")))
        }
        Update::CompactionFailed { message } => warning("There is no summary to be had", message),
        Update::Closed => info("The session was closed", None),
        Update::Gap { from, to } => warning(
            "Some of what happened was missed",
            &format!("commits {from} to {to}"),
        ),
        Update::RecordingFailed { reason } => offers.beside(
            NoticeSeverity::Error,
            "Nothing more can be recorded",
            Some(reason.to_string()),
        ),
        // What the plan is now is told by whoever compares it with what was told before, so that a gap loses none.
        Update::PlanChanged { .. }
        | Update::TurnBegan { .. }
        | Update::Queued { .. }
        | Update::BlockFinished { .. }
        | Update::ResultWanted { .. }
        | Update::ResultJudged { .. }
        | Update::ToolAsked { .. }
        | Update::Pending { .. }
        | Update::BranchSummarised { .. }
        | Update::CompactionDropped
        | Update::Ended => None,
    };
    told.into_iter().collect()
}

/// The servers of tools that failed or ended since `before`.
pub(super) fn troubles(before: Option<&Session>, now: &Session, offers: Offers) -> Vec<SessionUpdate> {
    let is_down = |session: &Session, name: &str| {
        let server = session.mcp.get(name);
        server.is_some_and(|server| matches!(server.state, State::Failed | State::Lost))
    };
    let down = now.mcp.iter().filter(|(name, _)| {
        let was_down = before.is_some_and(|before| is_down(before, name));
        is_down(now, name) && !was_down
    });
    let told = down.filter_map(|(name, server)| {
        let why = server.problem.as_ref().map(ToString::to_string);
        let title = format!("The MCP server `{name}` does not run");
        offers.warning(&title, why.unwrap_or_default())
    });
    told.collect()
}

/// What was said so far, for a client that sees the session for the first time.
pub(super) fn history(session: &Session, offers: Offers) -> Vec<SessionUpdate> {
    let lines = transcript::of(session).into_iter();
    let said = lines.filter_map(|line| {
        let said = |text: &str| chunk(text).message_id(line.entry.to_string().as_str());
        Some(match &line.said {
            Said::Person { text, images, .. } => {
                let names = images.iter().map(|image| format!("\n[{}]", image.name));
                SessionUpdate::UserMessageChunk(said(&(text.to_string() + &names.collect::<String>())))
            }
            Said::Thinking { text } if text.is_empty() => return None,
            Said::Thinking { text } => SessionUpdate::AgentThoughtChunk(said(text)),
            Said::Text { text, .. } => SessionUpdate::AgentMessageChunk(said(text)),
            Said::Call {
                call,
                name,
                arguments,
                ..
            } => SessionUpdate::ToolCall(Shown::new(session, *call, name, arguments).first()),
            Said::Compacted { .. } if offers.compactions => compaction::past(session, line.entry),
            // What was cut off, given up or is told to the model alone was not said in this conversation.
            Said::Cancelled
            | Said::Compacted { .. }
            | Said::Notice { .. }
            | Said::Superseded { .. }
            | Said::BranchLeft { .. } => return None,
        })
    });
    said.chain(plan::current(session)).chain(usage(session)).collect()
}

/// What a session is called.
pub(super) fn title(session: &Session) -> SessionUpdate {
    let title = session.meta.title.as_ref().map(ToString::to_string);
    SessionUpdate::SessionInfoUpdate(SessionInfoUpdate::new().title(title))
}

/// How much of the window is used, where it is known how much there is.
fn usage(session: &Session) -> Option<SessionUpdate> {
    let size = session.settings.context_window.value?;
    let used = session.context.calibration().estimate(session.context.tokens());
    let cost = session.usage.cost().map(|cost| {
        // Money is in billionths; the protocol wants a number of dollars.
        #[expect(clippy::cast_precision_loss)]
        let dollars = cost.0 as f64 / 1e9;
        Cost::new(dollars, "USD")
    });
    Some(SessionUpdate::UsageUpdate(
        UsageUpdate::new(used, size).cost(cost),
    ))
}

/// Something that the agent says, though no model said it.
pub(super) fn said(text: &str) -> SessionUpdate {
    SessionUpdate::AgentMessageChunk(chunk(text))
}

fn chunk(text: &str) -> ContentChunk {
    ContentChunk::new(text.into())
}

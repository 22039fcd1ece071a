//! Tool calls: what they would touch, how they were judged, how they ended.

use std::sync::Arc;

use async_graphql::{Enum, ID, Json, Object, SimpleObject, Union};
use glasswork_agent_core::id::CallId;
use glasswork_ai::conversation::Reading;
use glasswork_session_state::{call, evidence, judge};
use serde_json::Value;

use crate::dispatch::Dispatch;
use crate::entry::{self, Entry};
use crate::error::{Answer, absent};
use crate::id;
use crate::image::Image;
use crate::operation::Operation;
use crate::origin::Origin;
use crate::question::{Question, Reply};
use crate::scalar::{Long, Time};
use crate::session::View;
use crate::setting::{Mode, Source};
use crate::wait::Deadline;

/// A tool call.
pub(crate) struct Call {
    pub(crate) view: Arc<View>,
    pub(crate) id: CallId,
    pub(crate) call: Arc<call::Call>,
}

/// What a call was found to touch, before it was judged.
#[derive(Union)]
pub(crate) enum Evidence {
    File(FileEvidence),
    Command(CommandEvidence),
    Session(SessionEvidence),
    Plan(PlanEvidence),
    Question(Question),
    Server(ServerEvidence),
    Misfit(MisfitEvidence),
}

/// Whether a file would be read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "evidence::FileAccess")]
pub(crate) enum FileAccess {
    /// It reads or lists.
    Read,
    /// It creates, replaces or changes.
    Write,
}

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "evidence::FileKind")]
pub(crate) enum FileKind {
    /// Nothing.
    Absent,
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A FIFO, socket or device.
    Special,
}

/// A path as asked for and as it was.
#[derive(Debug, SimpleObject)]
pub(crate) struct FileEvidence {
    /// Whether it would be read or written.
    access: FileAccess,
    /// The path as the model wrote it.
    requested: String,
    /// The path with every symbolic link followed: this one is judged and opened.
    resolved: String,
    /// Whether the resolved path lies in the workspace.
    inside_workspace: bool,
    /// What was there.
    kind: FileKind,
    /// BLAKE3 of the content in hexadecimal, where it was small enough to read.
    digest: Option<String>,
}

/// A command as it would be run.
#[derive(Debug, SimpleObject)]
pub(crate) struct CommandEvidence {
    /// The command's text.
    command: String,
    /// The directory in which it would run.
    directory: String,
    /// How long the call lets it run, in milliseconds; null where it does not say.
    timeout_ms: Option<Long>,
}

/// The call only looks at its own session.
#[derive(Debug, SimpleObject)]
pub(crate) struct SessionEvidence {
    /// Always true.
    reads_only_itself: bool,
}

/// The call only writes the agent's plan.
#[derive(Debug, SimpleObject)]
pub(crate) struct PlanEvidence {
    /// Always true.
    writes_only_the_plan: bool,
}

/// A tool of an MCP server, as it would be called.
#[derive(Debug, SimpleObject)]
pub(crate) struct ServerEvidence {
    /// The server, by its name in the session.
    server: String,
    /// The tool's name there.
    tool: String,
    /// BLAKE3 of its description and schema, in hexadecimal, as they were when the call was judged.
    digest: String,
}

/// The call cannot run.
#[derive(Debug, SimpleObject)]
pub(crate) struct MisfitEvidence {
    /// What is wrong and what would be right, as the model is told.
    message: String,
}

impl Evidence {
    pub(crate) fn of(op: &Operation, evidence: &evidence::Evidence) -> Answer<Self> {
        Ok(match evidence {
            evidence::Evidence::File(file) => Self::File(FileEvidence {
                access: file.access.into(),
                requested: file.requested.to_string(),
                resolved: file.resolved.to_string(),
                inside_workspace: file.inside_workspace,
                kind: file.kind.into(),
                digest: file.digest.as_deref().map(str::to_owned),
            }),
            evidence::Evidence::Command(command) => Self::Command(CommandEvidence {
                command: op.text(&*command.command)?,
                directory: command.directory.to_string(),
                timeout_ms: command.timeout_ms.map(Long),
            }),
            evidence::Evidence::Session => Self::Session(SessionEvidence {
                reads_only_itself: true,
            }),
            evidence::Evidence::Plan => Self::Plan(PlanEvidence {
                writes_only_the_plan: true,
            }),
            evidence::Evidence::Question(question) => Self::Question(Question::of(op, question)?),
            evidence::Evidence::Server(server) => Self::Server(ServerEvidence {
                server: server.server.to_string(),
                tool: server.tool.to_string(),
                digest: server.digest.to_string(),
            }),
            evidence::Evidence::Misfit { message } => Self::Misfit(MisfitEvidence {
                message: op.text(&**message)?,
            }),
        })
    }
}

/// What the policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "judge::Verdict")]
pub(crate) enum Verdict {
    /// It may run.
    Allow,
    /// A person decides.
    Ask,
    /// It may not run.
    Deny,
}

/// What a call does, as far as the policy tells calls apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "evidence::Access")]
pub(crate) enum Access {
    /// Reads in the workspace.
    Read,
    /// Reads outside the workspace.
    ReadOutside,
    /// Looks at this session.
    Inspect,
    /// Writes the agent's plan, and touches nothing else.
    Plan,
    /// Asks a person something, and touches nothing.
    Question,
    /// Writes in the workspace.
    Write,
    /// Writes outside the workspace.
    WriteOutside,
    /// Runs a command.
    Execute,
    /// Has an MCP server do something; nobody knows what.
    AskServer,
}

/// A verdict with all that it rests on, as it was recorded when it was made.
pub(crate) struct Decision {
    pub(crate) view: Arc<View>,
    pub(crate) judgement: Arc<judge::Judgement>,
}

/// A verdict with all that it rests on, as it was recorded when it was made. Nothing of it is computed anew.
#[Object]
impl Decision {
    /// What was decided.
    async fn verdict(&self) -> Verdict {
        self.judgement.verdict.into()
    }

    /// The key of the policy's row.
    async fn rule(&self) -> &str {
        &self.judgement.explanation.rule
    }

    /// What that row says; the verdict differs from it only where nobody could be asked.
    async fn rule_says(&self) -> Verdict {
        self.judgement.explanation.rule_says.into()
    }

    /// The mode that was in force.
    async fn mode(&self) -> Mode {
        self.judgement.explanation.mode.into()
    }

    /// Where the mode came from.
    async fn mode_from(&self) -> Source {
        Source::from(&self.judgement.explanation.mode_from)
    }

    /// What the call does.
    async fn access(&self) -> Access {
        self.judgement.explanation.access.into()
    }

    /// Whether the row wanted a person asked, and nobody was there.
    async fn unattended(&self) -> bool {
        self.judgement.explanation.unattended
    }

    /// What the decision saw.
    async fn evidence(&self) -> Answer<Option<Evidence>> {
        Evidence::of(&self.view.op, &self.judgement.explanation.evidence).map(Some)
    }
}

/// What a person said about a call.
pub(crate) struct Approval {
    view: Arc<View>,
    answer: call::Answer,
}

/// What a person said about a call.
#[Object]
impl Approval {
    /// Whether it may run.
    async fn approved(&self) -> bool {
        self.answer.approved
    }

    /// Who said so.
    async fn by(&self) -> Origin {
        Origin::of(self.view.id, &self.answer.by)
    }

    /// The dispatch in which they did.
    async fn dispatch(&self) -> Dispatch {
        Dispatch::commit(&self.view.op, self.view.id, self.answer.dispatch)
    }
}

impl Approval {
    pub(crate) fn of(view: &Arc<View>, call: &call::Call) -> Option<Self> {
        let answer = call.answer.clone()?;
        Some(Self {
            view: Arc::clone(view),
            answer,
        })
    }
}

/// How a call ended.
#[derive(Debug, SimpleObject)]
pub(crate) struct CallOutcome {
    /// What the model is told.
    text: String,
    /// Whether the model is told that it failed.
    is_error: bool,
    /// The whole output, where the text is only a part of it.
    blob: Option<Blob>,
    /// What changed, as a unified diff.
    diff: Option<String>,
    /// The image that the model is shown, the first of several.
    image: Option<Image>,
    /// All images that the model is shown, at most 8.
    images: Vec<Image>,
    /// The exit code, of a command.
    exit_code: Option<i32>,
    /// The signal that ended it, of a command.
    signal: Option<i32>,
}

/// The editor in which a call works.
#[derive(Debug, SimpleObject)]
pub(crate) struct EditorPlace {
    /// What it calls itself.
    name: String,
    /// The number of its connection, as in the origin of what it asks for.
    client: Long,
    /// The terminal in which a command runs, as the editor calls it; null where it is about a file.
    terminal: Option<String>,
}

/// How a call was read that the server did not send as one, or not as JSON.
#[derive(Debug, SimpleObject)]
pub(crate) struct CallReading {
    /// The dialect in which the model wrote it; `json` for a native call.
    dialect: String,
    /// The first 4 KiB of what the model wrote; empty where the arguments are all of it.
    raw: String,
    /// Length of all that it wrote, in bytes.
    raw_bytes: Long,
    /// What was mended, in order.
    repairs: Vec<CallRepair>,
    /// Why it must not run, as the model is told; null where it may.
    refused: Option<String>,
}

/// One thing that was mended. Syntax only, never content.
#[derive(Debug, SimpleObject)]
pub(crate) struct CallRepair {
    /// What was wrong: `missing_comma`, `single_quotes`, …
    kind: String,
    /// Where: bytes from the start of what the model wrote.
    at: Long,
}

impl CallReading {
    fn of(op: &Operation, reading: &Reading) -> Answer<Self> {
        let repairs = reading.repairs.iter();
        Ok(Self {
            dialect: reading.dialect.to_string(),
            raw: op.text(&*reading.raw)?,
            raw_bytes: Long(reading.raw_bytes),
            repairs: repairs
                .map(|repair| CallRepair {
                    kind: repair.kind.to_string(),
                    at: Long(repair.at),
                })
                .collect(),
            refused: reading
                .refused
                .as_deref()
                .map(|reason| op.text(reason))
                .transpose()?,
        })
    }
}

/// A blob of the session.
#[derive(Debug, SimpleObject)]
pub(crate) struct Blob {
    /// BLAKE3 of the content, in hexadecimal.
    digest: String,
    /// Length.
    bytes: Long,
}

impl CallOutcome {
    fn of(op: &Operation, outcome: &call::Outcome) -> Answer<Self> {
        let (mut diff, mut exit_code, mut ended_by) = (None, None, None);
        let images = outcome.detail.as_ref().map_or(&[][..], call::Detail::images);
        match &outcome.detail {
            Some(call::Detail::Diff(text)) => diff = Some(op.text(&**text)?),
            Some(call::Detail::Image(_) | call::Detail::Images(_)) => {}
            Some(call::Detail::Exit { code, signal }) => (exit_code, ended_by) = (*code, *signal),
            None => {}
        }
        Ok(Self {
            text: op.text(&*outcome.text)?,
            is_error: outcome.is_error,
            blob: outcome.blob.as_ref().map(|blob| Blob {
                digest: blob.digest.to_string(),
                bytes: Long(blob.len),
            }),
            diff,
            image: images.first().map(Into::into),
            images: images.iter().map(Into::into).collect(),
            exit_code,
            signal: ended_by,
        })
    }
}

impl Call {
    pub(crate) fn find(view: &Arc<View>, id: CallId) -> Answer<Self> {
        let call = view
            .session
            .call(id)
            .ok_or_else(|| absent("tool call", id::global(view.id, id).0))?;
        Ok(Self::of(view, id, call))
    }

    pub(crate) fn of(view: &Arc<View>, id: CallId, call: &Arc<call::Call>) -> Self {
        Self {
            view: Arc::clone(view),
            id,
            call: Arc::clone(call),
        }
    }
}

/// A tool call, from its proposal to its result.
#[Object]
impl Call {
    /// Its name: the session, the commit that proposed it, and the number of its block.
    async fn id(&self) -> ID {
        id::global(self.view.id, self.id)
    }

    /// The turn in which it was proposed, by the commit that began the turn.
    async fn turn(&self) -> ID {
        id::commit(self.view.id, self.call.turn.0)
    }

    /// The answer that proposed it.
    async fn entry(&self) -> Answer<Option<Entry>> {
        Entry::find(&self.view, self.call.entry).map(Some)
    }

    /// The provider's own id of it.
    async fn provider_id(&self) -> &str {
        &self.call.call.id
    }

    /// The tool's name.
    async fn tool(&self) -> &str {
        &self.call.call.name
    }

    /// The arguments; text where they are not JSON.
    async fn arguments(&self) -> Answer<Option<Json<Value>>> {
        entry::arguments(&self.view.op, &self.call.call.arguments).map(Some)
    }

    /// The editor that was asked for the text of a file, and to write it, or in whose terminal the command runs; null where
    /// the call works on the disk and in a shell of this machine. From the record of when it began.
    async fn editor(&self) -> Option<EditorPlace> {
        self.call.editor.as_ref().map(|editor| EditorPlace {
            name: editor.name.to_string(),
            client: Long(editor.client),
            terminal: editor.terminal.as_deref().map(str::to_owned),
        })
    }

    /// How it was read, where it stood in the text of the answer, or its arguments were no JSON; null where it came as it
    /// should.
    async fn reading(&self) -> Answer<Option<CallReading>> {
        self.call
            .call
            .reading
            .as_ref()
            .map(|reading| CallReading::of(&self.view.op, reading))
            .transpose()
    }

    /// Where it stands: a state of the `tool_call` chart.
    async fn state(&self) -> &'static str {
        self.call.state.into()
    }

    /// Since when it stands there.
    async fn since(&self) -> Time {
        Time(self.call.since)
    }

    /// The effect that works on it.
    async fn effect(&self) -> Option<ID> {
        self.call.effect.map(|key| id::effect(self.view.id, key))
    }

    /// By when something must have happened.
    async fn deadline(&self) -> Option<Deadline> {
        let key = Some(glasswork_session_state::DeadlineKey::Call(self.id));
        self.call
            .deadline
            .as_ref()
            .map(|deadline| Deadline::of(self.view.id, key, deadline))
    }

    /// What it would touch; null before that is known, and for a call that cannot run at all.
    async fn evidence(&self) -> Answer<Option<Evidence>> {
        self.call
            .evidence()
            .map(|evidence| Evidence::of(&self.view.op, evidence))
            .transpose()
    }

    /// How the policy judged it; null before it did, and for a call that cannot run at all.
    async fn decision(&self) -> Option<Decision> {
        let judgement = self.call.judgement.clone()?;
        Some(Decision {
            view: Arc::clone(&self.view),
            judgement,
        })
    }

    /// What a person said, where one was asked.
    async fn approval(&self) -> Option<Approval> {
        Approval::of(&self.view, &self.call)
    }

    /// What a person answered, where it asked them something.
    async fn reply(&self) -> Option<Reply> {
        Reply::of(&self.view, &self.call)
    }

    /// Whether it was asked to stop because it took too long.
    async fn timed_out(&self) -> bool {
        self.call.timed_out
    }

    /// The end of its output while it runs.
    async fn tail(&self) -> Answer<Option<String>> {
        self.call
            .tail
            .as_ref()
            .map(|tail| self.view.op.text(&**tail))
            .transpose()
    }

    /// How it ended; null while it has not.
    async fn outcome(&self) -> Answer<Option<CallOutcome>> {
        self.call
            .outcome
            .as_ref()
            .map(|outcome| CallOutcome::of(&self.view.op, outcome))
            .transpose()
    }

    /// The entry with its result, once the batch is settled.
    async fn result(&self) -> Answer<Option<Entry>> {
        self.call
            .result
            .map(|entry| Entry::find(&self.view, entry))
            .transpose()
    }

    /// The dispatch that proposed it.
    async fn by(&self) -> Dispatch {
        Dispatch::commit(&self.view.op, self.view.id, self.id.seq)
    }
}

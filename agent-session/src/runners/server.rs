//! Starts servers of tools, finds out what a call of one of their tools is about, and calls it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use glasswork_agent_core::id::CallId;
use glasswork_agent_core::json_schema::{self, Schema};
use glasswork_agent_core::mcp_server::State;
use glasswork_ai::conversation::ToolCall;
use glasswork_session_state::call::{BlobRef, Detail, Outcome};
use glasswork_session_state::evidence::{Evidence, ServerEvidence};
use glasswork_session_state::mcp::{self, Server};
use glasswork_session_state::state::Session;
use glasswork_session_state::tools::Word;
use glasswork_session_state::{Event, tools};
use serde_json::Value;

use super::Work;
use super::tool::{failed, settle};
use crate::mcp::{CallEnd, answered};

/// Starts a server, and reports which tools it has.
pub(super) async fn start(work: Work, name: Arc<str>) {
    let Work {
        session, world, port, ..
    } = work;
    let Some(server) = session.mcp.get(&name) else {
        return;
    };
    let protocol = server
        .introduction
        .as_ref()
        .map(|known| Arc::clone(&known.protocol));
    let mut demands = port.demands();
    let starting = world.servers.start(
        session.id,
        &name,
        port.key(),
        PathBuf::from(&*session.meta.workspace),
        protocol.as_deref(),
        world.secrets.of(&session),
    );
    let started = tokio::select! {
        biased;
        started = starting => started,
        // The gate has closed the effect, and dropping this ends the process.
        _ = demands.stopped() => return,
    };
    port.finish(Event::Mcp(match started {
        Ok((introduction, tools)) => mcp::Event::Introduced {
            server: name,
            introduction,
            tools,
        },
        Err(problem) => mcp::Event::Failed {
            server: name,
            problem,
        },
    }));
}

/// What a call of a tool of a server is about.
pub(super) fn evidence(session: &Session, called: &str, arguments: &str) -> Evidence {
    let misfit = |message: String| Evidence::Misfit {
        message: message.into(),
    };
    let Some((server, tool)) = session.tool_of_server(called) else {
        return misfit(format!("Not run: there is no tool `{called}`. {}", down(session)));
    };
    if server.state != State::Ready {
        return misfit(format!("Not run: {}", not_running(server)));
    }
    if let Err(message) = fits(&tool.spec.parameters, arguments) {
        return misfit(message);
    }
    Evidence::Server(ServerEvidence {
        server: Arc::clone(&server.offer.name),
        tool: Arc::clone(&tool.name),
        digest: Arc::clone(&tool.digest),
    })
}

fn not_running(server: &Server) -> String {
    let name = &server.offer.name;
    match &server.problem {
        Some(problem) => format!("the MCP server `{name}` does not run: {problem}"),
        None => format!("the MCP server `{name}` does not run"),
    }
}

/// Why a tool may be gone that was there.
fn down(session: &Session) -> String {
    let down = session.mcp.values().filter(|server| !server.is_offered());
    let reasons: Vec<String> = down.map(|server| not_running(server)).collect();
    reasons.join("; ")
}

fn object(arguments: &str) -> Result<Value, String> {
    // Some models say nothing where there is nothing to say.
    let text = if arguments.trim().is_empty() {
        "{}"
    } else {
        arguments
    };
    match json_schema::value(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err("the arguments must be a JSON object".to_owned()),
        Err(error) => Err(format!("the arguments are not JSON: {error}")),
    }
}

fn fits(schema: &str, arguments: &str) -> Result<(), String> {
    let value = object(arguments)?;
    // What a schema says that cannot be held against a value, the server itself holds it to.
    let Ok(schema) = Schema::parse(schema) else {
        return Ok(());
    };
    schema.check(&value).map_err(|misfits| {
        let misfits: Vec<String> = misfits.iter().map(ToString::to_string).collect();
        format!("the arguments do not fit: {}", misfits.join("; "))
    })
}

/// Calls a tool that was allowed: the very one that was judged.
pub(super) async fn call(work: Work, id: CallId, call: &ToolCall, asked: &ServerEvidence) {
    let Work {
        session, world, port, ..
    } = work;
    let name = &asked.server;
    let server = session.mcp.get(name);
    let same = server.filter(|server| {
        let mut tools = server.tools.tools.iter();
        server.state == State::Ready
            && tools.any(|tool| tool.name == asked.tool && tool.digest == asked.digest)
    });
    if same.is_none() {
        let why = match server {
            Some(server) if server.state != State::Ready => not_running(server),
            _ => format!(
                "the MCP server `{name}` does not have this tool any more as it was when the call was judged"
            ),
        };
        return settle(port, id, Word::Failed, failed(format!("Not run: {why}")));
    }
    let Some(connection) = world.servers.running(session.id, name) else {
        let why = format!("Not run: the MCP server `{name}` does not run");
        return settle(port, id, Word::Failed, failed(why));
    };
    let arguments = match object(&call.arguments) {
        Ok(Value::Object(arguments)) => arguments,
        Ok(_) => Default::default(),
        Err(message) => return settle(port, id, Word::Failed, failed(message)),
    };
    let limit = Duration::from_millis(session.settings.tool_timeout_ms.value);
    let mut demands = port.demands();
    let cancelled = async move {
        demands.stopped().await;
    };
    let end = connection.call(&asked.tool, arguments, limit, cancelled).await;
    let (word, outcome) = match end {
        CallEnd::Answered(result) => {
            let (masking, blobs) = (world.secrets.of(&session), (world.blobs)(session.id));
            let limits = world.limits.clone();
            let put = tokio::task::spawn_blocking(move || answered(result, &limits, &masking, &blobs)).await;
            match put {
                Ok(answer) => {
                    let word = if answer.is_error {
                        Word::Failed
                    } else {
                        Word::Succeeded
                    };
                    let outcome = Outcome {
                        text: answer.text.into(),
                        is_error: answer.is_error,
                        blob: answer.whole.map(|blob| BlobRef {
                            digest: blob.digest.to_string().into(),
                            len: blob.len,
                        }),
                        detail: Detail::of_images(answer.images),
                    };
                    (word, outcome)
                }
                Err(broken) => (Word::Failed, failed(broken.to_string())),
            }
        }
        CallEnd::Refused(message) => (
            Word::Failed,
            failed(format!("The MCP server `{name}` refused the call: {message}")),
        ),
        CallEnd::Wants(what) => (
            Word::Failed,
            failed(format!(
                "The MCP server `{name}` wants {what}, which it is not given."
            )),
        ),
        CallEnd::TimedOut => (
            Word::Failed,
            failed(format!(
                "The MCP server `{name}` did not answer within {} seconds. It was told to stop; what it has done is not \
                 known.",
                limit.as_secs_f64()
            )),
        ),
        // It was told to stop, and says nothing more.
        CallEnd::Cancelled => (Word::Stopped, failed(String::new())),
        CallEnd::Gone(problem) => {
            let message = format!("the MCP server `{name}` is gone: {problem}").into();
            return port.finish(Event::Tools(tools::Event::ToolLost { call: id, message }));
        }
    };
    settle(port, id, word, outcome);
}

//! Commands that outlived the program: one that is killed cannot end them, so whoever opens its session next does.

use std::time::Duration;

use glasswork_agent_core::mcp_server;
use glasswork_agent_core::tool_call::State;
use glasswork_agent_session::processes::{self, Process};
use glasswork_engine::Scope;
use glasswork_session_state::Glasswork;
use glasswork_session_state::mcp::Server;
use glasswork_session_state::state;

/// How long a command has to tidy up.
const GRACE: Duration = Duration::from_secs(2);

/// Ends what still runs of the calls that a process left running, and says what that was. The session must be owned by
/// this process, and not be mounted yet: later its calls may be our own.
pub(crate) async fn end(scope: &Scope<Glasswork>) -> Option<String> {
    let state::Scope::Session(session) = &scope.state else {
        return None;
    };
    let running = |state: State| matches!(state, State::Running | State::Cancelling);
    let calls = session
        .batch()
        .filter(|(_, call)| running(call.state))
        .map(|(id, _)| format!("{}/{id}", scope.id));
    // Their own shells end them; what has left those is found by its mark, as that of commands.
    let up = |server: &Server| {
        matches!(
            server.state,
            mcp_server::State::Starting | mcp_server::State::Ready
        )
    };
    let servers = session
        .mcp
        .values()
        .filter(|server| up(server))
        .map(|server| format!("{}/mcp:{}", scope.id, server.offer.name));
    let calls: Vec<String> = calls.chain(servers).collect();
    if calls.is_empty() {
        return None;
    }
    let ended = processes::end_left(&calls, GRACE).await;
    let names = |processes: &[Process]| {
        let names: Vec<String> = processes
            .iter()
            .map(|process| format!("{} ({})", process.name, process.pid))
            .collect();
        names.join(", ")
    };
    match (ended.found.as_slice(), ended.survivors.as_slice()) {
        ([], _) => None,
        (found, []) => Some(format!(
            "a command was still running after the end of the program that had started it, and was ended: {}",
            names(found)
        )),
        (_, survivors) => Some(format!(
            "a command still runs after the end of the program that had started it, and could not be ended: {}",
            names(survivors)
        )),
    }
}

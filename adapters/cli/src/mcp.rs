//! `glasswork mcp`: MCP servers, as they are set or as they stand in a session.

use glasswork_app_runtime::ending::ExitCode;
use glasswork_app_runtime::explain::Place as From;
use glasswork_app_runtime::servers::ServerCommand;
use glasswork_session_state::mcp::Server;
use serde_json::{Value, json};

use crate::commands::Mcp;
use crate::compose::Place;
use crate::console::{Console, Layout, Paint};
use crate::escape;
use crate::problem::Problem;
use crate::session_list::time;

/// Lists servers.
pub(crate) fn mcp(arguments: &Mcp, console: &Console) -> Result<ExitCode, Problem> {
    let place = Place::find()?;
    match &arguments.session {
        Some(session) => of_session(session, arguments, &place, console),
        None => that_are_set(arguments, &place, console),
    }?;
    Ok(ExitCode::Done)
}

fn that_are_set(arguments: &Mcp, place: &Place, console: &Console) -> Result<(), Problem> {
    let workspace = std::env::current_dir().map_err(Problem::failed)?;
    let resolved = place.settings(&[], &workspace)?;
    let set = resolved.mcp_servers.commands();
    if arguments.json.json {
        let all: Vec<Value> = set.iter().map(document_of_set).collect();
        return console.json(&all, Layout::Document);
    }
    if set.is_empty() {
        console.note("No MCP server is set; `mcp_servers` in your settings names them.\n");
    }
    for left in &resolved.not_read {
        console.note(&format!(
            "note: {} is not read: {}\n",
            escape::line(&left.file.to_string_lossy()),
            left.reason
        ));
    }
    console.data(
        &set.iter()
            .map(|server| text_of_set(server, console.out))
            .collect::<String>(),
    )
}

fn document_of_set(server: &ServerCommand) -> Value {
    json!({
        "name": server.name,
        "command": server.command,
        "arguments": server.args,
        "environment": server.env.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        "from": server.from,
    })
}

fn text_of_set(server: &ServerCommand, paint: Paint) -> String {
    let environment = server.env.iter().map(|(name, _)| name.as_str());
    format!(
        "{}\n  {}\n  {}\n",
        paint.bold(&escape::line(&server.name)),
        started(
            &server.command,
            server.args.iter().map(String::as_str),
            environment
        ),
        paint.dim(&escape::line(&From(&server.from).to_string()))
    )
}

/// How it is started, the exact arguments, each in quotation marks where it does not stand for itself.
fn started<'a>(
    command: &'a str,
    arguments: impl Iterator<Item = &'a str>,
    environment: impl Iterator<Item = &'a str>,
) -> String {
    let words = std::iter::once(command).chain(arguments).map(|word| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
        match !word.is_empty() && word.chars().all(plain) {
            true => word.to_owned(),
            false => escape::line(&format!("{word:?}")).into_owned(),
        }
    });
    let mut text = words.collect::<Vec<_>>().join(" ");
    let names: Vec<_> = environment.map(|name| escape::line(name).into_owned()).collect();
    if !names.is_empty() {
        text.push_str(&format!("  (with {})", names.join(", ")));
    }
    text
}

fn of_session(name: &str, arguments: &Mcp, place: &Place, console: &Console) -> Result<(), Problem> {
    let snapshot = place.sessions()?.snapshot();
    let seen = snapshot.session(snapshot.find(name)?, arguments.at.at)?;
    let session = seen.session()?;
    let servers = || session.mcp.values();
    if arguments.json.json {
        let all: Vec<Value> = servers().map(|server| document(server)).collect();
        return console.json(&all, Layout::Document);
    }
    if session.mcp.is_empty() {
        console.note("This session has no MCP server.\n");
    }
    console.data(
        &servers()
            .map(|server| text(server, console.out))
            .collect::<String>(),
    )
}

fn document(server: &Server) -> Value {
    let tools = server.tools.tools.iter();
    let left_out = server.tools.left_out.iter();
    json!({
        "name": server.offer.name,
        "command": server.offer.command,
        "arguments": server.offer.arguments,
        "environment": server.offer.environment,
        "from": server.offer.from,
        "state": server.state,
        "since": server.since,
        "starts": server.starts,
        "problem": server.problem.as_ref().map(ToString::to_string),
        "introduction": server.introduction,
        "tools": tools
            .map(|tool| json!({ "name": tool.name, "called": tool.spec.name, "digest": tool.digest }))
            .collect::<Vec<_>>(),
        "left_out": left_out
            .map(|left| json!({ "name": left.name, "why": left.why.to_string() }))
            .collect::<Vec<_>>(),
    })
}

fn text(server: &Server, paint: Paint) -> String {
    let offer = &server.offer;
    let state: &str = server.state.into();
    let mut text = format!(
        "{}  {state} since {}\n",
        paint.bold(&escape::line(&offer.name)),
        time(server.since)
    );
    let mut line = |line: &str| text.push_str(&format!("  {line}\n"));
    line(&started(
        &offer.command,
        offer.arguments.iter().map(|text| &**text),
        offer.environment.iter().map(|name| &**name),
    ));
    if let Some(problem) = &server.problem {
        line(&paint.red(&escape::line(&problem.to_string())));
    }
    if let Some(known) = &server.introduction {
        let program = known.name.as_deref().unwrap_or("a program without a name");
        let version = known.version.as_deref().unwrap_or_default();
        line(&paint.dim(&escape::line(&format!(
            "{program} {version}, protocol {}",
            known.protocol
        ))));
    }
    for tool in &server.tools.tools {
        line(&escape::line(&tool.spec.name));
    }
    for left in &server.tools.left_out {
        line(&paint.dim(&escape::line(&format!(
            "not offered: {}: {}",
            left.name, left.why
        ))));
    }
    text
}

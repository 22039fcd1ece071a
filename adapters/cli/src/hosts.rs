//! `glasswork hosts`: which hosts live, and what is open in them.

use std::time::Duration;

use glasswork_app_runtime::ending::ExitCode;
use glasswork_app_runtime::runtime_directory;
use glasswork_client::Client;
use glasswork_client::directory::{Directory, Live};
use glasswork_client::wire::{HostInfo, Nothing};
use serde::Serialize;

use crate::commands::Json;
use crate::compose::{self, Place, Sessions};
use crate::console::{Console, Layout};
use crate::escape;
use crate::problem::Problem;

/// How long a host may take to answer what takes no time.
const PATIENCE: Duration = Duration::from_secs(3);

/// A host that lives.
#[derive(Debug, Serialize)]
pub(crate) struct Found {
    /// Its name in the directory.
    #[serde(skip)]
    pub live: Live,
    /// The id of its process.
    pid: u32,
    /// What it was started as.
    command: String,
    /// Where.
    directory: String,
    /// What it says itself; missing where it does not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub info: Option<HostInfo>,
}

/// The directory of the sockets.
///
/// # Errors
/// Where it cannot be used.
pub(crate) fn directory() -> Result<Directory, Problem> {
    let place = Place::find()?;
    Sessions::sockets(&runtime_directory::of(&place.environment, &place.homes))
}

/// All hosts that live. Each is asked.
///
/// # Errors
/// Where the directory cannot be read.
pub(crate) async fn find(directory: &Directory) -> Result<Vec<Found>, Problem> {
    let mut found = Vec::new();
    for live in directory.live().map_err(Problem::failed)? {
        let asked = tokio::time::timeout(PATIENCE, async {
            let (client, _notices) = Client::connect(directory, &live).await?;
            client.host(&Nothing {}).await
        });
        found.push(Found {
            pid: live.card.pid,
            command: live.card.command.clone(),
            directory: live.card.directory.clone(),
            info: asked.await.ok().and_then(Result::ok),
            live,
        });
    }
    Ok(found)
}

/// Lists the hosts.
pub(crate) fn hosts(json: Json, console: &Console) -> Result<ExitCode, Problem> {
    let directory = directory()?;
    let tasks = compose::tasks()?;
    let found = tasks.block_on(find(&directory));
    compose::end(tasks);
    let found = found?;
    if json.json {
        console.json(&found, Layout::Document)?;
        return Ok(ExitCode::Done);
    }
    for host in &found {
        let said = match &host.info {
            Some(info) => format!("{} clients", info.clients.len()),
            None => "does not answer".to_owned(),
        };
        console.data(&format!(
            "{} {}, process {}, in {}: {said}\n",
            console.out.bold("glasswork"),
            escape::line(&host.command),
            host.pid,
            escape::line(&host.directory),
        ))?;
        for session in host.info.iter().flat_map(|info| &info.sessions) {
            console.data(&format!(
                "  {} {} {}\n",
                escape::line(&session.session),
                if session.running { "runs " } else { "rests" },
                escape::line(session.title.as_deref().unwrap_or(&session.workspace)),
            ))?;
        }
    }
    if found.is_empty() {
        console.note("no host lives; `glasswork serve` starts one\n");
    }
    Ok(ExitCode::Done)
}

//! `glasswork graph-server`: the graph of a running host over HTTP and WebSocket.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use glasswork_app_runtime::ending::ExitCode;
use glasswork_rpc::http::{self, Access, Limits, Token};

use crate::commands::GraphServer;
use crate::compose::{self, Place};
use crate::console::Console;
use crate::problem::Problem;
use crate::run;
use crate::signals::{Asked, Signals};

/// Serves until a signal comes.
pub(crate) fn serve(arguments: &GraphServer, console: &Console) -> Result<ExitCode, Problem> {
    let place = Place::find()?;
    let sessions = place.sessions()?;
    let here = std::env::current_dir().map_err(Problem::failed)?;
    let ready = run::prepare(&place, &[], None, here, console)?;
    let folder = token_folder(&place);
    let tasks = compose::tasks()?;
    let done = tasks.block_on(async {
        let mut signals = Signals::take().map_err(Problem::failed)?;
        let listener = http::bind(arguments.http, arguments.beyond_loopback)
            .await
            .map_err(Problem::usage)?;
        let address = listener.local_addr().map_err(Problem::failed)?;
        let token = Token::mint().map_err(Problem::failed)?;
        let file = token
            .write(&folder, &format!("graph-{}.token", address.port()))
            .map_err(Problem::failed)?;
        let access = access(arguments, address, token)?;
        let runtime = Arc::new(sessions.start(ready.providers, &ready.model).await?);
        let graph = sessions.graph_of_runtime(&runtime);
        console.note(&format!(
            "The graph answers at http://{address}/ and ws://{address}/graphql. The token lies in {}; whoever has it can \
             do what you can do here.\n",
            file.path().display()
        ));
        let mut asked = Asked::Interrupt;
        let limits = Limits::default();
        http::serve(listener, graph, access, limits, async { asked = signals.next().await }).await;
        // Operations that were begun hold it; they are on record, and whoever opens their sessions next goes on.
        if let Some(runtime) = Arc::into_inner(runtime) {
            runtime.stop().await;
        }
        Ok(match asked {
            Asked::Interrupt => ExitCode::Interrupted,
            Asked::Terminate => ExitCode::Terminated,
        })
    });
    compose::end(tasks);
    done
}

fn access(arguments: &GraphServer, address: SocketAddr, token: Token) -> Result<Access, Problem> {
    let mut access = Access::new(address, token);
    for host in &arguments.host {
        access = access.with_host(host.clone());
    }
    for origin in &arguments.origin {
        access = access.with_origin(origin).map_err(Problem::usage)?;
    }
    Ok(access)
}

/// What lives as long as its process lies where the system forgets it, or else beside the sessions.
fn token_folder(place: &Place) -> PathBuf {
    let of_system = place
        .environment
        .path("XDG_RUNTIME_DIR")
        .filter(|_| place.environment.path("GLASSWORK_HOME").is_none());
    match of_system {
        Some(folder) => folder.join("glasswork"),
        None => place.homes.data.join("run"),
    }
}

//! The servers of tools that a client hands over with a session.

use agent_client_protocol::Error;
use agent_client_protocol::v1::schema::McpServer;
use glasswork_app_runtime::servers::ServerCommand;
use glasswork_session_state::settings::{Layer, Source};
use glasswork_session_state::state::Session;
use secrecy::SecretString;

/// How servers are started that a client names.
///
/// # Errors
/// Where one is no program that is started here: that was not offered.
pub(super) fn commands(given: Vec<McpServer>) -> Result<Vec<ServerCommand>, Error> {
    given.into_iter().map(command).collect()
}

fn command(given: McpServer) -> Result<ServerCommand, Error> {
    let (name, way) = match given {
        McpServer::Stdio(server) => {
            let env = server.env.into_iter();
            return Ok(ServerCommand {
                name: server.name,
                // It came as a string of JSON, so nothing is lost.
                command: server.command.to_string_lossy().into_owned(),
                args: server.args,
                env: env
                    .map(|variable| (variable.name, SecretString::from(variable.value)))
                    .collect(),
                from: Source {
                    layer: Layer::Client,
                    file: None,
                    line: None,
                },
            });
        }
        McpServer::Http(server) => (server.name, "HTTP"),
        McpServer::Sse(server) => (server.name, "server-sent events"),
        _ => ("?".to_owned(), "a way that this version does not know"),
    };
    Err(Error::invalid_params().data(format!(
        "the MCP server `{name}` is reached over {way}, which was not offered; only programs that speak over their \
         standard input and output can be started"
    )))
}

/// The names among them that a session has no server of.
pub(super) fn missing<'a>(names: &'a [String], session: &Session) -> Vec<&'a str> {
    let names = names.iter().map(String::as_str);
    names.filter(|name| !session.mcp.contains_key(*name)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use secrecy::ExposeSecret as _;
    use serde_json::{Value, json};

    use super::*;

    fn read(servers: Value) -> Result<Vec<ServerCommand>, String> {
        commands(serde_json::from_value(servers).unwrap())
            .map_err(|error| error.data.unwrap().as_str().unwrap().to_owned())
    }

    #[test]
    fn a_program_is_started_as_it_was_named() {
        let variable = json!({ "name": "TOKEN", "value": "hush" });
        let read = read(json!([
            { "name": "files", "command": "/bin/files", "args": ["--all", "/srv"], "env": [variable] },
        ]));
        let [server] = &read.unwrap()[..] else {
            panic!("there is one")
        };
        assert_eq!((&*server.name, &*server.command), ("files", "/bin/files"));
        assert_eq!(server.args, ["--all", "/srv"]);
        let [(name, value)] = &server.env[..] else {
            panic!("there is one variable")
        };
        assert_eq!((&**name, value.expose_secret()), ("TOKEN", "hush"));
        assert_eq!(server.from.layer, Layer::Client);
    }

    #[test]
    fn what_is_no_program_is_refused_by_its_name() {
        for (kind, way) in [("http", "HTTP"), ("sse", "server-sent events")] {
            let good = json!({ "name": "good", "command": "good", "args": [], "env": [] });
            let far = json!({ "type": kind, "name": "far", "url": "https://example.com", "headers": [] });
            let error = read(json!([good, far])).unwrap_err();
            assert!(
                error.starts_with(&format!("the MCP server `far` is reached over {way}, ")),
                "{error}"
            );
        }
    }
}

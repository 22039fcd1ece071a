//! The MCP servers that the user's settings name. What they are given in their environment may be a secret: the names of
//! the variables may be shown, their values never.

use std::collections::BTreeMap;

use glasswork_agent_session::mcp::ServerCommand;
use glasswork_agent_session::secrets::SecretString;
use glasswork_session_state::settings::{Layer, Source};
use ron::Options;
use serde::Deserialize;
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Map, Value, json};

/// The name of the setting.
pub(crate) const MCP_SERVERS: &str = "mcp_servers";

/// The servers that are set. Serialises as `{mcp_servers: {value, from}}` like every setting, but of environments only
/// the names.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ServersSetting {
    servers: Vec<ServerCommand>,
    from: Source,
}

/// A server as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    command: String,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
}

impl ServersSetting {
    /// Reads servers by name. Only the user's own file names them: what is started is nobody else's to say.
    ///
    /// The error says what is wrong, and repeats nothing of what is written.
    pub(crate) fn parse(options: &Options, text: &str, from: Source) -> Result<Self, String> {
        if from.layer != Layer::User {
            return Err("only your own settings file says which programs are started".to_owned());
        }
        let written: BTreeMap<String, Written> = options.from_str(text).map_err(|error| {
            let place = error.span.start;
            format!(
                "it looks like `{{\"name\": (command: \"program\", args: [\"…\"], env: {{\"NAME\": \"value\"}})}}`, which this \
                 does not at line {}, column {} of it",
                place.line, place.col
            )
        })?;
        let servers = written.into_iter().map(|(name, written)| ServerCommand {
            name,
            command: written.command,
            args: written.args,
            env: written
                .env
                .into_iter()
                .map(|(name, value)| (name, SecretString::from(value)))
                .collect(),
            from: from.clone(),
        });
        let servers = servers.collect();
        Ok(Self { servers, from })
    }

    /// The setting's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        MCP_SERVERS
    }

    /// Where it comes from.
    #[must_use]
    pub fn from(&self) -> &Source {
        &self.from
    }

    /// How each is started, by name.
    #[must_use]
    pub fn commands(&self) -> &[ServerCommand] {
        &self.servers
    }

    /// Whether it may hold secrets.
    pub(crate) fn is_secret(&self) -> bool {
        self.servers.iter().any(|server| !server.env.is_empty())
    }
}

impl Serialize for ServersSetting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shown = |server: &ServerCommand| {
            let env: Vec<&String> = server.env.iter().map(|(name, _)| name).collect();
            json!({ "command": server.command, "args": server.args, "env": env })
        };
        let servers = self.servers.iter();
        let value: Map<String, Value> = servers
            .map(|server| (server.name.clone(), shown(server)))
            .collect();
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(MCP_SERVERS, &json!({ "value": value, "from": self.from }))?;
        map.end()
    }
}

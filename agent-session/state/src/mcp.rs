//! Servers of the [Model Context Protocol](https://modelcontextprotocol.io) whose tools the model may call.
//!
//! A session is told which servers it has ([`Event::Given`]). It has them started by an effect whose result is what they
//! offer; calling a tool of theirs is a call like any other. What happens to a process meanwhile is told from outside,
//! with the effect that had started it: what is told of an earlier process is refused.

pub mod name;
pub mod server;

use std::collections::BTreeSet;
use std::sync::Arc;

use glasswork_agent_core::mcp_server::{Intent, McpServerChart, State, Trigger};
use glasswork_ai::model::ToolSpec;
use glasswork_engine::chart::{self, Conditions};
use glasswork_engine::digest::Digest;
use glasswork_engine::{Deadline, EffectKey, Moment, Origin};
use serde::{Deserialize, Serialize};

pub use self::server::{
    Introduction, LeftOut, MOST_STARTS, Offer, Problem, Server, Servers, Tool, Tools, Why,
};
use crate::domain::Reply;
use crate::draft::Draft;
use crate::effect::Effect;
use crate::rejection::Rejection;
use crate::state::Session;

/// Most servers of a session.
pub const SERVERS_CAP: usize = 32;
/// Most tools that the servers of a session offer together. Providers refuse requests with very many.
pub const TOOLS_CAP: usize = 128;
/// Most bytes of names, descriptions and schemas of a server's tools together.
pub const TOOLS_BYTES: usize = 128 << 10;
/// Most bytes of description and schema of one tool.
pub const TOOL_BYTES: usize = 32 << 10;
/// Longest name of a server, and of a tool at its server, in bytes.
pub const NAME_BYTES: usize = 128;
/// Most that is kept of what a server or the system said of a problem, in bytes.
pub const MESSAGE_BYTES: usize = 2 << 10;
/// Most bytes of a server's command and arguments together, as they are shown.
pub const COMMAND_BYTES: usize = 8 << 10;

/// What happens to servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// These are the servers of the session from now on; all are started that do not run.
    Given {
        /// The servers.
        servers: Vec<Offer>,
    },
    /// Those that were stopped, or ended by themselves, are started: a turn is about to begin.
    Needed,
    /// Someone wants one started that does not run.
    StartRequested {
        /// The server.
        server: Arc<str>,
    },
    /// Result: it has started, and has these tools.
    Introduced {
        /// The server.
        server: Arc<str>,
        /// What it says of itself.
        introduction: Introduction,
        /// Its tools.
        tools: Vec<Told>,
    },
    /// Result: it could not be started.
    Failed {
        /// The server.
        server: Arc<str>,
        /// Why.
        problem: Problem,
    },
    /// It has other tools now.
    Listed {
        /// The server.
        server: Arc<str>,
        /// The effect that had started its process.
        launch: EffectKey,
        /// Its tools.
        tools: Vec<Told>,
    },
    /// It ended by itself, or had to be ended.
    Ended {
        /// The server.
        server: Arc<str>,
        /// The effect that had started its process.
        launch: EffectKey,
        /// Why.
        problem: Problem,
    },
}

/// A tool as its server tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Its name.
    pub name: Arc<str>,
    /// What it does, for the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Arc<str>>,
    /// What its arguments are.
    pub arguments: Arguments,
}

/// The arguments of a tool, as its server tells of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arguments {
    /// A JSON Schema of an object, as canonical text.
    Schema(Arc<str>),
    /// Something else than a schema of an object.
    NoObject,
    /// More, with the description, than is taken.
    TooLong {
        /// How long, in bytes.
        bytes: u64,
    },
}

/// What was decided of servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// The session has this server, in the place of any of that name.
    Given {
        /// The server.
        offer: Offer,
    },
    /// It has it no more.
    Removed {
        /// The server.
        server: Arc<str>,
    },
    /// It was named anew, the same as before: it may be started as often as one that was not started yet.
    Renewed {
        /// The server.
        server: Arc<str>,
    },
    /// A server's chart moved.
    Moved {
        /// The server.
        server: Arc<str>,
        /// The key of the row.
        row: Arc<str>,
        /// Where it stands now.
        to: State,
    },
    /// An effect starts it.
    Launched {
        /// The server.
        server: Arc<str>,
        /// Number of the effect among those of this commit.
        #[serde(default, skip_serializing_if = "crate::unwritten::is_zero")]
        effect: u16,
        /// How long it may take, in milliseconds.
        after_ms: u64,
    },
    /// It said what it is.
    Introduced {
        /// The server.
        server: Arc<str>,
        /// What it said.
        introduction: Introduction,
    },
    /// It has these tools.
    Offers {
        /// The server.
        server: Arc<str>,
        /// Those that the model is told of.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tools: Vec<Tool>,
        /// Those that it is not told of.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        left_out: Vec<LeftOut>,
    },
    /// Why it failed or ended.
    Troubled {
        /// The server.
        server: Arc<str>,
        /// Why.
        problem: Problem,
    },
}

impl Fact {
    pub(crate) fn apply(&self, session: &mut Session, moment: Moment) {
        match self {
            Self::Given { offer } => {
                let server = Server::new(offer.clone(), moment.at);
                session.mcp.insert(Arc::clone(&offer.name), Arc::new(server));
            }
            Self::Removed { server } => {
                session.mcp.remove(server);
            }
            Self::Renewed { server } => session.change_server(server, |server| server.starts = 0),
            Self::Moved { server, to, .. } => session.change_server(server, |server| {
                if server.state != *to {
                    server.state = *to;
                    server.since = moment.at;
                }
                server.deadline = None;
            }),
            Self::Launched {
                server,
                effect,
                after_ms,
            } => session.change_server(server, |server| {
                server.starts = server.starts.saturating_add(1);
                server.launch = Some(EffectKey {
                    seq: moment.seq,
                    ordinal: *effect,
                });
                server.deadline = Some(crate::model::deadline(*after_ms, moment));
                server.problem = None;
            }),
            Self::Introduced { server, introduction } => session.change_server(server, |server| {
                server.introduction = Some(Arc::new(introduction.clone()));
            }),
            Self::Offers {
                server,
                tools,
                left_out,
            } => session.change_server(server, |server| {
                server.tools = Arc::new(Tools {
                    by: moment.seq,
                    tools: tools.clone(),
                    left_out: left_out.clone(),
                });
            }),
            Self::Troubled { server, problem } => session.change_server(server, |server| {
                server.problem = Some(problem.clone());
            }),
        }
        session.offer(moment.seq, None);
    }
}

impl Session {
    fn change_server(&mut self, name: &Arc<str>, change: impl FnOnce(&mut Server)) {
        if let Some(server) = self.mcp.get_mut(name) {
            change(Arc::make_mut(server));
        }
    }

    /// The server whose tool a model calls by this name, and the tool. Also while the server is down.
    #[must_use]
    pub fn tool_of_server(&self, called: &str) -> Option<(&Arc<Server>, &Tool)> {
        let servers = self.mcp.values().filter(|server| server.is_offered());
        servers
            .flat_map(|server| server.tools.tools.iter().map(move |tool| (server, tool)))
            .find(|(_, tool)| &*tool.spec.name == called)
    }

    /// The tools that the session has of itself, in order.
    pub(crate) fn own_tools(&self) -> Vec<ToolSpec> {
        let head = self.context.head();
        let own = head
            .tools
            .iter()
            .filter(|tool| !name::is_of_server(&tool.part.name));
        own.map(|tool| tool.part.clone()).collect()
    }

    /// Has the model told of the tools of the session itself, which may be new, and after those of its servers'.
    pub(crate) fn offer(&mut self, by: u64, own: Option<&[ToolSpec]>) {
        let mut tools = own.map_or_else(|| self.own_tools(), <[ToolSpec]>::to_vec);
        let servers = self.mcp.values().filter(|server| server.is_offered());
        tools.extend(servers.flat_map(|server| server.tools.tools.iter().map(|tool| tool.spec.clone())));
        let head = self.context.head();
        if !head.tools.iter().map(|tool| &tool.part).eq(&tools) {
            self.context.set_tools(by, &tools);
        }
    }
}

/// Decides what happens to servers.
pub(crate) fn decide(draft: &mut Draft<'_>, event: &Event) -> Result<Reply, Rejection> {
    crate::session::open(draft)?;
    match event {
        Event::Given { servers } => give(draft, servers)?,
        Event::Needed => {
            for name in of(draft, Server::wants_start) {
                advance(draft, &name, Trigger::Start)?;
            }
        }
        Event::StartRequested { server } => {
            known(draft, server)?;
            draft.fact(
                Fact::Renewed {
                    server: Arc::clone(server),
                }
                .into(),
            );
            advance(draft, server, Trigger::Start)?;
        }
        Event::Introduced {
            server,
            introduction,
            tools,
        } => {
            own(draft, server)?;
            advance(draft, server, Trigger::Introduced)?;
            draft.fact(
                Fact::Introduced {
                    server: Arc::clone(server),
                    introduction: introduction.clone(),
                }
                .into(),
            );
            list(draft, server, tools);
        }
        Event::Failed { server, problem } => {
            own(draft, server)?;
            trouble(draft, server, problem.clone());
            advance(draft, server, Trigger::Fail)?;
        }
        Event::Listed {
            server,
            launch,
            tools,
        } => {
            launched(draft, server, *launch)?;
            advance(draft, server, Trigger::Listed)?;
            list(draft, server, tools);
        }
        Event::Ended {
            server,
            launch,
            problem,
        } => {
            launched(draft, server, *launch)?;
            trouble(draft, server, problem.clone());
            advance(draft, server, Trigger::End)?;
        }
    }
    Ok(Reply::Done)
}

fn give(draft: &mut Draft<'_>, offers: &[Offer]) -> Result<(), Rejection> {
    if offers.len() > SERVERS_CAP {
        return Err(Rejection::TooManyServers);
    }
    let mut names = BTreeSet::new();
    for offer in offers {
        let sound = !offer.name.is_empty()
            && offer.name.len() <= NAME_BYTES
            && !offer.name.chars().any(char::is_control)
            && !offer.command.is_empty()
            && shown_bytes(offer) <= COMMAND_BYTES;
        if !sound {
            return Err(Rejection::UnsoundServer);
        }
        if !names.insert(&offer.name) {
            return Err(Rejection::ServerTwice(Arc::clone(&offer.name)));
        }
    }
    for gone in of(draft, |server| !names.contains(&server.offer.name)) {
        let server = Arc::clone(&gone);
        stop(draft, &gone)?;
        draft.fact(Fact::Removed { server }.into());
    }
    for offer in offers {
        let server = Arc::clone(&offer.name);
        match draft.session.mcp.get(&offer.name) {
            Some(known) if known.offer == *offer => draft.fact(Fact::Renewed { server }.into()),
            _ => {
                stop(draft, &offer.name)?;
                let offer = offer.clone();
                draft.fact(Fact::Given { offer }.into());
            }
        }
        if !is_up(draft, &offer.name) {
            advance(draft, &offer.name, Trigger::Start)?;
        }
    }
    Ok(())
}

fn shown_bytes(offer: &Offer) -> usize {
    let texts = offer.arguments.iter().chain(&offer.environment);
    offer.command.len() + texts.map(|text| text.len()).sum::<usize>()
}

/// The names of the servers that pass the test.
fn of(draft: &Draft<'_>, test: impl Fn(&Server) -> bool) -> Vec<Arc<str>> {
    let servers = draft.session.mcp.iter();
    servers
        .filter(|(_, server)| test(server))
        .map(|(name, _)| Arc::clone(name))
        .collect()
}

fn is_up(draft: &Draft<'_>, name: &Arc<str>) -> bool {
    let server = draft.session.mcp.get(name);
    server.is_some_and(|server| matches!(server.state, State::Starting | State::Ready))
}

fn stop(draft: &mut Draft<'_>, name: &Arc<str>) -> Result<(), Rejection> {
    match is_up(draft, name) {
        true => advance(draft, name, Trigger::Stop),
        false => Ok(()),
    }
}

/// Stops all servers, because the session is closed.
pub(crate) fn stop_all(draft: &mut Draft<'_>) -> Result<(), Rejection> {
    for name in of(draft, |_| true) {
        stop(draft, &name)?;
    }
    Ok(())
}

/// Whether some server runs, as far as the session knows.
pub(crate) fn any_up(session: &Session) -> bool {
    let mut servers = session.mcp.values();
    servers.any(|server| matches!(server.state, State::Starting | State::Ready))
}

/// Takes note that the process that had started the servers is gone. Recovery itself closes effects.
pub(crate) fn abandon(draft: &mut Draft<'_>) -> Result<(), Rejection> {
    for name in of(draft, |_| true) {
        if is_up(draft, &name) {
            advance(draft, &name, Trigger::Abandon)?;
        }
    }
    Ok(())
}

/// Decides that the deadline of a server that starts was reached.
pub(crate) fn deadline_reached(
    draft: &mut Draft<'_>,
    launch: EffectKey,
    reached: Deadline,
) -> Result<Reply, Rejection> {
    let mut late = of(draft, |server| {
        server.launch == Some(launch) && server.deadline == Some(reached)
    });
    let Some(server) = late.pop() else {
        return Err(Rejection::DeadlineMoved);
    };
    let after_ms = reached.after_ms;
    trouble(draft, &server, Problem::Silent { after_ms });
    advance(draft, &server, Trigger::Deadline)?;
    Ok(Reply::Done)
}

fn known<'a>(draft: &'a Draft<'_>, name: &Arc<str>) -> Result<&'a Arc<Server>, Rejection> {
    let server = draft.session.mcp.get(name);
    server.ok_or_else(|| Rejection::UnknownServer(Arc::clone(name)))
}

/// The server, if the effect that reports starts it.
fn own(draft: &Draft<'_>, name: &Arc<str>) -> Result<(), Rejection> {
    let server = known(draft, name)?;
    match draft.context.origin {
        Origin::Effect(key) if server.launch != Some(*key) => Err(Rejection::NotYours(*key)),
        _ => Ok(()),
    }
}

/// The server, if it is this process of it.
fn launched(draft: &Draft<'_>, name: &Arc<str>, launch: EffectKey) -> Result<(), Rejection> {
    match known(draft, name)?.launch == Some(launch) {
        true => Ok(()),
        false => Err(Rejection::NotYours(launch)),
    }
}

fn trouble(draft: &mut Draft<'_>, server: &Arc<str>, problem: Problem) {
    let server = Arc::clone(server);
    draft.fact(Fact::Troubled { server, problem }.into());
}

/// Moves a server's chart, and does what the row asks for.
fn advance(draft: &mut Draft<'_>, name: &Arc<str>, trigger: Trigger) -> Result<(), Rejection> {
    let server = Arc::clone(known(draft, name)?);
    let moved = chart::advance::<McpServerChart>(server.state, trigger, Conditions::NONE)?;
    draft.fact(
        Fact::Moved {
            server: Arc::clone(name),
            row: moved.row.into(),
            to: moved.to,
        }
        .into(),
    );
    for intent in moved.intents {
        match intent {
            Intent::Launch => {
                let effect = draft.effect(Effect::StartServer {
                    server: Arc::clone(name),
                });
                let after_ms = draft.session.settings.mcp_start_timeout_ms.value;
                draft.fact(
                    Fact::Launched {
                        server: Arc::clone(name),
                        effect,
                        after_ms,
                    }
                    .into(),
                );
            }
            Intent::CloseEffect => {
                if let Some(launch) = server.launch {
                    draft.close(launch);
                }
            }
        }
    }
    Ok(())
}

/// Decides of which tools of a server the model is told, and by which names.
fn list(draft: &mut Draft<'_>, server: &Arc<str>, told: &[Told]) {
    let others = draft.session.mcp.iter().filter(|(name, _)| *name != server);
    let mut taken: BTreeSet<Arc<str>> = others
        .flat_map(|(_, server)| server.tools.tools.iter())
        .map(|tool| Arc::clone(&tool.spec.name))
        .collect();
    let mut room = TOOLS_BYTES;
    let (mut tools, mut left_out) = (Vec::new(), Vec::new());
    for tool in told {
        match taken_in(server, tool, &taken, &mut room) {
            Ok(tool) => {
                taken.insert(Arc::clone(&tool.spec.name));
                tools.push(tool);
            }
            Err(why) => left_out.push(LeftOut {
                name: first_bytes(&tool.name, NAME_BYTES),
                why,
            }),
        }
    }
    let server = Arc::clone(server);
    draft.fact(
        Fact::Offers {
            server,
            tools,
            left_out,
        }
        .into(),
    );
}

fn taken_in(
    server: &Arc<str>,
    told: &Told,
    taken: &BTreeSet<Arc<str>>,
    room: &mut usize,
) -> Result<Tool, Why> {
    if told.name.is_empty() || told.name.len() > NAME_BYTES || told.name.chars().any(char::is_control) {
        return Err(Why::BadName);
    }
    let parameters = match &told.arguments {
        Arguments::Schema(schema) => schema,
        Arguments::NoObject => return Err(Why::BadSchema),
        Arguments::TooLong { bytes } => return Err(Why::TooLong { bytes: *bytes }),
    };
    let description = told.description.clone().unwrap_or_default();
    let bytes = description.len() + parameters.len();
    if bytes > TOOL_BYTES {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        return Err(Why::TooLong { bytes });
    }
    let called: Arc<str> = name::called(server, &told.name).into();
    if taken.contains(&called) {
        return Err(Why::SameName { called });
    }
    let left = room
        .checked_sub(bytes + called.len())
        .filter(|_| taken.len() < TOOLS_CAP);
    *room = left.ok_or(Why::TooMany)?;
    Ok(Tool {
        name: Arc::clone(&told.name),
        digest: Digest::of(&(&description, parameters)).to_string().into(),
        spec: ToolSpec {
            name: called,
            description,
            parameters: Arc::clone(parameters),
        },
    })
}

/// The beginning of a text, at most so many bytes, cut where a character ends.
fn first_bytes(text: &Arc<str>, most: usize) -> Arc<str> {
    match (0..=most.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
    {
        Some(at) if at < text.len() => text.get(..at).unwrap_or_default().into(),
        _ => Arc::clone(text),
    }
}

//! The runners of effects: one file per kind. They do the work of the world and report with events; they decide
//! nothing.

mod closing;
mod desk;
mod evidence;
mod gate;
pub mod graph;
mod model;
pub mod plan;
pub mod question;
mod records;
mod server;
mod tool;

use std::sync::Arc;

use glasswork_ai::port::ModelPort;
use glasswork_engine::{EffectPort, Job, Runner, ScopeId};
use glasswork_session_state::Glasswork;
use glasswork_session_state::effect::Effect;
use glasswork_session_state::state::{Scope, Session};
use tokio::runtime::Handle;

use crate::blobs::BlobStore;
use crate::editors::Editors;
use crate::mcp::Servers;
use crate::secrets::Vaults;
use crate::tools::{FileLocks, Limits};

pub use closing::Sessions;
pub use gate::Gate;
pub use graph::{SelfAnswer, SelfQuery};
pub use records::Records;

/// What runners need of the world.
pub struct World {
    /// Where tasks run.
    pub runtime: Handle,
    /// The models that can be asked.
    pub models: Arc<dyn ModelPort>,
    /// What is asked before a request is sent.
    pub gate: Arc<dyn Gate>,
    /// Where a session keeps its blobs.
    pub blobs: Box<dyn Fn(ScopeId) -> BlobStore + Send + Sync>,
    /// What tools may take and give.
    pub limits: Limits,
    /// The graph, for the tool of that name.
    pub graph: Arc<dyn SelfQuery>,
    /// The records of sessions.
    pub records: Arc<dyn Records>,
    /// The sessions themselves.
    pub sessions: Arc<dyn Sessions>,
    /// The secrets of all sessions.
    pub secrets: Arc<Vaults>,
    /// The servers of tools of all sessions.
    pub servers: Arc<Servers>,
    /// The editors of all sessions.
    pub editors: Arc<Editors>,
}

/// All runners.
pub struct Runners {
    world: Arc<World>,
    locks: FileLocks,
}

impl Runners {
    /// Runners in a world.
    #[must_use]
    pub fn new(world: World) -> Self {
        Self {
            world: Arc::new(world),
            locks: FileLocks::default(),
        }
    }
}

/// An effect of a session, at its runner.
struct Work {
    session: Arc<Session>,
    world: Arc<World>,
    locks: FileLocks,
    port: EffectPort<Glasswork>,
}

impl Runners {
    fn work(&self, session: &Arc<Session>, port: EffectPort<Glasswork>) -> Work {
        Work {
            session: Arc::clone(session),
            world: Arc::clone(&self.world),
            locks: self.locks.clone(),
            port,
        }
    }
}

impl Runner<Glasswork> for Runners {
    fn run(&self, job: Job<Glasswork>) {
        let (runtime, port) = (&self.world.runtime, job.port);
        match (&*job.effect, &job.scope.state) {
            (
                Effect::CallModel { request, attempt } | Effect::Summarise { request, attempt },
                Scope::Session(session),
            ) => {
                let work = self.work(session, port);
                drop(runtime.spawn(model::run(work, *request, *attempt)));
            }
            (Effect::GatherEvidence { call }, Scope::Session(session)) => {
                let work = self.work(session, port);
                drop(runtime.spawn(evidence::run(work, *call)));
            }
            (Effect::RunTool { call, path, .. }, Scope::Session(session)) => {
                let work = self.work(session, port);
                drop(runtime.spawn(tool::run(work, *call, path.clone())));
            }
            (Effect::StartServer { server }, Scope::Session(session)) => {
                let work = self.work(session, port);
                drop(runtime.spawn(server::start(work, Arc::clone(server))));
            }
            (Effect::Fork { child, of, at }, _) => {
                let world = Arc::clone(&self.world);
                drop(runtime.spawn(records::fork(world, port, *of, *at, *child)));
            }
            (Effect::Trash { session, way }, _) => {
                let world = Arc::clone(&self.world);
                drop(runtime.spawn(records::move_session(world, port, *session, *way)));
            }
            (Effect::CloseSession { session }, Scope::Host(_)) => {
                let world = Arc::clone(&self.world);
                drop(runtime.spawn(closing::run(world, port, *session)));
            }
            // A session closes no other.
            (Effect::CloseSession { .. }, Scope::Session(_)) => {}
            // The host has no such effects; were there one, dropping its port reports it as lost.
            (_, Scope::Host(_)) => {}
        }
    }
}

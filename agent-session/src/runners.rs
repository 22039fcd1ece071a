//! The runners of effects: one file per kind. They do the work of the world and report with events; they decide
//! nothing.

mod evidence;
pub mod graph;
mod model;
mod tool;

use std::sync::Arc;

use glasswork_ai::port::ModelPort;
use glasswork_engine::{EffectPort, Job, Runner, ScopeId};
use glasswork_session_state::Glasswork;
use glasswork_session_state::effect::Effect;
use glasswork_session_state::state::{Scope, Session};
use tokio::runtime::Handle;

use crate::blobs::BlobStore;
use crate::secrets::Vaults;
use crate::tools::{FileLocks, Limits};

pub use graph::{SelfAnswer, SelfQuery};

/// What runners need of the world.
pub struct World {
    /// Where tasks run.
    pub runtime: Handle,
    /// The models that can be asked.
    pub models: Arc<dyn ModelPort>,
    /// Where a session keeps its blobs.
    pub blobs: Box<dyn Fn(ScopeId) -> BlobStore + Send + Sync>,
    /// What tools may take and give.
    pub limits: Limits,
    /// The graph, for the tool of that name.
    pub graph: Arc<dyn SelfQuery>,
    /// The secrets of all sessions.
    pub secrets: Arc<Vaults>,
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

impl Runner<Glasswork> for Runners {
    fn run(&self, job: Job<Glasswork>) {
        // The host has no effects; were there one, dropping its port would report it as lost.
        let Scope::Session(session) = &job.scope.state else {
            return;
        };
        let work = Work {
            session: Arc::clone(session),
            world: Arc::clone(&self.world),
            locks: self.locks.clone(),
            port: job.port,
        };
        let runtime = &self.world.runtime;
        match &*job.effect {
            Effect::CallModel { request, attempt } | Effect::Summarise { request, attempt } => {
                drop(runtime.spawn(model::run(work, *request, *attempt)));
            }
            Effect::GatherEvidence { call } => drop(runtime.spawn(evidence::run(work, *call))),
            Effect::RunTool { call, path, .. } => drop(runtime.spawn(tool::run(work, *call, path.clone()))),
        }
    }
}

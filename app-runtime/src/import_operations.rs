//! Importing, as operations of the runtime.

use std::sync::Arc;

use glasswork_agent_session::store::StoreError;
use glasswork_engine::load::Loaded;
use glasswork_session_state::import::Import;
use glasswork_session_state::state::{Kind, Scope};
use glasswork_session_state::{Event, Glasswork};

use crate::importing::{ImportError, Imported, Plan};
use crate::reading::{ReadError, Viewer};
use crate::runtime::{OperationError, Runtime};

impl Runtime {
    /// What is here already of what would be imported.
    ///
    /// # Errors
    /// [`OperationError::Store`] where its record cannot be read.
    pub fn imported(&self, plan: &Plan) -> Result<Option<Imported>, OperationError> {
        let snapshot = self.reader().snapshot(Viewer::owner());
        match snapshot.session(plan.session, None) {
            Ok(seen) => Ok(match import_of(&seen.scope.state) {
                Some(import) if import.finished => Some(Imported::AlreadyHere),
                _ => Some(Imported::Completed),
            }),
            Err(ReadError::Store(StoreError::Unknown { .. }) | ReadError::Unknown(_)) => Ok(None),
            Err(ReadError::Store(error)) => Err(error.into()),
            Err(_) => Ok(None),
        }
    }

    /// Imports a conversation as a session, which is closed when this returns. What is here of it already is not
    /// imported again.
    ///
    /// # Errors
    /// [`OperationError`].
    pub async fn import(&self, plan: &Plan) -> Result<Imported, OperationError> {
        // One import of a file at a time.
        let turn = self.mounts.turn(plan.session);
        let _turn = turn.lock().await;
        let found = self.imported(plan)?;
        let loaded = match found {
            Some(Imported::AlreadyHere) => return Ok(Imported::AlreadyHere),
            Some(_) => self.mounts.own(plan.session).await?.loaded,
            None => self
                .vault
                .create(plan.session, Kind::Session, self.clock.wall())?,
        };
        if let Err(error) = self.keep_file(plan).await {
            self.vault.release(plan.session);
            return Err(error);
        }
        self.take_conversation(loaded, plan).await?;
        Ok(found.unwrap_or(Imported::New))
    }

    /// Keeps the file as a blob, before anything names it.
    async fn keep_file(&self, plan: &Plan) -> Result<(), OperationError> {
        let (blobs, bytes) = ((self.blobs)(plan.session), Arc::clone(&plan.bytes));
        let kept = tokio::task::spawn_blocking(move || blobs.put(&bytes)).await;
        match kept {
            Ok(kept) => kept.map(drop).map_err(|error| ImportError::Blob(error).into()),
            Err(error) => Err(OperationError::Start(std::io::Error::other(error))),
        }
    }

    async fn take_conversation(&self, loaded: Loaded<Glasswork>, plan: &Plan) -> Result<(), OperationError> {
        let taken = import_of(&loaded.scope.state).map(|import| import.taken());
        let rest = plan.rest(taken.unwrap_or(0));
        let Some(rest) = rest else {
            self.vault.release(plan.session);
            let session = plan.session;
            return Err(ImportError::ReadOtherwise { session }.into());
        };
        self.mounts.mount(loaded).await?;
        let done = self.take_batches(plan, taken.is_none(), rest).await;
        let given_up = self.give_up(plan.session).await;
        done.and(given_up)
    }

    async fn take_batches(
        &self,
        plan: &Plan,
        first: bool,
        rest: Vec<glasswork_session_state::import::Event>,
    ) -> Result<(), OperationError> {
        if first {
            self.ask(plan.session, Event::Import(plan.begin())).await?;
        }
        for event in rest {
            self.ask(plan.session, Event::Import(event)).await?;
        }
        Ok(())
    }
}

fn import_of(state: &Scope) -> Option<&Arc<Import>> {
    match state {
        Scope::Session(session) => session.import.as_ref(),
        Scope::Host(_) => None,
    }
}

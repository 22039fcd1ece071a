//! Importing, as operations of the runtime.

use std::io::Read as _;
use std::sync::Arc;

use glasswork_agent_session::secrets::Origin;
use glasswork_agent_session::store::StoreError;
use glasswork_engine::ScopeId;
use glasswork_engine::load::Loaded;
use glasswork_session_state::call::BlobRef;
use glasswork_session_state::import::{self, Import};
use glasswork_session_state::state::{Kind, Scope};
use glasswork_session_state::{Event, Glasswork, fork};

use crate::importing::{ImportError, Imported, Plan};
use crate::mounting::Turn;
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

    /// Imports a conversation as a session, which is closed when this returns, and after it those of the agents that it
    /// called. What is here of them already is not imported again.
    ///
    /// # Errors
    /// [`OperationError`] of the first that cannot be imported; those before it are here.
    pub async fn import(&self, plan: &Plan) -> Result<Imported, OperationError> {
        let mut came = self.import_one(plan, None).await?;
        if plan.called().is_empty() {
            return Ok(came);
        }
        let snapshot = self.reader().snapshot(Viewer::owner());
        let seen = snapshot.session(plan.session, None)?;
        let import = import_of(&seen.scope.state);
        for (called, place) in plan.called() {
            let entry = import.and_then(|import| import.entry(*place));
            let caller = entry.map(|entry| (plan.session, entry.seq));
            let new = self.import_one(called, caller).await? != Imported::AlreadyHere;
            if new && came == Imported::AlreadyHere {
                came = Imported::Completed;
            }
        }
        Ok(came)
    }

    /// Imports one conversation; of an agent that was called by the commit of another one.
    async fn import_one(
        &self,
        plan: &Plan,
        caller: Option<(ScopeId, u64)>,
    ) -> Result<Imported, OperationError> {
        // One import of a file at a time.
        let turn = self.mounts.turn(plan.session).await;
        let found = self.imported(plan)?;
        let loaded = match found {
            Some(Imported::AlreadyHere) => return Ok(Imported::AlreadyHere),
            Some(_) => self.mounts.own(plan.session).await?.loaded,
            None => self
                .vault
                .create(plan.session, Kind::Session, self.clock.wall())?,
        };
        let taken = import_of(&loaded.scope.state).map(|import| import.taken());
        let begun = match taken {
            Some(_) => Ok(None),
            None => self.keep_file(plan).await.map(|kept| Some(plan.begin(kept))),
        };
        match begun {
            Ok(begun) => {
                self.take_conversation(loaded, turn, plan, begun, taken.unwrap_or(0), caller)
                    .await?
            }
            Err(error) => {
                self.vault.release(plan.session);
                return Err(error);
            }
        }
        Ok(found.unwrap_or(Imported::New))
    }

    /// Keeps a copy of the file as a blob, secrets masked, before anything names it.
    async fn keep_file(&self, plan: &Plan) -> Result<BlobRef, OperationError> {
        let (blobs, bytes) = ((self.blobs)(plan.session), Arc::clone(&plan.bytes));
        let masking = self.secrets.masking(plan.session, true);
        let kept = tokio::task::spawn_blocking(move || {
            let mut copy = masking.reader(bytes.as_slice(), Origin::Elsewhere);
            let mut writer = blobs.writer()?;
            let mut buffer = vec![0; 256 << 10];
            loop {
                // Bytes in memory can always be read.
                let count = copy.read(&mut buffer).unwrap_or(0);
                match buffer.get(..count).filter(|piece| !piece.is_empty()) {
                    Some(piece) => writer.write(piece)?,
                    None => return writer.finish(),
                }
            }
        });
        match kept.await {
            Ok(kept) => {
                let kept = kept.map_err(ImportError::Blob)?;
                Ok(BlobRef {
                    digest: kept.digest.to_string().into(),
                    len: kept.len,
                })
            }
            Err(error) => Err(OperationError::Start(std::io::Error::other(error))),
        }
    }

    async fn take_conversation(
        &self,
        loaded: Loaded<Glasswork>,
        turn: Turn,
        plan: &Plan,
        begun: Option<import::Event>,
        taken: u32,
        caller: Option<(ScopeId, u64)>,
    ) -> Result<(), OperationError> {
        let Some(rest) = plan.rest(taken) else {
            self.vault.release(plan.session);
            let session = plan.session;
            return Err(ImportError::ReadOtherwise { session }.into());
        };
        self.mounts.mount(loaded, None).await?;
        let events = begun.into_iter().chain(rest);
        let done = self.take_batches(plan, events, caller).await;
        let given_up = self.give_up_now(plan.session, turn).await;
        done.and(given_up)
    }

    async fn take_batches(
        &self,
        plan: &Plan,
        events: impl Iterator<Item = import::Event>,
        caller: Option<(ScopeId, u64)>,
    ) -> Result<(), OperationError> {
        for event in events {
            let last = matches!(event, import::Event::Finished { .. });
            // Before the end, so that an import that is whole has it.
            if let Some((parent, at)) = caller.filter(|_| last) {
                let entered = fork::Event::Entered { parent, at };
                self.ask(plan.session, Event::Fork(entered)).await?;
            }
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

//! What spans sessions: forks, the trash, closing a session with all that were forked from it.
//!
//! An event records that something shall be done, an effect of class *again* does it, its result is recorded. Of a
//! session that is mounted here the session itself has the record, and recovery resumes what was cut short; of any
//! other the host has it, and what it makes says itself where it comes from.

use std::sync::Arc;
use std::time::Duration;

use glasswork_agent_core::id::EntryId;
use glasswork_agent_session::runners::Records;
use glasswork_engine::{Clock, Commit, EffectKey, FeedItem, Following, ScopeId};
use glasswork_session_state::state::{self, Session};
use glasswork_session_state::trash::Way;
use glasswork_session_state::{Event, Glasswork, fork, trash};

use crate::archive::Vault;
use crate::reading::{ReadError, Viewer};
use crate::runtime::{OperationError, Runtime};

/// Where a session is forked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForkAt {
    /// At its last commit: the fork is a copy.
    Head,
    /// At a commit.
    Commit(u64),
    /// At the commit that added an entry.
    Entry(EntryId),
}

/// The records of sessions, through the vault.
pub(crate) struct VaultRecords {
    pub(crate) vault: Arc<dyn Vault>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Records for VaultRecords {
    fn fork(&self, of: ScopeId, at: u64, child: ScopeId) -> Result<(), String> {
        let made = self.vault.fork(of, at, child, self.clock.wall());
        made.map_err(|error| error.to_string())
    }

    fn move_session(&self, session: ScopeId, way: Way) -> Result<(), String> {
        let moved = self.vault.move_session(session, way, self.clock.wall());
        moved.map_err(|error| error.to_string())
    }
}

impl Runtime {
    /// Forks a session, which need not be mounted, nor be owned by this process. What was open at that commit is
    /// settled when the fork is opened first, as after a crash. Returns the fork, which is not mounted yet.
    ///
    /// # Errors
    /// [`OperationError`].
    pub async fn fork(&self, of: ScopeId, at: ForkAt) -> Result<ScopeId, OperationError> {
        let at = self.commit_of(of, at).await?;
        let child = ScopeId::mint();
        let scope = match self.mounted(of) {
            Some(_) => of,
            None => self.host(),
        };
        let requested = fork::Event::Requested { child, of, at };
        self.done(scope, Event::Fork(requested)).await?;
        Ok(child)
    }

    async fn commit_of(&self, of: ScopeId, at: ForkAt) -> Result<u64, OperationError> {
        let seq = match at {
            ForkAt::Commit(seq) => return Ok(seq),
            ForkAt::Entry(entry) => Some(entry.seq),
            ForkAt::Head => None,
        };
        let snapshot = self.reader().snapshot(Viewer::owner());
        let read = tokio::task::spawn_blocking(move || snapshot.session(of, seq));
        let seen = read.await.map_err(|broken| failed(broken.to_string()))??;
        if let ForkAt::Entry(entry) = at
            && seen.session()?.tree.get(entry).is_none()
        {
            return Err(ReadError::Unknown(format!("{of}/{entry}")).into());
        }
        Ok(seen.scope.seq)
    }

    /// Closes a session and, before it, all that are mounted here and were forked from it.
    ///
    /// # Errors
    /// [`OperationError`] of the first that cannot be closed; those before it are.
    pub async fn close_tree(&self, session: ScopeId) -> Result<Vec<ScopeId>, OperationError> {
        let closing = self.with_descendants(session);
        for id in &closing {
            self.close(*id).await?;
        }
        Ok(closing)
    }

    /// A session and its mounted descendants, children before their parents.
    fn with_descendants(&self, session: ScopeId) -> Vec<ScopeId> {
        let root = self.engine().reader().root();
        let mounted: Vec<(ScopeId, Option<ScopeId>)> = root
            .scopes()
            .filter_map(|scope| match &scope.state {
                state::Scope::Session(session) => {
                    Some((session.id, session.meta.parent.map(|parent| parent.session)))
                }
                state::Scope::Host(_) => None,
            })
            .collect();
        let mut found = vec![session];
        let mut next = 0;
        while let Some(parent) = found.get(next).copied() {
            let children = mounted.iter().filter(|(_, of)| *of == Some(parent));
            let children: Vec<ScopeId> = children
                .map(|(id, _)| *id)
                .filter(|id| !found.contains(id))
                .collect();
            found.extend(children);
            next += 1;
        }
        found.reverse();
        found
    }

    /// Puts a session into the trash. One that is open here is closed first; one that is open elsewhere stays.
    ///
    /// # Errors
    /// [`OperationError`].
    pub async fn put_in_trash(&self, session: ScopeId) -> Result<(), OperationError> {
        if self.mounted(session).is_some() {
            self.close(session).await?;
        }
        self.move_session(session, Way::In).await
    }

    /// Takes a session out of the trash.
    ///
    /// # Errors
    /// [`OperationError`].
    pub async fn take_from_trash(&self, session: ScopeId) -> Result<(), OperationError> {
        self.move_session(session, Way::Out).await
    }

    /// Removes from the trash, for good, what has been there for longer than `older_than`; everything where there is no
    /// such limit. Returns what was removed.
    ///
    /// # Errors
    /// [`OperationError`] of the first that cannot be removed; those before it are gone.
    pub async fn empty_trash(&self, older_than: Option<Duration>) -> Result<Vec<ScopeId>, OperationError> {
        let snapshot = self.reader().snapshot(Viewer::owner());
        let read = tokio::task::spawn_blocking(move || snapshot.trash());
        let trash = read.await.map_err(|broken| failed(broken.to_string()))??;
        let now = self.clock.wall();
        let mut removed = Vec::new();
        for row in trash {
            if older_than.is_none_or(|age| now.since(row.since) > age) {
                self.move_session(row.session.id, Way::Gone).await?;
                removed.push(row.session.id);
            }
        }
        Ok(removed)
    }

    async fn move_session(&self, session: ScopeId, way: Way) -> Result<(), OperationError> {
        let requested = trash::Event::Requested { session, way };
        self.done(self.host(), Event::Trash(requested)).await
    }

    pub(crate) fn mounted(&self, id: ScopeId) -> Option<Arc<Session>> {
        match &self.engine().reader().scope(id)?.state {
            state::Scope::Session(session) => Some(Arc::clone(session)),
            state::Scope::Host(_) => None,
        }
    }

    /// Dispatches an event that asks for one effect, and waits for its result.
    async fn done(&self, scope: ScopeId, event: Event) -> Result<(), OperationError> {
        // Before the event, so that its result cannot be missed.
        let following = self.engine().reader().follow(scope, None);
        let Following { mut follower, .. } =
            following.ok_or_else(|| failed(format!("{scope} is not open here")))?;
        let asked = self.ask(scope, event).await?;
        let effect = EffectKey {
            seq: asked.id.seq,
            ordinal: 0,
        };
        loop {
            match follower.next().await {
                FeedItem::Commit(commit) if commit.settles == Some(effect) => return outcome(&commit),
                FeedItem::Commit(_) => {}
                FeedItem::Gap { .. } => {
                    let recent = self.engine().reader().commits(scope);
                    if let Some(commit) = recent.iter().find(|commit| commit.settles == Some(effect)) {
                        return outcome(commit);
                    }
                }
                FeedItem::JournalFailed(reason) => return Err(failed(reason.to_string())),
                FeedItem::Ended => return Err(failed(format!("{scope} was closed meanwhile"))),
            }
        }
    }
}

fn outcome(commit: &Commit<Glasswork>) -> Result<(), OperationError> {
    match &commit.event {
        Event::Fork(fork::Event::Failed { message, .. })
        | Event::Trash(trash::Event::Failed { message, .. }) => Err(failed(message.to_string())),
        _ => Ok(()),
    }
}

fn failed(reason: String) -> OperationError {
    OperationError::NotDone(reason)
}

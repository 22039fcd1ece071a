//! What spans sessions: forks, and the trash. Closing a session with all that were forked from it has a file of its own.
//!
//! An event records that something shall be done, an effect of class *again* does it, its result is recorded. Of a
//! session that is mounted here the session itself has the record, and recovery resumes what was cut short; of any
//! other the host has it, and what it makes says itself where it comes from.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use glasswork_agent_core::id::EntryId;
use glasswork_agent_session::runners::Records;
use glasswork_engine::{Clock, Commit, EffectKey, FeedItem, Following, Handle, ScopeId};
use glasswork_session_state::state::{self, Session};
use glasswork_session_state::trash::{Way, Why};
use glasswork_session_state::{Event, Glasswork, fork, trash};

use crate::archive::Vault;
use crate::mounting::Mounts;
use crate::past_hosts::Past;
use crate::reading::{ReadError, Reader, Viewer};
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

/// A text that names no place to fork at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a commit (`412`) nor an entry (`412.0`)")]
pub struct NotAPlace(String);

impl FromStr for ForkAt {
    type Err = NotAPlace;

    fn from_str(text: &str) -> Result<Self, NotAPlace> {
        let place = match text.contains('.') {
            true => text.parse().ok().map(Self::Entry),
            false => text.parse().ok().map(Self::Commit),
        };
        place.ok_or_else(|| NotAPlace(text.to_owned()))
    }
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
        self.fork_as(&self.user, of, at).await
    }

    /// The same, of somebody else.
    pub(crate) async fn fork_as(
        &self,
        asker: &Handle<Glasswork>,
        of: ScopeId,
        at: ForkAt,
    ) -> Result<ScopeId, OperationError> {
        let at = self.commit_of(of, at).await?;
        let child = ScopeId::mint();
        let scope = match self.mounted(of) {
            Some(_) => of,
            None => self.host(),
        };
        if scope == self.host() {
            self.sagas.past.settled().await;
        }
        let requested = fork::Event::Requested { child, of, at };
        self.sagas.done(asker, scope, Event::Fork(requested)).await?;
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

    /// Puts a session into the trash. One that is open here is closed first; one that is open elsewhere stays.
    ///
    /// # Errors
    /// [`OperationError`].
    pub async fn put_in_trash(&self, session: ScopeId) -> Result<(), OperationError> {
        if self.mounted(session).is_some() {
            self.close(session).await?;
        }
        self.sagas.move_session(session, Way::In, Why::Asked).await
    }

    /// Takes a session out of the trash.
    ///
    /// # Errors
    /// [`OperationError`].
    pub async fn take_from_trash(&self, session: ScopeId) -> Result<(), OperationError> {
        self.sagas.move_session(session, Way::Out, Why::Asked).await
    }

    /// Removes from the trash, for good, what has been there for longer than `older_than`; everything where there is no
    /// such limit. Returns what was removed.
    ///
    /// # Errors
    /// [`OperationError`] of the first that cannot be removed; those before it are gone.
    pub async fn empty_trash(&self, older_than: Option<Duration>) -> Result<Vec<ScopeId>, OperationError> {
        self.sagas.empty_trash(older_than, Why::Asked).await
    }

    pub(crate) fn mounted(&self, id: ScopeId) -> Option<Arc<Session>> {
        match &self.engine().reader().scope(id)?.state {
            state::Scope::Session(session) => Some(Arc::clone(session)),
            state::Scope::Host(_) => None,
        }
    }
}

/// What is done for several sessions at once, or for one that is not mounted. Clones share it.
#[derive(Clone)]
pub(crate) struct Sagas {
    pub(crate) mounts: Arc<Mounts>,
    pub(crate) reader: Reader,
    /// What other processes left undone is done first: it was asked for before.
    pub(crate) past: Past,
}

impl Sagas {
    pub(crate) async fn move_session(
        &self,
        session: ScopeId,
        way: Way,
        why: Why,
    ) -> Result<(), OperationError> {
        self.past.settled().await;
        let requested = trash::Event::Requested { session, way, why };
        self.done(&self.mounts.user, self.mounts.host, Event::Trash(requested))
            .await
    }

    pub(crate) async fn empty_trash(
        &self,
        older_than: Option<Duration>,
        why: Why,
    ) -> Result<Vec<ScopeId>, OperationError> {
        self.past.settled().await;
        let snapshot = self.reader.snapshot(Viewer::owner());
        let read = tokio::task::spawn_blocking(move || snapshot.trash());
        let trash = read.await.map_err(|broken| failed(broken.to_string()))??;
        let now = self.mounts.clock.wall();
        let mut removed = Vec::new();
        for row in trash {
            if older_than.is_none_or(|age| now.since(row.since) > age) {
                self.move_session(row.session.id, Way::Gone, why).await?;
                removed.push(row.session.id);
            }
        }
        Ok(removed)
    }

    /// Dispatches an event that asks for one effect, and waits for its result.
    async fn done(
        &self,
        asker: &Handle<Glasswork>,
        scope: ScopeId,
        event: Event,
    ) -> Result<(), OperationError> {
        let live = &self.mounts.reader;
        // Before the event, so that its result cannot be missed.
        let following = live.follow(scope, None);
        let Following { mut follower, .. } =
            following.ok_or_else(|| failed(format!("{scope} is not open here")))?;
        let asked = asker.dispatch(scope, event).await?;
        let effect = EffectKey {
            seq: asked.id.seq,
            ordinal: 0,
        };
        loop {
            match follower.next().await {
                FeedItem::Commit(commit) if commit.settles == Some(effect) => return outcome(&commit),
                FeedItem::Commit(_) => {}
                FeedItem::Gap { .. } => {
                    let recent = live.commits(scope);
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

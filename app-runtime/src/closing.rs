//! Closing a session with all that were forked from it. What cannot be closed is told, and the rest goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::{Arc, OnceLock, Weak};

use glasswork_agent_core::session::State;
use glasswork_agent_session::runners::Sessions;
use glasswork_engine::{DispatchId, FeedItem, Following, ScopeId};
use glasswork_session_state::closing::{self, Closing, Stayed};
use glasswork_session_state::{Event, session, state};

use crate::archive::Status;
use crate::mounting::Mounts;
use crate::reading::{ReadError, SessionRow, Viewer};
use crate::runtime::{OperationError, Runtime};

/// What came of closing a tree of sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedTree {
    /// Those that are closed, in the order in which they were; those that had been closed before are left out.
    pub closed: Vec<ScopeId>,
    /// Those that stay open.
    pub stayed: Vec<Stayed>,
}

impl Runtime {
    /// Closes a session and, before it, all that were forked from it, whether they are mounted or not. Those in which
    /// something works or rests, and those that another process has open, stay open. If this process ends meanwhile, the
    /// next one goes on with it.
    ///
    /// # Errors
    /// [`OperationError`] where none of it was begun, or its record cannot be written.
    pub async fn close_tree(&self, session: ScopeId) -> Result<ClosedTree, OperationError> {
        self.sagas.past.settled().await;
        let snapshot = self.reader().snapshot(Viewer::owner());
        let rows = tokio::task::spawn_blocking(move || snapshot.sessions()).await;
        let rows = rows.map_err(|broken| OperationError::NotDone(broken.to_string()))??;
        if !rows.iter().any(|row| row.archived.id == session) {
            return Err(ReadError::Unknown(session.to_string()).into());
        }
        let requested = closing::Event::Requested {
            root: session,
            sessions: to_close(&rows, session),
        };
        let following = self.live().follow(self.host, None);
        let stopped = || OperationError::NotDone("the runtime has stopped".to_owned());
        let Following { mut follower, .. } = following.ok_or_else(stopped)?;
        let tree = self.ask(self.host, Event::Closing(requested)).await?.id.seq;
        let over = loop {
            match self.closing(tree) {
                Some(closing) if closing.is_over() => break closing,
                Some(_) => {}
                None => return Err(stopped()),
            }
            match follower.next().await {
                FeedItem::Commit(_) | FeedItem::Gap { .. } => {}
                FeedItem::JournalFailed(reason) => return Err(OperationError::NotDone(reason.to_string())),
                FeedItem::Ended => return Err(stopped()),
            }
        };
        for closed in &over.closed {
            self.secrets.forget(*closed);
        }
        Ok(ClosedTree {
            closed: over.closed.into_iter().collect(),
            stayed: over.stayed.into_iter().collect(),
        })
    }

    fn closing(&self, tree: u64) -> Option<Closing> {
        match &self.live().scope(self.host)?.state {
            state::Scope::Host(host) => host.closings.get(&tree).cloned(),
            state::Scope::Session(_) => None,
        }
    }
}

/// A session and all that were forked from it, children before their parents, without those that are closed already.
fn to_close(rows: &[SessionRow], root: ScopeId) -> Vec<ScopeId> {
    let mut children: BTreeMap<ScopeId, Vec<ScopeId>> = BTreeMap::new();
    let mut closed = BTreeSet::new();
    for row in rows {
        if let Some(parent) = row.archived.parent {
            children.entry(parent).or_default().push(row.archived.id);
        }
        if row.archived.status == Status::Closed && !row.mounted {
            closed.insert(row.archived.id);
        }
    }
    let mut found = vec![root];
    let mut seen = BTreeSet::from([root]);
    let mut next = 0;
    while let Some(parent) = found.get(next) {
        let forks = children.get(parent).into_iter().flatten();
        let forks: Vec<ScopeId> = forks.copied().filter(|fork| seen.insert(*fork)).collect();
        found.extend(forks);
        next += 1;
    }
    // Each level after the one that is above it, so backwards each before it.
    found.reverse();
    found.retain(|session| !closed.contains(session));
    found
}

impl Mounts {
    /// Closes a session in which nothing works, and gives it up. One that somebody has opened since a process that has
    /// ended asked for it is in use again, and stays.
    async fn close_at_rest(&self, session: ScopeId, cause: DispatchId) -> Result<(), OperationError> {
        let turn = self.turn(session).await;
        let was_mounted = self.reader.scope(session).is_some();
        if was_mounted && cause.scope != self.host {
            let reason = "somebody has opened it again since";
            return Err(OperationError::NotDone(reason.to_owned()));
        }
        if !was_mounted {
            let opened = self.own(session).await?;
            let is_closed = match &opened.loaded.scope.state {
                state::Scope::Session(session) => session.state == State::Closed,
                state::Scope::Host(_) => false,
            };
            if is_closed && opened.loaded.scope.open.is_empty() {
                let vault = Arc::clone(&self.vault);
                let _ = tokio::task::spawn_blocking(move || vault.release(session)).await;
                return Ok(());
            }
            self.mount(opened.loaded, opened.parent).await?;
        }
        let event = Event::Session(session::Event::ClosedAtRest);
        let closed = self.user.dispatch_after(cause, session, event).await;
        if closed.is_ok() || !was_mounted {
            // A fork of it may still be made.
            self.rested(session).await;
            self.unmount(session, &turn).await?;
        }
        closed?;
        Ok(())
    }
}

/// The sessions of a runtime, bound once they exist: its runners are there before them.
#[derive(Default)]
pub(crate) struct LateSessions(OnceLock<Weak<Mounts>>);

impl LateSessions {
    pub(crate) fn bind(&self, mounts: &Arc<Mounts>) {
        // There is one of each.
        let _ = self.0.set(Arc::downgrade(mounts));
    }
}

impl Sessions for LateSessions {
    fn close(
        &self,
        session: ScopeId,
        cause: DispatchId,
    ) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> {
        let mounts = self.0.get().and_then(Weak::upgrade);
        Box::pin(async move {
            let mounts = mounts.ok_or_else(|| "the runtime has stopped".to_owned())?;
            let closed = mounts.close_at_rest(session, cause).await;
            closed.map_err(|error| error.to_string())
        })
    }
}

//! What processes that were killed left undone of their own affairs: forks, moves to the trash and out of it, closings.
//!
//! Whoever starts next takes their records over, one after the other, and recovery has it done again. Nobody waits for
//! that but those who would do more of the same.

use std::sync::Arc;

use glasswork_engine::{FeedItem, Following, ScopeId};
use tokio::sync::watch;

use crate::mounting::Mounts;
use crate::runtime::{OperationError, Runtime};

/// Whether all of it is done.
#[derive(Clone)]
pub(crate) struct Past(watch::Receiver<bool>);

impl Past {
    /// Begins to do it.
    pub(crate) fn resume(mounts: &Arc<Mounts>) -> Self {
        let (done, past) = watch::channel(false);
        let resuming = Arc::clone(mounts);
        mounts.tasks.spawn(async move {
            let vault = Arc::clone(&resuming.vault);
            let left = tokio::task::spawn_blocking(move || vault.left_open()).await;
            for host in left.unwrap_or_default() {
                // What cannot be done now is tried again by the next process. It may be at work on it already.
                let _ = resuming.resume_host(host).await;
            }
            let _ = done.send(true);
        });
        Self(past)
    }

    /// Waits until all of it is done, or can not be done by this process.
    pub(crate) async fn settled(&self) {
        let _ = self.0.clone().wait_for(|done| *done).await;
    }
}

impl Runtime {
    /// Waits until what past processes left undone of their own affairs is done.
    pub async fn past_is_settled(&self) {
        self.sagas.past.settled().await;
    }
}

impl Mounts {
    async fn resume_host(&self, host: ScopeId) -> Result<(), OperationError> {
        let opened = self.own(host).await?;
        if let Err(error) = self.engine()?.mount(opened.loaded).await {
            self.vault.release(host);
            return Err(error.into());
        }
        self.rested(host).await;
        let unmounted = self.engine()?.unmount(host).await;
        let vault = Arc::clone(&self.vault);
        let _ = tokio::task::spawn_blocking(move || vault.release(host)).await;
        Ok(unmounted?)
    }

    /// Waits until no effect of a scope is open, or nothing more can come of them.
    pub(crate) async fn rested(&self, scope: ScopeId) {
        let Some(Following { mut follower, .. }) = self.reader.follow(scope, None) else {
            return;
        };
        while self
            .reader
            .scope(scope)
            .is_some_and(|scope| !scope.open.is_empty())
        {
            if let FeedItem::JournalFailed(_) | FeedItem::Ended = follower.next().await {
                return;
            }
        }
    }
}

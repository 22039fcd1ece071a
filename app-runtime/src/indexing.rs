//! Keeping the index in step with the sessions that are open here. Never on the writer: whoever follows a session
//! hears of its commits, and hands its newest state on when a moment has passed.

use std::sync::Arc;
use std::time::Duration;

use glasswork_engine::{FeedItem, Reader, Scope, ScopeId};
use glasswork_session_state::Glasswork;
use glasswork_session_state::state::Kind;

use crate::archive::Vault;

/// How long commits are gathered before the index hears of them.
const PAUSE: Duration = Duration::from_millis(250);

/// Has a mounted session indexed, now and whenever it has changed, until it is unmounted.
pub(crate) async fn follow(live: Reader<Glasswork>, vault: Arc<dyn Vault>, session: ScopeId) {
    let Some(following) = live.follow(session, None) else {
        return;
    };
    let mut follower = following.follower;
    vault.index(&following.base, true);
    loop {
        if matches!(follower.next().await, FeedItem::Ended) {
            return;
        }
        tokio::time::sleep(PAUSE).await;
        // What came meanwhile is in the state already.
        while let Some(item) = follower.try_next() {
            if matches!(item, FeedItem::Ended) {
                return;
            }
        }
        match live.scope(session) {
            Some(scope) => vault.index(&scope, true),
            None => return,
        }
    }
}

/// A session that is about to be unmounted, and whether anything happens in it until it is.
pub(crate) struct Leaving {
    following: Option<glasswork_engine::Following<Glasswork>>,
}

impl Leaving {
    pub(crate) fn begin(live: &Reader<Glasswork>, session: ScopeId) -> Self {
        Self {
            following: live.follow(session, None),
        }
    }

    /// Has its last state indexed. What happened behind our back is read from the journal by whoever lists next.
    pub(crate) fn end(self, vault: &dyn Vault) {
        let Some(mut following) = self.following else {
            return;
        };
        let more = matches!(
            following.follower.try_next(),
            Some(FeedItem::Commit(_) | FeedItem::Gap { .. })
        );
        vault.index(&following.base, more);
    }
}

/// Has everything indexed as the engine left it when it stopped, and waits for that a little.
pub(crate) fn stopped(live: &Reader<Glasswork>, vault: &dyn Vault) {
    let sessions: Vec<Arc<Scope<Glasswork>>> = live
        .root()
        .scopes()
        .filter(|scope| scope.kind == Kind::Session)
        .cloned()
        .collect();
    for scope in sessions {
        vault.index(&scope, false);
    }
    vault.settle_index();
}

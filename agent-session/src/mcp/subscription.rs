//! Hearing that a server has other tools, in the manner of 2026-07-28: only who has subscribed is told.

use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{ServerNotification, SubscriptionFilter};
use rmcp::service::SubscriptionEnd;
use rmcp::{Peer, RoleClient};
use tokio::sync::Notify;

/// How often a subscription that ended is begun anew.
const TIMES: u32 = 5;
/// How long is waited before that; twice as long each time.
const PAUSE: Duration = Duration::from_secs(1);

/// Whether a server says so only to who has subscribed, and says so at all. Of one that is greeted in the older way
/// everybody is told.
pub(super) fn is_needed(peer: &Peer<RoleClient>) -> bool {
    peer.peer_info().is_some_and(|info| {
        let tools = info.capabilities.tools.as_ref();
        !info.protocol_version.has_initialize() && tools.is_some_and(|tools| tools.list_changed == Some(true))
    })
}

/// Subscribes, and says each time that there may be other tools. Ends where the server does not tell, or has gone.
pub(super) async fn hear(peer: Peer<RoleClient>, changed: Arc<Notify>) {
    let mut pause = PAUSE;
    for _ in 0..TIMES {
        let wanted = SubscriptionFilter::builder().tools_list_changed().build();
        let Ok(mut subscription) = peer.listen(wanted).await else {
            return;
        };
        if subscription.acknowledged().tools_list_changed != Some(true) {
            return;
        }
        // They may have become others before anybody was told.
        changed.notify_one();
        while let Ok(Some(told)) = subscription.next().await {
            if matches!(told, ServerNotification::ToolListChangedNotification(_)) {
                changed.notify_one();
            }
        }
        match subscription.end() {
            // It said more than was taken in; what it said last may be missed.
            Some(
                SubscriptionEnd::Lagged { .. } | SubscriptionEnd::Graceful(_) | SubscriptionEnd::Cancelled,
            ) => {
                changed.notify_one();
            }
            _ => return,
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}

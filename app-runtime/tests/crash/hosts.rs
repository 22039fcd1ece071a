//! What the records of hosts say after a death, once the next host has gone on with them.

use std::sync::Arc;

use glasswork_agent_session::store::{Place, Store};
use glasswork_engine::{Commit, SystemClock};
use glasswork_session_state::host::Host;
use glasswork_session_state::state::Scope;
use glasswork_session_state::{Event, Glasswork, recovery};
use glasswork_testkit::house::{House, PATIENCE, scripted};
use tempfile::TempDir;

use crate::aftermath::BACK;
use crate::kill::Kill;

/// The record of one host.
pub(crate) struct Kept {
    pub(crate) host: Arc<Host>,
    pub(crate) commits: Vec<Arc<Commit<Glasswork>>>,
}

/// A host that has gone on with what a dead one left.
pub(crate) async fn next(home: TempDir, kill: Kill) -> House {
    let house = House::at(home, scripted(BACK), Arc::new(SystemClock::default())).await;
    let settled = tokio::time::timeout(PATIENCE, house.runtime().past_is_settled()).await;
    settled.unwrap_or_else(|_| panic!("{kill:?}: the next host does not come to an end"));
    house
}

/// The records of all hosts but the one that lives, oldest first: nothing is open in them, and they replay.
pub(crate) fn kept(house: &House, kill: Kill) -> Vec<Kept> {
    let store = Store::<Glasswork>::open(house.home().join("data")).unwrap();
    let alive = house.snapshot().host().unwrap().id;
    let hosts = store.list().filter(|listed| listed.place == Place::Host);
    let mut ids: Vec<_> = hosts
        .filter_map(|listed| listed.scope)
        .filter(|id| *id != alive)
        .collect();
    ids.sort_unstable();
    let one = |id| {
        let journal = store.journal(id).unwrap();
        let replayed = journal.replay(None).unwrap();
        assert_eq!(replayed.differences, [], "{kill:?}: host {id}");
        let scope = replayed.loaded.scope;
        assert!(scope.open.is_empty(), "{kill:?}: host {id}: {:?}", scope.open);
        let Scope::Host(host) = &scope.state else {
            panic!("{id} is no host")
        };
        assert!(
            host.forks.is_empty() && host.moving.is_empty(),
            "{kill:?}: {host:?}"
        );
        let commits = journal
            .commits(1..)
            .unwrap()
            .map(|commit| Arc::new(commit.unwrap()));
        Kept {
            host: Arc::clone(host),
            commits: commits.collect(),
        }
    };
    ids.into_iter().map(one).collect()
}

/// Whether something was left to be gone on with.
pub(crate) fn was_resumed(kept: &[Kept]) -> bool {
    let abandoned = |commit: &Arc<Commit<Glasswork>>| {
        matches!(commit.event, Event::Recovery(recovery::Event::Abandoned { .. }))
    };
    kept.iter().flat_map(|kept| &kept.commits).any(abandoned)
}

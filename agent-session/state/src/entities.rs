//! What a session consists of, entity by entity, with their digests.
//!
//! What grows with the conversation (entries, calls, requests, turns of the past) is compared by what it shares with
//! the state before, so that a turn costs what it has changed; the rest of a session is small, but for the list of
//! what the next request consists of.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use glasswork_agent_core::context::Context;
use glasswork_agent_core::tail_map::TailMap;
use glasswork_engine::digest::Digest;
use serde::Serialize;

use crate::state::{Scope, Session};

/// Takes the name of an entity, and its digest: `None` where it is gone.
type Each<'a> = &'a mut dyn FnMut(&str, Option<Digest>);

/// Calls `each` for every entity in which two states differ; for all of them where there is none before.
pub(crate) fn differing(before: Option<&Scope>, after: &Scope, each: Each<'_>) {
    match (before, after) {
        (Some(Scope::Session(before)), Scope::Session(after)) => of_session(Some(before), after, each),
        (_, Scope::Session(after)) => of_session(None, after, each),
        (Some(before), Scope::Host(_)) if before == after => {}
        (_, Scope::Host(host)) => each("host", Some(Digest::of(host))),
    }
}

fn of_session(before: Option<&Session>, after: &Session, each: Each<'_>) {
    let empty = Session::vacant(after.id);
    let old = before.unwrap_or(&empty);
    for (id, entry) in after.tree.changed_since(&old.tree) {
        each(&format!("entry {id}"), entry.map(Digest::of));
    }
    map("call", &old.calls, &after.calls, each);
    map("request", &old.requests, &after.requests, each);
    map("turn", &old.past, &after.past, each);
    if before.is_none() || old.context != after.context {
        each("context", Some(Digest::of(&after.context)));
    }
    let (was, is) = (before.map(rest).unwrap_or_default(), rest(after));
    for (name, digest) in &is {
        if was.get(name) != Some(digest) {
            each(name, Some(*digest));
        }
    }
    for name in was.keys().filter(|name| !is.contains_key(*name)) {
        each(name, None);
    }
}

fn map<K, V>(kind: &str, before: &TailMap<K, Arc<V>>, after: &TailMap<K, Arc<V>>, each: Each<'_>)
where
    K: Ord + Clone + Display,
    V: Serialize + PartialEq,
{
    for (id, now) in after.changed_since(before) {
        each(&format!("{kind} {id}"), now.map(Digest::of));
    }
}

/// What has no digests of its own, by its members.
fn rest(session: &Session) -> BTreeMap<String, Digest> {
    let rest = Session {
        tree: session.tree.without_entries(),
        calls: TailMap::new(),
        requests: TailMap::new(),
        past: TailMap::new(),
        context: Context::default(),
        ..session.clone()
    };
    let mut members = BTreeMap::new();
    Digest::of_members(&rest, |name, digest| {
        members.insert(format!("session {name}"), digest);
    });
    members
}

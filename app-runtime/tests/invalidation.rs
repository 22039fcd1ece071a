//! No projection changes with a commit that does not name it: a client that asks anew for what is named, and for nothing
//! else, shows what there is.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test that meets what it did not expect shall stop there"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use glasswork_app_runtime::projection::invalidation::{self, Projection};
use glasswork_app_runtime::projection::{
    activity, context, dialogs, footer, notifications, plan, status, transcript, tree,
};
use glasswork_engine::Domain;
use glasswork_session_state::Glasswork;
use glasswork_session_state::state::{Kind, Scope, Session};
use proptest::prelude::*;
use strum::VariantArray;

#[allow(
    dead_code,
    reason = "these are the histories of another crate's tests, which use all of it"
)]
#[path = "../../agent-session/state/tests/state/histories.rs"]
mod histories;
#[allow(dead_code, reason = "as above")]
#[path = "../../agent-session/state/tests/state/world.rs"]
mod world;

/// A projection as it is shown.
fn shown(projection: Projection, session: &Session) -> String {
    match projection {
        Projection::Status => format!("{:?}", status::of(session)),
        Projection::Transcript => format!("{:?}", transcript::of(session)),
        Projection::Tree => format!("{:?}", tree::of(session)),
        Projection::Footer => format!("{:?}", footer::of(session)),
        Projection::Context => format!("{:?}", context::of(session)),
        Projection::Dialogs => format!("{:?}", dialogs::of(session)),
        Projection::Plan => format!("{:?}", plan::of(session)),
        Projection::Notifications => format!("{:?}", notifications::of(session)),
        Projection::Activity => format!("{:?}", activity::of(session)),
    }
}

fn session(scope: &Scope) -> &Arc<Session> {
    match scope {
        Scope::Session(session) => session,
        Scope::Host(_) => panic!("not a session"),
    }
}

/// Compares what is named with what changes, commit by commit.
fn walk(world: &world::World) {
    let mut scope = Glasswork::vacant(Kind::Session, world::SCOPE);
    let mut now: BTreeMap<Projection, String> = BTreeMap::new();
    for projection in Projection::VARIANTS {
        now.insert(*projection, shown(*projection, session(&scope)));
    }
    for (event, facts, moment) in &world.commits {
        for fact in facts {
            Glasswork::evolve(&mut scope, fact, *moment);
        }
        let touched = invalidation::touched(facts);
        for projection in Projection::VARIANTS {
            let after = shown(*projection, session(&scope));
            let before = now.insert(*projection, after.clone()).unwrap();
            assert!(
                before == after || touched.contains(projection),
                "{projection:?} changed, and is not named\nevent: {event:?}\nfacts: {facts:#?}\nbefore: {before}\nafter: {after}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_projection_never_changes_unnamed(steps in histories::moves()) {
        let mut world = world::World::new();
        for step in &steps {
            histories::play(&mut world, step);
        }
        walk(&world);
    }
}

/// Naming everything always would hold, too: the pieces of an answer, of which there are most, name nothing that is
/// costly.
#[test]
fn pieces_of_an_answer_and_of_output_name_no_conversation() {
    let mut world = world::World::new();
    world.prompt("go");
    world.connect();
    let from = world.commits.len();
    world.stream(vec![world::began(0), world::delta(0, "a piece")]);
    let touched: BTreeSet<_> = world.commits[from..]
        .iter()
        .flat_map(|(_, facts, _)| invalidation::touched(facts))
        .collect();
    for projection in [
        Projection::Transcript,
        Projection::Tree,
        Projection::Context,
        Projection::Dialogs,
        Projection::Plan,
        Projection::Activity,
    ] {
        assert!(!touched.contains(&projection), "{projection:?}");
    }
    walk(&world);
}

#[test]
fn a_gap_names_everything() {
    assert_eq!(
        invalidation::all(),
        Projection::VARIANTS.iter().copied().collect::<BTreeSet<_>>()
    );
}

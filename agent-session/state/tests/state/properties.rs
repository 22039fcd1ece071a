//! Whatever happens, in whatever order.

use std::sync::Arc;

use glasswork_agent_core::context::parts_of;
use glasswork_agent_core::id::EntryId;
use glasswork_agent_core::tree::Body;
use glasswork_ai::conversation::Block;
use glasswork_session_state::prompt::Event as P;
use glasswork_session_state::state::Session;
use proptest::prelude::*;

use crate::histories::{moves, play};
use crate::world::*;

/// The branch as a model is told of it: the last compaction, what that kept, and what came later.
fn path(session: &Session) -> Vec<EntryId> {
    let mut branch: Vec<_> = session.tree.branch().collect();
    branch.reverse();
    let last = branch.iter().rev().find_map(|(id, entry)| match &entry.body {
        Body::Compaction(compaction) => Some((*id, compaction.first_kept)),
        _ => None,
    });
    let from = last.map_or(0, |(_, first)| {
        branch.iter().position(|(id, _)| *id == first).unwrap()
    });
    let told = branch[from..]
        .iter()
        .filter(|(_, entry)| !matches!(entry.body, Body::Compaction(_)));
    last.map(|(id, _)| id)
        .into_iter()
        .chain(told.map(|(id, _)| *id))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// The harness checks after each accepted event: no invariant is broken, the open effects are those that the
    /// state knows, something is waited for.
    #[test]
    fn nothing_breaks_and_everything_is_waited_for(steps in moves()) {
        let mut world = World::new();
        for step in &steps {
            play(&mut world, step);
        }
        world.compare_with_journal();
    }

    /// After anything, an abandoned session can be prompted again, and the request that it then prepares has a
    /// result for every call.
    #[test]
    fn a_session_goes_on_after_a_crash(steps in moves()) {
        let mut world = World::new();
        for step in &steps {
            play(&mut world, step);
        }
        world.crash();
        if world.session().open_turn().is_some() {
            world.ask(P::Cancelled);
        }
        world.user(opened()).unwrap();
        world.prompt("go on");
        while world.turn().state == glasswork_agent_core::turn::State::Compacting {
            world.answer("notes");
        }
        let (id, _) = world.session().requests.get_max().unwrap();
        let request = world.session().render(*id).unwrap();
        let parts: Vec<_> = parts_of(&world.session().requests, *id);
        let path = path(world.session());
        assert_eq!(parts.iter().map(|part| part.entry).collect::<Vec<_>>(), path);
        let mut open: Vec<Arc<str>> = vec![];
        for message in request.messages {
            match message {
                glasswork_ai::conversation::Message::User(_) => assert!(open.is_empty()),
                glasswork_ai::conversation::Message::Assistant { blocks, .. } => {
                    assert!(open.is_empty());
                    open.extend(blocks.iter().filter_map(|block| match block {
                        Block::ToolCall(call) => Some(Arc::clone(&call.id)),
                        _ => None,
                    }));
                }
                glasswork_ai::conversation::Message::ToolResult(result) => {
                    assert_eq!(open.remove(0), result.call);
                }
                glasswork_ai::conversation::Message::Image(shown) => {
                    panic!("nobody has shown {}", shown.image);
                }
            }
        }
        assert!(open.is_empty());
    }
}

//! Every chart walked: each state against each trigger under each valuation of the conditions.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that meets what it did not expect shall stop there"
)]

use std::collections::{BTreeMap, BTreeSet};

use glasswork_agent_core::mcp_server::McpServerChart;
use glasswork_agent_core::session::SessionChart;
use glasswork_agent_core::tool_call::ToolCallChart;
use glasswork_agent_core::turn::{self, TurnChart};
use glasswork_engine::chart::{Chart, Conditions, Element, Node, When, advance};
use strum::VariantArray;

struct Walk {
    taken: BTreeSet<&'static str>,
    /// From a state by name to the states that one advance reaches.
    reaches: BTreeMap<&'static str, BTreeSet<&'static str>>,
    rejected: usize,
}

fn holds<C: Chart>(when: &[When<C>], conditions: Conditions<C>) -> bool {
    when.iter().all(|literal| match literal {
        When::Is(condition) => conditions.holds(*condition),
        When::Not(condition) => !conditions.holds(*condition),
    })
}

/// The nodes that are asked for a row, innermost first.
fn nodes<C: Chart>(state: C::State) -> Vec<Node<C>> {
    let mut nodes = vec![Node::Leaf(state)];
    let mut group = C::parent(state);
    while let Some(inner) = group {
        nodes.push(Node::Group(inner));
        group = C::outer(inner);
    }
    nodes
}

fn walk<C: Chart>() -> Walk {
    let mut walk = Walk {
        taken: BTreeSet::new(),
        reaches: BTreeMap::new(),
        rejected: 0,
    };
    for state in C::State::VARIANTS {
        let reaches = walk.reaches.entry(state.name()).or_default();
        for trigger in C::Trigger::VARIANTS {
            let read = |condition: C::Condition| {
                let rows = C::rows().iter().filter(|row| row.on == *trigger);
                rows.flat_map(|row| row.when).any(|literal| match literal {
                    When::Is(other) | When::Not(other) => *other == condition,
                })
            };
            let unread: Vec<_> = C::Condition::VARIANTS
                .iter()
                .filter(|condition| !read(**condition))
                .collect();
            for conditions in Conditions::<C>::all() {
                // What no row on this trigger reads makes no difference.
                if unread.iter().any(|condition| conditions.holds(**condition)) {
                    continue;
                }
                // An independent reading of the table: the innermost node with a row that holds.
                let mut expected = None;
                for node in nodes::<C>(*state) {
                    let held: Vec<_> = C::rows()
                        .iter()
                        .filter(|row| row.from == node && row.on == *trigger && holds(row.when, conditions))
                        .collect();
                    let keys: Vec<_> = held.iter().map(|row| row.key).collect();
                    assert!(held.len() <= 1, "{keys:?} hold together under {conditions:?}");
                    expected = expected.or(held.first().map(|row| row.key));
                }
                match advance::<C>(*state, *trigger, conditions) {
                    Ok(advance) => {
                        assert_eq!(Some(advance.row), expected);
                        walk.taken.insert(advance.row);
                        reaches.insert(advance.to.name());
                    }
                    Err(_) => {
                        assert_eq!(expected, None);
                        walk.rejected += 1;
                    }
                }
            }
        }
    }
    walk
}

fn check<C: Chart>() {
    let walk = walk::<C>();
    let keys: Vec<_> = C::rows().iter().map(|row| row.key).collect();
    let unique: BTreeSet<_> = keys.iter().copied().collect();
    assert_eq!(unique.len(), keys.len(), "two rows of {} share a key", C::NAME);
    let idle: Vec<_> = unique.difference(&walk.taken).collect();
    assert!(idle.is_empty(), "rows of {} that never hold: {idle:?}", C::NAME);
    assert!(walk.rejected > 0);

    let mut reached = BTreeSet::from([C::INITIAL.name()]);
    let mut fresh = vec![C::INITIAL.name()];
    while let Some(state) = fresh.pop() {
        for next in &walk.reaches[state] {
            if reached.insert(next) {
                fresh.push(next);
            }
        }
    }
    for state in C::State::VARIANTS {
        let name = state.name();
        assert!(reached.contains(name), "{name} of {} is never reached", C::NAME);
        let leaves = walk.reaches[name].iter().any(|next| *next != name);
        assert!(
            leaves || C::TERMINAL.contains(state),
            "{name} of {} is never left",
            C::NAME
        );
    }
}

#[test]
fn session() {
    check::<SessionChart>();
}

#[test]
fn turn() {
    check::<TurnChart>();
}

#[test]
fn tool_call() {
    check::<ToolCallChart>();
}

#[test]
fn mcp_server() {
    check::<McpServerChart>();
}

/// Whatever state an open turn is in, some trigger of a person or of recovery ends it.
#[test]
fn every_open_turn_can_be_stopped() {
    use turn::{State, Trigger};
    for state in State::VARIANTS.iter().filter(|state| !state.is_terminal()) {
        let stops = |trigger| advance::<TurnChart>(*state, trigger, Conditions::NONE).is_ok();
        // The next step follows at once; and a cancelled turn only waits for its runners.
        let passing = matches!(state, State::Preparing | State::Cancelling);
        assert!(stops(Trigger::Cancel) || passing, "{state:?}");
        assert!(stops(Trigger::Abandon) || *state == State::Paused, "{state:?}");
    }
}

/// What has ended stays as it is.
#[test]
fn an_ended_turn_and_a_settled_call_reject_everything() {
    for state in TurnChart::TERMINAL {
        for trigger in turn::Trigger::VARIANTS {
            assert!(advance::<TurnChart>(*state, *trigger, Conditions::NONE).is_err());
        }
    }
    for state in ToolCallChart::TERMINAL {
        for trigger in glasswork_agent_core::tool_call::Trigger::VARIANTS {
            assert!(advance::<ToolCallChart>(*state, *trigger, Conditions::NONE).is_err());
        }
    }
}

//! What things cost, by counting: facts against the entities that they change, and a decision against the length
//! of the conversation.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use glasswork_ai::conversation::Block;
use glasswork_ai::stream::StopReason;
use glasswork_engine::{Domain, Moment, Origin};
use glasswork_session_state::domain::{Event, Fact, Glasswork};
use glasswork_session_state::state::Scope;
use glasswork_session_state::tools::{self, Word};
use glasswork_session_state::{model, turn};

use crate::world::*;

/// Counts what this thread allocates.
struct Counting;

thread_local! {
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

#[allow(
    unsafe_code,
    reason = "an allocator is unsafe by its trait; it only counts and passes on"
)]
// SAFETY: every call is passed on unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATED.try_with(|bytes| bytes.set(bytes.get() + layout.size()));
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocated(work: impl FnOnce()) -> usize {
    let before = ALLOCATED.with(Cell::get);
    work();
    ALLOCATED.with(Cell::get) - before
}

/// A session with so many entries, whose call is about to be settled so that a request must be prepared.
fn before_a_step(entries: usize) -> (World, Origin, Event) {
    let mut world = World::new();
    world.audits = false;
    while world.session().tree.len() + 2 < entries {
        world.prompt(&"word ".repeat(100));
        world.answer(&"word ".repeat(100));
    }
    let calls = world.running(&[read("/work/a")]);
    let call = calls[0];
    let key = world.call(call).effect.unwrap();
    let settled = tools::Event::ToolSettled {
        call,
        word: Word::Succeeded,
        outcome: outcome("text"),
    };
    (world, Origin::Effect(key), Event::Tools(settled))
}

#[test]
fn deciding_the_next_request_costs_what_is_new() {
    let cost = |entries: usize| {
        let (world, origin, event) = before_a_step(entries);
        assert!(world.session().tree.len() >= entries);
        let decision = world.decide(&origin, &event).unwrap();
        let plan = decision.facts.iter().find_map(|fact| match fact {
            Fact::Turn(turn::Fact::Prepared { plan, .. }) => Some(plan.clone()),
            _ => None,
        });
        let plan = plan.unwrap();
        assert_eq!(plan.new.len(), 2, "the answer and its result");
        assert_eq!(plan.kept as usize, world.session().tree.len() - 1);
        let mut candidate = world.state.clone();
        let moment = Moment {
            seq: world.seq + 1,
            at: world.now,
        };
        let decided = allocated(|| drop(world.decide(&origin, &event)));
        let applied = allocated(|| {
            for fact in &decision.facts {
                Glasswork::evolve(&mut candidate, fact, moment);
            }
            Glasswork::check(&candidate, &decision.facts).unwrap();
        });
        (decided, applied)
    };
    let (small, large) = (cost(20), cost(2_000));
    assert!(
        large.0 <= small.0 * 2,
        "deciding allocates {} at 2,000 entries, {} at 20",
        large.0,
        small.0
    );
    assert!(
        large.1 <= small.1 * 2,
        "applying allocates {} at 2,000 entries, {} at 20",
        large.1,
        small.1
    );
}

fn bytes(value: &impl serde::Serialize) -> usize {
    serde_json::to_vec(value).unwrap().len()
}

#[test]
fn a_fact_is_smaller_than_what_it_changes() {
    let (mut world, origin, event) = before_a_step(20);
    world.send(&origin, event).unwrap();
    world.answer("so");
    let session = world.session();
    let call = session.calls.values().next().unwrap();
    let entry = session.tree.entries().next_back().unwrap().1;
    for (_, facts, _) in &world.commits {
        for fact in facts {
            let entity = match fact {
                Fact::Tools(_) => bytes(&**call),
                Fact::Turn(turn::Fact::Prepared { .. }) => bytes(session.requests.values().next().unwrap()),
                Fact::Turn(_) => bytes(&**session.turn.as_ref().unwrap()),
                Fact::Model(model::Fact::AnswerKept { .. }) => bytes(&**entry),
                _ => continue,
            };
            assert!(
                bytes(fact) < entity,
                "{fact:?} has {} bytes of {entity}",
                bytes(fact)
            );
        }
    }
}

/// 1 MB of text in 33,000 commits: what the last state holds more than the first.
#[test]
fn a_long_answer_costs_little_more_than_its_text() {
    let mut world = World::new();
    world.audits = false;
    world.prompt("go");
    world.connect();
    world.stream(vec![began(0)]);
    let request = world.request();
    let piece: Arc<str> = "x".repeat(31).into();
    let mut moment = Moment {
        seq: world.seq,
        at: world.now,
    };
    let event = Event::Model(model::Event::Streamed {
        body: None,
        limits: vec![],
        steps: vec![delta(0, &piece)],
    });
    assert!(Glasswork::is_delta(&event));
    let decision = world.decide(&Origin::Effect(request), &event).unwrap();
    assert_eq!(decision.facts.len(), 1);
    for _ in 0..33_000 {
        moment.seq += 1;
        for fact in &decision.facts {
            Glasswork::evolve(&mut world.state, fact, moment);
        }
    }
    let answer = &world.session().attempt().unwrap().answer;
    let Some(glasswork_agent_core::answer::Slot::Growing { text, .. }) = answer.blocks.get(&0) else {
        panic!("no growing block");
    };
    assert_eq!(text.len(), 33_000 * 31);
    assert!(text.chunks().count() * 32 + text.len() < 2_000_000);
}

#[test]
fn a_piece_is_one_small_fact() {
    let mut world = World::new();
    world.prompt("go");
    world.connect();
    world.stream(vec![began(0), delta(0, "a"), delta(0, "b"), delta(0, "c")]);
    let (_, facts, _) = world.commits.last().unwrap();
    let text = serde_json::to_string(facts).unwrap();
    let waits = r#"{"model":{"waits":{"for":"stream","after_ms":120000}}}"#;
    assert_eq!(
        text,
        format!(r#"[{waits},{{"model":{{"block_began":[0,"text"]}}}},{{"model":{{"grew":[0,"abc"]}}}}]"#)
    );
    world.finish(
        vec![finished(0, Block::Text("abc".into()))],
        StopReason::EndOfTurn,
    );
    assert!(matches!(world.state, Scope::Session(_)));
}

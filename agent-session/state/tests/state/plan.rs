//! What comes of calls that write the agent's plan.

use std::sync::Arc;

use glasswork_agent_core::id::{CallId, StepId};
use glasswork_agent_core::plan::{Draft, Plan, STEPS_CAP, Status, Step, TEXT_BYTES, Written};
use glasswork_agent_core::tool_call::State;
use glasswork_engine::{Origin, Timestamp};
use glasswork_session_state::domain::Event;
use glasswork_session_state::evidence::Evidence;
use glasswork_session_state::plan;
use glasswork_session_state::rejection::Rejection;

use crate::world::*;

fn draft(steps: &[(&str, Status)]) -> Draft {
    let steps = steps.iter().map(|(text, status)| Written {
        step: (*text).into(),
        status: *status,
        priority: None,
    });
    Draft {
        explanation: None,
        plan: steps.collect(),
    }
}

/// A call that writes this plan, from its proposal to its end; gives what the model is told.
fn write(world: &mut World, plan: &Draft) -> (State, String) {
    let call = world.running(&[Evidence::Plan])[0];
    say(world, call, plan).unwrap();
    let ended = world.call(call);
    let told = ended.outcome.as_ref().unwrap().text.to_string();
    let state = ended.state;
    world.answer("Done.");
    (state, told)
}

fn say(world: &mut World, call: CallId, plan: &Draft) -> Result<(), Rejection> {
    let key = world.call(call).effect.expect("an effect");
    let plan = plan.clone();
    let event = Event::Plan(plan::Event::Written { call, plan });
    world.send(&Origin::Effect(key), event).map(drop)
}

fn the_plan(world: &World) -> Option<&Plan> {
    world.session().plan.as_deref()
}

#[test]
fn a_step_stays_the_same_as_long_as_its_text_does() {
    use Status::{Completed, InProgress, Pending};
    let mut world = World::new();
    let (state, told) = write(
        &mut world,
        &draft(&[(" look ", InProgress), ("build", Pending), ("test", Pending)]),
    );
    assert_eq!(
        (state, &*told),
        (State::Succeeded, "The plan was updated: 0 of 3 steps are done.")
    );
    let first = the_plan(&world).unwrap().clone();
    let seq = first.steps[0].id.seq;
    let texts: Vec<_> = first.steps.iter().map(|step| &*step.text).collect();
    assert_eq!(texts, ["look", "build", "test"]);
    assert!(first.steps.iter().all(|step| step.since == first.at));

    let (_, told) = write(
        &mut world,
        &draft(&[("look", Completed), ("measure", InProgress), ("test", Pending)]),
    );
    assert_eq!(told, "The plan was updated: 1 of 3 steps are done.");
    let now = the_plan(&world).unwrap();
    assert!(now.at > first.at && now.call != first.call);
    let step = |seq: u64, ordinal: u16, text: &str, status: Status, since: Timestamp| Step {
        id: StepId { seq, ordinal },
        text: text.into(),
        status,
        priority: None,
        since,
    };
    let new = now.steps[1].id.seq;
    assert!(new > seq);
    assert_eq!(
        now.steps,
        [
            step(seq, 0, "look", Completed, now.at),
            step(new, 1, "measure", InProgress, now.at),
            // It stands where it stood.
            step(seq, 2, "test", Pending, first.at),
        ]
    );

    let (_, told) = write(&mut world, &draft(&[]));
    assert_eq!((the_plan(&world), &*told), (None, "There is no plan any more."));
}

#[test]
fn what_is_no_plan_changes_nothing_and_the_model_is_told_why() {
    use Status::{InProgress, Pending};
    let mut world = World::new();
    write(&mut world, &draft(&[("look", InProgress)]));
    let kept = world.session().plan.clone();
    let long = "x".repeat(TEXT_BYTES + 1);
    let most: Vec<_> = (0..=STEPS_CAP).map(|place| format!("step {place}")).collect();
    let most: Vec<_> = most.iter().map(|text| (&**text, Pending)).collect();
    let cases = [
        (draft(&most), "65 steps are too many"),
        (draft(&[("look", Pending), (" ", Pending)]), "step 2 has no text"),
        (draft(&[(&long, Pending)]), "the text of step 1 is too long"),
        (
            draft(&[("a", InProgress), ("b", Pending), ("c", InProgress)]),
            "steps 1 and 3 are both in progress",
        ),
        (
            Draft {
                explanation: Some("x".repeat(2049).into()),
                ..draft(&[])
            },
            "the explanation is too long",
        ),
    ];
    for (plan, why) in cases {
        let (state, told) = write(&mut world, &plan);
        assert_eq!(state, State::Failed, "{why}");
        assert!(
            told.starts_with("The plan stays as it was: ") && told.contains(why),
            "{told}"
        );
        assert!(Arc::ptr_eq(
            world.session().plan.as_ref().unwrap(),
            kept.as_ref().unwrap()
        ));
    }
    // The caps themselves are allowed.
    let (state, _) = write(&mut world, &draft(&most[1..]));
    assert_eq!(
        (state, the_plan(&world).unwrap().steps.len()),
        (State::Succeeded, STEPS_CAP)
    );
}

#[test]
fn only_the_call_that_runs_writes_the_plan() {
    let mut world = World::new();
    let calls = world.running(&[Evidence::Plan, bash()]);
    let plan = draft(&[("look", Status::Pending)]);
    let (own, other) = (
        world.call(calls[0]).effect.unwrap(),
        world.call(calls[1]).effect.unwrap(),
    );
    let written = Event::Plan(plan::Event::Written {
        call: calls[0],
        plan: plan.clone(),
    });
    let refused = world.send(&Origin::Effect(other), written.clone());
    assert_eq!(refused, Err(Rejection::NotYours(other)));
    say(&mut world, calls[0], &plan).unwrap();
    let before = world.session().plan.clone();
    // A second word about it comes too late.
    assert!(world.send(&Origin::Effect(own), written).is_err());
    assert_eq!(world.session().plan, before);
}

#[test]
fn a_plan_is_of_the_session_and_outlives_a_crash_and_moves_in_the_tree() {
    let mut world = World::new();
    write(&mut world, &draft(&[("look", Status::InProgress)]));
    let plan = world.session().plan.clone();
    assert!(plan.is_some());
    world.prompt("go on");
    world.crash();
    world
        .tree(glasswork_session_state::tree::Event::LeafMoved { to: None, key: None })
        .unwrap();
    assert_eq!(world.session().plan, plan);
}

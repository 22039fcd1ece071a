//! Plans: whatever a model writes, what is taken is sound, and a step that stays keeps its name.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test that meets what it did not expect shall stop there"
)]

use std::collections::{BTreeMap, BTreeSet};

use glasswork_agent_core::id::CallId;
use glasswork_agent_core::plan::{Draft, Plan, Priority, STEPS_CAP, Status, TEXT_BYTES, Unfit, Written};
use glasswork_engine::{Moment, Timestamp};
use proptest::prelude::*;
use strum::VariantArray;

fn drafts() -> impl Strategy<Value = Draft> {
    let priorities = prop::option::of(prop::sample::select(Priority::VARIANTS.to_vec()));
    let texts = prop_oneof![
        8 => "[a-e]",
        1 => " [a-c] ",
        1 => Just(String::new()),
        1 => Just("x".repeat(TEXT_BYTES + 1)),
    ];
    let statuses = prop::sample::select(Status::VARIANTS.to_vec());
    let step = (texts, statuses, priorities).prop_map(|(text, status, priority)| Written {
        step: text.into(),
        status,
        priority,
    });
    let lengths = prop_oneof![20 => 0..8_usize, 1 => STEPS_CAP - 1..STEPS_CAP + 3];
    lengths
        .prop_flat_map(move |length| prop::collection::vec(step.clone(), length))
        .prop_map(|plan| Draft {
            explanation: None,
            plan,
        })
}

fn moment(seq: u64) -> Moment {
    Moment {
        seq,
        at: Timestamp(i64::try_from(seq).unwrap() * 1000),
    }
}

/// How often each text stands in a plan.
fn counted<'a>(texts: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for text in texts {
        *counts.entry(text).or_default() += 1;
    }
    counts
}

proptest! {
    #[test]
    fn what_is_taken_is_sound_and_steps_that_stay_keep_name_and_time(drafts in prop::collection::vec(drafts(), 1..6)) {
        let mut before: Option<Plan> = None;
        for (seq, draft) in (1..).zip(&drafts) {
            let at_it = draft.plan.iter().filter(|step| step.status == Status::InProgress).count();
            let fits = draft.plan.len() <= STEPS_CAP
                && at_it <= 1
                && draft.plan.iter().all(|step| (1..=TEXT_BYTES).contains(&step.step.trim().len()));
            let checked = draft.checked();
            prop_assert_eq!(checked.is_ok(), fits);
            let Ok(checked) = checked else { continue };
            let named = checked.named(before.as_ref(), seq);
            let call = CallId { seq, ordinal: 0 };
            let plan = Plan::written(before.as_ref(), call, None, &named, moment(seq));
            prop_assert_eq!(plan.is_none(), draft.plan.is_empty());
            let Some(plan) = plan else {
                before = None;
                continue;
            };
            prop_assert_eq!(plan.unsound(), None);
            let told: Vec<_> = plan.steps.iter().map(|step| (&*step.text, step.status, step.priority)).collect();
            let wanted: Vec<_> = draft.plan.iter().map(|step| (step.step.trim(), step.status, step.priority)).collect();
            prop_assert_eq!(told, wanted);
            let known: BTreeMap<_, _> = before.iter().flat_map(|plan| &plan.steps).map(|step| (step.id, step)).collect();
            let (mut kept, mut seen) = (0, BTreeSet::new());
            for step in &plan.steps {
                prop_assert!(seen.insert(step.id));
                match known.get(&step.id) {
                    Some(same) => {
                        kept += 1;
                        prop_assert_eq!(&same.text, &step.text);
                        let since = if same.status == step.status { same.since } else { moment(seq).at };
                        prop_assert_eq!(step.since, since);
                    }
                    None => {
                        prop_assert_eq!(step.id.seq, seq);
                        prop_assert_eq!(step.since, moment(seq).at);
                    }
                }
            }
            // As many keep their names as can.
            let old = counted(before.iter().flat_map(|plan| &plan.steps).map(|step| &*step.text));
            let new = counted(plan.steps.iter().map(|step| &*step.text));
            let both: usize = new.iter().map(|(text, count)| (*count).min(old.get(text).copied().unwrap_or(0))).sum();
            prop_assert_eq!(kept, both);
            before = Some(plan);
        }
    }
}

#[test]
fn a_plan_says_where_the_agent_is_and_reads_as_lines() {
    let draft: Draft = serde_json::from_str(
        r#"{"plan": [{"step": "look", "status": "completed"}, {"step": "build", "status": "in_progress", "priority": "high"},
            {"step": "tidy", "status": "pending", "priority": "low"}]}"#,
    )
    .unwrap();
    let call = CallId { seq: 1, ordinal: 0 };
    let plan = Plan::written(None, call, None, &draft.named(None, 2), moment(2)).unwrap();
    assert_eq!(
        (
            plan.current().unwrap().id.to_string(),
            plan.completed(),
            plan.is_done()
        ),
        ("2.1".to_owned(), 1, false)
    );
    insta::assert_snapshot!(plan, @r"
    [x] look
    [>] build (high priority)
    [ ] tidy (low priority)
    ");
    for wrong in [
        r#"{"plan": [{"step": "look", "status": "done"}]}"#,
        r#"{"plan": [{"step": "look"}]}"#,
        r#"{"plan": [], "steps": []}"#,
        r#"{}"#,
    ] {
        assert!(serde_json::from_str::<Draft>(wrong).is_err(), "{wrong}");
    }
}

fn steps(texts: impl IntoIterator<Item = String>) -> Draft {
    let written = |text: String| Written {
        step: text.into(),
        status: Status::Pending,
        priority: None,
    };
    Draft {
        explanation: None,
        plan: texts.into_iter().map(written).collect(),
    }
}

#[test]
fn a_plan_has_as_many_steps_as_fit_and_no_more() {
    let of = |length: usize| steps((0..length).map(|number| number.to_string())).checked();
    assert_eq!(of(STEPS_CAP).unwrap().plan.len(), STEPS_CAP);
    let steps = STEPS_CAP + 1;
    assert_eq!(of(steps), Err(Unfit::TooManySteps { steps }));
    let long = |bytes: usize| self::steps(["x".repeat(bytes)]).checked();
    assert!(long(TEXT_BYTES).is_ok());
    assert_eq!(long(TEXT_BYTES + 1), Err(Unfit::LongStep { step: 1 }));
}

#[test]
fn of_steps_that_say_the_same_the_first_keeps_the_name_of_the_first() {
    let call = CallId { seq: 1, ordinal: 0 };
    let twice = steps(["test", "build", "test"].map(str::to_owned));
    let before = Plan::written(None, call, None, &twice.named(None, 2), moment(2)).unwrap();
    let thrice = steps(["test", "test", "test"].map(str::to_owned));
    let names = |draft: &Draft| -> Vec<String> {
        let named = draft.named(Some(&before), 3);
        named.iter().map(|step| step.id.to_string()).collect()
    };
    assert_eq!(names(&thrice), ["2.0", "2.2", "3.2"]);
    assert_eq!(names(&steps(["test".to_owned()])), ["2.0"]);
}

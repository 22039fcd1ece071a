//! What is left when a conversation goes on elsewhere, and what whoever summarises it is asked.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that meets what it did not expect shall stop there"
)]

use std::sync::Arc;

use glasswork_agent_core::branch_summary::{BranchSummary, fork_of, left, message, question};
use glasswork_agent_core::compaction::{Carried, Compaction, Paths, Why};
use glasswork_agent_core::context::{Context, Part};
use glasswork_agent_core::id::{EntryId, RequestId};
use glasswork_agent_core::tree::{Body, Tree, Via};
use glasswork_engine::Timestamp;
use proptest::prelude::*;

/// A conversation of prompts that say their numbers, and of what stands for some of them.
#[derive(Default)]
struct Talk {
    tree: Tree,
    context: Context,
    seq: u64,
}

fn id(seq: u64) -> EntryId {
    EntryId { seq, ordinal: 0 }
}

impl Talk {
    fn add(&mut self, body: Body) -> u64 {
        self.seq += 1;
        self.tree.append(id(self.seq), Timestamp(0), body);
        self.context.follow(&self.tree, Some(id(self.seq)));
        self.seq
    }

    fn say(&mut self) -> u64 {
        let text = format!("word {}", self.seq + 1).into();
        self.add(Body::Prompt {
            text,
            via: Via::Prompt,
            images: vec![],
        })
    }

    fn go(&mut self, to: Option<u64>) {
        self.tree.move_to(to.map(id));
        self.context.follow(&self.tree, to.map(id));
    }

    fn compact(&mut self, first_kept: u64) -> u64 {
        self.add(Body::Compaction(Arc::new(Compaction {
            why: Why::Threshold,
            summary: "what was said".into(),
            model: "a/b".parse().unwrap(),
            request: RequestId(1),
            first_kept: id(first_kept),
            tokens_before: 0,
            tokens_after: 0,
            carried: Carried::default(),
        })))
    }

    /// What is left for another entry, and how much of it is not told.
    fn left(&self, to: Option<u64>) -> (Vec<u64>, u64) {
        let left = left(&self.tree, self.context.parts(), to.map(id));
        (left.parts.iter().map(|part| part.entry.seq).collect(), left.more)
    }

    fn parts(&self) -> Vec<Part> {
        self.context.parts().iter().copied().collect()
    }
}

/// 1 ─ 2 ─ 3 ─ 4
///      └─ 5 ─ 6   (the leaf)
fn forked() -> Talk {
    let mut talk = Talk::default();
    for _ in 0..4 {
        talk.say();
    }
    talk.go(Some(2));
    talk.say();
    talk.say();
    talk
}

#[test]
fn what_two_branches_do_not_share_is_left() {
    let talk = forked();
    for (to, expected) in [
        (Some(4), vec![5, 6]),
        (Some(3), vec![5, 6]),
        (Some(2), vec![5, 6]),
        (Some(1), vec![2, 5, 6]),
        (None, vec![1, 2, 5, 6]),
        (Some(5), vec![6]),
        // Nothing is left where it goes on below itself.
        (Some(6), vec![]),
    ] {
        assert_eq!(talk.left(to), (expected, 0), "to {to:?}");
    }
    let mut above = forked();
    above.go(Some(2));
    assert_eq!(above.left(Some(4)), (vec![], 0), "further down the same branch");
    above.go(None);
    assert_eq!(above.left(Some(4)), (vec![], 0), "from before everything");
    let fork = |one: Option<u64>, other: Option<u64>| fork_of(&talk.tree, one.map(id), other.map(id));
    assert_eq!(fork(Some(4), Some(6)), Some(id(2)));
    assert_eq!(fork(Some(1), Some(6)), Some(id(1)));
    assert_eq!(fork(None, Some(6)), None);
}

/// A compaction tells of what is left only where that is before what it kept.
#[test]
fn of_a_compacted_branch_the_model_is_told_what_it_was_sent_of_it() {
    let mut talk = Talk::default();
    for _ in 0..4 {
        talk.say();
    }
    let compaction = talk.compact(3);
    assert_eq!(compaction, 5);
    talk.say();
    for (to, expected) in [
        (None, vec![5, 3, 4, 6]),
        (Some(1), vec![5, 3, 4, 6]),
        (Some(2), vec![5, 3, 4, 6]),
        // What the compaction stands for is on this branch too, whole.
        (Some(3), vec![4, 6]),
        (Some(4), vec![6]),
        (Some(5), vec![6]),
    ] {
        assert_eq!(talk.left(to), (expected, 0), "to {to:?}");
    }
    talk.go(Some(5));
    assert_eq!(talk.left(Some(4)), (vec![], 0), "a compaction that is undone");
}

#[test]
fn of_a_long_branch_the_newest_messages_are_told_and_the_others_counted() {
    let mut talk = Talk::default();
    for _ in 0..1_010 {
        talk.say();
    }
    let (parts, more) = talk.left(Some(2));
    assert_eq!(
        (parts.first(), parts.last(), parts.len(), more),
        (Some(&11), Some(&1_010), 1_000, 8)
    );
    let left = left(&talk.tree, talk.context.parts(), Some(id(2)));
    let asked = question(&talk.tree, &left.parts, left.more, None, None);
    let told = "<transcript>\n[The first 8 messages are left out: they do not fit.]\n\n[user]\nword 11\n";
    assert!(asked.starts_with(told), "{}", &asked[..200]);
}

#[test]
fn the_question_has_the_branch_the_sections_and_the_focus() {
    let mut talk = Talk::default();
    talk.say();
    talk.say();
    let asked = question(&talk.tree, &talk.parts(), 0, Some("the roof"), None);
    insta::assert_snapshot!(asked, @r#"
    <transcript>
    [user]
    word 1

    [user]
    word 2

    </transcript>

    Write the notes. Use exactly these sections; write "none" where there is nothing.

    ## Goal
    What was wanted of this attempt.
    ## Done
    ## Learnt
    Findings, decisions with their reasons, and what did not work and why.
    ## Left open

    The user asks that the notes miss nothing about this:
    the roof
    "#);
}

#[test]
fn what_does_not_fit_is_counted_and_the_newest_is_told_all_the_same() {
    let mut talk = Talk::default();
    for _ in 0..3 {
        talk.add(Body::Prompt {
            text: "abc ".repeat(1_000).into(),
            via: Via::Prompt,
            images: vec![],
        });
    }
    // What there is room for in tokens, and how many of the three messages do not fit into it.
    for (budget, left_out) in [
        (10_000, 0),
        (4_500, 0),
        (3_500, 1),
        (2_500, 2),
        (1_000, 2),
        (0, 2),
    ] {
        let asked = question(&talk.tree, &talk.parts(), 0, None, Some(budget));
        let told = asked.matches("[user]").count();
        assert_eq!(told, 3 - left_out, "{budget}");
        let line = format!("[The first {left_out} messages are left out: they do not fit.]");
        assert_eq!(asked.contains(&line), left_out > 0, "{budget}");
    }
}

#[test]
fn the_model_is_told_what_was_learnt_and_which_files_are_not_as_they_were() {
    let branch = BranchSummary {
        from: Some(id(6)),
        summary: "## Learnt\nTin leaks.\n\n".into(),
        model: "a/b".parse().unwrap(),
        request: RequestId(3),
        changed: Paths {
            paths: vec!["/work/roof".into()],
            more: 2,
        },
        read: Paths::default(),
    };
    insta::assert_snapshot!(message(&branch), @r"
    [The conversation went on otherwise from here, and came back. This message tells of that attempt; nothing else of it is shown. Changes that it made to files were not undone.]

    # Notes on that attempt
    ## Learnt
    Tin leaks.

    # Files that were changed so far
    - /work/roof
    - and 2 more
    ");
}

/// A step in a tree: something is said, the conversation goes on at the n-th entry, or what is old gives way.
#[derive(Debug, Clone)]
enum Step {
    Say,
    Go(usize),
    Compact(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let one = prop_oneof![
        6 => Just(Step::Say),
        3 => (0usize..40).prop_map(Step::Go),
        1 => (0usize..8).prop_map(Step::Compact),
    ];
    proptest::collection::vec(one, 1..60)
}

proptest! {
    /// What a model is sent afterwards and what is left make up what it was sent before: nothing is in both, nothing in
    /// neither, but for a compaction whose originals it is sent instead.
    #[test]
    fn nothing_is_lost_and_nothing_told_twice(steps in steps(), to in 0usize..40) {
        let mut talk = Talk::default();
        for step in steps {
            match step {
                Step::Say => { talk.say(); }
                Step::Go(to) => {
                    let to = u64::try_from(to).unwrap().min(talk.seq);
                    talk.go((to > 0).then_some(to));
                }
                Step::Compact(back) => {
                    let kept = talk.parts().iter().rev().nth(back).map(|part| part.entry.seq);
                    let compacted = talk.tree.branch().any(|(_, entry)| matches!(entry.body, Body::Compaction(_)));
                    if let Some(kept) = kept.filter(|_| !compacted) {
                        talk.compact(kept);
                    }
                }
            }
        }
        let to = u64::try_from(to).unwrap().min(talk.seq);
        let to = (to > 0).then_some(to);
        let before: Vec<u64> = talk.parts().iter().map(|part| part.entry.seq).collect();
        let (left, _) = talk.left(to);
        talk.go(to);
        let after: Vec<u64> = talk.parts().iter().map(|part| part.entry.seq).collect();
        let path: Vec<u64> = talk.tree.branch().map(|(id, _)| id.seq).collect();
        for seq in before {
            let stays = path.contains(&seq);
            prop_assert_eq!(left.contains(&seq), !stays && tells_more(&talk, seq, &path), "{}", seq);
            prop_assert!(!(left.contains(&seq) && after.contains(&seq)));
        }
    }
}

/// Whether an entry tells of more than this path does: of a compaction, whether it stands for something that is not on it.
fn tells_more(talk: &Talk, entry: u64, path: &[u64]) -> bool {
    let Body::Compaction(body) = &talk.tree.get(id(entry)).unwrap().body else {
        return true;
    };
    !path.contains(&body.first_kept.seq)
}

//! Where conversations are cut, what is carried over, and what whoever summarises is asked.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that meets what it did not expect shall stop there"
)]

use std::sync::Arc;

use glasswork_agent_core::branch_summary::BranchSummary;
use glasswork_agent_core::compaction::{
    Carried, Compaction, Cut, Footprint, KEEP, Paths, RESERVE, Room, Why, carried_tokens, carry, cut,
    message, question,
};
use glasswork_agent_core::context::{Context, Part};
use glasswork_agent_core::id::{CallId, EntryId, RequestId};
use glasswork_agent_core::tree::{Assistant, Body, Tree, Via};
use glasswork_ai::conversation::{Block, ToolCall, ToolResult};
use glasswork_engine::Timestamp;
use proptest::prelude::*;

/// One thing that is said, of so many tokens.
#[derive(Debug, Clone)]
enum Said {
    Prompt(usize),
    Steering(usize),
    Answer(usize),
    /// An answer with calls, and their results.
    Calls(Vec<usize>),
    /// A branch was left, and this tells of it.
    Attempt(usize),
    /// What is old gives way to a summary of so many tokens, where it can.
    Compact(usize),
    /// An entry is pinned, counted from the end.
    Pin(usize),
}

fn said() -> impl Strategy<Value = Said> {
    let size = prop_oneof![4 => 0usize..60, 2 => 60usize..400, 1 => 400usize..3000];
    prop_oneof![
        3 => size.clone().prop_map(Said::Prompt),
        1 => (0usize..40).prop_map(Said::Steering),
        3 => size.clone().prop_map(Said::Answer),
        6 => proptest::collection::vec(size, 1..5).prop_map(Said::Calls),
        1 => (1usize..400).prop_map(Said::Attempt),
        2 => (1usize..200).prop_map(Said::Compact),
        1 => (0usize..20).prop_map(Said::Pin),
    ]
}

struct Talk {
    tree: Tree,
    context: Context,
    seq: u64,
    keep: u64,
}

impl Talk {
    fn new(keep: u64) -> Self {
        Self {
            tree: Tree::default(),
            context: Context::default(),
            seq: 0,
            keep,
        }
    }

    fn add(&mut self, body: Body) -> EntryId {
        self.seq += 1;
        let id = EntryId {
            seq: self.seq,
            ordinal: 0,
        };
        self.tree.append(id, Timestamp(0), body);
        self.context.follow(&self.tree, Some(id));
        id
    }

    fn text(tokens: usize) -> Arc<str> {
        "abc ".repeat(tokens).into()
    }

    fn say(&mut self, said: &Said) {
        match said {
            Said::Prompt(tokens) => {
                self.add(Body::Prompt {
                    text: Self::text(*tokens),
                    via: Via::Prompt,
                    images: vec![],
                });
            }
            Said::Steering(tokens) => {
                self.add(Body::Prompt {
                    text: Self::text(*tokens),
                    via: Via::Steering,
                    images: vec![],
                });
            }
            Said::Answer(tokens) => {
                self.add(answered(vec![Block::Text(Self::text(*tokens))]));
            }
            Said::Calls(results) => {
                let calls = (0..results.len()).map(|number| {
                    Block::ToolCall(ToolCall {
                        id: format!("call-{number}").into(),
                        name: "read".into(),
                        arguments: "{}".into(),
                        reading: None,
                    })
                });
                let entry = self.add(answered(calls.collect()));
                for (tokens, number) in results.iter().zip(0u16..) {
                    self.add(Body::ToolResult {
                        images: vec![],
                        call: CallId {
                            seq: entry.seq,
                            ordinal: number,
                        },
                        result: ToolResult {
                            call: format!("call-{number}").into(),
                            name: "read".into(),
                            text: Self::text(*tokens),
                            is_error: false,
                        },
                    });
                }
            }
            Said::Attempt(tokens) => {
                self.add(Body::BranchSummary(Arc::new(BranchSummary {
                    from: None,
                    summary: Self::text(*tokens),
                    model: "scripted/test".parse().unwrap(),
                    request: RequestId(1),
                    changed: Paths::default(),
                    read: Paths::default(),
                })));
            }
            Said::Compact(tokens) => self.compact(*tokens),
            Said::Pin(back) => {
                let entry = self
                    .context
                    .parts()
                    .iter()
                    .rev()
                    .nth(*back)
                    .map(|part| part.entry);
                if let Some(entry) = entry {
                    self.tree.pin(entry, true);
                }
            }
        }
    }

    fn cut(&self) -> Option<Cut> {
        cut(
            &self.tree,
            self.context.parts(),
            self.context.message_tokens(),
            self.keep,
        )
    }

    /// As the session does it; the summary is taken only where it saves something.
    fn compact(&mut self, tokens: usize) {
        let Some(cut) = self.cut() else { return };
        let before: Vec<Part> = self.context.parts().iter().copied().collect();
        let size = self.context.message_tokens();
        check_cut(self, &cut);
        let footprint = Footprint::default();
        let carried = carry(&self.tree, self.context.parts(), &cut, &footprint, None);
        let first = carried.first_prompt.as_ref().map(|quoted| quoted.entry);
        let gone = size - cut.kept_tokens;
        if carried_tokens(&carried) >= gone {
            return;
        }
        let compaction = Compaction {
            why: Why::Threshold,
            summary: Self::text(tokens),
            model: "scripted/test".parse().unwrap(),
            request: RequestId(1),
            first_kept: cut.first_kept,
            tokens_before: size,
            tokens_after: 0,
            carried,
        };
        let body = Body::Compaction(Arc::new(compaction));
        if body.chars().div_ceil(4) >= gone {
            return;
        }
        let leaf = self.tree.leaf();
        let entry = self.add(body);
        assert!(self.context.message_tokens() < size, "it has become shorter");
        let now: Vec<Part> = self.context.parts().iter().copied().collect();
        assert_eq!(now[0].entry, entry);
        assert_eq!(
            now[1..],
            before[usize::try_from(cut.parts).unwrap()..],
            "what was kept is unchanged"
        );
        let mut gone = self.tree.entries().take_while(|(id, _)| *id < cut.first_kept);
        let oldest = gone.find(|(_, entry)| matches!(entry.body, Body::Prompt { .. }));
        assert_eq!(
            first,
            oldest.map(|(id, _)| id),
            "the first prompt is carried, and stays the first"
        );
        // On either side of it the context is what it is from nothing.
        for to in [leaf, Some(entry)] {
            self.context.follow(&self.tree, to);
            let mut afresh = Context::default();
            afresh.follow(&self.tree, to);
            assert_eq!(self.context.parts(), afresh.parts());
            assert_eq!(self.context.message_tokens(), afresh.message_tokens());
        }
    }
}

/// No pair is split, something stays, something new gives way.
fn check_cut(talk: &Talk, cut: &Cut) {
    let parts: Vec<Part> = talk.context.parts().iter().copied().collect();
    let place = usize::try_from(cut.parts).unwrap();
    assert!(place < parts.len(), "something stays");
    assert_eq!(parts[place].entry, cut.first_kept);
    let body = |part: &Part| &talk.tree.get(part.entry).unwrap().body;
    assert!(
        !matches!(body(&parts[place]), Body::ToolResult { .. }),
        "a result is kept without its call"
    );
    let compacted = usize::from(matches!(body(&parts[0]), Body::Compaction(_)));
    assert!(place > compacted, "nothing new gives way");
    let kept: u64 = parts[place..].iter().map(|part| part.tokens).sum();
    assert_eq!(kept, cut.kept_tokens);
    let begins = matches!(body(&parts[place]), Body::Prompt { via: Via::Prompt, .. });
    assert_eq!(begins, !cut.inside_turn);
}

fn answered(blocks: Vec<Block>) -> Body {
    Body::Assistant(Assistant {
        blocks,
        model: "scripted/test".parse().unwrap(),
        request: Some(RequestId(1)),
        usage: None,
        stop: None,
        cancelled: false,
    })
}

proptest! {
    #[test]
    fn whatever_is_said_a_cut_splits_nothing_and_shortens(said in proptest::collection::vec(said(), 0..60), keep in 1u64..2000) {
        let mut talk = Talk::new(keep);
        for said in &said {
            talk.say(said);
        }
        match talk.cut() {
            Some(cut) => check_cut(&talk, &cut),
            // It says that it cannot only where there is no place: all that could stay are results of the first call.
            None => {
                let parts: Vec<_> = talk.context.parts().iter().collect();
                let first = usize::from(parts.first().is_some_and(|part| matches!(talk.tree.get(part.entry).unwrap().body, Body::Compaction(_))));
                let places = parts.iter().skip(first + 1).filter(|part| !matches!(talk.tree.get(part.entry).unwrap().body, Body::ToolResult { .. }));
                prop_assert_eq!(places.count(), 0);
            }
        }
    }

    #[test]
    fn whoever_summarises_is_told_no_more_than_fits(said in proptest::collection::vec(said(), 1..40), budget in 2_000u64..6_000) {
        let mut talk = Talk::new(100);
        for said in &said {
            talk.say(said);
        }
        let parts: Vec<Part> = talk.context.parts().iter().copied().collect();
        let asked = question(&talk.tree, &parts, true, None, Some(budget));
        let longest = parts.iter().map(|part| part.tokens).max().unwrap_or(0).max(2_000);
        prop_assert!(asked.len() as u64 / 4 <= budget + longest + 500, "{}", asked.len());
    }
}

/// Where a conversation of these is cut.
fn check(said: &[Said], keep: u64, expected: Option<(u64, bool)>) {
    let mut talk = Talk::new(keep);
    for said in said {
        talk.say(said);
    }
    let found = talk.cut();
    assert_eq!(
        found.map(|cut| (cut.parts, cut.inside_turn)),
        expected,
        "{said:?}"
    );
    if let Some(cut) = found {
        check_cut(&talk, &cut);
    }
}

#[test]
fn cuts_are_made_at_turns_else_inside_them() {
    use Said::{Answer, Calls, Prompt, Steering};
    let turns = [
        Prompt(50),
        Answer(50),
        Prompt(50),
        Answer(50),
        Prompt(50),
        Answer(50),
    ];
    check(&[], 100, None);
    check(&[Prompt(500)], 100, None);
    // The results of the only call cannot stay without it.
    check(&[Calls(vec![10, 10])], 5, None);
    check(&turns, 100, Some((4, false)));
    // Never more than half stays.
    check(&turns, 10_000, Some((4, false)));
    // A little more or less for the sake of a whole turn …
    check(&turns, 80, Some((4, false)));
    check(&turns, 120, Some((4, false)));
    // … but not much: this one begins too far back.
    let long = [
        Prompt(50),
        Calls(vec![100]),
        Calls(vec![100]),
        Calls(vec![100]),
        Calls(vec![100]),
    ];
    check(&long, 100, Some((7, true)));
    // Steering begins no turn.
    check(
        &[Prompt(200), Answer(200), Steering(100), Answer(10)],
        100,
        Some((2, true)),
    );
    // A large result stays with its call.
    check(
        &[Prompt(900), Answer(900), Calls(vec![700, 5])],
        100,
        Some((2, true)),
    );
}

#[test]
fn small_windows_have_less_room() {
    let room = |window| {
        let room = Room::of(window, RESERVE, KEEP);
        (
            room.reserve,
            room.keep,
            room.threshold(),
            room.most_output(false),
            room.most_output(true),
        )
    };
    assert_eq!(room(None), (16_384, 20_000, None, 13_107, 21_299));
    assert_eq!(
        room(Some(200_000)),
        (16_384, 20_000, Some(183_616), 13_107, 21_299)
    );
    assert_eq!(room(Some(32_768)), (8_192, 8_192, Some(24_576), 6_553, 10_649));
    assert_eq!(room(Some(0)), (0, 0, Some(0), 64, 64));
}

#[test]
fn paths_and_calls_are_listed_with_an_end() {
    let mut talk = Talk::new(10);
    for said in [Said::Prompt(5), Said::Answer(5), Said::Prompt(5), Said::Answer(5)] {
        talk.say(&said);
    }
    let mut footprint = Footprint::default();
    for number in 0..250 {
        footprint.read.insert(format!("/work/{number:03}").into());
    }
    footprint.changed.insert("/work/003".into());
    for number in 0..40u16 {
        let call = CallId {
            seq: 9,
            ordinal: number,
        };
        footprint.note_unknown(call, &"bash".into(), &"x".repeat(900));
    }
    let cut = talk.cut().unwrap();
    let carried = carry(&talk.tree, talk.context.parts(), &cut, &footprint, None);
    assert_eq!(
        carried
            .changed
            .paths
            .iter()
            .map(|path| &**path)
            .collect::<Vec<_>>(),
        ["/work/003"]
    );
    assert_eq!((carried.read.paths.len(), carried.read.more), (200, 49));
    assert!(
        !carried.read.paths.contains(&"/work/003".into()),
        "what was changed is not listed twice"
    );
    assert_eq!((carried.unknown.len(), carried.unknown[0].call.ordinal), (32, 8));
    assert!(carried.unknown[0].arguments.chars().count() < 450);
}

#[test]
fn a_summary_is_told_as_this() {
    let compaction = Compaction {
        why: Why::Threshold,
        summary: "## Goal\nA roof.\n".into(),
        model: "scripted/test".parse().unwrap(),
        request: RequestId(1),
        first_kept: EntryId { seq: 1, ordinal: 0 },
        tokens_before: 0,
        tokens_after: 0,
        carried: Carried::default(),
    };
    insta::assert_snapshot!(message(&compaction), @r#"
    [What was said before was put away to make room. This message stands for it; what follows it is unchanged.]

    # Notes on what happened
    ## Goal
    A roof.
    "#);
    let mut talk = Talk::new(10);
    talk.add(Body::Prompt {
        text: "Mend the roof.".into(),
        via: Via::Prompt,
        images: vec![],
    });
    talk.add(answered(vec![
        Block::Text("I look.".into()),
        Block::ToolCall(ToolCall {
            id: "a".into(),
            name: "ls".into(),
            arguments: "{}".into(),
            reading: None,
        }),
    ]));
    talk.add(Body::ToolResult {
        images: vec![],
        call: CallId { seq: 2, ordinal: 1 },
        result: ToolResult {
            call: "a".into(),
            name: "ls".into(),
            text: "x".repeat(5_000).into(),
            is_error: true,
        },
    });
    let parts: Vec<Part> = talk.context.parts().iter().copied().collect();
    let asked = question(&talk.tree, &parts, true, Some("the gutter"), None);
    let asked = asked
        .replace(&"x".repeat(1_500), "xxx")
        .replace(&"x".repeat(500), "xx");
    insta::assert_snapshot!(asked, @r#"
    <turn-under-way>
    [user]
    Mend the roof.

    [agent]
    I look.
    [calls ls] {}

    [result of ls, failed]
    xxx
    [… 3000 characters left out …]
    xx

    </turn-under-way>

    Write the notes. Use exactly these sections; write "none" where there is nothing.

    ## Goal
    What the user wants, as it stands now.
    ## Constraints and preferences
    What the user asked for or forbade along the way.
    ## Done
    ## In progress
    ## Blocked
    ## Decisions
    Each with its reason.
    ## Next steps
    ## Critical context
    Facts, values, error messages and findings without which the work cannot go on.
    ## The turn under way
    What the user asked in it, what was done for it, and what the messages that are kept rely upon.

    The user asks that the notes miss nothing about this:
    the gutter
    "#);
}

/// What a compaction carries as the first prompt, of a conversation that begins with these; the last one is kept.
fn carried_first(said: &[Said], earlier: Option<Why>) -> Option<u64> {
    let mut talk = Talk::new(1);
    for said in said {
        talk.say(said);
    }
    if let Some(why) = earlier {
        let first_kept = talk.tree.leaf().unwrap();
        talk.add(Body::Compaction(Arc::new(Compaction {
            why,
            summary: Talk::text(1),
            model: "scripted/test".parse().unwrap(),
            request: RequestId(0),
            first_kept,
            tokens_before: 0,
            tokens_after: 0,
            carried: Carried::default(),
        })));
        talk.say(&Said::Prompt(10));
        talk.say(&Said::Prompt(10));
    }
    let cut = talk.cut().unwrap();
    let parts = talk.context.parts();
    let carried = carry(&talk.tree, parts, &cut, &Footprint::default(), None);
    carried.first_prompt.map(|quoted| quoted.entry.seq)
}

/// The first prompt of the way that led here, though something stands before it, and wherever it was put away.
#[test]
fn the_first_prompt_of_the_branch_is_carried() {
    use Said::{Answer, Attempt, Prompt};
    for (name, said, earlier, expected) in [
        (
            "at the beginning",
            vec![Prompt(9), Answer(9), Prompt(9)],
            None,
            Some(1),
        ),
        (
            "behind what tells of other branches",
            vec![Attempt(9), Attempt(9), Prompt(9), Prompt(9)],
            None,
            Some(3),
        ),
        ("it is kept", vec![Attempt(9), Prompt(90)], None, None),
        ("there is none", vec![Attempt(9), Attempt(9)], None, None),
        (
            "put away elsewhere",
            vec![Prompt(9), Answer(9), Prompt(9)],
            Some(Why::Imported),
            Some(1),
        ),
        (
            "kept when what stood before it was put away",
            vec![Attempt(9), Prompt(9)],
            Some(Why::Threshold),
            Some(2),
        ),
    ] {
        assert_eq!(carried_first(&said, earlier), expected, "{name}");
    }
}

//! Tree, growing text and context through their public doors.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that meets what it did not expect shall stop there"
)]

use std::sync::Arc;

use glasswork_agent_core::context::{
    Calibration, Context, Part, Plan, Prepared, Purpose, SystemPart, parts_of, render,
};
use glasswork_agent_core::id::{CallId, EntryId, RequestId, TurnId};
use glasswork_agent_core::partial::Partial;
use glasswork_agent_core::tail_map::TailMap;
use glasswork_agent_core::tree::{Assistant, Body, Tree, Via};
use glasswork_ai::conversation::{Block, Message, Thought, ToolCall, ToolResult};
use glasswork_ai::model::{Thinking, ToolSpec};
use glasswork_ai::stream::Usage;
use glasswork_engine::Timestamp;
use proptest::prelude::*;

fn entry(seq: u64) -> EntryId {
    EntryId { seq, ordinal: 0 }
}

fn said(text: &str) -> Body {
    let via = Via::Prompt;
    Body::Prompt {
        text: text.into(),
        via,
        images: vec![],
    }
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

fn prepared(plan: Plan) -> Arc<Prepared> {
    Arc::new(Prepared {
        output: None,
        turn: TurnId(1),
        by: 1,
        plan,
        model: "scripted/test".parse().unwrap(),
        thinking: Thinking::Default,
        max_output_tokens: None,
        controls: Default::default(),
        adjusted: Vec::new(),
        body: None,
        usage: Usage::default(),
        attempts: 0,
        purpose: Purpose::Step,
    })
}

#[test]
fn ids_are_written_as_they_are_read() {
    for text in ["412.0", "1.65535"] {
        assert_eq!(text.parse::<EntryId>().unwrap().to_string(), text);
        let json = format!("\"{text}\"");
        assert_eq!(
            serde_json::to_string(&text.parse::<CallId>().unwrap()).unwrap(),
            json
        );
        assert_eq!(
            serde_json::from_str::<CallId>(&json).unwrap(),
            text.parse().unwrap()
        );
    }
    for text in ["", "412", "412.", ".0", "412.65536", "-1.0", "412/0"] {
        assert!(text.parse::<EntryId>().is_err(), "{text}");
    }
}

#[test]
fn a_tree_grows_at_its_leaf() {
    let mut tree = Tree::default();
    assert_eq!((tree.leaf(), tree.is_empty(), tree.unsound()), (None, true, None));
    for seq in [2, 5, 9] {
        tree.append(entry(seq), Timestamp(0), said("x"));
    }
    let branch: Vec<_> = tree.branch().map(|(id, _)| id).collect();
    assert_eq!(branch, [entry(9), entry(5), entry(2)]);
    assert_eq!(
        (tree.len(), tree.leaf(), tree.unsound()),
        (3, Some(entry(9)), None)
    );
    assert_eq!(tree.get(entry(5)).unwrap().parent, Some(entry(2)));
}

#[test]
fn a_damaged_tree_is_noticed_and_can_be_walked() {
    let missing =
        r#"{"entries":{"5.0":{"parent":"2.0","at":0,"body":{"prompt":{"text":"x"}}}},"leaf":"5.0"}"#;
    let loop_ = r#"{"entries":{"5.0":{"parent":"5.0","at":0,"body":{"prompt":{"text":"x"}}}},"leaf":"5.0"}"#;
    let no_leaf = r#"{"entries":{},"leaf":"5.0"}"#;
    for (text, entries) in [(missing, 1), (loop_, 1), (no_leaf, 0)] {
        let tree: Tree = serde_json::from_str(text).unwrap();
        assert_eq!(tree.unsound(), Some(entry(5)), "{text}");
        assert_eq!(tree.branch().count(), entries, "{text}");
    }
}

#[test]
fn a_megabyte_in_tiny_pieces_costs_little_more_than_a_megabyte() {
    let mut partial = Partial::default();
    let piece: Arc<str> = "x".repeat(31).into();
    for _ in 0..33_000 {
        partial.push(&piece);
    }
    assert_eq!(partial.len(), 33_000 * 31);
    // Each chunk costs its text, the two counters of its `Arc`, and a pointer with a length in the vector.
    let cost: usize = partial.chunks().map(|chunk| chunk.len() + 16 + 16).sum();
    assert!(cost < 1_100_000, "{cost}");
    assert_eq!(partial.text(), "x".repeat(33_000 * 31));
}

#[test]
fn thinking_alone_is_not_sent() {
    let mut tree = Tree::default();
    let mut context = Context::default();
    let thought = Thought {
        text: "hm".into(),
        signature: None,
        redacted: None,
    };
    let call = ToolCall {
        id: "c".into(),
        name: "read".into(),
        arguments: "{}".into(),
        reading: None,
    };
    let result = ToolResult {
        call: "c".into(),
        name: "read".into(),
        text: "r".into(),
        is_error: false,
    };
    let told = Body::ToolResult {
        images: vec![],
        call: CallId { seq: 3, ordinal: 1 },
        result: result.clone(),
    };
    let bodies = [
        said("x"),
        answered(vec![Block::Thinking(thought.clone())]),
        answered(vec![
            Block::Thinking(thought.clone()),
            Block::ToolCall(call.clone()),
        ]),
        told,
    ];
    for (body, seq) in bodies.into_iter().zip(1..) {
        context.append(entry(seq), tree.append(entry(seq), Timestamp(0), body));
    }
    let requests = TailMap::from_iter([(RequestId(1), prepared(context.plan()))]);
    let request = render(&tree, &context, &requests, RequestId(1)).unwrap();
    let model = "scripted/test".parse().unwrap();
    let blocks = vec![Block::Thinking(thought), Block::ToolCall(call)];
    assert_eq!(
        request.messages,
        [
            Message::User("x".into()),
            Message::Assistant { blocks, model },
            Message::ToolResult(result),
        ]
    );
}

/// A request that keeps less than the one before it had, as after going back in the conversation.
#[test]
fn a_request_may_keep_less_than_there_was() {
    let part = |seq| Part {
        entry: entry(seq),
        by: seq,
        tokens: 1,
    };
    let plan = |base: Option<u64>, kept, new: &[u64]| Plan {
        base: base.map(RequestId),
        kept,
        new: new.iter().map(|seq| part(*seq)).collect(),
        head: 0,
        tokens: 0,
        estimate: 0,
    };
    let plans = [
        plan(None, 0, &[1, 2, 3]),
        plan(Some(1), 2, &[4]),
        plan(Some(2), 1, &[5]),
        plan(Some(3), 2, &[6]),
    ];
    let numbered = (1..).map(RequestId).zip(plans.into_iter().map(prepared));
    let requests: TailMap<RequestId, Arc<Prepared>> = numbered.collect();
    let parts = |id| {
        let parts = parts_of(&requests, RequestId(id)).into_iter();
        parts.map(|part| part.by).collect::<Vec<_>>()
    };
    assert_eq!(parts(1), [1, 2, 3]);
    assert_eq!(parts(2), [1, 2, 4]);
    assert_eq!(parts(3), [1, 5]);
    assert_eq!(parts(4), [1, 5, 6]);
    assert!(parts(9).is_empty());
}

#[test]
fn estimates_follow_the_providers_counts() {
    let estimate = |counted, reported, tokens| Calibration { counted, reported }.estimate(tokens);
    assert_eq!(estimate(0, 0, 70), 70);
    assert_eq!(estimate(100, 0, 70), 70);
    assert_eq!(estimate(100, 150, 70), 105);
    assert_eq!(estimate(1, u64::MAX, u64::MAX), u64::MAX);
}

#[test]
fn sizes_are_kept_as_parts_come_and_heads_change() {
    let mut context = Context::default();
    let part = |text: &str| SystemPart {
        name: "base".into(),
        text: text.into(),
    };
    context.set_system(1, &[part("12345678")]);
    context.append(entry(2), 2);
    assert_eq!(context.tokens(), 4);
    let tool = ToolSpec {
        name: "read".into(),
        description: "read".into(),
        parameters: "{}..".into(),
    };
    context.set_tools(3, std::slice::from_ref(&tool));
    assert_eq!(context.tokens(), 7);
    context.set_system(4, &[part("12345678"), part("1")]);
    assert_eq!(context.tokens(), 8);
    let head = context.head();
    let origins: Vec<u64> = head.system.iter().map(|part| part.by).collect();
    assert_eq!((origins, head.tools[0].by), (vec![1, 4], 3));
}

proptest! {
    /// However growth is cut into pieces, the text is the same.
    #[test]
    fn growing_text_is_the_sum_of_its_pieces(pieces in prop::collection::vec((0usize..3, 0usize..700), 0..40)) {
        let pieces: Vec<String> = pieces.iter().map(|(kind, len)| ["a", "é", "𝄞"][*kind].repeat(*len)).collect();
        let mut partial = Partial::default();
        for piece in &pieces {
            partial.push(&Arc::from(piece.as_str()));
        }
        prop_assert_eq!(partial.text(), pieces.concat());
        prop_assert_eq!(partial.len(), pieces.concat().len());
    }

    /// Wherever the conversation goes on, the context is what building it from nothing gives; and the next request
    /// goes on from one whose parts are all there still, and from none shorter than those that were answered.
    #[test]
    fn the_context_follows_the_leaf(
        steps in prop::collection::vec((0u8..4, any::<prop::sample::Index>()), 1..60)
    ) {
        let (mut tree, mut context) = (Tree::default(), Context::default());
        let mut requests: TailMap<RequestId, Arc<Prepared>> = TailMap::new();
        for (seq, (step, which)) in (1..).zip(steps) {
            match step {
                0 if !tree.is_empty() => {
                    let all: Vec<EntryId> = tree.entries().map(|(id, _)| id).collect();
                    let to = which.index(all.len() + 1).checked_sub(1).map(|place| all[place]);
                    tree.move_to(to);
                    context.follow(&tree, to);
                }
                1 if tree.leaf().is_some() => {
                    let request = RequestId(requests.len() as u64 + 1);
                    let plan = prepared(context.plan());
                    context.prepared(request, plan.parts());
                    requests.insert(request, plan);
                    let body = answered(vec![Block::Text("y".repeat(seq as usize).into())]);
                    let Body::Assistant(answer) = body else { unreachable!() };
                    let tokens = tree.append(entry(seq), Timestamp(0), Body::Assistant(Assistant { request: Some(request), ..answer }));
                    context.append(entry(seq), tokens);
                }
                _ => {
                    let tokens = tree.append(entry(seq), Timestamp(0), said(&"x".repeat(seq as usize)));
                    context.append(entry(seq), tokens);
                }
            }
            prop_assert!(context.fits(&tree));
            let mut path: Vec<EntryId> = tree.branch().map(|(id, _)| id).collect();
            path.reverse();
            prop_assert_eq!(context.parts().iter().map(|part| part.entry).collect::<Vec<_>>(), path.clone());
            let sizes: u64 = path.iter().map(|id| tree.get(*id).unwrap().body.chars().div_ceil(4)).sum();
            let plan = context.plan();
            prop_assert_eq!(plan.tokens, sizes);
            let longest = requests.keys().map(|id| parts_of(&requests, *id)).filter(|parts| {
                let place = parts.len();
                parts.iter().map(|part| &part.entry).eq(&path[..place.min(path.len())])
                    && path.get(place).is_some_and(|id| matches!(tree.get(*id).unwrap().body, Body::Assistant(_)))
            }).map(|parts| parts.len() as u64).max().unwrap_or(0);
            prop_assert!(plan.kept >= longest, "{plan:?}");
            let mut all = requests.clone();
            all.insert(RequestId(99), prepared(plan));
            let sent: Vec<EntryId> = parts_of(&all, RequestId(99)).iter().map(|part| part.entry).collect();
            prop_assert_eq!(sent, path);
        }
    }

    /// A chain of requests gives back, for each, exactly the parts that there were when it was prepared.
    #[test]
    fn a_request_remembers_its_parts(steps in prop::collection::vec(0usize..5, 1..20)) {
        let mut context = Context::default();
        let mut requests: TailMap<RequestId, Arc<Prepared>> = TailMap::new();
        let mut expected = vec![];
        let mut seq = 0;
        for (number, new) in (1..).zip(&steps) {
            for _ in 0..*new {
                seq += 1;
                context.append(entry(seq), seq);
            }
            let plan = context.plan();
            prop_assert_eq!(plan.new.len(), *new);
            context.prepared(RequestId(number), context.parts().len() as u64);
            requests.insert(RequestId(number), prepared(plan));
            expected.push((RequestId(number), context.parts().iter().copied().collect::<Vec<_>>()));
        }
        for (id, parts) in expected {
            let sum: u64 = parts.iter().map(|part| part.tokens).sum();
            prop_assert_eq!(requests[&id].plan.tokens, sum);
            prop_assert_eq!(parts_of(&requests, id), parts);
        }
    }
}

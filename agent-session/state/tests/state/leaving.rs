//! Going elsewhere with a summary of the branch that is left, one story each. `coverage` counts their rows too.

use glasswork_agent_core::context::Purpose;
use glasswork_agent_core::id::{EntryId, RequestId};
use glasswork_agent_core::session::State as S;
use glasswork_agent_core::tree::Body;
use glasswork_ai::conversation::Message;
use glasswork_ai::failure::FailureClass;
use glasswork_ai::stream::StopReason;
use glasswork_session_state::domain::Reply;
use glasswork_session_state::queue::Lane;
use glasswork_session_state::rejection::Rejection;
use glasswork_session_state::{Event, prompt, session, tree};

use crate::scenarios::scenarios;
use crate::world::*;

fn leaves(to: Option<EntryId>, focus: Option<&str>) -> tree::Event {
    tree::Event::BranchLeft {
        to,
        focus: focus.map(Into::into),
        key: None,
    }
}

/// Three turns; the last two are left, and a request for a summary of them is on its way.
fn leaving(world: &mut World) -> (Option<EntryId>, Option<EntryId>) {
    for name in ["one", "two", "three"] {
        world.prompt(name);
        world.answer(&format!("to {name}"));
    }
    let (to, from) = (world.entries().get(1).copied(), world.session().tree.leaf());
    world.tree(leaves(to, Some(" the parser "))).unwrap();
    world.expect_session(S::Compacting);
    (to, from)
}

fn sent(world: &World) -> Vec<String> {
    let last = world.session().requests.get_max().unwrap().0.0;
    let messages = world.session().render(RequestId(last)).unwrap().messages;
    let said = |message: &Message| match message {
        Message::User(text) => text.to_string(),
        Message::Assistant { .. } => "answer".to_owned(),
        Message::ToolResult(_) => "result".to_owned(),
        Message::Image(shown) => format!("image {}", shown.image),
    };
    messages.iter().map(said).collect()
}

scenarios! {
    fn the_leaf_moves_once_the_summary_is_there(world) {
        let (to, from) = leaving(world);
        assert_eq!(world.session().tree.leaf(), from);
        let (id, prepared) = world.session().requests.get_max().unwrap();
        assert!(matches!(&prepared.purpose, Purpose::Branch { focus: Some(focus), more: 0, .. } if &**focus == "the parser"));
        assert_eq!((prepared.plan.base, prepared.plan.new.len(), prepared.max_output_tokens), (None, 4, Some(2_048)));
        let id = *id;
        let question = sent(world).remove(0);
        assert!(question.contains("to two") && question.contains("three") && question.contains("the parser"), "{question}");
        assert!(!question.contains("to one"), "{question}");
        world.answer("it was in vain");
        world.expect_session(S::Idle);
        assert_eq!(world.branch(), ["user: one", "model: to one", "attempt: it was in vain"]);
        let leaf = world.session().tree.leaf().unwrap();
        let entry = world.session().tree.get(leaf).unwrap().clone();
        let Body::BranchSummary(made) = &entry.body else { panic!() };
        assert_eq!((entry.parent, made.from, made.request), (to, from, id));
        world.prompt("four");
        let sent = sent(world);
        assert_eq!((sent.len(), &*sent[0], &*sent[1], &*sent[3]), (4, "one", "answer", "four"));
        assert!(sent[2].contains("it was in vain") && !sent[2].contains("to two"), "{sent:?}");
        // The branch that was left is whole, and the way back is open.
        world.answer("x");
        world.move_to(from).unwrap();
        assert_eq!(world.branch().len(), 6);
    }

    fn where_nothing_is_left_the_leaf_moves_at_once(world) {
        let (to, from) = leaving(world);
        world.ask(prompt::Event::Cancelled);
        world.move_to(to).unwrap();
        let requests = world.session().requests.len();
        world.tree(leaves(from, None)).unwrap();
        world.expect_session(S::Idle);
        assert_eq!((world.session().tree.leaf(), world.session().requests.len()), (from, requests));
    }

    fn without_a_summary_the_leaf_stays(world) {
        let (to, from) = leaving(world);
        let before = world.session().context.clone();
        world.connect();
        world.fail(FailureClass::Auth, None);
        world.expect_session(S::Idle);
        assert_eq!((world.session().tree.leaf(), &world.session().context), (from, &before));
        assert_eq!(world.session().compactions.guard, None);
        world.tree(leaves(to, None)).unwrap();
        world.finish(vec![], StopReason::Refusal);
        world.expect_session(S::Idle);
        assert_eq!((world.session().tree.leaf(), world.entries().len()), (from, 6));
        world.move_to(to).unwrap();
    }

    fn it_can_be_stopped_and_the_leaf_stays(world) {
        let (_, from) = leaving(world);
        assert_eq!(world.ask(prompt::Event::Cancelled), Reply::Stopping { returned: vec![] });
        world.expect_session(S::Idle);
        assert_eq!(world.session().tree.leaf(), from);
        assert!(world.open.is_empty() && world.deadlines().is_empty());
    }

    fn the_process_ends_and_the_leaf_stays(world) {
        let (_, from) = leaving(world);
        world.connect();
        world.stream(vec![began(0), delta(0, "half of")]);
        world.crash();
        world.expect_session(S::Idle);
        assert_eq!((world.session().tree.leaf(), world.entries().len()), (from, 6));
    }

    fn what_is_said_meanwhile_is_said_there_or_waits(world) {
        let (to, from) = leaving(world);
        assert_eq!(world.prompt("four"), Reply::Queued(Lane::FollowUp));
        world.connect();
        world.fail(FailureClass::Auth, None);
        world.expect_session(S::Idle);
        assert_eq!((world.session().tree.leaf(), world.session().queue.follow_ups.len()), (from, 1));
        world.tree(leaves(to, None)).unwrap();
        world.prompt("five");
        world.answer("in vain");
        world.expect_session(S::Busy);
        assert_eq!(world.branch()[2..], ["attempt: in vain", "user: four"]);
    }

    fn it_is_refused_where_it_makes_no_sense(world) {
        let (to, _) = leaving(world);
        assert_eq!(world.tree(leaves(to, None)), Err(Rejection::Compacting));
        world.answer("x");
        assert_eq!(world.tree(leaves(None, Some(&"x".repeat(5_000)))), Err(Rejection::FocusTooLong));
        let nowhere = EntryId { seq: 999, ordinal: 0 };
        assert_eq!(world.tree(leaves(Some(nowhere), None)), Err(Rejection::UnknownEntry(nowhere)));
        world.prompt("more");
        assert_eq!(world.tree(leaves(None, None)), Err(Rejection::Busy));
        world.answer("x");
        world.user(Event::Session(session::Event::Closed)).unwrap();
        assert_eq!(world.tree(leaves(None, None)), Err(Rejection::NotOpen));
    }

    fn what_is_asked_twice_is_done_once(world) {
        let (to, from) = leaving(world);
        world.ask(prompt::Event::Cancelled);
        let keyed = || tree::Event::BranchLeft { to, focus: None, key: Some("once".into()) };
        world.tree(keyed()).unwrap();
        world.ask(prompt::Event::Cancelled);
        let requests = world.session().requests.len();
        assert!(matches!(world.tree(keyed()), Err(Rejection::Repeated { .. })));
        assert_eq!((world.session().tree.leaf(), world.session().requests.len()), (from, requests));
    }
}

//! Turns that are asked for a result: asked by whichever means, judged, asked once more, and given up.

use std::sync::Arc;

use glasswork_agent_core::id::RequestId;
use glasswork_agent_core::json_schema::Misfit;
use glasswork_agent_core::structured::{Around, Outcome, Unfit};
use glasswork_agent_core::turn::State as T;
use glasswork_ai::conversation::{Block, Message, Request};
use glasswork_ai::stream::StopReason;
use glasswork_ai::structured::{Form, Means};
use glasswork_session_state::domain::{Event, Reply};
use glasswork_session_state::rejection::Rejection;
use glasswork_session_state::settings::{Layer, Setting, Sourced};
use glasswork_session_state::state::TurnFailure;
use glasswork_session_state::structured::Wanted;
use glasswork_session_state::tools::Word;
use glasswork_session_state::{compaction, prompt};

use crate::scenarios::scenarios;
use crate::world::*;

const SCHEMA: &str = r#"{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}"#;
const NATIVE: Means = Means {
    form: Form::Strict,
    with_tools: true,
};
const ALONE: Means = Means {
    form: Form::Loose,
    with_tools: false,
};

fn wanted(schema: &str, means: Option<Means>) -> Event {
    Event::Prompt(prompt::Event::Prompted {
        images: vec![],
        text: "count".into(),
        max_steps: None,
        result: Some(Arc::new(Wanted {
            schema: schema.into(),
            digest: "of the schema".into(),
            means: means.into_iter().map(|means| (model_id(), means)).collect(),
        })),
        key: None,
    })
}

fn begin(world: &mut World, means: Option<Means>) {
    let began = world.user(wanted(SCHEMA, means)).unwrap();
    assert!(matches!(began, Reply::Began(_)), "{began:?}");
}

/// The last request as it is sent.
fn sent(world: &World) -> Request {
    let last = world.session().requests.get_max().unwrap().0.0;
    world.session().render(RequestId(last)).unwrap()
}

/// By which means it asks for the result, and whether it offers tools.
fn asks(world: &World) -> (Option<Means>, bool) {
    let sent = sent(world);
    let output = sent.output.inspect(|output| assert_eq!(&*output.schema, SCHEMA));
    (output.map(|output| output.means), !sent.tools.is_empty())
}

fn last_words(world: &World) -> String {
    match sent(world).messages.last() {
        Some(Message::User(text)) => text.to_string(),
        other => panic!("{other:?}"),
    }
}

fn outcomes(world: &World) -> Vec<Outcome> {
    let asked = world.turn().asked.clone().unwrap();
    asked.tries.iter().map(|tried| tried.outcome.clone()).collect()
}

fn result(world: &World) -> Option<String> {
    world.turn().result().map(ToString::to_string)
}

fn misfit(path: &str, expected: &str, got: &str) -> Unfit {
    Unfit::Misfit(vec![Misfit {
        path: path.into(),
        expected: expected.into(),
        got: got.into(),
    }])
}

scenarios! {
    /// The server takes schema and tools together: the work goes on under the schema, and its end is the result.
    fn the_last_answer_is_the_result(world) {
        begin(world, Some(NATIVE));
        assert_eq!(asks(world), (Some(NATIVE), true));
        let calls = world.propose(&["read"]);
        world.find(calls[0], read("/work/a"));
        world.settle(calls[0], Word::Succeeded, "3");
        assert_eq!(asks(world), (Some(NATIVE), true));
        assert_eq!(result(world), None);
        world.answer(" {\"n\": 3} ");
        world.expect_turn(T::Completed);
        assert_eq!(result(world).as_deref(), Some("{\"n\":3}"));
        assert_eq!(world.said(), ["user: count", "model: [read]", "result: 3", "model:  {\"n\": 3} "]);
        // The next turn is asked for nothing.
        world.prompt("and now?");
        assert_eq!(asks(world), (None, true));
        world.answer("hello");
        world.expect_turn(T::Completed);
        assert_eq!(world.turn().asked, None);
    }

    /// It does not: the work is done without the schema, and then the result is asked for by itself.
    fn the_result_is_asked_for_by_itself(world) {
        begin(world, Some(ALONE));
        assert_eq!(asks(world), (None, true));
        let calls = world.propose(&["read"]);
        world.find(calls[0], read("/work/a"));
        world.settle(calls[0], Word::Succeeded, "3");
        assert_eq!(asks(world), (None, true));
        world.answer("It is three.");
        world.expect_turn(T::Connecting);
        assert_eq!(asks(world), (Some(ALONE), false));
        assert!(last_words(world).contains("Now give the result of your work"), "{}", last_words(world));
        world.answer("{\"n\": 3}");
        world.expect_turn(T::Completed);
        assert_eq!((result(world).as_deref(), world.turn().steps), (Some("{\"n\":3}"), 3));
    }

    /// Nothing is known of the server: the model is told in words, and what it puts around its answer is taken off.
    fn a_model_is_asked_in_words(world) {
        begin(world, None);
        assert_eq!(asks(world), (Some(Means::PROMPTED), true));
        assert!(last_words(world).ends_with(SCHEMA), "{}", last_words(world));
        let calls = world.propose(&["read"]);
        world.find(calls[0], read("/work/a"));
        world.settle(calls[0], Word::Succeeded, "3");
        world.answer("Here it is:\n```json\n{\"n\": 3}\n```\n");
        world.expect_turn(T::Completed);
        let value = Arc::from("{\"n\":3}");
        assert_eq!(outcomes(world), [Outcome::Fits { value, around: Around::Fence }]);
        // It was told once, for all requests of the turn.
        assert_eq!(world.said().iter().filter(|line| line.starts_with("notice")).count(), 1);
    }

    fn an_answer_that_does_not_fit_is_asked_for_once_more(world) {
        begin(world, Some(NATIVE));
        world.answer("{\"n\": \"three\"}");
        world.expect_turn(T::Connecting);
        assert!(
            last_words(world).contains("`n`: expected an integer, got the string \"three\". Give the whole result once more"),
            "{}",
            last_words(world)
        );
        assert_eq!(result(world), None);
        world.answer("{\"n\": 3}");
        world.expect_turn(T::Completed);
        assert_eq!(result(world).as_deref(), Some("{\"n\":3}"));
        let unfit = misfit("n", "an integer", "the string \"three\"");
        assert_eq!(outcomes(world)[0], Outcome::Unfit(unfit));
    }

    fn a_second_answer_that_does_not_fit_ends_the_turn(world) {
        begin(world, Some(ALONE));
        world.answer("It is three.");
        for text in ["three", "{}"] {
            world.expect_turn(T::Connecting);
            assert_eq!(asks(world), (Some(ALONE), false));
            world.answer(text);
        }
        world.expect_turn(T::Failed);
        let unfit = misfit("n", "an integer", "nothing");
        assert_eq!(world.turn().failure, Some(TurnFailure::NoResult { unfit }));
        assert_eq!((result(world), world.turn().steps), (None, 3));
        assert!(matches!(outcomes(world)[0], Outcome::Unfit(Unfit::NotJson { line: 1, .. })));
    }

    fn who_refuses_is_not_asked_again(world) {
        begin(world, Some(NATIVE));
        world.connect();
        world.finish(vec![finished(0, Block::Text("I will not.".into()))], StopReason::Refusal);
        world.expect_turn(T::Failed);
        assert_eq!(world.turn().failure, Some(TurnFailure::NoResult { unfit: Unfit::Refused }));
    }

    /// The guards of loops leave it to the precise words about the result.
    fn an_answer_without_a_text_is_asked_for_once_more(world) {
        begin(world, Some(NATIVE));
        world.connect();
        world.finish(vec![], StopReason::EndOfTurn);
        world.expect_turn(T::Connecting);
        assert!(last_words(world).contains("the answer is empty"), "{}", last_words(world));
        world.connect();
        world.finish(vec![finished(0, Block::Text("{\"n\":".into()))], StopReason::Length);
        world.expect_turn(T::Failed);
        assert_eq!(world.turn().failure, Some(TurnFailure::NoResult { unfit: Unfit::Cut }));
    }

    /// Asking again is a request like any other.
    fn the_limit_of_steps_counts_what_asks_for_the_result(world) {
        world.set(Setting::MaxSteps(Sourced::from_layer(1, Layer::Flag)));
        begin(world, Some(ALONE));
        world.answer("It is three.");
        world.expect_turn(T::Failed);
        assert_eq!(world.turn().failure, Some(TurnFailure::Limit { max_steps: 1 }));
    }

    /// Whoever says something more has the model go on with its work.
    fn steering_opens_the_work_again(world) {
        begin(world, Some(ALONE));
        world.answer("It is three.");
        assert_eq!(asks(world), (Some(ALONE), false));
        world.ask(steered("add one"));
        world.answer("{\"n\": 3}");
        world.expect_turn(T::Connecting);
        assert_eq!(asks(world), (None, true));
        assert_eq!(result(world), None);
        world.answer("It is four.");
        world.answer("{\"n\": 4}");
        world.expect_turn(T::Completed);
        assert_eq!(result(world).as_deref(), Some("{\"n\":4}"));
    }

    /// What is known of one model is not known of another.
    fn another_model_is_asked_in_words(world) {
        begin(world, Some(ALONE));
        world.set(Setting::Model(Sourced::from_layer(Some("scripted/other".parse().unwrap()), Layer::Session)));
        let calls = world.propose(&["read"]);
        world.find(calls[0], read("/work/a"));
        world.settle(calls[0], Word::Succeeded, "3");
        assert_eq!(asks(world), (Some(Means::PROMPTED), true));
        assert!(last_words(world).ends_with(SCHEMA), "{}", last_words(world));
        world.answer("{\"n\": 3}");
        world.expect_turn(T::Completed);
    }
}

#[test]
fn what_is_no_schema_begins_no_turn() {
    let world = &mut World::new();
    let refused = world.user(wanted(r#"{"type": "int"}"#, None)).unwrap_err();
    assert!(matches!(refused, Rejection::Schema(_)));
    assert!(
        refused
            .to_string()
            .starts_with("the schema of the result: /type: expected a type"),
        "{refused}"
    );
    assert!(world.session().turn.is_none());
}

/// Words that wait for the end of a compaction have no result.
#[test]
fn while_the_conversation_is_compacted_no_result_is_wanted() {
    let world = &mut World::new();
    for name in ["one", "two", "three"] {
        world.prompt(name);
        world.answer(&"word ".repeat(400));
    }
    let small = Some(40_000);
    world.set(Setting::ContextWindow(Sourced::from_layer(small, Layer::Session)));
    let compact = compaction::Event::Requested {
        focus: None,
        key: None,
    };
    world.user(Event::Compaction(compact)).unwrap();
    assert_eq!(world.user(wanted(SCHEMA, None)), Err(Rejection::Compacting));
    assert!(world.session().queue.follow_ups.is_empty());
}

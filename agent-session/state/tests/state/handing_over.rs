//! What goes over to the model that is asked instead of another: the result that the turn is asked for, an answer that
//! was interrupted, and what a request carries beside the conversation. Each in the form of the one that is asked.

use glasswork_agent_core::structured::{Around, Outcome};
use glasswork_agent_core::turn::State as T;
use glasswork_ai::controls::{After, Temperature};
use glasswork_ai::conversation::{Block, Kept, Message, Request};
use glasswork_ai::failure::FailureClass as F;
use glasswork_ai::image::{Image, MediaType};
use glasswork_ai::model::ModelId;
use glasswork_ai::stream::StopReason;
use glasswork_ai::structured::{Form, Means};
use glasswork_ai::takes::{CacheForm, Takes};
use glasswork_session_state::budget::{Budget, Exhausted};
use glasswork_session_state::cache_policy::Keep;
use glasswork_session_state::call::{Detail, Outcome as Came};
use glasswork_session_state::domain::{DeadlineKey, Event};
use glasswork_session_state::failover::{self, Candidate};
use glasswork_session_state::settings::{Layer, Setting, Sourced};
use glasswork_session_state::state::TurnFailure;
use glasswork_session_state::structured::Wanted;
use glasswork_session_state::tools::{self, Word};
use glasswork_session_state::{prompt, session};
use im::{OrdMap, ordmap};

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
const MARKS: CacheForm = CacheForm::Marks { most: 4, tools: true };

fn id(name: &str) -> ModelId {
    format!("scripted/{name}").parse().unwrap()
}

/// A world whose model is asked once, and then the others of the list.
fn world(others: &[&str]) -> World {
    let mut world = World::new();
    let models = others.iter().map(|name| id(name)).collect();
    world.set(Setting::FallbackModels(Sourced::from_layer(models, Layer::User)));
    world.set(Setting::RetryAttempts(Sourced::from_layer(1, Layer::User)));
    world
}

fn wanted(world: &mut World, means: OrdMap<ModelId, Means>) {
    let wanted = Wanted {
        schema: SCHEMA.into(),
        digest: "of the schema".into(),
        means,
    };
    world
        .user(Event::Prompt(prompt::Event::Prompted {
            images: vec![],
            text: "count".into(),
            max_steps: None,
            result: Some(wanted.into()),
            key: None,
        }))
        .unwrap();
}

/// The model that is asked, and what it is sent.
fn sent(world: &World) -> (String, Request) {
    let request = world.session().attempt().unwrap().request;
    let rendered = world.session().render(request).unwrap();
    (rendered.model.model.to_string(), rendered)
}

/// Whom a request asks for the result, by which means, and whether it offers tools.
fn asks(world: &World) -> (String, Option<Means>, bool) {
    let (model, sent) = sent(world);
    (
        model,
        sent.output.map(|output| output.means),
        !sent.tools.is_empty(),
    )
}

fn last_words(world: &World) -> String {
    match sent(world).1.messages.last() {
        Some(Message::User(text)) => text.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_model_is_asked_for_the_result_by_its_own_means() {
    let mut world = world(&["words", "alone"]);
    let means = || ordmap! { model_id() => NATIVE, id("alone") => ALONE };
    wanted(&mut world, means());
    assert_eq!(asks(&world), ("test".into(), Some(NATIVE), true));
    world.fail(F::Overloaded, None);
    // It is told in words what the first one's server was told.
    assert_eq!(asks(&world), ("words".into(), Some(Means::PROMPTED), true));
    assert!(last_words(&world).ends_with(SCHEMA), "{}", last_words(&world));
    // And once more where its answer does not fit, because nobody else tells it.
    world.answer("{}");
    assert!(
        last_words(&world).contains("expected an integer") && last_words(&world).ends_with(SCHEMA),
        "{}",
        last_words(&world)
    );
    world.fail(F::Overloaded, None);
    // The next one's server takes no tools beside it: it works first. But its one more try is this.
    assert_eq!(asks(&world), ("alone".into(), None, true));
    world.answer("It is three.");
    assert_eq!(asks(&world), ("alone".into(), Some(ALONE), false));
    world.answer("{\"n\": 3}");
    world.expect_turn(T::Completed);
    assert_eq!(world.turn().result().map(|value| &**value), Some("{\"n\":3}"));
    // What one has dressed up is taken as it would be of a model that was only asked in words.
    let mut world = self::world(&["words"]);
    wanted(&mut world, means());
    world.fail(F::Overloaded, None);
    world.answer("It is:\n```json\n{\"n\": 3}\n```");
    world.expect_turn(T::Completed);
    let tries = &world.turn().asked.clone().unwrap().tries;
    assert!(
        matches!(
            &tries[0].outcome,
            Outcome::Fits {
                around: Around::Fence,
                ..
            }
        ),
        "{tries:?}"
    );
    // The session's own model is asked by its own again.
    wanted(&mut world, means());
    assert_eq!(asks(&world), ("test".into(), Some(NATIVE), true));
    world.answer("{\"n\": 3}");
    world.compare_with_journal();
}

fn pause(world: &mut World, blocks: Vec<Block>) {
    world.connect();
    let steps = blocks
        .into_iter()
        .zip(0..)
        .map(|(block, index)| finished(index, block));
    world.finish(steps.collect(), StopReason::Paused);
}

#[test]
fn who_goes_on_with_the_interrupted_answer_of_another_is_told_so() {
    let mut world = world(&["b", "c"]);
    world.prompt("go");
    pause(&mut world, vec![Block::Text("I search".into())]);
    assert!(matches!(
        sent(&world).1.messages.last(),
        Some(Message::Assistant { .. })
    ));
    world.fail(F::Unavailable, None);
    assert!(last_words(&world).contains("not whole"), "{}", last_words(&world));
    // Its own it goes on with as it is.
    pause(&mut world, vec![Block::Text("and search".into())]);
    let (model, request) = sent(&world);
    assert_eq!(model, "b");
    assert!(matches!(request.messages.last(), Some(Message::Assistant { .. })));
    world.fail(F::Unavailable, None);
    assert_eq!(sent(&world).0, "c");
    assert!(last_words(&world).contains("not whole"), "{}", last_words(&world));
    world.answer("and found.");
    world.expect_turn(T::Completed);
    assert_eq!((world.turn().steps, world.turn().paused), (3, 0));
    let notices = |world: &World| {
        world
            .said()
            .iter()
            .filter(|said| said.starts_with("notice"))
            .count()
    };
    assert_eq!(notices(&world), 2);
    // Where a person says something, that is what comes last.
    world.prompt("again");
    pause(&mut world, vec![Block::Text("one".into())]);
    world.ask(steered("look at this"));
    world.fail(F::Unavailable, None);
    assert_eq!(last_words(&world), "look at this");
    assert_eq!(notices(&world), 2);
    world.answer("done");
    world.compare_with_journal();
}

#[test]
fn what_only_its_provider_knows_goes_back_to_it_where_it_interrupted_its_answer() {
    let item = Block::Kept(Kept::Item(r#"{"type":"server_tool_use","id":"srv_1"}"#.into()));
    let mut world = World::new();
    world.prompt("go");
    pause(&mut world, vec![item.clone()]);
    let went_back = Message::Assistant {
        blocks: vec![item.clone()],
        model: model_id(),
    };
    assert_eq!(sent(&world).1.messages.last(), Some(&went_back));
    // An answer that ended has said nothing to anybody.
    world.connect();
    world.finish(vec![finished(0, item)], StopReason::Refusal);
    world.prompt("and now?");
    let messages = sent(&world).1.messages;
    assert_eq!(
        messages.iter().filter(|message| **message == went_back).count(),
        1
    );
    world.answer("so");
    world.compare_with_journal();
}

#[test]
fn what_a_request_carries_is_fitted_to_the_one_that_is_asked() {
    let takes = |cache: CacheForm, hottest: &str| Takes {
        cache,
        hottest: hottest.parse().unwrap(),
        ..Takes::default()
    };
    let mut world = world(&["key", "own"]);
    let all = ordmap! {
        model_id() => takes(MARKS, "2"), id("key") => takes(CacheForm::Key { long: true }, "1"),
        id("own") => takes(CacheForm::Own, "0.5")
    };
    world.set(Setting::Takes(Sourced::from_layer(all, Layer::Default)));
    world.set(Setting::Cache(Sourced::from_layer(
        Keep::Long.into(),
        Layer::User,
    )));
    let hot: Temperature = "1.5".parse().unwrap();
    world.set(Setting::Temperature(Sourced::from_layer(Some(hot), Layer::User)));
    let carried = |world: &World| {
        let (model, sent) = sent(world);
        let cache = sent.controls.cache;
        let temperature = sent.controls.temperature.unwrap().to_string();
        (model, cache.after.len(), cache.key.is_some(), temperature)
    };
    world.prompt("go");
    assert_eq!(carried(&world), ("test".into(), 2, false, "1.50".into()));
    world.fail(F::Overloaded, None);
    assert_eq!(carried(&world), ("key".into(), 0, true, "1.00".into()));
    world.fail(F::Overloaded, None);
    assert_eq!(carried(&world), ("own".into(), 0, false, "0.50".into()));
    let adjusted = world.session().requests.get_max().unwrap().1.adjusted.clone();
    let lines: Vec<String> = adjusted.iter().map(ToString::to_string).collect();
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("temperature 1.50 is sent as 0.50")),
        "{lines:?}"
    );
    world.answer("so");
    world.prompt("and now?");
    // The key was another one's; the end is marked, and the end of the request before, which has the same beginning.
    assert_eq!(carried(&world), ("test".into(), 3, false, "1.50".into()));
    world.answer("so");
    world.compare_with_journal();
}

fn image(name: &str) -> Image {
    Image {
        digest: "0123456789abcdef".repeat(4).into(),
        media: MediaType::Png,
        width: 3,
        height: 2,
        bytes: 5,
        name: name.into(),
    }
}

#[test]
fn a_breakpoint_stands_at_words_and_not_at_the_images_about_them() {
    let mut world = World::new();
    let takes = Takes {
        cache: MARKS,
        ..Takes::default()
    };
    let all = ordmap! { model_id() => takes };
    world.set(Setting::Takes(Sourced::from_layer(all, Layer::Default)));
    let shown = prompt::Event::Prompted {
        result: None,
        text: "Look".into(),
        max_steps: None,
        images: vec![image("a"), image("b")],
        key: None,
    };
    world.user(Event::Prompt(shown)).unwrap();
    let marked = |world: &World| -> Vec<String> {
        let sent = sent(world).1;
        let places = sent.controls.cache.after.iter();
        places
            .map(|place| match place {
                After::Message(place) => match &sent.messages[usize::try_from(*place).unwrap()] {
                    Message::User(text) => text.to_string(),
                    Message::ToolResult(result) => result.text.to_string(),
                    other => panic!("{other:?}"),
                },
                head => format!("{head:?}"),
            })
            .collect()
    };
    assert_eq!(marked(&world), ["System", "Look"]);
    let calls = world.propose(&["read"]);
    world.find(calls[0], read("/work/c"));
    let seen = Came {
        text: "seen".into(),
        is_error: false,
        blob: None,
        detail: Some(Detail::Image(image("c"))),
    };
    let settled = tools::Event::ToolSettled {
        call: calls[0],
        word: Word::Succeeded,
        outcome: seen,
    };
    world.tool(calls[0], settled).unwrap();
    // The image stands last, behind the result that shows it.
    assert!(matches!(sent(&world).1.messages.last(), Some(Message::Image(_))));
    assert_eq!(marked(&world), ["System", "Look", "seen"]);
    world.answer("Done");
    world.compare_with_journal();
}

#[test]
fn a_model_without_tools_stands_in_where_there_are_none_to_call() {
    let handless = || Candidate {
        model: id("b"),
        barred: None,
        window: None,
        tools: Some(false),
    };
    for (has_tools, end) in [(true, T::Failed), (false, T::Connecting)] {
        let mut world = world(&["b"]);
        if !has_tools {
            let opened = session::Event::Opened {
                workspace: "/work".into(),
                title: None,
                settings: Box::new((*world.session().settings).clone()),
                system: vec![],
                tools: vec![],
            };
            world.user(Event::Session(opened)).unwrap();
        }
        let candidates = vec![handless()];
        world
            .user(Event::Failover(failover::Event::Told { candidates }))
            .unwrap();
        world.prompt("go");
        world.fail(F::Overloaded, None);
        world.expect_turn(end);
    }
}

/// The provider's count of another model's request says nothing about what this one counts.
#[test]
fn what_one_model_counts_is_no_measure_for_another() {
    let mut world = world(&["b"]);
    world.prompt(&"go on ".repeat(40));
    world.connect();
    world.stream(vec![glasswork_ai::stream::StreamEvent::Usage(usage(50_000, 1))]);
    world.finish(vec![finished(0, Block::Text("so".into()))], StopReason::EndOfTurn);
    let estimate = |world: &World| world.session().context.plan().estimate;
    assert!(estimate(&world) > 10_000);
    world.prompt("again");
    world.fail(F::Overloaded, None);
    let plain = estimate(&world);
    assert!(plain < 10_000, "{plain}");
    // It counts less; the next turn is the session's own model's, and begins without that.
    world.connect();
    world.stream(vec![glasswork_ai::stream::StreamEvent::Usage(usage(1, 1))]);
    world.finish(vec![finished(0, Block::Text("so".into()))], StopReason::EndOfTurn);
    assert!(estimate(&world) < plain);
    world.prompt("and again");
    assert!(estimate(&world) > plain);
    world.answer("so");
    world.compare_with_journal();
}

/// What a window is that nobody knows is not guessed from that of another model.
#[test]
fn the_window_is_that_of_the_model_that_is_asked() {
    let mut world = world(&["b"]);
    world.set(Setting::ContextWindow(Sourced::from_layer(
        Some(50_000),
        Layer::User,
    )));
    world.prompt("go");
    assert_eq!(world.session().window(), Some(50_000));
    world.fail(F::Overloaded, None);
    assert_eq!(world.session().window(), None);
    world.answer("so");
    assert_eq!(world.session().window(), Some(50_000));
}

/// A conversation that is too long for the window, and the request for a summary of it.
fn too_long() -> World {
    let mut world = world(&["b"]);
    for name in ["one", "two", "three"] {
        world.prompt(&format!("{name} {}", "abc ".repeat(498)));
        world.answer(&"abc ".repeat(500));
    }
    world.set(Setting::ContextWindow(Sourced::from_layer(
        Some(4_000),
        Layer::User,
    )));
    let candidates = vec![Candidate {
        model: id("b"),
        barred: None,
        window: Some(4_000),
        tools: None,
    }];
    world
        .user(Event::Failover(failover::Event::Told { candidates }))
        .unwrap();
    world
}

#[test]
fn a_summary_is_waited_for_and_nobody_else_is_asked_for_it() {
    let mut world = too_long();
    world.set(Setting::RetryAttempts(Sourced::from_layer(3, Layer::User)));
    world.prompt("go on");
    world.expect_turn(T::Compacting);
    // An answer would be asked of another model at once.
    world.fail(F::BreakerOpen, Some(20_000));
    world.expect_turn(T::Compacting);
    world.reach(DeadlineKey::Attempt);
    world.answer("notes");
    world.expect_turn(T::Connecting);
    assert_eq!(sent(&world).0, "test");
    assert!(world.turn().failover.given_up.is_empty());
    world.answer("so");
    world.compare_with_journal();
}

#[test]
fn that_one_model_gave_no_summary_does_not_keep_another_from_making_one() {
    let mut world = too_long();
    world.prompt("go on");
    world.expect_turn(T::Compacting);
    world.fail(F::Auth, None);
    // Not again in this turn …
    world.expect_turn(T::Connecting);
    world.fail(F::Overloaded, None);
    // … but by the other one.
    world.expect_turn(T::Compacting);
    assert_eq!(sent(&world).0, "b");
    world.answer("notes");
    world.expect_turn(T::Connecting);
    world.answer("so");
    world.compare_with_journal();
}

#[test]
fn without_a_budget_for_it_no_result_is_asked_for_again() {
    let mut world = World::new();
    wanted(&mut world, ordmap! { model_id() => NATIVE });
    let budget = Budget {
        turn: Some("1".parse().unwrap()),
        ..Budget::default()
    };
    // Nobody knows a price, so with a budget nothing more is sent.
    world.set(Setting::Budget(Sourced::from_layer(budget, Layer::User)));
    world.answer("{}");
    world.expect_turn(T::Failed);
    assert!(
        matches!(
            &world.turn().failure,
            Some(TurnFailure::Budget(Exhausted::Unpriced { .. }))
        ),
        "{:?}",
        world.turn().failure
    );
    assert_eq!(world.turn().result(), None);
    world.compare_with_journal();
}

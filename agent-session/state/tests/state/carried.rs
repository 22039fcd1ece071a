//! What a request carries beside the conversation: the breakpoints of its cache, and a beginning that stays the same,
//! byte by byte, until somebody changes something.

use std::sync::Arc;

use glasswork_agent_core::context::SystemPart;
use glasswork_ai::adjusted::{Adjusted, Control, Why};
use glasswork_ai::controls::{After, Cache, Controls, Life};
use glasswork_ai::model::ToolSpec;
use glasswork_ai::takes::{CacheForm, Takes};
use glasswork_ai::wire::Wire;
use glasswork_session_state::cache_policy::{CachePolicy, Keep, Place, Places};
use glasswork_session_state::domain::Event;
use glasswork_session_state::settings::{Layer, Setting, Sourced};
use glasswork_session_state::tools::Word;
use glasswork_session_state::{compaction, session};
use im::ordmap;
use serde_json::Value;

use crate::world::*;

const MARKS: CacheForm = CacheForm::Marks { most: 4, tools: true };

fn policy(keep: Keep, at: &[Place]) -> CachePolicy {
    CachePolicy {
        keep,
        at: at.to_vec(),
    }
}

#[test]
fn a_policy_becomes_breakpoints_and_what_does_not_is_told() {
    use Place::{System, Tail, Tools, User};
    let all = Places {
        tools: true,
        system: true,
        user: Some(4),
        before: Some(6),
        end: Some(8),
    };
    let message = After::Message;
    let told = |asked: &str, sent: Option<&str>, why| Adjusted {
        control: Control::Cache,
        asked: asked.into(),
        sent: sent.map(Into::into),
        why,
    };
    let cache = |after: &[After], life| Cache {
        after: after.to_vec(),
        life,
        key: None,
    };
    let keyed = |life| Cache {
        key: Some("k".into()),
        life,
        ..Cache::default()
    };
    let (short, long) = (Life::Short, Life::Long);
    let usual = [After::System, message(6), message(8)];
    let many = Why::TooMany { most: 4 };
    let key = |long| CacheForm::Key { long };
    type Case = (CachePolicy, CacheForm, Places, Cache, Vec<Adjusted>);
    let table: Vec<Case> = vec![
        (CachePolicy::default(), MARKS, all, cache(&usual, short), vec![]),
        (Keep::Long.into(), MARKS, all, cache(&usual, long), vec![]),
        (Keep::Off.into(), MARKS, all, cache(&[], short), vec![]),
        // Who comes first has its breakpoint; there are never more than the server takes.
        (
            policy(Keep::Short, &[User, Tail, System, Tools]),
            MARKS,
            all,
            cache(&[After::System, message(4), message(6), message(8)], short),
            vec![told("tools", None, many)],
        ),
        (
            policy(Keep::Short, &[Tools, System, User, Tail]),
            MARKS,
            all,
            cache(&[After::Tools, After::System, message(4), message(8)], short),
            vec![told("tail", None, many)],
        ),
        // The same place is taken once, and what is not there is none.
        (
            policy(Keep::Short, &[User, Tail, System]),
            MARKS,
            Places {
                before: None,
                end: Some(4),
                system: false,
                ..all
            },
            cache(&[After::Tools, message(4)], short),
            vec![],
        ),
        (
            policy(Keep::Short, &[Tools]),
            CacheForm::Marks {
                most: 4,
                tools: false,
            },
            all,
            cache(&[], short),
            vec![told("tools", None, Why::NotTaken)],
        ),
        (CachePolicy::default(), key(true), all, keyed(short), vec![]),
        (Keep::Long.into(), key(true), all, keyed(long), vec![]),
        (
            Keep::Long.into(),
            key(false),
            all,
            keyed(short),
            vec![told("long", Some("short"), Why::NotTaken)],
        ),
        (
            Keep::Off.into(),
            key(true),
            all,
            Cache::default(),
            vec![told("off", None, Why::ServerKeeps)],
        ),
        (
            CachePolicy::default(),
            CacheForm::Own,
            all,
            Cache::default(),
            vec![],
        ),
        (
            Keep::Long.into(),
            CacheForm::Own,
            all,
            Cache::default(),
            vec![told("long", None, Why::ServerKeeps)],
        ),
        (
            policy(Keep::Short, &[User]),
            CacheForm::Own,
            all,
            Cache::default(),
            vec![told("user", None, Why::ServerKeeps)],
        ),
    ];
    for (policy, form, places, expected, adjusted) in table {
        let projected = policy.project(form, places, &Arc::from("k"));
        assert_eq!(projected, (expected, adjusted), "{policy:?} {form:?}");
    }
}

#[test]
fn a_policy_is_written_in_a_word_or_in_full() {
    let read = |text: &str| serde_json::from_str::<CachePolicy>(text);
    assert_eq!(read(r#""long""#).unwrap(), Keep::Long.into());
    assert_eq!(
        read(r#"{"keep": "long", "at": ["tools"]}"#).unwrap(),
        policy(Keep::Long, &[Place::Tools])
    );
    assert_eq!(read(r#"{"keep": "off"}"#).unwrap(), Keep::Off.into());
    let error = read(r#""forever""#).unwrap_err().to_string();
    assert!(error.contains("expected `short`, `long` or `off`"), "{error}");
    assert!(read(r#"{"kept": "long"}"#).is_err());
    let whole = serde_json::to_string(&CachePolicy::default()).unwrap();
    assert_eq!(read(&whole).unwrap(), CachePolicy::default());
}

fn takes(cache: CacheForm) -> Setting {
    let takes = Takes {
        cache,
        ..Takes::default()
    };
    Setting::Takes(Sourced::from_layer(
        ordmap! { model_id() => takes },
        Layer::Default,
    ))
}

fn set_policy(world: &mut World, policy: CachePolicy) {
    world.set(Setting::Cache(Sourced::from_layer(policy, Layer::Session)));
}

/// The breakpoints of the request under way, or of the next one.
fn marks(world: &World, next: bool) -> Vec<After> {
    let session = world.session();
    match next {
        true => session.next_prepared().unwrap().controls.cache.after,
        false => session.requests.get_max().unwrap().1.controls.cache.after.clone(),
    }
}

/// A step that reads something.
fn step(world: &mut World, result: &str) {
    let calls = world.propose(&["read"]);
    world.find(calls[0], read("/work/a"));
    world.settle(calls[0], Word::Succeeded, result);
}

#[test]
fn breakpoints_move_with_the_conversation_and_stand_where_something_is_told() {
    let mut world = World::new();
    world.set(takes(MARKS));
    set_policy(
        &mut world,
        policy(Keep::Short, &[Place::System, Place::User, Place::Tail]),
    );
    let message = After::Message;
    world.prompt("one");
    assert_eq!(marks(&world, false), [After::System, message(0)]);
    // user 0, model 1, result 2: the end, and the end of the request before.
    step(&mut world, "a");
    assert_eq!(marks(&world, false), [After::System, message(0), message(2)]);
    step(&mut world, "b");
    assert_eq!(
        marks(&world, false),
        [After::System, message(0), message(2), message(4)]
    );
    // A result without a word has no place for one.
    step(&mut world, " ");
    assert_eq!(marks(&world, false), [After::System, message(0), message(4)]);
    world.answer("done");
    world.prompt("two");
    assert_eq!(marks(&world, false), [After::System, message(4), message(8)]);
    // What is rendered has them after the same messages, since every part is sent.
    let request = world.session().attempt().unwrap().request;
    let rendered = world.session().render(request).unwrap();
    assert_eq!(rendered.controls.cache.after, marks(&world, false));
    world.answer("done");
    // What would be sent now is shown with them.
    assert_eq!(marks(&world, true), [After::System, message(8)]);
    world.compare_with_journal();
}

#[test]
fn a_breakpoint_after_what_is_not_sent_goes_to_the_message_before() {
    let mut world = World::new();
    world.set(takes(MARKS));
    world.prompt("one");
    // Thinking alone is sent to nobody.
    world.connect();
    let thought = glasswork_ai::conversation::Thought {
        text: "hm".into(),
        signature: None,
        redacted: None,
    };
    world.finish(
        vec![finished(0, glasswork_ai::conversation::Block::Thinking(thought))],
        glasswork_ai::stream::StopReason::Refusal,
    );
    world.prompt("two");
    let request = world.session().attempt().unwrap().request;
    let rendered = world.session().render(request).unwrap();
    assert_eq!(
        marks(&world, false),
        [After::System, After::Message(0), After::Message(2)]
    );
    assert_eq!(rendered.messages.len(), 2);
    assert_eq!(
        rendered.controls.cache.after,
        [After::System, After::Message(0), After::Message(1)]
    );
}

#[test]
fn the_key_of_a_cache_stays_that_of_the_session_in_which_the_conversation_began() {
    let mut world = World::new();
    world.set(takes(CacheForm::Key { long: true }));
    let key = |world: &World| world.session().next_prepared().unwrap().controls.cache.key;
    assert_eq!(key(&world).as_deref(), Some(SCOPE.to_string().as_str()));
    world.prompt("one");
    world.answer("so");
    let mut copy = world.session().clone();
    copy.id = glasswork_engine::ScopeId::from_u128(99);
    assert_eq!(copy.next_prepared().unwrap().controls.cache.key, key(&world));
}

#[test]
fn a_session_that_asks_for_nothing_writes_nothing_of_it_down() {
    let mut world = World::new();
    world.prompt("one");
    let prepared = world.session().requests.get_max().unwrap().1.clone();
    assert_eq!(
        (prepared.controls.clone(), prepared.adjusted.len()),
        (Controls::default(), 0)
    );
    let text = serde_json::to_string(&prepared).unwrap();
    assert!(!text.contains("controls") && !text.contains("adjusted"), "{text}");
}

/// What a provider's cache goes by, in its order: each unit with what it is.
fn units(wire: Wire, world: &World) -> Vec<(&'static str, String)> {
    let request = world.session().requests.get_max().unwrap().0;
    let rendered = world.session().render(request).unwrap();
    let body = wire.encode(&rendered).unwrap().body;
    let mut body: Value = serde_json::from_slice(&body).unwrap();
    strip(&mut body);
    let mut units = vec![("model", rendered.model.to_string())];
    let lists: &[(&str, &str)] = &[
        ("tool", "/tools"),
        ("tool", "/tools/0/functionDeclarations"),
        ("system", "/instructions"),
        ("system", "/systemInstruction/parts"),
        ("system", "/system"),
        ("message", "/messages"),
        ("message", "/input"),
        ("message", "/contents"),
    ];
    for (kind, place) in lists {
        let found = match body.pointer(place) {
            // Gemini's tools are one list in another.
            Some(list) if *place == "/tools" && list[0].get("functionDeclarations").is_some() => continue,
            Some(Value::Array(list)) => list.clone(),
            Some(one) => vec![one.clone()],
            None => continue,
        };
        for unit in found {
            let said_by_system = matches!(unit["role"].as_str(), Some("system" | "developer"));
            let kind = if said_by_system { "system" } else { kind };
            // What stands in a message is read in pieces: the next request may have more of them in the same one.
            let pieces = ["content", "parts"].iter().find_map(|key| unit[*key].as_array());
            match pieces.filter(|_| kind == "message") {
                Some(pieces) => units.extend(
                    pieces
                        .iter()
                        .map(|piece| (kind, format!("{} {piece}", unit["role"]))),
                ),
                None => units.push((kind, unit.to_string())),
            }
        }
    }
    units
}

/// Breakpoints are no part of what is kept.
fn strip(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.remove("cache_control");
            members.values_mut().for_each(strip);
        }
        Value::Array(list) => list.iter_mut().for_each(strip),
        _ => {}
    }
}

/// The first thing of the earlier request that the later one does not have as it was.
fn first_difference(
    before: &[(&'static str, String)],
    after: &[(&'static str, String)],
) -> Option<&'static str> {
    let differs = |place: &usize| before.get(*place) != after.get(*place);
    (0..before.len()).find(differs).map(|place| before[place].0)
}

fn open_again(world: &mut World, change: impl FnOnce(&mut Vec<SystemPart>, &mut Vec<ToolSpec>)) {
    let head = world.session().context.head();
    let mut tools = head.tools.iter().map(|tool| tool.part.clone()).collect();
    let mut system = head.system.iter().map(|part| part.part.clone()).collect();
    change(&mut system, &mut tools);
    let settings = Box::new((*world.session().settings).clone());
    let event = session::Event::Opened {
        workspace: "/work".into(),
        title: None,
        settings,
        system,
        tools,
    };
    world.user(Event::Session(event)).unwrap();
}

type Change = (&'static str, fn(&mut World), Option<&'static str>);

/// What happens between two requests, and the first thing that it changes of the earlier one: what comes after that is
/// read anew, and all before it is there byte by byte.
const CHANGES: &[Change] = &[
    ("the next prompt", |_| {}, None),
    (
        "a temperature",
        |world| {
            world.set(Setting::Temperature(Sourced::from_layer(
                "0.5".parse().ok(),
                Layer::Session,
            )))
        },
        None,
    ),
    (
        "a longer cache with other breakpoints",
        |world| {
            set_policy(
                world,
                policy(Keep::Long, &[Place::Tools, Place::User, Place::Tail]),
            )
        },
        None,
    ),
    (
        "another tool at the end",
        |world| open_again(world, |_, tools| tools.push(tool_spec("grep"))),
        // It comes before the system prompt, and so moves it.
        Some("system"),
    ),
    (
        "a tool is gone",
        |world| open_again(world, |_, tools| drop(tools.remove(0))),
        Some("tool"),
    ),
    (
        "other instructions",
        |world| open_again(world, |system, _| system[0].text = "You are another test.".into()),
        Some("system"),
    ),
    (
        "another model",
        |world| {
            let model = Some("other/model".parse().unwrap());
            world.set(Setting::Model(Sourced::from_layer(model, Layer::Session)));
        },
        Some("model"),
    ),
    (
        "a compaction",
        |world| {
            let event = compaction::Event::Requested {
                focus: None,
                key: None,
            };
            world.user(Event::Compaction(event)).unwrap();
            world.answer("## Goal\nAll is well.");
        },
        Some("message"),
    ),
];

#[test]
fn a_request_begins_with_the_one_before_up_to_the_first_thing_that_was_changed() {
    for wire in Wire::ALL {
        let mut world = World::new();
        world.set(takes(MARKS));
        world.set_mode(glasswork_session_state::settings::Mode::Yolo);
        let long = "abc ".repeat(500);
        world.prompt(&long);
        for (name, change, expected) in CHANGES {
            // Within a turn nothing changes but what is added.
            let mut before = units(wire, &world);
            for result in ["first", "second"] {
                step(&mut world, &format!("{result} {long}"));
                let after = units(wire, &world);
                assert_eq!(
                    first_difference(&before, &after),
                    None,
                    "{wire:?}: a step before {name}"
                );
                assert!(after.len() > before.len());
                before = after;
            }
            world.answer(&long);
            let window = Some(8_000);
            if *name == "a compaction" {
                world.set(Setting::ContextWindow(Sourced::from_layer(
                    window,
                    Layer::Session,
                )));
            }
            change(&mut world);
            world.prompt("and now?");
            let after = units(wire, &world);
            assert_eq!(first_difference(&before, &after), *expected, "{wire:?}: {name}");
        }
    }
}

//! Journals of every schema that there ever was, kept for ever: each loads, decides the same again, and leads to the
//! state that it led to when it was written.
//!
//! They were written by the build whose schema they have. `WRITE_FIXTURES=1` adds to those of the present schema what none
//! of them holds yet; a fixture that exists is never written again.
#![allow(clippy::disallowed_methods, reason = "what is kept lies in files")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use glasswork_ai::conversation::Block;
use glasswork_ai::failure::FailureClass;
use glasswork_ai::stream::{StopReason, StreamEvent};
use glasswork_engine::Domain;
use glasswork_engine::load::load;
use glasswork_engine::replay::replay;
use glasswork_session_state::domain::{Event, Glasswork};
use glasswork_session_state::settings::{Layer, Settings, Source, Sourced};
use glasswork_session_state::{compaction, prompt, session, tree};
use serde_json::Value;

use crate::kept::lacks;
use crate::scenarios;
use crate::world::{World, began, delta, finished, settings, usage};

fn folder(schema: u32) -> PathBuf {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testkit/fixtures");
    PathBuf::from(fixtures).join(format!("schema-{schema}/stories"))
}

/// What a journal holds, in short: every path of keys, and every short word, of which the names of variants are some.
fn features(journal: &[u8]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in journal
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let line: Value = serde_json::from_slice(line).unwrap();
        for part in ["event", "facts", "effects", "origin", "opened"] {
            collect(part, &line[part], &mut found);
        }
    }
    found
}

fn collect(path: &str, value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => object
            .iter()
            .for_each(|(key, value)| collect(&format!("{path}/{key}"), value, found)),
        Value::Array(array) => array.iter().for_each(|value| collect(path, value, found)),
        Value::String(text)
            if text.len() < 32 && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') =>
        {
            found.insert(format!("{path}={text}"));
        }
        _ => {
            found.insert(path.to_owned());
        }
    }
}

/// What no story needs, but a journal may hold: a title, keys, every setting.
fn the_rest(world: &mut World) {
    let retitled = session::Event::Retitled {
        title: "Mend the roof".into(),
    };
    world.user(Event::Session(retitled)).unwrap();
    let everything = Settings {
        model: Sourced {
            value: Some("scripted/other".parse().unwrap()),
            from: Source {
                layer: Layer::Project,
                file: Some("/work/.glasswork/settings.ron".into()),
                line: Some(3),
            },
        },
        ..settings()
    };
    for setting in everything.all() {
        world.set(setting);
    }
    world
        .user(Event::Prompt(prompt::Event::Prompted {
            result: None,
            text: "go".into(),
            max_steps: Some(3),
            images: vec![],
            key: Some("first".into()),
        }))
        .unwrap();
    world.connect();
    for (key, follows) in [("second", false), ("third", true)] {
        let (text, key) = ("more".into(), Some(key.into()));
        world.ask(match follows {
            true => prompt::Event::FollowedUp { text, key },
            false => prompt::Event::Steered { text, key },
        });
    }
    world.stream(vec![StreamEvent::Usage(usage(7, 3))]);
    world.fail(FailureClass::RateLimit, Some(1_000));
}

/// A branch is being left, and its summary has begun to come.
fn a_branch_is_being_left(world: &mut World) {
    for name in ["one", "two"] {
        world.prompt(name);
        world.answer(&format!("to {name}"));
    }
    let entries = world.entries();
    let (entry, label) = (entries[0], Some("here".into()));
    world.tree(tree::Event::Labelled { entry, label }).unwrap();
    world.tree(tree::Event::Pinned { entry, pinned: true }).unwrap();
    let leave = |world: &mut World, to, key: &str| {
        let left = tree::Event::BranchLeft {
            to,
            focus: Some("the roof".into()),
            key: Some(key.into()),
        };
        world.tree(left).unwrap();
        world.prompt("go on");
        world.connect();
    };
    leave(world, Some(entries[1]), "first");
    world.finish(
        vec![finished(0, Block::Text("in vain".into()))],
        StopReason::EndOfTurn,
    );
    world.answer("so it is");
    leave(world, None, "second");
    world.stream(vec![began(0), delta(0, "it was ")]);
}

/// What is old is being summarised, and the summary has begun to come.
fn a_conversation_is_being_compacted(world: &mut World) {
    for name in ["one", "two", "three"] {
        world.prompt(name);
        world.answer(&format!("to {name} {}", "words ".repeat(200)));
    }
    let focus = Some("the roof".into());
    let requested = Event::Compaction(compaction::Event::Requested { focus, key: None });
    world.user(requested.clone()).unwrap();
    world.answer("notes");
    for name in ["four", "five", "six"] {
        world.prompt(name);
        world.answer(&format!("to {name} {}", "words ".repeat(200)));
    }
    world.user(requested).unwrap();
    world.connect();
    world.stream(vec![began(0), delta(0, "it was ")]);
}

/// A story and its name.
type Story = (&'static str, fn(&mut World));

/// The stories that end where a state has what it has nowhere else: they are kept whatever else is.
const ENDINGS: &[Story] = &[
    ("a_branch_is_being_left", a_branch_is_being_left),
    (
        "a_conversation_is_being_compacted",
        a_conversation_is_being_compacted,
    ),
];

/// Writes the stories that together, and with those that are there, hold all that any of them holds.
fn write(folder: &Path) {
    let rest: Story = ("what_no_story_needs", the_rest);
    let mut held = BTreeSet::new();
    for schema in 1..=Glasswork::SCHEMA {
        for entry in fs::read_dir(self::folder(schema)).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "jsonl") {
                held.extend(features(&fs::read(path).unwrap()));
            }
        }
    }
    let mut told: Vec<_> = scenarios::ALL
        .iter()
        .chain(ENDINGS)
        .chain([&rest])
        .map(|(name, story)| {
            let mut world = World::new();
            story(&mut world);
            (name, features(&world.journal), world)
        })
        .collect();
    told.sort_by_key(|(_, features, _)| std::cmp::Reverse(features.len()));
    for (name, features, world) in told {
        let ends = ENDINGS.iter().any(|(ending, _)| ending == name);
        let exists = folder.join(format!("{name}.jsonl")).exists();
        if exists || (features.is_subset(&held) && !ends) {
            continue;
        }
        held.extend(features);
        fs::create_dir_all(folder).unwrap();
        let state = serde_json::to_string_pretty(&world.state).unwrap();
        fs::write(folder.join(format!("{name}.jsonl")), &world.journal).unwrap();
        fs::write(folder.join(format!("{name}.state.json")), state + "\n").unwrap();
    }
}

#[test]
fn journals_of_every_schema_lead_to_the_state_that_they_led_to() {
    for schema in 1..=Glasswork::SCHEMA {
        let folder = folder(schema);
        if schema == Glasswork::SCHEMA {
            match std::env::var_os("WRITE_FIXTURES") {
                Some(_) => write(&folder),
                // They are written before the schema is raised again: until then this one may still grow.
                None if !folder.exists() => continue,
                None => {}
            }
        }
        let mut journals = 0;
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "jsonl") {
                continue;
            }
            journals += 1;
            let name = path.display();
            let journal = fs::read(&path).unwrap();
            let kept = fs::read(path.with_extension("state.json")).unwrap();
            let kept: Value = serde_json::from_slice(&kept).unwrap();
            let loaded = load::<Glasswork>(&journal).unwrap_or_else(|damage| panic!("{name}: {damage}"));
            assert_eq!(loaded.breach, None, "{name}");
            let state = serde_json::to_value(&loaded.scope.state).unwrap();
            assert_eq!(lacks(&kept, &state), None, "{name}");
            let replayed = replay::<Glasswork>(&journal).unwrap();
            assert_eq!(replayed.differences, [], "{name}");
            assert_eq!(replayed.loaded.scope, loaded.scope, "{name}");
        }
        assert!(journals > 0, "{}", folder.display());
    }
}

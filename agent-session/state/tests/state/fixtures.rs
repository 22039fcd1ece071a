//! Journals of every schema that there ever was, kept for ever: each loads, decides the same again, and leads to the
//! state that it led to when it was written.
//!
//! They were written by the build whose schema they have. `WRITE_FIXTURES=1` writes those of the present schema where
//! there are none yet; a fixture that exists is never written again.
#![allow(clippy::disallowed_methods, reason = "what is kept lies in files")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use glasswork_ai::failure::FailureClass;
use glasswork_ai::stream::StreamEvent;
use glasswork_engine::Domain;
use glasswork_engine::load::load;
use glasswork_engine::replay::replay;
use glasswork_session_state::domain::{Event, Glasswork};
use glasswork_session_state::settings::{Layer, Settings, Source, Sourced};
use glasswork_session_state::{prompt, session};
use serde_json::Value;

use crate::kept::lacks;
use crate::scenarios;
use crate::world::{World, settings, usage};

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
            text: "go".into(),
            max_steps: Some(3),
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

/// Writes the stories that together hold all that any of them holds.
fn write(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let rest: (&str, fn(&mut World)) = ("what_no_story_needs", the_rest);
    let mut told: Vec<_> = scenarios::ALL
        .iter()
        .chain([&rest])
        .map(|(name, story)| {
            let mut world = World::new();
            story(&mut world);
            (name, features(&world.journal), world)
        })
        .collect();
    told.sort_by_key(|(_, features, _)| std::cmp::Reverse(features.len()));
    let mut held = BTreeSet::new();
    for (name, features, world) in told {
        if features.is_subset(&held) {
            continue;
        }
        held.extend(features);
        let state = serde_json::to_string_pretty(&world.state).unwrap();
        fs::write(folder.join(format!("{name}.jsonl")), &world.journal).unwrap();
        fs::write(folder.join(format!("{name}.state.json")), state + "\n").unwrap();
    }
}

#[test]
fn journals_of_every_schema_lead_to_the_state_that_they_led_to() {
    for schema in 1..=Glasswork::SCHEMA {
        let folder = folder(schema);
        if schema == Glasswork::SCHEMA && !folder.exists() {
            if std::env::var_os("WRITE_FIXTURES").is_none() {
                // They are written before the schema is raised again: until then this one may still grow.
                continue;
            }
            write(&folder);
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

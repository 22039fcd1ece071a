//! The version of the state is raised when the state changes, and its digests tell what a state consists of.
#![allow(clippy::disallowed_methods, reason = "what is kept lies in files")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use glasswork_engine::Domain;
use glasswork_engine::digest::Digest;
use glasswork_engine::load::{Fold, load};
use glasswork_session_state::domain::Glasswork;
use serde::{Deserialize, Serialize};

/// What the journals that are kept led to, under one version of the state.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Shape {
    state: u32,
    digests: BTreeMap<String, Digest>,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testkit/fixtures")
}

/// The journals that are kept, by their path, oldest schema first.
fn journals() -> BTreeMap<String, Vec<u8>> {
    let mut journals = BTreeMap::new();
    for schema in 1..=Glasswork::SCHEMA {
        let name = format!("schema-{schema}/stories");
        for entry in fs::read_dir(fixtures().join(&name)).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "jsonl") {
                let file = path.file_name().unwrap().to_str().unwrap();
                journals.insert(format!("{name}/{file}"), fs::read(&path).unwrap());
            }
        }
    }
    assert!(journals.len() > 5, "{}", journals.len());
    journals
}

/// A checkpoint of an earlier build holds what the same lines led to then. If they lead to something else now, however
/// small the difference, checkpoints and digests with the old version must not be used.
#[test]
fn the_state_version_is_raised_when_the_same_journals_lead_to_something_else() {
    let file = fixtures().join("state.json");
    let shape = Shape {
        state: Glasswork::STATE,
        digests: journals()
            .into_iter()
            .map(|(name, journal)| {
                (
                    name,
                    Digest::of(&load::<Glasswork>(&journal).unwrap().scope.state),
                )
            })
            .collect(),
    };
    let kept: Option<Shape> = fs::read(&file)
        .ok()
        .map(|text| serde_json::from_slice(&text).unwrap());
    if let Some(kept) = kept.filter(|kept| kept.state == shape.state) {
        for (name, digest) in &kept.digests {
            assert_eq!(
                Some(digest),
                shape.digests.get(name),
                "{name} leads to a state that is written down otherwise than before: raise `Glasswork::STATE`, then \
                 run this test once with UPDATE_STATE=1"
            );
        }
        if kept == shape {
            return;
        }
    }
    assert!(
        std::env::var_os("UPDATE_STATE").is_some(),
        "a journal or a version is new: run this test once with UPDATE_STATE=1, and commit {}",
        file.display()
    );
    fs::write(&file, serde_json::to_string_pretty(&shape).unwrap() + "\n").unwrap();
}

/// Noting what each commit changes comes to the same as noting everything at the end.
#[test]
fn what_entities_change_adds_up_to_what_they_are() {
    for (name, journal) in journals() {
        let mut noted = BTreeMap::new();
        let mut fold = Fold::<Glasswork>::with_deltas();
        let mut before = None;
        for line in journal
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            fold.line(line).unwrap();
            let after = fold.scope().unwrap().state.clone();
            Glasswork::entities(before.as_ref(), &after, &mut |entity, digest| {
                match digest {
                    Some(digest) => noted.insert(entity.to_owned(), digest),
                    None => noted.remove(entity),
                };
            });
            Glasswork::entities(Some(&after), &after, &mut |entity, _| {
                panic!("{name}: nothing has changed, and yet {entity} has");
            });
            before = Some(after);
        }
        let mut whole = BTreeMap::new();
        Glasswork::entities(None, &before.unwrap(), &mut |entity, digest| {
            whole.extend(digest.map(|digest| (entity.to_owned(), digest)));
        });
        assert_eq!(noted, whole, "{name}");
        let kinds: Vec<_> = ["entry 1", "session meta", "context", "request 1"]
            .into_iter()
            .filter(|kind| !whole.keys().any(|entity| entity.starts_with(kind)))
            .collect();
        assert!(kinds.len() < 3, "{name} has no {kinds:?}");
    }
}

//! What `docs/graph-parity.md` names exists, and what there is to be asked first is named there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use glasswork_session_state::settings::Mode;

use crate::world::World;

/// The fields of each type of the schema.
fn fields() -> BTreeMap<String, BTreeSet<String>> {
    let query = "{ __schema { types { name fields { name } } } }";
    let types = World::new(Mode::Ask).ask(query);
    let types = types["__schema"]["types"].as_array().unwrap();
    let name = |value: &serde_json::Value| value["name"].as_str().unwrap().to_owned();
    let fields = |kind: &serde_json::Value| {
        let fields = kind["fields"].as_array().into_iter().flatten();
        fields.map(name).collect()
    };
    types.iter().map(|kind| (name(kind), fields(kind))).collect()
}

/// What stands in backticks as `Type.field`.
fn named(page: &str) -> BTreeSet<(String, String)> {
    let quoted = page.split('`').skip(1).step_by(2);
    let names = quoted.filter_map(|text| text.split_once('.'));
    names
        .filter(|(kind, field)| {
            let word = |text: &str| text.chars().all(|char| char.is_ascii_alphanumeric());
            kind.starts_with(|first: char| first.is_ascii_uppercase()) && word(kind) && word(field)
        })
        .map(|(kind, field)| (kind.to_owned(), field.to_owned()))
        .collect()
}

fn page() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/graph-parity.md");
    std::fs::read_to_string(file).unwrap()
}

#[test]
fn every_field_that_the_page_names_exists() {
    let fields = fields();
    let named = named(&page());
    assert!(named.len() > 100, "{named:?}");
    let gone: Vec<_> = named
        .iter()
        .filter(|(kind, field)| !fields.get(kind).is_some_and(|fields| fields.contains(field)))
        .collect();
    assert!(
        gone.is_empty(),
        "docs/graph-parity.md names what is not there: {gone:?}"
    );
}

#[test]
fn every_field_of_the_root_of_sessions_and_of_the_host_is_on_the_page() {
    let fields = fields();
    let named = named(&page());
    for kind in ["Query", "Session", "Host"] {
        let missing: Vec<_> = fields[kind]
            .iter()
            .filter(|field| !named.contains(&(kind.to_owned(), (*field).clone())))
            .collect();
        assert!(
            missing.is_empty(),
            "docs/graph-parity.md does not say where these fields of {kind} belong: {missing:?}"
        );
    }
}

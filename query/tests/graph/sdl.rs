use std::path::Path;

use crate::world::World;
use glasswork_session_state::settings::Mode;

/// Run with `UPDATE_SCHEMA=1` to write the file anew: `UPDATE_SCHEMA=1 cargo test -p glasswork-query sdl`.
#[test]
fn docs_hold_the_schema_that_runs() {
    let sdl = World::new(Mode::Ask).graph().sdl();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema.graphql");
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &sdl).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == sdl,
        "docs/schema.graphql is not the schema that runs; write it anew with\n  \
         UPDATE_SCHEMA=1 cargo test -p glasswork-query sdl"
    );
}

/// A type or a field without a description cannot be understood from outside.
#[test]
fn everything_is_described() {
    let query =
        "{ __schema { types { name description fields { name description } inputFields { name description }
        enumValues { name description } } } }";
    let types = World::new(Mode::Ask).ask(query);
    let mut silent = Vec::new();
    for kind in types["__schema"]["types"].as_array().unwrap() {
        let name = kind["name"].as_str().unwrap();
        // These the library writes, with their fields described but not themselves.
        if name.starts_with("__") || name.ends_with("Connection") || name == "ID" {
            continue;
        }
        if kind["description"].is_null() {
            silent.push(name.to_owned());
        }
        for list in ["fields", "inputFields", "enumValues"] {
            for part in kind[list].as_array().into_iter().flatten() {
                if part["description"].is_null() {
                    silent.push(format!("{name}.{}", part["name"].as_str().unwrap()));
                }
            }
        }
    }
    assert_eq!(silent, Vec::<String>::new());
}

//! Which crate may know which. An edge that is not in this list does not compile into the house.

use std::collections::BTreeMap;
use std::process::Command;

/// A crate, and the crates of this workspace that it may use. `None`: anything (it only composes).
type Rule = (&'static str, Option<&'static [&'static str]>);

const ENGINE: &str = "glasswork-engine";
const AI: &str = "glasswork-ai";
const DIALECTS: &str = "glasswork-dialects";
const CORE: &str = "glasswork-agent-core";
const STATE: &str = "glasswork-session-state";
const SESSION: &str = "glasswork-agent-session";
const RUNTIME: &str = "glasswork-app-runtime";

const RULES: &[Rule] = &[
    (ENGINE, Some(&[])),
    (DIALECTS, Some(&[])),
    (AI, Some(&[DIALECTS])),
    (CORE, Some(&[ENGINE, AI])),
    (STATE, Some(&[ENGINE, AI, CORE])),
    (SESSION, Some(&[ENGINE, AI, CORE, STATE])),
    (RUNTIME, Some(&[ENGINE, AI, CORE, STATE, SESSION])),
    // Of what lies below app-runtime these two use data types alone: ids, charts, blocks, settings.
    ("glasswork-query", Some(&[ENGINE, AI, CORE, STATE, RUNTIME])),
    ("glasswork-client", Some(&[])),
    (
        "glasswork-rpc",
        // Both ends of a wire are made of the same types.
        Some(&[
            ENGINE,
            AI,
            CORE,
            STATE,
            RUNTIME,
            "glasswork-query",
            "glasswork-client",
        ]),
    ),
    ("glasswork-tui", Some(&["glasswork-client"])),
    // The crate of the `glasswork` binary, by either name.
    ("glasswork", None),
    ("glasswork-cli", None),
    ("glasswork-testkit", None),
];

/// What only tests may use, and what is meant for the file that composes alone.
const NOBODY_BUILDS_ON: &[&str] = &["glasswork", "glasswork-cli", "glasswork-testkit"];

/// Pure crates, and what they must not reach, directly or through others.
const PURE: &[&str] = &[DIALECTS, CORE, STATE];
const IMPURE: &[&str] = &[
    "tokio",
    "reqwest",
    "crossbeam-channel",
    "rusqlite",
    "rand",
    "getrandom",
];

/// Edges of normal and build dependencies, by name.
type Graph = BTreeMap<String, Vec<String>>;

fn breaches(graph: &Graph) -> Vec<String> {
    let mut found = Vec::new();
    let names: Vec<_> = RULES.iter().map(|(name, _)| *name).collect();
    for (from, used) in graph {
        let Some((_, allowed)) = RULES.iter().find(|(name, _)| name == from) else {
            found.push(format!("{from} has no place in the house: give it a rule"));
            continue;
        };
        for to in used
            .iter()
            .filter(|to| names.contains(&to.as_str()) && *to != from)
        {
            if NOBODY_BUILDS_ON.contains(&to.as_str()) {
                found.push(format!("{from} builds on {to}, on which nothing may"));
            } else if allowed.is_some_and(|allowed| !allowed.contains(&to.as_str())) {
                found.push(format!("{from} must not know {to}"));
            }
        }
        if from == STATE && used.iter().any(|to| to == "serde_json") {
            // The order of its members depends on what else is in a build.
            found.push(format!("{from} must hold no `serde_json::Value`"));
        }
        if PURE.contains(&from.as_str()) {
            let impure = used.iter().filter(|to| IMPURE.contains(&to.as_str()));
            found.extend(impure.map(|to| format!("{from} is pure and must not use {to}")));
        }
    }
    found
}

/// What the pure crates build, all of it: the features that they ask of others count.
fn tree(package: &str) -> String {
    cargo(&[
        "tree",
        "--package",
        package,
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ])
}

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(arguments)
        .args([
            "--offline",
            "--manifest-path",
            concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"),
        ])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn workspace() -> Graph {
    let metadata = cargo(&["metadata", "--format-version", "1", "--no-deps"]);
    let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap().iter();
            let built = dependencies.filter(|dependency| dependency["kind"] != "dev");
            (
                text(&package["name"]),
                built.map(|dependency| text(&dependency["name"])).collect(),
            )
        })
        .collect()
}

#[test]
fn no_crate_knows_one_that_lies_above_it() {
    let graph = workspace();
    assert!(graph.contains_key(ENGINE));
    assert_eq!(breaches(&graph), Vec::<String>::new());
}

#[test]
fn what_the_pure_crates_build_holds_no_runtime_no_network_and_no_database() {
    for package in PURE {
        let built = tree(package);
        let names: Vec<_> = built.lines().filter_map(|line| line.split(' ').next()).collect();
        assert!(names.contains(package));
        for impure in ["tokio", "reqwest", "crossbeam-channel", "rusqlite", "axum"] {
            assert!(!names.contains(&impure), "{package} builds {impure}:\n{built}");
        }
    }
}

/// The checker finds what it is for.
#[test]
fn a_forbidden_edge_is_found() {
    type Edges<'a> = &'a [(&'a str, &'a [&'a str])];
    let graph = |edges: Edges<'_>| -> Graph {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        edges
            .iter()
            .map(|(from, to)| ((*from).to_owned(), owned(to)))
            .collect()
    };
    let cases: [(Edges<'_>, &[&str]); 7] = [
        (
            &[(CORE, &[ENGINE, AI, "serde"]), ("glasswork", &[ENGINE, SESSION])],
            &[],
        ),
        (
            &[(ENGINE, &[CORE])],
            &["glasswork-engine must not know glasswork-agent-core"],
        ),
        (
            &[("glasswork-query", &[SESSION])],
            &["glasswork-query must not know glasswork-agent-session"],
        ),
        (
            &[(RUNTIME, &["glasswork-testkit"])],
            &["glasswork-app-runtime builds on glasswork-testkit, on which nothing may"],
        ),
        (
            &[(STATE, &["tokio"])],
            &["glasswork-session-state is pure and must not use tokio"],
        ),
        (
            &[(STATE, &["serde_json"])],
            &["glasswork-session-state must hold no `serde_json::Value`"],
        ),
        (
            &[("glasswork-attic", &[])],
            &["glasswork-attic has no place in the house: give it a rule"],
        ),
    ];
    for (edges, expected) in cases {
        assert_eq!(breaches(&graph(edges)), expected, "{edges:?}");
    }
}

//! A graph that nobody asks costs next to nothing: its schema is made for the first one who does. A binary of its own,
//! because the allocator counts what all threads ask of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test that meets what it did not expect shall stop there"
)]

use std::alloc::System;
use std::sync::Arc;

use glasswork_app_runtime::files::FileArchive;
use glasswork_app_runtime::reading::{Reader, Viewer};
use glasswork_query::Graph;
use serde_json::Value;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What comes of something, and how many bytes were allocated for it, kept or not.
fn counted<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let region = Region::new(ALLOCATOR);
    let made = work();
    (made, region.change().bytes_allocated)
}

#[test]
fn the_schema_is_made_for_whoever_asks_first() {
    /// What a schema of hundreds of types takes at the very least.
    const SCHEMA: usize = 1 << 19;
    let home = tempfile::TempDir::new().unwrap();
    let archive = FileArchive::open(home.path().join("data")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let ask = |graph: &Graph| {
        let asked = graph.execute(Viewer::owner(), "{ __typename }", Value::Null, None);
        runtime.block_on(asked).to_json().unwrap()
    };
    let (graph, unasked) = counted(|| {
        let graph = Graph::new(Reader::new(None, Arc::new(archive))).with_models(Arc::default());
        // Those to whom it is handed share it, and what is refused for its text needs none either.
        let shared = graph.clone();
        assert!(shared.prepare("{", Value::Null, None).is_err());
        graph
    });
    assert!(unasked < SCHEMA / 8, "{unasked} bytes before anybody has asked");
    let (answer, first) = counted(|| ask(&graph.clone()));
    assert_eq!(answer, serde_json::json!({ "data": { "__typename": "Query" } }));
    assert!(first > SCHEMA, "{first} bytes for the first query");
    // Whoever comes next has the same one, by whichever clone.
    let (_, next) = counted(|| ask(&graph));
    assert!(next < SCHEMA / 8, "{next} bytes for the next query");
}

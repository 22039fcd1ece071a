//! What a question to the graph costs where a thousand sessions of five hundred entries are mounted.
//!
//! `cargo bench -p glasswork-query --bench graph [-- SESSIONS]`; medians of 500 questions each.

// A bench ends by panicking where its ground gives way, and uses a part of what is shared.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    dead_code,
    missing_docs,
    unreachable_pub
)]

#[path = "../../app-runtime/benches/long/session.rs"]
mod long;

use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Instant;

use glasswork_agent_session::store::StoreError;
use glasswork_app_runtime::archive::{Archive, ArchivedSession, Record, Vault as _};
use glasswork_app_runtime::files::FileArchive;
use glasswork_app_runtime::reading::{Reader, Viewer};
use glasswork_engine::load::Loaded;
use glasswork_engine::replay::Replayed;
use glasswork_engine::test_support::wait;
use glasswork_engine::trace::TraceRecord;
use glasswork_engine::{Commit, ScopeId, Timestamp};
use glasswork_query::Graph;
use glasswork_session_state::Glasswork;
use glasswork_session_state::settings::{Layer, Setting, Sourced};
use glasswork_session_state::state::Kind;
use glasswork_session_state::{Event, session};
use serde_json::Value;

use long::{ENTRIES, House};

const QUESTIONS: usize = 500;
const HELD: usize = 500;

const PAGE: &str = "query($id: String!, $at: Long) { session(id: $id, at: $at) { id seq asOf state
    meta { title workspace } turn { state } waitingFor { __typename }
    entries(newest: 20) { edges { cursor node { id kind preview } } pageInfo { hasNextPage endCursor } } } }";
/// From the beginning: the branch is walked from its leaf to its root.
const BEGINNING: &str = "query($id: String!) { session(id: $id) {
    entries(first: 20) { edges { cursor node { id kind preview } } pageInfo { hasNextPage endCursor } } } }";
const LIST: &str = "{ sessions(first: 50) { edges { cursor node { id seq updated bytes loaded } }
    pageInfo { hasNextPage endCursor } } }";

fn main() {
    let sessions = std::env::args()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(1_000);
    let house = House::new();
    let ids: Vec<_> = (0..sessions)
        .map(|number| {
            let id = house.vacant();
            (0..HELD / ENTRIES).for_each(|_| house.turn(id, 200, 0));
            if number % 100 == 0 {
                eprint!(".");
            }
            id
        })
        .collect();
    eprintln!();
    let rows = Rows::of(&house, &ids);
    let tasks = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let graph = Graph::new(Reader::new(Some(house.engine.reader()), Arc::new(rows)));
    let ask = |query: &str, variables: Value| {
        let begun = Instant::now();
        let response = tasks.block_on(graph.execute(Viewer::owner(), query, variables, None));
        let took = begun.elapsed().as_secs_f64() * 1e6;
        assert_eq!(response.errors(), []);
        took
    };
    show("the least that can be asked", || {
        ask("{ __typename }", Value::Null)
    });
    let turn = RefCell::new(ids.iter().cycle());
    let next = || turn.borrow_mut().next().unwrap();
    let page =
        |id: &ScopeId, at: Option<u64>| ask(PAGE, serde_json::json!({ "id": id.to_string(), "at": at }));
    show("the page of each in turn, its newest 20 entries", || {
        page(next(), None)
    });
    show("the first 20 entries of each in turn", || {
        ask(BEGINNING, serde_json::json!({ "id": next().to_string() }))
    });
    // In the ring are the newest states; those of the last session are.
    let id = ids.last().unwrap();
    for steps in 0..20 {
        let set = Setting::MaxSteps(Sourced::from_layer(steps + 1, Layer::Session));
        house.send(*id, Event::Session(session::Event::SettingChanged(set)));
    }
    let seq = house.engine.reader().scope(*id).unwrap().seq;
    show("one session's page again and again, now", || page(id, None));
    show("one session's page again and again, 10 commits ago", || {
        page(id, Some(seq - 10))
    });
    show("a list of 50, with the rows in memory", || ask(LIST, Value::Null));
    house.engine.stop();
    drop(house);
    from_files(&tasks, sessions);
}

/// The same list where rows come from as many journals.
fn from_files(tasks: &tokio::runtime::Runtime, sessions: usize) {
    let home = tempfile::tempdir().unwrap();
    let archive = FileArchive::open(home.path()).unwrap();
    let (vault, journal, trace) = archive.writing().unwrap();
    let house = House::on(journal, trace);
    for _ in 0..sessions {
        let id = ScopeId::mint();
        house.open(vault.create(id, Kind::Session, Timestamp(0)).unwrap());
        house.turn(id, 200, 0);
        wait(house.engine.unmount(id)).unwrap();
        vault.release(id);
    }
    let reader = Reader::new(Some(house.engine.reader()), Arc::new(archive.clone()));
    let graph = Graph::new(reader);
    let last = archive.list().unwrap()[0].id.to_string();
    let ask = |query: &str, variables: Value| {
        let begun = Instant::now();
        let response = tasks.block_on(graph.execute(Viewer::owner(), query, variables, None));
        let took = begun.elapsed().as_secs_f64() * 1e6;
        assert_eq!(response.errors(), []);
        took
    };
    show("a list of 50, with the rows in files", || ask(LIST, Value::Null));
    show("the page of an unloaded session of 4 entries", || {
        ask(PAGE, serde_json::json!({ "id": last }))
    });
    house.engine.stop();
}

fn show(what: &str, mut ask: impl FnMut() -> f64) {
    let mut took: Vec<_> = (0..QUESTIONS).map(|_| ask()).collect();
    took.sort_by(f64::total_cmp);
    let (low, median, high) = (
        took[QUESTIONS / 20],
        took[QUESTIONS / 2],
        took[QUESTIONS * 19 / 20],
    );
    println!("{what:52} median {median:8.0} µs   ({low:.0}–{high:.0})");
}

/// An archive of which only the list is known, as an index would have it.
struct Rows(Vec<ArchivedSession>);

impl Rows {
    fn of(house: &House, ids: &[ScopeId]) -> Self {
        let row = |id: &ScopeId| {
            let scope = house.engine.reader().scope(*id).unwrap();
            ArchivedSession {
                created: scope.at,
                updated: Some(scope.at),
                seq: scope.seq,
                bytes: 1,
                ..ArchivedSession::bare(*id)
            }
        };
        Self(ids.iter().rev().map(row).collect())
    }
}

impl Archive for Rows {
    fn list(&self) -> Result<Vec<ArchivedSession>, StoreError> {
        Ok(self.0.clone())
    }

    fn find(&self, text: &str) -> Result<ScopeId, StoreError> {
        Ok(text.parse().unwrap())
    }

    fn load(&self, _: ScopeId, _: Option<u64>) -> Result<Loaded<Glasswork>, StoreError> {
        panic!("everything that is asked is in memory")
    }

    fn replay(&self, _: &Record, _: Option<u64>) -> Result<Replayed<Glasswork>, StoreError> {
        panic!("everything that is asked is in memory")
    }

    fn commits(&self, _: ScopeId, _: RangeInclusive<u64>) -> Result<Vec<Arc<Commit<Glasswork>>>, StoreError> {
        panic!("everything that is asked is in memory")
    }

    fn traces(&self, _: ScopeId) -> Result<Vec<Arc<TraceRecord>>, StoreError> {
        panic!("everything that is asked is in memory")
    }
}

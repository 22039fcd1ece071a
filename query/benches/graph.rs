//! The graph's row of the budget: questions over 1,000 mounted sessions of 500 entries each.
//!
//! Each question is asked as a caller asks it: parsed, checked, handed to a thread, answered, turned into JSON text.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a bench that cannot go on says so by a panic"
)]

use std::ops::RangeInclusive;
use std::sync::{Arc, LazyLock};

use divan::Bencher;
use glasswork_agent_session::store::StoreError;
use glasswork_ai::conversation::Block;
use glasswork_ai::stream::{StopReason, StreamEvent};
use glasswork_app_runtime::archive::{Archive, ArchivedSession, Record};
use glasswork_app_runtime::reading::{Reader, Viewer};
use glasswork_engine::load::Loaded;
use glasswork_engine::replay::Replayed;
use glasswork_engine::test_support::Fixture;
use glasswork_engine::trace::TraceRecord;
use glasswork_engine::{Commit, ScopeId};
use glasswork_query::Graph;
use glasswork_session_state::settings::{Layer, Settings, Sourced};
use glasswork_session_state::state::Kind;
use glasswork_session_state::{Event, Glasswork, model, prompt, session};
use serde_json::Value;
use tokio::runtime::Runtime;

const SESSIONS: usize = 1_000;
const TURNS: usize = 250;

/// Knows the rows of the list; everything else is in memory.
struct Rows(Vec<ArchivedSession>);

impl Archive for Rows {
    fn list(&self) -> Result<Vec<ArchivedSession>, StoreError> {
        Ok(self.0.clone())
    }
    fn find(&self, text: &str) -> Result<ScopeId, StoreError> {
        Err(StoreError::Unknown {
            wanted: text.to_owned(),
        })
    }
    fn load(&self, session: ScopeId, _: Option<u64>) -> Result<Loaded<Glasswork>, StoreError> {
        Err(StoreError::Unknown {
            wanted: session.to_string(),
        })
    }
    fn replay(&self, _: &Record, _: Option<u64>) -> Result<Replayed<Glasswork>, StoreError> {
        Err(StoreError::Unknown {
            wanted: String::new(),
        })
    }
    fn commits(
        &self,
        session: ScopeId,
        _: RangeInclusive<u64>,
    ) -> Result<Vec<Arc<Commit<Glasswork>>>, StoreError> {
        Err(StoreError::Unknown {
            wanted: session.to_string(),
        })
    }
    fn traces(&self, _: ScopeId) -> Result<Vec<Arc<TraceRecord>>, StoreError> {
        Ok(Vec::new())
    }
}

struct World {
    graph: Graph,
    runtime: Runtime,
    session: String,
    seq: u64,
    /// Keeps the engine alive.
    _engine: Fixture<Glasswork>,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let engine = Fixture::<Glasswork>::default().unguarded();
    let mut rows = Vec::new();
    for _ in 0..SESSIONS {
        let id = engine.create(Kind::Session);
        let model = Some("scripted/test".parse().unwrap());
        let settings = Settings {
            model: Sourced::from_layer(model, Layer::Flag),
            ..Settings::default()
        };
        engine.accept(
            id,
            Event::Session(session::Event::Opened {
                workspace: "/work".into(),
                title: None,
                settings: Box::new(settings),
                system: vec![],
                tools: vec![],
            }),
        );
        for turn in 0..TURNS {
            let text = format!("Prompt {turn}: what does this do?").into();
            engine.accept(
                id,
                Event::Prompt(prompt::Event::Prompted {
                    text,
                    max_steps: None,
                    key: None,
                }),
            );
            let block = Block::Text(format!("Answer {turn}: it does what it says.").into());
            engine
                .runner
                .next()
                .port
                .finish(Event::Model(model::Event::Answered {
                    body: None,
                    steps: vec![StreamEvent::BlockFinished { index: 0, block }],
                    outcome: model::Outcome::Finished(StopReason::EndOfTurn),
                }));
            engine.fence();
        }
        let scope = engine.scope(id);
        let (seq, updated) = (scope.seq, Some(scope.at));
        rows.push(ArchivedSession {
            updated,
            seq,
            ..ArchivedSession::bare(id)
        });
    }
    rows.reverse();
    let newest = rows[0].clone();
    World {
        graph: Graph::new(Reader::new(Some(engine.reader.clone()), Arc::new(Rows(rows)))),
        runtime: tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_time()
            .build()
            .unwrap(),
        session: newest.id.to_string(),
        seq: newest.seq,
        _engine: engine,
    }
});

fn ask(bencher: Bencher<'_, '_>, query: impl FnOnce(&World) -> String) {
    let world = &*WORLD;
    let query = query(world);
    let answer = || {
        let response =
            world
                .runtime
                .block_on(world.graph.execute(Viewer::owner(), &query, Value::Null, None));
        serde_json::to_string(&response).unwrap()
    };
    assert!(!answer().contains("\"errors\""), "{}", answer());
    bencher.bench_local(answer);
}

#[divan::bench]
fn version(bencher: Bencher<'_, '_>) {
    ask(bencher, |_| "{ __typename }".to_owned());
}

#[divan::bench]
fn page_of_a_session(bencher: Bencher<'_, '_>) {
    ask(bencher, |world| {
        format!(
            "{{ session(id: \"{}\") {{ id seq state meta {{ title }} turn {{ state steps }}
                entries(newest: 50) {{ nodes {{ id kind text }} }} }} }}",
            world.session
        )
    });
}

#[divan::bench]
fn list_of_50(bencher: Bencher<'_, '_>) {
    ask(bencher, |_| {
        "{ sessions(first: 50) { nodes { id seq updated loaded damage } } }".to_owned()
    });
}

#[divan::bench]
fn past_in_the_ring(bencher: Bencher<'_, '_>) {
    ask(bencher, |world| {
        format!(
            "{{ session(id: \"{}\", at: {}) {{ id seq state entryCount }} }}",
            world.session,
            world.seq - 20
        )
    });
}

#[divan::bench]
fn present(bencher: Bencher<'_, '_>) {
    ask(bencher, |world| {
        format!(
            "{{ session(id: \"{}\") {{ id seq state entryCount }} }}",
            world.session
        )
    });
}

#[divan::bench]
fn difference_of_a_commit(bencher: Bencher<'_, '_>) {
    ask(bencher, |world| {
        format!(
            "{{ dispatch(id: \"{}/{}\") {{ stateDiff {{ changes {{ kind before after }} }} }} }}",
            world.session, world.seq
        )
    });
}

fn main() {
    divan::main();
}

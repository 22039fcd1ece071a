//! What a long answer costs in memory, counted by the allocator.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use std::alloc::System;
use std::sync::Arc;

use glasswork_ai::stream::{BlockKind, StreamEvent};
use glasswork_engine::journal::{Appended, Journal, Line, Reporter};
use glasswork_engine::line::Chain;
use glasswork_engine::load::Loaded;
use glasswork_engine::test_support::{ManualRunner, wait};
use glasswork_engine::{Engine, FeedItem, Follower, Limits, Parts, Party, ScopeId, SystemClock};
use glasswork_session_state::settings::{Layer, Setting, Settings, Sourced};
use glasswork_session_state::state::{Kind, Scope};
use glasswork_session_state::{Event, Glasswork, model, prompt, session};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Keeps nothing, so that only the engine's own memory is counted.
struct Forgetting;

impl Journal for Forgetting {
    fn start(&mut self, _: Reporter) {}
    fn append(&mut self, _: Line) -> Appended {
        Appended::Synced
    }
    fn unmounted(&mut self, _: ScopeId) {}
}

fn settle(follower: &mut Follower<Glasswork>) {
    match wait(follower.next()) {
        FeedItem::Commit(_) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_megabyte_in_33_000_commits_adds_at_most_four() {
    const DELTAS: usize = 33_000;
    const TEXT: &str = "thirty-two letters, or so it is.";
    let runner = ManualRunner::<Glasswork>::default();
    let engine = Engine::start(Parts {
        journal: Box::new(Forgetting),
        runner: Arc::new(runner.clone()),
        clock: Arc::new(SystemClock::default()),
        trace: Box::new(()),
        limits: Limits::default(),
    })
    .unwrap();
    let id = ScopeId::from_u128(1);
    wait(engine.mount(Loaded::vacant(id, Kind::Session, Chain::default()))).unwrap();
    let user = engine.handle(Party::User);
    let settings = Settings {
        model: Sourced::from_layer(Some("scripted/test".parse().unwrap()), Layer::Flag),
        ..Settings::default()
    };
    let opened = session::Event::Opened {
        workspace: "/w".into(),
        title: None,
        settings: Box::new(settings),
        system: vec![],
        tools: vec![],
    };
    wait(user.dispatch(id, Event::Session(opened))).unwrap();
    // Fills ring, log and trace.
    for steps in 0..10_000 {
        let set = Setting::MaxSteps(Sourced::from_layer(steps + 1, Layer::Session));
        wait(user.dispatch(id, Event::Session(session::Event::SettingChanged(set)))).unwrap();
    }
    let prompted = prompt::Event::Prompted {
        result: None,
        text: "go".into(),
        max_steps: None,
        images: vec![],
        key: None,
    };
    wait(user.dispatch(id, Event::Prompt(prompted))).unwrap();
    let job = runner.next();
    let mut follower = engine.reader().follow(id, None).unwrap().follower;
    let report = |steps| {
        Event::Model(model::Event::Streamed {
            body: None,
            limits: vec![],
            steps,
        })
    };
    job.port.progress(report(vec![StreamEvent::BlockStarted {
        index: 0,
        kind: BlockKind::Text,
    }]));
    settle(&mut follower);

    let probe = Region::new(ALLOCATOR);
    let megabyte = vec![1u8; 1 << 20];
    assert!(
        probe.change().bytes_allocated >= megabyte.len(),
        "the counting counts nothing"
    );
    drop(megabyte);

    let region = Region::new(ALLOCATOR);
    for _ in 0..DELTAS {
        job.port.progress(report(vec![StreamEvent::Delta {
            index: 0,
            text: TEXT.into(),
        }]));
        settle(&mut follower);
    }
    let change = region.change();
    let grown = change.bytes_allocated as i64 - change.bytes_deallocated as i64;

    let scope = engine.reader().scope(id).unwrap();
    let Scope::Session(session) = &scope.state else {
        panic!()
    };
    assert_eq!(scope.seq, 10_000 + 3 + DELTAS as u64);
    let waiting = serde_json::to_string(&session.turn).unwrap();
    assert!(
        waiting.len() > DELTAS * TEXT.len(),
        "the text is in the root while it arrives"
    );
    assert!(grown <= 4 << 20, "{grown} bytes");
    drop(job);
    engine.stop();
}

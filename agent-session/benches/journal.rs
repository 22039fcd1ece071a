//! Commits per second through a real engine into real files, and back: loading, strict replay.
//!
//! `cargo bench -p glasswork-agent-session --bench journal [-- COMMITS]`; each figure is the best of five runs.
// A bench ends by panicking where its ground gives way.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]
#![allow(missing_docs, unreachable_pub, dead_code)]

#[path = "../tests/store/tally.rs"]
mod tally;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use glasswork_agent_session::store::{FileJournal, Place, Store, TraceFile};
use glasswork_engine::journal::MemoryJournal;
use glasswork_engine::trace::TraceSink;
use glasswork_engine::{Engine, Handle, ScopeId};

use tally::{Event, Kind, NOW, Tally, Till, scope};

const RUNS: usize = 5;
/// Requests under way at once.
const ABREAST: usize = 512;

fn main() {
    let commits = std::env::args()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(200_000);
    let directory = tempfile::tempdir().unwrap();
    let store = Store::<Tally>::open(directory.path()).unwrap();

    show("in memory, one scope", commits, || {
        let journal = MemoryJournal::new();
        let loaded = journal.create::<Tally>(scope(1), Kind::Tally, NOW).unwrap();
        let engine = tally::engine(journal, Box::new(()), &Till::default(), true);
        tally::wait(engine.mount(loaded)).unwrap();
        push(&engine, &[scope(1)], commits, false)
    });
    show("written, one scope", commits, || {
        journaled(&store, 1, commits, false, false)
    });
    show("written and traced, one scope", commits, || {
        journaled(&store, 1, commits, false, true)
    });
    show("written, 100 scopes", commits, || {
        journaled(&store, 100, commits, false, false)
    });
    show("synced, one scope", commits / 10, || {
        journaled(&store, 1, commits / 10, true, false)
    });
    show("synced, one at a time", 2_000, || one_at_a_time(&store, 2_000));

    let id = filled(&store, commits);
    let journal = store.journal(id).unwrap();
    let bytes = std::fs::metadata(journal.path()).unwrap().len();
    println!("journal: {} bytes, {} a commit", bytes, bytes / commits as u64);
    show("load from the file", commits, || {
        timed(|| assert_eq!(journal.read().unwrap().scope.seq, commits as u64))
    });
    show("fold from memory (the engine's share)", commits, || {
        let bytes = std::fs::read(journal.path()).unwrap();
        timed(|| drop(glasswork_engine::load::load::<Tally>(&bytes).unwrap()))
    });
    show("strict replay from the file", commits, || {
        timed(|| assert_eq!(journal.replay(None).unwrap().difference_count, 0))
    });
    show("commits, events parsed", commits, || {
        timed(|| assert_eq!(journal.commits(..).unwrap().count(), commits))
    });
}

fn timed(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

fn show(what: &str, commits: usize, mut run: impl FnMut() -> Duration) {
    let best = (0..RUNS).map(|_| run()).min().unwrap();
    let rate = commits as f64 / best.as_secs_f64() / 1_000.0;
    println!("{what:40} {rate:8.1} k commits/s");
}

fn event(number: usize, synced: bool) -> Event {
    let amount = number as u64 + 1;
    if synced {
        return Event::Pledge { amount };
    }
    let note = format!("{amount:0>120}");
    Event::Add { amount, note }
}

/// An engine on files, with as many new scopes.
fn start(store: &Store<Tally>, scopes: usize, traced: bool) -> (Engine<Tally>, Vec<ScopeId>) {
    let (journal, files) = FileJournal::spawn().unwrap();
    let (sink, folders) = TraceFile::spawn().unwrap();
    let sink: Box<dyn TraceSink> = if traced { Box::new(sink) } else { Box::new(()) };
    let engine = tally::engine(journal, sink, &Till::default(), true);
    let mount = |_| {
        let id = ScopeId::mint();
        let created = store.create(Place::Sessions, id, Kind::Tally, NOW).unwrap();
        folders.attach(id, created.lease.folder());
        files.attach(created.lease).unwrap();
        tally::wait(engine.mount(created.loaded)).unwrap();
        id
    };
    let ids = (0..scopes).map(mount).collect();
    (engine, ids)
}

/// Sends events with many under way at once, until all are answered.
fn push(engine: &Engine<Tally>, ids: &[ScopeId], commits: usize, synced: bool) -> Duration {
    let handle: Handle<Tally> = tally::user(engine);
    timed(|| {
        let mut under_way = VecDeque::with_capacity(ABREAST);
        for number in 0..commits {
            if under_way.len() == ABREAST {
                // Half of them at once: a wake-up for each answer would measure the scheduler.
                for ticket in under_way.drain(..ABREAST / 2) {
                    answered(ticket);
                }
            }
            let id = ids[number % ids.len()];
            under_way.push_back(handle.submit(id, event(number, synced)).unwrap());
        }
        under_way.into_iter().for_each(answered);
    })
}

fn answered(ticket: glasswork_engine::Ticket<Tally>) {
    ticket.answer_blocking().unwrap();
}

fn journaled(store: &Store<Tally>, scopes: usize, commits: usize, synced: bool, traced: bool) -> Duration {
    let (engine, ids) = start(store, scopes, traced);
    let took = push(&engine, &ids, commits, synced);
    engine.stop();
    took
}

fn one_at_a_time(store: &Store<Tally>, commits: usize) -> Duration {
    let (engine, ids) = start(store, 1, false);
    let handle = tally::user(&engine);
    timed(|| {
        for number in 0..commits {
            tally::send(&handle, ids[0], event(number, true)).unwrap();
        }
    })
}

fn filled(store: &Store<Tally>, commits: usize) -> ScopeId {
    let (engine, ids) = start(store, 1, false);
    push(&engine, &ids, commits, false);
    engine.stop();
    ids[0]
}

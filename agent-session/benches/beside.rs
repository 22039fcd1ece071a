//! Journals in files beside a store that keeps the same lines in SQLite: the same engine, the same events, the same run.
//!
//! `cargo bench -p glasswork-agent-session --bench beside [-- COMMITS]`; each figure is the median of five runs.
// A bench ends by panicking where its ground gives way.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]
#![allow(missing_docs, unreachable_pub, dead_code)]

#[path = "beside/sqlite.rs"]
mod sqlite;
#[path = "../tests/store/tally.rs"]
mod tally;

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

use glasswork_agent_session::store::{FileJournal, Place, Store};
use glasswork_engine::{Engine, ScopeId};

use sqlite::{SqliteJournal, Sync};
use tally::{Event, Kind, NOW, Tally, Till};

const RUNS: usize = 5;
/// Requests under way at once.
const ABREAST: usize = 512;

/// Where the lines of a run go.
#[derive(Clone, Copy, PartialEq)]
enum Keeper {
    Files,
    Sqlite,
}

fn main() {
    let commits = std::env::args()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(100_000);
    for busy in [1, 100, 1_000] {
        for synced in [false, true] {
            let told = if synced { "synced" } else { "written" };
            compare(
                &format!("append, told when {told}, {busy} busy sessions"),
                commits,
                |keeper| {
                    let home = tempfile::tempdir().unwrap();
                    appended(home.path(), keeper, busy, commits, synced).0
                },
            );
        }
    }
    compare("append, told when synced, one at a time", 1_000, |keeper| {
        let home = tempfile::tempdir().unwrap();
        one_at_a_time(home.path(), keeper, 1_000)
    });
    opening(commits);
}

/// Prints both medians and their ratio.
fn compare(what: &str, commits: usize, mut run: impl FnMut(Keeper) -> Duration) {
    // In turn, so that a slow minute of the machine meets both.
    let (mut files, mut rows) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        files.push(run(Keeper::Files).as_secs_f64());
        rows.push(run(Keeper::Sqlite).as_secs_f64());
    }
    let [files, rows] = [files, rows].map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[RUNS / 2]
    });
    let rate = |seconds: f64| commits as f64 / seconds / 1e3;
    println!(
        "{what:48} files {:8.1} k/s   SQLite {:8.1} k/s   {:5.2} x",
        rate(files),
        rate(rows),
        rows / files
    );
}

fn event(number: usize, synced: bool) -> Event {
    let amount = number as u64 + 1;
    if synced {
        return Event::Pledge { amount };
    }
    let note = format!("{amount:0>120}");
    Event::Add { amount, note }
}

fn start(home: &Path, keeper: Keeper, scopes: usize, synced: bool) -> (Engine<Tally>, Vec<ScopeId>) {
    let ids: Vec<_> = (0..scopes).map(|_| ScopeId::mint()).collect();
    let engine = match keeper {
        Keeper::Files => {
            let store = Store::<Tally>::open(home).unwrap();
            let (journal, files) = FileJournal::spawn().unwrap();
            let engine = tally::engine(journal, Box::new(()), &Till::default(), true);
            for id in &ids {
                let created = store.create(Place::Sessions, *id, Kind::Tally, NOW).unwrap();
                files.attach(created.lease).unwrap();
                tally::wait(engine.mount(created.loaded)).unwrap();
            }
            engine
        }
        Keeper::Sqlite => {
            let path = home.join("lines.sqlite");
            let level = if synced { Sync::Full } else { Sync::Normal };
            let database = sqlite::open(&path, level);
            let engine = tally::engine(
                SqliteJournal::on(&path, level),
                Box::new(()),
                &Till::default(),
                true,
            );
            database.execute_batch("BEGIN").unwrap();
            let loaded: Vec<_> = ids
                .iter()
                .map(|id| sqlite::create::<Tally>(&database, *id, Kind::Tally))
                .collect();
            database.execute_batch("COMMIT").unwrap();
            for loaded in loaded {
                tally::wait(engine.mount(loaded)).unwrap();
            }
            engine
        }
    };
    (engine, ids)
}

fn appended(
    home: &Path,
    keeper: Keeper,
    busy: usize,
    commits: usize,
    synced: bool,
) -> (Duration, Vec<ScopeId>) {
    let (engine, ids) = start(home, keeper, busy, synced);
    let user = tally::user(&engine);
    let begun = Instant::now();
    let mut under_way = VecDeque::with_capacity(ABREAST);
    for number in 0..commits {
        if under_way.len() == ABREAST {
            // Half of them at once: a wake-up for each answer would measure the scheduler.
            under_way.drain(..ABREAST / 2).for_each(answered);
        }
        let id = ids[number % ids.len()];
        under_way.push_back(user.submit(id, event(number, synced)).unwrap());
    }
    under_way.into_iter().for_each(answered);
    let took = begun.elapsed();
    engine.stop();
    (took, ids)
}

fn answered(ticket: glasswork_engine::Ticket<Tally>) {
    ticket.answer_blocking().unwrap();
}

fn one_at_a_time(home: &Path, keeper: Keeper, commits: usize) -> Duration {
    let (engine, ids) = start(home, keeper, 1, true);
    let user = tally::user(&engine);
    let begun = Instant::now();
    for number in 0..commits {
        tally::send(&user, ids[0], event(number, true)).unwrap();
    }
    let took = begun.elapsed();
    engine.stop();
    took
}

/// Folding one session of a hundred, and what the disk holds.
fn opening(commits: usize) {
    let homes = [Keeper::Files, Keeper::Sqlite].map(|keeper| {
        let home = tempfile::tempdir().unwrap();
        let (_, ids) = appended(home.path(), keeper, 100, commits, false);
        (home, ids)
    });
    let each = commits / 100;
    compare(
        &format!("open a session of {each} commits among 100"),
        each,
        |keeper| {
            let (home, ids) = &homes[usize::from(keeper == Keeper::Sqlite)];
            let begun = Instant::now();
            let seq = match keeper {
                Keeper::Files => {
                    let store = Store::<Tally>::open(home.path()).unwrap();
                    store.journal(ids[7]).unwrap().read().unwrap().scope.seq
                }
                Keeper::Sqlite => {
                    let database = sqlite::open(&home.path().join("lines.sqlite"), Sync::Normal);
                    let fold = sqlite::load::<Tally>(&database, ids[7]);
                    fold.scope().unwrap().seq
                }
            };
            let took = begun.elapsed();
            assert_eq!(seq, each as u64);
            took
        },
    );
    for (what, (home, _)) in ["files", "SQLite"].into_iter().zip(&homes) {
        let bytes = disk(home.path());
        println!(
            "{what}: {:.0} bytes on the disk a commit",
            bytes as f64 / commits as f64
        );
    }
}

fn disk(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap();
    let sizes = entries.map(|entry| {
        let entry = entry.unwrap();
        let about = entry.metadata().unwrap();
        if about.is_dir() {
            disk(&entry.path())
        } else {
            about.len()
        }
    });
    sizes.sum()
}

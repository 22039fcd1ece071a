//! What going back in time costs: a session of a hundred thousand commits as it was after one of them, from the record on
//! the disk.
//!
//! `cargo bench -p glasswork-app-runtime --bench moments [-- COMMITS]`: how many, 100,000 unless it is said. It goes on for
//! a thousand more, so that what is asked for is not the end.

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

#[path = "long/session.rs"]
mod long;

use std::hint::black_box;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use glasswork_app_runtime::archive::Vault as _;
use glasswork_app_runtime::files::FileArchive;
use glasswork_app_runtime::reading::{Reader, Snapshot, Viewer};
use glasswork_engine::{ScopeId, Timestamp};
use glasswork_session_state::state::Kind;

use long::House;

const RUNS: usize = 200;
/// Deltas of an answer: what coalescing leaves of a minute.
const DELTAS: usize = 40;

fn main() {
    let commits: u64 = std::env::args()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(100_000);
    let home = tempfile::tempdir().unwrap();
    let archive = FileArchive::open(home.path()).unwrap();
    let (vault, journal, trace) = archive.writing().unwrap();
    let house = House::on(journal, trace);
    vault.keep(house.engine.reader());
    let id = ScopeId::mint();
    house.open(vault.create(id, Kind::Session, Timestamp(0)).unwrap());
    let begun = Instant::now();
    while house.engine.reader().scope(id).unwrap().seq < commits + 1_000 {
        house.turn(id, 1_200, DELTAS);
    }
    vault.settle();
    let last = house.engine.reader().scope(id).unwrap().seq;
    println!(
        "{last} commits, {} entries, {:.1} MB of journal, made in {:.1} s; checkpoints at {:?}",
        house.state(id).tree.len(),
        archive.journal_of(id).unwrap().size().unwrap().1 as f64 / 1e6,
        begun.elapsed().as_secs_f64(),
        archive
            .journal_of(id)
            .unwrap()
            .checkpoints()
            .iter()
            .map(|file| file.seq)
            .collect::<Vec<_>>()
    );

    let on_disk = Reader::new(None, Arc::new(archive.clone())).snapshot(Viewer::owner());
    show(&format!("commit {commits}, from the disk"), &on_disk, id, |_| {
        commits
    });
    show("one of the last thousand, from the disk", &on_disk, id, |run| {
        last - (run as u64 * 7_919) % 1_000
    });
    show("any commit, from the disk", &on_disk, id, |run| {
        1 + (run as u64 * 7_919) % last
    });
    let live = Reader::new(Some(house.engine.reader()), Arc::new(archive.clone())).snapshot(Viewer::owner());
    show("the last but ten, in memory", &live, id, |_| last - 10);

    let begun = Instant::now();
    let mut states = 0u64;
    on_disk
        .each_moment(id, 1..=last, |seq, moment| {
            black_box((seq, moment));
            states += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
    println!(
        "every state, one after the other: {states} in {:.0} ms",
        begun.elapsed().as_secs_f64() * 1e3
    );
    house.engine.stop();
}

fn show(what: &str, snapshot: &Snapshot, id: ScopeId, at: impl Fn(usize) -> u64) {
    let mut times: Vec<f64> = (0..RUNS)
        .map(|run| {
            let begun = Instant::now();
            black_box(snapshot.session(id, Some(at(run))).unwrap());
            begun.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!(
        "{what}: p50 {:.2} ms, p99 {:.2} ms",
        times[RUNS / 2],
        times[RUNS * 99 / 100]
    );
}

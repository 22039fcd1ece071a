//! What grows with a session: opening it, folding its journal, deciding its next request.
//!
//! `cargo bench -p glasswork-app-runtime --bench session [-- MEGABYTES]`: the length of the long journal, 128 unless
//! it is said.

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
use std::path::Path;
use std::time::Instant;

use glasswork_agent_session::store::Store;
use glasswork_app_runtime::archive::{Archive as _, Vault as _};
use glasswork_app_runtime::files::{FileArchive, FileVault};
use glasswork_engine::test_support::wait;
use glasswork_engine::{Context, DispatchId, Domain as _, Moment, Origin, ScopeId, Timestamp};
use glasswork_session_state::Glasswork;
use glasswork_session_state::state::Kind;

use long::{ENTRIES, House, prompted};

const RUNS: usize = 15;

fn main() {
    let megabytes = std::env::args()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(128);
    deciding();
    let home = tempfile::tempdir().unwrap();
    let archive = FileArchive::open(home.path()).unwrap();
    let (vault, journal, trace) = archive.writing().unwrap();
    let house = House::on(journal, trace);
    opening(&house, &archive, &vault);
    let long = folding(&house, &archive, &vault, megabytes << 20);
    growth(&house, &archive, &vault, home.path());
    house.engine.stop();
    checkpointed(long, &archive);
}

/// The decision that begins a turn: the whole context of the session is in the request that follows.
fn deciding() {
    let house = House::new();
    let times = [20, 200, 2_000, 20_000].map(|entries| {
        let id = house.vacant();
        (0..entries / ENTRIES).for_each(|_| house.turn(id, 200, 0));
        let scope = house.engine.reader().scope(id).unwrap();
        let event = prompted("And what does b.txt say?");
        let origin = Origin::User;
        let (mut decide, mut evolve) = (Vec::new(), Vec::new());
        for _ in 0..2_000 {
            let context = Context {
                id: DispatchId::commit(id, scope.seq + 1),
                at: Timestamp(scope.at.0 + 1),
                origin: &origin,
            };
            let begun = Instant::now();
            let decision = Glasswork::decide(&scope.state, &event, &context).unwrap();
            decide.push(begun.elapsed().as_secs_f64() * 1e6);
            let moment = Moment {
                seq: scope.seq + 1,
                at: context.at,
            };
            let begun = Instant::now();
            let mut candidate = scope.state.clone();
            for fact in &decision.facts {
                Glasswork::evolve(&mut candidate, fact, moment);
            }
            Glasswork::check(&candidate, &decision.facts).unwrap();
            evolve.push(begun.elapsed().as_secs_f64() * 1e6);
            black_box((decision, candidate));
        }
        (
            show(
                &format!("decide a prompt at {entries} entries"),
                "µs",
                &mut decide,
            ),
            show(
                &format!("evolve and check it at {entries} entries"),
                "µs",
                &mut evolve,
            ),
        )
    });
    let [(decide, evolve), _, (decide_long, evolve_long), _] = times;
    println!(
        "2,000 against 20: decide {:.2} ×, evolve and check {:.2} ×",
        decide_long / decide,
        evolve_long / evolve
    );
    house.engine.stop();
}

/// Taking over a session of 2,000 messages and mounting it.
fn opening(house: &House, archive: &FileArchive, vault: &FileVault) {
    for (messages, deltas) in [(20, 0), (2_000, 0), (2_000, 30)] {
        let id = create(house, vault);
        (0..messages / ENTRIES).for_each(|_| house.turn(id, 600, deltas));
        let told = format!("{messages} messages, {deltas} deltas an answer");
        let mut times: Vec<_> = (0..RUNS).map(|_| reopen(house, vault, id)).collect();
        show(&format!("open a session of {told}"), "ms", &mut times);
        size(archive, id);
    }
}

/// Folding a journal of many bytes, most of them in deltas and blocks.
fn folding(house: &House, archive: &FileArchive, vault: &FileVault, bytes: u64) -> ScopeId {
    let id = create(house, vault);
    while bytes_of(archive, id) < bytes {
        (0..200).for_each(|_| house.turn(id, 1_500, 8));
    }
    let mut times: Vec<_> = (0..7)
        .map(|_| {
            let begun = Instant::now();
            black_box(archive.load(id, None).unwrap());
            begun.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    show("fold the long journal", "ms", &mut times);
    size(archive, id);
    let (bytes, commits) = size_of(archive, id);
    println!(
        "  {:.0} MB/s, {:.0} k commits/s at the median",
        bytes as f64 / 1e3 / times[times.len() / 2],
        commits as f64 / times[times.len() / 2]
    );
    id
}

/// The same with the checkpoints that the program would have written by then.
fn checkpointed(long: ScopeId, archive: &FileArchive) {
    let (vault, journal, trace) = archive.writing().unwrap();
    let house = House::on(journal, trace);
    vault.keep(house.engine.reader());
    let id = create(&house, &vault);
    (0..2_000 / ENTRIES).for_each(|_| house.turn(id, 600, 30));
    let mut times: Vec<_> = (0..RUNS).map(|_| reopen(&house, &vault, id)).collect();
    show(
        "open 2,000 messages, 30 deltas, with checkpoints",
        "ms",
        &mut times,
    );
    // A turn more is enough: the checkpoint is long due.
    wait(house.engine.mount(vault.open(long, Timestamp(0)).unwrap().loaded)).unwrap();
    house.turn(long, 1_500, 8);
    vault.settle();
    let mut times: Vec<_> = (0..7).map(|_| reopen(&house, &vault, long)).collect();
    show("open the long journal, with checkpoints", "ms", &mut times);
    for (what, id) in [("2,000 messages", id), ("the long journal", long)] {
        for file in archive.journal_of(id).unwrap().checkpoints() {
            println!(
                "  {what}: a checkpoint at {} of {:.1} MB",
                file.seq,
                file.bytes as f64 / 1e6
            );
        }
    }
    house.engine.stop();
}

fn reopen(house: &House, vault: &FileVault, id: ScopeId) -> f64 {
    wait(house.engine.unmount(id)).unwrap();
    vault.release(id);
    let begun = Instant::now();
    let opened = vault.open(id, Timestamp(0)).unwrap();
    wait(house.engine.mount(opened.loaded)).unwrap();
    begun.elapsed().as_secs_f64() * 1e3
}

/// What a million deltas leave on the disk, and what is left of them once they are folded away.
fn growth(house: &House, archive: &FileArchive, vault: &FileVault, home: &Path) {
    let id = create(house, vault);
    // Two answers a turn, in a thousand deltas each.
    (0..500).for_each(|_| house.turn(id, 2_000, 1_000));
    println!("a million deltas in 1,000 answers of 2,000 bytes:");
    size(archive, id);
    wait(house.engine.unmount(id)).unwrap();
    vault.release(id);
    let store = Store::<Glasswork>::open(home).unwrap();
    let mut folded = Vec::new();
    store.journal(id).unwrap().archive(&mut folded).unwrap();
    println!("  folded away: {:.1} MB", folded.len() as f64 / 1e6);
}

fn create(house: &House, vault: &FileVault) -> ScopeId {
    let id = ScopeId::mint();
    house.open(vault.create(id, Kind::Session, Timestamp(0)).unwrap());
    id
}

fn size_of(archive: &FileArchive, id: ScopeId) -> (u64, u64) {
    (bytes_of(archive, id), archive.load(id, None).unwrap().scope.seq)
}

fn bytes_of(archive: &FileArchive, id: ScopeId) -> u64 {
    archive.held(id).unwrap().bytes
}

fn size(archive: &FileArchive, id: ScopeId) {
    let (bytes, commits) = size_of(archive, id);
    println!("  its journal: {:.1} MB, {commits} commits", bytes as f64 / 1e6);
}

/// Prints the figures in short, and gives their median.
fn show(what: &str, unit: &str, figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    let median = figures[figures.len() / 2];
    let (low, high) = (figures[figures.len() / 20], figures[figures.len() * 19 / 20]);
    println!("{what:56} median {median:8.2} {unit}   ({low:.2}–{high:.2})");
    median
}

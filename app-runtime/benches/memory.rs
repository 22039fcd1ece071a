//! What stays in memory, counted by the allocator: of a session at rest, of one that was given up, of a million
//! dispatches.
//!
//! `cargo bench -p glasswork-app-runtime --bench memory`

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

use std::alloc::System;
use std::collections::VecDeque;

use glasswork_app_runtime::archive::{Archive as _, Vault as _};
use glasswork_app_runtime::files::FileArchive;
use glasswork_engine::test_support::wait;
use glasswork_engine::{ScopeId, Ticket, Timestamp};
use glasswork_session_state::settings::{Layer, Setting, Sourced};
use glasswork_session_state::state::Kind;
use glasswork_session_state::{Event, Glasswork, session};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use long::House;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Enough to fill log, trace and ring.
const FULL: usize = 100_000;
const SESSIONS: usize = 1_000;

fn main() {
    at_rest();
    given_up();
    dispatches();
    mixture();
}

/// Bytes that are allocated now.
fn held() -> f64 {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated as f64 - stats.bytes_deallocated as f64
}

fn set(steps: usize) -> Event {
    let steps = u32::try_from(steps % 1_000).unwrap() + 1;
    Event::Session(session::Event::SettingChanged(Setting::MaxSteps(
        Sourced::from_layer(steps, Layer::Session),
    )))
}

fn many(house: &House, id: ScopeId, count: usize) {
    let answered = |ticket: Ticket<Glasswork>| {
        ticket.answer_blocking().unwrap();
    };
    abreast(house, id, (0..count).map(set), answered);
}

/// What the gate refuses: no step at all.
fn refusals(house: &House, id: ScopeId, count: usize) {
    let none = || {
        Event::Session(session::Event::SettingChanged(Setting::MaxSteps(
            Sourced::from_layer(0, Layer::Session),
        )))
    };
    let refused = |ticket: Ticket<Glasswork>| {
        ticket.answer_blocking().unwrap_err();
    };
    abreast(house, id, (0..count).map(|_| none()), refused);
}

fn abreast(
    house: &House,
    id: ScopeId,
    events: impl Iterator<Item = Event>,
    answered: impl Fn(Ticket<Glasswork>),
) {
    let mut under_way = VecDeque::new();
    for event in events {
        if under_way.len() == 512 {
            under_way.drain(..256).for_each(&answered);
        }
        under_way.push_back(house.user.submit(id, event).unwrap());
    }
    under_way.into_iter().for_each(answered);
}

/// Mounted sessions of a few turns, in an engine whose rings are full of others' commits.
fn at_rest() {
    for (turns, bytes) in [(0, 0), (1, 600), (25, 600)] {
        let house = House::new();
        let noise = house.vacant();
        many(&house, noise, FULL);
        let before = held();
        let ids: Vec<_> = (0..SESSIONS).map(|_| house.vacant()).collect();
        for id in &ids {
            (0..turns).for_each(|_| house.turn(*id, bytes, 0));
        }
        // Out of the rings again with what these sessions did.
        many(&house, noise, FULL);
        let content = (3 * bytes * turns) as f64;
        let each = (held() - before) / SESSIONS as f64;
        println!(
            "mounted and idle, {turns:2} turns: {:7.1} KiB a session, {:7.1} KiB of it text",
            each / 1024.0,
            content / 1024.0
        );
        house.engine.stop();
    }
}

/// Sessions that were made, worked in and unmounted again.
fn given_up() {
    let home = tempfile::tempdir().unwrap();
    let archive = FileArchive::open(home.path()).unwrap();
    let (vault, journal, trace) = archive.writing().unwrap();
    let house = House::on(journal, trace);
    let noise = ScopeId::mint();
    house.open(vault.create(noise, Kind::Session, Timestamp(0)).unwrap());
    many(&house, noise, FULL);
    let before = held();
    for _ in 0..SESSIONS {
        let id = ScopeId::mint();
        house.open(vault.create(id, Kind::Session, Timestamp(0)).unwrap());
        house.turn(id, 600, 0);
        wait(house.engine.unmount(id)).unwrap();
        vault.release(id);
    }
    many(&house, noise, FULL);
    let left = held() - before;
    let before = held();
    let rows = archive.list().unwrap();
    let listed = (held() - before) / rows.len() as f64;
    println!(
        "unloaded: {:7.1} bytes a session stay; {listed:.0} bytes a row while a list is answered",
        left / SESSIONS as f64
    );
    house.engine.stop();
}

/// One session, and nothing in it that grows.
fn dispatches() {
    let house = House::new();
    let id = house.vacant();
    many(&house, id, FULL);
    let before = held();
    for millions in 1..=4 {
        many(&house, id, 250_000);
        println!(
            "after {:4} more dispatches: {:+8.1} KiB",
            millions * 250_000,
            (held() - before) / 1024.0
        );
    }
    house.engine.stop();
}

/// Settings, refusals and deltas, the deltas in sessions that come and go: a million in one process.
fn mixture() {
    let house = House::new();
    let id = house.vacant();
    let round = || {
        many(&house, id, 4_000);
        refusals(&house, id, 2_000);
        let passing = house.vacant();
        // Two answers a turn.
        (0..2).for_each(|_| house.turn(passing, 1_000, 1_000));
        while wait(house.engine.unmount(passing)).is_err() {
            std::thread::yield_now();
        }
    };
    (0..10).for_each(|_| round());
    let before = held();
    for quarters in 1..=4 {
        (0..25).for_each(|_| round());
        println!(
            "after {:4} more settings, refusals and deltas: {:+8.1} KiB",
            quarters * 250_000,
            (held() - before) / 1024.0
        );
    }
    house.engine.stop();
}

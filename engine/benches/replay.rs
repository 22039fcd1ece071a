//! What loading and strict replay cost, from memory.

// A bench may fail by a panic, and uses only a part of the domain.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, dead_code)]

#[path = "../tests/elevator.rs"]
mod elevator;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use glasswork_engine::load::load;
use glasswork_engine::replay::replay;
use glasswork_engine::test_support::Fixture;

use elevator::{Elevator, Event, Kind, car};

const COMMITS: u64 = 20_000;

/// Calls of 500 floors, each a row of the chart and an entity changed.
fn journal() -> Vec<u8> {
    let fixture = Fixture::<Elevator>::default().unguarded();
    let car = fixture.create(Kind::Car);
    let floors = (0..500).map(|floor| format!("floor {floor}")).collect();
    let capacity = 600;
    fixture.accept(car, Event::Car(car::Event::Installed { floors, capacity }));
    fixture.accept(car, Event::Car(car::Event::Called { floor: 0 }));
    for number in 2..COMMITS {
        let floor = (number * 7 % 500) as u16;
        fixture.accept(car, Event::Car(car::Event::Called { floor }));
    }
    fixture.journal.bytes(car)
}

#[divan::bench]
fn load_from_memory(bencher: Bencher<'_, '_>) {
    let journal = journal();
    bencher
        .counter(ItemsCount::new(COMMITS))
        .counter(BytesCount::new(journal.len()))
        .bench(|| load::<Elevator>(&journal).unwrap());
}

#[divan::bench]
fn strict_replay_from_memory(bencher: Bencher<'_, '_>) {
    let journal = journal();
    bencher
        .counter(ItemsCount::new(COMMITS))
        .counter(BytesCount::new(journal.len()))
        .bench(|| {
            let replayed = replay::<Elevator>(&journal).unwrap();
            assert_eq!(replayed.difference_count, 0);
            replayed
        });
}

fn main() {
    divan::main();
}

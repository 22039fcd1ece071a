//! A journal outlives its process: another one loads it, decides it again, and names what has changed since.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use glasswork_engine::line::LineError;
use glasswork_engine::load::{Damage, DamageKind, load};
use glasswork_engine::replay::{Difference, DifferenceKind, replay};
use glasswork_engine::test_support::assert_replays;
use serde_json::json;

use crate::Building;
use crate::elevator::car::Event::*;
use crate::elevator::{Elevator, OTHER_FACT, STRICTER_GUARD, State};

const PATH: &str = "GLASSWORK_TEST_JOURNAL";

/// What the other process does.
fn write(path: PathBuf) {
    let building = Building::new();
    building.does(Called { floor: 0 }); // 2
    building.does(Held); // 3
    building.does(Held); // 4
    building.does(Called { floor: 6 }); // 5
    building.does(Failed {
        reason: "smoke".into(),
    }); // 6
    let state = &building.fixture.scope(building.car).state;
    fs::write(path.with_extension("state"), serde_json::to_vec(state).unwrap()).unwrap();
    fs::write(path, building.fixture.journal.bytes(building.car)).unwrap();
}

#[test]
fn a_journal_of_another_process_loads_replays_and_tells_what_changed() {
    if let Some(path) = std::env::var_os(PATH) {
        return write(path.into());
    }
    let name = format!("journal-{}", std::process::id());
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let this = "other_process::a_journal_of_another_process_loads_replays_and_tells_what_changed";
    let ended = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", this])
        .env(PATH, &path)
        .output()
        .unwrap();
    assert!(ended.status.success(), "{ended:?}");
    let journal = fs::read(&path).unwrap();
    let state: State = serde_json::from_slice(&fs::read(path.with_extension("state")).unwrap()).unwrap();
    fs::remove_file(&path).unwrap();
    fs::remove_file(path.with_extension("state")).unwrap();

    let loaded = load::<Elevator>(&journal).unwrap().scope;
    assert_eq!((loaded.seq, &loaded.state), (6, &state));
    assert_replays::<Elevator>(&journal, &loaded);

    // A changed guard: the record still loads, and the event that would be refused today is named.
    let replayed = replay::<Elevator<STRICTER_GUARD>>(&journal).unwrap();
    assert_eq!(replayed.loaded.scope.state, state);
    let rejection = "the car chart, in state `boarding`, has no transition for `hold`".to_owned();
    assert_eq!(
        replayed.differences,
        [Difference {
            seq: 4,
            event: "held".to_owned(),
            kind: DifferenceKind::NowRejected { rejection },
        }]
    );

    // A changed fact: likewise, with both values, each time.
    let replayed = replay::<Elevator<OTHER_FACT>>(&journal).unwrap();
    assert_eq!(replayed.loaded.scope.state, state);
    let differences: Vec<_> = replayed
        .differences
        .iter()
        .map(|found| (found.seq, &found.kind))
        .collect();
    let armed = |index| DifferenceKind::Fact {
        index,
        recorded: Some(json!({ "car": { "door_armed": { "after_ms": 10_000 } } })),
        decided: Some(json!({ "car": { "door_armed": { "after_ms": 12_000 } } })),
    };
    assert_eq!(differences, [(2, &armed(3)), (3, &armed(3)), (4, &armed(3))]);

    // A changed line: nothing is decided upon it; its place is named.
    let lines: Vec<_> = journal.split_inclusive(|byte| *byte == b'\n').collect();
    let before: usize = lines[..4].iter().map(|line| line.len()).sum();
    let mut changed = journal.clone();
    changed[before + 20] ^= 1;
    let broken = Damage {
        line: 5,
        offset: before as u64,
        kind: DamageKind::Line(LineError::BrokenChain),
    };
    assert_eq!(replay::<Elevator>(&changed).unwrap_err(), broken);
    assert_eq!(load::<Elevator>(&changed).unwrap_err(), broken);

    // A lost line, and a torn one.
    let mut lost = lines.clone();
    lost.remove(3);
    let damage = load::<Elevator>(&lost.concat()).unwrap_err();
    let kind = DamageKind::OutOfOrder {
        expected: 3,
        found: 4,
    };
    assert_eq!((damage.line, damage.kind), (4, kind));
    // A sound line of another journal, with the number that belongs here.
    let other = Building::new();
    other.does(Called { floor: 0 });
    other.does(Called { floor: 3 });
    other.does(Held);
    let foreign = other.fixture.journal.bytes(other.car);
    let foreign = foreign.split_inclusive(|byte| *byte == b'\n').nth(4).unwrap();
    let mut mixed = lines.clone();
    mixed[4] = foreign;
    assert_eq!(load::<Elevator>(&mixed.concat()).unwrap_err(), broken);

    let damage = load::<Elevator>(&journal[..journal.len() - 1]).unwrap_err();
    assert_eq!((damage.line, damage.kind), (7, DamageKind::TornTail));
}

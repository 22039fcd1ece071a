//! A session that was recovered from a damaged record: whatever was lost of it, it loads, is decided again outside of
//! the gap, and goes on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that meets what it did not expect shall stop there"
)]

use std::sync::Arc;

use glasswork_agent_core::turn::State;
use glasswork_agent_session::store::{Packed, Repair, Store, StoredJournal};
use glasswork_app_runtime::archive::{Archive, Record};
use glasswork_app_runtime::files::FileArchive;
use glasswork_engine::replay::Gap;
use glasswork_engine::{Class, Domain, ScopeId, SystemClock, Timestamp};
use glasswork_session_state::Glasswork;
use glasswork_session_state::settings::{Layer, Mode, Setting, Sourced};
use glasswork_testkit::house::{House, scripted};

const SCRIPT: &str = r#"(turns: [
    (say: [text("I look."), call("bash", (command: "echo hello > a.txt")), call("read", (path: "b.txt"))]),
    (say: [text("Done.")]),
    (say: [text("Once more."), call("bash", (command: "cat a.txt"))]),
    (say: [text("Done again.")]),
    (say: [text("Here I am.")]),
    (say: [text("And here.")]),
])"#;
const NOW: Timestamp = Timestamp(1_795_236_311_000_000);

/// A home with a session of two turns, and the lines of its journal, each with its newline.
async fn lived() -> (tempfile::TempDir, ScopeId, Vec<Vec<u8>>) {
    let house = House::of_script(SCRIPT).await;
    std::fs::write(house.workspace().join("b.txt"), "from b\n").unwrap();
    let session = house.session(House::settings(Mode::Yolo)).await;
    for prompt in ["one", "two"] {
        assert_eq!(house.turn(session, prompt).await.state, State::Completed);
        let steps = Setting::MaxSteps(Sourced::from_layer(50, Layer::Session));
        house.runtime().set(session, steps).await.unwrap();
    }
    let home = house.close().await;
    let bytes = std::fs::read(journal(&home, session).path()).unwrap();
    let lines = bytes
        .split_inclusive(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    (home, session, lines)
}

fn archive(home: &tempfile::TempDir) -> FileArchive {
    FileArchive::open(home.path().join("data")).unwrap()
}

fn journal(home: &tempfile::TempDir, session: ScopeId) -> StoredJournal<Glasswork> {
    archive(home).journal_of(session).unwrap()
}

/// Repairs the session whose journal has these lines.
fn repaired(home: &tempfile::TempDir, session: ScopeId, lines: &[Vec<u8>]) -> Repair {
    std::fs::write(journal(home, session).path(), lines.concat()).unwrap();
    archive(home).repair(session, NOW, false).unwrap().unwrap()
}

/// Decides it again: nothing outside of the gaps is decided otherwise, and it is what loads. Returns the gaps, and how
/// many decisions cannot be compared.
fn replayed(home: &tempfile::TempDir, session: ScopeId, name: &str) -> (Vec<(u64, u64)>, u64) {
    let archive = archive(home);
    let loaded = archive.load(session, None).unwrap();
    assert_eq!((loaded.breach, &loaded.scope.unsound), (None, &None), "{name}");
    let replayed = archive.replay(&Record::Session(session), None).unwrap();
    assert_eq!(replayed.differences, [], "{name}");
    assert_eq!(replayed.loaded.scope, loaded.scope, "{name}");
    assert_eq!(
        replayed.commits + replayed.folded + replayed.lost,
        loaded.scope.seq,
        "{name}"
    );
    let gaps = replayed
        .gaps
        .iter()
        .map(|Gap { from, to }| (*from, *to))
        .collect();
    (gaps, replayed.unsure)
}

/// Whatever single commit is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_lost_any_commit_is_recovered_and_decided_again_outside_of_the_gap() {
    let (mut home, session, whole) = lived().await;
    let last = whole.len() as u64 - 1;
    let (mut recovered, mut compared) = (0, 0);
    for lost in 1..last {
        let name = format!("commit {lost}");
        let mut lines = whole.clone();
        lines.remove(lost as usize);
        let did = repaired(&home, session, &lines);
        assert_eq!((did.kept, &*did.lost), (lost - 1, &[(lost, lost)][..]), "{name}");
        assert_eq!(did.salvaged, [(lost + 1, last)], "{name}");
        replayed(&home, session, &name);
        // Where the rest makes no sound state without it there is no session of it, and it can be read all the same.
        let Some(id) = did.recovered else {
            let salvaged = std::fs::read(did.moved_to.unwrap().join("salvaged.jsonl")).unwrap();
            assert_eq!(salvaged, whole[lost as usize + 1..].concat(), "{name}");
            continue;
        };
        recovered += 1;
        let (gaps, unsure) = replayed(&home, id, &name);
        assert_eq!(gaps, [(lost, lost)], "{name}");
        // Those that follow from what is gone, and no others.
        assert!(unsure <= 2, "{name}: {unsure}");
        compared += u64::from(unsure == 0);
        if lost % 6 == 0 {
            let house = House::at(home, scripted(SCRIPT), Arc::new(SystemClock::default())).await;
            house.runtime().mount(id).await.unwrap();
            let open = house.snapshot().session(id, None).unwrap().scope.open.clone();
            assert!(
                open.values()
                    .all(|effect| Glasswork::class(effect) == Class::Again),
                "{name}: {open:?}"
            );
            let end = house.turn(id, "go on").await;
            assert_eq!(end.state, State::Completed, "{name}: {:?}", end.failure);
            home = house.close().await;
            assert_eq!(replayed(&home, id, &name).0, [(lost, lost)], "{name}: it went on");
        } else {
            // What was under way in it is settled by whoever opens it, which nobody does.
            std::fs::remove_file(journal(&home, id).path()).unwrap();
        }
    }
    assert!(recovered >= 5, "{recovered} of {last}");
    assert!(compared > 0 && compared < recovered, "{compared} of {recovered}");
}

/// Packing folds deltas away, and so every checksum behind them becomes another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_noted_of_a_session_is_compared_after_packing_too() {
    // So long that it comes in several pieces.
    let script = format!(r#"(turns: [(say: [text("{}")])])"#, "word ".repeat(20_000));
    let house = House::of_script(&script).await;
    let session = house.session(House::settings(Mode::Yolo)).await;
    assert_eq!(house.turn(session, "go").await.state, State::Completed);
    house.settle();
    let home = house.close().await;
    let noted = journal(&home, session).folder().join("digests.jsonl");
    let before = std::fs::read_to_string(&noted).unwrap();
    let store = Store::<Glasswork>::open(home.path().join("data")).unwrap();
    assert!(matches!(store.pack(session, NOW).unwrap(), Packed::Now { .. }));
    let replayed = archive(&home).replay(&Record::Session(session), None).unwrap();
    assert!(replayed.folded > 0 && replayed.lost == 0);
    let after = std::fs::read_to_string(&noted).unwrap();
    assert_eq!(after.lines().count(), before.lines().count());
    assert_ne!(after, before);
    let loaded = || archive(&home).load(session, None).unwrap().scope;
    assert_eq!(loaded().unsound, None);
    let last = after.lines().next_back().unwrap();
    let place = after.len() - 1 - last.len() + last.find("\"digests\":{").unwrap() + 11;
    let place = place + after[place..].find("\":\"").unwrap() + 3;
    let digit = if after[place..].starts_with('0') { "1" } else { "0" };
    std::fs::write(&noted, [&after[..place], digit, &after[place + 1..]].concat()).unwrap();
    let unsound = loaded().unsound.clone();
    assert!(unsound.unwrap().contains("is not what it was"));
}

//! Kills, lost power, full disks: nothing that was told is lost, and nothing that was not told has happened.

use std::path::Path;
use std::sync::atomic::Ordering;

use glasswork_agent_session::store::Store;
use glasswork_engine::{Refusal, ScopeId};

use crate::home::{Home, Live};
use crate::second::{Second, Start, plays, say};
use crate::tally::{Event, NOW, Tally, Till, add, scope};

/// Small numbers that look random and are the same in every run.
fn dice(seed: &mut u64, sides: u64) -> u64 {
    *seed = seed
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % sides
}

fn killed_part(data: &Path) {
    let store = Store::<Tally>::open(data).unwrap();
    let live = Live::start(&Till::default());
    live.open(&store, scope(1));
    // Several at once, so that lines are written and synced in groups.
    for round in 0u64.. {
        let tickets: Vec<_> = (0..4)
            .map(|number| {
                let event = match (round + number) % 5 {
                    0 => Event::Pledge { amount: 1 },
                    4 => Event::Pay {
                        note: "p".repeat(300),
                    },
                    _ => add(1),
                };
                let synced = !matches!(event, Event::Add { .. });
                (synced, live.handle.submit(scope(1), event).unwrap())
            })
            .collect();
        for (synced, ticket) in tickets {
            // A payment while another is on its way is refused; that is no commit.
            if let Ok(accepted) = ticket.answer_blocking() {
                let word = if synced { "synced" } else { "written" };
                say(format_args!("{word} {}", accepted.id.seq));
            }
        }
    }
}

#[test]
fn fifty_kills_lose_nothing_that_was_told() {
    if plays("killed", killed_part) {
        return;
    }
    let home = Home::new();
    let path = home.journal(scope(1), []);
    let journal = home.store.journal(scope(1)).unwrap();
    let (mut seed, mut before, mut told) = (1, 0, 0);
    for kill in 0..50u32 {
        let mut second = Second::start(
            "crash::fifty_kills_lose_nothing_that_was_told",
            "killed",
            home.store.data(),
            &Start::Plainly,
        );
        let mut heard: Vec<String> = Vec::new();
        for _ in 0..=dice(&mut seed, 60) {
            heard.push(second.hear().unwrap());
        }
        heard.extend(second.kill());
        // What was cut off in the middle was not told.
        let last = heard
            .iter()
            .filter_map(|said| said.split_once(' ')?.1.parse::<u64>().ok())
            .max()
            .unwrap();
        told += heard.len();
        let read = journal.read().unwrap();
        assert!(
            read.scope.seq >= last,
            "kill {kill}: {last} was told, {} is there",
            read.scope.seq
        );
        assert!(
            last > before,
            "the second process went on where the one before it was killed"
        );
        let replayed = journal.replay(None).unwrap();
        assert_eq!(replayed.differences, []);
        assert_eq!(*replayed.loaded.scope, *read.scope);
        before = read.scope.seq;
        assert_eq!(
            journal.commits(..).unwrap().filter(Result::is_ok).count() as u64,
            before
        );
    }
    let opened = home.store.open_for_writing(scope(1), NOW).unwrap();
    assert_eq!(opened.loaded.scope.epoch, 52);
    assert!(told > 500, "{told}");
    // Whatever was torn was moved aside, one piece for each line at most.
    let torn = std::fs::read_dir(path.with_extension("")).unwrap().count();
    assert!(torn <= 51);
}

/// The journal, and how much of it was on the disk when each answer came that promises so.
fn promises(home: &Home, id: ScopeId) -> (Vec<u8>, Vec<(u64, usize)>) {
    let live = Live::start(&Till::default());
    live.create(&home.store, id);
    let path = home.path(id);
    let mut promised = Vec::new();
    for number in 1..=12 {
        let event = if number % 3 == 0 {
            Event::Pledge { amount: number }
        } else {
            add(number)
        };
        let synced = matches!(event, Event::Pledge { .. });
        let seq = live.send(id, event).unwrap().id.seq;
        if synced {
            promised.push((seq, std::fs::read(&path).unwrap().len()));
        }
    }
    live.engine.stop();
    (std::fs::read(path).unwrap(), promised)
}

#[test]
fn lost_power_takes_nothing_that_was_promised_wherever_it_cuts() {
    let home = Home::new();
    let (whole, promised) = promises(&home, scope(1));
    assert_eq!(promised.len(), 4);
    let path = home.path(scope(1));
    let folder = path.with_extension("");
    for (index, (seq, synced)) in promised.iter().enumerate() {
        let end = promised.get(index + 1).map_or(whole.len(), |(_, end)| *end);
        for cut in (*synced..end).step_by(13).chain([end]) {
            // Of what was not synced, the disk may have kept a part, or kept room for it without its contents.
            for filled in [cut, end] {
                let mut left = whole[..cut].to_vec();
                left.resize(filled, 0);
                std::fs::write(&path, &left).unwrap();
                let opened = home.store.open_for_writing(scope(1), NOW).unwrap();
                let found = opened.loaded.scope.seq;
                assert!(
                    found >= *seq,
                    "{seq} was promised, {found} is left of {cut} bytes"
                );
                let kept = opened.torn.map_or(0, |torn| torn.bytes);
                let lines = left.iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
                assert_eq!(kept, (left.len() - lines) as u64);
                drop(opened.lease);
                let replayed = home.store.journal(scope(1)).unwrap().replay(None).unwrap();
                assert_eq!((replayed.loaded.scope.seq, replayed.difference_count), (found, 0));
                for entry in std::fs::read_dir(&folder).unwrap() {
                    std::fs::remove_file(entry.unwrap().path()).unwrap();
                }
            }
        }
    }
}

fn full_part(data: &Path) {
    let store = Store::<Tally>::open(data).unwrap();
    let till = Till::default();
    let live = Live::start(&till);
    live.open(&store, scope(1));
    live.open(&store, scope(2));
    let note = "n".repeat(3_000);
    let mut accepted = 0;
    // Several at once, so that the disk fills in the middle of a group; each releases an effect once it is synced.
    let refused = 'full: loop {
        let events = [
            Event::Add {
                amount: 1,
                note: note.clone(),
            },
            Event::Add {
                amount: 1,
                note: note.clone(),
            },
            Event::Pay { note: note.clone() },
        ];
        let tickets = events.map(|event| live.handle.submit(scope(1), event).unwrap());
        for ticket in tickets {
            match ticket.answer_blocking() {
                Ok(answer) => accepted = answer.id.seq,
                Err(Refusal::Rejected { .. }) => {}
                Err(refused) => break 'full refused,
            }
        }
    };
    say(refused);
    say(accepted);
    // The paying effects that ran are those whose commits were promised.
    let scope_now = live.engine.reader().scope(scope(1)).unwrap();
    say(scope_now.seq);
    say(scope_now.journal_failure.is_some());
    let paid_before = till.0.load(Ordering::SeqCst);
    let again = live
        .send(scope(1), Event::Pay { note: String::new() })
        .unwrap_err();
    say(matches!(again, Refusal::JournalUnavailable { .. }));
    // The engine and the other scope live.
    live.send(scope(2), Event::Pledge { amount: 5 }).unwrap();
    say(live.engine.reader().scope(scope(2)).unwrap().state.total);
    live.engine.stop();
    say(paid_before == till.0.load(Ordering::SeqCst));
    say(paid_before);
}

#[test]
fn a_full_disk_poisons_one_scope_and_leaves_it_readable() {
    if plays("full", full_part) {
        return;
    }
    for blocks in [64, 71, 90] {
        let home = Home::new();
        let path = home.journal(scope(1), [add(1)]);
        home.journal(scope(2), [add(1)]);
        let said = Second::start(
            "crash::a_full_disk_poisons_one_scope_and_leaves_it_readable",
            "full",
            home.store.data(),
            &Start::WithFileLimit(blocks),
        )
        .end();
        let [
            refused,
            accepted,
            published,
            failed,
            again,
            other,
            unreleased,
            paid,
        ] = said.as_slice()
        else {
            panic!("{said:?}");
        };
        let reason = format!(
            "the journal cannot be written: cannot write to {}: File too large (os error 27); the file may not grow \
             further: raise the limit, then open it again",
            path.display()
        );
        assert_eq!(*refused, reason);
        assert_eq!([failed, again, unreleased], ["true"; 3]);
        assert_eq!(other, "6");
        let (accepted, published): (u64, u64) = (accepted.parse().unwrap(), published.parse().unwrap());
        // What is there is what was published, to the line; the rest was taken back.
        let journal = home.store.journal(scope(1)).unwrap();
        let read = journal.read().unwrap().scope;
        assert!(accepted <= published);
        assert_eq!(read.seq, published);
        assert!(std::fs::read(&path).unwrap().ends_with(b"\n"));
        let commits = journal.commits(..).unwrap().map(Result::unwrap);
        let payments = commits
            .filter(|commit| matches!(commit.event, Event::Pay { .. }))
            .count() as u64;
        let paid: u64 = paid.parse().unwrap();
        assert!(paid <= payments, "{paid} payments ran, {payments} are on record");
        // With room again, it goes on.
        let live = Live::start(&Till::default());
        live.open(&home.store, scope(1));
        live.send(scope(1), add(1)).unwrap();
        live.engine.stop();
        assert_eq!(
            home.store
                .journal(scope(1))
                .unwrap()
                .replay(None)
                .unwrap()
                .difference_count,
            0
        );
    }
}

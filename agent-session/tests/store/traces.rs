//! Traces in files: readable later and beside, bounded, lossy, never in the way.

use std::io::Write;

use glasswork_agent_session::store::{FileJournal, Place, ROTATE_AT, TraceFile};
use glasswork_engine::trace::{Outcome, TraceRecord, TraceSink};
use glasswork_engine::{DispatchId, Timestamp};

use crate::home::Home;
use crate::tally::{Kind, NOW, Till, add, engine, scope, send, user, wait};

fn failed(seq: u64, reason: String) -> TraceRecord {
    TraceRecord::JournalFailed {
        scope: scope(1),
        seq,
        reason,
        at: Timestamp(0),
    }
}

fn seqs(records: &[TraceRecord]) -> Vec<u64> {
    records
        .iter()
        .map(|record| match record {
            TraceRecord::JournalFailed { seq, .. } => *seq,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn what_memory_remembers_of_each_dispatch_is_read_back_later() {
    let home = Home::new();
    let (journal, files) = FileJournal::spawn().unwrap();
    let (sink, folders) = TraceFile::spawn().unwrap();
    let engine = engine(journal, Box::new(sink), &Till::default(), false);
    let created = home
        .store
        .create(Place::Sessions, scope(1), Kind::Tally, NOW)
        .unwrap();
    folders.attach(scope(1), created.lease.folder());
    files.attach(created.lease).unwrap();
    wait(engine.mount(created.loaded)).unwrap();
    let handle = user(&engine);
    send(&handle, scope(1), add(1)).unwrap();
    send(&handle, scope(1), add(0)).unwrap_err();
    send(&handle, scope(1), add(2)).unwrap();
    let reader = engine.reader();
    engine.stop();
    let stored = home.store.journal(scope(1)).unwrap();
    let traces = stored.traces().unwrap();
    let remembered: Vec<TraceRecord> = reader
        .traces(scope(1))
        .iter()
        .map(|record| (**record).clone())
        .collect();
    assert_eq!(traces.records, remembered);
    assert_eq!((traces.dropped, traces.unreadable), (0, 0));
    let rejected = traces.records.iter().any(|record| match record {
        TraceRecord::Dispatch(dispatch) => {
            let expected = DispatchId {
                refusal: 1,
                ..DispatchId::commit(scope(1), 1)
            };
            dispatch.id == expected && matches!(dispatch.outcome, Outcome::Rejected { .. })
        }
        _ => false,
    });
    assert!(rejected, "{:#?}", traces.records);
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(stored.folder().join("trace.jsonl"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_torn_line_spoils_neither_what_is_before_it_nor_what_comes_after() {
    let home = Home::new();
    home.journal(scope(1), []);
    let stored = home.store.journal(scope(1)).unwrap();
    assert_eq!(stored.traces().unwrap(), Default::default());
    let write = |seq: u64| {
        let (mut sink, folders) = TraceFile::spawn().unwrap();
        folders.attach(scope(1), &stored.folder());
        sink.record(&failed(seq, "why".to_owned()));
    };
    write(1);
    let path = stored.folder().join("trace.jsonl");
    let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(b"{\"journal_failed\":{\"sco").unwrap();
    let beside = stored.traces().unwrap();
    assert_eq!(
        (seqs(&beside.records), beside.unreadable),
        (vec![1], 0),
        "not written yet"
    );
    write(2);
    let after = stored.traces().unwrap();
    assert_eq!((seqs(&after.records), after.unreadable), (vec![1, 2], 1));
}

#[test]
fn files_rotate_and_the_newest_records_are_the_ones_that_stay() {
    let home = Home::new();
    home.journal(scope(1), []);
    let stored = home.store.journal(scope(1)).unwrap();
    let text = "x".repeat(64 << 10);
    let count = 3 * ROTATE_AT / (64 << 10);
    let mut recorded = 0;
    while recorded < count {
        // A sink for each few: what waits for the thread has a cap of its own.
        let (mut sink, folders) = TraceFile::spawn().unwrap();
        folders.attach(scope(1), &stored.folder());
        for _ in 0..8 {
            recorded += 1;
            sink.record(&failed(recorded, text.clone()));
        }
    }
    let names = ["trace.jsonl", "trace.1.jsonl"];
    let sizes = names.map(|name| std::fs::metadata(stored.folder().join(name)).unwrap().len());
    assert!(sizes.iter().all(|size| *size <= ROTATE_AT), "{sizes:?}");
    assert_eq!(std::fs::read_dir(stored.folder()).unwrap().count(), 2);
    let traces = stored.traces().unwrap();
    let kept = seqs(&traces.records);
    assert!(kept.len() as u64 > ROTATE_AT / (65 << 10), "{}", kept.len());
    let expected: Vec<u64> = (recorded + 1 - kept.len() as u64..=recorded).collect();
    assert_eq!(kept, expected);
}

#[test]
fn a_burst_is_kept_or_counted_to_the_last_record() {
    let home = Home::new();
    home.journal(scope(1), []);
    let stored = home.store.journal(scope(1)).unwrap();
    let (mut sink, folders) = TraceFile::spawn().unwrap();
    folders.attach(scope(1), &stored.folder());
    // More than may wait at once, and less than is rotated away.
    let count = 20_000;
    (0..count).for_each(|seq| sink.record(&failed(seq, String::new())));
    drop(sink);
    let traces = stored.traces().unwrap();
    assert_eq!(traces.records.len() as u64 + traces.dropped, count);
    assert!(seqs(&traces.records).is_sorted() && traces.unreadable == 0);
}

#[test]
fn a_folder_that_cannot_be_written_costs_records_and_nothing_else() {
    let home = Home::new();
    home.journal(scope(1), []);
    let stored = home.store.journal(scope(1)).unwrap();
    let path = stored.folder().join("trace.jsonl");
    std::fs::create_dir(&path).unwrap();
    let (mut sink, folders) = TraceFile::spawn().unwrap();
    folders.attach(scope(1), &stored.folder());
    sink.record(&failed(1, String::new()));
    drop(sink);
    assert!(
        stored.traces().is_err(),
        "something else stands there, and it is told"
    );
    std::fs::remove_dir(&path).unwrap();
    let (mut sink, folders) = TraceFile::spawn().unwrap();
    folders.attach(scope(1), &stored.folder());
    sink.record(&failed(2, String::new()));
    drop(sink);
    assert_eq!(seqs(&stored.traces().unwrap().records), [2]);
}

//! Lists and searches over many sessions, in process and as a whole process would begin; what the index takes.
//!
//! `cargo bench -p glasswork-app-runtime --bench sessions [-- SESSIONS]`: how many, 20,000 unless it is said.

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

use std::collections::BTreeSet;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use glasswork_app_runtime::archive::{Archive as _, Cursor, Filter, Listing, Search, Sort, Vault as _};
use glasswork_app_runtime::files::FileArchive;
use glasswork_engine::line::{self, Header};
use glasswork_engine::test_support::wait;
use glasswork_engine::{ScopeId, Timestamp};
use glasswork_session_state::state::Kind;
use strum::VariantArray as _;

use long::House;

const RUNS: usize = 30;
/// Messages of a session: three turns of four.
const TURNS: usize = 3;

fn main() {
    let sessions: u64 = std::env::args()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(20_000);
    let home = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let journals = make(home.path(), sessions);
    println!(
        "{sessions} sessions of {} messages, {:.1} MB of journals, made in {:.1} s",
        TURNS * 4,
        journals as f64 / 1e6,
        begun.elapsed().as_secs_f64()
    );
    let archive = FileArchive::open(home.path()).unwrap();
    let begun = Instant::now();
    let refreshed = archive.index().refresh(&mut |_| {}).unwrap();
    println!(
        "index all of them: {:.1} s ({refreshed:?})",
        begun.elapsed().as_secs_f64()
    );
    assert_eq!(refreshed.damaged, 0, "what is measured are sound sessions");
    let bytes: u64 = ["index.sqlite", "index.sqlite-wal"]
        .iter()
        .filter_map(|name| std::fs::metadata(home.path().join(name)).ok())
        .map(|found| found.len())
        .sum();
    println!(
        "its file: {:.1} MB, {:.0} bytes a session; what can be searched in it is kept there too",
        bytes as f64 / 1e6,
        bytes as f64 / sessions as f64
    );
    let first = |sort| Listing {
        sort,
        limit: 50,
        ..Listing::default()
    };
    // As long as its folder may still change within the same tick its names are looked at again.
    show("the first page of 50, opened anew", || {
        let archive = FileArchive::open(home.path()).unwrap();
        archive.page(&first(Sort::Updated), &BTreeSet::new()).unwrap()
    });
    for sort in Sort::VARIANTS {
        let name: &str = (*sort).into();
        show(&format!("the first page of 50 by {name}"), || {
            archive.page(&first(*sort), &BTreeSet::new()).unwrap()
        });
    }
    let mut middle = first(Sort::Updated);
    middle.limit = usize::try_from(sessions / 2).unwrap();
    let page = archive.page(&middle, &BTreeSet::new()).unwrap();
    middle.limit = 50;
    middle.after = page.rows.last().map(|row| Cursor::behind(row, Sort::Updated));
    show("a page of 50 in the middle", || {
        archive.page(&middle, &BTreeSet::new()).unwrap()
    });
    let named = Listing {
        filter: Filter {
            named: Some("word77".to_owned()),
            ..Filter::default()
        },
        ..first(Sort::Updated)
    };
    show("a page of those that are called so", || {
        archive.page(&named, &BTreeSet::new()).unwrap()
    });
    for (what, query) in [
        ("a rare word", "word4711"),
        ("a common word", "someone"),
        ("a phrase", "\"does word77\""),
        ("a beginning", "word12*"),
        ("nothing", "nowhere"),
        ("two words, one in every message", "say word99"),
    ] {
        let search = Search {
            query: query.to_owned(),
            limit: 20,
            ..Search::default()
        };
        let hits = archive.search(&search).unwrap();
        show(
            &format!("search for {what} ({} hits of the first 20)", hits.hits.len()),
            || archive.search(&search).unwrap(),
        );
    }
    println!("memory at its peak: {} MiB", peak());
}

/// Makes that many journals from one, each with words of its own. Returns their length together.
fn make(data: &Path, sessions: u64) -> u64 {
    let archive = FileArchive::open(data.join("template")).unwrap();
    let (vault, journal, trace) = archive.writing().unwrap();
    let house = House::on(journal, trace);
    let id = ScopeId::mint();
    house.open(vault.create(id, Kind::Session, Timestamp(0)).unwrap());
    (0..TURNS).for_each(|_| house.turn(id, 400, 0));
    wait(house.engine.unmount(id)).unwrap();
    vault.release(id);
    house.engine.stop();
    let template = std::fs::read_to_string(journal_in(&data.join("template/sessions"))).unwrap();
    let mut bytes = 0;
    let mut random = 7u64;
    for number in 0..sessions {
        let id = ScopeId::mint();
        // Over a year, and so over twelve folders.
        let at = 1_760_000_000_000_000 + i64::try_from(number).unwrap() * 31_536_000_000_000 / 20_000;
        let (header, mut chain) = line::encode_header(&Header {
            created: Timestamp(at),
            scope: id,
            ..line::decode_header::<Kind>(template.lines().next().unwrap().as_bytes())
                .unwrap()
                .0
        })
        .unwrap();
        let mut text = String::from_utf8(header).unwrap();
        text.push('\n');
        for old in template.lines().skip(1) {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let word = (random >> 33) % 20_000;
            let new = old
                .replace("What does a.txt say?", &format!("What does word{word} say?"))
                .replace("A long one", &format!("Session word{word}"));
            let (sealed, next) = line::reseal(new.as_bytes(), chain).unwrap();
            chain = next;
            text.push_str(std::str::from_utf8(&sealed).unwrap());
            text.push('\n');
        }
        bytes += u64::try_from(text.len()).unwrap();
        let month = number * 12 / sessions + 1;
        let folder = data.join(format!("sessions/2026/{month:02}"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("20260101T000000Z-{id}.jsonl")), text).unwrap();
    }
    bytes
}

fn journal_in(folder: &Path) -> std::path::PathBuf {
    let mut entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .find_map(|path| match path.is_dir() {
            true if !path.with_extension("jsonl").exists() => Some(journal_in(&path)),
            true => None,
            false => Some(path),
        })
        .unwrap()
}

/// The most memory that this process has had, in MiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
}

fn show<T>(what: &str, mut work: impl FnMut() -> T) {
    let mut times: Vec<_> = (0..RUNS)
        .map(|_| {
            let begun = Instant::now();
            black_box(work());
            begun.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!(
        "{what:64} median {:8.2} ms   ({:.2}–{:.2})",
        times[RUNS / 2],
        times[1],
        times[RUNS - 2]
    );
}

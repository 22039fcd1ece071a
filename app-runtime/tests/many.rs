//! Very many sessions: everything that goes over all of them is right, and takes memory for the page, not for the whole.
//!
//! 1,000 of them, because this is not built for speed; the bench `sessions` has the 20,000.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests fail by panicking"
)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use glasswork_app_runtime::archive::{Archive as _, Cursor, Filter, Listing, Search, Sort};
use glasswork_app_runtime::doctor::{self, Health};
use glasswork_app_runtime::files::FileArchive;
use glasswork_app_runtime::homes::{Environment, Homes};
use glasswork_app_runtime::reading::{Reader, Viewer};
use glasswork_app_runtime::resuming;
use glasswork_app_runtime::runtime::Runtime;
use glasswork_engine::line::{self, Header};
use glasswork_engine::{ScopeId, SystemClock, Timestamp};
use glasswork_session_state::host_settings::Settings as Keeping;
use glasswork_session_state::settings::{Layer, Mode, Sourced};
use glasswork_session_state::state::Kind;
use glasswork_testkit::house::{House, PATIENCE, ports, scripted};
use glasswork_testkit::second::{self, Second, plays, say};
use strum::VariantArray as _;

const FEW: u64 = 200;
const MANY: u64 = 1_000;
/// What a session that nobody has open may cost in memory, in bytes: lists of all of them are the most that is held.
const PER_SESSION: u64 = 4 << 10;
const BEGAN: Timestamp = Timestamp(1_760_000_000_000_000);
const SCRIPT: &str = r#"(turns: [
    (say: [text("Let me see."), call("bash", (command: "echo chaff"))]),
    (say: [text("There was chaff.")]),
    (say: [text("Still there.")]),
])"#;

/// A word that one session has, and no other.
fn word(number: u64) -> String {
    format!("grain{number:05}")
}

/// The id of a session: they are made an hour apart.
fn id(number: u64) -> ScopeId {
    let millis = u128::from(BEGAN.0.unsigned_abs() / 1_000 + number * 3_600_000);
    // A UUID of version 7: time, version, and a number.
    ScopeId::from_u128((millis << 80) | (7 << 76) | (2 << 62) | u128::from(number))
}

/// Makes journals as the program would have: each of its own session, with words of its own, sealed line by line.
async fn make(data: &Path, sessions: u64) {
    let house = House::of_script(SCRIPT).await;
    let session = house.session(House::settings(Mode::Yolo)).await;
    house.turn(session, "Where is the grain?").await;
    house.runtime().give_up(session).await.unwrap();
    let journal = house.archive().journal_of(session).unwrap().path().to_owned();
    let template = std::fs::read_to_string(&journal).unwrap();
    house.close().await;
    let first = template.lines().next().unwrap();
    let (header, _) = line::decode_header::<Kind>(first.as_bytes()).unwrap();
    for number in 0..sessions {
        let created = Timestamp(BEGAN.0 + i64::try_from(number).unwrap() * 3_600_000_000);
        let (mut bytes, mut chain) = line::encode_header(&Header {
            created,
            scope: id(number),
            ..header.clone()
        })
        .unwrap();
        for old in template.lines().skip(1) {
            let new = old.replace("Where is the grain?", &format!("Where is {}?", word(number)));
            let (sealed, next) = line::reseal(new.as_bytes(), chain).unwrap();
            bytes.extend(if bytes.ends_with(b"\n") { &b""[..] } else { b"\n" });
            bytes.extend(sealed);
            chain = next;
        }
        if !bytes.ends_with(b"\n") {
            bytes.push(b'\n');
        }
        let folder = data.join(format!("sessions/2026/{:02}", number * 12 / sessions + 1));
        std::fs::create_dir_all(&folder).unwrap();
        let mut name = String::from("20251009T085320Z-");
        write!(name, "{}.jsonl", id(number)).unwrap();
        std::fs::write(folder.join(name), bytes).unwrap();
    }
}

/// Every page of a list.
fn paged(archive: &FileArchive, sort: Sort, limit: usize) -> Vec<ScopeId> {
    let mut listing = Listing {
        sort,
        limit,
        ..Listing::default()
    };
    let mut ids = Vec::new();
    loop {
        let page = archive.page(&listing, &BTreeSet::new()).unwrap();
        assert!(page.rows.len() <= limit);
        assert!(
            page.rows
                .is_sorted_by(|one, other| sort.compare(one, other).is_lt()),
            "{sort:?}"
        );
        ids.extend(page.rows.iter().map(|row| row.id));
        if !page.more {
            return ids;
        }
        listing.after = page.rows.last().map(|row| Cursor::behind(row, sort));
    }
}

async fn part(home: &Path) {
    let sessions: u64 = std::fs::read_to_string(home.join("count"))
        .unwrap()
        .parse()
        .unwrap();
    let count = usize::try_from(sessions).unwrap();
    let data = home.join("data");
    let archive = FileArchive::open(&data).unwrap();
    let refreshed = archive.index().refresh(&mut |_| {}).unwrap();
    assert_eq!(
        (refreshed.read, refreshed.damaged, refreshed.gone),
        (sessions, 0, 0)
    );

    for sort in Sort::VARIANTS {
        let listed = paged(&archive, *sort, 100);
        assert_eq!(listed.len(), count, "{sort:?}");
        assert_eq!(listed.iter().collect::<BTreeSet<_>>().len(), count, "{sort:?}");
    }
    let newest_first: Vec<ScopeId> = (0..sessions).rev().map(id).collect();
    assert_eq!(paged(&archive, Sort::Created, 333), newest_first);

    let hits = |query: &str| {
        let search = Search {
            query: query.to_owned(),
            limit: 50,
            ..Search::default()
        };
        let found = archive.search(&search).unwrap();
        assert!(!found.cut, "{query}");
        (
            found.hits.into_iter().map(|hit| hit.session).collect::<Vec<_>>(),
            found.more,
        )
    };
    for number in [0, sessions / 2, sessions - 1] {
        assert_eq!(hits(&word(number)), (vec![id(number)], false));
    }
    assert_eq!(hits("nowhere"), (vec![], false));
    let (found, more) = hits("chaff");
    assert_eq!((found.len(), more), (50, true));
    // A search whose time is up gives what it has by then, and says so. Here that is what the first look at the clock
    // leaves, whatever that clock says.
    let all = Search {
        query: "chaff".to_owned(),
        limit: usize::MAX,
        ..Search::default()
    };
    let whole = archive.index().search_for(&all, PATIENCE).unwrap();
    assert_eq!(
        (whole.hits.len(), whole.cut, whole.more),
        (3 * count, false, false)
    );
    let part = archive.index().search_for(&all, Duration::ZERO).unwrap();
    assert!(
        part.cut && !part.hits.is_empty() && part.hits.len() < whole.hits.len(),
        "{}",
        part.hits.len()
    );
    assert_eq!(part.hits, whole.hits[..part.hits.len()], "the newest, in order");

    let reader = Reader::new(None, Arc::new(archive.clone()));
    let snapshot = reader.snapshot(Viewer::owner());
    let meant = |wanted: &str| resuming::named(&snapshot, wanted).map(|past| past.id);
    for number in [0, sessions / 2, sessions - 1] {
        let whole = id(number).to_string();
        assert_eq!(meant(&whole).unwrap(), id(number));
        assert_eq!(meant(&whole[..13]).unwrap(), id(number));
        assert_eq!(meant(&format!("is {}", word(number))).unwrap(), id(number));
    }
    let several = meant("grain").unwrap_err().to_string();
    assert_eq!(several.lines().count(), 1 + resuming::CANDIDATES, "{several}");
    drop(snapshot);

    let homes = Homes {
        config: home.join("config"),
        data: data.clone(),
    };
    let nothing = Environment::of(Vec::<(String, String)>::new());
    let findings = doctor::examine(
        &homes,
        &nothing,
        glasswork_app_runtime::settings::resolve(&homes, &nothing, &[], home),
        Ok(glasswork_ai::http::ClientSettings::default()),
        &[],
        &archive.breakers(Default::default(), Arc::new(SystemClock::default())),
        Ok(&archive),
        &glasswork_app_runtime::sign_in::SignIns::new(
            home,
            &std::collections::BTreeMap::new(),
            Arc::new(glasswork_engine::SystemClock::default()),
        ),
    );
    let said = findings
        .iter()
        .find(|finding| finding.what == "sessions")
        .unwrap();
    let one = Listing {
        limit: 1,
        ..Listing::default()
    };
    let each = archive.page(&one, &BTreeSet::new()).unwrap().rows[0].own_tokens();
    assert!(each > 0);
    assert_eq!(
        (said.health, said.text.clone()),
        (
            Health::Good,
            format!(
                "{sessions} in {}, with {} tokens",
                data.display(),
                sessions * each
            )
        )
    );
    assert_eq!(archive.sizes().unwrap().journal_count, sessions);

    let keeping = Keeping {
        keep_sessions: Sourced::from_layer(Some(u32::try_from(sessions / 4).unwrap()), Layer::User),
        ..Keeping::default()
    };
    let plan = archive.plan(&keeping, BEGAN).unwrap();
    assert_eq!(plan.drop.len(), count - count / 4);
    assert_eq!(plan.drop, newest_first[count / 4..]);

    let mut seen = 0;
    let again = archive
        .index()
        .reindex(&mut |progress| seen = progress.done)
        .unwrap();
    assert_eq!(
        (again.read, again.damaged, again.gone, seen),
        (sessions, 0, 0, sessions)
    );
    assert_eq!(hits(&word(7)), (vec![id(7)], false), "once, not twice");

    // A program on all of them.
    let runtime = Runtime::start(ports(&archive, scripted(SCRIPT))).await.unwrap();
    runtime.mount(id(7)).await.unwrap();
    let watch = runtime.watch(id(7)).unwrap();
    runtime.prompt(id(7), "Again?", None).await.unwrap();
    assert_eq!(House::end_of_turn(watch).await.text, "Still there.");
    let listing = Listing {
        filter: Filter::default(),
        limit: 1,
        ..Listing::default()
    };
    let page = runtime
        .reader()
        .snapshot(Viewer::owner())
        .page(&listing, None)
        .unwrap();
    assert_eq!((page.rows[0].archived.id, page.more), (id(7), true));
    runtime.stop().await;
    say(format_args!("peak {}", peak()));
}

/// The most memory that this process has had, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_searches_and_upkeep_are_right_over_very_many_sessions_and_take_little_memory() {
    if plays("many", part).await {
        return;
    }
    let test = "lists_searches_and_upkeep_are_right_over_very_many_sessions_and_take_little_memory";
    let mut peaks = Vec::new();
    for count in [FEW, MANY] {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("data")).unwrap();
        std::fs::write(home.path().join("count"), count.to_string()).unwrap();
        make(&home.path().join("data"), count).await;
        let command = second::command(test, "many", home.path());
        let said = tokio::task::spawn_blocking(move || Second::start(command).end())
            .await
            .unwrap();
        peaks.push(said.all("peak").next().unwrap().parse::<u64>().unwrap());
    }
    let [few, many] = peaks[..] else {
        panic!("{peaks:?}")
    };
    let more = many.saturating_sub(few) / (MANY - FEW);
    println!("peaks {few} and {many} bytes: {more} bytes a session more");
    assert!(
        more <= PER_SESSION,
        "{more} bytes for each session more: {few} with {FEW}, {many} with {MANY}"
    );
}

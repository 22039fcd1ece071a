//! The index of sessions: lists and search follow from the journals, whatever happens to the file.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests fail by panicking"
)]

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use glasswork_agent_session::index::{Change, Index, IndexWriter};
use glasswork_agent_session::store::Store;
use glasswork_app_runtime::archive::{
    Archive, ArchivedSession, Cursor, Filter, Listing, Search, SearchError, Sort, Speaker, Status,
};
use glasswork_app_runtime::files::FileArchive;
use glasswork_app_runtime::reading::Viewer;
use glasswork_app_runtime::runtime::Opening;
use glasswork_engine::{ScopeId, SystemClock};
use glasswork_session_state::settings::Mode;
use glasswork_testkit::house::{House, MODEL, PATIENCE, scripted};
use strum::VariantArray;
use tempfile::TempDir;

const TALK: &str = r#"(turns: [
    (say: [thinking("Camels."), text("I look for the needle."), call("bash", (command: "echo straw; echo haystack"))], usage: (input: 10, output: 5)),
    (say: [text("There was only straw, \u{2}marked\u{3}.")], usage: (input: 20, output: 7)),
])"#;

/// Everything, in one page.
fn all() -> Listing {
    Listing {
        filter: Filter {
            empty: true,
            ..Filter::default()
        },
        limit: 1_000,
        ..Listing::default()
    }
}

fn page(archive: &FileArchive, listing: &Listing) -> Vec<ArchivedSession> {
    archive.page(listing, &BTreeSet::new()).unwrap().rows
}

fn search(query: &str) -> Search {
    Search {
        query: query.to_owned(),
        limit: 50,
        ..Search::default()
    }
}

/// Who said what matched, with the matches in brackets; newest first.
fn hits(archive: &FileArchive, query: &str) -> Vec<String> {
    let found = archive.search(&search(query)).unwrap();
    assert!(!found.cut && !found.more);
    let hits = found.hits.iter().map(|hit| {
        let pieces = hit.snippet.iter().map(|piece| match piece.matched {
            true => format!("[{}]", piece.text),
            false => piece.text.clone(),
        });
        let speaker: &str = hit.speaker.into();
        format!("{speaker}: {}", pieces.collect::<String>().trim())
    });
    hits.collect()
}

/// A home in which one session was held and given up.
async fn lived_in() -> (TempDir, ScopeId, PathBuf) {
    let house = House::of_script(TALK).await;
    let workspace = house.workspace();
    let session = house.session(House::settings(Mode::Yolo)).await;
    house.turn(session, "Find the \"needle\" in Größe 42").await;
    house.runtime().give_up(session).await.unwrap();
    (house.close().await, session, workspace)
}

fn open(home: &TempDir) -> FileArchive {
    FileArchive::open(home.path().join("data")).unwrap()
}

fn journal(home: &TempDir, session: ScopeId) -> PathBuf {
    let store = Store::<glasswork_session_state::Glasswork>::open(home.path().join("data")).unwrap();
    store.journal(session).unwrap().path().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_listed_while_it_runs_and_after() {
    let house = House::of_script(TALK).await;
    let session = house.session(House::settings(Mode::Yolo)).await;
    let now = |listing: &Listing| house.snapshot().page(listing, None).unwrap().rows;
    // Nothing was said yet: kept, and hidden.
    assert_eq!(
        now(&Listing {
            limit: 9,
            ..Listing::default()
        }),
        []
    );
    let rows = now(&all());
    assert_eq!(
        (rows.len(), rows[0].mounted, rows[0].archived.status),
        (1, true, Status::New)
    );
    let prompt = "Find the needle. ".repeat(20);
    house.turn(session, &prompt).await;
    let row = now(&all()).remove(0);
    let owner = row.archived.owner.clone().expect("this process owns it");
    assert_eq!((owner.pid, row.mounted), (std::process::id(), true));
    let live = row.archived;
    house.runtime().give_up(session).await.unwrap();
    let row = now(&all()).remove(0);
    assert!(!row.mounted);
    let expected = ArchivedSession {
        workspace: Some(house.workspace().to_string_lossy().into()),
        model: Some(MODEL.parse().unwrap()),
        messages: 4,
        tokens: 42,
        status: Status::Completed,
        first_words: Some(prompt[..80].into()),
        title: None,
        branch: None,
        cost: None,
        parent: None,
        pinned: false,
        damage: None,
        owner: None,
        ..row.archived.clone()
    };
    assert_eq!(row.archived, expected);
    assert_eq!(
        live,
        ArchivedSession {
            owner: live.owner.clone(),
            ..expected
        }
    );
    assert_eq!(
        row.archived.bytes,
        std::fs::metadata(journal_of(&house, session)).unwrap().len()
    );
    house.close().await;
}

fn journal_of(house: &House, session: ScopeId) -> PathBuf {
    let store = Store::<glasswork_session_state::Glasswork>::open(house.home().join("data")).unwrap();
    store.journal(session).unwrap().path().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_is_found_by_words_phrases_and_beginnings() {
    let (home, session, workspace) = lived_in().await;
    let archive = open(&home);
    let check = |query: &str, expected: &[&str]| assert_eq!(hits(&archive, query), expected, "{query}");
    let asked = "person: Find the \"[needle]\" in Größe 42";
    check(
        "needle",
        &[
            "model: I look for the [needle].\nbash {\"command\":\"echo straw; echo haystack\"}",
            asked,
        ],
    );
    check("NEEDLE find", &["person: [Find] the \"[needle]\" in Größe 42"]);
    check("grosse", &[]);
    check("große", &["person: Find the \"needle\" in [Größe] 42"]);
    check("groß*", &["person: Find the \"needle\" in [Größe] 42"]);
    check(
        "\"the needle in\"",
        &["person: Find [the \"needle\" in] Größe 42"],
    );
    check("\"needle the\"", &[]);
    check(
        "\"look for\" straw",
        &["model: I [look for] the needle.\nbash {\"command\":\"echo [straw]; echo haystack\"}"],
    );
    check("\"only str\"*", &["model: There was [only straw],  marked ."]);
    check("haystac", &[]);
    // What was thought was not said.
    check("camels", &[]);
    check(
        "haystack",
        &[
            "tool: straw\n[haystack]",
            "model: I look for the needle.\nbash {\"command\":\"echo straw; echo [haystack]\"}",
        ],
    );
    // No operator of the database's language is one here.
    check("needle OR straw", &[]);
    check("needle NOT straw", &[]);
    check("text:needle", &[]);
    check("said NEAR(needle, 2) AND", &[]);
    for query in [
        "'; DROP TABLE said; --",
        "a\" OR \"b",
        "{x} : ^y - +",
        "\u{0}needle\u{0}",
        "🦀",
        "%_",
    ] {
        match archive.search(&search(query)) {
            Ok(_) | Err(SearchError::Query(_)) => {}
            Err(error) => panic!("{query}: {error}"),
        }
    }
    let error = archive.search(&search("\"*\"")).unwrap_err();
    assert!(
        matches!(error, SearchError::Query(_)) && error.to_string().contains("no word"),
        "{error}"
    );

    let found = archive.search(&search("straw")).unwrap();
    let speakers: Vec<_> = found.hits.iter().map(|hit| hit.speaker).collect();
    assert_eq!(speakers, [Speaker::Model, Speaker::Tool, Speaker::Model]);
    let hit = &found.hits[0];
    assert_eq!(
        (hit.session, hit.workspace.as_deref()),
        (session, workspace.to_str())
    );
    let scope = archive.load(session, None).unwrap().scope;
    let glasswork_session_state::state::Scope::Session(state) = &scope.state else {
        panic!("a session")
    };
    let entry = state.tree.get(hit.entry).expect("the hit names an entry");
    assert_eq!(hit.at, entry.at);
    // By pages of one.
    let mut places = Vec::new();
    let mut asked = Search {
        limit: 1,
        ..search("straw")
    };
    loop {
        let found = archive.search(&asked).unwrap();
        places.extend(found.hits.iter().map(|hit| hit.place));
        asked.after = places.last().copied();
        if !found.more {
            break;
        }
    }
    assert_eq!(places, found.hits.iter().map(|hit| hit.place).collect::<Vec<_>>());
    let elsewhere = Search {
        workspace: Some("/elsewhere".to_owned()),
        ..search("straw")
    };
    assert_eq!(archive.search(&elsewhere).unwrap().hits, []);
    // Who may see another session only does not find this one's words.
    let reader = glasswork_app_runtime::reading::Reader::new(None, Arc::new(archive.clone()));
    let found = |viewer| {
        reader
            .snapshot(viewer)
            .search(&search("straw"))
            .unwrap()
            .hits
            .len()
    };
    assert_eq!(
        [
            Viewer::owner(),
            Viewer::of(session),
            Viewer::of(ScopeId::from_u128(1))
        ]
        .map(found),
        [3, 3, 0]
    );
}

/// An index as it is now, all of it in one file.
fn whole(copy: &Path, index: &Path) -> Vec<u8> {
    let connection = rusqlite::Connection::open(index).unwrap();
    connection
        .execute("VACUUM INTO ?", [copy.to_str().unwrap()])
        .unwrap();
    std::fs::read(copy).unwrap()
}

fn remove_index(data: &Path) {
    for name in ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"] {
        let _ = std::fs::remove_file(data.join(name));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_process_left_unwritten_is_read_from_its_journal() {
    let script = r#"(turns: [(say: [text("The first answer.")]), (say: [text("The second answer.")]), (say: [stall])])"#;
    let house = House::of_script(script).await;
    let session = house.session(House::settings(Mode::Yolo)).await;
    house.turn(session, "one").await;
    let data = house.home().join("data");
    // The index follows a moment later. Here that moment is now: it hears of the session as it is.
    let writer = IndexWriter::spawn(Index::of(Store::open(&data).unwrap())).unwrap();
    let seen = house.snapshot().session(session, None).unwrap();
    writer.tell(Change {
        created: seen.scope.at,
        scope: seen.scope,
        journal: journal_of(&house, session),
        open: true,
    });
    writer.settle(PATIENCE);
    let other = FileArchive::open(&data).unwrap();
    assert_eq!(hits(&other, "\"first answer\"").len(), 1);
    let looked = other.index().refresh(&mut |_| {}).unwrap();
    assert_eq!(looked.read, 0, "what its owner keeps is not read beside it");
    let row = page(&other, &all()).remove(0);
    assert_eq!(
        row.owner.as_ref().map(|owner| owner.pid),
        Some(std::process::id())
    );
    drop(other);
    let then = whole(&house.home().join("then.sqlite"), &data.join("index.sqlite"));
    house.turn(session, "two").await;
    house.runtime().prompt(session, "three", None).await.unwrap();
    let home = house.close().await;
    // As if it had been killed before the index heard of the second turn.
    remove_index(&home.path().join("data"));
    std::fs::write(home.path().join("data/index.sqlite"), then).unwrap();
    let archive = open(&home);
    assert_eq!(hits(&archive, "answer").len(), 2);
    let row = page(&archive, &all()).remove(0);
    assert_eq!((row.status, row.messages, row.owner), (Status::LeftOpen, 5, None));
    let left = Listing {
        filter: Filter {
            status: Some(Status::LeftOpen),
            ..Filter::default()
        },
        limit: 1,
        ..Listing::default()
    };
    assert_eq!(page(&archive, &left).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_stands_in_its_place_the_index_is_made_anew() {
    let (home, session, _) = lived_in().await;
    let data = home.path().join("data");
    let path = data.join("index.sqlite");
    let before = page(&open(&home), &all());
    let whole = whole(&home.path().join("whole.sqlite"), &path);
    let sqlite = |statements: &str| {
        let statements = statements.to_owned();
        move |path: &Path| {
            rusqlite::Connection::open(path)
                .unwrap()
                .execute_batch(&statements)
                .unwrap()
        }
    };
    let bytes = |bytes: Vec<u8>| move |path: &Path| std::fs::write(path, &bytes).unwrap();
    let mut middle = whole.clone();
    let page_size = 4096;
    for number in 1..middle.len() / page_size {
        middle[number * page_size..number * page_size + 512].fill(0xA5);
    }
    type Put = Box<dyn Fn(&Path)>;
    let puts: Vec<(&str, Put)> = vec![
        ("nothing", Box::new(|_| {})),
        ("an empty file", Box::new(bytes(Vec::new()))),
        (
            "no database",
            Box::new(bytes(b"These are my notes.\n".repeat(900))),
        ),
        ("half of it", Box::new(bytes(whole[..whole.len() / 2].to_vec()))),
        ("pages overwritten", Box::new(bytes(middle))),
        (
            "a foreign database",
            Box::new(sqlite("CREATE TABLE notes (text)")),
        ),
        (
            "another version",
            Box::new({
                let whole = whole.clone();
                move |path: &Path| {
                    std::fs::write(path, &whole).unwrap();
                    sqlite("PRAGMA user_version = 99")(path);
                }
            }),
        ),
        (
            "a table that is missing",
            Box::new({
                let whole = whole.clone();
                move |path: &Path| {
                    std::fs::write(path, &whole).unwrap();
                    sqlite("PRAGMA writable_schema = 1; DELETE FROM sqlite_schema WHERE name = 'entries'")(
                        path,
                    );
                }
            }),
        ),
        ("a folder", Box::new(|path| std::fs::create_dir(path).unwrap())),
        (
            "a link",
            Box::new(|path| std::os::unix::fs::symlink("/etc/passwd", path).unwrap()),
        ),
    ];
    let version = |path: &Path| -> i64 {
        let connection = rusqlite::Connection::open(path).unwrap();
        connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap()
    };
    let ours = version(&home.path().join("whole.sqlite"));
    // Somebody keeps a folder where a file would be put aside.
    std::fs::create_dir(data.join("index.sqlite.aside")).unwrap();
    for (what, put) in puts {
        remove_index(&data);
        put(&path);
        let archive = open(&home);
        assert_eq!(page(&archive, &all()), before, "{what}");
        assert_eq!(hits(&archive, "needle").len(), 2, "{what}");
        drop(archive);
        assert!(path.is_file() && !path.is_symlink(), "{what}");
        assert_eq!(version(&path), ours, "{what}");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{what}");
        // It holds, too.
        assert_eq!(page(&open(&home), &all()), before, "{what}");
    }
    // What was there is not thrown away.
    assert!(data.join("index.sqlite.aside-1").exists());
    // Nor does who has it open stay with one that others do not find any more.
    let archive = open(&home);
    assert_eq!(page(&archive, &all()), before);
    remove_index(&data);
    assert_eq!(page(&archive, &all()), before);
    assert!(path.is_file());
    assert_eq!(before[0].id, session);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn journals_that_come_go_or_change_by_hand_are_noticed() {
    let (home, session, _) = lived_in().await;
    let archive = open(&home);
    let listed = || {
        page(&archive, &all())
            .iter()
            .map(|row| (row.id, row.damage.is_some()))
            .collect::<Vec<_>>()
    };
    assert_eq!(listed(), [(session, false)]);
    let path = journal(&home, session);
    let whole = std::fs::read(&path).unwrap();
    // Gone, with all that was said.
    let away = home.path().join("away.jsonl");
    std::fs::rename(&path, &away).unwrap();
    assert_eq!((hits(&archive, "needle").len(), listed()), (0, vec![]));
    // Back.
    std::fs::rename(&away, &path).unwrap();
    assert_eq!(
        (listed(), hits(&archive, "needle").len()),
        (vec![(session, false)], 2)
    );
    // A byte flipped near its end: listed with the damage, and with what stands before it.
    let mut flipped = whole.clone();
    let at = whole.len() - 40;
    flipped[at] ^= 1;
    std::fs::write(&path, &flipped).unwrap();
    assert_eq!(
        (listed(), hits(&archive, "needle").len()),
        (vec![(session, true)], 2)
    );
    let row = page(&archive, &all()).remove(0);
    assert_eq!((row.status, row.messages > 0), (Status::Damaged, true));
    let of = |damaged| {
        let mut listing = all();
        listing.filter.damaged = Some(damaged);
        page(&archive, &listing).len()
    };
    assert_eq!((of(true), of(false)), (1, 0));
    // Mended.
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(
        (listed(), hits(&archive, "needle").len()),
        (vec![(session, false)], 2)
    );
    assert_eq!((of(true), of(false)), (0, 1));
    // Nothing of a journal that is shorter stays.
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    std::fs::write(&path, lines[..3].concat()).unwrap();
    assert_eq!(
        (listed(), hits(&archive, "straw").len()),
        (vec![(session, false)], 0)
    );
    // No journal at all.
    std::fs::write(&path, b"").unwrap();
    assert_eq!(listed(), [(session, true)]);
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
    assert_eq!(listed(), [(session, true)]);
    // The whole month.
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(listed(), [(session, false)]);
    let month = path.parent().unwrap();
    std::fs::rename(month, home.path().join("month")).unwrap();
    assert_eq!((hits(&archive, "needle").len(), listed()), (0, vec![]));
    std::fs::rename(home.path().join("month"), month).unwrap();
    assert_eq!(
        (listed(), hits(&archive, "needle").len()),
        (vec![(session, false)], 2)
    );
    // By hand all of it is read again, whatever it looks like.
    let mut seen = Vec::new();
    let refreshed = archive
        .index()
        .reindex(&mut |progress| seen.push((progress.done, progress.of)))
        .unwrap();
    assert_eq!(
        (refreshed.read, refreshed.damaged, refreshed.gone, seen),
        (1, 0, 0, vec![(1, 1)])
    );
    assert_eq!(hits(&archive, "needle").len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_what_is_very_long_both_ends_are_found() {
    let talk = r#"(turns: [
        (say: [call("bash", (command: "echo alpha; seq 10000 11700; echo omega"))]),
        (say: [text("Done.")]),
    ])"#;
    let house = House::of_script(talk).await;
    let session = house.session(House::settings(Mode::Yolo)).await;
    let prompt = format!("first {} last", "and then ".repeat(10_000));
    house.turn(session, &prompt).await;
    house.runtime().give_up(session).await.unwrap();
    let home = house.close().await;
    let archive = open(&home);
    let said = |query: &str| {
        let found = archive.search(&search(query)).unwrap();
        found.hits.iter().map(|hit| hit.speaker).collect::<Vec<_>>()
    };
    // The call has the words too, of which the tool's result is one.
    assert_eq!(said("alpha"), [Speaker::Tool, Speaker::Model]);
    assert_eq!(said("omega"), [Speaker::Tool, Speaker::Model]);
    assert_eq!(said("11690"), [Speaker::Tool]);
    assert_eq!(
        said("10850"),
        [],
        "the middle of a long result is in the journal alone"
    );
    assert_eq!(said("first"), [Speaker::Person]);
    assert_eq!(said("last"), [], "and so is the end of an endless prompt");
    // The index takes a part of what the journal takes.
    let index = std::fs::metadata(home.path().join("data/index.sqlite"))
        .unwrap()
        .len();
    assert!(index < 300_000, "{index}");
}

/// Gives a folder the time of its last change.
fn set_time(folder: &Path, time: std::time::SystemTime) {
    let folder = std::fs::File::open(folder).unwrap();
    folder.set_modified(time).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_whose_time_does_not_tell_is_looked_at_as_long_as_that_may_be() {
    let (home, session, _) = lived_in().await;
    let archive = open(&home);
    let path = journal(&home, session);
    let month = path.parent().unwrap();
    let away = home.path().join("away.jsonl");
    let listed = || page(&archive, &all()).len();
    assert_eq!(listed(), 1);
    // As if it had changed twice within one tick of the file system's clock.
    let time = std::fs::metadata(month).unwrap().modified().unwrap();
    std::fs::rename(&path, &away).unwrap();
    set_time(month, time);
    assert_eq!(hits(&archive, "needle").len(), 0);
    std::fs::rename(&away, &path).unwrap();
    set_time(month, time);
    assert_eq!(listed(), 1);
    // One that has not changed for long is not looked at; by hand it is.
    let long_ago = time - Duration::from_secs(3_600);
    set_time(month, long_ago);
    assert_eq!(listed(), 1);
    let refreshed = archive.index().refresh(&mut |_| {}).unwrap();
    assert_eq!(refreshed.read, 0);
    let again = archive.index().reindex(&mut |_| {}).unwrap();
    assert_eq!((again.read, listed()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_hand_an_index_that_says_what_was_never_said_is_made_anew() {
    let (home, _, _) = lived_in().await;
    let data = home.path().join("data");
    let archive = open(&home);
    assert_eq!(hits(&archive, "needle").len(), 2);
    let connection = rusqlite::Connection::open(data.join("index.sqlite")).unwrap();
    // Nothing that SQLite's own check of a file would find.
    let changed = connection
        .execute("UPDATE said_content SET c0 = 'quite other words'", [])
        .unwrap();
    assert!(changed > 2);
    drop(connection);
    archive.index().reindex(&mut |_| {}).unwrap();
    assert_eq!(hits(&archive, "needle").len(), 2);
    assert_eq!(hits(&archive, "other").len(), 0);
    assert!(data.join("index.sqlite.aside").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_behind_does_not_undo_what_is_further() {
    let (home, session, _) = lived_in().await;
    let archive = open(&home);
    let row = page(&archive, &all()).remove(0);
    let writer = IndexWriter::spawn(Index::of(Store::open(home.path().join("data")).unwrap())).unwrap();
    let old = archive.load(session, Some(row.seq / 2)).unwrap().scope;
    writer.tell(Change {
        created: row.created,
        scope: Arc::clone(&old),
        journal: journal(&home, session),
        open: false,
    });
    writer.settle(PATIENCE);
    let connection = rusqlite::Connection::open(home.path().join("data/index.sqlite")).unwrap();
    let rows = |seq: u64| -> i64 {
        let count = "SELECT count(*) FROM sessions WHERE seq = ?";
        let seq = i64::try_from(seq).unwrap();
        connection.query_row(count, [seq], |row| row.get(0)).unwrap()
    };
    assert_eq!((rows(row.seq), rows(row.seq / 2)), (1, 0));
    // Told of what is older while what is newer waits, and then ended, it writes what is newer: all of it.
    let new = archive.load(session, None).unwrap().scope;
    for number in 1..=60u128 {
        for scope in [&new, &old] {
            let mut scope = (**scope).clone();
            scope.id = ScopeId::from_u128(number);
            writer.tell(Change {
                scope: Arc::new(scope),
                created: row.created,
                journal: journal(&home, session),
                open: false,
            });
        }
    }
    drop(writer);
    assert_eq!((rows(row.seq), rows(row.seq / 2)), (61, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_in_every_order_add_up_to_the_whole() {
    let house = House::of_script(&format!("(turns: [{}])", r#"(say: [text("Well.")]),"#.repeat(7))).await;
    let titles = ["b", "A", "ä", "zz", "a", "B:c", "", "b"];
    let mut sessions = Vec::new();
    for (number, title) in titles.iter().enumerate() {
        let opening = Opening {
            workspace: house.workspace(),
            settings: House::settings(Mode::Yolo),
            title: (!title.is_empty()).then(|| (*title).into()),
            servers: vec![],
        };
        let session = house.runtime().new_session(opening).await.unwrap();
        for _ in 0..number % 3 {
            house.turn(session, "Say it").await;
        }
        sessions.push(session);
    }
    // Every second one stays mounted: a page is made of both.
    for session in sessions.iter().step_by(2) {
        house.runtime().give_up(*session).await.unwrap();
    }
    let snapshot = house.snapshot();
    let filters = [
        Filter::default(),
        Filter {
            empty: true,
            ..Filter::default()
        },
        Filter {
            status: Some(Status::Completed),
            ..Filter::default()
        },
        Filter {
            status: Some(Status::New),
            empty: true,
            ..Filter::default()
        },
        Filter {
            workspace: Some(house.workspace().to_string_lossy().into_owned()),
            ..Filter::default()
        },
        Filter {
            workspace: Some("/elsewhere".to_owned()),
            ..Filter::default()
        },
        Filter {
            model: Some(MODEL.to_owned()),
            ..Filter::default()
        },
        Filter {
            model: Some("a/b".to_owned()),
            ..Filter::default()
        },
        Filter {
            named: Some("B".to_owned()),
            ..Filter::default()
        },
        Filter {
            within: Some(sessions.iter().copied().take(5).collect()),
            empty: true,
            ..Filter::default()
        },
    ];
    let everything: Vec<_> = snapshot
        .page(&all(), None)
        .unwrap()
        .rows
        .into_iter()
        .map(|row| row.archived)
        .collect();
    assert_eq!(everything.len(), titles.len());
    // The index alone leaves out what is empty, too: the one that nobody named, and said nothing in.
    let some = Listing {
        limit: 100,
        ..Listing::default()
    };
    let indexed = page(house.archive(), &some);
    assert!(indexed.iter().all(|row| row.id != sessions[6]));
    assert!(
        page(house.archive(), &all())
            .iter()
            .any(|row| row.id == sessions[6])
    );
    let mut counts = Vec::new();
    for filter in filters {
        for sort in Sort::VARIANTS {
            let whole = Listing {
                filter: filter.clone(),
                sort: *sort,
                after: None,
                limit: 100,
            };
            let expected = whole.of(everything.clone()).rows;
            for limit in 1..=4 {
                let mut listed = Vec::new();
                let mut asked = Listing {
                    limit,
                    ..whole.clone()
                };
                loop {
                    let page = snapshot.page(&asked, None).unwrap();
                    listed.extend(page.rows.into_iter().map(|row| row.archived));
                    let cursor = listed.last().map(|row| Cursor::behind(row, *sort));
                    // A cursor survives being written down.
                    asked.after = cursor.map(|cursor| cursor.to_string().parse().unwrap());
                    if !page.more {
                        break;
                    }
                }
                assert_eq!(listed, expected, "{whole:?} by pages of {limit}");
            }
            counts.push(expected.len());
        }
    }
    assert_eq!(
        counts.chunks(5).map(|chunk| chunk[0]).collect::<Vec<_>>(),
        [7, 8, 5, 3, 7, 0, 7, 0, 3, 5]
    );
    for text in [
        "",
        "updated",
        "updated:x:1",
        "title:00000000-0000-0000-0000-000000000001:zz",
        "updated:1",
    ] {
        assert!(text.parse::<Cursor>().is_err(), "{text}");
    }
    drop(snapshot);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_write_at_once() {
    let (home, session, _) = lived_in().await;
    let data = home.path().join("data");
    let archive = open(&home);
    let loaded = archive.load(session, None).unwrap();
    let path = journal(&home, session);
    let writers: Vec<_> = (0..4)
        .map(|_| IndexWriter::spawn(Index::of(Store::open(&data).unwrap())).unwrap())
        .collect();
    for number in 1..=100u128 {
        let mut scope = (*loaded.scope).clone();
        scope.id = ScopeId::from_u128(number);
        let scope = Arc::new(scope);
        for writer in &writers {
            writer.tell(Change {
                scope: Arc::clone(&scope),
                created: loaded.scope.at,
                journal: path.clone(),
                open: false,
            });
        }
    }
    for writer in &writers {
        writer.settle(Duration::from_secs(60));
    }
    let connection = rusqlite::Connection::open(data.join("index.sqlite")).unwrap();
    let count = |query: &str| {
        connection
            .query_row(query, [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    assert_eq!(count("SELECT count(*) FROM sessions"), 101);
    assert_eq!(count("SELECT count(*) FROM entries"), 101 * 4);
    assert_eq!(
        count("SELECT count(*) FROM said WHERE said MATCH 'needle'"),
        101 * 2
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_house_that_was_lived_in_before_is_listed_at_once() {
    let (home, session, _) = lived_in().await;
    let models = scripted(TALK);
    let house = House::at(home, models, Arc::new(SystemClock::default())).await;
    let opening = Opening {
        workspace: house.workspace(),
        settings: House::settings(Mode::Yolo),
        title: Some("Again".into()),
        servers: vec![],
    };
    house.runtime().open(session, opening).await.unwrap();
    let rows = house.snapshot().page(&all(), None).unwrap().rows;
    assert_eq!(
        (rows.len(), rows[0].mounted, rows[0].archived.title.as_deref()),
        (1, true, Some("Again"))
    );
    let home = house.close().await;
    // Stopped without being given up: nothing is left to be read again.
    let connection = rusqlite::Connection::open(home.path().join("data/index.sqlite")).unwrap();
    let row = connection.query_row("SELECT open, title FROM sessions", [], |row| {
        Ok((row.get::<_, bool>(0)?, row.get::<_, String>(1)?))
    });
    assert_eq!(row.unwrap(), (false, "Again".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_branch_is_noted_at_the_opening_and_before_each_prompt() {
    let house = House::of_script(r#"(turns: [(say: [text("One.")]), (say: [text("Two.")])])"#).await;
    let git = house.workspace().join(".git");
    std::fs::create_dir(&git).unwrap();
    let check_out =
        |branch: &str| std::fs::write(git.join("HEAD"), format!("ref: refs/heads/{branch}\n")).unwrap();
    let branch = || {
        let row = house.snapshot().page(&all(), None).unwrap().rows.remove(0);
        row.archived.branch.map(|branch| branch.to_string())
    };
    check_out("main");
    let session = house.session(House::settings(Mode::Yolo)).await;
    assert_eq!(branch().as_deref(), Some("main"));
    let before = house.now(session);
    house.turn(session, "one").await;
    check_out("feature");
    house.turn(session, "two").await;
    assert_eq!(branch().as_deref(), Some("feature"));
    // Nothing of it reaches the model, and what has not changed is not noted again.
    let commits = house.archive().commits(session, 1..=u64::MAX).unwrap();
    let seen = commits
        .iter()
        .filter(|commit| matches!(commit.event, glasswork_session_state::Event::Checkout(_)));
    assert_eq!(seen.count(), 2);
    let now = house.now(session);
    assert_eq!(now.context.head(), before.context.head());
    house.runtime().give_up(session).await.unwrap();
    assert_eq!(branch().as_deref(), Some("feature"));
    house.close().await;
}

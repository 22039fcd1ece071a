//! Something else where a file or folder of the store should be: it is never followed, never written to, and either
//! named or not needed. With what was there back in its place, the session goes on.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use glasswork_app_runtime::archive::Archive as _;
use glasswork_app_runtime::files::FileArchive;
use glasswork_app_runtime::runtime::Runtime;
use glasswork_engine::{ScopeId, SystemClock};
use glasswork_testkit::house::{House, ports, scripted};

use crate::read_only::lived_in;
use crate::support::{opening, rows};

const SCRIPT: &str =
    r#"(turns: [(say: [text("One needle.")]), (say: [text("two")]), (say: [text("three")])])"#;

/// What is put into the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Put {
    LinkToFile,
    LinkToFolder,
    DeadLink,
    EmptyFile,
    Folder,
    Pipe,
}

const PUTS: [Put; 6] = [
    Put::LinkToFile,
    Put::LinkToFolder,
    Put::DeadLink,
    Put::EmptyFile,
    Put::Folder,
    Put::Pipe,
];

fn put(what: Put, at: &Path, outside: &Path) {
    let link = |to: &str| std::os::unix::fs::symlink(outside.join(to), at).unwrap();
    match what {
        Put::LinkToFile => link("file"),
        Put::LinkToFolder => link("folder"),
        Put::DeadLink => link("nothing"),
        Put::EmptyFile => fs::write(at, b"").unwrap(),
        Put::Folder => fs::create_dir(at).unwrap(),
        Put::Pipe => {
            let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
            rustix::fs::mknodat(rustix::fs::CWD, at, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        }
    }
}

fn remove(at: &Path) {
    match fs::symlink_metadata(at) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(at).unwrap(),
        Ok(_) => fs::remove_file(at).unwrap(),
        Err(_) => {}
    }
}

/// Everything outside, with its bytes.
fn all(folder: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => {
                found.push((path.clone(), None));
                found.extend(all(&path));
            }
            false => found.push((path.clone(), Some(fs::read(&path).unwrap()))),
        }
    }
    found.sort();
    found
}

/// What a program comes to that begins, goes on with the session, and keeps what belongs to it.
async fn use_it(home: &Path, session: ScopeId) -> Result<String, String> {
    let archive = FileArchive::open(home.join("data")).map_err(|error| error.to_string())?;
    let listed = archive.page(&Default::default(), &Default::default());
    listed.map_err(|error| error.to_string())?;
    let runtime = Runtime::start(ports(&archive, scripted(SCRIPT)))
        .await
        .map_err(|error| error.to_string())?;
    let done = async {
        runtime.mount(session).await.map_err(|error| error.to_string())?;
        let watch = runtime.watch(session).unwrap();
        let said = runtime.prompt(session, "two", None).await;
        said.map_err(|error| error.to_string())?;
        let text = House::end_of_turn(watch).await.text;
        let begun = runtime.new_session(opening(home)).await;
        begun.map_err(|error| error.to_string())?;
        Ok(text)
    }
    .await;
    runtime.stop().await;
    done
}

/// Which places, below the data directory, and whether the program works all the same.
fn places(journal: &Path, data: &Path) -> Vec<(PathBuf, bool)> {
    let folder = journal.with_extension("");
    let month = journal.parent().unwrap();
    let at = |path: &Path| path.strip_prefix(data).unwrap().to_owned();
    vec![
        ("sessions".into(), false),
        (at(month.parent().unwrap()), false),
        (at(month), false),
        (at(journal), false),
        (at(&folder), false),
        ("host".into(), false),
        (at(&folder.join("owner.json")), false),
        (at(&folder.join("trace.jsonl")), true),
        (at(&folder.join("checkpoints")), true),
        (at(&folder.join("digests.jsonl")), true),
        ("index.sqlite".into(), true),
        ("index.sqlite-wal".into(), true),
        ("trash".into(), true),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_in_a_place_of_the_store_is_not_followed_and_is_named_where_it_matters() {
    let home = lived_in().await;
    let data = home.path().join("data");
    let session = rows(&FileArchive::open(&data).unwrap())[0].id;
    let journal = FileArchive::open(&data)
        .unwrap()
        .journal_of(session)
        .unwrap()
        .path()
        .to_owned();
    let outside = tempfile::tempdir().unwrap();
    fs::create_dir(outside.path().join("folder")).unwrap();
    fs::write(outside.path().join("file"), b"not ours\n").unwrap();
    let before = all(outside.path());
    let pristine = data.clone();
    for (place, works) in places(&journal, &data) {
        for what in PUTS {
            let home = tempfile::tempdir().unwrap();
            fs::create_dir(home.path().join("work")).unwrap();
            let data = home.path().join("data");
            let at = data.join(&place);
            copy(&pristine, &data);
            remove(&at);
            put(what, &at, outside.path());
            let case = format!("{} is {what:?}", place.display());
            let came =
                tokio::time::timeout(std::time::Duration::from_secs(20), use_it(home.path(), session)).await;
            let came = came.unwrap_or_else(|_| panic!("{case}: it hangs"));
            assert_eq!(
                all(outside.path()),
                before,
                "{case}: something outside was touched"
            );
            match came {
                Ok(text) => assert!(text == "two" || text == "One needle.", "{case}: {text}"),
                Err(error) => {
                    assert!(!works, "{case}: {error}");
                    // A folder that is there and empty is no obstacle: the session is gone, and that is said.
                    let is_gone = error.contains("nothing here is called");
                    assert!(
                        is_gone || error.contains(&*at.to_string_lossy()),
                        "{case}: {error}"
                    );
                }
            }
        }
    }
    let house = House::at(home, scripted(SCRIPT), Arc::new(SystemClock::default())).await;
    house.runtime().mount(session).await.unwrap();
    assert_eq!(house.turn(session, "two").await.text, "two");
    house.close().await;
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copied = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &copied),
            false => drop(fs::copy(&path, copied).unwrap()),
        }
    }
}

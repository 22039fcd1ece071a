//! Sessions as files that can be given away: nothing private is in them, every decision in them is made again as it was,
//! and what is not as it was made is not opened.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::path::Path;

use glasswork_agent_session::secrets::Vaults;
use glasswork_app_runtime::archive::{Archive as _, Record};
use glasswork_app_runtime::bundle::{Bundled, Private, bundle, open};
use glasswork_app_runtime::files::FileArchive;
use glasswork_app_runtime::importing::OwnError;
use glasswork_engine::ScopeId;
use glasswork_session_state::settings::{Layer, Mode, Sourced};
use glasswork_testkit::house::House;

/// Put together here, so that nobody takes this file for a leak.
fn token() -> String {
    ["gh", "p_x7Kq9ZtR2mWv5LpN8sYb3JdF6hGc1TaQ4eUi"].concat()
}

/// A session in which private things were said while nothing was masked, with an output so long that it is a blob.
async fn lived() -> (tempfile::TempDir, ScopeId) {
    let script = format!(
        r##"(turns: [
        (say: [text("I look in /home/ada/project for it."),
               call("bash", (command: "for i in $(seq 3000); do echo /home/ada/project/$i {token}; done; head -c 9000 /dev/zero | tr '\\0' '\\377' > raw.bin")),
               call("bash", (command: "curl https://ada:{token}@127.0.0.1:9/?access_token={token} -m 1; pwd"))]),
        (say: [text("It is in /home/ada/project, \"quoted\" and /home/adam stays.")]),
    ])"##,
        token = token()
    );
    let house = House::of_script(&script).await;
    let mut settings = House::settings(Mode::Yolo);
    settings.mask_secrets = Sourced::from_layer(false, Layer::Flag);
    let session = house.session(settings).await;
    house
        .turn(session, &format!("My key is {} in /home/ada", token()))
        .await;
    (house.close().await, session)
}

fn archive(home: &Path) -> FileArchive {
    FileArchive::open(home.join("data")).unwrap()
}

fn bundled(home: &Path, session: ScopeId, at: Option<u64>) -> (Vec<u8>, Bundled) {
    let secrets = Vaults::new(vec!["the-key-of-this-process".into()]);
    let private = Private {
        home: Some("/home/ada"),
        secrets: &secrets,
    };
    let mut out = vec![];
    let report = bundle(&archive(home), session, at, &private, &mut out).unwrap();
    (out, report)
}

/// Every byte of every file in a folder.
fn everything(folder: &Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.push_str(&everything(&path)),
            false => all.push_str(&String::from_utf8_lossy(&std::fs::read(&path).unwrap())),
        }
    }
    all
}

fn unpacked(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    tar::Archive::new(zstd::stream::read::Decoder::new(bytes).unwrap())
        .unpack(folder.path())
        .unwrap();
    everything(folder.path())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_private_is_not_in_it_and_it_replays_as_it_was() {
    let (home, session) = lived().await;
    let sessions = home.path().join("data/sessions");
    let here = everything(&sessions);
    assert!(
        here.contains(&token()) && here.contains("/home/ada/project"),
        "there is something to take out"
    );
    let (bytes, report) = bundled(home.path(), session, None);
    let all = unpacked(&bytes);
    for private in [token().as_str(), "/home/ada/", "/home/ada ", "/home/ada\""] {
        assert!(!all.contains(private), "{private}");
    }
    assert!(all.contains("/home/adam stays"), "that is another home");
    assert!(all.contains("/~~~~/~~~/project"), "a path stays a path");
    let redaction = report.redaction.clone().unwrap();
    assert!(redaction.taken_out["home-path"] > 3_000, "{redaction:?}");
    assert!(
        redaction.taken_out["secret:github-token"] > 3_000,
        "{redaction:?}"
    );
    assert!(
        !redaction.under_way && redaction.not_looked_into.is_empty(),
        "{redaction:?}"
    );
    assert_eq!(
        bundled(home.path(), session, None).0,
        bytes,
        "the same session is the same file"
    );

    let file = home.path().join("bundle");
    std::fs::write(&file, &bytes).unwrap();
    let opened = open(&file).unwrap();
    assert_eq!((opened.session, opened.commit), (session, report.commit));
    assert_eq!(opened.manifest.as_ref().unwrap().redaction, report.redaction);
    // Every decision is made again, from what was redacted, and comes out as it stands there.
    let replayed = opened.archive.replay(&Record::Session(session), None).unwrap();
    assert_eq!(
        (replayed.difference_count, &replayed.differences[..]),
        (0, &[][..])
    );
    assert!(replayed.commits > 5 && replayed.loaded.breach.is_none());
    // Long output is where the journal says, under the name of what it is now.
    let loaded = opened.archive.load(session, None).unwrap();
    let glasswork_session_state::state::Scope::Session(state) = &loaded.scope.state else {
        panic!("it is a session")
    };
    let blobs = state
        .calls
        .iter()
        .filter_map(|(_, call)| call.outcome.as_ref()?.blob.clone());
    let blobs: Vec<_> = blobs.collect();
    assert_eq!(blobs.len(), 1);
    let digest = blobs[0].digest.parse().unwrap();
    let content = std::fs::read(opened.archive.blobs(session).path(&digest)).unwrap();
    assert_eq!(content.len() as u64, blobs[0].len, "as long as it was");
    assert_eq!(*blake3::hash(&content).to_hex(), *blobs[0].digest);
    // What it was unpacked to goes away with it.
    let before = std::fs::read(&file).unwrap();
    drop(opened);
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_moment_can_be_packed_and_one_in_the_middle_says_so() {
    let (home, session) = lived().await;
    let (_, whole) = bundled(home.path(), session, None);
    let mut under_way = 0;
    for at in 1..=whole.commit {
        let (bytes, report) = bundled(home.path(), session, Some(at));
        let file = home.path().join("early");
        std::fs::write(&file, &bytes).unwrap();
        let opened = open(&file).unwrap();
        assert_eq!((opened.commit, report.commit), (at, at), "not a commit more");
        assert!(!unpacked(&bytes).contains(&token()), "at commit {at}");
        under_way += u64::from(report.redaction.unwrap().under_way);
    }
    assert!(under_way > 0, "in the middle of a turn something is under way");
}

/// Packs files as an archive, as somebody might who wants to harm.
fn packed(files: &[(&str, &[u8], tar::EntryType)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(vec![]);
    for (name, content, kind) in files {
        let mut header = tar::Header::new_ustar();
        // Not by `set_path`, which refuses what a hostile file may have.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(content.len() as u64);
        header.set_entry_type(*kind);
        header.set_mode(0o600);
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    zstd::encode_all(&*builder.into_inner().unwrap(), 1).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_as_it_was_made_is_not_opened_and_nothing_is_written() {
    let (home, session) = lived().await;
    let (bytes, _) = bundled(home.path(), session, None);
    /// Names of entries, and what is in them.
    type Files = Vec<(String, Vec<u8>)>;
    let mut files: Files = vec![];
    let mut tar = tar::Archive::new(zstd::stream::read::Decoder::new(&*bytes).unwrap());
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut content = vec![];
        std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
        files.push((entry.path().unwrap().to_str().unwrap().to_owned(), content));
    }
    let regular = tar::EntryType::Regular;
    let with = |change: &dyn Fn(&mut Files)| {
        let mut files = files.clone();
        change(&mut files);
        let files: Vec<_> = files
            .iter()
            .map(|(name, content)| (name.as_str(), content.as_slice(), regular))
            .collect();
        packed(&files)
    };
    let manifest = |from: &str, to: &str| {
        with(&|files| {
            let text = String::from_utf8(files[0].1.clone()).unwrap();
            assert!(text.contains(from), "{text}");
            files[0].1 = text.replacen(from, to, 1).into_bytes();
        })
    };
    // A manifest that is true of a journal which is not.
    let journal = |change: &dyn Fn(&mut Vec<u8>)| {
        with(&|files| {
            change(&mut files[1].1);
            let mut manifest: serde_json::Value = serde_json::from_slice(&files[0].1).unwrap();
            manifest["files"][0]["bytes"] = files[1].1.len().into();
            manifest["files"][0]["blake3"] = blake3::hash(&files[1].1).to_hex().to_string().into();
            files[0].1 = manifest.to_string().into_bytes();
        })
    };
    let first = (files[0].0.as_str(), files[0].1.as_slice(), regular);
    let zeros = vec![0u8; 80 << 20];
    let table: Vec<(&str, Vec<u8>, &str)> = vec![
        (
            "no file of ours",
            b"hello".to_vec(),
            "is no file that `glasswork bundle`",
        ),
        ("nothing", vec![], "is no file that `glasswork bundle`"),
        ("half of it", bytes[..bytes.len() / 2].to_vec(), "damaged"),
        (
            "a flipped byte",
            with(&|files| files[1].1[500] ^= 1),
            "is not what the manifest says",
        ),
        (
            "a flipped byte that the manifest knows",
            journal(&|journal| journal[500] ^= 1),
            "line ",
        ),
        (
            "lines in another order",
            journal(&|journal| {
                let mut lines: Vec<Vec<u8>> = journal
                    .split_inclusive(|byte| *byte == b'\n')
                    .map(<[u8]>::to_vec)
                    .collect();
                lines.swap(3, 4);
                *journal = lines.concat();
            }),
            "line ",
        ),
        (
            "a format of the future",
            manifest("\"glasswork_archive\": 2", "\"glasswork_archive\": 3"),
            "later version (format 3)",
        ),
        (
            "another commit",
            manifest("\"commit\": ", "\"commit\": 9"),
            "and its journal is",
        ),
        (
            "another session",
            manifest(&session.to_string(), &ScopeId::from_u128(7).to_string()),
            "and its journal is",
        ),
        (
            "a name that leads out",
            manifest("journal.jsonl", "../../../evil"),
            "does not begin with the journal",
        ),
        (
            "an entry that leads out",
            with(&|files| files[1].0 = "../../evil".to_owned()),
            "something else stands where",
        ),
        (
            "a link",
            packed(&[first, ("journal.jsonl", b"", tar::EntryType::Symlink)]),
            "something else stands where",
        ),
        (
            "a long name",
            packed(&[first, ("journal.jsonl", b"x", tar::EntryType::GNULongName)]),
            "something else stands where",
        ),
        (
            "a manifest that is a link",
            packed(&[("manifest.json", b"", tar::EntryType::Symlink)]),
            "does not begin with its manifest",
        ),
        (
            "a manifest without end",
            packed(&[("manifest.json", &zeros, regular)]),
            "its manifest has more than",
        ),
        (
            "a bomb by its own word",
            manifest("\"bytes\": ", "\"bytes\": 99999999999"),
            "would unpack to",
        ),
        (
            "a bomb",
            with(&|files| {
                let blob = files
                    .iter_mut()
                    .find(|(name, _)| name.starts_with("blobs/"))
                    .unwrap();
                let digest = blake3::hash(&zeros).to_hex().to_string();
                let (old, length) = (blob.0.clone(), blob.1.len());
                *blob = (format!("blobs/{digest}"), zeros.clone());
                let text = String::from_utf8(files[0].1.clone()).unwrap();
                let text = text.replace(&old["blobs/".len()..], &digest);
                files[0].1 = text
                    .replace(
                        &format!("\"bytes\": {length}"),
                        &format!("\"bytes\": {}", zeros.len()),
                    )
                    .into_bytes();
            }),
            "would unpack to",
        ),
    ];
    for (name, bytes, expected) in table {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, &bytes).unwrap();
        let error: OwnError = match open(&file) {
            Err(error) => error,
            Ok(opened) => panic!("{name}: {opened:?}"),
        };
        let text = error.to_string();
        assert!(text.contains(expected), "{name}: {text}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "{name}");
    }
    assert!(!home.path().join("evil").exists() && !Path::new("/tmp/evil").exists());
}

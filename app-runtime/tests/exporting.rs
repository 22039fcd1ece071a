//! Sessions as files: what people read does nothing but stand there, and what is packed comes back as it was or not at
//! all.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use glasswork_agent_core::loop_guard;
use glasswork_app_runtime::export::{Export, Format, Leaving, Report, STYLE, export};
use glasswork_app_runtime::files::FileArchive;
use glasswork_app_runtime::importing::{Imported, Own, OwnError, recognise, take_back};
use glasswork_app_runtime::projection::transcript::{self, Said};
use glasswork_app_runtime::reading::{Reader, Viewer};
use glasswork_engine::ScopeId;
use glasswork_session_state::settings::Mode;
use glasswork_testkit::house::House;

/// What somebody may say who wants to run something on the machine of whoever reads it.
const HOSTILE: &str = concat!(
    "</p></article><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">\n",
    "<style>body{display:none}</style><a href=\"javascript:document.title='taken'\">x</a>\n",
    "```\n# [x](javascript:alert(1)) ![y](http://127.0.0.1:9/leak)\n````\n<!-- --> ]]> \u{202e}\u{1b}[2J &lt;b&gt;\n",
);

/// A home in which one session was had, with everything hostile in it that can be.
async fn lived() -> (tempfile::TempDir, ScopeId) {
    let script = r##"(turns: [
        (say: [thinking("<script>document.title='taken'</script>"), text("I look. </p><script>document.title='taken'</script>"),
               call("bash", (command: "cat hostile.txt; pwd # </pre><script>document.title='taken'</script>"))]),
        (say: [text("# Done\n<iframe src='http://127.0.0.1:9/'></iframe>")]),
    ])"##;
    let house = House::of_script(script).await;
    std::fs::write(house.workspace().join("hostile.txt"), HOSTILE).unwrap();
    let session = house.session(House::settings(Mode::Yolo)).await;
    house.turn(session, &format!("Look:\n{HOSTILE}")).await;
    (house.close().await, session)
}

fn archive(home: &Path) -> FileArchive {
    FileArchive::open(home.join("data")).unwrap()
}

fn exported(home: &Path, session: ScopeId, format: Format, at: Option<u64>) -> (Vec<u8>, Report) {
    let archive = archive(home);
    let snapshot = Reader::new(None, std::sync::Arc::new(archive.clone())).snapshot(Viewer::owner());
    let workspace = home.canonicalize().unwrap();
    let leaving = Leaving::home(workspace.to_str());
    let mut out = vec![];
    let what = Export { session, at, format };
    let report = export(&snapshot, &archive, what, &leaving, &mut out).unwrap();
    (out, report)
}

fn exported_from(home: &Path, session: ScopeId, format: Format, leaving: &Leaving) -> String {
    let archive = archive(home);
    let snapshot = Reader::new(None, std::sync::Arc::new(archive.clone())).snapshot(Viewer::owner());
    let mut out = vec![];
    let at = None;
    export(
        &snapshot,
        &archive,
        Export { session, at, format },
        leaving,
        &mut out,
    )
    .unwrap();
    String::from_utf8(out).unwrap()
}

/// What the runtime told the model stands in every form of the record, and is not said by anyone else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notice_is_in_every_form_of_a_session() {
    let house =
        House::of_script(r#"(turns: [(say: [text("Let me check the log.")]), (say: [text("Done.")])])"#)
            .await;
    let session = house.session(House::settings(Mode::Yolo)).await;
    house.turn(session, "go").await;
    let now = house.now(session);
    let text = "[Notice of the runtime, not of the user] Your last answer says";
    let transcript = transcript::of(&now);
    let kind = loop_guard::About::Loop(loop_guard::Kind::PromisedCall);
    let told = |said: &Said| matches!(said, Said::Notice { kind: of, text: told } if *of == kind && told.starts_with(text));
    assert_eq!(
        transcript.iter().filter(|line| told(&line.said)).count(),
        1,
        "{transcript:?}"
    );
    let home = house.close().await;
    for format in [Format::Html, Format::Markdown, Format::Jsonl] {
        let (bytes, _) = exported(home.path(), session, format, None);
        let page = String::from_utf8(bytes).unwrap();
        assert_eq!(page.matches("Your last answer says").count(), 1, "{format:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_has_its_title_each_anchor_once_and_no_path_below_the_home() {
    let script = r##"(turns: [
        (say: [thinking("t"), text("I look."), call("bash", (command: "exit 3 # /home/ada/x")), call("bash", (command: "true"))]),
        (say: [text("Done.")]),
    ])"##;
    let house = House::of_script(script).await;
    let session = house.session(House::settings(Mode::Yolo)).await;
    house.turn(session, "go").await;
    house.runtime().rename(session, "See /home/ada/x").await.unwrap();
    let home = house.close().await;
    let leaving = Leaving::home(Some("/home/ada"));
    let page = exported_from(home.path(), session, Format::Html, &leaving);
    assert!(
        page.contains("<title>See ~/x</title>") && page.contains("<h1>See ~/x</h1>"),
        "{page}"
    );
    assert!(
        page.contains("exit 3 # ~/x") && !page.contains("/home/ada"),
        "{page}"
    );
    assert_eq!(
        page.matches("<span class=\"failed\">failed</span>").count(),
        1,
        "{page}"
    );
    let mut anchors: Vec<&str> = page
        .split(" id=\"")
        .skip(1)
        .map(|rest| rest.split_once('"').unwrap().0)
        .collect();
    let all = anchors.len();
    anchors.dedup();
    assert_eq!(
        (anchors.len(), all),
        (3, 3),
        "of an answer of four blocks the first has its name: {anchors:?}"
    );
    let text = exported_from(home.path(), session, Format::Markdown, &leaving);
    assert!(text.starts_with("# See \\~\\/x\n\n- Session: "), "{text}");
    let workspace = text
        .lines()
        .find(|line| line.starts_with("- Workspace: "))
        .unwrap();
    assert!(workspace.starts_with("- Workspace: \\/"), "{workspace}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_has_what_its_lines_name_and_says_nothing_of_who_packed_it() {
    let script = r#"(turns: [(say: [call("bash", (command: "seq 20000"))]), (say: [text("Done.")])])"#;
    let house = House::of_script(script).await;
    let session = house.session(House::settings(Mode::Yolo)).await;
    house.turn(session, "go").await;
    let home = house.close().await;
    let here = archive(home.path());
    let blobs = here.blobs(session);
    let mut stray = blobs.writer().unwrap();
    stray.write(b"of nothing that was said").unwrap();
    let stray = stray.finish().unwrap().digest;
    assert!(blobs.path(&stray).exists());
    let inside = |at| {
        let (bytes, report) = exported(home.path(), session, Format::Archive, at);
        let mut tar = tar::Archive::new(zstd::stream::read::Decoder::new(&*bytes).unwrap());
        let mut names = vec![];
        let mut manifest = String::new();
        for entry in tar.entries().unwrap() {
            let mut entry = entry.unwrap();
            let header = entry.header();
            assert_eq!((header.mode().unwrap(), header.mtime().unwrap()), (0o600, 0));
            names.push(entry.path().unwrap().to_str().unwrap().to_owned());
            if names.len() == 1 {
                entry.read_to_string(&mut manifest).unwrap();
            }
        }
        let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
        assert_eq!(manifest["commit"], report.commit);
        assert_eq!(at.unwrap_or(report.commit), report.commit);
        let files = manifest["files"].as_array().unwrap().iter();
        let files: Vec<&str> = files.map(|file| file["path"].as_str().unwrap()).collect();
        assert_eq!(names[1..], files);
        names
            .iter()
            .map(|name| name.split('/').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        inside(None),
        ["manifest.json", "journal.jsonl", "blobs", "trace.jsonl"]
    );
    // Traces are of the end of the session.
    assert_eq!(inside(Some(2)), ["manifest.json", "journal.jsonl"]);
}

/// A page as a browser takes it apart: the names of all elements, with those of their attributes.
fn elements(page: &str) -> Vec<(String, Vec<String>)> {
    let mut found = vec![];
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        if rest.starts_with('/') || rest.starts_with('!') {
            continue;
        }
        let end = rest.find('>').expect("every element ends");
        let inside = &rest[..end];
        let name: String = inside.chars().take_while(char::is_ascii_alphanumeric).collect();
        let mut attributes = vec![];
        let mut text = inside[name.len()..].trim();
        while let Some((attribute, after)) = text.split_once("=\"") {
            attributes.push(attribute.trim().to_owned());
            text = after.split_once('"').expect("attributes are quoted").1.trim();
        }
        assert_eq!(text, "", "an attribute without quotes in <{inside}>");
        if name == "style" {
            assert!(rest[end + 1..].starts_with(STYLE), "there is one style sheet");
            rest = &rest[end + 1 + STYLE.len()..];
        }
        found.push((name, attributes));
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_in_a_page_is_executed_or_loaded() {
    let (home, session) = lived().await;
    let (page, report) = exported(home.path(), session, Format::Html, None);
    let page = String::from_utf8(page).unwrap();
    let known = [
        "html", "head", "meta", "title", "style", "body", "h1", "dl", "dt", "dd", "main", "article",
        "header", "span", "time", "p", "pre", "details", "summary", "code",
    ];
    for (name, attributes) in elements(&page) {
        assert!(known.contains(&name.as_str()), "<{name}>");
        for attribute in attributes {
            let known = ["lang", "charset", "http-equiv", "content", "name", "id", "class"];
            assert!(known.contains(&attribute.as_str()), "{attribute} of <{name}>");
        }
    }
    // All that was said is there to be read.
    assert_eq!(
        page.matches("&lt;script&gt;document.title=&#39;taken&#39;&lt;/script&gt;")
            .count(),
        5
    );
    assert!(page.contains("«U+202E»«U+001B»[2J &amp;lt;b&amp;gt;"));
    assert!(page.contains("default-src 'none'"));
    assert!(!page.contains(home.path().to_str().unwrap()));
    assert!(
        report.found.home_paths >= 2,
        "{report:?}: the workspace, and what pwd printed"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_in_markdown_means_anything() {
    let (home, session) = lived().await;
    let (text, _) = exported(home.path(), session, Format::Markdown, None);
    let text = String::from_utf8(text).unwrap();
    // Outside of the fenced blocks stands only what we wrote ourselves, with a backslash before every sign.
    let mut fence: Option<&str> = None;
    let mut outside = vec![];
    for line in text.lines() {
        match fence {
            Some(open) if line == open => fence = None,
            Some(_) => {}
            None if line.starts_with("```") => fence = Some(line.trim_end_matches(char::is_alphabetic)),
            None => outside.push(line),
        }
    }
    assert_eq!(fence, None, "every block ends");
    let plain = outside.join("\n").replace("\\<", "");
    assert!(!plain.contains('<') && !plain.contains("]("), "{plain}");
    assert!(
        text.contains("# [x](javascript:alert(1))"),
        "it is there to be read"
    );
    assert!(
        outside
            .iter()
            .any(|line| line.starts_with("### Tool bash, succeeded"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_comes_back_as_it_was() {
    let (home, session) = lived().await;
    let here = archive(home.path());
    for format in [Format::Archive, Format::Jsonl] {
        let (bytes, report) = exported(home.path(), session, format, None);
        assert!(report.verbatim && report.found.home_paths > 0);
        assert_eq!(
            bytes,
            exported(home.path(), session, format, None).0,
            "the same session is the same file"
        );
        let file = home.path().join("exported");
        std::fs::write(&file, &bytes).unwrap();
        let own = recognise(&file).unwrap().unwrap();
        // Where it comes from it is known.
        let back = take_back(&here, &file, own, false, false).unwrap();
        assert_eq!(
            (back.session, back.result),
            (session, Some(Imported::AlreadyHere))
        );
        // Elsewhere it is new, and then known.
        let other = tempfile::tempdir().unwrap();
        let there = archive(other.path());
        assert_eq!(take_back(&there, &file, own, false, true).unwrap().result, None);
        assert_eq!(
            take_back(&there, &file, own, false, false).unwrap().result,
            Some(Imported::New)
        );
        assert_eq!(
            take_back(&there, &file, own, false, false).unwrap().result,
            Some(Imported::AlreadyHere)
        );
        use glasswork_app_runtime::archive::Archive;
        assert_eq!(
            there.load(session, None).unwrap().scope,
            here.load(session, None).unwrap().scope
        );
        assert_eq!(
            exported(other.path(), session, format, None).0,
            bytes,
            "and goes on as the same file"
        );
        // As a new session it says the same under another name.
        let renamed = take_back(&there, &file, own, true, false).unwrap();
        assert_ne!(renamed.session, session);
        let states = |archive: &FileArchive, id| {
            let text = serde_json::to_string(&archive.load(id, None).unwrap().scope.state).unwrap();
            text.replace(&renamed.session.to_string(), &session.to_string())
        };
        assert_eq!(states(&there, renamed.session), states(&here, session));
        let folders: Vec<PathBuf> = std::fs::read_dir(other.path().join("data/sessions"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with('.'))
            .collect();
        assert!(folders.is_empty(), "{folders:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_of_a_session_is_known_and_another_course_is_refused() {
    let (home, session) = lived().await;
    let (all, whole) = exported(home.path(), session, Format::Jsonl, None);
    let (early, report) = exported(home.path(), session, Format::Jsonl, Some(3));
    assert_eq!(report.commit, 3);
    assert!(all.starts_with(&early) && whole.commit > 3);
    let file = home.path().join("early.jsonl");
    std::fs::write(&file, &early).unwrap();
    let here = archive(home.path());
    let known = take_back(&here, &file, Own::Journal, false, false).unwrap();
    assert_eq!((known.result, known.commit), (Some(Imported::AlreadyHere), 3));
    // Where only the part is, the whole is another course: nothing is written over.
    let other = tempfile::tempdir().unwrap();
    let there = archive(other.path());
    take_back(&there, &file, Own::Journal, false, false).unwrap();
    std::fs::write(&file, &all).unwrap();
    assert!(
        matches!(take_back(&there, &file, Own::Journal, false, false), Err(OwnError::Differs(id)) if id == session)
    );
    // A line that was being written is left out.
    std::fs::write(&file, &all[..all.len() - 5]).unwrap();
    let cut = take_back(&there, &file, Own::Journal, true, false).unwrap();
    assert_eq!(cut.commit, whole.commit - 1);
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
async fn a_damaged_archive_leaves_nothing() {
    let (home, session) = lived().await;
    let (bytes, _) = exported(home.path(), session, Format::Archive, None);
    let mut files: Vec<(String, Vec<u8>)> = vec![];
    let mut tar = tar::Archive::new(zstd::stream::read::Decoder::new(&*bytes).unwrap());
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut content = vec![];
        entry.read_to_end(&mut content).unwrap();
        files.push((entry.path().unwrap().to_str().unwrap().to_owned(), content));
    }
    assert_eq!(files[0].0, "manifest.json");
    assert_eq!(files[1].0, "journal.jsonl");
    let regular = tar::EntryType::Regular;
    let all = |change: &dyn Fn(usize, &mut String, &mut Vec<u8>)| {
        let mut files = files.clone();
        for (place, (name, content)) in files.iter_mut().enumerate() {
            change(place, name, content);
        }
        let files: Vec<_> = files
            .iter()
            .map(|(name, content)| (name.as_str(), content.as_slice(), regular))
            .collect();
        packed(&files)
    };
    let manifest = |from: &'static str, to: &'static str| {
        all(&|place, _, content| {
            if place == 0 {
                let text = String::from_utf8(content.clone()).unwrap();
                assert!(text.contains(from));
                *content = text.replacen(from, to, 1).into_bytes();
            }
        })
    };
    let added = |name: &str, content: &[u8]| {
        let mut manifest: serde_json::Value = serde_json::from_slice(&files[0].1).unwrap();
        let digest = blake3::hash(content).to_hex().to_string();
        let file = serde_json::json!({ "path": name, "bytes": content.len(), "blake3": digest });
        manifest["files"].as_array_mut().unwrap().insert(1, file);
        let manifest = manifest.to_string();
        let mut all = vec![("manifest.json", manifest.as_bytes(), regular)];
        all.extend(
            files[1..]
                .iter()
                .map(|(name, content)| (name.as_str(), content.as_slice(), regular)),
        );
        all.insert(2, (name, content, regular));
        packed(&all)
    };
    let mut more: Vec<_> = files
        .iter()
        .map(|(name, content)| (name.as_str(), content.as_slice(), regular))
        .collect();
    more.push(("extra", b"x", regular));
    let link = [
        (files[0].0.as_str(), files[0].1.as_slice(), regular),
        ("journal.jsonl", &b""[..], tar::EntryType::Symlink),
    ];
    let table: Vec<(&str, Vec<u8>, &str)> = vec![
        ("nothing", vec![], "incomplete"),
        ("no zstd", b"\x28\xb5\x2f\xfdgarbage garbage".to_vec(), ""),
        ("half of it", bytes[..bytes.len() / 2].to_vec(), ""),
        (
            "a flipped byte of the journal",
            all(&|place, _, content| {
                if place == 1 {
                    content[100] ^= 1
                }
            }),
            "is not what the manifest says",
        ),
        (
            "a longer journal",
            all(&|place, _, content| {
                if place == 1 {
                    content.push(b'x')
                }
            }),
            "is not what the manifest says",
        ),
        (
            "another name",
            all(&|place, name, _| {
                if place == 1 {
                    *name = "../../evil".to_owned()
                }
            }),
            "something else stands where",
        ),
        (
            "a name that leads out",
            manifest("journal.jsonl", "../../../evil"),
            "does not begin with the journal",
        ),
        ("a link", packed(&link), "something else stands where"),
        ("too much", packed(&more), "more in it"),
        (
            "no manifest",
            packed(&more[1..]),
            "does not begin with its manifest",
        ),
        (
            "from the future",
            manifest("\"glasswork_archive\": 1", "\"glasswork_archive\": 9"),
            "later version",
        ),
        (
            "a bomb",
            manifest("\"bytes\": ", "\"bytes\": 9999999999999"),
            "would unpack to",
        ),
        (
            "a file of another kind",
            added("evil.sh", b"rm"),
            "\"evil.sh\" is no file of a session",
        ),
        (
            "a blob under the name of another",
            added(&format!("blobs/{}", "0".repeat(64)), b"x"),
            "has another content than its name says",
        ),
        (
            "a manifest that is none",
            all(&|place, _, content| {
                if place == 0 {
                    *content = b"{}".to_vec()
                }
            }),
            "manifest cannot be read",
        ),
    ];
    for (name, bytes, expected) in table {
        let other = tempfile::tempdir().unwrap();
        let file = other.path().join("x.tar.zst");
        std::fs::File::create(&file).unwrap().write_all(&bytes).unwrap();
        let there = archive(other.path());
        let error = take_back(&there, &file, Own::Archive, false, false)
            .expect_err(name)
            .to_string();
        assert!(error.contains(expected), "{name}: {error}");
        let mut left = vec![];
        walk(other.path(), &mut left);
        let left: Vec<_> = left
            .iter()
            .filter(|path| **path != file && !path.to_str().unwrap().contains("index"))
            .collect();
        assert!(left.is_empty(), "{name} left {left:?}");
    }
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => walk(&path, files),
            false => files.push(path),
        }
    }
}

//! `write` and `edit`: exact, whole or not at all.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use glasswork_agent_session::blobs::Digest;
use glasswork_agent_session::tools::edit::Mismatch;
use glasswork_agent_session::tools::{Change, Details, Outcome, ToolFailure};
use serde_json::{Value, json};

use crate::support::{Workspace, alone};

fn change(outcome: Outcome) -> Change {
    match outcome.details {
        Details::Change(change) => change,
        other => panic!("{other:?}: {}", outcome.text),
    }
}

fn names(work: &Workspace) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(&work.root)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn write_makes_directories_and_replaces_whole_files() {
    let work = Workspace::new();
    let got = work
        .call("write", json!({"path": "a/b/file", "content": "one\n"}))
        .await;
    assert_eq!(
        (work.plain(&got.text).as_str(), got.is_error),
        ("Created WORK/a/b/file (4 bytes)", false)
    );
    let made = change(got);
    assert!(made.created && made.before.is_none());
    let path = work.root.join("a/b/file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o751)).unwrap();
    let got = work
        .call("write", json!({"path": "a/b/file", "content": "one\ntwo\n"}))
        .await;
    assert_eq!(work.plain(&got.text), "Replaced WORK/a/b/file (8 bytes)");
    let made = change(got);
    assert_eq!(
        (made.before, made.after),
        (Some(Digest::of(b"one\n")), Digest::of(b"one\ntwo\n"))
    );
    let diff = made.diff.unwrap();
    assert_eq!(
        work.plain(&diff.text),
        "--- WORK/a/b/file\n+++ WORK/a/b/file\n@@ -1 +1,2 @@\n one\n+two\n"
    );
    assert_eq!(
        (diff.added, diff.removed, diff.first_line, diff.cut),
        (1, 0, 2, false)
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o751);
    assert_eq!(
        fs::read_dir(path.parent().unwrap()).unwrap().count(),
        1,
        "nothing is left beside it"
    );
}

#[tokio::test]
async fn whoever_has_the_old_file_open_keeps_it() {
    use std::io::Read as _;
    let work = Workspace::new();
    let path = work.file("file", "old content");
    let mut open = fs::File::open(&path).unwrap();
    work.call("write", json!({"path": "file", "content": "new"}))
        .await;
    let mut seen = String::new();
    open.read_to_string(&mut seen).unwrap();
    assert_eq!(
        (seen.as_str(), fs::read_to_string(path).unwrap().as_str()),
        ("old content", "new")
    );
}

#[tokio::test]
async fn a_diff_is_left_out_or_cut_where_it_would_be_of_no_use() {
    let mut work = Workspace::new();
    work.context.limits.edit_bytes = 10;
    work.file("binary", b"\xff\xfe");
    work.file("long", "12345678901");
    let write = |path: &str, content: &str| {
        let arguments = json!({"path": path, "content": content});
        let work = &work;
        async move { change(work.call("write", arguments).await) }
    };
    assert_eq!(write("binary", "x").await.diff, None);
    let long = write("long", "x").await;
    assert_eq!((long.created, long.before, long.diff), (false, None, None));
    assert_eq!(write("new", "12345678901").await.diff, None);
    work.context.limits.edit_bytes = 1000;
    work.context.limits.diff_bytes = 200;
    let diff = change(
        work.call("write", json!({"path": "x", "content": "line\n".repeat(100)}))
            .await,
    )
    .diff
    .unwrap();
    assert!(diff.cut && diff.text.len() <= 200 && diff.text.ends_with("+line\n") && diff.added == 100);
}

fn edits(pairs: &[(&str, &str)]) -> Value {
    pairs
        .iter()
        .map(|(old, new)| json!({"old_text": old, "new_text": new}))
        .collect()
}

#[tokio::test]
async fn edits_replace_exact_pieces_and_leave_every_other_byte() {
    async fn check(before: impl AsRef<[u8]>, pairs: &[(&str, &str)], want: impl AsRef<[u8]>) {
        let work = Workspace::new();
        let path = work.file("file", before);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        let got = work
            .call("edit", json!({"path": "file", "edits": edits(pairs)}))
            .await;
        assert!(!got.is_error, "{}", got.text);
        let after = fs::read(&path).unwrap();
        assert_eq!(
            String::from_utf8_lossy(&after),
            String::from_utf8_lossy(want.as_ref()),
            "{pairs:?}"
        );
        assert_eq!(after, want.as_ref());
        assert_eq!(change(got).after, Digest::of(&after));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(names(&work), ["file"]);
    }
    check("one two three", &[("two", "2")], "one 2 three").await;
    // In any order, and against the file as it was: what an edit makes is not there for the next.
    check("a b c", &[("c", "a"), ("a", "b"), ("b", "c")], "b c a").await;
    check("ab", &[("a", "x"), ("b", "y")], "xy").await;
    check("a\nb\n", &[("a\n", "")], "b\n").await;
    // Trailing space, odd bytes and missing last newline stay.
    check(
        b"x  \t\n\xff\xfe\nold",
        &[("old", "new")],
        b"x  \t\n\xff\xfe\nnew",
    )
    .await;
    check("\u{FEFF}old\n", &[("old", "new")], "\u{FEFF}new\n").await;
    // LF in the call stands for CRLF in such a file, on both sides.
    check(
        "a\r\nb\r\nc\r\n",
        &[("a\nb\n", "x\ny\nz\n")],
        "x\r\ny\r\nz\r\nc\r\n",
    )
    .await;
    check("a\r\nb\r\n", &[("a", "x\ny")], "x\r\ny\r\nb\r\n").await;
    check("a\r\nb\r\n", &[("a\r\nb", "x\r\ny")], "x\r\ny\r\n").await;
    check("\u{FEFF}a\r\nb\r\n", &[("a\nb", "x\ny")], "\u{FEFF}x\r\ny\r\n").await;
    // In a mixed file what is there exactly is taken exactly.
    check("a\r\nb\nc\n", &[("b\nc", "x\ny")], "a\r\nx\ny\n").await;
    check("a\nb\r\n", &[("a", "x\ny")], "x\ny\nb\r\n").await;
}

#[tokio::test]
async fn edits_that_do_not_fit_change_nothing_and_say_why() {
    async fn check(before: &str, pairs: &[(&str, &str)], want: &str) {
        let work = Workspace::new();
        let path = work.file("file", before);
        let got = work
            .failure("edit", json!({"path": "file", "edits": edits(pairs)}))
            .await;
        assert!(matches!(got, ToolFailure::Mismatch { .. }));
        assert_eq!(
            work.plain(&got.to_string()),
            format!("{want}\nWORK/file was not changed")
        );
        assert_eq!(fs::read_to_string(path).unwrap(), before);
        assert_eq!(names(&work), ["file"]);
    }
    check(
        "abc",
        &[("", "x")],
        "edits[0].old_text is empty; to write a whole file use `write`",
    )
    .await;
    check(
        "abc",
        &[("b", "b")],
        "edits[0] changes nothing: old_text and new_text are the same",
    )
    .await;
    check(
        "x\ny\nx\nx\nx\n",
        &[("y", "z"), ("x", "z")],
        "edits[1].old_text stands in the file 4 times, first in the lines 1, 3, 4; \
         add lines around it until it is unique",
    )
    .await;
    check(
        "aaa",
        &[("aa", "z")],
        "edits[0].old_text stands in the file 2 times, first in the lines 1, 1; \
         add lines around it until it is unique",
    )
    .await;
    check(
        &"a".repeat(500),
        &[("a", "b")],
        "edits[0].old_text stands in the file 100 times or more, first in the lines 1, 1, 1; \
         add lines around it until it is unique",
    )
    .await;
    check(
        "abcd",
        &[("cd", "x"), ("abc", "y")],
        "edits[1] and edits[0] overlap; make one of them",
    )
    .await;
    check(
        "completely other\n",
        &[("fn main() {}", "x")],
        "edits[0].old_text is not in the file. Nothing there is like it; read the file first",
    )
    .await;
    // The first edit fits; even so nothing happens.
    check(
        "first\nfn main() {\n\tlet answer = 42;\n}\nlast\n",
        &[("first", "1"), ("fn main() {\n    let answer = 42;\n}\n", "x")],
        "edits[1].old_text is not in the file. The nearest is at line 2 (91% alike, only spaces, tabs or line ends \
         differ):\nfn main() {\n\tlet answer = 42;\n}\n(end of the nearest text)",
    )
    .await;
    check(
        "one\nlet total = price * count;\nlet other = 5;",
        &[("let total = prize * count;", "x")],
        "edits[0].old_text is not in the file. The nearest is at line 2 (90% alike):\n\
         let total = price * count;\n(end of the nearest text)",
    )
    .await;
}

#[tokio::test]
async fn a_near_miss_is_found_wherever_it_is() {
    let work = Workspace::new();
    let mut lines: Vec<String> = (0..20_000)
        .map(|n| format!("let value_{n} = compute({n});"))
        .collect();
    lines[12_345] = "a line unlike all the others: zebra".to_owned();
    work.file("file", lines.join("\n"));
    let edits = edits(&[(
        "a line unlike all others: zebra\nlet value_12346 = compute(12346);",
        "x",
    )]);
    match work
        .failure("edit", json!({"path": "file", "edits": edits}))
        .await
    {
        ToolFailure::Mismatch {
            mismatch:
                Mismatch::NotFound {
                    index: 0,
                    nearest: Some(nearest),
                },
            ..
        } => {
            assert_eq!(nearest.line, 12_346);
            assert_eq!(
                nearest.text,
                "a line unlike all the others: zebra\nlet value_12346 = compute(12346);\n"
            );
        }
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_edits_of_one_file_all_arrive() {
    let work = Arc::new(Workspace::new());
    let count = 40;
    let path = work.file("file", (0..count).map(|n| format!("<{n}>\n")).collect::<String>());
    let calls: Vec<_> = (0..count)
        .map(|n| {
            let work = Arc::clone(&work);
            // By another name each: what counts is where it leads.
            let name = if n % 2 == 0 { "file" } else { "./nowhere/../file" };
            tokio::spawn(async move {
                let pairs = [(format!("<{n}>"), format!("[{n}]"))];
                let pairs = pairs.each_ref().map(|(old, new)| (old.as_str(), new.as_str()));
                work.call("edit", json!({"path": name, "edits": edits(&pairs)}))
                    .await
            })
        })
        .collect();
    for call in calls {
        assert!(!call.await.unwrap().is_error);
    }
    let want: String = (0..count).map(|n| format!("[{n}]\n")).collect();
    assert_eq!(fs::read_to_string(path).unwrap(), want);
}

#[test]
fn a_full_disk_leaves_the_old_file() {
    // A limit on the size of files stands for it, which needs no rights: the write fails in the middle likewise.
    if !alone(
        "writing::a_full_disk_leaves_the_old_file",
        "trap '' XFSZ; ulimit -f 64",
        &[],
    ) {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let work = Workspace::new();
        let path = work.file("file", "old");
        let long = "x".repeat(1 << 20);
        for (tool, arguments) in [
            ("write", json!({"path": "file", "content": long})),
            ("edit", json!({"path": "file", "edits": edits(&[("old", &long)])})),
            ("write", json!({"path": "new", "content": long})),
        ] {
            let got = work.failure(tool, arguments).await;
            assert!(
                matches!(&got, ToolFailure::Io { action, .. } if action == "write"),
                "{got}"
            );
            assert_eq!(
                (fs::read_to_string(&path).unwrap().as_str(), names(&work)),
                ("old", vec!["file".to_owned()])
            );
        }
        // A command is not to blame when its output cannot be kept.
        let got = work.call("bash", json!({"command": "seq 1 100000"})).await;
        assert!(!got.is_error && got.text.contains("\n100000\n"), "{}", got.text);
        assert!(
            got.text.contains("[The rest could not be kept: cannot write"),
            "{}",
            got.text
        );
        let left: Vec<_> = fs::read_dir(work.context.blobs.path(&Digest::of(b"")).parent().unwrap())
            .unwrap()
            .collect();
        assert!(left.is_empty(), "{left:?}");
    });
}

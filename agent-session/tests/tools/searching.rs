//! `ls`, `grep` and `find`.

use std::fs;

use glasswork_agent_session::tools::{Details, Listing, ToolFailure};
use serde_json::json;

use crate::support::{Workspace, make_fifo, symlink};

fn listing(shown: usize, more: bool) -> Details {
    Details::Listing(Listing { shown, more })
}

#[tokio::test]
async fn ls_lists_in_order_with_directories_marked() {
    let mut work = Workspace::new();
    for name in ["b", "a", ".hidden", "new\nline", "C"] {
        work.file(name, "");
    }
    fs::create_dir(work.root.join("dir")).unwrap();
    symlink("dir", work.root.join("link"));
    let got = work.call("ls", json!({})).await;
    assert_eq!(got.text, ".hidden\nC\na\nb\ndir/\nlink\nnew\\nline\n");
    assert_eq!(got.details, listing(7, false));
    assert_eq!(
        work.call("ls", json!({"path": "dir"})).await.text,
        "[The directory is empty.]"
    );
    assert!(matches!(
        work.failure("ls", json!({"path": "a"})).await,
        ToolFailure::NotADirectory { .. }
    ));
    work.context.limits.entries = 2;
    let got = work.call("ls", json!({"path": "."})).await;
    assert_eq!(
        got.text,
        ".hidden\nC\n\n[2 of 7 entries. Look for the others with `find`.]"
    );
    assert_eq!(got.details, listing(2, true));
}

#[tokio::test]
async fn ls_shows_500() {
    let work = Workspace::new();
    for n in 0..501 {
        work.file(&format!("{n:03}"), "");
    }
    let got = work.call("ls", json!({})).await;
    assert_eq!(got.details, listing(500, true));
    assert!(got.text.contains("499\n\n[500 of 501 entries."));
}

fn tree() -> Workspace {
    let work = Workspace::new();
    work.file(".gitignore", "/target\n*.log\n");
    work.file("src/main.rs", "fn main() {\n    println!(\"Hello\");\n}\n");
    work.file("src/lib.rs", "//! hello.world\npub fn hello() {}\n");
    work.file("src/deep/.gitignore", "secret.rs\n!kept.log\n");
    work.file("src/deep/secret.rs", "hello from a secret\n");
    work.file("src/deep/kept.log", "hello from a log\n");
    work.file("target/out.rs", "hello from target\n");
    work.file("noise.log", "hello from noise\n");
    work.file(".hidden/x.rs", "hello from hiding\n");
    work.file(".git/config", "hello from git\n");
    work.file("binary", b"hello\0hello\n");
    make_fifo(&work.root.join("fifo.rs"));
    fs::write(work.outside.join("o.rs"), "hello from outside\n").unwrap();
    symlink(&work.outside, work.root.join("out"));
    symlink(work.outside.join("o.rs"), work.root.join("o.rs"));
    work
}

#[tokio::test]
async fn find_matches_names_or_paths_and_leaves_out_what_is_ignored() {
    let work = tree();
    let cases = [
        ("*.rs", ".hidden/x.rs\nfifo.rs\no.rs\nsrc/lib.rs\nsrc/main.rs\n"),
        ("src/*.rs", "src/lib.rs\nsrc/main.rs\n"),
        ("/src/*.rs", "src/lib.rs\nsrc/main.rs\n"),
        ("*.log", "src/deep/kept.log\n"),
        ("deep", "src/deep/\n"),
        ("**/deep/*", "src/deep/.gitignore\nsrc/deep/kept.log\n"),
        ("{main,lib}.rs", "src/lib.rs\nsrc/main.rs\n"),
        ("MAIN.rs", "[Nothing matches `MAIN.rs`.]"),
    ];
    for (pattern, want) in cases {
        assert_eq!(
            work.call("find", json!({ "pattern": pattern })).await.text,
            want,
            "{pattern}"
        );
    }
    let got = work.call("find", json!({"pattern": "*.rs", "limit": 2})).await;
    assert_eq!(
        got.text,
        ".hidden/x.rs\nfifo.rs\n\n[The first 2 paths; there are more. Narrow the pattern or the path.]"
    );
    assert_eq!(
        work.call("find", json!({"pattern": "*.rs", "path": "src"}))
            .await
            .text,
        "lib.rs\nmain.rs\n"
    );
    // What was ignored from above is still ignored when searched from within.
    assert_eq!(
        work.call("find", json!({"pattern": "*", "path": "src/deep"}))
            .await
            .text,
        ".gitignore\nkept.log\n"
    );
    assert!(matches!(
        work.failure("find", json!({"pattern": "a[", "path": "src"}))
            .await,
        ToolFailure::Pattern { .. }
    ));
}

#[tokio::test]
async fn what_is_ignored_is_ignored_without_a_repository_too() {
    let work = Workspace::new();
    work.file(".gitignore", "ignored\n");
    work.file("ignored", "text");
    work.file("seen", "text");
    assert_eq!(
        work.call("find", json!({"pattern": "*"})).await.text,
        ".gitignore\nseen\n"
    );
    assert_eq!(
        work.call("grep", json!({"pattern": "text"})).await.text,
        "seen:1: text\n"
    );
}

#[tokio::test]
async fn find_gives_1000() {
    let work = Workspace::new();
    for n in 0..1001 {
        work.file(&format!("d/{n:04}"), "");
    }
    assert_eq!(
        work.call("find", json!({"pattern": "0*"})).await.details,
        listing(1000, false)
    );
    assert_eq!(
        work.call("find", json!({"pattern": "d/*"})).await.details,
        listing(1000, true)
    );
}

#[tokio::test]
async fn grep_gives_lines_with_their_places() {
    let work = tree();
    let all = ".hidden/x.rs:1: hello from hiding\nbinary:1: hello";
    let grep = |arguments| work.call("grep", arguments);
    let got = grep(json!({"pattern": "hello"})).await;
    assert!(
        !got.text.contains("outside") && !got.text.contains("target") && !got.text.contains("git"),
        "{all}"
    );
    assert_eq!(
        got.text,
        ".hidden/x.rs:1: hello from hiding\nsrc/deep/kept.log:1: hello from a log\nsrc/lib.rs:1: //! hello.world\n\
         src/lib.rs:2: pub fn hello() {}\n"
    );
    assert_eq!(got.details, listing(4, false));
    let cases = [
        (
            json!({"pattern": "HELLO", "glob": "src/*.rs"}),
            "[Nothing matches `HELLO`.]",
        ),
        (
            json!({"pattern": "Hello.w", "glob": "*.rs", "ignore_case": true}),
            "src/lib.rs:1: //! hello.world\n",
        ),
        (
            json!({"pattern": "o()", "literal": true}),
            "src/lib.rs:2: pub fn hello() {}\n",
        ),
        (json!({"pattern": "^}", "path": "src/main.rs"}), "main.rs:3: }\n"),
        (
            json!({"pattern": "Hello", "context": 1, "path": "src"}),
            "main.rs-1- fn main() {\nmain.rs:2:     println!(\"Hello\");\nmain.rs-3- }\n",
        ),
        (
            json!({"pattern": "fn ", "context": 1, "path": "src"}),
            "lib.rs-1- //! hello.world\nlib.rs:2: pub fn hello() {}\n--\nmain.rs:1: fn main() {\nmain.rs-2-     println!(\"Hello\");\n",
        ),
        (
            json!({"pattern": "hello", "path": "src/lib.rs", "limit": 1}),
            "lib.rs:1: //! hello.world\n\n[The first 1 matches; there are more. Narrow the pattern, or raise limit.]",
        ),
        // As many as there are is not too many.
        (
            json!({"pattern": "Hello", "path": "src/main.rs", "limit": 1}),
            "main.rs:2:     println!(\"Hello\");\n",
        ),
    ];
    for (arguments, want) in cases {
        assert_eq!(grep(arguments.clone()).await.text, want, "{arguments}");
    }
    let wrong = work.failure("grep", json!({"pattern": "a("})).await;
    assert!(
        matches!(&wrong, ToolFailure::Pattern { field, .. } if field == "pattern"),
        "{wrong}"
    );
}

#[tokio::test]
async fn grep_keeps_to_its_limits() {
    let work = Workspace::new();
    work.file("wide", format!("{}\n", "ä".repeat(501)));
    work.file("full", format!("{}\n", "f".repeat(400)).repeat(200));
    work.file("many", "m\n".repeat(101));
    work.file("monster/line", "x".repeat(9 << 20));
    let got = work.call("grep", json!({"pattern": "ä"})).await;
    assert_eq!(
        got.text.lines().next().unwrap(),
        format!("wide:1: {}… [line cut]", "ä".repeat(500))
    );
    let got = work.call("grep", json!({"pattern": "m"})).await;
    assert_eq!(got.details, listing(100, true));
    let got = work.call("grep", json!({"pattern": "f", "limit": 200})).await;
    assert!(got.text.len() < 51 * 1024 && got.text.contains("more do not fit into 50 KiB"));
    let got = work
        .call("grep", json!({"pattern": "x", "path": "monster"}))
        .await;
    assert_eq!(
        got.text,
        "[Nothing matches `x`.]\n[1 files could not be searched.]"
    );
}

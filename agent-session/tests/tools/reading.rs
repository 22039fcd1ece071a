//! `read`, with files of every kind and size.

use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};

use glasswork_agent_session::tools::read::Lines;
use glasswork_agent_session::tools::{Call, Details, FileKind, ToolFailure, run};
use serde_json::json;

use crate::support::{Workspace, alone, make_fifo, most_memory, symlink};

const SEEN: fn(u64, u64, Option<u64>) -> Details = |first, count, next| {
    Details::Lines(Lines {
        first,
        count,
        next,
        lossy: false,
    })
};

#[tokio::test]
async fn a_file_is_read_in_pieces_that_say_where_to_go_on() {
    let mut work = Workspace::new();
    (work.context.limits.lines, work.context.limits.bytes) = (3, 20);
    work.file("file", "1\n2\n3\n4\n5");
    work.file("empty", "");
    work.file("wide", "123456789\n123456789\n\nx\n");
    work.file("long", "a\n01234567890123456789\nb\n");
    let read = |arguments| work.call("read", arguments);

    let got = read(json!({"path": "file"})).await;
    assert_eq!(
        got.text,
        "1\n2\n3\n\n[Lines 1 to 3 of a file of 9 bytes. Go on with offset=4.]"
    );
    assert_eq!((got.is_error, got.details), (false, SEEN(1, 3, Some(4))));
    let got = read(json!({"path": "file", "offset": 4})).await;
    assert_eq!((got.text.as_str(), got.details), ("4\n5\n", SEEN(4, 2, None)));
    let got = read(json!({"path": "file", "offset": 2, "limit": 1})).await;
    assert_eq!(
        got.text,
        "2\n\n[Lines 2 to 2 of a file of 9 bytes. Go on with offset=3.]"
    );
    // Exactly as much as fits.
    let got = read(json!({"path": "wide"})).await;
    assert_eq!(got.details, SEEN(1, 2, Some(3)));
    let got = read(json!({"path": "empty"})).await;
    assert_eq!((got.text.as_str(), got.is_error), ("[The file is empty.]", false));
    // A line that never fits does not stop whoever goes on.
    let got = read(json!({"path": "long"})).await;
    assert_eq!(got.details, SEEN(1, 1, Some(2)));
    let got = read(json!({"path": "long", "offset": 2})).await;
    assert_eq!(
        got.text,
        "[Line 2 has 20 bytes, more than the 20 bytes that are shown at once. \
         Use bash: sed -n '2p' FILE | cut -b 1-2000]"
    );
    assert_eq!(got.details, SEEN(2, 0, Some(3)));
    assert_eq!(read(json!({"path": "long", "offset": 3})).await.text, "b\n");
    for (path, offset, lines) in [("file", 6, 5), ("file", 1000, 5), ("empty", 2, 0), ("wide", 5, 4)] {
        assert_eq!(
            work.failure("read", json!({"path": path, "offset": offset}))
                .await,
            ToolFailure::BeyondEnd {
                path: work.root.join(path),
                offset,
                lines
            },
        );
    }
}

#[tokio::test]
async fn the_published_limits_hold() {
    let work = Workspace::new();
    work.file("lines", "x\n".repeat(2001));
    work.file("bytes", format!("{}\n", "y".repeat(1023)).repeat(51));
    assert_eq!(
        work.call("read", json!({"path": "lines"})).await.details,
        SEEN(1, 2000, Some(2001))
    );
    assert_eq!(
        work.call("read", json!({"path": "bytes"})).await.details,
        SEEN(1, 50, Some(51))
    );
}

#[tokio::test]
async fn what_is_no_text_is_told() {
    let work = Workspace::new();
    work.file("binary", b"\x7fELF\0\0\0");
    work.file("latin1", b"gr\xfcn\n");
    assert_eq!(
        work.failure("read", json!({"path": "binary"})).await,
        ToolFailure::Binary {
            path: work.root.join("binary"),
            len: 7
        }
    );
    let got = work.call("read", json!({"path": "latin1"})).await;
    assert_eq!(
        got.text,
        "gr\u{FFFD}n\n\n[Some bytes are not valid UTF-8 and are shown as \u{FFFD}.]"
    );
    assert_eq!(
        got.details,
        Details::Lines(Lines {
            first: 1,
            count: 1,
            next: None,
            lossy: true
        })
    );
}

#[tokio::test]
async fn what_is_no_file_is_refused_at_once() {
    let work = Workspace::new();
    fs::create_dir(work.root.join("dir")).unwrap();
    make_fifo(&work.root.join("fifo"));
    let _listener = std::os::unix::net::UnixListener::bind(work.root.join("socket")).unwrap();
    for (path, found) in [
        ("dir", FileKind::Directory),
        ("fifo", FileKind::Fifo),
        ("socket", FileKind::Socket),
        ("/dev/zero", FileKind::CharacterDevice),
        ("/", FileKind::Directory),
    ] {
        let want = ToolFailure::NotAFile {
            path: work.root.join(path),
            found,
        };
        let edits = json!([{"old_text": "a", "new_text": "b"}]);
        assert_eq!(work.failure("read", json!({ "path": path })).await, want);
        assert_eq!(
            work.failure("edit", json!({"path": path, "edits": edits})).await,
            want
        );
        assert_eq!(
            work.failure("write", json!({"path": path, "content": "x"})).await,
            want
        );
        if found != FileKind::Directory {
            assert_eq!(
                work.failure("grep", json!({"path": path, "pattern": "x"})).await,
                want
            );
        }
    }
    assert_eq!(
        work.plain(&work.failure("read", json!({"path": "fifo"})).await.to_string()),
        "WORK/fifo is a named pipe, not a file; it is not opened, as reading it might never end"
    );
    for tool in ["read", "ls"] {
        assert_eq!(
            work.failure(tool, json!({"path": "no/thing"})).await,
            ToolFailure::NotFound {
                path: work.root.join("no/thing")
            }
        );
    }
}

#[tokio::test]
async fn a_path_that_leads_elsewhere_than_when_it_was_judged_is_refused() {
    let edits = json!([{"old_text": "mine", "new_text": "yours"}]);
    let calls = [
        ("read", json!({"path": "dir/file"})),
        ("edit", json!({"path": "dir/file", "edits": edits})),
        ("write", json!({"path": "dir/file", "content": "yours"})),
        ("write", json!({"path": "dir/new/file", "content": "yours"})),
        ("grep", json!({"path": "dir/file", "pattern": "mine"})),
        ("ls", json!({"path": "dir/sub"})),
        ("find", json!({"path": "dir/sub", "pattern": "*"})),
        ("grep", json!({"path": "dir/sub", "pattern": "mine"})),
    ];
    for (tool, arguments) in calls {
        for swapped in ["dir", "file, sub and new"] {
            let work = Workspace::new();
            work.file("dir/file", "mine");
            work.file("dir/sub/file", "mine");
            for name in ["file", "sub/file"] {
                let secret = work.outside.join(name);
                fs::create_dir_all(secret.parent().unwrap()).unwrap();
                fs::write(secret, "mine too").unwrap();
            }
            let call = work.judged(tool, arguments.clone());
            fs::rename(work.root.join("dir"), work.root.join("was")).unwrap();
            if swapped == "dir" {
                symlink(&work.outside, work.root.join("dir"));
            } else {
                fs::create_dir(work.root.join("dir")).unwrap();
                for name in ["file", "sub", "new"] {
                    symlink(work.outside.join(name), work.root.join("dir").join(name));
                }
                fs::create_dir_all(work.outside.join("new")).unwrap();
            }
            let got = run(call, &work.context).await;
            assert!(
                matches!(got.details, Details::Failure(ToolFailure::PathChanged { .. })),
                "{tool} {arguments} {swapped}: {got:?}"
            );
            assert_eq!(fs::read_to_string(work.outside.join("file")).unwrap(), "mine too");
            assert!(!work.outside.join("new/file").exists());
        }
    }
}

#[tokio::test]
async fn a_path_that_nobody_resolved_is_not_opened() {
    let work = Workspace::new();
    work.file("file", "x");
    for path in [work.root.join("../work/file"), "file".into(), "".into()] {
        let call = Call {
            path,
            ..work.judged("read", json!({"path": "file"}))
        };
        let got = run(call, &work.context).await;
        assert!(
            got.is_error && got.text.ends_with("the path was not resolved"),
            "{}",
            got.text
        );
    }
}

#[test]
fn a_gibibyte_is_paged_in_little_memory() {
    if !alone("reading::a_gibibyte_is_paged_in_little_memory", "", &[]) {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let work = Workspace::new();
        // Text at both ends, a hole of a GiB between them, which is one long line.
        let mut file = File::create(work.root.join("big")).unwrap();
        file.write_all("start\n".repeat(2000).as_bytes()).unwrap();
        file.seek(SeekFrom::Current(1 << 30)).unwrap();
        file.write_all(b"\nlast\n").unwrap();
        file.set_len(file.metadata().unwrap().len()).unwrap();
        drop(file);
        assert_eq!(
            work.call("read", json!({"path": "big"})).await.details,
            SEEN(1, 2000, Some(2001))
        );
        let got = work.call("read", json!({"path": "big", "offset": 2001})).await;
        assert!(
            got.text.starts_with("[Line 2001 has 1 GiB, more than the 50 KiB"),
            "{}",
            got.text
        );
        let got = work.call("read", json!({"path": "big", "offset": 2002})).await;
        assert_eq!((got.text.as_str(), got.details), ("last\n", SEEN(2002, 1, None)));
        let edits = json!([{"old_text": "last", "new_text": "b"}]);
        let got = work.failure("edit", json!({"path": "big", "edits": edits})).await;
        assert!(matches!(got, ToolFailure::TooLarge { .. }), "{got}");
        // `grep` leaves it out as binary.
        let got = work
            .call("grep", json!({"path": "big", "pattern": "start"}))
            .await;
        assert_eq!(got.text, "[Nothing matches `start`.]");
    });
    assert!(most_memory() < 96 * 1024, "{} KiB", most_memory());
}

#[tokio::test]
async fn a_cancelled_call_does_nothing() {
    let work = Workspace::new();
    let path = work.file("file", "old");
    work.context.cancel.cancel();
    let edits = json!([{"old_text": "old", "new_text": "new"}]);
    for (tool, arguments) in [
        ("read", json!({"path": "file"})),
        ("write", json!({"path": "file", "content": "new"})),
        ("edit", json!({"path": "file", "edits": edits})),
        ("bash", json!({"command": "echo new > file"})),
        ("ls", json!({})),
        ("grep", json!({"pattern": "o"})),
        ("find", json!({"pattern": "*"})),
    ] {
        assert_eq!(
            work.failure(tool, arguments).await,
            ToolFailure::Cancelled,
            "{tool}"
        );
    }
    assert_eq!(fs::read_to_string(path).unwrap(), "old");
}

/// A PNG of 2 by 1 pixels.
fn png() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::new(2, 1)
        .write_to(&mut bytes, image::ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

#[tokio::test]
async fn an_image_is_looked_at_whatever_it_is_called() {
    let work = Workspace::new();
    let bytes = png();
    work.file("shot.png", &bytes);
    work.file("notes.md", &bytes);
    work.file("text.png", "I am a text.\n");
    work.file("cut.png", &bytes[..bytes.len() / 2]);
    for name in ["shot.png", "notes.md"] {
        let got = work.call("read", json!({"path": name, "offset": 7})).await;
        let Details::Image(image) = &got.details else {
            panic!("{got:?}")
        };
        assert_eq!(
            (&*got.text, got.is_error),
            (
                &*format!("[image: {name}, 2x1, image/png, {} bytes]", bytes.len()),
                false
            )
        );
        assert_eq!(&*image.digest, blake3::hash(&bytes).to_hex().as_str());
        // It is kept before anyone hears of it.
        let kept = work.context.blobs.path(&image.digest.parse().unwrap());
        assert_eq!(fs::read(kept).unwrap(), bytes);
    }
    assert_eq!(
        work.call("read", json!({"path": "text.png"})).await.text,
        "I am a text.\n"
    );
    let cut = work.call("read", json!({"path": "cut.png"})).await;
    assert!(
        cut.is_error && cut.text.contains("cut.png is damaged or incomplete: "),
        "{}",
        cut.text
    );
    assert!(matches!(cut.details, Details::Failure(ToolFailure::Image { .. })));
}

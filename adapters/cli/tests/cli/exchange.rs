//! Sessions that leave as files and come back, as a person at a terminal sees them; and a page in a real browser.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::support::{House, done};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../agent-session/tests/foreign/fixtures")
        .join(name)
}

#[test]
fn agents_that_a_conversation_called_are_told_with_their_counts() {
    let house = House::new();
    let file = fixture("claude-code-agents.jsonl");
    let import = ["sessions", "import", file.to_str().unwrap(), "--workspace", "."];
    let new = house.run(import);
    assert_eq!(new.code, 0, "{}", new.err);
    assert!(new.out.ends_with("(claude-code, 7 entries)\n"), "{}", new.out);
    for told in [
        "(2 entries): Count b",
        "(4 entries): Count a",
        "(2 entries): no title",
        "    1 × progress:",
    ] {
        assert!(new.err.contains(told), "{told} is not in {}", new.err);
    }
    let parent = new.out.split_whitespace().next().unwrap();
    let again = house.json(import.iter().chain(&["--json"]));
    assert_eq!(
        (&again[0]["session"], &again[0]["result"]),
        (&json!(parent), &json!("already_here"))
    );
    let called = again[0]["called"].as_array().unwrap();
    let query = format!("{{ session(id: \"{parent}\") {{ children {{ session at }} }} }}");
    let children = house.json(["query", &query])["data"]["session"]["children"].clone();
    assert_eq!((called.len(), children.as_array().unwrap().len()), (3, 3));
    let tree = house.run(["sessions", "tree", parent]).out;
    for child in called {
        let id = child["session"].as_str().unwrap();
        assert!(tree.contains(id), "{tree}");
        let of = house.run(["sessions", "tree", id]).out;
        assert!(of.contains(&format!("of {parent} at ")), "{of}");
        assert_eq!(house.run(["sessions", "rename", id, "renamed"]).code, 0);
    }
    // They are listed like any other.
    assert_eq!(
        house
            .json(["sessions", "list", "--json"])
            .as_array()
            .unwrap()
            .len(),
        4
    );
}

#[test]
fn a_conversation_of_another_agent_is_imported_once_and_goes_on() {
    let house = House::new();
    let file = fixture("pi-v3.jsonl");
    let file = file.to_str().unwrap();
    // It worked in a directory that is not here.
    let refused = house.run(["sessions", "import", file]);
    assert_eq!(refused.code, 2);
    assert!(
        refused
            .err
            .contains("/home/ada/compiler, which is no directory here"),
        "{}",
        refused.err
    );

    let import = ["sessions", "import", file, "--workspace", "."];
    let tried = house.run(import.iter().chain(&["--dry-run"]));
    assert!(tried.out.contains("would be new:"), "{}", tried.out);
    let new = house.run(import);
    assert_eq!(new.code, 0, "{}", new.err);
    assert!(
        new.out.contains("  is new: ") && new.out.ends_with("(pi, 13 entries)\n"),
        "{}",
        new.out
    );
    for told in ["1 × hologram: not known here (line 19)", "1 × image: not text"] {
        assert!(new.err.contains(told), "{}", new.err);
    }
    for again in [house.run(import), house.run(import.iter().chain(&["--dry-run"]))] {
        assert!(again.out.contains("  is here already: "), "{}", again.out);
    }
    let another = house.run(import.iter().chain(&["--as-new"]));
    assert!(another.out.contains("  is new: "), "{}", another.out);
    let another = another.out.split_whitespace().next().unwrap();
    assert_eq!(house.run(["sessions", "trash", another]).code, 0);
    // What is too long for an entry is told.
    let long = house.work.join("long.jsonl");
    let said = format!(
        r#"{{"type":"message","id":"a","message":{{"role":"user","content":"{}"}}}}"#,
        "x".repeat(50_000)
    );
    fs::write(
        &long,
        format!("{{\"type\":\"session\",\"version\":3,\"id\":\"s\"}}\n{said}\n"),
    )
    .unwrap();
    let long = house.run([
        "sessions",
        "import",
        "long.jsonl",
        "--workspace",
        ".",
        "--dry-run",
    ]);
    assert!(
        long.err.contains("1 × text: longer than an entry holds"),
        "{}",
        long.err
    );

    assert!(
        house
            .run(["sessions", "tree", "last"])
            .out
            .contains("Why does the lexer loop?")
    );
    assert!(house.run(["sessions", "tree", "last"]).out.contains("  [start]"));

    // It can be asked where an entry comes from.
    let query = "{ session(id: \"last\") { importedFrom { format version entries taken left { kind } }
        meta { title } entries(first: 2) { nodes { id source { line } } } } }";
    let asked = house.json(["query", query]);
    let session = &asked["data"]["session"];
    assert_eq!(session["meta"]["title"], "The endless lexer");
    let from = &session["importedFrom"];
    assert_eq!(
        (&from["format"], &from["entries"], &from["taken"]),
        (&json!("pi"), &json!(13), &json!(13))
    );
    let entry = session["entries"]["nodes"][0]["id"].as_str().unwrap();
    let why = house.run(["why", entry]);
    assert!(why.out.contains("pi-v3.jsonl:"), "{}", why.out);
    assert!(why.out.contains("11 entries of lines 4 to 15"), "{}", why.out);

    // And gone on with.
    let model =
        house.script(r#"(say: [text("Said elsewhere.")]), (expect: "Go on.", say: [text("So it goes.")])"#);
    let gone_on = house.run(["run", "Go on.", "--resume", "last", "--model", &*model]);
    assert_eq!(
        (gone_on.code, &*gone_on.out),
        (0, "So it goes.\n"),
        "{}",
        gone_on.err
    );
    let listed = house.json(["sessions", "import", file, "--workspace", ".", "--json"]);
    assert_eq!(listed[0]["result"], "already_here");
}

#[test]
fn an_exported_session_is_written_once_and_comes_back() {
    let house = House::new();
    let home = house.home.path().join("home").display().to_string();
    let model = house.script(&format!(
        r#"(say: [text("I look."), call("bash", (command: "echo {home}/notes"))]), (say: [text("Done.")])"#
    ));
    assert_eq!(house.yolo(&model).code, 0);
    for (format, ending) in [
        ("archive", "tar.zst"),
        ("jsonl", "jsonl"),
        ("markdown", "md"),
        ("html", "html"),
    ] {
        let file = format!("out.{ending}");
        let export = ["sessions", "export", "last", "--format", format, "-o", &*file];
        let first = house.run(export);
        assert_eq!((first.code, &*first.out), (0, ""), "{}", first.err);
        assert!(
            first.err.starts_with(&format!("{file} at commit ")),
            "{}",
            first.err
        );
        let verbatim = matches!(format, "archive" | "jsonl");
        let fate = if verbatim {
            "still in it"
        } else {
            "shortened to `~`"
        };
        assert!(first.err.contains(fate), "{format}: {}", first.err);
        let bytes = fs::read(house.work.join(&file)).unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if format != "archive" {
            assert_eq!(text.contains(&home), verbatim, "{format}");
        }
        // It is there: nothing is written over, unless it is said.
        let second = house.run(export);
        assert_eq!(second.code, 1, "{}", second.err);
        assert!(second.err.contains("`--force` writes over it"), "{}", second.err);
        assert_eq!(house.run(export.iter().chain(&["--force"])).code, 0);
        let piped = house
            .command(["sessions", "export", "last", "--format", format, "-o", "-"])
            .output()
            .unwrap();
        assert_eq!(piped.stdout, bytes, "{format} on standard output is the same");
        if format != "archive" {
            let raw = house.run([
                "sessions", "export", "last", "--format", format, "-o", "-", "--raw",
            ]);
            assert!(
                raw.out.contains(&home) && raw.err.is_empty(),
                "{format}: {}",
                raw.err
            );
        }
        if verbatim {
            let other = House::new();
            let file = house.work.join(&file);
            let file = file.to_str().unwrap();
            let back = other.json(["sessions", "import", file, "--json"]);
            assert_eq!(back[0]["result"], "new", "{back}");
            assert_eq!(
                other.json(["sessions", "import", file, "--json"])[0]["result"],
                "already_here"
            );
            let show = |house: &House| house.run(["sessions", "show", "last"]).out;
            assert_eq!(show(&other), show(&house));
            let listed = other.json(["sessions", "list", "--json"]);
            assert!(listed[0]["id"].is_string(), "{listed}");
        }
    }
    let early: Value = house.json([
        "sessions",
        "export",
        "last",
        "--at",
        "2",
        "--json",
        "-o",
        "early.tar.zst",
    ]);
    assert_eq!(early["export"]["commit"], 2);
}

/// The page in a real browser: it shows what was said, and does nothing of it.
#[test]
fn a_browser_executes_and_loads_nothing_of_a_page() {
    glasswork_testkit::programs::ensure("chromium", "chromium");
    let house = House::new();
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let address = trap.local_addr().unwrap();
    let hostile = format!(
        "</p></pre></article><script>document.title='taken'</script><img src='http://{address}/a' onerror=document.title='taken'>\
         <link rel=stylesheet href=http://{address}/b><style>@import url(http://{address}/c);</style>\
         <iframe src=http://{address}/d></iframe><svg onload=document.title='taken'><meta http-equiv=refresh content='0;url=http://{address}/e'>"
    );
    fs::write(house.work.join("hostile"), &hostile).unwrap();
    let said = serde_json::to_string(&hostile).unwrap();
    let turns =
        format!(r#"(say: [text({said}), call("bash", (command: "cat hostile"))]), (say: [text("Done.")])"#);
    let model = house.script(&turns);
    let ran = house.run(["run", &hostile, "--permission-mode", "yolo", "--model", &*model]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(
        house
            .run([
                "sessions",
                "export",
                "last",
                "--format",
                "html",
                "-o",
                "page.html"
            ])
            .code,
        0
    );
    let page = house.work.join("page.html");
    // Opened as they are when somebody looks inside: what is folded must be inert, too.
    let unfolded = fs::read_to_string(&page)
        .unwrap()
        .replace("<details>", "<details open>");
    fs::write(&page, unfolded).unwrap();
    let browser = Command::new("chromium")
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-dev-shm-usage",
        ])
        .args([
            "--enable-logging=stderr",
            "--virtual-time-budget=3000",
            "--dump-dom",
        ])
        .arg(format!(
            "--user-data-dir={}",
            house.home.path().join("browser").display()
        ))
        .arg(format!("file://{}", page.display()))
        .env("HOME", house.home.path())
        .output()
        .unwrap();
    let seen = done(browser);
    let (dom, log) = (&seen.out, &seen.err);
    assert!(dom.contains("</main>"), "{log}");
    for element in [
        "<script",
        "<img",
        "<iframe",
        "<link",
        "<svg",
        "<object",
        "http-equiv=\"refresh\"",
    ] {
        assert!(!dom.contains(element), "the browser made an element of {element}");
    }
    assert!(!dom.contains("<title>taken"), "something was executed");
    assert!(
        dom.matches("&lt;script&gt;document.title='taken'&lt;/script&gt;")
            .count()
            >= 4,
        "all of it is there to be read"
    );
    assert!(
        !log.contains("Content Security Policy"),
        "the page keeps to its own policy: {log}"
    );
    assert!(trap.accept().is_err(), "something was loaded");
}

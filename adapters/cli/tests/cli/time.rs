//! Going back in time: any moment of a session, what differs, which commit made it so, and what is waited for; here, and
//! in a file that was given away.

use std::fs;

use serde_json::{Value, json};

use super::support::{House, done};

fn lived() -> House {
    let house = House::new();
    let model = house.script(
        r#"(say: [text("I look."), call("bash", (command: "echo $HOME/project"))]), (say: [text("Done.")])"#,
    );
    assert_eq!(house.yolo(&model).code, 0);
    house
}

fn last(house: &House) -> u64 {
    house.json(["sessions", "show", "last", "--json"])["commit"]
        .as_u64()
        .unwrap()
}

#[test]
fn every_reading_command_goes_back_to_any_commit() {
    let house = lived();
    let end = last(&house);
    for at in [1, 2, end / 2, end] {
        let at = at.to_string();
        let log = house.json(["log", "last", "--at", &at, "--json"]);
        let ids: Vec<&str> = log
            .as_array()
            .unwrap()
            .iter()
            .map(|node| node["id"].as_str().unwrap())
            .collect();
        assert!(ids.last().unwrap().ends_with(&format!("/{at}")), "{ids:?}");
        let shown = house.json(["sessions", "show", "last", "--at", &at, "--json"]);
        assert_eq!(shown["commit"].to_string(), at);
        let tree = house.json(["sessions", "tree", "last", "--at", &at, "--json"]);
        let answer = house.json([
            "query",
            &format!("{{ session(id: \"last\", at: {at}) {{ entryCount }} }}"),
        ]);
        assert_eq!(
            json!(tree["nodes"].as_array().unwrap().len()),
            answer["data"]["session"]["entryCount"]
        );
    }
    let one = house.json(["request", "last", "--step", "1", "--json"]);
    assert_eq!(one["messages"].as_array().unwrap().len(), 1);
    let next = house.json(["request", "last", "--at", "2", "--json"]);
    assert_eq!(next["recorded"], json!(false));
    // Of a commit that is not there yet, all say so alike, with the last one.
    let beyond = (end + 1).to_string();
    for command in [
        vec!["log", "last", "--at", &beyond],
        vec!["sessions", "show", "last", "--at", &beyond],
        vec!["sessions", "tree", "last", "--at", &beyond],
        vec!["request", "last", "--step", "1", "--at", &beyond],
        vec!["why", "last/2.0", "--at", &beyond],
        vec!["stuck", "last", "--at", &beyond],
        vec!["replay", "last", "--at", &beyond],
        vec!["diff", "last", "1", &beyond],
        vec!["bundle", "last", "--at", &beyond, "-o", "never"],
    ] {
        let done = house.run(&command);
        assert_eq!((done.code, &*done.out), (2, ""), "{command:?}: {done:?}");
        assert!(
            done.err.contains(&beyond) && done.err.contains(&end.to_string()),
            "{command:?}: {}",
            done.err
        );
    }
    assert!(!house.work.join("never").exists());
    let zero = house.run(["log", "last", "--at", "0"]);
    assert_eq!(zero.code, 2);
    assert!(zero.err.contains("0 is not in 1.."), "{}", zero.err);
}

#[test]
fn what_differs_is_told_and_which_commit_made_it_so() {
    let house = lived();
    let end = last(&house);
    let diff = house.json(["diff", "last", "1", "--json"]);
    assert!(
        diff["to"].as_str().unwrap().ends_with(&format!("/{end}")),
        "{diff}"
    );
    assert!(diff["changes"].as_array().unwrap().len() > 3);
    let told = house.run(["diff", "last", "1", "2"]);
    assert!(
        told.out.contains("→ 2\n") && told.out.contains("\n  + turn"),
        "{}",
        told.out
    );
    assert!(
        house
            .run(["diff", "last", "2", "2"])
            .out
            .contains("nothing differs")
    );
    assert!(
        house
            .run(["diff", "last", "0", "--limit", "1"])
            .out
            .contains("… and more")
    );

    let in_order = ["bisect", "last", "--query", "entryCount", "--above", "0"];
    let found = house.json(in_order.iter().chain(&["--json"]));
    let halved = house.json(in_order.iter().chain(&["--json", "--monotone"]));
    assert_eq!(found["result"]["commit"], halved["result"]["commit"]);
    assert_eq!(found["dispatch"]["event"], "prompted");
    assert_eq!(found["result"]["before"], json!(0));
    let told = house.run(["bisect", "last", "--query", "turn { state }", "--is", "completed"]);
    assert_eq!((told.code, &*told.err), (0, ""));
    for text in ["it holds from commit ", "→ completed", "caused by ", "turn.state"] {
        assert!(told.out.contains(text), "{text}: {}", told.out);
    }
    let never = house.run(["bisect", "last", "--query", "turn { state }", "--is", "paused"]);
    assert_eq!(never.code, 1);
    assert!(
        never.out.starts_with("it never holds: after commit "),
        "{}",
        never.out
    );
    let at_once = house.run(["bisect", "last", "--query", "seq", "--above", "0"]);
    assert!(
        at_once.out.starts_with("it holds after commit 1 already"),
        "{}",
        at_once.out
    );
    for (query, text) in [
        ("seq id", "say which with `path`"),
        ("seq", "no truth value"),
        ("nosuch", "nosuch"),
        ("id } host { version", "goes on outside"),
    ] {
        let wrong = house.run(["bisect", "last", "--query", query]);
        assert_eq!(wrong.code, 2, "{query}: {wrong:?}");
        assert!(wrong.err.contains(text), "{query}: {}", wrong.err);
    }
}

#[test]
fn a_request_is_shown_with_who_put_each_part_there_and_what_a_cache_missed() {
    let house = lived();
    let text = house.run(["request", "last", "--step", "2"]);
    assert_eq!((text.code, &*text.err), (0, ""));
    for told in [
        "/r2, prepared by ",
        "message 0 prompt: go",
        "prompted in 2",
        "bytes were sent, blake3 ",
    ] {
        assert!(text.out.contains(told), "{told}: {}", text.out);
    }
    let diff = house.run(["request", "last", "--step", "2", "--diff", "1"]);
    assert!(
        diff.out.contains("a cache could serve all of that"),
        "{}",
        diff.out
    );
    let missed = house.json(["request", "last", "--step", "1", "--diff", "2", "--json"]);
    assert_eq!(missed["cacheMiss"]["part"]["kind"], "MESSAGE", "{missed}");
    for part in ["last/r1/0", "last/r1/system/0", "last/r1/tool/0"] {
        let why = house.json(["why", part, "--json"]);
        assert_eq!(why["end"], "OUTSIDE", "{part}");
    }
    assert_eq!(house.run(["why", "last/r1/tool/99"]).code, 2);
    assert_eq!(house.run(["why", "last/r1/tool/x"]).code, 2);
    assert_eq!(house.run(["request", "last", "--diff", "1"]).code, 2);
}

#[test]
fn what_is_waited_for_is_told_while_it_is_and_after_its_process_was_killed() {
    let house = House::new();
    assert_eq!(house.run(["stuck"]).code, 0);
    let (working, _go) = house.busy();
    let found = house.run(["stuck", "--json"]);
    assert_eq!(found.code, 1, "{found:?}");
    let found: Value = serde_json::from_str(&found.out).unwrap();
    let waits = &found[0]["waiting"][0];
    assert_eq!(
        (&waits["on"], &found[0]["left_open"]),
        (&json!("tool"), &json!(false))
    );
    assert!(waits["since"].as_i64().unwrap() > 0 && found[0]["owner"]["pid"].as_u64().unwrap() > 0);
    let told = house.run(["stuck", "last"]);
    assert!(
        told.out.contains("it waits for call `bash`") && told.out.contains(", since 20"),
        "{}",
        told.out
    );
    // As it was, when the model was asked.
    let early = house.json([
        "bisect",
        "last",
        "--query",
        "turn { state }",
        "--is",
        "connecting",
        "--json",
    ]);
    let at = early["result"]["commit"].to_string();
    let then = house.run(["stuck", "last", "--at", &at, "--json"]);
    assert_eq!(then.code, 1);
    assert!(then.out.contains("\"model\""), "{}", then.out);
    working.signal(rustix::process::Signal::KILL);
    working.end();
    let left = house.run(["stuck"]);
    assert_eq!(left.code, 1);
    assert!(left.out.contains("no process has it open:"), "{}", left.out);
}

#[test]
fn a_session_is_given_away_without_what_is_private_and_read_elsewhere() {
    let house = lived();
    let file = house.work.join("given.tar.zst");
    let path = file.to_str().unwrap();
    let given = house.json(["bundle", "last", "-o", path, "--json"]);
    let taken = &given["bundle"]["redaction"]["taken_out"];
    assert!(taken["home-path"].as_u64().unwrap() > 0, "{given}");
    assert_eq!(
        house.run(["bundle", "last", "-o", path]).code,
        1,
        "nothing is written over"
    );
    let inside = house.shell(&format!("tar --zstd -xOf {path} | grep -c \"$HOME\""));
    assert_eq!(inside.out, "0\n", "{inside:?}");

    // Somebody else, who has nothing.
    let other = House::new();
    let replayed = other.run(["replay", path]);
    assert_eq!((replayed.code, &*replayed.err), (0, ""));
    // A slow machine cuts the text in pieces, which a bundle has folded into one.
    let last = replayed.out.lines().last().unwrap_or_default();
    assert!(last.starts_with("equal: "), "{}", replayed.out);
    let what = other.run(["open", path]);
    for told in ["format 2", "journal.jsonl", "× home-path: taken out"] {
        assert!(what.out.contains(told), "{told}: {}", what.out);
    }
    let id = house.json(["sessions", "show", "last", "--json"])["id"].clone();
    let shown = other.json(["open", path, "show", "last", "--json"]);
    assert_eq!(shown["id"], id);
    let commands: &[&[&str]] = &[
        &["log", "last"],
        &["why", "last/2.0"],
        &["diff", "last", "1"],
        &["request", "last", "--step", "1"],
        &["tree", "last"],
        &["query", "{ session(id: \"last\", at: 2) { seq } }"],
        &["bisect", "last", "--query", "entryCount", "--above", "0"],
        &["stuck", "last"],
    ];
    // The same search as a field, there and here, though pieces of answers are folded away there.
    let field = "{ session(id: \"last\") { seq bisect(query: \"turn { state }\", is: \"completed\") { end commit lookedAt \
                 after dispatch { event } } } }";
    let here = house.json(["query", field]);
    let there = other.json(["open", path, "query", field]);
    let (found, same) = (
        &here["data"]["session"]["bisect"],
        &there["data"]["session"]["bisect"],
    );
    assert_eq!(
        (&found["end"], &found["after"]),
        (&json!("FOUND"), &json!("\"completed\""))
    );
    for name in ["end", "commit", "after", "dispatch"] {
        assert_eq!(found[name], same[name], "{name}");
    }
    assert!(
        same["lookedAt"].as_u64() <= found["lookedAt"].as_u64(),
        "{here} {there}"
    );
    for command in commands {
        let done = other.run(["open", path].iter().chain(*command));
        assert_eq!((done.code, &*done.err), (0, ""), "{command:?}");
        assert!(!done.out.is_empty(), "{command:?}");
    }
    assert_eq!(
        other.json(["sessions", "list", "--json"]),
        json!([]),
        "nothing was taken in"
    );
    let left = fs::read_dir(other.home.path().join("tmp")).unwrap().count();
    assert_eq!(left, 0, "what was unpacked is gone");
    // It is none of the machine's business where or when it is opened.
    let mut elsewhere = other.command(["replay", path, "--format", "json"]);
    elsewhere.env("TZ", "Pacific/Chatham").env("LANG", "tr_TR.UTF-8");
    let elsewhere = done(elsewhere.output().unwrap());
    assert_eq!(elsewhere.out, other.run(["replay", path, "--format", "json"]).out);

    let damaged = other.work.join("damaged");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes.truncate(middle);
    fs::write(&damaged, &bytes).unwrap();
    for command in [["open", "damaged"], ["replay", "damaged"]] {
        let done = other.run(command);
        assert_eq!((done.code, &*done.out), (3, ""), "{command:?}: {done:?}");
        assert!(done.err.contains("the archive is damaged"), "{}", done.err);
    }
    let raw = house.json(["bundle", "last", "-o", "raw", "--raw", "--json"]);
    assert_eq!(raw["bundle"]["redaction"], Value::Null);
}

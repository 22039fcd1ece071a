//! Going on elsewhere from the command line, with a summary of the branch that is left.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::support::{Done, House};

/// A session of two turns, and a model that summarises as it is told to.
struct Talk {
    house: House,
    id: String,
    entries: Vec<Value>,
}

impl Talk {
    fn new(summary: &str) -> Self {
        let house = House::new();
        let model = house.script(&format!(
            r#"(when: "Write the notes", say: [{summary}], otherwise: [text("With slate.")]),
               (say: [text("Tin leaks.")]), (say: [text("Good.")])"#
        ));
        for arguments in [&["Mend the roof."][..], &["Use tin.", "--continue"]] {
            let done = house.run([&["run", "--model", &model], arguments].concat());
            assert_eq!(done.code, 0, "{done:?}");
        }
        let sessions = house.json(["sessions", "list", "--json"]);
        let id = sessions[0]["id"].as_str().unwrap().to_owned();
        let tree = house.json(["sessions", "tree", &id, "--json"]);
        let nodes = tree["nodes"].as_array().unwrap();
        let entries = nodes.iter().map(|node| node["entry"].clone()).collect();
        Self { house, id, entries }
    }

    fn entry(&self, place: usize) -> &str {
        self.entries[place].as_str().unwrap()
    }

    fn leaf(&self, to: &str, more: &[&str]) -> Done {
        self.house
            .run([&["sessions", "leaf", &self.id, to], more].concat())
    }

    /// The same, as a document.
    fn told(&self, to: &str, more: &[&str]) -> Value {
        let done = self.leaf(to, &[more, &["--json"]].concat());
        assert_eq!(done.code, 0, "{done:?}");
        serde_json::from_str(&done.out).unwrap()
    }

    /// The tree without the names of its entries.
    fn tree(&self) -> String {
        let tree = self.house.run(["sessions", "tree", &self.id]).out;
        let line = |line: &str| {
            let mut words = line.split(' ').collect::<Vec<_>>();
            words.retain(|word| !word.ends_with(".0") && !word.is_empty());
            words.join(" ") + "\n"
        };
        tree.lines().map(line).collect()
    }
}

#[test]
fn a_branch_is_left_with_a_summary_and_the_conversation_goes_on() {
    let talk = Talk::new(r###"text("## Learnt\nTin leaks.")"###);
    let done = talk.leaf(talk.entry(1), &["--summarise", "--focus", "the leak"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(
        done.err.contains("summarising 2 messages with scripted/") && done.err.lines().count() == 1,
        "{}",
        done.err
    );
    let made = done.out.trim_end();
    let tree = talk.house.json(["sessions", "tree", &talk.id, "--json"]);
    assert_eq!(tree["leaf"], json!(made));
    assert_eq!(
        talk.tree(),
        "│ > Mend the roof.\n\
         │ < With slate.\n\
         > Use tin.\n\
         < Tin leaks.\n\
         ● (attempt) ## Learnt Tin leaks.\n"
    );
    let shown = talk.house.run(["sessions", "show", &talk.id]).out;
    assert!(
        shown.contains("# Notes on that attempt\n## Learnt\nTin leaks."),
        "{shown}"
    );
    let goes_on = talk.house.run(["run", "Use tiles.", "--continue"]);
    assert_eq!((goes_on.code, &*goes_on.out), (0, "Tin leaks.\n"), "{goes_on:?}");
    let query = format!(
        "{{ session(id: \"{}\") {{ requests {{ nodes {{ purpose question messages {{ nodes {{ kind }} }} }} }} }} }}",
        talk.id
    );
    let answered: Value = serde_json::from_str(&talk.house.run(["query", &query]).out).unwrap();
    let requests = answered.pointer("/data/session/requests/nodes").unwrap();
    let question = requests[2]["question"].as_str().unwrap();
    assert!(
        question.contains("Use tin.") && question.contains("the leak"),
        "{question}"
    );
    let kinds = |request: usize| {
        let nodes = requests[request]["messages"]["nodes"].as_array().unwrap();
        nodes
            .iter()
            .map(|part| part["kind"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(requests[2]["purpose"], "BRANCH_SUMMARY");
    assert_eq!(kinds(2), ["PROMPT", "ASSISTANT"]);
    assert_eq!(kinds(3), ["PROMPT", "ASSISTANT", "BRANCH_SUMMARY", "PROMPT"]);
}

#[test]
fn programs_are_told_where_it_goes_on() {
    let talk = Talk::new(r#"text("Tin leaks.")"#);
    let (id, from, to) = (talk.id.as_str(), talk.entry(3), talk.entry(1));
    let made = talk.told(to, &["--summarise"]);
    let leaf = made["leaf"].as_str().unwrap();
    assert_eq!(
        made,
        json!({ "id": id, "leaf": leaf, "from": from, "summary": "Tin leaks." })
    );
    assert!(!talk.entries.contains(&made["leaf"]));
    // Where it stands already, and where nothing is left: no model is asked.
    let nothing = |leaf: &str| json!({ "id": id, "leaf": leaf, "from": null, "summary": null });
    assert_eq!(talk.told(leaf, &["--summarise"]), nothing(leaf));
    assert_eq!(talk.told(to, &[]), json!({ "id": id, "leaf": to }));
    assert_eq!(talk.told(from, &["--summarise"]), nothing(from));
    assert_eq!(talk.leaf(to, &[]).out, "");
    assert_eq!(talk.leaf(from, &["--summarise"]).out, "");
    assert_eq!(talk.told("start", &[]), json!({ "id": id, "leaf": null }));
    let edited = json!({ "id": id, "leaf": to, "text": "Use tin." });
    assert_eq!(talk.told(talk.entry(2), &["--edit"]), edited);
    assert_eq!(talk.leaf(talk.entry(2), &["--edit"]).out, "Use tin.\n");
}

#[test]
fn without_a_summary_it_goes_on_where_it_did() {
    for (summary, reason) in [
        (
            "text(\"half\"), stop(refusal)",
            "no summary: the model refused to summarise; ",
        ),
        (
            "fail(class: auth, status: 401, message: \"no \\u{1b}[31mkey\")",
            "no summary: no \\u{1b}[31mkey; ",
        ),
    ] {
        let talk = Talk::new(summary);
        let before = talk.tree();
        for json in [&[][..], &["--json"]] {
            let done = talk.leaf(talk.entry(1), &[&["--summarise"], json].concat());
            assert_eq!((done.code, &*done.out), (1, ""), "{done:?}");
            let stays = "the conversation goes on where it did; without --summarise it moves at once\n";
            assert!(
                done.err.contains(reason) && done.err.ends_with(stays),
                "{}",
                done.err
            );
        }
        assert_eq!(talk.tree(), before);
        assert_eq!(talk.leaf(talk.entry(1), &[]).code, 0);
    }
}

#[test]
fn an_interrupt_stops_the_summary_and_it_goes_on_where_it_did() {
    let talk = Talk::new(r#"connected, partial(text("half of it")), stall"#);
    let before = talk.tree();
    let mut command = talk
        .house
        .command(["sessions", "leaf", &talk.id, "start", "--summarise"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut begun = String::new();
    said.read_line(&mut begun).unwrap();
    assert!(begun.contains("summarising 4 messages"), "{begun}");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(
        rest.starts_with("no summary; the conversation goes on where it did"),
        "{rest}"
    );
    assert_eq!(talk.tree(), before);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let talk = Talk::new(r#"text("x")"#);
    let (to, before) = (talk.entry(1), talk.tree());
    for (to, more, code, expected) in [
        (to, &["--focus", "x"][..], 2, "--summarise"),
        (to, &["--summarise", "--edit"], 2, "cannot be used with"),
        ("nowhere", &["--summarise"], 2, "`nowhere`"),
        ("999.0", &["--summarise"], 1, "999.0"),
        (to, &["--summarise", "--focus", &"x".repeat(5_000)], 1, "4096"),
    ] {
        let done = talk.leaf(to, more);
        assert_eq!((done.code, &*done.out), (code, ""), "{done:?}");
        assert!(done.err.contains(expected), "{}", done.err);
    }
    let done = talk.house.run(["sessions", "leaf", "nobody", to, "--summarise"]);
    assert_eq!(done.code, 2, "{done:?}");
    assert_eq!(talk.tree(), before);
}

/// Without a model there is no summary, and the ways to get one are told; going there without one needs none.
#[test]
fn a_session_without_a_model_is_told_how_to_get_one() {
    let house = House::new();
    let file = house.work.join("old.jsonl");
    let work = house.work.display();
    let lines = [
        format!(
            r#"{{"type":"session","version":3,"id":"s","timestamp":"2026-01-01T00:00:00Z","cwd":"{work}"}}"#
        ),
        r#"{"type":"message","id":"a","parentId":null,"message":{"role":"user","content":"one"}}"#.to_owned(),
        r#"{"type":"message","id":"b","parentId":"a","message":{"role":"user","content":"two"}}"#.to_owned(),
    ];
    std::fs::write(&file, lines.join("\n")).unwrap();
    assert_eq!(house.run(["sessions", "import", "old.jsonl"]).code, 0);
    let sessions = house.json(["sessions", "list", "--json"]);
    let id = sessions[0]["id"].as_str().unwrap();
    let done = house.run(["sessions", "leaf", id, "start", "--summarise"]);
    assert_eq!((done.code, &*done.out), (2, ""), "{done:?}");
    assert!(done.err.contains("no model is chosen"), "{}", done.err);
    assert_eq!(house.run(["sessions", "leaf", id, "start"]).code, 0);
}

//! Transcripts of other agents: small ones of each format with their traps, what can be wrong with any of them, and
//! any bytes at all.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod any;
mod golden;
mod hostile;
mod wrong;

use glasswork_agent_session::foreign::{Body, Format, Transcript, parse};
use glasswork_ai::conversation::Block;

/// A transcript as a page: what stands where, from which line, and what would be sent.
fn describe(transcript: &Transcript) -> String {
    let about =
        |name: &str, value: Option<String>| value.map_or(String::new(), |value| format!("{name}: {value}\n"));
    let mut page = String::new();
    page += &about("format", Some(transcript.format.to_string()));
    page += &about("version", transcript.version.as_ref().map(ToString::to_string));
    page += &about("session", transcript.session.as_ref().map(ToString::to_string));
    page += &about("title", transcript.title.as_ref().map(ToString::to_string));
    page += &about(
        "workspace",
        transcript.workspace.as_ref().map(ToString::to_string),
    );
    page += &about("started", transcript.started.map(|at| at.0.to_string()));
    page += &about("model", transcript.model.as_ref().map(ToString::to_string));
    page += &about("thinking", transcript.thinking.map(|level| format!("{level:?}")));
    for (place, entry) in transcript.entries.iter().enumerate() {
        let parent = entry.parent.map_or("-".to_owned(), |parent| parent.to_string());
        let body = match &entry.body {
            Body::Prompt(text) => format!("prompt {text:?}"),
            Body::BranchSummary { text, from } => format!("branch summary {text:?} from {from:?}"),
            Body::Compaction { text, kept } => format!("compaction {text:?} keeps from {kept:?}"),
            Body::Result(result) => {
                let (call, name, text) = (&result.call, &result.name, &result.text);
                let error = if result.is_error { " error" } else { "" };
                match result.unknown {
                    true => format!("result {call} {name}: unknown"),
                    false => format!("result {call} {name}{error} {text:?}"),
                }
            }
            Body::Answer(answer) => {
                let model = answer.model.as_ref().map_or("?".to_owned(), ToString::to_string);
                let mut text = format!("answer {model} {:?}", answer.stop);
                if answer.cancelled {
                    text += " cancelled";
                }
                if let Some(usage) = answer.usage {
                    let (input, output) = (usage.input, usage.output);
                    text += &format!(" {input}+{}r+{}w>{output}", usage.cache_read, usage.cache_write);
                }
                for block in &answer.blocks {
                    text += &match block {
                        Block::Text(said) => format!("\n        text {said:?}"),
                        Block::Thinking(thought) => format!("\n        thinking {:?}", thought.text),
                        Block::Kept(_) => continue,
                        Block::ToolCall(call) => {
                            format!("\n        call {} {} {}", call.id, call.name, call.arguments)
                        }
                    };
                }
                text
            }
        };
        let label = entry
            .label
            .as_ref()
            .map_or(String::new(), |label| format!("  [{label}]"));
        page += &format!("{place:>3} <{parent:>2} @{:<2} {body}{label}\n", entry.line);
    }
    page += &format!("leaf: {:?}\nsent: {:?}\n", transcript.leaf, transcript.sent);
    for aside in &transcript.asides {
        let (title, entry, lines) = (&aside.title, aside.entry, &aside.lines);
        page += &format!("aside: {title:?} called by {entry:?} @{lines:?}\n");
    }
    for left in &transcript.left {
        let why: &str = left.why.into();
        page += &format!("left: {why}: {} x{} @{:?}\n", left.kind, left.count, left.lines);
    }
    page
}

/// What must hold of every transcript, whatever it was read from.
fn holds(transcript: &Transcript) {
    let entries = &transcript.entries;
    let mut ids = std::collections::BTreeSet::new();
    let mut place = 0;
    while place < entries.len() {
        let entry = &entries[place];
        assert!(
            entry.parent.is_none_or(|parent| parent < place),
            "parents come first"
        );
        let Body::Answer(answer) = &entry.body else {
            assert!(
                !matches!(entry.body, Body::Result(_)),
                "a result stands behind its answer"
            );
            place += 1;
            continue;
        };
        assert!(!answer.blocks.is_empty());
        for block in &answer.blocks {
            let Block::ToolCall(call) = block else { continue };
            place += 1;
            let Body::Result(result) = &entries[place].body else {
                panic!("a call without a result")
            };
            assert_eq!(result.call, call.id);
            assert_eq!(entries[place].parent, Some(place - 1));
            let arguments: serde_json::Value = serde_json::from_str(&call.arguments).unwrap();
            assert!(arguments.is_object());
            assert!(ids.insert(call.id.clone()), "ids of calls are unique");
            assert!((1..=40).contains(&call.id.len()) && (1..=64).contains(&call.name.len()));
        }
        place += 1;
    }
    assert!(transcript.leaf.is_none_or(|leaf| leaf < entries.len()));
    // What is sent is a conversation: it begins with words, and the results of a call follow its answer.
    let first = transcript.sent.first().map(|first| &entries[*first].body);
    assert!(!matches!(first, Some(Body::Answer(_) | Body::Result(_))));
    for (at, sent) in transcript.sent.iter().enumerate() {
        if matches!(entries[*sent].body, Body::Result(_)) {
            assert_eq!(transcript.sent[at - 1] + 1, *sent);
        }
    }
    for aside in &transcript.asides {
        assert!(aside.lines.is_sorted() && !aside.lines.is_empty());
        assert!(aside.entry.is_none_or(|entry| entry < entries.len()));
    }
    let mut once = transcript.sent.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), transcript.sent.len(), "nothing is sent twice");
}

fn read(format: Format, bytes: &[u8]) -> Transcript {
    let transcript = parse(format, bytes).unwrap();
    holds(&transcript);
    transcript
}

//! A small file of each format, and the page that it must become. `UPDATE_FIXTURES=1` writes the pages anew.

use std::path::Path;

use glasswork_agent_session::foreign::{Format, only, parse};

use crate::{describe, read};

#[test]
fn each_format_is_read_as_its_agent_means_it() {
    let table = [
        ("pi-v1.jsonl", Format::Pi),
        ("pi-v2.jsonl", Format::Pi),
        ("pi-v3.jsonl", Format::Pi),
        ("claude-code.jsonl", Format::ClaudeCode),
        ("claude-code-agents.jsonl", Format::ClaudeCode),
        ("claude-code-agent.jsonl", Format::ClaudeCode),
        ("codex.jsonl", Format::Codex),
        ("codex-2025.jsonl", Format::Codex),
        ("gemini-chat.json", Format::Gemini),
        ("gemini-log.jsonl", Format::Gemini),
        ("gemini-checkpoint.json", Format::Gemini),
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign/fixtures");
    for (name, format) in table {
        let bytes = std::fs::read(folder.join(name)).unwrap();
        assert_eq!(Format::detect(&bytes), Some(format), "{name} is recognised");
        let transcript = read(format, &bytes);
        let mut page = describe(&transcript);
        for aside in &transcript.asides {
            let bytes = only(&bytes, &aside.lines);
            page += "\n";
            match parse(format, &bytes) {
                Err(error) => page += &format!("{error}\n"),
                Ok(_) => page += &describe(&read(format, &bytes)),
            }
        }
        let path = folder.join(name).with_extension("page.txt");
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            std::fs::write(&path, &page).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap();
        assert_eq!(page, expected, "{name}");
    }
}

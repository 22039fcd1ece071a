//! One file puts the parts together. The others call `app-runtime` (and the graph), and decide nothing.

use std::fs;
use std::path::Path;

#[test]
fn only_one_file_reaches_below_the_runtime() {
    let forbidden = [
        // Whoever holds one of these has passed by the runtime.
        "glasswork_agent_session",
        "glasswork_ai::http",
        "glasswork_ai::port",
        "FileArchive",
        "FileVault",
        "OneRecord",
        "Engine",
        "Handle<",
        "Journal",
        "TraceSink",
        "Graph::new",
        // What was decided is read through projections, not taken apart.
        "Fact::",
        " Fact",
        "facts",
        "decide(",
        "evolve(",
        "judge(",
        // Where a journal lies is the store's affair.
        "jsonl",
        "\"sessions\"",
        "homes.data",
    ];
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut read = 0;
    for entry in fs::read_dir(sources).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() || path.ends_with("compose.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in (1..)
            .zip(text.lines())
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
        {
            for word in forbidden {
                // The handle of a task is nobody's way past the runtime.
                let line = line.replace("JoinHandle<", "");
                assert!(
                    !line.contains(word),
                    "{}:{number} has `{word}`: {line}",
                    path.display()
                );
            }
        }
        read += 1;
    }
    assert!(read > 15, "only {read} files were read");
}

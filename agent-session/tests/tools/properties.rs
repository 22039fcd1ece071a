//! What holds for all inputs.

use std::fs;
use std::path::Path;

use glasswork_agent_session::tools::read::Lines;
use glasswork_agent_session::tools::{Arguments, Details, Evidence, Outcome, Tool, evidence};
use proptest::prelude::*;
use serde_json::json;

use crate::support::{Workspace, symlink};

fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

fn edited(before: &str, old: &str, new: &str) -> (String, Outcome) {
    let work = Workspace::new();
    let path = work.file("file", before);
    let edits = json!([{"old_text": old, "new_text": new}]);
    let outcome = wait(work.call("edit", json!({"path": "file", "edits": edits})));
    (fs::read_to_string(path).unwrap(), outcome)
}

/// How often `piece` starts in `text`, also within itself.
fn starts(text: &str, piece: &str) -> usize {
    (0..text.len())
        .filter(|&at| text.is_char_boundary(at) && text[at..].starts_with(piece))
        .count()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_edit_replaces_what_is_there_once_and_nothing_else(
        before in "[ab \n]{0,12}", old in "[ab \n]{1,4}", new in "[abc\n]{0,4}",
    ) {
        prop_assume!(old != new);
        let (after, outcome) = edited(&before, &old, &new);
        if starts(&before, &old) == 1 {
            prop_assert_eq!(after, before.replacen(&old, &new, 1));
        } else {
            prop_assert!(outcome.is_error);
            prop_assert_eq!(after, before);
        }
    }

    #[test]
    fn an_edit_in_a_crlf_file_is_the_same_edit_in_an_lf_file(
        before in "[ab]{0,2}\n[ab \n]{0,12}", old in "[ab \n]{1,4}", new in "[abc\n]{0,4}",
    ) {
        prop_assume!(old != new);
        let (plain, in_lf) = edited(&before, &old, &new);
        let (after, in_crlf) = edited(&before.replace('\n', "\r\n"), &old, &new);
        // A piece that starts with a line end is not found within one: `\n` alone stands in every CRLF.
        prop_assume!(!old.starts_with('\n'));
        prop_assert_eq!(in_lf.is_error, in_crlf.is_error, "{} / {}", in_lf.text, in_crlf.text);
        prop_assert_eq!(after, plain.replace('\n', "\r\n"));
    }

    #[test]
    fn the_pages_of_a_file_are_the_file(content in "[ab\n]{0,60}", lines in 1..5_usize, bytes in 5..20_usize) {
        let mut work = Workspace::new();
        (work.context.limits.lines, work.context.limits.bytes) = (lines, bytes);
        work.file("file", &content);
        let mut pages = String::new();
        let mut offset = Some(1);
        while let Some(first) = offset {
            let outcome = wait(work.call("read", json!({"path": "file", "offset": first})));
            let Details::Lines(Lines { first: told, count, next, .. }) = outcome.details else { panic!("{outcome:?}") };
            prop_assert_eq!(told, first);
            if count == 0 && outcome.text.starts_with("[Line ") {
                // A line that is too long for any page is passed over.
                let line = content.lines().nth(usize::try_from(first).unwrap() - 1).unwrap();
                prop_assert!(line.len() + 1 > bytes);
                pages.push_str(line);
                pages.push('\n');
            }
            pages.extend(outcome.text.split_inclusive('\n').take(usize::try_from(count).unwrap()));
            prop_assert!(next.is_none_or(|next| next > first));
            offset = next;
        }
        let whole: String = content.lines().map(|line| format!("{line}\n")).collect();
        prop_assert_eq!(pages, whole);
    }

    #[test]
    fn where_a_path_leads_is_where_the_system_goes(steps in prop::collection::vec(
        prop::sample::select(vec!["..", ".", "", "dir", "sub", "file", "up", "abs", "far", "none", "loop"]), 1..7,
    )) {
        let work = Workspace::new();
        work.file("dir/sub/file", "");
        work.file("file", "");
        symlink("..", work.root.join("dir/up"));
        symlink("../dir/sub", work.root.join("dir/far"));
        symlink(work.root.join("dir"), work.root.join("abs"));
        symlink("loop", work.root.join("loop"));
        let requested = steps.join("/");
        prop_assume!(!requested.is_empty() && !requested.starts_with('/'));
        let got = work.evidence("read", &json!({ "path": requested }));
        match (work.root.join(&requested).canonicalize(), &got) {
            (Ok(want), Evidence::File(file)) => {
                // The system does not take a file with a slash behind it; here that slash is no harm.
                prop_assert_eq!(&file.resolved, &want);
                prop_assert!(file.found.is_some());
                prop_assert_eq!(file.inside_workspace, want.starts_with(&work.root));
            }
            (Ok(want), other) => prop_assert!(false, "{want:?} is there, not {other:?}"),
            // Whatever is made of it, the path that will be opened holds nothing that could still lead elsewhere.
            (Err(_), Evidence::File(file)) => {
                prop_assert!(file.resolved.components().all(|part| part.as_os_str() != ".."));
                let existing = file.resolved.ancestors().find(|path| path.symlink_metadata().is_ok()).unwrap();
                prop_assert_eq!(existing.canonicalize().unwrap(), existing);
            }
            (Err(_), Evidence::Unfit(_)) => {}
            (Err(_), Evidence::Command(_)) => prop_assert!(false),
        }
    }

    #[test]
    fn any_arguments_get_an_answer(tool in prop::sample::select(Tool::ALL.to_vec()), text in ".{0,80}|[{\\[\",:}\\]pathedits0-9nul ]{0,40}") {
        let parsed = Arguments::parse(tool, &text);
        let told = evidence(tool.name(), &text, Path::new("/nonexistent"), 0);
        prop_assert!(parsed.is_ok() || matches!(told, Evidence::Unfit(_)));
    }
}

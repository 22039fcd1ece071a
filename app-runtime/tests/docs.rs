//! What the documentation says of charts, settings and exit codes is what the program does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use std::path::{Path, PathBuf};

use glasswork_app_runtime::charts;
use glasswork_app_runtime::ending::ExitCode;
use glasswork_app_runtime::slash_commands::{COMMANDS, Command};
use glasswork_session_state::settings::Settings;
use strum::VariantArray;

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .join("docs")
}

#[test]
fn the_pages_of_the_charts_are_drawn_from_the_tables() {
    for chart in charts::all() {
        let file = docs().join("charts").join(format!("{}.md", chart.name));
        let page = charts::page(&chart);
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&file, &page).unwrap();
        }
        let written = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            written == page,
            "{} is out of date: UPDATE_DOCS=1 cargo test -p glasswork-app-runtime --test docs",
            file.display()
        );
    }
}

#[test]
fn the_reference_names_every_setting_with_its_default_and_every_exit_code() {
    let reference = std::fs::read_to_string(docs().join("reference.md")).unwrap();
    for setting in Settings::default().all() {
        let mut json = serde_json::to_value(&setting).unwrap();
        json.sort_all_objects();
        // People write RON.
        let default = match &json[setting.name()]["value"] {
            serde_json::Value::Null => "None".to_owned(),
            value => value.to_string(),
        };
        let row = format!("| `{}` | `{default}` |", setting.name());
        assert!(reference.contains(&row), "docs/reference.md lacks the row {row}");
    }
    for code in ExitCode::VARIANTS {
        let row = format!("| {} | {} |", *code as u8, code.meaning());
        assert!(reference.contains(&row), "docs/reference.md lacks the row {row}");
    }
}

/// The rows of the table of slash commands in `docs/clients.md`; `UPDATE_DOCS=1` writes them.
#[test]
fn the_page_for_clients_has_the_table_of_commands() {
    const HEAD: &str = "| command | what it does | operation |\n|---|---|---|\n";
    let row = |command: &'static Command| {
        // A bar would end the cell.
        let usage = command.usage().replace('|', "\\|");
        let operation: &str = command.operation().unwrap().into();
        format!("| `{usage}` | {} | `{operation}` |\n", command.about)
    };
    let rows: String = COMMANDS.iter().map(row).collect();
    let file = docs().join("clients.md");
    let page = std::fs::read_to_string(&file).unwrap();
    let (before, after) = page.split_once(HEAD).unwrap();
    let end = after.find("\n\n").map_or(after.len(), |end| end + 1);
    let end = if after.starts_with('|') { end } else { 0 };
    let written = format!("{before}{HEAD}{rows}{}", &after[end..]);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&file, &written).unwrap();
    }
    assert!(
        std::fs::read_to_string(&file).unwrap() == written,
        "docs/clients.md is out of date: UPDATE_DOCS=1 cargo test -p glasswork-app-runtime --test docs"
    );
}

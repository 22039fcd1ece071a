//! The charts that govern sessions, as text and as diagrams. Everything comes from the tables that run.

use std::fmt::Write;

use glasswork_agent_core::mcp_server::McpServerChart;
use glasswork_agent_core::session::SessionChart;
use glasswork_agent_core::tool_call::ToolCallChart;
use glasswork_agent_core::turn::TurnChart;
use glasswork_engine::chart::{Description, RowDescription, describe};

/// All charts, outermost first.
#[must_use]
pub fn all() -> Vec<Description> {
    vec![
        describe::<SessionChart>(),
        describe::<TurnChart>(),
        describe::<ToolCallChart>(),
        describe::<McpServerChart>(),
    ]
}

/// A chart as a [Mermaid](https://mermaid.js.org/syntax/stateDiagram.html) state diagram.
#[must_use]
pub fn mermaid(chart: &Description) -> String {
    let mut out = String::from("stateDiagram-v2\n");
    let mut line = |indent: usize, text: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{:indent$}{text}", "", indent = indent * 4);
    };
    fn nodes(chart: &Description, parent: Option<&str>, indent: usize, line: &mut dyn FnMut(usize, String)) {
        for node in chart.nodes.iter().filter(|node| node.parent == parent) {
            if node.leaf {
                line(indent, node.name.to_owned());
            } else {
                line(indent, format!("state {} {{", node.name));
                nodes(chart, Some(node.name), indent + 1, line);
                line(indent, "}".to_owned());
            }
        }
    }
    nodes(chart, None, 1, &mut line);
    line(1, format!("[*] --> {}", chart.initial));
    for row in &chart.rows {
        line(
            1,
            format!("{} --> {}: {}", row.from, row.to.unwrap_or(row.from), label(row)),
        );
    }
    for node in chart.nodes.iter().filter(|node| node.terminal) {
        line(1, format!("{} --> [*]", node.name));
    }
    out
}

/// What a transition's arrow says: trigger, and guard where there is one.
fn label(row: &RowDescription) -> String {
    let stays = if row.to.is_none() { " (stays)" } else { "" };
    if row.when.is_empty() {
        format!("{}{stays}", row.on)
    } else {
        format!(
            "{} [{}]{stays}",
            row.on,
            row.when.join(" and ").replace('!', "not ")
        )
    }
}

/// A chart as plain text: its states as a tree, then its rows.
#[must_use]
pub fn text(chart: &Description) -> String {
    let mut out = format!("chart {} (begins in {})\n\n", chart.name, chart.initial);
    fn nodes(chart: &Description, parent: Option<&str>, depth: usize, out: &mut String) {
        for node in chart.nodes.iter().filter(|node| node.parent == parent) {
            let end = if node.terminal { " (end)" } else { "" };
            let entry = if node.entry.is_empty() {
                String::new()
            } else {
                format!("  on entry: {}", node.entry.join(", "))
            };
            let _ = writeln!(
                out,
                "{:width$}{}{end}{entry}",
                "",
                node.name,
                width = 2 + depth * 2
            );
            if !node.leaf {
                nodes(chart, Some(node.name), depth + 1, out);
            }
        }
    }
    nodes(chart, None, 0, &mut out);
    out.push('\n');
    let longest = chart
        .rows
        .iter()
        .map(|row| row.key.len())
        .max()
        .unwrap_or_default();
    for row in &chart.rows {
        let intents = if row.intents.is_empty() {
            String::new()
        } else {
            format!("  / {}", row.intents.join(", "))
        };
        let to = row.to.unwrap_or("(stays)");
        let _ = writeln!(
            out,
            "  {:longest$}  {} --{}--> {to}{intents}",
            row.key,
            row.from,
            label(row).replace(" (stays)", "")
        );
    }
    out
}

/// The page of the documentation about a chart.
#[must_use]
pub fn page(chart: &Description) -> String {
    let mut out = format!("# The {} chart\n\n", chart.name.replace('_', " "));
    out.push_str("Made from the table that runs, by `UPDATE_DOCS=1 cargo test -p glasswork-app-runtime --test docs`.\n\n");
    let _ = write!(out, "```mermaid\n{}```\n\n", mermaid(chart));
    out.push_str("| row | from | on | when | to | intents |\n|---|---|---|---|---|---|\n");
    for row in &chart.rows {
        let when = row.when.join(" and ").replace('!', "not ");
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {when} | {} | {} |",
            row.key,
            row.from,
            row.on,
            row.to.unwrap_or("*stays*"),
            row.intents.join(", ")
        );
    }
    out.push_str("\n| state | in | on entry | on exit |\n|---|---|---|---|\n");
    for node in &chart.nodes {
        let end = if node.terminal { " (end)" } else { "" };
        let _ = writeln!(
            out,
            "| {}{end} | {} | {} | {} |",
            node.name,
            node.parent.unwrap_or(""),
            node.entry.join(", "),
            node.exit.join(", ")
        );
    }
    out
}

//! `glasswork charts`

use glasswork_app_runtime::charts;
use glasswork_app_runtime::ending::ExitCode;

use crate::commands::{ChartFormat, Charts};
use crate::console::{Console, Layout};
use crate::problem::Problem;

/// Shows the charts that run.
pub(crate) fn charts(arguments: &Charts, console: &Console) -> Result<ExitCode, Problem> {
    let all = charts::all();
    let names: Vec<_> = all.iter().map(|chart| chart.name).collect();
    let wanted = |name: &str| arguments.name.as_deref().is_none_or(|wanted| wanted == name);
    let chosen: Vec<_> = all.iter().filter(|chart| wanted(chart.name)).collect();
    if let (Some(name), []) = (&arguments.name, chosen.as_slice()) {
        return Err(Problem::usage(format!(
            "there is no chart `{name}`; there are: {}",
            names.join(", ")
        )));
    }
    match arguments.format {
        ChartFormat::Text => console.data(&joined(chosen.iter().map(|chart| charts::text(chart))))?,
        ChartFormat::Mermaid => console.data(&joined(chosen.iter().map(|chart| charts::mermaid(chart))))?,
        ChartFormat::Json => console.json(&chosen, Layout::Document)?,
    }
    Ok(ExitCode::Done)
}

fn joined(texts: impl Iterator<Item = String>) -> String {
    let texts: Vec<_> = texts.map(|text| text.trim_end().to_owned() + "\n").collect();
    texts.join("\n")
}

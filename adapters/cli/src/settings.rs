//! `glasswork settings`

use glasswork_app_runtime::ending::ExitCode;
use glasswork_app_runtime::explain::Place as From;
use glasswork_app_runtime::settings::{AnySetting, Resolved};
use serde_json::{Value, json};

use crate::commands::Json;
use crate::compose::Place;
use crate::console::{Console, Layout};
use crate::escape;
use crate::problem::Problem;

/// Shows every setting.
pub(crate) fn settings(format: Json, console: &Console) -> Result<ExitCode, Problem> {
    let place = Place::find()?;
    let workspace = std::env::current_dir().map_err(Problem::failed)?;
    let resolved = place.settings(&[], &workspace)?;
    match format.json {
        true => console.json(&document(&resolved), Layout::Document)?,
        false => console.data(&text(&resolved, console))?,
    }
    Ok(ExitCode::Done)
}

fn value_of(setting: &AnySetting) -> Value {
    // A setting serialises as `{name: {value, from}}`.
    let whole = serde_json::to_value(setting).unwrap_or_default();
    whole
        .get(setting.name())
        .and_then(|sourced| sourced.get("value"))
        .cloned()
        .unwrap_or_default()
}

fn row(setting: &AnySetting) -> Value {
    let from = setting.from();
    json!({ "name": setting.name(), "value": value_of(setting), "layer": from.layer, "file": from.file, "line": from.line })
}

fn document(resolved: &Resolved) -> Value {
    let rows = resolved.explained.iter().map(|explained| {
        let mut one = row(&explained.setting);
        if let Value::Object(fields) = &mut one {
            fields.insert(
                "overrode".to_owned(),
                explained.overrode.iter().map(row).collect(),
            );
        }
        one
    });
    let not_read = resolved
        .not_read
        .iter()
        .map(|left| json!({ "file": left.file, "reason": left.reason }));
    json!({ "settings": rows.collect::<Vec<_>>(), "not_read": not_read.collect::<Vec<_>>() })
}

fn text(resolved: &Resolved, console: &Console) -> String {
    let paint = console.out;
    let mut text = String::new();
    for explained in &resolved.explained {
        let name = explained.setting.name();
        let line = format!("{name:24} {:24}", shown(&value_of(&explained.setting)));
        text.push_str(&format!(
            "{line} {}\n",
            paint.dim(&escape::line(&From(explained.setting.from()).to_string()))
        ));
        for overridden in &explained.overrode {
            let was = format!(
                "{:24} not {} ({})",
                "",
                shown(&value_of(overridden)),
                escape::line(&From(overridden.from()).to_string())
            );
            text.push_str(&paint.dim(&was));
            text.push('\n');
        }
    }
    for left in &resolved.not_read {
        text.push_str(&format!(
            "\n{} is not read: {}\n",
            escape::line(&left.file.to_string_lossy()),
            left.reason
        ));
    }
    text
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::String(text) => escape::line(text).into_owned(),
        other => other.to_string(),
    }
}

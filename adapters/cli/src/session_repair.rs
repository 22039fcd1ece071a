//! `glasswork sessions repair`

use crate::compose::Repair;
use glasswork_app_runtime::ending::ExitCode;
use serde_json::json;

use crate::compose::Sessions;
use crate::console::{Console, Layout};
use crate::escape;
use crate::problem::Problem;
use crate::session_commands::RepairSession;

/// Repairs a session, or says what would be done.
pub(crate) fn repair(
    arguments: &RepairSession,
    sessions: &Sessions,
    console: &Console,
) -> Result<ExitCode, Problem> {
    let session = sessions.snapshot().find(&arguments.session)?;
    let found = sessions.repair(session, arguments.dry_run)?;
    match (arguments.json.json, &found) {
        (true, found) => console.json(&json!({ "session": session, "repair": found }), Layout::Document)?,
        (false, None) => console.data(&format!("Nothing is damaged in session {session}.\n"))?,
        (false, Some(repair)) => console.data(&text(repair))?,
    }
    Ok(match found {
        Some(_) if arguments.dry_run => ExitCode::Damaged,
        _ => ExitCode::Done,
    })
}

fn text(repair: &Repair) -> String {
    let (keeps, is_kept, moved) = match repair.moved_to {
        Some(_) => ("keeps", "is kept", "was moved"),
        None => ("would keep", "would be kept", "would be moved"),
    };
    let mut text = format!("{}\n", escape::line(&repair.damage));
    text.push_str(&match repair.kept {
        0 => format!("No commit before the damage {is_kept}.\n"),
        last => format!("Session {} {keeps} its commits up to {last}.\n", repair.scope),
    });
    if repair.doubled > 0 {
        text.push_str(&format!("Lines that stand twice: {}\n", repair.doubled));
    }
    for strange in &repair.strange {
        text.push_str(&format!(
            "No sound line: {} bytes at byte {} of {}\n",
            strange.bytes,
            strange.offset,
            escape::line(&strange.file.display().to_string())
        ));
    }
    if !repair.lost.is_empty() {
        text.push_str(&format!("Commits that are gone: {}\n", ranges(&repair.lost)));
    }
    if !repair.salvaged.is_empty() {
        text.push_str(&format!(
            "Sound behind the damage: {}\n",
            ranges(&repair.salvaged)
        ));
    }
    if !repair.unproven.is_empty() {
        text.push_str(&format!(
            "Of those, taken as they stand, because what would prove them is gone: {}\n",
            ranges(&repair.unproven)
        ));
    }
    match &repair.moved_to {
        Some(folder) => text.push_str(&format!(
            "All that was there {moved} to {}, with a report{}.\n",
            escape::line(&folder.display().to_string()),
            match repair.salvaged.is_empty() {
                true => "",
                false => " and what was salvaged",
            }
        )),
        None => text.push_str(&format!(
            "All that is there {moved} aside, nothing is thrown away.\n"
        )),
    }
    if let Some(session) = repair.recovered {
        text.push_str(&format!(
            "Session {session} has all that is sound, before and behind the damage; what is gone is missing in it.\n"
        ));
    }
    text
}

fn ranges(ranges: &[(u64, u64)]) -> String {
    let texts: Vec<String> = ranges
        .iter()
        .map(|(from, to)| match from == to {
            true => from.to_string(),
            false => format!("{from} to {to}"),
        })
        .collect();
    texts.join(", ")
}

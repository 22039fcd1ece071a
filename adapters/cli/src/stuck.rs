//! `glasswork stuck`: what is waited for, since when, and on whom.

use glasswork_app_runtime::ending::ExitCode;
use glasswork_app_runtime::projection::stuck::{self, Stuck as Found};

use crate::compose::Sessions;
use crate::console::{Console, Layout, Paint};
use crate::escape;
use crate::problem::Problem;
use crate::reading_commands::Stuck;
use crate::session_list::time;

/// Says what is waited for, in one session or in all. Ends with 1 where that is in the middle of a turn.
pub(crate) fn stuck(arguments: &Stuck, sessions: &Sessions, console: &Console) -> Result<ExitCode, Problem> {
    let snapshot = sessions.snapshot();
    let found = match &arguments.session {
        Some(session) => vec![stuck::of(&snapshot, snapshot.find(session)?, arguments.at)?],
        None => stuck::all(&snapshot)?,
    };
    match arguments.json.json {
        true => console.json(&found, Layout::Document)?,
        false if found.is_empty() => console.note("No session waits for anything but a prompt.\n"),
        false => console.data(
            &found
                .iter()
                .map(|found| text(found, console.out))
                .collect::<String>(),
        )?,
    }
    Ok(match found.iter().any(|found| found.stuck) {
        true => ExitCode::Failed,
        false => ExitCode::Done,
    })
}

fn text(found: &Found, paint: Paint) -> String {
    let head = format!("{} at commit {}", found.session, found.commit);
    let mut text = format!("{}  {}\n", paint.bold(&head), escape::line(&found.name));
    for awaited in &found.waiting {
        let since = time(awaited.waiting.since);
        text.push_str(&format!("  it {}, since {since}", escape::line(&awaited.text)));
        if let Some(deadline) = &awaited.waiting.deadline {
            let due = deadline.set_at.after(deadline.duration());
            text.push_str(&format!(", until {} at most", time(due)));
        }
        text.push('\n');
    }
    if let Some(owner) = &found.owner {
        text.push_str(&format!(
            "  {}\n",
            paint.dim(&format!("open in {}", escape::line(&owner.to_string())))
        ));
    }
    if found.left_open {
        text.push_str(&format!(
            "  {} `glasswork run --resume {}` settles what was under way, and goes on\n",
            paint.red("no process has it open:"),
            found.session
        ));
    }
    text
}

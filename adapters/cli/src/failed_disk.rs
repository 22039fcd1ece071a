//! When the disk fails while a session is worked with: what was shown shall not be lost, and the person shall know how
//! to go on.

use std::time::Duration;

use glasswork_app_runtime::reading::Viewer;
use glasswork_app_runtime::runtime::Runtime;
use glasswork_engine::ScopeId;

use crate::console::Console;
use crate::escape;
use crate::signals::Signals;

/// How long is waited before the first attempt that follows, and the longest that is.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Where the journal of the session has failed, tries to write what was shown and is in memory alone, and says how to go
/// on. Where there is a person, who may make room, it is tried again and again until they have enough; else once.
pub(crate) async fn save(runtime: &Runtime, session: ScopeId, signals: &mut Signals, console: &Console) {
    let snapshot = runtime.reader().snapshot(Viewer::owner());
    let failed = snapshot
        .session(session, None)
        .is_ok_and(|seen| seen.scope.journal_failure.is_some());
    if !failed {
        return;
    }
    let go_on = format!("`glasswork run --resume {session}` goes on");
    let mut pause = PAUSE.0;
    let mut told = false;
    loop {
        let error = match runtime.reopen(session).await {
            Ok(notices) => {
                for notice in notices {
                    console.note(&format!("note: {}\n", escape::line(&notice)));
                }
                console.note(&format!(
                    "note: the disk takes lines again, and has all that you saw; the turn has ended, {go_on}\n"
                ));
                return;
            }
            Err(error) => error.to_string(),
        };
        if !console.can_ask {
            console.note(&format!(
                "note: the disk still fails ({}); once it is well, {go_on} with what it has\n",
                escape::line(&error)
            ));
            return;
        }
        if !std::mem::replace(&mut told, true) {
            console.note(&format!(
                "note: the last of what you saw is in memory alone ({}); make room, and it is written; Ctrl-C gives it up\n",
                escape::line(&error)
            ));
        }
        tokio::select! {
            _ = signals.next() => {
                console.note(&format!("note: given up; once the disk is well, {go_on} with what it has\n"));
                return;
            }
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(PAUSE.1),
        }
    }
}

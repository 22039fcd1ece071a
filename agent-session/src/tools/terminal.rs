//! A shell command in a terminal of an editor.
//!
//! The editor starts it, shows it and says how it ended. What it leaves running is found by its mark and ended, as of a
//! command of our own, where the editor runs on this machine. Its environment is the editor's; of the keys of model
//! providers those that are known here by name are emptied.

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::bash::{self, BashArguments, End};
use super::in_editor::{InEditor, Trouble};
use super::open::Place;
use super::output::Output;
use super::truncation::{size, tail};
use super::{Context, Outcome, ToolFailure};
use crate::editors::{Answer, Editor, TerminalCommand, TerminalExit, TerminalOutput};
use crate::processes;
use crate::secrets::Origin;

/// Longest id of a terminal, in bytes.
const ID_BYTES: usize = glasswork_session_state::editor::NAME_BYTES;
const START: &str = "run the command in a terminal";

/// A terminal that is given back in any case.
struct Held<'d> {
    desk: &'d InEditor,
    id: Arc<str>,
    is_released: bool,
}

impl Held<'_> {
    fn editor(&self) -> &Arc<dyn Editor> {
        &self.desk.editor
    }

    async fn release(mut self, most: Duration) {
        self.is_released = true;
        // A terminal that it does not take back is its own affair.
        let _ = tokio::time::timeout(most, self.editor().release(&self.id)).await;
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Ok(tasks) = tokio::runtime::Handle::try_current()
            && !self.is_released
        {
            drop(tasks.spawn(self.editor().release(&self.id)));
        }
    }
}

pub(crate) async fn run(
    call: &str,
    arguments: BashArguments,
    directory: &Path,
    desk: &InEditor,
    context: &Context,
) -> Result<Outcome, ToolFailure> {
    super::check_cancelled(&context.cancel)?;
    Place::find(directory)?.open_directory()?;
    let limits = &context.limits;
    let command = TerminalCommand {
        program: bash::shell().to_owned(),
        arguments: vec!["-c".to_owned(), arguments.command],
        environment: bash::environment_of_terminal(call),
        directory: directory.to_owned(),
        output_bytes: limits.terminal_bytes,
    };
    let begun = Instant::now();
    // Not to be cancelled: a terminal of which nobody heard would never be given back.
    let started = desk.hear(START, true, desk.editor.start(command), limits.editor_time);
    let none = || desk.failed(START, false, Trouble::Refused("it has none".to_owned()));
    let id = match started.await {
        Ok(id) => id.ok_or_else(none)?,
        Err(failure) => {
            processes::end_left(&[call.to_owned()], limits.grace).await;
            return Err(failure);
        }
    };
    let held = Held {
        desk,
        id,
        is_released: false,
    };
    if held.id.len() > ID_BYTES {
        let why = format!("the id of its terminal has more than {ID_BYTES} bytes");
        return Err(desk.failed(START, true, Trouble::Refused(why)));
    }
    (desk.placed)(Some(&held.id));
    let time = arguments.timeout.map_or(limits.command_time, Duration::from_secs);
    let end = wait(&held, time, context).await;
    let end = match end {
        Ok(end) => end,
        Err(failure) => {
            // What its terminal leaves behind shall not run on.
            processes::end_left(&[call.to_owned()], limits.grace).await;
            return Err(failure);
        }
    };
    if matches!(end, End::Cancelled | End::TimedOut(_)) {
        let killed = desk.hear(
            "end the command",
            true,
            held.editor().kill(&held.id),
            limits.grace,
        );
        let _ = killed.await;
    }
    let ended = processes::end_left(&[call.to_owned()], limits.grace).await;
    let said = desk.hear(
        "show what the command said",
        true,
        held.editor().output(&held.id),
        limits.editor_time,
    );
    let said = said.await?.unwrap_or(TerminalOutput {
        text: String::new(),
        truncated: false,
    });
    held.release(limits.editor_time).await;
    let mut output = Output::new(
        context.blobs.clone(),
        limits.clone(),
        context.secrets.masking.stream(Origin::Elsewhere),
    );
    output.push(said.text.as_bytes()).await;
    let mut outcome = bash::outcome(end, begun.elapsed(), output.finish().await, ended, context);
    if said.truncated {
        let kept = size(limits.terminal_bytes);
        outcome.text.push_str(&format!(
            "[The editor kept no more than the last {kept} of the output.]\n"
        ));
    }
    Ok(outcome)
}

/// Waits until the command has ended, or shall end; tells meanwhile what it says.
async fn wait(held: &Held<'_>, time: Duration, context: &Context) -> Result<End, ToolFailure> {
    let mut too_late = pin!(sleep(time));
    let mut exit = held.editor().exit(&held.id);
    let mut shown: Option<Answer<TerminalOutput>> = None;
    let mut next = Instant::now() + context.limits.terminal_interval;
    loop {
        tokio::select! {
            biased;
            () = context.cancel.cancelled() => return Ok(End::Cancelled),
            () = &mut too_late => {
                return Ok(End::TimedOut(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)));
            }
            exit = &mut exit => {
                let heard = held.desk.hear(START, true, Box::pin(std::future::ready(exit)), time).await?;
                return Ok(ending(heard.unwrap_or_default()));
            }
            said = waited(&mut shown) => {
                shown = None;
                next = Instant::now() + context.limits.terminal_interval;
                if let Ok(said) = said {
                    tell(&said.text, context);
                }
            }
            () = sleep_until(next), if shown.is_none() => shown = Some(held.editor().output(&held.id)),
        }
    }
}

async fn waited<T>(answer: &mut Option<Answer<T>>) -> Result<T, crate::editors::EditorError> {
    match answer {
        Some(answer) => answer.await,
        None => std::future::pending().await,
    }
}

fn tell(text: &str, context: &Context) {
    // Masked as a whole: a secret that is cut in two is not known any more.
    let masked = context.secrets.masking.text(text, &Origin::Elsewhere);
    let last = tail(
        masked.as_bytes(),
        context.limits.lines,
        context.limits.progress_bytes,
    );
    (context.progress)(&String::from_utf8_lossy(last));
}

fn ending(exit: TerminalExit) -> End {
    match (exit.code, exit.signal) {
        (_, Some(signal)) => End::Signalled(number(&signal)),
        (Some(code), None) => End::Exited(code),
        (None, None) => End::Unknown,
    }
}

/// The number of a signal, however an editor writes it; 0 where it is not known.
fn number(signal: &str) -> u8 {
    const NAMES: [(&str, u8); 15] = [
        ("HUP", 1),
        ("INT", 2),
        ("QUIT", 3),
        ("ILL", 4),
        ("TRAP", 5),
        ("ABRT", 6),
        ("BUS", 7),
        ("FPE", 8),
        ("KILL", 9),
        ("SEGV", 11),
        ("PIPE", 13),
        ("ALRM", 14),
        ("TERM", 15),
        ("XCPU", 24),
        ("XFSZ", 25),
    ];
    let name = signal.trim().to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let known = NAMES.iter().find(|(known, _)| *known == name);
    known.map_or_else(|| name.parse().unwrap_or(0), |(_, number)| *number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_an_editor_writes_a_signal() {
        for (written, number_of) in [
            ("SIGKILL", 9),
            ("kill", 9),
            ("TERM", 15),
            ("9", 9),
            (" sigterm ", 15),
            ("", 0),
            ("SIGWHAT", 0),
            ("900", 0),
        ] {
            assert_eq!(number(written), number_of, "{written:?}");
        }
    }
}

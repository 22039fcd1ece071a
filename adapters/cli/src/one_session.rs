//! Opening one session for one piece of work, and giving it up again.

use glasswork_agent_core::session::State;
use glasswork_app_runtime::ending::ExitCode;
use glasswork_app_runtime::resuming;
use glasswork_app_runtime::runtime::{OperationError, Runtime};
use glasswork_app_runtime::watching::{Update, Watch};
use glasswork_engine::{ScopeId, UnmountError};

use crate::compose::{self, Place};
use crate::console::Console;
use crate::escape;
use crate::failed_disk;
use crate::problem::Problem;
use crate::run;
use crate::signals::Signals;

/// Opens the session that is named so, does the work, and gives it up. `command` is what others are told of this host:
/// as long as it works, they can join.
pub(crate) fn with(
    command: &str,
    named: &str,
    console: &Console,
    work: impl AsyncFnOnce(&Runtime, ScopeId, &mut Signals) -> Result<ExitCode, Problem>,
) -> Result<ExitCode, Problem> {
    let place = Place::find()?;
    let sessions = place.sessions()?;
    let past = resuming::named(&sessions.snapshot(), named)?;
    let ready = run::prepare(&place, &[], Some(&past), past.workspace.clone(), console)?;
    let tasks = compose::tasks()?;
    let done = tasks.block_on(async {
        let mut signals = Signals::take().map_err(Problem::failed)?;
        let runtime = sessions.start(ready.providers, &ready.model).await?;
        let (doors, failed) = sessions.doors(runtime, command, None);
        if let Some(error) = failed {
            console.warn(Some(format!("nobody can attach to this: {error}")));
        }
        let runtime = doors.runtime();
        let done = match runtime.open(past.id, ready.opening).await {
            Ok(notices) => {
                for notice in notices {
                    console.note(&format!("note: {}\n", escape::line(&notice)));
                }
                work(runtime, past.id, &mut signals).await
            }
            Err(error) => Err(error.into()),
        };
        let done = match done {
            Ok(code) => match runtime.give_up(past.id).await {
                // Somebody who is attached has it do something: that ends with this process.
                Ok(()) | Err(OperationError::Unmount(UnmountError::Busy(..))) => Ok(code),
                Err(error) => Err(error.into()),
            },
            Err(problem) => {
                failed_disk::save(runtime, past.id, &mut signals, console).await;
                Err(problem)
            }
        };
        doors.close().await;
        done
    });
    compose::end(tasks);
    done
}

/// Work that the first signal cancels, and that the second one does not wait for any more.
#[derive(Debug)]
pub(crate) struct Cancellable<'a> {
    runtime: &'a Runtime,
    session: ScopeId,
    signals: &'a mut Signals,
    /// What happens in the session.
    pub watch: Watch,
    cancelled: bool,
}

impl<'a> Cancellable<'a> {
    /// Watches from now on.
    ///
    /// # Errors
    /// Where the session is not open.
    pub(crate) fn watch(
        runtime: &'a Runtime,
        session: ScopeId,
        signals: &'a mut Signals,
    ) -> Result<Self, Problem> {
        let watch = runtime.watch(session);
        Ok(Self {
            runtime,
            session,
            signals,
            watch: watch.ok_or_else(|| Problem::defect("the session is not open"))?,
            cancelled: false,
        })
    }

    /// Whether what was asked for has ended: who missed its end, behind a gap, finds what came of it in the session.
    pub(crate) fn is_over(&self) -> bool {
        self.watch.session().state != State::Compacting
    }

    /// What happens next; `None` where nobody waits for it.
    ///
    /// # Errors
    /// Where nothing can be recorded any more.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Update>>, Problem> {
        loop {
            tokio::select! {
                biased;
                _ = self.signals.next() => {
                    if std::mem::replace(&mut self.cancelled, true) {
                        return Ok(None);
                    }
                    // It may have ended meanwhile; that is no failure.
                    let _ = self.runtime.cancel(self.session).await;
                }
                watched = self.watch.next() => {
                    let failed = watched.updates.iter().find_map(|update| match update {
                        Update::RecordingFailed { reason } => Some(reason),
                        _ => None,
                    });
                    return match failed {
                        None => Ok(Some(watched.updates)),
                        Some(reason) => Err(Problem::failed(format!("the journal cannot be written: {reason}"))),
                    };
                }
            }
        }
    }
}

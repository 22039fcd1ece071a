//! One turn from prompt to rest: updates go to whoever shows them, signals and answers to the runtime.

use std::sync::Arc;
use std::time::Duration;

use glasswork_agent_core::id::CallId;
use glasswork_agent_core::question::Said;
use glasswork_app_runtime::ending::ExitCode;
use glasswork_app_runtime::projection::report::{self, Report};
use glasswork_app_runtime::prompting::Prompt;
use glasswork_app_runtime::runtime::{OperationError, Runtime};
use glasswork_app_runtime::watching::{Update, Watch, Watched};
use glasswork_engine::{Refusal, ScopeId};
use glasswork_session_state::rejection::Rejection;

use crate::ask::{self, Asker, Asks, Question};
use crate::problem::Problem;
use crate::signals::{Asked, Signals};

/// How long calls may take to end after the program was told to.
const GRACE: Duration = Duration::from_secs(10);

/// Shows what happens.
pub(crate) trait Show {
    /// Something happened in commit `seq`.
    ///
    /// # Errors
    /// [`Problem::Closed`] where nobody looks any more: the turn is cancelled then.
    fn show(&mut self, seq: u64, update: &Update) -> Result<(), Problem>;

    /// Something is to be told to the person at the program.
    ///
    /// # Errors
    /// As [`show`](Self::show).
    fn tell(&mut self, text: &str) -> Result<(), Problem>;
}

/// What begins the work of a turn, or has it go on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Says {
    /// A prompt, which begins a turn.
    Prompt(Prompt),
    /// The turn that rests goes on, with these words first where there are any.
    GoOn(Option<String>),
}

/// How a turn was left.
#[derive(Debug)]
pub(crate) struct Left {
    /// The turn as it was then.
    pub report: Report,
    /// Why the program did not wait for its end, or what ended it.
    pub by: By,
}

impl Left {
    /// The code with which the program ends.
    #[must_use]
    pub(crate) fn code(&self) -> ExitCode {
        match self.by {
            By::Itself => self.report.exit_code,
            By::Interrupt => ExitCode::Interrupted,
            By::Terminate => ExitCode::Terminated,
            By::ClosedOutput => ExitCode::Done,
        }
    }
}

/// What ended a turn, for this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// The turn came to rest.
    Itself,
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM or SIGHUP.
    Terminate,
    /// Nobody reads standard output any more.
    ClosedOutput,
}

/// Says something to a session, and stays until the turn rests.
///
/// # Errors
/// What the runtime refuses.
pub(crate) async fn turn(
    runtime: &Runtime,
    session: ScopeId,
    says: &Says,
    shown: &mut dyn Show,
    signals: &mut Signals,
    asker: Option<Asker>,
) -> Result<Left, Problem> {
    // Before anything is watched: the turn rests still when this is taken in.
    if let Says::GoOn(Some(said)) = says {
        runtime.steer(session, said, None).await?;
    }
    let watch = runtime
        .watch(session)
        .ok_or_else(|| Problem::defect("the session is not open"))?;
    let mut driver = Driver {
        runtime,
        session,
        watch,
        asker,
        by: By::Itself,
        shown,
    };
    match says {
        Says::Prompt(prompt) => {
            drop(runtime.prompt_with(session, prompt.clone(), None).await?);
        }
        Says::GoOn(_) => drop(runtime.resume(session).await?),
    }
    let mut patience = None;
    loop {
        let impatient = async {
            match patience {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            asked = signals.next() => {
                let is_second = driver.by != By::Itself;
                driver.by = match asked {
                    Asked::Interrupt if driver.by != By::Terminate => By::Interrupt,
                    _ => By::Terminate,
                };
                if is_second && asked == Asked::Interrupt {
                    break;
                }
                if asked == Asked::Terminate {
                    patience.get_or_insert(tokio::time::Instant::now() + GRACE);
                }
                if !is_second {
                    // Whoever has stopped the program need not have left standard output open.
                    let _ = driver.shown.tell("stopping; Ctrl-C once more leaves what still runs");
                }
                driver.cancel().await?;
            }
            (call, said) = answer(&mut driver.asker) => driver.answered(call, said).await?,
            watched = driver.watch.next() => {
                if driver.take(watched).await? {
                    break;
                }
            }
            () = impatient => break,
        }
    }
    let mut left = Left {
        report: report::of_last_turn(driver.watch.session(), driver.watch.seq()),
        by: driver.by,
    };
    left.report.exit_code = left.code();
    Ok(left)
}

async fn answer(asker: &mut Option<Asker>) -> (CallId, ask::Says) {
    match asker {
        Some(asker) => asker.answer().await,
        None => std::future::pending().await,
    }
}

struct Driver<'a> {
    runtime: &'a Runtime,
    session: ScopeId,
    watch: Watch,
    asker: Option<Asker>,
    by: By,
    shown: &'a mut dyn Show,
}

impl Driver<'_> {
    /// Takes what happened; true once the turn rests.
    async fn take(&mut self, watched: Watched) -> Result<bool, Problem> {
        let mut rests = false;
        for update in &watched.updates {
            rests |= matches!(
                update,
                Update::TurnEnded { .. } | Update::TurnPaused { .. } | Update::Ended
            );
            self.show(watched.seq, update).await?;
            if let Update::RecordingFailed { reason } = update {
                return Err(Problem::failed(format!(
                    "the journal cannot be written: {reason}"
                )));
            }
            self.ask(update);
        }
        // What ended the turn may be among what was missed.
        let missed = watched
            .updates
            .iter()
            .any(|update| matches!(update, Update::Gap { .. }));
        Ok(rests || (missed && self.watch.session().open_turn().is_none()))
    }

    async fn show(&mut self, seq: u64, update: &Update) -> Result<(), Problem> {
        if self.by == By::ClosedOutput {
            return Ok(());
        }
        match self.shown.show(seq, update) {
            Err(Problem::Closed) => {
                self.by = By::ClosedOutput;
                self.cancel().await
            }
            other => other,
        }
    }

    fn ask(&mut self, update: &Update) {
        let Some(asker) = &mut self.asker else { return };
        match update {
            Update::ToolAsked {
                call,
                name,
                arguments,
            } => {
                let known = self.watch.session().call(*call);
                let asks = Asks::Permission {
                    name: name.clone(),
                    arguments: arguments.clone(),
                    judgement: known.and_then(|call| call.judgement.clone()),
                };
                asker.ask(Question { call: *call, asks });
            }
            Update::QuestionAsked { call, question } => {
                let asks = Asks::Answer(Arc::clone(question));
                asker.ask(Question { call: *call, asks });
            }
            Update::QuestionAnswered { call, .. } => asker.withdraw(*call),
            Update::ToolAnswered { call, .. } | Update::ToolSettled { call, .. } => asker.withdraw(*call),
            _ => {}
        }
    }

    async fn answered(&mut self, call: CallId, said: ask::Says) -> Result<(), Problem> {
        let answered = match said {
            ask::Says::Yes => self.runtime.approve(self.session, call).await,
            ask::Says::No => self.runtime.refuse(self.session, call, None).await,
            ask::Says::Line(line) => {
                let said = Said::Line(line.into());
                self.runtime.answer(self.session, call, said).await
            }
        };
        if let (Some(asker), Some(why)) = (&mut self.asker, no_answer(&answered)) {
            asker.again(call, &why);
            return Ok(());
        }
        if let Some(asker) = &mut self.asker {
            asker.withdraw(call);
        }
        too_late_is_no_failure(answered)
    }

    async fn cancel(&mut self) -> Result<(), Problem> {
        too_late_is_no_failure(self.runtime.cancel(self.session).await)
    }
}

/// Why what was said is no answer, where that is why it was refused.
fn no_answer<T>(done: &Result<T, OperationError>) -> Option<String> {
    match done {
        Err(OperationError::Refused(Refusal::Rejected {
            rejection: Rejection::NoAnswer(why),
            ..
        })) => Some(why.to_string()),
        _ => None,
    }
}

/// What was asked for is refused where the turn, or the call, has ended meanwhile. That is on record, and no failure.
fn too_late_is_no_failure<T>(done: Result<T, OperationError>) -> Result<(), Problem> {
    match done {
        Ok(_) | Err(OperationError::Refused(Refusal::Rejected { .. })) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

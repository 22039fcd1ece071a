//! `glasswork serve`: a host that waits for clients.

use std::time::Duration;

use clap::{Args, ValueEnum as _};
use glasswork_app_runtime::ending::ExitCode;
use glasswork_app_runtime::settings::Flag;

use crate::commands::PermissionMode;
use crate::compose::{self, Doors, OfPlace, Place};
use crate::console::Console;
use crate::escape;
use crate::http_door::{HttpArguments, HttpDoor};
use crate::problem::Problem;
use crate::run;
use crate::signals::{Asked, Signals};

/// How long turns have to reach a safe point once they were told to rest there.
const TO_A_SAFE_POINT: Duration = Duration::from_secs(5);

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The model that new sessions ask, as `provider/id`
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
    /// How much may be done without asking, in new sessions
    #[arg(long, value_name = "MODE", value_enum)]
    pub permission_mode: Option<PermissionMode>,
    /// How long turns that run may take to end after SIGTERM or Ctrl-C, in seconds; then they are paused
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub drain: u64,
    #[command(flatten)]
    pub http: HttpArguments,
}

/// Waits for clients until it is told to end.
pub(crate) fn serve(arguments: &Serve, console: &Console) -> Result<ExitCode, Problem> {
    let place = Place::find()?;
    let sessions = place.sessions()?;
    let flags = flags(arguments);
    let here = std::env::current_dir().map_err(Problem::usage)?;
    let ready = run::prepare(&place, &flags, None, here, console)?;
    let named = run::meant(&flags, &ready.providers)?;
    let house = OfPlace::of(place, &sessions, named, &ready.providers);
    let deadline = Duration::from_secs(arguments.drain);
    let tasks = compose::tasks()?;
    let done = tasks.block_on(async {
        let mut signals = Signals::take().map_err(Problem::failed)?;
        let runtime = sessions.start(ready.providers, &ready.model).await?;
        let (doors, failed) = sessions.doors(runtime, "serve", Some(house));
        let http = match failed {
            Some(error) => Err(Problem::failed(error)),
            None => {
                let graph = sessions.graph_of_host(doors.clients());
                HttpDoor::open(
                    &arguments.http,
                    sessions.runtime_directory(),
                    graph,
                    doors.offer().clone(),
                )
            }
        };
        let http = match http {
            Ok(http) => http,
            Err(problem) => {
                doors.close().await;
                return Err(problem);
            }
        };
        console.note("glasswork serves; `glasswork attach --new` begins a session here, Ctrl-C ends it\n");
        if let Some(http) = &http {
            http.announce(console);
        }
        let asked = signals.next().await;
        // What waits for its turn is sent away, so that nothing is waited for at the doors.
        doors.clients().stop_turns();
        // What comes through it begins turns like everybody's, so it is closed first.
        if let Some(http) = http {
            http.close(TO_A_SAFE_POINT).await;
        }
        drain(&doors, deadline, &mut signals, console).await;
        doors.give_up().await;
        doors.close().await;
        Ok(match asked {
            Asked::Interrupt => ExitCode::Interrupted,
            Asked::Terminate => ExitCode::Terminated,
        })
    });
    compose::end(tasks);
    done
}

fn flags(arguments: &Serve) -> Vec<Flag> {
    let flag = |name: &str, value: String, flag: &str| Flag {
        name: name.to_owned(),
        value,
        flag: flag.to_owned(),
    };
    let mode = arguments
        .permission_mode
        .and_then(|mode| mode.to_possible_value());
    [
        arguments
            .model
            .clone()
            .map(|model| flag("model", model, "--model")),
        mode.map(|mode| flag("mode", mode.get_name().to_owned(), "--permission-mode")),
        // Clients come and answer.
        Some(flag("attended", "true".to_owned(), "serve")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Waits for the turns that run; those that take too long rest at their next safe point.
async fn drain(doors: &Doors, deadline: Duration, signals: &mut Signals, console: &Console) {
    doors.stopping(deadline);
    // What has its place begins all the same, and is waited for, too.
    drop(doors.clients().settled().await);
    let running = doors.clients().running();
    if running.is_empty() {
        return;
    }
    console.note(&format!(
        "stopping: {} turns run and have {} seconds to end; then they are paused. Once more does not wait\n",
        running.len(),
        deadline.as_secs()
    ));
    if !wait(doors, deadline, signals).await {
        for session in doors.clients().running() {
            if let Err(error) = doors.runtime().pause(session).await {
                console.note(&format!("note: {}\n", escape::line(&error.to_string())));
            }
        }
        wait(doors, TO_A_SAFE_POINT, signals).await;
    }
    for session in doors.clients().running() {
        console.note(&format!(
            "note: the turn of session {session} is left as it is; whoever opens it next settles what is open\n"
        ));
    }
}

/// Whether no turn runs any more.
async fn wait(doors: &Doors, most: Duration, signals: &mut Signals) -> bool {
    tokio::select! {
        () = doors.clients().at_rest() => true,
        () = tokio::time::sleep(most) => false,
        _ = signals.next() => false,
    }
}

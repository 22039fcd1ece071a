//! Which command reads what.

use glasswork_app_runtime::ending::ExitCode;

use crate::compose::Sessions;
use crate::console::Console;
use crate::problem::Problem;
use crate::reading_commands::Reading;
use crate::{bisect, graph, request, stuck};

/// Reads in these sessions: those of this machine, or the one in a file.
pub(crate) fn read(command: &Reading, sessions: &Sessions, console: &Console) -> Result<ExitCode, Problem> {
    match command {
        Reading::Log(arguments) => graph::log(arguments, sessions, console),
        Reading::Trace(arguments) => graph::trace(arguments, sessions, console),
        Reading::Why(arguments) => graph::why(arguments, sessions, console),
        Reading::Diff(arguments) => graph::diff(arguments, sessions, console),
        Reading::Bisect(arguments) => bisect::bisect(arguments, sessions, console),
        Reading::Request(arguments) => request::request(arguments, sessions, console),
        Reading::Stuck(arguments) => stuck::stuck(arguments, sessions, console),
        Reading::Query(arguments) => graph::query(arguments, sessions, console),
    }
}

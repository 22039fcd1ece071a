//! Why a command did not do what it should, with the code that the process ends with.

use std::io;

use glasswork_app_runtime::archive::SearchError;
use glasswork_app_runtime::ending::ExitCode;
use glasswork_app_runtime::homes::Homeless;
use glasswork_app_runtime::models::{NoModel, Unusable};
use glasswork_app_runtime::reading::ReadError;
use glasswork_app_runtime::resuming::ResumeError;
use glasswork_app_runtime::runtime::OperationError;
use glasswork_app_runtime::settings::SettingsError;

/// Why a command ended early.
#[derive(Debug)]
pub(crate) enum Problem {
    /// Nobody reads standard output any more. No failure: whoever reads has what they wanted.
    Closed,
    /// Something to tell.
    Told {
        /// The code that the process ends with.
        code: ExitCode,
        /// What happened and what to do.
        text: String,
    },
}

impl Problem {
    /// The command line, a setting or a name is wrong.
    pub(crate) fn usage(text: impl ToString) -> Self {
        Self::Told {
            code: ExitCode::Usage,
            text: text.to_string(),
        }
    }

    /// It did not work.
    pub(crate) fn failed(text: impl ToString) -> Self {
        Self::Told {
            code: ExitCode::Failed,
            text: text.to_string(),
        }
    }

    /// Something happened that cannot.
    pub(crate) fn defect(text: impl ToString) -> Self {
        Self::failed(format!("{}; please report this", text.to_string()))
    }

    /// Standard output could not be written.
    pub(crate) fn output(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::failed(format!("cannot write to standard output: {error}")),
        }
    }
}

impl From<SearchError> for Problem {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Query(error) => Self::usage(error),
            SearchError::Index(error) => Self::failed(error),
        }
    }
}

impl From<ResumeError> for Problem {
    fn from(error: ResumeError) -> Self {
        match error {
            ResumeError::Read(error) => error.into(),
            ResumeError::Search(error) => error.into(),
            ResumeError::Several { .. } => Self::usage(error),
        }
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        Self::Told {
            code: (&error).into(),
            text: error.to_string(),
        }
    }
}

impl From<OperationError> for Problem {
    fn from(error: OperationError) -> Self {
        Self::Told {
            code: (&error).into(),
            text: error.to_string(),
        }
    }
}

impl From<SettingsError> for Problem {
    fn from(error: SettingsError) -> Self {
        Self::usage(error)
    }
}

impl From<NoModel> for Problem {
    fn from(error: NoModel) -> Self {
        Self::usage(error)
    }
}

impl From<Unusable> for Problem {
    fn from(error: Unusable) -> Self {
        Self::usage(error)
    }
}

impl From<Homeless> for Problem {
    fn from(error: Homeless) -> Self {
        Self::usage(error)
    }
}

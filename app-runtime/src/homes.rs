//! Where things are kept: XDG base directories, or one home for everything.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The environment of this process, taken once at start-up. Everything that reads a variable reads it from here.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, OsString>,
}

impl Environment {
    /// The environment of this process. Variables whose names are no text are left out.
    #[must_use]
    pub fn of_process() -> Self {
        Self::of(std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))))
    }

    /// These variables.
    pub fn of<K: Into<String>, V: Into<OsString>>(variables: impl IntoIterator<Item = (K, V)>) -> Self {
        Self {
            variables: variables
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        }
    }

    /// A variable that is set, not empty, and text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)?
            .to_str()
            .filter(|value| !value.is_empty())
    }

    /// A variable that is set and holds an absolute path; the XDG specification has others ignored.
    #[must_use]
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.variables
            .get(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    }

    /// The variables that begin with `prefix`, in order of their names.
    pub fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let named = self
            .variables
            .iter()
            .filter(move |(name, _)| name.starts_with(prefix));
        named.filter_map(|(name, value)| Some((name.as_str(), value.to_str()?)))
    }
}

/// The directories of Glasswork.
///
/// By the [XDG Base Directory Specification](https://specifications.freedesktop.org/basedir-spec/latest/), on every
/// system; `GLASSWORK_HOME` puts them all below one directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Homes {
    /// What people write: settings.
    pub config: PathBuf,
    /// What must last: sessions.
    pub data: PathBuf,
}

/// There is no place to keep anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("neither GLASSWORK_HOME nor HOME is set to an absolute path: set one, so that sessions have a place")]
pub struct Homeless;

impl Homes {
    /// The directories that this environment asks for. None is made.
    ///
    /// # Errors
    /// [`Homeless`].
    pub fn find(environment: &Environment) -> Result<Self, Homeless> {
        if let Some(home) = environment.path("GLASSWORK_HOME") {
            return Ok(Self {
                config: home.join("config"),
                data: home.join("data"),
            });
        }
        let home = environment.path("HOME");
        let base = |variable: &str, default: &str| {
            let base = environment
                .path(variable)
                .or_else(|| Some(home.as_ref()?.join(default)));
            base.map(|base| base.join("glasswork")).ok_or(Homeless)
        };
        Ok(Self {
            config: base("XDG_CONFIG_HOME", ".config")?,
            data: base("XDG_DATA_HOME", ".local/share")?,
        })
    }

    /// The user's settings.
    #[must_use]
    pub fn settings_file(&self) -> PathBuf {
        self.config.join("settings.ron")
    }

    /// The user's own files about models.
    #[must_use]
    pub fn models_folder(&self) -> PathBuf {
        self.config.join("models")
    }

    /// The user's own instructions to agents.
    #[must_use]
    pub fn instructions_file(&self) -> PathBuf {
        self.config.join(crate::instructions::FILE)
    }

    /// A project's settings.
    #[must_use]
    pub fn project_settings_file(workspace: &Path) -> PathBuf {
        workspace.join(".glasswork").join("settings.ron")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(variables: &[(&str, &str)], expected: Result<(&str, &str), Homeless>) {
        let found = Homes::find(&Environment::of(variables.iter().copied()));
        let expected = expected.map(|(config, data)| Homes {
            config: config.into(),
            data: data.into(),
        });
        assert_eq!(found, expected, "{variables:?}");
    }

    #[test]
    fn one_variable_overrides_all_and_relative_paths_are_ignored() {
        check(&[], Err(Homeless));
        check(&[("HOME", "relative")], Err(Homeless));
        check(
            &[("HOME", "/h")],
            Ok(("/h/.config/glasswork", "/h/.local/share/glasswork")),
        );
        let xdg = [
            ("HOME", "/h"),
            ("XDG_CONFIG_HOME", "/c"),
            ("XDG_DATA_HOME", "not/absolute"),
        ];
        check(&xdg, Ok(("/c/glasswork", "/h/.local/share/glasswork")));
        let home = [
            ("HOME", "/h"),
            ("XDG_CONFIG_HOME", "/c"),
            ("GLASSWORK_HOME", "/g"),
        ];
        check(&home, Ok(("/g/config", "/g/data")));
    }
}

//! Where hosts have their sockets.

use std::path::PathBuf;

use crate::homes::{Environment, Homes};

/// The directory for the sockets of this user's hosts. It is not made. With `GLASSWORK_HOME` everything lies below that;
/// else it is in `XDG_RUNTIME_DIR`, by the
/// [XDG Base Directory Specification](https://specifications.freedesktop.org/basedir-spec/latest/), or beside the sessions.
#[must_use]
pub fn of(environment: &Environment, homes: &Homes) -> PathBuf {
    if let Some(home) = environment.path("GLASSWORK_HOME") {
        return home.join("run");
    }
    match environment.path("XDG_RUNTIME_DIR") {
        Some(runtime) => runtime.join("glasswork"),
        None => homes.data.join("run"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_home_goes_before_the_runtime_directory_and_that_before_the_sessions() {
        let check = |variables: &[(&str, &str)], expected: &str| {
            let environment = Environment::of(variables.iter().copied());
            let homes = Homes {
                config: "/c".into(),
                data: "/d".into(),
            };
            assert_eq!(of(&environment, &homes), PathBuf::from(expected), "{variables:?}");
        };
        check(&[], "/d/run");
        check(&[("XDG_RUNTIME_DIR", "relative")], "/d/run");
        check(&[("XDG_RUNTIME_DIR", "/r")], "/r/glasswork");
        check(&[("XDG_RUNTIME_DIR", "/r"), ("GLASSWORK_HOME", "/g")], "/g/run");
    }
}

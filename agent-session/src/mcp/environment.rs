//! What a server gets of our environment: what programs need to run at all, and nothing that anybody may have put there
//! for another one. The libraries that servers are made with do the same.

use std::ffi::OsString;

use secrecy::ExposeSecret;

use super::ServerCommand;

const PASSED_ON: &[&str] = &[
    "HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER",
];
const PASSED_ON_PREFIXES: &[&str] = &["LC_", "XDG_"];

/// The environment of a server.
pub(super) fn of(command: &ServerCommand) -> Vec<(OsString, OsString)> {
    let ours = std::env::vars_os().filter(|(name, _)| {
        let name = name.to_string_lossy();
        PASSED_ON.contains(&&*name) || PASSED_ON_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    });
    let own = command
        .env
        .iter()
        .map(|(name, value)| (name.into(), value.expose_secret().into()));
    ours.chain(own).collect()
}

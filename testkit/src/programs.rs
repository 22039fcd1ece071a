//! Programs that tests drive. On a fresh Debian machine they are not there yet: then they are installed.

use std::process::{Command, Stdio};
use std::sync::Mutex;

/// One installation at a time: the package manager takes a lock and does not wait for it by itself.
static INSTALLING: Mutex<()> = Mutex::new(());

/// Makes sure that a program is there, by installing its Debian package where it is not.
///
/// # Panics
/// Where it is not there and cannot be installed: a test that needs it must fail, not pass unseen.
#[allow(clippy::panic, reason = "a test kit fails by panicking")]
pub fn ensure(program: &str, package: &str) {
    let _installing = INSTALLING
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if is_there(program) {
        return;
    }
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .args(["-o", "DPkg::Lock::Timeout=300", "-qq"])
            .args(arguments);
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    // Lists may be old or missing; a failure to update them matters only if the package is not found then.
    let _ = apt(&["update"]);
    let installed = apt(&["install", "-y", "--no-install-recommends", package]);
    if !(installed && is_there(program)) {
        panic!("this test needs `{program}`: install the package `{package}`");
    }
}

fn is_there(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_found_and_nothing_else() {
        assert!(is_there("sh"));
        assert!(!is_there("no-program-has-this-name"));
    }
}

//! Packages of npm that tests talk with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::programs::ensure;

/// Installs what is listed in a folder of tests, once for each state of its list, in a folder beside what is built (a
/// test's `CARGO_TARGET_TMPDIR`). Gives that folder, into which these files of the tests are copied too.
///
/// # Panics
/// Where it cannot be installed.
#[must_use]
#[allow(clippy::expect_used, reason = "a test kit fails by panicking")]
pub fn installed(tests: &Path, beside: &str, files: &[&str]) -> PathBuf {
    let lock = fs::read(tests.join("package-lock.json")).expect("a list of packages");
    let named = tests
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .replace('_', "-");
    let digest = blake3::hash(&lock).to_hex();
    let folder = Path::new(beside).join(format!("{named}-{:.16}", digest.as_str()));
    fs::create_dir_all(&folder).expect("a folder");
    for file in ["package.json", "package-lock.json"].iter().chain(files) {
        fs::copy(tests.join(file), folder.join(file)).expect("a copy");
    }
    let installed = folder.join("installed");
    ensure("node", "nodejs");
    ensure("npm", "npm");
    // Several tests may come here at once, in as many processes.
    let lock = fs::File::create(folder.join("lock")).expect("a lock");
    lock.lock().expect("a lock");
    if !installed.exists() {
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
        let npm = npm.current_dir(&folder).output().expect("npm");
        assert!(
            npm.status.success(),
            "npm cannot install what is listed in {named}; this test needs a registry of npm, or its cache: {}",
            String::from_utf8_lossy(&npm.stderr)
        );
        fs::write(installed, "").expect("a note");
    }
    folder
}

//! What is checked out in a directory, from the files of Git (<https://git-scm.com/docs/gitrepository-layout>). No
//! program is run, and nothing is believed that does not look as Git writes it.

use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use glasswork_session_state::checkout::Head;
use rustix::fs::OFlags;

/// Longest file that names one thing, in bytes.
const NAME_BYTES: u64 = 4 << 10;
/// Longest list of references, in bytes.
const PACKED_BYTES: u64 = 8 << 20;
/// Longest name of a branch, in bytes.
const BRANCH_BYTES: usize = 255;

/// What is checked out in `directory`: in the repository to which it belongs, if it belongs to one. Reads a few small
/// files.
#[must_use]
pub fn of(directory: &Path) -> Head {
    let mut folders = directory
        .ancestors()
        .filter_map(|folder| repository(&folder.join(".git")));
    folders.next().map(|git| head(&git)).unwrap_or_default()
}

/// The folder of the repository: `.git` itself, or the one that a file of that name points to (worktrees,
/// submodules).
fn repository(git: &Path) -> Option<PathBuf> {
    if git.is_dir() {
        return git.join("HEAD").exists().then(|| git.to_owned());
    }
    let text = read(git, NAME_BYTES)?;
    let path = text.strip_prefix("gitdir: ")?.trim_end();
    Some(git.parent()?.join(path))
}

fn head(git: &Path) -> Head {
    let Some(text) = read(&git.join("HEAD"), NAME_BYTES) else {
        return Head::default();
    };
    let text = text.trim_end();
    let Some(reference) = text.strip_prefix("ref: ").map(str::trim_start) else {
        return Head {
            branch: None,
            commit: commit(text),
        };
    };
    let Some(branch) = reference
        .strip_prefix("refs/heads/")
        .filter(|name| is_branch(name))
    else {
        return Head::default();
    };
    // References of a worktree lie where those of its repository do.
    let common = read(&git.join("commondir"), NAME_BYTES).map(|path| git.join(path.trim_end()));
    let common = common.as_deref().unwrap_or(git);
    let loose = read(&common.join(reference), NAME_BYTES);
    let commit = loose
        .and_then(|text| commit(text.trim_end()))
        .or_else(|| packed(common, reference));
    Head {
        branch: Some(branch.into()),
        commit,
    }
}

fn packed(common: &Path, reference: &str) -> Option<Arc<str>> {
    let text = read(&common.join("packed-refs"), PACKED_BYTES)?;
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    lines
        .find(|(_, name)| *name == reference)
        .and_then(|(id, _)| commit(id))
}

/// An object's id: SHA-1 or SHA-256.
fn commit(text: &str) -> Option<Arc<str>> {
    let is_id = [40, 64].contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| text.into())
}

/// As far as <https://git-scm.com/docs/git-check-ref-format> matters for a path below `refs/heads`, and for people.
fn is_branch(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= BRANCH_BYTES
        && !name.chars().any(|char| char.is_control() || char == ' ')
        && name
            .split('/')
            .all(|part| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock"))
}

/// The text of a file; `None` for whatever is none, or too long. Does not wait at a pipe.
fn read(path: &Path, most: u64) -> Option<String> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .ok()?;
    if !file
        .metadata()
        .is_ok_and(|found| found.is_file() && found.len() <= most)
    {
        return None;
    }
    let mut text = String::new();
    file.take(most).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "1111111111111111111111111111111111111111";
    const TWO: &str = "2222222222222222222222222222222222222222";

    fn check(files: &[(&str, &str)], directory: &str, branch: Option<&str>, commit: Option<&str>) {
        let home = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = home.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let directory = home.path().join(directory);
        std::fs::create_dir_all(&directory).unwrap();
        let found = of(&directory);
        assert_eq!(
            (found.branch.as_deref(), found.commit.as_deref()),
            (branch, commit),
            "{files:?}"
        );
    }

    #[test]
    fn what_is_checked_out_is_told_by_files() {
        let head = (".git/HEAD", "ref: refs/heads/feature/x\n");
        check(&[], "", None, None);
        check(&[head], "", Some("feature/x"), None);
        check(
            &[head, (".git/refs/heads/feature/x", &format!("{ONE}\n"))],
            "a/b",
            Some("feature/x"),
            Some(ONE),
        );
        let packed =
            format!("# pack-refs with: peeled\n{ONE} refs/heads/x\n{TWO} refs/heads/feature/x\n^{ONE}\n");
        check(
            &[head, (".git/packed-refs", &packed)],
            "",
            Some("feature/x"),
            Some(TWO),
        );
        check(&[(".git/HEAD", ONE)], "", None, Some(ONE));
        // A worktree.
        check(
            &[
                ("main/.git/worktrees/w/HEAD", "ref: refs/heads/w\n"),
                ("main/.git/worktrees/w/commondir", "../..\n"),
                ("main/.git/refs/heads/w", TWO),
                ("w/.git", "gitdir: ../main/.git/worktrees/w\n"),
            ],
            "w/sub",
            Some("w"),
            Some(TWO),
        );
    }

    #[test]
    fn what_git_does_not_write_is_not_believed() {
        for text in [
            "",
            "ref: ",
            "ref: refs/heads/",
            "ref: refs/heads/../../../../etc/passwd",
            "ref: refs/heads/a\u{1b}[31m",
            "ref: refs/tags/v1",
            "root:x:0:0",
            "11111",
        ] {
            check(
                &[(".git/HEAD", text), (".git/etc/passwd", "root")],
                "",
                None,
                None,
            );
        }
        check(&[(".git/HEAD", &"1".repeat(10_000))], "", None, None);
        check(&[(".git", "gitdir: /etc\n")], "", None, None);
        check(
            &[
                (".git/HEAD", "ref: refs/heads/a"),
                (".git/refs/heads/a", "secret"),
            ],
            "",
            Some("a"),
            None,
        );
        // A pipe, to which nobody writes.
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".git")).unwrap();
        let pipe = home.path().join(".git/HEAD");
        assert!(
            std::process::Command::new("mkfifo")
                .arg(&pipe)
                .status()
                .unwrap()
                .success()
        );
        assert!(of(home.path()).is_unknown());
    }
}

//! A workspace for one test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use glasswork_agent_session::blobs::BlobStore;
use glasswork_agent_session::secrets::{Origin, Vaults};
use glasswork_agent_session::tools::{
    Arguments, Call, Context, Desk, Details, Evidence, FileEvidence, FileLocks, Limits, Outcome, Secrets,
    ToolFailure, evidence, run,
};
use glasswork_engine::ScopeId;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

pub(crate) struct Workspace {
    _home: tempfile::TempDir,
    pub(crate) root: PathBuf,
    pub(crate) outside: PathBuf,
    pub(crate) context: Context,
}

impl Workspace {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let base = home.path().canonicalize().unwrap();
        let (root, outside) = (base.join("work"), base.join("outside"));
        fs::create_dir(&root).unwrap();
        fs::create_dir(&outside).unwrap();
        let context = Context {
            blobs: BlobStore::new(base.join("blobs")),
            locks: FileLocks::default(),
            cancel: CancellationToken::new(),
            progress: Arc::new(|_| {}),
            limits: Limits::default(),
            secrets: Secrets {
                masking: Vaults::new(vec![]).masking(ScopeId::mint(), true),
                call: Origin::Elsewhere,
            },
            desk: Desk::Disk,
        };
        Self {
            _home: home,
            root,
            outside,
            context,
        }
    }

    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn evidence(&self, tool: &str, arguments: &Value) -> Evidence {
        evidence(
            tool,
            &arguments.to_string(),
            &self.root,
            self.context.limits.digest_bytes,
        )
    }

    pub(crate) fn file_evidence(&self, tool: &str, arguments: &Value) -> FileEvidence {
        match self.evidence(tool, arguments) {
            Evidence::File(file) => file,
            other => panic!("{other:?}"),
        }
    }

    /// The id of its calls: no other test's, for by it the processes of a call are found, and ended.
    pub(crate) fn call_id(&self) -> String {
        format!("{}/1", self.root.display())
    }

    /// What a session would run after the evidence.
    pub(crate) fn judged(&self, tool: &str, arguments: Value) -> Call {
        let path = match self.evidence(tool, &arguments) {
            Evidence::File(file) => file.resolved,
            Evidence::Command(command) => command.directory,
            Evidence::Unfit(unfit) => panic!("{unfit}"),
        };
        let arguments = Arguments::parse(tool.parse().unwrap(), &arguments.to_string()).unwrap();
        Call {
            id: self.call_id(),
            arguments,
            path,
        }
    }

    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Outcome {
        run(self.judged(tool, arguments), &self.context).await
    }

    pub(crate) async fn failure(&self, tool: &str, arguments: Value) -> ToolFailure {
        let outcome = self.call(tool, arguments).await;
        match outcome.details {
            Details::Failure(failure) => {
                assert!(outcome.is_error);
                assert_eq!(outcome.text, failure.to_string());
                failure
            }
            other => panic!("{other:?}: {}", outcome.text),
        }
    }

    /// With the workspace's place left out, so that texts can be compared.
    pub(crate) fn plain(&self, text: &str) -> String {
        text.replace(self.root.to_str().unwrap(), "WORK")
            .replace(self.outside.to_str().unwrap(), "OUTSIDE")
    }
}

pub(crate) fn symlink(target: impl AsRef<Path>, link: impl AsRef<Path>) {
    std::os::unix::fs::symlink(target, link).unwrap();
}

pub(crate) fn make_fifo(path: &Path) {
    rustix::fs::mknodat(
        rustix::fs::CWD,
        path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
}

const INSIDE: &str = "GLASSWORK_TEST_INSIDE";

/// Runs the rest of a test alone in a process of its own, which `shell` may prepare (with `ulimit`, say). Returns
/// whether this is that process.
pub(crate) fn alone(test: &str, shell: &str, environment: &[(&str, &str)]) -> bool {
    if std::env::var(INSIDE).is_ok_and(|inside| inside == test) {
        return true;
    }
    let output = Command::new("/bin/bash")
        .args(["-c", &format!("{shell}\nexec \"$@\""), "prepare"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, test)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    false
}

/// The most memory that this process ever had, in KiB (`VmHWM` of `proc_pid_status(5)`).
pub(crate) fn most_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

//! Running a command together with everything that it starts, and ending all of it.
//!
//! A process can leave its group and its session (`setsid`) and its parent (by outliving it). So each command runs
//! under a *keeper*: a small shell that is the subreaper of all that the command starts (`prctl(2)`,
//! `PR_SET_CHILD_SUBREAPER`). Whoever loses its parent becomes a child of the keeper, so as long as the keeper lives,
//! the command's processes are its descendants and nothing else is; and the keeper lives until it is let go. It also
//! reaps them: no process of a command ever becomes a child of this one, whose children belong to others.
//!
//! Should a command kill its keeper, its processes are still known by the session and by the variable
//! [`MARK`] in their environment, until they shed both. By the mark alone they are known to a later process
//! ([`end_left`]), should this one be killed.
//!
//! Elsewhere than on Linux there is only the process group.

use std::ffi::{OsStr, OsString};
use std::io::{self, PipeWriter};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Pid;
use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

#[cfg_attr(target_os = "linux", path = "processes/linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "processes/group.rs")]
mod members;

/// The environment variable that names the call for which a process runs.
pub const MARK: &str = "GLASSWORK_CALL";

/// Its standard input is a socket: it tells how the command ended there, and goes when the other side is closed.
/// The command has neither that socket nor the keeper's own standard error, on which shells remark on signals.
const KEEPER: &str = r#"trap : HUP INT QUIT TERM
exec 3>&2 2>/dev/null
(exec "$@" </dev/null 2>&3 3>&-)
ended=$?
exec >/dev/null 3>&-
echo "$ended" >&0
while read -r ended; do :; done"#;

/// The keeper of a program with which one talks: on its standard output, which is a socket, the program reads and
/// writes. It watches its link while the program runs, and when that is closed (because whoever started it was killed,
/// for one) it kills what is left of its group, and itself.
const TALKING_KEEPER: &str = r#"trap : HUP INT QUIT TERM
exec 3>&2 4>&0 2>/dev/null
((exec "$@" <&1 2>&3 3>&- 4>&-); echo "$?" >&4) &
exec >/dev/null 3>&- 4>&-
while read -r ended; do :; done
kill -KILL 0"#;

/// What stands in the place of its name.
const KEEPER_NAME: &str = "glasswork-keeper";

/// How long processes that got SIGKILL have to vanish. One that hangs in the kernel may never do.
const PATIENCE: Duration = Duration::from_secs(5);

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// With this code; from 129 on it is also how the shell tells of a signal (128 more than its number).
    Code(u8),
    /// Nobody knows: the keeper was killed.
    Unknown,
}

/// A process as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// Its name, as the system cuts it.
    pub name: String,
}

/// What was found when a command's processes were ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ended {
    /// All that still ran and had to be ended.
    pub found: Vec<Process>,
    /// Those of them that even SIGKILL did not end in time.
    pub survivors: Vec<Process>,
}

/// A command that runs, with all that it starts. Dropped, it is killed at once with all of that.
#[derive(Debug)]
pub struct Running {
    keeper: Child,
    members: members::Members,
    link: Option<UnixStream>,
    heard: Vec<u8>,
    over: bool,
}

impl Running {
    /// Starts a command. Output and errors both go to `output`; it reads nothing.
    ///
    /// `call` marks its processes. `environment` is all the environment it gets besides that mark.
    ///
    /// # Errors
    /// When there is no `/bin/sh`, or the system has no room for another process.
    pub fn start(
        command: &[&OsStr],
        directory: &Path,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        call: &str,
        output: PipeWriter,
    ) -> io::Result<Self> {
        let errors = output.try_clone()?;
        Self::keep(
            KEEPER,
            command,
            directory,
            environment,
            call,
            output.into(),
            errors,
        )
    }

    /// Starts a program with which one talks over the socket that comes with it. Its errors go to `errors`; the rest is
    /// as above. It is ended also when this process is killed.
    ///
    /// # Errors
    /// As above.
    pub fn start_talking(
        command: &[&OsStr],
        directory: &Path,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        call: &str,
        errors: PipeWriter,
    ) -> io::Result<(Self, UnixStream)> {
        let (ours, theirs) = plain_pair()?;
        let running = Self::keep(
            TALKING_KEEPER,
            command,
            directory,
            environment,
            call,
            theirs,
            errors,
        )?;
        Ok((running, ours))
    }

    fn keep(
        script: &str,
        command: &[&OsStr],
        directory: &Path,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        call: &str,
        output: OwnedFd,
        errors: PipeWriter,
    ) -> io::Result<Self> {
        let (ours, theirs) = plain_pair()?;
        let mark = unique(call);
        let mut keeper = Command::new("/bin/sh");
        keeper
            .args(["-c", script, KEEPER_NAME])
            .args(command)
            .current_dir(directory)
            .env_clear()
            .envs(environment)
            .env(MARK, &mark)
            .stdin(Stdio::from(theirs))
            .stderr(Stdio::from(errors))
            .stdout(Stdio::from(output));
        members::prepare(&mut keeper);
        let keeper = keeper.spawn()?;
        let pid = keeper.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        let pid = pid.ok_or_else(|| io::Error::other("the process has no id"))?;
        Ok(Self {
            keeper,
            members: members::Members::new(pid, &mark),
            link: Some(ours),
            heard: Vec::new(),
            over: false,
        })
    }

    /// Waits until the command itself has ended; what it started may go on. Can be dropped and called again.
    pub async fn exit(&mut self) -> Exit {
        while let Some(link) = &self.link {
            let mut buffer = [0; 16];
            let heard = match link.readable().await {
                Ok(()) => link.try_read(&mut buffer),
                Err(error) => Err(error),
            };
            match heard {
                Ok(0) => break,
                Ok(len) => self
                    .heard
                    .extend_from_slice(buffer.get(..len).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(_) => break,
            }
            if let Some(line) = self.heard.strip_suffix(b"\n") {
                let code = std::str::from_utf8(line).ok().and_then(|line| line.parse().ok());
                return code.map_or(Exit::Unknown, Exit::Code);
            }
        }
        Exit::Unknown
    }

    /// Whether the keeper holds its end of the link. It lets go before its children are given to another parent, so
    /// while it holds on, they are all below it.
    #[cfg(target_os = "linux")]
    fn is_kept(&mut self) -> bool {
        let Some(link) = &self.link else { return false };
        let mut buffer = [0; 16];
        // Asks the system itself: the runtime knows what was, not what is.
        loop {
            match rustix::io::read(link, &mut buffer) {
                Ok(0) => return false,
                Ok(len) => self
                    .heard
                    .extend_from_slice(buffer.get(..len).unwrap_or_default()),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return true,
                Err(_) => return false,
            }
        }
    }

    /// Whether the keeper has told that the command ended.
    #[cfg(target_os = "linux")]
    fn has_told(&self) -> bool {
        self.heard.ends_with(b"\n")
    }

    /// Ends all that still runs: SIGTERM, then after `grace` SIGKILL, until nothing is left.
    pub async fn end(mut self, grace: Duration) -> Ended {
        let ended = members::end(&mut self, grace).await;
        self.release().await;
        ended
    }

    /// Lets the keeper go and reaps it.
    async fn release(&mut self) {
        self.link = None;
        if tokio::time::timeout(PATIENCE, self.keeper.wait()).await.is_err() {
            let _ = self.keeper.kill().await;
        }
        self.over = true;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.over {
            self.members.kill_now();
            let _ = self.keeper.start_kill();
            // What it started between the look and its end.
            self.members.kill_now();
        }
    }
}

/// Ends what still runs of calls (`scope/call`) whose program ended without doing so, as after SIGKILL. Nobody who runs
/// may own those calls. This process and those above it are left alone, whatever mark they carry.
///
/// Nothing is found elsewhere than on Linux.
pub async fn end_left(calls: &[String], grace: Duration) -> Ended {
    members::end_left(calls, grace).await
}

/// A socket for us, and its other end for a plain program: that waits when it reads.
fn plain_pair() -> io::Result<(UnixStream, OwnedFd)> {
    let (ours, theirs) = UnixStream::pair()?;
    let theirs = theirs.into_std()?;
    theirs.set_nonblocking(false)?;
    Ok((ours, theirs.into()))
}

/// A mark that no other call has had, here or in another process: ids of calls are other people's.
pub(crate) fn unique(call: &str) -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::SystemTime;
    static ORDINAL: AtomicU64 = AtomicU64::new(0);
    let ordinal = ORDINAL.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos();
    let call: String = call.chars().filter(|c| !c.is_control()).collect();
    format!("{call}@{}.{now}.{ordinal}", std::process::id())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{BufRead as _, BufReader};

    use rustix::process::{Signal, WaitId, WaitIdOptions, kill_process, waitid};

    use super::*;

    /// As when whoever started it is killed: all that it has is the link, and that is closed.
    #[tokio::test]
    async fn a_program_with_which_one_talks_ends_when_nobody_holds_its_link() {
        use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _};
        let (mut errors, theirs) = io::pipe().unwrap();
        let script = "trap '' TERM HUP; sleep 1000 & echo began; cat";
        let command = ["sh", "-c", script].map(OsStr::new);
        let (mut running, socket) =
            Running::start_talking(&command, Path::new("/"), std::env::vars_os(), "call", theirs).unwrap();
        let (from, mut to) = socket.into_split();
        let mut lines = tokio::io::BufReader::new(from).lines();
        assert_eq!(lines.next_line().await.unwrap().unwrap(), "began");
        to.write_all(b"said\n").await.unwrap();
        assert_eq!(lines.next_line().await.unwrap().unwrap(), "said");
        running.link = None;
        running.keeper.wait().await.unwrap();
        // Every one of them holds the other end of this pipe, so it ends when the last of them has.
        let read = tokio::task::spawn_blocking(move || io::Read::read_to_end(&mut errors, &mut Vec::new()));
        assert_eq!(read.await.unwrap().unwrap(), 0);
    }

    /// On a busy machine a keeper may come to run only when its command is not wanted any more.
    #[tokio::test]
    async fn a_command_that_had_not_begun_when_it_was_ended_never_begins() {
        let (reader, writer) = io::pipe().unwrap();
        let errors = writer.try_clone().unwrap();
        // Stands still until nobody holds the link.
        let slow = format!("while read -r early; do :; done\n{KEEPER}");
        let command = ["sh", "-c", "echo began; exec tail -f /dev/null"].map(OsStr::new);
        let environment = std::env::vars_os();
        let running = Running::keep(
            &slow,
            &command,
            Path::new("/"),
            environment,
            "call",
            writer.into(),
            errors,
        )
        .unwrap();
        assert_eq!(running.end(Duration::from_secs(1)).await, Ended::default());
        assert_eq!(BufReader::new(reader).lines().next().map(Result::unwrap), None);
    }

    #[tokio::test]
    async fn those_who_lost_their_keeper_are_found_by_session_and_mark() {
        let (reader, writer) = io::pipe().unwrap();
        let script = "setsid sleep 1000 & echo $!; sleep 1000 & echo $!; exec >&- 2>&-; wait";
        let command = ["bash", "-c", script].map(OsStr::new);
        let mut running =
            Running::start(&command, Path::new("/"), std::env::vars_os(), "call", writer).unwrap();
        let mut lines = BufReader::new(reader).lines();
        let pids: Vec<i32> = (0..2)
            .map(|_| lines.next().unwrap().unwrap().parse().unwrap())
            .collect();
        let keeper = Pid::from_raw(running.keeper.id().unwrap().cast_signed()).unwrap();
        kill_process(keeper, Signal::KILL).unwrap();
        // Dead and not reaped: by now its children are another's.
        waitid(WaitId::Pid(keeper), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();

        assert_eq!(running.exit().await, Exit::Unknown);
        let ended = running.end(Duration::from_secs(1)).await;
        assert_eq!(ended.survivors, []);
        for pid in pids {
            assert!(
                ended.found.iter().any(|process| process.pid == pid),
                "{pid} in {ended:?}"
            );
        }
    }
}

//! Finding a command's processes in `/proc` (`proc_pid_stat(5)`), and signalling them without mistaking one whose id
//! was given to another.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal};
use tokio::process::Command;
use tokio::time::Instant;

use super::{Ended, MARK, PATIENCE, Process, Running};

/// Which processes are a command's.
#[derive(Debug, Clone)]
pub(super) struct Members {
    keeper: i32,
    /// As it stands in an environment.
    mark: Vec<u8>,
}

/// A process, identified: an id with the time of its start, in clock ticks since boot, belongs to one process only.
#[derive(Debug, Clone)]
struct Seen {
    pid: i32,
    started: u64,
    name: String,
}

/// What `/proc/PID/stat` tells.
struct Stat {
    name: String,
    state: u8,
    parent: i32,
    session: i32,
    started: u64,
}

pub(super) fn prepare(keeper: &mut Command) {
    #[allow(
        unsafe_code,
        reason = "`pre_exec` is the only way to run something between fork and exec"
    )]
    // SAFETY: the closure makes three system calls through thin wrappers. It neither allocates nor locks, so it is
    // sound in the child of a process with threads.
    unsafe {
        keeper.pre_exec(|| {
            // A session of its own: Ctrl-C is not its affair, and no command can write to our terminal.
            rustix::process::setsid()?;
            rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
            Ok(())
        });
    }
}

impl Members {
    pub(super) fn new(keeper: Pid, mark: &str) -> Self {
        Self {
            keeper: keeper.as_raw_nonzero().get(),
            mark: format!("{MARK}={mark}").into_bytes(),
        }
    }

    /// All that run now, without the keeper: those below it, and, where it may be gone, `kin` by session and mark.
    fn seen(&self, kin: bool) -> Vec<Seen> {
        // Most commands leave nothing behind, and then this one file says so (`proc_tid_children(5)`: as a list it may
        // miss some while processes end, but not the first one).
        let keeper = self.keeper;
        if !kin && fs::read(format!("/proc/{keeper}/task/{keeper}/children")).is_ok_and(|all| all.is_empty())
        {
            return Vec::new();
        }
        let mut stats: BTreeMap<i32, Stat> = BTreeMap::new();
        let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            if let Some(stat) = stat(pid) {
                children.entry(stat.parent).or_default().push(pid);
                stats.insert(pid, stat);
            }
        }
        let mut members = BTreeSet::new();
        let mut below = vec![self.keeper];
        while let Some(parent) = below.pop() {
            for &child in children.get(&parent).into_iter().flatten() {
                if members.insert(child) {
                    below.push(child);
                }
            }
        }
        if kin {
            let kin = stats
                .iter()
                .filter(|(pid, stat)| stat.session == self.keeper || self.is_marked(**pid));
            members.extend(kin.map(|(&pid, _)| pid));
        }
        members.remove(&self.keeper);
        members
            .into_iter()
            .filter_map(|pid| {
                let stat = stats.remove(&pid).filter(|stat| !stat.is_dead())?;
                Some(Seen {
                    pid,
                    started: stat.started,
                    name: stat.name,
                })
            })
            .collect()
    }

    fn is_marked(&self, pid: i32) -> bool {
        has_variable(pid, |variable| variable == self.mark)
    }

    /// Kills everything, without waiting for anyone's leave. For when there is nobody left to wait.
    pub(super) fn kill_now(&self) {
        let until = std::time::Instant::now() + Duration::from_millis(100);
        loop {
            let seen = self.seen(true);
            for process in &seen {
                send(process, Signal::KILL);
            }
            if seen.is_empty() || std::time::Instant::now() > until {
                return;
            }
            std::thread::yield_now();
        }
    }
}

impl Stat {
    /// Ended, and only waits to be reaped.
    fn is_dead(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }
}

fn has_variable(pid: i32, is_it: impl Fn(&[u8]) -> bool) -> bool {
    // Of other people's processes the environment cannot be read, and they are not meant.
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(is_it)
}

/// Whose mark begins like one of these, without this process and those above it.
fn marked(marks: &[Vec<u8>]) -> Vec<Seen> {
    let mut above = BTreeSet::from([rustix::process::getpid().as_raw_nonzero().get()]);
    let mut next = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    while let Some(pid) = next.filter(|pid| above.insert(*pid)) {
        next = stat(pid).map(|stat| stat.parent);
    }
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| !above.contains(pid))
        .filter(|pid| {
            has_variable(*pid, |variable| {
                marks.iter().any(|mark| variable.starts_with(mark))
            })
        })
        .filter_map(|pid| {
            let stat = stat(pid).filter(|stat| !stat.is_dead())?;
            Some(Seen {
                pid,
                started: stat.started,
                name: stat.name,
            })
        })
        .collect()
}

/// Whether it is a keeper, which goes by itself once its command has ended and nobody holds the link.
fn is_keeper(process: &Seen) -> bool {
    let line = fs::read(format!("/proc/{}/cmdline", process.pid)).unwrap_or_default();
    line.split(|byte| *byte == 0)
        .any(|argument| argument == super::KEEPER_NAME.as_bytes())
}

/// As [`end`], for calls whose keeper had nobody left to keep for.
pub(super) async fn end_left(calls: &[String], grace: Duration) -> Ended {
    let marks: Vec<Vec<u8>> = calls
        .iter()
        .map(|call| format!("{MARK}={call}@").into_bytes())
        .collect();
    let mut ending = Ending::begin(grace);
    let survivors = loop {
        let marks = marks.clone();
        let seen = tokio::task::spawn_blocking(move || {
            marked(&marks)
                .into_iter()
                .partition::<Vec<Seen>, _>(|process| !is_keeper(process))
        });
        let Ok((seen, keepers)) = seen.await else {
            break Vec::new();
        };
        if seen.is_empty() && keepers.is_empty() {
            break Vec::new();
        }
        if let Some(survivors) = ending.tell(seen).await {
            break survivors;
        }
    };
    ending.ended(survivors)
}

fn stat(pid: i32) -> Option<Stat> {
    let line = fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may itself hold some, and spaces.
    let (open, close) = (memchr::memchr(b'(', &line)?, memchr::memrchr(b')', &line)?);
    let name = String::from_utf8_lossy(line.get(open + 1..close)?).into_owned();
    let rest = std::str::from_utf8(line.get(close + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = *fields.next()?.as_bytes().first()?;
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    let started = fields.nth(15)?.parse().ok()?;
    Some(Stat {
        name,
        state,
        parent,
        session,
        started,
    })
}

fn send(process: &Seen, signal: Signal) {
    let Some(pid) = Pid::from_raw(process.pid) else {
        return;
    };
    match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
        // The handle keeps the process; if it is the one that was seen, the signal reaches no other.
        Ok(handle) => {
            if stat(process.pid).is_some_and(|stat| stat.started == process.started) {
                let _ = rustix::process::pidfd_send_signal(&handle, signal);
            }
        }
        Err(rustix::io::Errno::NOSYS) => {
            // Gone already is what was wanted; not permitted is told by its surviving.
            let _ = rustix::process::kill_process(pid, signal);
        }
        Err(_) => {}
    }
}

/// Processes on their way to their end.
struct Ending {
    begun: Instant,
    grace: Duration,
    found: BTreeMap<(u64, i32), String>,
    pause: Duration,
}

impl Ending {
    fn begin(grace: Duration) -> Self {
        Self {
            begun: Instant::now(),
            grace,
            found: BTreeMap::new(),
            pause: Duration::from_millis(2),
        }
    }

    /// Tells those that were seen to end, and waits a little; or gives up on them.
    async fn tell(&mut self, seen: Vec<Seen>) -> Option<Vec<Process>> {
        let elapsed = self.begun.elapsed();
        if elapsed > self.grace + PATIENCE {
            let survivors = seen.into_iter().map(|seen| Process {
                pid: seen.pid,
                name: seen.name,
            });
            return Some(survivors.collect());
        }
        let first = self.found.is_empty();
        for process in &seen {
            self.found
                .insert((process.started, process.pid), process.name.clone());
            if elapsed >= self.grace {
                send(process, Signal::KILL);
            } else if first {
                // Once: what they start now is to tidy up with, and may do so.
                send(process, Signal::TERM);
                // One that is stopped would not hear of it.
                send(process, Signal::CONT);
            }
        }
        let left = self.grace.saturating_sub(elapsed);
        tokio::time::sleep(if left.is_zero() {
            self.pause
        } else {
            self.pause.min(left)
        })
        .await;
        self.pause = (self.pause * 2).min(Duration::from_millis(50));
        None
    }

    fn ended(self, survivors: Vec<Process>) -> Ended {
        let found = self
            .found
            .into_iter()
            .map(|((_, pid), name)| Process { pid, name })
            .collect();
        Ended { found, survivors }
    }
}

pub(super) async fn end(running: &mut Running, grace: Duration) -> Ended {
    let mut ending = Ending::begin(grace);
    let mut killed = false;
    let survivors = loop {
        let members = running.members.clone();
        let kept = !killed && running.is_kept();
        let seen = tokio::task::spawn_blocking(move || members.seen(!kept)).await;
        let Ok(seen) = seen else { break Vec::new() };
        if seen.is_empty() {
            if !kept {
                break Vec::new();
            }
            if !running.is_kept() {
                // The keeper went while we looked, and took with it what we went by.
                continue;
            }
            if running.has_told() {
                break Vec::new();
            }
            // It may not have come to start the command yet, and would do so once we are gone.
            let _ = running.keeper.kill().await;
            killed = true;
            continue;
        }
        if let Some(survivors) = ending.tell(seen).await {
            break survivors;
        }
    };
    ending.ended(survivors)
}

//! A command's processes where there is no `/proc`: those of its group. One that leaves the group is not found.

use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::process::Command;
use tokio::time::Instant;

use super::{Ended, PATIENCE, Process, Running};

#[derive(Debug, Clone)]
pub(super) struct Members {
    group: Pid,
}

pub(super) fn prepare(keeper: &mut Command) {
    keeper.process_group(0);
}

impl Members {
    pub(super) fn new(keeper: Pid, _mark: &str) -> Self {
        Self { group: keeper }
    }

    fn send(&self, signal: Signal) {
        let _ = rustix::process::kill_process_group(self.group, signal);
    }

    pub(super) fn kill_now(&self) {
        self.send(Signal::KILL);
    }

    fn any(&self) -> bool {
        rustix::process::test_kill_process_group(self.group).is_ok()
    }
}

pub(super) async fn end(running: &mut Running, grace: Duration) -> Ended {
    // The keeper is of the group too. It goes when it has reaped the command, unless SIGKILL has it first.
    running.link = None;
    let begun = Instant::now();
    let group = running.members.clone();
    let mut ended = Ended::default();
    let mut pause = Duration::from_millis(2);
    let mut told = false;
    loop {
        let _ = running.keeper.try_wait();
        if !group.any() {
            return ended;
        }
        let elapsed = begun.elapsed();
        let whole = Process {
            pid: group.group.as_raw_nonzero().get(),
            name: "process group".to_owned(),
        };
        if elapsed > grace + PATIENCE {
            ended.survivors = vec![whole];
            return ended;
        }
        if elapsed >= grace {
            group.send(Signal::KILL);
        } else if !told {
            group.send(Signal::TERM);
            told = true;
        }
        ended.found = vec![whole];
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Without `/proc` nobody tells whose they are.
pub(super) async fn end_left(_: &[String], _: Duration) -> Ended {
    Ended::default()
}

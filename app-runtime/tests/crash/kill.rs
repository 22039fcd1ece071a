//! When a second process dies: at a write of a journal, before, in the middle of it or after it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use glasswork_engine::ScopeId;
use glasswork_engine::journal::{Appended, Journal, Line, Reporter};
use rustix::process::{Signal, getpid, kill_process};

const AT: &str = "GLASSWORK_TEST_KILL_AT";
const MOMENT: &str = "GLASSWORK_TEST_KILL_MOMENT";

/// A moment of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The line was sealed and is not in the file.
    Before,
    /// The line is in the file, and nobody was told.
    Written,
    /// So long after it was given to the journal, in microseconds: answers, releases and runners are on their way.
    After(u64),
    /// As soon as names below the sessions or the trash have changed so often after it was given to the journal. The one
    /// who moves goes on meanwhile, so that not only the moment of a change is met.
    Renamed(u32),
}

/// A death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kill {
    /// At which line that is given to the journal, from 1, of all scopes.
    pub at: u64,
    /// When.
    pub moment: Moment,
}

impl Kill {
    pub(crate) fn put_into(self, command: &mut Command) {
        let moment = match self.moment {
            Moment::Before => "before".to_owned(),
            Moment::Written => "written".to_owned(),
            Moment::After(micros) => micros.to_string(),
            Moment::Renamed(times) => format!("renamed {times}"),
        };
        command.env(AT, self.at.to_string()).env(MOMENT, moment);
    }

    fn of_this_process() -> Option<Self> {
        let at = std::env::var(AT).ok()?.parse().unwrap();
        let moment = match std::env::var(MOMENT).unwrap().as_str() {
            "before" => Moment::Before,
            "written" => Moment::Written,
            other => match other.strip_prefix("renamed ") {
                Some(times) => Moment::Renamed(times.parse().unwrap()),
                None => Moment::After(other.parse().unwrap()),
            },
        };
        Some(Self { at, moment })
    }
}

/// How many lines this process has given to its journal.
static GIVEN: AtomicU64 = AtomicU64::new(0);

/// How many lines this process has given to its journal.
pub(crate) fn given() -> u64 {
    GIVEN.load(Ordering::Relaxed)
}

/// A journal that counts what it is given, and kills its process when its time has come.
pub(crate) struct Deadly {
    inner: Box<dyn Journal>,
    data: PathBuf,
    kill: Option<Kill>,
}

impl Deadly {
    /// As the first process said.
    pub(crate) fn around(inner: Box<dyn Journal>, data: &Path) -> Self {
        Self {
            inner,
            data: data.to_owned(),
            kill: Kill::of_this_process(),
        }
    }
}

/// As a kernel out of memory would: nothing is dropped, nothing is flushed.
fn die() -> ! {
    kill_process(getpid(), Signal::KILL).unwrap();
    loop {
        std::thread::park();
    }
}

impl Journal for Deadly {
    fn start(&mut self, reporter: Reporter) {
        self.inner.start(reporter);
    }

    fn append(&mut self, line: Line) -> Appended {
        let given = GIVEN.fetch_add(1, Ordering::Relaxed) + 1;
        let Some(kill) = self.kill.filter(|kill| kill.at == given) else {
            return self.inner.append(line);
        };
        match kill.moment {
            Moment::Before => die(),
            Moment::Written => {
                let (scope, bytes) = (line.scope, line.bytes.clone());
                self.inner.append(line);
                // This is the writer's thread: while it waits here, nobody can be told.
                while !holds(&self.data, scope, &bytes) {
                    std::thread::yield_now();
                }
                die()
            }
            Moment::Renamed(times) => {
                let data = self.data.clone();
                let mut before = names(&data);
                std::thread::spawn(move || {
                    let mut left = times;
                    while left > 0 {
                        let now = names(&data);
                        if now != before {
                            (left, before) = (left - 1, now);
                        }
                    }
                    die()
                });
                self.inner.append(line)
            }
            Moment::After(micros) => {
                std::thread::spawn(move || {
                    std::thread::sleep(Duration::from_micros(micros));
                    die()
                });
                self.inner.append(line)
            }
        }
    }

    fn unmounted(&mut self, scope: ScopeId) {
        self.inner.unmounted(scope);
    }
}

/// The names of sessions, and of what is in the trash.
fn names(data: &Path) -> BTreeSet<PathBuf> {
    fn walk(folder: &Path, found: &mut BTreeSet<PathBuf>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                walk(&entry.path(), found);
            }
            found.insert(entry.path());
        }
    }
    let mut found = BTreeSet::new();
    for part in ["sessions", "trash"] {
        walk(&data.join(part), &mut found);
    }
    found
}

fn holds(data: &Path, scope: ScopeId, line: &[u8]) -> bool {
    journal(data, scope).is_some_and(|path| {
        let text = fs::read(path).unwrap_or_default();
        text.strip_suffix(b"\n").is_some_and(|text| text.ends_with(line))
    })
}

/// The journal of a scope; `None` where it was not made.
pub(crate) fn journal(folder: &Path, scope: ScopeId) -> Option<PathBuf> {
    let named = format!("{scope}.jsonl");
    let entries = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    for path in entries {
        if path.is_dir() {
            if let Some(found) = journal(&path, scope) {
                return Some(found);
            }
        } else if path.to_string_lossy().ends_with(&named) {
            return Some(path);
        }
    }
    None
}

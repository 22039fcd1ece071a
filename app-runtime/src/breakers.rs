//! The circuit breakers of providers: one file, changed under a lock that all processes share.
//!
//! The file is JSON, in the data directory. It is replaced as a whole (written beside, synced, renamed), so a process
//! that ends at any moment leaves the old one or the new one. Who changes it holds the lock of a second file, which is
//! never removed; so of several processes one has the try of a breaker that is half open. A file that cannot be read is
//! moved aside, because no breaker is worth that nothing can be asked; one that cannot be written counts in this process
//! alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use glasswork_agent_session::runners::Gate;
use glasswork_engine::{Clock, Timestamp};
use glasswork_session_state::breaker::{Breaker, Pass, Refused, Rules, Verdict};
use glasswork_session_state::host_settings::Settings;
use im::OrdMap;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::sync::watch;

use crate::written_file::{Replace, WrittenFile};

/// A longer file is none.
const MOST_BYTES: u64 = 1 << 20;

/// The breakers that are not as new, by the name of their provider.
pub type All = OrdMap<Arc<str>, Breaker>;

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", file.display())]
pub struct BreakersError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong.
    pub error: io::Error,
}

/// When breakers open, as it is set.
#[must_use]
pub fn rules(settings: &Settings) -> Rules {
    Rules {
        failures: settings.breaker_failures.value,
        window: Duration::from_secs(settings.breaker_window_seconds.value.into()),
        pause: Duration::from_secs(settings.breaker_pause_seconds.value.into()),
    }
}

/// The circuit breakers of all providers, as all processes see them.
pub struct Breakers {
    file: PathBuf,
    rules: Rules,
    clock: Arc<dyn Clock>,
    held: Mutex<Held>,
    seen: watch::Sender<All>,
}

/// What was read or written last.
#[derive(Default)]
struct Held {
    all: All,
    /// Which file that was; `None` for none.
    stamp: Option<Stamp>,
}

/// A file that is replaced as a whole is another one each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

/// The file's text.
#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    providers: All,
}

impl std::fmt::Debug for Breakers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Breakers").field(&self.file).finish()
    }
}

impl Breakers {
    /// In a data directory. Nothing is made.
    #[must_use]
    pub fn below(data: &Path, rules: Rules, clock: Arc<dyn Clock>) -> Self {
        let breakers = Self {
            file: data.join("breakers.json"),
            rules,
            clock,
            held: Mutex::default(),
            seen: watch::Sender::default(),
        };
        breakers.look(&mut breakers.held());
        breakers
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The breakers as they are now.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn now(&self) -> Result<All, BreakersError> {
        self.read().map_err(|error| self.error(error))
    }

    /// How long a breaker lets nothing through from now on; `None` where it does.
    #[must_use]
    pub fn left(&self, breaker: &Breaker) -> Option<Duration> {
        breaker.left(self.clock.wall())
    }

    /// Closes the breaker of a provider, or all of them, and forgets what failed. Returns the names of those that were
    /// not as new.
    ///
    /// # Errors
    /// Where the file cannot be changed.
    pub fn reset(&self, provider: Option<&str>) -> Result<Vec<Arc<str>>, BreakersError> {
        let mut held = self.held();
        let reset = || {
            let _lock = self.lock()?;
            let mut all = self.read_or_move_aside()?;
            let meant = |name: &Arc<str>| provider.is_none_or(|provider| **name == *provider);
            let names: Vec<_> = all.keys().filter(|name| meant(name)).cloned().collect();
            for name in &names {
                all.remove(name);
            }
            if !names.is_empty() {
                self.write(&all)?;
            }
            Ok((all, names))
        };
        let (all, names) = reset().map_err(|error| self.error(error))?;
        self.hold(&mut held, all);
        Ok(names)
    }

    /// The breakers as this process sees them, and how they change.
    pub(crate) fn follow(&self) -> watch::Receiver<All> {
        self.seen.subscribe()
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes a breaker, where `change` changes it. That is called once for what is known, and once more, with the lock
    /// held, for what then is the case.
    fn change<T>(&self, provider: &str, change: impl Fn(&mut Breaker, Timestamp) -> T) -> T {
        let mut held = self.held();
        self.look(&mut held);
        let now = self.clock.wall();
        let mut breaker = held.all.get(provider).cloned().unwrap_or_default();
        let before = breaker.clone();
        let given = change(&mut breaker, now);
        if breaker == before {
            return given;
        }
        let lasting = || -> io::Result<(All, T)> {
            let _lock = self.lock()?;
            let mut all = self.read_or_move_aside()?;
            let mut breaker = all.get(provider).cloned().unwrap_or_default();
            // Not the time before the wait for the lock: what others noted meanwhile would lie in the future.
            let given = change(&mut breaker, self.clock.wall());
            put(&mut all, provider, breaker);
            self.write(&all)?;
            Ok((all, given))
        };
        match lasting() {
            Ok((all, given)) => {
                self.hold(&mut held, all);
                given
            }
            Err(_) => {
                put(&mut held.all, provider, breaker);
                self.tell(&held.all);
                given
            }
        }
    }

    /// Reads the file again, where it is another one than before. One that cannot be read counts for nothing.
    fn look(&self, held: &mut Held) {
        let stamp = self.stamp();
        if stamp != held.stamp {
            held.all = self.read().unwrap_or_default();
            held.stamp = stamp;
            self.tell(&held.all);
        }
    }

    fn hold(&self, held: &mut Held, all: All) {
        held.stamp = self.stamp();
        held.all = all;
        self.tell(&held.all);
    }

    fn tell(&self, all: &All) {
        self.seen.send_if_modified(|seen| {
            let differs = seen != all;
            *seen = all.clone();
            differs
        });
    }

    fn stamp(&self) -> Option<Stamp> {
        let found = fs::metadata(&self.file).ok()?;
        Some(Stamp {
            inode: found.ino(),
            bytes: found.len(),
            changed: (found.mtime(), found.mtime_nsec()),
        })
    }

    fn lock(&self) -> io::Result<File> {
        let folder = self.file.parent().unwrap_or(Path::new("."));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.file.with_extension("lock"))?;
        file.lock()?;
        Ok(file)
    }

    fn read(&self) -> io::Result<All> {
        let file = match File::open(&self.file) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(All::new()),
            Err(error) => return Err(error),
        };
        let mut text = Vec::new();
        file.take(MOST_BYTES).read_to_end(&mut text)?;
        let kept: Kept = serde_json::from_slice(&text)?;
        Ok(kept.providers)
    }

    fn read_or_move_aside(&self) -> io::Result<All> {
        match self.read() {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
                ) =>
            {
                fs::rename(&self.file, self.file.with_extension("json.damaged"))?;
                Ok(All::new())
            }
            read => read,
        }
    }

    fn write(&self, all: &All) -> io::Result<()> {
        let kept = Kept {
            version: 1,
            providers: all.clone(),
        };
        let mut file = WrittenFile::create(&self.file, Replace::Yes)?;
        file.write_all(&serde_json::to_vec_pretty(&kept)?)?;
        file.finish()
    }

    fn error(&self, error: io::Error) -> BreakersError {
        BreakersError {
            file: self.file.clone(),
            error,
        }
    }
}

fn put(all: &mut All, provider: &str, breaker: Breaker) {
    match breaker.is_new() {
        true => drop(all.remove(provider)),
        false => drop(all.insert(provider.into(), breaker)),
    }
}

impl Gate for Breakers {
    fn is_clear(&self, provider: &str) -> bool {
        // Who holds it may wait for another process.
        let Ok(mut held) = self.held.try_lock() else {
            return false;
        };
        self.look(&mut held);
        !held.all.contains_key(provider)
    }

    fn admit(&self, provider: &str) -> Result<Pass, Refused> {
        self.change(provider, |breaker, now| breaker.admit(self.rules, now))
    }

    fn settle(&self, provider: &str, pass: Pass, verdict: Verdict) {
        self.change(provider, |breaker, now| {
            breaker.settle(pass, verdict, self.rules, now)
        });
    }
}

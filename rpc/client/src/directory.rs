//! Where hosts have their sockets: a directory of the user's own, in which nobody else can put anything.
//!
//! A host has three files there: `NAME.lock`, locked as long as it lives, `NAME.sock`, and `NAME.json`, its card. Whoever
//! finds a lock that nobody holds removes all three, under the lock of the directory.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, Mode, OFlags, fchmod, flock, fstat, open, openat, statat, unlinkat};
use rustix::fs::{FileType, FlockOperation};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// Longest path of a socket that every system takes, in bytes: 104 with the byte that ends it, on macOS.
const PATH_BYTES: usize = 103;
/// Most bytes of a card.
const CARD_BYTES: u64 = 16 << 10;
/// How long others may have the directory's lock, who hold it for a few calls of the system.
const PATIENCE: Duration = Duration::from_secs(5);
/// The lock of the directory.
const LOCK: &str = ".lock";

/// Why there can be no socket there.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The system refused something.
    #[error("{}: {error}", path.display())]
    Io {
        /// What it was about.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Somebody else could put something there.
    #[error("{} is not used for sockets: {why}", path.display())]
    NotOwn {
        /// The directory.
        path: PathBuf,
        /// Why not.
        why: &'static str,
    },
    /// Something is in the way.
    #[error("{} is taken already, by something that is no host of yours; remove it", path.display())]
    Taken {
        /// Where the socket should be.
        path: PathBuf,
    },
    /// The path of the socket would be too long for the system.
    #[error("{} is too long for the path of a socket; set XDG_RUNTIME_DIR or GLASSWORK_HOME to a shorter one", path.display())]
    TooLong {
        /// Where the socket should be.
        path: PathBuf,
    },
    /// Somebody holds the lock of the directory, and does not let go of it.
    #[error("{}: another process holds the lock of this directory; end it, or try again", path.display())]
    Held {
        /// The directory.
        path: PathBuf,
    },
}

/// What a host says of itself to those who look for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// Its scope.
    pub host: String,
    /// The id of its process.
    pub pid: u32,
    /// The version that runs.
    pub version: String,
    /// What it was started as: `run`, `serve` …
    pub command: String,
    /// The directory in which it was started.
    pub directory: String,
}

/// A directory of the user's own.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    fd: OwnedFd,
}

/// A host that lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// Its name in the directory.
    pub name: String,
    /// What it says of itself.
    pub card: Card,
}

/// The place of a host in the directory, as long as this is there.
#[derive(Debug)]
pub struct Held {
    directory: Directory,
    name: String,
    _lock: OwnedFd,
}

impl Directory {
    /// Opens a directory, and makes it where it is missing. One that is somebody else's, or that others may enter, or a
    /// link, is not used.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub fn open(path: &Path) -> Result<Self, DirectoryError> {
        let io = |error: io::Error| DirectoryError::Io {
            path: path.to_owned(),
            error,
        };
        let made = std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path);
        match made {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(io(error)),
            _ => {}
        }
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
        let not_own = |why| DirectoryError::NotOwn {
            path: path.to_owned(),
            why,
        };
        let fd = match open(path, flags, Mode::empty()) {
            Err(Errno::LOOP | Errno::NOTDIR) => return Err(not_own("it is a link, or no directory")),
            other => other.map_err(|error| io(error.into()))?,
        };
        let stat = fstat(&fd).map_err(|error| io(error.into()))?;
        if stat.st_uid != rustix::process::geteuid().as_raw() {
            return Err(not_own("it belongs to somebody else"));
        }
        if Mode::from_raw_mode(stat.st_mode).intersects(Mode::RWXG | Mode::RWXO) {
            return Err(not_own(
                "others may enter it; `chmod 700` it, if all in it is yours",
            ));
        }
        Ok(Self {
            path: path.to_owned(),
            fd,
        })
    }

    /// The path under which a socket of the directory can be reached, whose own path may be too long for that.
    ///
    /// # Errors
    /// [`DirectoryError::TooLong`].
    pub fn address(&self, name: &str) -> Result<PathBuf, DirectoryError> {
        let path = self.path.join(socket(name));
        if path.as_os_str().len() <= PATH_BYTES {
            return Ok(path);
        }
        match cfg!(target_os = "linux") {
            true => Ok(PathBuf::from(format!(
                "/proc/self/fd/{}/{}",
                self.fd.as_raw_fd(),
                socket(name)
            ))),
            false => Err(DirectoryError::TooLong { path }),
        }
    }

    /// The hosts that live. What dead ones have left is removed.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub fn live(&self) -> Result<Vec<Live>, DirectoryError> {
        let _lock = self.lock()?;
        self.sweep()
    }

    /// Takes a place for a host: sweeps, locks, has the socket bound, and lays the card down.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub fn hold<T>(
        self,
        name: &str,
        card: &Card,
        bind: impl FnOnce(&Path) -> io::Result<T>,
    ) -> Result<(Held, T), DirectoryError> {
        let directory_lock = self.lock()?;
        self.sweep()?;
        let lock = self.create(&format!("{name}.lock"))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| self.taken(name))?;
        let address = self.address(name)?;
        let bound = match bind(&address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(self.taken(name)),
            other => other.map_err(|error| self.io(&socket(name), error))?,
        };
        let held = Held {
            name: name.to_owned(),
            _lock: lock,
            directory: self,
        };
        let laid = held.directory.lay_down(name, card);
        // Whoever gives its place up again takes it itself.
        drop(directory_lock);
        laid.map(|()| (held, bound))
    }

    /// Makes a socket the user's alone, and lays the card of its host beside it.
    fn lay_down(&self, name: &str, card: &Card) -> Result<(), DirectoryError> {
        let own = Mode::RUSR | Mode::WUSR;
        rustix::fs::chmodat(&self.fd, socket(name), own, AtFlags::empty())
            .map_err(|error| self.io(&socket(name), error.into()))?;
        let file = format!("{name}.json");
        let mut laid = File::from(self.create(&file)?);
        let text = serde_json::to_vec(card).map_err(|error| self.io(&file, error.into()))?;
        laid.write_all(&text).map_err(|error| self.io(&file, error))
    }

    fn create(&self, file: &str) -> Result<OwnedFd, DirectoryError> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDWR;
        match openat(&self.fd, file, flags, Mode::RUSR | Mode::WUSR) {
            Err(Errno::EXIST) => Err(DirectoryError::Taken {
                path: self.path.join(file),
            }),
            other => other.map_err(|error| self.io(file, error.into())),
        }
    }

    /// Holds off everybody else who comes or looks.
    fn lock(&self) -> Result<OwnedFd, DirectoryError> {
        let flags = OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDWR;
        let lock = openat(&self.fd, LOCK, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|error| self.io(LOCK, error.into()))?;
        // Nobody but this user can have made it otherwise.
        fchmod(&lock, Mode::RUSR | Mode::WUSR).map_err(|error| self.io(LOCK, error.into()))?;
        let until = Instant::now() + PATIENCE;
        loop {
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(lock),
                Err(Errno::WOULDBLOCK) if Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(2));
                }
                Err(Errno::WOULDBLOCK) => {
                    return Err(DirectoryError::Held {
                        path: self.path.clone(),
                    });
                }
                Err(error) => return Err(self.io(LOCK, error.into())),
            }
        }
    }

    /// The hosts that live; the files of the others are removed. The directory is locked.
    fn sweep(&self) -> Result<Vec<Live>, DirectoryError> {
        let entries = rustix::fs::Dir::read_from(&self.fd).map_err(|error| self.io("", error.into()))?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| self.io("", error.into()))?;
            let name = entry.file_name().to_string_lossy();
            if let Some(name) = name.strip_suffix(".lock").filter(|name| !name.is_empty()) {
                names.push(name.to_owned());
            }
        }
        names.sort();
        let mut live = Vec::new();
        for name in names {
            let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDWR;
            let Ok(lock) = openat(&self.fd, format!("{name}.lock"), flags, Mode::empty()) else {
                continue;
            };
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => self.remove(&name),
                Err(_) => live.extend(self.card(&name).map(|card| Live { name, card })),
            }
        }
        Ok(live)
    }

    fn card(&self, name: &str) -> Option<Card> {
        let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY | OFlags::NONBLOCK;
        let file = openat(&self.fd, format!("{name}.json"), flags, Mode::empty()).ok()?;
        let mut text = String::new();
        File::from(file).take(CARD_BYTES).read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }

    fn remove(&self, name: &str) {
        let is_socket = statat(&self.fd, socket(name), AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Socket);
        if is_socket {
            let _ = unlinkat(&self.fd, socket(name), AtFlags::empty());
        }
        let _ = unlinkat(&self.fd, format!("{name}.json"), AtFlags::empty());
        let _ = unlinkat(&self.fd, format!("{name}.lock"), AtFlags::empty());
    }

    fn taken(&self, name: &str) -> DirectoryError {
        DirectoryError::Taken {
            path: self.path.join(socket(name)),
        }
    }

    fn io(&self, file: &str, error: io::Error) -> DirectoryError {
        DirectoryError::Io {
            path: self.path.join(file),
            error,
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Where it cannot be had, the next host sweeps.
        if let Ok(_lock) = self.directory.lock() {
            self.directory.remove(&self.name);
        }
    }
}

fn socket(name: &str) -> String {
    format!("{name}.sock")
}

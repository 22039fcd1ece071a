//! Opening exactly the path that was judged, and replacing a file in one step.
//!
//! A resolved path holds no symlink. So it is walked down from the root one directory at a time, and a component that
//! has become a symlink since is refused: swapping one between the decision and the opening gains nothing.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::failure::ToolFailure;

/// What kind of thing a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A named pipe. Opening one waits for the other side.
    Fifo,
    /// A socket.
    Socket,
    /// A device that is read character by character.
    CharacterDevice,
    /// A disk or the like.
    BlockDevice,
    /// A symbolic link. Resolved paths only have them where one was put later.
    Symlink,
    /// Something else.
    Other,
}

impl FileKind {
    pub(crate) fn of(file_type: std::fs::FileType) -> Self {
        match file_type {
            t if t.is_file() => Self::File,
            t if t.is_dir() => Self::Directory,
            t if t.is_fifo() => Self::Fifo,
            t if t.is_socket() => Self::Socket,
            t if t.is_char_device() => Self::CharacterDevice,
            t if t.is_block_device() => Self::BlockDevice,
            t if t.is_symlink() => Self::Symlink,
            _ => Self::Other,
        }
    }

    /// With its article, for sentences.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "a file",
            Self::Directory => "a directory",
            Self::Fifo => "a named pipe",
            Self::Socket => "a socket",
            Self::CharacterDevice => "a character device",
            Self::BlockDevice => "a block device",
            Self::Symlink => "a symbolic link",
            Self::Other => "not a file",
        }
    }
}

/// Only for looking things up below it, so that a directory that may be passed but not listed will do.
const DIRECTORY: OFlags = OFlags::DIRECTORY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC)
    .union(LOOK_UP);
#[cfg(target_os = "linux")]
const LOOK_UP: OFlags = OFlags::PATH;
#[cfg(not(target_os = "linux"))]
const LOOK_UP: OFlags = OFlags::RDONLY;

/// The directory in which a judged path's last name stands.
#[derive(Debug)]
pub(crate) struct Place {
    directory: OwnedFd,
    name: OsString,
    path: PathBuf,
}

impl Place {
    /// Walks down to the path's parent.
    pub(crate) fn find(path: &Path) -> Result<Self, ToolFailure> {
        Self::walk(path, false)
    }

    /// Likewise, and makes the directories that are missing.
    pub(crate) fn make(path: &Path) -> Result<Self, ToolFailure> {
        Self::walk(path, true)
    }

    fn walk(path: &Path, make: bool) -> Result<Self, ToolFailure> {
        let mut components = path.components();
        let absolute = components.next() == Some(Component::RootDir);
        let names: Option<Vec<&OsStr>> = components
            .map(|component| match component {
                Component::Normal(name) => Some(name),
                _ => None,
            })
            .collect();
        let Some(mut names) = names.filter(|_| absolute) else {
            return Err(ToolFailure::io(
                "open",
                path,
                io::Error::other("the path was not resolved"),
            ));
        };
        let mut directory = rustix::fs::open("/", DIRECTORY, Mode::empty())
            .map_err(|errno| ToolFailure::io("open", Path::new("/"), errno.into()))?;
        let mut walked = PathBuf::from("/");
        // The root itself is found under the name `.` in the root.
        let name = names.pop().map_or_else(|| OsString::from("."), OsStr::to_owned);
        for step in names {
            walked.push(step);
            let open = || rustix::fs::openat(&directory, step, DIRECTORY, Mode::empty());
            let mut next = open();
            if make && matches!(next, Err(Errno::NOENT)) {
                match rustix::fs::mkdirat(&directory, step, Mode::from_raw_mode(0o777)) {
                    // What is written below it is only as durable as its name.
                    Ok(()) => sync(&directory, &walked)?,
                    Err(Errno::EXIST) => {}
                    Err(errno) => return Err(ToolFailure::io("make the directory", &walked, errno.into())),
                }
                next = open();
            }
            let next = next.map_err(|errno| match errno {
                Errno::LOOP | Errno::NOTDIR | Errno::MLINK => {
                    changed_or_not_a_directory(&directory, step, &walked)
                }
                Errno::NOENT => ToolFailure::NotFound {
                    path: path.to_owned(),
                },
                errno => ToolFailure::io("open", &walked, errno.into()),
            })?;
            directory = next;
        }
        Ok(Self {
            directory,
            name,
            path: path.to_owned(),
        })
    }

    /// Opens the regular file there. Never waits: a pipe, a device or a socket is refused before it is read.
    pub(crate) fn open_file(&self) -> Result<(File, std::fs::Metadata), ToolFailure> {
        let (file, metadata) = self.open(OFlags::NONBLOCK | OFlags::NOCTTY)?;
        match FileKind::of(metadata.file_type()) {
            FileKind::File => Ok((file, metadata)),
            found => Err(ToolFailure::NotAFile {
                path: self.path.clone(),
                found,
            }),
        }
    }

    /// Opens the directory there.
    pub(crate) fn open_directory(&self) -> Result<File, ToolFailure> {
        let (directory, metadata) = self.open(OFlags::NONBLOCK | OFlags::NOCTTY)?;
        match FileKind::of(metadata.file_type()) {
            FileKind::Directory => Ok(directory),
            found => Err(ToolFailure::NotADirectory {
                path: self.path.clone(),
                found,
            }),
        }
    }

    fn open(&self, flags: OFlags) -> Result<(File, std::fs::Metadata), ToolFailure> {
        // Opening a device can already do something (a tape rewinds, a watchdog starts), so look first. Whoever swaps
        // the name in between gains no more than that, since the open file is looked at again.
        if let Some(kind) = self.kind()?
            && !matches!(kind, FileKind::File | FileKind::Directory | FileKind::Symlink)
        {
            return Err(ToolFailure::NotAFile {
                path: self.path.clone(),
                found: kind,
            });
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | flags;
        let file = rustix::fs::openat(&self.directory, &self.name, flags, Mode::empty())
            .map(File::from)
            .map_err(|errno| match errno {
                Errno::LOOP | Errno::MLINK => ToolFailure::PathChanged {
                    path: self.path.clone(),
                },
                Errno::NOENT => ToolFailure::NotFound {
                    path: self.path.clone(),
                },
                errno => ToolFailure::io("open", &self.path, errno.into()),
            })?;
        let metadata = file
            .metadata()
            .map_err(|error| ToolFailure::io("look at", &self.path, error))?;
        Ok((file, metadata))
    }

    /// What stands there now; `None` where nothing does.
    pub(crate) fn kind(&self) -> Result<Option<FileKind>, ToolFailure> {
        match rustix::fs::statat(&self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(kind_of_mode(FileType::from_raw_mode(stat.st_mode)))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(ToolFailure::io("look at", &self.path, errno.into())),
        }
    }

    /// Puts `content` there in one step: whoever looks sees the old file or the new one. Mode and, where the system
    /// allows it, owner of the file that it replaces are kept.
    pub(crate) fn replace(&self, content: &[u8], old: Option<&std::fs::Metadata>) -> Result<(), ToolFailure> {
        let fail = |action| move |errno: Errno| ToolFailure::io(action, &self.path, errno.into());
        let (unfinished, mut file) = self.unfinished()?;
        let written = (|| {
            if let Some(old) = old {
                let own = file
                    .metadata()
                    .map_err(|error| ToolFailure::io("look at", &self.path, error))?;
                if (own.uid(), own.gid()) != (old.uid(), old.gid()) {
                    // Giving files away is for root alone; whoever may write the file may also own the new one.
                    let _ = std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid()));
                }
                rustix::fs::fchmod(
                    &file,
                    Mode::from_raw_mode(old.mode() as rustix::fs::RawMode & 0o7777),
                )
                .map_err(fail("set the mode of"))?;
            }
            file.write_all(content)
                .and_then(|()| file.sync_all())
                .map_err(|error| ToolFailure::io("write", &self.path, error))?;
            rustix::fs::renameat(&self.directory, &unfinished, &self.directory, &self.name)
                .map_err(fail("replace"))
        })();
        if written.is_err() {
            let _ = rustix::fs::unlinkat(&self.directory, &unfinished, AtFlags::empty());
        }
        written?;
        sync(&self.directory, &self.path)
    }

    fn unfinished(&self) -> Result<(OsString, File), ToolFailure> {
        static ORDINAL: AtomicU64 = AtomicU64::new(0);
        loop {
            let ordinal = ORDINAL.fetch_add(1, Ordering::Relaxed);
            let name = OsString::from(format!(".glasswork-{}-{ordinal}.unfinished", std::process::id()));
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            match rustix::fs::openat(&self.directory, &name, flags, Mode::from_raw_mode(0o666)) {
                Ok(file) => return Ok((name, File::from(file))),
                // Left by a process that had our number and did not end well.
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(ToolFailure::io("write beside", &self.path, errno.into())),
            }
        }
    }
}

/// Makes the names in a directory durable. `path` is for the failure's text.
fn sync(directory: &OwnedFd, path: &Path) -> Result<(), ToolFailure> {
    // A handle for looking things up cannot be synced.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::fs::openat(directory, ".", flags, Mode::empty()) {
        Ok(directory) => File::from(directory)
            .sync_all()
            .map_err(|error| ToolFailure::io("sync the directory of", path, error)),
        // Writable but not readable: the name is in place, only its durability is the system's affair.
        Err(_) => Ok(()),
    }
}

fn kind_of_mode(file_type: FileType) -> FileKind {
    match file_type {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Directory,
        FileType::Fifo => FileKind::Fifo,
        FileType::Socket => FileKind::Socket,
        FileType::CharacterDevice => FileKind::CharacterDevice,
        FileType::BlockDevice => FileKind::BlockDevice,
        FileType::Symlink => FileKind::Symlink,
        FileType::Unknown => FileKind::Other,
    }
}

fn changed_or_not_a_directory(directory: impl AsFd, step: &OsStr, walked: &Path) -> ToolFailure {
    match rustix::fs::statat(directory, step, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => match kind_of_mode(FileType::from_raw_mode(stat.st_mode)) {
            FileKind::Symlink => ToolFailure::PathChanged {
                path: walked.to_owned(),
            },
            found => ToolFailure::NotADirectory {
                path: walked.to_owned(),
                found,
            },
        },
        Err(errno) => ToolFailure::io("look at", walked, errno.into()),
    }
}

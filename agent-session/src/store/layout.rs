//! Where things lie below the data directory, and with which permissions.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use glasswork_engine::{ScopeId, Timestamp};
use rustix::fs::OFlags;

use super::error::StoreError;

/// The ending of a journal's name.
pub(super) const JOURNAL: &str = "jsonl";
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// In which part of the data directory a journal lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// By month: what people come back to.
    Sessions,
    /// What belongs to one run of the process.
    Host,
}

impl Place {
    pub(super) const ALL: [Self; 2] = [Self::Sessions, Self::Host];

    pub(super) fn folder(self, data: &Path) -> PathBuf {
        data.join(match self {
            Self::Sessions => "sessions",
            Self::Host => "host",
        })
    }

    /// The folders of a new journal, outermost first, and the stem of its name.
    pub(super) fn new_journal(self, data: &Path, scope: ScopeId, now: Timestamp) -> (Vec<PathBuf>, String) {
        let base = self.folder(data);
        match self {
            Self::Sessions => {
                let time = utc(now);
                let year = base.join(time.strftime("%Y").to_string());
                let month = year.join(time.strftime("%m").to_string());
                (vec![base, year, month], format!("{}-{scope}", compact(now)))
            }
            Self::Host => (vec![base], scope.to_string()),
        }
    }

    /// The id in a journal's name.
    pub(super) fn id_of(self, stem: &str) -> Option<ScopeId> {
        let id = match self {
            Self::Sessions => stem.split_once('-')?.1,
            Self::Host => stem,
        };
        id.parse().ok()
    }
}

fn utc(at: Timestamp) -> jiff::Timestamp {
    // Out of range only for clocks that are millennia off; such a journal lies under 1970.
    jiff::Timestamp::from_microsecond(at.0).unwrap_or_default()
}

/// `20261121T044511Z`
pub(super) fn compact(at: Timestamp) -> String {
    utc(at).strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Makes the data directory where it is missing, for its owner alone.
pub(super) fn prepare(data: &Path) -> Result<(), StoreError> {
    match fs::metadata(data) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(metadata) => Err(StoreError::NotAJournal {
            path: data.to_owned(),
            found: kind_of(metadata.file_type()),
            expected: "a folder",
        }),
        Err(_) => {
            if let Some(parent) = data.parent() {
                fs::create_dir_all(parent).map_err(StoreError::io("make the folder", parent))?;
            }
            ensure_folder(data).map(drop)
        }
    }
}

/// Makes a folder where it is missing; says whether it was. A link in its place is not followed.
pub(super) fn ensure_folder(folder: &Path) -> Result<bool, StoreError> {
    let made = match DirBuilder::new().mode(FOLDER_MODE).create(folder) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
        Err(error) => return Err(StoreError::io("make the folder", folder)(error)),
    };
    let metadata = fs::symlink_metadata(folder).map_err(StoreError::io("look at", folder))?;
    if !metadata.is_dir() {
        return Err(StoreError::NotAJournal {
            path: folder.to_owned(),
            found: kind_of(metadata.file_type()),
            expected: "a folder",
        });
    }
    let mode = metadata.permissions().mode() & 0o777;
    // The umask may have taken from a new one; what a person took from an old one stays taken.
    let wanted = if made { FOLDER_MODE } else { mode & FOLDER_MODE };
    if mode != wanted {
        fs::set_permissions(folder, Permissions::from_mode(wanted))
            .map_err(StoreError::io("restrict the permissions of", folder))?;
    }
    Ok(made)
}

/// What stands somewhere, for people.
pub(super) fn kind_of(file: fs::FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    if file.is_symlink() {
        "a symbolic link"
    } else if file.is_dir() {
        "a folder"
    } else if file.is_fifo() {
        "a pipe"
    } else if file.is_socket() {
        "a socket"
    } else if file.is_file() {
        "a file"
    } else {
        "a device"
    }
}

/// Whether a link is followed to the file it points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Links {
    /// A person named this path: what it leads to is meant.
    Follow,
    /// The store looks for its own file here.
    Refuse,
}

/// Options that neither follow links nor wait at a pipe.
pub(super) fn careful(links: Links) -> OpenOptions {
    let flags = match links {
        Links::Follow => OFlags::NONBLOCK | OFlags::NOCTTY,
        Links::Refuse => OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW,
    };
    let mut options = OpenOptions::new();
    options.custom_flags(flags.bits().cast_signed()).mode(FILE_MODE);
    options
}

/// Opens a file of the store, provided that it is one.
pub(super) fn open_regular(path: &Path, options: &OpenOptions, links: Links) -> Result<File, StoreError> {
    let not_a_file = |found| StoreError::NotAJournal {
        path: path.to_owned(),
        found,
        expected: "a file",
    };
    let file = match options.open(path) {
        Ok(file) => file,
        Err(error) => {
            let found = match links {
                Links::Follow => fs::metadata(path),
                Links::Refuse => fs::symlink_metadata(path),
            };
            return Err(match found {
                Ok(found) if !found.is_file() => not_a_file(kind_of(found.file_type())),
                _ => StoreError::io("open", path)(error),
            });
        }
    };
    let metadata = file.metadata().map_err(StoreError::io("look at", path))?;
    if metadata.is_file() {
        Ok(file)
    } else {
        Err(not_a_file(kind_of(metadata.file_type())))
    }
}

/// Makes a new file for its owner alone, whatever the umask takes or leaves.
pub(super) fn make_file(path: &Path) -> Result<File, StoreError> {
    let file = careful(Links::Refuse)
        .read(true)
        .append(true)
        .create_new(true)
        .open(path)
        .map_err(StoreError::io("make", path))?;
    file.set_permissions(Permissions::from_mode(FILE_MODE))
        .map_err(StoreError::io("restrict the permissions of", path))?;
    Ok(file)
}

/// Takes everybody else's permissions on a file away.
pub(super) fn own_alone(file: &File, path: &Path) -> Result<(), StoreError> {
    let restrict = || {
        let mode = file.metadata()?.permissions().mode() & 0o777;
        match mode & FILE_MODE {
            wanted if wanted == mode => Ok(()),
            wanted => file.set_permissions(Permissions::from_mode(wanted)),
        }
    };
    restrict().map_err(StoreError::io("restrict the permissions of", path))
}

/// Makes the names in a folder as durable as the files that they name.
pub(super) fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(StoreError::io("sync the folder", folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_journal_tells_when_and_who() {
        let scope = ScopeId::from_u128(7);
        let now = Timestamp(1_795_236_311_999_999);
        let (folders, stem) = Place::Sessions.new_journal(Path::new("/d"), scope, now);
        assert_eq!(stem, format!("20261121T044511Z-{scope}"));
        assert_eq!(folders.last().unwrap(), Path::new("/d/sessions/2026/11"));
        assert_eq!(Place::Sessions.id_of(&stem), Some(scope));
        let (folders, stem) = Place::Host.new_journal(Path::new("/d"), scope, now);
        assert_eq!(folders, [Path::new("/d/host")]);
        assert_eq!(Place::Host.id_of(&stem), Some(scope));
        assert_eq!(Place::Sessions.id_of("notes"), None);
    }
}

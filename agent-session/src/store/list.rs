//! What journals there are, and which one a person means.

use std::fs::{self, DirEntry, File};
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use glasswork_engine::line::{Header, MAX_LINE};
use glasswork_engine::{DispatchId, Domain, NameError, ScopeId, Timestamp};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::error::{CANDIDATES, StoreError};
use super::layout::{self, Links, Place};
use super::{Store, StoredJournal};
use super::{blocks, parts};

/// One journal of the store, or what stands where one should.
#[derive(Debug)]
pub struct Listed<K> {
    /// In which part of the store.
    pub place: Place,
    /// Where it lies.
    pub path: PathBuf,
    /// Whose it is by its name.
    pub scope: Option<ScopeId>,
    /// What it says of itself, or why it cannot be told. Damage before the last lines shows only when it is read.
    pub summary: Result<Summary<K>, StoreError>,
}

/// A journal in short, from its first line and its last ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary<K> {
    /// The scope.
    pub scope: ScopeId,
    /// Its kind.
    pub kind: K,
    /// When it was made.
    pub created: Timestamp,
    /// Of a fork: the commit of another scope at which it was made.
    pub parent: Option<DispatchId>,
    /// Its last commit; 0 where there is none.
    pub seq: u64,
    /// That commit's time, or that of the making.
    pub at: Timestamp,
    /// Length of the journal, in bytes.
    pub bytes: u64,
}

impl<D: Domain> StoredJournal<D> {
    /// The journal in short. Damage before its last lines does not show.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn summary(&self) -> Result<Summary<D::Kind>, StoreError> {
        summary(self)
    }
}

/// Something that was found in the store.
struct Found {
    place: Place,
    path: PathBuf,
    scope: Option<ScopeId>,
    /// Why it is no journal.
    problem: Option<StoreError>,
}

impl<D: Domain> Store<D> {
    /// Everything that there is, newest first; what cannot be read is listed with the reason. Journals are looked at
    /// only as the iterator comes to them.
    pub fn list(&self) -> impl Iterator<Item = Listed<D::Kind>> + use<D> {
        let mut all = Vec::new();
        self.walk(&mut |found| {
            all.push(found);
            ControlFlow::Continue(())
        });
        all.into_iter().map(|found| {
            let Found {
                place,
                path,
                scope,
                problem,
            } = found;
            let summary = match (problem, scope) {
                (Some(problem), _) => Err(problem),
                (None, Some(scope)) => summary(&StoredJournal::<D>::of(path.clone(), scope)),
                (None, None) => Err(StoreError::NotAJournal {
                    path: path.clone(),
                    found: "a file with another kind of name",
                    expected: "a journal, named by its id",
                }),
            };
            Listed {
                place,
                path,
                scope,
                summary,
            }
        })
    }

    /// The folders in which journals of sessions lie. What cannot be read has none.
    pub(crate) fn months(&self) -> Vec<PathBuf> {
        let folders = |folder: &Path| {
            let found = entries(folder).unwrap_or_default().into_iter();
            let folders = found.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            folders.map(|entry| entry.path()).collect::<Vec<_>>()
        };
        let mut months: Vec<_> = folders(&Place::Sessions.folder(self.data()))
            .iter()
            .flat_map(|year| folders(year))
            .collect();
        months.sort();
        months
    }

    /// The journals in one of these folders, with what is wrong with them as far as their names tell; oldest first.
    pub(crate) fn journals_in(&self, month: &Path) -> Vec<(ScopeId, PathBuf, Option<StoreError>)> {
        let mut journals = Vec::new();
        let done = walk(Place::Sessions, month, 0, &mut |found| {
            journals.extend(found.scope.map(|scope| (scope, found.path, found.problem)));
            ControlFlow::Continue(())
        });
        let (ControlFlow::Continue(()) | ControlFlow::Break(())) = done;
        journals.reverse();
        journals
    }

    /// The scope in one part of the store whose id is `text`, or begins so; hyphens and case do not matter.
    ///
    /// Only in one part: a process mints an id for itself and one for its session in the same millisecond, and the
    /// two begin alike.
    ///
    /// # Errors
    /// [`StoreError::Unknown`], [`StoreError::Ambiguous`], [`StoreError::NotAName`], or that of a folder which
    /// cannot be read where nothing was found in the others.
    pub fn find(&self, place: Place, text: &str) -> Result<ScopeId, StoreError> {
        let wanted = text.trim().replace('-', "").to_ascii_lowercase();
        if wanted.is_empty() || wanted.len() > 32 || !wanted.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(StoreError::NotAName(NameError {
                text: text.to_owned(),
                expected: "an id or the beginning of one (hexadecimal digits)",
            }));
        }
        let mut candidates = Vec::new();
        let problem = self.each_scope(&mut |found, scope, _| {
            if found == place
                && scope.to_string().replace('-', "").starts_with(&wanted)
                && !candidates.contains(&scope)
            {
                candidates.push(scope);
            }
            match candidates.len() {
                CANDIDATES => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        });
        match (candidates.as_slice(), problem) {
            ([scope], _) => Ok(*scope),
            ([], Some(problem)) => Err(problem),
            ([], None) => Err(StoreError::Unknown {
                wanted: text.to_owned(),
            }),
            _ => Err(StoreError::Ambiguous {
                wanted: text.to_owned(),
                candidates,
            }),
        }
    }

    /// Whether more sessions than this may lie here, by the names of their journals alone; none of them is opened.
    #[must_use]
    pub fn has_more_sessions_than(&self, count: usize) -> bool {
        let mut seen = 0;
        let unread = self.each_scope(&mut |place, _, _| {
            seen += usize::from(place == Place::Sessions);
            match seen > count {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        seen > count || unread.is_some()
    }

    /// Where the journal of a scope lies.
    pub(super) fn path(&self, scope: ScopeId) -> Result<PathBuf, StoreError> {
        let mut path = None;
        let problem = self.each_scope(&mut |_, found, at| {
            if found == scope {
                path = Some(at.to_owned());
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        path.ok_or_else(|| {
            problem.unwrap_or(StoreError::Unknown {
                wanted: scope.to_string(),
            })
        })
    }

    /// Calls `visit` for each name of a journal; returns the first folder that could not be read.
    fn each_scope(
        &self,
        visit: &mut dyn FnMut(Place, ScopeId, &Path) -> ControlFlow<()>,
    ) -> Option<StoreError> {
        let mut unread = None;
        self.walk(&mut |found| match found {
            Found {
                place,
                scope: Some(scope),
                path,
                ..
            } => visit(place, scope, &path),
            Found { problem, .. } => {
                unread = unread.take().or(problem);
                ControlFlow::Continue(())
            }
        });
        unread
    }

    fn walk(&self, visit: &mut dyn FnMut(Found) -> ControlFlow<()>) {
        let done = Place::ALL.iter().try_for_each(|place| {
            let depth = match place {
                Place::Sessions => 2,
                Place::Host => 0,
            };
            walk(*place, &place.folder(self.data()), depth, visit)
        });
        // Whether the visitor had enough is its own affair.
        let (ControlFlow::Continue(()) | ControlFlow::Break(())) = done;
    }
}

/// Walks `depth` levels of folders and then the journals, latest names first. Links are reported, not followed.
fn walk(
    place: Place,
    folder: &Path,
    depth: u32,
    visit: &mut dyn FnMut(Found) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let problem = |path: &Path, problem| Found {
        place,
        path: path.to_owned(),
        scope: None,
        problem: Some(problem),
    };
    let mut entries = match entries(folder) {
        Ok(entries) => entries,
        // Nothing was made there yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return ControlFlow::Continue(()),
        Err(error) => return visit(problem(folder, StoreError::io("list", folder)(error))),
    };
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.file_name()));
    for entry in entries {
        let path = entry.path();
        let kind = match entry.file_type() {
            Ok(kind) => kind,
            Err(error) => {
                visit(problem(&path, StoreError::io("look at", &path)(error)))?;
                continue;
            }
        };
        let instead = |expected| StoreError::NotAJournal {
            path: path.clone(),
            found: layout::kind_of(kind),
            expected,
        };
        if depth > 0 {
            if kind.is_dir() {
                walk(place, &path, depth - 1, visit)?;
            } else {
                visit(problem(&path, instead("a folder")))?;
            }
            continue;
        }
        if path
            .extension()
            .is_none_or(|extension| extension != layout::JOURNAL)
        {
            continue;
        }
        let scope = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .and_then(|stem| place.id_of(stem));
        let problem = (!kind.is_file()).then(|| instead("a file"));
        visit(Found {
            place,
            path,
            scope,
            problem,
        })?;
    }
    ControlFlow::Continue(())
}

fn entries(folder: &Path) -> io::Result<Vec<DirEntry>> {
    fs::read_dir(folder)?.collect()
}

/// As much of a line as a list needs.
#[derive(Deserialize)]
struct Glimpse {
    seq: Option<u64>,
    at: Option<Timestamp>,
    header: Option<IgnoredAny>,
    opened: Option<IgnoredAny>,
    folded: Option<IgnoredAny>,
}

fn summary<D: Domain>(journal: &StoredJournal<D>) -> Result<Summary<D::Kind>, StoreError> {
    let header = journal.header()?;
    let parent = header.parent();
    let Header {
        scope, kind, created, ..
    } = header;
    let mut paths = vec![journal.path().to_owned()];
    paths.extend(parts::later(&journal.folder())?.into_iter().map(|part| part.path));
    let (mut bytes, mut last) = (0, Some((0, created)));
    // From the end: a part that was begun by an opening alone has no commit yet.
    for path in paths.iter().rev() {
        let file = layout::open_regular(path, layout::careful(Links::Refuse).read(true), Links::Refuse)?;
        let length = file.metadata().map_err(StoreError::io("look at", path))?.len();
        bytes += length;
        if blocks::form(&file)
            .map_err(StoreError::io("read", path))?
            .is_some()
        {
            // Its end alone says nothing.
            last = None;
        } else if let Some((0, _)) = last {
            last = last_commit(&file, length).map_err(StoreError::io("read", path))?;
        }
    }
    let (seq, at) = match last {
        Some(last) => last,
        // The end is not as it should be: reading the whole tells where and why.
        None => journal.commits(..)?.try_fold((0, created), |_, commit| {
            commit.map(|commit| (commit.id.seq, commit.at))
        })?,
    };
    Ok(Summary {
        scope,
        kind,
        created,
        parent,
        seq,
        at: if seq == 0 { created } else { at },
        bytes,
    })
}

/// The last commit by the end of the file alone. `None` where it does not tell.
fn last_commit(file: &File, length: u64) -> io::Result<Option<(u64, Timestamp)>> {
    let mut window = 16 << 10;
    loop {
        let start = length.saturating_sub(window);
        let mut bytes = vec![0; usize::try_from(length - start).unwrap_or(0)];
        file.read_exact_at(&mut bytes, start)?;
        // What follows the last newline is not written yet; what precedes the first one is part of a line.
        let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end);
        let whole = bytes.get(..end).unwrap_or_default();
        let mut lines: Vec<&[u8]> = whole.split(|byte| *byte == b'\n').collect();
        if start > 0 {
            lines.remove(0);
        }
        for line in lines.iter().rev() {
            let Ok(glimpse) = serde_json::from_slice::<Glimpse>(line) else {
                return Ok(None);
            };
            match glimpse {
                Glimpse {
                    seq: Some(seq),
                    at: Some(at),
                    ..
                } => return Ok(Some((seq, at))),
                Glimpse { header: Some(_), .. } => return Ok(Some((0, Timestamp::default()))),
                Glimpse { opened: Some(_), .. } | Glimpse { folded: Some(_), .. } => {}
                _ => return Ok(None),
            }
        }
        if start == 0 {
            // Openings alone.
            return Ok(Some((0, Timestamp::default())));
        }
        if window > 2 * MAX_LINE as u64 {
            return Ok(None);
        }
        window *= 4;
    }
}

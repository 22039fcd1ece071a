//! Digests of a scope's entities, beside its journal: whether what loads is what was live.
//!
//! Whenever a scope comes to rest, one line of `digests.jsonl` in its folder names the entities that have changed
//! since the line before, with their digests. They are made behind the journal, by the thread that writes
//! checkpoints. Loading compares those since the checkpoint from which it began. Digests of another state version, of
//! commits that the disk lost, and those behind a hole are not compared.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use glasswork_engine::digest::Digest;
use glasswork_engine::{Domain, Scope};
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::layout::{self, Links};

const CURRENT: &str = "digests.jsonl";
const PREVIOUS: &str = "digests.1.jsonl";
/// How long the file may become, in bytes, before the next one begins. Two are kept.
const ROTATE_AT: u64 = 1 << 20;

/// What has changed between two commits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    seq: u64,
    /// The commit of the line before.
    from: u64,
    epoch: u32,
    state: u32,
    digests: BTreeMap<String, Option<Digest>>,
}

/// An entity that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{entity}, as of commit {commit}, is not what it was: this build reads the record otherwise than the one that wrote it, \
     or the record was changed"
)]
pub(super) struct Mismatch {
    /// The commit as of which it was noted.
    commit: u64,
    /// The entity, in words.
    entity: String,
}

fn differing<D: Domain>(before: Option<&D::State>, after: &D::State) -> BTreeMap<String, Option<Digest>> {
    let mut digests = BTreeMap::new();
    D::entities(before, after, &mut |name, digest| {
        digests.insert(name.to_owned(), digest);
    });
    digests
}

/// Notes what has changed.
pub(super) fn note<D: Domain>(folder: &Path, before: &Scope<D>, after: &Scope<D>) -> Result<(), StoreError> {
    let record = Record {
        seq: after.seq,
        from: before.seq,
        epoch: after.epoch,
        state: D::STATE,
        digests: differing::<D>(Some(&before.state), &after.state),
    };
    let path = folder.join(CURRENT);
    let failed = || StoreError::io("write", &path);
    let mut line = serde_json::to_vec(&record).map_err(|error| failed()(error.into()))?;
    line.push(b'\n');
    let mut options = layout::careful(Links::Refuse);
    let mut file = match layout::open_regular(&path, options.read(true).append(true), Links::Refuse) {
        Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            layout::make_file(&path)?
        }
        opened => opened?,
    };
    if file.metadata().map_err(failed())?.len() >= ROTATE_AT {
        fs::rename(&path, folder.join(PREVIOUS)).map_err(failed())?;
        file = layout::make_file(&path)?;
    }
    file.write_all(&line).map_err(failed())
}

/// What digests say a state must be.
#[derive(Debug, Default)]
pub(super) struct Expected {
    records: Vec<Record>,
}

impl Expected {
    /// Those of a build with this state version, after commit `base`, newest first and without a hole.
    pub(super) fn read(folder: &Path, version: u32, base: u64) -> Self {
        let mut records: Vec<Record> = Vec::new();
        // Where they cannot be read there is nothing to compare.
        let texts = [CURRENT, PREVIOUS].map(|name| text(&folder.join(name)).unwrap_or_default());
        let lines = texts
            .iter()
            .flat_map(|text| text.split(|byte| *byte == b'\n').rev());
        for line in lines.filter(|line| !line.is_empty()) {
            let Ok(record) = serde_json::from_slice::<Record>(line) else {
                match records.is_empty() {
                    // The last line may be torn.
                    true => continue,
                    false => break,
                }
            };
            let follows = records.last().is_none_or(|later| later.from == record.seq);
            if record.state != version || record.seq <= base || !follows {
                break;
            }
            records.push(record);
        }
        Self { records }
    }

    /// The commit as of which a state can be compared.
    pub(super) fn at(&self) -> Option<u64> {
        self.records.first().map(|record| record.seq)
    }

    /// Compares the state as of that commit. `base` is the one from which it was folded; `openings` those that came
    /// after, each with the last commit before it: what an earlier owner noted of later commits was lost with them.
    pub(super) fn compare<D: Domain>(
        mut self,
        base: Option<&D::State>,
        state: &D::State,
        openings: &[(u32, u64)],
    ) -> Option<Mismatch> {
        let lost = |record: &Record| {
            openings
                .iter()
                .any(|(epoch, last)| *epoch > record.epoch && *last < record.seq)
        };
        if let Some(place) = self.records.iter().position(lost) {
            self.records.truncate(place);
        }
        let mut noted: BTreeMap<&str, (u64, &Option<Digest>)> = BTreeMap::new();
        for record in &self.records {
            for (name, digest) in &record.digests {
                // Newest first: what an entity was last is what it must be.
                noted.entry(name).or_insert((record.seq, digest));
            }
        }
        let since = differing::<D>(base, state);
        let mut whole = None;
        let mut mismatches: Vec<Mismatch> = Vec::new();
        for (name, (commit, digest)) in noted {
            let found = match since.get(name) {
                Some(found) => found,
                // It is as it was at the base, after all.
                None => whole
                    .get_or_insert_with(|| differing::<D>(None, state))
                    .get(name)
                    .unwrap_or(&None),
            };
            if found != digest {
                mismatches.push(Mismatch {
                    commit,
                    entity: name.to_owned(),
                });
            }
        }
        mismatches.into_iter().min_by_key(|mismatch| mismatch.commit)
    }
}

fn text(path: &Path) -> Result<Vec<u8>, StoreError> {
    let mut options = layout::careful(Links::Refuse);
    let file = layout::open_regular(path, options.read(true), Links::Refuse)?;
    let mut text = Vec::new();
    // Not beyond what it may become, and one long line.
    file.take(2 * ROTATE_AT)
        .read_to_end(&mut text)
        .map_err(StoreError::io("read", path))?;
    Ok(text)
}

//! Digests of a scope's entities, beside its journal: whether what loads is what was live.
//!
//! Whenever a scope comes to rest, one line of `digests.jsonl` in its folder names the entities that have changed
//! since the line before, with their digests. They are made behind the journal, by the thread that writes
//! checkpoints. Loading compares those since the checkpoint from which it began. Digests of another state version and
//! those behind a hole are not compared, nor those of another history: each says with which checksum the line of its
//! commit ends, and that cannot be so where the disk lost that commit, or where an older copy of the journal was put
//! back and went on otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use glasswork_engine::digest::Digest;
use glasswork_engine::line::Chain;
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
    /// The chain after the line of that commit.
    chain: Chain,
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

/// Notes what has changed. After the last commit of `after` the journal's chain stands at `chain`.
pub(super) fn note<D: Domain>(
    folder: &Path,
    before: &Scope<D>,
    after: &Scope<D>,
    chain: Chain,
) -> Result<(), StoreError> {
    let record = Record {
        seq: after.seq,
        from: before.seq,
        chain,
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
    /// Newest first.
    records: Vec<Record>,
    by_commit: BTreeMap<u64, Vec<usize>>,
    /// Which of them are of this journal: it has come by their commit, and their chain.
    ours: BTreeSet<usize>,
}

impl Expected {
    /// Those of a build with this state version, after commit `base`.
    pub(super) fn read(folder: &Path, version: u32, base: u64) -> Self {
        let mut expected = Self::default();
        let texts = texts(folder);
        let lines = texts.iter().flat_map(|text| lines(text).rev());
        for line in lines {
            let Ok(record) = serde_json::from_slice::<Record>(line) else {
                match expected.records.is_empty() {
                    // The last line may be torn.
                    true => continue,
                    false => break,
                }
            };
            if record.state != version || record.seq <= base {
                break;
            }
            let place = expected.records.len();
            expected.by_commit.entry(record.seq).or_default().push(place);
            expected.records.push(record);
        }
        expected
    }

    /// Notes that the journal's chain stands there after a commit. Returns whether something is known of the state as
    /// of that commit.
    pub(super) fn meet(&mut self, seq: u64, chain: Chain) -> bool {
        let places = self.by_commit.get(&seq).into_iter().flatten();
        let ours = places.filter(|place| {
            self.records
                .get(**place)
                .is_some_and(|record| record.chain == chain)
        });
        let before = self.ours.len();
        self.ours.extend(ours);
        self.ours.len() > before
    }

    /// The newest digests that are of another history than the journal that was read: their commits and chains.
    pub(super) fn of_another_history(&self) -> Vec<(u64, Chain)> {
        let newest = self.ours.first().copied().unwrap_or(usize::MAX);
        let records = self.records.iter().take(newest);
        records.map(|record| (record.seq, record.chain)).collect()
    }

    /// Compares the state as of the last commit that was [met](Self::meet). `base` is the one from which it was folded.
    pub(super) fn compare<D: Domain>(self, base: Option<&D::State>, state: &D::State) -> Option<Mismatch> {
        let newest = self.ours.first().copied()?;
        let mut noted: BTreeMap<&str, (u64, &Option<Digest>)> = BTreeMap::new();
        let mut from = None;
        for (place, record) in self.records.iter().enumerate().skip(newest) {
            // Behind a hole it is not known what an entity became in it.
            if !self.ours.contains(&place) || from.is_some_and(|from| from != record.seq) {
                break;
            }
            from = Some(record.from);
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

/// As much of a record as tells of which commit of which history it is.
#[derive(Deserialize)]
struct Key {
    seq: u64,
    chain: Chain,
}

/// The commits of which there are digests, each with the chain after its line.
pub(super) fn chains(folder: &Path) -> Vec<(u64, Chain)> {
    let texts = texts(folder);
    let keys = texts.iter().flat_map(|text| lines(text));
    let keys = keys.filter_map(|line| serde_json::from_slice::<Key>(line).ok());
    keys.map(|key| (key.seq, key.chain)).collect()
}

/// Rewrites the digests: those stay to which `kept` gives a chain. They are derived: whatever is lost of them when this
/// is cut off is compared no more.
pub(super) fn rewrite(folder: &Path, kept: impl Fn(u64, Chain) -> Option<Chain>) -> Result<(), StoreError> {
    let mut all = Vec::new();
    for text in texts(folder).iter().rev() {
        for line in lines(text) {
            let Ok(mut record) = serde_json::from_slice::<Record>(line) else {
                continue;
            };
            let Some(chain) = kept(record.seq, record.chain) else {
                continue;
            };
            record.chain = chain;
            serde_json::to_writer(&mut all, &record)
                .map_err(|error| StoreError::io("write", folder)(error.into()))?;
            all.push(b'\n');
        }
    }
    let (path, draft) = (folder.join(CURRENT), folder.join("digests.new"));
    let _ = fs::remove_file(&draft);
    let mut file = layout::make_file(&draft)?;
    file.write_all(&all).map_err(StoreError::io("write", &draft))?;
    let _ = fs::remove_file(folder.join(PREVIOUS));
    fs::rename(&draft, &path).map_err(StoreError::io("name", &path))
}

/// Both files, the newer first; where one cannot be read there is nothing to compare.
fn texts(folder: &Path) -> [Vec<u8>; 2] {
    [CURRENT, PREVIOUS].map(|name| text(&folder.join(name)).unwrap_or_default())
}

fn lines(text: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
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

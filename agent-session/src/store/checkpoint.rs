//! States of a scope on the disk, so that loading need not fold all that came before them.
//!
//! A checkpoint is a file `checkpoints/<commit>-v<state version>.json` in the scope's folder: a label, the state, and
//! a checksum over both, a line each. It says at which byte of the journal the lines begin that it has not, and the
//! chain that stands there. The journal is the truth: a checkpoint that is damaged, of another version, or of another
//! journal is passed over, and may be removed at any time. It is not synced for its own sake; what a crash leaves of
//! it fails its checksum.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use glasswork_engine::line::{Chain, Header};
use glasswork_engine::{Domain, EffectKey, Scope, ScopeId, Timestamp};
use im::OrdMap;
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::layout::{self, Links};
use super::parts;

/// The version of the file itself.
const FORMAT: u32 = 1;
/// The folder of checkpoints, in the folder of the scope.
pub(super) const FOLDER: &str = "checkpoints";
/// How many checkpoints a scope keeps: the newest two, and older ones that lie ever further apart.
pub const CHECKPOINTS_KEPT: usize = 8;

/// A place in a journal between two lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Spot {
    /// The file's name, where it is not the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) part: Option<String>,
    /// How many lines stand before it in that file.
    pub(super) lines: u64,
    /// How many bytes.
    pub(super) offset: u64,
    /// The chain after the last of them.
    pub(super) chain: Chain,
    /// The last commit before it.
    pub(super) seq: u64,
}

/// What a checkpoint says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Label<K> {
    checkpoint: u32,
    state: u32,
    /// The schema of the last opening before it.
    pub(super) schema: u32,
    pub(super) header: Header<K>,
    pub(super) epoch: u32,
    at: Timestamp,
    pub(super) spot: Spot,
    /// Length of the journal, in bytes, over all its files.
    pub(super) journal_bytes: u64,
}

#[derive(Serialize)]
struct BodyRef<'a, S, E> {
    state: &'a S,
    open: &'a OrdMap<EffectKey, Arc<E>>,
}

#[derive(Deserialize)]
#[serde(bound = "S: serde::de::DeserializeOwned, E: serde::de::DeserializeOwned")]
struct Body<S, E> {
    state: S,
    open: OrdMap<EffectKey, Arc<E>>,
}

/// A checkpoint that was read.
#[derive(Debug)]
pub(super) struct Checkpoint<D: Domain> {
    pub(super) label: Label<D::Kind>,
    pub(super) scope: Scope<D>,
}

/// A file among the checkpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointFile {
    /// Where it lies.
    pub path: PathBuf,
    /// The commit, by its name.
    pub seq: u64,
    /// The version of the state, by its name.
    pub version: u32,
    /// Length in bytes.
    pub bytes: u64,
}

/// A checkpoint that was passed over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} cannot be used: {why}", .path.display())]
pub struct Unusable {
    /// Where it lies.
    pub path: PathBuf,
    /// Why.
    pub why: Why,
}

/// Why a checkpoint cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// Its checksum does not fit, or it is not whole.
    #[error("it is damaged, or was not written to its end")]
    Damaged,
    /// It was written by another build.
    #[error("it is of another version")]
    OtherVersion,
    /// It is of another session.
    #[error("it is a checkpoint of {0}")]
    Foreign(ScopeId),
    /// The journal has other lines at its place.
    #[error("the journal has changed since, or has not come so far")]
    OtherJournal,
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
}

fn name(seq: u64, version: u32) -> String {
    format!("{seq:012}-v{version}.json")
}

fn parse(name: &str) -> Option<(u64, u32)> {
    let (seq, version) = name.strip_suffix(".json")?.split_once("-v")?;
    Some((seq.parse().ok()?, version.parse().ok()?))
}

/// The files that are checkpoints by their names, newest first.
pub(super) fn list(folder: &Path) -> Vec<CheckpointFile> {
    // Where the folder cannot be read there is nothing to be had: the journal has it all.
    let entries = fs::read_dir(folder.join(FOLDER)).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries
        .filter_map(|entry| {
            let (seq, version) = entry.file_name().to_str().and_then(parse)?;
            Some(CheckpointFile {
                path: entry.path(),
                seq,
                version,
                bytes: entry.metadata().map_or(0, |metadata| metadata.len()),
            })
        })
        .collect();
    files.sort_by_key(|file| std::cmp::Reverse((file.seq, file.version)));
    files
}

/// Writes a checkpoint. It gets its name only once it is whole.
pub(super) fn write<D: Domain>(
    folder: &Path,
    scope: &Scope<D>,
    header: &Header<D::Kind>,
    schema: u32,
    spot: &Spot,
    journal_bytes: u64,
) -> Result<u64, StoreError> {
    let home = folder.join(FOLDER);
    layout::ensure_folder(&home)?;
    let path = home.join(name(scope.seq, D::STATE));
    let label = Label {
        checkpoint: FORMAT,
        state: D::STATE,
        schema,
        header: header.clone(),
        epoch: scope.epoch,
        at: scope.at,
        spot: spot.clone(),
        journal_bytes,
    };
    let body = BodyRef {
        state: &scope.state,
        open: &scope.open,
    };
    let mut bytes = Vec::new();
    let encoded = serde_json::to_writer(&mut bytes, &label).and_then(|()| {
        bytes.push(b'\n');
        serde_json::to_writer(&mut bytes, &body)
    });
    encoded.map_err(|error| StoreError::io("write", &path)(std::io::Error::other(error)))?;
    bytes.push(b'\n');
    let sum = blake3::hash(&bytes);
    bytes.extend_from_slice(sum.to_hex().as_bytes());
    bytes.push(b'\n');
    let draft = home.join("checkpoint.new");
    let _ = fs::remove_file(&draft);
    let file = layout::make_file(&draft)?;
    let written = std::io::Write::write_all(&mut &file, &bytes).map_err(StoreError::io("write", &draft));
    let named = written.and_then(|()| fs::rename(&draft, &path).map_err(StoreError::io("name", &path)));
    if named.is_err() {
        let _ = fs::remove_file(&draft);
    }
    named.map(|()| bytes.len() as u64)
}

/// Length of a checksum's line.
const SUM_LINE: usize = 2 * blake3::OUT_LEN + 1;

fn bytes_of(path: &Path) -> Result<Vec<u8>, Why> {
    let unreadable = |error: &dyn std::fmt::Display| Why::Unreadable(error.to_string());
    let mut options = layout::careful(Links::Refuse);
    let mut file: File =
        layout::open_regular(path, options.read(true), Links::Refuse).map_err(|error| unreadable(&error))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    Ok(bytes)
}

/// Reads a checkpoint of a scope. Whether it is of this journal shows only beside it.
pub(super) fn read<D: Domain>(file: &CheckpointFile, expected: ScopeId) -> Result<Checkpoint<D>, Why> {
    let bytes = bytes_of(&file.path)?;
    let (label, body) = open::<D>(file, expected, &bytes)?;
    // What its own build wrote and this one cannot read is of another version, whatever it says.
    let body: Body<D::State, D::Effect> = serde_json::from_slice(body).map_err(|_| Why::OtherVersion)?;
    let scope = Scope {
        id: label.header.scope,
        kind: label.header.kind,
        epoch: label.epoch,
        seq: label.spot.seq,
        at: label.at,
        state: body.state,
        open: body.open,
        journal_failure: None,
        unsound: None,
    };
    Ok(Checkpoint { label, scope })
}

/// Reads what an intact checkpoint says of itself.
pub(super) fn label<D: Domain>(file: &CheckpointFile, expected: ScopeId) -> Result<Label<D::Kind>, Why> {
    let bytes = bytes_of(&file.path)?;
    open::<D>(file, expected, &bytes).map(|(label, _)| label)
}

fn open<'a, D: Domain>(
    file: &CheckpointFile,
    expected: ScopeId,
    bytes: &'a [u8],
) -> Result<(Label<D::Kind>, &'a [u8]), Why> {
    let (content, sum) = bytes
        .split_at_checked(bytes.len().saturating_sub(SUM_LINE))
        .ok_or(Why::Damaged)?;
    let stated = sum.strip_suffix(b"\n").unwrap_or_default();
    if blake3::hash(content).to_hex().as_bytes() != stated {
        return Err(Why::Damaged);
    }
    let end = memchr::memchr(b'\n', content).ok_or(Why::Damaged)?;
    let (label, body) = content.split_at_checked(end).ok_or(Why::Damaged)?;
    let label: Label<D::Kind> = serde_json::from_slice(label).map_err(|_| Why::OtherVersion)?;
    if label.header.scope != expected {
        return Err(Why::Foreign(label.header.scope));
    }
    let of_this_build = (label.checkpoint, label.state, file.version) == (FORMAT, D::STATE, D::STATE);
    match of_this_build && label.schema <= D::SCHEMA && label.spot.seq == file.seq {
        true => Ok((label, body)),
        false => Err(Why::OtherVersion),
    }
}

/// Removes what is too many: the newest two stay, and of the older ones the oldest in each span that is twice as long
/// as the one before it.
pub(super) fn thin(folder: &Path) {
    let files = list(folder);
    let Some(newest) = files.first() else { return };
    let span = |file: &CheckpointFile| (newest.seq - file.seq).checked_ilog2();
    let mut spans = BTreeSet::new();
    let oldest_first = files.iter().skip(2).rev();
    let mut stays: Vec<_> = oldest_first.filter(|file| spans.insert(span(file))).collect();
    stays.reverse();
    stays.truncate(CHECKPOINTS_KEPT - 2);
    for file in files.iter().skip(2).filter(|file| !stays.contains(file)) {
        let _ = fs::remove_file(&file.path);
    }
}

/// Length of all files of a journal, in bytes.
pub(super) fn journal_bytes(journal: &Path) -> u64 {
    let length = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
    let later = parts::later(&journal.with_extension("")).unwrap_or_default();
    length(journal) + later.iter().map(|part| length(&part.path)).sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_nothing_else_is_one() {
        assert_eq!(parse(&name(4_096, 3)), Some((4_096, 3)));
        for other in [
            "checkpoint.new",
            "12.json",
            "12-v1.json.new",
            "x-v1.json",
            "12-vx.json",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn the_newest_two_stay_and_older_ones_ever_further_apart() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(FOLDER)).unwrap();
        let mut most = 0;
        for number in 1..=200u64 {
            fs::write(folder.path().join(FOLDER).join(name(number * 4_096, 1)), "").unwrap();
            thin(folder.path());
            most = most.max(list(folder.path()).len());
        }
        let left: Vec<u64> = list(folder.path()).iter().map(|file| file.seq / 4_096).collect();
        assert_eq!(left, [200, 199, 197, 193, 185, 177, 161, 129]);
        assert!(most <= CHECKPOINTS_KEPT, "{most}");
    }
}

//! How much lies in the data directory, by what it is.

use std::fs::{self, File};
use std::path::Path;

use glasswork_engine::Domain;
use serde::Serialize;

use super::Store;
use super::error::StoreError;
use super::{blocks, checkpoint};

/// Lengths of files in bytes, and counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Sizes {
    /// Journals of sessions that are not packed, in all their files.
    pub journals: u64,
    /// How many of those there are.
    pub journal_count: u64,
    /// Packed journals.
    pub packed: u64,
    /// How many of those there are.
    pub packed_count: u64,
    /// Long output, images and the like.
    pub blobs: u64,
    /// Traces.
    pub traces: u64,
    /// Checkpoints.
    pub checkpoints: u64,
    /// What was torn or damaged, and moved aside.
    pub aside: u64,
    /// What belongs to processes: their own records.
    pub hosts: u64,
    /// What was put into the trash.
    pub trash: u64,
    /// The index of sessions.
    pub index: u64,
    /// All else: notes of owners, drafts.
    pub other: u64,
}

impl<D: Domain> Store<D> {
    /// Looks at every file below the data directory. Links are not followed.
    ///
    /// # Errors
    /// [`StoreError::Io`] where a folder cannot be read.
    pub fn sizes(&self) -> Result<Sizes, StoreError> {
        let mut sizes = Sizes::default();
        walk(self.data(), &mut Vec::new(), &mut sizes)?;
        Ok(sizes)
    }
}

/// `names` are those of the folders from the data directory on.
fn walk(folder: &Path, names: &mut Vec<String>, sizes: &mut Sizes) -> Result<(), StoreError> {
    for entry in fs::read_dir(folder).map_err(StoreError::io("list", folder))? {
        let entry = entry.map_err(StoreError::io("list", folder))?;
        let (name, path) = (entry.file_name().to_string_lossy().into_owned(), entry.path());
        // What is gone meanwhile takes no room.
        let Ok(found) = fs::symlink_metadata(&path) else {
            continue;
        };
        if found.is_dir() {
            names.push(name);
            walk(&path, names, sizes)?;
            names.pop();
        } else if found.is_file() {
            count(&path, names, &name, found.len(), sizes);
        }
    }
    Ok(())
}

fn count(path: &Path, names: &[String], name: &str, bytes: u64, sizes: &mut Sizes) {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let is_part =
        |name: &str| name.as_bytes().first().is_some_and(u8::is_ascii_digit) && name.ends_with(".jsonl");
    let slot = match names.as_slice() {
        ["host", ..] => &mut sizes.hosts,
        ["trash", ..] => &mut sizes.trash,
        [] if name.starts_with("index.sqlite") => &mut sizes.index,
        ["sessions", _, _] if name.ends_with(".jsonl") => {
            let is_packed = File::open(path)
                .and_then(|file| blocks::form(&file).map(|form| form.is_some()))
                .unwrap_or(false);
            match is_packed {
                true => {
                    sizes.packed_count += 1;
                    &mut sizes.packed
                }
                false => {
                    sizes.journal_count += 1;
                    &mut sizes.journals
                }
            }
        }
        ["sessions", _, _, _, "blobs", ..] => &mut sizes.blobs,
        ["sessions", _, _, _, checkpoint::FOLDER, ..] => &mut sizes.checkpoints,
        ["sessions", _, _, _, aside, ..] if aside.starts_with("damaged-") => &mut sizes.aside,
        ["sessions", _, _, _] if name.starts_with("torn-") => &mut sizes.aside,
        ["sessions", _, _, _] if name.starts_with("trace.") => &mut sizes.traces,
        ["sessions", _, _, _] if is_part(name) => &mut sizes.journals,
        _ => &mut sizes.other,
    };
    *slot += bytes;
}

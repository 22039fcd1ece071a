//! Results of turns as values of a schema: read from a user's file, and told to programs.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use glasswork_agent_core::json_schema::{SCHEMA_BYTES, Schema, SchemaError};
use serde::{Serialize as _, Serializer};
use serde_json::value::RawValue;

/// Why a file is not the schema of a result.
#[derive(Debug, thiserror::Error)]
pub enum SchemaFileError {
    /// It cannot be read.
    #[error("cannot read the schema {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// It is longer than a schema may be.
    #[error("the schema {} is longer than {SCHEMA_BYTES} bytes", .0.display())]
    TooLong(PathBuf),
    /// It is no schema.
    #[error("{}: {error}", path.display())]
    NoSchema {
        /// The file.
        path: PathBuf,
        /// Where, and what is wrong there.
        error: SchemaError,
    },
}

/// Reads the schema of a result.
///
/// # Errors
/// [`SchemaFileError`].
pub fn read(path: &Path) -> Result<Schema, SchemaFileError> {
    let unreadable = |error| SchemaFileError::Unreadable {
        path: path.to_owned(),
        error,
    };
    let mut text = String::new();
    let most = u64::try_from(SCHEMA_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let file = File::open(path).map_err(unreadable)?;
    file.take(most).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() > SCHEMA_BYTES {
        return Err(SchemaFileError::TooLong(path.to_owned()));
    }
    Schema::parse(&text).map_err(|error| SchemaFileError::NoSchema {
        path: path.to_owned(),
        error,
    })
}

/// Tells a result as the JSON that it is.
#[allow(clippy::ref_option, reason = "serde hands out references")]
pub(crate) fn as_json<S: Serializer>(value: &Option<Arc<str>>, serializer: S) -> Result<S::Ok, S::Error> {
    let raw = value
        .as_deref()
        .and_then(|text| serde_json::from_str::<&RawValue>(text).ok());
    raw.serialize(serializer)
}

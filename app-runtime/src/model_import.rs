//! Taking in another program's list of models, as a file of the user's own.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use glasswork_ai::catalogue::{self, Taken};
use ron::ser::PrettyConfig;

use crate::homes::Homes;
use crate::own_models::MOST_BYTES;

/// A longer file is no such list.
const MOST_READ: u64 = 64 << 20;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// What was taken.
    pub taken: Taken,
    /// Where it was written; `None` where nothing was to be.
    pub file: Option<PathBuf>,
}

/// Why nothing was taken in.
#[derive(Debug, thiserror::Error)]
pub enum ModelImportError {
    /// The file could not be read.
    #[error("cannot read {}: {error}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// It is no list of models.
    #[error("{}: {error}", file.display())]
    Foreign {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        error: catalogue::ImportError,
    },
    /// There is nothing in it, or not of the providers that were asked for.
    #[error("{}: there is nothing to be taken{}", file.display(), others(.providers))]
    Nothing {
        /// The file.
        file: PathBuf,
        /// Those of whom something could be taken.
        providers: Vec<Arc<str>>,
    },
    /// There is too much in it.
    #[error("{models} models are more than such a file holds (1 MiB); choose providers with `--provider`")]
    TooMuch {
        /// How many.
        models: usize,
    },
    /// The result could not be written.
    #[error("cannot write {}: {error}", file.display())]
    Unwritable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// Most providers that a message names.
const MOST_NAMED: usize = 20;

fn others(providers: &[Arc<str>]) -> String {
    if providers.is_empty() {
        return String::new();
    }
    let named: Vec<String> = providers
        .iter()
        .take(MOST_NAMED)
        .map(|name| format!("`{name}`"))
        .collect();
    let more = match providers.len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        " of what `--provider` names; there are: {}{more}",
        named.join(", ")
    )
}

/// The providers of whom something can be taken.
fn providers_in(text: &str) -> Vec<Arc<str>> {
    let Ok(all) = catalogue::import(text, &|_| true) else {
        return Vec::new();
    };
    let servers = all.own.providers.into_keys();
    let names: BTreeSet<Arc<str>> = servers
        .chain(all.own.models.into_keys().map(|model| model.provider))
        .collect();
    names.into_iter().collect()
}

/// Reads a list of models and writes what is known here of it into the user's directory `models`, as `imported-` and the
/// name of the format; what was imported from that format before is replaced. With `dry_run` nothing is written.
///
/// # Errors
/// [`ModelImportError`]; then nothing was written.
pub fn import(
    homes: &Homes,
    file: &Path,
    providers: &[String],
    dry_run: bool,
) -> Result<Imported, ModelImportError> {
    let unreadable = |error| ModelImportError::Unreadable {
        file: file.to_owned(),
        error,
    };
    if fs::metadata(file).map_err(unreadable)?.len() > MOST_READ {
        return Err(unreadable(io::Error::other("it is longer than 64 MiB")));
    }
    let text = fs::read_to_string(file).map_err(unreadable)?;
    let wanted = |name: &str| providers.is_empty() || providers.iter().any(|wanted| wanted == name);
    let taken = catalogue::import(&text, &wanted).map_err(|error| ModelImportError::Foreign {
        file: file.to_owned(),
        error,
    })?;
    if taken.own.models.is_empty() && taken.own.providers.is_empty() {
        return Err(ModelImportError::Nothing {
            file: file.to_owned(),
            providers: providers_in(&text),
        });
    }
    let options = ron::Options::default().with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME);
    let pretty = PrettyConfig::new().depth_limit(3);
    let body = options.to_string_pretty(&taken.own, pretty);
    let body = body.map_err(|error| ModelImportError::Unwritable {
        file: file.to_owned(),
        error: io::Error::other(error),
    })?;
    let body = format!(
        "// Imported from {}; written anew by the next import.\n{body}\n",
        taken.format
    );
    if u64::try_from(body.len()).unwrap_or(u64::MAX) > MOST_BYTES {
        return Err(ModelImportError::TooMuch {
            models: taken.own.models.len(),
        });
    }
    let file = match dry_run {
        true => None,
        false => {
            let place = homes
                .models_folder()
                .join(format!("imported-{}.ron", taken.format));
            write(&place, &body).map_err(|error| ModelImportError::Unwritable {
                file: place.clone(),
                error,
            })?;
            Some(place)
        }
    };
    Ok(Imported { taken, file })
}

/// Writes a file whole: who reads it at the same time reads what was there before, or what is there now.
fn write(place: &Path, body: &str) -> io::Result<()> {
    let folder = place.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let beside = place.with_extension(format!("{}.new", std::process::id()));
    let written = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)
        .and_then(|mut file| {
            file.write_all(body.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&beside, place));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

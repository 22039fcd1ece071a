//! The user's own files about models: every `*.ron` in the directory `models` beside the settings, in the order of
//! their names; what a later one says overrides an earlier one, field by field.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use glasswork_ai::catalogue::{Catalogue, OwnModels, ProviderEntry};
use ron::Options;
use ron::extensions::Extensions;

use crate::homes::Homes;

/// A longer file is none of these.
pub const MOST_BYTES: u64 = 1 << 20;
/// More files are not read.
const MOST_FILES: usize = 64;

/// What the user's own files say, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnFiles(Vec<(Arc<str>, OwnModels)>);

/// What is wrong with such a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OwnModelsError {
    /// It could not be read.
    #[error("cannot read {}: {error}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        error: String,
    },
    /// It is not what such a file is.
    #[error(
        "{}:{line}:{column}: {message}; such a file looks like `(providers: {{\"home\": (base_url: \"http://localhost:8080/v1\", \
         api: openai_chat)}}, models: {{\"home/id\": (context_window: 32768)}})`",
        file.display()
    )]
    Malformed {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// There are too many.
    #[error("{} has more than {MOST_FILES} files; put them together", .0.display())]
    TooMany(PathBuf),
}

impl OwnFiles {
    /// Reads them.
    ///
    /// # Errors
    /// The first [`OwnModelsError`].
    pub fn read(homes: &Homes) -> Result<Self, OwnModelsError> {
        let folder = homes.models_folder();
        let unreadable = |file: &Path, error: String| OwnModelsError::Unreadable {
            file: file.to_owned(),
            error,
        };
        let listed = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            listed => listed.map_err(|error| unreadable(&folder, error.to_string()))?,
        };
        let mut files = Vec::new();
        for entry in listed {
            let path = entry
                .map_err(|error| unreadable(&folder, error.to_string()))?
                .path();
            if path.extension().is_some_and(|extension| extension == "ron") {
                files.push(path);
            }
            if files.len() > MOST_FILES {
                return Err(OwnModelsError::TooMany(folder));
            }
        }
        files.sort();
        let mut own = Vec::new();
        for file in files {
            let size = fs::metadata(&file)
                .map_err(|error| unreadable(&file, error.to_string()))?
                .len();
            if size > MOST_BYTES {
                return Err(unreadable(&file, "it is longer than 1 MiB".to_owned()));
            }
            let text = fs::read_to_string(&file).map_err(|error| unreadable(&file, error.to_string()))?;
            let name = file.to_string_lossy().into();
            own.push((name, parse(&file, &text)?));
        }
        Ok(Self(own))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is known of models: the shipped list, and over it what these files say. Of the providers in `elsewhere` the
    /// shipped list says nothing: they are not at the address of their makers, and may serve anything under any name.
    #[must_use]
    pub fn catalogue<'a>(&self, elsewhere: impl IntoIterator<Item = &'a str>) -> Catalogue {
        let files = self
            .0
            .iter()
            .map(|(file, own)| (Arc::clone(file), own.models.clone()));
        let own: Vec<&str> = self
            .0
            .iter()
            .flat_map(|(_, own)| own.providers.keys().map(|name| &**name))
            .collect();
        Catalogue::with(files)
            .without_shipped(elsewhere)
            .without_shipped(own)
    }

    /// The servers, each as the last file has it.
    #[must_use]
    pub fn providers(&self) -> BTreeMap<Arc<str>, ProviderEntry> {
        let all = self.0.iter().flat_map(|(_, own)| own.providers.clone());
        all.collect()
    }
}

fn parse(file: &Path, text: &str) -> Result<OwnModels, OwnModelsError> {
    if text.trim().is_empty() {
        return Ok(OwnModels::default());
    }
    let options = Options::default().with_default_extension(Extensions::IMPLICIT_SOME);
    options.from_str(text).map_err(|error| OwnModelsError::Malformed {
        file: file.to_owned(),
        line: error.span.start.line,
        column: error.span.start.col,
        message: error.code.to_string(),
    })
}

//! Images that come with a prompt: taken in before anything is dispatched, so that a file that is none stops nothing.

use std::path::{Path, PathBuf};

use glasswork_agent_session::images;
pub use glasswork_agent_session::images::{ImageError, Picture};
use glasswork_session_state::prompt::IMAGES_CAP;

/// Why images cannot come with a prompt.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// A file is not taken as an image.
    #[error("the image {} {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: ImageError,
    },
    /// There are too many.
    #[error("a prompt comes with at most {IMAGES_CAP} images; name the others in later ones")]
    TooMany,
}

/// Takes an image in that came from elsewhere than a file; `name` is what it is called. Blocks as [`read`] does.
///
/// # Errors
/// [`ImageError`].
pub fn take_in(name: &str, bytes: Vec<u8>) -> Result<Picture, ImageError> {
    images::take_in(name, bytes)
}

/// Takes files in. Blocks for as long as decoding them takes.
///
/// # Errors
/// [`PictureError`]: of the first that is not taken.
pub fn read(paths: &[impl AsRef<Path>]) -> Result<Vec<Picture>, PictureError> {
    if paths.len() > IMAGES_CAP {
        return Err(PictureError::TooMany);
    }
    let taken = paths.iter().map(|path| {
        images::read(path.as_ref()).map_err(|why| PictureError::File {
            path: path.as_ref().to_owned(),
            why,
        })
    });
    taken.collect()
}

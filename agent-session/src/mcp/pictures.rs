//! Images in what a tool of a server answers: taken in as all others are, so that the model can look at them.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use glasswork_ai::image::Image;

use crate::blobs::BlobStore;
use crate::images::{self, FILE_BYTES, Picture};
use crate::tools::size;

/// Most images of one answer that the model is shown.
pub(super) const MOST: usize = 8;

/// Servers leave the padding out as they like.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The images of one answer.
pub(super) struct Pictures<'a> {
    blobs: &'a BlobStore,
    pub(super) taken: Vec<Image>,
}

impl<'a> Pictures<'a> {
    pub(super) fn new(blobs: &'a BlobStore) -> Self {
        Self {
            blobs,
            taken: Vec::new(),
        }
    }

    /// Takes one in. Gives what the model is told of it in words.
    pub(super) fn take(&mut self, what: &str, kind: &str, base64: &str) -> String {
        let why = match self.looked_at(base64) {
            Ok(told) => return told,
            Err(why) => why,
        };
        format!("[{what} of type {kind}, {}: not shown: it {why}]", length(base64))
    }

    fn looked_at(&mut self, base64: &str) -> Result<String, String> {
        if self.taken.len() >= MOST {
            return Err(format!("is one more than the {MOST} that are shown"));
        }
        if base64.len() as u64 / 4 * 3 > FILE_BYTES {
            return Err(format!("has more than the {} that are taken", size(FILE_BYTES)));
        }
        let bytes = BASE64.decode(base64).map_err(|_| "is no base64".to_owned())?;
        let name = format!("image {}", self.taken.len() + 1);
        let picture = images::take_in(&name, bytes).map_err(|error| error.to_string())?;
        images::keep(self.blobs, &picture).map_err(|error| format!("cannot be kept: {error}"))?;
        let Picture { image, was, .. } = picture;
        let was = was.map(|(width, height)| format!(", made smaller from {width}x{height}"));
        let told = format!(
            "[image: {image}{}, {}, {}]",
            was.unwrap_or_default(),
            image.media.mime(),
            size(image.bytes)
        );
        self.taken.push(image);
        Ok(told)
    }
}

/// The length of what is written as base64, in words.
pub(super) fn length(base64: &str) -> String {
    size(u64::try_from(base64.len() / 4 * 3).unwrap_or(u64::MAX))
}

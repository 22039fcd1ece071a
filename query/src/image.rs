//! Images of the conversation, and as what a model is sent them.

use async_graphql::{Enum, SimpleObject};
use glasswork_ai::image;

use crate::scalar::Long;

/// An image of the conversation. Its bytes are a blob of the session.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct Image {
    /// BLAKE3 of the bytes, in hexadecimal: the name of the blob.
    digest: String,
    /// What the bytes are: `image/png`, `image/jpeg` or `image/webp`.
    media_type: &'static str,
    /// Pixels from left to right.
    width: u32,
    /// Pixels from top to bottom.
    height: u32,
    /// Length of the bytes.
    bytes: Long,
    /// What people call it: the name of the file that it was.
    name: String,
    /// Estimated size in tokens, before calibration: a token for 750 pixels.
    tokens: Long,
}

impl From<&image::Image> for Image {
    fn from(image: &image::Image) -> Self {
        Self {
            digest: image.digest.to_string(),
            media_type: image.media.mime(),
            width: image.width,
            height: image.height,
            bytes: Long(image.bytes),
            name: image.name.to_string(),
            tokens: Long(image.tokens()),
        }
    }
}

/// Images, as the graph tells of them.
pub(crate) fn all(images: &[image::Image]) -> Vec<Image> {
    images.iter().map(Image::from).collect()
}

/// As what a model is sent an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum SentAs {
    /// As an image.
    Image,
    /// As a text that stands for it.
    Text,
}

/// Why a model is sent a text for an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "image::Unsent")]
pub(crate) enum UnsentReason {
    /// The model does not take images.
    CannotSee,
    /// Its bytes are not where they were kept, or are not what they were.
    Missing,
    /// With the newer ones the request would be larger than servers take.
    TooMuch,
}

/// An image of a request.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct SentImage {
    /// The image.
    image: Image,
    /// As what it was sent, or would be.
    sent_as: SentAs,
    /// Why it goes as a text; null for an image, and in a request for a summary, which is one text.
    reason: Option<UnsentReason>,
    /// The text that stands for it; null as before.
    text: Option<String>,
}

impl SentImage {
    /// An image that is sent as one.
    pub(crate) fn of(image: &image::Image) -> Self {
        Self {
            image: image.into(),
            sent_as: SentAs::Image,
            reason: None,
            text: None,
        }
    }

    /// An image that is part of a text.
    pub(crate) fn in_text(image: &image::Image) -> Self {
        Self {
            sent_as: SentAs::Text,
            ..Self::of(image)
        }
    }

    /// An image for which a text stands.
    pub(crate) fn unsent(image: &image::Image, why: image::Unsent, text: String) -> Self {
        Self {
            reason: Some(why.into()),
            text: Some(text),
            ..Self::in_text(image)
        }
    }
}

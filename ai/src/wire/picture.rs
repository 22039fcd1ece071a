//! The bytes of an image as text: base64, written while the body is, never held twice.

use std::fmt;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};

use crate::image::{MediaType, Shown};

/// An image that is sent.
#[derive(Clone, Copy)]
pub(super) struct Picture<'a> {
    pub(super) media: MediaType,
    bytes: &'a [u8],
}

impl<'a> Picture<'a> {
    /// The image, if its bytes are there; what goes as a text has become one before.
    pub(super) fn of(shown: &'a Shown) -> Option<Self> {
        let bytes = shown.bytes.as_deref().ok()?;
        let media = shown.image.media;
        Some(Self { media, bytes })
    }

    /// The bytes alone.
    pub(super) fn data(self) -> Data<'a> {
        Data(self.bytes)
    }

    /// As an address that holds what it names: `data:image/png;base64,…` (RFC 2397).
    pub(super) fn url(self) -> Url<'a> {
        Url(self)
    }
}

/// Base64, with padding.
pub(super) struct Data<'a>(&'a [u8]);

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Base64Display::new(self.0, &STANDARD))
    }
}

/// A data URL.
pub(super) struct Url<'a>(Picture<'a>);

impl fmt::Display for Url<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Picture { media, bytes } = self.0;
        write!(
            f,
            "data:{};base64,{}",
            media.mime(),
            Base64Display::new(bytes, &STANDARD)
        )
    }
}

impl Serialize for Url<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

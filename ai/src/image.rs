//! Images in a conversation: what stands for one, what it counts, and what becomes of one that is not sent.
//!
//! An image is named by the digest of its bytes; the bytes come with a request only when it is about to be sent, loaded
//! by whoever sends it. What cannot be sent goes as a text in its place, never silently.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::abilities::Abilities;
use crate::conversation::{Message, Request, ToolResult};
use crate::model::ModelId;

/// Most bytes of all images of a request together, before they are written as base64. Gemini takes requests of 20 MB
/// ([image understanding](https://ai.google.dev/gemini-api/docs/image-understanding)), Anthropic of 32 MB
/// ([vision](https://docs.anthropic.com/en/docs/build-with-claude/vision)); base64 adds a third, and some is left for words.
pub const REQUEST_BYTES: u64 = 12_000_000;
/// Most images of a request: what Anthropic takes.
pub const REQUEST_IMAGES: usize = 100;
/// Most bytes of the name of an image.
pub const NAME_BYTES: usize = 255;

/// What a file of an image is. These three are what the servers of all wires take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MediaType {
    /// PNG.
    #[serde(rename = "image/png")]
    Png,
    /// JPEG.
    #[serde(rename = "image/jpeg")]
    Jpeg,
    /// WebP.
    #[serde(rename = "image/webp")]
    Webp,
}

impl MediaType {
    /// As in HTTP.
    #[must_use]
    pub fn mime(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
        }
    }
}

/// An image of a conversation. Its bytes are elsewhere, under their digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// BLAKE3 of the bytes, in hexadecimal.
    pub digest: Arc<str>,
    /// What the bytes are.
    pub media: MediaType,
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
    /// How many bytes.
    pub bytes: u64,
    /// What people call it: the name of the file that it was.
    pub name: Arc<str>,
}

impl Image {
    /// Its size in tokens, before calibration, as Anthropic counts: a token for 750 pixels, rounded up
    /// ([vision](https://docs.anthropic.com/en/docs/build-with-claude/vision)). One estimate for all providers, since an
    /// entry is counted once and may be sent to any of them: of an image of at most 2000 by 2000 pixels OpenAI counts up to
    /// about 1,500 and Gemini 258 a tile, so it is rather too high than too low.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        u64::from(self.width)
            .saturating_mul(self.height.into())
            .div_ceil(750)
    }
}

/// Name and size: `shot.png, 800x600`.
impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}x{}", self.name, self.width, self.height)
    }
}

/// Why an image goes as a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unsent {
    /// The model does not take images.
    CannotSee,
    /// Its bytes are not where they were kept, or are not what they were.
    Missing,
    /// With the newer ones the request would be larger than servers take.
    TooMuch,
}

/// An image that went as a text, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnsentImage {
    /// [`Image::digest`].
    pub digest: Arc<str>,
    /// Why.
    pub why: Unsent,
}

/// An image as a message of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// The image.
    pub image: Image,
    /// The call whose result shows it, which stands before it; `None` of one that the user shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<Arc<str>>,
    /// The bytes, once they are loaded; until then they count as missing.
    #[serde(skip, default = "not_loaded")]
    pub bytes: Result<Arc<[u8]>, Unsent>,
}

fn not_loaded() -> Result<Arc<[u8]>, Unsent> {
    Err(Unsent::Missing)
}

impl Shown {
    /// An image that is not loaded yet.
    #[must_use]
    pub fn new(image: Image, call: Option<Arc<str>>) -> Self {
        let bytes = not_loaded();
        Self { image, call, bytes }
    }

    /// The bytes to send to a model that can do so much, or why there are none.
    ///
    /// # Errors
    /// Why it goes as a text.
    pub fn sent(&self, abilities: &Abilities) -> Result<&[u8], Unsent> {
        if abilities.images == Some(false) {
            return Err(Unsent::CannotSee);
        }
        self.bytes.as_deref().map_err(|why| *why)
    }

    /// What stands for it where it goes as a text.
    #[must_use]
    pub fn stand_in(&self, why: Unsent, model: &ModelId) -> String {
        let image = &self.image;
        match why {
            Unsent::CannotSee => format!("[image: {image}, not sent: {model} cannot see images]"),
            Unsent::Missing => format!("[image: {image}, not sent: its content is lost]"),
            Unsent::TooMuch => format!("[image: {image}, not sent: the newer images fill the request]"),
        }
    }
}

/// Marks the older images of a conversation where all of them together are more than servers take: the newest stay.
pub fn limit(messages: &mut [Message]) {
    let (mut count, mut bytes) = (0usize, 0u64);
    for message in messages.iter_mut().rev() {
        let Message::Image(shown) = message else { continue };
        count += 1;
        bytes = bytes.saturating_add(shown.image.bytes);
        if count > REQUEST_IMAGES || bytes > REQUEST_BYTES {
            shown.bytes = Err(Unsent::TooMuch);
        }
    }
}

/// The images of a request that go as a text to a model that can do so much.
#[must_use]
pub fn unsent(request: &Request, abilities: &Abilities) -> Vec<UnsentImage> {
    let shown = request.messages.iter().filter_map(|message| match message {
        Message::Image(shown) => Some(shown),
        _ => None,
    });
    shown
        .filter_map(|shown| {
            let why = shown.sent(abilities).err()?;
            let digest = Arc::clone(&shown.image.digest);
            Some(UnsentImage { digest, why })
        })
        .collect()
}

/// The request as it is encoded: what is left of its images are those that are sent. Where a text stands for one, it
/// is part of the result that showed it, or words of the user.
#[must_use]
pub(crate) fn told<'a>(request: &'a Request, abilities: &Abilities) -> Cow<'a, Request> {
    let goes_as_text = |message: &Message| match message {
        Message::Image(shown) => shown.sent(abilities).is_err(),
        _ => false,
    };
    if !request.messages.iter().any(goes_as_text) {
        return Cow::Borrowed(request);
    }
    let mut messages: Vec<Message> = Vec::with_capacity(request.messages.len());
    for message in &request.messages {
        let Message::Image(shown) = message else {
            messages.push(message.clone());
            continue;
        };
        let Err(why) = shown.sent(abilities) else {
            messages.push(message.clone());
            continue;
        };
        let text = shown.stand_in(why, &request.model);
        match shown
            .call
            .as_ref()
            .and_then(|call| result_of(&mut messages, call))
        {
            Some(result) => result.text = format!("{}\n{text}", result.text).into(),
            None => messages.push(Message::User(text.into())),
        }
    }
    Cow::Owned(Request {
        messages,
        ..request.clone()
    })
}

/// The last result of a call.
fn result_of<'m>(messages: &'m mut [Message], call: &str) -> Option<&'m mut ToolResult> {
    messages.iter_mut().rev().find_map(|message| match message {
        Message::ToolResult(result) if *result.call == *call => Some(result),
        _ => None,
    })
}

//! What a tool of a server answered, as a model is told it.

use glasswork_ai::image::Image;
use rmcp::model::{CallToolResult, ContentBlock, ResourceContents};

use super::pictures::{Pictures, length};
use crate::blobs::{BlobRef, BlobStore};
use crate::secrets::{Masking, Origin};
use crate::tools::{Limits, head, size};

/// An answer within the limits of tools.
#[derive(Debug)]
pub(crate) struct Answer {
    /// What the model is told.
    pub(crate) text: String,
    /// Whether the tool says that it failed.
    pub(crate) is_error: bool,
    /// The whole, where the text is only its beginning.
    pub(crate) whole: Option<BlobRef>,
    /// The images that the model is shown.
    pub(crate) images: Vec<Image>,
}

/// Puts an answer into words. May write to the disk.
pub(crate) fn answered(
    result: CallToolResult,
    limits: &Limits,
    masking: &Masking,
    blobs: &BlobStore,
) -> Answer {
    let is_error = result.is_error.unwrap_or(false);
    let mut pictures = Pictures::new(blobs);
    let words = |block| words(block, &mut pictures);
    let mut said: Vec<String> = result.content.into_iter().map(words).collect();
    let images = pictures.taken;
    // Who gives both gives the same twice.
    if let (Some(value), true) = (result.structured_content, said.is_empty()) {
        said.push(value.to_string());
    }
    let said = said.join("\n");
    let masked = masking.text(&said, &Origin::Elsewhere);
    if masked.is_empty() {
        return Answer {
            text: "[no output]".to_owned(),
            is_error,
            whole: None,
            images,
        };
    }
    let (shown, more) = head(&masked, limits);
    if !more {
        return Answer {
            text: shown.to_owned(),
            is_error,
            whole: None,
            images,
        };
    }
    let bytes = size(u64::try_from(masked.len()).unwrap_or(u64::MAX));
    let (note, whole) = match blobs.put(masked.as_bytes()) {
        Ok(blob) => (
            format!("All of it is kept in {}", blobs.path(&blob.digest).display()),
            Some(blob),
        ),
        Err(error) => (format!("The rest could not be kept: {error}."), None),
    };
    let text = format!("{shown}\n[Only the beginning of the answer: it has {bytes}.]\n[{note}]\n");
    Answer {
        text,
        is_error,
        whole,
        images,
    }
}

const UNKNOWN: &str = "[something of a kind that is not known: not shown]";

/// What of a block can be told as text. Of an image that is what it is; the model is shown it besides.
fn words(block: ContentBlock, pictures: &mut Pictures<'_>) -> String {
    let left_out = |what: &str, kind: &str, base64: &str| {
        format!("[{what} of type {kind}, {}: not shown]", length(base64))
    };
    match block {
        ContentBlock::Text(text) => text.text,
        ContentBlock::Image(image) => pictures.take("an image", &image.mime_type, &image.data),
        ContentBlock::Audio(audio) => left_out("a sound", &audio.mime_type, &audio.data),
        ContentBlock::Resource(embedded) => match embedded.resource {
            ResourceContents::TextResourceContents { uri, text, .. } => format!("[{uri}]\n{text}"),
            ResourceContents::BlobResourceContents {
                uri, mime_type, blob, ..
            } => match mime_type.as_deref() {
                Some(kind) if kind.starts_with("image/") => {
                    format!("[{uri}]\n{}", pictures.take("an image", kind, &blob))
                }
                kind => left_out(&uri, kind.unwrap_or("unknown"), &blob),
            },
            _ => UNKNOWN.to_owned(),
        },
        ContentBlock::ResourceLink(link) => {
            let kind = link.mime_type.map(|kind| format!(", {kind}")).unwrap_or_default();
            let bytes = link.size.map(|bytes| format!(", {}", size(bytes)));
            format!("[{}: {}{kind}{}]", link.name, link.uri, bytes.unwrap_or_default())
        }
        _ => UNKNOWN.to_owned(),
    }
}

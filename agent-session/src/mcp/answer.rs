//! What a tool of a server answered, as a model is told it.

use rmcp::model::{CallToolResult, ContentBlock, ResourceContents};

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
}

/// Puts an answer into words. May write to the disk.
pub(crate) fn answered(
    result: CallToolResult,
    limits: &Limits,
    masking: &Masking,
    blobs: &BlobStore,
) -> Answer {
    let is_error = result.is_error.unwrap_or(false);
    let mut said: Vec<String> = result.content.into_iter().map(words).collect();
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
        };
    }
    let (shown, more) = head(&masked, limits);
    if !more {
        return Answer {
            text: shown.to_owned(),
            is_error,
            whole: None,
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
    }
}

const UNKNOWN: &str = "[something of a kind that is not known: not shown]";

/// What of a block can be told as text.
fn words(block: ContentBlock) -> String {
    let left_out = |what: &str, kind: &str, base64: &str| {
        let bytes = u64::try_from(base64.len() / 4 * 3).unwrap_or(u64::MAX);
        format!("[{what} of type {kind}, {}: not shown]", size(bytes))
    };
    match block {
        ContentBlock::Text(text) => text.text,
        ContentBlock::Image(image) => left_out("an image", &image.mime_type, &image.data),
        ContentBlock::Audio(audio) => left_out("a sound", &audio.mime_type, &audio.data),
        ContentBlock::Resource(embedded) => match embedded.resource {
            ResourceContents::TextResourceContents { uri, text, .. } => format!("[{uri}]\n{text}"),
            ResourceContents::BlobResourceContents {
                uri, mime_type, blob, ..
            } => left_out(&uri, mime_type.as_deref().unwrap_or("unknown"), &blob),
            _ => UNKNOWN.to_owned(),
        },
        ContentBlock::ResourceLink(link) => format!("[{}: {}]", link.name, link.uri),
        _ => UNKNOWN.to_owned(),
    }
}

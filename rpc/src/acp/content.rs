//! What a client says: its blocks of content as a prompt.

use agent_client_protocol::Error;
use agent_client_protocol::v1::schema::{ContentBlock, EmbeddedResourceResource, ImageContent};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use glasswork_app_runtime::pictures::{self, Picture};
use glasswork_app_runtime::prompting::Prompt;

/// The prompt that blocks of content make. Blocks for as long as images are looked at.
///
/// # Errors
/// What cannot be said to a model: sound, bytes that are no image, an image that is none.
pub(super) fn prompt(blocks: &[ContentBlock]) -> Result<Prompt, Error> {
    let mut words: Vec<String> = Vec::new();
    let mut pictures = Vec::new();
    for block in blocks {
        match block {
            ContentBlock::Text(text) => words.push(text.text.clone()),
            ContentBlock::Image(image) => pictures.push(picture(image, pictures.len() + 1)?),
            ContentBlock::ResourceLink(link) => words.push(format!("[{}]({})", link.name, link.uri)),
            ContentBlock::Resource(embedded) => match &embedded.resource {
                EmbeddedResourceResource::TextResourceContents(text) => {
                    words.push(format!("<file uri=\"{}\">\n{}\n</file>", text.uri, text.text));
                }
                _ => return Err(not_taken("a resource that is embedded as bytes; link it instead")),
            },
            ContentBlock::Audio(_) => return Err(not_taken("sound")),
            _ => return Err(not_taken("a kind of content that this version does not know")),
        }
    }
    let text = words.join("\n");
    if text.trim().is_empty() && pictures.is_empty() {
        return Err(Error::invalid_params().data("the prompt says nothing"));
    }
    Ok(Prompt {
        text,
        pictures,
        result: None,
    })
}

fn not_taken(what: &str) -> Error {
    Error::invalid_params().data(format!("a prompt cannot have {what}"))
}

fn picture(image: &ImageContent, number: usize) -> Result<Picture, Error> {
    let named = image.uri.as_deref().and_then(|uri| uri.rsplit('/').next());
    let name = named.filter(|name| !name.is_empty());
    let name = name.map_or_else(|| format!("image {number}"), ToOwned::to_owned);
    let bytes = STANDARD
        .decode(image.data.as_bytes())
        .map_err(|error| Error::invalid_params().data(format!("{name} is no base64: {error}")))?;
    pictures::take_in(&name, bytes).map_err(|error| Error::invalid_params().data(format!("{name} {error}")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn said(blocks: Value) -> Result<String, String> {
        let blocks: Vec<ContentBlock> = serde_json::from_value(blocks).unwrap();
        match prompt(&blocks) {
            Ok(prompt) => Ok(prompt.text),
            Err(error) => Err(error.data.unwrap().as_str().unwrap().to_owned()),
        }
    }

    #[test]
    fn blocks_become_the_words_of_a_prompt() {
        let table = [
            (json!([{ "type": "text", "text": "Hi" }]), Ok("Hi")),
            (
                json!([
                    { "type": "text", "text": "Look at" },
                    { "type": "resource_link", "name": "a.rs", "uri": "file:///w/a.rs" },
                    { "type": "resource", "resource": { "uri": "file:///w/b.rs", "text": "fn b() {}" } },
                ]),
                Ok("Look at\n[a.rs](file:///w/a.rs)\n<file uri=\"file:///w/b.rs\">\nfn b() {}\n</file>"),
            ),
            (json!([]), Err("the prompt says nothing")),
            (
                json!([{ "type": "text", "text": "  " }]),
                Err("the prompt says nothing"),
            ),
            (
                json!([{ "type": "audio", "data": "", "mimeType": "audio/wav" }]),
                Err("a prompt cannot have sound"),
            ),
            (
                json!([{ "type": "resource", "resource": { "uri": "file:///w/b", "blob": "AA==" } }]),
                Err("a prompt cannot have a resource that is embedded as bytes; link it instead"),
            ),
            (
                json!([{ "type": "image", "data": "AA==", "mimeType": "image/png" }]),
                Err("image 1 is no image of a kind that is taken; convert it to PNG, JPEG, GIF or WebP"),
            ),
        ];
        for (blocks, expected) in table {
            let expected = expected.map(ToOwned::to_owned).map_err(ToOwned::to_owned);
            assert_eq!(said(blocks.clone()), expected, "{blocks}");
        }
    }
}

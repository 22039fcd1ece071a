//! The decoders of all wires. Whatever a server answers, cut wherever: no panic, steps that keep to the grammar, one end, and
//! of the pieces the same blocks as of the whole.
#![no_main]

use glasswork_ai::conversation::{Message, Request};
use glasswork_ai::grammar::Grammar;
use glasswork_ai::model::Thinking;
use glasswork_ai::stream::StreamEvent;
use glasswork_ai::wire::{Headers, Wire};
use libfuzzer_sys::fuzz_target;

const WIRES: [Wire; 5] = [
    Wire::OpenAiChat,
    Wire::OpenAiCompatible,
    Wire::OpenAiResponses,
    Wire::Anthropic,
    Wire::Gemini,
];

fuzz_target!(|bytes: &[u8]| {
    // Where it is cut depends on what it is, so that any stream can be a seed as it is.
    let seed = bytes.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte));
    let size = usize::from(seed / 8) + 1;
    for wire in WIRES {
        assert_eq!(
            decode(wire, bytes.chunks(size)),
            decode(wire, [bytes]),
            "{wire:?} in pieces of {size}"
        );
        let _ = wire.decode_error(400 + u16::from(seed), &Headers::default(), bytes);
    }
});

/// The blocks that are whole, and the end.
fn decode<'b>(wire: Wire, pieces: impl IntoIterator<Item = &'b [u8]>) -> Vec<StreamEvent> {
    let request = Request {
        output: None,
        model: "any/model".parse().unwrap(),
        system: vec![],
        messages: vec![Message::User("go".into())],
        tools: vec![],
        thinking: Thinking::Default,
        max_output_tokens: None,
        controls: Default::default(),
    };
    let mut decoder = wire.decoder(&request);
    let mut steps: Vec<StreamEvent> = pieces.into_iter().flat_map(|piece| decoder.feed(piece)).collect();
    steps.extend(decoder.end());
    assert!(
        decoder.is_over() && decoder.end().is_empty(),
        "{wire:?} ends once"
    );
    Grammar::check(&steps).unwrap();
    steps.retain(|step| {
        matches!(
            step,
            StreamEvent::BlockFinished { .. } | StreamEvent::Finished(_) | StreamEvent::Failed(_)
        )
    });
    steps
}

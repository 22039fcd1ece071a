//! The recogniser of tool calls in text. Whatever comes, cut wherever: no panic, of the pieces the same as of the whole, no
//! text that was not there, and calls only of tools that were offered.
#![no_main]

use glasswork_dialects::{Ending, Event, Recogniser, Tools, recognise};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for event in recognise(bytes) {
        if let Event::Call(call) = event {
            assert!(matches!(&*call.name, "bash" | "read"), "{call:?} was not offered");
        }
    }
    // Where it is cut depends on what it is, so that any text can be a seed as it is.
    let seed = bytes.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte));
    let text = String::from_utf8_lossy(bytes);
    for ending in [Ending::Complete, Ending::Length] {
        let whole = joined([&*text], ending);
        assert_eq!(joined(pieces(&text, seed), ending), whole, "in pieces ({seed})");
        let mut rest = text.bytes();
        for event in &whole {
            if let Event::Text(said) = event {
                assert!(
                    said.bytes().all(|byte| rest.any(|next| next == byte)),
                    "{said:?} was not said"
                );
            }
        }
    }
});

/// Pieces of one to eight bytes, or a little more, so that no character is cut.
fn pieces(text: &str, seed: u8) -> Vec<&str> {
    let (mut pieces, mut rest, mut state) = (Vec::new(), text, u32::from(seed));
    while !rest.is_empty() {
        state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        let (piece, after) = rest.split_at(rest.ceil_char_boundary(1 + (state >> 16) as usize % 8));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

fn joined<'t>(pieces: impl IntoIterator<Item = &'t str>, ending: Ending) -> Vec<Event> {
    let command = r#"{"type":"object","properties":{"command":{"type":"string"}},"required":["command"]}"#;
    let note = r#"{"type":"object","properties":{"text":{"type":"string"},"count":{"type":"integer"}}}"#;
    let mut recogniser = Recogniser::new(Tools::new([("bash", command), ("note", note)]));
    let mut events = Vec::new();
    for piece in pieces {
        events.extend(recogniser.feed(piece));
    }
    events.extend(recogniser.finish(ending));
    let mut joined: Vec<Event> = Vec::new();
    for event in events {
        match (joined.last_mut(), event) {
            (Some(Event::Text(text)), Event::Text(more))
            | (Some(Event::Thinking(text)), Event::Thinking(more)) => {
                text.push_str(&more);
            }
            (_, event) => joined.push(event),
        }
    }
    joined
}

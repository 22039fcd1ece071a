//! The decoder of server-sent events. Whatever comes, cut wherever: no panic, of the pieces the same events as of the whole,
//! and none longer than its cap.
#![no_main]

use glasswork_ai::sse::{Decoder, Event};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // Where it is cut depends on what it is, so that any stream can be a seed as it is.
    let seed = bytes.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte));
    let cap = 1 << (4 + seed % 16);
    let size = usize::from(seed / 16) + 1;
    let (whole, whole_ends) = decode([bytes], cap);
    let (pieces, pieces_ends) = decode(bytes.chunks(size), cap);
    // Over the cap, what arrives in pieces may be noticed at another place, but what was there before it is the same.
    let known = whole.len().min(pieces.len());
    assert_eq!(pieces[..known], whole[..known], "in pieces of {size}");
    assert_eq!(pieces_ends, whole_ends, "in pieces of {size}");
    if whole_ends {
        assert_eq!(pieces.len(), whole.len(), "in pieces of {size}");
    }
    assert!(
        whole
            .iter()
            .all(|event| event.event.len() + event.data.len() <= 3 * cap)
    );
});

/// The events, and whether all was within the cap.
fn decode<'b>(pieces: impl IntoIterator<Item = &'b [u8]>, cap: usize) -> (Vec<Event>, bool) {
    let mut decoder = Decoder::new(cap);
    let mut events = Vec::new();
    for piece in pieces {
        if decoder.feed(piece, &mut events).is_err() {
            return (events, false);
        }
    }
    events.extend(decoder.end());
    (events, true)
}

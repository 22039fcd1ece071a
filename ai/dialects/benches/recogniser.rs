//! How fast answers are taken apart: MB/s of the recogniser and of the decoder of server-sent events, and how that
//! compares to a plain JSON parse of as many bytes in the same run.
// A bench may fail loudly, and measures time.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::hint::black_box;
use std::time::Instant;

use glasswork_ai::sse;
use glasswork_dialects::{Ending, Recogniser, Tools};

const BYTES: usize = 8 << 20;
/// Chunks as servers send them are smaller, but then the calls count and not the bytes.
const CHUNK: usize = 64;
const ROUNDS: usize = 7;

fn filled(piece: &str) -> String {
    piece.repeat(BYTES.div_ceil(piece.len()))
}

/// The best of a few rounds, in MB/s.
fn rate(bytes: usize, mut round: impl FnMut()) -> f64 {
    let best = (0..ROUNDS).map(|_| {
        let began = Instant::now();
        round();
        began.elapsed().as_secs_f64()
    });
    let seconds = best.fold(f64::INFINITY, f64::min);
    #[allow(clippy::cast_precision_loss)]
    let megabytes = bytes as f64 / 1e6;
    megabytes / seconds
}

fn recognise(text: &str, chunk: usize) -> f64 {
    let schema = r#"{"type":"object","properties":{"command":{"type":"string"}},"required":["command"]}"#;
    rate(text.len(), || {
        let mut recogniser = Recogniser::new(Tools::new([("bash", schema)]));
        let mut rest = text;
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(rest.floor_char_boundary(chunk));
            black_box(recogniser.feed(piece));
            rest = behind;
        }
        black_box(recogniser.finish(Ending::Complete));
    })
}

fn main() {
    let prose = filled("The quick brown fox jumps over the lazy dog, and then it sits down.\n");
    let calls = filled(
        "Now I look at it, and say a few words before I do.\n<tool_call>\n{\"name\": \"bash\", \"arguments\": \
         {\"command\": \"ls -la /home/someone && echo \\\"done\\\"\"}}\n</tool_call>\n",
    );
    let broken = filled("<tool_call>\n{'name': 'bash', 'arguments': {'command': 'ls -la',}}\n</tool_call>\n");
    let nearly = filled("a < b [i] <t> <tool <think [TOOL <| `<tool_call>` <function= x\n");
    let json = format!(
        "[{}]",
        filled("{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}},").trim_end_matches(',')
    );
    let events = filled(
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"},\"finish_reason\":null}]}\n\n",
    );

    let parse = rate(json.len(), || {
        black_box(serde_json::from_str::<serde_json::Value>(&json).unwrap());
    });
    println!("{:<52} {:>8} {:>8}", "", "MB/s", "of JSON");
    let row = |name: &str, rate: f64| println!("{name:<52} {rate:>8.0} {:>7.2}×", rate / parse);
    row("serde_json into a Value", parse);
    for (name, text) in [
        ("plain text", &prose),
        ("text with calls", &calls),
        ("calls that are mended", &broken),
        ("text full of near-sentinels", &nearly),
    ] {
        row(
            &format!("recogniser, {name}, {CHUNK} bytes at a time"),
            recognise(text, CHUNK),
        );
        row(
            &format!("recogniser, {name}, 4 KiB at a time"),
            recognise(text, 4096),
        );
    }
    for chunk in [CHUNK, 4096] {
        let decode = rate(events.len(), || {
            let mut decoder = sse::Decoder::new(1 << 20);
            let mut out = Vec::new();
            for piece in events.as_bytes().chunks(chunk) {
                decoder.feed(piece, &mut out).unwrap();
                black_box(&out);
                out.clear();
            }
        });
        row(&format!("SSE decoder, {chunk} bytes at a time"), decode);
    }
}

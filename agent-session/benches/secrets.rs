//! What it costs to look for secrets: milliseconds for a megabyte of output, as it comes from a pipe.
//!
//! `cargo bench -p glasswork-agent-session --bench secrets`; each figure is the best of five runs.
// A bench ends by panicking where its ground gives way.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]
#![allow(missing_docs)]

use std::time::{Duration, Instant};

use glasswork_agent_session::secrets::{Origin, Vaults};
use glasswork_engine::ScopeId;

const RUNS: usize = 5;
const MEGABYTE: usize = 1_000_000;
/// As much as a pipe gives at once.
const PIECE: usize = 64 * 1024;

fn main() {
    let source = include_str!("../src/secrets/scanner.rs");
    let lock = include_str!("../../Cargo.lock");
    let log =
        "2026-01-02T03:04:05Z INFO id=6f1c2f3e-8b1f-4c3e-9a52-0d8d6f0a7b1c path=/a/b?x=1&y=2 status=200\n";
    let line = "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4";
    let long = |piece: &str| piece.repeat(8000 / piece.len()) + "\n";
    let texts = [
        ("program text", source.to_owned()),
        ("a lock file", lock.to_owned()),
        ("a log", log.to_owned()),
        ("base64 in lines", format!("{line}\n")),
        ("base64 without end", line.to_owned()),
        ("prefixes of keys in long words", long("sk-eyJ-ghp_")),
        (
            "names of secrets in long words",
            long("a.token=abc&b.secret:def?password=x&"),
        ),
        ("a secret in each line", format!("{}=tr0ub4dor&3x\n", "PASSWORD")),
    ];
    let vaults = Vaults::new(vec!["a-key-of-this-process".into()]);
    for (name, text) in texts {
        let mut whole = text.repeat(MEGABYTE / text.len() + 1).into_bytes();
        whole.truncate(MEGABYTE);
        let best = (0..RUNS).map(|_| time(&vaults, &whole)).min().unwrap();
        println!("{name:32} {:8.2} ms", best.as_secs_f64() * 1000.0);
    }
}

fn time(vaults: &Vaults, text: &[u8]) -> Duration {
    let masking = vaults.masking(ScopeId::mint(), true);
    let begun = Instant::now();
    let mut stream = masking.stream(Origin::Elsewhere);
    let mut told = 0;
    for piece in text.chunks(PIECE) {
        told += stream.push(piece).len();
    }
    told += stream.finish().len();
    assert!(told > 0);
    begun.elapsed()
}

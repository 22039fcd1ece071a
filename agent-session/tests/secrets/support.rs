//! Secrets that are none: drawn from a fixed seed while the test runs, so that no file of this repository holds
//! anything that looks like one.

use std::sync::Arc;

use glasswork_agent_session::secrets::{Masking, SecretString, Vaults};
use glasswork_engine::ScopeId;
use glasswork_session_state::secrets::find;

pub(crate) const WORD: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
pub(crate) const HEX: &str = "0123456789abcdef";
pub(crate) const BASE32: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
pub(crate) const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// So many characters of an alphabet; the same ones for the same seed.
pub(crate) fn drawn(alphabet: &str, len: usize, seed: u64) -> String {
    let alphabet: Vec<char> = alphabet.chars().collect();
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap()
    };
    (0..len).map(|_| alphabet[next() % alphabet.len()]).collect()
}

/// A private key of so many full lines.
pub(crate) fn private_key(lines: usize, seed: u64) -> String {
    let mut key = String::from("-----BEGIN RSA PRIVATE KEY-----\n");
    for line in 0..lines {
        key.push_str(&drawn(BASE64, 64, seed + line as u64));
        key.push('\n');
    }
    key.push_str("Qm9i\n-----END RSA PRIVATE KEY-----\n");
    key
}

pub(crate) fn masking() -> Masking {
    masking_with(&[])
}

pub(crate) fn masking_with(own: &[&str]) -> Masking {
    let own = own.iter().map(|value| SecretString::from(*value)).collect();
    Arc::new(Vaults::new(own)).masking(ScopeId::mint(), true)
}

/// With placeholders told shortly: `<github-token 1>`.
pub(crate) fn short(masked: &str) -> String {
    let mut out = String::new();
    let mut done = 0;
    for (at, found) in find(masked) {
        out.push_str(&masked[done..at.start]);
        let part = found.part.map_or(String::new(), |part| format!(".{part}"));
        out.push_str(&format!("<{} {}{part}>", found.kind, found.number));
        done = at.end;
    }
    out + &masked[done..]
}

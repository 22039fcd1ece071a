//! What tools of servers are called. Providers take letters, digits, `_` and `-`, and at most 64 of them.

use glasswork_engine::digest::Digest;

/// How the name of every tool of a server begins. No other tool's name does.
pub const PREFIX: &str = "mcp__";
/// What stands between the server and the tool.
const BETWEEN: &str = "__";
/// Longest name of a tool that all providers take, in bytes.
pub const NAME_BYTES: usize = 64;
/// Digits of a digest that stand for what was cut off a name.
const DIGITS: usize = 8;

/// Whether a tool belongs to a server.
#[must_use]
pub fn is_of_server(tool: &str) -> bool {
    tool.starts_with(PREFIX)
}

/// The name under which a model calls a tool of a server. Other characters become `_`; of a name that is too long the
/// end is cut off, and a digest of the whole stands in its place, so that two of them stay two.
#[must_use]
pub fn called(server: &str, tool: &str) -> String {
    let name = format!("{PREFIX}{}{BETWEEN}{}", plain(server), plain(tool));
    if name.len() <= NAME_BYTES {
        return name;
    }
    let digest = Digest::of(&(server, tool)).to_string();
    let kept = name.get(..NAME_BYTES - DIGITS - 1).unwrap_or_default();
    format!("{kept}_{}", digest.get(..DIGITS).unwrap_or_default())
}

/// Byte for byte, so that the result can be cut anywhere.
fn plain(name: &str) -> String {
    name.chars()
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' => c,
            _ => '_',
        })
        .collect()
}

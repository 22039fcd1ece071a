//! A model that plays a script: for the demo, for tests, and for whoever wants to see a turn without a provider.
//!
//! A script is a [RON](https://docs.rs/ron) file. It says what the model answers, turn by turn; real tools do what it
//! calls for. It checks nothing itself: what it may look at is what the model was last told.
//!
//! ```
//! let script = glasswork_ai::scripted::Script::parse(r##"
//! (
//!     chunk: 12,      // characters in one delta (default 24)
//!     pace_ms: 15,    // pause before each delta (default 0)
//!     turns: [
//!         // The first request of a conversation gets the first turn, and so on.
//!         (say: [
//!             thinking("The test should say what is wrong."),
//!             text("I run the test."),
//!             call("bash", (command: "sh check.sh")),
//!         ]),
//!
//!         // Before it answers, a turn can fail; here the first two attempts do, each in its way.
//!         (
//!             first: [
//!                 (say: [fail(class: rate_limit, status: 429, retry_after_ms: 1500)]),
//!                 (times: 1, say: [text("I se"), partial(call("edit", (path: "add.sh"))), cut]),
//!             ],
//!             expect: "3 is not 4",   // what the model was told last must contain this, else the request fails
//!             say: [
//!                 text("The sum is wrong."),
//!                 call("edit", (path: "add.sh", edits: [(old: "$1 - $2", new: "$1 + $2")])),
//!                 // Arguments can also be given as text, which need not be JSON.
//!                 call_json("bash", r#"{"command": "sh check.sh"}"#),
//!             ],
//!         ),
//!
//!         // And it can depend on what the model was told last.
//!         (
//!             when: "all tests pass",
//!             say: [wait(300), text("Done: all tests pass.")],
//!             otherwise: [text("I could not mend it.")],
//!             usage: (input: 1200, output: 30, cache_read: 1000),   // else counted as characters / 4
//!         ),
//!     ],
//! )
//! "##)?;
//! assert_eq!(script.turns.len(), 3);
//! # Ok::<(), glasswork_ai::scripted::ScriptError>(())
//! ```
//!
//! # Steps
//!
//! | step | what happens |
//! |---|---|
//! | `text("…")`, `thinking("…")` | a block, streamed in chunks |
//! | `call("tool", (name: value, …))` | a call of a tool; the arguments are a RON struct or map, sent as JSON in the order written |
//! | `call_json("tool", "…")` | the same with the text of the arguments as it is |
//! | `partial(…)` | one of the above, but its last character never arrives and it is never finished |
//! | `wait(250)` | nothing for so many milliseconds |
//! | `connected` | the server takes the request (else implied by the first thing said); a `wait` or `stall` before it is a slow or dead connection, after it a slow or dead model |
//! | `stop(length)` | the answer ends for this reason: `end_of_turn`, `tool_use`, `length`, `stop_sequence`, `refusal`, `other("…")` |
//! | `cut` | the connection breaks |
//! | `stall` | nothing more, ever |
//! | `fail(class: …, message: "…", status: …, retry_after_ms: …)` | the request fails; the classes are those of [`FailureClass`](crate::failure::FailureClass): `auth`, `rate_limit`, `overloaded`, `unavailable`, `timeout`, `transport`, `invalid`, `context_overflow`, `quota`, `protocol` |
//!
//! A turn that does not say how it ends ends with `length` after a `partial`, with `tool_use` after a call, else with
//! `end_of_turn`. A request beyond the last turn fails, and so does one whose `expect` does not hold: neither is
//! worth repeating, so both are [`FailureClass::Invalid`](crate::failure::FailureClass::Invalid).

mod arguments;
mod play;
mod script;

pub use arguments::Arguments;
pub use play::{Cue, Play};
pub use script::{Before, Said, Script, ScriptError, Step, Turn};

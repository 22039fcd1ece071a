//! Taking secrets out of texts that leave this machine, for good: of sessions from before there was masking, and of what
//! was said while it was turned off.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use super::kind::Kind;
use super::known::Known;
use super::scanner::{Scanner, Sink, words_of};

/// Takes secrets out of texts. There is no way back.
#[derive(Clone, Default)]
pub struct Scrubber {
    known: Arc<Known>,
}

impl fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scrubber").finish_non_exhaustive()
    }
}

impl Scrubber {
    /// Takes out what looks like a secret, and these values.
    #[must_use]
    pub fn new(own: &[SecretString]) -> Self {
        let mut known = Known::default();
        for value in own {
            for word in words_of(value.expose_secret()) {
                known.add(Kind::Credential, word);
            }
        }
        Self {
            known: Arc::new(known),
        }
    }

    /// The text with `[masked:password]` and the like where secrets stood, and how often of each kind. Of a private
    /// key every line is masked, and it counts once. Placeholders stay what they are: they say nothing.
    #[must_use]
    pub fn scrub(&self, text: &str) -> (String, Vec<(String, u64)>) {
        let mut scrubbed = Scrubbed::default();
        let mut scanner = Scanner::new(Arc::clone(&self.known));
        scanner.push(text.as_bytes(), &mut scrubbed);
        scanner.finish(&mut scrubbed);
        let Scrubbed { out, counts } = scrubbed;
        let text =
            String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into());
        let counts = counts.into_iter().map(|(kind, count)| (kind.to_owned(), count));
        (text, counts.collect())
    }
}

#[derive(Default)]
struct Scrubbed {
    out: Vec<u8>,
    counts: BTreeMap<&'static str, u64>,
}

impl Sink for Scrubbed {
    fn plain(&mut self, text: &[u8]) {
        self.out.extend_from_slice(text);
    }

    fn secret(&mut self, kind: Kind, _: &str, further: bool) {
        self.out
            .extend_from_slice(format!("[masked:{}]", kind.name()).as_bytes());
        if !further {
            *self.counts.entry(kind.name()).or_default() += 1;
        }
    }
}

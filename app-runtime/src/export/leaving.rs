//! What a text gives away, and how it is told or taken out before it leaves.

use std::borrow::Cow;
use std::collections::BTreeMap;

use glasswork_agent_session::secrets::{Masking, Origin, Vaults};
use glasswork_engine::ScopeId;
use glasswork_session_state::secrets;
use serde::Serialize;

/// What every text goes through that leaves.
#[derive(Debug, Default)]
pub struct Leaving {
    /// The home directory, where it is to be shortened.
    home: Option<String>,
    /// Masks what was not masked when it came to the session.
    masking: Option<Masking>,
}

/// What was found in the texts that leave.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Findings {
    /// Paths below the home directory.
    pub home_paths: u64,
    /// Places where a secret was masked, by its kind.
    pub secrets: BTreeMap<String, u64>,
}

impl Findings {
    fn note_secrets(&mut self, text: &str) {
        for (_, placeholder) in secrets::find(text) {
            *self.secrets.entry(placeholder.kind.to_owned()).or_default() += 1;
        }
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.home_paths == 0 && self.secrets.is_empty()
    }
}

impl Leaving {
    /// Shortens paths below this directory, if it is an absolute one and not the root.
    #[must_use]
    pub fn home(home: Option<&str>) -> Self {
        let home = home
            .map(|home| home.trim_end_matches('/'))
            .filter(|home| home.starts_with('/'));
        Self {
            home: home.map(ToOwned::to_owned),
            masking: None,
        }
    }

    /// Masks secrets that came to a session before secrets were masked, or while that was turned off; among them those
    /// of this process.
    #[must_use]
    pub fn masking(self, secrets: &Vaults, session: ScopeId) -> Self {
        Self {
            masking: Some(secrets.masking(session, true)),
            ..self
        }
    }

    /// The text that may leave. What was taken out is counted.
    #[must_use]
    pub fn text<'t>(&self, text: &'t str, found: &mut Findings) -> Cow<'t, str> {
        let text = match &self.masking {
            Some(masking) => masking.text(text, &Origin::Elsewhere),
            None => Cow::Borrowed(text),
        };
        found.note_secrets(&text);
        let Some(home) = &self.home else { return text };
        let places: Vec<usize> = places(&text, home).collect();
        if places.is_empty() {
            return text;
        }
        found.home_paths += places.len() as u64;
        let mut short = String::with_capacity(text.len());
        let mut from = 0;
        for place in places {
            short.push_str(text.get(from..place).unwrap_or_default());
            short.push('~');
            from = place + home.len();
        }
        short.push_str(text.get(from..).unwrap_or_default());
        Cow::Owned(short)
    }

    /// Counts what a text gives away that leaves as it is.
    pub fn note(&self, text: &str, found: &mut Findings) {
        found.note_secrets(text);
        if let Some(home) = &self.home {
            found.home_paths += places(text, home).count() as u64;
        }
    }
}

/// Where the home directory stands as a whole name: not in `/home/adam` for `/home/ada`, nor in `/mnt/home/ada`.
pub(crate) fn places<'t>(text: &'t str, home: &'t str) -> impl Iterator<Item = usize> + 't {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    text.match_indices(home)
        .map(|(place, _)| place)
        .filter(move |place| {
            let before = text.get(..*place).and_then(|before| before.chars().next_back());
            let mut after = text.get(place + home.len()..).unwrap_or_default().chars();
            let ends = match after.next() {
                // A full stop may end a sentence.
                Some('.') => !after.next().is_some_and(part),
                Some(c) => !part(c),
                None => true,
            };
            ends && !before.is_some_and(part)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_home_directory_is_shortened_where_it_is_meant() {
        let table = [
            ("/home/ada/x and /home/ada", "~/x and ~", 2),
            ("see /home/ada.", "see ~.", 1),
            ("\"/home/ada/a\":1", "\"~/a\":1", 1),
            (
                "/home/adam/x /mnt/home/ada /home/ada.old",
                "/home/adam/x /mnt/home/ada /home/ada.old",
                0,
            ),
            ("file:///home/ada/x", "file://~/x", 1),
            ("nothing", "nothing", 0),
        ];
        let leaving = Leaving::home(Some("/home/ada/"));
        for (text, expected, count) in table {
            let mut found = Findings::default();
            assert_eq!(leaving.text(text, &mut found), expected);
            assert_eq!(found.home_paths, count, "{text}");
        }
        for home in [None, Some("/"), Some(""), Some("relative")] {
            let mut found = Findings::default();
            assert_eq!(
                Leaving::home(home).text("/home/ada/x /", &mut found),
                "/home/ada/x /"
            );
            assert!(found.is_empty());
        }
    }

    #[test]
    fn what_is_masked_is_counted_whenever_it_was() {
        let session = ScopeId::from_u128(7);
        let own = Vaults::new(vec!["the-key-of-this-process".into()]);
        let leaving = Leaving::home(Some("/h")).masking(&own, session);
        // Put together here, so that nobody takes this file for a leak.
        let token = ["gh", "p_x7Kq9ZtR2mWv5LpN8sYb3JdF6hGc1TaQ4eUi"].concat();
        let mut found = Findings::default();
        let text = format!("{token} in /h/x, the-key-of-this-process, [secret:password:1a2b3c4d5:1]");
        let left = leaving.text(&text, &mut found);
        assert!(!left.contains(&token) && left.contains("~/x"), "{left}");
        assert!(!left.contains("key-of-this"), "{left}");
        let kinds: Vec<u64> = found.secrets.values().copied().collect();
        assert_eq!(kinds, [1, 1, 1], "{found:?}");
        assert_eq!(found.secrets.get("password"), Some(&1));
    }
}

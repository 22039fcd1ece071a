//! What a text gives away, and how it is told or taken out before it leaves.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

/// Masks the secrets of a text: returns the text that may leave, and how many of which kind were taken out.
pub type Masker<'a> = dyn Fn(&str) -> (String, Vec<(String, u64)>) + 'a;

/// What every text goes through that leaves.
pub struct Leaving<'a> {
    /// The home directory, where it is to be shortened.
    home: Option<String>,
    masker: Option<Box<Masker<'a>>>,
}

impl std::fmt::Debug for Leaving<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Leaving")
            .field("home", &self.home)
            .finish_non_exhaustive()
    }
}

/// What was found in the texts that leave.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Findings {
    /// Paths below the home directory.
    pub home_paths: u64,
    /// Secrets that were taken out, by kind.
    pub secrets: BTreeMap<String, u64>,
}

impl Findings {
    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.home_paths == 0 && self.secrets.is_empty()
    }
}

impl<'a> Leaving<'a> {
    /// Shortens paths below this directory, if it is an absolute one and not the root.
    #[must_use]
    pub fn home(home: Option<&str>) -> Self {
        let home = home
            .map(|home| home.trim_end_matches('/'))
            .filter(|home| home.starts_with('/'));
        Self {
            home: home.map(ToOwned::to_owned),
            masker: None,
        }
    }

    /// Takes out what this masks, too.
    #[must_use]
    pub fn masking(self, masker: Box<Masker<'a>>) -> Self {
        Self {
            masker: Some(masker),
            ..self
        }
    }

    /// The text that may leave. What was taken out is counted.
    #[must_use]
    pub fn text<'t>(&self, text: &'t str, found: &mut Findings) -> Cow<'t, str> {
        let mut text = Cow::Borrowed(text);
        if let Some(masker) = &self.masker {
            let (masked, kinds) = masker(&text);
            for (kind, count) in kinds {
                *found.secrets.entry(kind).or_default() += count;
            }
            if masked != *text {
                text = Cow::Owned(masked);
            }
        }
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
        if let Some(home) = &self.home {
            found.home_paths += places(text, home).count() as u64;
        }
    }
}

/// Where the home directory stands as a whole name: not in `/home/adam` for `/home/ada`, nor in `/mnt/home/ada`.
fn places<'t>(text: &'t str, home: &'t str) -> impl Iterator<Item = usize> + 't {
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
    fn what_a_masker_takes_out_is_counted() {
        let masker = |text: &str| (text.replace("hunter2", "***"), vec![("password".to_owned(), 1)]);
        let leaving = Leaving::home(Some("/h")).masking(Box::new(masker));
        let mut found = Findings::default();
        assert_eq!(leaving.text("hunter2 in /h/x", &mut found), "*** in ~/x");
        assert_eq!(found.secrets, BTreeMap::from([("password".to_owned(), 1)]));
    }
}

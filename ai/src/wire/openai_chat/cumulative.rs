//! Deltas of servers that say the whole text so far in each of them.
//!
//! One delta that begins with all that came before it may be chance (`ha`, `haha`), so it is held back until the next one
//! shows: if that one begins with it too, the server repeats itself, from the first delta on.

/// How many bytes must have come before a repetition is looked for. Shorter beginnings repeat by chance.
const LEAST: usize = 3;

/// A text without what is said again of it.
#[derive(Debug)]
pub(super) struct Unrepeated {
    state: State,
}

#[derive(Debug)]
enum State {
    /// Every delta is new.
    True,
    /// Nothing came.
    Empty,
    /// One delta came.
    One(String),
    /// The second began with the first, and is held back.
    Two { first: String, second: String },
    /// Every delta begins with the text so far.
    Repeats(String),
}

impl Unrepeated {
    pub(super) fn new(may_repeat: bool) -> Self {
        Self {
            state: if may_repeat { State::Empty } else { State::True },
        }
    }

    /// What a delta adds.
    pub(super) fn next(&mut self, delta: &str) -> String {
        if delta.is_empty() {
            return String::new();
        }
        let (state, new) = match std::mem::replace(&mut self.state, State::True) {
            State::True => (State::True, delta.to_owned()),
            State::Empty => (State::One(delta.to_owned()), delta.to_owned()),
            State::One(first)
                if first.len() >= LEAST && delta.len() > first.len() && delta.starts_with(&first) =>
            {
                let second = delta.to_owned();
                (State::Two { first, second }, String::new())
            }
            State::One(_) => (State::True, delta.to_owned()),
            State::Two { first, second } if delta.starts_with(&second) => {
                let new = delta.get(first.len()..).unwrap_or_default().to_owned();
                (State::Repeats(delta.to_owned()), new)
            }
            State::Two { second, .. } => (State::True, second + delta),
            State::Repeats(so_far) => match delta.strip_prefix(&so_far) {
                Some(new) => {
                    let new = new.to_owned();
                    (State::Repeats(so_far + &new), new)
                }
                // It began anew, or the server changed its mind.
                None => (State::True, delta.to_owned()),
            },
        };
        self.state = state;
        new
    }

    /// What was held back, at the end of the text. With only two deltas nothing is certain; that the second repeats the
    /// first is likelier than that the model does.
    pub(super) fn rest(&mut self) -> String {
        match std::mem::replace(&mut self.state, State::True) {
            State::Two { first, second } => second.get(first.len()..).unwrap_or_default().to_owned(),
            state => {
                self.state = state;
                String::new()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(may_repeat: bool, deltas: &[&str]) -> String {
        let mut unrepeated = Unrepeated::new(may_repeat);
        let mut text: String = deltas.iter().map(|delta| unrepeated.next(delta)).collect();
        text.push_str(&unrepeated.rest());
        text
    }

    #[test]
    fn what_is_said_again_is_said_once_and_chance_is_left_alone() {
        let cases: &[(&[&str], &str)] = &[
            (&["Hel", "Hello", "Hello world"], "Hello world"),
            (&["Hel", "Hello", "Hello", "Hello world"], "Hello world"),
            (&["Hel", "Hello"], "Hello"),
            (&["Hel", "lo", " world"], "Hello world"),
            (&["ha", "haha", "hahaha"], "hahahahahaha"),
            (&["\n", "\n\n", "\n\n\n"], "\n\n\n\n\n\n"),
            (&["cat", "catalogue", " of cats"], "catcatalogue of cats"),
            (&["Hel", "Hello", "Hello w", "orld"], "Hello world"),
            (&["Grüß", "Grüße", "Grüße 🦀"], "Grüße 🦀"),
            (&["", "Hel", "", "Hello", "Hello!"], "Hello!"),
        ];
        for (deltas, expected) in cases {
            assert_eq!(text(true, deltas), *expected, "{deltas:?}");
            assert_eq!(text(false, deltas), deltas.concat());
        }
    }
}

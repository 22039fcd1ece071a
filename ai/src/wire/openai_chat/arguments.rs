//! Arguments of a call, of servers that send all of them so far in each delta.
//!
//! Evidence decides, for every call anew, and here it is hard evidence: arguments are one JSON value. A delta that begins
//! with all that came before is a repetition if behind what came before it could be no part of JSON (`{"a` and `{"ab"`).
//! Where it could be (`{"a":` and `{"a":1}` may be a value in itself), both readings are kept until one of them breaks, or
//! is a whole object at the end.

use std::borrow::Cow;

use crate::wire::is_object;

/// Arguments without what is said again of them.
#[derive(Debug)]
pub(super) enum Arguments {
    /// Every delta is new.
    True,
    /// The first delta, or nothing.
    First(String),
    /// The last delta began with all before it, and may have been new all the same. Told is what both readings say.
    Either {
        told: usize,
        /// If every delta was new.
        joined: String,
        /// If every delta said all so far.
        last: String,
    },
    /// Every delta says all so far.
    Repeats(String),
}

impl Arguments {
    pub(super) fn new(may_repeat: bool) -> Self {
        if may_repeat {
            Self::First(String::new())
        } else {
            Self::True
        }
    }

    /// What a delta adds.
    pub(super) fn next<'a>(&mut self, delta: &'a str) -> Cow<'a, str> {
        if delta.is_empty() {
            return Cow::Borrowed("");
        }
        let (state, new) = match std::mem::replace(self, Self::True) {
            Self::True => (Self::True, Cow::Borrowed(delta)),
            Self::First(first) if first.is_empty() => (Self::First(delta.to_owned()), Cow::Borrowed(delta)),
            // A delta that is broken as it is says nothing.
            Self::First(first) if delta.starts_with(&first) && is_beginning(delta) => {
                Self::weigh(first.len(), first + delta, delta)
            }
            Self::First(_) => (Self::True, Cow::Borrowed(delta)),
            Self::Either { told, joined, last } => {
                let joined = joined + delta;
                if delta.starts_with(&last) && is_beginning(delta) {
                    Self::weigh(told, joined, delta)
                } else {
                    let new = joined.get(told..).unwrap_or_default().to_owned();
                    (Self::True, Cow::Owned(new))
                }
            }
            Self::Repeats(so_far) => match delta.strip_prefix(&so_far) {
                Some(new) => (Self::Repeats(delta.to_owned()), Cow::Borrowed(new)),
                // The server changed its mind.
                None => (Self::True, Cow::Borrowed(delta)),
            },
        };
        *self = state;
        new
    }

    /// A delta that begins with all before it: `joined` is what came, if it is new.
    fn weigh(told: usize, joined: String, delta: &str) -> (Self, Cow<'_, str>) {
        let last = delta.to_owned();
        if is_beginning(&joined) {
            (Self::Either { told, joined, last }, Cow::Borrowed(""))
        } else {
            let new = delta.get(told..).unwrap_or_default();
            (Self::Repeats(last), Cow::Borrowed(new))
        }
    }

    /// What was held back, at the end of the call: of two readings the one that is an object, and of two such, or none,
    /// what came as it came.
    pub(super) fn rest(&mut self) -> String {
        match std::mem::replace(self, Self::True) {
            Self::Either { told, joined, last } => {
                let whole = if is_object(&last) && !is_object(&joined) {
                    last
                } else {
                    joined
                };
                whole.get(told..).unwrap_or_default().to_owned()
            }
            _ => String::new(),
        }
    }
}

/// Whether JSON may begin like this, or is this.
fn is_beginning(text: &str) -> bool {
    match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Ok(_) => true,
        Err(error) => error.is_eof(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(may_repeat: bool, deltas: &[&str]) -> String {
        let mut arguments = Arguments::new(may_repeat);
        let mut text: String = deltas
            .iter()
            .map(|delta| arguments.next(delta).into_owned())
            .collect();
        text.push_str(&arguments.rest());
        text
    }

    #[test]
    fn what_is_said_again_is_said_once() {
        let cases: &[(&[&str], &str)] = &[
            (
                &["{\"pa", "{\"path\": \"a", "{\"path\": \"ab\"}"],
                "{\"path\": \"ab\"}",
            ),
            (&["{", "{\"a\":1}"], "{\"a\":1}"),
            (&["{", "{\"", "{\"a\":1}"], "{\"a\":1}"),
            (&["{\"a\":1", "{\"a\":1", "{\"a\":1}", "{\"a\":1}"], "{\"a\":1}"),
            (&["", "{\"a\":1}", "", "{\"a\":1}"], "{\"a\":1}"),
            // The second could have been a value; the third could not.
            (
                &["{\"a\":", "{\"a\":{\"b\"", "{\"a\":{\"b\":2}}"],
                "{\"a\":{\"b\":2}}",
            ),
            // Nothing but the end tells.
            (&["{\"a\":", "{\"a\":1}"], "{\"a\":1}"),
            // It goes over to deltas.
            (&["{\"a", "{\"a\":", "1}"], "{\"a\":1}"),
        ];
        for (deltas, expected) in cases {
            assert_eq!(whole(true, deltas), *expected, "{deltas:?}");
            assert_eq!(whole(false, deltas), deltas.concat());
        }
    }

    #[test]
    fn deltas_that_happen_to_repeat_are_left_alone() {
        let cases: &[&[&str]] = &[
            &["{\"path\": \"", "a", "a", "aa", "\"}"],
            &["{\"a\":", "{\"a\":1}", "}"],
            &["{\"a\":", "{\"a\":", "{\"a\":1}}}"],
            &["{\"a\":", "{\"a\":", "{\"a\":", "1}}}"],
            &["{\"", "{\"", ":1}"],
            &["{\"a\":[", "{\"a\":[", "]}", "]}"],
            &[" ", "  ", "{}"],
            &["{\"a\":", "{\"a\":1}}"],
            // What is broken is left to those who mend.
            &["{a:", "{a:1}"],
            &["{'a", "{'a':1}"],
        ];
        for deltas in cases {
            assert_eq!(whole(true, deltas), deltas.concat(), "{deltas:?}");
        }
    }

    fn json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("1".to_owned()),
            "[{}\\[\\]:, a]{0,4}".prop_map(|text| serde_json::Value::String(text).to_string()),
        ];
        let value = leaf.prop_recursive(5, 12, 2, |inner| {
            prop_oneof![
                ("[a{:]", inner.clone()).prop_map(|(key, value)| format!("{{\"{key}\":{value}}}")),
                proptest::collection::vec(inner, 0..3).prop_map(|items| format!("[{}]", items.join(","))),
            ]
        });
        ("[a{:]", value).prop_map(|(key, value)| format!("{{\"{key}\":{value}}}"))
    }

    proptest! {
        /// However it is cut: deltas are left as they are, and what is said again is said once.
        #[test]
        fn an_object_comes_out_as_it_was_meant(text in json(), cuts in proptest::collection::btree_set(0usize..64, 0..8)) {
            let mut at: Vec<usize> = cuts.into_iter().filter(|cut| *cut < text.len()).collect();
            at.push(text.len());
            let again: Vec<&str> = at.iter().filter_map(|end| text.get(..*end)).collect();
            prop_assert_eq!(whole(true, &again), text.clone());
            at.insert(0, 0);
            let deltas: Vec<&str> = at.windows(2).filter_map(|pair| text.get(pair[0]..pair[1])).collect();
            prop_assert_eq!(whole(true, &deltas), text);
        }
    }
}

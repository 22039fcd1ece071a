//! Ids of calls as a server takes them. A conversation may hold ids that other servers gave, in their alphabets and
//! lengths; what is sent is always the same for the same conversation, different for different calls, and unchanged
//! where the server takes it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::conversation::{Block, Message};

/// Which ids of calls a server takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallIds {
    /// Any text.
    Any,
    /// At most 40 characters (OpenAI Chat Completions).
    Short,
    /// At most 64 characters of `a-z A-Z 0-9 _ -` (Anthropic, OpenAI Responses).
    Word,
    /// Exactly nine of `a-z A-Z 0-9` (Mistral).
    Nine,
}

impl CallIds {
    fn most(self) -> usize {
        match self {
            Self::Any => usize::MAX,
            Self::Short => 40,
            Self::Word => 64,
            Self::Nine => 9,
        }
    }

    fn has(self, c: char) -> bool {
        match self {
            Self::Any | Self::Short => true,
            Self::Word => c.is_ascii_alphanumeric() || c == '_' || c == '-',
            Self::Nine => c.is_ascii_alphanumeric(),
        }
    }

    fn takes(self, id: &str) -> bool {
        let length = id.chars().count();
        let fits = match self {
            Self::Nine => length == 9,
            _ => length <= self.most(),
        };
        fits && id.chars().all(|c| self.has(c))
    }

    /// The nearest id that the server takes; `attempt` makes others of the same.
    fn near(self, id: &str, attempt: u32) -> String {
        let plain: String = id.chars().map(|c| if self.has(c) { c } else { '_' }).collect();
        if attempt == 0 && self.takes(&plain) {
            return plain;
        }
        let digest = base36(fnv(id, attempt));
        match self {
            Self::Nine => digest.chars().take(9).collect(),
            _ => {
                let room = self.most().saturating_sub(digest.len() + 1);
                let kept: String = plain.chars().take(room).collect();
                format!("{kept}_{digest}")
            }
        }
    }
}

/// The ids of the calls of a conversation, as one server takes them.
#[derive(Debug)]
pub(super) struct Ids<'a>(BTreeMap<&'a str, Cow<'a, str>>);

impl<'a> Ids<'a> {
    pub(super) fn of(messages: &'a [Message], form: CallIds) -> Self {
        let all = messages.iter().flat_map(|message| match message {
            Message::Assistant { blocks, .. } => blocks.as_slice(),
            _ => &[],
        });
        let all = all.filter_map(|block| match block {
            Block::ToolCall(call) => Some(&*call.id),
            _ => None,
        });
        let given = messages.iter().filter_map(|message| match message {
            Message::ToolResult(result) => Some(&*result.call),
            _ => None,
        });
        // In order, so that what was sent of a call stays as it is when others follow.
        let mut taken: BTreeSet<Cow<'a, str>> = BTreeSet::new();
        let mut sent: BTreeMap<&str, Cow<'a, str>> = BTreeMap::new();
        for id in all.chain(given) {
            if sent.contains_key(id) {
                continue;
            }
            let as_it_is = Some(Cow::Borrowed(id)).filter(|_| form.takes(id));
            let near = (0..).map(|attempt| Cow::Owned(form.near(id, attempt)));
            if let Some(free) = as_it_is.into_iter().chain(near).find(|id| !taken.contains(id)) {
                taken.insert(free.clone());
                sent.insert(id, free);
            }
        }
        Self(sent)
    }

    /// The id to send.
    pub(super) fn get<'b>(&'b self, id: &'b str) -> Cow<'b, str> {
        Cow::Borrowed(self.0.get(id).map_or(id, |sent| sent))
    }
}

/// [FNV-1a](http://www.isthe.com/chongo/tech/comp/fnv/), 64 bits: the same everywhere and always.
fn fnv(text: &str, salt: u32) -> u64 {
    let bytes = salt.to_le_bytes().into_iter().chain(text.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Thirteen digits, the last of the number first: those differ most.
fn base36(mut number: u64) -> String {
    let digit = |value: u64| {
        u32::try_from(value)
            .ok()
            .and_then(|value| char::from_digit(value, 36))
    };
    let digits = std::iter::repeat_with(|| {
        let value = number % 36;
        number /= 36;
        digit(value).unwrap_or('0')
    });
    digits.take(13).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::conversation::ToolCall;

    fn conversation(ids: &[String]) -> Vec<Message> {
        let blocks = ids.iter().map(|id| {
            Block::ToolCall(ToolCall {
                id: id.as_str().into(),
                name: "ls".into(),
                arguments: "{}".into(),
                reading: None,
            })
        });
        vec![Message::Assistant {
            blocks: blocks.collect(),
            model: "a/b".parse().unwrap(),
        }]
    }

    #[test]
    fn ids_that_are_taken_stay_and_others_become_like_them() {
        let sent = |form, ids: &[&str]| -> Vec<String> {
            let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
            let messages = conversation(&ids);
            let sent = Ids::of(&messages, form);
            ids.iter().map(|id| sent.get(id).into_owned()).collect()
        };
        insta::assert_debug_snapshot!(sent(CallIds::Word, &["f.read:0", "f_read_0", "f:read:0", "ok"]), @r#"
        [
            "f_read_0",
            "f_read_0_w8kj6syjih2l0",
            "f_read_0_igenc2h4t06x1",
            "ok",
        ]
        "#);
        insta::assert_debug_snapshot!(sent(CallIds::Short, &["f.read:0", &"long".repeat(11)]), @r#"
        [
            "f.read:0",
            "longlonglonglonglonglonglo_jy68dpt1ldgu0",
        ]
        "#);
        insta::assert_debug_snapshot!(sent(CallIds::Nine, &["abcDEF123", "toolu_1", "toolu_2", ""]), @r#"
        [
            "abcDEF123",
            "qdbg7hc1a",
            "7d9madbn9",
            "hl7y1q3tx",
        ]
        "#);
        assert_eq!(sent(CallIds::Any, &["f.read:0"]), ["f.read:0"]);
    }

    proptest! {
        #[test]
        fn different_calls_have_different_ids_that_the_server_takes(
            ids in proptest::collection::btree_set("[a-c_.:é]{0,3}|[a-z]{60,70}|[a-c]{9}", 0..20)
        ) {
            let ids: Vec<String> = ids.into_iter().collect();
            let messages = conversation(&ids);
            for form in [CallIds::Any, CallIds::Short, CallIds::Word, CallIds::Nine] {
                let sent = Ids::of(&messages, form);
                let all: Vec<String> = ids.iter().map(|id| sent.get(id).into_owned()).collect();
                for (id, sent) in ids.iter().zip(&all) {
                    prop_assert!(form.takes(sent), "{:?}", sent);
                    prop_assert!(!form.takes(id) || id == sent || all.contains(id));
                }
                let different: BTreeSet<&String> = all.iter().collect();
                prop_assert_eq!(different.len(), all.len());
                // More calls after them change nothing: the beginning of the request stays as it is.
                let mut more = ids.clone();
                more.push("another:one".to_owned());
                let messages = conversation(&more);
                let later = Ids::of(&messages, form);
                let again: Vec<String> = ids.iter().map(|id| later.get(id).into_owned()).collect();
                prop_assert_eq!(again, all);
            }
        }
    }
}

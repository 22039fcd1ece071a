//! The map that grows at its end, against an ordinary one.

use std::collections::BTreeMap;
use std::ops::Bound;

use glasswork_agent_core::tail_map::TailMap;
use proptest::prelude::*;

/// What is done to it.
#[derive(Debug, Clone)]
enum Step {
    /// Puts a value at the key so far behind the greatest.
    Append(u64, u32),
    /// Puts a value anywhere.
    Insert(u64, u32),
    /// Changes the value at the key so far before the greatest.
    Change(u64, u32),
    /// Writes it as JSON and reads it again, which divides it anew.
    Reload,
    /// The state before the next steps begins here.
    Mark,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (1..4u64, any::<u32>()).prop_map(|(by, value)| Step::Append(by, value)),
        1 => (0..90u64, any::<u32>()).prop_map(|(key, value)| Step::Insert(key, value)),
        3 => (0..24u64, any::<u32>()).prop_map(|(back, value)| Step::Change(back, value)),
        1 => Just(Step::Reload),
        1 => Just(Step::Mark),
    ];
    proptest::collection::vec(step, 0..90)
}

fn pairs(map: &TailMap<u64, u32>) -> Vec<(u64, u32)> {
    map.iter().map(|(key, value)| (*key, *value)).collect()
}

proptest! {
    /// Everything that can be asked of it is what an ordinary map answers, and what has changed since a state before
    /// is what differs, whichever way the pairs are divided in each.
    #[test]
    fn answers_like_an_ordinary_map(steps in steps()) {
        let (mut map, mut model) = (TailMap::new(), BTreeMap::new());
        let (mut before, mut model_before) = (map.clone(), model.clone());
        for step in steps {
            let last = model.last_key_value().map_or(0, |(key, _)| *key);
            match step {
                Step::Append(by, value) => {
                    map.insert(last + by, value);
                    model.insert(last + by, value);
                }
                Step::Insert(key, value) => {
                    map.insert(key, value);
                    model.insert(key, value);
                }
                Step::Change(back, value) => {
                    let key = last.saturating_sub(back);
                    let (one, other) = (map.get_mut(&key), model.get_mut(&key));
                    prop_assert_eq!(one.is_some(), other.is_some());
                    if let (Some(one), Some(other)) = (one, other) {
                        (*one, *other) = (value, value);
                    }
                }
                Step::Reload => {
                    let json = serde_json::to_string(&map).unwrap();
                    prop_assert_eq!(&json, &serde_json::to_string(&model).unwrap());
                    let read: TailMap<u64, u32> = serde_json::from_str(&json).unwrap();
                    prop_assert_eq!(&read, &map);
                    map = read;
                }
                Step::Mark => (before, model_before) = (map.clone(), model.clone()),
            }
            let expected: Vec<(u64, u32)> = model.iter().map(|(key, value)| (*key, *value)).collect();
            prop_assert_eq!(pairs(&map), &expected[..]);
            prop_assert_eq!(map.len(), model.len());
            prop_assert_eq!(map.is_empty(), model.is_empty());
            prop_assert_eq!(map.get_max().copied(), expected.last().copied());
            let back: Vec<_> = map.keys().rev().copied().collect();
            prop_assert_eq!(back, model.keys().rev().copied().collect::<Vec<_>>());
            for key in 0..last + 2 {
                prop_assert_eq!(map.get(&key), model.get(&key));
                prop_assert_eq!(map.contains_key(&key), model.contains_key(&key));
            }
            let middle = (Bound::Excluded(last / 2), Bound::Included(last));
            if last > 0 {
                let one: Vec<_> = map.range(middle).collect();
                prop_assert_eq!(one, model.range(middle).collect::<Vec<_>>());
            }
            let changed: Vec<_> = map.changed_since(&before).into_iter().map(|(key, now)| (*key, now.copied())).collect();
            let keys = model.keys().filter(|key| model.get(key) != model_before.get(key));
            let differ: Vec<_> = keys.map(|key| (*key, model.get(key).copied())).collect();
            prop_assert_eq!(changed, differ);
            prop_assert_eq!(map == before, model == model_before);
        }
        // The states before stand as they were.
        prop_assert_eq!(pairs(&before), model_before.into_iter().collect::<Vec<_>>());
    }
}

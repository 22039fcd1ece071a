//! A persistent map that grows at its end.
//!
//! What a conversation consists of (entries, calls, requests, turns of the past) is numbered in the order in which it
//! comes, and what changes is nearly always the newest. A persistent tree copies the nodes on the way to what changes,
//! the more of them the longer the conversation is. This map holds the newest few in a tree of their own, one node
//! deep, and moves them over to the large one together: so a change costs the same in a conversation of 20 entries and
//! of 20,000, but for every sixteenth.
//!
//! How its pairs are divided is nobody's business: two maps are equal if they hold the same pairs.

use std::collections::BTreeSet;
use std::fmt::{self, Debug};
use std::ops::{Index, RangeBounds};

use im::OrdMap;
use im::ordmap::{DiffItem, Iter};
use im::shared_ptr::DefaultSharedPtr;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How many pairs the tail holds at most: as many as fit into one node.
const TAIL: usize = 16;

/// The pairs of one of its trees.
type Pairs<'a, K, V> = Iter<'a, K, V, DefaultSharedPtr>;

/// A persistent map that grows at its end. Reads like an [`OrdMap`], and is written like one in JSON.
#[derive(Clone)]
pub struct TailMap<K, V> {
    body: OrdMap<K, V>,
    /// The newest: each of its keys is behind all of those in `body`.
    tail: OrdMap<K, V>,
}

impl<K: Ord + Clone, V: Clone> TailMap<K, V> {
    /// A map without pairs.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a value at its key, instead of one that was there.
    pub fn insert(&mut self, key: K, value: V) {
        if self.is_in_tail(&key) {
            self.tail.insert(key, value);
            if self.tail.len() > TAIL {
                self.body.extend(std::mem::take(&mut self.tail));
            }
        } else {
            self.body.insert(key, value);
        }
    }

    /// The same map with this pair.
    #[must_use]
    pub fn update(&self, key: K, value: V) -> Self {
        let mut updated = self.clone();
        updated.insert(key, value);
        updated
    }

    /// The value at a key, to be changed.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        match self.is_in_tail(key) {
            true => self.tail.get_mut(key),
            false => self.body.get_mut(key),
        }
    }

    /// Whether a key is behind all of those in the body.
    fn is_in_tail(&self, key: &K) -> bool {
        match self.tail.get_min() {
            Some((first, _)) if first <= key => true,
            _ => self.body.get_max().is_none_or(|(last, _)| last < key),
        }
    }

    /// The value at a key.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        self.tail.get(key).or_else(|| self.body.get(key))
    }

    /// Whether there is a value at a key.
    #[must_use]
    pub fn contains_key(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    /// The pair with the greatest key.
    #[must_use]
    pub fn get_max(&self) -> Option<&(K, V)> {
        self.tail.get_max().or_else(|| self.body.get_max())
    }

    /// How many pairs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.body.len() + self.tail.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.body.is_empty() && self.tail.is_empty()
    }

    /// The pairs, in the order of their keys.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.body.iter().chain(self.tail.iter())
    }

    /// The pairs with keys within a range, in the order of their keys.
    pub fn range<R: RangeBounds<K> + Clone>(&self, range: R) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.body.range(range.clone()).chain(self.tail.range(range))
    }

    /// The keys, in their order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// The values, in the order of their keys.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }
}

impl<K: Ord + Clone, V: Clone + PartialEq> TailMap<K, V> {
    /// The keys at which this map differs from an earlier state of it, with what stands there now (`None`: nothing),
    /// in their order; costs what has changed.
    #[must_use]
    pub fn changed_since<'a>(&'a self, before: &'a Self) -> Vec<(&'a K, Option<&'a V>)> {
        let bodies = before.body.diff(&self.body).map(|change| match change {
            DiffItem::Add(key, _) | DiffItem::Remove(key, _) | DiffItem::Update { new: (key, _), .. } => key,
        });
        let tails = (!before.tail.ptr_eq(&self.tail)).then(|| before.tail.keys().chain(self.tail.keys()));
        // A pair that only moved from the tail to the body has not changed.
        let candidates: BTreeSet<&K> = bodies.chain(tails.into_iter().flatten()).collect();
        let changed = candidates
            .into_iter()
            .filter(|key| before.get(key) != self.get(key));
        changed.map(|key| (key, self.get(key))).collect()
    }
}

impl<K: Ord + Clone, V: Clone> Default for TailMap<K, V> {
    fn default() -> Self {
        Self {
            body: OrdMap::new(),
            tail: OrdMap::new(),
        }
    }
}

impl<K: Ord + Clone, V: Clone + PartialEq> PartialEq for TailMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        let shared = self.body.ptr_eq(&other.body) && self.tail.ptr_eq(&other.tail);
        shared || (self.len() == other.len() && self.changed_since(other).is_empty())
    }
}

impl<K: Ord + Clone, V: Clone + Eq> Eq for TailMap<K, V> {}

impl<K: Ord + Clone + Debug, V: Clone + Debug> Debug for TailMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<'a, K: Ord, V> IntoIterator for &'a TailMap<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = std::iter::Chain<Pairs<'a, K, V>, Pairs<'a, K, V>>;

    fn into_iter(self) -> Self::IntoIter {
        self.body.iter().chain(self.tail.iter())
    }
}

impl<K: Ord + Clone, V: Clone> FromIterator<(K, V)> for TailMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self {
            body: pairs.into_iter().collect(),
            tail: OrdMap::new(),
        }
    }
}

impl<K: Ord + Clone, V: Clone> Index<&K> for TailMap<K, V> {
    type Output = V;

    /// # Panics
    /// Where there is no value at the key, as [`OrdMap`] does.
    #[allow(clippy::indexing_slicing, reason = "it panics where it says so")]
    fn index(&self, key: &K) -> &V {
        match self.tail.contains_key(key) {
            true => &self.tail[key],
            false => &self.body[key],
        }
    }
}

impl<K: Ord + Clone + Serialize, V: Clone + Serialize> Serialize for TailMap<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de, K, V> Deserialize<'de> for TailMap<K, V>
where
    K: Ord + Clone + Deserialize<'de>,
    V: Clone + Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let body = OrdMap::deserialize(deserializer)?;
        let tail = OrdMap::new();
        Ok(Self { body, tail })
    }
}

//! Memory with a cap: per scope in order, in total bounded by bytes, oldest out first.

use std::collections::{BTreeMap, VecDeque};

use crate::envelope::ScopeId;

/// Values of many scopes, each with a key that grows within its scope and a weight in bytes.
pub(crate) struct Retained<T> {
    scopes: BTreeMap<ScopeId, VecDeque<Kept<T>>>,
    /// Which scope owns the oldest value, the second oldest, and so on.
    order: VecDeque<ScopeId>,
    bytes: usize,
    cap: usize,
}

struct Kept<T> {
    key: u64,
    weight: usize,
    value: T,
}

impl<T> Retained<T> {
    pub(crate) fn new(cap: usize) -> Self {
        Self {
            scopes: BTreeMap::new(),
            order: VecDeque::new(),
            bytes: 0,
            cap,
        }
    }

    /// Keeps a value, and hands out what had to go for it.
    pub(crate) fn push(
        &mut self,
        scope: ScopeId,
        key: u64,
        weight: usize,
        value: T,
        mut evicted: impl FnMut(T),
    ) {
        self.scopes
            .entry(scope)
            .or_default()
            .push_back(Kept { key, weight, value });
        self.order.push_back(scope);
        self.bytes += weight;
        while self.bytes > self.cap {
            let Some(oldest) = self.order.pop_front() else {
                break;
            };
            let Some(queue) = self.scopes.get_mut(&oldest) else {
                continue;
            };
            if let Some(kept) = queue.pop_front() {
                self.bytes -= kept.weight;
                evicted(kept.value);
            }
            if queue.is_empty() {
                self.scopes.remove(&oldest);
            }
        }
    }

    /// Everything kept of a scope, oldest first.
    pub(crate) fn of(&self, scope: ScopeId) -> impl DoubleEndedIterator<Item = &T> {
        self.scopes
            .get(&scope)
            .into_iter()
            .flatten()
            .map(|kept| &kept.value)
    }

    /// The values of a scope with keys in `from..=to`, if the first of them is still kept.
    pub(crate) fn range(&self, scope: ScopeId, from: u64, to: u64) -> Option<Vec<T>>
    where
        T: Clone,
    {
        let queue = self.scopes.get(&scope)?;
        let start = queue.partition_point(|kept| kept.key < from);
        let first = queue.get(start)?;
        (first.key == from).then(|| {
            queue
                .iter()
                .skip(start)
                .take_while(|kept| kept.key <= to)
                .map(|kept| kept.value.clone())
                .collect()
        })
    }

    /// The newest value whose key is at most `key`, with its key.
    pub(crate) fn at_or_before(&self, scope: ScopeId, key: u64) -> Option<(u64, &T)> {
        let queue = self.scopes.get(&scope)?;
        let after = queue.partition_point(|kept| kept.key <= key);
        queue
            .get(after.checked_sub(1)?)
            .map(|kept| (kept.key, &kept.value))
    }

    /// Forgets a scope.
    pub(crate) fn remove(&mut self, scope: ScopeId) -> Vec<T> {
        let Some(queue) = self.scopes.remove(&scope) else {
            return Vec::new();
        };
        self.order.retain(|owner| *owner != scope);
        self.bytes -= queue.iter().map(|kept| kept.weight).sum::<usize>();
        queue.into_iter().map(|kept| kept.value).collect()
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_of_all_scopes_goes_first_and_the_cap_holds() {
        let (a, b) = (ScopeId::from_u128(1), ScopeId::from_u128(2));
        let mut kept = Retained::new(30);
        let mut gone = Vec::new();
        for (scope, key) in [(a, 1), (b, 1), (a, 2), (a, 3), (b, 2)] {
            kept.push(scope, key, 10, (scope, key), |value| gone.push(value));
        }
        assert_eq!(gone, [(a, 1), (b, 1)]);
        assert_eq!(kept.of(a).copied().collect::<Vec<_>>(), [(a, 2), (a, 3)]);
        assert_eq!(kept.range(a, 2, 9), Some(vec![(a, 2), (a, 3)]));
        assert_eq!(
            kept.range(a, 1, 3),
            None,
            "a range whose beginning is gone is not answered in part"
        );
        assert_eq!(kept.at_or_before(b, 7), Some((2, &(b, 2))));
        assert_eq!(kept.at_or_before(b, 1), None);
        assert_eq!(kept.remove(a), [(a, 2), (a, 3)]);
        assert_eq!(kept.bytes(), 10);
    }
}

//! What follows what: ids, parents, and rings of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Why;
use super::draft::{Item, Link, Tally, What};

/// Where each id stands. Of several with one id the first has it, and the others are left out.
pub(super) fn ids(items: &mut [Item], tally: &mut Tally) -> BTreeMap<Arc<str>, usize> {
    let mut ids = BTreeMap::new();
    for (place, item) in items.iter_mut().enumerate() {
        let Some(id) = &item.id else { continue };
        if ids.contains_key(id) {
            tally.left(Why::DuplicateId, "entry left out", item.line);
            item.what = What::Passed;
        } else {
            ids.insert(Arc::clone(id), place);
        }
    }
    ids
}

/// The item that each item follows, without rings.
pub(super) fn parents(
    items: &[Item],
    ids: &BTreeMap<Arc<str>, usize>,
    tally: &mut Tally,
) -> Vec<Option<usize>> {
    let mut parents: Vec<Option<usize>> = Vec::with_capacity(items.len());
    for (place, item) in items.iter().enumerate() {
        let before = place.checked_sub(1);
        parents.push(match &item.parent {
            Link::Previous => before,
            Link::Root => None,
            Link::Id(id) => match ids.get(id) {
                Some(parent) => Some(*parent),
                None => {
                    tally.left(Why::MissingParent, "entry", item.line);
                    before
                }
            },
        });
    }
    open_rings(items, &mut parents, tally);
    parents
}

/// Walks up from each item; who meets its own walk closes a ring.
fn open_rings(items: &[Item], parents: &mut [Option<usize>], tally: &mut Tally) {
    const NEVER: usize = usize::MAX;
    let mut walked = vec![NEVER; parents.len()];
    for start in 0..parents.len() {
        let mut next = Some(start);
        while let Some(place) = next {
            match walked.get(place) {
                Some(&NEVER) => {}
                Some(walk) if *walk == start => {
                    tally.left(Why::Cycle, "entry", items.get(place).map_or(0, |item| item.line));
                    if let Some(parent) = parents.get_mut(place) {
                        *parent = None;
                    }
                    break;
                }
                _ => break,
            }
            if let Some(mark) = walked.get_mut(place) {
                *mark = start;
            }
            next = parents.get(place).copied().flatten();
        }
    }
}

//! Every state against every trigger under every valuation of the conditions.

use std::collections::BTreeSet;

use strum::VariantArray;

use crate::chart::{Chart, Conditions, Element, Node, Row, To, advance};

/// What a walk saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walk {
    /// The chart's name.
    pub chart: &'static str,
    /// The keys of its rows, in the order of the table; each was taken.
    pub rows: Vec<&'static str>,
    /// The states that can be reached, in the order of the enum; all of them.
    pub states: Vec<&'static str>,
    /// How many advances were accepted.
    pub accepted: usize,
    /// How many were rejected.
    pub rejected: usize,
}

/// Walks a chart.
///
/// # Panics
/// Where two rows have one key; where two rows of a node hold at once; where a row is never taken, a state is never
/// reached, or one that is not terminal is never left; and where [`advance`] does not do what the table says: the
/// innermost node's row, exits up to the least common ancestor, the row's intents, entries down to the target.
#[must_use]
pub fn walk<C: Chart>() -> Walk {
    let mut keys = BTreeSet::new();
    for row in C::rows() {
        assert!(
            keys.insert(row.key),
            "{}: two rows have the key `{}`",
            C::NAME,
            row.key
        );
    }
    let mut taken = BTreeSet::new();
    let mut moves = BTreeSet::new();
    let (mut accepted, mut rejected) = (0, 0);
    for (number, state) in C::State::VARIANTS.iter().enumerate() {
        for trigger in C::Trigger::VARIANTS {
            for conditions in Conditions::<C>::all() {
                let expected = expect(*state, *trigger, conditions);
                let found = advance(*state, *trigger, conditions).ok();
                let place = || {
                    format!(
                        "{}: in `{}` on `{}` with {conditions:?}",
                        C::NAME,
                        state.name(),
                        trigger.name()
                    )
                };
                match (expected, found) {
                    (None, None) => rejected += 1,
                    (Some((row, to, intents)), Some(advance)) => {
                        assert_eq!(row, advance.row, "{}: another row was taken", place());
                        assert_eq!(to, advance.to, "{}: another state was reached", place());
                        assert_eq!(intents, advance.intents, "{}: intents differ", place());
                        taken.insert(row);
                        if let Some(target) = C::State::VARIANTS.iter().position(|state| *state == to) {
                            moves.insert((number, target));
                        }
                        accepted += 1;
                    }
                    (expected, found) => panic!(
                        "{}: the table says {:?}, and {:?} was done",
                        place(),
                        expected.map(|(row, ..)| row),
                        found.map(|advance| advance.row)
                    ),
                }
            }
        }
    }
    for row in C::rows() {
        assert!(
            taken.contains(row.key),
            "{}: nothing ever takes the row `{}`",
            C::NAME,
            row.key
        );
    }
    let initial = C::State::VARIANTS.iter().position(|state| *state == C::INITIAL);
    let mut reached: BTreeSet<usize> = initial.into_iter().collect();
    while let Some((_, next)) = moves
        .iter()
        .find(|(from, to)| reached.contains(from) && !reached.contains(to))
    {
        reached.insert(*next);
    }
    for (number, state) in C::State::VARIANTS.iter().enumerate() {
        let name = state.name();
        assert!(
            reached.contains(&number),
            "{}: `{name}` is never reached",
            C::NAME
        );
        let left = moves.iter().any(|(from, to)| *from == number && *to != number);
        assert!(
            left || C::TERMINAL.contains(state),
            "{}: `{name}` is never left, and is not terminal",
            C::NAME
        );
    }
    Walk {
        chart: C::NAME,
        rows: C::rows().iter().map(|row| row.key).collect(),
        states: C::State::VARIANTS.iter().map(|state| state.name()).collect(),
        accepted,
        rejected,
    }
}

type Expected<C> = (&'static str, <C as Chart>::State, Vec<<C as Chart>::Intent>);

/// What the table says, read without statig.
fn expect<C: Chart>(state: C::State, trigger: C::Trigger, conditions: Conditions<C>) -> Option<Expected<C>> {
    let line = lineage::<C>(state);
    let row = line
        .iter()
        .find_map(|node| only_row(*node, trigger, conditions))?;
    let To::Leaf(target) = row.to else {
        return Some((row.key, state, row.intents.to_vec()));
    };
    let to = lineage::<C>(target);
    // From the root down, both lineages are the same for `shared` nodes; a leaf that is its own target is left.
    let shared = line
        .iter()
        .rev()
        .zip(to.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let shared = shared.min(line.len() - 1).min(to.len() - 1);
    let exits = line
        .iter()
        .take(line.len() - shared)
        .flat_map(|node| C::on_exit(*node));
    let entries = to
        .iter()
        .take(to.len() - shared)
        .rev()
        .flat_map(|node| C::on_entry(*node));
    Some((
        row.key,
        target,
        exits.chain(row.intents).chain(entries).copied().collect(),
    ))
}

/// A leaf and its superstates, from inside out.
fn lineage<C: Chart>(state: C::State) -> Vec<Node<C>> {
    let mut line = vec![Node::Leaf(state)];
    let mut outer = C::parent(state);
    while let Some(group) = outer {
        assert!(
            !line.contains(&Node::Group(group)),
            "{}: `{}` lies in itself",
            C::NAME,
            group.name()
        );
        line.push(Node::Group(group));
        outer = C::outer(group);
    }
    line
}

fn only_row<C: Chart>(
    node: Node<C>,
    trigger: C::Trigger,
    conditions: Conditions<C>,
) -> Option<&'static Row<C>> {
    let mut rows = C::rows()
        .iter()
        .filter(|row| row.from == node && row.on == trigger && conditions.satisfy(row.when));
    let first = rows.next()?;
    if let Some(second) = rows.next() {
        panic!(
            "{}: the rows `{}` and `{}` hold at once, with {conditions:?}",
            C::NAME,
            first.key,
            second.key
        );
    }
    Some(first)
}

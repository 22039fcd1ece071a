//! Statecharts as static tables.
//!
//! A [`Chart`] is a table of [`Row`]s over closed enums. [`advance`] is the only way to move along it: it hands
//! state and trigger to [statig](https://docs.rs/statig), whose `State` and `Superstate` traits
//! [`govern!`](crate::govern) implements by looking rows up. statig supplies what is easy to get subtly wrong:
//! bubbling to superstates, and exit and entry along the least common ancestor. Because the table is what runs,
//! the description that [`describe`] gives cannot drift from behaviour.
//!
//! The chart's state is a plain enum that lives in the root. statig's own `StateMachine` wrapper is not used: it
//! would run the entry actions of a restored state a second time.

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use statig::Outcome;
use statig::blocking::{IntoStateMachine, State, StateExt, Superstate};

/// A closed enum without data that knows its variants and their names.
///
/// Derive `strum::VariantArray` and `strum::IntoStaticStr` (with `serialize_all = "snake_case"`) to get it.
pub trait Element:
    Copy + Eq + fmt::Debug + Send + Sync + strum::VariantArray + Into<&'static str> + 'static
{
    /// The stable name, as descriptions and diagrams show it.
    fn name(self) -> &'static str {
        self.into()
    }
}

impl<T> Element for T where
    T: Copy + Eq + fmt::Debug + Send + Sync + strum::VariantArray + Into<&'static str> + 'static
{
}

/// A statechart: closed enums, a hierarchy, and the table of rows.
pub trait Chart: Sized + 'static {
    /// The chart's name in traces, the graph and the documentation.
    const NAME: &'static str;
    /// The state in which a new chart begins.
    const INITIAL: Self::State;
    /// States that may be final: they need no way out.
    const TERMINAL: &'static [Self::State];

    /// Leaf states. Must be an enum: statig compares states by discriminant.
    type State: Element + State<Machine<Self>>;
    /// Superstates. Must be an enum; one without variants where there is no hierarchy.
    type Group: Element + Superstate<Machine<Self>>;
    /// What can happen to the chart.
    type Trigger: Element;
    /// What guards may read, as named booleans. At most 32.
    type Condition: Element;
    /// What a transition asks for. The handler turns intents into effects with data.
    type Intent: Element;

    /// The table. Order carries no meaning: at most one row of a node holds at a time (the test kit checks it).
    fn rows() -> &'static [Row<Self>];
    /// The superstate of a leaf.
    fn parent(state: Self::State) -> Option<Self::Group>;
    /// The superstate of a superstate.
    fn outer(group: Self::Group) -> Option<Self::Group>;
    /// Intents of entering a node.
    fn on_entry(_node: Node<Self>) -> &'static [Self::Intent] {
        &[]
    }
    /// Intents of leaving a node.
    fn on_exit(_node: Node<Self>) -> &'static [Self::Intent] {
        &[]
    }
}

/// A leaf state or a superstate of a chart.
pub enum Node<C: Chart> {
    /// A leaf state.
    Leaf(C::State),
    /// A superstate.
    Group(C::Group),
}

impl<C: Chart> Clone for Node<C> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<C: Chart> Copy for Node<C> {}
impl<C: Chart> PartialEq for Node<C> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Node::Leaf(a), Node::Leaf(b)) => a == b,
            (Node::Group(a), Node::Group(b)) => a == b,
            _ => false,
        }
    }
}
impl<C: Chart> Eq for Node<C> {}
impl<C: Chart> fmt::Debug for Node<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl<C: Chart> Node<C> {
    /// The node's stable name.
    pub fn name(self) -> &'static str {
        match self {
            Node::Leaf(state) => state.name(),
            Node::Group(group) => group.name(),
        }
    }

    fn enclosing(self) -> Option<C::Group> {
        match self {
            Node::Leaf(state) => C::parent(state),
            Node::Group(group) => C::outer(group),
        }
    }
}

/// Where a row leads.
pub enum To<C: Chart> {
    /// An internal transition: the state stays, nothing is left or entered.
    Stay,
    /// An external transition to a leaf.
    Leaf(C::State),
}

impl<C: Chart> Clone for To<C> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<C: Chart> Copy for To<C> {}

/// One literal of a guard. A row's guard is the conjunction of its literals.
pub enum When<C: Chart> {
    /// The condition holds.
    Is(C::Condition),
    /// The condition does not hold.
    Not(C::Condition),
}

/// One transition of a chart.
pub struct Row<C: Chart> {
    /// Stable key, unique in the chart: journals and traces name the row by it, so it is never reused.
    pub key: &'static str,
    /// The node that it leaves.
    pub from: Node<C>,
    /// What sets it off.
    pub on: C::Trigger,
    /// Its guard: all literals must hold.
    pub when: &'static [When<C>],
    /// Its target.
    pub to: To<C>,
    /// What it asks for, between the exit and the entry intents.
    pub intents: &'static [C::Intent],
}

/// The valuation of a chart's conditions at one moment.
pub struct Conditions<C: Chart> {
    bits: u32,
    chart: PhantomData<C>,
}

impl<C: Chart> Clone for Conditions<C> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<C: Chart> Copy for Conditions<C> {}

impl<C: Chart> Conditions<C> {
    /// No condition holds.
    pub const NONE: Self = Self {
        bits: 0,
        chart: PhantomData,
    };

    /// This valuation, with `condition` set to `holds`.
    #[must_use]
    pub fn with(mut self, condition: C::Condition, holds: bool) -> Self {
        let bit = Self::bit(condition);
        self.bits = if holds { self.bits | bit } else { self.bits & !bit };
        self
    }

    /// Whether `condition` holds.
    pub fn holds(self, condition: C::Condition) -> bool {
        self.bits & Self::bit(condition) != 0
    }

    /// Every valuation, for exhaustive walks.
    pub fn all() -> impl Iterator<Item = Self> {
        let count = <C::Condition as strum::VariantArray>::VARIANTS.len().min(31);
        (0..1u32 << count).map(|bits| Self {
            bits,
            chart: PhantomData,
        })
    }

    fn bit(condition: C::Condition) -> u32 {
        let position = <C::Condition as strum::VariantArray>::VARIANTS
            .iter()
            .position(|c| *c == condition);
        position.and_then(|p| 1u32.checked_shl(p as u32)).unwrap_or(0)
    }

    pub(crate) fn satisfy(self, guard: &[When<C>]) -> bool {
        guard.iter().all(|literal| match literal {
            When::Is(condition) => self.holds(*condition),
            When::Not(condition) => !self.holds(*condition),
        })
    }
}

impl<C: Chart> fmt::Debug for Conditions<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = <C::Condition as strum::VariantArray>::VARIANTS
            .iter()
            .filter(|c| self.holds(**c));
        f.debug_set().entries(held.map(|c| c.name())).finish()
    }
}

/// What an advance came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advance<C: Chart> {
    /// The state after it.
    pub to: C::State,
    /// The key of the row that was taken.
    pub row: &'static str,
    /// Exit intents from inside out, the row's own, entry intents from outside in.
    pub intents: Vec<C::Intent>,
}

/// A chart has no row for what happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("the {chart} chart, in state `{state}`, has no transition for `{trigger}`")]
pub struct InvalidTransition {
    /// The chart's name.
    pub chart: &'static str,
    /// The state that it was in, and stays in.
    pub state: &'static str,
    /// What happened.
    pub trigger: &'static str,
}

/// Moves a chart: pure, total, and the same for the same inputs.
///
/// # Errors
/// [`InvalidTransition`] where no row of the state or of a superstate matches; nothing has changed then.
pub fn advance<C: Chart>(
    state: C::State,
    trigger: C::Trigger,
    conditions: Conditions<C>,
) -> Result<Advance<C>, InvalidTransition> {
    let mut machine = Machine {
        conditions,
        taken: None,
        intents: Vec::new(),
    };
    let mut source = state;
    let outcome = source.handle(&mut machine, &trigger, &mut ());
    let Some(row) = machine.taken else {
        return Err(InvalidTransition {
            chart: C::NAME,
            state: state.name(),
            trigger: trigger.name(),
        });
    };
    let mut to = state;
    match outcome {
        Outcome::Transition(mut target) => {
            let (exits, entries) = source.transition_path(&mut target);
            source.exit(&mut machine, &mut (), exits);
            machine.intents.extend_from_slice(row.intents);
            target.enter(&mut machine, &mut (), entries);
            to = target;
        }
        Outcome::Handled | Outcome::Super => machine.intents.extend_from_slice(row.intents),
    }
    Ok(Advance {
        to,
        row: row.key,
        intents: machine.intents,
    })
}

/// What statig calls the shared storage: the inputs of one advance, and what it collects.
///
/// It lives for one call of [`advance`]; nothing of it is kept.
pub struct Machine<C: Chart> {
    conditions: Conditions<C>,
    taken: Option<&'static Row<C>>,
    intents: Vec<C::Intent>,
}

impl<C: Chart> IntoStateMachine for Machine<C> {
    type Event<'evt> = C::Trigger;
    type Context<'ctx> = ();
    type State = C::State;
    type Superstate<'sub> = C::Group;

    fn initial() -> C::State {
        C::INITIAL
    }
}

impl<C: Chart> Machine<C> {
    /// Looks up the row of a node; called by the implementations that [`govern!`](crate::govern) writes.
    #[doc(hidden)]
    pub fn look_up(&mut self, node: Node<C>, trigger: C::Trigger) -> Outcome<C::State> {
        let found = C::rows()
            .iter()
            .find(|row| row.from == node && row.on == trigger && self.conditions.satisfy(row.when));
        match found {
            None => Outcome::Super,
            Some(row) => {
                self.taken = Some(row);
                match row.to {
                    To::Stay => Outcome::Handled,
                    To::Leaf(state) => Outcome::Transition(state),
                }
            }
        }
    }

    /// Collects the entry intents of a node.
    #[doc(hidden)]
    pub fn entered(&mut self, node: Node<C>) {
        self.intents.extend_from_slice(C::on_entry(node));
    }

    /// Collects the exit intents of a node.
    #[doc(hidden)]
    pub fn left(&mut self, node: Node<C>) {
        self.intents.extend_from_slice(C::on_exit(node));
    }
}

/// Implements statig's `State` and `Superstate` for the enums of a chart: `govern!(Chart, StateEnum, GroupEnum);`
#[macro_export]
macro_rules! govern {
    ($chart:ty, $state:ty, $group:ty) => {
        impl $crate::chart::statig_blocking::State<$crate::chart::Machine<$chart>> for $state {
            fn call_handler(
                &mut self,
                machine: &mut $crate::chart::Machine<$chart>,
                trigger: &<$chart as $crate::chart::Chart>::Trigger,
                _: &mut (),
            ) -> $crate::chart::StatigOutcome<$state> {
                machine.look_up($crate::chart::Node::Leaf(*self), *trigger)
            }
            fn call_entry_action(&mut self, machine: &mut $crate::chart::Machine<$chart>, _: &mut ()) {
                machine.entered($crate::chart::Node::Leaf(*self));
            }
            fn call_exit_action(&mut self, machine: &mut $crate::chart::Machine<$chart>, _: &mut ()) {
                machine.left($crate::chart::Node::Leaf(*self));
            }
            fn superstate(&mut self) -> Option<$group> {
                <$chart as $crate::chart::Chart>::parent(*self)
            }
        }
        impl $crate::chart::statig_blocking::Superstate<$crate::chart::Machine<$chart>> for $group {
            fn call_handler(
                &mut self,
                machine: &mut $crate::chart::Machine<$chart>,
                trigger: &<$chart as $crate::chart::Chart>::Trigger,
                _: &mut (),
            ) -> $crate::chart::StatigOutcome<$state> {
                machine.look_up($crate::chart::Node::Group(*self), *trigger)
            }
            fn call_entry_action(&mut self, machine: &mut $crate::chart::Machine<$chart>, _: &mut ()) {
                machine.entered($crate::chart::Node::Group(*self));
            }
            fn call_exit_action(&mut self, machine: &mut $crate::chart::Machine<$chart>, _: &mut ()) {
                machine.left($crate::chart::Node::Group(*self));
            }
            fn superstate(&mut self) -> Option<$group> {
                <$chart as $crate::chart::Chart>::outer(*self)
            }
        }
    };
}

#[doc(hidden)]
pub use statig::Outcome as StatigOutcome;
#[doc(hidden)]
pub use statig::blocking as statig_blocking;

/// A chart as data: what the graph serves, the documentation draws and screens animate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Description {
    /// The chart's name.
    pub name: &'static str,
    /// Where it begins.
    pub initial: &'static str,
    /// Superstates and leaves, outermost first.
    pub nodes: Vec<NodeDescription>,
    /// The rows, in the order of the table.
    pub rows: Vec<RowDescription>,
}

/// One node of a [`Description`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeDescription {
    /// Stable name.
    pub name: &'static str,
    /// Name of the superstate.
    pub parent: Option<&'static str>,
    /// Whether this is a leaf state.
    pub leaf: bool,
    /// Whether the chart may rest here for good.
    pub terminal: bool,
    /// Intents of entering.
    pub entry: Vec<&'static str>,
    /// Intents of leaving.
    pub exit: Vec<&'static str>,
}

/// One row of a [`Description`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowDescription {
    /// Stable key.
    pub key: &'static str,
    /// The node that it leaves.
    pub from: &'static str,
    /// What sets it off.
    pub on: &'static str,
    /// The guard's literals; a leading `!` negates.
    pub when: Vec<String>,
    /// The target; `None` for an internal transition.
    pub to: Option<&'static str>,
    /// The row's own intents.
    pub intents: Vec<&'static str>,
}

/// Describes a chart from the table that runs it.
pub fn describe<C: Chart>() -> Description {
    use strum::VariantArray;
    let names = |intents: &[C::Intent]| intents.iter().map(|intent| intent.name()).collect::<Vec<_>>();
    let node = |node: Node<C>, leaf: bool, terminal: bool| NodeDescription {
        name: node.name(),
        parent: node.enclosing().map(Element::name),
        leaf,
        terminal,
        entry: names(C::on_entry(node)),
        exit: names(C::on_exit(node)),
    };
    let groups = C::Group::VARIANTS
        .iter()
        .map(|group| node(Node::Group(*group), false, false));
    let leaves = C::State::VARIANTS
        .iter()
        .map(|state| node(Node::Leaf(*state), true, C::TERMINAL.contains(state)));
    let rows = C::rows().iter().map(|row| RowDescription {
        key: row.key,
        from: row.from.name(),
        on: row.on.name(),
        when: row
            .when
            .iter()
            .map(|literal| match literal {
                When::Is(condition) => condition.name().to_owned(),
                When::Not(condition) => format!("!{}", condition.name()),
            })
            .collect(),
        to: match row.to {
            To::Stay => None,
            To::Leaf(state) => Some(state.name()),
        },
        intents: names(row.intents),
    });
    Description {
        name: C::NAME,
        initial: C::INITIAL.name(),
        nodes: groups.chain(leaves).collect(),
        rows: rows.collect(),
    }
}

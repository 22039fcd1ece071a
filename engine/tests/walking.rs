//! The walk over a chart is a test of tests, so it is tried on charts that are wrong.

use glasswork_engine::chart::{Chart, Node, Row, To, When};
use glasswork_engine::govern;
use glasswork_engine::test_support::walk;

/// A lamp that is off, on or broken. Which rows it has is what is tried.
macro_rules! lamp {
    ($name:ident, terminal: $terminal:expr, $($key:literal: $from:expr, $on:ident, $when:expr => $to:expr;)*) => {
        mod $name {
            use super::*;
            use strum::{IntoStaticStr, VariantArray};

            pub(super) struct Lamp;

            #[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray, IntoStaticStr)]
            #[strum(serialize_all = "snake_case")]
            pub(super) enum State { Off, On, Broken }

            #[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray, IntoStaticStr)]
            #[strum(serialize_all = "snake_case")]
            pub(super) enum Group { Whole }

            #[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray, IntoStaticStr)]
            #[strum(serialize_all = "snake_case")]
            pub(super) enum Trigger { Press, Fall }

            #[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray, IntoStaticStr)]
            #[strum(serialize_all = "snake_case")]
            pub(super) enum Condition { Power, Dark }

            #[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray, IntoStaticStr)]
            #[strum(serialize_all = "snake_case")]
            pub(super) enum Intent { Shine, Stop }

            #[allow(unused_imports, reason = "not every lamp uses all of them")]
            use {Condition::{Dark, Power}, Group::Whole, Node::{Group as In, Leaf as At}, State::{Broken, Off, On},
                To::{Leaf, Stay}, Trigger::{Fall, Press}, When::{Is, Not}};

            static ROWS: &[Row<Lamp>] = &[$(Row {
                key: $key, from: $from, on: $on, when: $when, to: $to, intents: &[],
            }),*];

            impl Chart for Lamp {
                const NAME: &'static str = "lamp";
                const INITIAL: State = Off;
                const TERMINAL: &'static [State] = $terminal;
                type State = State;
                type Group = Group;
                type Trigger = Trigger;
                type Condition = Condition;
                type Intent = Intent;

                fn rows() -> &'static [Row<Self>] { ROWS }
                fn parent(state: State) -> Option<Group> {
                    (state != Broken).then_some(Whole)
                }
                fn outer(_: Group) -> Option<Group> { None }
                fn on_entry(node: Node<Self>) -> &'static [Intent] {
                    match node {
                        At(On) => &[Intent::Shine],
                        _ => &[],
                    }
                }
                fn on_exit(node: Node<Self>) -> &'static [Intent] {
                    match node {
                        At(On) => &[Intent::Stop],
                        _ => &[],
                    }
                }
            }

            govern!(Lamp, State, Group);
        }
    };
}

lamp! { right, terminal: &[Broken],
    "on": At(Off), Press, &[Is(Power)] => Leaf(On);
    "off": At(On), Press, &[] => Leaf(Off);
    "flicker": At(On), Fall, &[Is(Dark)] => Stay;
    "break": In(Whole), Fall, &[Not(Dark)] => Leaf(Broken);
}

lamp! { one_key_twice, terminal: &[Broken],
    "on": At(Off), Press, &[] => Leaf(On);
    "on": At(On), Press, &[] => Leaf(Off);
    "break": In(Whole), Fall, &[] => Leaf(Broken);
}

lamp! { two_at_once, terminal: &[Broken],
    "on": At(Off), Press, &[Is(Power)] => Leaf(On);
    "on_in_the_dark": At(Off), Press, &[Is(Dark)] => Leaf(On);
    "off": At(On), Press, &[] => Leaf(Off);
    "break": In(Whole), Fall, &[] => Leaf(Broken);
}

lamp! { never_taken, terminal: &[Broken],
    "on": At(Off), Press, &[] => Leaf(On);
    "off": At(On), Press, &[] => Leaf(Off);
    "press": In(Whole), Press, &[] => Stay;
    "break": In(Whole), Fall, &[] => Leaf(Broken);
}

lamp! { never_holds, terminal: &[Broken],
    "on": At(Off), Press, &[] => Leaf(On);
    "off": At(On), Press, &[] => Leaf(Off);
    "odd": At(On), Fall, &[Is(Dark), Not(Dark)] => Leaf(Off);
    "break": In(Whole), Fall, &[] => Leaf(Broken);
}

lamp! { unreachable, terminal: &[Broken],
    "on": At(Off), Press, &[] => Leaf(On);
    "off": At(On), Press, &[] => Leaf(Off);
}

// It can be reached only from itself.
lamp! { island, terminal: &[],
    "on": At(Off), Press, &[] => Leaf(On);
    "off": At(On), Press, &[] => Leaf(Off);
    "mend": At(Broken), Press, &[] => Leaf(Off);
    "break": At(Broken), Fall, &[] => Leaf(Broken);
}

lamp! { dead_end, terminal: &[],
    "on": At(Off), Press, &[] => Leaf(On);
    "off": At(On), Press, &[] => Leaf(Off);
    "break": In(Whole), Fall, &[] => Leaf(Broken);
}

// Going round in circles is not leaving.
lamp! { circle, terminal: &[],
    "on": At(Off), Press, &[] => Leaf(On);
    "off": At(On), Press, &[] => Leaf(Off);
    "break": In(Whole), Fall, &[] => Leaf(Broken);
    "stay_broken": At(Broken), Fall, &[] => Leaf(Broken);
}

/// What the walk says of a chart that is wrong.
fn said(walk: fn()) -> String {
    let payload = std::panic::catch_unwind(walk).expect_err("the chart is wrong");
    let text = payload.downcast_ref::<String>().cloned();
    text.unwrap_or_else(|| payload.downcast_ref::<&str>().unwrap().to_string())
}

#[test]
fn a_chart_that_is_right_is_walked_to_its_end() {
    let walk = walk::<right::Lamp>();
    assert_eq!(walk.chart, "lamp");
    assert_eq!(walk.rows, ["on", "off", "flicker", "break"]);
    assert_eq!(walk.states, ["off", "on", "broken"]);
    // States, triggers and valuations. Accepted: on 2, off 4, flicker 2, break 2 from each of two states.
    assert_eq!((walk.accepted, walk.rejected), (12, 3 * 2 * 4 - 12));
}

#[test]
fn each_way_of_being_wrong_is_named() {
    let cases: [(fn(), &str); 8] = [
        (
            || drop(walk::<one_key_twice::Lamp>()),
            "lamp: two rows have the key `on`",
        ),
        (
            || drop(walk::<two_at_once::Lamp>()),
            "lamp: the rows `on` and `on_in_the_dark` hold at once",
        ),
        (
            || drop(walk::<never_taken::Lamp>()),
            "lamp: nothing ever takes the row `press`",
        ),
        (
            || drop(walk::<never_holds::Lamp>()),
            "lamp: nothing ever takes the row `odd`",
        ),
        (
            || drop(walk::<unreachable::Lamp>()),
            "lamp: `broken` is never reached",
        ),
        (|| drop(walk::<island::Lamp>()), "lamp: `broken` is never reached"),
        (
            || drop(walk::<dead_end::Lamp>()),
            "lamp: `broken` is never left, and is not terminal",
        ),
        (
            || drop(walk::<circle::Lamp>()),
            "lamp: `broken` is never left, and is not terminal",
        ),
    ];
    for (walk, expected) in cases {
        let said = said(walk);
        assert!(said.starts_with(expected), "{said}");
    }
}

//! The chart of a car.

use glasswork_engine::chart::{Chart, Node, Row, To, When};
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantArray};

/// The chart.
pub(crate) struct CarChart;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, VariantArray, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub(crate) enum Phase {
    #[default]
    Parked,
    Boarding,
    Weighing,
    Moving,
    Halting,
    OutOfOrder,
    Retired,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum Group {
    InService,
    AtFloor,
    UnderWay,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum Trigger {
    Call,
    Depart,
    Hold,
    DoorTimeout,
    Weighed,
    Reread,
    Passed,
    Arrived,
    Halt,
    Fail,
    Repair,
    Retire,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum Condition {
    /// The call is for the floor where the car stands.
    Here,
    /// Somebody waits elsewhere.
    Queued,
    /// More weight than the car carries.
    Overloaded,
    /// The door was held as often as it may be.
    Worn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum Intent {
    Enqueue,
    Depart,
    Drive,
    Brake,
    Serve,
    ReadLoad,
    ArmDoor,
    DisarmDoor,
    LampOn,
    LampOff,
    SignOn,
    SignOff,
    /// What was at work is at work no more.
    Rest,
    /// Nobody waits for the word of what is at work.
    Abandon,
}

use Group::{AtFloor, InService, UnderWay};
use Phase::{Boarding, Halting, Moving, OutOfOrder, Parked, Retired, Weighing};

const fn row(
    key: &'static str,
    from: Node<CarChart>,
    on: Trigger,
    when: &'static [When<CarChart>],
    to: To<CarChart>,
    intents: &'static [Intent],
) -> Row<CarChart> {
    Row {
        key,
        from,
        on,
        when,
        to,
        intents,
    }
}

use Condition as If;
use Node::{Group as In, Leaf as At};
use To::{Leaf, Stay};
use Trigger as On;
use When::{Is, Not};

#[rustfmt::skip]
static ROWS: &[Row<CarChart>] = &[
    row("call_here", At(Parked), On::Call, &[Is(If::Here)], Leaf(Boarding), &[Intent::Serve]),
    row("call_elsewhere", At(Parked), On::Call, &[Not(If::Here)], Stay, &[Intent::Enqueue, Intent::Depart]),
    row("depart", At(Parked), On::Depart, &[Is(If::Queued)], Leaf(Moving), &[Intent::Drive]),
    row("hold", At(Boarding), On::Hold, &[Not(If::Worn)], Leaf(Boarding), &[]),
    row("close", At(Boarding), On::DoorTimeout, &[], Leaf(Weighing), &[Intent::ReadLoad]),
    row("overload", At(Weighing), On::Weighed, &[Is(If::Overloaded)], Leaf(Boarding), &[]),
    row("leave", At(Weighing), On::Weighed, &[Not(If::Overloaded), Is(If::Queued)], Leaf(Parked), &[Intent::Depart]),
    row("rest", At(Weighing), On::Weighed, &[Not(If::Overloaded), Not(If::Queued)], Leaf(Parked), &[]),
    row("reread", At(Weighing), On::Reread, &[], Stay, &[Intent::Abandon, Intent::ReadLoad]),
    row("pass", In(UnderWay), On::Passed, &[], Stay, &[]),
    row("arrive", At(Moving), On::Arrived, &[], Leaf(Boarding), &[Intent::Serve]),
    row("halt", At(Moving), On::Halt, &[], Leaf(Halting), &[Intent::Brake]),
    row("halted", At(Halting), On::Arrived, &[], Leaf(Parked), &[]),
    row("enqueue", In(InService), On::Call, &[], Stay, &[Intent::Enqueue]),
    row("fail", In(InService), On::Fail, &[], Leaf(OutOfOrder), &[Intent::Abandon]),
    row("repair", At(OutOfOrder), On::Repair, &[], Leaf(Parked), &[]),
    row("retire", In(AtFloor), On::Retire, &[Not(If::Queued)], Leaf(Retired), &[Intent::Abandon]),
];

impl Chart for CarChart {
    const NAME: &'static str = "car";
    const INITIAL: Phase = Parked;
    const TERMINAL: &'static [Phase] = &[Retired];
    type State = Phase;
    type Group = Group;
    type Trigger = Trigger;
    type Condition = Condition;
    type Intent = Intent;

    fn rows() -> &'static [Row<Self>] {
        ROWS
    }

    fn parent(phase: Phase) -> Option<Group> {
        match phase {
            Parked | Boarding | Weighing => Some(AtFloor),
            Moving | Halting => Some(UnderWay),
            OutOfOrder | Retired => None,
        }
    }

    fn outer(group: Group) -> Option<Group> {
        match group {
            AtFloor | UnderWay => Some(InService),
            InService => None,
        }
    }

    fn on_entry(node: Node<Self>) -> &'static [Intent] {
        match node {
            At(Boarding) => &[Intent::ArmDoor],
            In(UnderWay) => &[Intent::LampOn],
            In(InService) => &[Intent::SignOn],
            _ => &[],
        }
    }

    fn on_exit(node: Node<Self>) -> &'static [Intent] {
        match node {
            At(Boarding) => &[Intent::DisarmDoor],
            At(Weighing) => &[Intent::Rest],
            In(UnderWay) => &[Intent::LampOff, Intent::Rest],
            In(InService) => &[Intent::SignOff],
            _ => &[],
        }
    }
}

glasswork_engine::govern!(CarChart, Phase, Group);

//! A car: its state, what can happen to it, what is decided then.

use std::borrow::Cow;
use std::sync::Arc;

use glasswork_engine::chart::{Conditions, advance};
use glasswork_engine::{Context, Deadline, Decision, EffectKey, Moment, Origin};
use im::{OrdMap, Vector};
use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

use super::chart::{CarChart, Condition, Intent, Phase, Trigger};
use super::{DOOR_MS, Decided, Effect, Elevator, OTHER_FACT, Rejection, STRICTER_GUARD};

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Car {
    pub floors: OrdMap<u16, Arc<Floor>>,
    pub capacity: u32,
    pub phase: Phase,
    pub position: u16,
    /// Where somebody waits, in the order of the calls.
    pub queue: Vector<u16>,
    pub load: u32,
    /// How often the door was held since it opened.
    pub held: u8,
    pub door: Option<Deadline>,
    /// A second deadline beside the door's.
    pub alarm: Option<Deadline>,
    pub lamp: bool,
    pub out_of_service: bool,
    /// The drive or the reading that is at work.
    pub work: Option<EffectKey>,
    pub chimes: u32,
    pub failure: Option<String>,
}

/// A floor: larger than any fact about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Floor {
    pub name: String,
    pub calls: u32,
    pub visits: u32,
    pub waiting: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub(crate) enum Event {
    Installed { floors: Vec<String>, capacity: u32 },
    Called { floor: u16 },
    Departed,
    Held,
    DoorTimedOut { deadline: Deadline },
    Weighed { kg: u32 },
    Reread,
    Passed { floors: Vec<u16> },
    Arrived { floor: u16 },
    Halted,
    Failed { reason: String },
    Repaired,
    Retired,
    Rung { times: u16 },
    Chimed,
    Silenced { chime: EffectKey },
    AlarmSet { after_ms: u64 },
    AlarmRang { deadline: Deadline },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fact {
    Installed { floors: Vec<String>, capacity: u32 },
    Took { row: Cow<'static, str>, to: Phase },
    Called { floor: u16 },
    Enqueued { floor: u16 },
    Served { floor: u16 },
    At { floor: u16 },
    Load { kg: u32 },
    Held,
    DoorArmed { after_ms: u64 },
    DoorDisarmed,
    Lamp { on: bool },
    Sign { out_of_service: bool },
    Works,
    Rests,
    Failed { reason: String },
    Chimed,
    AlarmSet { after_ms: u64 },
    AlarmRang,
}

/// The trigger of an event, for those that the chart governs.
fn trigger(event: &Event) -> Option<Trigger> {
    Some(match event {
        Event::Called { .. } => Trigger::Call,
        Event::Departed => Trigger::Depart,
        Event::Held => Trigger::Hold,
        Event::DoorTimedOut { .. } => Trigger::DoorTimeout,
        Event::Weighed { .. } => Trigger::Weighed,
        Event::Reread => Trigger::Reread,
        Event::Passed { .. } => Trigger::Passed,
        Event::Arrived { .. } => Trigger::Arrived,
        Event::Halted => Trigger::Halt,
        Event::Failed { .. } => Trigger::Fail,
        Event::Repaired => Trigger::Repair,
        Event::Retired => Trigger::Retire,
        Event::Installed { .. }
        | Event::Rung { .. }
        | Event::Chimed
        | Event::Silenced { .. }
        | Event::AlarmSet { .. }
        | Event::AlarmRang { .. } => return None,
    })
}

pub(crate) fn decide<const RULES: u8>(car: &Car, event: &Event, context: &Context<'_>) -> Decided<RULES> {
    let highest = car.floors.len().saturating_sub(1) as u16;
    let exists = |floor: u16| match car.floors.contains_key(&floor) {
        true => Ok(()),
        false => Err(Rejection::NoSuchFloor { floor, highest }),
    };
    let mut decision = Decision::of(vec![], None);
    let mut facts = Vec::new();
    match event {
        Event::Installed { .. } if !car.floors.is_empty() => return Err(Rejection::Installed),
        Event::Installed { floors, capacity } => facts.push(Fact::Installed {
            floors: floors.clone(),
            capacity: *capacity,
        }),
        Event::Called { floor } => {
            exists(*floor)?;
            facts.push(Fact::Called { floor: *floor });
        }
        Event::Passed { floors } => {
            for floor in floors {
                exists(*floor)?;
            }
            facts.extend(floors.last().map(|floor| Fact::At { floor: *floor }));
        }
        Event::Arrived { floor } => {
            exists(*floor)?;
            facts.push(Fact::At { floor: *floor });
        }
        Event::DoorTimedOut { deadline } if car.door != Some(*deadline) => return Err(Rejection::Outdated),
        Event::Weighed { kg } => facts.push(Fact::Load { kg: *kg }),
        Event::Failed { reason } => facts.push(Fact::Failed {
            reason: reason.clone(),
        }),
        Event::Rung { times } => decision.effects = vec![Effect::Chime; usize::from(*times)],
        Event::Chimed => facts.push(Fact::Chimed),
        Event::Silenced { chime } => decision.closes.push(*chime),
        Event::AlarmSet { after_ms } => facts.push(Fact::AlarmSet { after_ms: *after_ms }),
        Event::AlarmRang { deadline } if car.alarm != Some(*deadline) => return Err(Rejection::Outdated),
        Event::AlarmRang { .. } => facts.push(Fact::AlarmRang),
        _ => {}
    }
    if let Some(trigger) = trigger(event) {
        let may_hold = if RULES == STRICTER_GUARD { 1 } else { 3 };
        let queued = |besides: Option<u16>| car.queue.iter().any(|floor| Some(*floor) != besides);
        let conditions = Conditions::<CarChart>::NONE
            .with(
                Condition::Here,
                matches!(event, Event::Called { floor } if *floor == car.position),
            )
            .with(Condition::Queued, queued(None))
            .with(
                Condition::Overloaded,
                matches!(event, Event::Weighed { kg } if *kg > car.capacity),
            )
            .with(Condition::Worn, car.held >= may_hold);
        let advance = advance::<CarChart>(car.phase, trigger, conditions)?;
        decision.reply = Some(advance.row);
        facts.push(Fact::Took {
            row: Cow::Borrowed(advance.row),
            to: advance.to,
        });
        if *event == Event::Held {
            facts.push(Fact::Held);
        }
        for intent in advance.intents {
            carry_out(car, event, intent, context, &mut facts, &mut decision);
        }
    }
    decision.facts = facts.into_iter().map(super::Fact::Car).collect();
    Ok(decision)
}

/// Turns an intent of the chart into facts and effects with data.
fn carry_out<const RULES: u8>(
    car: &Car,
    event: &Event,
    intent: Intent,
    context: &Context<'_>,
    facts: &mut Vec<Fact>,
    decision: &mut Decision<Elevator<RULES>>,
) {
    let floor = match event {
        Event::Called { floor } | Event::Arrived { floor } => *floor,
        _ => car.position,
    };
    match intent {
        Intent::Enqueue => {
            if car.floors.get(&floor).is_some_and(|known| !known.waiting) {
                facts.push(Fact::Enqueued { floor });
            }
        }
        Intent::Depart => decision.consequences.push(super::Event::Car(Event::Departed)),
        Intent::Drive => {
            let to = car.queue.front().copied().unwrap_or_default();
            decision.effects.push(Effect::Drive { to });
            facts.push(Fact::Works);
        }
        Intent::Brake => decision.stops.extend(car.work),
        Intent::Serve => facts.push(Fact::Served { floor }),
        Intent::ReadLoad => {
            decision.effects.push(Effect::ReadLoad);
            facts.push(Fact::Works);
        }
        Intent::ArmDoor => {
            let longer = if RULES == OTHER_FACT { 2_000 } else { 0 };
            facts.push(Fact::DoorArmed {
                after_ms: DOOR_MS + longer,
            });
        }
        Intent::DisarmDoor => facts.push(Fact::DoorDisarmed),
        Intent::LampOn => facts.push(Fact::Lamp { on: true }),
        Intent::LampOff => facts.push(Fact::Lamp { on: false }),
        Intent::SignOn => facts.push(Fact::Sign {
            out_of_service: false,
        }),
        Intent::SignOff => facts.push(Fact::Sign { out_of_service: true }),
        Intent::Rest => facts.push(Fact::Rests),
        Intent::Abandon => {
            let reports = |key: &EffectKey| *context.origin == Origin::Effect(*key);
            decision.closes.extend(car.work.filter(|key| !reports(key)));
        }
    }
}

pub(crate) fn evolve(car: &mut Car, fact: &Fact, moment: Moment) {
    let mut change = |floor: u16, change: &dyn Fn(&mut Floor)| {
        if let Some(floor) = car.floors.get_mut(&floor) {
            change(Arc::make_mut(floor));
        }
    };
    match fact {
        Fact::Installed { floors, capacity } => {
            car.capacity = *capacity;
            car.floors = (0u16..)
                .zip(floors)
                .map(|(number, name)| {
                    let floor = Floor {
                        name: name.clone(),
                        calls: 0,
                        visits: 0,
                        waiting: false,
                    };
                    (number, Arc::new(floor))
                })
                .collect();
        }
        Fact::Took { to, .. } => car.phase = *to,
        Fact::Called { floor } => change(*floor, &|floor| floor.calls += 1),
        Fact::Enqueued { floor } => {
            change(*floor, &|floor| floor.waiting = true);
            car.queue.push_back(*floor);
        }
        Fact::Served { floor } => {
            change(*floor, &|floor| {
                floor.visits += 1;
                floor.waiting = false;
            });
            car.queue.retain(|queued| queued != floor);
            car.held = 0;
        }
        Fact::At { floor } => car.position = *floor,
        Fact::Load { kg } => car.load = *kg,
        Fact::Held => car.held += 1,
        Fact::DoorArmed { after_ms } => car.door = Some(deadline(*after_ms, moment)),
        Fact::DoorDisarmed => car.door = None,
        Fact::Lamp { on } => car.lamp = *on,
        Fact::Sign { out_of_service } => car.out_of_service = *out_of_service,
        Fact::Works => {
            car.work = Some(EffectKey {
                seq: moment.seq,
                ordinal: 0,
            });
        }
        Fact::Rests => car.work = None,
        Fact::Failed { reason } => car.failure = Some(reason.clone()),
        Fact::Chimed => car.chimes += 1,
        Fact::AlarmSet { after_ms } => car.alarm = Some(deadline(*after_ms, moment)),
        Fact::AlarmRang => car.alarm = None,
    }
}

fn deadline(after_ms: u64, moment: Moment) -> Deadline {
    Deadline {
        set_by: moment.seq,
        set_at: moment.at,
        after_ms,
    }
}

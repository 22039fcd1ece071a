//! What a dispatch costs: chart, facts, log and trace, with the journal in memory.
//!
//! A plain program, because its rows are ratios and percentiles of one run: `cargo bench -p glasswork-engine`.

// A bench may fail by a panic, and uses only a part of the domain.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, dead_code)]

#[path = "../tests/elevator.rs"]
mod elevator;

use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use glasswork_engine::journal::MemoryJournal;
use glasswork_engine::test_support::{ManualRunner, wait};
use glasswork_engine::trace::TraceRecord;
use glasswork_engine::{
    Domain, Engine, Handle, Limits, Moment, Parts, Party, ScopeId, SystemClock, Timestamp,
};
use im::OrdMap;

use elevator::{Elevator, Event, Fact, Kind, State, car};

const FLOORS: u16 = 500;
const ROUNDS: usize = 9;

fn installed() -> Event {
    Event::Car(car::Event::Installed {
        floors: (0..FLOORS).map(|floor| format!("floor {floor}")).collect(),
        capacity: 600,
    })
}

/// One row of the chart, one entity changed, no effect: what most dispatches are.
fn call(number: usize) -> Event {
    Event::Car(car::Event::Called {
        floor: (number * 7 % usize::from(FLOORS)) as u16,
    })
}

struct House {
    engine: Engine<Elevator>,
    user: Handle<Elevator>,
    cars: Vec<ScopeId>,
}

fn house(cars: usize) -> House {
    let journal = MemoryJournal::new();
    let engine = Engine::start(Parts {
        journal: Box::new(journal.clone()),
        runner: Arc::new(ManualRunner::default()),
        clock: Arc::new(SystemClock::default()),
        trace: Box::new(()),
        limits: Limits::default(),
    })
    .unwrap();
    let user = engine.handle(Party::User);
    let cars: Vec<_> = (0..cars).map(|_| ScopeId::mint()).collect();
    for car in &cars {
        wait(engine.mount(journal.create(*car, Kind::Car, Timestamp(0)).unwrap())).unwrap();
        wait(user.dispatch(*car, installed())).unwrap();
        // The door opens; from now on every call is put into the queue.
        wait(user.dispatch(*car, call(0))).unwrap();
        wait(user.dispatch(
            *car,
            Event::Car(car::Event::Failed {
                reason: String::new(),
            }),
        ))
        .unwrap();
        wait(user.dispatch(*car, Event::Car(car::Event::Repaired))).unwrap();
        wait(user.dispatch(*car, call(0))).unwrap();
    }
    House { engine, user, cars }
}

/// Time per dispatch with the writer always busy, in nanoseconds.
#[derive(Clone, Copy)]
struct Busy {
    /// By the clock on the wall: what others do on the machine counts too.
    wall: f64,
    /// On the processor, as the kernel counts it for the thread that does the work.
    cpu: f64,
}

fn busy(house: &House, dispatches: usize) -> Busy {
    let mut window = VecDeque::with_capacity(512);
    measured("writer", dispatches, || {
        for number in 0..dispatches {
            if window.len() == 512 {
                // The last first: when it is answered all before it are, so the writer wakes us once.
                let mut half: Vec<_> = window.drain(..256).collect();
                half.reverse();
                half.into_iter().for_each(answered);
            }
            let scope = house.cars[number % house.cars.len()];
            window.push_back(house.user.submit(scope, call(number)).unwrap());
        }
        window.drain(..).rev().for_each(answered);
    })
}

fn answered(ticket: glasswork_engine::Ticket<Elevator>) {
    ticket.answer_blocking().unwrap();
}

fn measured(thread: &str, count: usize, work: impl FnOnce()) -> Busy {
    let (begun, before) = (Instant::now(), cpu(thread));
    work();
    Busy {
        wall: begun.elapsed().as_nanos() as f64 / count as f64,
        cpu: (cpu(thread) - before) / count as f64,
    }
}

/// Time that the threads of this name have spent on a processor, in nanoseconds (Linux).
fn cpu(thread: &str) -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let paths = tasks.map(|task| task.unwrap().path());
    let named = paths.filter(|path| std::fs::read_to_string(path.join("comm")).unwrap().trim() == thread);
    let times = named.map(|path| {
        let text = std::fs::read_to_string(path.join("schedstat")).unwrap();
        text.split(' ').next().unwrap().parse::<f64>().unwrap()
    });
    times.sum()
}

/// Median time in the six stages, as the traces of the writer itself have it, in nanoseconds.
fn stages(house: &House) -> f64 {
    let reader = house.engine.reader();
    let traces = house.cars.iter().flat_map(|car| reader.traces(*car));
    let sums = traces.filter_map(|record| match &*record {
        TraceRecord::Dispatch(dispatch) => Some(dispatch.stages.iter().sum::<u64>() as f64),
        _ => None,
    });
    median(sums.collect())
}

/// The same change of the same state, bare: a persistent root whose predecessor is held.
fn bare(cars: usize, changes: usize) -> Busy {
    let Event::Car(car::Event::Installed { floors, capacity }) = installed() else {
        unreachable!()
    };
    let installed = Fact::Car(car::Fact::Installed { floors, capacity });
    let moment = Moment {
        seq: 1,
        at: Timestamp(1),
    };
    let ids: Vec<_> = (0..cars).map(|_| ScopeId::mint()).collect();
    let mut root: OrdMap<ScopeId, Arc<State>> = OrdMap::new();
    for id in &ids {
        let mut state = Elevator::<0>::vacant(Kind::Car, *id);
        Elevator::<0>::evolve(&mut state, &installed, moment);
        root.insert(*id, Arc::new(state));
    }
    let mut previous = root.clone();
    let name = std::fs::read_to_string("/proc/thread-self/comm").unwrap();
    let time = measured(name.trim(), changes, || {
        for number in 0..changes {
            let id = ids[number % ids.len()];
            let Event::Car(car::Event::Called { floor }) = call(number) else {
                unreachable!()
            };
            let mut state = State::clone(&root[&id]);
            Elevator::<0>::evolve(&mut state, &Fact::Car(car::Fact::Called { floor }), moment);
            let mut next = root.clone();
            next.insert(id, Arc::new(state));
            previous = std::mem::replace(&mut root, next);
        }
    });
    black_box((previous, root));
    time
}

/// An append to one of many conversations, bare: a persistent root whose predecessor is held, and nothing else.
fn append(sessions: usize, appends: usize) -> Busy {
    type Session = im::Vector<Arc<String>>;
    let message = |number: usize| Arc::new(format!("message {number}, of about as many bytes as a fact has"));
    let ids: Vec<_> = (0..sessions).map(|_| ScopeId::mint()).collect();
    let mut root: OrdMap<ScopeId, Arc<Session>> = OrdMap::new();
    for id in &ids {
        root.insert(*id, Arc::new((0..usize::from(FLOORS)).map(message).collect()));
    }
    let mut previous = root.clone();
    let name = std::fs::read_to_string("/proc/thread-self/comm").unwrap();
    let time = measured(name.trim(), appends, || {
        for number in 0..appends {
            let mut next = root.clone();
            let session = next.get_mut(&ids[number % ids.len()]).unwrap();
            Arc::make_mut(session).push_back(message(number));
            previous = std::mem::replace(&mut root, next);
        }
    });
    black_box((previous, root));
    time
}

/// Round trips of one asynchronous task, in nanoseconds, sorted.
fn round_trips(house: &House, trips: usize) -> Vec<f64> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let (user, scope) = (house.user.clone(), house.cars[0]);
    let task = runtime.spawn(async move {
        let mut times = Vec::with_capacity(trips);
        for number in 0..trips {
            let begun = Instant::now();
            user.dispatch(scope, call(number)).await.unwrap();
            times.push(begun.elapsed().as_nanos() as f64);
        }
        times
    });
    let mut times = runtime.block_on(task).unwrap();
    times.sort_by(f64::total_cmp);
    times
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn medians(rounds: &[Busy]) -> Busy {
    Busy {
        wall: median(rounds.iter().map(|round| round.wall).collect()),
        cpu: median(rounds.iter().map(|round| round.cpu).collect()),
    }
}

fn main() {
    let row = |what: &str, value: f64, unit: &str| println!("{what:<58} {value:>9.2} {unit}");
    for cars in [1, 1_000] {
        let house = house(cars);
        busy(&house, 20_000);
        let (mut engine, mut alone, mut appended) = (vec![], vec![], vec![]);
        // Side by side, so that both meet the same machine.
        for _ in 0..ROUNDS {
            engine.push(busy(&house, 20_000));
            alone.push(bare(cars, 20_000));
            appended.push(append(cars, 20_000));
        }
        let (engine, alone, appended) = (medians(&engine), medians(&alone), medians(&appended));
        let trips = round_trips(&house, 20_000);
        println!("{cars} x {FLOORS}");
        row("writer, per dispatch, on the processor", engine.cpu / 1e3, "µs");
        row("writer, per dispatch, by the clock", engine.wall / 1e3, "µs");
        row("dispatches", 1e6 / engine.wall, "k/s");
        row("six stages, median", stages(&house) / 1e3, "µs");
        row("bare append, previous root held", appended.cpu / 1e3, "µs");
        row("ratio to the bare append", engine.cpu / appended.cpu, "");
        row(
            "bare change of the same state, previous root held",
            alone.cpu / 1e3,
            "µs",
        );
        row("ratio to the bare change", engine.cpu / alone.cpu, "");
        row("round trip from a task, p50", trips[trips.len() / 2] / 1e3, "µs");
        row(
            "round trip from a task, p99",
            trips[trips.len() * 99 / 100] / 1e3,
            "µs",
        );
    }
}

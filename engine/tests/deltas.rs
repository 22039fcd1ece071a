//! Deltas are left out by loading and dropped by archiving, and nobody can tell: shown on downloads that grow.

use std::collections::BTreeMap;

use glasswork_engine::archive::{ArchiveError, archive};
use glasswork_engine::line::{self, Chain, Header};
use glasswork_engine::load::{Damage, DamageKind, Fold, Loaded, load};
use glasswork_engine::replay::replay;
use glasswork_engine::{
    Class, Commit, Context, Deadline, Decision, DispatchId, Domain, Durability, EffectKey, Loss, Moment,
    Origin, Recovery, Scope, ScopeId, Timestamp, Transition,
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Downloads;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shelf {
    growing: BTreeMap<EffectKey, String>,
    done: BTreeMap<EffectKey, String>,
    notes: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Event {
    Start,
    Grow {
        of: EffectKey,
        text: String,
    },
    /// With the whole text, and how many bytes were seen of it before, which only the handler looks at.
    Finish {
        of: EffectKey,
        text: String,
    },
    Drop {
        of: EffectKey,
    },
    Note,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Fact {
    Started,
    Grew(EffectKey, String),
    Finished {
        of: EffectKey,
        text: String,
        seen: usize,
    },
    Dropped(EffectKey),
    Noted,
}

#[derive(Debug, Clone, PartialEq, Serialize, thiserror::Error)]
#[error("no")]
pub(super) struct No;

impl Domain for Downloads {
    const SCHEMA: u32 = 1;
    type Kind = ();
    type State = Shelf;
    type Event = Event;
    type Fact = Fact;
    type Effect = String;
    type Grant = String;
    type DeadlineKey = ();
    type Reply = ();
    type Rejection = No;
    type Breach = No;

    fn vacant((): (), _: ScopeId) -> Shelf {
        Shelf::default()
    }
    fn event_name(_: &Event) -> &'static str {
        "event"
    }
    fn permit(_: &Shelf, _: &Event, _: &Origin) -> Result<String, String> {
        Ok("all".to_owned())
    }
    fn decide(shelf: &Shelf, event: &Event, _: &Context<'_>) -> Result<Decision<Self>, No> {
        let of_facts = |facts| Ok(Decision::of(facts, ()));
        match event.clone() {
            Event::Start => Ok(Decision {
                effects: vec!["download".to_owned()],
                ..Decision::of(vec![Fact::Started], ())
            }),
            Event::Grow { of, text } => of_facts(vec![Fact::Grew(of, text)]),
            Event::Finish { of, text } => {
                let seen = shelf.growing.get(&of).map_or(0, String::len);
                of_facts(vec![Fact::Finished { of, text, seen }])
            }
            Event::Drop { of } => Ok(Decision {
                closes: vec![of],
                ..Decision::of(vec![Fact::Dropped(of)], ())
            }),
            Event::Note => of_facts(vec![Fact::Noted]),
        }
    }
    fn evolve(shelf: &mut Shelf, fact: &Fact, _: Moment) {
        match fact {
            Fact::Started => {}
            Fact::Grew(of, text) => shelf.growing.entry(*of).or_default().push_str(text),
            Fact::Finished { of, text, .. } => {
                shelf.growing.remove(of);
                shelf.done.insert(*of, text.clone());
            }
            Fact::Dropped(of) => {
                shelf.growing.remove(of);
            }
            Fact::Noted => shelf.notes += 1,
        }
    }
    fn is_interim(fact: &Fact) -> bool {
        matches!(fact, Fact::Grew(..))
    }
    fn check(_: &Shelf, _: &[Fact]) -> Result<(), No> {
        Ok(())
    }
    fn audit(_: &Shelf) -> Result<(), No> {
        Ok(())
    }
    fn row(_: &Fact) -> Option<Transition<'_>> {
        None
    }
    fn deadlines(_: &Shelf, _: &mut dyn FnMut((), Deadline)) {}
    fn deadline_reached((): (), _: Deadline) -> Event {
        Event::Note
    }
    fn class(_: &String) -> Class {
        Class::Again
    }
    fn lost(of: EffectKey, _: &String, _: Loss) -> Event {
        Event::Drop { of }
    }
    fn recover(_: &Shelf, _: &[(EffectKey, &String)]) -> Vec<Recovery<Self>> {
        vec![]
    }
    fn merge_progress(waiting: &mut Event, later: Event) {
        *waiting = later;
    }
    fn is_urgent(_: &Event) -> bool {
        false
    }
    fn is_delta(_: &Event) -> bool {
        false
    }
    fn acknowledged(_: &Event) -> Durability {
        Durability::Written
    }
}

const ID: ScopeId = ScopeId::from_u128(7);

/// A journal under way.
pub(super) struct Making {
    pub(super) bytes: Vec<u8>,
    chain: Chain,
    seq: u64,
    open: Vec<EffectKey>,
    state: Shelf,
    /// As a build wrote that did not mark deltas.
    unmarked: bool,
}

impl Making {
    fn new(unmarked: bool) -> Self {
        let header = Header {
            glasswork: if unmarked { 1 } else { line::FORMAT },
            schema: 1,
            scope: ID,
            kind: (),
            created: Timestamp(0),
            lineage: Vec::new(),
        };
        let (mut bytes, chain) = line::encode_header(&header).unwrap();
        bytes.push(b'\n');
        Self {
            bytes,
            chain,
            seq: 0,
            open: vec![],
            state: Shelf::default(),
            unmarked,
        }
    }

    fn commit(&mut self, origin: Origin, settles: Option<EffectKey>, event: Event) {
        self.seq += 1;
        let (id, at) = (DispatchId::commit(ID, self.seq), Timestamp(self.seq as i64));
        let context = Context {
            id,
            at,
            origin: &origin,
        };
        let decision = Downloads::decide(&self.state, &event, &context).unwrap();
        for fact in &decision.facts {
            Downloads::evolve(&mut self.state, fact, Moment { seq: self.seq, at });
        }
        let commit = Commit::<Downloads> {
            id,
            at,
            origin,
            cause: None,
            consequence: None,
            settles,
            grant: "all".to_owned(),
            event,
            facts: decision.facts,
            effects: decision.effects,
            stops: vec![],
            closes: decision.closes,
            size: 0,
        };
        let (line, chain) = line::encode_commit(&commit, self.chain).unwrap();
        self.chain = chain;
        match self.unmarked {
            false => self.bytes.extend(line),
            true => {
                let text = String::from_utf8(line).unwrap();
                let (from, to) = (
                    text.find(",\"delta\"").unwrap_or(0),
                    text.find(",\"at\"").unwrap(),
                );
                let text = match from {
                    0 => text,
                    _ => format!("{}{}", &text[..from], &text[to..]),
                };
                // Sealed anew, because it is not what it was.
                let before = line::stated(
                    self.bytes
                        .strip_suffix(b"\n")
                        .unwrap()
                        .rsplit(|byte| *byte == b'\n')
                        .next()
                        .unwrap(),
                );
                let (line, chain) = line::reseal(text.as_bytes(), before.unwrap()).unwrap();
                self.chain = chain;
                self.bytes.extend(line);
            }
        }
        self.bytes.push(b'\n');
    }

    /// One step; `which` chooses among the open effects.
    fn step(&mut self, step: u8, which: usize) {
        let of = match self.open.len() {
            0 => None,
            open => self.open.get(which % open).copied(),
        };
        match (step, of) {
            (0, _) if self.open.len() < 3 => {
                self.commit(Origin::User, None, Event::Start);
                self.open.push(EffectKey {
                    seq: self.seq,
                    ordinal: 0,
                });
            }
            (1, Some(of)) => {
                self.open.retain(|open| *open != of);
                let text = format!("the whole of {of}");
                self.commit(Origin::Effect(of), Some(of), Event::Finish { of, text });
            }
            (2, Some(of)) => {
                self.open.retain(|open| *open != of);
                self.commit(Origin::User, None, Event::Drop { of });
            }
            (3, _) => self.commit(Origin::User, None, Event::Note),
            (_, Some(of)) => {
                let text = format!("{which},");
                self.commit(Origin::Effect(of), None, Event::Grow { of, text });
            }
            (_, None) => {}
        }
    }

    fn rest(&mut self) {
        while !self.open.is_empty() {
            self.step(1, 0);
        }
    }
}

pub(super) fn made(unmarked: bool, steps: &[(u8, usize)]) -> Making {
    let mut making = Making::new(unmarked);
    steps.iter().for_each(|(step, which)| making.step(*step, *which));
    making
}

pub(super) fn lines(journal: &[u8]) -> impl Iterator<Item = &[u8]> {
    journal
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
}

/// The scope as of each commit, by a fold that takes every line.
fn states(journal: &[u8]) -> BTreeMap<u64, Scope<Downloads>> {
    let mut fold = Fold::<Downloads>::with_deltas();
    let mut states = BTreeMap::new();
    for line in lines(journal) {
        fold.line(line).unwrap();
        let scope = fold.scope().unwrap();
        states.insert(scope.seq, scope.clone());
    }
    states
}

pub(super) fn text(journal: &[u8]) -> Vec<String> {
    lines(journal)
        .map(|line| {
            let mut value: serde_json::Value = serde_json::from_slice(line).unwrap();
            value.sort_all_objects();
            match (&value["seq"], &value["folded"]) {
                (serde_json::Value::Null, serde_json::Value::Null) => "header".to_owned(),
                (serde_json::Value::Null, folded) => format!("folded {folded}"),
                (seq, _) => format!("{seq}: {}", value["facts"]),
            }
        })
        .collect()
}

/// A download that grows beside another one, whose end comes first.
pub(super) const STEPS: [(u8, usize); 10] = [
    (0, 0), // 1: 1/0 starts
    (9, 0), // 2: 1/0 grows
    (0, 0), // 3: 3/0 starts
    (9, 1), // 4: 3/0 grows
    (9, 0), // 5: 1/0 grows
    (3, 0), // 6: a note
    (9, 1), // 7: 3/0 grows
    (1, 1), // 8: 3/0 ends
    (9, 0), // 9: 1/0 grows
    (1, 0), // 10: 1/0 ends
];

#[test]
fn archiving_leaves_a_line_for_each_run_of_deltas_and_every_other_line_as_it_was() {
    for unmarked in [false, true] {
        let journal = made(unmarked, &STEPS).bytes;
        let marks = String::from_utf8_lossy(&journal).matches("\"delta\"").count();
        assert_eq!(marks, if unmarked { 0 } else { 5 });
        let (archived, told) = archive::<Downloads>(&journal).unwrap();
        insta_lines(&archived);
        assert_eq!(told.folded, 5);
        assert_eq!(*told.loaded.scope, *load::<Downloads>(&journal).unwrap().scope);
        let Loaded { scope, chain, .. } = load::<Downloads>(&archived).unwrap();
        assert_eq!((&scope, chain), (&told.loaded.scope, told.loaded.chain));
        let again = archive::<Downloads>(&archived).unwrap();
        assert_eq!(again.0, archived, "what is archived already stays as it is");

        let replayed = replay::<Downloads>(&archived).unwrap();
        assert_eq!(
            (replayed.commits, replayed.folded_runs, replayed.folded),
            (5, 4, 5)
        );
        // Both ends look at what grew before, which is gone.
        assert_eq!((replayed.differences, replayed.unsure), (vec![], 2));
    }
}

fn insta_lines(archived: &[u8]) {
    assert_eq!(
        text(archived),
        [
            "header",
            r#"1: ["Started"]"#,
            r#"folded {"from":2,"of":["1/0"],"to":2}"#,
            r#"3: ["Started"]"#,
            r#"folded {"from":4,"of":["1/0","3/0"],"to":5}"#,
            r#"6: ["Noted"]"#,
            r#"folded {"from":7,"of":["3/0"],"to":7}"#,
            r#"8: [{"Finished":{"of":"3/0","seen":4,"text":"the whole of 3/0"}}]"#,
            r#"folded {"from":9,"of":["1/0"],"to":9}"#,
            r#"10: [{"Finished":{"of":"1/0","seen":6,"text":"the whole of 1/0"}}]"#,
        ]
    );
}

#[test]
fn deltas_of_an_effect_that_has_not_ended_are_neither_left_out_nor_folded_away() {
    let making = made(false, &STEPS[..9]);
    let loaded = load::<Downloads>(&making.bytes).unwrap().scope;
    assert_eq!(loaded.state, making.state);
    assert_eq!(loaded.state.growing.len(), 1);
    let key = EffectKey { seq: 1, ordinal: 0 };
    assert_eq!(
        archive::<Downloads>(&making.bytes).unwrap_err(),
        ArchiveError::NotAtRest(key)
    );
}

#[test]
fn a_line_that_is_left_out_is_verified_all_the_same() {
    let journal = made(false, &STEPS).bytes;
    let place = |fifth: &mut Vec<u8>| {
        let starts: Vec<usize> = std::iter::once(0)
            .chain(
                fifth
                    .iter()
                    .enumerate()
                    .filter(|(_, byte)| **byte == b'\n')
                    .map(|(place, _)| place + 1),
            )
            .collect();
        (starts[5], starts[6])
    };
    let mut flipped = journal.clone();
    let (begin, end) = place(&mut flipped);
    flipped[end - 40] ^= 1;
    let damage = |journal: &[u8]| load::<Downloads>(journal).unwrap_err();
    assert_eq!(
        (damage(&flipped).line, damage(&flipped).offset),
        (6, begin as u64)
    );
    let mut lost = journal.clone();
    lost.drain(begin..end);
    let expected = Damage {
        line: 6,
        offset: begin as u64,
        kind: DamageKind::OutOfOrder {
            expected: 5,
            found: 6,
        },
    };
    assert_eq!(damage(&lost), expected);
}

/// What waits is bounded: then it is folded, which gives the same.
#[test]
fn an_effect_that_never_seems_to_end_does_not_make_loading_keep_its_deltas() {
    let mut making = Making::new(false);
    making.step(0, 0);
    let of = making.open[0];
    let text = "x".repeat(400_000);
    for _ in 0..30 {
        let event = Event::Grow {
            of,
            text: text.clone(),
        };
        making.commit(Origin::Effect(of), None, event);
        making.step(3, 0);
    }
    let mut fold = Fold::<Downloads>::new();
    let mut waited = 0;
    for line in lines(&making.bytes) {
        fold.line(line).unwrap();
        waited = waited.max(fold.reached() - fold.scope().unwrap().seq);
    }
    assert!((10..50).contains(&waited), "{waited}");
    assert_eq!(fold.finish().unwrap().scope.state, making.state);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn leaving_deltas_out_gives_the_same_after_every_line_and_so_does_archiving(
        unmarked: bool,
        steps in prop::collection::vec((0u8..12, 0usize..4), 0..60),
    ) {
        let mut making = made(unmarked, &steps);
        making.rest();
        let live = states(&making.bytes);
        let mut fold = Fold::<Downloads>::new();
        for line in lines(&making.bytes) {
            fold.line(line).unwrap();
            let loaded = fold.clone().finish().unwrap().scope;
            prop_assert_eq!(loaded.seq, fold.reached());
            prop_assert_eq!(&*loaded, &live[&loaded.seq]);
        }
        let last = fold.finish().unwrap().scope;
        prop_assert_eq!(&last.state, &making.state);

        let (archived, told) = archive::<Downloads>(&making.bytes).unwrap();
        prop_assert_eq!(&*load::<Downloads>(&archived).unwrap().scope, &*last);
        prop_assert_eq!(told.folded, live.keys().filter(|seq| !states(&archived).contains_key(seq)).count() as u64);
        prop_assert!(!String::from_utf8_lossy(&archived).contains("Grew"));
        // What is left is what it was, but for what grew.
        for (seq, scope) in states(&archived) {
            let mut then = live[&seq].clone();
            then.state.growing.clear();
            prop_assert_eq!(scope, then);
        }
        prop_assert_eq!(replay::<Downloads>(&archived).unwrap().difference_count, 0);
    }
}

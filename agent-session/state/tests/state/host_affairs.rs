//! What a host does for sessions: recorded before it is done, and done again by whoever takes over its record.

use std::collections::BTreeMap;
use std::sync::Arc;

use glasswork_ai::local::{LocalModel, Server};
use glasswork_engine::{
    Class, Context, DispatchId, Domain, EffectKey, Loss, Moment, Origin, ScopeId, Timestamp,
};
use glasswork_session_state::closing::{self, CLOSINGS_CAP, CLOSINGS_KEPT, REASON_CHARS, Stayed, TREE_CAP};
use glasswork_session_state::domain::{Event, Fact, Glasswork};
use glasswork_session_state::effect::Effect;
use glasswork_session_state::fork;
use glasswork_session_state::host::{self, Host, MODELS_CAP, SERVERS_CAP};
use glasswork_session_state::rejection::Rejection;
use glasswork_session_state::state::{Kind, Scope};
use glasswork_session_state::trash::{self, Way, Why};

const HOST: ScopeId = ScopeId::from_u128(1);

fn session(number: u128) -> ScopeId {
    ScopeId::from_u128(100 + number)
}

/// A host, and its effects that are open.
struct Affairs {
    state: Scope,
    seq: u64,
    open: BTreeMap<EffectKey, Effect>,
    facts: Vec<(Vec<Fact>, Moment)>,
}

impl Affairs {
    fn new() -> Self {
        Self {
            state: Glasswork::vacant(Kind::Host, HOST),
            seq: 0,
            open: BTreeMap::new(),
            facts: vec![],
        }
    }

    fn host(&self) -> &Host {
        match &self.state {
            Scope::Host(host) => host,
            Scope::Session(_) => panic!("a session"),
        }
    }

    fn send(&mut self, origin: &Origin, event: &Event) -> Result<(), Rejection> {
        Glasswork::permit(&self.state, event, origin).unwrap();
        let seq = self.seq + 1;
        let context = Context {
            id: DispatchId::commit(HOST, seq),
            at: Timestamp(5),
            origin,
        };
        let decision = Glasswork::decide(&self.state, event, &context)?;
        self.seq = seq;
        if let Origin::Effect(settled) = origin {
            assert!(self.open.remove(settled).is_some());
        }
        for closed in &decision.closes {
            assert!(self.open.remove(closed).is_some());
        }
        let moment = Moment { seq, at: context.at };
        for fact in &decision.facts {
            Glasswork::evolve(&mut self.state, fact, moment);
        }
        // As a journal has them.
        let kept = serde_json::to_string(&decision.facts).unwrap();
        self.facts.push((serde_json::from_str(&kept).unwrap(), moment));
        for (ordinal, effect) in decision.effects.into_iter().enumerate() {
            let ordinal = u16::try_from(ordinal).unwrap();
            self.open.insert(EffectKey { seq, ordinal }, effect);
        }
        Ok(())
    }

    fn asked(&mut self, event: Event) -> Result<(), Rejection> {
        self.send(&Origin::User, &event)
    }

    fn close(&mut self, sessions: &[u128]) -> Result<(), Rejection> {
        let sessions: Vec<ScopeId> = sessions.iter().map(|number| session(*number)).collect();
        self.asked(Event::Closing(closing::Event::Requested {
            root: *sessions.last().unwrap_or(&session(0)),
            sessions,
        }))
    }

    /// The effect that does this, from its runner.
    fn key(&self, wanted: &Effect) -> EffectKey {
        let found = self.open.iter().find(|(_, effect)| *effect == wanted);
        *found
            .unwrap_or_else(|| panic!("{wanted:?} is not among {:?}", self.open))
            .0
    }

    fn settles(&mut self, number: u128, stays: Option<&str>) {
        let session = session(number);
        let key = self.key(&Effect::CloseSession { session });
        let event = match stays {
            None => closing::Event::Closed { session },
            Some(message) => closing::Event::Stayed {
                session,
                message: message.into(),
            },
        };
        self.send(&Origin::Effect(key), &Event::Closing(event)).unwrap();
    }

    /// The process ends; another one takes the record over.
    fn crash(&mut self) {
        let open: Vec<(EffectKey, Effect)> = self
            .open
            .iter()
            .map(|(key, effect)| (*key, effect.clone()))
            .collect();
        let open: Vec<(EffectKey, &Effect)> = open.iter().map(|(key, effect)| (*key, effect)).collect();
        for recovery in Glasswork::recover(&self.state, &open) {
            assert!(open.iter().any(|(key, _)| key.seq == recovery.cause));
            self.send(&Origin::Recovery, &recovery.event).unwrap();
        }
    }

    /// Folding the facts gives the same.
    fn folds(&self) {
        let mut folded = Glasswork::vacant(Kind::Host, HOST);
        for (facts, moment) in &self.facts {
            for fact in facts {
                Glasswork::evolve(&mut folded, fact, *moment);
            }
        }
        assert_eq!(folded, self.state);
        let text = serde_json::to_string(&self.state).unwrap();
        assert_eq!(serde_json::from_str::<Scope>(&text).unwrap(), self.state);
    }
}

#[test]
fn a_tree_is_closed_one_session_after_the_other_and_what_stays_holds_nothing_up() {
    let mut affairs = Affairs::new();
    affairs.close(&[3, 2, 1]).unwrap();
    let tree = affairs.seq;
    for (number, stays) in [(3, None), (2, Some("a turn is running")), (1, None)] {
        // One at a time, so that a parent is only closed when its children are settled.
        assert_eq!(
            affairs.open.values().collect::<Vec<_>>(),
            [&Effect::CloseSession {
                session: session(number)
            }]
        );
        assert!(!affairs.host().closings[&tree].is_over());
        affairs.settles(number, stays);
    }
    assert_eq!(affairs.open, BTreeMap::new());
    let closing = &affairs.host().closings[&tree];
    assert!(closing.is_over());
    assert_eq!(closing.root, session(1));
    assert_eq!(
        closing.closed.iter().collect::<Vec<_>>(),
        [&session(3), &session(1)]
    );
    assert_eq!(
        closing.stayed.iter().collect::<Vec<_>>(),
        [&Stayed {
            session: session(2),
            why: "a turn is running".into()
        }]
    );
    affairs.folds();
}

/// At each point of it: whoever takes the record over goes on with the session whose turn it was.
fn asked(provider: &str, models: usize) -> Event {
    let model = |number: usize| LocalModel {
        id: format!("m{number}").into(),
        context_window: Some(4_096),
        ..LocalModel::default()
    };
    Event::Host(host::Event::ServerAsked {
        provider: provider.into(),
        base_url: "http://127.0.0.1:8080/v1".into(),
        kind: Server::LlamaCpp,
        models: (0..models).map(model).collect(),
    })
}

#[test]
fn what_servers_say_of_themselves_is_kept_up_to_a_cap_and_the_latest_word_holds() {
    let mut affairs = Affairs::new();
    affairs.asked(asked("home", MODELS_CAP + 9)).unwrap();
    let said = Arc::clone(&affairs.host().servers["home"]);
    assert_eq!(
        (said.models.len(), said.by, said.at),
        (MODELS_CAP, 1, Timestamp(5))
    );
    assert_eq!(
        (&*said.base_url, said.kind),
        ("http://127.0.0.1:8080/v1", Server::LlamaCpp)
    );
    for number in 1..SERVERS_CAP + 3 {
        affairs.asked(asked(&format!("p{number}"), 1)).unwrap();
    }
    assert_eq!(affairs.host().servers.len(), SERVERS_CAP);
    // One that is known is known anew.
    affairs.asked(asked("home", 1)).unwrap();
    assert_eq!(affairs.host().servers["home"].models.len(), 1);
    // Whoever starts next asks again.
    affairs
        .asked(Event::Host(host::Event::Started {
            version: "2".into(),
            providers: im::OrdMap::new(),
        }))
        .unwrap();
    assert!(affairs.host().servers.is_empty());
}

#[test]
fn a_closing_that_was_cut_short_is_gone_on_with() {
    for cut in 0..3 {
        let mut affairs = Affairs::new();
        affairs.close(&[3, 2, 1]).unwrap();
        let tree = affairs.seq;
        for (place, number) in [3, 2, 1].into_iter().enumerate() {
            if place == cut {
                let before = affairs.key(&Effect::CloseSession {
                    session: session(number),
                });
                affairs.crash();
                affairs.crash();
                let again = affairs.key(&Effect::CloseSession {
                    session: session(number),
                });
                assert_ne!(before, again);
            }
            affairs.settles(number, None);
        }
        let closing = &affairs.host().closings[&tree];
        assert!(closing.is_over());
        assert_eq!(closing.closed.len(), 3);
        affairs.folds();
    }
}

#[test]
fn a_runner_that_is_gone_leaves_its_session_open_and_the_rest_goes_on() {
    let mut affairs = Affairs::new();
    affairs.close(&[2, 1]).unwrap();
    let effect = Effect::CloseSession { session: session(2) };
    let key = affairs.key(&effect);
    let lost = Glasswork::lost(key, &effect, Loss::RunnerGone);
    affairs.send(&Origin::Effect(key), &lost).unwrap();
    affairs.settles(1, Some(&"x".repeat(10_000)));
    let closing = &affairs.host().closings[&1];
    assert_eq!((closing.closed.len(), closing.stayed.len()), (0, 2));
    assert_eq!(closing.stayed[1].why.len(), REASON_CHARS);
}

#[test]
fn closings_have_caps() {
    let mut affairs = Affairs::new();
    let many: Vec<u128> = (0..=TREE_CAP as u128).collect();
    assert_eq!(affairs.close(&many), Err(Rejection::TreeTooLarge(TREE_CAP + 1)));
    affairs.close(&many[1..]).unwrap();
    for _ in 1..CLOSINGS_CAP {
        affairs.close(&[1]).unwrap();
    }
    assert_eq!(affairs.close(&[1]), Err(Rejection::TooManyClosings));

    let mut affairs = Affairs::new();
    for round in 0..3 * CLOSINGS_KEPT {
        affairs.close(&[1]).unwrap();
        affairs.settles(1, None);
        let kept = affairs.host().closings.len();
        assert_eq!(kept, (round + 1).min(CLOSINGS_KEPT + 1));
    }
    // Nothing is left to be closed where all is closed.
    affairs.close(&[]).unwrap();
    let last = affairs.seq;
    assert!(affairs.host().closings[&last].is_over());
    affairs.folds();
}

/// All that a host does at once is done again, each once; and only what may be done twice.
#[test]
fn whatever_a_host_was_doing_is_done_again() {
    let mut affairs = Affairs::new();
    let (child, of, at) = (session(7), session(8), 3);
    affairs
        .asked(Event::Fork(fork::Event::Requested { child, of, at }))
        .unwrap();
    for (number, way, why) in [
        (4, Way::In, Why::Kept),
        (5, Way::Out, Why::Asked),
        (6, Way::Gone, Why::TrashDays),
    ] {
        let session = session(number);
        affairs
            .asked(Event::Trash(trash::Event::Requested { session, way, why }))
            .unwrap();
    }
    affairs.close(&[2, 1]).unwrap();
    affairs.close(&[3]).unwrap();
    let all = |affairs: &Affairs| {
        let mut effects: Vec<String> = affairs
            .open
            .values()
            .map(|effect| format!("{effect:?}"))
            .collect();
        effects.sort();
        effects
    };
    let (before, host) = (all(&affairs), affairs.host().clone());
    assert_eq!(before.len(), 6);
    affairs.crash();
    assert_eq!(all(&affairs), before);
    for (key, effect) in &affairs.open {
        assert_eq!(Glasswork::class(effect), Class::Again, "{effect:?}");
        assert_eq!(key.seq, affairs.seq);
    }
    // Who wanted it is not forgotten.
    let whys = |host: &Host| host.moving.values().map(|moving| moving.why).collect::<Vec<_>>();
    assert_eq!(whys(affairs.host()), whys(&host));

    let made = affairs.key(&Effect::Fork { child, of, at });
    affairs
        .send(&Origin::Effect(made), &Event::Fork(fork::Event::Made { child }))
        .unwrap();
    for (number, way) in [(4, Way::In), (5, Way::Out), (6, Way::Gone)] {
        let session = session(number);
        let moved = affairs.key(&Effect::Trash { session, way });
        affairs
            .send(
                &Origin::Effect(moved),
                &Event::Trash(trash::Event::Moved { session }),
            )
            .unwrap();
    }
    for number in [2, 1, 3] {
        affairs.settles(number, None);
    }
    assert_eq!(affairs.open, BTreeMap::new());
    let host = affairs.host();
    assert!(host.forks.is_empty() && host.moving.is_empty());
    assert!(host.closings.values().all(closing::Closing::is_over));
    affairs.crash();
    assert_eq!(affairs.open, BTreeMap::new());
    affairs.folds();
    let _: Arc<Host> = match affairs.state {
        Scope::Host(host) => host,
        Scope::Session(_) => unreachable!(),
    };
}

/// What a build wrote that knew neither numbers of effects nor who wanted a move.
#[test]
fn an_older_record_of_a_move_is_read() {
    let fact: trash::Fact = serde_json::from_value(serde_json::json!({
        "began": { "session": session(4), "way": "in" }
    }))
    .unwrap();
    let expected = trash::Fact::Began {
        session: session(4),
        way: Way::In,
        effect: 0,
        why: Why::Asked,
    };
    assert_eq!(fact, expected);
    let written = serde_json::to_value(&expected).unwrap();
    assert_eq!(
        written,
        serde_json::json!({ "began": { "session": session(4), "way": "in" } })
    );
}

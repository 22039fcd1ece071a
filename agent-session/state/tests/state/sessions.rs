//! Opening, settings, requests and their parts, keys, permission, recovery of nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use glasswork_agent_core::context::{Calibration, SystemPart, parts_of};
use glasswork_agent_core::id::RequestId;
use glasswork_ai::conversation::{Block, Message, Request};
use glasswork_ai::model::Thinking;
use glasswork_ai::stream::{StopReason, StreamEvent};
use glasswork_engine::{Domain, Durability, EffectKey, Origin, ScopeId};
use glasswork_session_state::domain::{Event, Fact, Glasswork, Reply};
use glasswork_session_state::permission::{Asker, Grant};
use glasswork_session_state::rejection::Rejection;
use glasswork_session_state::settings::{Layer, Mode, Setting, Source, Sourced};
use glasswork_session_state::state::{Kind, Scope};
use glasswork_session_state::waiting::{Waiting, What, Whom, waiting_for};
use glasswork_session_state::{host, mcp, model, prompt, session, tools};

use crate::world::*;

#[test]
fn nothing_is_done_to_a_session_that_is_not_open() {
    let mut world = World::vacant();
    assert_eq!(world.user(prompted("x")), Err(Rejection::NotOpen));
    let title = "x".into();
    let retitled = Event::Session(session::Event::Retitled { title });
    assert_eq!(world.user(retitled), Err(Rejection::NotOpen));
    assert!(matches!(
        world.user(Event::Session(session::Event::Closed)),
        Err(Rejection::Transition(_))
    ));
}

#[test]
fn a_session_needs_a_model_to_begin_and_keeps_it() {
    let mut world = World::vacant();
    let Event::Session(session::Event::Opened {
        workspace, settings, ..
    }) = opened()
    else {
        unreachable!()
    };
    let mut settings = settings;
    settings.model = Sourced::default_of(None);
    world
        .user(Event::Session(session::Event::Opened {
            workspace,
            title: Some("T".into()),
            settings,
            system: vec![],
            tools: vec![],
        }))
        .unwrap();
    assert_eq!(world.session().meta.title.as_deref(), Some("T"));
    assert_eq!(world.user(prompted("x")), Err(Rejection::NoModel));
    let model = Sourced::from_layer(Some(model_id()), Layer::Session);
    world.set(Setting::Model(model));
    world.prompt("x");
    let none = Setting::Model(Sourced::from_layer(None, Layer::Session));
    let unset = Event::Session(session::Event::SettingChanged(none));
    assert_eq!(world.user(unset), Err(Rejection::NoModel));
}

#[test]
fn words_must_say_something_and_limits_must_allow_something() {
    let mut world = World::new();
    assert_eq!(world.user(prompted(" \n")), Err(Rejection::EmptyText));
    let none = prompt::Event::Prompted {
        result: None,
        text: "x".into(),
        max_steps: Some(0),
        images: vec![],
        key: None,
    };
    assert_eq!(world.user(Event::Prompt(none)), Err(Rejection::NoSteps));
    world.prompt("x");
    for _ in 0..64 {
        world.ask(steered("more"));
    }
    assert_eq!(
        world.user(Event::Prompt(steered("more"))),
        Err(Rejection::QueueFull)
    );
}

#[test]
fn two_tools_need_two_names() {
    let mut event = opened();
    if let Event::Session(session::Event::Opened { tools, .. }) = &mut event {
        tools.push(tool_spec("read"));
    }
    assert_eq!(
        World::vacant().user(event),
        Err(Rejection::ToolTwice("read".into()))
    );
}

#[test]
fn every_setting_has_a_value_and_a_source() {
    let mut world = World::new();
    let from = Source {
        layer: Layer::Project,
        file: Some("/work/.glasswork/settings.ron".into()),
        line: Some(12),
    };
    let value = Mode::Plan;
    world.set(Setting::Mode(Sourced {
        value,
        from: from.clone(),
    }));
    let settings: BTreeMap<_, _> = world
        .session()
        .settings
        .all()
        .into_iter()
        .map(|setting| (setting.name(), setting.from().clone()))
        .collect();
    assert_eq!(settings["mode"], from);
    assert_eq!(settings["model"].layer, Layer::Flag);
    assert_eq!(settings["retry_attempts"].layer, Layer::Default);
    assert_eq!(settings.len(), 44);
}

#[test]
fn an_operation_that_is_sent_twice_happens_once() {
    let mut world = World::new();
    let event = |key: &str| {
        Event::Prompt(prompt::Event::Prompted {
            result: None,
            text: "x".into(),
            max_steps: None,
            images: vec![],
            key: Some(key.into()),
        })
    };
    world.user(event("k")).unwrap();
    let first = world.seq;
    world.answer("so");
    assert_eq!(world.user(event("k")), Err(Rejection::Repeated { first }));
    assert_eq!(world.user(event(&"k".repeat(129))), Err(Rejection::KeyTooLong));
    // The last 256 are remembered.
    for number in 0..256 {
        world.user(event(&format!("k{number}"))).unwrap();
        world.answer("so");
    }
    assert_eq!(world.session().keys.len(), 256);
    assert!(matches!(world.user(event("k")), Ok(Reply::Began(_))));
}

#[test]
fn a_request_is_the_one_before_and_new_parts_each_with_its_origin() {
    let mut world = World::new();
    world.prompt("hello");
    world.connect();
    world.stream(vec![StreamEvent::Usage(usage(100, 3))]);
    world.finish(vec![finished(0, Block::Text("hi".into()))], StopReason::EndOfTurn);
    let answered = world.seq;
    world.prompt("again");
    let session = world.session();
    let [first, second] = [RequestId(1), RequestId(2)].map(|id| Arc::clone(&session.requests[&id]));
    assert_eq!(
        (first.plan.base, first.plan.kept, first.plan.new.len()),
        (None, 0, 1)
    );
    assert_eq!((second.plan.base, second.plan.kept), (Some(RequestId(1)), 1));
    let origins: Vec<u64> = parts_of(&session.requests, RequestId(2))
        .iter()
        .map(|part| part.by)
        .collect();
    assert_eq!(origins, [2, answered, answered + 1]);
    assert_eq!((first.by, second.by), (2, answered + 1));
    // The provider counted 100 where we counted this; the estimate of the next learns from it.
    let counted = first.plan.tokens;
    assert_eq!(
        session.context.calibration(),
        Calibration {
            counted,
            reported: 100
        }
    );
    assert_eq!(second.plan.estimate, second.plan.tokens * 100 / counted);
    assert_eq!(first.body.as_ref().unwrap().len, 1);
    assert_eq!(first.usage, usage(100, 3));

    let rendered = session.render(RequestId(2)).unwrap();
    let text = |text: &str| Message::User(text.into());
    assert_eq!(
        rendered,
        Request {
            output: None,
            model: model_id(),
            system: vec!["You are a test.".into()],
            messages: vec![
                text("hello"),
                Message::Assistant {
                    blocks: vec![Block::Text("hi".into())],
                    model: model_id()
                },
                text("again"),
            ],
            tools: ["read", "write", "bash"].map(tool_spec).to_vec(),
            thinking: Thinking::Default,
            max_output_tokens: None,
            controls: Default::default(),
        }
    );
    // An older request still renders as it was.
    assert_eq!(session.render(RequestId(1)).unwrap().messages, [text("hello")]);
    assert_eq!(session.render(RequestId(3)), None);

    // Another model counts otherwise.
    let other = Some("scripted/other".parse().unwrap());
    world.set(Setting::Model(Sourced::from_layer(other, Layer::Session)));
    assert_eq!(world.session().context.calibration(), Calibration::default());
}

#[test]
fn a_changed_tool_names_the_dispatch_that_changed_it() {
    let mut world = World::new();
    world.prompt("x");
    world.answer("so");
    let mut event = opened();
    if let Event::Session(session::Event::Opened { tools, system, .. }) = &mut event {
        tools[1].description = "writes".into();
        system.push(SystemPart {
            name: "AGENTS.md".into(),
            text: "Be brief.".into(),
        });
    }
    world.user(event).unwrap();
    let changed = world.seq;
    world.prompt("y");
    let session = world.session();
    let head = session.context.head();
    assert_eq!(
        head.tools.iter().map(|part| part.by).collect::<Vec<_>>(),
        [1, changed, 1]
    );
    assert_eq!(
        head.system.iter().map(|part| part.by).collect::<Vec<_>>(),
        [1, changed]
    );
    assert_eq!(session.requests[&RequestId(1)].plan.head, 1);
    assert_eq!(session.requests[&RequestId(2)].plan.head, changed);
    assert_eq!(session.render(RequestId(1)).unwrap().system.len(), 1);
    assert_eq!(session.render(RequestId(2)).unwrap().system.len(), 2);
    world.compare_with_journal();
}

#[test]
fn opening_again_states_only_what_changed() {
    let mut world = World::new();
    world.user(opened()).unwrap();
    let (_, facts, _) = world.commits.last().unwrap();
    assert_eq!(facts.len(), 1, "{facts:?}");
}

fn ended(server: &str) -> Event {
    Event::Mcp(mcp::Event::Ended {
        server: server.into(),
        launch: EffectKey { seq: 1, ordinal: 0 },
        problem: mcp::Problem::NotTold,
    })
}

#[test]
fn who_may_send_what() {
    let state = World::new().state;
    let key = EffectKey { seq: 1, ordinal: 0 };
    let evidence = Event::Model(model::Event::Connected {
        body: None,
        limits: vec![],
    });
    let cases = [
        (Origin::User, prompted("x"), Ok(Grant::Person)),
        (Origin::Client(3), prompted("x"), Ok(Grant::Person)),
        (
            Origin::Client(3),
            evidence.clone(),
            Err(Grant::NotFor(Asker::Person)),
        ),
        (Origin::User, abandoned(vec![]), Err(Grant::NotFor(Asker::Person))),
        (Origin::Effect(key), evidence.clone(), Ok(Grant::Effect)),
        (
            Origin::Effect(key),
            prompted("x"),
            Err(Grant::NotFor(Asker::Effect)),
        ),
        (
            Origin::Effect(key),
            Event::Tools(tools::Event::Approved {
                call: "1.0".parse().unwrap(),
            }),
            Err(Grant::NotFor(Asker::Effect)),
        ),
        (Origin::Deadline, prompted("x"), Err(Grant::NotFor(Asker::Clock))),
        (Origin::Recovery, abandoned(vec![]), Ok(Grant::Recovery)),
        (Origin::Recovery, evidence, Err(Grant::NotFor(Asker::Recovery))),
        (Origin::Extension("x".into()), prompted("x"), Err(Grant::NoGrant)),
        (Origin::Agent("x".into()), prompted("x"), Err(Grant::NoGrant)),
        // A server has it told what became of itself, of no other, and nothing else.
        (Origin::Extension("mcp:a".into()), ended("a"), Ok(Grant::Server)),
        (
            Origin::Extension("mcp:a".into()),
            ended("b"),
            Err(Grant::NotFor(Asker::Server)),
        ),
        (
            Origin::Extension("mcp:a".into()),
            prompted("x"),
            Err(Grant::NotFor(Asker::Server)),
        ),
        (Origin::Extension("a".into()), ended("a"), Err(Grant::NoGrant)),
        (Origin::User, ended("a"), Err(Grant::NotFor(Asker::Person))),
    ];
    for (origin, event, expected) in cases {
        assert_eq!(
            Glasswork::permit(&state, &event, &origin),
            expected,
            "{origin:?} {event:?}"
        );
    }
}

#[test]
fn the_word_of_another_effect_is_refused() {
    let mut world = World::new();
    world.prompt("x");
    let wrong = EffectKey { seq: 9, ordinal: 9 };
    let event = Event::Model(model::Event::Connected {
        body: None,
        limits: vec![],
    });
    assert_eq!(
        world.send(&Origin::Effect(wrong), event),
        Err(Rejection::NotYours(wrong))
    );
    let calls = world.propose(&["bash"]);
    let call = calls[0];
    let evidence = Arc::new(bash());
    let event = Event::Tools(tools::Event::EvidenceGathered { call, evidence });
    assert_eq!(
        world.send(&Origin::Effect(wrong), event),
        Err(Rejection::NotYours(wrong))
    );
}

#[test]
fn an_answer_that_was_never_completed_is_no_answer() {
    let mut world = World::new();
    world.prompt("x");
    world.connect();
    world.stream(vec![began(0), delta(0, "half")]);
    world.finish(vec![], StopReason::EndOfTurn);
    world.expect_turn(glasswork_agent_core::turn::State::Failed);
    assert_eq!(world.said(), ["user: x"]);
}

#[test]
fn a_block_that_no_line_could_hold_fails_the_request() {
    let mut world = World::new();
    world.prompt("x");
    world.connect();
    world.stream(vec![finished(0, Block::Text("x".repeat(400_000).into()))]);
    world.expect_turn(glasswork_agent_core::turn::State::Failed);
    assert!(world.open.is_empty());
}

#[test]
fn where_it_is_so_set_an_empty_answer_ends_the_turn() {
    let mut world = World::new();
    world.set(Setting::LoopAnswers(Sourced::from_layer(false, Layer::User)));
    world.prompt("x");
    world.finish(vec![], StopReason::EndOfTurn);
    world.expect_turn(glasswork_agent_core::turn::State::Completed);
    assert_eq!(world.said(), ["user: x"]);
}

#[test]
fn what_waits_is_named_with_who_can_unblock_it() {
    let mut world = World::new();
    let summary = |world: &World| {
        let waiting = waiting_for(world.session());
        waiting
            .into_iter()
            .map(
                |Waiting {
                     what, on, deadline, ..
                 }| (what, on, deadline.is_some()),
            )
            .collect::<Vec<_>>()
    };
    use glasswork_agent_core::tool_call::State as C;
    use glasswork_session_state::state::AttemptWait as A;
    assert_eq!(summary(&world), [(What::Prompt, Whom::Person, false)]);
    world.prompt("x");
    assert_eq!(
        summary(&world),
        [(What::Answer(A::Connect), Whom::Model(model_id()), true)]
    );
    let calls = world.propose(&["bash", "read"]);
    world.find(calls[0], bash());
    assert_eq!(
        summary(&world),
        [
            (What::Call(calls[0], C::Asked), Whom::Person, true),
            (What::Call(calls[1], C::Evidence), Whom::Tool, true),
        ]
    );
    assert_eq!(waiting_for(world.session())[0].since, world.now);
}

#[test]
fn progress_that_waits_is_merged() {
    let body = Some(glasswork_agent_core::context::BodyRef {
        digest: "d".into(),
        len: 1,
        unsent: vec![],
    });
    let streamed = |steps: Vec<StreamEvent>| {
        Event::Model(model::Event::Streamed {
            body: None,
            limits: vec![],
            steps,
        })
    };
    let limits = vec![glasswork_ai::rate_limit::RateLimit {
        name: "requests".into(),
        limit: None,
        remaining: Some(1),
        reset_ms: None,
    }];
    let mut waiting = Event::Model(model::Event::Connected {
        body: body.clone(),
        limits: limits.clone(),
    });
    Glasswork::merge_progress(&mut waiting, streamed(vec![began(0)]));
    Glasswork::merge_progress(&mut waiting, streamed(vec![delta(0, "x")]));
    let steps = vec![began(0), delta(0, "x")];
    assert_eq!(
        waiting,
        Event::Model(model::Event::Streamed { body, limits, steps })
    );
    assert!(!Glasswork::is_delta(&waiting));
    // The merged one counts as connecting, too.
    let mut world = World::new();
    world.prompt("x");
    let origin = Origin::Effect(world.request());
    world.send(&origin, waiting).unwrap();
    world.expect_turn(glasswork_agent_core::turn::State::Streaming);
    assert_eq!(
        world.session().requests[&RequestId(1)].body.as_ref().unwrap().len,
        1
    );
}

#[test]
fn what_people_decide_is_acknowledged_when_it_is_safe() {
    assert_eq!(Glasswork::acknowledged(&prompted("x")), Durability::Synced);
    let connected = Event::Model(model::Event::Connected {
        body: None,
        limits: vec![],
    });
    assert_eq!(Glasswork::acknowledged(&connected), Durability::Written);
    assert!(Glasswork::is_urgent(&Event::Prompt(prompt::Event::Cancelled)));
    assert!(!Glasswork::is_urgent(&prompted("x")));
}

#[test]
fn a_session_at_rest_needs_no_recovery() {
    let mut world = World::new();
    world.prompt("x");
    world.answer("so");
    assert!(Glasswork::recover(&world.state, &[]).is_empty());
}

#[test]
fn the_host_keeps_its_own_affairs() {
    let scope = ScopeId::from_u128(1);
    let mut state = Glasswork::vacant(Kind::Host, scope);
    let mut seq = 0;
    let mut send = |event: Event| {
        seq += 1;
        let context = glasswork_engine::Context {
            id: glasswork_engine::DispatchId::commit(scope, seq),
            at: glasswork_engine::Timestamp(5),
            origin: &Origin::User,
        };
        let decision = Glasswork::decide(&state, &event, &context)?;
        let moment = glasswork_engine::Moment { seq, at: context.at };
        for fact in &decision.facts {
            Glasswork::evolve(&mut state, fact, moment);
        }
        Ok::<Vec<Fact>, Rejection>(decision.facts)
    };
    let missing = host::Credential::Missing {
        expected: "OPENAI_API_KEY".into(),
    };
    let started = host::Event::Started {
        version: "0.1.0".into(),
        providers: [(Arc::<str>::from("openai"), missing.clone())]
            .into_iter()
            .collect(),
    };
    send(Event::Host(started)).unwrap();
    send(Event::Host(host::Event::Mounted(SCOPE))).unwrap();
    assert_eq!(send(Event::Host(host::Event::Mounted(SCOPE))).unwrap(), []);
    assert!(matches!(send(prompted("x")), Err(Rejection::WrongScope { .. })));
    send(Event::Host(host::Event::Unmounted(SCOPE))).unwrap();
    send(Event::Host(host::Event::Mounted(ScopeId::from_u128(2)))).unwrap();
    let Scope::Host(host) = state else { unreachable!() };
    assert_eq!((&*host.version, host.started.0), ("0.1.0", 5));
    assert_eq!(host.providers["openai"], missing);
    assert_eq!(
        host.mounted.iter().copied().collect::<Vec<_>>(),
        [ScopeId::from_u128(2)]
    );
}

//! What happens to MCP servers, one story each, and what the model is told of their tools.

use glasswork_agent_core::mcp_server::State as S;
use glasswork_engine::{EffectKey, Origin};
use glasswork_session_state::domain::{DeadlineKey, Event};
use glasswork_session_state::mcp::{
    Arguments, Event as M, Introduction, LeftOut, MOST_STARTS, Offer, Problem, Server, TOOLS_CAP, Told, Why,
    name,
};
use glasswork_session_state::rejection::Rejection;
use glasswork_session_state::session;
use glasswork_session_state::settings::Source;

use crate::scenarios::scenarios;
use crate::world::*;

fn offer(name: &str) -> Offer {
    Offer {
        name: name.into(),
        command: "server".into(),
        arguments: vec!["--quick".into()],
        environment: vec![],
        from: Source::default(),
    }
}

fn give(world: &mut World, names: &[&str]) {
    let servers = names.iter().map(|name| offer(name)).collect();
    world.user(Event::Mcp(M::Given { servers })).unwrap();
}

fn told(name: &str) -> Told {
    Told {
        name: name.into(),
        description: Some(format!("Does {name}.").into()),
        arguments: Arguments::Schema(r#"{"type":"object"}"#.into()),
    }
}

fn server<'a>(world: &'a World, name: &str) -> &'a Server {
    &world.session().mcp[name]
}

fn launch(world: &World, name: &str) -> EffectKey {
    server(world, name).launch.expect("it was started")
}

fn introduce(world: &mut World, name: &str, tools: &[&str]) {
    let origin = Origin::Effect(launch(world, name));
    let introduced = M::Introduced {
        server: name.into(),
        introduction: Introduction {
            protocol: "2025-11-25".into(),
            name: None,
            version: None,
        },
        tools: tools.iter().map(|name| told(name)).collect(),
    };
    world.send(&origin, Event::Mcp(introduced)).unwrap();
}

fn of(name: &str) -> Origin {
    Origin::Extension(format!("mcp:{name}"))
}

fn end(world: &mut World, name: &str, launch: EffectKey) -> Result<(), Rejection> {
    let ended = M::Ended {
        server: name.into(),
        launch,
        problem: Problem::Ended {
            code: Some(1),
            said: "".into(),
        },
    };
    world.send(&of(name), Event::Mcp(ended)).map(drop)
}

/// The tools of servers of which the model is told, in order.
fn offered(world: &World) -> Vec<String> {
    let head = world.session().context.head();
    let all = head.tools.iter().map(|tool| tool.part.name.to_string());
    all.filter(|called| name::is_of_server(called)).collect()
}

scenarios! {
    /// Its tools stand behind the session's own, and go with it; those of another stay.
    fn tools_come_and_go_with_their_servers(world) {
        let own = world.session().context.head().tools.clone();
        give(world, &["b", "a"]);
        assert_eq!((server(world, "a").state, offered(world).len()), (S::Starting, 0));
        introduce(world, "b", &["two", "one"]);
        introduce(world, "a", &["x"]);
        assert_eq!(offered(world), ["mcp__a__x", "mcp__b__two", "mcp__b__one"]);
        let head = world.session().context.head();
        assert_eq!(head.tools[..own.len()], own[..]);
        let launched = launch(world, "b");
        end(world, "b", launched).unwrap();
        assert_eq!((server(world, "b").state, offered(world)), (S::Lost, vec!["mcp__a__x".to_owned()]));
        give(world, &["b"]);
        assert_eq!((server(world, "b").state, server(world, "b").starts), (S::Starting, 1));
        assert!(!world.session().mcp.contains_key("a"));
        assert_eq!(offered(world), ["mcp__b__two", "mcp__b__one"]);
    }

    /// What an earlier process does is nobody's any more.
    fn only_the_process_that_runs_is_heard(world) {
        give(world, &["a"]);
        introduce(world, "a", &["x"]);
        let first = launch(world, "a");
        end(world, "a", first).unwrap();
        world.user(Event::Mcp(M::Needed)).unwrap();
        introduce(world, "a", &["x"]);
        assert_eq!(end(world, "a", first), Err(Rejection::NotYours(first)));
        let listed = |launch| Event::Mcp(M::Listed { server: "a".into(), launch, tools: vec![told("y")] });
        assert_eq!(world.send(&of("a"), listed(first)), Err(Rejection::NotYours(first)));
        let second = launch(world, "a");
        world.send(&of("a"), listed(second)).unwrap();
        assert_eq!((server(world, "a").state, offered(world)), (S::Ready, vec!["mcp__a__y".to_owned()]));
    }

    fn a_start_that_takes_too_long_or_fails_is_given_up(world) {
        give(world, &["a", "b", "c"]);
        world.reach(DeadlineKey::Server(launch(world, "a")));
        assert_eq!(
            (server(world, "a").state, server(world, "a").problem.clone()),
            (S::Failed, Some(Problem::Silent { after_ms: 30_000 }))
        );
        let failed = M::Failed { server: "b".into(), problem: Problem::NotTold };
        let origin = Origin::Effect(launch(world, "b"));
        world.send(&origin, Event::Mcp(failed)).unwrap();
        // It ended before it was heard that it had begun.
        let launched = launch(world, "c");
        end(world, "c", launched).unwrap();
        assert_eq!([server(world, "b").state, server(world, "c").state], [S::Failed; 2]);
        // A turn does not try those again; who asks for it does.
        world.user(Event::Mcp(M::Needed)).unwrap();
        assert_eq!(server(world, "a").state, S::Failed);
        world.user(Event::Mcp(M::StartRequested { server: "a".into() })).unwrap();
        assert_eq!(server(world, "a").state, S::Starting);
        world.crash();
    }

    /// One that ends again and again is left alone, until it is named anew.
    fn a_server_that_always_ends_is_not_started_for_ever(world) {
        give(world, &["a"]);
        for start in 1..=MOST_STARTS {
            assert_eq!((server(world, "a").state, server(world, "a").starts), (S::Starting, start));
            introduce(world, "a", &["x"]);
            let launched = launch(world, "a");
            end(world, "a", launched).unwrap();
            world.user(Event::Mcp(M::Needed)).unwrap();
        }
        assert_eq!(server(world, "a").state, S::Lost);
        give(world, &["a"]);
        assert_eq!(server(world, "a").state, S::Starting);
        world.crash();
    }

    /// A crash and the next start change nothing of what the model is told, so that its provider knows it still.
    fn tools_stay_while_their_server_is_down_for_now(world) {
        give(world, &["a", "b"]);
        introduce(world, "a", &["x"]);
        let head = world.session().context.head();
        world.crash();
        assert_eq!([server(world, "a").state, server(world, "b").state], [S::Stopped; 2]);
        world.user(Event::Mcp(M::Needed)).unwrap();
        introduce(world, "a", &["x"]);
        assert_eq!(world.session().context.head(), head);
        world.user(Event::Session(session::Event::Closed)).unwrap();
        assert_eq!([server(world, "a").state, server(world, "b").state], [S::Stopped; 2]);
    }

    fn servers_that_are_named_otherwise_are_others(world) {
        give(world, &["a", "b"]);
        introduce(world, "a", &["x"]);
        let mut other = offer("a");
        other.arguments = vec![];
        world.user(Event::Mcp(M::Given { servers: vec![other] })).unwrap();
        assert_eq!((server(world, "a").state, world.session().mcp.len()), (S::Starting, 1));
        assert_eq!(offered(world), [""; 0]);
        world.crash();
    }
}

#[test]
fn servers_that_cannot_be_are_refused_and_nothing_changes() {
    let mut world = World::new();
    let nameless = offer("");
    let mut without = offer("a");
    without.command = "".into();
    let mut long = offer("a");
    long.arguments = vec!["x".repeat(9000).into()];
    let many = (0..33).map(|n| offer(&n.to_string())).collect();
    let cases = [
        (vec![nameless], Rejection::UnsoundServer),
        (vec![offer("a\nb")], Rejection::UnsoundServer),
        (vec![without], Rejection::UnsoundServer),
        (vec![long], Rejection::UnsoundServer),
        (vec![offer("a"), offer("a")], Rejection::ServerTwice("a".into())),
        (many, Rejection::TooManyServers),
    ];
    for (servers, why) in cases {
        let before = world.state.clone();
        assert_eq!(world.user(Event::Mcp(M::Given { servers })), Err(why));
        assert_eq!(world.state, before);
    }
}

/// The cap on tools is one of the session: a second server gets what the first has left.
#[test]
fn all_servers_together_offer_so_many_tools() {
    let mut world = World::new();
    give(&mut world, &["a", "b"]);
    let names: Vec<String> = (0..TOOLS_CAP - 1).map(|n| format!("t{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    introduce(&mut world, "a", &names);
    introduce(&mut world, "b", &["last", "more"]);
    let tools = &server(&world, "b").tools;
    assert_eq!(tools.tools.len(), 1);
    let left_out = LeftOut {
        name: "more".into(),
        why: Why::TooMany,
    };
    assert_eq!(tools.left_out, [left_out]);
}

#[test]
fn tools_are_called_as_every_provider_takes_it() {
    let long = "x".repeat(80);
    let check = |server: &str, tool: &str, called: &str| assert_eq!(name::called(server, tool), called);
    check("files", "list", "mcp__files__list");
    check("my files", "größe.list", "mcp__my_files__gr__e_list");
    let one = name::called("files", &long);
    let two = name::called("files", &format!("{long}y"));
    assert_eq!((one.len(), two.len()), (64, 64));
    assert_ne!(one, two);
}

//! MCP servers in whole turns: real processes, a scripted model. The house replays every session strictly at its end,
//! when no server is there any more.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use glasswork_agent_core::mcp_server::State as Stands;
use glasswork_agent_core::tool_call;
use glasswork_agent_core::tree::Body;
use glasswork_agent_core::turn::State;
use glasswork_agent_session::blobs::BlobRef;
use glasswork_ai::conversation::Message;
use glasswork_ai::image::Image;
use glasswork_app_runtime::reading::Viewer;
use glasswork_app_runtime::runtime::Opening;
use glasswork_app_runtime::servers::ServerCommand;
use glasswork_app_runtime::watching::{Update, Watch};

use glasswork_engine::{ScopeId, Timestamp, VirtualClock};
use glasswork_session_state::Event;
use glasswork_session_state::mcp::{self, Problem, Server, Why};
use glasswork_session_state::settings::{Layer, Mode, Settings, Sourced};
use glasswork_session_state::state::Session;
use glasswork_testkit::house::{House, PATIENCE, scripted};
use glasswork_testkit::mcp_server::{logging, server};
use glasswork_testkit::packages::installed;

fn opening(house: &House, settings: Settings, servers: Vec<ServerCommand>) -> Opening {
    Opening {
        workspace: house.workspace(),
        settings,
        title: None,
        servers,
    }
}

async fn begin(house: &House, mode: Mode, servers: Vec<ServerCommand>) -> ScopeId {
    let opening = opening(house, House::settings(mode), servers);
    house.runtime().new_session(opening).await.unwrap()
}

/// Each call is one turn of the model, and then it says `Done.`.
fn calling(calls: &[&str]) -> String {
    let steps: Vec<_> = calls.iter().map(|call| format!("(say: [{call}]),")).collect();
    format!(r#"(turns: [{} (say: [text("Done.")])])"#, steps.concat())
}

/// What became of each call: where it stands, and what the model is told.
fn ends(session: &Session) -> Vec<(tool_call::State, String)> {
    let calls = session.calls.values();
    calls
        .map(|call| (call.state, call.outcome.as_ref().unwrap().text.to_string()))
        .collect()
}

fn offered(session: &Session) -> Vec<String> {
    let head = session.context.head();
    let names = head.tools.iter().map(|tool| tool.part.name.to_string());
    names.filter(|name| name.starts_with("mcp__")).collect()
}

fn of<'a>(session: &'a Session, name: &str) -> &'a Server {
    &session.mcp[name]
}

async fn until(watch: &mut Watch, what: impl Fn(&Session) -> bool) {
    while !what(watch.session()) {
        let told = watch.next().await.updates;
        assert!(!told.contains(&Update::Ended), "the session was unmounted");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tool_of_a_server_is_offered_asked_about_and_called() {
    let house = House::of_script(&calling(&[r#"call("mcp__shell__echo", (text: "hello"))"#])).await;
    let log = house.home().join("log");
    let session = begin(&house, Mode::Ask, vec![logging("shell", "good", &log)]).await;
    let mut watch = house.runtime().watch(session).unwrap();
    house.runtime().prompt(session, "go", None).await.unwrap();
    let asked = loop {
        let updates = watch.next().await.updates;
        let mut asked = updates.into_iter().filter_map(|update| match update {
            Update::ToolAsked { call, .. } => Some(call),
            _ => None,
        });
        if let Some(call) = asked.next() {
            break call;
        }
    };
    let called = || std::fs::read_to_string(&log).unwrap().contains("tools/call");
    assert!(!called(), "it was called before anybody consented");
    house.runtime().approve(session, asked).await.unwrap();
    let end = House::end_of_turn(watch).await;
    assert_eq!((end.state, end.text.as_str()), (State::Completed, "Done."));
    let now = house.now(session);
    assert_eq!(
        ends(&now),
        [(tool_call::State::Succeeded, "you said hello".to_owned())]
    );
    let call = now.calls.values().next().unwrap();
    let why = &call.judgement.as_ref().unwrap().explanation;
    assert_eq!(&*why.rule, "ask.change");
    let shell = of(&now, "shell");
    let known = shell.introduction.as_ref().unwrap();
    assert_eq!(
        (shell.state, &*known.protocol, known.name.as_deref(), shell.starts),
        (Stands::Ready, "2025-06-18", Some("shell"), 1)
    );
    // The model was told of it by the first request, after the session's own tools, by the dispatch that listed it.
    let first = now.requests.values().next().unwrap();
    let head = now.context.head_by(first.plan.head).unwrap();
    let theirs = head
        .tools
        .iter()
        .position(|tool| &*tool.part.name == "mcp__shell__echo");
    assert!(theirs.unwrap() >= 8, "{theirs:?}");
    assert_eq!(head.tools[theirs.unwrap()].by, shell.tools.by);
    assert!(called());
    house.runtime().close(session).await.unwrap();
    house.close().await;
}

/// A server, how long it may take to start in milliseconds, and what must be said of it.
type BadStart = (ServerCommand, u64, fn(&Problem) -> bool);

/// Of each manner of starting badly: why the server failed, while the session goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_start_is_told_and_the_session_goes_on() {
    let house = House::of_script(&calling(&[r#"call("mcp__bad__echo", (text: "x"))"#])).await;
    let mut missing = server("bad", "good");
    missing.command = "/nonexistent/server".to_owned();
    let cases: Vec<BadStart> = vec![
        (missing, 30_000, |problem| {
            matches!(problem, Problem::Ended { code: Some(127), .. })
        }),
        (
            server("bad", "quits"),
            30_000,
            |problem| matches!(problem, Problem::Ended { code: Some(3), said } if said.contains("no such thing here")),
        ),
        (server("bad", "floods"), 30_000, |problem| {
            matches!(problem, Problem::Flooded { .. })
        }),
        (server("bad", "endless"), 30_000, |problem| {
            matches!(problem, Problem::Flooded { .. })
        }),
        (
            server("bad", "refuses"),
            30_000,
            |problem| matches!(problem, Problem::Protocol { message } if message.contains("not today")),
        ),
        (server("bad", "strange"), 30_000, |problem| {
            matches!(problem, Problem::Protocol { .. })
        }),
        (server("bad", "mute"), 300, |problem| {
            *problem == Problem::Silent { after_ms: 300 }
        }),
    ];
    for (bad, timeout, is_right) in cases {
        let mut settings = House::settings(Mode::Yolo);
        settings.mcp_start_timeout_ms = Sourced::from_layer(timeout, Layer::User);
        let manner = bad.args.last().cloned();
        let opening = opening(&house, settings, vec![bad]);
        let session = house.runtime().new_session(opening).await.unwrap();
        let end = house.turn(session, "go").await;
        let now = house.now(session);
        let bad = of(&now, "bad");
        assert_eq!(
            (bad.state, end.state),
            (Stands::Failed, State::Completed),
            "{manner:?}"
        );
        let problem = bad.problem.as_ref().unwrap();
        assert!(is_right(problem), "{manner:?}: {problem:?}");
        assert_eq!(offered(&now), [""; 0]);
        let told = ends(&now);
        assert_eq!(told[0].0, tool_call::State::Failed);
        assert!(told[0].1.contains(&problem.to_string()), "{told:?}");
        // It is not tried again with each prompt.
        house.turn(session, "more").await;
        assert_eq!(of(&house.now(session), "bad").starts, 1);
        house.runtime().close(session).await.unwrap();
    }
    house.close().await;
}

/// Each call with all its manners, on one server that is lost twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_end_as_their_server_says_or_as_it_fails() {
    let cases: &[(&str, tool_call::State, &str)] = &[
        (
            r#"call("mcp__shell__fail", ())"#,
            tool_call::State::Failed,
            "it went wrong",
        ),
        (
            r#"call("mcp__shell__refuse", ())"#,
            tool_call::State::Failed,
            "The MCP server `shell` refused the call: wrong in some way",
        ),
        (
            r#"call("mcp__shell__junk", ())"#,
            tool_call::State::Succeeded,
            "[no output]",
        ),
        (
            r#"call("mcp__shell__ask", ())"#,
            tool_call::State::Succeeded,
            "asked",
        ),
        (
            r#"call("mcp__shell__echo", (words: "x"))"#,
            tool_call::State::Failed,
            "the arguments do not fit: `text`",
        ),
        (
            r#"call_json("mcp__shell__echo", "[1]")"#,
            tool_call::State::Failed,
            "the arguments must be a JSON object",
        ),
        (
            r#"call("mcp__shell__none", ())"#,
            tool_call::State::Failed,
            "Not run: there is no tool `mcp__shell__none`.",
        ),
        (
            r#"call("mcp__shell__long", ())"#,
            tool_call::State::Succeeded,
            " line 0 of many\n line 1 of many\n",
        ),
        (
            r#"call("mcp__shell__hang", ())"#,
            tool_call::State::Failed,
            "The MCP server `shell` did not answer within 2 seconds.",
        ),
        (
            r#"call("mcp__shell__die", ())"#,
            tool_call::State::UnknownOutcome,
            "It is not known how this call ended: the MCP server `shell` is gone: it ended with code 7, and said last: I \
             cannot go on",
        ),
        (
            r#"call("mcp__shell__echo", (text: "x"))"#,
            tool_call::State::Failed,
            "Not run: there is no tool `mcp__shell__echo`. the MCP server `shell` does not run: it ended with code 7",
        ),
    ];
    let steps: Vec<&str> = cases.iter().map(|(call, ..)| *call).collect();
    let house = House::of_script(&calling(&steps)).await;
    let mut settings = House::settings(Mode::Yolo);
    settings.tool_timeout_ms = Sourced::from_layer(2_000, Layer::User);
    let log = house.home().join("log");
    let opening = opening(&house, settings, vec![logging("shell", "good", &log)]);
    let session = house.runtime().new_session(opening).await.unwrap();
    let end = house.turn(session, "go").await;
    assert_eq!((end.state, end.text.as_str()), (State::Completed, "Done."));
    let now = house.now(session);
    for ((call, state, told), (is, text)) in cases.iter().zip(ends(&now)) {
        assert_eq!(is, *state, "{call}: {text}");
        assert!(text.starts_with(told), "{call}: {text}");
    }
    let long = now.calls.values().nth(7).unwrap().outcome.clone().unwrap();
    let kept = std::fs::read_to_string(
        long.text
            .rsplit_once("is kept in ")
            .and_then(|(_, path)| path.trim_end().strip_suffix(']'))
            .unwrap(),
    )
    .unwrap();
    assert_eq!(
        (kept.lines().count(), u64::try_from(kept.len()).unwrap()),
        (3000, long.blob.unwrap().len)
    );
    let shell = of(&now, "shell");
    assert_eq!((shell.state, offered(&now).len()), (Stands::Lost, 0));
    // The call that took too long was taken back, and the question was declined.
    let log = std::fs::read_to_string(log).unwrap();
    assert_eq!(log.matches("notifications/cancelled").count(), 1, "{log}");
    assert!(log.contains(r#""id":"q","result":{"action":"decline"}"#), "{log}");

    // The next prompt has it started again.
    house.turn(session, "more").await;
    let now = house.now(session);
    let shell = of(&now, "shell");
    assert_eq!((shell.state, shell.starts), (Stands::Ready, 2));
    assert_eq!(offered(&now).len(), 15);
    house.runtime().close(session).await.unwrap();
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_never_stops_talking_is_ended_in_the_middle_of_a_call() {
    let house = House::of_script(&calling(&[r#"call("mcp__shell__flood", ())"#])).await;
    let session = begin(&house, Mode::Yolo, vec![server("shell", "good")]).await;
    house.turn(session, "go").await;
    let now = house.now(session);
    let shell = of(&now, "shell");
    assert_eq!(shell.state, Stands::Lost);
    assert!(matches!(shell.problem, Some(Problem::Flooded { .. })));
    assert_eq!(ends(&now)[0].0, tool_call::State::UnknownOutcome);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_no_provider_takes_are_mended_and_what_cannot_be_told_is_left_out() {
    let house = House::of_script(&calling(&[r#"call("mcp__my_server___two_words", (text: "x"))"#])).await;
    let check = |manner: &str, offered: usize, left_out: &[(&str, Why)]| {
        let (manner, left_out) = (manner.to_owned(), left_out.to_vec());
        let left_out: Vec<(String, Why)> = left_out
            .into_iter()
            .map(|(name, why)| (name.to_owned(), why))
            .collect();
        let house = &house;
        async move {
            let session = begin(house, Mode::Yolo, vec![server("my server!", &manner)]).await;
            house.turn(session, "go").await;
            let now = house.now(session);
            let tools = &of(&now, "my server!").tools;
            let left: Vec<_> = tools
                .left_out
                .iter()
                .map(|left| (left.name.to_string(), left.why.clone()))
                .collect();
            assert_eq!((tools.tools.len(), left), (offered, left_out), "{manner}");
            assert_eq!(self::offered(&now).len(), offered);
            now
        }
    };
    let same = |called: &str| Why::SameName {
        called: called.into(),
    };
    let now = check(
        "odd",
        2,
        &[
            ("two_words", same("mcp__my_server___two_words")),
            ("echo", same("mcp__my_server___echo")),
            ("list", Why::BadSchema),
            ("", Why::BadName),
        ],
    )
    .await;
    assert_eq!(
        offered(&now),
        ["mcp__my_server___echo", "mcp__my_server___two_words"]
    );
    // What the model calls by that name is asked for by the server's own.
    assert_eq!(
        ends(&now)[0].1,
        "The MCP server `my server!` refused the call: no such tool"
    );
    let description = (1 << 17) + "{\"type\":\"object\"}".len();
    let bytes = u64::try_from(description).unwrap();
    check("bomb", 2, &[("bomb", Why::TooLong { bytes })]).await;
    let now = check(
        "many",
        128,
        &(128..=200)
            .map(|n| match n {
                200 => ("last".to_owned(), Why::TooMany),
                n => (format!("t{n}"), Why::TooMany),
            })
            .collect::<Vec<_>>()
            .iter()
            .map(|(name, why)| (name.as_str(), why.clone()))
            .collect::<Vec<_>>(),
    )
    .await;
    drop(now);
    // A list that goes on for ever is long enough at some time.
    let session = begin(&house, Mode::Yolo, vec![server("my server!", "pages")]).await;
    house.turn(session, "go").await;
    let tools = of(&house.now(session), "my server!").tools.clone();
    assert_eq!((tools.tools.len(), tools.left_out.len()), (15, 512 - 15));
    house.close().await;
}

/// A session whose server, in this manner, had other tools after a call, and was called by a new one.
async fn grown(manner: &str) -> (House, ScopeId) {
    let house = House::of_script(
        r#"(turns: [
            (say: [call("mcp__shell__grow", ())]),
            (say: [text("grown")]),
            (say: [call("mcp__shell__new", ())]),
            (say: [text("Done.")]),
        ])"#,
    )
    .await;
    let session = begin(&house, Mode::Yolo, vec![server("shell", manner)]).await;
    house.turn(session, "go").await;
    let mut watch = house.runtime().watch(session).unwrap();
    until(&mut watch, |session| {
        offered(session).contains(&"mcp__shell__new".to_owned())
    })
    .await;
    house.turn(session, "more").await;
    (house, session)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_tools_are_offered_with_the_next_request_that_follows() {
    let (house, session) = grown("good").await;
    let now = house.now(session);
    assert_eq!(ends(&now)[1], (tool_call::State::Succeeded, "newer".to_owned()));
    // Said twice, listed once.
    assert_eq!(of(&now, "shell").starts, 1);
    house.close().await;
}

/// The commits in which the session was told of the tools that a server has now.
fn listings(house: &House, session: ScopeId) -> usize {
    let seq = house.snapshot().session(session, None).unwrap().scope.seq;
    let commits = house.snapshot().commits(session, 1, seq).unwrap();
    let listed = commits
        .iter()
        .filter(|commit| matches!(commit.event, Event::Mcp(mcp::Event::Listed { .. })));
    listed.count()
}

/// In the manner of 2026-07-28 only who has subscribed is told; and one that cannot be subscribed to works all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_the_newest_protocol_is_subscribed_to() {
    let (house, session) = grown("modern").await;
    let now = house.now(session);
    assert_eq!(
        ends(&now),
        [
            (tool_call::State::Succeeded, "grown".to_owned()),
            (tool_call::State::Succeeded, "newer".to_owned())
        ]
    );
    let shell = of(&now, "shell");
    assert_eq!(
        (&*shell.introduction.as_ref().unwrap().protocol, shell.starts),
        ("2026-07-28", 1)
    );
    // That the list may have changed before the subscription held is looked at, and is no news.
    assert_eq!(listings(&house, session), 1);
    // The second request of the second turn was told of the tool by the commit that listed it.
    let last = now.requests.values().last().unwrap();
    let head = now.context.head_by(last.plan.head).unwrap();
    let new = head
        .tools
        .iter()
        .find(|tool| &*tool.part.name == "mcp__shell__new")
        .unwrap();
    assert_eq!(new.by, shell.tools.by);
    house.close().await;

    let house = House::of_script(&calling(&[r#"call("mcp__shell__echo", (text: "hello"))"#])).await;
    let session = begin(&house, Mode::Yolo, vec![server("shell", "modern-deaf")]).await;
    house.turn(session, "go").await;
    assert_eq!(
        ends(&house.now(session)),
        [(tool_call::State::Succeeded, "you said hello".to_owned())]
    );
    house.close().await;
}

/// In both manners: five hundred times that there are others is told once or twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clamour_about_other_tools_is_asked_about_a_few_times() {
    for manner in ["good", "modern"] {
        let house = House::of_script(&calling(&[r#"call("mcp__shell__clamour", ())"#])).await;
        let log = house.home().join("log");
        let session = begin(&house, Mode::Yolo, vec![logging("shell", manner, &log)]).await;
        house.turn(session, "go").await;
        let mut watch = house.runtime().watch(session).unwrap();
        until(&mut watch, |session| {
            offered(session).contains(&"mcp__shell__new".to_owned())
        })
        .await;
        let told = std::fs::read_to_string(&log).unwrap();
        let asked = told.matches("tools/list").count();
        assert!(asked <= 12, "{manner}: {asked} times");
        let now = house.now(session);
        assert_eq!(
            (of(&now, "shell").state, of(&now, "shell").starts),
            (Stands::Ready, 1),
            "{manner}"
        );
        assert_eq!(listings(&house, session), 1, "{manner}");
        house.close().await;
    }
}

/// One that has other tools whenever it is asked is asked ever more seldom.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_never_rests_is_asked_ever_more_seldom() {
    let house = House::of_script(&calling(&[])).await;
    // Before it is started: it may be asked for the first time before it is ready here, however late that is seen.
    let begun = std::time::Instant::now();
    let session = begin(&house, Mode::Yolo, vec![server("shell", "restless")]).await;
    let mut watch = house.runtime().watch(session).unwrap();
    until(&mut watch, |session| {
        offered(session).contains(&"mcp__shell__t4".to_owned())
    })
    .await;
    // 200, 400, 800 ms.
    assert!(
        begun.elapsed() >= Duration::from_millis(1_400),
        "{:?}",
        begun.elapsed()
    );
    house.close().await;
}

/// It says that it has other tools, and is gone when it is asked which.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_ends_in_the_middle_of_telling_its_tools_is_lost() {
    for manner in ["good", "modern"] {
        let house = House::of_script(
            r#"(turns: [
                (say: [call("mcp__shell__leave", ())]),
                (say: [text("soon")]),
                (say: [call("mcp__shell__echo", (text: "again"))]),
                (say: [text("Done.")]),
            ])"#,
        )
        .await;
        let session = begin(&house, Mode::Yolo, vec![server("shell", manner)]).await;
        house.turn(session, "go").await;
        let mut watch = house.runtime().watch(session).unwrap();
        until(&mut watch, |session| of(session, "shell").state == Stands::Lost).await;
        let now = house.now(session);
        let problem = of(&now, "shell").problem.clone().unwrap();
        assert!(
            matches!(&problem, Problem::Ended { code: Some(9), said } if said.contains("it is all too much")),
            "{manner}: {problem:?}"
        );
        assert_eq!(offered(&now), Vec::<String>::new(), "{manner}");
        // The next turn has it again.
        house.turn(session, "more").await;
        let now = house.now(session);
        assert_eq!(
            ends(&now)[1],
            (tool_call::State::Succeeded, "you said again".to_owned()),
            "{manner}"
        );
        assert_eq!(of(&now, "shell").starts, 2, "{manner}");
        house.close().await;
    }
}

/// The images of the conversation's results, in order.
fn shown(session: &Session) -> Vec<Vec<Image>> {
    let entries = session.tree.branch();
    let mut shown: Vec<_> = entries
        .filter_map(|(_, entry)| match &entry.body {
            Body::ToolResult { images, .. } => Some(images.clone()),
            _ => None,
        })
        .collect();
    shown.reverse();
    shown
}

/// Images are taken in as all others are, and of what is not shown the model is told what it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_model_is_shown_the_images_that_a_tool_answers() {
    let house = House::of_script(&calling(&[
        r#"call("mcp__shell__look", ())"#,
        r#"call("mcp__shell__gallery", ())"#,
    ]))
    .await;
    let session = begin(&house, Mode::Yolo, vec![server("shell", "good")]).await;
    house.turn(session, "go").await;
    let now = house.now(session);
    let told = ends(&now);
    assert_eq!(told[0].0, tool_call::State::Succeeded);
    let expected = [
        "See:",
        "[image: image 1, 1x1, image/png, 69 bytes]",
        "[image: image 2, 1x1, image/png, 69 bytes]",
        "[an image of type image/png, 9 bytes: not shown: it is damaged or incomplete: ",
        "[an image of type image/png, 6 bytes: not shown: it is no base64]",
        "[a sound of type audio/wav, 3 bytes: not shown]",
        "[notes: file:///notes.txt, text/plain, 7 bytes]",
        "[x://one.png]",
        "[image: image 3, 1x1, image/png, 69 bytes]",
        "[x://two of type application/zip, 3 bytes: not shown]",
        "[x://three]",
        "words",
    ];
    let lines: Vec<&str> = told[0].1.lines().collect();
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line} is not {expected}");
    }
    let shown = shown(&now);
    let of_look: Vec<_> = shown[0]
        .iter()
        .map(|image| (&*image.name, image.width, image.height))
        .collect();
    assert_eq!(of_look, [("image 1", 1, 1), ("image 2", 1, 1), ("image 3", 1, 1)]);
    // Eight are shown, and of the others it is told that they are not.
    assert_eq!(shown[1].len(), 8);
    assert_eq!(
        told[1]
            .1
            .matches("not shown: it is one more than the 8 that are shown")
            .count(),
        2
    );
    // Their bytes are the session's, and all the same.
    let image = &shown[0][0];
    let digest = image.digest.parse().unwrap();
    let blob = BlobRef {
        digest,
        len: image.bytes,
    };
    assert_eq!(
        house.archive().blobs(session).get(&blob).unwrap().len() as u64,
        image.bytes
    );
    // The next request has them: after the result of which they are a part.
    let last = now.requests.keys().last().unwrap();
    let sent = now.render(*last).unwrap().messages;
    let sent = sent.iter().filter(|message| matches!(message, Message::Image(_)));
    assert_eq!(sent.count(), 11);
    house.close().await;
}

/// A program of npm's as a server.
fn of_npm(name: &str, program: &str, arguments: &[&str]) -> ServerCommand {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mcp_servers");
    let folder = installed(&tests, env!("CARGO_TARGET_TMPDIR"), &["growing.mjs"]);
    let program = folder.join(program).display().to_string();
    let mut server = server(name, "good");
    server.command = "node".to_owned();
    server.args = vec![program];
    server
        .args
        .extend(arguments.iter().map(|&argument| argument.to_owned()));
    server
}

/// The protocol's own library as a server, in its newest version.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_librarys_own_server_is_heard_and_its_images_are_shown() {
    let house = House::of_script(
        r#"(turns: [
            (say: [call("mcp__growing__grow", (name: "shine"))]),
            (say: [text("grown")]),
            (say: [call("mcp__growing__shine", ())]),
            (say: [text("Done.")]),
        ])"#,
    )
    .await;
    let session = begin(&house, Mode::Yolo, vec![of_npm("growing", "growing.mjs", &[])]).await;
    house.turn(session, "go").await;
    let mut watch = house.runtime().watch(session).unwrap();
    until(&mut watch, |session| {
        offered(session).contains(&"mcp__growing__shine".to_owned())
    })
    .await;
    house.turn(session, "more").await;
    let now = house.now(session);
    let growing = of(&now, "growing").introduction.as_ref().unwrap();
    assert_eq!(
        (&*growing.protocol, growing.name.as_deref()),
        ("2026-07-28", Some("growing"))
    );
    let told = "shine was called\n[image: image 1, 1x1, image/png, 69 bytes]\n[a sound of type audio/wav, 3 bytes: not \
                shown]\n[notes: file:///notes.txt, text/plain]\n[x://three]\nwords";
    assert_eq!(
        ends(&now),
        [
            (tool_call::State::Succeeded, "grown".to_owned()),
            (tool_call::State::Succeeded, told.to_owned())
        ]
    );
    assert_eq!(shown(&now).last().unwrap().len(), 1);
    house.close().await;
}

/// The server by which others are tried, of a version that greets.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_the_older_manner_shows_its_images_too() {
    let house = House::of_script(&calling(&[
        r#"call("mcp__everything__get-tiny-image", ())"#,
        r#"call("mcp__everything__get-resource-links", (count: 2))"#,
        r#"call("mcp__everything__get-sum", (a: 2, b: 3))"#,
    ]))
    .await;
    let program = "node_modules/@modelcontextprotocol/server-everything/dist/index.js";
    let session = begin(
        &house,
        Mode::Yolo,
        vec![of_npm("everything", program, &["stdio"])],
    )
    .await;
    house.turn(session, "go").await;
    let now = house.now(session);
    assert_eq!(of(&now, "everything").state, Stands::Ready);
    let told = ends(&now);
    let succeeded = told
        .iter()
        .all(|(state, _)| *state == tool_call::State::Succeeded);
    assert!(succeeded, "{told:#?}");
    assert!(
        told[0].1.contains("[image: image 1, 20x20, image/png, "),
        "{told:#?}"
    );
    assert!(told[1].1.contains("demo://resource/"), "{told:#?}");
    assert!(told[2].1.contains('5'), "{told:#?}");
    assert_eq!(shown(&now)[0].len(), 1);
    house.close().await;
}

/// Secrets go to the server and nowhere else, and it gets nothing that it was not given.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_environment_of_a_server_is_told_to_nobody() {
    let house = House::of_script(&calling(&[r#"call("mcp__shell__token", ())"#])).await;
    let mut shell = server("shell", "good");
    shell.env = vec![("TOKEN".to_owned(), "quite-a-secret-value-7f3a".into())];
    let session = begin(&house, Mode::Yolo, vec![shell]).await;
    house.turn(session, "go").await;
    let now = house.now(session);
    // Where the server itself says it, it is masked; and of our own environment it has not got what Cargo put there.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let (state, told) = ends(&now).remove(0);
    let workspace = house.workspace();
    assert_eq!(state, tool_call::State::Succeeded);
    assert!(told.starts_with("[secret:"), "{told}");
    assert!(
        told.ends_with(&format!(" from {} with []", workspace.display())),
        "{told}"
    );
    let offer = &of(&now, "shell").offer;
    assert_eq!(
        offer.environment.iter().map(|name| &**name).collect::<Vec<_>>(),
        ["TOKEN"]
    );
    assert!(!serde_json::to_string(&now).unwrap().contains("quite-a-secret"));
    house.close().await;
}

/// The processes that carry a session's mark.
fn marked(session: ScopeId) -> Vec<i32> {
    let mark = format!("GLASSWORK_CALL={session}/mcp:");
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        let environment = std::fs::read(Path::new("/proc").join(pid.to_string()).join("environ"));
        let environment = environment.unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|variable| variable.starts_with(mark.as_bytes()))
    })
    .collect()
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_end_with_their_session_and_are_started_again_when_it_is_needed() {
    let echo = r#"call("mcp__shell__echo", (text: "x"))"#;
    let script = format!(
        r#"(turns: [(say: [{echo}]), (say: [text("a")]), (say: [{echo}]), (say: [text("b")]), (say: [{echo}]), (say: [text("c")])])"#
    );
    let clock = VirtualClock::at(Timestamp(1_795_236_311_000_000));
    let house = House::with(scripted(&script), Arc::new(clock.clone())).await;
    let session = begin(&house, Mode::Yolo, vec![server("shell", "stubborn")]).await;
    house.turn(session, "one").await;
    assert!(!marked(session).is_empty());
    let known = house.now(session).context.head();

    // Put away and taken out again, as a session is in which nothing happens.
    let host = house.snapshot().host().unwrap().id;
    let mut host = house
        .runtime()
        .reader()
        .follow(&Viewer::owner(), host, None)
        .unwrap();
    house.runtime().unmount_after(Duration::from_secs(60)).unwrap();
    clock.advance(Duration::from_secs(61));
    while house.snapshot().mounted().any(|mounted| mounted == session) || !marked(session).is_empty() {
        tokio::time::timeout(PATIENCE, host.follower.next())
            .await
            .unwrap();
    }
    assert_eq!(marked(session), [0; 0]);
    house.runtime().mount(session).await.unwrap();
    house.turn(session, "two").await;
    let now = house.now(session);
    assert_eq!((of(&now, "shell").starts, now.context.head()), (2, known));
    assert!(
        ends(&now)
            .iter()
            .all(|(state, _)| *state == tool_call::State::Succeeded)
    );

    house.runtime().close(session).await.unwrap();
    assert_eq!(marked(session), [0; 0]);
    // Opened anew, without it.
    let bare = opening(&house, House::settings(Mode::Yolo), vec![]);
    house.runtime().open(session, bare).await.unwrap();
    let now = house.now(session);
    assert_eq!((now.mcp.len(), offered(&now).len()), (0, 0));
    house.runtime().close(session).await.unwrap();
    house.close().await;
}

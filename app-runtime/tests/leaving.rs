//! Going on elsewhere with a summary of the branch that is left, in whole turns over true wires: what the server received
//! before and after, and what becomes of everything that can go wrong meanwhile.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test that meets what it did not expect shall stop there"
)]

use std::collections::VecDeque;
use std::sync::Arc;

use glasswork_agent_core::branch_summary::{self, BranchSummary};
use glasswork_agent_core::compaction::Paths;
use glasswork_agent_core::id::{EntryId, RequestId};
use glasswork_agent_core::session::State as SessionState;
use glasswork_agent_core::tree::Body;
use glasswork_agent_core::turn::State;
use glasswork_ai::conversation::{Block, Message};
use glasswork_ai::failure::FailureClass;
use glasswork_ai::http::{BaseUrl, Provider, SecretString};
use glasswork_ai::port::Models;
use glasswork_ai::scripted::{Said, Step, Turn};
use glasswork_ai::stream::StopReason;
use glasswork_ai::wire::Wire;
use glasswork_app_runtime::runtime::{Done, Opening, OperationError};
use glasswork_app_runtime::watching::{Update, Watch};
use glasswork_engine::{Refusal, ScopeId, SystemClock};
use glasswork_session_state::queue::Lane;
use glasswork_session_state::rejection::Rejection;
use glasswork_session_state::settings::{Layer, Mode, Settings, Sourced};
use glasswork_session_state::state::Session;
use glasswork_testkit::house::{House, PATIENCE};
use glasswork_testkit::model_server::{Answers, ModelServer, Received};
use glasswork_testkit::request_rules;

const WIRES: [Wire; 3] = [Wire::Anthropic, Wire::OpenAiChat, Wire::OpenAiCompatible];

fn flag<T>(value: T) -> Sourced<T> {
    Sourced::from_layer(value, Layer::Flag)
}

fn settings() -> Settings {
    Settings {
        model: flag(Some("real/some-model".parse().unwrap())),
        retry_attempts: flag(2),
        retry_base_ms: flag(1),
        ..House::settings(Mode::Yolo)
    }
}

fn says(text: &str) -> Turn {
    Turn::says([Step::Text(text.into())])
}

fn fails(class: FailureClass, status: u16) -> Turn {
    Turn::says([Step::Fail {
        class,
        message: None,
        status: Some(status),
        retry_after_ms: None,
    }])
}

fn is_for_a_summary(request: &Received) -> bool {
    String::from_utf8_lossy(&request.body)
        .contains("You write notes on an attempt that a coding agent and its user give up")
}

fn models(wire: Wire, server: &ModelServer) -> Arc<Models> {
    let key = SecretString::from("a-key");
    let provider = Provider::new("A_KEY", wire, &BaseUrl::parse(&server.url()).unwrap(), Some(&key));
    Arc::new(Models::default().with("real", Arc::new(provider)))
}

/// A house, the server that it asks, and a session in it.
struct Place {
    wire: Wire,
    server: ModelServer,
    house: House,
    session: ScopeId,
}

impl Place {
    /// A server that answers with these, and summarises with those; then with `ok`.
    async fn new(
        wire: Wire,
        answers: impl IntoIterator<Item = Turn>,
        summaries: impl IntoIterator<Item = Turn>,
    ) -> Self {
        let mut answers: VecDeque<Turn> = answers.into_iter().collect();
        let mut summaries: VecDeque<Turn> = summaries.into_iter().collect();
        let choose = move |request: &Received| {
            let turns = match is_for_a_summary(request) {
                true => &mut summaries,
                false => &mut answers,
            };
            turns.pop_front().unwrap_or_else(|| says("ok"))
        };
        let server = ModelServer::start(Answers::chosen(wire, choose)).await.unwrap();
        let house = House::with(models(wire, &server), Arc::new(SystemClock::default())).await;
        let session = house.session(settings()).await;
        Self {
            wire,
            server,
            house,
            session,
        }
    }

    /// Two turns, `one` and `two`; the second is what will be left. Returns where it will go on, and where it stands.
    async fn told(&self) -> (Option<EntryId>, Option<EntryId>) {
        self.say("one").await;
        let to = self.now().tree.leaf();
        self.say("two").await;
        (to, self.now().tree.leaf())
    }

    fn now(&self) -> Arc<Session> {
        self.house.now(self.session)
    }

    fn watch(&self) -> Watch {
        self.house.runtime().watch(self.session).unwrap()
    }

    async fn say(&self, text: &str) {
        let end = self.house.turn(self.session, text).await;
        assert_eq!(
            (end.state, end.failure),
            (State::Completed, None),
            "{:?}: {text}",
            self.wire
        );
    }

    async fn go(&self, to: Option<EntryId>) {
        let moved = self.house.runtime().move_leaf(self.session, to, None).await;
        moved.unwrap();
    }

    async fn ask_to_leave(&self, to: Option<EntryId>, focus: Option<&str>) {
        let runtime = self.house.runtime();
        let asked = runtime
            .move_leaf_with_summary(self.session, to, focus, None)
            .await;
        asked.unwrap();
    }

    /// Goes on elsewhere with a summary, and waits for how that ends.
    async fn leave(&self, to: Option<EntryId>, focus: Option<&str>) -> Update {
        let mut watch = self.watch();
        self.ask_to_leave(to, focus).await;
        until(&mut watch, is_end).await
    }

    /// What was sent is valid for every provider and is what the record says, and every part of it names a commit.
    fn check(&self) {
        let session = self.now();
        let seq = self
            .house
            .snapshot()
            .session(self.session, None)
            .unwrap()
            .scope
            .seq;
        request_rules::check_session(&session).unwrap();
        let mut received = self.server.received().into_iter();
        for (id, prepared) in &session.requests {
            let encoded = self.wire.encode(&session.render(*id).unwrap()).unwrap().body;
            for _ in 0..prepared.attempts {
                assert_eq!(
                    String::from_utf8_lossy(&received.next().unwrap().body),
                    String::from_utf8_lossy(&encoded),
                    "{:?}: request {id}",
                    self.wire
                );
            }
            for part in glasswork_agent_core::context::parts_of(&session.requests, *id) {
                assert!(part.by > 0 && part.by <= seq, "{part:?}");
                assert!(session.tree.get(part.entry).is_some());
            }
        }
        assert_eq!(received.next(), None, "something was sent that is not on record");
    }

    async fn close(self) {
        self.check();
        self.house.close().await;
    }
}

fn is_end(update: &Update) -> bool {
    matches!(
        update,
        Update::BranchSummarised { .. } | Update::CompactionFailed { .. } | Update::CompactionDropped
    )
}

async fn until(watch: &mut Watch, what: impl Fn(&Update) -> bool) -> Update {
    loop {
        let watched = tokio::time::timeout(PATIENCE, watch.next()).await;
        let updates = watched.expect("something happens").updates;
        if let Some(update) = updates.into_iter().find(&what) {
            return update;
        }
    }
}

/// A message in short; a summary of a branch as its notes.
fn short(message: &Message) -> String {
    let block = |block: &Block| match block {
        Block::Text(text) => text.to_string(),
        Block::ToolCall(call) => format!("[{}]", call.name),
        Block::Thinking(_) | Block::Kept(_) => "…".to_owned(),
    };
    match message {
        Message::User(text) => match text.split_once("# Notes on that attempt\n") {
            Some((_, notes)) => format!("attempt: {}", notes.lines().next().unwrap_or_default()),
            None => format!("> {text}"),
        },
        Message::Assistant { blocks, .. } => blocks.iter().map(block).collect::<Vec<_>>().join(" "),
        Message::ToolResult(result) => format!("({})", result.name),
        Message::Image(shown) => format!("image {}", shown.image),
    }
}

/// What the last request said.
fn sent(session: &Session) -> Vec<String> {
    let (id, _) = session.requests.get_max().unwrap();
    session.render(*id).unwrap().messages.iter().map(short).collect()
}

fn rejection(refused: Done) -> Rejection {
    match refused {
        Err(OperationError::Refused(Refusal::Rejected { rejection, .. })) => rejection,
        other => panic!("{other:?}"),
    }
}

fn summary_at(session: &Session, entry: Option<EntryId>) -> BranchSummary {
    match &session.tree.get(entry.unwrap()).unwrap().body {
        Body::BranchSummary(made) => BranchSummary::clone(made),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_request_has_the_summary_at_its_place_and_not_the_branch() {
    for wire in WIRES {
        let call = r#"{"path":"tin.txt","content":"corrugated"}"#;
        let answers = [
            says("With slate."),
            Turn::says([Step::CallJson("write".into(), call.into())]),
            says("It leaks."),
        ];
        let place = Place::new(wire, answers, [says("## Learnt\nTin is no good.")]).await;
        place.say("Mend the roof.").await;
        let to = place.now().tree.leaf();
        place.say("Use tin.").await;
        let from = place.now().tree.leaf();
        let mut watch = place.watch();
        place.ask_to_leave(to, Some("the leak")).await;
        let began = until(&mut watch, |update| {
            matches!(update, Update::BranchSummaryBegan { .. })
        })
        .await;
        let expected = Update::BranchSummaryBegan {
            to,
            model: "real/some-model".parse().unwrap(),
            messages: 4,
        };
        assert_eq!(began, expected);
        let done = until(&mut watch, is_end).await;
        let now = place.now();
        let leaf = now.tree.leaf();
        assert_eq!(done, Update::BranchSummarised { entry: leaf.unwrap() });
        assert_eq!(
            (now.state, now.tree.get(leaf.unwrap()).unwrap().parent),
            (SessionState::Idle, to)
        );
        let file = place.house.workspace().join("tin.txt");
        let made = summary_at(&now, leaf);
        assert_eq!(
            made,
            BranchSummary {
                from,
                summary: "## Learnt\nTin is no good.".into(),
                model: "real/some-model".parse().unwrap(),
                request: RequestId(4),
                changed: Paths {
                    paths: vec![file.to_str().unwrap().into()],
                    more: 0
                },
                read: Paths::default(),
            }
        );
        let asked = String::from_utf8(place.server.received()[3].body.clone()).unwrap();
        for told in ["Use tin.", "corrugated", "It leaks.", "the leak"] {
            assert!(asked.contains(told), "{wire:?}: {told} is missing in {asked}");
        }
        for shared in ["Mend the roof.", "With slate.", "\"tools\""] {
            assert!(!asked.contains(shared), "{wire:?}: {shared} is in {asked}");
        }

        place.say("Use tiles.").await;
        let now = place.now();
        let messages = now.render(RequestId(5)).unwrap().messages;
        let slate = Message::Assistant {
            blocks: vec![Block::Text("With slate.".into())],
            model: made.model.clone(),
        };
        assert_eq!(
            messages,
            [
                Message::User("Mend the roof.".into()),
                slate,
                Message::User(branch_summary::message(&made).into()),
                Message::User("Use tiles.".into()),
            ]
        );
        let sent_last = String::from_utf8(place.server.received()[4].body.clone()).unwrap();
        assert!(
            sent_last.contains("Tin is no good.") && sent_last.contains("tin.txt"),
            "{sent_last}"
        );
        for left in ["Use tin.", "It leaks.", "corrugated"] {
            assert!(!sent_last.contains(left), "{wire:?}: {left} is in {sent_last}");
        }
        // What the provider may remember of the first request is what this one begins with.
        let plan = &now.requests[&RequestId(5)].plan;
        assert_eq!((plan.base, plan.kept, plan.new.len()), (Some(RequestId(1)), 1, 3));
        assert_eq!(
            now.usage.models.values().map(|used| used.attempts).sum::<u64>(),
            5
        );

        // The branch that was left is whole, without what was said since.
        place.go(from).await;
        place.say("Once more.").await;
        let whole = [
            "> Mend the roof.",
            "With slate.",
            "> Use tin.",
            "[write]",
            "(write)",
            "It leaks.",
            "> Once more.",
        ];
        assert_eq!(sent(&place.now()), whole);
        place.close().await;
    }
}

/// A summary of what is left can be done without afterwards like anything else that stands in a conversation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_undone_by_going_on_before_it() {
    let place = Place::new(Wire::Anthropic, [], [says("in vain")]).await;
    let (to, _) = place.told().await;
    place.leave(to, None).await;
    let runtime = place.house.runtime();
    let refused = runtime.undo_compaction(place.session, None).await;
    let expected = Rejection::NoCompactionHere { before: None };
    assert_eq!(rejection(refused), expected, "it is no compaction");
    place.go(to).await;
    place.say("three").await;
    assert_eq!(sent(&place.now()), ["> one", "ok", "> three"]);
    place.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn branches_are_left_one_after_the_other_and_one_within_the_other() {
    for wire in WIRES {
        let summaries = ["first", "second", "third", "fourth"].map(says);
        let place = Place::new(wire, [], summaries).await;
        let (to, _) = place.told().await;
        place.leave(to, None).await;
        let first = place.now().tree.leaf();
        place.say("three").await;
        // For the same place: what was told of the first attempt is part of the second one.
        place.leave(to, None).await;
        let asked = String::from_utf8(place.server.received().last().unwrap().body.clone()).unwrap();
        assert!(
            asked.contains("[notes on another attempt]\\nfirst") && asked.contains("three"),
            "{asked}"
        );
        place.say("four").await;
        assert_eq!(sent(&place.now()), ["> one", "ok", "attempt: second", "> four"]);
        // For below the first summary: that one stays.
        place.leave(first, None).await;
        place.say("five").await;
        assert_eq!(
            sent(&place.now()),
            ["> one", "ok", "attempt: first", "attempt: third", "> five"]
        );
        // For before everything.
        place.leave(None, None).await;
        place.say("six").await;
        assert_eq!(sent(&place.now()), ["attempt: fourth", "> six"]);
        place.close().await;
    }
}

/// Where nothing is left no model is asked, and none is needed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nothing_is_left_it_goes_on_there_at_once() {
    let place = Place::new(Wire::OpenAiChat, [], []).await;
    place.ask_to_leave(None, None).await;
    assert_eq!(
        place.now().tree.leaf(),
        None,
        "a session in which nothing was said"
    );
    let (to, from) = place.told().await;
    for (at, goes_to) in [(from, from), (to, from), (None, from), (None, None)] {
        place.go(at).await;
        place.ask_to_leave(goes_to, Some("everything")).await;
        let now = place.now();
        assert_eq!(
            (now.state, now.tree.leaf(), now.requests.len()),
            (SessionState::Idle, goes_to, 2)
        );
    }
    place.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_summary_the_conversation_goes_on_where_it_did_and_nothing_is_lost() {
    let wire = Wire::OpenAiChat;
    let stopped = |reason| Turn::says([Step::Text("half".into()), Step::Stop(reason)]);
    let table: [(&str, Vec<Turn>); 7] = [
        ("the summary is empty", vec![Turn::says([])]),
        (
            "did not end within 2048 tokens",
            vec![stopped(StopReason::Length)],
        ),
        ("refused to summarise", vec![stopped(StopReason::Refusal)]),
        (
            "called a tool",
            vec![Turn::says([Step::CallJson(
                "bash".into(),
                r#"{"command":"touch ran"}"#.into(),
            )])],
        ),
        ("", vec![fails(FailureClass::Auth, 401)]),
        ("", vec![fails(FailureClass::ContextOverflow, 400)]),
        // It may pass; it is tried twice.
        (
            "",
            vec![
                fails(FailureClass::Overloaded, 503),
                fails(FailureClass::Overloaded, 503),
            ],
        ),
    ];
    for (reason, summaries) in table {
        let attempts = summaries.len();
        let place = Place::new(wire, [], summaries).await;
        let (to, from) = place.told().await;
        let context = place.now().context.clone();
        let failed = place.leave(to, None).await;
        let Update::CompactionFailed { message } = &failed else {
            panic!("{failed:?}")
        };
        assert!(message.contains(reason), "{message}");
        let now = place.now();
        assert_eq!(
            (now.state, now.tree.leaf(), &now.context),
            (SessionState::Idle, from, &context),
            "{reason}"
        );
        assert_eq!(
            (now.tree.len(), place.server.received().len()),
            (4, 2 + attempts),
            "{reason}"
        );
        assert!(
            now.compactions.is_empty(),
            "it keeps no compaction from beginning"
        );
        assert!(!place.house.workspace().join("ran").exists());
        // It goes on here; and there, without a summary or with one.
        place.say("three").await;
        assert_eq!(sent(&place.now()), ["> one", "ok", "> two", "ok", "> three"]);
        let done = place.leave(to, None).await;
        assert!(matches!(done, Update::BranchSummarised { .. }), "{done:?}");
        place.say("four").await;
        assert_eq!(sent(&place.now()), ["> one", "ok", "attempt: ok", "> four"]);
        place.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_that_may_pass_is_tried_again() {
    let summaries = [fails(FailureClass::Overloaded, 503), says("in vain")];
    let place = Place::new(Wire::Anthropic, [], summaries).await;
    let (to, _) = place.told().await;
    let done = place.leave(to, None).await;
    assert!(matches!(done, Update::BranchSummarised { .. }), "{done:?}");
    assert_eq!(place.now().requests[&RequestId(3)].attempts, 2);
    place.close().await;
}

/// A summary that takes until something else happens.
fn endless() -> Turn {
    Turn::says([
        Step::Connected,
        Step::Partial(Said::Text("half of the n".into())),
        Step::Stall,
    ])
}

fn waiting(session: &Session) -> Vec<&str> {
    session
        .queue
        .lane(Lane::FollowUp)
        .iter()
        .map(|words| &*words.text)
        .collect()
}

/// What is said while the summary is made is meant for where the conversation will go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_meanwhile_is_said_there() {
    let slow = Turn::says([Step::Connected, Step::Wait(300), Step::Text("in vain".into())]);
    let place = Place::new(Wire::Anthropic, [], [slow]).await;
    let (to, _) = place.told().await;
    let mut watch = place.watch();
    place.ask_to_leave(to, None).await;
    place
        .house
        .runtime()
        .prompt(place.session, "three", None)
        .await
        .unwrap();
    until(&mut watch, |update| matches!(update, Update::TurnEnded { .. })).await;
    let now = place.now();
    assert_eq!(sent(&now), ["> one", "ok", "attempt: in vain", "> three"]);
    assert_eq!(waiting(&now), [""; 0]);
    place.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_cancelled_and_what_was_said_meanwhile_waits() {
    let place = Place::new(Wire::OpenAiChat, [], [endless()]).await;
    let (to, from) = place.told().await;
    let context = place.now().context.clone();
    let mut watch = place.watch();
    place.ask_to_leave(to, None).await;
    let runtime = place.house.runtime();
    runtime.prompt(place.session, "later", None).await.unwrap();
    place.server.until_received(3).await;
    for refused in [
        runtime.move_leaf(place.session, to, None).await,
        runtime
            .move_leaf_with_summary(place.session, to, None, None)
            .await,
        runtime.compact(place.session, None, None).await,
    ] {
        assert_eq!(rejection(refused), Rejection::Compacting);
    }
    runtime.cancel(place.session).await.unwrap();
    assert_eq!(until(&mut watch, is_end).await, Update::CompactionDropped);
    place.server.until_closed(1).await;
    let now = place.now();
    assert_eq!(
        (now.state, now.tree.leaf(), &now.context),
        (SessionState::Idle, from, &context)
    );
    assert_eq!(waiting(&now), ["later"]);
    // Then one moves without a summary, and speaks: both are said there.
    place.go(to).await;
    let mut watch = place.watch();
    runtime.prompt(place.session, "three", None).await.unwrap();
    for _ in 0..2 {
        until(&mut watch, |update| matches!(update, Update::TurnEnded { .. })).await;
    }
    assert_eq!(sent(&place.now()), ["> one", "ok", "> three", "ok", "> later"]);
    place.close().await;
}

/// The process ends in the middle: the next one finds the conversation where it was, asks nothing again by itself, and has
/// what was said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_ends_in_the_middle_loses_nothing() {
    let place = Place::new(Wire::Anthropic, [], [endless()]).await;
    let (to, from) = place.told().await;
    place.ask_to_leave(to, None).await;
    place
        .house
        .runtime()
        .prompt(place.session, "later", None)
        .await
        .unwrap();
    place.server.until_received(3).await;
    let Place {
        wire,
        server,
        house,
        session,
    } = place;
    let home = house.close().await;

    let house = House::at(home, models(wire, &server), Arc::new(SystemClock::default())).await;
    let opening = Opening {
        workspace: house.workspace(),
        settings: settings(),
        title: None,
        servers: vec![],
    };
    house.runtime().open(session, opening).await.unwrap();
    let place = Place {
        wire,
        server,
        house,
        session,
    };
    let now = place.now();
    assert_eq!(
        (now.state, now.tree.leaf(), now.tree.len()),
        (SessionState::Idle, from, 4)
    );
    assert!(now.compactions.is_empty());
    assert_eq!((waiting(&now), place.server.received().len()), (vec!["later"], 3));
    let done = place.leave(to, None).await;
    assert!(matches!(done, Update::BranchSummarised { .. }), "{done:?}");
    let mut watch = place.watch();
    place
        .house
        .runtime()
        .prompt(place.session, "three", None)
        .await
        .unwrap();
    for _ in 0..2 {
        until(&mut watch, |update| matches!(update, Update::TurnEnded { .. })).await;
    }
    assert_eq!(
        sent(&place.now()),
        ["> one", "ok", "attempt: ok", "> three", "ok", "> later"]
    );
    place.close().await;
}

/// In a small window the newest of what is left is told, and how much is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_branch_that_is_longer_than_the_window_is_told_from_its_end() {
    let long = |name: &str| says(&format!("{name} {}", "abc ".repeat(1_500)));
    let answers = [says("ok"), long("aa"), long("bb"), long("cc")];
    let place = Place::new(Wire::OpenAiChat, answers, [says("in vain")]).await;
    place.say("one").await;
    let to = place.now().tree.leaf();
    for prompt in ["two", "three", "four"] {
        place.say(prompt).await;
    }
    let window = Sourced::from_layer(Some(6_800), Layer::Session);
    let runtime = place.house.runtime();
    let setting = glasswork_session_state::settings::Setting::ContextWindow(window);
    runtime.set(place.session, setting).await.unwrap();
    let done = place.leave(to, None).await;
    assert!(matches!(done, Update::BranchSummarised { .. }), "{done:?}");
    let asked = String::from_utf8(place.server.received().last().unwrap().body.clone()).unwrap();
    assert!(asked.contains("[The first 2 messages are left out: they do not fit.]"));
    assert!(asked.contains("bb abc") && asked.contains("cc abc") && !asked.contains("aa abc"));
    place.close().await;
}

/// A branch that begins with what tells of another one is compacted like any: its own first prompt is carried.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_branch_that_begins_with_a_summary_carries_its_own_first_prompt() {
    let long = says(&"abc ".repeat(600));
    let answers = [says("ok"), long.clone(), long.clone(), long, says("notes")];
    let place = Place::new(Wire::Anthropic, answers, [says("in vain")]).await;
    place.say("the first attempt").await;
    place.leave(None, None).await;
    for prompt in ["mend the roof", "two", "three"] {
        place.say(prompt).await;
    }
    let window = Sourced::from_layer(Some(8_000), Layer::Session);
    let runtime = place.house.runtime();
    let setting = glasswork_session_state::settings::Setting::ContextWindow(window);
    runtime.set(place.session, setting).await.unwrap();
    let mut watch = place.watch();
    runtime.compact(place.session, None, None).await.unwrap();
    let ended = |update: &Update| matches!(update, Update::Compacted { .. }) || is_end(update);
    let done = until(&mut watch, ended).await;
    assert!(matches!(done, Update::Compacted { .. }), "{done:?}");
    let now = place.now();
    let Body::Compaction(made) = &now.tree.get(now.tree.leaf().unwrap()).unwrap().body else {
        panic!()
    };
    let first = made.carried.first_prompt.as_ref().map(|quoted| &*quoted.text);
    assert_eq!(first, Some("mend the roof"));
    let asked = String::from_utf8(place.server.received().last().unwrap().body.clone()).unwrap();
    assert!(asked.contains("[notes on another attempt]\\nin vain"));
    place.say("four").await;
    let sent = String::from_utf8(place.server.received().last().unwrap().body.clone()).unwrap();
    assert!(sent.contains("mend the roof") && !sent.contains("the first attempt"));
    place.close().await;
}

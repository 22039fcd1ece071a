//! What every client is given alike: slash commands that act in a live session under the client's own number, footer,
//! context, dialogs, notifications and the activity of other sessions.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test that meets what it did not expect shall stop there"
)]

use std::collections::BTreeSet;

use glasswork_agent_core::id::CallId;
use glasswork_agent_core::turn::State as TurnState;
use glasswork_ai::model::Thinking;
use glasswork_app_runtime::attachments::{
    Asked, AttachError, Attachment, Attachments, Connection, Limits, Performed, Updates,
};
use glasswork_app_runtime::projection::activity::{self, Doing};
use glasswork_app_runtime::projection::context::{self, Source};
use glasswork_app_runtime::projection::dialogs::{self, Asks};
use glasswork_app_runtime::projection::family;
use glasswork_app_runtime::projection::footer::{self, CountdownKind};
use glasswork_app_runtime::projection::invalidation::Projection;
use glasswork_app_runtime::projection::notifications::{self, Level, Subject};
use glasswork_app_runtime::projection::tree;
use glasswork_app_runtime::slash_commands::{self, COMMANDS};
use glasswork_engine::{Origin, ScopeId};
use glasswork_session_state::clients::{History, Role};
use glasswork_session_state::settings::{Layer, Mode};
use glasswork_session_state::state::Session;
use glasswork_testkit::house::{House, PATIENCE};

/// Asks for a command, and is done with whatever comes of it; so three times.
const SCRIPT: &str = r#"(turns: [
    (say: [text("I look."), call("bash", (command: "true"))]),
    (say: [text("Done.")]),
    (say: [text("Again.")]),
    (say: [text("And again.")]),
])"#;

struct Client {
    connection: Connection,
    attachment: Attachment,
    updates: Updates,
}

impl Client {
    async fn attach(hub: &std::sync::Arc<Attachments>, session: ScopeId, role: Role) -> Self {
        let connection = hub.connect().unwrap();
        let asked = Asked {
            session,
            name: "a test".into(),
            role,
            history: History::Full,
            seen: None,
        };
        let (attachment, updates) = connection.attach(asked).await.unwrap();
        Self {
            connection,
            attachment,
            updates,
        }
    }

    async fn line(&self, line: &str) -> Result<Performed, AttachError> {
        let operation = slash_commands::read(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        self.attachment.perform(operation, None, &mut |_| {}).await
    }

    /// Reads until the session is so.
    async fn until(&mut self, house: &House, holds: impl Fn(&Session) -> bool) {
        let session = self.attachment.session();
        while !holds(&house.now(session)) {
            tokio::time::timeout(PATIENCE, self.updates.next())
                .await
                .expect("nothing came");
        }
    }
}

fn asks(session: &Session) -> bool {
    !dialogs::of(session).is_empty()
}

fn rests(session: &Session) -> bool {
    session.open_turn().is_none() && session.turn.is_some()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_act_in_the_session_under_the_number_of_the_client() {
    let house = House::of_script(SCRIPT).await;
    let session = house.session(House::settings(Mode::Ask)).await;
    let hub = Attachments::new(house.shared(), Limits::default());
    let mut client = Client::attach(&hub, session, Role::Controller).await;
    let looker = Client::attach(&hub, session, Role::Observer).await;
    let number = client.connection.number();

    for line in [
        "/rename The parser",
        "/thinking high",
        "/mode ask",
        "/set max_steps 7",
        "/model scripted/test:low",
    ] {
        let done = client.line(line).await.unwrap();
        let Performed::Committed { by } = done else {
            panic!("{line}: {done:?}")
        };
        let commit = house.snapshot().dispatch(by).unwrap().commit.unwrap();
        assert_eq!(commit.origin, Origin::Client(number), "{line}");
    }
    let now = house.now(session);
    assert_eq!(now.meta.title.as_deref(), Some("The parser"));
    assert_eq!(now.settings.thinking.value, Thinking::Low);
    assert_eq!(
        (now.settings.max_steps.value, now.settings.max_steps.from.layer),
        (7, Layer::Session)
    );

    // Nothing is running: words for later begin a turn, and the place of that is taken like a prompt's.
    client.line("/follow-up look").await.unwrap();
    client.until(&house, asks).await;
    let now = house.now(session);
    let [dialog] = &dialogs::of(&now)[..] else {
        panic!("one dialog")
    };
    let refused = looker.line(&dialog.answers[0].command).await;
    assert!(matches!(refused, Err(AttachError::Observer)), "{refused:?}");
    client.line("/steer and be brief").await.unwrap();
    client.line(&dialog.answers[1].command).await.unwrap();
    client.until(&house, rests).await;
    let last = house.now(session).tree.leaf().unwrap();

    let forked = client.line("/fork").await.unwrap();
    let Performed::Forked { session: child } = forked else {
        panic!("{forked:?}")
    };
    assert!(house.now(session).children.contains_key(&child));
    house.settle();
    let at = house.now(session).children[&child].at;
    for of in [session, child] {
        let family = family::of(&house.snapshot(), of).unwrap();
        let rows: Vec<_> = family
            .iter()
            .map(|one| (one.session, one.parent, one.at, one.depth, one.mounted))
            .collect();
        assert_eq!(
            rows,
            [
                (session, None, None, 0, true),
                (child, Some(session), Some(at), 1, false)
            ]
        );
        assert_eq!(family[0].name, "The parser");
    }
    let tree = tree::of(&house.now(session));
    let points = tree.fork_points();
    let newest = tree.nodes.last().unwrap().entry;
    assert_eq!(points.keys().copied().collect::<Vec<_>>(), [Some(newest)]);
    assert_eq!(points[&Some(newest)][0].session, child);
    client.line(&format!("/label {last} here")).await.unwrap();
    client.line(&format!("/pin {last}")).await.unwrap();
    let tree = &house.now(session).tree;
    assert_eq!(tree.label_of(last).map(|label| &**label), Some("here"));
    assert!(tree.is_pinned(last));
    let first = tree.entries().next().unwrap().0;
    let taken = client.line(&format!("/take-back {first}")).await.unwrap();
    assert_eq!(taken.text().as_deref(), Some("taken back: look\n"));
    assert_eq!(house.now(session).tree.leaf(), None);

    // Whoever looks may ask, and nothing else.
    let told = looker.line("/status").await.unwrap().text().unwrap();
    for part in [
        " · The parser",
        "scripted/test",
        "thinking low",
        "it waits for a prompt",
    ] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    assert!(
        looker
            .line("/context")
            .await
            .unwrap()
            .text()
            .unwrap()
            .contains("system")
    );
    let help = looker.line("/help").await.unwrap().text().unwrap();
    assert!(COMMANDS.iter().all(|command| help.contains(&command.usage())));
    assert_eq!(looker.line("/detach").await.unwrap(), Performed::Left);
    for command in COMMANDS {
        let operation = slash_commands::read(command.example).unwrap();
        let name = slash_commands::OperationName::from(&operation);
        let only_asks = matches!(<&str>::from(name), "status" | "context" | "help" | "detach");
        let done = looker.attachment.perform(operation, None, &mut |_| {}).await;
        assert_eq!(
            matches!(done, Err(AttachError::Observer)),
            !only_asks,
            "{}: {done:?}",
            command.name
        );
    }
    client.connection.leave().await;
    looker.connection.leave().await;
    drop((client, looker, hub));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_rests_is_a_dialog_that_goes_on_or_stops() {
    let house = House::of_script(SCRIPT).await;
    let session = house.session(House::settings(Mode::Ask)).await;
    let hub = Attachments::new(house.shared(), Limits::default());
    let mut client = Client::attach(&hub, session, Role::Controller).await;
    client.attachment.prompt("look", None, &mut |_| {}).await.unwrap();
    client.until(&house, asks).await;
    let permission = dialogs::of(&house.now(session)).remove(0);
    // What nobody has answered is withdrawn.
    client.line("/pause").await.unwrap();
    let paused = |session: &Session| {
        let turn = session.open_turn();
        turn.is_some_and(|turn| turn.state == TurnState::Paused)
    };
    client.until(&house, paused).await;
    let now = house.now(session);
    let [dialog] = &dialogs::of(&now)[..] else {
        panic!("one dialog")
    };
    assert!(matches!(dialog.asks, Asks::Resume { .. }));
    assert_ne!(dialog.id, permission.id);
    assert_eq!(activity::of(&now).unwrap().doing, Doing::Paused);
    client.line(&dialog.answers[0].command).await.unwrap();
    client.until(&house, rests).await;
    assert_eq!(
        house.now(session).turn.as_ref().unwrap().state,
        TurnState::Completed
    );
    client.connection.leave().await;
    drop((client, hub));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_shown_is_of_the_state_now_and_as_of_any_commit() {
    let house = House::of_script(SCRIPT).await;
    let (session, other) = (
        house.session(House::settings(Mode::Ask)).await,
        house.session(House::settings(Mode::Ask)).await,
    );
    let hub = Attachments::new(house.shared(), Limits::default());
    let mut client = Client::attach(&hub, session, Role::Controller).await;
    client.line("/set context_window 1000").await.unwrap();
    client.attachment.prompt("look", None, &mut |_| {}).await.unwrap();
    client.until(&house, asks).await;
    let asked_at = house.snapshot().session(session, None).unwrap().scope.seq;
    let before = house.now(session);

    let footer = footer::of(&before);
    let window = footer.context.window.unwrap();
    assert_eq!(window, 1000);
    assert_eq!(footer.context.per_mille, Some(footer.context.tokens));
    let [countdown] = &footer.countdowns[..] else {
        panic!("{:?}", footer.countdowns)
    };
    assert_eq!(countdown.of, CountdownKind::QuestionClosed);
    let home = house.workspace();
    let home = home.parent().unwrap().to_str().unwrap();
    assert_eq!(footer.path_line(Some(home)), "~/work");
    assert_eq!(footer.path_line(None), house.workspace().to_str().unwrap());
    assert_eq!(
        footer.path_line(Some(&home[..home.len() - 1])),
        *before.meta.workspace
    );

    let filled = context::of(&before);
    let parts: u64 = filled.parts.iter().map(|part| part.tokens).sum();
    let groups: u64 = filled.groups.iter().map(|group| group.tokens).sum();
    assert_eq!((filled.tokens, filled.tokens), (parts, groups));
    assert_eq!(filled.tokens, before.context.tokens());
    let of: Vec<_> = filled.groups.iter().map(|group| group.of).collect();
    assert_eq!(of, [Source::System, Source::Tool, Source::Prompt, Source::Answer]);
    let tools = filled.parts.iter().filter(|part| part.of == Source::Tool);
    assert_eq!(
        tools.map(|part| &*part.name).collect::<BTreeSet<_>>(),
        before
            .context
            .head()
            .tools
            .iter()
            .map(|tool| &*tool.part.name)
            .collect()
    );
    let said = filled
        .parts
        .iter()
        .find(|part| part.of == Source::Prompt)
        .unwrap();
    assert_eq!(&*said.name, "look");
    let commit = house.snapshot().commits(session, said.by, said.by).unwrap();
    assert_eq!(commit[0].origin, Origin::Client(client.connection.number()));

    let snapshot = house.snapshot();
    assert_eq!(activity::of_others(&snapshot, Some(session)), []);
    let [active] = &activity::of_others(&snapshot, Some(other))[..] else {
        panic!("one session does something")
    };
    assert_eq!((active.session, active.doing), (session, Doing::Asking));

    let [dialog] = &dialogs::of(&before)[..] else {
        panic!("one dialog")
    };
    let Asks::Permission {
        call,
        tool,
        arguments,
        judgement_text,
        ..
    } = &dialog.asks
    else {
        panic!("{dialog:?}")
    };
    assert_eq!((&**tool, &**arguments), ("bash", r#"{"command":"true"}"#));
    assert!(judgement_text.as_deref().unwrap().starts_with("asked: rule "));
    let answers: Vec<_> = dialog.answers.iter().map(|answer| &*answer.command).collect();
    assert_eq!(answers, [format!("/approve {call}"), format!("/refuse {call}")]);
    assert_eq!(dialog.due, Some(countdown.due));

    client.line(answers[0]).await.unwrap();
    client.until(&house, rests).await;
    assert_eq!(dialogs::of(&house.now(session)), []);
    assert_eq!(footer::of(&house.now(session)).countdowns, []);
    // What was then is there still.
    let then = house.snapshot().session(session, Some(asked_at)).unwrap();
    let then = then.session().unwrap();
    assert_eq!(dialogs::of(then), dialogs::of(&before));
    assert_eq!(footer::of(then), footer);
    assert_eq!(context::of(then), filled);
    client.connection.leave().await;
    drop((client, hub));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_are_told_what_they_did_not_ask_for() {
    let house = House::of_script(r#"(turns: [(say: [fail(class: auth, message: "no such key")])])"#).await;
    let session = house.session(House::settings(Mode::Ask)).await;
    assert_eq!(notifications::of(&house.now(session)), []);
    house.turn(session, "go").await;
    let now = house.now(session);
    let [told] = &notifications::of(&now)[..] else {
        panic!("{:?}", notifications::of(&now))
    };
    let turn = now.turn.as_ref().unwrap().id;
    assert_eq!(
        (&*told.id, told.level, &told.about),
        (
            &*format!("turn_failed-{turn}"),
            Level::Error,
            &Subject::TurnFailed { turn }
        )
    );
    assert!(told.text.contains("no such key"), "{}", told.text);
    let scope = house.snapshot().session(session, None).unwrap().scope;
    assert_eq!(notifications::of_scope(&scope), notifications::of(&now));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_hears_what_a_commit_touches() {
    let house = House::of_script(SCRIPT).await;
    let session = house.session(House::settings(Mode::Ask)).await;
    let hub = Attachments::new(house.shared(), Limits::default());
    let mut client = Client::attach(&hub, session, Role::Controller).await;
    let check = async |client: &mut Client, line: &str, expected: &[Projection]| {
        client.line(line).await.unwrap();
        tokio::time::timeout(PATIENCE, client.updates.next())
            .await
            .unwrap();
        let expected: BTreeSet<_> = expected.iter().copied().collect();
        assert_eq!(client.updates.touches(), &expected, "{line}");
    };
    use Projection::{Activity, Context, Footer, Notifications, Status};
    check(&mut client, "/rename a", &[Status, Footer, Activity]).await;
    check(
        &mut client,
        "/mode plan",
        &[Status, Footer, Context, Notifications],
    )
    .await;
    client.connection.leave().await;
    drop((client, hub));
    house.close().await;
}

/// Only so that the test of the table's examples does not depend on how a call is written.
#[test]
fn a_call_is_named_in_commands_as_it_is_everywhere() {
    let call = CallId { seq: 412, ordinal: 1 };
    assert_eq!(
        slash_commands::read(&format!("/approve {call}")),
        Ok(slash_commands::Operation::Approve { call })
    );
}

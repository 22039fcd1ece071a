//! What waits for its turn is taken back: it does not begin, holds nobody up, and whoever said it is told.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use glasswork_agent_core::turn;
use glasswork_app_runtime::attachments::{AttachError, Attachment, Attachments, Connection, Limits};
use glasswork_engine::ScopeId;
use glasswork_session_state::clients::Role;
use glasswork_session_state::settings::Mode;
use glasswork_testkit::house::{House, PATIENCE};
use tokio::task::JoinHandle;

use crate::asked;
use crate::queue::{line, until_line};

pub(crate) type Said = JoinHandle<Result<u64, AttachError>>;

/// Says something, and waits until it waits.
pub(crate) async fn waits(house: &House, attachment: &Attachment) -> Said {
    let own = attachment.session();
    let attachment = attachment.clone();
    let said = tokio::spawn(async move {
        let done = attachment.prompt("go", None, &mut |_| {}).await;
        done.map(|done| done.id.seq)
    });
    until_line(house, |_, waiting| waiting.contains(&own)).await;
    said
}

pub(crate) async fn came_of(said: Said) -> Result<u64, AttachError> {
    tokio::time::timeout(PATIENCE, said).await.unwrap().unwrap()
}

pub(crate) struct Scene {
    pub(crate) house: House,
    pub(crate) hub: Arc<Attachments>,
    /// It has the only place.
    pub(crate) busy: ScopeId,
    pub(crate) waiting: ScopeId,
    pub(crate) last: ScopeId,
    pub(crate) one: Connection,
    pub(crate) other: Connection,
}

impl Scene {
    /// One turn may run, and does; it waits for an answer to its question.
    pub(crate) async fn begin() -> Self {
        // Each answer asks about a call, so each turn goes on until it is stopped.
        let asks = r#"(say: [call("bash", (command: "true"))]),"#;
        let house = House::of_script(&format!("(turns: [{}])", asks.repeat(100))).await;
        let mut sessions = Vec::new();
        for _ in 0..3 {
            sessions.push(house.session(House::settings(Mode::Ask)).await);
        }
        let limits = Limits {
            turns: 1,
            ..Limits::default()
        };
        let hub = Attachments::new(house.shared(), limits);
        let (one, other) = (hub.connect().unwrap(), hub.connect().unwrap());
        let scene = Self {
            busy: sessions[0],
            waiting: sessions[1],
            last: sessions[2],
            house,
            hub,
            one,
            other,
        };
        let busy = join(&scene.one, scene.busy).await;
        busy.prompt("go", None, &mut |_| {}).await.unwrap();
        scene
    }

    /// Whether anything was ever said in a session.
    pub(crate) fn is_silent(&self, session: ScopeId) -> bool {
        self.house.now(session).turn.is_none()
    }

    /// The turn that had the place ends; then nobody has one.
    pub(crate) async fn end(self) {
        for session in [self.busy, self.waiting, self.last] {
            drop(self.house.runtime().cancel(session).await);
        }
        tokio::time::timeout(PATIENCE, self.hub.at_rest()).await.unwrap();
        until_line(&self.house, |running, waiting| {
            running.is_empty() && waiting.is_empty()
        })
        .await;
        drop((self.one, self.other, self.hub));
        self.house.close().await;
    }
}

pub(crate) async fn join(connection: &Connection, session: ScopeId) -> Attachment {
    let asked = asked(session, "a client", Role::Controller, None);
    connection.attach(asked).await.unwrap().0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_leaves_or_may_only_look_on_gives_its_place_up_at_once_and_holds_nobody_up() {
    let scene = Scene::begin().await;
    let (house, hub) = (&scene.house, &scene.hub);
    // It detaches; the connection stays.
    let mut attachment = join(&scene.one, scene.waiting).await;
    let said = waits(house, &attachment).await;
    let behind = join(&scene.other, scene.last).await;
    let next = waits(house, &behind).await;
    scene.one.detach(attachment.id()).await.unwrap();
    let left = came_of(said).await;
    assert!(matches!(left, Err(AttachError::NotAttached)), "{left:?}");
    until_line(house, |running, waiting| {
        (running, waiting) == (&[scene.busy], &[scene.last])
    })
    .await;
    // It may look on only.
    attachment = join(&scene.one, scene.waiting).await;
    let said = waits(house, &attachment).await;
    scene
        .one
        .change_role(attachment.id(), Role::Observer)
        .await
        .unwrap();
    let looks = came_of(said).await;
    assert!(matches!(looks, Err(AttachError::Observer)), "{looks:?}");
    // Its connection ends.
    let leaves = hub.connect().unwrap();
    attachment = join(&leaves, scene.waiting).await;
    let said = waits(house, &attachment).await;
    leaves.leave().await;
    let left = came_of(said).await;
    assert!(matches!(left, Err(AttachError::NotAttached)), "{left:?}");
    // It takes it back itself, and nothing else.
    attachment = join(&scene.one, scene.waiting).await;
    let said = waits(house, &attachment).await;
    attachment.take_back_waiting();
    let taken = came_of(said).await;
    assert!(matches!(taken, Err(AttachError::TakenBack)), "{taken:?}");
    until_line(house, |running, waiting| {
        (running, waiting) == (&[scene.busy], &[scene.last])
    })
    .await;
    assert!(scene.is_silent(scene.waiting), "what was taken back was said");
    // Who stood behind all of them begins as soon as there is a place.
    house.runtime().cancel(scene.busy).await.unwrap();
    came_of(next).await.unwrap();
    drop((leaves, attachment, behind));
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_cancelled_as_its_place_comes_free_does_not_begin_or_is_cancelled_as_a_turn() {
    let scene = Scene::begin().await;
    let (house, hub) = (&scene.house, &scene.hub);
    let attachment = join(&scene.one, scene.waiting).await;
    let canceller = join(&scene.other, scene.waiting).await;
    // It waits in the line: who cancels takes it back, though it is another's.
    let said = waits(house, &attachment).await;
    let by = canceller.interrupt(true).await.unwrap();
    assert_eq!(
        by.id.scope,
        house.runtime().host_id(),
        "no turn was there to be stopped"
    );
    let taken = came_of(said).await;
    assert!(matches!(taken, Err(AttachError::TakenBack)), "{taken:?}");
    assert_eq!(line(house).1, [], "its place is given up when the answer comes");
    // It has its place, and is about to be said.
    let said = waits(house, &attachment).await;
    let held = hub.settled().await;
    house.runtime().cancel(scene.busy).await.unwrap();
    until_line(house, |running, _| running == [scene.waiting]).await;
    canceller.interrupt(true).await.unwrap();
    drop(held);
    let taken = came_of(said).await;
    assert!(matches!(taken, Err(AttachError::TakenBack)), "{taken:?}");
    assert!(
        scene.is_silent(scene.waiting),
        "it was answered that it does not begin"
    );
    until_line(house, |running, waiting| running.is_empty() && waiting.is_empty()).await;
    // It has begun: then the turn is cancelled.
    let watch = house.runtime().watch(scene.waiting).unwrap();
    attachment.prompt("go", None, &mut |_| {}).await.unwrap();
    let by = canceller.interrupt(true).await.unwrap();
    assert_eq!(by.id.scope, scene.waiting);
    assert_eq!(House::end_of_turn(watch).await.state, turn::State::Cancelled);
    // Where nothing works and nothing waits there is nothing to cancel.
    until_line(house, |running, _| running.is_empty()).await;
    let nothing = canceller.interrupt(true).await;
    assert!(matches!(nothing, Err(AttachError::Operation(_))), "{nothing:?}");
    // Whatever comes first, what is answered is what happened.
    for rounds in 0..40 {
        let busy = join(&scene.one, scene.busy).await;
        busy.prompt("go", None, &mut |_| {}).await.unwrap();
        let before = house.now(scene.waiting).turn.as_ref().map(|turn| turn.id);
        let said = waits(house, &attachment).await;
        let free = house.shared();
        let (busy_session, yields) = (scene.busy, rounds);
        let frees = tokio::spawn(async move { free.cancel(busy_session).await.map(drop) });
        for _ in 0..yields {
            tokio::task::yield_now().await;
        }
        canceller.interrupt(true).await.unwrap();
        let came = came_of(said).await;
        frees.await.unwrap().unwrap();
        tokio::time::timeout(PATIENCE, hub.at_rest()).await.unwrap();
        let turn = house.now(scene.waiting).turn.clone();
        match came {
            Err(AttachError::TakenBack) => {
                assert_eq!(
                    turn.map(|turn| turn.id),
                    before,
                    "after {yields}: it began all the same"
                );
            }
            Ok(_) => assert_eq!(turn.unwrap().state, turn::State::Cancelled, "after {yields}"),
            other => panic!("after {yields}: {other:?}"),
        }
        until_line(house, |running, waiting| running.is_empty() && waiting.is_empty()).await;
    }
    drop((attachment, canceller));
    scene.end().await;
}

/// Keeps the thread until something is there, or for a while.
fn kept<T>(mut there: impl FnMut() -> Option<T>) -> Option<T> {
    let until = Instant::now() + Duration::from_millis(20);
    loop {
        let found = there();
        if found.is_some() || Instant::now() > until {
            return found;
        }
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn what_is_taken_back_before_it_has_heard_of_its_place_has_none_when_the_answer_comes() {
    let scene = Scene::begin().await;
    let house = &scene.house;
    let attachment = join(&scene.one, scene.waiting).await;
    let canceller = join(&scene.other, scene.waiting).await;
    for round in 0..20 {
        let prompts = attachment.clone();
        let said = tokio::spawn(async move {
            let done = prompts.prompt("go", None, &mut |_| {}).await;
            done.map(|done| done.id.seq)
        });
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        // All tasks run by turns on one thread, which is kept here: what has asked for its place by now does not hear of it
        // before it is taken back.
        kept(|| line(house).1.contains(&scene.waiting).then_some(()));
        until_line(house, |_, waiting| waiting.contains(&scene.waiting)).await;
        let mut cancels = pin!(canceller.interrupt(true));
        let at_once = poll_fn(|context| {
            Poll::Ready(kept(|| match cancels.as_mut().poll(context) {
                Poll::Ready(done) => Some(done),
                Poll::Pending => None,
            }))
        });
        match at_once.await {
            Some(done) => done.unwrap(),
            None => cancels.await.unwrap(),
        };
        assert_eq!(line(house).1, [], "round {round}");
        let taken = came_of(said).await;
        assert!(
            matches!(taken, Err(AttachError::TakenBack)),
            "round {round}: {taken:?}"
        );
    }
    drop((attachment, canceller));
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_stops_sends_away_what_waits_and_lets_begin_what_has_its_place() {
    let scene = Scene::begin().await;
    let (house, hub) = (&scene.house, &scene.hub);
    let attachment = join(&scene.one, scene.waiting).await;
    let said = waits(house, &attachment).await;
    hub.stop_turns();
    let stopped = came_of(said).await;
    assert!(matches!(stopped, Err(AttachError::Stopping)), "{stopped:?}");
    drop(tokio::time::timeout(PATIENCE, hub.settled()).await.unwrap());
    assert!(scene.is_silent(scene.waiting));
    assert_eq!(hub.running(), [scene.busy], "what runs goes on");
    drop(attachment);
    scene.end().await;
}

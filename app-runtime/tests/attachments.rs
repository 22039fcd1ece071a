//! Many clients of one session: each sees every commit once and in order, or a marked gap; the first answer counts.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that meets what it did not expect shall stop there"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use glasswork_agent_core::id::CallId;
use glasswork_app_runtime::attachments::{
    Asked, AttachError, Attachment, Attachments, Base, Connection, Delivery, Limits, Updates,
};
use glasswork_app_runtime::watching::Update;
use glasswork_engine::{Cursor, Origin, ScopeId};
use glasswork_session_state::clients::{History, Role};
use glasswork_session_state::settings::Mode;
use glasswork_testkit::house::{House, PATIENCE};

const SCRIPT: &str = r#"(turns: [(say: [call("bash", (command: "true"))]), (say: [text("done")])])"#;

fn asked(session: ScopeId, name: &str, role: Role, seen: Option<Cursor>) -> Asked {
    Asked {
        session,
        name: name.into(),
        role,
        history: History::Full,
        seen,
    }
}

async fn next(updates: &mut Updates) -> Delivery {
    tokio::time::timeout(PATIENCE, updates.next())
        .await
        .expect("nothing came")
}

/// Reads until a call is asked about.
async fn asked_about(updates: &mut Updates) -> CallId {
    loop {
        if let Delivery::Commit { updates, .. } = next(updates).await {
            for update in updates {
                if let Update::ToolAsked { call, .. } = update {
                    return call;
                }
            }
        }
    }
}

/// A small generator of numbers: what a seed gives, it gives again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

/// What one client has seen, checked as it comes.
struct Eye {
    hub: Arc<Attachments>,
    session: ScopeId,
    name: String,
    seen: Cursor,
    commits: u64,
    gaps: u64,
    resyncs: u64,
}

impl Eye {
    fn take(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Commit { seq, .. } => {
                assert_eq!(
                    seq,
                    self.seen.seq + 1,
                    "{}: every commit once and in order",
                    self.name
                );
                self.seen.seq = seq;
                self.commits += 1;
            }
            Delivery::Gap { from, to, base } => {
                assert_eq!(
                    from,
                    self.seen.seq + 1,
                    "{}: a gap begins where it stood",
                    self.name
                );
                assert!(to >= from, "{}: a gap of nothing", self.name);
                assert_eq!(base.seq, to, "{}: the base is of the gap's end", self.name);
                self.seen.seq = to;
                self.gaps += 1;
            }
            Delivery::Resync { base } => {
                self.seen = Cursor {
                    epoch: base.epoch,
                    seq: base.seq,
                };
                self.resyncs += 1;
            }
            other => panic!("{}: {other:?}", self.name),
        }
    }

    async fn attach(&mut self, connection: &Connection, resume: bool) -> Updates {
        let seen = resume.then_some(self.seen);
        let asked = asked(self.session, &self.name, Role::Observer, seen);
        let (_, updates) = connection.attach(asked).await.unwrap();
        if !resume {
            self.seen = updates.cursor();
        }
        assert_eq!(updates.cursor().epoch, self.seen.epoch);
        updates
    }

    /// Joins, reads, sleeps, leaves and is killed, until the end; then reads all and gives what it ends with.
    async fn live(
        mut self,
        mut dice: Dice,
        over: Arc<AtomicBool>,
        last: Arc<tokio::sync::OnceCell<u64>>,
    ) -> (Base, u64, u64) {
        let mut first = true;
        loop {
            let connection = self.hub.connect().unwrap();
            let resume = !first && dice.below(4) > 0;
            first = false;
            let mut updates = self.attach(&connection, resume).await;
            for _ in 0..dice.below(40) {
                if over.load(Ordering::Acquire) {
                    break;
                }
                // Reads for a while; then does not, for as long as others take for so many commits.
                for _ in 0..dice.below(800) {
                    if self.seen.seq >= last.get().copied().unwrap_or(u64::MAX) {
                        break;
                    }
                    let delivery = next(&mut updates).await;
                    self.take(delivery);
                }
                for _ in 0..dice.below(4_000) {
                    tokio::task::yield_now().await;
                }
            }
            if over.load(Ordering::Acquire) {
                let last = *last.get().unwrap();
                while self.seen.seq < last {
                    let delivery = next(&mut updates).await;
                    self.take(delivery);
                }
                let base = updates.base();
                connection.leave().await;
                return (base, self.commits, self.gaps);
            }
            match dice.below(3) {
                0 => connection.leave().await,
                // Killed: nobody says that it has gone.
                1 => {}
                _ => {
                    let attachments: Vec<u64> = self
                        .hub
                        .clients()
                        .into_iter()
                        .filter(|(_, client)| client.connection == connection.number())
                        .map(|(id, _)| id)
                        .collect();
                    for id in attachments {
                        connection.detach(id).await.unwrap();
                    }
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_joins_leaves_or_is_slow_sees_every_commit_once_or_a_marked_gap() {
    const COMMITS: u64 = 100_000;
    const AT_ONCE: u64 = 250;
    let house = House::of_script(SCRIPT).await;
    let session = house.session(House::settings(Mode::Ask)).await;
    let hub = Attachments::new(house.shared(), Limits::default());
    let (over, last) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(tokio::sync::OnceCell::new()),
    );
    let eyes: Vec<_> = (0..4u64)
        .map(|number| {
            let eye = Eye {
                hub: Arc::clone(&hub),
                session,
                name: format!("eye {number}"),
                seen: Cursor { epoch: 0, seq: 0 },
                commits: 0,
                gaps: 0,
                resyncs: 0,
            };
            let dice = Dice(0x9E37_79B9_7F4A_7C15 ^ (number + 1) << 20);
            tokio::spawn(eye.live(dice, Arc::clone(&over), Arc::clone(&last)))
        })
        .collect();
    // One that is attached and never reads holds nobody up, and costs no more than its cap.
    let idle = hub.connect().unwrap();
    let (_, mut unread) = idle
        .attach(asked(session, "asleep", Role::Observer, None))
        .await
        .unwrap();
    let begun = unread.cursor();
    let runtime = house.runtime();
    let mut sent = 0;
    while sent < COMMITS {
        // Within one task they would go one after the other, each with a sync of its own.
        let mut doing = tokio::task::JoinSet::new();
        for number in sent..sent + AT_ONCE {
            let runtime = house.shared();
            doing.spawn(async move {
                let title = format!("title {number}");
                runtime.rename(session, &title).await.map(drop)
            });
        }
        sent += AT_ONCE;
        while let Some(done) = doing.join_next().await {
            done.unwrap().unwrap();
        }
    }
    let end = house.snapshot().session(session, None).unwrap().scope.seq;
    assert!(end >= COMMITS);
    last.set(end + 1).unwrap();
    over.store(true, Ordering::Release);
    // Whoever waits for something hears this.
    runtime.rename(session, "the end").await.unwrap();
    let mut ends = Vec::new();
    let (mut commits, mut gaps) = (0, 0);
    for eye in eyes {
        let (base, seen, missed) = tokio::time::timeout(PATIENCE, eye).await.unwrap().unwrap();
        ends.push(base);
        commits += seen;
        gaps += missed;
    }
    assert_eq!(ends[0].seq, end + 1);
    assert!(ends.iter().all(|base| *base == ends[0]), "all end with the same");
    assert!(
        commits > COMMITS / 10,
        "the eyes saw {commits} commits and {gaps} gaps"
    );
    // Whoever slept has a gap, and then the same as whoever comes now.
    let mut seen = begun.seq;
    let mut slept = 0;
    while seen < end + 1 {
        match next(&mut unread).await {
            Delivery::Commit { seq, .. } => {
                assert_eq!(seq, seen + 1);
                seen = seq;
            }
            Delivery::Gap { from, to, .. } => {
                assert_eq!(from, seen + 1);
                seen = to;
                slept += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(
        slept > 0,
        "100,000 commits do not fit into the cap of one who does not read"
    );
    let fresh = hub.connect().unwrap();
    let (_, now) = fresh
        .attach(asked(session, "fresh", Role::Observer, None))
        .await
        .unwrap();
    assert_eq!((&unread.base(), &now.base()), (&ends[0], &ends[0]));
    for connection in [&idle, &fresh] {
        connection.leave().await;
    }
    drop((hub, unread, now, idle, fresh));
    house.close().await;
}

struct Two {
    hub: Arc<Attachments>,
    first: (Connection, Attachment, Updates),
    second: (Connection, Attachment, Updates),
    looks: (Connection, Attachment, Updates),
}

async fn two(house: &House, session: ScopeId, limits: Limits) -> Two {
    let hub = Attachments::new(house.shared(), limits);
    let join = async |name: &str, role| {
        let connection = hub.connect().unwrap();
        let (attachment, updates) = connection.attach(asked(session, name, role, None)).await.unwrap();
        (connection, attachment, updates)
    };
    Two {
        first: join("one", Role::Controller).await,
        second: join("two", Role::Controller).await,
        looks: join("three", Role::Observer).await,
        hub: Arc::clone(&hub),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_answer_counts_the_second_is_told_whose_it_was_and_an_observer_has_none() {
    let house = House::of_script(SCRIPT).await;
    let session = house.session(House::settings(Mode::Ask)).await;
    let mut two = two(&house, session, Limits::default()).await;
    two.first.1.prompt("go", None, &mut |_| {}).await.unwrap();
    let call = asked_about(&mut two.second.2).await;
    let looked = two.looks.1.approve(call).await;
    assert!(matches!(looked, Err(AttachError::Observer)), "{looked:?}");
    two.second.1.refuse(call, Some("not now")).await.unwrap();
    match two.first.1.approve(call).await {
        Err(AttachError::AnsweredAlready {
            call: of,
            approved,
            origin,
            who,
            ..
        }) => assert_eq!(
            (of, approved, origin, who),
            (
                call,
                false,
                Origin::Client(two.second.0.number()),
                format!("`two`, client {}", two.second.0.number())
            )
        ),
        other => panic!("{other:?}"),
    }
    // The rest are told, and by whom.
    for updates in [&mut two.first.2, &mut two.looks.2] {
        loop {
            if let Delivery::Commit { updates, origin, .. } = next(updates).await
                && let Some(Update::ToolAnswered { approved, .. }) = updates
                    .iter()
                    .find(|update| matches!(update, Update::ToolAnswered { .. }))
            {
                assert_eq!(
                    (*approved, origin),
                    (false, Origin::Client(two.second.0.number()))
                );
                break;
            }
        }
    }
    two.hub.at_rest().await;
    // It is on record: who is attached, and who has left.
    let names = |hub: &Attachments| -> Vec<(String, Role)> {
        let clients = hub.clients().into_iter();
        clients
            .map(|(_, client)| (client.name.to_string(), client.role))
            .collect()
    };
    two.looks
        .0
        .change_role(two.looks.1.id(), Role::Controller)
        .await
        .unwrap();
    let stolen = two.looks.0.detach(two.first.1.id()).await;
    assert!(stolen.is_err(), "nobody ends what is another's");
    two.second.0.leave().await;
    assert_eq!(
        names(&two.hub),
        [
            ("one".to_owned(), Role::Controller),
            ("three".to_owned(), Role::Controller)
        ]
    );
    assert!(matches!(
        two.second.1.steer("x", None).await,
        Err(AttachError::NotAttached)
    ));
    drop(two);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prompt_beyond_the_limit_of_turns_is_told_its_place_and_has_its_turn_when_another_ends() {
    let house = House::of_script(SCRIPT).await;
    let mut sessions = Vec::new();
    for _ in 0..3 {
        sessions.push(house.session(House::settings(Mode::Ask)).await);
    }
    let limits = Limits {
        turns: 1,
        waiting: 2,
        connections: 4,
        sessions: 3,
    };
    let mut one = two(&house, sessions[0], limits).await;
    let hub = Arc::clone(&one.hub);
    one.first.1.prompt("go", None, &mut |_| {}).await.unwrap();
    let call = asked_about(&mut one.first.2).await;
    let fourth = hub.connect().unwrap();
    assert!(matches!(hub.connect(), Err(AttachError::TooManyConnections(4))));
    let (told, mut places) = tokio::sync::mpsc::unbounded_channel();
    let mut waiting = Vec::new();
    for session in &sessions[1..] {
        let (attachment, _) = fourth
            .attach(asked(*session, "four", Role::Controller, None))
            .await
            .unwrap();
        let (told, of) = (told.clone(), *session);
        waiting.push(tokio::spawn(async move {
            let mut hear = |place| {
                // Whoever does not listen any more has seen enough.
                let _ = told.send((of, place));
            };
            let done = attachment.prompt("go", None, &mut hear).await;
            done.map(drop)
        }));
        let place = tokio::time::timeout(PATIENCE, places.recv()).await.unwrap();
        assert_eq!(place, Some((*session, waiting.len())));
    }
    let (attachment, _) = fourth
        .attach(asked(sessions[1], "four", Role::Controller, None))
        .await
        .unwrap();
    let full = attachment.prompt("go", None, &mut |_| {}).await;
    assert!(matches!(full, Err(AttachError::TooManyWaiting(2))), "{full:?}");
    // The one before it does not wait any more.
    waiting.remove(0).abort();
    let place = tokio::time::timeout(PATIENCE, places.recv()).await.unwrap();
    assert_eq!(place, Some((sessions[2], 1)));
    assert_eq!(hub.running(), [sessions[0]]);
    one.second.1.approve(call).await.unwrap();
    let begun = tokio::time::timeout(PATIENCE, waiting.remove(0)).await.unwrap();
    begun.unwrap().unwrap();
    // A host that stops begins none.
    hub.stop_turns();
    let stopped = attachment.prompt("go", None, &mut |_| {}).await;
    assert!(matches!(stopped, Err(AttachError::Stopping)), "{stopped:?}");
    house.runtime().cancel(sessions[2]).await.unwrap();
    tokio::time::timeout(PATIENCE, hub.at_rest()).await.unwrap();
    drop((one, fourth, attachment, hub));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_goes_on_where_it_was_and_after_another_opening_is_told_to_begin_anew() {
    let house = House::of_script(SCRIPT).await;
    let session = house.session(House::settings(Mode::Yolo)).await;
    let hub = Attachments::new(house.shared(), Limits::default());
    let connection = hub.connect().unwrap();
    let (_, updates) = connection
        .attach(asked(session, "one", Role::Observer, None))
        .await
        .unwrap();
    let seen = updates.cursor();
    drop(updates);
    house.turn(session, "go").await;
    let join = async |seen| {
        let asked = asked(session, "one", Role::Observer, Some(seen));
        connection.attach(asked).await.unwrap().1
    };
    let mut updates = join(seen).await;
    let now = house.snapshot().session(session, None).unwrap().scope.seq;
    for seq in seen.seq + 1..=now {
        match next(&mut updates).await {
            Delivery::Commit { seq: came, .. } => assert_eq!(came, seq),
            other => panic!("{other:?}"),
        }
    }
    // From the middle, too, with the same at the end.
    let middle = Cursor { seq: now - 3, ..seen };
    let mut again = join(middle).await;
    for seq in now - 2..=now {
        assert!(matches!(next(&mut again).await, Delivery::Commit { seq: came, .. } if came == seq));
    }
    assert_eq!(again.base(), updates.base());
    // Ahead of all that was recorded, or of another opening.
    for wrong in [
        Cursor { seq: now + 1, ..seen },
        Cursor {
            epoch: seen.epoch + 1,
            seq: 1,
        },
    ] {
        match next(&mut join(wrong).await).await {
            Delivery::Resync { base } => assert_eq!((base.epoch, base.seq), (seen.epoch, now)),
            other => panic!("{other:?}"),
        }
    }
    drop((updates, again));
    house.runtime().give_up(session).await.unwrap();
    match next(&mut join(Cursor { seq: now, ..seen }).await).await {
        Delivery::Resync { base } => assert_eq!((base.epoch, base.seq), (seen.epoch + 1, now)),
        other => panic!("{other:?}"),
    }
    connection.leave().await;
    drop((connection, hub));
    house.close().await;
}

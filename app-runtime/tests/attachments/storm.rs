//! A hundred thousand commits under clients that come, go, are killed and sleep.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use glasswork_app_runtime::attachments::{Attachments, Base, Connection, Delivery, Limits, Updates};
use glasswork_app_runtime::runtime::OperationError;
use glasswork_app_runtime::watching::{Update, Watch};
use glasswork_engine::{Cursor, ScopeId};
use glasswork_session_state::clients::Role;
use glasswork_session_state::settings::Mode;
use glasswork_testkit::house::{House, PATIENCE};

use crate::{SCRIPT, asked, next};

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

/// What the session was called after each commit that called it something.
type Titles = Arc<Mutex<BTreeMap<u64, String>>>;

/// What one client has seen, checked as it comes.
struct Eye {
    hub: Arc<Attachments>,
    session: ScopeId,
    name: String,
    seen: Cursor,
    commits: u64,
    gaps: u64,
    /// What the session was called in the state that the client has folded, after each commit.
    folded: BTreeMap<u64, String>,
}

impl Eye {
    fn take(&mut self, delivery: Delivery, updates: &Updates) {
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
            other => panic!("{}: {other:?}", self.name),
        }
        let base = updates.base();
        assert_eq!(
            (base.epoch, base.seq),
            (self.seen.epoch, self.seen.seq),
            "{}",
            self.name
        );
        let title = base.status.unwrap().title;
        self.folded
            .extend(title.map(|title| (base.seq, title.to_string())));
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
    ) -> (Base, Self) {
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
                    self.take(delivery, &updates);
                }
                for _ in 0..dice.below(4_000) {
                    tokio::task::yield_now().await;
                }
            }
            if over.load(Ordering::Acquire) {
                let last = *last.get().unwrap();
                while self.seen.seq < last {
                    let delivery = next(&mut updates).await;
                    self.take(delivery, &updates);
                }
                let base = updates.base();
                connection.leave().await;
                return (base, self);
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
                folded: BTreeMap::new(),
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
    // One that watches without all that: its state jumps ahead where it was too slow, and it says from where to where.
    let watching = tokio::spawn(watch(house.runtime().watch(session).unwrap(), Arc::clone(&last)));
    let runtime = house.runtime();
    let titles = Titles::default();
    let mut sent = 0;
    while sent < COMMITS {
        // Within one task they would go one after the other, each with a sync of its own.
        let mut doing = tokio::task::JoinSet::new();
        for number in sent..sent + AT_ONCE {
            let runtime = house.shared();
            let titles = Arc::clone(&titles);
            doing.spawn(async move {
                let title = format!("title {number}");
                let done = runtime.rename(session, &title).await?;
                titles.lock().unwrap().insert(done.id.seq, title);
                Ok::<_, OperationError>(())
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
    titles.lock().unwrap().insert(end + 1, "the end".to_owned());
    let mut ends = Vec::new();
    let (mut commits, mut gaps) = (0, 0);
    for eye in eyes {
        let (base, eye) = tokio::time::timeout(PATIENCE, eye).await.unwrap().unwrap();
        ends.push(base);
        commits += eye.commits;
        gaps += eye.gaps;
        let titles = titles.lock().unwrap();
        for (seq, folded) in &eye.folded {
            assert_eq!(titles.get(seq), Some(folded), "{} at {seq}", eye.name);
        }
        assert!(eye.folded.len() > 1_000, "{}: {}", eye.name, eye.folded.len());
    }
    tokio::time::timeout(PATIENCE, watching).await.unwrap().unwrap();
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

/// Watches, slowly, until the last commit.
async fn watch(mut watch: Watch, last: Arc<tokio::sync::OnceCell<u64>>) {
    let mut seen = watch.seq();
    while last.get().is_none_or(|last| seen < *last) {
        let watched = tokio::time::timeout(PATIENCE, watch.next()).await.unwrap();
        match watched.updates.first() {
            Some(Update::Gap { from, to }) => {
                assert_eq!((*from, watched.seq), (seen + 1, *to));
                assert!(to >= from);
            }
            _ => assert_eq!(watched.seq, seen + 1),
        }
        assert_eq!(watch.seq(), watched.seq, "the state is as of what was said");
        seen = watched.seq;
        if seen.is_multiple_of(64) {
            for _ in 0..200 {
                tokio::task::yield_now().await;
            }
        }
    }
}

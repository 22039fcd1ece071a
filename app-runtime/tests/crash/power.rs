//! The machine loses power, at every point of a session: whatever was not synced is lost in part, and not from the end.
//!
//! A kill proves nothing about that, because the system keeps what a dead process has written. So here the journal is
//! one in memory that knows what is synced, and what a disk may hold is taken from it at each write.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use glasswork_agent_core::tree::Body;
use glasswork_agent_core::turn::State;
use glasswork_agent_session::store::{Place, Store, StoreError};
use glasswork_ai::port::{Models, Scripts};
use glasswork_ai::scripted::Script;
use glasswork_app_runtime::archive::{Archive, Opened, Vault};
use glasswork_app_runtime::files::FileArchive;
use glasswork_app_runtime::reading::Viewer;
use glasswork_app_runtime::runtime::{OperationError, Runtime};
use glasswork_app_runtime::watching::Update;
use glasswork_engine::journal::{Appended, Journal, Line, MemoryJournal, Reporter};
use glasswork_engine::load::Loaded;
use glasswork_engine::test_support::Crash;
use glasswork_engine::{ScopeId, SystemClock, Timestamp};
use glasswork_session_state::Glasswork;
use glasswork_session_state::settings::{Layer, Setting, Sourced};
use glasswork_session_state::state::Kind;
use glasswork_session_state::trash::Way;
use glasswork_testkit::house::{House, ports, scripted};

use crate::aftermath::{BACK, Listened, effects_are_recorded, home, marks, opening, sent, until};
use crate::kill;
use crate::turn::SCRIPT;

/// How many ways a disk may look at one point.
const WAYS: u64 = 2;
/// How long a disk takes to sync.
const SYNC: Duration = Duration::from_millis(2);

/// What the world may look like after a loss of power.
struct Image {
    /// What the disk holds of the session's journal.
    bytes: Vec<u8>,
    /// The last commit that was synced, as whoever relies on it was told.
    synced: u64,
    /// Whether all is there that was written, up to some byte.
    from_the_end: bool,
    /// What had happened outside by then.
    marks: Vec<String>,
    asked: usize,
}

/// A journal that takes its time to sync, and of which images are taken.
#[derive(Clone)]
struct Shaky {
    journal: MemoryJournal,
    home: std::path::PathBuf,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    session: Option<ScopeId>,
    last: u64,
    synced: u64,
    images: Vec<Image>,
}

impl Shaky {
    fn take(&self, seen: &mut Seen) {
        let Some(session) = seen.session else { return };
        for way in 0..WAYS {
            // The world first: what is in it was released by what was synced before.
            let (marks, asked) = (marks(&self.home.join("work")), sent(&self.home));
            let seed = seen.images.len() as u64 * WAYS + way;
            let bytes = Crash { seed }.of(&self.journal, session);
            let from_the_end = self.journal.bytes(session).starts_with(&bytes);
            seen.images.push(Image {
                bytes,
                synced: seen.synced,
                from_the_end,
                marks,
                asked: asked.len(),
            });
        }
    }
}

impl Journal for Shaky {
    fn start(&mut self, reporter: Reporter) {
        self.journal.start(reporter);
        self.journal.hold_syncs();
    }

    fn append(&mut self, line: Line) -> Appended {
        let mut seen = self.seen.lock().unwrap();
        let of_session = seen.session == Some(line.scope);
        let (sync, seq) = (line.sync, line.seq);
        let appended = self.journal.append(line);
        if of_session {
            seen.last = seq;
            self.take(&mut seen);
        }
        if sync {
            let this = self.clone();
            std::thread::spawn(move || {
                std::thread::sleep(SYNC);
                let mut seen = this.seen.lock().unwrap();
                this.take(&mut seen);
                seen.synced = seen.last;
                this.journal.release_syncs();
                this.journal.hold_syncs();
            });
        }
        appended
    }

    fn unmounted(&mut self, scope: ScopeId) {
        self.journal.unmounted(scope);
    }
}

impl Vault for Shaky {
    fn create(&self, scope: ScopeId, kind: Kind, now: Timestamp) -> Result<Loaded<Glasswork>, StoreError> {
        if kind == Kind::Session {
            self.seen.lock().unwrap().session = Some(scope);
        }
        Ok(self.journal.create(scope, kind, now).unwrap())
    }

    fn open(&self, session: ScopeId, _: Timestamp) -> Result<Opened, StoreError> {
        panic!("{session} is not opened again here")
    }

    fn release(&self, _: ScopeId) {}

    fn fork(&self, of: ScopeId, _: u64, _: ScopeId, _: Timestamp) -> Result<(), StoreError> {
        panic!("{of} is not forked here")
    }

    fn move_session(&self, session: ScopeId, _: Way, _: Timestamp) -> Result<(), StoreError> {
        panic!("{session} is not moved here")
    }
}

/// A turn with six calls, more turns, a compaction and a branch switch; what a disk may hold at each point of them.
async fn record(home: &Path) -> (ScopeId, Vec<Image>) {
    fs::write(home.join("work/old"), "a").unwrap();
    let noted = r#"(say: [text("Noted.")]),"#.repeat(8);
    let script = format!("{}{noted}])", SCRIPT.strip_suffix("])").unwrap());
    let scripts = Scripts::default()
        .with("test", Script::parse(&script).unwrap())
        .with(
            "summary",
            Script::parse(r#"(turns: [(say: [text("Noted.")])])"#).unwrap(),
        );
    let archive = FileArchive::open(home.join("data")).unwrap();
    let shaky = Shaky {
        journal: MemoryJournal::new(),
        home: home.to_owned(),
        seen: Arc::default(),
    };
    let listened = Listened {
        inner: Arc::new(Models::default().with("scripted", Arc::new(scripts))),
        asked: home.join("asked"),
    };
    let mut ports = ports(&archive, Arc::new(listened));
    ports.vault = Arc::new(shaky.clone());
    ports.journal = Box::new(shaky.clone());
    ports.trace = Box::new(());
    let runtime = Runtime::start(ports).await.unwrap();
    let mut begun = opening(home);
    begun.settings.retry_base_ms.value = 1;
    begun.settings.compact_model.value = Some("scripted/summary".parse().unwrap());
    let session = runtime.new_session(begun).await.unwrap();
    let ended = async |prompt: &str| {
        let watch = runtime.watch(session).unwrap();
        runtime.prompt(session, prompt, None).await.unwrap();
        let end = House::end_of_turn(watch).await;
        assert_eq!((end.state, end.failure), (State::Completed, None));
    };
    ended("go").await;
    for _ in 0..3 {
        ended(&"Many words. ".repeat(300)).await;
    }
    let window = Setting::ContextWindow(Sourced::from_layer(Some(4_000), Layer::Session));
    runtime.set(session, window).await.unwrap();
    let mut watch = runtime.watch(session).unwrap();
    runtime.compact(session, None, None).await.unwrap();
    until(&mut watch, |update| matches!(update, Update::Compacted { .. })).await;
    let snapshot = runtime.reader().snapshot(Viewer::owner());
    let seen = snapshot.session(session, None).unwrap();
    let first = seen
        .session()
        .unwrap()
        .tree
        .entries()
        .filter(|(_, entry)| matches!(entry.body, Body::Assistant(_)))
        .nth(1);
    let first = first.unwrap().0;
    runtime.move_leaf(session, Some(first), None).await.unwrap();
    ended("and now?").await;
    runtime.stop().await;
    let images = std::mem::take(&mut shaky.seen.lock().unwrap().images);
    (session, images)
}

/// Opens what the disk holds, and checks all that must hold.
async fn recover(session: ScopeId, image: Image) {
    let Image {
        bytes,
        synced,
        from_the_end,
        marks,
        asked,
    } = image;
    let home = home();
    let data = home.path().join("data");
    let store = Store::<Glasswork>::open(&data).unwrap();
    drop(
        store
            .create(Place::Sessions, session, Kind::Session, Timestamp(1))
            .unwrap()
            .lease,
    );
    let path = kill::journal(&data, session).unwrap();
    fs::write(&path, &bytes).unwrap();

    let house = House::at(home, scripted(BACK), Arc::new(SystemClock::default())).await;
    let mut opened = house.runtime().open(session, opening(house.home())).await;
    if let Err(OperationError::Store(StoreError::Damaged { intact, .. })) = &opened {
        assert!(!from_the_end, "a torn end is no damage");
        assert!(*intact >= synced, "{synced} was synced, {intact} is intact");
        let repair = store
            .repair(
                session,
                glasswork_session_state::state::Kind::Session,
                Timestamp(2),
                false,
            )
            .unwrap()
            .unwrap();
        assert!(
            repair.kept >= synced && repair.damage.contains("line"),
            "{repair:?}"
        );
        // What lies behind the hole was never promised. It has a session of its own, which cannot be decided again.
        if let Some(other) = repair.recovered {
            house.archive().load(other, None).unwrap();
            let journal = kill::journal(&data, other).unwrap();
            fs::remove_dir_all(journal.with_extension("")).unwrap();
            fs::remove_file(journal).unwrap();
        }
        opened = house.runtime().open(session, opening(house.home())).await;
    }
    opened.unwrap();
    let commits = house.archive().commits(session, 1..=u64::MAX).unwrap();
    assert!(
        commits.len() as u64 >= synced,
        "{synced} was synced, {} are left",
        commits.len()
    );
    let now = house.now(session);
    effects_are_recorded(&commits, &now, &marks, asked, &"lost power");
    assert!(now.open_turn().is_none());
    assert!(
        now.calls
            .values()
            .all(|call| call.state.is_terminal() && call.result.is_some())
    );
    let end = house.turn(session, "onward").await;
    assert_eq!(
        (end.state, end.failure, end.text.as_str()),
        (State::Completed, None, "back")
    );
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn power_is_lost_at_every_point_of_a_session() {
    let home = home();
    let (session, images) = record(home.path()).await;
    let ways = images.len();
    assert!(
        images.iter().any(|image| !image.from_the_end),
        "some blocks are lost in the middle"
    );
    let different: BTreeSet<&[u8]> = images.iter().map(|image| &*image.bytes).collect();
    let different = different.len();
    assert!(
        ways >= 100 && different >= 60,
        "{ways} images, {different} different ones"
    );
    let mut lanes = [vec![], vec![]];
    for (number, image) in images.into_iter().enumerate() {
        lanes[number % 2].push(image);
    }
    let lanes = lanes.map(|images| {
        tokio::spawn(async move {
            for image in images {
                recover(session, image).await;
            }
        })
    });
    for lane in lanes {
        lane.await.unwrap();
    }
    println!("power: {ways} losses, {different} different ones");
}

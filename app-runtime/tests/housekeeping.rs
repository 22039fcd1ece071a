//! What is too many goes to the trash while the program works, on record, and nobody waits for it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that meets what it did not expect shall stop there"
)]

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use glasswork_agent_session::store::{HOSTS_KEPT, Place, Store};
use glasswork_app_runtime::archive::{Archive, Opened, StoreError, Vault};
use glasswork_app_runtime::files::{FileArchive, FileVault};
use glasswork_app_runtime::reading::Viewer;
use glasswork_app_runtime::runtime::{Opening, Ports, Runtime};
use glasswork_engine::load::Loaded;
use glasswork_engine::test_support::Fixture;
use glasswork_engine::{Reader, ScopeId, SystemClock, Timestamp};
use glasswork_session_state::host_settings::Settings;
use glasswork_session_state::settings::{Layer, Mode, Sourced};
use glasswork_session_state::state::{Kind, Scope};
use glasswork_session_state::trash::{self, Way, Why};
use glasswork_session_state::{Event, Glasswork, host};
use glasswork_testkit::house::{House, PATIENCE, scripted};

const TALK: &str = r#"(turns: [(say: [text("one")]), (say: [text("two")])])"#;

/// A vault that says when a session shall be moved, and moves none before it is let.
struct Slow {
    inner: FileVault,
    asked: Mutex<Sender<ScopeId>>,
    may: Mutex<Receiver<()>>,
}

impl Vault for Slow {
    fn create(&self, scope: ScopeId, kind: Kind, now: Timestamp) -> Result<Loaded<Glasswork>, StoreError> {
        self.inner.create(scope, kind, now)
    }

    fn open(&self, session: ScopeId, now: Timestamp) -> Result<Opened, StoreError> {
        self.inner.open(session, now)
    }

    fn keep(&self, published: Reader<Glasswork>) {
        self.inner.keep(published);
    }

    fn release(&self, scope: ScopeId) {
        self.inner.release(scope);
    }

    fn fork(&self, of: ScopeId, at: u64, child: ScopeId, now: Timestamp) -> Result<(), StoreError> {
        self.inner.fork(of, at, child, now)
    }

    fn move_session(&self, session: ScopeId, way: Way, now: Timestamp) -> Result<(), StoreError> {
        self.asked.lock().unwrap().send(session).unwrap();
        self.may.lock().unwrap().recv().unwrap();
        self.inner.move_session(session, way, now)
    }

    fn left_open(&self) -> Vec<ScopeId> {
        self.inner.left_open()
    }
}

fn keeps_one() -> Settings {
    Settings {
        keep_sessions: Sourced::from_layer(Some(1), Layer::User),
        ..Settings::default()
    }
}

fn opening(home: &std::path::Path) -> Opening {
    Opening {
        workspace: home.join("work"),
        settings: House::settings(Mode::Yolo),
        title: None,
        servers: vec![],
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_program_works_while_its_house_is_kept() {
    let house =
        House::of_script(r#"(turns: [(say: [text("one")]), (say: [text("one")]), (say: [text("one")])])"#)
            .await;
    let mut old = vec![];
    for _ in 0..3 {
        let session = house.session(House::settings(Mode::Yolo)).await;
        house.turn(session, "a").await;
        house.runtime().give_up(session).await.unwrap();
        old.push(session);
    }
    let home = house.close().await;

    let archive = FileArchive::open(home.path().join("data")).unwrap();
    let (vault, journal, trace) = archive.writing().unwrap();
    let ((asked, hears), (lets, may)) = (channel(), channel());
    let blobs = archive.clone();
    let runtime = Runtime::start(Ports {
        archive: Arc::new(archive.clone()),
        vault: Arc::new(Slow {
            inner: vault,
            asked: Mutex::new(asked),
            may: Mutex::new(may),
        }),
        journal: Box::new(journal),
        trace: Box::new(trace),
        clock: Arc::new(SystemClock::default()),
        models: scripted(TALK),
        blobs: Box::new(move |session| blobs.blobs(session)),
        tasks: tokio::runtime::Handle::current(),
        tool_limits: Default::default(),
        providers: Default::default(),
        secrets: Arc::new(glasswork_agent_session::secrets::Vaults::new(vec![])),
        breakers: Arc::new(archive.breakers(Default::default(), Arc::new(SystemClock::default()))),
    })
    .await
    .unwrap();
    runtime.keep_house(archive.clone(), keeps_one());
    let host = || {
        let host = runtime.reader().snapshot(Viewer::owner()).host().unwrap();
        match &host.state {
            Scope::Host(host) => Arc::clone(host),
            Scope::Session(_) => unreachable!("it is a host"),
        }
    };

    // The first move cannot go on; somebody goes on with the session whose turn would come next, and a whole turn goes by.
    let hears = Arc::new(Mutex::new(hears));
    let heard = async || {
        let hears = Arc::clone(&hears);
        tokio::task::spawn_blocking(move || hears.lock().unwrap().recv_timeout(PATIENCE).unwrap())
            .await
            .unwrap()
    };
    assert_eq!(heard().await, old[1]);
    runtime.open(old[0], opening(home.path())).await.unwrap();
    let watch = runtime.watch(old[0]).unwrap();
    runtime.prompt(old[0], "b", None).await.unwrap();
    assert_eq!(House::end_of_turn(watch).await.failure, None);
    let moving = host().moving[&old[1]];
    assert_eq!((moving.way, moving.why), (Way::In, Why::Kept));
    assert_eq!(archive.trash().unwrap(), []);
    lets.send(()).unwrap();
    // What is in use is asked for too, and stays.
    assert_eq!(heard().await, old[0]);
    lets.send(()).unwrap();
    tokio::time::timeout(PATIENCE, runtime.house_is_kept())
        .await
        .unwrap();
    assert!(host().moving.is_empty());
    let trashed: Vec<_> = archive
        .trash()
        .unwrap()
        .iter()
        .map(|row| row.session.id)
        .collect();
    assert_eq!(trashed, [old[1]]);
    assert!(
        runtime
            .reader()
            .snapshot(Viewer::owner())
            .session(old[0], None)
            .unwrap()
            .mounted
    );

    // Who wanted it, and what came of it, is in the host's own journal.
    let id = runtime.reader().snapshot(Viewer::owner()).host().unwrap().id;
    let commits = runtime
        .reader()
        .snapshot(Viewer::owner())
        .commits(id, 1, u64::MAX)
        .unwrap();
    let record: Vec<_> = commits
        .iter()
        .filter_map(|commit| match &commit.event {
            Event::Trash(trash::Event::Requested { session, why, .. }) => {
                Some((*session, format!("{why:?}")))
            }
            Event::Trash(trash::Event::Moved { session }) => Some((*session, "moved".to_owned())),
            Event::Trash(trash::Event::Failed { session, message }) => {
                assert!(message.contains("process"), "{message}");
                Some((*session, "failed".to_owned()))
            }
            _ => None,
        })
        .collect();
    let line = |session, word: &str| (session, word.to_owned());
    assert_eq!(
        record,
        [
            line(old[1], "Kept"),
            line(old[1], "moved"),
            line(old[0], "Kept"),
            line(old[0], "failed"),
        ]
    );
    runtime.stop().await;
}

/// A program that ends while its house is kept leaves the rest to the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_program_does_not_come_to_is_done_by_the_next() {
    let house =
        House::of_script(r#"(turns: [(say: [text("one")]), (say: [text("one")]), (say: [text("one")])])"#)
            .await;
    for _ in 0..3 {
        let session = house.session(House::settings(Mode::Yolo)).await;
        house.turn(session, "a").await;
        house.runtime().give_up(session).await.unwrap();
    }
    let archive = house.archive().clone();
    house.runtime().keep_house(archive, keeps_one());
    let home = house.close().await;
    let house = House::at(home, scripted("(turns: [])"), Arc::new(SystemClock::default())).await;
    house.runtime().keep_house(house.archive().clone(), keeps_one());
    house.runtime().house_is_kept().await;
    assert_eq!(house.archive().list().unwrap().len(), 1);
    assert_eq!(house.archive().trash().unwrap().len(), 2);
    house.close().await;
}

/// However many have come since: what was being done would never be done again.
#[test]
fn a_record_in_which_something_is_left_to_be_done_stays() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::<Glasswork>::open(home.path()).unwrap();
    let fixture = Fixture::<Glasswork>::default();
    let left = |event| {
        let host = fixture.create(Kind::Host);
        fixture.accept(host, event);
        host
    };
    let moving = left(Event::Trash(trash::Event::Requested {
        session: ScopeId::mint(),
        way: Way::In,
        why: Why::Asked,
    }));
    let idle = left(Event::Host(host::Event::Mounted(ScopeId::mint())));
    let mut hosts = vec![];
    for _ in 0..HOSTS_KEPT + 1 {
        hosts.push(
            store
                .create(Place::Host, ScopeId::mint(), Kind::Host, Timestamp(0))
                .unwrap(),
        );
    }
    for host in [moving, idle] {
        let file = home.path().join(format!("host/{host}.jsonl"));
        std::fs::write(file, fixture.journal.bytes(host)).unwrap();
    }
    drop(hosts);
    assert_eq!(store.left_open(), [moving]);
    // The oldest three are too many, and one of them stays.
    assert_eq!(store.prune_hosts().unwrap(), 2);
    assert_eq!(store.left_open(), [moving]);
    // Nobody takes from another process what that is doing itself.
    let held = store.open_for_writing(moving, Timestamp(1)).unwrap();
    assert_eq!(store.left_open(), []);
    drop(held);
    assert_eq!(store.left_open(), [moving]);
}

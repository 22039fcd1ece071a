//! A whole Glasswork in a temporary home: real tools, real files, a scripted model. Every session that was made in it
//! is loaded and strictly replayed when it is closed, and must come out equal; no effect may be open once its turn has
//! ended; and every request that it made, and the next one, must be valid by the rules of all providers.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use glasswork_agent_core::turn::State;
use glasswork_agent_session::secrets::Vaults;
use glasswork_ai::port::{ModelPort, Models, Scripts};
use glasswork_ai::scripted::Script;
use glasswork_app_runtime::archive::{Archive, Record};
use glasswork_app_runtime::files::{FileArchive, FileVault};
use glasswork_app_runtime::reading::{Snapshot, Viewer};
use glasswork_app_runtime::runtime::{Opening, Ports, Runtime};
use glasswork_app_runtime::watching::{Update, Watch};
use glasswork_engine::{Clock, Scope, ScopeId, SystemClock};
use glasswork_session_state::Glasswork;
use glasswork_session_state::breaker::Rules;
use glasswork_session_state::settings::{Layer, Mode, Settings, Sourced};
use glasswork_session_state::state::{self, Session, TurnFailure};
use tempfile::TempDir;

use crate::request_rules;

/// The name under which a house's script is asked: the model `scripted/test`.
pub const MODEL: &str = "scripted/test";
/// A credential of the process that a house pretends to be.
pub const OWN_SECRET: &str = "the-key-of-this-house";

/// How long a house waits for something to happen before it calls that hanging.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The model [`MODEL`], playing a script.
///
/// # Panics
/// Where the script is none.
#[allow(clippy::expect_used, reason = "a test kit fails by panicking")]
pub fn scripted(script: &str) -> Arc<dyn ModelPort> {
    let script = Script::parse(script).expect("a script");
    Arc::new(Models::default().with("scripted", Arc::new(Scripts::default().with("test", script))))
}

/// What a runtime on these files is made of: the system's clock, no secrets of its own, and all that it owns in files.
/// To be called within a tokio runtime.
///
/// # Panics
/// Where a thread cannot be started.
#[allow(clippy::expect_used, reason = "a test kit fails by panicking")]
#[must_use]
pub fn ports(archive: &FileArchive, models: Arc<dyn ModelPort>) -> Ports {
    furnished(archive, models).0
}

#[allow(clippy::expect_used, reason = "a test kit fails by panicking")]
fn furnished(archive: &FileArchive, models: Arc<dyn ModelPort>) -> (Ports, Arc<FileVault>) {
    let (vault, journal, trace) = archive.writing().expect("threads");
    let vault = Arc::new(vault);
    let blobs = archive.clone();
    let ports = Ports {
        archive: Arc::new(archive.clone()),
        vault: vault.clone(),
        journal: Box::new(journal),
        trace: Box::new(trace),
        clock: Arc::new(SystemClock::default()),
        models,
        blobs: Box::new(move |session| blobs.blobs(session)),
        tasks: tokio::runtime::Handle::current(),
        tool_limits: Default::default(),
        providers: Default::default(),
        secrets: Arc::new(Vaults::new(vec![])),
        breakers: Arc::new(archive.breakers(Rules::default(), Arc::new(SystemClock::default()))),
    };
    (ports, vault)
}

/// A temporary home with a running Glasswork in it.
///
/// # Panics
/// Most of its functions panic where something goes wrong: it is for tests. Dropping it before [`close`](Self::close)
/// panics too, because then its sessions were not checked.
pub struct House {
    home: TempDir,
    archive: FileArchive,
    vault: Arc<FileVault>,
    runtime: Option<Arc<Runtime>>,
}

/// What a turn came to.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnEnd {
    /// Where its chart ended.
    pub state: State,
    /// Why it failed.
    pub failure: Option<TurnFailure>,
    /// All text that was streamed, in order.
    pub text: String,
    /// Everything that happened.
    pub updates: Vec<Update>,
}

#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test kit fails by panicking"
)]
impl House {
    /// A house whose model plays a script.
    pub async fn of_script(script: &str) -> Self {
        Self::with(scripted(script), Arc::new(SystemClock::default())).await
    }

    /// A house with these models and this clock.
    pub async fn with(models: Arc<dyn ModelPort>, clock: Arc<dyn Clock>) -> Self {
        let home = TempDir::new().expect("a temporary directory");
        std::fs::create_dir(home.path().join("work")).expect("a workspace");
        Self::at(home, models, clock).await
    }

    /// A house in a home that was lived in before.
    pub async fn at(home: TempDir, models: Arc<dyn ModelPort>, clock: Arc<dyn Clock>) -> Self {
        Self::guarded(home, models, clock, Rules::default()).await
    }

    /// A house whose circuit breakers have these rules.
    pub async fn guarded(
        home: TempDir,
        models: Arc<dyn ModelPort>,
        clock: Arc<dyn Clock>,
        rules: Rules,
    ) -> Self {
        Self::fitted(home, models, |archive, ports| {
            ports.breakers = Arc::new(archive.breakers(rules, Arc::clone(&clock)));
            ports.clock = clock;
        })
        .await
    }

    /// A house that is made of what `fit` makes of the usual.
    pub async fn fitted(
        home: TempDir,
        models: Arc<dyn ModelPort>,
        fit: impl FnOnce(&FileArchive, &mut Ports),
    ) -> Self {
        std::fs::create_dir_all(home.path().join("work")).expect("a workspace");
        let archive = FileArchive::open(home.path().join("data")).expect("an archive");
        let (mut ports, vault) = furnished(&archive, models);
        ports.secrets = Arc::new(Vaults::new(vec![OWN_SECRET.into()]));
        fit(&archive, &mut ports);
        let runtime = Runtime::start(ports).await.expect("a runtime");
        Self {
            home,
            archive,
            vault,
            runtime: Some(Arc::new(runtime)),
        }
    }

    /// The runtime.
    pub fn runtime(&self) -> &Runtime {
        self.runtime.as_deref().expect("the house is open")
    }

    /// The runtime, for those who hold on to it. They let go of it before the house is closed.
    pub fn shared(&self) -> Arc<Runtime> {
        Arc::clone(self.runtime.as_ref().expect("the house is open"))
    }

    /// The records.
    pub fn archive(&self) -> &FileArchive {
        &self.archive
    }

    /// Waits until what is kept beside the records, behind them and in nobody's way, is there.
    pub fn settle(&self) {
        self.vault.settle();
    }

    /// The home's directory.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The workspace.
    pub fn workspace(&self) -> PathBuf {
        self.home.path().join("work").canonicalize().expect("a workspace")
    }

    /// Settings for a session that asks the script, in this mode.
    pub fn settings(mode: Mode) -> Settings {
        Settings {
            model: Sourced::from_layer(Some(MODEL.parse().expect("a model")), Layer::Flag),
            mode: Sourced::from_layer(mode, Layer::Flag),
            ..Settings::default()
        }
    }

    /// Begins a session in the workspace.
    pub async fn session(&self, settings: Settings) -> ScopeId {
        let opening = Opening {
            workspace: self.workspace(),
            settings,
            title: None,
            servers: vec![],
        };
        self.runtime().new_session(opening).await.expect("a session")
    }

    /// Everything as it is now.
    pub fn snapshot(&self) -> Snapshot {
        self.runtime().reader().snapshot(Viewer::owner())
    }

    /// A session as it is now.
    pub fn now(&self, session: ScopeId) -> Arc<Session> {
        let seen = self.snapshot().session(session, None).expect("the session");
        Arc::clone(seen.session().expect("a session"))
    }

    /// Says something and waits until the turn has ended.
    pub async fn turn(&self, session: ScopeId, prompt: &str) -> TurnEnd {
        let watch = self.runtime().watch(session).expect("a mounted session");
        self.runtime()
            .prompt(session, prompt, None)
            .await
            .expect("an accepted prompt");
        Self::end_of_turn(watch).await
    }

    /// Waits until a turn has ended; not for ever.
    pub async fn end_of_turn(mut watch: Watch) -> TurnEnd {
        let (mut text, mut all) = (String::new(), Vec::new());
        let ended = |watch: &Watch| {
            let turn = watch.session().turn.clone();
            turn.filter(|turn| turn.state.is_terminal())
        };
        let before = ended(&watch).map(|turn| turn.id);
        loop {
            let watched = tokio::time::timeout(PATIENCE, watch.next()).await;
            let watched = watched.unwrap_or_else(|_| {
                panic!(
                    "nothing happened for {PATIENCE:?}; the turn is {:?}",
                    watch.session().open_turn()
                )
            });
            for update in watched.updates {
                match &update {
                    // It may have ended in between; then only the session knows.
                    Update::Gap { .. } => {
                        if let Some(turn) = ended(&watch).filter(|turn| Some(turn.id) != before) {
                            all.push(update);
                            return TurnEnd {
                                state: turn.state,
                                failure: turn.failure.clone(),
                                text,
                                updates: all,
                            };
                        }
                    }
                    Update::Text { text: more } => text.push_str(more),
                    Update::TurnEnded { state, failure, .. } => {
                        let (state, failure) = (*state, failure.clone());
                        all.push(update);
                        return TurnEnd {
                            state,
                            failure,
                            text,
                            updates: all,
                        };
                    }
                    Update::Ended => panic!("the session was unmounted before its turn ended"),
                    _ => {}
                }
                all.push(update);
            }
        }
    }

    /// Stops the runtime, then loads and strictly replays every session. Returns the home, to live on in.
    pub async fn close(mut self) -> TempDir {
        let runtime = self.runtime.take().expect("the house is open");
        let snapshot = runtime.reader().snapshot(Viewer::owner());
        let live: Vec<Arc<Scope<Glasswork>>> = snapshot
            .sessions()
            .expect("a list")
            .iter()
            .filter(|row| row.mounted)
            .map(|row| snapshot.session(row.archived.id, None).expect("a session").scope)
            .collect();
        let runtime = Arc::into_inner(runtime).expect("nobody holds on to the runtime");
        runtime.stop().await;
        for row in self.archive.list().expect("a list") {
            assert_eq!(row.damage, None, "session {}", row.id);
            check(
                &self.archive,
                row.id,
                live.iter().find(|scope| scope.id == row.id),
            );
        }
        std::mem::replace(&mut self.home, TempDir::new().expect("a temporary directory"))
    }
}

/// Without its deltas a session at rest is the same, and decided the same as far as that can be told.
#[allow(clippy::expect_used, reason = "a test kit fails by panicking")]
fn archives(archive: &FileArchive, id: ScopeId, scope: &Arc<Scope<Glasswork>>) {
    if !scope.open.is_empty() {
        return;
    }
    let folder = TempDir::new().expect("a temporary directory");
    let path = folder.path().join("archived.jsonl");
    let mut file = std::fs::File::create(&path).expect("a file");
    let archived = archive
        .journal_of(id)
        .and_then(|journal| journal.archive(&mut file));
    let archived = archived.expect("a session at rest can be archived");
    assert_eq!(
        &archived.loaded.scope, scope,
        "session {id}: archived, it leads elsewhere"
    );
    let replayed = archive
        .replay(&Record::File(path), None)
        .expect("an archive replays");
    assert_eq!(
        (&replayed.loaded.scope, replayed.differences),
        (scope, vec![]),
        "session {id}: archived, it is decided otherwise"
    );
}

/// Loads and strictly replays a session; where it was live, the states must be equal.
#[allow(clippy::expect_used, reason = "a test kit fails by panicking")]
fn check(archive: &FileArchive, id: ScopeId, live: Option<&Arc<Scope<Glasswork>>>) {
    let loaded = archive.load(id, None).expect("the session loads");
    let replayed = archive
        .replay(&Record::Session(id), None)
        .expect("the session replays");
    assert_eq!(
        replayed.differences,
        [],
        "session {id}: decided again, something differs"
    );
    assert_eq!(loaded.breach, None, "session {id}: an invariant is broken");
    assert_eq!(
        loaded.scope.unsound, None,
        "session {id}: its digests say that it is another"
    );
    assert_eq!(
        loaded.scope, replayed.loaded.scope,
        "session {id}: load and replay differ"
    );
    archives(archive, id, &loaded.scope);
    if let Some(live) = live
        && loaded.scope.seq == live.seq
    {
        assert_eq!(
            &loaded.scope, live,
            "session {id}: the record leads elsewhere than the live state"
        );
    }
    if let state::Scope::Session(session) = &loaded.scope.state {
        if session.open_turn().is_none() && session.compactions.open.is_none() {
            assert!(
                loaded.scope.open.is_empty(),
                "session {id}: no turn is open, but these effects are: {:?}",
                loaded.scope.open
            );
        }
        assert_eq!(request_rules::check_session(session), Ok(()), "session {id}");
        let text = serde_json::to_string(&loaded.scope.state).expect("the state serialises");
        let again: state::Scope = serde_json::from_str(&text).expect("the state deserialises");
        assert_eq!(
            again, loaded.scope.state,
            "session {}: the state is not what it serialises to",
            session.id
        );
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let checked = self.runtime.is_none();
        assert!(
            checked || std::thread::panicking(),
            "call `close`: the sessions of this house were not checked"
        );
    }
}

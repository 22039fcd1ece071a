//! What must hold after a death, whatever was going on.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use glasswork_agent_core::tree::Body;
use glasswork_agent_core::turn::State;
use glasswork_ai::conversation::Request;
use glasswork_ai::port::{Call, ModelPort};
use glasswork_app_runtime::archive::Archive;
use glasswork_app_runtime::files::FileArchive;
use glasswork_app_runtime::runtime::{Opening, Runtime};
use glasswork_app_runtime::watching::{Update, Watch};
use glasswork_engine::{Commit, ScopeId, SystemClock};
use glasswork_session_state::Glasswork;
use glasswork_session_state::effect::Effect;
use glasswork_session_state::settings::Mode;
use glasswork_session_state::state::Session;
use glasswork_testkit::house::{House, PATIENCE, ports, scripted};
use tempfile::TempDir;

use crate::kill::{Deadly, Kill, Moment, journal};
use glasswork_testkit::second::{self, Said, Second, say};

/// Writes down each request that a model is sent: `asked` in the home.
#[derive(Debug)]
pub(crate) struct Listened {
    pub(crate) inner: Arc<dyn ModelPort>,
    pub(crate) asked: std::path::PathBuf,
}

impl ModelPort for Listened {
    fn call(&self, request: Arc<Request>, attempt: u32) -> Call {
        let sent = serde_json::to_vec(&*request).unwrap();
        append(&self.asked, &format!("{} {attempt}", blake3::hash(&sent)));
        self.inner.call(request, attempt)
    }
}

pub(crate) fn append(path: &Path, line: &str) {
    use std::io::Write;
    let mut file = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap();
    file.write_all(format!("{line}\n").as_bytes()).unwrap();
}

fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// A runtime in a home, whose process dies as it was told.
pub(crate) async fn mortal(home: &Path, script: &str) -> Runtime {
    let data = home.join("data");
    let archive = FileArchive::open(&data).unwrap();
    let listened = Listened {
        inner: scripted(script),
        asked: home.join("asked"),
    };
    let mut ports = ports(&archive, Arc::new(listened));
    ports.journal = Box::new(Deadly::around(ports.journal, &data));
    Runtime::start(ports).await.unwrap()
}

/// Tells of each commit, until this happens.
pub(crate) async fn until(watch: &mut Watch, what: impl Fn(&Update) -> bool) {
    loop {
        let watched = tokio::time::timeout(PATIENCE, watch.next()).await.unwrap();
        say(format_args!("told {}", watched.seq));
        if watched.updates.iter().any(&what) {
            return;
        }
    }
}

/// How a session is opened in a home.
pub(crate) fn opening(home: &Path) -> Opening {
    Opening {
        workspace: home.join("work"),
        settings: House::settings(Mode::Yolo),
        title: None,
    }
}

/// A home with a workspace.
pub(crate) fn home() -> TempDir {
    let home = TempDir::new().unwrap();
    fs::create_dir(home.path().join("work")).unwrap();
    home
}

/// Copies a folder with all that is in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copied = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &copied);
        } else {
            fs::copy(&path, copied).unwrap();
        }
    }
}

/// Opens what a dead process left of a session, and checks all that must hold. The session's past before the process
/// began had `before` commits. Files in the workspace that calls append to are called `ran-…`: one line for each run.
pub(crate) async fn check(home: TempDir, said: &Said, kill: Kill, before: u64) -> TempDir {
    let told: Vec<u64> = said.all("told").map(|seq| seq.parse().unwrap()).collect();
    let asked = sent(home.path());
    let work = home.path().join("work");
    let archive = FileArchive::open(home.path().join("data")).unwrap();
    let Some(session) = said.all("session").next() else {
        assert_eq!((told, asked), (vec![], vec![]), "{kill:?}");
        return home;
    };
    let session: ScopeId = session.parse().unwrap();
    assert!(journal(home.path(), session).is_some(), "{kill:?}");

    // Nothing that was told is lost.
    let left = archive
        .load(session, None)
        .unwrap_or_else(|error| panic!("{kill:?}: {error}"));
    let last = told.iter().max().copied().unwrap_or(before);
    assert!(
        left.scope.seq >= last,
        "{kill:?}: {last} was told, {} is left",
        left.scope.seq
    );

    // No effect is without its record, and none of class once happened twice.
    let commits = archive.commits(session, before + 1..=u64::MAX).unwrap();
    let glasswork_session_state::state::Scope::Session(state) = &left.scope.state else {
        panic!("no session")
    };
    assert_eq!(
        asked.iter().collect::<BTreeSet<_>>().len(),
        asked.len(),
        "{kill:?}: {asked:?}"
    );
    effects_are_recorded(&commits, state, &marks(&work), asked.len(), &kill);

    // No lock is stuck; what was open is settled; nothing runs on.
    let house = House::at(home, scripted(BACK), Arc::new(SystemClock::default())).await;
    let opened = house.runtime().open(session, opening(house.home())).await;
    opened.unwrap_or_else(|error| panic!("{kill:?}: {error}"));
    assert_eq!(marked(session), Vec::<String>::new(), "{kill:?}");
    family_is_whole(&house, session, said, kill).await;
    let now = house.now(session);
    assert!(now.open_turn().is_none(), "{kill:?}: {:?}", now.turn);
    assert_eq!(now.compactions.open, None, "{kill:?}");
    for words in said.all("said") {
        let waits = now.queue.follow_ups.iter().any(|waiting| &*waiting.text == words);
        let stands = now
            .tree
            .entries()
            .any(|(_, entry)| matches!(&entry.body, Body::Prompt { text, .. } if &**text == words));
        assert!(
            waits != stands,
            "{kill:?}: {words:?} waits: {waits}, stands: {stands}"
        );
    }
    assert!(
        now.calls
            .values()
            .all(|call| call.state.is_terminal() && call.result.is_some()),
        "{kill:?}: {:?}",
        now.calls
    );
    let end = house.turn(session, "onward").await;
    assert_eq!(
        (end.state, end.failure, end.text.as_str()),
        (State::Completed, None, "back"),
        "{kill:?}"
    );
    // Whatever image is named was kept before, so all of them were sent. What waited in the queue may be under way by
    // now, in a request that has no body yet.
    let now = house.now(session);
    let sent = now.requests.values().filter_map(|request| request.body.as_ref());
    assert_eq!(sent.last().unwrap().unsent, [], "{kill:?}");
    for mark in marks(&work) {
        let runs = lines(&work.join(&mark));
        assert_eq!(runs, ["once"], "{kill:?}: {mark}");
    }
    // Loads and replays all, compares, and asks the rules of all providers.
    house.close().await
}

/// Whatever happened outside has its effect on record: so many requests, and calls that left these marks.
pub(crate) fn effects_are_recorded(
    commits: &[Arc<Commit<Glasswork>>],
    session: &Session,
    marks: &[String],
    asked: usize,
    after: &dyn Debug,
) {
    let effects: Vec<&Effect> = commits.iter().flat_map(|commit| &commit.effects).collect();
    let requests = effects
        .iter()
        .filter(|effect| matches!(effect, Effect::CallModel { .. } | Effect::Summarise { .. }))
        .count();
    assert!(
        asked <= requests,
        "{after:?}: {asked} requests were sent, {requests} are on record"
    );
    for mark in marks {
        let ran = |arguments: &str| {
            ["\"", ";"]
                .iter()
                .any(|end| arguments.contains(&format!("{mark}{end}")))
        };
        let recorded = effects.iter().any(|effect| match effect {
            Effect::RunTool { call, .. } => ran(&session.call(*call).unwrap().call.arguments),
            _ => false,
        });
        assert!(recorded, "{after:?}: {mark} is there, and no effect is on record");
    }
}

/// What calls left in a workspace: files called `ran-…`.
pub(crate) fn marks(work: &Path) -> Vec<String> {
    fs::read_dir(work)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("ran-"))
        .collect()
}

/// The requests that a model was sent.
pub(crate) fn sent(home: &Path) -> Vec<String> {
    lines(&home.join("asked"))
}

/// Every fork that was asked for is there once recovery has made it, whoever was told of it finds it, it opens at rest,
/// and there are no others.
async fn family_is_whole(house: &House, session: ScopeId, said: &Said, kill: Kill) {
    let mut watch = house.runtime().watch(session).unwrap();
    while watch
        .session()
        .children
        .values()
        .any(|child| child.effect.is_some())
    {
        tokio::time::timeout(PATIENCE, watch.next()).await.unwrap();
    }
    let children: BTreeSet<ScopeId> = watch.session().children.keys().copied().collect();
    let listed = house.archive().list().unwrap().into_iter().map(|row| row.id);
    let listed: BTreeSet<ScopeId> = listed.filter(|id| *id != session).collect();
    assert_eq!(listed, children, "{kill:?}");
    for told in said.all("forked") {
        assert!(
            children.contains(&told.parse().unwrap()),
            "{kill:?}: {told} was told"
        );
    }
    for child in children {
        let opened = house.runtime().open(child, opening(house.home())).await;
        opened.unwrap_or_else(|error| panic!("{kill:?}: {error}"));
        let now = house.now(child);
        assert_eq!(
            now.meta.parent.map(|parent| parent.session),
            Some(session),
            "{kill:?}"
        );
        assert!(now.open_turn().is_none(), "{kill:?}: {:?}", now.turn);
        house.runtime().give_up(child).await.unwrap();
    }
}

/// What a later process says, however often it is asked.
pub(crate) const BACK: &str = r#"(turns: [
    (say: [text("back")]), (say: [text("back")]), (say: [text("back")]), (say: [text("back")]), (say: [text("back")]),
    (say: [text("back")]), (say: [text("back")]), (say: [text("back")]), (say: [text("back")]), (say: [text("back")]),
])"#;

/// Processes that carry the mark of one of the session's calls.
pub(crate) fn marked(session: ScopeId) -> Vec<String> {
    let mark = format!("GLASSWORK_CALL={session}/");
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    processes
        .filter(|path| {
            let environment = fs::read(path.join("environ")).unwrap_or_default();
            let alive = fs::read_to_string(path.join("stat")).is_ok_and(|stat| !stat.contains(") Z "));
            alive
                && environment
                    .split(|byte| *byte == 0)
                    .any(|variable| variable.starts_with(mark.as_bytes()))
        })
        .map(|path| fs::read_to_string(path.join("cmdline")).unwrap_or_default())
        .collect()
}

/// A home in which one process after the other dies. It is always the same directory, because a session goes on in the
/// workspace in which it was begun.
pub(crate) struct Lane {
    home: Option<TempDir>,
    pristine: TempDir,
}

impl Lane {
    /// Deaths in a home that is like this one.
    pub(crate) fn like(home: TempDir) -> Self {
        let pristine = TempDir::new().unwrap();
        copy(home.path(), pristine.path());
        Self {
            home: Some(home),
            pristine,
        }
    }

    fn restored(&mut self) -> TempDir {
        let home = self.home.take().unwrap();
        for entry in fs::read_dir(home.path()).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => fs::remove_dir_all(path).unwrap(),
                false => fs::remove_file(path).unwrap(),
            }
        }
        copy(self.pristine.path(), home.path());
        home
    }
}

/// What is killed: a part that a second process plays.
#[derive(Clone, Copy)]
pub(crate) struct Victim {
    /// The test, by its full path within this binary.
    pub test: &'static str,
    /// Its part.
    pub role: &'static str,
    /// How many commits the session had before.
    pub before: u64,
}

impl Victim {
    async fn play(self, home: &TempDir, kill: Option<Kill>) -> Said {
        let mut command = second::command(self.test, self.role, home.path());
        if let Some(kill) = kill {
            kill.put_into(&mut command);
        }
        let played = tokio::task::spawn_blocking(move || Second::start(command).end());
        played.await.unwrap()
    }

    /// Kills it at each of its writes, at each of these moments, in two lanes at once. Returns how often it was killed.
    pub(crate) async fn is_killed_at_every_write(self, moments: &[Moment], lanes: [Lane; 2]) -> usize {
        let after = async |home: TempDir, said: &Said, kill: Kill| check(home, said, kill, self.before).await;
        self.dies(moments, lanes, after).await
    }

    /// Likewise, and looks at what each death leaves.
    pub(crate) async fn dies(
        self,
        moments: &[Moment],
        mut lanes: [Lane; 2],
        after: impl AsyncFn(TempDir, &Said, Kill) -> TempDir,
    ) -> usize {
        let home = lanes[0].restored();
        let whole = self.play(&home, None).await;
        assert!(
            !whole.killed && whole.all("written").count() == 1,
            "{}: {:?}",
            self.role,
            whole.lines
        );
        let writes: u64 = whole.all("written").next().unwrap().parse().unwrap();
        lanes[0].home = Some(home);
        let all = (1..=writes).flat_map(|at| moments.iter().map(move |moment| Kill { at, moment: *moment }));
        let (even, odd): (Vec<_>, Vec<_>) = all.partition(|kill| kill.at % 2 == 0);
        let one = async |kills: Vec<Kill>, lane: &mut Lane| {
            let mut killed = 0;
            for kill in kills {
                let home = lane.restored();
                let said = self.play(&home, Some(kill)).await;
                killed += usize::from(said.killed);
                lane.home = Some(after(home, &said, kill).await);
            }
            killed
        };
        let [first, second] = &mut lanes;
        let (even, odd) = tokio::join!(one(even, first), one(odd, second));
        println!("{}: {writes} writes, {} deaths", self.role, even + odd);
        even + odd
    }
}

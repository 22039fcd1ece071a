//! A second process with mounts of its own, and what the tests do in it.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use glasswork_ai::conversation::Request;
use glasswork_ai::port::{Call, ModelPort};
use glasswork_app_runtime::archive::{Archive as _, ArchivedSession, Filter, Listing, Search};
use glasswork_app_runtime::export::{Export, Format, Leaving, export};
use glasswork_app_runtime::files::FileArchive;
use glasswork_app_runtime::reading::{Reader, Viewer};
use glasswork_app_runtime::runtime::{Opening, Runtime};
use glasswork_app_runtime::watching::{Update, Watch};
use glasswork_engine::ScopeId;
use glasswork_session_state::settings::Mode;
use glasswork_testkit::house::{House, PATIENCE, ports};
use glasswork_testkit::second::{self, Said, Second};

/// Plays a part in a process that has mounted something by these commands of a shell, in which `$HOME_OF_TEST` is the
/// home. `None`, said aloud, where this system lets nobody have mounts of one's own.
pub(crate) async fn mounted(test: &str, role: &str, home: &Path, mounts: &str) -> Option<Said> {
    let ways: [&[&str]; 2] = [&["--user", "--map-root-user", "--mount"], &["--mount"]];
    let able = ways.into_iter().find(|way| {
        let tried = Command::new("unshare")
            .args(*way)
            .args(["mount", "-t", "tmpfs", "none", "/mnt"])
            .output();
        tried.is_ok_and(|tried| tried.status.success())
    });
    let Some(way) = able else {
        // Not by a macro: what those print the harness keeps to itself.
        let skipped = format!(
            "\nSKIPPED {test}: this system lets neither this user nor root-in-a-namespace mount anything (`unshare \
             --user --map-root-user --mount`); run it as root, or allow user namespaces\n"
        );
        std::io::stderr().write_all(skipped.as_bytes()).unwrap();
        return None;
    };
    let script = format!("set -e\n{mounts}\nexec \"$0\" \"$@\"");
    let shell = second::through("sh", &["-c", &script], &second::command(test, role, home));
    let mut command = second::through("unshare", way, &shell);
    command.env("HOME_OF_TEST", home);
    Some(
        tokio::task::spawn_blocking(move || Second::start(command).end())
            .await
            .unwrap(),
    )
}

/// A model that counts how often it was asked.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) inner: Arc<dyn ModelPort>,
    pub(crate) asked: Arc<AtomicUsize>,
}

impl ModelPort for Counted {
    fn call(&self, request: Arc<Request>, attempt: u32) -> Call {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.inner.call(request, attempt)
    }
}

/// A runtime on the records in a home, and how often its model was asked.
pub(crate) async fn runtime(
    home: &Path,
    models: Arc<dyn ModelPort>,
) -> (Runtime, FileArchive, Arc<AtomicUsize>) {
    let archive = FileArchive::open(home.join("data")).unwrap();
    let asked = Arc::<AtomicUsize>::default();
    let counted = Counted {
        inner: models,
        asked: Arc::clone(&asked),
    };
    let runtime = Runtime::start(ports(&archive, Arc::new(counted))).await.unwrap();
    (runtime, archive, asked)
}

pub(crate) fn opening(home: &Path) -> Opening {
    Opening {
        workspace: home.join("work"),
        settings: House::settings(Mode::Yolo),
        title: None,
        servers: vec![],
    }
}

/// Waits for an update.
pub(crate) async fn until(watch: &mut Watch, what: impl Fn(&Update) -> bool) -> Update {
    loop {
        let watched = tokio::time::timeout(PATIENCE, watch.next()).await.unwrap();
        if let Some(update) = watched.updates.into_iter().find(&what) {
            return update;
        }
    }
}

/// Says something to a session and waits until its turn has ended. Returns what was answered.
pub(crate) async fn turn(runtime: &Runtime, session: ScopeId, prompt: &str) -> String {
    let watch = runtime.watch(session).unwrap();
    runtime.prompt(session, prompt, None).await.unwrap();
    let end = House::end_of_turn(watch).await;
    assert_eq!(end.failure, None, "{prompt}");
    end.text
}

/// Every session, from the list.
pub(crate) fn rows(archive: &FileArchive) -> Vec<ArchivedSession> {
    let all = Listing {
        filter: Filter {
            empty: true,
            ..Filter::default()
        },
        limit: 100,
        ..Listing::default()
    };
    archive.page(&all, &Default::default()).unwrap().rows
}

/// In how many places something was said.
pub(crate) fn hits(archive: &FileArchive, query: &str) -> usize {
    let search = Search {
        query: query.to_owned(),
        limit: 100,
        ..Search::default()
    };
    archive.search(&search).unwrap().hits.len()
}

/// All that can be read of a session of one turn in which `said` was said can be read: the list, its words, its state
/// now and then, its commits, and what leaves it.
pub(crate) fn can_be_read(archive: &FileArchive, session: ScopeId, said: &str) {
    let row = rows(archive).into_iter().find(|row| row.id == session).unwrap();
    assert_eq!(row.damage, None);
    assert!(row.messages > 0);
    assert!(hits(archive, said) > 0, "{said}");
    let reader = Reader::new(None, Arc::new(archive.clone()));
    let snapshot = reader.snapshot(Viewer::owner());
    let now = snapshot.session(session, None).unwrap();
    assert_eq!(now.scope.seq, row.seq);
    for at in [1, row.seq / 2, row.seq] {
        let then = snapshot.session(session, Some(at)).unwrap();
        assert!(then.scope.seq <= at && then.scope.seq > 0, "as of {at}");
    }
    let commits = archive.commits(session, 1..=u64::MAX).unwrap();
    assert!(!commits.is_empty());
    for format in [Format::Jsonl, Format::Markdown, Format::Html, Format::Archive] {
        let what = Export {
            session,
            at: None,
            format,
        };
        let mut out = Vec::new();
        let report = export(&snapshot, archive, what, &Leaving::default(), &mut out).unwrap();
        assert_eq!(report.session, session);
        assert!(!out.is_empty());
    }
}

//! Calls that work in an editor: in what it has open, and in its terminals.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use glasswork_agent_session::editors::{
    Answer, Editor, EditorError, Editors, Offers, TerminalCommand, TerminalExit, TerminalOutput,
};
use glasswork_agent_session::tools::bash::End;
use glasswork_agent_session::tools::in_editor::Trouble;
use glasswork_agent_session::tools::{Desk, Details, InEditor, Outcome, ToolFailure};
use glasswork_engine::ScopeId;
use serde_json::json;
use tokio::sync::Notify;

use super::support::{Workspace, make_fifo, symlink};

const ALL: Offers = Offers {
    read: true,
    write: true,
    terminals: true,
};

/// What an editor does with what it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Does {
    /// What it offers.
    Serves,
    Fails(EditorError),
    /// Nothing, ever.
    Hangs,
}

/// An editor with texts that are open, and terminals that say what they shall.
struct Fake {
    name: Arc<str>,
    offers: Offers,
    open: Mutex<BTreeMap<PathBuf, String>>,
    /// What it does with the next questions, in order; then it serves.
    does: Mutex<VecDeque<Does>>,
    asked: Mutex<Vec<String>>,
    started: Mutex<Option<TerminalCommand>>,
    shows: Mutex<TerminalOutput>,
    exit: Mutex<Option<TerminalExit>>,
    ended: Notify,
    on_write: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Fake {
    fn new(offers: Offers) -> Arc<Self> {
        Arc::new(Self {
            name: "pen".into(),
            offers,
            open: Mutex::default(),
            does: Mutex::default(),
            asked: Mutex::default(),
            started: Mutex::default(),
            shows: Mutex::new(TerminalOutput {
                text: String::new(),
                truncated: false,
            }),
            exit: Mutex::default(),
            ended: Notify::new(),
            on_write: Mutex::default(),
        })
    }

    fn holds(&self, path: &Path, text: &str) {
        self.open.lock().unwrap().insert(path.to_owned(), text.to_owned());
    }

    fn text(&self, path: &Path) -> Option<String> {
        self.open.lock().unwrap().get(path).cloned()
    }

    fn does(&self, does: impl IntoIterator<Item = Does>) {
        self.does.lock().unwrap().extend(does);
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    fn answer<T: Send + 'static>(&self, what: &str, served: Result<T, EditorError>) -> Answer<T> {
        self.asked.lock().unwrap().push(what.to_owned());
        match self.does.lock().unwrap().pop_front().unwrap_or(Does::Serves) {
            Does::Serves => Box::pin(std::future::ready(served)),
            Does::Fails(error) => Box::pin(std::future::ready(Err(error))),
            Does::Hangs => Box::pin(std::future::pending()),
        }
    }
}

impl Editor for Fake {
    fn client(&self) -> u64 {
        7
    }

    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn offers(&self) -> Offers {
        self.offers
    }

    fn read(&self, path: &Path) -> Answer<String> {
        let text = self.text(path).ok_or(EditorError::NotFound);
        self.answer("read", text)
    }

    fn write(&self, path: &Path, text: String) -> Answer<()> {
        if let Some(meanwhile) = self.on_write.lock().unwrap().take() {
            meanwhile();
        }
        let answer = self.answer("write", Ok(()));
        self.holds(path, &text);
        answer
    }

    fn start(&self, command: TerminalCommand) -> Answer<Arc<str>> {
        *self.started.lock().unwrap() = Some(command);
        self.answer("start", Ok("t1".into()))
    }

    fn output(&self, _: &str) -> Answer<TerminalOutput> {
        let shows = self.shows.lock().unwrap().clone();
        self.answer("output", Ok(shows))
    }

    fn exit(&self, _: &str) -> Answer<TerminalExit> {
        match self.exit.lock().unwrap().clone() {
            Some(exit) => self.answer("exit", Ok(exit)),
            None => self.answer("exit", Ok(())).then_never(),
        }
    }

    fn kill(&self, _: &str) -> Answer<()> {
        self.ended.notify_waiters();
        self.answer("kill", Ok(()))
    }

    fn release(&self, terminal: &str) -> Answer<()> {
        self.answer(&format!("release {terminal}"), Ok(()))
    }
}

trait Never<T> {
    fn then_never(self) -> Answer<T>;
}

impl<T: Send + 'static> Never<T> for Answer<()> {
    /// Fails as this does, and otherwise never answers.
    fn then_never(self) -> Answer<T> {
        Box::pin(async move {
            self.await?;
            std::future::pending().await
        })
    }
}

/// A workspace whose calls work in this editor, and where they said that they do.
fn at(editor: &Arc<Fake>) -> (Workspace, Arc<Mutex<Vec<Option<String>>>>) {
    let mut work = Workspace::new();
    let places = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&places);
    work.context.desk = Desk::Editor(InEditor {
        editor: Arc::clone(editor) as Arc<dyn Editor>,
        placed: Arc::new(move |terminal| told.lock().unwrap().push(terminal.map(ToString::to_string))),
    });
    (work, places)
}

fn trouble(outcome: &Outcome) -> (&Trouble, bool) {
    match &outcome.details {
        Details::Failure(ToolFailure::Editor { trouble, unsure, .. }) => (trouble, *unsure),
        other => panic!("{other:?}: {}", outcome.text),
    }
}

#[tokio::test]
async fn what_is_open_is_read_and_changed_and_the_disk_is_left_alone() {
    let editor = Fake::new(ALL);
    let (work, places) = at(&editor);
    let path = work.file("a.txt", "saved\n");
    editor.holds(&path, "saved\n");
    assert_eq!(
        work.call("read", json!({ "path": "a.txt" })).await.text,
        "saved\n"
    );

    editor.holds(&path, "one\r\ntwo\r\n");
    let read = work.call("read", json!({ "path": "a.txt", "offset": 2 })).await;
    assert_eq!(
        read.text,
        "two\r\n[This is what the editor `pen` has. It is not saved: the disk, and with it `grep` and commands, has \
         something else.]"
    );
    let edits = json!([{ "old_text": "two\n", "new_text": "three\n" }]);
    let edited = work
        .call("edit", json!({ "path": "a.txt", "edits": edits }))
        .await;
    assert_eq!(
        work.plain(&edited.text),
        "Edited WORK/a.txt (1 replacement) in the editor `pen`"
    );
    let Details::Change(change) = &edited.details else {
        panic!("{edited:?}")
    };
    assert_eq!(
        change.diff.as_ref().map(|diff| (diff.added, diff.removed)),
        Some((1, 1))
    );
    assert_eq!(editor.text(&path).unwrap(), "one\r\nthree\r\n");
    // What is not in the text that is open is not there, whatever the disk has.
    let edits = json!([{ "old_text": "saved", "new_text": "x" }]);
    let failed = work
        .failure("edit", json!({ "path": "a.txt", "edits": edits }))
        .await;
    assert!(matches!(failed, ToolFailure::Mismatch { .. }), "{failed:?}");
    let written = work
        .call("write", json!({ "path": "a.txt", "content": "all\n" }))
        .await;
    assert_eq!(
        work.plain(&written.text),
        "Replaced WORK/a.txt (4 bytes) in the editor `pen`"
    );
    assert_eq!(editor.text(&path).unwrap(), "all\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), "saved\n");
    assert_eq!(
        editor.asked(),
        ["read", "read", "read", "write", "read", "read", "write"]
    );
    // Each call says once where it works.
    assert_eq!(*places.lock().unwrap(), [None, None, None, None, None]);
}

#[tokio::test]
async fn files_that_only_one_of_the_two_has() {
    let editor = Fake::new(ALL);
    let (work, _) = at(&editor);
    let open = work.root.join("new.txt");
    editor.holds(&open, "draft\n");
    let read = work.call("read", json!({ "path": "new.txt" })).await;
    assert_eq!(
        read.text,
        "draft\n[This is what the editor `pen` has. On the disk there is no such file.]"
    );
    let failed = work.failure("read", json!({ "path": "none.txt" })).await;
    assert!(matches!(failed, ToolFailure::NotFound { .. }), "{failed:?}");
    // One that the editor keeps to itself is not read behind its back.
    work.file("hidden.txt", "hidden\n");
    let hidden = work.call("read", json!({ "path": "hidden.txt" })).await;
    assert_eq!(
        trouble(&hidden),
        (&Trouble::Refused("it has no such file".to_owned()), false)
    );
    let created = work
        .call("write", json!({ "path": "deep/new.txt", "content": "x" }))
        .await;
    assert_eq!(
        work.plain(&created.text),
        "Created WORK/deep/new.txt (1 bytes) in the editor `pen`"
    );
    assert!(work.root.join("deep").is_dir());
    assert!(!work.root.join("deep/new.txt").exists());
}

#[tokio::test]
async fn the_editor_does_not_hear_of_what_is_refused_or_is_no_text() {
    let editor = Fake::new(ALL);
    let (work, places) = at(&editor);
    // As when a link is put there between the decision and the call.
    let judged = work.judged("read", json!({ "path": "link.txt" }));
    symlink(&work.outside, work.root.join("link.txt"));
    let swapped = glasswork_agent_session::tools::run(judged, &work.context).await;
    assert!(matches!(
        swapped.details,
        Details::Failure(ToolFailure::PathChanged { .. })
    ));
    make_fifo(&work.root.join("pipe"));
    let failed = work.failure("read", json!({ "path": "pipe" })).await;
    assert!(matches!(failed, ToolFailure::NotAFile { .. }), "{failed:?}");
    work.file("b.bin", b"\0\x01");
    let failed = work.failure("read", json!({ "path": "b.bin" })).await;
    assert!(matches!(failed, ToolFailure::Binary { .. }), "{failed:?}");
    let edits = json!([{ "old_text": "\u{1}", "new_text": "\u{2}" }]);
    work.call("edit", json!({ "path": "b.bin", "edits": edits }))
        .await;
    assert_eq!(fs::read(work.root.join("b.bin")).unwrap(), b"\0\x02");
    assert_eq!(editor.asked(), Vec::<String>::new());
    assert_eq!(*places.lock().unwrap(), []);
}

#[tokio::test]
async fn an_editor_that_leaves_refuses_or_is_silent_is_a_failure_that_says_so() {
    let edit = || {
        let edits = json!([{ "old_text": "a", "new_text": "b" }]);
        ("edit", json!({ "path": "a.txt", "edits": edits }))
    };
    let read = || ("read", json!({ "path": "a.txt" }));
    let table: [(_, Vec<Does>, &str); 6] = [
        (
            read(),
            vec![Does::Fails(EditorError::Gone)],
            "the editor `pen` left before it could read WORK/a.txt",
        ),
        (
            read(),
            vec![Does::Fails(EditorError::Refused("busy".to_owned()))],
            "the editor `pen` did not read WORK/a.txt: busy",
        ),
        (
            read(),
            vec![Does::Hangs],
            "the editor `pen` was asked to read WORK/a.txt and did not answer for 0 seconds",
        ),
        (
            edit(),
            vec![Does::Serves, Does::Fails(EditorError::Gone)],
            "the editor `pen` left before it could write WORK/a.txt. Whether it is done all the same is not known: look \
             before you try again",
        ),
        (
            edit(),
            vec![
                Does::Serves,
                Does::Fails(EditorError::Refused("read-only".to_owned())),
            ],
            "the editor `pen` did not write WORK/a.txt: read-only",
        ),
        (
            edit(),
            vec![Does::Serves, Does::Hangs],
            "the editor `pen` was asked to write WORK/a.txt and did not answer for 0 seconds. Whether it is done all the \
             same is not known: look before you try again",
        ),
    ];
    for ((tool, arguments), does, told) in table {
        let editor = Fake::new(ALL);
        let (mut work, _) = at(&editor);
        // Who answers at once is in time.
        work.context.limits.editor_time = Duration::ZERO;
        let path = work.file("a.txt", "a\n");
        editor.holds(&path, "a\n");
        editor.does(does);
        let outcome = work.call(tool, arguments).await;
        assert_eq!(work.plain(&outcome.text), told);
        assert!(outcome.is_error);
        // Nothing of it is done on the disk instead.
        assert_eq!(fs::read_to_string(&path).unwrap(), "a\n");
    }
}

#[tokio::test]
async fn a_cancel_does_not_wait_for_a_text_and_waits_for_a_write() {
    let editor = Fake::new(ALL);
    let (work, _) = at(&editor);
    let path = work.file("a.txt", "a\n");
    editor.holds(&path, "a\n");
    let cancel = work.context.cancel.clone();
    *editor.on_write.lock().unwrap() = Some(Box::new(move || cancel.cancel()));
    let written = work
        .call("write", json!({ "path": "a.txt", "content": "b\n" }))
        .await;
    assert_eq!(
        (written.is_error, editor.text(&path).unwrap()),
        (false, "b\n".to_owned())
    );
    editor.does([Does::Hangs]);
    let read = work.failure("read", json!({ "path": "a.txt" })).await;
    assert_eq!(read, ToolFailure::Cancelled);
}

/// Each reads what the one before it wrote: nothing is lost.
#[tokio::test]
async fn edits_of_one_file_take_turns_in_an_editor_too() {
    let editor = Fake::new(ALL);
    let (work, _) = at(&editor);
    let path = work.file("a.txt", "");
    let lines = |name: &str| (0..4).map(|line| format!("{name}{line};\n")).collect::<String>();
    editor.holds(&path, &lines("old"));
    let edit = |line: u8| {
        let edits = json!([{ "old_text": format!("old{line};"), "new_text": format!("new{line};") }]);
        work.call("edit", json!({ "path": "a.txt", "edits": edits }))
    };
    let (first, second, third, fourth) = tokio::join!(edit(0), edit(1), edit(2), edit(3));
    for edited in [first, second, third, fourth] {
        assert!(!edited.is_error, "{}", edited.text);
    }
    assert_eq!(editor.text(&path).unwrap(), lines("new"));
}

#[tokio::test]
async fn a_text_of_an_editor_has_the_limits_of_a_file() {
    let editor = Fake::new(ALL);
    let (mut work, _) = at(&editor);
    work.context.limits.edit_bytes = 10;
    let path = work.file("a.txt", "x");
    editor.holds(&path, "0123456789");
    assert!(!work.call("read", json!({ "path": "a.txt" })).await.is_error);
    editor.holds(&path, "0123456789x");
    let edits = json!([{ "old_text": "x", "new_text": "y" }]);
    for (tool, arguments) in [
        ("read", json!({ "path": "a.txt" })),
        ("edit", json!({ "path": "a.txt", "edits": edits })),
    ] {
        let failed = work.failure(tool, arguments).await;
        assert!(
            matches!(
                failed,
                ToolFailure::TooLarge {
                    len: 11,
                    most: 10,
                    ..
                }
            ),
            "{failed:?}"
        );
    }
    assert_eq!(editor.text(&path).unwrap(), "0123456789x");
}

#[tokio::test]
async fn secrets_of_a_text_that_is_open_are_masked_and_put_back() {
    let editor = Fake::new(ALL);
    let (work, _) = at(&editor);
    let path = work.file(".env", "");
    let key = format!("ghp_{}", "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0dE3fG6");
    editor.holds(&path, &format!("TOKEN={key}\nNAME=a\n"));
    let read = work.call("read", json!({ "path": ".env" })).await;
    assert!(
        read.text.contains("[secret:") && !read.text.contains(&key),
        "{}",
        read.text
    );
    let masked = read.text.lines().next().unwrap();
    let edits = json!([{ "old_text": format!("{masked}\nNAME=a"), "new_text": format!("{masked}\nNAME=b") }]);
    let edited = work.call("edit", json!({ "path": ".env", "edits": edits })).await;
    assert!(!edited.is_error, "{}", edited.text);
    assert_eq!(editor.text(&path).unwrap(), format!("TOKEN={key}\nNAME=b\n"));
}

#[tokio::test]
async fn of_several_editors_the_first_that_lends_it_is_asked_and_none_that_left() {
    let (editors, session) = (Arc::new(Editors::default()), ScopeId::mint());
    let reads = |offers: Offers| offers.read;
    let lends = |read| {
        Fake::new(Offers {
            read,
            ..Offers::default()
        })
    };
    let (without, first, second) = (lends(false), lends(true), lends(true));
    let lend = |editor: &Arc<Fake>| editors.lend(session, Arc::clone(editor) as Arc<dyn Editor>);
    let same = |editor: &Arc<Fake>| {
        let found = editors.of(session, reads);
        found.is_some_and(|found| std::ptr::addr_eq(Arc::as_ptr(&found), Arc::as_ptr(editor)))
    };
    let _without = lend(&without);
    let first_loan = lend(&first);
    let second_loan = lend(&second);
    assert!(same(&first));
    assert!(editors.of(ScopeId::mint(), reads).is_none());
    drop(first_loan);
    assert!(same(&second));
    drop(second_loan);
    assert!(editors.of(session, reads).is_none());
}

fn exits(editor: &Fake, text: &str, code: Option<u32>, signal: Option<&str>) {
    *editor.exit.lock().unwrap() = Some(TerminalExit {
        code,
        signal: signal.map(str::to_owned),
    });
    editor.shows.lock().unwrap().text = text.to_owned();
}

#[tokio::test]
async fn a_command_runs_in_a_terminal_that_is_given_back() {
    let editor = Fake::new(ALL);
    let (work, places) = at(&editor);
    let table = [
        ("hello\n", Some(0), None, "hello\n", End::Exited(0)),
        ("", Some(3), None, "[no output]\n[Exit code 3.]\n", End::Exited(3)),
        (
            "half",
            None,
            Some("SIGKILL"),
            "half\n[Ended by signal 9.]\n",
            End::Signalled(9),
        ),
        (
            "x\n",
            None,
            Some("strange"),
            "x\n[Ended by a signal.]\n",
            End::Signalled(0),
        ),
        (
            "x\n",
            None,
            None,
            "x\n[The editor does not say how the command ended.]\n",
            End::Unknown,
        ),
    ];
    for (shows, code, signal, told, end) in table {
        exits(&editor, shows, code, signal);
        let ran = work.call("bash", json!({ "command": "make" })).await;
        assert_eq!(ran.text, told);
        assert_eq!(ran.is_error, end != End::Exited(0), "{told}");
        let Details::Command(command) = &ran.details else {
            panic!("{ran:?}")
        };
        assert_eq!(command.end, end);
        assert_eq!(editor.asked(), ["start", "exit", "output", "release t1"]);
        assert_eq!(
            std::mem::take(&mut *places.lock().unwrap()),
            [Some("t1".to_owned())]
        );
    }
    let started = editor.started.lock().unwrap().take().unwrap();
    assert_eq!(started.program, "bash");
    assert_eq!(started.arguments, ["-c", "make"]);
    assert_eq!(started.directory, work.root);
    let variables: BTreeMap<String, String> = started.environment.into_iter().collect();
    assert_eq!(variables["OPENAI_ACCESS_TOKEN"], "");
    assert_eq!(variables["GIT_TERMINAL_PROMPT"], "0");
    assert!(
        variables["GLASSWORK_CALL"].starts_with(&format!("{}@", work.call_id())),
        "{variables:?}"
    );
}

#[tokio::test]
async fn of_a_long_output_the_end_is_told_and_all_that_the_editor_kept_is_a_blob() {
    let editor = Fake::new(ALL);
    let (mut work, _) = at(&editor);
    work.context.limits.lines = 2;
    exits(&editor, "one\ntwo\nthree\n", Some(0), None);
    editor.shows.lock().unwrap().truncated = true;
    let ran = work.call("bash", json!({ "command": "count" })).await;
    let Details::Command(command) = &ran.details else {
        panic!("{ran:?}")
    };
    let blob = command.output.as_ref().unwrap();
    assert_eq!(work.context.blobs.get(blob).unwrap(), b"one\ntwo\nthree\n");
    assert!(
        ran.text.starts_with("two\nthree\n[Only the end of the output"),
        "{}",
        ran.text
    );
    assert!(
        ran.text
            .ends_with("[The editor kept no more than the last 1 MiB of the output.]\n"),
        "{}",
        ran.text
    );
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_killed_and_its_terminal_given_back() {
    let editor = Fake::new(ALL);
    let (mut work, _) = at(&editor);
    work.context.limits.command_time = Duration::ZERO;
    editor.shows.lock().unwrap().text = "so far\n".to_owned();
    let ran = work.call("bash", json!({ "command": "sleep" })).await;
    assert_eq!(
        ran.text,
        "so far\n[Ended after 0 seconds. Give a longer timeout if it needs one.]\n"
    );
    assert_eq!(editor.asked(), ["start", "exit", "kill", "output", "release t1"]);

    // The same for one that is cancelled; and what it says meanwhile is told.
    work.context.limits.command_time = Duration::from_secs(3600);
    work.context.limits.terminal_interval = Duration::ZERO;
    let (heard, cancel) = (Arc::new(Mutex::new(Vec::new())), work.context.cancel.clone());
    let said = Arc::clone(&heard);
    work.context.progress = Arc::new(move |tail| {
        said.lock().unwrap().push(tail.to_owned());
        cancel.cancel();
    });
    let ran = work.call("bash", json!({ "command": "sleep" })).await;
    assert_eq!(ran.text, "so far\n[Cancelled.]\n");
    assert_eq!(*heard.lock().unwrap(), ["so far\n"]);
    assert_eq!(
        editor.asked(),
        ["start", "exit", "output", "kill", "output", "release t1"]
    );
}

#[tokio::test]
async fn an_editor_that_leaves_while_a_command_runs_is_a_failure_and_nothing_of_it_runs_on() {
    let editor = Fake::new(ALL);
    let (work, _) = at(&editor);
    exits(&editor, "", None, None);
    editor.does([Does::Serves, Does::Fails(EditorError::Gone)]);
    // As the editor's terminal would have left it behind.
    let left = Arc::new(Mutex::new(None));
    let slot = Arc::clone(&left);
    let (mut reads, held) = std::io::pipe().unwrap();
    let held = Mutex::new(Some(held));
    let mut context = work.context.clone();
    let Desk::Editor(desk) = &mut context.desk else {
        panic!("it works in an editor")
    };
    let started = Arc::clone(&editor);
    desk.placed = Arc::new(move |_| {
        let command = started.started.lock().unwrap().clone().unwrap();
        let child = std::process::Command::new("sleep")
            .arg("1000")
            .envs(command.environment)
            .stdin(std::process::Stdio::null())
            .stdout(held.lock().unwrap().take().unwrap())
            .spawn();
        *slot.lock().unwrap() = Some(child.unwrap());
    });
    let call = work.judged("bash", json!({ "command": "serve" }));
    let ran = glasswork_agent_session::tools::run(call, &context).await;
    assert_eq!(trouble(&ran), (&Trouble::Left, true), "{}", ran.text);
    // It holds the other end of this pipe until it has ended.
    let read = tokio::task::spawn_blocking(move || std::io::Read::read_to_end(&mut reads, &mut Vec::new()));
    assert_eq!(read.await.unwrap().unwrap(), 0);
    let mut child = left.lock().unwrap().take().unwrap();
    child.wait().unwrap();
}

#[tokio::test]
async fn where_the_editor_is_not_there_any_more_the_disk_is_and_says_so() {
    let mut work = Workspace::new();
    work.context.desk = Desk::Left("pen".into());
    work.file("a.txt", "saved\n");
    assert_eq!(
        work.call("read", json!({ "path": "a.txt" })).await.text,
        "saved\n[The editor `pen` has left, and with it what was not saved: this is the file on the disk.]"
    );
    assert_eq!(
        work.call("bash", json!({ "command": "echo x" })).await.text,
        "x\n[The editor `pen` has left: this ran in a shell of this machine.]"
    );
}

//! `bash`, with commands that behave badly.

use std::fs;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use glasswork_agent_session::tools::bash::{Command, End};
use glasswork_agent_session::tools::{Details, Outcome, run};
use serde_json::json;
use tokio::sync::mpsc;

use crate::support::{Workspace, alone, most_memory};

fn command(outcome: &Outcome) -> &Command {
    match &outcome.details {
        Details::Command(command) => command,
        other => panic!("{other:?}"),
    }
}

/// A call that hangs fails its test instead of stopping all of them.
async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), work)
        .await
        .expect("it hangs")
}

async fn bash(work: &Workspace, script: &str) -> Outcome {
    soon(work.call("bash", json!({ "command": script }))).await
}

/// Whether a process runs: one that only waits to be reaped does not.
fn runs(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !matches!(
            stat.rsplit(')').next().unwrap().trim_start().chars().next(),
            Some('Z' | 'X')
        )
    })
}

#[tokio::test]
async fn a_command_tells_what_it_says_and_how_it_ends() {
    let work = Workspace::new();
    for (script, text, end) in [
        ("echo hello", "hello\n", End::Exited(0)),
        ("true", "[no output]\n", End::Exited(0)),
        ("printf x", "x\n", End::Exited(0)),
        (
            "echo a; echo b >&2; echo c; echo d >&2",
            "a\nb\nc\nd\n",
            End::Exited(0),
        ),
        ("cat; echo read", "read\n", End::Exited(0)),
        ("pwd; echo \"$PWD\"", "WORK\nWORK\n", End::Exited(0)),
        ("echo no; exit 3", "no\n[Exit code 3.]\n", End::Exited(3)),
        ("exit 128", "[no output]\n[Exit code 128.]\n", End::Exited(128)),
        (
            "kill -9 $$",
            "[no output]\n[Exit code 137, as after signal 9.]\n",
            End::Exited(137),
        ),
        (
            "kill -TERM $$",
            "[no output]\n[Exit code 143, as after signal 15.]\n",
            End::Exited(143),
        ),
        ("[[ -n $BASH_VERSION ]] && echo $0", "bash\n", End::Exited(0)),
        ("printf '\\377\\n'", "\u{FFFD}\n", End::Exited(0)),
        // Output that is closed early is no end.
        (
            "exec >&- 2>&-; exit 4",
            "[no output]\n[Exit code 4.]\n",
            End::Exited(4),
        ),
        // No terminal to ask on.
        ("(: </dev/tty) 2>/dev/null || echo none", "none\n", End::Exited(0)),
    ] {
        let got = bash(&work, script).await;
        assert_eq!(
            (work.plain(&got.text).as_str(), command(&got).end),
            (text, end),
            "{script}"
        );
        assert_eq!(got.is_error, end != End::Exited(0), "{script}");
        assert_eq!(command(&got).leftovers, [], "{script}");
    }
    let got = bash(&work, "no-such-program-anywhere").await;
    assert!(
        got.text.contains("command not found\n[Exit code 127.]"),
        "{}",
        got.text
    );
}

#[test]
fn secrets_of_providers_stay_here() {
    let environment = [
        ("ANTHROPIC_API_KEY", "hush-1"),
        ("NEW_PROVIDER_API_KEY", "hush-2"),
        ("ANTHROPIC_AUTH_TOKEN", "hush-3"),
        ("HARMLESS", "plain"),
        ("PAGER", "less"),
        ("NO_COLOR", "1"),
    ];
    if !alone("commands::secrets_of_providers_stay_here", "", &environment) {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let work = Workspace::new();
        let got = bash(&work, "env; cat /proc/$PPID/environ | tr '\\0' '\\n'")
            .await
            .text;
        assert!(!got.contains("hush"), "{got}");
        for line in [
            "HARMLESS=plain",
            "NO_COLOR=1",
            "AI_AGENT=glasswork",
            "PAGER=cat",
            "GIT_PAGER=cat",
            "GIT_TERMINAL_PROMPT=0",
        ] {
            assert!(got.lines().any(|got| got == line), "{line} in {got}");
        }
        let mark = format!("GLASSWORK_CALL={}@", work.call_id());
        assert!(got.lines().any(|line| line.starts_with(&mark)), "{got}");
    });
}

#[test]
fn without_bash_there_is_sh() {
    let folder = tempfile::tempdir().unwrap();
    crate::support::symlink("/bin/sh", folder.path().join("sh"));
    if !alone(
        "commands::without_bash_there_is_sh",
        "",
        &[("PATH", folder.path().to_str().unwrap())],
    ) {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    assert_eq!(
        runtime
            .block_on(async { bash(&Workspace::new(), "echo $0").await })
            .text,
        "sh\n"
    );
}

#[tokio::test]
async fn long_output_is_told_from_its_end_and_kept_whole() {
    let work = Workspace::new();
    let got = bash(&work, "seq 1 5000").await;
    let whole: String = (1..=5000).map(|n| format!("{n}\n")).collect();
    let blob = command(&got).output.unwrap();
    assert_eq!(work.context.blobs.get(&blob).unwrap(), whole.as_bytes());
    let last: String = (3001..=5000).map(|n| format!("{n}\n")).collect();
    assert_eq!(
        got.text,
        format!(
            "{last}[Only the end of the output: it had 5000 lines, 23 KiB.]\n[All of it is kept in {}]\n",
            work.context.blobs.path(&blob.digest).display()
        )
    );
    assert!(command(&got).truncated && !got.is_error);

    // By bytes: 51 lines of 1 KiB.
    let got = bash(&work, "for n in $(seq 51); do printf '%1023s\\n' $n; done").await;
    assert_eq!(got.text.lines().filter(|line| line.len() == 1023).count(), 50);
    assert_eq!(command(&got).output.unwrap().len, 51 * 1024);
    // A last line without an end is one too many as well.
    let got = bash(&work, "seq 1 2000; printf x").await;
    assert_eq!(
        (command(&got).truncated, command(&got).output.unwrap().len),
        (true, 8894)
    );
    // What just fits is not kept.
    let got = bash(&work, "seq 1 2000").await;
    assert_eq!((command(&got).truncated, command(&got).output), (false, None));
}

#[tokio::test]
async fn a_command_that_never_ends_is_ended() {
    let mut work = Workspace::new();
    work.context.limits.grace = Duration::from_millis(200);
    let got = soon(work.call("bash", json!({"command": "echo begun; sleep 1000", "timeout": 1}))).await;
    assert_eq!(
        got.text,
        "begun\n[Ended after 1 seconds. Give a longer timeout if it needs one.]\n"
    );
    assert_eq!((got.is_error, command(&got).end), (true, End::TimedOut(1000)));
    // The default counts where the call says nothing.
    work.context.limits.command_time = Duration::from_millis(50);
    assert_eq!(command(&bash(&work, "sleep 1000").await).end, End::TimedOut(50));
    // It may say last words, and one that will not go is killed.
    for script in [
        "trap 'echo bye; exit 0' TERM; while :; do sleep 1000 & wait; done",
        "trap '' TERM; echo bye; sleep 1000; sleep 1000",
    ] {
        work.context.limits.command_time = Duration::from_millis(300);
        let got = bash(&work, script).await;
        assert!(got.text.starts_with("bye\n"), "{script}: {}", got.text);
        assert_eq!(command(&got).survivors, []);
    }
}

#[tokio::test]
async fn last_words_may_be_long_and_take_programs() {
    let mut work = Workspace::new();
    work.context.limits.grace = Duration::from_secs(30);
    // It takes its time, so that it is seen to have come later.
    let tidy =
        r#"printf "%300000s" x; bash -c "for ((n = 0; n < 200000; n++)); do :; done; echo tidied"; exit 0"#;
    let script = format!("trap '{tidy}' TERM; while :; do sleep 1000 & wait; done");
    let got = soon(work.call("bash", json!({"command": script, "timeout": 1}))).await;
    assert!(got.text.contains("tidied\n"), "{}", got.text);
    assert_eq!(
        (command(&got).output_bytes, command(&got).end),
        (300_007, End::TimedOut(1000))
    );
}

/// Ways to leave a child behind. Each prints its id as soon as that child is out of reach.
const LEAVERS: [&str; 6] = [
    "sleep 1000 & echo $!",
    "setsid sleep 1000 & echo $!",
    // Neither parent, session, environment nor pipe tell whose it is.
    "(setsid env -i sleep 1000 <&- >&- 2>&- & echo $!)",
    "(setsid bash -c 'setsid env -i bash -c \"echo \\$\\$; exec sleep 1000\" & wait $!' &) | head -1",
    // Deaf to SIGTERM.
    "exec 5< <(trap '' TERM; echo $BASHPID; exec 1>&-; sleep 1000); read pid <&5; echo $pid",
    // Stopped.
    "bash -c 'kill -STOP $$; sleep 1000' & until grep -q '^State:.T' /proc/$!/status; do :; done; echo $!",
];

#[tokio::test]
async fn what_a_command_leaves_behind_is_ended_and_told() {
    let mut work = Workspace::new();
    work.context.limits.grace = Duration::from_millis(200);
    for script in LEAVERS {
        let got = bash(&work, script).await;
        let pid: i32 = got
            .text
            .lines()
            .next()
            .unwrap()
            .trim()
            .parse()
            .unwrap_or_else(|_| panic!("{}", got.text));
        assert!(!runs(pid), "{script}: {pid} runs");
        let told = command(&got);
        assert_eq!(
            (told.end, told.survivors.as_slice()),
            (End::Exited(0), &[][..]),
            "{script}"
        );
        assert!(
            told.leftovers.iter().any(|process| process.pid == pid),
            "{script}: {got:?}"
        );
        assert!(
            got.text.contains("[Left running by the command, and ended: "),
            "{}",
            got.text
        );
    }
}

#[tokio::test]
async fn a_cancel_ends_all_that_a_command_started() {
    for leaver in LEAVERS {
        let mut work = Workspace::new();
        work.context.limits.grace = Duration::from_millis(200);
        let (said, mut heard) = mpsc::unbounded_channel();
        work.context.progress = Arc::new(move |text| said.send(text.to_owned()).unwrap());
        let call = work.judged("bash", json!({"command": format!("{leaver}; sleep 1000")}));
        let context = work.context.clone();
        let running = tokio::spawn(async move { run(call, &context).await });
        let pid: i32 = soon(heard.recv())
            .await
            .unwrap()
            .lines()
            .next()
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        work.context.cancel.cancel();
        let got = soon(running).await.unwrap();
        assert!(!runs(pid), "{leaver}: {pid} runs");
        assert_eq!(
            (command(&got).end, got.is_error),
            (End::Cancelled, true),
            "{leaver}"
        );
        assert_eq!(command(&got).survivors, [], "{leaver}");
        assert_eq!(got.text, format!("{pid}\n[Cancelled.]\n"), "{leaver}");
    }
}

#[tokio::test]
async fn a_command_that_kills_its_keeper_does_not_escape() {
    let mut work = Workspace::new();
    work.context.limits.grace = Duration::from_millis(200);
    let got = bash(&work, "setsid sleep 1000 & echo $! $$; kill -9 $PPID; sleep 1000").await;
    let pids: Vec<i32> = got
        .text
        .lines()
        .next()
        .unwrap()
        .split(' ')
        .map(|pid| pid.parse().unwrap())
        .collect();
    assert_eq!(pids.iter().filter(|&&pid| runs(pid)).count(), 0);
    assert_eq!((command(&got).end, got.is_error), (End::Unknown, true));
}

#[tokio::test]
async fn whoever_signals_its_whole_group_gets_its_code_all_the_same() {
    let work = Workspace::new();
    let got = bash(&work, "trap 'echo caught; exit 7' TERM; kill 0; sleep 1000").await;
    assert_eq!(got.text, "caught\n[Exit code 7.]\n");
}

#[tokio::test]
async fn a_dropped_call_leaves_nothing_running() {
    let mut work = Workspace::new();
    let (said, mut heard) = mpsc::unbounded_channel();
    work.context.progress = Arc::new(move |text| said.send(text.to_owned()).unwrap());
    let call = work.judged("bash", json!({"command": "setsid sleep 1000 & echo $! $$; wait"}));
    let context = work.context.clone();
    let running = tokio::spawn(async move { run(call, &context).await });
    let said = soon(heard.recv()).await.unwrap();
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    for pid in said.trim().split(' ') {
        let pid = pid.parse().unwrap();
        // Nobody waited for them: they were killed, and go as soon as the system gets to it.
        soon(async {
            while runs(pid) {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

#[test]
fn a_flood_fills_neither_memory_nor_disk() {
    if !alone("commands::a_flood_fills_neither_memory_nor_disk", "", &[]) {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut work = Workspace::new();
        work.context.limits.output_bytes = 1 << 20;
        let got = bash(&work, "head -c 300000000 /dev/zero | tr '\\0' y; echo; echo end").await;
        let told = command(&got);
        assert_eq!(
            (told.output_bytes, told.output.unwrap().len),
            (300_000_005, 1 << 20)
        );
        assert!(got.text.contains("\nend\n") || got.text.starts_with("end\n"));
        assert!(
            got.text.contains("It was cut: only its first 1 MiB are kept in"),
            "{}",
            got.text
        );

        // One that never stops can still be stopped.
        let (said, mut heard) = mpsc::unbounded_channel();
        work.context.progress = Arc::new(move |_| {
            let _ = said.send(());
        });
        let call = work.judged("bash", json!({"command": "yes"}));
        let context = work.context.clone();
        let running = tokio::spawn(async move { run(call, &context).await });
        soon(heard.recv()).await.unwrap();
        work.context.cancel.cancel();
        assert_eq!(command(&soon(running).await.unwrap()).end, End::Cancelled);
    });
    assert!(most_memory() < 64 * 1024, "{} KiB", most_memory());
}

#[tokio::test]
async fn progress_comes_at_most_four_times_a_second() {
    let mut work = Workspace::new();
    work.context.limits.progress_bytes = 12;
    let told = Arc::new(Mutex::new(Vec::new()));
    let hear = Arc::clone(&told);
    work.context.progress = Arc::new(move |text| {
        hear.lock()
            .unwrap()
            .push((std::time::Instant::now(), text.to_owned()))
    });
    // It talks until its time is over, far more often than is told.
    let got = soon(work.call(
        "bash",
        json!({"command": "while :; do echo 12345; done", "timeout": 1}),
    ))
    .await;
    assert_eq!(command(&got).end, End::TimedOut(1000));
    let told = told.lock().unwrap();
    assert!((2..=5).contains(&told.len()), "{}", told.len());
    for (earlier, later) in told.iter().zip(told.iter().skip(1)) {
        assert!(later.0 - earlier.0 >= Duration::from_millis(240));
    }
    assert!(
        told.iter()
            .all(|(_, text)| text == "12345\n12345\n" || text == "12345\n"),
        "{told:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_beside_each_other_end_only_their_own() {
    let work = Arc::new(Workspace::new());
    let calls: Vec<_> = (0..8)
        .map(|n| {
            let work = Arc::clone(&work);
            // All of them run at the same time and with the same id; half of them leave something behind.
            let leave = if n % 2 == 0 { "sleep 1000 &" } else { "" };
            let script = format!(
                ": > begun-{n}; {leave} until [ \"$(echo begun-* | wc -w)\" = 8 ]; do :; done; echo {n}"
            );
            tokio::spawn(async move { bash(&work, &script).await })
        })
        .collect();
    for (n, call) in calls.into_iter().enumerate() {
        let got = call.await.unwrap();
        assert!(
            got.text.starts_with(&format!("{n}\n")) && !got.is_error,
            "{}",
            got.text
        );
        assert_eq!(command(&got).leftovers.len(), usize::from(n % 2 == 0));
    }
}

#[tokio::test]
async fn a_gone_workspace_is_told() {
    let work = Workspace::new();
    let call = work.judged("bash", json!({"command": "true"}));
    fs::remove_dir(&work.root).unwrap();
    let got = run(call, &work.context).await;
    assert_eq!(
        work.plain(&got.text),
        "WORK does not exist; look for it with `ls` or `find`"
    );
}

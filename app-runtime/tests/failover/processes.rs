//! Several real processes at one file of breakers, some of them killed.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use glasswork_agent_session::runners::Gate as _;
use glasswork_app_runtime::breakers::Breakers;
use glasswork_engine::SystemClock;
use glasswork_session_state::breaker::{Rules, State, Verdict};
use glasswork_testkit::second::{Second, command, plays, say, through};
use tempfile::TempDir;

/// So many that none opens by chance.
const RULES: Rules = Rules {
    failures: 100,
    window: Duration::from_secs(600),
    pause: Duration::from_secs(600),
};

const FAILURES: usize = 20;

fn breakers(home: &Path, rules: Rules) -> Breakers {
    Breakers::below(home, rules, Arc::new(SystemClock::default()))
}

fn fail(breakers: &Breakers) {
    let pass = breakers.admit("p").unwrap();
    breakers.settle("p", pass, Verdict::Failed);
}

#[tokio::test]
async fn no_failure_is_lost_and_one_process_has_the_try() {
    let played = plays("counts", async |home| {
        let all = breakers(home, RULES);
        (0..FAILURES).for_each(|_| fail(&all));
        // Then the try of a breaker whose time is over.
        let tries = breakers(home, RULES);
        if tries.admit("q").is_ok() {
            say("try q");
        }
    })
    .await;
    if played {
        return;
    }
    let home = TempDir::new().unwrap();
    let at_once = Rules {
        failures: 1,
        pause: Duration::ZERO,
        ..RULES
    };
    let first = breakers(home.path(), at_once);
    let pass = first.admit("q").unwrap();
    first.settle("q", pass, Verdict::Failed);

    let test = "processes::no_failure_is_lost_and_one_process_has_the_try";
    let all: Vec<_> = (0..4)
        .map(|_| Second::start(command(test, "counts", home.path())))
        .collect();
    let said: Vec<_> = all.into_iter().map(Second::end).collect();
    let tries = said.iter().flat_map(|said| said.all("try")).count();
    assert_eq!(tries, 1, "{said:?}");
    let now = first.now().unwrap();
    assert_eq!(now["p"].failures.len(), 4 * FAILURES);
    assert_eq!(now["q"].state, State::HalfOpen);
}

#[tokio::test]
async fn whoever_is_killed_while_it_writes_leaves_a_whole_file_and_no_lock() {
    let played = plays("writes", async |home| {
        let all = breakers(home, RULES);
        loop {
            // First of all: whoever was killed before this one left failures, and a hundred of them open the breaker.
            let pass = all.admit("p").unwrap();
            all.settle("p", pass, Verdict::Answered);
            (0..50).for_each(|_| fail(&all));
        }
    })
    .await;
    if played {
        return;
    }
    let test = "processes::whoever_is_killed_while_it_writes_leaves_a_whole_file_and_no_lock";
    let home = TempDir::new().unwrap();
    for milliseconds in [40, 55, 70, 85, 100, 115] {
        // The system kills it, wherever it is.
        let inner = command(test, "writes", home.path());
        let seconds = format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000);
        let killed = through("timeout", &["-s", "KILL", &seconds], &inner);
        let _ = Second::start(killed).end();
        let all = breakers(home.path(), RULES);
        let before = all
            .now()
            .unwrap()
            .get("p")
            .map_or(0, |breaker| breaker.failures.len());
        fail(&all);
        let after = all.now().unwrap()["p"].failures.len();
        assert_eq!(after, before + 1);
    }
}

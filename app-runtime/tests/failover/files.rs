//! The file of the breakers: what lasts, what is damaged, and what cannot be written.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use glasswork_agent_session::runners::Gate as _;
use glasswork_app_runtime::breakers::Breakers;
use glasswork_engine::{Timestamp, VirtualClock};
use glasswork_session_state::breaker::{Rules, State, Verdict};
use tempfile::TempDir;

const RULES: Rules = Rules {
    failures: 3,
    window: Duration::from_secs(60),
    pause: Duration::from_secs(30),
};

fn clock() -> Arc<VirtualClock> {
    Arc::new(VirtualClock::at(Timestamp(1_795_236_311_000_000)))
}

fn fails(breakers: &Breakers, times: usize) {
    for _ in 0..times {
        let pass = breakers.admit("p").unwrap();
        breakers.settle("p", pass, Verdict::Failed);
    }
}

#[test]
fn all_processes_see_one_breaker_and_one_of_them_has_the_try() {
    let (home, clock) = (TempDir::new().unwrap(), clock());
    let process = || Breakers::below(home.path(), RULES, clock.clone());
    let (one, other) = (process(), process());
    fails(&one, 1);
    fails(&other, 1);
    fails(&one, 1);
    for breakers in [&one, &other, &process()] {
        assert_eq!(breakers.admit("p").unwrap_err().state, State::Open);
        assert!(breakers.admit("another").is_ok());
    }
    clock.advance(Duration::from_secs(31));
    let pass = other.admit("p").unwrap();
    for breakers in [&one, &other, &process()] {
        assert_eq!(breakers.admit("p").unwrap_err().state, State::HalfOpen);
    }
    other.settle("p", pass, Verdict::Answered);
    assert!(one.admit("p").is_ok());
    // As new again: nothing is kept of it.
    assert!(one.now().unwrap().is_empty());
}

#[test]
fn a_person_can_reset_one_or_all() {
    let (home, clock) = (TempDir::new().unwrap(), clock());
    let one = Breakers::below(home.path(), RULES, clock.clone());
    assert_eq!(one.reset(None).unwrap(), Vec::<Arc<str>>::new());
    assert!(!one.file().exists(), "there was nothing to write");
    fails(&one, 3);
    let pass = one.admit("q").unwrap();
    one.settle("q", pass, Verdict::Failed);
    let other = Breakers::below(home.path(), RULES, clock);
    assert_eq!(other.reset(Some("none")).unwrap(), Vec::<Arc<str>>::new());
    assert_eq!(other.reset(Some("p")).unwrap(), ["p".into()]);
    assert!(one.admit("p").is_ok());
    assert_eq!(other.reset(None).unwrap(), ["q".into()]);
}

/// No breaker is worth that nothing can be asked.
#[test]
fn a_damaged_file_stops_nobody_and_is_moved_aside() {
    for text in [
        "",
        "{",
        "[]",
        "nonsense",
        r#"{"version":1,"providers":{"p":{"state":"ajar"}}}"#,
    ] {
        let (home, clock) = (TempDir::new().unwrap(), clock());
        let file = home.path().join("breakers.json");
        fs::write(&file, text).unwrap();
        let breakers = Breakers::below(home.path(), RULES, clock);
        assert!(breakers.now().is_err(), "{text}");
        fails(&breakers, 3);
        assert_eq!(breakers.admit("p").unwrap_err().state, State::Open, "{text}");
        let aside = fs::read_to_string(home.path().join("breakers.json.damaged")).unwrap();
        assert_eq!(aside, text);
        assert_eq!(breakers.now().unwrap().len(), 1);
    }
}

/// What a clock had noted that ran an hour ahead shuts nobody out.
#[test]
fn a_clock_that_was_set_back_is_seen_through() {
    let (home, late) = (TempDir::new().unwrap(), clock());
    late.advance(Duration::from_secs(3_600));
    fails(&Breakers::below(home.path(), RULES, late), 3);
    let now = Breakers::below(home.path(), RULES, clock());
    assert!(now.admit("p").is_ok(), "a try");
    assert_eq!(now.admit("p").unwrap_err().state, State::HalfOpen);
}

#[test]
fn where_nothing_can_be_written_it_counts_in_this_process() {
    let (home, clock) = (TempDir::new().unwrap(), clock());
    // Where the lock should be, there is a folder.
    fs::create_dir(home.path().join("breakers.lock")).unwrap();
    let breakers = Breakers::below(home.path(), RULES, clock.clone());
    fails(&breakers, 3);
    assert_eq!(breakers.admit("p").unwrap_err().state, State::Open);
    clock.advance(Duration::from_secs(31));
    let pass = breakers.admit("p").unwrap();
    breakers.settle("p", pass, Verdict::Answered);
    assert!(breakers.admit("p").is_ok());
    assert!(!Path::new(&home.path().join("breakers.json")).exists());
    assert!(breakers.reset(None).is_err(), "whoever asks is told");
}

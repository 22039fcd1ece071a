//! The file of the breakers: what lasts, what is damaged, and what cannot be written.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use glasswork_agent_session::runners::Gate as _;
use glasswork_app_runtime::breakers::{Breakers, rules};
use glasswork_engine::{Timestamp, VirtualClock};
use glasswork_session_state::breaker::{Rules, State, Verdict};
use glasswork_session_state::host_settings::Settings as HostSettings;
use glasswork_session_state::settings::{Layer, Sourced};
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

/// Whoever sends looks at the file first, and asks no further where nothing is noted there.
#[test]
fn what_another_process_noted_is_seen_before_anything_is_asked() {
    let (home, clock) = (TempDir::new().unwrap(), clock());
    let process = || Breakers::below(home.path(), RULES, clock.clone());
    let (one, other) = (process(), process());
    assert!(one.is_clear("p"));
    fails(&other, 1);
    assert!(!one.is_clear("p"), "a failure that an answer would settle");
    assert!(one.is_clear("q"));
    let pass = one.admit("p").unwrap();
    one.settle("p", pass, Verdict::Answered);
    assert!(other.is_clear("p"));
    for file in ["breakers.json", "breakers.lock"] {
        let mode = fs::metadata(home.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

/// Who waits for the lock keeps nobody waiting who only wants to know: that one is told to ask.
#[test]
fn nobody_waits_for_the_lock_to_learn_that_nothing_is_noted() {
    let (home, clock) = (TempDir::new().unwrap(), clock());
    let breakers = Breakers::below(home.path(), RULES, clock);
    let lock = fs::File::create(home.path().join("breakers.lock")).unwrap();
    lock.lock().unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| fails(&breakers, 1));
        let begun = Instant::now();
        let mut is_told_to_ask = false;
        while !is_told_to_ask && begun.elapsed() < Duration::from_secs(60) {
            is_told_to_ask = !breakers.is_clear("q");
            std::thread::yield_now();
        }
        lock.unlock().unwrap();
        waiting.join().unwrap();
        assert!(is_told_to_ask);
    });
    assert!(breakers.is_clear("q"));
}

#[test]
fn the_settings_say_when_breakers_open() {
    let settings = HostSettings {
        breaker_failures: Sourced::from_layer(7, Layer::User),
        breaker_window_seconds: Sourced::from_layer(8, Layer::User),
        breaker_pause_seconds: Sourced::from_layer(9, Layer::User),
        ..HostSettings::default()
    };
    let expected = Rules {
        failures: 7,
        window: Duration::from_secs(8),
        pause: Duration::from_secs(9),
    };
    assert_eq!(rules(&settings), expected);
    assert_eq!(rules(&HostSettings::default()), Rules::default());
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
        // Whole, and longer than any such file.
        &format!("{}{}", " ".repeat(1 << 20), r#"{"version":1,"providers":{}}"#),
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

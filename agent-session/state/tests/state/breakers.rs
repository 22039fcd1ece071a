//! The circuit breaker of a provider: when it opens, whom it lets through, and what it makes of the clock.

use std::time::Duration;

use glasswork_engine::Timestamp;
use glasswork_session_state::breaker;

fn at(seconds: i64) -> Timestamp {
    Timestamp((1_000_000 + seconds) * 1_000_000)
}

fn rules() -> breaker::Rules {
    breaker::Rules {
        failures: 3,
        window: Duration::from_secs(60),
        pause: Duration::from_secs(30),
    }
}

/// A breaker to which this happened, at these seconds: `f`ailed, `a`nswered, `u`nknown; and whether the next request is
/// let through, at which second it is asked for.
fn check(story: &[(i64, char)], asks: i64, expected: Result<(), (breaker::State, u64)>) {
    use breaker::Verdict as V;
    let mut breaker = breaker::Breaker::default();
    for (second, what) in story {
        let verdict = match what {
            'f' => V::Failed,
            'a' => V::Answered,
            _ => V::Unknown,
        };
        let pass = breaker
            .admit(rules(), at(*second))
            .unwrap_or_else(|refused| panic!("{story:?}: {refused:?}"));
        breaker.settle(pass, verdict, rules(), at(*second));
    }
    let admitted = breaker.admit(rules(), at(asks));
    let short = admitted
        .map(drop)
        .map_err(|refused| (refused.state, refused.wait.as_secs()));
    assert_eq!(short, expected, "{story:?}, asked at {asks}");
}

#[test]
fn a_breaker_opens_after_failures_in_a_row_within_a_window_and_lets_one_try_through() {
    use breaker::State as B;
    let open = [(0, 'f'), (1, 'f'), (2, 'f')];
    check(&open, 2, Err((B::Open, 30)));
    check(&open, 31, Err((B::Open, 1)));
    check(&open, 32, Ok(()));
    check(&[(0, 'f'), (1, 'a'), (2, 'f'), (3, 'f')], 3, Ok(()));
    check(&[(0, 'f'), (1, 'u'), (2, 'f'), (3, 'f')], 3, Err((B::Open, 30)));
    // Too far apart.
    check(&[(0, 'f'), (40, 'f'), (80, 'f')], 80, Ok(()));
    check(&[(0, 'f'), (40, 'f'), (60, 'f')], 60, Err((B::Open, 30)));
    // The try fails, and fails again: twice as long each time, but not for ever.
    let tried = [(0, 'f'), (1, 'f'), (2, 'f'), (32, 'f')];
    check(&tried, 32, Err((B::Open, 60)));
    check(&[&tried[..], &[(92, 'f')]].concat(), 92, Err((B::Open, 120)));
    let mut long = open.to_vec();
    long.extend((1..12).map(|time| (time * 1_000, 'f')));
    check(&long, 11_000, Err((B::Open, 600)));
    // It succeeds: everything is as new, so the count begins again.
    check(
        &[&open[..], &[(32, 'a'), (33, 'f'), (34, 'f')]].concat(),
        34,
        Ok(()),
    );
    check(
        &[&open[..], &[(32, 'a'), (33, 'f'), (34, 'f'), (35, 'f')]].concat(),
        35,
        Err((B::Open, 30)),
    );
    // Nobody can tell what came of it: whoever asks next has the try.
    check(&[&open[..], &[(32, 'u')]].concat(), 32, Ok(()));
}

#[test]
fn of_all_that_ask_a_half_open_breaker_one_is_let_through_until_its_time_is_over() {
    use breaker::Verdict as V;
    let mut breaker = breaker::Breaker::default();
    let early = breaker.admit(rules(), at(0)).unwrap();
    for second in 0..3 {
        let pass = breaker.admit(rules(), at(second)).unwrap();
        breaker.settle(pass, V::Failed, rules(), at(second));
    }
    let first = breaker.admit(rules(), at(40)).unwrap();
    let refused = breaker.admit(rules(), at(41)).unwrap_err();
    assert_eq!(
        (refused.state, refused.wait),
        (breaker::State::HalfOpen, breaker::TRY_AGAIN)
    );
    // What was sent before says nothing of the try, unless it was answered.
    breaker.settle(early, V::Failed, rules(), at(42));
    breaker.settle(early, V::Unknown, rules(), at(42));
    assert_eq!(breaker.state, breaker::State::HalfOpen);
    // The process that had the try is gone, and somebody else gets one; a late word of the first counts no more.
    let second = breaker.admit(rules(), at(101)).unwrap();
    breaker.settle(first, V::Failed, rules(), at(102));
    assert_eq!(breaker.state, breaker::State::HalfOpen);
    breaker.settle(second, V::Failed, rules(), at(103));
    assert_eq!(
        (breaker.state, breaker.until),
        (breaker::State::Open, Some(at(163)))
    );
    breaker.settle(early, V::Answered, rules(), at(104));
    assert_eq!(breaker.state, breaker::State::Closed);
    assert!(breaker.is_new());
}

#[test]
fn a_clock_that_is_set_back_shuts_nobody_out() {
    use breaker::Verdict as V;
    let mut open = breaker::Breaker::default();
    for second in 0..3 {
        let pass = open.admit(rules(), at(second)).unwrap();
        open.settle(pass, V::Failed, rules(), at(second));
    }
    // Back by an hour, and by more than the pause: a try is due, and one only.
    for back in [-3_600, -1] {
        let mut breaker = open.clone();
        breaker.admit(rules(), at(back)).unwrap();
        assert_eq!(
            breaker.admit(rules(), at(back)).unwrap_err().state,
            breaker::State::HalfOpen
        );
    }
    // A pause that no rule could have made.
    let mut endless = open.clone();
    endless.until = Some(at(1_000_000));
    assert!(endless.admit(rules(), at(10)).is_ok());
    // Failures of the future do not count.
    let mut failing = breaker::Breaker::default();
    for second in [3_600, 3_601, 0, 1] {
        let pass = failing.admit(rules(), at(second)).unwrap();
        failing.settle(pass, V::Failed, rules(), at(second));
    }
    assert_eq!(
        (failing.state, failing.failures.len()),
        (breaker::State::Closed, 2)
    );
}

/// However many are set: what is remembered has a cap.
#[test]
fn more_failures_than_are_remembered_open_a_breaker_all_the_same() {
    let patient = breaker::Rules {
        failures: 10 * breaker::MOST_FAILURES,
        window: Duration::from_secs(3_600),
        ..rules()
    };
    let mut breaker = breaker::Breaker::default();
    for second in 0..breaker::MOST_FAILURES {
        assert_eq!(breaker.state, breaker::State::Closed, "after {second}");
        let pass = breaker.admit(patient, at(second.into())).unwrap();
        breaker.settle(pass, breaker::Verdict::Failed, patient, at(second.into()));
    }
    assert_eq!(breaker.state, breaker::State::Open);
    assert_eq!(
        breaker.failures.len(),
        usize::try_from(breaker::MOST_FAILURES).unwrap()
    );
}

#[test]
fn where_no_failures_are_set_no_breaker_opens_and_none_stands_in_the_way() {
    use breaker::Verdict as V;
    let off = breaker::Rules {
        failures: 0,
        ..rules()
    };
    let mut breaker = breaker::Breaker::default();
    for second in 0..1_000 {
        let pass = breaker.admit(off, at(second)).unwrap();
        breaker.settle(pass, V::Failed, off, at(second));
    }
    assert_eq!(breaker.state, breaker::State::Closed);
    assert!(breaker.failures.len() <= 1, "{}", breaker.failures.len());
    // Another process has opened it.
    for second in 0..3 {
        let pass = breaker.admit(rules(), at(second)).unwrap();
        breaker.settle(pass, V::Failed, rules(), at(second));
    }
    assert!(breaker.admit(off, at(3)).is_ok());
}

//! A clock that jumps or stands still: nothing is out of order, nothing is late or early, and nothing young is put away.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that meets what it did not expect shall stop there"
)]

use std::sync::Arc;
use std::time::Duration;

use glasswork_agent_core::turn::State;
use glasswork_app_runtime::archive::{Archive as _, Cursor, Filter, Listing, Sort};
use glasswork_app_runtime::retention::DAY;
use glasswork_app_runtime::sagas::ForkAt;
use glasswork_app_runtime::watching::Watch;
use glasswork_engine::{Clock as _, ScopeId, Timestamp, VirtualClock};
use glasswork_session_state::host_settings::Settings as Keeping;
use glasswork_session_state::settings::{Layer, Mode, Setting, Settings, Sourced};
use glasswork_session_state::{Event, fork};
use glasswork_testkit::house::{House, PATIENCE, scripted};
use strum::VariantArray as _;

const NOW: Timestamp = Timestamp(1_795_236_311_000_000);
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// An answer after a refusal, one after a silence, and one without trouble.
const SCRIPT: &str = r#"(turns: [
    (first: [(say: [fail(class: overloaded, status: 529)])], say: [text("after a refusal")]),
    (first: [(say: [connected, stall])], say: [text("after a silence")]),
    (say: [call("bash", (command: "echo ran >> ran"))]),
    (say: [text("at once")]),
])"#;

const BACK_OFF: Duration = Duration::from_millis(60_000);
const SILENCE: Duration = Duration::from_millis(90_000);

fn settings() -> Settings {
    let flag = |value| Sourced::from_layer(value, Layer::Flag);
    Settings {
        connect_timeout_ms: flag(SILENCE.as_millis() as u64),
        first_token_timeout_ms: flag(SILENCE.as_millis() as u64),
        idle_timeout_ms: flag(SILENCE.as_millis() as u64),
        retry_base_ms: flag(BACK_OFF.as_millis() as u64),
        retry_cap_ms: flag(BACK_OFF.as_millis() as u64),
        retry_budget_ms: flag(3_600_000),
        ..House::settings(Mode::Yolo)
    }
}

async fn until(watch: &mut Watch, state: State) {
    while watch.session().turn.as_ref().map(|turn| turn.state) != Some(state) {
        tokio::time::timeout(PATIENCE, watch.next()).await.unwrap();
    }
}

/// Moves time on until the session's turn is there: it is due then, and not before.
async fn due(
    house: &House,
    clock: &VirtualClock,
    session: ScopeId,
    watch: &mut Watch,
    after: Duration,
    then: State,
) {
    let before = watch.session().turn.as_ref().unwrap().state;
    // Less than is waited for, three quarters of which are fixed: whatever the wall's clock says, nothing happens.
    clock.advance(after * 3 / 4 - Duration::from_millis(1));
    house.runtime().rename(session, "still waiting").await.unwrap();
    assert_eq!(house.now(session).turn.as_ref().unwrap().state, before);
    clock.advance(after / 4 + Duration::from_millis(2));
    until(watch, then).await;
}

/// Holds a session, with this done to the clock in the middle of everything that waits. Where the clock says meanwhile
/// that more time has passed than all attempts may take together, the model is not asked again.
async fn check(jump: impl Fn(&VirtualClock), patient: bool) {
    let clock = VirtualClock::at(NOW);
    let house = House::with(scripted(SCRIPT), Arc::new(clock.clone())).await;
    let before = house.session(settings()).await;
    let session = house.session(settings()).await;
    let mut watch = house.runtime().watch(session).unwrap();
    let mut said = vec![];
    let mut jumped = async || {
        jump(&clock);
        let renamed = house
            .runtime()
            .rename(session, "the clock has jumped")
            .await
            .unwrap();
        said.push((renamed.id.seq, clock.wall()));
    };

    house.runtime().prompt(session, "one", None).await.unwrap();
    until(&mut watch, State::BackingOff).await;
    jumped().await;
    due(&house, &clock, session, &mut watch, BACK_OFF, State::Completed).await;
    house.runtime().prompt(session, "two", None).await.unwrap();
    until(&mut watch, State::Streaming).await;
    jumped().await;
    if !patient {
        due(&house, &clock, session, &mut watch, SILENCE, State::Failed).await;
        house.runtime().prompt(session, "two again", None).await.unwrap();
        until(&mut watch, State::Streaming).await;
    }
    due(&house, &clock, session, &mut watch, SILENCE, State::BackingOff).await;
    if patient {
        jumped().await;
    }
    due(&house, &clock, session, &mut watch, BACK_OFF, State::Completed).await;
    assert_eq!(house.turn(session, "three").await.text, "at once");
    let after = house.session(settings()).await;

    // Commits are in the order of their numbers; each says what the clock said.
    let commits = house.archive().commits(session, 1..=u64::MAX).unwrap();
    let seqs: Vec<u64> = commits.iter().map(|commit| commit.id.seq).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    for (seq, wall) in said {
        let commit = commits.iter().find(|commit| commit.id.seq == seq).unwrap();
        assert_eq!(commit.at, wall);
    }
    assert_eq!(
        std::fs::read_to_string(house.workspace().join("ran")).unwrap(),
        "ran\n"
    );

    // Lists have all of them, by whatever they are sorted, and pages add up.
    let snapshot = house.snapshot();
    for sort in Sort::VARIANTS {
        let mut listing = Listing {
            filter: Filter {
                empty: true,
                ..Filter::default()
            },
            sort: *sort,
            after: None,
            limit: 1,
        };
        let mut listed = Vec::new();
        loop {
            let page = snapshot.page(&listing, None).unwrap();
            listed.extend(page.rows.into_iter().map(|row| row.archived));
            if !page.more {
                break;
            }
            listing.after = listed.last().map(|row| Cursor::behind(row, *sort));
        }
        let mut ids: Vec<ScopeId> = listed.iter().map(|row| row.id).collect();
        assert!(listed.is_sorted_by(|one, other| sort.compare(one, other).is_lt()));
        ids.sort_unstable();
        assert_eq!(
            ids,
            [before, session, after],
            "ids are in the order in which they were minted"
        );
    }
    for id in [before, session, after] {
        assert_eq!(snapshot.find(&id.to_string()).unwrap(), id);
    }
    drop(snapshot);
    // Gone on with from its record, it is the same.
    house.runtime().give_up(session).await.unwrap();
    jump(&clock);
    house.runtime().mount(session).await.unwrap();
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_jump_of_the_clock_changes_an_order_or_a_deadline() {
    let by = |micros: i64| {
        move |clock: &VirtualClock| {
            let wall = clock.wall();
            clock.set_wall(Timestamp(wall.0 + micros));
        }
    };
    let year = i64::try_from(YEAR.as_micros()).unwrap();
    check(by(-1), true).await;
    check(by(-year), true).await;
    check(by(year), false).await;
    // It stands still, and it says that nothing was ever set.
    check(|clock| clock.set_wall(NOW), true).await;
    check(|clock| clock.set_wall(Timestamp(0)), true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_young_is_never_put_away_for_its_age() {
    let clock = VirtualClock::at(NOW);
    let script = format!("(turns: [{}])", r#"(say: [text("Well.")]),"#.repeat(9));
    let house = House::with(scripted(&script), Arc::new(clock.clone())).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let session = house.session(House::settings(Mode::Ask)).await;
        house.turn(session, "one").await;
        house.runtime().give_up(session).await.unwrap();
        held.push(session);
    }
    let keeping = Keeping {
        keep_days: Sourced::from_layer(Some(30), Layer::User),
        ..Keeping::default()
    };
    let drops = |now: Timestamp| {
        let mut drops = house.archive().plan(&keeping, now).unwrap().drop;
        drops.sort_unstable();
        drops
    };
    // A clock that is behind what was said makes nothing old.
    assert_eq!(drops(Timestamp(0)), []);
    assert_eq!(drops(Timestamp(NOW.0 - 1)), []);
    assert_eq!(drops(NOW.after(DAY * 29)), []);
    // Used again, it is young again; and so is a fork, though all that was said in it is old.
    let later = NOW.after(DAY * 100);
    clock.set_wall(later);
    house
        .runtime()
        .set(held[1], Setting::MaxSteps(Sourced::from_layer(9, Layer::Session)))
        .await
        .unwrap();
    house.runtime().give_up(held[1]).await.unwrap();
    let child = house.runtime().fork(held[0], ForkAt::Head).await.unwrap();
    assert_eq!(drops(later), [held[0]]);
    let row = house
        .archive()
        .list()
        .unwrap()
        .into_iter()
        .find(|row| row.id == child)
        .unwrap();
    assert_eq!(
        row.parent,
        Some(held[0]),
        "it says so before anybody has opened it"
    );
    // One that is used under a clock that has jumped back was made later than that.
    clock.set_wall(NOW);
    house.runtime().mount(child).await.unwrap();
    house.turn(child, "two").await;
    house.runtime().give_up(child).await.unwrap();
    assert_eq!(drops(later), [held[0]]);
    // Whose fork it is goes on record once, however often it is opened.
    house.runtime().mount(child).await.unwrap();
    let commits = house.archive().commits(child, 1..=u64::MAX).unwrap();
    let entered = commits
        .iter()
        .filter(|commit| matches!(commit.event, Event::Fork(fork::Event::Entered { .. })));
    assert_eq!(entered.count(), 1);
    house.close().await;
}

use glasswork_engine::test_support::Fixture;
use glasswork_session_state::settings::Settings;
use glasswork_session_state::state::Kind;

use glasswork_session_state::session;

use super::*;

fn title(watch: &Watch) -> Option<&str> {
    watch.session().meta.title.as_deref()
}

fn named(number: u64) -> glasswork_session_state::Event {
    let title = format!("title {number}").into();
    glasswork_session_state::Event::Session(session::Event::Retitled { title })
}

/// Whoever takes the state anew, behind a gap, may find it further on than what was missed. It is that which is said.
#[test]
fn a_gap_says_up_to_where_the_state_has_jumped_and_what_it_jumped_over_does_not_come_again() {
    let fixture = Fixture::<Glasswork>::default();
    let scope = fixture.create(Kind::Session);
    let opened = session::Event::Opened {
        workspace: "/work".into(),
        title: None,
        settings: Box::new(Settings::default()),
        system: vec![],
        tools: vec![],
    };
    fixture
        .ask(scope, glasswork_session_state::Event::Session(opened))
        .unwrap();
    let mut watch = Watch::begin(fixture.reader.clone(), scope).unwrap();
    let begun = watch.seq();
    for number in 1..=5 {
        fixture.ask(scope, named(number)).unwrap();
    }
    // The feed has let go of two, and by the time the state is taken three more were made.
    let (from, to) = (begun + 1, begun + 2);
    let gap = watch.take(FeedItem::Gap { from, to }).unwrap();
    let jumped = begun + 5;
    assert_eq!(
        gap,
        Watched {
            seq: jumped,
            origin: None,
            updates: vec![Update::Gap { from, to: jumped }],
            touches: invalidation::all(),
        }
    );
    assert_eq!((watch.seq(), title(&watch)), (jumped, Some("title 5")));
    // One that lies within it says nothing more, nor do its commits.
    let within = FeedItem::Gap {
        from: begun + 4,
        to: jumped,
    };
    assert_eq!(watch.take(within), None);
    for _ in 1..=5 {
        let item = watch.follower.try_next().unwrap();
        assert_eq!(watch.take(item), None);
    }
    fixture.ask(scope, named(6)).unwrap();
    let item = watch.follower.try_next().unwrap();
    assert_eq!(watch.take(item).unwrap().seq, jumped + 1);
    assert_eq!(title(&watch), Some("title 6"));
}

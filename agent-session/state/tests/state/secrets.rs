//! Placeholders, and counting what they stand for.

use std::sync::Arc;

use glasswork_engine::Origin;
use glasswork_session_state::domain::{Event, Fact};
use glasswork_session_state::secrets::{Placeholder, find, session_tag};
use glasswork_session_state::session;

use crate::world::*;

#[test]
fn placeholders_are_read_strictly() {
    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let found: Vec<String> = find(text).map(|(at, _)| text[at].to_owned()).collect();
        assert_eq!(found, expected, "{text}");
        for (at, placeholder) in find(text) {
            assert_eq!(placeholder.to_string(), text[at]);
        }
    }
    let one = "[secret:github-token:0123abcde:1]";
    check(one, &[one]);
    check(&format!("a{one}{one}]b"), &[one, one]);
    check(
        "[secret:private-key:0123abcde:7.12]",
        &["[secret:private-key:0123abcde:7.12]"],
    );
    check(&format!("[secret:{one}"), &[one]);
    check(&format!("[secret:ä:{one}"), &[one]);
    for none in [
        "",
        "[secret:",
        "[secret:jwt:0123abcde:1",
        "[secret:jwt:0123abcde:01]",
        "[secret:jwt:0123abcde:+1]",
        "[secret:jwt:0123abcde:]",
        "[secret:jwt:0123abcde:1.]",
        "[secret:jwt:0123abcde:99999999999]",
        "[secret:jwt:0123abcd:1]",
        "[secret:jwt:0123ABCDE:1]",
        "[secret:Jwt:0123abcde:1]",
        "[secret::0123abcde:1]",
        "[secret:jwt:0123abcde:1:2]",
    ] {
        check(none, &[]);
    }
    let long = format!("[secret:{}:0123abcde:1]", "a".repeat(100));
    check(&long, &[]);
}

#[test]
fn each_secret_of_the_session_is_counted_once() {
    let mut world = World::new();
    let tag = format!("{}abcde", session_tag(world.session().id));
    let placeholder = |kind: &str, number, part| {
        let (kind, tag) = (kind.to_owned(), tag.clone());
        Placeholder {
            kind: &kind,
            tag: &tag,
            number,
            part,
        }
        .to_string()
    };
    let (jwt, password) = (placeholder("jwt", 1, None), placeholder("password", 2, None));
    let key = [
        placeholder("private-key", 3, Some(1)),
        placeholder("private-key", 3, Some(2)),
    ];
    let foreign = "[secret:jwt:000000000:9]";
    let title = |title: &str| Event::Session(session::Event::Retitled { title: title.into() });
    let mut count = |event: Event| {
        let facts = world.decide(&Origin::User, &event).unwrap().facts;
        let masked = |fact: &&Fact| matches!(fact, Fact::Secrets(_));
        let stated = facts.iter().filter(masked).count();
        world.user(event).unwrap();
        (stated, world.session().masked.counts())
    };
    let counts = |counts: &[(&str, u32)]| -> Vec<(Arc<str>, u32)> {
        counts
            .iter()
            .map(|(kind, count)| (Arc::from(*kind), *count))
            .collect()
    };
    assert_eq!(
        count(title(&format!("{jwt} {foreign} {jwt}"))),
        (1, counts(&[("jwt", 1)]))
    );
    assert_eq!(
        count(title(&format!("{password} {jwt} {}", key.concat()))),
        (2, counts(&[("jwt", 1), ("password", 1), ("private-key", 1)]))
    );
    assert_eq!(count(title(&jwt)).0, 0);
}

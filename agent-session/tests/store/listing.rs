//! What there is, and which one a person means.

use glasswork_agent_session::store::{Listed, Place, StoreError};
use glasswork_engine::{ScopeId, Timestamp};

use crate::home::{Home, Live};
use crate::tally::{Kind, NOW, Till, add, scope};

/// A line for each journal: number of the scope, last commit, or what is wrong.
fn list(home: &Home) -> Vec<String> {
    let describe = |listed: Listed<Kind>| {
        let place = match listed.place {
            Place::Sessions => "session",
            Place::Host => "host",
        };
        match listed.summary {
            Ok(summary) => {
                assert_eq!(Some(summary.scope), listed.scope);
                assert_eq!(summary.bytes, std::fs::metadata(&listed.path).unwrap().len());
                let number = summary.scope.to_string();
                let since = summary.created.since(NOW).as_secs();
                format!("{place} {} at {} made {since}", &number[34..], summary.seq)
            }
            Err(error) => {
                let data = format!("{}/", home.store.data().display());
                format!("{place}: {}", error.to_string().replace(&data, ""))
            }
        }
    };
    home.store.list().map(describe).collect()
}

#[test]
fn everything_is_listed_newest_first_and_what_is_damaged_says_so() {
    let home = Home::new();
    assert_eq!(list(&home), Vec::<String>::new());
    let month = 31 * 86_400;
    let live = Live::start(&Till::default());
    for number in 1..=4 {
        let now = Timestamp(NOW.0 + i64::try_from(number).unwrap() * month * 1_000_000);
        let place = if number == 4 { Place::Host } else { Place::Sessions };
        let created = home.store.create(place, scope(number), Kind::Tally, now).unwrap();
        live.files.attach(created.lease).unwrap();
        crate::tally::wait(live.engine.mount(created.loaded)).unwrap();
        for amount in 1..=number {
            live.send(scope(number), add(u64::try_from(amount).unwrap()))
                .unwrap();
        }
    }
    live.engine.stop();
    let whole = [
        "session 03 at 3 made 8035200",
        "session 02 at 2 made 5356800",
        "session 01 at 1 made 2678400",
        "host 04 at 4 made 10713600",
    ];
    assert_eq!(list(&home), whole);

    // Openings at the end are looked past; more of them than the first look takes in, too.
    for _ in 0..300 {
        home.store.open_for_writing(scope(3), NOW).unwrap();
    }
    // An unfinished last line is not written yet; a broken one is damage.
    let path = home.path(scope(2));
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.truncate(bytes.len() - 10);
    std::fs::write(&path, &bytes).unwrap();
    let path = home.path(scope(1));
    let mut bytes = std::fs::read(&path).unwrap();
    let (header, last) = (
        bytes.iter().position(|byte| *byte == b'\n').unwrap(),
        bytes.len() - 20,
    );
    bytes.drain(header + 20..last);
    std::fs::write(&path, &bytes).unwrap();
    let sessions = home.store.data().join("sessions");
    std::fs::write(sessions.join("2026/12/notes.txt"), "mine").unwrap();
    std::fs::write(sessions.join("2026/12/notes.jsonl"), "mine").unwrap();
    std::os::unix::fs::symlink("/", sessions.join("2025")).unwrap();
    let broken = path
        .strip_prefix(home.store.data())
        .unwrap()
        .display()
        .to_string();
    let expected = [
        whole[0],
        "session 02 at 1 made 5356800",
        "session: sessions/2026/12/notes.jsonl is a file with another kind of name, not a journal, named by its id; \
         move it away or put a journal, named by its id in its place",
        &format!(
            "session: {broken}: line 2 (byte {}): the checksum does not fit: the line was changed, or the line before \
             it is not the one it was written after. Nothing before it can be used; the file is left as it is; \
             `glasswork sessions repair 01970000-0000-7000-8000-000000000001` keeps all that is sound and moves the \
             rest aside",
            header + 1
        ),
        "session: sessions/2025 is a symbolic link, not a folder; move it away or put a folder in its place",
        whole[3],
    ];
    assert_eq!(list(&home), expected);
}

#[test]
fn an_id_or_its_beginning_names_a_scope() {
    let home = Home::new();
    home.journal(ScopeId::from_u128(0xabcd_0000 << 96 | 1), []);
    home.journal(ScopeId::from_u128(0xabce_0000 << 96 | 2), []);
    let first = ScopeId::from_u128(0xabcd_0000 << 96 | 1);
    for text in ["abcd", "ABCD0", "abcd0000-00", " abcd ", &first.to_string()] {
        assert_eq!(home.store.find(Place::Sessions, text).unwrap(), first, "{text:?}");
    }
    let unknown = home.store.find(Place::Sessions, "abcf").unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "nothing here is called `abcf`; list what there is, and give the beginning of an id"
    );
    match home.store.find(Place::Sessions, "abc").unwrap_err() {
        StoreError::Ambiguous { candidates, .. } => assert_eq!(candidates.len(), 2),
        other => panic!("{other}"),
    }
    for text in ["", "yesterday", "abcd/1", &"a".repeat(33)] {
        assert!(
            matches!(
                home.store.find(Place::Sessions, text).unwrap_err(),
                StoreError::NotAName(_)
            ),
            "{text:?}"
        );
    }
    let missing = home.store.journal(scope(77)).unwrap_err();
    assert!(matches!(missing, StoreError::Unknown { .. }));
    assert!(matches!(
        home.store.open_for_writing(scope(77), NOW),
        Err(StoreError::Unknown { .. })
    ));
}

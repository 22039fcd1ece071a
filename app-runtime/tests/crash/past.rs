//! A session with a past, in which something is then killed.

use glasswork_agent_core::turn::State;
use glasswork_engine::ScopeId;
use glasswork_session_state::settings::Mode;
use glasswork_testkit::house::House;

use crate::aftermath::Lane;

/// How many turns the past has.
pub(crate) const TURNS: usize = 4;

/// A model that notes whatever it is told; told to do it, it runs a command, once for each length of a conversation.
pub(crate) fn notes() -> String {
    let turn = |number: usize| {
        format!(
            r#"(when: "do it", say: [text("I work."), call("bash", (command: "echo once >> ran-{number}"))],
                otherwise: [text("Noted.")]),"#
        )
    };
    format!("(turns: [{}])", (0..16).map(turn).collect::<String>())
}

/// A home with a session that has had some turns: its id, its last commit, and the home to die in.
async fn one() -> (ScopeId, u64, Lane) {
    let house = House::of_script(&notes()).await;
    let session = house.session(House::settings(Mode::Yolo)).await;
    for number in 0..TURNS {
        let words = format!("Turn {number}. {}", "Many words. ".repeat(200));
        let end = house.turn(session, &words).await;
        assert_eq!(end.state, State::Completed);
    }
    house.runtime().give_up(session).await.unwrap();
    let last = house.snapshot().session(session, None).unwrap().scope.seq;
    (session, last, Lane::like(house.close().await))
}

/// Two such homes. The last commit is the same in both.
pub(crate) async fn two() -> (u64, [Lane; 2]) {
    let (_, before, first) = one().await;
    let (_, again, second) = one().await;
    (before.min(again), [first, second])
}

/// The session of this home.
pub(crate) fn session(home: &std::path::Path) -> ScopeId {
    let archive = glasswork_app_runtime::files::FileArchive::open(home.join("data")).unwrap();
    glasswork_app_runtime::archive::Archive::list(&archive).unwrap()[0].id
}

/// The session of this home from which all others were forked.
pub(crate) fn session_without_parent(home: &std::path::Path) -> ScopeId {
    let archive = glasswork_app_runtime::files::FileArchive::open(home.join("data")).unwrap();
    let rows = glasswork_app_runtime::archive::Archive::list(&archive).unwrap();
    rows.iter().find(|row| row.parent.is_none()).unwrap().id
}

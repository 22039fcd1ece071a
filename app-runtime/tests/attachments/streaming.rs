//! A client loses its connection while an answer streams, and comes back with what it has seen.

use glasswork_agent_core::turn;
use glasswork_app_runtime::attachments::{Attachments, Delivery, Limits, Updates};
use glasswork_app_runtime::watching::Update;
use glasswork_engine::Cursor;
use glasswork_session_state::clients::Role;
use glasswork_session_state::settings::Mode;
use glasswork_testkit::house::{House, PATIENCE};

use crate::{asked, next};

/// More than what is waited for before a commit is made of it. Where the machine is slow, several become one.
const PIECE: usize = 5_000;
const PIECES: usize = 12;

/// What is said in a commit, which has to be the next one.
fn said(delivery: Delivery, seen: &mut Cursor) -> (String, bool) {
    let Delivery::Commit { seq, updates, .. } = delivery else {
        panic!("{delivery:?}")
    };
    assert_eq!(seq, seen.seq + 1, "each update once, and in order");
    seen.seq = seq;
    let mut text = String::new();
    let mut over = false;
    for update in updates {
        match update {
            Update::Text { text: more } => text.push_str(&more),
            Update::TurnEnded { .. } => over = true,
            _ => {}
        }
    }
    (text, over)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_comes_back_amid_an_answer_hears_each_piece_once_and_in_order() {
    let letter = |at: usize| char::from(b"abcdefghijklmnopqrstuvwxyz"[at / 7 % 26]);
    let answer: String = (0..PIECES * PIECE).map(letter).collect();
    let house = House::of_script(&format!(
        r#"(chunk: {PIECE}, pace_ms: 2, turns: [(say: [partial(text("{answer}")), stall])])"#
    ))
    .await;
    let session = house.session(House::settings(Mode::Yolo)).await;
    let hub = Attachments::new(house.shared(), Limits::default());
    let connection = hub.connect().unwrap();
    let join = async |seen: Option<Cursor>| -> Updates {
        let asked = asked(session, "one", Role::Controller, seen);
        connection.attach(asked).await.unwrap().1
    };
    let (attachment, updates) = connection
        .attach(asked(session, "one", Role::Controller, None))
        .await
        .unwrap();
    let begun = updates.cursor();
    drop(updates);
    attachment.prompt("go", None, &mut |_| {}).await.unwrap();
    // It is cut off after everything that it hears, while the answer streams.
    let (mut seen, mut heard) = (begun, String::new());
    let mut pieces = Vec::new();
    while heard.len() < answer.len() - 1 {
        let mut updates = join(Some(seen)).await;
        let (text, over) = said(next(&mut updates).await, &mut seen);
        assert!(!over, "the model says nothing more, and has not ended");
        if !text.is_empty() {
            pieces.push(seen.seq);
        }
        heard.push_str(&text);
    }
    assert_eq!(heard, answer[..answer.len() - 1]);
    assert!(!pieces.is_empty(), "it came in pieces");
    // From wherever it was cut off: the rest, then what comes when the turn is stopped.
    let mut all = Vec::new();
    for from in begun.seq..=seen.seq {
        all.push((from, join(Some(Cursor { seq: from, ..begun })).await));
    }
    attachment.interrupt(true).await.unwrap();
    tokio::time::timeout(PATIENCE, hub.at_rest()).await.unwrap();
    let last = house.snapshot().session(session, None).unwrap().scope.seq;
    let mut bases = Vec::new();
    for (from, mut updates) in all {
        let (mut seen, mut rest, mut ended) = (Cursor { seq: from, ..begun }, String::new(), 0);
        while seen.seq < last {
            let (text, over) = said(next(&mut updates).await, &mut seen);
            rest.push_str(&text);
            ended += usize::from(over);
        }
        assert!(
            heard.ends_with(&rest),
            "from {from}: what it hears is the rest of the answer"
        );
        assert_eq!(ended, 1, "from {from}: the turn ends once");
        assert_eq!(updates.cursor(), Cursor { seq: last, ..begun });
        bases.push(updates.base());
    }
    assert!(
        bases.iter().all(|base| *base == bases[0]),
        "all end with the same"
    );
    let state = house.now(session).turn.as_ref().map(|turn| turn.state);
    assert_eq!(state, Some(turn::State::Cancelled));
    connection.leave().await;
    drop((attachment, connection, hub));
    house.close().await;
}

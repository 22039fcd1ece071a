//! Whole turns with secrets in them, and then: no file of the home has one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use std::path::Path;

use glasswork_agent_core::turn::State;
use glasswork_app_runtime::watching::Update;
use glasswork_engine::ScopeId;
use glasswork_session_state::settings::Mode;
use glasswork_testkit::house::{House, OWN_SECRET};

const PASSWORD: &str = "tr0ub4dor&3x";

/// Looks through every file below a folder, the workspace left out.
fn files_with(home: &Path, secret: &str) -> Vec<String> {
    let mut found = vec![];
    let mut folders = vec![home.join("data")];
    let mut read = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            read += 1;
            if String::from_utf8_lossy(&std::fs::read(&path).unwrap()).contains(secret) {
                found.push(path.display().to_string());
            }
        }
    }
    assert!(read >= 2, "there is nothing to look through");
    found
}

fn counts(house: &House, session: ScopeId) -> Vec<(String, u32)> {
    let counts = house.now(session).masked.counts();
    counts.into_iter().map(|(kind, count)| (kind.to_string(), count)).collect()
}

fn masked(updates: &[Update]) -> Vec<&str> {
    let kind = |update| match update {
        &Update::SecretMasked { ref kind } => Some(&**kind),
        _ => None,
    };
    updates.iter().filter_map(kind).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_file_of_the_home_has_a_secret() {
    let house = House::of_script(
        r#"(turns: [
            (say: [
                thinking("The key is the-key-of-this-house, and password=Xk29-qqLm-77aa is mine."),
                text("I look at it; `api_key: 7f3kQ9vLm2ZxRt8w` it said."),
                call("read", (path: ".env")),
                call("bash", (command: "while IFS= read -r -n1 c; do printf %s \"$c\"; done < .env; yes \"$(cat .env)\" | head -3000")),
                call("bash", (command: "echo 'TOKEN=a8Fk20sLqPz1x9Rt' > own.env")),
            ]),
            (say: [text("Done with the-key-of-this-house.")]),
        ])"#,
    )
    .await;
    std::fs::write(house.workspace().join(".env"), format!("DB_PASSWORD={PASSWORD}\n")).unwrap();
    let session = house.session(House::settings(Mode::Yolo)).await;
    let end = house
        .turn(session, &format!("use {OWN_SECRET} and postgres://me:sw0rdf1sh@db/x"))
        .await;
    assert_eq!((end.state, end.failure.clone()), (State::Completed, None));
    assert_eq!(
        counts(&house, session),
        [("credential", 1), ("password", 2), ("secret-value", 2), ("url-password", 1)].map(|(kind, count)| (kind.to_owned(), count))
    );
    let mut told = masked(&end.updates);
    told.sort_unstable();
    assert_eq!(told, ["credential", "password", "password", "secret-value", "secret-value", "url-password"]);
    // What the model wrote itself is done as it wrote it.
    assert_eq!(
        std::fs::read_to_string(house.workspace().join("own.env")).unwrap(),
        "TOKEN=a8Fk20sLqPz1x9Rt\n"
    );
    house.runtime().steer(session, &format!("also {OWN_SECRET}"), None).await.unwrap_err();
    house.runtime().follow_up(session, &format!("also {OWN_SECRET}"), None).await.unwrap();
    house.runtime().close(session).await.unwrap();
    let home = house.close().await;
    for secret in [PASSWORD, OWN_SECRET, "sw0rdf1sh", "Xk29-qqLm-77aa", "7f3kQ9vLm2ZxRt8w", "a8Fk20sLqPz1x9Rt"] {
        assert_eq!(files_with(home.path(), secret), Vec::<String>::new(), "{secret}");
    }
}

//! What is hostile about sessions themselves, seen by clients of a host: tools that print without end (case 40), replay that
//! could do something (42), secrets in what is said (44).

use glasswork_app_runtime::attachments::Limits;
use glasswork_client::{Client, ClientError, Notice, wire};
use glasswork_engine::ScopeId;
use glasswork_session_state::settings::Mode;
use glasswork_testkit::house::{House, OWN_SECRET, PATIENCE};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::{Directory, attached, opened, run};

/// A client that is attached to a session.
struct Joined {
    client: Client,
    notices: mpsc::Receiver<Notice>,
    attached: wire::Attached,
}

async fn join(house: &House, session: ScopeId) -> Joined {
    let directory = Directory::open(&run(house)).unwrap();
    let host = directory.live().unwrap().remove(0);
    let (client, notices) = Client::connect(&directory, &host).await.unwrap();
    let attached = attached(&client, session, "one").await;
    Joined {
        client,
        notices,
        attached,
    }
}

impl Joined {
    async fn prompt(&self, text: &str) {
        let words = wire::Words {
            attachment: self.attached.attachment,
            text: text.to_owned(),
            key: None,
        };
        self.client.prompt(&words).await.unwrap();
    }

    /// All that is told until the turn has ended, each commit once and in order.
    async fn turn(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        let mut seq = self.attached.seq;
        loop {
            let notice = tokio::time::timeout(PATIENCE, self.notices.recv()).await;
            let notice = notice.expect("nothing was told").unwrap();
            assert_eq!(notice.method, "_glasswork/update");
            told.push(notice.params.to_string());
            let update: wire::Update = serde_json::from_value(notice.params).unwrap();
            assert_eq!(update.seq, seq + 1);
            seq = update.seq;
            if update.updates.iter().any(|update| update["type"] == "turn_ended") {
                return told;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_tool_prints_without_end_reaches_clients_in_lines_and_bases_of_bounded_length() {
    const PRINTED: usize = 50_000_000;
    let house = House::of_script(&format!(
        r#"(turns: [(say: [call("bash", (command: "head -c {PRINTED} /dev/zero | tr '\\0' x"))]), (say: [text("done")])])"#
    ))
    .await;
    let session = house.session(House::settings(Mode::Yolo)).await;
    let socket = opened(&house, &run(&house), Limits::default()).unwrap();
    let mut one = join(&house, session).await;
    one.prompt("go").await;
    let told = one.turn().await;
    let longest = told.iter().map(String::len).max().unwrap();
    let all: usize = told.iter().map(String::len).sum();
    assert!(
        longest < 256 << 10 && all < 4 << 20,
        "the longest has {longest} bytes, all {all}"
    );
    // Whoever comes after it is given no more.
    let two = join(&house, session).await;
    let base = Value::Object(two.attached.base.clone().unwrap()).to_string();
    assert!(base.len() < 256 << 10, "the base has {} bytes", base.len());
    assert!(base.contains("done"), "{base}");
    drop((one, two));
    socket.close().await;
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_runs_nothing_changes_nothing_and_refuses_what_is_not_recorded() {
    let house = House::of_script(
        r#"(turns: [(say: [call("bash", (command: "echo ran >> ran"))]), (say: [text("done")])])"#,
    )
    .await;
    let session = house.session(House::settings(Mode::Yolo)).await;
    house.turn(session, "go").await;
    let socket = opened(&house, &run(&house), Limits::default()).unwrap();
    let one = join(&house, session).await;
    let last = house.snapshot().session(session, None).unwrap().scope.seq;
    let requests = house.now(session).requests.len();
    let replay = |session: String, until| {
        let client = &one.client;
        async move { client.replay(&wire::Replay { session, until }).await }
    };
    for until in [None, Some(last), Some(last / 2), Some(1)] {
        let replayed = replay(session.to_string(), until).await.unwrap();
        assert_eq!(
            (replayed.equal, replayed.commits, replayed.difference_count),
            (true, until.unwrap_or(last), 0),
            "until {until:?}"
        );
    }
    // What is not there is refused: nothing is made up in its place, and nobody is asked for it.
    let unknown = ScopeId::from_u128(7).to_string();
    for (session, until) in [(unknown, None), (session.to_string(), Some(last + 1))] {
        match replay(session.clone(), until).await {
            Err(ClientError::Refused { data, .. }) => assert_eq!(data["kind"], "not_readable"),
            other => panic!("{session} until {until:?}: {other:?}"),
        }
    }
    let ran = std::fs::read_to_string(house.workspace().join("ran")).unwrap();
    assert_eq!(ran, "ran\n", "the command ran once, and not again");
    assert_eq!(house.now(session).requests.len(), requests);
    assert_eq!(house.snapshot().session(session, None).unwrap().scope.seq, last);
    drop(one);
    socket.close().await;
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_a_client_says_is_told_to_nobody_and_lies_nowhere() {
    let house = House::of_script(r#"(turns: [(say: [text("done")])])"#).await;
    let session = house.session(House::settings(Mode::Yolo)).await;
    let socket = opened(&house, &run(&house), Limits::default()).unwrap();
    let mut one = join(&house, session).await;
    one.prompt(&format!("my key is {OWN_SECRET}, keep it")).await;
    let told = one.turn().await.join("\n");
    assert!(
        told.contains("my key is ") && told.contains(", keep it"),
        "{told}"
    );
    let two = join(&house, session).await;
    let base = Value::Object(two.attached.base.clone().unwrap()).to_string();
    for shown in [&told, &base] {
        assert!(!shown.contains(OWN_SECRET), "{shown}");
    }
    drop((one, two));
    socket.close().await;
    let home = house.close().await;
    let mut folders = vec![home.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap_or_default();
            let found = bytes
                .windows(OWN_SECRET.len())
                .any(|window| window == OWN_SECRET.as_bytes());
            assert!(!found, "{}", path.display());
        }
    }
}

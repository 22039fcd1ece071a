//! The socket as programs and attackers meet it: real sockets in real directories.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that meets what it did not expect shall stop there"
)]

mod cases;
mod limits;
mod users;

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use glasswork_app_runtime::attachments::{Attachments, Limits};
use glasswork_client::directory::{Card, Directory, DirectoryError, Live};
use glasswork_client::{Client, ClientError, wire};
use glasswork_engine::ScopeId;
use glasswork_query::Graph;
use glasswork_rpc::socket::host::{Offer, Socket};
use glasswork_rpc::socket::{methods, page};
use glasswork_session_state::settings::Mode;
use glasswork_testkit::house::{House, PATIENCE};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

const SCRIPT: &str = r#"(turns: [(say: [call("bash", (command: "true"))]), (say: [text("done")])])"#;

fn card(house: &House) -> Card {
    Card {
        host: house.runtime().host_id().to_string(),
        pid: std::process::id(),
        version: "1".to_owned(),
        command: "serve".to_owned(),
        directory: "/".to_owned(),
    }
}

fn opened(house: &House, path: &Path, limits: Limits) -> Result<Socket, DirectoryError> {
    let graph = Graph::new(house.runtime().reader().clone());
    let offer = Offer {
        clients: Attachments::new(house.shared(), limits),
        graph,
        card: Arc::new(card(house)),
        house: None,
    };
    Socket::open(Directory::open(path)?, offer)
}

fn run(house: &House) -> PathBuf {
    house.home().join("run")
}

async fn raw(path: &Path, socket: &Socket) -> BufReader<UnixStream> {
    let path = path.join(format!("{}.sock", socket.name()));
    BufReader::new(UnixStream::connect(path).await.unwrap())
}

/// The next line; `None` where the connection has ended.
async fn line(stream: &mut BufReader<UnixStream>) -> Option<Value> {
    let mut text = String::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_line(&mut text));
    match read.await.expect("no line came") {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(serde_json::from_str(&text).unwrap()),
    }
}

async fn send(stream: &mut BufReader<UnixStream>, bytes: &[u8]) {
    // Whoever was cut off cannot write any more.
    let _ = stream.get_mut().write_all(bytes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_lines_are_answered_or_end_the_connection_and_nothing_else() {
    let house = House::of_script(SCRIPT).await;
    let run = run(&house);
    let socket = opened(&house, &run, Limits::default()).unwrap();
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"_glasswork/host","params":{}1{}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let batch = format!(
        "[{}1]",
        r#"{"jsonrpc":"2.0","id":1,"method":"_glasswork/host"},"#.repeat(10_000)
    );
    let cases: &[(&[u8], i64, &str)] = &[
        (b"\0\0\0", -32700, "the line is no request of JSON-RPC"),
        (b"\xff\xfe{}", -32700, "the line is not UTF-8"),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"caf\xc3", -32700, "the line is not UTF-8"),
        (b"not json", -32700, "the line is no request of JSON-RPC"),
        (b"{\"jsonrpc\":\"2.0\"", -32700, "the line is no request of JSON-RPC"),
        (deep.as_bytes(), -32700, "arrays and objects are nested deeper"),
        (batch.as_bytes(), -32600, "batches are not taken"),
        (b"7", -32600, "the line is no request of JSON-RPC"),
        (br#"{"id":1,"method":"_glasswork/host"}"#, -32600, "`jsonrpc` must be"),
        (br#"{"jsonrpc":"1.0","id":1,"method":"_glasswork/host"}"#, -32600, "`jsonrpc` must be"),
        (br#"{"jsonrpc":"2.0","id":null,"method":"_glasswork/host"}"#, -32600, "an id is"),
        (br#"{"jsonrpc":"2.0","id":1.5,"method":"_glasswork/host"}"#, -32600, "an id is"),
        (br#"{"jsonrpc":"2.0","id":99999999999999999999999,"method":"_glasswork/host"}"#, -32600, "an id is"),
        (br#"{"jsonrpc":"2.0","id":[1],"method":"_glasswork/host"}"#, -32600, "an id is"),
        (br#"{"jsonrpc":"2.0","id":1,"id":2,"method":"_glasswork/host"}"#, -32600, "the line is no request of JSON-RPC"),
        (br#"{"jsonrpc":"2.0","id":1}"#, -32600, "there is no `method`"),
        (br#"{"jsonrpc":"2.0","id":1,"method":7}"#, -32600, "the line is no request of JSON-RPC"),
        (br#"{"jsonrpc":"2.0","id":1,"result":{}}"#, -32600, "the line is no request of JSON-RPC"),
        (br#"{"jsonrpc":"2.0","id":1,"method":"rm -rf"}"#, -32601, "there is no such method"),
        (br#"{"jsonrpc":"2.0","id":1,"method":"_glasswork/host","params":[1]}"#, -32600, "`params` must be an object"),
        (br#"{"jsonrpc":"2.0","id":1,"method":"_glasswork/host","params":{"more":1}}"#, -32602, "the parameters of"),
        (br#"{"jsonrpc":"2.0","id":1,"method":"_glasswork/attach","params":{"session":"nobody","name":"x"}}"#, -32000, ""),
        (br#"{"jsonrpc":"2.0","id":1,"method":"_glasswork/prompt","params":{"attachment":1,"text":"x"}}"#, -32000, "this connection has no attachment"),
        (br#"{"jsonrpc":"2.0","id":1,"method":"_glasswork/new","params":{"directory":"/"}}"#, -32000, "this host runs one session"),
    ];
    let mut stream = raw(&run, &socket).await;
    for (bytes, code, begins) in cases {
        send(&mut stream, bytes).await;
        send(&mut stream, b"\n").await;
        let answer = line(&mut stream).await.expect("an answer");
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned();
        assert_eq!(answer["error"]["code"], json!(code), "{shown}: {answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.starts_with(begins), "{shown}: {message}");
    }
    // A notification and an empty line get nothing; what comes next is the answer to what comes next.
    send(
        &mut stream,
        b"\n{\"jsonrpc\":\"2.0\",\"method\":\"_glasswork/host\"}\r\n",
    )
    .await;
    send(
        &mut stream,
        b"{\"jsonrpc\":\"2.0\",\"id\":\"last\",\"method\":\"_glasswork/host\"}\n",
    )
    .await;
    let answer = line(&mut stream).await.unwrap();
    assert_eq!(
        (&answer["id"], &answer["result"]["clients"]),
        (&json!("last"), &json!([]))
    );
    // A line without end is answered and cut off; it is never held whole.
    let mut endless = raw(&run, &socket).await;
    let chunk = vec![b'['; 64 << 10];
    for _ in 0..64 {
        send(&mut endless, &chunk).await;
    }
    let answer = line(&mut endless).await;
    assert!(answer.is_none_or(|answer| answer["error"]["code"] == json!(-32600)));
    assert_eq!(line(&mut endless).await, None);
    // One that begins a line and leaves.
    let mut gone = raw(&run, &socket).await;
    send(&mut gone, b"{\"jsonrpc\":").await;
    drop(gone);
    // The others are as before.
    send(
        &mut stream,
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"_glasswork/host\"}\n",
    )
    .await;
    assert_eq!(line(&mut stream).await.unwrap()["id"], json!(1));
    socket.close().await;
    assert_eq!(line(&mut stream).await, None);
    assert_eq!(left(&run), [".lock"]);
    house.close().await;
}

fn left(path: &Path) -> Vec<String> {
    let mut left: Vec<String> = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    left
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_requests_and_ids_that_are_taken_are_refused_while_the_others_are_worked_on() {
    let house = House::of_script(SCRIPT).await;
    let run = run(&house);
    let limits = Limits {
        turns: 0,
        waiting: 1000,
        ..Limits::default()
    };
    let socket = opened(&house, &run, limits).unwrap();
    let session = house.session(House::settings(Mode::Ask)).await;
    let mut stream = raw(&run, &socket).await;
    let attach = json!({"jsonrpc": "2.0", "id": 0, "method": "_glasswork/attach",
        "params": {"session": session.to_string(), "name": "many"}});
    send(&mut stream, format!("{attach}\n").as_bytes()).await;
    let attached = line(&mut stream).await.unwrap();
    let attachment = attached["result"]["attachment"].as_u64().unwrap();
    // None of these can begin: no turn may run.
    for id in (1..=70).chain([1]) {
        let prompt = json!({"jsonrpc": "2.0", "id": id, "method": "_glasswork/prompt",
            "params": {"attachment": attachment, "text": "x"}});
        send(&mut stream, format!("{prompt}\n").as_bytes()).await;
    }
    let mut refused = BTreeMap::new();
    while refused.len() < 7 {
        let told = line(&mut stream).await.unwrap();
        if told["method"] != "_glasswork/waiting" {
            let id = told["id"].as_i64().unwrap();
            refused.insert(id, told["error"]["code"].as_i64().unwrap());
        }
    }
    let mut expected: BTreeMap<i64, i64> = (65..=70).map(|id| (id, -32000)).collect();
    expected.insert(1, -32600);
    assert_eq!(refused, expected);
    // What is answered is worked on no more: its place and its id are free as soon as the answer can be read.
    // Where others keep the threads busy, the end of the work is seen late.
    let over = Arc::new(AtomicBool::new(false));
    for _ in 0..8 {
        let over = Arc::clone(&over);
        std::thread::spawn(move || while !over.load(Ordering::Relaxed) {});
    }
    let mut other = raw(&run, &socket).await;
    for _ in 0..1_000 {
        let host = json!({"jsonrpc": "2.0", "id": "again", "method": "_glasswork/host"});
        send(&mut other, format!("{host}\n").as_bytes()).await;
        let answer = line(&mut other).await.unwrap();
        assert!(answer["result"].is_object(), "{answer}");
    }
    over.store(true, Ordering::Relaxed);
    // Who waits is on record, in which order, and everybody can see it.
    let waiting = async |other: &mut BufReader<UnixStream>| {
        let query = "{ host { turns { mostRunning mostWaiting running { connection } waiting { inLine session { id } } } } }";
        let ask =
            json!({"jsonrpc": "2.0", "id": 1, "method": "_glasswork/query", "params": {"query": query}});
        send(other, format!("{ask}\n").as_bytes()).await;
        let answer = line(other).await.unwrap();
        answer["result"]["data"]["host"]["turns"].clone()
    };
    let turns = waiting(&mut other).await;
    assert_eq!(
        (&turns["mostRunning"], &turns["mostWaiting"], &turns["running"]),
        (&json!(0), &json!(1000), &json!([])),
        "{turns}"
    );
    let places = turns["waiting"].as_array().unwrap();
    let places: Vec<_> = places
        .iter()
        .map(|place| place["inLine"].as_u64().unwrap())
        .collect();
    let expected: Vec<_> = (1..=64).collect();
    assert_eq!(places, expected);
    // It leaves in the middle of all that, and no trace of it stays.
    drop(stream);
    let deadline = std::time::Instant::now() + PATIENCE;
    while waiting(&mut other).await["waiting"] != json!([]) {
        assert!(std::time::Instant::now() < deadline, "they wait still");
    }
    socket.close().await;
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_is_not_the_users_own_is_not_used_and_what_the_dead_left_is_removed() {
    let house = House::of_script(SCRIPT).await;
    let at = |name: &str| house.home().join(name);
    // Others may enter.
    std::fs::create_dir(at("open")).unwrap();
    std::fs::set_permissions(at("open"), std::fs::Permissions::from_mode(0o755)).unwrap();
    // A link, also to a directory that would do.
    drop(Directory::open(&at("own")).unwrap());
    symlink(at("own"), at("link")).unwrap();
    std::fs::write(at("file"), "").unwrap();
    for name in ["open", "link", "file"] {
        let refused = opened(&house, &at(name), Limits::default());
        assert!(
            matches!(
                refused,
                Err(DirectoryError::NotOwn { .. } | DirectoryError::Io { .. })
            ),
            "{name}: {refused:?}"
        );
        assert!(left_or_none(&at(name)).is_empty(), "{name}");
    }
    // Somebody else's: only the superuser can make one, and only others must not use it.
    if rustix::process::geteuid().is_root() {
        drop(Directory::open(&at("foreign")).unwrap());
        std::os::unix::fs::chown(at("foreign"), Some(12_345), None).unwrap();
        let refused = opened(&house, &at("foreign"), Limits::default());
        assert!(
            matches!(refused, Err(DirectoryError::NotOwn { .. })),
            "{refused:?}"
        );
    }
    // What a host that was killed has left: nobody holds its lock.
    let own = at("own");
    for file in ["dead.lock", "dead.json"] {
        std::fs::write(own.join(file), "").unwrap();
    }
    drop(std::os::unix::net::UnixListener::bind(own.join("dead.sock")).unwrap());
    // And what is no host's at all.
    std::fs::write(own.join("note.txt"), "mine").unwrap();
    let socket = opened(&house, &own, Limits::default()).unwrap();
    let name = socket.name().to_owned();
    let mut expected = vec![".lock".to_owned(), "note.txt".to_owned()];
    expected.extend(["json", "lock", "sock"].map(|end| format!("{name}.{end}")));
    expected.sort();
    assert_eq!(left(&own), expected);
    let mode = std::fs::metadata(own.join(format!("{name}.sock")))
        .unwrap()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    // The name is taken: by a second socket of the same host, by a link, by a file.
    let again = opened(&house, &own, Limits::default());
    assert!(matches!(again, Err(DirectoryError::Taken { .. })), "{again:?}");
    socket.close().await;
    for planted in ["sock", "lock", "json"] {
        let path = own.join(format!("{name}.{planted}"));
        symlink(at("elsewhere"), &path).unwrap();
        let refused = opened(&house, &own, Limits::default());
        assert!(
            matches!(refused, Err(DirectoryError::Taken { .. })),
            "{planted}: {refused:?}"
        );
        assert!(!at("elsewhere").exists());
        for file in left(&own).iter().filter(|file| file.starts_with(&name)) {
            std::fs::remove_file(own.join(file)).unwrap();
        }
    }
    house.close().await;
}

fn left_or_none(path: &Path) -> Vec<String> {
    match path.is_dir() {
        true => left(path).into_iter().filter(|name| name != ".lock").collect(),
        false => Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hosts_live_side_by_side_below_a_path_that_is_too_long_for_a_socket() {
    let (one, other) = (House::of_script(SCRIPT).await, House::of_script(SCRIPT).await);
    let long = one.home().join("a".repeat(120)).join("b".repeat(120));
    let first = opened(&one, &long, Limits::default()).unwrap();
    let second = opened(&other, &long, Limits::default()).unwrap();
    let directory = Directory::open(&long).unwrap();
    let live = directory.live().unwrap();
    let hosts = |live: &[Live]| -> Vec<String> {
        let mut hosts: Vec<_> = live.iter().map(|live| live.card.host.clone()).collect();
        hosts.sort();
        hosts
    };
    let mut expected = vec![card(&one).host, card(&other).host];
    expected.sort();
    assert_eq!(hosts(&live), expected);
    for host in &live {
        let (client, _told) = Client::connect(&directory, host).await.unwrap();
        let info: wire::HostInfo = client.ask("_glasswork/host", &wire::Nothing {}).await.unwrap();
        assert_eq!(info.host, host.card.host);
    }
    first.close().await;
    assert_eq!(hosts(&directory.live().unwrap()), [card(&other).host]);
    second.close().await;
    assert!(directory.live().unwrap().is_empty());
    one.close().await;
    other.close().await;
}

async fn attached(client: &Client, session: ScopeId, name: &str) -> wire::Attached {
    let attach = wire::Attach {
        session: session.to_string(),
        name: name.to_owned(),
        role: wire::Role::Controller,
        history: wire::History::Full,
        seen: None,
    };
    let attached: wire::Attached = client.ask("_glasswork/attach", &attach).await.unwrap();
    let subscribe = wire::Attachment {
        attachment: attached.attachment,
    };
    let _: wire::Nothing = client.ask("_glasswork/subscribe", &subscribe).await.unwrap();
    attached
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clients_have_one_conversation_and_one_that_never_reads_holds_nobody_up() {
    let house = House::of_script(SCRIPT).await;
    let run = run(&house);
    let socket = opened(&house, &run, Limits::default()).unwrap();
    let session = house.session(House::settings(Mode::Ask)).await;
    let directory = Directory::open(&run).unwrap();
    let live = directory.live().unwrap().remove(0);
    let (one, mut told_one) = Client::connect(&directory, &live).await.unwrap();
    let (two, mut told_two) = Client::connect(&directory, &live).await.unwrap();
    let mut deaf = raw(&run, &socket).await;
    send(
        &mut deaf,
        format!(
            "{}\n",
            json!({"jsonrpc": "2.0", "id": 1, "method": "_glasswork/attach",
        "params": {"session": session.to_string(), "name": "deaf"}})
        )
        .as_bytes(),
    )
    .await;
    let joined = line(&mut deaf).await.unwrap();
    send(
        &mut deaf,
        format!(
            "{}\n",
            json!({"jsonrpc": "2.0", "id": 2, "method": "_glasswork/subscribe",
        "params": {"attachment": joined["result"]["attachment"]}})
        )
        .as_bytes(),
    )
    .await;
    let (first, second) = (
        attached(&one, session, "one").await,
        attached(&two, session, "two").await,
    );
    assert_eq!((first.seq, &first.base), (second.seq, &second.base));
    let words = wire::Words {
        attachment: first.attachment,
        text: "go".to_owned(),
        key: None,
    };
    let begun: wire::Dispatched = one.ask("_glasswork/prompt", &words).await.unwrap();
    assert!(begun.seq > first.seq);
    let approve = |attachment, call: &Value| wire::Approve {
        attachment,
        call: call.as_str().unwrap().to_owned(),
    };
    let (mut seen, mut call, mut ended) = (second.seq, Value::Null, false);
    while !ended {
        let notice = tokio::time::timeout(PATIENCE, told_two.recv())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(notice.method, "_glasswork/update");
        seen += 1;
        assert_eq!(notice.params["seq"], json!(seen));
        for update in notice.params["updates"].as_array().unwrap() {
            if update["type"] == "tool_asked" {
                call = update["call"].clone();
                let _: wire::Dispatched = two
                    .ask("_glasswork/approve", &approve(second.attachment, &call))
                    .await
                    .unwrap();
            }
            ended |= update["type"] == "turn_ended";
        }
    }
    match one
        .ask::<wire::Dispatched>("_glasswork/approve", &approve(first.attachment, &call))
        .await
    {
        Err(ClientError::Refused { code, data, .. }) => {
            assert_eq!(
                (code, &data["kind"], &data["approved"]),
                (-32000, &json!("answered_already"), &json!(true))
            );
            assert_eq!(data["origin"], json!({ "client": second.connection }));
        }
        other => panic!("{other:?}"),
    }
    // The other one has seen the same commits, and the one who does not read has held up neither.
    for seq in first.seq + 1..=seen {
        let notice = tokio::time::timeout(PATIENCE, told_one.recv())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(notice.params["seq"], json!(seq));
    }
    let query = wire::Query {
        query: "{ host { clients { name role session { id } } } }".to_owned(),
        variables: None,
        operation: None,
    };
    let answer: wire::Answer = one.ask("_glasswork/query", &query).await.unwrap();
    let names: Vec<_> = answer.0["data"]["host"]["clients"]
        .as_array()
        .unwrap_or_else(|| panic!("{answer:?}"))
        .iter()
        .map(|client| client["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["deaf", "one", "two"]);
    house.runtime().give_up(session).await.unwrap();
    let notice = tokio::time::timeout(PATIENCE, async {
        loop {
            let notice = told_one.recv().await.unwrap();
            if notice.method == "_glasswork/ended" {
                return notice;
            }
        }
    });
    assert!(notice.await.unwrap().params["seq"].as_u64().unwrap() >= seen);
    drop((one, two));
    socket.close().await;
    let mut rest = Vec::new();
    deaf.read_to_end(&mut rest).await.unwrap();
    house.close().await;
}

#[test]
fn whoever_drives_a_host_in_rust_has_a_method_for_all_that_can_be_asked() {
    let served: Vec<&str> = methods::METHODS.iter().map(|method| method.name).collect();
    assert_eq!(glasswork_client::METHODS, served);
}

/// Written with `UPDATE_DOCS=1`.
#[test]
fn the_pages_are_what_the_table_of_methods_says() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .join("docs");
    let schema = format!("{}\n", serde_json::to_string_pretty(&page::schema()).unwrap());
    for (file, made) in [("rpc.md", page::markdown()), ("rpc.schema.json", schema)] {
        let path = docs.join(file);
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &made).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == made,
            "docs/{file} is out of date: UPDATE_DOCS=1 cargo test -p glasswork-rpc --test socket"
        );
    }
    for method in methods::METHODS {
        assert!(method.name.starts_with("_glasswork/"), "{}", method.name);
    }
}

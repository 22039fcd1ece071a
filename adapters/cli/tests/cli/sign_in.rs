//! Signing in and out, with the real program, against an authorisation server on the loopback.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use glasswork_ai::scripted::Script;
use glasswork_ai::wire::Wire;
use glasswork_testkit::authorization_server::{AuthorizationServer, USER_CODE};
use glasswork_testkit::model_server::{Answers, ModelServer, Reply};
use tokio::task::block_in_place;

use super::support::{Done, House, PATIENCE, done};
use super::terminal::Terminal;

pub(super) const MODEL: &str = "anthropic/some-model";
const KEY: &str = "of-no-special-looks";

pub(super) async fn models() -> ModelServer {
    let script = Script::parse(r#"(turns: [(say: [text("Here.")])])"#).unwrap();
    ModelServer::start(Answers::Script(Wire::Anthropic, script))
        .await
        .unwrap()
}

/// A house whose models are there, and where one signs in over there.
pub(super) async fn house(models: &ModelServer) -> (House, AuthorizationServer) {
    let server = AuthorizationServer::start(3600).await.unwrap();
    let house = House::new()
        .with("ANTHROPIC_BASE_URL", &models.url())
        .with("OPENAI_BASE_URL", &models.url())
        .with("GLASSWORK_RETRY_ATTEMPTS", "1");
    let folder = house.home.path().join("glasswork/config");
    fs::create_dir_all(&folder).unwrap();
    let entry = server.entry();
    let text = format!("(sign_in: {{ \"anthropic\": {entry}, \"openai\": {entry} }})");
    fs::write(folder.join("settings.ron"), text).unwrap();
    (house, server)
}

fn file(house: &House) -> PathBuf {
    house.home.path().join("glasswork/data/credentials.json")
}

/// All that is on record but what is stored.
pub(super) fn on_record(house: &House) -> String {
    fn read(folder: PathBuf, all: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read(path, all);
            } else if !path.ends_with("credentials.json") {
                all.push_str(&String::from_utf8_lossy(&fs::read(path).unwrap()));
            }
        }
    }
    let mut all = String::new();
    read(house.home.path().join("glasswork"), &mut all);
    all
}

pub(super) fn status(house: &House) -> serde_json::Value {
    house.json(["auth", "status", "--json"])
}

pub(super) fn begin(house: &House, arguments: &[&str]) -> Child {
    house
        .command(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The address that a command asks a person to open.
fn address(child: &mut Child) -> String {
    let mut lines = BufReader::new(child.stderr.as_mut().unwrap()).lines();
    lines
        .find_map(|line| Some(line.unwrap().trim().strip_prefix("http")?.to_owned()))
        .map(|rest| format!("http{rest}"))
        .unwrap()
}

/// Signs in with a browser; gives what the command says.
pub(super) fn sign_in_with(house: &House, server: &AuthorizationServer, arguments: &[&str]) -> String {
    let mut child = begin(house, arguments);
    let back = server.says_yes(&address(&mut child));
    let (host, path) = back.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host.replace("localhost", "127.0.0.1")).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nhost: {host}\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    assert!(page.contains("You are signed in"), "{page}");
    let done = done(child.wait_with_output().unwrap());
    assert_eq!(done.code, 0, "{}", done.err);
    done.out
}

fn sign_in(house: &House, server: &AuthorizationServer, provider: &str) {
    let out = sign_in_with(house, server, &["login", provider]);
    assert!(
        out.starts_with(&format!("{provider}: signed in as ada@example.org, renewed")),
        "{out}"
    );
}

pub(super) fn run(house: &House, model: &str) -> Done {
    house.run(["run", "go", "--model", model])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_stored_used_and_forgotten() {
    let models = models().await;
    let (house, _server) = house(&models).await;
    block_in_place(|| {
        let before = run(&house, MODEL);
        assert_eq!(before.code, 2, "{}", before.err);
        assert!(
            before.err.contains("`glasswork login anthropic`"),
            "{}",
            before.err
        );
        let stored = house.give(
            house.command(["login", "anthropic", "--key"]),
            &format!("{KEY}\n"),
        );
        assert_eq!(
            (stored.code, &*stored.out),
            (0, "anthropic: a key is stored\n"),
            "{}",
            stored.err
        );
        assert_eq!(
            fs::metadata(file(&house)).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let used = run(&house, MODEL);
        assert_eq!((used.code, &*used.out), (0, "Here.\n"), "{}", used.err);
        assert_eq!(status(&house)[0]["kind"], "key");
        let doctor = house.run(["doctor"]).out;
        assert!(doctor.contains("anthropic: a key is stored"), "{doctor}");
        // The environment goes before it, and that is told.
        let mut shadowed = house.command(["auth", "status"]);
        shadowed.env("ANTHROPIC_API_KEY", "another");
        let shadowed = done(shadowed.output().unwrap());
        assert!(
            shadowed.err.contains("the key in ANTHROPIC_API_KEY goes before"),
            "{}",
            shadowed.err
        );

        let out = house.run(["logout", "anthropic"]);
        assert_eq!(out.code, 0, "{}", out.err);
        assert!(!fs::read_to_string(file(&house)).unwrap().contains(KEY));
        assert_eq!(house.run(["logout", "anthropic"]).code, 2);
        assert_eq!(run(&house, MODEL).code, 2);
        for wrong in ["", "two words", "bell\u{7}"] {
            let refused = house.give(house.command(["login", "anthropic", "--key"]), wrong);
            assert_eq!(refused.code, 2, "{wrong:?}: {}", refused.err);
        }
        let record = on_record(&house);
        assert!(
            record.contains("signed_in") && record.contains("signed_out"),
            "{record}"
        );
        assert!(!record.contains(KEY));
        // What others can read is not used.
        let stored = house.give(house.command(["login", "anthropic", "--key"]), KEY);
        assert_eq!(stored.code, 0);
        fs::set_permissions(file(&house), fs::Permissions::from_mode(0o640)).unwrap();
        let exposed = run(&house, MODEL);
        assert!(
            exposed.code == 2 && exposed.err.contains("chmod 600"),
            "{exposed:?}"
        );
        fs::set_permissions(file(&house), fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(file(&house), format!("{{\n\"{KEY}")).unwrap();
        let damaged = run(&house, MODEL);
        assert!(damaged.code == 2 && damaged.err.contains("line 2"), "{damaged:?}");
        assert!(!damaged.err.contains(KEY));
        fs::remove_file(file(&house)).unwrap();
    });
    let received = models.received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].header("x-api-key"), Some(KEY));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_typed_without_being_shown() {
    let models = models().await;
    let (house, _server) = house(&models).await;
    block_in_place(|| {
        let terminal = Terminal::then(
            &house,
            &["login", "anthropic", "--key"],
            "stty -a | grep -q ' echo ' && echo it is shown again;",
        );
        terminal.until("(not shown)");
        for key in ["typed-keyx", "BSpace", "Enter"] {
            terminal.press(key);
        }
        let screen = terminal.until("code=0");
        assert!(screen.contains("anthropic: a key is stored"), "{screen}");
        assert!(!screen.contains("typed"), "{screen}");
        terminal.until("it is shown again");
        assert!(
            fs::read_to_string(file(&house))
                .unwrap()
                .contains("\"typed-key\"")
        );

        let terminal = Terminal::open(&house, &["login", "anthropic", "--key"]);
        terminal.until("(not shown)");
        terminal.press("C-c");
        terminal.until("code=130");
        assert!(
            fs::read_to_string(file(&house))
                .unwrap()
                .contains("\"typed-key\"")
        );
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_signs_in_and_tokens_are_renewed_before_they_end() {
    let models = models().await;
    let (house, server) = house(&models).await;
    block_in_place(|| {
        // They end at once, so each request needs new ones.
        server.gives_life(0);
        sign_in(&house, &server, "anthropic");
        for _ in 0..2 {
            let used = run(&house, MODEL);
            assert_eq!((used.code, &*used.out), (0, "Here.\n"), "{}", used.err);
        }
        let stored = fs::read_to_string(file(&house)).unwrap();
        assert!(
            stored.contains("access-secret-3") && stored.contains("refresh-secret-3"),
            "{stored}"
        );
        let standing = status(&house);
        assert_eq!(standing[0]["account"], "ada@example.org");
        assert_eq!(standing[0]["scopes"], serde_json::json!(["models", "profile"]));
        let record = on_record(&house);
        assert!(
            record.contains("sign_in") && record.contains("refreshed"),
            "{record}"
        );
        assert!(!record.contains("access-secret") && !record.contains("refresh-secret"));

        // The provider has ended it: told, with what to do, and not tried again.
        server.revoke();
        let ended = run(&house, MODEL);
        assert_eq!(ended.code, 1, "{}", ended.err);
        assert!(
            ended
                .err
                .contains("sign in again with `glasswork login anthropic`"),
            "{}",
            ended.err
        );
        assert!(ended.err.contains("invalid_grant"), "{}", ended.err);
        let asked = server.received().len();
        let again = run(&house, MODEL);
        assert!(
            again.code == 2 && again.err.contains("`glasswork login anthropic`"),
            "{again:?}"
        );
        assert_eq!(server.received().len(), asked);
        assert!(house.run(["doctor"]).out.contains("has ended the sign-in"));
        server.gives_life(3600);
        sign_in(&house, &server, "anthropic");
        assert_eq!(run(&house, MODEL).code, 0);
    });
    let tokens: Vec<_> = models
        .received()
        .iter()
        .map(|request| request.header("authorization").unwrap_or("none").to_owned())
        .collect();
    assert_eq!(
        tokens,
        [
            "Bearer access-secret-2",
            "Bearer access-secret-3",
            "Bearer access-secret-4"
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codes_are_pasted_and_typed_on_devices() {
    let models = models().await;
    let (house, server) = house(&models).await;
    block_in_place(|| {
        let mut child = begin(&house, &["login", "anthropic", "--paste"]);
        let back = server.says_yes(&address(&mut child));
        child.stdin.take().unwrap().write_all(back.as_bytes()).unwrap();
        let pasted = done(child.wait_with_output().unwrap());
        assert_eq!(pasted.code, 0, "{}", pasted.err);
        assert_eq!(run(&house, MODEL).code, 0);

        server.tells_devices(0, ["authorization_pending"]);
        let typed = house.run(["login", "anthropic", "--device"]);
        assert_eq!(typed.code, 0, "{}", typed.err);
        assert!(
            typed.err.contains(USER_CODE) && typed.err.contains("https://x.example/device"),
            "{}",
            typed.err
        );
        for (error, words) in [("expired_token", "has run out"), ("access_denied", "said no")] {
            server.tells_devices(0, [error]);
            let refused = house.run(["login", "anthropic", "--device"]);
            assert!(refused.code == 1 && refused.err.contains(words), "{refused:?}");
        }
        let unknown = house.run(["login", "nobody", "--device"]);
        assert!(
            unknown.code == 2 && unknown.err.contains("`openai-codex`"),
            "{unknown:?}"
        );
        // Nothing of what failed has changed what is stored.
        assert!(
            fs::read_to_string(file(&house))
                .unwrap()
                .contains("access-secret-2")
        );
    });
}

/// How many wait for the lock of a file.
fn waiting_for(file: &fs::File) -> usize {
    let inode = format!(":{} ", file.metadata().unwrap().ino());
    let locks = fs::read_to_string("/proc/locks").unwrap();
    locks
        .lines()
        .filter(|line| line.contains("-> FLOCK") && line.contains(&inode))
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_processes_renew_once() {
    let models = models().await;
    let (house, server) = house(&models).await;
    block_in_place(|| {
        server.gives_life(0);
        sign_in(&house, &server, "anthropic");
        server.gives_life(3600);
        // All four have found that the token has ended before one of them may renew it.
        let lock = fs::File::open(file(&house).with_extension("lock")).unwrap();
        lock.lock().unwrap();
        let children: Vec<_> = (0..4)
            .map(|_| begin(&house, &["run", "go", "--model", MODEL]))
            .collect();
        let began = Instant::now();
        while waiting_for(&lock) < 4 {
            assert!(began.elapsed() < PATIENCE, "{} wait", waiting_for(&lock));
            // The system has no way to wait for somebody who waits; it is asked again.
            std::thread::park_timeout(Duration::from_millis(5));
        }
        lock.unlock().unwrap();
        for child in children {
            let done = done(child.wait_with_output().unwrap());
            assert_eq!(done.code, 0, "{}", done.err);
        }
        assert_eq!(server.given(), 2);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_killed_while_it_renews_leaves_what_was_there() {
    let models = models().await;
    let (house, server) = house(&models).await;
    block_in_place(|| {
        server.gives_life(0);
        sign_in(&house, &server, "anthropic");
    });
    let before = fs::read_to_string(file(&house)).unwrap();
    server.replies([Reply::never()]);
    let asked = server.received().len();
    let mut child = begin(&house, &["run", "go", "--model", MODEL]);
    server.until_received(asked + 1).await;
    block_in_place(|| {
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(fs::read_to_string(file(&house)).unwrap(), before);
        let used = run(&house, MODEL);
        assert_eq!(used.code, 0, "{}", used.err);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_the_model_refuses_is_renewed_once() {
    let said = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hello\"},\"finish_reason\":null}]}\n\n\
                data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let models = ModelServer::start(Answers::by(move |request| {
        match request.header("authorization") {
            Some("Bearer access-secret-2") => Reply::stream(said),
            // It says which, as some servers do.
            other => Reply::status(401).body(format!("{{\"error\":{{\"message\":\"no: {other:?}\"}}}}")),
        }
    }))
    .await
    .unwrap();
    let (house, server) = house(&models).await;
    block_in_place(|| {
        sign_in(&house, &server, "openai");
        let used = run(&house, "openai/some-model");
        assert_eq!((used.code, &*used.out), (0, "hello\n"), "{}", used.err);
        assert_eq!(models.received().len(), 2);
        // No third time: a server that refuses both has another reason.
        sign_in(&house, &server, "openai");
        let refused = run(&house, "openai/some-model");
        assert_eq!(refused.code, 1, "{}", refused.err);
        assert!(!refused.err.contains("access-secret"), "{}", refused.err);
        assert_eq!((models.received().len(), server.given()), (4, 4));
    });
}

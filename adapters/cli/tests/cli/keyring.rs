//! Keys and tokens in the keyring, with the real program and a real one: GNOME Keyring on a bus of the test's own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use glasswork_ai::scripted::Script;
use glasswork_ai::wire::Wire;
use glasswork_app_runtime::keyring::Keyring;
use glasswork_testkit::authorization_server::AuthorizationServer;
use glasswork_testkit::model_server::{Answers, ModelServer};
use glasswork_testkit::programs::ensure;
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use super::sign_in::{self, MODEL, begin, on_record, run, status};
use super::support::{Done, House, PATIENCE, done};

const KEY: &str = "of-no-special-looks";
const ANOTHER: &str = "of-no-looks-either";

/// A bus of its own, with or without a keyring that comes when it is asked for.
struct Bus {
    daemon: Child,
    address: String,
    folder: PathBuf,
}

impl Bus {
    fn start(house: &House, has_keyring: bool) -> Self {
        ensure("dbus-daemon", "dbus-daemon");
        ensure("dbus-send", "dbus-bin");
        ensure("gnome-keyring-daemon", "gnome-keyring");
        ensure("secret-tool", "libsecret-tools");
        let folder = house.home.path().join("bus");
        let services = folder.join("services");
        fs::create_dir_all(&services).unwrap();
        if has_keyring {
            let line =
                "printf a-password | exec gnome-keyring-daemon --foreground --unlock --components=secrets";
            let text = format!("[D-BUS Service]\nName=org.freedesktop.secrets\nExec=/bin/sh -c '{line}'\n");
            fs::write(services.join("org.freedesktop.secrets.service"), text).unwrap();
        }
        let config = folder.join("bus.conf");
        let text = format!(
            "<busconfig><type>session</type><listen>unix:path={0}/socket</listen><servicedir>{0}/services</servicedir>\
             <policy context=\"default\"><allow send_destination=\"*\"/><allow eavesdrop=\"true\"/><allow own=\"*\"/>\
             </policy></busconfig>",
            folder.display()
        );
        fs::write(&config, text).unwrap();
        let mut daemon = Command::new("dbus-daemon")
            .arg("--nofork")
            .arg("--print-address")
            .arg(format!("--config-file={}", config.display()))
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap())
            .env("HOME", &folder)
            .env("XDG_RUNTIME_DIR", &folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut address = String::new();
        BufReader::new(daemon.stdout.as_mut().unwrap())
            .read_line(&mut address)
            .unwrap();
        let address = address.trim().to_owned();
        assert!(address.starts_with("unix:"), "{address}");
        Self {
            daemon,
            address,
            folder,
        }
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env("DBUS_SESSION_BUS_ADDRESS", &self.address)
            .env("HOME", &self.folder)
            .stdin(Stdio::null());
        command
    }

    /// Has the service of secrets do something with the collection in which things are stored.
    fn asks_service(&self, method: &str) {
        let done = self
            .command(
                "dbus-send",
                &[
                    "--session",
                    "--print-reply",
                    "--dest=org.freedesktop.secrets",
                    "/org/freedesktop/secrets",
                    &format!("org.freedesktop.Secret.Service.{method}"),
                    "array:objpath:/org/freedesktop/secrets/collection/login",
                ],
            )
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
    }

    /// What another program finds there.
    fn lookup(&self) -> Option<String> {
        let done = self
            .command(
                "secret-tool",
                &["lookup", "application", "glasswork", "provider", "anthropic"],
            )
            .output()
            .unwrap();
        done.status
            .success()
            .then(|| String::from_utf8(done.stdout).unwrap())
    }

    /// Has another program put something in the place of what is there.
    fn replace(&self, house: &House, secret: &[u8]) {
        let cleared = self
            .command("secret-tool", &["clear", "application", "glasswork"])
            .status();
        assert!(cleared.unwrap().success());
        let (path, secret_file) = (file(house).display().to_string(), self.folder.join("secret"));
        fs::write(&secret_file, secret).unwrap();
        let attributes = ["application", "glasswork", "provider", "anthropic", "file", &path];
        let stored = self
            .command("secret-tool", &["store", "--label=x"])
            .args(attributes)
            .stdin(fs::File::open(&secret_file).unwrap())
            .status();
        fs::remove_file(secret_file).unwrap();
        assert!(stored.unwrap().success());
    }
}

/// The keyring ends with its bus.
impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

fn file(house: &House) -> PathBuf {
    house.home.path().join("glasswork/data/credentials.json")
}

fn in_file(house: &House) -> String {
    fs::read_to_string(file(house)).unwrap_or_default()
}

/// Whether some text stands anywhere on this house's disk.
fn is_on_disk(folder: &Path, text: &str) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        match (kind.is_dir(), kind.is_file()) {
            (true, _) => is_on_disk(&entry.path(), text),
            (_, true) => {
                let bytes = fs::read(entry.path()).unwrap();
                bytes.windows(text.len()).any(|window| window == text.as_bytes())
            }
            _ => false,
        }
    })
}

async fn house(models: &ModelServer) -> (House, AuthorizationServer, Bus) {
    let (house, server) = sign_in::house(models).await;
    let bus = Bus::start(&house, true);
    let house = house.with("DBUS_SESSION_BUS_ADDRESS", &bus.address);
    (house, server, bus)
}

fn login(house: &House, flags: &[&str], key: &str) -> Done {
    let arguments = ["login", "anthropic", "--key"].iter().chain(flags);
    house.give(house.command(arguments), key)
}

fn stored(house: &House, flags: &[&str], key: &str, out: &str) {
    let done = login(house, flags, key);
    assert_eq!((done.code, &*done.out), (0, out), "{}", done.err);
}

const IN_KEYRING: &str = "anthropic: a key is stored in the keyring\n";
const IN_FILE: &str = "anthropic: a key is stored\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_in_the_keyring_and_nowhere_else() {
    // The model has the key printed, which nobody tells by its looks.
    let script = format!(
        r#"(turns: [(say: [call("bash", (command: "echo {KEY}"))]), (say: [text("Here.")]), (say: [text("Here.")])])"#
    );
    let models = ModelServer::start(Answers::Script(Wire::Anthropic, Script::parse(&script).unwrap()))
        .await
        .unwrap();
    let (house, _server, bus) = house(&models).await;
    block_in_place(|| {
        stored(&house, &["--keyring"], KEY, IN_KEYRING);
        assert_eq!(bus.lookup().as_deref(), Some(KEY));
        assert!(!is_on_disk(house.home.path(), KEY));
        let standing = status(&house);
        assert_eq!(
            (&standing[0]["kind"], &standing[0]["kept_in"]),
            (&"key".into(), &"keyring".into())
        );
        assert_eq!(house.run(["auth", "status"]).out, IN_KEYRING);
        assert!(
            house
                .run(["doctor"])
                .out
                .contains("a key is stored in the keyring")
        );

        let yolo = || house.run(["run", "go", "--model", MODEL, "--permission-mode", "yolo"]);
        let used = yolo();
        assert_eq!((used.code, &*used.out), (0, "Here.\n"), "{}", used.err);
        // It was asked for once, and what has it is masked; the command that the model wrote cannot be helped.
        let outputs: Vec<_> = on_record(&house)
            .lines()
            .filter(|line| line.contains(KEY))
            .map(ToOwned::to_owned)
            .collect();
        assert_eq!(outputs, [] as [&str; 0]);

        // It stays where it is, unless something else is said.
        stored(&house, &[], ANOTHER, IN_KEYRING);
        assert_eq!(bus.lookup().as_deref(), Some(ANOTHER));
        assert!(!is_on_disk(house.home.path(), ANOTHER));
        stored(&house, &["--file"], KEY, IN_FILE);
        assert_eq!(bus.lookup(), None);
        assert!(in_file(&house).contains(KEY));
        assert_eq!(status(&house)[0]["kept_in"], "file");
        stored(&house, &["--keyring"], ANOTHER, IN_KEYRING);
        assert!(!in_file(&house).contains(KEY));
        assert_eq!(yolo().code, 0);

        let out = house.run(["logout", "anthropic"]);
        assert_eq!(out.code, 0, "{}", out.err);
        assert_eq!((bus.lookup(), house.run(["logout", "anthropic"]).code), (None, 2));
        assert_eq!(login(&house, &["--keyring", "--file"], KEY).code, 2);
    });
    let keys: Vec<_> = models
        .received()
        .iter()
        .map(|request| request.header("x-api-key").unwrap_or("none").to_owned())
        .collect();
    assert_eq!(keys, [KEY, KEY, ANOTHER, ANOTHER]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_in_the_keyring_are_renewed_there() {
    let models = sign_in::models().await;
    let (house, server, bus) = house(&models).await;
    block_in_place(|| {
        server.gives_life(0);
        let told = sign_in::sign_in_with(&house, &server, &["login", "anthropic", "--keyring"]);
        assert!(
            told.starts_with("anthropic: signed in as ada@example.org in the keyring, renewed"),
            "{told}"
        );
        for number in [2, 3] {
            let used = run(&house, MODEL);
            assert_eq!((used.code, &*used.out), (0, "Here.\n"), "{}", used.err);
            let entry = bus.lookup().unwrap();
            for kind in ["access", "refresh"] {
                assert!(entry.contains(&format!("{kind}-secret-{number}")), "{entry}");
            }
        }
        for text in ["access-secret", "refresh-secret"] {
            assert!(!is_on_disk(house.home.path(), text), "{text}");
        }
        let standing = status(&house);
        assert_eq!(standing[0]["account"], "ada@example.org");
        assert_eq!(standing[0]["scopes"], serde_json::json!(["models", "profile"]));

        // Several that find it ended: one of them renews, and what it has put there is what the others take.
        server.gives_life(3600);
        let children: Vec<_> = (0..3)
            .map(|_| begin(&house, &["run", "go", "--model", MODEL]))
            .collect();
        for child in children {
            let done = done(child.wait_with_output().unwrap());
            assert_eq!((done.code, &*done.out), (0, "Here.\n"), "{}", done.err);
        }
        assert_eq!(server.given(), 4);

        // What has ended is nowhere any more; what comes next goes where it was.
        server.gives_life(0);
        let _ = sign_in::sign_in_with(&house, &server, &["login", "anthropic"]);
        server.revoke();
        let ended = run(&house, MODEL);
        assert!(
            ended.code == 1
                && ended
                    .err
                    .contains("sign in again with `glasswork login anthropic`"),
            "{ended:?}"
        );
        assert_eq!(bus.lookup(), None);
        assert_eq!(run(&house, MODEL).code, 2);
        server.gives_life(3600);
        let told = sign_in::sign_in_with(&house, &server, &["login", "anthropic"]);
        assert!(told.contains("in the keyring"), "{told}");
        assert!(!is_on_disk(house.home.path(), "access-secret"));
        assert_eq!(run(&house, MODEL).code, 0);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_keyring_is_reached_nothing_is_stored_and_ways_are_told() {
    let models = sign_in::models().await;
    let (house, server) = sign_in::house(&models).await;
    let bus = Bus::start(&house, false);
    let folder = bus.folder.display().to_string();
    // Somebody was there, and is gone: the socket refuses.
    let left = bus.folder.join("left");
    drop(UnixListener::bind(&left).unwrap());
    let addresses = [
        None,
        Some("nonsense".to_owned()),
        Some(String::new()),
        Some(format!("unix:path={folder}/nobody")),
        Some(format!("unix:path={}", left.display())),
        // A bus, but no service.
        Some(bus.address.clone()),
    ];
    let asked = server.received().len();
    block_in_place(|| {
        for address in &addresses {
            for way in ["--key", "--device"] {
                let mut command = house.command(["login", "anthropic", way, "--keyring"]);
                command.env("XDG_RUNTIME_DIR", &folder);
                command.envs(
                    address
                        .iter()
                        .map(|address| ("DBUS_SESSION_BUS_ADDRESS", address)),
                );
                let refused = house.give(command, KEY);
                assert_eq!(refused.code, 2, "{address:?}: {}", refused.err);
                for text in [
                    "no keyring is reached",
                    "`glasswork login anthropic --file`",
                    "environment",
                ] {
                    assert!(refused.err.contains(text), "{address:?}: {}", refused.err);
                }
            }
        }
        assert!(!file(&house).exists());
        assert!(!is_on_disk(house.home.path(), KEY));
        assert!(!on_record(&house).contains("signed_in"));
        // Nobody was sent to a browser in vain.
        assert_eq!(server.received().len(), asked);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_keyring_does_not_give_is_told_when_it_is_needed() {
    let models = sign_in::models().await;
    let (house, _server, bus) = house(&models).await;
    let fails = |words: &str| {
        let failed = run(&house, MODEL);
        assert!(
            failed.code == 1 && failed.err.contains(words),
            "{words}: {failed:?}"
        );
        assert!(failed.err.contains("`glasswork login anthropic"), "{failed:?}");
        failed.err
    };
    block_in_place(|| {
        stored(&house, &["--keyring"], KEY, IN_KEYRING);
        let kept = in_file(&house);
        bus.asks_service("Lock");
        // Nobody is there who could be asked.
        fails("the keyring is locked");
        let locked = login(&house, &["--keyring"], ANOTHER);
        assert!(
            locked.code == 2 && locked.err.contains("the keyring is locked"),
            "{locked:?}"
        );
        let out = house.run(["logout", "anthropic"]);
        assert!(
            out.code == 2 && out.err.contains("the keyring is locked"),
            "{out:?}"
        );
        assert_eq!(in_file(&house), kept);
    });
    drop(bus);
    block_in_place(|| {
        // Whoever needs no key does not miss the keyring.
        for arguments in [
            &["auth", "status"][..],
            &["models"],
            &["sessions", "list"],
            &["doctor"],
        ] {
            let used = house.run(arguments);
            assert_eq!(used.code, 0, "{arguments:?}: {}", used.err);
        }
        fails("no keyring is reached");
        // The way out that is told is one.
        let mut command = house.command(["run", "go", "--model", MODEL]);
        command.env("ANTHROPIC_API_KEY", ANOTHER);
        assert_eq!(done(command.output().unwrap()).code, 0);
        stored(&house, &["--file"], KEY, IN_FILE);
        assert_eq!(run(&house, MODEL).code, 0);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_that_is_no_key_is_not_sent() {
    let models = sign_in::models().await;
    let (house, _server, bus) = house(&models).await;
    block_in_place(|| {
        stored(&house, &["--keyring"], KEY, IN_KEYRING);
        let fails = |words: &str| {
            let failed = run(&house, MODEL);
            assert!(
                failed.code == 1 && failed.err.contains(words),
                "{words}: {failed:?}"
            );
            assert!(failed.err.contains("sign in again"), "{failed:?}");
            assert!(!failed.err.contains("two words") && failed.err.len() < 2000);
        };
        // No program of others stores so much.
        let long = "x".repeat((64 << 10) + 1);
        let own = Keyring::beside(&file(&house)).at(&bus.address, PATIENCE);
        Handle::current()
            .block_on(own.write("anthropic", long.into()))
            .unwrap();
        fails("longer than any key");
        for (secret, words) in [
            (b"\xff\xfeno text".as_slice(), "is no text"),
            (b"two words", "is no key"),
            (b"", "is no key"),
        ] {
            bus.replace(&house, secret);
            fails(words);
        }
        // What another program has put there is as good as any.
        bus.replace(&house, format!("{ANOTHER}\n").as_bytes());
        assert_eq!(run(&house, MODEL).code, 0);
        let cleared = bus
            .command("secret-tool", &["clear", "application", "glasswork"])
            .status();
        assert!(cleared.unwrap().success());
        let gone = run(&house, MODEL);
        assert!(
            gone.code == 1 && gone.err.contains("no such entry any more: sign in again"),
            "{gone:?}"
        );
        assert_eq!(house.run(["logout", "anthropic"]).code, 0);
    });
    let keys: Vec<_> = models
        .received()
        .iter()
        .map(|request| request.header("x-api-key").unwrap_or("none").to_owned())
        .collect();
    assert_eq!(keys, [ANOTHER]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_store_at_once_one_is_the_last() {
    let models = sign_in::models().await;
    let (house, _server, bus) = house(&models).await;
    block_in_place(|| {
        let children = [KEY, ANOTHER].map(|key| {
            let mut child = begin(&house, &["login", "anthropic", "--key", "--keyring"]);
            std::io::Write::write_all(&mut child.stdin.take().unwrap(), key.as_bytes()).unwrap();
            child
        });
        for child in children {
            let done = done(child.wait_with_output().unwrap());
            assert_eq!((done.code, &*done.out), (0, IN_KEYRING), "{}", done.err);
        }
        let search = ["search", "--all", "application", "glasswork"];
        let found = bus.command("secret-tool", &search).output().unwrap();
        let text = String::from_utf8(found.stdout).unwrap();
        assert_eq!(text.matches("label = ").count(), 1, "{text}");
        let last = bus.lookup().unwrap();
        assert!([KEY, ANOTHER].contains(&&*last));
        assert_eq!(run(&house, MODEL).code, 0);
    });
    let last = models.received()[0].header("x-api-key").map(ToOwned::to_owned);
    assert!(last.is_some_and(|last| [KEY, ANOTHER].contains(&&*last)));
}

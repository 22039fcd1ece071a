//! Proxies and certificates, with the real program: used as they are set, explained, and no password ever shown.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use glasswork_ai::scripted::Script;
use glasswork_ai::wire::Wire;
use glasswork_testkit::authority::{Authority, TlsDoor};
use glasswork_testkit::authorization_server::AuthorizationServer;
use glasswork_testkit::model_server::{Answers, ModelServer};
use glasswork_testkit::proxy_server::{Manner, ProxyServer};
use tokio::task::block_in_place;

use super::support::{Done, House};

const USER: &str = "me:of%2Dno-special-looks";
const PASSWORD: &str = "me:of-no-special-looks";
const MODEL: &str = "anthropic/some-model";

async fn models(turns: &str) -> ModelServer {
    let script = Script::parse(&format!("(turns: [{turns}])")).unwrap();
    ModelServer::start(Answers::Script(Wire::Anthropic, script))
        .await
        .unwrap()
}

fn house() -> House {
    House::new()
        .with("ANTHROPIC_API_KEY", "sk-dummy-1")
        .with("GLASSWORK_RETRY_ATTEMPTS", "1")
}

fn write(house: &House, name: &str, text: &str) -> PathBuf {
    let folder = house.home.path().join("glasswork/config");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join(name);
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    file
}

fn go(house: &House) -> Done {
    house.run(["run", "go", "--model", MODEL, "--permission-mode", "yolo"])
}

/// That nothing of it has the password, as it is written or as it is meant.
fn is_secret(shown: &str) {
    for text in ["of-no-special-looks", "of%2Dno-special-looks"] {
        assert!(!shown.contains(text), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_of_many_steps_goes_over_one_connection_with_a_proxy_and_without() {
    // A tool that shows the environment shows the password, which is masked before it is recorded or sent.
    let turns = r#"(say: [call("bash", (command: "echo ${http_proxy:-none}"))]), (say: [call("bash", (command: "echo two"))]),
        (say: [call("bash", (command: "echo three"))]), (say: [text("Done.")])"#;
    let manner = Manner {
        password: Some(PASSWORD),
        ..Manner::default()
    };
    let straight = models(turns).await;
    let server = models(turns).await;
    let proxy = ProxyServer::before(server.address(), manner).await.unwrap();
    let alone = house().with("ANTHROPIC_BASE_URL", &straight.url());
    let house = house()
        .with("ANTHROPIC_BASE_URL", "http://models.test")
        .with("http_proxy", &proxy.url("http", USER));
    block_in_place(|| {
        for house in [&alone, &house] {
            let done = go(house);
            assert_eq!((done.code, &*done.out), (0, "Done.\n"), "{}", done.err);
        }
        is_secret(&fs::read_to_string(house.journal()).unwrap());
        let doctor = house.run(["doctor"]).out;
        let way = format!(
            "can be asked (ANTHROPIC_API_KEY) through the proxy {} (http_proxy)",
            proxy.url("http", "")
        );
        assert!(doctor.contains(&way), "{doctor}");
        is_secret(&doctor);
        let doctor = alone.run(["doctor"]).out;
        assert!(
            doctor.contains("no proxy; certificates of the system"),
            "{doctor}"
        );
    });
    for received in [straight.received(), server.received()] {
        let connections: Vec<_> = received.iter().map(|request| request.connection).collect();
        assert_eq!(connections, [1, 1, 1, 1]);
        is_secret(
            &received
                .iter()
                .map(|request| String::from_utf8_lossy(&request.body).into_owned())
                .collect::<String>(),
        );
    }
    assert_eq!(proxy.asked(), ["POST http://models.test/v1/messages"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_go_before_the_environment_and_are_explained() {
    let models = models(r#"(say: [text("Done.")])"#).await;
    let company = Authority::new("of a company").unwrap();
    let pem = company.pem().to_owned();
    let opens = Manner {
        password: Some(PASSWORD),
        opens: Some(company),
        ..Manner::default()
    };
    let proxy = ProxyServer::before(models.address(), opens).await.unwrap();
    let house = house()
        .with("HTTPS_PROXY", "http://127.0.0.1:9")
        .with("NO_PROXY", "models.test")
        .with("ANTHROPIC_BASE_URL", "https://models.test");
    let own = write(&house, "own.pem", &pem);
    let (shown, secret) = (proxy.url("http", ""), proxy.url("http", USER));
    let text = format!(
        "(\n    proxy: \"{secret}\",\n    no_proxy: \"elsewhere.test\",\n    ca_file: \"{}\",\n)\n",
        own.display()
    );
    let file = write(&house, "settings.ron", &text);
    block_in_place(|| {
        let done = go(&house);
        assert_eq!((done.code, &*done.out), (0, "Done.\n"), "{}", done.err);
        let place = file.display();
        let settings = house.run(["settings"]).out;
        assert!(
            settings.contains(&shown) && settings.contains(&format!("{place}:2")),
            "{settings}"
        );
        let doctor = house.run(["doctor"]).out;
        let way = format!(
            "can be asked (ANTHROPIC_API_KEY) through the proxy {shown} ({place}:2), known by certificates of the system and \
             of {} ({place}:4)",
            own.display()
        );
        assert!(doctor.contains(&way), "{doctor}");
        assert!(
            doctor.contains(&format!(
                "proxy {shown} ({place}:2), but not for those in {place}:3"
            )),
            "{doctor}"
        );
        let rows = house.json(["settings", "--json"]).to_string();
        for text in [settings, doctor, rows] {
            is_secret(&text);
        }
        // Where nothing is set, the environment holds, and somebody unknown is not believed.
        write(
            &house,
            "settings.ron",
            &format!("(proxy: \"{secret}\", no_proxy: \"\")"),
        );
        let done = go(&house);
        assert!(done.code == 1 && done.err.contains("`ca_file`"), "{}", done.err);
        is_secret(&done.err);
        write(&house, "settings.ron", "()");
        let doctor = house.run(["doctor"]).out;
        assert!(
            doctor.contains(", past the proxy (`models.test` in NO_PROXY)"),
            "{doctor}"
        );
        // What holds a password is for the user alone.
        let file = write(&house, "settings.ron", &text);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let done = go(&house);
        assert!(
            done.code == 2 && done.err.contains("`proxy` is a secret") && done.err.contains("chmod 600"),
            "{}",
            done.err
        );
    });
    assert_eq!(models.received().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_of_the_environment_stand_in_for_those_of_the_system() {
    let models = models(r#"(say: [text("Done.")])"#).await;
    let authority = Authority::new("known").unwrap();
    let identity = authority.identity("localhost").unwrap();
    let door = TlsDoor::before(models.address(), &identity).await.unwrap();
    let house = house().with("ANTHROPIC_BASE_URL", &door.url("localhost"));
    let file = write(&house, "own.pem", authority.pem());
    let folder = file.parent().unwrap().to_owned();
    block_in_place(|| {
        let refused = go(&house);
        assert!(
            refused.code == 1 && refused.err.contains("`ca_file`"),
            "{}",
            refused.err
        );
        for (name, value) in [("SSL_CERT_FILE", &file), ("SSL_CERT_DIR", &folder)] {
            let mut command = house.command(["run", "go", "--model", MODEL]);
            let done = super::support::done(command.env(name, value).output().unwrap());
            assert_eq!((done.code, &*done.out), (0, "Done.\n"), "{name}: {}", done.err);
            let doctor = super::support::done(house.command(["doctor"]).env(name, value).output().unwrap());
            let told = format!("known by certificates of {} ({name})", value.display());
            assert!(doctor.out.contains(&told), "{}", doctor.out);
        }
    });
}

#[test]
fn mistakes_are_told_with_their_place() {
    let check = |settings: &str, variables: &[(&str, &str)], words: &[&str]| {
        let house = variables
            .iter()
            .fold(house(), |house, (name, value)| house.with(name, value));
        let own = write(
            &house,
            "own.pem",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        );
        write(
            &house,
            "settings.ron",
            &settings.replace("OWN", &own.display().to_string()),
        );
        let done = go(&house);
        assert_eq!(done.code, 2, "{settings} {variables:?}: {}", done.err);
        let doctor = house.run(["doctor"]);
        assert_eq!(doctor.code, 1, "{}", doctor.out);
        for text in [&done.err, &doctor.out] {
            for words in words {
                assert!(text.contains(words), "{words:?}: {text}");
            }
            assert!(!text.contains("pass-word"), "{text}");
        }
    };
    let ftp = "ftp://me:pass-word@x.test";
    for (variable, words) in [
        (
            "HTTPS_PROXY",
            "HTTPS_PROXY: the address of the proxy begins with `ftp:`",
        ),
        ("http_proxy", "http_proxy: the address"),
        ("ALL_PROXY", "ALL_PROXY: the address"),
    ] {
        check("()", &[(variable, ftp)], &[words]);
    }
    check(
        "()",
        &[("GLASSWORK_PROXY", ftp)],
        &["GLASSWORK_PROXY: `proxy` cannot be what is written there: the address"],
    );
    check(
        &format!("(\n  proxy: \"{ftp}\",\n)"),
        &[],
        &["settings.ron:2: `proxy` cannot be", "begins with `ftp:`"],
    );
    check(
        "(proxy: \"http://me:pass-word@:1\")",
        &[],
        &["settings.ron:1: `proxy`", "empty host"],
    );
    check("(proxy: me_pass-word)", &[], &["settings.ron"]);
    check(
        "(proxy: 5)",
        &[],
        &["settings.ron:1: `proxy`", "a text in quotation marks"],
    );
    check(
        "(ca_file: \"own.pem\")",
        &[],
        &["settings.ron:1: `ca_file`: own.pem is no absolute path"],
    );
    check(
        "(ca_file: \"/no/such.pem\")",
        &[],
        &["settings.ron:1: `ca_file`: cannot read /no/such.pem"],
    );
    check(
        "(ca_file: \"OWN\")",
        &[],
        &[
            "settings.ron:1: `ca_file`: ",
            "own.pem: certificate 1 in it is none",
        ],
    );
    check(
        "(ca_file: \"/\")",
        &[],
        &["settings.ron:1: `ca_file`: cannot read /: it is no file"],
    );
    check(
        "()",
        &[("SSL_CERT_FILE", "/no/such.pem")],
        &["SSL_CERT_FILE: cannot read /no/such.pem"],
    );
    check(
        "()",
        &[("SSL_CERT_FILE", "/proc/self/status")],
        &["SSL_CERT_FILE: /proc/self/status", "-----BEGIN CERTIFICATE-----"],
    );
    check(
        "()",
        &[("SSL_CERT_DIR", "/no/such")],
        &["SSL_CERT_DIR: cannot read /no/such"],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_signs_in_goes_the_same_way() {
    let server = AuthorizationServer::start(3600).await.unwrap();
    let proxy = ProxyServer::before(server.address(), Manner::default())
        .await
        .unwrap();
    let house = House::new()
        .with("all_proxy", &proxy.url("socks5", ""))
        .with("no_proxy", "<-loopback>");
    write(
        &house,
        "settings.ron",
        &format!("(sign_in: {{ \"anthropic\": {} }})", server.entry()),
    );
    block_in_place(|| {
        server.tells_devices(0, ["authorization_pending"]);
        let done = house.run(["login", "anthropic", "--device"]);
        assert_eq!(done.code, 0, "{}", done.err);
    });
    // Asking for the code and for the tokens, over one connection.
    let asked = proxy.asked();
    assert!(
        asked.len() == 1 && asked[0].starts_with("SOCKS 127.0.0.1:"),
        "{asked:?}"
    );
}

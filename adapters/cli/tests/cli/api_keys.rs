//! Keys and addresses in the user's settings: they reach the server, and a key nobody else.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use glasswork_ai::scripted::Script;
use glasswork_ai::wire::Wire;
use glasswork_testkit::model_server::{Answers, ModelServer};
use tokio::task::block_in_place;

use super::support::House;

/// No detector knows it by its looks.
const KEY: &str = "of-no-special-looks";

fn write(house: &House, text: &str, mode: u32) -> PathBuf {
    let folder = house.home.path().join("glasswork/config");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("settings.ron");
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    file
}

/// The files below a folder that hold a text.
fn holding(folder: &Path, text: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            holding(&path, text, found);
        } else if path.is_file() {
            let bytes = fs::read(&path).unwrap();
            if bytes.windows(text.len()).any(|part| part == text.as_bytes()) {
                found.push(path);
            }
        }
    }
}

async fn whole_run(provider: &str, wire: Wire) {
    // The model says the key, so it would be on record if the masker did not know it.
    let script = format!(r#"(turns: [(say: [text("It is {KEY}, I hear.")]), (say: [text("Yes.")])])"#);
    let server = ModelServer::start(Answers::Script(wire, Script::parse(&script).unwrap()))
        .await
        .unwrap();
    let house = House::new();
    let url = server.url();
    let text = format!("(\n    {provider}_api_key: \"{KEY}\",\n    {provider}_base_url: \"{url}\",\n)\n");
    let file = write(&house, &text, 0o600);
    block_in_place(|| {
        let model = format!("{provider}/some-model");
        let done = house.run(["run", "go", "--model", &model]);
        assert_eq!(done.code, 0, "{}", done.err);
        assert!(done.out.starts_with("It is [secret:"), "{}", done.out);
        let done = house.run(["run", "--continue", "and?"]);
        assert_eq!((done.code, &*done.out), (0, "Yes.\n"), "{}", done.err);

        let place = format!("{}:2", file.display());
        let told = house.run(["settings"]);
        assert!(
            told.out.contains("set ") && told.out.contains(&place),
            "{}",
            told.out
        );
        let name = format!("{provider}_api_key");
        let rows = house.json(["settings", "--json"]);
        let row = rows["settings"].as_array().unwrap();
        let row = row.iter().find(|row| row["name"] == name.as_str()).unwrap();
        assert_eq!(
            (row["value"].as_str(), row["line"].as_u64()),
            (Some("set"), Some(2))
        );
        let doctor = house.run(["doctor"]);
        assert!(
            doctor.out.contains(&format!("can be asked ({place})")),
            "{}",
            doctor.out
        );
        for shown in [told.out, rows.to_string(), doctor.out] {
            assert!(!shown.contains(KEY), "{shown}");
        }
    });
    let received = server.received();
    assert_eq!(received.len(), 2);
    for request in received {
        assert!(request.headers.iter().any(|(_, value)| value.contains(KEY)));
        assert!(!String::from_utf8_lossy(&request.body).contains(KEY));
    }
    let mut found = Vec::new();
    holding(house.home.path(), KEY, &mut found);
    assert_eq!(found, [file]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_and_address_of_the_settings_are_used_and_the_key_stays_there() {
    whole_run("openai", Wire::OpenAiCompatible).await;
    whole_run("anthropic", Wire::Anthropic).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_environment_overrides_the_settings_and_both_keys_are_secrets() {
    let script = format!(r#"(turns: [(say: [text("It was {KEY}.")])])"#);
    let server = ModelServer::start(Answers::Script(
        Wire::OpenAiCompatible,
        Script::parse(&script).unwrap(),
    ))
    .await
    .unwrap();
    let house = House::new()
        .with("OPENAI_BASE_URL", &server.url())
        .with("OPENAI_API_KEY", "from-the-environment");
    let text = format!("(openai_api_key: \"{KEY}\", openai_base_url: \"http://127.0.0.1:9\")");
    let file = write(&house, &text, 0o600);
    block_in_place(|| {
        let done = house.run(["run", "go", "--model", "openai/m"]);
        assert_eq!(done.code, 0, "{}", done.err);
        let told = house.run(["settings"]).out;
        for expected in [
            "OPENAI_API_KEY",
            "OPENAI_BASE_URL",
            "not set (",
            "not http://127.0.0.1:9 (",
        ] {
            assert!(told.contains(expected), "{expected} is not in {told}");
        }
    });
    let received = server.received();
    let headers: Vec<_> = received[0].headers.iter().map(|(_, value)| &**value).collect();
    assert!(headers.contains(&"Bearer from-the-environment"), "{headers:?}");
    let mut found = Vec::new();
    holding(house.home.path(), KEY, &mut found);
    assert_eq!(found, [file]);
}

#[test]
fn a_key_that_others_can_read_is_refused_and_no_message_tells_a_key() {
    let house = House::new().with("OPENAI_BASE_URL", "http://127.0.0.1:9");
    let fine = format!("(openai_api_key: \"{KEY}\")");
    let refused: [(&str, u32, &str); 6] = [
        (&fine, 0o640, "chmod 600"),
        (&fine, 0o604, "chmod 600"),
        (&fine, 0o622, "chmod 600"),
        ("(openai_api_key: 271828182)", 0o600, "quotation marks"),
        ("(openai_api_key: SECRETWORD)", 0o600, "quotation marks"),
        ("(openai_api_key: sk-SECRETWORD-x)", 0o600, "settings.ron:1"),
    ];
    for (text, mode, told) in refused {
        write(&house, text, mode);
        for arguments in [&["run", "go"][..], &["settings"]] {
            let done = house.run(arguments);
            assert_eq!((done.code, &*done.out), (2, ""), "{text}: {}", done.err);
            assert!(done.err.contains(told), "{told} is not in {}", done.err);
            for secret in [KEY, "271828182", "SECRETWORD"] {
                assert!(!done.err.contains(secret), "{}", done.err);
            }
        }
        let doctor = house.run(["doctor"]);
        assert_eq!(doctor.code, 1, "{}", doctor.out);
        assert!(doctor.out.contains(told), "{}", doctor.out);
    }
    // Without a key anybody may read them.
    write(&house, "(mode: \"plan\", openai_api_key: null)", 0o644);
    assert_eq!(house.run(["settings"]).code, 2, "`null` is no RON");
    write(&house, "(mode: \"plan\", openai_api_key: None)", 0o644);
    assert_eq!(house.run(["settings"]).code, 0);
}

#[test]
fn an_export_masks_the_keys_of_this_process() {
    let house = House::new().with("GLASSWORK_MASK_SECRETS", "false");
    let model = house.script(&format!(r#"(say: [text("It is {KEY}, word-of-the-script.")])"#));
    assert_eq!(house.run(["run", "go", "--model", &model]).code, 0);
    let export = ["sessions", "export", "last", "--format", "markdown", "-o", "-"];
    let before = house.run(export);
    assert!(before.out.contains(KEY), "{before:?}");
    write(&house, &format!("(anthropic_api_key: \"{KEY}\")"), 0o600);
    let after = house.run(export);
    assert_eq!(after.code, 0, "{}", after.err);
    assert!(
        !after.out.contains(KEY) && after.out.contains("[secret:"),
        "{}",
        after.out
    );
    let mut command = house.command(export);
    command.env("OWN_SECRET_TOKEN", "word-of-the-script");
    let done = super::support::done(command.output().unwrap());
    assert!(!done.out.contains("word-of-the-script"), "{}", done.out);
}

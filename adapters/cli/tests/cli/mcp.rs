//! MCP servers from the settings: started by `run`, listed by `mcp`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use glasswork_testkit::mcp_server::server;

use super::support::House;

fn settings(house: &House) {
    let good = server("shell", "good");
    let text = format!(
        "(mcp_servers: {{\"shell\": (command: {:?}, args: {:?}, env: {{\"TOKEN\": \"not-for-the-record\"}})}})",
        good.command, good.args
    );
    let folder = house.home.path().join("glasswork/config");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("settings.ron");
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_server_of_the_settings_is_listed_started_and_called() {
    let house = House::new();
    let none = house.run(["mcp"]);
    assert_eq!((none.code, &*none.out), (0, ""));
    assert!(none.err.contains("No MCP server is set"), "{}", none.err);
    settings(&house);
    let set = house.json(["mcp", "--json"]);
    assert_eq!(
        (&set[0]["name"], &set[0]["command"], &set[0]["environment"][0]),
        (&"shell".into(), &"/bin/sh".into(), &"TOKEN".into())
    );
    let model = house
        .script(r#"(say: [call("mcp__shell__token", ())]), (expect: "[secret:", say: [text("Heard.")])"#);
    let done = house.yolo(&model);
    assert_eq!((done.code, &*done.out), (0, "Heard.\n"), "{}", done.err);
    let of = house.json(["mcp", "last", "--json"]);
    assert_eq!(
        (
            &of[0]["state"],
            &of[0]["introduction"]["protocol"],
            &of[0]["tools"][0]["called"]
        ),
        (&"ready".into(), &"2025-06-18".into(), &"mcp__shell__echo".into())
    );
    let text = house.run(["mcp", "last"]).out;
    assert!(text.contains("shell 7, protocol 2025-06-18"), "{text}");
    assert!(
        text.contains("(with TOKEN)") && !text.contains("not-for-the-record"),
        "{text}"
    );
    let asked = house.run([
        "query",
        "{ session(id: \"last\") { mcpServers { name state offered tools { called } } calls { nodes { evidence { ... on \
         ServerEvidence { server tool } } } } } }",
    ]);
    assert!(
        asked.out.contains("mcp__shell__grow"),
        "{} {}",
        asked.out,
        asked.err
    );
}

//! Settings by layer: every value with its source and what it overrode; every mistake with its place.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use glasswork_app_runtime::homes::{Environment, Homes};
use glasswork_app_runtime::settings::{Flag, resolve};
use glasswork_session_state::settings::Source;

struct Place {
    home: tempfile::TempDir,
}

impl Place {
    fn with(file: Option<&str>) -> Self {
        let place = Self {
            home: tempfile::tempdir().unwrap(),
        };
        if let Some(text) = file {
            std::fs::create_dir_all(place.homes().config).unwrap();
            std::fs::write(place.homes().settings_file(), text).unwrap();
        }
        place
    }

    fn homes(&self) -> Homes {
        Homes::find(&Environment::of([("GLASSWORK_HOME", self.home.path())])).unwrap()
    }

    /// `name = value (layer place), over value (layer place) …` of the settings that are not as built in.
    fn explain(&self, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let flags: Vec<_> = flags
            .iter()
            .map(|(name, value)| Flag {
                name: (*name).to_owned(),
                value: (*value).to_owned(),
                flag: format!("--{name}"),
            })
            .collect();
        let environment = Environment::of(environment.iter().copied());
        let resolved = resolve(&self.homes(), &environment, &flags, self.home.path());
        let home = self.home.path().display().to_string();
        let resolved = resolved.map_err(|error| error.to_string().replace(&home, "~"))?;
        let show = |setting: &glasswork_app_runtime::settings::AnySetting| {
            let json = serde_json::to_value(setting).unwrap();
            let Source { layer, file, line } = setting.from();
            let line = line.map(|line| format!(":{line}")).unwrap_or_default();
            let file = file.as_deref().unwrap_or("-").replace(&home, "~");
            format!("{} ({layer:?} {file}{line})", json[setting.name()]["value"])
        };
        Ok(resolved
            .explained
            .iter()
            .filter(|explained| !explained.overrode.is_empty())
            .map(|explained| {
                let over: Vec<_> = explained.overrode.iter().map(show).collect();
                format!(
                    "{} = {} over {}",
                    explained.setting.name(),
                    show(&explained.setting),
                    over.join(", ")
                )
            })
            .collect())
    }
}

#[test]
fn later_layers_win_and_say_what_they_overrode() {
    let place = Place::with(Some(
        "// mine\n(\n    model: \"anthropic/claude-sonnet-4-5\",\n    mode: \"accept-edits\", max_steps: 7,\n\n    retry_attempts:\n        9,\n)\n",
    ));
    let explained = place.explain(
        &[
            ("GLASSWORK_MAX_STEPS", "8"),
            ("GLASSWORK_HOME", "/elsewhere"),
            // Set for what a tool runs: the program itself may be among that.
            ("GLASSWORK_CALL", "x/1.0"),
            ("OTHER", "x"),
        ],
        &[("max_steps", "9"), ("mode", "yolo")],
    );
    assert_eq!(
        explained.unwrap(),
        [
            "model = \"anthropic/claude-sonnet-4-5\" (User ~/config/settings.ron:3) over null (Default -)",
            "mode = \"yolo\" (Flag --mode) over \"accept-edits\" (User ~/config/settings.ron:4), \"ask\" (Default -)",
            "max_steps = 9 (Flag --max_steps) over 8 (Environment GLASSWORK_MAX_STEPS), \
             7 (User ~/config/settings.ron:4), 200 (Default -)",
            "retry_attempts = 9 (User ~/config/settings.ron:7) over 4 (Default -)",
        ]
    );
}

#[test]
fn every_mistake_names_its_place() {
    let check = |file: Option<&str>, environment: &[(&str, &str)], expected: &str| {
        let found = Place::with(file).explain(environment, &[]).unwrap_err();
        assert!(
            found.starts_with(expected),
            "{file:?} {environment:?}\n  gave     {found}\n  expected {expected}"
        );
    };
    check(Some("(mode: \"ask\""), &[], "~/config/settings.ron:1:9: ");
    check(Some("mode = ask"), &[], "~/config/settings.ron:1:1: ");
    check(
        Some("(\n  mdoe: \"ask\",\n)"),
        &[],
        "~/config/settings.ron:2: there is no setting `mdoe`; did you mean `mode`?",
    );
    check(
        Some("(\n  mode: \"asks\",\n)"),
        &[],
        "~/config/settings.ron:2: `mode` cannot be \"asks\": unknown variant `asks`, expected one of `plan`, `ask`",
    );
    check(
        Some("(max_steps: -1)"),
        &[],
        "~/config/settings.ron:1: `max_steps` cannot be -1: ",
    );
    check(
        Some("(mode: \"ask\",\nmode: \"plan\")"),
        &[],
        "~/config/settings.ron:2: `mode` is set twice in this file; keep one",
    );
    check(
        None,
        &[("GLASSWORK_MODEL", "gpt")],
        "GLASSWORK_MODEL: `model` cannot be gpt: `gpt` is no model",
    );
    check(
        None,
        &[("GLASSWORK_MAXSTEPS", "1")],
        "GLASSWORK_MAXSTEPS: there is no setting `maxsteps`",
    );
}

#[test]
fn an_empty_file_sets_nothing_and_a_projects_file_is_not_read() {
    let place = Place::with(Some("\n"));
    std::fs::create_dir(place.home.path().join(".glasswork")).unwrap();
    std::fs::write(
        place.home.path().join(".glasswork/settings.ron"),
        "(mode: \"yolo\")",
    )
    .unwrap();
    let resolved = resolve(&place.homes(), &Environment::default(), &[], place.home.path()).unwrap();
    assert_eq!(
        resolved.settings,
        glasswork_session_state::settings::Settings::default()
    );
    assert_eq!(resolved.not_read.len(), 1);
}

/// What is started is the user's to say, in the one file that is theirs alone; what it is given is shown to nobody.
#[test]
fn servers_are_named_by_the_users_own_file_and_by_nothing_else() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::with(Some(
        "(\n    mcp_servers: {\n        \"files\": (command: \"npx\", args: [\"-y\"]),\n        \"tickets\": (command: \"t\", env: {\"KEY\": \"hidden\"}),\n    },\n)",
    ));
    let file = place.homes().settings_file();
    let resolve = |environment: &Environment, flags: &[Flag]| {
        resolve(&place.homes(), environment, flags, place.home.path())
    };
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(&file, open).unwrap();
    let exposed = resolve(&Environment::default(), &[]).unwrap_err().to_string();
    assert!(
        exposed.contains("`mcp_servers` is a secret") && exposed.contains("chmod 600"),
        "{exposed}"
    );
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let resolved = resolve(&Environment::default(), &[]).unwrap();
    let commands = resolved.mcp_servers.commands();
    let told: Vec<_> = commands
        .iter()
        .map(|server| {
            (
                &*server.name,
                &*server.command,
                server.args.len(),
                server.env.len(),
            )
        })
        .collect();
    assert_eq!(told, [("files", "npx", 1, 0), ("tickets", "t", 0, 1)]);
    assert_eq!(commands[0].from.line, Some(2));
    let shown = serde_json::to_string(&resolved.mcp_servers).unwrap() + &format!("{resolved:?}");
    assert!(shown.contains("KEY") && !shown.contains("hidden"), "{shown}");

    let flag = Flag {
        name: "mcp_servers".to_owned(),
        value: "{}".to_owned(),
        flag: "--set".to_owned(),
    };
    let environment = Environment::of([("GLASSWORK_MCP_SERVERS", "{}")]);
    for refused in [
        resolve(&environment, &[]),
        resolve(&Environment::default(), &[flag]),
    ] {
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("only your own settings file"), "{refused}");
    }
    std::fs::write(&file, "(mcp_servers: {\"a\": (comand: \"hidden\")})").unwrap();
    let wrong = resolve(&Environment::default(), &[]).unwrap_err().to_string();
    assert!(
        wrong.contains("it looks like") && !wrong.contains("hidden"),
        "{wrong}"
    );
}

#[test]
fn a_file_with_a_secret_is_for_nobody_else_and_one_without_for_everybody() {
    use std::os::unix::fs::PermissionsExt as _;
    let explain = |text: &str, mode: u32| {
        let place = Place::with(Some(text));
        let file = place.homes().settings_file();
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
        place.explain(&[], &[])
    };
    let key = "(\n  openai_api_key: \"sk-hidden\")";
    let password = "(proxy: \"http://me:hidden@proxy.test:3128\")";
    for (text, name, line) in [(key, "openai_api_key", 2), (password, "proxy", 1)] {
        for mode in [0o644, 0o620, 0o604, 0o601] {
            let expected =
                format!("~/config/settings.ron:{line}: `{name}` is a secret, and others can read or change");
            let told = explain(text, mode).unwrap_err();
            assert!(told.starts_with(&expected) && !told.contains("hidden"), "{told}");
        }
        let shown = explain(text, 0o600).unwrap().concat();
        assert!(shown.contains(name) && !shown.contains("hidden"), "{shown}");
    }
    // No secret is in these.
    for text in [
        "(proxy: \"http://proxy.test:3128\")",
        "(proxy: \"\")",
        "(proxy: \" \")",
        "(max_steps: 7)",
    ] {
        explain(text, 0o644).unwrap();
    }
    // What is no RON may have the secret where the mistake is.
    for (text, is_hidden) in [
        ("(openai_api_key: `hidden`)", true),
        ("(proxy: `hidden`)", true),
        ("(openai_api_key: hidden, mode: `ask`)", true),
        ("(mode: `ask`)", false),
    ] {
        let told = explain(text, 0o600).unwrap_err();
        assert!(!told.contains("hidden"), "{told}");
        assert_eq!(told.contains("this is no RON"), is_hidden, "{told}");
    }
}

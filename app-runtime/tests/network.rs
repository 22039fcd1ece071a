//! How servers are reached: what of the settings and of the environment counts, and what of it is a secret.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)] // a test may fail loudly

use std::fs;
use std::path::Path;

use glasswork_ai::http::ClientSettings;
use glasswork_app_runtime::homes::{Environment, Homes};
use glasswork_app_runtime::network::{client_settings, secrets};
use glasswork_app_runtime::settings::{Resolved, resolve};
use glasswork_testkit::authority::Authority;
use secrecy::ExposeSecret as _;

fn resolved(home: &Path, settings: &str, environment: &Environment) -> Resolved {
    use std::os::unix::fs::PermissionsExt as _;
    let homes = Homes::find(&Environment::of([("GLASSWORK_HOME", home)])).unwrap();
    fs::create_dir_all(&homes.config).unwrap();
    fs::write(homes.settings_file(), settings).unwrap();
    fs::set_permissions(homes.settings_file(), fs::Permissions::from_mode(0o600)).unwrap();
    resolve(&homes, environment, &[], home).unwrap()
}

/// What comes of a settings file and variables, and the home in which they are.
fn found(settings: &str, variables: &[(&str, &str)]) -> (Result<ClientSettings, String>, String) {
    let home = tempfile::tempdir().unwrap();
    let environment = Environment::of(variables.iter().copied());
    let resolved = resolved(home.path(), settings, &environment);
    let settings = client_settings(&environment, &resolved.host, &resolved.proxy);
    (
        settings.map_err(|error| error.to_string()),
        home.path().display().to_string(),
    )
}

#[test]
fn the_nearest_word_on_a_proxy_counts() {
    let all = ("ALL_PROXY", "socks5://all:1");
    let http = ("http_proxy", "small:2");
    let large = ("HTTP_PROXY", "large:3");
    let https = ("HTTPS_PROXY", "secured:4");
    let no = ("NO_PROXY", "x.test");
    let own = "(proxy: \"http://own:5\")";
    let place = "~/config/settings.ron:1";
    for (settings, variables, expected) in [
        ("()", vec![], "no proxy".to_owned()),
        ("()", vec![all], "proxy socks5://all:1 (ALL_PROXY)".to_owned()),
        (
            "()",
            vec![all, http, large],
            "proxy for http: http://small:2 (http_proxy), proxy for https: socks5://all:1 (ALL_PROXY)".to_owned(),
        ),
        ("()", vec![large], "proxy for http: http://large:3 (HTTP_PROXY)".to_owned()),
        // What is set to nothing is not set.
        (
            "()",
            vec![("http_proxy", " "), large],
            "proxy for http: http://large:3 (HTTP_PROXY)".to_owned(),
        ),
        (
            "()",
            vec![all, https, no],
            "proxy for http: socks5://all:1 (ALL_PROXY), proxy for https: http://secured:4 (HTTPS_PROXY), but not for \
             those in NO_PROXY"
                .to_owned(),
        ),
        (own, vec![all, http, https], format!("proxy http://own:5 ({place})")),
        ("(proxy: \"\")", vec![https], "proxy for https: http://secured:4 (HTTPS_PROXY)".to_owned()),
        (
            "(proxy: \"http://own:5\", no_proxy: \"y.test\")",
            vec![no],
            format!("proxy http://own:5 ({place}), but not for those in {place}"),
        ),
        // Who sets an empty list wants no exception.
        (
            "(proxy: \"http://own:5\", no_proxy: \"\")",
            vec![no],
            format!("proxy http://own:5 ({place})"),
        ),
    ] {
        let (told, home) = found(settings, &variables);
        let told = told.unwrap().proxies.to_string().replace(&home, "~");
        assert_eq!(told, expected, "{settings} {variables:?}");
    }
    let wrong = found("()", &[("HTTPS_PROXY", "ftp://me:hidden@proxy")])
        .0
        .unwrap_err();
    assert!(
        wrong.starts_with("HTTPS_PROXY: ") && !wrong.contains("hidden"),
        "{wrong}"
    );
}

#[test]
fn passwords_of_all_proxies_are_secrets_whether_they_are_used_or_not() {
    let home = tempfile::tempdir().unwrap();
    let environment = Environment::of([
        ("http_proxy", "http://me:one@proxy"),
        ("HTTP_PROXY", "http://me:two@proxy"),
        ("HTTPS_PROXY", "http://me:three%21@proxy"),
        ("all_proxy", "socks5://me:four@proxy"),
        ("NO_PROXY", "*"),
    ]);
    let resolved = resolved(home.path(), "(proxy: \"http://me:five@proxy\")", &environment);
    let mut all: Vec<String> = secrets(&environment, &resolved.proxy)
        .iter()
        .map(|secret| secret.expose_secret().to_owned())
        .collect();
    all.sort();
    assert_eq!(all, ["five", "four", "one", "three!", "three%21", "two"]);
}

#[test]
fn certificates_are_read_from_where_they_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let shown = |name: &str| path(name).display().to_string();
    for (name, authority) in [
        ("own.pem", "own"),
        ("system.pem", "system"),
        ("many/one.pem", "one of many"),
    ] {
        fs::create_dir_all(path("many")).unwrap();
        fs::write(path(name), Authority::new(authority).unwrap().pem()).unwrap();
    }
    // There are other things in such folders.
    fs::write(path("many/README"), "no certificate").unwrap();
    std::os::unix::fs::symlink("nowhere", path("many/gone.pem")).unwrap();
    let own = format!("(ca_file: {:?})", shown("own.pem"));
    let (file, many) = (shown("system.pem"), shown("many"));
    let told = |settings: &str, variables: &[(&str, &str)]| {
        let authorities = found(settings, variables).0.unwrap().authorities;
        let counts = format!("{authorities:?}");
        let count = |field: &str| {
            let (_, rest) = counts.split_once(field)?;
            let (_, rest) = rest.split_once("Some(Certificates(")?;
            rest.split(' ').next()?.parse::<usize>().ok()
        };
        let in_place = authorities.in_place.as_ref().and_then(|_| count("in_place"));
        let beside = authorities.beside.as_ref().and_then(|_| count("beside"));
        (in_place, beside)
    };
    let (named, folders) = (("SSL_CERT_FILE", file.as_str()), ("SSL_CERT_DIR", many.as_str()));
    assert_eq!(told("()", &[]), (None, None));
    assert_eq!(told(&own, &[]), (None, Some(1)));
    assert_eq!(told("()", &[named]), (Some(1), None));
    assert_eq!(told("()", &[folders]), (Some(1), None));
    assert_eq!(told(&own, &[named, folders]), (Some(2), Some(1)));

    let wrong = |settings: &str, variables: &[(&str, &str)]| found(settings, variables).0.unwrap_err();
    let relative = wrong("(ca_file: \"own.pem\")", &[]);
    assert!(relative.contains("own.pem is no absolute path"), "{relative}");
    let folder = wrong(&format!("(ca_file: {many:?})"), &[]);
    assert!(folder.contains("it is no file of certificates"), "{folder}");
    let gone = wrong("()", &[("SSL_CERT_FILE", "/gone/x.pem")]);
    assert!(
        gone.starts_with("SSL_CERT_FILE: cannot read /gone/x.pem"),
        "{gone}"
    );
    let long = fs::File::create(path("long.pem")).unwrap();
    long.set_len((16 << 20) + 1).unwrap();
    let long = wrong(&format!("(ca_file: {:?})", shown("long.pem")), &[]);
    assert!(long.contains("it is no file of certificates"), "{long}");
}

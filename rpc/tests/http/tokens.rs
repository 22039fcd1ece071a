//! Tokens, and the files that they lie in (case 5).

use std::os::unix::fs::{MetadataExt as _, PermissionsExt, symlink};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use glasswork_rpc::http::{Access, Token, TokenError};
use tempfile::TempDir;

#[test]
fn a_token_lies_in_a_file_of_its_owner_alone_and_goes_with_its_host() {
    let home = TempDir::new().unwrap();
    let folder = home.path().join("run");
    let token = Token::mint().unwrap();
    let file = token.write(&folder, "token").unwrap();
    let text = std::fs::read_to_string(file.path()).unwrap();
    assert_eq!(text.len(), 64);
    assert!(token.is(text.as_bytes()));
    assert_ne!(
        text,
        std::fs::read_to_string(Token::mint().unwrap().write(&folder, "other").unwrap().path()).unwrap()
    );
    assert_eq!(std::fs::metadata(file.path()).unwrap().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
    for wrong in [
        "",
        &text[..63],
        &format!("{text}0"),
        &text.to_uppercase().replace('0', "1"),
    ] {
        assert!(!token.is(wrong.as_bytes()), "{wrong}");
    }
    assert!(!format!("{token:?}").contains(&text), "it prints itself");
    let path = file.path().to_owned();
    drop(file);
    assert!(!path.exists());
}

#[test]
fn what_somebody_else_may_have_put_there_is_not_trusted() {
    let home = TempDir::new().unwrap();
    let token = Token::mint().unwrap();
    let open = home.path().join("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, PermissionsExt::from_mode(0o755)).unwrap();
    let refused = token.write(&open, "token");
    assert!(matches!(refused, Err(TokenError::Shared(_))), "{refused:?}");
    // A directory that is a link, and a link where the file shall be.
    let own = home.path().join("own");
    let other = token.write(&own, "other").unwrap();
    let link = home.path().join("link");
    symlink(&own, &link).unwrap();
    let refused = token.write(&link, "token");
    assert!(matches!(refused, Err(TokenError::Shared(_))), "{refused:?}");
    let target = home.path().join("target");
    std::fs::write(&target, "mine").unwrap();
    symlink(&target, own.join("token")).unwrap();
    let file = token.write(&own, "token").unwrap();
    assert!(std::fs::symlink_metadata(file.path()).unwrap().is_file());
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "mine");
    drop((file, other));
}

#[test]
fn there_is_no_wildcard_among_origins() {
    let access = || Access::new("127.0.0.1:80".parse().unwrap(), Token::mint().unwrap());
    for wrong in [
        "*",
        "null",
        "file://",
        "http://",
        "http://*",
        "http://a/b",
        "a:3000",
        "",
    ] {
        assert!(access().with_origin(wrong).is_err(), "{wrong}");
    }
    assert!(access().with_origin("https://a.example").is_ok());
}

/// Case 5: another user of the machine does not get at the token, also where they can get at its directory.
#[test]
fn another_user_cannot_read_the_token() {
    const NOBODY: u32 = 65_534;
    let home = TempDir::new().unwrap();
    let folder = home.path().join("run");
    let file = Token::mint().unwrap().write(&folder, "token").unwrap();
    let read = |path: &std::path::Path| {
        let mut cat = Command::new("cat");
        cat.arg(path).env("LC_ALL", "C");
        if rustix::process::geteuid().is_root() {
            // Without the groups of root too: `uid` takes them away.
            cat.uid(NOBODY).gid(NOBODY);
        }
        cat.output().unwrap()
    };
    let open = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    };
    open(home.path(), 0o755);
    let public = home.path().join("public");
    std::fs::write(&public, "for all").unwrap();
    assert_eq!(read(&public).stdout, b"for all");
    if !rustix::process::geteuid().is_root() {
        // Nobody else can be played.
        return;
    }
    for folder_mode in [0o700, 0o755] {
        open(&folder, folder_mode);
        let done = read(file.path());
        assert_eq!(
            (done.status.success(), &*done.stdout),
            (false, &b""[..]),
            "{folder_mode:o}"
        );
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(said.contains("Permission denied"), "{said}");
    }
}

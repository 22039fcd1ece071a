//! Another user of the same machine.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use glasswork_client::directory::{Directory, DirectoryError, Live};
use glasswork_client::{Client, ClientError};
use glasswork_testkit::house::House;
use glasswork_testkit::second::{self, Second, plays, say};

use crate::{SCRIPT, card, opened};
use glasswork_app_runtime::attachments::Limits;

const TEST: &str = "users::another_user_reaches_neither_the_socket_nor_anything_behind_it";
/// Two who are not root.
const OWNER: u32 = 65_534;
const OTHER: u32 = 65_533;

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// The socket, by the name that its owner told.
fn socket(home: &Path) -> PathBuf {
    let name = std::fs::read_to_string(home.join("name")).unwrap();
    home.join("run").join(format!("{name}.sock"))
}

/// Has a socket until it is told to end; and another one, in the other's directory.
async fn owner(home: &Path) {
    assert!(!rustix::process::geteuid().is_root());
    let house = House::of_script(SCRIPT).await;
    let socket = opened(&house, &home.join("run"), Limits::default()).unwrap();
    let planted = home.join("other/planted.sock");
    let _listens = UnixListener::bind(&planted).unwrap();
    mode(&planted, 0o666);
    std::fs::write(home.join("name"), socket.name()).unwrap();
    let (up, over) = (home.join("up"), home.join("over"));
    let waits = tokio::task::spawn_blocking(move || {
        std::fs::write(up, "up").unwrap();
        std::fs::read_to_string(over).unwrap()
    });
    waits.await.unwrap();
    say(format_args!("clients {}", socket_clients(&house)));
    socket.close().await;
    house.close().await;
}

fn socket_clients(house: &House) -> usize {
    let host = house.snapshot().host().unwrap();
    match &host.state {
        glasswork_session_state::state::Scope::Host(host) => host.clients.len(),
        glasswork_session_state::state::Scope::Session(_) => usize::MAX,
    }
}

/// Tries the door as it is.
async fn other(home: &Path) {
    assert!(!rustix::process::geteuid().is_root());
    let kind = match UnixStream::connect(socket(home)) {
        Err(error) => format!("{:?}", error.kind()),
        Ok(mut stream) => {
            // Whoever was cut off cannot write.
            let _ = stream.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"_glasswork/host\"}\n");
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            format!("connected, and was told {} bytes", answer.len())
        }
    };
    say(format_args!("socket {kind}"));
    let directory = Directory::open(&home.join("run"));
    let refused = matches!(
        directory,
        Err(DirectoryError::NotOwn { .. } | DirectoryError::Io { .. })
    );
    say(format_args!(
        "directory {}",
        if refused { "refused" } else { "taken" }
    ));
    let own = home.join("other");
    if std::fs::metadata(&own).unwrap().permissions().mode() & 0o77 == 0 {
        // Somebody else listens in its own directory: it sends nothing there.
        let live = Live {
            name: "planted".to_owned(),
            card: serde_json::from_str(&std::fs::read_to_string(home.join("card")).unwrap()).unwrap(),
        };
        let connected = Client::connect(&Directory::open(&own).unwrap(), &live).await;
        let told = matches!(connected, Err(ClientError::NotOwn));
        say(format_args!("planted {}", if told { "refused" } else { "taken" }));
    }
}

fn drop_to(user: u32, role: &str, home: &Path) -> Second {
    let (uid, gid) = (format!("--reuid={user}"), format!("--regid={user}"));
    let drop = [&*uid, &gid, "--clear-groups", "--"];
    Second::start(second::through(
        "setpriv",
        &drop,
        &second::command(TEST, role, home),
    ))
}

/// Only the superuser can play two users, neither of whom is root; elsewhere there is nothing to be played.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_user_reaches_neither_the_socket_nor_anything_behind_it() {
    if plays("owner", owner).await || plays("other", other).await {
        return;
    }
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let path = home.path().to_owned();
    mode(&path, 0o755);
    chown(&path, Some(OWNER), Some(OWNER)).unwrap();
    std::fs::create_dir(path.join("other")).unwrap();
    mode(&path.join("other"), 0o777);
    for pipe in ["up", "over"] {
        let made = Command::new("mkfifo").arg(path.join(pipe)).status().unwrap();
        assert!(made.success());
        chown(path.join(pipe), Some(OWNER), Some(OWNER)).unwrap();
    }
    let house = House::of_script(SCRIPT).await;
    let text = serde_json::to_string(&card(&house)).unwrap();
    house.close().await;
    std::fs::write(path.join("card"), text).unwrap();
    tokio::task::spawn_blocking(move || {
        let owner = drop_to(OWNER, "owner", &path);
        std::fs::read_to_string(path.join("up")).unwrap();
        let said = drop_to(OTHER, "other", &path).end();
        assert_eq!(said.lines, ["socket PermissionDenied", "directory refused"]);
        // And where somebody has opened all doors by mistake, it is still asked who comes.
        chown(path.join("other"), Some(OTHER), Some(OTHER)).unwrap();
        mode(&path.join("other"), 0o700);
        mode(&path.join("run"), 0o755);
        mode(&socket(&path), 0o666);
        let said = drop_to(OTHER, "other", &path).end();
        assert_eq!(
            said.lines,
            [
                "socket connected, and was told 0 bytes",
                "directory refused",
                "planted refused"
            ]
        );
        std::fs::write(path.join("over"), "over").unwrap();
        assert_eq!(owner.end().lines, ["clients 0"]);
    })
    .await
    .unwrap();
    drop(home);
}

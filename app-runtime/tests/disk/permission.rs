//! Folders without permission, for somebody who is not root: at the start, at opening, in the middle.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use glasswork_app_runtime::files::FileArchive;
use glasswork_app_runtime::runtime::Runtime;
use glasswork_testkit::house::{ports, scripted};
use glasswork_testkit::second::{self, Second, plays, say};

use crate::read_only::lived_in;
use crate::support::{can_be_read, opening, rows, runtime, turn};

const TEST: &str = "permission::a_folder_without_permission_is_named_and_what_can_be_read_is_read";
const SCRIPT: &str =
    r#"(turns: [(say: [text("One needle.")]), (say: [text("two")]), (say: [text("three")])])"#;
const ADVICE: &str = "Permission denied (os error 13); check who owns it and its permissions";
/// Somebody who is not root.
const NOBODY: u32 = 65534;

fn set(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Everything below, and it.
fn below(path: &Path) -> Vec<PathBuf> {
    let mut all = vec![path.to_owned()];
    let mut at = 0;
    while at < all.len() {
        if all[at].is_dir() && !all[at].is_symlink() {
            let entries = std::fs::read_dir(&all[at]).unwrap();
            all.extend(entries.map(|entry| entry.unwrap().path()));
        }
        at += 1;
    }
    all
}

async fn part(home: &Path) {
    let data = home.join("data");
    let month = {
        let archive = FileArchive::open(&data).unwrap();
        let first = rows(&archive)[0].id;
        let path = archive.journal_of(first).unwrap().path().to_owned();
        path.parent().unwrap().to_owned()
    };

    // At the start: nothing can be made in the data directory. All is read, and the host's own record is refused.
    for folder in [&data, &data.join("host"), &month] {
        set(folder, 0o500);
    }
    {
        let archive = FileArchive::open(&data).unwrap();
        for row in rows(&archive) {
            can_be_read(&archive, row.id, "needle");
        }
        let refused = Runtime::start(ports(&archive, scripted(SCRIPT)))
            .await
            .unwrap_err()
            .to_string();
        assert!(refused.contains(ADVICE) && refused.contains("host"), "{refused}");
    }
    for folder in [&data, &data.join("host")] {
        set(folder, 0o700);
    }

    // At opening: the month cannot be changed, nor the session's own folder.
    let (runtime, archive, _) = runtime(home, scripted(SCRIPT)).await;
    let [one, two] = [0, 1].map(|number| rows(&archive)[number].id);
    let folder = |session| archive.journal_of(session).unwrap().folder();
    let refused = runtime.new_session(opening(home)).await.unwrap_err().to_string();
    assert!(
        refused.contains(ADVICE) && refused.contains(&*month.to_string_lossy()),
        "{refused}"
    );
    set(&folder(one), 0o500);
    let refused = runtime.mount(one).await.unwrap_err().to_string();
    assert!(
        refused.contains(ADVICE) && refused.contains(&*folder(one).to_string_lossy()),
        "{refused}"
    );
    can_be_read(&archive, one, "needle");
    set(&folder(one), 0o700);

    // In the middle: what is open goes on, though nothing new can be made beside it.
    runtime.mount(one).await.unwrap();
    set(&folder(one), 0o500);
    assert_eq!(turn(&runtime, one, "two").await, "two");
    runtime.give_up(one).await.unwrap();
    can_be_read(&archive, one, "two");
    let refused = runtime.mount(one).await.unwrap_err().to_string();
    assert!(refused.contains(ADVICE), "{refused}");
    set(&folder(one), 0o700);
    runtime.mount(one).await.unwrap();
    assert_eq!(turn(&runtime, one, "three").await, "three");

    // A journal that may not even be read is listed with what is wrong, and hides no other.
    let journal = archive.journal_of(two).unwrap().path().to_owned();
    set(&journal, 0o000);
    let listed = rows(&FileArchive::open(&data).unwrap());
    assert_eq!(listed.len(), 2);
    let refused = runtime.mount(two).await.unwrap_err().to_string();
    assert!(
        refused.contains(ADVICE) && refused.contains(&*journal.to_string_lossy()),
        "{refused}"
    );
    set(&journal, 0o600);
    set(&month, 0o700);
    runtime.mount(two).await.unwrap();
    assert_eq!(turn(&runtime, two, "two").await, "two");
    runtime.stop().await;
    assert_eq!(
        rows(&archive).len(),
        2,
        "of what could not be begun nothing stays"
    );
    say("through");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_without_permission_is_named_and_what_can_be_read_is_read() {
    if plays("permission", part).await {
        return;
    }
    let home = lived_in().await;
    let plain = second::command(TEST, "permission", home.path());
    let command = match rustix::process::geteuid().is_root() {
        false => plain,
        true => {
            for path in below(home.path()) {
                chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
            }
            let drop = ["--reuid=65534", "--regid=65534", "--clear-groups", "--"];
            second::through("setpriv", &drop, &plain)
        }
    };
    let said = tokio::task::spawn_blocking(move || Second::start(command).end())
        .await
        .unwrap();
    assert_eq!(said.lines, ["through"]);
}

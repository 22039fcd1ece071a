//! Tools over files and commands with secrets.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use glasswork_agent_core::id::RequestId;
use glasswork_agent_session::blobs::BlobStore;
use glasswork_agent_session::secrets::{Masking, NotPutBack, Origin};
use glasswork_agent_session::tools::{
    Arguments, Call, Context, Desk, Details, FileLocks, Limits, Outcome, Secrets, ToolFailure, run,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::*;

const PASSWORD: &str = "tr0ub4dor&3x";

struct Place {
    home: tempfile::TempDir,
    context: Context,
    progress: Arc<Mutex<Vec<String>>>,
}

impl Place {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let progress = Arc::new(Mutex::new(vec![]));
        let (heard, go) = (Arc::clone(&progress), home.path().join("go"));
        let context = Context {
            blobs: BlobStore::new(home.path().join("blobs")),
            locks: FileLocks::default(),
            cancel: CancellationToken::new(),
            progress: Arc::new(move |tail| {
                heard.lock().unwrap().push(tail.to_owned());
                if tail.contains("[secret:") {
                    fs::write(&go, "").unwrap();
                }
            }),
            limits: Limits::default(),
            secrets: Secrets {
                masking: masking(),
                call: Origin::Model(RequestId(1), 0),
            },
            desk: Desk::Disk,
        };
        Self {
            home,
            context,
            progress,
        }
    }

    fn masking(&self) -> &Masking {
        &self.context.secrets.masking
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().canonicalize().unwrap().join(name)
    }

    fn put(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).unwrap();
    }

    fn content(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    async fn call(&self, tool: &str, name: &str, mut arguments: Value) -> Outcome {
        let path = self.path(name);
        if tool != "bash" {
            arguments["path"] = json!(path.to_str().unwrap());
        }
        let call = Call {
            id: "call".to_owned(),
            arguments: Arguments::parse(tool.parse().unwrap(), &arguments.to_string()).unwrap(),
            path: if tool == "bash" { self.path("") } else { path },
        };
        let outcome = run(call, &self.context).await;
        let all = format!("{outcome:?}");
        assert!(!outcome.text.contains(PASSWORD), "{all}");
        assert!(!self.stored().contains(PASSWORD));
        outcome
    }

    /// All blobs.
    fn stored(&self) -> String {
        let Ok(folder) = fs::read_dir(self.home.path().join("blobs")) else {
            return String::new();
        };
        folder
            .map(|entry| String::from_utf8_lossy(&fs::read(entry.unwrap().path()).unwrap()).into_owned())
            .collect()
    }
}

fn diff(outcome: &Outcome) -> String {
    match &outcome.details {
        Details::Change(change) => change.diff.as_ref().unwrap().text.clone(),
        other => panic!("{other:?}: {}", outcome.text),
    }
}

fn not_put_back(outcome: &Outcome) -> &NotPutBack {
    match &outcome.details {
        Details::Failure(ToolFailure::Secret(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_file_is_read_with_placeholders_and_edited_with_them() {
    let place = Place::new();
    let content = format!("A=1\r\nDB_PASSWORD={PASSWORD}\r\nB=2\r\n");
    place.put(".env", &content);
    let read = place.call("read", ".env", json!({})).await.text;
    assert_eq!(short(&read), "A=1\r\nDB_PASSWORD=<password 1>\r\nB=2\r\n");
    let line = read.lines().nth(1).unwrap().trim();

    // The piece that is replaced has the secret in it, and so has what replaces it.
    let edits = json!({"edits": [{"old_text": format!("A=1\n{line}\n"), "new_text": format!("A=2\n{line} # ours\n")}]});
    let edited = place.call("edit", ".env", edits).await;
    assert_eq!(
        place.content(".env"),
        format!("A=2\r\nDB_PASSWORD={PASSWORD} # ours\r\nB=2\r\n"),
        "{}",
        edited.text
    );
    assert!(
        short(&diff(&edited)).contains("+DB_PASSWORD=<password 1> # ours"),
        "{}",
        diff(&edited)
    );
    // The secret stands beside the piece.
    let edits =
        json!({"edits": [{"old_text": "B=2", "new_text": "B=3"}, {"old_text": "A=2", "new_text": "A=3"}]});
    place.call("edit", ".env", edits).await;
    assert_eq!(
        place.content(".env"),
        format!("A=3\r\nDB_PASSWORD={PASSWORD} # ours\r\nB=3\r\n")
    );
    // It is renamed, taken out, and put in again.
    let value = line.split_once('=').unwrap().1;
    for (old, new, after) in [
        (
            line.to_owned(),
            format!("OTHER={value}"),
            format!("OTHER={PASSWORD} #"),
        ),
        (value.to_owned(), "none".to_owned(), "OTHER=none #".to_owned()),
        ("none".to_owned(), value.to_owned(), format!("OTHER={PASSWORD} #")),
    ] {
        let edited = place
            .call(
                "edit",
                ".env",
                json!({"edits": [{"old_text": old, "new_text": new}]}),
            )
            .await;
        assert!(place.content(".env").contains(&after), "{}", edited.text);
    }
    // A piece that ends inside a placeholder has no place in the file.
    let half = &value[..value.len() / 2];
    let before = place.content(".env");
    let edits = json!({"edits": [{"old_text": half, "new_text": "x"}]});
    assert_eq!(
        *not_put_back(&place.call("edit", ".env", edits).await),
        NotPutBack::Cut { index: 0 }
    );
    assert_eq!(place.content(".env"), before);
    // The nearest text is told with a placeholder.
    let edits = json!({"edits": [{"old_text": format!("OTHER={value} # yours"), "new_text": "x"}]});
    let told = place.call("edit", ".env", edits).await.text;
    assert!(short(&told).contains("OTHER=<password 1> # ours"), "{told}");
}

#[tokio::test]
async fn a_file_is_written_with_its_own_secrets_only() {
    let place = Place::new();
    let key = private_key(3, 1);
    let content = format!("password: {PASSWORD}\n{key}");
    place.put("a.yaml", &content);
    place.put("b.yaml", "empty");
    let read = place.call("read", "a.yaml", json!({})).await.text;
    assert!(short(&read).contains("<private-key 2.3>"), "{read}");
    let written = place
        .call("write", "a.yaml", json!({"content": format!("# new\n{read}")}))
        .await;
    assert_eq!(
        place.content("a.yaml"),
        format!("# new\n{content}"),
        "{}",
        written.text
    );
    for name in ["b.yaml", "c.yaml"] {
        let written = place.call("write", name, json!({"content": read})).await;
        assert!(
            matches!(not_put_back(&written), NotPutBack::Elsewhere { .. }),
            "{}",
            written.text
        );
    }
    assert_eq!(place.content("b.yaml"), "empty");
    assert!(!place.path("c.yaml").exists());
    let edits = json!({"edits": [{"old_text": "empty", "new_text": read.lines().next().unwrap()}]});
    assert!(matches!(
        not_put_back(&place.call("edit", "b.yaml", edits).await),
        NotPutBack::Elsewhere { .. }
    ));
    // One that nobody knows, unless it stands there as it is.
    let foreign = "see [secret:password:000000000:1]";
    let lost = place.call("write", "b.yaml", json!({"content": foreign})).await;
    assert!(
        matches!(not_put_back(&lost), NotPutBack::Lost { .. }),
        "{}",
        lost.text
    );
    place.put("b.yaml", foreign);
    let kept = place
        .call("write", "b.yaml", json!({"content": format!("{foreign}!")}))
        .await;
    assert!(!kept.is_error, "{}", kept.text);
}

#[tokio::test]
async fn what_the_model_wrote_itself_goes_where_it_wrote_it() {
    let place = Place::new();
    let own = place.context.secrets.call.clone();
    let content = format!("password = \"{PASSWORD}\"\n");
    // As the runner of the request masks it.
    let masked = place.masking().text(&content, &own).into_owned();
    assert_ne!(masked, content);
    let written = place.call("write", "test.toml", json!({"content": masked})).await;
    assert_eq!(place.content("test.toml"), content, "{}", written.text);
    assert!(short(&diff(&written)).contains("<password 1>"));
    let value = masked.split('"').nth(1).unwrap();
    let said = place
        .call(
            "bash",
            "",
            json!({"command": format!("test '{value}' = 'tr0ub4dor&'3x && echo same")}),
        )
        .await;
    assert_eq!(said.text, "same\n");

    // Another call of the model's is another place.
    let mut other = Place::new();
    other.context.secrets.masking = place.masking().clone();
    other.context.secrets.call = Origin::Model(RequestId(1), 1);
    let told = other
        .call("bash", "", json!({"command": format!("echo '{value}' > leak")}))
        .await;
    assert!(
        matches!(not_put_back(&told), NotPutBack::Command { .. }),
        "{}",
        told.text
    );
    assert!(!other.path("leak").exists());
}

#[tokio::test]
async fn commands_are_masked_as_they_come() {
    let mut place = Place::new();
    place.context.limits.progress_interval = std::time::Duration::ZERO;
    place.put(".env", &format!("DB_PASSWORD={PASSWORD}\n"));
    // Byte by byte, each its own write.
    let slowly = "while IFS= read -r -n1 c; do printf %s \"$c\"; done < .env; echo; until [ -e go ]; do :; done; echo 'and tr0ub4dor&''3x'; cat nothing-here";
    let said = place.call("bash", "", json!({"command": slowly})).await.text;
    assert!(
        short(&said).starts_with("DB_PASSWORD=<password 1>\nand <password 1>\n"),
        "{said}"
    );
    // So much that all of it is only in a blob.
    let much = "yes \"$(cat .env)\" | head -4000";
    let said = place.call("bash", "", json!({"command": much})).await;
    let Details::Command(command) = &said.details else {
        panic!("{said:?}")
    };
    assert!(command.truncated && command.output.is_some());
    assert!(place.stored().matches("DB_PASSWORD=[secret:password:").count() == 4000);
    let progress = place.progress.lock().unwrap().clone();
    assert!(progress.iter().any(|tail| tail.contains("[secret:")));
    assert!(progress.iter().all(|tail| !tail.contains(PASSWORD)));
    // Never into a command.
    let value = said
        .text
        .lines()
        .find_map(|line| line.strip_prefix("DB_PASSWORD="))
        .unwrap();
    let told = place
        .call("bash", "", json!({"command": format!("echo {value} | rev")}))
        .await;
    assert!(
        matches!(not_put_back(&told), NotPutBack::Command { .. }),
        "{}",
        told.text
    );
}

#[tokio::test]
async fn searching_masks_what_it_tells() {
    let place = Place::new();
    fs::create_dir(place.path("work")).unwrap();
    place.put("work/a.env", &format!("x\nDB_PASSWORD={PASSWORD}\ny\n"));
    place.put("work/key.pem", &private_key(3, 1));
    place.put(&format!("work/ghp_{}", drawn(WORD, 36, 1)), "x");
    let found = place
        .call("grep", "work", json!({"pattern": "PASSWORD|x", "context": 1}))
        .await
        .text;
    assert!(
        short(&found).contains("a.env:2: DB_PASSWORD=<password 1>\n"),
        "{found}"
    );
    let key = place
        .call("grep", "work", json!({"pattern": "BEGIN", "context": 2}))
        .await
        .text;
    assert!(
        short(&key).contains("key.pem-2- <private-key ") && short(&key).contains("key.pem-3- <private-key "),
        "{key}"
    );
    for tool in ["ls", "find"] {
        let arguments = if tool == "ls" {
            json!({})
        } else {
            json!({"pattern": "*"})
        };
        let listed = place.call(tool, "work", arguments).await.text;
        assert!(
            listed.contains("[secret:github-token:") && !listed.contains("ghp_"),
            "{listed}"
        );
    }
    let missing = place
        .call("read", &format!("ghp_{}", drawn(WORD, 36, 1)), json!({}))
        .await;
    assert!(
        missing.is_error && !missing.text.contains("ghp_"),
        "{}",
        missing.text
    );
    // Lines of a key are lines of a key wherever the reading starts, also where nobody has seen them before.
    place.put("work/key.pem", &private_key(3, 70));
    let read = place
        .call("read", "work/key.pem", json!({"offset": 3, "limit": 1}))
        .await
        .text;
    assert!(short(&read).starts_with("<private-key "), "{read}");
}

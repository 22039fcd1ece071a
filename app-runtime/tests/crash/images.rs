//! A turn that is shown an image with its prompt, and looks at another: killed between keeping one and telling of it,
//! among other moments.

use std::path::Path;

use glasswork_app_runtime::pictures;
use glasswork_app_runtime::prompting::Prompt;
use glasswork_app_runtime::watching::Update;

use crate::aftermath::{Lane, Victim, home, mortal, opening, until};
use crate::kill::{Moment, given};
use glasswork_testkit::second::{plays, say};

const TEST: &str = "images::a_turn_with_images_is_killed_at_every_write";

/// The model: what it says before its last answer.
const SCRIPT: &str = r#"(turns: [
    (expect: "shown.png", say: [text("I look."), call("read", (path: "read.png"))]),
    (expect: "read.png", say: [text("Done.")]),
])"#;

/// A PNG of 1 by 1 pixel; `shade` tells one from another.
fn png(shade: u8) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::GrayImage::from_pixel(1, 1, image::Luma([shade]))
        .write_to(&mut bytes, image::ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

async fn part(home: &Path) {
    let runtime = mortal(home, SCRIPT).await;
    let session = runtime.new_session(opening(home)).await.unwrap();
    say(format_args!("session {session}"));
    let mut watch = runtime.watch(session).unwrap();
    let shown = pictures::read(&[home.join("work/shown.png")]).unwrap();
    let begun = runtime
        .prompt_with(
            session,
            Prompt {
                pictures: shown,
                ..Prompt::new("go")
            },
            None,
        )
        .await
        .unwrap();
    say(format_args!("told {}", begun.id.seq));
    until(&mut watch, |update| matches!(update, Update::TurnEnded { .. })).await;
    runtime.give_up(session).await.unwrap();
    runtime.stop().await;
    say(format_args!("written {}", given()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_with_images_is_killed_at_every_write() {
    if plays("images", part).await {
        return;
    }
    let lane = || {
        let home = home();
        std::fs::write(home.path().join("work/shown.png"), png(1)).unwrap();
        std::fs::write(home.path().join("work/read.png"), png(2)).unwrap();
        Lane::like(home)
    };
    let victim = Victim {
        test: TEST,
        role: "images",
        before: 0,
    };
    let deaths = victim
        .is_killed_at_every_write(&[Moment::Before, Moment::Written], [lane(), lane()])
        .await;
    assert!(deaths >= 20, "{deaths}");
}

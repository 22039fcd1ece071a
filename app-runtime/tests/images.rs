//! Whole turns with images, over each wire: what the server gets, what is on record, and what becomes of an image that
//! cannot be sent.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // a test may fail loudly

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use glasswork_agent_core::turn::State;
use glasswork_ai::abilities::Abilities;
use glasswork_ai::catalogue::{Catalogue, Entry};
use glasswork_ai::conversation::{Message, Request};
use glasswork_ai::http::{BaseUrl, Provider};
use glasswork_ai::image::{Unsent, UnsentImage};
use glasswork_ai::model::ModelId;
use glasswork_ai::port::Models;
use glasswork_ai::scripted::Script;
use glasswork_ai::wire::{Server, Wire};
use glasswork_app_runtime::export::{Export, Format, Leaving, export};
use glasswork_app_runtime::files::FileArchive;
use glasswork_app_runtime::importing::{Own, recognise, take_back};
use glasswork_app_runtime::pictures::{self, Picture};
use glasswork_app_runtime::prompting::Prompt;
use glasswork_app_runtime::runtime::Opening;
use glasswork_app_runtime::sagas::ForkAt;
use glasswork_engine::{ScopeId, SystemClock};
use glasswork_session_state::settings::{Layer, Mode, Setting, Settings, Sourced};
use glasswork_session_state::state::Session;
use glasswork_testkit::house::{House, scripted};
use glasswork_testkit::mcp_server::server;
use glasswork_testkit::model_server::{Answers, ModelServer};
use glasswork_testkit::request_rules::check_body;

const SCRIPT: &str = r#"(turns: [
    (say: [text("I look."), call("read", (path: "two.png")), call("bash", (command: "echo words"))]),
    (expect: "words", say: [text("They differ.")]),
    (say: [text("Once more.")]),
])"#;

fn png(width: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::new(width, 1)
        .write_to(&mut bytes, image::ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

/// `one.png` and `two.png` in the workspace.
fn drawn(house: &House) -> PathBuf {
    let work = house.workspace();
    fs::write(work.join("one.png"), png(1)).unwrap();
    fs::write(work.join("two.png"), png(2)).unwrap();
    work
}

fn one(house: &House) -> Vec<Picture> {
    pictures::read(&[drawn(house).join("one.png")]).unwrap()
}

const SIGHTED: &str = "p/gemini-3-sighted";
const BLIND: &str = "p/gemini-3-blind";

/// What is known of two models.
fn catalogue() -> Arc<Catalogue> {
    let told = |name: &str, images: bool| {
        let id: ModelId = name.parse().unwrap();
        let entry = Entry {
            images: Some(images),
            ..Entry::default()
        };
        (id, entry)
    };
    let told: BTreeMap<_, _> = [told(SIGHTED, true), told(BLIND, false)].into();
    Arc::new(Catalogue::with([("test".into(), told)]))
}

async fn house(wire: Wire, script: &str) -> (ModelServer, House) {
    let script = Script::parse(script).unwrap();
    let server = ModelServer::start(Answers::Script(wire, script)).await.unwrap();
    let url = BaseUrl::parse(&server.url()).unwrap();
    let key = "sk-dummy-1".to_owned().into();
    let provider = Provider::new("A_KEY", wire, &url, Some(&key)).knowing(catalogue());
    let models = Arc::new(Models::default().with("p", Arc::new(provider)));
    (
        server,
        House::with(models, Arc::new(SystemClock::default())).await,
    )
}

async fn session(house: &House, model: &str) -> ScopeId {
    let settings = Settings {
        model: Sourced::from_layer(Some(model.parse().unwrap()), Layer::Flag),
        ..House::settings(Mode::Yolo)
    };
    house.session(settings).await
}

fn opening(house: &House) -> Opening {
    Opening {
        workspace: house.workspace(),
        settings: House::settings(Mode::Yolo),
        title: None,
        servers: vec![],
    }
}

/// Shows `one.png` with a prompt, and waits for the end of the turn.
async fn shown(house: &House, session: ScopeId) -> String {
    let watch = house.runtime().watch(session).unwrap();
    let pictures = one(house);
    let said = house.runtime().prompt_with(
        session,
        Prompt {
            pictures,
            ..Prompt::new("What differs?")
        },
        None,
    );
    said.await.unwrap();
    let end = House::end_of_turn(watch).await;
    assert_eq!((end.state, end.failure), (State::Completed, None));
    end.text
}

fn digest(width: u32) -> Arc<str> {
    blake3::hash(&png(width)).to_hex().as_str().into()
}

/// The last request as it must have been sent: its images loaded as they lie in the workspace, or lost.
fn last_request(session: &Session, lost: &[u32]) -> Request {
    let (last, _) = session.requests.get_max().unwrap();
    let mut request = session.render(*last).unwrap();
    for message in &mut request.messages {
        if let Message::Image(shown) = message {
            let width = shown.image.width;
            shown.bytes = match lost.contains(&width) {
                true => Err(Unsent::Missing),
                false => Ok(png(width).into()),
            };
        }
    }
    request
}

/// What the server got last is what the state says, by the rules of its wire, and the record has its digest.
fn sent_is_recorded(
    server: &ModelServer,
    wire: Wire,
    session: &Session,
    lost: &[u32],
    abilities: &Abilities,
) {
    let sent = server.received().pop().unwrap().body;
    let expected = Server::from(wire)
        .encode(&last_request(session, lost), abilities)
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&sent),
        String::from_utf8_lossy(&expected.body),
        "{wire:?}"
    );
    let (_, prepared) = session.requests.get_max().unwrap();
    let recorded = &prepared.body.as_ref().unwrap().digest;
    assert_eq!(**recorded, *blake3::hash(&sent).to_hex(), "{wire:?}");
    let body = serde_json::from_slice(&sent).unwrap();
    assert_eq!(check_body(wire, &body), Ok(()), "{wire:?}");
}

fn unsent(session: &Session) -> Vec<UnsentImage> {
    let (_, prepared) = session.requests.get_max().unwrap();
    prepared.body.as_ref().unwrap().unsent.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_wire_is_sent_images_of_prompts_and_of_results() {
    for wire in Wire::ALL {
        let (server, house) = house(wire, SCRIPT).await;
        let id = session(&house, SIGHTED).await;
        assert_eq!(shown(&house, id).await, "I look.They differ.", "{wire:?}");
        let now = house.now(id);
        sent_is_recorded(&server, wire, &now, &[], &Abilities::default());
        assert_eq!(unsent(&now), [], "{wire:?}");
        // Each is there as its bytes are in base64, and no other.
        let sent = String::from_utf8(server.received().pop().unwrap().body).unwrap();
        for width in [1, 2] {
            use base64::Engine as _;
            let data = base64::engine::general_purpose::STANDARD.encode(png(width));
            assert_eq!(sent.matches(&data).count(), 1, "{wire:?} {width}: {sent}");
        }
        assert_eq!(sent.matches("image/png").count(), 3, "{wire:?}: {sent}");
        // What is on record names them, and has not their bytes.
        let journal = fs::read_to_string(house.archive().journal_of(id).unwrap().path()).unwrap();
        assert!(journal.contains(&*digest(1)) && journal.contains(&*digest(2)));
        assert!(!journal.contains("iVBORw0KGgo"), "{wire:?}");
        house.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_cannot_see_is_told_so_and_one_that_can_is_shown_them_later() {
    for wire in Wire::ALL {
        let (server, house) = house(wire, SCRIPT).await;
        let id = session(&house, BLIND).await;
        shown(&house, id).await;
        let blind = Abilities {
            images: Some(false),
            ..Abilities::default()
        };
        let now = house.now(id);
        sent_is_recorded(&server, wire, &now, &[], &blind);
        let cannot = |width| UnsentImage {
            digest: digest(width),
            why: Unsent::CannotSee,
        };
        assert_eq!(unsent(&now), [cannot(1), cannot(2)], "{wire:?}");
        let sent = String::from_utf8(server.received().pop().unwrap().body).unwrap();
        let told = format!("[image: one.png, 1x1, not sent: {BLIND} cannot see images]");
        assert!(sent.contains(&told), "{wire:?}: {sent}");

        let sighted = Sourced::from_layer(Some(SIGHTED.parse().unwrap()), Layer::Flag);
        house.runtime().set(id, Setting::Model(sighted)).await.unwrap();
        assert_eq!(house.turn(id, "And now?").await.state, State::Completed);
        let now = house.now(id);
        assert_eq!(unsent(&now), [], "{wire:?}");
        sent_is_recorded(&server, wire, &now, &[], &Abilities::default());
        house.close().await;
    }
}

/// A tool of a server answers with three images, and much that is none.
const LOOK: &str =
    r#"(turns: [(say: [call("mcp__shell__look", ())]), (expect: "See:", say: [text("I see.")])])"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_wire_is_sent_the_images_of_a_server_where_its_model_can_see_them() {
    for wire in Wire::ALL {
        for (model, sent_as_images) in [(SIGHTED, 3), (BLIND, 0)] {
            let (wired, house) = house(wire, LOOK).await;
            let settings = Settings {
                model: Sourced::from_layer(Some(model.parse().unwrap()), Layer::Flag),
                ..House::settings(Mode::Yolo)
            };
            let opening = Opening {
                settings,
                servers: vec![server("shell", "good")],
                ..opening(&house)
            };
            let id = house.runtime().new_session(opening).await.unwrap();
            assert_eq!(house.turn(id, "Look.").await.text, "I see.", "{wire:?}");
            let sent = wired.received().pop().unwrap().body;
            assert_eq!(
                check_body(wire, &serde_json::from_slice(&sent).unwrap()),
                Ok(()),
                "{wire:?}"
            );
            let sent = String::from_utf8(sent).unwrap();
            let bytes = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1Pe";
            assert_eq!(
                sent.matches(bytes).count(),
                sent_as_images,
                "{wire:?} {model}: {sent}"
            );
            let told = format!("[image: image 3, 1x1, not sent: {BLIND} cannot see images]");
            assert_eq!(sent.contains(&told), model == BLIND, "{wire:?}: {sent}");
            house.close().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_was_lost_fails_no_turn_and_is_told() {
    let wire = Wire::Anthropic;
    let (server, house) = house(wire, SCRIPT).await;
    let id = session(&house, SIGHTED).await;
    shown(&house, id).await;
    let blobs = house.archive().blobs(id);
    fs::remove_file(blobs.path(&digest(1).parse().unwrap())).unwrap();
    // One that is not what it was is as lost: nothing else is ever sent under its name.
    fs::write(blobs.path(&digest(2).parse().unwrap()), png(3)).unwrap();
    assert_eq!(house.turn(id, "And now?").await.state, State::Completed);
    let now = house.now(id);
    let missing = |width| UnsentImage {
        digest: digest(width),
        why: Unsent::Missing,
    };
    assert_eq!(unsent(&now), [missing(1), missing(2)]);
    sent_is_recorded(&server, wire, &now, &[1, 2], &Abilities::default());
    let sent = String::from_utf8(server.received().pop().unwrap().body).unwrap();
    assert!(
        sent.contains("[image: one.png, 1x1, not sent: its content is lost]"),
        "{sent}"
    );
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_more_images_than_a_request_takes_the_newest_are_sent_and_the_others_told() {
    let turns = [r#"(say: [text("Seen.")])"#; 6].join(", ");
    let (server, house) = house(Wire::Anthropic, &format!("(turns: [{turns}])")).await;
    let id = session(&house, SIGHTED).await;
    let widths: Vec<u32> = (1..=101).collect();
    for some in widths.chunks(20) {
        let watch = house.runtime().watch(id).unwrap();
        let pictures = some
            .iter()
            .map(|width| pictures::take_in("shot.png", png(*width)).unwrap());
        let pictures = pictures.collect();
        let said = house.runtime().prompt_with(
            id,
            Prompt {
                pictures,
                ..Prompt::new("And these?")
            },
            None,
        );
        said.await.unwrap();
        assert_eq!(House::end_of_turn(watch).await.state, State::Completed);
    }
    let digest = digest(1);
    let why = Unsent::TooMuch;
    assert_eq!(unsent(&house.now(id)), [UnsentImage { digest, why }]);
    let sent = String::from_utf8(server.received().pop().unwrap().body).unwrap();
    assert_eq!(sent.matches(r#""image/png""#).count(), 100);
    assert!(
        sent.contains("[image: shot.png, 1x1, not sent: the newer images fill the request]"),
        "{sent}"
    );
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_summary_has_text_in_the_place_of_images_and_they_count_until_then() {
    // Whoever summarises is told no answers, and so answers as the first time.
    let script = r#"(turns: [(say: [text("Seen.")]), (expect: "Go on.", say: [text("Yes.")])])"#;
    let house = House::of_script(script).await;
    let id = house.session(House::settings(Mode::Yolo)).await;
    let mut large = std::io::Cursor::new(Vec::new());
    image::GrayImage::new(1500, 1500)
        .write_to(&mut large, image::ImageFormat::Png)
        .unwrap();
    let path = drawn(&house).join("one.png");
    fs::write(&path, large.into_inner()).unwrap();
    let watch = house.runtime().watch(id).unwrap();
    let pictures = pictures::read(&[path]).unwrap();
    let said = house.runtime().prompt_with(
        id,
        Prompt {
            pictures,
            ..Prompt::new("What differs?")
        },
        None,
    );
    said.await.unwrap();
    House::end_of_turn(watch).await;
    let before = house.now(id).context.message_tokens();
    assert!((3000..3010).contains(&before), "{before}");

    let mut watch = house.runtime().watch(id).unwrap();
    house.runtime().compact(id, None, None).await.unwrap();
    while house.now(id).compactions.open.is_some() {
        watch.next().await;
    }
    let now = house.now(id);
    assert!(
        now.context.message_tokens() < 600,
        "{}",
        now.context.message_tokens()
    );
    let summary = last_request(&now, &[]);
    let [Message::User(question)] = summary.messages.as_slice() else {
        panic!("{summary:?}")
    };
    assert!(
        question.contains("[image: one.png, 1500x1500]\nWhat differs?"),
        "{question}"
    );
    assert_eq!(house.turn(id, "Go on.").await.text, "Yes.");
    let now = house.now(id);
    let request = last_request(&now, &[]);
    assert!(
        !request
            .messages
            .iter()
            .any(|message| matches!(message, Message::Image(_)))
    );
    let Message::User(first) = &request.messages[0] else {
        panic!("{request:?}")
    };
    // The first message, which is carried word for word, still says that there was one.
    assert!(
        first.contains("[image: one.png, 1500x1500]\nWhat differs?"),
        "{first}"
    );
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_in_the_name_of_an_image_is_masked() {
    let house = House::with(
        scripted("(turns: [(say: [text(\"Seen.\")])])"),
        Arc::new(SystemClock::default()),
    )
    .await;
    let id = house.session(House::settings(Mode::Yolo)).await;
    let name = format!("{}.png", glasswork_testkit::house::OWN_SECRET);
    let path = house.workspace().join(&name);
    fs::write(&path, png(1)).unwrap();
    let watch = house.runtime().watch(id).unwrap();
    let pictures = pictures::read(&[path]).unwrap();
    house
        .runtime()
        .prompt_with(
            id,
            Prompt {
                pictures,
                ..Prompt::new("Look.")
            },
            None,
        )
        .await
        .unwrap();
    House::end_of_turn(watch).await;
    let now = house.now(id);
    let (_, entry) = now.tree.entries().next().unwrap();
    let kept = &entry.body.images()[0].name;
    assert!(kept.starts_with("[secret:") && kept.ends_with(".png"), "{kept}");
    assert_eq!(now.masked.counts().len(), 1);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fork_has_the_images_of_its_past() {
    let house = House::of_script("(turns: [(say: [text(\"Seen.\")]), (say: [text(\"Still.\")])])").await;
    let id = house.session(House::settings(Mode::Yolo)).await;
    shown(&house, id).await;
    let at = house.snapshot().session(id, None).unwrap().scope.seq;
    let forked = house.runtime().fork(id, ForkAt::Commit(at)).await.unwrap();
    house.runtime().open(forked, opening(&house)).await.unwrap();
    fs::remove_dir_all(house.archive().journal_of(id).unwrap().folder().join("blobs")).unwrap();
    assert_eq!(house.turn(forked, "Is it there?").await.text, "Still.");
    assert_eq!(unsent(&house.now(forked)), []);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_must_name_a_blob_and_there_are_not_too_many() {
    let house = House::of_script("(turns: [])").await;
    let id = house.session(House::settings(Mode::Yolo)).await;
    let picture = one(&house).remove(0);
    let refused = async |pictures: Vec<Picture>| {
        let asked = house
            .runtime()
            .prompt_with(
                id,
                Prompt {
                    pictures,
                    ..Prompt::new("Look.")
                },
                None,
            )
            .await;
        asked.unwrap_err().to_string()
    };
    assert!(
        refused(vec![picture.clone(); 21])
            .await
            .contains("at most 20 images")
    );
    for digest in ["../../../../etc/passwd", "", &"A".repeat(64)] {
        let mut other = picture.clone();
        other.image.digest = digest.into();
        assert!(
            refused(vec![other]).await.contains("64 hexadecimal digits"),
            "{digest}"
        );
    }
    assert_eq!(house.now(id).tree.len(), 0);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exports_name_images_and_an_archive_has_them() {
    let house = House::of_script("(turns: [(say: [text(\"Seen.\")])])").await;
    let id = house.session(House::settings(Mode::Yolo)).await;
    shown(&house, id).await;
    let exported = |format| {
        let what = Export {
            session: id,
            at: None,
            format,
        };
        let mut out = vec![];
        export(
            &house.snapshot(),
            house.archive(),
            what,
            &Leaving::default(),
            &mut out,
        )
        .unwrap();
        out
    };
    let named = format!(
        "[image: one.png, 1x1, image/png, {} bytes, blob {}]",
        png(1).len(),
        digest(1)
    );
    for format in [Format::Markdown, Format::Html] {
        let text = String::from_utf8(exported(format)).unwrap();
        assert!(text.contains(&named), "{format:?}: {text}");
        assert!(!text.contains("<img") && !text.contains("base64"), "{format:?}");
    }
    let lines = String::from_utf8(exported(Format::Jsonl)).unwrap();
    assert!(lines.contains(&*digest(1)));
    // Another home that takes the archive back has the image, and one that takes the lines alone tells its loss.
    for (format, lost) in [(Format::Archive, vec![]), (Format::Jsonl, vec![Unsent::Missing])] {
        let elsewhere = tempfile::TempDir::new().unwrap();
        fs::create_dir(elsewhere.path().join("work")).unwrap();
        let file = elsewhere.path().join("exported");
        fs::write(&file, exported(format)).unwrap();
        let own: Own = recognise(&file).unwrap().unwrap();
        let there = FileArchive::open(elsewhere.path().join("data")).unwrap();
        take_back(&there, &file, own, false, false).unwrap();
        drop(there);
        let script = scripted("(turns: [(say: []), (say: [text(\"Here too.\")])])");
        let other = House::at(elsewhere, script, Arc::new(SystemClock::default())).await;
        other.runtime().open(id, opening(&other)).await.unwrap();
        assert_eq!(other.turn(id, "And here?").await.text, "Here too.", "{format:?}");
        let reasons: Vec<_> = unsent(&other.now(id))
            .into_iter()
            .map(|unsent| unsent.why)
            .collect();
        assert_eq!(reasons, lost, "{format:?}");
        other.close().await;
    }
    house.close().await;
}

//! Images in the state: with a prompt that waits or begins a turn, with a result, and in what is sent.

use glasswork_agent_core::tree::Body;
use glasswork_ai::conversation::Message;
use glasswork_ai::image::{Image, MediaType};
use glasswork_session_state::call::{Detail, Outcome};
use glasswork_session_state::domain::{Event, Reply};
use glasswork_session_state::prompt::{self, IMAGES_CAP};
use glasswork_session_state::queue::Lane;
use glasswork_session_state::rejection::Rejection;
use glasswork_session_state::tools::{self, Word};
use glasswork_session_state::{compaction, secrets};

use crate::world::*;

fn image(name: &str) -> Image {
    Image {
        digest: "0123456789abcdef".repeat(4).into(),
        media: MediaType::Jpeg,
        width: 1500,
        height: 1000,
        bytes: 5,
        name: name.into(),
    }
}

fn shown(text: &str, images: Vec<Image>) -> Event {
    Event::Prompt(prompt::Event::Prompted {
        result: None,
        text: text.into(),
        max_steps: None,
        images,
        key: None,
    })
}

/// What the last request shows, in order.
fn sent(world: &World) -> Vec<String> {
    let (id, _) = world.session().requests.get_max().unwrap();
    let request = world.session().render(*id).unwrap();
    let said = |message: &Message| match message {
        Message::User(text) => text.to_string(),
        Message::Assistant { .. } => "answer".to_owned(),
        Message::ToolResult(result) => format!("result {}", result.text),
        Message::Image(shown) => format!("image {} of {:?}", shown.image, shown.call.as_deref()),
    };
    request.messages.iter().map(said).collect()
}

#[test]
fn images_come_before_the_words_and_behind_the_result_and_count() {
    let mut world = World::new();
    world.user(shown("Look", vec![image("a"), image("b")])).unwrap();
    let calls = world.propose(&["read"]);
    world.find(calls[0], read("/work/c"));
    let seen = Outcome {
        text: "seen".into(),
        is_error: false,
        blob: None,
        detail: Some(Detail::Image(image("c"))),
    };
    let settled = tools::Event::ToolSettled {
        call: calls[0],
        word: Word::Succeeded,
        outcome: seen,
    };
    world.tool(calls[0], settled).unwrap();
    let call = &world.call(calls[0]).call.id;
    assert_eq!(
        sent(&world),
        [
            "image a, 1500x1000 of None".to_owned(),
            "image b, 1500x1000 of None".to_owned(),
            "Look".to_owned(),
            "answer".to_owned(),
            "result seen".to_owned(),
            format!("image c, 1500x1000 of {:?}", Some(&**call)),
        ]
    );
    let tokens: Vec<u64> = world
        .session()
        .tree
        .entries()
        .map(|(_, entry)| entry.tokens)
        .collect();
    assert_eq!((tokens[0], tokens[2]), (1 + 2 * 2000, 1 + 2000));
    world.answer("Done");
    world.compare_with_journal();
}

#[test]
fn a_prompt_that_waits_for_a_summary_keeps_its_images() {
    let mut world = World::new();
    for name in ["one", "two", "three"] {
        world.prompt(&format!("{name} {}", "abc ".repeat(30_000)));
        world.answer("yes");
    }
    let requested = compaction::Event::Requested {
        focus: None,
        key: None,
    };
    world.user(Event::Compaction(requested)).unwrap();
    let reply = world.user(shown("Look", vec![image("a")])).unwrap();
    assert_eq!(reply, Reply::Queued(Lane::FollowUp));
    assert_eq!(world.session().queue.follow_ups[0].images, [image("a")]);
    world.answer("notes");
    let said = sent(&world);
    assert_eq!(said[said.len() - 2..], ["image a, 1500x1000 of None", "Look"]);
    world.answer("Seen");
    world.compare_with_journal();
}

#[test]
fn what_cannot_be_an_image_is_refused_and_nothing_stays() {
    let mut world = World::new();
    let with = |change: fn(&mut Image)| {
        let mut other = image("a");
        change(&mut other);
        vec![other]
    };
    let unsound = Rejection::UnsoundImage;
    let table = [
        (vec![image("a"); IMAGES_CAP + 1], Rejection::TooManyImages),
        (with(|image| image.digest = "..".into()), unsound.clone()),
        (
            with(|image| image.digest = "A".repeat(64).into()),
            unsound.clone(),
        ),
        (
            with(|image| image.digest = format!("../{}", "a".repeat(61)).into()),
            unsound.clone(),
        ),
        (with(|image| image.name = "n".repeat(256).into()), unsound),
    ];
    for (images, rejection) in table {
        assert_eq!(world.user(shown("Look", images)), Err(rejection));
    }
    assert_eq!(world.entries(), []);
    world.user(shown("Look", vec![image("a"); IMAGES_CAP])).unwrap();
    let entries = world.entries();
    let Body::Prompt { images, .. } = &world.session().tree.get(entries[0]).unwrap().body else {
        panic!("no prompt")
    };
    assert_eq!(images.len(), IMAGES_CAP);
}

#[test]
fn names_of_images_are_spoken() {
    let mut event = shown("Look", vec![image("a"), image("b")]);
    let mut heard = vec![];
    secrets::spoken(&mut event, &mut |text| heard.push(text.to_string()));
    assert_eq!(heard, ["Look", "a", "b"]);
}

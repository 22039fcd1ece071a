//! Images: what there is of them in an entry, and as what a request sends each.

use std::collections::BTreeMap;
use std::sync::Arc;

use glasswork_agent_core::context::BodyRef;
use glasswork_agent_core::id::RequestId;
use glasswork_ai::catalogue::{Catalogue, Entry};
use glasswork_ai::image::{Image, MediaType, REQUEST_BYTES, Unsent, UnsentImage};
use glasswork_ai::model::ModelId;
use glasswork_app_runtime::reading::Viewer;
use glasswork_query::Graph;
use glasswork_session_state::settings::{Layer, Mode, Setting, Sourced};
use glasswork_session_state::{Event, model, prompt};
use serde_json::{Value, json};

use crate::world::{S, World, ask};

fn image(name: &str, bytes: u64) -> Image {
    Image {
        digest: name
            .bytes()
            .cycle()
            .take(32)
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
            .into(),
        media: MediaType::Png,
        width: 800,
        height: 600,
        bytes,
        name: name.into(),
    }
}

fn shown(images: Vec<Image>) -> Event {
    Event::Prompt(prompt::Event::Prompted {
        result: None,
        text: "Look".into(),
        max_steps: None,
        images,
        key: None,
    })
}

/// A graph that knows whether the model can see.
fn graph(world: &World, model: &ModelId, sees: bool) -> Graph {
    let entry = Entry {
        images: Some(sees),
        ..Entry::default()
    };
    let told: BTreeMap<_, _> = [(model.clone(), entry)].into();
    world
        .graph()
        .with_models(Arc::new(Catalogue::with([("own.ron".into(), told)])))
}

fn images_of(graph: &Graph, request: &str) -> Value {
    let query = format!(
        "{{ {request} {{ messages {{ nodes {{ images {{ sentAs reason text image {{ name }} }} }} }} }} }}"
    );
    let answer = ask(graph, Viewer::owner(), &query);
    assert!(answer.get("errors").is_none(), "{answer:#}");
    let (_, request) = answer["data"].as_object().unwrap().iter().next().unwrap();
    request["messages"]["nodes"][0]["images"].clone()
}

#[test]
fn an_entry_names_its_images_and_the_next_request_says_as_what_each_would_go() {
    let world = World::new(Mode::Ask);
    world.accept(shown(vec![image("old.png", REQUEST_BYTES), image("new.png", 7)]));
    let body = world.ask(&format!(
        "{{ session(id: \"{S}\") {{ entries(first: 1) {{ nodes {{ body {{ ... on PromptBody {{ images {{ digest mediaType width height \
         bytes name tokens }} }} }} }} }} }} }}"
    ));
    assert_eq!(
        body["session"]["entries"]["nodes"][0]["body"]["images"][1],
        json!({ "digest": &*image("new.png", 7).digest, "mediaType": "image/png", "width": 800, "height": 600, "bytes": 7,
            "name": "new.png", "tokens": 640 })
    );

    let model = world.state().settings.model.value.clone().unwrap();
    let next = format!("nextRequest(session: \"{S}\")");
    let too_much = json!({ "sentAs": "TEXT", "reason": "TOO_MUCH", "image": { "name": "old.png" },
        "text": "[image: old.png, 800x600, not sent: the newer images fill the request]" });
    let as_image = json!({ "sentAs": "IMAGE", "reason": null, "text": null, "image": { "name": "new.png" } });
    for known in [world.graph(), graph(&world, &model, true)] {
        assert_eq!(images_of(&known, &next), json!([too_much, as_image]));
    }
    let cannot = |name: &str| {
        json!({ "sentAs": "TEXT", "reason": "CANNOT_SEE", "image": { "name": name },
            "text": format!("[image: {name}, 800x600, not sent: {model} cannot see images]") })
    };
    assert_eq!(
        images_of(&graph(&world, &model, false), &next),
        json!([cannot("old.png"), cannot("new.png")])
    );
    // Another model is chosen, of which nothing is known.
    world.set(Setting::Model(Sourced::from_layer(
        Some("else/where".parse().unwrap()),
        Layer::Session,
    )));
    assert_eq!(
        images_of(&graph(&world, &model, false), &next),
        json!([too_much, as_image])
    );
}

#[test]
fn of_a_request_that_was_sent_it_is_told_what_was_whatever_is_known_now() {
    let world = World::new(Mode::Ask);
    world.accept(shown(vec![image("lost.png", 7), image("there.png", 7)]));
    let job = world.engine.runner.next();
    let body = BodyRef {
        digest: "d".into(),
        len: 9,
        unsent: vec![UnsentImage {
            digest: image("lost.png", 7).digest,
            why: Unsent::Missing,
        }],
    };
    job.port.progress(Event::Model(model::Event::Connected {
        body: Some(body),
        limits: vec![],
    }));
    world.engine.fence();
    assert!(world.state().requests.get(&RequestId(1)).unwrap().body.is_some());
    let model = world.state().settings.model.value.clone().unwrap();
    let sent = format!("request(session: \"{S}\", step: 1)");
    for sees in [true, false] {
        assert_eq!(
            images_of(&graph(&world, &model, sees), &sent),
            json!([
                { "sentAs": "TEXT", "reason": "MISSING", "image": { "name": "lost.png" },
                    "text": "[image: lost.png, 800x600, not sent: its content is lost]" },
                { "sentAs": "IMAGE", "reason": null, "text": null, "image": { "name": "there.png" } },
            ])
        );
    }
}

//! Images on every wire, each in its own form; and the text that stands for one that is not sent.

use std::sync::Arc;

use glasswork_ai::abilities::Abilities;
use glasswork_ai::controls::{After, Controls};
use glasswork_ai::conversation::{Message, Request};
use glasswork_ai::image::{
    self, Image, MediaType, REQUEST_BYTES, REQUEST_IMAGES, Shown, Unsent, UnsentImage,
};
use glasswork_ai::wire::{Server, Wire};
use glasswork_testkit::request_rules::check_body;

use crate::{call, conversation, json, result};

/// An image whose bytes are those of its name.
fn picture(name: &str, of: Option<&str>) -> Shown {
    let media = match name.rsplit_once('.') {
        Some((_, "jpg")) => MediaType::Jpeg,
        Some((_, "webp")) => MediaType::Webp,
        _ => MediaType::Png,
    };
    let image = Image {
        digest: format!("digest of {name}").into(),
        media,
        width: 30,
        height: 20,
        bytes: name.len() as u64,
        name: name.into(),
    };
    Shown {
        bytes: Ok(name.as_bytes().into()),
        ..Shown::new(image, of.map(Into::into))
    }
}

/// Two images of the user; two calls, of which the first shows one, and one that failed and shows one all the same; words on the way.
fn looking(model: &str) -> Request {
    let model: glasswork_ai::model::ModelId = model.parse().unwrap();
    let mut controls = Controls::default();
    controls.cache.after = [2, 8].map(After::Message).to_vec();
    Request {
        controls,
        messages: vec![
            Message::Image(picture("a.png", None)),
            Message::Image(picture("b.jpg", None)),
            Message::User("What differs?".into()),
            Message::Assistant {
                model: model.clone(),
                blocks: vec![call("one", "read", "{}"), call("two", "read", "{}")],
            },
            result("one", "[image: c.webp, 30x20]", false),
            Message::Image(picture("c.webp", Some("one"))),
            result("two", "It broke.", true),
            Message::Image(picture("d.png", Some("two"))),
            Message::User("Hurry.".into()),
        ],
        system: vec![],
        tools: vec![],
        ..conversation(&model.to_string())
    }
}

fn body(wire: Wire, request: &Request, abilities: &Abilities) -> serde_json::Value {
    let sent = Server::from(wire).encode(request, abilities).unwrap();
    let body = json(&sent.body);
    assert_eq!(check_body(wire, &body), Ok(()), "{wire:?}: {body:#}");
    body
}

/// What is said, with a line per entry of its lists.
fn said(wire: Wire, request: &Request, abilities: &Abilities) -> String {
    let body = body(wire, request, abilities);
    let said = ["messages", "input", "contents"].map(|key| &body[key]);
    let said = said.into_iter().find(|said| !said.is_null()).unwrap();
    said.to_string()
        .replace(",{\"", ",\n{\"")
        .replace(":[{\"", ":[\n{\"")
}

#[test]
fn anthropic_has_them_in_results_too_but_for_those_that_failed() {
    insta::assert_snapshot!(said(Wire::Anthropic, &looking("anthropic/m"), &Abilities::default()), @r##"
    [{"content":[
    {"source":{"data":"YS5wbmc=","media_type":"image/png","type":"base64"},"type":"image"},
    {"source":{"data":"Yi5qcGc=","media_type":"image/jpeg","type":"base64"},"type":"image"},
    {"cache_control":{"type":"ephemeral"},"text":"What differs?","type":"text"}],"role":"user"},
    {"content":[
    {"id":"one","input":{},"name":"read","type":"tool_use"},
    {"id":"two","input":{},"name":"read","type":"tool_use"}],"role":"assistant"},
    {"content":[
    {"content":[
    {"text":"[image: c.webp, 30x20]","type":"text"},
    {"source":{"data":"Yy53ZWJw","media_type":"image/webp","type":"base64"},"type":"image"}],"tool_use_id":"one","type":"tool_result"},
    {"content":"It broke.","is_error":true,"tool_use_id":"two","type":"tool_result"},
    {"source":{"data":"ZC5wbmc=","media_type":"image/png","type":"base64"},"type":"image"},
    {"cache_control":{"type":"ephemeral"},"text":"Hurry.","type":"text"}],"role":"user"}]
    "##);
}

#[test]
fn chat_has_them_behind_all_results() {
    insta::assert_snapshot!(said(Wire::OpenAiChat, &looking("openai/m"), &Abilities::default()), @r##"
    [{"content":[
    {"image_url":{"url":"data:image/png;base64,YS5wbmc="},"type":"image_url"},
    {"image_url":{"url":"data:image/jpeg;base64,Yi5qcGc="},"type":"image_url"},
    {"text":"What differs?","type":"text"}],"role":"user"},
    {"content":null,"role":"assistant","tool_calls":[
    {"function":{"arguments":"{}","name":"read"},"id":"one","type":"function"},
    {"function":{"arguments":"{}","name":"read"},"id":"two","type":"function"}]},
    {"content":"[image: c.webp, 30x20]","role":"tool","tool_call_id":"one"},
    {"content":"It broke.","role":"tool","tool_call_id":"two"},
    {"content":[
    {"text":"[image from a tool result above: c.webp]","type":"text"},
    {"image_url":{"url":"data:image/webp;base64,Yy53ZWJw"},"type":"image_url"},
    {"text":"[image from a tool result above: d.png]","type":"text"},
    {"image_url":{"url":"data:image/png;base64,ZC5wbmc="},"type":"image_url"},
    {"text":"Hurry.","type":"text"}],"role":"user"}]
    "##);
}

#[test]
fn responses_has_them_in_outputs() {
    insta::assert_snapshot!(said(Wire::OpenAiResponses, &looking("openai/m"), &Abilities::default()), @r##"
    [{"content":[
    {"detail":"auto","image_url":"data:image/png;base64,YS5wbmc=","type":"input_image"},
    {"detail":"auto","image_url":"data:image/jpeg;base64,Yi5qcGc=","type":"input_image"},
    {"text":"What differs?","type":"input_text"}],"role":"user","type":"message"},
    {"arguments":"{}","call_id":"one","name":"read","type":"function_call"},
    {"arguments":"{}","call_id":"two","name":"read","type":"function_call"},
    {"call_id":"one","output":[
    {"text":"[image: c.webp, 30x20]","type":"input_text"},
    {"detail":"auto","image_url":"data:image/webp;base64,Yy53ZWJw","type":"input_image"}],"type":"function_call_output"},
    {"call_id":"two","output":[
    {"text":"It broke.","type":"input_text"},
    {"detail":"auto","image_url":"data:image/png;base64,ZC5wbmc=","type":"input_image"}],"type":"function_call_output"},
    {"content":[
    {"text":"Hurry.","type":"input_text"}],"role":"user","type":"message"}]
    "##);
}

#[test]
fn gemini_has_them_in_responses_since_its_third_version() {
    insta::assert_snapshot!(said(Wire::Gemini, &looking("google/gemini-3-pro"), &Abilities::default()), @r##"
    [{"parts":[
    {"inlineData":{"data":"YS5wbmc=","mimeType":"image/png"}},
    {"inlineData":{"data":"Yi5qcGc=","mimeType":"image/jpeg"}},
    {"text":"What differs?"}],"role":"user"},
    {"parts":[
    {"functionCall":{"args":{},"id":"one","name":"read"},"thoughtSignature":"skip_thought_signature_validator"},
    {"functionCall":{"args":{},"id":"two","name":"read"}}],"role":"model"},
    {"parts":[
    {"functionResponse":{"id":"one","name":"read","parts":[
    {"inlineData":{"data":"Yy53ZWJw","mimeType":"image/webp"}}],"response":{"output":"[image: c.webp, 30x20]"}}},
    {"functionResponse":{"id":"two","name":"read","parts":[
    {"inlineData":{"data":"ZC5wbmc=","mimeType":"image/png"}}],"response":{"error":"It broke."}}},
    {"text":"Hurry."}],"role":"user"}]
    "##);
    insta::assert_snapshot!(said(Wire::Gemini, &looking("google/gemini-2.5-pro"), &Abilities::default()), @r##"
    [{"parts":[
    {"inlineData":{"data":"YS5wbmc=","mimeType":"image/png"}},
    {"inlineData":{"data":"Yi5qcGc=","mimeType":"image/jpeg"}},
    {"text":"What differs?"}],"role":"user"},
    {"parts":[
    {"functionCall":{"args":{},"id":"one","name":"read"}},
    {"functionCall":{"args":{},"id":"two","name":"read"}}],"role":"model"},
    {"parts":[
    {"functionResponse":{"id":"one","name":"read","response":{"output":"[image: c.webp, 30x20]"}}},
    {"functionResponse":{"id":"two","name":"read","response":{"error":"It broke."}}},
    {"inlineData":{"data":"Yy53ZWJw","mimeType":"image/webp"}},
    {"inlineData":{"data":"ZC5wbmc=","mimeType":"image/png"}},
    {"text":"Hurry."}],"role":"user"}]
    "##);
}

#[test]
fn a_model_that_cannot_see_is_told_what_it_is_not_shown() {
    let blind = Abilities {
        images: Some(false),
        ..Abilities::default()
    };
    let request = looking("openai/m");
    for wire in Wire::ALL {
        let body = body(wire, &request, &blind).to_string();
        for name in ["a.png", "b.jpg", "c.webp", "d.png"] {
            let text = format!("[image: {name}, 30x20, not sent: openai/m cannot see images]");
            assert!(body.contains(&text), "{wire:?} {name}: {body}");
        }
        assert!(
            !body.contains("base64") && !body.contains("inlineData"),
            "{wire:?}: {body}"
        );
    }
    let reasons: Vec<_> = image::unsent(&request, &blind)
        .into_iter()
        .map(|unsent| unsent.why)
        .collect();
    assert_eq!(reasons, [Unsent::CannotSee; 4]);
    insta::assert_snapshot!(said(Wire::OpenAiChat, &request, &blind), @r##"
    [{"content":"[image: a.png, 30x20, not sent: openai/m cannot see images]","role":"user"},
    {"content":"[image: b.jpg, 30x20, not sent: openai/m cannot see images]","role":"user"},
    {"content":"What differs?","role":"user"},
    {"content":null,"role":"assistant","tool_calls":[
    {"function":{"arguments":"{}","name":"read"},"id":"one","type":"function"},
    {"function":{"arguments":"{}","name":"read"},"id":"two","type":"function"}]},
    {"content":"[image: c.webp, 30x20]\n[image: c.webp, 30x20, not sent: openai/m cannot see images]","role":"tool","tool_call_id":"one"},
    {"content":"It broke.\n[image: d.png, 30x20, not sent: openai/m cannot see images]","role":"tool","tool_call_id":"two"},
    {"content":"Hurry.","role":"user"}]
    "##);
}

#[test]
fn breakpoints_stay_where_they_stood_though_a_text_for_an_image_takes_no_place_of_its_own() {
    let mut lost = looking("anthropic/m");
    let Message::Image(shown) = &mut lost.messages[5] else {
        panic!("no image")
    };
    shown.bytes = Err(Unsent::Missing);
    let blind = Abilities {
        images: Some(false),
        ..Abilities::default()
    };
    for (request, abilities) in [
        (looking("anthropic/m"), Abilities::default()),
        (looking("anthropic/m"), blind),
        (lost, Abilities::default()),
    ] {
        let body = body(Wire::Anthropic, &request, &abilities);
        let messages = body["messages"].as_array().unwrap().iter();
        let parts = messages.flat_map(|message| message["content"].as_array().unwrap());
        let marked = parts.filter(|part| part.get("cache_control").is_some());
        let marked: Vec<&str> = marked.map(|part| part["text"].as_str().unwrap()).collect();
        assert_eq!(marked, ["What differs?", "Hurry."], "{body:#}");
    }
}

#[test]
fn one_that_is_lost_is_told_and_the_others_are_sent() {
    let mut request = looking("openai/m");
    for lost in [1, 5] {
        let Message::Image(shown) = &mut request.messages[lost] else {
            panic!("no image")
        };
        shown.bytes = Err(Unsent::Missing);
    }
    let unsent = |name: &str| UnsentImage {
        digest: format!("digest of {name}").into(),
        why: Unsent::Missing,
    };
    assert_eq!(
        image::unsent(&request, &Abilities::default()),
        [unsent("b.jpg"), unsent("c.webp")]
    );
    for wire in Wire::ALL {
        let body = body(wire, &request, &Abilities::default()).to_string();
        for (name, is_sent) in [
            ("a.png", true),
            ("b.jpg", false),
            ("c.webp", false),
            ("d.png", true),
        ] {
            let text = format!("[image: {name}, 30x20, not sent: its content is lost]");
            assert_eq!(body.contains(&text), !is_sent, "{wire:?} {name}: {body}");
        }
        assert_eq!(body.matches("image/").count(), 2, "{wire:?}: {body}");
    }
}

/// Of several results the one of its call, and of several calls of that id the last: some servers number them anew.
#[test]
fn the_text_for_an_image_stands_in_the_result_that_showed_it() {
    let mut request = looking("openai/m");
    let step = |request: &mut Request, said: &str| {
        let model = request.model.clone();
        let mut lost = picture(&format!("{said}.png"), Some("one"));
        lost.bytes = Err(Unsent::Missing);
        request.messages.extend([
            Message::Assistant {
                model,
                blocks: vec![call("one", "read", "{}"), call("two", "read", "{}")],
            },
            result("one", said, false),
            result("two", "Nothing.", false),
            Message::Image(lost),
        ]);
    };
    request.messages = vec![Message::User("Look twice.".into())];
    for said in ["first", "second"] {
        step(&mut request, said);
    }
    let sent = Server::from(Wire::OpenAiChat).encode(&request, &Abilities::default());
    let body = json(&sent.unwrap().body);
    check_body(Wire::OpenAiChat, &body).unwrap();
    let results = body["messages"].as_array().unwrap().iter();
    let results = results.filter(|message| message["role"] == "tool");
    let results: Vec<&str> = results
        .map(|message| message["content"].as_str().unwrap())
        .collect();
    assert_eq!(
        results,
        [
            "first\n[image: first.png, 30x20, not sent: its content is lost]",
            "Nothing.",
            "second\n[image: second.png, 30x20, not sent: its content is lost]",
            "Nothing.",
        ]
    );
}

/// Where some go as a text the others still come in their order.
#[test]
fn those_that_are_sent_beside_a_lost_one_keep_their_places() {
    let mut request = looking("openai/m");
    let Message::Image(shown) = &mut request.messages[5] else {
        panic!("no image")
    };
    shown.bytes = Err(Unsent::Missing);
    let body = body(Wire::OpenAiChat, &request, &Abilities::default()).to_string();
    // `a.png`, `b.jpg` and `d.png`, as base64.
    let places = ["YS5wbmc=", "Yi5qcGc=", "What differs?", "It broke.", "ZC5wbmc="];
    let places = places.map(|part| body.find(part).unwrap());
    assert!(places.is_sorted(), "{places:?} {body}");
}

#[test]
fn of_more_than_a_server_takes_the_newest_are_sent() {
    let heavy = |bytes: u64| {
        let mut shown = picture("x.png", None);
        shown.image.bytes = bytes;
        Message::Image(shown)
    };
    let left = |mut messages: Vec<Message>| -> Vec<bool> {
        image::limit(&mut messages);
        let shown = messages.iter().filter_map(|message| match message {
            Message::Image(shown) => Some(shown.bytes != Err(Unsent::TooMuch)),
            _ => None,
        });
        shown.collect()
    };
    let third = REQUEST_BYTES / 3;
    assert_eq!(left(vec![heavy(third); 3]), [true; 3]);
    assert_eq!(
        left(vec![heavy(1), heavy(third + 1), heavy(third), heavy(third)]),
        [false, false, true, true]
    );
    let many = left(vec![heavy(1); REQUEST_IMAGES + 2]);
    assert_eq!(many.iter().position(|sent| *sent), Some(2));
}

#[test]
fn the_bytes_are_no_part_of_what_is_recorded() {
    let shown = picture("a.png", Some("one"));
    let text = serde_json::to_string(&Message::Image(shown.clone())).unwrap();
    assert_eq!(
        text,
        r#"{"image":{"image":{"digest":"digest of a.png","media":"image/png","width":30,"height":20,"bytes":5,"name":"a.png"},"call":"one"}}"#
    );
    let again: Message = serde_json::from_str(&text).unwrap();
    let unloaded = Shown::new(shown.image, shown.call);
    assert_eq!(
        (again, &unloaded.bytes),
        (
            Message::Image(unloaded.clone()),
            &Err::<Arc<[u8]>, _>(Unsent::Missing)
        )
    );
}

#[test]
fn a_token_is_750_pixels() {
    let table = [
        (1, 1, 1),
        (750, 1, 1),
        (751, 1, 2),
        (1092, 1092, 1590),
        (2000, 2000, 5334),
    ];
    for (width, height, tokens) in table {
        let image = Image {
            width,
            height,
            ..picture("a.png", None).image
        };
        assert_eq!(image.tokens(), tokens, "{width}x{height}");
    }
}

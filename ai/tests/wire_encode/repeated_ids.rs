//! Some servers number the calls of each answer anew, and others refuse a conversation in which two calls have one id.

use glasswork_testkit::request_rules::check_body;

use super::*;

fn answer(ids: &[&str]) -> Message {
    Message::Assistant {
        model: "own/small".parse().unwrap(),
        blocks: ids.iter().map(|id| call(id, "read", "{}")).collect(),
    }
}

/// Two calls of one id in one answer; the same again in the next, of which one got no result; and an id that looks like one
/// that was made up.
fn repeating(model: &str) -> Request {
    let said = |text: &str| Message::User(text.into());
    Request {
        messages: vec![
            said("go"),
            answer(&["0", "0"]),
            result("0", "first", false),
            result("0", "second", true),
            answer(&["0", "1"]),
            result("0", "third", false),
            result("1", "fourth", false),
            answer(&["0_3"]),
            result("0_3", "fifth", false),
            answer(&["0"]),
            result("0", "sixth", false),
        ],
        ..conversation(model)
    }
}

/// The ids of calls and of results, in their order.
fn ids(body: &serde_json::Value) -> Vec<String> {
    let mut ids = Vec::new();
    for message in body["messages"].as_array().unwrap() {
        let calls = message["tool_calls"].as_array().into_iter().flatten();
        let calls = calls.map(|call| call["id"].as_str().unwrap().to_owned());
        ids.extend(calls.chain(message["tool_call_id"].as_str().map(|id| format!("= {id}"))));
    }
    ids
}

#[test]
fn calls_of_one_id_are_told_apart_and_their_results_with_them() {
    for (wire, model) in [
        (Wire::Anthropic, "anthropic/claude-opus-5"),
        (Wire::OpenAiChat, "openai/gpt-4.1"),
        (Wire::OpenAiCompatible, "own/other"),
        (Wire::OpenAiResponses, "openai/gpt-5.2"),
        (Wire::Gemini, "gemini/gemini-3-pro-preview"),
    ] {
        let request = repeating(model);
        let body = json(&wire.encode(&request).unwrap().body);
        check_body(wire, &body).unwrap_or_else(|rule| panic!("{wire:?}: {rule}"));
        // What was sent of the beginning stays as it is: it is in the provider's cache.
        let begun = Request {
            messages: request.messages[..4].to_vec(),
            ..request.clone()
        };
        let begun = json(&wire.encode(&begun).unwrap().body);
        check_body(wire, &begun).unwrap_or_else(|rule| panic!("{wire:?}: {rule}"));
        if wire == Wire::OpenAiCompatible {
            let all = [
                "0", "0_2", "= 0", "= 0_2", "0_3", "1", "= 0_3", "= 1", "0_3_2", "= 0_3_2", "0_4", "= 0_4",
            ];
            assert_eq!(ids(&body), all);
            assert_eq!(ids(&begun), all[..4]);
        }
    }
}

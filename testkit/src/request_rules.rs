//! What providers demand of a request, as a checker: whatever a session went through, what it sends must be valid.
//!
//! It asks about the bytes that our encoders make. The rules are those of the providers' references: Messages
//! (`tool_use`, `tool_result`, alternation), Chat Completions (`tool_calls`, `tool`), Responses (`function_call`,
//! `function_call_output`, `reasoning`) and `generateContent` (`functionCall`, `functionResponse`, signatures).

use std::collections::BTreeSet;

use glasswork_agent_core::context;
use glasswork_agent_core::id::RequestId;
use glasswork_agent_core::tree::Body;
use glasswork_ai::conversation::{Message, Request};
use glasswork_ai::stream::StopReason;
use glasswork_ai::wire::Wire;
use glasswork_session_state::state::Session;
use serde_json::Value;

/// Says which rule of which provider a request breaks.
///
/// # Errors
/// The first rule that is broken.
pub fn check(request: &Request) -> Result<(), String> {
    anthropic(&encoded(Wire::Anthropic, request)?).map_err(|rule| format!("Anthropic: {rule}"))?;
    for wire in [Wire::OpenAiChat, Wire::OpenAiCompatible] {
        chat(&encoded(wire, request)?).map_err(|rule| format!("{wire:?}: {rule}"))?;
    }
    responses(&encoded(Wire::OpenAiResponses, request)?).map_err(|rule| format!("Responses: {rule}"))?;
    gemini(&encoded(Wire::Gemini, request)?).map_err(|rule| format!("Gemini: {rule}"))
}

/// Says which rule of one wire's provider a body breaks.
///
/// # Errors
/// The first rule that is broken.
pub fn check_body(wire: Wire, body: &Value) -> Result<(), String> {
    match wire {
        Wire::Anthropic => anthropic(body),
        Wire::OpenAiChat | Wire::OpenAiCompatible => chat(body),
        Wire::OpenAiResponses => responses(body),
        Wire::Gemini => gemini(body),
    }
}

/// Checks every request that a session has prepared, and the one that it would send if somebody spoke now.
///
/// # Errors
/// The first rule that is broken, with the request's number.
pub fn check_session(session: &Session) -> Result<(), String> {
    for id in session.requests.keys() {
        let request = session
            .render(*id)
            .ok_or_else(|| format!("request {id} does not render"))?;
        let checked = match goes_on(session, *id) {
            true => check_going_on(request),
            false => check(&request),
        };
        checked.map_err(|rule| format!("request {id}: {rule}"))?;
    }
    if session.open_turn().is_some() || session.context.parts().is_empty() {
        return Ok(());
    }
    let mut next = next(session).ok_or("the next request does not render")?;
    next.messages.push(Message::User("And now?".into()));
    check(&next).map_err(|rule| format!("the next request: {rule}"))
}

/// Whether a request is to go on with an answer that its provider interrupted.
fn goes_on(session: &Session, id: RequestId) -> bool {
    let parts = context::parts_of(&session.requests, id);
    let last = parts.last().and_then(|part| session.tree.get(part.entry));
    last.is_some_and(
        |last| matches!(&last.body, Body::Assistant(answer) if answer.stop == Some(StopReason::Paused)),
    )
}

/// Only Anthropic interrupts its answers, and has them back as they are; apart from its end the request is like any.
fn check_going_on(mut request: Request) -> Result<(), String> {
    let body = encoded(Wire::Anthropic, &request)?;
    let last = list(&body, "messages")?.last().map(|last| text(last, "role"));
    if last != Some(Ok("assistant")) {
        return Err(format!(
            "Anthropic: the interrupted answer does not come last, but {last:?}"
        ));
    }
    let words = body
        .pointer("/messages")
        .and_then(Value::as_array)
        .and_then(|messages| {
            let parts = messages.last()?.get("content")?.as_array()?;
            parts.last()?.get("text")?.as_str()
        });
    if words.is_some_and(|words| words.trim_end() != words) {
        return Err("Anthropic: the interrupted answer ends with blanks".to_owned());
    }
    request.messages.push(Message::User("Go on.".into()));
    check(&request)
}

/// What the conversation would be sent as now.
fn next(session: &Session) -> Option<Request> {
    let last = session.requests.get_max();
    let id = RequestId(last.map_or(1, |(id, _)| id.0 + 1));
    // What was imported may have no model yet.
    let mut session = session.clone();
    if session.settings.model.value.is_none() {
        std::sync::Arc::make_mut(&mut session.settings).model.value = "scripted/test".parse().ok();
    }
    let prepared = session.next_prepared()?;
    let mut requests = session.requests.clone();
    requests.insert(id, prepared.into());
    context::render(&session.tree, &session.context, &requests, id)
}

fn encoded(wire: Wire, request: &Request) -> Result<Value, String> {
    let sent = wire
        .encode(request)
        .map_err(|failure| format!("{wire:?}: {}", failure.message))?;
    serde_json::from_slice(&sent.body).map_err(|error| format!("{wire:?}: not JSON: {error}"))
}

fn list<'a>(value: &'a Value, of: &str) -> Result<&'a [Value], String> {
    match value.get(of).and_then(Value::as_array) {
        Some(list) => Ok(list),
        None => Err(format!("`{of}` is no list in {value}")),
    }
}

fn text<'a>(value: &'a Value, of: &str) -> Result<&'a str, String> {
    value
        .get(of)
        .and_then(Value::as_str)
        .ok_or_else(|| format!("`{of}` is no text in {value}"))
}

fn spoken(value: &Value, of: &str) -> Result<(), String> {
    match text(value, of)?.trim() {
        "" => Err(format!("`{of}` is blank in {value}")),
        _ => Ok(()),
    }
}

/// Names of tools and, with Anthropic, ids of calls.
fn word(text: &str, most: usize) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match !text.is_empty() && text.len() <= most && text.chars().all(fits) {
        true => Ok(()),
        false => Err(format!(
            "{text:?} is no name of at most {most} of a-z A-Z 0-9 _ -"
        )),
    }
}

fn once<'a>(seen: &mut BTreeSet<&'a str>, id: &'a str) -> Result<(), String> {
    match seen.insert(id) {
        true => Ok(()),
        false => Err(format!("two calls have the id {id:?}")),
    }
}

fn anthropic(body: &Value) -> Result<(), String> {
    if body.get("max_tokens").and_then(Value::as_u64).unwrap_or(0) == 0 {
        return Err("`max_tokens` is not positive".to_owned());
    }
    for tool in body.get("tools").and_then(Value::as_array).into_iter().flatten() {
        word(text(tool, "name")?, 128)?;
    }
    let messages = list(body, "messages")?;
    if messages.is_empty() {
        return Err("there are no messages".to_owned());
    }
    let mut seen = BTreeSet::new();
    let mut asked: Vec<&str> = Vec::new();
    for (number, message) in messages.iter().enumerate() {
        let role = text(message, "role")?;
        if role != if number % 2 == 0 { "user" } else { "assistant" } {
            return Err(format!(
                "message {number} is of `{role}`: they begin with the user and alternate"
            ));
        }
        let content = list(message, "content")?;
        if content.is_empty() {
            return Err(format!("message {number} is empty"));
        }
        let mut answered = Vec::new();
        let mut calls = Vec::new();
        let mut spoken_first = false;
        for part in content {
            match (role, text(part, "type")?) {
                (_, "text") => {
                    spoken(part, "text")?;
                    spoken_first = true;
                }
                ("assistant", "thinking" | "redacted_thinking") => {}
                ("assistant", "tool_use") => {
                    let id = text(part, "id")?;
                    word(id, 256)?;
                    word(text(part, "name")?, 200)?;
                    once(&mut seen, id)?;
                    if !part.get("input").is_some_and(Value::is_object) {
                        return Err(format!("the input of {id} is no object"));
                    }
                    calls.push(id);
                }
                ("assistant", "server_tool_use") => {
                    let id = text(part, "id")?;
                    let is_result = |other: &&Value| other["tool_use_id"] == *id;
                    let is_open = number + 1 == messages.len() && content.last() == Some(part);
                    if !is_open && !content.iter().any(|other| is_result(&other)) {
                        return Err(format!("the server's own call {id} has no result"));
                    }
                }
                ("assistant", result) if result.ends_with("_tool_result") => {}
                ("user", "image") => {
                    inline(&part["source"], "media_type")?;
                    spoken_first = true;
                }
                ("user", "tool_result") => {
                    for said in part["content"].as_array().into_iter().flatten() {
                        match text(said, "type")? {
                            "text" => spoken(said, "text")?,
                            "image" if part["is_error"] != true => inline(&said["source"], "media_type")?,
                            other => return Err(format!("a result has a part `{other}`")),
                        }
                    }
                    if spoken_first {
                        return Err(format!("message {number}: a result comes after text"));
                    }
                    answered.push(text(part, "tool_use_id")?);
                }
                (role, other) => return Err(format!("message {number} of `{role}` has a part `{other}`")),
            }
        }
        if role == "user" {
            paired(&asked, &answered)?;
        }
        asked = calls;
    }
    ends_with(messages, "user", "role")?;
    paired(&asked, &[])
}

/// Bytes of an image, of a kind that all servers take.
fn inline(source: &Value, media: &str) -> Result<(), String> {
    data_url(
        &serde_json::json!({ "url": format!("data:{};base64,{}", text(source, media)?, text(source, "data")?) }),
        "url",
    )
}

/// The same as an address.
fn data_url(value: &Value, of: &str) -> Result<(), String> {
    let url = text(value, of)?;
    let data = ["png", "jpeg", "webp"]
        .iter()
        .find_map(|kind| url.strip_prefix(&format!("data:image/{kind};base64,")))
        .ok_or_else(|| format!("{url} is no image that all servers take"))?;
    let digits = data.trim_end_matches('=');
    let is_digit = |digit: u8| digit.is_ascii_alphanumeric() || matches!(digit, b'+' | b'/');
    match !data.is_empty()
        && data.len() % 4 == 0
        && data.len() - digits.len() < 3
        && digits.bytes().all(is_digit)
    {
        true => Ok(()),
        false => Err(format!("{data} is no base64")),
    }
}

/// Every call has exactly one result, in the message that follows, in the order of the calls.
fn paired(asked: &[&str], answered: &[&str]) -> Result<(), String> {
    match asked == answered {
        true => Ok(()),
        false => Err(format!("the calls {asked:?} have the results {answered:?}")),
    }
}

fn ends_with(messages: &[Value], role: &str, of: &str) -> Result<(), String> {
    match messages.last().map(|last| text(last, of)) {
        Some(Ok(last)) if last == role => Ok(()),
        last => Err(format!(
            "the last message is of {last:?}: nobody waits for an answer"
        )),
    }
}

fn chat(body: &Value) -> Result<(), String> {
    for tool in body.get("tools").and_then(Value::as_array).into_iter().flatten() {
        word(text(&tool["function"], "name")?, 64)?;
    }
    let messages = list(body, "messages")?;
    let mut seen = BTreeSet::new();
    let (mut asked, mut answered): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    let mut spoke = false;
    for (number, message) in messages.iter().enumerate() {
        let role = text(message, "role")?;
        if role != "tool" {
            paired(&asked, &answered)?;
            (asked, answered) = (Vec::new(), Vec::new());
        }
        match role {
            "system" | "developer" if number == 0 => spoken(said(message), said_key(message))?,
            "user" if message["content"].is_array() => {
                for part in list(message, "content")? {
                    match text(part, "type")? {
                        "text" => spoken(part, "text")?,
                        "image_url" => data_url(&part["image_url"], "url")?,
                        other => return Err(format!("the user's content has a part `{other}`")),
                    }
                }
                spoke = true;
            }
            "user" => {
                spoken(message, "content")?;
                spoke = true;
            }
            "tool" => {
                text(said(message), said_key(message))?;
                answered.push(text(message, "tool_call_id")?);
            }
            "assistant" if !spoke => return Err("the model speaks before the user".to_owned()),
            "assistant" => {
                let calls = message
                    .get("tool_calls")
                    .and_then(Value::as_array)
                    .map_or(&[][..], Vec::as_slice);
                if calls.is_empty() || !message["content"].is_null() {
                    spoken(said(message), said_key(message))?;
                }
                for call in calls {
                    let id = text(call, "id")?;
                    if id.is_empty() {
                        return Err(format!("a call has no id: {call}"));
                    }
                    once(&mut seen, id)?;
                    word(text(&call["function"], "name")?, 64)?;
                    text(&call["function"], "arguments")?;
                    asked.push(id);
                }
            }
            other => return Err(format!("message {number} is of `{other}`")),
        }
    }
    paired(&asked, &answered)?;
    match messages.last().map(|last| text(last, "role")) {
        Some(Ok("user" | "tool")) => Ok(()),
        last => Err(format!(
            "the last message is of {last:?}: nobody waits for an answer"
        )),
    }
}

/// Where the words of a message are: its content, or the one part of that.
fn said(message: &Value) -> &Value {
    message.pointer("/content/0").unwrap_or(message)
}

fn said_key(message: &Value) -> &'static str {
    match message["content"].is_array() {
        true => "text",
        false => "content",
    }
}

fn responses(body: &Value) -> Result<(), String> {
    if body.get("store") != Some(&Value::Bool(false)) {
        return Err("the server is asked to keep the conversation".to_owned());
    }
    for tool in body.get("tools").and_then(Value::as_array).into_iter().flatten() {
        word(text(tool, "name")?, 64)?;
        if tool.get("strict").is_none() {
            return Err(format!("the tool {tool} does not say whether it is strict"));
        }
    }
    let input = list(body, "input")?;
    let mut seen = BTreeSet::new();
    let (mut asked, mut answered): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    let (mut spoke, mut thought) = (false, false);
    for item in input {
        let kind = text(item, "type")?;
        let by_model = kind == "function_call" || kind == "reasoning" || item["role"] == "assistant";
        if kind != "function_call_output" && !(by_model && answered.is_empty()) {
            paired(&asked, &answered)?;
            (asked, answered) = (Vec::new(), Vec::new());
        }
        if thought && !by_model {
            return Err("a reasoning item is not followed by what it led to".to_owned());
        }
        if by_model && !spoke {
            return Err("the model speaks before the user".to_owned());
        }
        thought = false;
        match kind {
            "message" => {
                let parts = list(item, "content")?;
                parts.first().ok_or("a message is empty")?;
                let user = text(item, "role")? == "user";
                for part in parts {
                    match text(part, "type")? {
                        "input_text" if user => spoken(part, "text")?,
                        "output_text" if !user => spoken(part, "text")?,
                        "input_image" if user => data_url(part, "image_url")?,
                        other => return Err(format!("{item} has a part `{other}`")),
                    }
                }
                spoke = true;
            }
            "reasoning" => {
                text(item, "id")?;
                list(item, "summary")?;
                thought = true;
            }
            "function_call" => {
                let id = text(item, "call_id")?;
                word(id, 64)?;
                once(&mut seen, id)?;
                word(text(item, "name")?, 64)?;
                text(item, "arguments")?;
                asked.push(id);
            }
            "function_call_output" => {
                for part in item["output"].as_array().into_iter().flatten() {
                    match text(part, "type")? {
                        "input_text" => spoken(part, "text")?,
                        "input_image" => data_url(part, "image_url")?,
                        other => return Err(format!("an output has a part `{other}`")),
                    }
                }
                if !item["output"].is_array() {
                    text(item, "output")?;
                }
                answered.push(text(item, "call_id")?);
            }
            other => return Err(format!("there is an item `{other}`")),
        }
    }
    if thought {
        return Err("a reasoning item is not followed by what it led to".to_owned());
    }
    paired(&asked, &answered)?;
    match input.last() {
        Some(last) if last["type"] == "function_call_output" || last["role"] == "user" => Ok(()),
        last => Err(format!("the last item is {last:?}: nobody waits for an answer")),
    }
}

fn gemini(body: &Value) -> Result<(), String> {
    for tool in body.get("tools").and_then(Value::as_array).into_iter().flatten() {
        for function in list(tool, "functionDeclarations")? {
            word(text(function, "name")?, 64)?;
        }
    }
    let contents = list(body, "contents")?;
    if contents.is_empty() {
        return Err("there are no contents".to_owned());
    }
    let mut seen = BTreeSet::new();
    let mut asked: Vec<(&str, &str)> = Vec::new();
    for (number, content) in contents.iter().enumerate() {
        let role = text(content, "role")?;
        if role != if number % 2 == 0 { "user" } else { "model" } {
            return Err(format!(
                "content {number} is of `{role}`: they begin with the user and alternate"
            ));
        }
        let parts = list(content, "parts")?;
        let within = parts
            .iter()
            .filter_map(|part| part.pointer("/functionResponse/parts"));
        let within = within.filter_map(Value::as_array).flatten();
        for data in parts
            .iter()
            .chain(within)
            .filter_map(|part| part.get("inlineData"))
        {
            inline(data, "mimeType")?;
        }
        for part in parts {
            if part.get("text").is_some() && part.get("thoughtSignature").is_none() {
                spoken(part, "text")?;
            }
        }
        let named = |kind: &str| -> Result<Vec<(&str, &str)>, String> {
            parts
                .iter()
                .filter_map(|part| part.get(kind))
                .map(|part| Ok((text(part, "id")?, text(part, "name")?)))
                .collect()
        };
        let (calls, responses) = (named("functionCall")?, named("functionResponse")?);
        for (id, name) in &calls {
            once(&mut seen, id)?;
            word(name, 64)?;
        }
        if role == "user" {
            if asked != responses {
                return Err(format!("the calls {asked:?} have the responses {responses:?}"));
            }
            if parts
                .iter()
                .skip(responses.len())
                .any(|part| part.get("functionResponse").is_some())
            {
                return Err(format!("content {number}: a response comes after text"));
            }
        }
        asked = calls;
    }
    ends_with(contents, "user", "role")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::sync::Arc;

    use glasswork_ai::conversation::{Block, ToolCall, ToolResult};
    use glasswork_ai::model::Thinking;

    use super::*;

    fn user(text: &str) -> Message {
        Message::User(text.into())
    }

    fn model(blocks: impl IntoIterator<Item = Block>) -> Message {
        Message::Assistant {
            blocks: blocks.into_iter().collect(),
            model: "a/b".parse().unwrap(),
        }
    }

    fn says(text: &str) -> Block {
        Block::Text(text.into())
    }

    fn call(id: &str, name: &str) -> Block {
        Block::ToolCall(ToolCall {
            id: id.into(),
            name: name.into(),
            arguments: "{}".into(),
            reading: None,
        })
    }

    fn result(id: &str) -> Message {
        Message::ToolResult(ToolResult {
            call: id.into(),
            name: "ls".into(),
            text: "x".into(),
            is_error: false,
        })
    }

    fn checked(messages: Vec<Message>) -> Result<(), String> {
        check(&request(messages))
    }

    fn request(messages: Vec<Message>) -> Request {
        Request {
            output: None,
            model: "a/b".parse().unwrap(),
            system: vec![Arc::from("Be good.")],
            messages,
            tools: vec![],
            thinking: Thinking::Default,
            max_output_tokens: None,
            controls: Default::default(),
        }
    }

    #[test]
    fn what_providers_take_passes() {
        for messages in [
            vec![user("a")],
            vec![user("a"), model([says("b")]), user("c")],
            vec![user("a"), user("b")],
            vec![
                user("a"),
                model([says("b"), call("1", "ls"), call("2", "ls")]),
                result("1"),
                result("2"),
                user("c"),
            ],
            vec![
                user("a"),
                model([call("1", "ls")]),
                result("1"),
                model([call("2", "ls")]),
                result("2"),
            ],
            // The encoders tell them apart.
            vec![
                user("a"),
                model([call("1", "ls")]),
                result("1"),
                model([call("1", "ls")]),
                result("1"),
            ],
        ] {
            assert_eq!(checked(messages.clone()), Ok(()), "{messages:?}");
        }
    }

    #[test]
    fn what_a_provider_refuses_is_named() {
        let one = || model([call("1", "ls")]);
        let cases = [
            (vec![], "there are no messages"),
            (vec![model([says("a")]), user("b")], "begin with the user"),
            (vec![user(" ")], "there are no messages"),
            (vec![user("a"), model([says("b")])], "nobody waits"),
            (vec![user("a"), one()], "nobody waits"),
            (vec![user("a"), one(), user("b")], r#"["1"] have the results []"#),
            (vec![user("a"), result("1")], r#"[] have the results ["1"]"#),
            (
                vec![user("a"), one(), result("1"), result("1")],
                r#"["1"] have the results ["1", "1"]"#,
            ),
            (
                vec![user("a"), one(), result("2")],
                r#"["1"] have the results ["2"]"#,
            ),
            (
                vec![
                    user("a"),
                    model([call("1", "ls"), call("2", "ls")]),
                    result("2"),
                    result("1"),
                ],
                r#"["1", "2"] have the results ["2", "1"]"#,
            ),
            (
                vec![user("a"), model([call("1", "ls"), call("1", "ls")]), result("1")],
                r#"["1", "1_2"] have the results ["1"]"#,
            ),
            // The server takes results first, so the encoder sorts them; the chat wire has no such mercy.
            (
                vec![user("a"), one(), user("b"), result("1")],
                r#"OpenAiChat: the calls ["1"] have the results []"#,
            ),
        ];
        for (messages, expected) in cases {
            let said = checked(messages.clone()).unwrap_err();
            assert!(said.contains(expected), "{messages:?}: {said}");
        }
        // The encoders mend such ids and names, so they are shown to the rules themselves.
        let calls = model([call("1", "ls"), call("2", "ls")]);
        let two = request(vec![user("a"), calls, result("1"), result("2")]);
        for wire in [Wire::Anthropic, Wire::OpenAiChat, Wire::OpenAiResponses] {
            let body = wire.encode(&two).unwrap().body;
            let body = String::from_utf8(body.to_vec()).unwrap();
            let one = serde_json::from_str(&body.replace(r#""2""#, r#""1""#)).unwrap();
            let said = check_body(wire, &one).unwrap_err();
            assert!(said.contains("two calls have the id"), "{wire:?}: {said}");
        }
        for name in ["", "a b", &"a".repeat(65)] {
            assert!(word(name, 64).unwrap_err().contains("is no name"), "{name:?}");
        }
    }
}

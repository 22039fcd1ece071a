//! Questions of the model, to whoever can answer: at a terminal, over a socket, in an editor with forms and in one without.

use serde_json::{Value, json};

use super::acp::Wire;
use super::attach::{Serving, Talk, sockets};
use super::support::House;
use super::terminal::Terminal;

const SCRIPT: &str = r#"
    (say: [call("ask_user", (question: "Which \u{1b}[8mcolour?", options: [
        (label: "red", description: "as the barn"), (label: "blue")]))]),
    (say: [text("As you wish.")]),
"#;
/// One without options, and one of which several may be chosen.
const OPEN: &str = r#"
    (say: [call("ask_user", (question: "How many?")),
        call("ask_user", (question: "With what?", multi_select: true, options: [(label: "salt"), (label: "oil"), (label: "bread")]))]),
    (say: [text("As you wish.")]),
"#;

/// What the model was told, call by call.
fn told(house: &House) -> Vec<String> {
    let asked = "{ session(id: \"last\") { calls { nodes { outcome { text } } } } }";
    let answer = house.json(["query", asked]);
    let calls = answer["data"]["session"]["calls"]["nodes"]
        .as_array()
        .unwrap()
        .clone();
    let text = |call: &Value| call["outcome"]["text"].as_str().unwrap().to_owned();
    calls.iter().map(text).collect()
}

#[test]
fn a_person_at_a_terminal_answers_by_number_or_in_words() {
    for (typed, expected) in [
        ("2", "The user chose “blue”."),
        ("green", "The user answered: green"),
        (
            "",
            "The user did not want to answer this: decide yourself, and say what you decided.",
        ),
    ] {
        let house = House::new();
        let model = house.script(SCRIPT);
        let terminal = Terminal::open(&house, &["run", "go", "--model", &model]);
        let screen = terminal.until("Enter alone leaves it open.");
        for line in ["Which \\u{1b}[8mcolour?", "  1. red – as the barn", "  2. blue"] {
            assert!(screen.contains(line), "{line} is not in {screen}");
        }
        if !typed.is_empty() {
            terminal.press(typed);
        }
        terminal.press("Enter");
        terminal.until("code=0");
        drop(terminal);
        assert_eq!(told(&house), [expected]);
    }
}

#[test]
fn a_run_that_nobody_looks_at_goes_on_without_an_answer() {
    let house = House::new();
    let model = house.script(SCRIPT);
    let ran = house.run(["run", "go", "--model", &model]);
    assert_eq!((ran.code, &*ran.out), (0, "As you wish.\n"), "{}", ran.err);
    assert!(told(&house)[0].starts_with("Nobody is there to answer."));
}

#[test]
fn a_program_at_the_socket_answers_and_the_second_is_told_who_was_faster() {
    let house = House::new();
    let serving = Serving::start(&house, &house.script(OPEN), &[]);
    let mut talk = Talk::to(&sockets(&house)[0]);
    let session = talk.ask("_glasswork/new", json!({ "directory": house.work }))["session"].clone();
    let attached = talk.attach(session.as_str().unwrap(), None);
    let (attachment, mut seq) = (&attached["attachment"], attached["seq"].as_u64().unwrap());
    talk.ask(
        "_glasswork/prompt",
        json!({ "attachment": attachment, "text": "go" }),
    );
    let mut asked = [
        talk.until(&mut seq, "question_asked"),
        talk.until(&mut seq, "question_asked"),
    ];
    asked.sort_by_key(|asked| asked["call"].to_string());
    assert_eq!(asked[0]["question"], json!({ "question": "How many?" }));
    let answer = |call: usize, more: Value| {
        let mut params = json!({ "attachment": attachment, "call": asked[call]["call"] });
        params
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        params
    };
    talk.ask("_glasswork/answer", answer(0, json!({ "words": "Ten." })));
    talk.ask(
        "_glasswork/answer",
        answer(
            1,
            json!({ "chosen": ["bread", "salt"], "words": "if there is any" }),
        ),
    );
    talk.until(&mut seq, "turn_ended");
    drop(talk);
    serving.signal(rustix::process::Signal::TERM);
    assert_eq!(serving.end().0, Some(143));
    assert_eq!(
        told(&house),
        [
            "The user answered: Ten.",
            "The user chose “salt” and “bread”, saying: if there is any"
        ]
    );
}

/// Begins as an editor with these capabilities, and prompts.
fn begin(house: &House, script: &str, capabilities: &Value) -> Wire {
    let model = house.script(script);
    let mut wire = Wire::start(house, &["--model", &model]);
    let hello = json!({ "protocolVersion": 1, "clientCapabilities": capabilities });
    wire.call(1, "initialize", hello);
    let new = wire.call(2, "session/new", json!({ "cwd": house.work, "mcpServers": [] }));
    wire.prompt(3, &new["result"]["sessionId"], "go");
    wire
}

fn reply(wire: &mut Wire, request: &Value, result: &Value) {
    let answer = json!({ "jsonrpc": "2.0", "id": request["id"], "result": result });
    wire.raw(answer.to_string().as_bytes());
}

fn ends(wire: Wire) {
    let ended = wire.until(|line| line["id"] == 3 && line.get("method").is_none());
    assert_eq!(ended["result"]["stopReason"], "end_turn", "{ended}");
    assert_eq!(wire.leave(), 0);
}

#[test]
fn an_editor_with_forms_is_given_one() {
    let house = House::new();
    let mut wire = begin(&house, OPEN, &json!({ "elicitation": { "form": {} } }));
    let mut asked = vec![];
    while asked.len() < 2 {
        asked.push(wire.until(|line| line["method"] == "elicitation/create"));
    }
    asked.sort_by_key(|asked| asked["params"]["message"].to_string());
    let (open, several) = (&asked[0]["params"], &asked[1]["params"]);
    assert_eq!(
        (&open["mode"], &open["message"]),
        (&json!("form"), &json!("How many?"))
    );
    assert_eq!(
        open["requestedSchema"],
        json!({ "type": "object", "required": ["words"], "properties": {
            "words": { "type": "string", "title": "Answer", "maxLength": 4096 },
        } })
    );
    assert!(
        open["sessionId"].is_string() && open["toolCallId"].is_string(),
        "{open}"
    );
    let offered = |label: &str| json!({ "const": label, "title": label });
    assert_eq!(
        several["requestedSchema"],
        json!({ "type": "object", "properties": {
            "choice": { "type": "array", "title": "Answers", "items": { "anyOf": [offered("salt"), offered("oil"), offered("bread")] } },
            "words": { "type": "string", "title": "In other words", "maxLength": 4096 },
        } })
    );
    reply(
        &mut wire,
        &asked[0],
        &json!({ "action": "accept", "content": { "words": "Ten." } }),
    );
    reply(
        &mut wire,
        &asked[1],
        &json!({ "action": "accept", "content": { "choice": ["oil", "salt"] } }),
    );
    ends(wire);
    assert_eq!(
        told(&house),
        ["The user answered: Ten.", "The user chose “salt” and “oil”."]
    );
}

#[test]
fn a_form_that_is_declined_or_makes_no_sense_is_no_answer() {
    for (result, expected) in [
        (
            json!({ "action": "decline" }),
            "The user did not want to answer this",
        ),
        (
            json!({ "action": "accept", "content": {} }),
            "The user did not answer this, saying: the client gave no answer",
        ),
        (
            json!({ "action": "accept", "content": { "choice": "green" } }),
            "The user did not answer this, saying: the client gave no answer",
        ),
    ] {
        let house = House::new();
        let mut wire = begin(&house, SCRIPT, &json!({ "elicitation": { "form": {} } }));
        let asked = wire.until(|line| line["method"] == "elicitation/create");
        reply(&mut wire, &asked, &result);
        ends(wire);
        let told = told(&house);
        assert!(told[0].starts_with(expected), "{result}: {told:?}");
    }
}

#[test]
fn an_editor_without_forms_is_given_a_choice_where_there_is_one() {
    let house = House::new();
    let mut wire = begin(&house, SCRIPT, &json!({}));
    let asked = wire.until(|line| line["method"] == "session/request_permission");
    let options = asked["params"]["options"].as_array().unwrap();
    let names: Vec<_> = options
        .iter()
        .map(|option| option["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["red – as the barn", "blue", "Do not answer"]);
    let title = asked["params"]["toolCall"]["title"].as_str().unwrap();
    assert!(title.starts_with("ask_user: Which "), "{title}");
    let chosen = json!({ "outcome": { "outcome": "selected", "optionId": options[1]["optionId"] } });
    reply(&mut wire, &asked, &chosen);
    ends(wire);
    assert_eq!(told(&house), ["The user chose “blue”."]);

    let house = House::new();
    let wire = begin(
        &house,
        r#"(say: [call("ask_user", (question: "How many?"))]), (say: [text("On.")])"#,
        &json!({}),
    );
    ends(wire);
    assert_eq!(
        told(&house),
        [
            "The user did not answer this, saying: the user's client has no way to ask this; decide yourself, and say what you assumed"
        ]
    );
}

/// Whoever only looks on may not answer, so nothing is left to them.
#[test]
fn what_an_editor_cannot_ask_is_left_to_those_who_may_answer() {
    let house = House::new();
    let asks = r#"(say: [call("ask_user", (question: "How many?"))]), (say: [text("On.")])"#;
    let serving = Serving::start(&house, &house.script(&format!("{asks}, {asks}")), &[]);
    let mut talk = Talk::to(&sockets(&house)[0]);
    let session = talk.ask("_glasswork/new", json!({ "directory": house.work }))["session"].clone();
    let own = house.script(r#"(say: [text("never")])"#);
    let mut wire = Wire::start(&house, &["--model", &own]);
    wire.join(&house, "pen", &session);
    let attached = talk.attach(session.as_str().unwrap(), None);
    let (attachment, mut seq) = (&attached["attachment"], attached["seq"].as_u64().unwrap());
    let role = |role: &str| json!({ "attachment": attachment, "role": role });
    talk.ask("_glasswork/role", role("observer"));
    wire.prompt(3, &session, "go");
    let ended = wire.until(|line| line["id"] == 3 && line.get("method").is_none());
    assert_eq!(ended["result"]["stopReason"], "end_turn", "{ended}");
    talk.until(&mut seq, "turn_ended");
    talk.ask("_glasswork/role", role("controller"));
    wire.prompt(4, &session, "go");
    let call = talk.until(&mut seq, "question_asked")["call"].clone();
    let answer = json!({ "attachment": attachment, "call": call, "words": "Ten." });
    talk.ask("_glasswork/answer", answer);
    let ended = wire.until(|line| line["id"] == 4 && line.get("method").is_none());
    assert_eq!(ended["result"]["stopReason"], "end_turn", "{ended}");
    assert_eq!(wire.leave(), 0);
    drop(talk);
    serving.signal(rustix::process::Signal::TERM);
    serving.end();
    let told = told(&house);
    assert!(
        told[0].contains("the user's client has no way to ask this"),
        "{told:?}"
    );
    assert_eq!(told[1], "The user answered: Ten.");
}

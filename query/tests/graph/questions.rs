//! What the model asks people: as a dialog, in what is waited for, and what was answered; now and then.

use glasswork_agent_core::question::{Choice, Question, Said};
use glasswork_session_state::evidence::Evidence;
use glasswork_session_state::settings::Mode;
use glasswork_session_state::{Event, question};
use serde_json::json;

use crate::world::*;

#[test]
fn a_question_and_its_answer_can_be_asked_for() {
    let world = World::new(Mode::Yolo);
    world.prompt("Paint it");
    let asks = Question {
        question: "Which colour?".into(),
        options: vec![Choice {
            label: "red".into(),
            description: Some("as the barn".into()),
        }],
        multi_select: false,
    };
    let arguments = serde_json::to_value(&asks).unwrap();
    let call = world.call_tool("ask_user", &arguments, Evidence::Question(asks.into()));
    let then = world.seq();
    let said = Said::Line("green".into());
    let answered = world.accept(Event::Question(question::Event::Answered { call, said }));
    let fields = "dialogs { kind reason question { text several options { label description } } call { id } answers { label command } }
        waitingFor { what on } calls { nodes { state reply { chosen words by { kind } dispatch { id event } }
        decision { rule verdict access } evidence { ... on Question { text } } } }";
    let of =
        |at: String| world.ask(&format!("{{ session(id: \"{S}\"{at}) {{ {fields} }} }}"))["session"].clone();
    let asked = json!({ "text": "Which colour?", "several": false, "options": [{ "label": "red", "description": "as the barn" }] });
    let decision = json!({ "rule": "yolo.question", "verdict": "ASK", "access": "QUESTION" });
    let past = of(format!(", at: {then}"));
    assert_eq!(
        past["dialogs"],
        json!([{
            "kind": "QUESTION",
            "reason": null,
            "question": asked,
            "call": { "id": format!("{S}/{call}") },
            "answers": [
                { "label": "red", "command": format!("/answer {call} 1") },
                { "label": "do not answer", "command": format!("/refuse {call}") },
            ],
        }])
    );
    assert_eq!(
        past["calls"]["nodes"],
        json!([{ "state": "questioning", "reply": null, "decision": decision, "evidence": { "text": "Which colour?" } }])
    );
    assert_eq!(past["waitingFor"][0]["on"], "PERSON");
    let now = of(String::new());
    assert_eq!(now["dialogs"], json!([]));
    assert_eq!(
        now["calls"]["nodes"][0]["reply"],
        json!({
            "chosen": [],
            "words": "green",
            "by": { "kind": "USER" },
            "dispatch": { "id": format!("{S}/{answered}"), "event": "question_answered" },
        })
    );
}

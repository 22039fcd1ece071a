//! Golden streams of OpenAI Responses, after
//! <https://platform.openai.com/docs/api-reference/responses-streaming>.

use super::*;

const WIRE: Wire = Wire::OpenAiResponses;

#[test]
fn thinking_in_parts_text_with_its_phase_and_calls() {
    insta::assert_snapshot!(golden!(WIRE, "responses_tools.sse"), @r##"
    {"started":{"response":"resp_1","model":"gpt-5-x"}}
    {"block_started":{"index":0,"kind":"thinking"}}
    {"delta":{"index":0,"text":"**Looking** "}}
    {"delta":{"index":0,"text":"around"}}
    {"delta":{"index":0,"text":"\n\n"}}
    {"delta":{"index":0,"text":"The file first."}}
    {"block_finished":{"index":0,"block":{"thinking":{"text":"**Looking** around\n\nThe file first."}}}}
    {"block_started":{"index":1,"kind":"kept"}}
    {"block_finished":{"index":1,"block":{"kept":{"reasoning":{"id":"rs_0","encrypted":"gAAAAAB="}}}}}
    {"block_started":{"index":2,"kind":"text"}}
    {"delta":{"index":2,"text":"I lö"}}
    {"delta":{"index":2,"text":"ök 🦀."}}
    {"block_finished":{"index":2,"block":{"text":"I löök 🦀."}}}
    {"block_started":{"index":3,"kind":"kept"}}
    {"block_finished":{"index":3,"block":{"kept":{"phase":"commentary"}}}}
    {"block_started":{"index":4,"kind":{"tool_call":{"id":"call_a","name":"read"}}}}
    {"delta":{"index":4,"text":"{\"path\""}}
    {"delta":{"index":4,"text":": \"a.txt\"}"}}
    {"block_started":{"index":5,"kind":{"tool_call":{"id":"call_b","name":"now"}}}}
    {"delta":{"index":5,"text":"{}"}}
    {"usage":{"input":36,"output":50,"cache_read":64,"cache_write":0}}
    {"block_finished":{"index":4,"block":{"tool_call":{"id":"call_a","name":"read","arguments":"{\"path\": \"a.txt\"}"}}}}
    {"block_finished":{"index":5,"block":{"tool_call":{"id":"call_b","name":"now","arguments":"{}"}}}}
    {"finished":"tool_use"}
    "##);
}

#[test]
fn length_in_the_middle_of_a_call() {
    insta::assert_snapshot!(golden!(WIRE, "responses_length_in_call.sse"), @r##"
    {"started":{"response":"resp_1","model":"gpt-5-x"}}
    {"block_started":{"index":0,"kind":{"tool_call":{"id":"call_a","name":"read"}}}}
    {"delta":{"index":0,"text":"{\"path\": \"a\"}"}}
    {"block_started":{"index":1,"kind":{"tool_call":{"id":"call_b","name":"write"}}}}
    {"delta":{"index":1,"text":"{\"path\": \"a\", \"text\": \"half"}}
    {"usage":{"input":36,"output":50,"cache_read":64,"cache_write":0}}
    {"block_finished":{"index":0,"block":{"tool_call":{"id":"call_a","name":"read","arguments":"{\"path\": \"a\"}"}}}}
    {"finished":"length"}
    "##);
}

#[test]
fn a_response_that_fails() {
    insta::assert_snapshot!(golden!(WIRE, "responses_failed.sse"), @r##"
    {"started":{"response":"resp_1","model":"gpt-5-x"}}
    {"block_started":{"index":0,"kind":"text"}}
    {"delta":{"index":0,"text":"I"}}
    {"block_started":{"index":1,"kind":{"tool_call":{"id":"call_a","name":"read"}}}}
    {"delta":{"index":1,"text":"{\"path\": \"a\"}"}}
    {"failed":{"class":"overloaded","message":"the server is overloaded: Our servers are currently overloaded."}}
    "##);
}

#[test]
fn a_refusal() {
    insta::assert_snapshot!(golden!(WIRE, "responses_refusal.sse"), @r##"
    {"started":{"response":"resp_1","model":"gpt-5-x"}}
    {"block_started":{"index":0,"kind":"text"}}
    {"delta":{"index":0,"text":"I "}}
    {"delta":{"index":0,"text":"will not."}}
    {"block_finished":{"index":0,"block":{"text":"I will not."}}}
    {"usage":{"input":36,"output":50,"cache_read":64,"cache_write":0}}
    {"finished":"refusal"}
    "##);
}

#[test]
fn items_that_come_whole_or_are_not_known() {
    insta::assert_snapshot!(golden!(WIRE, "responses_odd.sse"), @r##"
    {"started":{"response":"resp_1","model":"gpt-5-x"}}
    {"block_started":{"index":0,"kind":"kept"}}
    {"block_finished":{"index":0,"block":{"kept":{"reasoning":{"id":"rs_1","encrypted":"gAAAAAC="}}}}}
    {"block_started":{"index":1,"kind":{"tool_call":{"id":"call_a","name":"read"}}}}
    {"delta":{"index":1,"text":"{\"path\": \"a\"}"}}
    {"usage":{"input":36,"output":50,"cache_read":64,"cache_write":0}}
    {"block_finished":{"index":1,"block":{"tool_call":{"id":"call_a","name":"read","arguments":"{\"path\": \"a\"}"}}}}
    {"finished":"tool_use"}
    "##);
}

#[test]
fn a_document_in_place_of_a_stream() {
    insta::assert_snapshot!(golden!(WIRE, "responses_document.json"), @r##"
    {"started":{"response":"resp_1","model":"gpt-5-x"}}
    {"block_started":{"index":0,"kind":"thinking"}}
    {"delta":{"index":0,"text":"Hm."}}
    {"block_finished":{"index":0,"block":{"thinking":{"text":"Hm."}}}}
    {"block_started":{"index":1,"kind":"kept"}}
    {"block_finished":{"index":1,"block":{"kept":{"reasoning":{"id":"rs_0","encrypted":null}}}}}
    {"block_started":{"index":2,"kind":"text"}}
    {"delta":{"index":2,"text":"I look."}}
    {"block_finished":{"index":2,"block":{"text":"I look."}}}
    {"block_started":{"index":3,"kind":{"tool_call":{"id":"call_a","name":"read"}}}}
    {"delta":{"index":3,"text":"{\"path\": \"a\"}"}}
    {"usage":{"input":36,"output":50,"cache_read":64,"cache_write":0}}
    {"block_finished":{"index":3,"block":{"tool_call":{"id":"call_a","name":"read","arguments":"{\"path\": \"a\"}"}}}}
    {"finished":"tool_use"}
    "##);
}

#[test]
fn reasons_to_be_incomplete() {
    let end = |status: &str, details: &str| {
        let body = format!(
            "data: {{\"type\":\"response.{status}\",\"response\":{{\"status\":\"{status}\",\"incomplete_details\":{details}}}}}\n\n"
        );
        score(&decode(WIRE, [body.as_bytes()]))
    };
    let ends = [
        end("incomplete", "{\"reason\":\"content_filter\"}"),
        end("incomplete", "{\"reason\":\"shiny\"}"),
        end("incomplete", "null"),
        end("completed", "null"),
        end("failed", "null"),
    ];
    insta::assert_snapshot!(ends.join("\n"), @r##"
    {"started":{"response":null,"model":null}}
    {"finished":"refusal"}
    {"started":{"response":null,"model":null}}
    {"finished":{"other":"shiny"}}
    {"started":{"response":null,"model":null}}
    {"finished":"length"}
    {"started":{"response":null,"model":null}}
    {"finished":"end_of_turn"}
    {"started":{"response":null,"model":null}}
    {"failed":{"class":"unavailable","message":"the server failed"}}
    "##);
}

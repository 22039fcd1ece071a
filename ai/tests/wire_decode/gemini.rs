//! Golden streams of Gemini, after <https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse> and
//! <https://ai.google.dev/gemini-api/docs/thought-signatures>.

use super::*;

const WIRE: Wire = Wire::Gemini;

#[test]
fn thoughts_signed_text_and_calls_with_and_without_ids() {
    insta::assert_snapshot!(golden!(WIRE, "gemini_tools.sse"), @r##"
    {"started":{"response":"r1","model":"gemini-3-x"}}
    {"usage":{"input":36,"output":30,"cache_read":64,"cache_write":0}}
    {"block_started":{"index":0,"kind":"thinking"}}
    {"delta":{"index":0,"text":"**Looking** "}}
    {"delta":{"index":0,"text":"around."}}
    {"block_finished":{"index":0,"block":{"thinking":{"text":"**Looking** around."}}}}
    {"block_started":{"index":1,"kind":"text"}}
    {"delta":{"index":1,"text":"I lö"}}
    {"delta":{"index":1,"text":"ök 🦀."}}
    {"block_finished":{"index":1,"block":{"text":"I löök 🦀."}}}
    {"block_started":{"index":2,"kind":"kept"}}
    {"block_finished":{"index":2,"block":{"kept":{"thought_signature":"U2ln"}}}}
    {"block_started":{"index":3,"kind":{"tool_call":{"id":"call_1_3","name":"read"}}}}
    {"delta":{"index":3,"text":"{\"path\": \"a.txt\", \"n\": 1.5}"}}
    {"block_started":{"index":4,"kind":"kept"}}
    {"block_finished":{"index":4,"block":{"kept":{"thought_signature":"Q2FsbA=="}}}}
    {"block_started":{"index":5,"kind":{"tool_call":{"id":"fc-7","name":"now"}}}}
    {"delta":{"index":5,"text":"{}"}}
    {"block_started":{"index":6,"kind":{"tool_call":{"id":"call_1_6","name":"now"}}}}
    {"delta":{"index":6,"text":"{}"}}
    {"usage":{"input":36,"output":50,"cache_read":64,"cache_write":0}}
    {"block_finished":{"index":3,"block":{"tool_call":{"id":"call_1_3","name":"read","arguments":"{\"path\": \"a.txt\", \"n\": 1.5}"}}}}
    {"block_finished":{"index":5,"block":{"tool_call":{"id":"fc-7","name":"now","arguments":"{}"}}}}
    {"block_finished":{"index":6,"block":{"tool_call":{"id":"call_1_6","name":"now","arguments":"{}"}}}}
    {"finished":"tool_use"}
    "##);
}

#[test]
fn a_signature_at_the_end_usage_after_it_and_parts_that_are_not_known() {
    insta::assert_snapshot!(golden!(WIRE, "gemini_text.sse"), @r##"
    {"started":{"response":"r1","model":"gemini-3-x"}}
    {"block_started":{"index":0,"kind":"text"}}
    {"delta":{"index":0,"text":"Four"}}
    {"delta":{"index":0,"text":"."}}
    {"block_finished":{"index":0,"block":{"text":"Four."}}}
    {"block_started":{"index":1,"kind":"kept"}}
    {"block_finished":{"index":1,"block":{"kept":{"thought_signature":"RW5k"}}}}
    {"usage":{"input":36,"output":50,"cache_read":64,"cache_write":0}}
    {"finished":"end_of_turn"}
    "##);
}

#[test]
fn length_after_a_call() {
    insta::assert_snapshot!(golden!(WIRE, "gemini_length.sse"), @r##"
    {"started":{"response":"r1","model":"gemini-3-x"}}
    {"block_started":{"index":0,"kind":{"tool_call":{"id":"call_1_0","name":"read"}}}}
    {"delta":{"index":0,"text":"{\"path\": \"a\"}"}}
    {"usage":{"input":36,"output":50,"cache_read":64,"cache_write":0}}
    {"block_started":{"index":1,"kind":"text"}}
    {"delta":{"index":1,"text":"Then I wr"}}
    {"block_finished":{"index":1,"block":{"text":"Then I wr"}}}
    {"block_finished":{"index":0,"block":{"tool_call":{"id":"call_1_0","name":"read","arguments":"{\"path\": \"a\"}"}}}}
    {"finished":"length"}
    "##);
}

#[test]
fn a_call_that_the_server_cannot_read() {
    insta::assert_snapshot!(golden!(WIRE, "gemini_malformed.sse"), @r##"
    {"started":{"response":"r1","model":"gemini-3-x"}}
    {"block_started":{"index":0,"kind":"text"}}
    {"delta":{"index":0,"text":"I call."}}
    {"block_finished":{"index":0,"block":{"text":"I call."}}}
    {"block_started":{"index":1,"kind":{"tool_call":{"id":"call_1_1","name":"read"}}}}
    {"delta":{"index":1,"text":"{\"path\": \"a\"}"}}
    {"usage":{"input":36,"output":50,"cache_read":64,"cache_write":0}}
    {"failed":{"class":"unavailable","message":"the model wrote a call that its server cannot read (MALFORMED_FUNCTION_CALL: Malformed function call: print(default_api.read()"}}
    "##);
}

#[test]
fn a_prompt_that_is_blocked_and_an_answer_that_is_filtered() {
    insta::assert_snapshot!(golden!(WIRE, "gemini_blocked.sse"), @r##"
    {"started":{"response":null,"model":"gemini-3-x"}}
    {"usage":{"input":9,"output":0,"cache_read":0,"cache_write":0}}
    {"failed":{"class":"invalid","message":"the provider does not pass the conversation on to the model (PROHIBITED_CONTENT); say it in other words, or go back before what it objects to"}}
    "##);
    insta::assert_snapshot!(golden!(WIRE, "gemini_safety.sse"), @r##"
    {"started":{"response":"r1","model":"gemini-3-x"}}
    {"block_started":{"index":0,"kind":"text"}}
    {"delta":{"index":0,"text":"Well"}}
    {"usage":{"input":36,"output":50,"cache_read":64,"cache_write":0}}
    {"block_finished":{"index":0,"block":{"text":"Well"}}}
    {"finished":"refusal"}
    "##);
}

#[test]
fn an_error_in_the_stream_with_the_time_to_wait() {
    insta::assert_snapshot!(golden!(WIRE, "gemini_error.sse"), @r##"
    {"started":{"response":"r1","model":"gemini-3-x"}}
    {"block_started":{"index":0,"kind":"text"}}
    {"delta":{"index":0,"text":"I"}}
    {"failed":{"class":"overloaded","message":"the server is overloaded (HTTP 503): The model is overloaded. Please try again later.","status":503,"retry_after_ms":3500}}
    "##);
}

#[test]
fn an_array_in_place_of_a_stream() {
    insta::assert_snapshot!(golden!(WIRE, "gemini_document.json"), @r##"
    {"started":{"response":"r1","model":"gemini-3-x"}}
    {"block_started":{"index":0,"kind":"thinking"}}
    {"delta":{"index":0,"text":"Hm."}}
    {"usage":{"input":36,"output":50,"cache_read":64,"cache_write":0}}
    {"block_finished":{"index":0,"block":{"thinking":{"text":"Hm."}}}}
    {"block_started":{"index":1,"kind":"text"}}
    {"delta":{"index":1,"text":"I look."}}
    {"block_finished":{"index":1,"block":{"text":"I look."}}}
    {"block_started":{"index":2,"kind":{"tool_call":{"id":"f1","name":"read"}}}}
    {"delta":{"index":2,"text":"{\"path\": \"a\"}"}}
    {"block_finished":{"index":2,"block":{"tool_call":{"id":"f1","name":"read","arguments":"{\"path\": \"a\"}"}}}}
    {"finished":"tool_use"}
    "##);
}

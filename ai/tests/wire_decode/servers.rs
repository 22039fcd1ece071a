//! What servers of Chat Completions do differently, and what of Anthropic is kept to be sent back.

use super::*;

#[test]
fn the_text_so_far_in_each_delta_and_arguments_said_twice() {
    insta::assert_snapshot!(golden!(Wire::OpenAiCompatible, "openai_cumulative.sse"), @r##"
    {"started":{"response":"chatcmpl-1","model":"m"}}
    {"block_started":{"index":0,"kind":"text"}}
    {"delta":{"index":0,"text":"Hel"}}
    {"delta":{"index":0,"text":"lo wörld"}}
    {"block_finished":{"index":0,"block":{"text":"Hello wörld"}}}
    {"block_started":{"index":1,"kind":{"tool_call":{"id":"a","name":"ls"}}}}
    {"delta":{"index":1,"text":"{\"p\": 1}"}}
    {"block_finished":{"index":1,"block":{"tool_call":{"id":"a","name":"ls","arguments":"{\"p\": 1}"}}}}
    {"finished":"tool_use"}
    "##);
}

#[test]
fn a_server_whose_deltas_are_deltas_is_believed() {
    let file = include_str!("../golden/openai_cumulative.sse");
    let steps = decode(Wire::OpenAiChat, [file.as_bytes()]);
    let text = steps.iter().find_map(|step| match step {
        StreamEvent::BlockFinished {
            block: Block::Text(text),
            ..
        } => Some(text.to_string()),
        _ => None,
    });
    assert_eq!(text.as_deref(), Some("HelHelloHello wörldHello wörld"));
}

#[test]
fn thinking_with_details_a_name_in_parts_and_a_signed_call() {
    insta::assert_snapshot!(golden!(Wire::OpenAiCompatible, "openai_details.sse"), @r##"
    {"started":{"response":"chatcmpl-1","model":"m"}}
    {"block_started":{"index":0,"kind":"thinking"}}
    {"delta":{"index":0,"text":"Two "}}
    {"delta":{"index":0,"text":"and two."}}
    {"block_finished":{"index":0,"block":{"thinking":{"text":"Two and two."}}}}
    {"block_started":{"index":1,"kind":"text"}}
    {"delta":{"index":1,"text":"Four."}}
    {"block_finished":{"index":1,"block":{"text":"Four."}}}
    {"block_started":{"index":2,"kind":{"tool_call":{"id":"x","name":"read"}}}}
    {"block_started":{"index":3,"kind":"kept"}}
    {"block_finished":{"index":3,"block":{"kept":{"thought_signature":"U2ln"}}}}
    {"delta":{"index":2,"text":"{\"path\": \"a\"}"}}
    {"block_started":{"index":4,"kind":"kept"}}
    {"block_finished":{"index":4,"block":{"kept":{"reasoning_details":"[{\"format\":\"anthropic-claude-v1\",\"index\":0,\"signature\":\"c2ln\",\"text\":\"Two and two.\",\"type\":\"reasoning.text\"},{\"data\":\"RW5j\",\"format\":\"anthropic-claude-v1\",\"index\":1,\"type\":\"reasoning.encrypted\"}]"}}}}
    {"block_finished":{"index":2,"block":{"tool_call":{"id":"x","name":"read","arguments":"{\"path\": \"a\"}"}}}}
    {"usage":{"input":30,"output":50,"cache_read":60,"cache_write":10}}
    {"finished":"tool_use"}
    "##);
}

#[test]
fn content_in_parts() {
    insta::assert_snapshot!(golden!(Wire::OpenAiCompatible, "openai_parts.sse"), @r##"
    {"started":{"response":"chatcmpl-1","model":"m"}}
    {"block_started":{"index":0,"kind":"thinking"}}
    {"delta":{"index":0,"text":"Two and two."}}
    {"block_finished":{"index":0,"block":{"thinking":{"text":"Two and two."}}}}
    {"block_started":{"index":1,"kind":"text"}}
    {"delta":{"index":1,"text":"Four."}}
    {"block_finished":{"index":1,"block":{"text":"Four."}}}
    {"usage":{"input":6,"output":5,"cache_read":4,"cache_write":0}}
    {"finished":"end_of_turn"}
    "##);
}

#[test]
fn blocks_of_the_servers_own_tools_are_kept_and_a_pause_is_told() {
    insta::assert_snapshot!(golden!(Wire::Anthropic, "anthropic_items.sse"), @r##"
    {"started":{"response":"msg_01","model":"claude-x"}}
    {"usage":{"input":25,"output":1,"cache_read":0,"cache_write":0}}
    {"block_started":{"index":0,"kind":"kept"}}
    {"block_finished":{"index":0,"block":{"kept":{"item":"{\"id\":\"srvtoolu_1\",\"input\":{\"query\": \"rust\"},\"name\":\"web_search\",\"type\":\"server_tool_use\"}"}}}}
    {"block_started":{"index":1,"kind":"kept"}}
    {"block_finished":{"index":1,"block":{"kept":{"item":"{\"type\": \"web_search_tool_result\", \"tool_use_id\": \"srvtoolu_1\", \"content\": [{\"type\": \"web_search_result\", \"url\": \"https://x.org\", \"encrypted_content\": \"RW5j\"}]}"}}}}
    {"block_started":{"index":2,"kind":"text"}}
    {"delta":{"index":2,"text":"So it is."}}
    {"block_finished":{"index":2,"block":{"text":"So it is."}}}
    {"usage":{"input":25,"output":12,"cache_read":0,"cache_write":0}}
    {"finished":"paused"}
    "##);
}

#[test]
fn an_answer_that_filled_the_window_was_cut() {
    let body = "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"model_context_window_exceeded\"}}\n\n";
    let steps = decode(Wire::Anthropic, [body.as_bytes()]);
    assert_eq!(score(&steps[steps.len() - 1..]), "{\"finished\":\"length\"}");
}

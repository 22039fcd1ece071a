//! Each branch of each decoder by itself, in tables: why an answer stopped, what was counted, how calls are put together,
//! and what is none of an answer.

use glasswork_ai::controls::Life;
use glasswork_ai::stream::StopReason::{
    self, EndOfTurn, Length, Other, Paused, Refusal, StopSequence, ToolUse,
};
use glasswork_ai::stream::Usage;
use glasswork_ai::wire::EVENT_LIMIT;
use serde_json::{Value, json};

use super::*;

fn stream(events: &[Value]) -> String {
    events.iter().map(|event| format!("data: {event}\n\n")).collect()
}

fn steps(wire: Wire, events: &[Value]) -> Vec<StreamEvent> {
    decode(wire, [stream(events).as_bytes()])
}

/// The finished blocks and the end, a line each.
fn lines(steps: &[StreamEvent]) -> Vec<String> {
    let line = |step: &StreamEvent| match step {
        StreamEvent::BlockFinished { block, .. } => Some(match block {
            Block::Text(text) => format!("text {text:?}"),
            Block::Thinking(thought) => format!(
                "thinking {:?} {:?} {:?}",
                thought.text, thought.signature, thought.redacted
            ),
            Block::ToolCall(call) => format!("call {} {} {}", call.id, call.name, call.arguments),
            Block::Kept(kept) => format!("kept {kept:?}"),
        }),
        StreamEvent::Finished(reason) => Some(format!("finished {reason:?}")),
        StreamEvent::Failed(failure) => Some(format!("failed {:?}", failure.class)),
        _ => None,
    };
    steps.iter().filter_map(line).collect()
}

fn check(wire: Wire, events: &[Value], expected: &[&str]) {
    assert_eq!(lines(&steps(wire, events)), expected, "{wire:?} {events:#?}");
}

fn chat(delta: Value) -> Value {
    json!({"choices": [{"index": 0, "delta": delta}]})
}

fn chat_stop(reason: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

fn anthropic_stop(reason: &str) -> Value {
    json!({"type": "message_delta", "delta": {"stop_reason": reason}})
}

#[test]
fn every_reason_of_every_wire_is_known_by_its_name() {
    let finished = |wire: Wire, events: &[Value], expected: StopReason| {
        let steps = steps(wire, events);
        assert_eq!(
            steps.last(),
            Some(&StreamEvent::Finished(expected)),
            "{wire:?} {events:?}"
        );
    };
    let call = chat(json!({"tool_calls": [{"id": "a", "function": {"name": "ls", "arguments": "{}"}}]}));
    let refusal = chat(json!({"refusal": "I will not."}));
    for wire in [Wire::OpenAiChat, Wire::OpenAiCompatible] {
        for (reason, bare, with_call) in [
            ("stop", EndOfTurn, ToolUse),
            ("tool_calls", EndOfTurn, ToolUse),
            ("function_call", EndOfTurn, ToolUse),
            ("length", Length, Length),
            ("model_length", Length, Length),
            ("content_filter", Refusal, Refusal),
            ("new", Other("new".into()), Other("new".into())),
        ] {
            finished(wire, &[chat_stop(reason)], bare);
            finished(wire, &[call.clone(), chat_stop(reason)], with_call);
            finished(wire, &[refusal.clone(), chat_stop(reason)], Refusal);
        }
    }
    for (reason, expected) in [
        ("end_turn", EndOfTurn),
        ("tool_use", ToolUse),
        ("max_tokens", Length),
        ("model_context_window_exceeded", Length),
        ("stop_sequence", StopSequence),
        ("refusal", Refusal),
        ("pause_turn", Paused),
        ("new", Other("new".into())),
    ] {
        finished(
            Wire::Anthropic,
            &[anthropic_stop(reason), json!({"type": "message_stop"})],
            expected,
        );
    }
    let call = json!({"type": "function_call", "call_id": "a", "name": "ls", "arguments": "{}"});
    let refusal = json!({"type": "message", "content": [{"type": "refusal", "refusal": "No."}]});
    for (response, bare, with_call, refused) in [
        (json!({"status": "completed"}), EndOfTurn, ToolUse, Refusal),
        (json!({"status": "incomplete"}), Length, Length, Length),
        (
            json!({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}),
            Length,
            Length,
            Length,
        ),
        (
            json!({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}),
            Refusal,
            Refusal,
            Refusal,
        ),
        (
            json!({"status": "incomplete", "incomplete_details": {"reason": "new"}}),
            Other("new".into()),
            Other("new".into()),
            Other("new".into()),
        ),
        (
            json!({"status": "cancelled"}),
            Other("cancelled".into()),
            Other("cancelled".into()),
            Other("cancelled".into()),
        ),
    ] {
        for (output, expected) in [
            (json!([]), bare),
            (json!([call]), with_call),
            (json!([refusal]), refused),
        ] {
            let mut response = response.clone();
            response["output"] = output;
            let event = json!({"type": "response.completed", "response": response});
            finished(Wire::OpenAiResponses, &[event], expected);
        }
    }
    let gemini = |reason: &str| json!({"candidates": [{"finishReason": reason}], "usageMetadata": {}});
    let call = json!({"candidates": [{"content": {"parts": [{"functionCall": {"name": "ls"}}]}}]});
    for (reason, bare, with_call) in [
        ("STOP", EndOfTurn, ToolUse),
        ("MAX_TOKENS", Length, Length),
        ("SAFETY", Refusal, Refusal),
        ("RECITATION", Refusal, Refusal),
        ("LANGUAGE", Refusal, Refusal),
        ("BLOCKLIST", Refusal, Refusal),
        ("PROHIBITED_CONTENT", Refusal, Refusal),
        ("SPII", Refusal, Refusal),
        ("NEW", Other("NEW".into()), Other("NEW".into())),
    ] {
        finished(Wire::Gemini, &[gemini(reason)], bare);
        finished(Wire::Gemini, &[call.clone(), gemini(reason)], with_call);
    }
    for reason in [
        "MALFORMED_FUNCTION_CALL",
        "MALFORMED_RESPONSE",
        "UNEXPECTED_TOOL_CALL",
    ] {
        check(
            Wire::Gemini,
            &[call.clone(), gemini(reason)],
            &["failed Unavailable"],
        );
    }
}

#[test]
fn what_each_server_counts_is_counted_once() {
    let counted = |wire: Wire, events: &[Value], expected: [u64; 4]| {
        let steps = steps(wire, events);
        let usage = steps.iter().rev().find_map(|step| match step {
            StreamEvent::Usage(usage) => Some(*usage),
            _ => None,
        });
        let [input, output, cache_read, cache_write] = expected;
        let expected = Usage {
            input,
            output,
            cache_read,
            cache_write,
            cache_write_1h: 0,
        };
        assert_eq!(usage, Some(expected), "{wire:?} {events:?}");
        let told = steps.iter().filter(|step| matches!(step, StreamEvent::Usage(_)));
        assert_eq!(told.count(), 1, "the same is told once: {events:?}");
    };
    let chat = |usage: Value| {
        let usage = json!({"choices": [], "usage": usage});
        [chat_stop("stop"), usage.clone(), usage]
    };
    let tokens = |details: Value| {
        let mut usage = json!({"prompt_tokens": 100, "completion_tokens": 5});
        usage
            .as_object_mut()
            .unwrap()
            .extend(details.as_object().unwrap().clone());
        usage
    };
    for (usage, expected) in [
        (tokens(json!({})), [100, 5, 0, 0]),
        (
            tokens(json!({"prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30}})),
            [10, 5, 60, 30],
        ),
        (tokens(json!({"prompt_cache_hit_tokens": 60})), [40, 5, 60, 0]),
        (tokens(json!({"cached_tokens": 60})), [40, 5, 60, 0]),
        // More from the cache than there was cannot be.
        (tokens(json!({"cached_tokens": 160})), [0, 5, 100, 0]),
        (
            tokens(json!({"prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 90}})),
            [0, 5, 60, 40],
        ),
        // Most count the thinking among what was said; where only all make the total, it stands apart.
        (
            tokens(json!({"completion_tokens_details": {"reasoning_tokens": 3}, "total_tokens": 105})),
            [100, 5, 0, 0],
        ),
        (
            tokens(json!({"completion_tokens_details": {"reasoning_tokens": 3}, "total_tokens": 108})),
            [100, 8, 0, 0],
        ),
    ] {
        counted(Wire::OpenAiChat, &chat(usage), expected);
    }
    let moonshot = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop",
        "usage": {"prompt_tokens": 7, "completion_tokens": 2}}]});
    counted(Wire::OpenAiCompatible, &[moonshot], [7, 2, 0, 0]);

    for ((cached, written), expected) in [
        ((60, 30), [10, 5, 60, 30]),
        ((160, 0), [0, 5, 100, 0]),
        ((60, 90), [0, 5, 60, 40]),
    ] {
        let details = json!({"cached_tokens": cached, "cache_write_tokens": written});
        let usage = json!({"input_tokens": 100, "input_tokens_details": details, "output_tokens": 5});
        let event =
            json!({"type": "response.completed", "response": {"status": "completed", "usage": usage}});
        counted(Wire::OpenAiResponses, &[event], expected);
    }

    let chunk = json!({"candidates": [{"finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 90,
        "toolUsePromptTokenCount": 10, "cachedContentTokenCount": 60, "candidatesTokenCount": 3, "thoughtsTokenCount": 2}});
    counted(Wire::Gemini, &[chunk], [40, 5, 60, 0]);

    // Anthropic counts on from the start, and what it leaves out stays.
    let start = json!({"type": "message_start", "message": {"usage": {"input_tokens": 10,
        "cache_read_input_tokens": 60, "cache_creation_input_tokens": 30, "output_tokens": 1}}});
    for (later, expected) in [
        (json!({"output_tokens": 5}), [10, 5, 60, 30]),
        (json!({"input_tokens": 11}), [11, 1, 60, 30]),
        (json!({"cache_read_input_tokens": 61}), [10, 1, 61, 30]),
        (json!({"cache_creation_input_tokens": 31}), [10, 1, 60, 31]),
    ] {
        let delta = json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": later});
        let steps = steps(Wire::Anthropic, &[start.clone(), delta]);
        let told: Vec<[u64; 4]> = steps
            .iter()
            .filter_map(|step| match step {
                StreamEvent::Usage(usage) => {
                    Some([usage.input, usage.output, usage.cache_read, usage.cache_write])
                }
                _ => None,
            })
            .collect();
        assert_eq!(told, [[10, 1, 60, 30], expected]);
    }
}

/// What is written to a cache for an hour costs more. Anthropic says how much of it that is; others were asked for one
/// time alone, and keep all of it as long as that.
#[test]
fn what_is_written_for_an_hour_is_counted_apart() {
    let written = |steps: Vec<StreamEvent>| {
        let usage = steps.iter().rev().find_map(|step| match step {
            StreamEvent::Usage(usage) => Some((usage.cache_write, usage.cache_write_1h)),
            _ => None,
        });
        usage.unwrap()
    };
    let both = json!({"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20});
    for (usage, expected) in [
        (
            json!({"cache_creation_input_tokens": 30, "cache_creation": both}),
            (30, 20),
        ),
        // The sum need not be said, nor need its parts; and no part is more than the whole.
        (json!({"cache_creation": both}), (30, 20)),
        (json!({"cache_creation_input_tokens": 30}), (30, 0)),
        (
            json!({"cache_creation_input_tokens": 15, "cache_creation": both}),
            (15, 15),
        ),
    ] {
        let start = json!({"type": "message_start", "message": {"usage": usage}});
        let later = json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}});
        assert_eq!(
            written(steps(Wire::Anthropic, &[start, later])),
            expected,
            "{usage}"
        );
    }
    let usage = json!({"prompt_tokens": 100, "prompt_tokens_details": {"cache_write_tokens": 30}});
    let events = stream(&[chat_stop("stop"), json!({"choices": [], "usage": usage})]);
    for (life, expected) in [(Life::Short, (30, 0)), (Life::Long, (30, 30))] {
        let mut request = request();
        request.controls.cache.life = life;
        let mut decoder = Wire::OpenAiChat.decoder(&request);
        let mut steps = decoder.feed(events.as_bytes());
        steps.extend(decoder.end());
        assert_eq!(written(steps), expected, "{life:?}");
    }
}

#[test]
fn parts_of_calls_find_their_call() {
    let part = |part: Value| chat(json!({"tool_calls": [part]}));
    let function = |name: &str, arguments: &str| json!({"name": name, "arguments": arguments});
    let stop = chat_stop("tool_calls");
    let wire = Wire::OpenAiChat;
    // By number, whether the id comes again, another name does not, or neither is there.
    check(
        wire,
        &[
            part(json!({"index": 0, "id": "a", "function": function("ls", "{\"p\"")})),
            part(json!({"index": 0, "function": function("", ":1")})),
            part(json!({"index": 0, "id": "a", "function": function("ls", "}")})),
            part(json!({"index": 0, "id": "b", "function": function("cd", "{}")})),
            part(json!({"index": 0, "id": "c", "function": {"arguments": " "}})),
            stop.clone(),
        ],
        &["call a ls {\"p\":1}", "call b cd {} ", "finished ToolUse"],
    );
    // An id that comes late, and a name in parts, of which one is the whole again.
    check(
        wire,
        &[
            part(json!({"index": 0, "function": function("read", "")})),
            part(json!({"index": 0, "id": "a", "function": function("read", "")})),
            part(json!({"index": 0, "function": function("_file", "{}")})),
            stop.clone(),
        ],
        &["call a read_file {}", "finished ToolUse"],
    );
    // Without numbers by id, and without either to the last.
    check(
        wire,
        &[
            part(json!({"id": "a", "function": function("ls", "{\"p\"")})),
            part(json!({"id": "b", "function": function("cd", "{\"q\"")})),
            part(json!({"id": "a", "function": function("", ":1}")})),
            part(json!({"function": {"arguments": ":2}"}})),
            stop.clone(),
        ],
        &["call a ls {\"p\":1}", "call b cd {\"q\":2}", "finished ToolUse"],
    );
    // A name longer than any stays as it was; it is no place to put an answer.
    let long = "n".repeat(1000);
    check(
        wire,
        &[
            part(json!({"index": 0, "id": "a", "function": function(&long, "")})),
            part(json!({"index": 0, "function": function(&"m".repeat(100), "{}")})),
            stop.clone(),
        ],
        &[&format!("call a {long} {{}}"), "finished ToolUse"],
    );
    // Text before a call is whole when the call begins, and what comes after the reason is none of the answer.
    check(
        wire,
        &[
            chat(json!({"content": "Hi"})),
            part(json!({"index": 0, "id": "a", "function": function("ls", "{}")})),
            stop.clone(),
            chat(json!({"content": "late"})),
        ],
        &["text \"Hi\"", "call a ls {}", "finished ToolUse"],
    );
    let late = steps(wire, &[chat_stop("stop"), chat(json!({"content": "late"}))]);
    let begins = |step: &StreamEvent| matches!(step, StreamEvent::BlockStarted { .. });
    assert!(!late.iter().any(begins), "{late:?}");
    // Another choice is another answer, and an empty reason is none.
    check(
        wire,
        &[
            json!({"choices": [{"index": 1, "delta": {"content": "other"}, "finish_reason": "length"}]}),
            json!({"choices": [{"index": 0, "delta": {"content": "one"}, "finish_reason": ""}], "error": null}),
            chat_stop("stop"),
        ],
        &["text \"one\"", "finished EndOfTurn"],
    );
    // All of the arguments again at their end are said once where they are whole, else they are more of them.
    for wire in [Wire::OpenAiChat, Wire::OpenAiCompatible] {
        check(
            wire,
            &[
                part(json!({"index": 0, "id": "a", "function": function("ls", "{\"p\"")})),
                part(json!({"index": 0, "function": {"arguments": ":1}"}})),
                part(json!({"index": 0, "function": {"arguments": "{\"p\":1}"}})),
                stop.clone(),
            ],
            &["call a ls {\"p\":1}", "finished ToolUse"],
        );
    }
    check(
        wire,
        &[
            part(json!({"index": 0, "id": "a", "function": function("ls", "[")})),
            part(json!({"index": 0, "function": {"arguments": "["}})),
            stop.clone(),
        ],
        &["call a ls [[", "finished ToolUse"],
    );
    // What is held back while it is not clear whether a server repeats itself comes before what follows.
    let wire = Wire::OpenAiCompatible;
    let two = [chat(json!({"content": "Hel"})), chat(json!({"content": "Hello"}))];
    check(
        wire,
        &[&two[..], &[chat_stop("stop")]].concat(),
        &["text \"Hello\"", "finished EndOfTurn"],
    );
    check(
        wire,
        &[
            &two[..],
            &[
                part(json!({"index": 0, "id": "a", "function": function("ls", "{}")})),
                stop.clone(),
            ],
        ]
        .concat(),
        &["text \"Hello\"", "call a ls {}", "finished ToolUse"],
    );
    check(
        wire,
        &[
            part(json!({"index": 0, "id": "a", "function": function("ls", "{\"a\":")})),
            part(json!({"index": 0, "function": {"arguments": "{\"a\":1}"}})),
            stop,
        ],
        &["call a ls {\"a\":1}", "finished ToolUse"],
    );
}

#[test]
fn thinking_comes_in_many_fields_and_is_thought_once() {
    let wire = Wire::OpenAiChat;
    let stop = chat_stop("stop");
    let thought = |text: &str| format!("thinking {text:?} None None");
    for delta in [
        json!({"reasoning_content": "hm"}),
        json!({"reasoning": "hm"}),
        json!({"thinking": "hm"}),
        json!({"reasoning_content": "hm", "reasoning": "hm"}),
        json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]}),
    ] {
        check(
            wire,
            &[chat(delta), stop.clone()],
            &[&thought("hm"), "finished EndOfTurn"],
        );
    }
    // Who thinks again between words says other words after that.
    check(
        wire,
        &[
            chat(json!({"content": "a"})),
            chat(json!({"reasoning": "hm"})),
            chat(json!({"content": "b"})),
            stop.clone(),
        ],
        &["text \"a\"", &thought("hm"), "text \"b\"", "finished EndOfTurn"],
    );
    // Details say what a field says too, and are kept; without the field they are what was thought.
    let details = json!([{"type": "reasoning.text", "text": "hm", "index": 0}]);
    for delta in [
        json!({"reasoning": "hm", "reasoning_details": details}),
        json!({"reasoning_details": details}),
    ] {
        let said = lines(&steps(wire, &[chat(delta), stop.clone()]));
        assert_eq!(said[0], thought("hm"), "{said:?}");
        assert!(said[1].starts_with("kept ReasoningDetails"), "{said:?}");
    }
    // A signature of Gemini's behind this wire belongs to its call.
    let signed = json!({"tool_calls": [{"id": "a", "function": {"name": "ls", "arguments": "{}"},
        "extra_content": {"google": {"thought_signature": "c2ln"}}}]});
    check(
        wire,
        &[chat(signed), chat_stop("tool_calls")],
        &[
            "kept ThoughtSignature(\"c2ln\")",
            "call a ls {}",
            "finished ToolUse",
        ],
    );
}

#[test]
fn blocks_of_anthropic_are_put_together_from_start_and_deltas() {
    let block = |index: u64, start: Value, deltas: &[Value]| {
        let mut events = vec![json!({"type": "content_block_start", "index": index, "content_block": start})];
        events.extend(
            deltas
                .iter()
                .map(|delta| json!({"type": "content_block_delta", "index": index, "delta": delta})),
        );
        events.push(json!({"type": "content_block_stop", "index": index}));
        events
    };
    let input = |text: &str| json!({"type": "input_json_delta", "partial_json": text});
    let ends = |reason: &str| vec![anthropic_stop(reason), json!({"type": "message_stop"})];
    let call = |input: Value| json!({"type": "tool_use", "id": "a", "name": "ls", "input": input});
    let wire = Wire::Anthropic;
    for (events, expected) in [
        (
            block(0, call(json!({})), &[input(""), input("{\"p\":"), input("1}")]),
            "call a ls {\"p\":1}",
        ),
        (block(0, call(json!({"p": 1})), &[]), "call a ls {\"p\":1}"),
        // What is streamed replaces what the start said.
        (
            block(0, call(json!({"p": 1})), &[input("{\"q\":2}")]),
            "call a ls {\"q\":2}",
        ),
        (block(0, call(json!({})), &[]), "call a ls {}"),
        // Nothing is streamed where only nothing is.
        (block(0, call(json!({})), &[input("")]), "call a ls {}"),
        (
            block(0, json!({"type": "text", "text": "Hi"}), &[]),
            "text \"Hi\"",
        ),
        (
            block(
                0,
                json!({"type": "thinking", "thinking": "h", "signature": ""}),
                &[
                    json!({"type": "thinking_delta", "thinking": "m"}),
                    json!({"type": "signature_delta", "signature": "c2"}),
                    json!({"type": "signature_delta", "signature": "ln"}),
                ],
            ),
            "thinking \"hm\" Some(\"c2ln\") None",
        ),
        (
            block(
                0,
                json!({"type": "thinking", "thinking": "h", "signature": "c2ln"}),
                &[],
            ),
            "thinking \"h\" Some(\"c2ln\") None",
        ),
        // An empty signature is none.
        (
            block(
                0,
                json!({"type": "thinking", "thinking": "h", "signature": ""}),
                &[],
            ),
            "thinking \"h\" None None",
        ),
        (
            block(0, json!({"type": "redacted_thinking", "data": "ZGF0"}), &[]),
            "thinking \"\" None Some(\"ZGF0\")",
        ),
        (
            block(
                0,
                json!({"type": "server_tool_use", "id": "s", "input": {}}),
                &[input("{\"q\""), input(":1}")],
            ),
            "kept Item(\"{\\\"id\\\":\\\"s\\\",\\\"input\\\":{\\\"q\\\":1},\\\"type\\\":\\\"server_tool_use\\\"}\")",
        ),
    ] {
        let all = [events, ends("tool_use")].concat();
        check(wire, &all, &[expected, "finished ToolUse"]);
    }
    // What the server's own tool was asked is kept whole or not at all.
    let broken = block(
        0,
        json!({"type": "server_tool_use", "id": "s", "input": {}}),
        &[input("{\"q\"")],
    );
    check(
        wire,
        &[broken, ends("end_turn")].concat(),
        &["finished EndOfTurn"],
    );
    // At the limit a call without any argument may have been cut; a whole one was not, and one of words was.
    for (start, deltas, expected) in [
        (call(json!({})), vec![], None),
        (
            call(json!({})),
            vec![input("{\"p\":1}")],
            Some("call a ls {\"p\":1}"),
        ),
        (call(json!({})), vec![input("{\"p\":")], None),
    ] {
        let all = [block(0, start, &deltas), ends("max_tokens")].concat();
        let expected: Vec<&str> = expected.into_iter().chain(["finished Length"]).collect();
        check(wire, &all, &expected);
    }
    // A reason that stops in the middle of an answer of its own accord leaves calls whole.
    for (reason, finished) in [("stop_sequence", "StopSequence"), ("pause_turn", "Paused")] {
        let all = [block(0, call(json!({})), &[input("{broken")]), ends(reason)].concat();
        check(
            wire,
            &all,
            &["call a ls {broken", &format!("finished {finished}")],
        );
    }
}

#[test]
fn items_of_responses_say_once_what_was_streamed_and_what_was_not() {
    let added = |item: Value| json!({"type": "response.output_item.added", "output_index": 0, "item": item});
    let done = |item: Value| json!({"type": "response.output_item.done", "output_index": 0, "item": item});
    let delta = |kind: &str, part: u64, text: &str| json!({"type": format!("response.{kind}.delta"), "output_index": 0, "content_index": part, "delta": text});
    let summary = |part: u64, text: &str| {
        json!({"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": part,
            "delta": text})
    };
    let end = json!({"type": "response.completed", "response": {"status": "completed"}});
    let text = |text: &str| json!({"type": "output_text", "text": text});
    let message = |parts: &[Value]| json!({"type": "message", "content": parts});
    let call = |status: &str| json!({"type": "function_call", "call_id": "a", "name": "ls", "arguments": "{\"p\":1}", "status": status});
    let wire = Wire::OpenAiResponses;
    for (events, expected) in [
        // Of a part that was streamed to its middle only the rest is new.
        (
            vec![
                added(message(&[])),
                delta("output_text", 0, "He"),
                done(message(&[text("Hello"), text(" you")])),
            ],
            vec!["text \"Hello you\"", "finished EndOfTurn"],
        ),
        // An item that is said to begin twice begins once.
        (
            vec![
                added(message(&[])),
                delta("output_text", 0, "He"),
                added(message(&[])),
                delta("output_text", 0, "llo"),
                done(message(&[text("Hello")])),
            ],
            vec!["text \"Hello\"", "finished EndOfTurn"],
        ),
        // Parts of an answer follow each other, those of a summary are paragraphs.
        (
            vec![
                added(message(&[])),
                delta("output_text", 0, "a"),
                delta("output_text", 1, "b"),
                done(message(&[text("a"), text("b")])),
            ],
            vec!["text \"ab\"", "finished EndOfTurn"],
        ),
        (
            vec![
                added(json!({"type": "reasoning", "id": "", "summary": []})),
                summary(0, "a"),
                summary(1, "b"),
                done(
                    json!({"type": "reasoning", "id": "", "summary": [{"text": "a"}, {"text": "b"}, {"text": "c"}]}),
                ),
            ],
            vec!["thinking \"a\\n\\nb\\n\\nc\" None None", "finished EndOfTurn"],
        ),
        // A summary that begins with a later part has nothing before it.
        (
            vec![
                added(json!({"type": "reasoning", "id": "", "summary": []})),
                summary(1, "b"),
                done(json!({"type": "reasoning", "id": "", "summary": []})),
            ],
            vec!["thinking \"b\" None None", "finished EndOfTurn"],
        ),
        // Without a summary the thoughts themselves count.
        (
            vec![done(
                json!({"type": "reasoning", "id": "rs", "summary": [], "content": [{"text": "hm"}], "encrypted_content": "ZW5j"}),
            )],
            vec![
                "thinking \"hm\" None None",
                "kept Reasoning { id: \"rs\", encrypted: Some(\"ZW5j\") }",
                "finished EndOfTurn",
            ],
        ),
        (
            vec![done(
                json!({"type": "message", "phase": "commentary", "content": [text("Hi")]}),
            )],
            vec!["text \"Hi\"", "kept Phase(\"commentary\")", "finished EndOfTurn"],
        ),
        (
            vec![
                added(call("in_progress")),
                delta("function_call_arguments", 0, "{\"p\":1}"),
                done(call("completed")),
            ],
            vec!["call a ls {\"p\":1}", "finished ToolUse"],
        ),
        // One that its server calls incomplete is none, whole as it may look.
        (vec![done(call("incomplete"))], vec!["finished ToolUse"]),
        // A refusal that is streamed, and one that only its item says.
        (
            vec![
                added(message(&[])),
                delta("refusal", 0, "No."),
                done(message(&[text("No.")])),
            ],
            vec!["text \"No.\"", "finished Refusal"],
        ),
        (
            vec![done(message(&[json!({"type": "refusal", "refusal": "No."})]))],
            vec!["text \"No.\"", "finished Refusal"],
        ),
    ] {
        let all = [events, vec![end.clone()]].concat();
        check(wire, &all, &expected);
    }
    // Of a response that failed nothing counts that it says at its end.
    let failed = json!({"type": "response.failed", "response": {"status": "failed", "output": [call("completed")],
        "error": {"code": "rate_limit_exceeded", "message": "slow down"}}});
    let steps = steps(wire, &[failed]);
    assert!(
        matches!(&steps[..], [StreamEvent::Started { .. }, StreamEvent::Failed(_)]),
        "{steps:?}"
    );
    check(
        wire,
        &[json!({"type": "error", "code": "rate_limit_exceeded"})],
        &["failed RateLimit"],
    );
}

#[test]
fn parts_of_gemini_are_put_together_with_their_signatures() {
    let parts = |parts: Value| json!({"candidates": [{"content": {"parts": parts}}]});
    let end = json!({"candidates": [{"finishReason": "STOP"}], "usageMetadata": {}});
    let wire = Wire::Gemini;
    for (events, expected) in [
        (
            vec![parts(json!([{"text": "a"}])), parts(json!([{"text": "b"}]))],
            vec!["text \"ab\"", "finished EndOfTurn"],
        ),
        (
            vec![parts(json!([{"text": "a", "thought": true}, {"text": "b"}]))],
            vec!["thinking \"a\" None None", "text \"b\"", "finished EndOfTurn"],
        ),
        (
            vec![parts(
                json!([{"text": "a", "thoughtSignature": "c2ln"}, {"text": "b", "thoughtSignature": ""}]),
            )],
            vec![
                "text \"a\"",
                "kept ThoughtSignature(\"c2ln\")",
                "text \"b\"",
                "finished EndOfTurn",
            ],
        ),
        // Another candidate is another answer, and what comes after the reason is none.
        (
            vec![json!({"candidates": [{"index": 1, "content": {"parts": [{"text": "other"}]}}]})],
            vec!["finished EndOfTurn"],
        ),
        (
            vec![
                json!({"candidates": [{"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"}]}),
                parts(json!([{"text": "late"}])),
            ],
            vec!["text \"a\"", "finished EndOfTurn"],
        ),
    ] {
        check(wire, &[events, vec![end.clone()]].concat(), &expected);
    }
    // It is over with the chunk that counts, so that the connection need not end to know it.
    let mut decoder = wire.decoder(&request());
    let _ = decoder.feed(stream(&[json!({"candidates": [{"finishReason": "STOP"}]})]).as_bytes());
    assert!(!decoder.is_over(), "the tokens are still to come");
    let _ = decoder.feed(stream(&[json!({"usageMetadata": {"promptTokenCount": 1}})]).as_bytes());
    assert!(decoder.is_over());
    let blocked = json!({"promptFeedback": {"blockReason": "SAFETY"}});
    check(wire, &[blocked], &["failed Invalid"]);
}

#[test]
fn ids_of_calls_are_unique_and_a_reason_counts_once() {
    let call = json!({"type": "function_call", "call_id": "a", "name": "ls", "arguments": "{}"});
    let end =
        json!({"type": "response.completed", "response": {"status": "completed", "output": [call, call]}});
    check(
        Wire::OpenAiResponses,
        &[end],
        &["call a ls {}", "call call_1_1 ls {}", "finished ToolUse"],
    );
    check(
        Wire::Anthropic,
        &[
            anthropic_stop("end_turn"),
            anthropic_stop("max_tokens"),
            json!({"type": "message_stop"}),
        ],
        &["finished EndOfTurn"],
    );
}

#[test]
fn what_has_no_end_of_its_own_has_a_cap() {
    let protocol = |wire: Wire, events: &[Value]| {
        let said = lines(&steps(wire, events));
        assert_eq!(
            said.last().map(String::as_str),
            Some("failed Protocol"),
            "{wire:?}"
        );
    };
    let call = json!({"functionCall": {"name": "ls"}});
    let many = |calls: usize| json!({"candidates": [{"content": {"parts": vec![call.clone(); calls]}}]});
    protocol(Wire::Gemini, &[many(1025)]);
    let said = lines(&steps(Wire::Gemini, &[many(1024)]));
    assert_eq!(said, ["failed Transport"], "as many as that are an answer");
    let items: Vec<Value> = (0..4097)
        .map(|number| json!({"type": "response.output_item.added", "output_index": number, "item": {"type": "x"}}))
        .collect();
    protocol(Wire::OpenAiResponses, &items);
    let said = lines(&steps(Wire::OpenAiResponses, &items[..4096]));
    assert_eq!(said, ["failed Transport"]);
    // Details are kept to go back, so they count.
    let mebibyte = "x".repeat(1 << 20);
    let details = chat(json!({"reasoning_details": [{"type": "reasoning.encrypted", "data": mebibyte}]}));
    protocol(Wire::OpenAiChat, &vec![details; 33]);
    let mut decoder = Wire::OpenAiChat.decoder(&request());
    let mut said = decoder.feed(b"{\"choices\": \"");
    let piece = vec![b'x'; EVENT_LIMIT / 2 + 1];
    said.extend(decoder.feed(&piece));
    assert_eq!(said, [], "half of it fits");
    said.extend(decoder.feed(&piece));
    assert_eq!(lines(&said), ["failed Protocol"]);
}

#[test]
fn a_document_is_whole_without_a_reason_and_an_error_under_any_of_its_names() {
    let document = |body: Value| lines(&decode(Wire::OpenAiCompatible, [body.to_string().as_bytes()]));
    assert_eq!(
        document(json!({"choices": [{"message": {"content": "Hi"}}]})),
        ["text \"Hi\"", "finished EndOfTurn"]
    );
    for key in ["error", "message", "detail"] {
        assert_eq!(
            document(json!({key: "overloaded"})),
            ["failed Overloaded"],
            "{key}"
        );
        assert_eq!(
            document(json!([{key: "overloaded"}])),
            ["failed Overloaded"],
            "{key}"
        );
    }
    assert_eq!(document(json!({"what": "overloaded"})), ["failed Protocol"]);
    let call = json!({"type": "tool_use", "id": "a", "name": "ls", "input": {}});
    let document = json!({"content": [call]}).to_string();
    assert_eq!(
        lines(&decode(Wire::Anthropic, [document.as_bytes()])),
        ["call a ls {}", "finished EndOfTurn"]
    );
}

//! Thinking is told from the answer, and no byte of the rest changes.

use crate::kit::said;

#[test]
fn thinking_of_every_family_is_split_off() {
    let table: &[(&str, &[&str])] = &[
        (
            "<think>\na\n</think>\n\nb",
            &[r#"thinking "\na\n""#, r#"text "\n\nb""#],
        ),
        (
            "\n\n<think>a</think>b",
            &[r#"text "\n\n""#, r#"thinking "a""#, r#"text "b""#],
        ),
        ("<thinking>a</thinking>b", &[r#"thinking "a""#, r#"text "b""#]),
        // Models mix the two up.
        ("<think>a</thinking>b", &[r#"thinking "a""#, r#"text "b""#]),
        ("<thought>a</thought>b", &[r#"thinking "a""#, r#"text "b""#]),
        ("[THINK]a[/THINK]b", &[r#"thinking "a""#, r#"text "b""#]),
        ("<seed:think>a</seed:think>b", &[r#"thinking "a""#, r#"text "b""#]),
        ("◁think▷a◁/think▷b", &[r#"thinking "a""#, r#"text "b""#]),
        (
            "<|channel>thought\na<channel|>b",
            &[r#"thinking "\na""#, r#"text "b""#],
        ),
        (
            "<|START_THINKING|>a<|END_THINKING|><|START_RESPONSE|>b<|END_RESPONSE|>",
            &[r#"thinking "a""#, r#"text "b""#],
        ),
        (
            "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b<|return|>",
            &[r#"thinking "a""#, r#"text "b""#],
        ),
        (
            "<|channel|>analysis<|message|>a<|channel|>commentary<|message|>b<|end|>",
            &[r#"thinking "a""#, r#"text "b""#],
        ),
        // The prompt opened it.
        (
            "a\n</think>\n\nb",
            &[r#"text "a\n""#, "was thinking", r#"text "\n\nb""#],
        ),
        ("a</think>\nb", &[r#"text "a""#, "was thinking", r#"text "\nb""#]),
        (
            "a\n</think>\n{\"name\": \"now\", \"arguments\": {}}",
            &[r#"text "a\n""#, "was thinking", r#"text "\n""#, "call now {}"],
        ),
        // The end never comes: thinking it stays.
        (
            "<think>a\n<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>",
            &[r#"thinking "a\n<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>""#],
        ),
        // Between steps.
        (
            "a\n<think>\nb\n</think>\nc",
            &[r#"text "a\n""#, r#"thinking "\nb\n""#, r#"text "\nc""#],
        ),
        // Talk about tags.
        (
            "Put it in <think> tags, then </think> ends it.",
            &[r#"text "Put it in <think> tags, then </think> ends it.""#],
        ),
        ("`</think>`\nends it", &[r#"text "`</think>`\nends it""#]),
        ("```\n</think>\n```\n", &[r#"text "```\n</think>\n```\n""#]),
        ("a  b\t\n\n\n\n  c ", &[r#"text "a  b\t\n\n\n\n  c ""#]),
    ];
    for (text, expected) in table {
        assert_eq!(said(text), *expected, "{text}");
    }
}

/// What a message is made of around a thought decides what the rest of it may be.
#[test]
fn a_thought_begins_the_message_anew_only_where_nothing_was_said() {
    let bare = "{\"name\": \"now\", \"arguments\": {}}";
    let call = format!("<tool_call>{bare}</tool_call>");
    let text = |text: &str| format!("text {text:?}");
    let hm = "thinking \"hm\"".to_owned();
    let runs = "call now {}".to_owned();
    let table = [
        (format!("<think>hm</think>{bare}"), vec![hm.clone(), runs.clone()]),
        // Behind words, or another call, a bare object is no call.
        (
            format!("Hi.\n<think>\nhm</think>{bare}"),
            vec![text("Hi.\n"), "thinking \"\\nhm\"".to_owned(), text(bare)],
        ),
        (
            format!("{call}<think>hm</think>{bare}"),
            vec![runs.clone(), hm.clone(), text(bare)],
        ),
        // Behind a call a thought may begin in its line; a tag that a line goes on behind is talk about tags.
        (
            format!("{call}<think>hm</think>So."),
            vec![runs, hm.clone(), text("So.")],
        ),
        (
            "Hi.\n<think> is a tag.".to_owned(),
            vec![text("Hi.\n<think> is a tag.")],
        ),
        // Once a thought has ended, a second end is text.
        (
            "<think>hm</think>So.\n</think>\nEnd.".to_owned(),
            vec![hm, text("So.\n</think>\nEnd.")],
        ),
    ];
    for (said_text, expected) in table {
        assert_eq!(said(&said_text), expected, "{said_text}");
    }
}

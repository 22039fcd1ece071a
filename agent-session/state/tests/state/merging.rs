//! Pieces of an answer that wait at the gate together: they are merged without loss, or the attempt fails by name.

use std::sync::Arc;

use glasswork_agent_core::id::CallId;
use glasswork_ai::conversation::{Block, ToolCall};
use glasswork_ai::failure::FailureClass;
use glasswork_ai::stream::StreamEvent;
use glasswork_engine::Domain;
use glasswork_session_state::domain::{Event, Glasswork};
use glasswork_session_state::editor::EditorPlace;
use glasswork_session_state::{model, pieces, tools};

fn delta(index: u32, text: &str) -> StreamEvent {
    StreamEvent::Delta {
        index,
        text: text.into(),
    }
}

fn said(index: u32, text: &str) -> StreamEvent {
    StreamEvent::BlockFinished {
        index,
        block: Block::Text(text.into()),
    }
}

fn called(index: u32, arguments: &str) -> StreamEvent {
    StreamEvent::BlockFinished {
        index,
        block: Block::ToolCall(ToolCall {
            id: "a".into(),
            name: "write".into(),
            arguments: arguments.into(),
            reading: None,
        }),
    }
}

fn joined(waiting: Vec<StreamEvent>, later: Vec<StreamEvent>) -> Vec<StreamEvent> {
    let streamed = |steps| {
        Event::Model(model::Event::Streamed {
            body: None,
            limits: vec![],
            steps,
        })
    };
    let mut merged = streamed(waiting);
    Glasswork::merge_progress(&mut merged, streamed(later));
    let Event::Model(model::Event::Streamed { steps, .. }) = merged else {
        panic!("{merged:?}")
    };
    steps
}

#[test]
fn a_call_that_is_complete_says_all_that_its_growth_said_and_nothing_else_goes() {
    let whole = called(1, "{}");
    assert_eq!(
        joined(
            vec![
                delta(0, "a"),
                delta(1, "{"),
                delta(0, "b"),
                delta(2, "c"),
                delta(1, "}")
            ],
            vec![said(0, "ab"), whole.clone()],
        ),
        [delta(0, "a"), delta(0, "b"), delta(2, "c"), said(0, "ab"), whole],
        "of the text, screens may show the growth"
    );
}

#[test]
fn what_no_line_of_the_journal_would_hold_fails_the_attempt_instead_of_vanishing() {
    // In bytes of JSON: what is written, not what is in memory.
    for (text, fit) in [
        ("x".repeat(100_000), 4),
        ("\n".repeat(100_000), 2),
        ("\u{1}".repeat(20_000), 3),
    ] {
        let mut waiting = Vec::new();
        for index in 0..fit {
            waiting = joined(waiting, vec![said(index, &text)]);
            assert_eq!(waiting.len(), index as usize + 1);
        }
        let failed = joined(waiting, vec![said(fit, &text)]);
        let [StreamEvent::Failed(failure)] = failed.as_slice() else {
            panic!("it does not fit")
        };
        assert_eq!(failure.class, FailureClass::Transport, "another attempt may do");
        assert!(failure.message.contains("faster than"), "{}", failure.message);
    }
    // Many small pieces have frames.
    let mut waiting = Vec::new();
    pieces::join(&mut waiting, (0..8_000).map(|index| delta(index, "x")).collect());
    assert!(
        matches!(waiting.as_slice(), [StreamEvent::Failed(_)]),
        "{}",
        waiting.len()
    );
}

/// Where a call works is told once, so it is not lost among what the call says meanwhile.
#[test]
fn where_a_call_works_outlives_what_it_says() {
    let call = CallId { seq: 5, ordinal: 0 };
    let placed = Event::Tools(tools::Event::ToolPlaced {
        call,
        editor: Some(Arc::new(EditorPlace {
            client: 1,
            name: "pen".into(),
            terminal: None,
        })),
    });
    let said = |tail: &str| {
        Event::Tools(tools::Event::ToolProgressed {
            call,
            tail: tail.into(),
        })
    };
    for (waiting, later, merged) in [
        (placed.clone(), said("a"), placed.clone()),
        (said("a"), placed.clone(), placed.clone()),
        (said("a"), said("b"), said("b")),
    ] {
        let mut waits = waiting;
        Glasswork::merge_progress(&mut waits, later);
        assert_eq!(waits, merged);
    }
    // Loading does not leave it out, as it does what a call says meanwhile.
    assert!(!Glasswork::is_delta(&placed) && Glasswork::is_delta(&said("a")));
}

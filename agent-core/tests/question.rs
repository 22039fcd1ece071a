//! What is a question, what is an answer to it, and how a model is told.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test that meets what it did not expect shall stop there"
)]

use glasswork_agent_core::question::{
    Answer, Choice, DESCRIPTION_BYTES, LABEL_BYTES, NoAnswer, OPTIONS_CAP, QUESTION_BYTES, Question, Said,
    Unfit, WORDS_BYTES,
};
use proptest::prelude::*;

fn question(labels: &[&str], multi_select: bool) -> Question {
    let options = labels.iter().map(|label| Choice {
        label: (*label).into(),
        description: None,
    });
    Question {
        question: "Which?".into(),
        options: options.collect(),
        multi_select,
    }
}

#[test]
fn a_question_has_bounds() {
    let check = |question: Question, expected: Result<(), Unfit>| {
        assert_eq!(question.checked().map(drop), expected, "{question:?}");
    };
    let text = |text: &str| Question {
        question: text.into(),
        ..question(&[], false)
    };
    check(text(" \n"), Err(Unfit::Empty));
    check(text(&"x".repeat(QUESTION_BYTES)), Ok(()));
    check(text(&"x".repeat(QUESTION_BYTES + 1)), Err(Unfit::TooLong));
    let many: Vec<String> = (0..=OPTIONS_CAP).map(|number| format!("o{number}")).collect();
    let many: Vec<&str> = many.iter().map(|label| &**label).collect();
    check(question(&many[1..], true), Ok(()));
    check(question(&many, true), Err(Unfit::TooManyOptions { options: 17 }));
    check(question(&["a", " "], false), Err(Unfit::Label { option: 2 }));
    check(question(&[&"x".repeat(LABEL_BYTES)], false), Ok(()));
    check(
        question(&[&"x".repeat(LABEL_BYTES + 1)], false),
        Err(Unfit::Label { option: 1 }),
    );
    check(
        question(&["Red", "blue", " red"], false),
        Err(Unfit::LabelTwice { option: 3 }),
    );
    let mut long = question(&["a"], false);
    long.options[0].description = Some("x".repeat(DESCRIPTION_BYTES + 1).into());
    check(long, Err(Unfit::LongDescription { option: 1 }));
    let mut tidied = question(&[" a "], false);
    tidied.question = " Which? ".into();
    tidied.options[0].description = Some("  ".into());
    assert_eq!(tidied.checked(), Ok(question(&["a"], false)));
}

#[test]
fn an_answer_is_a_choice_or_words() {
    let check = |question: &Question, said: Said, expected: Result<&str, NoAnswer>| {
        let answered = question.answered(&said).map(|answer| answer.told());
        assert_eq!(answered, expected.map(str::to_owned), "{said:?}");
    };
    let line = |line: &str| Said::Line(line.into());
    let one = question(&["red", "blue, or so", "3"], false);
    check(&one, line("1"), Ok("The user chose “red”."));
    check(&one, line(" RED "), Ok("The user chose “red”."));
    check(&one, line("Blue, or so"), Ok("The user chose “blue, or so”."));
    // A label is meant before a number is.
    check(&one, line("3"), Ok("The user chose “3”."));
    check(&one, line("0"), Ok("The user answered: 0"));
    check(&one, line("4"), Ok("The user answered: 4"));
    check(&one, line("1, I think"), Ok("The user answered: 1, I think"));
    check(&one, line("1,2"), Err(NoAnswer::OnlyOne));
    check(&one, line(""), Err(NoAnswer::Empty));
    let several = question(&["a", "b", "c"], true);
    check(&several, line("3, a,3"), Ok("The user chose “a” and “c”."));
    let chosen = |labels: &[&str], words: Option<&str>| Said::Chosen {
        labels: labels.iter().map(|label| (*label).into()).collect(),
        words: words.map(Into::into),
    };
    check(
        &several,
        chosen(&["b", "a"], Some(" now ")),
        Ok("The user chose “a” and “b”, saying: now"),
    );
    check(
        &several,
        chosen(&["A"], None),
        Err(NoAnswer::NotOffered("A".into())),
    );
    check(&several, chosen(&[], Some("  ")), Err(NoAnswer::Empty));
    check(&one, chosen(&["red", "red"], None), Ok("The user chose “red”."));
    let open = question(&[], false);
    check(&open, line("1"), Ok("The user answered: 1"));
    check(&open, line(&"x".repeat(WORDS_BYTES + 1)), Err(NoAnswer::TooLong));
    assert!(open.answered(&line(&"x".repeat(WORDS_BYTES))).is_ok());
}

proptest! {
    /// Whatever is typed: an answer says something, chooses what is offered, in its order and once, and one only where one
    /// may be; and whatever is no choice comes through in the words of who typed it.
    #[test]
    fn any_line_is_an_answer_or_is_refused(
        labels in prop::collection::btree_set("[a-d1-4]{1,2}", 0..5),
        several in any::<bool>(),
        line in "[a-d1-5, ]{0,8}",
    ) {
        let labels: Vec<&str> = labels.iter().map(|label| &**label).collect();
        let question = question(&labels, several);
        match question.answered(&Said::Line((&*line).into())) {
            Ok(Answer { chosen, words: None }) => {
                let places: Vec<_> = chosen.iter().map(|label| labels.iter().position(|known| *known == &**label).unwrap()).collect();
                prop_assert!(!places.is_empty() && places.is_sorted() && (several || places.len() == 1));
                let mut once = places.clone();
                once.dedup();
                prop_assert_eq!(once, places);
            }
            Ok(Answer { chosen, words: Some(words) }) => {
                prop_assert!(chosen.is_empty());
                prop_assert_eq!(&*words, line.trim());
            }
            Err(NoAnswer::Empty) => prop_assert!(line.trim().is_empty()),
            Err(NoAnswer::OnlyOne) => prop_assert!(!several && line.contains(',')),
            Err(other) => prop_assert!(false, "{other:?}"),
        }
    }
}

//! How a text is cut makes no difference.

use std::io::Read as _;
use std::sync::Arc;

use glasswork_agent_session::secrets::{Masking, Origin, Vaults};
use glasswork_engine::ScopeId;
use proptest::prelude::*;

use crate::support::*;

fn whole(masking: &Masking, text: &str) -> String {
    short(&masking.text(text, &Origin::Elsewhere))
}

fn cut(masking: &Masking, text: &[u8], cuts: &[usize]) -> String {
    let mut stream = masking.stream(Origin::Elsewhere);
    let mut out = Vec::new();
    let mut from = 0;
    for at in cuts.iter().copied().chain([text.len()]) {
        out.extend_from_slice(&stream.push(&text[from..at]));
        from = at;
    }
    out.extend_from_slice(&stream.finish());
    short(&String::from_utf8(out).unwrap())
}

fn sample() -> String {
    format!(
        "ä intro ghp_{} and\nPASSWORD = 'tr0ub4dor&3x' \\nTOKEN={}\\n https://u:hunter2@h/x \u{1F511}\n{}AKIA{} x {} tr0ub4dor&3x.",
        drawn(WORD, 36, 1),
        drawn(WORD, 30, 2),
        private_key(2, 3),
        drawn(BASE32, 16, 4),
        drawn(BASE64, 40, 11),
    )
}

#[test]
fn cut_at_every_byte() {
    let text = sample();
    let expected = whole(&masking(), &text);
    for secret in [
        "github-token 1",
        "password 2",
        "secret-value 3",
        "url-password 4",
        "private-key 5.3",
        "aws-access-key 6",
        "aws-secret-key 7",
    ] {
        assert!(expected.contains(secret), "{expected}");
    }
    for at in 0..=text.len() {
        assert_eq!(cut(&masking(), text.as_bytes(), &[at]), expected, "cut at {at}");
    }
    let every: Vec<usize> = (0..text.len()).collect();
    assert_eq!(cut(&masking(), text.as_bytes(), &every), expected);
}

/// Texts of what matters to the scanner, and anything between.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("password".to_owned()),
        Just("TOKEN=".to_owned()),
        Just("tr0ub4dor&3x".to_owned()),
        Just("Authorization: Bearer ".to_owned()),
        Just("password = \"".to_owned()),
        Just("\\\"token\\\": \\\"two ".to_owned()),
        Just("password: |\n  ".to_owned()),
        Just("two words".to_owned()),
        Just("KEY-----".to_owned()),
        Just("-----BEGIN PRIVATE KEY-----\n".to_owned()),
        Just("-----END PRIVATE KEY-----".to_owned()),
        Just("https://me:".to_owned()),
        Just("@host/".to_owned()),
        Just("\\".to_owned()),
        Just("\\n".to_owned()),
        Just("\\u0026".to_owned()),
        Just("[secret:password:000000000:1]".to_owned()),
        Just(format!("ghp_{}", drawn(WORD, 36, 1))),
        Just(format!("AKIA{}", drawn(BASE32, 16, 4))),
        Just(drawn(BASE64, 40, 11)),
        Just(drawn(BASE64, 64, 12)),
        Just(drawn(BASE64, 9000, 13)),
        "[ -~\n\tä€]{0,12}",
        "[:=&?@/.\"'<>]{1,3}",
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_chunking_gives_the_same(text in texts(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12)) {
        let expected = whole(&masking(), &text);
        let mut cuts: Vec<usize> = cuts.iter().map(|at| at.index(text.len() + 1)).collect();
        cuts.sort_unstable();
        prop_assert_eq!(cut(&masking(), text.as_bytes(), &cuts), expected);
    }

    #[test]
    fn what_is_masked_can_be_put_back(text in texts()) {
        let masking = masking();
        let here = Origin::File(std::path::Path::new("/here").into());
        let masked = masking.text(&text, &here).into_owned();
        let back = masking.put_back(&masked, std::slice::from_ref(&here), text.as_bytes()).unwrap().into_owned();
        prop_assert_eq!(back, text);
    }

    #[test]
    fn a_view_knows_where_everything_stands(text in texts(), at in any::<prop::sample::Index>(), len in any::<prop::sample::Index>()) {
        let masking = masking();
        let here = Origin::File(std::path::Path::new("/here").into());
        let view = masking.view(text.as_bytes(), &here);
        let seen = view.bytes();
        let from = at.index(seen.len() + 1);
        let to = from + len.index(seen.len() - from + 1);
        if let Some(place) = view.place(&(from..to)) {
            let part = String::from_utf8_lossy(&seen[from..to]).into_owned();
            let back = masking.put_back(&part, std::slice::from_ref(&here), text.as_bytes()).unwrap().into_owned();
            prop_assert_eq!(back, String::from_utf8_lossy(&text.as_bytes()[place]).into_owned());
        }
    }
}

#[test]
fn a_reader_gives_the_same() {
    let masking = masking();
    let text = sample().repeat(300);
    let expected = whole(&masking, &text);
    let mut read = String::new();
    masking
        .reader(text.as_bytes(), Origin::Elsewhere)
        .read_to_string(&mut read)
        .unwrap();
    assert_eq!(short(&read), expected);
}

#[test]
fn no_more_waits_than_one_word() {
    let masking = masking();
    // A word without end is passed on, and does not wait.
    let mut stream = masking.stream(Origin::Elsewhere);
    let (mut given, mut pushed) = (0, 0);
    for _ in 0..100 {
        pushed += 1000;
        given += stream.push(&[b'a'; 1000]).len();
        assert!(pushed - given <= 8 * 1024, "{}", pushed - given);
    }
}

#[test]
fn a_placeholder_is_stable_in_a_session_and_of_no_use_in_another() {
    let vaults = Arc::new(Vaults::new(vec![]));
    let (one, other) = (ScopeId::mint(), ScopeId::mint());
    let text = "PASSWORD=tr0ub4dor&3x";
    let here = Origin::File(std::path::Path::new("/here").into());
    let mask = |session| vaults.masking(session, true).text(text, &here).into_owned();
    let back = |session, text: &str| {
        let back = vaults.masking(session, true);
        back.put_back(text, std::slice::from_ref(&here), b"")
            .map(String::from)
            .map_err(|error| error.to_string())
    };
    let masked = mask(one);
    assert_eq!(mask(one), masked);
    assert_ne!(mask(other), masked);
    assert_eq!(back(one, &masked).as_deref(), Ok(text));
    assert!(back(other, &masked).unwrap_err().contains("not known any more"));
    vaults.forget(one);
    assert!(back(one, &masked).unwrap_err().contains("not known any more"));
    assert_eq!(vaults.masking(one, false).text(text, &here), text);
}

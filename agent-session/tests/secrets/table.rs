//! A table of texts: what stands between « and » must be masked, each as a secret of its own, and nothing else. Each is
//! read whole, in two pieces cut at every byte, and byte by byte.

use glasswork_agent_session::secrets::{Masking, Origin};
use glasswork_session_state::secrets::find;

use crate::support::*;

/// What stands for a secret in the table; drawn here, so that this file has none.
fn filled(template: &str) -> String {
    let drawn_ones = [
        ("$w16", drawn(WORD, 16, 21)),
        ("$w40", drawn(WORD, 40, 22)),
        ("$v40", drawn(WORD, 40, 27)),
        ("$h32", drawn(HEX, 32, 28)),
        ("$h40", drawn(HEX, 40, 23)),
        ("$h64", drawn(HEX, 64, 24)),
        ("$b64", drawn(BASE64, 64, 25)),
        ("$c64", drawn(BASE64, 64, 26)),
        ("$d20", drawn(BASE64, 18, 29) + "=="),
        ("$big", drawn(BASE64, 12_000, 30)),
        ("$pw", "tr0ub4dor&3x".to_owned()),
    ];
    let mut text = template.to_owned();
    for (name, value) in drawn_ones {
        text = text.replace(name, &value);
    }
    text
}

/// A text with every placeholder as «».
fn marked(masked: &str) -> String {
    let mut out = String::new();
    let mut done = 0;
    for (at, _) in find(masked) {
        out.push_str(&masked[done..at.start]);
        out.push_str("«»");
        done = at.end;
    }
    out + &masked[done..]
}

fn in_pieces(masking: &Masking, text: &[u8], pieces: &[usize]) -> String {
    let mut stream = masking.stream(Origin::Elsewhere);
    let mut out = vec![];
    let mut from = 0;
    for at in pieces {
        out.extend_from_slice(&stream.push(&text[from..*at]));
        from = *at;
    }
    out.extend_from_slice(&stream.push(&text[from..]));
    out.extend_from_slice(&stream.finish());
    marked(&String::from_utf8(out).unwrap())
}

#[track_caller]
fn check(template: &str) {
    let template = filled(template);
    let mut expected = String::new();
    for (number, piece) in template.split(['«', '»']).enumerate() {
        expected += if number % 2 == 0 { piece } else { "«»" };
    }
    let text = template.replace(['«', '»'], "");
    let masked = masking().text(&text, &Origin::Elsewhere).into_owned();
    assert_eq!(marked(&masked), expected, "{template}");
    let step = text.len() / 300 + 1;
    for at in (0..=text.len()).step_by(step) {
        assert_eq!(
            in_pieces(&masking(), text.as_bytes(), &[at]),
            expected,
            "{template} cut at {at}"
        );
    }
    let every: Vec<usize> = (0..text.len()).collect();
    assert_eq!(
        in_pieces(&masking(), text.as_bytes(), &every),
        expected,
        "{template} byte by byte"
    );
    // What was masked stays as it is.
    let masking = masking();
    let once = masking.text(&text, &Origin::Elsewhere).into_owned();
    assert_eq!(masking.text(&once, &Origin::Elsewhere), once, "{template}");
}

const BEGIN: &str = "-----BEGIN RSA PRIVATE KEY-----";
const END: &str = "-----END RSA PRIVATE KEY-----";

#[test]
fn secrets_with_spaces_in_them() {
    for template in [
        "password = \"«two words»\"",
        "password = '«correct horse battery staple»'",
        "PASSPHRASE=\"«correct horse battery staple 7»\"",
        "{\"password\": \"«two words»\", \"x\": 1}",
        "{\\\"password\\\": \\\"«two words»\\\", \\\"x\\\": 1}",
        "db_password: `«two words»`",
        "mysql --password '«two words»' -u root",
        "password = \"«my dog is called $pw»\"",
        "password = \"«it's $pw»\"",
        "password = \"«two \\\"quoted\\\" $pw»\"",
        "password = \"«tr0ub,dor;3[x]9»\"",
        "password = '«(9aK;x{Q)2mW»' # comment",
        "client_secret: \"«first $w16»\"",
        "password = \"«größe $pw»\"",
        "let password = \"«two words»\"; let other = \"two words\";",
        "export PASSWORD=\"«two words»\"\nexport OTHER=\"two words\"",
        "password = \"«two $pw\\\\»\"",
    ] {
        check(template);
    }
}

#[test]
fn more_than_one_word_behind_authorization() {
    for template in [
        "Authorization: Bearer «$w40» «$v40»",
        "Authorization: Bearer «$w40» and more",
        "Authorization: «$w40» «$v40» «$h32»\nX-Request: $h40",
        "curl -H \"Authorization: Bearer «$w40»\" https://example.com/$h32",
        "curl -H 'authorization: token «$w40» «$v40»' $h40",
        "Authorization: Bearer «$w40», $h32",
        "Authorization: Bearer «$w40» request_id=$h32",
        "proxy-authorization: Basic «$d20»",
        "{\"Authorization\": \"Bearer «$w40»\", \"id\": \"$h32\"}",
    ] {
        check(template);
    }
}

#[test]
fn secrets_over_lines() {
    for template in [
        // Private keys in every dress.
        "BEGIN\n«$b64»\n«$c64»\n«Qm9i»\nEND\n",
        "BEGIN\r\n«$b64»\r\n«$c64»\r\nEND\r\n",
        "KEY=\"BEGIN\\n«$b64»\\n«$c64»\\nEND\\n\"",
        "{\"private_key\": \"BEGIN\\n«$b64»\\nEND\\n\", \"client_id\": \"1\"}",
        "private_key: |\n    BEGIN\n    «$b64»\n    «$c64»\n    END\nnext: one",
        "BEGIN «$b64» «$c64» END",
        "BEGIN«$b64»END",
        "KEY=BEGIN«$b64$c64»END $h40",
        "BEGIN«$b64»\n«$c64»\nEND",
        "> BEGIN\n> «$b64»\n> END\n> that was it",
        "PuTTY-User-Key-File-3: ssh-ed25519\nPrivate-Lines: 1\n«$b64»\nPrivate-MAC: x\n",
        // Base64 that was wrapped.
        "SECRET_KEY=«$b64»\n«$c64»\n«$d20»\nNEXT=1",
        "secret: «$b64»\n        «$c64»\n        plain words",
        "\"secret\": \"«$b64»\\n«$c64»\\n\", \"x\": \"$h64\"",
        "TOKEN=«$b64»\n«$d20»\n",
        "secret: «$pw»",
        "secret:«$pw»",
        "password: |\n  «$pw»\nuser: me",
        "password: |-\n  «$w16»\nuser: me",
    ] {
        check(&template.replace("BEGIN", BEGIN).replace("END", END));
    }
}

#[test]
fn what_only_looks_like_it_stays() {
    for text in [
        // Digests, identities, data.
        "commit $h40\nAuthor: me",
        "$h64  file.tar.gz\n$h64  other.tar.gz",
        "id: 6f1c2f3e-8b1f-4c3e-9a52-0d8d6f0a7b1c",
        "\"integrity\": \"sha512-$b64$d20\",\n\"resolved\": \"https://example.com/x.tgz#$h40\"",
        "name = \"token\"\nversion = \"1.0.1\"\nsource = \"registry+https://example.com\"\nchecksum = \"$h64\"",
        "<img src=\"data:image/png;base64,$big\" alt=\"a password\">",
        "![token](data:image/png;base64,$b64$c64)",
        "FROM rust@sha256:$h64",
        "etag: \"$h32\"",
        "-----BEGIN CERTIFICATE-----\n$b64\n$c64\n-----END CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----$b64-----END PUBLIC KEY-----",
        "-----BEGIN PRIVATE KEY-----and so on-----END PRIVATE KEY-----",
        "$b64\n$c64\n$d20\n",
        "max_tokens: 4096\n$h64\n$h64",
        // Sentences, labels, messages.
        "password: \"Enter your password\"",
        "\"password\": \"The password must have 8 characters\"",
        "password: 'is required'",
        "passwordError: \"too short\", passwordHint: 'small letters only'",
        "\"currentPassword\": \"Current Password\"",
        "password = \"change me please\"",
        "password = \"\" # none",
        "password = \"\"\"\"\"\"",
        "it(\"rejects a wrong password\", () => {})",
        "<input type=\"password\" name=\"pw\" placeholder=\"say it again\">",
        "token: \"a model emits one token at a time\"",
        "the password \"two words\" was rejected",
        "secret: \"two words\"",
        // Programs.
        "password: 'string | undefined'",
        "password = \"$(pass show me)\"",
        "password = f\"{user} {host}\"",
        "token = \"${A} ${B}\"",
        "--token \"$TOKEN\" --next \"two words\"",
        "password = get(\"two words\")",
        "[\"password\", \"two words\"]",
        "if (password == \"\" || name == \"two words\")",
        "password: |\n  Enter it here\nuser: me",
        "Bearer tokens of RFC6750 are described in section2 of it",
    ] {
        check(text);
    }
}

#[test]
fn a_quote_that_is_never_closed_holds_nothing_back_for_long() {
    let masking = masking();
    let mut stream = masking.stream(Origin::Elsewhere);
    let given = stream
        .push(format!("password = \"{}", "two words ".repeat(60)).as_bytes())
        .len();
    assert!(given > 500, "{given}");
    // Nor beyond the end of its line.
    let mut stream = masking.stream(Origin::Elsewhere);
    assert_eq!(
        stream.push(b"password = \"two words\n").as_ref(),
        b"password = \"two words\n"
    );
}

//! Names that say that their value is a secret.

use super::kind::Kind;

/// Longest name that is looked at, in bytes: of a longer one its end.
pub(super) const MOST: usize = 64;

/// What the value of something with this name is.
pub(super) fn says(name: &[u8]) -> Option<Kind> {
    let name = name.get(name.len().saturating_sub(MOST)..).unwrap_or(name);
    // Most names are none of these, and need not be taken apart.
    let hint = |name: &[u8]| {
        name.windows(3).any(|three| {
            let three = [
                three.first().map_or(0, u8::to_ascii_lowercase),
                three.get(1).map_or(0, u8::to_ascii_lowercase),
                three.get(2).map_or(0, u8::to_ascii_lowercase),
            ];
            matches!(
                &three,
                b"pas" | b"pwd" | b"sec" | b"tok" | b"key" | b"cre" | b"aut"
            )
        })
    };
    if !hint(name) {
        return None;
    }
    let words = words(name);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let last = *words.last()?;
    if NOT_LAST.contains(&last) || words.iter().any(|word| NOT_ANYWHERE.contains(word)) {
        return None;
    }
    let any = |of: &[&str]| words.iter().any(|word| of.contains(word));
    // `PGPASSWORD` is one word.
    let password = |word: &&str| {
        word.ends_with("password") || matches!(*word, "passwd" | "passphrase" | "passcode" | "pwd")
    };
    // `pass` is a word of many meanings; at the end of a name it has this one.
    if words.iter().any(password) || last == "pass" {
        return Some(Kind::Password);
    }
    if words == ["authorization"] || words.ends_with(&["proxy", "authorization"]) {
        return Some(Kind::Authorization);
    }
    let key = [
        "api",
        "access",
        "private",
        "auth",
        "encryption",
        "signing",
        "account",
        "secret",
        "master",
        "service",
        "app",
        "client",
        "admin",
        "license",
        "signature",
    ];
    let keyed = words
        .windows(2)
        .any(|two| matches!(two, [before, "key"] if key.contains(before)));
    if keyed
        || any(&[
            "secret",
            "token",
            "apikey",
            "authtoken",
            "accesskey",
            "secretkey",
            "credential",
            "credentials",
        ])
    {
        return Some(Kind::SecretValue);
    }
    None
}

/// A name that ends with one of these is about a secret, and its value is none.
const NOT_LAST: &[&str] = &[
    "id",
    "ids",
    "name",
    "names",
    "file",
    "files",
    "path",
    "paths",
    "dir",
    "url",
    "urls",
    "uri",
    "endpoint",
    "host",
    "type",
    "types",
    "length",
    "len",
    "count",
    "limit",
    "size",
    "max",
    "min",
    "expiry",
    "expires",
    "expiration",
    "ttl",
    "age",
    "policy",
    "field",
    "fields",
    "label",
    "prefix",
    "suffix",
    "pattern",
    "regex",
    "hash",
    "digest",
    "class",
    "kind",
    "ref",
    "arn",
    "version",
    "format",
    "index",
    "store",
    "provider",
    "manager",
    "usage",
    "rotation",
    "at",
    "in",
    "env",
    "var",
    "variable",
    "header",
    "algorithm",
    "alg",
    "param",
    "parameter",
    "budget",
    "test",
    "error",
    "errors",
    "message",
    "messages",
    "msg",
    "help",
    "hint",
    "placeholder",
    "title",
    "text",
    "description",
    "rules",
    "strength",
    "required",
    "validation",
    "validator",
];
/// Names with one of these are of something else.
const NOT_ANYWHERE: &[&str] = &[
    "public",
    "pub",
    "max",
    "min",
    "num",
    "tokens",
    "tokenizer",
    "csrf",
    "pad",
    "eos",
    "bos",
    "primary",
    "foreign",
    "sort",
    "partition",
    "cache",
    "object",
    "keyboard",
];

/// The words of a name: `DB_PASSWORD`, `dbPassword` and `db-password` have the same.
fn words(name: &[u8]) -> Vec<String> {
    let mut words: Vec<String> = vec![];
    let mut word = String::new();
    let mut before = 0_u8;
    for (at, byte) in name.iter().enumerate() {
        let next = name.get(at + 1).copied().unwrap_or_default();
        let begins = byte.is_ascii_uppercase()
            && (before.is_ascii_lowercase() || before.is_ascii_uppercase() && next.is_ascii_lowercase());
        if begins && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if byte.is_ascii_alphabetic() {
            word.push(char::from(byte.to_ascii_lowercase()));
        } else if !word.is_empty() && !byte.is_ascii_digit() {
            words.push(std::mem::take(&mut word));
        }
        before = *byte;
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        #[track_caller]
        fn check(name: &str, kind: Option<Kind>) {
            assert_eq!(says(name.as_bytes()), kind, "{name}");
        }
        for name in [
            "password",
            "DB_PASSWORD",
            "dbPassword",
            "spring.datasource.password",
            "PGPASSWORD",
            "db-pass",
        ] {
            check(name, Some(Kind::Password));
        }
        for name in [
            "API_KEY",
            "apiKey",
            "x-api-key",
            "AccountKey",
            "_authToken",
            "client_secret",
            "aws_secret_access_key",
            "token",
        ] {
            check(name, Some(Kind::SecretValue));
        }
        check("Authorization", Some(Kind::Authorization));
        for name in [
            "max_tokens",
            "tokens",
            "token_type",
            "secret_name",
            "passwordFile",
            "public_key",
            "key",
            "keyboard",
            "author",
            "compass",
            "bypass_list",
            "primary_key",
            "cacheKey",
            "token_count",
            "secretary",
            "passed",
            "",
        ] {
            check(name, None);
        }
    }
}

//! What is a secret, and what is none.

use glasswork_agent_session::secrets::Origin;

use crate::support::*;

/// In the template `{}` stands for the secret; exactly that must be masked.
#[track_caller]
fn masks(template: &str, secret: &str, kind: &str) {
    let text = template.replace("{}", secret);
    let masked = masking().text(&text, &Origin::Elsewhere).into_owned();
    assert_eq!(
        short(&masked),
        template.replace("{}", &format!("<{kind} 1>")),
        "{text}"
    );
}

#[track_caller]
fn leaves(text: &str) {
    let masked = masking().text(text, &Origin::Elsewhere).into_owned();
    assert_eq!(short(&masked), text);
}

#[test]
fn keys_are_known_by_their_prefixes() {
    let prefixed = |prefix: &str, alphabet, len| format!("{prefix}{}", drawn(alphabet, len, 7));
    let dashed = format!("{WORD}_-");
    for (secret, kind) in [
        (prefixed("ghp_", WORD, 36), "github-token"),
        (prefixed("gho_", WORD, 36), "github-token"),
        (prefixed("ghs_", WORD, 36), "github-token"),
        (prefixed("github_pat_", &format!("{WORD}_"), 82), "github-token"),
        (prefixed("glpat-", &dashed, 19) + "x", "gitlab-token"),
        (
            prefixed("xoxb-739150284617-503918274655-", WORD, 24),
            "slack-token",
        ),
        (
            prefixed("xapp-1-A07K3M91Q-7391502846175-", HEX, 64),
            "slack-token",
        ),
        (prefixed("sk-", WORD, 48), "openai-key"),
        (prefixed("sk-proj-", &dashed, 120) + "x", "openai-key"),
        (prefixed("sk-ant-api03-", &dashed, 93) + "AA", "anthropic-key"),
        (prefixed("sk-or-v1-", HEX, 64), "api-key"),
        (prefixed("AKIA", BASE32, 16), "aws-access-key"),
        (prefixed("ASIA", BASE32, 16), "aws-access-key"),
        (prefixed("AIza", WORD, 35), "google-key"),
        (prefixed("GOCSPX-", WORD, 28), "google-key"),
        (prefixed("ya29.", &dashed, 100), "google-key"),
        (prefixed("sk_live_", WORD, 24), "stripe-key"),
        (prefixed("rk_test_", WORD, 24), "stripe-key"),
        (prefixed("npm_", WORD, 36), "npm-token"),
        (prefixed("pypi-AgEIcHlwaS5vcmc", &dashed, 150), "pypi-token"),
        (prefixed("hf_", WORD, 34), "hugging-face-token"),
        (prefixed("gsk_", WORD, 52), "api-key"),
        (prefixed("SG.", WORD, 22) + "." + &drawn(WORD, 43, 9), "api-key"),
        (prefixed("dop_v1_", HEX, 64), "api-key"),
        (
            prefixed("AGE-SECRET-KEY-1", "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58),
            "private-key",
        ),
    ] {
        let kind = if kind == "private-key" {
            "private-key 1.1"
        } else {
            kind
        };
        for template in [
            "{}",
            "export KEY={}\n",
            "\"{}\"",
            "`{}`.",
            "the key is {}, do not tell",
            "see https://example.com/{}/x",
            "a\\n{}\\n",
            "(ä{}ö)",
        ] {
            let text = template.replace("{}", &secret);
            let masked = masking().text(&text, &Origin::Elsewhere).into_owned();
            let number = if kind.contains(' ') {
                kind.to_owned()
            } else {
                format!("{kind} 1")
            };
            assert_eq!(
                short(&masked),
                template.replace("{}", &format!("<{number}>")),
                "{text}"
            );
        }
    }
}

#[test]
fn values_are_known_by_their_names() {
    let password = "tr0ub4dor&3x";
    for template in [
        "DB_PASSWORD={}",
        "export DB_PASSWORD={}\nnext",
        "DB_PASSWORD='{}'",
        "password: {}",
        "  password : \"{}\"",
        "{\"password\": \"{}\", \"x\": 1}",
        "{\\\"password\\\": \\\"{}\\\"}",
        "const dbPassword = \"{}\";",
        "password := `{}`",
        "spring.datasource.password={}",
        "<password>{}</password>",
        "mysql --password={} -u root",
        "mysql --password {} -u root",
        "PGPASSWORD={} psql",
        ":password => '{}'",
        "a\\nPASSWORD={}\\nb",
        "\\u0026password={}",
    ] {
        masks(template, password, "password");
    }
    let token = drawn(WORD, 40, 3);
    for template in [
        "API_TOKEN={}",
        "apiKey: '{}'",
        "//registry.npmjs.org/:_authToken={}",
        "https://example.com/x?page=2&access_token={}&sort=1",
        "AccountName=me;AccountKey={}==;EndpointSuffix=x",
        "aws_secret_access_key = {}",
        "client_secret={}",
    ] {
        let (template, token) = match template.split_once("{}==") {
            Some((before, after)) => (format!("{before}{{}}{after}"), format!("{token}==")),
            None => (template.to_owned(), token.clone()),
        };
        masks(&template, &token, "secret-value");
    }
    for template in [
        "Authorization: Bearer {}",
        "curl -H 'Authorization: Bearer {}' https://example.com",
        "authorization: Basic {}",
        "\"Authorization\": \"token {}\"",
        "Bearer {}",
    ] {
        masks(template, &token, "authorization");
    }
}

#[test]
fn passwords_in_addresses() {
    for template in [
        "postgres://admin:{}@db.example.com:5432/app",
        "DATABASE_URL=\"mysql://root:{}@localhost/x?ssl=1\"",
        "git clone https://me:{}@example.com/a.git",
        "redis://:{}@cache:6379",
    ] {
        masks(template, "hunter2", "url-password");
    }
    masks(
        "https://{}@example.com/x",
        "a1b2c3d4e5f6a7b8c9d0x",
        "url-password",
    );
}

#[test]
fn tokens_of_three_parts() {
    let part = |seed| drawn(WORD, 40, seed);
    let jwt = format!("eyJ{}.eyJ{}.{}", part(1), part(2), part(3));
    for template in ["{}", "token is {}.", "Cookie: session={}; path=/", "Bearer {}"] {
        masks(template, &jwt, "jwt");
    }
    leaves("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9");
}

#[test]
fn the_secret_of_an_access_key_is_known_by_its_neighbour() {
    let (id, secret) = (format!("AKIA{}", drawn(BASE32, 16, 1)), drawn(BASE64, 40, 11));
    for template in [
        "{id},{secret}\n",
        "id {id}\nother {secret}",
        "\"AccessKeyId\": \"{id}\",\n \"X\": \"{secret}\"",
    ] {
        let text = template.replace("{id}", &id).replace("{secret}", &secret);
        let masked = masking().text(&text, &Origin::Elsewhere).into_owned();
        let expected = template
            .replace("{id}", "<aws-access-key 1>")
            .replace("{secret}", "<aws-secret-key 2>");
        assert_eq!(short(&masked), expected);
    }
    leaves(&secret);
}

#[test]
fn private_keys_are_masked_line_by_line() {
    let key = private_key(3, 5);
    let expected = "-----BEGIN RSA PRIVATE KEY-----\n<private-key 1.1>\n<private-key 1.2>\n<private-key 1.3>\n\
                    <private-key 1.4>\n-----END RSA PRIVATE KEY-----\n";
    let masked = |text: &str| short(&masking().text(text, &Origin::Elsewhere));
    assert_eq!(masked(&key), expected);
    // As it stands in JSON, once and twice.
    assert_eq!(masked(&key.replace('\n', "\\n")), expected.replace('\n', "\\n"));
    assert_eq!(
        masked(&key.replace('\n', "\\\\n")),
        expected.replace('\n', "\\\\n")
    );
    assert_eq!(masked(&key.replace('\n', "\r\n")), expected.replace('\n', "\r\n"));
    // In a diff, in a program, in YAML, with numbers of lines.
    for (before, after) in [
        ("+", ""),
        ("-", ""),
        ("    ", ""),
        ("  \"", "\\n\" +"),
        ("// ", ""),
        ("  12\t", ""),
    ] {
        let dressed = |text: &str| -> String {
            text.lines()
                .map(|line| format!("{before}{line}{after}\n"))
                .collect()
        };
        assert_eq!(masked(&dressed(&key)), dressed(expected), "{before}");
    }
    // Encrypted, with headers.
    let headers = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0123456789ABCDEF0123456789ABCDEF\n\n";
    let line = "-----BEGIN RSA PRIVATE KEY-----\n";
    assert_eq!(
        masked(&key.replace(line, &format!("{line}{headers}"))),
        expected.replace(line, &format!("{line}{headers}"))
    );
    // Cut off, and followed by another.
    assert_eq!(
        masked(&key[..100]),
        "-----BEGIN RSA PRIVATE KEY-----\n<private-key 1.1>\n<private-key 1.2>"
    );
    let two = masked(&format!("{key}{}", private_key(1, 50)));
    assert!(
        two.contains("<private-key 2.1>")
            && two.ends_with("<private-key 1.4>\n-----END RSA PRIVATE KEY-----\n"),
        "{two}"
    );
    // Who writes about keys does not have one.
    leaves(
        "if text.contains(\"-----BEGIN RSA PRIVATE KEY-----\") {\n    averyLongFunctionNameThatGoesOnAndOnAndOnForFortyLetters();\n}",
    );
    leaves(
        "starts_with(\"-----BEGIN PRIVATE KEY-----\"), \"a\", averyLongFunctionNameThatGoesOnAndOnAndOnFor40Letters()",
    );
    leaves("-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----\n");
    let public = key.replace("PRIVATE", "PUBLIC");
    assert_eq!(masked(&public), public);
}

#[test]
fn credentials_of_this_process_are_masked_wherever_they_stand() {
    let masking = masking_with(&["ordinarywords", "twelve-words", "short", "with,comma-inside it"]);
    let masked = |text: &str| short(&masking.text(text, &Origin::Elsewhere));
    assert_eq!(masked("xxordinarywordsyy"), "xx<credential 1>yy");
    assert_eq!(masked("a=twelve-words&b"), "a=<credential 2>&b");
    assert_eq!(masked("short"), "short");
    assert_eq!(masked("with,comma-inside it"), "with,<credential 3> it");
    assert_eq!(masked("ordinary words"), "ordinary words");
}

#[test]
fn a_value_that_is_known_is_masked_without_its_name_too() {
    let masking = masking();
    let masked = |text: &str| short(&masking.text(text, &Origin::Elsewhere));
    assert_eq!(
        masked("PASSWORD=tr0ub4dor&3x\nconnecting with xtr0ub4dor&3xx\n"),
        "PASSWORD=<password 1>\nconnecting with x<password 1>x\n"
    );
    assert_eq!(masked("tr0ub4dor&3x"), "<password 1>");
    // One that somebody could write by chance is not.
    assert_eq!(
        masked("PASSWORD=abab1212\nabab1212"),
        "PASSWORD=abab1212\nabab1212"
    );
    assert_eq!(
        masked("PASSWORD=secure24x\nsecure24x"),
        "PASSWORD=<password 2>\nsecure24x"
    );
}

#[test]
fn what_is_masked_is_not_masked_again() {
    let masking = masking();
    let text = format!(
        "PASSWORD=tr0ub4dor&3x token: ghp_{} Authorization: Bearer {}\n{}",
        drawn(WORD, 36, 1),
        drawn(WORD, 50, 2),
        private_key(2, 9)
    );
    let once = masking.text(&text, &Origin::Elsewhere).into_owned();
    assert_ne!(once, text);
    assert_eq!(masking.text(&once, &Origin::Elsewhere), once);
    assert_eq!(masking.text(&text, &Origin::Elsewhere), once);
    let foreign = "[secret:github-token:000000000:1] PASSWORD=[secret:password:000000000:2]";
    assert_eq!(masking.text(foreign, &Origin::Elsewhere), foreign);
}

#[test]
fn what_is_no_secret_stays() {
    let sha1 = drawn(HEX, 40, 1);
    let sha256 = drawn(HEX, 64, 2);
    let base64 = drawn(BASE64, 88, 3);
    let image = drawn(BASE64, 20_000, 4);
    for text in [
        format!("commit {sha1}\nMerge: {} {}", &sha1[..7], &sha1[8..15]),
        format!("index {}..{} 100644", &sha1[..12], &sha1[20..32]),
        format!("sha256:{sha256}  file.tar.gz"),
        format!("{sha256}  file.tar.gz"),
        format!("checksum = \"{sha256}\""),
        format!("      \"integrity\": \"sha512-{base64}==\","),
        format!("resolved \"https://registry.yarnpkg.com/x/-/x-1.0.0.tgz#{sha1}\""),
        format!("<img src=\"data:image/png;base64,{image}\">"),
        format!("etag: \"{}\"", &sha256[..32]),
        format!("FROM rust@sha256:{sha256}"),
        format!("public_key: {base64}"),
        format!("ssh-ed25519 {} me@example.com", drawn(BASE64, 68, 8)),
        format!("max_tokens: 4096, token_count=123456789, tokens: {sha1}"),
        "id: 6f1c2f3e-8b1f-4c3e-9a52-0d8d6f0a7b1c".to_owned(),
        "token = next_token2; secret = load_secret_from_vault1()".to_owned(),
        "password = config.db1.password\npassword: String,\nlet token = self.token2.clone();".to_owned(),
        "let password = get_password(user1);".to_owned(),
        "api_key = os.environ[\"OPENAI_API_KEY\"]".to_owned(),
        "password: ${{ secrets.DB_PASSWORD1 }} $DB_PASSWORD1 %PASSWORD1%".to_owned(),
        "API_KEY=your-api-key-here-123 TOKEN=xxxxxxxxxxxx1 SECRET=changeme12345".to_owned(),
        "sk-your-openai-api-key-goes-here-000000000 ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx".to_owned(),
        concat!("AKIA", "IOSFODNN7EXAMPLE").to_owned(),
        "https://example.com:8080/x@y?a=b".to_owned(),
        "https://user:password@example.com https://user:$PASS@example.com https://user:<password>@x"
            .to_owned(),
        "git@github.com:me/repo.git me@example.com".to_owned(),
        "token: the model emits one token at a time, e.g. 3.5 tokens/s".to_owned(),
        "Bearer tokens are used; see the bearer authentication scheme of RFC6750".to_owned(),
        "!function(e,t){var n=e.token,r=t.password||\"\";n.secret=r.key}(a1,b2);".to_owned(),
        "secretKeyRef:\n  name: app-secret-v1\n  key: password".to_owned(),
        "task-management-for-people-who-like-long-names-sk-and-so-on".to_owned(),
        "risk-assessment-of-2024-with-very-long-hyphenated-names-and-more".to_owned(),
        "password_hash: $2b$12$abcdefghijklmnopqrstuv".to_owned(),
        "fn says_secret(name: &str) -> Option<Kind> { token::Kind2::of(name) }".to_owned(),
        "error[E0308]: mismatched types --> src/token.rs:12:5".to_owned(),
        "password=hunter2".to_owned(),
    ] {
        leaves(&text);
    }
}

#[test]
fn this_repository_has_no_secrets() {
    // Its own sources talk about secrets more than most.
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = vec![];
    let mut read = 0_u64;
    for entry in ignore::Walk::new(root) {
        let entry = entry.unwrap();
        if !entry.file_type().is_some_and(|kind| kind.is_file()) {
            continue;
        }
        let content = std::fs::read(entry.path()).unwrap();
        read += content.len() as u64;
        let masking = masking();
        let view = masking.view(&content, &Origin::Elsewhere);
        let (before, after) = (
            String::from_utf8_lossy(&content),
            String::from_utf8_lossy(view.bytes()),
        );
        // As many lines come out as went in.
        for (line, (before, after)) in before.lines().zip(after.lines()).enumerate() {
            if before != after {
                found.push(format!(
                    "{}:{}: {}",
                    entry.path().display(),
                    line + 1,
                    short(after)
                ));
            }
        }
    }
    assert!(read > 1_000_000);
    // Tests make up passwords.
    found.retain(|found| !found.contains("/tests/"));
    assert_eq!(found, Vec::<String>::new());
}

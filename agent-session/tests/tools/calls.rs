//! What is known of a call before it is decided: bad arguments, and where paths lead.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileTypeExt as _;

use glasswork_agent_session::blobs::Digest;
use glasswork_agent_session::tools::{
    Arguments, CommandEvidence, Evidence, FileKind, Found, Repeat, Tool, Unfit, Unresolvable, evidence,
};
use serde_json::{Map, Value, json};

use crate::support::{Workspace, make_fifo, symlink};

#[test]
fn arguments_that_do_not_fit_are_told_and_never_coerced() {
    #[track_caller]
    fn check(tool: &str, arguments: &str, want: &str) {
        let got = evidence(tool, arguments, std::path::Path::new("/"), 0);
        match got {
            Evidence::Unfit(unfit) => assert_eq!(unfit.to_string(), want),
            other => panic!("{arguments} fits: {other:?}"),
        }
    }
    const ALL: &str = "there are: read, edit, write, bash, ls, grep, find";
    check(
        "raed",
        "{}",
        &format!("there is no tool `raed`, did you mean `read`?; {ALL}"),
    );
    check(
        "Bash",
        "{}",
        &format!("there is no tool `Bash`, did you mean `bash`?; {ALL}"),
    );
    check("teleport", "{}", &format!("there is no tool `teleport`; {ALL}"));
    check(
        "read",
        "",
        "the arguments are not valid JSON, line 1 column 0: EOF while parsing a value",
    );
    check(
        "read",
        "{\n\"path\": \"a\",}",
        "the arguments are not valid JSON, line 2 column 13: key must be a string",
    );
    check(
        "read",
        "{\"path\":\"a\"",
        "the arguments are not valid JSON, line 1 column 11: EOF while parsing an object",
    );
    check(
        "read",
        "{\"path\":\"a\"} x",
        "the arguments are not valid JSON, line 1 column 14: trailing characters",
    );
    check("read", "[]", "`arguments`: expected an object, got the list []");
    check("read", "null", "`arguments`: expected an object, got null");
    check(
        "read",
        r#""{\"path\":\"a\"}""#,
        r#"`arguments`: expected an object, got the string "{\"path\":\"a\"}""#,
    );
    check("read", "{}", "`path` is missing: expected a string");
    check(
        "read",
        r#"{"path":7}"#,
        "`path`: expected a string, got the number 7",
    );
    check(
        "read",
        r#"{"path":"a","offset":"5"}"#,
        r#"`offset`: expected a whole number from 1, got the string "5""#,
    );
    check(
        "read",
        r#"{"path":"a","offset":0}"#,
        "`offset`: expected a whole number from 1, got the number 0",
    );
    check(
        "read",
        r#"{"path":"a","offset":1.5}"#,
        "`offset`: expected a whole number from 1, got the number 1.5",
    );
    check(
        "read",
        r#"{"path":"a","limit":null}"#,
        "`limit`: expected a whole number from 1, got null",
    );
    check(
        "read",
        r#"{"path":"a","limit":-1}"#,
        "`limit`: expected a whole number from 1, got the number -1",
    );
    check(
        "read",
        r#"{"path":"a","Offset":5}"#,
        "there is no field `Offset`, did you mean `offset`?; the fields are: path, offset, limit",
    );
    check(
        "read",
        r#"{"file_path":"a"}"#,
        "`path` is missing: expected a string",
    );
    check(
        "read",
        r#"{"paht":"a"}"#,
        "there is no field `paht`, did you mean `path`?; the fields are: path, offset, limit",
    );
    check(
        "read",
        r#"{"path":"a","path":"b"}"#,
        "`path` is given twice; give it once",
    );
    check(
        "read",
        r#"{"path":""}"#,
        "``: the path is empty; `.` is the workspace",
    );
    check(
        "read",
        r#"{"path":"a\u0000b"}"#,
        "`a\0b`: the path holds a NUL character; no file can have that name",
    );
    check(
        "bash",
        r#"{"command":"x","timeout":0}"#,
        "`timeout`: expected a whole number from 1 to 3600, got the number 0",
    );
    check(
        "bash",
        r#"{"command":"x\u0000"}"#,
        "`command`: expected a command without NUL characters, got one with",
    );
    check(
        "grep",
        r#"{"pattern":"x","literal":"true"}"#,
        r#"`literal`: expected true or false, got the string "true""#,
    );
    check(
        "edit",
        r#"{"path":"a","edits":[]}"#,
        "`edits`: expected a list of at least one object, got the list []",
    );
    check(
        "edit",
        r#"{"path":"a","edits":"[{\"old_text\":\"a\",\"new_text\":\"b\"}]"}"#,
        r#"`edits`: expected a list of at least one object, got the string "[{\"old_text\":\"a\",\"new_text\":\"b\"}]""#,
    );
    check(
        "edit",
        r#"{"path":"a","edits":["x"]}"#,
        r#"`edits[0]`: expected an object, got the string "x""#,
    );
    check(
        "edit",
        r#"{"path":"a","edits":[{"old_text":"a","new_text":"b"},{"old_text":"c"}]}"#,
        "`edits[1].new_text` is missing: expected a string",
    );
    check(
        "edit",
        r#"{"path":"a","edits":[{"old_text":"a","new_text":"b","all":true}]}"#,
        "there is no field `edits[0].all`; the fields are: old_text, new_text",
    );
    check(
        "edit",
        r#"{"path":"a","edits":[{"oldText":"a","newText":"b"}]}"#,
        "there is no field `edits[0].oldText`, did you mean `old_text`?; the fields are: old_text, new_text",
    );
}

/// A value that a schema allows, or one that it does not.
fn sample(schema: &Value, fitting: bool) -> Value {
    match (schema["type"].as_str().unwrap(), fitting) {
        ("string", true) => json!("text"),
        ("integer", true) => schema.get("minimum").cloned().unwrap_or(json!(1)),
        ("boolean", true) => json!(true),
        ("array", true) => json!([sample(&schema["items"], true)]),
        ("object", true) => {
            let properties = schema["properties"].as_object().unwrap();
            properties
                .iter()
                .map(|(name, schema)| (name.clone(), sample(schema, true)))
                .collect::<Map<_, _>>()
                .into()
        }
        ("string", false) => json!(5),
        (_, false) => json!("text"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_schema_says_what_the_parser_does() {
    for tool in Tool::ALL {
        let spec = tool.spec();
        assert_eq!((&*spec.name, tool.name().parse()), (tool.name(), Ok(tool)));
        let schema: Value = serde_json::from_str(&spec.parameters).unwrap();
        assert_eq!(schema["additionalProperties"], json!(false), "{tool}");
        let whole = sample(&schema, true);
        let parse = |value: &Value| Arguments::parse(tool, &value.to_string());
        assert_eq!(parse(&whole).unwrap().tool(), tool);
        let required: Vec<&str> = schema["required"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| r.as_str().unwrap())
            .collect();
        for (name, property) in schema["properties"].as_object().unwrap() {
            let mut without = whole.clone();
            without.as_object_mut().unwrap().remove(name);
            match parse(&without) {
                Ok(_) => assert!(!required.contains(&name.as_str()), "{tool}.{name}"),
                Err(Unfit::Missing { field, .. }) => {
                    assert!(&field == name && required.contains(&name.as_str()))
                }
                Err(other) => panic!("{tool}.{name}: {other}"),
            }
            let mut wrong = vec![sample(property, false), json!(null)];
            for (bound, step) in [("minimum", -1), ("maximum", 1)] {
                wrong.extend(
                    property
                        .get(bound)
                        .map(|bound| json!(bound.as_i64().unwrap() + step)),
                );
            }
            for wrong in wrong {
                let mut with = whole.clone();
                with[name] = wrong.clone();
                match parse(&with) {
                    Err(Unfit::Misfit { field, .. }) => assert_eq!(&field, name),
                    other => panic!("{tool}.{name} = {wrong}: {other:?}"),
                }
            }
        }
        let mut more = whole;
        more["something_else"] = json!(1);
        assert!(matches!(parse(&more), Err(Unfit::UnknownField { .. })));
    }
}

#[test]
fn only_reading_may_be_repeated_and_only_commands_run_alone() {
    let told: Vec<_> = Tool::ALL
        .map(|tool| (tool.name(), tool.repeat(), tool.is_parallel_safe()))
        .into();
    assert_eq!(
        told,
        [
            ("read", Repeat::Again, true),
            ("edit", Repeat::Once, true),
            ("write", Repeat::Once, true),
            ("bash", Repeat::Once, false),
            ("ls", Repeat::Again, true),
            ("grep", Repeat::Again, true),
            ("find", Repeat::Again, true),
        ]
    );
}

#[test]
fn paths_are_told_as_where_they_lead() {
    let work = Workspace::new();
    work.file("dir/file", "x");
    fs::write(work.outside.join("secret"), "s").unwrap();
    symlink(&work.outside, work.root.join("out"));
    symlink("dir", work.root.join("in"));
    symlink("../outside/new", work.root.join("dangling"));
    symlink("self", work.root.join("self"));
    symlink(work.root.join("dir"), work.outside.join("back"));
    // (requested, where it leads, whether that is in the workspace, whether something is there)
    let cases = [
        (".", "WORK", true, true),
        ("dir/file", "WORK/dir/file", true, true),
        ("./dir//./file", "WORK/dir/file", true, true),
        ("in/file", "WORK/dir/file", true, true),
        ("in/../dir/file", "WORK/dir/file", true, true),
        ("dir/../new/file", "WORK/new/file", true, false),
        ("new/../dir/file", "WORK/dir/file", true, true),
        ("new/deep/../../../outside/secret", "OUTSIDE/secret", false, true),
        ("out/secret", "OUTSIDE/secret", false, true),
        // `..` after a symlink leaves what it leads to.
        ("out/../outside/secret", "OUTSIDE/secret", false, true),
        ("out/back/file", "WORK/dir/file", true, true),
        ("out/new/file", "OUTSIDE/new/file", false, false),
        // A write through it would make the file there.
        ("dangling", "OUTSIDE/new", false, false),
        ("dangling/deeper", "OUTSIDE/new/deeper", false, false),
        ("../outside", "OUTSIDE", false, true),
        ("../work/dir", "WORK/dir", true, true),
        ("../workshop", "WORKshop", false, false),
        ("~/x", "WORK/~/x", true, false),
        ("/proc/self/root/etc/../nowhere", "/nowhere", false, false),
        ("/../../etc", "/etc", false, true),
    ];
    for (requested, resolved, inside_workspace, exists) in cases {
        let got = work.file_evidence("read", &json!({ "path": requested }));
        assert_eq!(
            (
                work.plain(got.resolved.to_str().unwrap()).as_str(),
                got.inside_workspace,
                got.found.is_some()
            ),
            (resolved, inside_workspace, exists),
            "{requested}"
        );
        assert_eq!(got.requested, requested);
    }
    let unfit = |path: &str| match work.evidence("read", &json!({ "path": path })) {
        Evidence::Unfit(Unfit::Path { requested, why }) if requested == path => why,
        other => panic!("{other:?}"),
    };
    assert_eq!(unfit("self"), Unresolvable::Loop);
    symlink(std::ffi::OsStr::from_bytes(b"\xff"), work.root.join("no-text"));
    assert_eq!(unfit("no-text"), Unresolvable::NotText);
    assert_eq!(
        unfit("dir/file/more"),
        Unresolvable::NotADirectory(work.root.join("dir/file"))
    );
    assert_eq!(
        unfit("dir/file/.."),
        Unresolvable::NotADirectory(work.root.join("dir/file"))
    );
}

#[test]
fn evidence_says_what_is_there() {
    let mut work = Workspace::new();
    work.context.limits.digest_bytes = 4;
    work.file("four", "1234");
    work.file("five", "12345");
    fs::create_dir(work.root.join("dir")).unwrap();
    make_fifo(&work.root.join("fifo"));
    let _listener = std::os::unix::net::UnixListener::bind(work.root.join("socket")).unwrap();
    let found = |path: &str| work.file_evidence("read", &json!({ "path": path })).found;
    let kind = |path: &str| found(path).map(|found| (found.kind, found.digest));
    assert_eq!(
        found("four"),
        Some(Found {
            kind: FileKind::File,
            len: 4,
            digest: Some(Digest::of(b"1234"))
        })
    );
    assert_eq!(
        found("five"),
        Some(Found {
            kind: FileKind::File,
            len: 5,
            digest: None
        })
    );
    assert_eq!(found("none"), None);
    assert_eq!(kind("dir"), Some((FileKind::Directory, None)));
    assert_eq!(kind("fifo"), Some((FileKind::Fifo, None)));
    assert_eq!(kind("socket"), Some((FileKind::Socket, None)));
    assert!(fs::metadata("/dev/zero").unwrap().file_type().is_char_device());
    assert_eq!(kind("/dev/zero"), Some((FileKind::CharacterDevice, None)));
    assert_eq!(
        work.evidence("bash", &json!({"command": "ls ~"})),
        Evidence::Command(CommandEvidence {
            command: "ls ~".to_owned(),
            directory: work.root.clone(),
            timeout: None,
        })
    );
}

#[test]
fn evidence_survives_a_journal() {
    let work = Workspace::new();
    work.file("file", "x");
    for (tool, arguments) in [
        ("read", json!({"path": "file"})),
        ("read", json!({"path": "none"})),
        ("read", json!({"path": ""})),
        ("nothing", json!({})),
        ("bash", json!({"command": "true"})),
    ] {
        let evidence = work.evidence(tool, &arguments);
        let line = serde_json::to_string(&evidence).unwrap();
        assert_eq!(
            serde_json::from_str::<Evidence>(&line).unwrap(),
            evidence,
            "{line}"
        );
    }
}

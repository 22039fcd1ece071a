//! Schemas and values: what fits, what does not and why, and what is no schema at all.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that meets what it did not expect shall stop there"
)]

use glasswork_agent_core::json_schema::{SCHEMA_BYTES, Schema, compact, value};
use proptest::prelude::*;

fn schema(text: &str) -> Schema {
    Schema::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// What is wrong with a value, in words; empty where nothing is.
fn wrong(schema: &Schema, text: &str) -> String {
    match schema.check(&value(text).unwrap()) {
        Ok(()) => String::new(),
        Err(misfits) => {
            let words: Vec<String> = misfits.iter().map(ToString::to_string).collect();
            words.join("; ")
        }
    }
}

#[test]
fn a_value_fits_or_it_is_said_where_it_does_not() {
    let person = r##"{"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"},
        "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}}}, "required": ["name", "age"],
        "additionalProperties": false, "$defs": {"tag": {"enum": ["a", "b"]}}}"##;
    let tree = r##"{"type": "object", "properties": {"left": {"$ref": "#"}, "at": {"type": "number"}}, "required": ["at"]}"##;
    let table: &[(&str, &[(&str, &str)])] = &[
        (
            person,
            &[
                (r#"{"name": "x", "age": 3.0, "tags": ["a", "b"]}"#, ""),
                (
                    r#"{"name": 1, "age": 3}"#,
                    "`name`: expected a string, got the number 1",
                ),
                (
                    r#"{"age": 3.5}"#,
                    "`name`: expected a string, got nothing; `age`: expected an integer, got the number 3.5",
                ),
                (
                    r#"{"name": "x", "age": 3, "tags": ["a", "c"]}"#,
                    r#"`tags[1]`: expected one of "a", "b", got the string "c""#,
                ),
                (
                    r#"{"name": "x", "age": 3, "more": null}"#,
                    "`more`: expected no member but age, name, tags, got null",
                ),
                ("[]", "`value`: expected an object, got the list []"),
            ],
        ),
        (
            tree,
            &[
                (r#"{"at": 1, "left": {"at": 2, "left": {"at": 3}}}"#, ""),
                (
                    r#"{"at": 1, "left": {"at": 2, "left": {}}}"#,
                    "`left.left.at`: expected a number, got nothing",
                ),
            ],
        ),
        ("true", &[("1", "")]),
        ("false", &[("1", "`value`: expected nothing, got the number 1")]),
        (
            r#"{"minimum": 2, "exclusiveMaximum": 5, "multipleOf": 0.1}"#,
            &[
                ("2", ""),
                ("2.3", ""),
                ("\"no number\"", ""),
                ("1.9", "`value`: expected a number from 2, got the number 1.9"),
                ("5", "`value`: expected a number below 5, got the number 5"),
                ("2.25", "`value`: expected a multiple of 0.1, got the number 2.25"),
            ],
        ),
        (
            r#"{"maximum": 1, "exclusiveMinimum": 0}"#,
            &[
                ("1", ""),
                ("0", "`value`: expected a number above 0, got the number 0"),
                ("2", "`value`: expected a number up to 1, got the number 2"),
            ],
        ),
        (
            r#"{"minLength": 2, "maxLength": 3, "pattern": "^[a-zé]+$"}"#,
            &[
                (r#""éé""#, ""),
                (
                    r#""é""#,
                    "`value`: expected a string of at least 2 characters, got the string \"é\"",
                ),
                (
                    r#""abcd""#,
                    "`value`: expected a string of at most 3 characters, got the string \"abcd\"",
                ),
                (
                    r#""A1""#,
                    "`value`: expected a string that matches ^[a-zé]+$, got the string \"A1\"",
                ),
            ],
        ),
        (
            r#"{"minItems": 1, "maxItems": 3, "uniqueItems": true, "prefixItems": [{"type": "string"}], "items": {"type": "integer"},
                "contains": {"const": 1}, "maxContains": 1}"#,
            &[
                (r#"["x", 1, 2]"#, ""),
                (
                    "[]",
                    "`value`: expected a list of at least 1 items, got the list []; `value`: expected a list with at least 1 and at most 1 items as `contains` says, got the list []",
                ),
                (
                    r#"["x", 1, 1.0]"#,
                    "`value`: expected a list of different items, got the list [\"x\",1,1.0]; `value`: expected a list with at least 1 and at most 1 items as `contains` says, got the list [\"x\",1,1.0]",
                ),
                (
                    r#"[1, "x"]"#,
                    "`[0]`: expected a string, got the number 1; `[1]`: expected an integer, got the string \"x\"",
                ),
                (
                    r#"["x", 1, 2, 3]"#,
                    "`value`: expected a list of at most 3 items, got the list [\"x\",1,2,3]",
                ),
            ],
        ),
        (
            r#"{"minProperties": 1, "maxProperties": 2, "patternProperties": {"^n_": {"type": "number"}}, "additionalProperties": {"type": "null"},
                "propertyNames": {"maxLength": 3}, "dependentRequired": {"a": ["b"]}, "dependentSchemas": {"c": {"required": ["d"]}}}"#,
            &[
                (r#"{"n_1": 2, "x": null}"#, ""),
                (
                    "{}",
                    "`value`: expected an object of at least 1 members, got the object {}",
                ),
                (
                    r#"{"x": null, "y": null, "z": null}"#,
                    "`value`: expected an object of at most 2 members, got the object {\"x\":null,\"y\":null,\"z\":null}",
                ),
                (
                    r#"{"n_1": "2"}"#,
                    "`n_1`: expected a number, got the string \"2\"",
                ),
                (r#"{"x": 1}"#, "`x`: expected null, got the number 1"),
                (
                    r#"{"long": null}"#,
                    "`long`: expected a string of at most 3 characters, got the string \"long\"",
                ),
                (r#"{"a": null}"#, "`b`: expected a value, got nothing"),
                (r#"{"c": null}"#, "`d`: expected a value, got nothing"),
            ],
        ),
        (
            r#"{"type": ["string", "null"]}"#,
            &[
                ("null", ""),
                ("1", "`value`: expected a string or null, got the number 1"),
            ],
        ),
        (
            r#"{"anyOf": [{"type": "null"}, {"type": "object", "properties": {"kind": {"const": "a"}}, "required": ["kind"]}]}"#,
            &[
                ("null", ""),
                (r#"{"kind": "a"}"#, ""),
                (r#"{"kind": "b"}"#, "`kind`: expected \"a\", got the string \"b\""),
                ("1", "`value`: expected null or an object, got the number 1"),
            ],
        ),
        (
            r#"{"oneOf": [{"minimum": 3}, {"maximum": 5}], "type": "integer"}"#,
            &[
                ("1", ""),
                ("6", ""),
                (
                    "4",
                    "`value`: expected what fits exactly one of the 2 forms of `oneOf`, got the number 4",
                ),
            ],
        ),
        (
            r#"{"allOf": [{"type": "integer"}, {"not": {"const": 2}}]}"#,
            &[
                ("1", ""),
                (
                    "2",
                    "`value`: expected what the schema does not exclude with `not`, got the number 2",
                ),
            ],
        ),
        (
            r#"{"if": {"type": "string"}, "then": {"minLength": 1}, "else": {"type": "null"}}"#,
            &[
                ("\"x\"", ""),
                ("null", ""),
                (
                    "\"\"",
                    "`value`: expected a string of at least 1 characters, got the string \"\"",
                ),
                ("1", "`value`: expected null, got the number 1"),
            ],
        ),
        (
            r#"{"const": {"a": [1, 2.0]}}"#,
            &[
                (r#"{"a": [1.0, 2]}"#, ""),
                (
                    r#"{"a": [2, 1]}"#,
                    "`value`: expected {\"a\":[1,2.0]}, got the object {\"a\":[2,1]}",
                ),
            ],
        ),
    ];
    for (text, cases) in table {
        let schema = schema(text);
        for (value, expected) in *cases {
            assert_eq!(wrong(&schema, value), *expected, "{text}\n{value}");
        }
    }
}

#[test]
fn what_is_no_schema_is_refused_at_its_place() {
    let long = format!(r#"{{"title": "{}"}}"#, "x".repeat(SCHEMA_BYTES));
    let table = [
        ("{", "line 1 column 1: no JSON: EOF while parsing an object"),
        (
            r#"{"type": "string", "type": "null"}"#,
            "line 1 column 25: no JSON: `type` is given twice",
        ),
        ("[]", "the schema: a schema is an object, `true` or `false`"),
        (
            r#"{"properties": {"a/b": {"type": "strin"}}}"#,
            "/properties/a~1b/type: expected a type, or a list of different ones; there are null, boolean, object, array, number, string, integer",
        ),
        (
            r#"{"items": [{}]}"#,
            "/items: a schema is an object, `true` or `false`",
        ),
        (
            r#"{"required": ["a", "a"]}"#,
            "/required: expected a list of different strings",
        ),
        (
            r#"{"minLength": -1}"#,
            "/minLength: expected a whole number from 0",
        ),
        (r#"{"multipleOf": 0}"#, "/multipleOf: expected a number above 0"),
        (
            r#"{"exclusiveMinimum": true}"#,
            "/exclusiveMinimum: expected a number",
        ),
        (
            r#"{"anyOf": []}"#,
            "/anyOf: expected a list of at least one schema",
        ),
        (r#"{"enum": []}"#, "/enum: expected a list of at least one value"),
        (
            r#"{"proprties": {}}"#,
            "/proprties: there is no keyword `proprties`, did you mean `properties`?; a note of your own begins with `x-`",
        ),
        (
            r#"{"x-mine": 1, "allOf": [{"$id": "a"}]}"#,
            "/allOf/0/$id: a schema within a schema has no name of its own here; use `$defs`",
        ),
        (
            r#"{"pattern": "a(?=b)"}"#,
            "/pattern: no regular expression that is taken here (look-around, including look-ahead and look-behind, is not supported); look-around and back-references are not",
        ),
        (
            r#"{"$ref": "https://example.org/other.json"}"#,
            "/$ref: only references into this document are followed; write them like `#/$defs/name`",
        ),
        (
            r##"{"$ref": "#/$defs/none"}"##,
            "/$ref: it points to nothing that is a schema of this document",
        ),
        (
            r##"{"$defs": {"a": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/a"}]}}}"##,
            "/$defs/a: it leads back to itself without a step into the value, and would never end",
        ),
        (
            r##"{"$ref": "#"}"##,
            "the schema: it leads back to itself without a step into the value, and would never end",
        ),
        (
            r#"{"$schema": "http://json-schema.org/draft-04/schema#"}"#,
            "/$schema: `http://json-schema.org/draft-04/schema#` is not taken; draft 2020-12 is, and 6 to 2019-09 as far as they agree with it",
        ),
        (
            r#"{"nullable": true}"#,
            "/nullable: it is of OpenAPI; let `type` be a list with \"null\" in it",
        ),
        (
            r#"{"unevaluatedProperties": false}"#,
            "/unevaluatedProperties: it is not taken; say `additionalProperties` or `items` in each part",
        ),
        (&*long, "the schema: it has 32781 bytes; at most 32768 are taken"),
    ];
    for (text, expected) in table {
        let error = Schema::parse(text).unwrap_err().to_string();
        assert_eq!(error, expected, "{}", &text[..text.len().min(80)]);
    }
    assert_eq!(
        &**schema(
            " {\"const\" : \"a \\\" b\" ,\n\t\"$schema\": \"https://json-schema.org/draft/2020-12/schema\"} "
        )
        .text(),
        r#"{"const":"a \" b","$schema":"https://json-schema.org/draft/2020-12/schema"}"#
    );
}

/// Each of forty schemas leads twice to the next: two to the fortieth ways to the last one, which nothing fits.
#[test]
fn a_schema_that_would_take_for_ever_ends_with_a_misfit() {
    let mut parts: Vec<String> = (0..40)
        .map(|at| {
            let next = at + 1;
            format!(
                r##""d{at}": {{"anyOf": [{{"$ref": "#/$defs/d{next}"}}, {{"$ref": "#/$defs/d{next}"}}]}}"##
            )
        })
        .collect();
    parts.push(r#""d40": false"#.to_owned());
    let endless = schema(&format!(
        r##"{{"$ref": "#/$defs/d0", "$defs": {{{}}}}}"##,
        parts.join(",")
    ));
    assert!(wrong(&endless, "1").contains("in reasonable time"));
}

#[test]
fn what_nests_deeply_overflows_nothing() {
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(120), close.repeat(120));
    let lists = schema(r##"{"items": {"$ref": "#"}, "maxItems": 1}"##);
    assert_eq!(wrong(&lists, &deep("[", "]")), "");
    let chain: Vec<String> = (0..600)
        .map(|at| format!(r##""d{at}": {{"$ref": "#/$defs/d{}"}}"##, at + 1))
        .collect();
    let chain = schema(&format!(
        r##"{{"$ref": "#/$defs/d0", "$defs": {{{}, "d600": true}}}}"##,
        chain.join(",")
    ));
    assert_eq!(
        wrong(&chain, "1"),
        "`value`: expected what is nested less deeply, got the number 1"
    );
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        (-9i32..9).prop_map(|value| value.to_string()),
        "[a-c ]{0,3}".prop_map(|text| format!("\"{text}\"")),
        Just(r##""#/properties/a""##.to_owned()),
    ];
    let names = prop::sample::select(vec![
        "type",
        "enum",
        "const",
        "items",
        "properties",
        "required",
        "anyOf",
        "oneOf",
        "allOf",
        "not",
        "if",
        "then",
        "$ref",
        "a",
        "b",
        "minimum",
        "minLength",
        "pattern",
        "additionalProperties",
        "uniqueItems",
        "contains",
        "$defs",
        "prefixItems",
    ]);
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(" , "))),
            prop::collection::btree_map(names.clone(), inner, 0..4).prop_map(|members| {
                let members: Vec<String> = members
                    .iter()
                    .map(|(name, value)| format!("\"{name}\" :{value}"))
                    .collect();
                format!("{{ {} }}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_schema_against_any_value_ends(one in json(), other in json()) {
        let seen = value(&other).unwrap();
        if let Ok(schema) = Schema::parse(&one) {
            let found = schema.check(&seen);
            prop_assert_eq!(&found, &schema.check(&seen));
            if let Err(misfits) = found {
                prop_assert!(!misfits.is_empty() && misfits.len() <= 5);
            }
        }
    }

    #[test]
    fn a_compact_text_is_the_same_value_on_one_line(text in json()) {
        let short = compact(&text);
        prop_assert_eq!(value(&short).unwrap(), value(&text).unwrap());
        prop_assert!(!short.contains('\n') && short.len() <= text.len());
        prop_assert_eq!(compact(&short), short);
    }

    #[test]
    fn any_text_is_a_schema_or_an_error(text in "\\PC{0,40}") {
        let _ = Schema::parse(&text);
    }
}

//! Schemas of arguments in the part of JSON Schema that Gemini takes: [Schema](https://ai.google.dev/api/caching#Schema),
//! a selection of OpenAPI 3.0. What has no counterpart is left out: the model then learns less, and whoever runs the call
//! checks the arguments against the whole schema all the same.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

/// How deep a schema may be nested, references followed. Deeper ones are cut: any value is then allowed there.
const DEPTH: u32 = 24;
/// Most schemas in one, references followed.
const MOST: u32 = 4096;
/// The formats that the server takes.
const FORMATS: [&str; 6] = ["float", "double", "int32", "int64", "enum", "date-time"];

#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Schema {
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    nullable: bool,
    #[serde(rename = "enum", skip_serializing_if = "Vec::is_empty")]
    values: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pattern: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    minimum: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    maximum: Option<f64>,
    /// Counts are texts on this wire.
    #[serde(skip_serializing_if = "Option::is_none")]
    min_items: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_items: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_length: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_length: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<Box<Self>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    properties: BTreeMap<String, Self>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    required: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    any_of: Vec<Self>,
}

impl Schema {
    /// The schema of a tool's arguments; `None` where it has none, since the server takes no object without properties.
    pub(super) fn of_tool(schema: &Value) -> Option<Self> {
        let mut reader = Reader {
            root: schema,
            left: MOST,
        };
        let read = reader.read(schema, DEPTH);
        (!read.properties.is_empty()).then_some(read)
    }
}

struct Reader<'a> {
    root: &'a Value,
    left: u32,
}

impl<'a> Reader<'a> {
    fn read(&mut self, schema: &'a Value, depth: u32) -> Schema {
        let Some(object) = schema.as_object().filter(|_| depth > 0 && self.left > 0) else {
            // `true`, or too deep: anything.
            return Schema::default();
        };
        self.left -= 1;
        if let Some(target) = object.get("$ref").and_then(Value::as_str) {
            let target = target
                .strip_prefix('#')
                .and_then(|pointer| self.root.pointer(pointer));
            let mut read = target.map_or_else(Schema::default, |target| self.read(target, depth - 1));
            read.description = text(object, "description").or(read.description);
            return read;
        }
        let mut read = Schema {
            format: text(object, "format").filter(|format| FORMATS.contains(&&**format)),
            title: text(object, "title"),
            description: text(object, "description"),
            nullable: object.get("nullable") == Some(&Value::Bool(true)),
            pattern: text(object, "pattern"),
            minimum: object.get("minimum").and_then(Value::as_f64),
            maximum: object.get("maximum").and_then(Value::as_f64),
            min_items: count(object, "minItems"),
            max_items: count(object, "maxItems"),
            min_length: count(object, "minLength"),
            max_length: count(object, "maxLength"),
            ..Schema::default()
        };
        self.read_type(object, &mut read);
        self.read_values(object, &mut read);
        if let Some(items) = object.get("items") {
            read.items = Some(Box::new(self.read(items, depth - 1)));
        } else if read.r#type == Some("ARRAY") {
            // The server wants one.
            read.items = Some(Box::default());
        }
        for (name, property) in object
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let property = self.read(property, depth - 1);
            read.properties.insert(name.clone(), property);
        }
        let required = object.get("required").and_then(Value::as_array);
        let required = required.into_iter().flatten().filter_map(Value::as_str);
        read.required = required
            .filter(|name| read.properties.contains_key(*name))
            .map(str::to_owned)
            .collect();
        for key in ["anyOf", "oneOf"] {
            for choice in object.get(key).and_then(Value::as_array).into_iter().flatten() {
                match choice.get("type").and_then(Value::as_str) {
                    Some("null") => read.nullable = true,
                    _ => read.any_of.push(self.read(choice, depth - 1)),
                }
            }
        }
        for part in object
            .get("allOf")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let part = self.read(part, depth - 1);
            read.r#type = read.r#type.or(part.r#type);
            read.properties.extend(part.properties);
            read.required.extend(part.required);
            read.any_of.extend(part.any_of);
            read.description = read.description.or(part.description);
        }
        read
    }

    fn read_type(&self, object: &Map<String, Value>, read: &mut Schema) {
        let named = match object.get("type") {
            Some(Value::String(name)) => vec![name.as_str()],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => vec![],
        };
        read.nullable |= named.contains(&"null");
        let mut known = named.iter().filter_map(|name| type_name(name));
        read.r#type = known.next();
        let others: Vec<Schema> = known
            .map(|name| Schema {
                r#type: Some(name),
                items: (name == "ARRAY").then(Box::default),
                ..Schema::default()
            })
            .collect();
        if let Some(first) = read.r#type.filter(|_| !others.is_empty()) {
            read.any_of.push(Schema {
                r#type: Some(first),
                items: (first == "ARRAY").then(Box::default),
                ..Schema::default()
            });
            read.any_of.extend(others);
            read.r#type = None;
        } else if read.r#type.is_none() && object.contains_key("properties") {
            read.r#type = Some("OBJECT");
        }
    }

    /// The server knows only texts as values.
    fn read_values(&self, object: &Map<String, Value>, read: &mut Schema) {
        let values: Vec<&Value> = match (object.get("enum"), object.get("const")) {
            (Some(Value::Array(values)), _) => values.iter().collect(),
            (_, Some(value)) => vec![value],
            _ => return,
        };
        read.nullable |= values.iter().any(|value| value.is_null());
        let texts: Option<Vec<String>> = values
            .into_iter()
            .filter(|value| !value.is_null())
            .map(|value| value.as_str().map(str::to_owned))
            .collect();
        if let Some(texts) = texts.filter(|texts| texts.iter().all(|text| !text.is_empty())) {
            read.r#type = read.r#type.or(Some("STRING"));
            read.values = texts;
        }
    }
}

fn type_name(name: &str) -> Option<&'static str> {
    Some(match name {
        "string" => "STRING",
        "number" => "NUMBER",
        "integer" => "INTEGER",
        "boolean" => "BOOLEAN",
        "array" => "ARRAY",
        "object" => "OBJECT",
        _ => return None,
    })
}

fn text(object: &Map<String, Value>, key: &str) -> Option<String> {
    object.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn count(object: &Map<String, Value>, key: &str) -> Option<String> {
    object
        .get(key)
        .and_then(Value::as_u64)
        .map(|count| count.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn sent(schema: &Value) -> String {
        serde_json::to_string(&Schema::of_tool(schema)).unwrap()
    }

    #[test]
    fn a_schema_keeps_what_the_server_takes() {
        let cases = [
            json!({"type": "object", "properties": {}, "additionalProperties": false}),
            json!({"$schema": "x", "type": "object", "additionalProperties": false, "required": ["path", "gone"],
                "properties": {"path": {"type": "string", "minLength": 1, "format": "uri", "default": "x"}}}),
            json!({"properties": {"a": {"type": ["string", "null"]}, "b": {"type": ["string", "array"]},
                "c": {"enum": ["x", "y", null]}, "d": {"enum": [1, 2]}, "e": {"const": "z"}, "f": true, "g": {"type": "array"}}}),
            json!({"properties": {"n": {"$ref": "#/$defs/n", "description": "d"}},
                "$defs": {"n": {"oneOf": [{"type": "null"}, {"type": "integer", "exclusiveMinimum": 3, "maximum": 9}]}}}),
            json!({"allOf": [{"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}, {"description": "d"}]}),
        ];
        let sent: Vec<String> = cases.iter().map(sent).collect();
        insta::assert_snapshot!(sent.join("\n"), @r#"
        null
        {"type":"OBJECT","properties":{"path":{"type":"STRING","minLength":"1"}},"required":["path"]}
        {"type":"OBJECT","properties":{"a":{"type":"STRING","nullable":true},"b":{"anyOf":[{"type":"STRING"},{"type":"ARRAY","items":{}}]},"c":{"type":"STRING","nullable":true,"enum":["x","y"]},"d":{},"e":{"type":"STRING","enum":["z"]},"f":{},"g":{"type":"ARRAY","items":{}}}}
        {"type":"OBJECT","properties":{"n":{"description":"d","nullable":true,"anyOf":[{"type":"INTEGER","maximum":9.0}]}}}
        {"type":"OBJECT","description":"d","properties":{"a":{"type":"BOOLEAN"}},"required":["a"]}
        "#);
    }

    #[test]
    fn a_schema_without_end_is_cut() {
        let tree = json!({"properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}}});
        assert!(sent(&tree).len() < 400_000);
        let cycle = json!({"properties": {"a": {"$ref": "#/properties/a"}}});
        assert_eq!(sent(&cycle), r#"{"type":"OBJECT","properties":{"a":{}}}"#);
    }

    proptest! {
        #[test]
        fn any_json_makes_a_schema(words in proptest::collection::vec(
            prop_oneof![Just("type"), Just("properties"), Just("items"), Just("anyOf"), Just("enum"), Just("$ref"), Just("#")], 0..8
        )) {
            let value = words.iter().rev().fold(json!("string"), |inner, word| match *word {
                "anyOf" => json!({"anyOf": [inner]}),
                "#" => json!([inner]),
                word => json!({word: inner}),
            });
            let _ = Schema::of_tool(&value);
        }
    }
}

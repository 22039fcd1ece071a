//! Answers that are values of a JSON Schema: by which means each server and model is brought to give one.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::abilities::{Abilities, Thinking, ThinkingSupport};
use crate::model::ModelId;
use crate::wire::{Server, StructuredOutput, Wire};

/// The name under which a schema is sent, and of the tool whose call is the result.
pub const NAME: &str = "result";

/// A result that a request asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// The JSON Schema, as text. It is sent as it is, or not at all.
    pub schema: Arc<str>,
    /// How the model is brought to it.
    pub means: Means,
}

/// How a model is brought to answer with a value of a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Means {
    /// How.
    pub form: Form,
    /// Whether the request may offer tools all the same. Where it may not, the result is asked for by itself, once the
    /// model has done its work.
    pub with_tools: bool,
}

/// How a model is brought to answer with a value of a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// The server gets the schema and holds the answer to it.
    Strict,
    /// The server gets the schema, and the model keeps to it as well as it can: the schema is not of the kind that the
    /// server can enforce.
    Loose,
    /// The model has to call a tool whose arguments are the result.
    Tool,
    /// The model is told in words.
    Prompted,
}

impl Means {
    /// In words, which every model understands.
    pub const PROMPTED: Self = Self {
        form: Form::Prompted,
        with_tools: true,
    };

    const fn native(strict: bool, with_tools: bool) -> Self {
        Self {
            form: if strict { Form::Strict } else { Form::Loose },
            with_tools,
        }
    }

    const TOOL: Self = Self {
        form: Form::Tool,
        with_tools: false,
    };

    /// The best means for a model of a server.
    ///
    /// Sources: [OpenAI](https://platform.openai.com/docs/guides/structured-outputs),
    /// [Anthropic](https://docs.claude.com/en/docs/build-with-claude/structured-outputs),
    /// [Gemini](https://ai.google.dev/gemini-api/docs/structured-output); of other servers, the row of the table of
    /// [differences](crate::wire::Differences).
    #[must_use]
    pub fn best(server: &Server, model: &ModelId, abilities: &Abilities, schema: &Value) -> Self {
        // `true` is a schema too, and no server takes it.
        if !schema.is_object() {
            return Self::PROMPTED;
        }
        let cannot = abilities.structured_output == Some(false);
        match server.wire {
            Wire::OpenAiResponses => match cannot || is_old_openai(&model.model) {
                true => Self::PROMPTED,
                false => Self::native(is_strict_for_openai(schema), true),
            },
            Wire::OpenAiChat | Wire::OpenAiCompatible => {
                let form = server.differences.structured_output;
                let old = server.wire == Wire::OpenAiChat && is_old_openai(&model.model);
                match form {
                    StructuredOutput::None => Self::PROMPTED,
                    _ if cannot || old => Self::PROMPTED,
                    StructuredOutput::JsonSchema => Self::native(is_strict_for_openai(schema), true),
                    StructuredOutput::JsonSchemaAlone => Self::native(is_strict_for_openai(schema), false),
                }
            }
            Wire::Anthropic => {
                let native = !cannot && !is_old_claude(&model.model) && is_strict_for_anthropic(schema);
                let thinks_always = matches!(
                    crate::wire::thinking_support(server.wire, model, abilities),
                    ThinkingSupport::Levels(levels) if !levels.contains(&Thinking::Off)
                );
                match native {
                    true => Self::native(true, true),
                    // No tool can be forced upon a model that thinks, and the arguments of a tool are an object.
                    false if thinks_always || !is_object(schema) => Self::PROMPTED,
                    false => Self::TOOL,
                }
            }
            Wire::Gemini => match gemini(&model.model) {
                Some(version) if version >= 2 && !cannot => {
                    Self::native(is_strict_for_gemini(schema), version >= 3)
                }
                _ => Self::PROMPTED,
            },
        }
    }
}

/// Models of OpenAI from before there was such a thing.
fn is_old_openai(id: &str) -> bool {
    const OLD: [&str; 8] = [
        "gpt-3",
        "gpt-4-",
        "gpt-4o-2024-05-13",
        "gpt-4-turbo",
        "o1-mini",
        "o1-preview",
        "chatgpt-",
        "davinci",
    ];
    id == "gpt-4" || OLD.iter().any(|old| id.starts_with(old))
}

/// Models of Anthropic from before there was such a thing. What catalogues say of them means the tool.
fn is_old_claude(id: &str) -> bool {
    const OLD: [&str; 7] = [
        "claude-2",
        "claude-3",
        "claude-instant",
        "claude-opus-4-0",
        "claude-opus-4-1",
        "claude-opus-4-2025",
        "claude-sonnet-4-0",
    ];
    id.starts_with("claude-sonnet-4-2025") || OLD.iter().any(|old| id.starts_with(old))
}

/// The version of a model of Gemini's; `None` of another one.
fn gemini(id: &str) -> Option<u32> {
    let id = id.rsplit('/').next()?.strip_prefix("gemini-")?;
    let version = id.split(['-', '.']).next()?;
    // `gemini-flash-latest` and its like are of today.
    Some(version.parse().unwrap_or(3))
}

fn is_object(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("object")
}

/// What a server that compiles schemas takes.
struct Subset {
    /// Keywords that it takes.
    keywords: &'static [&'static str],
    /// Whether every object must name all of its members as required.
    all_required: bool,
    /// Whether every object must be closed.
    closed: bool,
    /// Whether a schema may lead back to itself.
    recursive: bool,
    /// How deep objects may lie in each other.
    depth: u32,
}

const OPENAI: Subset = Subset {
    keywords: &[
        "$schema",
        "$id",
        "$comment",
        "$ref",
        "$defs",
        "definitions",
        "type",
        "title",
        "description",
        "enum",
        "const",
        "anyOf",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "minItems",
        "maxItems",
        "pattern",
        "format",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
    ],
    all_required: true,
    closed: true,
    recursive: true,
    depth: 10,
};

const ANTHROPIC: Subset = Subset {
    keywords: &[
        "$schema",
        "$comment",
        "$ref",
        "$defs",
        "definitions",
        "type",
        "title",
        "description",
        "enum",
        "const",
        "anyOf",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "default",
        "format",
    ],
    all_required: false,
    closed: true,
    recursive: false,
    depth: 32,
};

const GEMINI: Subset = Subset {
    keywords: &[
        "$schema",
        "$id",
        "$comment",
        "$ref",
        "$defs",
        "type",
        "title",
        "description",
        "enum",
        "format",
        "items",
        "prefixItems",
        "minItems",
        "maxItems",
        "minimum",
        "maximum",
        "anyOf",
        "oneOf",
        "properties",
        "additionalProperties",
        "required",
    ],
    all_required: false,
    closed: false,
    recursive: true,
    depth: 32,
};

/// Whether OpenAI's strict mode takes a schema.
fn is_strict_for_openai(schema: &Value) -> bool {
    is_object(schema) && OPENAI.takes(schema)
}

/// Whether Anthropic's structured output takes a schema.
fn is_strict_for_anthropic(schema: &Value) -> bool {
    is_object(schema) && ANTHROPIC.takes(schema)
}

/// Whether Gemini holds an answer to all of a schema.
fn is_strict_for_gemini(schema: &Value) -> bool {
    GEMINI.takes(schema)
}

impl Subset {
    fn takes(&self, root: &Value) -> bool {
        self.schema(root, self.depth) && (self.recursive || !leads_back(root))
    }

    fn schema(&self, schema: &Value, depth: u32) -> bool {
        let Value::Object(members) = schema else {
            // `true` and `false` are schemas that no server compiles.
            return false;
        };
        if !members
            .keys()
            .all(|keyword| self.keywords.contains(&keyword.as_str()))
        {
            return false;
        }
        let properties = members.get("properties").and_then(Value::as_object);
        let is_object = properties.is_some() || is_of(members.get("type"), "object");
        if is_object {
            let closed = members.get("additionalProperties") == Some(&Value::Bool(false));
            let required = |name: &String| {
                let names = members.get("required").and_then(Value::as_array);
                names.is_some_and(|names| names.iter().any(|known| known.as_str() == Some(name)))
            };
            let all = properties.is_none_or(|properties| properties.keys().all(required));
            if depth == 0 || (self.closed && !closed) || (self.all_required && !all) {
                return false;
            }
        }
        let depth = depth.saturating_sub(u32::from(is_object));
        members
            .iter()
            .all(|(keyword, value)| match (keyword.as_str(), value) {
                ("properties" | "$defs" | "definitions", Value::Object(inner)) => {
                    inner.values().all(|schema| self.schema(schema, depth))
                }
                ("anyOf" | "oneOf" | "prefixItems", Value::Array(inner)) => {
                    inner.iter().all(|schema| self.schema(schema, depth))
                }
                ("items", inner) => self.schema(inner, depth),
                ("additionalProperties", Value::Bool(_)) => true,
                ("additionalProperties", inner) => !self.closed && self.schema(inner, depth),
                _ => true,
            })
    }
}

fn is_of(types: Option<&Value>, name: &str) -> bool {
    match types {
        Some(Value::String(one)) => one == name,
        Some(Value::Array(many)) => many.iter().any(|one| one.as_str() == Some(name)),
        _ => false,
    }
}

/// Whether some reference of a document points to a part that holds the reference, directly or by others.
fn leads_back(root: &Value) -> bool {
    fn walk<'a>(
        root: &'a Value,
        at: &'a Value,
        way: &mut Vec<&'a str>,
        done: &mut BTreeSet<&'a str>,
    ) -> bool {
        match at {
            Value::Object(members) => {
                members
                    .iter()
                    .any(|(keyword, value)| match (keyword.as_str(), value) {
                        // What nobody refers to is not walked; what is referred to is, from there.
                        ("$defs" | "definitions", _) => false,
                        ("$ref", Value::String(to)) => {
                            let to = to.as_str();
                            // Beyond that many one within the other, nobody can tell.
                            if way.contains(&to) || way.len() > 64 {
                                return true;
                            }
                            let Some(target) = to.strip_prefix('#').and_then(|pointer| root.pointer(pointer))
                            else {
                                return true;
                            };
                            if done.contains(to) {
                                return false;
                            }
                            way.push(to);
                            let found = walk(root, target, way, done);
                            way.pop();
                            done.insert(to);
                            found
                        }
                        (_, value) => walk(root, value, way, done),
                    })
            }
            Value::Array(items) => items.iter().any(|item| walk(root, item, way, done)),
            _ => false,
        }
    }
    walk(root, root, &mut vec!["#"], &mut BTreeSet::new())
}

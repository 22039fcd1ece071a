//! Messages of [JSON-RPC 2.0](https://www.jsonrpc.org/specification), one in a line.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::fault::{Fault, PARSE, REQUEST};
use super::line::{DEPTH, LINE_BYTES, depth};

/// Longest id of a request that is a text, in bytes.
const ID_BYTES: usize = 128;

/// What names a request on its connection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Id {
    /// A whole number.
    Number(i64),
    /// A text.
    Text(String),
}

/// A request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Request {
    /// Its id; `None` for a notification, which gets no answer.
    pub id: Option<Id>,
    /// What is asked for.
    pub method: String,
    /// With what.
    pub params: Value,
}

/// A message that is no request: the answer to it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Malformed {
    /// Its id, as far as it could be told.
    pub id: Option<Id>,
    /// What is wrong.
    pub fault: Box<Fault>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw<'a> {
    #[serde(borrow)]
    jsonrpc: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

/// `null` is something, too.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl Request {
    /// Reads a line.
    pub(crate) fn read(line: &[u8]) -> Result<Self, Malformed> {
        let unnamed = |fault| Malformed {
            id: None,
            fault: Box::new(fault),
        };
        let text = std::str::from_utf8(line)
            .map_err(|error| unnamed(Fault::new(PARSE, format!("the line is not UTF-8: {error}"))))?;
        if depth(text) > DEPTH {
            return Err(unnamed(Fault::new(
                PARSE,
                format!("arrays and objects are nested deeper than {DEPTH} levels"),
            )));
        }
        if text.trim_start().starts_with('[') {
            return Err(unnamed(Fault::new(
                REQUEST,
                "batches are not taken; send a request per line",
            )));
        }
        let raw: Raw<'_> = serde_json::from_str(text).map_err(|error| {
            let code = if error.is_data() { REQUEST } else { PARSE };
            unnamed(Fault::new(
                code,
                format!("the line is no request of JSON-RPC: {error}"),
            ))
        })?;
        let id = raw.id.map(|id| Id::read(id.get())).transpose();
        let id = id.map_err(unnamed)?;
        let wrong = |message: &str| Malformed {
            id: id.clone(),
            fault: Fault::new(REQUEST, message).into(),
        };
        if raw.jsonrpc.as_deref() != Some("2.0") {
            return Err(wrong("`jsonrpc` must be \"2.0\""));
        }
        let method = raw.method.ok_or_else(|| wrong("there is no `method`"))?;
        let params = match raw.params {
            None => json!({}),
            Some(params) => serde_json::from_str(params.get())
                .map_err(|error| wrong(&format!("`params` cannot be read: {error}")))?,
        };
        if !params.is_object() {
            return Err(wrong("`params` must be an object"));
        }
        Ok(Self {
            method: method.into_owned(),
            params,
            id,
        })
    }

    /// The answer to a line that is too long.
    pub(crate) fn too_long() -> Malformed {
        Malformed {
            id: None,
            fault: Box::new(Fault::new(
                REQUEST,
                format!("a line has at most {LINE_BYTES} bytes; the connection ends"),
            )),
        }
    }
}

impl Id {
    fn read(text: &str) -> Result<Self, Fault> {
        let wrong = || {
            Fault::new(
                REQUEST,
                format!("an id is a whole number of 64 bits, or a text of at most {ID_BYTES} bytes"),
            )
        };
        match serde_json::from_str(text).map_err(|_| wrong())? {
            Self::Text(text) if text.len() > ID_BYTES => Err(wrong()),
            id => Ok(id),
        }
    }
}

/// The line that answers a request.
pub(crate) fn answer(id: Option<&Id>, answer: Result<Value, Fault>) -> String {
    let message = match answer {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(error) => json!({ "jsonrpc": "2.0", "id": id, "error": error }),
    };
    format!("{message}\n")
}

/// The line that tells something.
pub(crate) fn notification(method: &str, params: &impl Serialize) -> String {
    let message = json!({ "jsonrpc": "2.0", "method": method, "params": params });
    format!("{message}\n")
}

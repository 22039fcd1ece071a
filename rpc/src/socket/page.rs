//! The pages of the documentation that are made of the table of methods.

use std::fmt::Write as _;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::methods::{METHODS, NOTIFICATIONS};

/// What stands before the tables.
const HEAD: &str = "\
# The socket of a host

Every host, `glasswork serve`, `acp` and whatever else has a model asked, opens a Unix socket as long as it lives: in
`$GLASSWORK_HOME/run` where that is set, else in `$XDG_RUNTIME_DIR/glasswork`, else in `run` beside the sessions. The
directory must be yours alone (0700, no link); the socket is 0600, and whoever connects must be of your user.
`glasswork hosts` lists the hosts that live, `glasswork attach` connects to one. What a host that was killed has left there
is removed by whoever looks next.

A line is a message of [JSON-RPC 2.0](https://www.jsonrpc.org/specification). A line has at most 1 MiB, nested at most 64
levels; batches are not taken; an id is a whole number or a text; at most 64 requests of a connection are worked on at a
time, and they may be answered in another order. A request that is refused has the code -32000, and `data.kind` says why.

Each commit of a session comes once and in order, by `seq`, or lies in a `_glasswork/gap`, which has a base to go on from.
A client that does not read costs nobody else anything. After a reconnect, `attach` with `seen` goes on where it was; where
another process has opened the session since, the epoch is another, and `_glasswork/resync` says where it stands.

Whoever begins with `initialize` speaks the [Agent Client Protocol](acp.md) from then on; there the methods below are
extensions, beside that protocol's own. Its lines may be longer.

A program in Rust uses the crate `glasswork-client` (`rpc/client`), as `glasswork attach` does: it finds hosts, has a method
for each of these, gives what is told, and builds nothing of what serves. Its page begins with a whole program.

The schemas of all of it are in [rpc.schema.json](rpc.schema.json). This page and those are written by a test.
";

/// The page about the socket, in Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("\n## What can be asked\n\n| method | parameters | what it does |\n|---|---|---|\n");
    let schema = schema();
    for method in METHODS {
        let params = fields(&schema, &["methods", method.name, "params"]);
        // Writing to a text does not fail.
        let _ = writeln!(page, "| `{}` | {params} | {} |", method.name, method.about);
    }
    page.push_str("\n## What is told\n\n| notification | parameters | when |\n|---|---|---|\n");
    for told in NOTIFICATIONS {
        let params = fields(&schema, &["notifications", told.name]);
        let _ = writeln!(page, "| `{}` | {params} | {} |", told.name, told.about);
    }
    page
}

/// The schemas of all that goes over the socket.
#[must_use]
pub fn schema() -> Value {
    let mut schemas = SchemaSettings::draft2020_12().into_generator();
    let methods: Map<String, Value> = METHODS
        .iter()
        .map(|method| {
            let (params, result) = ((method.params)(&mut schemas), (method.result)(&mut schemas));
            (
                method.name.to_owned(),
                json!({ "about": method.about, "params": params, "result": result }),
            )
        })
        .collect();
    let notifications: Map<String, Value> = NOTIFICATIONS
        .iter()
        .map(|told| (told.name.to_owned(), (told.params)(&mut schemas).to_value()))
        .collect();
    let definitions: Map<String, Value> = schemas.take_definitions(true).into_iter().collect();
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "methods": methods,
        "notifications": notifications,
        "$defs": definitions,
    });
    // The file is the same whatever else a build has.
    schema.sort_all_objects();
    schema
}

/// The fields of what a schema refers to; those that may be missing have a question mark.
fn fields(schema: &Value, path: &[&str]) -> String {
    let found = path.iter().try_fold(schema, |value, key| value.get(key));
    let name = found.and_then(|found| found.get("$ref")?.as_str()?.rsplit('/').next());
    let defined = name.and_then(|name| schema.get("$defs")?.get(name));
    let required: Vec<&str> = defined
        .and_then(|defined| defined.get("required")?.as_array())
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let properties = defined.and_then(|defined| defined.get("properties")?.as_object());
    let names = properties.into_iter().flatten().map(|(name, _)| {
        let optional = if required.contains(&name.as_str()) {
            ""
        } else {
            "?"
        };
        format!("`{name}`{optional}")
    });
    names.collect::<Vec<_>>().join(", ")
}

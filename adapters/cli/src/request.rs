//! `glasswork request`: what a model was sent, and what differs from what it was sent before.

use glasswork_app_runtime::ending::ExitCode;
use glasswork_query::Graph;
use serde_json::{Value, json};

use crate::compose::{self, Sessions};
use crate::console::{Console, Paint};
use crate::graph::{self, short, text_at};
use crate::problem::Problem;
use crate::reading_commands::Request;
use crate::{escape, outline};

const REQUEST: &str = include_str!("graph/request.graphql");

/// Shows a request, or what differs between two.
pub(crate) fn request(
    arguments: &Request,
    sessions: &Sessions,
    console: &Console,
) -> Result<ExitCode, Problem> {
    let tasks = compose::tasks()?;
    let graph = sessions.graph();
    let shown = match (arguments.step, arguments.diff) {
        (Some(to), Some(from)) => {
            let variables =
                json!({ "session": arguments.session, "from": from, "to": to, "at": arguments.at.at });
            let mut answer = tasks.block_on(one(&graph, "RequestDiff", variables))?;
            answer.get_mut("requestDiff").map(Value::take).unwrap_or_default()
        }
        (step, _) => tasks.block_on(whole(&graph, arguments, step))?,
    };
    if shown.is_null() {
        return Err(Problem::usage(
            "no model is chosen in this session, so nothing would be sent; `--step N` shows a request that was made",
        ));
    }
    graph::show(&shown, arguments.json, console, |paint| match arguments.diff {
        Some(_) => diff_text(&shown, paint),
        None => text(&shown, paint),
    })
}

async fn one(graph: &Graph, operation: &str, variables: Value) -> Result<Value, Problem> {
    graph::data_of(graph, REQUEST, variables, Some(operation)).await
}

/// A request with all of its messages.
async fn whole(graph: &Graph, arguments: &Request, step: Option<u64>) -> Result<Value, Problem> {
    let mut messages = Vec::new();
    let mut after = Value::Null;
    loop {
        let variables = json!({
            "session": arguments.session, "at": arguments.at.at, "step": step, "after": after,
        });
        let operation = if step.is_some() { "Request" } else { "NextRequest" };
        let mut answer = one(graph, operation, variables).await?;
        let mut request = answer.get_mut("request").map(Value::take).unwrap_or_default();
        let nodes = request.pointer_mut("/messages/nodes").map(Value::take);
        if let Some(Value::Array(nodes)) = nodes {
            messages.extend(nodes);
        }
        let page = request.pointer("/messages/pageInfo").cloned().unwrap_or_default();
        if page.get("hasNextPage") == Some(&Value::Bool(true)) {
            after = page.get("endCursor").cloned().unwrap_or_default();
            continue;
        }
        if let Value::Object(fields) = &mut request {
            fields.insert("messages".to_owned(), Value::Array(messages));
        }
        return Ok(request);
    }
}

fn number(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

/// `prompted in 2`
fn by(part: &Value) -> String {
    match part.get("by").filter(|by| !by.is_null()) {
        Some(by) => format!("{} in {}", text_at(by, "/event"), short(text_at(by, "/id"))),
        None => "it is not known by which dispatch".to_owned(),
    }
}

fn list<'v>(of: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    of.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn text(request: &Value, paint: Paint) -> String {
    let name = text_at(request, "/id");
    let mut text = match request.get("recorded") == Some(&Value::Bool(true)) {
        true => format!("{}, prepared by {}\n", paint.bold(name), by(request)),
        false => format!("{} would be sent now\n", paint.bold(name)),
    };
    text.push_str(&format!(
        "{} ({}), about {} tokens\n",
        escape::line(text_at(request, "/model")),
        text_at(request, "/purpose")
            .to_ascii_lowercase()
            .replace('_', " "),
        number(request, "/estimate"),
    ));
    if let Some(body) = request.get("body").filter(|body| !body.is_null()) {
        let digest = text_at(body, "/digest");
        text.push_str(&format!(
            "{} bytes were sent, blake3 {digest}\n",
            number(body, "/bytes")
        ));
    }
    text.push_str(&cache_text(request));
    for (name, head) in [("system", "system"), ("tools", "tool")] {
        for part in list(request, name) {
            text.push_str(&format!(
                "{} {}  {}\n",
                paint.cyan(&format!("{head:<9}")),
                escape::line(text_at(part, "/name")),
                paint.dim(&format!("{} tokens, {}", number(part, "/tokens"), by(part))),
            ));
        }
    }
    for message in list(request, "messages") {
        let unsent = match message.get("sent") == Some(&Value::Bool(false)) {
            true => "not sent; ",
            false => "",
        };
        let kind = text_at(message, "/kind").to_ascii_lowercase().replace('_', " ");
        text.push_str(&format!(
            "{} {}: {}  {}\n",
            paint.cyan(&format!("message {}", number(message, "/index"))),
            kind,
            escape::line(text_at(message, "/preview")),
            paint.dim(&format!(
                "{unsent}{} tokens, {}",
                number(message, "/tokens"),
                by(message)
            )),
        ));
    }
    for words in list(request, "steering") {
        let words = outline::cut(&escape::line(words.as_str().unwrap_or_default()), 100);
        text.push_str(&format!("{} {words}\n", paint.cyan("steering ")));
    }
    text
}

fn cache_text(request: &Value) -> String {
    let [read, written, input] =
        ["read", "written", "input"].map(|name| number(request, &format!("/cache/{name}")));
    match text_at(request, "/cache/status") {
        "HIT" => {
            format!("of {input} tokens the provider read {read} from its cache, and wrote {written} to it\n")
        }
        "MISS" => {
            format!("of {input} tokens the provider read none from its cache, and wrote {written} to it\n")
        }
        _ => String::new(),
    }
}

fn diff_text(diff: &Value, paint: Paint) -> String {
    let [from, to] = ["/from/id", "/to/id"].map(|id| text_at(diff, id));
    let mut text = format!("{}\n", paint.bold(&format!("{from} → {}", short(to))));
    text.push_str(&format!(
        "{} parts stand where they stood\n",
        number(diff, "/keptCount")
    ));
    for part in list(diff, "parts") {
        text.push_str(&part_text(part, paint));
    }
    if let Some(to) = diff.get("to") {
        text.push_str(&cache_text(to));
    }
    match diff.get("cacheMiss").filter(|miss| !miss.is_null()) {
        None => {
            text.push_str("the later request begins with the earlier one: a cache could serve all of that\n")
        }
        Some(miss) => {
            let part = miss.get("part").unwrap_or(&Value::Null);
            text.push_str(&format!(
                "{} from {} {} on nothing can come from a cache: {}\n",
                paint.red("cache miss:"),
                text_at(part, "/kind").to_ascii_lowercase(),
                number(part, "/index"),
                by(miss),
            ));
            let said = text_at(miss, "/text");
            if !said.is_empty() {
                text.push_str(&format!("  {}\n", outline::cut(&escape::line(said), 100)));
            }
        }
    }
    text
}

fn part_text(part: &Value, paint: Paint) -> String {
    let sign = match text_at(part, "/change") {
        "ADDED" => "+",
        "REMOVED" => "-",
        "CHANGED" => "~",
        _ => "=",
    };
    let value = |name| {
        part.get(name)
            .and_then(Value::as_str)
            .map(|text| outline::cut(&escape::line(text), 60))
    };
    let became = match (value("before"), value("after")) {
        (Some(before), Some(after)) => format!("{before} → {after}"),
        (before, after) => after.or(before).unwrap_or_default(),
    };
    format!(
        "{sign} {} {} {}: {became}  {}\n",
        paint.cyan(&text_at(part, "/kind").to_ascii_lowercase()),
        number(part, "/index"),
        escape::line(text_at(part, "/name")),
        paint.dim(&by(part)),
    )
}

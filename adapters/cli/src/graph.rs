//! `glasswork query`, `log`, `trace`, `why` and `schema`: everything that they show comes from the graph.

use std::io::Read as _;

use glasswork_app_runtime::ending::ExitCode;
use glasswork_app_runtime::reading::Viewer;
use glasswork_query::{Code, Graph, QueryError};
use serde_json::{Value, json};

use crate::commands::Json;
use crate::compose::{self, Place, Sessions};
use crate::console::{Console, Layout, Paint};
use crate::escape;
use crate::outline;
use crate::problem::Problem;
use crate::reading_commands::{Diff, Log, Query, Trace, Why};

const LOG: &str = include_str!("graph/log.graphql");
const TRACE: &str = include_str!("graph/trace.graphql");
const WHY: &str = include_str!("graph/why.graphql");
const DIFF: &str = include_str!("graph/diff.graphql");
/// Most bytes of a query on standard input; the graph's own limit is lower.
const QUERY_BYTES: u64 = 1 << 20;

/// Asks the graph.
pub(crate) fn query(arguments: &Query, sessions: &Sessions, console: &Console) -> Result<ExitCode, Problem> {
    let variables = match &arguments.variables {
        None => Value::Null,
        Some(text) => serde_json::from_str(text)
            .map_err(|error| Problem::usage(format!("--variables is not JSON: {error}")))?,
    };
    let query = match &*arguments.query {
        "-" => {
            let mut text = String::new();
            let read = std::io::stdin()
                .lock()
                .take(QUERY_BYTES)
                .read_to_string(&mut text);
            read.map_err(|error| {
                Problem::usage(format!("cannot read the query from standard input: {error}"))
            })?;
            text
        }
        text => text.to_owned(),
    };
    let graph = sessions.graph();
    let (answer, errors) = compose::tasks()?.block_on(ask(&graph, &query, variables))?;
    console.json(&answer, Layout::Document)?;
    match errors.first() {
        None => Ok(ExitCode::Done),
        Some(first) => Err(told(first)),
    }
}

/// Prints the schema of the graph.
pub(crate) fn schema(console: &Console) -> Result<ExitCode, Problem> {
    console.data(&Place::find()?.sessions()?.graph().sdl())?;
    Ok(ExitCode::Done)
}

/// Lists the dispatches of a session.
pub(crate) fn log(arguments: &Log, sessions: &Sessions, console: &Console) -> Result<ExitCode, Problem> {
    let graph = sessions.graph();
    let tasks = compose::tasks()?;
    let mut after = Value::Null;
    let mut all = Vec::new();
    loop {
        let variables = json!({ "session": arguments.session, "at": arguments.at.at, "after": after });
        let mut page = tasks.block_on(data(&graph, LOG, variables))?;
        let nodes = page.pointer_mut("/session/dispatches/nodes").map(Value::take);
        let Some(Value::Array(nodes)) = nodes else { break };
        match arguments.json.json {
            true => all.extend(nodes),
            false => {
                console.data(
                    &nodes
                        .iter()
                        .map(|node| log_line(node, console.out))
                        .collect::<String>(),
                )?;
            }
        }
        after = page
            .pointer("/session/dispatches/pageInfo/endCursor")
            .cloned()
            .unwrap_or_default();
        if page.pointer("/session/dispatches/pageInfo/hasNextPage") != Some(&Value::Bool(true)) {
            break;
        }
    }
    if arguments.json.json {
        console.json(&all, Layout::Document)?;
    }
    Ok(ExitCode::Done)
}

/// Shows one dispatch in full.
pub(crate) fn trace(arguments: &Trace, sessions: &Sessions, console: &Console) -> Result<ExitCode, Problem> {
    let variables = json!({ "id": arguments.dispatch });
    let answer = answer(sessions, TRACE, variables)?;
    let dispatch = answer.get("dispatch").cloned().unwrap_or_default();
    show(&dispatch, arguments.json, console, |paint| {
        trace_text(&dispatch, paint)
    })
}

/// Shows why something is as it is.
pub(crate) fn why(arguments: &Why, sessions: &Sessions, console: &Console) -> Result<ExitCode, Problem> {
    let (subject, at) = (&arguments.id, arguments.at.at);
    let name = subject.rsplit_once('/').map_or("", |(_, name)| name);
    let of = match name {
        name if name.contains('.') => json!({ "toolCall": subject }),
        _ => match request_part(subject)? {
            Some(part) => json!({ "requestPart": part }),
            None => json!({ "dispatch": subject }),
        },
    };
    let answered = match answer(sessions, WHY, json!({ "of": of, "at": at })) {
        // An entry and a call are named alike; what is no call may be an entry.
        Err(error) if name.contains('.') => {
            let of = json!({ "entry": subject });
            answer(sessions, WHY, json!({ "of": of, "at": at })).map_err(|_| error)?
        }
        other => other?,
    };
    let why = answered.get("why").cloned().unwrap_or_default();
    show(&why, arguments.json, console, |paint| why_text(&why, paint))
}

/// `session/r3/0`, `session/r3/system/0`, `session/r3/tool/0`
fn request_part(subject: &str) -> Result<Option<Value>, Problem> {
    let Some((before, place)) = subject.rsplit_once('/') else {
        return Ok(None);
    };
    let (request, kind) = match before.rsplit_once('/') {
        Some((request, kind @ ("system" | "tool"))) if is_request(request) => (request, kind),
        _ if is_request(before) => (before, "message"),
        _ => return Ok(None),
    };
    let place: u64 = place.parse().map_err(|_| {
        Problem::usage(format!(
            "`{subject}` is no part of a request (`session/r3/0`, `session/r3/system/0`, `session/r3/tool/0`)"
        ))
    })?;
    Ok(Some(json!({ "request": request, kind: place })))
}

/// Shows what differs between two moments of a session.
pub(crate) fn diff(arguments: &Diff, sessions: &Sessions, console: &Console) -> Result<ExitCode, Problem> {
    let variables = json!({
        "session": arguments.session,
        "from": arguments.from,
        "to": arguments.to,
        "first": arguments.limit,
    });
    let answered = answer(sessions, DIFF, variables)?;
    let diff = answered.get("diff").cloned().unwrap_or_default();
    show(&diff, arguments.json, console, |paint| {
        let head = format!("{} → {}", text_at(&diff, "/from"), short(text_at(&diff, "/to")));
        match changes(&diff) {
            none if none.is_empty() => format!("{}\nnothing differs\n", paint.bold(&head)),
            changes => format!("{}{changes}\n", paint.bold(&head)),
        }
    })
}

/// `session/r3`
fn is_request(text: &str) -> bool {
    let number = text.rsplit_once('/').and_then(|(_, name)| name.strip_prefix('r'));
    number.is_some_and(|number| number.parse::<u64>().is_ok())
}

pub(crate) fn show(
    value: &Value,
    format: Json,
    console: &Console,
    text: impl FnOnce(Paint) -> String,
) -> Result<ExitCode, Problem> {
    match format.json {
        true => console.json(value, Layout::Document)?,
        false => console.data(&text(console.out))?,
    }
    Ok(ExitCode::Done)
}

/// What the graph over these sessions answers.
pub(crate) fn answer(sessions: &Sessions, query: &str, variables: Value) -> Result<Value, Problem> {
    compose::tasks()?.block_on(data(&sessions.graph(), query, variables))
}

/// The data of an answer without errors.
pub(crate) async fn data(graph: &Graph, query: &str, variables: Value) -> Result<Value, Problem> {
    data_of(graph, query, variables, None).await
}

/// The same of one operation of a document that has several.
pub(crate) async fn data_of(
    graph: &Graph,
    query: &str,
    variables: Value,
    operation: Option<&str>,
) -> Result<Value, Problem> {
    let response = graph.execute(Viewer::owner(), query, variables, operation).await;
    let (mut answer, errors) = (response.to_json().map_err(Problem::defect)?, response.errors());
    match errors.first() {
        None => Ok(answer.get_mut("data").map(Value::take).unwrap_or_default()),
        Some(first) => Err(told(first)),
    }
}

/// Asks the graph as the owner of this process.
pub(crate) async fn ask(
    graph: &Graph,
    query: &str,
    variables: Value,
) -> Result<(Value, Vec<QueryError>), Problem> {
    let response = graph.execute(Viewer::owner(), query, variables, None).await;
    Ok((response.to_json().map_err(Problem::defect)?, response.errors()))
}

/// What could not be answered, with the code that the process ends with.
pub(crate) fn told(error: &QueryError) -> Problem {
    let is = |code: Code| error.code == code.name();
    let code = if is(Code::Damaged) {
        ExitCode::Damaged
    } else if [Code::Unreadable, Code::Internal, Code::TimedOut]
        .into_iter()
        .any(is)
    {
        ExitCode::Failed
    } else {
        ExitCode::Usage
    };
    let place = match error.path.as_slice() {
        [] | [_] => String::new(),
        path => format!(" (at {})", path.join(".")),
    };
    Problem::Told {
        code,
        text: format!("{}{place}", error.message),
    }
}

pub(crate) fn text_at<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// `412` or `412!1`: the name inside the session.
pub(crate) fn short(id: &str) -> &str {
    id.rsplit_once('/').map_or(id, |(_, name)| name)
}

pub(crate) fn origin(of: &Value) -> String {
    let kind = text_at(of, "/origin/kind").to_ascii_lowercase();
    let name = of
        .pointer("/origin/name")
        .or(of.pointer("/origin/effect"))
        .and_then(Value::as_str);
    match name.or_else(|| of.pointer("/origin/effect").and_then(Value::as_str)) {
        Some(name) => {
            // An effect is named by its commit and its place in it.
            let inside = name.split_once('/').map_or(name, |(_, inside)| inside);
            format!("{kind} {}", escape::line(inside))
        }
        None => kind,
    }
}

fn log_line(dispatch: &Value, paint: Paint) -> String {
    let at = text_at(dispatch, "/at");
    let time = at.get(11..23).unwrap_or(at);
    let head = format!("{:>6}", short(text_at(dispatch, "/id")));
    let outcome = text_at(dispatch, "/outcome/kind");
    let mut line = format!("{head}  {}  {:<14}  ", paint.dim(time), origin(dispatch));
    let event = text_at(dispatch, "/event");
    match outcome {
        "COMMITTED" | "" => line.push_str(&paint.bold(event)),
        refused => {
            let why = text_at(dispatch, "/outcome/text");
            let refused = refused.to_ascii_lowercase().replace('_', " ");
            line.push_str(&format!("{event}  {} {}", paint.red(&refused), escape::line(why)));
        }
    }
    let text = text_at(dispatch, "/text");
    if !text.is_empty() {
        line.push_str(&format!("  {}", outline::cut(&escape::line(text), 100)));
    }
    line.push('\n');
    line
}

fn trace_text(dispatch: &Value, paint: Paint) -> String {
    let mut text = format!("{}\n", paint.bold(text_at(dispatch, "/id")));
    let Value::Object(fields) = dispatch else {
        return text;
    };
    for (name, value) in fields
        .iter()
        .filter(|(name, value)| *name != "id" && is_something(value))
    {
        let value = match name.as_str() {
            "stages" => stages(value),
            "stateDiff" => changes(value),
            _ => outline::of(value, 2),
        };
        text.push_str(&format!("{} {value}\n", paint.cyan(name)));
    }
    text
}

fn is_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(list) => !list.is_empty(),
        Value::Object(fields) => fields.values().any(is_something),
        _ => true,
    }
}

fn stages(stages: &Value) -> String {
    let list = stages.as_array().into_iter().flatten();
    let each = list.map(|stage| {
        let name = text_at(stage, "/stage").to_ascii_lowercase();
        format!(
            "{name} {} ns",
            stage.get("nanoseconds").cloned().unwrap_or_default()
        )
    });
    each.collect::<Vec<_>>().join(", ")
}

/// The differences of two states, a line for each.
pub(crate) fn changes(diff: &Value) -> String {
    let list = diff
        .get("changes")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let each = list.map(|change| {
        let path = change.get("path").and_then(Value::as_array).into_iter().flatten();
        let path = path.map(
            |segment| match segment.pointer("/index").and_then(Value::as_u64) {
                Some(index) => format!("[{index}]"),
                None => match segment.get("key").and_then(Value::as_str) {
                    Some(key) => format!("[{key}]"),
                    None => format!(".{}", text_at(segment, "/field")),
                },
            },
        );
        let path: String = path.collect();
        let value = |name| change.get(name).and_then(Value::as_str);
        let value = |name| value(name).map(|text| outline::cut(&escape::line(text), 100));
        let sign = match text_at(change, "/kind") {
            "ADDED" => "+",
            "REMOVED" => "-",
            _ => "~",
        };
        let became = match (value("before"), value("after")) {
            (Some(before), Some(after)) => format!("{before} → {after}"),
            (before, after) => after.or(before).unwrap_or_default(),
        };
        format!(
            "\n  {sign} {} {became}",
            escape::line(path.trim_start_matches('.'))
        )
    });
    let mut text: String = each.collect();
    if diff.get("more") == Some(&Value::Bool(true)) {
        text.push_str("\n  … and more");
    }
    text
}

/// An answer of the graph as text; its one field without a name, differences a line each.
pub(crate) fn answer_text(data: &Value) -> String {
    let only = data
        .as_object()
        .filter(|fields| fields.len() == 1)
        .and_then(|fields| fields.values().next());
    match only.unwrap_or(data) {
        diff if diff.get("changes").is_some() => changes(diff),
        other => outline::of(other, 2),
    }
}

fn why_text(why: &Value, paint: Paint) -> String {
    let mut text = format!("{}\n", paint.bold(text_at(why, "/subject")));
    if let Some(source) = why.get("source").filter(|source| !source.is_null()) {
        let line = source.get("line").and_then(Value::as_u64).unwrap_or(0);
        text.push_str(&format!(
            "imported from {}:{line}\n",
            escape::line(text_at(source, "/file"))
        ));
    }
    if let Some(call) = why.get("call").filter(|call| !call.is_null()) {
        text.push_str(&format!(
            "{} {} is {}\n",
            paint.cyan(&escape::line(text_at(call, "/tool"))),
            outline::of(call.get("arguments").unwrap_or(&Value::Null), 2),
            text_at(call, "/state").replace('_', " ")
        ));
    }
    if let Some(decision) = why.get("decision").filter(|decision| !decision.is_null()) {
        let from = match text_at(decision, "/modeFrom/file") {
            "" => text_at(decision, "/modeFrom/layer").to_ascii_lowercase(),
            file => match decision.pointer("/modeFrom/line").and_then(Value::as_u64) {
                Some(line) => format!("{file}:{line}"),
                None => file.to_owned(),
            },
        };
        text.push_str(&format!(
            "{} by rule {} in mode {} ({}); decided in {}\n",
            text_at(decision, "/verdict").to_ascii_lowercase(),
            text_at(decision, "/rule"),
            text_at(decision, "/mode").to_ascii_lowercase().replace('_', "-"),
            escape::line(&from),
            short(text_at(why, "/decidedBy/id")),
        ));
    }
    if let Some(approval) = why.get("approval").filter(|approval| !approval.is_null()) {
        let said = if approval.get("approved") == Some(&Value::Bool(true)) {
            "yes"
        } else {
            "no"
        };
        text.push_str(&format!(
            "a person said {said} in {}\n",
            short(text_at(approval, "/dispatch/id"))
        ));
    }
    for link in why.get("chain").and_then(Value::as_array).into_iter().flatten() {
        let dispatch = link.get("dispatch").cloned().unwrap_or_default();
        text.push_str(&format!(
            "{:>6}  {:<14}  {}  {}\n",
            short(text_at(&dispatch, "/id")),
            origin(&dispatch),
            paint.bold(text_at(&dispatch, "/event")),
            outline::cut(&escape::line(text_at(link, "/text")), 100),
        ));
    }
    text.push_str(match text_at(why, "/end") {
        "OUTSIDE" => "        which came from outside\n",
        "TOO_LONG" => "        and so on\n",
        _ => "        whose cause cannot be read here\n",
    });
    text
}

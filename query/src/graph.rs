//! The graph: what it is made of, and how a query is answered.

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use async_graphql::parser::{self, Error as ParseError};
use async_graphql::{
    EmptyMutation, EmptySubscription, Name, PathSegment, Request, SDLExportOptions, Schema, ServerError,
    Value, Variables,
};
use glasswork_ai::catalogue::Catalogue;
use glasswork_app_runtime::reading::{Reader, Viewer};
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::error::Code;
use crate::limits::{self, Limits};
use crate::operation::Operation;
use crate::root::Query;

type Whole = Schema<Query, EmptyMutation, EmptySubscription>;
type LazySchema = LazyLock<Whole, Box<dyn FnOnce() -> Whole + Send>>;

/// The graph over everything that a [`Reader`] reads. Clones share it.
#[derive(Clone)]
pub struct Graph {
    /// Made by whoever asks first: that takes some milliseconds and pages of memory, and most hosts are never asked.
    pub(crate) schema: Arc<LazySchema>,
    pub(crate) reader: Reader,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) limits: Arc<Limits>,
    places: Arc<Semaphore>,
}

impl std::fmt::Debug for Graph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Graph")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// What a query is answered: serialises as GraphQL's response, `data` and `errors`.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Response(pub(crate) async_graphql::Response);

/// An error of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryError {
    /// What is wrong.
    pub code: String,
    /// The same for people, with what to do.
    pub message: String,
    /// The field that could not be answered, from the root; empty where the whole query was refused.
    pub path: Vec<String>,
}

impl Response {
    /// What could not be answered.
    #[must_use]
    pub fn errors(&self) -> Vec<QueryError> {
        let error = |error: &ServerError| QueryError {
            code: code_of(error).unwrap_or_else(|| Code::Internal.name().to_owned()),
            message: error.message.clone(),
            path: error.path.iter().map(segment).collect(),
        };
        self.0.errors.iter().map(error).collect()
    }

    /// The response as JSON.
    ///
    /// # Errors
    /// Never in practice; serialisation is fallible by its interface.
    pub fn to_json(&self) -> serde_json::Result<serde_json::Value> {
        serde_json::to_value(&self.0)
    }

    fn refused(code: Code, message: impl Into<String>) -> Self {
        Self(async_graphql::Response::from_errors(vec![coded(
            ServerError::new(message, None),
            code,
        )]))
    }
}

fn segment(segment: &PathSegment) -> String {
    match segment {
        PathSegment::Field(name) => name.clone(),
        PathSegment::Index(index) => index.to_string(),
    }
}

fn code_of(error: &ServerError) -> Option<String> {
    match error.extensions.as_ref()?.get("code")? {
        Value::String(code) => Some(code.clone()),
        _ => None,
    }
}

fn coded(mut error: ServerError, code: Code) -> ServerError {
    error.extensions.get_or_insert_default().set("code", code.name());
    error
}

impl Graph {
    /// The graph with the limits that fit people and their programs.
    #[must_use]
    pub fn new(reader: Reader) -> Self {
        Self::with_limits(reader, Limits::default())
    }

    /// The graph with other limits.
    #[must_use]
    pub fn with_limits(reader: Reader, limits: Limits) -> Self {
        let (complexity, depth) = (limits.complexity, limits.depth);
        let made = move || {
            Schema::build(Query, EmptyMutation, EmptySubscription)
                .limit_complexity(complexity)
                // Depth is checked before validation, which recurses.
                .limit_recursive_depth(depth.saturating_add(1))
                .finish()
        };
        let places = Arc::new(Semaphore::new(limits.at_once));
        Self {
            schema: Arc::new(LazyLock::new(Box::new(made))),
            reader,
            catalogue: Arc::default(),
            limits: Arc::new(limits),
            places,
        }
    }

    /// The graph with this knowledge of models, instead of what is shipped with the program.
    #[must_use]
    pub fn with_models(self, catalogue: Arc<Catalogue>) -> Self {
        Self { catalogue, ..self }
    }

    /// The schema in GraphQL's own language.
    #[must_use]
    pub fn sdl(&self) -> String {
        let options = SDLExportOptions::new()
            .sorted_fields()
            .sorted_arguments()
            .sorted_enum_items();
        self.schema.sdl_with_options(options)
    }

    /// Answers a query as one viewer may see things: all of it as of one moment. `variables` is an object, or null;
    /// `operation` names the operation of a query that has several.
    ///
    /// Must be called within a tokio runtime. Reading may wait for files, so the work is done on a thread for
    /// blocking work.
    pub async fn execute(
        &self,
        viewer: Viewer,
        query: &str,
        variables: serde_json::Value,
        operation: Option<&str>,
    ) -> Response {
        let until = Instant::now() + self.limits.time;
        let request = match self.request(query, variables, operation) {
            Ok(request) => request,
            Err(refused) => return *refused,
        };
        let place = tokio::time::timeout_at(until.into(), Arc::clone(&self.places).acquire_owned()).await;
        let Ok(Ok(place)) = place else {
            return Response::refused(Code::TimedOut, "too many queries are being answered; try again");
        };
        let graph = self.clone();
        let runtime = Handle::current();
        let work = tokio::task::spawn_blocking(move || {
            let snapshot = graph.reader.snapshot(viewer);
            let operation = Arc::new(Operation::new(
                snapshot,
                Arc::clone(&graph.limits),
                Arc::clone(&graph.catalogue),
                until,
            ));
            let response = runtime.block_on(graph.schema.execute(request.data(operation)));
            drop(place);
            response
        });
        match tokio::time::timeout_at(until.into(), work).await {
            Ok(Ok(response)) => Response(classified(response)),
            Ok(Err(_)) => {
                Response::refused(Code::Internal, "the query's resolver failed; please report this")
            }
            // The thread sees by itself that its time is over, at the next thing that it reads.
            Err(_) => {
                let seconds = self.limits.time.as_secs_f32();
                Response::refused(
                    Code::TimedOut,
                    format!("the answer took longer than {seconds} s; ask for less"),
                )
            }
        }
    }

    pub(crate) fn request(
        &self,
        query: &str,
        variables: serde_json::Value,
        operation: Option<&str>,
    ) -> Result<Request, Box<Response>> {
        let refused = |(code, text)| Box::new(Response::refused(code, text));
        limits::check_text(query, &self.limits).map_err(refused)?;
        if variables.to_string().len() > self.limits.query_bytes {
            let text = format!("the variables have more than {} bytes", self.limits.query_bytes);
            return Err(refused((Code::QueryTooLarge, text)));
        }
        if !variables.is_object() && !variables.is_null() {
            return Err(refused((
                Code::Invalid,
                "the variables are not a JSON object".to_owned(),
            )));
        }
        let document = parser::parse_query(query).map_err(|error| {
            let code = match error {
                ParseError::RecursionLimitExceeded => Code::TooDeep,
                _ => Code::Malformed,
            };
            Box::new(Response(async_graphql::Response::from_errors(vec![coded(
                error.into(),
                code,
            )])))
        })?;
        limits::check_document(&document, &self.limits).map_err(refused)?;
        let mut request = Request::new(query).variables(Variables::from_json(variables));
        if let Some(operation) = operation {
            request = request.operation_name(operation);
        }
        request.set_parsed_query(document);
        Ok(request)
    }
}

/// Fields give their errors a code themselves. What has none comes from the library's validation, which has only
/// texts.
pub(crate) fn classified(mut response: async_graphql::Response) -> async_graphql::Response {
    for error in &mut response.errors {
        if code_of(error).is_none() {
            let code = if error.message == TOO_COMPLEX {
                Code::TooExpensive
            } else {
                Code::Invalid
            };
            *error = coded(error.clone(), code);
        }
    }
    for error in &response.errors {
        null_at(&mut response.data, &error.path);
    }
    response
}

/// The library leaves out a field that failed, and an object all of whose fields failed. GraphQL wants null there.
fn null_at(data: &mut Value, path: &[PathSegment]) {
    match (path.split_first(), data) {
        (None, _) => {}
        (Some((PathSegment::Index(index), rest)), Value::List(list)) => {
            if let Some(element) = list.get_mut(*index) {
                null_at(element, rest);
            }
        }
        (Some((PathSegment::Field(name), rest)), data) => {
            if *data == Value::Null {
                *data = Value::Object(Default::default());
            }
            if let Value::Object(fields) = data {
                null_at(fields.entry(Name::new(name)).or_insert(Value::Null), rest);
            }
        }
        (Some((PathSegment::Index(_), _)), _) => {}
    }
}

/// The library's text; a test sees to it that it is still that.
const TOO_COMPLEX: &str = "Query is too complex.";

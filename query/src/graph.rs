//! The graph: what it is made of, and how a query is answered.

use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::time::Instant;

use async_graphql::futures_util::StreamExt as _;
use async_graphql::futures_util::stream::BoxStream;
use async_graphql::parser::types::{ExecutableDocument, OperationType};
use async_graphql::parser::{self, Error as ParseError};
use async_graphql::{Name, PathSegment, Request, ServerError, Value, Variables};
use glasswork_ai::catalogue::Catalogue;
use glasswork_app_runtime::attachments::Attachments;
use glasswork_app_runtime::reading::{Reader, Viewer, Visible};
use serde::Serialize;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::acting::{Acting, PATIENT};
use crate::asker::Asker;
use crate::error::Code;
use crate::keys::Keys;
use crate::lazy_schema::LazySchema;
use crate::limits::{self, Limits};

/// The graph over everything that a [`Reader`] reads. Clones share it.
#[derive(Clone)]
pub struct Graph {
    pub(crate) schema: Arc<LazySchema>,
    pub(crate) reader: Reader,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) limits: Arc<Limits>,
    /// Places of queries, of operations and of subscriptions: none of them waits for another kind.
    places: Arc<Semaphore>,
    acting: Arc<Semaphore>,
    patient: Arc<Semaphore>,
    subscriptions: Arc<Semaphore>,
    bisections: Arc<Semaphore>,
    /// What does the operations. A graph keeps no host alive.
    host: Option<Weak<Attachments>>,
    keys: Arc<Keys>,
}

/// What an operation of GraphQL does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It looks.
    Query,
    /// It changes something.
    Mutation,
    /// It is told of what comes.
    Subscription,
}

/// A request that was parsed, and is within the limits that its text can be held against.
#[derive(Debug)]
pub struct Prepared {
    request: Request,
    kind: Kind,
}

impl Prepared {
    /// What it does. Where it could be several, the one that does most.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

/// A subscription that goes on. Dropping it ends it, and nothing of it stays.
pub struct Subscribed {
    responses: BoxStream<'static, async_graphql::Response>,
    _place: OwnedSemaphorePermit,
}

impl std::fmt::Debug for Subscribed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Subscribed")
    }
}

impl Subscribed {
    /// What comes next; `None` where nothing more comes. Cancellation safe.
    pub async fn next(&mut self) -> Option<Response> {
        let response = poll_fn(|context| blocking(|| self.responses.poll_next_unpin(context))).await?;
        let mut response = classified(response);
        // The one field of a subscription cannot be null, so without it there is no data at all.
        if response.errors.iter().any(|error| error.path.len() <= 1) {
            response.data = Value::Null;
        }
        Some(Response(response))
    }
}

/// Fields may read files. Where there are other threads, they go on with everything else meanwhile.
fn blocking<T>(work: impl FnOnce() -> T) -> T {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        _ => work(),
    }
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

    /// Whether there is no data, because the request as a whole was refused.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.0.data == Value::Null && !self.0.errors.is_empty()
    }

    /// The response as JSON.
    ///
    /// # Errors
    /// Never in practice; serialisation is fallible by its interface.
    pub fn to_json(&self) -> serde_json::Result<serde_json::Value> {
        serde_json::to_value(&self.0)
    }

    pub(crate) fn refused(code: Code, message: impl Into<String>) -> Self {
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
        let places = |count| Arc::new(Semaphore::new(count));
        Self {
            schema: Arc::new(LazySchema::new(&limits)),
            reader,
            catalogue: Arc::default(),
            places: places(limits.at_once),
            acting: places(limits.at_once),
            patient: places(PATIENT),
            subscriptions: places(limits.subscriptions),
            bisections: places(limits.bisections),
            limits: Arc::new(limits),
            host: None,
            keys: Arc::default(),
        }
    }

    /// The graph through which the operations of this host can be asked for, by a viewer who sees everything. Turns that
    /// begin by them stand in the line of its clients.
    #[must_use]
    pub fn with_operations(self, host: &Arc<Attachments>) -> Self {
        Self {
            host: Some(Arc::downgrade(host)),
            ..self
        }
    }

    /// How much may be asked for.
    #[must_use]
    pub fn limits(&self) -> &Arc<Limits> {
        &self.limits
    }

    pub(crate) fn bisections(&self) -> &Arc<Semaphore> {
        &self.bisections
    }

    pub(crate) fn reader(&self) -> &Reader {
        &self.reader
    }

    pub(crate) fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    pub(crate) fn host(&self) -> Option<&Weak<Attachments>> {
        self.host.as_ref()
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The graph with this knowledge of models, instead of what is shipped with the program.
    #[must_use]
    pub fn with_models(self, catalogue: Arc<Catalogue>) -> Self {
        Self { catalogue, ..self }
    }

    /// The schema in GraphQL's own language.
    #[must_use]
    pub fn sdl(&self) -> String {
        self.schema.sdl()
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
        match self.prepare(query, variables, operation) {
            Ok(prepared) => self.run(viewer, prepared).await,
            Err(refused) => *refused,
        }
    }

    /// Parses a request and holds it against the limits, so that what it does is known before it is done.
    ///
    /// # Errors
    /// The response that refuses it.
    pub fn prepare(
        &self,
        query: &str,
        variables: serde_json::Value,
        operation: Option<&str>,
    ) -> Result<Prepared, Box<Response>> {
        let (request, kind) = self.request(query, variables, operation)?;
        Ok(Prepared { request, kind })
    }

    /// Answers a query, or does what a mutation asks for, as [`execute`](Self::execute) says. An operation that was
    /// begun goes on where nobody waits for its answer any more.
    pub async fn run(&self, viewer: Viewer, prepared: Prepared) -> Response {
        let Prepared { request, kind } = prepared;
        let (places, time) = match kind {
            Kind::Query => (&self.places, self.limits.time),
            Kind::Mutation => (&self.acting, self.limits.acting),
            Kind::Subscription => {
                let text = "a subscription has no single answer; subscribe over a WebSocket";
                return Response::refused(Code::Invalid, text);
            }
        };
        if kind == Kind::Mutation && (viewer.sessions != Visible::All || self.host.is_none()) {
            let text = "this graph can be read only, here and by this viewer: nothing was changed";
            return Response::refused(Code::ReadOnly, text);
        }
        let until = Instant::now() + time;
        let place = tokio::time::timeout_at(until.into(), Arc::clone(places).acquire_owned()).await;
        let Ok(Ok(place)) = place else {
            return Response::refused(Code::TimedOut, "too many queries are being answered; try again");
        };
        let graph = self.clone();
        let runtime = Handle::current();
        let work = tokio::task::spawn_blocking(move || {
            let operation = Arc::new(graph.operation(viewer.clone(), until));
            let acting = Arc::new(Acting::new(place, &graph.patient));
            let asker = Asker {
                graph: graph.clone(),
                viewer,
                acting: Some(Arc::clone(&acting)),
            };
            let response = runtime.block_on(graph.schema.execute(request.data(operation).data(asker)));
            drop(acting);
            response
        });
        match tokio::time::timeout_at(until.into(), work).await {
            Ok(Ok(response)) => Response(classified(response)),
            Ok(Err(_)) => {
                Response::refused(Code::Internal, "the query's resolver failed; please report this")
            }
            Err(_) if kind == Kind::Mutation => {
                let text =
                    "the operation takes long, and may still happen; ask again with the same key, or look";
                Response::refused(Code::TimedOut, text)
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

    /// Waits until no operation is under way any more: then nothing of them holds the runtime.
    pub async fn settled(&self) {
        let all = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        // One that waits goes on with the place that it has by then.
        let _acting = self.acting.acquire_many(all(self.limits.at_once)).await;
        let _patient = self.patient.acquire_many(all(PATIENT)).await;
    }

    /// Begins a subscription, as one viewer may see things. Each of its responses is of one moment.
    ///
    /// Must be called within a tokio runtime, and so must [`Subscribed::next`].
    ///
    /// # Errors
    /// The response that refuses it: it is no subscription, or too many are open.
    pub fn subscribe(&self, viewer: Viewer, prepared: Prepared) -> Result<Subscribed, Box<Response>> {
        let refused = |code, text: &str| Box::new(Response::refused(code, text));
        if prepared.kind != Kind::Subscription {
            return Err(refused(Code::Invalid, "this is no subscription"));
        }
        let place = Arc::clone(&self.subscriptions).try_acquire_owned().map_err(|_| {
            let text = "as many subscriptions as this host allows are open; end one, or try again";
            refused(Code::TooManySubscriptions, text)
        })?;
        let asker = Asker {
            graph: self.clone(),
            viewer,
            acting: None,
        };
        Ok(Subscribed {
            responses: self.schema.subscribe(prepared.request.data(asker)),
            _place: place,
        })
    }

    pub(crate) fn request(
        &self,
        query: &str,
        variables: serde_json::Value,
        operation: Option<&str>,
    ) -> Result<(Request, Kind), Box<Response>> {
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
        let kind = kind(&document, operation);
        let mut request = Request::new(query).variables(Variables::from_json(variables));
        if let Some(operation) = operation {
            request = request.operation_name(operation);
        }
        request.set_parsed_query(document);
        Ok((request, kind))
    }
}

fn kind(document: &ExecutableDocument, operation: Option<&str>) -> Kind {
    let named = document
        .operations
        .iter()
        .filter(|(name, _)| operation.is_none() || name.map(Name::as_str) == operation);
    let kinds: Vec<OperationType> = named.map(|(_, operation)| operation.node.ty).collect();
    match kinds {
        kinds if kinds.contains(&OperationType::Mutation) => Kind::Mutation,
        kinds if kinds.contains(&OperationType::Subscription) => Kind::Subscription,
        _ => Kind::Query,
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

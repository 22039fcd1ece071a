//! The schema with its resolvers, behind functions that the compiler makes once.
//!
//! The body of an `async fn` is a closure to the compiler, and the code of closures is made anew in each crate, and each unit
//! of one, that comes to it. Whoever awaits a resolver has a copy of it, and of all that it awaits. So nobody but this file
//! does, and what it gives out is boxed.

use std::future::Future;
use std::pin::Pin;
use std::sync::LazyLock;

use async_graphql::futures_util::stream::BoxStream;
use async_graphql::{Request, Response, SDLExportOptions, Schema};

use crate::limits::Limits;
use crate::mutation::Mutation;
use crate::root::Query;
use crate::subscription::Subscription;

type Whole = Schema<Query, Mutation, Subscription>;

/// Made by whoever asks first: that takes some milliseconds and pages of memory, and most hosts are never asked.
pub(crate) struct LazySchema(LazyLock<Whole, Box<dyn FnOnce() -> Whole + Send>>);

impl LazySchema {
    pub(crate) fn new(limits: &Limits) -> Self {
        let (complexity, depth) = (limits.complexity, limits.depth);
        Self(LazyLock::new(Box::new(move || whole(complexity, depth))))
    }

    /// Answers a query, or does what a mutation says.
    #[inline(never)]
    pub(crate) fn execute(&self, request: Request) -> Pin<Box<dyn Future<Output = Response> + Send + '_>> {
        Box::pin(self.0.execute(request))
    }

    /// Begins a subscription.
    #[inline(never)]
    pub(crate) fn subscribe(&self, request: Request) -> BoxStream<'static, Response> {
        self.0.execute_stream(request)
    }

    /// In GraphQL's own language.
    #[inline(never)]
    pub(crate) fn sdl(&self) -> String {
        let options = SDLExportOptions::new()
            .sorted_fields()
            .sorted_arguments()
            .sorted_enum_items();
        self.0.sdl_with_options(options)
    }
}

#[inline(never)]
fn whole(complexity: usize, depth: usize) -> Whole {
    Schema::build(Query, Mutation, Subscription)
        .limit_complexity(complexity)
        // Depth is checked before validation, which recurses.
        .limit_recursive_depth(depth.saturating_add(1))
        .finish()
}

//! The graph: everything about a running or recorded Glasswork, in GraphQL.
//!
//! A [`Graph`] reads through app-runtime's `Reader` and through nothing else. One query sees one snapshot, as one
//! viewer may see it. Each field that has to read something can fail alone: it is null then, and `errors` says why,
//! with a [`Code`] in `extensions.code`.
//!
//! A graph that was [given a running host](Graph::with_operations) can be asked for changes too, by its owner: a
//! mutation is an operation of app-runtime, and what comes of it is on record. Subscriptions tell what comes.
//!
//! What is explained is what was recorded: a decision about a tool call comes from the journal with the rule that made
//! it, charts are described by the tables that run, events and facts by the types that are written.

mod acting;
mod asker;
mod attached_client;
mod bisect;
mod bisection;
mod branch_summary;
mod call;
mod chart;
mod choice;
mod compaction;
mod context_part;
mod controls;
mod cursor;
mod dialog;
mod diff;
mod dispatch;
mod effect;
mod entry;
mod error;
mod failover;
mod footer;
mod footprint;
mod graph;
mod host;
mod id;
mod image;
mod import;
mod journal;
mod keys;
mod lazy_schema;
mod limits;
mod mcp;
mod model;
mod mutation;
mod node;
mod operation;
mod origin;
mod page;
mod plan;
mod question;
mod rate_limit;
mod refusal;
mod request;
mod request_diff;
mod root;
mod scalar;
mod schema;
mod session;
mod sessions;
mod setting;
mod shape;
mod slash_command;
mod structured;
mod subscription;
mod summary;
mod text;
mod tokens;
mod tool;
mod tree_node;
mod turn;
mod turn_place;
mod under_way;
mod wait;
mod why;

pub use bisect::{BisectError, Bisection, MOST_STATES, Wanted};
pub use error::Code;
pub use graph::{Graph, Kind, Prepared, QueryError, Response, Subscribed};
pub use limits::Limits;

//! The pure heart of an agent: conversation tree, charts, partial answers, context.
//!
//! Nothing here waits, reads a clock or touches the world: the caller brings time and ids, and does the work that
//! the charts ask for.

pub mod answer;
pub mod branch_summary;
pub mod compaction;
pub mod context;
pub mod id;
pub mod json_schema;
pub mod loop_guard;
pub mod mcp_server;
pub mod partial;
pub mod plan;
pub mod question;
pub mod session;
pub mod structured;
pub mod superseded;
pub mod tail_map;
pub mod tool_call;
pub mod tree;
pub mod turn;

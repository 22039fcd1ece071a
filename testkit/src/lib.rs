//! What tests of Glasswork need.

pub mod authority;
pub mod authorization_server;
pub mod house;
pub mod kept;
pub mod mcp_server;
pub mod model_server;
pub mod packages;
pub mod programs;
pub mod proxy_server;
pub mod request_rules;
pub mod second;

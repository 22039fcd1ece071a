//! What tests of Glasswork need.

pub mod model_server;

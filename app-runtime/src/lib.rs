//! What every screen needs and must not answer twice: start-up and shut-down, operations, reading, projections,
//! settings by layer.
//!
//! Screens and transports call this crate and nothing below it, but for data types.

pub mod api_keys;
pub mod archive;
pub mod attachments;
pub mod breakers;
pub mod bundle;
mod candidates;
pub mod charts;
mod checkout;
pub mod closing;
pub mod credentials;
pub mod demo;
pub mod doctor;
pub mod ending;
pub mod explain;
pub mod export;
pub mod files;
pub mod homes;
mod housekeeping;
mod import_operations;
pub mod importing;
mod indexing;
pub mod instructions;
mod leftovers;
pub mod local_servers;
pub mod model_import;
pub mod model_list;
pub mod models;
mod mounting;
pub mod network;
mod not_as_asked;
mod one_moment;
pub mod one_record;
pub mod own_models;
mod past_hosts;
pub mod pictures;
pub mod projection;
pub mod prompting;
pub mod proxy_setting;
pub mod reading;
pub mod resuming;
pub mod retention;
pub mod runtime;
pub mod runtime_directory;
pub mod sagas;
pub mod server_settings;
pub mod servers;
pub mod settings;
pub mod sign_in;
mod spending;
pub mod structured;
mod system_prompt;
mod tree_operations;
pub mod watching;
pub mod written_file;

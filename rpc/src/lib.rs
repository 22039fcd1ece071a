//! The doors of a running Glasswork. They know transports, and nothing of what a session means.

pub mod acp;
pub mod http;
pub mod socket;

//! The program as people and programs meet it: the real binary, in a home and a directory of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // a test fails by panicking

mod acp;
mod acp_editor;
mod api_keys;
mod attach;
mod choosing;
mod closing;
mod compact;
mod damage;
mod demo;
mod ending;
mod exchange;
mod graph;
mod hosts;
mod http;
mod images;
mod keyring;
mod layers;
mod leaving;
mod mcp;
mod models;
mod models_wrong;
mod network;
mod output;
mod picking;
mod plan;
mod providers;
mod questions;
mod run;
mod sessions;
mod sign_in;
mod structured;
mod support;
mod terminal;
mod time;
mod usage;

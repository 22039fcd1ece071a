//! What every screen needs and must not answer twice.

pub mod archive;
pub mod reading;

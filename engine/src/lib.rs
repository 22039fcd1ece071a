//! One gate for every change of state.

pub mod chart;
pub mod domain;
pub mod envelope;

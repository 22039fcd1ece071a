//! What tests of Glasswork need.

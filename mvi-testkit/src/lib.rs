//! mvi-testkit.

pub mod conformance;

//! A table of one type.

/// A table of one type.
#[derive(Debug)]
pub struct Typed;

/// A value and its version.
#[derive(Debug)]
pub struct Versioned;

//! mvi-testkit.

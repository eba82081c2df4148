//! mvi-core.

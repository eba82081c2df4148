//! mvi-gcp.

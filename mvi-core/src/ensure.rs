//! Creates that repeat safely by name: for provider authors.

//! Tests of what providers and callers share.

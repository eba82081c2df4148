//! Items to and from any type that serde knows.

//! Where things are: every path that a task reads or writes starts here.

use std::path::{Path, PathBuf};

/// The workspace's root folder.
pub(crate) fn workspace() -> PathBuf {
    // Set by `cargo run`; the one compiled in serves a binary that was started by hand.
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest.parent().map_or_else(|| manifest.clone(), Path::to_path_buf)
}

/// Cargo's target folder.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}

/// Where the oracles are installed and run.
pub(crate) fn oracles() -> PathBuf {
    target().join("oracles")
}

/// Where conformance runs leave their results, one file a backend.
pub(crate) fn conformance() -> PathBuf {
    target().join("conformance")
}

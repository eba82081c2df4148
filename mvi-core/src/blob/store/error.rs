//! What `object_store` calls an error, and back.

use object_store::{Error as StoreError, path::Path};

use crate::{Error, ErrorKind};

/// What a condition that does not hold is called.
#[derive(Clone, Copy)]
pub(super) enum Conflict {
    Exists,
    Precondition,
    NotModified,
}

pub(super) fn store_error(error: Error, path: &str, conflict: Conflict) -> StoreError {
    let path = path.to_owned();
    match (error.kind(), conflict) {
        (ErrorKind::NotFound, _) => StoreError::NotFound { path, source: error.into() },
        (ErrorKind::AlreadyExists, _) | (ErrorKind::Conflict, Conflict::Exists) => {
            StoreError::AlreadyExists { path, source: error.into() }
        }
        (ErrorKind::Conflict, Conflict::Precondition) => {
            StoreError::Precondition { path, source: error.into() }
        }
        (ErrorKind::Conflict, Conflict::NotModified) => {
            StoreError::NotModified { path, source: error.into() }
        }
        (ErrorKind::Forbidden, _) => StoreError::PermissionDenied { path, source: error.into() },
        (ErrorKind::Unauthenticated, _) => {
            StoreError::Unauthenticated { path, source: error.into() }
        }
        (ErrorKind::Unsupported, _) => StoreError::NotSupported { source: error.into() },
        _ => generic(error),
    }
}

pub(super) fn generic(error: Error) -> StoreError {
    StoreError::Generic { store: "mvi", source: error.into() }
}

/// That of a call on two paths: what is not found is what was read.
pub(super) fn two(error: Error, from: &Path, to: &Path, conflict: Conflict) -> StoreError {
    let path = if error.kind() == ErrorKind::NotFound { from } else { to };
    store_error(error, path.as_ref(), conflict)
}

impl From<StoreError> for Error {
    /// What a [`Store`](super::Store) was told, or what another store says in its own words.
    fn from(error: StoreError) -> Self {
        let (kind, source) = match error {
            StoreError::NotFound { source, .. } => (ErrorKind::NotFound, source),
            StoreError::AlreadyExists { source, .. } => (ErrorKind::AlreadyExists, source),
            StoreError::Precondition { source, .. } | StoreError::NotModified { source, .. } => {
                (ErrorKind::Conflict, source)
            }
            StoreError::PermissionDenied { source, .. } => (ErrorKind::Forbidden, source),
            StoreError::Unauthenticated { source, .. } => (ErrorKind::Unauthenticated, source),
            StoreError::NotSupported { source } => (ErrorKind::Unsupported, source),
            StoreError::Generic { source, .. } => (ErrorKind::Internal, source),
            other => {
                let kind = match other {
                    StoreError::NotImplemented { .. } => ErrorKind::Unsupported,
                    StoreError::InvalidPath { .. } => ErrorKind::Invalid,
                    _ => ErrorKind::Internal,
                };
                return Self::new(kind, "an object store failed").with_source(other);
            }
        };
        match source.downcast::<Self>() {
            Ok(own) => *own,
            Err(source) => Self::new(kind, "an object store failed").with_source(source),
        }
    }
}

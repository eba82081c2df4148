//! The one place where this crate asks for the time.

use jiff::Timestamp;

/// The time of the provider: Amazon keeps its own clock by the same standard.
#[expect(clippy::disallowed_methods, reason = "this is the crate's one clock function")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

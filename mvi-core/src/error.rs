//! One error for every service: act on [`ErrorKind`], read the rest.

use std::{error::Error as StdError, fmt, time::Duration};

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

type BoxError = Box<dyn StdError + Send + Sync>;

/// What a caller can do about a failure.
///
/// A kind exists only if a caller would act differently on it.
///
/// ```
/// use mvi_core::{Error, ErrorKind};
///
/// fn seconds_to_wait(error: &Error) -> Option<u64> {
///     match error.kind() {
///         ErrorKind::Throttled => Some(1),
///         ErrorKind::Unavailable if error.is_capacity() => None, // another zone, not the same again
///         ErrorKind::Unavailable => Some(5),
///         _ => None,
///     }
/// }
/// assert_eq!(seconds_to_wait(&Error::new(ErrorKind::Throttled, "slow down")), Some(1));
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorKind {
    /// The resource does not exist.
    NotFound,
    /// The name is taken by something with other settings, or by something that is not ours.
    AlreadyExists,
    /// The resource changed or is in use: read again, then decide.
    Conflict,
    /// The request can never succeed as written.
    Invalid,
    /// The provider does not know who is calling: refresh the credentials, or mend the clock.
    Unauthenticated,
    /// The caller may not do this.
    Forbidden,
    /// A quota is used up: ask for more, or free some.
    Exhausted,
    /// Too many requests: slow down, then retry. Nothing was applied by the attempt that was throttled.
    Throttled,
    /// The provider could not serve the request now.
    Unavailable,
    /// No answer in time.
    Timeout,
    /// The provider cannot do this, or the cargo feature that can is off.
    Unsupported,
    /// A checksum or a signature does not hold.
    Corrupt,
    /// The provider failed, or answered in a way that we do not understand.
    Internal,
}

impl ErrorKind {
    /// What a failure of this kind says of the request, where its provider says no more.
    ///
    /// ```
    /// use mvi_core::{Applied, ErrorKind};
    ///
    /// assert_eq!(ErrorKind::Throttled.applied(), Applied::No);
    /// assert_eq!(ErrorKind::Timeout.applied(), Applied::Unknown);
    /// ```
    pub const fn applied(self) -> Applied {
        match self {
            Self::NotFound
            | Self::AlreadyExists
            | Self::Conflict
            | Self::Invalid
            | Self::Unauthenticated
            | Self::Forbidden
            | Self::Exhausted
            | Self::Throttled
            | Self::Unsupported => Applied::No,
            Self::Unavailable | Self::Timeout | Self::Corrupt | Self::Internal => Applied::Unknown,
        }
    }
}

/// Whether a failed request took effect.
///
/// ```
/// use mvi_core::Applied;
///
/// // Two attempts of one call: whatever is not sure, wins.
/// assert_eq!(Applied::Unknown.join(Applied::No), Applied::Unknown);
/// assert_eq!(Applied::No.join(Applied::No), Applied::No);
/// assert_eq!(Applied::No.join(Applied::Yes), Applied::Yes);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Applied {
    /// Surely not.
    No,
    /// Surely, although the answer is an error.
    Yes,
    /// It may have: read back, or ask again only where asking twice is safe.
    Unknown,
}

impl Applied {
    /// Joins what two attempts of one call say of the whole call.
    #[must_use]
    pub const fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (Self::No, Self::No) => Self::No,
        }
    }
}

/// What a failed call says of asking again, as it was.
///
/// ```
/// use mvi_core::{Error, ErrorKind, Retry};
///
/// assert_eq!(Error::new(ErrorKind::Throttled, "slow down").retry(), Retry::Safe);
/// assert_eq!(Error::new(ErrorKind::Timeout, "no answer").retry(), Retry::IfIdempotent);
/// assert_eq!(Error::new(ErrorKind::Invalid, "no name").retry(), Retry::Never);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// It would fail again.
    Never,
    /// It may succeed, and nothing happens twice.
    Safe,
    /// It may succeed; what is not idempotent may then have happened twice.
    IfIdempotent,
}

/// A failed call: its kind, where it happened, and why.
///
/// One word wide. `Display` is one line and leaves out the source, which
/// [`source`](StdError::source) returns; `Debug` prints the chain. Neither holds a secret:
/// messages are made from names and limits, never from values.
///
/// ```
/// use mvi_core::{Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::NotFound, "no such table").at("kv.get", "links");
/// assert_eq!(error.to_string(), "kv.get links: no such table (NotFound)");
/// assert_eq!(size_of::<Error>(), size_of::<usize>());
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    applied: Applied,
    capacity: bool,
    op: &'static str,
    resource: String,
    message: String,
    code: Option<String>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    source: Option<BoxError>,
}

impl Error {
    /// An error of `kind`; `message` is lower case with no final stop: what was found, and what was wanted.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            applied: kind.applied(),
            capacity: false,
            op: "",
            resource: String::new(),
            message: message.into(),
            code: None,
            request_id: None,
            retry_after: None,
            source: None,
        }))
    }

    /// An error of kind [`Invalid`](ErrorKind::Invalid).
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// An error of kind [`Conflict`](ErrorKind::Conflict).
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, message)
    }

    /// The same failure in other words: with its kind, its advice and the provider's own details, and without its place and its source.
    ///
    /// ```
    /// use mvi_core::{Error, ErrorKind};
    ///
    /// let first = Error::new(ErrorKind::Unavailable, "the zone is full").with_capacity().with_code("503");
    /// let told = first.retold("2 of 3 started, then: the zone is full").at("vm.start", "web");
    /// assert!(told.is_capacity());
    /// assert_eq!(told.code(), Some("503"));
    /// ```
    #[must_use]
    pub fn retold(&self, message: impl Into<String>) -> Self {
        let Inner { kind, applied, capacity, code, request_id, retry_after, .. } = &*self.0;
        Self(Box::new(Inner {
            kind: *kind,
            applied: *applied,
            capacity: *capacity,
            op: "",
            resource: String::new(),
            message: message.into(),
            code: code.clone(),
            request_id: request_id.clone(),
            retry_after: *retry_after,
            source: None,
        }))
    }

    /// Names the operation, as in `kv.put`, and the resource it was for.
    #[must_use]
    pub fn at(mut self, op: &'static str, resource: impl fmt::Display) -> Self {
        self.0.op = op;
        self.0.resource = resource.to_string();
        self
    }

    /// Names the operation and the resource, where nobody has named them yet.
    ///
    /// Shared checks fail before they know the call; the provider names it on the way out.
    #[must_use]
    pub fn or_at(self, op: &'static str, resource: impl fmt::Display) -> Self {
        if self.0.op.is_empty() { self.at(op, resource) } else { self }
    }

    /// Says whether the request took effect; by default what its [kind says](ErrorKind::applied).
    #[must_use]
    pub fn with_applied(mut self, applied: Applied) -> Self {
        self.0.applied = applied;
        self
    }

    /// Marks a lack of capacity: another zone or size may have some, the same again will not.
    #[must_use]
    pub fn with_capacity(mut self) -> Self {
        self.0.capacity = true;
        self
    }

    /// Attaches the provider's own error code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.0.code = Some(code.into());
        self
    }

    /// Attaches the id by which the provider's support finds the request.
    #[must_use]
    pub fn with_request_id(mut self, id: impl Into<String>) -> Self {
        self.0.request_id = Some(id.into());
        self
    }

    /// Attaches how long the provider asks to wait.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Attaches what caused it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the request took effect all the same.
    pub fn applied(&self) -> Applied {
        self.0.applied
    }

    /// Whether the request took effect, or may have.
    pub fn may_have_applied(&self) -> bool {
        self.0.applied != Applied::No
    }

    /// Whether a lack of capacity is the reason: change the zone or the size rather than ask again.
    pub fn is_capacity(&self) -> bool {
        self.0.capacity
    }

    /// Whether the same request may succeed later. See [`retry`](Self::retry) for whether asking twice is safe.
    pub fn is_retryable(&self) -> bool {
        self.retry() != Retry::Never
    }

    /// What it says of asking again.
    pub fn retry(&self) -> Retry {
        match self.0.kind {
            ErrorKind::Unavailable if self.0.capacity => Retry::Never,
            ErrorKind::Throttled
            | ErrorKind::Unavailable
            | ErrorKind::Timeout
            | ErrorKind::Internal => match self.0.applied {
                Applied::No => Retry::Safe,
                Applied::Yes | Applied::Unknown => Retry::IfIdempotent,
            },
            _ => Retry::Never,
        }
    }

    /// The operation that failed, as in `kv.put`; empty where nobody has named it.
    pub fn op(&self) -> &'static str {
        self.0.op
    }

    /// The resource it was for, as the caller named it.
    pub fn resource(&self) -> &str {
        &self.0.resource
    }

    /// What was found and what was wanted, in one line.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The provider's own code, as in `ProvisionedThroughputExceededException`.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The id by which the provider's support finds the request.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// How long the provider asks to wait before asking again.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, capacity, op, resource, message, code, request_id, .. } = &*self.0;
        match (op.is_empty(), resource.is_empty()) {
            (true, _) => {}
            (false, true) => write!(f, "{op}: ")?,
            (false, false) => write!(f, "{op} {resource}: ")?,
        }
        write!(f, "{message} ({kind:?}")?;
        if *capacity {
            f.write_str(", capacity")?;
        }
        for detail in [code, request_id].into_iter().flatten() {
            write!(f, ", {detail}")?;
        }
        f.write_str(")")
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}, applied: {:?}", self.0.applied)?;
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(f, "\n  caused by: {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

const _: () = assert!(size_of::<Error>() == size_of::<usize>());

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [ErrorKind; 13] = [
        ErrorKind::NotFound,
        ErrorKind::AlreadyExists,
        ErrorKind::Conflict,
        ErrorKind::Invalid,
        ErrorKind::Unauthenticated,
        ErrorKind::Forbidden,
        ErrorKind::Exhausted,
        ErrorKind::Throttled,
        ErrorKind::Unavailable,
        ErrorKind::Timeout,
        ErrorKind::Unsupported,
        ErrorKind::Corrupt,
        ErrorKind::Internal,
    ];

    #[test]
    fn what_cannot_succeed_is_not_retried() {
        let retried: Vec<_> =
            ALL.into_iter().filter(|kind| Error::new(*kind, "").is_retryable()).collect();
        assert_eq!(
            retried,
            [ErrorKind::Throttled, ErrorKind::Unavailable, ErrorKind::Timeout, ErrorKind::Internal]
        );
    }

    #[test]
    fn a_retry_is_safe_only_where_nothing_was_applied() {
        let timeout = Error::new(ErrorKind::Timeout, "could not connect");
        assert_eq!(timeout.retry(), Retry::IfIdempotent);
        assert_eq!(timeout.with_applied(Applied::No).retry(), Retry::Safe);
        let throttled = Error::new(ErrorKind::Throttled, "").with_applied(Applied::Unknown);
        assert_eq!(throttled.retry(), Retry::IfIdempotent);
        let full = Error::new(ErrorKind::Unavailable, "zone is full").with_capacity();
        assert_eq!(full.retry(), Retry::Never);
    }

    #[test]
    fn display_leaves_the_source_out_and_debug_prints_the_chain() {
        let root = Error::new(ErrorKind::Timeout, "connect");
        let error = Error::new(ErrorKind::Unavailable, "no answer")
            .at("kv.put", "links")
            .with_code("503")
            .with_request_id("4XR")
            .with_source(root);
        assert_eq!(error.to_string(), "kv.put links: no answer (Unavailable, 503, 4XR)");
        assert_eq!(
            format!("{error:?}"),
            "kv.put links: no answer (Unavailable, 503, 4XR), applied: Unknown\n  caused by: connect (Timeout)"
        );
    }

    #[test]
    fn what_is_told_in_other_words_is_the_same_failure() {
        let error = Error::new(ErrorKind::Unavailable, "full")
            .at("kv.put", "links")
            .with_applied(Applied::No)
            .with_capacity()
            .with_code("503")
            .with_request_id("4XR")
            .with_retry_after(Duration::from_secs(3))
            .with_source(Error::invalid("root"));
        let told = error.retold("2 went, then: full");
        assert_eq!(told.to_string(), "2 went, then: full (Unavailable, capacity, 503, 4XR)");
        assert_eq!(
            (told.applied(), told.retry(), told.retry_after()),
            (Applied::No, Retry::Never, Some(Duration::from_secs(3)))
        );
        assert!(told.source().is_none());
    }

    #[test]
    fn the_first_to_name_the_call_wins() {
        let named = Error::invalid("no").at("kv.put", "links").or_at("kv.get", "other");
        assert_eq!((named.op(), named.resource()), ("kv.put", "links"));
        assert_eq!(Error::invalid("no").or_at("kv.get", "other").op(), "kv.get");
    }
}

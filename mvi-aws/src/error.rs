//! What AWS answers, as [`Error`]: one table, by code.
//!
//! The code decides, never the HTTP status alone: `DynamoDB` answers every mistake of a client with 400. A row says of
//! *one* attempt whether it was applied; [`attempt`](crate::attempt) joins the attempts of a call.
//!
//! Sources: the [errors common to all services][common], [those of `DynamoDB`][dynamodb] and [those of S3][s3].
//!
//! [common]: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/CommonErrors.html
//! [s3]: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
//! [dynamodb]: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html

use std::{error::Error as StdError, time::Duration};

use aws_credential_types::provider::error::CredentialsError;
#[cfg(feature = "blob")]
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::{
    orchestrator::HttpResponse,
    result::{ConnectorError, SdkError},
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use hyper_util::client::legacy::Error as ClientError;
use mvi_core::{Applied, Error, ErrorKind};

use ErrorKind::{
    AlreadyExists, Conflict, Corrupt, Exhausted, Forbidden, Internal, Invalid, NotFound, Throttled,
    Timeout, Unauthenticated, Unavailable, Unsupported,
};

/// What one code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The wire operation that the row is for; `None` for any.
    op: Option<&'static str>,
    /// The code; a `*` at its start or end stands for anything.
    code: &'static str,
    /// What a caller can do about it.
    pub(crate) kind: ErrorKind,
    /// Whether the attempt that was answered so was applied.
    pub(crate) applied: Applied,
}

const fn any(code: &'static str, kind: ErrorKind) -> Row {
    Row { op: None, code, kind, applied: kind.applied() }
}

/// What was refused, whatever its kind says else.
const fn refused(code: &'static str, kind: ErrorKind) -> Row {
    Row { op: None, code, kind, applied: Applied::No }
}

const fn of(op: &'static str, code: &'static str, kind: ErrorKind) -> Row {
    Row { op: Some(op), code, kind, applied: kind.applied() }
}

/// The first row that matches wins: an operation's own before any, exact before pattern, throttled before exhausted.
const ROWS: &[Row] = &[
    // DynamoDB, of one operation.
    of("CreateTable", "ResourceInUseException", AlreadyExists),
    // DynamoDB, of any.
    any("ResourceNotFoundException", NotFound),
    any("TableNotFoundException", NotFound),
    any("TableInUseException", Conflict),
    any("ResourceInUseException", Conflict),
    any("ConditionalCheckFailedException", Conflict),
    any("TransactionCanceledException", Conflict),
    any("TransactionConflictException", Conflict),
    any("ReplicatedWriteConflictException", Conflict),
    // Another attempt with our token is still at work.
    Row { applied: Applied::Unknown, ..any("TransactionInProgressException", Conflict) },
    any("IdempotentParameterMismatchException", Invalid),
    // Why a transaction was cancelled.
    any("ConditionalCheckFailed", Conflict),
    any("TransactionConflict", Conflict),
    any("DuplicateItem", Conflict),
    any("ItemCollectionSizeLimitExceeded", Exhausted),
    any("ProvisionedThroughputExceeded", Throttled),
    any("ItemCollectionSizeLimitExceededException", Exhausted),
    any("ProvisionedThroughputExceededException", Throttled),
    any("LimitExceededException", Exhausted),
    any("ValidationException", Invalid),
    any("SerializationException", Invalid),
    any("InternalServerError", Internal),
    // S3, of one operation. A condition on what is there does not hold where nothing is.
    of("PutObject", "NoSuchKey", Conflict),
    of("CompleteMultipartUpload", "NoSuchKey", Conflict),
    of("DeleteObject", "NoSuchKey", Conflict),
    // A version that says that there was an object is none.
    of("GetObject", "MethodNotAllowed", NotFound),
    // S3, of any.
    any("NoSuchKey", NotFound),
    any("NoSuchVersion", NotFound),
    any("NoSuchBucket", NotFound),
    any("NoSuchUpload", NotFound),
    any("NoSuchTagSet", NotFound),
    any("NoSuchLifecycleConfiguration", NotFound),
    // What the SDK makes of 404 without a body.
    any("NotFound", NotFound),
    any("BucketAlreadyExists", AlreadyExists),
    any("BucketAlreadyOwnedByYou", AlreadyExists),
    any("BucketNotEmpty", Conflict),
    any("PreconditionFailed", Conflict),
    any("ConditionalRequestConflict", Conflict),
    any("OperationAborted", Conflict),
    any("InvalidBucketState", Conflict),
    any("InvalidObjectState", Conflict),
    any("KMS.DisabledException", Conflict),
    any("KMS.KMSInvalidStateException", Conflict),
    any("KMS.NotFoundException", Invalid),
    any("InvalidRange", Invalid),
    any("InvalidArgument", Invalid),
    any("InvalidRequest", Invalid),
    any("InvalidPart", Invalid),
    any("InvalidPartOrder", Invalid),
    any("InvalidTag", Invalid),
    any("InvalidDigest", Invalid),
    any("InvalidBucketName", Invalid),
    any("IllegalLocationConstraintException", Invalid),
    any("EntityTooSmall", Invalid),
    any("EntityTooLarge", Invalid),
    any("KeyTooLong*", Invalid),
    any("MetadataTooLarge", Invalid),
    any("MalformedXML", Invalid),
    any("MissingContentLength", Invalid),
    // A bucket in another region.
    any("PermanentRedirect", Invalid),
    any("TemporaryRedirect", Unavailable),
    any("AuthorizationHeaderMalformed", Invalid),
    any("MethodNotAllowed", Unsupported),
    any("InvalidToken", Unauthenticated),
    any("AllAccessDisabled", Forbidden),
    any("AccountProblem", Forbidden),
    any("InvalidAccessPoint", Invalid),
    any("TooManyBuckets", Exhausted),
    refused("IncompleteBody", Unavailable),
    refused("BadDigest", Corrupt),
    refused("XAmzContentSHA256Mismatch", Corrupt),
    refused("XAmzContentChecksumMismatch", Corrupt),
    // Any service.
    any("UnknownOperationException", Unsupported),
    any("NotImplemented", Unsupported),
    any("UnsupportedOperation*", Unsupported),
    any("UnrecognizedClientException", Unauthenticated),
    any("InvalidClientTokenId", Unauthenticated),
    any("InvalidAccessKeyId", Unauthenticated),
    any("InvalidSignatureException", Unauthenticated),
    any("IncompleteSignature*", Unauthenticated),
    any("SignatureDoesNotMatch", Unauthenticated),
    any("MissingAuthenticationToken*", Unauthenticated),
    any("ExpiredToken*", Unauthenticated),
    any("RequestExpired", Unauthenticated),
    any("RequestTimeTooSkewed", Unauthenticated),
    any("AuthFailure", Unauthenticated),
    any("AccessDenied*", Forbidden),
    any("UnauthorizedOperation", Forbidden),
    any("NotAuthorized", Forbidden),
    any("OptInRequired", Forbidden),
    any("RequestLimitExceeded", Throttled),
    any("Throttl*", Throttled),
    any("TooManyRequests*", Throttled),
    any("SlowDown", Throttled),
    any("RequestTimeout*", Timeout),
    any("InternalFailure", Internal),
    any("InternalError*", Internal),
    any("ServiceUnavailable*", Unavailable),
    any("*QuotaExceeded*", Exhausted),
    any("*LimitExceeded*", Exhausted),
    any("Validation*", Invalid),
    any("InvalidParameter*", Invalid),
    any("MissingParameter", Invalid),
    any("MalformedQueryString", Invalid),
    any("RequestEntityTooLarge*", Invalid),
    // DynamoDB checksums its answers, a proxy between may break them.
    any("*ChecksumMismatch*", Corrupt),
];

/// What an answer with `code` means, where `wire_op` was asked.
///
/// An answer without a code is not the service's: a gateway's, of which only the status is known.
pub(crate) fn of_code(wire_op: &str, code: Option<&str>, status: u16) -> Row {
    let fits = |row: &&Row| {
        row.op.is_none_or(|op| op == wire_op) && code.is_some_and(|code| matches(row.code, code))
    };
    if let Some(row) = ROWS.iter().find(fits) {
        return *row;
    }
    match (wire_op, status) {
        // What has no body has no code, and its status is all there is.
        ("GetObject", 304) => return any("", Conflict),
        ("HeadObject", 405) => return any("", NotFound),
        ("HeadObject" | "HeadBucket", 403) => return any("", Forbidden),
        _ => {}
    }
    match status {
        429 => any("", Throttled),
        502..=504 => any("", Unavailable),
        // A client's mistake that has no row: it was refused.
        400..=499 => Row { applied: Applied::No, ..any("", Internal) },
        _ => any("", Internal),
    }
}

fn matches(pattern: &str, code: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(_), Some(_)) => code.contains(pattern.trim_matches('*')),
        (Some(end), None) => code.ends_with(end),
        (None, Some(start)) => code.starts_with(start),
        (None, None) => code == pattern,
    }
}

/// What a request means that got no answer.
pub(crate) fn of_connector(error: &ConnectorError) -> (ErrorKind, Applied) {
    // What could not connect was not sent.
    let applied = match find::<ClientError>(error) {
        Some(client) if client.is_connect() => Applied::No,
        _ => Applied::Unknown,
    };
    if error.is_timeout() {
        (Timeout, applied)
    } else if error.is_user() {
        (Invalid, applied)
    } else {
        (Unavailable, applied)
    }
}

/// What says only in the body of its answer whether it was applied, or how much of it.
const ANSWERED_WITHIN: [&str; 5] =
    ["BatchWriteItem", "DeleteObjects", "CompleteMultipartUpload", "CopyObject", "UploadPartCopy"];

/// Whether a request was applied whose answer did not come, or could not be read.
pub(crate) fn of_unread(wire_op: &str, status: Option<u16>) -> Applied {
    match status {
        Some(200) if ANSWERED_WITHIN.contains(&wire_op) => Applied::Unknown,
        Some(200 | 204) => Applied::Yes,
        _ => Applied::Unknown,
    }
}

/// The SDK's error as ours; whether it was applied is for its attempts to say.
pub(crate) fn from_sdk<E>(wire_op: &'static str, error: SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let response = error.raw_response();
    let status = response.map(|it| it.status().as_u16()).unwrap_or_default();

    let ours = match &error {
        SdkError::ServiceError(answer) => {
            let answer = answer.err();
            of_answer(wire_op, answer.code(), answer.message(), status).0
        }
        SdkError::TimeoutError(_) => late(wire_op),
        SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
            // The caller's own body failed, and says why.
            Some(error) if find::<Error>(error).is_some() => {
                let own = find::<Error>(error).expect("it has just been found");
                again(own, own.message())
            }
            Some(error) if find::<CredentialsError>(error).is_some() => {
                Error::new(Unauthenticated, "no credentials were found that work")
            }
            Some(error) => Error::new(of_connector(error).0, format!("{wire_op} got no answer")),
            None => Error::new(Unavailable, format!("{wire_op} got no answer")),
        },
        SdkError::ResponseError(_) => {
            let kind = if find::<hyper::Error>(&error).is_some() { Unavailable } else { Internal };
            Error::new(kind, format!("the answer to {wire_op} could not be read"))
        }
        _ => Error::invalid(format!("{wire_op} could not be sent")),
    };
    let ours = match response {
        Some(response) => traced(ours, response),
        None => ours,
    };
    match error {
        // Its code and message are in ours; it may also hold the item, which is the caller's secret.
        SdkError::ServiceError(_) => ours,
        other => match other.into_source() {
            Ok(source) => ours.with_source(source),
            Err(_) => ours,
        },
    }
}

/// `error` once more, as `message`: for another that it befell. Its source stays with the first.
pub(crate) fn again(error: &Error, message: impl Into<String>) -> Error {
    let mut again = Error::new(error.kind(), message).with_applied(error.applied());
    if let Some(code) = error.code() {
        again = again.with_code(code);
    }
    if let Some(id) = error.request_id() {
        again = again.with_request_id(id);
    }
    if let Some(wait) = error.retry_after() {
        again = again.with_retry_after(wait);
    }
    again
}

/// An answer that refuses, and whether it was applied all the same.
fn of_answer(
    wire_op: &str,
    code: Option<&str>,
    message: Option<&str>,
    status: u16,
) -> (Error, Applied) {
    let message = match message {
        Some(message) => plain(message),
        None => format!("{wire_op} answered with status {status}"),
    };
    let row = of_code(wire_op, code, status);
    let ours = Error::new(row.kind, message);
    let ours = match code {
        Some(code) => ours.with_code(code),
        None => ours,
    };
    (ours, row.applied)
}

/// With what an answer says beside it: by which id it is known, and when to come again.
fn traced(error: Error, response: &HttpResponse) -> Error {
    let error = match retry_after(response) {
        Some(wait) => error.with_retry_after(wait),
        None => error,
    };
    match request_id(response) {
        Some(id) => error.with_request_id(id),
        None => error,
    }
}

/// An attempt of `wire_op` that took too long; whether it was applied is not said.
pub(crate) fn late(wire_op: &str) -> Error {
    Error::new(Timeout, format!("{wire_op} got no answer in time"))
}

/// What one attempt of `wire_op` was answered, where it was refused.
#[cfg(feature = "blob")]
pub(crate) fn rejected(
    wire_op: &str,
    code: Option<&str>,
    message: Option<&str>,
    response: &HttpResponse,
) -> Error {
    let (ours, applied) = of_answer(wire_op, code, message, response.status().as_u16());
    traced(ours, response).with_applied(applied)
}

/// One attempt of `wire_op` that got no answer.
#[cfg(feature = "blob")]
pub(crate) fn unanswered(wire_op: &str, error: ConnectorError) -> Error {
    let (kind, applied) = of_connector(&error);
    let ours = Error::new(kind, format!("{wire_op} got no answer"));
    ours.with_applied(applied).with_source(error)
}

/// One attempt of `wire_op` whose answer could not be read.
#[cfg(feature = "blob")]
pub(crate) fn unread(wire_op: &str, response: &HttpResponse, source: BoxError) -> Error {
    let kind = if find::<hyper::Error>(&*source).is_some() { Unavailable } else { Internal };
    let ours = Error::new(kind, format!("the answer to {wire_op} could not be read"));
    let applied = of_unread(wire_op, Some(response.status().as_u16()));
    traced(ours, response).with_applied(applied).with_source(source)
}

/// The service's message in our form: a lower-case start, no final stop, one line that fits a log.
pub(crate) fn plain(message: &str) -> String {
    const MOST_CHARS: usize = 300;
    let mut chars = message.trim_end_matches('.').chars();
    let first = chars.next().into_iter().flat_map(char::to_lowercase);
    first.chain(chars).take(MOST_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The id by which Amazon's support finds the request.
fn request_id(response: &HttpResponse) -> Option<String> {
    let header = |name| response.headers().get(name).map(str::to_owned);
    header("x-amzn-requestid").or_else(|| header("x-amz-request-id"))
}

/// How long the service asks to wait: milliseconds in Amazon's own header, seconds in HTTP's.
fn retry_after(response: &HttpResponse) -> Option<Duration> {
    let number = |name| response.headers().get(name).and_then(|it: &str| it.parse().ok());
    let own = number("x-amz-retry-after").map(Duration::from_millis);
    own.or_else(|| number("retry-after").map(Duration::from_secs))
}

/// The first `T` in the chain of an error and its sources.
fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_reached_and_means_what_it_says() {
        let example = |row: &Row| match row.code {
            "UnsupportedOperation*" => "UnsupportedOperationException",
            "IncompleteSignature*" => "IncompleteSignatureException",
            "MissingAuthenticationToken*" => "MissingAuthenticationTokenException",
            "ExpiredToken*" => "ExpiredTokenException",
            "AccessDenied*" => "AccessDeniedException",
            "Throttl*" => "ThrottlingException",
            "TooManyRequests*" => "TooManyRequestsException",
            "RequestTimeout*" => "RequestTimeoutException",
            "InternalError*" => "InternalErrorException",
            "ServiceUnavailable*" => "ServiceUnavailableException",
            "*QuotaExceeded*" => "ServiceQuotaExceededException",
            "*LimitExceeded*" => "VolumeLimitExceeded",
            "Validation*" => "ValidationError",
            "InvalidParameter*" => "InvalidParameterValue",
            "KeyTooLong*" => "KeyTooLongError",
            "RequestEntityTooLarge*" => "RequestEntityTooLargeException",
            "*ChecksumMismatch*" => "BodyChecksumMismatchException",
            exact => exact,
        };
        for row in ROWS {
            let op = row.op.unwrap_or("PutItem");
            assert_eq!(of_code(op, Some(example(row)), 400), *row, "{row:?}");
        }
    }

    #[test]
    fn what_each_code_tells_the_caller() {
        let cases = [
            ("CreateTable", "ResourceInUseException", AlreadyExists, Applied::No),
            ("DeleteTable", "ResourceInUseException", Conflict, Applied::No),
            ("GetItem", "ResourceNotFoundException", NotFound, Applied::No),
            ("PutItem", "ConditionalCheckFailedException", Conflict, Applied::No),
            ("TransactWriteItems", "TransactionCanceledException", Conflict, Applied::No),
            ("TransactWriteItems", "TransactionInProgressException", Conflict, Applied::Unknown),
            ("TransactWriteItems", "IdempotentParameterMismatchException", Invalid, Applied::No),
            ("PutItem", "ProvisionedThroughputExceededException", Throttled, Applied::No),
            ("PutItem", "RequestLimitExceeded", Throttled, Applied::No),
            ("CreateTable", "LimitExceededException", Exhausted, Applied::No),
            ("PutItem", "UnrecognizedClientException", Unauthenticated, Applied::No),
            ("PutItem", "AccessDeniedException", Forbidden, Applied::No),
            ("PutItem", "ValidationException", Invalid, Applied::No),
            ("PutItem", "UnknownOperationException", Unsupported, Applied::No),
            ("PutItem", "InternalServerError", Internal, Applied::Unknown),
            ("PutItem", "ServiceUnavailable", Unavailable, Applied::Unknown),
            ("PutItem", "RequestTimeout", Timeout, Applied::Unknown),
            ("PutItem", "BodyChecksumMismatch", Corrupt, Applied::Unknown),
            ("CreateBucket", "BucketAlreadyOwnedByYou", AlreadyExists, Applied::No),
            ("CreateBucket", "BucketAlreadyExists", AlreadyExists, Applied::No),
            ("DeleteBucket", "BucketNotEmpty", Conflict, Applied::No),
            ("PutObject", "NoSuchBucket", NotFound, Applied::No),
            ("PutObject", "NoSuchKey", Conflict, Applied::No),
            ("CompleteMultipartUpload", "NoSuchKey", Conflict, Applied::No),
            ("DeleteObject", "NoSuchKey", Conflict, Applied::No),
            ("GetObject", "NoSuchKey", NotFound, Applied::No),
            ("CopyObject", "NoSuchKey", NotFound, Applied::No),
            ("GetObject", "MethodNotAllowed", NotFound, Applied::No),
            ("PutObject", "MethodNotAllowed", Unsupported, Applied::No),
            ("UploadPart", "NoSuchUpload", NotFound, Applied::No),
            ("PutObject", "PreconditionFailed", Conflict, Applied::No),
            ("PutObject", "ConditionalRequestConflict", Conflict, Applied::No),
            ("CompleteMultipartUpload", "InvalidPart", Invalid, Applied::No),
            ("PutObject", "BadDigest", Corrupt, Applied::No),
            ("PutObject", "XAmzContentSHA256Mismatch", Corrupt, Applied::No),
            ("PutObject", "IncompleteBody", Unavailable, Applied::No),
            ("PutObject", "InternalError", Internal, Applied::Unknown),
            ("PutObject", "SlowDown", Throttled, Applied::No),
            ("CreateBucket", "TooManyBuckets", Exhausted, Applied::No),
            ("GetBucketTagging", "PermanentRedirect", Invalid, Applied::No),
        ];
        for (op, code, kind, applied) in cases {
            let row = of_code(op, Some(code), 400);
            assert_eq!((row.kind, row.applied), (kind, applied), "{op} {code}");
        }
    }

    #[test]
    fn an_answer_without_a_known_code_goes_by_what_its_status_says_for_sure() {
        for (status, kind, applied) in [
            (429, Throttled, Applied::No),
            (400, Internal, Applied::No),
            (500, Internal, Applied::Unknown),
            (502, Unavailable, Applied::Unknown),
            (503, Unavailable, Applied::Unknown),
            (504, Unavailable, Applied::Unknown),
        ] {
            for code in [None, Some("SomethingNew")] {
                let row = of_code("PutItem", code, status);
                assert_eq!((row.kind, row.applied), (kind, applied), "{status} {code:?}");
            }
        }
    }

    #[test]
    fn what_has_no_body_goes_by_its_status() {
        for (op, status, kind) in [
            ("GetObject", 304, Conflict),
            ("HeadObject", 405, NotFound),
            ("HeadObject", 403, Forbidden),
            ("HeadObject", 503, Unavailable),
            ("PutObject", 403, Internal),
        ] {
            assert_eq!(of_code(op, None, status).kind, kind, "{op} {status}");
        }
        assert_eq!(of_code("HeadObject", Some("NotFound"), 404).kind, NotFound);
    }

    #[test]
    fn an_answer_that_says_yes_and_cannot_be_read_was_applied() {
        assert_eq!(of_unread("PutItem", Some(200)), Applied::Yes);
        assert_eq!(of_unread("DeleteObject", Some(204)), Applied::Yes);
        for op in ANSWERED_WITHIN {
            assert_eq!(of_unread(op, Some(200)), Applied::Unknown, "{op}");
        }
        assert_eq!(of_unread("PutItem", Some(500)), Applied::Unknown);
        assert_eq!(of_unread("PutItem", None), Applied::Unknown);
    }

    #[test]
    fn messages_are_one_plain_line() {
        assert_eq!(plain("The conditional request failed."), "the conditional request failed");
        assert_eq!(plain("Two\nlines"), "two lines");
        assert_eq!(plain(&"x".repeat(1_000)).len(), 300);
        assert_eq!(plain(""), "");
    }
}

//! What Google answers, as [`Error`]: one table, by canonical code.
//!
//! gRPC and REST share their codes. A row says of *one* attempt whether it was applied;
//! [`attempt`](crate::attempt) joins the attempts of a call.
//!
//! Where bodies go to and from Cloud Storage it answers by HTTP, without a canonical code: its rows are by status, and by the `reason`
//! of its JSON or the `Code` of its XML.
//!
//! Sources: the [canonical codes][codes], [their details][details], [Firestore's own remarks][firestore], and those of
//! [Cloud Storage][storage].
//!
//! [codes]: https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto
//! [details]: https://google.aip.dev/193
//! [firestore]: https://cloud.google.com/firestore/docs/use-rest-api#error_codes
//! [storage]: https://cloud.google.com/storage/docs/json_api/v1/status-codes

use std::{error::Error as StdError, time::Duration};

use gcloud_sdk::{
    error::ErrorKind as SdkErrorKind,
    google::rpc::{ErrorInfo, QuotaFailure, RequestInfo, RetryInfo, Status as RpcStatus},
    prost::Message,
    tonic::{Code, Status},
};
use google_cloud_gax::error::{
    Error as GaxError,
    rpc::{Code as GaxCode, StatusDetails},
};
use mvi_core::{Applied, Error, ErrorKind, Result};

use ErrorKind::{
    AlreadyExists, Conflict, Corrupt, Exhausted, Forbidden, Internal, Invalid, NotFound, Throttled,
    Timeout, Unauthenticated, Unavailable, Unsupported,
};

impl Detail {
    /// What the reason that Cloud Storage gives tells. Its XML writes `SlowDown` where its JSON has a reason for it.
    fn of_reason(reason: &str) -> Option<Self> {
        let any = |all: &[&str]| all.iter().any(|it| it.eq_ignore_ascii_case(reason));
        if any(&["rateLimitExceeded", "userRateLimitExceeded", "SlowDown"]) {
            Some(Self::Rate)
        } else if any(&["quotaExceeded", "dailyLimitExceeded"]) {
            Some(Self::Quota)
        } else {
            None
        }
    }
}

/// What one code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The wire operation that the row is for; `None` for any.
    op: Option<&'static str>,
    code: &'static str,
    /// What the answer's details must say; `None` for anything.
    detail: Option<Detail>,
    /// What a caller can do about it.
    pub(crate) kind: ErrorKind,
    /// Whether the attempt that was answered so was applied.
    pub(crate) applied: Applied,
}

/// What the details of an answer tell that its code does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// A rate was too high: ask again later.
    Rate,
    /// A quota is used up: asking again does not help.
    Quota,
}

const fn any(code: &'static str, kind: ErrorKind) -> Row {
    Row { op: None, code, detail: None, kind, applied: kind.applied() }
}

const fn of(op: &'static str, code: &'static str, kind: ErrorKind) -> Row {
    Row { op: Some(op), ..any(code, kind) }
}

/// The first row that matches wins: an operation's own before any, with details before without, throttled before
/// exhausted.
const ROWS: &[Row] = &[
    // A precondition of a write did not hold, whatever it is called: something is there, is not, or has changed.
    of(CONDITIONAL_COMMIT, "ALREADY_EXISTS", Conflict),
    of(CONDITIONAL_COMMIT, "NOT_FOUND", Conflict),
    // It is not empty; other calls say so by FAILED_PRECONDITION.
    of("DeleteBucket", "ALREADY_EXISTS", Conflict),
    // A removal that names what it wants to remove, which is not there.
    of(CONDITIONAL_DELETE, "NOT_FOUND", Conflict),
    // A query without an index that serves it.
    of("RunQuery", "FAILED_PRECONDITION", Unsupported),
    Row { detail: Some(Detail::Rate), ..any("RESOURCE_EXHAUSTED", Throttled) },
    Row { detail: Some(Detail::Quota), ..any("RESOURCE_EXHAUSTED", Exhausted) },
    any("RESOURCE_EXHAUSTED", Throttled),
    any("NOT_FOUND", NotFound),
    any("ALREADY_EXISTS", AlreadyExists),
    any("ABORTED", Conflict),
    any("FAILED_PRECONDITION", Conflict),
    any("INVALID_ARGUMENT", Invalid),
    any("OUT_OF_RANGE", Invalid),
    any("UNAUTHENTICATED", Unauthenticated),
    any("PERMISSION_DENIED", Forbidden),
    any("UNIMPLEMENTED", Unsupported),
    any("DEADLINE_EXCEEDED", Timeout),
    any("UNAVAILABLE", Unavailable),
    // The connection went away; a server that stops says so too.
    any("CANCELLED", Unavailable),
    any("DATA_LOSS", Corrupt),
    any("INTERNAL", Internal),
    any("UNKNOWN", Internal),
    any("400", Invalid),
    any("401", Unauthenticated),
    Row { detail: Some(Detail::Rate), ..any("403", Throttled) },
    Row { detail: Some(Detail::Quota), ..any("403", Exhausted) },
    any("403", Forbidden),
    any("404", NotFound),
    // The body did not arrive in the server's time.
    any("408", Timeout),
    any("409", Conflict),
    // A session of an upload, or the token of a copy, has ended: it begins anew.
    any("410", Unavailable),
    any("411", Invalid),
    any("412", Conflict),
    any("413", Invalid),
    any("416", Invalid),
    Row { detail: Some(Detail::Quota), ..any("429", Exhausted) },
    any("429", Throttled),
    any("500", Internal),
    any("501", Unsupported),
    any("502", Unavailable),
    any("503", Unavailable),
    any("504", Timeout),
];

/// A commit with a precondition, as the table names it.
pub(crate) const CONDITIONAL_COMMIT: &str = "Commit with a precondition";

/// A removal of an object with a precondition, as the table names it.
pub(crate) const CONDITIONAL_DELETE: &str = "DeleteObject with a precondition";

/// What an answer with `code` means, where `wire_op` was asked.
pub(crate) fn of_code(wire_op: &str, code: &str, detail: Option<Detail>) -> Row {
    let fits = |row: &&Row| {
        row.code == code
            && row.op.is_none_or(|op| op == wire_op)
            && (row.detail.is_none() || row.detail == detail)
    };
    ROWS.iter().find(fits).copied().unwrap_or(any("", Internal))
}

/// The SDK's answer as ours, for this one attempt.
pub(crate) fn from_status(wire_op: &str, status: Status) -> Error {
    if let Some(error) = find::<Box<gcloud_sdk::error::Error>>(&status) {
        return from_sdk(error);
    }
    if find::<tonic::ConnectError>(&status).is_some() {
        // What could not connect was not sent.
        return Error::new(Unavailable, "no connection to the service")
            .with_applied(Applied::No)
            .with_source(status);
    }
    if find::<gcloud_sdk::RequestTimeoutElapsed>(&status).is_some() {
        return Error::new(Timeout, format!("{wire_op} got no answer in time")).with_source(status);
    }
    if find::<gcloud_sdk::tonic::transport::Error>(&status).is_some() {
        return Error::new(
            Unavailable,
            format!("the connection broke before {wire_op} was answered"),
        )
        .with_source(status);
    }

    let details = Details::of(status.details());
    let code = name(status.code());
    let row = of_code(wire_op, code, details.detail);
    let message = match status.message() {
        "" => format!("{wire_op} was answered with {code}"),
        message => plain(message),
    };
    // The answer's text is in ours; the whole of it may also hold the item, which is the caller's secret.
    details.on(Error::new(row.kind, message).with_applied(row.applied).with_code(code))
}

/// What became of one write of a batch.
pub(crate) fn from_rpc(wire_op: &str, status: &RpcStatus) -> Result<()> {
    let RpcStatus { code, message, details: _ } = status;
    match Code::from(*code) {
        Code::Ok => Ok(()),
        code => {
            let details = status.encode_to_vec();
            Err(from_status(wire_op, Status::with_details(code, message, details.into())))
        }
    }
}

/// The error of Google's own SDK, which speaks REST and gRPC, for what it sent.
#[expect(clippy::needless_pass_by_value, reason = "as `map_err` gives it")]
pub(crate) fn from_gax(wire_op: &str, error: GaxError) -> Error {
    let http = error.http_status_code();
    if let Some(status) = error.status() {
        let details = Details::of_gax(&status.details);
        let code = match http {
            // JSON with no canonical code, as Cloud Storage's.
            Some(http) if status.code == GaxCode::Unknown => http.to_string(),
            _ => status.code.name().to_owned(),
        };
        let row = of_code(wire_op, &code, details.detail);
        let message = match status.message.as_str() {
            "" => format!("{wire_op} was answered with {code}"),
            message => plain(message),
        };
        let ours = Error::new(row.kind, message).with_applied(row.applied);
        return details.on(ours.with_code(code));
    }
    // The innermost cause, as text: what is around it tells the URL, which lets whoever reads it go on with an upload.
    let why = innermost(&error);
    if error.is_authentication() {
        return Error::new(Unauthenticated, "no credentials were found that work")
            .with_applied(Applied::No)
            .with_source(why);
    }
    if error.is_connect() {
        return Error::new(Unavailable, "no connection to the service")
            .with_applied(Applied::No)
            .with_source(why);
    }
    if error.is_timeout() || error.is_exhausted() {
        return Error::new(Timeout, format!("{wire_op} got no answer in time")).with_source(why);
    }
    if error.is_deserialization() {
        return unread(wire_op).with_source(why);
    }
    if error.is_binding() || error.is_serialization() {
        return Error::invalid(format!("{wire_op} could not be sent")).with_source(why);
    }
    let Some(http) = http.map(|it| it.to_string()) else {
        return Error::new(Unavailable, format!("{wire_op} got no answer")).with_source(why);
    };
    // A gateway's answer, or that to a download, which is text.
    let row = of_code(wire_op, &http, None);
    let message = format!("{wire_op} was answered with {http}");
    Error::new(row.kind, message).with_applied(row.applied).with_code(http)
}

/// What Cloud Storage's XML API says no with: a status, and most often its own code and message.
#[cfg(feature = "blob")]
pub(crate) fn from_xml(wire_op: &str, status: u16, code: &str, message: &str) -> Error {
    let status = status.to_string();
    let row = of_code(wire_op, &status, Detail::of_reason(code));
    let message = match message {
        "" => format!("{wire_op} was answered with {status}"),
        message => plain(message),
    };
    Error::new(row.kind, message).with_applied(row.applied).with_code(status)
}

/// What came of a request by HTTP that was not answered, or of an answer's body.
#[cfg(feature = "blob")]
pub(crate) fn from_http(wire_op: &str, error: &reqwest::Error) -> Error {
    // The innermost cause, as text: what is around it tells the URL.
    let why = innermost(error);
    let ours = if error.is_connect() {
        Error::new(Unavailable, "no connection to the service").with_applied(Applied::No)
    } else if error.is_builder() {
        Error::invalid(format!("{wire_op} could not be sent")).with_applied(Applied::No)
    } else {
        Error::new(Unavailable, format!("{wire_op} got no answer"))
    };
    ours.with_source(why)
}

/// What came of asking for a token: nothing was sent.
#[cfg(feature = "blob")]
pub(crate) fn from_credentials(error: &google_cloud_auth::errors::CredentialsError) -> Error {
    let ours = if error.is_transient() {
        Error::new(Unavailable, "the credentials could not be refreshed")
    } else {
        Error::new(Unauthenticated, "no credentials were found that work")
    };
    ours.with_applied(Applied::No).with_source(innermost(error))
}

/// The innermost of an error's causes.
fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

/// The error of the SDK that it makes before it sends anything.
pub(crate) fn from_sdk(error: &gcloud_sdk::error::Error) -> Error {
    let ours = match error.kind() {
        SdkErrorKind::Credentials(why) if why.is_transient() => {
            Error::new(Unavailable, "the credentials could not be refreshed")
        }
        SdkErrorKind::Credentials(_)
        | SdkErrorKind::CredentialsBuild(_)
        | SdkErrorKind::CryptoProviderMissing => {
            Error::new(Unauthenticated, "no credentials were found that work")
        }
        SdkErrorKind::GrpcStatus(_) => Error::new(Unavailable, "no connection to the service"),
        SdkErrorKind::UrlError(_)
        | SdkErrorKind::InvalidApiUrl(_)
        | SdkErrorKind::HeaderValue(_)
        | SdkErrorKind::TonicMetadata(_) => Error::invalid("not an endpoint, or not a project"),
        _ => Error::new(Internal, "the request could not be made"),
    };
    ours.with_applied(Applied::No).with_source(error.to_string())
}

/// The same error once more: for each of the records that it befell.
pub(crate) fn again(error: &Error) -> Error {
    let copy = Error::new(error.kind(), error.message()).with_applied(error.applied());
    let copy = match error.code() {
        Some(code) => copy.with_code(code),
        None => copy,
    };
    let copy = match error.request_id() {
        Some(id) => copy.with_request_id(id),
        None => copy,
    };
    match error.retry_after() {
        Some(wait) => copy.with_retry_after(wait),
        None => copy,
    }
}

/// A request that was answered with yes, in a way that we cannot read.
pub(crate) fn unread(wire_op: &str) -> Error {
    Error::new(Internal, format!("the answer to {wire_op} could not be read"))
        .with_applied(Applied::Yes)
}

/// What the details of an answer say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Details {
    detail: Option<Detail>,
    retry_after: Option<Duration>,
    request_id: Option<String>,
}

impl Details {
    /// Reads a gRPC answer's binary details; what is not understood is left out.
    fn of(bytes: &[u8]) -> Self {
        let (mut retry, mut rate, mut quota) = (None, false, false);
        let mut request_id = None;
        for any in RpcStatus::decode(bytes).unwrap_or_default().details {
            let body = any.value.as_slice();
            match any.type_url.rsplit('/').next().unwrap_or_default() {
                "google.rpc.RetryInfo" => retry = RetryInfo::decode(body).ok(),
                "google.rpc.QuotaFailure" => quota = QuotaFailure::decode(body).is_ok(),
                "google.rpc.ErrorInfo" => {
                    rate = ErrorInfo::decode(body).is_ok_and(|it| it.reason == RATE_LIMIT);
                }
                "google.rpc.RequestInfo" => {
                    request_id = RequestInfo::decode(body).ok().map(|it| it.request_id);
                }
                _ => {}
            }
        }
        let delay = retry.and_then(|it| it.retry_delay).and_then(|it| Duration::try_from(it).ok());
        Self::new(rate || retry.is_some(), quota, delay, request_id)
    }

    fn of_gax(details: &[StatusDetails]) -> Self {
        let (mut retry, mut rate, mut quota, mut delay) = (false, false, false, None);
        let mut request_id = None;
        for detail in details {
            match detail {
                StatusDetails::RetryInfo(info) => {
                    retry = true;
                    delay = info.retry_delay.and_then(|it| Duration::try_from(it).ok());
                }
                StatusDetails::QuotaFailure(_) => quota = true,
                StatusDetails::ErrorInfo(info) if info.reason == RATE_LIMIT => rate = true,
                StatusDetails::ErrorInfo(info) => match Detail::of_reason(&info.reason) {
                    Some(Detail::Rate) => rate = true,
                    Some(Detail::Quota) => quota = true,
                    None => {}
                },
                StatusDetails::RequestInfo(info) => request_id = Some(info.request_id.clone()),
                _ => {}
            }
        }
        Self::new(rate || retry, quota, delay, request_id)
    }

    fn new(
        rate: bool,
        quota: bool,
        retry_after: Option<Duration>,
        request_id: Option<String>,
    ) -> Self {
        let detail = match (rate, quota) {
            (true, _) => Some(Detail::Rate),
            (false, true) => Some(Detail::Quota),
            (false, false) => None,
        };
        Self { detail, retry_after, request_id }
    }

    fn on(self, error: Error) -> Error {
        let Self { detail: _, retry_after, request_id } = self;
        let error = match retry_after {
            Some(wait) => error.with_retry_after(wait),
            None => error,
        };
        match request_id {
            Some(id) => error.with_request_id(id),
            None => error,
        }
    }
}

/// The reason that Google gives for a quota that fills again by itself.
const RATE_LIMIT: &str = "RATE_LIMIT_EXCEEDED";

/// The code as Google writes it.
pub(crate) const fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// The service's message in our form: a lower-case start, no final stop, one line that fits a log.
fn plain(message: &str) -> String {
    const MOST_CHARS: usize = 300;
    let mut chars = message.trim_end_matches('.').chars();
    let first = chars.next().into_iter().flat_map(char::to_lowercase);
    first.chain(chars).take(MOST_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The first `T` in the chain of an error and its sources.
pub(crate) fn find<'a, T: StdError + 'static>(
    error: &'a (dyn StdError + 'static),
) -> Option<&'a T> {
    std::iter::successors(Some(error), |error: &&'a (dyn StdError + 'static)| (*error).source())
        .find_map(|it| it.downcast_ref())
}

#[cfg(test)]
mod tests {
    use gcloud_sdk::prost_types::Any;

    use super::*;

    fn detail<M: Message>(name: &str, message: &M) -> Any {
        Any { type_url: format!("type.googleapis.com/{name}"), value: message.encode_to_vec() }
    }

    fn status(code: Code, details: Vec<Any>) -> Status {
        let whole = RpcStatus { code: code as i32, message: String::new(), details };
        Status::with_details(code, "Something happened.", whole.encode_to_vec().into())
    }

    #[test]
    fn every_row_is_reached_and_means_what_it_says() {
        for row in ROWS {
            assert_eq!(of_code(row.op.unwrap_or("BatchGetDocuments"), row.code, row.detail), *row);
        }
        for code in (1..=16).map(Code::from) {
            assert!(ROWS.iter().any(|row| row.code == name(code)), "{code:?} has no row");
        }
    }

    #[test]
    fn what_each_code_tells_the_caller() {
        let rate = Some(Detail::Rate);
        let quota = Some(Detail::Quota);
        let cases = [
            (CONDITIONAL_COMMIT, "ALREADY_EXISTS", None, Conflict, Applied::No),
            (CONDITIONAL_COMMIT, "NOT_FOUND", None, Conflict, Applied::No),
            (CONDITIONAL_COMMIT, "FAILED_PRECONDITION", None, Conflict, Applied::No),
            ("Commit", "NOT_FOUND", None, NotFound, Applied::No),
            ("Commit", "ALREADY_EXISTS", None, AlreadyExists, Applied::No),
            ("Commit", "ABORTED", None, Conflict, Applied::No),
            ("RunQuery", "FAILED_PRECONDITION", None, Unsupported, Applied::No),
            ("Commit", "FAILED_PRECONDITION", None, Conflict, Applied::No),
            ("Commit", "RESOURCE_EXHAUSTED", None, Throttled, Applied::No),
            ("Commit", "RESOURCE_EXHAUSTED", rate, Throttled, Applied::No),
            ("Commit", "RESOURCE_EXHAUSTED", quota, Exhausted, Applied::No),
            ("Commit", "INVALID_ARGUMENT", None, Invalid, Applied::No),
            ("Commit", "OUT_OF_RANGE", None, Invalid, Applied::No),
            ("Commit", "UNAUTHENTICATED", None, Unauthenticated, Applied::No),
            ("Commit", "PERMISSION_DENIED", None, Forbidden, Applied::No),
            ("Commit", "UNIMPLEMENTED", None, Unsupported, Applied::No),
            ("Commit", "DEADLINE_EXCEEDED", None, Timeout, Applied::Unknown),
            ("Commit", "UNAVAILABLE", None, Unavailable, Applied::Unknown),
            ("Commit", "CANCELLED", None, Unavailable, Applied::Unknown),
            ("Commit", "DATA_LOSS", None, Corrupt, Applied::Unknown),
            ("Commit", "INTERNAL", None, Internal, Applied::Unknown),
            ("Commit", "UNKNOWN", None, Internal, Applied::Unknown),
            ("Commit", "SOMETHING_NEW", None, Internal, Applied::Unknown),
            (CONDITIONAL_DELETE, "NOT_FOUND", None, Conflict, Applied::No),
            (CONDITIONAL_DELETE, "FAILED_PRECONDITION", None, Conflict, Applied::No),
            ("DeleteObject", "NOT_FOUND", None, NotFound, Applied::No),
            ("DeleteBucket", "ALREADY_EXISTS", None, Conflict, Applied::No),
            ("CreateBucket", "ALREADY_EXISTS", None, AlreadyExists, Applied::No),
            ("ComposeObject", "FAILED_PRECONDITION", None, Conflict, Applied::No),
            ("objects.insert", "403", rate, Throttled, Applied::No),
            ("objects.insert", "403", quota, Exhausted, Applied::No),
            ("objects.insert", "403", None, Forbidden, Applied::No),
            ("objects.insert", "412", None, Conflict, Applied::No),
            ("objects.insert", "429", quota, Exhausted, Applied::No),
            ("objects.insert", "429", rate, Throttled, Applied::No),
            ("objects.insert", "503", None, Unavailable, Applied::Unknown),
            ("PUT object", "412", None, Conflict, Applied::No),
            ("GET object", "404", None, NotFound, Applied::No),
            ("GET object", "416", None, Invalid, Applied::No),
        ];
        for (op, code, detail, kind, applied) in cases {
            let row = of_code(op, code, detail);
            assert_eq!((row.kind, row.applied), (kind, applied), "{op} {code} {detail:?}");
        }
    }

    #[test]
    fn an_answer_that_says_yes_and_cannot_be_read_was_applied() {
        assert_eq!(unread("BatchWrite").applied(), Applied::Yes);
        assert_eq!(unread("BatchWrite").kind(), Internal);
    }

    #[test]
    fn details_say_when_to_come_back_and_tell_a_rate_from_a_quota() {
        let delay = gcloud_sdk::prost_types::Duration { seconds: 2, nanos: 500_000_000 };
        let retry = detail("google.rpc.RetryInfo", &RetryInfo { retry_delay: Some(delay) });
        let quota = detail("google.rpc.QuotaFailure", &QuotaFailure::default());
        let request = RequestInfo { request_id: "4XR".to_owned(), ..RequestInfo::default() };
        let request = detail("google.rpc.RequestInfo", &request);
        let reason = |reason: &str| {
            let info = ErrorInfo { reason: reason.to_owned(), ..ErrorInfo::default() };
            detail("google.rpc.ErrorInfo", &info)
        };

        let error = from_status(
            "Commit",
            status(Code::ResourceExhausted, vec![quota.clone(), retry, request]),
        );
        assert_eq!(error.kind(), Throttled);
        assert_eq!(error.retry_after(), Some(Duration::from_millis(2_500)));
        assert_eq!(error.request_id(), Some("4XR"));
        assert_eq!(error.code(), Some("RESOURCE_EXHAUSTED"));
        assert_eq!(error.message(), "something happened");

        let kind = |details| from_status("Commit", status(Code::ResourceExhausted, details)).kind();
        assert_eq!(kind(vec![quota.clone()]), Exhausted);
        assert_eq!(kind(vec![quota.clone(), reason("RATE_LIMIT_EXCEEDED")]), Throttled);
        assert_eq!(kind(vec![quota, reason("OTHER")]), Exhausted);
        let garbage = Status::with_details(Code::ResourceExhausted, "", vec![255; 9].into());
        let error = from_status("Commit", garbage);
        assert_eq!(error.kind(), Throttled);
        assert_eq!(error.message(), "Commit was answered with RESOURCE_EXHAUSTED");
    }

    #[test]
    fn a_batch_says_of_each_write_what_became_of_it() {
        let code = |code: Code| RpcStatus { code: code as i32, ..RpcStatus::default() };
        assert!(from_rpc("BatchWrite", &code(Code::Ok)).is_ok());
        let error = from_rpc("BatchWrite", &code(Code::Aborted)).unwrap_err();
        assert_eq!((error.kind(), error.applied()), (Conflict, Applied::No));
    }

    #[test]
    fn what_rest_answers_means_the_same() {
        use google_cloud_gax::error::rpc::{Code, Status};

        let answer = |code| GaxError::service(Status::default().set_code(code).set_message("No."));
        let error = from_gax("UpdateField", answer(Code::PermissionDenied));
        assert_eq!((error.kind(), error.code()), (Forbidden, Some("PERMISSION_DENIED")));
        assert_eq!(error.message(), "no");
        let error = from_gax("UpdateField", answer(Code::Unavailable));
        assert_eq!((error.kind(), error.applied()), (Unavailable, Applied::Unknown));
        let error = from_gax("UpdateField", GaxError::timeout("late"));
        assert_eq!((error.kind(), error.applied()), (Timeout, Applied::Unknown));
        let error = from_gax("UpdateField", GaxError::connect("refused"));
        assert_eq!((error.kind(), error.applied()), (Unavailable, Applied::No));
        let error = from_gax("UpdateField", GaxError::deser("garbage"));
        assert_eq!((error.kind(), error.applied()), (Internal, Applied::Yes));
        let gateway = |status| GaxError::http(status, http::HeaderMap::new(), bytes::Bytes::new());
        assert_eq!(from_gax("UpdateField", gateway(503)).kind(), Unavailable);
        assert_eq!(from_gax("UpdateField", gateway(429)).kind(), Throttled);
        assert_eq!(from_gax("UpdateField", gateway(500)).kind(), Internal);
    }

    #[cfg(feature = "blob")]
    #[test]
    fn what_xml_answers_means_the_same() {
        let error = from_xml("PUT object", 412, "PreconditionFailed", "Not so.");
        assert_eq!((error.kind(), error.applied()), (Conflict, Applied::No));
        assert_eq!((error.code(), error.message()), (Some("412"), "not so"));
        let error = from_xml("GET object", 503, "", "");
        assert_eq!((error.kind(), error.applied()), (Unavailable, Applied::Unknown));
        assert_eq!(error.message(), "GET object was answered with 503");
        assert_eq!(from_xml("PUT object", 429, "SlowDown", "").kind(), Throttled);
        assert_eq!(from_xml("PUT object", 403, "AccessDenied", "").kind(), Forbidden);
        assert_eq!(from_xml("PUT object", 418, "Teapot", "").kind(), Internal);
    }

    #[test]
    fn credentials_that_fail_are_not_the_services_answer() {
        use google_cloud_auth::errors::CredentialsError;

        let kind = |transient| {
            let why = CredentialsError::from_msg(transient, "no token");
            let error = gcloud_sdk::error::Error::from(why);
            let status = Status::from_error(Box::new(Box::new(error)));
            let error = from_status("Commit", status);
            assert_eq!(error.applied(), Applied::No);
            error.kind()
        };
        assert_eq!(kind(true), Unavailable);
        assert_eq!(kind(false), Unauthenticated);
    }

    #[test]
    fn messages_are_one_plain_line() {
        assert_eq!(plain("Quota exceeded."), "quota exceeded");
        assert_eq!(plain("Two\nlines"), "two lines");
        assert_eq!(plain(&"x".repeat(1_000)).len(), 300);
    }
}

//! The lane: the calls that are made most, signed with `aws-sigv4` and sent by the SDK's own connector, without what lies between.
//!
//! Of a call that moves a KiB, the SDK's pipeline costs three quarters. Where a bucket is, the SDK still says, once for each; its connections
//! are the SDK's own, the same that its client uses. What a call promises is the same on both ways: its time limits, its attempts, what
//! a failure says of what was applied, and nothing secret in it.

mod answer;
mod keys;
mod place;
mod quota;
mod request;

use std::borrow::Cow;

use aws_sdk_s3::Client;
use aws_smithy_runtime_api::client::{
    connection::CaptureSmithyConnection,
    http::{HttpConnector as _, SharedHttpConnector},
    orchestrator::HttpResponse,
};
use bytes::Bytes;
use mvi_core::{Applied, Error, ErrorKind, Result, Timestamp};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use self::{
    keys::{Held, Keys},
    place::{Place, Places},
    quota::Quota,
};
use super::{limits::Limits, sign::Wire, write::is_contended, xml};
use crate::{
    Retries,
    attempt::Repeat,
    clock::now,
    config::Config,
    error::{late, rejected, unanswered, unread},
    partial::pause,
};

pub(super) use self::{answer::Answer, request::escape};

/// The longest answer that is read whole: a page of 1,000 keys of 1,024 bytes, each of them escaped, is a fifth of it.
const MAX_ANSWER_BYTES: usize = 16 << 20;

/// How an answer is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Whole, in the time of its attempt.
    Whole,
    /// By whoever asked, as it comes.
    Stream,
}

/// A call to make.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    op: &'static str,
    method: &'static str,
    bucket: &'a str,
    /// Of what is in the bucket; the bucket itself has none.
    key: Option<&'a str>,
    /// As it stands in the URL.
    query: String,
    headers: Vec<(Cow<'static, str>, Cow<'a, str>)>,
    body: Bytes,
    repeat: Repeat,
    reading: Reading,
}

impl<'a> Ask<'a> {
    pub(super) fn new(
        op: &'static str,
        method: &'static str,
        bucket: &'a str,
        key: Option<&'a str>,
        repeat: Repeat,
    ) -> Self {
        Self {
            op,
            method,
            bucket,
            key,
            query: String::new(),
            headers: Vec::with_capacity(10),
            body: Bytes::new(),
            repeat,
            reading: Reading::Whole,
        }
    }

    /// Leaves the body of the answer to whoever asks.
    pub(super) fn streamed(mut self) -> Self {
        self.reading = Reading::Stream;
        self
    }

    pub(super) fn body(mut self, body: Bytes) -> Self {
        self.body = body;
        self
    }

    /// Adds a parameter, whose name stands in a URL as it is. They are signed in the order of their names, and so have to be added.
    pub(super) fn param(mut self, name: &str, value: &str) -> Self {
        if !self.query.is_empty() {
            self.query.push('&');
        }
        self.query.push_str(name);
        self.query.push('=');
        escape(value, false, &mut self.query);
        self
    }

    /// Adds a header, which in the SDK's manner is left out where it has nothing to say.
    pub(super) fn header(
        mut self,
        name: &'static str,
        value: Option<impl Into<Cow<'a, str>>>,
    ) -> Self {
        if let Some(value) = value.map(Into::into).filter(|it| !it.is_empty()) {
            self.headers.push((Cow::Borrowed(name), value));
        }
        self
    }

    /// Adds an entry of an object's metadata.
    pub(super) fn metadata(mut self, name: &str, value: &'a str) -> Self {
        let name = ["x-amz-meta-", name].concat();
        self.headers.push((Cow::Owned(name), Cow::Borrowed(value)));
        self
    }
}

/// What is tried, and how it came out.
struct Tried {
    error: Error,
    /// What was answered, if anything was.
    status: Option<u16>,
}

/// Makes calls.
pub(super) struct Lane {
    connector: SharedHttpConnector,
    keys: Keys,
    places: Places,
    wire: Wire,
    limits: Limits,
    retries: Retries,
    quota: Quota,
    agent: Cow<'static, str>,
}

impl Lane {
    /// By `connector`, where `client` would go.
    pub(super) fn new(
        config: &Config,
        client: Client,
        connector: SharedHttpConnector,
        limits: Limits,
    ) -> Self {
        Self {
            connector,
            keys: Keys::new(config.shared().credentials_provider()),
            places: Places::new(client),
            wire: Wire { loopback: config.loopback_payloads() },
            limits,
            retries: config.retries(),
            quota: Quota::new(),
            agent: request::agent(config.shared().app_name()),
        }
    }

    /// Makes one call, in as many attempts as the configuration and its `Repeat` allow.
    pub(super) async fn send(&self, ask: &Ask<'_>) -> Result<Answer> {
        let (attempt, operation) = self.limits.of(ask.body.len() as u64);
        let deadline = Instant::now() + operation;
        let (mut all, mut round, mut spent) = (Applied::No, 0, 0);
        loop {
            let place = self.places.of(ask.bucket).await;
            let place = place.map_err(|e| joined(ask, e, all))?;
            // Those of a first attempt are long known, as a rule, and cost no time that is worth a limit.
            let at = now();
            let keys = match self.keys.held(at.into()) {
                Some(held) => Ok(held),
                None => timeout_at(deadline, self.keys.load())
                    .await
                    .unwrap_or_else(|_| Err(late(ask.op).with_applied(Applied::No))),
            };
            let keys = keys.map_err(|e| joined(ask, e, all))?;
            let request = self.signed(ask, &place, &keys, at);
            let request = request.map_err(|e| joined(ask, e, all))?;

            let left = deadline.saturating_duration_since(Instant::now());
            let tried = timeout(left.min(attempt), self.attempt(ask, request)).await;
            let Tried { error, status } = match tried {
                Ok(Ok(answer)) => {
                    // A call that needed no other gives one back; one that did, what it took last.
                    self.quota.give(spent.max(1));
                    return Ok(answer);
                }
                Ok(Err(tried)) => *tried,
                Err(_) => {
                    let error = late(ask.op).with_applied(Applied::Unknown);
                    Tried { error, status: None }
                }
            };
            let applied = error.applied();
            all = all.join(applied);
            round += 1;
            let forbidden = ask.repeat == Repeat::Unapplied && applied != Applied::No;
            let cost = cost_of_another(&error, status).filter(|_| !forbidden);
            let Some(cost) = cost.filter(|_| round < self.retries.attempts) else {
                return Err(joined(ask, error, all));
            };
            let wait = pause(self.retries, round - 1, error.retry_after());
            if Instant::now() + wait >= deadline || !self.quota.take(cost) {
                return Err(joined(ask, error, all));
            }
            spent = cost;
            sleep(wait).await;
        }
    }

    fn signed(
        &self,
        ask: &Ask<'_>,
        place: &Place,
        keys: &Held,
        at: Timestamp,
    ) -> Result<request::Signed> {
        let unsigned = !ask.body.is_empty() && self.wire.is_unsigned(place.root());
        request::signed(ask, place, keys, at, unsigned, self.agent.clone())
    }

    /// Sends it once.
    async fn attempt(
        &self,
        ask: &Ask<'_>,
        request: request::Signed,
    ) -> std::result::Result<Answer, Box<Tried>> {
        let request::Signed { request, connection } = request;
        let mut response = match self.connector.call(request).await {
            Ok(response) => response,
            Err(error) => {
                return Err(Box::new(Tried { error: unanswered(ask.op, error), status: None }));
            }
        };
        let status = response.status();
        if status.is_success() && ask.reading == Reading::Stream {
            return Ok(Answer::new(response, Bytes::new()));
        }
        let tried = match answer::whole(&mut response, MAX_ANSWER_BYTES).await {
            Ok(bytes) => {
                let said = if status.is_success() { xml::error_within(&bytes) } else { None };
                match said {
                    None if status.is_success() => return Ok(Answer::new(response, bytes)),
                    None => refused(ask, &response, &bytes),
                    Some(said) => rejected(ask.op, said.code(), said.message(), &response),
                }
            }
            Err(source) => unread(ask.op, &response, source),
        };
        let status = status.as_u16();
        // Who failed may not be the one to ask next.
        if matches!(status, 500 | 502..=504) {
            poison(&connection);
        }
        Err(Box::new(Tried { error: tried, status: Some(status) }))
    }
}

/// What an answer says that is no yes.
fn refused(ask: &Ask<'_>, response: &HttpResponse, bytes: &[u8]) -> Error {
    let said = xml::error(bytes).unwrap_or_default();
    let code = match (said.code(), response.status().as_u16()) {
        // What has no body has no code.
        (None, 404) if bytes.is_empty() => Some("NotFound"),
        (code, _) => code,
    };
    rejected(ask.op, code, said.message(), response)
}

/// Lets no later call have this connection.
fn poison(connection: &CaptureSmithyConnection) {
    if let Some(connection) = connection.get() {
        connection.poison();
    }
}

/// The last error, for all attempts.
fn joined(ask: &Ask<'_>, error: Error, all: Applied) -> Error {
    let applied = if ask.repeat == Repeat::Read { Applied::No } else { all.join(error.applied()) };
    error.with_applied(applied)
}

/// What another attempt takes from the quota, where it may succeed.
fn cost_of_another(error: &Error, status: Option<u16>) -> Option<u32> {
    match error.kind() {
        ErrorKind::Throttled => Some(quota::THROTTLED),
        ErrorKind::Unavailable | ErrorKind::Timeout => Some(quota::FAILED),
        // Of a client's mistake that nobody knows, the same would come again.
        ErrorKind::Internal => {
            let fails = |it| it >= 500 || it == 200 && error.code().is_some();
            status.is_some_and(fails).then_some(quota::FAILED)
        }
        _ if is_contended(error.code()) => Some(quota::FAILED),
        _ => None,
    }
}

//! How long a call may take that carries a body, or has S3 move one.

use std::time::Duration;

use aws_sdk_s3::config::{Builder, timeout::TimeoutConfig};

use crate::{Retries, Timeouts};

/// How many bytes of a body have the time of one attempt.
const CARRIED_BYTES: u64 = 1 << 20;
/// How many bytes that S3 copies or joins have the time of one attempt.
const MOVED_BYTES: u64 = 16 << 20;
/// The least that S3 may take to join parts, in attempts: it says that it takes [minutes][source].
///
/// [source]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
const JOINED: u32 = 10;
/// The most times that the time of an attempt is given: of 6 s they are an hour and a half.
const MOST: u32 = 1_000;

/// The time limits of calls, by how much they carry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    timeouts: Timeouts,
    attempts: u32,
}

impl Limits {
    pub(super) fn new(timeouts: Timeouts, retries: Retries) -> Self {
        Self { timeouts, attempts: retries.attempts }
    }

    /// Of calls that carry next to nothing.
    ///
    /// The SDK keeps connections apart by how long it would wait for the head of an answer, so that limit is not set; that of an attempt
    /// counts also while a request is being written, which a peer that never reads would hold up for ever.
    pub(super) fn sdk(self) -> TimeoutConfig {
        let Timeouts { connect, read: _, attempt, operation } = self.timeouts;
        TimeoutConfig::builder()
            .connect_timeout(connect)
            .disable_read_timeout()
            .operation_attempt_timeout(attempt)
            .operation_timeout(operation)
            .build()
    }

    /// Of one attempt, and of all together, of a call with so large a body.
    pub(super) fn of(self, body: u64) -> (Duration, Duration) {
        self.times(u32::try_from(body / CARRIED_BYTES).unwrap_or(MOST))
    }

    /// Of a call with so large a body, where they are others.
    pub(super) fn carrying(self, bytes: u64) -> Option<Builder> {
        self.more(u32::try_from(bytes / CARRIED_BYTES).unwrap_or(MOST))
    }

    /// Of a call that has S3 copy so much.
    pub(super) fn copying(self, bytes: u64) -> Option<Builder> {
        self.more(u32::try_from(bytes / MOVED_BYTES).unwrap_or(MOST))
    }

    /// Of a call that has S3 join so much.
    pub(super) fn joining(self, bytes: u64) -> Option<Builder> {
        self.more(u32::try_from(bytes / MOVED_BYTES).unwrap_or(MOST).max(JOINED))
    }

    /// Of a call whose attempts have their time so many times more.
    fn more(self, times: u32) -> Option<Builder> {
        if times == 0 {
            return None;
        }
        let (attempt, operation) = self.times(times);
        let limits = TimeoutConfig::builder()
            .operation_attempt_timeout(attempt)
            .operation_timeout(operation)
            .build();
        Some(Builder::new().timeout_config(limits))
    }

    /// The time of an attempt and of all, with that of an attempt so many times more.
    fn times(self, times: u32) -> (Duration, Duration) {
        let Timeouts { connect: _, read: _, attempt, operation } = self.timeouts;
        let extra = attempt.saturating_mul(times.min(MOST));
        let operation = operation.saturating_add(extra.saturating_mul(self.attempts));
        (attempt.saturating_add(extra), operation)
    }
}

/// Sends a call of the SDK under limits of its own, where it has some.
macro_rules! within {
    ($limits:expr, $call:expr) => {{
        let (limits, call) = ($limits, $call);
        async move {
            match limits {
                Some(limits) => call.customize().config_override(limits).send().await,
                None => call.send().await,
            }
        }
    }};
}
pub(super) use within;

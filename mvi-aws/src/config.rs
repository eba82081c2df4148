//! How calls reach AWS: where to, as whom, how often, and for how long at most.
//!
//! The SDK alone waits without limit for a server that accepts and never answers. Here every limit is set, in one
//! place, for every service.

use std::{fmt, time::Duration};

use mvi_core::{Error, Result};
use secrecy::SecretString;

use crate::Aws;

/// How long to wait before a call is an error.
///
/// | limit | of what | default |
/// |---|---|---|
/// | `connect` | one TCP connection, with TLS | 3.1 s |
/// | `read` | one attempt: from sending it to the head of its answer | 5 s |
/// | `attempt` | one attempt in all, with its body | 6 s |
/// | `operation` | one call of AWS in all: its attempts and the pauses between them | 20 s |
///
/// An upload has the time of an attempt once more for each MiB of its body, so that a slow line is not taken for a dead one: what moves
/// at 171 KiB a second is in time. So has what S3 copies or joins, for each 16 MiB. Of a download, `attempt` is the time to its head,
/// and `read` the time between two pieces of its body.
///
/// A call of MVI that pages, or works through unprocessed items, makes several calls of AWS, a known number at most.
///
/// ```
/// use std::time::Duration;
/// use mvi_aws::Timeouts;
///
/// let hasty = Timeouts { operation: Duration::from_secs(2), ..Timeouts::default() };
/// assert_eq!(hasty.connect, Duration::from_millis(3_100));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For one TCP connection, with TLS.
    pub connect: Duration,
    /// For the head of one attempt's answer.
    pub read: Duration,
    /// For one attempt in all.
    pub attempt: Duration,
    /// For one call of AWS in all: its attempts and the pauses between them.
    pub operation: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_millis(3_100),
            read: Duration::from_secs(5),
            attempt: Duration::from_secs(6),
            operation: Duration::from_secs(20),
        }
    }
}

/// How often to try, and how long to pause between two attempts.
///
/// The SDK repeats what may succeed; where an attempt that may have been applied must not be repeated, MVI forbids it.
/// Pauses are random, from zero to a bound that doubles, so that callers do not come back all at once.
///
/// ```
/// use mvi_aws::Retries;
///
/// let once = Retries { attempts: 1, ..Retries::default() };
/// assert_eq!(once.longest_pause.as_secs(), 5);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// The most attempts of a call, the first included: 3.
    pub attempts: u32,
    /// The bound of the first pause: 50 ms.
    pub first_pause: Duration,
    /// The bound of any pause: 5 s.
    pub longest_pause: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            attempts: 3,
            first_pause: Duration::from_millis(50),
            longest_pause: Duration::from_secs(5),
        }
    }
}

/// A service of AWS that an endpoint can be set for.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// S3, behind [`Blob`](mvi_core::Blob).
    S3,
    /// `DynamoDB`, behind [`Kv`](mvi_core::Kv).
    DynamoDb,
}

/// Makes an [`Aws`]. What is not set comes from the environment, as in every Amazon tool: variables, the files in
/// `~/.aws`, and the machine's or container's role.
///
/// ```
/// use mvi_aws::Aws;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> mvi_core::Result<()> {
/// let aws = Aws::builder()
///     .region("eu-central-1")
///     .endpoint("http://127.0.0.1:4566")
///     .credentials("000000000001", "anything")
///     .build()
///     .await?;
/// # let _ = aws; Ok(())
/// # }
/// ```
#[must_use]
#[derive(Clone, Debug, Default)]
pub struct AwsBuilder {
    region: Option<String>,
    endpoint: Option<String>,
    endpoints: Vec<(Service, String)>,
    credentials: Option<Secret>,
    timeouts: Timeouts,
    retries: Retries,
    loopback_payloads: Payloads,
}

/// Whether the signature of an upload covers its body.
///
/// Over TLS it never does: TLS keeps the body as it is, a CRC-32C that goes along and is signed finds what it would miss, and the
/// SHA-256 of a signature would cost more than all else that is done for a large upload. Over plain HTTP it always does, but
/// where [`AwsBuilder::loopback_payloads`] says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Payloads {
    /// Its SHA-256 is signed.
    #[default]
    Signed,
    /// It is not: only its CRC-32C is.
    Unsigned,
}

#[derive(Clone)]
struct Secret {
    id: String,
    #[cfg_attr(not(feature = "_sdk"), expect(dead_code, reason = "no service signs with it"))]
    key: SecretString,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} and a key", self.id)
    }
}

impl AwsBuilder {
    /// Works in `region`, as in `eu-central-1`.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Sends the calls of every service to `url`: an emulator's, say.
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// Sends the calls of one service to `url`, wherever the others go.
    pub fn endpoint_for(mut self, service: Service, url: impl Into<String>) -> Self {
        self.endpoints.retain(|(known, _)| *known != service);
        self.endpoints.push((service, url.into()));
        self
    }

    /// Signs with a fixed access key. Meant for emulators: a real cloud's role or profile renews itself.
    pub fn credentials(mut self, id: impl Into<String>, key: impl Into<String>) -> Self {
        self.credentials = Some(Secret { id: id.into(), key: SecretString::from(key.into()) });
        self
    }

    /// Sets how long to wait.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Sets how often to try.
    pub fn retries(mut self, retries: Retries) -> Self {
        self.retries = retries;
        self
    }

    /// Says whether the body of an upload is signed where the endpoint is plain HTTP on this very machine; elsewhere it changes nothing.
    /// Meant for benchmarks, which want to see on loopback what TLS does not need.
    pub fn loopback_payloads(mut self, payloads: Payloads) -> Self {
        self.loopback_payloads = payloads;
        self
    }

    /// Makes it. Nothing is sent yet but what the environment needs to tell region and role.
    ///
    /// # Errors
    ///
    /// [`Invalid`](mvi_core::ErrorKind::Invalid) where no region is known, an endpoint is not a URL, or a limit is zero.
    pub async fn build(self) -> Result<Aws> {
        self.check()?;
        Aws::with(self).await
    }

    fn check(&self) -> Result<()> {
        let Self {
            region: _,
            endpoint,
            endpoints,
            credentials: _,
            timeouts,
            retries,
            loopback_payloads: _,
        } = self;
        let Timeouts { connect, read, attempt, operation } = *timeouts;
        for (name, limit) in
            [("connect", connect), ("read", read), ("attempt", attempt), ("operation", operation)]
        {
            if limit.is_zero() {
                return Err(Error::invalid(format!("the {name} timeout is 0: wanted more")));
            }
        }
        if retries.attempts == 0 {
            return Err(Error::invalid("0 attempts: wanted 1 or more"));
        }
        for url in endpoint.iter().chain(endpoints.iter().map(|(_, url)| url)) {
            let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
            if !rest.is_some_and(|it| !it.is_empty() && !it.starts_with('/')) {
                return Err(Error::invalid(format!(
                    "{url:?} is not an endpoint: wanted http:// or https:// and a host"
                )));
            }
        }
        Ok(())
    }
}

#[cfg(feature = "_sdk")]
mod sdk {
    #[cfg(feature = "kv")]
    use aws_config::timeout::TimeoutConfig;
    use aws_config::{BehaviorVersion, Region, SdkConfig};
    use aws_credential_types::Credentials;
    use aws_smithy_async::rt::sleep::TokioSleep;
    #[cfg(feature = "blob")]
    use aws_smithy_http_client::Connector;
    use aws_smithy_http_client::{
        Builder,
        tls::{Provider, rustls_provider::CryptoMode},
    };
    #[cfg(feature = "blob")]
    use aws_smithy_runtime_api::client::http::{HttpConnectorSettings, SharedHttpConnector};
    use aws_smithy_types::retry::{RetryConfig, RetrySpec};

    use secrecy::ExposeSecret as _;

    use super::{AwsBuilder, Error, Payloads, Result, Retries, Service, Timeouts};

    /// Whose TLS it is.
    const HTTPS: Provider = Provider::Rustls(CryptoMode::Ring);

    /// What every service's client is made from.
    #[derive(Clone, Debug)]
    pub(crate) struct Config {
        shared: SdkConfig,
        endpoint: Option<String>,
        endpoints: Vec<(Service, String)>,
        timeouts: Timeouts,
        retries: Retries,
        #[cfg_attr(
            not(feature = "blob"),
            expect(dead_code, reason = "no other service has bodies")
        )]
        loopback_payloads: Payloads,
    }

    impl Config {
        pub(crate) async fn load(builder: AwsBuilder) -> Result<Self> {
            let AwsBuilder {
                region,
                endpoint,
                endpoints,
                credentials,
                timeouts,
                retries,
                loopback_payloads,
            } = builder;
            // Pinned: a later version may change what we set out to measure and test.
            let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
                .http_client(Builder::new().tls_provider(HTTPS).build_https())
                .sleep_impl(TokioSleep::new());
            if let Some(region) = region {
                loader = loader.region(Region::new(region));
            }
            if let Some(secret) = credentials {
                let key = secret.key.expose_secret();
                let credentials = Credentials::new(secret.id, key, None, None, "mvi");
                loader = loader.credentials_provider(credentials);
            }
            let shared = loader.load().await;
            if shared.region().is_none() {
                return Err(Error::invalid(
                    "no region: wanted one in the builder, in AWS_REGION or in the profile",
                ));
            }
            Ok(Self { shared, endpoint, endpoints, timeouts, retries, loopback_payloads })
        }

        pub(crate) fn shared(&self) -> &SdkConfig {
            &self.shared
        }

        /// Where the calls of `service` go, if not to AWS.
        pub(crate) fn endpoint(&self, service: Service) -> Option<&str> {
            let own = self.endpoints.iter().find(|(known, _)| *known == service);
            own.map(|(_, url)| url).or(self.endpoint.as_ref()).map(String::as_str)
        }

        pub(crate) fn retries(&self) -> Retries {
            self.retries
        }

        #[cfg(feature = "blob")]
        pub(crate) fn timeouts(&self) -> Timeouts {
            self.timeouts
        }

        /// Connections of its own to whoever is called.
        #[cfg(feature = "blob")]
        pub(crate) fn connector(&self) -> SharedHttpConnector {
            let settings = HttpConnectorSettings::builder();
            let settings = settings.connect_timeout(self.timeouts.connect).build();
            SharedHttpConnector::new(
                Connector::builder()
                    .connector_settings(settings)
                    .sleep_impl(TokioSleep::new())
                    .tls_provider(HTTPS)
                    .build(),
            )
        }

        #[cfg(feature = "blob")]
        pub(crate) fn loopback_payloads(&self) -> Payloads {
            self.loopback_payloads
        }

        #[cfg(feature = "kv")]
        pub(crate) fn sdk_timeouts(&self) -> TimeoutConfig {
            let Timeouts { connect, read, attempt, operation } = self.timeouts;
            TimeoutConfig::builder()
                .connect_timeout(connect)
                .read_timeout(read)
                .operation_attempt_timeout(attempt)
                .operation_timeout(operation)
                .build()
        }

        pub(crate) fn sdk_retries(&self) -> RetryConfig {
            let Retries { attempts, first_pause, longest_pause } = self.retries;
            RetryConfig::standard()
                .with_max_attempts(attempts)
                .with_initial_backoff(first_pause)
                .with_max_backoff(longest_pause)
                .with_retry_spec(RetrySpec::v2_1().with_non_throttling_initial_backoff(first_pause))
        }
    }
}

#[cfg(feature = "_sdk")]
pub(crate) use sdk::Config;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_work_are_invalid() {
        let zero = Timeouts { attempt: Duration::ZERO, ..Timeouts::default() };
        let never = Retries { attempts: 0, ..Retries::default() };
        let builders = [
            Aws::builder().timeouts(zero),
            Aws::builder().retries(never),
            Aws::builder().endpoint("127.0.0.1:4566"),
            Aws::builder().endpoint("http://"),
            Aws::builder().endpoint_for(Service::DynamoDb, "ftp://127.0.0.1"),
        ];
        for builder in builders {
            let error = builder.check().unwrap_err();
            assert_eq!(error.kind(), mvi_core::ErrorKind::Invalid, "{error}");
        }
        Aws::builder().endpoint("http://127.0.0.1:4566").check().unwrap();
    }

    #[test]
    fn the_key_is_not_printed() {
        let builder = Aws::builder().credentials("AKIA1", "hunter2");
        assert!(!format!("{builder:?}").contains("hunter2"));
    }
}

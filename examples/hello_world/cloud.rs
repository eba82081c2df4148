//! The cloud: which one, and what is let go wrong there.

use std::{fmt, time::Duration};

use clap::{ValueEnum, builder::PossibleValue};
use mvi_core::{Cloud, Error, ErrorKind, Result};
use mvi_testkit::{Fault, Faults, KvWeather, Lost, Sim, Weather};

use super::say;

/// A cloud to run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Choice {
    /// Simulated in this process; its links end with it
    Sim,
    /// Amazon Web Services; needs the feature "aws"
    Aws,
    /// Google Cloud; needs the feature "gcp"
    Gcp,
}

/// Where the cloud's calls go, where not to the cloud itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Endpoints {
    pub(crate) all: Option<String>,
    pub(crate) blob: Option<String>,
}

/// What to let go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Trouble {
    /// Three in ten calls are refused as too many
    Throttle,
    /// Three in ten changes are made, and their answers lost
    Lose,
    /// For an hour, no call is answered in three seconds of ten
    Outage,
}

impl Trouble {
    /// The faults that make it, at the seam around each call of whatever cloud; the first outage comes in two seconds.
    pub(crate) fn faults(self, seed: u64) -> Faults {
        let faults = Faults::new(seed);
        match self {
            Self::Throttle => faults.with(Fault::refuse("*", ErrorKind::Throttled).chance(0.3)),
            Self::Lose => {
                let changes = [
                    "kv.update",
                    "blob.put",
                    "blob.start_upload",
                    "blob.upload_part",
                    "blob.complete_upload",
                    "blob.copy",
                    "blob.delete",
                ];
                let lose = |op| Fault::lose(op, Lost::Timeout).chance(0.3);
                changes.into_iter().map(lose).fold(faults, Faults::with)
            }
            Self::Outage => {
                (2..3_600).step_by(10).map(Duration::from_secs).fold(faults, |faults, start| {
                    let window = start..start + Duration::from_secs(3);
                    faults.with(Fault::refuse("*", ErrorKind::Unavailable).between(window))
                })
            }
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = self.to_possible_value();
        told.as_ref().and_then(PossibleValue::get_help).map_or(Ok(()), |help| help.fmt(f))
    }
}

/// Opens `choice`.
#[cfg_attr(
    not(any(feature = "aws", feature = "gcp")),
    expect(clippy::unused_async, reason = "a real cloud is waited for")
)]
pub(crate) async fn open(choice: Choice, endpoints: Endpoints, seed: u64) -> Result<Cloud> {
    match choice {
        Choice::Sim if endpoints.all.is_some() || endpoints.blob.is_some() => Err(Error::invalid(
            "--endpoint with the simulated cloud: wanted --cloud aws or gcp too",
        )),
        Choice::Sim => {
            let sim = Sim::new(seed).weather(weather());
            say(format_args!("simulated cloud, seed {}", sim.seed()));
            Ok(sim.cloud())
        }
        #[cfg(feature = "aws")]
        Choice::Aws => aws(endpoints).await,
        #[cfg(feature = "gcp")]
        Choice::Gcp => gcp(endpoints).await,
        #[cfg(not(feature = "aws"))]
        Choice::Aws => Err(without("aws")),
        #[cfg(not(feature = "gcp"))]
        Choice::Gcp => Err(without("gcp")),
    }
}

/// A good day on which nobody at a keyboard waits: not for the table, and not for the index to follow.
fn weather() -> Weather {
    let fair = Weather::fair();
    let (change, lag) = (Duration::from_millis(100), Duration::from_millis(5));
    let kv = KvWeather { change: change..=2 * change, lag: Duration::ZERO..=lag, ..fair.kv };
    Weather { kv, ..fair }
}

#[cfg(feature = "aws")]
async fn aws(endpoints: Endpoints) -> Result<Cloud> {
    let Endpoints { all, blob } = endpoints;
    if blob.is_some() {
        return Err(Error::invalid("--blob-endpoint with --cloud aws: one endpoint has them all"));
    }
    let mut builder = mvi_aws::Aws::builder();
    if let Some(url) = all {
        if is_emulator(&url) {
            if is_unset("AWS_ACCESS_KEY_ID") {
                builder = builder.credentials("000000000000", "anything");
            }
            if is_unset("AWS_REGION") && is_unset("AWS_DEFAULT_REGION") {
                builder = builder.region("us-east-1");
            }
        }
        builder = builder.endpoint(url);
    }
    Ok(builder.build().await?.cloud())
}

#[cfg(feature = "gcp")]
async fn gcp(endpoints: Endpoints) -> Result<Cloud> {
    let Endpoints { all, blob } = endpoints;
    let mut builder = mvi_gcp::Gcp::builder();
    if let Some(url) = blob {
        builder = builder.endpoint_for(mvi_gcp::Service::Storage, url);
    }
    if let Some(url) = all {
        if is_emulator(&url) {
            builder = builder.emulated();
            if is_unset("GOOGLE_CLOUD_PROJECT") {
                builder = builder.project("hello-world");
            }
        }
        builder = builder.endpoint(url);
    }
    Ok(builder.build().await?.cloud())
}

/// No cloud takes credentials over plain HTTP: whatever does is an emulator.
#[cfg(any(feature = "aws", feature = "gcp"))]
fn is_emulator(url: &str) -> bool {
    url.starts_with("http://")
}

#[cfg(any(feature = "aws", feature = "gcp"))]
fn is_unset(variable: &str) -> bool {
    std::env::var_os(variable).is_none()
}

#[cfg(not(all(feature = "aws", feature = "gcp")))]
fn without(feature: &str) -> Error {
    let message = format!(
        "--cloud {feature} in a build without it: add -p mvi-examples --features {feature}"
    );
    Error::new(ErrorKind::Unsupported, message)
}

//! The promises of every service that is built, kept on Google's own emulators, and where `MVI_LIVE` says so on Google Cloud.

use std::{env, process::ExitCode};

use google_cloud_auth::signer::{Result as Signed, Signer, SigningProvider};
use mvi_core::{Cloud, Result};
use mvi_gcp::{Gcp, Service};
use mvi_testkit::conformance::{self, Backend};

fn main() -> ExitCode {
    conformance::main([
        Backend::emulator("firestore", "Google's Firestore emulator", "MVI_FIRESTORE", firestore)
            .only(["kv"]),
        Backend::emulator("gcs", "fake-gcs-server 1.54.0 behind a bridge of ours", "MVI_GCS", gcs)
            .only(["blob"]),
        Backend::live("gcp", "Google Cloud", live),
    ])
}

async fn firestore(endpoint: String) -> Result<Cloud> {
    let url = if endpoint.contains("://") { endpoint } else { format!("http://{endpoint}") };
    let builder =
        Gcp::builder().project("mvi-test").endpoint_for(Service::Firestore, url).emulated();
    // The emulator has no settings; where there is something that has, they are asked for.
    let builder = match env::var("MVI_FIRESTORE_ADMIN") {
        Ok(admin) => builder.endpoint_for(Service::FirestoreAdmin, admin),
        Err(_) => builder,
    };
    Ok(builder.build().await?.cloud())
}

async fn gcs(endpoint: String) -> Result<Cloud> {
    let builder = Gcp::builder().project("mvi-test").endpoint_for(Service::Storage, endpoint);
    let builder = builder.signer(Signer::from(Nobody));
    Ok(builder.emulated().build().await?.cloud())
}

/// Signs with no key: the bridge looks at the time of a URL, and never at its signature. Those are for the wire tests.
#[derive(Debug)]
struct Nobody;

impl SigningProvider for Nobody {
    async fn client_email(&self) -> Signed<String> {
        Ok("nobody@mvi-test.iam.gserviceaccount.com".to_owned())
    }

    async fn sign(&self, content: &[u8]) -> Signed<bytes::Bytes> {
        // Of another content another one, as any signature is.
        Ok(mvi_core::blob::Crc32c::of(content).to_string().into())
    }
}

async fn live() -> Result<Cloud> {
    Ok(Gcp::from_env().await?.cloud())
}

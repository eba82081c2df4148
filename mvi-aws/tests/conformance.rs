//! The promises of every service that is built, kept on each emulator, and where `MVI_LIVE` says so on AWS.

use std::process::ExitCode;

use mvi_aws::Aws;
use mvi_core::{Cloud, Result};
use mvi_testkit::conformance::{self, Backend};

fn main() -> ExitCode {
    conformance::main([
        Backend::emulator("ministack", "ministack 1.5.33", "MVI_DYNAMODB_MINISTACK", connect),
        Backend::emulator("moto", "moto 5.2.5", "MVI_DYNAMODB_MOTO", connect),
        Backend::emulator("dynalite", "dynalite 4.0.0", "MVI_DYNAMODB_DYNALITE", connect),
        Backend::live("aws", "Amazon Web Services", live),
    ])
}

async fn connect(endpoint: String) -> Result<Cloud> {
    let builder = Aws::builder().region("us-east-1").endpoint(endpoint);
    Ok(builder.credentials("000000000001", "anything").build().await?.cloud())
}

async fn live() -> Result<Cloud> {
    Ok(Aws::from_env().await?.cloud())
}

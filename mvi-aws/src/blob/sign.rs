//! What is signed: uploads, with or without their body, and URLs.

use std::time::Duration;

use aws_runtime::auth::PayloadSigningOverride;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept, context::BeforeTransmitInterceptorContextMut, dyn_dispatch_hint,
        },
        orchestrator::Metadata,
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;
use mvi_core::{
    Error, Result, Timestamp,
    blob::{Method, Presign, Presigned},
};

use super::{Inner, unbuilt};
use crate::{Payloads, clock::now, error};

/// What the SDK has no setting for.
#[derive(Debug)]
pub(super) struct Wire {
    /// What is signed of uploads by plain HTTP to this very machine.
    pub(super) loopback: Payloads,
}

impl Wire {
    /// Whether the body of an upload to `uri` can go unsigned.
    pub(super) fn is_unsigned(&self, uri: &str) -> bool {
        uri.starts_with("https://") || self.loopback == Payloads::Unsigned && is_loopback(uri)
    }
}

/// Whether `uri` is of this very machine.
fn is_loopback(uri: &str) -> bool {
    let Some(rest) = uri.strip_prefix("http://") else { return false };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    };
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|it| it.is_loopback())
}

#[dyn_dispatch_hint]
impl Intercept for Wire {
    fn name(&self) -> &'static str {
        "mvi wire"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let is_upload = cfg
            .load::<Metadata>()
            .is_some_and(|it| matches!(it.name(), "PutObject" | "UploadPart"));
        if is_upload && self.is_unsigned(context.request().uri()) {
            cfg.interceptor_state().store_put(PayloadSigningOverride::unsigned_payload());
        }
        Ok(())
    }
}

impl Inner {
    pub(super) async fn presign(&self, request: Presign) -> Result<Presigned> {
        request.check()?;
        let Presign { method, bucket, key, expires, content_type } = request;
        // Its time is signed in whole seconds.
        let start = Timestamp::from_second(now().as_second()).map_err(unbuilt)?;
        let lasts = Duration::from_secs(expires.as_secs());
        let config = PresigningConfig::builder().start_time(start.into()).expires_in(lasts).build();
        let config = config.map_err(unbuilt)?;
        let expires = start.checked_add(lasts).map_err(unbuilt)?;
        let signed = match method {
            Method::Get => {
                let call = self.client.get_object().bucket(bucket.as_str()).key(key.as_str());
                call.presigned(config).await.map_err(|e| unsigned("GetObject", e))?
            }
            Method::Put => {
                let call = self.client.put_object().bucket(bucket.as_str()).key(key.as_str());
                let call = call.set_content_type(content_type);
                call.presigned(config).await.map_err(|e| unsigned("PutObject", e))?
            }
        };
        let mut presigned = Presigned::new(method, signed.uri(), expires);
        let own = |(name, value): (&str, &str)| (name.to_ascii_lowercase(), value.to_owned());
        presigned.headers = signed.headers().map(own).collect();
        presigned.headers.sort_unstable();
        Ok(presigned)
    }
}

pub(super) fn unsigned<E>(wire_op: &'static str, error: aws_sdk_s3::error::SdkError<E>) -> Error
where
    E: aws_smithy_types::error::metadata::ProvideErrorMetadata
        + std::error::Error
        + Send
        + Sync
        + 'static,
{
    error::from_sdk(wire_op, error).with_applied(mvi_core::Applied::No)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_goes_unsigned_only_over_tls_or_where_loopback_may() {
        let (signed, unsigned) =
            (Wire { loopback: Payloads::Signed }, Wire { loopback: Payloads::Unsigned });
        for uri in ["https://acme.s3.eu-central-1.amazonaws.com/a", "https://127.0.0.1:1/b/k"] {
            assert!(signed.is_unsigned(uri) && unsigned.is_unsigned(uri), "{uri}");
        }
        for uri in ["http://127.0.0.1:4566/b/k", "http://localhost/b", "http://[::1]:80/b?x=1:2"] {
            assert!(!signed.is_unsigned(uri) && unsigned.is_unsigned(uri), "{uri}");
        }
        for uri in [
            "http://10.0.0.1/b",
            "http://127.0.0.1.example.com/b",
            "http://localhost.example.com:80/b",
            "http://example.com/127.0.0.1",
        ] {
            assert!(!signed.is_unsigned(uri) && !unsigned.is_unsigned(uri), "{uri}");
        }
    }
}

//! A request as it goes out: its URL, its headers, its signature.

use std::{borrow::Cow, fmt::Write as _, time::SystemTime};

use aws_config::AppName;
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
        UriPathNormalizationMode, sign,
    },
    sign::v4::SigningParams,
};
use aws_smithy_runtime_api::client::{
    connection::CaptureSmithyConnection, identity::Identity, orchestrator::HttpRequest,
};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use mvi_core::{Applied, Error, Result};

use super::{Ask, place::Place};

/// What is ready to be sent, once.
pub(super) struct Signed {
    pub(super) request: HttpRequest,
    /// Which connection it goes by, once it does.
    pub(super) connection: CaptureSmithyConnection,
}

/// What the calls say of who makes them.
pub(super) fn agent(app: Option<&AppName>) -> Cow<'static, str> {
    const OURS: &str = concat!("mvi-aws/", env!("CARGO_PKG_VERSION"), " lang/rust api/s3");
    app.map_or(Cow::Borrowed(OURS), |app| format!("{OURS} app/{app}").into())
}

/// Signs a request to `place` as `identity`, with or without its body.
pub(super) fn signed(
    ask: &Ask<'_>,
    place: &Place,
    identity: &Identity,
    at: SystemTime,
    unsigned: bool,
    agent: &Cow<'static, str>,
) -> Result<Signed> {
    let unsent = |e: &dyn std::error::Error| {
        // What it says may show what was to be sent.
        let message = format!("{} could not be sent: {e}", ask.op);
        Error::invalid(message).with_applied(Applied::No)
    };
    let key = ask.key.unwrap_or_default();
    let mut uri = String::with_capacity(place.root().len() + key.len() + 1 + ask.query.len());
    uri.push_str(place.root());
    escape(key, true, &mut uri);
    if !ask.query.is_empty() {
        uri.push('?');
        uri.push_str(&ask.query);
    }

    // S3 takes paths as they are, and wants to see what was signed of the body.
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let params = SigningParams::builder()
        .identity(identity)
        .region(place.region())
        .name("s3")
        .time(at)
        .settings(settings)
        .build()
        .map_err(|e| unsent(&e))?
        .into();
    let body =
        if unsigned { SignableBody::UnsignedPayload } else { SignableBody::Bytes(&ask.body) };
    let headers = ask.headers.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
    let signable = SignableRequest::new(ask.method, uri.as_str(), headers, body);
    let signature = sign(signable.map_err(|e| unsent(&e))?, &params).map_err(|e| unsent(&e))?;
    let (added, _) = signature.into_parts().0.into_parts();

    let mut request = HttpRequest::new(SdkBody::from(Bytes::clone(&ask.body)));
    request.set_method(ask.method).map_err(|e| unsent(&e))?;
    request.set_uri(uri).map_err(|e| unsent(&e))?;
    let headers = request.headers_mut();
    for (name, value) in &ask.headers {
        let value = value.clone().into_owned();
        headers.try_insert(name.clone(), value).map_err(|e| unsent(&e))?;
    }
    for header in added {
        let value = header.value().to_owned();
        headers.try_insert(header.name(), value).map_err(|e| unsent(&e))?;
    }
    headers.try_insert("user-agent", agent.clone()).map_err(|e| unsent(&e))?;
    let connection = CaptureSmithyConnection::new();
    request.add_extension(connection.clone());
    Ok(Signed { request, connection })
}

/// Writes text as it stands in a URL, slashes as they are where they may.
pub(in super::super) fn escape(plain: &str, slashes: bool, to: &mut String) {
    for byte in plain.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                to.push(char::from(byte));
            }
            b'/' if slashes => to.push('/'),
            // Writing to a String does not fail.
            _ => drop(write!(to, "%{byte:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;
    use mvi_core::Timestamp;

    use super::*;
    use crate::attempt::Repeat;

    /// A request of Amazon's [own examples][source], signed.
    ///
    /// [source]: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
    fn example(ask: &Ask<'_>) -> HttpRequest {
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let identity = Credentials::new("AKIAIOSFODNN7EXAMPLE", secret, None, None, "test").into();
        let place = Place::new("https://examplebucket.s3.amazonaws.com/", "us-east-1");
        let at: Timestamp = "2013-05-24T00:00:00Z".parse().unwrap();
        signed(ask, &place, &identity, at.into(), false, &"a".into()).unwrap().request
    }

    fn signature(ask: &Ask<'_>) -> String {
        let request = example(ask);
        let authorization = request.headers().get("authorization").unwrap();
        authorization.split_once("Signature=").unwrap().1.to_owned()
    }

    #[test]
    fn amazons_examples_are_signed_as_amazon_does() {
        let new = |op, method, key| Ask::new(op, method, "examplebucket", key, Repeat::Read);
        let get = new("GetObject", "GET", Some("test.txt")).header("range", Some("bytes=0-9"));
        assert_eq!(
            signature(&get),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
        let put = new("PutObject", "PUT", Some("test$file.text"))
            .header("date", Some("Fri, 24 May 2013 00:00:00 GMT"))
            .header("x-amz-storage-class", Some("REDUCED_REDUNDANCY"))
            .body("Welcome to Amazon S3.".into());
        assert_eq!(
            signature(&put),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
        );
        let list = new("ListObjectsV2", "GET", None).param("max-keys", "2").param("prefix", "J");
        assert_eq!(
            signature(&list),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
        );
    }

    #[test]
    fn a_key_goes_as_it_is() {
        let long = "ü".repeat(512);
        for (key, path) in [
            ("a b+c%d", "a%20b%2Bc%25d"),
            ("/a//b/", "/a//b/"),
            ("...", "..."),
            ("a/.b/..c", "a/.b/..c"),
            ("ü?#&=", "%C3%BC%3F%23%26%3D"),
            (long.as_str(), &"%C3%BC".repeat(512)),
        ] {
            let ask = Ask::new("GetObject", "GET", "b", Some(key), Repeat::Read);
            let root = "https://examplebucket.s3.amazonaws.com/";
            assert_eq!(example(&ask).uri(), format!("{root}{path}"), "{key}");
        }
    }

    #[test]
    fn what_is_no_header_is_invalid() {
        let identity =
            Credentials::new("id", "hunter2", Some("hunter3".into()), None, "test").into();
        let place = Place::new("https://b.example.com/", "eu-central-1");
        let ask = Ask::new("PutObject", "PUT", "b", Some("k"), Repeat::Idempotent);
        let at = SystemTime::UNIX_EPOCH;
        let fine = signed(&ask, &place, &identity, at, true, &"a".into()).unwrap().request;
        let header = |name: &str| fine.headers().get(name);
        assert_eq!(header("x-amz-content-sha256"), Some("UNSIGNED-PAYLOAD"));
        assert_eq!(header("x-amz-security-token"), Some("hunter3"));
        assert!(!format!("{fine:?}").contains("hunter"));
        let ask = ask.header("content-type", Some("text/plain\r\nx-evil: 1"));
        let error = signed(&ask, &place, &identity, at, true, &"a".into()).err().unwrap();
        assert_eq!(error.kind(), mvi_core::ErrorKind::Invalid, "{error}");
        assert!(!format!("{error:?}").contains("hunter"), "{error:?}");
    }
}

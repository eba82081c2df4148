//! A request as it goes out: its URL, its headers, its signature.

use std::{borrow::Cow, fmt::Write as _, time::SystemTime};

use aws_config::AppName;
use aws_smithy_runtime_api::client::{
    connection::CaptureSmithyConnection, orchestrator::HttpRequest,
};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use data_encoding::HEXLOWER;
use jiff::tz::TimeZone;
use mvi_core::{Applied, Error, Result, Timestamp};
use sha2::{Digest as _, Sha256};

use super::{Ask, keys::Held, place::Place};

/// How requests are signed.
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// For whom.
pub(super) const SERVICE: &str = "s3";
/// The SHA-256 of nothing.
const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

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

/// Signs a request to `place` with `keys`, with or without its body.
///
/// The [form that is signed][source] is written here, and not by `aws-sigv4`, whose keys and signatures these are: it takes any request, and brings
/// it into that form by a map of headers and 44 pieces of memory, a third of what a small call costs. What is in ours is in that form already.
///
/// [source]: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
pub(super) fn signed(
    ask: &Ask<'_>,
    place: &Place,
    keys: &Held,
    at: Timestamp,
    unsigned: bool,
    agent: Cow<'static, str>,
) -> Result<Signed> {
    let key = ask.key.unwrap_or_default();
    let mut url = String::with_capacity(place.root().len() + key.len() + 1 + ask.query.len());
    url.push_str(place.root());
    escape(key, true, &mut url);
    let end = url.len();
    if !ask.query.is_empty() {
        url.push('?');
        url.push_str(&ask.query);
    }
    let hash: Cow<'static, str> = if unsigned {
        "UNSIGNED-PAYLOAD".into()
    } else if ask.body.is_empty() {
        NOTHING.into()
    } else {
        HEXLOWER.encode(&Sha256::digest(&ask.body)).into()
    };
    let time = stamp(at);
    let authorization = {
        let mut headers: Vec<(&str, &str)> = Vec::with_capacity(ask.headers.len() + 4);
        headers.extend(ask.headers.iter().map(|(name, value)| (name.as_ref(), value.as_ref())));
        headers.push(("host", place.host()));
        headers.push(("x-amz-content-sha256", &hash));
        headers.push(("x-amz-date", &time));
        headers.extend(keys.session_token().map(|it| ("x-amz-security-token", it)));
        headers.sort_unstable_by_key(|(name, _)| *name);
        let path = &url[place.path()..end];
        authorization(ask, path, &headers, &hash, place.region(), keys, at, &time)
    };

    let unsent = |e: aws_smithy_runtime_api::http::HttpError| {
        let message = format!("{} could not be sent", ask.op);
        Error::invalid(message).with_applied(Applied::No).with_source(e)
    };
    let mut request = HttpRequest::new(SdkBody::from(Bytes::clone(&ask.body)));
    request.set_method(ask.method).map_err(unsent)?;
    request.set_uri(url).map_err(unsent)?;
    let headers = request.headers_mut();
    for (name, value) in &ask.headers {
        headers.try_insert(name.clone(), value.clone().into_owned()).map_err(unsent)?;
    }
    headers.try_insert("x-amz-content-sha256", hash).map_err(unsent)?;
    headers.try_insert("x-amz-date", time).map_err(unsent)?;
    if let Some(token) = keys.session_token() {
        headers.try_insert("x-amz-security-token", token.to_owned()).map_err(unsent)?;
    }
    headers.try_insert("authorization", authorization).map_err(unsent)?;
    headers.try_insert("user-agent", agent).map_err(unsent)?;
    let connection = CaptureSmithyConnection::new();
    request.add_extension(connection.clone());
    Ok(Signed { request, connection })
}

/// The header of that name, of a request with the given path and headers in order.
#[expect(clippy::too_many_arguments, reason = "all of it is signed")]
fn authorization(
    ask: &Ask<'_>,
    path: &str,
    headers: &[(&str, &str)],
    hash: &str,
    region: &str,
    keys: &Held,
    at: Timestamp,
    time: &str,
) -> String {
    let mut names = String::with_capacity(256);
    for (name, _) in headers {
        if !names.is_empty() {
            names.push(';');
        }
        names.push_str(name);
    }
    let mut text = String::with_capacity(1_024);
    for part in [ask.method, "\n", path, "\n", &ask.query, "\n"] {
        text.push_str(part);
    }
    for (name, value) in headers {
        text.push_str(name);
        text.push(':');
        trimmed(value, &mut text);
        text.push('\n');
    }
    for part in ["\n", &names, "\n", hash] {
        text.push_str(part);
    }
    let day = &time[..DAY];
    let hash = HEXLOWER.encode(&Sha256::digest(&text));
    text.clear();
    let scope = [day, region, SERVICE, "aws4_request"].join("/");
    for part in [ALGORITHM, "\n", time, "\n", &scope, "\n", &hash] {
        text.push_str(part);
    }
    let signature = keys.sign(SystemTime::from(at), day, region, &text);
    [
        ALGORITHM,
        " Credential=",
        keys.id(),
        "/",
        &scope,
        ", SignedHeaders=",
        &names,
        ", Signature=",
        &signature,
    ]
    .concat()
}

/// The length of a day, as in `20260102`.
const DAY: usize = 8;

/// A time as it is signed: `20260102T030405Z`.
fn stamp(at: Timestamp) -> String {
    let time = TimeZone::UTC.to_datetime(at);
    let two = |text: &mut String, number: i8| {
        let number = number.unsigned_abs();
        text.push(char::from(b'0' + number / 10 % 10));
        text.push(char::from(b'0' + number % 10));
    };
    let mut text = String::with_capacity(16);
    // No year here has more than four digits.
    let _ = write!(text, "{:04}", time.year());
    two(&mut text, time.month());
    two(&mut text, time.day());
    text.push('T');
    two(&mut text, time.hour());
    two(&mut text, time.minute());
    two(&mut text, time.second());
    text.push('Z');
    text
}

/// Writes a header's value as it is signed: without blanks around it, and with one where there are several.
fn trimmed(value: &str, to: &mut String) {
    let value = value.trim_matches(' ');
    if !value.contains("  ") {
        to.push_str(value);
        return;
    }
    let mut before = false;
    for c in value.chars() {
        if c != ' ' || !before {
            to.push(c);
        }
        before = c == ' ';
    }
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
    use aws_sigv4::{
        http_request::{
            PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest,
            SigningSettings, UriPathNormalizationMode, sign,
        },
        sign::v4::SigningParams,
    };

    use super::*;
    use crate::attempt::Repeat;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    const ROOT: &str = "https://examplebucket.s3.amazonaws.com/";

    fn identity(token: Option<&str>) -> Credentials {
        Credentials::new("AKIAIOSFODNN7EXAMPLE", SECRET, token.map(Into::into), None, "test")
    }

    fn request(ask: &Ask<'_>, root: &str, token: Option<&str>, unsigned: bool) -> HttpRequest {
        let at: Timestamp = "2013-05-24T00:00:00Z".parse().unwrap();
        let place = Place::new(root, "us-east-1").unwrap();
        let keys = Held::new(identity(token), at.into());
        signed(ask, &place, &keys, at, unsigned, "a".into()).unwrap().request
    }

    fn ask<'a>(op: &'static str, method: &'static str, key: Option<&'a str>) -> Ask<'a> {
        Ask::new(op, method, "examplebucket", key, Repeat::Read)
    }

    fn put(key: &str) -> Ask<'_> {
        ask("PutObject", "PUT", Some(key))
    }

    fn signature(of: &HttpRequest) -> &str {
        of.headers().get("authorization").unwrap().split_once("Signature=").unwrap().1
    }

    /// Requests of Amazon's [own examples][source].
    ///
    /// [source]: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
    #[test]
    fn amazons_examples_are_signed_as_amazon_does() {
        let examples = [
            (
                ask("GetObject", "GET", Some("test.txt")).header("range", Some("bytes=0-9")),
                "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            ),
            (
                put("test$file.text")
                    .header("date", Some("Fri, 24 May 2013 00:00:00 GMT"))
                    .header("x-amz-storage-class", Some("REDUCED_REDUNDANCY"))
                    .body("Welcome to Amazon S3.".into()),
                "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
            ),
            (
                ask("ListObjectsV2", "GET", None).param("max-keys", "2").param("prefix", "J"),
                "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            ),
        ];
        for (ask, wanted) in examples {
            assert_eq!(signature(&request(&ask, ROOT, None, false)), wanted, "{ask:?}");
        }
    }

    /// The signature of a request, as `aws-sigv4` makes it.
    fn officially(of: &HttpRequest, ask: &Ask<'_>, token: Option<&str>, unsigned: bool) -> String {
        let at: Timestamp = "2013-05-24T00:00:00Z".parse().unwrap();
        let identity = identity(token).into();
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let params = SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name("s3")
            .time(at.into())
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let body =
            if unsigned { SignableBody::UnsignedPayload } else { SignableBody::Bytes(&ask.body) };
        let headers = ask.headers.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
        let request = SignableRequest::new(ask.method, of.uri(), headers, body).unwrap();
        sign(request, &params).unwrap().into_parts().1
    }

    #[test]
    fn all_is_signed_as_the_official_crate_does() {
        let long = "ü/".repeat(300);
        let keys =
            ["a", "/a//b/", "a b+c%d?e=f&g#h", "...", "\u{1f980}~'\"*()!$;:@,", long.as_str()];
        let values = ["x", "  a  b   c ", "text/plain; charset=\"utf-8\"", " ", "ü", "a\tb"];
        let roots = [
            ROOT,
            "https://s3.us-east-1.amazonaws.com/examplebucket/",
            "http://127.0.0.1:4566/examplebucket/",
            "http://[::1]:80/examplebucket/",
            "https://example.com:443/at/examplebucket/",
        ];
        for (n, root) in roots.into_iter().enumerate() {
            for key in keys {
                for (m, value) in values.into_iter().enumerate() {
                    let token = (m % 2 == 0).then_some("a+/=token");
                    let ask = put(key)
                        .param("partNumber", "1")
                        .param("uploadId", value)
                        .header("content-type", Some(value))
                        .header("if-none-match", Some("*"))
                        .header("x-amz-sdk-checksum-algorithm", Some("CRC32C"))
                        .metadata("owner", value)
                        .metadata("mvi-nonce", "")
                        .body(Bytes::from(value.repeat(n)));
                    let unsigned = (n + m) % 3 == 0;
                    let ours = request(&ask, root, token, unsigned);
                    let theirs = officially(&ours, &ask, token, unsigned);
                    assert_eq!(signature(&ours), theirs, "{root} {ask:?}");
                }
            }
        }
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
            let sent = request(&ask("GetObject", "GET", Some(key)), ROOT, None, false);
            assert_eq!(sent.uri(), format!("{ROOT}{path}"), "{key}");
        }
    }

    #[test]
    fn what_is_no_header_is_invalid() {
        let fine = request(&put("k"), ROOT, Some("hunter3"), true);
        let header = |name: &str| fine.headers().get(name);
        assert_eq!(header("x-amz-content-sha256"), Some("UNSIGNED-PAYLOAD"));
        assert_eq!(header("x-amz-security-token"), Some("hunter3"));
        assert!(!format!("{fine:?}").contains("hunter"));
        let evil = put("k").header("content-type", Some("text/plain\r\nx-evil: 1"));
        let (at, place) = (Timestamp::UNIX_EPOCH, Place::new(ROOT, "us-east-1").unwrap());
        let keys = Held::new(identity(None), at.into());
        let error = signed(&evil, &place, &keys, at, true, "a".into()).err().unwrap();
        assert_eq!(error.kind(), mvi_core::ErrorKind::Invalid, "{error}");
        assert!(!format!("{error:?}").contains(SECRET), "{error:?}");
    }

    #[test]
    fn a_time_is_written_in_full() {
        for (at, wanted) in [
            ("2026-01-02T03:04:05.678Z", "20260102T030405Z"),
            ("1999-12-31T23:59:59Z", "19991231T235959Z"),
        ] {
            assert_eq!(stamp(at.parse().unwrap()), wanted);
        }
    }
}

//! What a presigned URL says, and how it is known to be ours.

use std::net::SocketAddr;

use data_encoding::HEXLOWER;
use mvi_core::{
    BucketName, Timestamp,
    blob::{Key, Method, Presign, Presigned},
};
use sha2::{Digest as _, Sha256};

/// The header whose value a URL may ask for.
const CONTENT_TYPE: &str = "content-type";

/// A host that [is never found](https://www.rfc-editor.org/rfc/rfc6761#section-6.4).
const NOBODY: &str = "nobody-listens.invalid";

/// The key that a world signs with. It comes from the seed, so that the same seed gives the same URLs: it keeps out a mistake, and nobody who
/// knows the seed.
#[derive(Clone)]
pub(super) struct Signer([u8; 32]);

/// A request, as far as it is signed.
pub(super) struct Signed<'a> {
    pub(super) method: Method,
    /// As it is in the URL.
    pub(super) path: &'a str,
    /// In seconds since 1970.
    pub(super) expires: i64,
    /// What the content type has to be, where that was said.
    pub(super) content_type: Option<&'a str>,
}

/// What a URL asks with. It has no `Debug`: the signature is a secret.
#[cfg(feature = "http")]
#[derive(Default)]
pub(super) struct Query<'a> {
    pub(super) expires: Option<i64>,
    /// Whether the content type is signed too.
    pub(super) typed: bool,
    pub(super) signature: &'a str,
}

impl Signer {
    pub(super) fn new(seed: u64) -> Self {
        let digest = Sha256::new().chain_update(b"presigned by the simulated cloud ");
        Self(digest.chain_update(seed.to_be_bytes()).finalize().into())
    }

    /// The URL that `request` asks for, made at `now`, for who listens at `address`; for a host that no client finds, where nobody does.
    pub(super) fn presign(
        &self,
        request: Presign,
        now: Timestamp,
        address: Option<SocketAddr>,
    ) -> Presigned {
        let Presign { method, bucket, key, expires, content_type } = request;
        let lives = i64::try_from(expires.as_secs()).unwrap_or(i64::MAX);
        let until = now.as_second().saturating_add(lives);
        let path = path(&bucket, &key);
        let content_type = content_type.as_deref();
        let signed = Signed { method, path: &path, expires: until, content_type };
        let signature = self.sign(&signed);
        let typed = if content_type.is_some() { "&signed=content-type" } else { "" };
        let host = address.map_or_else(|| NOBODY.to_owned(), |it| it.to_string());
        let url = format!("http://{host}{path}?expires={until}{typed}&signature={signature}");
        let expires = Timestamp::from_second(until).unwrap_or(Timestamp::MAX);
        let mut presigned = Presigned::new(method, url, expires);
        let header = content_type.map(|it| (CONTENT_TYPE.to_owned(), it.to_owned()));
        presigned.headers = header.into_iter().collect();
        presigned
    }

    pub(super) fn sign(&self, signed: &Signed<'_>) -> String {
        let Signed { method, path, expires, content_type } = signed;
        let (method, typed) = (method.as_str(), content_type.is_some());
        let content_type = content_type.unwrap_or_default();
        let text = format!("{method}\n{path}\n{expires}\n{typed}\n{content_type}");
        HEXLOWER.encode(&hmac(&self.0, text.as_bytes()))
    }
}

#[cfg(feature = "http")]
impl<'a> Query<'a> {
    /// What of a URL is behind the `?`.
    pub(super) fn parse(query: &'a str) -> Self {
        let mut found = Self::default();
        for (name, value) in query.split('&').filter_map(|it| it.split_once('=')) {
            match name {
                "expires" => found.expires = value.parse().ok(),
                "signed" => found.typed = value == CONTENT_TYPE,
                "signature" => found.signature = value,
                _ => {}
            }
        }
        found
    }
}

/// [HMAC](https://www.rfc-editor.org/rfc/rfc2104) with SHA-256.
fn hmac(key: &[u8; 32], text: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    let pad = |by: u8| block.map(|it| it ^ by);
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(pad(0x5C)).chain_update(inner).finalize().into()
}

/// Where an object is, in a URL: only what needs no escape goes without one.
fn path(bucket: &BucketName, key: &Key) -> String {
    let mut path = format!("/{bucket}/");
    for byte in key.as_str().bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                path.push(char::from(byte));
            }
            other => {
                path.push('%');
                path.push_str(&data_encoding::HEXUPPER.encode(&[other]));
            }
        }
    }
    path
}

/// What a URL's path names; `None` where it names nothing that could be there.
#[cfg(any(test, feature = "http"))]
pub(super) fn place(path: &str) -> Option<(BucketName, Key)> {
    let (bucket, key) = path.strip_prefix('/')?.split_once('/')?;
    let mut bytes = Vec::with_capacity(key.len());
    let mut rest = key.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        bytes.push(u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?);
    }
    Some((BucketName::new(bucket).ok()?, Key::new(String::from_utf8(bytes).ok()?).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_is_that_of_the_standard() {
        // RFC 4231, test case 1, whose key of 20 bytes is the same with zeros behind it.
        let mut key = [0; 32];
        key[..20].copy_from_slice(&[0x0B; 20]);
        let wanted = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7";
        assert_eq!(HEXLOWER.encode(&hmac(&key, b"Hi There")), wanted);
    }

    #[test]
    fn every_key_is_found_again_by_its_path() {
        let bucket = BucketName::new("acme-7f3-texts").unwrap();
        for key in ["a", "a b/ü+%?#&=/", "//", "/", "日本/1", "a%2Fb", "~._-"] {
            let key = Key::new(key).unwrap();
            let path = path(&bucket, &key);
            assert!(path.is_ascii() && !path.contains(['?', '#', ' ', '&', '+']), "{path}");
            assert_eq!(place(&path), Some((bucket.clone(), key)));
        }
        for none in ["", "/", "/acme-7f3-texts", "/acme-7f3-texts/", "/A/b", "/acme-7f3-texts/%F"] {
            assert_eq!(place(none), None, "{none}");
        }
        assert_eq!(place("/acme-7f3-texts/%FF"), None);
    }
}

//! Whole objects by Cloud Storage's XML API: one request to write one, and one to read one with all that there is to know of it.
//!
//! ```text
//!   put ──▶ PUT /bucket/key   headers: checksum, generation to replace, properties, nonce ──▶ generation, checksum
//!   get ──▶ GET /bucket/key ──▶ headers: generation, size, checksum, properties, nonce · the bytes
//! ```
//!
//! The JSON API has no custom metadata in the headers of a download, and wants an upload wrapped in JSON; this one is plain HTTP. Keys
//! are escaped but for their slashes, and arrive as they are: no [`Key`] has a segment that a URL would resolve.
//!
//! Two things are not in a download's headers, or not as they were written: who holds the key of the encryption, and whether a
//! `Cache-Control` is the object's or what Cloud Storage puts there by itself. Each write [notes](super::client::NewObject::metadata)
//! whether it was given them; where they are not known so, [`Opened::meta`] is none.
//!
//! Sources: [GET], [PUT], [headers], [errors].
//!
//! [GET]: https://cloud.google.com/storage/docs/xml-api/get-object-download
//! [PUT]: https://cloud.google.com/storage/docs/xml-api/put-object-upload
//! [headers]: https://cloud.google.com/storage/docs/xml-api/reference-headers
//! [errors]: https://cloud.google.com/storage/docs/xml-api/reference-status

use std::{fmt, fmt::Write as _, ops::Range};

use bytes::{Bytes, BytesMut};
use google_cloud_auth::credentials::{CacheableResource, Credentials};
use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Method,
    header::{
        ACCEPT_ENCODING, AGE, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
        CONTENT_TYPE, LAST_MODIFIED, RANGE,
    },
};
use jiff::{Timestamp, fmt::rfc2822};
use mvi_core::{
    Applied, BucketName, Error, ErrorKind, Result,
    blob::{ByteRange, Crc32c, Encryption, Key, Meta, Metadata, Properties, Tag, VersionId},
};
use reqwest::{Client, Request, Response, Url, redirect::Policy};

use super::{
    client::{NewObject, Opening},
    object::{Made, encryption},
};
use crate::{config::Config, error};

/// A write of a whole object, as errors name it.
pub(super) const PUT: &str = "PUT object";
/// A read of an object, as errors name it.
pub(super) const GET: &str = "GET object";

/// The most that is read of an answer that says no.
const MOST_SAID: usize = 64 << 10;

const GENERATION: HeaderName = HeaderName::from_static("x-goog-generation");
const METAGENERATION: HeaderName = HeaderName::from_static("x-goog-metageneration");
const IF_GENERATION: HeaderName = HeaderName::from_static("x-goog-if-generation-match");
const HASH: HeaderName = HeaderName::from_static("x-goog-hash");
const KMS_KEY: HeaderName = HeaderName::from_static("x-goog-encryption-kms-key-name");
const STORED_LENGTH: HeaderName = HeaderName::from_static("x-goog-stored-content-length");
/// What the names of custom metadata start with.
const META: &str = "x-goog-meta-";
const NOTED_NONCE: HeaderName = HeaderName::from_static("x-goog-meta-mvi-nonce");
const NOTED_CACHE: HeaderName = HeaderName::from_static("x-goog-meta-mvi-cache-control");
const NOTED_KEY: HeaderName = HeaderName::from_static("x-goog-meta-mvi-kms-key");

/// The way to the XML API.
#[derive(Clone)]
pub(super) struct Lane {
    http: Client,
    /// Without a slash at its end.
    base: String,
    credentials: Credentials,
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lane").field(&self.base).finish()
    }
}

impl Lane {
    pub(super) async fn new(config: &Config) -> Result<Self> {
        let credentials = config.credentials();
        let base = if let Some(endpoint) = config.storage_http() {
            endpoint.trim_end_matches('/').to_owned()
        } else {
            let universe = credentials.universe_domain().await;
            format!("https://storage.{}", universe.as_deref().unwrap_or("googleapis.com"))
        };
        // As the crate's own: HTTP/1.1, and nothing unpacked.
        let http = Client::builder()
            .http1_only()
            .no_gzip()
            .no_brotli()
            .no_deflate()
            .no_zstd()
            .redirect(Policy::none())
            .connect_timeout(config.limits.timeouts.connect)
            .build()
            .map_err(|e| Error::invalid("no client for Cloud Storage").with_source(e))?;
        Ok(Self { http, base, credentials })
    }

    /// Writes `new`. Cloud Storage itself refuses other bytes than the checksum is of.
    pub(super) async fn put(
        &self,
        new: &NewObject,
        bytes: &Bytes,
        checksum: Crc32c,
    ) -> Result<Made> {
        let Properties { content_type, cache_control, content_disposition, metadata: _ } =
            &new.properties;
        let mut request = self.request(Method::PUT, &new.bucket, &new.name, None).await?;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, value(content_type)?);
        // Of nothing the client would not say how long it is, and Cloud Storage wants to know.
        headers.insert(CONTENT_LENGTH, bytes.len().into());
        if let Some(it) = cache_control {
            headers.insert(CACHE_CONTROL, value(it)?);
        }
        if let Some(it) = content_disposition {
            headers.insert(CONTENT_DISPOSITION, value(it)?);
        }
        if let Encryption::Key(key) = &new.encryption {
            headers.insert(KMS_KEY, value(key)?);
        }
        if let Some(generation) = new.wanted {
            headers.insert(IF_GENERATION, generation.into());
        }
        headers.insert(HASH, value(&format!("crc32c={checksum}"))?);
        for (name, noted) in new.metadata() {
            let name = HeaderName::try_from([META, name].concat()).map_err(|_| unsendable())?;
            headers.insert(name, value(noted)?);
        }
        *request.body_mut() = Some(bytes.clone().into());
        let answer = self.send(PUT, request).await?;
        let headers = answer.headers();
        let generation = number(headers, &GENERATION).ok_or_else(|| error::unread(PUT))?;
        if let Some(stored) = checksum_of(headers) {
            stored.check(checksum).map_err(|e| e.with_applied(Applied::Yes))?;
        }
        Ok(Made {
            generation,
            size: bytes.len() as u64,
            checksum: Some(checksum),
            encryption: text(headers, &KMS_KEY).map(encryption),
            // The headers of a write need not say when: who wants to know asks for it.
            created: time(headers),
        })
    }

    /// Opens an object: what its headers say, and then its bytes.
    pub(super) async fn get(&self, read: &Opening) -> Result<Opened> {
        let Opening { bucket, name, generation, if_match, range } = read;
        let mut request = self.request(Method::GET, bucket, name, *generation).await?;
        let headers = request.headers_mut();
        // What is stored is what is wanted, packed or not.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        if let Some(generation) = if_match {
            headers.insert(IF_GENERATION, (*generation).into());
        }
        if let Some(range) = range {
            headers.insert(RANGE, value(&range.header())?);
        }
        let answer = self.send(GET, request).await?;
        let generation = number(answer.headers(), &GENERATION);
        let size = number(answer.headers(), &STORED_LENGTH).and_then(|it| u64::try_from(it).ok());
        match (generation, size) {
            (Some(generation), Some(size)) => Ok(Opened { answer, generation, size }),
            _ => Err(error::unread(GET)),
        }
    }

    async fn request(
        &self,
        method: Method,
        bucket: &BucketName,
        name: &str,
        generation: Option<i64>,
    ) -> Result<Request> {
        let mut url = String::with_capacity(self.base.len() + name.len() + 96);
        url.extend([&self.base, "/", bucket.as_str(), "/"]);
        escape(&mut url, name);
        if let Some(generation) = generation {
            let _ = write!(url, "?generation={generation}");
        }
        let url = Url::parse(&url).map_err(|_| unsendable())?;
        let mut request = Request::new(method, url);
        match self.credentials.headers(Extensions::new()).await {
            Ok(CacheableResource::New { data, .. }) => *request.headers_mut() = data,
            // Nothing is kept that could be unchanged.
            Ok(CacheableResource::NotModified) => {}
            Err(e) => return Err(error::from_credentials(&e)),
        }
        Ok(request)
    }

    /// The answer, where it says yes.
    async fn send(&self, wire_op: &str, request: Request) -> Result<Response> {
        let answer = self.http.execute(request).await;
        let answer = answer.map_err(|e| error::from_http(wire_op, &e))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        Err(refused(wire_op, answer).await)
    }
}

/// An answer that says no, as an error.
async fn refused(wire_op: &str, mut answer: Response) -> Error {
    let status = answer.status();
    let mut said = BytesMut::new();
    // What is cut says what it says: the status is enough.
    while let Ok(Some(piece)) = answer.chunk().await {
        said.extend_from_slice(&piece);
        if said.len() > MOST_SAID {
            break;
        }
    }
    let said = String::from_utf8_lossy(&said);
    let code = element(&said, "Code").unwrap_or_default();
    let message = element(&said, "Message").unwrap_or_default();
    error::from_xml(wire_op, status.as_u16(), &code, &message)
}

/// The text of the first element of that name.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let plain = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    let text = plain.iter().fold(text.trim().to_owned(), |text, (from, to)| text.replace(from, to));
    Some(text)
}

/// An object that is open to be read.
#[derive(Debug)]
pub(super) struct Opened {
    answer: Response,
    pub(super) generation: i64,
    /// How many bytes the whole of it has.
    pub(super) size: u64,
}

impl Opened {
    /// The checksum of the whole.
    pub(super) fn checksum(&self) -> Option<Crc32c> {
        checksum_of(self.answer.headers())
    }

    /// What there is to know of it; none where the headers may say something else than the object.
    pub(super) fn meta(&self, key: &Key) -> Option<Meta> {
        let headers = self.answer.headers();
        let cache_control = text(headers, &NOTED_CACHE);
        let kms_key = text(headers, &KMS_KEY);
        // Else somebody else wrote it, or changed what is written on it; or it comes from a cache, and may be what the object was.
        let known = headers.contains_key(&NOTED_NONCE)
            && number(headers, &METAGENERATION) == Some(1)
            && !headers.contains_key(AGE)
            && (cache_control.is_none() || cache_control == text(headers, &CACHE_CONTROL))
            && (kms_key.is_some() || !headers.contains_key(&NOTED_KEY));
        if !known {
            return None;
        }
        let pairs = headers.iter().filter_map(|(name, value)| {
            let name = name.as_str().strip_prefix(META)?;
            Some((name, String::from_utf8_lossy(value.as_bytes())))
        });
        let properties = Properties {
            content_type: text(headers, &CONTENT_TYPE)?.to_owned(),
            cache_control: cache_control.map(str::to_owned),
            content_disposition: text(headers, &CONTENT_DISPOSITION).map(str::to_owned),
            metadata: Metadata::reported(pairs),
        };
        let generation = self.generation.to_string();
        let mut meta = Meta::of(key.clone(), self.size, Tag::new(generation.as_str()), properties);
        meta.version = Some(VersionId::new(generation));
        meta.checksum = self.checksum();
        meta.encryption = kms_key.map_or(Encryption::Provider, encryption);
        meta.modified = time(headers);
        Some(meta)
    }

    /// Holds what comes against what was asked for: all of `range`, and nothing else.
    pub(super) fn check(&self, asked: Option<ByteRange>, range: &Range<u64>) -> Result<()> {
        let wrong =
            |what: String| Err(Error::new(ErrorKind::Corrupt, what).with_applied(Applied::No));
        if let Some(asked) = asked {
            let start = text(self.answer.headers(), &CONTENT_RANGE)
                .and_then(|it| it.strip_prefix("bytes ")?.split_once('-')?.0.parse::<u64>().ok());
            if start != Some(range.start) {
                return wrong(format!("{} was asked for, and others came", asked.header()));
            }
        }
        match self.answer.content_length() {
            Some(length) if length > range.end - range.start => {
                wrong("a body longer than it was said to be".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// The next piece; none behind the last.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        self.answer.chunk().await.map_err(|e| error::from_http(GET, &e))
    }
}

fn unsendable() -> Error {
    Error::invalid("a request that cannot be sent").with_applied(Applied::No)
}

fn value(text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text).map_err(|_| unsendable())
}

fn text(headers: &HeaderMap, name: impl http::header::AsHeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Option<i64> {
    text(headers, name)?.parse().ok()
}

fn time(headers: &HeaderMap) -> Option<Timestamp> {
    rfc2822::DateTimeParser::new().parse_timestamp(text(headers, LAST_MODIFIED)?).ok()
}

/// The CRC32C among the hashes, which come in one header or in one each.
fn checksum_of(headers: &HeaderMap) -> Option<Crc32c> {
    let all = headers.get_all(HASH).into_iter().filter_map(|it| it.to_str().ok());
    all.flat_map(|it| it.split(',')).find_map(|it| it.trim().strip_prefix("crc32c=")?.parse().ok())
}

/// Escapes a name for a path. Its slashes stay: Cloud Storage takes them as they are.
fn escape(url: &mut String, name: &str) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                url.push(char::from(byte));
            }
            _ => url.extend(
                [b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
                    .map(char::from),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_says_is_read_and_what_is_no_xml_is_not() {
        let said = "<?xml version='1.0' encoding='UTF-8'?><Error><Code>NoSuchKey</Code>\
                    <Message>a &lt;b&gt; &amp;amp; c.</Message></Error>";
        assert_eq!(element(said, "Code").as_deref(), Some("NoSuchKey"));
        assert_eq!(element(said, "Message").as_deref(), Some("a <b> &amp; c."));
        assert_eq!(element(said, "Details"), None);
        assert_eq!(element("<Code>cut", "Code"), None);
        assert_eq!(element("No such object", "Code"), None);
    }

    #[test]
    fn what_is_noted_is_read_as_it_is_written() {
        use super::super::object::{CACHED, ENCRYPTED, NONCE};

        for (header, name) in [(NOTED_NONCE, NONCE), (NOTED_CACHE, CACHED), (NOTED_KEY, ENCRYPTED)]
        {
            assert_eq!(header.as_str(), [META, name].concat());
        }
    }

    #[test]
    fn a_name_is_escaped_but_for_its_slashes() {
        let escaped = |name| {
            let mut url = String::new();
            escape(&mut url, name);
            url
        };
        assert_eq!(escaped("a//b/.c..d/~"), "a//b/.c..d/~");
        assert_eq!(escaped("%41+ ü?#&=\\"), "%2541%2B%20%C3%BC%3F%23%26%3D%5C");
    }

    #[test]
    fn the_checksum_is_found_in_one_header_or_in_two() {
        let hashes = |all: &[&'static str]| {
            let pair = |it: &&'static str| (HASH, HeaderValue::from_static(it));
            checksum_of(&all.iter().map(pair).collect())
        };
        let sum = Crc32c::of(b"hello");
        assert_eq!(hashes(&["crc32c=mnG7TA==,md5=XUFAKrxLKna5cZ2REBfFkg=="]), Some(sum));
        assert_eq!(hashes(&["md5=XUFAKrxLKna5cZ2REBfFkg==", "crc32c=mnG7TA=="]), Some(sum));
        assert_eq!(hashes(&["md5=XUFAKrxLKna5cZ2REBfFkg=="]), None);
        assert_eq!(hashes(&[]), None);
    }
}

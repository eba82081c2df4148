//! Where a bucket is: the SDK says so, with every setting of environment, profile and builder, once for each bucket.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use aws_credential_types::Credentials;
use aws_sdk_s3::{Client, config::Builder, presigning::PresigningConfig};
use hyper::Uri;
use mvi_core::{Applied, Error, ErrorKind, Result};

use super::{
    super::{sign::unsigned, unbuilt},
    request::{ALGORITHM, SERVICE},
};

/// The most buckets that are remembered.
const MAX_KNOWN: usize = 1_000;
/// A key that is in the URL what it is.
const KEY: &str = "x";

/// Where a bucket is, and for whom its requests are signed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// All that comes before a key.
    root: String,
    /// Where the path begins in it.
    path: usize,
    /// As the header of that name has it.
    host: String,
    region: String,
}

impl Place {
    pub(super) fn new(root: &str, region: &str) -> Option<Self> {
        let url: Uri = root.parse().ok()?;
        let authority = url.authority()?;
        // The port that goes without saying is not said, neither by who sends nor by who signs.
        let host = match (url.scheme_str()?, authority.port_u16()) {
            ("https", Some(443)) | ("http", Some(80)) => authority.host(),
            _ => authority.as_str(),
        };
        let path = root.find("://")? + "://".len() + authority.as_str().len();
        let (root, host, region) = (root.to_owned(), host.to_owned(), region.to_owned());
        Some(Self { root, path, host, region })
    }

    pub(super) fn root(&self) -> &str {
        &self.root
    }

    /// Where the path begins in a URL of it.
    pub(super) fn path(&self) -> usize {
        self.path
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn region(&self) -> &str {
        &self.region
    }

    /// What a signed URL of the object [`KEY`] tells.
    fn of(url: &str) -> Result<Self> {
        let odd = || {
            let message =
                "the SDK's URL of an object is none: wanted a host, a key and a signature";
            Error::new(ErrorKind::Internal, message)
        };
        let (path, query) = url.split_once('?').ok_or_else(odd)?;
        let root = path.strip_suffix(KEY).filter(|it| it.ends_with('/')).ok_or_else(odd)?;
        let param = |name: &str| {
            let pairs = query.split('&').filter_map(|it| it.split_once('='));
            pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let algorithm = param("X-Amz-Algorithm").ok_or_else(odd)?;
        let scope = param("X-Amz-Credential").ok_or_else(odd)?.replace("%2F", "/");
        let mut scope = scope.rsplit('/').skip(1);
        let (service, region) =
            (scope.next().unwrap_or_default(), scope.next().unwrap_or_default());
        if algorithm != ALGORITHM || service != SERVICE || region.is_empty() {
            let found = format!("a bucket whose requests are signed by {algorithm} for {service}");
            let message = format!("{found}, wanted {ALGORITHM} for {SERVICE}");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        Self::new(root, region).ok_or_else(odd)
    }
}

/// The buckets whose place is known.
pub(super) struct Places {
    client: Client,
    known: RwLock<HashMap<String, Arc<Place>>>,
}

impl Places {
    pub(super) fn new(client: Client) -> Self {
        Self { client, known: RwLock::default() }
    }

    pub(super) async fn of(&self, bucket: &str) -> Result<Arc<Place>> {
        let known = |known: &HashMap<_, _>| known.get(bucket).map(Arc::clone);
        if let Some(place) = known(&self.known.read().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(place);
        }
        let found = self.ask(bucket).await.map_err(|e| e.with_applied(Applied::No))?;
        let place = Arc::new(found);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_KNOWN {
            // To find each again costs next to nothing.
            known.clear();
        }
        known.insert(bucket.to_owned(), Arc::clone(&place));
        Ok(place)
    }

    async fn ask(&self, bucket: &str) -> Result<Place> {
        // Nobody will ever send it: it shows only where to, and needs no secret.
        let nobody = Credentials::new("nobody", "nothing", None, None, "mvi");
        let config = PresigningConfig::expires_in(Duration::from_secs(1)).map_err(unbuilt)?;
        let call = self.client.get_object().bucket(bucket).key(KEY).customize();
        let call = call.config_override(Builder::new().credentials_provider(nobody));
        let signed = call.presigned(config).await.map_err(|e| unsigned("GetObject", e))?;
        Place::of(signed.uri())
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::config::{BehaviorVersion, Region};

    use super::*;

    fn places(change: impl FnOnce(Builder) -> Builder) -> Places {
        let config = Builder::new()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-central-1"));
        Places::new(Client::from_conf(change(config).build()))
    }

    #[tokio::test]
    async fn a_bucket_is_where_every_setting_says() {
        let of = async |places: Places, bucket: &str| places.of(bucket).await.unwrap();
        let plain = of(places(|it| it), "acme-7f3").await;
        let host = "https://acme-7f3.s3.eu-central-1.amazonaws.com/";
        assert_eq!(*plain, Place::new(host, "eu-central-1").unwrap());
        assert_eq!(plain.host(), "acme-7f3.s3.eu-central-1.amazonaws.com");
        for (change, root) in [
            (
                (|it: Builder| it.use_fips(true)) as fn(Builder) -> Builder,
                "https://acme-7f3.s3-fips.eu-central-1.amazonaws.com/",
            ),
            (
                |it| it.use_dual_stack(true),
                "https://acme-7f3.s3.dualstack.eu-central-1.amazonaws.com/",
            ),
            (|it| it.force_path_style(true), "https://s3.eu-central-1.amazonaws.com/acme-7f3/"),
            (
                |it| it.endpoint_url("http://127.0.0.1:4566").force_path_style(true),
                "http://127.0.0.1:4566/acme-7f3/",
            ),
            (|it| it.endpoint_url("https://example.com/at"), "https://acme-7f3.example.com/at/"),
            (|it| it.accelerate(true), "https://acme-7f3.s3-accelerate.amazonaws.com/"),
        ] {
            assert_eq!(of(places(change), "acme-7f3").await.root(), root);
        }
        let china = of(places(|it| it.region(Region::new("cn-north-1"))), "acme-7f3").await;
        let host = "https://acme-7f3.s3.cn-north-1.amazonaws.com.cn/";
        assert_eq!(*china, Place::new(host, "cn-north-1").unwrap());
    }

    #[tokio::test]
    async fn a_bucket_is_asked_for_once_and_only_so_many_are_remembered() {
        let places = places(|it| it);
        let first = places.of("acme-1").await.unwrap();
        assert!(Arc::ptr_eq(&first, &places.of("acme-1").await.unwrap()));
        for n in 0..MAX_KNOWN {
            places.of(&format!("acme-{n}")).await.unwrap();
        }
        assert!(places.known.read().unwrap().len() <= MAX_KNOWN);
    }

    #[test]
    fn a_host_has_no_port_that_goes_without_saying() {
        for (root, host, path) in [
            ("https://example.com/", "example.com", "/"),
            ("https://example.com:443/a/", "example.com", "/a/"),
            ("http://example.com:80/", "example.com", "/"),
            ("http://example.com:443/", "example.com:443", "/"),
            ("http://[::1]:4566/b/", "[::1]:4566", "/b/"),
        ] {
            let place = Place::new(root, "eu-central-1").unwrap();
            assert_eq!((place.host(), &root[place.path()..]), (host, path));
        }
        assert!(Place::new("/", "eu-central-1").is_none());
    }

    #[test]
    fn a_bucket_that_is_signed_otherwise_is_unsupported() {
        let url = |algorithm: &str, service: &str| {
            format!(
                "https://acme-7f3.example.com/x?x-id=GetObject&X-Amz-Algorithm={algorithm}\
                 &X-Amz-Credential=id%2F20260102%2Feu-west-1%2F{service}%2Faws4_request&X-Amz-Expires=1"
            )
        };
        let found = Place::of(&url("AWS4-HMAC-SHA256", "s3")).unwrap();
        assert_eq!(found, Place::new("https://acme-7f3.example.com/", "eu-west-1").unwrap());
        for (algorithm, service) in [
            ("AWS4-ECDSA-P256-SHA256", "s3"),
            ("AWS4-HMAC-SHA256", "s3express"),
            ("AWS4-HMAC-SHA256", "s3-outposts"),
        ] {
            let error = Place::of(&url(algorithm, service)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        }
        for odd in ["", "https://example.com/x", "https://example.com/y?a=b", "x?X-Amz-Algorithm=a"]
        {
            assert_eq!(Place::of(odd).unwrap_err().kind(), ErrorKind::Internal, "{odd}");
        }
    }
}

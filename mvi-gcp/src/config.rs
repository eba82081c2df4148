//! How calls reach Google Cloud: where to, as whom, how often, and for how long at most.
//!
//! The clients alone wait without limit for a server that accepts and never answers. Here every limit is set, in one
//! place, for every service.

use std::time::Duration;

use mvi_core::{Error, Result};

use crate::Gcp;

/// How long to wait before a call is an error.
///
/// | limit | of what | default |
/// |---|---|---|
/// | `connect` | one connection, with TLS | 3.1 s |
/// | `attempt` | one attempt in all, with its body | 6 s |
/// | `operation` | one call in all: its attempts and the pauses between them | 20 s |
/// | `per_mib` | on top of each, for a MiB of a body | 4 s |
///
/// A body that is read or sent may take as long as it likes, as long as it moves: each piece of it has the time of an attempt.
///
/// A call of MVI that pages, or works through many records, makes several such calls; one that reads before it writes makes all
/// of them within `operation`, and where a write was not answered takes up to an `attempt` more to find out what became of it.
///
/// ```
/// use std::time::Duration;
/// use mvi_gcp::Timeouts;
///
/// let hasty = Timeouts { operation: Duration::from_secs(2), ..Timeouts::default() };
/// assert_eq!(hasty.connect, Duration::from_millis(3_100));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For one connection, with TLS.
    pub connect: Duration,
    /// For one attempt in all.
    pub attempt: Duration,
    /// For one call in all: its attempts and the pauses between them.
    pub operation: Duration,
    /// On top of `attempt` and `operation`, for each MiB of a body that is sent: the slowest connection that is put up with.
    pub per_mib: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_millis(3_100),
            attempt: Duration::from_secs(6),
            operation: Duration::from_secs(20),
            per_mib: Duration::from_secs(4),
        }
    }
}

/// How often to try, and how long to pause between two attempts.
///
/// What may succeed is repeated. Pauses are random, from zero to a bound that doubles, so that callers do not come back
/// all at once.
///
/// ```
/// use mvi_gcp::Retries;
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

/// How often to read and decide again where another write came between, and how long to pause.
///
/// Of those that meet, one always gets through, so rounds grow with how many meet and pauses need not.
#[cfg(any(feature = "blob", feature = "kv"))]
pub(crate) const CONTENTION: Retries = Retries {
    attempts: 64,
    first_pause: Duration::from_millis(10),
    longest_pause: Duration::from_millis(320),
};

/// A service of Google Cloud that an endpoint can be set for: see [`GcpBuilder::endpoint_for`].
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// Firestore, behind [`Kv`](mvi_core::Kv).
    Firestore,
    /// Firestore's settings, which expiry needs.
    FirestoreAdmin,
    /// Cloud Storage, behind [`Blob`](mvi_core::Blob). It is called by gRPC and, for bodies, by HTTP: what stands at one endpoint must
    /// speak both, unless [`StorageHttp`](Self::StorageHttp) is set too.
    Storage,
    /// Where Cloud Storage's bodies go, if elsewhere.
    StorageHttp,
}

/// Makes a [`Gcp`]. What is not set comes from the environment, as in every Google tool: variables, the file that
/// `gcloud auth application-default login` writes, and the machine's own metadata.
///
/// ```
/// use mvi_gcp::{Gcp, Service};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> mvi_core::Result<()> {
/// let gcp = Gcp::builder()
///     .project("demo")
///     .endpoint_for(Service::Firestore, "http://127.0.0.1:8681")
///     .emulated()
///     .build()
///     .await?;
/// # let _ = gcp; Ok(())
/// # }
/// ```
#[must_use]
#[derive(Clone, Debug, Default)]
pub struct GcpBuilder {
    project: Option<String>,
    database: Option<String>,
    location: Option<String>,
    endpoint: Option<String>,
    endpoints: Vec<(Service, String)>,
    emulated: bool,
    #[cfg(feature = "_sdk")]
    credentials: Option<sdk::Given>,
    #[cfg(feature = "_sdk")]
    signer: Option<sdk::Signs>,
    timeouts: Timeouts,
    retries: Retries,
}

impl GcpBuilder {
    /// Works in the project called `id`.
    pub fn project(mut self, id: impl Into<String>) -> Self {
        self.project = Some(id.into());
        self
    }

    /// Keeps records in the Firestore database called `id`; in `(default)`, unless set.
    pub fn database(mut self, id: impl Into<String>) -> Self {
        self.database = Some(id.into());
        self
    }

    /// Makes buckets in that [location][locations]; in `US`, unless set.
    ///
    /// [locations]: https://cloud.google.com/storage/docs/locations
    pub fn location(mut self, location: impl Into<String>) -> Self {
        self.location = Some(location.into());
        self
    }

    /// Sends the calls of every service to `url`.
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

    /// Says that the endpoints are emulators: no credentials are looked for, and the token that Google's emulators take
    /// for an owner's is sent.
    ///
    /// Firestore's emulator has no settings, so nothing asks for expired records to be removed there unless
    /// [`Service::FirestoreAdmin`] has an endpoint of its own. They are hidden all the same.
    pub fn emulated(mut self) -> Self {
        self.emulated = true;
        self
    }

    /// Calls as whom `credentials` say, in place of the environment's.
    #[cfg(feature = "_sdk")]
    pub fn credentials(mut self, credentials: google_cloud_auth::credentials::Credentials) -> Self {
        self.credentials = Some(sdk::Given(credentials));
        self
    }

    /// Signs URLs by `signer`, in place of whoever the environment's credentials are of.
    ///
    /// Not every credential can sign: a service account's key can, and so can a machine's account that may call `signBlob`.
    #[cfg(feature = "_sdk")]
    pub fn signer(mut self, signer: google_cloud_auth::signer::Signer) -> Self {
        self.signer = Some(sdk::Signs(signer));
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

    /// Makes it. Nothing is sent yet but what the environment needs to tell the project.
    ///
    /// # Errors
    ///
    /// [`Invalid`](mvi_core::ErrorKind::Invalid) where no project is known, an endpoint is not a URL, or a limit is zero;
    /// [`Unauthenticated`](mvi_core::ErrorKind::Unauthenticated) where the environment's credentials can't be read.
    pub async fn build(self) -> Result<Gcp> {
        self.check()?;
        Gcp::with(self).await
    }

    fn check(&self) -> Result<()> {
        // No time at all for a MiB is a very fast connection.
        let Timeouts { connect, attempt, operation, per_mib: _ } = self.timeouts;
        for (name, limit) in [("connect", connect), ("attempt", attempt), ("operation", operation)]
        {
            if limit.is_zero() {
                return Err(Error::invalid(format!("the {name} timeout is 0: wanted more")));
            }
        }
        if self.retries.attempts == 0 {
            return Err(Error::invalid("0 attempts: wanted 1 or more"));
        }
        for url in self.endpoint.iter().chain(self.endpoints.iter().map(|(_, url)| url)) {
            let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
            if !rest.is_some_and(|it| !it.is_empty() && !it.starts_with('/')) {
                return Err(Error::invalid(format!(
                    "{url:?} is not an endpoint: wanted http:// or https:// and a host"
                )));
            }
        }
        let named = self.project.iter().map(|id| (id, "project"));
        let named = named.chain(self.database.iter().map(|id| (id, "database")));
        for (id, what) in named.chain(self.location.iter().map(|id| (id, "location"))) {
            if id.is_empty() || !id.bytes().all(|b| b.is_ascii_graphic() && b != b'/') {
                return Err(Error::invalid(format!("{id:?} is not the id of a {what}")));
            }
        }
        Ok(())
    }
}

#[cfg(feature = "_sdk")]
mod sdk {
    use std::fmt;

    use gcloud_sdk::GoogleEnvironment;
    use google_cloud_auth::{
        credentials::{Builder, CacheableResource, Credentials, CredentialsProvider, EntityTag},
        errors::CredentialsError,
        signer::Signer,
    };
    use http::{Extensions, HeaderMap, HeaderValue, header::AUTHORIZATION};
    use mvi_core::ErrorKind;

    use super::{Error, GcpBuilder, Result, Retries, Service, Timeouts};

    /// Credentials, which are not printed, whatever they are.
    #[derive(Clone)]
    pub(crate) struct Given(pub(crate) Credentials);

    impl fmt::Debug for Given {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Credentials")
        }
    }

    /// Who signs, who is not printed either.
    #[derive(Clone)]
    pub(crate) struct Signs(pub(crate) Signer);

    impl fmt::Debug for Signs {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Signer")
        }
    }

    /// What every service's client is made from.
    #[derive(Clone, Debug)]
    pub(crate) struct Config {
        pub(crate) project: String,
        pub(crate) database: String,
        #[cfg(feature = "blob")]
        pub(crate) location: String,
        credentials: Given,
        #[cfg(feature = "blob")]
        signer: Option<Signs>,
        /// Whether the credentials are the environment's: then so is whoever signs.
        #[cfg(feature = "blob")]
        own: bool,
        pub(crate) limits: Limits,
        endpoint: Option<String>,
        endpoints: Vec<(Service, String)>,
        emulated: bool,
    }

    /// How often to try and how long to wait.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Limits {
        pub(crate) timeouts: Timeouts,
        pub(crate) retries: Retries,
    }

    impl Limits {
        /// Those of a call that sends so many `bytes`.
        #[cfg(feature = "blob")]
        pub(crate) fn with_body(self, bytes: u64) -> Self {
            let mib = u32::try_from(bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX);
            let more = self.timeouts.per_mib.saturating_mul(mib);
            let attempt = self.timeouts.attempt.saturating_add(more);
            // Each of the attempts may take as long.
            let more = more.saturating_mul(self.retries.attempts);
            let operation = self.timeouts.operation.saturating_add(more);
            Self { timeouts: Timeouts { attempt, operation, ..self.timeouts }, ..self }
        }
    }

    impl Config {
        pub(crate) async fn load(builder: GcpBuilder) -> Result<Self> {
            let emulators = EMULATORS.map(|(service, name)| (service, std::env::var(name).ok()));
            Self::new(builder, emulators).await
        }

        pub(super) async fn new(
            builder: GcpBuilder,
            emulators: impl IntoIterator<Item = (Service, Option<String>)>,
        ) -> Result<Self> {
            let GcpBuilder {
                project,
                database,
                location,
                endpoint,
                mut endpoints,
                mut emulated,
                credentials,
                signer,
                timeouts,
                retries,
            } = builder;
            // Service account keys sign, and HTTPS needs one too. Whoever set another before us is right.
            rustls::crypto::ring::default_provider().install_default().ok();

            for (service, host) in emulators {
                let known = endpoint.is_some() || endpoints.iter().any(|(it, _)| *it == service);
                if let Some(host) = host.filter(|_| !known) {
                    let url = if host.contains("://") { host } else { format!("http://{host}") };
                    endpoints.push((service, url));
                    emulated = true;
                }
            }
            let project = match project {
                Some(project) => project,
                None => tokio::time::timeout(
                    timeouts.operation,
                    GoogleEnvironment::detect_google_project_id(),
                )
                .await
                .ok()
                .flatten()
                .ok_or_else(|| {
                    Error::invalid(
                        "no project: wanted one in the builder or in GOOGLE_CLOUD_PROJECT",
                    )
                })?,
            };
            #[cfg(feature = "blob")]
            let own = credentials.is_none() && !emulated;
            #[cfg(not(feature = "blob"))]
            let _ = (location, signer);
            let credentials = match credentials {
                Some(credentials) => credentials,
                None if emulated => Given(Credentials::from(Owner(EntityTag::new()))),
                None => Given(Builder::default().with_scopes([SCOPE]).build().map_err(|e| {
                    Error::new(ErrorKind::Unauthenticated, "the credentials could not be read")
                        .with_source(e)
                })?),
            };
            Ok(Self {
                project,
                database: database.unwrap_or_else(|| "(default)".to_owned()),
                #[cfg(feature = "blob")]
                location: location.unwrap_or_else(|| "US".to_owned()),
                credentials,
                #[cfg(feature = "blob")]
                signer,
                #[cfg(feature = "blob")]
                own,
                limits: Limits { timeouts, retries },
                endpoint,
                endpoints,
                emulated,
            })
        }

        pub(crate) fn credentials(&self) -> Credentials {
            self.credentials.0.clone()
        }

        /// Who signs.
        ///
        /// # Errors
        ///
        /// [`Unauthenticated`](ErrorKind::Unauthenticated) where nobody can.
        #[cfg(feature = "blob")]
        pub(crate) fn signer(&self) -> Result<Signer> {
            let nobody = || {
                let message = "these credentials can't sign: wanted a service account's, or a signer in the builder";
                Error::new(ErrorKind::Unauthenticated, message)
            };
            match &self.signer {
                Some(Signs(signer)) => Ok(signer.clone()),
                None if !self.own => Err(nobody()),
                None => Builder::default()
                    .with_scopes([SCOPE])
                    .build_signer()
                    .map_err(|e| nobody().with_source(e)),
            }
        }

        /// Where the calls of `service` go, if not to Google.
        pub(crate) fn endpoint(&self, service: Service) -> Option<&str> {
            self.own_endpoint(service).or(self.endpoint.as_deref())
        }

        /// Where Cloud Storage's bodies go, if not to Google.
        #[cfg(feature = "blob")]
        pub(crate) fn storage_http(&self) -> Option<&str> {
            self.own_endpoint(Service::StorageHttp).or_else(|| self.endpoint(Service::Storage))
        }

        fn own_endpoint(&self, service: Service) -> Option<&str> {
            let own = self.endpoints.iter().find(|(known, _)| *known == service);
            own.map(|(_, url)| url.as_str())
        }

        /// Whether there is anybody to ask for expired records to be removed.
        pub(crate) fn has_admin(&self) -> bool {
            !self.emulated || self.own_endpoint(Service::FirestoreAdmin).is_some()
        }
    }

    /// The variables that Google's tools take emulators from.
    const EMULATORS: [(Service, &str); 2] = [
        (Service::Firestore, "FIRESTORE_EMULATOR_HOST"),
        (Service::Storage, "STORAGE_EMULATOR_HOST"),
    ];

    /// What MVI may do is for IAM to say, not for the token's scope.
    const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

    /// Whom Google's emulators take for an owner.
    #[derive(Debug)]
    struct Owner(EntityTag);

    impl CredentialsProvider for Owner {
        async fn headers(
            &self,
            extensions: Extensions,
        ) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
            if extensions.get::<EntityTag>() == Some(&self.0) {
                return Ok(CacheableResource::NotModified);
            }
            let token = HeaderValue::from_static("Bearer owner");
            let data = HeaderMap::from_iter([(AUTHORIZATION, token)]);
            Ok(CacheableResource::New { entity_tag: self.0.clone(), data })
        }

        async fn universe_domain(&self) -> Option<String> {
            None
        }
    }
}

#[cfg(feature = "_sdk")]
pub(crate) use sdk::{Config, Limits};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_work_are_invalid() {
        let zero = Timeouts { attempt: Duration::ZERO, ..Timeouts::default() };
        let never = Retries { attempts: 0, ..Retries::default() };
        let builders = [
            Gcp::builder().timeouts(zero),
            Gcp::builder().retries(never),
            Gcp::builder().endpoint("127.0.0.1:8681"),
            Gcp::builder().endpoint("http://"),
            Gcp::builder().endpoint_for(Service::Firestore, "ftp://127.0.0.1"),
            Gcp::builder().project(""),
            Gcp::builder().project("a/b"),
            Gcp::builder().database("a\nb"),
        ];
        for builder in builders {
            let error = builder.check().unwrap_err();
            assert_eq!(error.kind(), mvi_core::ErrorKind::Invalid, "{error}");
        }
        Gcp::builder().project("demo").endpoint("http://127.0.0.1:8681").check().unwrap();
    }
    #[cfg(feature = "_sdk")]
    #[tokio::test]
    async fn the_environments_emulator_is_used_unless_the_builder_says_where() {
        let host = || [(Service::Firestore, Some("127.0.0.1:8681".to_owned()))];
        let builder = || Gcp::builder().project("demo");
        let found = Config::new(builder(), host()).await.unwrap();
        assert_eq!(found.endpoint(Service::Firestore), Some("http://127.0.0.1:8681"));
        assert_eq!(found.endpoint(Service::FirestoreAdmin), None);
        assert!(!found.has_admin());

        let elsewhere = builder().endpoint_for(Service::Firestore, "http://127.0.0.1:1").emulated();
        let found = Config::new(elsewhere, host()).await.unwrap();
        assert_eq!(found.endpoint(Service::Firestore), Some("http://127.0.0.1:1"));

        let settings = builder().endpoint_for(Service::FirestoreAdmin, "http://127.0.0.1:2");
        assert!(Config::new(settings, host()).await.unwrap().has_admin());
    }

    #[cfg(feature = "_sdk")]
    #[test]
    fn credentials_are_not_printed() {
        use google_cloud_auth::credentials::anonymous;

        let builder = Gcp::builder().credentials(anonymous::Builder::new().build());
        assert!(format!("{builder:?}").contains("credentials: Some(Credentials)"), "{builder:?}");
    }
}

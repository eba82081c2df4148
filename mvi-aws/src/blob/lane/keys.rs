//! As whom to sign: credentials, which are kept for as long as they hold, and loaded by one caller for all.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials as _, SharedCredentialsProvider},
};
use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use mvi_core::{Applied, Error, ErrorKind, Result};
use secrecy::{ExposeSecret as _, SecretSlice};
use tokio::sync::Mutex;

use super::request::SERVICE;
use crate::clock::now;

/// How long before they expire credentials are renewed, as the SDK does: an attempt that begins now may still take some seconds.
const BEFORE: Duration = Duration::from_secs(10);
/// How long credentials are kept that do not say when they expire, as the SDK does.
const UNTOLD: Duration = Duration::from_mins(15);

/// Credentials that can be signed with.
pub(super) struct Held {
    credentials: Credentials,
    until: SystemTime,
    /// The last key that was made of them, since that costs half a signature and more.
    made: RwLock<Option<Made>>,
}

/// What signs for a day and a region.
struct Made {
    day: String,
    region: String,
    key: SecretSlice<u8>,
}

impl Held {
    pub(super) fn new(credentials: Credentials, at: SystemTime) -> Self {
        let until = match credentials.expiry() {
            Some(expiry) => expiry.checked_sub(BEFORE).unwrap_or(SystemTime::UNIX_EPOCH),
            None => at + UNTOLD.saturating_sub(BEFORE),
        };
        Self { credentials, until, made: RwLock::default() }
    }

    pub(super) fn id(&self) -> &str {
        self.credentials.access_key_id()
    }

    pub(super) fn session_token(&self) -> Option<&str> {
        self.credentials.session_token()
    }

    /// The signature of `text` for `region`, at a time of `day`, which is as in `20260102`.
    pub(super) fn sign(&self, at: SystemTime, day: &str, region: &str, text: &str) -> String {
        let by = |key: &Made| calculate_signature(key.key.expose_secret(), text.as_bytes());
        let fits = |it: &&Made| it.day == day && it.region == region;
        let made = self.made.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = made.as_ref().filter(fits) {
            return by(made);
        }
        drop(made);
        let key = generate_signing_key(self.credentials.secret_access_key(), at, region, SERVICE);
        let key = SecretSlice::from(key.as_ref().to_vec());
        let made = Made { day: day.into(), region: region.into(), key };
        let signature = by(&made);
        *self.made.write().unwrap_or_else(PoisonError::into_inner) = Some(made);
        signature
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("until", &self.until).finish_non_exhaustive()
    }
}

/// Credentials, and where others come from.
pub(super) struct Keys {
    provider: Option<SharedCredentialsProvider>,
    held: RwLock<Option<Arc<Held>>>,
    /// Whoever has it loads, and the others wait for what comes of it.
    loading: Mutex<()>,
}

impl Keys {
    pub(super) fn new(provider: Option<SharedCredentialsProvider>) -> Self {
        Self { provider, held: RwLock::default(), loading: Mutex::default() }
    }

    /// Credentials that still hold at `at`.
    pub(super) fn held(&self, at: SystemTime) -> Option<Arc<Held>> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().filter(|it| at < it.until).cloned()
    }

    /// Loads credentials, but where somebody else has just done so.
    pub(super) async fn load(&self) -> Result<Arc<Held>> {
        let _one = self.loading.lock().await;
        if let Some(held) = self.held(now().into()) {
            return Ok(held);
        }
        let none = || {
            let message = "no credentials were found that work";
            Error::new(ErrorKind::Unauthenticated, message).with_applied(Applied::No)
        };
        let provider = self.provider.as_ref().ok_or_else(none)?;
        let found = provider.provide_credentials().await;
        let held = Arc::new(Held::new(found.map_err(|e| none().with_source(e))?, now().into()));
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&held));
        Ok(held)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use aws_credential_types::provider::{self, error::CredentialsError, future};
    use futures::future::join_all;

    use super::*;

    /// Gives credentials that hold for so long, and counts how often.
    #[derive(Debug)]
    struct Source {
        lasts: Option<Duration>,
        asked: Arc<AtomicU32>,
    }

    impl provider::ProvideCredentials for Source {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let expiry = self.lasts.map(|it| SystemTime::from(now()) + it);
            self.asked.fetch_add(1, Ordering::Relaxed);
            future::ProvideCredentials::new(async move {
                tokio::task::yield_now().await;
                Ok(Credentials::new("id", "hunter2", None, expiry, "test"))
            })
        }
    }

    fn keys(lasts: Option<Duration>) -> (Keys, Arc<AtomicU32>) {
        let asked = Arc::new(AtomicU32::new(0));
        let source = Source { lasts, asked: Arc::clone(&asked) };
        (Keys::new(Some(SharedCredentialsProvider::new(source))), asked)
    }

    #[tokio::test]
    async fn many_callers_load_once() {
        let (keys, asked) = keys(None);
        for loaded in join_all((0..50).map(|_| keys.load())).await {
            loaded.unwrap();
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn credentials_are_renewed_before_they_expire() {
        let hour = Duration::from_hours(1);
        for (lasts, kept) in [(Some(hour), hour), (None, UNTOLD)] {
            let (keys, _) = keys(lasts);
            let start = SystemTime::from(now());
            assert!(keys.held(start).is_none(), "nothing is loaded yet");
            keys.load().await.unwrap();
            assert!(keys.held(start + kept - BEFORE - Duration::from_secs(1)).is_some());
            assert!(keys.held(start + kept - BEFORE + Duration::from_secs(9)).is_none());
        }
        // What is all but expired is renewed by the next call, and used by this one.
        let (keys, asked) = keys(Some(Duration::from_secs(5)));
        keys.load().await.unwrap();
        assert!(keys.held(now().into()).is_none());
        keys.load().await.unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn who_has_no_credentials_is_told_so() {
        #[derive(Debug)]
        struct Nobody;
        impl provider::ProvideCredentials for Nobody {
            fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
            where
                Self: 'a,
            {
                future::ProvideCredentials::ready(Err(CredentialsError::not_loaded("nobody")))
            }
        }
        for provider in [None, Some(SharedCredentialsProvider::new(Nobody))] {
            let error = Keys::new(provider).load().await.unwrap_err();
            let got = (error.kind(), error.applied());
            assert_eq!(got, (ErrorKind::Unauthenticated, Applied::No), "{error:?}");
        }
    }

    #[tokio::test]
    async fn the_key_is_not_printed() {
        let (keys, _) = keys(None);
        let held = keys.load().await.unwrap();
        held.sign(SystemTime::UNIX_EPOCH, "19700101", "eu-central-1", "text");
        assert!(!format!("{held:?}").contains("hunter2"));
    }

    #[tokio::test]
    async fn each_day_and_region_has_a_key_of_its_own() {
        let (keys, _) = keys(None);
        let held = keys.load().await.unwrap();
        let sign = |day: u64, region| {
            let at = SystemTime::UNIX_EPOCH + Duration::from_hours(24 * day);
            held.sign(at, &format!("1970010{}", day + 1), region, "text")
        };
        let first = sign(0, "eu-central-1");
        for (day, region) in [(1, "eu-central-1"), (0, "us-east-1")] {
            assert_ne!(sign(day, region), first);
            assert_eq!(sign(0, "eu-central-1"), first);
        }
    }
}

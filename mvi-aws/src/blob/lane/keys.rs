//! As whom to sign: credentials, which are kept for as long as they hold, and loaded by one caller for all.

use std::{
    fmt,
    sync::{PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials as _, SharedCredentialsProvider},
};
use aws_smithy_runtime_api::client::identity::Identity;
use mvi_core::{Applied, Error, ErrorKind, Result};
use tokio::sync::Mutex;

use crate::clock::now;

/// How long before they expire credentials are renewed, as the SDK does: an attempt that begins now may still take some seconds.
const BEFORE: Duration = Duration::from_secs(10);
/// How long credentials are kept that do not say when they expire, as the SDK does.
const UNTOLD: Duration = Duration::from_mins(15);

/// Credentials that can be signed with.
#[derive(Clone)]
pub(super) struct Held {
    identity: Identity,
    until: SystemTime,
}

impl Held {
    fn new(credentials: Credentials, at: SystemTime) -> Self {
        let until = match credentials.expiry() {
            Some(expiry) => expiry.checked_sub(BEFORE).unwrap_or(SystemTime::UNIX_EPOCH),
            None => at + (UNTOLD - BEFORE),
        };
        Self { identity: credentials.into(), until }
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.identity
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
    held: RwLock<Option<Held>>,
    /// Whoever has it loads, and the others wait for what comes of it.
    loading: Mutex<()>,
}

impl Keys {
    pub(super) fn new(provider: Option<SharedCredentialsProvider>) -> Self {
        Self { provider, held: RwLock::default(), loading: Mutex::default() }
    }

    /// Credentials that still hold at `at`.
    pub(super) fn held(&self, at: SystemTime) -> Option<Held> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().filter(|it| at < it.until).cloned()
    }

    /// Loads credentials, but where somebody else has just done so.
    pub(super) async fn load(&self) -> Result<Held> {
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
        let held = Held::new(found.map_err(|e| none().with_source(e))?, now().into());
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = Some(held.clone());
        Ok(held)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

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
        assert!(!format!("{:?}", keys.load().await.unwrap()).contains("hunter2"));
    }
}

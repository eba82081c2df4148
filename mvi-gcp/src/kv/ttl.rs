//! Expiry's settings, through Firestore's own administration API: which field says when a document may go.
//!
//! Reads hide what has expired by themselves, so nobody waits for the setting to take effect.
//!
//! Sources: [TTL policies][ttl], [`fields.patch`][patch].
//!
//! [ttl]: https://cloud.google.com/firestore/docs/ttl
//! [patch]: https://cloud.google.com/firestore/docs/reference/rest/v1/projects.databases.collectionGroups.fields/patch

use std::fmt;

use google_cloud_firestore_admin_v1::{
    client::FirestoreAdmin,
    model::{
        Field,
        field::{IndexConfig, TtlConfig, ttl_config::State},
    },
};
use google_cloud_gax::{
    exponential_backoff::ExponentialBackoffBuilder,
    options::RequestOptionsBuilder as _,
    retry_policy::{Aip194Strict, RetryPolicyExt as _},
};
use google_cloud_wkt::FieldMask;
use mvi_core::{Applied, Error, ErrorKind, Result};
use tokio::sync::OnceCell;

use super::document::EXPIRES;
use crate::{
    config::{Config, Retries, Service, Timeouts},
    error,
};

/// The settings of one database's collections; made at the first call.
pub(super) struct Settings {
    config: Config,
    admin: OnceCell<FirestoreAdmin>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Settings")
    }
}

impl Settings {
    pub(super) fn new(config: Config) -> Self {
        Self { config, admin: OnceCell::new() }
    }

    async fn admin(&self) -> Result<&FirestoreAdmin> {
        let make = async || {
            let Timeouts { connect: _, attempt, operation, per_mib: _ } =
                self.config.limits.timeouts;
            let Retries { attempts, first_pause, longest_pause } = self.config.limits.retries;
            let failed = |kind, what: &str| Error::new(kind, what).with_applied(Applied::No);
            let backoff = ExponentialBackoffBuilder::new()
                .with_initial_delay(first_pause)
                .with_maximum_delay(longest_pause)
                .build()
                .map_err(|e| {
                    failed(ErrorKind::Invalid, "pauses that do not grow").with_source(e)
                })?;
            let builder = FirestoreAdmin::builder()
                .with_credentials(self.config.credentials())
                .with_attempt_timeout(attempt)
                .with_backoff_policy(backoff)
                .with_retry_policy(
                    Aip194Strict.with_attempt_limit(attempts).with_time_limit(operation),
                );
            let builder = match self.config.endpoint(Service::FirestoreAdmin) {
                Some(endpoint) => builder.with_endpoint(endpoint),
                None => builder,
            };
            builder.build().await.map_err(|e| {
                failed(ErrorKind::Invalid, "no client for Firestore's settings").with_source(e)
            })
        };
        self.admin.get_or_try_init(make).await
    }

    fn field(&self, collection: &str) -> String {
        let Config { project, database, .. } = &self.config;
        format!(
            "projects/{project}/databases/{database}/collectionGroups/{collection}/fields/{EXPIRES}"
        )
    }

    /// Asks for expired documents of `collection` to be removed. Asking again changes nothing.
    pub(super) async fn turn_on(&self, collection: &str) -> Result<()> {
        if !self.config.has_admin() {
            return Ok(());
        }
        let name = self.field(collection);
        let asked = self.admin().await?.get_field().set_name(&name).send();
        let known = asked.await.map_err(|e| error::from_gax("GetField", e))?.ttl_config;
        if known.is_some_and(|it| matches!(it.state, State::Creating | State::Active)) {
            return Ok(());
        }
        // Times of expiry are near each other, which an index on them would make one hot spot of.
        let field =
            Field::new().set_ttl_config(TtlConfig::new()).set_index_config(IndexConfig::new());
        self.patch(field.set_name(name)).await
    }

    /// Takes the settings of `collection` back.
    pub(super) async fn turn_off(&self, collection: &str) -> Result<()> {
        if !self.config.has_admin() {
            return Ok(());
        }
        match self.patch(Field::new().set_name(self.field(collection))).await {
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
            answer => answer,
        }
    }

    async fn patch(&self, field: Field) -> Result<()> {
        let mask = FieldMask::default().set_paths(["ttlConfig", "indexConfig"]);
        let patch = self.admin().await?.update_field().set_field(field).set_update_mask(mask);
        // The same settings twice are the same settings.
        let sent = patch.with_idempotency(true).send().await;
        sent.map(|_| ()).map_err(|e| error::from_gax("UpdateField", e))
    }
}

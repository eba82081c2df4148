//! The eleven services of one cloud.

use std::{fmt, sync::Arc};

use futures::{StreamExt as _, stream};

use crate::{
    Blob, Container, Crypto, Database, Error, ErrorKind, Image, Items, Kv, LoadBalancer, Log,
    Metric, Vm, Vpc,
    hook::{Hook, Hooked, Op},
};

/// The eleven services that an app needs to run in a cloud.
///
/// A provider's own type makes one: `Aws`, `Gcp`, or the testkit's `Sim`. Its fields are public
/// and it is exhaustive, so that providers mix by struct update:
///
/// ```
/// use std::sync::Arc;
/// use mvi_core::{Cloud, Kv, Unsupported};
///
/// let mine: Arc<dyn Kv> = Arc::new(Unsupported::because("an example"));
/// let cloud = Cloud { kv: mine, ..Cloud::unsupported("another example") };
/// # let _ = cloud;
/// ```
#[derive(Clone, Debug)]
pub struct Cloud {
    /// CPU, memory, network and a server OS.
    pub vm: Arc<dyn Vm>,
    /// Private networking.
    pub vpc: Arc<dyn Vpc>,
    /// Keys, and who used them.
    pub crypto: Arc<dyn Crypto>,
    /// A registry of container images.
    pub image: Arc<dyn Image>,
    /// Processes that stay up.
    pub container: Arc<dyn Container>,
    /// One stable name in front of healthy containers.
    pub load_balancer: Arc<dyn LoadBalancer>,
    /// Relational databases.
    pub database: Arc<dyn Database>,
    /// Text from every container.
    pub log: Arc<dyn Log>,
    /// Numbers from every container.
    pub metric: Arc<dyn Metric>,
    /// Small structured records.
    pub kv: Arc<dyn Kv>,
    /// Files of any size.
    pub blob: Arc<dyn Blob>,
}

impl Cloud {
    /// A cloud whose every service answers [`Unsupported`](ErrorKind::Unsupported) with `reason`: what to fill in by struct update.
    pub fn unsupported(reason: impl Into<Arc<str>>) -> Self {
        let none = Arc::new(Unsupported::because(reason));
        Self {
            vm: none.clone(),
            vpc: none.clone(),
            crypto: none.clone(),
            image: none.clone(),
            container: none.clone(),
            load_balancer: none.clone(),
            database: none.clone(),
            log: none.clone(),
            metric: none.clone(),
            kv: none.clone(),
            blob: none,
        }
    }

    /// The same cloud with one `hook` around every call of every service.
    ///
    /// ```
    /// use mvi_core::{Cloud, hook::{Meter, Trace}};
    ///
    /// let cloud = Cloud::unsupported("an example").hooked((Trace, Meter));
    /// # let _ = cloud;
    /// ```
    #[must_use]
    pub fn hooked(self, hook: impl Hook) -> Self {
        let Self {
            vm,
            vpc,
            crypto,
            image,
            container,
            load_balancer,
            database,
            log,
            metric,
            kv,
            blob,
        } = self;
        let hook = Arc::new(hook);
        Self {
            vm: Arc::new(Hooked::sharing(vm, Arc::clone(&hook))),
            vpc: Arc::new(Hooked::sharing(vpc, Arc::clone(&hook))),
            crypto: Arc::new(Hooked::sharing(crypto, Arc::clone(&hook))),
            image: Arc::new(Hooked::sharing(image, Arc::clone(&hook))),
            container: Arc::new(Hooked::sharing(container, Arc::clone(&hook))),
            load_balancer: Arc::new(Hooked::sharing(load_balancer, Arc::clone(&hook))),
            database: Arc::new(Hooked::sharing(database, Arc::clone(&hook))),
            log: Arc::new(Hooked::sharing(log, Arc::clone(&hook))),
            metric: Arc::new(Hooked::sharing(metric, Arc::clone(&hook))),
            kv: Arc::new(Hooked::sharing(kv, Arc::clone(&hook))),
            blob: Arc::new(Hooked::sharing(blob, hook)),
        }
    }
}

/// A service that a provider does not have, or whose cargo feature is off: each call answers
/// [`Unsupported`](ErrorKind::Unsupported) and says why.
///
/// ```
/// use mvi_core::{ErrorKind, Kv, Name, Unsupported};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let kv = Unsupported::feature("mvi-aws", "kv");
/// let error = kv.table(&Name::new("links").unwrap()).await.unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "kv.table links: mvi-aws was built without its feature \"kv\" (Unsupported)"
/// );
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Unsupported(Arc<str>);

impl Unsupported {
    /// A service that is missing for `reason`: lower case, no final stop.
    pub fn because(reason: impl Into<Arc<str>>) -> Self {
        Self(reason.into())
    }

    /// A service of `package` whose cargo `feature` is off.
    pub fn feature(package: &str, feature: &str) -> Self {
        Self::because(format!("{package} was built without its feature {feature:?}"))
    }

    pub(crate) fn error(&self, op: &'static Op, resource: &dyn fmt::Display) -> Error {
        Error::new(ErrorKind::Unsupported, &*self.0).at(op.name(), resource)
    }

    pub(crate) fn failed<R: Send + 'static>(
        &self,
        op: &'static Op,
        resource: &dyn fmt::Display,
    ) -> Items<R> {
        let error = self.error(op, resource);
        stream::once(async { Err(error) }).boxed()
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;

    use super::*;
    use crate::{Applied, Labels, Name, hook::Record};

    #[tokio::test]
    async fn one_hook_sees_the_calls_of_a_cloud() {
        let calls = Arc::new(Record::default());
        let cloud = Cloud::unsupported("a test").hooked(calls.clone());
        let error = cloud.kv.table(&Name::new("links").unwrap()).await.unwrap_err();
        assert_eq!(error.to_string(), "kv.table links: a test (Unsupported)");
        assert_eq!(error.applied(), Applied::No);
        assert!(cloud.kv.list_tables(Labels::new()).next().await.unwrap().is_err());
        let seen: Vec<_> = calls.calls().into_iter().map(|it| (it.op, it.item, it.error)).collect();
        let failed = Some(ErrorKind::Unsupported);
        assert_eq!(seen, [("kv.table", None, failed), ("kv.list_tables", Some(0), failed)]);
    }

    #[tokio::test]
    async fn a_stream_of_a_missing_service_fails_once() {
        let kv = Unsupported::feature("mvi-x", "kv");
        let all: Vec<_> = kv.list_tables(Labels::new()).collect().await;
        assert_eq!(all.len(), 1);
        assert!(all[0].as_ref().unwrap_err().message().contains("mvi-x"));
    }
}

//! The one seam around every call: faults, time limits, traces and metrics plug in here.
//!
//! ```text
//!            ┏━━━━━━━━━━━━━━━━━━━━ Hooked ━━━━━━━━━━━━━━━━━━━┓
//!   app ───▶ ┃ Trace ──▶ Meter ──▶ Timeout ──▶ your hook ──▶ ┃ ──▶ provider
//!            ┗━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┛
//! ```
//!
//! A [`Hook`] is given the call as a future. It may await it, delay it, drop it, refuse to
//! start it, or await it and lose the answer. Hooks stack as tuples, the first outermost,
//! and cost one allocation a call however many they are, since all of the layers are static.
//! Hooks that are chosen at run time are a [`DynHook`].
//!
//! On a lazy stream the hook surrounds each wait for the next item, and [`Hook::item`] is
//! then asked what to do with it. A download is a call, and then the chunks of its body are
//! the items of a stream. Bodies of uploads and the streams of `exec` pass unhooked.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use mvi_core::{Cloud, hook::{Record, Timeout, Trace}};
//!
//! let calls = Arc::new(Record::default());
//! let cloud = Cloud::unsupported("an example");
//! let cloud = cloud.hooked((Trace, Timeout::after(Duration::from_secs(30)), calls.clone()));
//! # let _ = cloud;
//! assert!(calls.calls().is_empty());
//! ```

mod dynamic;
mod stock;

pub use dynamic::{DynHook, Next};
use stock::Keys;
pub use stock::{Meter, Record, Recorded, Timeout, Trace};

use std::{fmt, sync::Arc};

use futures::{StreamExt as _, stream};
use metrics::Label;

use crate::{Error, Items, Result};

/// One operation of a service, as its table lists it.
#[derive(Debug)]
pub struct Op {
    name: &'static str,
    mutates: bool,
    plane: Plane,
    labels: [Label; 1],
    keys: Option<Keys>,
}

impl Op {
    /// An operation called `name`, as in `kv.put`.
    pub const fn new(name: &'static str, effect: Effect, plane: Plane) -> Self {
        Self::with(name, effect, plane, None)
    }

    /// An operation whose metrics have these labels: their keys are made when this is compiled, and not for each call.
    pub(crate) const fn measured(
        name: &'static str,
        effect: Effect,
        plane: Plane,
        labels: &'static [Label; 1],
    ) -> Self {
        Self::with(name, effect, plane, Some(Keys::of(labels)))
    }

    const fn with(name: &'static str, effect: Effect, plane: Plane, keys: Option<Keys>) -> Self {
        let mutates = matches!(effect, Effect::Write);
        Self { name, mutates, plane, labels: Self::labels(name), keys }
    }

    pub(crate) const fn labels(name: &'static str) -> [Label; 1] {
        [Label::from_static_parts("op", name)]
    }

    /// Its name, as in `kv.put`.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether it changes anything.
    pub const fn mutates(&self) -> bool {
        self.mutates
    }

    /// Which of a provider's planes serves it.
    pub const fn plane(&self) -> Plane {
        self.plane
    }
}

/// Whether an operation changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// It reads.
    Read,
    /// It changes what is there.
    Write,
}

/// Which of a provider's planes serves an operation: in an outage one may be down alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Plane {
    /// Makes, changes and lists resources.
    Control,
    /// Works on what is inside of them.
    Data,
}

/// A call, as hooks see it.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    op: &'static Op,
    resource: &'a str,
    item: Option<u64>,
    first: bool,
}

impl<'a> Call<'a> {
    /// A call of `op` on `resource`.
    pub const fn new(op: &'static Op, resource: &'a str) -> Self {
        Self { op, resource, item: None, first: true }
    }

    /// The operation, as in `kv.put`.
    pub const fn op(&self) -> &'static str {
        self.op.name
    }

    /// What it is for, as the caller named it: a table, a bucket, a VM. Never a value or a key of data.
    pub const fn resource(&self) -> &'a str {
        self.resource
    }

    /// Whether it changes anything.
    pub const fn mutates(&self) -> bool {
        self.op.mutates
    }

    /// Which of the provider's planes serves it.
    pub const fn plane(&self) -> Plane {
        self.op.plane
    }

    /// On a stream, which item is waited for, from 0, and of a download which chunk of its body; `None` for an ordinary call.
    pub const fn item(&self) -> Option<u64> {
        self.item
    }

    /// Whether a caller has just made the call: false for a stream's second item and all after it, and for every chunk of a download.
    pub const fn is_first(&self) -> bool {
        self.first
    }

    /// What its metrics are known by, where that was made before.
    const fn keys(&self) -> Option<&'static Keys> {
        self.op.keys.as_ref()
    }

    const fn labels(&self) -> &'static [Label] {
        &self.op.labels
    }
}

/// What becomes of an item of a stream.
#[derive(Debug)]
pub enum Verdict {
    /// It goes to the caller.
    Pass,
    /// It is lost.
    Drop,
    /// It goes to the caller twice.
    Repeat,
    /// The error goes to the caller in its place, and the stream ends.
    Fail(Error),
}

/// Surrounds each call of a service.
///
/// ```
/// use std::time::Duration;
/// use mvi_core::{Result, hook::{Call, Hook}};
///
/// /// Delays every change.
/// #[derive(Debug)]
/// struct Slow(Duration);
///
/// impl Hook for Slow {
///     async fn around<R: Send>(
///         &self,
///         call: &Call<'_>,
///         next: impl Future<Output = Result<R>> + Send,
///     ) -> Result<R> {
///         if call.mutates() {
///             tokio::time::sleep(self.0).await;
///         }
///         next.await
///     }
/// }
/// ```
pub trait Hook: fmt::Debug + Send + Sync + 'static {
    /// Makes the call by awaiting `next`, and answers it.
    ///
    /// Returning an error without awaiting `next` refuses the call: nothing is applied. Returning
    /// one after it loses the answer: say so with [`Error::with_applied`].
    fn around<R: Send>(
        &self,
        call: &Call<'_>,
        next: impl Future<Output = Result<R>> + Send,
    ) -> impl Future<Output = Result<R>> + Send;

    /// Says what becomes of item `n` of a stream, counted from 0. By default it passes.
    fn item(&self, _call: &Call<'_>, _n: u64) -> Verdict {
        Verdict::Pass
    }
}

impl Hook for () {
    fn around<R: Send>(
        &self,
        _call: &Call<'_>,
        next: impl Future<Output = Result<R>> + Send,
    ) -> impl Future<Output = Result<R>> + Send {
        next
    }
}

impl<H: Hook> Hook for Arc<H> {
    fn around<R: Send>(
        &self,
        call: &Call<'_>,
        next: impl Future<Output = Result<R>> + Send,
    ) -> impl Future<Output = Result<R>> + Send {
        H::around(self, call, next)
    }

    fn item(&self, call: &Call<'_>, n: u64) -> Verdict {
        H::item(self, call, n)
    }
}

/// The first is outermost: it sees what the others made of the call.
macro_rules! stack {
    ($($hook:ident $at:tt),+; $($reversed:tt),+) => {
        impl<$($hook: Hook),+> Hook for ($($hook,)+) {
            fn around<R: Send>(
                &self,
                call: &Call<'_>,
                next: impl Future<Output = Result<R>> + Send,
            ) -> impl Future<Output = Result<R>> + Send {
                $(let next = self.$reversed.around(call, next);)+
                next
            }

            fn item(&self, call: &Call<'_>, n: u64) -> Verdict {
                // The innermost decides first, as an answer comes from within.
                $(match self.$reversed.item(call, n) {
                    Verdict::Pass => {}
                    other => return other,
                })+
                Verdict::Pass
            }
        }
    };
}
stack!(A 0; 0);
stack!(A 0, B 1; 1, 0);
stack!(A 0, B 1, C 2; 2, 1, 0);
stack!(A 0, B 1, C 2, D 3; 3, 2, 1, 0);
stack!(A 0, B 1, C 2, D 3, E 4; 4, 3, 2, 1, 0);
stack!(A 0, B 1, C 2, D 3, E 4, F 5; 5, 4, 3, 2, 1, 0);

/// A service with a [`Hook`] around each of its calls. It is that service again.
///
/// Keep layers inside, as a tuple, and one `dyn` outside: each further `dyn` costs an allocation a call.
///
/// ```
/// use std::sync::Arc;
/// use mvi_core::{Kv, Unsupported, hook::{Hooked, Trace}};
///
/// let kv = Arc::new(Unsupported::because("an example"));
/// let kv: Arc<dyn Kv> = Arc::new(Hooked::new(kv, Trace));
/// # let _ = kv;
/// ```
#[derive(Debug)]
pub struct Hooked<T: ?Sized, H> {
    hook: Arc<H>,
    pub(crate) inner: Arc<T>,
}

impl<T: ?Sized, H: Hook> Hooked<T, H> {
    /// Puts `hook` around `inner`.
    pub fn new(inner: Arc<T>, hook: H) -> Self {
        Self { hook: Arc::new(hook), inner }
    }

    /// Puts one shared `hook` around several services.
    pub(crate) fn sharing(inner: Arc<T>, hook: Arc<H>) -> Self {
        Self { hook, inner }
    }

    pub(crate) async fn call<R: Send>(
        &self,
        op: &'static Op,
        resource: impl AsRef<str> + Send + Sync,
        reply: impl Future<Output = Result<R>> + Send,
    ) -> Result<R> {
        self.hook.around(&Call::new(op, resource.as_ref()), reply).await
    }

    pub(crate) fn stream<R: Clone + Send + Sync + 'static>(
        &self,
        op: &'static Op,
        resource: impl AsRef<str> + Send + Sync + 'static,
        items: Items<R>,
    ) -> Items<R> {
        self.open(op, resource, items, true)
    }

    /// Surrounds the body of what was downloaded. The call that began it has been surrounded by itself.
    pub(crate) fn body<R: Clone + Send + Sync + 'static>(
        &self,
        op: &'static Op,
        resource: impl AsRef<str> + Send + Sync + 'static,
        body: Items<R>,
    ) -> Items<R> {
        self.open(op, resource, body, false)
    }

    fn open<R: Clone + Send + Sync + 'static>(
        &self,
        op: &'static Op,
        resource: impl AsRef<str> + Send + Sync + 'static,
        items: Items<R>,
        is_call: bool,
    ) -> Items<R> {
        let hook = Arc::clone(&self.hook);
        let open = Open { hook, op, resource, items, is_call, seen: 0, again: None };
        stream::unfold(Some(open), |open| async move {
            let mut open = open?;
            match open.next().await? {
                Ok(item) => Some((Ok(item), Some(open))),
                // An error ends the stream: what comes after a hole could not be told from what comes without one.
                Err(error) => Some((Err(error), None)),
            }
        })
        // Asked again after its end, it has ended still.
        .fuse()
        .boxed()
    }
}

/// A stream being read through a hook.
struct Open<R, H, S> {
    hook: Arc<H>,
    op: &'static Op,
    resource: S,
    items: Items<R>,
    /// Whether the wait for the first item is the call itself.
    is_call: bool,
    seen: u64,
    again: Option<R>,
}

impl<R: Clone + Send + Sync, H: Hook, S: AsRef<str> + Send + Sync> Open<R, H, S> {
    async fn next(&mut self) -> Option<Result<R>> {
        if let Some(item) = self.again.take() {
            return Some(Ok(item));
        }
        loop {
            let call = Call {
                op: self.op,
                resource: self.resource.as_ref(),
                item: Some(self.seen),
                first: self.is_call && self.seen == 0,
            };
            let items = &mut self.items;
            let wait = async { items.next().await.transpose() };
            let item = match self.hook.around(&call, wait).await.transpose()? {
                Ok(item) => item,
                Err(error) => return Some(Err(error)),
            };
            let verdict = self.hook.item(&call, self.seen);
            self.seen += 1;
            match verdict {
                Verdict::Pass => return Some(Ok(item)),
                Verdict::Drop => {}
                Verdict::Repeat => {
                    self.again = Some(item.clone());
                    return Some(Ok(item));
                }
                Verdict::Fail(error) => return Some(Err(error)),
            }
        }
    }
}

/// Lists a service's operations once, and makes from the list: `OPS`, the service behind a
/// [`Hooked`], and the service that answers [`Unsupported`](crate::Unsupported).
///
/// The trait itself stays written by hand, so that a reader and mockall see it; an
/// operation that the list lacks does not compile.
macro_rules! ops {
    (
        $trait:ident as $service:literal;
        calls { $($call:ident($($arg:ident: $ty:ty),*) -> $ret:ty, on $resource:expr, $effect:ident $plane:ident;)* }
        $(downloads { $($download:ident($($darg:ident: $dty:ty),*) -> $dret:ty, on $dresource:expr, $deffect:ident $dplane:ident;)* })?
        streams { $($stream:ident($($sarg:ident: $sty:ty),*) -> $item:ty, on $sresource:expr, $seffect:ident $splane:ident;)* }
    ) => {
        /// Every operation of the service, as errors, hooks and metrics name them.
        pub static OPS: &[&$crate::hook::Op] = &[$(&op::$call,)* $($(&op::$download,)*)? $(&op::$stream,)*];

        #[allow(non_upper_case_globals, reason = "an operation is called as its method")]
        mod op {
            $($crate::hook::op!($service, $call, $effect, $plane);)*
            $($($crate::hook::op!($service, $download, $deffect, $dplane);)*)?
            $($crate::hook::op!($service, $stream, $seffect, $splane);)*
        }

        #[async_trait::async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<T: $trait + ?Sized, H: $crate::hook::Hook> $trait for $crate::hook::Hooked<T, H> {
            $(async fn $call(&self, $($arg: $ty),*) -> $crate::Result<$ret> {
                let resource = $resource.clone();
                self.call(&op::$call, resource, self.inner.$call($($arg),*)).await
            })*
            $($(async fn $download(&self, $($darg: $dty),*) -> $crate::Result<$dret> {
                let resource = $dresource.clone();
                let mut reply = self.call(&op::$download, resource.clone(), self.inner.$download($($darg),*)).await?;
                reply.body = self.body(&op::$download, resource, reply.body);
                Ok(reply)
            })*)?
            $(fn $stream(&self, $($sarg: $sty),*) -> $crate::Items<$item> {
                let resource = $sresource.clone();
                self.stream(&op::$stream, resource, self.inner.$stream($($sarg),*))
            })*
        }

        #[async_trait::async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl $trait for $crate::Unsupported {
            $(async fn $call(&self, $($arg: $ty),*) -> $crate::Result<$ret> {
                let _ = ($(&$arg,)*);
                Err(self.error(&op::$call, &$resource))
            })*
            $($(async fn $download(&self, $($darg: $dty),*) -> $crate::Result<$dret> {
                let _ = ($(&$darg,)*);
                Err(self.error(&op::$download, &$dresource))
            })*)?
            $(fn $stream(&self, $($sarg: $sty),*) -> $crate::Items<$item> {
                let _ = ($(&$sarg,)*);
                self.failed(&op::$stream, &$sresource)
            })*
        }
    };
}
pub(crate) use ops;

/// One operation of a table of them.
macro_rules! op {
    ($service:literal, $name:ident, $effect:ident, $plane:ident) => {
        pub(super) static $name: $crate::hook::Op = {
            const NAME: &str = concat!($service, ".", stringify!($name));
            static LABELS: [metrics::Label; 1] = $crate::hook::Op::labels(NAME);
            let (effect, plane) = ($crate::hook::Effect::$effect, $crate::hook::Plane::$plane);
            $crate::hook::Op::measured(NAME, effect, plane, &LABELS)
        };
    };
}
pub(crate) use op;

#[cfg(test)]
mod tests;

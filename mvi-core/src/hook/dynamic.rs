//! Hooks that are chosen at run time.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use futures::future::BoxFuture;

use super::{Call, Hook, Verdict};
use crate::{Error, ErrorKind, Result};

/// The call that a [`DynHook`] surrounds. Its answer goes to the caller by itself, where the hook returns `Ok`.
pub type Next<'a> = BoxFuture<'a, Result<()>>;

/// A [`Hook`] that can be chosen at run time: `Arc<dyn DynHook>` is a `Hook`.
///
/// It sees whether the call succeeded but not the answer, and costs an allocation or two a call.
///
/// ```
/// use std::sync::Arc;
/// use mvi_core::{Result, Unsupported, hook::{Call, DynHook, Hooked, Next}};
///
/// #[derive(Debug)]
/// struct Print;
///
/// #[async_trait::async_trait]
/// impl DynHook for Print {
///     async fn around(&self, call: &Call<'_>, next: Next<'_>) -> Result<()> {
///         println!("{} {}", call.op(), call.resource());
///         next.await
///     }
/// }
///
/// let hooks: Vec<Arc<dyn DynHook>> = vec![Arc::new(Print)];
/// let kv = Hooked::new(Arc::new(Unsupported::because("an example")), hooks);
/// # let _ = kv;
/// ```
#[async_trait]
pub trait DynHook: fmt::Debug + Send + Sync + 'static {
    /// Makes the call by awaiting `next`; see [`Hook::around`].
    async fn around(&self, call: &Call<'_>, next: Next<'_>) -> Result<()>;

    /// Says what becomes of item `n` of a stream; see [`Hook::item`].
    fn item(&self, _call: &Call<'_>, _n: u64) -> Verdict {
        Verdict::Pass
    }
}

/// What waits for the caller, where the hooks say that the call succeeded.
fn answer<R>(slot: Option<R>, call: &Call<'_>) -> Result<R> {
    slot.ok_or_else(|| {
        let message = "a hook said that the call succeeded, and it was not made or failed";
        Error::new(ErrorKind::Internal, message).at(call.op(), call.resource())
    })
}

impl Hook for Arc<dyn DynHook> {
    async fn around<R: Send>(
        &self,
        call: &Call<'_>,
        next: impl Future<Output = Result<R>> + Send,
    ) -> Result<R> {
        // The hook cannot be generic over the answer, so the answer waits here.
        let mut slot = None;
        let next = async {
            slot = Some(next.await?);
            Ok(())
        };
        self.as_ref().around(call, Box::pin(next)).await?;
        answer(slot, call)
    }

    fn item(&self, call: &Call<'_>, n: u64) -> Verdict {
        self.as_ref().item(call, n)
    }
}

/// The first is outermost.
impl Hook for Vec<Arc<dyn DynHook>> {
    async fn around<R: Send>(
        &self,
        call: &Call<'_>,
        next: impl Future<Output = Result<R>> + Send,
    ) -> Result<R> {
        let mut slot = None;
        let inner: Next<'_> = Box::pin(async {
            slot = Some(next.await?);
            Ok(())
        });
        let all = self.iter().rev();
        all.fold(inner, |next, hook| hook.as_ref().around(call, next)).await?;
        answer(slot, call)
    }

    fn item(&self, call: &Call<'_>, n: u64) -> Verdict {
        let verdicts = self.iter().rev().map(|hook| hook.as_ref().item(call, n));
        verdicts.into_iter().find(|it| !matches!(it, Verdict::Pass)).unwrap_or(Verdict::Pass)
    }
}

//! One call of the SDK and the attempts it makes: what all of them together say of a failure.
//!
//! The SDK answers with its last attempt's error. An attempt that was throttled surely did nothing, but the one
//! before it may have timed out, so the call may have been applied: [`Watch`] sees every attempt and joins them.

use std::{cell::Cell, error::Error as StdError};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{
                BeforeTransmitInterceptorContextRef, Error as ErasedError,
                FinalizerInterceptorContextRef, InterceptorContext,
            },
            dyn_dispatch_hint,
        },
        orchestrator::{HttpResponse, OrchestratorError},
        result::SdkError,
        retries::classifiers::{ClassifyRetry, RetryAction},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{config_bag::ConfigBag, error::metadata::ProvideErrorMetadata};
use mvi_core::{Applied, Error, Result};

use crate::error;

tokio::task_local! {
    // A call never leaves its task, and an interceptor is given nothing else that belongs to one call.
    static CALL: Attempts;
}

/// Which attempts of a call the SDK may repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Nothing changes: repeat what may succeed.
    Read,
    /// Applied twice is as good as once: repeat what may succeed.
    Idempotent,
    /// Repeat only what surely was not applied.
    Unapplied,
}

/// A call of the SDK that failed.
#[derive(Debug)]
pub(crate) struct Failure<E> {
    sdk: Box<SdkError<E, HttpResponse>>,
    wire_op: &'static str,
    applied: Applied,
}

impl<E: ProvideErrorMetadata + StdError + Send + Sync + 'static> Failure<E> {
    /// What the service answered, if it did.
    #[cfg(feature = "kv")]
    pub(crate) fn answer(&self) -> Option<&E> {
        self.sdk.as_service_error()
    }

    /// Whether any of the attempts was applied.
    #[cfg(feature = "kv")]
    pub(crate) fn applied(&self) -> Applied {
        self.applied
    }

    /// As the caller's error; their operation and resource are named on the way out.
    pub(crate) fn into_error(self) -> Error {
        error::from_sdk(self.wire_op, *self.sdk).with_applied(self.applied)
    }
}

/// Makes one call, in as many attempts as the configuration and `repeat` allow.
pub(crate) fn send<T, E>(
    wire_op: &'static str,
    repeat: Repeat,
    call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
) -> impl Future<Output = Result<T, Failure<E>>> + Send
where
    T: Send,
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let attempts = Attempts {
        wire_op,
        repeat,
        code_of: |error| error.downcast_ref::<E>().and_then(ProvideErrorMetadata::code),
        sent: Cell::new(false),
        last: Cell::new(Applied::No),
        all: Cell::new(Applied::No),
    };
    // The SDK's future is 16 KB: it stays where it is, and what is moved is small.
    let call = Box::pin(call);
    let watched = async move {
        let answer = call.await;
        (answer, CALL.with(|attempts| attempts.all.get()))
    };
    async move {
        let (answer, applied) = CALL.scope(attempts, watched).await;
        answer.map_err(|sdk| Failure {
            sdk: Box::new(sdk),
            wire_op,
            applied: if repeat == Repeat::Read { Applied::No } else { applied },
        })
    }
}

/// What is known of the attempts of one call.
struct Attempts {
    wire_op: &'static str,
    repeat: Repeat,
    code_of: fn(&ErasedError) -> Option<&str>,
    sent: Cell<bool>,
    last: Cell<Applied>,
    all: Cell<Applied>,
}

impl Attempts {
    fn failed(&self, error: &OrchestratorError<ErasedError>, response: Option<&HttpResponse>) {
        let status = response.map(|it| it.status().as_u16());
        let applied = if !self.sent.replace(false) {
            Applied::No
        } else if let Some(error) = error.as_operation_error() {
            error::of_code(self.wire_op, (self.code_of)(error), status.unwrap_or_default()).applied
        } else if let Some(error) = error.as_connector_error() {
            error::of_connector(error).1
        } else {
            error::of_unread(self.wire_op, status)
        };
        self.last.set(applied);
        self.all.set(self.all.get().join(applied));
    }
}

/// Joins the attempts of a call.
#[derive(Debug)]
pub(crate) struct Watch;

#[dyn_dispatch_hint]
impl Intercept for Watch {
    fn name(&self) -> &'static str {
        "mvi attempts"
    }

    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // A call that is not ours, through the escape hatch, has no task-local: nothing to join.
        CALL.try_with(|call| call.sent.set(true)).ok();
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(Err(error)) = context.output_or_error() {
            CALL.try_with(|call| call.failed(error, context.response())).ok();
        }
        Ok(())
    }
}

/// What the SDK may repeat, where we know better: not what would do harm, and some that it does not know.
#[derive(Debug)]
pub(crate) struct Careful {
    /// Whether an answer with this code may be repeated, as nothing was applied.
    pub(crate) also: fn(&ErasedError, Option<&str>) -> bool,
}

impl ClassifyRetry for Careful {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let Some(Err(error)) = context.output_or_error() else {
            return RetryAction::NoActionIndicated;
        };
        let action = |call: &Attempts| {
            let answer = error.as_operation_error();
            if call.repeat == Repeat::Unapplied && call.last.get() != Applied::No {
                RetryAction::RetryForbidden
            } else if answer.is_some_and(|it| (self.also)(it, (call.code_of)(it))) {
                RetryAction::transient_error()
            } else {
                RetryAction::NoActionIndicated
            }
        };
        CALL.try_with(action).unwrap_or_default()
    }

    fn name(&self) -> &'static str {
        "mvi careful"
    }
}

//! What hooks may do with a call.

mod download;
mod stock;

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::TryStreamExt as _;
use tokio::time::sleep;

use super::*;
use crate::{Applied, Error, ErrorKind, Unsupported};

/// A service to put hooks around.
#[async_trait]
trait Tiny: fmt::Debug + Send + Sync + 'static {
    async fn read(&self, name: String) -> Result<u64>;
    async fn write(&self, name: String) -> Result<u64>;
    fn list(&self, name: String) -> Items<u64>;
}

#[expect(unreachable_pub, reason = "a service's module is public, and this one is not")]
mod tiny {
    use super::Tiny;

    crate::hook::ops! {
        Tiny as "tiny";
        calls {
            read(name: String) -> u64, on name, Read Data;
            write(name: String) -> u64, on name, Write Control;
        }
        streams {
            list(name: String) -> u64, on name, Read Control;
        }
    }
}

/// Counts what was written, answers after a time, and lists three numbers at that pace.
#[derive(Debug, Default)]
struct Real {
    written: AtomicU64,
    pace: Duration,
    /// Which item of the list fails.
    fails: Option<u64>,
}

#[async_trait]
impl Tiny for Real {
    async fn read(&self, name: String) -> Result<u64> {
        sleep(self.pace).await;
        match &*name {
            "none" => Err(Error::new(ErrorKind::NotFound, "not there").at("tiny.read", name)),
            _ => Ok(self.written.load(Ordering::Relaxed)),
        }
    }

    async fn write(&self, _name: String) -> Result<u64> {
        sleep(self.pace).await;
        Ok(self.written.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn list(&self, _name: String) -> Items<u64> {
        let (pace, fails) = (self.pace, self.fails);
        stream::iter(0..3)
            .then(move |n| async move {
                sleep(pace).await;
                match fails {
                    Some(it) if it == n => Err(Error::new(ErrorKind::Unavailable, "cut")),
                    _ => Ok(n),
                }
            })
            .boxed()
    }
}

fn hooked<H: Hook>(hook: H) -> (Arc<Real>, Hooked<Real, H>) {
    with(Real::default(), hook)
}

fn with<H: Hook>(real: Real, hook: H) -> (Arc<Real>, Hooked<Real, H>) {
    let real = Arc::new(real);
    (real.clone(), Hooked::new(real, hook))
}

fn name() -> String {
    "web".to_owned()
}

/// Writes down when a call goes in and comes out, under a name.
#[derive(Clone, Debug)]
struct Say(&'static str, Arc<Mutex<Vec<String>>>);

impl Say {
    fn note(&self, what: &str) {
        self.1.lock().unwrap().push(format!("{} {what}", self.0));
    }
}

impl Hook for Say {
    async fn around<R: Send>(
        &self,
        _call: &Call<'_>,
        next: impl Future<Output = Result<R>> + Send,
    ) -> Result<R> {
        self.note("in");
        let answer = next.await;
        self.note("out");
        answer
    }

    fn item(&self, _call: &Call<'_>, n: u64) -> Verdict {
        self.note(&format!("item {n}"));
        Verdict::Pass
    }
}

#[async_trait]
impl DynHook for Say {
    async fn around(&self, call: &Call<'_>, next: Next<'_>) -> Result<()> {
        Hook::around(self, call, next).await
    }

    fn item(&self, call: &Call<'_>, n: u64) -> Verdict {
        Hook::item(self, call, n)
    }
}

/// What a hook makes of a call.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Refuse,
    Lose,
    /// Says that it went well, and never made it.
    Lie,
}

impl Fault {
    async fn strike<R>(self, next: impl Future<Output = Result<R>> + Send) -> Result<R> {
        match self {
            Self::Refuse | Self::Lie => Err(Error::new(ErrorKind::Throttled, "refused")),
            Self::Lose => {
                next.await?;
                Err(Error::new(ErrorKind::Timeout, "lost").with_applied(Applied::Yes))
            }
        }
    }
}

impl Hook for Fault {
    async fn around<R: Send>(
        &self,
        _call: &Call<'_>,
        next: impl Future<Output = Result<R>> + Send,
    ) -> Result<R> {
        self.strike(next).await
    }
}

#[async_trait]
impl DynHook for Fault {
    async fn around(&self, _call: &Call<'_>, next: Next<'_>) -> Result<()> {
        match self {
            Self::Lie => Ok(()),
            _ => self.strike(next).await,
        }
    }
}

/// Judges the second item of a stream.
#[derive(Clone, Copy, Debug)]
enum Judge {
    Drop,
    Repeat,
    Fail,
}

impl Hook for Judge {
    async fn around<R: Send>(
        &self,
        _call: &Call<'_>,
        next: impl Future<Output = Result<R>> + Send,
    ) -> Result<R> {
        next.await
    }

    fn item(&self, _call: &Call<'_>, n: u64) -> Verdict {
        match self {
            _ if n != 1 => Verdict::Pass,
            Self::Drop => Verdict::Drop,
            Self::Repeat => Verdict::Repeat,
            Self::Fail => Verdict::Fail(Error::new(ErrorKind::Unavailable, "cut")),
        }
    }
}

#[async_trait]
impl DynHook for Judge {
    async fn around(&self, _call: &Call<'_>, next: Next<'_>) -> Result<()> {
        next.await
    }

    fn item(&self, call: &Call<'_>, n: u64) -> Verdict {
        Hook::item(self, call, n)
    }
}

/// A stream's items until its error, and the error's kind.
async fn drain(mut items: Items<u64>) -> (Vec<u64>, Option<ErrorKind>) {
    let mut seen = Vec::new();
    while let Some(item) = items.next().await {
        match item {
            Ok(item) => seen.push(item),
            Err(error) => {
                assert!(items.next().await.is_none(), "an error ends the stream");
                return (seen, Some(error.kind()));
            }
        }
    }
    assert!(items.next().await.is_none(), "what has ended has ended");
    (seen, None)
}

#[tokio::test]
async fn the_first_of_a_stack_is_outermost() {
    let said = Arc::default();
    let say = |name| Say(name, Arc::clone(&said));
    let six = (say("a"), say("b"), say("c"), say("d"), say("e"), (say("f"), say("g")));
    let (_, tiny) = hooked(six);
    tiny.write(name()).await.unwrap();
    let said = std::mem::take(&mut *said.lock().unwrap());
    let ins: Vec<_> =
        ["a", "b", "c", "d", "e", "f", "g"].iter().map(|it| format!("{it} in")).collect();
    let outs: Vec<_> =
        ["g", "f", "e", "d", "c", "b", "a"].iter().map(|it| format!("{it} out")).collect();
    assert_eq!(said, [ins, outs].concat());
}

#[tokio::test]
async fn the_innermost_judges_an_item_first() {
    let said = Arc::default();
    let say = |name| Say(name, Arc::clone(&said));
    let (_, tiny) = hooked((say("a"), Judge::Drop, say("b")));
    assert_eq!(drain(tiny.list(name())).await, (vec![0, 2], None));
    let items: Vec<_> =
        said.lock().unwrap().iter().filter(|it| it.contains("item")).cloned().collect();
    // What is dropped within is not heard of without.
    assert_eq!(items, ["b item 0", "a item 0", "b item 1", "b item 2", "a item 2"]);
}

#[tokio::test]
async fn no_hook_changes_nothing() {
    let (real, tiny) = hooked(());
    assert_eq!(tiny.write(name()).await.unwrap(), 1);
    assert_eq!(drain(tiny.list(name())).await, (vec![0, 1, 2], None));
    assert_eq!(real.written.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_call_that_is_refused_is_not_applied() {
    let calls = Arc::new(Record::default());
    let (real, tiny) = hooked((calls.clone(), Fault::Refuse));
    let error = tiny.write(name()).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Throttled, Applied::No));
    assert_eq!(real.written.load(Ordering::Relaxed), 0);
    assert_eq!(calls.calls()[0].error, Some(ErrorKind::Throttled), "it is seen further out");
}

#[tokio::test]
async fn a_call_whose_answer_is_lost_is_applied() {
    let (real, tiny) = hooked(Fault::Lose);
    let error = tiny.write(name()).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Timeout, Applied::Yes));
    assert_eq!(real.written.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn hooks_chosen_at_run_time_do_what_static_ones_do() {
    let said: Arc<Mutex<Vec<String>>> = Arc::default();
    let say = |name| -> Arc<dyn DynHook> { Arc::new(Say(name, Arc::clone(&said))) };

    let (_, one) = hooked(say("a"));
    assert_eq!(one.write(name()).await.unwrap(), 1);
    assert_eq!(std::mem::take(&mut *said.lock().unwrap()), ["a in", "a out"]);

    let (_, many) = hooked(vec![say("a"), Arc::new(Judge::Drop), say("b")]);
    assert_eq!(many.write(name()).await.unwrap(), 1);
    assert_eq!(std::mem::take(&mut *said.lock().unwrap()), ["a in", "b in", "b out", "a out"]);
    assert_eq!(drain(many.list(name())).await, (vec![0, 2], None));
    let items: Vec<_> =
        said.lock().unwrap().iter().filter(|it| it.contains("item")).cloned().collect();
    assert_eq!(items, ["b item 0", "a item 0", "b item 1", "b item 2", "a item 2"]);

    let (_, none) = hooked(Vec::<Arc<dyn DynHook>>::new());
    assert_eq!(none.write(name()).await.unwrap(), 1);
    assert_eq!(drain(none.list(name())).await, (vec![0, 1, 2], None));
}

#[tokio::test]
async fn a_dyn_hook_refuses_loses_and_cannot_make_up_an_answer() {
    for (fault, kind, written) in [
        (Fault::Refuse, ErrorKind::Throttled, 0),
        (Fault::Lose, ErrorKind::Timeout, 1),
        (Fault::Lie, ErrorKind::Internal, 0),
    ] {
        let (real, one) = hooked::<Arc<dyn DynHook>>(Arc::new(fault));
        let error = one.write(name()).await.unwrap_err();
        assert_eq!((error.kind(), real.written.load(Ordering::Relaxed)), (kind, written));

        let (real, many) = hooked::<Vec<Arc<dyn DynHook>>>(vec![Arc::new(fault)]);
        let error = many.write(name()).await.unwrap_err();
        assert_eq!((error.kind(), real.written.load(Ordering::Relaxed)), (kind, written));
        if let Fault::Lie = fault {
            assert_eq!((error.op(), error.resource()), ("tiny.write", "web"));
        }
    }
}

#[tokio::test]
async fn a_dyn_hook_cannot_hide_a_failure() {
    #[derive(Debug)]
    struct Optimist;
    #[async_trait]
    impl DynHook for Optimist {
        async fn around(&self, _call: &Call<'_>, next: Next<'_>) -> Result<()> {
            let _ = next.await;
            Ok(())
        }
    }
    let (_, tiny) = hooked::<Arc<dyn DynHook>>(Arc::new(Optimist));
    assert_eq!(tiny.write(name()).await.unwrap(), 1);
    assert_eq!(tiny.read("none".to_owned()).await.unwrap_err().kind(), ErrorKind::Internal);
}

#[tokio::test]
async fn items_of_a_stream_are_dropped_repeated_and_failed() {
    for (judge, items, error) in [
        (Judge::Drop, vec![0, 2], None),
        (Judge::Repeat, vec![0, 1, 1, 2], None),
        (Judge::Fail, vec![0], Some(ErrorKind::Unavailable)),
    ] {
        let (_, tiny) = hooked(judge);
        assert_eq!(drain(tiny.list(name())).await, (items, error), "{judge:?}");
    }
}

#[tokio::test]
async fn an_error_ends_a_stream_also_where_the_provider_goes_on() {
    let (_, tiny) = with(Real { fails: Some(1), ..Real::default() }, ());
    assert_eq!(drain(tiny.list(name())).await, (vec![0], Some(ErrorKind::Unavailable)));
    // Also one that is refused, or lost, by a hook.
    for (fault, kind) in [(Fault::Refuse, ErrorKind::Throttled), (Fault::Lose, ErrorKind::Timeout)]
    {
        let (_, tiny) = hooked(fault);
        assert_eq!(drain(tiny.list(name())).await, (vec![], Some(kind)));
    }
}

#[tokio::test]
async fn a_stream_is_lazy_and_its_waits_are_numbered() {
    let calls = Arc::new(Record::default());
    let (_, tiny) = hooked(calls.clone());
    let mut items = tiny.list(name());
    assert!(calls.calls().is_empty(), "nothing is asked for until it is polled");
    assert_eq!(items.try_next().await.unwrap(), Some(0));
    assert_eq!(calls.take().len(), 1);
    assert_eq!(drain(items).await, (vec![1, 2], None));
    let seen: Vec<_> = calls.take().into_iter().map(|it| (it.op, it.resource, it.item)).collect();
    // The last wait finds the end.
    let wait = |n| ("tiny.list", name(), Some(n));
    assert_eq!(seen, [wait(1), wait(2), wait(3)]);
}

#[tokio::test]
async fn a_call_knows_its_operation() {
    #[derive(Debug)]
    struct Look;
    impl Hook for Look {
        async fn around<R: Send>(
            &self,
            call: &Call<'_>,
            _next: impl Future<Output = Result<R>> + Send,
        ) -> Result<R> {
            let seen = (call.mutates(), call.plane(), call.item(), call.is_first());
            Err(Error::invalid(format!("{} {} {seen:?}", call.op(), call.resource())))
        }
    }
    let (_, tiny) = hooked(Look);
    let read = tiny.read(name()).await.unwrap_err();
    assert_eq!(read.message(), "tiny.read web (false, Data, None, true)");
    let write = tiny.write(name()).await.unwrap_err();
    assert_eq!(write.message(), "tiny.write web (true, Control, None, true)");
    let list = tiny.list(name()).next().await.unwrap().unwrap_err();
    assert_eq!(list.message(), "tiny.list web (false, Control, Some(0), true)");
    let names: Vec<_> = tiny::OPS.iter().map(|it| it.name()).collect();
    assert_eq!(names, ["tiny.read", "tiny.write", "tiny.list"]);
}

#[tokio::test]
async fn a_service_that_is_missing_says_why_also_behind_a_hook() {
    let none = Hooked::new(Arc::new(Unsupported::feature("mvi-x", "tiny")), ());
    let error = none.write(name()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "tiny.write web: mvi-x was built without its feature \"tiny\" (Unsupported)"
    );
    assert_eq!(error.applied(), Applied::No);
    assert_eq!(drain(none.list(name())).await, (vec![], Some(ErrorKind::Unsupported)));
}

#[tokio::test]
async fn a_hook_goes_around_a_service_that_is_chosen_at_run_time() {
    let calls = Arc::new(Record::default());
    let inner: Arc<dyn Tiny> = Arc::new(Real::default());
    let tiny: Arc<dyn Tiny> = Arc::new(Hooked::new(inner, calls.clone()));
    assert_eq!(tiny.write(name()).await.unwrap(), 1);
    assert_eq!(calls.calls().len(), 1);
}

#[cfg(feature = "mock")]
#[tokio::test]
async fn a_mock_is_a_service_and_takes_hooks() {
    use crate::{Kv, Labels, Name, kv::Get, mock::MockKv};

    let mut mock = MockKv::new();
    mock.expect_get()
        .withf(|get| get.table.as_str() == "links")
        .times(1)
        .returning(|_| Err(Error::new(ErrorKind::Throttled, "slow down")));
    mock.expect_list_tables().returning(|_| stream::empty().boxed());
    let calls = Arc::new(Record::default());
    let kv: Arc<dyn Kv> = Arc::new(Hooked::new(Arc::new(mock), calls.clone()));
    let error = kv.get(Get::new(Name::new("links").unwrap(), "gh")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled);
    assert!(kv.list_tables(Labels::new()).next().await.is_none());
    let ops: Vec<_> = calls.calls().iter().map(|it| it.op).collect();
    assert_eq!(ops, ["kv.get", "kv.list_tables"]);
}

#[test]
fn every_operation_of_kv_has_its_own_name() {
    let names: std::collections::BTreeSet<_> = crate::kv::OPS.iter().map(|it| it.name()).collect();
    assert_eq!(names.len(), crate::kv::OPS.len());
    assert!(names.iter().all(|it| it.starts_with("kv.")));
}

#[test]
fn every_operation_of_blob_has_its_own_name() {
    let names: std::collections::BTreeSet<_> =
        crate::blob::OPS.iter().map(|it| it.name()).collect();
    assert_eq!(names.len(), crate::blob::OPS.len());
    assert!(names.contains("blob.get") && names.iter().all(|it| it.starts_with("blob.")));
}

//! What hooks may do with a download: a call, and then the chunks of its body.

use super::*;

#[async_trait]
pub(super) trait Shelf: fmt::Debug + Send + Sync + 'static {
    async fn fetch(&self, name: String) -> Result<Loot>;
    fn names(&self, name: String) -> Items<u64>;
}

/// What was fetched: a note, and a body of three chunks.
pub(super) struct Loot {
    note: &'static str,
    pub(super) body: Items<u64>,
}

#[expect(unreachable_pub, reason = "a service's module is public, and this one is not")]
mod shelf {
    use super::{Loot, Shelf};

    crate::hook::ops! {
        Shelf as "shelf";
        calls {}
        downloads {
            fetch(name: String) -> Loot, on name, Read Data;
        }
        streams {
            names(name: String) -> u64, on name, Read Control;
        }
    }
}

#[derive(Debug)]
struct Books(Duration);

#[async_trait]
impl Shelf for Books {
    async fn fetch(&self, name: String) -> Result<Loot> {
        sleep(self.0).await;
        if name == "none" {
            return Err(Error::new(ErrorKind::NotFound, "not there"));
        }
        Ok(Loot { note: "a book", body: self.names(name) })
    }

    fn names(&self, _name: String) -> Items<u64> {
        let pace = self.0;
        stream::iter(0..3)
            .then(move |n| async move {
                sleep(pace).await;
                Ok(n)
            })
            .boxed()
    }
}

pub(super) fn shelf<H: Hook>(pace: Duration, hook: H) -> Hooked<dyn Shelf, H> {
    let books: Arc<dyn Shelf> = Arc::new(Books(pace));
    Hooked::new(books, hook)
}

async fn read<H: Hook>(hook: H) -> (Vec<u64>, Option<ErrorKind>) {
    let loot = shelf(Duration::ZERO, hook).fetch(name()).await.unwrap();
    assert_eq!(loot.note, "a book", "the rest of the answer is as it was");
    drain(loot.body).await
}

#[tokio::test]
async fn a_download_is_a_call_and_then_chunks() {
    #[derive(Debug, Default)]
    struct Look(Mutex<Vec<String>>);
    impl Hook for Look {
        async fn around<R: Send>(
            &self,
            call: &Call<'_>,
            next: impl Future<Output = Result<R>> + Send,
        ) -> Result<R> {
            let seen = (call.item(), call.is_first(), call.mutates(), call.plane());
            self.0.lock().unwrap().push(format!("{} {} {seen:?}", call.op(), call.resource()));
            next.await
        }
    }
    let look = Arc::new(Look::default());
    assert_eq!(read(look.clone()).await, (vec![0, 1, 2], None));
    let chunk = |n| format!("shelf.fetch web (Some({n}), false, false, Data)");
    let call = "shelf.fetch web (None, true, false, Data)".to_owned();
    // The last wait finds the end.
    assert_eq!(*look.0.lock().unwrap(), [call, chunk(0), chunk(1), chunk(2), chunk(3)]);
}

#[tokio::test]
async fn a_body_is_not_waited_for_before_it_is_read() {
    let calls = Arc::new(Record::default());
    let shelf = shelf(Duration::ZERO, calls.clone());
    let mut loot = shelf.fetch(name()).await.unwrap();
    assert_eq!(calls.take().len(), 1);
    loot.body.try_next().await.unwrap();
    let seen: Vec<_> = calls.take().into_iter().map(|it| (it.op, it.item)).collect();
    assert_eq!(seen, [("shelf.fetch", Some(0))]);
}

#[tokio::test]
async fn chunks_are_dropped_repeated_and_failed() {
    for (judge, chunks, error) in [
        (Judge::Drop, vec![0, 2], None),
        (Judge::Repeat, vec![0, 1, 1, 2], None),
        (Judge::Fail, vec![0], Some(ErrorKind::Unavailable)),
    ] {
        assert_eq!(read(judge).await, (chunks.clone(), error), "{judge:?}");
        let chosen: Arc<dyn DynHook> = Arc::new(judge);
        assert_eq!(read(chosen.clone()).await, (chunks.clone(), error), "{judge:?} at run time");
        assert_eq!(read(vec![chosen]).await, (chunks, error), "{judge:?} in a list");
    }
}

#[tokio::test]
async fn a_body_may_be_cut_between_two_chunks() {
    /// Loses the connection before a chunk arrives.
    #[derive(Debug)]
    struct Cut(u64);
    impl Hook for Cut {
        async fn around<R: Send>(
            &self,
            call: &Call<'_>,
            next: impl Future<Output = Result<R>> + Send,
        ) -> Result<R> {
            if call.item() == Some(self.0) {
                return Err(Error::new(ErrorKind::Unavailable, "reset"));
            }
            next.await
        }
    }
    for at in 0..3 {
        let whole: Vec<_> = (0..at).collect();
        assert_eq!(read(Cut(at)).await, (whole, Some(ErrorKind::Unavailable)));
    }
}

#[tokio::test]
async fn a_download_that_is_refused_or_fails_has_no_body() {
    for (fault, kind) in [(Fault::Refuse, ErrorKind::Throttled), (Fault::Lose, ErrorKind::Timeout)]
    {
        let answer = shelf(Duration::ZERO, fault).fetch(name()).await;
        assert_eq!(answer.err().map(|it| it.kind()), Some(kind));
    }
    let none = shelf(Duration::ZERO, ()).fetch("none".to_owned()).await;
    assert_eq!(none.err().map(|it| it.kind()), Some(ErrorKind::NotFound));
    let names: Vec<_> = shelf::OPS.iter().map(|it| it.name()).collect();
    assert_eq!(names, ["shelf.fetch", "shelf.names"]);
    let off = Hooked::new(Arc::new(Unsupported::feature("mvi-x", "shelf")), ());
    let error = off.fetch(name()).await.err().unwrap();
    assert_eq!((error.kind(), error.op()), (ErrorKind::Unsupported, "shelf.fetch"));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_limits_each_chunk_and_not_the_whole() {
    #[derive(Debug)]
    struct Stuck;
    impl Hook for Stuck {
        async fn around<R: Send>(
            &self,
            call: &Call<'_>,
            next: impl Future<Output = Result<R>> + Send,
        ) -> Result<R> {
            if call.item() == Some(1) {
                std::future::pending::<()>().await;
            }
            next.await
        }
    }
    let three = Timeout::after(Duration::from_secs(3));
    let loot = shelf(Duration::from_secs(2), three).fetch(name()).await.unwrap();
    assert_eq!(drain(loot.body).await, (vec![0, 1, 2], None));

    let loot = shelf(Duration::from_secs(2), (three, Stuck)).fetch(name()).await.unwrap();
    let begun = crate::time::instant();
    assert_eq!(drain(loot.body).await, (vec![0], Some(ErrorKind::Timeout)));
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
}

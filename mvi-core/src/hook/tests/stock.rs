//! What the stock hooks make of a call.

use std::{
    collections::BTreeMap,
    sync::{Mutex, atomic::Ordering},
    time::Duration,
};

use futures::{FutureExt as _, future::pending};

use tokio::time::Instant;

use super::*;
use crate::time::instant;

#[tokio::test(start_paused = true)]
async fn a_timeout_gives_up_and_says_what_may_have_happened() {
    const LIMIT: Duration = Duration::from_secs(3);
    let slow = || Real { pace: Duration::from_mins(1), ..Real::default() };
    let start = instant();
    let (_, tiny) = with(slow(), Timeout::after(LIMIT));
    let error = tiny.write(name()).await.unwrap_err();
    assert_eq!(error.to_string(), "tiny.write web: no answer in 3s (Timeout)");
    assert_eq!(error.applied(), Applied::Unknown);
    assert_eq!(start.elapsed(), LIMIT);
    assert_eq!(
        tiny.read(name()).await.unwrap_err().applied(),
        Applied::No,
        "a read changes nothing"
    );

    let quick = Real { pace: Duration::from_millis(2_999), ..Real::default() };
    let (_, tiny) = with(quick, Timeout::after(LIMIT));
    assert_eq!(tiny.write(name()).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_limits_each_wait_of_a_stream_and_not_the_whole() {
    let paced = |seconds| Real { pace: Duration::from_secs(seconds), ..Real::default() };
    let (_, tiny) = with(paced(2), Timeout::after(Duration::from_secs(3)));
    assert_eq!(drain(tiny.list(name())).await, (vec![0, 1, 2], None));

    let (_, tiny) = with(paced(4), Timeout::after(Duration::from_secs(3)));
    let start = instant();
    assert_eq!(drain(tiny.list(name())).await, (vec![], Some(ErrorKind::Timeout)));
    assert_eq!(start.elapsed(), Duration::from_secs(3));
}

#[test]
fn what_answers_at_once_needs_no_timer() {
    // There is no runtime here, so that a timer would be a panic.
    let call = Call::new(tiny::OPS[0], "web");
    let timeout = Timeout::after(Duration::from_secs(1));
    let answer = timeout.around(&call, async { Ok(7) });
    assert_eq!(answer.now_or_never().unwrap().unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_never_answers_is_given_up_by_one_further_out() {
    #[derive(Debug)]
    struct Never;
    impl Hook for Never {
        async fn around<R: Send>(
            &self,
            _call: &Call<'_>,
            _next: impl Future<Output = Result<R>> + Send,
        ) -> Result<R> {
            pending().await
        }
    }
    let start: Instant = instant();
    let (_, tiny) = hooked((Timeout::after(Duration::from_secs(5)), Never));
    assert_eq!(tiny.write(name()).await.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(start.elapsed(), Duration::from_secs(5));
}

#[tokio::test]
async fn a_record_has_what_was_asked_and_how_it_ended() {
    let calls = Arc::new(Record::default());
    let (_, tiny) = hooked(calls.clone());
    tiny.write(name()).await.unwrap();
    tiny.read("none".to_owned()).await.unwrap_err();
    let recorded = |op, resource: &str, mutates, error| Recorded {
        op,
        resource: resource.to_owned(),
        item: None,
        mutates,
        error,
    };
    let expected = [
        recorded("tiny.write", "web", true, None),
        recorded("tiny.read", "none", false, Some(ErrorKind::NotFound)),
    ];
    assert_eq!(calls.calls(), expected);
    assert_eq!(calls.take(), expected);
    assert!(calls.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_given_up_is_not_recorded() {
    let calls = Arc::new(Record::default());
    let (real, tiny) =
        with(Real { pace: Duration::from_mins(1), ..Real::default() }, calls.clone());
    let limit = tokio::time::timeout(Duration::from_secs(1), tiny.write(name()));
    assert!(limit.await.is_err());
    assert!(calls.calls().is_empty());
    assert_eq!(real.written.load(Ordering::Relaxed), 0);
}

mod meter {
    use metrics_util::debugging::{DebugValue, DebuggingRecorder};

    use super::*;

    /// Name, `op`, `kind` and value; of a histogram how many values, and their sum in milliseconds.
    type Metrics = BTreeMap<(String, String, Option<String>), (u64, u64)>;

    fn metered(play: impl Future<Output = ()>) -> Metrics {
        let recorder = DebuggingRecorder::new();
        let snapshot = recorder.snapshotter();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        metrics::with_local_recorder(&recorder, || {
            Meter::describe();
            runtime.block_on(play);
        });
        let all = snapshot.snapshot().into_vec().into_iter();
        all.map(|(key, _, description, value)| {
            assert!(description.is_some(), "{key:?} is described");
            let (_, key) = key.into_parts();
            let label =
                |name| key.labels().find(|it| it.key() == name).map(|it| it.value().to_owned());
            let value = match value {
                DebugValue::Counter(count) => (count, 0),
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a few seconds"
                )]
                DebugValue::Histogram(all) => (
                    all.len() as u64,
                    (all.iter().map(|it| it.0).sum::<f64>() * 1e3).round() as u64,
                ),
                DebugValue::Gauge(_) => panic!("there is no gauge"),
            };
            ((key.name().to_owned(), label("op").unwrap(), label("kind")), value)
        })
        .collect()
    }

    fn key(name: &str, op: &str, kind: Option<&str>) -> (String, String, Option<String>) {
        (name.to_owned(), op.to_owned(), kind.map(str::to_owned))
    }

    #[test]
    fn calls_are_counted_and_timed() {
        let seen = metered(async {
            let (_, tiny) =
                with(Real { pace: Duration::from_millis(250), ..Real::default() }, Meter);
            tiny.write(name()).await.unwrap();
            tiny.write(name()).await.unwrap();
            tiny.read("none".to_owned()).await.unwrap_err();
        });
        let expected = [
            (key("mvi_call_errors_total", "tiny.read", Some("NotFound")), (1, 0)),
            (key("mvi_call_seconds", "tiny.read", None), (1, 250)),
            (key("mvi_call_seconds", "tiny.write", None), (2, 500)),
            (key("mvi_calls_total", "tiny.read", None), (1, 0)),
            (key("mvi_calls_total", "tiny.write", None), (2, 0)),
        ];
        assert_eq!(seen, expected.into());
    }

    #[test]
    fn a_stream_is_one_call_of_many_waits() {
        let seen = metered(async {
            let real = Real { pace: Duration::from_millis(250), fails: Some(2), ..Real::default() };
            let (_, tiny) = with(real, Meter);
            assert_eq!(drain(tiny.list(name())).await.0, [0, 1]);
        });
        let expected = [
            (key("mvi_call_errors_total", "tiny.list", Some("Unavailable")), (1, 0)),
            (key("mvi_call_seconds", "tiny.list", None), (3, 750)),
            (key("mvi_calls_total", "tiny.list", None), (1, 0)),
        ];
        assert_eq!(seen, expected.into());
    }

    #[test]
    fn a_download_is_one_call_of_many_waits() {
        let seen = metered(async {
            let shelf = download::shelf(Duration::from_millis(250), Meter);
            let loot = download::Shelf::fetch(&shelf, name()).await.unwrap();
            assert_eq!(drain(loot.body).await.0, [0, 1, 2]);
        });
        // The call, three chunks, and the end, which is there at once.
        let expected = [
            (key("mvi_call_seconds", "shelf.fetch", None), (5, 1_000)),
            (key("mvi_calls_total", "shelf.fetch", None), (1, 0)),
        ];
        assert_eq!(seen, expected.into());
    }
}

mod trace {
    use tracing::{
        Event, Subscriber,
        field::{Field, Visit},
        span::{Attributes, Id},
    };
    use tracing_subscriber::{
        layer::{Context, Layer, SubscriberExt as _},
        registry::LookupSpan,
    };

    use super::*;

    #[derive(Clone, Debug, Default)]
    struct Capture(Arc<Mutex<Vec<String>>>);

    #[derive(Default)]
    struct Fields(Vec<String>);

    impl Visit for Fields {
        fn record_str(&mut self, field: &Field, value: &str) {
            self.0.push(format!("{field}={value}"));
        }

        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            self.0.push(format!("{field}={value:?}"));
        }
    }

    impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Capture {
        fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            self.0.lock().unwrap().push(format!(
                "span {} {}",
                attributes.metadata().name(),
                fields.0.join(" ")
            ));
        }

        fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
            let mut fields = Fields::default();
            event.record(&mut fields);
            let span = context.event_span(event).map(|it| it.name());
            self.0.lock().unwrap().push(format!("event in {span:?} {}", fields.0.join(" ")));
        }
    }

    async fn play() {
        let (_, tiny) = hooked(Trace);
        tiny.write(name()).await.unwrap();
        tiny.read("none".to_owned()).await.unwrap_err();
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_call_is_a_span_and_a_failure_an_event_in_it() {
        let captured = Capture::default();
        let subscriber = tracing_subscriber::registry().with(captured.clone());
        let guard = tracing::subscriber::set_default(subscriber);
        play().await;
        drop(guard);
        assert_eq!(
            *captured.0.lock().unwrap(),
            [
                "span mvi op=tiny.write resource=web",
                "span mvi op=tiny.read resource=none",
                "event in Some(\"mvi\") message=call failed kind=NotFound applied=No \
                 error=tiny.read none: not there (NotFound)",
            ]
        );
    }
}

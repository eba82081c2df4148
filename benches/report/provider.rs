//! Kv on AWS, beside the bare SDK with `serde_dynamo`: both against a server in another process that knows its answers
//! beforehand, so that what is measured is the client.

use std::{collections::HashMap, hint::black_box, sync::Arc, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    config::{
        BehaviorVersion, Builder, Credentials, Region, StalledStreamProtectionConfig,
        retry::RetryConfig, timeout::TimeoutConfig,
    },
    types::{AttributeValue, KeysAndAttributes},
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use futures::{StreamExt as _, TryStreamExt as _, future::BoxFuture, stream};
use mvi_aws::{Aws, Timeouts};
use mvi_benches::{
    Goal, Report, Rounds, Row, Server, Unit, clock,
    orders::{MANY, Order, PARTITION, TABLE, order, sort},
};
use mvi_core::{
    Kv, KvExt as _, Name,
    kv::{Attr, CreateTable, Key, Query, Typed, Versioned},
};

use crate::{Result, as_f64, per_second, runtime};

/// One call, on either side.
type Call<'a> = &'a (dyn Fn(u32) -> BoxFuture<'a, Result> + Sync);

pub(crate) fn run(rounds: Rounds, report: &mut Report) -> Result {
    let server = Server::start(env!("CARGO_BIN_EXE_canned"), &[])?;
    let runtime = runtime()?;
    let url = format!("http://127.0.0.1:{}", server.port());
    let ours = runtime.block_on(Ours::new(&url))?;
    let theirs = Theirs::new(&url);

    let rows: [(&str, usize, Option<f64>, Call<'_>, Call<'_>); 4] = [
        ("get one", 2_000, None, &|n| Box::pin(ours.get(n)), &|n| Box::pin(theirs.get(n))),
        ("put one", 2_000, None, &|n| Box::pin(ours.put(n)), &|n| Box::pin(theirs.put(n))),
        ("query 100, typed", 300, Some(1.0), &|_| Box::pin(ours.query()), &|_| {
            Box::pin(theirs.query())
        }),
        ("batch get 100, typed", 300, Some(1.0), &|_| Box::pin(ours.batch()), &|_| {
            Box::pin(theirs.batch())
        }),
    ];
    for (what, count, goal, our_call, their_call) in rows {
        for at_once in [1, 64] {
            let count = rounds.times(count);
            // Wall time first, then CPU, each with its own rounds: one clock does not disturb the other.
            let cpu = |call: Call<'_>| {
                let time = clock::cpu(|| work(&runtime, call, count, at_once));
                time.as_secs_f64() * 1e6 / as_f64(count)
            };
            let speed = |call: Call<'_>| {
                per_second(count, clock::wall(|| work(&runtime, call, count, at_once)))
            };
            let cost = rounds.compare(|| cpu(our_call), || cpu(their_call));
            let speed = rounds.compare(|| speed(our_call), || speed(their_call));
            let show = |cpu: f64, speed: f64| format!("{cpu:.0} µs CPU, {speed:.0} calls/s");
            report.push(Row {
                what: format!("AWS Kv: {what}, {at_once} at once"),
                ours: show(cost.ours, speed.ours),
                theirs: format!("{}, SDK + `serde_dynamo`", show(cost.theirs, speed.theirs)),
                result: cost.ratio,
                unit: Unit::Ratio,
                // A call of one record may cost 3 % more than the SDK alone, whose time limits are set here too.
                goal: Some(Goal::AtMost(goal.unwrap_or(1.03))),
            });
        }
    }
    Ok(())
}

fn work(runtime: &tokio::runtime::Runtime, call: Call<'_>, count: usize, at_once: usize) {
    let numbers = (0..MANY).cycle().take(count);
    let calls = stream::iter(numbers).map(call).buffer_unordered(at_once);
    let all = calls.try_for_each(async |()| Ok(()));
    runtime.block_on(all).expect("the canned server never fails");
}

struct Ours {
    orders: Typed<Order>,
    table: Name,
}

impl Ours {
    async fn new(url: &str) -> Result<Self> {
        let aws = Aws::builder().endpoint(url).region("us-east-1").credentials("id", "key");
        let kv: Arc<dyn Kv> = aws.build().await?.cloud().kv;
        let table = Name::new(TABLE)?;
        let orders = CreateTable::new(table.clone(), Attr::text("pk")).sort(Attr::text("sk"));
        kv.create_table(orders).await?;
        let made = kv.wait_active(&table, Duration::from_secs(5)).await?;
        Ok(Self { orders: Typed::new(kv, &made), table })
    }

    async fn get(&self, _n: u32) -> Result {
        let found = self.orders.get(Key::sorted(PARTITION, sort(0))).await?;
        assert_eq!(black_box(found).ok_or("no order")?.into_inner(), order(0));
        Ok(())
    }

    async fn put(&self, n: u32) -> Result {
        black_box(self.orders.put(&order(n)).await?);
        Ok(())
    }

    async fn query(&self) -> Result {
        let query = Query::new(self.table.clone(), PARTITION);
        let found: Vec<Versioned<Order>> = self.orders.query(query).try_collect().await?;
        assert_eq!(black_box(found).len(), MANY as usize);
        Ok(())
    }

    async fn batch(&self) -> Result {
        let keys = (0..MANY).map(|n| Key::sorted(PARTITION, sort(n)));
        let found: Vec<Option<Versioned<Order>>> =
            self.orders.get_many(keys).await?.into_iter().collect::<mvi_core::Result<_>>()?;
        assert_eq!(black_box(found).iter().flatten().count(), MANY as usize);
        Ok(())
    }
}

/// The SDK as one would set it up by hand, with the time limits that MVI sets.
struct Theirs(Client);

impl Theirs {
    fn new(url: &str) -> Self {
        let Timeouts { connect, read, attempt, operation } = Timeouts::default();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(connect)
            .read_timeout(read)
            .operation_attempt_timeout(attempt)
            .operation_timeout(operation);
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let config = Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("id", "key", None, None, "bench"))
            .endpoint_url(url)
            .http_client(http)
            .timeout_config(timeouts.build())
            .retry_config(RetryConfig::standard())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        Self(Client::from_conf(config.build()))
    }

    fn key(n: u32) -> HashMap<String, AttributeValue> {
        let text = |it: &str| AttributeValue::S(it.to_owned());
        HashMap::from([("pk".into(), text(PARTITION)), ("sk".into(), text(&sort(n)))])
    }

    async fn get(&self, _n: u32) -> Result {
        let call = self.0.get_item().table_name(TABLE).set_key(Some(Self::key(0)));
        let item = call.send().await?.item.ok_or("no order")?;
        let found: Order = serde_dynamo::from_item(item)?;
        assert_eq!(black_box(found), order(0));
        Ok(())
    }

    async fn put(&self, n: u32) -> Result {
        let item = serde_dynamo::to_item(order(n))?;
        black_box(self.0.put_item().table_name(TABLE).set_item(Some(item)).send().await?);
        Ok(())
    }

    async fn query(&self) -> Result {
        let call = self
            .0
            .query()
            .table_name(TABLE)
            .key_condition_expression("#p = :p")
            .expression_attribute_names("#p", "pk")
            .expression_attribute_values(":p", AttributeValue::S(PARTITION.into()));
        let items = call.send().await?.items.unwrap_or_default();
        let found: Vec<Order> = serde_dynamo::from_items(items)?;
        assert_eq!(black_box(found).len(), MANY as usize);
        Ok(())
    }

    async fn batch(&self) -> Result {
        let keys = (0..MANY).map(Self::key).collect();
        let keys = KeysAndAttributes::builder().set_keys(Some(keys)).build()?;
        let answer = self.0.batch_get_item().request_items(TABLE, keys).send().await?;
        let items = answer.responses.and_then(|mut it| it.remove(TABLE)).unwrap_or_default();
        let found: Vec<Order> = serde_dynamo::from_items(items)?;
        assert_eq!(black_box(found).len(), MANY as usize);
        Ok(())
    }
}

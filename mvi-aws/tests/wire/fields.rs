//! Each field of each request: change only it, see the wire change.
//!
//! Requests are taken apart without `..`, so that a new field is missing here until it is tried.

use std::num::NonZeroU32;

use futures::TryStreamExt as _;
use mvi_aws::kv::DynamoKv;
use mvi_core::{
    Kv as _, Labels, Name, When,
    kv::{
        Attr, Change, Check, Condition, Consistency, CreateTable, Cursor, Delete, Expiry, Get,
        GetMany, Index, Key, KeyKind, Order, Put, Query, Range, Scan, Segment, Transact, Ttl,
        Update, WriteMany,
    },
};
use serde_json::{Value, json};

use crate::{
    item, key, later, links,
    server::{Reply, Server},
};

/// What a call sends, but for what is new each time.
async fn sent<F: Future<Output = ()>>(call: impl FnOnce(DynamoKv) -> F) -> Vec<Value> {
    let server = Server::start(|call| match call.op.as_str() {
        // A table that is not there yet, and then is, with the tags that it was made with.
        "CreateTable" => Some(Reply::Ok(json!({"TableDescription": {"TableId": "id"}}))),
        "DescribeTable" if call.body["TableName"] == "new-table" && call.nth == 0 => {
            Some(Reply::Error(400, "ResourceNotFoundException", json!({})))
        }
        "UpdateItem" => Some(Reply::Ok(json!({"Attributes": crate::record(1, "n1")}))),
        _ => None,
    })
    .await;
    call(server.aws().await.kv).await;
    let sent = |op: &str| server.calls(op).into_iter().map(|it| it.body);
    let mut bodies: Vec<_> = server.ops().iter().flat_map(|op| sent(op)).collect();
    bodies.iter_mut().for_each(forget_nonces);
    bodies
}

/// Takes away nonces, tokens and the time of the call.
fn forget_nonces(body: &mut Value) {
    match body {
        Value::Object(fields) => {
            fields.remove("_v");
            fields.remove("ClientRequestToken");
            for (name, value) in fields.iter_mut() {
                let is_text = |text: &str| text.len() == 22 && !text.contains(' ');
                if name.starts_with(':') && value["S"].as_str().is_some_and(is_text) {
                    *value = json!("a nonce");
                }
                forget_nonces(value);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(forget_nonces),
        _ => {}
    }
}

/// Sends `base`, twice, and each change of it; only the changes differ.
macro_rules! fields {
    ($base:expr, $send:expr, { $($field:ident => $change:expr),+ $(,)? }) => {{
        let base = $base;
        let send = $send;
        let first = sent(|kv| send(kv, base.clone())).await;
        assert!(!first.is_empty(), "nothing was sent");
        assert_eq!(first, sent(|kv| send(kv, base.clone())).await, "the same is sent the same");
        $(
            let mut changed = base.clone();
            changed.$field = $change;
            let other = sent(|kv| send(kv, changed)).await;
            assert_ne!(first, other, "a change of {} is not seen", stringify!($field));
        )+
    }};
}

fn other() -> Name {
    Name::new("other").unwrap()
}

#[tokio::test]
async fn of_a_get() {
    let base = Get::new(links(), key());
    let Get { table: _, key: _, consistency: _ } = &base;
    fields!(base, async |kv: DynamoKv, it| { kv.get(it).await.unwrap(); }, {
        table => other(),
        key => Key::sorted("ann", 2),
        consistency => Consistency::Strong,
    });
}

#[tokio::test]
async fn of_a_put() {
    let base = Put::new(links(), key(), item());
    let Put { table: _, key: _, item: _, only_if: _, expires: _ } = &base;
    fields!(base, async |kv: DynamoKv, it| { kv.put(it).await.unwrap(); }, {
        table => other(),
        key => Key::sorted("bob", 1),
        item => item().with("more", true),
        only_if => Some(Condition::Present),
        expires => Some(When::At(later())),
    });
}

#[tokio::test]
async fn of_an_update() {
    let base = Update::new(links(), key());
    let Update { table: _, key: _, changes: _, only_if: _, expires: _ } = &base;
    // Its condition on not having expired holds the time of the call.
    let base = base.only_if(Condition::has("hits"));
    let send = async |kv: DynamoKv, it| {
        kv.update(it).await.unwrap();
    };
    let bodies = |changes: Vec<Change>, expires| {
        let mut update = base.clone();
        update.changes = changes;
        update.expires = expires;
        update
    };
    let expression = async |update: Update| {
        let body = sent(|kv| send(kv, update)).await.remove(0);
        (
            body["UpdateExpression"].clone(),
            body["ConditionExpression"].clone(),
            body["Key"].clone(),
            body["TableName"].clone(),
        )
    };
    let first = expression(base.clone()).await;
    assert_eq!(first, expression(base.clone()).await);
    for changed in [
        bodies(vec![Change::Set("a".into(), 1.into())], None),
        bodies(vec![Change::SetTime("a".into(), When::Now)], None),
        bodies(vec![Change::Increment("a".into(), 1)], None),
        bodies(vec![Change::Append("a".into(), vec![1.into()])], None),
        bodies(vec![Change::Remove("a".into())], None),
        bodies(vec![], Some(Expiry::Never)),
        bodies(vec![], Some(Expiry::At(When::At(later())))),
        Update { only_if: None, ..base.clone() },
        Update { table: other(), ..base.clone() },
        Update { key: Key::sorted("ann", 2), ..base.clone() },
    ] {
        assert_ne!(first, expression(changed.clone()).await, "{changed:?}");
    }
}

#[tokio::test]
async fn of_a_delete() {
    let base = Delete::new(links(), key());
    let Delete { table: _, key: _, only_if: _ } = &base;
    fields!(base, async |kv: DynamoKv, it| { kv.delete(it).await.unwrap(); }, {
        table => other(),
        key => Key::sorted("ann", 2),
        only_if => Some(Condition::Present),
    });
}

#[tokio::test]
async fn of_get_many() {
    let base = GetMany::new(links(), [key()]);
    let GetMany { table: _, keys: _, consistency: _ } = &base;
    fields!(base, async |kv: DynamoKv, it| { kv.get_many(it).await.unwrap(); }, {
        table => other(),
        keys => vec![Key::sorted("ann", 2)],
        consistency => Consistency::Strong,
    });
}

#[tokio::test]
async fn of_write_many() {
    let base = WriteMany::new([Put::new(links(), key(), item())]);
    let WriteMany { writes: _ } = &base;
    fields!(base, async |kv: DynamoKv, it| { kv.write_many(it).await.unwrap(); }, {
        writes => vec![Delete::new(links(), key()).into()],
        writes => vec![Put::new(links(), key(), item()).expires(When::At(later())).into()],
    });
}

#[tokio::test]
async fn of_a_transaction() {
    let base = Transact::new().step(Put::new(links(), key(), item()));
    let Transact { steps: _ } = &base;
    let check = || Check::new(links(), key(), Condition::eq("hits", 1));
    let Check { table: _, key: _, condition: _ } = check();
    fields!(base, async |kv: DynamoKv, it| { kv.transact(it).await.unwrap(); }, {
        steps => vec![Put::new(links(), key(), item()).only_if(Condition::Present).into()],
        steps => vec![Put::new(links(), key(), item()).expires(When::At(later())).into()],
        steps => vec![Update::new(links(), key()).set("hits", 1).into()],
        steps => vec![Delete::new(links(), key()).into()],
        steps => vec![Delete::new(links(), key()).only_if(Condition::Present).into()],
        steps => vec![check().into()],
    });
    let of = |check: Check| Transact::new().step(check);
    // Its table's records may expire: the time of the call is part of the condition.
    let send = async |kv: DynamoKv, it| {
        kv.transact(it).await.unwrap();
    };
    let step = async |check: Check| {
        let body = sent(|kv| send(kv, of(check))).await.remove(0);
        let step = &body["TransactItems"][0]["ConditionCheck"];
        (step["TableName"].clone(), step["Key"].clone(), step["ConditionExpression"].clone())
    };
    let first = step(check()).await;
    assert_ne!(first, step(Check { table: other(), ..check() }).await);
    assert_ne!(first, step(Check { key: Key::sorted("ann", 2), ..check() }).await);
    assert_ne!(first, step(Check { condition: Condition::ne("hits", 1), ..check() }).await);
}

#[tokio::test]
async fn of_a_query() {
    let base = Query::new(links(), "ann");
    let Query {
        table: _,
        index: _,
        partition: _,
        range: _,
        filter: _,
        order: _,
        limit: _,
        after: _,
        consistency: _,
        page: _,
    } = &base;
    let send = async |kv: DynamoKv, it| {
        let _: Vec<_> = kv.query(it).try_collect().await.unwrap();
    };
    fields!(base, send, {
        table => other(),
        index => Some(Name::new("by-owner").unwrap()),
        partition => "bob".into(),
        range => Range::Between(std::ops::Bound::Included(1.into()), std::ops::Bound::Unbounded),
        filter => Some(Condition::eq("hits", 1)),
        order => Order::Descending,
        limit => Some(3),
        after => Some(Cursor::from(key())),
        consistency => Consistency::Strong,
        page => NonZeroU32::new(5),
    });
}

#[tokio::test]
async fn of_a_scan() {
    let base = Scan::new(links());
    let Scan { table: _, filter: _, segment: _, limit: _, after: _, consistency: _, page: _ } =
        &base;
    let Segment { number: _, of: _ } = Segment { number: 0, of: 2 };
    let send = async |kv: DynamoKv, it| {
        let _: Vec<_> = kv.scan(it).try_collect().await.unwrap();
    };
    fields!(base, send, {
        table => other(),
        filter => Some(Condition::eq("hits", 1)),
        segment => Some(Segment { number: 0, of: 2 }),
        limit => Some(3),
        after => Some(Cursor::from(key())),
        consistency => Consistency::Strong,
        page => NonZeroU32::new(5),
    });
    let base = Scan::new(links()).segment(0, 2);
    fields!(base, send, {
        segment => Some(Segment { number: 1, of: 2 }),
        segment => Some(Segment { number: 0, of: 3 }),
    });
}

#[tokio::test]
async fn of_a_table() {
    let base = CreateTable::new(Name::new("new-table").unwrap(), Attr::text("p"));
    let CreateTable { name: _, partition: _, sort: _, indexes: _, ttl: _, labels: _ } = &base;
    let Attr { name: _, kind: _ } = Attr::text("p");
    let index = || Index::new(Name::new("by-owner").unwrap(), Attr::text("owner"));
    let Index { name: _, partition: _, sort: _ } = index();
    // What is sent to create it; nothing is there to adopt.
    let send = async |kv: DynamoKv, it: CreateTable| {
        kv.create_table(it).await.ok();
    };
    fields!(base.clone(), send, {
        partition => Attr::text("q"),
        partition => Attr::int("p"),
        sort => Some(Attr::int("s")),
        indexes => vec![index()],
        ttl => Ttl::On,
        labels => Labels::new().with("app", "links").unwrap(),
    });
    fields!(base.index(index()), send, {
        indexes => vec![Index { name: Name::new("by-boss").unwrap(), ..index() }],
        indexes => vec![Index { partition: Attr { kind: KeyKind::Bytes, ..Attr::text("owner") }, ..index() }],
        indexes => vec![index().sort(Attr::int("created"))],
    });
    let name =
        sent(|kv| send(kv, CreateTable::new(Name::new("new-table").unwrap(), Attr::text("p"))));
    assert_eq!(name.await[0]["TableName"], "new-table");
}

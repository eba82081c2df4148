//! Each field of each request, changed alone, changes what is sent.

use std::time::Duration;

use futures::TryStreamExt as _;
use gcloud_sdk::{
    google::firestore::v1::{
        BatchGetDocumentsRequest, BatchWriteRequest, CommitRequest, RunQueryRequest, Value, Write,
        run_query_request::QueryType, value::ValueType, write::Operation,
    },
    prost::Message as _,
};
use mvi_core::{
    Kv as _, Labels, When,
    kv::{
        Attr, Check, Condition, CreateTable, Cursor, Delete, Expiry, Get, GetMany, Index, Item,
        Key, Put, Query, Scan, Step, Transact, Ttl, Update, WriteMany,
    },
};
use mvi_gcp::Gcp;

use crate::{
    client, item, name,
    server::{Call, Server},
    store::Store,
};

/// One request.
#[derive(Clone)]
enum Request {
    Create(CreateTable),
    Get(Get),
    Put(Put),
    Update(Update),
    Delete(Delete),
    GetMany(GetMany),
    WriteMany(WriteMany),
    Transact(Transact),
    Query(Query),
    Scan(Scan),
}

impl Request {
    async fn send(self, gcp: &Gcp) {
        let kv = &gcp.kv;
        match self {
            Self::Create(it) => drop(kv.create_table(it).await.unwrap()),
            Self::Get(it) => drop(kv.get(it).await.unwrap()),
            Self::Put(it) => drop(kv.put(it).await.unwrap()),
            Self::Update(it) => drop(kv.update(it).await.unwrap()),
            Self::Delete(it) => kv.delete(it).await.unwrap(),
            Self::GetMany(it) => drop(kv.get_many(it).await.unwrap()),
            Self::WriteMany(it) => drop(kv.write_many(it).await.unwrap()),
            Self::Transact(it) => drop(kv.transact(it).await.unwrap()),
            Self::Query(it) => drop(kv.query(it).try_collect::<Vec<_>>().await.unwrap()),
            Self::Scan(it) => drop(kv.scan(it).try_collect::<Vec<_>>().await.unwrap()),
        }
    }
}

fn attr_table(table: &str) -> CreateTable {
    let by_owner = Index::new(name("by-owner"), Attr::text("owner")).sort(Attr::int("hits"));
    CreateTable::new(name(table), Attr::text("code"))
        .sort(Attr::int("number"))
        .index(by_owner)
        .ttl(Ttl::On)
}

/// What `request` sends, where two tables are known and hold four records each.
async fn wire(request: Request) -> Vec<String> {
    let store = Store::default();
    let server: Server = store.serve().await;
    let gcp = client(&server).await;
    if !matches!(request, Request::Create(_)) {
        for table in ["links", "blogs"] {
            gcp.kv.create_table(attr_table(table)).await.unwrap();
            for number in 1..=4 {
                let key = Key::sorted("gh", number);
                gcp.kv.put(Put::new(name(table), key, item())).await.unwrap();
            }
        }
    }
    server.forget();
    request.send(&gcp).await;
    server.calls().iter().map(show).collect()
}

/// What was asked, without what differs from time to time.
fn show(call: &Call) -> String {
    let body = &*call.body;
    let request = match call.method.as_str() {
        "Commit" => writes(&CommitRequest::decode(body).unwrap().writes),
        "BatchWrite" => writes(&BatchWriteRequest::decode(body).unwrap().writes),
        "BatchGetDocuments" => {
            let mut names = BatchGetDocumentsRequest::decode(body).unwrap().documents;
            names.sort_unstable();
            names.join(" ")
        }
        "RunQuery" => {
            let request = RunQueryRequest::decode(body).unwrap();
            let Some(QueryType::StructuredQuery(query)) = request.query_type else {
                panic!("no query");
            };
            format!("{query:?}")
        }
        other => panic!("{other} was asked"),
    };
    format!("{} {request}", call.method)
}

fn writes(writes: &[Write]) -> String {
    let one = |write: &Write| {
        let what = match write.operation.as_ref().unwrap() {
            Operation::Update(document) => {
                let mut fields: Vec<_> = document
                    .fields
                    .iter()
                    .filter(|(name, _)| *name != "_v")
                    .map(|(name, value)| format!("{name}={}", value_of(value)))
                    .collect();
                fields.sort_unstable();
                format!("update {} {fields:?}", document.name)
            }
            Operation::Delete(name) => format!("delete {name}"),
            Operation::Transform(_) => panic!("a transform"),
        };
        format!("{what} {:?} if {:?}", write.update_mask, write.current_document)
    };
    writes.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn value_of(value: &Value) -> String {
    match value.value_type.as_ref().unwrap() {
        ValueType::MapValue(map) => {
            let mut fields: Vec<_> =
                map.fields.iter().map(|(name, it)| format!("{name}={}", value_of(it))).collect();
            fields.sort_unstable();
            format!("{fields:?}")
        }
        // To the minute: the clock goes on.
        ValueType::TimestampValue(time) => format!("{}", time.seconds / 60),
        other => format!("{other:?}"),
    }
}

async fn each_changes_the_wire(base: Request, changed: Vec<(&str, Request)>) {
    let plain = wire(base.clone()).await;
    assert!(!plain.is_empty());
    assert_eq!(plain, wire(base).await, "the same request is sent in the same way");
    for (field, request) in changed {
        assert_ne!(plain, wire(request).await, "{field} is not sent");
    }
}

fn key() -> Key {
    Key::sorted("gh", 1)
}

fn hits() -> Condition {
    Condition::eq("hits", 1)
}

#[tokio::test]
async fn of_put() {
    let put = Put::new(name("links"), key(), item());
    let changed = vec![
        ("table", Put { table: name("blogs"), ..put.clone() }),
        ("partition", Put { key: Key::sorted("x", 1), ..put.clone() }),
        ("sort", Put { key: Key::sorted("gh", 2), ..put.clone() }),
        ("item", Put { item: Item::new().with("owner", "bob"), ..put.clone() }),
        ("only_if", put.clone().only_if(Condition::Present)),
        ("expires", put.clone().expires(When::In(Duration::from_mins(10)))),
    ];
    let changed = changed.into_iter().map(|(field, it)| (field, Request::Put(it))).collect();
    each_changes_the_wire(Request::Put(put), changed).await;
}

#[tokio::test]
async fn of_update() {
    let update = Update::new(name("links"), key()).increment("hits", 1);
    let changed = vec![
        ("table", Update { table: name("blogs"), ..update.clone() }),
        ("key", Update { key: Key::sorted("gh", 2), ..update.clone() }),
        ("changes", update.clone().remove("owner")),
        // It is decided here, from what was read: its effect is that nothing else is sent where it does not hold.
        ("expires", update.clone().expires(Expiry::At(When::In(Duration::from_mins(10))))),
    ];
    let changed = changed.into_iter().map(|(field, it)| (field, Request::Update(it))).collect();
    each_changes_the_wire(Request::Update(update), changed).await;
}

#[tokio::test]
async fn of_delete() {
    let delete = Delete::new(name("links"), key());
    let changed = vec![
        ("table", Delete { table: name("blogs"), ..delete.clone() }),
        ("key", Delete { key: Key::sorted("gh", 2), ..delete.clone() }),
        ("only_if", delete.clone().only_if(hits())),
    ];
    let changed = changed.into_iter().map(|(field, it)| (field, Request::Delete(it))).collect();
    each_changes_the_wire(Request::Delete(delete), changed).await;
}

#[tokio::test]
async fn of_get_and_get_many() {
    // Consistency is the exception: Firestore's reads are strong, so there is nothing to say.
    let get = Get::new(name("links"), key());
    assert_eq!(
        wire(Request::Get(get.clone())).await,
        wire(Request::Get(get.clone().strong())).await
    );
    let changed = vec![
        ("table", Request::Get(Get { table: name("blogs"), ..get.clone() })),
        ("key", Request::Get(Get { key: Key::sorted("gh", 2), ..get.clone() })),
    ];
    each_changes_the_wire(Request::Get(get), changed).await;

    let many = GetMany::new(name("links"), [key()]);
    let changed = vec![
        ("table", Request::GetMany(GetMany { table: name("blogs"), ..many.clone() })),
        ("keys", Request::GetMany(GetMany::new(name("links"), [key(), Key::sorted("gh", 2)]))),
    ];
    each_changes_the_wire(Request::GetMany(many), changed).await;
}

#[tokio::test]
async fn of_write_many_and_transact() {
    let put = Put::new(name("links"), key(), item());
    let delete = Delete::new(name("links"), Key::sorted("gh", 2));
    let many = WriteMany::new([put.clone()]);
    let changed = vec![
        ("a put", Request::WriteMany(WriteMany::new([put.clone().only_if(hits())]))),
        ("a delete", Request::WriteMany(WriteMany::new([delete.clone()]))),
    ];
    each_changes_the_wire(Request::WriteMany(many), changed).await;

    let transact = Transact::new().step(put);
    let check = |condition| Check::new(name("links"), Key::sorted("gh", 9), condition);
    let present = Check::new(name("links"), Key::sorted("gh", 3), Condition::Present);
    let update = Update::new(name("links"), Key::sorted("gh", 4)).increment("hits", 1);
    let with = |step: Step| Request::Transact(transact.clone().step(step));
    let changed = vec![
        ("delete", with(delete.into())),
        ("update", with(update.into())),
        ("check of what is there", with(present.into())),
        ("check of what is not", with(check(Condition::Absent).into())),
    ];
    each_changes_the_wire(Request::Transact(transact.clone()), changed).await;
}

#[tokio::test]
async fn of_query() {
    let query = Query::new(name("links"), "gh");
    let after = Cursor::from(Key::sorted("gh", 2));
    let indexed = Query::new(name("links"), "ann").index(name("by-owner"));
    let changed = vec![
        ("table", Query { table: name("blogs"), ..query.clone() }),
        ("index", Query { index: Some(name("by-owner")), ..query.clone() }),
        ("partition", Query { partition: "x".into(), ..query.clone() }),
        ("range", query.clone().between(2..)),
        ("the end of range", query.clone().between(..3)),
        ("filter", query.clone().filter(hits())),
        ("order", query.clone().descending()),
        ("limit", query.clone().limit(2)),
        ("after", query.clone().after(after)),
        ("page", query.clone().page(3.try_into().unwrap())),
    ];
    let changed = changed.into_iter().map(|(field, it)| (field, Request::Query(it))).collect();
    each_changes_the_wire(Request::Query(query.clone()), changed).await;

    let place = Some(Key::sorted("ann", 1));
    let changed = vec![
        ("order", indexed.clone().descending()),
        ("range", indexed.clone().between(1..=1)),
        ("after", indexed.clone().after(Cursor { key: key(), place })),
    ];
    let changed = changed.into_iter().map(|(field, it)| (field, Request::Query(it))).collect();
    each_changes_the_wire(Request::Query(indexed), changed).await;

    let strong = Request::Query(query.clone().strong());
    assert_eq!(wire(Request::Query(query)).await, wire(strong).await);
}

#[tokio::test]
async fn of_scan() {
    let scan = Scan::new(name("links"));
    let changed = vec![
        ("table", Scan { table: name("blogs"), ..scan.clone() }),
        ("filter", scan.clone().filter(hits())),
        ("segment", scan.clone().segment(0, 4)),
        ("limit", scan.clone().limit(2)),
        ("after", scan.clone().after(key())),
        ("page", scan.clone().page(3.try_into().unwrap())),
    ];
    let changed = changed.into_iter().map(|(field, it)| (field, Request::Scan(it))).collect();
    each_changes_the_wire(Request::Scan(scan.clone()), changed).await;
    let (first, second) = (scan.clone().segment(0, 4), scan.segment(1, 4));
    assert_ne!(wire(Request::Scan(first)).await, wire(Request::Scan(second)).await);
}

#[tokio::test]
async fn of_create_table() {
    let create = attr_table("links");
    let stage = Labels::new().with("stage", "test").unwrap();
    let changed = vec![
        ("name", CreateTable { name: name("blogs"), ..create.clone() }),
        ("partition", CreateTable { partition: Attr::int("code"), ..create.clone() }),
        ("sort", CreateTable { sort: None, ..create.clone() }),
        ("indexes", CreateTable { indexes: Vec::new(), ..create.clone() }),
        ("ttl", CreateTable { ttl: Ttl::Off, ..create.clone() }),
        ("labels", create.clone().labels(stage)),
    ];
    let changed = changed.into_iter().map(|(field, it)| (field, Request::Create(it))).collect();
    each_changes_the_wire(Request::Create(create), changed).await;
}

#[tokio::test]
async fn only_what_firestore_holds_as_we_do_goes_into_its_filter() {
    let sent = async |filter: Condition| {
        let query = Query::new(name("links"), "gh").filter(filter);
        wire(Request::Query(query)).await.concat()
    };
    let pushed = |wire: &str| wire.matches("i.hits").count() + wire.matches("i.owner").count();
    let owner = || Condition::eq("owner", "ann");
    assert_eq!(pushed(&sent(hits().and(owner())).await), 2);
    assert_eq!(pushed(&sent(hits().or(owner())).await), 0);
    assert_eq!(pushed(&sent(owner().not()).await), 0);
    assert_eq!(pushed(&sent(Condition::gt("hits", 0).and(owner())).await), 1);
    assert_eq!(pushed(&sent(Condition::eq("owner", "x".repeat(1_401))).await), 0);
    let query = Query::new(name("links"), "gh").filter(hits()).descending();
    assert_eq!(pushed(&wire(Request::Query(query)).await.concat()), 0);
}

#[tokio::test]
async fn a_limit_is_asked_for_where_nothing_is_filtered_here() {
    let query = |limit| Query::new(name("links"), "gh").limit(limit);
    let sent = wire(Request::Query(query(3))).await;
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert!(sent[0].contains("limit: Some(3)"), "{sent:?}");
    let sent = wire(Request::Query(query(3).filter(hits()))).await;
    assert!(sent[0].contains("limit: Some(100)"), "{sent:?}");
    let nothing = wire(Request::Query(query(0))).await;
    assert!(nothing.is_empty(), "{nothing:?}");
}

#[tokio::test]
async fn the_emulators_token_and_the_databases_name_are_sent() {
    let store = Store::default();
    let server = store.serve().await;
    let gcp = crate::builder(&server).database("reports").build().await.unwrap();
    gcp.kv.create_table(attr_table("links")).await.unwrap();
    for call in server.calls() {
        assert_eq!(call.headers["authorization"], "Bearer owner");
        assert_eq!(call.headers["google-cloud-resource-prefix"], "projects/demo/databases/reports");
        assert!(call.headers.contains_key("grpc-timeout"), "{}", call.method);
    }
    assert!(
        store
            .documents("")
            .iter()
            .all(|it| it.name.starts_with("projects/demo/databases/reports/documents/"))
    );
}

//! Pages: of any size, empty ones too.

use std::{num::NonZeroU32, ops::Bound};

use futures::TryStreamExt as _;
use mvi_core::{
    ErrorKind, Kv as _, Labels, Name,
    kv::{Condition, Cursor, Key, Query, Range, Record, Scan, Ttl},
};
use serde_json::{Value, json};

use crate::{
    expired, links, record,
    server::{Call, Reply, Server, described},
};

fn page(call: &Call, pages: &[Value]) -> Option<Reply> {
    matches!(call.op.as_str(), "Query" | "Scan").then(|| {
        let mut body = json!({"Items": pages[call.nth]});
        if call.nth + 1 < pages.len() {
            body["LastEvaluatedKey"] = json!({"p": {"S": "ann"}, "s": {"N": call.nth.to_string()}});
        }
        Reply::Ok(body)
    })
}

async fn serving(pages: Vec<Value>) -> Server {
    Server::start(move |call| page(call, &pages)).await
}

fn sorts(records: &[Record]) -> Vec<mvi_core::kv::KeyValue> {
    records.iter().filter_map(|it| it.key.sort.clone()).collect()
}

#[tokio::test]
async fn an_empty_page_is_not_the_last() {
    let pages =
        vec![json!([record(1, "n")]), json!([]), json!([expired(2, "n")]), json!([record(3, "n")])];
    let server = serving(pages).await;
    let kv = server.aws().await.kv;
    let found: Vec<_> = kv.query(Query::new(links(), "ann")).try_collect().await.unwrap();
    assert_eq!(sorts(&found), [1.into(), 3.into()]);
    let calls = server.calls("Query");
    assert_eq!(calls.len(), 4);
    assert_eq!(calls[0].body["ExclusiveStartKey"], Value::Null);
    assert_eq!(calls[3].body["ExclusiveStartKey"]["s"]["N"], "2");
}

#[tokio::test]
async fn a_scan_goes_on_the_same_way() {
    let server = serving(vec![json!([]), json!([record(1, "n")]), json!([record(2, "n")])]).await;
    let kv = server.aws().await.kv;
    let found: Vec<_> = kv.scan(Scan::new(links())).try_collect().await.unwrap();
    assert_eq!(sorts(&found), [1.into(), 2.into()]);
}

#[tokio::test]
async fn a_limit_counts_what_is_given_over_all_pages() {
    let pages = vec![
        json!([record(1, "n"), expired(2, "n")]),
        json!([record(3, "n"), record(4, "n")]),
        json!([]),
    ];
    let server = serving(pages).await;
    let kv = server.aws().await.kv;
    let query = Query::new(links(), "ann").limit(2);
    let found: Vec<_> = kv.query(query).try_collect().await.unwrap();
    assert_eq!(sorts(&found), [1.into(), 3.into()]);
    let limits: Vec<_> = server.calls("Query").iter().map(|it| it.body["Limit"].clone()).collect();
    assert_eq!(limits, [2, 1], "no more is read than is wanted");
}

#[tokio::test]
async fn a_page_of_what_is_filtered_is_not_cut_to_the_limit() {
    let server = serving(vec![json!([record(1, "n")])]).await;
    let kv = server.aws().await.kv;
    let filter = Condition::ge("hits", 1);
    let query = Query::new(links(), "ann").limit(1).filter(filter.clone());
    let _: Vec<_> = kv.query(query).try_collect().await.unwrap();
    assert_eq!(server.calls("Query")[0].body["Limit"], Value::Null);

    let server = serving(vec![json!([record(1, "n")])]).await;
    let kv = server.aws().await.kv;
    let scan = Scan::new(links()).filter(filter).page(NonZeroU32::new(7).unwrap());
    let _: Vec<_> = kv.scan(scan).try_collect().await.unwrap();
    assert_eq!(server.calls("Scan")[0].body["Limit"], 7);
}

#[tokio::test]
async fn nothing_is_asked_for_before_the_stream_is() {
    let server = Server::start(|_| None).await;
    let kv = server.aws().await.kv;
    drop((kv.query(Query::new(links(), "ann")), kv.scan(Scan::new(links()))));
    drop(kv.list_tables(Labels::new()));
    assert!(server.ops().is_empty() && server.calls("DescribeTable").is_empty());
    let none: Vec<_> = kv.query(Query::new(links(), "ann").limit(0)).try_collect().await.unwrap();
    assert!(none.is_empty() && server.ops().is_empty());
}

#[tokio::test]
async fn an_error_ends_the_stream_and_says_where() {
    let server = Server::start(|call| match (call.op.as_str(), call.nth) {
        ("Query", 0) => page(call, &[json!([record(1, "n")]), json!([])]),
        ("Query", _) => Some(Reply::Error(400, "AccessDeniedException", json!({}))),
        _ => None,
    })
    .await;
    let mut records = server.aws().await.kv.query(Query::new(links(), "ann"));
    assert!(records.try_next().await.unwrap().is_some());
    let error = records.try_next().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.op(), error.resource()),
        (ErrorKind::Forbidden, "kv.query", "links")
    );
    assert!(records.try_next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_range_is_written_as_its_ends_are() {
    use Bound::{Excluded, Included, Unbounded};
    let three = || json!([record(1, "n"), record(2, "n"), record(3, "n")]);
    for (from, to, written, found) in [
        (Unbounded, Unbounded, "", vec![1, 2, 3]),
        (Included(1), Unbounded, " AND #1 >= :1", vec![1, 2, 3]),
        (Excluded(1), Unbounded, " AND #1 > :1", vec![1, 2, 3]),
        (Unbounded, Included(3), " AND #1 <= :1", vec![1, 2, 3]),
        (Unbounded, Excluded(3), " AND #1 < :1", vec![1, 2, 3]),
        (Included(1), Included(3), " AND #1 BETWEEN :1 AND :2", vec![1, 2, 3]),
        // What the service can't say is cut off here.
        (Excluded(1), Included(3), " AND #1 BETWEEN :1 AND :2", vec![2, 3]),
        (Included(1), Excluded(3), " AND #1 BETWEEN :1 AND :2", vec![1, 2]),
        (Excluded(1), Excluded(3), " AND #1 BETWEEN :1 AND :2", vec![2]),
    ] {
        let server = serving(vec![three()]).await;
        let kv = server.aws().await.kv;
        let mut query = Query::new(links(), "ann");
        query.range = Range::Between(from.map(Into::into), to.map(Into::into));
        let records: Vec<_> = kv.query(query).try_collect().await.unwrap();
        let wanted: Vec<mvi_core::kv::KeyValue> = found.into_iter().map(i64::into).collect();
        assert_eq!(sorts(&records), wanted, "{from:?} {to:?}");
        let condition = server.calls("Query")[0].body["KeyConditionExpression"].clone();
        assert_eq!(condition, format!("#0 = :0{written}"));
    }
}

#[tokio::test]
async fn a_range_that_ends_before_it_begins_is_not_asked_for() {
    let server = Server::start(|_| None).await;
    let kv = server.aws().await.kv;
    let none: Vec<_> =
        kv.query(Query::new(links(), "ann").between(3..3)).try_collect().await.unwrap();
    assert!(none.is_empty() && server.ops().is_empty());
}

#[tokio::test]
async fn a_cursor_of_an_index_has_the_key_and_the_place() {
    let server = serving(vec![json!([])]).await;
    let kv = server.aws().await.kv;
    let after = Cursor { key: Key::sorted("ann", 1), place: Some(Key::new("bob")) };
    let query = Query::new(links(), "bob").index(Name::new("by-owner").unwrap()).after(after);
    let _: Vec<_> = kv.query(query).try_collect().await.unwrap();
    let start = json!({"p": {"S": "ann"}, "s": {"N": "1"}, "owner": {"S": "bob"}});
    assert_eq!(server.calls("Query")[0].body["ExclusiveStartKey"], start);
}

#[tokio::test]
async fn tables_are_listed_over_all_pages_if_they_are_ours_and_have_the_labels() {
    let server = Server::start(|call| match call.op.as_str() {
        "ListTables" if call.nth == 0 => Some(Reply::Ok(
            json!({"TableNames": ["links", "Not_A_Name", "foreign"], "LastEvaluatedTableName": "foreign"}),
        )),
        "ListTables" => {
            assert_eq!(call.body["ExclusiveStartTableName"], "foreign");
            Some(Reply::Ok(json!({"TableNames": ["gone", "stats"]})))
        }
        "DescribeTable" if call.body["TableName"] == "gone" => {
            Some(Reply::Error(400, "ResourceNotFoundException", json!({})))
        }
        "DescribeTable" => Some(Reply::Ok(described(call.body["TableName"].as_str().unwrap()))),
        "ListTagsOfResource" => match call.body["ResourceArn"].as_str().unwrap() {
            arn if arn.ends_with("foreign") => Some(Reply::Ok(json!({"Tags": []}))),
            // Tags come in pages too.
            _ if call.body["NextToken"].is_null() => {
                let tags = json!([{"Key": "mvi-stamp", "Value": "v1-00000000000000000000000000000000"}]);
                Some(Reply::Ok(json!({"Tags": tags, "NextToken": "more"})))
            }
            arn => {
                let app = arn.rsplit('/').next();
                Some(Reply::Ok(json!({"Tags": [{"Key": "app", "Value": app}]})))
            }
        },
        _ => None,
    })
    .await;
    let kv = server.aws().await.kv;
    let all: Vec<_> = kv.list_tables(Labels::new()).try_collect().await.unwrap();
    let names: Vec<_> = all.iter().map(|it| it.name.to_string()).collect();
    assert_eq!(names, ["links", "stats"]);
    assert_eq!(all[0].created.unwrap().to_string(), "2026-01-02T03:04:05.5Z");
    assert_eq!((all[0].ttl, all[0].indexes.len()), (Ttl::Off, 1));
}

#[tokio::test]
async fn tables_are_listed_by_label() {
    let server = Server::start(|call| {
        (call.op == "ListTables").then(|| Reply::Ok(json!({"TableNames": ["links"]})))
    })
    .await;
    let kv = server.aws().await.kv;
    let label = |value| Labels::new().with("app", value).unwrap();
    let ours: Vec<_> = kv.list_tables(label("links")).try_collect().await.unwrap();
    let theirs: Vec<_> = kv.list_tables(label("blog")).try_collect().await.unwrap();
    assert_eq!((ours.len(), theirs.len()), (1, 0));
}

/// Of a table that is gone DynamoDB denies the tags: one that went between two calls is not the caller's problem.
#[tokio::test]
async fn a_table_that_goes_while_it_is_listed_is_left_out() {
    for gone in [true, false] {
        let server = Server::start(move |call| match (call.op.as_str(), call.nth) {
            ("ListTables", _) => Some(Reply::Ok(json!({"TableNames": ["links"]}))),
            ("ListTagsOfResource", _) => {
                Some(Reply::Error(400, "AccessDeniedException", json!({})))
            }
            ("DescribeTable", 1) if gone => {
                Some(Reply::Error(400, "ResourceNotFoundException", json!({})))
            }
            _ => None,
        })
        .await;
        let kv = server.aws().await.kv;
        let found: Result<Vec<_>, _> = kv.list_tables(Labels::new()).try_collect().await;
        match found {
            Ok(tables) => assert!(gone && tables.is_empty(), "{tables:?}"),
            Err(error) => assert!(!gone && error.kind() == ErrorKind::Forbidden, "{error:?}"),
        }
    }
}

//! Listings in pages, as S3 cuts them.

use std::num::NonZeroU32;

use futures::{StreamExt as _, TryStreamExt as _};
use mvi_core::{
    Blob as _, ErrorKind, Labels, Result,
    blob::{
        Entry, List, ObjectVersion,
        VersionState::{Current, DeleteMarker as Marked, Noncurrent},
        Versions,
    },
};

use super::{
    bucket, number,
    server::{Reply, Server, stamp, tags},
    upload,
};

fn object(key: &str) -> String {
    format!(
        "<Contents><Key>{key}</Key><Size>5</Size><ETag>\"e1\"</ETag>\
         <LastModified>2026-01-02T03:04:05.000Z</LastModified></Contents>"
    )
}

fn prefix(prefix: &str) -> String {
    format!("<CommonPrefixes><Prefix>{prefix}</Prefix></CommonPrefixes>")
}

/// A page, and where the next begins.
fn page(entries: &str, next: Option<&str>) -> Reply {
    let next = match next {
        Some(next) => format!(
            "<IsTruncated>true</IsTruncated><NextContinuationToken>{next}</NextContinuationToken>"
        ),
        None => "<IsTruncated>false</IsTruncated>".to_owned(),
    };
    Reply::xml(format!(
        "<ListBucketResult><EncodingType>url</EncodingType>{next}{entries}</ListBucketResult>"
    ))
}

fn names(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(Entry::as_str).collect()
}

#[tokio::test]
async fn objects_and_prefixes_are_in_one_order_over_all_pages() {
    let server = Server::start(|call| {
        let pages = [
            page(&[object("a"), object("c"), prefix("b/"), prefix("d/")].concat(), Some("1")),
            // Empty, and not the last.
            page("", Some("2")),
            page(&[object("e+1"), object("e%2F%C3%BC"), prefix("f%25+/")].concat(), None),
        ];
        let token = call.param("continuation-token");
        assert_eq!(token, (call.nth > 0).then(|| call.nth.to_string()));
        pages.into_iter().nth(call.nth)
    })
    .await;
    let entries: Vec<_> =
        server.blob().await.list(List::new(bucket()).delimiter("/")).try_collect().await.unwrap();
    assert_eq!(names(&entries), ["a", "b/", "c", "d/", "e 1", "e/ü", "f% /"]);
    let Entry::Object(first) = &entries[0] else { panic!("{:?}", entries[0]) };
    assert_eq!((first.size, first.tag.as_str()), (5, "\"e1\""));
    assert_eq!(first.modified, "2026-01-02T03:04:05Z".parse().ok());
    assert_eq!(server.ops().len(), 3);
}

#[tokio::test]
async fn a_page_that_writes_its_keys_plainly_is_read_so() {
    let server = Server::start(|_| {
        let plain = ["a+b", "a%20b"].map(object).concat();
        Some(Reply::xml(format!("<ListBucketResult>{plain}</ListBucketResult>")))
    })
    .await;
    let entries: Vec<_> =
        server.blob().await.list(List::new(bucket())).try_collect().await.unwrap();
    assert_eq!(names(&entries), ["a+b", "a%20b"]);
}

#[tokio::test]
async fn what_is_not_greater_than_the_start_is_left_out() {
    // S3 gives a prefix that is less than where it was to start, as there are objects in it that are greater.
    let server =
        Server::start(|_| Some(page(&[object("b"), prefix("a/"), prefix("c/")].concat(), None)))
            .await;
    let list = List::new(bucket()).delimiter("/").start_after("a/1");
    let blob = server.blob().await;
    let entries: Vec<_> = blob.list(list.clone()).try_collect().await.unwrap();
    assert_eq!(names(&entries), ["b", "c/"]);
    let entries: Vec<_> = blob.list(list.start_after("a/")).try_collect().await.unwrap();
    assert_eq!(names(&entries), ["b", "c/"]);
    assert_eq!(server.all()[0].param("start-after").as_deref(), Some("a%2F1"));
}

#[tokio::test]
async fn a_limit_asks_for_no_more_than_is_left() {
    let server = Server::start(|call| {
        let most: usize = call.param("max-keys").unwrap().parse().unwrap();
        let first = call.nth * 2;
        let keys: Vec<_> = (first..first + most.min(2)).map(|n| object(&n.to_string())).collect();
        Some(page(&keys.concat(), Some("more")))
    })
    .await;
    let list = List::new(bucket()).limit(5).page(NonZeroU32::new(2).unwrap());
    let entries: Vec<_> = server.blob().await.list(list).try_collect().await.unwrap();
    assert_eq!(names(&entries), ["0", "1", "2", "3", "4"]);
    let asked: Vec<_> = server.all().iter().map(|it| it.param("max-keys").unwrap()).collect();
    assert_eq!(asked, ["2", "2", "1"]);
}

#[tokio::test]
async fn pages_are_asked_for_when_they_are_needed() {
    let server =
        Server::start(|call| Some(page(&object(&call.nth.to_string()), Some("more")))).await;
    let mut entries = server.blob().await.list(List::new(bucket()));
    assert!(server.all().is_empty());
    entries.next().await.unwrap().unwrap();
    assert_eq!(server.all().len(), 1);
    drop(entries);
    assert_eq!(server.all().len(), 1);
}

#[tokio::test]
async fn an_error_ends_a_listing() {
    let server = Server::start(|call| {
        Some(match call.nth {
            0 => page(&object("a"), Some("1")),
            _ => Reply::error(403, "AccessDenied"),
        })
    })
    .await;
    let entries: Vec<_> = server.blob().await.list(List::new(bucket())).collect().await;
    assert!(entries[0].is_ok());
    assert_eq!(entries[1].as_ref().unwrap_err().kind(), ErrorKind::Forbidden);
    assert_eq!(entries.len(), 2);
    // So does a page that says that there is more, and not where.
    let server = Server::start(|_| {
        Some(Reply::xml("<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"))
    })
    .await;
    let entries: Vec<Result<_>> = server.blob().await.list(List::new(bucket())).collect().await;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].as_ref().unwrap_err().kind(), ErrorKind::Internal);
}

#[tokio::test]
async fn what_is_no_key_of_ours_is_left_out() {
    let server =
        Server::start(|_| Some(page(&["a", "b%00c", "b/../c", "d"].map(object).concat(), None)))
            .await;
    let entries: Vec<_> =
        server.blob().await.list(List::new(bucket())).try_collect().await.unwrap();
    assert_eq!(names(&entries), ["a", "d"]);
}

fn version(tag: &str, key: &str, id: &str, latest: bool, second: u32) -> String {
    let size = if tag == "Version" { "<Size>5</Size><ETag>\"e1\"</ETag>" } else { "" };
    format!(
        "<{tag}><Key>{key}</Key><VersionId>{id}</VersionId><IsLatest>{latest}</IsLatest>\
         <LastModified>2026-01-02T03:04:{second:02}.000Z</LastModified>{size}</{tag}>"
    )
}

fn versions_page(entries: &str, next: Option<(&str, &str)>) -> Reply {
    let next = match next {
        Some((key, id)) => format!(
            "<IsTruncated>true</IsTruncated><NextKeyMarker>{key}</NextKeyMarker>\
             <NextVersionIdMarker>{id}</NextVersionIdMarker>"
        ),
        None => "<IsTruncated>false</IsTruncated>".to_owned(),
    };
    Reply::xml(format!(
        "<ListVersionsResult><EncodingType>url</EncodingType>{next}{entries}</ListVersionsResult>"
    ))
}

#[tokio::test]
async fn versions_and_markers_are_in_the_order_that_s3_has() {
    let server = Server::start(|call| {
        let (v, m) = ("Version", "DeleteMarker");
        Some(if call.nth == 0 {
            versions_page(
                &[
                    version(m, "a+b", "m3", true, 5),
                    version(v, "a+b", "v2", false, 5),
                    // Within one second nothing but their order tells which is newer.
                    version(m, "a+b", "m2", false, 4),
                    version(m, "a+b", "m1", false, 4),
                    version(v, "a+b", "v1", false, 4),
                ]
                .concat(),
                Some(("a+b", "v1")),
            )
        } else {
            assert_eq!(call.param("key-marker").as_deref(), Some("a%20b"));
            assert_eq!(call.param("version-id-marker").as_deref(), Some("v1"));
            let rest = [version(v, "a+b", "v0", false, 4), version(v, "c", "null", true, 1)];
            versions_page(&rest.concat(), None)
        })
    })
    .await;
    let found: Vec<ObjectVersion> =
        server.blob().await.versions(Versions::new(bucket())).try_collect().await.unwrap();
    let ids: Vec<_> = found.iter().map(|it| it.version.as_str()).collect();
    assert_eq!(ids, ["m3", "v2", "m2", "m1", "v1", "v0", "null"]);
    assert_eq!(found[0].key.as_str(), "a b");
    let states: Vec<_> = found.iter().map(|it| it.state).collect();
    assert_eq!(states, [Marked, Noncurrent, Marked, Marked, Noncurrent, Noncurrent, Current]);
    assert_eq!((found[0].size, found[0].tag.is_none()), (0, true));
    assert_eq!((found[1].size, found[1].tag.is_some()), (5, true));
}

#[tokio::test]
async fn parts_go_on_behind_the_last() {
    let server = Server::start(|call| {
        let part = |n: u32| {
            format!("<Part><PartNumber>{n}</PartNumber><Size>5</Size><ETag>\"p{n}\"</ETag><ChecksumCRC32C>yZRlqg==</ChecksumCRC32C></Part>")
        };
        let parts = if call.nth == 0 {
            let next = "<IsTruncated>true</IsTruncated><NextPartNumberMarker>2</NextPartNumberMarker>";
            [next, &part(1), &part(2)].concat()
        } else {
            assert_eq!(call.param("part-number-marker").as_deref(), Some("2"));
            part(7)
        };
        Some(Reply::xml(format!("<ListPartsResult>{parts}</ListPartsResult>")))
    })
    .await;
    let parts: Vec<_> = server.blob().await.parts(&upload()).try_collect().await.unwrap();
    let numbers: Vec<_> = parts.iter().map(|it| it.number).collect();
    assert_eq!(numbers, [number(1), number(2), number(7)]);
    assert_eq!((parts[2].size, parts[2].tag.as_str()), (5, "\"p7\""));
    assert_eq!(parts[2].checksum, "yZRlqg==".parse().ok());
}

#[tokio::test]
async fn uploads_go_on_behind_the_last() {
    let server = Server::start(|call| {
        let upload = |key: &str, id: &str| {
            format!("<Upload><Key>{key}</Key><UploadId>{id}</UploadId><Initiated>2026-01-02T03:04:05.000Z</Initiated></Upload>")
        };
        let uploads = if call.nth == 0 {
            let next = "<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>\
                        <NextKeyMarker>a+b</NextKeyMarker><NextUploadIdMarker>u2</NextUploadIdMarker>";
            [next, &upload("a+b", "u1"), &upload("a+b", "u2")].concat()
        } else {
            assert_eq!(call.param("key-marker").as_deref(), Some("a%20b"));
            assert_eq!(call.param("upload-id-marker").as_deref(), Some("u2"));
            upload("c", "u3")
        };
        Some(Reply::xml(format!("<ListMultipartUploadsResult>{uploads}</ListMultipartUploadsResult>")))
    })
    .await;
    let uploads: Vec<_> = server.blob().await.uploads(&bucket()).try_collect().await.unwrap();
    let ids: Vec<_> = uploads.iter().map(|it| (it.key.as_str(), it.id.as_str())).collect();
    assert_eq!(ids, [("a b", "u1"), ("a b", "u2"), ("c", "u3")]);
    assert_eq!(uploads[0].started, "2026-01-02T03:04:05Z".parse().ok());
    assert_eq!(uploads[0].nonce, None);
}

fn buckets(names: &[&str], next: Option<&str>) -> Reply {
    let names = names.iter().map(|it| {
        format!("<Bucket><Name>{it}</Name><CreationDate>2026-01-02T03:04:05.000Z</CreationDate></Bucket>")
    });
    let next = next.map(|it| format!("<ContinuationToken>{it}</ContinuationToken>"));
    Reply::xml(format!(
        "<ListAllMyBucketsResult><Buckets>{}</Buckets>{}</ListAllMyBucketsResult>",
        names.collect::<String>(),
        next.unwrap_or_default()
    ))
}

#[tokio::test]
async fn buckets_that_are_ours_are_listed_whatever_else_the_account_has() {
    let server = Server::start(|call| {
        let of = |name: &str| call.path.trim_matches('/') == name;
        match call.op {
            "ListBuckets" if call.nth == 0 => {
                assert_eq!(call.param("bucket-region").as_deref(), Some("eu-central-1"));
                Some(buckets(&["acme-a", "Not_Ours", "acme-plain", "acme-denied"], Some("1")))
            }
            "ListBuckets" => {
                assert_eq!(call.param("continuation-token").as_deref(), Some("1"));
                Some(buckets(&["acme-gone", "acme-far", "acme-b"], None))
            }
            "GetBucketTagging" if of("acme-plain") => Some(Reply::error(404, "NoSuchTagSet")),
            "GetBucketTagging" if of("acme-denied") => Some(Reply::error(403, "AccessDenied")),
            "GetBucketTagging" if of("acme-gone") => Some(Reply::error(404, "NoSuchBucket")),
            "GetBucketTagging" if of("acme-far") => Some(Reply::error(301, "PermanentRedirect")),
            _ => None,
        }
    })
    .await;
    let found: Vec<_> =
        server.blob().await.list_buckets(Labels::new()).try_collect().await.unwrap();
    let names: Vec<_> = found.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["acme-a", "acme-b"]);
    assert_eq!(found[0].created, "2026-01-02T03:04:05Z".parse().ok());
}

#[tokio::test]
async fn who_may_look_at_no_bucket_is_told_so() {
    let server = Server::start(|call| match call.op {
        "ListBuckets" => Some(buckets(&["acme-a", "acme-b"], None)),
        "GetBucketTagging" => Some(Reply::error(403, "AccessDenied")),
        _ => None,
    })
    .await;
    let listed = server.blob().await.list_buckets(Labels::new()).try_collect::<Vec<_>>().await;
    let error = listed.unwrap_err();
    assert_eq!((error.kind(), error.op()), (ErrorKind::Forbidden, "blob.list_buckets"));
}

#[tokio::test]
async fn a_listing_of_buckets_wants_all_of_the_labels() {
    let labelled = |labels: &str| {
        let stamp = format!("<Tag><Key>mvi-stamp</Key><Value>{}</Value></Tag>", stamp());
        Reply::xml(format!("<Tagging><TagSet>{stamp}{labels}</TagSet></Tagging>"))
    };
    let server = Server::start(move |call| match (call.op, call.path.trim_matches('/')) {
        ("ListBuckets", _) => Some(buckets(&["acme-a", "acme-b"], None)),
        ("GetBucketTagging", "acme-a") => Some(tags(&stamp())),
        ("GetBucketTagging", _) => {
            Some(labelled("<Tag><Key>app</Key><Value>links</Value></Tag><Tag><Key>Cost Center</Key><Value>1</Value></Tag>"))
        }
        _ => None,
    })
    .await;
    let app = Labels::new().with("app", "links").unwrap();
    let found: Vec<_> = server.blob().await.list_buckets(app.clone()).try_collect().await.unwrap();
    let names: Vec<_> = found.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["acme-b"]);
    assert_eq!(found[0].labels, app, "a tag that is no label is another program's");
}

//! What the two S3 emulators do, and where they are known to differ from S3.

use serde_json::{Value, json};

use super::{Check, expect};
use crate::Result;
use crate::http::{Answer, s3_as, send_bytes};

const MINISTACK: u16 = 4566;
const MOTO: u16 = 5000;

macro_rules! checks {
    ($($oracle:literal $port:ident { $($name:ident),+ $(,)? })+) => {
        &[$($(Check { oracle: $oracle, name: stringify!($name), holds: || $name($port) }),+),+]
    };
}

pub(super) static CHECKS: &[Check] = checks! {
    "ministack" MINISTACK {
        a_put_is_conditional,
        a_delete_is_conditional,
        a_range_is_a_part,
        a_list_is_sorted_by_bytes_folds_and_pages,
        odd_keys_are_kept_apart,
        versions_are_kept_and_paged,
        a_lifecycle_and_a_public_access_block_are_kept,
        a_bucket_that_is_not_empty_is_refused,
        many_are_deleted_and_each_has_an_answer,
        a_complete_if_absent_leaves_what_is_there,
        a_complete_twice_answers_twice,
        a_copy_keeps_no_condition_on_its_destination,
        // Not so on moto:
        a_bucket_is_born_with_its_tags,
        a_bucket_of_another_account_already_exists,
        a_wrong_checksum_is_refused,
        a_complete_if_match_leaves_what_is_there,
        a_copy_is_conditional_on_its_source,
        a_delete_of_many_is_conditional,
        a_part_of_no_upload_is_no_such_upload,
        uploads_are_paged,
        a_presigned_url_is_checked,
        // Not so on S3:
        the_checksum_of_a_whole_upload_is_refused,
        a_part_may_be_too_small,
    }
    "moto" MOTO {
        a_put_is_conditional,
        a_delete_is_conditional,
        a_range_is_a_part,
        a_list_is_sorted_by_bytes_folds_and_pages,
        odd_keys_are_kept_apart,
        versions_are_kept_and_paged,
        a_lifecycle_and_a_public_access_block_are_kept,
        a_bucket_that_is_not_empty_is_refused,
        many_are_deleted_and_each_has_an_answer,
        a_complete_if_absent_leaves_what_is_there,
        a_complete_twice_answers_twice,
        a_copy_keeps_no_condition_on_its_destination,
        // Not so on ministack:
        the_checksum_of_a_whole_upload_is_given_back,
        a_part_that_is_too_small_is_refused,
        // Not so on S3:
        a_bucket_is_born_without_its_tags,
        a_wrong_checksum_is_taken,
        a_complete_takes_no_if_match,
        a_part_of_no_upload_breaks_it,
        uploads_are_not_paged,
        a_presigned_url_is_not_checked,
    }
};

const BUCKET: &str = "mvi-oracle-check";

/// A bucket, with whatever is in it.
struct Bucket {
    port: u16,
}

impl Bucket {
    fn call(
        &self,
        method: &str,
        rest: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer> {
        s3_as("test", self.port, method, &format!("/{BUCKET}{rest}"), headers, body)
    }

    fn put(&self, key: &str, body: &[u8]) -> Result<Answer> {
        let answer = self.call("PUT", &format!("/{key}"), &[], body)?;
        wanted(answer, 200)
    }

    fn get(&self, key: &str) -> Result<Answer> {
        self.call("GET", &format!("/{key}"), &[], b"")
    }

    /// Starts an upload with one part, and answers its id and the part list.
    fn upload(&self, key: &str, data: &[u8], headers: &[(&str, &str)]) -> Result<(String, String)> {
        let started = self.call("POST", &format!("/{key}?uploads="), headers, b"")?;
        let id = one(&wanted(started, 200)?, "UploadId")?;
        let place = format!("/{key}?partNumber=1&uploadId={id}");
        let part = wanted(self.call("PUT", &place, &[], data)?, 200)?;
        Ok((id, listed(&[part.header("etag")])))
    }

    fn complete(
        &self,
        key: &str,
        id: &str,
        list: &str,
        headers: &[(&str, &str)],
    ) -> Result<Answer> {
        self.call("POST", &format!("/{key}?uploadId={id}"), headers, list.as_bytes())
    }

    /// Empties and removes it; where there is none, that is as good.
    fn drop(&self) -> Result<()> {
        let found = self.call("GET", "?versions=", &[], b"")?;
        for (key, version) in found.elements("Key").iter().zip(found.elements("VersionId")) {
            self.call("DELETE", &format!("/{}?versionId={version}", quoted(key)), &[], b"")?;
        }
        let found = self.call("GET", "?uploads=", &[], b"")?;
        for (key, id) in found.elements("Key").iter().zip(found.elements("UploadId")) {
            self.call("DELETE", &format!("/{}?uploadId={id}", quoted(key)), &[], b"")?;
        }
        let gone = self.call("DELETE", "", &[], b"")?;
        if [204, 404].contains(&gone.status) { Ok(()) } else { Err(gone.surprise("no bucket")) }
    }
}

/// A bucket of its own for each check, gone afterwards, also where the check failed.
fn with_bucket(port: u16, check: impl FnOnce(&Bucket) -> Result<()>) -> Result<()> {
    let bucket = Bucket { port };
    bucket.drop()?;
    wanted(bucket.call("PUT", "", &[], b"")?, 200)?;
    let outcome = check(&bucket);
    outcome.and(bucket.drop())
}

fn wanted(answer: Answer, status: u16) -> Result<Answer> {
    if answer.status == status {
        Ok(answer)
    } else {
        Err(answer.surprise(&format!("status {status}")))
    }
}

/// That a call was refused with this code.
fn refused(answer: &Answer, status: u16, code: &str) -> Result<()> {
    let found = answer.elements("Code");
    if answer.status == status && found.first().is_some_and(|it| it == code) {
        Ok(())
    } else {
        Err(answer.surprise(&format!("status {status} and {code}")))
    }
}

fn one(answer: &Answer, name: &str) -> Result<String> {
    let found = answer.elements(name).into_iter().next();
    found.ok_or_else(|| answer.surprise(&format!("an element {name}")))
}

/// The list that completes an upload of these parts.
fn listed(etags: &[&str]) -> String {
    let parts = etags.iter().zip(1..).map(|(etag, number)| {
        format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
    });
    format!("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", parts.collect::<String>())
}

fn quoted(key: &str) -> String {
    let kept = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    key.bytes()
        .map(|it| if kept(it) { char::from(it).to_string() } else { format!("%{it:02X}") })
        .collect()
}

const OTHER: &str = "\"00000000000000000000000000000000\"";

// ---- both --------------------------------------------------------------------------------------

fn a_put_is_conditional(port: u16) -> Result<()> {
    with_bucket(port, |bucket| {
        let put = |key: &str, header| bucket.call("PUT", key, &[header], b"new");
        wanted(put("/a", ("if-none-match", "*"))?, 200)?;
        refused(&put("/a", ("if-none-match", "*"))?, 412, "PreconditionFailed")?;
        refused(&put("/a", ("if-match", OTHER))?, 412, "PreconditionFailed")?;
        refused(&put("/none", ("if-match", OTHER))?, 404, "NoSuchKey")?;
        let etag = bucket.get("a")?.header("etag").to_owned();
        wanted(put("/a", ("if-match", &etag))?, 200).map(drop)
    })
}

fn a_delete_is_conditional(port: u16) -> Result<()> {
    with_bucket(port, |bucket| {
        let etag = bucket.put("a", b"a")?.header("etag").to_owned();
        let delete = |etag: &str| bucket.call("DELETE", "/a", &[("if-match", etag)], b"");
        refused(&delete(OTHER)?, 412, "PreconditionFailed")?;
        wanted(delete(&etag)?, 204)?;
        refused(&delete(&etag)?, 404, "NoSuchKey")?;
        wanted(bucket.call("DELETE", "/a", &[], b"")?, 204).map(drop)
    })
}

fn a_range_is_a_part(port: u16) -> Result<()> {
    with_bucket(port, |bucket| {
        bucket.put("a", b"0123456789")?;
        let get = |range| bucket.call("GET", "/a", &[("range", range)], b"");
        for (range, part) in [("bytes=2-4", "234"), ("bytes=-3", "789"), ("bytes=7-99", "789")] {
            expect(&wanted(get(range)?, 206)?.text.into(), part, range)?;
        }
        refused(&get("bytes=10-")?, 416, "InvalidRange")
    })
}

/// Names, then prefixes, of every page.
fn pages(bucket: &Bucket, query: &str) -> Result<Vec<Vec<String>>> {
    let (mut pages, mut token) = (Vec::new(), String::new());
    loop {
        let page =
            wanted(bucket.call("GET", &format!("?list-type=2{query}{token}"), &[], b"")?, 200)?;
        let inside = |name: &str| page.elements(name).into_iter();
        let prefixes = inside("CommonPrefixes").map(|it| it.replace("<Prefix>", ""));
        let prefixes = prefixes.map(|it| it.replace("</Prefix>", ""));
        pages.push(inside("Key").chain(prefixes).collect());
        match page.elements("NextContinuationToken").first() {
            Some(next) if pages.len() < 20 => {
                token = format!("&continuation-token={}", quoted(next));
            }
            _ => return Ok(pages),
        }
    }
}

fn a_list_is_sorted_by_bytes_folds_and_pages(port: u16) -> Result<()> {
    with_bucket(port, |bucket| {
        let keys = ["A", "a", "a/1", "a/b/2", "b/1", "z", "é", "\u{ffee}", "\u{10fffd}/p"];
        for key in keys {
            bucket.put(&quoted(key), b"")?;
        }
        let folded = ["A", "a", "a/", "b/", "z", "é", "\u{ffee}", "\u{10fffd}/"];
        for size in 1..=4 {
            let found = pages(bucket, &format!("&max-keys={size}"))?;
            expect(&json!(found.concat()), json!(keys), "the list")?;
            let mut found = pages(bucket, &format!("&max-keys={size}&delimiter=/"))?.concat();
            found.sort();
            expect(&json!(found), json!(folded), "the list, folded")?;
        }
        expect(
            &json!(pages(bucket, "&start-after=b/1")?.concat()),
            json!(keys[5..]),
            "after a key",
        )?;
        // The prefix itself is before the key, and so it is not listed.
        let found = pages(bucket, "&start-after=a/1&delimiter=/&prefix=a")?;
        expect(&json!(found.concat()), json!([]), "after a key, folded")
    })
}

fn odd_keys_are_kept_apart(port: u16) -> Result<()> {
    with_bucket(port, |bucket| {
        let long = "x".repeat(1024);
        let keys = ["é/ 漢", "a//b", "t/", "100%", "100%25", "a+b", "a b", "a?b", "a#b", &long];
        for key in keys {
            bucket.put(&quoted(key), key.as_bytes())?;
        }
        for key in keys {
            expect(&bucket.get(&quoted(key))?.text.into(), key, "what is there")?;
        }
        expect(&pages(bucket, "")?.concat().len().into(), keys.len(), "how many are listed")
    })
}

fn versions_are_kept_and_paged(port: u16) -> Result<()> {
    with_bucket(port, |bucket| {
        let on = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
        wanted(bucket.call("PUT", "?versioning=", &[], on)?, 200)?;
        let first = bucket.put("a", b"1")?.header("x-amz-version-id").to_owned();
        let second = bucket.put("a", b"2")?.header("x-amz-version-id").to_owned();
        let deleted = wanted(bucket.call("DELETE", "/a", &[], b"")?, 204)?;
        expect(&deleted.header("x-amz-delete-marker").into(), "true", "the delete's marker")?;
        refused(&bucket.get("a")?, 404, "NoSuchKey")?;
        expect(
            &bucket.get(&format!("a?versionId={first}"))?.text.into(),
            "1",
            "the first version",
        )?;
        let (mut found, mut after) = (Vec::new(), String::new());
        for _ in 0..5 {
            let page = bucket.call("GET", &format!("?versions=&max-keys=1{after}"), &[], b"")?;
            found.extend(page.elements("VersionId"));
            let next = |name: &str| page.elements(name).into_iter().next().unwrap_or_default();
            let (key, version) = (next("NextKeyMarker"), next("NextVersionIdMarker"));
            after = format!("&key-marker={key}&version-id-marker={version}");
            if key.is_empty() {
                break;
            }
        }
        let marker = deleted.header("x-amz-version-id");
        let mut all = [marker, &second, &first];
        all.sort_unstable();
        found.sort();
        expect(&json!(found), json!(all), "the versions")?;
        wanted(bucket.call("DELETE", &format!("/a?versionId={marker}"), &[], b"")?, 204)?;
        expect(&bucket.get("a")?.text.into(), "2", "what is live without the marker")
    })
}

fn a_lifecycle_and_a_public_access_block_are_kept(port: u16) -> Result<()> {
    with_bucket(port, |bucket| {
        let none = bucket.call("GET", "?lifecycle=", &[], b"")?;
        refused(&none, 404, "NoSuchLifecycleConfiguration")?;
        let rule = "<Rule><ID>old</ID><Filter><Prefix>logs/</Prefix></Filter><Status>Enabled</Status>\
                    <Expiration><Days>3</Days></Expiration></Rule>";
        let rules = format!("<LifecycleConfiguration>{rule}</LifecycleConfiguration>");
        wanted(bucket.call("PUT", "?lifecycle=", &[], rules.as_bytes())?, 200)?;
        let found = bucket.call("GET", "?lifecycle=", &[], b"")?;
        expect(&json!(found.elements("Days")), json!(["3"]), "its days")?;
        expect(&json!(found.elements("ID")), json!(["old"]), "its name")?;

        let none = bucket.call("GET", "?publicAccessBlock=", &[], b"")?;
        refused(&none, 404, "NoSuchPublicAccessBlockConfiguration")?;
        let block = b"<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls>\
                      </PublicAccessBlockConfiguration>";
        wanted(bucket.call("PUT", "?publicAccessBlock=", &[], block)?, 200)?;
        let found = bucket.call("GET", "?publicAccessBlock=", &[], b"")?;
        expect(&one(&found, "BlockPublicAcls")?.to_lowercase().into(), "true", "the block")
    })
}

fn a_bucket_that_is_not_empty_is_refused(port: u16) -> Result<()> {
    with_bucket(port, |bucket| {
        bucket.put("a", b"")?;
        refused(&bucket.call("DELETE", "", &[], b"")?, 409, "BucketNotEmpty")
    })
}

fn delete_many(bucket: &Bucket, objects: &str) -> Result<Answer> {
    wanted(
        bucket.call("POST", "?delete=", &[], format!("<Delete>{objects}</Delete>").as_bytes())?,
        200,
    )
}

fn many_are_deleted_and_each_has_an_answer(port: u16) -> Result<()> {
    with_bucket(port, |bucket| {
        bucket.put("a", b"")?;
        let objects = "<Object><Key>a</Key></Object><Object><Key>none</Key></Object>";
        let answer = delete_many(bucket, objects)?;
        expect(&json!(answer.elements("Key")), json!(["a", "none"]), "the keys of the answer")?;
        refused(&bucket.get("a")?, 404, "NoSuchKey")
    })
}

fn a_complete_if_absent_leaves_what_is_there(port: u16) -> Result<()> {
    with_bucket(port, |bucket| {
        let (id, list) = bucket.upload("a", b"new", &[])?;
        bucket.put("a", b"old")?;
        let complete = || bucket.complete("a", &id, &list, &[("if-none-match", "*")]);
        refused(&complete()?, 412, "PreconditionFailed")?;
        expect(&bucket.get("a")?.text.into(), "old", "what is there")?;
        // The upload is left, and can still be completed.
        wanted(bucket.call("DELETE", "/a", &[], b"")?, 204)?;
        wanted(complete()?, 200)?;
        expect(&bucket.get("a")?.text.into(), "new", "what is there at last")
    })
}

fn a_complete_twice_answers_twice(port: u16) -> Result<()> {
    with_bucket(port, |bucket| {
        let (id, list) = bucket.upload("a", b"new", &[])?;
        let first = one(&wanted(bucket.complete("a", &id, &list, &[])?, 200)?, "ETag")?;
        let second = one(&wanted(bucket.complete("a", &id, &list, &[])?, 200)?, "ETag")?;
        expect(&second.into(), first, "the second answer")
    })
}

/// S3 [refuses] this with 412.
///
/// [refuses]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
fn a_copy_keeps_no_condition_on_its_destination(port: u16) -> Result<()> {
    with_bucket(port, |bucket| {
        bucket.put("from", b"from")?;
        bucket.put("to", b"to")?;
        let source = format!("/{BUCKET}/from");
        let headers = [("x-amz-copy-source", source.as_str()), ("if-none-match", "*")];
        wanted(bucket.call("PUT", "/to", &headers, b"")?, 200)?;
        expect(&bucket.get("to")?.text.into(), "from", "what is there")
    })
}

// ---- where they differ -------------------------------------------------------------------------

/// Makes a bucket with a tag, and answers what its tags are.
fn tags_at_birth(bucket: &Bucket) -> Result<Answer> {
    bucket.drop()?;
    let tagged = b"<CreateBucketConfiguration><Tags><Tag><Key>k</Key><Value>v</Value></Tag></Tags>\
                   </CreateBucketConfiguration>";
    wanted(bucket.call("PUT", "", &[], tagged)?, 200)?;
    bucket.call("GET", "?tagging=", &[], b"")
}

fn a_bucket_is_born_with_its_tags(port: u16) -> Result<()> {
    with_bucket(port, |bucket| {
        expect(&one(&tags_at_birth(bucket)?, "Value")?.into(), "v", "the tag")
    })
}

fn a_bucket_is_born_without_its_tags(port: u16) -> Result<()> {
    with_bucket(port, |bucket| refused(&tags_at_birth(bucket)?, 404, "NoSuchTagSet"))
}

fn a_bucket_of_another_account_already_exists(port: u16) -> Result<()> {
    with_bucket(port, |_| {
        let theirs = |method| s3_as("123456789012", port, method, &format!("/{BUCKET}"), &[], b"");
        refused(&theirs("PUT")?, 409, "BucketAlreadyExists")?;
        wanted(theirs("HEAD")?, 403).map(drop)
    })
}

/// Puts with a checksum that is not the body's, as an object and as a part.
fn wrong_checksums(bucket: &Bucket) -> Result<[Answer; 2]> {
    let wrong = [("x-amz-checksum-crc32c", "AAAAAA=="), ("x-amz-sdk-checksum-algorithm", "CRC32C")];
    let put = bucket.call("PUT", "/a", &wrong, b"123456789")?;
    let (id, _) = bucket.upload("a", b"", &[("x-amz-checksum-algorithm", "CRC32C")])?;
    let place = format!("/a?partNumber=1&uploadId={id}");
    Ok([put, bucket.call("PUT", &place, &wrong, b"123456789")?])
}

fn a_wrong_checksum_is_refused(port: u16) -> Result<()> {
    with_bucket(port, |bucket| {
        wrong_checksums(bucket)?.iter().try_for_each(|it| refused(it, 400, "BadDigest"))
    })
}

fn a_wrong_checksum_is_taken(port: u16) -> Result<()> {
    with_bucket(port, |bucket| {
        wrong_checksums(bucket)?.into_iter().try_for_each(|it| wanted(it, 200).map(drop))
    })
}

/// Completes an upload over an object that is not the one that it is to replace.
fn complete_over_another(bucket: &Bucket) -> Result<Answer> {
    bucket.put("a", b"old")?;
    let (id, list) = bucket.upload("a", b"new", &[])?;
    bucket.complete("a", &id, &list, &[("if-match", OTHER)])
}

fn a_complete_if_match_leaves_what_is_there(port: u16) -> Result<()> {
    with_bucket(port, |bucket| {
        refused(&complete_over_another(bucket)?, 412, "PreconditionFailed")?;
        expect(&bucket.get("a")?.text.into(), "old", "what is there")
    })
}

fn a_complete_takes_no_if_match(port: u16) -> Result<()> {
    with_bucket(port, |bucket| wanted(complete_over_another(bucket)?, 200).map(drop))
}

fn a_copy_is_conditional_on_its_source(port: u16) -> Result<()> {
    with_bucket(port, |bucket| {
        bucket.put("from", b"from")?;
        let source = format!("/{BUCKET}/from");
        let headers = [("x-amz-copy-source", &*source), ("x-amz-copy-source-if-match", OTHER)];
        refused(&bucket.call("PUT", "/to", &headers, b"")?, 412, "PreconditionFailed")
    })
}

fn a_delete_of_many_is_conditional(port: u16) -> Result<()> {
    with_bucket(port, |bucket| {
        bucket.put("a", b"a")?;
        let other = OTHER.replace('"', "&quot;");
        let answer =
            delete_many(bucket, &format!("<Object><Key>a</Key><ETag>{other}</ETag></Object>"))?;
        expect(&json!(answer.elements("Code")), json!(["PreconditionFailed"]), "the code")?;
        expect(&bucket.get("a")?.text.into(), "a", "what is there")
    })
}

fn part_of_no_upload(bucket: &Bucket) -> Result<Answer> {
    let (id, _) = bucket.upload("a", b"", &[])?;
    wanted(bucket.call("DELETE", &format!("/a?uploadId={id}"), &[], b"")?, 204)?;
    bucket.call("PUT", &format!("/a?partNumber=1&uploadId={id}"), &[], b"part")
}

fn a_part_of_no_upload_is_no_such_upload(port: u16) -> Result<()> {
    with_bucket(port, |bucket| refused(&part_of_no_upload(bucket)?, 404, "NoSuchUpload"))
}

fn a_part_of_no_upload_breaks_it(port: u16) -> Result<()> {
    with_bucket(port, |bucket| wanted(part_of_no_upload(bucket)?, 500).map(drop))
}

/// How many of three uploads come on a page of two.
fn uploads_on_a_page_of_two(bucket: &Bucket) -> Result<Value> {
    for key in ["a", "b", "c"] {
        bucket.upload(key, b"", &[])?;
    }
    let page = bucket.call("GET", "?uploads=&max-uploads=2", &[], b"")?;
    Ok(page.elements("UploadId").len().into())
}

fn uploads_are_paged(port: u16) -> Result<()> {
    with_bucket(port, |bucket| expect(&uploads_on_a_page_of_two(bucket)?, 2, "the page"))
}

fn uploads_are_not_paged(port: u16) -> Result<()> {
    with_bucket(port, |bucket| expect(&uploads_on_a_page_of_two(bucket)?, 3, "the page"))
}

/// A read by a presigned URL whose signature is none.
fn presigned(bucket: &Bucket) -> Result<Answer> {
    bucket.put("a", b"a")?;
    let url = format!(
        "http://127.0.0.1:{}/{BUCKET}/a?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=test%2F29990101\
         %2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=29990101T000000Z&X-Amz-Expires=60\
         &X-Amz-SignedHeaders=host&X-Amz-Signature=00",
        bucket.port
    );
    send_bytes("GET", &url, &[], b"")
}

fn a_presigned_url_is_checked(port: u16) -> Result<()> {
    with_bucket(port, |bucket| wanted(presigned(bucket)?, 403).map(drop))
}

fn a_presigned_url_is_not_checked(port: u16) -> Result<()> {
    with_bucket(port, |bucket| wanted(presigned(bucket)?, 200).map(drop))
}

/// Completes an upload of one part with the right CRC32C of the whole.
fn complete_with_a_checksum(bucket: &Bucket) -> Result<Answer> {
    let whole = ("x-amz-checksum-type", "FULL_OBJECT");
    let headers = [("x-amz-checksum-algorithm", "CRC32C"), whole];
    let (id, list) = bucket.upload("a", b"123456789", &headers)?;
    bucket.complete("a", &id, &list, &[whole, ("x-amz-checksum-crc32c", "4waSgw==")])
}

/// S3 takes it: ministack knows only checksums of checksums.
fn the_checksum_of_a_whole_upload_is_refused(port: u16) -> Result<()> {
    with_bucket(port, |bucket| refused(&complete_with_a_checksum(bucket)?, 400, "BadDigest"))
}

/// That of its kit: without the package `crc32c` moto gives a CRC32 under that name.
fn the_checksum_of_a_whole_upload_is_given_back(port: u16) -> Result<()> {
    with_bucket(port, |bucket| {
        wanted(complete_with_a_checksum(bucket)?, 200)?;
        let found = bucket.call("GET", "/a", &[("x-amz-checksum-mode", "ENABLED")], b"")?;
        expect(&found.header("x-amz-checksum-crc32c").into(), "4waSgw==", "the checksum")?;
        expect(&found.header("x-amz-checksum-type").into(), "FULL_OBJECT", "its type")
    })
}

/// Completes an upload whose first of two parts has a byte.
fn complete_a_small_part(bucket: &Bucket) -> Result<Answer> {
    let (id, _) = bucket.upload("a", b"1", &[])?;
    let place = format!("/a?partNumber=2&uploadId={id}");
    bucket.call("PUT", &place, &[], b"2")?;
    let parts = bucket.call("GET", &format!("/a?uploadId={id}"), &[], b"")?.elements("ETag");
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    bucket.complete("a", &id, &listed(&parts), &[])
}

fn a_part_that_is_too_small_is_refused(port: u16) -> Result<()> {
    with_bucket(port, |bucket| refused(&complete_a_small_part(bucket)?, 400, "EntityTooSmall"))
}

fn a_part_may_be_too_small(port: u16) -> Result<()> {
    with_bucket(port, |bucket| wanted(complete_a_small_part(bucket)?, 200).map(drop))
}

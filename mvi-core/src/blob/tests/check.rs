//! What is checked before it is sent.

use std::time::Duration;

use super::{bucket, key};
use crate::{
    BucketName, ErrorKind, Result,
    blob::{
        Complete, Copy, Crc32c, CreateBucket, Delete, DeleteMany, Encryption, Get, Head, Key, List,
        MAX_OBJECT_BYTES, MAX_PART_BYTES, MAX_PRESIGN, MAX_RULES, MIN_PART_BYTES, Mode, Part,
        PartNumber, Presign, Properties, Put, Rule, Source, StartUpload, Tag, Target, Upload,
        VersionId, Versions,
    },
};

fn refused(what: &str, outcome: Result<()>) {
    let error = outcome.expect_err(what);
    assert_eq!(error.kind(), ErrorKind::Invalid, "{what}: {error}");
    assert!(!error.may_have_applied(), "{what}");
}

fn empty() -> Tag {
    Tag::new("")
}

fn bad_properties() -> Properties {
    Properties { content_type: "".into(), ..Properties::default() }
}

#[test]
fn writes() {
    let put = || Put::new(bucket(), key("a"));
    put()
        .mode(Mode::IfMatch(Tag::new("t")))
        .encryption(Encryption::Key("k".into()))
        .check()
        .unwrap();
    refused("tag", put().mode(Mode::IfMatch(empty())).check());
    refused("properties", put().properties(bad_properties()).check());
    refused("key", put().encryption(Encryption::Key(String::new())).check());
    let start = || StartUpload::new(bucket(), key("a"));
    start().check().unwrap();
    refused("properties", start().properties(bad_properties()).check());
    refused("key", put().encryption(Encryption::Key("\n".into())).upload().check());
    let delete = || Delete::new(bucket(), key("a"));
    delete().if_match(Tag::new("t")).check().unwrap();
    delete().version(VersionId::new("v")).check().unwrap();
    refused("both", delete().if_match(Tag::new("t")).version(VersionId::new("v")).check());
    refused("tag", delete().if_match(empty()).check());
    CreateBucket::new(bucket()).check().unwrap();
}

#[test]
fn reads() {
    let get = || Get::new(bucket(), key("a"));
    get().range(0..1).if_match(Tag::new("t")).version(VersionId::new("v")).check().unwrap();
    refused("both", get().if_match(Tag::new("t")).if_none_match(Tag::new("u")).check());
    refused("range", get().range(1..1).check());
    refused("tag", get().if_match(empty()).check());
    refused("tag", get().if_none_match(empty()).check());
}

#[test]
fn what_a_provider_gave_out_is_what_a_header_carries() {
    let (at, long) = (|| Source::new(bucket(), key("a")), "t".repeat(1_025));
    for text in ["", "a\r\nx: y", "a b", " a", "ä", "\0", &long] {
        let (tag, version) = (|| Tag::new(text), || VersionId::new(text));
        let get = || Get::new(bucket(), key("a"));
        refused(text, get().if_match(tag()).check());
        refused(text, get().if_none_match(tag()).check());
        refused(text, get().version(version()).check());
        refused(text, Head::new(bucket(), key("a")).version(version()).check());
        refused(text, Put::new(bucket(), key("a")).mode(Mode::IfMatch(tag())).check());
        refused(text, Delete::new(bucket(), key("a")).if_match(tag()).check());
        refused(text, Delete::new(bucket(), key("a")).version(version()).check());
        let target = Target { key: key("a"), version: Some(version()) };
        refused(text, DeleteMany::new(bucket(), [key("b").into(), target]).check());
        for source in [at().if_match(tag()), at().version(version())] {
            refused(text, Copy::new(source, bucket(), key("b")).check());
        }
    }
    for text in ["W/\"x-1\"", "null", "1732406400000001", &long[..1_024]] {
        Get::new(bucket(), key("a")).if_match(Tag::new(text)).check().unwrap();
        Head::new(bucket(), key("a")).version(VersionId::new(text)).check().unwrap();
    }
    DeleteMany::new(bucket(), [key("a")]).check().unwrap();
}

#[test]
fn listings() {
    let list = || List::new(bucket());
    list().prefix("a/").delimiter("/").start_after("a/b").check().unwrap();
    list().delimiter("d".repeat(16)).check().unwrap();
    let long = "k".repeat(1_025);
    let hidden = Key::HIDDEN.to_string();
    for (what, list) in [
        ("prefix", list().prefix(&*long)),
        ("prefix", list().prefix("a\n")),
        ("hidden", list().prefix(&*hidden)),
        ("start", list().start_after(&*long)),
        ("start", list().start_after("\0")),
        ("delimiter", list().delimiter("")),
        ("delimiter", list().delimiter("\t")),
        ("delimiter", list().delimiter("d".repeat(17))),
    ] {
        refused(what, list.check());
    }
    Versions::new(bucket()).prefix("a").check().unwrap();
    refused("prefix", Versions::new(bucket()).prefix(&*long).check());
    refused("hidden", Versions::new(bucket()).prefix(&*hidden).check());
}

#[test]
fn lifecycles() {
    let many = |count: usize| -> Vec<_> {
        (0..count).map(|it| Rule::expire(format!("{it}/"), 1)).collect()
    };
    Rule::check_all(&many(MAX_RULES)).unwrap();
    Rule::check_all(&[Rule::expire("", 36_500), Rule::expire_noncurrent("", 1)]).unwrap();
    Rule::check_all(&[]).unwrap();
    refused("many", Rule::check_all(&many(MAX_RULES + 1)));
    refused("days", Rule::check_all(&[Rule::expire("", 0)]));
    refused("days", Rule::check_all(&[Rule::expire_noncurrent("", 36_501)]));
    refused("twice", Rule::check_all(&[Rule::expire("a", 1), Rule::expire("a", 2)]));
    refused("prefix", Rule::check_all(&[Rule::expire("\u{1}", 1)]));
    refused("hidden", Rule::check_all(&[Rule::expire(Key::HIDDEN.to_string(), 1)]));
}

#[test]
fn copies() {
    let source = || Source::new(bucket(), key("a"));
    let onto = |source| Copy::new(source, bucket(), key("a"));
    Copy::new(source(), bucket(), key("b")).check().unwrap();
    Copy::new(source(), BucketName::new("acme-7f3-other").unwrap(), key("a")).check().unwrap();
    refused("itself", onto(source()).check());
    onto(source()).properties(Properties::default()).check().unwrap();
    onto(source()).encryption(Encryption::Key("k".into())).check().unwrap();
    onto(source().version(VersionId::new("v"))).check().unwrap();
    refused("tag", Copy::new(source().if_match(empty()), bucket(), key("b")).check());
    refused("mode", Copy::new(source(), bucket(), key("b")).mode(Mode::IfMatch(empty())).check());
    refused("properties", onto(source()).properties(bad_properties()).check());
    refused("key", onto(source()).encryption(Encryption::Key(String::new())).check());
}

fn part(number: u32, size: u64) -> Part {
    Part::new(PartNumber::new(number).unwrap(), size, Tag::new("t"))
}

#[test]
fn uploads() {
    let complete = |parts: &[(u32, u64)]| {
        let parts = parts.iter().map(|it| part(it.0, it.1)).collect();
        Complete::new(Upload::new(bucket(), key("a"), "id"), parts)
    };
    complete(&[(1, 0)]).check().unwrap();
    complete(&[(3, MIN_PART_BYTES), (7, MAX_PART_BYTES), (10_000, 1)]).check().unwrap();
    refused("none", complete(&[]).check());
    refused("order", complete(&[(2, MIN_PART_BYTES), (1, MIN_PART_BYTES)]).check());
    refused("twice", complete(&[(1, MIN_PART_BYTES), (1, MIN_PART_BYTES)]).check());
    refused("short", complete(&[(1, MIN_PART_BYTES - 1), (2, 1)]).check());
    refused("long", complete(&[(1, MAX_PART_BYTES + 1)]).check());
    refused("mode", complete(&[(1, 1)]).mode(Mode::IfMatch(empty())).check());
    let most = u32::try_from(MAX_OBJECT_BYTES / MAX_PART_BYTES).unwrap();
    let full: Vec<_> = (1..=most).map(|it| (it, MAX_PART_BYTES)).collect();
    complete(&full).check().unwrap();
    refused("large", complete(&[&full[..], &[(most + 1, 1)]].concat()).check());
    // What a caller makes up is no panic.
    refused("overflow", complete(&[(1, u64::MAX), (2, u64::MAX)]).check());
}

#[test]
fn the_checksum_of_an_upload_is_that_of_its_parts_unless_said() {
    let (mut one, mut two) = (part(1, 6), part(2, 5));
    (one.checksum, two.checksum) = (Some(Crc32c::of(b"hello ")), Some(Crc32c::of(b"world")));
    let upload = Upload::new(bucket(), key("a"), "id");
    let complete = Complete::new(upload.clone(), vec![one.clone(), two]);
    assert_eq!(complete.size(), 11);
    assert_eq!(complete.whole_checksum(), Some(Crc32c::of(b"hello world")));
    let said = Crc32c::of(b"other");
    assert_eq!(complete.checksum(said).whole_checksum(), Some(said));
    assert_eq!(Complete::new(upload, vec![one, part(2, 5)]).whole_checksum(), None);
}

#[test]
fn presigned_urls() {
    let get = |expires| Presign::get(bucket(), key("a"), expires);
    let put = |expires| Presign::put(bucket(), key("a"), expires);
    let second = Duration::from_secs(1);
    get(second).check().unwrap();
    put(MAX_PRESIGN).content_type("text/plain").check().unwrap();
    refused("short", get(Duration::ZERO).check());
    refused("long", get(MAX_PRESIGN + second).check());
    refused("part of a second", get(Duration::from_millis(1_500)).check());
    refused("type", get(second).content_type("text/plain").check());
    refused("type", put(second).content_type("").check());
}

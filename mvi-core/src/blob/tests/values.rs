//! Keys, metadata, ranges, checksums, and what serde and `Debug` make of them.

use jiff::Timestamp;
use proptest::prelude::*;
use serde::{Serialize, de::DeserializeOwned};

use super::{bucket, key};
use crate::{
    ErrorKind, Labels,
    blob::{
        ByteRange, Crc32c, CreateBucket, Encryption, Entry, Key, Listed, MAX_KEY_BYTES,
        MAX_METADATA_BYTES, Meta, Metadata, Method, ObjectVersion, Part, PartNumber, Presigned,
        Properties, Rule, Tag, Upload, VersionId, VersionState, Versioning,
    },
};

#[test]
fn odd_keys_are_keys() {
    for odd in [
        "a",
        " ",
        "a b",
        "/",
        "//",
        "/a",
        "a/",
        "a//b",
        "...",
        "..a",
        "a..",
        ".a/b.",
        "%",
        "%2F",
        "+",
        "?",
        "#",
        "&;=@,$!'()*~",
        "\\",
        "\"<>`|{}[]^",
        "über/straße",
        "日本語",
        "🙀",
        "\u{FEFF}",
        "\u{200B}",
        "a\u{10FFFD}",
        "\u{10FFFC}",
        "a\u{10FFFF}",
        ".well-known",
        ".well-known/acme-challeng/x",
        "mvi-",
        "a\u{301}",
    ] {
        assert_eq!(Key::new(odd).unwrap().as_str(), odd);
    }
    Key::new("k".repeat(MAX_KEY_BYTES)).unwrap();
    Key::new("é".repeat(MAX_KEY_BYTES / 2)).unwrap();
}

#[test]
fn what_no_provider_takes_is_no_key() {
    for bad in [
        "",
        ".",
        "..",
        "a/..",
        "../a",
        "a/./b",
        "./a",
        "a/.",
        "a\nb",
        "a\0",
        "\t",
        "a\u{7F}",
        "a\u{85}",
        "a\u{FFFE}",
        "a\u{FFFF}",
        "\u{10FFFD}",
        "\u{10FFFD}/x",
        "\u{10FFFE}",
        "\u{10FFFF}x",
        ".well-known/acme-challenge/x",
    ] {
        let error = Key::new(bad).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{bad:?}");
        assert!(!error.to_string().contains(char::is_control), "{error}");
        assert!(serde_json::from_value::<Key>(bad.into()).is_err(), "{bad:?}");
    }
    assert!(Key::new("k".repeat(MAX_KEY_BYTES + 1)).is_err());
    // Bytes are counted, and not characters.
    assert!(Key::new("é".repeat(MAX_KEY_BYTES / 2 + 1)).is_err());
}

proptest! {
    #[test]
    fn a_key_is_what_the_pattern_says(text in "[a./\n\u{0}é\u{10FFFD}\u{FFFE}]{0,8}") {
        let is_key = !text.is_empty()
            && !text.contains(['\n', '\0', '\u{FFFE}'])
            && !text.starts_with('\u{10FFFD}')
            && text.split('/').all(|it| it != "." && it != "..");
        prop_assert_eq!(Key::new(&text).is_ok(), is_key, "{:?}", text);
    }

    #[test]
    fn keys_are_ordered_by_their_bytes(one in "\\PC{1,6}", other in "\\PC{1,6}") {
        if let (Ok(a), Ok(b)) = (Key::new(&one), Key::new(&other)) {
            prop_assert_eq!(a.cmp(&b), one.as_bytes().cmp(other.as_bytes()));
        }
    }

    #[test]
    fn what_is_hidden_sorts_behind_every_key(text in "[a\u{10FFFC}-\u{10FFFF}]{1,3}") {
        if let Ok(key) = Key::new(&text) {
            prop_assert!(key.as_str() < Key::HIDDEN.to_string().as_str());
        }
    }

    #[test]
    fn a_range_has_what_the_same_range_of_a_vec_has(
        size in 0_usize..20, start in 0_usize..25, length in 0_usize..25,
    ) {
        let all: Vec<usize> = (0..size).collect();
        let has = |range: ByteRange| range.resolve(size as u64).ok().map(|it| {
            all[usize::try_from(it.start).unwrap()..usize::try_from(it.end).unwrap()].to_vec()
        });
        let some = |it: &[usize]| (!it.is_empty()).then(|| it.to_vec());
        let (from, to) = (start.min(size), (start + length).min(size));
        let (first, end) = (start as u64, (start + length) as u64);
        prop_assert_eq!(has(ByteRange::from(first..end)), some(&all[from..to]));
        prop_assert_eq!(has(ByteRange::from(first..)), some(&all[from..]));
        prop_assert_eq!(has(ByteRange::Last(length as u64)), some(&all[size - length.min(size)..]));
        let inclusive = &all[from..(start + length + 1).min(size)];
        prop_assert_eq!(has(ByteRange::from(first..=end)), some(inclusive));
    }

    #[test]
    fn checksums_of_parts_make_that_of_the_whole(
        one: Vec<u8>, other: Vec<u8>, third: Vec<u8>,
    ) {
        let whole = Crc32c::of(&[&*one, &*other, &*third].concat());
        prop_assert_eq!(Crc32c::of(&one).append(&other).append(&third), whole);
        let two = Crc32c::of(&one).join(Crc32c::of(&other), other.len() as u64);
        prop_assert_eq!(two.join(Crc32c::of(&third), third.len() as u64), whole);
        // In whichever order they are joined.
        let rest = Crc32c::of(&other).join(Crc32c::of(&third), third.len() as u64);
        let joined = Crc32c::of(&one).join(rest, (other.len() + third.len()) as u64);
        prop_assert_eq!(joined, whole);
        prop_assert_eq!(Crc32c::default().join(whole, 9), whole);
        prop_assert_eq!(whole.join(Crc32c::default(), 0), whole);
        prop_assert_eq!(whole.to_string().parse::<Crc32c>().unwrap(), whole);
    }

    #[test]
    fn metadata_holds_what_http_carries_unchanged(name in "[a-zA-Z0-9_-]{0,6}", value in "[ a-é\t]{0,6}") {
        let is_name = name.starts_with(|it: char| it.is_ascii_lowercase())
            && !name.contains(|it: char| it.is_ascii_uppercase() || it == '_')
            && !name.starts_with("mvi-");
        let is_value = value.trim() == value && value.bytes().all(|it| matches!(it, b' '..=b'~'));
        let made = Metadata::new().with(name.clone(), value.clone());
        prop_assert_eq!(made.is_ok(), is_name && is_value, "{:?}: {:?}", name, value);
    }
}

#[test]
fn a_range_of_no_byte_is_invalid() {
    let backwards = ByteRange::Between(6, 5);
    for range in [ByteRange::from(5..5), backwards, ByteRange::Last(0)] {
        assert_eq!(range.check().unwrap_err().kind(), ErrorKind::Invalid, "{range:?}");
        assert_eq!(range.resolve(10).unwrap_err().kind(), ErrorKind::Invalid, "{range:?}");
    }
    assert!(ByteRange::from(0..).resolve(0).is_err());
    assert_eq!(ByteRange::Between(0, u64::MAX).resolve(3).unwrap(), 0..3);
}

#[test]
fn a_checksum_is_what_both_clouds_write() {
    // The check value of the Castagnoli polynomial.
    assert_eq!(Crc32c::of(b"123456789").value(), 0xE306_9283);
    assert_eq!(Crc32c::of(b"123456789").to_string(), "4waSgw==");
    assert_eq!(Crc32c::of(b"").to_string(), "AAAAAA==");
    assert_eq!("4waSgw==".parse::<Crc32c>().unwrap(), Crc32c::new(0xE306_9283));
    for bad in ["", "4waSgw", "4waSgw=", "4waSgwAA", "4waSgw==\n", "4waS-w=="] {
        assert_eq!(bad.parse::<Crc32c>().unwrap_err().kind(), ErrorKind::Invalid, "{bad:?}");
    }
    let error = Crc32c::of(b"a").check(Crc32c::of(b"b")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    Crc32c::of(b"a").check(Crc32c::of(b"a")).unwrap();
}

#[test]
fn metadata_is_limited_and_ours_is_left_out() {
    let most = Metadata::new().with("n", "v".repeat(MAX_METADATA_BYTES - 1)).unwrap();
    assert!(most.clone().with("m", "").is_err());
    // In place of the same name it may be as much.
    most.with("n", "w".repeat(MAX_METADATA_BYTES - 1)).unwrap();
    assert!(Metadata::new().with("n", "v".repeat(MAX_METADATA_BYTES)).is_err());
    let reported = Metadata::reported([("mvi-nonce", "7"), ("Owner_Name", "é"), ("a", "")]);
    let pairs: Vec<_> = reported.iter().collect();
    assert_eq!(pairs, [("Owner_Name", "é"), ("a", "")]);
    assert!(Metadata::new().with("empty", "").unwrap().get("empty").is_some_and(str::is_empty));
}

#[test]
fn what_others_wrote_survives_serde_and_is_no_write_of_ours() {
    let reported = Metadata::reported([("Owner_Name", "é")]);
    let text = serde_json::to_string(&reported).unwrap();
    assert_eq!(text, r#"{"Owner_Name":"é"}"#);
    assert_eq!(serde_json::from_str::<Metadata>(&text).unwrap(), reported);
    let properties = Properties { metadata: reported, ..Properties::default() };
    assert_eq!(properties.check().unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn properties_are_what_http_carries() {
    Properties::default().check().unwrap();
    let text = |it: &str| Some(it.to_owned());
    for bad in ["", " a", "a ", "a\r\nx: y", "é", &"a".repeat(256)] {
        let one = Properties { content_type: bad.to_owned().into(), ..Properties::default() };
        let two = Properties { cache_control: text(bad), ..Properties::default() };
        let three = Properties { content_disposition: text(bad), ..Properties::default() };
        for properties in [one, two, three] {
            assert_eq!(properties.check().unwrap_err().kind(), ErrorKind::Invalid, "{bad:?}");
        }
    }
}

fn round<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(it: &T) {
    let text = serde_json::to_string(it).unwrap();
    assert_eq!(serde_json::from_str::<T>(&text).unwrap(), *it, "{text}");
}

#[test]
fn what_callers_keep_survives_serde() {
    let properties = Properties {
        content_type: "text/csv".into(),
        cache_control: Some("no-store".into()),
        content_disposition: Some("inline".into()),
        metadata: Metadata::new().with("owner", "ann").unwrap(),
    };
    let mut meta = Meta::new(key("a b/ü"), 7, Tag::new("\"t\""));
    meta.version = Some(VersionId::new("v"));
    meta.checksum = Some(Crc32c::of(b"x"));
    meta.encryption = Encryption::Key("arn:x".into());
    meta.modified = Some(Timestamp::UNIX_EPOCH);
    meta.properties = properties;
    round(&meta);
    let mut upload = Upload::new(bucket(), key("a"), "id");
    upload.nonce = Some("nonce".into());
    upload.started = Some(Timestamp::UNIX_EPOCH);
    round(&upload);
    let mut part = Part::new(PartNumber::new(7).unwrap(), 9, Tag::new("t"));
    part.checksum = Some(Crc32c::of(b"x"));
    round(&part);
    round(&Entry::Prefix("a/".into()));
    round(&Entry::Object(Listed::new(key("a"), 1, Tag::new("t"))));
    round(&ObjectVersion::new(key("a"), VersionId::new("v"), VersionState::DeleteMarker));
    round(&vec![Rule::expire("tmp/", 1), Rule::expire_noncurrent("", 30)]);
    round(&vec![ByteRange::from(1..2), ByteRange::Last(3), ByteRange::from(4..)]);
    round(&(Versioning::On, Method::Put));
    assert!(serde_json::from_str::<PartNumber>("0").is_err());
    assert!(serde_json::from_str::<PartNumber>("10001").is_err());
}

#[test]
fn a_presigned_url_shows_neither_what_lets_in_nor_its_headers() {
    let url = "https://b.s3.amazonaws.com/a?X-Amz-Credential=AKIA&X-Amz-Signature=5ec7e7";
    let mut presigned = Presigned::new(Method::Put, url, Timestamp::UNIX_EPOCH);
    presigned.headers.push(("x-goog-signature".into(), "5ec7e7".into()));
    let shown = format!("{presigned:?} {presigned:#?}");
    assert!(shown.contains("https://b.s3.amazonaws.com/a?…"), "{shown}");
    assert!(shown.contains("x-goog-signature"), "{shown}");
    assert!(!shown.contains("5ec7e7") && !shown.contains("AKIA"), "{shown}");
    let odd = Presigned::new(Method::Get, "https://token@host/5ec7e7", Timestamp::UNIX_EPOCH);
    assert!(!format!("{odd:?}").contains("5ec7e7"));
}

#[test]
fn what_is_stamped_on_buckets_stays_as_it_is() {
    // A bucket that was made yesterday is the same bucket tomorrow: another value here would make it another's.
    let plain = CreateBucket::new(bucket());
    let labels = Labels::new().with("app", "links").unwrap().with("env", "test").unwrap();
    assert_eq!(plain.fingerprint().to_string(), "v1-05962b29e2dc2004d42d7a48cc825bf9");
    assert_eq!(
        plain.labels(labels).fingerprint().to_string(),
        "v1-dd3f61b26df8ff0e7f798f96262d8e9d"
    );
}

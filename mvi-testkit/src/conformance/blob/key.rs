//! Keys: any text is a key of its own, in every operation.

use std::sync::Arc;

use futures::TryStreamExt as _;
use mvi_core::{
    Blob, ErrorKind, Result,
    blob::{Complete, DeleteMany, Entry, Key, MAX_KEY_BYTES},
};

use super::{Place, Scope, fails};

/// What keys are apt to be confused by: encodings, paths, letters that look the same, keys that begin as others do.
const ODD: &[&str] = &[
    "a",
    "a/",
    "a//",
    "a/b",
    "a//b",
    "a/b/",
    "a/b/c",
    "ab",
    "a ",
    "A",
    "a b",
    "a  b",
    "a+b",
    "a%20b",
    "a%2520b",
    "a%2Fb",
    "a%2fb",
    "%",
    "%%",
    "%zz",
    "+",
    "?",
    "a?b=c&d=e#f",
    "#",
    "&amp;",
    "&",
    "=",
    ";,@:$!*()[]{}|^`~_-",
    "'single' \"double\"",
    "<a>&</a>",
    "\\",
    "a\\b",
    "..a",
    ".a",
    "a.",
    "...",
    "a/.../b",
    "a/.b/..c",
    "~",
    "-",
    "_",
    "0",
    "00",
    // One letter, in one and in two characters.
    "\u{e9}",
    "e\u{301}",
    "ß",
    "SS",
    // Lower and upper case of what has two of either.
    "i\u{307}",
    "İ",
    "\u{a0}",
    "\u{200b}",
    "\u{202e}x",
    "日本語/キー",
    "\u{ff5e}",
    "\u{fffd}",
    "🦀",
    "👩\u{200d}👩\u{200d}👧",
    "\u{10fffd}",
];

fn odd(place: &Place<'_>) -> Result<Vec<Key>> {
    ODD.iter().map(|it| place.key(it)).collect()
}

/// An object at each odd key, which holds its number.
async fn filled<'a>(blob: &'a Arc<dyn Blob>, scope: &'a Scope) -> Result<(Place<'a>, Vec<Key>)> {
    let place = Place::shared(blob, scope).await?;
    let keys = odd(&place)?;
    for (n, key) in keys.iter().enumerate() {
        let meta = place.save(key, n.to_string()).await?;
        assert_eq!(meta.key, *key);
    }
    Ok((place, keys))
}

pub(super) async fn odd_keys_hold_objects_of_their_own(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let (place, keys) = filled(blob, scope).await?;
    for (n, key) in keys.iter().enumerate() {
        place.holds(key, n.to_string()).await?;
        assert_eq!(place.head(key).await?.key, *key);
        assert_eq!(blob.get(place.get(key)).await?.meta.key, *key);
    }
    Ok(())
}

pub(super) async fn odd_keys_are_listed_as_they_are(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let (place, mut keys) = filled(blob, scope).await?;
    keys.sort_by(|a, b| a.as_str().as_bytes().cmp(b.as_str().as_bytes()));
    let found: Vec<_> = blob.list(place.list()).try_collect().await?;
    let found: Vec<_> = found
        .into_iter()
        .map(|it| match it {
            Entry::Object(it) => it.key,
            Entry::Prefix(it) => panic!("a prefix {it:?}, and there is no delimiter"),
        })
        .collect();
    assert_eq!(found, keys);
    // Each is a prefix of itself, and a place to go on from.
    for (at, key) in keys.iter().enumerate() {
        let whole = place.keys(place.list().prefix(key.as_str()), 0).await?;
        assert!(whole.iter().any(|it| it == key.as_str()), "{key:?} is not in {whole:?}");
        let wanted = keys.iter().filter(|it| it.as_str().starts_with(key.as_str()));
        assert_eq!(whole.len(), wanted.count(), "{key:?}");
        let after = place.list().start_after(key.as_str()).limit(1);
        let next = keys.get(at + 1).map(|it| it.as_str().to_owned());
        assert_eq!(place.keys(after, 0).await?.into_iter().next(), next, "after {key:?}");
    }
    Ok(())
}

pub(super) async fn odd_keys_are_copied_from_and_to(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let (place, keys) = filled(blob, scope).await?;
    for (n, key) in keys.iter().enumerate() {
        let to = Key::new(format!("{}copies/{}", place.prefix(), ODD[n]))?;
        assert_eq!(blob.copy(place.copy(key, &to)).await?.key, to);
        place.holds(&to, n.to_string()).await?;
    }
    Ok(())
}

pub(super) async fn odd_keys_are_deleted_one_by_one(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let (place, keys) = filled(blob, scope).await?;
    for (n, key) in keys.iter().enumerate() {
        blob.delete(place.delete(key)).await?;
        place.lacks(key).await?;
        // The next, which may look the same to somebody, is still there.
        if let Some(next) = keys.get(n + 1) {
            place.holds(next, (n + 1).to_string()).await?;
        }
    }
    assert_eq!(place.keys(place.list(), 0).await?, Vec::<String>::new());
    Ok(())
}

pub(super) async fn odd_keys_are_deleted_at_once(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let (place, keys) = filled(blob, scope).await?;
    let (gone, kept) = keys.split_at(keys.len() / 2);
    let many = DeleteMany::new(place.bucket.clone(), gone.iter().cloned());
    for outcome in blob.delete_many(many).await? {
        outcome?;
    }
    let mut wanted: Vec<_> = kept.iter().map(|it| it.as_str().to_owned()).collect();
    wanted.sort();
    assert_eq!(place.keys(place.list(), 0).await?, wanted);
    let many = DeleteMany::new(place.bucket.clone(), kept.iter().cloned());
    for outcome in blob.delete_many(many).await? {
        outcome?;
    }
    assert_eq!(place.keys(place.list(), 0).await?, Vec::<String>::new());
    Ok(())
}

pub(super) async fn odd_keys_are_uploaded_to(blob: &Arc<dyn Blob>, scope: &Scope) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    for (n, key) in odd(&place)?.iter().enumerate() {
        let upload = place.start(key).await?;
        assert_eq!((&upload.bucket, &upload.key), (&place.bucket, key));
        let part = place.part(&upload, 1, n.to_string()).await?;
        let listed = place.uploads().await?;
        assert_eq!(listed.iter().map(|it| &it.key).collect::<Vec<_>>(), [key]);
        assert_eq!(blob.complete_upload(Complete::new(upload, vec![part])).await?.key, *key);
        place.holds(key, n.to_string()).await?;
    }
    Ok(())
}

pub(super) async fn a_key_may_begin_with_a_slash(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let bare = place.key("a")?;
    // What comes before the slash is nothing, not the bucket.
    let keys = [bare.clone(), Key::new(format!("/{bare}"))?, Key::new(format!("//{bare}"))?];
    for (n, key) in keys.iter().enumerate() {
        place.save(key, n.to_string()).await?;
    }
    for (n, key) in keys.iter().enumerate() {
        place.holds(key, n.to_string()).await?;
        let listed = place.keys(place.list().prefix(key.as_str()), 0).await?;
        assert_eq!(listed, [key.as_str()]);
    }
    let copy = Key::new(format!("/{}", place.key("copy")?))?;
    blob.copy(place.copy(&keys[1], &copy)).await?;
    place.holds(&copy, "1").await?;
    for key in keys.iter().chain([&copy]) {
        blob.delete(place.delete(key)).await?;
        place.lacks(key).await?;
    }
    Ok(())
}

pub(super) async fn a_key_is_at_most_1_024_bytes(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let fill = |bytes: usize, with: &str| {
        let mut text = place.prefix();
        text += &with.repeat((bytes - text.len()) / with.len());
        text += &"a".repeat(bytes - text.len());
        text
    };
    // Also of characters that an encoding makes longer.
    for with in ["k", "/", "%", " ", "é", "日", "🦀"] {
        let key = Key::new(fill(MAX_KEY_BYTES, with))?;
        assert_eq!(key.as_str().len(), 1_024);
        place.save(&key, with).await?;
        place.holds(&key, with).await?;
        assert_eq!(place.keys(place.list().prefix(key.as_str()), 0).await?, [key.as_str()]);
        let to = Key::new(fill(MAX_KEY_BYTES - 1, with) + "c")?;
        blob.copy(place.copy(&key, &to)).await?;
        place.holds(&to, with).await?;
        blob.delete(place.delete(&key)).await?;
        place.lacks(&key).await?;
        assert!(Key::new(fill(MAX_KEY_BYTES + 1, with)).is_err());
    }
    Ok(())
}

pub(super) async fn what_no_provider_takes_is_no_key(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let text = [
        "",
        ".",
        "..",
        "./a",
        "../a",
        "a/.",
        "a/..",
        "a/./b",
        "a/../b",
        "a\n",
        "a\r",
        "a\tb",
        "\u{0}",
        "\u{7f}",
        "\u{85}",
        "a\u{fffe}",
        "a\u{ffff}",
        "\u{10fffd}/a",
        ".well-known/acme-challenge/a",
    ];
    for text in text {
        let error = Key::new(text).expect_err(text);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{text:?}");
        assert!(serde_json::from_value::<Key>(text.into()).is_err(), "{text:?}");
    }
    // Nor does a listing take what no key has.
    for text in ["a\n", "\u{fffe}", &"a".repeat(MAX_KEY_BYTES + 1)] {
        for list in [place.list().prefix(text), place.list().start_after(text)] {
            super::stream_fails(blob.list(list), ErrorKind::Invalid).await;
        }
    }
    for delimiter in ["", "\n", &"d".repeat(17)] {
        let list = place.list().delimiter(delimiter);
        super::stream_fails(blob.list(list), ErrorKind::Invalid).await;
    }
    let versions = mvi_core::blob::Versions::new(place.bucket.clone()).prefix("\n");
    super::stream_fails(blob.versions(versions), ErrorKind::Invalid).await;
    // What is like them is a key.
    for like in ["a/.b", "a/...", ".well-known/acme-challenge", "a\u{10fffd}"] {
        let key = place.key(like)?;
        place.save(&key, "1").await?;
        place.holds(&key, "1").await?;
        fails(blob.get(place.get(&place.key(&format!("{like}?"))?)).await, ErrorKind::NotFound);
    }
    Ok(())
}

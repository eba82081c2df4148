//! Listings: complete, in the order of bytes, whatever the pages.

use std::{collections::BTreeSet, num::NonZeroU32, sync::Arc};

use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use mvi_core::{
    Blob, Labels, Result,
    blob::{CreateBucket, Entry, Key, List, Versions},
};

use super::{
    Place, Scope, none,
    place::{AT_A_TIME, create, pages},
};

/// Writes these of the case's keys, and gives them in the order of their bytes.
async fn saved(place: &Place<'_>, texts: &[&str]) -> Result<Vec<String>> {
    for text in texts {
        place.save(&place.key(text)?, (*text).to_owned()).await?;
    }
    let mut sorted: Vec<String> = texts.iter().map(|it| (*it).to_owned()).collect();
    sorted.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    Ok(sorted)
}

/// What a listing of `keys`, which are sorted, must give: worked out from the trait's documentation.
fn wanted(keys: &[String], prefix: &str, delimiter: &str, start_after: &str) -> Vec<String> {
    let mut entries: Vec<(String, String)> = Vec::new();
    for key in keys {
        let Some(rest) = key.strip_prefix(prefix) else { continue };
        let folded = match (delimiter, rest.find(delimiter)) {
            ("", _) | (_, None) => None,
            (_, Some(at)) => Some(key[..prefix.len() + at + delimiter.len()].to_owned()),
        };
        let entry = match folded {
            Some(folded) => (folded.clone(), format!("/ {folded}")),
            None => (key.clone(), format!("+ {key}")),
        };
        if entries.last() != Some(&entry) {
            entries.push(entry);
        }
    }
    let behind = |entry: &str| start_after.is_empty() || entry.as_bytes() > start_after.as_bytes();
    entries.into_iter().filter(|it| behind(&it.0)).map(|it| it.1).collect()
}

/// Wants a listing to be the wanted one in pages of every size. `prefix` and `start_after` are behind the case's own.
async fn gives(
    place: &Place<'_>,
    keys: &[String],
    prefix: &str,
    delimiter: &str,
    start_after: Option<&str>,
) -> Result<()> {
    let own = place.prefix();
    for page in pages() {
        let list = List {
            prefix: format!("{own}{prefix}"),
            delimiter: (!delimiter.is_empty()).then(|| delimiter.to_owned()),
            start_after: start_after.map(|it| format!("{own}{it}")),
            page,
            ..place.list()
        };
        let found = place.entries(list.clone(), own.len()).await?;
        let wanted = wanted(keys, prefix, delimiter, start_after.unwrap_or(""));
        assert_eq!(found, wanted, "{list:?}");
    }
    Ok(())
}

pub(super) async fn a_listing_has_every_key_in_the_order_of_its_bytes(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let keys = place.fill("", 1_100).await?;
    let found = place.keys(place.list(), 0).await?;
    assert_eq!(found.len(), keys.len());
    assert!(found.iter().zip(&keys).all(|(found, key)| found == key.as_str()), "out of order");
    Ok(())
}

pub(super) async fn text_is_ordered_by_its_bytes(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    // The last four change places where text is sorted by units of 16 bits, as UTF-16 has it.
    let texts = [
        "a",
        "B",
        "b",
        "A",
        "a!",
        "a b",
        "a/",
        "a/b",
        "a0",
        "aa",
        "~",
        "é",
        "e\u{301}",
        "z",
        "\u{ff5e}",
        "\u{fffd}",
        "🦀",
        "\u{10000}",
    ];
    let keys = saved(&place, &texts).await?;
    gives(&place, &keys, "", "", None).await?;
    gives(&place, &keys, "", "/", None).await?;
    for key in &keys {
        gives(&place, &keys, "", "", Some(key)).await?;
    }
    Ok(())
}

pub(super) async fn pages_of_any_size_lose_and_repeat_nothing(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    const KEYS: usize = 10_000;
    // A bucket of its own: on some emulators each page costs as much as the whole bucket has.
    let place = Place::own(blob, scope, "many").await?;
    let keys = place.fill("", KEYS).await?;
    for page in [100, 999, 1_000, 5_000, 0] {
        let list = List { page: NonZeroU32::new(page), ..place.list() };
        let found = place.keys(list, 0).await?;
        assert_eq!(found.len(), KEYS, "pages of {page}");
        let unlike = found.iter().zip(&keys).find(|(found, key)| *found != key.as_str());
        assert_eq!(unlike, None, "pages of {page}");
    }
    Ok(())
}

pub(super) async fn small_pages_lose_and_repeat_nothing(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let keys = place.fill("", 100).await?;
    for page in 1..=12 {
        let list = List { page: NonZeroU32::new(page), ..place.list() };
        let found = place.keys(list, 0).await?;
        assert!(found.iter().eq(keys.iter().map(Key::as_str)), "pages of {page}: {found:?}");
    }
    Ok(())
}

pub(super) async fn a_prefix_is_a_prefix(blob: &Arc<dyn Blob>, scope: &Scope) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let texts =
        ["a", "a/", "a/b", "a/b/c", "a%", "aa", "ab", "b", "b/a", "ba", "c/é/x", "c/e\u{301}/x"];
    let keys = saved(&place, &texts).await?;
    // It may end anywhere, also within a segment, and where a key ends.
    let prefixes = ["", "a", "a/", "a/b", "a/b/", "a/b/c", "a/b/c/", "a%", "b", "c/", "c/é", "é"];
    for prefix in prefixes {
        gives(&place, &keys, prefix, "", None).await?;
    }
    Ok(())
}

/// Keys that a delimiter folds in every way.
const FOLDED: &[&str] = &[
    "a",
    "a/",
    "a//b",
    "a/b",
    "a/b/c",
    "a/b/d",
    "a-b",
    "a0",
    "ab/c",
    "ab/d",
    "b//",
    "b//a",
    "b/c/",
    "c--d",
    "c--d--e",
    "c-d",
    "c-d--e",
    "d",
    "é/1",
    "é/2",
    "🦀/🦀",
];

pub(super) async fn a_delimiter_folds_what_is_the_same_up_to_it(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let keys = saved(&place, FOLDED).await?;
    for prefix in ["", "a", "a/", "a//", "a/b", "a/b/", "b/", "b//", "é", "é/", "x"] {
        gives(&place, &keys, prefix, "/", None).await?;
    }
    Ok(())
}

pub(super) async fn a_delimiter_may_be_any_text(blob: &Arc<dyn Blob>, scope: &Scope) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let keys = saved(&place, FOLDED).await?;
    for (prefix, delimiter) in [
        ("", "--"),
        ("c", "--"),
        // It begins before the prefix ends, and so it is not there.
        ("c-", "--"),
        ("c--", "--"),
        ("c--d", "--"),
        ("", "b"),
        ("a", "/b"),
        ("", "é"),
        ("", "🦀"),
        ("", "not in a key"),
    ] {
        gives(&place, &keys, prefix, delimiter, None).await?;
    }
    Ok(())
}

pub(super) async fn a_fold_of_many_keys_is_one_entry(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    for folder in ["a/", "b/", "c/"] {
        place.fill(folder, 40).await?;
    }
    place.save_at("b", "1").await?;
    for page in pages() {
        let list = List { page, ..place.list().delimiter("/") };
        let found = place.entries(list, place.prefix().len()).await?;
        assert_eq!(found, ["/ a/", "+ b", "/ b/", "/ c/"], "pages of {page:?}");
    }
    Ok(())
}

pub(super) async fn a_listing_starts_after_any_entry(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let keys = saved(&place, FOLDED).await?;
    for start in &keys {
        gives(&place, &keys, "", "", Some(start)).await?;
    }
    // What is no key, before all and behind all.
    for start in ["", " ", "a/a", "a/b/", "a/b/cc", "a/c", "zz", "\u{10000}"] {
        gives(&place, &keys, "", "", Some(start)).await?;
    }
    // Also with a prefix that lies before it or behind it.
    for start in ["a", "a/", "a/b", "a/b/c", "b"] {
        gives(&place, &keys, "a/", "", Some(start)).await?;
    }
    Ok(())
}

pub(super) async fn a_folded_listing_starts_after_any_entry(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let keys = saved(&place, FOLDED).await?;
    // Each object and each prefix that the listing has.
    for entry in wanted(&keys, "", "/", "") {
        gives(&place, &keys, "", "/", Some(&entry[2..])).await?;
    }
    // What is in a prefix: the prefix is less than it, and does not come.
    for start in ["a/b", "a/b/c", "ab/c", "b//", "b/c/d", "c--", "é/1", "zz"] {
        gives(&place, &keys, "", "/", Some(start)).await?;
        gives(&place, &keys, "a/", "/", Some(start)).await?;
    }
    Ok(())
}

pub(super) async fn a_listing_resumes_after_every_entry(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    saved(&place, FOLDED).await?;
    for delimiter in [None, Some("/"), Some("--")] {
        let list = List { delimiter: delimiter.map(str::to_owned), ..place.list() };
        let all: Vec<Entry> = blob.list(list.clone()).try_collect().await?;
        for (at, entry) in all.iter().enumerate() {
            let rest = blob.list(list.clone().start_after(entry.as_str()));
            assert_eq!(rest.try_collect::<Vec<_>>().await?, all[at + 1..], "after {entry:?}");
        }
    }
    Ok(())
}

pub(super) async fn a_limit_is_the_most_given(blob: &Arc<dyn Blob>, scope: &Scope) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let keys = saved(&place, FOLDED).await?;
    let cut = place.prefix().len();
    for delimiter in ["", "/"] {
        let all = wanted(&keys, "", delimiter, "");
        for limit in [0, 1, 2, 5, all.len() - 1, all.len(), all.len() + 1] {
            for page in pages() {
                let delimiter = (!delimiter.is_empty()).then(|| delimiter.to_owned());
                let list = List { delimiter, page, ..place.list().limit(limit as u64) };
                let found = place.entries(list.clone(), cut).await?;
                assert_eq!(found, all[..limit.min(all.len())], "{list:?}");
            }
        }
    }
    Ok(())
}

pub(super) async fn an_entry_says_what_a_head_does(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    for n in 0..5 {
        place.save(&place.key(&format!("{n}"))?, "x".repeat(n)).await?;
    }
    let listed: Vec<Entry> = blob.list(place.list()).try_collect().await?;
    assert_eq!(listed.len(), 5);
    for entry in listed {
        let Entry::Object(found) = entry else { panic!("a prefix without a delimiter") };
        let head = place.head(&found.key).await?;
        assert_eq!((found.size, found.tag), (head.size, head.tag));
        assert!(found.modified.is_some(), "{:?}", found.key);
    }
    Ok(())
}

pub(super) async fn a_listing_sees_the_write_before_it(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let cut = place.prefix().len();
    for n in 0..10 {
        let key = place.save_at(&n.to_string(), "1").await?;
        assert_eq!(place.keys(place.list(), cut).await?, [n.to_string()]);
        blob.delete(place.delete(&key)).await?;
        assert_eq!(place.keys(place.list(), cut).await?, Vec::<String>::new());
    }
    Ok(())
}

pub(super) async fn what_is_listed_may_be_deleted_on_the_way(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    for page in [1, 7, 10] {
        let keys = place.fill("", 60).await?;
        let mut found = Vec::new();
        let mut listing = blob.list(place.list().page(NonZeroU32::new(page).expect("not 0")));
        while let Some(entry) = listing.try_next().await? {
            let key = Key::new(entry.as_str())?;
            blob.delete(place.delete(&key)).await?;
            found.push(key);
        }
        assert_eq!(found, keys, "pages of {page}");
        assert_eq!(place.keys(place.list(), 0).await?, Vec::<String>::new());
    }
    Ok(())
}

pub(super) async fn what_stays_is_listed_whatever_else_changes(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let stay = place.fill("stay-", 30).await?;
    let mut listing = blob.list(place.list().page(NonZeroU32::new(4).expect("not 0")));
    let (mut seen, mut unique, mut n) = (Vec::new(), BTreeSet::new(), 0);
    while let Some(entry) = listing.try_next().await? {
        seen.push(entry.as_str().to_owned());
        assert!(unique.insert(entry.as_str().to_owned()), "one is there twice: {seen:?}");
        // Something comes before, something comes behind, and something goes.
        place.save_at(&format!("a-{n}"), "1").await?;
        place.save_at(&format!("z-{}", n % 3), "1").await?;
        blob.delete(place.delete(&place.key(&format!("z-{}", (n + 1) % 3))?)).await?;
        n += 1;
    }
    assert!(seen.is_sorted(), "{seen:?}");
    let lost: Vec<_> = stay.iter().filter(|it| !unique.contains(it.as_str())).collect();
    assert!(lost.is_empty(), "{lost:?} is not in {seen:?}");
    Ok(())
}

pub(super) async fn nothing_is_asked_until_a_stream_is_polled(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let bucket = scope.bucket("bucket")?;
    // Made before there is a bucket: what asks at once fails.
    let list = blob.list(List::new(bucket.clone()));
    let versions = blob.versions(Versions::new(bucket.clone()));
    let uploads = blob.uploads(&bucket);
    let labels = Labels::new().with("bucket", bucket.as_str())?;
    let buckets = blob.list_buckets(labels.clone());
    drop(blob.list(List::new(scope.bucket("none")?)));
    create(blob, CreateBucket::new(bucket.clone()).labels(labels)).await?;
    let place = Place { blob, scope, bucket };
    let key = place.save_at("a", "1").await?;
    let upload = place.start(&key).await?;
    let parts = blob.parts(&upload);
    place.part(&upload, 1, "1").await?;
    assert_eq!(list.try_collect::<Vec<_>>().await?.len(), 1);
    assert_eq!(uploads.try_collect::<Vec<_>>().await?.len(), 1);
    assert_eq!(parts.try_collect::<Vec<_>>().await?.len(), 1);
    // A bucket without versions may list the current one.
    assert!(versions.try_collect::<Vec<_>>().await?.len() <= 1);
    let found: Vec<_> = buckets.try_collect().await?;
    assert_eq!(found.len(), 1, "{found:?}");
    Ok(())
}

pub(super) async fn a_listing_may_be_left_and_read_beside_others(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let keys = place.fill("", 50).await?;
    let listing = || blob.list(place.list().page(NonZeroU32::new(3).expect("not 0")));
    let first: Vec<_> = listing().take(4).try_collect().await?;
    assert_eq!(first.len(), 4);
    let all = stream::iter(0..4).map(|_| listing().try_collect::<Vec<_>>().boxed());
    let all: Vec<_> = all.buffer_unordered(AT_A_TIME).try_collect().await?;
    for found in all {
        assert!(found.iter().map(Entry::as_str).eq(keys.iter().map(Key::as_str)), "{found:?}");
    }
    assert_eq!(none(place.head(&keys[0]).await)?.map(|it| it.key), Some(keys[0].clone()));
    Ok(())
}

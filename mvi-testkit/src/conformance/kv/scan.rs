//! Scans of a whole table, each of its own.

use std::{collections::BTreeSet, num::NonZeroU32, sync::Arc};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use mvi_core::{
    ErrorKind, Kv, Result,
    kv::{Condition, Cursor, Key, Record, Scan, WriteMany},
};

use super::{Scope, Shape, Store, one, query::pages, stream_fails};

/// Records in many partitions: `n` = 0, 1, …
async fn filled<'a>(
    kv: &'a Arc<dyn Kv>,
    scope: &'a Scope,
    count: i64,
) -> Result<(Store<'a>, BTreeSet<Key>)> {
    let store = Shape::ByInt.own(kv, scope).await?;
    let puts: Vec<_> =
        (0..count).map(|n| store.put(&store.at(&format!("p{}", n % 7), n - 3), one(n))).collect();
    let keys = puts.iter().map(|it| it.key.clone()).collect();
    for result in kv.write_many(WriteMany::new(puts)).await? {
        result?;
    }
    Ok((store, keys))
}

async fn scan(store: &Store<'_>, scan: Scan) -> Result<Vec<Record>> {
    store.kv.scan(scan.strong()).try_collect().await
}

/// The keys that a scan gives; a record that is given twice fails.
async fn keys(store: &Store<'_>, request: Scan) -> Result<BTreeSet<Key>> {
    let shown = format!("{request:?}");
    let found = scan(store, request).await?;
    let keys: BTreeSet<_> = found.iter().map(|it| it.key.clone()).collect();
    assert_eq!(keys.len(), found.len(), "{shown} repeats a record");
    Ok(keys)
}

fn all(store: &Store<'_>) -> Scan {
    Scan::new(store.name.clone())
}

pub(super) async fn a_scan_gives_every_record_once(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let (store, wanted) = filled(kv, scope, 30).await?;
    assert_eq!(keys(&store, all(&store)).await?, wanted);
    for page in pages() {
        assert_eq!(keys(&store, all(&store).page(page)).await?, wanted, "pages of {page}");
    }
    // Each is the whole record.
    for record in scan(&store, all(&store)).await? {
        assert_eq!(store.get(&record.key).await?, Some(record));
    }
    Ok(())
}

pub(super) async fn segments_are_disjoint_and_complete(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let (store, wanted) = filled(kv, scope, 30).await?;
    for of in [1, 2, 3, 16, 256] {
        let parts = (0..of).map(|number| {
            let part = all(&store).segment(number, of);
            keys(&store, if number % 2 == 0 { part } else { part.page(NonZeroU32::MIN) })
        });
        // Side by side, as they are for.
        let mut parts = stream::iter(parts).buffered(16);
        let mut found = BTreeSet::new();
        while let Some(part) = parts.try_next().await? {
            for key in part {
                assert!(found.insert(key.clone()), "{key:?} is in two of {of} segments");
            }
        }
        assert_eq!(found, wanted, "{of} segments");
    }
    for (number, of) in [(0, 0), (1, 1), (0, 257)] {
        let scan = kv.scan(all(&store).segment(number, of));
        stream_fails(scan, ErrorKind::Invalid).await;
    }
    Ok(())
}

pub(super) async fn a_scan_filters_and_limits(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let (store, _) = filled(kv, scope, 20).await?;
    let filter = Condition::ge("n", 15);
    for page in pages() {
        let request = all(&store).filter(filter.clone()).page(page);
        let mut found = scan(&store, request.clone()).await?;
        found.sort_by(|a, b| a.item.cmp(&b.item));
        let items: Vec<_> = found.into_iter().map(|it| it.item).collect();
        assert_eq!(items, (15..20).map(one).collect::<Vec<_>>(), "pages of {page}");
        for limit in [0, 1, 5, 6] {
            let found = scan(&store, request.clone().limit(limit)).await?;
            assert_eq!(found.len(), usize::try_from(limit.min(5)).expect("small"), "{limit}");
        }
    }
    assert_eq!(scan(&store, all(&store).limit(7)).await?.len(), 7);
    Ok(())
}

pub(super) async fn a_scan_resumes_after_every_record(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let (store, wanted) = filled(kv, scope, 12).await?;
    let found = scan(&store, all(&store)).await?;
    assert_eq!(found.len(), wanted.len());
    for page in [None, NonZeroU32::new(2)] {
        for (at, record) in found.iter().enumerate() {
            let after = Scan { page, ..all(&store).after(Cursor::after(record)) };
            assert_eq!(scan(&store, after).await?, found[at + 1..], "after {:?}", record.key);
        }
    }
    // In a segment too, and after a record that is no longer there.
    for number in 0..2 {
        let part = all(&store).segment(number, 2);
        let found = scan(&store, part.clone()).await?;
        for (at, record) in found.iter().enumerate() {
            kv.delete(store.delete(&record.key)).await?;
            let rest = scan(&store, part.clone().after(Cursor::after(record))).await?;
            assert_eq!(rest, found[at + 1..], "after {:?} of segment {number}", record.key);
        }
    }
    Ok(())
}

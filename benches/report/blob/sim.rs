//! The simulated Blob, beside `object_store`'s store in memory.

use std::hint::black_box;

use bytes::Bytes;
use futures::TryStreamExt as _;
use mvi_benches::{Goal, Report, Rounds, Row, Unit, clock};
use mvi_core::{
    Blob, BucketName,
    blob::{Body, CreateBucket, Get, Key, List, Put},
};
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload, memory::InMemory, path::Path};

use crate::{Result, per_second, rate, runtime};

const FOLDERS: usize = 100;
const EACH: usize = 100;
const BODY_BYTES: usize = 1_024;

type Side<'a> = &'a dyn Fn(usize) -> Result;

/// Both, filled alike: 100 folders of 100 objects of 1 KiB.
struct Sides {
    runtime: tokio::runtime::Runtime,
    blob: mvi_testkit::SimBlob,
    bucket: BucketName,
    store: InMemory,
    body: Bytes,
}

pub(super) fn run(rounds: Rounds, report: &mut Report) -> Result {
    let sides = Sides::new()?;
    let (calls, lists) = (rounds.times(100_000), rounds.times(2_000));
    let each = |work: Side<'_>, count: usize| {
        let time = clock::cpu(|| (0..count).try_for_each(work).expect("nothing here fails"));
        per_second(count, time)
    };
    let rows: [(&str, usize, Side<'_>, Side<'_>); 3] = [
        ("get 1 KiB", calls, &|n| sides.blob_get(n), &|n| sides.store_get(n)),
        ("put 1 KiB", calls, &|n| sides.blob_put(n), &|n| sides.store_put(n)),
        ("list 100", lists, &|n| sides.blob_list(n), &|n| sides.store_list(n)),
    ];
    for (what, count, ours, theirs) in rows {
        let compared = rounds.compare(|| each(ours, count), || each(theirs, count));
        report.push(Row {
            what: format!("Sim Blob: {what}"),
            ours: rate(compared.ours, "calls"),
            theirs: format!("{}, `object_store` in memory", rate(compared.theirs, "calls")),
            result: compared.ratio,
            unit: Unit::Ratio,
            goal: Some(Goal::AtLeast(0.8)),
        });
    }
    Ok(())
}

impl Sides {
    fn new() -> Result<Self> {
        let sides = Self {
            runtime: runtime()?,
            blob: mvi_testkit::blob(),
            bucket: BucketName::new("acme-7f3-objects")?,
            store: InMemory::new(),
            body: Bytes::from(vec![7; BODY_BYTES]),
        };
        let bucket = CreateBucket::new(sides.bucket.clone());
        sides.runtime.block_on(sides.blob.create_bucket(bucket))?;
        for n in 0..FOLDERS * EACH {
            sides.blob_put(n)?;
            sides.store_put(n)?;
        }
        Ok(sides)
    }

    /// The folder and the name of object `n`, of all of them in an order that jumps about.
    fn place(n: usize) -> (String, String) {
        let n = n.wrapping_mul(7_919) % (FOLDERS * EACH);
        let folder = format!("p{:02}", n / EACH);
        let key = format!("{folder}/{:02}", n % EACH);
        (folder, key)
    }

    fn blob_get(&self, n: usize) -> Result {
        let get = Get::new(self.bucket.clone(), Key::new(Self::place(n).1)?);
        let body =
            self.runtime.block_on(async { self.blob.get(get).await?.bytes(BODY_BYTES).await })?;
        assert_eq!(black_box(body).len(), BODY_BYTES);
        Ok(())
    }

    fn blob_put(&self, n: usize) -> Result {
        let put = Put::new(self.bucket.clone(), Key::new(Self::place(n).1)?);
        let body = Body::Bytes(self.body.clone());
        black_box(self.runtime.block_on(self.blob.put(put, body))?);
        Ok(())
    }

    fn blob_list(&self, n: usize) -> Result {
        let list = List::new(self.bucket.clone()).prefix(format!("{}/", Self::place(n).0));
        let found: Vec<_> = self.runtime.block_on(self.blob.list(list).try_collect())?;
        assert_eq!(black_box(found).len(), EACH);
        Ok(())
    }

    fn store_get(&self, n: usize) -> Result {
        let path = Path::from(Self::place(n).1);
        let body = self.runtime.block_on(async { self.store.get(&path).await?.bytes().await })?;
        assert_eq!(black_box(body).len(), BODY_BYTES);
        Ok(())
    }

    fn store_put(&self, n: usize) -> Result {
        let body = PutPayload::from(self.body.clone());
        let path = Path::from(Self::place(n).1);
        black_box(self.runtime.block_on(self.store.put(&path, body))?);
        Ok(())
    }

    fn store_list(&self, n: usize) -> Result {
        let list = self.store.list(Some(&Path::from(Self::place(n).0)));
        let found: Vec<_> = self.runtime.block_on(list.try_collect())?;
        assert_eq!(black_box(found).len(), EACH);
        Ok(())
    }
}

//! The simulated Kv, beside a map and beside `object_store`'s store in memory.

use std::{collections::BTreeMap, hint::black_box, sync::Mutex};

use bytes::Bytes;
use futures::TryStreamExt as _;
use mvi_benches::{Goal, Report, Rounds, Row, Unit, clock};
use mvi_core::{
    Kv, Name,
    kv::{Attr, CreateTable, Get, Item, Key, Put, Query, Value},
};
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload, memory::InMemory, path::Path};

use crate::{Result, per_second, rate, runtime};

const PARTITIONS: usize = 100;
const EACH: usize = 100;
const BODY_BYTES: usize = 1_024;

/// One of them, all filled alike: 100 partitions of 100 records of 1 KiB.
struct Sides {
    runtime: tokio::runtime::Runtime,
    kv: mvi_testkit::SimKv,
    map: Mutex<BTreeMap<Key, Item>>,
    store: InMemory,
    table: Name,
    body: Bytes,
}

type Side<'a> = &'a dyn Fn(usize) -> Result;

pub(crate) fn run(rounds: Rounds, report: &mut Report) -> Result {
    let sides = Sides::new()?;
    let calls = rounds.times(100_000);
    let queries = rounds.times(2_000);

    let row = |what: &str, theirs: &str, unit: &str, compared: mvi_benches::Compared, goal| Row {
        what: what.into(),
        ours: rate(compared.ours, unit),
        theirs: format!("{}, {theirs}", rate(compared.theirs, unit)),
        result: compared.ratio,
        unit: Unit::Ratio,
        goal,
    };
    let goal = Some(Goal::AtLeast(0.8));
    let (memory, map) = ("`object_store` in memory", "`Mutex<BTreeMap>`");
    let each = |work: &dyn Fn(usize) -> Result, count: usize| {
        let time = clock::cpu(|| (0..count).try_for_each(work).expect("nothing here fails"));
        per_second(count, time)
    };

    let get: [Side<'_>; 3] = [&|n| sides.kv_get(n), &|n| sides.store_get(n), &|n| sides.map_get(n)];
    let put: [Side<'_>; 3] = [&|n| sides.kv_put(n), &|n| sides.store_put(n), &|n| sides.map_put(n)];
    let query: [Side<'_>; 3] =
        [&|n| sides.kv_query(n), &|n| sides.store_list(n), &|n| sides.map_query(n)];
    for (what, unit, [ours, store, plain], count) in [
        ("Sim Kv: get 1 KiB", "calls", get, calls),
        ("Sim Kv: put 1 KiB", "calls", put, calls),
        ("Sim Kv: query 100 of 1 KiB (theirs: list 100, without bodies)", "calls", query, queries),
    ] {
        let compared = rounds.compare(|| each(ours, count), || each(store, count));
        report.push(row(what, memory, unit, compared, goal));
        let compared = rounds.compare(|| each(ours, count), || each(plain, count));
        report.push(row(what.split(" (").next().unwrap_or(what), map, unit, compared, None));
    }
    let (ours, store): (Side<'_>, Side<'_>) = (&|n| sides.kv_query(n), &|n| sides.store_read(n));
    let compared = rounds.compare(|| each(ours, queries), || each(store, queries));
    let what = "Sim Kv: query 100 of 1 KiB (theirs: list 100 and get each)";
    report.push(row(what, memory, "calls", compared, None));
    Ok(())
}

impl Sides {
    fn new() -> Result<Self> {
        let table = Name::new("records")?;
        let sides = Self {
            runtime: runtime()?,
            kv: mvi_testkit::kv(),
            map: Mutex::default(),
            store: InMemory::new(),
            table,
            body: Bytes::from(vec![7; BODY_BYTES]),
        };
        let records =
            CreateTable::new(sides.table.clone(), Attr::text("partition")).sort(Attr::int("n"));
        sides.runtime.block_on(sides.kv.create_table(records))?;
        for n in 0..PARTITIONS * EACH {
            sides.kv_put(n)?;
            sides.store_put(n)?;
            sides.map_put(n)?;
        }
        Ok(sides)
    }

    /// Record `n`, of all of them in an order that jumps about.
    fn place(n: usize) -> (String, i64) {
        let n = n.wrapping_mul(7_919) % (PARTITIONS * EACH);
        (format!("p{:02}", n / EACH), i64::try_from(n % EACH).unwrap_or_default())
    }

    fn key(n: usize) -> Key {
        let (partition, sort) = Self::place(n);
        Key::sorted(partition, sort)
    }

    fn path(n: usize) -> Path {
        let (partition, sort) = Self::place(n);
        Path::from(format!("{partition}/{sort:02}"))
    }

    fn item(&self) -> Item {
        Item::new().with("body", self.body.clone())
    }

    fn kv_get(&self, n: usize) -> Result {
        let found =
            self.runtime.block_on(self.kv.get(Get::new(self.table.clone(), Self::key(n))))?;
        let record = found.ok_or("a record is missing")?;
        let Some(Value::Bytes(body)) = record.item.get("body") else {
            return Err("no body".into());
        };
        assert_eq!(black_box(body).len(), BODY_BYTES);
        Ok(())
    }

    fn store_get(&self, n: usize) -> Result {
        let body =
            self.runtime.block_on(async { self.store.get(&Self::path(n)).await?.bytes().await })?;
        assert_eq!(black_box(body).len(), BODY_BYTES);
        Ok(())
    }

    fn map_get(&self, n: usize) -> Result {
        let map = self.map.lock().map_err(|e| e.to_string())?;
        black_box(map.get(&Self::key(n)).cloned().ok_or("a record is missing")?);
        Ok(())
    }

    fn kv_put(&self, n: usize) -> Result {
        let put = Put::new(self.table.clone(), Self::key(n), self.item());
        black_box(self.runtime.block_on(self.kv.put(put))?);
        Ok(())
    }

    fn store_put(&self, n: usize) -> Result {
        let body = PutPayload::from(self.body.clone());
        black_box(self.runtime.block_on(self.store.put(&Self::path(n), body))?);
        Ok(())
    }

    fn map_put(&self, n: usize) -> Result {
        let mut map = self.map.lock().map_err(|e| e.to_string())?;
        black_box(map.insert(Self::key(n), self.item()));
        Ok(())
    }

    fn kv_query(&self, n: usize) -> Result {
        let (partition, _) = Self::place(n);
        let query = Query::new(self.table.clone(), partition);
        let found: Vec<_> = self.runtime.block_on(self.kv.query(query).try_collect())?;
        assert_eq!(black_box(found).len(), EACH);
        Ok(())
    }

    fn store_list(&self, n: usize) -> Result {
        let (partition, _) = Self::place(n);
        let list = self.store.list(Some(&Path::from(partition)));
        let found: Vec<_> = self.runtime.block_on(list.try_collect())?;
        assert_eq!(black_box(found).len(), EACH);
        Ok(())
    }

    fn store_read(&self, n: usize) -> Result {
        let (partition, _) = Self::place(n);
        let list = self.store.list(Some(&Path::from(partition)));
        let found: Vec<_> = self.runtime.block_on(
            list.and_then(async |meta| self.store.get(&meta.location).await?.bytes().await)
                .try_collect(),
        )?;
        assert_eq!(black_box(found).len(), EACH);
        Ok(())
    }

    fn map_query(&self, n: usize) -> Result {
        let (partition, _) = Self::place(n);
        let from = Key::sorted(partition.clone(), 0);
        let map = self.map.lock().map_err(|e| e.to_string())?;
        let found: Vec<_> = map
            .range(from..)
            .take_while(|(key, _)| key.partition == partition.as_str().into())
            .map(|(key, item)| (key.clone(), item.clone()))
            .collect();
        assert_eq!(black_box(found).len(), EACH);
        Ok(())
    }
}

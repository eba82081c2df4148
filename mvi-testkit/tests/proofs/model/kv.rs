//! Random sequences on Kv, beside a list of records.

mod list;

use std::{num::NonZeroU32, ops::Bound, sync::Arc, time::Duration};

use futures::TryStreamExt as _;
use mvi_core::{
    ErrorKind, Kv, Name, Result, Timestamp, When,
    kv::{
        Attr, Change, Check, Comparison, Condition, CreateTable, Cursor, Delete, Expiry, Get,
        GetMany, Index, Item, Key, KeyValue, Operand, Order, Path, Put, Query, Range, Record, Scan,
        Step, Transact, Ttl, Update, Value, Version, Write, WriteMany,
    },
};
use mvi_testkit::Sim;
use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
    sample::select,
};

use self::list::List;
use super::SEQUENCES;
use crate::meta::kv::{Broken, Flaw};

/// How long a sequence is.
const LENGTH: std::ops::Range<usize> = 3..12;

/// A step of a sequence.
#[derive(Clone, Debug)]
enum Act {
    Get(Key),
    One(Part),
    GetMany(Vec<Key>),
    WriteMany(Vec<Part>),
    Transact(Vec<Part>),
    Query(Box<Query>, bool),
    Scan(Option<Condition>, Option<NonZeroU32>),
    Wait(u64),
}

/// A write of several, by itself or with others.
#[derive(Clone, Debug)]
enum Part {
    Put(Key, Item, Option<Only>, Option<When>),
    Update(Key, Vec<Change>, Option<Only>, Option<Expiry>),
    Delete(Key, Option<Only>),
    Check(Key, Only),
}

/// A condition, or the version that some earlier write made.
#[derive(Clone, Debug)]
enum Only {
    If(Condition),
    Version(usize),
}

fn table() -> Name {
    Name::new("model").unwrap()
}

fn keys() -> BoxedStrategy<Key> {
    (select(vec!["a", "b"]), -1_i64..2)
        .prop_map(|(partition, sort)| Key::sorted(partition, sort))
        .boxed()
}

fn numbers() -> BoxedStrategy<Value> {
    prop_oneof![
        4 => (-3_i64..4).prop_map(Value::from),
        2 => select(vec![i64::MAX, i64::MIN, i64::MAX - 1]).prop_map(Value::from),
        1 => select(vec![0.5, -1.5, 2.0, 1e19]).prop_map(|it| Value::try_from(it).unwrap()),
    ]
    .boxed()
}

fn texts() -> BoxedStrategy<Value> {
    select(vec!["", "a", "ab", "b", "ba", "é"]).prop_map(Value::from).boxed()
}

fn leaves() -> BoxedStrategy<Value> {
    prop_oneof![
        3 => numbers(),
        3 => texts(),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => vec(0_u8..3, 0..3).prop_map(|it| Value::Bytes(it.into())),
    ]
    .boxed()
}

/// What a list holds: few, so that they are there again.
fn elements() -> BoxedStrategy<Value> {
    prop_oneof![4 => (0_i64..2).prop_map(Value::from), 1 => leaves()].boxed()
}

fn lists() -> BoxedStrategy<Value> {
    vec(elements(), 0..3).prop_map(Value::List).boxed()
}

fn maps() -> BoxedStrategy<Value> {
    let names = prop_oneof![2 => Just("x"), 1 => Just("y")].prop_map(str::to_owned);
    btree_map(names, prop_oneof![numbers(), leaves()], 0..3).prop_map(Value::Map).boxed()
}

/// A name in an item: `o` and `n` are the index's, the others hold anything, `x` mostly a number, `l` a list, and `m` a map.
fn names() -> BoxedStrategy<&'static str> {
    select(vec!["x", "l", "m", "m.x"]).boxed()
}

fn values() -> BoxedStrategy<Value> {
    prop_oneof![5 => leaves(), 2 => lists(), 2 => maps()].boxed()
}

/// What is mostly under the name.
fn values_at(name: &'static str) -> BoxedStrategy<(&'static str, Value)> {
    let usual = match name {
        "x" => numbers(),
        "l" => lists(),
        "m" => maps(),
        _ => leaves(),
    };
    prop_oneof![4 => usual, 1 => values()].prop_map(move |it| (name, it)).boxed()
}

fn named() -> BoxedStrategy<(&'static str, Value)> {
    names().prop_flat_map(values_at).boxed()
}

/// What the index has: an owner that is not empty, and an integer.
fn owners() -> BoxedStrategy<Value> {
    select(vec!["ann", "bob"]).prop_map(Value::from).boxed()
}

fn items() -> BoxedStrategy<Item> {
    let rest = vec(named(), 0..4);
    let number = prop_oneof![4 => -2_i64..3, 1 => select(vec![i64::MAX, i64::MIN])];
    (rest, option::of(owners()), option::of(number))
        .prop_map(|(rest, owner, number)| {
            let owner = owner.map(|it| ("o", it));
            let number = number.map(|it| ("n", Value::from(it)));
            rest.into_iter().chain(owner).chain(number).collect()
        })
        .boxed()
}

fn paths() -> BoxedStrategy<Path> {
    prop_oneof![
        4 => names().prop_map(Path::from),
        1 => Just(Path::from("n")),
        2 => select(vec![["m", "x"], ["m", "y"], ["x", "y"]]).prop_map(Path::new),
    ]
    .boxed()
}

fn changes() -> BoxedStrategy<Change> {
    // Mostly where it may fit.
    let at = |usual: &'static str| {
        let nested = select(vec![["m", "x"], ["m", "y"], ["x", "y"]]).prop_map(Path::new);
        prop_oneof![4 => Just(Path::from(usual)), 1 => names().prop_map(Path::from), 2 => nested]
    };
    let by = || prop_oneof![2 => -3_i64..4, 1 => select(vec![i64::MAX, i64::MIN])];
    prop_oneof![
        3 => named().prop_map(|(name, value)| Change::Set(name.into(), value)),
        1 => (at("x"), leaves()).prop_map(|(path, value)| Change::Set(path, value)),
        1 => owners().prop_map(|it| Change::Set("o".into(), it)),
        3 => (at("x"), by()).prop_map(|(path, by)| Change::Increment(path, by)),
        2 => by().prop_map(|by| Change::Increment("n".into(), by)),
        3 => (at("l"), vec(elements(), 0..3)).prop_map(|(path, it)| Change::Append(path, it)),
        2 => at("m.x").prop_map(Change::Remove),
        1 => select(vec!["o", "n"]).prop_map(|it| Change::Remove(it.into())),
    ]
    .boxed()
}

fn comparisons() -> BoxedStrategy<Condition> {
    use Comparison::{Eq, Ge, Gt, Le, Lt, Ne};
    let ordered = prop_oneof![numbers(), texts()];
    prop_oneof![
        4 => (paths(), select(vec![Eq, Ne, Lt, Le, Gt, Ge]), ordered)
            .prop_map(|(path, how, value)| Condition::Compare(path, how, Operand::Value(value))),
        2 => (paths(), select(vec![Eq, Ne]), values())
            .prop_map(|(path, how, value)| Condition::Compare(path, how, Operand::Value(value))),
        1 => paths().prop_map(Condition::Has),
        1 => paths().prop_map(Condition::Lacks),
        1 => (paths(), select(vec!["a", "b"])).prop_map(|(path, it)| Condition::starts_with(path, it)),
        1 => (paths(), leaves()).prop_map(|(path, it)| Condition::Contains(path, it)),
    ].boxed()
}

/// Conditions as filters have them.
fn filters() -> BoxedStrategy<Condition> {
    prop_oneof![
        4 => comparisons(),
        1 => vec(comparisons(), 1..3).prop_map(Condition::All),
        1 => vec(comparisons(), 1..3).prop_map(Condition::Any),
        1 => comparisons().prop_map(Condition::not),
    ]
    .boxed()
}

fn onlys() -> BoxedStrategy<Only> {
    prop_oneof![
        3 => filters().prop_map(Only::If),
        2 => Just(Only::If(Condition::Absent)),
        2 => Just(Only::If(Condition::Present)),
        1 => filters().prop_map(|it| Only::If(Condition::Absent.or(it))),
        2 => (0_usize..8).prop_map(Only::Version),
    ]
    .boxed()
}

/// Past, at the time of the call, soon enough to be waited for, or later.
fn whens() -> BoxedStrategy<When> {
    prop_oneof![
        3 => Just(When::Ago(Duration::from_secs(1))),
        1 => Just(When::Now),
        3 => (1_u64..5).prop_map(|it| When::In(Duration::from_secs(it))),
        1 => Just(When::In(Duration::from_millis(2_700))),
        1 => Just(When::In(Duration::from_secs(1_000))),
    ]
    .boxed()
}

fn expiries() -> BoxedStrategy<Expiry> {
    prop_oneof![1 => Just(Expiry::Never), 3 => whens().prop_map(Expiry::At)].boxed()
}

fn parts() -> BoxedStrategy<Part> {
    prop_oneof![
        3 => (keys(), items(), option::of(onlys()), option::weighted(0.3, whens()))
            .prop_map(|(key, item, only, when)| Part::Put(key, item, only, when)),
        2 => (keys(), vec(changes(), 0..3), option::of(onlys()), option::weighted(0.2, expiries()))
            .prop_map(|(key, changes, only, expiry)| Part::Update(key, changes, only, expiry)),
        2 => (keys(), option::of(onlys())).prop_map(|(key, only)| Part::Delete(key, only)),
        2 => (keys(), onlys()).prop_map(|(key, only)| Part::Check(key, only)),
    ]
    .boxed()
}

fn ranges() -> BoxedStrategy<Range> {
    let bound = || {
        (0_u8..3, -3_i64..4).prop_map(|(kind, at)| match kind {
            0 => Bound::Unbounded,
            1 => Bound::Included(KeyValue::Int(at)),
            _ => Bound::Excluded(KeyValue::Int(at)),
        })
    };
    prop_oneof![
        1 => Just(Range::All),
        2 => (bound(), bound()).prop_map(|(from, to)| Range::Between(from, to)),
    ]
    .boxed()
}

/// Queries of the table and of the index; true where it goes on after the first half of what it gives.
fn queries() -> BoxedStrategy<Act> {
    let partition = prop_oneof![
        3 => select(vec!["a", "b"]).prop_map(|it| (it, false)),
        1 => select(vec!["ann", "bob"]).prop_map(|it| (it, true)),
    ];
    let page = option::of((1_u32..4).prop_map(|it| NonZeroU32::new(it).unwrap()));
    let rest = (any::<bool>(), option::weighted(0.5, 0_u64..4), page, any::<bool>());
    (partition, ranges(), option::of(filters()), rest)
        .prop_map(|((partition, in_index), range, filter, (down, limit, page, resume))| {
            let order = if down { Order::Descending } else { Order::Ascending };
            let query =
                Query { range, filter, order, limit, page, ..Query::new(table(), partition) };
            let query = if in_index { query.index(by_owner()) } else { query.strong() };
            Act::Query(Box::new(query), resume)
        })
        .boxed()
}

fn acts() -> BoxedStrategy<Act> {
    let page = option::of((1_u32..4).prop_map(|it| NonZeroU32::new(it).unwrap()));
    prop_oneof![
        6 => parts().prop_map(Act::One),
        2 => keys().prop_map(Act::Get),
        1 => vec(keys(), 0..5).prop_map(Act::GetMany),
        2 => vec(parts(), 1..4).prop_map(Act::WriteMany),
        3 => vec(parts(), 1..4).prop_map(Act::Transact),
        3 => queries(),
        1 => (option::of(filters()), page).prop_map(|(filter, page)| Act::Scan(filter, page)),
        2 => (1_u64..3_000).prop_map(Act::Wait),
    ]
    .boxed()
}

/// Some records, and what is then done with them.
fn sequences() -> BoxedStrategy<Vec<Act>> {
    let put = (keys(), items()).prop_map(|(key, item)| Act::One(Part::Put(key, item, None, None)));
    let all = (vec(put, 0..6), vec(acts(), LENGTH));
    all.prop_map(|(first, then)| first.into_iter().chain(then).collect()).boxed()
}

fn by_owner() -> Name {
    Name::new("by-owner").unwrap()
}

/// What a call gave, without what only a provider can make up: an error's kind, and which versions there are.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Failed(ErrorKind),
    Records(Vec<(Key, Item, Option<i64>)>),
    /// Which steps have a version.
    Written(Vec<bool>),
    Each(Vec<Seen>),
}

fn seen<R>(answer: Result<R>, view: impl FnOnce(R) -> Seen) -> Seen {
    answer.map_or_else(|e| Seen::Failed(e.kind()), view)
}

fn records(records: impl IntoIterator<Item = Record>) -> Seen {
    let view = |it: Record| (it.key, it.item, it.expires.map(Timestamp::as_second));
    Seen::Records(records.into_iter().map(view).collect())
}

fn row(row: Option<list::Row>) -> Seen {
    Seen::Records(row.into_iter().collect())
}

fn written(outcome: std::result::Result<Vec<bool>, ErrorKind>) -> Seen {
    outcome.map_or_else(Seen::Failed, Seen::Written)
}

/// Both of them, and the versions that writes have made.
struct Pair {
    sim: Sim,
    kv: Arc<dyn Kv>,
    list: List,
    versions: Vec<Version>,
}

impl Pair {
    async fn new(flaw: Option<Flaw>) -> Self {
        let sim = Sim::new(1).calm();
        let kv: Arc<dyn Kv> = match flaw {
            None => Arc::new(sim.kv.clone()),
            Some(_) => Arc::new(Broken::new(Arc::new(sim.kv.clone()), flaw)),
        };
        let index = Index::new(by_owner(), Attr::text("o")).sort(Attr::int("n"));
        let request = CreateTable::new(table(), Attr::text("id")).sort(Attr::int("at"));
        sim.kv.create_table(request.index(index).ttl(Ttl::On)).await.unwrap();
        Self { sim, kv, list: List::default(), versions: Vec::new() }
    }

    fn only(&self, only: Option<Only>) -> Option<Condition> {
        Some(match only? {
            Only::If(condition) => condition,
            Only::Version(which) => match self.versions.iter().rev().nth(which) {
                Some(version) => Condition::Version(version.clone()),
                None => Condition::Version(Version::new("none")),
            },
        })
    }

    fn step(&self, part: Part) -> Step {
        match part {
            Part::Put(key, item, only, expires) => {
                let put = Put::new(table(), key, item);
                Put { only_if: self.only(only), expires, ..put }.into()
            }
            Part::Update(key, changes, only, expires) => {
                let update = Update::new(table(), key);
                Update { changes, only_if: self.only(only), expires, ..update }.into()
            }
            Part::Delete(key, only) => {
                Delete { only_if: self.only(only), ..Delete::new(table(), key) }.into()
            }
            Part::Check(key, only) => {
                Check::new(table(), key, self.only(Some(only)).unwrap()).into()
            }
        }
    }

    /// Does it with both, and gives what both gave.
    async fn both(&mut self, act: Act) -> (Seen, Seen) {
        let now = self.sim.now();
        match act {
            Act::Wait(ms) => {
                self.sim.sleep(Duration::from_millis(ms)).await.unwrap();
                (Seen::Each(vec![]), Seen::Each(vec![]))
            }
            Act::Get(key) => {
                let found = self.kv.get(Get::new(table(), key.clone()).strong()).await;
                (seen(found, records), row(self.list.get(&key, now)))
            }
            Act::GetMany(keys) => {
                let many = GetMany::new(table(), keys.clone()).strong();
                let found = seen(self.kv.get_many(many).await, |all| {
                    Seen::Each(all.into_iter().map(|it| seen(it, records)).collect())
                });
                let listed = keys.iter().map(|it| row(self.list.get(it, now))).collect();
                (found, Seen::Each(listed))
            }
            Act::One(part) => match self.step(part) {
                Step::Put(put) => {
                    let answer = self.kv.put(put.clone()).await;
                    let version = answer.as_ref().ok().cloned();
                    let found = seen(answer, |_| Seen::Written(vec![true]));
                    (found, self.write(put.into(), version, now))
                }
                Step::Update(update) => {
                    let answer = self.kv.update(update.clone()).await;
                    let version = answer.as_ref().ok().map(|it| it.version.clone());
                    let key = update.key.clone();
                    let listed = match self.write(update.into(), version, now) {
                        Seen::Written(_) => row(self.list.made(&key)),
                        failed => failed,
                    };
                    (seen(answer, |it| records([it])), listed)
                }
                Step::Delete(delete) => {
                    let answer = self.kv.delete(delete.clone()).await;
                    let found = seen(answer, |()| Seen::Written(vec![false]));
                    (found, self.write(delete.into(), None, now))
                }
                check @ Step::Check(_) => self.transact(vec![check], now).await,
            },
            Act::WriteMany(parts) => {
                let steps = parts.into_iter().map(|it| self.step(it));
                let writes = steps.filter_map(|step| match step {
                    Step::Put(put) => Some(Write::Put(put)),
                    Step::Delete(delete) => Some(Write::Delete(delete)),
                    Step::Update(_) | Step::Check(_) => None,
                });
                let writes = writes.collect();
                self.write_many(writes, now).await
            }
            Act::Transact(parts) => {
                let steps = parts.into_iter().map(|it| self.step(it)).collect();
                self.transact(steps, now).await
            }
            Act::Query(query, resume) => self.query(*query, resume, now).await,
            Act::Scan(filter, page) => {
                let scan = Scan { filter: filter.clone(), page, ..Scan::new(table()).strong() };
                let found: Result<Vec<Record>> = self.kv.scan(scan).try_collect().await;
                // In no order that means anything.
                let sorted = found.map(|mut all| {
                    all.sort_by(|a, b| a.key.cmp(&b.key));
                    all
                });
                (seen(sorted, records), Seen::Records(self.list.scan(filter.as_ref(), now)))
            }
        }
    }

    async fn write_many(&mut self, writes: Vec<Write>, now: Timestamp) -> (Seen, Seen) {
        let answer = self.kv.write_many(WriteMany::new(writes.clone())).await;
        if list::twice(writes.iter().map(|it| it.target().1)) {
            let found = seen(answer, |_| Seen::Each(vec![]));
            return (found, Seen::Failed(ErrorKind::Invalid));
        }
        let mut versions = Vec::new();
        let found = seen(answer, |all| {
            let each = all.into_iter().map(|one| {
                versions.push(one.as_ref().ok().cloned().flatten());
                seen(one, |it| Seen::Written(vec![it.is_some()]))
            });
            Seen::Each(each.collect())
        });
        let steps = writes.into_iter().map(|write| match write {
            Write::Put(put) => Step::Put(put),
            Write::Delete(delete) => Step::Delete(delete),
        });
        let listed = steps.zip(versions).map(|(step, version)| self.write(step, version, now));
        (found, Seen::Each(listed.collect()))
    }

    async fn transact(&mut self, steps: Vec<Step>, now: Timestamp) -> (Seen, Seen) {
        let answer = self.kv.transact(Transact { steps: steps.clone() }).await;
        let made = answer.as_ref().ok().cloned().unwrap_or_default();
        let found = seen(answer, |all| Seen::Written(all.iter().map(Option::is_some).collect()));
        self.versions.extend(made.iter().flatten().cloned());
        (found, written(self.list.transact(steps, &made, now)))
    }

    async fn query(&mut self, mut query: Query, resume: bool, now: Timestamp) -> (Seen, Seen) {
        let whole: Result<Vec<Record>> = self.kv.query(query.clone()).try_collect().await;
        if resume
            && let Ok(whole) = whole
            && let Some(half) = whole.get(whole.len() / 2)
        {
            query.after = Some(match &query.index {
                None => Cursor::after(half),
                Some(index) => {
                    let table = self.kv.table(&table()).await.unwrap();
                    Cursor::after_in(&table, index, half).unwrap()
                }
            });
        }
        let found: Result<Vec<Record>> = self.kv.query(query.clone()).try_collect().await;
        let listed = self.list.query(&query, now);
        (seen(found, records), listed.map_or_else(Seen::Failed, Seen::Records))
    }

    fn write(&mut self, step: Step, version: Option<Version>, now: Timestamp) -> Seen {
        self.versions.extend(version.clone());
        written(self.list.transact(vec![step], &[version], now))
    }
}

impl super::Pair for Pair {
    type Act = Act;
    type Seen = Seen;

    async fn act(&mut self, act: Act) -> (Seen, Seen) {
        self.both(act).await
    }
}

/// Runs so many sequences on the simulated Kv, sound or with a flaw.
fn run(cases: u32, flaw: Option<Flaw>) -> std::result::Result<(), String> {
    super::run(cases, flaw.is_some(), &sequences(), async || Pair::new(flaw).await)
}

#[test]
fn random_sequences_give_what_a_list_gives() {
    if let Err(failure) = run(SEQUENCES, None) {
        panic!("{failure}");
    }
}

/// Else the sequences may never come to what matters.
#[test]
fn random_sequences_find_what_is_broken() {
    for flaw in [
        Flaw::PutMerges,
        Flaw::NullsAreDropped,
        Flaw::DeleteForgetsItsCondition,
        Flaw::NeWantsSomething,
        Flaw::OverflowSaturates,
        Flaw::AppendSkipsRepeats,
        Flaw::NothingExpires,
        Flaw::UpdateRevivesTheExpired,
        Flaw::UpdateForgetsTheExpiry,
        Flaw::TransactSkipsChecks,
        Flaw::TransactTakesStepsOneByOne,
        Flaw::PagesLoseARecord,
        Flaw::ExcludedBoundsAreIncluded,
        Flaw::DescendingIsIgnored,
        Flaw::LimitComesBeforeTheFilter,
        Flaw::CursorIsIncluded,
        Flaw::IndexIsNotUpdated,
    ] {
        assert!(run(SEQUENCES / 2, Some(flaw)).is_err(), "{flaw:?} is not found");
    }
}

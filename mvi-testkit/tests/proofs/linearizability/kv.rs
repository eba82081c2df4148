//! Conditional writes of one record.

use std::{sync::Arc, time::Duration};

use mvi_core::{
    Cloud, ErrorKind, Kv, Name,
    kv::{Attr, Condition, CreateTable, Delete, Get, Item, Key, Put, Record, Value, Version},
};
use mvi_testkit::{Fault, Faults, KvWeather, Lost, Sim, Weather};
use rand_chacha::{ChaCha8Rng, rand_core::Rng as _};

use super::{Act, CLIENTS, Call, Client, Known, all_are_linearizable, caught, decided, told};
use crate::meta::kv::{Broken, Flaw};

/// One of those who race.
struct Racer {
    kv: Arc<dyn Kv>,
    table: Name,
    /// What it saw last.
    seen: Option<(i64, Version)>,
}

impl Client for Racer {
    async fn act(&mut self, random: &mut ChaCha8Rng, fresh: i64) -> (Act, Known) {
        let key = || Key::new("one");
        let table = || self.table.clone();
        let put = || Put::new(table(), key(), Item::new().with("n", fresh));
        let seen = self.seen.clone();
        match (random.next_u32() % 8, seen) {
            (0 | 1, _) => {
                let answer = self.kv.get(Get::new(table(), key()).strong()).await;
                let known = told(&answer);
                let found = answer.ok().flatten().map(|it| (number(&it), it.version));
                self.seen = found.clone().or(self.seen.take());
                // What a read that failed saw, nobody knows; it changed nothing.
                let known = if matches!(known, Known::Done) { known } else { Known::NotDone };
                (Act::Read(found.map(|it| it.0)), known)
            }
            (2, _) => {
                let answer = self.kv.put(put()).await;
                (Act::Write(fresh), told(&answer))
            }
            (3, _) => {
                let answer = self.kv.delete(Delete::new(table(), key())).await;
                (Act::Delete, told(&answer))
            }
            (4 | 5, Some((n, version))) => {
                // The same, since no number is written twice.
                let by_version = random.next_u32().is_multiple_of(2);
                let condition =
                    if by_version { Condition::Version(version) } else { Condition::eq("n", n) };
                let answer = self.kv.put(put().only_if(condition)).await;
                let (happened, known) = decided(&answer);
                if let Ok(version) = answer {
                    self.seen = Some((fresh, version));
                }
                (Act::Swap(n, fresh, happened), known)
            }
            (6, Some((n, version))) => {
                let delete = Delete::new(table(), key()).only_if(Condition::Version(version));
                let (happened, known) = decided(&self.kv.delete(delete).await);
                (Act::Take(n, happened), known)
            }
            _ => {
                let answer = self.kv.put(put().only_if(Condition::Absent)).await;
                let (happened, known) = decided(&answer);
                (Act::Create(fresh, happened), known)
            }
        }
    }
}

fn number(record: &Record) -> i64 {
    record.item.get("n").and_then(Value::as_int).unwrap()
}

/// The history that a seed makes, on the cloud that `wrap` makes of the simulated one.
fn history(seed: u64, wrap: fn(Cloud) -> Arc<dyn Kv>) -> Vec<Call> {
    super::history(seed, async |seed| {
        let latency = Duration::from_millis(1)..=Duration::from_millis(40);
        // Only reads that are not strong may lag.
        let lag = Duration::ZERO..=Duration::from_millis(200);
        let kv = KvWeather { lag, ..Weather::calm().kv };
        let sim = Sim::new(seed).weather(Weather { latency, kv, ..Weather::calm() });
        let table = Name::new("race").unwrap();
        let create = CreateTable::new(table.clone(), Attr::text("id"));
        sim.kv.create_table(create).await.unwrap();
        let lost = Faults::new(seed)
            .with(Fault::lose("kv.put", Lost::Timeout).chance(0.15).times(3))
            .with(Fault::lose("kv.delete", Lost::Reset).chance(0.15).times(2))
            .with(Fault::refuse("kv.*", ErrorKind::Throttled).chance(0.1))
            .with(Fault::delay("kv.*", Duration::from_millis(60)).chance(0.2));
        let kv: Arc<dyn Kv> = wrap(sim.cloud().hooked(lost));
        let racer = |_| Racer { kv: Arc::clone(&kv), table: table.clone(), seen: None };
        (0..CLIENTS).map(racer).collect()
    })
}

#[test]
fn racing_conditional_writes_are_linearizable_though_answers_are_lost() {
    all_are_linearizable(|seed| history(seed, |cloud| cloud.kv));
}

/// How many histories a flaw shows in.
fn shows(wrap: fn(Cloud) -> Arc<dyn Kv>) -> usize {
    caught(|seed| history(seed, wrap))
}

#[test]
fn a_kv_that_looks_and_then_writes_is_not_linearizable() {
    assert!(shows(|it| Arc::new(Broken::new(it.kv, Some(Flaw::PutLooksThenWrites)))) > 0);
}

#[test]
fn a_kv_that_reads_what_was_is_not_linearizable() {
    assert!(shows(|it| Arc::new(Broken::new(it.kv, Some(Flaw::StrongGetIsEventual)))) > 0);
}

#[test]
fn a_kv_that_forgets_conditions_is_not_linearizable() {
    assert!(shows(|it| Arc::new(Broken::new(it.kv, Some(Flaw::PutForgetsItsCondition)))) > 0);
}

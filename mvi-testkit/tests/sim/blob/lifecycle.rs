//! What a bucket does by itself, in simulated time.

use std::time::Duration;

use futures::StreamExt as _;
use mvi_core::{
    Blob,
    blob::{Delete, Rule, StartUpload, VersionState, Versioning},
};
use mvi_testkit::{Outcome, Sim, Weather};

use super::{all, bucket, key, sim_in, versions, write};
use crate::{seconds, simulated};

fn hours(hours: u64) -> Duration {
    Duration::from_hours(hours)
}

fn happened(sim: &Sim, event: &str) -> Vec<Duration> {
    let log = sim.log();
    let happened = log.iter().filter(|it| it.op == event && it.outcome == Outcome::Happened);
    happened.map(|it| it.time).collect()
}

#[test]
fn an_object_expires_at_the_midnight_after_its_days() {
    simulated(|| async {
        let sim = sim_in(Weather::calm()).await;
        sim.sleep(hours(6)).await.unwrap();
        for name in ["tmp/1", "keep", "log/1"] {
            write(&sim.blob, name, "x").await;
        }
        let rules = vec![Rule::expire("tmp/", 1), Rule::expire("log/", 3)];
        sim.blob.set_lifecycle(&bucket(), rules).await.unwrap();
        sim.sleep(hours(30)).await.unwrap();
        write(&sim.blob, "tmp/2", "x").await;
        sim.sleep(hours(12).saturating_sub(seconds(1))).await.unwrap();
        assert_eq!(all(&sim.blob).await.len(), 4, "at {:?}", sim.elapsed());
        sim.sleep(seconds(1)).await.unwrap();
        assert_eq!(all(&sim.blob).await, ["keep", "log/1", "tmp/2"]);
        sim.sleep(hours(24)).await.unwrap();
        assert_eq!(all(&sim.blob).await, ["keep", "log/1"]);
        sim.sleep(hours(24)).await.unwrap();
        assert_eq!(all(&sim.blob).await, ["keep"]);
        assert_eq!(happened(&sim, "blob.expired"), [hours(48), hours(72), hours(96)]);
    });
}

#[test]
fn what_expires_in_a_versioned_bucket_is_a_version_until_that_expires_too() {
    simulated(|| async {
        let sim = sim_in(Weather::calm()).await;
        sim.blob.set_versioning(&bucket(), Versioning::On).await.unwrap();
        let rules = vec![Rule::expire("", 1), Rule::expire_noncurrent("", 2)];
        sim.blob.set_lifecycle(&bucket(), rules).await.unwrap();
        write(&sim.blob, "a", "1").await;
        write(&sim.blob, "a", "2").await;
        sim.sleep(hours(24)).await.unwrap();
        assert!(all(&sim.blob).await.is_empty());
        let left = versions(&sim.blob).await;
        assert!(left.len() == 2 && left.iter().all(|it| it.state == VersionState::Noncurrent));
        sim.sleep(hours(24)).await.unwrap();
        assert_eq!(versions(&sim.blob).await.len(), 1, "the first was replaced two days ago");
        sim.sleep(hours(24)).await.unwrap();
        assert!(versions(&sim.blob).await.is_empty());
        assert_eq!(happened(&sim, "blob.version_expired"), [hours(48), hours(72)]);
        sim.blob.delete_bucket(&bucket()).await.unwrap();
    });
}

#[test]
fn the_rules_of_the_day_are_those_that_were_said_last() {
    simulated(|| async {
        let sim = sim_in(Weather::calm()).await;
        sim.blob.set_lifecycle(&bucket(), vec![Rule::expire("", 1)]).await.unwrap();
        write(&sim.blob, "a", "x").await;
        write(&sim.blob, "b", "x").await;
        sim.sleep(hours(23)).await.unwrap();
        let rules = vec![Rule::expire("a", 5), Rule::expire("b", 2)];
        sim.blob.set_lifecycle(&bucket(), rules.clone()).await.unwrap();
        assert_eq!(sim.blob.bucket(&bucket()).await.unwrap().lifecycle, rules);
        sim.sleep(hours(2)).await.unwrap();
        assert_eq!(all(&sim.blob).await, ["a", "b"]);
        sim.sleep(hours(24)).await.unwrap();
        assert_eq!(all(&sim.blob).await, ["a"]);
        sim.blob.set_lifecycle(&bucket(), Vec::new()).await.unwrap();
        sim.sleep(hours(1_000)).await.unwrap();
        assert_eq!(all(&sim.blob).await, ["a"]);
    });
}

#[test]
fn in_fair_weather_it_takes_up_to_a_day_longer() {
    let removed = |seed| {
        simulated(move || async move {
            let sim = Sim::new(seed).calm();
            sim.blob.create_bucket(mvi_core::blob::CreateBucket::new(bucket())).await.unwrap();
            let sim = sim.weather(Weather::fair());
            write(&sim.blob, "a", "x").await;
            sim.blob.set_lifecycle(&bucket(), vec![Rule::expire("", 1)]).await.unwrap();
            sim.sleep(hours(96)).await.unwrap();
            assert!(all(&sim.blob).await.is_empty());
            happened(&sim, "blob.expired")[0]
        })
    };
    let removed: Vec<_> = (0..20).map(removed).collect();
    assert!(removed.iter().all(|it| (hours(48)..=hours(72)).contains(it)), "{removed:?}");
    assert!(removed.iter().max().unwrap().abs_diff(*removed.iter().min().unwrap()) > hours(6));
}

#[test]
fn an_upload_is_aborted_when_it_is_a_week_old() {
    simulated(|| async {
        let sim = sim_in(Weather::calm()).await;
        sim.sleep(hours(1)).await.unwrap();
        let start = || StartUpload::new(bucket(), key("film"));
        let old = sim.blob.start_upload(start()).await.unwrap();
        sim.blob.upload_part(&old, super::part(1), "x".into()).await.unwrap();
        sim.sleep(hours(24)).await.unwrap();
        sim.blob.start_upload(start()).await.unwrap();
        sim.sleep(hours(7 * 24 - 2)).await.unwrap();
        assert_eq!(sim.blob.uploads(&bucket()).count().await, 2);
        sim.sleep(hours(2)).await.unwrap();
        assert_eq!(sim.blob.uploads(&bucket()).count().await, 1);
        sim.sleep(hours(24)).await.unwrap();
        assert_eq!(sim.blob.uploads(&bucket()).count().await, 0);
        assert_eq!(happened(&sim, "blob.aborted"), [hours(8 * 24), hours(9 * 24)]);
    });
}

#[test]
fn a_bucket_that_is_gone_is_not_swept() {
    simulated(|| async {
        let sim = sim_in(Weather::calm()).await;
        let create = mvi_core::blob::CreateBucket::new(bucket());
        sim.blob.set_lifecycle(&bucket(), vec![Rule::expire("", 1)]).await.unwrap();
        sim.blob.delete_bucket(&bucket()).await.unwrap();
        sim.blob.create_bucket(create).await.unwrap();
        write(&sim.blob, "a", "x").await;
        sim.sleep(hours(72)).await.unwrap();
        assert_eq!(all(&sim.blob).await, ["a"], "its namesake's rules are not its own");
    });
}

#[test]
fn a_year_of_a_large_bucket_passes_fast() {
    simulated(|| async {
        let sim = sim_in(Weather::calm()).await;
        for n in 0..100_000 {
            write(&sim.blob, &format!("{}/{n}", n % 10), "x").await;
        }
        let rules = (0..10).map(|n| Rule::expire(format!("{n}/"), 30 * (n + 1)));
        sim.blob.set_lifecycle(&bucket(), rules.collect()).await.unwrap();
        sim.sleep(hours(24 * 365)).await.unwrap();
        assert!(all(&sim.blob).await.is_empty());
        sim.blob.delete(Delete::new(bucket(), key("0/0"))).await.unwrap();
    });
}

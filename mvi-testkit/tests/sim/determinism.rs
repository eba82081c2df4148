//! The same seed, the same world.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt as _, TryStreamExt as _};
use mvi_core::{
    Blob, BucketName, Cloud, ErrorKind, Kv, KvExt as _, Labels, Result, When,
    blob::{
        self, Complete, Copy, CreateBucket, DeleteMany, Head, Key, List, Mode, PartNumber, Rule,
        Source, StartUpload, Versioning, Versions,
    },
    hook::{Plane, Timeout},
    kv::{Condition, Delete, Get, GetMany, Put, Query, Scan, Transact, Update, WriteMany},
};
use mvi_testkit::{Fault, KvWeather, Lost, Sim, Weather};

use super::{by_owner, link, links, links_table, seconds, simulated, visits, visits_table};

/// One run: what happened, and what the callers saw of it.
#[derive(PartialEq)]
struct Run {
    log: Vec<String>,
    answers: Vec<String>,
    injected: usize,
}

fn run(seed: u64) -> Run {
    simulated(move || async move {
        let kv = KvWeather { partition_rate: Some(40), ..Weather::hostile().kv };
        let sim = Sim::new(seed).weather(Weather { kv, ..Weather::hostile() });
        sim.outage(Some(Plane::Data), seconds(16)..seconds(17));
        let faults = sim.faults();
        faults.inject(Fault::refuse("kv.put", ErrorKind::Throttled).chance(0.1));
        faults.inject(Fault::lose("kv.update", Lost::Timeout).nth(3));
        faults.inject(Fault::delay("kv.*", Duration::from_millis(700)).chance(0.05));
        faults.inject(Fault::never_answer("kv.delete").chance(0.1));
        faults.inject(Fault::cut("kv.scan", 2).chance(0.3));
        faults.inject(Fault::lose("blob.put", Lost::Timeout).chance(0.1));
        faults.inject(Fault::cut("blob.get", 1).chance(0.3));
        faults.inject(Fault::never_answer("blob.delete").chance(0.1));

        let cloud = sim.cloud().hooked(Timeout::after(seconds(5)));
        let _ = cloud.kv.create_table(links_table()).await;
        let _ = cloud.kv.create_table(visits_table()).await;
        let _ = cloud.blob.create_bucket(CreateBucket::new(texts())).await;
        sim.sleep(seconds(15)).await.unwrap();
        let callers: Vec<_> = (0..8).map(|it| tokio::spawn(work(cloud.clone(), it))).collect();
        let mut answers = Vec::new();
        for caller in callers {
            answers.extend(caller.await.unwrap());
        }
        // A week of lifecycles.
        sim.sleep(Duration::from_hours(9 * 24)).await.unwrap();
        let log = sim.log().iter().map(ToString::to_string).collect();
        Run { log, answers, injected: faults.injected().len() }
    })
}

fn texts() -> BucketName {
    BucketName::new("acme-7f3-texts").unwrap()
}

/// What one caller does, among seven others, and what it sees.
async fn work(cloud: Cloud, task: i64) -> Vec<String> {
    let mut answers = work_with_blob(&*cloud.blob, task).await;
    let kv: Arc<dyn Kv> = cloud.kv;
    let mut see = |what: &dyn std::fmt::Debug| answers.push(format!("{task}: {what:?}"));
    for round in 0..3 {
        let code = format!("code-{round}");
        let expires = When::In(seconds(u64::try_from(task).unwrap()));
        see(&kv.put(link(&code).only_if(Condition::Absent).expires(expires)).await);
        see(&kv.update(Update::new(links(), code.as_str()).increment("hits", 1)).await);
        see(&kv.get(Get::new(links(), code.as_str())).await);
        let visit = Put::new(visits(), mvi_core::kv::Key::sorted("ann", task), link("x").item);
        see(&kv.transact(Transact::new().step(visit).step(link(&format!("{task}")))).await);
        let writes = (0..4).map(|n| link(&format!("many-{n}")));
        see(&kv.write_many(WriteMany::new(writes)).await);
        see(&kv.get_many(GetMany::new(links(), (0..4).map(|n| format!("many-{n}")))).await);
        let query = Query::new(links(), "ann").index(by_owner());
        see(&kv.query(query).collect::<Vec<_>>().await);
        see(&kv.scan(Scan::new(links())).collect::<Vec<Result<_>>>().await);
        see(&kv.delete(Delete::new(links(), format!("many-{task}"))).await);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    see(&kv.fetch(Get::new(links(), "code-0").strong()).await);
    answers
}

/// Every operation of Blob, on keys that all callers share.
async fn work_with_blob(blob: &dyn Blob, task: i64) -> Vec<String> {
    let mut answers = Vec::new();
    let mut see = |what: &dyn std::fmt::Debug| answers.push(format!("{task}: {what:?}"));
    let key = |name: &str| Key::new(name).unwrap();
    let rules = vec![Rule::expire("a", 1), Rule::expire_noncurrent("", 1)];
    see(&blob.set_versioning(&texts(), Versioning::On).await);
    see(&blob.set_lifecycle(&texts(), rules).await);
    for round in 0..2 {
        let name = key(&format!("a/{round}"));
        let put = blob::Put::new(texts(), name.clone()).mode(Mode::IfAbsent);
        see(&blob.put(put, vec![round; 90_000].into()).await);
        let whole = blob.get(blob::Get::new(texts(), name.clone())).await;
        see(&whole);
        if let Ok(object) = whole {
            see(&object.body.map_ok(|it| it.len()).collect::<Vec<_>>().await);
        }
        see(&blob.head(Head::new(texts(), name.clone())).await);
        let copy =
            Copy::new(Source::new(texts(), name.clone()), texts(), key(&format!("b/{task}")));
        see(&blob.copy(copy).await);
        let upload = blob.start_upload(StartUpload::new(texts(), key("c"))).await;
        see(&upload);
        if let Ok(upload) = upload {
            let part = blob.upload_part(&upload, PartNumber::new(1).unwrap(), "x".into()).await;
            see(&part);
            see(&blob.parts(&upload).collect::<Vec<_>>().await);
            match part {
                Ok(part) => see(&blob.complete_upload(Complete::new(upload, vec![part])).await),
                Err(_) => see(&blob.abort_upload(&upload).await),
            }
        }
        see(&blob.uploads(&texts()).collect::<Vec<_>>().await);
        see(&blob.list(List::new(texts()).delimiter("/")).collect::<Vec<_>>().await);
        see(&blob.versions(Versions::new(texts())).collect::<Vec<_>>().await);
        see(&blob.delete(blob::Delete::new(texts(), name)).await);
        let gone = (0..4).map(|n| key(&format!("b/{n}")));
        see(&blob.delete_many(DeleteMany::new(texts(), gone)).await);
        see(&blob.list_buckets(Labels::new()).collect::<Vec<_>>().await);
        see(&blob.bucket(&texts()).await);
    }
    see(&blob.delete_bucket(&texts()).await);
    answers
}

#[test]
fn the_same_seed_gives_the_same_log() {
    for seed in 0..100 {
        let (one, other) = (run(seed), run(seed));
        let differs = one.log.iter().zip(&other.log).find(|(one, other)| one != other);
        assert_eq!(differs, None, "seed {seed}");
        assert!(
            one == other,
            "seed {seed}: the logs are the same, and what the callers saw is not"
        );
    }
}

#[test]
fn another_seed_gives_another_log() {
    let runs: Vec<_> = (0..10).map(run).collect();
    for (number, one) in runs.iter().enumerate() {
        assert!(one.log.len() > 500, "{} entries", one.log.len());
        assert!(one.log.iter().any(|it| it.contains("blob.version_expired")), "no lifecycle");
        assert!(one.injected > 5, "{} faults", one.injected);
        assert!(runs[number + 1..].iter().all(|other| one.log != other.log));
    }
}

#[test]
fn the_log_says_what_happened_to_each_call() {
    simulated(|| async {
        let sim = super::sim_in(Weather::fair()).await;
        sim.kv.put(link("gh")).await.unwrap();
        let again = sim.kv.put(link("gh").only_if(Condition::Absent)).await;
        assert_eq!(again.unwrap_err().kind(), ErrorKind::Conflict);
        let log = sim.log();
        let calls: Vec<_> = log.iter().filter(|it| it.op == "kv.put").collect();
        let lines: Vec<_> = calls.iter().map(ToString::to_string).collect();
        let ends: Vec<_> = lines.iter().map(|it| it.split("kv.put ").nth(1).unwrap()).collect();
        assert_eq!(
            ends,
            [
                "links: sent",
                "links: applied",
                "links: answered",
                "links: sent",
                "links: refused, Conflict",
                "links: failed, Conflict"
            ]
        );
        assert!(calls[0].time < calls[1].time && calls[1].time <= calls[2].time);
        assert_eq!(calls[0].call, calls[2].call);
        assert_ne!(calls[2].call, calls[3].call);
        assert!(log.iter().enumerate().all(|(number, it)| it.seq == number as u64));
    });
}

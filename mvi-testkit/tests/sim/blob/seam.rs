//! Faults at the seam, over Blob.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use mvi_core::{
    Applied, Blob, BlobExt as _, BucketName, Cloud, ErrorKind, Result,
    blob::{
        Complete, Copy, CreateBucket, Delete, DeleteMany, Entry, Head, List, OPS, Rule, Source,
        StartUpload, Versioning, Versions,
    },
    hook::Timeout,
};
use mvi_testkit::{Fault, Lost, Sim, Weather};

use super::{all, bucket, get_of, key, part, pattern, put_to, sim_in, text, write};
use crate::{seconds, simulated};

/// A cloud with its seam, and an object that comes in ten chunks.
async fn with_object() -> (Sim, Cloud) {
    let sim = sim_in(Weather::calm()).await;
    sim.set_weather(|it| it.blob.chunk = 1_000..=1_000);
    sim.blob.put_bytes(put_to("a"), pattern(10_000)).await.unwrap();
    let cloud = sim.cloud();
    (sim, cloud)
}

async fn chunks(cloud: &Cloud) -> Vec<Result<Bytes>> {
    cloud.blob.get(get_of("a")).await.unwrap().body.collect().await
}

#[test]
fn a_body_is_cut_where_the_fault_says() {
    simulated(|| async {
        let (sim, cloud) = with_object().await;
        sim.faults().inject(Fault::cut("blob.get", 3).times(1));
        let seen = chunks(&cloud).await;
        assert_eq!(seen.len(), 4);
        assert!(seen[..3].iter().all(|it| it.as_ref().is_ok_and(|it| it.len() == 1_000)));
        let error = seen[3].as_ref().unwrap_err();
        assert_eq!((error.kind(), error.op()), (ErrorKind::Unavailable, "blob.get"));
        assert_eq!(chunks(&cloud).await.len(), 10);
    });
}

#[test]
fn a_chunk_that_is_lost_repeated_or_fails_at_the_seam_is_what_the_caller_gets() {
    simulated(|| async {
        let (sim, cloud) = with_object().await;
        let whole = |seen: Vec<Result<Bytes>>| {
            seen.into_iter().collect::<Result<Vec<_>>>().unwrap().concat()
        };
        sim.faults().inject(Fault::drop_item("blob.get", 1).times(1));
        assert_eq!(whole(chunks(&cloud).await).len(), 9_000);
        sim.faults().inject(Fault::repeat_item("blob.get", 1).times(1));
        assert_eq!(whole(chunks(&cloud).await).len(), 11_000);
        sim.faults().inject(Fault::fail_item("blob.get", 1, ErrorKind::Internal).times(1));
        let seen = chunks(&cloud).await;
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[1].as_ref().unwrap_err().kind(), ErrorKind::Internal);
    });
}

#[test]
fn a_list_is_cut_where_the_fault_says() {
    simulated(|| async {
        let (sim, cloud) = with_object().await;
        for name in ["b", "c"] {
            write(&sim.blob, name, "x").await;
        }
        sim.faults().inject(Fault::cut("blob.list", 2).times(1));
        let seen: Vec<Result<Entry>> = cloud.blob.list(List::new(bucket())).collect().await;
        assert_eq!(seen.len(), 3);
        assert_eq!(seen[2].as_ref().unwrap_err().kind(), ErrorKind::Unavailable);
    });
}

#[test]
fn a_call_that_waits_ends_with_the_callers_patience() {
    simulated(|| async {
        let (sim, cloud) = with_object().await;
        sim.faults().inject(Fault::delay("blob.head", seconds(3)).times(1));
        cloud.blob.head(Head::new(bucket(), key("a"))).await.unwrap();
        assert_eq!(sim.elapsed(), seconds(3));

        sim.faults().inject(Fault::never_answer("blob.put").times(1));
        let patient = cloud.clone().hooked(Timeout::after(seconds(30)));
        let error = patient.blob.put_bytes(put_to("silent"), "x").await.unwrap_err();
        assert_eq!((error.kind(), error.applied()), (ErrorKind::Timeout, Applied::Unknown));
        assert_eq!(sim.elapsed(), seconds(33));
        assert_eq!(text(&sim.blob, "silent").await.unwrap(), "x");

        sim.faults().inject(Fault::refuse("blob.*", ErrorKind::Throttled).on(bucket().as_str()));
        let error = cloud.blob.put_bytes(put_to("refused"), "x").await.unwrap_err();
        assert_eq!((error.kind(), error.applied()), (ErrorKind::Throttled, Applied::No));
        assert_eq!(all(&sim.blob).await, ["a", "silent"]);
    });
}

#[test]
fn every_mutation_can_lose_its_answer() {
    for op in OPS.iter().filter(|it| it.mutates()) {
        simulated(move || async move {
            let (sim, cloud) = with_object().await;
            let fresh = BucketName::new("acme-7f3-fresh").unwrap();
            let spare = BucketName::new("acme-7f3-spare").unwrap();
            sim.blob.create_bucket(CreateBucket::new(spare.clone())).await.unwrap();
            let start = || StartUpload::new(bucket(), key("new"));
            let upload = sim.blob.start_upload(start()).await.unwrap();
            let stored = sim.blob.upload_part(&upload, part(1), "x".into()).await.unwrap();
            sim.faults().inject(Fault::lose(op.name(), Lost::Timeout));

            let blob = &cloud.blob;
            let rules = vec![Rule::expire("", 1)];
            let complete = Complete::new(upload.clone(), vec![stored]);
            let copy = Copy::new(Source::new(bucket(), key("a")), bucket(), key("new"));
            let answer = match op.name() {
                "blob.create_bucket" => {
                    blob.create_bucket(CreateBucket::new(fresh.clone())).await.map(drop)
                }
                "blob.delete_bucket" => blob.delete_bucket(&spare).await,
                "blob.set_versioning" => blob.set_versioning(&bucket(), Versioning::On).await,
                "blob.set_lifecycle" => blob.set_lifecycle(&bucket(), rules.clone()).await,
                "blob.put" => blob.put_bytes(put_to("new"), "x").await.map(drop),
                "blob.delete" => blob.delete(Delete::new(bucket(), key("a"))).await,
                "blob.delete_many" => {
                    blob.delete_many(DeleteMany::new(bucket(), [key("a")])).await.map(drop)
                }
                "blob.copy" => blob.copy(copy).await.map(drop),
                "blob.start_upload" => blob.start_upload(start()).await.map(drop),
                "blob.upload_part" => {
                    blob.upload_part(&upload, part(2), "x".into()).await.map(drop)
                }
                "blob.complete_upload" => blob.complete_upload(complete).await.map(drop),
                "blob.abort_upload" => blob.abort_upload(&upload).await,
                other => panic!("{other} is new: lose its answer here"),
            };
            let error = answer.unwrap_err();
            assert_eq!(
                (error.kind(), error.applied()),
                (ErrorKind::Timeout, Applied::Unknown),
                "{}",
                op.name()
            );
            let there = all(&sim.blob).await;
            let found = sim.blob.bucket(&bucket()).await.unwrap();
            let applied = match op.name() {
                "blob.create_bucket" => sim.blob.bucket(&fresh).await.is_ok(),
                "blob.delete_bucket" => sim.blob.bucket(&spare).await.is_err(),
                "blob.set_versioning" => found.versioning == Versioning::On,
                "blob.set_lifecycle" => found.lifecycle == rules,
                "blob.delete" | "blob.delete_many" => there.is_empty(),
                "blob.start_upload" => sim.blob.uploads(&bucket()).count().await == 2,
                "blob.upload_part" => sim.blob.parts(&upload).count().await == 2,
                "blob.abort_upload" => sim.blob.uploads(&bucket()).count().await == 0,
                _ => there == ["a", "new"],
            };
            assert!(applied, "{} was not applied", op.name());
        });
    }
}

#[test]
fn a_lost_answer_is_found_by_asking_again() {
    simulated(|| async {
        let (sim, cloud) = with_object().await;
        sim.faults().inject(Fault::lose("blob.complete_upload", Lost::Reset).times(1));
        let upload =
            cloud.blob.start_upload(StartUpload::new(bucket(), key("film"))).await.unwrap();
        let stored = cloud.blob.upload_part(&upload, part(1), "x".into()).await.unwrap();
        let complete = Complete::new(upload, vec![stored]);
        assert!(cloud.blob.complete_upload(complete.clone()).await.unwrap_err().may_have_applied());
        let meta = cloud.blob.complete_upload(complete).await.unwrap();
        assert_eq!(sim.blob.head(Head::new(bucket(), key("film"))).await.unwrap(), meta);

        // An upload whose start was not answered is found in the list.
        sim.faults().inject(Fault::lose("blob.start_upload", Lost::Timeout).times(1));
        let lost = cloud.blob.start_upload(StartUpload::new(bucket(), key("film"))).await;
        assert!(lost.is_err());
        let found = cloud.blob.uploads(&bucket()).next().await.unwrap().unwrap();
        cloud.blob.abort_upload(&found).await.unwrap();
        assert_eq!(cloud.blob.uploads(&bucket()).count().await, 0);
        assert_eq!(cloud.blob.versions(Versions::new(bucket())).count().await, 2);
        sim.sleep(Duration::from_hours(1)).await.unwrap();
    });
}

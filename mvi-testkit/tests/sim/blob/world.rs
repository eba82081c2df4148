//! What the weather does to Blob; and that it does nothing of it on a calm or a fair day.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use mvi_core::{
    Applied, Blob, BlobExt as _, ErrorKind, Labels, Result,
    blob::{
        Body, Complete, Crc32c, CreateBucket, Delete, DeleteMany, Get, Key, List, StartUpload,
        VersionState, Versioning,
    },
    hook::Plane,
};
use mvi_testkit::{Sim, Weather};

use super::{
    all, blob_weather, bucket, get_of, key, least_part, listed, part, pattern, put_to, sim_in,
    text, versions, write,
};
use crate::{seconds, simulated};

#[test]
fn a_fresh_bucket_may_not_be_found_and_a_removed_one_still_listed() {
    simulated(|| async {
        let visibility = seconds(2)..=seconds(2);
        let sim = Sim::new(7).weather(blob_weather(|it| it.visibility = visibility));
        let listed = || sim.blob.list_buckets(Labels::new()).count();
        let create = || sim.blob.create_bucket(CreateBucket::new(bucket()));
        create().await.unwrap();
        assert_eq!(sim.blob.bucket(&bucket()).await.unwrap_err().kind(), ErrorKind::NotFound);
        let put = sim.blob.put_bytes(put_to("a"), "x").await;
        assert_eq!(put.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(listed().await, 0);
        create().await.unwrap();
        sim.blob.wait_bucket(&bucket(), seconds(5)).await.unwrap();
        assert_eq!(listed().await, 1);

        sim.blob.delete_bucket(&bucket()).await.unwrap();
        assert_eq!(sim.blob.bucket(&bucket()).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(listed().await, 1, "the list is behind");
        sim.sleep(seconds(2)).await.unwrap();
        assert_eq!(listed().await, 0);
    });
}

#[test]
fn a_list_of_versions_may_be_old_and_a_list_of_objects_never() {
    simulated(|| async {
        let lag = Duration::ZERO..=seconds(1);
        let sim = sim_in(blob_weather(|it| it.versions_lag = lag)).await;
        let (mut unborn, mut undead) = (0, 0);
        for round in 0..50 {
            write(&sim.blob, "a", "x").await;
            assert_eq!(all(&sim.blob).await, ["a"], "round {round}");
            unborn += u32::from(versions(&sim.blob).await.is_empty());
            sim.sleep(seconds(1)).await.unwrap();
            assert_eq!(versions(&sim.blob).await.len(), 1, "older than the weather allows");

            sim.blob.delete(Delete::new(bucket(), key("a"))).await.unwrap();
            assert!(all(&sim.blob).await.is_empty(), "round {round}");
            let old = versions(&sim.blob).await;
            assert!(old.iter().all(|it| it.state == VersionState::Current), "{old:?}");
            undead += u32::from(!old.is_empty());
            sim.sleep(seconds(1)).await.unwrap();
            assert!(versions(&sim.blob).await.is_empty(), "older than the weather allows");
        }
        // Nothing passes between a write and the list, so nearly each is behind.
        assert!(unborn > 40, "{unborn} of 50 were old");
        assert!(undead > 40, "{undead} of 50 were old");
    });
}

#[test]
fn an_old_list_of_versions_is_as_it_was() {
    simulated(|| async {
        let sim = sim_in(Weather::calm()).await;
        sim.blob.set_versioning(&bucket(), Versioning::On).await.unwrap();
        let (one, two) = (write(&sim.blob, "a", "1").await, write(&sim.blob, "a", "2").await);
        let sim = sim.weather(blob_weather(|it| it.versions_lag = seconds(9)..=seconds(9)));
        sim.sleep(seconds(10)).await.unwrap();
        let before = versions(&sim.blob).await;
        assert_eq!(before.len(), 2);
        write(&sim.blob, "a", "3").await;
        for gone in [one, two] {
            let mut delete = Delete::new(bucket(), key("a"));
            delete.version = gone.version;
            sim.blob.delete(delete).await.unwrap();
        }
        sim.sleep(seconds(1)).await.unwrap();
        assert_eq!(versions(&sim.blob).await, before, "nine seconds ago");
        sim.sleep(seconds(9)).await.unwrap();
        assert_eq!(versions(&sim.blob).await.len(), 1);
    });
}

#[test]
fn a_torn_upload_is_refused_and_nothing_stored() {
    simulated(|| async {
        let sim = sim_in(blob_weather(|it| it.torn_upload = 1.0)).await;
        let error = sim.blob.put_bytes(put_to("a"), "whole").await.unwrap_err();
        assert_eq!((error.kind(), error.applied()), (ErrorKind::Corrupt, Applied::No));
        assert!(all(&sim.blob).await.is_empty());
        let upload = sim.blob.start_upload(StartUpload::new(bucket(), key("a"))).await.unwrap();
        let error = sim.blob.upload_part(&upload, part(1), "whole".into()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert_eq!(sim.blob.parts(&upload).count().await, 0);
        sim.set_weather(|it| it.blob.torn_upload = 0.0);
        write(&sim.blob, "a", "whole").await;
    });
}

#[test]
fn a_flipped_bit_is_found_by_a_whole_read_and_by_no_range() {
    simulated(|| async {
        let sim = sim_in(Weather::calm()).await;
        let bytes = pattern(100_000);
        sim.blob.put_bytes(put_to("a"), bytes.clone()).await.unwrap();
        sim.set_weather(|it| (it.blob.bit_flip, it.blob.chunk) = (1.0, 1_000..=9_000));
        for _ in 0..20 {
            let mut seen = Vec::new();
            let mut body = sim.blob.get(get_of("a")).await.unwrap().body;
            let end = loop {
                match body.next().await {
                    Some(Ok(chunk)) => seen.extend_from_slice(&chunk),
                    end => break end,
                }
            };
            assert_eq!(end.unwrap().unwrap_err().kind(), ErrorKind::Corrupt);
            assert!(body.next().await.is_none());
            assert!(seen.len() < bytes.len(), "nobody takes it for the whole");

            let range = sim.blob.get_bytes(get_of("a").range(10..99_990), 100_000).await.unwrap();
            let flipped: u32 =
                range.iter().zip(&bytes[10..]).map(|(one, other)| (one ^ other).count_ones()).sum();
            assert_eq!(flipped, 1);
        }
        sim.set_weather(|it| it.blob.bit_flip = 0.0);
        assert!(text(&sim.blob, "a").await.unwrap() == bytes, "what is stored is as it was");
    });
}

/// Reads an object, going on by range where the connection breaks; and how often it did.
async fn resumed(blob: &dyn Blob, get: Get) -> Result<(Bytes, u32)> {
    let (mut seen, mut broke, mut tag) = (Vec::new(), 0, None);
    loop {
        let mut get = get.clone();
        if let Some(tag) = tag.clone() {
            get = get.range(seen.len() as u64..).if_match(tag);
        }
        let mut object = blob.get(get).await?;
        tag = Some(object.meta.tag.clone());
        loop {
            match object.body.next().await {
                None => return Ok((seen.into(), broke)),
                Some(Ok(chunk)) => seen.extend_from_slice(&chunk),
                Some(Err(e)) if e.kind() == ErrorKind::Unavailable => break broke += 1,
                Some(Err(e)) => return Err(e),
            }
        }
    }
}

#[test]
fn a_cut_body_ends_with_an_error_and_a_reader_goes_on_from_there() {
    simulated(|| async {
        let sim = sim_in(Weather::calm()).await;
        let bytes = pattern(100_000);
        sim.blob.put_bytes(put_to("a"), bytes.clone()).await.unwrap();
        sim.set_weather(|it| (it.blob.cut_body, it.blob.chunk) = (0.8, 1_000..=9_000));
        let mut all = 0;
        for _ in 0..20 {
            let (seen, broke) = resumed(&sim.blob, get_of("a")).await.unwrap();
            assert!(seen == bytes);
            all += broke;
        }
        assert!((20..200).contains(&all), "it broke {all} times in 20");

        // The object is another one when the reader comes back.
        sim.set_weather(|it| it.blob.cut_body = 1.0);
        let first = sim.blob.get(get_of("a")).await.unwrap();
        let tag = first.meta.tag.clone();
        assert_eq!(first.bytes(100_000).await.unwrap_err().kind(), ErrorKind::Unavailable);
        write(&sim.blob, "a", "another").await;
        let rest = sim.blob.get(get_of("a").range(10..).if_match(tag)).await;
        assert_eq!(rest.unwrap_err().kind(), ErrorKind::Conflict);
    });
}

#[test]
fn a_lost_part_can_be_sent_again() {
    simulated(|| async {
        let sim = sim_in(blob_weather(|it| it.lost_part = 1.0)).await;
        let upload = sim.blob.start_upload(StartUpload::new(bucket(), key("a"))).await.unwrap();
        let send = |number| sim.blob.upload_part(&upload, part(number), least_part().into());
        let parts = vec![send(1).await.unwrap(), send(2).await.unwrap()];
        let complete = sim.blob.complete_upload(Complete::new(upload.clone(), parts.clone()));
        assert_eq!(complete.await.unwrap_err().kind(), ErrorKind::Invalid);
        assert!(all(&sim.blob).await.is_empty());

        sim.set_weather(|it| it.blob.lost_part = 0.0);
        let left: Vec<_> = sim.blob.parts(&upload).try_collect().await.unwrap();
        assert_eq!(left.len(), 1);
        let gone = parts.iter().find(|it| it.number != left[0].number).unwrap();
        let mut parts = vec![left[0].clone(), send(gone.number.get()).await.unwrap()];
        parts.sort_by_key(|it| it.number);
        let meta = sim.blob.complete_upload(Complete::new(upload.clone(), parts)).await.unwrap();
        assert_eq!(meta.checksum, Some(Crc32c::of(&[least_part(), least_part()].concat())));
    });
}

#[test]
fn a_batch_may_be_served_in_part() {
    simulated(|| async {
        let sim = sim_in(Weather::calm()).await;
        let keys: Vec<Key> = (0..100).map(|n| key(&format!("{n:03}"))).collect();
        for it in &keys {
            write(&sim.blob, it.as_str(), "x").await;
        }
        sim.set_weather(|it| it.blob.partial_batch = 0.3);
        let removed = sim.blob.delete_many(DeleteMany::new(bucket(), keys.clone())).await.unwrap();
        let refused = removed.iter().filter(|it| it.is_err()).count();
        assert!((10..60).contains(&refused), "{refused} of 100 were refused");
        let left = all(&sim.blob).await;
        for (at, removed) in keys.iter().zip(&removed) {
            assert_eq!(left.contains(&at.to_string()), removed.is_err(), "{at}");
            if let Err(error) = removed {
                let told = (error.kind(), error.applied(), error.op());
                assert_eq!(told, (ErrorKind::Throttled, Applied::No, "blob.delete_many"));
            }
        }
    });
}

#[test]
fn calls_are_throttled_and_not_applied() {
    simulated(|| async {
        let sim = sim_in(blob_weather(|it| it.throttled = 0.5)).await;
        let mut refused = 0;
        for n in 0..100 {
            match sim.blob.put_bytes(put_to(&format!("{n}")), "x").await {
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::Throttled && e.applied() == Applied::No => {
                    refused += 1;
                }
                Err(e) => panic!("{e}"),
            }
        }
        assert!((30..70).contains(&refused), "{refused} of 100 were refused");
        sim.set_weather(|it| it.blob.throttled = 0.0);
        assert_eq!(all(&sim.blob).await.len(), 100 - refused);
    });
}

#[test]
fn short_and_empty_pages_lose_nothing() {
    simulated(|| async {
        let pages = |sim: &Sim| sim.log().iter().filter(|it| it.op == "blob.list").count();
        let sim = sim_in(blob_weather(|it| it.page = 10)).await;
        sim.blob.set_versioning(&bucket(), Versioning::On).await.unwrap();
        for n in 0..50 {
            write(&sim.blob, &format!("{}/{n}", n % 5), "x").await;
            sim.blob.start_upload(StartUpload::new(bucket(), key(&format!("{n}")))).await.unwrap();
        }
        let upload = sim.blob.start_upload(StartUpload::new(bucket(), key("up"))).await.unwrap();
        for number in 1..=50 {
            sim.blob.upload_part(&upload, part(number), "x".into()).await.unwrap();
        }
        let whole = all(&sim.blob).await;
        assert_eq!((whole.len(), pages(&sim)), (50, 5));
        let old = versions(&sim.blob).await;
        let uploads: Vec<_> = sim.blob.uploads(&bucket()).try_collect().await.unwrap();
        let parts: Vec<_> = sim.blob.parts(&upload).try_collect().await.unwrap();
        assert_eq!((old.len(), uploads.len(), parts.len()), (50, 51, 50));

        for (short, empty) in [(1.0, 0.0), (0.0, 1.0), (0.7, 0.7)] {
            sim.set_weather(|it| (it.blob.short_page, it.blob.empty_page) = (short, empty));
            let before = pages(&sim);
            assert_eq!(all(&sim.blob).await, whole, "short {short}, empty {empty}");
            assert!(pages(&sim) - before > 5, "{} pages", pages(&sim) - before);
            let some = listed(&sim.blob, List::new(bucket()).limit(33)).await;
            assert_eq!(some, whole[..33]);
            let folded = listed(&sim.blob, List::new(bucket()).delimiter("/")).await;
            assert_eq!(folded, ["0/", "1/", "2/", "3/", "4/"]);
            assert_eq!(versions(&sim.blob).await, old);
            let again: Vec<_> = sim.blob.uploads(&bucket()).try_collect().await.unwrap();
            assert_eq!(again, uploads);
            let again: Vec<_> = sim.blob.parts(&upload).try_collect().await.unwrap();
            assert_eq!(again, parts);
        }
    });
}

#[test]
fn a_body_takes_time_and_comes_in_chunks() {
    simulated(|| async {
        let latency = Duration::from_millis(10)..=Duration::from_millis(10);
        let mut weather = Weather { latency, ..Weather::calm() };
        weather.blob.chunk = 1_000..=1_000;
        let sim = sim_in(weather).await;
        let bytes = pattern(10_500);
        sim.blob.put_bytes(put_to("a"), bytes.clone()).await.unwrap();
        let object = sim.blob.get(get_of("a")).await.unwrap();
        let opened = sim.elapsed();
        // What is written meanwhile is not in it.
        write(&sim.blob, "a", "another").await;
        let written = sim.elapsed();
        let chunks: Vec<Bytes> = object.body.try_collect().await.unwrap();
        assert_eq!(chunks.len(), 11);
        assert!(chunks.concat() == bytes);
        assert_eq!(written, opened + Duration::from_millis(10));
        assert_eq!(sim.elapsed(), written + Duration::from_millis(110));

        let object = sim.blob.get(get_of("a")).await.unwrap();
        sim.outage(Some(Plane::Data), sim.elapsed()..sim.elapsed() + seconds(1));
        let error = object.bytes(9).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    });
}

#[test]
fn a_reader_sees_a_whole_object_whatever_is_written() {
    simulated(|| async {
        let mut weather = Weather::fair();
        weather.blob.chunk = 1_000..=5_000;
        let sim = sim_in(weather).await;
        let of = |byte: u8| Bytes::from(vec![byte; 20_000]);
        sim.blob.put_bytes(put_to("a"), of(0)).await.unwrap();
        let writer = sim.clone();
        let writing = tokio::spawn(async move {
            for byte in 1..50 {
                writer.blob.put_bytes(put_to("a"), of(byte)).await.unwrap();
            }
        });
        let mut seen = std::collections::BTreeSet::new();
        while !writing.is_finished() {
            let bytes = text(&sim.blob, "a").await.unwrap();
            assert!(bytes.len() == 20_000 && bytes.iter().all(|it| *it == bytes[0]));
            seen.insert(bytes[0]);
        }
        writing.await.unwrap();
        assert!(seen.len() > 5, "{seen:?}");
    });
}

/// Every operation that a fault could befall, many times.
async fn many_calls(sim: &Sim) {
    let blob = &sim.blob;
    for n in 0..100 {
        let name = format!("{n:03}");
        let put = blob.put_bytes(put_to(&name), pattern(5_000)).await.unwrap();
        assert!(text(blob, &name).await.unwrap() == pattern(5_000));
        assert_eq!(versions(blob).await.last().map(|it| it.tag.clone()), Some(Some(put.tag)));
    }
    for _ in 0..20 {
        let upload = blob.start_upload(StartUpload::new(bucket(), key("up"))).await.unwrap();
        let body = Body::from("x");
        let part = blob.upload_part(&upload, part(1), body).await.unwrap();
        blob.complete_upload(Complete::new(upload, vec![part])).await.unwrap();
    }
    let keys = (0..100).map(|n| key(&format!("{n:03}")));
    let removed = blob.delete_many(DeleteMany::new(bucket(), keys)).await.unwrap();
    assert!(removed.iter().all(Result::is_ok));
}

#[test]
fn on_a_calm_or_a_fair_day_nothing_goes_wrong() {
    for weather in [Weather::calm(), Weather::fair()] {
        simulated(|| async { many_calls(&sim_in(weather).await).await });
    }
}

#[test]
fn on_a_hostile_day_each_fault_shows() {
    simulated(|| async {
        let sim = sim_in(Weather::hostile()).await;
        let seen = std::cell::RefCell::new(std::collections::BTreeMap::new());
        let note = |what: &'static str, kind| {
            *seen.borrow_mut().entry((what, format!("{kind:?}"))).or_insert(0) += 1;
        };
        for n in 0..400 {
            match sim.blob.put_bytes(put_to("a"), pattern(2_000)).await {
                Err(e) => note("put", e.kind()),
                Ok(_) if n % 100 == 0 => {}
                Ok(_) => match sim.blob.get_bytes(get_of("a"), 2_000).await {
                    Ok(bytes) => assert!(bytes == pattern(2_000)),
                    Err(e) => note("get", e.kind()),
                },
            }
        }
        let kinds: Vec<_> = seen.into_inner().into_keys().collect();
        let wanted = [
            ("get", "Corrupt"),
            ("get", "Throttled"),
            ("get", "Unavailable"),
            ("put", "Corrupt"),
            ("put", "Throttled"),
        ];
        assert_eq!(kinds, wanted.map(|(what, kind)| (what, kind.to_owned())));
    });
}

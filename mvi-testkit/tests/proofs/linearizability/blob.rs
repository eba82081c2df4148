//! Conditional writes of one object, whole and in parts.

use std::{sync::Arc, time::Duration};

use mvi_core::{
    Blob, BlobExt as _, BucketName, Cloud, ErrorKind, Result,
    blob::{Complete, CreateBucket, Delete, Get, Key, Meta, Mode, PartNumber, Put, Tag},
};
use mvi_testkit::{BlobWeather, Fault, Faults, Lost, Sim, Weather};
use rand_chacha::{ChaCha8Rng, rand_core::Rng as _};

use super::{Act, CLIENTS, Call, Client, Known, all_are_linearizable, caught, decided, told};
use crate::meta::blob::{Broken, Flaw};

/// One of those who race.
struct Racer {
    blob: Arc<dyn Blob>,
    bucket: BucketName,
    /// What it saw last.
    seen: Option<(i64, Tag)>,
}

fn key() -> Key {
    Key::new("one").unwrap()
}

impl Racer {
    fn get(&self) -> Get {
        Get::new(self.bucket.clone(), key())
    }

    /// Reads the number there, if any.
    async fn read(&self) -> Result<Option<(i64, Tag)>> {
        let object = match self.blob.get(self.get()).await {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            answer => answer?,
        };
        let tag = object.meta.tag.clone();
        let text = object.bytes(100).await?;
        Ok(Some((String::from_utf8_lossy(&text).parse().unwrap(), tag)))
    }

    /// Writes a number, by a put or by an upload of one part. Only its last call says whether it did.
    async fn write(&self, number: i64, mode: Mode, by_upload: bool) -> Result<Meta> {
        let put = Put::new(self.bucket.clone(), key());
        if !by_upload {
            return self.blob.put_bytes(put.mode(mode), number.to_string()).await;
        }
        let applied = |e: mvi_core::Error| e.with_applied(mvi_core::Applied::No);
        let upload = self.blob.start_upload(put.upload()).await.map_err(applied)?;
        let one = PartNumber::new(1)?;
        let part = self.blob.upload_part(&upload, one, number.to_string().into()).await;
        let complete = Complete::new(upload, vec![part.map_err(applied)?]);
        self.blob.complete_upload(complete.mode(mode)).await
    }
}

impl Client for Racer {
    async fn act(&mut self, random: &mut ChaCha8Rng, fresh: i64) -> (Act, Known) {
        let by_upload = random.next_u32().is_multiple_of(3);
        let delete = Delete::new(self.bucket.clone(), key());
        match (random.next_u32() % 8, self.seen.clone()) {
            (0 | 1, _) => {
                let answer = self.read().await;
                let known = told(&answer);
                let found = answer.ok().flatten();
                self.seen = found.clone().or(self.seen.take());
                // What a read that failed saw, nobody knows; it changed nothing.
                let known = if matches!(known, Known::Done) { known } else { Known::NotDone };
                (Act::Read(found.map(|it| it.0)), known)
            }
            (2, _) => {
                let answer = self.write(fresh, Mode::Always, by_upload).await;
                (Act::Write(fresh), told(&answer))
            }
            (3, _) => {
                let answer = self.blob.delete(delete).await;
                (Act::Delete, told(&answer))
            }
            (4 | 5, Some((n, tag))) => {
                let answer = self.write(fresh, Mode::IfMatch(tag), by_upload).await;
                let (happened, known) = decided(&answer);
                if let Ok(meta) = answer {
                    self.seen = Some((fresh, meta.tag));
                }
                (Act::Swap(n, fresh, happened), known)
            }
            (6, Some((n, tag))) => {
                let (happened, known) = decided(&self.blob.delete(delete.if_match(tag)).await);
                (Act::Take(n, happened), known)
            }
            _ => {
                let answer = self.write(fresh, Mode::IfAbsent, by_upload).await;
                let (happened, known) = decided(&answer);
                (Act::Create(fresh, happened), known)
            }
        }
    }
}

/// The history that a seed makes, on the cloud that `wrap` makes of the simulated one.
fn history(seed: u64, wrap: fn(Cloud) -> Arc<dyn Blob>) -> Vec<Call> {
    super::history(seed, async |seed| {
        let latency = Duration::from_millis(1)..=Duration::from_millis(40);
        // A body comes bit by bit, while others write.
        let blob = BlobWeather { chunk: 1..=2, ..Weather::calm().blob };
        let sim = Sim::new(seed).weather(Weather { latency, blob, ..Weather::calm() });
        let bucket = BucketName::new("race").unwrap();
        sim.blob.create_bucket(CreateBucket::new(bucket.clone())).await.unwrap();
        let lost = Faults::new(seed)
            .with(Fault::lose("blob.put", Lost::Timeout).chance(0.15).times(2))
            .with(Fault::lose("blob.complete_upload", Lost::Internal).chance(0.3).times(1))
            .with(Fault::lose("blob.delete", Lost::Reset).chance(0.15).times(2))
            .with(Fault::refuse("blob.*", ErrorKind::Throttled).chance(0.1))
            .with(Fault::delay("blob.*", Duration::from_millis(60)).chance(0.2));
        let blob: Arc<dyn Blob> = wrap(sim.cloud().hooked(lost));
        let racer = |_| Racer { blob: Arc::clone(&blob), bucket: bucket.clone(), seen: None };
        (0..CLIENTS).map(racer).collect()
    })
}

#[test]
fn racing_conditional_writes_are_linearizable_though_answers_are_lost() {
    all_are_linearizable(|seed| history(seed, |cloud| cloud.blob));
}

fn broken(cloud: Cloud, flaw: Flaw) -> Arc<dyn Blob> {
    Arc::new(Broken::new(cloud.blob, Some(flaw)))
}

/// How many histories a flaw shows in.
fn shows(wrap: fn(Cloud) -> Arc<dyn Blob>) -> usize {
    caught(|seed| history(seed, wrap))
}

#[test]
fn a_blob_that_looks_and_then_puts_is_not_linearizable() {
    assert!(shows(|it| broken(it, Flaw::PutLooksThenWrites)) > 0);
}

#[test]
fn a_blob_that_looks_and_then_completes_is_not_linearizable() {
    assert!(shows(|it| broken(it, Flaw::CompleteLooksThenWrites)) > 0);
}

#[test]
fn a_blob_that_looks_and_then_deletes_is_not_linearizable() {
    assert!(shows(|it| broken(it, Flaw::DeleteLooksThenDeletes)) > 0);
}

#[test]
fn a_blob_that_reads_what_was_is_not_linearizable() {
    assert!(shows(|it| broken(it, Flaw::GetIsOld)) > 0);
}

#[test]
fn a_blob_that_forgets_conditions_is_not_linearizable() {
    assert!(shows(|it| broken(it, Flaw::PutForgetsItsMode)) > 0);
}

//! The simulated Blob: what each call does, what its bucket does by itself, and what its weather does to it.

mod calls;
#[cfg(feature = "http")]
mod http;
mod lifecycle;
mod seam;
mod transfer;
mod world;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use mvi_core::{
    Blob, BlobExt as _, BucketName, Result,
    blob::{
        Body, CreateBucket, Entry, Get, Key, List, MIN_PART_BYTES, Meta, ObjectVersion, PartNumber,
        Put, Replay, Versions,
    },
};
use mvi_testkit::{BlobWeather, Sim, Weather};

fn bucket() -> BucketName {
    BucketName::new("acme-7f3-texts").unwrap()
}

fn key(key: &str) -> Key {
    Key::new(key).unwrap()
}

fn part(number: u32) -> PartNumber {
    PartNumber::new(number).unwrap()
}

fn put_to(at: &str) -> Put {
    Put::new(bucket(), key(at))
}

fn get_of(at: &str) -> Get {
    Get::new(bucket(), key(at))
}

/// A cloud in `weather` with a bucket that was made in calm weather.
async fn sim_in(weather: Weather) -> Sim {
    let sim = Sim::new(7).calm();
    sim.blob.create_bucket(CreateBucket::new(bucket())).await.unwrap();
    sim.weather(weather)
}

fn blob_weather(change: impl FnOnce(&mut BlobWeather)) -> Weather {
    let mut weather = Weather::calm();
    change(&mut weather.blob);
    weather
}

async fn write(blob: &dyn Blob, at: &str, text: &'static str) -> Meta {
    blob.put_bytes(put_to(at), text).await.unwrap()
}

async fn text(blob: &dyn Blob, at: &str) -> Result<Bytes> {
    blob.get_bytes(get_of(at), 64 << 20).await
}

async fn listed(blob: &dyn Blob, list: List) -> Vec<String> {
    let entries: Vec<Entry> = blob.list(list).try_collect().await.unwrap();
    entries.iter().map(|it| it.as_str().to_owned()).collect()
}

async fn all(blob: &dyn Blob) -> Vec<String> {
    listed(blob, List::new(bucket())).await
}

async fn versions(blob: &dyn Blob) -> Vec<ObjectVersion> {
    blob.versions(Versions::new(bucket())).try_collect().await.unwrap()
}

/// Bytes that tell where they are from.
fn pattern(length: usize) -> Bytes {
    (0..length).map(|at| u8::try_from((at * 31 + at / 251) % 256).unwrap()).collect()
}

fn replay(bytes: Bytes, chunk: usize) -> Body {
    Body::Replay(Replay::new(bytes.len() as u64, move |range| {
        let at = |offset: u64| usize::try_from(offset).unwrap();
        let bytes = bytes.slice(at(range.start)..at(range.end));
        let count = bytes.len().div_ceil(chunk);
        let piece = move |at: usize| bytes.slice(at * chunk..bytes.len().min((at + 1) * chunk));
        stream::iter((0..count).map(move |at| Ok(piece(at)))).boxed()
    }))
}

fn once(pieces: Vec<Result<Bytes>>) -> Body {
    Body::Once(stream::iter(pieces).boxed())
}

/// As much as a part that is not the last must have.
fn least_part() -> Bytes {
    pattern(MIN_PART_BYTES.try_into().unwrap())
}

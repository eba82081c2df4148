//! Many records at once, each with its own outcome.

use std::collections::HashMap;

use futures::{StreamExt as _, stream};
use gcloud_sdk::{google::firestore::v1::Write as WireWrite, prost::Message as _};
use mvi_core::{
    Error, Result,
    kv::{GetMany, Record, Table, Version, codec},
};
use tokio::time::{Instant, sleep};

use super::{
    client::Client,
    document::Stored,
    write::{Planned, commit, unconditional},
};
use crate::{attempt::pause, clock, error};

/// The most documents to read in one call: at most 40 MB.
const READ_AT_ONCE: usize = 100;
/// The most documents to write in one call: [500][source], and 10 MiB of them.
///
/// [source]: https://cloud.google.com/firestore/docs/reference/rpc/google.firestore.v1#batchwriterequest
const WRITTEN_AT_ONCE: usize = 200;
const WRITTEN_AT_ONCE_BYTES: usize = 8_000_000;
/// The most calls under way at a time.
const AT_ONCE: usize = 8;

/// Reads the records of `request`, which was checked.
pub(super) async fn get(
    client: &Client,
    table: &Table,
    collection: &str,
    request: GetMany,
) -> Result<Vec<Result<Option<Record>>>> {
    // Firestore's reads are strong.
    let GetMany { table: _, keys, consistency: _ } = request;
    let names: Vec<_> =
        keys.iter().map(|key| client.document(collection, &codec::document_id(key))).collect();
    let mut distinct = names.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let chunks: Vec<_> = distinct.chunks(READ_AT_ONCE).map(<[_]>::to_vec).collect();
    let count = chunks.len();
    let read = async |chunk: Vec<String>| {
        let found = client.batch_get(client.deadline(), &chunk).await;
        (chunk, found)
    };
    let mut answers = stream::iter(chunks).map(read).buffer_unordered(AT_ONCE);

    let now = clock::now();
    let mut found = HashMap::new();
    let mut failed = 0;
    while let Some((chunk, answer)) = answers.next().await {
        match answer {
            Ok(documents) => {
                for (name, document) in chunk.into_iter().zip(documents) {
                    let stored = document.map(|it| Stored::read(table, it)).transpose();
                    let live = |it: Option<Stored>| it.filter(|it| it.is_live(now));
                    found.insert(name, stored.map(|it| live(it).map(|it| it.record)));
                }
            }
            Err(error) => {
                failed += 1;
                if failed == count {
                    return Err(error);
                }
                found.extend(chunk.into_iter().map(|name| (name, Err(error::again(&error)))));
            }
        }
    }
    let answer = |name: String| match found.get(&name) {
        Some(Ok(record)) => Ok(record.clone()),
        Some(Err(error)) => Err(error::again(error)),
        None => Ok(None),
    };
    Ok(names.into_iter().map(answer).collect())
}

/// Makes `writes`, each by itself: those without a condition in batches, the others one by one.
///
/// What is an error already stays one.
pub(super) async fn write(
    client: &Client,
    writes: Vec<Result<Planned>>,
) -> Vec<Result<Option<Version>>> {
    let mut outcomes: Vec<_> = writes.iter().map(|_| Ok(None)).collect();
    let (mut alone, mut together) = (Vec::new(), Vec::new());
    for (place, write) in writes.into_iter().enumerate() {
        match write {
            Ok(step) if !step.is_unconditional() => alone.push((place, Box::new(step))),
            Ok(step) => match unconditional(&step) {
                Ok((write, version)) => together.push(Entry { place, write, version }),
                Err(error) => outcomes[place] = Err(error),
            },
            Err(error) => outcomes[place] = Err(error),
        }
    }
    let batches = chunks(together).into_iter().map(Work::Batch);
    let work = batches.chain(alone.into_iter().map(|(place, step)| Work::One(place, step)));
    let take = async |work: Work| match work {
        Work::Batch(batch) => write_batch(client, batch).await,
        Work::One(place, step) => {
            let taken = commit(client, client.deadline(), std::slice::from_ref(&*step)).await;
            let version = |records: Vec<Option<Record>>| {
                records.into_iter().flatten().next().map(|it| it.version)
            };
            vec![(place, taken.map(version))]
        }
    };
    let mut answers = stream::iter(work).map(take).buffer_unordered(AT_ONCE);
    while let Some(answer) = answers.next().await {
        for (place, outcome) in answer {
            outcomes[place] = outcome;
        }
    }
    outcomes
}

enum Work {
    Batch(Vec<Entry>),
    One(usize, Box<Planned>),
}

/// One write of a batch, and where its outcome goes.
struct Entry {
    place: usize,
    write: WireWrite,
    version: Option<Version>,
}

/// Cuts `entries` into batches that Firestore takes.
fn chunks(entries: Vec<Entry>) -> Vec<Vec<Entry>> {
    let mut chunks: Vec<Vec<Entry>> = Vec::new();
    let mut bytes = 0;
    for entry in entries {
        let size = entry.write.encoded_len();
        match chunks.last_mut() {
            Some(last) if last.len() < WRITTEN_AT_ONCE && bytes + size <= WRITTEN_AT_ONCE_BYTES => {
                bytes += size;
                last.push(entry);
            }
            _ => {
                bytes = size;
                chunks.push(vec![entry]);
            }
        }
    }
    chunks
}

/// Sends a batch, and again what of it may yet succeed, as often as a call is tried.
async fn write_batch(
    client: &Client,
    mut batch: Vec<Entry>,
) -> Vec<(usize, Result<Option<Version>>)> {
    let retries = client.config().limits.retries;
    let deadline = client.deadline();
    let mut done = Vec::with_capacity(batch.len());
    let mut round = 0;
    loop {
        round += 1;
        let writes: Vec<_> = batch.iter().map(|it| it.write.clone()).collect();
        let outcomes = match client.batch_write(deadline, &writes).await {
            Ok(outcomes) => outcomes,
            Err(error) => batch.iter().map(|_| Err(error::again(&error))).collect(),
        };
        let pause = pause(&retries, round);
        let last = round >= retries.attempts || Instant::now() + pause >= deadline;
        let mut left = Vec::new();
        for (entry, outcome) in batch.into_iter().zip(outcomes) {
            match outcome {
                Err(error) if !last && may_succeed(&error) => left.push(entry),
                outcome => done.push((entry.place, outcome.map(|()| entry.version))),
            }
        }
        if left.is_empty() {
            return done;
        }
        batch = left;
        sleep(pause).await;
    }
}

/// Whether one write of a batch that failed so may succeed next time. The call's own failure was tried again already.
fn may_succeed(error: &Error) -> bool {
    error.code() == Some("ABORTED") || error.is_retryable()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_hold_their_limits() {
        let entry = |place, bytes: usize| {
            let name = "x".repeat(bytes);
            let operation = gcloud_sdk::google::firestore::v1::write::Operation::Delete(name);
            let write = WireWrite { operation: Some(operation), ..WireWrite::default() };
            Entry { place, write, version: None }
        };
        let sizes =
            |chunks: Vec<Vec<Entry>>| -> Vec<usize> { chunks.iter().map(Vec::len).collect() };
        assert_eq!(sizes(chunks((0..450).map(|it| entry(it, 10)).collect())), [200, 200, 50]);
        assert_eq!(sizes(chunks((0..5).map(|it| entry(it, 3_000_000)).collect())), [2, 2, 1]);
        assert_eq!(sizes(chunks(vec![entry(0, 9_000_000)])), [1]);
        assert!(chunks(Vec::new()).is_empty());
    }
}

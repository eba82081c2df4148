//! Many records in one call, each with its own outcome.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use aws_sdk_dynamodb::types::{DeleteRequest, KeysAndAttributes, PutRequest, WriteRequest};
use futures::{StreamExt as _, stream};
use mvi_core::{
    Applied, Error, ErrorKind, Name, Result,
    kv::{Consistency, Delete, GetMany, Key, Record, Table, Version, Write, WriteMany},
};

use super::{
    Inner, key_attributes,
    value::{Attributes, Found, key_of, live, read},
    write::{NewItem, new_item},
};
use crate::{
    attempt::{Repeat, send},
    clock::now,
    error::again,
    partial::Rounds,
};

/// The most keys of one [`BatchGetItem`][source].
///
/// [source]: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
const MAX_GETS: usize = 100;
/// The most writes of one [`BatchWriteItem`][source]: of 400 KB each, they stay below its 16 MB.
///
/// [source]: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html
const MAX_WRITES: usize = 25;
/// How many calls of one batch are under way at a time.
const SIDE_BY_SIDE: usize = 4;

/// What a chunk of keys came to: the records that are there, those that can't be read, and what has no answer.
struct Got {
    records: Vec<Record>,
    failed: Vec<(Key, Error)>,
    /// What befell all of the chunk.
    error: Option<Error>,
}

impl Inner {
    pub(super) async fn get_many(&self, request: GetMany) -> Result<Vec<Result<Option<Record>>>> {
        let table = self.schema(&request.table).await?;
        request.check(&table)?;
        let GetMany { table: _, keys, consistency } = request;
        let strong = consistency == Consistency::Strong;
        // Where each key is first, and for each place the place before that has the same key.
        let mut last: HashMap<&Key, usize> = HashMap::with_capacity(keys.len());
        let before: Vec<Option<usize>> =
            keys.iter().enumerate().map(|(place, key)| last.insert(key, place)).collect();
        let firsts = keys.iter().zip(&before).filter(|(_, before)| before.is_none());
        let unique: Vec<&Key> = firsts.map(|(key, _)| key).collect();

        let mut results: Vec<Result<Option<Record>>> = keys.iter().map(|_| Ok(None)).collect();
        let gets: Vec<_> =
            unique.chunks(MAX_GETS).map(|keys| self.get_chunk(&table, keys, strong)).collect();
        let mut answers = stream::iter(gets).buffer_unordered(SIDE_BY_SIDE);
        let mut fate = Fate::default();
        while let Some(Got { records, failed, error }) = answers.next().await {
            for record in records {
                let Some(mut place) = last.get(&record.key).copied() else { continue };
                while let Some(same_key) = before[place] {
                    results[place] = Ok(Some(record.clone()));
                    place = same_key;
                }
                results[place] = Ok(Some(record));
            }
            for (key, error) in failed {
                let mut place = last.get(&key).copied();
                while let Some(at) = place {
                    results[at] = Err(same(&error));
                    place = before[at];
                }
            }
            fate.add(error);
        }
        fate.decide(results)
    }

    /// Reads a chunk. An error that befell all of it is with each key that has no answer, and is given as well.
    async fn get_chunk(&self, table: &Arc<Table>, keys: &[&Key], strong: bool) -> Got {
        let mut got =
            Got { records: Vec::with_capacity(keys.len()), failed: Vec::new(), error: None };
        let work = keys.iter().map(|key| key_attributes(table, (*key).clone())).collect();
        match self.get_rounds(table, work, strong, &mut got).await {
            Ok(left) => {
                let keys = left.iter().filter_map(|it| key_of(table, it).ok());
                got.failed.extend(keys.map(|key| (key, left_over("read"))));
            }
            Err(error) => {
                let answered: HashSet<&Key> = got
                    .records
                    .iter()
                    .map(|it| &it.key)
                    .chain(got.failed.iter().map(|(key, _)| key))
                    .collect();
                let unanswered: Vec<_> = keys
                    .iter()
                    .filter(|key| !answered.contains(*key))
                    .map(|key| ((*key).clone(), same(&error)))
                    .collect();
                let none_answered = answered.is_empty();
                got.failed.extend(unanswered);
                got.error = Some(error).filter(|_| none_answered);
            }
        }
        got
    }

    /// Asks until nothing is left, or patience is; returns what is.
    async fn get_rounds(
        &self,
        table: &Table,
        mut keys: Vec<Attributes>,
        strong: bool,
        got: &mut Got,
    ) -> Result<Vec<Attributes>> {
        let mut rounds = Rounds::new(self.retries);
        loop {
            let before = keys.len();
            let part = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(strong);
            let part = part.build().map_err(|e| Error::invalid("no keys").with_source(e))?;
            let call = self.client.batch_get_item().request_items(table.name.as_str(), part);
            let answer = send("BatchGetItem", Repeat::Read, call.send())
                .await
                .map_err(|failure| self.failed(&table.name, failure))?;
            for item in answer.responses.into_iter().flatten().flat_map(|(_, items)| items) {
                match read(table, item)? {
                    Found::Record(record) => got.records.extend(live(record)),
                    Found::Unreadable(key, error) => got.failed.push((key, error)),
                }
            }
            let left = answer.unprocessed_keys.into_iter().flatten();
            keys = left.flat_map(|(_, part)| part.keys).collect();
            if !rounds.again(before, keys.len()).await {
                return Ok(keys);
            }
        }
    }

    pub(super) async fn write_many(
        &self,
        request: WriteMany,
    ) -> Result<Vec<Result<Option<Version>>>> {
        request.check()?;
        let WriteMany { writes } = request;
        let mut results: Vec<Result<Option<Version>>> = writes.iter().map(|_| Ok(None)).collect();
        // A batch is of one table, so that what befalls a table does not befall the writes to another.
        let mut batches: HashMap<Name, Vec<(usize, Write)>> = HashMap::new();
        let mut singles = Vec::new();
        for (place, write) in writes.into_iter().enumerate() {
            let (table, only_if) = match &write {
                Write::Put(put) => (&put.table, &put.only_if),
                Write::Delete(delete) => (&delete.table, &delete.only_if),
            };
            match only_if {
                None => batches.entry(table.clone()).or_default().push((place, write)),
                Some(_) => singles.push((place, write)),
            }
        }
        let mut fate = Fate::default();
        let mut chunks = Vec::new();
        for (name, writes) in batches {
            let table = match self.schema(&name).await {
                Ok(table) => table,
                Err(error) => {
                    for (place, _) in &writes {
                        results[*place] = Err(same(&error));
                    }
                    fate.add(Some(error));
                    continue;
                }
            };
            let mut chunk = Chunk::new(&table);
            for (place, write) in writes {
                if let Err(error) = chunk.add(place, write) {
                    // Its own fault, which the others have no part in.
                    results[place] = Err(error);
                    fate.add(None);
                } else if chunk.requests.len() == MAX_WRITES {
                    chunks.push(std::mem::replace(&mut chunk, Chunk::new(&table)));
                }
            }
            chunks.extend(Some(chunk).filter(|it| !it.requests.is_empty()));
        }
        let batches: Vec<_> = chunks.into_iter().map(|it| self.write_chunk(it)).collect();
        let mut answers = stream::iter(batches).buffer_unordered(SIDE_BY_SIDE);
        while let Some((written, error)) = answers.next().await {
            for (place, result) in written {
                results[place] = result;
            }
            fate.add(error);
        }
        let singles: Vec<_> =
            singles.into_iter().map(|(place, write)| self.write_one(place, write)).collect();
        let mut answers = stream::iter(singles).buffer_unordered(SIDE_BY_SIDE);
        while let Some((place, result)) = answers.next().await {
            results[place] = result;
            fate.add(None);
        }
        fate.decide(results)
    }

    async fn write_one(&self, place: usize, write: Write) -> Wrote {
        let result = match write {
            Write::Put(put) => self.put(put).await.map(Some),
            Write::Delete(delete) => self.delete(delete).await.map(|()| None),
        };
        (place, result)
    }

    /// Writes a chunk. An error that befell all of it is with each write, and is given as well.
    async fn write_chunk(&self, chunk: Chunk) -> (Vec<Wrote>, Option<Error>) {
        let Chunk { table, mut requests, places } = chunk;
        let mut rounds = Rounds::new(self.retries);
        let mut first = true;
        loop {
            let before = requests.len();
            let call = self.client.batch_write_item().request_items(table.name.as_str(), requests);
            match send("BatchWriteItem", Repeat::Idempotent, call.send()).await {
                Ok(answer) => {
                    let left = answer.unprocessed_items.into_iter().flatten();
                    requests = left.flat_map(|(_, requests)| requests).collect();
                }
                Err(failure) => {
                    let error = self.failed(&table.name, failure);
                    // What earlier rounds wrote is not told from what this one was to write.
                    let applied = if first { error.applied() } else { Applied::Unknown };
                    let each = |(place, _, _)| (place, Err(same(&error).with_applied(applied)));
                    let results = places.into_iter().map(each).collect();
                    return (results, Some(error).filter(|_| first));
                }
            }
            first = false;
            if !rounds.again(before, requests.len()).await {
                break;
            }
        }
        let left: HashSet<Key> = requests.into_iter().filter_map(|it| key_in(&table, it)).collect();
        let outcome = |(place, key, version)| {
            (place, if left.contains(&key) { Err(left_over("written")) } else { Ok(version) })
        };
        (places.into_iter().map(outcome).collect(), None)
    }
}

/// What a batch answers for the write at one place.
type Wrote = (usize, Result<Option<Version>>);

/// Unconditional writes to one table, few enough for one call.
struct Chunk {
    table: Arc<Table>,
    requests: Vec<WriteRequest>,
    places: Vec<(usize, Key, Option<Version>)>,
}

impl Chunk {
    fn new(table: &Arc<Table>) -> Self {
        Self { table: Arc::clone(table), requests: Vec::new(), places: Vec::new() }
    }

    fn add(&mut self, place: usize, write: Write) -> Result<()> {
        write.check(&self.table)?;
        let (_, key) = write.target();
        let key = key.clone();
        let request = WriteRequest::builder();
        let (request, version) = match write {
            Write::Put(put) => {
                let NewItem { attributes, only_if: _, version } =
                    new_item(&self.table, put, now())?;
                let put = PutRequest::builder().set_item(Some(attributes)).build();
                let put = put.map_err(|e| Error::invalid("no item").with_source(e))?;
                (request.put_request(put), Some(Version::new(version)))
            }
            Write::Delete(Delete { table: _, key, only_if: _ }) => {
                let key = key_attributes(&self.table, key);
                let delete = DeleteRequest::builder().set_key(Some(key)).build();
                let delete = delete.map_err(|e| Error::invalid("no key").with_source(e))?;
                (request.delete_request(delete), None)
            }
        };
        self.requests.push(request.build());
        self.places.push((place, key, version));
        Ok(())
    }
}

/// The key that a write is for.
fn key_in(table: &Table, request: WriteRequest) -> Option<Key> {
    let WriteRequest { put_request, delete_request, .. } = request;
    let attributes = put_request.map(|it| it.item).or_else(|| delete_request.map(|it| it.key));
    key_of(table, &attributes?).ok()
}

/// Whether an error befell all of a call's records.
#[derive(Default)]
struct Fate {
    error: Option<Error>,
    spared: bool,
}

impl Fate {
    /// Adds what befell a whole part of the call, if anything did.
    fn add(&mut self, error: Option<Error>) {
        match error {
            None => self.spared = true,
            Some(error) => self.error = self.error.take().or(Some(error)),
        }
    }

    /// The call's error, where all of it had one; otherwise each record's own result.
    fn decide<T>(self, results: Vec<Result<T>>) -> Result<Vec<Result<T>>> {
        match self.error {
            Some(error) if !self.spared => Err(error),
            _ => Ok(results),
        }
    }
}

/// What DynamoDB left over, each time that it was asked.
fn left_over(done: &str) -> Error {
    Error::new(ErrorKind::Throttled, format!("not {done} in as many tries as MVI makes"))
}

/// The error for another record that it befell.
fn same(error: &Error) -> Error {
    again(error, error.message())
}

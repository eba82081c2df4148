//! Tables: made once however often they are asked for, seen, listed, removed.
//!
//! Their settings are in `DynamoDB` itself; the [stamp](mvi_core::ensure) and the labels, and whether records may expire, are
//! tags, set by the very request that creates the table.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, TableDescription, TableStatus, Tag, TimeToLiveDescription,
    TimeToLiveSpecification, TimeToLiveStatus,
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use futures::{Stream, stream};
use mvi_core::{
    Applied, Error, ErrorKind, Labels, Name, Result, Timestamp,
    ensure::{self, Backend, Born, Life, Marks, Observed, Unique, Wanted},
    kv::{Attr, CreateTable, Index, KeyKind, Table, TableState, Ttl},
};

use super::{
    Inner,
    value::{EXPIRES, kind, scalar},
};
use crate::{
    attempt::{Failure, Repeat, send},
    clock::now,
};

/// The tag that says whether a table's records may expire.
const TTL_TAG: &str = "mvi-ttl";
/// What [`TTL_TAG`] says where they may.
const TTL_ON: &str = "on";

/// The tags of tables that were seen, by the id that a table keeps for life: `ListTagsOfResource` is [allowed 10 times a second][source].
///
/// [source]: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ListTagsOfResource.html
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<HashMap<String, Tags>>);

impl Seen {
    /// The most tables to remember the tags of.
    const MOST: usize = 1_000;

    fn get(&self, id: &str) -> Option<Tags> {
        self.lock().get(id).cloned()
    }

    fn remember(&self, id: String, tags: Tags) {
        let mut seen = self.lock();
        if seen.len() >= Self::MOST {
            seen.clear();
        }
        seen.insert(id, tags);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Tags>> {
        // A map of what was seen is whole at every moment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the tags of a table say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tags {
    labels: Labels,
    marks: Marks,
    ttl: Ttl,
}

impl Tags {
    fn read(tags: &[(String, String)]) -> Self {
        let mut labels = Labels::new();
        for (key, value) in tags {
            // A tag that is no label is another program's.
            if let Ok(more) = labels.clone().with(key, value) {
                labels = more;
            }
        }
        let ttl = tags.iter().any(|(key, value)| key == TTL_TAG && value == TTL_ON);
        Self {
            labels,
            marks: Marks::from_tags(tags.iter().map(|(key, value)| (key, value))),
            ttl: if ttl { Ttl::On } else { Ttl::Off },
        }
    }
}

impl Inner {
    /// The table as it was seen lately, to check requests against.
    pub(super) async fn schema(&self, name: &Name) -> Result<Arc<Table>> {
        self.tables.get(name, self.look_for_schema(name)).await
    }

    async fn look_for_schema(&self, name: &Name) -> Result<Table> {
        // Boxed only where it is looked for: most calls find it remembered.
        Box::pin(self.look(name, Reading::Remembered)).await.map(|(table, _)| table)
    }

    pub(super) async fn table(&self, name: &Name) -> Result<Table> {
        let (table, _) = self.look(name, Reading::Now).await?;
        self.tables.remember(table.clone());
        Ok(table)
    }

    pub(super) async fn create_table(&self, request: CreateTable) -> Result<Table> {
        request.check()?;
        let wanted = Wanted::new("kv.create_table", &request.name, &request.fingerprint());
        let table = ensure::ensure(&Creation { inner: self, request: &request }, &wanted).await?;
        self.tables.forget(&table.name);
        self.tables.remember(table.clone());
        Ok(table)
    }

    pub(super) async fn delete_table(&self, name: &Name) -> Result<()> {
        self.tables.forget(name);
        let call = self.client.delete_table().table_name(name.as_str());
        match send("DeleteTable", Repeat::Idempotent, call.send()).await {
            Ok(_) => Ok(()),
            Err(failure) => match failure.into_error() {
                e if e.kind() == ErrorKind::NotFound => Ok(()),
                e => Err(e),
            },
        }
    }

    /// Looks at a table: its settings and its tags, and the id that it keeps for life.
    async fn look(&self, name: &Name, reading: Reading) -> Result<(Table, Described)> {
        let call = self.client.describe_table().table_name(name.as_str());
        let answer = send("DescribeTable", Repeat::Read, call.send())
            .await
            .map_err(|failure| self.failed(name, failure))?;
        let found = answer.table.ok_or_else(|| unknown("no table in the answer"))?;
        let arn = found.table_arn.clone().ok_or_else(|| unknown("a table without an ARN"))?;
        let id = found.table_id.clone();
        let mut table = table_of(name.clone(), found)?;
        let known = match (&id, reading) {
            (Some(id), Reading::Remembered) => self.seen.get(id),
            _ => None,
        };
        let tags = match known {
            Some(tags) => tags,
            None => match self.tags(name, &arn).await {
                // The tags of a table that was deleted meanwhile are denied, not missing.
                Err(denied) if denied.kind() == ErrorKind::Forbidden => {
                    let call = self.client.describe_table().table_name(name.as_str());
                    send("DescribeTable", Repeat::Read, call.send())
                        .await
                        .map_err(|failure| self.failed(name, failure))?;
                    return Err(denied);
                }
                tags => tags?,
            },
        };
        // Of a table in the making the tags may not be seen yet.
        if let Some(id) = &id
            && table.state == TableState::Active
        {
            self.seen.remember(id.clone(), tags.clone());
        }
        table.labels = tags.labels;
        table.ttl = tags.ttl;
        Ok((table, Described { id: id.unwrap_or(arn), marks: tags.marks }))
    }

    async fn tags(&self, name: &Name, arn: &str) -> Result<Tags> {
        let mut tags = Vec::new();
        let mut next = None;
        loop {
            let call = self.client.list_tags_of_resource().resource_arn(arn).set_next_token(next);
            let answer = send("ListTagsOfResource", Repeat::Read, call.send())
                .await
                .map_err(|failure| self.failed(name, failure))?;
            tags.extend(answer.tags.into_iter().flatten().map(|tag| (tag.key, tag.value)));
            next = answer.next_token;
            if next.is_none() {
                return Ok(Tags::read(&tags));
            }
        }
    }

    /// The failure of a call on a table. Where it may be another than was seen, it is looked at again next time.
    pub(super) fn failed<E>(&self, name: &Name, failure: Failure<E>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let error = failure.into_error();
        if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Invalid) {
            self.tables.forget(name);
        }
        error
    }
}

/// Which tags of a table to take.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// Those that it has now.
    Now,
    /// Those that it was seen with: what matters of them stays as it was born.
    Remembered,
}

/// What else a look at a table shows.
struct Described {
    id: String,
    marks: Marks,
}

/// A table in the making.
struct Creation<'a> {
    inner: &'a Inner,
    request: &'a CreateTable,
}

impl Backend for Creation<'_> {
    type Id = String;
    type Resource = Table;

    fn unique(&self) -> Unique {
        Unique::Name
    }

    async fn observe(&self) -> Result<Vec<Observed<String>>> {
        match self.inner.look(&self.request.name, Reading::Now).await {
            Ok((Table { state: TableState::Creating, .. }, Described { marks, .. }))
                if marks.stamp.is_none() =>
            {
                let message = "a table in the making, whose tags can't be seen yet";
                Err(Error::conflict(message))
            }
            Ok((table, Described { id, marks })) => {
                let life = match table.state {
                    TableState::Deleting => Life::Dying,
                    _ => Life::Alive,
                };
                Ok(vec![Observed::new(id, life, marks)])
            }
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(e) => Err(e),
        }
    }

    async fn create(&self, attempt: &ensure::Attempt) -> Result<String> {
        let CreateTable { name, partition, sort, indexes, ttl, labels } = self.request;
        let mut attrs: BTreeMap<&str, KeyKind> = BTreeMap::new();
        let keys = [Some(partition), sort.as_ref()].into_iter();
        let others = indexes.iter().flat_map(|it| [Some(&it.partition), it.sort.as_ref()]);
        for attr in keys.chain(others).flatten() {
            attrs.insert(&attr.name, attr.kind);
        }
        let definition = |(name, kind): (&str, KeyKind)| {
            AttributeDefinition::builder().attribute_name(name).attribute_type(scalar(kind)).build()
        };
        let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
        let marks = attempt.marks.tags().map(|(key, value)| tag(key, &value));
        let expiry = (*ttl == Ttl::On).then(|| tag(TTL_TAG, TTL_ON));
        let labels = labels.iter().map(|(key, value)| tag(key, value));
        let tags: Result<Vec<_>, _> = marks.chain(expiry).chain(labels).collect();
        let definitions: Result<Vec<_>, _> = attrs.into_iter().map(definition).collect();
        let indexes = indexes.iter().map(global_index).collect::<Result<Vec<_>>>()?;

        let call = self
            .inner
            .client
            .create_table()
            .table_name(name.as_str())
            .set_attribute_definitions(Some(definitions.map_err(unbuilt)?))
            .set_key_schema(Some(key_schema(partition, sort.as_ref())?))
            .set_global_secondary_indexes(Some(indexes).filter(|it| !it.is_empty()))
            .billing_mode(BillingMode::PayPerRequest)
            .set_tags(Some(tags.map_err(unbuilt)?));
        match send("CreateTable", Repeat::Idempotent, call.send()).await {
            Ok(answer) => {
                let made = answer.table_description;
                made.and_then(|it| it.table_id.or(it.table_arn))
                    .ok_or_else(|| unknown("a table without an id").with_applied(Applied::Yes))
            }
            Err(failure) => Err(failure.into_error()),
        }
    }

    async fn finish(&self, _id: &String) -> Result<Table> {
        if self.request.ttl == Ttl::On {
            self.inner.enable_ttl(&self.request.name).await?;
        }
        let (table, _) = self.inner.look(&self.request.name, Reading::Now).await?;
        Ok(table)
    }

    async fn discard(&self, _id: &String) -> Result<()> {
        Err(unknown("a table that lost a race, though its name is unique"))
    }

    fn birth(&self) -> Born {
        // A name that is unique needs no birth; without random bytes the time alone has to do.
        Born::new(now(), getrandom::u64().unwrap_or_default())
    }
}

impl Inner {
    /// Lets `DynamoDB` remove what has expired. Where it does so already, it refuses to be told again.
    async fn enable_ttl(&self, name: &Name) -> Result<()> {
        if self.is_ttl_on(name).await? {
            return Ok(());
        }
        let wanted =
            TimeToLiveSpecification::builder().enabled(true).attribute_name(EXPIRES).build();
        let call = self
            .client
            .update_time_to_live()
            .table_name(name.as_str())
            .time_to_live_specification(wanted.map_err(unbuilt)?);
        match send("UpdateTimeToLive", Repeat::Idempotent, call.send()).await {
            Ok(_) => Ok(()),
            Err(failure) => {
                let error = failure.into_error();
                // Another may have come first.
                if error.kind() == ErrorKind::Invalid && self.is_ttl_on(name).await? {
                    return Ok(());
                }
                Err(error)
            }
        }
    }

    async fn is_ttl_on(&self, name: &Name) -> Result<bool> {
        let call = self.client.describe_time_to_live().table_name(name.as_str());
        let answer = send("DescribeTimeToLive", Repeat::Read, call.send())
            .await
            .map_err(Failure::into_error)?;
        let Some(TimeToLiveDescription {
            time_to_live_status: Some(status), attribute_name, ..
        }) = answer.time_to_live_description
        else {
            return Ok(false);
        };
        let on = matches!(status, TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling);
        if on && attribute_name.as_deref() != Some(EXPIRES) {
            return Err(Error::new(
                ErrorKind::AlreadyExists,
                format!("its records expire by another attribute, wanted {EXPIRES}"),
            ));
        }
        Ok(on)
    }
}

fn global_index(index: &Index) -> Result<GlobalSecondaryIndex> {
    let Index { name, partition, sort } = index;
    GlobalSecondaryIndex::builder()
        .index_name(name.as_str())
        .set_key_schema(Some(key_schema(partition, sort.as_ref())?))
        .projection(Projection::builder().projection_type(ProjectionType::All).build())
        .build()
        .map_err(unbuilt)
}

fn key_schema(partition: &Attr, sort: Option<&Attr>) -> Result<Vec<KeySchemaElement>> {
    [(Some(partition), KeyType::Hash), (sort, KeyType::Range)]
        .into_iter()
        .filter_map(|(attr, role)| {
            let element = KeySchemaElement::builder().attribute_name(&attr?.name).key_type(role);
            Some(element.build().map_err(unbuilt))
        })
        .collect()
}

/// The tables that are ours and have all of `labels`.
pub(super) fn list(
    inner: Arc<Inner>,
    labels: Labels,
) -> impl Stream<Item = Result<Table>> + Send + 'static {
    let listing = Listing { inner, labels, names: VecDeque::new(), next: None, done: false };
    stream::try_unfold(listing, |mut listing| async move {
        Ok(listing.table().await?.map(|table| (table, listing)))
    })
}

struct Listing {
    inner: Arc<Inner>,
    labels: Labels,
    names: VecDeque<Name>,
    next: Option<String>,
    done: bool,
}

impl Listing {
    async fn table(&mut self) -> Result<Option<Table>> {
        loop {
            while let Some(name) = self.names.pop_front() {
                match self.inner.look(&name, Reading::Now).await {
                    Ok((table, Described { id: _, marks }))
                        if marks.stamp.is_some() && table.labels.contains(&self.labels) =>
                    {
                        return Ok(Some(table));
                    }
                    // Another program's, another label's, or one of a kind of key that MVI does not know.
                    Ok(_) => {}
                    // Removed since it was listed.
                    Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::Unsupported) => {}
                    Err(e) => return Err(e),
                }
            }
            if self.done {
                return Ok(None);
            }
            let next = self.next.take();
            let call = self.inner.client.list_tables().set_exclusive_start_table_name(next);
            let answer =
                send("ListTables", Repeat::Read, call.send()).await.map_err(Failure::into_error)?;
            // A table of ours has a name that is one of ours.
            let names = answer.table_names.into_iter().flatten();
            self.names.extend(names.filter_map(|it| Name::new(it).ok()));
            self.next = answer.last_evaluated_table_name;
            self.done = self.next.is_none();
        }
    }
}

/// The table in `found`, so far without what its tags say.
fn table_of(name: Name, found: TableDescription) -> Result<Table> {
    let kinds: HashMap<String, ScalarAttributeType> = found
        .attribute_definitions
        .into_iter()
        .flatten()
        .map(|it| (it.attribute_name, it.attribute_type))
        .collect();
    let (partition, sort) = key_of(found.key_schema.unwrap_or_default(), &kinds)?;
    let state = match found.table_status {
        Some(TableStatus::Active) => TableState::Active,
        Some(TableStatus::Creating) => TableState::Creating,
        Some(TableStatus::Updating) => TableState::Updating,
        Some(TableStatus::Deleting) => TableState::Deleting,
        Some(other) => {
            return Err(Error::new(ErrorKind::Unavailable, format!("the table is {other}")));
        }
        None => return Err(unknown("a table without a status")),
    };
    let mut table = Table::new(name, partition, sort, state);
    for index in found.global_secondary_indexes.into_iter().flatten() {
        // Another program's index may be called what none of ours can be.
        let Some(Ok(name)) = index.index_name.map(Name::new) else { continue };
        let (partition, sort) = key_of(index.key_schema.unwrap_or_default(), &kinds)?;
        table.indexes.push(Index { name, partition, sort });
    }
    table.indexes.sort_by(|a, b| a.name.cmp(&b.name));
    table.created = found
        .creation_date_time
        .and_then(|it| Timestamp::new(it.secs(), i32::try_from(it.subsec_nanos()).ok()?).ok());
    Ok(table)
}

fn key_of(
    schema: Vec<KeySchemaElement>,
    kinds: &HashMap<String, ScalarAttributeType>,
) -> Result<(Attr, Option<Attr>)> {
    let (mut partition, mut sort) = (None, None);
    for KeySchemaElement { attribute_name, key_type, .. } in schema {
        let kind = kinds.get(&attribute_name).ok_or_else(|| unknown("a key without its type"))?;
        let attr = Attr { name: attribute_name, kind: self::kind(kind)? };
        match key_type {
            KeyType::Hash => partition = Some(attr),
            _ => sort = Some(attr),
        }
    }
    Ok((partition.ok_or_else(|| unknown("a table without a key"))?, sort))
}

fn unknown(found: &'static str) -> Error {
    Error::new(ErrorKind::Internal, format!("the answer has {found}"))
}

fn unbuilt(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::invalid("a request without its parts").with_source(error)
}

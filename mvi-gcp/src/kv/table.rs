//! Tables: one collection each, and an entry in the list of tables that says how to read it.
//!
//! An entry is born whole, under a precondition that its name is free. The collection's name has the moment of the entry's
//! birth in it, so that a late write to a table that is gone never shows up in its successor.

use std::{collections::HashMap, sync::Arc};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use gcloud_sdk::google::firestore::v1::{
    Document, DocumentMask, Precondition, Write,
    precondition::ConditionType,
    structured_query::{FieldReference, Projection},
    value::ValueType,
    write::Operation,
};
use jiff::Timestamp;
use mvi_core::{
    Error, ErrorKind, Items, Labels, Name, Result,
    kv::{Attr, Index, Table, TableState, Ttl},
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    client::Client,
    query::Plan,
    ttl::Settings,
    value::{foreign, time_from_wire, wire},
};

/// The collection of the tables' entries. A table's own is `mvi-kv-…`.
const ENTRIES: &str = "mvi-tables";
/// The most documents to remove in one call.
const REMOVED_AT_ONCE: u32 = 300;
const SCHEMA: &str = "schema";
const STAMP: &str = "stamp";
const STATE: &str = "state";
const ACTIVE: &str = "active";
const DELETING: &str = "deleting";

/// What an entry says of its table, beside its name and its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Schema {
    pub(super) partition: Attr,
    #[serde(default)]
    pub(super) sort: Option<Attr>,
    #[serde(default)]
    pub(super) indexes: Vec<Index>,
    #[serde(default)]
    pub(super) ttl: Ttl,
    #[serde(default)]
    pub(super) labels: Labels,
}

/// A table as it is in the list.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) table: Table,
    /// The fingerprint of the request that made it.
    pub(super) stamp: String,
    document: String,
    updated: ConditionType,
}

/// The collection that holds `table`'s records.
pub(super) fn collection(table: &Table) -> String {
    let born = table.created.map_or(0, Timestamp::as_microsecond);
    format!("mvi-kv-{}-{born:x}", table.name)
}

impl Entry {
    fn read(document: Document) -> Result<Self> {
        let Document { name, mut fields, create_time, update_time } = document;
        let mut text = |field: &str| match fields.remove(field).and_then(|it| it.value_type) {
            Some(ValueType::StringValue(text)) => Ok(text),
            _ => Err(foreign(&format!("no {field}"))),
        };
        let id = name.rsplit('/').next().unwrap_or_default();
        let schema = serde_json::from_str(&text(SCHEMA)?)
            .map_err(|e| foreign("a schema of another form").with_source(e))?;
        let Schema { partition, sort, indexes, ttl, labels } = schema;
        let state = match text(STATE)?.as_str() {
            ACTIVE => TableState::Active,
            _ => TableState::Deleting,
        };
        let mut table = Table::new(Name::new(id)?, partition, sort, state);
        table.indexes = indexes;
        table.ttl = ttl;
        table.labels = labels;
        let born = create_time.ok_or_else(|| foreign("no time of its birth"))?;
        table.created = Some(time_from_wire(&born)?);
        let updated = update_time.ok_or_else(|| foreign("no time of its change"))?;
        Ok(Self {
            table,
            stamp: text(STAMP)?,
            document: name,
            updated: ConditionType::UpdateTime(updated),
        })
    }
}

/// The entry of the table called `name`.
pub(super) async fn find(client: &Client, deadline: Instant, name: &Name) -> Result<Option<Entry>> {
    let names = [client.document(ENTRIES, name.as_str())];
    let found = client.batch_get(deadline, &names).await?;
    found.into_iter().flatten().next().map(Entry::read).transpose()
}

/// Adds an entry, unless its name is taken: then it is a conflict.
pub(super) async fn add(
    client: &Client,
    deadline: Instant,
    name: &Name,
    schema: &Schema,
    stamp: &str,
) -> Result<()> {
    let schema = serde_json::to_string(schema)
        .map_err(|e| Error::invalid("a table that can't be written down").with_source(e))?;
    let text = |text: &str| wire(ValueType::StringValue(text.to_owned()));
    let fields = [(SCHEMA, text(&schema)), (STAMP, text(stamp)), (STATE, text(ACTIVE))];
    let entry = Document {
        name: client.document(ENTRIES, name.as_str()),
        fields: fields.map(|(name, value)| (name.to_owned(), value)).into(),
        create_time: None,
        update_time: None,
    };
    let write = guarded(Operation::Update(entry), ConditionType::Exists(false));
    client.commit(deadline, &[write]).await.map(|_| ())
}

/// The entries of all tables with `labels`, a page at a time.
pub(super) fn list(client: Arc<Client>, labels: Labels) -> Items<Table> {
    const PAGE: u32 = 100;
    let pages = stream::try_unfold((client, Some(None)), |(client, after)| async move {
        let Some(after) = after else { return Ok::<_, Error>(None) };
        let query = Plan::documents(ENTRIES, PAGE, after);
        let found = client.run_query(client.deadline(), &query).await?;
        let last = found.last().map(|it| Some(it.name.clone()));
        let more = last.filter(|_| found.len() >= PAGE as usize);
        Ok(Some((found, (client, more))))
    });
    pages
        .map_ok(|page| stream::iter(page.into_iter().map(Entry::read)))
        .try_flatten()
        .map_ok(|entry| entry.table)
        .try_filter(move |table| {
            let fits = table.labels.contains(&labels);
            async move { fits }
        })
        .boxed()
}

/// Removes a table, its records and its settings, the entry last, so that whoever asks again goes on where this one
/// stopped.
pub(super) async fn remove(client: &Client, settings: &Settings, name: &Name) -> Result<()> {
    while let Some(entry) = find(client, client.deadline(), name).await? {
        let step = match entry.table.state {
            TableState::Deleting => finish_removing(client, settings, entry).await,
            _ => start_removing(client, entry).await,
        };
        match step {
            // Somebody else removes it too, or it is already a new one: look again.
            Err(e) if e.kind() == ErrorKind::Conflict => {}
            step => step?,
        }
    }
    Ok(())
}

async fn start_removing(client: &Client, entry: Entry) -> Result<()> {
    let state = wire(ValueType::StringValue(DELETING.to_owned()));
    let dying = Document {
        name: entry.document,
        fields: HashMap::from([(STATE.to_owned(), state)]),
        create_time: None,
        update_time: None,
    };
    let mut write = guarded(Operation::Update(dying), entry.updated);
    write.update_mask = Some(DocumentMask { field_paths: vec![STATE.to_owned()] });
    client.commit(client.deadline(), &[write]).await.map(|_| ())
}

async fn finish_removing(client: &Client, settings: &Settings, entry: Entry) -> Result<()> {
    let Entry { table, stamp: _, document, updated } = entry;
    let collection = collection(&table);
    let mut query = Plan::documents(&collection, REMOVED_AT_ONCE, None);
    let name = FieldReference { field_path: "__name__".to_owned() };
    query.select = Some(Projection { fields: vec![name] });
    loop {
        let found = client.run_query(client.deadline(), &query).await?;
        if found.is_empty() {
            break;
        }
        let writes: Vec<_> = found
            .into_iter()
            .map(|it| Write { operation: Some(Operation::Delete(it.name)), ..Write::default() })
            .collect();
        let outcomes = client.batch_write(client.deadline(), &writes).await?;
        // One that fails is found again; all that fail are a failure.
        if outcomes.iter().all(Result::is_err) {
            outcomes.into_iter().collect::<Result<()>>()?;
        }
    }
    if table.ttl == Ttl::On {
        settings.turn_off(&collection).await?;
    }
    let last = guarded(Operation::Delete(document), updated);
    client.commit(client.deadline(), &[last]).await.map(|_| ())
}

fn guarded(operation: Operation, condition: ConditionType) -> Write {
    Write {
        update_mask: None,
        update_transforms: Vec::new(),
        current_document: Some(Precondition { condition_type: Some(condition) }),
        operation: Some(operation),
    }
}

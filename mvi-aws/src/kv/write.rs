//! Single writes: put, update, delete.

use std::sync::Arc;

use aws_sdk_dynamodb::{
    operation::{put_item::PutItemError, update_item::UpdateItemError},
    types::{
        AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure as OnConditionCheckFailure,
    },
};
use mvi_core::{
    Applied, Error, ErrorKind, Result, Timestamp,
    kv::{
        Change, Condition, Consistency, Delete, Expiry, Get, Item, Key, Put, Record, Table, Ttl,
        Update, Version, apply,
    },
};

use super::{
    Inner, add_key, change,
    expression::{Placeholders, condition, is_pinned},
    key_attributes,
    value::{Attributes, EXPIRES, VERSION, from_map, is_expired, seconds, to_record, version_of},
};
use crate::{
    attempt::{Repeat, send},
    clock::now,
    nonce::nonce,
};

/// How often an update starts over that finds an expired record, which another writer then changes.
const MAX_RESTARTS: usize = 4;

/// An item to write, with what must hold.
pub(super) struct NewItem {
    pub(super) attributes: Attributes,
    pub(super) only_if: Option<(String, Placeholders)>,
    pub(super) version: String,
}

/// What a put becomes on the wire. It has been checked.
pub(super) fn new_item(table: &Table, put: Put, now: Timestamp) -> Result<NewItem> {
    let Put { table: _, key, item, only_if, expires } = put;
    let expires = expires.map(|when| when.resolve(now)).transpose()?;
    let only_if = only_if.map(|it| written(table, &it, now)).transpose()?;
    let version = nonce()?;
    let attributes = attributes(table, key, item, &version, expires);
    Ok(NewItem { attributes, only_if, version })
}

/// An item with its key and its hidden attributes.
pub(super) fn attributes(
    table: &Table,
    key: Key,
    item: Item,
    version: &str,
    expires: Option<Timestamp>,
) -> Attributes {
    const HIDDEN_AND_KEY: usize = 4;
    let mut attributes = from_map(item.into_attributes(), HIDDEN_AND_KEY);
    add_key(table, key, &mut attributes);
    attributes.insert(VERSION.to_owned(), AttributeValue::S(version.to_owned()));
    if let Some(time) = expires {
        attributes.insert(EXPIRES.to_owned(), seconds(time));
    }
    attributes
}

pub(super) fn written(
    table: &Table,
    only_if: &Condition,
    now: Timestamp,
) -> Result<(String, Placeholders)> {
    let (mut placeholders, mut text) = (Placeholders::default(), String::new());
    condition(&mut placeholders, &mut text, table, only_if, now)?;
    Ok((text, placeholders))
}

/// How far a write under `only_if` may be sent again by itself.
///
/// What held of one version, and was applied, can't hold again; any other condition can, after another writer's change.
fn repeat(only_if: Option<&Condition>) -> Repeat {
    if only_if.is_none_or(is_pinned) { Repeat::Idempotent } else { Repeat::Unapplied }
}

impl Inner {
    pub(super) async fn put(&self, request: Put) -> Result<Version> {
        let table = self.schema(&request.table).await?;
        request.check(&table)?;
        let repeat = repeat(request.only_if.as_ref());
        let key = (repeat == Repeat::Unapplied).then(|| request.key.clone());
        let item = new_item(&table, request, now())?;
        self.put_item(&table, item, repeat, key).await
    }

    /// Sends a put; `key` is what to read back where the answer is lost and it can't be sent again.
    async fn put_item(
        &self,
        table: &Arc<Table>,
        item: NewItem,
        repeat: Repeat,
        key: Option<Key>,
    ) -> Result<Version> {
        let NewItem { attributes, only_if, version } = item;
        let mut call =
            self.client.put_item().table_name(table.name.as_str()).set_item(Some(attributes));
        if let Some((text, placeholders)) = only_if {
            let (names, values) = placeholders.take();
            call = call
                .condition_expression(text)
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(values)
                .return_values_on_condition_check_failure(OnConditionCheckFailure::AllOld);
        }
        let Err(failure) = send("PutItem", repeat, call.send()).await else {
            return Ok(Version::new(version));
        };
        if let Some(PutItemError::ConditionalCheckFailedException(failed)) = failure.answer() {
            if failed.item().and_then(version_of) == Some(version.as_str()) {
                return Ok(Version::new(version));
            }
        } else if let Some(key) = key
            && failure.applied() != Applied::No
            && self.read_back(table, key, &version).await.is_some()
        {
            return Ok(Version::new(version));
        }
        Err(self.failed(&table.name, failure))
    }

    pub(super) async fn update(&self, request: Update) -> Result<Record> {
        let table = self.schema(&request.table).await?;
        request.check(&table)?;
        let mut request = request;
        for _ in 0..MAX_RESTARTS {
            let now = now();
            // Where nothing expires there is nothing to do again.
            let again = (table.ttl == Ttl::On).then(|| request.clone());
            match (self.update_item(&table, request, now).await?, again) {
                (Updated::Record(record), _) => return Ok(record),
                (Updated::Expired(old), Some(again)) => {
                    if let Some(record) = self.replace_expired(&table, &again, &old, now).await? {
                        return Ok(record);
                    }
                    request = again;
                }
                (Updated::Expired(_), None) => break,
            }
        }
        Err(Error::conflict("the record changed each time that it was to be changed"))
    }

    async fn update_item(
        &self,
        table: &Arc<Table>,
        request: Update,
        now: Timestamp,
    ) -> Result<Updated> {
        let Update { table: _, key, changes, only_if, expires } = request;
        let version = nonce()?;
        let again = |it: &Change| !matches!(it, Change::Increment(..) | Change::Append(..));
        let repeat = match &only_if {
            None if changes.iter().all(again) => Repeat::Idempotent,
            None => Repeat::Unapplied,
            some => repeat(some.as_ref()),
        };

        let mut parts = Placeholders::default();
        let written = change::changes(&mut parts, table, changes, &version, expires, now)?;
        let must_hold =
            change::with_guard(&mut parts, table, only_if.as_ref(), written.guard, now)?;
        let (names, values) = parts.take();
        let mut call = self
            .client
            .update_item()
            .table_name(table.name.as_str())
            .set_key(Some(key_attributes(table, key.clone())))
            .update_expression(written.update)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .return_values(ReturnValue::AllNew);
        if let Some(must_hold) = must_hold {
            call = call
                .condition_expression(must_hold)
                .return_values_on_condition_check_failure(OnConditionCheckFailure::AllOld);
        }
        let failure = match send("UpdateItem", repeat, call.send()).await {
            Ok(answer) => {
                let new = answer.attributes.unwrap_or_default();
                return to_record(table, new)
                    .map(Updated::Record)
                    .map_err(|e| e.with_applied(Applied::Yes));
            }
            Err(failure) => failure,
        };
        if let Some(UpdateItemError::ConditionalCheckFailedException(failed)) = failure.answer() {
            match failed.item().cloned() {
                Some(old) if version_of(&old) == Some(version.as_str()) => {
                    return to_record(table, old).map(Updated::Record);
                }
                Some(old) if table.ttl == Ttl::On && is_expired(&old, now) => {
                    return Ok(Updated::Expired(old));
                }
                _ => {}
            }
        } else if repeat == Repeat::Unapplied
            && failure.applied() != Applied::No
            && let Some(record) = self.read_back(table, key, &version).await
        {
            return Ok(Updated::Record(record));
        }
        Err(self.failed(&table.name, failure))
    }

    /// Makes the changes to an empty item in place of an expired one; `None` where it is no longer there as it was.
    async fn replace_expired(
        &self,
        table: &Arc<Table>,
        request: &Update,
        old: &Attributes,
        now: Timestamp,
    ) -> Result<Option<Record>> {
        let fresh = fresh_item(table, request, old, now)?;
        match self.put_item(table, fresh.put, Repeat::Idempotent, None).await {
            Ok(_) => Ok(Some(fresh.record)),
            Err(e) if e.kind() == ErrorKind::Conflict && e.applied() == Applied::No => Ok(None),
            Err(e) => Err(e),
        }
    }

    pub(super) async fn delete(&self, request: Delete) -> Result<()> {
        let table = self.schema(&request.table).await?;
        request.check(&table)?;
        let Delete { table: _, key, only_if } = request;
        let repeat = repeat(only_if.as_ref());
        let mut call = self
            .client
            .delete_item()
            .table_name(table.name.as_str())
            .set_key(Some(key_attributes(&table, key)));
        if let Some(only_if) = only_if {
            let (text, placeholders) = written(&table, &only_if, now())?;
            let (names, values) = placeholders.take();
            call = call
                .condition_expression(text)
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(values);
        }
        match send("DeleteItem", repeat, call.send()).await {
            Ok(_) => Ok(()),
            // Where an attempt before may have removed it, nothing is left that could tell who did: the error says
            // that it may have been applied.
            Err(failure) => Err(self.failed(&table.name, failure)),
        }
    }

    /// The record at `key`, where it is as our write left it.
    async fn read_back(&self, table: &Arc<Table>, key: Key, version: &str) -> Option<Record> {
        let get = Get { table: table.name.clone(), key, consistency: Consistency::Strong };
        let found = self.get_item(table, get).await.ok()??;
        (found.version.as_str() == version).then_some(found)
    }
}

/// What became of an update.
enum Updated {
    Record(Record),
    /// There is a record that has expired, so that the changes start empty.
    Expired(Attributes),
}

/// An item made in place of an expired one.
pub(super) struct Fresh {
    pub(super) put: NewItem,
    pub(super) record: Record,
}

/// Makes the changes of `request` to an empty item, to be written only where the expired one is still there as it was.
pub(super) fn fresh_item(
    table: &Table,
    request: &Update,
    old: &Attributes,
    now: Timestamp,
) -> Result<Fresh> {
    let Update { table: _, key, changes, only_if, expires } = request;
    if let Some(only_if) = only_if
        && !only_if.holds(None, now)?
    {
        return Err(Error::conflict("the condition does not hold: the record has expired"));
    }
    let mut item = Item::new();
    apply(changes, &mut item, now)?;
    let expires = match expires {
        None | Some(Expiry::Never) => None,
        Some(Expiry::At(when)) => Some(when.resolve(now)?),
    };
    let version = nonce()?;
    let mut parts = Placeholders::default();
    let mut text = String::new();
    change::unchanged(&mut parts, &mut text, old);
    let mut record = Record::new(key.clone(), item.clone(), Version::new(version.as_str()));
    // As it will be read: in whole seconds.
    record.expires = expires.and_then(|it| Timestamp::from_second(it.as_second()).ok());
    let attributes = attributes(table, key.clone(), item, &version, expires);
    Ok(Fresh { put: NewItem { attributes, only_if: Some((text, parts)), version }, record })
}

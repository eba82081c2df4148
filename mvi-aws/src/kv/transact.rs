//! Several records, all or nothing.

use std::sync::Arc;

use aws_sdk_dynamodb::{
    operation::transact_write_items::TransactWriteItemsError,
    types::{
        self, CancellationReason, ReturnValuesOnConditionCheckFailure as OnConditionCheckFailure,
        TransactWriteItem,
    },
};
use aws_smithy_runtime_api::client::interceptors::context::Error as ErasedError;
use mvi_core::{
    Error, Result, Timestamp,
    kv::{Check, Delete, Step, Table, Transact, Ttl, Update, Version},
};

use super::{
    Inner, change,
    expression::Placeholders,
    key_attributes,
    value::{Attributes, is_expired, version_of},
    write::{NewItem, fresh_item, new_item, written},
};
use crate::{
    attempt::{Failure, Repeat, send},
    clock::now,
    error,
    nonce::nonce,
};

/// How often a transaction starts over that changes an expired record: each time, at least one more is known to have expired.
const MAX_RESTARTS: usize = 4;

/// One step on the wire, and the version that it makes.
struct Sent {
    item: TransactWriteItem,
    version: Option<String>,
}

impl Inner {
    pub(super) async fn transact(&self, request: Transact) -> Result<Vec<Option<Version>>> {
        request.check()?;
        let mut tables = Vec::with_capacity(request.steps.len());
        for (n, step) in request.steps.iter().enumerate() {
            let at = |e| at_step(&e, n);
            let table = self.schema(step.target().0).await?;
            step.check(&table).map_err(at)?;
            tables.push(table);
        }
        let mut steps = request.steps;
        let may_expire = steps
            .iter()
            .zip(&tables)
            .any(|(step, table)| matches!(step, Step::Update(_)) && table.ttl == Ttl::On);
        let mut expired: Vec<(usize, Attributes)> = Vec::new();
        for _ in 0..MAX_RESTARTS {
            // Where nothing expires there is nothing to do again.
            let again = may_expire.then(|| steps.clone());
            match (self.transact_once(steps, &tables, &expired, now()).await?, again) {
                (Transacted::Done(versions), _) => return Ok(versions),
                (Transacted::Expired(found), Some(again)) => {
                    expired.retain(|(n, _)| found.iter().all(|(other, _)| other != n));
                    expired.extend(found);
                    steps = again;
                }
                (Transacted::Expired(_), None) => break,
            }
        }
        Err(Error::conflict("records expired or changed each time that they were to be changed"))
    }

    /// Sends all steps. Those on records that are known to have expired are puts in their place.
    async fn transact_once(
        &self,
        steps: Vec<Step>,
        tables: &[Arc<Table>],
        expired: &[(usize, Attributes)],
        now: Timestamp,
    ) -> Result<Transacted> {
        let may_expire: Vec<bool> = steps
            .iter()
            .zip(tables)
            .map(|(step, table)| matches!(step, Step::Update(_)) && table.ttl == Ttl::On)
            .collect();
        let (mut items, mut versions) = (Vec::with_capacity(steps.len()), Vec::new());
        for (n, (step, table)) in steps.into_iter().zip(tables).enumerate() {
            let old = expired.iter().find(|(other, _)| *other == n).map(|(_, old)| old);
            let Sent { item, version } = sent(table, step, old, now).map_err(|e| at_step(&e, n))?;
            items.push(item);
            versions.push(version);
        }
        // One token over all attempts of the call, so that a lost answer is asked for again and not made again.
        let call = self
            .client
            .transact_write_items()
            .client_request_token(nonce()?)
            .set_transact_items(Some(items));
        let sent = send("TransactWriteItems", Repeat::Idempotent, call.send());
        let Err(failure) = sent.await else { return Ok(Transacted::Done(done(versions))) };
        let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
            failure.answer()
        else {
            let name = tables.first().map(|it| it.name.clone());
            return Err(match name {
                Some(name) => self.failed(&name, failure),
                None => failure.into_error(),
            });
        };
        let reasons = cancelled.cancellation_reasons();
        let items = || reasons.iter().map(|it| it.item.as_ref());
        // All or nothing: where one record is as our step left it, all of them were.
        if items().zip(&versions).any(|(item, version)| {
            version.is_some() && item.and_then(version_of) == version.as_deref()
        }) {
            return Ok(Transacted::Done(done(versions)));
        }
        let found: Vec<(usize, Attributes)> = items()
            .enumerate()
            .filter(|(n, _)| may_expire.get(*n) == Some(&true))
            .filter_map(|(n, item)| Some((n, item?.clone())))
            .filter(|(_, item)| is_expired(item, now))
            .collect();
        let others_hold = reasons.iter().enumerate().all(|(n, reason)| {
            code(reason).is_none() || found.iter().any(|(other, _)| *other == n)
        });
        if !found.is_empty() && others_hold {
            return Ok(Transacted::Expired(found));
        }
        let reasons = reasons.to_vec();
        Err(cancelled_by(&reasons, failure))
    }
}

enum Transacted {
    Done(Vec<Option<Version>>),
    /// These steps' records have expired, so that their changes start empty.
    Expired(Vec<(usize, Attributes)>),
}

fn done(versions: Vec<Option<String>>) -> Vec<Option<Version>> {
    versions.into_iter().map(|it| it.map(Version::new)).collect()
}

/// A step on the wire. It has been checked; `old` is the expired record that it finds.
fn sent(table: &Table, step: Step, old: Option<&Attributes>, now: Timestamp) -> Result<Sent> {
    match step {
        Step::Put(put) => put_step(table, new_item(table, put, now)?),
        Step::Update(update) => match old {
            Some(old) => put_step(table, fresh_item(table, &update, old, now)?.put),
            None => update_step(table, update, now),
        },
        Step::Delete(Delete { table: name, key, only_if }) => {
            let mut delete = types::Delete::builder()
                .table_name(name.as_str())
                .set_key(Some(key_attributes(table, key)));
            if let Some(only_if) = only_if {
                let (text, parts) = written(table, &only_if, now)?;
                let (names, values) = parts.take();
                delete = delete
                    .condition_expression(text)
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values);
            }
            let delete = delete.build().map_err(unbuilt)?;
            Ok(Sent { item: TransactWriteItem::builder().delete(delete).build(), version: None })
        }
        Step::Check(Check { table: name, key, condition: only_if }) => {
            let (text, parts) = written(table, &only_if, now)?;
            let (names, values) = parts.take();
            let check = types::ConditionCheck::builder()
                .table_name(name.as_str())
                .set_key(Some(key_attributes(table, key)))
                .condition_expression(text)
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(values)
                .build()
                .map_err(unbuilt)?;
            let item = TransactWriteItem::builder().condition_check(check).build();
            Ok(Sent { item, version: None })
        }
    }
}

fn put_step(table: &Table, item: NewItem) -> Result<Sent> {
    let NewItem { attributes, only_if, version } = item;
    let mut put = types::Put::builder().table_name(table.name.as_str()).set_item(Some(attributes));
    if let Some((text, parts)) = only_if {
        let (names, values) = parts.take();
        put = put
            .condition_expression(text)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .return_values_on_condition_check_failure(OnConditionCheckFailure::AllOld);
    }
    let put = put.build().map_err(unbuilt)?;
    Ok(Sent { item: TransactWriteItem::builder().put(put).build(), version: Some(version) })
}

fn update_step(table: &Table, update: Update, now: Timestamp) -> Result<Sent> {
    let Update { table: name, key, changes, only_if, expires } = update;
    let version = nonce()?;
    let mut parts = Placeholders::default();
    let made = change::changes(&mut parts, table, changes, &version, expires, now)?;
    let must_hold = change::with_guard(&mut parts, table, only_if.as_ref(), made.guard, now)?;
    let (names, values) = parts.take();
    let update = types::Update::builder()
        .table_name(name.as_str())
        .set_key(Some(key_attributes(table, key)))
        .update_expression(made.update)
        .set_condition_expression(must_hold)
        .set_expression_attribute_names(names)
        .set_expression_attribute_values(values)
        .return_values_on_condition_check_failure(OnConditionCheckFailure::AllOld)
        .build()
        .map_err(unbuilt)?;
    Ok(Sent { item: TransactWriteItem::builder().update(update).build(), version: Some(version) })
}

fn unbuilt(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::invalid("a step without its parts").with_source(error)
}

/// The code of what went against a step, if anything did.
fn code(reason: &CancellationReason) -> Option<&str> {
    reason.code().filter(|it| *it != "None")
}

/// The first reason that a transaction did not happen for, as the error of its step.
fn cancelled_by(
    reasons: &[CancellationReason],
    failure: Failure<TransactWriteItemsError>,
) -> Error {
    let applied = failure.applied();
    let whole = failure.into_error();
    let first = reasons.iter().enumerate().find_map(|(n, it)| Some((n, code(it)?, it)));
    let Some((n, code, reason)) = first else { return whole };
    let kind = error::of_code("TransactWriteItems", Some(code), 400).kind;
    let message = error::plain(reason.message().unwrap_or("it could not be done"));
    let ours = Error::new(kind, message).with_code(code).with_applied(applied);
    let ours = match whole.request_id() {
        Some(id) => ours.with_request_id(id),
        None => ours,
    };
    at_step(&ours, n)
}

/// Says which step it was, counted from 0 as the caller's own list is.
fn at_step(error: &Error, n: usize) -> Error {
    error::again(error, format!("steps[{n}]: {}", error.message()))
}

/// Whether a call only met another transaction on the way: nothing was applied, and it passes.
pub(super) fn is_contended(error: &ErasedError, code: Option<&str>) -> bool {
    match error.downcast_ref() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
            let mut codes =
                cancelled.cancellation_reasons().iter().filter_map(self::code).peekable();
            codes.peek().is_some() && codes.all(|it| it == "TransactionConflict")
        }
        _ => code == Some("TransactionConflictException"),
    }
}

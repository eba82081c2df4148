//! Writes: read what they depend on, decide here, and commit it all under preconditions.
//!
//! ```text
//!   read ──▶ decide ──▶ commit if nothing has changed since ──▶ done
//!    ▲                        │ something has
//!    └───────── pause ◀───────┘
//! ```
//!
//! A put or a delete without a condition is one commit and no read. A commit that was not answered may have been applied:
//! reading back tells, by the version that no other write has.

use std::sync::Arc;

use gcloud_sdk::google::firestore::v1::{
    Document, DocumentMask, Precondition, Write as WireWrite, precondition::ConditionType,
    write::Operation,
};
use jiff::Timestamp;
use mvi_core::{
    Applied, Error, ErrorKind, Result,
    kv::{
        Check, Condition, Delete, Expiry, Found, Item, Put, Record, Step, Table, Update, Version,
        apply, codec,
    },
};
use tokio::time::{Instant, sleep};

use super::{
    client::Client,
    document::{self, Stored, expiry, fresh_version},
};
use crate::{attempt::pause, clock, config::CONTENTION};

/// One step of a write, ready to be taken.
#[derive(Debug)]
pub(super) struct Planned {
    table: Arc<Table>,
    document: String,
    step: Step,
    version: Version,
}

impl Planned {
    /// Plans `step`, which was checked, on a record of `collection`.
    pub(super) fn new(
        client: &Client,
        table: Arc<Table>,
        collection: &str,
        step: Step,
    ) -> Result<Self> {
        let document = client.document(collection, &codec::document_id(step.target().1));
        Ok(Self { table, document, step, version: fresh_version()? })
    }

    fn condition(&self) -> Option<&Condition> {
        match &self.step {
            Step::Put(Put { only_if, .. })
            | Step::Update(Update { only_if, .. })
            | Step::Delete(Delete { only_if, .. }) => only_if.as_ref(),
            Step::Check(Check { condition, .. }) => Some(condition),
        }
    }

    /// Whether it does not matter what is there.
    pub(super) fn is_unconditional(&self) -> bool {
        self.condition().is_none() && !matches!(self.step, Step::Update(_))
    }

    /// Whether it leaves a document behind by which it is known again.
    fn is_marked(&self) -> bool {
        matches!(self.step, Step::Put(_) | Step::Update(_))
    }

    /// What to send, and what the record is afterwards, where `found` is there at `now`.
    ///
    /// # Errors
    ///
    /// `Conflict` where the condition does not hold or a change does not fit.
    fn decide(&self, found: &Seen, now: Timestamp) -> Result<(WireWrite, Option<Record>)> {
        let live = found.stored().filter(|it| it.is_live(now)).map(|it| &it.record);
        let seen = live.map(|it| Found { item: &it.item, version: &it.version });
        if let Some(condition) = self.condition()
            && !condition.holds(seen, now)?
        {
            return Err(Error::conflict("the condition does not hold"));
        }
        let at = |when: mvi_core::When| when.resolve(now).map(expiry);
        match &self.step {
            Step::Put(Put { table: _, key: _, item, only_if: _, expires }) => {
                Ok(self.written(found, item.clone(), expires.map(at).transpose()?))
            }
            Step::Update(Update { table: _, key, changes, only_if: _, expires }) => {
                let mut item = live.map_or_else(Item::new, |it| it.item.clone());
                apply(changes, &mut item, now)?;
                self.table.check_item(key, &item)?;
                let expires = match expires {
                    Some(Expiry::Never) => None,
                    Some(Expiry::At(when)) => Some(at(*when)?),
                    None => live.and_then(|it| it.expires),
                };
                Ok(self.written(found, item, expires))
            }
            Step::Delete(Delete { table: _, key: _, only_if: _ }) => {
                let delete = Operation::Delete(self.document.clone());
                Ok((wire_write(delete, None, found.precondition()), None))
            }
            Step::Check(Check { table: _, key: _, condition: _ }) => {
                // Changes nothing, and fails where the record has changed since it was read.
                let (operation, mask) = match found {
                    Seen::Some(_) => {
                        let name = self.document.clone();
                        let empty = Document { name, ..Document::default() };
                        (Operation::Update(empty), Some(DocumentMask::default()))
                    }
                    Seen::None | Seen::Unread => (Operation::Delete(self.document.clone()), None),
                };
                Ok((wire_write(operation, mask, found.precondition()), None))
            }
        }
    }

    fn written(
        &self,
        found: &Seen,
        item: Item,
        expires: Option<Timestamp>,
    ) -> (WireWrite, Option<Record>) {
        let key = self.step.target().1;
        let (name, version) = (self.document.clone(), &self.version);
        let document = document::write(&self.table, name, key, &item, version, expires);
        let mut record = Record::new(key.clone(), item, version.clone());
        record.expires = expires;
        (wire_write(Operation::Update(document), None, found.precondition()), Some(record))
    }
}

/// What is known of a document.
#[derive(Debug)]
enum Seen {
    /// Nothing, and nothing need be.
    Unread,
    /// It is not there.
    None,
    /// It is there; its record may have expired.
    Some(Box<Stored>),
}

impl Seen {
    fn stored(&self) -> Option<&Stored> {
        match self {
            Self::Some(stored) => Some(stored),
            Self::Unread | Self::None => None,
        }
    }

    /// That it is still so.
    fn precondition(&self) -> Option<ConditionType> {
        match self {
            Self::Unread => None,
            Self::None => Some(ConditionType::Exists(false)),
            Self::Some(stored) => Some(ConditionType::UpdateTime(stored.updated)),
        }
    }
}

fn wire_write(
    operation: Operation,
    update_mask: Option<DocumentMask>,
    precondition: Option<ConditionType>,
) -> WireWrite {
    WireWrite {
        update_mask,
        update_transforms: Vec::new(),
        current_document: precondition.map(|it| Precondition { condition_type: Some(it) }),
        operation: Some(operation),
    }
}

/// What a step without a condition sends.
pub(super) fn unconditional(step: &Planned) -> Result<(WireWrite, Option<Version>)> {
    let (write, record) = step.decide(&Seen::Unread, clock::now())?;
    Ok((write, record.map(|it| it.version)))
}

/// Takes all of `steps`, or none, and gives the records that puts and updates wrote.
///
/// This is the one place that repeats a write on contention: as often as [`CONTENTION`] says, until `deadline`.
///
/// # Errors
///
/// `Conflict` where a condition does not hold, a change does not fit, or others always came between.
pub(super) async fn commit(
    client: &Client,
    deadline: Instant,
    steps: &[Planned],
) -> Result<Vec<Option<Record>>> {
    let mut round = 0;
    loop {
        round += 1;
        let begun = Instant::now();
        let seen = look(client, deadline, steps, round).await?;
        let now = clock::now();
        let decided = steps.iter().zip(&seen).map(|(step, seen)| step.decide(seen, now));
        let (writes, records): (Vec<_>, Vec<_>) =
            decided.collect::<Result<Vec<_>>>()?.into_iter().unzip();

        let Err(error) = client.commit(deadline, &writes).await else { return Ok(records) };
        if error.may_have_applied() {
            return settle(client, deadline, steps, records, error).await;
        }
        let pause = pause(&CONTENTION, round);
        // A round that would not be through in time is not begun: it would end in doubt.
        let through = Instant::now() + pause + begun.elapsed() * 4;
        let spent = round >= CONTENTION.attempts || through >= deadline;
        let repeats = match error.kind() {
            // Without a precondition only an aborted commit may do better next time.
            ErrorKind::Conflict => {
                error.code() == Some("ABORTED") || seen.iter().any(|it| !matches!(it, Seen::Unread))
            }
            _ => false,
        };
        if !repeats {
            return Err(error);
        }
        if spent {
            return Err(others_came_between(round).with_source(error));
        }
        sleep(pause).await;
    }
}

fn others_came_between(rounds: u32) -> Error {
    Error::conflict(format!("other writes came between, {rounds} times"))
}

/// What is there, of what the steps depend on.
async fn look(
    client: &Client,
    deadline: Instant,
    steps: &[Planned],
    round: u32,
) -> Result<Vec<Seen>> {
    // That nothing is there needs no look at first: if it is wrong, the commit says so.
    let hopeful = |step: &Planned| round == 1 && step.condition() == Some(&Condition::Absent);
    let all_hopeful = steps.iter().all(|it| it.is_unconditional() || hopeful(it));
    let reads = |step: &Planned| !step.is_unconditional() && !all_hopeful;

    let names: Vec<_> = steps.iter().filter(|it| reads(it)).map(|it| it.document.clone()).collect();
    let mut found = client.batch_get(deadline, &names).await?.into_iter();
    let look = |step: &Planned| {
        if step.is_unconditional() {
            return Ok(Seen::Unread);
        }
        let document = if reads(step) { found.next().flatten() } else { None };
        match document {
            None => Ok(Seen::None),
            Some(document) => Ok(Seen::Some(Box::new(Stored::read(&step.table, document)?))),
        }
    };
    steps.iter().map(look).collect()
}

/// What became of a commit that may have been applied: our own version, where it still is, says that it was.
///
/// Where no version is left to tell, the `error` stands: others may have written since, or the commit may still be
/// under way.
async fn settle(
    client: &Client,
    deadline: Instant,
    steps: &[Planned],
    records: Vec<Option<Record>>,
    error: Error,
) -> Result<Vec<Option<Record>>> {
    let marked: Vec<_> = steps.iter().filter(|it| it.is_marked()).collect();
    let names: Vec<_> = marked.iter().map(|it| it.document.clone()).collect();
    // The time for the call may be up; finding out gets an attempt's worth of its own.
    let deadline = deadline.max(Instant::now() + client.config().limits.timeouts.attempt);
    let Ok(found) = client.batch_get(deadline, &names).await else { return Err(error) };
    let ours = marked.iter().zip(found).any(|(step, document)| {
        document.and_then(|it| document::version(it).ok()) == Some(step.version.clone())
    });
    if ours {
        return Ok(records);
    }
    Err(match error.kind() {
        ErrorKind::Conflict => Error::conflict("another write came between, or after ours")
            .with_applied(Applied::Unknown)
            .with_source(error),
        _ => error,
    })
}

//! A lock: a lease on a record, with a token that only grows.
//!
//! ```text
//!   record  until: when the lease ends     who may write
//!           token: 1, 2, 3, …             whoever comes after `until`: token + 1, its own mark
//!           mark:  who took it            whoever's mark it is: renews, gives back
//! ```
//!
//! The mark is a fresh nonce of the one who asks, and the number of the try. Where an answer was lost, the mark in the record
//! tells whether it was a yes.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::{Change, Condition, Get, Key, Kv, Path, Record, Update, Value};
use crate::{
    Applied, Error, ErrorKind, Name, Result, When,
    time::instant,
    wait::{pause, within},
};

/// When the lease ends, by the provider's clock.
const UNTIL: &str = "until";
/// The largest token so far.
const TOKEN: &str = "token";
/// Who took it, and with which try.
const MARK: &str = "mark";
/// Who took it, for others to read.
const HOLDER: &str = "holder";

/// See [`KvExt::lock`](super::KvExt::lock).
///
/// ```
/// use std::time::Duration;
/// use mvi_core::{Name, kv::Lock};
///
/// let lock = Lock::new(Name::new("locks")?, "nightly", Duration::from_secs(60))
///     .holder("web-1")
///     .patience(Duration::from_secs(5));
/// # let _ = lock;
/// # Ok::<(), mvi_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// The table that keeps locks.
    pub table: Name,
    /// The lock's record, which nothing else writes.
    pub key: Key,
    /// Who asks, as those who wait are told; it need not be unique. Nobody, unless set.
    pub holder: String,
    /// How long a lease lasts, unless it is renewed: whole milliseconds, 1 at least.
    pub lease: Duration,
    /// How long to wait for the lock; not at all, unless set.
    pub patience: Duration,
}

impl Lock {
    /// Asks once for a lease on the lock at `key`.
    pub fn new(table: Name, key: impl Into<Key>, lease: Duration) -> Self {
        let (holder, patience) = (String::new(), Duration::ZERO);
        Self { table, key: key.into(), holder, lease, patience }
    }

    /// Says who asks.
    #[must_use]
    pub fn holder(mut self, holder: impl Into<String>) -> Self {
        self.holder = holder.into();
        self
    }

    /// Waits this long where another holds it.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }
}

/// A lock that is held, for a while. Dropping it leaves it to end by itself.
#[must_use = "nobody else gets the lock until the lease ends"]
#[derive(Debug)]
#[non_exhaustive]
pub struct Lease {
    /// The table that keeps the lock.
    pub table: Name,
    /// The lock's record.
    pub key: Key,
    /// The fencing token: larger than that of every lease of this lock before it.
    pub token: u64,
    /// How long it lasts from when it was taken or renewed.
    pub duration: Duration,
    mark: String,
    /// When it ends at the earliest, by this machine's clock.
    ends: Option<Instant>,
}

impl Lease {
    /// How much of it is left: at least that much, where this machine's clock runs as fast as the provider's.
    ///
    /// It counts from before the request was sent.
    pub fn left(&self) -> Duration {
        let now = instant();
        self.ends.map_or(Duration::MAX, |ends| ends.saturating_duration_since(now))
    }

    /// The lease that `record` says is held by `mark`, which was asked for at `asked`.
    fn new(request: &Lock, record: &Record, mark: String, asked: Instant) -> Result<Self> {
        let Lock { table, key, lease, .. } = request;
        let token = record.item.get(TOKEN).and_then(Value::as_int);
        let token = token.and_then(|it| u64::try_from(it).ok()).ok_or_else(|| {
            Error::new(ErrorKind::Corrupt, "the lock's record has no token").at("kv.lock", table)
        })?;
        let (table, key, duration) = (table.clone(), key.clone(), *lease);
        Ok(Self { table, key, token, duration, mark, ends: asked.checked_add(duration) })
    }
}

pub(super) async fn acquire<K: Kv + ?Sized>(kv: &K, request: Lock) -> Result<Lease> {
    let Lock { table, key, holder, lease, patience } = &request;
    if lease.as_millis() == 0 {
        let message = format!("a lease of {lease:?}, wanted a millisecond at least");
        return Err(Error::invalid(message).at("kv.lock", table));
    }
    let (nonce, begun) = (nonce(), instant());
    // The marks of tries whose answers did not say whether they were applied.
    let mut unsure: Vec<(String, Instant)> = Vec::new();
    let mut tries: u32 = 0;
    loop {
        tries = tries.saturating_add(1);
        let (mark, asked) = (format!("{nonce}-{tries}"), instant());
        let refused = match within(kv.update(take(&request, &mark))).await {
            Ok(record) => return Lease::new(&request, &record, mark, asked),
            Err(e) if e.kind() == ErrorKind::Conflict || e.is_retryable() => e,
            Err(e) => return Err(e),
        };
        let conflict = refused.kind() == ErrorKind::Conflict;
        let is_unsure = !conflict && refused.may_have_applied();
        // Also a conflict may be with this very try, sent twice somewhere below.
        unsure.push((mark, asked));
        let mut found = None;
        if conflict || is_unsure || unsure.len() > 1 {
            match within(kv.get(Get::new(table.clone(), key.clone()).strong())).await {
                Ok(record) => found = record,
                Err(e) if e.is_retryable() => {}
                Err(e) => return Err(e),
            }
        }
        if let Some(record) = &found
            && let Some((mark, asked)) = unsure.iter().find(|it| has_mark(record, &it.0))
        {
            let lease = Lease::new(&request, record, mark.clone(), *asked)?;
            if !lease.left().is_zero() {
                return Ok(lease);
            }
        }
        if !is_unsure {
            unsure.pop();
        }
        let left = patience.saturating_sub(begun.elapsed());
        if left.is_zero() {
            let told = if conflict { held(&request, found.as_ref()) } else { refused };
            let applied = if unsure.is_empty() { Applied::No } else { Applied::Unknown };
            return Err(told.or_at("kv.lock", table).with_applied(applied));
        }
        sleep(pause(tries, holder).min(left)).await;
    }
}

fn take(request: &Lock, mark: &str) -> Update {
    let Lock { table, key, holder, lease, patience: _ } = request;
    Update::new(table.clone(), key.clone())
        .change(Change::SetTime(Path::from(UNTIL), When::In(*lease)))
        .increment(TOKEN, 1)
        .set(MARK, mark)
        .set(HOLDER, holder.as_str())
        .only_if(Condition::lacks(UNTIL).or(Condition::le(UNTIL, When::Now)))
}

pub(super) async fn renew<K: Kv + ?Sized>(kv: &K, lease: &mut Lease) -> Result<()> {
    let Lease { table, key, duration, mark, .. } = &*lease;
    let asked = instant();
    let renew = Update::new(table.clone(), key.clone())
        .change(Change::SetTime(Path::from(UNTIL), When::In(*duration)))
        .only_if(Condition::eq(MARK, mark.as_str()));
    match within(kv.update(renew)).await {
        Ok(_) => {
            lease.ends = asked.checked_add(*duration);
            Ok(())
        }
        Err(e) if e.kind() == ErrorKind::Conflict => {
            // Who has it now is good to know, and no more than that.
            let found = Get::new(table.clone(), key.clone()).strong();
            let found = within(kv.get(found)).await.ok().flatten();
            let message = format!("the lease is over: {}", holder(found.as_ref()));
            Err(Error::conflict(message).at("kv.renew_lock", table).with_source(e))
        }
        Err(e) => Err(e),
    }
}

pub(super) async fn release<K: Kv + ?Sized>(kv: &K, lease: Lease) -> Result<()> {
    let Lease { table, key, mark, .. } = lease;
    let free = Update::new(table, key)
        .remove(UNTIL)
        .remove(MARK)
        .remove(HOLDER)
        .only_if(Condition::eq(MARK, mark));
    match within(kv.update(free)).await {
        Ok(_) => Ok(()),
        // It is another's by now, or it was given back and the answer was lost.
        Err(e) if e.kind() == ErrorKind::Conflict => Ok(()),
        Err(e) => Err(e),
    }
}

fn has_mark(record: &Record, mark: &str) -> bool {
    record.item.get(MARK).and_then(Value::as_text) == Some(mark)
}

fn held(request: &Lock, found: Option<&Record>) -> Error {
    let Lock { patience, .. } = request;
    Error::conflict(format!("{}, waited {patience:?}", holder(found)))
}

/// Who holds the lock, as errors say it.
fn holder(found: Option<&Record>) -> String {
    match found.and_then(|it| it.item.get(HOLDER)).and_then(Value::as_text) {
        Some("") => "held by someone".to_owned(),
        Some(holder) => format!("held by {holder:?}"),
        None => "wanted by several at once".to_owned(),
    }
}

/// What no other acquirer has. It decides nothing but who is who, so that simulated runs repeat all the same.
fn nonce() -> String {
    let random = || RandomState::new().hash_one(());
    format!("{:016x}{:016x}", random(), random())
}

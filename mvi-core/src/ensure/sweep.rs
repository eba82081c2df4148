//! What crashes leave behind.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::{Life, Observed, Stamp};

/// A resource that no call will return.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphan<Id> {
    /// What the provider knows it by.
    pub id: Id,
    /// The name that it was made for.
    pub name: String,
    /// What it was made as.
    pub stamp: Stamp,
    /// Why nobody will return it.
    pub reason: Reason<Id>,
}

/// Why a resource is an [`Orphan`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason<Id> {
    /// Another holds the name.
    Duplicate {
        /// The one that calls return.
        of: Id,
    },
    /// It never got its name, and nothing holds it. The next call with the same settings takes up the oldest.
    Unfinished,
}

/// Reports, from an observation of any number of names, what is ours, lives, and is in nobody's hands.
///
/// It removes nothing: whoever cleans up decides, and looks again first. Of what was born less than `settle`
/// before `now` (see [`Wanted::settle`](super::Wanted::settle)) it says nothing, as it may be in a race still.
/// Nor does it judge names that clash with something not ours, or what has no [name](super::Marks::name) written on it.
///
/// ```
/// use std::time::Duration;
/// use mvi_core::{Timestamp, ensure::{Born, Fingerprint, Life, Marks, Observed, Reason, sweep}};
///
/// let now = "2026-01-02T03:04:05Z".parse()?;
/// let vpc = |id, nonce| {
///     let stamp = Fingerprint::of("vpc").field("cidr", "10.0.0.0/16").stamp();
///     let born = Born::new(Timestamp::UNIX_EPOCH, nonce);
///     Observed::new(id, Life::Alive, Marks { name: Some("web".into()), stamp: Some(stamp), born: Some(born) })
/// };
/// let orphans = sweep(&[vpc("vpc-2", 2), vpc("vpc-1", 1)], now, Duration::from_secs(10));
/// assert_eq!(orphans.len(), 1);
/// assert_eq!(orphans[0].id, "vpc-2");
/// assert_eq!(orphans[0].reason, Reason::Duplicate { of: "vpc-1" });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn sweep<Id: Clone + Ord>(
    observed: &[Observed<Id>],
    now: Timestamp,
    settle: Duration,
) -> Vec<Orphan<Id>> {
    let mut names: BTreeMap<&str, Vec<&Observed<Id>>> = BTreeMap::new();
    for one in observed.iter().filter(|it| it.life == Life::Alive) {
        if let Some(name) = &one.marks.name {
            names.entry(name).or_default().push(one);
        }
    }
    let mut orphans = Vec::new();
    for (name, namesakes) in names {
        if namesakes.iter().any(|it| it.named && it.marks.stamp.is_none()) {
            continue;
        }
        let holder = holder(namesakes.iter().copied());
        for one in namesakes {
            let Some(stamp) = &one.marks.stamp else { continue };
            let young =
                one.marks.born.is_some_and(|it| unsettled(now, it.time(), settle).is_some());
            let reason = match holder {
                Some(holder) if holder.id == one.id => continue,
                Some(holder) => Reason::Duplicate { of: holder.id.clone() },
                None => Reason::Unfinished,
            };
            if !young {
                let (id, name) = (one.id.clone(), name.to_owned());
                orphans.push(Orphan { id, name, stamp: stamp.clone(), reason });
            }
        }
    }
    orphans
}

/// Whom a call returns, of the living: the first-born of those that hold the name.
pub(super) fn holder<'a, Id: Ord + 'a>(
    alive: impl Iterator<Item = &'a Observed<Id>>,
) -> Option<&'a Observed<Id>> {
    alive.filter(|it| it.named).min_by_key(|it| (it.marks.born, &it.id))
}

/// How long to wait at `now` until what was born at `born` is settled.
pub(super) fn unsettled(now: Timestamp, born: Timestamp, settle: Duration) -> Option<Duration> {
    // Born in the future, by a clock ahead of ours: as young as can be.
    let age = Duration::try_from(now.duration_since(born)).unwrap_or(Duration::ZERO);
    settle.checked_sub(age).filter(|it| !it.is_zero())
}

//! What the rooms of the simulated cloud do alike: batches, pages, names that come late and go late.

use std::{num::NonZeroU32, ops::RangeInclusive, time::Duration};

use futures::{Stream, TryStreamExt as _, stream};
use mvi_core::{Applied, Error, ErrorKind, Result, hook::Op};

use super::world::{Turn, World, mix};
use crate::clock::Moment;

/// The operation, as its service's table lists it. For constants: a name that is not there does not compile.
pub(crate) const fn op(ops: &[&'static Op], name: &str) -> &'static Op {
    let mut at = 0;
    while !is(ops[at].name(), name) {
        at += 1;
    }
    ops[at]
}

const fn is(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

/// The same error, for another item of the same batch.
pub(crate) fn again(error: &Error) -> Error {
    error.retold(error.message())
}

/// Cuts a batch into parts, of at most `most` items, that are served side by side: a batch is not one transaction.
pub(crate) fn parts<T>(world: &World, items: Vec<T>, most: u32) -> Vec<Vec<T>> {
    if !world.takes_time() {
        return vec![items];
    }
    let (mut items, mut parts) = (items.into_iter(), Vec::new());
    while items.len() > 0 || parts.is_empty() {
        let size = 1 + world.pick(most);
        parts.push(items.by_ref().take(size as usize).collect());
    }
    parts
}

/// Joins the parts of a batch. Only what befell all of them is the call's: its first error, and of each what it says of what was applied.
pub(crate) fn joined<R>(parts: Vec<(usize, Result<Vec<Result<R>>>)>) -> Result<Vec<Result<R>>> {
    let served = parts.iter().any(|(_, part)| part.is_ok());
    let failed = parts.iter().filter_map(|(_, part)| part.as_ref().err().map(Error::applied));
    let applied = failed.reduce(Applied::join).unwrap_or(Applied::No);
    let mut results = Vec::new();
    for (count, part) in parts {
        match part {
            Ok(part) => results.extend(part),
            Err(error) if served => results.extend((0..count).map(|_| Err(again(&error)))),
            Err(error) => return Err(error.with_applied(applied)),
        }
    }
    Ok(results)
}

/// `token` in 16 digits. Made with every write, so not by a formatter, which takes five times as long.
pub(crate) fn hex(token: u64) -> [u8; 16] {
    std::array::from_fn(|at| {
        let digit = (token >> (4 * at) & 15) as usize;
        b"0123456789abcdef"[digit]
    })
}

/// Puts what has no order into one that means nothing, and is the seed's.
pub(crate) fn shuffle<T>(world: &World, items: &mut [T], name: impl Fn(&T) -> &str) {
    let start = world.seed();
    let order = |name: &str| name.bytes().fold(start, |hash, byte| mix(hash ^ u64::from(byte)));
    items.sort_by_key(|it| order(name(it)));
}

/// From when on something made at `turn` is seen; `None` where it is at once.
pub(crate) fn seen_from(turn: &Turn<'_>, visibility: &RangeInclusive<Duration>) -> Option<Moment> {
    let hidden = turn.world.draw(visibility);
    (!hidden.is_zero()).then(|| turn.at().after(hidden))
}

impl Turn<'_> {
    /// Refuses one item of a batch now and then.
    pub(crate) fn partial(&self, probability: f64) -> Result<()> {
        if self.world.chance(probability) {
            return Err(Error::new(ErrorKind::Throttled, "not processed with its batch"));
        }
        Ok(())
    }

    /// How many items a page has, of the `asked` for or else as the weather says. `None` is a page with none, and never comes
    /// after another one, so that a stream comes to its end.
    pub(crate) fn page(
        &self,
        asked: Option<NonZeroU32>,
        (page, short, empty): (u32, f64, f64),
        was_empty: bool,
    ) -> Option<u32> {
        if !was_empty && self.world.chance(empty) {
            return None;
        }
        let size = asked.map_or(page, NonZeroU32::get).max(1);
        Some(if self.world.chance(short) { 1 + self.world.pick(size) } else { size })
    }
}

/// How far a stream has come.
#[derive(Clone, Debug)]
pub(crate) enum Progress<L> {
    Start,
    /// After the last place that was read; and whether the page had none.
    After(Option<L>, bool),
    End,
}

/// What one page has, and where the next begins.
pub(crate) struct Page<T, L> {
    pub(crate) found: Vec<T>,
    pub(crate) progress: Progress<L>,
}

impl<L> Progress<L> {
    /// The last place that was read, where there is one; and whether the page had none.
    pub(crate) fn place(self) -> (Option<L>, bool) {
        match self {
            Self::After(last, was_empty) => (last, was_empty),
            Self::Start | Self::End => (None, false),
        }
    }
}

impl<T, L> Page<T, L> {
    /// A page with nothing, although more may come.
    pub(crate) fn empty(last: Option<L>) -> Self {
        Self { found: Vec::new(), progress: Progress::After(last, true) }
    }

    /// The first of what is `left`, each with its place.
    pub(crate) fn of(left: impl Iterator<Item = (L, T)>, size: u32) -> Self {
        let (mut found, mut last) = (Vec::new(), None);
        for (place, item) in left {
            if found.len() >= size as usize {
                return Self { found, progress: Progress::After(last, false) };
            }
            found.push(item);
            last = Some(place);
        }
        Self { found, progress: Progress::End }
    }
}

/// Streams pages, which `read` reads from where the last ended, of at most so many items more: nothing is locked, and
/// time may pass, between two pages.
pub(crate) fn paged<T, L, F>(
    limit: Option<u64>,
    read: impl Fn(Progress<L>, Option<u64>) -> F,
) -> impl Stream<Item = Result<T>>
where
    F: Future<Output = Result<Page<T, L>>>,
{
    let start = (Some(Progress::Start), limit, read);
    let pages = stream::try_unfold(start, |(progress, left, read)| async move {
        // A limit of 0 asks for nothing, and is checked all the same.
        let progress = match progress {
            None | Some(Progress::End) => return Ok(None),
            Some(Progress::After(..)) if left == Some(0) => return Ok(None),
            Some(progress) => progress,
        };
        let Page { found, progress } = read(progress, left).await?;
        let left = left.map(|left| left.saturating_sub(found.len() as u64));
        Ok::<_, Error>(Some((found, (Some(progress), left, read))))
    });
    pages.map_ok(|found| stream::iter(found.into_iter().map(Ok))).try_flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_of_which_all_parts_failed_may_have_applied_where_one_may() {
        let refused = || Error::new(ErrorKind::Throttled, "slow down");
        let lost = || Error::new(ErrorKind::Timeout, "no answer").with_code("504");
        let all = |parts: Vec<Result<Vec<Result<()>>>>| {
            joined(parts.into_iter().map(|it| (2, it)).collect())
        };
        let error = all(vec![Err(refused()), Err(lost())]).unwrap_err();
        assert_eq!((error.kind(), error.applied()), (ErrorKind::Throttled, Applied::Unknown));
        let error = all(vec![Err(refused()), Err(refused())]).unwrap_err();
        assert_eq!(error.applied(), Applied::No);
        // What befell one part is told of each of its items, with all that is known.
        let results = all(vec![Err(lost()), Ok(vec![Ok(()), Ok(())])]).unwrap();
        let told: Vec<_> =
            results.iter().map(|it| it.as_ref().err().and_then(Error::code)).collect();
        assert_eq!(told, [Some("504"), Some("504"), None, None]);
    }
}
